//! The body of a reply that failed: the error, and nothing else that could be taken for an answer.
//!
//! NDMP wants the whole body even then (NDMPv4 2.8): fields are zero, lists empty, unions take a legal arm.

use crate::ndmp::wire::*;
use crate::ndmp::xdr::{Opaque, Quad};

/// A reply that can say only that it failed.
pub(super) trait Failed: Outgoing {
    /// The body for `error`.
    fn failed(error: Error) -> Self;
}

macro_rules! error_only {
    ($($reply:path),* $(,)?) => {
        $(impl Failed for $reply {
            fn failed(error: Error) -> Self {
                Self { error }
            }
        })*
    };
}

error_only!(
    ConfigSetExtListReply,
    ConnectClientAuthReply,
    ConnectOpenReply,
    MoverAbortReply,
    MoverCloseReply,
    MoverConnectReply,
    MoverContinueReply,
    MoverReadReply,
    MoverSetRecordSizeReply,
    MoverSetWindowReply,
    MoverStopReply,
    ScsiCloseReply,
    ScsiOpenReply,
    ScsiResetDeviceReply,
    v3::ScsiResetBusReply,
    v3::ScsiSetTargetReply,
    TapeCloseReply,
    TapeOpenReply,
);

impl Failed for ConfigGetAuthAttrReply {
    fn failed(error: Error) -> Self {
        Self { error, server_attr: AuthAttr::None }
    }
}

impl Failed for ScsiGetStateReply {
    fn failed(error: Error) -> Self {
        Self { error, target_controller: -1, target_id: -1, target_lun: -1 }
    }
}

impl Failed for ExecuteCdbReply {
    fn failed(error: Error) -> Self {
        Self { error, status: 0, dataout_len: 0, datain: Opaque::default(), ext_sense: Opaque::default() }
    }
}

impl Failed for TapeGetStateReply {
    fn failed(error: Error) -> Self {
        Self {
            unsupported: 0,
            error,
            flags: 0,
            file_num: 0,
            soft_errors: 0,
            block_size: 0,
            blockno: 0,
            total_space: Quad(0),
            space_remain: Quad(0),
        }
    }
}

impl Failed for TapeMtioReply {
    fn failed(error: Error) -> Self {
        Self { error, resid_count: 0 }
    }
}

impl Failed for TapeWriteReply {
    fn failed(error: Error) -> Self {
        Self { error, count: 0 }
    }
}

impl Failed for TapeReadReply {
    fn failed(error: Error) -> Self {
        Self { error, data_in: Opaque::default() }
    }
}

impl Failed for MoverListenReply {
    fn failed(error: Error) -> Self {
        Self { error, connect_addr: Addr::Local }
    }
}
