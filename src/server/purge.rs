//! What in a loader's directory is ours, and its removal.
//!
//! Only what is recognised goes: tapes, the loader's state, what interrupted imports and deletions left. Everything else
//! stays and is named. Whoever calls holds the loader's lock, and has taken the loader out of the configuration.

use crate::tape;
use crate::vtl::barcode::Barcode;
use crate::vtl::loader::{DELETED_PREFIX, LOCK_NAME, MAKING_PREFIX, STAGING_PREFIX};
use crate::vtl::slots;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the names begin with of directories in which tapes are taken in, made and deleted.
const UNSEEN: [&str; 3] = [STAGING_PREFIX, DELETED_PREFIX, MAKING_PREFIX];

/// What one entry of a loader's directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Tape,
    /// What was left half done.
    Leftover,
    /// The slot map and its other versions.
    State,
    Lock,
    Foreign,
}

/// Refuses when a tape is protected against just that. What cannot be read may be one of those.
pub(super) fn check_purgeable(directory: &Path) -> Result<(), String> {
    for (name, path) in
        entries(directory)?.into_iter().filter(|(_, path)| kind(path) == Kind::Tape).map(named)
    {
        let refuse = |why: &str| format!("tape {name} in {}: {why}", directory.display());
        match tape::inspect(&path) {
            Ok(summary) if summary.label.write_protected => {
                return Err(refuse(
                    "it is write-protected; take the protection off or carry the tape away first",
                ));
            }
            Ok(summary) if summary.label.worm && summary.used_bytes > 0 => {
                return Err(refuse("it is a WORM tape with data on it; carry it away first"));
            }
            Ok(_) => {}
            Err(error) => {
                return Err(refuse(&format!(
                    "{error}; whether it may go cannot be told, so remove it by hand first"
                )));
            }
        }
    }
    Ok(())
}

/// How many tapes are in a loader's directory.
pub(super) fn count_tapes(directory: &Path) -> u32 {
    let tapes =
        entries(directory).unwrap_or_default().into_iter().filter(|(_, path)| kind(path) == Kind::Tape);
    u32::try_from(tapes.count()).unwrap_or(u32::MAX)
}

/// The names in a directory, for [`purge`] to spare; empty where there is none.
pub(super) fn names(directory: &Path) -> Result<BTreeSet<OsString>, String> {
    match fs::symlink_metadata(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(BTreeSet::new())
        }
        _ => Ok(entries(directory)?.into_iter().map(|(name, _)| name).collect()),
    }
}

/// Removes what is ours, but for what `spared` names. Gives the names that stay. The tapes go first and the lock last: interrupted, it can be done again.
pub(super) fn purge(directory: &Path, spared: &BTreeSet<OsString>) -> Result<Vec<String>, String> {
    let all = entries(directory)?;
    let (mut ours, foreign): (Vec<_>, Vec<_>) = all
        .into_iter()
        .map(|(name, path)| (kind(&path), name, path))
        .partition(|(kind, name, _)| *kind != Kind::Foreign && !spared.contains(name));
    ours.sort();
    for (_, _, path) in ours {
        let is_directory = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        let removed = if is_directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
    }
    Ok(foreign.into_iter().map(|(_, name, _)| name.to_string_lossy().into_owned()).collect())
}

fn named((name, path): (OsString, PathBuf)) -> (String, PathBuf) {
    (name.to_string_lossy().into_owned(), path)
}

fn entries(directory: &Path) -> Result<Vec<(OsString, PathBuf)>, String> {
    let list = || -> io::Result<Vec<(OsString, PathBuf)>> {
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| (entry.file_name(), entry.path()))).collect()
    };
    let mut entries = list().map_err(|error| format!("cannot list {}: {error}", directory.display()))?;
    entries.sort();
    Ok(entries)
}

