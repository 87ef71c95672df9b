//! TAPE (draft 3.4): one drive, driven by the DMA. Record payloads are slices of their message, never copies.

use super::limits::{NAME_MAX_BYTES, RECORD_MAX_BYTES};
use super::numbers::Error;
use super::scsi::{ExecuteCdbReply, ExecuteCdbRequest};
use crate::ndmp::xdr::{Opaque, Quad, Text, xdr_consts, xdr_types};

xdr_consts! {
    /// Flag: the device does not rewind when it is closed.
    NDMP4_TAPE_STATE_NOREWIND => TAPE_STATE_NOREWIND = 0x08,
    /// Flag: the tape is write-protected.
    NDMP4_TAPE_STATE_WR_PROT => TAPE_STATE_WR_PROT = 0x10,
    /// Flag: the medium has an error.
    NDMP4_TAPE_STATE_ERROR => TAPE_STATE_ERROR = 0x20,
    /// Flag: the tape is unloaded when the device is closed.
    NDMP4_TAPE_STATE_UNLOAD => TAPE_STATE_UNLOAD = 0x40,
    /// Mask: `file_num` means nothing.
    NDMP4_TAPE_STATE_FILE_NUM_UNS => TAPE_STATE_FILE_NUM_UNS = 0x01,
    /// Mask: `soft_errors` means nothing.
    NDMP4_TAPE_STATE_SOFT_ERRORS_UNS => TAPE_STATE_SOFT_ERRORS_UNS = 0x02,
    /// Mask: `block_size` means nothing.
    NDMP4_TAPE_STATE_BLOCK_SIZE_UNS => TAPE_STATE_BLOCK_SIZE_UNS = 0x04,
    /// Mask: `blockno` means nothing.
    NDMP4_TAPE_STATE_BLOCKNO_UNS => TAPE_STATE_BLOCKNO_UNS = 0x08,
    /// Mask: `total_space` means nothing.
    NDMP4_TAPE_STATE_TOTAL_SPACE_UNS => TAPE_STATE_TOTAL_SPACE_UNS = 0x10,
    /// Mask: `space_remain` means nothing.
    NDMP4_TAPE_STATE_SPACE_REMAIN_UNS => TAPE_STATE_SPACE_REMAIN_UNS = 0x20,
}

xdr_types! {
    /// What a drive is opened for. Raw: the drive, whatever is in it.
    enum ndmp4_tape_open_mode => TapeOpenMode {
        NDMP4_TAPE_READ_MODE => Read = 0,
        NDMP4_TAPE_RDWR_MODE => Rdwr = 1,
        NDMP4_TAPE_RAW_MODE => Raw = 2,
    }

    /// Opens a drive.
    struct ndmp4_tape_open_request => TapeOpenRequest {
        device: Text<NAME_MAX_BYTES>,
        mode: TapeOpenMode,
    }

    /// Whether it is open.
    struct ndmp4_tape_open_reply => TapeOpenReply { error: Error }
    /// Whether it is closed.
    struct ndmp4_tape_close_reply => TapeCloseReply { error: Error }

    /// The drive and its tape; `unsupported` stands before `error`. `block_size` and the spaces are in bytes.
    struct ndmp4_tape_get_state_reply => TapeGetStateReply {
        unsupported: u32,
        error: Error,
        flags: u32,
        file_num: u32,
        soft_errors: u32,
        block_size: u32,
        blockno: u32,
        total_space: Quad,
        space_remain: Quad,
    }

    /// Ways to move the tape.
    enum ndmp4_tape_mtio_op => TapeMtioOp {
        NDMP4_MTIO_FSF => Fsf = 0,
        NDMP4_MTIO_BSF => Bsf = 1,
        NDMP4_MTIO_FSR => Fsr = 2,
        NDMP4_MTIO_BSR => Bsr = 3,
        NDMP4_MTIO_REW => Rew = 4,
        NDMP4_MTIO_EOF => Eof = 5,
        NDMP4_MTIO_OFF => Off = 6,
        NDMP4_MTIO_TUR => Tur = 7,
    }

    /// Moves the tape, or writes filemarks.
    struct ndmp4_tape_mtio_request => TapeMtioRequest { tape_op: TapeMtioOp, count: u32 }
    /// What is left of `count`.
    struct ndmp4_tape_mtio_reply => TapeMtioReply { error: Error, resid_count: u32 }
    /// Writes one record.
    struct ndmp4_tape_write_request => TapeWriteRequest { data_out: Opaque<RECORD_MAX_BYTES> }
    /// Bytes written.
    struct ndmp4_tape_write_reply => TapeWriteReply { error: Error, count: u32 }
    /// Reads up to `count` bytes of one record.
    struct ndmp4_tape_read_request => TapeReadRequest { count: u32 }
    /// The record.
    struct ndmp4_tape_read_reply => TapeReadReply { error: Error, data_in: Opaque<RECORD_MAX_BYTES> }
}

/// A command to the drive.
pub type TapeExecuteCdbRequest = ExecuteCdbRequest;
/// Its outcome.
pub type TapeExecuteCdbReply = ExecuteCdbReply;

/// The `.x` file's typedefs for the above.
pub(crate) const TYPEDEFS: &[(&str, &str)] = &[
    ("ndmp4_tape_execute_cdb_request", "ndmp4_execute_cdb_request"),
    ("ndmp4_tape_execute_cdb_reply", "ndmp4_execute_cdb_reply"),
];
