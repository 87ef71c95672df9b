//! The drive itself: a cartridge or none, threaded or not, and where it stands. Owned by the drive's thread.
//!
//! It implements the SSC view ([`TapeDrive`]) on which `scsi::drive` stands; `cartridge` takes and gives cartridges, `tally` counts, `host` adds the operating-system view
//! for NDMP's tape interface and the mover, on the same object, so that the positions cannot disagree. It must not
//! know sessions, sockets or the robot.

use super::cartridge::Held;
use super::host::Stopped;
use super::keeper::DriveKeeper;
use super::status::{DriveStatus, MediumStatus, StatusCell};
use super::tally::{Tally, usage};
use crate::space::Level;
use crate::tape::{self, Compression, Counters, ReadOutcome, Stop, Tape, TapeError};
use crate::vtl::generation::Generation;
use crate::vtl::tape_drive::{
    CartridgeMemory, DriveError, DriveSettings, DriveStatistics, HostAttribute, Medium, Position, ReadRecord,
    RecordLimits, SpaceEnd, Spaced, TapeDrive,
};
use std::sync::Arc;

/// The early warning as a host sees it: told once, by refusing one record; what it writes after that it writes
/// knowingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EarlyWarning {
    /// Not in the zone.
    Clear,
    /// A record has crossed into the zone: the next one is refused.
    Due,
    /// The host has been told.
    Told,
}

/// What is being written, as far as the space below it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Nothing since the tape was loaded or moved: the next record begins something.
    Fresh,
    /// Records follow one another.
    Writing,
    /// The file system ran short, and the host was told that its tape ends: so many bytes more are taken.
    Stopped { left_bytes: u64 },
}

impl Run {
    /// After a motion; what was stopped stays so, since its end may still have to be written.
    pub(super) fn moved(self) -> Run {
        if self == Run::Writing { Run::Fresh } else { self }
    }
}

/// A virtual drive.
pub struct Drive {
    serial: String,
    world_wide_name: u64,
    pub(super) compression: Compression,
    pub(super) generation: Generation,
    pub(super) held: Held,
    pub(super) early_warning: EarlyWarning,
    pub(super) keeper: Arc<dyn DriveKeeper>,
    pub(super) run: Run,
    /// Something was written since the tape was loaded: its filemarks are taken whatever the space.
    pub(super) is_begun: bool,
    /// The keeper knows that this tape is full.
    pub(super) is_end_told: bool,
    /// Data was written by the host and no filemark after it.
    pub(super) is_unterminated: bool,
    pub(super) removal_prevented: bool,
    pub(super) has_medium_error: bool,
    pub(super) status: StatusCell,
    pub(super) settings: DriveSettings,
    pub(super) loads: u64,
    pub(super) tally: Tally,
    /// Where TAPE_READ puts a record; grows to the largest one asked for.
    pub(super) buffer: Vec<u8>,
}

impl Drive {
    pub(super) fn new(
        serial: String,
        world_wide_name: u64,
        compression: Compression,
        status: StatusCell,
        keeper: Arc<dyn DriveKeeper>,
    ) -> Drive {
        Drive {
            serial,
            world_wide_name,
            compression,
            generation: Generation::default(),
            held: Held::Empty,
            early_warning: EarlyWarning::Clear,
            keeper,
            run: Run::Fresh,
            is_begun: false,
            is_end_told: false,
            is_unterminated: false,
            removal_prevented: false,
            has_medium_error: false,
            status,
            settings: DriveSettings::default(),
            loads: 0,
            tally: Tally::new(),
            buffer: Vec::new(),
        }
    }

    /// How records are stored from the next load on.
    pub(super) fn set_compression(&mut self, compression: Compression) {
        self.compression = compression;
    }

    /// Of which generation the drive is from the next load on.
    pub(super) fn set_generation(&mut self, generation: Generation) {
        self.generation = generation;
    }

    /// Flushes and closes the tape, a session's unterminated data with its filemark; the cartridge stays.
    pub(super) fn shut_down(&mut self) {
        self.removal_prevented = false;
        if let Err(error) = self.host_terminate() {
            tracing::error!(serial = self.serial, %error, "the last data could not be given its filemark");
        }
        if let Err(error) = self.unload() {
            tracing::error!(serial = self.serial, %error, "the tape could not be closed properly");
        }
    }

