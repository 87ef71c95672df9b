//! The drive's operations as an operating system's tape driver offers them (NDMPv4 3.4; mt(1)'s fsf, bsf, fsr …):
//! variable records, residual counts, the early warning told once, an implicit filemark behind unterminated data.
//!
//! It must not know NDMP's numbers: `ndmp::session::tape` translates. The SSC view is in `unit`.

use super::cartridge::Held;
use super::loan::Loan;
use super::port::{ReadStop, RecordPort, SpaceStop, WriteStop};
use super::unit::{Drive, EarlyWarning, Run};
use crate::space::Level;
use crate::tape::{Lent, RECORD_BYTES_MAX, ReadOutcome, Tape};
use crate::vtl::tape_drive::{DriveError, SpaceEnd, TapeDrive};
use bytes::Bytes;

/// What a tape still takes once the file system has run short: labels, the end of an archive, in no more bytes.
const TRAILER_BYTES: u64 = 8 << 20;

/// Whether motions over records stop in front of a filemark or cross it. NDMP v4 stops; v2 and v3 cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkRule {
    /// The tape stays on the side it came from.
    StopBefore,
    /// The tape stands behind the mark, as SSC has it.
    Cross,
}

/// A motion of the tape; the counts are given apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Over filemarks, to the end-of-tape side of the last one.
    ForwardFiles,
    /// Over filemarks backwards, to the beginning-of-tape side of the last one.
    BackwardFiles,
    /// Over records.
    ForwardRecords,
    /// Over records backwards.
    BackwardRecords,
    /// To the beginning of the tape; a durability point.
    Rewind,
    /// Rewind and unthread; the cartridge stays in the drive. A durability point.
    Unload,
}

/// What a read gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRead {
    /// The record's bytes, at most as many as asked for; the rest of the record is passed over.
    Record(Bytes),
    /// A filemark.
    Filemark,
    /// The end of recorded data.
    EndOfData,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing is loaded.
    #[error("no tape is loaded in the drive: move one into it, or load it")]
    NotReady,
    /// The tape refuses writing.
    #[error("the tape is write protected")]
    WriteProtected,
    /// The early warning: nothing was written. Told once; what comes after is written as long as there is room.
    #[error("the tape has reached its early warning: write what must still go on it, then use another tape")]
    EarlyWarning,
    /// As [`HostError::EarlyWarning`], but the tape has room and its file system has not.
    #[error("{0}")]
    SpaceWarning(String),
    /// The file system has no room for what is to be begun, or for more than the end of what is stopped.
    #[error("{0}")]
    NoSpace(String),
    /// Anything else; the text is for the operator.
    #[error("{0}")]
    Failed(String),
}

/// Why a record was not written.
pub(super) enum Stopped {
    /// The tape's early warning, which is told once.
    Warned,
    /// The same because the file system is short of space.
    SpaceWarned(String),
    /// Anything else.
    Failed(DriveError),
}

impl From<DriveError> for HostError {
    fn from(error: DriveError) -> HostError {
        match error {
            DriveError::Empty | DriveError::Unloaded | DriveError::Cleaning | DriveError::Incompatible => {
                HostError::NotReady
            }
            DriveError::WriteProtected | DriveError::ReadOnlyFormat => HostError::WriteProtected,
            DriveError::NoSpace { reason } => HostError::NoSpace(reason),
            other => HostError::Failed(other.to_string()),
        }
    }
}

impl Drive {
    /// Writes one record of 1 to [`RECORD_BYTES_MAX`] bytes.
    ///
    /// The record that crosses the early warning is written; the next one is refused once with
    /// [`HostError::EarlyWarning`]; later ones are written until no room is left.
    pub fn host_write(&mut self, record: &[u8]) -> Result<(), HostError> {
        match self.write_or_stop(record) {
            Ok(()) => {
                self.publish_position();
                Ok(())
            }
            Err(Stopped::Warned) => Err(HostError::EarlyWarning),
            Err(Stopped::SpaceWarned(reason)) => Err(HostError::SpaceWarning(reason)),
            Err(Stopped::Failed(error)) => Err(error.into()),
        }
    }

    /// Writes one record, or tells a stop, each warning once.
    fn write_or_stop(&mut self, record: &[u8]) -> Result<(), Stopped> {
        if self.early_warning == EarlyWarning::Due {
            return Err(self.warn());
        }
        self.admit(record.len())?;
        self.put(record).map_err(|error| match error {
            // No room although nobody has been warned: one record larger than the zone, or a full file system.
            DriveError::EndOfMedium if self.early_warning == EarlyWarning::Clear => self.warn(),
            DriveError::NoSpace { reason }
                if self.early_warning == EarlyWarning::Clear && self.run == Run::Writing =>
            {
                self.early_warning = EarlyWarning::Told;
                Stopped::SpaceWarned(reason)
            }
            error => Stopped::Failed(error),
        })
    }

