//! Writing to the log: appending, the durability points, and cutting off what an overwrite destroys.
//!
//! The orders of writes and syncs here are what `FORMAT.md`, "Order of writes", promises; change them together.

use std::io;

use super::super::error::{TapeError, is_disk_full};
use super::super::format::{CODEC_RAW, Kind, RECORD_BYTES_MAX, RecordHeader, TapeHeader};
use super::super::medium::FILEMARK_RESERVE_BYTES;
use super::super::position::Cursor;
use super::super::storage::Storage;
use super::{Log, SECOND_COPY, Window};

/// Records are written to the file once they add up to this: one system call for many of them.
/// Small in tests, so that they see it happen.
const FLUSH_BYTES: usize = if cfg!(test) { 4 << 10 } else { 2 << 20 };
/// How far ahead disk space is reserved, from generous to nothing when the disk is nearly full.
const RESERVE_AHEAD_BYTES: [u64; 3] = [64 << 20, 2 << 20, 0];

impl<S: Storage> Log<S> {
    /// Appends one record or filemark (`payload` empty). It is readable at once and durable after [`Log::sync`].
    /// On an error nothing was appended; an earlier record is never lost to a full disk.
    pub(in super::super) fn append(&mut self, kind: Kind, payload: &[u8]) -> Result<(), TapeError> {
        self.writable()?;
        let length = u32::try_from(payload.len())
            .ok()
            .filter(|_| payload.len() <= RECORD_BYTES_MAX)
            .ok_or_else(|| TapeError::RecordLength { tape: self.tape.to_string(), length: payload.len() })?;
        let header = RecordHeader {
            kind,
            codec: CODEC_RAW,
            generation: self.header.generation,
            position: self.end.position,
            logical_bytes: length,
            stored_bytes: length,
            payload_sum: crc32c::crc32c(payload),
        };
        self.make_room(kind, header.total_bytes())?;
        let (end, kept_bytes) = (self.end, self.pending.len());
        header.encode_onto(self.seed, payload, &mut self.pending);
        self.end = header.behind(end.offset);
        if self.pending.len() >= FLUSH_BYTES
            && let Err(error) = self.flush()
        {
            self.pending.truncate(kept_bytes);
            self.end = end;
            return Err(error);
        }
        Ok(())
    }

    /// Hands the buffered records to the file. When the disk is full they stay buffered (and readable), and the
    /// file is cut back to the last whole record.
    pub(in super::super) fn flush(&mut self) -> Result<(), TapeError> {
        self.writable()?;
        if self.pending.is_empty() {
            return Ok(());
        }
        self.dirty = true;
        match self.storage.write_at(self.flushed, &self.pending) {
            Ok(()) => {
                self.flushed += self.pending.len() as u64;
                self.pending.clear();
                self.pending.shrink_to(2 * FLUSH_BYTES);
                Ok(())
            }
            Err(source) if is_disk_full(&source) => {
                self.reserved = self.flushed;
                match self.storage.truncate(self.flushed) {
                    Ok(()) => Err(self.disk_full(source)),
                    Err(error) => Err(self.fail("cut its log back after a full disk", error)),
                }
            }
            Err(source) => Err(self.fail("write to its log", source)),
        }
    }

    /// The durability point: everything appended so far survives a crash once this has returned.
    pub(in super::super) fn sync(&mut self) -> Result<(), TapeError> {
        if self.is_read_only() {
            return Ok(());
        }
        self.flush()?;
        if self.dirty {
            self.sync_storage()?;
        }
        Ok(())
    }

    /// Destroys what stands at and behind `at` and starts a new generation there, durably: no crash brings any of
    /// it back, and none of it can be mistaken for what is written next.
    pub(in super::super) fn start_generation(&mut self, at: Cursor) -> Result<(), TapeError> {
        // What is kept must be durable before a header may say that the new generation begins behind it.
        self.sync()?;
        let header = TapeHeader {
            generation: self.header.generation.saturating_add(1),
            generation_start: at.offset,
            ..self.header
        };
        // One copy first: whichever instant the power fails, one of the two is intact. Once this one is durable,
        // the old records behind `at` are dead, whether or not the cut below has happened.
        self.write_header_copy(0, &header)?;
        self.sync_storage()?;
        self.header = header;
        self.cut(at)?;
        self.write_header_copy(SECOND_COPY, &header)?;
        self.sync_storage()
    }

