//! Checking a record to its last byte: what reading does not need (padding, trailer) as well as what it does.

use super::super::error::TapeError;
use super::super::format::{ALIGNMENT_BYTES, RECORD_HEADER_BYTES, RecordHeader};
use super::super::storage::Storage;
use super::Log;

/// How much is read at once: so much that what is read twice, where a record does not end with the piece, is little.
const CHECK_AHEAD_BYTES: usize = if cfg!(test) { 4 << 10 } else { 4 << 20 };

/// What is wrong with a record whose header is intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Flaw {
    /// The stored payload does not fit its checksum.
    Payload,
    /// The bytes up to the multiple of 8 are not zero.
    Padding,
    /// The trailer is not that of the header.
    Trailer,
}

impl<S: Storage> Log<S> {
    /// Checks all stored bytes of the record at `offset`, whose `header` was found intact.
    pub(in super::super) fn check(
        &mut self,
        offset: u64,
        header: &RecordHeader,
    ) -> Result<Option<Flaw>, TapeError> {
        let trailer = header.trailer(self.seed);
        let stored = header.stored_bytes as usize;
        let padded = stored.next_multiple_of(ALIGNMENT_BYTES);
        let from = offset + RECORD_HEADER_BYTES as u64;
        let rest = match self.fetch(from, padded + trailer.len(), CHECK_AHEAD_BYTES) {
            Ok(rest) => rest,
            Err(source) => return Err(self.io_error("read its log", source)),
        };
        let Some((payload, behind)) = rest.split_at_checked(stored) else { return Ok(Some(Flaw::Payload)) };
        if crc32c::crc32c(payload) != header.payload_sum {
            return Ok(Some(Flaw::Payload));
        }
        let padding = (padded - stored).min(behind.len());
        if behind[..padding].iter().any(|byte| *byte != 0) {
            return Ok(Some(Flaw::Padding));
        }
        Ok((behind[padding..] != trailer).then_some(Flaw::Trailer))
    }
}
