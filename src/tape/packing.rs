//! Writing with compression: what may go through the pipeline, and how what comes out of it reaches the log.
//!
//! The host's answer does not wait for the compressor, and yet no record is refused that was accepted, and no end
//! comes at another record than without the pipeline. So a record is only staged while it would fit if nothing of
//! what is outstanding could be compressed: in front of the early warning, and into disk space that is reserved
//! already. Where it would not, older records are waited for until it does, or until it goes alone, exactly counted.
//! Everything but a further write settles the pipeline first, so nobody else knows of it.

use super::codec::Compression;
use super::error::TapeError;
use super::format::{DATA_START_BYTES, stored_bytes};
use super::medium::{Medium, early_warning_bytes};
use super::packer::{Block, Broken, Packer, Place};
use super::position::{Cursor, Position};
use super::storage::Storage;

impl<S: Storage, I: Storage> Medium<S, I> {
    /// Says how records are stored from here on.
    pub(super) fn set_compression(&mut self, compression: Compression) -> Result<(), TapeError> {
        self.settle()?;
        self.packer = Packer::new(compression);
        Ok(())
    }

    /// Writes one record here, compressed where that pays; what stands behind is destroyed. On an error it was not
    /// written. `length` is that of `data`.
    pub(super) fn write_packed(&mut self, data: &[u8], length: u32) -> Result<(), TapeError> {
        self.check_write(0, u64::MAX)?;
        if !self.can_stage(stored_bytes(length))? {
            return self.write_alone(data, length);
        }
        let (at, place) = (self.end_position(), self.place());
        if let Err(broken) = self.packer.stage(data, length, at, place) {
            return Err(self.give_up(broken));
        }
        self.cursor = Cursor::new(self.end().offset, at.behind_record());
        Ok(())
    }

    /// Brings all records that were accepted into the log. A full disk does not keep them out of it: the next
    /// durability point reports it.
    ///
    /// # Errors
    /// The log can no longer be written; records since the last durability point are lost.
    pub(super) fn settle(&mut self) -> Result<(), TapeError> {
        if !self.packer.is_busy() {
            return Ok(());
        }
        if let Err(broken) = self.packer.hasten() {
            return Err(self.give_up(broken));
        }
        loop {
            match self.collect() {
                Ok(true) | Err(TapeError::DiskFull { .. }) => {}
                Ok(false) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Where data ends as hosts see it, records on their way included.
    pub(super) fn end_position(&self) -> Position {
        if self.packer.is_busy() { self.cursor.position } else { self.end().position }
    }

    /// Waits until a record that takes `bytes` when stored raw can be staged; false: it never can, and nothing is
    /// outstanding.
    fn can_stage(&mut self, bytes: u64) -> Result<bool, TapeError> {
        loop {
            if self.may_stage(bytes) {
                return Ok(true);
            }
            if !self.collect()? {
                return Ok(false);
            }
        }
    }

    fn may_stage(&self, bytes: u64) -> bool {
        let capacity = self.limits.capacity_bytes;
        let warning = capacity.saturating_sub(early_warning_bytes(capacity));
        let outstanding = self.packer.bound_bytes();
        let used = self.end().offset - DATA_START_BYTES;
        self.packer.takes(bytes)
            && self.packer.has_room_for(bytes)
            && (self.packer.is_busy() || self.cursor.offset == self.end().offset)
            && used.saturating_add(outstanding).saturating_add(bytes) < warning
            && self.log.has_room_for(outstanding.saturating_add(bytes))
    }

    /// Brings the oldest outstanding block into the log; false if there is none.
    fn collect(&mut self) -> Result<bool, TapeError> {
        let block = match self.packer.collect() {
            Ok(Some(block)) => block,
            Ok(None) => return Ok(false),
            Err(broken) => return Err(self.give_up(broken)),
        };
        let appended = self.append_block(&block, true);
        self.packer.recycle(block);
        if appended.is_err() && self.log.writable().is_err() {
            self.forget_outstanding();
        } else {
            // The place behind what is outstanding; exact when nothing is.
            debug_assert!(self.packer.is_busy() || self.cursor.position == self.end().position);
            self.cursor = Cursor::new(self.end().offset, self.cursor.position);
        }
        appended.map(|()| true)
    }

    /// Writes a record by itself: exactly counted, and appended when this returns.
    pub(super) fn write_alone(&mut self, data: &[u8], length: u32) -> Result<(), TapeError> {
        let mut block = self.encode(data, length);
        self.check_write(block.packed().len() as u64, self.limits.capacity_bytes)?;
        if self.cursor.offset != self.end().offset {
            // A new generation and another end: only the length stays what it was.
            self.make_this_the_end()?;
            block = self.encode(data, length);
        }
        let appended = self.append_block(&block, false);
        self.packer.recycle(block);
        appended?;
        self.cursor = self.end();
        Ok(())
    }

    fn encode(&mut self, data: &[u8], length: u32) -> Block {
        let (at, place) = (self.end().position, self.place());
        self.packer.encode_now(data, length, at, place)
    }

    fn append_block(&mut self, block: &Block, is_accepted: bool) -> Result<(), TapeError> {
        let mut at = self.end();
        debug_assert_eq!(at.position, block.first());
        let count = block.totals().len() as u64;
        let behind = Position {
            block: at.position.block.saturating_add(count),
            block_in_file: at.position.block_in_file.saturating_add(count),
            ..at.position
        };
        let appended = self.log.append_encoded(block.packed(), behind, is_accepted);
        if self.end().position == behind {
            for total in block.totals() {
                self.index.note(at);
                at = Cursor::new(at.offset + total, at.position.behind_record());
            }
        }
        appended
    }

    fn place(&self) -> Place {
        Place { generation: self.header().generation, seed: self.log.seed() }
    }

    /// A compressing thread is gone, and with it records that the host believes to be on the tape: nothing more is
    /// written, as after an error of the disk.
    fn give_up(&mut self, Broken(source): Broken) -> TapeError {
        let error = self.log.fail("compress records", source);
        self.forget_outstanding();
        error
    }

    fn forget_outstanding(&mut self) {
        self.packer.abandon();
        self.cursor = self.end();
    }
}
