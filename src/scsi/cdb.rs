//! Command descriptor blocks: a reader that cannot run over the end, and the operation codes this program knows.
//!
//! Must not know what a command does.

use super::sense::Sense;

/// TEST UNIT READY.
pub const TEST_UNIT_READY: u8 = 0x00;
/// REWIND (drives), REZERO UNIT (changers).
pub const REWIND: u8 = 0x01;
/// REQUEST SENSE.
pub const REQUEST_SENSE: u8 = 0x03;
/// READ BLOCK LIMITS.
pub const READ_BLOCK_LIMITS: u8 = 0x05;
/// INITIALIZE ELEMENT STATUS.
pub const INITIALIZE_ELEMENT_STATUS: u8 = 0x07;
/// READ(6).
pub const READ_6: u8 = 0x08;
/// WRITE(6).
pub const WRITE_6: u8 = 0x0a;
/// WRITE FILEMARKS(6).
pub const WRITE_FILEMARKS_6: u8 = 0x10;
/// SPACE(6).
pub const SPACE_6: u8 = 0x11;
/// INQUIRY.
pub const INQUIRY: u8 = 0x12;
/// VERIFY(6).
pub const VERIFY_6: u8 = 0x13;
/// MODE SELECT(6).
pub const MODE_SELECT_6: u8 = 0x15;
/// RESERVE(6).
pub const RESERVE_6: u8 = 0x16;
/// RELEASE(6).
pub const RELEASE_6: u8 = 0x17;
/// ERASE(6).
pub const ERASE_6: u8 = 0x19;
/// MODE SENSE(6).
pub const MODE_SENSE_6: u8 = 0x1a;
/// LOAD UNLOAD.
pub const LOAD_UNLOAD: u8 = 0x1b;
/// PREVENT ALLOW MEDIUM REMOVAL.
pub const PREVENT_ALLOW: u8 = 0x1e;
/// LOCATE(10) (drives), POSITION TO ELEMENT (changers).
pub const LOCATE_10: u8 = 0x2b;
/// READ POSITION.
pub const READ_POSITION: u8 = 0x34;
/// INITIALIZE ELEMENT STATUS WITH RANGE.
pub const INITIALIZE_ELEMENT_STATUS_RANGE: u8 = 0x37;
/// REPORT DENSITY SUPPORT.
pub const REPORT_DENSITY_SUPPORT: u8 = 0x44;
/// LOG SELECT.
pub const LOG_SELECT: u8 = 0x4c;
/// LOG SENSE.
pub const LOG_SENSE: u8 = 0x4d;
/// MODE SELECT(10).
pub const MODE_SELECT_10: u8 = 0x55;
/// RESERVE(10).
pub const RESERVE_10: u8 = 0x56;
/// RELEASE(10).
pub const RELEASE_10: u8 = 0x57;
/// MODE SENSE(10).
pub const MODE_SENSE_10: u8 = 0x5a;
/// PERSISTENT RESERVE IN.
pub const PERSISTENT_RESERVE_IN: u8 = 0x5e;
/// PERSISTENT RESERVE OUT.
pub const PERSISTENT_RESERVE_OUT: u8 = 0x5f;
/// WRITE FILEMARKS(16).
pub const WRITE_FILEMARKS_16: u8 = 0x80;
/// READ(16).
pub const READ_16: u8 = 0x88;
/// WRITE(16).
pub const WRITE_16: u8 = 0x8a;
/// READ ATTRIBUTE.
pub const READ_ATTRIBUTE: u8 = 0x8c;
/// SPACE(16).
pub const SPACE_16: u8 = 0x91;
/// LOCATE(16).
pub const LOCATE_16: u8 = 0x92;
/// REPORT LUNS.
pub const REPORT_LUNS: u8 = 0xa0;
/// MAINTENANCE IN; REPORT SUPPORTED OPERATION CODES is one of its service actions.
pub const MAINTENANCE_IN: u8 = 0xa3;
/// MOVE MEDIUM.
pub const MOVE_MEDIUM: u8 = 0xa5;
/// EXCHANGE MEDIUM.
pub const EXCHANGE_MEDIUM: u8 = 0xa6;
/// REQUEST VOLUME ELEMENT ADDRESS.
pub const REQUEST_VOLUME_ELEMENT_ADDRESS: u8 = 0xb5;
/// SEND VOLUME TAG.
pub const SEND_VOLUME_TAG: u8 = 0xb6;
/// READ ELEMENT STATUS.
pub const READ_ELEMENT_STATUS: u8 = 0xb8;
/// INITIALIZE ELEMENT STATUS WITH RANGE, the older code of the same command.
pub const INITIALIZE_ELEMENT_STATUS_RANGE_VENDOR: u8 = 0xe7;

/// Longest fixed-length CDB in bytes.
const MAXIMUM_BYTES: usize = 16;

/// A CDB of the length that its operation code asks for, and the room the caller has for data.
#[derive(Clone, Copy, Debug)]
pub struct Cdb {
    /// The CDB, zeros behind it: fields are read without a bound check that could fail.
    bytes: [u8; MAXIMUM_BYTES],
    length: usize,
    limit_bytes: u32,
}

