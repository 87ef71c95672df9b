//! Tapes to SIMH images and back, and one tape file as plain bytes.

use std::io::{self, Read, Seek, Write};

use super::error::TapeError;
use super::format::{RECORD_BYTES_MAX, RECORD_OVERHEAD_BYTES, stored_bytes};
use super::medium::ReadOutcome;
use super::reader::TapeReader;
use super::seek::Stop;
use super::simh::{TapError, TapNotices, TapObject, TapReader, TapWriter};
use super::tape::Tape;

/// So many filemarks in a row are written at once.
const FILEMARKS_AT_ONCE: u32 = 1000;

/// What is on a tape, or went from one place to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Records.
    pub records: u64,
    /// Filemarks.
    pub filemarks: u64,
    /// Sum of the records' lengths in bytes.
    pub record_bytes: u64,
}

/// Why a copy ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The tape cannot be read or written.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] TapError),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(io::Error),
    /// The tape has fewer files.
    #[error("tape {tape}: there is no file {file}; it has {files}, counted from 0")]
    NoSuchFile {
        /// The tape.
        tape: String,
        /// The file asked for.
        file: u64,
        /// How many files it has.
        files: u64,
    },
}

/// Writes the records of file `file` (from 0) to `output`, one behind the other. Gives the number of bytes.
///
/// # Errors
/// [`CopyError`]. What stood before a damaged record has been written, nothing of it or behind it.
pub fn copy_file(tape: &mut TapeReader, file: u64, output: &mut dyn Write) -> Result<u64, CopyError> {
    let end = tape.end_of_data();
    let files = end.file.saturating_add(u64::from(end.block_in_file > 0));
    if file >= files {
        return Err(CopyError::NoSuchFile { tape: tape.name().to_owned(), file, files });
    }
    let mut written = 0;
    if tape.locate_file(file)? == Stop::EndOfData {
        return Ok(written);
    }
    let mut buffer = vec![0; RECORD_BYTES_MAX];
    while let ReadOutcome::Record { length } = tape.read_record(&mut buffer)? {
        output.write_all(&buffer[..length]).map_err(CopyError::Output)?;
        written += length as u64;
    }
    output.flush().map_err(CopyError::Output)?;
    Ok(written)
}

/// Writes the whole tape to `output` as an image. `progress` is told how many of how many bytes of log are behind.
///
/// # Errors
/// [`CopyError`]; a damaged record ends it, as an image has no way to say what is missing.
pub fn export(
    tape: &mut TapeReader,
    output: impl Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Amount, CopyError> {
    let mut image = TapWriter::new(output);
    let mut amount = Amount::default();
    let mut buffer = vec![0; RECORD_BYTES_MAX];
    let (mut done, total) = (0, tape.used_bytes());
    loop {
        match tape.read_record(&mut buffer)? {
            ReadOutcome::Record { length } => {
                image.record(&buffer[..length]).map_err(CopyError::Output)?;
                amount.records += 1;
                amount.record_bytes += length as u64;
                done += length as u64 + RECORD_OVERHEAD_BYTES;
            }
            ReadOutcome::Filemark => {
                image.filemark().map_err(CopyError::Output)?;
                amount.filemarks += 1;
                done += RECORD_OVERHEAD_BYTES;
            }
            ReadOutcome::EndOfData => break,
        }
        progress(done.min(total), total);
    }
    image.finish().map_err(CopyError::Output)?;
    progress(total, total);
    Ok(amount)
}

/// What an image holds, from a look at all of it that passes over the data: the amount, the bytes of log that it takes
/// on a tape, and what there is to be told.
///
/// # Errors
/// [`TapError`] if it is no image, or one that cannot be imported.
pub fn measure<R: Read + Seek>(mut image: TapReader<R>) -> Result<(Amount, u64, TapNotices), TapError> {
    let mut amount = Amount::default();
    let mut log_bytes: u64 = 0;
    loop {
        match image.next_object(None)? {
            TapObject::Record(length) => {
                amount.records += 1;
                amount.record_bytes += u64::from(length);
                log_bytes = log_bytes.saturating_add(stored_bytes(length));
            }
            TapObject::Filemark => {
                amount.filemarks += 1;
                log_bytes = log_bytes.saturating_add(RECORD_OVERHEAD_BYTES);
            }
            TapObject::End => return Ok((amount, log_bytes, image.notices())),
        }
    }
}

/// Writes an image to a tape, from where the tape stands; durable once the tape is closed. `progress` is told how many
/// bytes of the image are behind.
///
/// # Errors
/// [`CopyError`]; what was written until then stays on the tape.
pub fn import<R: Read + Seek>(
    mut image: TapReader<R>,
    tape: &mut Tape,
    progress: &mut dyn FnMut(u64),
) -> Result<Amount, CopyError> {
    let mut amount = Amount::default();
    let mut data = Vec::new();
    let mut filemarks = 0;
    loop {
        let object = image.next_object(Some(&mut data))?;
        if filemarks > 0 && (object != TapObject::Filemark || filemarks == FILEMARKS_AT_ONCE) {
            tape.write_filemarks(filemarks)?;
            filemarks = 0;
        }
        match object {
            TapObject::Record(_) => {
                tape.write_record(&data)?;
                amount.records += 1;
                amount.record_bytes += data.len() as u64;
            }
            TapObject::Filemark => {
                filemarks += 1;
                amount.filemarks += 1;
            }
            TapObject::End => return Ok(amount),
        }
        progress(image.offset());
    }
}
