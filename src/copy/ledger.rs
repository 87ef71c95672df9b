//! What is known of copies, on disk: one small file a tape and library below `state_dir/copies/LIBRARY/`.
//!
//! Each file has a checksum and a backup beside it. A change writes the new file aside, gives the old one a second name as
//! the backup, and renames: at every instant there is a whole file, and when [`Ledger::keep`] returns the change
//! survives a power failure. What cannot be read is never believed: of a damaged file the backup tells only which
//! cartridges were written (so that they may be written again), and the state becomes *lost*, which means that the
//! cartridge is read before anything is said of it. One exception: a tape whose data has left the disk stays *released*,
//! since its cartridge is where the data is. A file of a newer version is refused, and nothing of that library is done.
//!
//! It must not know tapes, drives or what states mean; that is `state`'s. Files are reached through `Store`, so that
//! tests can cut the power between any two operations.

mod document;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::state::{Entry, Loss, State};
use document::{Document, Unreadable};
pub use store::{Directory, Store};

/// The name of the folder below `state_dir`.
pub const FOLDER: &str = "copies";
/// The longest file that is read: an entry has a few hundred bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
const ENDING: &str = ".toml";
const BACKUP_ENDING: &str = ".toml.bak";
const NEW_ENDING: &str = ".toml.tmp";
const NEW_BACKUP_ENDING: &str = ".toml.bak.tmp";
const DAMAGED_ENDING: &str = ".toml.damaged";
/// The file of what concerns the whole library.
const CLOCK: &str = "clock";

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The operating system refused.
    #[error(
        "cannot {action} {path}: {source}; see that the server's user may write there and that the disk is not full"
    )]
    Io {
        /// "read", "write" …
        action: &'static str,
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A later version of this program wrote it.
    #[error("{path} has format version {version}, this program knows {known}; use the newer program", known = document::VERSION)]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// The state cannot be written down.
    #[error("{path}: cannot be encoded: {reason}")]
    Encode {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A tape as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The tape's barcode when it was last written down; for reports.
    pub barcode: String,
    /// What is known.
    pub entry: Entry,
}

/// What is known of the copies in one library.
#[derive(Debug)]
pub struct Ledger<S> {
    store: S,
    path: PathBuf,
    lines: BTreeMap<Uuid, Line>,
    looked_unix_s: u64,
    /// What was found damaged when it was opened, one line each.
    damages: Vec<String>,
}

impl Ledger<Directory> {
    /// Opens, or begins, the ledger of `library` below `state_dir`. The library's name is one of `config`: safe as a
    /// directory's.
    ///
    /// # Errors
    /// [`LedgerError`]; a damaged file is no error, see [`Ledger::damages`].
    pub fn open(state_dir: &Path, library: &str) -> Result<Ledger<Directory>, LedgerError> {
        let path = state_dir.join(FOLDER).join(library);
        let store = Directory::create(&path).map_err(io_error("make the directory", &path))?;
        Ledger::read(store, path)
    }
}

impl<S: Store> Ledger<S> {
    /// Reads all of it. Names that are none of ours are left alone.
    fn read(store: S, path: PathBuf) -> Result<Ledger<S>, LedgerError> {
        let mut ledger =
            Ledger { store, path, lines: BTreeMap::new(), looked_unix_s: 0, damages: Vec::new() };
        let names = ledger.store.names().map_err(io_error("list", &ledger.path))?;
        let mut tapes: Vec<Uuid> = names
            .iter()
            .filter_map(|name| name.strip_suffix(ENDING).or_else(|| name.strip_suffix(BACKUP_ENDING)))
            .filter_map(|stem| Uuid::try_parse(stem).ok())
            .collect();
        tapes.sort_unstable();
        tapes.dedup();
        for tape in tapes {
            if let Some(line) = ledger.read_tape(tape)? {
                ledger.lines.insert(tape, line);
            }
        }
        // Lost, it costs at most that times which passed while no server ran are not made up for.
        if let Ok(document) = ledger.read_one(&format!("{CLOCK}{ENDING}"))? {
            ledger.looked_unix_s = document.looked_unix_s.unwrap_or(0);
        }
        Ok(ledger)
    }

    /// What is known, by the tapes' identities.
    pub fn lines(&self) -> impl Iterator<Item = (Uuid, &Line)> {
        self.lines.iter().map(|(tape, line)| (*tape, line))
    }

    /// What is known of one tape.
    #[must_use]
    pub fn entry(&self, tape: Uuid) -> Option<&Entry> {
        self.lines.get(&tape).map(|line| &line.entry)
    }

    /// What was found damaged, one line each for the operator.
    #[must_use]
    pub fn damages(&self) -> &[String] {
        &self.damages
    }

    /// When the clock was last looked at for what is due, in seconds since 1970; 0 if that is not known: to begin with now
    /// then, or the times of years would seem to have passed.
    #[must_use]
    pub fn looked_unix_s(&self) -> u64 {
        self.looked_unix_s
    }

    /// Keeps what is known of a tape. When it returns without an error, that survives a power failure.
    ///
    /// # Errors
    /// [`LedgerError`]; what is known then is on disk either as it was or as it should be, and in memory as it was.
    pub fn keep(&mut self, tape: Uuid, line: Line) -> Result<(), LedgerError> {
        if self.lines.get(&tape) == Some(&line) {
            return Ok(());
        }
        self.write(&tape.to_string(), &Document::of_tape(tape, &line))?;
        self.lines.insert(tape, line);
        Ok(())
    }

    /// Keeps when the clock was looked at.
    ///
    /// # Errors
    /// As [`Ledger::keep`].
    pub fn keep_look(&mut self, now_unix_s: u64) -> Result<(), LedgerError> {
        self.write(CLOCK, &Document::of_clock(now_unix_s))?;
        self.looked_unix_s = now_unix_s;
        Ok(())
    }

    /// Forgets a tape that is no more.
    ///
    /// # Errors
    /// As [`Ledger::keep`].
    pub fn forget(&mut self, tape: Uuid) -> Result<(), LedgerError> {
        // The backup first: alone it would be taken for what is left of a damaged file.
        for ending in [BACKUP_ENDING, ENDING] {
            let name = format!("{tape}{ending}");
            self.store.remove(&name).map_err(io_error("remove", &self.path.join(&name)))?;
        }
        self.store.sync().map_err(io_error("synchronise", &self.path))?;
        self.lines.remove(&tape);
        Ok(())
    }

    /// The tape's file, or what its backup is good for.
    fn read_tape(&mut self, tape: Uuid) -> Result<Option<Line>, LedgerError> {
        let name = format!("{tape}{ENDING}");
        let reason = match self.read_line(&name, tape)? {
            Ok(line) => return Ok(Some(line)),
            Err(Unreadable::Missing) => "is missing".to_owned(),
            Err(Unreadable::Damaged(reason)) => format!("is damaged ({reason})"),
        };
        let backup = self.read_line(&format!("{tape}{BACKUP_ENDING}"), tape)?.ok();
        let path = self.path.join(&name);
        self.damages.push(format!(
            "{}: {reason}; tape {}: its cartridge is read before it is called copied",
            path.display(),
            backup.as_ref().map_or("unknown", |line| line.barcode.as_str()),
        ));
        let (barcode, state, own) = match backup {
            Some(Line { barcode, entry }) => {
                let own = entry.own().to_vec();
                let state = match entry.state() {
                    released @ State::Released { .. } => released.clone(),
                    _ => State::Lost { loss: Loss::LedgerDamaged, written: entry.written().cloned() },
                };
                (barcode, state, own)
            }
            None => (String::new(), State::Lost { loss: Loss::LedgerDamaged, written: None }, Vec::new()),
        };
        Ok(Some(Line { barcode, entry: Entry::restore(state, own) }))
    }

    fn read_line(&self, name: &str, tape: Uuid) -> Result<Result<Line, Unreadable>, LedgerError> {
        Ok(self.read_one(name)?.and_then(|document| document.into_line(tape)))
    }

    /// The outer error is what stops everything, the inner one what one file is not good for.
    fn read_one(&self, name: &str) -> Result<Result<Document, Unreadable>, LedgerError> {
        let path = self.path.join(name);
        let text = match self.store.read(name, FILE_BYTES_MAX) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(Unreadable::Missing)),
            Err(error) if store::is_damage(&error) => {
                return Ok(Err(Unreadable::Damaged(error.to_string())));
            }
            Err(source) => return Err(LedgerError::Io { action: "read", path, source }),
        };
        match document::decode(&text) {
            Ok(document) => Ok(Ok(document)),
            Err(document::DecodeError::Newer(version)) => Err(LedgerError::Newer { path, version }),
            Err(document::DecodeError::Damaged(reason)) => Ok(Err(Unreadable::Damaged(reason))),
        }
    }

    fn write(&mut self, stem: &str, document: &Document) -> Result<(), LedgerError> {
        let name = |ending: &str| format!("{stem}{ending}");
        let path = self.path.join(name(ENDING));
        let text = document::encode(document)
            .map_err(|reason| LedgerError::Encode { path: path.clone(), reason })?;
        let is_sound = match self.read_one(&name(ENDING))? {
            Ok(_) => true,
            Err(Unreadable::Missing) => false,
            Err(Unreadable::Damaged(_)) => {
                // Kept for whoever wants to look; it must not become the backup.
                self.store.rename(&name(ENDING), &name(DAMAGED_ENDING)).map_err(io_error("rename", &path))?;
                false
            }
        };
        let store = &mut self.store;
        store.write(&name(NEW_ENDING), &text).map_err(io_error("write", &path))?;
        if is_sound {
            store
                .second_name(&name(ENDING), &name(NEW_BACKUP_ENDING))
                .and_then(|()| store.rename(&name(NEW_BACKUP_ENDING), &name(BACKUP_ENDING)))
                .map_err(io_error("keep a backup of", &path))?;
        }
        store.rename(&name(NEW_ENDING), &name(ENDING)).map_err(io_error("rename", &path))?;
        store.sync().map_err(io_error("synchronise", &self.path))
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError + use<> {
    let path = path.to_owned();
    move |source| LedgerError::Io { action, path, source }
}

#[cfg(test)]
mod tests;
