//! Reading ahead past the page cache: a thread fetches what a sequential reader will want next, in large blocks.
//!
//! Filling the page cache with a tape that is read once costs more than the disk does, and pushes everything else out of
//! memory. What is in the page cache already is better read from there: `file.rs` asks for this only where it is not.
//! Blocks are what the file held when they were read: whoever changes the file drops them first. An error here is no
//! error: the range is left to whoever reads it in line, and he is told. Knows nothing of records.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::buffer::AlignedBuffer;
use super::file::Paths;
use super::worker::{Shared, Worker};

/// Bytes in one system call. Small in tests, so that they see many.
pub(super) const AHEAD_BLOCK_BYTES: usize = if cfg!(test) { 16 << 10 } else { 4 << 20 };
/// Blocks that wait to be read, at most.
const BLOCKS_MAX: usize = 3;

/// The thread and what is shared with it.
#[derive(Debug)]
pub(super) struct Ahead(Worker<State>);

#[derive(Default)]
struct State {
    /// What has been read, in a row and in order; the last one ends at `next`.
    blocks: VecDeque<Block>,
    /// Where the thread reads next, or is reading.
    next: u64,
    /// Up to where it is to read.
    until: u64,
    is_reading: bool,
    /// Counts the runs: what was begun for an earlier one is thrown away.
    run: u64,
    spare: Vec<AlignedBuffer>,
}

struct Block {
    offset: u64,
    buffer: AlignedBuffer,
    length: usize,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("next", &self.next).field("until", &self.until).finish_non_exhaustive()
    }
}

impl Block {
    fn end(&self) -> u64 {
        self.offset + self.length as u64
    }
}

impl Ahead {
    pub(super) fn start(paths: Arc<Paths>) -> std::io::Result<Ahead> {
        Worker::start("tape-reader", move |shared| read_all(shared, &paths)).map(Ahead)
    }

    /// Asks for the bytes `offset..end`, beside what is still to come if they follow on it.
    pub(super) fn want(&self, offset: u64, end: u64) {
        let mut state = self.0.lock();
        let block = AHEAD_BLOCK_BYTES as u64;
        let from = offset / block * block;
        let first = state.blocks.front().map_or(state.next, |first| first.offset);
        if from < first || from > state.next.max(state.until) {
            state.forget();
            state.next = from;
        }
        state.until = end.max(state.until);
        self.0.tell();
    }

    /// Copies what is there, or coming, of the bytes at `offset` into `buffer`; returns how many those are.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let mut copied = 0;
        let mut state = self.0.lock();
        state.drop_before(offset);
        // There may be room now.
        self.0.tell();
        while copied < buffer.len() {
            let at = offset + copied as u64;
            state = self.0.wait_on(state, |state| state.has(at) || !state.is_coming(at));
            let Some(piece) = state.piece(at) else { break };
            let length = piece.len().min(buffer.len() - copied);
            buffer[copied..copied + length].copy_from_slice(&piece[..length]);
            copied += length;
        }
        copied
    }

    /// Forgets everything: the file is about to change.
    pub(super) fn forget(&self) {
        self.0.lock().until = 0;
        self.0.wait_until(|state| !state.is_reading).forget();
    }
}

impl Drop for Ahead {
    /// What nobody will read is not read to the end.
    fn drop(&mut self) {
        self.0.lock().forget();
    }
}

impl State {
    fn forget(&mut self) {
        self.run += 1;
        self.until = 0;
        while let Some(block) = self.blocks.pop_front() {
            self.spare.push(block.buffer);
        }
    }

    /// Whether the thread reads, or will read, the byte at `at`.
    fn is_coming(&self, at: u64) -> bool {
        at >= self.next && at < self.until && (self.is_reading || self.has_room())
    }

    fn has_room(&self) -> bool {
        self.blocks.len() < BLOCKS_MAX
    }

    fn has(&self, at: u64) -> bool {
        self.piece(at).is_some()
    }

    /// What has been read from `at` on, as far as one block has it.
    fn piece(&self, at: u64) -> Option<&[u8]> {
        let block = self.blocks.iter().find(|block| block.offset <= at && at < block.end())?;
        block.buffer.get(usize::try_from(at - block.offset).ok()?..block.length)
    }

    fn drop_before(&mut self, offset: u64) {
        while self.blocks.front().is_some_and(|block| block.end() <= offset) {
            if let Some(block) = self.blocks.pop_front() {
                self.spare.push(block.buffer);
            }
        }
    }
}

/// What the thread does.
fn read_all(shared: &Shared<State>, paths: &Paths) {
    while let Some(mut state) = shared.work(|state| state.next < state.until && state.has_room()) {
        let (offset, run) = (state.next, state.run);
        let buffer = state.spare.pop();
        state.is_reading = true;
        drop(state);
        let mut buffer = buffer.unwrap_or_else(|| AlignedBuffer::new(AHEAD_BLOCK_BYTES));
        let read =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| paths.read_direct(offset, &mut buffer)));
        let mut state = shared.lock();
        state.is_reading = false;
        match read {
            Ok(Ok(length)) if length > 0 && state.run == run => {
                state.next = offset + AHEAD_BLOCK_BYTES as u64;
                state.blocks.push_back(Block { offset, buffer, length });
                if length < AHEAD_BLOCK_BYTES {
                    state.until = 0;
                }
            }
            // Whoever reads there in line is told what is wrong.
            _ if state.run == run => state.until = 0,
            _ => state.spare.push(buffer),
        }
        shared.tell();
    }
}
