//! The drive's errors as sense data, in one place, and the TapeAlert flags that they raise.
//!
//! Must not know which command met the error.

use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::{DriveError, TapeDrive, alert};

/// Why a command failed.
pub(super) fn sense(drive: &mut dyn TapeDrive, error: &DriveError) -> Sense {
    let (sense, alerts): (Sense, &[u8]) = match error {
        DriveError::Empty => (Sense::NO_MEDIUM, &[]),
        DriveError::Unloaded => (Sense::LOAD_REQUIRED, &[]),
        DriveError::Cleaning => (Sense::CLEANING, &[]),
        DriveError::Incompatible => (Sense::CANNOT_READ_FORMAT, &[]),
        DriveError::ReadOnlyFormat => (Sense::CANNOT_WRITE_FORMAT, &[]),
        DriveError::WriteProtected if is_written_worm(drive) => {
            (Sense::WORM_OVERWRITE, &[alert::WORM_OVERWRITE])
        }
        DriveError::WriteProtected => (Sense::WRITE_PROTECTED, &[alert::WRITE_PROTECT]),
        DriveError::EndOfData => (Sense::END_OF_DATA, &[]),
        DriveError::EndOfMedium => (Sense::VOLUME_OVERFLOW, &[]),
        DriveError::NoSpace { .. } => (Sense::SPACE_ALLOCATION_FAILED, &[]),
        DriveError::Prevented => (Sense::REMOVAL_PREVENTED, &[alert::NO_REMOVAL]),
        DriveError::Damaged { .. } => {
            (Sense::MEDIUM_DAMAGED, &[alert::HARD_ERROR, alert::MEDIUM, alert::READ_FAILURE])
        }
        DriveError::Failed { .. } => (Sense::INTERNAL_FAILURE, &[alert::HARD_ERROR, alert::HARDWARE]),
    };
    alerts.iter().for_each(|alert| drive.settings().raise(*alert));
    sense
}

/// A WORM tape that takes data, only not here.
fn is_written_worm(drive: &mut dyn TapeDrive) -> bool {
    !drive.write_protected() && drive.cartridge_memory().is_ok_and(|memory| memory.is_worm)
}
