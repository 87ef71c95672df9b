//! What is to be copied to where, in which order, and of everything else why not: a pure function of what is known.
//!
//! The same facts always give the same plan, so `copy plan` shows what the engine will do. It must not move a tape or ask a
//! drive: what only the cartridge itself can tell (foreign data, a write-protected tab) is checked again before a byte is
//! written (`transfer`). How patterns and barcodes are compared stands in `plan/matching.rs`, the words in `plan/words.rs`.

mod matching;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::fault::FaultKind;
use super::schedule::{Happening, Look, Schedule};
use super::state::{Cause, Entry, Extent, State, Verification};
use super::table::Phase;
use crate::vtl::generation::{Compatibility, Generation};
pub use matching::{Pattern, PatternError};

/// Where a virtual tape is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapePlace {
    /// In a slot, counted from 0.
    Slot(u16),
    /// In a mail slot.
    MailSlot,
    /// In a drive: it may be written to at any moment.
    Drive,
    /// Out of the robot's reach.
    Shelf,
}

/// A virtual tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeFacts {
    /// Its identity.
    pub uuid: Uuid,
    /// Its barcode.
    pub barcode: String,
    /// Where it is.
    pub place: TapePlace,
    /// How much is on it.
    pub extent: Extent,
    /// Bytes it takes on disk.
    pub used_bytes: u64,
    /// When it was last written to, in seconds since 1970.
    pub written_unix_s: u64,
    /// Whether no more goes on it.
    pub is_full: bool,
}

/// A cartridge in a library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CartridgeFacts {
    /// What the robot's reader sees; `None` if it cannot read it.
    pub barcode: Option<String>,
    /// The slot it is in, or came from, counted from 0.
    pub slot: Option<u16>,
    /// The drive it is in.
    pub drive: Option<u16>,
    /// Whether the robot can move it.
    pub is_reachable: bool,
    /// What it holds, where that is known.
    pub capacity_bytes: Option<u64>,
    /// Whether it was write-protected when it was last in a drive.
    pub is_write_protected: bool,
}

/// A drive of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveFacts {
    /// Its number, from 0.
    pub index: u16,
    /// Of which generation of LTO it is, where that is known.
    pub generation: Option<Generation>,
    /// Why it cannot be used now, if so: somebody else has it, it wants to be cleaned.
    pub problem: Option<String>,
}

/// A library, as its last inventory has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibraryFacts {
    /// Its cartridges.
    pub cartridges: Vec<CartridgeFacts>,
    /// Its drives.
    pub drives: Vec<DriveFacts>,
}

/// Which cartridge is a tape's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Match {
    /// The one with its barcode.
    #[default]
    Barcode,
    /// The one in the slot of the same number.
    Slot,
}

/// What is wanted: one `[[copy]]` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Which cartridge is a tape's.
    pub matching: Match,
    /// Which tapes; all if empty.
    pub barcodes: Vec<Pattern>,
    /// How a copy is looked at.
    pub verification: Option<Verification>,
    /// Drives used at one time; all if `None`.
    pub drives_max: Option<u32>,
}

/// Which tapes an operator has asked for, whatever triggers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ByHand {
    /// None.
    #[default]
    Nothing,
    /// All that the policy selects.
    All,
    /// These, also if the policy does not select them.
    These(BTreeSet<String>),
}

/// All that a plan is made of.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The loader's tapes.
    pub tapes: &'a [TapeFacts],
    /// The library.
    pub library: &'a LibraryFacts,
    /// What is known of copies there.
    pub entries: &'a BTreeMap<Uuid, Entry>,
    /// What is wanted.
    pub policy: &'a Policy,
    /// Triggers and hours; what was triggered already is queued in `entries`.
    pub schedule: &'a Schedule,
    /// Drives in which a tape's copy has failed: another one is tried first.
    pub shunned: &'a BTreeMap<Uuid, BTreeSet<u16>>,
    /// What an operator asked for; he need not wait for the hours.
    pub by_hand: &'a ByHand,
    /// Now, in seconds since 1970.
    pub now_unix_s: u64,
}

/// What is to be done with a cartridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Write all of the tape.
    Whole,
    /// Write what is behind this block.
    GoOn {
        /// Records and filemarks that are there already.
        from_block: u64,
    },
    /// Read what is there, since nothing is known of it any more, and write what is missing.
    Reread,
    /// Look at a copy that is complete.
    Verify,
}

/// A copy to be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Of which cartridge, as an index into the library's.
    pub cartridge: usize,
    /// In which drive, by its number.
    pub drive: u16,
    /// What is done.
    pub work: Work,
    /// Why.
    pub cause: Cause,
}

