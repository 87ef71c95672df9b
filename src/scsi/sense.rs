//! Sense data: why a command ended with CHECK CONDITION, in the fixed format of SPC-4 4.5.3.
//!
//! The named constants are the whole vocabulary of this program. Must not know which command means what.

/// Sense keys (SPC-4 table 48).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SenseKey {
    /// Nothing failed; the bits say what was met.
    NoSense = 0x0,
    /// The device cannot be used now.
    NotReady = 0x2,
    /// The tape is damaged.
    MediumError = 0x3,
    /// The device failed.
    HardwareError = 0x4,
    /// The command is wrong.
    IllegalRequest = 0x5,
    /// Something changed.
    UnitAttention = 0x6,
    /// Write protected.
    DataProtect = 0x7,
    /// End of data met.
    BlankCheck = 0x8,
    /// No room left on the tape.
    VolumeOverflow = 0xd,
}

/// Where an illegal field is (SPC-4 4.5.2.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPointer {
    /// Whether it is in the initiator's data, not in the CDB.
    pub in_data: bool,
    /// Byte of the CDB or of the data, from 0.
    pub byte: u16,
    /// Highest bit of the field within the byte, if it is smaller than the byte.
    pub bit: Option<u8>,
}

/// Sense data before it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// The sense key.
    pub key: SenseKey,
    /// Additional sense code.
    pub asc: u8,
    /// Additional sense code qualifier.
    pub ascq: u8,
    /// The INFORMATION field, with which VALID is set: what was asked for and not done.
    pub information: Option<u32>,
    /// A filemark was met.
    pub filemark: bool,
    /// An end of the tape was met, or early warning.
    pub end_of_medium: bool,
    /// The record has another length than asked for.
    pub incorrect_length: bool,
    /// The illegal field.
    pub field: Option<FieldPointer>,
}

/// Length of encoded sense data in bytes.
pub const SENSE_BYTES: usize = 18;

