//! Reading the log: the record at a cursor, its payload, and where the next sound record stands behind damage.
//!
//! Nothing here believes a byte without its checksum, and no length is used before it is bounded.

use std::io;

use super::super::error::TapeError;
use super::super::format::{
    CODEC_RAW, RECORD_HEADER_BYTES, RECORD_OVERHEAD_BYTES, RecordHeader, STORED_RECORD_BYTES_MAX,
    TRAILER_BYTES, record_candidates, trailer_length,
};
use super::super::position::Cursor;
use super::super::storage::Storage;
use super::{Log, Window};

/// How much is read at once where records are read in a row.
const READ_AHEAD_BYTES: usize = if cfg!(test) { 4 << 10 } else { 1 << 20 };
/// How much is read at once where only headers are looked at.
const WALK_AHEAD_BYTES: usize = if cfg!(test) { 512 } else { 64 << 10 };
const HEADER_BYTES: u64 = RECORD_HEADER_BYTES as u64;

/// What stands at a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Found {
    /// Nothing: the end of data.
    End,
    /// A record or filemark with an intact header; `next` is the place behind it.
    Record { header: RecordHeader, next: Cursor },
    /// No intact header. `resume` is the next place at which something is known: a sound record, or the end.
    Damaged { resume: Cursor, reason: &'static str },
}

impl<S: Storage> Log<S> {
    /// Looks at the record at `at`, without its payload.
    pub(in super::super) fn look(&mut self, at: Cursor) -> Result<Found, TapeError> {
        self.look_ahead(at, WALK_AHEAD_BYTES)
    }

    /// As [`Log::look`], for a reader that is about to read the payload, too.
    pub(in super::super) fn look_to_read(&mut self, at: Cursor) -> Result<Found, TapeError> {
        self.look_ahead(at, READ_AHEAD_BYTES)
    }

    /// Copies the start of the payload of the record at `offset` into `buffer`, as much as fits, after checking
    /// all of it. Says what is wrong otherwise; `buffer` is then untouched.
    pub(in super::super) fn payload(
        &mut self,
        offset: u64,
        header: &RecordHeader,
        buffer: &mut [u8],
    ) -> Result<usize, PayloadError> {
        if header.codec != CODEC_RAW {
            return Err(PayloadError::Codec(header.codec));
        }
        let length = header.stored_bytes as usize;
        let payload = self
            .fetch(offset + HEADER_BYTES, length, READ_AHEAD_BYTES)
            .map_err(|error| PayloadError::Damaged(format!("its bytes cannot be read: {error}")))?;
        if payload.len() != length || crc32c::crc32c(payload) != header.payload_sum {
            return Err(PayloadError::Damaged("the checksum of its bytes is wrong".to_owned()));
        }
        let copied = length.min(buffer.len());
        buffer[..copied].copy_from_slice(&payload[..copied]);
        Ok(length)
    }

    /// Whether the record at `offset` is on disk to its last byte: payload, padding and trailer.
    pub(in super::super) fn is_whole(
        &mut self,
        offset: u64,
        header: &RecordHeader,
    ) -> Result<bool, TapeError> {
        let expected = header.trailer(self.seed);
        let stored = header.stored_bytes as usize;
        let padded = stored.next_multiple_of(8);
        let rest = match self.fetch(offset + HEADER_BYTES, padded + TRAILER_BYTES, READ_AHEAD_BYTES) {
            Ok(rest) => rest,
            Err(source) => return Err(self.io_error("read its log", source)),
        };
        Ok(rest.len() == padded + TRAILER_BYTES
            && rest[padded..] == expected
            && crc32c::crc32c(&rest[..stored]) == header.payload_sum)
    }

    /// The header of a live record at `offset`, wherever on the tape that record stands.
    pub(in super::super) fn header_at(&mut self, offset: u64) -> Result<Option<RecordHeader>, TapeError> {
        self.header_ahead(offset, WALK_AHEAD_BYTES)
            .map(|header| header.filter(|header| self.is_live(offset, header)))
    }

    /// Whether a record of an earlier generation stands at `offset`, where only this one's may: what an
    /// interrupted overwrite left behind.
    pub(in super::super) fn is_stale_at(&mut self, offset: u64) -> Result<bool, TapeError> {
        Ok(offset == self.header.generation_start
            && self
                .header_ahead(offset, WALK_AHEAD_BYTES)?
                .is_some_and(|header| header.generation < self.header.generation))
    }

    fn is_live(&self, offset: u64, header: &RecordHeader) -> bool {
        self.header.admits(offset, header.generation)
    }

    fn look_ahead(&mut self, at: Cursor, ahead: usize) -> Result<Found, TapeError> {
        // Only forged lengths get to the last block before the last byte; there must be an end to it.
        if at.offset >= self.end.offset || at.position.block >= self.end.position.block {
            return Ok(Found::End);
        }
        let reason = match self.header_ahead(at.offset, ahead)? {
            None => "its header is damaged",
            Some(header) if !self.is_live(at.offset, &header) => "it belongs to overwritten data",
            Some(header) if at.skipped > 0 || header.position != at.position => {
                "it says that it stands elsewhere"
            }
            Some(header) if header.behind(at.offset).offset > self.end.offset => {
                // The length is right by its checksum, so nothing can stand behind: no need to search.
                return Ok(Found::Damaged {
                    resume: self.end,
                    reason: "it is cut off by the end of the file",
                });
            }
            Some(header) => return Ok(Found::Record { header, next: header.behind(at.offset) }),
        };
        let resume = self.find_sound_record(at.run_start())?.unwrap_or(self.end);
        Ok(Found::Damaged { resume, reason })
    }

