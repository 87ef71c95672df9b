//! A file on a file system: large writes go past the page cache where the file system has that, and behind the
//! caller's back where disk space could be reserved for them.
//!
//! Past the page cache go whole blocks only. The pieces before and behind them go through it: so a block that holds
//! durable bytes is never handed to the disk anew by us, and the two ways never meet in one page.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::super::buffer::{AlignedBuffer, BLOCK_BYTES, is_aligned};
use super::Storage;
use super::ahead::Ahead;
use super::behind::Behind;

/// Less than this is not worth a wait for the disk: it goes through the page cache.
const DIRECT_BYTES_MIN: usize = 128 << 10;
/// How much must seem free, beyond what is asked for, on a file system that can reserve nothing.
const MARGIN_BYTES: u64 = 2 << 20;

/// A file on a file system.
#[derive(Debug)]
pub(in super::super) struct FileStorage {
    paths: Arc<Paths>,
    behind: Option<Behind>,
    /// Reads ahead of a sequential reader, if what he wants is not in the page cache.
    ahead: RefCell<Option<Ahead>>,
    /// Whether the last reservation really took space: only then can a write not find the disk full.
    is_reserved: bool,
    /// Whether the file system counts names; some in user space say 0 of every file.
    counts_names: bool,
}

/// The ways to the bytes of one file.
#[derive(Debug)]
pub(super) struct Paths {
    cached: File,
    /// The same file past the page cache.
    direct: Option<File>,
    /// The same file once more, to ask what is in the page cache without having it filled.
    probe: Option<File>,
    /// The file system took O_DIRECT and then refused a write with it.
    is_direct_refused: AtomicBool,
}

impl FileStorage {
    /// All through the page cache: for small files, and for reading.
    pub(in super::super) fn new(file: File) -> FileStorage {
        FileStorage::on(file, None, None)
    }

    /// Large writes past the page cache, if the file system has that. `path` is the file's; if something else stands
    /// there by now, it is left alone.
    pub(in super::super) fn direct(file: File, path: &Path) -> FileStorage {
        let direct = open_again(&file, path, OFlags::DIRECT)
            .inspect_err(|error| tracing::debug!(path = %path.display(), %error, "no direct I/O here"))
            .ok();
        // Asking has a page read that is not there; said to be random, it is that one only.
        let probe = open_again(&file, path, OFlags::empty())
            .ok()
            .filter(|probe| rustix::fs::fadvise(probe, 0, None, rustix::fs::Advice::Random).is_ok());
        FileStorage::on(file, direct, probe)
    }

    fn on(cached: File, direct: Option<File>, probe: Option<File>) -> FileStorage {
        let counts_names = cached.metadata().is_ok_and(|metadata| metadata.nlink() > 0);
        let paths = Paths { cached, direct, probe, is_direct_refused: AtomicBool::new(false) };
        FileStorage {
            paths: Arc::new(paths),
            behind: None,
            ahead: RefCell::new(None),
            is_reserved: false,
            counts_names,
        }
    }

    /// Whether the byte at `offset` is in the page cache, or cannot be told to be not.
    fn is_cached(&self, offset: u64) -> bool {
        let Some(probe) = &self.paths.probe else { return true };
        let mut byte = [0];
        let pieces = &mut [IoSliceMut::new(&mut byte)];
        preadv2(probe, pieces, offset, ReadWriteFlags::NOWAIT) != Err(Errno::AGAIN)
    }

    /// Before the file changes: what was read ahead is no longer what it holds.
    fn forget_ahead(&self) {
        if let Some(ahead) = self.ahead.borrow().as_ref() {
            ahead.forget();
        }
    }

    /// Waits until nothing is being written any more.
    fn settle(&self) -> io::Result<()> {
        self.behind.as_ref().map_or(Ok(()), Behind::settle)
    }
}

