//! Every command of the robot in one table: dispatch, REPORT SUPPORTED OPERATION CODES and `COMMANDS.md` are made of it.
//!
//! Must not know what a command does. What is made of a table is in `scsi::commands`.

use super::{Request, logs, modes, moves, search, status};
use crate::scsi::cdb::{self, Cdb};
use crate::scsi::commands::{Command, Conflict, Handled, report_supported};
use crate::scsi::reserve::{self, Call};

pub(super) type Handler = fn(&mut Request<'_>) -> Handled;

const fn command(
    name: &'static str,
    usage: &'static [u8],
    conflict: Conflict,
    handler: Handler,
) -> Command<Handler> {
    Command::new(name, usage, conflict, handler)
}

use Conflict::{Any, Exclusive, Never, Plain};

const FF: u8 = 0xff;

/// The table, by operation code and service action.
#[rustfmt::skip]
pub(super) const COMMANDS: &[Command<Handler>] = &[
    command("TEST UNIT READY", &[cdb::TEST_UNIT_READY, 0, 0, 0, 0, 0], Plain, super::test_unit_ready),
    command("REZERO UNIT", &[cdb::REWIND, 0, 0, 0, 0, 0], Any, moves::rezero)
        .note("nothing moves: the hand is always at rest"),
    command("REQUEST SENSE", &[cdb::REQUEST_SENSE, 0x01, 0, 0, FF, 0], Never, super::request_sense).quiet()
        .note("DESC refused"),
    command("INITIALIZE ELEMENT STATUS", &[cdb::INITIALIZE_ELEMENT_STATUS, 0, 0, 0, 0, 0], Any, moves::initialize)
        .note("an inventory of the loader's directory"),
    command("INQUIRY", &[cdb::INQUIRY, 0x03, FF, FF, FF, 0], Never, super::inquiry).quiet()
        .note("EVPD, PAGE CODE; CMDDT refused"),
    command("MODE SELECT(6)", &[cdb::MODE_SELECT_6, 0x10, 0, 0, FF, 0], Any, modes::mode_select)
        .note("PF; SP refused; nothing can be changed: a list is held to what MODE SENSE says"),
    command("RESERVE(6)", reserve::RESERVE_6, Plain, |r| reserved(r, reserve::reserve_unit))
        .note("3RDPTY and ELEMENT refused"),
    command("RELEASE(6)", reserve::RELEASE_6, Never, |r| reserved(r, reserve::release_unit))
        .note("3RDPTY and ELEMENT refused"),
    command("MODE SENSE(6)", &[cdb::MODE_SENSE_6, 0x08, FF, FF, FF, 0], Plain, modes::mode_sense)
        .note("DBD (there is no block descriptor), PC but for saved values, PAGE CODE 1Ch 1Dh 1Eh 1Fh 3Fh 00h"),
    command("PREVENT ALLOW MEDIUM REMOVAL", &[cdb::PREVENT_ALLOW, 0, 0, 0, 0x03, 0], Any, super::prevent_allow)
        .exempt_if(|cdb| cdb.byte::<4>() & 0x03 == 0)
        .note("PREVENT 0 and 1; while it is 1 an operator is refused to take tapes out or to use mail slots; 0 conflicts with nothing"),
    command("POSITION TO ELEMENT", &[cdb::LOCATE_10, 0, FF, FF, FF, FF, 0, 0, 0, 0], Any, moves::position_to_element)
        .note("addresses are checked, nothing moves; INVERT refused"),
    command("INITIALIZE ELEMENT STATUS WITH RANGE", RANGE, Any, moves::initialize_range)
        .note("FAST, RANGE and its addresses are checked; the inventory is of everything"),
    command("LOG SELECT", &[cdb::LOG_SELECT, 0x02, 0xff, 0, 0, 0, 0, FF, FF, 0], Any, logs::log_select)
        .note("PCR clears the alerts; SP and parameter lists refused"),
    command("LOG SENSE", &[cdb::LOG_SENSE, 0, FF, 0, 0, FF, FF, FF, FF, 0], Plain, logs::log_sense)
        .note("PC, PAGE CODE 00h 2Eh, PARAMETER POINTER; SP, PPC and subpages refused"),
    command("MODE SELECT(10)", &[cdb::MODE_SELECT_10, 0x10, 0, 0, 0, 0, 0, FF, FF, 0], Any, modes::mode_select)
        .note("as MODE SELECT(6)"),
    command("RESERVE(10)", reserve::RESERVE_10, Plain, |r| reserved(r, reserve::reserve_unit))
        .note("3RDPTY, LONGID and ELEMENT refused"),
    command("RELEASE(10)", reserve::RELEASE_10, Never, |r| reserved(r, reserve::release_unit))
        .note("3RDPTY, LONGID and ELEMENT refused"),
    command("MODE SENSE(10)", &[cdb::MODE_SENSE_10, 0x08, FF, FF, 0, 0, 0, FF, FF, 0], Plain, modes::mode_sense)
        .note("as MODE SENSE(6); LLBAA refused"),
    command("PERSISTENT RESERVE IN, READ KEYS", reserve::IN, Plain, |r| reserved(r, reserve::read_keys)).action(0),
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
    command("REPORT LUNS", &[cdb::REPORT_LUNS, 0, FF, 0, 0, 0, FF, FF, FF, FF, 0, 0], Never, super::report_luns).quiet(),
    command("REPORT SUPPORTED OPERATION CODES", &[cdb::MAINTENANCE_IN, 0x1f, 0x87, FF, FF, FF, FF, FF, FF, FF, 0, 0], Plain, supported_codes).action(0x0c)
        .note("RCTD, all reporting options"),
    command("MOVE MEDIUM", &[cdb::MOVE_MEDIUM, 0, FF, FF, FF, FF, FF, FF, 0, 0, 0, 0], Any, moves::move_medium)
        .note("transport address 0 is the default one; INVERT refused"),
    command("EXCHANGE MEDIUM", &[cdb::EXCHANGE_MEDIUM, 0, FF, FF, FF, FF, FF, FF, FF, FF, 0, 0], Any, moves::exchange_medium)
        .note("the second destination may be the source; INV1 and INV2 refused; not in every personality"),
    command("REQUEST VOLUME ELEMENT ADDRESS", &[cdb::REQUEST_VOLUME_ELEMENT_ADDRESS, 0x1f, FF, FF, FF, FF, 0, FF, FF, FF, 0, 0], Exclusive, search::request_volume_element_address)
        .note("VOLTAG, ELEMENT TYPE CODE, start, number; each element that was sent is not sent again"),
    command("SEND VOLUME TAG", &[cdb::SEND_VOLUME_TAG, 0x0f, FF, FF, 0, 0x1f, 0, 0, FF, FF, 0, 0], Exclusive, search::send_volume_tag)
        .note("ELEMENT TYPE CODE, start, SEND ACTION CODE 0 1 2 4 5 6 (translate); assert, replace and undefine refused"),
    command("READ ELEMENT STATUS", &[cdb::READ_ELEMENT_STATUS, 0x1f, FF, FF, FF, FF, 0x03, FF, FF, FF, 0, 0], Exclusive, status::read_element_status)
        .exempt_if(is_current_data)
        .note("VOLTAG, ELEMENT TYPE CODE, start, number, DVCID; CURDATA: no unit attention goes before it and it conflicts with nothing"),
    command("INITIALIZE ELEMENT STATUS WITH RANGE", RANGE_VENDOR, Any, moves::initialize_range)
        .note("the older code of 37h"),
];

const RANGE: &[u8] = &[cdb::INITIALIZE_ELEMENT_STATUS_RANGE, 0x03, FF, FF, 0, 0, FF, FF, 0, 0];
const RANGE_VENDOR: &[u8] = &[cdb::INITIALIZE_ELEMENT_STATUS_RANGE_VENDOR, 0x03, FF, FF, 0, 0, FF, FF, 0, 0];

fn is_current_data(cdb: &Cdb) -> bool {
    cdb.bit::<6>(1)
}

fn supported_codes(request: &mut Request<'_>) -> Handled {
    report_supported(&super::table(request.personality), request.cdb)
}

fn reserved(request: &mut Request<'_>, action: reserve::Action) -> Handled {
    let Request { loader, nexus, cdb, data_out, .. } = request;
    action(&mut Call { reservations: &mut loader.robot().reservations, nexus, cdb, data_out })
}
