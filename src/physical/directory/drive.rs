//! The drive of a library that is a directory: a place whose tape is opened.
//!
//! Each call is passed on to `crate::tape`; errors become faults here. Must not know the other places.

use std::path::PathBuf;

use super::tapes_in;
use crate::physical::drive::{Alerts, Cartridge, DriveState, PhysicalDrive, Place, Room, Spaced};
use crate::physical::fault::{Fault, FaultKind};
use crate::physical::limit::Cancel;
use crate::tape::{self, RECORD_BYTES_MAX, ReadOutcome, Stop, Tape, TapeError};
use crate::vtl::tape_drive::{ReadRecord, RecordLimits, SpaceEnd};

/// A drive.
pub(super) struct DirectoryDrive {
    name: String,
    serial: String,
    directory: PathBuf,
    cancel: Cancel,
    tape: Option<Tape>,
}

impl DirectoryDrive {
    pub(super) fn new(serial: String, directory: PathBuf, cancel: Cancel) -> Self {
        Self { name: format!("drive {serial}"), serial, directory, cancel, tape: None }
    }

    fn fault(&self, kind: FaultKind, action: &str, detail: impl Into<String>) -> Fault {
        Fault::new(kind, &self.name, action, detail)
    }

    fn begin(&self, action: &str) -> Result<(), Fault> {
        if self.cancel.is_raised() { Err(self.fault(FaultKind::Cancelled, action, "")) } else { Ok(()) }
    }

    /// Does something with the loaded tape.
    fn with<T>(
        &mut self,
        action: &str,
        work: impl FnOnce(&mut Tape) -> Result<T, TapeError>,
    ) -> Result<T, Fault> {
        self.begin(action)?;
        let tape =
            self.tape.as_mut().ok_or_else(|| Fault::new(FaultKind::Unloaded, &self.name, action, ""))?;
        work(tape).map_err(|error| fault_of(&self.name, action, &error))
    }

    /// Writes, and tells whether the end is near.
    fn write(
        &mut self,
        action: &str,
        work: impl FnOnce(&mut Tape) -> Result<(), TapeError>,
    ) -> Result<Room, Fault> {
        self.with(action, |tape| {
            work(tape)?;
            Ok(if tape.is_in_early_warning() { Room::EarlyWarning } else { Room::Enough })
        })
    }

    fn cartridge_name(&self, action: &str) -> Result<Option<String>, Fault> {
        let names = tapes_in(&self.directory)
            .map_err(|error| self.fault(FaultKind::Files, action, error.to_string()))?;
        match names.as_slice() {
            [] => Ok(None),
            [name] => Ok(Some(name.clone())),
            _ => Err(self.fault(
                FaultKind::Files,
                action,
                format!("several cartridges are in it: {}", names.join(", ")),
            )),
        }
    }
}

fn fault_of(name: &str, action: &str, error: &TapeError) -> Fault {
    let kind = match error {
        TapeError::WriteProtected { .. } => FaultKind::WriteProtected,
        TapeError::WormOverwrite { .. } => FaultKind::WriteOnce,
        TapeError::EndOfMedium { .. } => FaultKind::EndOfMedium,
        TapeError::Medium { .. } => FaultKind::Medium,
        TapeError::UnknownCodec { .. } | TapeError::UnknownFormat { .. } => FaultKind::WrongMedium,
        TapeError::RecordLength { .. } => FaultKind::IllegalRequest,
        TapeError::Locked { .. } => FaultKind::Reserved,
        // A full disk is none that another cartridge on it would help against.
        _ => FaultKind::Files,
    };
    Fault::new(kind, name, action, error.to_string())
}

fn spaced(spaced: tape::Spaced) -> Spaced {
    let end = match spaced.stop {
        Stop::Complete => SpaceEnd::Done,
        Stop::Filemark => SpaceEnd::Filemark,
        Stop::EndOfData => SpaceEnd::EndOfData,
        Stop::BeginningOfTape => SpaceEnd::BeginningOfTape,
    };
    Spaced { moved: Some(spaced.moved), end }
}

impl PhysicalDrive for DirectoryDrive {
    fn serial(&self) -> &str {
        &self.serial
    }

