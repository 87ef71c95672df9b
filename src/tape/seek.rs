//! Moving over a tape without reading it: to a block, over records, over filemarks.
//!
//! Every movement comes down to two: to the block with a number, and to the filemark with a number. Both jump to
//! the nearest place that the index knows and walk on from there.

use super::error::TapeError;
use super::format::Kind;
use super::log::Found;
use super::medium::Medium;
use super::position::{Cursor, Position};
use super::recovery::confirmed;
use super::storage::Storage;

/// Why a movement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It went as far as asked.
    Complete,
    /// A filemark stood in the way. Forward the position is behind it, backward before it.
    Filemark,
    /// The end of data stood in the way.
    EndOfData,
    /// The beginning of the tape stood in the way.
    BeginningOfTape,
}

/// The outcome of a SPACE command (SSC 7.x).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spaced {
    /// How many of what was asked for were passed; the residue is the count asked for less this.
    pub moved: u64,
    /// Why it ended.
    pub stop: Stop,
}

impl<S: Storage, I: Storage> Medium<S, I> {
    /// Moves `count` records forward, or backward if negative, and stops at a filemark.
    pub(super) fn space_records(&mut self, count: i64) -> Result<Spaced, TapeError> {
        self.settle()?;
        let wanted = count.unsigned_abs();
        if count < 0 { self.space_records_back(wanted) } else { self.space_records_forward(wanted) }
    }

    /// Moves `count` filemarks forward, or backward if negative. Forward the position is then behind the last one,
    /// backward before it.
    pub(super) fn space_filemarks(&mut self, count: i64) -> Result<Spaced, TapeError> {
        self.settle()?;
        let from = self.cursor.position.file;
        let wanted = count.unsigned_abs();
        if count == 0 {
            return Ok(Spaced { moved: 0, stop: Stop::Complete });
        }
        if count < 0 {
            let Some(target) = from.checked_sub(wanted) else {
                self.cursor = Cursor::BEGINNING;
                return Ok(Spaced { moved: from, stop: Stop::BeginningOfTape });
            };
            self.cursor = self.find_filemark(target)?.0;
            return Ok(Spaced { moved: wanted, stop: Stop::Complete });
        }
        let files = self.end().position.file;
        if wanted > files - from.min(files) {
            self.cursor = self.end();
            return Ok(Spaced { moved: files - from.min(files), stop: Stop::EndOfData });
        }
        self.cursor = self.find_filemark(from + wanted - 1)?.1;
        Ok(Spaced { moved: wanted, stop: Stop::Complete })
    }

    /// Moves to block `block`, or to the end of data if the tape has fewer.
    pub(super) fn locate_block(&mut self, block: u64) -> Result<Stop, TapeError> {
        self.settle()?;
        let is_on_tape = block <= self.end().position.block;
        self.cursor = self.find_block(block.min(self.end().position.block))?;
        Ok(if is_on_tape { Stop::Complete } else { Stop::EndOfData })
    }

    /// Moves to the first block of file `file`, or to the end of data if the tape has fewer.
    pub(super) fn locate_file(&mut self, file: u64) -> Result<Stop, TapeError> {
        self.settle()?;
        if file > self.end().position.file {
            self.cursor = self.end();
            return Ok(Stop::EndOfData);
        }
        self.cursor = match file.checked_sub(1) {
            Some(filemark) => self.find_filemark(filemark)?.1,
            None => Cursor::BEGINNING,
        };
        Ok(Stop::Complete)
    }

    /// Moves to the end of data.
    pub(super) fn locate_end(&mut self) -> Result<(), TapeError> {
        self.settle()?;
        self.cursor = self.end();
        Ok(())
    }

    fn space_records_forward(&mut self, wanted: u64) -> Result<Spaced, TapeError> {
        let (from, end) = (self.cursor.position, self.end().position);
        let target = from.block.saturating_add(wanted).min(end.block);
        let landed = self.find_block(target)?;
        if landed.position.file > from.file {
            let (filemark, behind) = self.find_filemark(from.file)?;
            self.cursor = behind;
            return Ok(Spaced {
                moved: filemark.position.block.saturating_sub(from.block),
                stop: Stop::Filemark,
            });
        }
        self.cursor = landed;
        let moved = target.saturating_sub(from.block);
        Ok(Spaced { moved, stop: if moved == wanted { Stop::Complete } else { Stop::EndOfData } })
    }

    fn space_records_back(&mut self, wanted: u64) -> Result<Spaced, TapeError> {
        let Position { block, file, block_in_file } = self.cursor.position;
        if wanted <= block_in_file {
            self.cursor = self.find_block(block - wanted)?;
            return Ok(Spaced { moved: wanted, stop: Stop::Complete });
        }
        if file == 0 {
            self.cursor = Cursor::BEGINNING;
            return Ok(Spaced { moved: block_in_file, stop: Stop::BeginningOfTape });
        }
        self.cursor = self.find_block(block.saturating_sub(block_in_file + 1))?;
        Ok(Spaced { moved: block_in_file, stop: Stop::Filemark })
    }

    /// The place of block `block`, which is at most that of the end of data.
    fn find_block(&mut self, block: u64) -> Result<Cursor, TapeError> {
        if block == self.end().position.block {
            return Ok(self.end());
        }
        let mut at = self.nearest(|position| position.block <= block)?;
        while at.position.block < block {
            at = match self.log.look(at)? {
                Found::Record { next, .. } => next,
                Found::Damaged { resume, .. } if resume.position.block > block => {
                    at.skip(block - at.position.block)
                }
                Found::Damaged { resume, .. } => resume,
                Found::End => return Err(self.medium_error(at, "the log ends before this block")),
            };
        }
        Ok(at)
    }

    /// The places before and behind filemark `number` (the one that ends file `number`), which the tape has.
    fn find_filemark(&mut self, number: u64) -> Result<(Cursor, Cursor), TapeError> {
        let mut at = self.nearest(|position| position.file <= number)?;
        loop {
            match self.log.look(at)? {
                Found::Record { header, next } => {
                    if header.kind == Kind::Filemark && at.position.file == number {
                        return Ok((at, next));
                    }
                    at = next;
                }
                Found::Damaged { resume, reason } if resume.position.file > number => {
                    // One lost block across which the file number grew was the filemark itself.
                    if resume.position.block == at.position.block + 1 {
                        return Ok((at, resume));
                    }
                    self.cursor = resume;
                    return Err(self.medium_error(at, reason));
                }
                Found::Damaged { resume, .. } => at = resume,
                Found::End => return Err(self.medium_error(at, "the log ends before this filemark")),
            }
        }
    }

    /// The last known place at which `is_before` holds: here, in the index, or the beginning.
    fn nearest(&mut self, is_before: impl Fn(&Position) -> bool) -> Result<Cursor, TapeError> {
        let here = self.cursor;
        let indexed = confirmed(&mut self.log, &self.index, |_, block, file| {
            is_before(&Position { block, file, block_in_file: 0 })
        })?;
        let is_closer = here.skipped == 0 && is_before(&here.position) && here.offset >= indexed.offset;
        Ok(if is_closer { here } else { indexed })
    }
}
