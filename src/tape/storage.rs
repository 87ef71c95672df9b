//! The few file operations that a log and an index need, behind a trait, so that tests can let them fail or cut
//! the power between any two of them. `storage/file.rs` does them on a file system, `storage/behind.rs` writes and
//! `storage/ahead.rs` reads on threads (`storage/worker.rs`).
//!
//! Knows nothing of what the bytes mean.

mod ahead;
mod behind;
mod file;
mod worker;

use std::io;
use std::ops::Range;

use super::buffer::AlignedBuffer;

pub(super) use file::FileStorage;

/// A file: bytes at offsets, and the promise of [`Storage::sync`].
pub(super) trait Storage {
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Reads at `offset` until `buffer` is full or the file ends; returns how many bytes were read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Says that the `length` bytes at `offset` will soon be read, so that they can be fetched meanwhile. Never waits for
    /// them; where it does not help, nothing happens.
    fn will_need(&self, _offset: u64, _length: u64) {}

    /// Writes all of `bytes` at `offset`. After an error any part of them may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// As [`Storage::write_at`] with `buffer[range]`, but may return before it is done and put another buffer of the
    /// same length in the place of `buffer`. Everything else waits for it; its error comes with the next call that
    /// can have one, [`Storage::sync`] at the latest. On an error of its own `buffer` is what it was.
    fn write_behind(
        &mut self,
        offset: u64,
        buffer: &mut AlignedBuffer,
        range: Range<usize>,
    ) -> io::Result<()> {
        self.write_at(offset, &buffer[range])
    }

    /// Gives back threads and memory that only writing needs. A later write takes them again.
    fn release_memory(&mut self) {}

    /// Cuts the file to `length` bytes and gives back what was reserved beyond.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Makes everything written, and the length, survive a loss of power.
    fn sync(&mut self) -> io::Result<()>;

    /// Takes disk space for the bytes `offset..end` without changing the length, so that writing them cannot run
    /// out of it. Where the file system cannot do that, `Ok` means that much more than that seems to be free.
    fn reserve(&mut self, offset: u64, end: u64) -> io::Result<()>;
}
