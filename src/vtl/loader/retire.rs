//! What may change of a loader while it is open: who has its robot, what its new tapes are like, and its end.
//!
//! Sessions hold on to a loader for as long as they are connected. When it leaves the configuration, or is opened anew
//! with other elements, it must let go of its directory all the same: it is *retired*. From then on it changes nothing
//! any more, and says so. Must not know why it is retired; that is the server's business.

use std::sync::{Arc, Mutex, MutexGuard};

use super::{Loader, LoaderError, MoveError, MovedBy, RobotState, guard};
use crate::files::Lock;
use crate::vtl::drive::Holder;
use crate::vtl::element::Place;

/// The part of an open loader that is not fixed.
pub(super) struct Standing {
    /// Held open: the lock on the directory ends with it. None when the loader is retired.
    lock: Mutex<Option<Lock>>,
    robot: Mutex<Robot>,
    /// What initiators have set.
    pub(super) robot_state: Mutex<RobotState>,
    new_tapes: Mutex<NewTapes>,
}

/// Who has the robot open.
enum Robot {
    For(Vec<Holder>),
    Nobody,
}

/// What the tapes that a loader makes are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTapes {
    /// What their barcodes begin with.
    pub family: String,
    /// Their capacity, in bytes.
    pub capacity_bytes: u64,
}

impl Standing {
    pub(super) fn new(lock: Lock, new_tapes: NewTapes) -> Standing {
        Standing {
            lock: Mutex::new(Some(lock)),
            robot: Mutex::new(Robot::For(Vec::new())),
            robot_state: Mutex::default(),
            new_tapes: Mutex::new(new_tapes),
        }
    }
}

/// A robot held open by a session; dropping it is the close. Several sessions may have it.
pub struct RobotLease {
    loader: Arc<Loader>,
    by: Holder,
}

impl RobotLease {
    /// The robot's loader.
    #[must_use]
    pub fn loader(&self) -> &Arc<Loader> {
        &self.loader
    }
}

impl Drop for RobotLease {
    fn drop(&mut self) {
        if let Robot::For(holders) = &mut *guard(&self.loader.standing.robot)
            && let Some(at) = holders.iter().position(|holder| *holder == self.by)
        {
            holders.swap_remove(at);
        }
    }
}

impl Loader {
    /// Takes the robot for `by`, beside whoever else has it.
    ///
    /// # Errors
    /// [`LoaderError::Retired`] when the loader is, or is about to be.
    pub fn open_robot(self: &Arc<Self>, by: &Holder) -> Result<RobotLease, LoaderError> {
        match &mut *guard(&self.standing.robot) {
            Robot::For(holders) => holders.push(by.clone()),
            Robot::Nobody => return Err(self.retired()),
        }
        Ok(RobotLease { loader: self.clone(), by: by.clone() })
    }

    /// From now on no session gets the robot, until [`Loader::allow_robot`].
    ///
    /// # Errors
    /// A session that has it; nothing is changed then.
    pub fn forbid_robot(&self) -> Result<(), Holder> {
        let mut robot = guard(&self.standing.robot);
        if let Robot::For(holders) = &*robot
            && let Some(holder) = holders.first()
        {
            return Err(holder.clone());
        }
        *robot = Robot::Nobody;
        Ok(())
    }

    /// Undoes [`Loader::forbid_robot`].
    pub fn allow_robot(&self) {
        let mut robot = guard(&self.standing.robot);
        if matches!(*robot, Robot::Nobody) {
            *robot = Robot::For(Vec::new());
        }
    }

    /// Puts every tape that is in a drive back where it came from, or into the lowest free slot, and gives their number.
    ///
    /// # Errors
    /// [`MoveError`] of the first drive that does not give its tape; those before it are unloaded.
    pub fn unload_drives(&self) -> Result<u32, MoveError> {
        let mut count = 0;
        for index in 0..self.counts.drives {
            let drive = Place::Drive(index);
            let home = {
                let state = self.state();
                let Some(barcode) = state.map.tape_at(drive) else { continue };
                let home = state.map.tapes.get(barcode).and_then(|entry| entry.source);
                let is_free =
                    |place: &Place| self.counts.contains(*place) && state.map.tape_at(*place).is_none();
                home.filter(is_free)
                    .or_else(|| state.map.free_slots(self.counts).first().map(|n| Place::Slot(*n)))
            };
            let home = home.ok_or_else(|| LoaderError::NoFreeSlot { name: self.name().to_owned() })?;
            self.move_medium(drive, home, MovedBy::Operator)?;
            count += 1;
        }
        Ok(count)
    }

