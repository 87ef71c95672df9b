//! Robot and drives as one library: found by their serial numbers, whatever their order and their LUNs.
//!
//! The robot tells the serial number of each drive; the drive tells its own. Where robots do not tell, the operator's list does.
//! Must not know which transport it is.

use super::device::Device;
use super::elements::Identifier;
use super::inquiry::{TYPE_CHANGER, TYPE_DRIVE};
use super::robot::Robot;
use super::{Timeouts, drive};
use crate::physical::drive::PhysicalDrive;
use crate::physical::fault::{Fault, FaultKind};
use crate::physical::library::{Identity, Inventory, Library};
use crate::physical::limit::{Cancel, Limit};
use crate::physical::transport::{Bus, Unit};

/// What the operator says about a library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The robot's serial number; none: there is one robot.
    pub serial: Option<String>,
    /// Serial numbers of drives by element address, for robots that do not tell them.
    pub drives: Vec<(u16, String)>,
    /// How long commands may take.
    pub timeouts: Timeouts,
}

/// A drive on the bus.
#[derive(Clone, Debug)]
struct Found {
    serial: String,
    unit: Unit,
}

/// A library of SCSI devices.
pub struct ScsiLibrary {
    name: String,
    bus: Box<dyn Bus>,
    robot: Robot,
    settings: Settings,
    drives: Vec<Found>,
}

impl ScsiLibrary {
    /// Looks at all devices of the bus, for the robot and the drives. A device that does not answer is passed over: it may be
    /// another's. `name` is the operator's name for the library.
    ///
    /// # Errors
    /// [`Fault`]: [`FaultKind::WrongDevice`] if the robot is not there, or two devices have the same serial number.
    pub fn open(
        name: &str,
        mut bus: Box<dyn Bus>,
        settings: Settings,
        cancel: &Cancel,
    ) -> Result<Self, Fault> {
        let name = format!("library {name}");
        let Devices { robots, drives, silent } = look_around(&name, bus.as_mut(), settings.timeouts, cancel)?;
        let (serial, device) = choose(&name, robots, &silent, settings.serial.as_deref())?;
        let robot = Robot::new(device, &name, Some(serial), "")?;
        Ok(Self { name, bus, robot, settings, drives })
    }

    fn fault(&self, kind: FaultKind, action: &str, detail: impl Into<String>) -> Fault {
        Fault::new(kind, &self.name, action, detail)
    }

    /// The drive at an element address, if it is known and there.
    fn drive_at(&mut self, address: u16) -> Result<Option<Found>, Fault> {
        let serials = self.drive_serials()?;
        let serial = serials.into_iter().find(|(known, _)| *known == address).map(|(_, serial)| serial);
        Ok(self.drives.iter().find(|found| Some(&found.serial) == serial.as_ref()).cloned())
    }

    /// Serial numbers of the drives by address: the operator's, the robot's, and what can be concluded.
    fn drive_serials(&mut self) -> Result<Vec<(u16, String)>, Fault> {
        let reports = self.robot.drives()?;
        let told = reports.iter().filter_map(|report| Some((report.address, report.identifier.as_ref()?)));
        Ok(match_serials(&self.settings.drives, &told.collect::<Vec<_>>(), &self.drives))
    }
}

/// What is on a bus.
#[derive(Default)]
struct Devices {
    robots: Vec<(String, Device)>,
    drives: Vec<Found>,
    /// What was wrong with those that did not answer.
    silent: Vec<String>,
}

fn look_around(name: &str, bus: &mut dyn Bus, timeouts: Timeouts, cancel: &Cancel) -> Result<Devices, Fault> {
    const ACTION: &str = "find the devices";
    let of_bus = |error| Fault::of_transport(name, ACTION, &error);
    let units = bus.units(&Limit::new(cancel, timeouts.question)).map_err(of_bus)?;
    let mut devices = Devices::default();
    for unit in units {
        if let Err(fault) = look(name, bus, unit, timeouts, cancel, &mut devices) {
            if fault.kind == FaultKind::Cancelled {
                return Err(fault);
            }
            tracing::warn!(%fault, "a device is passed over");
            devices.silent.push(fault.to_string());
        }
    }
    check_serials(name, &devices.drives)?;
    Ok(devices)
}

/// Which device one unit is.
fn look(
    name: &str,
    bus: &mut dyn Bus,
    unit: Unit,
    timeouts: Timeouts,
    cancel: &Cancel,
    devices: &mut Devices,
) -> Result<(), Fault> {
    let connected = bus.connect(unit, &Limit::new(cancel, timeouts.question));
    let transport = connected.map_err(|error| Fault::of_transport(name, "find the devices", &error))?;
    let mut device = Device::new(transport, timeouts, cancel);
    match device.inquiry()?.device_type {
        Some(TYPE_DRIVE) => devices.drives.push(Found { serial: device.serial()?, unit }),
        Some(TYPE_CHANGER) => devices.robots.push((device.serial()?, device)),
        _ => {}
    }
    Ok(())
}

