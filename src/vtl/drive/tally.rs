//! What the drive counts: its own life beside the cartridge's. It counts from the start of the server.
//!
//! It must not know why something is counted.

use crate::tape::{Counters, Label};
use crate::vtl::tape_drive::{DriveError, DriveStatistics, Usage};
use std::time::Instant;

/// The drive's counters.
pub(super) struct Tally {
    /// With the cartridges that are unthreaded again.
    past: Usage,
    /// The threaded cartridge's counters when it was threaded.
    at_load: Counters,
    /// And from which on what is told of this load is counted.
    pub(super) counted_from: Counters,
    loads: u64,
    loads_at_reset: u64,
    cleanings: u64,
    write_errors: u64,
    started: Instant,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            past: Usage::default(),
            at_load: Counters::default(),
            counted_from: Counters::default(),
            loads: 0,
            loads_at_reset: 0,
            cleanings: 0,
            write_errors: 0,
            started: Instant::now(),
        }
    }

    pub(super) fn threaded(&mut self, label: &Label) {
        self.loads = self.loads.saturating_add(1);
        (self.at_load, self.counted_from) = (label.counters, label.counters);
    }

    pub(super) fn unthreaded(&mut self, label: &Label) {
        self.past = sum(&self.past, &usage(&label.counters, &self.at_load));
    }

    pub(super) fn cleaned(&mut self) {
        self.cleanings = self.cleanings.saturating_add(1);
    }

    /// Notes how a write ended.
    pub(super) fn note_write<T>(&mut self, result: &Result<T, DriveError>) {
        if matches!(result, Err(DriveError::Failed { .. })) {
            self.write_errors = self.write_errors.saturating_add(1);
        }
    }

    /// Counts anew what is counted since the load; `now` are the threaded cartridge's counters.
    pub(super) fn reset(&mut self, now: Option<Counters>) {
        self.loads_at_reset = self.loads;
        self.counted_from = now.unwrap_or(self.counted_from);
    }

    pub(super) fn statistics(&self, threaded: Option<&Label>) -> DriveStatistics {
        let present = threaded.map(|label| usage(&label.counters, &self.at_load)).unwrap_or_default();
        DriveStatistics {
            usage: Usage { loads: self.loads, ..sum(&self.past, &present) },
            loads_since_reset: self.loads.saturating_sub(self.loads_at_reset),
            cleanings: self.cleanings,
            write_errors: self.write_errors,
            powered_seconds: self.started.elapsed().as_secs(),
        }
    }
}

/// What the counters have grown by since `before`.
pub(super) fn usage(now: &Counters, before: &Counters) -> Usage {
    Usage {
        loads: now.loads.saturating_sub(before.loads),
        bytes_written: now.bytes_written.saturating_sub(before.bytes_written),
        bytes_read: now.bytes_read.saturating_sub(before.bytes_read),
        records_written: now.records_written.saturating_sub(before.records_written),
        records_read: now.records_read.saturating_sub(before.records_read),
        filemarks_written: now.filemarks_written.saturating_sub(before.filemarks_written),
        medium_errors: now.medium_errors.saturating_sub(before.medium_errors),
    }
}

fn sum(a: &Usage, b: &Usage) -> Usage {
    Usage {
        loads: a.loads.saturating_add(b.loads),
        bytes_written: a.bytes_written.saturating_add(b.bytes_written),
        bytes_read: a.bytes_read.saturating_add(b.bytes_read),
        records_written: a.records_written.saturating_add(b.records_written),
        records_read: a.records_read.saturating_add(b.records_read),
        filemarks_written: a.filemarks_written.saturating_add(b.filemarks_written),
        medium_errors: a.medium_errors.saturating_add(b.medium_errors),
    }
}
