//! What the server tells of itself: the types behind `--json`, and the trait that fills them.
//!
//! Keys are snake_case nouns with units and part of the operator's contract: add keys, do not rename or drop any.
//! Absent things are `null`, not left out. Plain data; knows neither how it is transported nor how it is printed.

use serde::{Deserialize, Serialize};

use super::copies::{CopyReport, LibraryReport};
use crate::names::nearest;

/// Tells what there is. Called on blocking threads: it may take a lock or read a disk, but must not hang.
pub trait Reporter: Send + Sync {
    /// Everything at one moment.
    fn status(&self) -> StatusReport;
    /// All loaders, in the order of the configuration.
    fn loaders(&self) -> Vec<LoaderReport>;
    /// All NDMP sessions, oldest first.
    fn sessions(&self) -> Vec<SessionReport> {
        self.status().sessions
    }
    /// One loader by name, or `None` if there is none of that name.
    fn loader(&self, name: &str) -> Option<LoaderReport>;
    /// A loader's tapes ordered by barcode; `None` if there is no such loader, or why they cannot be listed.
    fn tapes(&self, loader: &str) -> Option<TapesResult>;
    /// Everything that is known of one tape; `None` if there is no such loader, or why it cannot be told: also that
    /// there is no such tape.
    fn tape(&self, loader: &str, barcode: &str) -> Option<TapeInfoResult> {
        let tapes = match self.tapes(loader)? {
            Ok(tapes) => tapes,
            Err(why) => return Some(Err(why)),
        };
        let known = tapes.iter().map(|tape| tape.barcode.as_str());
        let missing = no_tape_message(loader, barcode, known);
        let tape = tapes.iter().find(|tape| tape.barcode == barcode).cloned();
        Some(tape.map(|tape| TapeInfoReport::new(loader, tape)).ok_or(missing))
    }
}

/// What the reports call loaders and tapes that are files on disk.
pub const VIRTUAL: &str = "virtual";

/// One tape, or one line that says why nothing can be told.
pub type TapeInfoResult = Result<TapeInfoReport, String>;

/// One line that names the tape that is not there and the one that was meant.
pub(crate) fn no_tape_message<'a>(
    loader: &str,
    barcode: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    let list = format!("`tapesilo tape list {loader}` shows its tapes");
    match nearest(barcode, known) {
        Some(meant) => format!("loader {loader} has no tape {barcode:?}; did you mean {meant}? {list}"),
        None => format!("loader {loader} has no tape {barcode:?}; {list}"),
    }
}

/// A loader's tapes, or one line that says why they cannot be listed.
pub type TapesResult = Result<Vec<TapeReport>, String>;

/// `tapesilo status`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The server's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started: seconds since 1970-01-01 UTC.
    pub started_unix_seconds: u64,
    /// How long it has been running.
    pub uptime_seconds: u64,
    /// Where NDMP connections are accepted: `127.0.0.1:10000`.
    pub listen: Vec<String>,
    /// All loaders.
    pub loaders: Vec<LoaderReport>,
    /// All NDMP sessions, oldest first.
    pub sessions: Vec<SessionReport>,
    /// The physical libraries.
    #[serde(default)]
    pub libraries: Vec<LibraryReport>,
    /// Copies that are being made, wait, or wait for an operator.
    #[serde(default)]
    pub copies: Vec<CopyReport>,
    /// Bytes that all movers have moved since the start.
    pub moved_bytes: u64,
    /// NDMP logins that failed since the start.
    #[serde(default)]
    pub failed_logins: u64,
    /// Addresses from which nobody can log in for now, because too many logins have failed.
    #[serde(default)]
    pub locked_out: Vec<LockoutReport>,
    /// What an operator should look into.
    pub alerts: Vec<AlertReport>,
}

/// An address from which nobody can log in for now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockoutReport {
    /// The address; of IPv6 the first of its network of 64 bits.
    pub address: String,
    /// Logins that failed from there.
    pub failed_logins: u32,
    /// For how long still.
    pub left_seconds: u64,
}

