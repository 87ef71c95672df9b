//! What initiators have set on a robot, and what they are to be told of an operator's hands: it lasts as long as the loader
//! is open, and no file keeps it.
//!
//! Who prevents removal is remembered by name, because an operator who is refused wants to know whom to ask. Must not
//! know which commands set any of this.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use super::{Loader, LoaderError, guard};
use crate::vtl::element::Place;
use crate::vtl::reservations::Reservations;

/// What initiators have set on a robot.
#[derive(Debug, Default)]
pub struct RobotState {
    /// Who may use it.
    pub reservations: Reservations,
    /// The alerts raised, the one of number n as bit n-1.
    pub alerts: u64,
    /// The sessions that prevent removal, by number, as the operator knows them.
    preventing: BTreeMap<u64, String>,
    mail_accesses: u64,
}

impl RobotState {
    /// Whether `session`, which the operator knows as `name`, prevents that tapes are taken out of the loader.
    pub fn prevent_removal(&mut self, session: u64, name: &str, prevent: bool) {
        if prevent {
            self.preventing.insert(session, name.to_owned());
        } else {
            self.preventing.remove(&session);
        }
    }

    /// Counts how often an operator has put a tape into a mail slot or taken one out.
    #[must_use]
    pub fn mail_accesses(&self) -> u64 {
        self.mail_accesses
    }
}

impl Loader {
    /// What initiators have set on the robot. Held for instants only.
    pub fn robot(&self) -> MutexGuard<'_, RobotState> {
        guard(&self.standing.robot_state)
    }

    /// For an operator who would take a tape out of the loader, or reach into a mail slot.
    pub(super) fn check_removal(&self) -> Result<(), LoaderError> {
        match self.robot().preventing.values().next() {
            Some(by) => Err(LoaderError::RemovalPrevented { name: self.name().to_owned(), by: by.clone() }),
            None => Ok(()),
        }
    }

    /// The same for a tape that is carried from `source` to `destination` by hand.
    pub(super) fn check_carrying(&self, source: Place, destination: Place) -> Result<(), LoaderError> {
        let leaves = destination == Place::Shelf && source != Place::Shelf;
        if leaves || is_mail(source) || is_mail(destination) { self.check_removal() } else { Ok(()) }
    }

    /// An operator's hand was at these places.
    pub(super) fn note_access(&self, places: &[Place]) {
        if places.iter().copied().any(is_mail) {
            let mut robot = self.robot();
            robot.mail_accesses = robot.mail_accesses.wrapping_add(1);
        }
    }
}

fn is_mail(place: Place) -> bool {
    matches!(place, Place::MailSlot(_))
}
