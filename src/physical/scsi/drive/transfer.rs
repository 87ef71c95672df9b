//! Records and filemarks: READ(6), WRITE(6), WRITE FILEMARKS(6), and what their ends mean (SSC-4 5.2, 5.6, 5.7).
//!
//! One record a command, of exactly the length that is given. Must not repeat a write.

use super::super::device::Command;
use super::ScsiDrive;
use crate::physical::drive::{Place, Room};
use crate::physical::fault::{Fault, FaultKind};
use crate::physical::sense_data::SenseData;
use crate::physical::transport::Data;
use crate::scsi::cdb;
use crate::vtl::tape_drive::ReadRecord;

/// The longest record, and the highest count, of a CDB with 24 bits for it.
const COUNT_MAX: u32 = 0x00ff_ffff;

/// How a READ ended.
enum Read {
    Record(usize),
    /// A record of this length, of which not all came though there was room.
    Partly(usize),
    Filemark,
    EndOfData,
}

impl ScsiDrive {
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<ReadRecord, Fault> {
        let (place, read) = self.read_once(buffer)?;
        match read {
            Read::Record(bytes) => {
                self.place = Some(place.after_records(1));
                Ok(ReadRecord::Record { bytes })
            }
            Read::Partly(bytes) => self.read_again(buffer, place, bytes),
            Read::Filemark => {
                self.place = Some(place.after_filemarks(1));
                Ok(ReadRecord::Filemark)
            }
            Read::EndOfData => {
                self.place = Some(place);
                Ok(ReadRecord::EndOfData)
            }
        }
    }

    /// Reads a record again with a buffer of its length: there are targets (tgt 1.0.85) that tell its length right, but
    /// send only part of it unless buffer and record are of one length.
    fn read_again(&mut self, buffer: &mut [u8], place: Place, bytes: usize) -> Result<ReadRecord, Fault> {
        const ACTION: &str = "READ";
        tracing::warn!(
            drive = %self.serial, bytes,
            "the drive sent only a part of a record; reading it again with a buffer of its length"
        );
        self.place = Some(place.after_records(1));
        let back = self.space(super::motion::What::Records, -1)?;
        if back.moved.is_some_and(|moved| moved != 1) {
            self.place = None;
            return Err(self.device.fault(
                FaultKind::Nonsense,
                ACTION,
                "it cannot space back over one record",
            ));
        }
        self.place = Some(place);
        match self.read_once(&mut buffer[..bytes])? {
            (place, Read::Record(again)) if again == bytes => {
                self.place = Some(place.after_records(1));
                Ok(ReadRecord::Record { bytes })
            }
            _ => Err(self.device.fault(FaultKind::Nonsense, ACTION, "only a part of a record came, twice")),
        }
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> Result<(Place, Read), Fault> {
        const ACTION: &str = "READ";
        let length = self.length(buffer.len(), ACTION)?;
        let [_, b0, b1, b2] = length.to_be_bytes();
        let room = buffer.len();
        let cdb = [cdb::READ_6, 0, b0, b1, b2, 0];
        let command = Command::in_place(&cdb, ACTION, self.device.timeouts().transfer);
        let command = Command { may_meet_end: true, ..command };
        let (place, done) = self.execute_in_place(&command, Data::In(buffer))?;
        let came = done.transferred_bytes.min(room);
        let Some(sense) = done.sense.filter(says_how_it_ended) else {
            // As long as the buffer, or shorter with what is missing told as the residual.
            if came + done.residual_bytes.min(room) == room || came == room {
                return Ok((place, Read::Record(came)));
            }
            let detail = format!("{came} of {room} bytes came, and nothing was said of the rest");
            return Err(self.device.fault(FaultKind::Nonsense, ACTION, detail));
        };
        if sense.is_filemark() {
            return Ok((place, Read::Filemark));
        }
        if sense.is_end_of_data() {
            return Ok((place, Read::EndOfData));
        }
        let Some(bytes) = record_bytes(room, sense.information) else {
            return Err(Fault {
                kind: FaultKind::Nonsense,
                ..Fault::of_sense(&self.device.name, ACTION, sense)
            });
        };
        Ok((place, if bytes <= room && came < bytes { Read::Partly(bytes) } else { Read::Record(bytes) }))
    }

    fn length(&self, bytes: usize, action: &str) -> Result<u32, Fault> {
        let length = u32::try_from(bytes).ok().filter(|length| (1..=COUNT_MAX).contains(length));
        length.ok_or_else(|| {
            self.device.fault(FaultKind::IllegalRequest, action, format!("no record has {bytes} bytes"))
        })
    }

    pub(super) fn write(&mut self, record: &[u8]) -> Result<Room, Fault> {
        const ACTION: &str = "WRITE";
        let [_, b0, b1, b2] = self.length(record.len(), ACTION)?.to_be_bytes();
        let cdb = [cdb::WRITE_6, 0, b0, b1, b2, 0];
        let command = Command::in_place(&cdb, ACTION, self.device.timeouts().transfer);
        let (place, done) = self.execute_in_place(&command, Data::Out(record))?;
        // A residue with early warning: not all of it was written, which is the end and no warning.
        let is_short =
            done.sense.as_ref().is_some_and(|sense| sense.information.is_some_and(|left| left > 0));
        if is_short || done.residual_bytes > 0 || done.transferred_bytes != record.len() {
            let kind = if is_short { FaultKind::EndOfMedium } else { FaultKind::Nonsense };
            let taken = done.transferred_bytes.saturating_sub(done.residual_bytes);
            let detail = format!("{taken} of {} bytes were taken", record.len());
            let fault = self.device.fault(kind, ACTION, detail);
            return Err(Fault { sense: done.sense.map(Box::new), ..fault });
        }
        self.place = Some(place.after_records(1));
        Ok(room(done.sense.as_ref()))
    }

    /// Writes filemarks, and waits until all is on the tape.
    pub(super) fn mark(&mut self, count: u32) -> Result<Room, Fault> {
        const ACTION: &str = "WRITE FILEMARKS";
        if count > COUNT_MAX {
            return Err(self.device.fault(FaultKind::IllegalRequest, ACTION, format!("{count} at once")));
        }
        let [_, b0, b1, b2] = count.to_be_bytes();
        let cdb = [cdb::WRITE_FILEMARKS_6, 0, b0, b1, b2, 0];
        let command = Command::in_place(&cdb, ACTION, self.device.timeouts().transfer);
        let (place, done) = self.execute_in_place(&command, Data::None)?;
        if let Some(left) = done.sense.as_ref().and_then(|sense| sense.information).filter(|left| *left > 0) {
            let fault = self.device.fault(FaultKind::EndOfMedium, ACTION, format!("{left} were not written"));
            return Err(Fault { sense: done.sense.map(Box::new), ..fault });
        }
        self.place = Some(place.after_filemarks(u64::from(count)));
        Ok(room(done.sense.as_ref()))
    }
}

fn room(sense: Option<&SenseData>) -> Room {
    if sense.is_some_and(SenseData::is_early_warning) { Room::EarlyWarning } else { Room::Enough }
}

/// The length of a record that is not as long as the buffer, by the residue.
fn record_bytes(room: usize, information: Option<i64>) -> Option<usize> {
    let bytes = i64::try_from(room).ok()?.checked_sub(information?)?;
    usize::try_from(bytes).ok().filter(|bytes| (1..=1 << 24).contains(bytes))
}

/// Whether it says something about the record: not merely that the tape's end is near.
fn says_how_it_ended(sense: &SenseData) -> bool {
    sense.is_filemark() || sense.is_end_of_data() || sense.incorrect_length
}
