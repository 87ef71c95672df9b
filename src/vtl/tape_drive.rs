//! The tape drive as commands see it: what the SSC command set and the NDMP tape interface both stand on.
//!
//! Must not know of SCSI encodings. A virtual drive implements it; so can a drive of a physical library. The robot's
//! side of a drive is `bay`; the commands are in `scsi::drive`.

use thiserror::Error;

use super::generation::Generation;
use super::reservations::Reservations;
pub use crate::tape::{AttributeFormat, HOST_ATTRIBUTES_BYTES_MAX, HostAttribute};

/// What is in the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// No cartridge.
    Empty,
    /// A cartridge that is not threaded: LOAD brings it to the beginning of the tape.
    Unloaded,
    /// A threaded tape.
    Ready,
    /// A cleaning cartridge. It cleans when it is put in; there is nothing to read on it.
    Cleaning,
    /// A cartridge of a generation that the drive cannot read.
    Incompatible,
}

/// Where the tape stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Position {
    /// Logical objects (records and filemarks) before this point, as READ POSITION counts.
    pub block: u64,
    /// Filemarks before this point.
    pub file: u64,
    /// At the beginning of the tape.
    pub at_beginning: bool,
    /// At or behind early warning.
    pub past_early_warning: bool,
    /// How many bytes of the tape are left before early warning; 0 behind it.
    pub before_early_warning_bytes: u64,
}

/// What ended a SPACE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceEnd {
    /// Everything asked for was passed.
    Done,
    /// A filemark met while spacing over records: the tape stands behind it (forward) or before it (backward).
    Filemark,
    /// End of data, forward.
    EndOfData,
    /// The beginning of the tape, backward.
    BeginningOfTape,
}

/// How far a SPACE came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spaced {
    /// Records (or filemarks) of the asked kind passed; the filemark that ended a record SPACE does not count.
    pub moved: u64,
    /// Why it ended.
    pub end: SpaceEnd,
}

/// The shortest and longest record in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLimits {
    /// At least 1.
    pub minimum_bytes: u16,
    /// At most 16 MiB-1 (24 bits).
    pub maximum_bytes: u32,
}

/// What stood at the position that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadRecord {
    /// A record of this many bytes, which may be more than the buffer held; the tape stands behind it.
    Record {
        /// Its length on the tape.
        bytes: usize,
    },
    /// A filemark; the tape stands behind it.
    Filemark,
    /// The end of recorded data.
    EndOfData,
}

/// What a cartridge knows about itself, and what was done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CartridgeMemory {
    /// The text on its label.
    pub barcode: String,
    /// Identifies it for ever: up to 32 printable ASCII characters.
    pub serial: String,
    /// Data can be appended, never overwritten.
    pub is_worm: bool,
    /// The drive reads tapes of this generation and cannot write them.
    pub is_read_only_format: bool,
    /// Notes of initiators were there and could not be read.
    pub has_lost_attributes: bool,
    /// Seconds since 1970.
    pub created_unix_seconds: u64,
    /// Native capacity in bytes.
    pub capacity_bytes: u64,
    /// Bytes that still fit behind the end of data.
    pub remaining_bytes: u64,
    /// In the cartridge's life.
    pub lifetime: Usage,
    /// Since it was loaded into this drive, or since [`TapeDrive::reset_counters`].
    pub this_load: Usage,
}

/// What was done with a cartridge, by whatever way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How often it was loaded.
    pub loads: u64,
    /// Payload bytes of records written.
    pub bytes_written: u64,
    /// Payload bytes of records read.
    pub bytes_read: u64,
    /// Records written.
    pub records_written: u64,
    /// Records read.
    pub records_read: u64,
    /// Filemarks written.
    pub filemarks_written: u64,
    /// Reads and motions that met damage.
    pub medium_errors: u64,
}

