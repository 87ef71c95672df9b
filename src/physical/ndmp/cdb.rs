//! CDBs to a robot or a drive of the server, as a transport: SCSI_EXECUTE_CDB and TAPE_EXECUTE_CDB.
//!
//! A server that says that it has not carried a command to the device (it does not know the message, or finds it wrong) has not
//! broken anything: that is told apart from an answer that did not come. Must not know what a CDB means.

use std::time::Duration;

use super::Server;
use super::client::Client;
use super::login::log_in;
use super::reply::words;
use crate::ndmp::wire::{
    Dialect, Error, ExecuteCdbReply, ExecuteCdbRequest, MessageCode, SCSI_DATA_IN, SCSI_DATA_OUT,
    ScsiOpenReply, ScsiOpenRequest, TapeCloseReply, TapeOpenMode, TapeOpenReply, TapeOpenRequest,
};
use crate::physical::limit::{Cancel, Limit};
use crate::physical::sense_data::SENSE_BYTES_MAX;
use crate::physical::stream::{lost, protocol};
use crate::physical::transport::{Answer, Data, Transport, TransportError};

/// How long a device that others have is waited for. A session of ours whose connection broke may have it a little longer.
pub(super) const BUSY_TIME: Duration = Duration::from_secs(5);
/// How often it is asked for.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(250);
/// How long a close may take that nobody waits for the result of.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// A device of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Device {
    Robot(String),
    Drive(String),
}

impl Device {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Robot(name) | Self::Drive(name) => name,
        }
    }

    fn execute_code(&self) -> MessageCode {
        match self {
            Self::Robot(_) => MessageCode::ScsiExecuteCdb,
            Self::Drive(_) => MessageCode::TapeExecuteCdb,
        }
    }
}

/// Why a device is not open.
#[derive(Debug)]
pub(super) enum OpenError {
    /// The server has said why.
    Said(Error),
    Transport(TransportError),
}

impl From<TransportError> for OpenError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

/// Opens a device, waiting a little for one that is busy.
pub(super) fn open(client: &mut Client, device: &Device, limit: &Limit) -> Result<(), OpenError> {
    match device {
        Device::Robot(name) => wait_while_busy(limit, || {
            let request = ScsiOpenRequest { device: name.as_str().into() };
            client.ask(MessageCode::ScsiOpen, &request, limit).map(|reply: ScsiOpenReply| reply.error)
        }),
        Device::Drive(name) => {
            let raw = raw_mode(client.dialect());
            // Whatever is in the drive; else, where the server knows no such mode, for writing, or for reading.
            match open_drive(client, name, raw, limit) {
                Err(OpenError::Said(Error::IllegalArgs | Error::NotSupported)) => {}
                opened => return opened,
            }
            match open_drive(client, name, TapeOpenMode::Rdwr, limit) {
                Err(OpenError::Said(Error::WriteProtect | Error::Permission)) => {}
                opened => return opened,
            }
            open_drive(client, name, TapeOpenMode::Read, limit)
        }
    }
}

/// Opens a drive in a mode, waiting a little for one that is busy.
pub(super) fn open_drive(
    client: &mut Client,
    name: &str,
    mode: TapeOpenMode,
    limit: &Limit,
) -> Result<(), OpenError> {
    wait_while_busy(limit, || {
        let request = TapeOpenRequest { device: name.into(), mode };
        client.ask(MessageCode::TapeOpen, &request, limit).map(|reply: TapeOpenReply| reply.error)
    })
}

/// The mode that opens a drive whatever is in it. Before version 4 no specification has one, but this number is used.
fn raw_mode(dialect: Dialect) -> TapeOpenMode {
    if dialect == Dialect::V4 { TapeOpenMode::Raw } else { TapeOpenMode::from(0x7fff_ffff) }
}

fn wait_while_busy(
    limit: &Limit,
    mut ask: impl FnMut() -> Result<Error, TransportError>,
) -> Result<(), OpenError> {
    let mut left = BUSY_TIME.as_millis() / ASK_EVERY.as_millis();
    loop {
        match ask()? {
            Error::NoErr => return Ok(()),
            Error::DeviceBusy if left > 0 => {
                left -= 1;
                limit.sleep(ASK_EVERY).map_err(|over| TransportError::Over { over, was_sent: false })?;
            }
            error => return Err(OpenError::Said(error)),
        }
    }
}

/// What an open that the server has refused is to a driver.
pub(super) fn refused(server: &Server, device: &str, error: Error) -> TransportError {
    let reason = format!("{device} at NDMP server {}: {}", server.address, words(error));
    if error == Error::DeviceBusy {
        TransportError::Busy { reason }
    } else {
        TransportError::Refused { reason }
    }
}

/// A device that executes CDBs.
pub(super) struct CdbTransport {
    server: Server,
    device: Device,
    client: Option<Client>,
}

impl CdbTransport {
    /// Logs in and opens the device.
    pub(super) fn open(server: &Server, device: Device, limit: &Limit) -> Result<Self, OpenError> {
        let mut client = log_in(server, limit)?;
        open(&mut client, &device, limit)?;
        Ok(Self { server: server.clone(), device, client: Some(client) })
    }

