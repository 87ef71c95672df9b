//! From the configuration to what sessions share: loaders opened, drives started, devices named.
//!
//! It must not run inside the runtime: mounting the tapes that stood in drives waits for the drives' threads.

use super::cartridges::DiskCartridges;
use super::known::KnownLoaders;
use super::{ServerError, host};
use crate::config::{Compression, Config, LoaderConfig};
use crate::ndmp::session::{Device, Facts};
use crate::ndmp::shell::{DataSettings, World};
use crate::scsi::identity::{CHANGER, DRIVE, Product};
use crate::tape;
use crate::vtl::bay::Bay;
use crate::vtl::drive::DriveHandle;
use crate::vtl::element::{ElementCounts, ElementLayout};
use crate::vtl::loader::{Loader, LoaderError, LoaderSettings};
use std::sync::Arc;
use uuid::Uuid;

/// Opens everything the configuration names.
pub(super) fn assemble(config: &Config) -> Result<World, ServerError> {
    let mut world = World {
        facts: Facts {
            identity: host::identity(),
            users: config.users.iter().cloned().map(Arc::new).collect(),
            ..Facts::default()
        },
        drives: Vec::new(),
        robots: Vec::new(),
        data: DataSettings {
            ports: config.server.data_ports.clone(),
            addresses: config.server.data_addresses.clone(),
        },
        sessions_max: config.server.max_sessions,
    };
    let mut known = KnownLoaders::load(&config.server.state_dir);
    for loader in &config.loaders {
        open_known_loader(loader, &mut known, &mut world)
            .map_err(|error| format!("loader {:?}: {error}", loader.name))?;
    }
    Ok(world)
}

fn open_known_loader(
    config: &LoaderConfig,
    known: &mut KnownLoaders,
    world: &mut World,
) -> Result<(), ServerError> {
    known.check(&config.path)?;
    let uuid = open_loader(config, world)?;
    known.remember(&config.path, uuid);
    Ok(())
}

fn open_loader(config: &LoaderConfig, world: &mut World) -> Result<Uuid, ServerError> {
    // The drives' serial numbers come from the loader's identity, and the loader is opened with its drives.
    let identity = Loader::identity_of(&config.path)?;
    let mut bays: Vec<Arc<dyn Bay>> = Vec::new();
    for index in 0..drive_count(config) {
        let name = config.drive_device(index.into());
        let serial = identity.drive_serial(index);
        let world_wide_name = identity.drive_world_wide_name(index);
        let drive = DriveHandle::start(&name, &serial, world_wide_name, compression(config))?;
        bays.push(Arc::new(drive.clone()));
        world.drives.push(drive);
        world.facts.tapes.push(device(config, name, serial, &DRIVE));
    }
    let loader = Loader::open(settings(config), bays, Arc::new(DiskCartridges))?;
    let name = config.robot_device();
    world.facts.robots.push(device(config, name, loader.serial(), &CHANGER));
    world.robots.push(Arc::new(loader));
    Ok(identity.uuid())
}

fn device(config: &LoaderConfig, name: String, serial: String, product: &Product) -> Device {
    Device {
        alias: config.aliases.get(&name).cloned(),
        name,
        loader: config.name.clone(),
        model: model(product),
        serial,
    }
}

/// Vendor, product and revision in one line, as DMAs show it.
fn model(product: &Product) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    format!("{} {} {}", text(&product.vendor), text(&product.product), text(&product.revision))
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
        layout: ElementLayout::default(),
        tape_capacity_bytes: config.tape_capacity_bytes,
        tape_family: config.tape_family.clone(),
        first_tapes: config.tapes,
        trusts_map: config.slots > INSPECTED_SLOTS_MAX,
    }
}
