//! Verifying a tape: every byte of its files held against what it must be. Takes no lock and changes nothing.
//!
//! The log is walked once, in large pieces through one buffer; the index's claims are held against the walk. What is
//! found is a list of [`Finding`]s for the operator (`finding`), not an error: only a tape that cannot be walked at all
//! is one. `labels` looks at what stands beside the log, `against_index` compares.

mod against_index;
mod finding;
mod labels;

use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use self::against_index::AgainstIndex;
pub use self::finding::{Finding, FindingKind, Severity};
use super::error::TapeError;
use super::format::{CODEC_RAW, DATA_START_BYTES, Kind, RECORD_BYTES_MAX, RecordHeader, TAPE_HEADER_BYTES};
use super::log::{Flaw, Found, PayloadError, io_error};
use super::position::Cursor;
use super::reader::TapeReader;
use super::storage::Storage;
use super::tape::DATA;

/// More findings than this are counted, not kept.
const FINDINGS_MAX: usize = 1000;
/// How often progress is told, in bytes of log.
const PROGRESS_BYTES: u64 = 4 << 20;
/// How long a tail may take to become a record, if somebody is writing it.
const WRITER_PATIENCE: Duration = Duration::from_millis(200);

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The barcode of the label, or the directory's name where that cannot be read.
    pub barcode: String,
    /// The uuid of the log.
    pub uuid: Uuid,
    /// Counts how often data on the tape was overwritten or erased.
    pub generation: u64,
    /// Records that are whole.
    pub records: u64,
    /// Filemarks that are whole.
    pub filemarks: u64,
    /// Sum of the lengths of the whole records in bytes, as hosts wrote them.
    pub record_bytes: u64,
    /// Bytes of the log that were checked.
    pub checked_bytes: u64,
    /// What is wrong, in the order in which it stands on the tape.
    pub findings: Vec<Finding>,
    /// How many more findings there are.
    pub findings_omitted: u64,
}

impl Verification {
    /// Whether nothing was found that endangers data. Warnings may still be there.
    pub fn is_sound(&self) -> bool {
        self.findings_omitted == 0
            && self.findings.iter().all(|finding| finding.severity() == Severity::Warning)
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.findings_omitted = self.findings_omitted.saturating_add(1);
        }
    }
}

