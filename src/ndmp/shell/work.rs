//! What is done on a drive's thread for a session: one function from [`TapeWork`] to [`Completion`].
//!
//! It must not wait for anything but the drive.

use crate::ndmp::session::{Cdb, Completion, TapeWork};
use crate::scsi::personality::DrivePersonality;
use crate::scsi::{self, Nexus};
use crate::vtl::drive::Drive;

/// Does the work.
pub(super) fn perform(drive: &mut Drive, personality: &DrivePersonality, work: TapeWork) -> Completion {
    match work {
        TapeWork::Read { bytes_max, marks } => Completion::Read(drive.host_read(bytes_max, marks)),
        TapeWork::Write(record) => Completion::Done(drive.host_write(&record)),
        TapeWork::Motion { motion, count, marks } => {
            Completion::Moved(drive.host_motion(motion, count, marks))
        }
        TapeWork::Filemarks(count) => Completion::Done(drive.host_filemarks(count)),
        TapeWork::Terminate => Completion::Done(drive.host_terminate()),
        TapeWork::Cdb(cdb) => Completion::Cdb(Ok(execute(drive, personality, &cdb))),
    }
}

fn execute(drive: &mut Drive, personality: &DrivePersonality, cdb: &Cdb) -> scsi::outcome::Outcome {
    let Cdb { bytes, data_out, allocation_bytes, .. } = cdb;
    scsi::drive::execute(drive, personality, &mut Nexus::default(), bytes, data_out, *allocation_bytes)
}
