//! ONC-RPC record marking (RFC 5531, 11), without I/O: bytes in, whole records out, and the other way round.
//!
//! Every fragment has a 4-byte mark in front: the top bit says that it is the record's last, the rest is its length.
//! Nothing here knows what a record holds, but that its length may be a lie: it is refused at the mark, memory grows
//! with the bytes that have really come, and the number of fragments is bounded. How long a partial record may take
//! is for whoever owns the socket. Next: [`crate::ndmp::wire::Message`], which splits a record.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::xdr::{Out, Wire, WireError};

/// The mark's size.
const MARK_BYTES: usize = 4;
/// The mark's top bit.
const LAST: u32 = 1 << 31;
/// The longest fragment we send: the reference implementation looks at 24 bits of the length only.
pub const FRAGMENT_MAX_BYTES: usize = 0xff_fffc;
/// Empty fragments in one record. One at the end is usual (a flush of an empty buffer), more are not.
const EMPTY_FRAGMENTS_MAX: usize = 16;
/// Room made for a record on the word of its mark alone; beyond it, memory doubles as bytes arrive.
const RESERVE_MAX_BYTES: usize = 1 << 20;

/// Why a stream cannot be followed any further. The connection has to be closed: where the next record begins is not
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The record is longer than the limit.
    #[error("a record of at least {claimed} bytes, at most {max} are accepted")]
    RecordTooLong {
        /// What came so far plus what the mark promises.
        claimed: usize,
        /// The limit in force.
        max: usize,
    },
    /// The record consists of too many fragments.
    #[error("a record of more than {max} fragments")]
    TooManyFragments {
        /// The limit in force.
        max: usize,
    },
    /// The record has too many fragments without a byte.
    #[error("a record with more than {EMPTY_FRAGMENTS_MAX} empty fragments")]
    TooManyEmptyFragments,
}

/// Cuts a stream into records.
#[derive(Debug)]
pub struct Decoder {
    max_record_bytes: usize,
    /// The fragment that is being received.
    fragment: Option<Fragment>,
    /// What earlier fragments of the same record held.
    partial: BytesMut,
    fragments: usize,
    empty_fragments: usize,
    failed: Option<FramingError>,
}

#[derive(Clone, Copy, Debug)]
struct Fragment {
    left: usize,
    last: bool,
}

impl Decoder {
    /// Accepts records of up to `max_record_bytes`, marks not counted.
    #[must_use]
    pub fn new(max_record_bytes: usize) -> Self {
        Self {
            max_record_bytes,
            fragment: None,
            partial: BytesMut::new(),
            fragments: 0,
            empty_fragments: 0,
            failed: None,
        }
    }

    /// Changes the limit, from the next mark on.
    pub fn set_max_record_bytes(&mut self, max_record_bytes: usize) {
        self.max_record_bytes = max_record_bytes;
    }

    /// The next whole record, taken from the front of `input`; `None` when more bytes are needed. A record in one
    /// fragment is split off without copying.
    ///
    /// # Errors
    /// When the peer breaks a limit; every later call gives the same error.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, FramingError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let record = self.advance(input);
        self.failed = record.as_ref().err().copied();
        record
    }

    /// A record has begun and is not complete: the time to its end should be bounded, and the end of the stream here
    /// is a cut, not a close. `input` is what [`Self::decode`] left.
    #[must_use]
    pub fn mid_record(&self, input: &BytesMut) -> bool {
        self.fragment.is_some() || self.fragments > 0 || !input.is_empty()
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, FramingError> {
        loop {
            let fragment = match self.fragment {
                Some(fragment) => fragment,
                None if input.len() < MARK_BYTES => return Ok(None),
                None => self.begin_fragment(input.get_u32())?,
            };
            let whole = fragment.last && self.partial.is_empty();
            if whole && input.len() < fragment.left {
                self.fragment = Some(fragment);
                reserve(input, fragment.left);
                return Ok(None);
            }
            if whole {
                self.end_record();
                return Ok(Some(input.split_to(fragment.left).freeze()));
            }
            let taken = fragment.left.min(input.len());
            self.partial.extend_from_slice(&input[..taken]);
            input.advance(taken);
            if taken < fragment.left {
                self.fragment = Some(Fragment { left: fragment.left - taken, ..fragment });
                return Ok(None);
            }
            self.fragment = None;
            if fragment.last {
                self.end_record();
                return Ok(Some(std::mem::take(&mut self.partial).freeze()));
            }
        }
    }

    fn begin_fragment(&mut self, mark: u32) -> Result<Fragment, FramingError> {
        let last = mark & LAST != 0;
        // A length that this machine cannot count is beyond any limit as well.
        let left = usize::try_from(mark & !LAST).unwrap_or(usize::MAX);
        let claimed = self.partial.len().saturating_add(left);
        if claimed > self.max_record_bytes {
            return Err(FramingError::RecordTooLong { claimed, max: self.max_record_bytes });
        }
        self.fragments += 1;
        let max = self.max_fragments();
        if self.fragments > max {
            return Err(FramingError::TooManyFragments { max });
        }
        self.empty_fragments += usize::from(left == 0);
        if self.empty_fragments > EMPTY_FRAGMENTS_MAX {
            return Err(FramingError::TooManyEmptyFragments);
        }
        Ok(Fragment { left, last })
    }

    /// C's record streams flush every 4,000 bytes or so; the largest record in such pieces stays well below this.
    fn max_fragments(&self) -> usize {
        4096 + self.max_record_bytes / 1024
    }

    fn end_record(&mut self) {
        self.fragment = None;
        self.fragments = 0;
        self.empty_fragments = 0;
    }
}

