//! What a transfer has made sure, kept in the library's ledger.

use uuid::Uuid;

use super::library::Library;
use super::now_unix_s;
use crate::copy::fault::Fault;
use crate::copy::state::{Checkpoint, Entry, Extent, Mark, Refusal, Verification, Written};
use crate::copy::transfer::Journal;

/// One tape's line of the ledger.
pub(super) struct LedgerJournal<'a> {
    pub(super) library: &'a Library,
    pub(super) tape: Uuid,
    pub(super) barcode: &'a str,
}

impl LedgerJournal<'_> {
    fn keep(&self, change: impl FnOnce(&mut Entry) -> Result<(), Refusal>) -> Result<(), Fault> {
        self.library.record(self.tape, self.barcode, change)
    }
}

impl Journal for LedgerJournal<'_> {
    fn begin(&mut self, written: &Written, first: Mark) -> Result<(), Fault> {
        self.keep(|entry| entry.begin(written.clone(), first, now_unix_s()))
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), Fault> {
        self.keep(|entry| entry.checkpoint(checkpoint))
    }

    fn complete(&mut self, extent: Extent) -> Result<(), Fault> {
        self.keep(|entry| entry.complete(extent, now_unix_s()))
    }

    fn verified(&mut self, how: Verification) -> Result<(), Fault> {
        self.keep(|entry| entry.verified(how, now_unix_s()))
    }
}
