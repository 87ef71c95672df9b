//! A tape as its directory: the lock, the label with its counters, and the files of the [`Medium`] between them.
//!
//! All that tapes do stands in `medium.rs` and `seek.rs`; this only counts and passes on.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::attributes::{self, HostAttribute};
use super::codec::Compression;
use super::error::{TapeError, is_disk_full};
use super::format::DATA_START_BYTES;
use super::index;
use super::label::{self, Label};
use super::log::{Lent, Log, io_error, read_header};
use super::medium::{FILEMARK_RESERVE_BYTES, Limits, Medium, ReadOutcome};
use super::position::Position;
use super::recovery::Tail;
use super::seek::{Spaced, Stop};
use super::storage::{FileStorage, Storage};
use crate::files::{Lock, open_file, sync_directory};

pub(super) const DATA: &str = "data";
pub(super) const INDEX: &str = "index";
const COPY_BYTES: usize = 1 << 20;
/// The smallest part of its capacity that a tape can be given, as a divisor: LTO's drives have such a limit, too.
const CAPACITY_PARTS_MAX: u64 = 20;

/// What can be said of a tape without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its label.
    pub label: Label,
    /// Counts how often data on it was overwritten or erased; starts at 1.
    pub generation: u64,
    /// The bytes of log in use (with a torn tail, if a crash left one; without what a drive has yet to flush).
    pub used_bytes: u64,
    /// The bytes of log that it holds.
    pub capacity_bytes: u64,
    /// When its log last changed.
    pub modified: SystemTime,
    /// Its records, if the index knows; filemarks not counted.
    pub records: Option<u64>,
    /// Its filemarks, if the index knows.
    pub filemarks: Option<u64>,
}

/// Whether `directory` looks like a tape, sound or not: it has a log or a label.
pub fn is_tape(directory: &Path) -> bool {
    directory.join(DATA).exists() || label::exists(directory).unwrap_or(true)
}

/// Looks at the tape in `directory` without locking or changing it, even while it is open elsewhere.
pub fn inspect(directory: &Path) -> Result<Summary, TapeError> {
    let label = label::load(directory)?;
    let tape = label.barcode.as_str();
    let path = directory.join(DATA);
    let file = open_log(tape, &path, OpenOptions::new().read(true))?;
    let metadata = file.metadata().map_err(|source| io_error(tape, "look at its log", source))?;
    let modified = metadata.modified().map_err(|source| io_error(tape, "look at its log", source))?;
    let (header, _) = read_header(tape, &path, &FileStorage::new(file))?;
    let counted = open_file(OpenOptions::new().read(true), &directory.join(INDEX))
        .ok()
        .and_then(|file| index::peek(FileStorage::new(file), header.uuid))
        .filter(|(generation, end, _)| *generation == header.generation && *end == metadata.len())
        .map(|(_, _, position)| position);
    Ok(Summary {
        generation: header.generation,
        used_bytes: metadata.len().saturating_sub(DATA_START_BYTES),
        capacity_bytes: label.capacity_bytes,
        modified,
        records: counted.map(|position| position.block.saturating_sub(position.file)),
        filemarks: counted.map(|position| position.file),
        label,
    })
}

/// Locks the tape in `directory` without opening it, until the lock is dropped; gives its label, too. For whoever is
/// about to rename or destroy it.
///
/// # Errors
/// [`TapeError::Locked`] if it is open, and why its files cannot be used.
pub fn hold(directory: &Path) -> Result<(Label, Lock), TapeError> {
    let barcode = label::load(directory)?.barcode;
    let file = open_log(&barcode, &directory.join(DATA), OpenOptions::new().read(true))?;
    let lock = lock(&barcode, file)?;
    // Read again under the lock: the owner before us may just have written it.
    Ok((label::load(directory)?, lock))
}

/// Sets or clears the write protection of the tape in `directory`, durably.
///
/// # Errors
/// [`TapeError::Locked`] if it is open, [`TapeError::Label`] if the label cannot be read or written.
pub fn protect(directory: &Path, write_protected: bool) -> Result<(), TapeError> {
    let (label, _lock) = hold(directory)?;
    label::store(directory, &Label { write_protected, ..label })
}

