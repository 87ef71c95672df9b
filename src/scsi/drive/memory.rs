//! The cartridge's memory: READ ATTRIBUTE and WRITE ATTRIBUTE (SPC-4 6.24, 6.49).
//!
//! `attributes` says what there is. Must not know where it is kept.

use super::attributes::{self, Attribute, format_code};
use super::{Request, fault, ready};
use crate::scsi::cdb::Cdb;
use crate::scsi::commands::Handled;
use crate::scsi::outcome::Outcome;
use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::{AttributeFormat, DriveError, HOST_ATTRIBUTES_BYTES_MAX, HostAttribute};

/// Identifier, format and length in front of each value.
const HEADER_BYTES: usize = 5;
/// The length in front of a list.
const LENGTH_BYTES: usize = 4;

/// READ ATTRIBUTE: values, or the lists of those there are and of those there can be; one volume, one partition.
pub(super) fn read_attribute(request: &mut Request<'_>) -> Handled {
    const VALUES: u8 = 0;
    const LIST: u8 = 1;
    const VOLUMES: u8 = 2;
    const PARTITIONS: u8 = 3;
    const SUPPORTED: u8 = 5;
    let cdb = request.cdb;
    let (action, first) = (cdb.byte::<1>() & 0x1f, cdb.u16::<8>());
    check_place(cdb)?;
    let (drive, personality) = (&mut *request.drive, request.personality);
    ready(drive)?;
    let memory = drive.cartridge_memory().map_err(|error| fault::sense(drive, &error))?;
    let noted = drive.host_attributes().map_err(|error| fault::sense(drive, &error))?;
    let all = attributes::all(drive, personality, &memory, noted);
    let there = || all.iter().filter(|attribute| attribute.id >= first);
    let body: Vec<u8> = match action {
        VALUES => there().flat_map(Attribute::encode).collect(),
        LIST => there().flat_map(|attribute| attribute.id.to_be_bytes()).collect(),
        SUPPORTED => {
            let ids = attributes::supported(&all).into_iter().filter(|id| *id >= first);
            ids.flat_map(u16::to_be_bytes).collect()
        }
        // From number 0 on, one.
        VOLUMES | PARTITIONS => return Ok(Ok(cdb.cut(vec![0, 2, 0, 1], cdb.u32::<10>())).into()),
        _ => return Err(Sense::invalid_bit(1, 4)),
    };
    if body.is_empty() {
        return Err(Sense::invalid_byte(8));
    }
    let mut data = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    data.extend(body);
    Ok(Ok(cdb.cut(data, cdb.u32::<10>())).into())
}

/// The one volume, the one partition.
fn check_place(cdb: &Cdb) -> Result<(), Sense> {
    if cdb.byte::<5>() != 0 {
        return Err(Sense::invalid_byte(5));
    }
    if cdb.byte::<7>() != 0 {
        return Err(Sense::invalid_byte(7));
    }
    Ok(())
}

/// WRITE ATTRIBUTE: all of the list or nothing. Whether through a cache (WTC) or not: it is durable before the answer.
pub(super) fn write_attribute(request: &mut Request<'_>) -> Handled {
    let cdb = request.cdb;
    check_place(cdb)?;
    let drive = &mut *request.drive;
    ready(drive)?;
    let length = cdb.u32::<10>();
    if length == 0 {
        return Ok(Outcome::taken(0));
    }
    let wrong_length = Sense::PARAMETER_LIST_LENGTH.at_byte(10);
    let list = usize::try_from(length).ok().and_then(|length| request.data_out.get(..length));
    let changes = parse(list.ok_or(wrong_length)?)?.ok_or(wrong_length)?;
    let mut attributes = drive.host_attributes().map_err(|error| fault::sense(drive, &error))?;
    for change in changes {
        attributes.retain(|known| known.id != change.id);
        if !change.value.is_empty() {
            attributes.push(change);
        }
    }
    attributes.sort_by_key(|attribute| attribute.id);
    if attributes.iter().map(HostAttribute::bytes).sum::<usize>() > HOST_ATTRIBUTES_BYTES_MAX {
        return Err(Sense::MEMORY_FULL);
    }
    match drive.set_host_attributes(attributes) {
        Ok(()) => Ok(Outcome::taken(length)),
        Err(DriveError::Failed { .. }) => Err(Sense::MEMORY_WRITE_ERROR),
        Err(error) => Err(fault::sense(drive, &error)),
    }
}

/// The attributes of a parameter list, a deleted one without value. None if the list ends within one. The length at its
/// beginning says nothing that the CDB does not, and is not looked at.
fn parse(list: &[u8]) -> Result<Option<Vec<HostAttribute>>, Sense> {
    let (mut at, mut changes): (usize, Vec<HostAttribute>) = (LENGTH_BYTES, Vec::new());
    if list.len() < at {
        return Ok(None);
    }
    while at < list.len() {
        let Some(&[high, low, format, length_high, length_low]) = list.get(at..at + HEADER_BYTES) else {
            return Ok(None);
        };
        let (id, length) =
            (u16::from_be_bytes([high, low]), usize::from(u16::from_be_bytes([length_high, length_low])));
        let format = check(at, id, format, length)?;
        if changes.last().is_some_and(|last| last.id >= id) {
            return Err(invalid_at(at)); // they ascend
        }
        at += HEADER_BYTES;
        let Some(value) = list.get(at..at + length) else { return Ok(None) };
        changes.push(HostAttribute { id, format, value: value.to_vec() });
        at += length;
    }
    Ok(Some(changes))
}

/// Whether the attribute at `at` may be written, in this format and with so many bytes; none deletes it.
fn check(at: usize, id: u16, format: u8, length: usize) -> Result<AttributeFormat, Sense> {
    const FORMAT: u8 = 0x03;
    const READ_ONLY_AND_RESERVED: u8 = !FORMAT;
    let allowed = attributes::writable(id).ok_or_else(|| invalid_at(at))?;
    if format & READ_ONLY_AND_RESERVED != 0 {
        return Err(Sense::invalid_parameter_bit(to_u16(at + 2), 7));
    }
    let format = [AttributeFormat::Binary, AttributeFormat::Ascii, AttributeFormat::Text]
        .into_iter()
        .find(|known| format_code(*known) == format & FORMAT)
        .filter(|known| allowed.format.is_none_or(|wanted| wanted == *known))
        .ok_or_else(|| Sense::invalid_parameter_bit(to_u16(at + 2), 1))?;
    let (least, most) = allowed.lengths;
    if length != 0 && !(least..=most).contains(&length) {
        return Err(invalid_at(at + 3));
    }
    Ok(format)
}

fn invalid_at(at: usize) -> Sense {
    Sense::invalid_parameter(to_u16(at))
}

fn to_u16(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}
