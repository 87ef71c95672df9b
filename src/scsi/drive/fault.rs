//! The drive's errors as sense data, in one place, and the TapeAlert flags that they raise.
//!
//! Must not know which command met the error.

use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::{DriveError, TapeDrive};

/// TapeAlert flags (SSC-3 annex A), numbered from 1.
const ALERT_HARD_ERROR: u8 = 3;
const ALERT_WRITE_PROTECT: u8 = 9;
const ALERT_HARDWARE: u8 = 30;

/// Why a command failed.
pub(super) fn sense(drive: &mut dyn TapeDrive, error: &DriveError) -> Sense {
    match error {
        DriveError::Empty => Sense::NO_MEDIUM,
        DriveError::Unloaded => Sense::LOAD_REQUIRED,
        DriveError::WriteProtected => protected(drive),
        DriveError::EndOfData => Sense::END_OF_DATA,
        DriveError::EndOfMedium => Sense::VOLUME_OVERFLOW,
        DriveError::NoSpace { .. } => Sense::SPACE_ALLOCATION_FAILED,
        DriveError::Prevented => Sense::REMOVAL_PREVENTED,
        DriveError::Damaged { .. } => {
            raise(drive, ALERT_HARD_ERROR);
            Sense::MEDIUM_DAMAGED
        }
        DriveError::Failed { .. } => {
            raise(drive, ALERT_HARDWARE);
            Sense::INTERNAL_FAILURE
        }
    }
}

/// A tape that takes no data at all, or a WORM tape none here.
fn protected(drive: &mut dyn TapeDrive) -> Sense {
    let is_worm = drive.cartridge_memory().is_ok_and(|memory| memory.is_worm);
    if is_worm && !drive.write_protected() {
        return Sense::WORM_OVERWRITE;
    }
    raise(drive, ALERT_WRITE_PROTECT);
    Sense::WRITE_PROTECTED
}

fn raise(drive: &mut dyn TapeDrive, alert: u8) {
    drive.settings().alerts |= 1 << (alert - 1);
}