/// An open tape. It is locked until it is dropped; [`Tape::close`] reports what dropping can only log.
pub struct Tape {
    directory: PathBuf,
    label: Label,
    /// What initiators have noted on the tape, or why it cannot be read.
    attributes: Result<Vec<HostAttribute>, String>,
    pub(super) medium: Medium<FileStorage, FileStorage>,
    is_closed: bool,
    /// Behind `medium`: fields are dropped in their order, and nothing is written any more when others may open it.
    _lock: Lock,
}

impl Tape {
    /// Opens the tape in `directory` for one user, recovers it from a crash if there was one, and stands at its
    /// beginning. Counts as a load.
    ///
    /// # Errors
    /// A tape whose log cannot be written, or not be brought in order (a full disk), is opened for reading only:
    /// [`Tape::is_write_protected`]. [`TapeError::Locked`] if it is open already, [`TapeError::Label`] and [`TapeError::NotATape`] if its files
    /// cannot be understood.
    pub fn open(directory: &Path) -> Result<Tape, TapeError> {
        Tape::open_with(directory, Compression::None)
    }

    /// As [`Tape::open`]; records written from now on are compressed as `compression` says. What is on the tape
    /// already, stored in whatever way, reads the same.
    ///
    /// # Errors
    /// As [`Tape::open`].
    pub fn open_with(directory: &Path, compression: Compression) -> Result<Tape, TapeError> {
        let mut label = label::load(directory)?;
        let tape: Arc<str> = label.barcode.as_str().into();
        let path = directory.join(DATA);
        let (file, read_only) = open_to_write(&tape, &path)?;
        let again = file.try_clone().map_err(|source| io_error(&tape, "lock its log", source))?;
        let lock = lock(&tape, again)?;
        // Read again under the lock: the owner before us may just have written it.
        label = label::load(directory)?;
        let reserve_end = reserve_end(label.capacity_bytes);
        let storage =
            if read_only.is_some() { FileStorage::new(file) } else { FileStorage::direct(file, &path) };
        let mut log = Log::open(tape.clone(), &path, storage, reserve_end)?;
        if let Some(reason) = read_only {
            log.set_read_only(&reason);
        }
        if log.header().uuid != label.uuid {
            let reason = format!("its log has the uuid {}, its label {}", log.header().uuid, label.uuid);
            return Err(TapeError::NotATape {
                path,
                reason: format!("{reason}; restore the one that is wrong"),
            });
        }
        let limits = Limits {
            capacity_bytes: label.capacity_bytes,
            worm: label.worm,
            write_protected: label.write_protected,
        };
        let index = open_index(&tape, directory);
        let keep = |storage: &FileStorage, tail: &Tail| keep_aside(&tape, directory, storage, tail);
        let mut medium = Medium::open(log, index, limits, keep)?;
        medium.log.release_leftover();
        medium.set_compression(compression)?;
        label.counters.loads = label.counters.loads.saturating_add(1);
        if let Err(error) = label::store(directory, &label) {
            tracing::warn!(tape = %tape, %error, "this load is not counted");
        }
        let attributes = attributes::load(directory, label.uuid).inspect_err(|reason| {
            tracing::warn!(tape = %tape, %reason, "what initiators have noted on it is lost; its data is not concerned");
        });
        Ok(Tape { directory: directory.to_owned(), label, attributes, medium, is_closed: false, _lock: lock })
    }

    /// The label, with the counters of this load so far.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// The directory that the tape was opened from.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the tape stands.
    pub fn position(&self) -> Position {
        self.medium.position()
    }

    /// Where its data ends.
    pub fn end_of_data(&self) -> Position {
        self.medium.end_position()
    }

    /// Whether the next read would meet the end of data.
    pub fn is_at_end_of_data(&self) -> bool {
        self.medium.is_at_end_of_data()
    }

    /// Counts how often data on the tape was overwritten or erased; starts at 1.
    pub fn generation(&self) -> u64 {
        self.medium.header().generation
    }

    /// The bytes of log in use; records that are being compressed still count in full.
    pub fn used_bytes(&self) -> u64 {
        self.medium.used_bytes()
    }

    /// The bytes of log that the tape holds.
    pub fn capacity_bytes(&self) -> u64 {
        self.label.capacity_bytes
    }

    /// The bytes of log between the end of data and the capacity.
    pub fn remaining_bytes(&self) -> u64 {
        self.capacity_bytes().saturating_sub(self.used_bytes())
    }

    /// Whether a write at the position is in the early warning zone: near the tape's end, or on a file system that
    /// is nearly full.
    pub fn is_in_early_warning(&self) -> bool {
        self.medium.is_early_warning(self.medium.cursor)
    }

