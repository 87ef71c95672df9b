//! The files of a tape that is only looked at: a log that ends where it ended when it was opened, an index in memory.
//!
//! Neither writes: a log refuses to, the index changes in memory only.

use std::cell::Cell;
use std::fs::File;
use std::io;

use super::super::format::{TAPE_HEADER_BYTES, TapeHeader};
use super::super::storage::{FileStorage, Storage};

/// A log with a fixed end.
pub(in super::super) struct Snapshot {
    file: FileStorage,
    length: u64,
    reads: Cell<u64>,
}

impl Snapshot {
    pub(super) fn new(file: File) -> io::Result<Snapshot> {
        let file = FileStorage::new(file);
        let length = file.len()?;
        Ok(Snapshot { file, length, reads: Cell::new(0) })
    }

    /// How often the disk was read.
    pub(super) fn reads(&self) -> u64 {
        self.reads.get()
    }

    /// The length of the file now, which a writer may have changed.
    pub(in super::super) fn length_now(&self) -> io::Result<u64> {
        self.file.len()
    }

    /// The two copies of the tape header as they are on disk now.
    pub(in super::super) fn header_copies(&self) -> io::Result<[Option<TapeHeader>; 2]> {
        let mut bytes = [0; 2 * TAPE_HEADER_BYTES];
        let read = self.file.read_at(0, &mut bytes)?;
        let copy = |from: usize| {
            let copy = bytes[..read].get(from..)?.first_chunk::<TAPE_HEADER_BYTES>()?;
            TapeHeader::decode(copy).ok()
        };
        Ok([copy(0), copy(TAPE_HEADER_BYTES)])
    }

    /// The header that counts now, if one of the copies is intact.
    pub(super) fn newest_header(&self) -> io::Result<Option<TapeHeader>> {
        Ok(self.header_copies()?.into_iter().flatten().max_by_key(|header| header.generation))
    }
}

impl Storage for Snapshot {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.set(self.reads.get().wrapping_add(1));
        let available = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(available);
        self.file.read_at(offset, &mut buffer[..wanted])
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn truncate(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn reserve(&mut self, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

/// A file's bytes in memory, to be changed there.
pub(in super::super) struct Held {
    bytes: Vec<u8>,
}

impl Held {
    /// What `file` holds, `length_max` bytes of it at most.
    pub(super) fn read(file: &impl Storage, length_max: u64) -> io::Result<Held> {
        let length = usize::try_from(file.len()?.min(length_max)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        let read = file.read_at(0, &mut bytes)?;
        bytes.truncate(read);
        Ok(Held { bytes })
    }

    pub(in super::super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Storage for Held {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let length = buffer.len().min(self.bytes.len() - from);
        buffer[..length].copy_from_slice(&self.bytes[from..from + length]);
        Ok(length)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let to = from.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        if self.bytes.len() < to {
            self.bytes.resize(to, 0);
        }
        self.bytes[from..to].copy_from_slice(bytes);
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&mut self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }
}
