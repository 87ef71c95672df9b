//! One copy of one tape to one cartridge, as a machine that is driven step by step.
//!
//! ```text
//!            ┌─ resume behind the checkpoint ─┐
//!  Check ────┼─ from the beginning ───────────┼──▶ Write ──▶ (complete) ──▶ Verify ──▶ over
//!            └─ Compare: is it a beginning? ──┘
//! ```
//!
//! The cartridge gets the tape's records and filemarks, each as it is, and nothing else. What a cartridge holds is looked
//! at before a byte is written: only what is blank, what the ledger knows as written for this very tape, or what turns
//! out to be a beginning of this tape object for object may be written to. Every so often the drive is made to
//! synchronise, asked where it stands, and that is kept (`Journal`) as a place to go on from. *Any* fault ends the
//! transfer; a new one begins with all checks at the last checkpoint, exactly as after a crash.
//!
//! It must not know files, drivers, threads or the clock. The steps themselves are in `transfer/check.rs` (what is on
//! the cartridge) and `transfer/verify.rs` (reading it back).

mod check;
mod verify;

use super::fault::{Fault, FaultKind};
use super::state::{Cartridge, Checkpoint, Extent, Mark, Own, Verification, Written};

/// The longest record there is (SSC's 24 bits).
pub const RECORD_BYTES_MAX: usize = (1 << 24) - 1;

/// A step ends after so many objects, however short they are.
const STEP_OBJECTS: u64 = 4096;

/// What a read met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// A record, of which as much as fits is in the buffer.
    Record {
        /// Its whole length.
        bytes: usize,
    },
    /// A filemark.
    Filemark,
    /// The end of recorded data.
    EndOfData,
}

/// A place on a tape, in every way a drive may count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Records and filemarks before it.
    pub block: u64,
    /// Filemarks before it.
    pub file: u64,
    /// Records between the last filemark and it.
    pub block_in_file: u64,
}

impl Place {
    /// Behind an object that stands here.
    fn behind(self, object: Object) -> Place {
        let block = self.block.saturating_add(1);
        match object {
            Object::Filemark => Place { block, file: self.file.saturating_add(1), block_in_file: 0 },
            _ => Place { block, block_in_file: self.block_in_file.saturating_add(1), ..self },
        }
    }
}

/// The tape that is copied. It may grow meanwhile, which changes nothing; if it is overwritten, every call fails from
/// then on with [`FaultKind::SourceChanged`].
pub trait Source {
    /// How much was on it when it was opened.
    fn extent(&self) -> Extent;

    /// Goes before object `block`, and says where that is.
    ///
    /// # Errors
    /// [`FaultKind::Source`] or [`FaultKind::SourceChanged`].
    fn locate(&mut self, block: u64) -> Result<Place, Fault>;

    /// Reads the object here, checked, and stands behind it.
    ///
    /// # Errors
    /// As [`Source::locate`].
    fn read(&mut self, buffer: &mut [u8]) -> Result<Object, Fault>;
}

/// What is in a drive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounted {
    /// The barcode in the cartridge's memory, where the drive can tell.
    pub barcode: Option<String>,
    /// The serial number in it.
    pub serial: Option<String>,
    /// Whether it must not be written.
    pub is_write_protected: bool,
    /// How much it holds from its beginning to its end, where the drive can tell.
    pub capacity_bytes: Option<u64>,
    /// The longest record the drive takes.
    pub record_bytes_max: u32,
}

/// A drive of a physical library with a cartridge in it: the few things a copy needs.
///
/// A driver retries nothing that moves the tape or writes: after a reset, or when it is not sure where the tape stands,
/// every call fails with [`FaultKind::Reset`] or [`FaultKind::Connection`] until the transfer has ended.
pub trait Drive {
    /// Looks what is in the drive, and makes it ready: records of variable length, position known.
    ///
    /// # Errors
    /// [`Fault`].
    fn look(&mut self) -> Result<Mounted, Fault>;

    /// To the beginning of the tape.
    ///
    /// # Errors
    /// [`Fault`].
    fn rewind(&mut self) -> Result<(), Fault>;

