//! A drive by NDMP's own tape messages, for servers that carry no CDBs to drives: TAPE_OPEN, TAPE_MTIO, TAPE_GET_STATE.
//!
//! These tell less than a drive does, and servers differ in what they mean by them. What is relied on:
//!
//! - The drive is open from [`PhysicalDrive::load`] to [`PhysicalDrive::unload`] only: a robot's move under an open drive goes wrong on
//!   some servers.
//! - Objects are counted from the beginning of the tape. What the server tells of file and record must not contradict that; it is
//!   never believed where nothing was counted. One that does not tell the file is not used.
//! - A server writes a filemark of its own when data end without one and the tape is moved. A tape that does not end with a
//!   filemark cannot be had exactly here: moving behind its last record is refused, and said.
//! - Of EOM on a write the standard says that nothing was written: there is no early warning, only the end.
//!
//! `transfer` is the other half: records and filemarks. Must not know robots.

mod transfer;

use std::time::{Duration, Instant};

use super::cdb::{ASK_EVERY, Device, OpenError, close, open_drive, refused};
use super::client::Client;
use super::login::log_in;
use super::reply::{Reply, words};
use super::{Server, Timeouts};
use crate::ndmp::wire::{
    Dialect, Error, MessageCode, TAPE_STATE_BLOCKNO_UNS, TAPE_STATE_FILE_NUM_UNS,
    TAPE_STATE_SPACE_REMAIN_UNS, TAPE_STATE_TOTAL_SPACE_UNS, TAPE_STATE_WR_PROT, TapeCloseReply,
    TapeGetStateReply, TapeMtioOp, TapeMtioReply, TapeMtioRequest, TapeOpenMode, v3,
};
use crate::ndmp::xdr::Wire;
use crate::physical::drive::{Alerts, Cartridge, DriveState, PhysicalDrive, Place, Room, Spaced};
use crate::physical::fault::{Fault, FaultKind};
use crate::physical::limit::{Cancel, Limit};
use crate::physical::transport::TransportError;
use crate::vtl::tape_drive::{ReadRecord, RecordLimits, SpaceEnd};

/// An open drive.
struct Open {
    client: Client,
    is_writable: bool,
}

/// A drive.
pub(super) struct MessageDrive {
    server: Server,
    device: Device,
    name: String,
    serial: String,
    timeouts: Timeouts,
    cancel: Cancel,
    open: Option<Open>,
    /// Where the tape stands, by counting; none while that is not known and nothing may be read or written.
    place: Option<Place>,
    /// The longest record that the server reads and writes.
    record_bytes_max: u32,
    /// The last thing written is a record: the server will put a filemark behind it when the tape is moved.
    is_unterminated: bool,
    /// Something was written since the last synchronisation.
    is_dirty: bool,
}

/// What a server says about a tape.
#[derive(Clone, Copy, Debug)]
struct Told {
    file: Option<u64>,
    record: Option<u64>,
    is_write_protected: bool,
    total_bytes: Option<u64>,
    left_bytes: Option<u64>,
}

/// What became of a motion.
#[derive(Clone, Copy, Debug)]
struct Moved {
    error: Error,
    /// How far it did not come; none if nothing credible is said.
    left: Option<u64>,
}

impl MessageDrive {
    /// A drive of this device name. Nothing is opened yet.
    pub(super) fn new(
        server: &Server,
        device: &str,
        serial: String,
        timeouts: Timeouts,
        cancel: &Cancel,
    ) -> Self {
        Self {
            server: server.clone(),
            device: Device::Drive(device.to_owned()),
            name: format!("drive {serial}"),
            serial,
            timeouts,
            cancel: cancel.clone(),
            open: None,
            place: None,
            record_bytes_max: transfer::RECORD_BYTES_UNKNOWN,
            is_unterminated: false,
            is_dirty: false,
        }
    }

    fn fault(&self, kind: FaultKind, action: &str, detail: impl Into<String>) -> Fault {
        Fault::new(kind, &self.name, action, detail)
    }

    fn limit(&self, time: Duration) -> Limit {
        Limit::new(&self.cancel, time)
    }

    fn of_transport(&self, action: &str, error: &TransportError) -> Fault {
        Fault::of_transport(&self.name, action, error)
    }

    /// Opens the drive for writing, or for reading where the tape must not be written.
    fn try_open(&self, limit: &Limit) -> Result<Open, OpenError> {
        let mut client = log_in(&self.server, limit)?;
        let name = self.device.name();
        let is_writable = match open_drive(&mut client, name, TapeOpenMode::Rdwr, limit) {
            Ok(()) => true,
            Err(OpenError::Said(Error::WriteProtect | Error::Permission)) => {
                open_drive(&mut client, name, TapeOpenMode::Read, limit)?;
                false
            }
            Err(error) => return Err(error),
        };
        Ok(Open { client, is_writable })
    }

