//! Sense data as a device sends it (SPC-4 4.5), taken apart: fixed and descriptor format, current and deferred.
//!
//! The other way round, sense that this program makes, is `scsi::sense`. Must not know which command it answers; what it
//! means for a job is `fault`'s.

use std::fmt;

/// The longest sense data that SPC-4 allows, in bytes. What a device sends beyond is not looked at.
pub const SENSE_BYTES_MAX: usize = 252;

/// The sense keys that drivers tell apart.
pub mod key {
    /// Nothing went wrong; something is to be said.
    pub const NO_SENSE: u8 = 0x0;
    /// Done, with an effort.
    pub const RECOVERED_ERROR: u8 = 0x1;
    /// The device cannot be used now.
    pub const NOT_READY: u8 = 0x2;
    /// The cartridge is damaged.
    pub const MEDIUM_ERROR: u8 = 0x3;
    /// The device is damaged.
    pub const HARDWARE_ERROR: u8 = 0x4;
    /// The command is wrong, or not known.
    pub const ILLEGAL_REQUEST: u8 = 0x5;
    /// Something happened to the device since the last command; this one was not executed.
    pub const UNIT_ATTENTION: u8 = 0x6;
    /// The cartridge must not be written.
    pub const DATA_PROTECT: u8 = 0x7;
    /// Nothing is recorded here.
    pub const BLANK_CHECK: u8 = 0x8;
    /// Not executed to the end, perhaps through no fault of the device.
    pub const ABORTED_COMMAND: u8 = 0xb;
    /// The physical end of the tape.
    pub const VOLUME_OVERFLOW: u8 = 0xd;
}

/// Sense data, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct SenseData {
    /// One of [`key`], or another of 0 to 15.
    pub key: u8,
    /// Additional sense code.
    pub asc: u8,
    /// Its qualifier.
    pub ascq: u8,
    /// The INFORMATION field if it is valid; signed, as the residues of sequential devices are.
    pub information: Option<i64>,
    /// A filemark (or setmark) was met.
    pub filemark: bool,
    /// At or behind early warning, or at the beginning of the tape when moving backward.
    pub end_of_medium: bool,
    /// The record's length was not the one asked for.
    pub incorrect_length: bool,
    /// It is about an earlier command; the one it came with was not executed.
    pub is_deferred: bool,
    /// As it came, at most [`SENSE_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
}

impl SenseData {
    /// Takes sense data apart. None if it is no sense data.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = &bytes[..bytes.len().min(SENSE_BYTES_MAX)];
        let code = bytes.first()? & 0x7f;
        let parsed = match code {
            0x70 | 0x71 => Self::parse_fixed(bytes)?,
            0x72 | 0x73 => Self::parse_descriptors(bytes)?,
            _ => return None,
        };
        Some(Self { is_deferred: matches!(code, 0x71 | 0x73), bytes: bytes.to_vec(), ..parsed })
    }

    fn new(key: u8, asc: u8, ascq: u8) -> Self {
        Self {
            key: key & 0x0f,
            asc,
            ascq,
            information: None,
            filemark: false,
            end_of_medium: false,
            incorrect_length: false,
            is_deferred: false,
            bytes: Vec::new(),
        }
    }

    fn set_flags(&mut self, flags: u8) {
        self.filemark = flags & 0x80 != 0;
        self.end_of_medium = flags & 0x40 != 0;
        self.incorrect_length = flags & 0x20 != 0;
    }

    /// What is missing behind the sense key is zero: devices send as little as 8 bytes.
    fn parse_fixed(bytes: &[u8]) -> Option<Self> {
        let flags = *bytes.get(2)?;
        let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
        let mut sense = Self::new(flags, at(12), at(13));
        sense.set_flags(flags);
        if at(0) & 0x80 != 0 {
            sense.information = Some(i64::from(i32::from_be_bytes([at(3), at(4), at(5), at(6)])));
        }
        Some(sense)
    }

    fn parse_descriptors(bytes: &[u8]) -> Option<Self> {
        const INFORMATION: u8 = 0x00;
        const STREAM_COMMANDS: u8 = 0x04;
        let &[_, key, asc, ascq, ..] = bytes else { return None };
        let mut sense = Self::new(key, asc, ascq);
        let length = usize::from(bytes.get(7).copied().unwrap_or(0));
        let mut rest = bytes.get(8..).unwrap_or_default();
        rest = &rest[..rest.len().min(length)];
        while let [kind, length, ..] = *rest {
            let (descriptor, behind) = rest.split_at(rest.len().min(2 + usize::from(length)));
            match (kind, descriptor) {
                (INFORMATION, [_, _, flags, _, value @ ..]) if flags & 0x80 != 0 => {
                    sense.information = value.first_chunk().map(|value| i64::from_be_bytes(*value));
                }
                (STREAM_COMMANDS, [_, _, _, flags, ..]) => sense.set_flags(*flags),
                _ => {}
            }
            rest = behind;
        }
        Some(sense)
    }

    /// Key, additional sense code and qualifier.
    #[must_use]
    pub fn triple(&self) -> (u8, u8, u8) {
        (self.key, self.asc, self.ascq)
    }

    /// Whether this says that the tape stands at the end of what is recorded. Devices say it in three ways.
    #[must_use]
    pub fn is_end_of_data(&self) -> bool {
        self.key == key::BLANK_CHECK
            || (self.key <= key::RECOVERED_ERROR && (self.asc, self.ascq) == (0x00, 0x05))
    }

    /// Whether this says that a filemark was met.
    #[must_use]
    pub fn is_filemark(&self) -> bool {
        self.filemark || (self.key <= key::RECOVERED_ERROR && (self.asc, self.ascq) == (0x00, 0x01))
    }

    /// Whether this says, about something that was done, that the tape's end is near: early warning, programmable
    /// early warning.
    #[must_use]
    pub fn is_early_warning(&self) -> bool {
        self.key <= key::RECOVERED_ERROR
            && (self.end_of_medium || (self.asc == 0x00 && matches!(self.ascq, 0x02 | 0x07)))
    }
}

