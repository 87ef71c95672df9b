//! A tape drive by SSC commands: records of any length, exact ends, and a position that is counted beside the drive's own.
//!
//! The rules that keep a copy honest are here. Nothing is written or read while the position is not known ([`ScsiDrive::stand`]).
//! What came is counted, whatever the device says of it. A command that may have been executed is not sent again. It must not
//! know how commands travel; `transfer` is the other half: records and filemarks.

mod motion;
mod transfer;

use std::time::{Duration, Instant};

use super::device::{Command, Device, Done};
use super::inquiry::TYPE_DRIVE;
use super::replies::{self, Mode, Told};
use crate::physical::drive::{Alerts, Cartridge, DriveState, PhysicalDrive, Place, Room, Spaced};
use crate::physical::fault::{Fault, FaultKind};
use crate::physical::sense_data::{SenseData, key};
use crate::physical::transport::{Data, Transport};
use crate::scsi::cdb;
use crate::vtl::tape_drive::{ReadRecord, RecordLimits};

/// How often a drive that is becoming ready is asked.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// How a drive tells its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Teller {
    Long,
    Short,
    /// It does not, or what it says at the beginning of the tape is wrong.
    None,
}

/// Takes an answer to READ POSITION apart.
type Parse = fn(&[u8]) -> Option<Told>;

/// A drive.
pub(super) struct ScsiDrive {
    device: Device,
    serial: String,
    /// Where the tape stands, by counting; none while that is not known and nothing may be read or written.
    place: Option<Place>,
    teller: Option<Teller>,
    /// It does not know LOCATE.
    has_no_locate: bool,
}

impl ScsiDrive {
    /// The drive at the other end of the transport, which must have this serial number if one is given.
    pub(super) fn new(mut device: Device, serial: &str) -> Result<Self, Fault> {
        const ACTION: &str = "open";
        device.expect(serial, ACTION)?;
        device.name = format!("drive {serial}");
        let inquiry = device.inquiry()?;
        if inquiry.device_type != Some(TYPE_DRIVE) {
            return Err(device.fault(FaultKind::WrongDevice, ACTION, "it is no tape drive"));
        }
        // What every new session is told first is no news.
        device.test_ready()?;
        device.take_event();
        Ok(Self { device, serial: serial.to_owned(), place: None, teller: None, has_no_locate: false })
    }

    /// Connects again where the connection is gone. The position is gone with it.
    fn ensure_connected(&mut self) -> Result<(), Fault> {
        if self.device.is_lost() {
            self.place = None;
            self.device.reconnect(Some(&self.serial))?;
            if self.device.take_event() == Some(FaultKind::MediumChanged) {
                return Err(self.device.fault(FaultKind::MediumChanged, "connect again", ""));
            }
        }
        Ok(())
    }

    /// Where the tape stands, before something is done that depends on it.
    fn stand(&mut self, action: &str) -> Result<Place, Fault> {
        if let Some(kind) = self.device.take_event() {
            self.place = None;
            return Err(self.device.fault(kind, action, "noticed before it was sent"));
        }
        self.place.ok_or_else(|| {
            self.device.fault(
                FaultKind::PositionLost,
                action,
                "load, rewind or locate first; nothing was done",
            )
        })
    }

    /// Sends a command that depends on the position. While it runs, and after a fault, the position is not known.
    fn execute_in_place(&mut self, command: &Command<'_>, data: Data<'_>) -> Result<(Place, Done), Fault> {
        let place = self.stand(command.action)?;
        self.place = None;
        let result = self.device.execute(command, data);
        if let Err(fault) = &result {
            // What happened is told by the fault.
            self.device.take_event();
            let was_not_sent =
                matches!(fault.kind, FaultKind::Cancelled | FaultKind::TimedOut) && !self.device.is_lost();
            self.place = (was_not_sent || leaves_position(fault)).then_some(place);
        }
        Ok((place, result?))
    }

    /// A command that may be repeated, like a rewind.
    fn execute(&mut self, cdb: &[u8], action: &str, time: Duration) -> Result<Done, Fault> {
        self.device.execute(&Command::freely(cdb, action, time), Data::None)
    }

    fn mode(&mut self) -> Result<Mode, Fault> {
        const ACTION: &str = "MODE SENSE";
        let mut data = [0; 12];
        let length = self.device.ask(&[cdb::MODE_SENSE_6, 0, 0, 0, 12, 0], ACTION, &mut data)?;
        replies::parse_mode(&data[..length])
            .ok_or_else(|| self.device.fault(FaultKind::Nonsense, ACTION, format!("{length} bytes")))
    }

    /// Records of any length, acknowledged when they are in the buffer.
    fn configure(&mut self) -> Result<(), Fault> {
        const ACTION: &str = "MODE SELECT";
        let mode = self.mode()?;
        if mode.block_bytes == 0 && mode.is_buffered {
            return Ok(());
        }
        let list = [0, 0, 0x10, 8, mode.density, 0, 0, 0, 0, 0, 0, 0];
        let cdb = [cdb::MODE_SELECT_6, 0x10, 0, 0, 12, 0];
        let command = Command::freely(&cdb, ACTION, self.device.timeouts().question);
        self.device.execute(&command, Data::Out(&list))?;
        match self.mode()?.block_bytes {
            0 => Ok(()),
            other => Err(self.device.fault(
                FaultKind::Unsupported,
                ACTION,
                format!("it keeps to blocks of {other} bytes"),
            )),
        }
    }

