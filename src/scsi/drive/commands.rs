//! Every command of the drive in one table: dispatch, REPORT SUPPORTED OPERATION CODES and `COMMANDS.md` are made of it.
//!
//! Must not know what a command does. What is made of a table is in `scsi::commands`.

use super::{Request, capacity, data, densities, logs, memory, modes, motion};
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
    command("REWIND", &[cdb::REWIND, 0x01, 0, 0, 0, 0], Any, motion::rewind)
        .note("IMMED is taken; the answer comes when it is done"),
    command("REQUEST SENSE", &[cdb::REQUEST_SENSE, 0x01, 0, 0, FF, 0], Never, super::request_sense).quiet()
        .note("DESC refused: sense is of the fixed format"),
    command("FORMAT MEDIUM", &[cdb::FORMAT_MEDIUM, 0x03, 0x0f, FF, FF, 0], Any, capacity::format_medium)
        .note("only at the beginning; FORMAT 0 (one partition); no VERIFY, no list"),
    command("READ BLOCK LIMITS", &[cdb::READ_BLOCK_LIMITS, 0x01, 0, 0, 0, 0], Plain, motion::read_block_limits)
        .note("MLOI refused"),
    command("READ(6)", &[cdb::READ_6, 0x03, FF, FF, FF, 0], Any, data::read_6)
        .note("FIXED (with a block length set), SILI (not with FIXED), TRANSFER LENGTH"),
    command("WRITE(6)", &[cdb::WRITE_6, 0x01, FF, FF, FF, 0], Any, data::write_6)
        .note("FIXED (with a block length set), TRANSFER LENGTH"),
    command("SET CAPACITY", &[cdb::SET_CAPACITY, 0x01, 0, FF, FF, 0], Any, capacity::set_capacity)
        .note("only at the beginning; at least a twentieth of the cartridge's capacity"),
    command("WRITE FILEMARKS(6)", &[cdb::WRITE_FILEMARKS_6, 0x03, FF, FF, FF, 0], Any, data::write_filemarks_6)
        .note("FILEMARK COUNT, 0 too: durable before the answer; IMMED is taken; WSMK refused"),
    command("SPACE(6)", &[cdb::SPACE_6, 0x07, FF, FF, FF, 0], Any, motion::space_6)
        .note("CODE 0 1 3 (records, filemarks, end of data), COUNT in both directions; sequential filemarks and setmarks refused"),
    command("INQUIRY", &[cdb::INQUIRY, 0x03, FF, FF, FF, 0], Never, super::inquiry).quiet()
        .note("EVPD, PAGE CODE 00h 80h 83h B0h B1h and the personality's own; CMDDT refused"),
    command("VERIFY(6)", &[cdb::VERIFY_6, 0x07, FF, FF, FF, 0], Any, data::verify_6)
        .note("FIXED, VERIFICATION LENGTH; IMMED is taken; BYTCMP refused"),
    command("MODE SELECT(6)", &[cdb::MODE_SELECT_6, 0x11, 0, 0, FF, 0], Any, modes::mode_select)
        .note("PF; block length, buffered mode and PEWS can be set, all else is held to what MODE SENSE says; SP refused"),
    command("RESERVE(6)", reserve::RESERVE_6, Plain, |r| reserved(r, reserve::reserve_unit))
        .note("3RDPTY and ELEMENT refused"),
    command("RELEASE(6)", reserve::RELEASE_6, Never, |r| reserved(r, reserve::release_unit))
        .note("3RDPTY and ELEMENT refused"),
    command("ERASE(6)", &[cdb::ERASE_6, 0x03, 0, 0, 0, 0], Any, data::erase_6)
        .note("from here to the end of data, short or LONG alike; IMMED is taken"),
    command("MODE SENSE(6)", &[cdb::MODE_SENSE_6, 0x08, FF, FF, FF, 0], Plain, modes::mode_sense)
        .note("DBD, PC but for saved values, PAGE CODE 01h 02h 0Fh 10h 11h 1Ch 3Fh 00h and the personality's own, SUBPAGE 10h/01h and FFh"),
    command("LOAD UNLOAD", &[cdb::LOAD_UNLOAD, 0x01, 0, 0, 0x0f, 0], Any, motion::load_unload)
        .note("LOAD, RETEN and IMMED are taken; EOT and HOLD refused"),
    command("PREVENT ALLOW MEDIUM REMOVAL", &[cdb::PREVENT_ALLOW, 0, 0, 0, 0x03, 0], Plain, super::prevent_allow)
        .note("PREVENT 0 and 1, until the session ends"),
    command("LOCATE(10)", &[cdb::LOCATE_10, 0x07, 0, FF, FF, FF, FF, 0, FF, 0], Any, motion::locate_10)
        .note("LOGICAL OBJECT IDENTIFIER; BT and IMMED are taken; CP with another partition than 0 refused"),
    command("READ POSITION", &[cdb::READ_POSITION, 0x1f, 0, 0, 0, 0, 0, FF, FF, 0], Plain, motion::read_position)
        .note("SERVICE ACTION 00h 01h (short), 06h (long), 08h (extended, with ALLOCATION LENGTH)"),
    command("REPORT DENSITY SUPPORT", &[cdb::REPORT_DENSITY_SUPPORT, 0x03, 0, 0, 0, 0, 0, FF, FF, 0], Plain, densities::report)
        .note("MEDIA, MEDIUM TYPE, ALLOCATION LENGTH"),
    command("LOG SELECT", &[cdb::LOG_SELECT, 0x03, FF, FF, 0, 0, 0, FF, FF, 0], Any, logs::log_select)
        .note("PCR or PC 3 resets what can be reset; SP and parameter lists refused"),
    command("LOG SENSE", &[cdb::LOG_SENSE, 0x03, FF, FF, 0, FF, FF, FF, FF, 0], Plain, logs::log_sense)
        .note("PC, PAGE CODE 00h 02h 03h 0Ch 11h 12h 14h 17h 2Eh 31h, PARAMETER POINTER; SP, PPC and subpages refused"),
    command("MODE SELECT(10)", &[cdb::MODE_SELECT_10, 0x11, 0, 0, 0, 0, 0, FF, FF, 0], Any, modes::mode_select)
        .note("as MODE SELECT(6)"),
    command("RESERVE(10)", reserve::RESERVE_10, Plain, |r| reserved(r, reserve::reserve_unit))
        .note("3RDPTY, LONGID and ELEMENT refused"),
    command("RELEASE(10)", reserve::RELEASE_10, Never, |r| reserved(r, reserve::release_unit))
        .note("3RDPTY, LONGID and ELEMENT refused"),
    command("MODE SENSE(10)", &[cdb::MODE_SENSE_10, 0x08, FF, FF, 0, 0, 0, FF, FF, 0], Plain, modes::mode_sense)
        .note("as MODE SENSE(6); LLBAA refused"),
    command("PERSISTENT RESERVE IN, READ KEYS", reserve::IN, Plain, |r| reserved(r, reserve::read_keys)).action(0)
        .note("ALLOCATION LENGTH, in every service action"),
    command("PERSISTENT RESERVE IN, READ RESERVATION", reserve::IN, Plain, |r| reserved(r, reserve::read_reservation)).action(1),
    command("PERSISTENT RESERVE IN, REPORT CAPABILITIES", reserve::IN, Plain, |r| reserved(r, reserve::report_capabilities)).action(2),
    command("PERSISTENT RESERVE IN, READ FULL STATUS", reserve::IN, Plain, |r| reserved(r, reserve::read_full_status)).action(3),
    command("PERSISTENT RESERVE OUT, REGISTER", reserve::OUT, Plain, |r| reserved(r, reserve::register)).action(0)
        .note("ALL_TG_PT; SPEC_I_PT and APTPL refused, in every service action"),
    command("PERSISTENT RESERVE OUT, RESERVE", reserve::OUT, Plain, |r| reserved(r, reserve::reserve)).action(1)
        .note("TYPE 1 3 5 6 7 8, SCOPE 0"),
    command("PERSISTENT RESERVE OUT, RELEASE", reserve::OUT, Plain, |r| reserved(r, reserve::release)).action(2),
    command("PERSISTENT RESERVE OUT, CLEAR", reserve::OUT, Plain, |r| reserved(r, reserve::clear)).action(3),
    command("PERSISTENT RESERVE OUT, PREEMPT", reserve::OUT, Plain, |r| reserved(r, reserve::preempt)).action(4),
    command("PERSISTENT RESERVE OUT, PREEMPT AND ABORT", reserve::OUT, Plain, |r| reserved(r, reserve::preempt)).action(5)
        .note("there is nothing to abort"),
    command("PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY", reserve::OUT, Plain, |r| reserved(r, reserve::register_and_ignore)).action(6),
    command("PERSISTENT RESERVE OUT, REGISTER AND MOVE", reserve::OUT, Plain, |r| reserved(r, reserve::register_and_move)).action(7)
        .note("UNREG, TransportID as READ FULL STATUS gives it"),
    command("WRITE FILEMARKS(16)", &[cdb::WRITE_FILEMARKS_16, 0x03, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0], Any, data::write_filemarks_16)
        .note("as WRITE FILEMARKS(6); PARTITION 0; FCS and LCS refused; LOGICAL OBJECT IDENTIFIER: goes there first"),
    command("READ(16)", &[cdb::READ_16, 0x03, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0], Any, data::read_16)
        .note("as READ(6); PARTITION 0; LOGICAL OBJECT IDENTIFIER: goes there first"),
    command("WRITE(16)", &[cdb::WRITE_16, 0x01, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0], Any, data::write_16)
        .note("as WRITE(6); PARTITION 0; FCS and LCS refused; LOGICAL OBJECT IDENTIFIER: goes there first"),
    command("READ ATTRIBUTE", &[cdb::READ_ATTRIBUTE, 0x1f, 0, 0, 0, FF, 0, FF, FF, FF, FF, FF, FF, FF, 0x01, 0], Plain, memory::read_attribute)
        .note("values, list, volumes, partitions, supported attributes; CACHE changes nothing"),
    command("WRITE ATTRIBUTE", &[cdb::WRITE_ATTRIBUTE, 0x01, 0, 0, 0, FF, 0, FF, 0, 0, FF, FF, FF, FF, 0, 0], Any, memory::write_attribute)
        .note("durable before the answer; 4096 bytes of host attributes; BARCODE is ours"),
    command("SPACE(16)", &[cdb::SPACE_16, 0x0f, 0, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0, 0], Any, motion::space_16)
        .note("as SPACE(6); PARAMETER LENGTH 0"),
    command("LOCATE(16)", &[cdb::LOCATE_16, 0x3b, 0, FF, FF, FF, FF, FF, FF, FF, FF, FF, 0, 0, 0, 0], Any, motion::locate_16)
        .note("DEST_TYPE 0 1 3 (object, file, end of data); BAM and IMMED are taken; CP with another partition than 0 refused"),
    command("REPORT LUNS", &[cdb::REPORT_LUNS, 0, FF, 0, 0, 0, FF, FF, FF, FF, 0, 0], Never, super::report_luns).quiet()
        .note("SELECT REPORT 0 1 2: logical unit 0"),
    command("REPORT SUPPORTED OPERATION CODES", &[cdb::MAINTENANCE_IN, 0x1f, 0x87, FF, FF, FF, FF, FF, FF, FF, 0, 0], Plain, supported_codes).action(0x0c)
        .note("RCTD, all reporting options"),
];

fn supported_codes(request: &mut Request<'_>) -> Handled {
    report_supported(COMMANDS, request.cdb)
}

fn reserved(request: &mut Request<'_>, action: reserve::Action) -> Handled {
    let Request { drive, nexus, cdb, data_out, .. } = request;
    action(&mut Call { reservations: &mut drive.settings().reservations, nexus, cdb, data_out })
}
