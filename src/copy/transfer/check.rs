//! What is on the cartridge, and whether it may be written to: the checks before the first byte.
//!
//! Nothing here writes to the cartridge.

use super::{Counted, Drive, Goal, Job, Journal, Mark, Mounted, Object, Phase, Source, Transfer};
use crate::copy::fault::{Fault, FaultKind};
use crate::copy::state::{Checkpoint, Written};

/// What the look at the beginning of a cartridge came to.
enum Beginning {
    /// It may be written from the beginning.
    Free,
    /// It begins like the tape; more must be read to tell.
    LikeTheTape { is_own: bool },
}

impl Transfer {
    pub(super) fn check(
        &mut self,
        source: &mut impl Source,
        drive: &mut impl Drive,
        journal: &mut impl Journal,
    ) -> Result<Phase, Fault> {
        self.extent = source.extent();
        if self.extent.blocks == 0 {
            let reason = format!("tape {}: nothing is on it that could be copied", self.job.tape);
            return Err(Fault::new(FaultKind::Source, reason));
        }
        let mounted = drive.look()?;
        self.record_bytes_max = usize::try_from(mounted.record_bytes_max).unwrap_or(usize::MAX);
        check_identity(&self.job, &mounted)?;
        if self.job.cartridge.serial.is_none() {
            self.job.cartridge.serial.clone_from(&mounted.serial);
        }
        source.locate(0)?;
        let (object, first) = self.next_of_tape(0, source)?;
        if self.job.goal == Goal::Verify {
            return self.check_before_verifying(object, source, drive, journal);
        }
        check_room(&self.job, &mounted)?;
        if let Some(checkpoint) = self.resume()
            && !self.is_blank(object, drive)?
        {
            self.check_checkpoint(checkpoint, source, drive)?;
            if self.may_be_others || checkpoint.block == self.extent.blocks {
                self.check_end(checkpoint, drive)?;
                // Where drives stand after they have met the end of data they disagree on.
                self.check_checkpoint(checkpoint, source, drive)?;
            }
            return self.start(Some(checkpoint), first, source, journal);
        }
        match self.look_at_beginning(object, first, drive)? {
            Beginning::Free => {
                drive.rewind()?;
                self.start(None, first, source, journal)
            }
            Beginning::LikeTheTape { is_own } => {
                drive.rewind()?;
                source.locate(0)?;
                Ok(Phase::Compare { at: Counted::default(), first, is_own })
            }
        }
    }

    /// Where this tape may be gone on with on this cartridge.
    fn resume(&self) -> Option<Checkpoint> {
        let written = self.job.written.as_ref()?;
        written.cartridge.can_be(&self.job.cartridge).then(|| written.resume(self.extent)).flatten()
    }

    /// Keeps that writing begins, with the drive standing where it does.
    pub(super) fn start(
        &mut self,
        checkpoint: Option<Checkpoint>,
        first: Mark,
        source: &mut impl Source,
        journal: &mut impl Journal,
    ) -> Result<Phase, Fault> {
        let (cartridge, generation) = (self.job.cartridge.clone(), self.extent.generation);
        let at = checkpoint.map_or_else(Counted::default, Counted::at);
        source.locate(at.place.block)?;
        journal.begin(&Written { cartridge, generation, is_complete: false, checkpoint }, first)?;
        self.may_be_others = false;
        Ok(Phase::Write { at, checkpoint })
    }

    fn check_before_verifying(
        &mut self,
        first: Object,
        source: &mut impl Source,
        drive: &mut impl Drive,
        journal: &mut impl Journal,
    ) -> Result<Phase, Fault> {
        let Some(checkpoint) = self.resume() else {
            let reason = format!(
                "cartridge {}: holds no copy of tape {} as it is now; copy it first",
                self.job.cartridge.barcode, self.job.tape
            );
            return Err(Fault::new(FaultKind::SourceChanged, reason));
        };
        if self.is_blank(first, drive)? {
            return Err(self.mismatch(0));
        }
        self.begin_verifying(checkpoint.block, source, drive, journal)
    }

