//! Small files in directories that are carried about: opened without being led astray, written so that they last.
//!
//! A tape or a loader comes from anywhere, and a name in it may be anything: a symbolic link, a FIFO, a device. Used by
//! `tape`, `vtl` and `server`; it must not know what the files say.

use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

/// Opens the regular file at `path`. A symbolic link is not followed (a write through it would change a file
/// elsewhere), and a FIFO or a device is refused, not waited for.
pub(crate) fn open_file(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options.custom_flags(flags.bits().cast_signed()).open(path).map_err(|error| {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::LOOP) => io::Error::other("it is a symbolic link; put the file itself there"),
            _ => error,
        }
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// An exclusive lock (flock(2)) on a file or directory that is free again at the very moment when this is dropped.
///
/// Closing alone would not do: a process that another thread forked just then holds the same open file until it is
/// another program, and the lock with it.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Locks the open file behind `file`, at once or not at all.
    pub(crate) fn take(file: File) -> Result<Lock, TryLockError> {
        file.try_lock()?;
        Ok(Lock(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // What cannot be unlocked is unlocked by being closed.
        let _ = self.0.unlock();
    }
}

/// Writes a file anew, never through what stands there, and makes its content durable. Its name is durable after
/// [`sync_directory`].
pub(crate) fn write_anew(path: &Path, content: &[u8]) -> io::Result<()> {
    remove_if_there(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    give_to_owner_of_directory(&file, path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// What root writes in a directory of the server's user must be that user's, or the server could not read it.
fn give_to_owner_of_directory(file: &File, path: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let owner = fs::metadata(parent)?;
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

/// Removes a file; one that is not there is as good.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names in `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_where_it_is_dropped_though_a_forked_process_still_has_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::open(directory.path()).unwrap();
        let inherited = file.try_clone().unwrap();
        let lock = Lock::take(file).unwrap();
        let again = || Lock::take(File::open(directory.path()).unwrap());
        assert!(matches!(again(), Err(TryLockError::WouldBlock)));
        drop(lock);
        again().unwrap();
        drop(inherited);
    }
}