impl Sense {
    /// Nothing to report.
    pub const NONE: Self = Self::new(SenseKey::NoSense, 0x00, 0x00);
    /// The record has another length than asked for.
    pub const INCORRECT_LENGTH: Self =
        Self { incorrect_length: true, ..Self::new(SenseKey::NoSense, 0x00, 0x00) };
    /// A filemark ended the command.
    pub const FILEMARK: Self = Self { filemark: true, ..Self::new(SenseKey::NoSense, 0x00, 0x01) };
    /// Early warning, or the physical end of the tape.
    pub const END_OF_MEDIUM: Self = Self { end_of_medium: true, ..Self::new(SenseKey::NoSense, 0x00, 0x02) };
    /// The beginning of the tape ended the command.
    pub const BEGINNING_OF_TAPE: Self =
        Self { end_of_medium: true, ..Self::new(SenseKey::NoSense, 0x00, 0x04) };
    /// The end of the recorded data ended the command.
    pub const END_OF_DATA: Self = Self::new(SenseKey::BlankCheck, 0x00, 0x05);
    /// No room is left on the tape.
    pub const VOLUME_OVERFLOW: Self =
        Self { end_of_medium: true, ..Self::new(SenseKey::VolumeOverflow, 0x00, 0x02) };
    /// A tape is being loaded.
    pub const BECOMING_READY: Self = Self::new(SenseKey::NotReady, 0x04, 0x01);
    /// The tape must be loaded first.
    pub const LOAD_REQUIRED: Self = Self::new(SenseKey::NotReady, 0x04, 0x02);
    /// No tape.
    pub const NO_MEDIUM: Self = Self::new(SenseKey::NotReady, 0x3a, 0x00);
    /// The robot's door is open.
    pub const DOOR_OPEN: Self = Self::new(SenseKey::NotReady, 0x04, 0x12);
    /// A cleaning cartridge is in the drive.
    pub const CLEANING: Self = Self::new(SenseKey::NotReady, 0x30, 0x03);
    /// The tape cannot be read here.
    pub const MEDIUM_DAMAGED: Self = Self::new(SenseKey::MediumError, 0x11, 0x00);
    /// The position is not known.
    pub const POSITION_ERROR: Self = Self::new(SenseKey::MediumError, 0x3b, 0x00);
    /// The drive cannot use this kind of tape.
    pub const INCOMPATIBLE_MEDIUM: Self = Self::new(SenseKey::MediumError, 0x30, 0x00);
    /// This program or its host failed.
    pub const INTERNAL_FAILURE: Self = Self::new(SenseKey::HardwareError, 0x44, 0x00);
    /// The drive did not take or give a tape.
    pub const LOAD_OR_EJECT_FAILED: Self = Self::new(SenseKey::HardwareError, 0x53, 0x00);
    /// The parameter list has the wrong length.
    pub const PARAMETER_LIST_LENGTH: Self = Self::new(SenseKey::IllegalRequest, 0x1a, 0x00);
    /// The command is not known.
    pub const INVALID_OPERATION_CODE: Self =
        Self { field: Some(Self::whole(0)), ..Self::new(SenseKey::IllegalRequest, 0x20, 0x00) };
    /// There is no such element, or not for this command.
    pub const INVALID_ELEMENT: Self = Self::new(SenseKey::IllegalRequest, 0x21, 0x01);
    /// A field of the CDB is not supported.
    pub const INVALID_FIELD: Self = Self::new(SenseKey::IllegalRequest, 0x24, 0x00);
    /// A field of the parameter list is not supported.
    pub const INVALID_PARAMETER: Self = Self::new(SenseKey::IllegalRequest, 0x26, 0x00);
    /// RELEASE of another type of persistent reservation than the one held.
    pub const INVALID_RELEASE: Self = Self::new(SenseKey::IllegalRequest, 0x26, 0x04);
    /// No more initiators can be registered.
    pub const INSUFFICIENT_REGISTRATION_RESOURCES: Self = Self::new(SenseKey::IllegalRequest, 0x55, 0x04);
    /// Mode pages are not saved.
    pub const SAVING_NOT_SUPPORTED: Self = Self::new(SenseKey::IllegalRequest, 0x39, 0x00);
    /// The destination holds a tape.
    pub const DESTINATION_FULL: Self = Self::new(SenseKey::IllegalRequest, 0x3b, 0x0d);
    /// The source holds none.
    pub const SOURCE_EMPTY: Self = Self::new(SenseKey::IllegalRequest, 0x3b, 0x0e);
    /// The tape may not be taken out.
    pub const REMOVAL_PREVENTED: Self = Self::new(SenseKey::IllegalRequest, 0x53, 0x02);
    /// The tape must not be written.
    pub const WRITE_PROTECTED: Self = Self::new(SenseKey::DataProtect, 0x27, 0x00);
    /// The disk below the tape has no room for what would be written.
    pub const SPACE_ALLOCATION_FAILED: Self = Self::new(SenseKey::DataProtect, 0x27, 0x07);
    /// A WORM tape must not be overwritten.
    pub const WORM_OVERWRITE: Self = Self::new(SenseKey::DataProtect, 0x30, 0x0c);
    /// A tape was put into the drive since the last command.
    pub const MEDIUM_CHANGED: Self = Self::new(SenseKey::UnitAttention, 0x28, 0x00);
    /// An operator used a mail slot since the last command.
    pub const MAIL_SLOT_ACCESSED: Self = Self::new(SenseKey::UnitAttention, 0x28, 0x01);

    /// Another initiator has preempted the reservation, or cleared all.
    pub const RESERVATIONS_PREEMPTED: Self = Self::new(SenseKey::UnitAttention, 0x2a, 0x03);
    /// A reservation that registrants shared was released.
    pub const RESERVATIONS_RELEASED: Self = Self::new(SenseKey::UnitAttention, 0x2a, 0x04);
    /// Another initiator has preempted one's registration.
    pub const REGISTRATIONS_PREEMPTED: Self = Self::new(SenseKey::UnitAttention, 0x2a, 0x05);
    /// Another command has to come before this one.
    pub const COMMAND_SEQUENCE: Self = Self::new(SenseKey::IllegalRequest, 0x2c, 0x00);

