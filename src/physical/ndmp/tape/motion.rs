//! Where the tape goes and stands: TAPE_MTIO, and the counting beside it.
//!
//! Must not read or write data.

use super::MessageDrive;
use crate::ndmp::wire::{Error, MessageCode, TapeMtioOp, TapeMtioReply, TapeMtioRequest};
use crate::physical::drive::{PhysicalDrive, Place, Spaced};
use crate::physical::fault::{Fault, FaultKind};
use crate::vtl::tape_drive::SpaceEnd;

/// What became of a motion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) error: Error,
    /// How far it did not come; none if nothing credible is said.
    pub(super) left: Option<u64>,
}

impl MessageDrive {
    pub(super) fn motion(&mut self, action: &str, tape_op: TapeMtioOp, count: u32) -> Result<Moved, Fault> {
        let time = self.timeouts.motion;
        let request = TapeMtioRequest { tape_op, count };
        let reply: TapeMtioReply = self.ask(action, MessageCode::TapeMtio, &request, time)?;
        let left = Some(reply.resid_count).filter(|left| *left <= count).map(u64::from);
        Ok(Moved { error: reply.error, left })
    }

    /// Before the tape is moved: the server would put a filemark behind the last record.
    pub(super) fn check_terminated(&self, action: &str) -> Result<(), Fault> {
        if !self.is_unterminated {
            return Ok(());
        }
        let detail = "the last thing written is a record, behind which this server puts a filemark of its own; a tape that does \
                      not end with a filemark cannot be copied exactly to a drive without TAPE_EXECUTE_CDB";
        Err(self.fault(FaultKind::Unsupported, action, detail))
    }

    /// The beginning of the tape, as the server must confirm.
    pub(super) fn go_to_beginning(&mut self, action: &str) -> Result<(), Fault> {
        self.place = None;
        let moved = self.motion(action, TapeMtioOp::Rew, 1)?;
        if moved.error != Error::NoErr {
            return Err(self.said(action, moved.error));
        }
        let told = self.tell(action)?;
        if told.file != Some(0) || told.record.is_some_and(|record| record != 0) {
            let detail = format!("the server does not tell where the tape stands: {told:?} after a rewind");
            return Err(self.fault(FaultKind::Unsupported, action, detail));
        }
        self.is_unterminated = false;
        self.place = Some(Place::BEGINNING);
        Ok(())
    }

    /// What is counted, if the server does not contradict.
    pub(super) fn compare_place(&mut self, action: &str) -> Result<Place, Fault> {
        let counted = self.stand(action)?;
        let told = self.tell(action)?;
        let place = Place { object: None, file: told.file, record: told.record };
        if counted.contradicts(place) {
            self.place = None;
            let detail = format!("the server tells {place:?}, counted is {counted:?}");
            return Err(self.fault(FaultKind::PositionLost, action, detail));
        }
        Ok(counted)
    }

    /// Spaces as far as it goes. A mark or an end is no fault.
    pub(super) fn space(&mut self, action: &str, forward: TapeMtioOp, count: i64) -> Result<Spaced, Fault> {
        let place = self.stand(action)?;
        self.check_terminated(action)?;
        if count == 0 {
            return Ok(Spaced { moved: Some(0), end: SpaceEnd::Done });
        }
        let all = count.unsigned_abs();
        let steps = u32::try_from(all)
            .map_err(|_| self.fault(FaultKind::IllegalRequest, action, format!("{count} at once")))?;
        let is_back = count < 0;
        let operation = match (forward, is_back) {
            (TapeMtioOp::Fsf, true) => TapeMtioOp::Bsf,
            (TapeMtioOp::Fsr, true) => TapeMtioOp::Bsr,
            (forward, _) => forward,
        };
        self.place = None;
        let moved = self.motion(action, operation, steps)?;
        let left = match (moved.error, moved.left) {
            (Error::NoErr, Some(left)) => left,
            // That it did not come so far is said in either way.
            (Error::Eof | Error::Eom, Some(left)) if left > 0 => left,
            (Error::NoErr | Error::Eof | Error::Eom, _) => {
                return Err(self.fault(
                    FaultKind::Nonsense,
                    action,
                    "the server does not say how far it came",
                ));
            }
            (error, _) => return Err(self.said(action, error)),
        };
        let moved = all - left;
        let end = if left == 0 { SpaceEnd::Done } else { self.end_of_space(action, operation, place)? };
        self.place = Some(moved_to(place, operation, moved, end));
        Ok(Spaced { moved: Some(moved), end })
    }

    /// Why a motion ended early. What a motion over records has met is passed, as a drive does: servers stand before it or
    /// behind it, and say nothing of what it is.
    fn end_of_space(&mut self, action: &str, operation: TapeMtioOp, place: Place) -> Result<SpaceEnd, Fault> {
        match operation {
            TapeMtioOp::Fsf => Ok(SpaceEnd::EndOfData),
            TapeMtioOp::Bsf => Ok(SpaceEnd::BeginningOfTape),
            TapeMtioOp::Bsr => {
                let told = self.tell(action)?;
                if (told.file, told.record) == (Some(0), Some(0)) {
                    return Ok(SpaceEnd::BeginningOfTape);
                }
                self.pass_mark(action, place, TapeMtioOp::Bsf)?;
                Ok(SpaceEnd::Filemark)
            }
            _ if self.pass_mark(action, place, TapeMtioOp::Fsf)? => Ok(SpaceEnd::Filemark),
            _ => Ok(SpaceEnd::EndOfData),
        }
    }

