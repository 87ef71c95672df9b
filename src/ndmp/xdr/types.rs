//! The building blocks of messages: bytes with a bound, lists with a bound, and the scalars `xdr-codec` lacks.
//!
//! Strings are bytes: device names and paths are whatever the peer's host uses, and one Latin-1 byte must not lose a
//! message. They are shown lossily and kept exactly.

use std::fmt::{self, Write as _};

use bytes::Bytes;

use super::schema::{Field, Schema, Shape, Type};
use super::{In, Out, Pack, Unpack, Wire, WireErrorKind, error};

/// `opaque<>` (or, with `TEXT`, `string<>`) of at most `MAX` bytes. Decoded, it is a slice of its record and keeps the
/// whole record alive: copy what is to be stored.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Opaque<const MAX: usize, const TEXT: bool = false>(Bytes);

/// `string<>` of at most `MAX` bytes, in any encoding.
pub type Text<const MAX: usize> = Opaque<MAX, true>;

impl<const MAX: usize, const TEXT: bool> Opaque<MAX, TEXT> {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without copying.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text if it is UTF-8, as NDMP v4 asks; compare names with this.
    #[must_use]
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// For people: undecodable bytes become U+FFFD, control characters are escaped.
    #[must_use]
    pub fn to_lossy(&self) -> String {
        escape(&self.0)
    }
}

impl<const MAX: usize, const TEXT: bool> std::ops::Deref for Opaque<MAX, TEXT> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize, const TEXT: bool> From<Bytes> for Opaque<MAX, TEXT> {
    /// Without copying. That `MAX` holds is checked when the value is encoded.
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl<const MAX: usize, const TEXT: bool> From<Vec<u8>> for Opaque<MAX, TEXT> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl<const MAX: usize, const TEXT: bool> From<&[u8]> for Opaque<MAX, TEXT> {
    fn from(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl<const MAX: usize, const TEXT: bool> From<String> for Opaque<MAX, TEXT> {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl<const MAX: usize, const TEXT: bool> From<&str> for Opaque<MAX, TEXT> {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl<const MAX: usize, const TEXT: bool> fmt::Display for Opaque<MAX, TEXT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_lossy())
    }
}

/// The first bytes only: a record of 16 MiB must not become a line of a log.
impl<const MAX: usize, const TEXT: bool> fmt::Debug for Opaque<MAX, TEXT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_BYTES: usize = 64;
        if TEXT && self.len() <= SHOWN_BYTES {
            write!(f, "\"{}\"", self.to_lossy())
        } else if TEXT {
            write!(f, "\"{}…\" ({} bytes)", escape(&self.0[..SHOWN_BYTES]), self.len())
        } else {
            write!(f, "({} bytes)", self.len())
        }
    }
}

fn escape(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        if c.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

impl<const MAX: usize, const TEXT: bool> Unpack<In> for Opaque<MAX, TEXT> {
    fn unpack(input: &mut In) -> xdr_codec::Result<(Self, usize)> {
        let start = input.at();
        let length = input.take_u32()?;
        match usize::try_from(length) {
            Ok(length) if length <= MAX => Ok((Self(input.take(length)?), input.at() - start)),
            _ => Err(input.fail(WireErrorKind::TooLong { length, max: error::clamp(MAX) })),
        }
    }
}

impl<const MAX: usize, const TEXT: bool> Pack<Out> for Opaque<MAX, TEXT> {
    fn pack(&self, out: &mut Out) -> xdr_codec::Result<usize> {
        let length = error::clamp(self.len());
        if self.len() > MAX {
            return Err(out.fail(WireErrorKind::TooLong { length, max: error::clamp(MAX) }));
        }
        length.pack(out)?;
        out.put_opaque(&self.0);
        Ok(4 + self.len().next_multiple_of(4))
    }
}

impl<const MAX: usize, const TEXT: bool> Wire for Opaque<MAX, TEXT> {
    const MIN: usize = 4;
    const TYPE: Type = if TEXT { Type::String } else { Type::Opaque };
}

/// `T<>` of at most `MAX` elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// The elements.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> std::ops::Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> From<Vec<T>> for List<T, MAX> {
    /// That `MAX` holds is checked when the value is encoded.
    fn from(elements: Vec<T>) -> Self {
        Self(elements)
    }
}

impl<T, const MAX: usize> FromIterator<T> for List<T, MAX> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self(elements.into_iter().collect())
    }
}

impl<T, const MAX: usize> IntoIterator for List<T, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a List<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Wire, const MAX: usize> Unpack<In> for List<T, MAX> {
    fn unpack(input: &mut In) -> xdr_codec::Result<(Self, usize)> {
        let start = input.at();
        let count = input.take_u32()?;
        // The second bound is the one that counts: it ties the allocation to bytes that have really arrived.
        let max = MAX.min(input.remaining() / T::MIN);
        let elements = match usize::try_from(count) {
            Ok(count) if count <= max => count,
            _ => return Err(input.fail(WireErrorKind::TooMany { count, max: error::clamp(max) })),
        };
        let mut list = Vec::with_capacity(elements);
        for _ in 0..elements {
            list.push(T::unpack(input)?.0);
        }
        Ok((Self(list), input.at() - start))
    }
}