    /// The next record with an intact header behind the damaged one at `damaged`.
    ///
    /// A header inside some record's payload (a tape file that was itself backed up to this tape) must not be
    /// taken for one of the log. A damaged header alone leaves the trailer of its record, which gives the next
    /// record away for certain; only where no such place is within a record's reach, the first plausible one wins.
    fn find_sound_record(&mut self, damaged: Cursor) -> Result<Option<Cursor>, TapeError> {
        let certain_until = damaged.offset.saturating_add(STORED_RECORD_BYTES_MAX);
        let mut plausible = None;
        let mut offset = damaged.offset.saturating_add(RECORD_OVERHEAD_BYTES);
        while offset < self.end.offset && (plausible.is_none() || offset <= certain_until) {
            let chunk = match self.fetch(offset, WALK_AHEAD_BYTES, WALK_AHEAD_BYTES) {
                Ok(chunk) => chunk,
                Err(source) => return Err(self.io_error("read its log", source)),
            };
            let chunk_bytes = chunk.len() as u64 / 8 * 8;
            let candidates: Vec<u64> = record_candidates(chunk).map(|at| offset + at as u64).collect();
            for candidate in candidates {
                let Some(found) = self.follows(damaged, candidate)? else { continue };
                if found.position.block == damaged.position.block + 1
                    && self.trailer_before(candidate)? == candidate - damaged.offset
                {
                    return Ok(Some(found));
                }
                plausible = plausible.or(Some(found));
            }
            if chunk_bytes == 0 {
                break;
            }
            offset += chunk_bytes;
        }
        Ok(plausible)
    }

    /// The cursor at `offset`, if a live record stands there that can follow the damaged one.
    fn follows(&mut self, damaged: Cursor, offset: u64) -> Result<Option<Cursor>, TapeError> {
        let Some(header) = self.header_at(offset)? else { return Ok(None) };
        let blocks_max = (offset - damaged.offset) / RECORD_OVERHEAD_BYTES;
        let (from, to) = (damaged.position, header.position);
        let behind = header.behind(offset);
        let fits = to.block > from.block
            && to.block - from.block <= blocks_max
            && to.file >= from.file
            && to.file - from.file <= to.block - from.block
            && behind.offset <= self.end.offset
            && behind.position.block <= self.end.position.block;
        Ok(fits.then_some(Cursor::new(offset, to)))
    }

    fn trailer_before(&mut self, offset: u64) -> Result<u64, TapeError> {
        let at = offset.saturating_sub(TRAILER_BYTES as u64);
        let mut bytes = [0; TRAILER_BYTES];
        match self.fetch(at, TRAILER_BYTES, WALK_AHEAD_BYTES) {
            Ok(found) if found.len() == TRAILER_BYTES => bytes.copy_from_slice(found),
            Ok(_) => {}
            Err(source) => return Err(self.io_error("read its log", source)),
        }
        Ok(trailer_length(&bytes))
    }

    fn header_ahead(&mut self, offset: u64, ahead: usize) -> Result<Option<RecordHeader>, TapeError> {
        let seed = self.seed;
        match self.fetch(offset, RECORD_HEADER_BYTES, ahead) {
            Ok(found) => Ok(found.first_chunk().and_then(|bytes| RecordHeader::decode(seed, bytes))),
            Err(source) => Err(self.io_error("read its log", source)),
        }
    }

    /// The `length` bytes at `offset`, or fewer where the log ends. `ahead` more are read where that saves calls.
    pub(super) fn fetch(&mut self, offset: u64, length: usize, ahead: usize) -> io::Result<&[u8]> {
        if offset >= self.flushed {
            let from = usize::try_from(offset - self.flushed).unwrap_or(usize::MAX).min(self.pending.len());
            let to = from.saturating_add(length).min(self.pending.len());
            return Ok(&self.pending[from..to]);
        }
        let available = usize::try_from(self.flushed - offset).unwrap_or(usize::MAX);
        self.window.fetch(&self.storage, offset, length.min(available), length.max(ahead).min(available))
    }
}

/// Why a payload cannot be handed out.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum PayloadError {
    Damaged(String),
    Codec(u8),
}

impl Window {
    fn fetch<S: Storage>(
        &mut self,
        storage: &S,
        offset: u64,
        length: usize,
        ahead: usize,
    ) -> io::Result<&[u8]> {
        let held = offset
            .checked_sub(self.offset)
            .and_then(|from| usize::try_from(from).ok())
            .filter(|from| from.checked_add(length).is_some_and(|to| to <= self.bytes.len()));
        let from = match held {
            Some(from) => from,
            None => {
                self.fill(storage, offset, ahead)?;
                0
            }
        };
        let to = (from + length).min(self.bytes.len());
        Ok(&self.bytes[from..to])
    }

    fn fill<S: Storage>(&mut self, storage: &S, offset: u64, length: usize) -> io::Result<()> {
        self.offset = offset;
        // Growing zeroes; where the window keeps its size nothing is cleared before it is overwritten.
        self.bytes.resize(length, 0);
        match storage.read_at(offset, &mut self.bytes) {
            Ok(read) => {
                self.bytes.truncate(read);
                Ok(())
            }
            Err(error) => {
                self.bytes.clear();
                Err(error)
            }
        }
    }
}
