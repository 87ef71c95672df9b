//! A plan in words: one sentence a tape, for people.

use std::fmt;

use jiff::Timestamp;

use super::{Facts, Planned, Skip, Verdict, Wait, Work};

impl Verdict {
    /// A fixed word for tables and scripts: `copy`, `wait` or `skip`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Copy(_) => "copy",
            Verdict::Wait(_) => "wait",
            Verdict::Skip(_) => "skip",
        }
    }

    /// A fixed word for why, for scripts.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Verdict::Copy(Planned { work, .. }) => match work {
                Work::Whole => "whole",
                Work::GoOn { .. } => "go_on",
                Work::Reread => "reread",
                Work::Verify => "verify",
            },
            Verdict::Wait(wait) => match wait {
                Wait::NotTriggered => "not_triggered",
                Wait::InDrive => "in_drive",
                Wait::Running => "running",
                Wait::Retry(_) => "retry",
                Wait::OutsideHours(_) => "outside_hours",
                Wait::DriveLimit => "drive_limit",
                Wait::NoDrive => "no_drive",
                Wait::CartridgeTaken => "cartridge_taken",
            },
            Verdict::Skip(skip) => match skip {
                Skip::NotSelected => "not_selected",
                Skip::Empty => "empty",
                Skip::AlreadyThere => "already_there",
                Skip::Released => "released",
                Skip::NoSlot => "no_slot",
                Skip::NoCartridge => "no_cartridge",
                Skip::Ambiguous => "ambiguous",
                Skip::Cleaning => "cleaning",
                Skip::Unreachable => "unreachable",
                Skip::WriteProtected => "write_protected",
                Skip::TooSmall { .. } => "too_small",
                Skip::WrongGeneration => "wrong_generation",
                Skip::NeedsOperator { .. } => "needs_operator",
            },
        }
    }

    /// Why, in one line.
    #[must_use]
    pub fn explain(&self, facts: &Facts<'_>) -> String {
        match self {
            Verdict::Copy(planned) => planned.explain(facts),
            Verdict::Wait(Wait::NotTriggered) => {
                let triggers: Vec<String> =
                    facts.schedule.triggers.iter().map(|trigger| format!("\"{trigger}\"")).collect();
                match triggers.as_slice() {
                    [] => "only copied when an operator asks".to_owned(),
                    triggers => format!("waits for {}", triggers.join(" or ")),
                }
            }
            Verdict::Wait(wait) => wait.to_string(),
            Verdict::Skip(skip) => skip.to_string(),
        }
    }
}

impl Planned {
    fn explain(&self, facts: &Facts<'_>) -> String {
        let cartridge = facts.library.cartridges.get(self.cartridge);
        let barcode =
            cartridge.and_then(|cartridge| cartridge.barcode.as_deref()).map_or("without a label", str::trim);
        let place = match cartridge {
            Some(found) => match (found.drive, found.slot) {
                (Some(drive), _) => format!("drive {drive}"),
                (None, Some(slot)) => format!("slot {slot}"),
                (None, None) => "a mail slot".to_owned(),
            },
            None => "nowhere".to_owned(),
        };
        let what = match self.work {
            Work::Whole => "all of it is written".to_owned(),
            Work::GoOn { from_block } => format!("it goes on behind block {from_block}"),
            Work::Reread => "the cartridge is read, what is missing is written".to_owned(),
            Work::Verify => "the copy is verified".to_owned(),
        };
        let (drive, why) = (self.drive, self.cause.describe());
        format!("{why}: {what}; cartridge {barcode} from {place} in drive {drive}")
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::NotTriggered => f.write_str("waits for a trigger"),
            Wait::InDrive => {
                f.write_str("is in a drive, where it can be written to; waits until it is unloaded and moved")
            }
            Wait::Running => f.write_str("is being copied"),
            Wait::Retry(at) => write!(f, "failed; is tried again at {}", Time(*at)),
            Wait::OutsideHours(Some(at)) => write!(f, "outside of the hours; they begin at {}", Time(*at)),
            Wait::OutsideHours(None) => f.write_str("outside of the hours"),
            Wait::DriveLimit => f.write_str("as many drives are in use as may be; waits for one"),
            Wait::NoDrive => f.write_str("no drive that can write its cartridge is free; waits for one"),
            Wait::CartridgeTaken => f.write_str("another copy has its cartridge; waits for it"),
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skip::NotSelected => f.write_str("is not among the barcodes that are copied"),
            Skip::Empty => f.write_str("nothing is on it"),
            Skip::AlreadyThere => f.write_str("is copied already"),
            Skip::Released => f.write_str("is copied, and released from disk"),
            Skip::NoSlot => {
                f.write_str("is in no slot, and cartridges are matched by slot; move it into one")
            }
            Skip::NoCartridge => {
                f.write_str("the library has no cartridge for it; put one there and take an inventory")
            }
            Skip::Ambiguous => {
                f.write_str("more than one cartridge of the library could be meant; leave one")
            }
            Skip::Cleaning => f.write_str("its cartridge is one for cleaning drives; put another one there"),
            Skip::Unreachable => f.write_str("the robot cannot reach its cartridge; see what is in its way"),
            Skip::WriteProtected => {
                f.write_str("its cartridge is write-protected; move its tab, or put another one there")
            }
            Skip::TooSmall { capacity_bytes, needed_bytes } => write!(
                f,
                "its cartridge holds {capacity_bytes} bytes, {needed_bytes} are needed; put a larger one there"
            ),
            Skip::WrongGeneration => f.write_str(
                "no drive of the library writes cartridges of that generation; put another one there",
            ),
            Skip::NeedsOperator { reason, .. } => {
                let reason: Vec<&str> = reason.split_whitespace().collect();
                write!(f, "failed, and waits for an operator: {}", reason.join(" "))
            }
        }
    }
}

/// Seconds since 1970 as a time; in UTC, so that nobody has to ask whose clock is meant.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        match time {
            Some(time) => write!(f, "{time}"),
            None => write!(f, "second {}", self.0),
        }
    }
}
