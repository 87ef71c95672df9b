//! Finding the end of data when a tape is opened, and cutting off what a crash left half written.
//!
//! The rule: the end is behind the last whole record. What is damaged before that stays where it is and is
//! reported when it is read; what stands behind it is a torn tail. Records that the index covers were durable when
//! it was written, so damage among them never counts as torn, even at the very end.

use super::error::TapeError;
use super::index::Index;
use super::log::{Found, Log};
use super::position::Cursor;
use super::storage::Storage;

/// What was found behind the end of data and has to be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// The end of data: the first byte to cut.
    pub(super) from: Cursor,
    /// How many bytes stand behind it.
    pub(super) bytes: u64,
    /// The bytes belong to records that an interrupted overwrite was about to destroy: they are not kept aside.
    pub(super) is_overwritten: bool,
}

/// Finds the end of data, fills `index`, and returns what stands behind the end. Changes nothing on disk but the
/// index.
pub(super) fn find_end<S: Storage, I: Storage>(
    log: &mut Log<S>,
    index: &mut Index<I>,
) -> Result<Option<Tail>, TapeError> {
    let file_bytes = log.flushed_bytes();
    let known = index.load(log.header().generation, file_bytes);
    let floor = known.map_or(Cursor::BEGINNING, |known| known.end);
    if let Some(known) = known.filter(|known| !known.is_complete) {
        tracing::warn!(tape = %log.tape(), "its index is damaged; scanning what it does not say");
        let from = last_indexed(log, index, known.end.offset)?;
        log.set_end(known.end);
        note_records(log, index, from)?;
    }
    log.set_end(Cursor::unknown(file_bytes));
    let sound_end = note_records(log, index, floor)?;
    let end = last_whole_record(log, index, floor, sound_end)?;
    index.truncate(end.offset);
    log.set_end(end);
    if end.offset >= file_bytes {
        return Ok(None);
    }
    log.set_end(Cursor::unknown(file_bytes));
    let is_overwritten = log.is_stale_at(end.offset)?;
    log.set_end(end);
    Ok(Some(Tail { from: end, bytes: file_bytes - end.offset, is_overwritten }))
}

/// Walks from `from` to the log's end, notes the records in the index, and returns the place behind the last
/// record whose header is sound (`from` itself, if none is).
fn note_records<S: Storage, I: Storage>(
    log: &mut Log<S>,
    index: &mut Index<I>,
    from: Cursor,
) -> Result<Cursor, TapeError> {
    let mut at = from;
    let mut sound_end = from;
    loop {
        match log.look(at)? {
            Found::End => return Ok(sound_end),
            Found::Record { next, .. } => {
                index.note(at);
                at = next;
                sound_end = next;
            }
            Found::Damaged { resume, .. } => at = resume,
        }
    }
}

/// The place behind the last record before `end` that is whole to its last byte, or `floor`. Looks backwards one
/// index entry at a time, so a long tape costs no more than a short one.
fn last_whole_record<S: Storage, I: Storage>(
    log: &mut Log<S>,
    index: &Index<I>,
    floor: Cursor,
    end: Cursor,
) -> Result<Cursor, TapeError> {
    let mut until = end.offset;
    while until > floor.offset {
        let start = last_indexed(log, index, until)?;
        let start = if start.offset < floor.offset { floor } else { start };
        let mut at = start;
        let mut whole_end = None;
        while at.offset < until {
            match log.look(at)? {
                Found::End => break,
                Found::Record { header, next } => {
                    if log.is_whole(at.offset, &header)? {
                        whole_end = Some(next);
                    }
                    at = next;
                }
                Found::Damaged { resume, .. } => at = resume,
            }
        }
        if let Some(whole_end) = whole_end {
            return Ok(whole_end);
        }
        until = start.offset;
    }
    Ok(floor)
}

/// The last place before `offset` that the index names and the log confirms, or the beginning.
pub(super) fn last_indexed<S: Storage, I: Storage>(
    log: &mut Log<S>,
    index: &Index<I>,
    offset: u64,
) -> Result<Cursor, TapeError> {
    confirmed(log, index, |entry_offset, _, _| entry_offset < offset)
}

/// The last place that the index names, for which `is_before(offset, block, file)` holds, and whose record says
/// the same of itself; or the beginning.
pub(super) fn confirmed<S: Storage, I: Storage>(
    log: &mut Log<S>,
    index: &Index<I>,
    is_before: impl Fn(u64, u64, u64) -> bool,
) -> Result<Cursor, TapeError> {
    let mut before = u64::MAX;
    while let Some(entry) =
        index.last_where(|entry| entry.offset < before && is_before(entry.offset, entry.block, entry.file))
    {
        if entry.offset >= before {
            break;
        }
        if let Some(header) = log.header_at(entry.offset)?
            && header.position.block == entry.block
            && header.position.file == entry.file
        {
            return Ok(Cursor::new(entry.offset, header.position));
        }
        before = entry.offset;
    }
    Ok(Cursor::BEGINNING)
}
