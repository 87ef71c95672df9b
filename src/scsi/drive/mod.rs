//! The sequential-access device (SSC-3) on a tape drive: one function from a CDB to its outcome.
//!
//! The tape's position is the drive's own, which the NDMP tape interface moves too; nothing of it is kept here. READ and
//! WRITE are not there yet. Never reports a UNIT ATTENTION. Must not know of NDMP. The mode and log pages are in `pages`.

mod pages;
#[cfg(test)]
mod tests;

use super::cdb::{self, Cdb};
use super::identity::{self, DeviceIdentity};
use super::outcome::Outcome;
use super::sense::Sense;
use super::{Nexus, common};
use crate::vtl::tape_drive::{DriveError, Medium, SpaceEnd, Spaced, TapeDrive};

/// Executes a command on a drive. `allocation_bytes` is the most data the caller takes; no command takes data from
/// `_data_out` yet. May block while the tape moves.
#[must_use]
pub fn execute(
    drive: &mut dyn TapeDrive,
    nexus: &mut Nexus,
    cdb: &[u8],
    _data_out: &[u8],
    allocation_bytes: u32,
) -> Outcome {
    Cdb::new(cdb, allocation_bytes).and_then(|cdb| dispatch(drive, nexus, &cdb)).into()
}

/// The drive's INQUIRY identity.
#[must_use]
pub fn identity(drive: &dyn TapeDrive) -> DeviceIdentity {
    DeviceIdentity {
        product: identity::DRIVE,
        serial: drive.serial(),
        world_wide_name: drive.world_wide_name(),
    }
}

fn dispatch(drive: &mut dyn TapeDrive, nexus: &mut Nexus, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    match cdb.opcode() {
        cdb::TEST_UNIT_READY => ready(drive).map(|()| Vec::new()),
        cdb::REQUEST_SENSE => common::request_sense(cdb, ready(drive).err().unwrap_or(Sense::NONE)),
        cdb::INQUIRY => common::inquiry(cdb, &identity(drive)),
        cdb::REPORT_LUNS => common::report_luns(cdb),
        cdb::MODE_SENSE_6 | cdb::MODE_SENSE_10 => pages::mode_sense(drive, cdb),
        cdb::LOG_SENSE => pages::log_sense(cdb),
        cdb::READ_BLOCK_LIMITS => read_block_limits(drive, cdb),
        cdb::READ_POSITION => read_position(drive, cdb),
        cdb::PREVENT_ALLOW => {
            nexus.prevent_removal = common::prevent(cdb)?;
            drive.prevent_removal(nexus.prevent_removal);
            Ok(Vec::new())
        }
        cdb::LOAD_UNLOAD => load_unload(drive, cdb),
        cdb::REWIND => ready(drive).and_then(|()| done(drive.rewind())),
        cdb::SPACE_6 => space(drive, cdb),
        cdb::LOCATE_10 => locate(drive, cdb),
        cdb::WRITE_FILEMARKS_6 => write_filemarks(drive, cdb),
        _ => Err(Sense::INVALID_OPERATION_CODE),
    }
}

fn ready(drive: &mut dyn TapeDrive) -> Result<(), Sense> {
    match drive.medium() {
        Medium::Ready => Ok(()),
        Medium::Unloaded => Err(Sense::LOAD_REQUIRED),
        Medium::Empty => Err(Sense::NO_MEDIUM),
    }
}

/// The outcome of a command without data.
fn done(result: Result<(), DriveError>) -> Result<Vec<u8>, Sense> {
    result.map(|()| Vec::new()).map_err(|error| drive_sense(&error))
}

/// READ BLOCK LIMITS (SSC-3 7.5): any length in bytes between the two limits.
fn read_block_limits(drive: &mut dyn TapeDrive, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    if cdb.bit::<1>(0) {
        return Err(Sense::invalid_bit(1, 0)); // MLOI
    }
    let limits = drive.record_limits();
    let [_, high, middle, low] = limits.maximum_bytes.min(0xff_ffff).to_be_bytes();
    let [minimum_high, minimum_low] = limits.minimum_bytes.to_be_bytes();
    Ok(cdb.cut(vec![0, high, middle, low, minimum_high, minimum_low], u32::MAX))
}

