//! Compression on threads of its own: records go in, whole encoded records come out in the same order.
//!
//! Records are staged in blocks; a full block goes to the next worker in turn and comes back from it in that turn, so
//! the order needs no bookkeeping. Nothing here waits unless asked for the oldest block, and everything is bounded in
//! bytes. Knows no log and no tape: `packing.rs` decides what may be staged, and appends what comes out.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::codec::{Compression, Encoder};
use super::format::{CODEC_RAW, Kind, RecordHeader, stored_bytes};
use super::position::Position;

/// How much log, were its records stored raw, a block stands for: large enough that handing it over costs nothing
/// beside compressing it. Small in tests, so that they see many blocks.
const BLOCK_BYTES: u64 = if cfg!(test) { 2 << 10 } else { 1 << 20 };
/// The most that is staged or with the workers at one time, counted the same way. What it is compressed to takes at
/// most as much again.
const OUTSTANDING_BYTES_MAX: u64 = 8 * BLOCK_BYTES;
/// Records that take more than this go through no worker: two of them would be all that is allowed.
const STAGED_RECORD_BYTES_MAX: u64 = OUTSTANDING_BYTES_MAX / 2;
/// Blocks whose buffers are kept for the next ones.
const BLOCKS_MAX: usize = 9;
const WORKERS_MAX: usize = 4;

/// What all records of a block have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) generation: u64,
    /// What the log's checksums are seeded with.
    pub(super) seed: u32,
}

/// Some records in a row: as a host wrote them, and as the log stores them.
#[derive(Debug, Default)]
pub(super) struct Block {
    raw: Vec<u8>,
    /// The records' logical lengths.
    lengths: Vec<u32>,
    place: Option<Place>,
    first: Position,
    /// The log that the records take if none of them can be compressed.
    bound_bytes: u64,
    packed: Vec<u8>,
    /// The records' total lengths in `packed`.
    totals: Vec<u64>,
}

impl Block {
    /// The records as the log stores them.
    pub(super) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// How much of [`Block::packed`] each record takes.
    pub(super) fn totals(&self) -> &[u64] {
        &self.totals
    }

    /// The position of the first record.
    pub(super) fn first(&self) -> Position {
        self.first
    }

    fn stage(&mut self, data: &[u8], length: u32, at: Position, place: Place) {
        if self.lengths.is_empty() {
            (self.first, self.place) = (at, Some(place));
        }
        self.raw.extend_from_slice(data);
        self.lengths.push(length);
        self.bound_bytes += stored_bytes(length);
    }

    fn encode(&mut self, encoder: &mut Encoder) {
        let Some(place) = self.place else { return };
        let (mut position, mut from) = (self.first, 0);
        for length in &self.lengths {
            let to = from + *length as usize;
            let header = data_header(place, position, *length);
            let header = encoder.encode_onto(header, place.seed, &self.raw[from..to], &mut self.packed);
            self.totals.push(header.total_bytes());
            (position, from) = (position.behind_record(), to);
        }
    }

    /// An empty block in the same memory, or without any if that has grown beyond the usual.
    fn recycled(mut self) -> Block {
        let usual = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX).saturating_mul(5) / 4;
        for buffer in [&mut self.raw, &mut self.packed] {
            buffer.clear();
            if buffer.capacity() > usual {
                *buffer = Vec::new();
            }
        }
        self.lengths.clear();
        self.totals.clear();
        Block { bound_bytes: 0, place: None, ..self }
    }
}

/// The header of a data record; codec, stored length and checksum are the encoder's to set.
fn data_header(place: Place, position: Position, length: u32) -> RecordHeader {
    RecordHeader {
        kind: Kind::Data,
        codec: CODEC_RAW,
        generation: place.generation,
        position,
        logical_bytes: length,
        stored_bytes: length,
        payload_sum: 0,
    }
}

/// A thread and the two queues to it. It ends when the one to it is closed, and also when nobody wants its results.
struct Worker {
    input: Sender<Block>,
    output: Receiver<Block>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start(mut work: impl FnMut(&mut Block) + Send + 'static) -> io::Result<Worker> {
        let (input, blocks) = channel::<Block>();
        let (finished, output) = channel();
        let thread = std::thread::Builder::new().name("compress".to_owned()).spawn(move || {
            while let Ok(mut block) = blocks.recv() {
                work(&mut block);
                if finished.send(block).is_err() {
                    return;
                }
            }
        })?;
        Ok(Worker { input, output, thread })
    }
}

/// A compressing thread has died or could not be started.
#[derive(Debug)]
pub(super) struct Broken(pub(super) io::Error);

/// The pipeline of one tape. Without compression it does nothing and has no threads.
#[derive(Default)]
pub(super) struct Packer {
    compression: Compression,
    /// For records that wait for nobody: made with the first of them.
    encoder: Option<Encoder>,
    workers: Vec<Worker>,
    staging: Block,
    /// What the blocks take at most that the workers have, oldest first.
    submitted: VecDeque<u64>,
    /// The worker whose turn it is to take a block, and the one whose turn it is to give one back.
    next_in: usize,
    next_out: usize,
    free: Vec<Block>,
}

impl Packer {
    pub(super) fn new(compression: Compression) -> Packer {
        let mut packer = Packer::default();
        packer.compression = compression;
        packer
    }

    pub(super) fn is_on(&self) -> bool {
        self.compression != Compression::None
    }

    /// Whether there are records that have not been given back yet.
    pub(super) fn is_busy(&self) -> bool {
        !self.submitted.is_empty() || !self.staging.lengths.is_empty()
    }

