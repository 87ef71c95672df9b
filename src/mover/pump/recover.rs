//! Recover: records from tape become bytes on the connection (NDMPv4 3.6.1, mode WRITE).
//!
//! The position is relative: the tape stands in front of the record numbered `progress.record_number`, whatever tape
//! that is, and the pump spaces from there. It delivers exactly the bytes asked for, also from inside a record and
//! backwards. It must not cross a filemark. See `backup` for the way in.
//!
//! Whole records in a row go to the connection from where the drive has them, without a copy; everything unusual, and
//! the record in which the range ends (the next one may want its rest), is read into the carry.

use super::{BATCH_BYTES, PumpControl};
use crate::mover::{End, Ended, Progress, ReadRange, Window};
use crate::vtl::drive::{ReadStop, RecordPort, SpaceStop};
use std::io::{ErrorKind, IoSlice, Write};

/// The most records that one system call takes.
const SLICES_MAX: usize = 256;
/// Fewer bytes than this are not worth a system call of their own: they are copied and wait for more.
const LENT_BYTES_MIN: usize = if cfg!(test) { 30 } else { 64 << 10 };

/// The read buffer and the record that was read last. Lives as long as the data connection.
#[derive(Debug)]
pub struct RecoverCarry {
    buffer: Vec<u8>,
    record_bytes: usize,
    last: Option<Held>,
    /// Behind the record that was read last. With records that are not full the offset cannot be computed.
    edge: Option<Edge>,
}

/// A place between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edge {
    record_number: u64,
    stream_offset: u64,
}

/// A record in the buffer.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Place in the buffer.
    at: usize,
    length: usize,
    /// Stream offset of its first byte.
    stream_offset: u64,
}

impl Held {
    fn stream_end(&self) -> u64 {
        self.stream_offset.saturating_add(self.length as u64)
    }
}

impl RecoverCarry {
    /// An empty carry for records of at most `record_bytes` (1 to [`crate::mover::Mover::RECORD_BYTES_MAX`]).
    pub fn new(record_bytes: u32) -> RecoverCarry {
        let record_bytes = record_bytes.max(1) as usize;
        let records = (BATCH_BYTES / record_bytes).max(1);
        RecoverCarry { buffer: vec![0; records * record_bytes], record_bytes, last: None, edge: None }
    }
}

/// What to do, from `mover::Start::Recover`.
#[derive(Clone, Debug)]
pub struct RecoverJob {
    /// What may be delivered without the DMA's help.
    pub window: Window,
    /// What to deliver.
    pub range: ReadRange,
    /// The counters to go on from.
    pub progress: Progress,
    /// Shared with the session.
    pub control: PumpControl,
}

/// Pumps until the range is delivered or something stands in the way.
pub fn run_recover(
    drive: &mut impl RecordPort,
    stream: &mut impl Write,
    carry: &mut RecoverCarry,
    job: RecoverJob,
) -> Ended {
    let RecoverJob { window, range, progress, control } = job;
    let mut pump = Pump { drive, stream, carry, window, range, progress, control, ready: 0..0 };
    let end = pump.transfer();
    let end = pump.deliver().err().unwrap_or(end);
    let end = if pump.control.is_aborted() { End::Aborted } else { end };
    if end != End::Satisfied {
        // While the mover is paused the DMA may move the tape or number it anew.
        pump.carry.last = None;
        pump.drive.release_memory();
    }
    pump.drive.publish();
    pump.control.progress.set(pump.progress);
    let read = (end != End::Satisfied).then_some(pump.range);
    Ended { end, progress: pump.progress, window_left_bytes: 0, read }
}

struct Pump<'a, D, S> {
    drive: &'a mut D,
    stream: &'a mut S,
    carry: &'a mut RecoverCarry,
    window: Window,
    /// What is still to be read: the bytes in `ready` are counted as read, not yet as moved.
    range: ReadRange,
    progress: Progress,
    control: PumpControl,
    /// Bytes of the buffer that wait for the connection.
    ready: std::ops::Range<usize>,
}

