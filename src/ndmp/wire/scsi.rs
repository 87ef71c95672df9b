//! SCSI (draft 3.3): commands to the robot.

use super::limits::{CDB_DATA_MAX_BYTES, CDB_MAX_BYTES, NAME_MAX_BYTES, SENSE_MAX_BYTES};
use super::numbers::Error;
use crate::ndmp::xdr::{Opaque, Text, xdr_consts, xdr_types};

xdr_consts! {
    /// Data goes from the device to the DMA.
    NDMP4_SCSI_DATA_IN => SCSI_DATA_IN = 1,
    /// Data goes from the DMA to the device.
    NDMP4_SCSI_DATA_OUT => SCSI_DATA_OUT = 2,
}

xdr_types! {
    /// Opens a robot.
    struct ndmp4_scsi_open_request => ScsiOpenRequest { device: Text<NAME_MAX_BYTES> }
    /// Whether it is open.
    struct ndmp4_scsi_open_reply => ScsiOpenReply { error: Error }
    /// Whether it is closed.
    struct ndmp4_scsi_close_reply => ScsiCloseReply { error: Error }

    /// Where the device is on its bus; -1 where that says nothing.
    struct ndmp4_scsi_get_state_reply => ScsiGetStateReply {
        error: Error,
        target_controller: i16,
        target_id: i16,
        target_lun: i16,
    }

    /// Whether the device was reset.
    struct ndmp4_scsi_reset_device_reply => ScsiResetDeviceReply { error: Error }

    /// A command (`SCSI_DATA_…` in `flags`, `timeout` in milliseconds).
    struct ndmp4_execute_cdb_request => ExecuteCdbRequest {
        flags: u32,
        timeout: u32,
        datain_len: u32,
        cdb: Opaque<CDB_MAX_BYTES>,
        dataout: Opaque<CDB_DATA_MAX_BYTES>,
    }

    /// Its outcome. CHECK CONDITION is a `status`, not an `error`.
    struct ndmp4_execute_cdb_reply => ExecuteCdbReply {
        error: Error,
        status: u8,
        dataout_len: u32,
        datain: Opaque<CDB_DATA_MAX_BYTES>,
        ext_sense: Opaque<SENSE_MAX_BYTES>,
    }
}

/// A command to the robot.
pub type ScsiExecuteCdbRequest = ExecuteCdbRequest;
/// Its outcome.
pub type ScsiExecuteCdbReply = ExecuteCdbReply;

/// The `.x` file's typedefs for the above.
pub(crate) const TYPEDEFS: &[(&str, &str)] = &[
    ("ndmp4_scsi_execute_cdb_request", "ndmp4_execute_cdb_request"),
    ("ndmp4_scsi_execute_cdb_reply", "ndmp4_execute_cdb_reply"),
];
