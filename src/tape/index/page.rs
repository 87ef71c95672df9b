//! The bytes of the index file, as `FORMAT.md` describes them: a header page, then pages of entries.
//!
//! Pure functions between bytes and values.

use uuid::Uuid;

use super::super::format::{u32_at, u64_at};
use super::super::position::{Cursor, Position};
use super::Entry;

pub(super) const PAGE_BYTES: usize = 4096;
const PAGE_HEADER_BYTES: usize = 16;
const ENTRY_BYTES: usize = 24;
pub(super) const ENTRIES_PER_PAGE: usize = (PAGE_BYTES - PAGE_HEADER_BYTES) / ENTRY_BYTES;
const MAGIC: [u8; 8] = *b"TAPEINDX";
const INDEX_VERSION: u32 = 1;

/// What the header page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Covered {
    pub(super) uuid: Uuid,
    pub(super) generation: u64,
    pub(super) end: Cursor,
    pub(super) entries: u64,
}

pub(super) fn encode_header(covered: &Covered) -> [u8; PAGE_BYTES] {
    let mut bytes = [0; PAGE_BYTES];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&INDEX_VERSION.to_le_bytes());
    bytes[16..32].copy_from_slice(covered.uuid.as_bytes());
    let position = covered.end.position;
    let numbers = [
        covered.generation,
        covered.end.offset,
        position.block,
        position.file,
        position.block_in_file,
        covered.entries,
    ];
    for (slot, number) in bytes[32..].chunks_exact_mut(8).zip(numbers) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
    let sum = crc32c::crc32c(&bytes[..PAGE_BYTES - 4]);
    bytes[PAGE_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

pub(super) fn decode_header(bytes: &[u8; PAGE_BYTES]) -> Option<Covered> {
    let sum = crc32c::crc32c(&bytes[..PAGE_BYTES - 4]);
    if bytes[0..8] != MAGIC || u32_at(bytes, 8) != INDEX_VERSION || u32_at(bytes, PAGE_BYTES - 4) != sum {
        return None;
    }
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&bytes[16..32]);
    let position =
        Position { block: u64_at(bytes, 48), file: u64_at(bytes, 56), block_in_file: u64_at(bytes, 64) };
    Some(Covered {
        uuid: Uuid::from_bytes(uuid),
        generation: u64_at(bytes, 32),
        end: Cursor::new(u64_at(bytes, 40), position),
        entries: u64_at(bytes, 72),
    })
}

/// Page `number` with `entries`, at most [`ENTRIES_PER_PAGE`] of them.
pub(super) fn encode_page(number: u64, entries: &[Entry]) -> [u8; PAGE_BYTES] {
    let mut bytes = [0; PAGE_BYTES];
    let count =
        u32::try_from(entries.len().min(ENTRIES_PER_PAGE)).expect("a page holds less than 200 entries");
    bytes[4..8].copy_from_slice(&count.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    for (slot, entry) in bytes[PAGE_HEADER_BYTES..].chunks_exact_mut(ENTRY_BYTES).zip(entries) {
        slot[0..8].copy_from_slice(&entry.offset.to_le_bytes());
        slot[8..16].copy_from_slice(&entry.block.to_le_bytes());
        slot[16..24].copy_from_slice(&entry.file.to_le_bytes());
    }
    let sum = crc32c::crc32c(&bytes[4..]);
    bytes[0..4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

pub(super) fn decode_page(number: u64, bytes: &[u8; PAGE_BYTES]) -> Option<Vec<Entry>> {
    let count = u32_at(bytes, 4) as usize;
    let is_sound = u32_at(bytes, 0) == crc32c::crc32c(&bytes[4..])
        && u64_at(bytes, 8) == number
        && (1..=ENTRIES_PER_PAGE).contains(&count);
    is_sound.then(|| {
        bytes[PAGE_HEADER_BYTES..]
            .chunks_exact(ENTRY_BYTES)
            .take(count)
            .map(|slot| Entry { offset: u64_at(slot, 0), block: u64_at(slot, 8), file: u64_at(slot, 16) })
            .collect()
    })
}
