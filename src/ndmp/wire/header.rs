//! What stands in front of every message: the header (draft 2.7), and the split of a record into header and body.

use std::fmt;

use bytes::Bytes;

use super::numbers::{Error, MessageCode};
use crate::ndmp::xdr::{self, In, Wire, WireError, xdr_types};

/// The header's size on the wire.
pub const HEADER_BYTES: usize = <Header as Wire>::MIN;

xdr_types! {
    /// Request or reply. A post, which has no reply, is a request.
    enum ndmp4_header_message_type => HeaderMessageType {
        NDMP4_MESSAGE_REQUEST => Request = 0,
        NDMP4_MESSAGE_REPLY => Reply = 1,
    }

    /// The first 24 bytes of a message. Each side numbers what it sends from 1; `reply_sequence` is the number of the
    /// request that is answered, 0 in requests and posts. With an `error_code` there is no body.
    struct ndmp4_header => Header {
        sequence: u32,
        time_stamp: u32,
        message_type: HeaderMessageType,
        message_code: MessageCode,
        reply_sequence: u32,
        error_code: Error,
    }
}

/// A record, split: the header is decoded, the body is not.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The header.
    pub header: Header,
    /// A slice of the record.
    pub body: Bytes,
}

impl Message {
    /// Splits a record.
    ///
    /// # Errors
    /// When the record is shorter than a header.
    pub fn split(record: Bytes) -> Result<Self, WireError> {
        let body = record.slice(HEADER_BYTES.min(record.len())..);
        let mut input = In::new(record);
        Ok(Self { header: input.value()?, body })
    }

    /// Decodes the body.
    ///
    /// # Errors
    /// As [`xdr::decode`]; the offset counts from the body's first byte.
    pub fn decode<T: Wire>(&self) -> Result<T, WireError> {
        xdr::decode(self.body.clone())
    }
}

/// Without the body, which may hold a password.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message {{ header: {:?}, body: {} bytes }}", self.header, self.body.len())
    }
}