fn check_serials(name: &str, drives: &[Found]) -> Result<(), Fault> {
    let serials: Vec<&str> = drives.iter().map(|found| found.serial.as_str()).collect();
    let twice = serials.iter().enumerate().find(|(at, serial)| serials[..*at].contains(serial));
    match twice {
        None => Ok(()),
        Some((_, serial)) => {
            let detail =
                format!("two drives have the serial number {serial:?}; name one of the two paths only");
            Err(Fault::new(FaultKind::WrongDevice, name, "find the drives", detail))
        }
    }
}

fn choose(
    name: &str,
    mut robots: Vec<(String, Device)>,
    silent: &[String],
    wanted: Option<&str>,
) -> Result<(String, Device), Fault> {
    let there = robots.iter().map(|(serial, _)| format!("{serial:?}")).collect::<Vec<_>>().join(", ");
    let there = if there.is_empty() { "none".to_owned() } else { there };
    let fault = |detail: String| Fault::new(FaultKind::WrongDevice, name, "find the robot", detail);
    robots.retain(|(serial, _)| wanted.is_none_or(|wanted| wanted == serial));
    match (robots.pop(), robots.is_empty()) {
        (Some(robot), true) => Ok(robot),
        (Some(_), false) => Err(fault(format!("several are there: {there}; name one by its serial number"))),
        (None, _) => {
            let silent = silent.iter().map(|fault| format!("; {fault}")).collect::<String>();
            Err(fault(format!("robots there: {there}; wanted: {}{silent}", wanted.unwrap_or("any"))))
        }
    }
}

/// Which drive is where. What the operator says comes first, then whole serial numbers, then those that the robot cut off,
/// where but one drive that is left can be meant.
fn match_serials(
    configured: &[(u16, String)],
    told: &[(u16, &Identifier)],
    drives: &[Found],
) -> Vec<(u16, String)> {
    let mut matched = configured.to_vec();
    for is_whole in [true, false] {
        for (address, identifier) in told {
            if matched.iter().any(|(known, _)| known == address) {
                continue;
            }
            let is_free = |serial: &str| matched.iter().all(|(_, other)| other != serial);
            let fits =
                |serial: &str| if is_whole { identifier.is_of(serial) } else { identifier.may_be_of(serial) };
            let mut fitting =
                drives.iter().map(|found| &found.serial).filter(|serial| is_free(serial) && fits(serial));
            if let (Some(serial), None) = (fitting.next(), fitting.next()) {
                if !is_whole {
                    tracing::info!(address, %serial, "the robot cut a drive's serial number off; only this one fits");
                }
                matched.push((*address, serial.clone()));
            }
        }
    }
    matched
}

impl Library for ScsiLibrary {
    fn identity(&self) -> &Identity {
        &self.robot.identity
    }

    fn inventory(&mut self, cancel: &Cancel) -> Result<Inventory, Fault> {
        self.robot.begin(cancel)?;
        let serials = self.drive_serials()?;
        self.robot.inventory(&serials)
    }

    fn look_again(&mut self, cancel: &Cancel) -> Result<(), Fault> {
        self.robot.begin(cancel)?;
        self.robot.changer.look_again()
    }

    fn move_medium(&mut self, from: u16, to: u16, cancel: &Cancel) -> Result<(), Fault> {
        self.robot.begin(cancel)?;
        self.robot.changer.move_medium(from, to)
    }

    fn open_drive(&mut self, address: u16, cancel: &Cancel) -> Result<Box<dyn PhysicalDrive>, Fault> {
        const ACTION: &str = "open a drive";
        self.robot.begin(cancel)?;
        let found = match self.drive_at(address)? {
            Some(found) => Some(found),
            // It may have been switched on, or plugged in, since.
            None => {
                let devices = look_around(&self.name, self.bus.as_mut(), self.settings.timeouts, cancel)?;
                self.drives = devices.drives;
                self.drive_at(address)?
            }
        };
        let Found { serial, unit } = found.ok_or_else(|| {
            let detail = format!(
                "which drive is at {address:04X}h is not known: the robot does not tell its serial number, or no drive that answers \
                 has it; look at its cables, or configure it"
            );
            self.fault(FaultKind::WrongDevice, ACTION, detail)
        })?;
        let limit = Limit::new(cancel, self.settings.timeouts.question);
        let connected = self.bus.connect(unit, &limit);
        let transport =
            connected.map_err(|error| Fault::of_transport(&format!("drive {serial}"), ACTION, &error))?;
        drive::open(transport, Some(&serial), self.settings.timeouts, cancel)
    }

    fn prevent_removal(&mut self, prevent: bool, cancel: &Cancel) -> Result<(), Fault> {
        self.robot.begin(cancel)?;
        self.robot.changer.prevent_removal(prevent)
    }
}