    fn ask(
        client: &mut Client,
        code: MessageCode,
        cdb: &[u8],
        data: &Data<'_>,
        limit: &Limit,
    ) -> Result<ExecuteCdbReply, TransportError> {
        let (flags, datain_bytes, dataout) = match data {
            Data::None => (0, 0, &[][..]),
            Data::In(room) => (SCSI_DATA_IN, room.len(), &[][..]),
            Data::Out(bytes) => (SCSI_DATA_OUT, 0, *bytes),
        };
        let over = |over| TransportError::Over { over, was_sent: false };
        let milliseconds = limit.time_left().map_err(over)?.as_millis().max(1000);
        let request = ExecuteCdbRequest {
            flags,
            // As some take this number for one with a sign, it stops short of that.
            timeout: u32::try_from(milliseconds).unwrap_or(u32::MAX).min(i32::MAX.unsigned_abs()),
            datain_len: u32::try_from(datain_bytes).unwrap_or(u32::MAX),
            cdb: cdb.into(),
            dataout: dataout.into(),
        };
        client.ask(code, &request, limit)
    }

    /// What the server says became of the command, if it was carried to the device.
    fn carried(&mut self, reply: &ExecuteCdbReply, data: &Data<'_>) -> Result<(), TransportError> {
        let complaint = self.client.as_mut().and_then(Client::take_complaint);
        let reason = || match &complaint {
            Some(complaint) => format!("{} ({complaint})", words(reply.error)),
            None => words(reply.error),
        };
        match reply.error {
            Error::NoErr => Ok(()),
            Error::NotSupported
            | Error::IllegalArgs
            | Error::XdrDecode
            | Error::NoMem
            | Error::Permission => {
                let bytes = if let Data::Out(bytes) = data { bytes.len() } else { 0 };
                let reason = format!("a CDB with {bytes} bytes of data: {}", reason());
                Err(TransportError::Unsupported { reason })
            }
            Error::DeviceBusy => Err(TransportError::Busy { reason: reason() }),
            // Whether the device has executed it is not known, and may still be doing it.
            _ => Err(lost(reason())),
        }
    }
}

impl Transport for CdbTransport {
    fn execute(&mut self, cdb: &[u8], data: Data<'_>, limit: &Limit) -> Result<Answer, TransportError> {
        let client = self.client.as_mut().ok_or_else(|| lost("it was lost or given up before"))?;
        let asked = Self::ask(client, self.device.execute_code(), cdb, &data, limit);
        let reply = asked.and_then(|reply| self.carried(&reply, &data).map(|()| reply));
        let answer = reply.and_then(|reply| answer(&reply, data));
        if answer.as_ref().is_err_and(|error| !error.was_not_begun()) {
            self.client = None;
        }
        answer
    }

    fn reconnect(&mut self, limit: &Limit) -> Result<(), TransportError> {
        self.client = None;
        match Self::open(&self.server, self.device.clone(), limit) {
            Ok(mut opened) => {
                self.client = opened.client.take();
                Ok(())
            }
            Err(OpenError::Said(error)) => Err(refused(&self.server, self.device.name(), error)),
            Err(OpenError::Transport(error)) => Err(error),
        }
    }

    fn release(&mut self) {
        if let Some(client) = self.client.take() {
            close(client, &self.device);
        }
    }

    fn describe(&self) -> String {
        format!("{} at NDMP server {}", self.device.name(), self.server.address)
    }
}

impl Drop for CdbTransport {
    fn drop(&mut self) {
        self.release();
    }
}

/// Closes the device and the session. There are servers that keep a drive for ever if it is not closed (ndmjob).
pub(super) fn close(mut client: Client, device: &Device) {
    let limit = Limit::new(&Cancel::new(), CLOSE_TIME);
    let code = match device {
        Device::Robot(_) => MessageCode::ScsiClose,
        Device::Drive(_) => MessageCode::TapeClose,
    };
    match client.ask::<TapeCloseReply>(code, &(), &limit) {
        Ok(_) => client.close(),
        Err(error) => tracing::debug!(device = device.name(), %error, "close"),
    }
}

/// What the device has answered. What came is counted, whatever is said of it.
fn answer(reply: &ExecuteCdbReply, data: Data<'_>) -> Result<Answer, TransportError> {
    let sense = reply.ext_sense.as_bytes();
    let sense = sense[..sense.len().min(SENSE_BYTES_MAX)].to_vec();
    let (transferred_bytes, residual_bytes) = match data {
        Data::None => (0, 0),
        Data::In(room) => {
            let came = reply.datain.as_bytes();
            let Some(place) = room.get_mut(..came.len()) else {
                return Err(protocol(format!("{} bytes where {} were asked for", came.len(), room.len())));
            };
            place.copy_from_slice(came);
            (came.len(), room.len() - came.len())
        }
        Data::Out(bytes) => {
            // All of it went to the server, with the command. Of a server that does not fill this in nothing can be concluded.
            let taken = usize::try_from(reply.dataout_len).unwrap_or(usize::MAX);
            let residual = if taken == 0 { 0 } else { bytes.len().saturating_sub(taken) };
            (bytes.len(), residual)
        }
    };
    Ok(Answer { status: reply.status, sense, transferred_bytes, residual_bytes })
}
