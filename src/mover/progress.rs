//! How far a transfer has come: the numbers MOVER_GET_STATE answers while the pump runs (NDMPv4 3.6.1.1).
//!
//! Written by the pump once per batch, read by the session at any time. It must not know why a transfer ends:
//! that is `state::End`.

use std::sync::{Mutex, PoisonError};

/// The mover's counters. All start at zero when the mover leaves IDLE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records read from or written to tape, over all volumes of the stream; SET_WINDOW sets it to
    /// offset / record size. The tape stands in front of the record with this number.
    pub record_number: u64,
    /// Stream bytes carried, without padding.
    pub moved_bytes: u64,
    /// Bytes still to deliver for the MOVER_READ in progress; `u64::MAX` minus what was delivered for one without end.
    pub left_to_read_bytes: u64,
}

/// A [`Progress`] shared between the pump, which writes it, and the session, which reads it.
#[derive(Debug, Default)]
pub struct ProgressCell(Mutex<Progress>);

impl ProgressCell {
    /// A cell that starts with `progress`.
    pub fn new(progress: Progress) -> ProgressCell {
        ProgressCell(Mutex::new(progress))
    }

    /// What the pump published last.
    pub fn get(&self) -> Progress {
        // A poisoned lock can only hold a whole value: `Progress` is replaced in one assignment.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes `progress`.
    pub fn set(&self, progress: Progress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}
