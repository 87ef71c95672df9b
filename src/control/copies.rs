//! What is told of physical libraries and of the copies in them, and what can be asked of the copy engine: the types behind
//! `--json` of `tapesilo library` and `tapesilo copy`, and the trait that the server implements.
//!
//! The same contract as in `report`: keys are snake_case nouns with units, they are added but not renamed or dropped, and
//! absent things are `null`. Plain data; knows no driver, no ledger and no tape.

use serde::{Deserialize, Serialize};

/// A physical library, as far as it is known without asking it anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LibraryReport {
    /// Its name in the configuration.
    pub name: String,
    /// How it is reached: `scsi`, `ndmp` or `directory`.
    pub driver: String,
    /// Where: `192.0.2.20:3260 iqn.…`, a path, `this host`.
    pub address: String,
    /// `connected`, `unreachable`, or `unknown` before it was asked for the first time (or without a server).
    pub state: String,
    /// Who it says it is: vendor, product, revision; `null` before it was reached.
    pub model: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Places for cartridges.
    pub slots: Option<u32>,
    /// Mail slots.
    pub mail_slots: Option<u32>,
    /// Drives.
    pub drives: Option<u32>,
    /// Cartridges that the last inventory saw.
    pub cartridges: Option<u32>,
    /// When that was: seconds since 1970-01-01 UTC.
    pub inventory_unix_seconds: Option<u64>,
    /// Copies that are being made there.
    pub copies_running: u32,
    /// Why it does not work, if it does not: one line.
    pub problem: Option<String>,
}

/// One place of a physical library: `tapesilo library inventory NAME`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LibraryElementReport {
    /// Element address.
    pub element: u16,
    /// `slot`, `mail_slot`, `drive` or `robot`.
    pub kind: String,
    /// Its number among its kind, from 0: as in `slot 3`.
    pub index: u32,
    /// Whether a cartridge is there.
    pub full: bool,
    /// What the robot's reader sees on it.
    pub barcode: Option<String>,
    /// Element address that it came from, if the library knows.
    pub source_element: Option<u16>,
    /// Of a drive: its serial number.
    pub drive_serial: Option<String>,
    /// Of a drive: what has it, `copy vault/VLT001L8@attic` or `session 7`.
    pub in_use_by: Option<String>,
    /// What is wrong there, in one line.
    pub problem: Option<String>,
}

/// What is known of one tape's copy in one library, and what is being done about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CopyJobReport {
    /// `LOADER/BARCODE@LIBRARY`: stable, also over restarts; what `copy show` and `copy cancel` take.
    pub id: String,
    /// The tape's loader.
    pub loader: String,
    /// The tape.
    pub barcode: String,
    /// The library.
    pub library: String,
    /// `never`, `queued`, `copying`, `copied`, `verified`, `released`, `recalling`, `failed`, `stale` or `lost`.
    pub state: String,
    /// What is being done: `checking`, `comparing`, `writing`, `verifying`, `recalling`; `null` if nothing is.
    pub activity: Option<String>,
    /// Why it is made: `by_hand`, `eject`, `unload`, `full`, `time`, `age`, `free_space`.
    pub cause: Option<String>,
    /// The cartridge that has it, or gets it.
    pub cartridge: Option<String>,
    /// The drive's element address, while one is used.
    pub drive_element: Option<u16>,
    /// Records and filemarks done of the activity.
    pub blocks: u64,
    /// Records and filemarks on the tape.
    pub blocks_total: u64,
    /// Bytes of records done of the activity.
    pub bytes: u64,
    /// Bytes of records on the tape, about; `null` if not known.
    pub bytes_total: Option<u64>,
    /// Bytes in a second, over the last seconds; `null` if nothing moves.
    pub bytes_per_second: Option<u64>,
    /// What is left of the activity at this speed.
    pub seconds_left: Option<u64>,
    /// Up to where the cartridge is sure: records and filemarks.
    pub checkpoint_blocks: u64,
    /// Tries that failed since it was asked for.
    pub attempts: u32,
    /// What kind of fault was the last: `medium`, `foreign`, `reset` …
    pub fault: Option<String>,
    /// Why it waits, failed or cannot be, and what to do: one line.
    pub reason: Option<String>,
    /// When it is tried again by itself: seconds since 1970-01-01 UTC.
    pub retry_unix_seconds: Option<u64>,
    /// When the state began: seconds since 1970-01-01 UTC.
    pub since_unix_seconds: Option<u64>,
    /// How it was looked at: `read_back` or `counts`; `null` if it was not.
    pub verified_by: Option<String>,
}

