//! What a reply says of an error, wherever it says it, and in words.
//!
//! Servers put an error into the header, without a body, or into the body. To a client that is the same.

use crate::ndmp::wire::{
    ConfigGetAuthAttrReply, ConfigGetScsiInfoReply, ConfigGetServerInfoReply, ConfigGetTapeInfoReply,
    ConnectClientAuthReply, ConnectOpenReply, Error, ExecuteCdbReply, ScsiOpenReply, TapeCloseReply,
    TapeGetStateReply, TapeMtioReply, TapeOpenReply, TapeReadReply, TapeWriteReply, v3,
};
use crate::ndmp::xdr::Wire;

/// A reply with an error code.
pub(super) trait Reply: Wire + Default {
    fn error_mut(&mut self) -> &mut Error;

    /// The reply that a header with this error stands for.
    fn of_error(error: Error) -> Self {
        let mut reply = Self::default();
        *reply.error_mut() = error;
        reply
    }
}

macro_rules! replies {
    ($($reply:ty),* $(,)?) => {$(
        impl Reply for $reply {
            fn error_mut(&mut self) -> &mut Error {
                &mut self.error
            }
        }
    )*};
}
replies!(
    ConfigGetAuthAttrReply,
    ConfigGetScsiInfoReply,
    ConfigGetServerInfoReply,
    ConfigGetTapeInfoReply,
    ConnectClientAuthReply,
    ConnectOpenReply,
    ExecuteCdbReply,
    ScsiOpenReply,
    TapeCloseReply,
    TapeGetStateReply,
    TapeOpenReply,
    TapeReadReply,
    TapeWriteReply,
    v3::TapeGetStateReply,
);

impl Reply for TapeMtioReply {
    fn error_mut(&mut self) -> &mut Error {
        &mut self.error
    }

    /// Nothing is said of how far it came: that must not look like all the way.
    fn of_error(error: Error) -> Self {
        Self { error, resid_count: u32::MAX }
    }
}

/// An error in words.
pub(super) fn words(error: Error) -> String {
    let words = match error {
        Error::NotSupported => "the server does not support this",
        Error::DeviceBusy => "others are using the device",
        Error::DeviceOpened => "a device is open already",
        Error::NotAuthorized => "this user may not",
        Error::Permission => "it is not permitted",
        Error::DevNotOpen => "the device is not open any more",
        Error::Io => "an input/output error",
        Error::Timeout => "the device did not answer the server in time",
        Error::IllegalArgs => "the server finds the arguments wrong",
        Error::NoTapeLoaded => "no tape is loaded",
        Error::WriteProtect => "the tape is write protected",
        Error::Eof => "a filemark",
        Error::Eom => "the end of the tape",
        Error::NoDevice => "the server has no such device",
        Error::NoMem => "the server has no memory for this",
        Error::IllegalState => "not possible in this state",
        other => return format!("NDMP error {}", other.code()),
    };
    words.to_owned()
}
