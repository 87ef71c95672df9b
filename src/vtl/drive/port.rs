//! The drive as a pump sees it: records in, records out, and what stops them.
//!
//! Ends that a tape always has (a mark, the end of data, the end of the medium) are outcomes here, not errors.
//! Many records in a row are received into a loan; everything else goes record by record.
//! It must not know who moves the records, nor sockets. Implemented by `super::unit::Drive`; a physical drive can
//! stand behind it as well. Read `crate::mover::pump` for its only user.

use crate::tape::Lent;
use std::io::{self, Read};

/// What stopped a write. Nothing of the refused record is on the tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteStop {
    /// The early warning was crossed by an earlier record, or no room is left.
    EndOfMedium,
    /// The file system is short of space: the tape ends here, but what ends it properly is still taken. Text for the
    /// operator.
    SpaceWarning(String),
    /// The file system has no room to begin or go on with. Text for the operator.
    NoSpace(String),
    /// The medium or the drive failed; text for the operator.
    Failed(String),
}

/// What a read met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadStop {
    /// A record of this many bytes, which may be more than the buffer held.
    Record(usize),
    /// A filemark; the tape stands on its beginning-of-tape side.
    Filemark,
    /// The end of recorded data; `medium_full` = recording ended because the tape was full.
    EndOfData {
        /// Whether the data ends in the early-warning zone.
        medium_full: bool,
    },
}

/// What ended a motion over records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceStop {
    /// All records were passed.
    Complete,
    /// A filemark; the tape stands on the side it came from.
    Filemark,
    /// The end of recorded data.
    EndOfData {
        /// Whether the data ends in the early-warning zone.
        medium_full: bool,
    },
    /// The beginning of the tape.
    BeginningOfTape,
}

/// Room for records of one length on the tape, to receive them where they are written from.
pub trait RecordLoan {
    /// One read from `stream`, into as many records as it fills; returns how many bytes came.
    fn receive(&mut self, stream: &mut impl Read) -> io::Result<usize>;

    /// Writes the records that have come whole, and makes the position visible; returns how many.
    fn write(&mut self) -> u64;

    /// The bytes of the record that has not come whole. They are forgotten with the loan.
    fn unfinished(&mut self) -> &[u8];

    /// Whether there is no room left.
    fn is_full(&self) -> bool;
}

/// A drive with a tape in it, standing at a record's edge.
pub trait RecordPort {
    /// What [`RecordPort::lend_room`] lends.
    type Loan<'a>: RecordLoan
    where
        Self: 'a;

    /// Room for up to `records_max` records of `record_bytes` at the position, none of which any stop can meet.
    /// `None` if the next record has to go through [`RecordPort::write_record`]. The error is for the operator: records
    /// written earlier are lost.
    fn lend_room(&mut self, record_bytes: u32, records_max: u64) -> Result<Option<Self::Loan<'_>>, String>;

    /// Writes one record of 1 byte or more at the position; what followed it is gone.
    fn write_record(&mut self, record: &[u8]) -> Result<(), WriteStop>;

    /// Reads the next record into `buffer`. An error leaves the buffer's contents undefined.
    fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadStop, String>;

    /// Checks the next records and lends them where they stand in memory: none longer than `record_bytes_max`, together
    /// at most `bytes_max` bytes. Returns how many there are. The tape does not move. None says nothing of what stands
    /// next: [`RecordPort::read_record`] does, and a drive that never lends is as good, only slower.
    fn lend_records(&mut self, _record_bytes_max: usize, _bytes_max: u64) -> usize {
        0
    }

    /// The records that are lent, until anything else is done with the drive.
    fn lent_records(&self) -> Lent<'_> {
        Lent::new(&[], &[])
    }

    /// Stands behind the first `count` of the records lent, as if they had been read.
    fn pass_lent_records(&mut self, _count: usize) {}

    /// Passes `count` records (negative: backwards). Returns how many were passed and what ended it.
    fn space_records(&mut self, count: i64) -> Result<(u64, SpaceStop), String>;

    /// Gives back memory and threads that only a running transfer needs.
    fn release_memory(&mut self);

    /// Puts everything written on stable storage.
    fn sync(&mut self) -> Result<(), String>;

    /// Makes the position visible to whoever asks for it while the pump runs.
    fn publish(&mut self);
}
