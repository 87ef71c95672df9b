//! The tape on disk: one directory a tape, holding `data` (an append-only log, the truth), `index` (derived,
//! deletable) and `label.toml`. Nothing here knows of loaders, drives, SCSI or NDMP.
//!
//! Read in this order: `FORMAT.md` (every byte, and why), [`mod@format`] (the bytes in code), [`log`] (appending and
//! reading), [`index`] and [`recovery`] (finding places fast, and finding the end after a crash), [`medium`] (what
//! a tape does: write, space, locate), [`tape`] (the directory, the lock and the label around it).

mod create;
mod error;
mod format;
mod index;
mod label;
mod log;
mod medium;
mod position;
mod recovery;
mod seek;
mod storage;
#[expect(clippy::module_inception, reason = "the type `Tape` deserves a file of its name")]
mod tape;

#[cfg(test)]
mod tests;

pub use create::{NewTape, create};
pub use error::TapeError;
pub use format::{DATA_START_BYTES, FORMAT_VERSION, RECORD_BYTES_MAX, RECORD_OVERHEAD_BYTES};
pub use label::{Counters, Label};
pub use log::Lent;
pub use medium::{FILEMARK_RESERVE_BYTES, ReadOutcome, early_warning_bytes};
pub use position::Position;
pub use seek::{Spaced, Stop};
pub use tape::{Summary, Tape, inspect, is_tape};
