//! What an operator has done to loaders and tapes: the requests and what is told of them, and the trait that does them.
//!
//! The running server does them for the control socket; without one the command line does the same work itself, under the
//! loader's lock. Keys are part of the operator's contract, as those of `report`. Plain data; knows neither how it is
//! transported nor how it is printed.

use serde::{Deserialize, Serialize};

use super::report::{LoaderReport, SessionReport, TapeReport};
use super::tools::{AdoptRequest, AdoptResult};
use super::trace::{TraceReport, TraceSpec};

/// Does what an operator asks for. Called on blocking threads: it may wait for a disk or a drive, but must not hang. An
/// error is one line that names the object, the cause and the remedy; nothing is changed then. `None`: there is no such
/// loader.
pub trait Manager: Send + Sync {
    /// Takes a tape into a loader.
    fn adopt(&self, loader: &str, request: &AdoptRequest) -> Option<AdoptResult> {
        let _ = (loader, request);
        Some(Err("not possible here".to_owned()))
    }

    /// Changes the tapes of a loader.
    fn change(&self, loader: &str, change: &LoaderChange) -> Option<Result<ChangeReport, String>> {
        let _ = (loader, change);
        Some(Err("not possible here".to_owned()))
    }

    /// Makes a loader, or takes a directory in that was one, and keeps it in the configuration.
    ///
    /// # Errors
    /// Why not.
    fn create_loader(&self, spec: &LoaderSpec) -> Result<LoaderReport, String> {
        let _ = spec;
        Err("not possible here".to_owned())
    }

    /// Takes a loader out of the configuration.
    fn delete_loader(&self, name: &str, how: &DeleteLoader) -> Option<Result<DeleteReport, String>> {
        let _ = (name, how);
        Some(Err("not possible here".to_owned()))
    }

    /// Ends an NDMP session. Tells of it as it was; `None` if there is no such session.
    fn kill_session(&self, id: u64) -> Option<SessionReport> {
        let _ = id;
        None
    }

    /// The protocol traces that are on, oldest first.
    fn traces(&self) -> Vec<TraceReport> {
        Vec::new()
    }

    /// Begins a protocol trace.
    ///
    /// # Errors
    /// Why not.
    fn begin_trace(&self, spec: &TraceSpec) -> Result<TraceReport, String> {
        let _ = spec;
        Err("not possible here".to_owned())
    }

    /// Ends a protocol trace. Tells of it as it ended; `None` if there is no such trace.
    fn end_trace(&self, id: u64) -> Option<TraceReport> {
        let _ = id;
        None
    }

    /// Reads the configuration anew and applies what can be applied.
    ///
    /// # Errors
    /// When it cannot be used; everything stays as it was.
    fn reload(&self) -> Result<ReloadReport, String> {
        Err("not possible here".to_owned())
    }
}

/// `POST /v1/loaders/{name}/change`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum LoaderChange {
    /// `tape create`
    CreateTapes {
        /// The first one's barcode; `null` for the next of the loader's family.
        barcode: Option<String>,
        /// `null` for the loader's usual.
        capacity_bytes: Option<u64>,
        /// Written once, never overwritten.
        worm: bool,
        /// How many; more than one only without a barcode.
        count: u32,
    },
    /// `tape delete`
    DeleteTape {
        /// Which.
        barcode: String,
        /// Also one that is write-protected, or WORM with data on it.
        force: bool,
    },
    /// `tape erase`
    EraseTape {
        /// Which.
        barcode: String,
    },
    /// `tape protect`
    ProtectTape {
        /// Which.
        barcode: String,
        /// On or off.
        write_protected: bool,
    },
    /// `tape move`
    MoveTape {
        /// Which.
        barcode: String,
        /// An element address (`1003`), a place (`slot 3`, `drive 0`, `mail slot 1`, also as one word), `slot` for any free
        /// one, or `shelf`.
        destination: String,
    },
    /// `tape eject`
    EjectTape {
        /// Which.
        barcode: String,
        /// Out of the robot altogether, also when a mail slot is free.
        to_shelf: bool,
    },
    /// `loader inventory`
    Inventory,
}

/// What became of a [`LoaderChange`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// The loader.
    pub loader: String,
    /// The tapes that were made or changed, as they are now; without deleted ones.
    pub tapes: Vec<TapeReport>,
    /// Barcodes that the loader did not know before.
    pub added: Vec<String>,
    /// Barcodes that it does not know any more.
    pub removed: Vec<String>,
    /// Tapes out of the robot's sight, with the reason.
    pub shelved: Vec<ShelvedReport>,
    /// What the operator should know, one line each.
    pub notices: Vec<String>,
}

/// A tape out of the robot's sight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShelvedReport {
    /// Which.
    pub barcode: String,
    /// Why: damaged, no slot was free, or ejected.
    pub reason: String,
}

/// `POST /v1/loaders`: as in the configuration file; `null` for the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoaderSpec {
    /// Its name.
    pub name: String,
    /// Its directory; `null` for one of its name beside the others.
    pub path: Option<String>,
    /// Storage elements.
    pub slots: Option<u32>,
    /// Drives.
    pub drives: Option<u32>,
    /// Import/export elements.
    pub mail_slots: Option<u32>,
    /// Capacity of a new tape: `1 TB`.
    pub tape_capacity: Option<String>,
    /// What new barcodes begin with.
    pub tape_family: Option<String>,
    /// Who its robot and drives say they are: a built-in personality's name, or a file's path.
    pub personality: Option<String>,
    /// The generation of its drives and new tapes.
    pub drive_generation: Option<u32>,
}

/// `POST /v1/loaders/{name}/delete`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteLoader {
    /// Its tapes, too.
    pub purge: bool,
}

/// What became of a [`DeleteLoader`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteReport {
    /// The loader.
    pub name: String,
    /// Its directory.
    pub path: String,
    /// Whether its tapes are gone, too.
    pub purged: bool,
    /// Tapes that stay in its directory.
    pub tapes: u32,
    /// What a purge left in its directory, because it is not the loader's.
    #[serde(default)]
    pub left: Vec<String>,
}

/// `POST /v1/reload`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// What is different now, one line each.
    pub applied: Vec<String>,
    /// What the file says and is not in force, with what it takes, one line each.
    pub deferred: Vec<String>,
}
