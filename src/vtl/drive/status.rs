//! What anyone may know of a drive at any time, also while its thread is busy: published after every operation.
//!
//! It must not be used to decide what the drive does: the truth is the drive's own. Written by `unit`.

use crate::tape::{Position, Tape};
use std::sync::{Arc, Mutex, PoisonError};

/// What is in the drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MediumStatus {
    /// No cartridge.
    #[default]
    Empty,
    /// A cartridge that is not threaded.
    Unloaded,
    /// A threaded tape.
    Ready,
    /// A cleaning cartridge.
    Cleaning,
    /// A cartridge of a generation that the drive cannot read.
    Incompatible,
}

/// A drive's state as last published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriveStatus {
    /// What is in it.
    pub medium: MediumStatus,
    /// The cartridge's barcode, also when unloaded.
    pub barcode: Option<String>,
    /// Whether the tape refuses writing.
    pub is_write_protected: bool,
    /// Where the tape stands.
    pub position: Position,
    /// The tape's capacity, in bytes.
    pub capacity_bytes: u64,
    /// Bytes that still fit behind the end of data.
    pub remaining_bytes: u64,
    /// The previous operation met a medium error.
    pub has_medium_error: bool,
}

/// A shared [`DriveStatus`].
#[derive(Clone, Debug, Default)]
pub(super) struct StatusCell(Arc<Mutex<DriveStatus>>);

impl StatusCell {
    pub(super) fn get(&self) -> DriveStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes where `tape` stands.
    pub(super) fn publish_position(&self, tape: &Tape, has_medium_error: bool) {
        let (position, remaining_bytes) = (tape.position(), tape.remaining_bytes());
        self.update(|published| {
            published.position = position;
            published.remaining_bytes = remaining_bytes;
            published.has_medium_error = has_medium_error;
        });
    }

    /// Changes the published state in place, so that the hot path allocates nothing.
    pub(super) fn update(&self, change: impl FnOnce(&mut DriveStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