    /// Waits for the cartridge, and opens the drive.
    fn open_loaded(&mut self, action: &str) -> Result<(), Fault> {
        let (started, limit) = (Instant::now(), self.limit(self.timeouts.load));
        loop {
            match self.try_open(&limit) {
                Ok(open) => {
                    self.open = Some(open);
                    return Ok(());
                }
                // Some have no such device while there is no cartridge in it (ndmjob).
                Err(OpenError::Said(error @ (Error::NoTapeLoaded | Error::NoDevice))) => {
                    if started.elapsed() >= self.timeouts.arrival {
                        let kind = match error {
                            Error::NoDevice => FaultKind::WrongDevice,
                            _ => FaultKind::Empty,
                        };
                        return Err(self.fault(
                            kind,
                            action,
                            format!("{}: {}", self.device.name(), words(error)),
                        ));
                    }
                }
                Err(OpenError::Said(error)) => {
                    let error = refused(&self.server, self.device.name(), error);
                    return Err(self.of_transport(action, &error));
                }
                Err(OpenError::Transport(error)) => return Err(self.of_transport(action, &error)),
            }
            limit.sleep(ASK_EVERY).map_err(|over| Fault::of_over(&self.name, action, over))?;
        }
    }

    /// Asks the open drive. Without an answer the connection is given up and the position gone.
    fn ask<R: Reply>(
        &mut self,
        action: &str,
        code: MessageCode,
        request: &impl Wire,
        time: Duration,
    ) -> Result<R, Fault> {
        let limit = self.limit(time);
        let Some(open) = &mut self.open else {
            return Err(self.fault(
                FaultKind::PositionLost,
                action,
                "the drive is not open; load its cartridge first",
            ));
        };
        match open.client.ask(code, request, &limit) {
            Ok(reply) => Ok(reply),
            Err(error) => {
                if !error.was_not_begun() {
                    self.open = None;
                    self.place = None;
                }
                Err(self.of_transport(action, &error))
            }
        }
    }

    fn motion(&mut self, action: &str, tape_op: TapeMtioOp, count: u32) -> Result<Moved, Fault> {
        let time = self.timeouts.motion;
        let request = TapeMtioRequest { tape_op, count };
        let reply: TapeMtioReply = self.ask(action, MessageCode::TapeMtio, &request, time)?;
        let left = Some(reply.resid_count).filter(|left| *left <= count).map(u64::from);
        Ok(Moved { error: reply.error, left })
    }

    /// What the server says about the tape.
    fn tell(&mut self, action: &str) -> Result<Told, Fault> {
        let time = self.timeouts.question;
        let is_v3 = self.open.as_ref().is_some_and(|open| open.client.dialect() == Dialect::V3);
        let state = if is_v3 {
            let reply: v3::TapeGetStateReply = self.ask(action, MessageCode::TapeGetState, &(), time)?;
            of_v3(&reply)
        } else {
            self.ask(action, MessageCode::TapeGetState, &(), time)?
        };
        if state.error != Error::NoErr {
            return Err(self.said(action, state.error));
        }
        Ok(told(&state))
    }

    /// The fault that an error in a reply is.
    fn said(&mut self, action: &str, error: Error) -> Fault {
        let complaint = self.open.as_mut().and_then(|open| open.client.take_complaint());
        let detail = match complaint {
            Some(complaint) => format!("{}: {complaint}", words(error)),
            None => words(error),
        };
        if error == Error::DevNotOpen {
            // The server has closed it behind our back: whatever comes, it is opened anew first.
            self.open = None;
            self.place = None;
        }
        self.fault(kind_of(error), action, detail)
    }

    /// Where the tape stands, before something is done that depends on it.
    fn stand(&self, action: &str) -> Result<Place, Fault> {
        let detail = "load or rewind first; nothing was done";
        self.place.ok_or_else(|| self.fault(FaultKind::PositionLost, action, detail))
    }

    /// Before the tape is moved: the server would put a filemark behind the last record.
    fn check_terminated(&self, action: &str) -> Result<(), Fault> {
        if !self.is_unterminated {
            return Ok(());
        }
        let detail = "the last thing written is a record, behind which this server puts a filemark of its own; a tape that does \
                      not end with a filemark cannot be copied exactly to a drive without TAPE_EXECUTE_CDB";
        Err(self.fault(FaultKind::Unsupported, action, detail))
    }

