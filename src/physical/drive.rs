//! A drive of a physical library as its users see it.
//!
//! This is not `vtl::tape_drive::TapeDrive`, on purpose. That trait is what an emulated drive offers to the commands of
//! an initiator: it always knows its state, its position and its serial number, keeps what initiators have set, and an
//! error of it means that nothing was done. A real drive may fail to answer any question; may not know where its tape
//! stands; tells late (deferred) that what it had acknowledged is lost; loses its position when another host resets it; and
//! a command without an answer may have been executed or not. Whoever writes irreplaceable data to it must see all that, and
//! the sense data, so errors are [`Fault`]s, questions can fail, and what is counted is told apart from what the drive
//! says. To serve such a drive to a DMA, a `TapeDrive` is laid over this, with the losses that the DMA would have anyway.
//!
//! Must not know how a drive is reached.

use super::fault::Fault;
use crate::vtl::tape_drive::{ReadRecord, RecordLimits, SpaceEnd};

/// Where a tape stands, as far as it is known: by the drive, or by counting since a place that was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Logical objects (records and filemarks) before this point.
    pub object: Option<u64>,
    /// Filemarks before this point.
    pub file: Option<u64>,
    /// Records between the last filemark and this point.
    pub record: Option<u64>,
}

impl Place {
    /// The beginning of the tape.
    pub const BEGINNING: Place = Place { object: Some(0), file: Some(0), record: Some(0) };

    /// Nothing is known.
    pub const UNKNOWN: Place = Place { object: None, file: None, record: None };

    /// Behind `count` more records.
    #[must_use]
    pub fn after_records(self, count: u64) -> Place {
        let add = |number: Option<u64>| number.and_then(|number| number.checked_add(count));
        Place { object: add(self.object), record: add(self.record), ..self }
    }

    /// Behind `count` more filemarks, which follow each other.
    #[must_use]
    pub fn after_filemarks(self, count: u64) -> Place {
        let add = |number: Option<u64>| number.and_then(|number| number.checked_add(count));
        let record = if count == 0 { self.record } else { Some(0) };
        Place { object: add(self.object), file: add(self.file), record }
    }

    /// Whether the two contradict each other in what both know.
    #[must_use]
    pub fn contradicts(self, other: Place) -> bool {
        let differ = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a != b);
        differ(self.object, other.object)
            || differ(self.file, other.file)
            || differ(self.record, other.record)
    }

    /// What either knows; where both do, `self`.
    #[must_use]
    pub fn or(self, other: Place) -> Place {
        Place {
            object: self.object.or(other.object),
            file: self.file.or(other.file),
            record: self.record.or(other.record),
        }
    }
}

/// How much room the tape has behind what was just written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The drive said nothing of an end.
    Enough,
    /// All of it was written, and it is at or behind early warning: there is room for little more.
    EarlyWarning,
}

/// How far a SPACE came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spaced {
    /// Records (or filemarks) passed, if the drive says so.
    pub moved: Option<u64>,
    /// Why it ended.
    pub end: SpaceEnd,
}

/// What a cartridge is, as far as drive and cartridge tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cartridge {
    /// It must not be written.
    pub is_write_protected: bool,
    /// It can be written once.
    pub is_write_once: Option<bool>,
    /// It is for cleaning.
    pub is_cleaning: bool,
    /// Its density code; 0 is the drive's default.
    pub density: u8,
    /// Native capacity in bytes, in the drive's own steps (MiB).
    pub capacity_bytes: Option<u64>,
    /// Bytes that still fit behind the end of data, uncompressed, in the drive's own steps (MiB).
    pub remaining_bytes: Option<u64>,
    /// The serial number in its memory, which identifies it for ever.
    pub serial: Option<String>,
    /// The barcode in its memory, if someone wrote it there.
    pub barcode: Option<String>,
}

/// The TapeAlert flags (SSC-3 annex A): flag n as bit n-1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alerts(pub u64);

impl Alerts {
    /// Flag `number`, 1 to 64.
    #[must_use]
    pub fn has(self, number: u32) -> bool {
        number.checked_sub(1).and_then(|bit| self.0.checked_shr(bit)).is_some_and(|bits| bits & 1 != 0)
    }

    /// The drive must be cleaned now.
    #[must_use]
    pub fn clean_now(self) -> bool {
        self.has(20)
    }

    /// The drive wants to be cleaned some time.
    #[must_use]
    pub fn clean_soon(self) -> bool {
        self.has(21)
    }

    /// The cartridge should not be used any more: media (4), read failure (5), write failure (6), end of life (7, 19).
    #[must_use]
    pub fn cartridge_is_bad(self) -> bool {
        [4, 5, 6, 7, 19].into_iter().any(|number| self.has(number))
    }

    /// The drive needs service: hardware A and B, power, interface, predictive failure.
    #[must_use]
    pub fn drive_is_bad(self) -> bool {
        [30, 31, 26, 28, 29, 33, 38].into_iter().any(|number| self.has(number))
    }
}

/// What is in a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveState {
    /// No cartridge.
    Empty,
    /// A cartridge that is not threaded.
    Unloaded,
    /// A cartridge that is being threaded, calibrated, cleaned …
    BecomingReady,
    /// A threaded tape.
    Ready,
}

