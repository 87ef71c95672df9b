//! The few file operations that a log and an index need, behind a trait, so that tests can let them fail or cut
//! the power between any two of them.
//!
//! Knows nothing of what the bytes mean.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::io::Errno;

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

    /// Cuts the file to `length` bytes and gives back what was reserved beyond.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Makes everything written, and the length, survive a loss of power.
    fn sync(&mut self) -> io::Result<()>;

    /// Takes disk space for the bytes `offset..end` without changing the length, so that writing them cannot run
    /// out of it. File systems that cannot do that answer `Ok` and may run out later.
    fn reserve(&mut self, offset: u64, end: u64) -> io::Result<()>;
}

/// A file on a file system.
#[derive(Debug)]
pub(super) struct FileStorage {
    file: File,
    /// Whether the file system counts names; some in user space say 0 of every file.
    counts_names: bool,
}

impl FileStorage {
    pub(super) fn new(file: File) -> FileStorage {
        let counts_names = file.metadata().is_ok_and(|metadata| metadata.nlink() > 0);
        FileStorage { file, counts_names }
    }
}

impl Storage for FileStorage {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn will_need(&self, offset: u64, length: u64) {
        if let Some(length) = NonZeroU64::new(length) {
            // Only advice: whoever reads learns of any error.
            let _ = rustix::fs::fadvise(&self.file, offset, Some(length), rustix::fs::Advice::WillNeed);
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        // fdatasync: the length is among the metadata that it must write, for growth and (on Linux) for cuts.
        self.file.sync_data()?;
        // Durable bytes that no name leads to are lost with the last handle: nobody may be told that they are safe.
        if self.counts_names && self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::other("the file was deleted while it was open"));
        }
        Ok(())
    }

    fn reserve(&mut self, offset: u64, end: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        let length = end.saturating_sub(offset);
        let reserved =
            rustix::io::retry_on_intr(|| fallocate(&self.file, FallocateFlags::KEEP_SIZE, offset, length));
        match reserved {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}
