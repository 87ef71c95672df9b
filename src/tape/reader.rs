//! A tape looked at from outside: no lock, nothing changed on disk, also while a drive writes to it.
//!
//! What stands on the tape when it is opened is what is read, up to the last record that is whole then. A writer may
//! append meanwhile; if it overwrites, the tape's generation grows *before* anything is destroyed, so looking at the
//! header again after each piece read from disk tells old bytes from new ones. Read on in `snapshot` (the files),
//! `../contents.rs` (what the tape files are), `../verify.rs` (every byte).

mod snapshot;

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::error::TapeError;
use super::index;
use super::label::{self, Label};
use super::log::{Log, io_error};
use super::medium::{Limits, Medium, ReadOutcome};
use super::position::Position;
use super::recovery::Tail;
use super::seek::Stop;
use super::storage::FileStorage;
use super::tape::{DATA, INDEX, open_log};
use crate::files::open_file;

pub(super) use snapshot::{Held, Snapshot};

/// How often opening begins anew when the tape is overwritten just then.
const ATTEMPTS: u32 = 5;
/// Why nothing is written.
const LOOKS_ONLY: &str = "it was opened to be looked at";

/// A read-only view of a tape as it was when it was opened. See the module.
pub struct TapeReader {
    name: Arc<str>,
    label: Option<Label>,
    medium: Medium<Snapshot, Held>,
    tail: Option<Tail>,
    /// How often the disk had been read when the header was last looked at.
    confirmed_reads: u64,
}

impl TapeReader {
    /// Opens the tape in `directory`; stands at its beginning. A label that cannot be read is no hindrance: the tape
    /// is then called by its directory's name.
    ///
    /// # Errors
    /// [`TapeError::NotATape`], [`TapeError::UnknownFormat`] and [`TapeError::Io`] if the log cannot be read,
    /// [`TapeError::Overwritten`] if it is being overwritten again and again.
    pub fn open(directory: &Path) -> Result<TapeReader, TapeError> {
        let mut attempt = 1;
        loop {
            match TapeReader::open_once(directory) {
                Err(TapeError::Overwritten { .. }) if attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    fn open_once(directory: &Path) -> Result<TapeReader, TapeError> {
        let label = label::load(directory).ok();
        let name = name_of(directory, label.as_ref());
        let path = directory.join(DATA);
        let file = open_log(&name, &path, OpenOptions::new().read(true))?;
        // The index first: it then never knows of more log than the length that is looked at next.
        let index = read_index(directory, &file);
        let storage =
            Snapshot::new(file).map_err(|source| io_error(&name, "read the length of its log", source))?;
        let mut log = Log::open(name.clone(), &path, storage, 0)?;
        log.set_read_only_quietly(LOOKS_ONLY);
        let limits = Limits { capacity_bytes: 0, worm: false, write_protected: true };
        let (medium, tail) = Medium::look(log, index, limits)?;
        let mut reader = TapeReader { name, label, medium, tail, confirmed_reads: 0 };
        reader.confirm()?;
        Ok(reader)
    }

    /// The barcode of the label, or the directory's name where that cannot be read.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The label, if it or its backup can be read.
    pub fn label(&self) -> Option<&Label> {
        self.label.as_ref()
    }

    /// The uuid of the log.
    pub fn uuid(&self) -> Uuid {
        self.medium.header().uuid
    }

    /// Counts how often data on the tape was overwritten or erased; starts at 1.
    pub fn generation(&self) -> u64 {
        self.medium.header().generation
    }

    /// The bytes of log in use.
    pub fn used_bytes(&self) -> u64 {
        self.medium.used_bytes()
    }

    /// Where the next read takes place.
    pub fn position(&self) -> Position {
        self.medium.position()
    }

    /// Where the data ends that was whole when the tape was opened.
    pub fn end_of_data(&self) -> Position {
        self.medium.end().position
    }

    /// Moves to the first record of file `file`, counted from 0: [`Stop::Complete`], or [`Stop::EndOfData`] if the tape
    /// has fewer filemarks than that.
    ///
    /// # Errors
    /// [`TapeError::Medium`] where damage hides the file's beginning; [`TapeError::Overwritten`].
    pub fn locate_file(&mut self, file: u64) -> Result<Stop, TapeError> {
        let result = self.medium.locate_file(file);
        self.confirm()?;
        result
    }

    /// Moves to block `block`, or to the end of data.
    ///
    /// # Errors
    /// As [`TapeReader::locate_file`].
    pub fn locate_block(&mut self, block: u64) -> Result<Stop, TapeError> {
        let result = self.medium.locate_block(block);
        self.confirm()?;
        result
    }

    /// Reads the record or filemark here into `buffer`, all of it checked, and stands behind it. A longer record is cut
    /// to the buffer, its whole length reported.
    ///
    /// # Errors
    /// [`TapeError::Medium`] if it is damaged; reading on then works. [`TapeError::Overwritten`] if the tape is no longer
    /// what was opened; what `buffer` holds then must not be used.
    pub fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, TapeError> {
        let result = self.medium.read_record(buffer);
        self.confirm()?;
        result
    }

    /// What stands behind the end of data.
    pub(super) fn tail(&self) -> Option<Tail> {
        self.tail
    }

    pub(super) fn log(&mut self) -> &mut Log<Snapshot> {
        &mut self.medium.log
    }

    /// Says if the tape was overwritten since it was opened. Costs nothing where the disk was not read since the last
    /// time: what memory holds was confirmed then.
    pub(super) fn confirm(&mut self) -> Result<(), TapeError> {
        let reads = self.medium.log.storage().reads();
        if reads == self.confirmed_reads {
            return Ok(());
        }
        let known = *self.medium.header();
        let newest = self.medium.log.storage().newest_header();
        let newest = newest.map_err(|source| io_error(&self.name, "read its header", source))?;
        self.confirmed_reads = self.medium.log.storage().reads();
        match newest {
            Some(header) if header.uuid != known.uuid || header.generation != known.generation => {
                Err(TapeError::Overwritten { tape: self.name.to_string() })
            }
            _ => Ok(()),
        }
    }
}

/// What to call the tape in `directory`.
pub(super) fn name_of(directory: &Path, label: Option<&Label>) -> Arc<str> {
    match (label, directory.file_name()) {
        (Some(label), _) => label.barcode.as_str().into(),
        (None, Some(name)) => name.to_string_lossy().into(),
        (None, None) => directory.to_string_lossy().into(),
    }
}

/// The index beside the log in `file`, held in memory: small, and it may be written at this moment.
pub(super) fn read_index(directory: &Path, file: &std::fs::File) -> Option<Held> {
    let log_bytes = file.metadata().ok()?.len();
    let index = open_file(OpenOptions::new().read(true), &directory.join(INDEX)).ok()?;
    Held::read(&FileStorage::new(index), index::length_max(log_bytes)).ok()
}

#[cfg(test)]
mod tests;