impl Cdb {
    /// Checks the length of a CDB by the group of its operation code (SPC-4 4.2.5.1). `limit_bytes` is how much data the
    /// caller can take, whatever the CDB says.
    ///
    /// # Errors
    /// INVALID FIELD IN CDB for a wrong length, with a pointer at the operation code that asks for another.
    pub fn new(cdb: &[u8], limit_bytes: u32) -> Result<Self, Sense> {
        let right = match cdb.first().map(|opcode| opcode >> 5) {
            None => false,
            Some(0) => cdb.len() == 6,
            Some(1 | 2) => cdb.len() == 10,
            Some(4) => cdb.len() == 16,
            Some(5) => cdb.len() == 12,
            // Groups 6 and 7 are the vendors', group 3 is reserved: any length that a fixed CDB can have.
            Some(_) => matches!(cdb.len(), 6 | 10 | 12 | 16),
        };
        if !right {
            return Err(Sense::invalid_byte(0));
        }
        let mut bytes = [0; MAXIMUM_BYTES];
        bytes[..cdb.len()].copy_from_slice(cdb);
        Ok(Self { bytes, length: cdb.len(), limit_bytes })
    }

    /// All its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// The operation code.
    #[must_use]
    pub fn opcode(&self) -> u8 {
        self.bytes[0]
    }

    /// Byte `N`. An `N` behind the longest CDB does not compile.
    #[must_use]
    pub fn byte<const N: usize>(&self) -> u8 {
        const { assert!(N < MAXIMUM_BYTES) };
        self.bytes[N]
    }

    /// The big-endian 16-bit field that begins at byte `N`.
    #[must_use]
    pub fn u16<const N: usize>(&self) -> u16 {
        const { assert!(N + 1 < MAXIMUM_BYTES) };
        u16::from_be_bytes([self.bytes[N], self.bytes[N + 1]])
    }

    /// The big-endian 24-bit field that begins at byte `N`.
    #[must_use]
    pub fn u24<const N: usize>(&self) -> u32 {
        const { assert!(N + 2 < MAXIMUM_BYTES) };
        u32::from_be_bytes([0, self.bytes[N], self.bytes[N + 1], self.bytes[N + 2]])
    }

    /// The big-endian 32-bit field that begins at byte `N`.
    #[must_use]
    pub fn u32<const N: usize>(&self) -> u32 {
        const { assert!(N + 3 < MAXIMUM_BYTES) };
        u32::from_be_bytes([self.bytes[N], self.bytes[N + 1], self.bytes[N + 2], self.bytes[N + 3]])
    }

    /// The big-endian 64-bit field that begins at byte `N`.
    #[must_use]
    pub fn u64<const N: usize>(&self) -> u64 {
        const { assert!(N + 7 < MAXIMUM_BYTES) };
        let (mut field, mut at) = (0, N);
        while at < N + 8 {
            field = field << 8 | u64::from(self.bytes[at]);
            at += 1;
        }
        field
    }

    /// Bit `bit` of byte `N`.
    #[must_use]
    pub fn bit<const N: usize>(&self, bit: u8) -> bool {
        self.byte::<N>() >> bit & 1 == 1
    }

    /// How many bytes of data may go back when the CDB's allocation length is `allocation_bytes`.
    #[must_use]
    pub fn room(&self, allocation_bytes: u32) -> usize {
        usize::try_from(allocation_bytes.min(self.limit_bytes)).unwrap_or(usize::MAX)
    }

    /// Cuts data to the allocation length, which is no error (SPC-4 4.2.5.6).
    #[must_use]
    pub fn cut(&self, mut data: Vec<u8>, allocation_bytes: impl Into<u32>) -> Vec<u8> {
        data.truncate(self.room(allocation_bytes.into()));
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operation_code_sets_the_length() {
        for (opcode, length) in
            [(0x00, 6), (0x1f, 6), (0x20, 10), (0x5a, 10), (0x88, 16), (0xa5, 12), (0xb8, 12)]
        {
            for given in 0..20 {
                let mut cdb = vec![0; given];
                if let Some(first) = cdb.first_mut() {
                    *first = opcode;
                }
                assert_eq!(Cdb::new(&cdb, 0).is_ok(), given == length, "{opcode:#x} {given}");
            }
        }
        assert!(Cdb::new(&[0xe7; 17], 0).is_err());
    }

    #[test]
    fn fields_are_big_endian_and_data_is_cut_to_the_smaller_room() {
        let cdb = Cdb::new(&[0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 5).unwrap();
        assert_eq!((cdb.u16::<2>(), cdb.u24::<7>(), cdb.u32::<2>()), (0x0203, 0x07_0809, 0x0203_0405));
        assert_eq!(cdb.u64::<3>(), 0x0304_0506_0708_090a);
        assert!(cdb.bit::<1>(0) && !cdb.bit::<1>(1));
        assert_eq!(cdb.cut(vec![0; 9], 7_u8).len(), 5);
        assert_eq!(cdb.cut(vec![0; 9], 3_u8).len(), 3);
    }
}
