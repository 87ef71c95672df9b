//! The bytes of the log, as `FORMAT.md` describes them: the tape header, the record header and the trailer.
//!
//! Pure functions between bytes and values; knows nothing of files. Everything is little-endian.

use uuid::Uuid;

use super::position::{Cursor, Position};

/// The format that this code writes, and the only one that it reads.
pub const FORMAT_VERSION: u32 = 1;
/// The longest record: what a 24-bit transfer length can name (SSC WRITE(6)).
pub const RECORD_BYTES_MAX: usize = (1 << 24) - 1;
/// What a record takes in the log beside its payload: header and trailer, without the padding (0 to 7 bytes).
pub const RECORD_OVERHEAD_BYTES: u64 = RECORD_HEADER_BYTES as u64 + TRAILER_BYTES as u64;
/// Where the first record stands: behind the two copies of the tape header.
pub const DATA_START_BYTES: u64 = 2 * TAPE_HEADER_BYTES as u64;

/// One copy of the tape header.
pub(super) const TAPE_HEADER_BYTES: usize = 4096;
pub(super) const RECORD_HEADER_BYTES: usize = 56;
pub(super) const TRAILER_BYTES: usize = 8;
/// Records start at multiples of this.
pub(super) const ALIGNMENT_BYTES: usize = 8;
/// The most bytes of log that one record takes.
pub(super) const STORED_RECORD_BYTES_MAX: u64 = stored_bytes((1 << 24) - 1);
/// The payload is stored as it is.
pub(super) const CODEC_RAW: u8 = 0;

const TAPE_MAGIC: [u8; 8] = *b"TAPESILO";
const RECORD_MAGIC: [u8; 4] = *b"TREC";
const TYPE_DATA: u8 = 1;
const TYPE_FILEMARK: u8 = 2;

/// The bytes of log that a record with a stored payload of `payload` bytes takes, padding included.
pub(super) const fn stored_bytes(payload: u32) -> u64 {
    (payload as u64).next_multiple_of(ALIGNMENT_BYTES as u64) + RECORD_OVERHEAD_BYTES
}

/// The tape header: which tape this is, and which records of it are live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TapeHeader {
    pub(super) uuid: Uuid,
    /// Seconds since 1970.
    pub(super) created_unix_s: u64,
    /// Counts how often written data was overwritten or erased; starts at 1.
    pub(super) generation: u64,
    /// Records at or behind this offset belong to `generation`, records before it to earlier ones.
    pub(super) generation_start: u64,
}

/// Why bytes are no tape header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TapeHeaderError {
    /// The magic or the checksum is wrong.
    Damaged,
    /// Intact, but of another format.
    Version(u32),
}

impl TapeHeader {
    pub(super) fn encode(&self) -> [u8; TAPE_HEADER_BYTES] {
        let mut bytes = [0; TAPE_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&TAPE_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(self.uuid.as_bytes());
        bytes[32..40].copy_from_slice(&self.created_unix_s.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.generation.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.generation_start.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..TAPE_HEADER_BYTES - 4]);
        bytes[TAPE_HEADER_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; TAPE_HEADER_BYTES]) -> Result<TapeHeader, TapeHeaderError> {
        let sum = crc32c::crc32c(&bytes[..TAPE_HEADER_BYTES - 4]);
        if bytes[0..8] != TAPE_MAGIC || u32_at(bytes, TAPE_HEADER_BYTES - 4) != sum {
            return Err(TapeHeaderError::Damaged);
        }
        let version = u32_at(bytes, 8);
        if version != FORMAT_VERSION {
            return Err(TapeHeaderError::Version(version));
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[16..32]);
        let header = TapeHeader {
            uuid: Uuid::from_bytes(uuid),
            created_unix_s: u64_at(bytes, 32),
            generation: u64_at(bytes, 40),
            generation_start: u64_at(bytes, 48),
        };
        if header.generation == 0 || header.generation_start < DATA_START_BYTES {
            return Err(TapeHeaderError::Damaged);
        }
        Ok(header)
    }

    /// What record header checksums of this tape start from: a record of another tape never verifies here.
    pub(super) fn checksum_seed(&self) -> u32 {
        crc32c::crc32c(self.uuid.as_bytes())
    }

    /// Whether a record of `generation` may be live at `offset`.
    pub(super) fn admits(&self, offset: u64, generation: u64) -> bool {
        if offset >= self.generation_start {
            generation == self.generation
        } else {
            generation < self.generation
        }
    }
}

/// What stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Filemark,
}

/// What stands behind a payload: 0 to 7 bytes of padding and the trailer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    bytes: [u8; ALIGNMENT_BYTES + TRAILER_BYTES],
    length: usize,
}

impl std::ops::Deref for Tail {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The header before every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) kind: Kind,
    pub(super) codec: u8,
    pub(super) generation: u64,
    /// The position of this record: every record says where on the tape it stands.
    pub(super) position: Position,
    pub(super) logical_bytes: u32,
    pub(super) stored_bytes: u32,
    pub(super) payload_sum: u32,
}

