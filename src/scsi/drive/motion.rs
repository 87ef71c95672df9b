//! Where the tape stands and how it gets elsewhere: SPACE, LOCATE, REWIND, LOAD UNLOAD, READ POSITION, READ BLOCK LIMITS.
//!
//! Must not know how places on a tape are found.

use super::{Handled, Request, done, fault, ready, warning};
use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::{DriveError, SpaceEnd, Spaced, TapeDrive};

/// What LOCATE(16) and SPACE go to.
const BY_OBJECT: u8 = 0;
const BY_FILE: u8 = 1;
const TO_END_OF_DATA: u8 = 3;

fn moved(drive: &mut dyn TapeDrive, result: Result<(), DriveError>) -> Handled {
    result.map_err(|error| fault::sense(drive, &error))?;
    done()
}

/// REWIND (SSC-3 7.11).
pub(super) fn rewind(request: &mut Request<'_>) -> Handled {
    ready(request.drive)?;
    let rewound = request.drive.rewind();
    moved(request.drive, rewound)
}

/// LOAD UNLOAD (SSC-3 7.3). Also who loads a tape itself is told that there is another one: Linux's driver does not know its
/// position until then. RETENSION and IMMEDIATE change nothing here: a load takes no time worth waiting apart.
pub(super) fn load_unload(request: &mut Request<'_>) -> Handled {
    let cdb = request.cdb;
    let (load, end_of_tape, hold) = (cdb.bit::<4>(0), cdb.bit::<4>(2), cdb.bit::<4>(3));
    if hold {
        return Err(Sense::invalid_bit(4, 3));
    }
    if end_of_tape {
        return Err(Sense::invalid_bit(4, 2));
    }
    let result = if load { request.drive.load() } else { request.drive.unload() };
    moved(request.drive, result)
}

/// SPACE(6) (SSC-3 7.12): the count has 24 bits in two's complement.
pub(super) fn space_6(request: &mut Request<'_>) -> Handled {
    let raw = i64::from(request.cdb.u24::<2>());
    let count = if raw < 0x80_0000 { raw } else { raw - 0x100_0000 };
    space(request, request.cdb.byte::<1>() & 0x07, 2, count)
}

/// SPACE(16) (SSC-3 6.8): the count has 64 bits in two's complement.
pub(super) fn space_16(request: &mut Request<'_>) -> Handled {
    if request.cdb.u16::<12>() != 0 {
        return Err(Sense::invalid_byte(12)); // no parameter list
    }
    let count = i64::from_be_bytes(request.cdb.u64::<4>().to_be_bytes());
    space(request, request.cdb.byte::<1>() & 0x0f, 3, count)
}

/// Spaces over records, over filemarks, or to the end of data.
fn space(request: &mut Request<'_>, code: u8, code_bit: u8, count: i64) -> Handled {
    if !matches!(code, BY_OBJECT | BY_FILE | TO_END_OF_DATA) {
        return Err(Sense::invalid_bit(1, code_bit));
    }
    let drive = &mut *request.drive;
    ready(drive)?;
    let spaced = match code {
        BY_OBJECT => drive.space_records(count),
        BY_FILE => drive.space_filemarks(count),
        _ => {
            let result = drive.space_to_end_of_data();
            return moved(drive, result);
        }
    };
    let spaced = spaced.map_err(|error| fault::sense(drive, &error))?;
    space_result(count, spaced)
}

/// INFORMATION is what was asked for and not passed, as a magnitude in both directions, if it fits.
fn space_result(count: i64, spaced: Spaced) -> Handled {
    let sense = match spaced.end {
        SpaceEnd::Done => return done(),
        SpaceEnd::Filemark => Sense::FILEMARK,
        SpaceEnd::EndOfData => Sense::END_OF_DATA,
        SpaceEnd::BeginningOfTape => Sense::BEGINNING_OF_TAPE,
    };
    let information = u32::try_from(count.unsigned_abs().saturating_sub(spaced.moved)).ok();
    Err(Sense { information, ..sense })
}

/// LOCATE(10) (SSC-3 7.4) to a logical object of the one partition. The device's own addresses (BT), which Linux asks for
/// unless told otherwise, are the numbers of the objects.
pub(super) fn locate_10(request: &mut Request<'_>) -> Handled {
    let cdb = request.cdb;
    if cdb.bit::<1>(1) && cdb.byte::<8>() != 0 {
        return Err(Sense::invalid_byte(8)); // CP: there is one partition
    }
    ready(request.drive)?;
    let result = request.drive.locate_block(u64::from(cdb.u32::<3>()));
    moved(request.drive, result)
}