fn kind(path: &Path) -> Kind {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Kind::Foreign };
    let Ok(metadata) = fs::symlink_metadata(path) else { return Kind::Foreign };
    if metadata.is_dir() {
        return match Barcode::new(name) {
            Ok(_) if tape::is_tape(path) => Kind::Tape,
            _ if UNSEEN.iter().any(|prefix| name.starts_with(prefix)) => Kind::Leftover,
            _ => Kind::Foreign,
        };
    }
    match name {
        _ if !metadata.is_file() => Kind::Foreign,
        LOCK_NAME => Kind::Lock,
        _ if slots::file::is_state(name) => Kind::State,
        _ => Kind::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::NewTape;

    fn make(directory: &Path, barcode: &str, worm: bool) -> PathBuf {
        let path = directory.join(barcode);
        tape::create(&path, &NewTape { barcode: barcode.into(), capacity_bytes: 1 << 20, worm }).unwrap();
        path
    }

    #[test]
    fn only_what_is_ours_goes_and_the_rest_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let loader = scratch.path().join("loader");
        fs::create_dir(&loader).unwrap();
        make(&loader, "VLT001L8", false);
        for file in [
            "slots.toml",
            "slots.toml.bak",
            "slots.toml.tmp",
            "slots.toml.damaged",
            "lock",
            "notes",
            "slots.tom",
        ] {
            fs::write(loader.join(file), "").unwrap();
        }
        for directory in [".import-1", ".deleted-2", "EMPTY", "lost+found"] {
            fs::create_dir(loader.join(directory)).unwrap();
        }
        std::os::unix::fs::symlink(scratch.path(), loader.join("LINK")).unwrap();
        check_purgeable(&loader).unwrap();
        assert_eq!(count_tapes(&loader), 1);
        let left = purge(&loader, &BTreeSet::new()).unwrap();
        assert_eq!(left, ["EMPTY", "LINK", "lost+found", "notes", "slots.tom"]);
        assert_eq!(names(&loader).unwrap().len(), 5);
        assert!(scratch.path().exists(), "nobody went through the link");
        assert_eq!(names(&scratch.path().join("nothing")).unwrap().len(), 0);
    }

    #[test]
    fn what_was_there_before_is_spared() {
        let scratch = tempfile::tempdir().unwrap();
        let loader = scratch.path().join("loader");
        fs::create_dir(&loader).unwrap();
        make(&loader, "VLT001L8", false);
        let before = names(&loader).unwrap();
        make(&loader, "VLT002L8", false);
        fs::write(loader.join("lock"), "").unwrap();
        assert_eq!(purge(&loader, &before).unwrap(), ["VLT001L8"]);
        assert_eq!(names(&loader).unwrap(), before);
        assert_eq!(purge(&loader, &BTreeSet::new()).unwrap(), Vec::<String>::new());
        assert_eq!(names(&loader).unwrap().len(), 0);
    }

    #[test]
    fn protected_tapes_and_those_that_may_be_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = make(scratch.path(), "VLT001L8", true);
        check_purgeable(scratch.path()).expect("a blank WORM tape");
        let mut tape = tape::Tape::open(&path).unwrap();
        tape.write_record(b"for ever").unwrap();
        tape.close().unwrap();
        let refused = check_purgeable(scratch.path()).unwrap_err();
        assert!(refused.contains("VLT001L8") && refused.contains("WORM"), "{refused}");
        fs::remove_dir_all(path).unwrap();

        let path = make(scratch.path(), "VLT002L8", false);
        let mut tape = tape::Tape::open(&path).unwrap();
        tape.set_write_protected(true).unwrap();
        tape.close().unwrap();
        let refused = check_purgeable(scratch.path()).unwrap_err();
        assert!(refused.contains("write-protected"), "{refused}");
        fs::write(path.join("data"), "no log").unwrap();
        let refused = check_purgeable(scratch.path()).unwrap_err();
        assert!(refused.contains("by hand") && !refused.contains('\n'), "{refused}");
    }
}