    /// To that place; by whichever of its numbers the drive counts best.
    ///
    /// # Errors
    /// [`Fault`]; [`FaultKind::Mismatch`] where the data ends before it.
    fn locate(&mut self, place: Place) -> Result<(), Fault>;

    /// Reads the object here and stands behind it, also behind a filemark. The buffer is as long as the record is expected
    /// to be; of another one only the length need be right.
    ///
    /// # Errors
    /// [`Fault`].
    fn read(&mut self, buffer: &mut [u8]) -> Result<Object, Fault>;

    /// Writes one record; what stood behind is gone. It need not be on the medium yet. An early warning is no fault.
    ///
    /// # Errors
    /// [`Fault`]; [`FaultKind::Full`] where there is no room.
    fn write(&mut self, record: &[u8]) -> Result<(), Fault>;

    /// Writes one filemark, which need not be on the medium yet.
    ///
    /// # Errors
    /// As [`Drive::write`].
    fn write_filemark(&mut self) -> Result<(), Fault>;

    /// Returns when all that was written is on the medium, with the number of objects between the beginning of the tape
    /// and here; `None` if the drive cannot tell.
    ///
    /// # Errors
    /// [`Fault`]; also any that an earlier write should have met.
    fn synchronise(&mut self) -> Result<Option<u64>, Fault>;

    /// Goes to the end of data and tells the number of objects before it; `None` if the drive cannot tell.
    ///
    /// # Errors
    /// [`Fault`].
    fn count_objects(&mut self) -> Result<Option<u64>, Fault>;
}

/// Where it is kept what is sure. Each call returns when it is durable, and not before.
pub trait Journal {
    /// Writing begins; see [`super::state::Entry::begin`].
    ///
    /// # Errors
    /// [`FaultKind::Ledger`]. Nothing is written to the cartridge then.
    fn begin(&mut self, written: &Written, first: Mark) -> Result<(), Fault>;

    /// Up to here it is sure.
    ///
    /// # Errors
    /// [`FaultKind::Ledger`].
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), Fault>;

    /// All of it is on the cartridge.
    ///
    /// # Errors
    /// [`FaultKind::Ledger`].
    fn complete(&mut self, extent: Extent) -> Result<(), Fault>;

    /// The cartridge was looked at.
    ///
    /// # Errors
    /// [`FaultKind::Ledger`].
    fn verified(&mut self, how: Verification) -> Result<(), Fault>;
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The tape's barcode, for messages.
    pub tape: String,
    /// The cartridge that the robot has put into the drive.
    pub cartridge: Cartridge,
    /// What is known to be on it.
    pub written: Option<Written>,
    /// Beginnings of cartridges that may be written over.
    pub own: Vec<Own>,
    /// Whether to write, or only to look at what a copy that is complete has written.
    pub goal: Goal,
    /// How the cartridge is looked at then; not at all if `None`.
    pub verification: Option<Verification>,
    /// How many bytes the tape is expected to need.
    pub needed_bytes: u64,
    /// How many bytes of records lie between two checkpoints, at least.
    pub checkpoint_bytes: u64,
    /// How many bytes of records one step moves, about.
    pub step_bytes: u64,
}

/// What a transfer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Write the tape to the cartridge, then verify it.
    Copy,
    /// Verify what was written before.
    Verify,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub activity: Activity,
    /// Records and filemarks behind it, of the tape's.
    pub blocks: u64,
    /// How many there are.
    pub blocks_total: u64,
    /// Bytes of the records behind it.
    pub record_bytes: u64,
    /// Bytes moved since this transfer began, also those that were read back.
    pub moved_bytes: u64,
}

/// What a transfer is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// Looking at the cartridge.
    #[default]
    Checking,
    /// Reading a cartridge of which nothing is known.
    Comparing,
    /// Writing.
    Writing,
    /// Reading back.
    Verifying,
    /// Nothing any more.
    Over,
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Call again.
    More,
    /// All is done, and kept.
    Over,
}

enum Phase {
    Check,
    /// The drive and the source stand before object `at`; nothing has been written. `is_own` says whether the cartridge may
    /// be written over when it turns out to be something else.
    Compare {
        at: Counted,
        first: Mark,
        is_own: bool,
    },
    Write {
        at: Counted,
        checkpoint: Option<Checkpoint>,
    },
    Verify {
        at: Counted,
        blocks: u64,
    },
    Over,
}

