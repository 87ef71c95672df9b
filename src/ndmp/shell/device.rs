//! The device that a session has open: how it is taken, and how it is given work.
//!
//! One value each: dropping it is the close. It must not know what the session makes of it. Read `work` for what is done on a
//! drive's thread, `nexus` for what a session is to robots and drives.

use super::data::{PumpJob, Pumped, Task};
use super::nexus::{self, AtWork, SharedNexus};
use super::{DriveUnit, work};
use crate::ndmp::session::{Cdb, CdbFault, Completion, OpenFault, TapeWork};
use crate::scsi::personality::Personality;
use crate::vtl::drive::{DriveGone, DriveLease, DriveStatus, Holder, NotAcquired, Notice};
use crate::vtl::loader::RobotLease;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long an open waits for a drive whose last holder is just leaving.
const BUSY_WAIT: Duration = Duration::from_millis(500);
const RELEASE_WAIT: Duration = Duration::from_secs(30);
const BUSY_POLL: Duration = Duration::from_millis(5);

/// The device a session has open.
pub(super) enum Device {
    None,
    Tape(OpenTape),
    Robot(OpenRobot),
}

/// A drive that is open.
pub(super) struct OpenTape {
    lease: DriveLease,
    personality: Arc<Personality>,
    nexus: SharedNexus,
}

impl OpenTape {
    /// Takes the drive; waits a moment for one whose holder is just leaving. One that another initiator has reserved is busy.
    pub(super) async fn open(
        unit: DriveUnit,
        holder: Holder,
        nexus: SharedNexus,
    ) -> Result<OpenTape, OpenFault> {
        let DriveUnit { drive, personality } = unit;
        let begun = Instant::now();
        let lease = loop {
            let occupied = match drive.acquire(&holder) {
                Ok(lease) => break lease,
                Err(NotAcquired::Occupied(occupied)) => occupied,
                Err(retired @ NotAcquired::Retired) => return Err(OpenFault::Failed(retired.to_string())),
            };
            let patience = if occupied.is_releasing { RELEASE_WAIT } else { BUSY_WAIT };
            if begun.elapsed() >= patience {
                return Err(OpenFault::Busy(occupied.by.to_string()));
            }
            tokio::time::sleep(BUSY_POLL).await;
        };
        let asking = nexus.clone();
        match lease.run(move |drive| work::open(drive, &asking)).await {
            Ok(None) => Ok(OpenTape { lease, personality, nexus }),
            Ok(Some(other)) => Err(OpenFault::Busy(nexus::host(other))),
            Err(gone) => Err(OpenFault::Failed(gone.to_string())),
        }
    }

    /// What the drive published last.
    pub(super) fn status(&self) -> DriveStatus {
        self.lease.drive().status()
    }

    /// What whoever looks after the drive has to say; what was said before is news to this session.
    pub(super) fn notices(&self) -> watch::Receiver<Notice> {
        let mut notices = self.lease.drive().keeper().notices();
        notices.mark_changed();
        notices
    }

    /// Does the work on the drive's thread.
    pub(super) fn perform(&self, work: TapeWork) -> Task<Completion> {
        let (personality, nexus) = (self.personality.clone(), self.nexus.clone());
        let running = self.lease.run(move |drive| work::perform(drive, &personality.drive, &nexus, work));
        Box::pin(async move { running.await.unwrap_or_else(gone) })
    }

    /// Runs a pump on the drive's thread; none comes back if that has ended.
    pub(super) fn pump(&self, job: PumpJob) -> Task<Option<Pumped>> {
        let running = self.lease.run(move |drive| job.run(drive));
        Box::pin(async move { running.await.ok() })
    }
}

fn gone(error: DriveGone) -> Completion {
    Completion::Cdb(Err(CdbFault::Failed(error.to_string())))
}

/// A robot that is open.
pub(super) struct OpenRobot {
    pub(super) lease: RobotLease,
    pub(super) personality: Arc<Personality>,
    pub(super) nexus: SharedNexus,
}

impl OpenRobot {
    /// Executes a CDB. The robot may wait for drives, so that is done on a thread that may block.
    pub(super) fn execute(&self, at_work: AtWork, cdb: Cdb) -> Task<Completion> {
        let (loader, personality) = (self.lease.loader().clone(), self.personality.clone());
        let nexus = self.nexus.clone();
        Box::pin(async move {
            let executed =
                tokio::task::spawn_blocking(move || at_work.execute(&loader, &personality, &nexus, &cdb));
            let fault = |error| CdbFault::Failed(format!("internal fault in the robot: {error}"));
            Completion::Cdb(executed.await.map(Into::into).map_err(fault))
        })
    }

    /// Forgets what the session has told the robot.
    pub(super) fn reset(&self) {
        nexus::reset(self.lease.loader(), &self.nexus);
    }
}
