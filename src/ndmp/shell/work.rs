//! What is done on a drive's thread for a session: one function from [`TapeWork`] to [`Completion`].
//!
//! It must not wait for anything but the drive.

use crate::ndmp::session::{Cdb, Completion, TapeWork};
use crate::scsi::personality::DrivePersonality;
use crate::scsi::{self, Nexus};
use crate::vtl::drive::{Drive, MarkRule};

/// Version 4 stops in front of filemarks (NDMPv4 3.4.2.4).
const MARKS: MarkRule = MarkRule::StopBefore;

/// Does the work.
pub(super) fn perform(drive: &mut Drive, personality: &DrivePersonality, work: TapeWork) -> Completion {
    match work {
        TapeWork::Read { bytes_max } => Completion::Read(drive.host_read(bytes_max, MARKS)),
        TapeWork::Write(record) => Completion::Done(drive.host_write(&record)),
        TapeWork::Motion { motion, count } => Completion::Moved(drive.host_motion(motion, count, MARKS)),
        TapeWork::Filemarks(count) => Completion::Done(drive.host_filemarks(count)),
        TapeWork::Terminate => Completion::Done(drive.host_terminate()),
        TapeWork::Cdb(cdb) => Completion::Cdb(Ok(execute(drive, personality, &cdb))),
    }
}

fn execute(drive: &mut Drive, personality: &DrivePersonality, cdb: &Cdb) -> scsi::outcome::Outcome {
    let Cdb { bytes, data_out, allocation_bytes, .. } = cdb;
    scsi::drive::execute(drive, personality, &mut Nexus::default(), bytes, data_out, *allocation_bytes)
}
