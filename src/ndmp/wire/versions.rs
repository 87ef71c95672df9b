//! One body, three versions: sessions think in version 4's types, and here they become what the DMA's version has.
//!
//! Only the shape is translated. Which errors and reasons a version knows, and what it serves, is decided before, in
//! `ndmp::session::version`. A type without a method of its own here is the same in all versions.

use super::{
    Addr, ConfigGetConnectionTypeReply, ConfigGetHostInfoReply, Header, LogMessagePost, Message,
    MoverConnectRequest, MoverGetStateReply, MoverHaltReason, MoverListenReply, MoverPauseReason,
    NotifyMoverHaltedPost, NotifyMoverPausedPost, TapeGetStateReply, TcpAddr, v2, v3,
};
use crate::ndmp::framing::{self, Frame};
use crate::ndmp::xdr::{self, List, Wire, WireError};

/// How a version writes its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Dialect {
    V2,
    V3,
    V4,
}

/// A body that is sent.
pub trait Outgoing {
    /// The whole message as this version has it.
    ///
    /// # Errors
    /// When the body breaks a bound of its own type.
    fn frame(&self, dialect: Dialect, header: &Header) -> Result<Frame, WireError>;
}

/// A body that is received.
pub trait Incoming: Sized {
    /// Decodes the body, and says how many bytes are left behind it.
    ///
    /// # Errors
    /// What is wrong with it first.
    fn of(dialect: Dialect, message: &Message) -> Result<(Self, usize), WireError>;
}

/// Requests of which there is one form only.
impl<T: SameInAll> Incoming for T {
    fn of(_: Dialect, message: &Message) -> Result<(Self, usize), WireError> {
        xdr::decode_prefix(message.body.clone())
    }
}

/// Bodies that no version has changed.
pub trait SameInAll: Wire {}

impl<T: SameInAll> Outgoing for T {
    fn frame(&self, _: Dialect, header: &Header) -> Result<Frame, WireError> {
        framing::encode(header, self)
    }
}

macro_rules! same_in_all {
    ($($body:ty),* $(,)?) => { $(impl SameInAll for $body {})* };
}

same_in_all!(
    (),
    u32,
    super::ConfigGetAuthAttrReply,
    super::ConfigGetAuthAttrRequest,
    super::ConfigGetButypeInfoReply,
    super::ConfigGetExtListReply,
    super::ConfigGetFsInfoReply,
    super::ConfigGetScsiInfoReply,
    super::ConfigGetServerInfoReply,
    super::ConfigGetTapeInfoReply,
    super::ConfigSetExtListReply,
    super::ConnectClientAuthReply,
    super::ConnectClientAuthRequest,
    super::ConnectOpenReply,
    super::ExecuteCdbReply,
    super::ExecuteCdbRequest,
    super::MoverAbortReply,
    super::MoverCloseReply,
    super::MoverConnectReply,
    super::MoverContinueReply,
    super::MoverListenRequest,
    super::MoverReadReply,
    super::MoverReadRequest,
    super::MoverSetRecordSizeReply,
    super::MoverSetRecordSizeRequest,
    super::MoverSetWindowReply,
    super::MoverSetWindowRequest,
    super::MoverStopReply,
    super::NotifyConnectionStatusPost,
    super::ScsiCloseReply,
    super::ScsiGetStateReply,
    super::ScsiOpenReply,
    super::ScsiOpenRequest,
    super::ScsiResetDeviceReply,
    super::TapeCloseReply,
    super::TapeMtioReply,
    super::TapeMtioRequest,
    super::TapeOpenReply,
    super::TapeOpenRequest,
    super::TapeReadReply,
    super::TapeReadRequest,
    super::TapeWriteReply,
    super::TapeWriteRequest,
    super::TestEchoReply,
    super::TestEchoReplyV2,
    super::TestEchoRequest,
    super::TestEchoRequestV2,
    ConfigGetConnectionTypeReply,
    v3::ScsiResetBusReply,
    v3::ScsiSetTargetReply,
    v3::ScsiSetTargetRequest,
);