/// `tapesilo loader info NAME`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoaderReport {
    /// The loader's name.
    pub name: String,
    /// Its directory.
    pub path: String,
    /// The robot's NDMP device name.
    pub robot_device: String,
    /// The session that has the robot open.
    pub robot_in_use_by: Option<u64>,
    /// Storage elements.
    pub slots: u32,
    /// Storage elements that hold a tape.
    pub slots_full: u32,
    /// Import/export elements.
    pub mail_slots: u32,
    /// Import/export elements that hold a tape.
    pub mail_slots_full: u32,
    /// The drives, by number.
    pub drives: Vec<DriveReport>,
    /// Tapes in the loader, wherever they are.
    pub tapes: u32,
    /// Sum of the tapes' capacities.
    pub capacity_bytes: u64,
    /// Sum of what is stored on them.
    pub used_bytes: u64,
    /// Free space of the file system that holds the loader; `null` if it cannot be asked.
    pub free_bytes: Option<u64>,
    /// Size of that file system.
    pub total_bytes: Option<u64>,
    /// What that space means for its tapes: `ample`, `low` or `stop`; `null` when no server watches it.
    pub space_level: Option<String>,
    /// Why the loader does not work, if it does not: one line.
    pub problem: Option<String>,
    /// Always `virtual`: its tapes are files.
    #[serde(rename = "type")]
    pub kind: String,
    /// What its serial numbers derive from; `null` before a server has made it.
    pub uuid: Option<String>,
    /// The robot's serial number.
    pub robot_serial: Option<String>,
    /// The robot's element address.
    pub robot_element: u16,
    /// Element address of the first mail slot.
    pub first_mail_slot_element: u16,
    /// Element address of the first drive.
    pub first_drive_element: u16,
    /// Element address of the first slot.
    pub first_slot_element: u16,
    /// Storage elements without a tape.
    pub slots_free: u32,
    /// The slot that a tape was put into or taken out of last, from 0; before the first move the highest full one.
    pub last_used_slot: Option<u32>,
    /// How many tapes are where, and what they are.
    pub tapes_by_state: TapeStates,
    /// Capacity of a new tape.
    pub tape_capacity_bytes: u64,
    /// What new barcodes begin with.
    pub tape_family: String,
    /// What they end with.
    pub media_identifier: String,
    /// The name of its personality: who its robot and drives say they are.
    pub personality: String,
    /// What that says of the robot: vendor, product and revision.
    pub robot_model: String,
    /// And of the drives.
    pub drive_model: String,
    /// How its drives store records from now on: `none`, `zstd` or `lz4`.
    pub compression: String,
    /// Whether a blank tape appears when one is full.
    pub new_tape_at_end_of_medium: bool,
}

/// How many tapes of a loader are where, and what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapeStates {
    /// In slots.
    pub in_slots: u32,
    /// In drives.
    pub in_drives: u32,
    /// In mail slots.
    pub in_mail_slots: u32,
    /// Out of the robot's reach.
    pub on_shelf: u32,
    /// Without data.
    pub blank: u32,
    /// Write-protected.
    pub write_protected: u32,
    /// Written once, never overwritten.
    pub worm: u32,
    /// With a problem.
    pub with_problem: u32,
}

/// One tape drive.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DriveReport {
    /// The NDMP device name.
    pub name: String,
    /// Its other name, if it has one.
    pub alias: Option<String>,
    /// Element address in the changer.
    pub element: u16,
    /// Serial number.
    pub serial: String,
    /// `empty`, `loaded`, `reading`, `writing`, `unloaded` or `failed`.
    pub state: String,
    /// The tape in it.
    pub barcode: Option<String>,
    /// The session that has it open.
    pub in_use_by: Option<u64>,
    /// File number of the position, from 0; `null` without a tape.
    pub file: Option<u64>,
    /// Logical block number of the position, from 0; `null` without a tape.
    pub block: Option<u64>,
}

/// One tape of `tapesilo tape list LOADER`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TapeReport {
    /// The barcode.
    pub barcode: String,
    /// Element address; `null` on the shelf.
    pub element: Option<u16>,
    /// The same in words: `slot 3`, `drive 0`, `mail slot 1`, `shelf`.
    pub place: String,
    /// Capacity.
    pub capacity_bytes: u64,
    /// What is stored on it.
    pub used_bytes: u64,
    /// Tape files (runs of records between filemarks).
    pub files: Option<u64>,
    /// Write protection is on.
    pub write_protected: bool,
    /// Written once, never overwritten.
    pub worm: bool,
    /// Rises with every overwriting.
    pub generation: u64,
    /// How often it was loaded into a drive.
    pub loads: u64,
    /// Last change: seconds since 1970-01-01 UTC.
    pub modified_unix_seconds: Option<u64>,
    /// What is wrong with it, in one line.
    pub problem: Option<String>,
}

