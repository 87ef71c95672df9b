//! Backup: the connection's bytes become records on tape (NDMPv4 3.6.1, mode READ).
//!
//! Records are received in place, as long as the drive lends room for them; what is special goes through the carry,
//! record by record. Every record is full; the last one is padded with zeros. A record that meets the end of the medium stays in the
//! carry and is the first one on the next tape. It must not decide what a pause is for. See `recover` for the way
//! back.

use super::{BATCH_BYTES, PumpControl};
use crate::mover::{End, Ended, Progress};
use crate::vtl::drive::{RecordLoan, RecordPort, WriteStop};
use std::io::{self, Read};

/// Bytes received and not yet on tape. Lives as long as the data connection.
#[derive(Debug)]
pub struct BackupCarry {
    /// A whole number of records long, so that a record never wraps.
    buffer: Vec<u8>,
    record_bytes: usize,
    start: usize,
    end: usize,
    /// The peer has closed its side: what is here is all there will be.
    is_ended: bool,
}

impl BackupCarry {
    /// An empty carry for records of `record_bytes` (1 to [`crate::mover::Mover::RECORD_BYTES_MAX`]).
    pub fn new(record_bytes: u32) -> BackupCarry {
        let record_bytes = record_bytes.max(1) as usize;
        let records = (BATCH_BYTES / record_bytes).max(1);
        BackupCarry {
            buffer: vec![0; records * record_bytes],
            record_bytes,
            start: 0,
            end: 0,
            is_ended: false,
        }
    }

    fn held_bytes(&self) -> usize {
        self.end - self.start
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Stream bytes of the next record, when it is whole or the stream has ended.
    fn next_record_bytes(&self) -> Option<usize> {
        let held = self.held_bytes();
        if held >= self.record_bytes {
            Some(self.record_bytes)
        } else if self.is_ended && held > 0 {
            Some(held)
        } else {
            None
        }
    }

    /// The next record, padded with zeros to its full length.
    fn next_record(&mut self, stream_bytes: usize) -> &[u8] {
        let whole = self.start..self.start + self.record_bytes;
        self.buffer[self.start + stream_bytes..whole.end].fill(0);
        &self.buffer[whole]
    }

    /// Holds `bytes`, less than one record, and nothing else.
    fn hold(&mut self, bytes: &[u8]) {
        self.buffer[..bytes.len()].copy_from_slice(bytes);
        (self.start, self.end) = (0, bytes.len());
    }

    fn consume(&mut self, stream_bytes: usize) {
        self.start += stream_bytes;
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
        }
    }

