//! What is appended and not yet handed to the disk: one aligned buffer, filled from front to back.
//!
//! The byte at index *i* goes to an offset in the log that is *i* modulo a disk block: so everything but the first
//! and the last piece of a log goes to the disk in whole blocks. Knows nothing of records; `append` fills it, records
//! received in place are written into it by `slots`.

use std::ops::Range;

use super::super::buffer::{AlignedBuffer, BLOCK_BYTES};

/// How much is collected before it is written: one system call for many records. Small in tests, so that they see it
/// happen, also in the middle of a record.
pub(in super::super) const PENDING_BYTES: usize = if cfg!(test) { BLOCK_BYTES } else { 4 << 20 };

/// The bytes between what is in storage and the end of the log.
#[derive(Default)]
pub(super) struct Pending {
    /// Without length until it is needed.
    pub(super) buffer: AlignedBuffer,
    from: usize,
    to: usize,
}

impl Pending {
    /// Nothing pending in front of the log's offset `flushed`.
    pub(super) fn at(flushed: u64) -> Pending {
        let mut pending = Pending::default();
        pending.restart(flushed);
        pending
    }

    /// Forgets what is pending and goes on in front of `flushed`.
    pub(super) fn restart(&mut self, flushed: u64) {
        // The rest of a division by a `usize` fits into one.
        self.from = usize::try_from(flushed % BLOCK_BYTES as u64).unwrap_or(0);
        self.to = self.from;
        if self.buffer.len() > PENDING_BYTES {
            self.buffer = AlignedBuffer::default();
        }
    }

    /// Everything pending has been written where it is: the buffer goes on behind it while there is room.
    pub(super) fn written(&mut self) {
        if self.to < PENDING_BYTES {
            self.from = self.to;
        } else {
            self.restart(self.to as u64);
        }
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.from..self.to
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // Without anything pending there may be no buffer.
        if self.is_empty() { &[] } else { &self.buffer[self.range()] }
    }

    pub(super) fn len(&self) -> usize {
        self.to - self.from
    }

    pub(super) fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Forgets all but the first `length` bytes.
    pub(super) fn truncate(&mut self, length: usize) {
        self.to = self.to.min(self.from + length);
    }

    /// How many bytes still go into the buffer.
    pub(super) fn room_bytes(&self) -> usize {
        PENDING_BYTES.saturating_sub(self.to)
    }

    /// Takes as much of `bytes` as there is room for and returns the rest.
    pub(super) fn push<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(self.room_bytes()));
        self.free()[..taken.len()].copy_from_slice(taken);
        self.to += taken.len();
        rest
    }

    /// Takes all of `bytes` into a buffer as large as that needs, for once.
    pub(super) fn push_beyond(&mut self, bytes: &[u8]) {
        let mut buffer = AlignedBuffer::new((self.to + bytes.len()).next_multiple_of(BLOCK_BYTES));
        buffer[self.range()].copy_from_slice(self.bytes());
        buffer[self.to..self.to + bytes.len()].copy_from_slice(bytes);
        (self.buffer, self.to) = (buffer, self.to + bytes.len());
    }

    /// The part of the buffer behind what is pending. [`Pending::grow`] makes some of it pending.
    pub(super) fn free(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = AlignedBuffer::new(PENDING_BYTES);
        }
        &mut self.buffer[self.to..]
    }

    /// Another `length` bytes of [`Pending::free`] are pending now.
    pub(super) fn grow(&mut self, length: usize) {
        debug_assert!(length <= self.room_bytes());
        self.to += length;
    }

    /// Gives back the memory, if nothing is pending.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            self.buffer = AlignedBuffer::default();
            self.restart(self.from as u64);
        }
    }
}
