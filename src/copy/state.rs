//! What is known of one tape's copy in one library: an enum that owns what exists only in each state.
//!
//! ```text
//!  NEVER ──▶ QUEUED ──▶ COPYING ──▶ COPIED ──▶ VERIFIED ◀──▶ RELEASED
//!              ▲ ▲         │  ▲ checkpoint        │
//!              │ └─────────┤  └──┘                ▼ written to, the cartridge is gone
//!              └── FAILED ◀┘        STALE, LOST ──▶ QUEUED
//! ```
//!
//! A copy is of one *generation* of the tape (`tape`: it grows whenever data on the tape is overwritten). Of the same
//! generation, a tape only grows, so what stands on the cartridge is its beginning and can be gone on with; of another,
//! it is void. It must not know drives, files or the clock: time comes in as seconds since 1970. Which state may follow
//! which says `table`; how it is kept says `ledger`.

use serde::{Deserialize, Serialize};

use super::fault::FaultKind;
use super::table::{Phase, edge};

/// How many beginnings of cartridges are remembered as our own.
const OWN_MAX: usize = 8;

/// How much is on a tape: which data, and up to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Counts how often data on the tape was overwritten.
    pub generation: u64,
    /// Records and filemarks on it.
    pub blocks: u64,
}

/// A cartridge of a physical library.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cartridge {
    /// What the robot's reader sees, without blanks at its end.
    pub barcode: String,
    /// The serial number in its memory, where a drive can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

impl Cartridge {
    /// Whether `other` can be this cartridge: serial numbers decide where both are known.
    #[must_use]
    pub fn can_be(&self, other: &Cartridge) -> bool {
        let serials_agree = match (&self.serial, &other.serial) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => true,
        };
        self.barcode == other.barcode && serials_agree
    }
}

/// What one record or filemark is, for telling it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object", rename_all = "snake_case")]
pub enum Mark {
    /// A filemark.
    Filemark,
    /// A record.
    Record {
        /// Its length.
        bytes: u32,
        /// CRC32C of its bytes.
        crc32c: u32,
    },
}

impl Mark {
    /// The mark of a record; `None` if it is longer than any record can be.
    #[must_use]
    pub fn of_record(record: &[u8]) -> Option<Mark> {
        let bytes = u32::try_from(record.len()).ok()?;
        Some(Mark::Record { bytes, crc32c: crc32c::crc32c(record) })
    }
}

/// Up to where a cartridge is known to hold what the tape holds: written, synchronised, looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Records and filemarks before it; at least 1.
    pub block: u64,
    /// Filemarks before it.
    pub file: u64,
    /// Records between the last filemark and it.
    pub block_in_file: u64,
    /// Bytes of the records before it.
    pub record_bytes: u64,
    /// The object right before it.
    pub before: Mark,
}

/// What stands on a cartridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Which.
    pub cartridge: Cartridge,
    /// Of which generation of the tape.
    pub generation: u64,
    /// Whether the copy ended there: then nothing may stand behind it that this program wrote.
    pub is_complete: bool,
    /// Up to where it is sure; nothing of it is if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
}

impl Written {
    /// Where copying a tape of this extent may go on; `None` if it must begin anew.
    #[must_use]
    pub fn resume(&self, extent: Extent) -> Option<Checkpoint> {
        let checkpoint = self.checkpoint?;
        (self.generation == extent.generation && checkpoint.block <= extent.blocks).then_some(checkpoint)
    }

    /// Whether all of a tape of this extent is on the cartridge.
    #[must_use]
    pub fn is_all_of(&self, extent: Extent) -> bool {
        self.resume(extent).is_some_and(|checkpoint| checkpoint.block == extent.blocks)
    }
}

/// A beginning of a cartridge that this program wrote, so that it may be written over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// Which cartridge.
    pub cartridge: Cartridge,
    /// Its first object.
    pub first: Mark,
}

/// Why a tape is to be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An operator asked.
    ByHand,
    /// It went into a mail slot.
    Eject,
    /// Space is short.
    FreeSpace,
    /// It filled up.
    Full,
    /// It was unloaded.
    Unload,
    /// The time of a cron line came.
    Time,
    /// Data on it had not been copied for too long.
    Age,
}

