//! Physical libraries and copies: what is told of them, what can be asked for, and the trait that does it.
//!
//! The same contract as in `report`: add keys, do not rename or drop any; what is absent is `null`. Plain data; knows neither
//! drivers nor how copies are made.

use serde::{Deserialize, Serialize};

/// Tells of physical libraries and copies, and begins and ends copies. Called on blocking threads: it may take a lock or
/// read a disk, and waits a bounded time for a library. Errors are one line; `None`: there is no such library or copy.
pub trait Copier: Send + Sync {
    /// The libraries, in the order of the configuration.
    fn libraries(&self) -> Vec<LibraryReport> {
        Vec::new()
    }

    /// What is where in a library, looked at now.
    fn library_inventory(&self, library: &str) -> Option<Result<LibraryInventoryReport, String>> {
        let _ = library;
        None
    }

    /// All that is known of copies: what is done first, then what waits, then the rest.
    fn copies(&self) -> Vec<CopyReport> {
        Vec::new()
    }

    /// One copy.
    fn copy(&self, id: &str) -> Option<CopyReport> {
        let _ = id;
        None
    }

    /// What would be copied from a loader to a library now, and of everything else why not.
    ///
    /// # Errors
    /// Why there is no plan.
    fn plan_copies(&self, loader: &str, library: &str) -> Result<Vec<PlanReport>, String> {
        let _ = (loader, library);
        Err("not possible here".to_owned())
    }

    /// Has tapes copied that an operator names. Does not wait for it.
    ///
    /// # Errors
    /// Why nothing is.
    fn run_copies(&self, spec: &CopySpec) -> Result<Vec<PlanReport>, String> {
        let _ = spec;
        Err("not possible here".to_owned())
    }

    /// Ends a copy that is being made, or has it wait no longer. What is on the cartridge stays, and can be gone on with.
    fn cancel_copy(&self, id: &str) -> Option<Result<CopyReport, String>> {
        let _ = id;
        None
    }
}

/// A physical library.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryReport {
    /// Its name.
    pub name: String,
    /// How it is reached: `scsi`, `ndmp`, `directory`.
    pub driver: String,
    /// `opening`, `ready` or `offline`.
    pub state: String,
    /// Why it is offline, in one line.
    pub problem: Option<String>,
    /// Who made it.
    pub vendor: Option<String>,
    /// What it is called.
    pub product: Option<String>,
    /// The version of its firmware.
    pub revision: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Storage elements.
    pub slots: u32,
    /// Storage elements that hold a cartridge.
    pub slots_full: u32,
    /// Import/export elements.
    pub mail_slots: u32,
    /// Import/export elements that hold a cartridge.
    pub mail_slots_full: u32,
    /// Drives.
    pub drives: u32,
    /// Drives that hold a cartridge.
    pub drives_full: u32,
    /// When its inventory was taken: seconds since 1970-01-01 UTC.
    pub inventory_unix_seconds: Option<u64>,
    /// Copies that are being made.
    pub copies_running: u32,
    /// Copies that wait for their turn, or to be tried again.
    pub copies_waiting: u32,
    /// Copies that wait for an operator.
    pub copies_failed: u32,
    /// What is not copied yet, one for each `[[copy]]`.
    pub uncopied: Vec<UncopiedReport>,
}

/// What of a loader's tapes a library does not have yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UncopiedReport {
    /// The loader.
    pub loader: String,
    /// How many of its tapes have data that is not copied.
    pub tapes: u32,
    /// What is on them.
    pub bytes: u64,
    /// The one that was not written to for the longest time.
    pub oldest_barcode: Option<String>,
    /// When that was: seconds since 1970-01-01 UTC.
    pub oldest_unix_seconds: Option<u64>,
}

/// What is where in a library.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryInventoryReport {
    /// The library.
    pub name: String,
    /// When it was looked at: seconds since 1970-01-01 UTC.
    pub taken_unix_seconds: u64,
    /// Every element, in ascending order of address.
    pub elements: Vec<LibraryElementReport>,
}

/// One place of a library.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryElementReport {
    /// Its address.
    pub element: u16,
    /// What it is, counted from 0: `slot 3`, `drive 0`, `mail slot 1`, `robot 0`.
    pub place: String,
    /// Whether there is a cartridge.
    pub full: bool,
    /// What the reader saw on it.
    pub barcode: Option<String>,
    /// The address that it came from.
    pub source_element: Option<u16>,
    /// Of a drive: its serial number.
    pub drive_serial: Option<String>,
    /// What is wrong here.
    pub problem: Option<String>,
}

/// One copy of a tape: all that is known of one tape in one library.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyReport {
    /// What `copy show` and `copy cancel` call it: the library and the barcode, or the tape's uuid where two tapes of that
    /// barcode are copied to the library.
    pub id: String,
    /// The tape's loader; `null` if no loader has it now.
    pub loader: Option<String>,
    /// The tape.
    pub barcode: String,
    /// Its uuid.
    pub uuid: String,
    /// Where it is copied to.
    pub library: String,
    /// `never`, `queued`, `copying`, `copied`, `verified`, `released`, `failed`, `stale` or `lost`.
    pub state: String,
    /// Whether something is being done, or will be by itself.
    pub pending: bool,
    /// Why it is copied: `by_hand`, `unload`, `full`, `eject`, `time`, `age`, `free_space`; `null` if it is done.
    pub cause: Option<String>,
    /// The cartridge that it is on, or will be.
    pub cartridge: Option<String>,
    /// Records and filemarks that are sure to be on it.
    pub secured_blocks: u64,
    /// Bytes of those records.
    pub secured_bytes: u64,
    /// How it was verified: `read-back` or `counts`.
    pub verification: Option<String>,
    /// Since when it is in this state: seconds since 1970-01-01 UTC; `null` where that is not kept.
    pub since_unix_seconds: Option<u64>,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// When it is tried again by itself.
    pub retry_unix_seconds: Option<u64>,
    /// What went wrong, or why it waits, in one line.
    pub message: Option<String>,
    /// What is done at this moment; `null` if nothing is.
    pub progress: Option<CopyProgress>,
}

/// How far a copy is that is being made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyProgress {
    /// `fetching`, `checking`, `comparing`, `writing`, `verifying` or `returning`.
    pub activity: String,
    /// The library's drive, counted from 0.
    pub drive: u16,
    /// Records and filemarks of the tape that this activity is behind.
    pub blocks: u64,
    /// How many there are.
    pub blocks_total: u64,
    /// Bytes of the records behind it.
    pub record_bytes: u64,
    /// Bytes a second, in this activity; `null` until that can be told.
    pub rate_bytes_per_second: Option<u64>,
    /// How long this activity still takes, about.
    pub left_seconds: Option<u64>,
    /// Since when the copy is being made: seconds since 1970-01-01 UTC.
    pub begun_unix_seconds: u64,
}

/// `POST /v1/copies`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopySpec {
    /// The loader.
    pub loader: String,
    /// Which of its tapes; all that are to be copied at some time if there are none.
    pub barcodes: Vec<String>,
    /// To where.
    pub library: String,
}

/// One tape of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// The tape.
    pub barcode: String,
    /// Its copy.
    pub id: String,
    /// `copy` (now), `wait` (later, by itself) or `skip` (not).
    pub verdict: String,
    /// Why, in one fixed word: `whole`, `go_on`, `already_there`, `no_cartridge`, `in_drive` …
    pub reason: String,
    /// Why, in one line.
    pub why: String,
    /// The cartridge, where it is copied now.
    pub cartridge: Option<String>,
    /// The library's drive, where it is copied now; counted from 0.
    pub drive: Option<u16>,
}
