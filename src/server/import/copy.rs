//! Copying the files of a tape to another file system: sparse where the source is, durable, read again from the disk and
//! compared.

use crate::control::{OnProgress, ToolError};
use crate::files::{open_file, sync_directory};
use rustix::fs::{Advice, fadvise, statvfs};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const CHUNK_BYTES: usize = 1 << 20;
/// Zeros are left out in pieces of this.
const HOLE_BYTES: usize = 64 << 10;

/// What was copied.
pub(super) struct Copied {
    /// Of the progress: written, and read again.
    pub(super) checked_bytes: u64,
    /// Of the progress: all, with a verification of the copy behind it.
    pub(super) total_bytes: u64,
}

/// Copies `files` from one directory to another, durably, and holds the copy against what was read.
///
/// # Errors
/// When there is not enough room, the source changes meanwhile, or the copy is not the same.
pub(super) fn copy(
    from: &Path,
    files: &[String],
    to: &Path,
    progress: OnProgress<'_>,
) -> Result<Copied, ToolError> {
    let mut opened = Vec::new();
    for name in files {
        let file = open_file(OpenOptions::new().read(true), &from.join(name))?;
        opened.push((name, file.metadata()?, file));
    }
    let bytes: u64 = opened.iter().map(|(_, metadata, _)| metadata.len()).sum();
    let stored: u64 = opened.iter().map(|(_, metadata, _)| metadata.blocks().saturating_mul(512)).sum();
    check_room(to, stored.min(bytes))?;
    let total_bytes = bytes.saturating_mul(3);
    let mut done = 0;
    let mut advance = |count: usize| {
        done += count as u64;
        progress(done, total_bytes);
    };
    for (name, metadata, file) in &opened {
        let path = to.join(name);
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let mut copy =
            OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(failed)?;
        let written = copy_file(file, &mut copy, &mut advance)?;
        copy.sync_all().map_err(failed)?;
        let now = file.metadata()?;
        if written.bytes != metadata.len()
            || (now.len(), now.mtime(), now.mtime_nsec())
                != (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
        {
            return Err(format!("{name} changed while it was copied; import it again").into());
        }
        // What is compared shall be what the disk has, not what memory still has of it.
        let _ = fadvise(&copy, 0, None, Advice::DontNeed);
        if read_again(&mut copy, &mut advance).map_err(failed)? != written {
            return Err(
                format!("{}: the copy is not what was written; look into the disk", path.display()).into()
            );
        }
    }
    sync_directory(to)?;
    Ok(Copied { checked_bytes: bytes.saturating_mul(2), total_bytes })
}

fn check_room(directory: &Path, bytes: u64) -> Result<(), ToolError> {
    let space = statvfs(directory).map_err(io::Error::from)?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if bytes < free {
        return Ok(());
    }
    Err(format!("it takes {bytes} bytes and the loader's file system has {free}; make room there").into())
}

/// Length and checksum of what passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Passed {
    bytes: u64,
    checksum: u32,
}

fn copy_file(mut from: &File, to: &mut File, advance: &mut dyn FnMut(usize)) -> io::Result<Passed> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut passed = Passed { bytes: 0, checksum: 0 };
    loop {
        let count = from.read(&mut chunk)?;
        if count == 0 {
            to.set_len(passed.bytes)?;
            return Ok(passed);
        }
        for piece in chunk[..count].chunks(HOLE_BYTES) {
            if piece.iter().all(|byte| *byte == 0) {
                to.seek_relative(i64::try_from(piece.len()).map_err(io::Error::other)?)?;
            } else {
                to.write_all(piece)?;
            }
        }
        pass(&mut passed, &chunk[..count]);
        advance(count);
    }
}

fn read_again(file: &mut File, advance: &mut dyn FnMut(usize)) -> io::Result<Passed> {
    file.seek(SeekFrom::Start(0))?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut passed = Passed { bytes: 0, checksum: 0 };
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(passed),
            count => {
                pass(&mut passed, &chunk[..count]);
                advance(count);
            }
        }
    }
}

fn pass(passed: &mut Passed, bytes: &[u8]) {
    passed.bytes += bytes.len() as u64;
    passed.checksum = crc32c::crc32c_append(passed.checksum, bytes);
}

/// Whether `whole` begins with all that is in `part`.
pub(super) fn has_all_of(whole: &Path, part: &Path, progress: OnProgress<'_>) -> io::Result<bool> {
    let open = |path: &Path| open_file(OpenOptions::new().read(true), path);
    let (mut whole, mut part) = (open(whole)?, open(part)?);
    let (of_whole, of_part) = (whole.metadata()?, part.metadata()?);
    if (of_whole.dev(), of_whole.ino()) == (of_part.dev(), of_part.ino()) {
        return Ok(true);
    }
    let total = of_part.len();
    let mut chunks = [vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]];
    let mut done = 0;
    loop {
        let [one, other] = &mut chunks;
        let count = part.read(one)?;
        if count == 0 {
            return Ok(true);
        }
        match whole.read_exact(&mut other[..count]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        if one[..count] != other[..count] {
            return Ok(false);
        }
        done += count as u64;
        progress(done, total);
    }
}
