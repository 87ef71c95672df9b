//! What may go wrong with a copy, and what then helps: one table, and the times between tries.
//!
//! Drivers say of what kind a fault is; nothing here knows sense data, sockets or robots. Every fault ends the transfer
//! that met it: whatever follows begins as after a crash, at the last checkpoint with all checks, so there is one way
//! on and not one for each fault.

use serde::{Deserialize, Serialize};

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The drive or the library was reset, or lost its place: nothing it said of its position counts any more.
    Reset,
    /// The way to the drive or the library broke.
    Connection,
    /// Somebody else holds the drive.
    Busy,
    /// The drive does not become ready.
    NotReady,
    /// The drive itself is at fault.
    Hardware,
    /// The drive asks to be cleaned.
    Cleaning,
    /// The cartridge cannot be written or read at some place.
    Medium,
    /// What was read back is not what was written.
    Mismatch,
    /// The cartridge is full before the tape's end.
    Full,
    /// The cartridge must not be written.
    WriteProtected,
    /// The cartridge holds data that this program did not write for this tape.
    Foreign,
    /// Another cartridge is in the drive than the one meant.
    WrongCartridge,
    /// The cartridge is not in the library, or out of the robot's reach.
    Missing,
    /// The drive does not take records as long as the tape's.
    RecordTooLong,
    /// The tape cannot be read.
    Source,
    /// The tape was overwritten while it was being copied.
    SourceChanged,
    /// What is known of copies cannot be kept on disk.
    Ledger,
    /// Somebody stopped it.
    Cancelled,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Fault {
    /// Of what kind.
    pub kind: FaultKind,
    /// One line for the operator: what, why, and what to do.
    pub reason: String,
}

impl Fault {
    /// A fault of that kind.
    #[must_use]
    pub fn new(kind: FaultKind, reason: impl Into<String>) -> Fault {
        Fault { kind, reason: reason.into() }
    }
}

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Go on at the last checkpoint, after a while.
    Retry,
    /// Go on in another drive; in the same one if there is no other.
    AnotherDrive,
    /// Clean the drive, or use another, and go on.
    Clean,
    /// Another cartridge, where the tape may go to any; else an operator.
    AnotherCartridge,
    /// Somebody must do something first.
    Operator,
}

impl FaultKind {
    /// All of them, for exhaustive tests.
    pub const ALL: [FaultKind; 18] = [
        FaultKind::Reset,
        FaultKind::Connection,
        FaultKind::Busy,
        FaultKind::NotReady,
        FaultKind::Hardware,
        FaultKind::Cleaning,
        FaultKind::Medium,
        FaultKind::Mismatch,
        FaultKind::Full,
        FaultKind::WriteProtected,
        FaultKind::Foreign,
        FaultKind::WrongCartridge,
        FaultKind::Missing,
        FaultKind::RecordTooLong,
        FaultKind::Source,
        FaultKind::SourceChanged,
        FaultKind::Ledger,
        FaultKind::Cancelled,
    ];

    /// What helps the first time. [`next_step`] has what follows.
    #[must_use]
    pub fn remedy(self) -> Remedy {
        match self {
            FaultKind::Reset
            | FaultKind::Connection
            | FaultKind::Busy
            | FaultKind::SourceChanged
            | FaultKind::Ledger => Remedy::Retry,
            FaultKind::NotReady | FaultKind::Hardware | FaultKind::Medium | FaultKind::Mismatch => {
                Remedy::AnotherDrive
            }
            FaultKind::Cleaning => Remedy::Clean,
            FaultKind::Full | FaultKind::WriteProtected | FaultKind::Foreign | FaultKind::Missing => {
                Remedy::AnotherCartridge
            }
            FaultKind::WrongCartridge
            | FaultKind::RecordTooLong
            | FaultKind::Source
            | FaultKind::Cancelled => Remedy::Operator,
        }
    }

    /// Whether what is on the cartridge is of no use after it, so that nothing may be resumed.
    #[must_use]
    pub fn voids_copy(self) -> bool {
        matches!(
            self,
            FaultKind::Mismatch | FaultKind::Foreign | FaultKind::WrongCartridge | FaultKind::SourceChanged
        )
    }
}

/// How often and how soon it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries before an operator is called, at least 1.
    pub attempts_max: u32,
    /// Before the second try; each further one waits twice as long.
    pub first_wait_seconds: u64,
    /// The longest wait.
    pub longest_wait_seconds: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy { attempts_max: 6, first_wait_seconds: 60, longest_wait_seconds: 3600 }
    }
}

/// What to do after a fault, and when; `failed_before` counts the tries that had failed before this one.
#[must_use]
pub fn next_step(kind: FaultKind, failed_before: u32, policy: RetryPolicy) -> (Remedy, Option<u64>) {
    let remedy = match kind.remedy() {
        // A cartridge that fails in a second drive is itself at fault.
        Remedy::AnotherDrive
            if failed_before > 0 && matches!(kind, FaultKind::Medium | FaultKind::Mismatch) =>
        {
            Remedy::AnotherCartridge
        }
        remedy => remedy,
    };
    let is_by_itself = matches!(remedy, Remedy::Retry | Remedy::AnotherDrive | Remedy::Clean);
    if !is_by_itself || failed_before.saturating_add(1) >= policy.attempts_max {
        let is_final = remedy == Remedy::AnotherCartridge;
        return (if is_final { remedy } else { Remedy::Operator }, None);
    }
    let doubled = 1_u64.checked_shl(failed_before).unwrap_or(u64::MAX);
    let wait = policy.first_wait_seconds.saturating_mul(doubled).min(policy.longest_wait_seconds);
    (remedy, Some(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_an_operator() {
        let policy = RetryPolicy { attempts_max: 5, first_wait_seconds: 60, longest_wait_seconds: 200 };
        let steps: Vec<_> = (0..6).map(|failed| next_step(FaultKind::Reset, failed, policy)).collect();
        let retry = |wait| (Remedy::Retry, Some(wait));
        let operator = (Remedy::Operator, None);
        assert_eq!(steps, [retry(60), retry(120), retry(200), retry(200), operator, operator]);
    }

    #[test]
    fn a_cartridge_is_blamed_when_a_second_drive_fails_on_it_too() {
        let policy = RetryPolicy::default();
        for kind in [FaultKind::Medium, FaultKind::Mismatch] {
            assert_eq!(next_step(kind, 0, policy), (Remedy::AnotherDrive, Some(60)));
            assert_eq!(next_step(kind, 1, policy), (Remedy::AnotherCartridge, None));
        }
        assert_eq!(next_step(FaultKind::Hardware, 1, policy), (Remedy::AnotherDrive, Some(120)));
        assert_eq!(next_step(FaultKind::Cleaning, 0, policy), (Remedy::Clean, Some(60)));
    }

    #[test]
    fn what_time_does_not_mend_is_never_tried_again_by_itself() {
        for kind in FaultKind::ALL {
            for failed in [0, 1, 5, u32::MAX] {
                let (remedy, wait) = next_step(kind, failed, RetryPolicy::default());
                let is_by_itself = matches!(remedy, Remedy::Retry | Remedy::AnotherDrive | Remedy::Clean);
                assert_eq!(wait.is_some(), is_by_itself, "{kind:?} {failed}");
            }
        }
        for kind in [FaultKind::Foreign, FaultKind::WriteProtected, FaultKind::Source, FaultKind::Cancelled] {
            assert_eq!(next_step(kind, 0, RetryPolicy::default()).1, None, "{kind:?}");
        }
    }
}
