//! NOTIFY (draft 4.1): posts from server to DMA, without a reply.

use super::data::DataHaltReason;
use super::limits::TEXT_MAX_BYTES;
use super::mover::{MoverHaltReason, MoverPauseReason};
use crate::ndmp::xdr::{Quad, Text, xdr_types};

xdr_types! {
    /// The data service halted.
    struct ndmp4_notify_data_halted_post => NotifyDataHaltedPost { reason: DataHaltReason }

    /// What became of the control connection.
    enum ndmp4_connection_status_reason => ConnectionStatusReason {
        NDMP4_CONNECTED => Connected = 0,
        NDMP4_SHUTDOWN => Shutdown = 1,
        NDMP4_REFUSED => Refused = 2,
    }

    /// The server's first message, and its last. `protocol_version` is the highest it speaks.
    struct ndmp4_notify_connection_status_post => NotifyConnectionStatusPost {
        reason: ConnectionStatusReason,
        protocol_version: u16,
        text_reason: Text<TEXT_MAX_BYTES>,
    }

    /// The mover halted.
    struct ndmp4_notify_mover_halted_post => NotifyMoverHaltedPost { reason: MoverHaltReason }

    /// The mover paused; with `Seek`, `seek_position` is the byte of the data stream it needs.
    struct ndmp4_notify_mover_paused_post => NotifyMoverPausedPost {
        reason: MoverPauseReason,
        seek_position: Quad,
    }

    /// The data service needs this part of the data stream, in bytes.
    struct ndmp4_notify_data_read_post => NotifyDataReadPost { offset: Quad, length: Quad }
}