/// What a drive itself has done since it was started, with whatever cartridges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriveStatistics {
    /// What was done with cartridges; its loads are those of tapes.
    pub usage: Usage,
    /// Loads since [`TapeDrive::reset_counters`].
    pub loads_since_reset: u64,
    /// Cleaning cartridges that have cleaned it.
    pub cleanings: u64,
    /// Writes that failed for good.
    pub write_errors: u64,
    /// For how long it has been running.
    pub powered_seconds: u64,
}

/// The alerts that a drive raises, by their numbers in TapeAlert (SSC-3 annex A).
pub mod alert {
    /// A read, write or motion failed for good.
    pub const HARD_ERROR: u8 = 3;
    /// The tape is damaged.
    pub const MEDIUM: u8 = 4;
    /// A read failed for good.
    pub const READ_FAILURE: u8 = 5;
    /// A write failed for good.
    pub const WRITE_FAILURE: u8 = 6;
    /// A write met a protected tape.
    pub const WRITE_PROTECT: u8 = 9;
    /// UNLOAD while removal is prevented.
    pub const NO_REMOVAL: u8 = 10;
    /// A cleaning cartridge was loaded.
    pub const CLEANING_MEDIUM: u8 = 11;
    /// A cartridge of a format that the drive cannot read was loaded.
    pub const UNSUPPORTED_FORMAT: u8 = 12;
    /// The cartridge's memory cannot be read.
    pub const MEMORY_FAILURE: u8 = 15;
    /// The drive must be cleaned. A virtual one never raises it; cleaning ends it.
    pub const CLEAN_NOW: u8 = 20;
    /// The drive should be cleaned. A virtual one never raises it; cleaning ends it.
    pub const CLEAN_PERIODIC: u8 = 21;
    /// The cleaning cartridge is used up.
    pub const EXPIRED_CLEANING_MEDIUM: u8 = 22;
    /// The cartridge is labelled as a cleaning cartridge and is none.
    pub const INVALID_CLEANING_MEDIUM: u8 = 23;
    /// The drive, or what it stands on, failed.
    pub const HARDWARE: u8 = 30;
    /// A write to a part of a WORM tape that is written.
    pub const WORM_OVERWRITE: u8 = 60;
}

/// What initiators have set on a drive. It lasts as long as the drive is powered, whatever cartridges and sessions come
/// and go, as mode parameters and reservations do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveSettings {
    /// Length of the blocks of transfers that count blocks; 0 allows none but single records of any length.
    pub block_bytes: u32,
    /// Whether a write is acknowledged before it is on stable storage.
    pub is_buffered: bool,
    /// How long before the early warning the programmable one begins, in units of 10^6 bytes; 0 for none.
    pub programmable_warning_megabytes: u16,
    /// Where the programmable early warning was given last: the count of loads, and the logical object behind which.
    pub programmable_warning_given: Option<(u64, u64)>,
    /// The alerts raised, the one of number n as bit n-1.
    pub alerts: u64,
    /// Who may use the drive.
    pub reservations: Reservations,
}

impl Default for DriveSettings {
    fn default() -> Self {
        Self {
            block_bytes: 0,
            is_buffered: true,
            programmable_warning_megabytes: 0,
            programmable_warning_given: None,
            alerts: 0,
            reservations: Reservations::default(),
        }
    }
}

impl DriveSettings {
    /// Raises an alert of [`alert`].
    pub fn raise(&mut self, alert: u8) {
        self.alerts |= bit(alert);
    }

    /// Ends an alert.
    pub fn lower(&mut self, alert: u8) {
        self.alerts &= !bit(alert);
    }
}

fn bit(alert: u8) -> u64 {
    1_u64.checked_shl(u32::from(alert).saturating_sub(1)).unwrap_or(0)
}

