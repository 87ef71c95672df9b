//! What version 3 has otherwise than version 4 (NDMP v3.1.3), and nothing else: every other body is version 4's.
//!
//! Names lose their prefix as in version 4, so these types are used with their module's: `v3::Addr`. `xdr/ndmp3.x`
//! says the same in the XDR language. Which version a session speaks is not known here; `versions` turns version 4's
//! bodies into these.

use super::data::IpcAddr;
use super::limits::{NAME_MAX_BYTES, TEXT_MAX_BYTES};
use super::log::LogType;
use super::mover::{MoverHaltReason, MoverMode, MoverState};
use super::numbers::Error;
use crate::ndmp::xdr::{Quad, Text, xdr_consts, xdr_types};

xdr_consts! {
    /// The version's number.
    NDMP3_VERSION => VERSION = 3,
    /// Mask: `partition` means nothing.
    NDMP3_TAPE_STATE_PARTITION_INVALID => TAPE_STATE_PARTITION_INVALID = 0x40,
}

xdr_types! {
    /// The messages that version 4 no longer has.
    enum ndmp3_message => MessageCode {
        NDMP3_SCSI_SET_TARGET => ScsiSetTarget = 0x203,
        NDMP3_SCSI_RESET_BUS => ScsiResetBus = 0x205,
    }

    /// How a data connection is made.
    enum ndmp3_addr_type => AddrType {
        NDMP3_ADDR_LOCAL => Local = 0,
        NDMP3_ADDR_TCP => Tcp = 1,
        NDMP3_ADDR_FC => Fc = 2,
        NDMP3_ADDR_IPC => Ipc = 3,
    }

    /// Chooses a device on the bus that was opened.
    struct ndmp3_scsi_set_target_request => ScsiSetTargetRequest {
        device: Text<NAME_MAX_BYTES>,
        target_controller: u16,
        target_id: u16,
        target_lun: u16,
    }

    /// Whether it is there.
    struct ndmp3_scsi_set_target_reply => ScsiSetTargetReply { error: Error }
    /// Whether the bus was reset.
    struct ndmp3_scsi_reset_bus_reply => ScsiResetBusReply { error: Error }

    /// The drive and its tape; the partition stands last.
    struct ndmp3_tape_get_state_reply => TapeGetStateReply {
        invalid: u32,
        error: Error,
        flags: u32,
        file_num: u32,
        soft_errors: u32,
        block_size: u32,
        blockno: u32,
        total_space: Quad,
        space_remain: Quad,
        partition: u32,
    }

    /// One address and port.
    struct ndmp3_tcp_addr => TcpAddr { ip_addr: u32, port: u16 }
    /// An address on a fibre channel loop.
    struct ndmp3_fc_addr => FcAddr { loop_id: u32 }

    /// Where a data connection ends: one address, not a list.
    union ndmp3_addr => Addr switch (addr_type: AddrType) {
        Local,
        Tcp(tcp_addr: TcpAddr),
        Fc(fc_addr: FcAddr),
        Ipc(ipc_addr: IpcAddr),
    }

    /// Why the mover paused.
    enum ndmp3_mover_pause_reason => MoverPauseReason {
        NDMP3_MOVER_PAUSE_NA => Na = 0,
        NDMP3_MOVER_PAUSE_EOM => Eom = 1,
        NDMP3_MOVER_PAUSE_EOF => Eof = 2,
        NDMP3_MOVER_PAUSE_SEEK => Seek = 3,
        NDMP3_MOVER_PAUSE_MEDIA_ERROR => MediaError = 4,
        NDMP3_MOVER_PAUSE_EOW => Eow = 5,
    }

    /// Where the mover can be connected to.
    struct ndmp3_mover_listen_reply => MoverListenReply { error: Error, data_connection_addr: Addr }
    /// Connects to a data service.
    struct ndmp3_mover_connect_request => MoverConnectRequest { mode: MoverMode, addr: Addr }

    /// The mover, without its mode.
    struct ndmp3_mover_get_state_reply => MoverGetStateReply {
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
        data_connection_addr: Addr,
    }

    /// The mover halted, and why in words.
    struct ndmp3_notify_mover_halted_post => NotifyMoverHaltedPost {
        reason: MoverHaltReason,
        text_reason: Text<TEXT_MAX_BYTES>,
    }

    /// The mover paused.
    struct ndmp3_notify_mover_paused_post => NotifyMoverPausedPost {
        reason: MoverPauseReason,
        seek_position: Quad,
    }

    /// A line for the DMA's log; it cannot say which request it belongs to.
    struct ndmp3_log_message_post => LogMessagePost {
        log_type: LogType,
        message_id: u32,
        entry: Text<TEXT_MAX_BYTES>,
    }
}