    /// The most bytes of log that those will take.
    pub(super) fn bound_bytes(&self) -> u64 {
        self.staging.bound_bytes + self.submitted.iter().sum::<u64>()
    }

    /// Whether a record may ever be staged that takes `bytes` of log when it is stored raw.
    pub(super) fn takes(&self, bytes: u64) -> bool {
        self.is_on() && bytes <= STAGED_RECORD_BYTES_MAX
    }

    /// Whether a record that takes `bytes` of log when it is stored raw fits beside what is here.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        self.bound_bytes() + bytes <= OUTSTANDING_BYTES_MAX
    }

    /// Takes one record, for which there is room, at `at`, which is right behind the one before.
    pub(super) fn stage(
        &mut self,
        data: &[u8],
        length: u32,
        at: Position,
        place: Place,
    ) -> Result<(), Broken> {
        if !self.staging.lengths.is_empty() && self.staging.bound_bytes + stored_bytes(length) > BLOCK_BYTES {
            self.submit()?;
        }
        self.staging.stage(data, length, at, place);
        Ok(())
    }

    /// Encodes one record here and now; nothing may be staged. The result is in the block.
    pub(super) fn encode_now(&mut self, data: &[u8], length: u32, at: Position, place: Place) -> Block {
        debug_assert!(!self.is_busy());
        let mut block = self.free.pop().unwrap_or_default();
        block.first = at;
        let header = data_header(place, at, length);
        let header = self.encoder().encode_onto(header, place.seed, data, &mut block.packed);
        block.totals.push(header.total_bytes());
        block
    }

    /// The oldest block, encoded; waits for it. `None` if there is none.
    pub(super) fn collect(&mut self) -> Result<Option<Block>, Broken> {
        if self.submitted.is_empty() {
            if self.staging.lengths.is_empty() {
                return Ok(None);
            }
            // The workers are idle, and somebody waits: handing it over would only take longer.
            let mut block = self.take_staging();
            block.encode(self.encoder());
            return Ok(Some(block));
        }
        let block = self.workers.get(self.next_out).and_then(|worker| worker.output.recv().ok());
        self.next_out = (self.next_out + 1) % self.workers.len().max(1);
        self.submitted.pop_front();
        block.map(Some).ok_or_else(dead)
    }

    /// Gives the workers what is staged, if they are at work: to be called before waiting for all of it.
    pub(super) fn hasten(&mut self) -> Result<(), Broken> {
        if self.submitted.is_empty() || self.staging.lengths.is_empty() {
            return Ok(());
        }
        self.submit()
    }

    /// Takes back the memory of a block that [`Packer::collect`] gave.
    pub(super) fn recycle(&mut self, block: Block) {
        if self.free.len() + self.submitted.len() + 1 < BLOCKS_MAX {
            self.free.push(block.recycled());
        }
    }

    /// Forgets all records and ends the threads.
    pub(super) fn abandon(&mut self) {
        self.end_threads();
        self.encoder = None;
        self.staging = Block::default();
        self.free = Vec::new();
        self.submitted.clear();
        (self.next_in, self.next_out) = (0, 0);
    }

    /// Gives threads and memory back; with the next records they are made anew. Nothing may be outstanding.
    pub(super) fn rest(&mut self) {
        if !self.is_busy() {
            self.abandon();
        }
    }

    fn encoder(&mut self) -> &mut Encoder {
        let compression = self.compression;
        self.encoder.get_or_insert_with(|| Encoder::new(compression))
    }

    fn take_staging(&mut self) -> Block {
        std::mem::replace(&mut self.staging, self.free.pop().unwrap_or_default())
    }

    fn submit(&mut self) -> Result<(), Broken> {
        self.start_threads()?;
        let block = self.take_staging();
        self.submitted.push_back(block.bound_bytes);
        let worker = self.workers.get(self.next_in).ok_or_else(dead)?;
        self.next_in = (self.next_in + 1) % self.workers.len();
        worker.input.send(block).map_err(|_| dead())
    }

    /// One a processor, as far as the system has threads to give; at least one.
    fn start_threads(&mut self) -> Result<(), Broken> {
        if !self.workers.is_empty() {
            return Ok(());
        }
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(WORKERS_MAX);
        for _ in 0..count {
            let compression = self.compression;
            let mut encoder = None;
            let started = Worker::start(move |block| {
                block.encode(encoder.get_or_insert_with(|| Encoder::new(compression)));
            });
            match started {
                Ok(worker) => self.workers.push(worker),
                Err(error) if self.workers.is_empty() => return Err(Broken(error)),
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn end_threads(&mut self) {
        // All queues first, so that none is waited for while another still works.
        let workers = std::mem::take(&mut self.workers);
        let (queues, threads): (Vec<_>, Vec<_>) =
            workers.into_iter().map(|worker| ((worker.input, worker.output), worker.thread)).unzip();
        drop(queues);
        for thread in threads {
            // A panic has been told where it mattered: its block never came back.
            let _ = thread.join();
        }
    }

    /// Makes every worker one that dies of its first block.
    #[cfg(test)]
    pub(super) fn sabotage(&mut self) {
        self.end_threads();
        let die = |_: &mut Block| panic!("sabotaged, as the test wants it");
        self.workers = (0..2).map(|_| Worker::start(die).unwrap()).collect();
    }

    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.workers.len()
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        self.end_threads();
    }
}

fn dead() -> Broken {
    Broken(io::Error::other("a compressing thread has ended; this is a fault of tapesilo"))
}
