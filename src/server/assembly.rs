//! From the configuration to what sessions share: loaders opened, drives started, devices named.
//!
//! It must not run inside the runtime: mounting the tapes that stood in drives waits for the drives' threads.

use super::cartridges::DiskCartridges;
use super::known::KnownLoaders;
use super::space::LoaderSpace;
use super::{ServerError, host};
use crate::access::logins::LoginRules;
use crate::access::peers::DataPeers;
use crate::config::{Compression, Config, LoaderConfig, Server, Space};
use crate::ndmp::session::{Device, Facts};
use crate::ndmp::shell::{DataSettings, DriveUnit, RobotUnit, SessionRules, World};
use crate::scsi::identity::Product;
use crate::tape;
use crate::vtl::bay::Bay;
use crate::vtl::drive::DriveHandle;
use crate::vtl::element::ElementCounts;
use crate::vtl::loader::{Loader, LoaderError, LoaderSettings, NewTapes};
use std::sync::Arc;
use std::time::Duration;

/// One loader that is open, with its drives.
pub(super) struct OpenLoader {
    /// What it was opened with, and what of it was changed since.
    pub(super) config: LoaderConfig,
    pub(super) loader: Arc<Loader>,
    /// In the order of their elements.
    pub(super) drives: Vec<DriveHandle>,
    /// Watches its file system, and makes the tapes that follow on full ones.
    keeper: Arc<LoaderSpace>,
}

/// Opens every loader that the configuration names.
pub(super) fn assemble(config: &Config) -> Result<Vec<OpenLoader>, ServerError> {
    let mut known = KnownLoaders::load(&config.server.state_dir);
    let open = |loader| {
        open_known_loader(loader, config.space, &mut known)
            .map_err(|error| format!("loader {:?}: {error}", loader.name).into())
    };
    config.loaders.iter().map(open).collect()
}

/// Opens a loader, unless its directory is one that has held a loader and does not now.
pub(super) fn open_known_loader(
    config: &LoaderConfig,
    space: Space,
    known: &mut KnownLoaders,
) -> Result<OpenLoader, ServerError> {
    known.check(&config.path)?;
    let open = open_loader(config, space)?;
    known.remember(&config.path, open.loader.uuid());
    Ok(open)
}

/// Opens one loader with its drives. The only place where that is done: at the start, by `loader create` and by a
/// reload, with a server and without.
pub(super) fn open_loader(config: &LoaderConfig, space: Space) -> Result<OpenLoader, ServerError> {
    // The drives' serial numbers come from the loader's identity, and the loader is opened with its drives.
    let identity = Loader::identity_of(&config.path)?;
    let keeper = LoaderSpace::watch(config, space)?;
    let mut drives = Vec::new();
    for index in 0..drive_count(config) {
        let name = config.drive_device(index.into());
        let serial = identity.drive_serial(index);
        let world_wide_name = identity.drive_world_wide_name(index);
        let compression = compression(config);
        let drive = DriveHandle::start_kept(&name, &serial, world_wide_name, compression, keeper.clone())?;
        drive.set_generation(config.personality.drive.generation);
        drives.push(drive);
    }
    let bays = drives.iter().map(|drive| Arc::new(drive.clone()) as Arc<dyn Bay>).collect();
    let loader = Arc::new(Loader::open(settings(config), bays, Arc::new(DiskCartridges))?);
    keeper.serve(&loader, &drives);
    Ok(OpenLoader { config: config.clone(), loader, drives, keeper })
}

/// What sessions are to share from now on: the open loaders, and of the configuration all the rest.
pub(super) fn world(config: &Config, open: &[OpenLoader]) -> World {
    let data_peers = DataPeers { networks: config.server.data_peers.clone() };
    let mut world = World {
        facts: Facts {
            is_strict: config.server.ndmp_strict,
            identity: host::identity(&config.identity),
            users: config.users.iter().cloned().map(Arc::new).collect(),
            data_peers: data_peers.clone(),
            ..Facts::default()
        },
        drives: Vec::new(),
        robots: Vec::new(),
        data: DataSettings {
            ports: config.server.data_ports.clone(),
            addresses: config.server.data_addresses.clone(),
            peers: data_peers,
        },
        rules: session_rules(&config.server),
    };
    for OpenLoader { config, loader, drives, .. } in open {
        for (index, drive) in (0..).zip(drives) {
            let serial = loader.identity().drive_serial(index);
            let product = &config.personality.drive.device.product;
            let world_wide_name = loader.identity().drive_world_wide_name(index);
            let name = drive.name().to_owned();
            world.facts.tapes.push(device(config, name, serial, world_wide_name, product));
            world.drives.push(DriveUnit { drive: drive.clone(), personality: config.personality.clone() });
        }
        let product = &config.personality.changer.device.product;
        let (serial, world_wide_name) = (loader.serial(), loader.identity().world_wide_name());
        world.facts.robots.push(device(config, config.robot_device(), serial, world_wide_name, product));
        world.robots.push(RobotUnit { loader: loader.clone(), personality: config.personality.clone() });
    }
    world
}

