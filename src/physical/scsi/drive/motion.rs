//! Where the tape goes and stands: SPACE(6), LOCATE, READ POSITION, and the counting beside them.
//!
//! Drives that do not know LOCATE, or do not tell their position, are led by counting. Must not read or write data, but for
//! passing over one record.

use super::super::device::{Command, Done};
use super::{ScsiDrive, Teller};
use crate::physical::drive::{PhysicalDrive, Place, Spaced};
use crate::physical::fault::{Fault, FaultKind};
use crate::physical::sense_data::SenseData;
use crate::physical::transport::Data;
use crate::scsi::cdb;
use crate::vtl::tape_drive::{ReadRecord, SpaceEnd};

/// How far one SPACE(6) goes.
const STEP_MAX: i64 = 0x007f_ffff;

/// What to space over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Records = 0,
    Filemarks = 1,
    EndOfData = 3,
}

impl What {
    fn action(self) -> &'static str {
        match self {
            What::Records => "SPACE over records",
            What::Filemarks => "SPACE over filemarks",
            What::EndOfData => "SPACE to the end of data",
        }
    }
}

impl ScsiDrive {
    /// As far as it goes, in steps that a CDB can tell.
    pub(super) fn space(&mut self, what: What, count: i64) -> Result<Spaced, Fault> {
        let (mut left, mut moved) = (count, Some(0u64));
        while left != 0 {
            let step = left.clamp(-STEP_MAX, STEP_MAX);
            let spaced = self.space_step(what, step)?;
            moved = moved.zip(spaced.moved).map(|(sum, more)| sum.saturating_add(more));
            if spaced.end != SpaceEnd::Done {
                return Ok(Spaced { moved, end: spaced.end });
            }
            left -= step;
        }
        self.learn()?;
        Ok(Spaced { moved, end: SpaceEnd::Done })
    }

    fn space_step(&mut self, what: What, count: i64) -> Result<Spaced, Fault> {
        let (place, done) = self.send_space(what, count)?;
        let spaced = ended(what, count, done.sense.as_ref());
        self.place = Some(moved_to(place, what, count, spaced));
        if spaced.end != SpaceEnd::Done {
            self.learn()?;
        }
        Ok(spaced)
    }

    fn send_space(&mut self, what: What, count: i64) -> Result<(Place, Done), Fault> {
        let [.., b0, b1, b2] = count.to_be_bytes();
        let cdb = [cdb::SPACE_6, what as u8, b0, b1, b2, 0];
        let command = Command::in_place(&cdb, what.action(), self.device.timeouts().motion);
        self.execute_in_place(&Command { may_meet_end: true, ..command }, Data::None)
    }

    pub(super) fn space_to_end(&mut self) -> Result<(), Fault> {
        self.send_space(What::EndOfData, 0)?;
        self.place = Some(Place::UNKNOWN);
        self.learn()
    }

    /// Asks the drive for what counting has lost.
    fn learn(&mut self) -> Result<(), Fault> {
        match self.place {
            Some(place) if place.object.is_none() || place.file.is_none() => self.compare_place().map(|_| ()),
            _ => Ok(()),
        }
    }

    /// What is counted and what the drive tells, if they agree.
    pub(super) fn compare_place(&mut self) -> Result<Place, Fault> {
        const ACTION: &str = "READ POSITION";
        let counted = self.stand(ACTION)?;
        let told = self.ask_position(self.teller.unwrap_or(Teller::None))?;
        self.stand(ACTION)?;
        let told = told.map_or(Place::UNKNOWN, |told| told.place);
        if counted.contradicts(told) {
            self.place = None;
            let detail = format!("the drive tells {told:?}, counted is {counted:?}");
            return Err(self.device.fault(FaultKind::PositionLost, ACTION, detail));
        }
        let place = counted.or(told);
        self.place = Some(place);
        Ok(place)
    }

    pub(super) fn go_to(&mut self, target: &Place) -> Result<(), Fault> {
        // A drive that was opened or connected anew is set up at the beginning of the tape.
        self.ensure_connected()?;
        if self.teller.is_none() || self.place.is_none() {
            self.rewind()?;
        }
        if let Some(object) = target.object.filter(|_| !self.has_no_locate) {
            match self.locate_object(object) {
                Err(fault) if fault.kind == FaultKind::Unsupported => self.has_no_locate = true,
                Err(fault) => return Err(fault),
                Ok(()) => {
                    self.place = Some(*target);
                    return self.compare_place().map(|_| ());
                }
            }
        }
        self.count_to(target)
    }

    fn locate_object(&mut self, object: u64) -> Result<(), Fault> {
        const ACTION: &str = "LOCATE";
        let short = u32::try_from(object).ok();
        let [b0, b1, b2, b3, b4, b5, b6, b7] = object.to_be_bytes();
        let long = [cdb::LOCATE_16, 0, 0, 0, b0, b1, b2, b3, b4, b5, b6, b7, 0, 0, 0, 0];
        let short = short.map(|_| [cdb::LOCATE_10, 0, 0, b4, b5, b6, b7, 0, 0, 0]);
        let place = self.stand(ACTION)?;
        self.place = None;
        let cdb = short.as_ref().map_or(&long[..], |short| &short[..]);
        let command = Command::freely(cdb, ACTION, self.device.timeouts().motion);
        let result = self.device.execute(&command, Data::None);
        if matches!(&result, Err(fault) if fault.kind == FaultKind::Unsupported) {
            self.place = Some(place);
        }
        let done = result?;
        if let Some(sense) = done.sense.filter(SenseData::is_end_of_data) {
            return Err(Fault {
                kind: FaultKind::EndOfData,
                ..Fault::of_sense(&self.device.name, ACTION, sense)
            });
        }
        Ok(())
    }