/// Makes room for the rest of a record of `record_bytes`: at once when it is small, by doubling when it is not.
fn reserve(input: &mut BytesMut, record_bytes: usize) {
    let worth = record_bytes.min(RESERVE_MAX_BYTES.max(input.len() * 2));
    input.reserve(worth - input.len().min(worth));
}

/// One encoded record with its marks, in the pieces of one `writev`.
#[derive(Clone, Debug)]
pub struct Frame {
    parts: Vec<Bytes>,
}

impl Frame {
    /// The pieces in order; none is empty.
    #[must_use]
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// The pieces, to be kept in a queue.
    #[must_use]
    pub fn into_parts(self) -> Vec<Bytes> {
        self.parts
    }

    /// All bytes, marks included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Never: every frame has a mark.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// All bytes in one piece, copied.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.len());
        for part in &self.parts {
            bytes.put_slice(part);
        }
        bytes.freeze()
    }
}

/// Encodes a header and a body (`()` for none) as one record. A large opaque at the body's end becomes a piece of its
/// own, not a copy.
///
/// # Errors
/// As [`crate::ndmp::xdr::encode`].
pub fn encode<H: Wire, B: Wire>(header: &H, body: &B) -> Result<Frame, WireError> {
    let mut out = Out::new();
    // Room for the mark, so that mark and head are one piece.
    out.value(&0_u32)?;
    out.value(header)?;
    out.value(body)?;
    let (mut head, attached, padding) = out.into_parts();
    if head.len() - MARK_BYTES + attached.len() + padding <= FRAGMENT_MAX_BYTES {
        let length = head.len() - MARK_BYTES + attached.len() + padding;
        head[..MARK_BYTES].copy_from_slice(&mark(length, true));
        return Ok(Frame { parts: pieces([head.freeze(), attached, zeros(padding)]) });
    }
    let _ = head.split_to(MARK_BYTES);
    Ok(split(pieces([head.freeze(), attached, zeros(padding)])))
}

/// Marks a record that needs more than one fragment.
fn split(mut pieces: Vec<Bytes>) -> Frame {
    pieces.reverse();
    let mut left: usize = pieces.iter().map(Bytes::len).sum();
    let mut parts = Vec::new();
    while left > 0 {
        let mut room = left.min(FRAGMENT_MAX_BYTES);
        left -= room;
        parts.push(Bytes::copy_from_slice(&mark(room, left == 0)));
        while room > 0
            && let Some(mut piece) = pieces.pop()
        {
            let part = piece.split_to(room.min(piece.len()));
            room -= part.len();
            parts.push(part);
            if !piece.is_empty() {
                pieces.push(piece);
            }
        }
    }
    Frame { parts }
}

fn mark(length: usize, last: bool) -> [u8; MARK_BYTES] {
    let length = u32::try_from(length).expect("fragments end at FRAGMENT_MAX_BYTES");
    (length | if last { LAST } else { 0 }).to_be_bytes()
}

fn pieces(pieces: [Bytes; 3]) -> Vec<Bytes> {
    pieces.into_iter().filter(|piece| !piece.is_empty()).collect()
}

fn zeros(count: usize) -> Bytes {
    Bytes::from_static(&[0; 3]).slice(..count)
}

#[cfg(test)]
mod tests;
