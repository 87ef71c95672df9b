//! The medium changer (SMC-3) on a virtual loader: one function from a CDB to its outcome.
//!
//! Never reports a UNIT ATTENTION: clients take one on the first command of a session for a broken library. RESERVE and
//! RELEASE are not there, so nobody is told of an exclusiveness that does not exist. Must not know of NDMP. READ ELEMENT
//! STATUS is in `status`, the mode pages are in `mode`.

mod mode;
mod status;
#[cfg(test)]
mod tests;

use tracing::warn;

use super::cdb::{self, Cdb};
use super::identity::DeviceIdentity;
use super::outcome::Outcome;
use super::personality::Personality;
use super::sense::Sense;
use super::{Nexus, common};
use crate::vtl::bay::BayError;
use crate::vtl::loader::{Loader, MoveError, MovedBy};

/// Executes a command on a loader's robot, which is what `personality` says. `allocation_bytes` is the most data the caller takes; no command takes data
/// from `_data_out` yet. May block while a drive loads or unloads.
#[must_use]
pub fn execute(
    loader: &Loader,
    personality: &Personality,
    nexus: &mut Nexus,
    cdb: &[u8],
    _data_out: &[u8],
    allocation_bytes: u32,
) -> Outcome {
    Cdb::new(cdb, allocation_bytes).and_then(|cdb| dispatch(loader, personality, nexus, &cdb)).into()
}

/// The robot's INQUIRY identity.
#[must_use]
pub fn identity<'a>(loader: &Loader, personality: &'a Personality) -> DeviceIdentity<'a> {
    DeviceIdentity {
        profile: &personality.changer.device,
        serial: loader.serial(),
        world_wide_name: loader.identity().world_wide_name(),
    }
}

fn dispatch(
    loader: &Loader,
    personality: &Personality,
    nexus: &mut Nexus,
    cdb: &Cdb,
) -> Result<Vec<u8>, Sense> {
    match cdb.opcode() {
        // REZERO UNIT shares its code with REWIND; the hand of this robot is always at rest.
        cdb::TEST_UNIT_READY | cdb::REWIND => Ok(Vec::new()),
        cdb::REQUEST_SENSE => common::request_sense(cdb, Sense::NONE),
        cdb::INQUIRY => common::inquiry(cdb, &identity(loader, personality), &[]),
        cdb::MODE_SENSE_6 | cdb::MODE_SENSE_10 => mode::sense(loader, &personality.changer, cdb),
        cdb::PREVENT_ALLOW => {
            nexus.prevent_removal = common::prevent(cdb)?;
            Ok(Vec::new())
        }
        cdb::REPORT_LUNS => common::report_luns(cdb),
        cdb::READ_ELEMENT_STATUS => status::read(loader, personality, cdb),
        cdb::INITIALIZE_ELEMENT_STATUS
        | cdb::INITIALIZE_ELEMENT_STATUS_RANGE
        | cdb::INITIALIZE_ELEMENT_STATUS_RANGE_VENDOR => initialize(loader),
        cdb::LOCATE_10 => position_to_element(loader, cdb),
        cdb::MOVE_MEDIUM => move_medium(loader, cdb),
        _ => Err(Sense::INVALID_OPERATION_CODE),
    }
}

/// INITIALIZE ELEMENT STATUS (SMC-3 6.4), with and without a range: the directory is looked at as a whole.
fn initialize(loader: &Loader) -> Result<Vec<u8>, Sense> {
    match loader.rescan() {
        Ok(_) => Ok(Vec::new()),
        Err(error) => {
            warn!("loader {}: inventory failed: {error}", loader.name());
            Err(Sense::INTERNAL_FAILURE)
        }
    }
}

/// POSITION TO ELEMENT (SMC-3 6.8): there is no way to go, so a good address is all it takes.
fn position_to_element(loader: &Loader, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    check_transport(loader, cdb)?;
    if cdb.bit::<8>(0) {
        return Err(Sense::invalid_bit(8, 0)); // INVERT
    }
    loader.place_at(cdb.u16::<4>()).ok_or(Sense::INVALID_ELEMENT.at_byte(4))?;
    Ok(Vec::new())
}

/// MOVE MEDIUM (SMC-3 6.6).
fn move_medium(loader: &Loader, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    check_transport(loader, cdb)?;
    if cdb.bit::<10>(0) {
        return Err(Sense::invalid_bit(10, 0)); // INVERT
    }
    let source = loader.place_at(cdb.u16::<4>()).ok_or(Sense::INVALID_ELEMENT.at_byte(4))?;
    let destination = loader.place_at(cdb.u16::<6>()).ok_or(Sense::INVALID_ELEMENT.at_byte(6))?;
    match loader.move_medium(source, destination, MovedBy::Robot) {
        Ok(_) => Ok(Vec::new()),
        Err(error) => {
            warn!("loader {}: move from {source} to {destination} refused: {error}", loader.name());
            Err(move_sense(&error))
        }
    }
}

/// The medium transport address of bytes 2 and 3; 0 means the default one.
fn check_transport(loader: &Loader, cdb: &Cdb) -> Result<(), Sense> {
    let address = cdb.u16::<2>();
    if address == 0 || address == loader.settings().layout.transport {
        Ok(())
    } else {
        Err(Sense::INVALID_ELEMENT.at_byte(2))
    }
}

/// A tape that a session works with and a tape that PREVENT holds are told alike, as MEDIUM REMOVAL PREVENTED: that is
/// what real robots say of a drive that does not let go, and clients retry on it.
fn move_sense(error: &MoveError) -> Sense {
    match error {
        MoveError::NoSuchElement { .. } => Sense::INVALID_ELEMENT,
        MoveError::SourceEmpty { .. } => Sense::SOURCE_EMPTY,
        MoveError::DestinationFull { .. } => Sense::DESTINATION_FULL,
        MoveError::Unload { source, .. } | MoveError::Load { source, .. } => match source {
            BayError::InUse { .. } | BayError::Prevented => Sense::REMOVAL_PREVENTED,
            BayError::Failed { .. } => Sense::LOAD_OR_EJECT_FAILED,
        },
        MoveError::State(_) => Sense::INTERNAL_FAILURE,
    }
}