/// `tapesilo tape info LOADER BARCODE`: what `tape list` says of it, and everything else that is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TapeInfoReport {
    /// Always `virtual`: it is files.
    #[serde(rename = "type")]
    pub kind: String,
    /// The loader it is in.
    pub loader: String,
    /// As in the list.
    #[serde(flatten)]
    pub tape: TapeReport,
    /// What ties its label to its log.
    pub uuid: Option<String>,
    /// Its directory.
    pub directory: String,
    /// The slot it is in, or goes back to: `slot 3`.
    pub home: Option<String>,
    /// The same as an element address.
    pub home_element: Option<u16>,
    /// What of its capacity is not in use.
    pub free_bytes: u64,
    /// What is in use, in percent of the capacity, with one decimal.
    pub used_percent: f64,
    /// Records on it; `null` if they have not been counted.
    pub records: Option<u64>,
    /// When it was made: seconds since 1970-01-01 UTC.
    pub created_unix_seconds: Option<u64>,
    /// What was done with it; `null` if its label cannot be read.
    pub counters: Option<TapeCounters>,
    /// How the loader's drives store records from now on: `none`, `zstd` or `lz4`.
    pub compression: Option<String>,
    /// Copies elsewhere.
    pub copies: Vec<CopyReport>,
}

impl TapeInfoReport {
    /// What follows from the list's line alone.
    #[must_use]
    pub fn new(loader: &str, tape: TapeReport) -> Self {
        Self {
            kind: VIRTUAL.to_owned(),
            loader: loader.to_owned(),
            free_bytes: tape.capacity_bytes.saturating_sub(tape.used_bytes),
            used_percent: percent(tape.used_bytes, tape.capacity_bytes),
            tape,
            ..Self::default()
        }
    }
}

/// With one decimal; of nothing it is 0.
#[must_use]
pub fn percent(part: u64, whole: u64) -> f64 {
    let tenths = (u128::from(part) * 1000).checked_div(u128::from(whole)).unwrap_or_default();
    u32::try_from(tenths).map_or(f64::INFINITY, f64::from) / 10.0
}

/// What was done with a tape since it was made. Kept when a tape is unloaded: a crash loses what was counted since the
/// load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapeCounters {
    /// Loads into a drive.
    pub loads: u64,
    /// Bytes of records written.
    pub bytes_written: u64,
    /// Bytes of records read.
    pub bytes_read: u64,
    /// Records written.
    pub records_written: u64,
    /// Records read.
    pub records_read: u64,
    /// Filemarks written.
    pub filemarks_written: u64,
    /// Reads and movements that met damage.
    pub medium_errors: u64,
}

/// One NDMP control connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionReport {
    /// The session's number, never used twice by one server.
    pub id: u64,
    /// The other end: `192.0.2.7:41234`.
    pub peer: String,
    /// Who logged in; `null` before the login.
    pub user: Option<String>,
    /// NDMP version, 2 to 4; `null` before it is agreed.
    pub version: Option<u32>,
    /// The device it has open.
    pub device: Option<String>,
    /// `idle`, `listen`, `active`, `paused` or `halted`.
    pub mover_state: String,
    /// How long it has been in that state.
    pub mover_state_seconds: u64,
    /// Why it is paused (`eom`, `eof`, `seek`, `eow`) or has halted (`connect_closed`, `aborted`, `internal_error`,
    /// `connect_error`, `media_error`); `null` in other states.
    pub mover_reason: Option<String>,
    /// `read` (from the data connection: a backup) or `write` (a recovery); `null` when idle.
    pub mover_mode: Option<String>,
    /// The window's first byte in the data stream; `null`: no window is set.
    pub window_offset_bytes: Option<u64>,
    /// The window's length; `null`: it has no end, or is not set.
    pub window_length_bytes: Option<u64>,
    /// The mover's record size; `null`: not set.
    pub record_size_bytes: Option<u64>,
    /// Bytes that its mover has moved.
    pub bytes_moved: u64,
    /// Records that its mover has moved.
    pub record_num: u64,
    /// Bytes a second that it has moved in the last ten seconds; `null`: it is not active, or that cannot be told yet.
    pub rate_bytes_per_second: Option<u64>,
    /// The data connection's other end.
    pub data_peer: Option<String>,
    /// Since when it is connected: seconds since 1970-01-01 UTC.
    pub connected_unix_seconds: u64,
    /// How long it has been connected.
    pub connected_seconds: u64,
    /// For how long no message has come or gone and no byte was moved.
    pub idle_seconds: u64,
}

/// Something that an operator should look into.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertReport {
    /// `warning` or `critical`.
    pub severity: String,
    /// What it is about: `loader vault`, `tape VLT001L8`.
    pub subject: String,
    /// Cause and remedy in one line.
    pub message: String,
}
