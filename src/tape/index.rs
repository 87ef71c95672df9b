//! The index: where in the log a block or a file stands, to within a megabyte. Derived from the log, deletable.
//!
//! One entry a megabyte of log keeps it at a forty-thousandth of the log whatever the records' size; the walk from
//! an entry is bounded by that megabyte. Only the first entry of each full page stays in memory. Nothing here is
//! believed: whoever uses an entry looks at the record it names first, and every failure to read or write the
//! index costs time, never data. The bytes are described in `FORMAT.md`, "index".

mod claims;
mod page;

use std::io;

use uuid::Uuid;

pub(super) use self::claims::{BadPage, Claims, length_max};
use self::page::{
    Covered, ENTRIES_PER_PAGE, PAGE_BYTES, decode_header, decode_page, encode_header, encode_page,
};
use super::format::DATA_START_BYTES;
use super::position::{Cursor, Position};
use super::storage::Storage;

/// The least distance in the log between two entries. Small in tests, so that they fill pages.
const INTERVAL_BYTES: u64 = if cfg!(test) { 1 << 10 } else { 1 << 20 };

/// A record of the log: where it stands and what its position is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) block: u64,
    pub(super) file: u64,
}

/// The index of one tape.
pub(super) struct Index<S> {
    /// `None`: there is no place to keep it; it then lives in memory, page starts only.
    storage: Option<S>,
    uuid: Uuid,
    /// The first entry of every full page.
    page_starts: Vec<Entry>,
    /// The entries behind the last full page.
    open_page: Vec<Entry>,
    last_offset: Option<u64>,
    /// Writing failed once: what is in the file no longer matters, and nothing more is written.
    broken: bool,
}

/// What an index file knew when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The end of the records that it covers.
    pub(super) end: Cursor,
    /// Whether all its entries are there; otherwise those at the end are missing and can be noted again.
    pub(super) is_complete: bool,
}

impl<S: Storage> Index<S> {
    /// An empty index to be kept in `storage`.
    pub(super) fn new(storage: Option<S>, uuid: Uuid) -> Index<S> {
        Index {
            storage,
            uuid,
            page_starts: Vec::new(),
            open_page: Vec::new(),
            last_offset: None,
            broken: false,
        }
    }

    /// Reads what `storage` holds. `None`, and an empty index, if that is not about this generation of this tape,
    /// or about more log than there is.
    pub(super) fn load(&mut self, generation: u64, log_bytes: u64) -> Option<Known> {
        let covered = self.covered()?;
        if covered.generation != generation || covered.end.offset > log_bytes {
            return None;
        }
        let is_complete = self.load_pages(covered.entries);
        Some(Known { end: covered.end, is_complete })
    }

    /// The end of the records that the file covers, as far as its header can say.
    fn covered(&self) -> Option<Covered> {
        let storage = self.storage.as_ref()?;
        let mut bytes = [0; PAGE_BYTES];
        let length = storage.read_at(0, &mut bytes).ok()?;
        let covered = decode_header(&bytes).filter(|_| length == PAGE_BYTES)?;
        // A hostile header must not make us read on for ever: entries stand an interval apart.
        let entries_max =
            (covered.end.offset.checked_sub(DATA_START_BYTES)? / INTERVAL_BYTES).saturating_add(1);
        let is_possible = covered.end.position.is_possible() && covered.entries <= entries_max;
        (covered.uuid == self.uuid && is_possible).then_some(covered)
    }

    fn load_pages(&mut self, entries: u64) -> bool {
        let pages = entries.div_ceil(ENTRIES_PER_PAGE as u64);
        for number in 0..pages {
            let expected = (entries - number * ENTRIES_PER_PAGE as u64).min(ENTRIES_PER_PAGE as u64);
            let Some(mut page) = self.read_page(number) else { return false };
            if (page.len() as u64) < expected {
                return false;
            }
            page.truncate(usize::try_from(expected).unwrap_or(ENTRIES_PER_PAGE));
            self.last_offset = page.last().map(|entry| entry.offset);
            if page.len() == ENTRIES_PER_PAGE {
                self.page_starts.extend(page.first());
            } else {
                self.open_page = page;
            }
        }
        true
    }