/// Why a tape waits. It needs nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// No trigger has come.
    NotTriggered,
    /// It is in a virtual drive.
    InDrive,
    /// It is being copied.
    Running,
    /// It went wrong and is tried again then, in seconds since 1970.
    Retry(u64),
    /// Copies are begun from then on.
    OutsideHours(Option<u64>),
    /// So many drives are used already as may be.
    DriveLimit,
    /// No drive that can write the cartridge is free.
    NoDrive,
    /// Another tape's copy has the cartridge.
    CartridgeTaken,
}

/// Why a tape is not copied, whatever time passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The policy does not select it.
    NotSelected,
    /// Nothing is on it.
    Empty,
    /// It is copied.
    AlreadyThere,
    /// It is copied, and its data has left the disk.
    Released,
    /// It is out of the robot's reach, and so has no slot.
    NoSlot,
    /// The library has no such cartridge.
    NoCartridge,
    /// More than one cartridge could be meant.
    Ambiguous,
    /// The cartridge is one for cleaning.
    Cleaning,
    /// The robot cannot reach the cartridge.
    Unreachable,
    /// The cartridge was write-protected.
    WriteProtected,
    /// The cartridge holds less than the tape.
    TooSmall {
        /// What it holds.
        capacity_bytes: u64,
        /// What is needed.
        needed_bytes: u64,
    },
    /// No drive of the library can write such a cartridge.
    WrongGeneration,
    /// It went wrong and is not tried again before somebody asks.
    NeedsOperator {
        /// What went wrong.
        kind: FaultKind,
        /// In one line.
        reason: String,
    },
}

/// What the plan says of one tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is copied now.
    Copy(Planned),
    /// It will be, later.
    Wait(Wait),
    /// It is not.
    Skip(Skip),
}

/// One tape of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanLine {
    /// Which.
    pub tape: Uuid,
    /// Its barcode.
    pub barcode: String,
    /// What of it.
    pub verdict: Verdict,
}

/// A tape that is to be copied as soon as there is a drive.
struct Candidate<'a> {
    tape: &'a TapeFacts,
    cartridge: usize,
    work: Work,
    cause: Cause,
    since_unix_s: u64,
}

/// The plan: what is copied now, in the order in which it is begun, then what waits, then the rest; each by barcode.
#[must_use]
pub fn plan(facts: &Facts<'_>) -> Vec<PlanLine> {
    let mut candidates = Vec::new();
    let mut others = Vec::new();
    for tape in facts.tapes {
        match consider(facts, tape) {
            Ok(candidate) => candidates.push(candidate),
            Err(verdict) => others.push(line(tape, verdict)),
        }
    }
    candidates.sort_by_key(|candidate| (candidate.cause, candidate.since_unix_s, &candidate.tape.barcode));
    let mut use_of = Usage::of(facts);
    let mut lines = Vec::new();
    for candidate in candidates {
        let verdict = use_of.assign(facts, &candidate);
        let list = if matches!(verdict, Verdict::Copy(_)) { &mut lines } else { &mut others };
        list.push(line(candidate.tape, verdict));
    }
    others.sort_by_key(|line| (matches!(line.verdict, Verdict::Skip(_)), line.barcode.clone()));
    lines.extend(others);
    lines
}

/// The tapes that something now puts into the queue: where they are, that they are full, a clock, their age, the free space.
#[must_use]
pub fn due(facts: &Facts<'_>, look: Look) -> Vec<(Uuid, Cause)> {
    let is_idle = |tape: &&TapeFacts| {
        matches!(observed(facts, tape).phase(), Phase::Never | Phase::Stale | Phase::Lost)
    };
    let cause = |tape: &TapeFacts| {
        let happened = happened(tape).into_iter().filter_map(|happening| facts.schedule.on(happening));
        Some((tape.uuid, happened.chain(facts.schedule.due(tape.written_unix_s, look)).min()?))
    };
    uncopied(facts).filter(is_idle).filter_map(cause).collect()
}

/// The tapes that are to be copied at some time, of which the library does not have all.
pub fn uncopied<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a TapeFacts> {
    facts.tapes.iter().filter(|tape| {
        tape.extent.blocks > 0
            && is_selected(facts.policy, &tape.barcode)
            && !observed(facts, tape).phase().is_complete()
    })
}

/// What a tape's place and content say has happened to it. That is seen also after the server was down for a while.
fn happened(tape: &TapeFacts) -> Vec<Happening> {
    let is_out = tape.place != TapePlace::Drive;
    let is_ejected = matches!(tape.place, TapePlace::MailSlot | TapePlace::Shelf);
    [
        (is_out, Happening::Unloaded),
        (is_out && tape.is_full, Happening::Filled),
        (is_ejected, Happening::Ejected),
    ]
    .into_iter()
    .filter_map(|(is_so, happening)| is_so.then_some(happening))
    .collect()
}