/// Checks every byte of the tape in `directory`, as far as it was written when this begins. `progress` is told how many
/// of how many bytes are done.
///
/// # Errors
/// [`TapeError::NotATape`] and [`TapeError::UnknownFormat`] if neither copy of the tape's header can be used,
/// [`TapeError::Overwritten`] if the tape was overwritten meanwhile, [`TapeError::Io`] if the disk cannot be read.
pub fn verify(directory: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Verification, TapeError> {
    let mut reader = TapeReader::open(directory)?;
    let mut verification = Verification {
        barcode: reader.name().to_owned(),
        uuid: reader.log().header().uuid,
        generation: reader.generation(),
        records: 0,
        filemarks: 0,
        record_bytes: 0,
        checked_bytes: 0,
        findings: Vec::new(),
        findings_omitted: 0,
    };
    labels::check(directory, verification.uuid, &mut verification);
    check_headers(&mut reader, &mut verification)?;
    let end = reader.log().end();
    let mut index = AgainstIndex::open(directory, reader.log().header(), end.offset);
    walk(&mut reader, &mut index, &mut verification, progress)?;
    if let Some(finding) = index.finish() {
        verification.add(finding);
    }
    check_tail(directory, &mut reader, &mut verification)?;
    reader.confirm()?;
    let header = *reader.log().header();
    if end.offset < header.generation_start {
        verification.add(Finding::at(
            FindingKind::GenerationStart,
            DATA,
            end,
            header.generation_start - end.offset,
        ));
    }
    Ok(verification)
}

/// Both copies of the tape header must be intact; that they differ is what a crash may leave.
fn check_headers(reader: &mut TapeReader, verification: &mut Verification) -> Result<(), TapeError> {
    let copies = reader.log().storage().header_copies();
    let copies = copies.map_err(|source| io_error(&verification.barcode, "read its header", source))?;
    let bytes = TAPE_HEADER_BYTES as u64;
    for (offset, copy) in [0, bytes].into_iter().zip(copies) {
        if copy.is_none() {
            verification.add(Finding::in_file(FindingKind::TapeHeader, DATA, offset, bytes));
        }
    }
    if let [Some(first), Some(second)] = copies
        && first != second
    {
        let stale = if first.generation >= second.generation { bytes } else { 0 };
        verification.add(Finding::in_file(FindingKind::TapeHeaderStale, DATA, stale, bytes));
    }
    Ok(())
}

/// Checks all records up to the end of data.
fn walk(
    reader: &mut TapeReader,
    index: &mut AgainstIndex,
    verification: &mut Verification,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), TapeError> {
    let total = reader.log().storage().len().unwrap_or_default();
    let mut buffer = Vec::new();
    let mut told = 0;
    let mut at = Cursor::BEGINNING;
    loop {
        index.pass(at);
        let found = reader.log().look(at)?;
        let (next, finding) = match found {
            Found::End => break,
            Found::Record { header, next } => {
                let finding = check_record(reader, at, &header, &mut buffer)?;
                if finding.is_none() {
                    count(verification, &header);
                }
                (next, finding)
            }
            Found::Damaged { resume, reason } => {
                index.lose(at, resume);
                let finding =
                    Finding::at(FindingKind::RecordHeader, DATA, at, resume.offset.saturating_sub(at.offset));
                let blocks = resume.position.block.checked_sub(at.position.block);
                (resume, Some(finding.with_blocks(blocks).because(reason)))
            }
        };
        // Before anything is said of bytes: an overwrite makes them another tape's.
        reader.confirm()?;
        if let Some(finding) = finding {
            verification.add(finding);
        }
        at = next;
        if at.offset - told >= PROGRESS_BYTES {
            told = at.offset;
            progress(told, total);
        }
    }
    verification.checked_bytes = at.offset;
    progress(total, total);
    Ok(())
}

fn count(verification: &mut Verification, header: &RecordHeader) {
    match header.kind {
        Kind::Data => {
            verification.records += 1;
            verification.record_bytes =
                verification.record_bytes.saturating_add(u64::from(header.logical_bytes));
        }
        Kind::Filemark => verification.filemarks += 1,
    }
}

fn check_record(
    reader: &mut TapeReader,
    at: Cursor,
    header: &RecordHeader,
    buffer: &mut Vec<u8>,
) -> Result<Option<Finding>, TapeError> {
    let finding = |kind| Finding::at(kind, DATA, at, header.total_bytes()).with_blocks(Some(1));
    let kind = match reader.log().check(at.offset, header)? {
        Some(Flaw::Payload) => FindingKind::RecordPayload,
        Some(Flaw::Padding) => FindingKind::RecordPadding,
        Some(Flaw::Trailer) => FindingKind::RecordTrailer,
        None if header.codec == CODEC_RAW => return Ok(None),
        None => {
            // What was stored packed must also unpack, to the length that was written.
            buffer.resize(RECORD_BYTES_MAX, 0);
            match reader.log().payload(at.offset, header, buffer) {
                Ok(length) if length == header.logical_bytes as usize => return Ok(None),
                Ok(_) => FindingKind::RecordCodec,
                Err(PayloadError::Damaged(reason)) => {
                    return Ok(Some(finding(FindingKind::RecordCodec).because(&reason)));
                }
                Err(PayloadError::Codec(codec)) => {
                    let reason = format!("it is stored with codec {codec}");
                    return Ok(Some(finding(FindingKind::UnknownCodec).because(&reason)));
                }
            }
        }
    };
    Ok(Some(finding(kind)))
}

/// What stands behind the last whole record: a crash's, or a record that somebody is writing at this moment.
fn check_tail(
    directory: &Path,
    reader: &mut TapeReader,
    verification: &mut Verification,
) -> Result<(), TapeError> {
    let Some(tail) = reader.tail() else { return Ok(()) };
    let length = reader.log().storage().len().unwrap_or_default();
    if reader.log().storage().length_now().is_ok_and(|now| now != length) {
        return Ok(());
    }
    std::thread::sleep(WRITER_PATIENCE);
    if TapeReader::open(directory)?.tail() != Some(tail) {
        return Ok(());
    }
    verification.checked_bytes = length.max(DATA_START_BYTES);
    let kind = if tail.is_overwritten {
        FindingKind::OverwrittenTail
    } else if is_zero(reader, tail.from.offset, length)? {
        FindingKind::ZeroTail
    } else {
        FindingKind::TornTail
    };
    verification.add(Finding::at(kind, DATA, tail.from, tail.bytes));
    Ok(())
}

fn is_zero(reader: &mut TapeReader, from: u64, to: u64) -> Result<bool, TapeError> {
    let mut piece = vec![0; 1 << 20];
    let mut offset = from;
    while offset < to {
        let name = reader.name().to_owned();
        let read = reader
            .log()
            .storage()
            .read_at(offset, &mut piece)
            .map_err(|source| io_error(&name, "read its log", source))?;
        if read == 0 {
            break;
        }
        if piece[..read].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        offset += read as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