/// Why a drive did not do as it was told.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DriveError {
    /// No cartridge in the drive.
    #[error("no tape is in the drive; move one into it")]
    Empty,
    /// The cartridge is not threaded.
    #[error("the tape in the drive is unloaded; load it first")]
    Unloaded,
    /// A cleaning cartridge is in the drive.
    #[error("a cleaning cartridge is in the drive; move it away and a tape in")]
    Cleaning,
    /// The cartridge's generation cannot be read here.
    #[error("the drive cannot read tapes of this generation; use a drive that can")]
    Incompatible,
    /// The cartridge's generation can be read here, not written.
    #[error(
        "the drive can read tapes of this generation, not write them; use a drive that can, or a newer tape"
    )]
    ReadOnlyFormat,
    /// The tape must not be written.
    #[error("the tape is write protected; remove the protection or use another tape")]
    WriteProtected,
    /// LOCATE to a block behind the end of data; the tape stands at the end of data.
    #[error("the block is behind the end of data")]
    EndOfData,
    /// No room is left on the tape.
    #[error("the tape is full; use another one")]
    EndOfMedium,
    /// The file system that holds the tape has no room for it.
    #[error("{reason}")]
    NoSpace {
        /// One line: whose file system, how much is left, what to do.
        reason: String,
    },
    /// UNLOAD while PREVENT MEDIUM REMOVAL holds.
    #[error("the drive's user has forbidden medium removal; allow it or end that session")]
    Prevented,
    /// The tape's data is damaged here.
    #[error("{reason}")]
    Damaged {
        /// One line: what and where.
        reason: String,
    },
    /// The drive could not do it.
    #[error("{reason}")]
    Failed {
        /// One line: what failed and why.
        reason: String,
    },
}

/// A tape drive, owned by whoever calls: the virtual drive's thread. Every call may block until the drive has done it.
pub trait TapeDrive {
    /// The serial number of VPD page 80h and of the robot's device identifiers.
    fn serial(&self) -> String;

    /// The NAA identifier of VPD page 83h.
    fn world_wide_name(&self) -> u64;

    /// What is in the drive.
    fn medium(&self) -> Medium;

    /// Whether the tape in the drive must not be written; false without one.
    fn write_protected(&self) -> bool;

    /// The generation that the barcode of the cartridge in the drive names; none without a cartridge, or where the barcode
    /// names none: then it is of the drive's own.
    fn medium_generation(&self) -> Option<Generation>;

    /// Native capacity of the tape in the drive in bytes; 0 without one.
    fn capacity_bytes(&self) -> u64;

    /// Bytes that still fit behind the end of data; 0 without a tape.
    fn remaining_bytes(&self) -> u64;

    /// Whether the drive compresses what it writes, where that pays. Compressed records it can always read.
    fn compresses(&self) -> bool;

    /// The record lengths the drive takes.
    fn record_limits(&self) -> RecordLimits;

    /// Counts the cartridges that were loaded, by the robot or by LOAD: another number means another tape, or the same
    /// one rewound.
    fn loads(&self) -> u64;

    /// What initiators have set on the drive.
    fn settings(&mut self) -> &mut DriveSettings;

    /// What the threaded cartridge knows about itself.
    ///
    /// # Errors
    /// [`DriveError::Empty`] or [`DriveError::Unloaded`].
    fn cartridge_memory(&mut self) -> Result<CartridgeMemory, DriveError>;

    /// What initiators have noted in the threaded cartridge's memory, in ascending order.
    ///
    /// # Errors
    /// [`DriveError::Empty`] or [`DriveError::Unloaded`].
    fn host_attributes(&mut self) -> Result<Vec<HostAttribute>, DriveError>;

    /// Replaces all of that, durably: at most [`HOST_ATTRIBUTES_BYTES_MAX`], in ascending order.
    ///
    /// # Errors
    /// [`DriveError`]; the old ones stay.
    fn set_host_attributes(&mut self, attributes: Vec<HostAttribute>) -> Result<(), DriveError>;

    /// What the drive has done itself.
    fn statistics(&self) -> DriveStatistics;

