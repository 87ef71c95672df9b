//! The tape drive as commands see it: what the SSC command set and the NDMP tape interface both stand on.
//!
//! Must not know of SCSI encodings. A virtual drive implements it; so can a drive of a physical library. The robot's
//! side of a drive is `bay`; the commands are in `scsi::drive`.

use thiserror::Error;

use super::reservations::Reservations;

/// What is in the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// No cartridge.
    Empty,
    /// A cartridge that is not threaded: LOAD brings it to the beginning of the tape.
    Unloaded,
    /// A threaded tape.
    Ready,
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
    /// Seconds since 1970.
    pub created_unix_seconds: u64,
    /// Native capacity in bytes.
    pub capacity_bytes: u64,
    /// Bytes that still fit behind the end of data.
    pub remaining_bytes: u64,
    /// In the cartridge's life.
    pub lifetime: Usage,
    /// Since it was loaded into this drive.
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

/// What initiators have set on a drive. It lasts as long as the drive is powered, whatever cartridges and sessions come
/// and go, as mode parameters and reservations do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveSettings {
    /// Length of the blocks of transfers that count blocks; 0 allows none but single records of any length.
    pub block_bytes: u32,
    /// Whether a write is acknowledged before it is on stable storage.
    pub is_buffered: bool,
    /// The alerts raised, the one of number n as bit n-1.
    pub alerts: u64,
    /// Who may use the drive.
    pub reservations: Reservations,
}

impl Default for DriveSettings {
    fn default() -> Self {
        Self { block_bytes: 0, is_buffered: true, alerts: 0, reservations: Reservations::default() }
    }
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
    /// [`DriveError::Empty`] without a cartridge.
    fn load(&mut self) -> Result<(), DriveError>;

    /// Rewinds and unthreads; the cartridge stays in the drive. A drive already unloaded or empty is left so.
    ///
    /// # Errors
    /// [`DriveError::Prevented`] while removal is prevented.
    fn unload(&mut self) -> Result<(), DriveError>;

    /// PREVENT ALLOW MEDIUM REMOVAL; the implementation ends it with the session that set it.
    fn prevent_removal(&mut self, prevent: bool);
}
