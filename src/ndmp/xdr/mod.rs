//! XDR (RFC 4506) for messages that nobody vouches for: every length is held against a bound in its type and against
//! the bytes that are really there, before anything is allocated.
//!
//! `xdr-codec` gives the `Pack`/`Unpack` traits and the 4-byte scalars; whatever takes a length from the network is
//! ours. The traits are implemented for one input, [`In`], and one output, [`Out`]. A field of a type without [`Wire`]
//! (`Vec`, `String`) does not compile:
//!
//! ```
//! fn field<T: tapesilo::ndmp::xdr::Wire>() {}
//! field::<tapesilo::ndmp::xdr::List<u32, 16>>();
//! ```
//! ```compile_fail,E0277
//! fn field<T: tapesilo::ndmp::xdr::Wire>() {}
//! field::<Vec<u32>>();
//! ```
//! ```compile_fail,E0277
//! fn field<T: tapesilo::ndmp::xdr::Wire>() {}
//! field::<String>();
//! ```
//!
//! This module knows nothing of NDMP. Next: [`types`] for the building blocks, `macros` for how a message is declared,
//! [`crate::ndmp::wire`] for the messages.

mod error;
mod macros;
pub mod schema;
pub mod types;

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
pub use xdr_codec::{Pack, Unpack};

pub use error::{WireError, WireErrorKind};
pub(crate) use macros::{xdr_consts, xdr_enum, xdr_struct, xdr_types, xdr_union};
pub use types::{List, Opaque, Quad, Text};

/// A type that may stand in a message.
pub trait Wire: Unpack<In> + Pack<Out> {
    /// The fewest bytes a value takes on the wire; never 0 for something that may stand in a list.
    const MIN: usize;
    /// What the XDR language calls this type.
    const TYPE: schema::Type;
}

/// Decodes one value that fills `bytes` to the last byte. Opaque fields are slices of `bytes`, not copies.
///
/// # Errors
/// What is wrong first, with the field and its offset; [`WireErrorKind::Trailing`] when bytes are left over.
pub fn decode<T: Wire>(bytes: Bytes) -> Result<T, WireError> {
    let mut input = In::new(bytes);
    let value = input.value()?;
    input.finish()?;
    Ok(value)
}

/// Decodes one value and says how many bytes are left behind it, for peers that pad their messages.
///
/// # Errors
/// As [`decode`], but never [`WireErrorKind::Trailing`].
pub fn decode_prefix<T: Wire>(bytes: Bytes) -> Result<(T, usize), WireError> {
    let mut input = In::new(bytes);
    let value = input.value()?;
    Ok((value, input.remaining()))
}

/// Encodes one value. A large opaque at its end is attached, not copied.
///
/// # Errors
/// [`WireErrorKind::TooLong`] or [`WireErrorKind::TooMany`] when the value breaks a bound of its own type.
pub fn encode<T: Wire>(value: &T) -> Result<Out, WireError> {
    let mut out = Out::new();
    out.value(value)?;
    Ok(out)
}

/// The input: one whole record (or what is left of it), whose size framing has already bounded.
#[derive(Debug)]
pub struct In {
    bytes: Bytes,
    at: usize,
    field: &'static str,
    field_at: usize,
}