    /// How many bytes of log are left between the position and the early warning zone.
    pub fn bytes_before_early_warning(&self) -> u64 {
        self.medium.before_early_warning(self.medium.cursor)
    }

    /// Whether a write at the end of data is in the early warning zone.
    pub fn end_of_data_is_in_early_warning(&self) -> bool {
        self.medium.is_early_warning(self.medium.end())
    }

    /// Whether writes are refused: by the label, or because the tape could only be opened for reading.
    pub fn is_write_protected(&self) -> bool {
        self.medium.limits.write_protected || self.medium.log.is_read_only()
    }

    /// Refuses writes until the tape is opened again, whatever the label says.
    pub fn refuse_writes(&mut self) {
        self.medium.limits.write_protected = true;
    }

    /// Sets or clears the write protection, durably.
    pub fn set_write_protected(&mut self, write_protected: bool) -> Result<(), TapeError> {
        let label = Label { write_protected, ..self.label.clone() };
        label::store(&self.directory, &label)?;
        self.label = label;
        self.medium.limits.write_protected = write_protected;
        Ok(())
    }

    /// Writes one record of 1 to [`super::RECORD_BYTES_MAX`] bytes at the position and destroys what stood behind
    /// it. It is durable after the next durability point: [`Tape::write_filemarks`], [`Tape::sync`],
    /// [`Tape::rewind`], [`Tape::close`].
    ///
    /// # Errors
    /// [`TapeError::EndOfMedium`] and [`TapeError::DiskFull`]: nothing was written, what was written before is kept.
    /// After [`TapeError::Io`] every further write is refused until the tape is opened again.
    pub fn write_record(&mut self, data: &[u8]) -> Result<(), TapeError> {
        self.medium.write_record(data)?;
        self.count_written(1, data.len() as u64);
        Ok(())
    }

    pub(super) fn count_written(&mut self, records: u64, bytes: u64) {
        let counters = &mut self.label.counters;
        counters.records_written = counters.records_written.saturating_add(records);
        counters.bytes_written = counters.bytes_written.saturating_add(bytes);
    }

    /// Writes `count` filemarks and makes everything durable. A count of 0 does only that, and destroys nothing.
    pub fn write_filemarks(&mut self, count: u32) -> Result<(), TapeError> {
        self.medium.write_filemarks(count)?;
        let counters = &mut self.label.counters;
        counters.filemarks_written = counters.filemarks_written.saturating_add(u64::from(count));
        Ok(())
    }

    /// Reads the record or filemark at the position and stands behind it. A record longer than `buffer` is cut,
    /// its whole length reported, and all of it checked.
    ///
    /// # Errors
    /// [`TapeError::Medium`] if it is damaged; the position is then behind it, and reading on works.
    pub fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, TapeError> {
        let result = self.medium.read_record(buffer);
        if let Ok(ReadOutcome::Record { length }) = result {
            let counters = &mut self.label.counters;
            counters.records_read = counters.records_read.saturating_add(1);
            counters.bytes_read = counters.bytes_read.saturating_add(length as u64);
        }
        self.count_damage(result)
    }

    /// Checks the records that stand at the position, and lends them from memory until the next call of anything but
    /// [`Tape::lent_records`]: as many as are at hand, none longer than `record_bytes_max`, together at most `bytes_max`
    /// bytes. The position is unchanged. Returns how many there are. None says nothing but that [`Tape::read_record`]
    /// must tell what stands here: a filemark, the end of data, damage, a record that is compressed or too long.
    pub fn lend_records(&mut self, record_bytes_max: usize, bytes_max: u64) -> usize {
        self.medium.lend_records(record_bytes_max, bytes_max)
    }