    pub(super) fn warn(&mut self) -> Stopped {
        self.early_warning = EarlyWarning::Told;
        if let Held::Ready(cartridge, _) = &self.held
            && !self.is_end_told
        {
            self.is_end_told = true;
            self.keeper.end_of_medium(cartridge.barcode.as_str());
        }
        Stopped::Warned
    }

    /// Whether the file system leaves room for one more record of `bytes`. A host that is writing is warned once, and
    /// may then end its tape properly; one that begins is refused, so that it does not try one tape after the other.
    pub(super) fn admit(&mut self, bytes: usize) -> Result<(), Stopped> {
        if self.keeper.space() != Level::Stop {
            if matches!(self.run, Run::Stopped { .. }) {
                self.run = Run::Writing;
            }
            return Ok(());
        }
        if self.tape().is_ok_and(|tape| tape.is_write_protected()) {
            return Ok(());
        }
        let left_bytes = match self.run {
            Run::Fresh => 0,
            Run::Writing if self.early_warning == EarlyWarning::Clear => {
                self.run = Run::Stopped { left_bytes: TRAILER_BYTES };
                return Err(Stopped::SpaceWarned(self.keeper.shortage()));
            }
            Run::Writing => TRAILER_BYTES,
            Run::Stopped { left_bytes } => left_bytes,
        };
        match left_bytes.checked_sub(bytes as u64) {
            Some(left_bytes) => {
                self.run = Run::Stopped { left_bytes };
                Ok(())
            }
            None => Err(Stopped::Failed(DriveError::NoSpace { reason: self.keeper.shortage() })),
        }
    }

    /// Reads the next record's first `bytes_max` bytes (at most [`RECORD_BYTES_MAX`]).
    pub fn host_read(&mut self, bytes_max: u32, marks: MarkRule) -> Result<HostRead, HostError> {
        let length = usize::try_from(bytes_max).unwrap_or(RECORD_BYTES_MAX).min(RECORD_BYTES_MAX);
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let outcome = self.get(&mut buffer[..length]);
        let read = outcome.map(|outcome| match outcome {
            ReadOutcome::Record { length: on_tape } => {
                HostRead::Record(Bytes::copy_from_slice(&buffer[..on_tape.min(length)]))
            }
            ReadOutcome::Filemark => HostRead::Filemark,
            ReadOutcome::EndOfData => HostRead::EndOfData,
        });
        self.buffer = buffer;
        if read == Ok(HostRead::Filemark) && marks == MarkRule::StopBefore {
            self.space_filemarks(-1)?;
        }
        Ok(read?)
    }

    /// Moves the tape; returns the residual count: how much of `count` could not be done.
    ///
    /// Unterminated data first gets its filemark, except before motions over records
    /// (the reference's conformance test, T-BWR, does not allow BSR to write one).
    pub fn host_motion(&mut self, motion: Motion, count: u32, marks: MarkRule) -> Result<u32, HostError> {
        self.tape().map_err(HostError::from)?;
        match motion {
            Motion::Rewind => {
                self.host_terminate()?;
                self.rewind()?;
                return Ok(0);
            }
            Motion::Unload => {
                self.host_terminate()?;
                self.unload()?;
                return Ok(0);
            }
            _ if count == 0 => return Ok(0),
            Motion::ForwardFiles | Motion::BackwardFiles => self.host_terminate()?,
            Motion::ForwardRecords | Motion::BackwardRecords => {}
        }
        let signed = i64::from(count);
        let spaced = match motion {
            Motion::ForwardFiles => self.space_filemarks(signed)?,
            Motion::BackwardFiles => self.space_filemarks(-signed)?,
            Motion::ForwardRecords => TapeDrive::space_records(self, signed)?,
            _ => TapeDrive::space_records(self, -signed)?,
        };
        if spaced.end == SpaceEnd::Filemark && marks == MarkRule::StopBefore {
            self.space_filemarks(if motion == Motion::ForwardRecords { -1 } else { 1 })?;
        }
        Ok(count.saturating_sub(u32::try_from(spaced.moved).unwrap_or(count)))
    }

    /// Writes `count` filemarks and makes everything durable, also for a count of 0.
    pub fn host_filemarks(&mut self, count: u32) -> Result<(), HostError> {
        Ok(self.write_filemarks(count)?)
    }

