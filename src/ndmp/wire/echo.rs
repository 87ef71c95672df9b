//! The test extension, class 0x7ff0 (draft appendix B): the one portable way to try extension negotiation.

use super::limits::TEXT_MAX_BYTES;
use super::numbers::Error;
use crate::ndmp::xdr::{Text, xdr_types};

xdr_types! {
    /// Version 1: a text to be sent back.
    struct ndmp4_test_echo_request => TestEchoRequest { echo_msg: Text<TEXT_MAX_BYTES> }
    /// Version 1: the text.
    struct ndmp4_test_echo_reply => TestEchoReply { error: Error, echo_msg: Text<TEXT_MAX_BYTES> }

    /// Version 2: a text and a number to be sent back.
    struct ndmp4_test_echo_request_v2 => TestEchoRequestV2 {
        echo_msg: Text<TEXT_MAX_BYTES>,
        echo_short: u16,
    }

    /// Version 2: the text and the number.
    struct ndmp4_test_echo_reply_v2 => TestEchoReplyV2 {
        error: Error,
        echo_msg: Text<TEXT_MAX_BYTES>,
        echo_short: u16,
    }
}