    /// The records that [`Tape::lend_records`] has found.
    pub fn lent_records(&self) -> Lent<'_> {
        self.medium.log.lent()
    }

    /// Stands behind the first `count` of the records lent, as if they had been read, and ends the lending.
    pub fn pass_lent_records(&mut self, count: usize) {
        let count = count.min(self.lent_records().records().len());
        let bytes = self.medium.pass_lent(count);
        let counters = &mut self.label.counters;
        counters.records_read = counters.records_read.saturating_add(count as u64);
        counters.bytes_read = counters.bytes_read.saturating_add(bytes);
    }

    /// Moves `count` records forward, or backward if negative. A filemark stops it: forward behind the mark,
    /// backward before it; the mark is not counted in `moved`.
    pub fn space_records(&mut self, count: i64) -> Result<Spaced, TapeError> {
        let result = self.medium.space_records(count);
        self.count_damage(result)
    }

    /// Moves `count` filemarks forward, to behind the last one, or backward if negative, to before it.
    pub fn space_filemarks(&mut self, count: i64) -> Result<Spaced, TapeError> {
        let result = self.medium.space_filemarks(count);
        self.count_damage(result)
    }

    /// Moves to block `block`: [`Stop::Complete`], or [`Stop::EndOfData`] (and to there) if the tape has fewer.
    pub fn locate_block(&mut self, block: u64) -> Result<Stop, TapeError> {
        let result = self.medium.locate_block(block);
        self.count_damage(result)
    }

    /// Moves to the start of file `file`: [`Stop::Complete`], or [`Stop::EndOfData`] (and to there) if the tape has
    /// fewer filemarks than that.
    pub fn locate_file(&mut self, file: u64) -> Result<Stop, TapeError> {
        let result = self.medium.locate_file(file);
        self.count_damage(result)
    }

    /// Moves to the end of data.
    pub fn locate_end_of_data(&mut self) -> Result<(), TapeError> {
        self.medium.locate_end()
    }

    /// Makes everything durable and moves to the beginning of the tape.
    pub fn rewind(&mut self) -> Result<(), TapeError> {
        self.medium.rewind()
    }

    /// Destroys what stands behind the position, durably.
    pub fn erase(&mut self) -> Result<(), TapeError> {
        self.medium.erase()
    }

    /// Gives the tape `proportion` of 65535 parts of the capacity that it was made with, at least a twentieth, and destroys
    /// all that is on it. It then stands at its beginning.
    ///
    /// # Errors
    /// As [`Tape::erase`]; [`TapeError::Label`] if the new capacity cannot be kept: the tape is empty then, and has the old
    /// one.
    pub fn set_capacity(&mut self, proportion: u16) -> Result<(), TapeError> {
        let full_bytes = self.label.full_capacity_bytes();
        let part_bytes = u128::from(full_bytes) * u128::from(proportion) / u128::from(u16::MAX);
        let capacity_bytes =
            u64::try_from(part_bytes).unwrap_or(full_bytes).max(full_bytes / CAPACITY_PARTS_MAX).max(1);
        self.medium.rewind()?;
        self.medium.erase()?;
        let full_capacity_bytes = (capacity_bytes != full_bytes).then_some(full_bytes);
        let label = Label { capacity_bytes, full_capacity_bytes, ..self.label.clone() };
        label::store(&self.directory, &label)?;
        self.label = label;
        self.medium.limits.capacity_bytes = capacity_bytes;
        self.medium.log.set_reserve_end(reserve_end(capacity_bytes));
        Ok(())
    }

    /// What initiators have noted on the tape, in ascending order; nothing where that is damaged.
    pub fn host_attributes(&self) -> &[HostAttribute] {
        self.attributes.as_deref().unwrap_or_default()
    }

    /// Whether what initiators had noted on the tape could not be read when it was opened.
    pub fn has_lost_attributes(&self) -> bool {
        self.attributes.is_err()
    }

    /// Replaces all that initiators have noted on the tape, durably. They are at most
    /// [`super::HOST_ATTRIBUTES_BYTES_MAX`], in ascending order.
    ///
    /// # Errors
    /// [`TapeError::WriteProtected`]; [`TapeError::Label`] if they cannot be written: the old ones stay.
    pub fn set_host_attributes(&mut self, attributes: Vec<HostAttribute>) -> Result<(), TapeError> {
        if self.is_write_protected() {
            return Err(TapeError::WriteProtected { tape: self.label.barcode.clone() });
        }
        attributes::store(&self.directory, self.label.uuid, &attributes)?;
        self.attributes = Ok(attributes);
        Ok(())
    }

    /// Makes everything durable.
    pub fn sync(&mut self) -> Result<(), TapeError> {
        self.medium.sync()
    }

    /// Gives back memory and threads that only a running transfer needs; the next one takes them again.
    pub fn release_memory(&mut self) {
        self.medium.release_memory();
    }

    /// Makes everything durable, writes the index and the label, and gives the tape back.
    pub fn close(mut self) -> Result<(), TapeError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), TapeError> {
        self.is_closed = true;
        let log = self.medium.close();
        let label = label::store(&self.directory, &self.label);
        log.and(label)
    }

    fn count_damage<T>(&mut self, result: Result<T, TapeError>) -> Result<T, TapeError> {
        if let Err(TapeError::Medium { .. }) = &result {
            self.label.counters.medium_errors = self.label.counters.medium_errors.saturating_add(1);
        }
        result
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if !self.is_closed
            && let Err(error) = self.finish()
        {
            tracing::warn!(tape = %self.label.barcode, %error, "dropped without being closed, and not whole");
        }
    }
}

