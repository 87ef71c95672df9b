//! The log of one tape: which records are live, where they end, and what is buffered before they reach the disk.
//!
//! Knows nothing of positions a host asks for, of capacity or of labels. `append.rs` writes, `slots.rs` lets records
//! be received where they will be written from, `pending.rs` is that place; `read.rs` reads through what `window.rs`
//! keeps, `lend.rs` without copying; how the end is found after a crash stands in `../recovery.rs`.

mod append;
mod check;
mod lend;
mod pending;
mod read;
mod slots;
mod window;

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::codec::Decoder;
use super::error::TapeError;
use super::format::{DATA_START_BYTES, TAPE_HEADER_BYTES, TapeHeader, TapeHeaderError};
use super::medium::FILEMARK_RESERVE_BYTES;
use super::position::Cursor;
use super::storage::Storage;

use pending::Pending;
use window::Window;

pub(super) use check::Flaw;
pub use lend::Lent;
pub(super) use read::{Found, PayloadError};
pub(super) use slots::Slots;

/// Where the second copy of the tape header stands; the first stands at 0.
const SECOND_COPY: u64 = TAPE_HEADER_BYTES as u64;

/// An open log. It has one owner; the file's lock keeps other processes out.
pub(super) struct Log<S> {
    /// Names the tape in errors.
    tape: Arc<str>,
    storage: S,
    header: TapeHeader,
    /// Where the copy of the header stands that was not `header` when the log was opened, if one was not.
    stale_copy: Option<u64>,
    seed: u32,
    /// The end of data: where the next record goes.
    end: Cursor,
    /// How many bytes of the log are in `storage`; the rest, up to `end`, is in `pending`.
    flushed: u64,
    pending: Pending,
    /// Whether storage holds writes that no sync has covered.
    dirty: bool,
    /// Up to which offset disk space is reserved.
    reserved: u64,
    /// The offset that reservations never go beyond without need: the tape's capacity.
    reserve_end: u64,
    /// Whether the file system had no room left to reserve ahead.
    disk_is_low: bool,
    /// The first error of a write or sync; since then what is on disk is unknown, and nothing more is written.
    failed: Option<String>,
    /// Why the log was opened for reading only: then nothing on disk is changed, and nothing is left to be made durable.
    read_only: Option<String>,
    window: Window,
    decoder: Decoder,
}

impl<S: Storage> Log<S> {
    /// Opens the log in `storage`. Its end stands at the end of the file until recovery has found the true one.
    pub(super) fn open(
        tape: Arc<str>,
        path: &Path,
        storage: S,
        reserve_end: u64,
    ) -> Result<Log<S>, TapeError> {
        let (header, stale_copy) = read_header(&tape, path, &storage)?;
        let length = storage.len().map_err(|source| io_error(&tape, "read the length of its log", source))?;
        Ok(Log {
            tape,
            storage,
            header,
            stale_copy,
            seed: header.checksum_seed(),
            end: Cursor::unknown(length),
            flushed: length,
            pending: Pending::at(length),
            dirty: false,
            reserved: length,
            reserve_end,
            disk_is_low: false,
            failed: None,
            read_only: None,
            window: Window::default(),
            decoder: Decoder::default(),
        })
    }

    pub(super) fn header(&self) -> &TapeHeader {
        &self.header
    }

    /// The tape has another capacity.
    pub(super) fn set_reserve_end(&mut self, reserve_end: u64) {
        self.reserve_end = reserve_end;
    }

    pub(super) fn end(&self) -> Cursor {
        self.end
    }

    /// Says where the records end, while recovery looks for it.
    pub(super) fn set_end(&mut self, end: Cursor) {
        self.end = end;
    }

    /// The bytes of the log that are in storage.
    pub(super) fn flushed_bytes(&self) -> u64 {
        self.flushed
    }

    /// Whether the file system is nearly full, so that this log could reserve no room ahead.
    pub(super) fn disk_is_low(&self) -> bool {
        self.disk_is_low
    }

