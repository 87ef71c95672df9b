//! The slot map on disk: `slots.toml` in the loader's directory, the previous version beside it.
//!
//! A save returns when the new version is on stable storage. Three files go round: the new map is written over the spare
//! `slots.toml.tmp`, which has its room on the disk already, `slots.toml` becomes `slots.toml.bak` and the spare
//! `slots.toml`; the old backup, kept by a second name meanwhile, is the next spare. At every instant at least one of
//! `slots.toml` and `slots.toml.bak` holds a whole map, and a robot goes on moving tapes when nothing is free on the disk.
//! Where files cannot have second names, the spare is made anew each time.
//! A file that cannot be read is never overwritten: it is set aside as `slots.toml.damaged` and the backup is used.
//! Must not know of elements' addresses or of what the directory holds beside these files.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::{debug, warn};
use uuid::Uuid;

use super::{Entry, SlotMap};
use crate::files::{self, open_file};
use crate::vtl::barcode::Barcode;
use crate::vtl::element::Place;

/// The name of the map in the loader's directory.
pub const FILE_NAME: &str = "slots.toml";
const BACKUP_NAME: &str = "slots.toml.bak";
const NEW_NAME: &str = "slots.toml.tmp";
/// The old backup, while it becomes the next spare.
const ASIDE_NAME: &str = "slots.toml.old";
const DAMAGED_NAME: &str = "slots.toml.damaged";

/// The version of the file format that this program writes and reads.
const VERSION: u32 = 1;

/// Longest map that is read, in bytes: far above that of a full robot of 61,440 slots.
const MAXIMUM_BYTES: u64 = 16 << 20;

/// Room kept for what the next map may be longer.
const RESERVE_BYTES: u64 = 8 << 10;