impl Cause {
    /// In a sentence behind "because".
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Cause::ByHand => "an operator asked for it",
            Cause::Eject => "it was ejected",
            Cause::FreeSpace => "space is short",
            Cause::Full => "it is full",
            Cause::Unload => "it was unloaded",
            Cause::Time => "its time has come",
            Cause::Age => "its data has not been copied for too long",
        }
    }
}

/// How a copy was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// Every record was read back and compared.
    ReadBack,
    /// The number of objects on the cartridge was.
    Counts,
}

/// Why a copy is no longer one of all that is on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The tape grew: what is on the cartridge is its beginning.
    Appended,
    /// Data on the tape was overwritten: what is on the cartridge is of no use.
    Overwritten,
}

/// Why a copy cannot be relied on any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The library no longer has the cartridge.
    CartridgeGone,
    /// What was known of it was damaged on disk: the cartridge must be read.
    LedgerDamaged,
}

/// The state with its data. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields' types and names say it all")]
pub enum State {
    /// Nothing is known to be on any cartridge.
    Never,
    /// Waiting for a drive, a cartridge and its turn.
    Queued {
        cause: Cause,
        since_unix_s: u64,
        /// Tries that have failed since it was asked for.
        attempts: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        written: Option<Written>,
    },
    /// Being written.
    Copying { cause: Cause, begun_unix_s: u64, attempts: u32, written: Written },
    /// All of it is on the cartridge.
    Copied { written: Written, copied_unix_s: u64 },
    /// And it was looked at.
    Verified { written: Written, how: Verification, verified_unix_s: u64 },
    /// And the tape's data has left the disk.
    Released { written: Written, how: Verification, released_unix_s: u64 },
    /// It went wrong.
    Failed {
        cause: Cause,
        kind: FaultKind,
        /// One line for the operator.
        reason: String,
        attempts: u32,
        /// When it is tried again by itself; not before somebody asks if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_unix_s: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        written: Option<Written>,
    },
    /// The tape has changed since.
    Stale { written: Written, change: Change },
    /// The copy cannot be relied on.
    Lost {
        loss: Loss,
        /// What was last known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        written: Option<Written>,
    },
}

/// A change of state that the table does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a copy that is {:?} cannot become {:?}", .from.name(), .to.name())]
pub struct Refusal {
    /// What it is.
    pub from: Phase,
    /// What it should have become.
    pub to: Phase,
}

/// What went wrong with a copy, and when it is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Of what kind.
    pub kind: FaultKind,
    /// One line for the operator.
    pub reason: String,
    /// When it is tried again by itself.
    pub retry_unix_s: Option<u64>,
    /// Tries that had failed before this one began: a copy that was complete in between does not know them.
    pub attempts_before: u32,
}

/// All that is known of one tape's copy in one library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    state: State,
    /// What this program wrote at the beginning of cartridges for this tape; the newest last.
    own: Vec<Own>,
}

impl Default for Entry {
    fn default() -> Self {
        Entry { state: State::Never, own: Vec::new() }
    }
}

impl Entry {
    /// As it was kept.
    #[must_use]
    pub fn restore(state: State, mut own: Vec<Own>) -> Entry {
        own.drain(..own.len().saturating_sub(OWN_MAX));
        Entry { state, own }
    }

    /// The state with its data.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Beginnings of cartridges that may be written over for this tape.
    #[must_use]
    pub fn own(&self) -> &[Own] {
        &self.own
    }

