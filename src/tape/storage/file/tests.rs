//! A file read ahead and written behind holds what a plain list of bytes holds, whatever is done in whatever order.

use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::*;
use crate::tape::storage::ahead::AHEAD_BLOCK_BYTES;

#[derive(Clone, Debug)]
enum Step {
    /// Reads in a row from an offset, each asked for ahead.
    Run {
        offset: usize,
        pieces: Vec<usize>,
        ahead: u64,
    },
    Append {
        length: usize,
        behind: bool,
    },
    Truncate(usize),
    /// Everything on disk and nothing in memory: the next reads are cold.
    Cool,
    Release,
}

const AREA_BYTES: usize = 40 * AHEAD_BLOCK_BYTES;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pieces = prop::collection::vec(1..2 * AHEAD_BLOCK_BYTES, 1..12);
    let step = prop_oneof![
        4 => (0..AREA_BYTES, pieces, 1..10 * AHEAD_BLOCK_BYTES as u64)
            .prop_map(|(offset, pieces, ahead)| Step::Run { offset, pieces, ahead }),
        3 => (1..12 * AHEAD_BLOCK_BYTES, any::<bool>())
            .prop_map(|(length, behind)| Step::Append { length, behind }),
        1 => (0..AREA_BYTES).prop_map(Step::Truncate),
        3 => Just(Step::Cool),
        1 => Just(Step::Release),
    ];
    prop::collection::vec(step, 1..20)
}

struct Pair {
    storage: FileStorage,
    model: Vec<u8>,
    appended: u64,
}

impl Pair {
    fn append(&mut self, length: usize, behind: bool) {
        self.appended += 1;
        let (from, seed) = (self.model.len(), self.appended);
        let bytes = (0..length).map(|at| (at as u64 / 3 + seed * 89).to_le_bytes()[0]);
        self.model.extend(bytes);
        let offset = from as u64;
        if !behind {
            return self.storage.write_at(offset, &self.model[from..]).unwrap();
        }
        self.storage.reserve(offset, offset + length as u64).unwrap();
        // As the log does it: the byte's place in the buffer is its offset's, modulo a block.
        let start = from % BLOCK_BYTES;
        let mut buffer = AlignedBuffer::new((start + length).next_multiple_of(BLOCK_BYTES));
        buffer[start..start + length].copy_from_slice(&self.model[from..]);
        self.storage.write_behind(offset, &mut buffer, start..start + length).unwrap();
    }

    fn run(&self, offset: usize, pieces: &[usize], ahead: u64) {
        let mut at = offset;
        for piece in pieces {
            self.storage.will_need(at as u64, ahead.min((self.model.len().saturating_sub(at)) as u64));
            let mut buffer = vec![0; *piece];
            let read = self.storage.read_at(at as u64, &mut buffer).unwrap();
            let from = at.min(self.model.len());
            let to = (at + piece).min(self.model.len()).max(from);
            assert!(buffer[..read] == self.model[from..to], "{read} bytes at {at}");
            // Sometimes a little is read twice, as records do that stand across two windows.
            at += piece - piece / 7;
        }
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Run { offset, pieces, ahead } => self.run(*offset, pieces, *ahead),
            Step::Append { length, behind } => self.append(*length, *behind),
            Step::Truncate(length) => {
                let length = self.model.len().min(*length);
                self.storage.truncate(length as u64).unwrap();
                self.model.truncate(length);
            }
            Step::Cool => {
                self.storage.sync().unwrap();
                let file = &self.storage.paths.cached;
                rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
            }
            Step::Release => self.storage.release_memory(),
        }
    }
}

fn pair(directory: &Path) -> Pair {
    let path = directory.join("data");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    Pair { storage: FileStorage::direct(file, &path), model: Vec::new(), appended: 0 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn it_reads_what_was_written(steps in steps()) {
        let directory = tempfile::tempdir().unwrap();
        let mut pair = pair(directory.path());
        for step in &steps {
            pair.apply(step);
        }
        pair.run(0, &[pair.model.len() + 1], 1);
    }
}

/// A pair whose file is long and not in the page cache; nothing where this cannot be had, which is said.
fn cold_pair(directory: &Path) -> Option<Pair> {
    let mut pair = pair(directory);
    pair.append(30 * AHEAD_BLOCK_BYTES, false);
    pair.apply(&Step::Cool);
    // To ask for a page makes the kernel fetch it: one is asked for that no test comes near.
    if pair.storage.paths.direct.is_some() && !pair.storage.is_cached(29 * AHEAD_BLOCK_BYTES as u64) {
        return Some(pair);
    }
    eprintln!("NOTE    no direct I/O or no way to empty the page cache here");
    None
}

/// The first cold block starts the thread. How much comes from it afterwards is the kernel's to say: a page that it kept
/// when it was told to drop all sends the reader to the page cache. What the thread does is shown below, without that.
#[test]
fn a_cold_run_is_read_ahead() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mut pair) = cold_pair(directory.path()) else { return };
    pair.run(0, &[AHEAD_BLOCK_BYTES; 20], 4 * AHEAD_BLOCK_BYTES as u64);
    assert!(pair.storage.ahead.borrow().is_some());
    // What changes behind its back through this storage is seen.
    pair.storage.write_at(0, b"changed").unwrap();
    pair.model[..7].copy_from_slice(b"changed");
    pair.run(0, &[AHEAD_BLOCK_BYTES; 20], 4 * AHEAD_BLOCK_BYTES as u64);
}

#[test]
fn the_thread_that_reads_ahead_gives_all_that_was_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let Some(pair) = cold_pair(directory.path()) else { return };
    let ahead = Ahead::start(pair.storage.paths.clone()).unwrap();
    let mut buffer = vec![0; AHEAD_BLOCK_BYTES / 7];
    let mut at = 0;
    while at < pair.model.len() {
        ahead.want(at as u64, (at + 4 * AHEAD_BLOCK_BYTES).min(pair.model.len()) as u64);
        let length = buffer.len().min(pair.model.len() - at);
        assert_eq!(ahead.read(at as u64, &mut buffer[..length]), length, "at {at}");
        assert!(buffer[..length] == pair.model[at..at + length], "at {at}");
        at += length;
    }
}

#[test]
fn what_cannot_be_read_ahead_is_read_in_line() {
    let directory = tempfile::tempdir().unwrap();
    let mut pair = pair(directory.path());
    pair.append(5 * AHEAD_BLOCK_BYTES + 100, true);
    pair.apply(&Step::Cool);
    pair.run(3 * AHEAD_BLOCK_BYTES, &[AHEAD_BLOCK_BYTES; 4], u64::MAX);
    // Cut by somebody else: short, but no wait and no panic.
    pair.storage.paths.cached.set_len(10).unwrap();
    let mut byte = [0; 1];
    assert_eq!(pair.storage.paths.cached.read_at(&mut byte, 10).unwrap(), 0);
}
