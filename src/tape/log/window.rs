//! The window: what was last read of the log, kept so that records in a row cost no system call each.
//!
//! Knows offsets and lengths, not what the bytes mean. It grows to the longest record that was read and is given back by
//! [`Window::release`]. Read on in `read.rs` and `lend.rs`.

use std::io;
use std::ops::Range;

use super::super::format::RecordHeader;
use super::super::storage::Storage;

/// How much is read at once where records are read in a row.
const READ_BYTES: usize = if cfg!(test) { 4 << 10 } else { 1 << 20 };
/// How much is read at once where only headers are looked at.
pub(super) const WALK_BYTES: usize = if cfg!(test) { 512 } else { 64 << 10 };
/// How far in front of a reader the storage is asked to fetch, whatever the system itself would do: enough to keep a disk
/// busy while a window goes out.
const AHEAD_BYTES: u64 = if cfg!(test) { 8 << 10 } else { 12 << 20 };
/// The least that is worth asking for at once.
const AHEAD_STEP_BYTES: u64 = AHEAD_BYTES / 4;

/// What bytes of the log are fetched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Only headers are looked at.
    #[default]
    Walk,
    /// Payloads, and those of the records that follow.
    Read,
}

/// What was last read from storage, with what followed it.
#[derive(Default)]
pub(super) struct Window {
    offset: u64,
    /// Only the first `filled` bytes are of the log. It keeps its length, as growing zeroes.
    bytes: Vec<u8>,
    filled: usize,
    purpose: Purpose,
    /// Up to which offset storage has been asked to fetch ahead.
    asked_until: u64,
    /// The bytes of log that the record read last takes. Where records are alike a window then ends between two, and
    /// nothing is read twice.
    record_bytes: usize,
    /// The payloads, in `bytes`, of the records that are lent. They are in a row.
    pub(super) lent: Vec<Range<usize>>,
}

impl Window {
    /// The `length` bytes at `offset`, or fewer where storage ends, at `end` at the latest.
    pub(super) fn fetch<S: Storage>(
        &mut self,
        storage: &S,
        offset: u64,
        length: usize,
        end: u64,
        purpose: Purpose,
    ) -> io::Result<&[u8]> {
        let available = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(available);
        let from = match self.place(offset, length) {
            Some(place) => place.start,
            None => {
                let wanted = match purpose {
                    Purpose::Walk => WALK_BYTES,
                    Purpose::Read => self.whole_records_bytes(),
                };
                self.ask_ahead(storage, offset, end, purpose);
                let length = length.max(wanted).min(available);
                self.fill(storage, offset, length, length)?;
                self.purpose = purpose;
                0
            }
        };
        Ok(&self.bytes[from..(from + length).min(self.filled)])
    }

    /// The `length` bytes at `offset`, of which those behind `flushed` are not in storage but the first of `pending`.
    pub(super) fn straddle<S: Storage>(
        &mut self,
        storage: &S,
        offset: u64,
        length: usize,
        flushed: u64,
        pending: &[u8],
    ) -> io::Result<&[u8]> {
        let stored = usize::try_from(flushed - offset).unwrap_or(usize::MAX).min(length);
        let more = (length - stored).min(pending.len());
        self.fill(storage, offset, stored, stored + more)?;
        if self.filled == stored {
            self.bytes[stored..stored + more].copy_from_slice(&pending[..more]);
            self.filled += more;
        }
        Ok(&self.bytes[..self.filled])
    }

    /// Where the `length` bytes at `offset` stand in the window, if it holds them all.
    pub(super) fn place(&self, offset: u64, length: usize) -> Option<Range<usize>> {
        let from = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        let to = from.checked_add(length).filter(|to| *to <= self.filled)?;
        Some(from..to)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// The offset in the log of the byte at `place`.
    pub(super) fn offset_of(&self, place: usize) -> u64 {
        self.offset.saturating_add(place as u64)
    }

    /// Notes how long the records are that are being read.
    pub(super) fn note_record(&mut self, header: &RecordHeader) {
        self.record_bytes = usize::try_from(header.total_bytes()).unwrap_or(0);
    }

    /// Gives the memory back.
    pub(super) fn release(&mut self) {
        *self = Window::default();
    }

    /// As many bytes as a window has, in whole records like the last one.
    fn whole_records_bytes(&self) -> usize {
        match READ_BYTES.checked_div(self.record_bytes) {
            None => READ_BYTES,
            Some(records) => records.max(1) * self.record_bytes,
        }
    }

    /// Lets storage fetch what comes behind the window that is about to be read at `offset`, if it is the second in a row.
    fn ask_ahead<S: Storage>(&mut self, storage: &S, offset: u64, end: u64, purpose: Purpose) {
        let follows = offset > self.offset && offset <= self.offset_of(self.filled);
        if !follows || purpose != Purpose::Read || self.purpose != Purpose::Read {
            self.asked_until = 0;
            return;
        }
        let from = self.asked_until.max(offset);
        let until = offset.saturating_add(AHEAD_BYTES).min(end);
        if until.saturating_sub(from) >= AHEAD_STEP_BYTES {
            storage.will_need(from, until - from);
            self.asked_until = until;
        }
    }

    /// Reads `length` bytes; there is room for `room` then.
    fn fill<S: Storage>(&mut self, storage: &S, offset: u64, length: usize, room: usize) -> io::Result<()> {
        self.lent.clear();
        (self.offset, self.filled) = (offset, 0);
        if self.bytes.len() < room {
            // What it held is given back first: the longest records must not be in memory twice.
            self.bytes = Vec::new();
            self.bytes = vec![0; room];
        }
        self.filled = storage.read_at(offset, &mut self.bytes[..length])?;
        Ok(())
    }
}