fn session_rules(server: &Server) -> SessionRules {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    SessionRules {
        sessions_max: server.max_sessions,
        of_address_max: server.max_sessions_per_address,
        logins: LoginRules { failed_max: server.failed_logins_max, lockout: seconds(server.lockout_seconds) },
        keepalive: seconds(server.keepalive_seconds),
    }
}

/// Whoever wants a loader for itself: no session gets a device of it any more. Dropped, they get them again.
pub(super) struct Reserved<'a>(&'a OpenLoader);

impl OpenLoader {
    /// Keeps sessions from the loader's devices, unless one of them has one open.
    pub(super) fn reserve(&self) -> Result<Reserved<'_>, ServerError> {
        let name = &self.config.name;
        // Dropped on an error, it gives back what was taken.
        let reserved = Reserved(self);
        for drive in &self.drives {
            drive
                .retire()
                .map_err(|holder| format!("loader {name}: {} is open in {holder}", drive.name()))?;
        }
        let robot = self.config.robot_device();
        self.loader.forbid_robot().map_err(|holder| format!("loader {name}: {robot} is open in {holder}"))?;
        Ok(reserved)
    }

    /// What can change of an open loader without anybody noticing.
    pub(super) fn adjust(&mut self, config: &LoaderConfig, space: Space) {
        self.keeper.adjust(config, space);
        if config.compression != self.config.compression {
            self.drives.iter().for_each(|drive| drive.set_compression(compression(config)));
        }
        self.loader.set_new_tapes(NewTapes {
            family: config.tape_family.clone(),
            capacity_bytes: config.tape_capacity_bytes,
        });
        self.config = LoaderConfig {
            compression: config.compression,
            tape_family: config.tape_family.clone(),
            tape_capacity_bytes: config.tape_capacity_bytes,
            new_tape_at_end_of_medium: config.new_tape_at_end_of_medium,
            tapes: config.tapes,
            aliases: config.aliases.clone(),
            ..self.config.clone()
        };
    }
}

impl Reserved<'_> {
    /// Flushes and closes the tapes, which stay in their drives, and lets go of the directory, for good.
    pub(super) fn close(self) {
        for drive in &self.0.drives {
            if drive.shut_down_and_wait().is_err() {
                tracing::error!(drive = drive.name(), "the drive's thread was gone before the end");
            }
        }
        self.0.loader.retire();
        std::mem::forget(self);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.drives.iter().for_each(DriveHandle::reinstate);
        self.0.loader.allow_robot();
    }
}

fn device(
    config: &LoaderConfig,
    name: String,
    serial: String,
    world_wide_name: u64,
    product: &Product,
) -> Device {
    Device {
        alias: config.aliases.get(&name).cloned(),
        name,
        loader: config.name.clone(),
        model: product.model(),
        serial,
        world_wide_name: Some(format!("{world_wide_name:016x}")),
    }
}

/// The configuration holds the numbers to what fits into element addresses.
fn to_u16(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn drive_count(config: &LoaderConfig) -> u16 {
    to_u16(config.drives)
}

fn compression(config: &LoaderConfig) -> tape::Compression {
    match config.compression {
        Compression::None => tape::Compression::None,
        Compression::Zstd => tape::Compression::Zstd,
        Compression::Lz4 => tape::Compression::Lz4,
    }
}

/// Opens a loader that no server has open, to be changed; its drives stay as they are.
pub(super) fn open_parked(config: &LoaderConfig) -> Result<Loader, LoaderError> {
    Loader::open_parked(settings(config), drive_count(config), Arc::new(DiskCartridges))
}

/// A loader of more slots is opened without a look at each tape that its map knows; the inventory follows.
const INSPECTED_SLOTS_MAX: u32 = 200;

/// How many elements of each kind the configuration asks for.
pub(super) fn counts(config: &LoaderConfig) -> ElementCounts {
    ElementCounts {
        mail_slots: to_u16(config.mail_slots),
        drives: drive_count(config),
        slots: to_u16(config.slots),
    }
}

fn settings(config: &LoaderConfig) -> LoaderSettings {
    LoaderSettings {
        name: config.name.clone(),
        directory: config.path.clone(),
        slots: to_u16(config.slots),
        mail_slots: to_u16(config.mail_slots),
        layout: config.personality.changer.layout,
        generation: config.personality.drive.generation,
        tape_capacity_bytes: config.tape_capacity_bytes,
        tape_family: config.tape_family.clone(),
        first_tapes: config.tapes,
        trusts_map: config.slots > INSPECTED_SLOTS_MAX,
    }
}
