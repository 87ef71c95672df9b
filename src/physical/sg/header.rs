//! The request that Linux's `sg` driver takes and gives back: `struct sg_io_hdr`, version 3, of <scsi/sg.h>.
//!
//! The addresses in it are plain numbers here. Must not know which file it goes to; read on in the folder's `mod.rs`.

use crate::physical::sense_data::SENSE_BYTES_MAX;

/// How long the structure is where addresses have 64 bits.
pub(super) const HEADER_BYTES: usize = 88;
const INTERFACE: i32 = b'S' as i32;

const AT_DIRECTION: usize = 4;
const AT_CDB_BYTES: usize = 8;
const AT_SENSE_BYTES_MAX: usize = 9;
const AT_DATA_BYTES: usize = 12;
const AT_DATA: usize = 16;
const AT_CDB: usize = 24;
const AT_SENSE: usize = 32;
const AT_TIMEOUT: usize = 40;
const AT_PACK_ID: usize = 48;
const AT_STATUS: usize = 64;
const AT_SENSE_BYTES: usize = 67;
const AT_HOST_STATUS: usize = 68;
const AT_DRIVER_STATUS: usize = 70;
const AT_RESIDUAL: usize = 72;

/// Which way the data go, in the driver's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Direction {
    None = -1,
    ToDevice = -2,
    FromDevice = -3,
}

/// A request, as far as we use it. The bytes at the addresses must stay where they are until its reply was read, or its file is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) direction: Direction,
    pub(super) cdb: Part,
    pub(super) data: Part,
    pub(super) sense: Part,
    pub(super) timeout_milliseconds: u32,
    /// Comes back in the reply.
    pub(super) pack_id: i32,
}

/// Some bytes of ours. Their address is known to somebody else from here on (`expose_provenance`): the compiler takes every system call
/// for one that may use it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    address: usize,
    length: usize,
}

impl Part {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { address: bytes.as_ptr().expose_provenance(), length: bytes.len() }
    }

    /// Bytes that the driver writes to.
    pub(super) fn room(bytes: &mut [u8]) -> Self {
        Self { address: bytes.as_mut_ptr().expose_provenance(), length: bytes.len() }
    }

    pub(super) fn none() -> Self {
        Self { address: 0, length: 0 }
    }

    pub(super) fn length(self) -> usize {
        self.length
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) pack_id: i32,
    /// The device's, if host and driver had no trouble.
    pub(super) status: u8,
    /// How many bytes of sense data there are; never more than [`SENSE_BYTES_MAX`].
    pub(super) sense_bytes: usize,
    /// The host adapter's, 0 if all is well.
    pub(super) host_status: u16,
    /// The kernel's; [`DRIVER_SENSE`] is no trouble.
    pub(super) driver_status: u16,
    /// Bytes that did not go over; negative if there were more than asked for.
    pub(super) residual_bytes: i32,
}

/// There is sense data.
pub(super) const DRIVER_SENSE: u16 = 0x08;

impl Request {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &INTERFACE.to_ne_bytes());
        put(AT_DIRECTION, &(self.direction as i32).to_ne_bytes());
        put(AT_CDB_BYTES, &[self.cdb.length_u8()]);
        put(AT_SENSE_BYTES_MAX, &[self.sense.length_u8()]);
        put(AT_DATA_BYTES, &u32::try_from(self.data.length).unwrap_or(u32::MAX).to_ne_bytes());
        put(AT_DATA, &self.data.address_u64().to_ne_bytes());
        put(AT_CDB, &self.cdb.address_u64().to_ne_bytes());
        put(AT_SENSE, &self.sense.address_u64().to_ne_bytes());
        put(AT_TIMEOUT, &self.timeout_milliseconds.to_ne_bytes());
        put(AT_PACK_ID, &self.pack_id.to_ne_bytes());
        bytes
    }
}

impl Part {
    fn length_u8(self) -> u8 {
        u8::try_from(self.length).unwrap_or(u8::MAX)
    }

    fn address_u64(self) -> u64 {
        self.address as u64
    }
}

impl Reply {
    /// None if it is none of this driver's.
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        if i32::from_ne_bytes(array(bytes, 0)) != INTERFACE {
            return None;
        }
        let [sense_bytes] = array(bytes, AT_SENSE_BYTES);
        let [status] = array(bytes, AT_STATUS);
        Some(Self {
            pack_id: i32::from_ne_bytes(array(bytes, AT_PACK_ID)),
            status,
            sense_bytes: usize::from(sense_bytes).min(SENSE_BYTES_MAX),
            host_status: u16::from_ne_bytes(array(bytes, AT_HOST_STATUS)),
            driver_status: u16::from_ne_bytes(array(bytes, AT_DRIVER_STATUS)),
            residual_bytes: i32::from_ne_bytes(array(bytes, AT_RESIDUAL)),
        })
    }
}

fn array<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}