    /// The state's name.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Never => Phase::Never,
            State::Queued { .. } => Phase::Queued,
            State::Copying { .. } => Phase::Copying,
            State::Copied { .. } => Phase::Copied,
            State::Verified { .. } => Phase::Verified,
            State::Released { .. } => Phase::Released,
            State::Failed { .. } => Phase::Failed,
            State::Stale { .. } => Phase::Stale,
            State::Lost { .. } => Phase::Lost,
        }
    }

    /// What is on a cartridge and can be relied on.
    #[must_use]
    pub fn written(&self) -> Option<&Written> {
        match &self.state {
            State::Never | State::Lost { .. } => None,
            State::Queued { written, .. } | State::Failed { written, .. } => written.as_ref(),
            State::Copying { written, .. }
            | State::Copied { written, .. }
            | State::Verified { written, .. }
            | State::Released { written, .. }
            | State::Stale { written, .. } => Some(written),
        }
    }

    /// How often it has been tried in vain since it was asked for.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        match self.state {
            State::Queued { attempts, .. }
            | State::Copying { attempts, .. }
            | State::Failed { attempts, .. } => attempts,
            _ => 0,
        }
    }

    /// The tape is seen with this extent. Tells whether that changed the state. While it is being copied the transfer
    /// itself watches the tape.
    pub fn observe(&mut self, extent: Extent) -> bool {
        let (State::Copied { written, .. }
        | State::Verified { written, .. }
        | State::Released { written, .. }
        | State::Stale { written, .. }) = &self.state
        else {
            return false;
        };
        if written.is_all_of(extent) {
            return false;
        }
        let change = if written.resume(extent).is_some() { Change::Appended } else { Change::Overwritten };
        let next = State::Stale { written: written.clone(), change };
        if next == self.state {
            return false;
        }
        self.enter(next).is_ok()
    }

    /// It is to be copied. A copy of which nothing can be relied on begins with a look at the cartridge.
    ///
    /// # Errors
    /// [`Refusal`] while it is queued or being copied, or where all of it is copied already.
    pub fn queue(&mut self, cause: Cause, now_unix_s: u64) -> Result<(), Refusal> {
        if self.phase() == Phase::Copying {
            return Err(self.refusal(Phase::Queued));
        }
        let attempts = if cause == Cause::ByHand { 0 } else { self.attempts() };
        let written = self.written().cloned();
        self.enter(State::Queued { cause, since_unix_s: now_unix_s, attempts, written })
    }

    /// What went wrong is tried again by itself: the tries count on, also where an operator had asked.
    ///
    /// # Errors
    /// [`Refusal`] unless it has failed.
    pub fn retry(&mut self, now_unix_s: u64) -> Result<(), Refusal> {
        let State::Failed { cause, attempts, ref written, .. } = self.state else {
            return Err(self.refusal(Phase::Queued));
        };
        let written = written.clone();
        self.enter(State::Queued { cause, since_unix_s: now_unix_s, attempts, written })
    }

    /// It is not to be copied after all.
    ///
    /// # Errors
    /// [`Refusal`] unless it is queued.
    pub fn unqueue(&mut self) -> Result<(), Refusal> {
        let State::Queued { written, .. } = &self.state else { return Err(self.refusal(Phase::Never)) };
        let next = match written.clone() {
            Some(written) => State::Stale { written, change: Change::Appended },
            None => State::Never,
        };
        self.enter(next)
    }

    /// Writing begins: `written` says from where. `first` is the tape's first object, which is about to be written where
    /// nothing is resumed; it is remembered as ours *before* it is.
    ///
    /// # Errors
    /// [`Refusal`] unless it is queued.
    pub fn begin(&mut self, written: Written, first: Mark, now_unix_s: u64) -> Result<(), Refusal> {
        let State::Queued { cause, attempts, .. } = self.state else {
            return Err(self.refusal(Phase::Copying));
        };
        self.remember(Own { cartridge: written.cartridge.clone(), first });
        self.enter(State::Copying { cause, begun_unix_s: now_unix_s, attempts, written })
    }

    /// What is on the cartridge is sure up to here.
    ///
    /// # Errors
    /// [`Refusal`] unless it is being copied.
    pub fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), Refusal> {
        let State::Copying { cause, begun_unix_s, attempts, written } = &self.state else {
            return Err(self.refusal(Phase::Copying));
        };
        let written = Written { checkpoint: Some(checkpoint), is_complete: false, ..written.clone() };
        let (cause, begun_unix_s, attempts) = (*cause, *begun_unix_s, *attempts);
        self.enter(State::Copying { cause, begun_unix_s, attempts, written })
    }

    /// All of a tape of this extent is on the cartridge, and sure.
    ///
    /// # Errors
    /// [`Refusal`] unless it is being copied and its last checkpoint is the tape's end.
    pub fn complete(&mut self, extent: Extent, now_unix_s: u64) -> Result<(), Refusal> {
        match &self.state {
            State::Copying { written, .. } if written.is_all_of(extent) => {
                let written = Written { is_complete: true, ..written.clone() };
                self.enter(State::Copied { written, copied_unix_s: now_unix_s })
            }
            _ => Err(self.refusal(Phase::Copied)),
        }
    }

    /// The cartridge was looked at and holds what was written.
    ///
    /// # Errors
    /// [`Refusal`] unless it is copied or was verified before.
    pub fn verified(&mut self, how: Verification, now_unix_s: u64) -> Result<(), Refusal> {
        match &self.state {
            State::Copied { written, .. } | State::Verified { written, .. } => {
                let written = written.clone();
                self.enter(State::Verified { written, how, verified_unix_s: now_unix_s })
            }
            _ => Err(self.refusal(Phase::Verified)),
        }
    }

    /// The tape's data is about to leave the disk. To be kept durably before it does.
    ///
    /// # Errors
    /// [`Refusal`] unless it is verified.
    pub fn release(&mut self, now_unix_s: u64) -> Result<(), Refusal> {
        let State::Verified { written, how, .. } = &self.state else {
            return Err(self.refusal(Phase::Released));
        };
        let (written, how) = (written.clone(), *how);
        self.enter(State::Released { written, how, released_unix_s: now_unix_s })
    }

    /// The tape's data is on the disk again.
    ///
    /// # Errors
    /// [`Refusal`] unless it was released.
    pub fn recalled(&mut self, now_unix_s: u64) -> Result<(), Refusal> {
        let State::Released { written, how, .. } = &self.state else {
            return Err(self.refusal(Phase::Verified));
        };
        let (written, how) = (written.clone(), *how);
        self.enter(State::Verified { written, how, verified_unix_s: now_unix_s })
    }

    /// It went wrong. What is sure stays so, unless the cartridge does not hold what was written. Where it holds what others
    /// wrote, nothing on it is ours to write over any more.
    ///
    /// # Errors
    /// [`Refusal`] unless it was queued, being copied or being verified.
    pub fn fail(&mut self, failure: Failure) -> Result<(), Refusal> {
        let attempts = self.attempts().max(failure.attempts_before).saturating_add(1);
        let cause = match self.state {
            State::Queued { cause, .. } | State::Copying { cause, .. } => cause,
            _ => Cause::ByHand,
        };
        let written = if failure.kind.voids_copy() { None } else { self.written().cloned() };
        let Failure { kind, reason, retry_unix_s, .. } = failure;
        self.enter(State::Failed { cause, kind, reason, attempts, retry_unix_s, written })?;
        if kind == FaultKind::Foreign {
            self.own.clear();
        }
        Ok(())
    }

    /// The server was stopped while it was being copied: it goes on where it is sure. Tells whether it was.
    pub fn restart(&mut self, now_unix_s: u64) -> bool {
        let State::Copying { cause, attempts, written, .. } = &self.state else { return false };
        let (cause, attempts, written) = (*cause, *attempts, Some(written.clone()));
        self.enter(State::Queued { cause, since_unix_s: now_unix_s, attempts, written }).is_ok()
    }

    /// The cartridge cannot be relied on any more.
    ///
    /// # Errors
    /// [`Refusal`] where nothing was.
    pub fn lose(&mut self, loss: Loss) -> Result<(), Refusal> {
        self.enter(State::Lost { loss, written: self.written().cloned() })
    }

    fn remember(&mut self, own: Own) {
        self.own.retain(|known| *known != own);
        self.own.push(own);
        self.own.drain(..self.own.len().saturating_sub(OWN_MAX));
    }

    fn refusal(&self, to: Phase) -> Refusal {
        Refusal { from: self.phase(), to }
    }

    /// The only place where the state changes.
    fn enter(&mut self, next: State) -> Result<(), Refusal> {
        let from = self.phase();
        let next = Entry { state: next, own: Vec::new() };
        if !edge(from, next.phase()) {
            return Err(Refusal { from, to: next.phase() });
        }
        self.state = next.state;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
