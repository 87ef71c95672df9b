//! Writing behind the caller's back: a thread and a few buffers, so that records are received while others are on
//! their way to the disk.
//!
//! One file, one thread, in order. The first error is kept and told to every later caller: after it nothing is known
//! of the file. Knows nothing of records; `file.rs` decides when this may be used.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::super::buffer::AlignedBuffer;
use super::file::Paths;
use super::worker::{Shared, Worker};

/// Buffers handed over at once: one on its way to the disk, and some that follow without a gap when the disk or who
/// sends is slow for a moment.
const BUFFERS_MAX: usize = 3;

/// The thread and what is shared with it.
#[derive(Debug)]
pub(super) struct Behind(Worker<State>);

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    is_writing: bool,
    /// Buffers whose bytes are written.
    spare: Vec<AlignedBuffer>,
    failed: Option<String>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("queued", &self.queue.len()).finish_non_exhaustive()
    }
}

struct Job {
    offset: u64,
    buffer: AlignedBuffer,
    range: Range<usize>,
}

impl Job {
    /// A panic is an error like another one: whoever waits must hear of it.
    fn write(&self, paths: &Paths) -> io::Result<()> {
        std::panic::catch_unwind(|| paths.write(self.offset, &self.buffer[self.range.clone()]))
            .unwrap_or_else(|_| Err(io::Error::other("the thread that writes it has panicked")))
    }
}

impl Behind {
    pub(super) fn start(paths: Arc<Paths>) -> io::Result<Behind> {
        Worker::start("tape-writer", move |shared| write_all(shared, &paths)).map(Behind)
    }

    /// Hands over `buffer[range]` to be written at `offset`; waits while too many are on their way. `buffer` is then
    /// another one. After an error it is what it was.
    pub(super) fn submit(
        &self,
        offset: u64,
        buffer: &mut AlignedBuffer,
        range: Range<usize>,
    ) -> io::Result<()> {
        let mut state = self.0.wait_until(|state| state.in_flight() < BUFFERS_MAX);
        state.check()?;
        let other = state.spare.pop().filter(|spare| spare.len() == buffer.len());
        let other = other.unwrap_or_else(|| AlignedBuffer::new(buffer.len()));
        let buffer = std::mem::replace(buffer, other);
        state.queue.push_back(Job { offset, buffer, range });
        self.0.tell();
        Ok(())
    }

    /// Waits until everything handed over is written.
    pub(super) fn settle(&self) -> io::Result<()> {
        self.0.wait_until(|state| state.in_flight() == 0).check()
    }
}

impl State {
    fn in_flight(&self) -> usize {
        self.queue.len() + usize::from(self.is_writing)
    }

    /// The first error, for everyone who asks. Never as "disk full": nobody could tell any more which bytes are there.
    fn check(&self) -> io::Result<()> {
        match &self.failed {
            None => Ok(()),
            Some(text) => Err(io::Error::other(format!("an earlier write failed: {text}"))),
        }
    }
}

/// What the thread does: to the last job, also when it is to end.
fn write_all(shared: &Shared<State>, paths: &Paths) {
    while let Some(mut state) = shared.work(|state| !state.queue.is_empty()) {
        let Some(job) = state.queue.pop_front() else { return };
        state.is_writing = true;
        let is_failed = state.failed.is_some();
        drop(state);
        // Behind a hole nothing is written any more.
        let result = if is_failed { Ok(()) } else { job.write(paths) };
        let mut state = shared.lock();
        state.is_writing = false;
        state.spare.push(job.buffer);
        if let Err(error) = result {
            state.failed.get_or_insert_with(|| error.to_string());
        }
        shared.tell();
    }
}