/// A drive of a physical library. Calls block, each no longer than the driver's time limit for it.
///
/// After [`super::FaultKind::Reset`], `ConnectionLost`, `TimedOut`, `Aborted` or `PositionLost`, and after a deferred fault,
/// nothing is written or read before [`PhysicalDrive::load`], [`PhysicalDrive::rewind`] or [`PhysicalDrive::locate`] has positioned the
/// tape anew: the next call fails as `PositionLost`. No record is ever sent twice.
pub trait PhysicalDrive: Send {
    /// Its serial number, by which it was found.
    fn serial(&self) -> &str;

    /// What is in it. Connects again if the connection was lost.
    ///
    /// # Errors
    /// [`Fault`].
    fn state(&mut self) -> Result<DriveState, Fault>;

    /// Waits for the cartridge that was moved in, threads it if it is not, stands at its beginning, and sets the drive to
    /// records of any length and buffered writing.
    ///
    /// # Errors
    /// [`Fault`]: `Empty`, `NotReady` (not in time), `CleaningCartridge`, `WrongMedium` …
    fn load(&mut self) -> Result<(), Fault>;

    /// Rewinds and unthreads the cartridge, so that the robot can take it.
    ///
    /// # Errors
    /// [`Fault`].
    fn unload(&mut self) -> Result<(), Fault>;

    /// What the loaded cartridge is.
    ///
    /// # Errors
    /// [`Fault`].
    fn cartridge(&mut self) -> Result<Cartridge, Fault>;

    /// The shortest and longest record.
    ///
    /// # Errors
    /// [`Fault`].
    fn record_limits(&mut self) -> Result<RecordLimits, Fault>;

    /// The alerts since they were last asked for; asking clears them. None if the drive has no such log.
    ///
    /// # Errors
    /// [`Fault`].
    fn alerts(&mut self) -> Result<Option<Alerts>, Fault>;

    /// Where the tape stands, by the drive and by counting.
    ///
    /// # Errors
    /// [`super::FaultKind::PositionLost`] if the two differ.
    fn place(&mut self) -> Result<Place, Fault>;

    /// Reads what stands at the position and stands behind it. Of a record longer than `buffer` the length is told, and the
    /// content of `buffer` is undefined.
    ///
    /// # Errors
    /// [`Fault`]. After `Medium` the position may be before or behind the record.
    fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadRecord, Fault>;

    /// Writes one record. It is safe after the next [`PhysicalDrive::synchronise`].
    ///
    /// # Errors
    /// [`Fault`]. After `EndOfMedium`, `WriteProtected` and the like the record is not on the tape; after one that is deferred
    /// neither may be what was written since the last synchronisation.
    fn write_record(&mut self, record: &[u8]) -> Result<Room, Fault>;

    /// Writes `count` filemarks; what was written before is safe then.
    ///
    /// # Errors
    /// As [`PhysicalDrive::write_record`].
    fn write_filemarks(&mut self, count: u32) -> Result<Room, Fault>;

    /// Waits until all that was written is on the tape. Writes nothing.
    ///
    /// # Errors
    /// As [`PhysicalDrive::write_record`].
    fn synchronise(&mut self) -> Result<Room, Fault>;

    /// Spaces over records: forward when positive, backward when negative.
    ///
    /// # Errors
    /// [`Fault`]; a mark or an end is none.
    fn space_records(&mut self, count: i64) -> Result<Spaced, Fault>;

    /// Spaces over filemarks, as [`PhysicalDrive::space_records`].
    ///
    /// # Errors
    /// [`Fault`]; an end is none.
    fn space_filemarks(&mut self, count: i64) -> Result<Spaced, Fault>;

    /// Spaces to the end of data.
    ///
    /// # Errors
    /// [`Fault`].
    fn space_to_end_of_data(&mut self) -> Result<(), Fault>;

    /// Positions at a place that an earlier [`PhysicalDrive::place`] of this tape told: by the object number, where drive
    /// and place know it, else by rewinding and spacing over filemarks and records.
    ///
    /// # Errors
    /// [`super::FaultKind::EndOfData`] if the tape has no such place, `PositionLost` if `place` says too little.
    fn locate(&mut self, place: &Place) -> Result<(), Fault>;

    /// Rewinds to the beginning of the tape.
    ///
    /// # Errors
    /// [`Fault`].
    fn rewind(&mut self) -> Result<(), Fault>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_on_and_compared_in_what_is_known() {
        let place = Place::BEGINNING.after_records(3).after_filemarks(2).after_records(1);
        assert_eq!(place, Place { object: Some(6), file: Some(2), record: Some(1) });
        assert_eq!(place.after_filemarks(0), place);
        assert_eq!(Place::UNKNOWN.after_records(5), Place::UNKNOWN);
        let told = Place { object: Some(6), ..Place::UNKNOWN };
        assert!(!place.contradicts(told) && !told.contradicts(Place::UNKNOWN));
        assert!(place.contradicts(told.after_records(1)));
        assert_eq!(told.or(place), place);
    }

    #[test]
    fn alerts_are_counted_from_1_to_64() {
        assert!(
            Alerts(1).has(1)
                && Alerts(1 << 63).has(64)
                && !Alerts(u64::MAX).has(0)
                && !Alerts(u64::MAX).has(65)
        );
        assert!(Alerts(1 << 19).clean_now() && !Alerts(1 << 19).clean_soon());
        assert!(Alerts(1 << 5).cartridge_is_bad() && Alerts(1 << 30).drive_is_bad());
    }
}
