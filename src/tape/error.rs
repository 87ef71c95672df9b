//! What can go wrong with a tape, each with one line for the operator: the tape, the cause, the remedy.
//!
//! The layers above map these to sense data and NDMP errors; nothing here knows how.

use std::io;
use std::path::PathBuf;

use super::format::RECORD_BYTES_MAX;
use super::position::Position;

/// Why an operation on a tape failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TapeError {
    /// Another process, or another drive of this one, has the tape open.
    #[error("tape {tape}: already open in a drive or by another process; unload it there first")]
    Locked {
        /// The tape's barcode or directory.
        tape: String,
    },
    /// The label says that the tape is write-protected.
    #[error("tape {tape}: write-protected; clear write_protected in its label to write to it")]
    WriteProtected {
        /// The tape's barcode.
        tape: String,
    },
    /// A write-once tape can only be written at the end of its data.
    #[error("tape {tape}: write-once, and {position} is before the end of its data; space to the end first")]
    WormOverwrite {
        /// The tape's barcode.
        tape: String,
        /// Where the write was tried.
        position: Position,
    },
    /// The tape's capacity is used up; nothing was written.
    #[error("tape {tape}: end of medium, its {capacity_bytes} bytes are used; go on with the next tape")]
    EndOfMedium {
        /// The tape's barcode.
        tape: String,
        /// The tape's capacity in bytes of log.
        capacity_bytes: u64,
    },
    /// The file system (or the quota) is full. Callers treat it as the end of the medium; every record written
    /// before is kept.
    #[error("tape {tape}: no space left on its file system ({source}); free some or go on elsewhere")]
    DiskFull {
        /// The tape's barcode.
        tape: String,
        /// What the system said.
        source: io::Error,
    },
    /// What stands at the position is damaged; the rest of the tape stays readable.
    #[error("tape {tape}: damaged at {position}: {reason}; space past it to read on")]
    Medium {
        /// The tape's barcode.
        tape: String,
        /// Where the damage is.
        position: Position,
        /// What does not hold.
        reason: String,
    },
    /// A record was stored with a codec that this version does not have.
    #[error("tape {tape}: {position} is stored with codec {codec}, unknown here; use a newer tapesilo")]
    UnknownCodec {
        /// The tape's barcode.
        tape: String,
        /// Where the record is.
        position: Position,
        /// The record's codec byte.
        codec: u8,
    },
    /// The directory holds no tape, or one whose log cannot be recognised.
    #[error("{}: not a tape: {reason}", path.display())]
    NotATape {
        /// The file or directory.
        path: PathBuf,
        /// What is missing or wrong, and what to do.
        reason: String,
    },
    /// The log was written in a format that this version does not know.
    #[error("{}: tape format {version}, this tapesilo reads {}; use a newer one", path.display(), super::FORMAT_VERSION)]
    UnknownFormat {
        /// The log file.
        path: PathBuf,
        /// The version that it states.
        version: u32,
    },
    /// A label cannot be read or written.
    #[error("{}: {reason}", path.display())]
    Label {
        /// The label file.
        path: PathBuf,
        /// What is wrong, with line numbers where there are any.
        reason: String,
    },
    /// A tape cannot be created because something stands in its place.
    #[error("{}: cannot create a tape here: {reason}", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
        /// What stands there.
        reason: String,
    },
    /// A new tape's specification is refused.
    #[error("tape {barcode:?}: {reason}")]
    Specification {
        /// The barcode asked for.
        barcode: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A record has 1 to [`RECORD_BYTES_MAX`] bytes.
    #[error("tape {tape}: a record of {length} bytes; records have 1 to {RECORD_BYTES_MAX}")]
    RecordLength {
        /// The tape's barcode.
        tape: String,
        /// The length that was asked for.
        length: usize,
    },
    /// A reader that takes no lock met an overwrite; nothing that it read afterwards was given out.
    #[error("tape {tape}: overwritten while it was being read; start again")]
    Overwritten {
        /// The tape's barcode or directory.
        tape: String,
    },
    /// A write or sync failed earlier, so what is on disk is unknown; the tape refuses writes until it is reopened.
    #[error(
        "tape {tape}: refuses writes after an earlier error ({reason}); check the disk, then load it again"
    )]
    Failed {
        /// The tape's barcode.
        tape: String,
        /// The first error.
        reason: String,
    },
    /// The system refused something.
    #[error("tape {tape}: cannot {action}: {source}")]
    Io {
        /// The tape's barcode or directory.
        tape: String,
        /// What was tried, as "read its log".
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Whether an error means that no more bytes fit on the file system.
pub(super) fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::WriteZero
    )
}