/// Why a map could not be read or kept.
#[derive(Debug, Error)]
pub enum SlotFileError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}; see that the directory is there and writable")]
    Io {
        /// "read", "write" …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither the map nor its backup can be understood.
    #[error(
        "{path} cannot be used ({reason}), nor its backup ({backup_reason}); restore one of them, or move both \
             away to have every tape found anew"
    )]
    Damaged {
        /// `slots.toml`.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What is wrong with the backup.
        backup_reason: String,
    },
    /// The map was written by a later version of this program.
    #[error("{path} has format version {version}, this program knows {VERSION}; use the newer program")]
    Newer {
        /// `slots.toml` or its backup.
        path: PathBuf,
        /// The version found.
        version: u32,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    uuid: Uuid,
    first_tapes_made: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_slot: Option<u16>,
    #[serde(default, rename = "tape")]
    tapes: Vec<TapeLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TapeLine {
    barcode: Barcode,
    place: Place,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Place>,
    #[serde(default, skip_serializing_if = "is_false")]
    by_operator: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    ejected: bool,
}

/// Just enough of a document to tell "newer" from "damaged".
#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Why one of the two files is of no use.
enum Unusable {
    Missing,
    Damaged(String),
    Fatal(SlotFileError),
}

/// What was found under the map's own name.
enum Main {
    Sound,
    Missing,
    Damaged(String),
}

/// Reads the map; `None` when the directory has none yet. Changes nothing on disk.
///
/// # Errors
/// [`SlotFileError`]; a damaged or missing map with a good backup is no error but a warning in the log.
pub fn read(directory: &Path) -> Result<Option<SlotMap>, SlotFileError> {
    Ok(read_either(directory)?.map(|(map, _)| map))
}

/// As [`read`]; when the map came from the backup, makes `slots.toml` anew. A damaged one is set aside first, so that it
/// does not take the good backup's place. To be called by whoever holds the loader's lock.
///
/// # Errors
/// [`SlotFileError`].
pub fn read_and_restore(directory: &Path) -> Result<Option<SlotMap>, SlotFileError> {
    let Some((map, main)) = read_either(directory)? else { return Ok(None) };
    match main {
        Main::Sound => return Ok(Some(map)),
        Main::Missing => {}
        Main::Damaged(reason) => {
            let path = directory.join(FILE_NAME);
            warn!("{} ({reason}) is kept as {DAMAGED_NAME}", path.display());
            fs::rename(&path, directory.join(DAMAGED_NAME)).map_err(io_error("rename", &path))?;
        }
    }
    save(directory, &map)?;
    Ok(Some(map))
}

fn read_either(directory: &Path) -> Result<Option<(SlotMap, Main)>, SlotFileError> {
    let path = directory.join(FILE_NAME);
    let main = match read_one(&path) {
        Ok(map) => return Ok(Some((map, Main::Sound))),
        Err(Unusable::Fatal(error)) => return Err(error),
        Err(Unusable::Missing) => Main::Missing,
        Err(Unusable::Damaged(reason)) => Main::Damaged(reason),
    };
    let reason = match &main {
        Main::Damaged(reason) => reason.clone(),
        _ => "it is missing".to_owned(),
    };
    let backup_reason = match read_one(&directory.join(BACKUP_NAME)) {
        Ok(map) => {
            warn!(
                "{}: {reason}; its backup {BACKUP_NAME} is used, the last move may be undone",
                path.display()
            );
            return Ok(Some((map, main)));
        }
        Err(Unusable::Fatal(error)) => return Err(error),
        Err(Unusable::Missing) if matches!(main, Main::Missing) => return Ok(None),
        Err(Unusable::Missing) => "it is missing".to_owned(),
        Err(Unusable::Damaged(backup_reason)) => backup_reason,
    };
    Err(SlotFileError::Damaged { path, reason, backup_reason })
}

/// The loader's uuid from the head of the map alone, which is quick however many tapes follow. `None` when that cannot be
/// told: then [`read`] says what is the matter.
pub fn peek_uuid(directory: &Path) -> Option<Uuid> {
    let text = read_text(&directory.join(FILE_NAME)).ok()?;
    let head = text.split_once("\n[[tape]]").map_or(text.as_str(), |(head, _)| head);
    let document: Document = toml::from_str(head).ok()?;
    (document.version == VERSION).then_some(document.uuid)
}

/// Whether a loader's map, or a backup of it, is in `directory`, readable or not.
pub fn exists(directory: &Path) -> bool {
    // What cannot be asked is taken to be there: nobody may then make a new one.
    [FILE_NAME, BACKUP_NAME].iter().any(|name| directory.join(name).try_exists().unwrap_or(true))
}

/// Whether a file of this name in a loader's directory is a version of its map.
pub fn is_state(name: &str) -> bool {
    [FILE_NAME, BACKUP_NAME, NEW_NAME, ASIDE_NAME, DAMAGED_NAME].contains(&name)
}

/// Keeps the map: when this returns without an error it survives a power failure.
///
/// # Errors
/// [`SlotFileError::Io`]; what a later [`read`] gives is then this map or the one before.
pub fn save(directory: &Path, map: &SlotMap) -> Result<(), SlotFileError> {
    let (path, new) = (directory.join(FILE_NAME), directory.join(NEW_NAME));
    let text = encode(map).map_err(|reason| SlotFileError::Io {
        action: "encode",
        path: path.clone(),
        source: io::Error::other(reason),
    })?;
    let (backup, aside) = (directory.join(BACKUP_NAME), directory.join(ASIDE_NAME));
    // A crash may have come before the last rename of a save: then this is the spare.
    let _ = if is_file(&new) { files::remove_if_there(&aside) } else { fs::rename(&aside, &new) };
    if write_over(&new, text.as_bytes()).is_err() {
        files::write_anew(&new, text.as_bytes()).map_err(io_error("write", &new))?;
    }
    let is_kept = is_file(&backup) && fs::hard_link(&backup, &aside).is_ok();
    match fs::rename(&path, &backup) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("rename", &path)(error));
        }
        _ => {}
    }
    fs::rename(&new, &path).map_err(io_error("rename", &new))?;
    if is_kept {
        // Without it the next spare is a new file.
        let _ = fs::rename(&aside, &new);
    }
    sync_directory(directory)?;
    reserve(&new, text.len() as u64);
    Ok(())
}

/// Writes `content` durably over the spare file, which keeps the room that it has: what is longer than the content is
/// made empty lines.
fn write_over(spare: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = open_file(OpenOptions::new().write(true), spare)?;
    let metadata = file.metadata()?;
    if metadata.nlink() != 1 {
        return Err(io::Error::other("the file has another name"));
    }
    let length = usize::try_from(metadata.len().min(MAXIMUM_BYTES)).unwrap_or(0);
    let mut padded = content.to_vec();
    padded.resize(content.len().max(length), b'\n');
    file.write_all(&padded)?;
    file.set_len(padded.len() as u64)?;
    file.sync_all()
}