impl<D: RecordPort, S: Write> Pump<'_, D, S> {
    fn transfer(&mut self) -> End {
        loop {
            if self.control.is_aborted() {
                return End::Aborted;
            }
            if self.left() == 0 {
                return End::Satisfied;
            }
            let wanted = self.wanted_offset();
            if wanted < self.window.offset_bytes || wanted >= self.window.end_bytes() {
                return End::OutsideWindow(wanted);
            }
            let step = match self.carry.last {
                Some(held) if (held.stream_offset..held.stream_end()).contains(&wanted) => {
                    self.take(held, wanted)
                }
                _ if self.is_in_front_of(wanted) => match self.lend(wanted) {
                    0 => self.read_next(wanted),
                    _ => self.take_lent(wanted),
                },
                _ => self.seek_and_read(wanted),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Stream offset of the next byte to take from tape.
    fn wanted_offset(&self) -> u64 {
        self.range.offset_bytes + self.ready.len() as u64
    }

    fn is_in_front_of(&self, stream_offset: u64) -> bool {
        self.carry.edge == Some(Edge { record_number: self.progress.record_number, stream_offset })
    }

    fn left(&self) -> u64 {
        if self.range.length_bytes == u64::MAX {
            return u64::MAX;
        }
        self.range.length_bytes - self.ready.len() as u64
    }

    /// Makes the bytes of `held` from `wanted` on ready for the connection.
    fn take(&mut self, held: Held, wanted: u64) -> Result<(), End> {
        let until = held.stream_end().min(self.window.end_bytes());
        let count = (until - wanted).min(self.left());
        let skip = usize::try_from(wanted - held.stream_offset).unwrap_or(held.length);
        let count = usize::try_from(count).unwrap_or(held.length - skip);
        let from = held.at + skip;
        if self.ready.end != from {
            self.deliver()?;
            self.ready = from..from;
        }
        self.ready.end = from + count;
        Ok(())
    }

    /// How many whole records the drive lends from here on, all inside the window and in front of the range's end.
    fn lend(&mut self, wanted: u64) -> usize {
        let bytes_max = (self.window.end_bytes() - wanted).min(self.left() - 1);
        self.drive.lend_records(self.carry.record_bytes, bytes_max)
    }

    /// Makes the records that are lent ready for the connection, or sends them if they are worth it.
    fn take_lent(&mut self, stream_offset: u64) -> Result<(), End> {
        self.carry.last = None;
        let lent_bytes = self.drive.lent_records().total_bytes();
        if lent_bytes >= LENT_BYTES_MIN {
            self.send_ready()?;
            let (sent, end) = self.send_lent();
            self.count(sent);
            self.pass_lent(stream_offset, sent);
            self.control.progress.set(self.progress);
            return end.map_or(Ok(()), Err);
        }
        if self.ready.end + lent_bytes > self.carry.buffer.len() {
            self.deliver()?;
            self.ready = 0..0;
        }
        for record in self.drive.lent_records().records() {
            let at = self.ready.end;
            self.ready.end += record.len();
            self.carry.buffer[at..self.ready.end].copy_from_slice(record);
        }
        self.pass_lent(stream_offset, lent_bytes);
        Ok(())
    }

    /// Sends records that are lent. Returns how many bytes went and what kept the others.
    fn send_lent(&mut self) -> (usize, Option<End>) {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, record) in slices.iter_mut().zip(self.drive.lent_records().records()) {
            *slice = IoSlice::new(record);
            count += 1;
        }
        let mut unsent = &mut slices[..count];
        let mut total = 0;
        while !unsent.is_empty() {
            match self.stream.write_vectored(unsent) {
                Ok(0) => return (total, Some(End::PeerClosed)),
                Ok(sent) => {
                    total += sent;
                    IoSlice::advance_slices(&mut unsent, sent);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) if self.control.is_aborted() => return (total, Some(End::Aborted)),
                Err(_) => return (total, Some(End::PeerClosed)),
            }
        }
        (total, None)
    }

    /// Moves the tape behind the last of the lent records of which a byte is among the first `taken`, and counts them.
    fn pass_lent(&mut self, stream_offset: u64, taken: usize) {
        let (mut records, mut bytes) = (0, 0);
        for record in self.drive.lent_records().records() {
            if bytes >= taken {
                break;
            }
            records += 1;
            bytes += record.len();
        }
        self.drive.pass_lent_records(records);
        self.progress.record_number = self.progress.record_number.saturating_add(records as u64);
        self.carry.edge = Some(Edge {
            record_number: self.progress.record_number,
            stream_offset: stream_offset.saturating_add(bytes as u64),
        });
    }

    /// Reads the record in front of which the tape stands; its first byte has the stream offset `stream_offset`.
    fn read_next(&mut self, stream_offset: u64) -> Result<(), End> {
        let record_bytes = self.carry.record_bytes;
        let mut at = self.ready.end;
        if at + record_bytes > self.carry.buffer.len() {
            self.deliver()?;
            at = 0;
            self.ready = 0..0;
        }
        self.carry.last = None;
        let place = &mut self.carry.buffer[at..at + record_bytes];
        match self.drive.read_record(place).map_err(End::Media)? {
            ReadStop::Record(length) if length <= record_bytes => {
                self.progress.record_number = self.progress.record_number.saturating_add(1);
                let held = Held { at, length, stream_offset };
                self.carry.last = Some(held);
                self.carry.edge = Some(Edge {
                    record_number: self.progress.record_number,
                    stream_offset: held.stream_end(),
                });
                Ok(())
            }
            ReadStop::Record(length) => Err(End::Media(format!(
                "record {} is {length} bytes long, longer than the record size of {record_bytes}: \
                 set the record size with which the tape was written",
                self.progress.record_number
            ))),
            ReadStop::Filemark => Err(End::EndOfFile),
            ReadStop::EndOfData { medium_full: true } => Err(End::EndOfMedium),
            ReadStop::EndOfData { medium_full: false } => Err(End::EndOfFile),
        }
    }

    fn seek_and_read(&mut self, wanted: u64) -> Result<(), End> {
        let offset = self.seek(wanted)?;
        self.read_next(offset)?;
        match self.carry.last {
            Some(held) if held.stream_end() > wanted => Ok(()),
            // Not looked for in the next record: with short records in between, offsets cannot be computed.
            _ => Err(End::Media(format!(
                "record {} is shorter than the record size of {} and does not hold the byte at stream offset {wanted}: \
                 set the record size with which the tape was written",
                self.progress.record_number.saturating_sub(1),
                self.carry.record_bytes
            ))),
        }
    }

    /// Moves the tape in front of the record that holds `wanted`; returns that record's stream offset.
    fn seek(&mut self, wanted: u64) -> Result<u64, End> {
        let record_bytes = self.carry.record_bytes as u64;
        let record_number = wanted / record_bytes;
        let offset = record_number * record_bytes;
        let distance = i64::try_from(i128::from(record_number) - i128::from(self.progress.record_number))
            .map_err(|_| End::OutsideWindow(wanted))?;
        if distance == 0 {
            return Ok(offset);
        }
        let (passed, stop) = self.drive.space_records(distance).map_err(End::Media)?;
        if distance > 0 {
            self.progress.record_number = self.progress.record_number.saturating_add(passed);
        } else {
            self.progress.record_number = self.progress.record_number.saturating_sub(passed);
        }
        match stop {
            SpaceStop::Complete => Ok(offset),
            // Backwards over a mark or the tape's beginning: this tape does not hold what its window promises.
            SpaceStop::BeginningOfTape => Err(End::OutsideWindow(wanted)),
            SpaceStop::Filemark if distance < 0 => Err(End::OutsideWindow(wanted)),
            SpaceStop::Filemark => Err(End::EndOfFile),
            SpaceStop::EndOfData { medium_full: true } => Err(End::EndOfMedium),
            SpaceStop::EndOfData { medium_full: false } => Err(End::EndOfFile),
        }
    }

    /// Sends what is ready, and says how far it is.
    fn deliver(&mut self) -> Result<(), End> {
        self.send_ready()?;
        self.control.progress.set(self.progress);
        self.drive.publish();
        Ok(())
    }

    fn send_ready(&mut self) -> Result<(), End> {
        while !self.ready.is_empty() {
            match self.stream.write(&self.carry.buffer[self.ready.clone()]) {
                // The peer wants no more; nothing on tape is harmed by that.
                Ok(0) => return Err(End::PeerClosed),
                Ok(sent) => {
                    self.ready.start += sent;
                    self.count(sent);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) if self.control.is_aborted() => return Err(End::Aborted),
                Err(_) => return Err(End::PeerClosed),
            }
        }
        Ok(())
    }

    /// Counts bytes that went to the connection.
    fn count(&mut self, sent: usize) {
        let sent = sent as u64;
        self.range.offset_bytes += sent;
        if self.range.length_bytes != u64::MAX {
            self.range.length_bytes -= sent;
        }
        self.progress.moved_bytes += sent;
        self.progress.left_to_read_bytes = self.progress.left_to_read_bytes.saturating_sub(sent);
    }
}
