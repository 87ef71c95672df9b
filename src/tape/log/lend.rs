//! Lending: the records that stand next are handed out where they were read to, without a copy.
//!
//! Only the usual is lent: sound data records, raw, whole in the file. Whatever else stands there is left to
//! `read.rs`, which knows what to say of it. Every payload is held against its checksum before it is lent.

use std::ops::Range;

use super::super::format::{CODEC_RAW, Kind, RECORD_HEADER_BYTES, RecordHeader, stored_bytes};
use super::super::position::Cursor;
use super::super::storage::Storage;
use super::Log;
use super::window::Purpose;

/// The most records that are lent at once.
const LENT_RECORDS_MAX: usize = 256;

/// Records in a row, sound and whole, in memory of their owner.
#[derive(Clone, Copy, Debug)]
pub struct Lent<'a> {
    bytes: &'a [u8],
    records: &'a [Range<usize>],
}

impl<'a> Lent<'a> {
    /// The records that stand in `bytes` at the places `records`.
    pub fn new(bytes: &'a [u8], records: &'a [Range<usize>]) -> Lent<'a> {
        Lent { bytes, records }
    }

    /// The records' bytes, in their order on the tape.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        self.records.iter().map(move |place| bytes.get(place.clone()).unwrap_or_default())
    }

    /// The bytes of all records.
    pub fn total_bytes(&self) -> usize {
        self.records().map(<[u8]>::len).sum()
    }
}

impl<S: Storage> Log<S> {
    /// Checks the records from `at` on, as far as they stand in one window, are no longer than `record_bytes_max` and
    /// add up to at most `bytes_max`; [`Log::lent`] has them then. Says how many there are; none, if the next one is
    /// anything but usual.
    pub(in super::super) fn lend(&mut self, at: Cursor, record_bytes_max: usize, bytes_max: u64) -> usize {
        self.window.lent.clear();
        let (mut at, mut left) = (at, bytes_max);
        while self.window.lent.len() < LENT_RECORDS_MAX {
            let limit = usize::try_from(left).unwrap_or(usize::MAX).min(record_bytes_max);
            // Another read would move the window from under the first ones.
            let may_read = self.window.lent.is_empty();
            let Some((payload, next)) = self.sound_record(at, limit, may_read) else { break };
            left -= payload.len() as u64;
            at = next;
            self.window.lent.push(payload);
        }
        self.window.lent.len()
    }

    /// The records that are lent. Any other use of the log ends it.
    pub(in super::super) fn lent(&self) -> Lent<'_> {
        Lent::new(self.window.bytes(), &self.window.lent)
    }

    /// Ends the lending. Returns the place behind the first `count` of the records lent, which must begin at `at`, and
    /// how many bytes they have.
    pub(in super::super) fn take_back(&mut self, at: Cursor, count: usize) -> (Cursor, u64) {
        let (mut behind, mut bytes) = (at, 0);
        for payload in self.window.lent.iter().take(count) {
            let offset = self.window.offset_of(payload.start).saturating_sub(RECORD_HEADER_BYTES as u64);
            debug_assert_eq!(offset, behind.offset, "something has moved the tape since");
            let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            behind =
                Cursor::new(offset.saturating_add(stored_bytes(length)), behind.position.behind_record());
            bytes += u64::from(length);
        }
        self.window.lent.clear();
        (behind, bytes)
    }

    /// Gives back the memory that reading took.
    pub(in super::super) fn release_window(&mut self) {
        self.window.release();
    }

    /// Where in the window the payload of the record at `at` stands, if that may be lent, and the place behind it.
    fn sound_record(&mut self, at: Cursor, limit: usize, may_read: bool) -> Option<(Range<usize>, Cursor)> {
        if self.is_at_end(at) || at.offset >= self.flushed {
            return None;
        }
        let seed = self.seed;
        let bytes = self.bytes_to_lend(at.offset, RECORD_HEADER_BYTES, may_read)?;
        let header = RecordHeader::decode(seed, self.window.bytes()[bytes].first_chunk()?)?;
        let length = header.stored_bytes as usize;
        let next = header.behind(at.offset);
        let is_usual = header.kind == Kind::Data
            && header.codec == CODEC_RAW
            && length <= limit
            && self.objection(at, &header).is_none()
            && next.offset <= self.end.offset.min(self.flushed);
        if !is_usual {
            return None;
        }
        self.window.note_record(&header);
        let record = self.bytes_to_lend(at.offset, RECORD_HEADER_BYTES + length, may_read)?;
        let payload = record.start + RECORD_HEADER_BYTES..record.end;
        let is_sound = crc32c::crc32c(&self.window.bytes()[payload.clone()]) == header.payload_sum;
        is_sound.then_some((payload, next))
    }

    /// Where in the window the `length` bytes at `offset` stand. They are read first, if that is allowed.
    fn bytes_to_lend(&mut self, offset: u64, length: usize, may_read: bool) -> Option<Range<usize>> {
        if may_read {
            // What cannot be read is not lent; who then reads it as usual is told why.
            self.fetch(offset, length, Purpose::Read).ok()?;
        }
        self.window.place(offset, length)
    }
}
