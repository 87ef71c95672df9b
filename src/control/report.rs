//! What the server tells of itself: the types behind `--json`, and the trait that fills them.
//!
//! Keys are snake_case nouns with units and part of the operator's contract: add keys, do not rename or drop any.
//! Absent things are `null`, not left out. Plain data; knows neither how it is transported nor how it is printed.

use serde::{Deserialize, Serialize};

/// Tells what there is. Called on blocking threads: it may take a lock or read a disk, but must not hang.
pub trait Reporter: Send + Sync {
    /// Everything at one moment.
    fn status(&self) -> StatusReport;
    /// All loaders, in the order of the configuration.
    fn loaders(&self) -> Vec<LoaderReport>;
    /// One loader by name, or `None` if there is none of that name.
    fn loader(&self, name: &str) -> Option<LoaderReport>;
    /// A loader's tapes ordered by barcode; `None` if there is no such loader, or why they cannot be listed.
    fn tapes(&self, loader: &str) -> Option<TapesResult>;
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
    /// Bytes that all movers have moved since the start.
    pub moved_bytes: u64,
    /// What an operator should look into.
    pub alerts: Vec<AlertReport>,
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

/// One NDMP control connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Bytes that its mover has moved.
    pub bytes_moved: u64,
    /// Records that its mover has moved.
    pub record_num: u64,
    /// How long it has been connected.
    pub connected_seconds: u64,
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
