//! The pump: moves the stream's bytes between the data connection and the drive, on the drive's own thread.
//!
//! It runs until something ends it and says what ([`crate::mover::Ended`]); the session decides what that means. What it holds
//! across a pause (bytes received but not yet on tape, the record last read) stays in a *carry*, so that nothing is
//! lost or doubled when the DMA changes tapes. It must not know the control connection. `backup` and `recover` are
//! the two directions.

mod backup;
mod recover;

pub use backup::{BackupCarry, BackupJob, run_backup};
pub use recover::{RecoverCarry, RecoverJob, run_recover};

use super::progress::ProgressCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(test)]
mod tests;

/// Bytes moved per system call at least, unless one record is larger.
const BATCH_BYTES: usize = 1 << 20;

/// What the session and a running pump share.
#[derive(Clone, Debug, Default)]
pub struct PumpControl {
    /// The counters, live.
    pub progress: Arc<ProgressCell>,
    abort: Arc<AtomicBool>,
}

impl PumpControl {
    /// Tells the pump to stop at the next record. The caller also shuts the socket down: that wakes a pump that
    /// waits for the peer.
    pub fn abort(&self) {
        self.abort.store(true, Ordering::Release);
    }

    fn is_aborted(&self) -> bool {
        self.abort.load(Ordering::Acquire)
    }
}
