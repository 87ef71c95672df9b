//! What can be wrong with a message's bytes. Small and `Copy`, so that it can be counted, logged and compared.
//!
//! `xdr-codec`'s trait signatures have their own error type; ours travels inside it as an I/O error's payload and is
//! taken out again where the trait call ends ([`from_codec`]). With `RUST_BACKTRACE` set, that type takes a backtrace
//! for every bad message (most of a millisecond in a debug build): a variable for debugging, not for production.

use std::io;

use xdr_codec::ErrorKind;

/// Why a value could not be decoded or encoded, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} at byte {offset}: {kind}")]
pub struct WireError {
    /// Bytes before the field, from the first byte that was given to decode.
    pub offset: u32,
    /// The innermost field, as `Type.field`.
    pub field: &'static str,
    /// What is wrong with it.
    pub kind: WireErrorKind,
}

/// The ways in which bytes fail to be a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireErrorKind {
    /// The message ends within the field.
    #[error("the message ends here, {needed} bytes are needed")]
    Short {
        /// Bytes the field takes.
        needed: u32,
    },
    /// An opaque or string longer than its bound.
    #[error("{length} bytes, at most {max} are accepted")]
    TooLong {
        /// What the length word says.
        length: u32,
        /// The bound in the field's type.
        max: u32,
    },
    /// A list longer than its bound, or than the message could hold.
    #[error("{count} elements, at most {max} are possible here")]
    TooMany {
        /// What the count word says.
        count: u32,
        /// The bound in the field's type, or what the remaining bytes could hold.
        max: u32,
    },
    /// A union whose discriminant names no arm. The message is well formed as far as it was understood: NDMP answers
    /// it with ILLEGAL_ARGS, not with XDR_DECODE.
    #[error("{0:#x} selects no arm of the union")]
    UnknownArm(u32),
    /// A number that its type cannot hold (a `u_short` above 65,535).
    #[error("the number is out of its type's range")]
    OutOfRange,
    /// Bytes behind the last field.
    #[error("{0} bytes are left over")]
    Trailing(u32),
}

impl WireError {
    pub(super) fn into_codec(self) -> xdr_codec::Error {
        io::Error::other(self).into()
    }
}

/// Takes our own error out of the codec's, or says in our words what `xdr-codec`'s scalars complain of.
pub(super) fn from_codec(error: &xdr_codec::Error, field: &'static str, offset: usize) -> WireError {
    let kind = match error.kind() {
        ErrorKind::IOError(io) => {
            if let Some(ours) = io.get_ref().and_then(|inner| inner.downcast_ref::<WireError>()) {
                return *ours;
            }
            WireErrorKind::Short { needed: 4 }
        }
        _ => WireErrorKind::OutOfRange,
    };
    WireError { offset: clamp(offset), field, kind }
}

/// Sizes in errors: nothing that is shown here can pass 4 GiB, and if it could, the number would only be shown.
pub(super) fn clamp(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