    /// Writes the one filemark that unterminated data needs, if the tape stands right behind that data (anywhere
    /// else it would destroy what follows), and makes everything durable.
    pub fn host_terminate(&mut self) -> Result<(), HostError> {
        // Whoever was reading is done: an idle drive holds no megabytes.
        self.buffer = Vec::new();
        let at_end = self.tape().is_ok_and(|tape| tape.is_at_end_of_data());
        let marks = u32::from(self.is_unterminated && at_end);
        match self.write_filemarks(marks) {
            Ok(())
            | Err(
                DriveError::Empty | DriveError::Unloaded | DriveError::Cleaning | DriveError::Incompatible,
            ) => {
                self.is_unterminated = false;
                RecordPort::release_memory(self);
                Ok(())
            }
            // Nothing of this session's to be kept: a protected tape has nothing unwritten.
            Err(DriveError::WriteProtected | DriveError::ReadOnlyFormat) if marks == 0 => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn put(&mut self, record: &[u8]) -> Result<(), DriveError> {
        let tape = self.tape()?;
        let result = tape.write_record(record);
        let in_zone = tape.is_in_early_warning();
        if result.is_err() {
            return self.finish_write(result);
        }
        if self.run == Run::Fresh {
            self.run = Run::Writing;
        }
        self.is_begun = true;
        self.is_unterminated = true;
        self.has_medium_error = false;
        self.early_warning = match (in_zone, self.early_warning) {
            (false, _) => EarlyWarning::Clear,
            (true, EarlyWarning::Clear) => EarlyWarning::Due,
            (true, told) => told,
        };
        Ok(())
    }

    fn get(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        let result = self.tape()?.read_record(buffer);
        self.run = self.run.moved();
        self.finish(result)
    }

    fn is_full_at_end_of_data(&mut self) -> bool {
        self.tape().is_ok_and(|tape| tape.end_of_data_is_in_early_warning())
    }
}

impl RecordPort for Drive {
    type Loan<'a> = Loan<'a>;

    fn lend_room(&mut self, record_bytes: u32, records_max: u64) -> Result<Option<Loan<'_>>, String> {
        if self.early_warning != EarlyWarning::Clear || self.keeper.space() == Level::Stop {
            return Ok(None);
        }
        self.lend_tape(record_bytes, records_max).map_err(|error| error.to_string())
    }

    fn write_record(&mut self, record: &[u8]) -> Result<(), WriteStop> {
        self.write_or_stop(record).map_err(|stop| match stop {
            // The pause tells the DMA, so often as it goes on with the tape: it is not to hear it with its trailer.
            Stopped::Warned | Stopped::Failed(DriveError::EndOfMedium) => WriteStop::EndOfMedium,
            Stopped::SpaceWarned(reason) => WriteStop::SpaceWarning(reason),
            Stopped::Failed(DriveError::NoSpace { reason }) => WriteStop::NoSpace(reason),
            Stopped::Failed(other) => WriteStop::Failed(other.to_string()),
        })
    }

    fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadStop, String> {
        let text = |error: DriveError| error.to_string();
        match self.get(buffer).map_err(text)? {
            ReadOutcome::Record { length } => Ok(ReadStop::Record(length)),
            ReadOutcome::Filemark => {
                self.space_filemarks(-1).map_err(text)?;
                Ok(ReadStop::Filemark)
            }
            ReadOutcome::EndOfData => Ok(ReadStop::EndOfData { medium_full: self.is_full_at_end_of_data() }),
        }
    }

    fn lend_records(&mut self, record_bytes_max: usize, bytes_max: u64) -> usize {
        self.tape().map_or(0, |tape| tape.lend_records(record_bytes_max, bytes_max))
    }

    fn lent_records(&self) -> Lent<'_> {
        self.threaded().map_or(Lent::new(&[], &[]), Tape::lent_records)
    }

    fn pass_lent_records(&mut self, count: usize) {
        if let Ok(tape) = self.tape() {
            tape.pass_lent_records(count);
            // As after a read: it publishes, and cannot fail.
            let _ = self.finish(Ok(()));
        }
    }

    fn space_records(&mut self, count: i64) -> Result<(u64, SpaceStop), String> {
        let text = |error: DriveError| error.to_string();
        let spaced = TapeDrive::space_records(self, count).map_err(text)?;
        let stop = match spaced.end {
            SpaceEnd::Done => SpaceStop::Complete,
            SpaceEnd::BeginningOfTape => SpaceStop::BeginningOfTape,
            SpaceEnd::EndOfData => SpaceStop::EndOfData { medium_full: self.is_full_at_end_of_data() },
            SpaceEnd::Filemark => {
                self.space_filemarks(if count > 0 { -1 } else { 1 }).map_err(text)?;
                SpaceStop::Filemark
            }
        };
        Ok((spaced.moved, stop))
    }

    fn release_memory(&mut self) {
        if let Ok(tape) = self.tape() {
            tape.release_memory();
        }
    }

    fn sync(&mut self) -> Result<(), String> {
        self.write_filemarks(0).map_err(|error| error.to_string())
    }

    fn publish(&mut self) {
        self.publish_position();
    }
}
