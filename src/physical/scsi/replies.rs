//! What drives answer (SSC-4, SPC-4): positions, limits, mode parameters, alerts, the cartridge's memory; taken apart.
//!
//! Must not know how it was asked. Whatever is missing in an answer is not known; nothing panics.

use super::inquiry::text;
use crate::physical::drive::{Alerts, Place};
use crate::vtl::tape_drive::RecordLimits;

/// A drive's answer to READ POSITION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// What it knows.
    pub(super) place: Place,
    /// It says that it stands at the beginning of the tape.
    pub(super) at_beginning: bool,
}

/// The long form (32 bytes). None if it is shorter, or not this form.
pub(super) fn parse_position_long(data: &[u8]) -> Option<Told> {
    const OBJECT_UNKNOWN: u8 = 0x04;
    const FILE_UNKNOWN: u8 = 0x08;
    let data = data.first_chunk::<32>()?;
    let field = |at: usize| data[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let flags = data[0];
    let object = (flags & OBJECT_UNKNOWN == 0).then(|| field(8));
    let file = (flags & FILE_UNKNOWN == 0).then(|| field(16));
    Some(Told { place: Place { object, file, record: None }, at_beginning: flags & 0x80 != 0 })
}

/// The short form (20 bytes).
pub(super) fn parse_position_short(data: &[u8]) -> Option<Told> {
    const OBJECT_UNKNOWN: u8 = 0x04;
    const OVERFLOW: u8 = 0x02;
    let data = data.first_chunk::<20>()?;
    let flags = data[0];
    let is_known = flags & (OBJECT_UNKNOWN | OVERFLOW) == 0;
    let object = is_known.then(|| u64::from(u32::from_be_bytes([data[4], data[5], data[6], data[7]])));
    Some(Told { place: Place { object, ..Place::UNKNOWN }, at_beginning: flags & 0x80 != 0 })
}

/// READ BLOCK LIMITS. A maximum of 0 means that there is none but that of the CDB.
pub(super) fn parse_limits(data: &[u8]) -> Option<RecordLimits> {
    const BYTES_MAX: u32 = 0x00ff_ffff;
    let data = data.first_chunk::<6>()?;
    let maximum_bytes = match u32::from_be_bytes([0, data[1], data[2], data[3]]) {
        0 => BYTES_MAX,
        other => other,
    };
    Some(RecordLimits { minimum_bytes: u16::from_be_bytes([data[4], data[5]]).max(1), maximum_bytes })
}

/// The head of the answer to MODE SENSE(6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) is_write_protected: bool,
    pub(super) density: u8,
    pub(super) block_bytes: u32,
    pub(super) is_buffered: bool,
}

pub(super) fn parse_mode(data: &[u8]) -> Option<Mode> {
    let (header, behind) = data.split_first_chunk::<4>()?;
    let specific = header[2];
    let descriptor = behind.first_chunk::<8>().filter(|_| header[3] >= 8);
    Some(Mode {
        is_write_protected: specific & 0x80 != 0,
        density: descriptor.map_or(0, |bytes| bytes[0]),
        block_bytes: descriptor.map_or(0, |bytes| u32::from_be_bytes([0, bytes[5], bytes[6], bytes[7]])),
        is_buffered: specific & 0x70 != 0,
    })
}

/// The TapeAlert log page (2Eh). None if it is another page.
pub(super) fn parse_alerts(data: &[u8]) -> Option<Alerts> {
    const PAGE: u8 = 0x2e;
    let (header, content) = data.split_first_chunk::<4>()?;
    if header[0] & 0x3f != PAGE {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let mut rest = &content[..content.len().min(length)];
    let mut alerts = 0u64;
    while let Some((parameter, behind)) = rest.split_first_chunk::<4>() {
        let (value, behind) = behind.split_at(behind.len().min(usize::from(parameter[3])));
        let number = u32::from(u16::from_be_bytes([parameter[0], parameter[1]]));
        let is_set = value.first().is_some_and(|value| value & 1 != 0);
        if let Some(bit) = number.checked_sub(1).and_then(|bit| 1u64.checked_shl(bit)).filter(|_| is_set) {
            alerts |= bit;
        }
        rest = behind;
    }
    Some(Alerts(alerts))
}

/// What the cartridge's memory says (READ ATTRIBUTE), as far as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) remaining_bytes: Option<u64>,
    pub(super) capacity_bytes: Option<u64>,
    pub(super) serial: Option<String>,
    pub(super) barcode: Option<String>,
    pub(super) is_write_once: Option<bool>,
    pub(super) is_cleaning: bool,
}

