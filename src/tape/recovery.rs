//! Finding the end of data when a tape is opened, and cutting off what a crash left half written.
//!
//! The rule: the end is behind the last whole record. What is damaged before that stays where it is and is
//! reported when it is read; what stands behind it is a torn tail. Records that the index covers were durable when
//! it was written, so damage among them never counts as torn, even at the very end.

use super::error::TapeError;
use super::format::{DATA_START_BYTES, RECORD_OVERHEAD_BYTES};
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
    log.set_end(Cursor::unknown(file_bytes));
    let floor = known_end(log, index)?;
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

/// The end of the records that the index covers, or the beginning where that is not to be believed.
fn known_end<S: Storage, I: Storage>(log: &mut Log<S>, index: &mut Index<I>) -> Result<Cursor, TapeError> {
    let Some(known) = index.load(log.header().generation, log.flushed_bytes()) else {
        return Ok(Cursor::BEGINNING);
    };
    if !known.is_complete {
        tracing::warn!(tape = %log.tape(), "its index is damaged; scanning what it does not say");
    }
    if leads_to(log, index, known.end)? {
        return Ok(known.end);
    }
    tracing::warn!(tape = %log.tape(), "its index does not fit its log; scanning the whole tape");
    index.truncate(0);
    Ok(Cursor::BEGINNING)
}

/// Whether the records lead to `end`, which an index says to be behind one of them. Notes those on the way that have
/// no entry; an index that has all its entries makes that a short way. Only damage may hide the truth.
fn leads_to<S: Storage, I: Storage>(
    log: &mut Log<S>,
    index: &mut Index<I>,
    end: Cursor,
) -> Result<bool, TapeError> {
    let mut at = last_indexed(log, index, end.offset)?;
    while at.offset < end.offset {
        at = match log.look(at)? {
            Found::End => return Ok(false),
            Found::Record { next, .. } => {
                index.note(at);
                next
            }
            Found::Damaged { resume, .. } if resume.offset > end.offset || resume == log.end() => {
                let blocks_max = (end.offset - at.offset) / RECORD_OVERHEAD_BYTES;
                let blocks = end.position.block.checked_sub(at.position.block);
                return Ok(blocks.is_some_and(|blocks| (1..=blocks_max).contains(&blocks)));
            }
            Found::Damaged { resume, .. } => resume,
        };
    }
    Ok(at == end)
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
        if entry.offset >= DATA_START_BYTES
            && let Some(header) = log.header_at(entry.offset)?
            && header.position.block == entry.block
            && header.position.file == entry.file
        {
            return Ok(Cursor::new(entry.offset, header.position));
        }
        before = entry.offset;
    }
    Ok(Cursor::BEGINNING)
}
