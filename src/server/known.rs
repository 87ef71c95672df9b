//! Which loaders this server has served: so that a file system that is not mounted is not taken for a new loader.
//!
//! An empty directory makes a new loader with blank tapes, whose barcodes may be those of the tapes that should be there:
//! a backup application would write on them. The list is `loaders.toml` in the state directory. It only ever refuses; it
//! must not be needed to serve.

use crate::files::{open_file, sync_directory, write_anew};
use crate::vtl::slots;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use uuid::Uuid;

const FILE_NAME: &str = "loaders.toml";
const TEMPORARY_NAME: &str = "loaders.toml.new";
/// More than this is no list of loaders.
const BYTES_MAX: u64 = 1 << 20;

/// The list as it stands in the file: the uuid of the loader that was served from a directory last.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    loaders: BTreeMap<PathBuf, Uuid>,
}

/// The list, read once.
pub(super) struct KnownLoaders {
    state_directory: PathBuf,
    document: Document,
}

/// Why a loader is not made anew.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is empty, but held the loader {uuid} before: mount its file system; for a new loader there, remove its line from {}",
    .directory.display(), .list.display()
)]
pub(super) struct LoaderGone {
    directory: PathBuf,
    uuid: Uuid,
    list: PathBuf,
}

impl KnownLoaders {
    /// Reads the list; one that cannot be read is empty.
    pub(super) fn load(state_directory: &Path) -> KnownLoaders {
        KnownLoaders { state_directory: state_directory.to_owned(), document: read(state_directory) }
    }

    /// Refuses a loader whose directory was not empty before and is now.
    pub(super) fn check(&self, directory: &Path) -> Result<(), LoaderGone> {
        match self.document.loaders.get(directory) {
            Some(uuid) if !slots::file::exists(directory) => Err(LoaderGone {
                directory: directory.to_owned(),
                uuid: *uuid,
                list: self.state_directory.join(FILE_NAME),
            }),
            _ => Ok(()),
        }
    }

    /// The loader in `directory` has left the configuration: whatever is found there the next time is right.
    pub(super) fn forget(&mut self, directory: &Path) {
        if self.document.loaders.remove(directory).is_some() {
            self.write();
        }
    }

    /// Remembers that `directory` holds the loader `uuid`. Not being able to is worth a warning, not more.
    pub(super) fn remember(&mut self, directory: &Path, uuid: Uuid) {
        if self.document.loaders.insert(directory.to_owned(), uuid) == Some(uuid) {
            return;
        }
        self.write();
    }

    fn write(&self) {
        if let Err(error) = write(&self.state_directory, &self.document) {
            let list = self.state_directory.join(FILE_NAME);
            tracing::warn!(%error, "cannot remember the loaders in {}", list.display());
        }
    }
}

fn read(state_directory: &Path) -> Document {
    let path = state_directory.join(FILE_NAME);
    let mut text = String::new();
    let read = open_file(OpenOptions::new().read(true), &path)
        .and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
    let document = match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Document::default(),
        Err(error) => Err(error.to_string()),
        Ok(_) => toml::from_str(&text).map_err(|error| error.message().to_owned()),
    };
    document.unwrap_or_else(|reason| {
        tracing::warn!(reason, "{} is not understood and made anew", path.display());
        Document::default()
    })
}

fn write(state_directory: &Path, document: &Document) -> io::Result<()> {
    fs::create_dir_all(state_directory)?;
    let text = toml::to_string(document).map_err(io::Error::other)?;
    let comment = "# The loaders that were served here. Without its line a loader's empty directory makes a new loader.\n";
    let new = state_directory.join(TEMPORARY_NAME);
    write_anew(&new, format!("{comment}{text}").as_bytes())?;
    fs::rename(&new, state_directory.join(FILE_NAME))?;
    sync_directory(state_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: &Path, directory: &Path) -> Result<(), LoaderGone> {
        KnownLoaders::load(state).check(directory)
    }

    fn remember(state: &Path, directory: &Path, uuid: Uuid) {
        KnownLoaders::load(state).remember(directory, uuid);
    }

    #[test]
    fn only_a_directory_that_held_a_loader_and_is_empty_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let loader = tempfile::tempdir().unwrap();
        let (state, loader) = (state.path(), loader.path());
        check(state, loader).expect("a new loader");
        remember(state, loader, Uuid::from_u128(7));
        let refusal = check(state, loader).unwrap_err().to_string();
        assert!(refusal.contains(&Uuid::from_u128(7).to_string()), "{refusal}");
        assert!(refusal.contains("loaders.toml") && !refusal.contains('\n'), "{refusal}");
        for name in ["slots.toml", "slots.toml.bak"] {
            fs::write(loader.join(name), "whatever it says").unwrap();
            check(state, loader).expect("a loader that is there");
            fs::remove_file(loader.join(name)).unwrap();
        }
        check(state, &loader.join("other")).expect("another directory");
        KnownLoaders::load(state).forget(loader);
        check(state, loader).expect("forgotten");
        KnownLoaders::load(state).forget(loader);
        remember(state, loader, Uuid::from_u128(8));
        assert_eq!(read(state).loaders[loader], Uuid::from_u128(8));
    }

    #[test]
    fn a_list_that_cannot_be_read_or_written_stops_nothing() {
        let state = tempfile::tempdir().unwrap();
        for damage in [&b"loaders = 5"[..], b"\xff\xfe", b"[loaders]\n\"/x\" = \"no uuid\""] {
            fs::write(state.path().join(FILE_NAME), damage).unwrap();
            check(state.path(), Path::new("/x")).expect("no list, no refusal");
        }
        remember(state.path(), Path::new("/x"), Uuid::nil());
        assert_eq!(read(state.path()).loaders.len(), 1);
        fs::write(state.path().join("file"), "").unwrap();
        remember(&state.path().join("file"), Path::new("/x"), Uuid::nil());
    }
}