    /// From the beginning over filemarks and records.
    fn count_to(&mut self, target: &Place) -> Result<(), Fault> {
        const ACTION: &str = "position by counting";
        let counts = target
            .file
            .zip(target.record)
            .and_then(|(file, record)| Some((i64::try_from(file).ok()?, i64::try_from(record).ok()?)));
        let Some((file, record)) = counts else {
            let detail = "the drive does not know LOCATE, and file and record of the place are not known";
            return Err(self.device.fault(FaultKind::PositionLost, ACTION, detail));
        };
        self.rewind()?;
        let is_short = |spaced: Spaced| spaced.end != SpaceEnd::Done;
        let end = |drive: &Self| drive.device.fault(FaultKind::EndOfData, ACTION, format!("{target:?}"));
        if is_short(self.space(What::Filemarks, file)?) {
            return Err(end(self));
        }
        // The last record is passed by reading: some drives report the end of data whether they passed it or not.
        if record > 0 && is_short(self.space(What::Records, record - 1)?) {
            return Err(end(self));
        }
        if record > 0 && !matches!(self.read(&mut [0; 512])?, ReadRecord::Record { .. }) {
            return Err(end(self));
        }
        self.place = Some(*target);
        self.compare_place().map(|_| ())
    }
}

/// How a SPACE ended.
fn ended(what: What, count: i64, sense: Option<&SenseData>) -> Spaced {
    let all = count.unsigned_abs();
    let Some(sense) = sense else { return Spaced { moved: Some(all), end: SpaceEnd::Done } };
    let moved = sense.information.and_then(|left| all.checked_sub(left.unsigned_abs()));
    let at_beginning = (sense.asc, sense.ascq) == (0x00, 0x04) || sense.end_of_medium;
    let end = if what == What::Records && sense.is_filemark() {
        SpaceEnd::Filemark
    } else if count < 0 && at_beginning {
        SpaceEnd::BeginningOfTape
    } else if sense.is_end_of_data() {
        SpaceEnd::EndOfData
    } else {
        return Spaced { moved: Some(all), end: SpaceEnd::Done };
    };
    Spaced { moved, end }
}

/// Where the tape then stands, as far as it can be counted.
fn moved_to(place: Place, what: What, count: i64, spaced: Spaced) -> Place {
    if spaced.end == SpaceEnd::BeginningOfTape {
        return Place::BEGINNING;
    }
    let Some(moved) = spaced.moved else { return Place::UNKNOWN };
    let back = |number: Option<u64>, count: u64| number.and_then(|number| number.checked_sub(count));
    let at_mark = u64::from(spaced.end == SpaceEnd::Filemark);
    match (what, count > 0) {
        (What::Records, true) => place.after_records(moved).after_filemarks(at_mark),
        (What::Records, false) => Place {
            object: back(place.object, moved + at_mark),
            file: back(place.file, at_mark),
            record: back(place.record, moved).filter(|_| at_mark == 0),
        },
        (_, true) => {
            let is_behind_mark = spaced.end == SpaceEnd::Done;
            let file = place.file.and_then(|file| file.checked_add(moved));
            Place { object: None, file, record: is_behind_mark.then_some(0) }
        }
        (_, false) => Place { object: None, file: back(place.file, moved), record: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scsi::sense::Sense;

    fn end(what: What, count: i64, sense: Sense) -> Spaced {
        ended(what, count, SenseData::parse(&sense.to_bytes()).as_ref())
    }

    #[test]
    fn how_far_a_space_came() {
        let place = Place { object: Some(20), file: Some(2), record: Some(5) };
        let met = end(What::Records, 10, Sense::FILEMARK.with_information(7));
        assert_eq!(met, Spaced { moved: Some(3), end: SpaceEnd::Filemark });
        let behind = Place { object: Some(24), file: Some(3), record: Some(0) };
        assert_eq!(moved_to(place, What::Records, 10, met), behind);
        let met = end(What::Records, -10, Sense::FILEMARK.with_information(5));
        let before = Place { object: Some(14), file: Some(1), record: None };
        assert_eq!(moved_to(place, What::Records, -10, met), before);
        let done = ended(What::Records, -4, None);
        let back = Place { object: Some(16), file: Some(2), record: Some(1) };
        assert_eq!((done.end, moved_to(place, What::Records, -4, done)), (SpaceEnd::Done, back));
        let marks = ended(What::Filemarks, 2, None);
        let there = Place { object: None, file: Some(4), record: Some(0) };
        assert_eq!(moved_to(place, What::Filemarks, 2, marks), there);
    }

    #[test]
    fn the_end_of_data_without_a_residue_leaves_nothing_known() {
        let sense = SenseData::parse(&[0x70, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 5]).unwrap();
        let met = ended(What::Records, 3, Some(&sense));
        assert_eq!(met, Spaced { moved: None, end: SpaceEnd::EndOfData });
        assert_eq!(moved_to(Place::BEGINNING, What::Records, 3, met), Place::UNKNOWN);
        let bot = SenseData::parse(&[0x70, 0, 0x40, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 4]).unwrap();
        assert_eq!(ended(What::Filemarks, -3, Some(&bot)).end, SpaceEnd::BeginningOfTape);
    }
}