/// Makes sure that a spare file is there, with room for a map of `length` bytes and some more. A disk that has none to
/// give now may have some at the next save.
fn reserve(spare: &Path, length: u64) {
    let wanted = length + RESERVE_BYTES;
    let reserved = open_file(OpenOptions::new().write(true).create(true).truncate(false), spare)
        .and_then(|file| Ok(rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, wanted)?));
    if let Err(error) = reserved {
        debug!("{}: no room is kept for the next slot map: {error}", spare.display());
    }
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Makes the names in a directory durable.
fn sync_directory(directory: &Path) -> Result<(), SlotFileError> {
    files::sync_directory(directory).map_err(io_error("synchronise", directory))
}

fn read_one(path: &Path) -> Result<SlotMap, Unusable> {
    decode(path, &read_text(path)?)
}

fn read_text(path: &Path) -> Result<String, Unusable> {
    let mut text = String::new();
    let read = open_file(OpenOptions::new().read(true), path)
        .and_then(|file| file.take(MAXIMUM_BYTES + 1).read_to_string(&mut text));
    match read {
        Ok(length) if length as u64 > MAXIMUM_BYTES => {
            Err(Unusable::Damaged(format!("it is longer than {MAXIMUM_BYTES} bytes")))
        }
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Unusable::Missing),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Unusable::Damaged(error.to_string())),
        Err(error) => Err(Unusable::Fatal(io_error("read", path)(error))),
    }
}

fn decode(path: &Path, text: &str) -> Result<SlotMap, Unusable> {
    let one_line = |error: toml::de::Error| Unusable::Damaged(error.message().replace('\n', " "));
    // One pass over a sound map; what a newer program wrote may not even parse as ours.
    let document = toml::from_str::<Document>(text);
    let version = match &document {
        Ok(document) => document.version,
        Err(_) => toml::from_str::<VersionOnly>(text).map_err(one_line)?.version,
    };
    if version > VERSION {
        return Err(Unusable::Fatal(SlotFileError::Newer { path: path.to_owned(), version }));
    }
    if version != VERSION {
        return Err(Unusable::Damaged(format!("format version {version} never was")));
    }
    let document = document.map_err(one_line)?;
    let mut tapes = BTreeMap::new();
    for line in document.tapes {
        let TapeLine { place, source, by_operator, ejected, .. } = line;
        let entry = Entry { place, source, by_operator, ejected };
        match tapes.entry(line.barcode) {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(entry);
            }
            std::collections::btree_map::Entry::Occupied(first) => {
                let kept = first.get().place;
                warn!("{}: tape {} is named twice; it stays in {kept}", path.display(), first.key());
            }
        }
    }
    Ok(SlotMap {
        uuid: document.uuid,
        first_tapes_made: document.first_tapes_made,
        last_slot: document.last_slot,
        tapes,
    })
}