impl RecordHeader {
    /// The header of `payload` stored as it is; `None` if it is too long for any record.
    pub(super) fn raw(
        kind: Kind,
        generation: u64,
        position: Position,
        payload: &[u8],
    ) -> Option<RecordHeader> {
        let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= RECORD_BYTES_MAX)?;
        Some(RecordHeader {
            kind,
            codec: CODEC_RAW,
            generation,
            position,
            logical_bytes: length,
            stored_bytes: length,
            payload_sum: crc32c::crc32c(payload),
        })
    }

    /// The bytes of log that the whole record takes.
    pub(super) fn total_bytes(&self) -> u64 {
        stored_bytes(self.stored_bytes)
    }

    /// The cursor behind this record, which starts at `offset`.
    pub(super) fn behind(&self, offset: u64) -> Cursor {
        let position = match self.kind {
            Kind::Data => self.position.behind_record(),
            Kind::Filemark => self.position.behind_filemark(),
        };
        Cursor::new(offset.saturating_add(self.total_bytes()), position)
    }

    /// What stands before and behind the payload in the log: the header; padding and trailer.
    pub(super) fn frame(&self, seed: u32) -> ([u8; RECORD_HEADER_BYTES], Tail) {
        let header = self.encode(seed);
        let padding_bytes = self.padding_bytes();
        let mut bytes = [0; ALIGNMENT_BYTES + TRAILER_BYTES];
        bytes[padding_bytes..padding_bytes + TRAILER_BYTES].copy_from_slice(&self.trailer_of(&header));
        (header, Tail { bytes, length: padding_bytes + TRAILER_BYTES })
    }

    /// Appends the whole record to `out`. `payload` has `stored_bytes` bytes.
    pub(super) fn encode_onto(&self, seed: u32, payload: &[u8], out: &mut Vec<u8>) {
        debug_assert_eq!(payload.len(), self.stored_bytes as usize);
        let (front, back) = self.frame(seed);
        for part in [&front[..], payload, &back] {
            out.extend_from_slice(part);
        }
    }

    fn padding_bytes(&self) -> usize {
        let stored = self.stored_bytes as usize;
        stored.next_multiple_of(ALIGNMENT_BYTES) - stored
    }

    pub(super) fn encode(&self, seed: u32) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&RECORD_MAGIC);
        bytes[4] = match self.kind {
            Kind::Data => TYPE_DATA,
            Kind::Filemark => TYPE_FILEMARK,
        };
        bytes[5] = self.codec;
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.position.block.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.position.file.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.position.block_in_file.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.logical_bytes.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.stored_bytes.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.payload_sum.to_le_bytes());
        let sum = crc32c::crc32c_append(seed, &bytes[..52]);
        bytes[52..56].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The record header in `bytes`, if its checksum, its fixed fields and its lengths hold.
    pub(super) fn decode(seed: u32, bytes: &[u8; RECORD_HEADER_BYTES]) -> Option<RecordHeader> {
        if bytes[0..4] != RECORD_MAGIC || u32_at(bytes, 52) != crc32c::crc32c_append(seed, &bytes[..52]) {
            return None;
        }
        let kind = match bytes[4] {
            TYPE_DATA => Kind::Data,
            TYPE_FILEMARK => Kind::Filemark,
            _ => return None,
        };
        let header = RecordHeader {
            kind,
            codec: bytes[5],
            generation: u64_at(bytes, 8),
            position: Position {
                block: u64_at(bytes, 16),
                file: u64_at(bytes, 24),
                block_in_file: u64_at(bytes, 32),
            },
            logical_bytes: u32_at(bytes, 40),
            stored_bytes: u32_at(bytes, 44),
            payload_sum: u32_at(bytes, 48),
        };
        let flags_are_zero = bytes[6] == 0 && bytes[7] == 0;
        (flags_are_zero && header.lengths_hold() && header.position.is_possible()).then_some(header)
    }

    fn lengths_hold(&self) -> bool {
        let max = RECORD_BYTES_MAX as u64;
        let (logical, stored) = (u64::from(self.logical_bytes), u64::from(self.stored_bytes));
        match self.kind {
            Kind::Data if self.codec == CODEC_RAW => stored == logical && (1..=max).contains(&logical),
            Kind::Data => (1..=max).contains(&logical) && (1..=max).contains(&stored),
            Kind::Filemark => logical == 0 && stored == 0,
        }
    }

    /// The trailer: the record's length, tied to its header.
    pub(super) fn trailer(&self, seed: u32) -> [u8; TRAILER_BYTES] {
        self.trailer_of(&self.encode(seed))
    }

    fn trailer_of(&self, header: &[u8; RECORD_HEADER_BYTES]) -> [u8; TRAILER_BYTES] {
        let total =
            u32::try_from(self.total_bytes()).expect("at most 16 MiB and a little, checked in lengths_hold");
        let mut bytes = [0; TRAILER_BYTES];
        bytes[0..4].copy_from_slice(&total.to_le_bytes());
        let sum = crc32c::crc32c_append(u32_at(header, 52), &bytes[0..4]);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }
}

/// The record length that a trailer states; not to be trusted before the header it points to agrees.
pub(super) fn trailer_length(bytes: &[u8; TRAILER_BYTES]) -> u64 {
    u64::from(u32_at(bytes, 0))
}

/// The places in `bytes`, as multiples of the alignment, where a record header may begin.
pub(super) fn record_candidates(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    bytes
        .chunks_exact(ALIGNMENT_BYTES)
        .enumerate()
        .filter(|(_, word)| word[0..4] == RECORD_MAGIC)
        .map(|(number, _)| number * ALIGNMENT_BYTES)
}

/// The little-endian number at `at`. The callers' arrays are long enough by their types.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// The little-endian number at `at`. The callers' arrays are long enough by their types.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