    /// Passes the mark that a read or a motion over records has met, unless the server has passed it already; false if there is
    /// none. The number of the file tells whether it was passed; a motion over it tells whether there is one.
    pub(super) fn pass_mark(
        &mut self,
        action: &str,
        place: Place,
        operation: TapeMtioOp,
    ) -> Result<bool, Fault> {
        let Some(file) = place.file else {
            return Err(self.fault(FaultKind::PositionLost, action, "the file is not known; rewind first"));
        };
        let behind = if operation == TapeMtioOp::Fsf { file.checked_add(1) } else { file.checked_sub(1) };
        let told = self.tell(action)?.file;
        if told.is_some() && told == behind {
            return Ok(true);
        }
        if told != Some(file) {
            let detail = format!("the server tells file {told:?}, counted is {file}");
            return Err(self.fault(FaultKind::PositionLost, action, detail));
        }
        let moved = self.motion(action, operation, 1)?;
        match (moved.error, moved.left) {
            (Error::NoErr, Some(0)) => Ok(true),
            (Error::NoErr | Error::Eof | Error::Eom, Some(1)) | (Error::Eom, None) => Ok(false),
            (Error::NoErr | Error::Eof | Error::Eom, _) => {
                Err(self.fault(FaultKind::Nonsense, action, "the server does not say how far it came"))
            }
            (error, _) => Err(self.said(action, error)),
        }
    }

    /// To a place by file and record, forward from here where that is shorter.
    pub(super) fn go_to(&mut self, target: &Place) -> Result<(), Fault> {
        const ACTION: &str = "position by counting";
        let (Some(file), Some(record)) = (target.file, target.record) else {
            let detail = "file and record of the place are not known";
            return Err(self.fault(FaultKind::PositionLost, ACTION, detail));
        };
        self.check_terminated(ACTION)?;
        let here = self.place.and_then(|place| place.file.zip(place.record));
        let is_ahead = here.is_some_and(|here| here <= (file, record));
        if !is_ahead {
            self.rewind()?;
        }
        let (here_file, here_record) = here.filter(|_| is_ahead).unwrap_or((0, 0));
        let records = if here_file == file { record - here_record } else { record };
        for (operation, count) in [(TapeMtioOp::Fsf, file - here_file), (TapeMtioOp::Fsr, records)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            if self.space(ACTION, operation, count)?.end != SpaceEnd::Done {
                self.place = None;
                return Err(self.fault(FaultKind::EndOfData, ACTION, format!("{target:?}")));
            }
        }
        self.place = Some(*target);
        self.compare_place(ACTION).map(|_| ())
    }
}

/// Where the tape then stands, as far as it can be counted.
fn moved_to(place: Place, operation: TapeMtioOp, moved: u64, end: SpaceEnd) -> Place {
    let back = |number: Option<u64>, count: u64| number.and_then(|number| number.checked_sub(count));
    let is_done = end == SpaceEnd::Done;
    match operation {
        _ if end == SpaceEnd::BeginningOfTape => Place::BEGINNING,
        TapeMtioOp::Fsr if is_done => place.after_records(moved),
        TapeMtioOp::Bsr if is_done => {
            Place { object: back(place.object, moved), record: back(place.record, moved), ..place }
        }
        TapeMtioOp::Fsf => Place {
            object: None,
            file: place.file.and_then(|file| file.checked_add(moved)),
            record: is_done.then_some(0),
        },
        TapeMtioOp::Bsf => Place { object: None, file: back(place.file, moved), record: None },
        TapeMtioOp::Fsr => {
            let place = place.after_records(moved);
            if end == SpaceEnd::Filemark { place.after_filemarks(1) } else { place }
        }
        // Before the mark that it has met.
        _ => Place {
            object: back(place.object, moved.saturating_add(1)),
            file: back(place.file, 1),
            record: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_motion_leaves_known() {
        let place = Place { object: Some(20), file: Some(2), record: Some(5) };
        let forward = Place { object: Some(23), record: Some(8), ..place };
        assert_eq!(moved_to(place, TapeMtioOp::Fsr, 3, SpaceEnd::Done), forward);
        let back = Place { object: Some(17), record: Some(2), ..place };
        assert_eq!(moved_to(place, TapeMtioOp::Bsr, 3, SpaceEnd::Done), back);
        let behind_mark = Place { object: Some(24), file: Some(3), record: Some(0) };
        assert_eq!(moved_to(place, TapeMtioOp::Fsr, 3, SpaceEnd::Filemark), behind_mark);
        assert_eq!(moved_to(place, TapeMtioOp::Fsr, 3, SpaceEnd::EndOfData), forward);
        let before_mark = Place { object: Some(14), file: Some(1), record: None };
        assert_eq!(moved_to(place, TapeMtioOp::Bsr, 5, SpaceEnd::Filemark), before_mark);
        let file = Place { object: None, file: Some(4), record: Some(0) };
        assert_eq!(moved_to(place, TapeMtioOp::Fsf, 2, SpaceEnd::Done), file);
        let end = Place { record: None, ..file };
        assert_eq!(moved_to(place, TapeMtioOp::Fsf, 2, SpaceEnd::EndOfData), end);
        assert_eq!(moved_to(place, TapeMtioOp::Bsf, 3, SpaceEnd::BeginningOfTape), Place::BEGINNING);
    }
}