/// Version 2 asks here how to authenticate; later ones have a message of their own for it.
impl Outgoing for v2::ConfigGetHostInfoReply {
    fn frame(&self, dialect: Dialect, header: &Header) -> Result<Frame, WireError> {
        if dialect == Dialect::V2 {
            return framing::encode(header, self);
        }
        let Self { error, hostname, os_type, os_vers, hostid, .. } = self.clone();
        framing::encode(header, &ConfigGetHostInfoReply { error, hostname, os_type, os_vers, hostid })
    }
}

impl Outgoing for TapeGetStateReply {
    fn frame(&self, dialect: Dialect, header: &Header) -> Result<Frame, WireError> {
        let Self { error, flags, file_num, soft_errors, block_size, blockno, .. } = *self;
        let Self { unsupported, total_space, space_remain, .. } = *self;
        match dialect {
            Dialect::V4 => framing::encode(header, self),
            Dialect::V3 => {
                let body = v3::TapeGetStateReply {
                    invalid: unsupported,
                    error,
                    flags,
                    file_num,
                    soft_errors,
                    block_size,
                    blockno,
                    total_space,
                    space_remain,
                    // These tapes have one.
                    partition: 0,
                };
                framing::encode(header, &body)
            }
            Dialect::V2 => {
                let body = v2::TapeGetStateReply {
                    error,
                    flags,
                    file_num,
                    soft_errors,
                    block_size,
                    blockno,
                    total_space,
                    space_remain,
                };
                framing::encode(header, &body)
            }
        }
    }
}

impl Outgoing for MoverListenReply {
    fn frame(&self, dialect: Dialect, header: &Header) -> Result<Frame, WireError> {
        let error = self.error;
        match dialect {
            Dialect::V4 => framing::encode(header, self),
            Dialect::V3 => {
                let data_connection_addr = (&self.connect_addr).into();
                framing::encode(header, &v3::MoverListenReply { error, data_connection_addr })
            }
            Dialect::V2 => {
                let mover = (&self.connect_addr).into();
                framing::encode(header, &v2::MoverListenReply { error, mover })
            }
        }
    }
}

impl Outgoing for MoverGetStateReply {
    fn frame(&self, dialect: Dialect, header: &Header) -> Result<Frame, WireError> {
        let Self { error, state, halt_reason, record_size, record_num, bytes_moved, .. } = *self;
        let Self { seek_position, bytes_left_to_read, window_offset, window_length, .. } = *self;
        match dialect {
            Dialect::V4 => framing::encode(header, self),
            Dialect::V3 => {
                let body = v3::MoverGetStateReply {
                    error,
                    state,
                    pause_reason: self.pause_reason.into(),
                    halt_reason,
                    record_size,
                    record_num,
                    data_written: bytes_moved,
                    seek_position,
                    bytes_left_to_read,
                    window_offset,
                    window_length,
                    data_connection_addr: (&self.data_connection_addr).into(),
                };
                framing::encode(header, &body)
            }
            Dialect::V2 => {
                let body = v2::MoverGetStateReply {
                    error,
                    state,
                    pause_reason: self.pause_reason.into(),
                    halt_reason,
                    record_size,
                    record_num,
                    data_written: bytes_moved,
                    seek_position,
                    bytes_left_to_read,
                    window_offset,
                    window_length,
                };
                framing::encode(header, &body)
            }
        }
    }
}

impl Outgoing for NotifyMoverHaltedPost {
    fn frame(&self, dialect: Dialect, header: &Header) -> Result<Frame, WireError> {
        if dialect == Dialect::V4 {
            return framing::encode(header, self);
        }
        let text_reason = in_words(self.reason).into();
        framing::encode(header, &v3::NotifyMoverHaltedPost { reason: self.reason, text_reason })
    }
}

