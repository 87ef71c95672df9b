//! What may change of a drive from outside while sessions hold on to it: its compression, and its end.
//!
//! A retired drive is given to no session any more; the robot still reaches it. Must not know why.

use std::sync::PoisonError;
use std::time::Duration;

use super::handle::{DriveGone, DriveHandle, Holder, Occupancy, Occupied};
use super::unit::Drive;
use crate::tape::Compression;
use crate::vtl::generation::Generation;

/// How long a session's close is waited for.
const RELEASE_WAIT: Duration = Duration::from_secs(20);

/// Why a session does not get a drive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAcquired {
    /// Another one has it.
    #[error(transparent)]
    Occupied(Occupied),
    /// Its loader has left the configuration, or was opened anew.
    #[error("its loader was closed in the meantime: connect anew")]
    Retired,
}

impl DriveHandle {
    /// From now on no session gets the drive, until [`DriveHandle::reinstate`]. Waits for one that is just leaving.
    ///
    /// # Errors
    /// The session that has it; nothing is changed then.
    pub fn retire(&self) -> Result<(), Holder> {
        let releasing = |occupancy: &mut Occupancy| matches!(occupancy, Occupancy::Releasing { .. });
        let (mut occupancy, _) = self
            .freed()
            .wait_timeout_while(self.occupancy(), RELEASE_WAIT, releasing)
            .unwrap_or_else(PoisonError::into_inner);
        match &*occupancy {
            Occupancy::Free | Occupancy::Retired => *occupancy = Occupancy::Retired,
            Occupancy::Held { by } | Occupancy::Releasing { by } => return Err(by.clone()),
        }
        Ok(())
    }

    /// Undoes [`DriveHandle::retire`].
    pub fn reinstate(&self) {
        let mut occupancy = self.occupancy();
        if *occupancy == Occupancy::Retired {
            *occupancy = Occupancy::Free;
        }
    }

    /// As [`DriveHandle::shut_down`], for a thread that may block.
    ///
    /// # Errors
    /// [`DriveGone`] when the drive's thread has ended.
    pub fn shut_down_and_wait(&self) -> Result<(), DriveGone> {
        self.call(Drive::shut_down).blocking_recv().map_err(|_| DriveGone)
    }

    /// Of which generation the drive is, from the next load on.
    pub fn set_generation(&self, generation: Generation) {
        drop(self.call(move |drive| drive.set_generation(generation)));
    }

    /// How records are stored from the next load on.
    pub fn set_compression(&self, compression: Compression) {
        // The queue is in order: whatever is loaded after this call is loaded with it. Nobody need wait.
        drop(self.call(move |drive| drive.set_compression(compression)));
    }
}
