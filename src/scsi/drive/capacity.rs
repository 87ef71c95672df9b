//! What makes a tape anew from its beginning: FORMAT MEDIUM and SET CAPACITY.
//!
//! Must not know where a tape's capacity is kept.

use super::{Request, done, fault, ready};
use crate::scsi::commands::Handled;
use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::TapeDrive;

/// FORMAT MEDIUM (SSC-3 7.2): one partition, which is empty then. There is nothing to verify, and no list of parameters.
pub(super) fn format_medium(request: &mut Request<'_>) -> Handled {
    let cdb = request.cdb;
    if cdb.bit::<1>(1) {
        return Err(Sense::invalid_bit(1, 1)); // VERIFY
    }
    if cdb.byte::<2>() & 0x0f != 0 {
        return Err(Sense::invalid_bit(2, 3)); // more than one partition
    }
    if cdb.u16::<3>() != 0 {
        return Err(Sense::invalid_byte(3));
    }
    at_beginning(request.drive)?;
    request.drive.erase().map_err(|error| fault::sense(request.drive, &error))?;
    done()
}

/// SET CAPACITY (SSC-3 7.10): a part of the cartridge's capacity, all data being lost. What is rounded up is not told.
pub(super) fn set_capacity(request: &mut Request<'_>) -> Handled {
    at_beginning(request.drive)?;
    let set = request.drive.set_capacity(request.cdb.u16::<3>());
    set.map_err(|error| fault::sense(request.drive, &error))?;
    done()
}

fn at_beginning(drive: &mut dyn TapeDrive) -> Result<(), Sense> {
    ready(drive)?;
    let position = drive.position().map_err(|error| fault::sense(drive, &error))?;
    if position.at_beginning { Ok(()) } else { Err(Sense::PAST_BEGINNING) }
}