    /// Makes durable what stands in a log that was just opened, and both copies of its header the same.
    ///
    /// The process that wrote it may have died without a sync: what is read now is in memory only, and must be on disk
    /// before anyone is told of it. The good copy of the header is never written: a loss of power would take both.
    pub(in super::super) fn settle(&mut self) -> Result<(), TapeError> {
        self.sync_storage()?;
        if let Some(offset) = self.stale_copy {
            let header = self.header;
            self.write_header_copy(offset, &header)?;
            self.sync_storage()?;
            self.stale_copy = None;
        }
        Ok(())
    }

    /// Cuts the file at `at`, which becomes the end of data, without syncing.
    pub(in super::super) fn cut(&mut self, at: Cursor) -> Result<(), TapeError> {
        self.writable()?;
        debug_assert!(self.pending.is_empty() && at.skipped == 0);
        self.dirty = true;
        self.storage.truncate(at.offset).map_err(|source| self.fail("cut its log", source))?;
        self.window = Window::default();
        self.flushed = at.offset;
        self.reserved = at.offset;
        self.disk_is_low = false;
        self.end = at;
        Ok(())
    }

    /// Removes the records behind `at`, none of which a sync has covered, from the buffer and from the file.
    pub(in super::super) fn take_back(&mut self, at: Cursor) -> Result<(), TapeError> {
        if at.offset < self.flushed {
            self.pending.clear();
            return self.cut(at);
        }
        let kept_bytes = at.offset - self.flushed;
        self.pending.truncate(usize::try_from(kept_bytes).unwrap_or(usize::MAX));
        self.end = at;
        Ok(())
    }

    /// Gives back the disk space that was reserved ahead.
    pub(in super::super) fn release_reserve(&mut self) -> Result<(), TapeError> {
        if self.reserved > self.flushed && self.pending.is_empty() && self.failed.is_none() {
            self.storage
                .truncate(self.flushed)
                .map_err(|source| self.io_error("give back reserved space", source))?;
            self.reserved = self.flushed;
        }
        Ok(())
    }

    fn write_header_copy(&mut self, offset: u64, header: &TapeHeader) -> Result<(), TapeError> {
        self.writable()?;
        self.dirty = true;
        self.storage
            .write_at(offset, &header.encode())
            .map_err(|source| self.fail("write its header", source))
    }

    fn sync_storage(&mut self) -> Result<(), TapeError> {
        self.storage.sync().map_err(|source| self.fail("make its log durable", source))?;
        self.dirty = false;
        Ok(())
    }

    /// Reserves disk space for `bytes` more, so that a record once accepted never meets a full disk; behind data,
    /// also for some filemarks.
    fn make_room(&mut self, kind: Kind, bytes: u64) -> Result<(), TapeError> {
        let behind = match kind {
            Kind::Data => FILEMARK_RESERVE_BYTES,
            Kind::Filemark => 0,
        };
        let needed = self.end.offset.saturating_add(bytes).saturating_add(behind);
        if needed <= self.reserved {
            return Ok(());
        }
        let mut refusal = io::Error::from(io::ErrorKind::StorageFull);
        for ahead in RESERVE_AHEAD_BYTES {
            let goal = needed.saturating_add(ahead).min(self.reserve_end).max(needed);
            match self.storage.reserve(self.flushed, goal) {
                Ok(()) => {
                    self.reserved = goal;
                    self.disk_is_low = ahead == 0;
                    return Ok(());
                }
                Err(source) if is_disk_full(&source) => refusal = source,
                Err(source) => return Err(self.io_error("reserve disk space", source)),
            }
        }
        self.disk_is_low = true;
        Err(self.disk_full(refusal))
    }

    fn disk_full(&self, source: io::Error) -> TapeError {
        TapeError::DiskFull { tape: self.tape.to_string(), source }
    }
}