impl In {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0, field: "message", field_at: 0 }
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Bytes read so far.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Decodes the next value.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn value<T: Wire>(&mut self) -> Result<T, WireError> {
        match T::unpack(self) {
            Ok((value, _)) => Ok(value),
            Err(error) => Err(error::from_codec(&error, self.field, self.field_at)),
        }
    }

    /// The end of the record.
    ///
    /// # Errors
    /// [`WireErrorKind::Trailing`] when bytes are left.
    pub fn finish(self) -> Result<(), WireError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(WireError {
                offset: error::clamp(self.at),
                field: "end of message",
                kind: WireErrorKind::Trailing(error::clamp(left)),
            }),
        }
    }

    /// Names the field that is decoded next, for the error if there is one.
    pub(crate) fn begin(&mut self, field: &'static str) {
        self.field = field;
        self.field_at = self.at;
    }

    /// An error at the field being decoded, in the form the traits ask for.
    #[cold]
    pub(crate) fn fail(&self, kind: WireErrorKind) -> xdr_codec::Error {
        WireError { offset: error::clamp(self.field_at), field: self.field, kind }.into_codec()
    }

    /// The next word.
    pub(crate) fn take_u32(&mut self) -> xdr_codec::Result<u32> {
        match self.bytes[self.at..].first_chunk::<4>() {
            Some(word) => {
                self.at += 4;
                Ok(u32::from_be_bytes(*word))
            }
            None => Err(self.fail(WireErrorKind::Short { needed: 4 })),
        }
    }

    /// The next `length` bytes and their padding, as a slice of the record.
    pub(crate) fn take(&mut self, length: usize) -> xdr_codec::Result<Bytes> {
        let padded = length.next_multiple_of(4);
        if padded > self.remaining() {
            return Err(self.fail(WireErrorKind::Short { needed: error::clamp(padded) }));
        }
        let taken = self.bytes.slice(self.at..self.at + length);
        self.at += padded;
        Ok(taken)
    }
}

/// What `xdr-codec`'s own scalars read through.
impl io::Read for In {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = out.len().min(self.remaining());
        out[..length].copy_from_slice(&self.bytes[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// Opaques from this size on are attached rather than copied; below it the copy is cheaper than one more part of a
/// `writev`.
const ATTACH_FROM_BYTES: usize = 4096;

/// The output: a head that grows, and at most one attached body behind it.
#[derive(Debug, Default)]
pub struct Out {
    head: BytesMut,
    body: Bytes,
    field: &'static str,
}

impl Out {
    /// Nothing written yet.
    #[must_use]
    pub fn new() -> Self {
        Self { head: BytesMut::with_capacity(128), body: Bytes::new(), field: "message" }
    }

    /// Encodes one more value.
    ///
    /// # Errors
    /// As [`encode`].
    pub fn value<T: Wire>(&mut self, value: &T) -> Result<(), WireError> {
        match value.pack(self) {
            Ok(_) => Ok(()),
            Err(error) => Err(error::from_codec(&error, self.field, self.head.len())),
        }
    }

    /// The bytes of head, attached body and padding together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len().next_multiple_of(4)
    }

    /// Nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Head, body (empty when there is none) and the number of zero bytes of padding that go behind the body.
    #[must_use]
    pub fn into_parts(self) -> (BytesMut, Bytes, usize) {
        let padding = self.body.len().next_multiple_of(4) - self.body.len();
        (self.head, self.body, padding)
    }

    /// Everything in one piece; copies the attached body.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        self.fold();
        self.head.freeze()
    }

    pub(crate) fn begin(&mut self, field: &'static str) {
        self.field = field;
    }

    #[cold]
    pub(crate) fn fail(&self, kind: WireErrorKind) -> xdr_codec::Error {
        WireError { offset: error::clamp(self.len()), field: self.field, kind }.into_codec()
    }

    /// Bytes without their length, padded.
    pub(crate) fn put_opaque(&mut self, bytes: &Bytes) {
        self.fold();
        if bytes.len() >= ATTACH_FROM_BYTES {
            self.body = bytes.clone();
        } else {
            self.head.put_slice(bytes);
            self.head.put_bytes(0, bytes.len().next_multiple_of(4) - bytes.len());
        }
    }

    /// Something follows the attached body after all: copy it, so that there is only ever one.
    fn fold(&mut self) {
        if !self.body.is_empty() {
            let body = std::mem::take(&mut self.body);
            self.head.put_slice(&body);
            self.head.put_bytes(0, body.len().next_multiple_of(4) - body.len());
        }
    }
}

/// What `xdr-codec`'s own scalars write through.
impl io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fold();
        self.head.put_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