/// A place, with what lies before it.
#[derive(Clone, Copy, Default)]
struct Counted {
    place: Place,
    record_bytes: u64,
    before: Option<Mark>,
}

impl Counted {
    fn pass(&mut self, object: Object, mark: Mark) {
        if let Object::Record { bytes } = object {
            self.record_bytes = self.record_bytes.saturating_add(bytes as u64);
        }
        self.place = self.place.behind(object);
        self.before = Some(mark);
    }

    fn checkpoint(&self) -> Option<Checkpoint> {
        let Place { block, file, block_in_file } = self.place;
        Some(Checkpoint { block, file, block_in_file, record_bytes: self.record_bytes, before: self.before? })
    }

    fn at(checkpoint: Checkpoint) -> Counted {
        let Checkpoint { block, file, block_in_file, record_bytes, before } = checkpoint;
        Counted { place: Place { block, file, block_in_file }, record_bytes, before: Some(before) }
    }
}

/// A transfer in progress. After a fault it is over.
pub struct Transfer {
    job: Job,
    extent: Extent,
    record_bytes_max: usize,
    phase: Phase,
    moved_bytes: u64,
    /// Whether what is on the cartridge and should not be can be somebody else's: a copy was complete, and nothing was written
    /// since.
    may_be_others: bool,
    /// The record last read from the tape.
    record: Vec<u8>,
    /// The record last read from the cartridge.
    back: Vec<u8>,
}