    /// The cartridge that the ledger speaks of begins with the tape's first object, or somebody has erased it. Another one is
    /// not to be touched.
    fn is_blank(&mut self, first: Object, drive: &mut impl Drive) -> Result<bool, Fault> {
        drive.rewind()?;
        match self.is_same_on_cartridge(first, drive)? {
            (true, _) => Ok(false),
            (false, Object::EndOfData) => Ok(true),
            (false, _) => Err(self.foreign("does not begin with what was written to it")),
        }
    }

    /// Nothing may stand behind a copy that was complete, nor where nothing is left to write.
    fn check_end(&mut self, checkpoint: Checkpoint, drive: &mut impl Drive) -> Result<(), Fault> {
        self.back.resize(1, 0);
        match drive.read(&mut self.back)? {
            Object::EndOfData => Ok(()),
            _ => Err(self.mismatch(checkpoint.block)),
        }
    }

    /// The object before the checkpoint is there, on the tape and on the cartridge. Leaves the drive behind it.
    fn check_checkpoint(
        &mut self,
        checkpoint: Checkpoint,
        source: &mut impl Source,
        drive: &mut impl Drive,
    ) -> Result<(), Fault> {
        let block = checkpoint.block.saturating_sub(1);
        let place = source.locate(block)?;
        let (object, mark) = self.next_of_tape(block, source)?;
        if mark != checkpoint.before {
            let reason =
                format!("tape {}: block {block} is not what was copied; it is copied anew", self.job.tape);
            return Err(Fault::new(FaultKind::SourceChanged, reason));
        }
        drive.locate(place)?;
        if self.is_same_on_cartridge(object, drive)?.0 {
            return Ok(());
        }
        Err(self.mismatch(block))
    }

    fn look_at_beginning(
        &mut self,
        object: Object,
        first: Mark,
        drive: &mut impl Drive,
    ) -> Result<Beginning, Fault> {
        drive.rewind()?;
        let (is_same, found) = self.is_same_on_cartridge(object, drive)?;
        let mark = match found {
            Object::EndOfData => return Ok(Beginning::Free),
            Object::Filemark => Some(Mark::Filemark),
            Object::Record { .. } if is_same => Some(first),
            Object::Record { bytes } => self.first_record(bytes, drive)?,
        };
        let mine = &self.job.cartridge;
        let is_own = self.job.own.iter().any(|own| Some(own.first) == mark && own.cartridge.can_be(mine));
        // Where nothing is known of the cartridge it may hold all of the tape already; else it is as good to write.
        match (is_same, is_own) {
            (true, _) if self.job.written.is_none() || !is_own => Ok(Beginning::LikeTheTape { is_own }),
            (_, true) => Ok(Beginning::Free),
            (_, false) => Err(self.foreign("holds data that was not written for this tape")),
        }
    }

    /// The mark of the cartridge's first record, if one of that length is among those that were written for this tape.
    fn first_record(&mut self, bytes: usize, drive: &mut impl Drive) -> Result<Option<Mark>, Fault> {
        let has_length =
            |mark: &Mark| matches!(mark, Mark::Record { bytes: own, .. } if u64::from(*own) == bytes as u64);
        if !self.job.own.iter().any(|own| has_length(&own.first)) {
            return Ok(None);
        }
        drive.rewind()?;
        self.back.resize(bytes, 0);
        let is_record = drive.read(&mut self.back)? == Object::Record { bytes };
        Ok(is_record.then(|| Mark::of_record(&self.back)).flatten())
    }

