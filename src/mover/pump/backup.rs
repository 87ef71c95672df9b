//! Backup: the connection's bytes become records on tape (NDMPv4 3.6.1, mode READ).
//!
//! Every record is full; the last one is padded with zeros. A record that meets the end of the medium stays in the
//! carry and is the first one on the next tape. It must not decide what a pause is for. See `recover` for the way
//! back.

use super::{BATCH_BYTES, PumpControl};
use crate::mover::{End, Ended, Progress};
use crate::vtl::drive::{RecordPort, WriteStop};
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

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Stream bytes of the next record, when it is whole or the stream has ended.
    fn next_record_bytes(&self) -> Option<usize> {
        let held = self.end - self.start;
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
    let record_bytes = carry.record_bytes as u64;
    loop {
        while let Some(stream_bytes) = carry.next_record_bytes() {
            if job.control.is_aborted() {
                return End::Aborted;
            }
            if job.window_left_bytes < record_bytes {
                return End::WindowFull;
            }
            match drive.write_record(carry.next_record(stream_bytes)) {
                Ok(()) => {}
                Err(WriteStop::EndOfMedium) => return End::EndOfMedium,
                Err(WriteStop::Failed(cause)) => return End::Media(cause),
            }
            carry.consume(stream_bytes);
            // Its start is SET_WINDOW's, that is the network's.
            job.progress.record_number = job.progress.record_number.saturating_add(1);
            job.progress.moved_bytes += stream_bytes as u64;
            if job.window_left_bytes != u64::MAX {
                job.window_left_bytes -= record_bytes;
            }
        }
        job.control.progress.set(job.progress);
        drive.publish();
        if carry.is_ended {
            return End::PeerClosed;
        }
        if job.window_left_bytes < record_bytes && !carry.is_empty() {
            return End::WindowFull;
        }
        let filled = carry.fill(stream);
        if job.control.is_aborted() {
            return End::Aborted;
        }
        if let Err(error) = filled {
            return End::ConnectionBroken(error.to_string());
        }
    }
}