impl Transfer {
    /// A transfer that has not begun.
    #[must_use]
    pub fn new(job: Job) -> Transfer {
        Transfer {
            may_be_others: job.written.as_ref().is_some_and(|written| written.is_complete),
            job,
            extent: Extent { generation: 0, blocks: 0 },
            record_bytes_max: 0,
            phase: Phase::Check,
            moved_bytes: 0,
            record: vec![0; RECORD_BYTES_MAX],
            back: Vec::new(),
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let (activity, at) = match &self.phase {
            Phase::Check => (Activity::Checking, Counted::default()),
            Phase::Compare { at, .. } => (Activity::Comparing, *at),
            Phase::Write { at, .. } => (Activity::Writing, *at),
            Phase::Verify { at, .. } => (Activity::Verifying, *at),
            Phase::Over => (Activity::Over, Counted::default()),
        };
        Progress {
            activity,
            blocks: at.place.block,
            blocks_total: self.extent.blocks,
            record_bytes: at.record_bytes,
            moved_bytes: self.moved_bytes,
        }
    }

    /// Does the next piece of work. Between steps nothing is in progress, so the caller may wait, or give up.
    ///
    /// # Errors
    /// The [`Fault`] that ended it.
    pub fn step(
        &mut self,
        source: &mut impl Source,
        drive: &mut impl Drive,
        journal: &mut impl Journal,
    ) -> Result<Step, Fault> {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        let next = match phase {
            Phase::Check => self.check(source, drive, journal)?,
            Phase::Compare { at, first, is_own } => {
                self.compare(at, first, is_own, source, drive, journal)?
            }
            Phase::Write { at, checkpoint } => self.write(at, checkpoint, source, drive, journal)?,
            Phase::Verify { at, blocks } => self.verify(at, blocks, source, drive, journal)?,
            Phase::Over => return Ok(Step::Over),
        };
        self.phase = next;
        Ok(if matches!(self.phase, Phase::Over) { Step::Over } else { Step::More })
    }

    /// All steps.
    ///
    /// # Errors
    /// The [`Fault`] that ended it.
    pub fn run(
        &mut self,
        source: &mut impl Source,
        drive: &mut impl Drive,
        journal: &mut impl Journal,
    ) -> Result<(), Fault> {
        while self.step(source, drive, journal)? == Step::More {}
        Ok(())
    }

    fn write(
        &mut self,
        mut at: Counted,
        checkpoint: Option<Checkpoint>,
        source: &mut impl Source,
        drive: &mut impl Drive,
        journal: &mut impl Journal,
    ) -> Result<Phase, Fault> {
        let since = checkpoint.map_or(0, |checkpoint| checkpoint.record_bytes);
        let due = since.saturating_add(self.job.checkpoint_bytes);
        let enough = self.enough(at);
        while at.place.block < self.extent.blocks {
            if at.record_bytes >= due {
                let checkpoint = self.secure(at, drive, journal)?;
                return Ok(Phase::Write { at, checkpoint: Some(checkpoint) });
            }
            if self.is_enough(at, enough) {
                return Ok(Phase::Write { at, checkpoint });
            }
            let (object, mark) = self.next_of_tape(at.place.block, source)?;
            match object {
                Object::Record { bytes } => drive.write(&self.record[..bytes])?,
                _ => drive.write_filemark()?,
            }
            at.pass(object, mark);
        }
        if checkpoint.is_none_or(|checkpoint| checkpoint.block != at.place.block) {
            self.secure(at, drive, journal)?;
        }
        journal.complete(self.extent)?;
        self.begin_verifying(at.place.block, source, drive, journal)
    }

    /// Where a step that begins at `at` ends: in bytes moved, and in objects.
    fn enough(&self, at: Counted) -> (u64, u64) {
        let bytes = self.moved_bytes.saturating_add(self.job.step_bytes);
        (bytes, at.place.block.saturating_add(STEP_OBJECTS))
    }

    fn is_enough(&self, at: Counted, (bytes, blocks): (u64, u64)) -> bool {
        self.moved_bytes >= bytes || at.place.block >= blocks
    }

    /// Makes what is written sure up to `at`, and keeps that.
    fn secure(
        &mut self,
        at: Counted,
        drive: &mut impl Drive,
        journal: &mut impl Journal,
    ) -> Result<Checkpoint, Fault> {
        let stands_at = drive.synchronise()?;
        if let Some(stands_at) = stands_at.filter(|block| *block != at.place.block) {
            let reason = format!(
                "cartridge {}: the drive says that it stands behind {stands_at} objects, {} were written; it has lost some",
                self.job.cartridge.barcode, at.place.block
            );
            return Err(Fault::new(FaultKind::Hardware, reason));
        }
        let Some(checkpoint) = at.checkpoint() else {
            return Err(Fault::new(FaultKind::Ledger, "there is nothing to keep before the first object"));
        };
        journal.checkpoint(checkpoint)?;
        Ok(checkpoint)
    }

    /// Reads the tape's object `block`, at which the source stands.
    fn next_of_tape(&mut self, block: u64, source: &mut impl Source) -> Result<(Object, Mark), Fault> {
        let object = source.read(&mut self.record)?;
        let mark = match object {
            Object::Filemark => Some(Mark::Filemark),
            Object::Record { bytes } => self.record.get(..bytes).and_then(Mark::of_record),
            Object::EndOfData => None,
        };
        let Some(mark) = mark else {
            let reason = format!(
                "tape {}: cannot be read at block {block}; run `tapesilo tape verify`",
                self.job.tape
            );
            return Err(Fault::new(FaultKind::Source, reason));
        };
        if let Object::Record { bytes } = object {
            if bytes > self.record_bytes_max {
                let reason = format!(
                    "tape {}: block {block} is a record of {bytes} bytes, the drive takes {} at most; use a drive that \
                     takes longer ones",
                    self.job.tape, self.record_bytes_max
                );
                return Err(Fault::new(FaultKind::RecordTooLong, reason));
            }
            self.moved_bytes = self.moved_bytes.saturating_add(bytes as u64);
        }
        Ok((object, mark))
    }

    /// Reads the cartridge's object here and says whether it is `object` of the tape, whose bytes are in `record`.
    fn is_same_on_cartridge(
        &mut self,
        object: Object,
        drive: &mut impl Drive,
    ) -> Result<(bool, Object), Fault> {
        let expected = match object {
            Object::Record { bytes } => bytes,
            // Where a mark is expected any record is wrong, whatever its bytes.
            _ => 1,
        };
        self.back.resize(expected, 0);
        let found = drive.read(&mut self.back)?;
        let is_same = match (object, found) {
            (Object::Record { bytes }, Object::Record { bytes: found }) => {
                bytes == found && self.back == self.record[..bytes]
            }
            (Object::Filemark, Object::Filemark) => true,
            _ => false,
        };
        Ok((is_same, found))
    }
}

#[cfg(test)]
mod tests;
