//! Every command of the drive in one table: dispatch, REPORT SUPPORTED OPERATION CODES and `COMMANDS.md` are made of it.
//!
//! Must not know what a command does. What is made of a table is in `scsi::commands`.

use super::{Request, data, logs, memory, modes, motion};
use crate::scsi::cdb;
use crate::scsi::commands::{Command, Conflict, Handled, report_supported};
use crate::scsi::reserve::{self, Call};

type Handler = fn(&mut Request<'_>) -> Handled;

const fn command(
    name: &'static str,
    usage: &'static [u8],
    conflict: Conflict,
    handler: Handler,
) -> Command<Handler> {
    Command::new(name, usage, conflict, handler)
}

use Conflict::{Any, Never, Plain};

const FF: u8 = 0xff;

/// The table, by operation code and service action.
#[rustfmt::skip]
pub(super) const COMMANDS: &[Command<Handler>] = &[
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
    command("RESERVE(6)", reserve::RESERVE_6, Plain, |r| reserved(r, reserve::reserve_unit)),
    command("RELEASE(6)", reserve::RELEASE_6, Never, |r| reserved(r, reserve::release_unit)),
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
    command("RESERVE(10)", reserve::RESERVE_10, Plain, |r| reserved(r, reserve::reserve_unit)),
    command("RELEASE(10)", reserve::RELEASE_10, Never, |r| reserved(r, reserve::release_unit)),
    command("MODE SENSE(10)", &[cdb::MODE_SENSE_10, 0x08, FF, FF, 0, 0, 0, FF, FF, 0], Plain, modes::mode_sense),
    command("PERSISTENT RESERVE IN, READ KEYS", reserve::IN, Plain, |r| reserved(r, reserve::read_keys)).action(0),
    command("PERSISTENT RESERVE IN, READ RESERVATION", reserve::IN, Plain, |r| reserved(r, reserve::read_reservation)).action(1),
    command("PERSISTENT RESERVE IN, REPORT CAPABILITIES", reserve::IN, Plain, |r| reserved(r, reserve::report_capabilities)).action(2),
    command("PERSISTENT RESERVE IN, READ FULL STATUS", reserve::IN, Plain, |r| reserved(r, reserve::read_full_status)).action(3),
    command("PERSISTENT RESERVE OUT, REGISTER", reserve::OUT, Plain, |r| reserved(r, reserve::register)).action(0),
    command("PERSISTENT RESERVE OUT, RESERVE", reserve::OUT, Plain, |r| reserved(r, reserve::reserve)).action(1),
    command("PERSISTENT RESERVE OUT, RELEASE", reserve::OUT, Plain, |r| reserved(r, reserve::release)).action(2),
    command("PERSISTENT RESERVE OUT, CLEAR", reserve::OUT, Plain, |r| reserved(r, reserve::clear)).action(3),
    command("PERSISTENT RESERVE OUT, PREEMPT", reserve::OUT, Plain, |r| reserved(r, reserve::preempt)).action(4),
    command("PERSISTENT RESERVE OUT, PREEMPT AND ABORT", reserve::OUT, Plain, |r| reserved(r, reserve::preempt)).action(5),
    command("PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY", reserve::OUT, Plain, |r| reserved(r, reserve::register_and_ignore)).action(6),
    command("PERSISTENT RESERVE OUT, REGISTER AND MOVE", reserve::OUT, Plain, |r| reserved(r, reserve::register_and_move)).action(7),
    command("WRITE FILEMARKS(16)", &[cdb::WRITE_FILEMARKS_16, 0x03, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0], Any, data::write_filemarks_16),
    command("READ(16)", &[cdb::READ_16, 0x03, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0], Any, data::read_16),
    command("WRITE(16)", &[cdb::WRITE_16, 0x01, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0], Any, data::write_16),
    command("READ ATTRIBUTE", &[cdb::READ_ATTRIBUTE, 0x1f, 0, 0, 0, FF, 0, FF, FF, FF, FF, FF, FF, FF, 0, 0], Plain, memory::read_attribute),
    command("SPACE(16)", &[cdb::SPACE_16, 0x0f, 0, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0, 0], Any, motion::space_16),
    command("LOCATE(16)", &[cdb::LOCATE_16, 0x3b, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0, 0, 0, 0], Any, motion::locate_16),
    command("REPORT LUNS", &[cdb::REPORT_LUNS, 0, FF, 0, 0, 0, FF, FF, FF, FF, 0, 0], Never, super::report_luns).quiet(),
    command("REPORT SUPPORTED OPERATION CODES", &[cdb::MAINTENANCE_IN, 0x1f, 0x87, FF, FF, FF, FF, FF, FF, FF, 0, 0], Plain, supported_codes).action(0x0c),
];

fn supported_codes(request: &mut Request<'_>) -> Handled {
    report_supported(COMMANDS, request.cdb)
}

fn reserved(request: &mut Request<'_>, action: reserve::Action) -> Handled {
    let Request { drive, nexus, cdb, data_out, .. } = request;
    action(&mut Call { reservations: &mut drive.settings().reservations, nexus, cdb, data_out })
}
