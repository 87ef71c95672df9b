//! What the cartridge and the drive say of the medium: READ ATTRIBUTE (the cartridge's memory, SPC-4 7.4) and REPORT DENSITY
//! SUPPORT (SSC-3 7.8).
//!
//! Must not know where it is kept.

use super::modes::DENSITY_LTO8;
use super::{Handled, Request, fault, ready};
use crate::scsi::personality::DrivePersonality;
use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::{CartridgeMemory, TapeDrive};

const MEBIBYTE: u64 = 1 << 20;
const MEGABYTE: u64 = 1_000_000;

/// An attribute's value as it goes over the wire.
struct Attribute {
    id: u16,
    is_text: bool,
    value: Vec<u8>,
}

fn number(id: u16, value: &[u8]) -> Attribute {
    Attribute { id, is_text: false, value: value.to_vec() }
}

fn text(id: u16, value: &str, length: usize) -> Attribute {
    let mut field = vec![b' '; length];
    field.iter_mut().zip(value.bytes()).for_each(|(to, from)| *to = from);
    Attribute { id, is_text: true, value: field }
}

/// READ ATTRIBUTE (SPC-4 6.24): values, or the list of those there are; one volume, one partition.
pub(super) fn read_attribute(request: &mut Request<'_>) -> Handled {
    const VALUES: u8 = 0;
    const LIST: u8 = 1;
    const VOLUMES: u8 = 2;
    const PARTITIONS: u8 = 3;
    let cdb = request.cdb;
    let (action, first) = (cdb.byte::<1>() & 0x1f, cdb.u16::<8>());
    if cdb.byte::<5>() != 0 {
        return Err(Sense::invalid_byte(5)); // the one volume
    }
    if cdb.byte::<7>() != 0 {
        return Err(Sense::invalid_byte(7)); // the one partition
    }
    let (drive, personality) = (&mut *request.drive, request.personality);
    ready(drive)?;
    let memory = drive.cartridge_memory().map_err(|error| fault::sense(drive, &error))?;
    let attributes = attributes(drive, personality, &memory);
    let data = match action {
        VALUES | LIST => {
            let chosen: Vec<_> = attributes.iter().filter(|attribute| attribute.id >= first).collect();
            if chosen.is_empty() {
                return Err(Sense::invalid_byte(8));
            }
            let body: Vec<u8> = match action {
                LIST => chosen.iter().flat_map(|attribute| attribute.id.to_be_bytes()).collect(),
                _ => chosen.iter().flat_map(|attribute| encode(attribute)).collect(),
            };
            let mut data = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
            data.extend(body);
            data
        }
        VOLUMES | PARTITIONS => vec![0, 2, 0, 1], // from number 0 on, one
        _ => return Err(Sense::invalid_bit(1, 4)),
    };
    Ok(Ok(cdb.cut(data, cdb.u32::<10>())).into())
}

/// All are read-only: nothing here keeps what an initiator would write.
fn encode(attribute: &Attribute) -> Vec<u8> {
    const READ_ONLY: u8 = 0x80;
    const ASCII: u8 = 0x01;
    let mut bytes = attribute.id.to_be_bytes().to_vec();
    bytes.push(READ_ONLY | if attribute.is_text { ASCII } else { 0 });
    bytes.extend(u16::try_from(attribute.value.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(&attribute.value);
    bytes
}

/// The attributes, in ascending order (SPC-4 tables 331 to 341).
fn attributes(
    drive: &mut dyn TapeDrive,
    personality: &DrivePersonality,
    memory: &CartridgeMemory,
) -> Vec<Attribute> {
    const MEDIUM_DATA: u8 = 0x00;
    const MEDIUM_WORM: u8 = 0x80;
    let eight = |id, value: u64| number(id, &value.to_be_bytes());
    let product = personality.device.product;
    let vendor = String::from_utf8_lossy(&product.vendor).into_owned();
    let (life, load) = (&memory.lifetime, &memory.this_load);
    let medium_type = if memory.is_worm { MEDIUM_WORM } else { MEDIUM_DATA };
    vec![
        eight(0x0000, memory.remaining_bytes / MEBIBYTE),
        eight(0x0001, memory.capacity_bytes / MEBIBYTE),
        eight(0x0002, drive.settings().alerts.reverse_bits()),
        eight(0x0003, life.loads),
        eight(0x0004, 0), // no room for an initiator's attributes
        number(0x0006, &[DENSITY_LTO8]),
        text(0x020a, &format!("{vendor:8}{}", drive.serial()), 40),
        eight(0x0220, life.bytes_written / MEBIBYTE),
        eight(0x0221, life.bytes_read / MEBIBYTE),
        eight(0x0222, load.bytes_written / MEBIBYTE),
        eight(0x0223, load.bytes_read / MEBIBYTE),
        text(0x0400, &vendor, 8),
        text(0x0401, &memory.serial, 32),
        number(0x0405, &[DENSITY_LTO8]),
        text(0x0406, &date(memory.created_unix_seconds), 8),
        eight(0x0407, 0),
        number(0x0408, &[medium_type]),
        text(0x0806, &memory.barcode, 32),
    ]
}

/// The day, as YYYYMMDD, in the Gregorian calendar (UTC).
fn date(unix_seconds: u64) -> String {
    // Days since 1 March of year 0, in which leap days come last: the classic of calendars.
    let days = unix_seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}")
}

/// REPORT DENSITY SUPPORT (SSC-3 7.8): LTO-8 alone, of the drive (MEDIA 0) or of the tape in it.
pub(super) fn report_density_support(request: &mut Request<'_>) -> Handled {
    const WRITES: u8 = 0x80;
    const IS_DEFAULT: u8 = 0x20;
    const BITS_PER_MM: u32 = 20_668;
    const WIDTH_TENTHS_MM: u16 = 127;
    const TRACKS: u16 = 6656;
    const LTO8_CAPACITY_BYTES: u64 = 12_000_000_000_000;
    let cdb = request.cdb;
    if cdb.bit::<1>(1) {
        return Err(Sense::invalid_bit(1, 1)); // MEDIUM TYPE
    }
    let capacity_bytes = if cdb.bit::<1>(0) {
        ready(request.drive)?;
        request.drive.capacity_bytes()
    } else {
        LTO8_CAPACITY_BYTES
    };
    let capacity = u32::try_from(capacity_bytes / MEGABYTE).unwrap_or(u32::MAX);
    let mut data = vec![0, 54, 0, 0, DENSITY_LTO8, DENSITY_LTO8, WRITES | IS_DEFAULT, 0, 0];
    data.extend(&BITS_PER_MM.to_be_bytes()[1..]);
    data.extend(WIDTH_TENTHS_MM.to_be_bytes());
    data.extend(TRACKS.to_be_bytes());
    data.extend(capacity.to_be_bytes());
    data.extend(b"LTO-CVE U-8     Ultrium 8/32T       ");
    Ok(Ok(cdb.cut(data, cdb.u16::<7>())).into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn days_have_their_dates() {
        for (seconds, date) in [(0, "19700101"), (951_782_400, "20000229"), (1_709_251_199, "20240229")] {
            assert_eq!(super::date(seconds), date);
        }
    }
}
