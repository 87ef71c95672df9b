//! The medium changer (SMC-3) on a virtual loader: one function from a CDB to its outcome.
//!
//! What initiators have set (reservations, alerts, who prevents removal) is the loader's own. `commands` is the table of
//! everything there is, of which dispatch, REPORT SUPPORTED OPERATION CODES and COMMANDS.md are made; `moves` moves tapes and
//! looks for them, `status` is READ ELEMENT STATUS, `search` finds tapes by their labels, `modes` and `logs` tell. A session is told
//! of an operator's hands in the mail slots, and of nothing else: clients take a UNIT ATTENTION on the first command of a
//! session for a broken library. Must not know of NDMP.

mod commands;
mod logs;
mod modes;
mod moves;
mod search;
mod status;
#[cfg(test)]
mod tests;

use super::cdb::{self, Cdb};
use super::commands::{Command, Handled, find};
use super::identity::DeviceIdentity;
use super::outcome::Outcome;
use super::personality::Personality;
use super::sense::Sense;
use super::{Nexus, common, reserve};
use crate::vtl::loader::Loader;

pub use self::search::VolumeSearch;

/// A command on its way: what it is for, from whom, and what came with it.
struct Request<'a> {
    loader: &'a Loader,
    personality: &'a Personality,
    nexus: &'a mut Nexus,
    cdb: &'a Cdb,
    data_out: &'a [u8],
}

/// Executes a command on a loader's robot, which is what `personality` says. `data_out` is the initiator's data,
/// `allocation_bytes` the most data that it takes. May block while a drive loads or unloads.
#[must_use]
pub fn execute(
    loader: &Loader,
    personality: &Personality,
    nexus: &mut Nexus,
    cdb: &[u8],
    data_out: &[u8],
    allocation_bytes: u32,
) -> Outcome {
    let handled = Cdb::new(cdb, allocation_bytes)
        .and_then(|cdb| dispatch(&mut Request { loader, personality, nexus, cdb: &cdb, data_out }));
    handled.unwrap_or_else(|sense| Err(sense).into())
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

/// What the end of a session means for a robot: it prevents nothing any more, and its RESERVE is released.
pub fn end_session(loader: &Loader, nexus: &Nexus) {
    let mut robot = loader.robot();
    robot.prevent_removal(nexus.session, &nexus.name, false);
    reserve::end_session(&mut robot.reservations, nexus);
}

fn dispatch(request: &mut Request<'_>) -> Handled {
    let table = table(request.personality);
    let command = find(&table, request.cdb)?;
    tracing::trace!(command = command.name, "robot");
    if command.reports_attention && !(command.is_exempt)(request.cdb) {
        attention(request)?;
    }
    let conflict = command.conflict_of(request.cdb);
    if reserve::is_conflict(&request.loader.robot().reservations, request.nexus.initiator, conflict) {
        return Ok(Outcome::conflict());
    }
    (command.handler)(request)
}

/// The commands that this robot has.
fn table(personality: &Personality) -> Vec<Command<commands::Handler>> {
    let is_there = |row: &&Command<commands::Handler>| {
        personality.changer.has_exchange || row.opcode != cdb::EXCHANGE_MEDIUM
    };
    commands::COMMANDS.iter().filter(is_there).copied().collect()
}

/// Tells a session once what another initiator has done to its reservations, and that an operator has used a mail slot
/// since its last command.
fn attention(request: &mut Request<'_>) -> Result<(), Sense> {
    let mut robot = request.loader.robot();
    if let Some(news) = reserve::news(&mut robot.reservations, request.nexus.initiator) {
        return Err(news);
    }
    let accesses = robot.mail_accesses();
    match request.nexus.mail_accesses_seen.replace(accesses) {
        Some(seen) if seen != accesses => Err(Sense::MAIL_SLOT_ACCESSED),
        _ => Ok(()),
    }
}

/// GOOD and nothing more.
fn done() -> Handled {
    Ok(Outcome::taken(0))
}

/// The robot is ready as long as it is there.
fn test_unit_ready(_: &mut Request<'_>) -> Handled {
    done()
}

/// REQUEST SENSE: a unit attention comes first, and only once.
fn request_sense(request: &mut Request<'_>) -> Handled {
    let current = attention(request).err().unwrap_or(Sense::NONE);
    Ok(common::request_sense(request.cdb, current).into())
}

fn inquiry(request: &mut Request<'_>) -> Handled {
    Ok(common::inquiry(request.cdb, &identity(request.loader, request.personality), &[]).into())
}

fn report_luns(request: &mut Request<'_>) -> Handled {
    Ok(common::report_luns(request.cdb).into())
}

fn prevent_allow(request: &mut Request<'_>) -> Handled {
    let (prevent, nexus) = (common::prevent(request.cdb)?, &mut *request.nexus);
    nexus.prevent_removal = prevent;
    request.loader.robot().prevent_removal(nexus.session, &nexus.name, prevent);
    done()
}
