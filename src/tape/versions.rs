//! A small text file and the version before it: how labels and attributes are kept.
//!
//! A new version is written beside the old one, which gets a second name, and renamed over it: there is no instant without
//! the file, and a damaged one has a backup. Must not know what the text says; see `FORMAT.md`.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use crate::files::{open_file, remove_if_there, sync_directory, write_anew};

/// What the files hold is a few hundred bytes, with an initiator's attributes a few thousand; one much longer is none.
const BYTES_MAX: u64 = 64 << 10;

/// The names of a file and of what stands beside it.
pub(super) struct Versions {
    pub(super) name: &'static str,
    pub(super) backup: &'static str,
    pub(super) temporary: &'static str,
    pub(super) backup_temporary: &'static str,
}

impl Versions {
    /// Writes `text` durably. What stands there becomes the backup if it `is_good`.
    pub(super) fn replace(
        &self,
        directory: &Path,
        text: &str,
        is_good: impl FnOnce(&Path) -> bool,
    ) -> io::Result<()> {
        let (path, temporary) = (directory.join(self.name), directory.join(self.temporary));
        write_anew(&temporary, text.as_bytes())?;
        if is_good(&path) {
            // A second name for the old version, not a rename: there is no instant without the file.
            let backup = directory.join(self.backup_temporary);
            remove_if_there(&backup)?;
            fs::hard_link(&path, &backup).or_else(|_| fs::copy(&path, &backup).map(|_| ()))?;
            fs::rename(&backup, directory.join(self.backup))?;
        }
        fs::rename(&temporary, &path)?;
        sync_directory(directory)
    }

    /// Whether `name` is one that [`Versions::replace`] leaves behind when it is interrupted.
    pub(super) fn is_temporary(&self, name: &str) -> bool {
        name == self.temporary || name == self.backup_temporary
    }
}

/// Reads a file, or says in one line why not.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let describe = |error: io::Error| format!("cannot be read: {error}");
    let mut text = String::new();
    let file = open_file(OpenOptions::new().read(true), path).map_err(describe)?;
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(describe)?;
    if text.len() as u64 > BYTES_MAX { Err("too long for what it should be".to_owned()) } else { Ok(text) }
}

/// Where and what, in one line; the TOML error's own form has four.
pub(super) fn one_line(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message().replace('\n', " "))
}