impl Paths {
    /// Reads at `offset`, a multiple of a block, past the page cache; returns how many bytes, less only at the end.
    pub(super) fn read_direct(&self, offset: u64, buffer: &mut AlignedBuffer) -> io::Result<usize> {
        let Some(direct) = &self.direct else { return Ok(0) };
        let mut filled = 0;
        while filled < buffer.len() {
            match direct.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(count) => {
                    filled += count;
                    // Only the file's end leaves part of a block.
                    if count == 0 || !filled.is_multiple_of(BLOCK_BYTES) {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Writes all of `bytes` at `offset`, the whole blocks among them past the page cache if they lie right in memory.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let block = BLOCK_BYTES as u64;
        let before = usize::try_from(offset.next_multiple_of(block) - offset).unwrap_or(0).min(bytes.len());
        let (head, rest) = bytes.split_at(before);
        let (middle, tail) = rest.split_at(rest.len() / BLOCK_BYTES * BLOCK_BYTES);
        let Some(direct) = self.direct.as_ref().filter(|_| {
            middle.len() >= DIRECT_BYTES_MIN
                && is_aligned(middle)
                && !self.is_direct_refused.load(Ordering::Relaxed)
        }) else {
            return self.cached.write_all_at(bytes, offset);
        };
        self.cached.write_all_at(head, offset)?;
        let offset = offset + before as u64;
        match write_all(direct, offset, middle) {
            Err(error) if is_refusal(&error) => {
                tracing::info!(%error, "the file system refuses direct I/O; its page cache is used");
                self.is_direct_refused.store(true, Ordering::Relaxed);
                self.cached.write_all_at(middle, offset)?;
            }
            result => result?,
        }
        self.cached.write_all_at(tail, offset + middle.len() as u64)
    }
}

/// Writes all, in whole blocks: what a short write leaves begins at a block, or is refused as no longer aligned.
fn write_all(direct: &File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match direct.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                let blocks = written / BLOCK_BYTES * BLOCK_BYTES;
                if blocks == 0 {
                    return Err(io::Error::from_raw_os_error(Errno::INVAL.raw_os_error()));
                }
                (offset, bytes) = (offset + blocks as u64, &bytes[blocks..]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error says that direct I/O is the trouble, not the disk.
fn is_refusal(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS))
}

/// A further way to `file`, which must still stand at `path`.
fn open_again(file: &File, path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let again =
        OpenOptions::new().read(true).write(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let (ours, theirs) = (file.metadata()?, again.metadata()?);
    if (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()) {
        Ok(again)
    } else {
        Err(io::Error::other("another file stands there by now"))
    }
}

impl Storage for FileStorage {
    fn len(&self) -> io::Result<u64> {
        self.settle()?;
        Ok(self.paths.cached.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.settle()?;
        let mut filled = self.ahead.borrow().as_ref().map_or(0, |ahead| ahead.read(offset, buffer));
        while filled < buffer.len() {
            match self.paths.cached.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn will_need(&self, offset: u64, length: u64) {
        let end = offset.saturating_add(length);
        // What is on its way to the disk is not to be read past it. An error comes with the read.
        if self.paths.direct.is_some() && self.settle().is_ok() && !self.is_cached(offset) {
            let mut ahead = self.ahead.borrow_mut();
            if ahead.is_none() {
                *ahead = Ahead::start(self.paths.clone()).ok();
            }
            if let Some(ahead) = ahead.as_ref() {
                return ahead.want(offset, end);
            }
        }
        if let Some(length) = NonZeroU64::new(length) {
            // Only advice: whoever reads learns of any error.
            let file = &self.paths.cached;
            let _ = rustix::fs::fadvise(file, offset, Some(length), rustix::fs::Advice::WillNeed);
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.settle()?;
        self.forget_ahead();
        self.paths.write(offset, bytes)
    }

    fn write_behind(
        &mut self,
        offset: u64,
        buffer: &mut AlignedBuffer,
        range: Range<usize>,
    ) -> io::Result<()> {
        if !self.is_reserved {
            return self.write_at(offset, &buffer[range]);
        }
        self.forget_ahead();
        if self.behind.is_none() {
            match Behind::start(self.paths.clone()) {
                Ok(behind) => self.behind = Some(behind),
                Err(error) => {
                    tracing::warn!(%error, "no thread to write behind; writing in line");
                    return self.write_at(offset, &buffer[range]);
                }
            }
        }
        self.behind.as_mut().map_or(Ok(()), |behind| behind.submit(offset, buffer, range))
    }

    fn release_memory(&mut self) {
        *self.ahead.borrow_mut() = None;
        // One that met an error keeps it until the file is opened anew.
        if self.settle().is_ok() {
            self.behind = None;
        }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.settle()?;
        self.forget_ahead();
        self.paths.cached.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.settle()?;
        // fdatasync: the length is among the metadata that it must write, for growth and (on Linux) for cuts. It is
        // for the file, whichever way the bytes came.
        self.paths.cached.sync_data()?;
        // Durable bytes that no name leads to are lost with the last handle: nobody may be told that they are safe.
        if self.counts_names && self.paths.cached.metadata()?.nlink() == 0 {
            return Err(io::Error::other("the file was deleted while it was open"));
        }
        Ok(())
    }

    fn reserve(&mut self, offset: u64, end: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        let length = end.saturating_sub(offset);
        let file = &self.paths.cached;
        let reserved =
            rustix::io::retry_on_intr(|| fallocate(file, FallocateFlags::KEEP_SIZE, offset, length));
        self.is_reserved = reserved.is_ok();
        match reserved {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                let free = free_bytes(file)?;
                if free < length.saturating_add(MARGIN_BYTES) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                Ok(())
            }
            Err(errno) => Err(errno.into()),
        }
    }
}

/// What the file system of `file` says is free for us.
fn free_bytes(file: &File) -> io::Result<u64> {
    let figures = rustix::fs::fstatvfs(file)?;
    // Some network file systems know nothing of themselves.
    if figures.f_blocks == 0 {
        return Ok(u64::MAX);
    }
    Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
}

#[cfg(test)]
mod tests;
