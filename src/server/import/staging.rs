//! Where a tape is built before a loader takes it: a hidden directory below the loader's.

use crate::control::ToolError;
use crate::vtl::loader::STAGING_PREFIX;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// How often another name is tried when another import was quicker.
const ATTEMPTS: u32 = 25;

/// A directory in a loader's directory in which a tape is built. Locked while it lives, removed behind it.
pub(super) struct Staging {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// The owner of the loader's directory.
    owner: (u32, u32),
    _lock: File,
}

impl Staging {
    /// Makes one, and removes those that crashes left.
    pub(super) fn make(loader: &Path) -> Result<Staging, ToolError> {
        let failed =
            |error: io::Error| format!("{}: cannot make a staging directory: {error}", loader.display());
        remove_abandoned(loader).map_err(failed)?;
        let metadata = fs::metadata(loader).map_err(failed)?;
        let owner = (metadata.uid(), metadata.gid());
        for _ in 0..ATTEMPTS {
            let name = format!("{STAGING_PREFIX}{}", Uuid::new_v4().simple());
            let path = loader.join(&name);
            fs::create_dir(&path).map_err(failed)?;
            // Between the two another import may have taken it for an abandoned one.
            let Ok(lock) = File::open(&path) else { continue };
            let inode = lock.metadata().map_err(failed)?.ino();
            let is_still_there = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.ino() == inode);
            if lock.try_lock().is_ok() && is_still_there && path.is_dir() {
                chown_if_needed(&path, owner).map_err(failed)?;
                return Ok(Staging { name, path, owner, _lock: lock });
            }
        }
        Err(failed(io::ErrorKind::ResourceBusy.into()).into())
    }

    /// A tape that root makes for a server of another user must be that user's.
    pub(super) fn give_to_owner(&self, tape: &Path) -> io::Result<()> {
        for entry in fs::read_dir(tape)? {
            chown_if_needed(&entry?.path(), self.owner)?;
        }
        chown_if_needed(tape, self.owner)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "the next import removes {}", self.path.display());
        }
    }
}

fn chown_if_needed(path: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.uid() == user { Ok(()) } else { chown(path, Some(user), Some(group)) }
}

/// Removes the staging directories in a loader's directory that nobody has locked.
fn remove_abandoned(loader: &Path) -> io::Result<()> {
    for entry in fs::read_dir(loader)? {
        let entry = entry?;
        let is_staging = entry.file_name().to_str().is_some_and(|name| name.starts_with(STAGING_PREFIX));
        if !is_staging || !entry.file_type()?.is_dir() {
            continue;
        }
        let Ok(lock) = File::open(entry.path()) else { continue };
        if lock.try_lock().is_ok() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
