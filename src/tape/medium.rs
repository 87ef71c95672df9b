//! What a tape does, on any storage: read, write, filemarks, erase, and the rules about who may write how much.
//!
//! Movement stands in `seek.rs`. Knows nothing of directories and labels (`tape.rs`).

use super::error::TapeError;
use super::format::{
    DATA_START_BYTES, Kind, RECORD_BYTES_MAX, RECORD_OVERHEAD_BYTES, TapeHeader, stored_bytes,
};
use super::index::Index;
use super::log::{Found, Log, PayloadError};
use super::packer::Packer;
use super::position::{Cursor, Position};
use super::recovery::{Tail, find_end};
use super::storage::Storage;

/// Behind the capacity there is always room for this many bytes of filemarks.
pub const FILEMARK_RESERVE_BYTES: u64 = 64 << 10;
/// How much log may be written before the index is brought up to date at the next durability point: what a load
/// after a crash has to scan at most, beside what was never durable.
const INDEX_LAG_BYTES: u64 = if cfg!(test) { 8 << 10 } else { 256 << 20 };

/// What a read met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// A record; the position is behind it.
    Record {
        /// Its length on the tape in bytes, of which as many as fit were copied.
        length: usize,
    },
    /// A filemark; the position is behind it.
    Filemark,
    /// The end of data; the position is unchanged.
    EndOfData,
}

/// What a tape allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) capacity_bytes: u64,
    pub(super) worm: bool,
    pub(super) write_protected: bool,
}

/// How long before the end of a tape of `capacity_bytes` the early warning begins, in bytes.
pub fn early_warning_bytes(capacity_bytes: u64) -> u64 {
    (capacity_bytes / 50).clamp(1 << 20, 512 << 20).min(capacity_bytes / 4)
}

/// An open tape: a log in `S`, an index in `I`, and a position.
pub(super) struct Medium<S, I> {
    pub(super) log: Log<S>,
    pub(super) index: Index<I>,
    pub(super) cursor: Cursor,
    pub(super) limits: Limits,
    /// Records on their way into the log; `packing.rs` has the rules.
    pub(super) packer: Packer,
    /// The log's length when the index was last saved.
    indexed_bytes: u64,
}

impl<S: Storage, I: Storage> Medium<S, I> {
    /// Opens what `log` and `index` hold: finds the end of data and cuts off a torn tail, which `keep_aside` must
    /// have put in a safe place when it returns. Stands at the beginning of the tape. A log that cannot be brought in
    /// order, as on a full or failing disk, is opened for reading only.
    pub(super) fn open(
        mut log: Log<S>,
        index_storage: Option<I>,
        limits: Limits,
        keep_aside: impl FnOnce(&S, &Tail) -> Result<(), TapeError>,
    ) -> Result<Medium<S, I>, TapeError> {
        let mut index = Index::new(index_storage, log.header().uuid);
        if !log.is_read_only()
            && let Err(error) = log.settle()
        {
            log.set_read_only(&error);
        }
        let tail = find_end(&mut log, &mut index)?;
        if !log.is_read_only()
            && let Err(error) = cut_off(&mut log, tail, keep_aside)
        {
            log.set_read_only(&error);
        }
        let mut medium = Medium {
            log,
            index,
            cursor: Cursor::BEGINNING,
            limits,
            packer: Packer::default(),
            indexed_bytes: 0,
        };
        medium.save_index();
        Ok(medium)
    }

    /// As [`Medium::open`] for a log that is only looked at: what stands behind the end of data stays there, and is
    /// reported.
    pub(super) fn look(
        mut log: Log<S>,
        index_storage: Option<I>,
        limits: Limits,
    ) -> Result<(Medium<S, I>, Option<Tail>), TapeError> {
        debug_assert!(log.is_read_only());
        let mut index = Index::new(index_storage, log.header().uuid);
        let tail = find_end(&mut log, &mut index)?;
        Ok((
            Medium {
                log,
                index,
                cursor: Cursor::BEGINNING,
                limits,
                indexed_bytes: 0,
                packer: Packer::default(),
            },
            tail,
        ))
    }

    pub(super) fn header(&self) -> &TapeHeader {
        self.log.header()
    }

    pub(super) fn end(&self) -> Cursor {
        self.log.end()
    }

    pub(super) fn is_at_end_of_data(&self) -> bool {
        self.cursor.position.block >= self.end().position.block
    }

    /// The bytes of log that the records take; what is being compressed still counts in full.
    pub(super) fn used_bytes(&self) -> u64 {
        self.end().offset - DATA_START_BYTES + self.packer.bound_bytes()
    }

