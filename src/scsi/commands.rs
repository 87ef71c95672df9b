//! The commands of a device as one table, whatever the device: which command a CDB means, whether it sets bits that the
//! command has no use for, REPORT SUPPORTED OPERATION CODES, and (in tests) `COMMANDS.md`.
//!
//! A row of a table says all that is to be known of a command before it is carried out; its handler does the rest. Must
//! not know what a command does. The tables are `drive::commands` and `changer::commands`.

#[cfg(test)]
pub(super) mod tests;

use super::cdb::Cdb;
use super::outcome::Outcome;
use super::sense::Sense;

/// What a handler gives back. Data together with sense is an outcome too.
pub(super) type Handled = Result<Outcome, Sense>;

/// Which reservations of another initiator keep a command away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// None: it disturbs nobody.
    Never,
    /// RESERVE.
    Plain,
    /// RESERVE, and persistent reservations of exclusive access: it tells of what the holder does.
    Exclusive,
    /// RESERVE and every persistent reservation: it moves something, reads or writes a tape, or sets the device.
    Any,
}

/// A command; `H` is a pointer to the device's handlers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command<H> {
    pub(super) name: &'static str,
    pub(super) opcode: u8,
    /// For an operation code that has several.
    pub(super) service_action: Option<u8>,
    /// The bits that are looked at, a byte for each of the CDB (SPC-4 6.35.3, CDB USAGE DATA). Its length is the CDB's.
    pub(super) usage: &'static [u8],
    pub(super) conflict: Conflict,
    /// With what in its CDB no reservation keeps it away.
    pub(super) is_exempt: fn(&Cdb) -> bool,
    /// Whether a unit attention goes before it.
    pub(super) reports_attention: bool,
    /// Its fields, and what is not done of them; for people, in `COMMANDS.md`.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test writes it into COMMANDS.md"))]
    pub(super) note: &'static str,
    pub(super) handler: H,
}

impl<H: Copy> Command<H> {
    /// A command; the first byte of `usage` is the operation code.
    pub(super) const fn new(
        name: &'static str,
        usage: &'static [u8],
        conflict: Conflict,
        handler: H,
    ) -> Self {
        Self {
            name,
            opcode: usage[0],
            service_action: None,
            usage,
            conflict,
            is_exempt: |_| false,
            reports_attention: true,
            note: "",
            handler,
        }
    }

    /// No unit attention goes before it.
    pub(super) const fn quiet(self) -> Self {
        Self { reports_attention: false, ..self }
    }

    /// No reservation keeps it away if its CDB says so.
    pub(super) const fn exempt_if(self, is_exempt: fn(&Cdb) -> bool) -> Self {
        Self { is_exempt, ..self }
    }

    /// One of several of its operation code.
    pub(super) const fn action(self, service_action: u8) -> Self {
        Self { service_action: Some(service_action), ..self }
    }

    /// What people should know of its fields.
    pub(super) const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// Which reservations keep this very CDB away.
    pub(super) fn conflict_of(&self, cdb: &Cdb) -> Conflict {
        if (self.is_exempt)(cdb) { Conflict::Never } else { self.conflict }
    }

    fn has_code(&self, opcode: u8, service_action: Option<u8>) -> bool {
        self.opcode == opcode && (self.service_action.is_none() || self.service_action == service_action)
    }
}

/// The command that a CDB means. A CDB that sets a bit which the command does not look at is refused with a pointer at
/// the bit, so that nobody believes something done that was not.
pub(super) fn find<H: Copy>(table: &[Command<H>], cdb: &Cdb) -> Result<Command<H>, Sense> {
    const SERVICE_ACTION: u8 = 0x1f;
    let (opcode, action) = (cdb.opcode(), cdb.byte::<1>() & SERVICE_ACTION);
    let Some(command) = table.iter().find(|command| command.has_code(opcode, Some(action))) else {
        let is_known = table.iter().any(|command| command.opcode == opcode);
        return Err(if is_known { Sense::invalid_bit(1, 4) } else { Sense::INVALID_OPERATION_CODE });
    };
    check_usage(command.usage, cdb)?;
    Ok(*command)
}

/// Three places are not looked at though the standards reserve them, because clients set them:
///
/// - the control byte, the last one, as a whole: LINK and FLAG of SCSI-2 and bits of vendors, in which clients put numbers
///   of their own. What is in it changes nothing here (there is no ACA: NACA has no effect). Byte 11 of READ
///   ELEMENT STATUS, which other emulations refuse, is the control byte.
/// - bits 5 to 7 of byte 1 in CDBs of 6, 10 and 12 bytes: SCSI-2's logical unit number, which clients of that time fill in.
///   CDBs of 16 bytes never had it.
fn check_usage(usage: &[u8], cdb: &Cdb) -> Result<(), Sense> {
    const LOGICAL_UNIT_NUMBER: u8 = 0xe0;
    let bytes = cdb.bytes();
    if bytes.len() != usage.len() {
        return Err(Sense::invalid_byte(0));
    }
    let control = usage.len().saturating_sub(1);
    for (at, (given, used)) in (0_u8..).zip(bytes.iter().zip(usage)).take(control).skip(1) {
        let ignored = if at == 1 && usage.len() < 16 { LOGICAL_UNIT_NUMBER } else { 0 };
        let unused = given & !(used | ignored);
        if unused != 0 {
            let highest = u8::try_from(unused.ilog2()).unwrap_or(7);
            return Err(Sense::invalid_bit(at, highest));
        }
    }
    Ok(())
}

/// REPORT SUPPORTED OPERATION CODES (SPC-4 6.35) of a table.
pub(super) fn report_supported<H: Copy>(table: &[Command<H>], cdb: &Cdb) -> Handled {
    const ALL: u8 = 0;
    const BY_OPCODE: u8 = 1;
    const BY_ACTION: u8 = 2;
    const EITHER: u8 = 3;
    let with_timeouts = cdb.bit::<2>(7);
    let (opcode, action) = (cdb.byte::<3>(), cdb.u16::<4>());
    let has_actions = table.iter().any(|known| known.opcode == opcode && known.service_action.is_some());
    let data = match cdb.byte::<2>() & 0x07 {
        ALL => all_commands(table, with_timeouts),
        BY_OPCODE if has_actions => return Err(Sense::invalid_bit(2, 2)),
        BY_ACTION if !has_actions => return Err(Sense::invalid_bit(2, 2)),
        BY_OPCODE | BY_ACTION | EITHER => {
            let action = u8::try_from(action).ok();
            let command = table.iter().find(|command| command.has_code(opcode, action));
            one_command(command, with_timeouts)
        }
        _ => return Err(Sense::invalid_bit(2, 2)),
    };
    Ok(Ok(cdb.cut(data, cdb.u32::<6>())).into())
}

/// A command timeouts descriptor that gives none.
const NO_TIMEOUTS: [u8; 12] = [0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn all_commands<H: Copy>(table: &[Command<H>], with_timeouts: bool) -> Vec<u8> {
    const HAS_TIMEOUTS: u8 = 0x02;
    const HAS_SERVICE_ACTION: u8 = 0x01;
    let mut list = Vec::new();
    for command in table {
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

fn one_command<H: Copy>(command: Option<&Command<H>>, with_timeouts: bool) -> Vec<u8> {
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

fn cdb_bytes<H: Copy>(command: &Command<H>) -> u16 {
    u16::try_from(command.usage.len()).unwrap_or(u16::MAX)
}
