//! What the tests of both devices share: `COMMANDS.md` made from a table, and what must be true of any table.

use std::fmt::Write as _;

use super::{Command, Conflict};
use crate::scsi::cdb::Cdb;
use crate::scsi::outcome::Outcome;
use crate::scsi::sense::{FieldPointer, SenseKey};

const HEAD: &str = "\
Made from the table in `commands.rs` beside it, which is also what dispatches commands and answers REPORT SUPPORTED
OPERATION CODES; a test holds this file to it. Any other operation code is refused as INVALID COMMAND OPERATION CODE
(5h/20h/00h), any other service action, and any bit set that is not looked at, as INVALID FIELD IN CDB (5h/24h/00h), with a pointer
at it. Not refused: the control byte, and bits 5 to 7 of byte 1 in CDBs of up to 12 bytes, the logical unit number of SCSI-2.

*Bits looked at*: for each byte behind the operation code, in hexadecimal. *Conflicts with*: which reservations of another
initiator keep the command away, with RESERVATION CONFLICT: *exclusive* stands for RESERVE and persistent reservations of
exclusive access, *all* for RESERVE and every persistent reservation.

| code | command | CDB bytes | bits looked at | conflicts with | fields |
|---|---|---|---|---|---|
";

/// The document of a device that is called `device`.
fn document<H: Copy>(device: &str, table: &[Command<H>]) -> String {
    let mut text = format!("# Commands of the {device}\n\n{HEAD}");
    for command in table {
        let code = match command.service_action {
            Some(action) => format!("{:02X}h/{action:02X}h", command.opcode),
            None => format!("{:02X}h", command.opcode),
        };
        let usage: Vec<_> = command.usage[1..].iter().map(|byte| format!("{byte:02x}")).collect();
        let conflict = match command.conflict {
            Conflict::Never => "none",
            Conflict::Plain => "RESERVE",
            Conflict::Exclusive => "exclusive",
            Conflict::Any => "all",
        };
        let (name, length, usage, note) = (command.name, command.usage.len(), usage.join(" "), command.note);
        let _ = writeln!(text, "| {code} | {name} | {length} | `{usage}` | {conflict} | {note} |");
    }
    text.replace("|  |\n", "| |\n")
}

/// Holds `src/scsi/DIRECTORY/COMMANDS.md` to the table; with TAPESILO_WRITE_COMMANDS set it is written.
pub(in crate::scsi) fn check<H: Copy>(directory: &str, device: &str, table: &[Command<H>]) {
    let text = document(device, table);
    let path = format!("{}/src/scsi/{directory}/COMMANDS.md", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("TAPESILO_WRITE_COMMANDS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, text, "write it anew: TAPESILO_WRITE_COMMANDS=1 cargo test --lib the_document_says");
}

/// A table is in order, and every row's length is that of its operation code.
pub(in crate::scsi) fn check_order<H: Copy>(table: &[Command<H>]) {
    let codes: Vec<_> = table.iter().map(|row| (row.opcode, row.service_action)).collect();
    assert!(codes.is_sorted() && codes.windows(2).all(|pair| pair[0] != pair[1]), "{codes:02x?}");
    for row in table {
        assert!(Cdb::new(row.usage, 0).is_ok(), "{}: length {}", row.name, row.usage.len());
        assert_eq!(row.usage.last(), Some(&0), "{}: the control byte", row.name);
    }
}

/// Sends a device every CDB with one bit that its command does not look at, every operation code and service action that it
/// does not have, and every wrong length. Each is refused with a pointer at what is wrong.
pub(in crate::scsi) fn check_refusals<H: Copy>(
    table: &[Command<H>],
    mut execute: impl FnMut(&[u8]) -> Outcome,
) {
    let mut refused = |cdb: &[u8], asc: u8, byte: u8, bit: Option<u8>| {
        let sense = execute(cdb).sense.unwrap_or_else(|| panic!("{cdb:02x?} is not refused"));
        let pointer = FieldPointer { in_data: false, byte: byte.into(), bit };
        assert_eq!(
            (sense.key, sense.asc, sense.ascq, sense.field),
            (SenseKey::IllegalRequest, asc, 0, Some(pointer)),
            "{cdb:02x?}"
        );
    };
    for row in table {
        let mut cdb = vec![0; row.usage.len()];
        (cdb[0], cdb[1]) = (row.opcode, row.service_action.unwrap_or(0));
        for at in 1..row.usage.len() - 1 {
            for bit in 0..8 {
                let is_lun = at == 1 && bit >= 5 && row.usage.len() < 16;
                if row.usage[at] >> bit & 1 == 0 && !is_lun {
                    let mut wrong = cdb.clone();
                    wrong[at] |= 1 << bit;
                    refused(&wrong, 0x24, u8::try_from(at).unwrap(), Some(bit));
                }
            }
        }
        for action in (0..0x20).filter(|_| row.service_action.is_some()) {
            if !table.iter().any(|other| other.has_code(row.opcode, Some(action))) {
                cdb[1] = action;
                refused(&cdb, 0x24, 1, Some(4));
            }
        }
        for length in (1..20).filter(|length| *length != row.usage.len()) {
            let mut wrong = vec![0; length];
            wrong[0] = row.opcode;
            if let (Some(byte), Some(action)) = (wrong.get_mut(1), row.service_action) {
                *byte = action;
            }
            refused(&wrong, 0x24, 0, None);
        }
    }
    for opcode in (0..=u8::MAX).filter(|code| !table.iter().any(|row| row.opcode == *code)) {
        let length = match opcode >> 5 {
            0 => 6,
            4 => 16,
            5 => 12,
            _ => 10,
        };
        let mut cdb = vec![0; length];
        cdb[0] = opcode;
        refused(&cdb, 0x20, 0, None);
    }
}