    /// Whether removal is prevented.
    fn removal_prevented(&self) -> bool;

    /// Counts anew what is counted since the load.
    fn reset_counters(&mut self);

    /// Where the tape stands.
    ///
    /// # Errors
    /// [`DriveError::Empty`] or [`DriveError::Unloaded`].
    fn position(&mut self) -> Result<Position, DriveError>;

    /// Reads what stands at the position and stands behind it. A record longer than `buffer` is cut, and all of it
    /// checked.
    ///
    /// # Errors
    /// [`DriveError::Damaged`]: the tape then stands behind the damaged record.
    fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadRecord, DriveError>;

    /// Writes one record of a length within [`TapeDrive::record_limits`]; what stood behind the position is gone. Returns
    /// whether the tape now stands in the early warning zone, of which the caller has thereby been told.
    ///
    /// # Errors
    /// [`DriveError`]; nothing was written then.
    fn write_record(&mut self, record: &[u8]) -> Result<bool, DriveError>;

    /// Destroys what stands behind the position, durably.
    ///
    /// # Errors
    /// [`DriveError`].
    fn erase(&mut self) -> Result<(), DriveError>;

    /// Makes `proportion` of 65535 parts of the capacity that the tape was made with available, rounded up to what a tape
    /// can have, and destroys all data on it. The tape then stands at its beginning.
    ///
    /// # Errors
    /// [`DriveError`].
    fn set_capacity(&mut self, proportion: u16) -> Result<(), DriveError>;

    /// Writes `count` filemarks and makes everything before them durable, also for a count of 0.
    ///
    /// # Errors
    /// [`DriveError`]; when it fails in the middle the tape stands behind what was written.
    fn write_filemarks(&mut self, count: u32) -> Result<(), DriveError>;

    /// Spaces over records: forward when positive, backward when negative.
    ///
    /// # Errors
    /// [`DriveError`]; meeting a mark or an end is no error but a [`SpaceEnd`].
    fn space_records(&mut self, count: i64) -> Result<Spaced, DriveError>;

    /// Spaces over filemarks: forward when positive, backward when negative.
    ///
    /// # Errors
    /// As [`TapeDrive::space_records`].
    fn space_filemarks(&mut self, count: i64) -> Result<Spaced, DriveError>;

    /// Spaces to the end of data.
    ///
    /// # Errors
    /// [`DriveError`].
    fn space_to_end_of_data(&mut self) -> Result<(), DriveError>;

    /// Positions before logical object `block`.
    ///
    /// # Errors
    /// [`DriveError::EndOfData`] when the tape has fewer.
    fn locate_block(&mut self, block: u64) -> Result<(), DriveError>;

    /// Positions at the beginning of file `file`, that is behind as many filemarks.
    ///
    /// # Errors
    /// [`DriveError::EndOfData`] when the tape has fewer.
    fn locate_file(&mut self, file: u64) -> Result<(), DriveError>;

    /// Rewinds to the beginning of the tape.
    ///
    /// # Errors
    /// [`DriveError`].
    fn rewind(&mut self) -> Result<(), DriveError>;

    /// Threads the cartridge in the drive at the beginning of the tape; rewinds a threaded one.
    ///
    /// # Errors
    /// [`DriveError::Empty`] without a cartridge, [`DriveError::Cleaning`] and [`DriveError::Incompatible`] with one that
    /// cannot be threaded.
    fn load(&mut self) -> Result<(), DriveError>;

    /// Rewinds and unthreads; the cartridge stays in the drive. A drive already unloaded or empty is left so.
    ///
    /// # Errors
    /// [`DriveError::Prevented`] while removal is prevented.
    fn unload(&mut self) -> Result<(), DriveError>;

    /// PREVENT ALLOW MEDIUM REMOVAL; the implementation ends it with the session that set it.
    fn prevent_removal(&mut self, prevent: bool);
}
