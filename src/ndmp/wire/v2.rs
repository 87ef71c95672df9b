//! What version 2 has otherwise than versions 3 and 4, and nothing else: what is not here is as in `v3`, and what is
//! not there either as in version 4.
//!
//! These types are used with their module's name: `v2::MoverAddr`. `xdr/ndmp2.x` says the same in the XDR language.

use super::connect::AuthType;
use super::limits::{NAME_MAX_BYTES, TEXT_MAX_BYTES, TYPES_MAX};
use super::mover::{MoverHaltReason, MoverState};
use super::numbers::Error;
use super::v3::TcpAddr;
use crate::ndmp::xdr::{List, Quad, Text, xdr_consts, xdr_types};

type Name = Text<NAME_MAX_BYTES>;

xdr_consts! {
    /// The version's number.
    NDMP2_VERSION => VERSION = 2,
}

xdr_types! {
    /// The messages that later versions no longer have, as far as a tape server sends or gets them.
    enum ndmp2_message => MessageCode {
        NDMP2_CONFIG_GET_BUTYPE_ATTR => ConfigGetButypeAttr = 0x101,
        NDMP2_LOG_LOG => LogLog = 0x600,
    }

    /// The server's host, and how to authenticate to it.
    struct ndmp2_config_get_host_info_reply => ConfigGetHostInfoReply {
        error: Error,
        hostname: Name,
        os_type: Name,
        os_vers: Name,
        hostid: Name,
        auth_type: List<AuthType, TYPES_MAX>,
    }

    /// The drive and its tape, without a mask of what means nothing.
    struct ndmp2_tape_get_state_reply => TapeGetStateReply {
        error: Error,
        flags: u32,
        file_num: u32,
        soft_errors: u32,
        block_size: u32,
        blockno: u32,
        total_space: Quad,
        space_remain: Quad,
    }

    /// Kinds of data connections.
    enum ndmp2_mover_addr_type => MoverAddrType {
        NDMP2_ADDR_LOCAL => Local = 0,
        NDMP2_ADDR_TCP => Tcp = 1,
    }

    /// Where a data connection ends.
    union ndmp2_mover_addr => MoverAddr switch (addr_type: MoverAddrType) {
        Local,
        Tcp(addr: TcpAddr),
    }

    /// Where the mover can be connected to.
    struct ndmp2_mover_listen_reply => MoverListenReply { error: Error, mover: MoverAddr }

    /// Why the mover paused. It has no word for the end of the window.
    enum ndmp2_mover_pause_reason => MoverPauseReason {
        NDMP2_MOVER_PAUSE_NA => Na = 0,
        NDMP2_MOVER_PAUSE_EOM => Eom = 1,
        NDMP2_MOVER_PAUSE_EOF => Eof = 2,
        NDMP2_MOVER_PAUSE_SEEK => Seek = 3,
        NDMP2_MOVER_PAUSE_MEDIA_ERROR => MediaError = 4,
    }

    /// The mover, without its mode and its peer.
    struct ndmp2_mover_get_state_reply => MoverGetStateReply {
        error: Error,
        state: MoverState,
        pause_reason: MoverPauseReason,
        halt_reason: MoverHaltReason,
        record_size: u32,
        record_num: u32,
        data_written: Quad,
        seek_position: Quad,
        bytes_left_to_read: Quad,
        window_offset: Quad,
        window_length: Quad,
    }

    /// The mover paused.
    struct ndmp2_notify_mover_paused_post => NotifyMoverPausedPost {
        reason: MoverPauseReason,
        seek_position: Quad,
    }

    /// A line for the DMA's log.
    struct ndmp2_log_log_post => LogLogPost { entry: Text<TEXT_MAX_BYTES> }
}
