//! What stands in a cartridge's memory (SPC-4 7.4): the drive's and the cartridge's own attributes, and which ones initiators
//! may write.
//!
//! Must not know of commands.

use super::densities::{current, text};
use crate::scsi::density::{ASSIGNING_ORGANIZATION, MEDIUM_WIDTH_TENTH_MILLIMETRES};
use crate::scsi::personality::DrivePersonality;
use crate::vtl::tape_drive::{
    AttributeFormat, CartridgeMemory, HOST_ATTRIBUTES_BYTES_MAX, HostAttribute, TapeDrive,
};
use AttributeFormat::{Ascii, Binary, Text};

const MEBIBYTE: u64 = 1 << 20;

/// An attribute as READ ATTRIBUTE gives it.
pub(super) struct Attribute {
    pub(super) id: u16,
    is_read_only: bool,
    format: AttributeFormat,
    value: Vec<u8>,
}

impl Attribute {
    /// SPC-4 table 331.
    pub(super) fn encode(&self) -> Vec<u8> {
        const READ_ONLY: u8 = 0x80;
        let mut bytes = self.id.to_be_bytes().to_vec();
        bytes.push(if self.is_read_only { READ_ONLY } else { 0 } | format_code(self.format));
        bytes.extend(u16::try_from(self.value.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(&self.value);
        bytes
    }
}

/// The FORMAT field of an attribute.
pub(super) fn format_code(format: AttributeFormat) -> u8 {
    match format {
        Binary => 0,
        Ascii => 1,
        Text => 2,
    }
}

/// An attribute that initiators may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writable {
    /// None: any.
    pub(super) format: Option<AttributeFormat>,
    /// Bytes of a value, of which there are never none.
    pub(super) lengths: (usize, usize),
}

/// The longest value of an attribute whose length the standard leaves open.
const VALUE_BYTES_MAX: usize = 1024;
/// What initiators of one vendor note among themselves.
const VENDORS_OWN: std::ops::RangeInclusive<u16> = 0x1400..=0x17ff;

/// The attributes of SPC-4 7.4.2.4 that initiators write, in ascending order: format and length.
const WRITABLE: [(u16, AttributeFormat, (usize, usize)); 14] = [
    (0x0800, Ascii, (8, 8)),                // APPLICATION VENDOR
    (0x0801, Ascii, (32, 32)),              // APPLICATION NAME
    (0x0802, Ascii, (8, 8)),                // APPLICATION VERSION
    (0x0803, Text, (160, 160)),             // USER MEDIUM TEXT LABEL
    (0x0804, Ascii, (12, 12)),              // DATE AND TIME LAST WRITTEN
    (0x0805, Binary, (1, 1)),               // TEXT LOCALIZATION IDENTIFIER
    (0x0807, Text, (80, 80)),               // OWNING HOST TEXTUAL NAME
    (0x0808, Text, (160, 160)),             // MEDIA POOL
    (0x0809, Ascii, (16, 16)),              // PARTITION USER TEXT LABEL
    (0x080a, Binary, (1, 1)),               // LOAD/UNLOAD AT PARTITION
    (0x080b, Ascii, (16, 16)),              // APPLICATION FORMAT VERSION
    (0x080c, Binary, (1, VALUE_BYTES_MAX)), // VOLUME COHERENCY INFORMATION
    (0x0820, Binary, (36, 36)),             // MEDIUM GLOBALLY UNIQUE IDENTIFIER
    (0x0821, Binary, (36, 36)),             // MEDIA POOL GLOBALLY UNIQUE IDENTIFIER
];

/// Whether initiators may write an attribute, and what it can be.
pub(super) fn writable(id: u16) -> Option<Writable> {
    if VENDORS_OWN.contains(&id) {
        return Some(Writable { format: None, lengths: (1, VALUE_BYTES_MAX) });
    }
    let known = WRITABLE.iter().find(|(known, ..)| *known == id);
    known.map(|(_, format, lengths)| Writable { format: Some(*format), lengths: *lengths })
}

/// The identifiers of all attributes that there can be, those of vendors' own only if they are there; ascending.
pub(super) fn supported(present: &[Attribute]) -> Vec<u16> {
    let mut ids: Vec<u16> = present.iter().map(|attribute| attribute.id).collect();
    ids.extend(WRITABLE.iter().map(|(id, ..)| *id));
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Every attribute that there is, in ascending order.
pub(super) fn all(
    drive: &mut dyn TapeDrive,
    personality: &DrivePersonality,
    memory: &CartridgeMemory,
    noted: Vec<HostAttribute>,
) -> Vec<Attribute> {
    let used = noted.iter().map(HostAttribute::bytes).sum::<usize>();
    let mut attributes = own(drive, personality, memory, HOST_ATTRIBUTES_BYTES_MAX.saturating_sub(used));
    attributes.extend(noted.into_iter().map(|HostAttribute { id, format, value }| Attribute {
        id,
        is_read_only: false,
        format,
        value,
    }));
    attributes.sort_by_key(|attribute| attribute.id);
    attributes
}

/// The drive's and the cartridge's own (SPC-4 tables 333 to 341), and the barcode, which nobody writes but the label.
fn own(
    drive: &mut dyn TapeDrive,
    personality: &DrivePersonality,
    memory: &CartridgeMemory,
    space_bytes: usize,
) -> Vec<Attribute> {
    const MEDIUM_DATA: u8 = 0x00;
    const MEDIUM_WORM: u8 = 0x80;
    let number =
        |id, value: &[u8]| Attribute { id, is_read_only: true, format: Binary, value: value.to_vec() };
    let ascii = |id, value: &[u8]| Attribute { format: Ascii, ..number(id, value) };
    let eight = |id, value: u64| number(id, &value.to_be_bytes());
    let four = |id, value: u16| number(id, &u32::from(value).to_be_bytes());
    let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let density = current(drive, personality);
    let vendor = String::from_utf8_lossy(&personality.device.product.vendor).into_owned();
    let (life, load) = (&memory.lifetime, &memory.this_load);
    let organization = text::<8>(ASSIGNING_ORGANIZATION);
    vec![
        eight(0x0000, memory.remaining_bytes / MEBIBYTE),
        eight(0x0001, memory.capacity_bytes / MEBIBYTE),
        eight(0x0002, drive.settings().alerts.reverse_bits()),
        eight(0x0003, life.loads),
        eight(0x0004, bytes(space_bytes)),
        ascii(0x0005, &organization),
        number(0x0006, &[density.code]),
        ascii(0x020a, &text::<40>(&format!("{vendor:8}{}", drive.serial()))),
        eight(0x0220, life.bytes_written / MEBIBYTE),
        eight(0x0221, life.bytes_read / MEBIBYTE),
        eight(0x0222, load.bytes_written / MEBIBYTE),
        eight(0x0223, load.bytes_read / MEBIBYTE),
        ascii(0x0400, &text::<8>(&vendor)),
        ascii(0x0401, &text::<32>(&memory.serial)),
        four(0x0402, density.medium_metres),
        four(0x0403, MEDIUM_WIDTH_TENTH_MILLIMETRES),
        ascii(0x0404, &organization),
        number(0x0405, &[density.code]),
        ascii(0x0406, &text::<8>(&date(memory.created_unix_seconds))),
        eight(0x0407, bytes(HOST_ATTRIBUTES_BYTES_MAX)),
        number(0x0408, &[if memory.is_worm { MEDIUM_WORM } else { MEDIUM_DATA }]),
        ascii(0x0806, &text::<32>(&memory.barcode)),
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

#[cfg(test)]
mod tests {
    #[test]
    fn days_have_their_dates() {
        for (seconds, date) in [(0, "19700101"), (951_782_400, "20000229"), (1_709_251_199, "20240229")] {
            assert_eq!(super::date(seconds), date);
        }
    }

    #[test]
    fn the_table_ascends_and_leaves_the_barcode_alone() {
        assert!(super::WRITABLE.is_sorted_by(|before, after| before.0 < after.0));
        assert_eq!(super::writable(0x0806), None);
        assert_eq!(super::writable(0x0000), None);
        assert_eq!(super::writable(0x1400).map(|writable| writable.format), Some(None));
    }
}