    /// Lets go of the directory, once what is being changed is finished. For whoever has made sure that no session has
    /// the robot or a drive.
    pub fn retire(&self) {
        let _changing = guard(&self.changing);
        *guard(&self.standing.robot) = Robot::Nobody;
        *guard(&self.standing.lock) = None;
    }

    /// Whether the loader has let go of its directory.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        guard(&self.standing.lock).is_none()
    }

    /// What the tapes it makes are like.
    #[must_use]
    pub fn new_tapes(&self) -> NewTapes {
        guard(&self.standing.new_tapes).clone()
    }

    /// From now on new tapes are like that.
    pub fn set_new_tapes(&self, new_tapes: NewTapes) {
        *guard(&self.standing.new_tapes) = new_tapes;
    }

    /// The right to change the loader, for as long as the guard lives; every change begins with this.
    pub(super) fn change(&self) -> Result<MutexGuard<'_, ()>, LoaderError> {
        let changing = guard(&self.changing);
        self.check_not_retired()?;
        Ok(changing)
    }

    pub(super) fn check_not_retired(&self) -> Result<(), LoaderError> {
        if self.is_retired() { Err(self.retired()) } else { Ok(()) }
    }

    fn retired(&self) -> LoaderError {
        LoaderError::Retired { name: self.name().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vtl::barcode::Barcode;
    use crate::vtl::loader::fake::Site;

    fn holder(session: u64) -> Holder {
        Holder { session, peer: "192.0.2.1:700".into() }
    }

    #[test]
    fn a_retired_loader_lets_go_of_its_directory_and_changes_nothing_any_more() {
        let site = Site::new(3, 0, 1);
        let (old, _) = site.open(1);
        assert!(site.try_open(1).err().is_some_and(|error| error.is_in_use()));
        old.retire();
        assert!(old.is_retired());
        let (new, _) = site.open(1);
        for refused in [
            old.rescan().map(drop).unwrap_err().to_string(),
            old.move_medium(Place::Slot(0), Place::Slot(1), MovedBy::Robot).unwrap_err().to_string(),
        ] {
            assert!(refused.contains("was closed in the meantime"), "{refused}");
        }
        let first = Barcode::new("VLT001L8").unwrap();
        assert_eq!(new.place_of(&first), Some(Place::Slot(0)));
        new.move_medium(Place::Slot(0), Place::Slot(1), MovedBy::Robot).unwrap();
    }

    #[test]
    fn a_robot_in_use_is_not_taken_away_and_one_that_is_forbidden_not_given() {
        let site = Site::new(3, 0, 1);
        let loader = Arc::new(site.open(1).0);
        let lease = loader.open_robot(&holder(1)).unwrap();
        let other = loader.open_robot(&holder(2)).unwrap();
        assert_eq!(loader.forbid_robot(), Err(holder(1)));
        drop(lease);
        assert_eq!(loader.forbid_robot(), Err(holder(2)));
        drop(other);
        loader.forbid_robot().unwrap();
        assert!(matches!(loader.open_robot(&holder(3)), Err(LoaderError::Retired { .. })));
        loader.allow_robot();
        loader.open_robot(&holder(3)).unwrap();
    }

    #[test]
    fn unloaded_tapes_go_home_or_where_there_is_room() {
        let site = Site::new(3, 0, 2);
        let (loader, bays) = site.open(2);
        loader.move_medium(Place::Slot(0), Place::Drive(0), MovedBy::Robot).unwrap();
        loader.move_medium(Place::Slot(1), Place::Drive(1), MovedBy::Robot).unwrap();
        assert_eq!(loader.unload_drives().unwrap(), 2);
        assert_eq!(loader.place_of(&Barcode::new("VLT001L8").unwrap()), Some(Place::Slot(0)));
        assert_eq!(loader.place_of(&Barcode::new("VLT002L8").unwrap()), Some(Place::Slot(1)));
        assert!(bays.iter().all(|bay| bay.state().holds.is_none()));
        assert_eq!(loader.unload_drives().unwrap(), 0);
    }

    #[test]
    fn what_new_tapes_are_like_can_change() {
        let site = Site::new(3, 0, 1);
        let (loader, _) = site.open(1);
        let capacity_bytes = loader.new_tapes().capacity_bytes;
        loader.set_new_tapes(NewTapes { family: "NEW".into(), capacity_bytes });
        assert_eq!(loader.would_admit(None).unwrap().as_str(), "NEW001L8");
    }
}