    /// The threaded tape.
    pub(super) fn tape(&mut self) -> Result<&mut Tape, DriveError> {
        match &mut self.held {
            Held::Empty => Err(DriveError::Empty),
            Held::Unloaded(_) => Err(DriveError::Unloaded),
            Held::Unusable(_, why) => Err(why.error()),
            Held::Ready(_, tape) => Ok(tape),
        }
    }

    /// The threaded tape, to be looked at.
    pub(super) fn threaded(&self) -> Option<&Tape> {
        match &self.held {
            Held::Ready(_, tape) => Some(tape),
            Held::Empty | Held::Unloaded(_) | Held::Unusable(..) => None,
        }
    }

    /// Ends a tape operation: notes damage and the early warning's zone, publishes, and translates the error.
    pub(super) fn finish<T>(&mut self, result: Result<T, TapeError>) -> Result<T, DriveError> {
        let result = result.map_err(|error| self.fault(&error));
        self.has_medium_error = matches!(result, Err(DriveError::Damaged { .. } | DriveError::Failed { .. }));
        let in_zone = self.tape().is_ok_and(|tape| tape.is_in_early_warning());
        // Without room there is nothing to be warned of any more, wherever the zone begins.
        if !in_zone && !matches!(result, Err(DriveError::EndOfMedium | DriveError::NoSpace { .. })) {
            self.early_warning = EarlyWarning::Clear;
        }
        self.publish_position();
        result
    }

    /// As [`Drive::finish`], for what writes.
    pub(super) fn finish_write<T>(&mut self, result: Result<T, TapeError>) -> Result<T, DriveError> {
        let result = self.finish(result);
        self.tally.note_write(&result);
        result
    }

    pub(super) fn fault(&self, error: &TapeError) -> DriveError {
        match error {
            TapeError::WriteProtected { .. } if self.is_read_only_format() => DriveError::ReadOnlyFormat,
            TapeError::WriteProtected { .. } | TapeError::WormOverwrite { .. } => DriveError::WriteProtected,
            TapeError::EndOfMedium { .. } => DriveError::EndOfMedium,
            TapeError::DiskFull { .. } => DriveError::NoSpace { reason: self.keeper.shortage() },
            TapeError::Medium { .. } => DriveError::Damaged { reason: error.to_string() },
            _ => DriveError::Failed { reason: error.to_string() },
        }
    }

    pub(super) fn forget_host_state(&mut self) {
        self.early_warning = EarlyWarning::Clear;
        self.run = Run::Fresh;
        self.is_begun = false;
        self.is_end_told = false;
        self.is_unterminated = false;
        self.has_medium_error = false;
    }

    /// Publishes everything, after a change of cartridge.
    pub(super) fn publish_all(&mut self) {
        let mut status = DriveStatus { has_medium_error: self.has_medium_error, ..DriveStatus::default() };
        match &self.held {
            Held::Empty => {}
            Held::Unloaded(cartridge) => {
                status.medium = MediumStatus::Unloaded;
                status.barcode = Some(cartridge.barcode.to_string());
            }
            Held::Unusable(cartridge, why) => {
                status.medium = why.status();
                status.barcode = Some(cartridge.barcode.to_string());
            }
            Held::Ready(cartridge, tape) => {
                status.medium = MediumStatus::Ready;
                status.barcode = Some(cartridge.barcode.to_string());
                status.is_write_protected = tape.is_write_protected();
                status.position = tape.position();
                status.capacity_bytes = tape.capacity_bytes();
                status.remaining_bytes = tape.remaining_bytes();
            }
        }
        self.status.update(|published| *published = status);
    }

    /// Publishes where the tape stands.
    pub(super) fn publish_position(&mut self) {
        let Held::Ready(_, tape) = &self.held else { return };
        self.status.publish_position(tape, self.has_medium_error);
    }
}

impl TapeDrive for Drive {
    fn serial(&self) -> String {
        self.serial.clone()
    }

    fn world_wide_name(&self) -> u64 {
        self.world_wide_name
    }

    fn medium(&self) -> Medium {
        match self.held {
            Held::Empty => Medium::Empty,
            Held::Unloaded(_) => Medium::Unloaded,
            Held::Unusable(_, why) => why.medium(),
            Held::Ready(..) => Medium::Ready,
        }
    }

    fn write_protected(&self) -> bool {
        matches!(&self.held, Held::Ready(_, tape) if tape.is_write_protected())
    }

