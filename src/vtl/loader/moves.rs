//! MOVE MEDIUM: a tape from one element to another, as a transaction.
//!
//! Order: take the tape out of its drive (which makes its data durable), make the new place durable in the map, put the
//! tape into the other drive. Between any two of these steps a crash leaves each tape at exactly one place, and the
//! next start mounts what the map says. A step that fails is undone; where that fails too, the map still says where the
//! tape is and the element carries the fault.

use std::sync::Arc;

use thiserror::Error;
use tracing::{info, warn};

use super::{Loader, LoaderError};
use crate::vtl::barcode::Barcode;
use crate::vtl::bay::BayError;
use crate::vtl::element::Place;
use crate::vtl::slots::{Entry, SlotMap};

/// Who moves a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovedBy {
    /// A client, through the robot.
    Robot,
    /// An operator, by hand: a tape put into a mail slot is then an import.
    Operator,
}

/// Why a tape was not moved. It is where it was, unless [`MoveError::Load`] says otherwise.
#[derive(Debug, Error)]
pub enum MoveError {
    /// The loader has no such element, or none that holds tapes.
    #[error("{place} does not exist; see the list of elements")]
    NoSuchElement {
        /// The place asked for.
        place: Place,
    },
    /// No tape at the source.
    #[error("{place} holds no tape")]
    SourceEmpty {
        /// The source.
        place: Place,
    },
    /// A tape at the destination.
    #[error("{place} holds a tape already; move that one away first")]
    DestinationFull {
        /// The destination.
        place: Place,
    },
    /// The drive does not give its tape: it is in use, or removal is prevented, or unloading failed.
    #[error("{place}: {source}")]
    Unload {
        /// The drive.
        place: Place,
        /// Why.
        source: BayError,
    },
    /// The drive does not take the tape. It is back where it was; where even that failed, its element has a fault.
    #[error("{place}: {source}")]
    Load {
        /// The drive.
        place: Place,
        /// Why.
        source: BayError,
    },
    /// The new place could not be kept.
    #[error(transparent)]
    State(#[from] LoaderError),
}

impl Loader {
    /// Moves the tape at `source` to `destination`, unloading and loading drives as needed. Gives its barcode. When this
    /// returns without an error the move survives a power failure.
    ///
    /// # Errors
    /// [`MoveError`].
    pub fn move_medium(&self, source: Place, destination: Place, by: MovedBy) -> Result<Barcode, MoveError> {
        let _changing = self.change()?;
        for place in [source, destination] {
            if place == Place::Shelf {
                return Err(MoveError::NoSuchElement { place });
            }
        }
        let (before, barcode) = self.check_move(source, destination)?;
        self.carry_out(before, barcode, source, destination, by)
    }

    /// As [`Loader::move_medium`] for a tape that an operator names, also from the shelf and to it. The caller holds
    /// `changing`.
    pub(super) fn carry_by_hand(
        &self,
        barcode: &Barcode,
        entry: Entry,
        destination: Place,
        by: MovedBy,
    ) -> Result<(), MoveError> {
        let before = self.check_destination(destination)?;
        self.carry_out(before, barcode.clone(), entry.place, destination, by).map(drop)
    }

    fn carry_out(
        &self,
        before: Arc<SlotMap>,
        barcode: Barcode,
        source: Place,
        destination: Place,
        by: MovedBy,
    ) -> Result<Barcode, MoveError> {
        let fault = self.fault_at(source);
        if fault.is_none() {
            self.take(source)?;
        }
        let mut after = SlotMap::clone(&before);
        after.relocate(&barcode, destination, by == MovedBy::Operator);
        if let Err(error) = self.keep(after) {
            self.put_back(source, &barcode, fault);
            return Err(error.into());
        }
        self.clear_fault(source);
        if let Err(error) = self.put(destination, &barcode) {
            self.undo(before, source, destination, &barcode, fault, &error);
            return Err(MoveError::Load { place: destination, source: error });
        }
        info!("loader {}: tape {barcode} moved from {source} to {destination}", self.settings.name);
        Ok(barcode)
    }

    /// What is moved: the map as it is, and the tape.
    fn check_move(&self, source: Place, destination: Place) -> Result<(Arc<SlotMap>, Barcode), MoveError> {
        if !self.counts.contains(source) {
            return Err(MoveError::NoSuchElement { place: source });
        }
        if !self.counts.contains(destination) {
            return Err(MoveError::NoSuchElement { place: destination });
        }
        let Some(barcode) = self.state().map.tape_at(source).cloned() else {
            return Err(MoveError::SourceEmpty { place: source });
        };
        Ok((self.check_destination(destination)?, barcode))
    }

    /// Whether a tape can be put there; gives the map as it is.
    fn check_destination(&self, destination: Place) -> Result<Arc<SlotMap>, MoveError> {
        if !self.counts.contains(destination) {
            return Err(MoveError::NoSuchElement { place: destination });
        }
        let map = Arc::clone(&self.state().map);
        match map.tape_at(destination) {
            Some(_) => Err(MoveError::DestinationFull { place: destination }),
            None => Ok(map),
        }
    }

    /// The fault of the drive at `place`: it has not mounted the tape that the map has in it.
    pub(super) fn fault_at(&self, place: Place) -> Option<String> {
        let Place::Drive(index) = place else { return None };
        self.state().faults.get(usize::from(index)).cloned().flatten()
    }

    pub(super) fn take(&self, source: Place) -> Result<(), MoveError> {
        let Place::Drive(index) = source else { return Ok(()) };
        let Some(bay) = self.bays.get(usize::from(index)) else { return Ok(()) };
        bay.remove().map_err(|error| MoveError::Unload { place: source, source: error })
    }

    pub(super) fn put(&self, destination: Place, barcode: &Barcode) -> Result<(), BayError> {
        let Place::Drive(index) = destination else { return Ok(()) };
        let Some(bay) = self.bays.get(usize::from(index)) else { return Ok(()) };
        bay.insert(&self.tape_directory(barcode), barcode)
    }

    /// After a failed load: the tape goes back where it was.
    fn undo(
        &self,
        before: Arc<SlotMap>,
        source: Place,
        destination: Place,
        barcode: &Barcode,
        fault: Option<String>,
        error: &BayError,
    ) {
        warn!("loader {}: tape {barcode} cannot be loaded into {destination}: {error}", self.settings.name);
        match self.keep(before) {
            Ok(()) => self.put_back(source, barcode, fault),
            Err(state_error) => {
                warn!("loader {}: tape {barcode} stays in {destination}: {state_error}", self.settings.name);
                if let Place::Drive(index) = destination {
                    self.state().set_fault(index, Some(error.to_string()));
                }
            }
        }
    }

    /// The tape is at `source` again: mounted if that is a drive which had it mounted, else with the fault it had.
    pub(super) fn put_back(&self, source: Place, barcode: &Barcode, fault: Option<String>) {
        let Place::Drive(index) = source else { return };
        match fault {
            None => self.mount(index, barcode),
            Some(_) => self.state().set_fault(index, fault),
        }
    }

    pub(super) fn clear_fault(&self, place: Place) {
        if let Place::Drive(index) = place {
            self.state().set_fault(index, None);
        }
    }
}
