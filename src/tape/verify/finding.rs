//! What can be found wrong with a tape: where it is, what it means to the operator, what to do.

use std::fmt;

use super::super::position::{Cursor, Position};

/// Whether data is in danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Data is lost, cannot be read, or has lost what protects it.
    Damage,
    /// Nothing is lost, and the next load of the tape mends it by itself.
    Warning,
}

impl Severity {
    /// `damage` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Damage => "damage",
            Severity::Warning => "warning",
        }
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// One of the two copies of the tape header is damaged.
    TapeHeader,
    /// The two copies of the tape header differ: a crash interrupted an overwrite.
    TapeHeaderStale,
    /// A record's header is damaged, or not one that may stand there.
    RecordHeader,
    /// A record's bytes do not fit their checksum.
    RecordPayload,
    /// The zeros behind a record's bytes are not zero.
    RecordPadding,
    /// A record's trailer is not that of its header.
    RecordTrailer,
    /// A record's bytes are intact but cannot be unpacked.
    RecordCodec,
    /// A record is stored with a codec of a later version.
    UnknownCodec,
    /// Behind the last whole record stands something that is none.
    TornTail,
    /// Behind the last whole record stand zeros only: space that was never written to.
    ZeroTail,
    /// Behind the last whole record stands what an interrupted overwrite was destroying.
    OverwrittenTail,
    /// The header says that the newest generation begins behind the end of data.
    GenerationStart,
    /// The log ends before records that were durable.
    LogCut,
    /// The index file is damaged.
    IndexDamaged,
    /// The index does not fit the log.
    IndexMismatch,
    /// The label is missing or cannot be read.
    Label,
    /// The label's backup cannot be read.
    LabelBackup,
    /// The label belongs to another tape.
    LabelUuid,
    /// The label's barcode is not the directory's name.
    Barcode,
    /// What initiators have noted on the tape cannot be read.
    Attributes,
}

impl FindingKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            FindingKind::TapeHeader => "tape_header",
            FindingKind::TapeHeaderStale => "tape_header_stale",
            FindingKind::RecordHeader => "record_header",
            FindingKind::RecordPayload => "record_payload",
            FindingKind::RecordPadding => "record_padding",
            FindingKind::RecordTrailer => "record_trailer",
            FindingKind::RecordCodec => "record_codec",
            FindingKind::UnknownCodec => "unknown_codec",
            FindingKind::TornTail => "torn_tail",
            FindingKind::ZeroTail => "zero_tail",
            FindingKind::OverwrittenTail => "overwritten_tail",
            FindingKind::GenerationStart => "generation_start",
            FindingKind::LogCut => "log_cut",
            FindingKind::IndexDamaged => "index_damaged",
            FindingKind::IndexMismatch => "index_mismatch",
            FindingKind::Label => "label",
            FindingKind::LabelBackup => "label_backup",
            FindingKind::LabelUuid => "label_uuid",
            FindingKind::Barcode => "barcode",
            FindingKind::Attributes => "attributes",
        }
    }

    fn severity(self) -> Severity {
        match self {
            FindingKind::TapeHeaderStale
            | FindingKind::ZeroTail
            | FindingKind::OverwrittenTail
            | FindingKind::GenerationStart
            | FindingKind::IndexDamaged
            | FindingKind::IndexMismatch
            | FindingKind::LabelBackup
            | FindingKind::Attributes => Severity::Warning,
            _ => Severity::Damage,
        }
    }

    /// What it means, and what to do.
    fn meaning(self) -> (&'static str, &'static str) {
        const COPY: &str = "copy the tape's data elsewhere and check the disk";
        const NONE: &str = "nothing to do: the next load of the tape mends it";
        match self {
            FindingKind::TapeHeader => (
                "one of the two copies of the tape's header is damaged; the other one serves",
                "check the disk; the next load of the tape writes the copy anew",
            ),
            FindingKind::TapeHeaderStale => {
                ("the two copies of the tape's header differ, as after a crash during an overwrite", NONE)
            }
            FindingKind::RecordHeader => (
                "what stands here cannot be read; the rest of the tape can",
                "restore what was backed up here from another copy, and check the disk",
            ),
            FindingKind::RecordPayload => (
                "the bytes of this record are damaged and will be refused; the rest of the tape can be read",
                "restore what was backed up here from another copy, and check the disk",
            ),
            FindingKind::RecordPadding => ("bits changed behind this record; its data is intact", COPY),
            FindingKind::RecordTrailer => (
                "the end mark of this record is damaged; its data is intact, but a second damage near it would cost more",
                COPY,
            ),
            FindingKind::RecordCodec => (
                "the bytes of this record are as written but do not unpack to what was backed up",
                "restore what was backed up here from another copy, and report this as a fault of tapesilo",
            ),
            FindingKind::UnknownCodec => {
                ("this record was stored by a newer tapesilo; its bytes are intact", "use that version")
            }
            FindingKind::TornTail => (
                "behind the last whole record stands what a crash left half written, or a damaged last record",
                "the next load of the tape keeps it aside as a torn- file and cuts it off; \
                 see whether the last backup to this tape ended well",
            ),
            FindingKind::ZeroTail => ("behind the end of data stand zeros that were never a record", NONE),
            FindingKind::OverwrittenTail => {
                ("behind the end of data stands what an interrupted overwrite was destroying", NONE)
            }
            FindingKind::GenerationStart => {
                ("the tape ends before the place where it was last overwritten, as after a crash", NONE)
            }
            FindingKind::LogCut => (
                "the log was longer: records that were safe on disk are gone from its end",
                "restore the file `data` from a copy before the tape is loaded again, and check the file system",
            ),
            FindingKind::IndexDamaged => {
                ("the index is damaged; it holds no data, and without it the next load scans the log", NONE)
            }
            FindingKind::IndexMismatch => (
                "the index says what the log does not; the log counts, and the next load may scan it",
                "delete the file `index` while the tape is in no drive",
            ),
            FindingKind::Label => {
                ("the label cannot be read", "restore label.toml, from label.toml.bak if that is good")
            }
            FindingKind::LabelBackup => {
                ("the backup of the label cannot be read; the label itself can", "check the disk")
            }
            FindingKind::LabelUuid => (
                "the label belongs to another tape; no drive loads it",
                "restore the label or the log that is wrong",
            ),
            FindingKind::Barcode => {
                ("the label names another barcode than the directory", "rename the directory")
            }
            FindingKind::Attributes => (
                "what backup applications have noted in the cartridge's memory is lost; no data is",
                "nothing to do: the next note makes the file anew",
            ),
        }
    }
}