    fn medium_generation(&self) -> Option<Generation> {
        self.held.cartridge().and_then(|cartridge| Generation::of_barcode(&cartridge.barcode))
    }

    fn capacity_bytes(&self) -> u64 {
        if let Held::Ready(_, tape) = &self.held { tape.capacity_bytes() } else { 0 }
    }

    fn remaining_bytes(&self) -> u64 {
        if let Held::Ready(_, tape) = &self.held { tape.remaining_bytes() } else { 0 }
    }

    fn compresses(&self) -> bool {
        self.compression != Compression::None
    }

    fn record_limits(&self) -> RecordLimits {
        let maximum_bytes = u32::try_from(tape::RECORD_BYTES_MAX).unwrap_or(u32::MAX);
        RecordLimits { minimum_bytes: 1, maximum_bytes }
    }

    fn loads(&self) -> u64 {
        self.loads
    }

    fn settings(&mut self) -> &mut DriveSettings {
        &mut self.settings
    }

    fn cartridge_memory(&mut self) -> Result<CartridgeMemory, DriveError> {
        let (before, is_read_only_format) = (self.tally.counted_from, self.is_read_only_format());
        let tape = self.tape()?;
        let label = tape.label();
        Ok(CartridgeMemory {
            barcode: label.barcode.clone(),
            serial: label.uuid.simple().to_string(),
            is_worm: label.worm,
            is_read_only_format,
            has_lost_attributes: tape.has_lost_attributes(),
            created_unix_seconds: label.created_unix_s,
            capacity_bytes: tape.capacity_bytes(),
            remaining_bytes: tape.remaining_bytes(),
            lifetime: usage(&label.counters, &Counters::default()),
            this_load: usage(&label.counters, &before),
        })
    }

    fn host_attributes(&mut self) -> Result<Vec<HostAttribute>, DriveError> {
        Ok(self.tape()?.host_attributes().to_vec())
    }

    fn set_host_attributes(&mut self, attributes: Vec<HostAttribute>) -> Result<(), DriveError> {
        let result = self.tape()?.set_host_attributes(attributes);
        result.map_err(|error| self.fault(&error))
    }

    fn statistics(&self) -> DriveStatistics {
        self.tally.statistics(self.threaded().map(Tape::label))
    }

    fn removal_prevented(&self) -> bool {
        self.removal_prevented
    }

    fn reset_counters(&mut self) {
        let counters = self.threaded().map(|tape| tape.label().counters);
        self.tally.reset(counters);
    }

    fn position(&mut self) -> Result<Position, DriveError> {
        let tape = self.tape()?;
        let position = tape.position();
        Ok(Position {
            block: position.block,
            file: position.file,
            at_beginning: position.block == 0,
            past_early_warning: tape.is_in_early_warning(),
            before_early_warning_bytes: tape.bytes_before_early_warning(),
        })
    }

    fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadRecord, DriveError> {
        let result = self.tape()?.read_record(buffer);
        self.run = self.run.moved();
        self.finish(result).map(|outcome| match outcome {
            ReadOutcome::Record { length } => ReadRecord::Record { bytes: length },
            ReadOutcome::Filemark => ReadRecord::Filemark,
            ReadOutcome::EndOfData => ReadRecord::EndOfData,
        })
    }

    /// The filemark behind these records is the initiator's to write: SSC knows no close that could do it. Unterminated
    /// data of the host's view stays that, unless this write destroys it. A file system that runs short is an early
    /// warning like the tape's own.
    fn write_record(&mut self, record: &[u8]) -> Result<bool, DriveError> {
        let was_at_end = self.tape()?.is_at_end_of_data();
        let is_short = match self.admit(record.len()) {
            Ok(()) => false,
            Err(Stopped::Warned | Stopped::SpaceWarned(_)) => true,
            Err(Stopped::Failed(error)) => return Err(error),
        };
        let tape = self.tape()?;
        let result = tape.write_record(record);
        let in_zone = tape.is_in_early_warning();
        if result.is_ok() {
            self.is_unterminated &= was_at_end;
            self.is_begun = true;
            self.run = if self.run == Run::Fresh { Run::Writing } else { self.run };
        }
        self.finish_write(result)?;
        if in_zone {
            // Whoever writes is told by what this returns.
            let _ = self.warn();
        }
        Ok(in_zone || is_short)
    }

