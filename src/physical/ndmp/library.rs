//! The library: the robot by CDBs, and the drives, each by what its server can.
//!
//! The drives' device names stand in the order of the robot's data transfer elements. Where both robot and drive tell the drive's serial
//! number, the two must be the same. The robot is open only while it is needed: who else uses it, can meanwhile.

use super::cdb::{CdbTransport, Device, OpenError, refused};
use super::login::log_in;
use super::tape::MessageDrive;
use super::{Access, Settings};
use crate::ndmp::wire::{ConfigGetScsiInfoReply, ConfigGetTapeInfoReply, DeviceInfo, Error, MessageCode};
use crate::physical::drive::PhysicalDrive;
use crate::physical::fault::{Fault, FaultKind};
use crate::physical::library::{Identity, Inventory, Library};
use crate::physical::limit::{Cancel, Limit};
use crate::physical::scsi::{Identifier, Robot, open_drive};

/// A device that the server tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    name: String,
    serial: Option<String>,
    /// Whether the server carries CDBs to it, where it says.
    executes_cdb: Option<bool>,
}

/// A library behind an NDMP server.
pub struct NdmpLibrary {
    name: String,
    settings: Settings,
    robot: Robot,
    /// The tape devices that the server tells of; it need not tell of any.
    tapes: Vec<Known>,
    /// Doors are locked, which ends when the robot is closed.
    is_locked: bool,
}

impl NdmpLibrary {
    /// Logs in and looks at the robot. `name` is the operator's name for the library.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn open(name: &str, settings: Settings, cancel: &Cancel) -> Result<Self, Fault> {
        const ACTION: &str = "open the robot";
        let name = format!("library {name}");
        let limit = Limit::new(cancel, settings.timeouts.question);
        let of_transport = |error| Fault::of_transport(&name, ACTION, &error);
        let mut client = log_in(&settings.server, &limit).map_err(of_transport)?;
        let tapes: ConfigGetTapeInfoReply =
            client.ask(MessageCode::ConfigGetTapeInfo, &(), &limit).map_err(of_transport)?;
        let robots: ConfigGetScsiInfoReply =
            client.ask(MessageCode::ConfigGetScsiInfo, &(), &limit).map_err(of_transport)?;
        client.close();
        let (tapes, robots) = (known(&tapes.tape_info), known(&robots.scsi_info));
        let device = settings.robot_device.clone();
        let known_as = robots
            .iter()
            .find(|robot| robot.name == device)
            .and_then(|robot| robot.serial.clone())
            .unwrap_or_else(|| format!("{}/{device}", settings.server.address));
        let opened = CdbTransport::open(&settings.server, Device::Robot(device.clone()), &limit);
        let transport = opened.map_err(|error| match error {
            OpenError::Said(Error::NoDevice) => {
                let detail = format!("the server has no {device}; it tells of {}", names(&robots));
                Fault::new(FaultKind::WrongDevice, &name, ACTION, detail)
            }
            OpenError::Said(error) => of_transport(refused(&settings.server, &device, error)),
            OpenError::Transport(error) => of_transport(error),
        })?;
        let mut robot = Robot::open(Box::new(transport), &name, &known_as, settings.timeouts, cancel)?;
        robot.release();
        Ok(Self { name, settings, robot, tapes, is_locked: false })
    }

    fn fault(&self, kind: FaultKind, action: &str, detail: impl Into<String>) -> Fault {
        Fault::new(kind, &self.name, action, detail)
    }

    /// Does something with the robot, and lets others have it afterwards.
    fn with_robot<T>(
        &mut self,
        cancel: &Cancel,
        work: impl FnOnce(&mut Robot) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.robot.begin(cancel)?;
        let done = work(&mut self.robot);
        if !self.is_locked {
            self.robot.release();
        }
        done
    }

    /// Serial numbers of the drives by address; the device's name where the server does not tell one.
    fn drive_serials(&self) -> Vec<(u16, String)> {
        let devices = self.settings.drive_devices.iter();
        let serial = |device: &String| self.known(device).and_then(|known| known.serial.clone());
        let serials = devices.map(|device| serial(device).unwrap_or_else(|| device.clone()));
        self.robot.drive_addresses().zip(serials).collect()
    }

    fn known(&self, device: &str) -> Option<&Known> {
        self.tapes.iter().find(|known| known.name == device)
    }

    /// The drive by CDBs; none if the server does not carry them to it.
    fn by_commands(
        &self,
        device: &str,
        identifier: Option<&Identifier>,
        cancel: &Cancel,
    ) -> Result<Option<Box<dyn PhysicalDrive>>, Fault> {
        const ACTION: &str = "open a drive";
        let timeouts = self.settings.timeouts;
        let limit = Limit::new(cancel, timeouts.question);
        let opened = CdbTransport::open(&self.settings.server, Device::Drive(device.to_owned()), &limit);
        let transport = match opened {
            Ok(transport) => transport,
            Err(OpenError::Said(Error::NoDevice)) if !self.tapes.is_empty() => {
                let detail = format!("the server has no {device}; it tells of {}", names(&self.tapes));
                return Err(self.fault(FaultKind::WrongDevice, ACTION, detail));
            }
            // One that cannot be opened without a cartridge cannot be told by CDBs to load one.
            Err(OpenError::Said(Error::NoDevice | Error::NoTapeLoaded)) => return Ok(None),
            Err(OpenError::Said(error)) => {
                let error = refused(&self.settings.server, device, error);
                return Err(Fault::of_transport(&format!("drive {device}"), ACTION, &error));
            }
            Err(OpenError::Transport(error)) => {
                return Err(Fault::of_transport(&format!("drive {device}"), ACTION, &error));
            }
        };
        let drive = match open_drive(Box::new(transport), None, timeouts, cancel) {
            Ok(drive) => drive,
            Err(fault) if matches!(fault.kind, FaultKind::Unsupported | FaultKind::IllegalRequest) => {
                return Ok(None);
            }
            Err(fault) => return Err(fault),
        };
        match identifier {
            Some(identifier) if !identifier.may_be_of(drive.serial()) => {
                let detail = format!(
                    "the robot says that another drive is there than {device}, whose serial number is {}; put drive_devices into \
                     the order of the robot's drives",
                    drive.serial()
                );
                Err(self.fault(FaultKind::WrongDevice, ACTION, detail))
            }
            _ => Ok(Some(drive)),
        }
    }
}