fn line(tape: &TapeFacts, verdict: Verdict) -> PlanLine {
    PlanLine { tape: tape.uuid, barcode: tape.barcode.clone(), verdict }
}

fn is_selected(policy: &Policy, barcode: &str) -> bool {
    policy.barcodes.is_empty() || policy.barcodes.iter().any(|pattern| pattern.matches(barcode))
}

/// What is known of the tape's copy, seen against what is on the tape now.
fn observed(facts: &Facts<'_>, tape: &TapeFacts) -> Entry {
    let mut entry = facts.entries.get(&tape.uuid).cloned().unwrap_or_default();
    entry.observe(tape.extent);
    entry
}

/// Whether the tape is to be copied, and to where; drives are dealt out afterwards.
fn consider<'a>(facts: &Facts<'_>, tape: &'a TapeFacts) -> Result<Candidate<'a>, Verdict> {
    let skip = |why| Err(Verdict::Skip(why));
    let wait = |why| Err(Verdict::Wait(why));
    let is_asked = match facts.by_hand {
        ByHand::Nothing => false,
        ByHand::All => is_selected(facts.policy, &tape.barcode),
        ByHand::These(barcodes) => barcodes.contains(&tape.barcode),
    };
    if !is_asked && !is_selected(facts.policy, &tape.barcode) {
        return skip(Skip::NotSelected);
    }
    if tape.extent.blocks == 0 {
        return skip(Skip::Empty);
    }
    let entry = observed(facts, tape);
    let (work, cause, since_unix_s) = match work(facts, tape, &entry, is_asked) {
        // What no trigger mends is told before it comes.
        Err(Verdict::Wait(Wait::NotTriggered)) => return Err(not_triggered(facts, tape)),
        work => work?,
    };
    if tape.place == TapePlace::Drive {
        return wait(Wait::InDrive);
    }
    let cartridge = matching::cartridge(facts, tape).map_err(Verdict::Skip)?;
    check_cartridge(facts, tape, cartridge, work).map_err(Verdict::Skip)?;
    if cause != Cause::ByHand && !facts.schedule.is_open(facts.now_unix_s) {
        return wait(Wait::OutsideHours(facts.schedule.opens_unix_s(facts.now_unix_s)));
    }
    Ok(Candidate { tape, cartridge, work, cause, since_unix_s })
}

/// A tape that no trigger has come for: why it could not be copied if one came, else that it waits for one.
fn not_triggered(facts: &Facts<'_>, tape: &TapeFacts) -> Verdict {
    if tape.place == TapePlace::Drive {
        return Verdict::Wait(Wait::InDrive);
    }
    let fits = matching::cartridge(facts, tape)
        .and_then(|cartridge| check_cartridge(facts, tape, cartridge, Work::Whole));
    match fits {
        Ok(()) => Verdict::Wait(Wait::NotTriggered),
        Err(skip) => Verdict::Skip(skip),
    }
}

/// What is to be done for the tape and why, or why nothing is.
fn work(
    facts: &Facts<'_>,
    tape: &TapeFacts,
    entry: &Entry,
    is_asked: bool,
) -> Result<(Work, Cause, u64), Verdict> {
    let by_hand = is_asked.then_some(Cause::ByHand);
    let (cause, since_unix_s) = match entry.state() {
        State::Copying { .. } => return Err(Verdict::Wait(Wait::Running)),
        State::Released { .. } => return Err(Verdict::Skip(Skip::Released)),
        State::Verified { .. } => return Err(Verdict::Skip(Skip::AlreadyThere)),
        State::Copied { copied_unix_s, .. } => {
            return match facts.policy.verification {
                None => Err(Verdict::Skip(Skip::AlreadyThere)),
                Some(_) => Ok((Work::Verify, by_hand.unwrap_or(Cause::Age), *copied_unix_s)),
            };
        }
        State::Queued { cause, since_unix_s, .. } => (by_hand.unwrap_or(*cause), *since_unix_s),
        State::Failed { cause, kind, reason, retry_unix_s, .. } => match (by_hand, retry_unix_s) {
            (Some(cause), _) => (cause, tape.written_unix_s),
            (None, Some(retry)) if *retry <= facts.now_unix_s => (*cause, tape.written_unix_s),
            (None, Some(retry)) => return Err(Verdict::Wait(Wait::Retry(*retry))),
            (None, None) => {
                let (kind, reason) = (*kind, reason.clone());
                return Err(Verdict::Skip(Skip::NeedsOperator { kind, reason }));
            }
        },
        State::Never | State::Stale { .. } | State::Lost { .. } => match by_hand {
            Some(cause) => (cause, tape.written_unix_s),
            None => return Err(Verdict::Wait(Wait::NotTriggered)),
        },
    };
    let work = match entry.written() {
        Some(written) => match written.resume(tape.extent) {
            Some(checkpoint) => Work::GoOn { from_block: checkpoint.block },
            None => Work::Whole,
        },
        None if entry.own().is_empty() => Work::Whole,
        None => Work::Reread,
    };
    Ok((work, cause, since_unix_s))
}

