//! A tape in memory that keeps the promises of `RecordPort`, and connections that do as a script says.

use crate::mover::pump::PumpControl;
use crate::tape::Lent;
use crate::vtl::drive::{ReadStop, RecordLoan, RecordPort, SpaceStop, WriteStop};
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Record(Vec<u8>),
    Mark,
}

/// The early warning, told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Warning {
    Clear,
    Due,
    Told,
}

/// A tape as a list, standing before `blocks[at]`.
#[derive(Clone, Debug)]
pub(super) struct FakeTape {
    pub(super) blocks: Vec<Block>,
    pub(super) at: usize,
    /// The record with which the tape has this many blocks crosses the early warning.
    pub(super) warns_at: usize,
    /// No record fits behind this many blocks.
    pub(super) capacity: usize,
    pub(super) warning: Warning,
    /// The write of the block with this number fails.
    pub(super) fails_at: Option<usize>,
    pub(super) sync_fails: bool,
    /// The most records that it lends room for at once; 0: it never does.
    pub(super) lends_room: usize,
    /// Blocks on stable storage.
    pub(super) durable: usize,
    /// The position that was published last.
    pub(super) published: Option<usize>,
    /// The most records that it lends at once; 0: it cannot.
    pub(super) lends: usize,
    pub(super) lent: (Vec<u8>, Vec<Range<usize>>),
}

impl FakeTape {
    pub(super) fn new(blocks: Vec<Block>) -> FakeTape {
        FakeTape {
            blocks,
            at: 0,
            warns_at: usize::MAX,
            capacity: usize::MAX,
            warning: Warning::Clear,
            fails_at: None,
            sync_fails: false,
            lends_room: 2,
            durable: 0,
            published: None,
            lends: 3,
            lent: (Vec::new(), Vec::new()),
        }
    }

    /// A blank tape whose early warning is crossed by record `warns_at`, with room for `capacity` records.
    pub(super) fn blank(warns_at: usize, capacity: usize) -> FakeTape {
        FakeTape { warns_at, capacity, ..FakeTape::new(Vec::new()) }
    }

    /// The lengths of its records; a mark is 0.
    pub(super) fn lengths(&self) -> Vec<usize> {
        let length = |block: &Block| match block {
            Block::Record(bytes) => bytes.len(),
            Block::Mark => 0,
        };
        self.blocks.iter().map(length).collect()
    }

    /// All records' bytes in a row.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let records = self.blocks.iter().filter_map(|block| match block {
            Block::Record(bytes) => Some(bytes.as_slice()),
            Block::Mark => None,
        });
        records.collect::<Vec<_>>().concat()
    }

    fn is_full(&self) -> bool {
        self.blocks.len() >= self.warns_at
    }
}

/// Room for records, as vectors.
pub(super) struct FakeLoan<'a> {
    tape: &'a mut FakeTape,
    records: usize,
    record_bytes: usize,
    received: Vec<u8>,
}

impl RecordLoan for FakeLoan<'_> {
    fn receive(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        let mut room = vec![0xee; self.records * self.record_bytes - self.received.len()];
        assert!(!room.is_empty(), "asked for more than there is room for");
        let received = stream.read(&mut room)?;
        self.received.extend_from_slice(&room[..received]);
        Ok(received)
    }

    fn write(&mut self) -> u64 {
        let mut written = 0;
        while self.received.len() >= self.record_bytes {
            let rest = self.received.split_off(self.record_bytes);
            let record = std::mem::replace(&mut self.received, rest);
            self.tape.write_record(&record).expect("records in a loan meet no stop");
            (written, self.records) = (written + 1, self.records - 1);
        }
        self.tape.publish();
        written
    }

    fn unfinished(&mut self) -> &[u8] {
        &self.received
    }

    fn is_full(&self) -> bool {
        self.records == 0
    }
}

impl RecordPort for FakeTape {
    type Loan<'a> = FakeLoan<'a>;

