//! Every command of the drive in one table: dispatch, REPORT SUPPORTED OPERATION CODES and `COMMANDS.md` are made of it.
//!
//! Must not know what a command does.

use super::{Handled, Request, data, logs, memory, modes, motion, reserve};
use crate::scsi::cdb::{self, Cdb};
use crate::scsi::sense::Sense;

/// Which reservations of another initiator keep a command away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// None: it disturbs nobody.
    Never,
    /// RESERVE.
    Plain,
    /// RESERVE and every persistent reservation: it reads, writes or moves the tape, or sets the drive.
    Any,
}

/// A command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) opcode: u8,
    /// For an operation code that has several.
    pub(super) service_action: Option<u8>,
    /// The bits that are looked at, a byte for each of the CDB (SPC-4 6.33.3, CDB USAGE DATA); the control byte's too.
    pub(super) usage: &'static [u8],
    pub(super) conflict: Conflict,
    /// Whether a unit attention goes before it.
    pub(super) reports_attention: bool,
    pub(super) handler: fn(&mut Request<'_>) -> Handled,
}

const fn command(
    name: &'static str,
    usage: &'static [u8],
    conflict: Conflict,
    handler: fn(&mut Request<'_>) -> Handled,
) -> Command {
    Command {
        name,
        opcode: usage[0],
        service_action: None,
        usage,
        conflict,
        reports_attention: true,
        handler,
    }
}

impl Command {
    const fn quiet(self) -> Self {
        Self { reports_attention: false, ..self }
    }

    const fn action(self, service_action: u8) -> Self {
        Self { service_action: Some(service_action), ..self }
    }
}

use Conflict::{Any, Never, Plain};

const FF: u8 = 0xff;

/// The table, by operation code and service action.
#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    command("TEST UNIT READY", &[cdb::TEST_UNIT_READY, 0, 0, 0, 0, 0], Plain, super::test_unit_ready),
    command("REWIND", &[cdb::REWIND, 0x01, 0, 0, 0, 0], Any, motion::rewind),
    command("REQUEST SENSE", &[cdb::REQUEST_SENSE, 0x01, 0, 0, FF, 0], Never, super::request_sense).quiet(),
    command("READ BLOCK LIMITS", &[cdb::READ_BLOCK_LIMITS, 0x01, 0, 0, 0, 0], Plain, motion::read_block_limits),
    command("READ(6)", &[cdb::READ_6, 0x03, FF, FF, FF, 0], Any, data::read_6),
    command("WRITE(6)", &[cdb::WRITE_6, 0x01, FF, FF, FF, 0], Any, data::write_6),
    command("WRITE FILEMARKS(6)", &[cdb::WRITE_FILEMARKS_6, 0x03, FF, FF, FF, 0], Any, data::write_filemarks_6),
    command("SPACE(6)", &[cdb::SPACE_6, 0x07, FF, FF, FF, 0], Any, motion::space_6),
    command("INQUIRY", &[cdb::INQUIRY, 0x03, FF, FF, FF, 0], Never, super::inquiry).quiet(),
    command("VERIFY(6)", &[cdb::VERIFY_6, 0x07, FF, FF, FF, 0], Any, data::verify_6),
    command("MODE SELECT(6)", &[cdb::MODE_SELECT_6, 0x11, 0, 0, FF, 0], Any, modes::mode_select),
    command("RESERVE(6)", &[cdb::RESERVE_6, 0x10, 0, 0, 0, 0], Plain, reserve::reserve_6),
    command("RELEASE(6)", &[cdb::RELEASE_6, 0x10, 0, 0, 0, 0], Never, reserve::release_6),
    command("ERASE(6)", &[cdb::ERASE_6, 0x03, 0, 0, 0, 0], Any, data::erase_6),
    command("MODE SENSE(6)", &[cdb::MODE_SENSE_6, 0x08, FF, FF, FF, 0], Plain, modes::mode_sense),
    command("LOAD UNLOAD", &[cdb::LOAD_UNLOAD, 0x01, 0, 0, 0x0f, 0], Any, motion::load_unload),
    command("PREVENT ALLOW MEDIUM REMOVAL", &[cdb::PREVENT_ALLOW, 0, 0, 0, 0x03, 0], Plain, super::prevent_allow),
    command("LOCATE(10)", &[cdb::LOCATE_10, 0x07, 0, FF, FF, FF, FF, 0, FF, 0], Any, motion::locate_10),
    command("READ POSITION", &[cdb::READ_POSITION, 0x1f, 0, 0, 0, 0, 0, FF, FF, 0], Plain, motion::read_position),
    command("REPORT DENSITY SUPPORT", &[cdb::REPORT_DENSITY_SUPPORT, 0x03, 0, 0, 0, 0, 0, FF, FF, 0], Plain, memory::report_density_support),
    command("LOG SELECT", &[cdb::LOG_SELECT, 0x03, FF, FF, 0, 0, 0, FF, FF, 0], Any, logs::log_select),
    command("LOG SENSE", &[cdb::LOG_SENSE, 0x03, FF, FF, 0, FF, FF, FF, FF, 0], Plain, logs::log_sense),
    command("MODE SELECT(10)", &[cdb::MODE_SELECT_10, 0x11, 0, 0, 0, 0, 0, FF, FF, 0], Any, modes::mode_select),
    command("MODE SENSE(10)", &[cdb::MODE_SENSE_10, 0x08, FF, FF, 0, 0, 0, FF, FF, 0], Plain, modes::mode_sense),
    command("PERSISTENT RESERVE IN, READ KEYS", IN, Plain, reserve::read_keys).action(0),
    command("PERSISTENT RESERVE IN, READ RESERVATION", IN, Plain, reserve::read_reservation).action(1),
    command("PERSISTENT RESERVE IN, REPORT CAPABILITIES", IN, Plain, reserve::report_capabilities).action(2),
    command("PERSISTENT RESERVE OUT, REGISTER", OUT, Plain, reserve::register).action(0),
    command("PERSISTENT RESERVE OUT, RESERVE", OUT, Plain, reserve::reserve).action(1),
    command("PERSISTENT RESERVE OUT, RELEASE", OUT, Plain, reserve::release).action(2),
    command("PERSISTENT RESERVE OUT, CLEAR", OUT, Plain, reserve::clear).action(3),
    command("PERSISTENT RESERVE OUT, PREEMPT", OUT, Plain, reserve::preempt).action(4),
    command("PERSISTENT RESERVE OUT, PREEMPT AND ABORT", OUT, Plain, reserve::preempt).action(5),
    command("PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY", OUT, Plain, reserve::register_and_ignore).action(6),
    command("WRITE FILEMARKS(16)", &[cdb::WRITE_FILEMARKS_16, 0x03, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0], Any, data::write_filemarks_16),
    command("READ(16)", &[cdb::READ_16, 0x03, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0], Any, data::read_16),
    command("WRITE(16)", &[cdb::WRITE_16, 0x01, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0], Any, data::write_16),
    command("READ ATTRIBUTE", &[cdb::READ_ATTRIBUTE, 0x1f, 0, 0, 0, FF, 0, FF, FF, FF, FF, FF, FF, FF, 0, 0], Plain, memory::read_attribute),
    command("SPACE(16)", &[cdb::SPACE_16, 0x0f, 0, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0, 0], Any, motion::space_16),
    command("LOCATE(16)", &[cdb::LOCATE_16, 0x3b, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0, 0, 0, 0], Any, motion::locate_16),
    command("REPORT LUNS", &[cdb::REPORT_LUNS, 0, FF, 0, 0, 0, FF, FF, FF, FF, 0, 0], Never, super::report_luns).quiet(),
    command("REPORT SUPPORTED OPERATION CODES", &[cdb::MAINTENANCE_IN, 0x1f, 0x87, FF, FF, FF, FF, FF, FF, FF, 0, 0], Plain, report_supported).action(0x0c),
];