impl<T: Wire, const MAX: usize> Pack<Out> for List<T, MAX> {
    fn pack(&self, out: &mut Out) -> xdr_codec::Result<usize> {
        let count = error::clamp(self.len());
        if self.len() > MAX {
            return Err(out.fail(WireErrorKind::TooMany { count, max: error::clamp(MAX) }));
        }
        let mut size = count.pack(out)?;
        for element in &self.0 {
            size += element.pack(out)?;
        }
        Ok(size)
    }
}

impl<T: Wire, const MAX: usize> Wire for List<T, MAX> {
    const MIN: usize = 4;
    const TYPE: Type = Type::List(&T::TYPE);
}

/// NDMP's 64-bit number, high word first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quad(pub u64);

impl Quad {
    /// "All": an infinite length, or a value that is not known.
    pub const MAX: Self = Self(u64::MAX);

    /// The type as the `.x` file has it.
    pub const SCHEMA: Schema = Schema {
        name: "ndmp4_u_quad",
        shape: Shape::Struct(&[
            Field { name: "high", r#type: <u32 as Wire>::TYPE },
            Field { name: "low", r#type: <u32 as Wire>::TYPE },
        ]),
        recode: recode::<Self>,
    };
}

impl From<u64> for Quad {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl From<Quad> for u64 {
    fn from(value: Quad) -> Self {
        value.0
    }
}

impl Unpack<In> for Quad {
    fn unpack(input: &mut In) -> xdr_codec::Result<(Self, usize)> {
        let (high, low) = (input.take_u32()?, input.take_u32()?);
        Ok((Self(u64::from(high) << 32 | u64::from(low)), 8))
    }
}

impl Pack<Out> for Quad {
    fn pack(&self, out: &mut Out) -> xdr_codec::Result<usize> {
        self.0.pack(out)
    }
}

impl Wire for Quad {
    const MIN: usize = 8;
    const TYPE: Type = Type::Named("ndmp4_u_quad");
}

macro_rules! narrow {
    ($($t:ty),*) => {$(
        /// Four bytes on the wire all the same.
        impl Unpack<In> for $t {
            fn unpack(input: &mut In) -> xdr_codec::Result<(Self, usize)> {
                let word = input.take_u32()?;
                Ok((Self::try_from(word).map_err(|_| input.fail(WireErrorKind::OutOfRange))?, 4))
            }
        }

        impl Pack<Out> for $t {
            fn pack(&self, out: &mut Out) -> xdr_codec::Result<usize> {
                u32::from(*self).pack(out)
            }
        }
    )*};
}
narrow! { u8, u16 }

/// `short`: sign-extended to four bytes.
impl Unpack<In> for i16 {
    fn unpack(input: &mut In) -> xdr_codec::Result<(Self, usize)> {
        let word = input.take_u32()?.cast_signed();
        Ok((Self::try_from(word).map_err(|_| input.fail(WireErrorKind::OutOfRange))?, 4))
    }
}

impl Pack<Out> for i16 {
    fn pack(&self, out: &mut Out) -> xdr_codec::Result<usize> {
        i32::from(*self).pack(out)
    }
}

macro_rules! scalar {
    ($($t:ty => $name:literal),* $(,)?) => {$(
        impl Wire for $t {
            const MIN: usize = 4;
            const TYPE: Type = Type::Named($name);
        }
    )*};
}
scalar! { u32 => "u_long", u16 => "u_short", i16 => "short", u8 => "u_char" }

/// The body of a message that has none.
impl Wire for () {
    const MIN: usize = 0;
    const TYPE: Type = Type::Void;
}

impl<const N: usize> Unpack<In> for [u8; N] {
    fn unpack(input: &mut In) -> xdr_codec::Result<(Self, usize)> {
        let taken = input.take(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&taken);
        Ok((bytes, N.next_multiple_of(4)))
    }
}

impl<const N: usize> Pack<Out> for [u8; N] {
    fn pack(&self, out: &mut Out) -> xdr_codec::Result<usize> {
        out.put_opaque(&Bytes::copy_from_slice(self));
        Ok(N.next_multiple_of(4))
    }
}

impl<const N: usize> Wire for [u8; N] {
    const MIN: usize = N.next_multiple_of(4);
    const TYPE: Type = Type::FixedOpaque(N);
}

/// Decodes a `T` and encodes it again: what [`Schema::recode`] points to.
///
/// # Errors
/// As `decode` and `encode`.
pub fn recode<T: Wire>(bytes: Bytes) -> Result<Bytes, super::WireError> {
    Ok(super::encode(&super::decode::<T>(bytes)?)?.into_bytes())
}
