//! From a library's configuration to its driver: the only place that knows which drivers there are.
//!
//! A new driver is one arm of `open`.

use crate::config::{
    Driver, IscsiTarget, LibraryConfig, NdmpLibrary as NdmpConfig, ScsiLibrary as ScsiConfig,
};
use crate::physical::directory::DirectoryLibrary;
use crate::physical::iscsi::{Chap, Credentials, IscsiBus, Target};
use crate::physical::ndmp::{self, NdmpLibrary};
use crate::physical::scsi::{ScsiLibrary, Settings, Timeouts};
use crate::physical::sg::SgBus;
use crate::physical::transport::Bus;
use crate::physical::{Cancel, Library};

/// Who we are to iSCSI targets. It is the same on every host: targets tell initiators by it, and a library belongs to one.
const INITIATOR: &str = "iqn.2026-01.io.tapesilo:initiator";

/// Reaches a library. Blocks, each step within the driver's time limit.
///
/// # Errors
/// One line: what is wrong, and what to do.
pub(super) fn open(config: &LibraryConfig, cancel: &Cancel) -> Result<Box<dyn Library>, String> {
    let name = config.name.as_str();
    match &config.driver {
        Driver::Directory { path } => match DirectoryLibrary::open(name, path) {
            Ok(library) => Ok(Box::new(library)),
            Err(fault) => Err(fault.to_string()),
        },
        Driver::Scsi(ScsiConfig { iscsi, changer_serial, .. }) => {
            let bus: Box<dyn Bus> = match iscsi {
                Some(target) => Box::new(IscsiBus::new(vec![iscsi_target(name, target)?])),
                None => Box::<SgBus>::default(),
            };
            let settings = Settings { serial: changer_serial.clone(), ..Settings::default() };
            match ScsiLibrary::open(name, bus, settings, cancel) {
                Ok(library) => Ok(Box::new(library)),
                Err(fault) => Err(fault.to_string()),
            }
        }
        Driver::Ndmp(ndmp) => match NdmpLibrary::open(name, ndmp_settings(ndmp), cancel) {
            Ok(library) => Ok(Box::new(library)),
            Err(fault) => Err(fault.to_string()),
        },
    }
}

fn iscsi_target(name: &str, target: &IscsiTarget) -> Result<Target, String> {
    let IscsiTarget { portal, target, chap } = target;
    let chap = match chap {
        None => None,
        Some(login) => {
            let initiator = Credentials::new(&login.user, login.password.expose())
                .map_err(|why| format!("library {name}: chap_user, chap_secret_file: {why}"))?;
            Some(Chap { initiator, target: None })
        }
    };
    let (portal, name) = (portal.clone(), target.clone());
    Ok(Target { portal, name, initiator: INITIATOR.to_owned(), chap, digests: false })
}

fn ndmp_settings(config: &NdmpConfig) -> ndmp::Settings {
    let NdmpConfig { address, login, robot_device, drive_devices } = config;
    ndmp::Settings {
        server: ndmp::Server {
            address: address.clone(),
            credentials: ndmp::Credentials::new(&login.user, login.password.expose()),
        },
        robot_device: robot_device.clone(),
        drive_devices: drive_devices.clone(),
        access: ndmp::Access::Choose,
        timeouts: Timeouts::default(),
    }
}