    fn erase(&mut self) -> Result<(), DriveError> {
        let tape = self.tape()?;
        let was_at_end = tape.is_at_end_of_data();
        let result = tape.erase();
        self.run = self.run.moved();
        if result.is_ok() {
            self.is_unterminated &= was_at_end;
        }
        self.finish_write(result)
    }

    fn set_capacity(&mut self, proportion: u16) -> Result<(), DriveError> {
        let result = self.tape()?.set_capacity(proportion);
        self.run = Run::Fresh;
        if result.is_ok() {
            self.forget_host_state();
        }
        let result = self.finish_write(result);
        self.publish_all();
        result
    }

    fn write_filemarks(&mut self, count: u32) -> Result<(), DriveError> {
        let is_protected = self.tape()?.is_write_protected();
        if count > 0 && !self.is_begun && !is_protected && self.keeper.space() == Level::Stop {
            return Err(DriveError::NoSpace { reason: self.keeper.shortage() });
        }
        let result = self.tape()?.write_filemarks(count);
        if count > 0 && result.is_ok() {
            self.is_begun = true;
            self.is_unterminated = false;
        }
        self.finish_write(result)
    }

    fn space_records(&mut self, count: i64) -> Result<Spaced, DriveError> {
        let result = self.tape()?.space_records(count);
        self.run = self.run.moved();
        self.finish(result).map(spaced)
    }

    fn space_filemarks(&mut self, count: i64) -> Result<Spaced, DriveError> {
        let result = self.tape()?.space_filemarks(count);
        self.run = self.run.moved();
        self.finish(result).map(spaced)
    }

    fn space_to_end_of_data(&mut self) -> Result<(), DriveError> {
        let result = self.tape()?.locate_end_of_data();
        self.run = self.run.moved();
        self.finish(result).map(drop)
    }

    fn locate_block(&mut self, block: u64) -> Result<(), DriveError> {
        let result = self.tape()?.locate_block(block);
        self.run = self.run.moved();
        match self.finish(result)? {
            Stop::Complete => Ok(()),
            _ => Err(DriveError::EndOfData),
        }
    }

    fn locate_file(&mut self, file: u64) -> Result<(), DriveError> {
        let result = self.tape()?.locate_file(file);
        self.run = self.run.moved();
        match self.finish(result)? {
            Stop::Complete => Ok(()),
            _ => Err(DriveError::EndOfData),
        }
    }

    fn rewind(&mut self) -> Result<(), DriveError> {
        let result = self.tape()?.rewind();
        self.run = Run::Fresh;
        self.finish(result)
    }

    fn load(&mut self) -> Result<(), DriveError> {
        match &self.held {
            Held::Unloaded(cartridge) => {
                let cartridge = cartridge.clone();
                self.thread(cartridge)
            }
            Held::Unusable(_, why) => Err(why.error()),
            Held::Empty | Held::Ready(..) => self.rewind(),
        }
    }

    fn unload(&mut self) -> Result<(), DriveError> {
        if self.removal_prevented {
            return Err(DriveError::Prevented);
        }
        let rewound = match self.tape() {
            Ok(tape) => tape.rewind(),
            Err(_) => return Ok(()),
        };
        // First the durability point, which may fail and then leaves the tape where it is.
        if let Err(error @ TapeError::Failed { .. }) = &rewound {
            // It failed for good before, and whoever was writing has been told: keeping it in the drive saves nothing.
            tracing::error!(serial = self.serial, %error, "unloading a tape that has failed");
        } else {
            self.finish(rewound)?;
        }
        if let Held::Ready(cartridge, tape) = std::mem::replace(&mut self.held, Held::Empty) {
            self.held = Held::Unloaded(cartridge);
            self.tally.unthreaded(tape.label());
            if let Err(error) = tape.close() {
                // Everything recorded was durable before: only the index or the counters can be behind.
                tracing::warn!(%error, "closing a tape");
            }
        }
        self.forget_host_state();
        self.publish_all();
        Ok(())
    }

    fn prevent_removal(&mut self, prevent: bool) {
        self.removal_prevented = prevent;
    }
}

fn spaced(spaced: tape::Spaced) -> Spaced {
    let end = match spaced.stop {
        Stop::Complete => SpaceEnd::Done,
        Stop::Filemark => SpaceEnd::Filemark,
        Stop::EndOfData => SpaceEnd::EndOfData,
        Stop::BeginningOfTape => SpaceEnd::BeginningOfTape,
    };
    Spaced { moved: spaced.moved, end }
}