    /// Whether a write at `at` is in the early warning zone.
    pub(super) fn is_early_warning(&self, at: Cursor) -> bool {
        at.offset - DATA_START_BYTES >= self.early_warning_start()
            || (self.log.disk_is_low() && at.offset == self.end().offset)
    }

    /// How many bytes are left between `at` and the early warning zone.
    pub(super) fn before_early_warning(&self, at: Cursor) -> u64 {
        if self.is_early_warning(at) {
            return 0;
        }
        self.early_warning_start().saturating_sub(at.offset - DATA_START_BYTES)
    }

    fn early_warning_start(&self) -> u64 {
        let capacity = self.limits.capacity_bytes;
        capacity.saturating_sub(early_warning_bytes(capacity))
    }

    /// How much may be written behind the end of data without being in the early warning zone.
    pub(super) fn bytes_before_early_warning(&self) -> u64 {
        self.early_warning_start().saturating_sub(self.used_bytes())
    }

    /// Writes one record here; what stands behind is destroyed. On an error no record was written.
    pub(super) fn write_record(&mut self, data: &[u8]) -> Result<(), TapeError> {
        let length = u32::try_from(data.len())
            .ok()
            .filter(|_| (1..=RECORD_BYTES_MAX).contains(&data.len()))
            .ok_or_else(|| TapeError::RecordLength {
                tape: self.log.tape().to_string(),
                length: data.len(),
            })?;
        if self.packer.is_on() {
            return self.write_packed(data, length);
        }
        self.check_write(stored_bytes(length), self.limits.capacity_bytes)?;
        self.make_this_the_end()?;
        self.append(Kind::Data, data)
    }

    /// Writes `count` filemarks here and makes everything durable; with a count of 0 only that. When there is no room
    /// for all of them, none is written.
    pub(super) fn write_filemarks(&mut self, count: u32) -> Result<(), TapeError> {
        self.settle()?;
        if count > 0 {
            let bytes = u64::from(count) * RECORD_OVERHEAD_BYTES;
            let limit = self.limits.capacity_bytes.saturating_add(FILEMARK_RESERVE_BYTES);
            self.check_write(bytes, limit)?;
            self.make_this_the_end()?;
            let before = self.end();
            let written = (0..count).try_for_each(|_| self.append(Kind::Filemark, &[]));
            return match written.and_then(|()| self.sync()) {
                // All or none: the host has been told that it has none of them, and will ask again.
                Err(full @ TapeError::DiskFull { .. }) => {
                    self.withdraw(before)?;
                    Err(full)
                }
                result => result,
            };
        }
        self.sync()
    }

    /// Reads the next record or filemark. A damaged record is an error and is passed, so that reading on works.
    pub(super) fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, TapeError> {
        self.settle()?;
        let at = self.cursor;
        let (header, next) = match self.log.look_to_read(at)? {
            Found::End => return Ok(ReadOutcome::EndOfData),
            Found::Record { header, next } => (header, next),
            Found::Damaged { resume, reason } => {
                let is_last_lost = resume.position.block == at.position.block.saturating_add(1);
                self.cursor = if is_last_lost { resume } else { at.skip(1) };
                return Err(self.medium_error(at, reason));
            }
        };
        if header.kind == Kind::Filemark {
            self.cursor = next;
            return Ok(ReadOutcome::Filemark);
        }
        let result = self.log.payload(at.offset, &header, buffer);
        self.cursor = next;
        match result {
            Ok(length) => Ok(ReadOutcome::Record { length }),
            Err(PayloadError::Damaged(reason)) => Err(self.medium_error(at, &reason)),
            Err(PayloadError::Codec(codec)) => {
                let tape = self.log.tape().to_string();
                Err(TapeError::UnknownCodec { tape, position: at.position, codec })
            }
        }
    }

    /// Checks the records that stand here and lends them from memory; see [`Log::lend`]. The position is unchanged.
    pub(super) fn lend_records(&mut self, record_bytes_max: usize, bytes_max: u64) -> usize {
        self.log.lend(self.cursor, record_bytes_max, bytes_max)
    }

    /// Moves behind the first `count` records that are lent, and ends the lending. Returns how many bytes they have.
    pub(super) fn pass_lent(&mut self, count: usize) -> u64 {
        let (behind, bytes) = self.log.take_back(self.cursor, count);
        self.cursor = behind;
        bytes
    }

    /// Destroys what stands behind the position, durably.
    pub(super) fn erase(&mut self) -> Result<(), TapeError> {
        self.settle()?;
        self.check_write(0, u64::MAX)?;
        self.make_this_the_end()?;
        self.sync()
    }