    /// Asks where the tape stands, in the form that the drive knows.
    fn ask_position(&mut self, form: Teller) -> Result<Option<Told>, Fault> {
        const SERVICE_LONG: u8 = 0x06;
        let mut data = [0; 32];
        let (service, room, parse): (_, _, Parse) = match form {
            Teller::Long => (SERVICE_LONG, 32, replies::parse_position_long),
            Teller::Short => (0, 20, replies::parse_position_short),
            Teller::None => return Ok(None),
        };
        let cdb = [cdb::READ_POSITION, service, 0, 0, 0, 0, 0, 0, 0, 0];
        match self.device.ask(&cdb, "READ POSITION", &mut data[..room]) {
            Ok(length) => Ok(parse(&data[..length])),
            Err(fault) if matches!(fault.kind, FaultKind::Unsupported | FaultKind::IllegalRequest) => {
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Finds out, at the beginning of the tape, whether and how the drive tells where it stands. One that does not know
    /// here will not elsewhere; believing it would stop every copy.
    fn find_teller(&mut self) -> Result<Teller, Fault> {
        for form in [Teller::Long, Teller::Short] {
            let is_right = |told: &Told| told.at_beginning && told.place.object == Some(0);
            if self.ask_position(form)?.as_ref().is_some_and(is_right) {
                return Ok(form);
            }
        }
        tracing::info!(drive = %self.serial, "the drive does not tell its position; it is counted alone");
        Ok(Teller::None)
    }

    /// Waits until the cartridge is ready, threading it if need be.
    fn wait_ready(&mut self) -> Result<(), Fault> {
        const ACTION: &str = "wait for the cartridge";
        let timeouts = self.device.timeouts();
        let (started, limit) = (Instant::now(), self.device.limit(timeouts.load));
        let mut may_load = true;
        loop {
            let Some(sense) = self.device.test_ready()? else { return Ok(()) };
            match sense.triple() {
                (key::NOT_READY, 0x3a, _) if started.elapsed() < timeouts.arrival => {}
                (key::NOT_READY, 0x04, 0x02) if may_load => {
                    may_load = false;
                    self.execute(&[cdb::LOAD_UNLOAD, 0, 0, 0, 1, 0], "LOAD", timeouts.load)?;
                    continue;
                }
                _ if is_becoming_ready(&sense) => {}
                _ => return Err(Fault::of_sense(&self.device.name, ACTION, sense)),
            }
            if let Err(over) = limit.sleep(ASK_EVERY) {
                let fault = Fault::of_over(&self.device.name, ACTION, over);
                let kind = if fault.kind == FaultKind::TimedOut { FaultKind::NotReady } else { fault.kind };
                return Err(Fault { kind, sense: Some(Box::new(sense)), ..fault });
            }
        }
    }

    /// At the beginning of the tape: ready for records of any length, and able to tell where it stands.
    fn settle(&mut self) -> Result<(), Fault> {
        self.configure()?;
        if self.teller.is_none() {
            self.teller = Some(self.find_teller()?);
        }
        Ok(())
    }
}

fn is_becoming_ready(sense: &SenseData) -> bool {
    sense.key == key::NOT_READY
        && matches!(
            (sense.asc, sense.ascq),
            (0x04, 0x00 | 0x01 | 0x04 | 0x05 | 0x06 | 0x07 | 0x08 | 0x09 | 0x0e | 0x13)
        )
}

/// Whether a command that failed so was not begun, and the tape stands where it stood.
fn leaves_position(fault: &Fault) -> bool {
    !fault.is_deferred()
        && matches!(
            fault.kind,
            FaultKind::WriteProtected
                | FaultKind::WriteOnce
                | FaultKind::Unsupported
                | FaultKind::IllegalRequest
                | FaultKind::Busy
                | FaultKind::Reserved
        )
}

impl PhysicalDrive for ScsiDrive {
    fn serial(&self) -> &str {
        &self.serial
    }

    fn state(&mut self) -> Result<DriveState, Fault> {
        self.ensure_connected()?;
        let Some(sense) = self.device.test_ready()? else { return Ok(DriveState::Ready) };
        match sense.triple() {
            (_, 0x3a, _) => Ok(DriveState::Empty),
            (key::NOT_READY, 0x04, 0x02) => Ok(DriveState::Unloaded),
            _ if is_becoming_ready(&sense) => Ok(DriveState::BecomingReady),
            _ => Err(Fault::of_sense(&self.device.name, "TEST UNIT READY", sense)),
        }
    }

    fn load(&mut self) -> Result<(), Fault> {
        self.ensure_connected()?;
        self.place = None;
        self.teller = None;
        self.wait_ready()?;
        let time = self.device.timeouts().motion;
        self.execute(&[cdb::REWIND, 0, 0, 0, 0, 0], "REWIND", time)?;
        self.settle()?;
        // Whatever happened until now, the cartridge that is in it now stands at its beginning.
        self.device.take_event();
        self.place = Some(Place::BEGINNING);
        Ok(())
    }

    fn unload(&mut self) -> Result<(), Fault> {
        self.ensure_connected()?;
        self.place = None;
        let time = self.device.timeouts().motion;
        match self.execute(&[cdb::LOAD_UNLOAD, 0, 0, 0, 0, 0], "UNLOAD", time) {
            Err(fault) if matches!(fault.kind, FaultKind::Empty | FaultKind::Unloaded) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    fn cartridge(&mut self) -> Result<Cartridge, Fault> {
        let mode = self.mode()?;
        let mut data = vec![0; 8192];
        let room = 8192u32.to_be_bytes();
        let cdb = [cdb::READ_ATTRIBUTE, 0, 0, 0, 0, 0, 0, 0, 0, 0, room[0], room[1], room[2], room[3], 0, 0];
        let memory = match self.device.ask(&cdb, "READ ATTRIBUTE", &mut data) {
            Ok(length) => replies::parse_memory(&data[..length]),
            // Not every drive and cartridge has such a memory.
            Err(fault) if matches!(fault.kind, FaultKind::Unsupported | FaultKind::IllegalRequest) => {
                replies::Memory::default()
            }
            Err(fault) => return Err(fault),
        };
        Ok(Cartridge {
            is_write_protected: mode.is_write_protected,
            is_write_once: memory.is_write_once,
            is_cleaning: memory.is_cleaning,
            density: mode.density,
            capacity_bytes: memory.capacity_bytes,
            remaining_bytes: memory.remaining_bytes,
            serial: memory.serial,
            barcode: memory.barcode,
        })
    }

    fn record_limits(&mut self) -> Result<RecordLimits, Fault> {
        const ACTION: &str = "READ BLOCK LIMITS";
        let mut data = [0; 6];
        let length = self.device.ask(&[cdb::READ_BLOCK_LIMITS, 0, 0, 0, 0, 0], ACTION, &mut data)?;
        replies::parse_limits(&data[..length])
            .ok_or_else(|| self.device.fault(FaultKind::Nonsense, ACTION, format!("{length} bytes")))
    }

    fn alerts(&mut self) -> Result<Option<Alerts>, Fault> {
        const CURRENT: u8 = 0x40;
        const PAGE: u8 = 0x2e;
        let mut data = [0; 1024];
        let [high, low] = 1024u16.to_be_bytes();
        let cdb = [cdb::LOG_SENSE, 0, CURRENT | PAGE, 0, 0, 0, 0, high, low, 0];
        match self.device.ask(&cdb, "LOG SENSE", &mut data) {
            Ok(length) => Ok(replies::parse_alerts(&data[..length])),
            Err(fault) if matches!(fault.kind, FaultKind::Unsupported | FaultKind::IllegalRequest) => {
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    fn place(&mut self) -> Result<Place, Fault> {
        self.compare_place()
    }

    fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadRecord, Fault> {
        self.read(buffer)
    }

    fn write_record(&mut self, record: &[u8]) -> Result<Room, Fault> {
        self.write(record)
    }

    fn write_filemarks(&mut self, count: u32) -> Result<Room, Fault> {
        self.mark(count)
    }

    fn synchronise(&mut self) -> Result<Room, Fault> {
        self.mark(0)
    }

    fn space_records(&mut self, count: i64) -> Result<Spaced, Fault> {
        self.space(motion::What::Records, count)
    }

    fn space_filemarks(&mut self, count: i64) -> Result<Spaced, Fault> {
        self.space(motion::What::Filemarks, count)
    }

    fn space_to_end_of_data(&mut self) -> Result<(), Fault> {
        self.space_to_end()
    }

    fn locate(&mut self, place: &Place) -> Result<(), Fault> {
        self.go_to(place)
    }

    fn rewind(&mut self) -> Result<(), Fault> {
        self.ensure_connected()?;
        self.place = None;
        let time = self.device.timeouts().motion;
        self.execute(&[cdb::REWIND, 0, 0, 0, 0, 0], "REWIND", time)?;
        self.settle()?;
        // Another cartridge may be in it, or other modes in force, since it was asked to.
        if let Some(kind) = self.device.take_event() {
            return Err(self.device.fault(kind, "REWIND", "noticed on the way"));
        }
        self.place = Some(Place::BEGINNING);
        Ok(())
    }
}

/// The drive at the other end of the transport, which must have this serial number if one is given.
///
/// # Errors
/// [`Fault`].
pub(in crate::physical) fn open(
    transport: Box<dyn Transport>,
    serial: Option<&str>,
    timeouts: super::Timeouts,
    cancel: &crate::physical::limit::Cancel,
) -> Result<Box<dyn PhysicalDrive>, Fault> {
    let mut device = Device::new(transport, timeouts, cancel);
    let serial = match serial {
        Some(serial) => serial.to_owned(),
        None => device.serial()?,
    };
    Ok(Box::new(ScsiDrive::new(device, &serial)?))
}