    /// Notes that a record stands at `at`; most calls do nothing.
    pub(super) fn note(&mut self, at: Cursor) {
        if self.last_offset.is_some_and(|last| at.offset < last.saturating_add(INTERVAL_BYTES)) {
            return;
        }
        self.last_offset = Some(at.offset);
        self.open_page.push(Entry { offset: at.offset, block: at.position.block, file: at.position.file });
        if self.open_page.len() == ENTRIES_PER_PAGE {
            self.write_open_page();
            self.page_starts.extend(self.open_page.first());
            self.open_page.clear();
        }
    }

    /// Forgets the entries at and behind `offset`.
    pub(super) fn truncate(&mut self, offset: u64) {
        if self.open_page.first().is_none_or(|first| first.offset >= offset) {
            let kept = self.page_starts.partition_point(|start| start.offset < offset);
            // The last page kept may hold some of the forgotten; it becomes the open one.
            self.open_page = match kept.checked_sub(1) {
                Some(number) => self.entries_of(number),
                None => Vec::new(),
            };
            self.page_starts.truncate(kept.saturating_sub(1));
        }
        self.open_page.retain(|entry| entry.offset < offset);
        self.last_offset = self.open_page.last().map(|entry| entry.offset);
    }

    /// The last entry for which `is_before` holds; it must hold for all entries up to some place and for none
    /// behind it.
    pub(super) fn last_where(&self, is_before: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let open = self.open_page.partition_point(&is_before);
        if open > 0 {
            return self.open_page.get(open - 1).copied();
        }
        let page = self.page_starts.partition_point(&is_before).checked_sub(1)?;
        let entries = self.entries_of(page);
        let count = entries.partition_point(&is_before).max(1);
        entries.get(count - 1).copied()
    }

    /// Writes what is not in the file yet: the records up to `end` are covered, and durable in the log.
    pub(super) fn save(&mut self, generation: u64, end: Cursor) -> io::Result<()> {
        if !self.open_page.is_empty() {
            self.write_open_page();
        }
        let entries = (self.page_starts.len() * ENTRIES_PER_PAGE + self.open_page.len()) as u64;
        let covered = Covered { uuid: self.uuid, generation, end, entries };
        let Some(storage) = self.storage.as_mut().filter(|_| !self.broken) else { return Ok(()) };
        let pages = entries.div_ceil(ENTRIES_PER_PAGE as u64);
        storage.write_at(0, &encode_header(&covered))?;
        let length = (pages + 1) * PAGE_BYTES as u64;
        if storage.len()? > length {
            storage.truncate(length)?;
        }
        Ok(())
    }

    /// Makes what was saved durable, so that the next load needs no scan even after a loss of power.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        match self.storage.as_mut().filter(|_| !self.broken) {
            Some(storage) => storage.sync(),
            None => Ok(()),
        }
    }

    /// The entries of full page `number`, or, where the file cannot give them, the one that memory holds.
    fn entries_of(&self, number: usize) -> Vec<Entry> {
        let Some(start) = self.page_starts.get(number) else { return Vec::new() };
        match self.read_page(number as u64) {
            Some(entries) if entries.first() == Some(start) => entries,
            _ => vec![*start],
        }
    }

    fn read_page(&self, number: u64) -> Option<Vec<Entry>> {
        let mut bytes = [0; PAGE_BYTES];
        let offset = number.checked_add(1)?.checked_mul(PAGE_BYTES as u64)?;
        let length = self.storage.as_ref()?.read_at(offset, &mut bytes).ok()?;
        if length < PAGE_BYTES { None } else { decode_page(number, &bytes) }
    }

    fn write_open_page(&mut self) {
        let number = self.page_starts.len() as u64;
        let bytes = encode_page(number, &self.open_page);
        let Some(storage) = self.storage.as_mut().filter(|_| !self.broken) else { return };
        if let Err(error) = storage.write_at((number + 1) * PAGE_BYTES as u64, &bytes) {
            tracing::warn!(tape = %self.uuid, %error, "the index cannot be written; the next load will scan the tape");
            self.broken = true;
        }
    }
}

/// What the index file in `storage` says without being loaded: `(generation, end)`.
pub(super) fn peek<S: Storage>(storage: S, uuid: Uuid) -> Option<(u64, u64, Position)> {
    let covered = Index::new(Some(storage), uuid).covered()?;
    Some((covered.generation, covered.end.offset, covered.end.position))
}
