//! The sequential-access device (SSC-3) on a tape drive: one function from a CDB to its outcome.
//!
//! The tape's position, the early warning and what initiators have set are the drive's own, which the NDMP tape interface
//! and the mover work with too; nothing of it is kept here. `commands` is the table of everything there is, of which
//! dispatch, REPORT SUPPORTED OPERATION CODES and COMMANDS.md are made; `data` reads and writes, `motion` moves, `modes`,
//! `logs` and `memory` tell, `scsi::reserve` keeps others away, `fault` makes sense data of the drive's errors. Must not know of
//! NDMP.

mod commands;
mod data;
mod fault;
mod logs;
mod memory;
mod modes;
mod motion;
#[cfg(test)]
mod tests;

use super::cdb::Cdb;
use super::commands::{Handled, find};
use super::identity::{DeviceIdentity, Page};
use super::outcome::Outcome;
use super::personality::DrivePersonality;
use super::sense::Sense;
use super::{Nexus, common, reserve};
use crate::vtl::tape_drive::{Medium, TapeDrive};

/// A command on its way: what it is for, from whom, and what came with it.
struct Request<'a> {
    drive: &'a mut dyn TapeDrive,
    personality: &'a DrivePersonality,
    nexus: &'a mut Nexus,
    cdb: &'a Cdb,
    data_out: &'a [u8],
}

/// Executes a command on a drive. `data_out` is the initiator's data, `allocation_bytes` the most data that it takes. May
/// block while the tape moves.
#[must_use]
pub fn execute(
    drive: &mut dyn TapeDrive,
    personality: &DrivePersonality,
    nexus: &mut Nexus,
    cdb: &[u8],
    data_out: &[u8],
    allocation_bytes: u32,
) -> Outcome {
    let handled = Cdb::new(cdb, allocation_bytes)
        .and_then(|cdb| dispatch(&mut Request { drive, personality, nexus, cdb: &cdb, data_out }));
    handled.unwrap_or_else(|sense| Err(sense).into())
}

/// The drive's INQUIRY identity.
#[must_use]
pub fn identity<'a>(drive: &dyn TapeDrive, personality: &'a DrivePersonality) -> DeviceIdentity<'a> {
    DeviceIdentity {
        profile: &personality.device,
        serial: drive.serial(),
        world_wide_name: drive.world_wide_name(),
    }
}

/// What the end of a session means for a drive, apart from closing it: RESERVE is released.
pub fn end_session(drive: &mut dyn TapeDrive, nexus: &Nexus) {
    reserve::end_session(&mut drive.settings().reservations, nexus);
}

fn dispatch(request: &mut Request<'_>) -> Handled {
    let command = find(commands::COMMANDS, request.cdb)?;
    tracing::trace!(command = command.name, "drive");
    if command.reports_attention {
        attention(request)?;
    }
    let reservations = &request.drive.settings().reservations;
    if reserve::is_conflict(reservations, request.nexus.initiator, command.conflict_of(request.cdb)) {
        return Ok(Outcome::conflict());
    }
    (command.handler)(request)
}

/// Tells a session once that another tape was loaded since its last command. A session that is new has missed nothing:
/// clients take a UNIT ATTENTION on their first command for a broken drive.
/// And of what another initiator has done to its reservations.
fn attention(request: &mut Request<'_>) -> Result<(), Sense> {
    let reservations = &mut request.drive.settings().reservations;
    if let Some(news) = reserve::news(reservations, request.nexus.initiator) {
        return Err(news);
    }
    let loads = request.drive.loads();
    match request.nexus.loads_seen.replace(loads) {
        Some(seen) if seen != loads => Err(Sense::MEDIUM_CHANGED),
        _ => Ok(()),
    }
}

fn ready(drive: &mut dyn TapeDrive) -> Result<(), Sense> {
    match drive.medium() {
        Medium::Ready => Ok(()),
        Medium::Unloaded => Err(Sense::LOAD_REQUIRED),
        Medium::Empty => Err(Sense::NO_MEDIUM),
    }
}

/// GOOD and nothing more.
fn done() -> Handled {
    Ok(Outcome::taken(0))
}

fn test_unit_ready(request: &mut Request<'_>) -> Handled {
    ready(request.drive)?;
    done()
}

/// REQUEST SENSE: a unit attention comes first, and only once.
fn request_sense(request: &mut Request<'_>) -> Handled {
    let current = attention(request).and_then(|()| ready(request.drive)).err().unwrap_or(Sense::NONE);
    Ok(common::request_sense(request.cdb, current).into())
}

/// INQUIRY, with the pages that only tape drives have (SSC-3 8.4).
fn inquiry(request: &mut Request<'_>) -> Handled {
    const CAPABILITIES: u8 = 0xb0;
    const MANUFACTURER_SERIAL_NUMBER: u8 = 0xb1;
    const WORM: u8 = 0x01;
    let device = identity(request.drive, request.personality);
    let pages = [
        Page { code: CAPABILITIES, bytes: vec![WORM, 0] },
        Page { code: MANUFACTURER_SERIAL_NUMBER, bytes: device.serial.clone().into_bytes() },
    ];
    Ok(common::inquiry(request.cdb, &device, &pages).into())
}

fn report_luns(request: &mut Request<'_>) -> Handled {
    Ok(common::report_luns(request.cdb).into())
}

fn prevent_allow(request: &mut Request<'_>) -> Handled {
    request.nexus.prevent_removal = common::prevent(request.cdb)?;
    request.drive.prevent_removal(request.nexus.prevent_removal);
    done()
}