/// As operators look it up: key/code/qualifier in hexadecimal.
impl fmt::Display for SenseData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deferred = if self.is_deferred { "deferred " } else { "" };
        write!(f, "{deferred}sense {:X}h/{:02X}h/{:02X}h", self.key, self.asc, self.ascq)
    }
}

impl fmt::Debug for SenseData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SenseData({self}, {:02x?})", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scsi::sense::Sense;
    use proptest::prelude::*;

    #[test]
    fn what_we_send_is_what_we_read() {
        let sent = Sense::FILEMARK.with_information(5);
        let read = SenseData::parse(&sent.to_bytes()).unwrap();
        assert_eq!((read.triple(), read.information, read.filemark), ((0, 0, 1), Some(5), true));
        assert!(read.is_filemark() && !read.is_end_of_data() && !read.is_deferred);
        let over =
            SenseData::parse(&Sense::INCORRECT_LENGTH.with_information(u32::MAX - 9).to_bytes()).unwrap();
        assert_eq!((over.information, over.incorrect_length), (Some(-10), true));
        assert_eq!(SenseData::parse(&Sense::NO_MEDIUM.to_bytes()).unwrap().information, None);
    }

    #[test]
    fn both_formats_and_deferred_errors_are_told_apart() {
        let descriptors = [
            0x72, 0x03, 0x0c, 0x01, 0, 0, 0, 16, // header
            0x00, 0x0a, 0x80, 0, 255, 255, 255, 255, 255, 255, 255, 254, // information
            0x04, 0x02, 0, 0x60, // stream commands: EOM, ILI
        ];
        let sense = SenseData::parse(&descriptors).unwrap();
        assert_eq!((sense.triple(), sense.information), ((3, 0x0c, 1), Some(-2)));
        assert!(sense.end_of_medium && sense.incorrect_length && !sense.filemark && !sense.is_deferred);
        assert!(SenseData::parse(&[0x73, 4, 0x44, 0]).unwrap().is_deferred);
        let fixed = SenseData::parse(&[0x71, 0, 0x04]).unwrap();
        assert_eq!((fixed.is_deferred, fixed.triple()), (true, (4, 0, 0)));
        assert_eq!(format!("{fixed}"), "deferred sense 4h/00h/00h");
    }

    #[test]
    fn the_end_of_data_is_said_in_three_ways_and_early_warning_in_three() {
        let sense = |key: u8, ascq: u8, flags: u8| {
            SenseData::parse(&[0x70, 0, key | flags, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, ascq]).unwrap()
        };
        for (key, ascq) in [(0, 5), (8, 5), (8, 0)] {
            assert!(sense(key, ascq, 0).is_end_of_data());
        }
        assert!(!sense(3, 5, 0).is_end_of_data());
        for (key, ascq, flags) in [(0, 2, 0x40), (0, 0, 0x40), (0, 7, 0), (1, 2, 0)] {
            assert!(sense(key, ascq, flags).is_early_warning());
        }
        assert!(!sense(0xd, 2, 0x40).is_early_warning());
    }

    proptest! {
        #[test]
        fn no_bytes_can_hurt(bytes in prop::collection::vec(any::<u8>(), 0..300), code in 0x70u8..0x74) {
            let _ = SenseData::parse(&bytes);
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() { *first = code; }
            if let Some(sense) = SenseData::parse(&bytes) {
                prop_assert!(sense.bytes.len() <= SENSE_BYTES_MAX && sense.key < 16);
            }
        }
    }
}
