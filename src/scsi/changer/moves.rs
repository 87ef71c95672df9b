//! What the robot's hand does: MOVE MEDIUM, EXCHANGE MEDIUM, POSITION TO ELEMENT, REZERO UNIT, and the inventory.
//!
//! Must not know how a move survives a crash; that is the loader's.

use tracing::warn;

use super::{Request, done};
use crate::scsi::commands::Handled;
use crate::scsi::sense::Sense;
use crate::vtl::bay::BayError;
use crate::vtl::element::Place;
use crate::vtl::loader::{Loader, MoveError, MovedBy};

/// TapeAlert: the robot and a drive do not get on (flag 1), the inventory could not be taken (flag 24).
const ALERT_DRIVE: u64 = 1;
const ALERT_INVENTORY: u64 = 1 << 23;

/// REZERO UNIT: the hand of this robot is always at rest.
pub(super) fn rezero(_: &mut Request<'_>) -> Handled {
    done()
}

/// INITIALIZE ELEMENT STATUS (SMC-3 6.4).
pub(super) fn initialize(request: &mut Request<'_>) -> Handled {
    let loader = request.loader;
    if let Err(error) = loader.rescan() {
        warn!("loader {}: inventory failed: {error}", loader.name());
        loader.robot().alerts |= ALERT_INVENTORY;
        return Err(Sense::INTERNAL_FAILURE);
    }
    done()
}

/// INITIALIZE ELEMENT STATUS WITH RANGE (SMC-3 6.5): the directory is looked at as a whole, but a range must be one.
pub(super) fn initialize_range(request: &mut Request<'_>) -> Handled {
    let (has_range, start) = (request.cdb.bit::<1>(0), request.cdb.u16::<2>());
    let last = request.loader.last_address();
    if has_range && start > last {
        return Err(Sense::INVALID_ELEMENT.at_byte(2));
    }
    initialize(request)
}

/// POSITION TO ELEMENT (SMC-3 6.8): there is no way to go, so a good address is all it takes.
pub(super) fn position_to_element(request: &mut Request<'_>) -> Handled {
    check_transport(request)?;
    place(request.loader, request.cdb.u16::<4>(), 4)?;
    done()
}

/// MOVE MEDIUM (SMC-3 6.6).
pub(super) fn move_medium(request: &mut Request<'_>) -> Handled {
    check_transport(request)?;
    let (loader, cdb) = (request.loader, request.cdb);
    let source = place(loader, cdb.u16::<4>(), 4)?;
    let destination = place(loader, cdb.u16::<6>(), 6)?;
    match loader.move_medium(source, destination, MovedBy::Robot) {
        Ok(_) => loaded(request, &[destination]),
        Err(error) => {
            warn!("loader {}: move from {source} to {destination} refused: {error}", loader.name());
            Err(move_sense(loader, &error))
        }
    }
}

/// EXCHANGE MEDIUM (SMC-3 6.3): the tape at the source goes to the first destination, the one from there to the second.
pub(super) fn exchange_medium(request: &mut Request<'_>) -> Handled {
    check_transport(request)?;
    let (loader, cdb) = (request.loader, request.cdb);
    let source = place(loader, cdb.u16::<4>(), 4)?;
    let first = place(loader, cdb.u16::<6>(), 6)?;
    let second = place(loader, cdb.u16::<8>(), 8)?;
    match loader.exchange_media(source, first, second, MovedBy::Robot) {
        Ok(_) => loaded(request, &[first, second]),
        Err(error) => {
            warn!(
                "loader {}: exchange of {source} with {first}, that to {second}, refused: {error}",
                loader.name()
            );
            Err(move_sense(loader, &error))
        }
    }
}

/// Notes which drives have got tapes.
fn loaded(request: &mut Request<'_>, places: &[Place]) -> Handled {
    let drives = places.iter().filter_map(|place| match place {
        Place::Drive(index) => Some(*index),
        _ => None,
    });
    request.nexus.loaded.extend(drives);
    done()
}

/// The place at an address that stands at `byte` of the CDB. The hand is no place to leave a tape.
fn place(loader: &Loader, address: u16, byte: u8) -> Result<Place, Sense> {
    loader.place_at(address).ok_or(Sense::INVALID_ELEMENT.at_byte(byte))
}

/// The medium transport address of bytes 2 and 3; 0 means the default one.
fn check_transport(request: &Request<'_>) -> Result<(), Sense> {
    let address = request.cdb.u16::<2>();
    if address == 0 || address == request.loader.settings().layout.transport {
        Ok(())
    } else {
        Err(Sense::INVALID_ELEMENT.at_byte(2))
    }
}

/// A tape that a session works with and a tape that PREVENT holds are told alike, as MEDIUM REMOVAL PREVENTED: that is
/// what real robots say of a drive that does not let go, and clients retry on it.
fn move_sense(loader: &Loader, error: &MoveError) -> Sense {
    match error {
        MoveError::NoSuchElement { .. } => Sense::INVALID_ELEMENT,
        MoveError::SourceEmpty { .. } => Sense::SOURCE_EMPTY,
        MoveError::DestinationFull { .. } => Sense::DESTINATION_FULL,
        MoveError::Unload { source, .. } | MoveError::Load { source, .. } => match source {
            BayError::InUse { .. } | BayError::Prevented => Sense::REMOVAL_PREVENTED,
            BayError::Failed { .. } => {
                loader.robot().alerts |= ALERT_DRIVE;
                Sense::LOAD_OR_EJECT_FAILED
            }
        },
        MoveError::State(_) => Sense::INTERNAL_FAILURE,
    }
}