/// READ POSITION (SSC-3 7.7), short form: 20 bytes.
fn read_position(drive: &mut dyn TapeDrive, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    const BEGINNING: u8 = 0x80;
    const END: u8 = 0x40;
    const BUFFER_UNKNOWN: u8 = 0x30;
    const NOT_REPRESENTABLE: u8 = 0x02;
    if cdb.byte::<1>() & 0x1f != 0 {
        return Err(Sense::invalid_bit(1, 4));
    }
    ready(drive)?;
    let position = drive.position().map_err(|error| drive_sense(&error))?;
    let mut data = vec![0; 20];
    data[0] = BUFFER_UNKNOWN;
    data[0] |= if position.at_beginning { BEGINNING } else { 0 };
    data[0] |= if position.past_early_warning { END } else { 0 };
    match u32::try_from(position.block) {
        Ok(block) => {
            data[4..8].copy_from_slice(&block.to_be_bytes());
            data[8..12].copy_from_slice(&block.to_be_bytes());
        }
        Err(_) => data[0] |= NOT_REPRESENTABLE,
    }
    Ok(cdb.cut(data, u32::MAX))
}

/// LOAD UNLOAD (SSC-3 7.3). RETENSION and IMMEDIATE change nothing here: a load takes no time worth waiting apart.
fn load_unload(drive: &mut dyn TapeDrive, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    let (load, end_of_tape, hold) = (cdb.bit::<4>(0), cdb.bit::<4>(2), cdb.bit::<4>(3));
    if hold {
        return Err(Sense::invalid_bit(4, 3));
    }
    if end_of_tape {
        return Err(Sense::invalid_bit(4, 2));
    }
    done(if load { drive.load() } else { drive.unload() })
}

/// SPACE(6) (SSC-3 7.12) over records, over filemarks, or to the end of data.
fn space(drive: &mut dyn TapeDrive, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    // A 24-bit number in two's complement.
    let raw = i64::from(cdb.u24::<2>());
    let count = if raw < 0x80_0000 { raw } else { raw - 0x100_0000 };
    let spaced = match cdb.byte::<1>() & 0x07 {
        0 => ready(drive).map(|()| drive.space_records(count))?,
        1 => ready(drive).map(|()| drive.space_filemarks(count))?,
        3 => return ready(drive).and_then(|()| done(drive.space_to_end_of_data())),
        _ => return Err(Sense::invalid_bit(1, 2)),
    };
    space_result(count, spaced.map_err(|error| drive_sense(&error))?)
}

/// INFORMATION is what was asked for and not passed, as a magnitude in both directions.
fn space_result(count: i64, spaced: Spaced) -> Result<Vec<u8>, Sense> {
    let rest = count.unsigned_abs().saturating_sub(spaced.moved);
    let residual = u32::try_from(rest).unwrap_or(u32::MAX);
    let sense = match spaced.end {
        SpaceEnd::Done => return Ok(Vec::new()),
        SpaceEnd::Filemark => Sense::FILEMARK,
        SpaceEnd::EndOfData => Sense::END_OF_DATA,
        SpaceEnd::BeginningOfTape => Sense::BEGINNING_OF_TAPE,
    };
    Err(sense.with_information(residual))
}

/// LOCATE(10) (SSC-3 7.4) to a logical object of the one partition.
fn locate(drive: &mut dyn TapeDrive, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    if cdb.bit::<1>(2) {
        return Err(Sense::invalid_bit(1, 2)); // BT: device-specific addresses
    }
    if cdb.bit::<1>(1) && cdb.byte::<8>() != 0 {
        return Err(Sense::invalid_byte(8)); // CP: there is one partition
    }
    ready(drive)?;
    done(drive.locate_block(u64::from(cdb.u32::<3>())))
}

/// WRITE FILEMARKS(6) (SSC-3 7.17). A count of 0 makes everything written durable; so does every other.
fn write_filemarks(drive: &mut dyn TapeDrive, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    if cdb.bit::<1>(1) {
        return Err(Sense::invalid_bit(1, 1)); // WSMK: there are no setmarks
    }
    let count = cdb.u24::<2>();
    ready(drive)?;
    done(drive.write_filemarks(count))?;
    match drive.position() {
        Ok(position) if position.past_early_warning && count > 0 => {
            Err(Sense::END_OF_MEDIUM.with_information(0))
        }
        _ => Ok(Vec::new()),
    }
}

fn drive_sense(error: &DriveError) -> Sense {
    match error {
        DriveError::Empty => Sense::NO_MEDIUM,
        DriveError::Unloaded => Sense::LOAD_REQUIRED,
        DriveError::WriteProtected => Sense::WRITE_PROTECTED,
        DriveError::EndOfData => Sense::END_OF_DATA,
        DriveError::EndOfMedium => Sense::VOLUME_OVERFLOW,
        DriveError::NoSpace { .. } => Sense::SPACE_ALLOCATION_FAILED,
        DriveError::Prevented => Sense::REMOVAL_PREVENTED,
        DriveError::Damaged { .. } => Sense::MEDIUM_DAMAGED,
        DriveError::Failed { .. } => Sense::INTERNAL_FAILURE,
    }
}
