//! Looking at what was written: reading it back, or counting it.

use super::{Counted, Drive, Journal, Object, Phase, Source, Transfer};
use crate::copy::fault::Fault;
use crate::copy::state::Verification;

impl Transfer {
    /// The first `blocks` objects of the tape are on the cartridge; now they are looked at, as the job says. A drive that
    /// cannot count is made to read.
    pub(super) fn begin_verifying(
        &mut self,
        blocks: u64,
        source: &mut impl Source,
        drive: &mut impl Drive,
        journal: &mut impl Journal,
    ) -> Result<Phase, Fault> {
        match self.job.verification {
            None => return Ok(Phase::Over),
            Some(Verification::ReadBack) => {}
            Some(Verification::Counts) => match drive.count_objects()? {
                Some(objects) if objects == blocks => {
                    journal.verified(Verification::Counts)?;
                    return Ok(Phase::Over);
                }
                Some(objects) => return Err(self.mismatch(objects.min(blocks))),
                None => {}
            },
        }
        drive.rewind()?;
        source.locate(0)?;
        Ok(Phase::Verify { at: Counted::default(), blocks })
    }

    pub(super) fn verify(
        &mut self,
        mut at: Counted,
        blocks: u64,
        source: &mut impl Source,
        drive: &mut impl Drive,
        journal: &mut impl Journal,
    ) -> Result<Phase, Fault> {
        let enough = self.enough(at);
        while at.place.block < blocks {
            if self.is_enough(at, enough) {
                return Ok(Phase::Verify { at, blocks });
            }
            let (object, mark) = self.next_of_tape(at.place.block, source)?;
            if !self.is_same_on_cartridge(object, drive)?.0 {
                return Err(self.mismatch(at.place.block));
            }
            at.pass(object, mark);
        }
        self.back.resize(1, 0);
        if drive.read(&mut self.back)? != Object::EndOfData {
            return Err(self.mismatch(blocks));
        }
        journal.verified(Verification::ReadBack)?;
        Ok(Phase::Over)
    }
}