/// How far disk space for the log of a tape of this capacity is set aside.
fn reserve_end(capacity_bytes: u64) -> u64 {
    capacity_bytes.saturating_add(DATA_START_BYTES).saturating_add(FILEMARK_RESERVE_BYTES)
}

/// Opens the log to be written, or, where that is not allowed, to be read, and says why.
fn open_to_write(tape: &str, path: &Path) -> Result<(File, Option<TapeError>), TapeError> {
    match open_log(tape, path, OpenOptions::new().read(true).write(true)) {
        Ok(file) => Ok((file, None)),
        Err(TapeError::Io { source, action, tape })
            if matches!(
                source.kind(),
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
            ) =>
        {
            let file = open_log(&tape, path, OpenOptions::new().read(true))?;
            Ok((file, Some(TapeError::Io { source, action, tape })))
        }
        Err(error) => Err(error),
    }
}

pub(super) fn open_log(tape: &str, path: &Path, options: &mut OpenOptions) -> Result<File, TapeError> {
    open_file(options, path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => TapeError::NotATape {
            path: path.to_owned(),
            reason: "the log is missing; restore it or delete the tape".to_owned(),
        },
        _ => io_error(tape, "open its log", source),
    })
}

fn lock(tape: &str, file: File) -> Result<Lock, TapeError> {
    Lock::take(file).map_err(|error| match error {
        TryLockError::WouldBlock => TapeError::Locked { tape: tape.to_owned() },
        TryLockError::Error(source) => io_error(tape, "lock its log", source),
    })
}

/// Opens the index file; without one the tape works all the same, only slower to load.
fn open_index(tape: &str, directory: &Path) -> Option<FileStorage> {
    let path = directory.join(INDEX);
    match open_file(OpenOptions::new().read(true).write(true).create(true).truncate(false), &path) {
        Ok(file) => Some(FileStorage::new(file)),
        Err(error) => {
            tracing::warn!(tape, index = %path.display(), %error, "its index cannot be kept");
            None
        }
    }
}

/// Copies a torn tail into a file of its own beside the log, durably.
fn keep_aside(tape: &str, directory: &Path, storage: &FileStorage, tail: &Tail) -> Result<(), TapeError> {
    let failed = |source: io::Error| {
        if is_disk_full(&source) {
            TapeError::DiskFull { tape: tape.to_owned(), source }
        } else {
            io_error(tape, "keep aside what a crash left half written", source)
        }
    };
    let (path, mut file) = new_torn_file(directory).map_err(failed)?;
    let copied = copy_tail(storage, tail, &mut file).and_then(|()| sync_directory(directory));
    if let Err(error) = copied {
        // Half a copy would look like a whole one; the log still has the bytes.
        let _ = std::fs::remove_file(&path);
        return Err(failed(error));
    }
    tracing::warn!(
        tape, offset = tail.from.offset, bytes = tail.bytes, position = %tail.from.position,
        kept = %path.display(), "a crash left half-written records; cut off behind the last whole one and kept aside"
    );
    Ok(())
}

fn new_torn_file(directory: &Path) -> io::Result<(PathBuf, File)> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut last_error = io::Error::from(io::ErrorKind::AlreadyExists);
    for number in 0..1000 {
        let path = directory.join(format!("torn-{seconds}-{number}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last_error = error,
            Err(error) => return Err(error),
        }
    }
    Err(last_error)
}

fn copy_tail(storage: &FileStorage, tail: &Tail, file: &mut File) -> io::Result<()> {
    let mut chunk = vec![0; COPY_BYTES];
    let (mut offset, end) = (tail.from.offset, tail.from.offset + tail.bytes);
    while offset < end {
        let wanted = usize::try_from(end - offset).unwrap_or(COPY_BYTES).min(COPY_BYTES);
        let read = storage.read_at(offset, &mut chunk[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all(&chunk[..read])?;
        offset += read as u64;
    }
    file.sync_all()
}