fn encode(map: &SlotMap) -> Result<String, toml::ser::Error> {
    let tapes = map.tapes.iter().map(|(barcode, entry)| TapeLine {
        barcode: barcode.clone(),
        place: entry.place,
        source: entry.source,
        by_operator: entry.by_operator,
        ejected: entry.ejected,
    });
    let document = Document {
        version: VERSION,
        uuid: map.uuid,
        first_tapes_made: map.first_tapes_made,
        last_slot: map.last_slot,
        tapes: tapes.collect(),
    };
    let body = toml::to_string(&document)?;
    Ok(format!("# Which tape is in which element. Written by tapesilo; do not edit while it runs.\n{body}"))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SlotFileError {
    let path = path.to_owned();
    move |source| SlotFileError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vtl::generation::Generation;

    fn map(tapes: u16) -> SlotMap {
        let mut map = SlotMap::new(Uuid::from_u128(7));
        for index in 0..tapes {
            let barcode = Barcode::in_family("VLT", index.into(), Generation::Lto8).unwrap();
            map.tapes.insert(barcode, Entry::at(Place::Slot(index)));
        }
        map.tapes.insert(
            Barcode::new("IN").unwrap(),
            Entry { by_operator: true, ..Entry::at(Place::MailSlot(0)) },
        );
        map
    }

    #[test]
    fn what_is_saved_is_read() {
        let directory = tempfile::tempdir().unwrap();
        assert!(read(directory.path()).unwrap().is_none());
        assert_eq!(peek_uuid(directory.path()), None);
        for tapes in [0, 1, 100] {
            save(directory.path(), &map(tapes)).unwrap();
            assert_eq!(read(directory.path()).unwrap().unwrap(), map(tapes));
            assert_eq!(peek_uuid(directory.path()), Some(map(tapes).uuid));
        }
    }

    /// The spare's blocks go round: nothing is allocated for a map that fits, and a longer or shorter one is read right.
    #[test]
    fn the_spare_file_is_written_over_and_never_through_another_name() {
        let directory = tempfile::tempdir().unwrap();
        let spare = directory.path().join(NEW_NAME);
        for tapes in [3, 100, 2, 50, 0] {
            save(directory.path(), &map(tapes)).unwrap();
            assert_eq!(read(directory.path()).unwrap().unwrap(), map(tapes));
        }
        let inodes = |names: [&str; 3]| {
            let mut inodes = names.map(|name| fs::metadata(directory.path().join(name)).unwrap().ino());
            inodes.sort_unstable();
            inodes
        };
        let names = [FILE_NAME, BACKUP_NAME, NEW_NAME];
        let before = inodes(names);
        save(directory.path(), &map(4)).unwrap();
        assert_eq!(inodes(names), before, "the same three files");
        assert!(fs::metadata(&spare).unwrap().blocks() > 0, "with room");
        fs::remove_file(directory.path().join(FILE_NAME)).unwrap();
        assert_eq!(read(directory.path()).unwrap().unwrap(), map(0), "the backup is the map before");
        save(directory.path(), &map(5)).unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        fs::remove_file(&spare).unwrap();
        fs::hard_link(&victim, &spare).unwrap();
        save(directory.path(), &map(6)).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        assert_eq!(read(directory.path()).unwrap().unwrap(), map(6));
    }

    #[test]
    fn a_damaged_or_missing_map_gives_its_backup_and_keeps_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        for damage in ["", "version = 1", "\u{0}\u{0}", "version = 1\nuuid = 5", "version = 0"] {
            save(directory.path(), &map(1)).unwrap();
            save(directory.path(), &map(2)).unwrap();
            fs::write(&path, damage).unwrap();
            assert_eq!(read(directory.path()).unwrap().unwrap(), map(1), "{damage:?}");
            assert_eq!(read_and_restore(directory.path()).unwrap().unwrap(), map(1));
            assert_eq!(fs::read_to_string(directory.path().join(DAMAGED_NAME)).unwrap(), damage);
            fs::remove_file(&path).unwrap();
            assert_eq!(read(directory.path()).unwrap().unwrap(), map(1), "damage is no backup");
            assert_eq!(read_and_restore(directory.path()).unwrap().unwrap(), map(1));
            assert!(path.exists());
        }
    }

    #[test]
    fn without_a_readable_version_nothing_is_invented() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE_NAME), "garbage").unwrap();
        let error = read(directory.path()).unwrap_err().to_string();
        assert!(error.contains("slots.toml") && error.contains("missing"), "{error}");
        fs::write(directory.path().join(BACKUP_NAME), [0xff, 0xfe]).unwrap();
        assert!(matches!(read(directory.path()), Err(SlotFileError::Damaged { .. })));
    }

    #[test]
    fn a_map_that_is_no_file_or_too_long_is_refused_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at(FILE_NAME), fifo, mode, 0).unwrap();
        assert!(matches!(read(directory.path()), Err(SlotFileError::Io { .. })));
        fs::remove_file(at(FILE_NAME)).unwrap();
        fs::write(at("victim"), "mine").unwrap();
        std::os::unix::fs::symlink(at("victim"), at(NEW_NAME)).unwrap();
        save(directory.path(), &map(1)).unwrap();
        assert_eq!(fs::read_to_string(at("victim")).unwrap(), "mine");
        let mut text = fs::read_to_string(at(FILE_NAME)).unwrap();
        text.push_str(&"\n".repeat(usize::try_from(MAXIMUM_BYTES).unwrap()));
        fs::write(at(FILE_NAME), text).unwrap();
        assert!(matches!(read(directory.path()), Err(SlotFileError::Damaged { .. })));
    }

    #[test]
    fn unknown_keys_and_newer_versions_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        save(directory.path(), &map(1)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("first_tapes_made", "colour = 1\nfirst_tapes_made")).unwrap();
        assert!(matches!(read(directory.path()), Err(SlotFileError::Damaged { .. })));
        fs::write(&path, text.replace("version = 1", "version = 2\ncolour = 1")).unwrap();
        assert!(matches!(read(directory.path()), Err(SlotFileError::Newer { version: 2, .. })));
    }

    #[test]
    fn a_barcode_named_twice_is_one_tape() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        save(directory.path(), &map(1)).unwrap();
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("\n[[tape]]\nbarcode = \"VLT000L8\"\nplace = \"slot9\"\n");
        fs::write(&path, text).unwrap();
        assert_eq!(read(directory.path()).unwrap().unwrap(), map(1));
    }
}
