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
//! `motion` and `transfer` are the other parts: where the tape goes, records and filemarks. Must not know robots.

mod motion;
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
    TapeGetStateReply, TapeMtioOp, TapeOpenMode, v3,
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
    fn numbers_that_a_server_does_not_know_are_not_taken() {
        let state = TapeGetStateReply { file_num: 7, blockno: u32::MAX, ..TapeGetStateReply::default() };
        assert_eq!((told(&state).file, told(&state).record), (Some(7), None));
        let state = TapeGetStateReply { unsupported: TAPE_STATE_FILE_NUM_UNS, blockno: 3, ..state };
        assert_eq!((told(&state).file, told(&state).record), (None, Some(3)));
    }
}