const IN: &[u8] = &[cdb::PERSISTENT_RESERVE_IN, 0x1f, 0, 0, 0, 0, 0, FF, FF, 0];
const OUT: &[u8] = &[cdb::PERSISTENT_RESERVE_OUT, 0x1f, FF, 0, 0, FF, FF, FF, FF, 0];

/// The command that a CDB means.
pub(super) fn find(cdb: &Cdb) -> Result<&'static Command, Sense> {
    lookup(cdb.opcode(), Some(cdb.byte::<1>() & 0x1f)).ok_or_else(|| {
        let is_known = COMMANDS.iter().any(|command| command.opcode == cdb.opcode());
        if is_known { Sense::invalid_bit(1, 4) } else { Sense::INVALID_OPERATION_CODE }
    })
}

/// The command of an operation code, with its service action if it has several.
fn lookup(opcode: u8, service_action: Option<u8>) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| {
        command.opcode == opcode
            && (command.service_action.is_none() || command.service_action == service_action)
    })
}

/// REPORT SUPPORTED OPERATION CODES (SPC-4 6.33).
fn report_supported(request: &mut Request<'_>) -> Handled {
    const ALL: u8 = 0;
    const BY_OPCODE: u8 = 1;
    const BY_ACTION: u8 = 2;
    const EITHER: u8 = 3;
    let cdb = request.cdb;
    let with_timeouts = cdb.bit::<2>(7);
    let (opcode, action) = (cdb.byte::<3>(), cdb.u16::<4>());
    let has_actions = COMMANDS.iter().any(|known| known.opcode == opcode && known.service_action.is_some());
    let data = match cdb.byte::<2>() & 0x07 {
        ALL => all_commands(with_timeouts),
        BY_OPCODE if has_actions => return Err(Sense::invalid_bit(2, 2)),
        BY_ACTION if !has_actions => return Err(Sense::invalid_bit(2, 2)),
        BY_OPCODE | BY_ACTION | EITHER => {
            one_command(lookup(opcode, u8::try_from(action).ok()), with_timeouts)
        }
        _ => return Err(Sense::invalid_bit(2, 2)),
    };
    Ok(Ok(cdb.cut(data, cdb.u32::<6>())).into())
}