/// What would be done with one tape, and why: `tapesilo copy plan LOADER --to LIBRARY`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CopyPlanReport {
    /// The tape.
    pub barcode: String,
    /// `copy`, `wait` or `skip`.
    pub verdict: String,
    /// What is done: `whole`, `go_on`, `reread`, `verify`; `null` unless it is copied.
    pub work: Option<String>,
    /// The cartridge.
    pub cartridge: Option<String>,
    /// The drive's number in the library.
    pub drive: Option<u16>,
    /// Why it is copied now, or why not, and what would help: one line.
    pub reason: String,
}

/// `tapesilo copy run LOADER [BARCODE…] --to LIBRARY`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CopyRequest {
    /// The loader.
    pub loader: String,
    /// The library.
    pub library: String,
    /// Which tapes; all that the policy selects if empty.
    pub barcodes: Vec<String>,
}

/// How far a recall is, or that it is done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecallReport {
    /// As [`CopyJobReport::id`].
    pub id: String,
    /// `begun`, `running` (it had been asked for before), or `there` (the tape's data is on the disk).
    pub state: String,
}

/// Asks for copies and tells of them. Called on blocking threads, as `Reporter` is. Each error is one line for the operator.
pub trait Copier: Send + Sync {
    /// The libraries of the configuration, in its order. Asks none of them anything.
    fn libraries(&self) -> Vec<LibraryReport> {
        Vec::new()
    }

    /// What is where in a library, asked of it now; `look_again` has its robot look at every place first.
    ///
    /// # Errors
    /// There is no such library, or it does not answer.
    fn library_inventory(
        &self,
        library: &str,
        look_again: bool,
    ) -> Result<Vec<LibraryElementReport>, String> {
        let _ = look_again;
        Err(format!("there is no library {library:?} in the configuration"))
    }

    /// All copies that are known or running, by loader, barcode and library.
    ///
    /// # Errors
    /// What is known of copies cannot be read.
    fn copies(&self) -> Result<Vec<CopyJobReport>, String> {
        Ok(Vec::new())
    }

    /// What would be done now.
    ///
    /// # Errors
    /// There is no such loader, library or `[[copy]]` between them, or the library does not answer.
    fn copy_plan(&self, loader: &str, library: &str) -> Result<Vec<CopyPlanReport>, String> {
        Err(format!(
            "there is no [[copy]] from loader {loader:?} to library {library:?} in the configuration"
        ))
    }

    /// Asks for copies by hand. Returns as soon as that is durable, with what was asked for and what of it waits or cannot be.
    ///
    /// # Errors
    /// As [`Copier::copy_plan`]; there is no such tape.
    fn copy_run(&self, request: &CopyRequest) -> Result<Vec<CopyJobReport>, String> {
        self.copy_plan(&request.loader, &request.library).map(|_| Vec::new())
    }

    /// Takes a copy out of the queue, or stops it; what is sure on the cartridge stays so.
    ///
    /// # Errors
    /// There is no such copy, or nothing to stop.
    fn copy_cancel(&self, id: &str) -> Result<CopyJobReport, String> {
        Err(format!("there is no copy {id:?}; `tapesilo copy list` shows all"))
    }

    /// Brings a released tape's data back to the disk.
    ///
    /// # Errors
    /// There is no such tape, it was not released, or its library is gone.
    fn copy_recall(&self, loader: &str, barcode: &str) -> Result<RecallReport, String> {
        Err(format!("tape {barcode} of loader {loader} has not left the disk"))
    }
}
