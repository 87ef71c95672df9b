//! Basic header segments (RFC 7143 11): their fields, and the codes that an initiator meets.
//!
//! Must not know of sockets.

/// Length of a basic header segment.
pub(super) const HEADER_BYTES: usize = 48;

/// What an initiator sends.
pub(super) const NOP_OUT: u8 = 0x00;
pub(super) const COMMAND: u8 = 0x01;
pub(super) const LOGIN: u8 = 0x03;
pub(super) const DATA_OUT: u8 = 0x05;
pub(super) const LOGOUT: u8 = 0x06;
/// What a target sends.
pub(super) const NOP_IN: u8 = 0x20;
pub(super) const RESPONSE: u8 = 0x21;
pub(super) const LOGIN_RESPONSE: u8 = 0x23;
pub(super) const DATA_IN: u8 = 0x25;
pub(super) const LOGOUT_RESPONSE: u8 = 0x26;
pub(super) const READY_TO_TRANSFER: u8 = 0x31;
pub(super) const ASYNCHRONOUS: u8 = 0x32;
pub(super) const REJECT: u8 = 0x3f;

/// Not to be queued: it takes no command number.
pub(super) const IMMEDIATE: u8 = 0x40;
pub(super) const FINAL: u8 = 0x80;
/// The reserved tag: none.
pub(super) const NO_TAG: u32 = u32::MAX;

/// A basic header segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header(pub(super) [u8; HEADER_BYTES]);

impl Header {
    pub(super) fn new(opcode: u8, flags: u8) -> Self {
        let mut header = Self([0; HEADER_BYTES]);
        header.0[0] = opcode;
        header.0[1] = flags;
        header
    }

    pub(super) fn opcode(&self) -> u8 {
        self.0[0] & 0x3f
    }

    pub(super) fn flags(&self) -> u8 {
        self.0[1]
    }

    pub(super) fn get<const AT: usize>(&self) -> u32 {
        const { assert!(AT + 4 <= HEADER_BYTES) };
        u32::from_be_bytes([self.0[AT], self.0[AT + 1], self.0[AT + 2], self.0[AT + 3]])
    }

    pub(super) fn set<const AT: usize>(&mut self, value: u32) {
        const { assert!(AT + 4 <= HEADER_BYTES) };
        self.0[AT..AT + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub(super) fn lun(&self) -> [u8; 8] {
        let mut lun = [0; 8];
        lun.copy_from_slice(&self.0[8..16]);
        lun
    }

    pub(super) fn set_lun(&mut self, lun: [u8; 8]) {
        self.0[8..16].copy_from_slice(&lun);
    }

    /// Length of the additional header segments in bytes, at most 1020.
    pub(super) fn additional_bytes(&self) -> usize {
        usize::from(self.0[4]) * 4
    }

    /// Length of the data segment without its padding.
    pub(super) fn data_bytes(&self) -> usize {
        to_usize(self.get::<4>() & 0x00ff_ffff)
    }

    pub(super) fn set_data_bytes(&mut self, length: usize) {
        let [_, bytes @ ..] = to_u32(length).to_be_bytes();
        self.0[5..8].copy_from_slice(&bytes);
    }

    pub(super) fn tag(&self) -> u32 {
        self.get::<16>()
    }
}

/// Whether `a` is not behind `b` in serial number arithmetic (RFC 1982).
pub(super) fn not_behind(a: u32, b: u32) -> bool {
    b.wrapping_sub(a) < 1 << 31
}

pub(super) fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

pub(super) fn to_usize(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_standard_has_them() {
        let mut header = Header::new(DATA_IN | IMMEDIATE, FINAL);
        header.set_data_bytes(0x01_0203);
        header.0[4] = 2;
        header.set::<16>(7);
        header.set_lun([0, 1, 0, 0, 0, 0, 0, 9]);
        assert_eq!((header.opcode(), header.flags()), (DATA_IN, FINAL));
        assert_eq!((header.data_bytes(), header.additional_bytes(), header.tag()), (0x01_0203, 8, 7));
        assert_eq!(header.lun(), [0, 1, 0, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn numbers_are_compared_around_their_end() {
        assert!(not_behind(5, 5) && not_behind(5, 6) && !not_behind(6, 5));
        assert!(not_behind(u32::MAX, 0) && !not_behind(0, u32::MAX));
    }
}