/// A command timeouts descriptor that gives none.
const NO_TIMEOUTS: [u8; 12] = [0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn all_commands(with_timeouts: bool) -> Vec<u8> {
    const HAS_TIMEOUTS: u8 = 0x02;
    const HAS_SERVICE_ACTION: u8 = 0x01;
    let mut list = Vec::new();
    for command in COMMANDS {
        let mut flags = if with_timeouts { HAS_TIMEOUTS } else { 0 };
        flags |= if command.service_action.is_some() { HAS_SERVICE_ACTION } else { 0 };
        list.extend([command.opcode, 0, 0, command.service_action.unwrap_or(0), 0, flags]);
        list.extend(cdb_bytes(command).to_be_bytes());
        list.extend(NO_TIMEOUTS.iter().take_while(|_| with_timeouts));
    }
    let mut data = u32::try_from(list.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    data.extend(list);
    data
}

fn one_command(command: Option<&Command>, with_timeouts: bool) -> Vec<u8> {
    const HAS_TIMEOUTS: u8 = 0x80;
    const NOT_SUPPORTED: u8 = 1;
    const AS_THE_STANDARD_SAYS: u8 = 3;
    let Some(command) = command else { return vec![0, NOT_SUPPORTED, 0, 0] };
    let mut data = vec![0, AS_THE_STANDARD_SAYS | if with_timeouts { HAS_TIMEOUTS } else { 0 }];
    data.extend(cdb_bytes(command).to_be_bytes());
    data.extend(command.usage);
    if let (Some(action), Some(byte)) = (command.service_action, data.get_mut(5)) {
        *byte = *byte & 0xe0 | action;
    }
    data.extend(NO_TIMEOUTS.iter().take_while(|_| with_timeouts));
    data
}

fn cdb_bytes(command: &Command) -> u16 {
    u16::try_from(command.usage.len()).unwrap_or(u16::MAX)
}
