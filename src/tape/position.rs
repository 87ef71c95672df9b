//! Where on a tape one stands: the position a host sees, and the cursor that ties it to a byte of the log.
//!
//! Knows nothing of records' bytes. Read on in `format.rs`.

use std::fmt;

use super::format::DATA_START_BYTES;

/// A logical position as a tape drive reports it (SSC READ POSITION, long form).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// Logical blocks between the beginning of the tape and here; filemarks count as blocks.
    pub block: u64,
    /// Filemarks between the beginning of the tape and here: the number of the file one stands in.
    pub file: u64,
    /// Records between the last filemark (or the beginning of the tape) and here.
    pub block_in_file: u64,
}

impl Position {
    /// The beginning of the tape.
    pub const BEGINNING: Position = Position { block: 0, file: 0, block_in_file: 0 };

    /// Whether these numbers can be true of any place: each block before it is a filemark or a record.
    pub(super) fn is_possible(self) -> bool {
        self.file.checked_add(self.block_in_file).is_some_and(|blocks| blocks <= self.block)
    }

    /// The position behind a record that stands here.
    pub(super) fn behind_record(self) -> Position {
        Position {
            block: self.block.saturating_add(1),
            file: self.file,
            block_in_file: self.block_in_file.saturating_add(1),
        }
    }

    /// The position behind a filemark that stands here.
    pub(super) fn behind_filemark(self) -> Position {
        Position { block: self.block.saturating_add(1), file: self.file.saturating_add(1), block_in_file: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} (file {}, block {} in it)", self.block, self.file, self.block_in_file)
    }
}

/// A position together with the byte of the log at which its record starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Byte offset in the log.
    pub(super) offset: u64,
    /// The logical position.
    pub(super) position: Position,
    /// How many blocks of a damaged run, which starts at `offset`, lie before `position`. Such a run has no
    /// boundaries left that could be told, only the number of blocks that it held.
    pub(super) skipped: u64,
}

impl Cursor {
    pub(super) const BEGINNING: Cursor =
        Cursor { offset: DATA_START_BYTES, position: Position::BEGINNING, skipped: 0 };

    pub(super) fn new(offset: u64, position: Position) -> Cursor {
        Cursor { offset, position, skipped: 0 }
    }

    /// A place whose position is not known: an end of the log before recovery has read up to it.
    pub(super) fn unknown(offset: u64) -> Cursor {
        Cursor::new(offset, Position { block: u64::MAX, file: u64::MAX, block_in_file: u64::MAX })
    }

    /// The cursor `blocks` further inside the damaged run that starts at this offset.
    pub(super) fn skip(self, blocks: u64) -> Cursor {
        let position = Position {
            block: self.position.block.saturating_add(blocks),
            file: self.position.file,
            block_in_file: self.position.block_in_file.saturating_add(blocks),
        };
        Cursor { offset: self.offset, position, skipped: self.skipped.saturating_add(blocks) }
    }

    /// The first block that stands at this offset: where a write would really begin.
    pub(super) fn run_start(self) -> Cursor {
        let position = Position {
            block: self.position.block.saturating_sub(self.skipped),
            file: self.position.file,
            block_in_file: self.position.block_in_file.saturating_sub(self.skipped),
        };
        Cursor { offset: self.offset, position, skipped: 0 }
    }
}
