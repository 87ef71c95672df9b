//! MOVER (draft 3.6): the engine between a data connection and the open drive.

use super::data::Addr;
use super::numbers::{AddrType, Error};
use crate::ndmp::xdr::{Quad, xdr_types};

xdr_types! {
    /// The direction, seen from the data connection: `Read` reads from it and writes to the tape.
    enum ndmp4_mover_mode => MoverMode {
        NDMP4_MOVER_MODE_READ => Read = 0,
        NDMP4_MOVER_MODE_WRITE => Write = 1,
        NDMP4_MOVER_MODE_NOACTION => Noaction = 2,
    }

    /// The mover's state.
    enum ndmp4_mover_state => MoverState {
        NDMP4_MOVER_STATE_IDLE => Idle = 0,
        NDMP4_MOVER_STATE_LISTEN => Listen = 1,
        NDMP4_MOVER_STATE_ACTIVE => Active = 2,
        NDMP4_MOVER_STATE_PAUSED => Paused = 3,
        NDMP4_MOVER_STATE_HALTED => Halted = 4,
    }

    /// Why it paused. 4 was a medium error in version 3 and is not used in 4.
    enum ndmp4_mover_pause_reason => MoverPauseReason {
        NDMP4_MOVER_PAUSE_NA => Na = 0,
        NDMP4_MOVER_PAUSE_EOM => Eom = 1,
        NDMP4_MOVER_PAUSE_EOF => Eof = 2,
        NDMP4_MOVER_PAUSE_SEEK => Seek = 3,
        NDMP4_MOVER_PAUSE_EOW => Eow = 5,
    }

    /// Why it halted.
    enum ndmp4_mover_halt_reason => MoverHaltReason {
        NDMP4_MOVER_HALT_NA => Na = 0,
        NDMP4_MOVER_HALT_CONNECT_CLOSED => ConnectClosed = 1,
        NDMP4_MOVER_HALT_ABORTED => Aborted = 2,
        NDMP4_MOVER_HALT_INTERNAL_ERROR => InternalError = 3,
        NDMP4_MOVER_HALT_CONNECT_ERROR => ConnectError = 4,
        NDMP4_MOVER_HALT_MEDIA_ERROR => MediaError = 5,
    }

    /// The size of the records that the mover writes, in bytes.
    struct ndmp4_mover_set_record_size_request => MoverSetRecordSizeRequest { len: u32 }
    /// Whether it is set.
    struct ndmp4_mover_set_record_size_reply => MoverSetRecordSizeReply { error: Error }
    /// The part of the data stream that is on this tape, in bytes.
    struct ndmp4_mover_set_window_request => MoverSetWindowRequest { offset: Quad, length: Quad }
    /// Whether it is set.
    struct ndmp4_mover_set_window_reply => MoverSetWindowReply { error: Error }
    /// Connects to a data service.
    struct ndmp4_mover_connect_request => MoverConnectRequest { mode: MoverMode, addr: Addr }
    /// Whether it is connected.
    struct ndmp4_mover_connect_reply => MoverConnectReply { error: Error }
    /// Waits for a data service.
    struct ndmp4_mover_listen_request => MoverListenRequest { mode: MoverMode, addr_type: AddrType }
    /// Where.
    struct ndmp4_mover_listen_reply => MoverListenReply { error: Error, connect_addr: Addr }
    /// The part of the data stream that the data service wants, in bytes.
    struct ndmp4_mover_read_request => MoverReadRequest { offset: Quad, length: Quad }
    /// Whether it will be sent.
    struct ndmp4_mover_read_reply => MoverReadReply { error: Error }

    /// All of the above.
    struct ndmp4_mover_get_state_reply => MoverGetStateReply {
        error: Error,
        mode: MoverMode,
        state: MoverState,
        pause_reason: MoverPauseReason,
        halt_reason: MoverHaltReason,
        record_size: u32,
        record_num: u32,
        bytes_moved: Quad,
        seek_position: Quad,
        bytes_left_to_read: Quad,
        window_offset: Quad,
        window_length: Quad,
        data_connection_addr: Addr,
    }

    /// Whether it goes on.
    struct ndmp4_mover_continue_reply => MoverContinueReply { error: Error }
    /// Whether the data connection is closed.
    struct ndmp4_mover_close_reply => MoverCloseReply { error: Error }
    /// Whether it aborts.
    struct ndmp4_mover_abort_reply => MoverAbortReply { error: Error }
    /// Whether it is idle.
    struct ndmp4_mover_stop_reply => MoverStopReply { error: Error }
}