    /// The durability point.
    pub(super) fn sync(&mut self) -> Result<(), TapeError> {
        self.settle()?;
        // It ends a run of reads or stands between two of writes: an idle tape holds no megabytes.
        self.log.release_window();
        self.log.sync()?;
        if self.end().offset.abs_diff(self.indexed_bytes) >= INDEX_LAG_BYTES {
            self.save_index();
        }
        Ok(())
    }

    /// A durability point; the position is then the beginning of the tape, even after an error.
    pub(super) fn rewind(&mut self) -> Result<(), TapeError> {
        let settled = self.settle();
        self.cursor = Cursor::BEGINNING;
        settled?;
        self.sync()?;
        self.release_memory();
        Ok(())
    }

    /// Gives back memory and threads that only a running transfer needs.
    pub(super) fn release_memory(&mut self) {
        self.packer.rest();
        self.log.release_memory();
    }

    /// Leaves everything durable and the index up to date, so that the next open needs no scan.
    pub(super) fn close(&mut self) -> Result<(), TapeError> {
        self.settle()?;
        self.packer.rest();
        self.log.sync()?;
        self.log.release_reserve()?;
        if self.end().offset != self.indexed_bytes {
            self.save_index();
            if let Err(error) = self.index.sync() {
                tracing::warn!(tape = %self.log.tape(), %error, "its index cannot be made durable");
            }
        }
        Ok(())
    }

    pub(super) fn medium_error(&self, at: Cursor, reason: &str) -> TapeError {
        TapeError::Medium {
            tape: self.log.tape().to_string(),
            position: at.position,
            reason: reason.to_owned(),
        }
    }

    /// Whether `bytes` more may be written here, if no more than `limit` bytes may be used.
    pub(super) fn check_write(&self, bytes: u64, limit: u64) -> Result<(), TapeError> {
        self.log.writable()?;
        let tape = || self.log.tape().to_string();
        if self.limits.write_protected {
            return Err(TapeError::WriteProtected { tape: tape() });
        }
        if self.limits.worm && !self.is_at_end_of_data() {
            return Err(TapeError::WormOverwrite { tape: tape(), position: self.cursor.position });
        }
        if (self.cursor.offset - DATA_START_BYTES).saturating_add(bytes) > limit {
            let capacity_bytes = self.limits.capacity_bytes;
            return Err(TapeError::EndOfMedium { tape: tape(), capacity_bytes });
        }
        Ok(())
    }

    /// Truncates the tape at the position, in a new generation, unless it stands at the end of data already.
    pub(super) fn make_this_the_end(&mut self) -> Result<(), TapeError> {
        if self.cursor.offset == self.end().offset {
            return Ok(());
        }
        let at = self.cursor.run_start();
        self.log.start_generation(at)?;
        self.cursor = at;
        self.index.truncate(at.offset);
        self.save_index();
        Ok(())
    }

    /// Removes what was appended behind `at`, and no sync has covered.
    fn withdraw(&mut self, at: Cursor) -> Result<(), TapeError> {
        self.log.withdraw(at)?;
        self.index.truncate(at.offset);
        self.cursor = at;
        Ok(())
    }

    fn append(&mut self, kind: Kind, payload: &[u8]) -> Result<(), TapeError> {
        let at = self.end();
        self.log.append(kind, payload)?;
        self.index.note(at);
        self.cursor = self.end();
        Ok(())
    }

    /// Writes the index; everything in the log is durable now. A failure costs the next load time, nothing else.
    fn save_index(&mut self) {
        if self.log.is_read_only() {
            return;
        }
        let (generation, end) = (self.header().generation, self.end());
        match self.index.save(generation, end) {
            Ok(()) => self.indexed_bytes = end.offset,
            Err(error) => {
                tracing::warn!(tape = %self.log.tape(), %error, "its index cannot be written; loading it will scan");
            }
        }
    }

    /// The position a host sees.
    pub(super) fn position(&self) -> Position {
        self.cursor.position
    }
}

/// Leaves nothing in the file behind the end of data.
fn cut_off<S: Storage>(
    log: &mut Log<S>,
    tail: Option<Tail>,
    keep_aside: impl FnOnce(&S, &Tail) -> Result<(), TapeError>,
) -> Result<(), TapeError> {
    if let Some(tail) = tail {
        if tail.is_overwritten {
            tracing::warn!(
                tape = %log.tape(), offset = tail.from.offset, bytes = tail.bytes, position = %tail.from.position,
                "a crash interrupted an overwrite; the data that it was destroying is cut off"
            );
        } else {
            keep_aside(log.storage(), &tail)?;
        }
        log.cut(tail.from)?;
        log.sync()?;
    }
    if log.end().offset < log.header().generation_start {
        // Records behind a generation's start must be of that generation; begin a new one where they end.
        log.start_generation(log.end())?;
    }
    Ok(())
}