impl Outgoing for NotifyMoverPausedPost {
    fn frame(&self, dialect: Dialect, header: &Header) -> Result<Frame, WireError> {
        let seek_position = self.seek_position;
        match dialect {
            Dialect::V4 => framing::encode(header, self),
            Dialect::V3 => {
                let reason = self.reason.into();
                framing::encode(header, &v3::NotifyMoverPausedPost { reason, seek_position })
            }
            Dialect::V2 => {
                let reason = self.reason.into();
                framing::encode(header, &v2::NotifyMoverPausedPost { reason, seek_position })
            }
        }
    }
}

/// In version 2 with the code of [`v2::MessageCode::LogLog`].
impl Outgoing for LogMessagePost {
    fn frame(&self, dialect: Dialect, header: &Header) -> Result<Frame, WireError> {
        let Self { log_type, message_id, entry, .. } = self.clone();
        match dialect {
            Dialect::V4 => framing::encode(header, self),
            Dialect::V3 => framing::encode(header, &v3::LogMessagePost { log_type, message_id, entry }),
            Dialect::V2 => framing::encode(header, &v2::LogLogPost { entry }),
        }
    }
}

/// Version 2 has no such message.
impl Incoming for MoverConnectRequest {
    fn of(dialect: Dialect, message: &Message) -> Result<(Self, usize), WireError> {
        if dialect == Dialect::V4 {
            return xdr::decode_prefix(message.body.clone());
        }
        let (older, left) = xdr::decode_prefix::<v3::MoverConnectRequest>(message.body.clone())?;
        Ok((Self { mode: older.mode, addr: older.addr.into() }, left))
    }
}

/// The first of the addresses: there is room for one.
impl From<&Addr> for v3::Addr {
    fn from(addr: &Addr) -> Self {
        match addr {
            Addr::Tcp(list) => list.first().map_or(Self::Local, |addr| Self::Tcp(addr.into())),
            Addr::Ipc(ipc) => Self::Ipc(ipc.clone()),
            Addr::Local | Addr::TcpIpv6(_) => Self::Local,
        }
    }
}

impl From<&Addr> for v2::MoverAddr {
    fn from(addr: &Addr) -> Self {
        match addr {
            Addr::Tcp(list) => list.first().map_or(Self::Local, |addr| Self::Tcp(addr.into())),
            Addr::Local | Addr::Ipc(_) | Addr::TcpIpv6(_) => Self::Local,
        }
    }
}

impl From<v3::Addr> for Addr {
    fn from(addr: v3::Addr) -> Self {
        match addr {
            v3::Addr::Tcp(v3::TcpAddr { ip_addr, port }) => {
                Self::Tcp(vec![TcpAddr { ip_addr, port, addr_env: List::default() }].into())
            }
            v3::Addr::Ipc(ipc) => Self::Ipc(ipc),
            // Neither is served, and version 4 has no word for fibre channel.
            v3::Addr::Local | v3::Addr::Fc(_) => Self::Local,
        }
    }
}

impl From<&TcpAddr> for v3::TcpAddr {
    fn from(addr: &TcpAddr) -> Self {
        Self { ip_addr: addr.ip_addr, port: addr.port }
    }
}

impl From<MoverPauseReason> for v3::MoverPauseReason {
    fn from(reason: MoverPauseReason) -> Self {
        reason.code().into()
    }
}

/// Version 2 calls the end of the window the end of the file.
impl From<MoverPauseReason> for v2::MoverPauseReason {
    fn from(reason: MoverPauseReason) -> Self {
        if reason == MoverPauseReason::Eow { Self::Eof } else { reason.code().into() }
    }
}

fn in_words(reason: MoverHaltReason) -> &'static str {
    match reason {
        MoverHaltReason::ConnectClosed => "the data connection was closed",
        MoverHaltReason::Aborted => "aborted as asked",
        MoverHaltReason::ConnectError => "the data connection broke",
        MoverHaltReason::MediaError => "the tape failed",
        _ => "the mover failed: see the log messages",
    }
}