    /// One read from the peer; it returns when anything has come.
    fn fill(&mut self, stream: &mut impl Read) -> io::Result<()> {
        // The last record's place must stay inside the buffer: move a piece of a record to the front.
        if self.start > 0 && self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            match stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.is_ended = true;
                    return Ok(());
                }
                Ok(read) => {
                    self.end += read;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What to do, from `mover::Start::Backup`.
#[derive(Clone, Debug)]
pub struct BackupJob {
    /// Stream bytes until the window is full.
    pub window_left_bytes: u64,
    /// The counters to go on from.
    pub progress: Progress,
    /// Shared with the session.
    pub control: PumpControl,
}

impl BackupJob {
    /// Counts records that have been written, `stream_bytes` of them not padding.
    fn count(&mut self, records: u64, record_bytes: usize, stream_bytes: u64) {
        // Its start is SET_WINDOW's, that is the network's.
        self.progress.record_number = self.progress.record_number.saturating_add(records);
        self.progress.moved_bytes += stream_bytes;
        if self.window_left_bytes != u64::MAX {
            self.window_left_bytes -= records.saturating_mul(record_bytes as u64);
        }
    }
}

/// Pumps until the stream, the window or the tape ends. Everything counted is on stable storage when it returns,
/// or the end says that it is not.
pub fn run_backup(
    drive: &mut impl RecordPort,
    stream: &mut impl Read,
    carry: &mut BackupCarry,
    mut job: BackupJob,
) -> Ended {
    let end = transfer(drive, stream, carry, &mut job);
    let end = match (end, drive.sync()) {
        (end, Ok(())) | (end @ End::Media(_), Err(_)) => end,
        (_, Err(cause)) => End::Media(cause),
    };
    drive.release_memory();
    drive.publish();
    job.control.progress.set(job.progress);
    Ended { end, progress: job.progress, window_left_bytes: job.window_left_bytes, read: None }
}

fn transfer(
    drive: &mut impl RecordPort,
    stream: &mut impl Read,
    carry: &mut BackupCarry,
    job: &mut BackupJob,
) -> End {
    loop {
        if let Some(end) = receive_records(drive, stream, carry, job)
            .or_else(|| write_held(drive, carry, job))
            .or_else(|| receive(stream, carry, job))
        {
            return end;
        }
    }
}

/// The fast way: as long as the drive lends room, records are received where they are written from.
fn receive_records<D: RecordPort>(
    drive: &mut D,
    stream: &mut impl Read,
    carry: &mut BackupCarry,
    job: &mut BackupJob,
) -> Option<End> {
    let record_bytes = u32::try_from(carry.record_bytes).ok()?;
    loop {
        let records_max = job.window_left_bytes / u64::from(record_bytes);
        if records_max == 0 || carry.held_bytes() >= carry.record_bytes || carry.is_ended {
            return None;
        }
        let mut loan = match drive.lend_room(record_bytes, records_max) {
            Ok(loan) => loan?,
            Err(cause) => return Some(End::Media(cause)),
        };
        let end = fill(&mut loan, stream, carry, job);
        carry.hold(loan.unfinished());
        if end.is_some() {
            return end;
        }
    }
}

/// Receives into `loan` until it is full or the stream ends, or something else ends it.
fn fill(
    loan: &mut impl RecordLoan,
    stream: &mut impl Read,
    carry: &mut BackupCarry,
    job: &mut BackupJob,
) -> Option<End> {
    // What came before is the beginning of the first record.
    let mut held = &carry.buffer[carry.start..carry.end];
    while !held.is_empty() {
        // A slice is read without an error, and there is room for more than it.
        loan.receive(&mut held).ok().filter(|received| *received > 0)?;
    }
    while !loan.is_full() {
        let received = loan.receive(stream);
        if job.control.is_aborted() {
            return Some(End::Aborted);
        }
        match received {
            Ok(0) => {
                carry.is_ended = true;
                return None;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Some(End::ConnectionBroken(error.to_string())),
        }
        let records = loan.write();
        job.count(records, carry.record_bytes, records.saturating_mul(carry.record_bytes as u64));
        job.control.progress.set(job.progress);
    }
    None
}

/// The careful way: one record that has come whole after the other, until none is left.
fn write_held(drive: &mut impl RecordPort, carry: &mut BackupCarry, job: &mut BackupJob) -> Option<End> {
    while let Some(stream_bytes) = carry.next_record_bytes() {
        if job.control.is_aborted() {
            return Some(End::Aborted);
        }
        if job.window_left_bytes < carry.record_bytes as u64 {
            return Some(End::WindowFull);
        }
        match drive.write_record(carry.next_record(stream_bytes)) {
            Ok(()) => {}
            Err(WriteStop::EndOfMedium) => return Some(End::EndOfMedium),
            Err(WriteStop::SpaceWarning(cause)) => return Some(End::OutOfSpace(cause)),
            Err(WriteStop::NoSpace(cause)) => return Some(End::NoSpace(cause)),
            Err(WriteStop::Failed(cause)) => return Some(End::Media(cause)),
        }
        carry.consume(stream_bytes);
        job.count(1, carry.record_bytes, stream_bytes as u64);
    }
    job.control.progress.set(job.progress);
    drive.publish();
    carry.is_ended.then_some(End::PeerClosed)
}

/// One read, where there is no room lent to receive into.
fn receive(stream: &mut impl Read, carry: &mut BackupCarry, job: &BackupJob) -> Option<End> {
    if job.window_left_bytes < carry.record_bytes as u64 && !carry.is_empty() {
        return Some(End::WindowFull);
    }
    let filled = carry.fill(stream);
    if job.control.is_aborted() {
        return Some(End::Aborted);
    }
    filled.err().map(|error| End::ConnectionBroken(error.to_string()))
}