    const fn new(key: SenseKey, asc: u8, ascq: u8) -> Self {
        Self {
            key,
            asc,
            ascq,
            information: None,
            filemark: false,
            end_of_medium: false,
            incorrect_length: false,
            field: None,
        }
    }

    /// INVALID FIELD IN CDB, pointing at the whole of a byte.
    #[must_use]
    pub const fn invalid_byte(byte: u8) -> Self {
        Self { field: Some(Self::whole(byte)), ..Self::INVALID_FIELD }
    }

    /// INVALID FIELD IN CDB, pointing at a field within a byte by its highest bit.
    #[must_use]
    pub const fn invalid_bit(byte: u8, bit: u8) -> Self {
        let field = FieldPointer { bit: Some(bit), ..Self::whole(byte) };
        Self { field: Some(field), ..Self::INVALID_FIELD }
    }

    /// INVALID FIELD IN PARAMETER LIST, pointing at a byte of the initiator's data.
    #[must_use]
    pub const fn invalid_parameter(byte: u16) -> Self {
        let field = FieldPointer { in_data: true, byte, bit: None };
        Self { field: Some(field), ..Self::INVALID_PARAMETER }
    }

    const fn whole(byte: u8) -> FieldPointer {
        FieldPointer { in_data: false, byte: byte as u16, bit: None }
    }

    /// The same with an INFORMATION field.
    #[must_use]
    pub const fn with_information(mut self, information: u32) -> Self {
        self.information = Some(information);
        self
    }

    /// The same with a pointer at the 16-bit field that begins at `byte` of the CDB.
    #[must_use]
    pub const fn at_byte(mut self, byte: u8) -> Self {
        self.field = Some(Self::whole(byte));
        self
    }

    /// The 18 bytes of current, fixed-format sense data.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SENSE_BYTES] {
        let mut bytes = [0; SENSE_BYTES];
        bytes[0] = 0x70;
        if let Some(information) = self.information {
            bytes[0] |= 0x80;
            bytes[3..7].copy_from_slice(&information.to_be_bytes());
        }
        bytes[2] = self.key as u8;
        for (set, bit) in [(self.filemark, 0x80), (self.end_of_medium, 0x40), (self.incorrect_length, 0x20)] {
            bytes[2] |= if set { bit } else { 0 };
        }
        bytes[7] = 10;
        bytes[12] = self.asc;
        bytes[13] = self.ascq;
        if let Some(field) = self.field {
            // SKSV: the pointer is valid; C/D: it points into the CDB.
            bytes[15] = if field.in_data { 0x80 } else { 0xc0 };
            bytes[15] |= field.bit.map_or(0, |bit| 0x08 | (bit & 7));
            bytes[16..18].copy_from_slice(&field.byte.to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sense_data_is_fixed_format_to_the_byte() {
        assert_eq!(
            Sense::FILEMARK.with_information(5).to_bytes(),
            [0xf0, 0, 0x80, 0, 0, 0, 5, 10, 0, 0, 0, 0, 0x00, 0x01, 0, 0, 0, 0]
        );
        assert_eq!(
            Sense::invalid_bit(1, 3).to_bytes(),
            [0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0x00, 0, 0xcb, 0, 1]
        );
        assert_eq!(
            Sense::invalid_parameter(0x102).to_bytes(),
            [0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x26, 0x00, 0, 0x80, 1, 2]
        );
        assert_eq!(
            Sense::INCORRECT_LENGTH.with_information(u32::MAX).to_bytes()[..7],
            [0xf0, 0, 0x20, 255, 255, 255, 255]
        );
        assert_eq!(
            Sense::SOURCE_EMPTY.to_bytes(),
            [0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3b, 0x0e, 0, 0, 0, 0]
        );
        assert_eq!(Sense::VOLUME_OVERFLOW.to_bytes()[2], 0x4d);
    }
}
