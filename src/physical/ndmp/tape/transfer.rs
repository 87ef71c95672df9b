//! Records and filemarks by tape messages: TAPE_READ, TAPE_WRITE, and MTIO's filemarks.
//!
//! Must not send a record twice, nor guess: what a reply leaves open is asked, and what cannot be asked is a fault.

use super::MessageDrive;
use crate::ndmp::wire::limits::RECORD_MAX_BYTES;
use crate::ndmp::wire::{
    Error, MessageCode, TapeMtioOp, TapeReadReply, TapeReadRequest, TapeWriteReply, TapeWriteRequest,
};
use crate::physical::drive::{Place, Room};
use crate::physical::fault::{Fault, FaultKind};
use crate::vtl::tape_drive::ReadRecord;

/// The longest record where that cannot be found out: what the protocol's reference implementation takes.
pub(super) const RECORD_BYTES_UNKNOWN: u32 = 256 << 10;
/// Lengths that servers end at.
const LIMITS: [u32; 8] =
    [0x00ff_ffff, 4 << 20, 2 << 20, 1 << 20, 512 << 10, RECORD_BYTES_UNKNOWN, 128 << 10, 64 << 10];

impl MessageDrive {
    /// Finds out how long records may be, by reading at the beginning of the tape: no message asks it, and a server that
    /// finds a length too long says so before it reads.
    pub(super) fn find_record_limit(&mut self, action: &str) -> Result<(), Fault> {
        self.record_bytes_max = RECORD_BYTES_UNKNOWN;
        for count in LIMITS {
            self.place = None;
            let error = self.ask_record(action, count)?.error;
            if matches!(error, Error::NoErr | Error::Eof | Error::Eom) {
                self.record_bytes_max = count;
                break;
            }
            // An input/output error may be the answer to the length, or a tape that cannot be read: reading it will tell.
            if !matches!(error, Error::IllegalArgs | Error::NoMem | Error::XdrDecode | Error::Io) {
                return Err(self.said(action, error));
            }
        }
        self.go_to_beginning(action)
    }

    fn ask_record(&mut self, action: &str, count: u32) -> Result<TapeReadReply, Fault> {
        let time = self.timeouts.transfer;
        self.ask(action, MessageCode::TapeRead, &TapeReadRequest { count }, time)
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<ReadRecord, Fault> {
        const ACTION: &str = "TAPE_READ";
        let place = self.stand(ACTION)?;
        self.check_terminated(ACTION)?;
        self.place = None;
        // With room for any record: of one that is cut off the server does not tell the length.
        let reply = self.ask_record(ACTION, self.record_bytes_max)?;
        match reply.error {
            Error::NoErr => self.take_record(reply.data_in.as_bytes(), place, buffer),
            Error::Eof => self.at_mark(place),
            Error::Eom => self.end_of_data(place),
            error => Err(self.said(ACTION, error)),
        }
    }

    fn take_record(&mut self, record: &[u8], place: Place, buffer: &mut [u8]) -> Result<ReadRecord, Fault> {
        let bytes = record.len();
        let most = usize::try_from(self.record_bytes_max).unwrap_or(usize::MAX);
        if bytes == 0 || bytes > most {
            let detail = format!("a record of {bytes} bytes where 1 to {most} can be");
            return Err(self.fault(FaultKind::Nonsense, "TAPE_READ", detail));
        }
        if let Some(room) = buffer.get_mut(..bytes) {
            room.copy_from_slice(record);
        }
        self.place = Some(place.after_records(1));
        Ok(ReadRecord::Record { bytes })
    }

    /// EOF is a filemark or the end of data, by version and by server.
    fn at_mark(&mut self, place: Place) -> Result<ReadRecord, Fault> {
        if self.pass_mark("TAPE_READ at a filemark", place, TapeMtioOp::Fsf)? {
            self.place = Some(place.after_filemarks(1));
            Ok(ReadRecord::Filemark)
        } else {
            self.end_of_data(place)
        }
    }

    fn end_of_data(&mut self, place: Place) -> Result<ReadRecord, Fault> {
        self.place = Some(place);
        Ok(ReadRecord::EndOfData)
    }

    pub(super) fn write(&mut self, record: &[u8]) -> Result<Room, Fault> {
        const ACTION: &str = "TAPE_WRITE";
        let place = self.stand(ACTION)?;
        let count = u32::try_from(record.len()).unwrap_or(u32::MAX);
        if record.is_empty() || record.len() > RECORD_MAX_BYTES || count > self.record_bytes_max {
            let most = self.record_bytes_max;
            let detail = format!("a record of {count} bytes; the server takes 1 to {most}");
            return Err(self.fault(FaultKind::IllegalRequest, ACTION, detail));
        }
        self.check_writable(ACTION)?;
        self.place = None;
        let request = TapeWriteRequest { data_out: record.into() };
        let time = self.timeouts.transfer;
        let reply: TapeWriteReply = self.ask(ACTION, MessageCode::TapeWrite, &request, time)?;
        let is_whole = reply.count == count;
        let room = match reply.error {
            Error::NoErr if is_whole => Room::Enough,
            Error::Eom if is_whole => Room::EarlyWarning,
            Error::NoErr => {
                let detail = format!("{} of {count} bytes were taken", reply.count);
                return Err(self.fault(FaultKind::Nonsense, ACTION, detail));
            }
            error => {
                // Refused before anything was done to the tape.
                let is_untouched =
                    matches!(kind(error), FaultKind::WriteProtected | FaultKind::IllegalRequest);
                self.place = is_untouched.then_some(place);
                return Err(self.said(ACTION, error));
            }
        };
        self.place = Some(place.after_records(1));
        (self.is_unterminated, self.is_dirty) = (true, true);
        Ok(room)
    }

    fn check_writable(&self, action: &str) -> Result<(), Fault> {
        match &self.open {
            Some(open) if !open.is_writable => Err(self.fault(FaultKind::WriteProtected, action, "")),
            _ => Ok(()),
        }
    }

    pub(super) fn mark(&mut self, count: u32) -> Result<Room, Fault> {
        const ACTION: &str = "write filemarks";
        let place = self.stand(ACTION)?;
        self.check_writable(ACTION)?;
        self.place = None;
        let moved = self.motion(ACTION, TapeMtioOp::Eof, count)?;
        let room = match (moved.error, moved.left) {
            (Error::NoErr, Some(0)) => Room::Enough,
            (Error::Eom, Some(0)) => Room::EarlyWarning,
            (Error::NoErr, left) => {
                let detail = format!("of {count}, {left:?} were not written");
                return Err(self.fault(FaultKind::EndOfMedium, ACTION, detail));
            }
            (error, _) => return Err(self.said(ACTION, error)),
        };
        self.place = Some(place.after_filemarks(count.into()));
        (self.is_unterminated, self.is_dirty) = (false, false);
        Ok(room)
    }

    /// No filemarks: as in SSC that asks for all that is buffered to be on the tape. Whether the server has understood that is
    /// looked at: no mark may be there that was not asked for.
    pub(super) fn flush(&mut self) -> Result<Room, Fault> {
        const ACTION: &str = "synchronise";
        self.stand(ACTION)?;
        if self.is_dirty {
            let place = self.place.take();
            let moved = self.motion(ACTION, TapeMtioOp::Eof, 0)?;
            match moved.error {
                Error::NoErr => {}
                error => return Err(self.said(ACTION, error)),
            }
            self.place = place;
            self.is_dirty = false;
        }
        self.compare_place(ACTION)?;
        Ok(Room::Enough)
    }
}

fn kind(error: Error) -> FaultKind {
    super::kind_of(error)
}