/// What can be told of a cartridge without loading it.
fn check_cartridge(facts: &Facts<'_>, tape: &TapeFacts, cartridge: usize, work: Work) -> Result<(), Skip> {
    let Some(cartridge) = facts.library.cartridges.get(cartridge) else { return Err(Skip::NoCartridge) };
    if cartridge.barcode.as_deref().is_some_and(|barcode| barcode.starts_with("CLN")) {
        return Err(Skip::Cleaning);
    }
    if !cartridge.is_reachable {
        return Err(Skip::Unreachable);
    }
    if cartridge.is_write_protected && work != Work::Verify {
        return Err(Skip::WriteProtected);
    }
    if let Some(capacity_bytes) = cartridge.capacity_bytes.filter(|capacity| *capacity < tape.used_bytes) {
        return Err(Skip::TooSmall { capacity_bytes, needed_bytes: tape.used_bytes });
    }
    let drives = &facts.library.drives;
    if !drives.is_empty() && !drives.iter().any(|drive| takes(drive, cartridge, work)) {
        return Err(Skip::WrongGeneration);
    }
    Ok(())
}

/// Whether the drive can do the work on the cartridge. What has no generation that could be told is tried.
fn takes(drive: &DriveFacts, cartridge: &CartridgeFacts, work: Work) -> bool {
    let medium = cartridge.barcode.as_deref().and_then(matching::generation);
    let (Some(drive), Some(medium)) = (drive.generation, medium) else { return true };
    match drive.takes(medium) {
        Compatibility::Full => true,
        Compatibility::ReadOnly => work == Work::Verify,
        Compatibility::None => false,
    }
}

/// Drives and cartridges that are in use, by what runs and by what is planned before.
struct Usage {
    drives: BTreeSet<u16>,
    cartridges: BTreeSet<usize>,
    drives_left: u32,
}

impl Usage {
    fn of(facts: &Facts<'_>) -> Usage {
        let running: Vec<&Entry> =
            facts.entries.values().filter(|entry| entry.phase() == Phase::Copying).collect();
        let busy = u32::try_from(running.len()).unwrap_or(u32::MAX);
        let is_running = |cartridge: &CartridgeFacts| {
            running.iter().filter_map(|entry| entry.written()).any(|written| {
                cartridge.barcode.as_deref().map(matching::trimmed)
                    == Some(written.cartridge.barcode.as_str())
            })
        };
        let in_use = facts.library.cartridges.iter().enumerate().filter(|(_, found)| is_running(found));
        let cartridges: BTreeSet<usize> = in_use.map(|(index, _)| index).collect();
        let drives =
            cartridges.iter().filter_map(|index| facts.library.cartridges.get(*index)?.drive).collect();
        Usage {
            drives,
            cartridges,
            drives_left: facts.policy.drives_max.unwrap_or(u32::MAX).saturating_sub(busy),
        }
    }

    fn assign(&mut self, facts: &Facts<'_>, candidate: &Candidate<'_>) -> Verdict {
        let Some(cartridge) = facts.library.cartridges.get(candidate.cartridge) else {
            return Verdict::Skip(Skip::NoCartridge);
        };
        if self.cartridges.contains(&candidate.cartridge) {
            return Verdict::Wait(Wait::CartridgeTaken);
        }
        if self.drives_left == 0 {
            return Verdict::Wait(Wait::DriveLimit);
        }
        let holds_another = |drive: &DriveFacts| {
            let mut held = facts.library.cartridges.iter().enumerate();
            held.any(|(index, other)| other.drive == Some(drive.index) && index != candidate.cartridge)
        };
        let is_free = |drive: &&DriveFacts| {
            drive.problem.is_none()
                && !self.drives.contains(&drive.index)
                && !holds_another(drive)
                && cartridge.drive.is_none_or(|index| index == drive.index)
                && takes(drive, cartridge, candidate.work)
        };
        let shunned = facts.shunned.get(&candidate.tape.uuid);
        let rank = |index: &u16| (shunned.is_some_and(|drives| drives.contains(index)), *index);
        let free = facts.library.drives.iter().filter(is_free).map(|drive| drive.index);
        let Some(drive) = free.min_by_key(rank) else {
            return Verdict::Wait(Wait::NoDrive);
        };
        self.drives.insert(drive);
        self.cartridges.insert(candidate.cartridge);
        self.drives_left -= 1;
        let Candidate { cartridge, work, cause, .. } = *candidate;
        Verdict::Copy(Planned { cartridge, drive, work, cause })
    }
}

#[cfg(test)]
mod tests;
