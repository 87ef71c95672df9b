//! What an index file claims, read at once and without the log: for whoever holds it against the log.

use std::ops::Range;

use uuid::Uuid;

use super::page::{ENTRIES_PER_PAGE, PAGE_BYTES, decode_header, decode_page};
use super::{Entry, INTERVAL_BYTES};
use crate::tape::format::DATA_START_BYTES;
use crate::tape::position::Cursor;

/// All that an index says.
pub(in super::super) struct Claims {
    pub(in super::super) uuid: Uuid,
    pub(in super::super) generation: u64,
    pub(in super::super) end: Cursor,
    pub(in super::super) entries: Vec<Entry>,
}

/// Which bytes of an index file are of no use.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct BadPage(pub(in super::super) Range<u64>);

/// The longest index that a log of `log_bytes` can have, in bytes; half as much again, as the log may just be growing.
pub(in super::super) fn length_max(log_bytes: u64) -> u64 {
    let entries = log_bytes / INTERVAL_BYTES + 1;
    let pages = entries / ENTRIES_PER_PAGE as u64 + 16;
    (pages + pages / 2) * PAGE_BYTES as u64
}

impl Claims {
    /// Reads the whole of an index file.
    pub(in super::super) fn read(bytes: &[u8]) -> Result<Claims, BadPage> {
        let page = PAGE_BYTES as u64;
        let header = bytes.first_chunk().and_then(decode_header).ok_or(BadPage(0..page))?;
        let mut claims =
            Claims { uuid: header.uuid, generation: header.generation, end: header.end, entries: Vec::new() };
        let possible =
            (header.end.offset.saturating_sub(DATA_START_BYTES) / INTERVAL_BYTES).saturating_add(1);
        if !header.end.position.is_possible() || header.entries > possible {
            return Err(BadPage(0..page));
        }
        let pages = header.entries.div_ceil(ENTRIES_PER_PAGE as u64);
        let mut left = header.entries;
        for number in 0..pages {
            let from = (number + 1) * page;
            let bad = BadPage(from..from + page);
            let at = usize::try_from(from).unwrap_or(usize::MAX);
            let Some(bytes) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { return Err(bad) };
            let Some(mut entries) = decode_page(number, bytes) else { return Err(bad) };
            let expected = left.min(ENTRIES_PER_PAGE as u64);
            if (entries.len() as u64) < expected {
                return Err(bad);
            }
            // A writer may just have added entries that the header does not count yet.
            entries.truncate(usize::try_from(expected).unwrap_or(ENTRIES_PER_PAGE));
            left -= expected;
            claims.entries.append(&mut entries);
        }
        Ok(claims)
    }
}
