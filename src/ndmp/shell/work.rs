//! What is done on a drive's thread for a session: one function from [`TapeWork`] to [`Completion`].
//!
//! It must not wait for anything but the drive.

use super::nexus::SharedNexus;
use crate::ndmp::session::{Cdb, Completion, TapeWork};
use crate::scsi::personality::DrivePersonality;
use crate::scsi::{self, Nexus};
use crate::vtl::drive::Drive;
use crate::vtl::tape_drive::TapeDrive;
use std::sync::PoisonError;

/// Does the work.
pub(super) fn perform(
    drive: &mut Drive,
    personality: &DrivePersonality,
    nexus: &SharedNexus,
    work: TapeWork,
) -> Completion {
    match work {
        TapeWork::Read { bytes_max, marks } => Completion::Read(drive.host_read(bytes_max, marks)),
        TapeWork::Write(record) => Completion::Done(drive.host_write(&record)),
        TapeWork::Motion { motion, count, marks } => {
            Completion::Moved(drive.host_motion(motion, count, marks))
        }
        TapeWork::Filemarks(count) => Completion::Done(drive.host_filemarks(count)),
        TapeWork::Terminate => Completion::Done(drive.host_terminate()),
        TapeWork::Cdb(cdb) => {
            let mut nexus = nexus.lock().unwrap_or_else(PoisonError::into_inner);
            Completion::Cdb(Ok(execute(drive, personality, &mut nexus, &cdb).into()))
        }
    }
}

/// What keeps the session from having the drive open: the initiator that has reserved it. What the session
/// prevented when it had the drive before ended when it closed it.
pub(super) fn open(drive: &mut Drive, nexus: &SharedNexus) -> Option<u64> {
    let mut nexus = nexus.lock().unwrap_or_else(PoisonError::into_inner);
    nexus.prevent_removal = false;
    scsi::reserve::other_holder(&drive.settings().reservations, nexus.initiator)
}

fn execute(
    drive: &mut Drive,
    personality: &DrivePersonality,
    nexus: &mut Nexus,
    cdb: &Cdb,
) -> scsi::outcome::Outcome {
    let Cdb { bytes, data_out, allocation_bytes, .. } = cdb;
    scsi::drive::execute(drive, personality, nexus, bytes, data_out, *allocation_bytes)
}
