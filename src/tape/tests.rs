//! Tests of the whole tape on storage in memory. The pieces test themselves; the directory is tested from outside,
//! in `tests/tape_*.rs`.

mod crash;
mod damage;
mod faults;
mod hostile;
mod lend;
mod limits;
mod loan;
mod memory;
mod model;
mod opening;
mod packing;

use std::path::Path;

use uuid::Uuid;

use self::memory::MemoryStorage;
use super::error::TapeError;
use super::format::{DATA_START_BYTES, TapeHeader};
use super::log::Log;
use super::medium::{Limits, Medium};

const LIMITS: Limits = Limits { capacity_bytes: 1 << 40, worm: false, write_protected: false };

/// An empty tape: its log and its index.
fn blank() -> (MemoryStorage, MemoryStorage) {
    let header = TapeHeader {
        uuid: Uuid::from_u128(0x1234_5678),
        created_unix_s: 0,
        generation: 1,
        generation_start: DATA_START_BYTES,
    };
    (MemoryStorage::new([header.encode(), header.encode()].concat()), MemoryStorage::new(Vec::new()))
}

fn open_medium(
    log: &MemoryStorage,
    index: &MemoryStorage,
) -> Result<Medium<MemoryStorage, MemoryStorage>, TapeError> {
    open_limited(log, index, LIMITS)
}

fn open_limited(
    log: &MemoryStorage,
    index: &MemoryStorage,
    limits: Limits,
) -> Result<Medium<MemoryStorage, MemoryStorage>, TapeError> {
    let log = Log::open("TEST01L8".into(), Path::new("data"), log.clone(), u64::MAX)?;
    Medium::open(log, Some(index.clone()), limits, |_, _| Ok(()))
}