    /// Goes on reading a cartridge of which nothing is known but that it begins like the tape. If all of it is a beginning of
    /// the tape, nothing is lost by writing behind it.
    pub(super) fn compare(
        &mut self,
        mut at: Counted,
        first: Mark,
        is_own: bool,
        source: &mut impl Source,
        drive: &mut impl Drive,
        journal: &mut impl Journal,
    ) -> Result<Phase, Fault> {
        let enough = self.enough(at);
        while at.place.block < self.extent.blocks {
            if self.is_enough(at, enough) {
                return Ok(Phase::Compare { at, first, is_own });
            }
            let (object, mark) = self.next_of_tape(at.place.block, source)?;
            match self.is_same_on_cartridge(object, drive)? {
                (true, _) => at.pass(object, mark),
                (false, Object::EndOfData) => return self.go_on(at, first, source, drive, journal),
                (false, _) => return self.differs(at, first, is_own, source, drive, journal),
            }
        }
        self.back.resize(1, 0);
        match drive.read(&mut self.back)? {
            Object::EndOfData => self.go_on(at, first, source, drive, journal),
            _ => self.differs(at, first, is_own, source, drive, journal),
        }
    }

    /// The cartridge ends at `at` and is the same up to there. The drive is placed anew, behind what it holds.
    fn go_on(
        &mut self,
        at: Counted,
        first: Mark,
        source: &mut impl Source,
        drive: &mut impl Drive,
        journal: &mut impl Journal,
    ) -> Result<Phase, Fault> {
        let Some(checkpoint) = at.checkpoint() else { return self.start(None, first, source, journal) };
        // What was read may still have come from the drive's memory.
        drive.synchronise()?;
        self.check_checkpoint(checkpoint, source, drive)?;
        self.start(Some(checkpoint), first, source, journal)
    }

    fn differs(
        &mut self,
        at: Counted,
        first: Mark,
        is_own: bool,
        source: &mut impl Source,
        drive: &mut impl Drive,
        journal: &mut impl Journal,
    ) -> Result<Phase, Fault> {
        if !is_own {
            let block = at.place.block;
            return Err(
                self.foreign(&format!("begins like this tape but goes on otherwise from block {block}"))
            );
        }
        drive.rewind()?;
        self.start(None, first, source, journal)
    }

    fn foreign(&self, what: &str) -> Fault {
        let reason = format!(
            "cartridge {}: {what} ({}); it was not touched: put another one there, or erase it yourself",
            self.job.cartridge.barcode, self.job.tape
        );
        Fault::new(FaultKind::Foreign, reason)
    }

    /// The cartridge does not hold what was written. If that was checked before, others may have written since.
    pub(super) fn mismatch(&self, block: u64) -> Fault {
        if self.may_be_others {
            return self.foreign(&format!("no longer holds what was written, from block {block} on"));
        }
        let reason = format!(
            "cartridge {}: block {block} is not what tape {} has there; it is written anew, replace the cartridge if that \
             comes again",
            self.job.cartridge.barcode, self.job.tape
        );
        Fault::new(FaultKind::Mismatch, reason)
    }
}

fn check_identity(job: &Job, mounted: &Mounted) -> Result<(), Fault> {
    let wrong = |what: &str, found: &str| {
        let reason = format!(
            "cartridge {}: the drive holds one with {what} {found}; see that the library's inventory is right",
            job.cartridge.barcode
        );
        Err(Fault::new(FaultKind::WrongCartridge, reason))
    };
    if let Some(barcode) = mounted.barcode.as_deref().filter(|barcode| *barcode != job.cartridge.barcode) {
        return wrong("barcode", barcode);
    }
    match (&job.cartridge.serial, &mounted.serial) {
        (Some(expected), Some(found)) if expected != found => wrong("serial number", found),
        _ => Ok(()),
    }
}

fn check_room(job: &Job, mounted: &Mounted) -> Result<(), Fault> {
    let barcode = &job.cartridge.barcode;
    if mounted.is_write_protected {
        let reason =
            format!("cartridge {barcode}: is write-protected; move its tab, or put another one there");
        return Err(Fault::new(FaultKind::WriteProtected, reason));
    }
    match mounted.capacity_bytes {
        Some(capacity_bytes) if capacity_bytes < job.needed_bytes => {
            let reason = format!(
                "cartridge {barcode}: holds {capacity_bytes} bytes, tape {} needs {}; put a larger one there",
                job.tape, job.needed_bytes
            );
            Err(Fault::new(FaultKind::Full, reason))
        }
        _ => Ok(()),
    }
}