/// One thing that is wrong with a tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// In which file of the tape's directory.
    pub file: &'static str,
    /// Where in that file, in bytes.
    pub offset: Option<u64>,
    /// How many bytes are concerned.
    pub bytes: Option<u64>,
    /// Where on the tape, if it is about records.
    pub position: Option<Position>,
    /// How many blocks are lost or in danger, if that is known.
    pub blocks: Option<u64>,
    /// What exactly does not hold, if there is more to say than the kind does.
    pub reason: Option<String>,
}

impl Finding {
    /// About a whole file.
    pub(super) fn of(kind: FindingKind, file: &'static str) -> Finding {
        Finding { kind, file, offset: None, bytes: None, position: None, blocks: None, reason: None }
    }

    /// About bytes of a file.
    pub(super) fn in_file(kind: FindingKind, file: &'static str, offset: u64, bytes: u64) -> Finding {
        Finding { offset: Some(offset), bytes: Some(bytes), ..Finding::of(kind, file) }
    }

    /// About a place on the tape.
    pub(super) fn at(kind: FindingKind, file: &'static str, at: Cursor, bytes: u64) -> Finding {
        Finding { position: Some(at.position), ..Finding::in_file(kind, file, at.offset, bytes) }
    }

    pub(super) fn with_blocks(self, blocks: Option<u64>) -> Finding {
        Finding { blocks, ..self }
    }

    pub(super) fn because(self, reason: &str) -> Finding {
        Finding { reason: Some(reason.to_owned()), ..self }
    }

    /// Whether data is in danger.
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// What it means to the operator, in one line.
    pub fn meaning(&self) -> &'static str {
        self.kind.meaning().0
    }

    /// What to do, in one line.
    pub fn remedy(&self) -> &'static str {
        self.kind.meaning().1
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity().name(), self.file)?;
        if let (Some(offset), Some(bytes)) = (self.offset, self.bytes) {
            write!(f, " at byte {offset}, {bytes} bytes")?;
        }
        if let Some(position) = self.position {
            write!(f, ", {position}")?;
        }
        if let Some(blocks) = self.blocks.filter(|blocks| *blocks > 1) {
            write!(f, " and {} more", blocks - 1)?;
        }
        write!(f, ": {}", self.meaning())?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        write!(f, "; {}", self.remedy())
    }
}