impl Library for NdmpLibrary {
    fn identity(&self) -> &Identity {
        &self.robot.identity
    }

    fn inventory(&mut self, cancel: &Cancel) -> Result<Inventory, Fault> {
        let serials = self.drive_serials();
        self.with_robot(cancel, |robot| robot.inventory(&serials))
    }

    fn look_again(&mut self, cancel: &Cancel) -> Result<(), Fault> {
        match self.with_robot(cancel, Robot::look_again) {
            // A simulated one has nothing to look at (ndmjob).
            Err(fault) if fault.kind == FaultKind::Unsupported => Ok(()),
            looked => looked,
        }
    }

    fn move_medium(&mut self, from: u16, to: u16, cancel: &Cancel) -> Result<(), Fault> {
        self.with_robot(cancel, |robot| robot.move_medium(from, to))
    }

    fn open_drive(&mut self, address: u16, cancel: &Cancel) -> Result<Box<dyn PhysicalDrive>, Fault> {
        const ACTION: &str = "open a drive";
        let at = self.robot.drive_addresses().position(|known| known == address);
        let at = at.ok_or_else(|| {
            self.fault(FaultKind::NoSuchElement, ACTION, format!("{address:04X}h is no drive"))
        })?;
        let Some(device) = self.settings.drive_devices.get(at).cloned() else {
            let detail =
                format!("no device is named for the drive at {address:04X}h; add it to drive_devices");
            return Err(self.fault(FaultKind::WrongDevice, ACTION, detail));
        };
        let told = self.known(&device);
        let has_no_cdb = told.is_some_and(|known| known.executes_cdb == Some(false));
        let serial = told.and_then(|known| known.serial.clone()).unwrap_or_else(|| device.clone());
        let access = self.settings.access;
        if access == Access::Commands || (access == Access::Choose && !has_no_cdb) {
            let reports = self.with_robot(cancel, Robot::drives)?;
            let report = reports.into_iter().find(|report| report.address == address);
            let identifier = report.and_then(|report| report.identifier);
            match self.by_commands(&device, identifier.as_ref(), cancel)? {
                Some(drive) => return Ok(drive),
                None if access == Access::Commands => {
                    let detail = format!("the server carries no CDBs to {device}");
                    return Err(self.fault(FaultKind::Unsupported, ACTION, detail));
                }
                None => tracing::debug!(device, "no CDBs to this drive: it is used by tape messages"),
            }
        }
        let Settings { server, timeouts, .. } = &self.settings;
        Ok(Box::new(MessageDrive::new(server, &device, serial, *timeouts, cancel)))
    }

    fn prevent_removal(&mut self, prevent: bool, cancel: &Cancel) -> Result<(), Fault> {
        // Told by a session, it ends with it.
        self.robot.begin(cancel)?;
        let done = self.robot.prevent_removal(prevent);
        self.is_locked = if done.is_ok() { prevent } else { self.is_locked };
        if !self.is_locked {
            self.robot.release();
        }
        done
    }
}

/// The devices of a list, by each of their names.
fn known(models: &[DeviceInfo]) -> Vec<Known> {
    let capabilities = models.iter().flat_map(|model| model.caplist.iter());
    let devices = capabilities.map(|capability| {
        let value = |name: &str| {
            let pval = capability.capability.iter().find(|pval| pval.name.as_bytes() == name.as_bytes());
            pval.map(|pval| pval.value.to_lossy())
        };
        Known {
            name: capability.device.to_lossy(),
            serial: value("SERIAL_NUMBER").filter(|serial| !serial.is_empty()),
            executes_cdb: value("EXECUTE_CDB").map(|to| matches!(to.as_str(), "t" | "b")),
        }
    });
    devices.collect()
}

/// For messages: the first few names.
fn names(devices: &[Known]) -> String {
    let names: Vec<&str> = devices.iter().take(8).map(|known| known.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