pub(super) fn parse_memory(data: &[u8]) -> Memory {
    let mut memory = Memory::default();
    let Some((available, content)) = data.split_first_chunk::<4>() else { return memory };
    let length = usize::try_from(u32::from_be_bytes(*available)).unwrap_or(usize::MAX);
    let mut rest = &content[..content.len().min(length)];
    while let Some((header, behind)) = rest.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let Some((value, behind)) = behind.split_at_checked(length) else { return memory };
        memory.take(u16::from_be_bytes([header[0], header[1]]), value);
        rest = behind;
    }
    memory
}

impl Memory {
    fn take(&mut self, attribute: u16, value: &[u8]) {
        const MEBIBYTE: u64 = 1 << 20;
        const CLEANING: u8 = 0x01;
        const WRITE_ONCE: u8 = 0x80;
        let mebibytes =
            || value.first_chunk().and_then(|value| u64::from_be_bytes(*value).checked_mul(MEBIBYTE));
        let words = || Some(text(value)).filter(|text| !text.is_empty());
        match attribute {
            0x0000 => self.remaining_bytes = mebibytes(),
            0x0001 => self.capacity_bytes = mebibytes(),
            0x0401 => self.serial = words(),
            0x0408 => {
                self.is_write_once = value.first().map(|kind| *kind == WRITE_ONCE);
                self.is_cleaning = value.first() == Some(&CLEANING);
            }
            0x0806 => self.barcode = words(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn positions_are_known_or_not() {
        let mut long = [0u8; 32];
        (long[0], long[15], long[23]) = (0x80, 7, 2);
        let told = parse_position_long(&long).unwrap();
        assert_eq!(
            (told.at_beginning, told.place),
            (true, Place { object: Some(7), file: Some(2), record: None })
        );
        long[0] = 0x0c;
        assert_eq!(parse_position_long(&long).unwrap().place, Place::UNKNOWN);
        assert_eq!(parse_position_long(&long[..31]), None);
        let mut short = [0u8; 20];
        short[7] = 9;
        assert_eq!(parse_position_short(&short).unwrap().place.object, Some(9));
        short[0] = 0x14; // as tgt says
        assert_eq!(parse_position_short(&short).unwrap().place, Place::UNKNOWN);
    }

    #[test]
    fn limits_mode_and_alerts() {
        assert_eq!(
            parse_limits(&[0, 0x10, 0, 0, 0, 4]),
            Some(RecordLimits { minimum_bytes: 4, maximum_bytes: 1 << 20 })
        );
        assert_eq!(parse_limits(&[0; 6]).unwrap().maximum_bytes, 0xff_ffff);
        let mode = parse_mode(&[11, 0, 0x90, 8, 0x58, 0, 0, 0, 0, 0, 2, 0]).unwrap();
        assert_eq!(
            mode,
            Mode { is_write_protected: true, density: 0x58, block_bytes: 512, is_buffered: true }
        );
        let alerts = [0x2e, 0, 0, 15, 0, 4, 0, 1, 1, 0, 20, 0, 1, 1, 0, 21, 0, 1, 0];
        assert_eq!(parse_alerts(&alerts), Some(Alerts(1 << 3 | 1 << 19)));
        assert_eq!(parse_alerts(&[0x2d, 0, 0, 0]), None);
    }

    #[test]
    fn the_memory_of_a_cartridge() {
        let mut data = vec![0, 0, 0, 0];
        for (attribute, value) in [
            (0u16, &[0, 0, 0, 0, 0, 0, 1, 0][..]),
            (0x401, b"SN1   "),
            (0x408, &[0x80]),
            (0x806, b"TST001L6    "),
        ] {
            data.extend(attribute.to_be_bytes());
            data.push(0x80);
            data.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            data.extend(value);
        }
        data[3] = u8::try_from(data.len() - 4).unwrap();
        let memory = parse_memory(&data);
        assert_eq!((memory.remaining_bytes, memory.is_write_once), (Some(256 << 20), Some(true)));
        assert_eq!((memory.serial.as_deref(), memory.barcode.as_deref()), (Some("SN1"), Some("TST001L6")));
        assert_eq!(parse_memory(&data[..data.len() - 1]).barcode, None);
    }

    proptest! {
        #[test]
        fn no_bytes_can_hurt(data in prop::collection::vec(any::<u8>(), 0..200), page in Just(0x2eu8)) {
            parse_position_long(&data);
            parse_position_short(&data);
            parse_limits(&data);
            parse_mode(&data);
            parse_memory(&data);
            let mut data = data;
            if let Some(first) = data.first_mut() { *first = page; }
            parse_alerts(&data);
        }
    }
}