    /// The beginning of the tape, as the server must confirm.
    fn go_to_beginning(&mut self, action: &str) -> Result<(), Fault> {
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
    fn compare_place(&mut self, action: &str) -> Result<Place, Fault> {
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
    fn space(&mut self, action: &str, forward: TapeMtioOp, count: i64) -> Result<Spaced, Fault> {
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
    fn pass_mark(&mut self, action: &str, place: Place, operation: TapeMtioOp) -> Result<bool, Fault> {
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
    fn go_to(&mut self, target: &Place) -> Result<(), Fault> {
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

    /// Closes the drive, so that the robot can take the cartridge.
    fn close_drive(&mut self) -> Result<(), Fault> {
        self.place = None;
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if self.is_unterminated {
            tracing::warn!(drive = %self.serial, "the NDMP server puts a filemark behind the last record");
            self.is_unterminated = false;
        }
        // Also when the job was called off: it is how a cartridge gets home.
        let limit = Limit::new(&Cancel::new(), self.timeouts.motion);
        let asked = open.client.ask::<TapeCloseReply>(MessageCode::TapeClose, &(), &limit);
        match asked.map_err(|error| self.of_transport("close", &error))?.error {
            Error::NoErr | Error::DevNotOpen => {
                open.client.close();
                Ok(())
            }
            error => Err(self.said("close", error)),
        }
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

fn kind_of(error: Error) -> FaultKind {
    match error {
        Error::NotSupported => FaultKind::Unsupported,
        Error::DeviceBusy | Error::IllegalState => FaultKind::Busy,
        Error::NotAuthorized => FaultKind::Refused,
        Error::Permission | Error::WriteProtect => FaultKind::WriteProtected,
        Error::DevNotOpen => FaultKind::PositionLost,
        Error::Io => FaultKind::Medium,
        Error::Timeout => FaultKind::TimedOut,
        Error::IllegalArgs | Error::XdrDecode | Error::NoMem => FaultKind::IllegalRequest,
        Error::NoTapeLoaded => FaultKind::Empty,
        Error::Eof => FaultKind::EndOfData,
        Error::Eom => FaultKind::EndOfMedium,
        Error::NoDevice => FaultKind::WrongDevice,
        _ => FaultKind::Nonsense,
    }
}

fn of_v3(reply: &v3::TapeGetStateReply) -> TapeGetStateReply {
    TapeGetStateReply {
        unsupported: reply.invalid,
        error: reply.error,
        flags: reply.flags,
        file_num: reply.file_num,
        soft_errors: reply.soft_errors,
        block_size: reply.block_size,
        blockno: reply.blockno,
        total_space: reply.total_space,
        space_remain: reply.space_remain,
    }
}

fn told(state: &TapeGetStateReply) -> Told {
    let has = |mask: u32| state.unsupported & mask == 0;
    let number = |value: u32, mask: u32| Some(u64::from(value)).filter(|_| has(mask) && value != u32::MAX);
    let space = |value: u64, mask: u32| Some(value).filter(|value| has(mask) && *value != u64::MAX);
    Told {
        file: number(state.file_num, TAPE_STATE_FILE_NUM_UNS),
        record: number(state.blockno, TAPE_STATE_BLOCKNO_UNS),
        is_write_protected: state.flags & TAPE_STATE_WR_PROT != 0,
        total_bytes: space(state.total_space.0, TAPE_STATE_TOTAL_SPACE_UNS).filter(|bytes| *bytes > 0),
        left_bytes: space(state.space_remain.0, TAPE_STATE_SPACE_REMAIN_UNS),
    }
}

impl PhysicalDrive for MessageDrive {
    fn serial(&self) -> &str {
        &self.serial
    }

    fn state(&mut self) -> Result<DriveState, Fault> {
        const ACTION: &str = "look into it";
        if self.open.is_some() {
            match self.tell(ACTION) {
                Ok(_) => return Ok(DriveState::Ready),
                Err(fault) if fault.kind == FaultKind::Empty => {
                    self.close_drive()?;
                    return Ok(DriveState::Empty);
                }
                // Opening it again tells.
                Err(_) if self.open.is_none() => {}
                Err(fault) => return Err(fault),
            }
        }
        let limit = self.limit(self.timeouts.question);
        match self.try_open(&limit) {
            Ok(open) => {
                close(open.client, &self.device);
                Ok(DriveState::Unloaded)
            }
            Err(OpenError::Said(Error::NoTapeLoaded | Error::NoDevice)) => Ok(DriveState::Empty),
            Err(OpenError::Said(error)) => {
                let error = refused(&self.server, self.device.name(), error);
                Err(self.of_transport(ACTION, &error))
            }
            Err(OpenError::Transport(error)) => Err(self.of_transport(ACTION, &error)),
        }
    }

    fn load(&mut self) -> Result<(), Fault> {
        const ACTION: &str = "load";
        // What was written is noticed to be there or not by looking at the tape anew, whatever the close says.
        if let Err(fault) = self.close_drive() {
            tracing::info!(%fault, "the drive is opened anew");
        }
        self.is_dirty = false;
        self.open_loaded(ACTION)?;
        self.go_to_beginning(ACTION)?;
        self.find_record_limit(ACTION)
    }

    fn unload(&mut self) -> Result<(), Fault> {
        const ACTION: &str = "unload";
        let cancel = std::mem::take(&mut self.cancel);
        let unloaded = self.unload_whatever(ACTION);
        self.cancel = cancel;
        unloaded
    }

    fn cartridge(&mut self) -> Result<Cartridge, Fault> {
        let told = self.tell("look at the cartridge")?;
        let is_writable = self.open.as_ref().is_some_and(|open| open.is_writable);
        Ok(Cartridge {
            is_write_protected: told.is_write_protected || !is_writable,
            capacity_bytes: told.total_bytes,
            remaining_bytes: told.left_bytes,
            ..Cartridge::default()
        })
    }

    fn record_limits(&mut self) -> Result<RecordLimits, Fault> {
        Ok(RecordLimits { minimum_bytes: 1, maximum_bytes: self.record_bytes_max })
    }

    fn alerts(&mut self) -> Result<Option<Alerts>, Fault> {
        Ok(None)
    }

    fn place(&mut self) -> Result<Place, Fault> {
        self.compare_place("tell the position")
    }

    fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadRecord, Fault> {
        self.read(buffer)
    }

    fn write_record(&mut self, record: &[u8]) -> Result<Room, Fault> {
        self.write(record)
    }

    fn write_filemarks(&mut self, count: u32) -> Result<Room, Fault> {
        if count == 0 { self.flush() } else { self.mark(count) }
    }

    fn synchronise(&mut self) -> Result<Room, Fault> {
        self.flush()
    }

    fn space_records(&mut self, count: i64) -> Result<Spaced, Fault> {
        self.space("space over records", TapeMtioOp::Fsr, count)
    }

    fn space_filemarks(&mut self, count: i64) -> Result<Spaced, Fault> {
        self.space("space over filemarks", TapeMtioOp::Fsf, count)
    }

    fn space_to_end_of_data(&mut self) -> Result<(), Fault> {
        const ACTION: &str = "space to the end of data";
        // More marks than a tape has, but a number that counts with a sign hold it as well.
        let spaced = self.space(ACTION, TapeMtioOp::Fsf, i64::from(i32::MAX))?;
        if spaced.end == SpaceEnd::Done {
            self.place = None;
            return Err(self.fault(FaultKind::Nonsense, ACTION, "there is no end of marks"));
        }
        Ok(())
    }

    fn locate(&mut self, place: &Place) -> Result<(), Fault> {
        self.go_to(place)
    }

    fn rewind(&mut self) -> Result<(), Fault> {
        const ACTION: &str = "rewind";
        self.check_terminated(ACTION)?;
        if self.open.is_none() {
            return self.load();
        }
        self.go_to_beginning(ACTION)
    }
}

impl MessageDrive {
    fn unload_whatever(&mut self, action: &str) -> Result<(), Fault> {
        if self.open.is_none() {
            // Opened only to have the cartridge put out: another program may have done so before.
            let limit = self.limit(self.timeouts.question);
            match self.try_open(&limit) {
                Ok(open) => self.open = Some(open),
                Err(OpenError::Said(Error::NoTapeLoaded | Error::NoDevice)) => return Ok(()),
                Err(OpenError::Said(error)) => {
                    let error = refused(&self.server, self.device.name(), error);
                    return Err(self.of_transport(action, &error));
                }
                Err(OpenError::Transport(error)) => return Err(self.of_transport(action, &error)),
            }
        }
        self.place = None;
        let moved = self.motion(action, TapeMtioOp::Off, 1)?;
        let closed = self.close_drive();
        match moved.error {
            // Not every drive has something to unload.
            Error::NoErr | Error::NoTapeLoaded | Error::NotSupported | Error::IllegalArgs => closed,
            error => Err(self.said(action, error)),
        }
    }
}

impl Drop for MessageDrive {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            close(open.client, &self.device);
        }
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

    #[test]
    fn numbers_that_a_server_does_not_know_are_not_taken() {
        let state = TapeGetStateReply { file_num: 7, blockno: u32::MAX, ..TapeGetStateReply::default() };
        assert_eq!((told(&state).file, told(&state).record), (Some(7), None));
        let state = TapeGetStateReply { unsupported: TAPE_STATE_FILE_NUM_UNS, blockno: 3, ..state };
        assert_eq!((told(&state).file, told(&state).record), (None, Some(3)));
    }
}