    fn lend_room(&mut self, record_bytes: u32, records_max: u64) -> Result<Option<FakeLoan<'_>>, String> {
        let is_special = self.warning != Warning::Clear || self.at != self.blocks.len();
        let until_stop =
            [self.warns_at.saturating_sub(1), self.capacity, self.fails_at.unwrap_or(usize::MAX)]
                .map(|stop| stop.saturating_sub(self.at));
        let records = until_stop.into_iter().fold(self.lends_room, usize::min);
        let records = records.min(usize::try_from(records_max).unwrap_or(usize::MAX));
        if is_special || records == 0 {
            return Ok(None);
        }
        let record_bytes = record_bytes as usize;
        Ok(Some(FakeLoan { tape: self, records, record_bytes, received: Vec::new() }))
    }

    fn release_memory(&mut self) {}

    fn write_record(&mut self, record: &[u8]) -> Result<(), WriteStop> {
        if self.warning == Warning::Due {
            self.warning = Warning::Told;
            return Err(WriteStop::EndOfMedium);
        }
        if self.fails_at == Some(self.at) {
            return Err(WriteStop::Failed("the head has crashed".into()));
        }
        if self.at >= self.capacity {
            return Err(WriteStop::EndOfMedium);
        }
        self.blocks.truncate(self.at);
        self.blocks.push(Block::Record(record.to_vec()));
        self.at += 1;
        if self.is_full() && self.warning == Warning::Clear {
            self.warning = Warning::Due;
        }
        Ok(())
    }

    fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadStop, String> {
        if self.fails_at == Some(self.at) {
            buffer.fill(0xee);
            self.at += 1;
            return Err("the record is damaged".into());
        }
        match self.blocks.get(self.at) {
            None => Ok(ReadStop::EndOfData { medium_full: self.is_full() }),
            Some(Block::Mark) => Ok(ReadStop::Filemark),
            Some(Block::Record(bytes)) => {
                let fits = bytes.len().min(buffer.len());
                buffer[..fits].copy_from_slice(&bytes[..fits]);
                self.at += 1;
                Ok(ReadStop::Record(bytes.len()))
            }
        }
    }

    fn lend_records(&mut self, record_bytes_max: usize, bytes_max: u64) -> usize {
        let (bytes, places) = &mut self.lent;
        bytes.clear();
        places.clear();
        for (number, block) in self.blocks.iter().enumerate().skip(self.at).take(self.lends) {
            let Block::Record(record) = block else { break };
            let is_too_much = (bytes.len() + record.len()) as u64 > bytes_max;
            if is_too_much || record.len() > record_bytes_max || self.fails_at == Some(number) {
                break;
            }
            places.push(bytes.len()..bytes.len() + record.len());
            bytes.extend(record);
        }
        places.len()
    }

    fn lent_records(&self) -> Lent<'_> {
        Lent::new(&self.lent.0, &self.lent.1)
    }

    fn pass_lent_records(&mut self, count: usize) {
        assert!(count <= self.lent.1.len(), "more than were lent");
        self.at += count;
        self.lent.1.clear();
    }

    fn space_records(&mut self, count: i64) -> Result<(u64, SpaceStop), String> {
        for passed in 0..count.unsigned_abs() {
            let stop = if count > 0 {
                match self.blocks.get(self.at) {
                    None => Some(SpaceStop::EndOfData { medium_full: self.is_full() }),
                    Some(Block::Mark) => Some(SpaceStop::Filemark),
                    Some(Block::Record(_)) => None,
                }
            } else {
                match self.at.checked_sub(1).map(|before| &self.blocks[before]) {
                    None => Some(SpaceStop::BeginningOfTape),
                    Some(Block::Mark) => Some(SpaceStop::Filemark),
                    Some(Block::Record(_)) => None,
                }
            };
            match stop {
                Some(stop) => return Ok((passed, stop)),
                None if count > 0 => self.at += 1,
                None => self.at -= 1,
            }
        }
        Ok((count.unsigned_abs(), SpaceStop::Complete))
    }

    fn sync(&mut self) -> Result<(), String> {
        if self.sync_fails {
            return Err("the disk is gone".into());
        }
        self.durable = self.blocks.len();
        Ok(())
    }

    fn publish(&mut self) {
        self.published = Some(self.at);
    }
}

/// What the peer does next.
pub(super) enum Step {
    /// These bytes come; a reader with little room takes them in several reads.
    Bytes(Vec<u8>),
    /// The system interrupts the call.
    Interrupted,
    /// The connection breaks.
    Reset,
    /// The DMA aborts: the control is set and the socket shut down, which reads as the end of the stream.
    Abort(PumpControl),
    /// Nothing comes any more and the peer does not close: a pump that reads here would wait for ever.
    Silence,
}

/// The peer's side of a backup; it closes in order when the script is over.
pub(super) struct Sender(VecDeque<Step>);

impl Sender {
    pub(super) fn new(steps: impl IntoIterator<Item = Step>) -> Sender {
        Sender(steps.into_iter().collect())
    }

    /// Sends `bytes` in pieces of the given lengths, over and over.
    pub(super) fn chunks(mut bytes: &[u8], lengths: &[usize]) -> Sender {
        let mut steps = VecDeque::new();
        for length in lengths.iter().cycle() {
            if bytes.is_empty() {
                break;
            }
            let (chunk, rest) = bytes.split_at((*length).clamp(1, bytes.len()));
            steps.push_back(Step::Bytes(chunk.to_vec()));
            bytes = rest;
        }
        Sender(steps)
    }
}

impl Read for Sender {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!buffer.is_empty(), "a read without room looks like the end of the stream");
        match self.0.pop_front() {
            None => Ok(0),
            Some(Step::Bytes(mut bytes)) => {
                let fits = bytes.len().min(buffer.len());
                buffer[..fits].copy_from_slice(&bytes[..fits]);
                if fits < bytes.len() {
                    self.0.push_front(Step::Bytes(bytes.split_off(fits)));
                }
                Ok(fits)
            }
            Some(Step::Interrupted) => Err(io::ErrorKind::Interrupted.into()),
            Some(Step::Reset) => Err(io::ErrorKind::ConnectionReset.into()),
            Some(Step::Abort(control)) => {
                control.abort();
                Ok(0)
            }
            Some(Step::Silence) => panic!("the pump would wait for a peer that has nothing to say"),
        }
    }
}

/// The peer's side of a recovery.
#[derive(Default)]
pub(super) struct Receiver {
    pub(super) received: Vec<u8>,
    /// How much it takes at a time, over and over; 0 = the call is interrupted. Empty: everything.
    pub(super) takes: Vec<usize>,
    pub(super) calls: usize,
    /// After this many bytes: it is gone.
    pub(super) closes_after: Option<usize>,
    /// After this many bytes the DMA aborts.
    pub(super) aborts_after: Option<(usize, PumpControl)>,
}

impl Write for Receiver {
    /// As a socket does: it takes from several slices at once, and may stop anywhere.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!bytes.is_empty());
        let mut fits = bytes.len();
        if !self.takes.is_empty() {
            let takes = self.takes[self.calls % self.takes.len()];
            self.calls += 1;
            if takes == 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            fits = fits.min(takes);
        }
        if let Some(limit) = self.closes_after {
            fits = fits.min(limit - self.received.len());
            if fits == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        if let Some((limit, control)) = &self.aborts_after {
            fits = fits.min(limit - self.received.len());
            if fits == 0 {
                control.abort();
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        self.received.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
