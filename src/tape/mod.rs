//! The tape on disk: one directory a tape, holding `data` (an append-only log, the truth), `index` (derived,
//! deletable), `label.toml` and `attributes.toml`. Nothing here knows of loaders, drives, SCSI or NDMP.
//!
//! Read in this order: `FORMAT.md` (every byte, and why), [`mod@format`] (the bytes in code), [`log`] (appending and
//! reading), [`index`] and [`recovery`] (finding places fast, and finding the end after a crash), [`medium`] (what
//! a tape does: write, space, locate), [`codec`], [`packer`] and [`packing`] (compression), [`tape`] (the directory, the
//! lock and the label around it). For those who only look: [`reader`] (without lock or change), [`mod@verify`] (every
//! byte), [`contents`] (the tape files), [`image`] and [`simh`] (tapes as `.tap` files).

mod attributes;
mod buffer;
mod codec;
mod contents;
mod create;
mod error;
mod format;
mod image;
mod index;
mod label;
mod loan;
mod log;
mod medium;
mod packer;
mod packing;
mod position;
mod reader;
mod recovery;
mod seek;
mod simh;
mod storage;
#[expect(clippy::module_inception, reason = "the type `Tape` deserves a file of its name")]
mod tape;
mod verify;
mod versions;

#[cfg(test)]
mod tests;

pub use attributes::{AttributeFormat, HOST_ATTRIBUTES_BYTES_MAX, HostAttribute};
pub use codec::Compression;
pub use contents::{Content, TapeFile};
pub use create::{NewTape, create};
pub use error::TapeError;
pub use format::{DATA_START_BYTES, FORMAT_VERSION, RECORD_BYTES_MAX, RECORD_OVERHEAD_BYTES};
pub use image::{Amount, CopyError, copy_file, export, import, measure};
pub use label::{Counters, Label, set_barcode};
pub use loan::Loan;
pub use log::Lent;
pub use medium::{FILEMARK_RESERVE_BYTES, ReadOutcome, early_warning_bytes};
pub use position::Position;
pub use reader::TapeReader;
pub use seek::{Spaced, Stop};
pub use simh::{TapError, TapNotices, TapObject, TapReader, TapWriter};
pub use tape::{Summary, Tape, hold, inspect, is_tape, protect};
pub use verify::{Finding, FindingKind, Severity, Verification, verify};