    fn state(&mut self) -> Result<DriveState, Fault> {
        const ACTION: &str = "look into it";
        self.begin(ACTION)?;
        if self.tape.is_some() {
            return Ok(DriveState::Ready);
        }
        Ok(if self.cartridge_name(ACTION)?.is_some() { DriveState::Unloaded } else { DriveState::Empty })
    }

    fn load(&mut self) -> Result<(), Fault> {
        const ACTION: &str = "load";
        self.begin(ACTION)?;
        if self.tape.is_some() {
            return self.rewind();
        }
        let name = self.cartridge_name(ACTION)?.ok_or_else(|| self.fault(FaultKind::Empty, ACTION, ""))?;
        let opened = Tape::open(&self.directory.join(name));
        self.tape = Some(opened.map_err(|error| fault_of(&self.name, ACTION, &error))?);
        Ok(())
    }

    fn unload(&mut self) -> Result<(), Fault> {
        // Also when the job was called off: it is how a cartridge gets home.
        match self.tape.take() {
            None => Ok(()),
            Some(tape) => tape.close().map_err(|error| fault_of(&self.name, "unload", &error)),
        }
    }

    fn cartridge(&mut self) -> Result<Cartridge, Fault> {
        self.with("look at the cartridge", |tape| {
            Ok(Cartridge {
                is_write_protected: tape.is_write_protected(),
                is_write_once: Some(tape.label().worm),
                is_cleaning: false,
                density: 0,
                capacity_bytes: Some(tape.capacity_bytes()),
                remaining_bytes: Some(tape.remaining_bytes()),
                serial: Some(tape.label().uuid.to_string()),
                barcode: Some(tape.label().barcode.clone()),
            })
        })
    }

    fn record_limits(&mut self) -> Result<RecordLimits, Fault> {
        let maximum_bytes = u32::try_from(RECORD_BYTES_MAX).unwrap_or(u32::MAX);
        Ok(RecordLimits { minimum_bytes: 1, maximum_bytes })
    }

    fn alerts(&mut self) -> Result<Option<Alerts>, Fault> {
        Ok(None)
    }

    fn place(&mut self) -> Result<Place, Fault> {
        self.with("tell the position", |tape| {
            let position = tape.position();
            Ok(Place {
                object: Some(position.block),
                file: Some(position.file),
                record: Some(position.block_in_file),
            })
        })
    }

    fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadRecord, Fault> {
        self.with("read", |tape| {
            Ok(match tape.read_record(buffer)? {
                ReadOutcome::Record { length } => ReadRecord::Record { bytes: length },
                ReadOutcome::Filemark => ReadRecord::Filemark,
                ReadOutcome::EndOfData => ReadRecord::EndOfData,
            })
        })
    }

    fn write_record(&mut self, record: &[u8]) -> Result<Room, Fault> {
        self.write("write", |tape| tape.write_record(record))
    }

    fn write_filemarks(&mut self, count: u32) -> Result<Room, Fault> {
        self.write("write filemarks", |tape| tape.write_filemarks(count))
    }

    fn synchronise(&mut self) -> Result<Room, Fault> {
        self.write("synchronise", Tape::sync)
    }

    fn space_records(&mut self, count: i64) -> Result<Spaced, Fault> {
        self.with("space over records", |tape| tape.space_records(count)).map(spaced)
    }

    fn space_filemarks(&mut self, count: i64) -> Result<Spaced, Fault> {
        self.with("space over filemarks", |tape| tape.space_filemarks(count)).map(spaced)
    }

    fn space_to_end_of_data(&mut self) -> Result<(), Fault> {
        self.with("space to the end of data", Tape::locate_end_of_data)
    }

    fn locate(&mut self, place: &Place) -> Result<(), Fault> {
        const ACTION: &str = "locate";
        let object =
            place.object.ok_or_else(|| self.fault(FaultKind::PositionLost, ACTION, "no object number"))?;
        match self.with(ACTION, |tape| tape.locate_block(object))? {
            Stop::Complete => Ok(()),
            _ => Err(self.fault(FaultKind::EndOfData, ACTION, format!("object {object}"))),
        }
    }

    fn rewind(&mut self) -> Result<(), Fault> {
        self.with("rewind", Tape::rewind)
    }
}
