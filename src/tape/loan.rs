//! A loan: room at the end of the tape for records of one length, into which somebody receives their bytes.
//!
//! The fast way to write many records. Everything that needs a decision (an overwrite, the early warning, the end of
//! the medium, a full disk, a record that is not full) is left to [`Tape::write_record`], which knows all cases. Knows
//! neither sockets nor movers; `mover::pump::backup` is the user, `log::slots` does the work.

use std::io::{self, Read};

use super::error::TapeError;
use super::format::stored_bytes;
use super::log::Slots;
use super::medium::Medium;
use super::storage::Storage;
use super::tape::Tape;

impl<S: Storage, I: Storage> Medium<S, I> {
    /// Room for up to `records_max` records, all of them in front of the early warning.
    pub(super) fn slots(&mut self, record_bytes: u32, records_max: u64) -> Result<Option<Slots>, TapeError> {
        if self.packer.is_on() || self.cursor != self.end() || self.limits.write_protected {
            return Ok(None);
        }
        // Not the one that crosses into the zone, either: whoever writes that one has to be told.
        let records = self.bytes_before_early_warning() / stored_bytes(record_bytes.max(1));
        match records.saturating_sub(1).min(records_max) {
            0 => Ok(None),
            records => self.log.slots(record_bytes, records),
        }
    }

    /// Makes records of what has come; returns how many.
    pub(super) fn append_received(&mut self, slots: &mut Slots) -> u64 {
        let mut records = 0;
        while let Some(at) = self.log.append_received(slots) {
            self.index.note(at);
            records += 1;
        }
        self.cursor = self.end();
        records
    }
}

impl Tape {
    /// Room for up to `records_max` records of `record_bytes` (1 to [`super::RECORD_BYTES_MAX`]) at the position.
    /// `None` if these records, or the next of them, have to go through [`Tape::write_record`].
    ///
    /// # Errors
    /// [`TapeError::Io`] and [`TapeError::Failed`]: records written earlier did not reach the disk.
    pub fn lend_room(&mut self, record_bytes: u32, records_max: u64) -> Result<Option<Loan<'_>>, TapeError> {
        if record_bytes == 0 {
            return Ok(None);
        }
        let slots = self.medium.slots(record_bytes, records_max)?;
        Ok(slots.map(|slots| Loan { tape: self, slots }))
    }
}

/// Room for records; see [`Tape::lend_room`]. What was received for a record that is not whole is forgotten with it.
pub struct Loan<'a> {
    tape: &'a mut Tape,
    slots: Slots,
}

impl Loan<'_> {
    /// One read from `stream`, into as many records as it fills; returns how many bytes came.
    pub fn receive(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        self.tape.medium.log.receive(&mut self.slots, stream)
    }

    /// Writes the records that have come whole; returns how many. As durable as after [`Tape::write_record`].
    pub fn write(&mut self) -> u64 {
        let records = self.tape.medium.append_received(&mut self.slots);
        self.tape.count_written(records, records.saturating_mul(self.slots.record_bytes() as u64));
        records
    }

    /// The bytes of the record that has not come whole.
    pub fn unfinished(&mut self) -> &[u8] {
        self.tape.medium.log.rest_received(&self.slots)
    }

    /// Whether there is no room left.
    pub fn is_full(&self) -> bool {
        self.slots.are_full()
    }

    /// The tape, for its position and what is left of it.
    pub fn tape(&self) -> &Tape {
        self.tape
    }
}
