//! A driver's drive as what a copy writes to and reads from.
//!
//! It retries nothing: what went wrong ends the transfer, which begins anew with all checks.

use super::faults::of_driver;
use crate::copy::fault::{Fault, FaultKind};
use crate::copy::transfer::{Drive, Mounted, Object, Place};
use crate::physical::{self, PhysicalDrive};
use crate::vtl::tape_drive::ReadRecord;

/// The drive with the cartridge that the robot has put into it.
pub(super) struct CopyDrive {
    drive: Box<dyn PhysicalDrive>,
    /// What the robot reads on the cartridge; blank if it cannot.
    barcode: String,
    /// What the configuration says that cartridges hold.
    capacity_bytes: Option<u64>,
    told_capacity_bytes: Option<u64>,
}

impl CopyDrive {
    pub(super) fn new(
        drive: Box<dyn PhysicalDrive>,
        barcode: Option<&str>,
        capacity_bytes: Option<u64>,
    ) -> CopyDrive {
        CopyDrive {
            drive,
            barcode: barcode.unwrap_or_default().to_owned(),
            capacity_bytes,
            told_capacity_bytes: None,
        }
    }

    /// What the cartridge holds, once the drive has told.
    pub(super) fn told_capacity_bytes(&self) -> Option<u64> {
        self.told_capacity_bytes
    }

    /// Rewinds and lets go of the cartridge.
    pub(super) fn unload(mut self) -> Result<(), Fault> {
        self.drive.unload().map_err(|fault| of_driver(&fault))
    }

    fn place(&mut self) -> Result<Option<u64>, Fault> {
        Ok(self.drive.place().map_err(|fault| of_driver(&fault))?.object)
    }
}

/// Robots and cartridges' memories tell barcodes with or without the two letters of the medium.
fn is_same_barcode(robot: &str, memory: &str) -> bool {
    let (short, long) = if robot.len() < memory.len() { (robot, memory) } else { (memory, robot) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.len() == 2)
}

impl Drive for CopyDrive {
    fn look(&mut self) -> Result<Mounted, Fault> {
        let drive = &mut self.drive;
        let mut look = || {
            drive.load()?;
            Ok((drive.cartridge()?, drive.record_limits()?))
        };
        let (cartridge, limits) = look().map_err(|fault| of_driver(&fault))?;
        if cartridge.is_cleaning {
            let reason =
                format!("cartridge {}: is one for cleaning drives; put another one there", self.barcode);
            return Err(Fault::new(FaultKind::WrongCartridge, reason));
        }
        self.told_capacity_bytes = cartridge.capacity_bytes;
        let is_other = |told: &String| !self.barcode.is_empty() && !is_same_barcode(&self.barcode, told);
        Ok(Mounted {
            barcode: cartridge.barcode.map(|told| told.trim().to_owned()).filter(is_other),
            serial: cartridge.serial,
            is_write_protected: cartridge.is_write_protected,
            capacity_bytes: cartridge.capacity_bytes.or(self.capacity_bytes),
            record_bytes_max: limits.maximum_bytes,
        })
    }

    fn rewind(&mut self) -> Result<(), Fault> {
        self.drive.rewind().map_err(|fault| of_driver(&fault))
    }

    fn locate(&mut self, place: Place) -> Result<(), Fault> {
        let Place { block, file, block_in_file } = place;
        let place = physical::Place { object: Some(block), file: Some(file), record: Some(block_in_file) };
        self.drive.locate(&place).map_err(|fault| of_driver(&fault))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Object, Fault> {
        match self.drive.read_record(buffer) {
            Ok(ReadRecord::Record { bytes }) => Ok(Object::Record { bytes }),
            Ok(ReadRecord::Filemark) => Ok(Object::Filemark),
            Ok(ReadRecord::EndOfData) => Ok(Object::EndOfData),
            Err(fault) => Err(of_driver(&fault)),
        }
    }

    fn write(&mut self, record: &[u8]) -> Result<(), Fault> {
        // Early warning is no end: who has checked the room goes on to the medium's own.
        self.drive.write_record(record).map(drop).map_err(|fault| of_driver(&fault))
    }

    fn write_filemark(&mut self) -> Result<(), Fault> {
        self.drive.write_filemarks(1).map(drop).map_err(|fault| of_driver(&fault))
    }

    fn synchronise(&mut self) -> Result<Option<u64>, Fault> {
        self.drive.synchronise().map_err(|fault| of_driver(&fault))?;
        self.place()
    }

    fn count_objects(&mut self) -> Result<Option<u64>, Fault> {
        self.drive.space_to_end_of_data().map_err(|fault| of_driver(&fault))?;
        self.place()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barcodes_are_the_same_with_and_without_the_medium_but_nothing_else() {
        for (robot, memory, is_same) in [
            ("VLT001L8", "VLT001L8", true),
            ("VLT001", "VLT001L8", true),
            ("VLT001L8", "VLT001", true),
            ("VLT001L8", "VLT002L8", false),
            ("VLT", "VLT001L8", false),
            ("VLT001L8", "", false),
        ] {
            assert_eq!(is_same_barcode(robot, memory), is_same, "{robot} {memory}");
        }
    }
}
