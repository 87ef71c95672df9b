//! Tests of the virtual drive on real tapes in a temporary directory.
//!
//! `failing` has a disk that fails; `host` has the operations as NDMP needs them, against a model; `warning` the early warning and the implicit
//! filemark, case by case; `space` a disk that runs short; `lease` the thread, its queue, and who has the drive.

mod failing;
mod host;
mod lease;
mod space;
mod warning;

use super::status::StatusCell;
use super::unit::Drive;
use crate::tape::{self, Compression, NewTape, ReadOutcome, Tape};
use crate::vtl::barcode::Barcode;
use crate::vtl::drive::{DriveKeeper, Unkept};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ROOMY: u64 = 1 << 30;

fn barcode() -> Barcode {
    Barcode::new("TEST01L8").unwrap()
}

/// Makes a blank tape below `directory`.
fn blank(directory: &Path, capacity_bytes: u64) -> PathBuf {
    let path = directory.join("TEST01L8");
    tape::create(&path, &NewTape { barcode: "TEST01L8".into(), capacity_bytes, worm: false }).unwrap();
    path
}

/// A drive without its thread, and a tape in it.
struct Bench {
    drive: Drive,
    status: StatusCell,
    tape: PathBuf,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new(capacity_bytes: u64) -> Bench {
        Bench::kept(capacity_bytes, Arc::new(Unkept))
    }

    fn kept(capacity_bytes: u64, keeper: Arc<dyn DriveKeeper>) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let tape = blank(directory.path(), capacity_bytes);
        let status = StatusCell::default();
        let mut drive = Drive::new("SERIAL".into(), 1, Compression::None, status.clone(), keeper);
        drive.insert(&tape, &barcode()).unwrap();
        Bench { drive, status, tape, _directory: directory }
    }

    /// What is on the tape: the records' lengths, 0 for a mark. The drive must have let it go.
    fn contents(&self) -> Vec<usize> {
        contents(&self.tape)
    }
}

fn contents(tape: &Path) -> Vec<usize> {
    read_all(tape).into_iter().map(|block| block.map_or(0, |record| record.len())).collect()
}

/// All blocks of a tape; a mark is `None`.
fn read_all(tape: &Path) -> Vec<Option<Vec<u8>>> {
    let mut tape = Tape::open(tape).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut blocks = Vec::new();
    loop {
        match tape.read_record(&mut buffer).unwrap() {
            ReadOutcome::Record { length } => blocks.push(Some(buffer[..length].to_vec())),
            ReadOutcome::Filemark => blocks.push(None),
            ReadOutcome::EndOfData => return blocks,
        }
    }
}
