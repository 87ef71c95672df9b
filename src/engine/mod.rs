//! The copy engine at work: joins `copy` (what, when and how), `physical` (libraries behind drivers) and the loaders that the
//! server serves.
//!
//! Each library has a thread that minds it (`library`), which looks at what is to be copied (`survey`) and begins a thread for
//! each copy (`job`). `open` is where drivers come in; `facts`, `drive` and `faults` say what a driver says in the words of
//! `copy`; `journal` keeps what is sure. What operators ask for is in `requests`, what they are told in `report`. It must not
//! know NDMP, sessions or how loaders work: of those it knows what [`Tapes`] tells.

mod drive;
mod facts;
mod faults;
mod job;
mod journal;
mod library;
mod open;
mod report;
mod requests;
mod survey;
mod tapes;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::{CopyConfig, LibraryConfig};
use library::{Library, Settings};
pub use tapes::Tapes;

/// All libraries that are served.
pub struct Engine {
    state_dir: PathBuf,
    tapes: Arc<dyn Tapes>,
    served: Mutex<Vec<Served>>,
}

struct Served {
    library: Arc<Library>,
    thread: JoinHandle<()>,
}

impl Engine {
    /// An engine that serves no library yet. What is known of copies is kept below `state_dir`.
    pub fn new(state_dir: &Path, tapes: Arc<dyn Tapes>) -> Engine {
        Engine { state_dir: state_dir.to_owned(), tapes, served: Mutex::default() }
    }

    /// Serves these libraries from now on, and copies to them as `copies` says. Tells what is different now, and what
    /// cannot be changed yet, one line each.
    pub fn configure(&self, libraries: &[LibraryConfig], copies: &[CopyConfig]) -> Changes {
        let mut changes = Changes::default();
        let mut served = self.served();
        let mut before: Vec<Served> = std::mem::take(&mut served);
        let mut stays = Vec::new();
        for config in libraries {
            let settings = settings(config, copies);
            match before.iter().position(|served| served.library.name == config.name) {
                Some(at) => stays.extend(self.change(before.remove(at), settings, &mut changes)),
                None => stays.extend(self.begin(settings, &mut changes)),
            }
        }
        for old in before {
            match old.library.is_busy() {
                true => {
                    changes.deferred.push(busy(&old.library));
                    stays.push(old);
                }
                false => {
                    changes.applied.push(format!("library {}: not served any more", old.library.name));
                    old.library.stop(old.thread);
                }
            }
        }
        *served = stays;
        changes
    }

    fn change(&self, old: Served, settings: Settings, changes: &mut Changes) -> Option<Served> {
        let before = old.library.settings();
        if *before == settings {
            return Some(old);
        }
        let name = settings.library.name.clone();
        if before.library == settings.library {
            changes.applied.push(format!("library {name}: what is copied to it, from now on"));
            old.library.set_settings(settings);
            return Some(old);
        }
        if old.library.is_busy() {
            changes.deferred.push(busy(&old.library));
            return Some(old);
        }
        old.library.stop(old.thread);
        self.begin(settings, changes)
    }

    fn begin(&self, settings: Settings, changes: &mut Changes) -> Option<Served> {
        let name = settings.library.name.clone();
        match Library::start(settings, &self.state_dir, self.tapes.clone()) {
            Ok((library, thread)) => {
                changes.applied.push(format!("library {name}: served"));
                Some(Served { library, thread })
            }
            Err(error) => {
                changes.deferred.push(format!("library {name}: no thread for it: {error}"));
                None
            }
        }
    }

    /// Ends all copies where they are, brings cartridges home, and lets go of the libraries. Takes about a minute at most.
    pub fn stop(&self) {
        let served = std::mem::take(&mut *self.served());
        std::thread::scope(|scope| {
            for Served { library, thread } in served {
                scope.spawn(move || library.stop(thread));
            }
        });
    }

    fn libraries_now(&self) -> Vec<Arc<Library>> {
        self.served().iter().map(|served| served.library.clone()).collect()
    }

    fn library(&self, name: &str) -> Option<Arc<Library>> {
        self.served().iter().map(|served| &served.library).find(|library| library.name == name).cloned()
    }

    fn served(&self) -> MutexGuard<'_, Vec<Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a new configuration.
#[derive(Debug, Default)]
pub struct Changes {
    /// What is different now.
    pub applied: Vec<String>,
    /// What is not in force yet, and what it takes.
    pub deferred: Vec<String>,
}

fn busy(library: &Library) -> String {
    format!(
        "library {}: copies are being made: it stays as it was until they end and the configuration is reloaded",
        library.name
    )
}

fn settings(library: &LibraryConfig, copies: &[CopyConfig]) -> Settings {
    let mut mine: Vec<_> =
        copies.iter().filter(|copy| copy.library == library.name).cloned().map(Arc::new).collect();
    mine.sort_by_key(|copy| copy.priority);
    Settings { library: library.clone(), copies: mine }
}

/// The wall clock, in seconds since 1970.
fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