/// LOCATE(16) (SSC-3 6.3) to a logical object, to a file, or to the end of data.
pub(super) fn locate_16(request: &mut Request<'_>) -> Handled {
    let cdb = request.cdb;
    let destination = cdb.byte::<1>() >> 3 & 0x07;
    if !matches!(destination, BY_OBJECT | BY_FILE | TO_END_OF_DATA) {
        return Err(Sense::invalid_bit(1, 5));
    }
    if cdb.bit::<1>(1) && cdb.byte::<3>() != 0 {
        return Err(Sense::invalid_byte(3));
    }
    let drive = &mut *request.drive;
    ready(drive)?;
    let result = match destination {
        BY_OBJECT => drive.locate_block(cdb.u64::<4>()),
        BY_FILE => drive.locate_file(cdb.u64::<4>()),
        _ => drive.space_to_end_of_data(),
    };
    moved(drive, result)
}

/// Stands before a logical object, without disturbing a drive that does already.
pub(super) fn go_to_block(drive: &mut dyn TapeDrive, block: u64) -> Result<(), Sense> {
    if drive.position().is_ok_and(|position| position.block == block) {
        return Ok(());
    }
    drive.locate_block(block).map_err(|error| fault::sense(drive, &error))
}

/// READ BLOCK LIMITS (SSC-3 7.5): any length in bytes between the two limits.
pub(super) fn read_block_limits(request: &mut Request<'_>) -> Handled {
    if request.cdb.bit::<1>(0) {
        return Err(Sense::invalid_bit(1, 0)); // MLOI
    }
    let limits = request.drive.record_limits();
    let [_, high, middle, low] = limits.maximum_bytes.min(0xff_ffff).to_be_bytes();
    let [minimum_high, minimum_low] = limits.minimum_bytes.to_be_bytes();
    Ok(Ok(request.cdb.cut(vec![0, high, middle, low, minimum_high, minimum_low], u32::MAX)).into())
}

/// READ POSITION (SSC-3 7.7): short form, also with the device's own addresses, which are the same; long form, extended
/// form.
pub(super) fn read_position(request: &mut Request<'_>) -> Handled {
    const BEGINNING: u8 = 0x80;
    const END: u8 = 0x40;
    const BUFFER_UNKNOWN: u8 = 0x30;
    const NOT_REPRESENTABLE: u8 = 0x04;
    const IN_PROGRAMMABLE_ZONE: u8 = 0x01;
    const SHORT: u8 = 0;
    const SHORT_OWN_ADDRESSES: u8 = 1;
    const LONG: u8 = 6;
    const EXTENDED: u8 = 8;
    let form = request.cdb.byte::<1>() & 0x1f;
    if !matches!(form, SHORT | SHORT_OWN_ADDRESSES | LONG | EXTENDED) {
        return Err(Sense::invalid_bit(1, 4));
    }
    let drive = &mut *request.drive;
    ready(drive)?;
    let position = drive.position().map_err(|error| fault::sense(drive, &error))?;
    let mut flags = if position.at_beginning { BEGINNING } else { 0 };
    flags |= if position.past_early_warning { END } else { 0 };
    flags |= if warning::is_in_zone(drive, &position) { IN_PROGRAMMABLE_ZONE } else { 0 };
    let block = position.block.to_be_bytes();
    let (data, allocation) = match form {
        SHORT | SHORT_OWN_ADDRESSES => {
            let mut data = vec![0; 20];
            match u32::try_from(position.block) {
                Ok(block) => {
                    data[4..8].copy_from_slice(&block.to_be_bytes());
                    data[8..12].copy_from_slice(&block.to_be_bytes());
                }
                Err(_) => flags |= NOT_REPRESENTABLE,
            }
            data[0] = flags | BUFFER_UNKNOWN;
            (data, u32::MAX)
        }
        LONG => {
            let mut data = vec![0; 32];
            data[0] = flags;
            data[8..16].copy_from_slice(&block);
            data[16..24].copy_from_slice(&position.file.to_be_bytes());
            (data, u32::MAX)
        }
        _ => {
            let mut data = vec![0; 32];
            data[0] = flags | BUFFER_UNKNOWN;
            data[3] = 28; // what follows
            data[8..16].copy_from_slice(&block);
            data[16..24].copy_from_slice(&block);
            (data, u32::from(request.cdb.u16::<7>()))
        }
    };
    Ok(Ok(request.cdb.cut(data, allocation)).into())
}