    /// Whether disk space for `bytes` more at the end, and some filemarks, is reserved already.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        let needed = self.end.offset.saturating_add(bytes).saturating_add(FILEMARK_RESERVE_BYTES);
        !self.disk_is_low && needed <= self.reserved
    }

    /// What the checksums of headers are seeded with.
    pub(super) fn seed(&self) -> u32 {
        self.seed
    }

    pub(super) fn tape(&self) -> &Arc<str> {
        &self.tape
    }

    pub(super) fn storage(&self) -> &S {
        &self.storage
    }

    fn io_error(&self, action: &'static str, source: io::Error) -> TapeError {
        io_error(&self.tape, action, source)
    }

    /// Lets the log be read though it cannot be brought in order, or its file not be written.
    pub(super) fn set_read_only(&mut self, reason: &dyn std::fmt::Display) {
        tracing::warn!(tape = %self.tape, %reason, "opened for reading only");
        // What recovery could not write was nobody's data yet, so no sync owes it to anyone.
        (self.failed, self.dirty) = (None, false);
        self.read_only = Some(reason.to_string());
    }

    /// As [`Log::set_read_only`], where that is what was asked for.
    pub(super) fn set_read_only_quietly(&mut self, reason: &str) {
        self.read_only = Some(reason.to_owned());
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only.is_some()
    }

    /// Remembers that a write failed in a way that leaves the disk's state unknown.
    pub(super) fn fail(&mut self, action: &'static str, source: io::Error) -> TapeError {
        if self.failed.is_none() {
            self.failed = Some(format!("cannot {action}: {source}"));
        }
        self.io_error(action, source)
    }

    /// Refuses to write after such a failure.
    pub(super) fn writable(&self) -> Result<(), TapeError> {
        match self.failed.as_ref().or(self.read_only.as_ref()) {
            Some(reason) => Err(TapeError::Failed { tape: self.tape.to_string(), reason: reason.clone() }),
            None => Ok(()),
        }
    }
}

/// Reads the tape header from the better of its two copies, and says where the other is if it is not the same.
pub(super) fn read_header<S: Storage>(
    tape: &str,
    path: &Path,
    storage: &S,
) -> Result<(TapeHeader, Option<u64>), TapeError> {
    let copies = [read_copy(tape, storage, 0)?, read_copy(tape, storage, SECOND_COPY)?];
    match copies {
        [Ok(first), Ok(second)] if first.uuid != second.uuid => Err(TapeError::NotATape {
            path: path.to_owned(),
            reason: "the two copies of its header name different tapes; restore the file".to_owned(),
        }),
        [Ok(first), Ok(second)] if second.generation > first.generation => Ok((second, Some(0))),
        [Ok(first), Ok(second)] => Ok((first, (first != second).then_some(SECOND_COPY))),
        [Ok(header), Err(_)] => Ok((header, Some(SECOND_COPY))),
        [Err(_), Ok(header)] => Ok((header, Some(0))),
        [Err(TapeHeaderError::Version(version)), _] | [_, Err(TapeHeaderError::Version(version))] => {
            Err(TapeError::UnknownFormat { path: path.to_owned(), version })
        }
        [Err(TapeHeaderError::Damaged), Err(TapeHeaderError::Damaged)] => Err(TapeError::NotATape {
            path: path.to_owned(),
            reason: format!("no intact tape header in its first {DATA_START_BYTES} bytes; restore the file"),
        }),
    }
}

fn read_copy<S: Storage>(
    tape: &str,
    storage: &S,
    offset: u64,
) -> Result<Result<TapeHeader, TapeHeaderError>, TapeError> {
    let mut bytes = [0; TAPE_HEADER_BYTES];
    let length =
        storage.read_at(offset, &mut bytes).map_err(|source| io_error(tape, "read its header", source))?;
    Ok(if length == bytes.len() { TapeHeader::decode(&bytes) } else { Err(TapeHeaderError::Damaged) })
}

pub(super) fn io_error(tape: &str, action: &'static str, source: io::Error) -> TapeError {
    TapeError::Io { tape: tape.to_owned(), action, source }
}
