//! Writing to the log: appending, the durability points, and cutting off what an overwrite destroys.
//!
//! The orders of writes and syncs here are what `FORMAT.md`, "Order of writes", promises; change them together.

use std::io;

use super::super::error::{TapeError, is_disk_full};
use super::super::format::{Kind, RecordHeader, TapeHeader};
use super::super::medium::FILEMARK_RESERVE_BYTES;
use super::super::position::{Cursor, Position};
use super::super::storage::Storage;
use super::{Log, SECOND_COPY, Window};

/// How far ahead disk space is reserved, from generous to nothing when the disk is nearly full.
const RESERVE_AHEAD_BYTES: [u64; 4] = [256 << 20, 64 << 20, 2 << 20, 0];

impl<S: Storage> Log<S> {
    /// Appends one record or filemark (`payload` empty). It is readable at once and durable after [`Log::sync`].
    /// On an error nothing was appended; an earlier record is never lost to a full disk.
    pub(in super::super) fn append(&mut self, kind: Kind, payload: &[u8]) -> Result<(), TapeError> {
        self.writable()?;
        let header = RecordHeader::raw(kind, self.header.generation, self.end.position, payload)
            .ok_or_else(|| TapeError::RecordLength { tape: self.tape.to_string(), length: payload.len() })?;
        self.make_room(kind, header.total_bytes())?;
        let (front, back) = header.frame(self.seed);
        let start = self.end;
        for mut part in [&front[..], payload, &back] {
            if let Err(error) = self.put(&mut part) {
                self.withdraw(start)?;
                return Err(error);
            }
        }
        self.end = header.behind(start.offset);
        Ok(())
    }

    /// Makes `bytes` pending; what fills the buffer is on its way to the file. On an error `bytes` are those left.
    fn put(&mut self, bytes: &mut &[u8]) -> Result<(), TapeError> {
        while !bytes.is_empty() {
            if self.pending.room_bytes() == 0 {
                self.hand_over()?;
            }
            *bytes = self.pending.push(bytes);
        }
        Ok(())
    }

    /// Removes what stands at and behind `at` and was never made durable, from the buffer and from the file.
    pub(in super::super) fn withdraw(&mut self, at: Cursor) -> Result<(), TapeError> {
        match usize::try_from(at.offset.saturating_sub(self.flushed)) {
            Ok(length) if at.offset >= self.flushed => self.pending.truncate(length),
            _ => {
                // If it cannot be cut off, nothing more is written, and the next opening finds a torn tail.
                self.storage.truncate(at.offset).map_err(|source| self.fail("cut its log back", source))?;
                self.window.release();
                self.set_flushed(at.offset);
                self.reserved = at.offset;
            }
        }
        self.end = at;
        Ok(())
    }

    /// Hands a buffer full of bytes to the file, which may go on writing it while more records come. When the disk
    /// is full they stay pending (and readable), and the file is cut back to what is in it for certain.
    pub(super) fn hand_over(&mut self) -> Result<(), TapeError> {
        self.writable()?;
        self.dirty = true;
        let range = self.pending.range();
        let length = range.len() as u64;
        let result = self.storage.write_behind(self.flushed, &mut self.pending.buffer, range);
        self.settled(result)?;
        self.set_flushed(self.flushed + length);
        Ok(())
    }

    /// Appends data records that are encoded already, for this place; `behind` is the position behind the last one.
    /// As with [`Log::append`] on an error nothing was appended, unless the host was told before that the records are
    /// on the tape (`is_accepted`): then they are, and readable, though the disk may be full.
    pub(in super::super) fn append_encoded(
        &mut self,
        encoded: &[u8],
        behind: Position,
        is_accepted: bool,
    ) -> Result<(), TapeError> {
        self.writable()?;
        if !is_accepted {
            self.make_room(Kind::Data, encoded.len() as u64)?;
        }
        let (start, mut rest) = (self.end, encoded);
        let result = self.put(&mut rest);
        match &result {
            Ok(()) => {}
            Err(TapeError::DiskFull { .. }) if is_accepted => self.pending.push_beyond(rest),
            Err(_) => {
                self.withdraw(start)?;
                return result;
            }
        }
        self.end = Cursor::new(start.offset + encoded.len() as u64, behind);
        result
    }

    /// Hands the pending bytes to the file. On a full disk as [`Log::hand_over`].
    pub(in super::super) fn flush(&mut self) -> Result<(), TapeError> {
        self.writable()?;
        if self.pending.is_empty() {
            return Ok(());
        }
        self.dirty = true;
        let result = self.storage.write_at(self.flushed, self.pending.bytes());
        self.settled(result)?;
        self.flushed += self.pending.len() as u64;
        self.pending.written();
        Ok(())
    }

    /// What becomes of the log after a write.
    fn settled(&mut self, result: io::Result<()>) -> Result<(), TapeError> {
        match result {
            Ok(()) => Ok(()),
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

    /// Says that the file holds the log up to `offset`, and that nothing is pending.
    fn set_flushed(&mut self, offset: u64) {
        self.flushed = offset;
        self.pending.restart(offset);
    }

    /// Gives back memory and threads that only a running transfer needs; what is pending stays.
    pub(in super::super) fn release_memory(&mut self) {
        self.window.release();
        self.pending.release();
        self.storage.release_memory();
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
        self.set_flushed(at.offset);
        self.reserved = at.offset;
        self.disk_is_low = false;
        self.end = at;
        Ok(())
    }

    /// Gives back the disk space that a process reserved ahead which could not give it back itself.
    pub(in super::super) fn release_leftover(&mut self) {
        if self.is_read_only() || self.failed.is_some() {
            return;
        }
        if let Err(error) = self.storage.truncate(self.flushed) {
            tracing::warn!(tape = %self.tape, %error, "disk space that was reserved for it cannot be given back");
        }
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
    pub(super) fn make_room(&mut self, kind: Kind, bytes: u64) -> Result<(), TapeError> {
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
