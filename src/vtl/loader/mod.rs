//! The loader: one directory of tapes that acts as one tape library.
//!
//! It owns the slot map, the lock on the directory and the order of changes. Two mutexes: `changing` is held for the
//! whole of a move or inventory, so that there is one at a time; `state` only for instants, so that reports never wait
//! for a drive. A change is acknowledged when it is on stable storage (`slots::file`), and a tape is in the map at
//! every instant. Must not know of SCSI or NDMP. Read on in `moves`.

mod adopt;
mod changes;
pub mod elements;
mod exchange;
#[cfg(test)]
pub(crate) mod fake;
pub mod identity;
mod moves;
mod parked;
mod retire;
mod robot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tracing::{info, warn};
use uuid::Uuid;

pub use self::adopt::STAGING_PREFIX;
pub use self::changes::{DELETED_PREFIX, Destination, MAKING_PREFIX};
use self::elements::DriveView;
pub use self::elements::{Element, Elements, ShelvedTape};
pub use self::identity::Identity;
pub use self::moves::{MoveError, MovedBy};
use self::retire::Standing;
pub use self::retire::{NewTapes, RobotLease};
pub use self::robot::RobotState;
use super::barcode::{Barcode, BarcodeError};
use super::bay::Bay;
use super::element::{ElementCounts, ElementKind, ElementLayout, LayoutError, Place};
use super::generation::Generation;
use super::inventory::{Cartridges, FoundTape, InventoryChange, NewCartridge, reconcile};
use super::slots::file::{self, SlotFileError};
use super::slots::{Entry, SlotMap};
use crate::files::{Lock, open_file};

/// The file whose lock says that a process has the loader open.
pub const LOCK_NAME: &str = "lock";

/// What a loader is made of, from the configuration.
#[derive(Clone, Debug)]
pub struct LoaderSettings {
    /// Its name in the configuration and in device names.
    pub name: String,
    /// Where its tapes and its state are.
    pub directory: PathBuf,
    /// Storage elements.
    pub slots: u16,
    /// Import/export elements.
    pub mail_slots: u16,
    /// Element addresses.
    pub layout: ElementLayout,
    /// Capacity of the tapes the loader makes, in bytes.
    pub tape_capacity_bytes: u64,
    /// What the barcodes of the tapes it makes begin with.
    pub tape_family: String,
    /// The generation of its drives, and of the tapes it makes.
    pub generation: Generation,
    /// How many tapes a new loader is given.
    pub first_tapes: u32,
    /// At opening, takes the tapes that stand in the robot as sound if their directories are there: to look at each of very
    /// many takes long. Whoever opens it so is to have the inventory taken soon.
    pub trusts_map: bool,
}

/// Why a loader could not be opened or changed.
#[derive(Debug, Error)]
pub enum LoaderError {
    /// Another process has it.
    #[error("loader directory {directory} is in use by another process; stop that server or go through it")]
    InUse {
        /// The loader's directory.
        directory: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// "create", "lock" …
        action: &'static str,
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state of the loader cannot be read or kept.
    #[error(transparent)]
    State(#[from] SlotFileError),
    /// Too many elements.
    #[error("loader {name}: {source}")]
    Layout {
        /// The loader.
        name: String,
        /// Which kind.
        source: LayoutError,
    },
    /// The tape family makes no barcodes.
    #[error("tape_family: {0}")]
    Family(#[from] BarcodeError),
    /// A tape of this barcode is there already.
    #[error("loader {name} has a tape {barcode} already; choose another barcode")]
    Exists {
        /// The loader.
        name: String,
        /// The barcode.
        barcode: Barcode,
    },
    /// A staging directory that holds no tape to be adopted.
    #[error("{staging}: {reason}; import the tape again")]
    Staging {
        /// Its name.
        staging: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No server has made the loader yet.
    #[error(
        "loader {name}: no server has served {directory} yet, or its file system is not mounted; start the server"
    )]
    NotServed {
        /// The loader.
        name: String,
        /// Its directory.
        directory: PathBuf,
    },
    /// It has left the configuration, or was opened anew, while whoever asks was connected.
    #[error("loader {name} was closed in the meantime; connect anew, or try again")]
    Retired {
        /// The loader.
        name: String,
    },
    /// No slot is free.
    #[error("loader {name} has no free slot; add slots or take a tape out")]
    NoFreeSlot {
        /// The loader.
        name: String,
    },
    /// No mail slot is free.
    #[error("loader {name} has no free mail slot; empty one, or take the tape out of the robot with --shelf")]
    NoFreeMailSlot {
        /// The loader.
        name: String,
    },
    /// No such tape.
    #[error("loader {name} has no tape {barcode}{hint}")]
    NoTape {
        /// The loader.
        name: String,
        /// The barcode asked for.
        barcode: Barcode,
        /// Empty, or the nearest one.
        hint: String,
    },
    /// A tape in a drive is in use, or may be at any moment.
    #[error("tape {barcode} is in {} of loader {name}; unload it first: tapesilo tape move {name} {barcode} slot", .place.words())]
    InDrive {
        /// The loader.
        name: String,
        /// The tape.
        barcode: Barcode,
        /// The drive.
        place: Place,
    },
    /// A tape that is not to be destroyed like this.
    #[error("tape {barcode} of loader {name} is kept: {why}")]
    Protected {
        /// The loader.
        name: String,
        /// The tape.
        barcode: Barcode,
        /// The reason.
        why: &'static str,
    },
    /// A session has told the robot that nothing is to be taken out.
    #[error(
        "nothing may be taken out of loader {name} or put into its mail slots: {by} has forbidden it (PREVENT MEDIUM \
         REMOVAL); let it allow that, or end that session"
    )]
    RemovalPrevented {
        /// The loader.
        name: String,
        /// Who, as the operator knows it.
        by: String,
    },
    /// A tape that no drive could use.
    #[error("tape {barcode} of loader {name} cannot come into the robot: {reason}")]
    Unusable {
        /// The loader.
        name: String,
        /// The tape.
        barcode: Barcode,
        /// What is wrong with it.
        reason: String,
    },
}

/// An open loader. It is closed by dropping it; everything is durable before that.
pub struct Loader {
    settings: LoaderSettings,
    counts: ElementCounts,
    identity: Identity,
    bays: Vec<Arc<dyn Bay>>,
    cartridges: Arc<dyn Cartridges>,
    changing: Mutex<()>,
    state: Mutex<State>,
    standing: Standing,
}

struct State {
    /// Shared with who looks at it: a large one is not copied for every look.
    map: Arc<SlotMap>,
    /// For each drive, why the tape at its element is not mounted.
    faults: Vec<Option<String>>,
    /// Tapes are taken as sound that nobody has looked at since the loader was opened.
    is_taken_on_trust: bool,
    /// Why tapes are on the shelf, as the last inventory found.
    shelved: BTreeMap<Barcode, String>,
}

impl Loader {
    /// The identity of the loader in `directory`; makes both when they are new. For whoever has to make the drives,
    /// which need their serial numbers, before the loader can be opened with them.
    ///
    /// # Errors
    /// [`LoaderError::InUse`] while a loader has the directory open, and what reading and writing the state may give.
    pub fn identity_of(directory: &Path) -> Result<Identity, LoaderError> {
        let _lock = lock_directory(directory)?;
        let uuid = match file::peek_uuid(directory) {
            Some(uuid) => uuid,
            None => read_or_create(directory)?.uuid,
        };
        Ok(Identity::new(uuid))
    }

    /// Opens the loader: locks its directory, makes the first tapes if it is new, finds the tapes that are there, and
    /// mounts those that stood in drives. `bays` are its drives, in the order of their elements.
    ///
    /// # Errors
    /// [`LoaderError`]. A tape that cannot be mounted again is no error: its element reports the fault.
    pub fn open(
        settings: LoaderSettings,
        bays: Vec<Arc<dyn Bay>>,
        cartridges: Arc<dyn Cartridges>,
    ) -> Result<Self, LoaderError> {
        let drives = u16::try_from(bays.len()).unwrap_or(u16::MAX);
        let counts = ElementCounts { mail_slots: settings.mail_slots, drives, slots: settings.slots };
        let layout_error = |source| LoaderError::Layout { name: settings.name.clone(), source };
        settings.layout.check(counts).map_err(layout_error)?;
        let lock = lock_directory(&settings.directory)?;
        let new_tapes =
            NewTapes { family: settings.tape_family.clone(), capacity_bytes: settings.tape_capacity_bytes };
        let map = read_or_create(&settings.directory)?;
        let loader = Self {
            counts,
            identity: Identity::new(map.uuid),
            cartridges,
            changing: Mutex::new(()),
            state: Mutex::new(State {
                map: Arc::new(map),
                faults: vec![None; bays.len()],
                is_taken_on_trust: settings.trusts_map,
                shelved: BTreeMap::new(),
            }),
            standing: Standing::new(lock, new_tapes),
            bays,
            settings,
        };
        loader.sweep();
        loader.repair()?;
        loader.first_inventory()?;
        loader.make_first_tapes()?;
        loader.mount_again();
        Ok(loader)
    }

    /// What the loader in `directory` holds, for reports without a server: takes no lock and changes nothing. The
    /// drives are all taken as idle and in order, and new tapes are shown where the next inventory would put them.
    ///
    /// # Errors
    /// [`LoaderError::State`] and [`LoaderError::Io`] when the directory cannot be read.
    pub fn peek(
        directory: &Path,
        layout: ElementLayout,
        counts: ElementCounts,
        cartridges: &dyn Cartridges,
    ) -> Result<Elements, LoaderError> {
        let mut map = file::read(directory)?.unwrap_or_else(|| SlotMap::new(Uuid::nil()));
        map.repair(counts);
        let found = cartridges.scan(directory, &BTreeSet::new()).map_err(io_error("list", directory))?;
        let in_drives = tapes_in_drives(&map);
        let (map, change) = reconcile(&map, counts, &found, &in_drives);
        let identity = Identity::new(map.uuid);
        let drives: Vec<DriveView> = (0..counts.drives)
            .map(|index| DriveView { serial: identity.drive_serial(index), access: true, fault: None })
            .collect();
        Ok(Elements::new(layout, counts, &map, &drives, &change.shelved))
    }

    /// The loader's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What the loader was opened with.
    #[must_use]
    pub fn settings(&self) -> &LoaderSettings {
        &self.settings
    }

    /// How many elements it has.
    #[must_use]
    pub fn counts(&self) -> ElementCounts {
        self.counts
    }

    /// The uuid that its serial numbers derive from.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.identity.uuid()
    }

    /// The robot's serial number.
    #[must_use]
    pub fn serial(&self) -> String {
        self.identity.serial()
    }

    /// Serial numbers and world wide names of the robot and the drives.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// A picture of all elements. Never waits for a drive.
    #[must_use]
    pub fn elements(&self) -> Elements {
        let (map, faults, shelved) = {
            let state = self.state();
            (Arc::clone(&state.map), state.faults.clone(), state.shelved.clone())
        };
        let drives: Vec<DriveView> = self
            .bays
            .iter()
            .zip(faults)
            .map(|(bay, fault)| DriveView { serial: bay.serial(), access: bay.picker_access(), fault })
            .collect();
        Elements::new(self.settings.layout, self.counts, &map, &drives, &shelved)
    }

    /// The place at an element address, if there is one.
    #[must_use]
    pub fn place_at(&self, address: u16) -> Option<Place> {
        self.settings.layout.place(self.counts, address)
    }

    /// Where a tape is, if the loader knows it.
    #[must_use]
    pub fn place_of(&self, barcode: &Barcode) -> Option<Place> {
        self.state().map.tapes.get(barcode).map(|entry| entry.place)
    }

    /// The directory of a tape.
    #[must_use]
    pub fn tape_directory(&self, barcode: &Barcode) -> PathBuf {
        self.settings.directory.join(barcode)
    }

    /// Inventory: looks at the directory again. New tapes come into free slots, vanished ones leave the map, damaged
    /// ones leave the robot.
    ///
    /// # Errors
    /// [`LoaderError::Io`] when the directory cannot be listed, [`LoaderError::State`] when the result cannot be kept;
    /// the loader is then unchanged.
    pub fn rescan(&self) -> Result<InventoryChange, LoaderError> {
        let _changing = self.change()?;
        self.sweep();
        let found = self.scan(&BTreeSet::new())?;
        let mounted = self.state().mounted();
        self.state().is_taken_on_trust = false;
        self.take_inventory(&found, &mounted)
    }

    /// Whether tapes are taken as sound that nobody has looked at since the loader was opened.
    #[must_use]
    pub fn is_taken_on_trust(&self) -> bool {
        self.state().is_taken_on_trust
    }

    /// The inventory of a loader that is being opened. It has to be quick: tapes that were in the robot are not looked
    /// into, only that their directories are there; [`Loader::rescan`] looks into them later. No tape is mounted yet, but
    /// one that stood in a drive may look damaged until it is loaded, which repairs what a crash left.
    fn first_inventory(&self) -> Result<(), LoaderError> {
        let in_robot = |entry: &Entry| self.settings.trusts_map && entry.place != Place::Shelf;
        let trusted = {
            let state = self.state();
            let trusted = state.map.tapes.iter().filter(|(_, entry)| in_robot(entry));
            trusted.map(|(barcode, _)| barcode.clone()).collect()
        };
        let found = self.scan(&trusted)?;
        let there: BTreeSet<Barcode> = found.iter().map(|tape| tape.barcode.clone()).collect();
        let in_drives = tapes_in_drives(&self.state().map);
        self.take_inventory(&found, &(&there & &in_drives)).map(drop)
    }

    fn scan(&self, trusted: &BTreeSet<Barcode>) -> Result<Vec<FoundTape>, LoaderError> {
        let directory = &self.settings.directory;
        self.cartridges.scan(directory, trusted).map_err(io_error("list", directory))
    }

    fn take_inventory(
        &self,
        found: &[FoundTape],
        mounted: &BTreeSet<Barcode>,
    ) -> Result<InventoryChange, LoaderError> {
        let map = Arc::clone(&self.state().map);
        let (next, change) = reconcile(&map, self.counts, found, mounted);
        if next != *map {
            self.keep(next)?;
        }
        let mut state = self.state();
        for (barcode, reason) in &change.shelved {
            if state.shelved.get(barcode) != Some(reason) {
                warn!("loader {}: tape {barcode} is not in the robot: {reason}", self.settings.name);
            }
        }
        state.shelved.clone_from(&change.shelved);
        state.clear_idle_faults();
        drop(state);
        if !change.added.is_empty() || !change.removed.is_empty() {
            let (added, removed) = (change.added.len(), change.removed.len());
            info!("loader {}: inventory found {added} new tapes, {removed} are gone", self.settings.name);
        }
        Ok(change)
    }

    fn repair(&self) -> Result<(), LoaderError> {
        let before = Arc::clone(&self.state().map);
        let mut map = SlotMap::clone(&before);
        for line in map.repair(self.counts) {
            warn!("loader {}: {line}", self.settings.name);
        }
        if map == *before { Ok(()) } else { self.keep(map) }
    }

    /// Makes what is missing of the first tapes, once in a loader's life: a directory that came with other tapes gets
    /// none, one whose making was interrupted gets the rest.
    fn make_first_tapes(&self) -> Result<(), LoaderError> {
        let known = Arc::clone(&self.state().map);
        if known.first_tapes_made {
            return Ok(());
        }
        let family = &self.settings.tape_family;
        let first: BTreeSet<Barcode> = (1..=self.settings.first_tapes)
            .map(|n| Barcode::in_family(family, n, self.settings.generation))
            .collect::<Result<_, _>>()?;
        if known.tapes.keys().all(|barcode| first.contains(barcode)) {
            let sound = |barcode| known.tapes.get(barcode).is_some_and(|entry| entry.place != Place::Shelf);
            for barcode in first.iter().filter(|barcode| !sound(*barcode)) {
                self.make_first_tape(barcode)?;
            }
            self.rescan()?;
        }
        let mut map = SlotMap::clone(&self.state().map);
        map.first_tapes_made = true;
        self.keep(map)
    }

    /// What an interrupted making left is finished; a tape that stands there in any other state is let alone.
    fn make_first_tape(&self, barcode: &Barcode) -> Result<(), LoaderError> {
        let directory = self.tape_directory(barcode);
        let is_there = directory.exists();
        let new = NewCartridge { capacity_bytes: self.settings.tape_capacity_bytes, worm: false };
        match self.cartridges.create(&self.settings.directory, barcode, new) {
            Err(error) if !is_there => Err(io_error("create", &directory)(error)),
            _ => Ok(()),
        }
    }

    fn mount_again(&self) {
        let loaded: Vec<(Barcode, u16)> = self
            .state()
            .map
            .tapes
            .iter()
            .filter_map(|(barcode, entry)| match entry.place {
                Place::Drive(index) => Some((barcode.clone(), index)),
                _ => None,
            })
            .collect();
        for (barcode, index) in loaded {
            self.mount(index, &barcode);
        }
    }

    /// Puts the tape that the map has at a drive into it; a failure becomes the element's fault.
    fn mount(&self, index: u16, barcode: &Barcode) {
        let Some(bay) = self.bays.get(usize::from(index)) else { return };
        let fault = bay.insert(&self.tape_directory(barcode), barcode).err().map(|error| error.to_string());
        if let Some(reason) = &fault {
            warn!(
                "loader {}: tape {barcode} is in drive{index} but cannot be loaded: {reason}",
                self.settings.name
            );
        }
        self.state().set_fault(index, fault);
    }

    /// Makes a map durable, then current.
    fn keep(&self, map: impl Into<Arc<SlotMap>>) -> Result<(), LoaderError> {
        self.check_not_retired()?;
        let map = map.into();
        file::save(&self.settings.directory, &map)?;
        self.state().map = map;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        guard(&self.state)
    }
}

impl State {
    /// The tapes in drives that took them.
    fn mounted(&self) -> BTreeSet<Barcode> {
        let sound = |index: u16| self.faults.get(usize::from(index)).is_some_and(Option::is_none);
        let tapes = self.map.tapes.iter();
        tapes
            .filter(|(_, entry)| matches!(entry.place, Place::Drive(index) if sound(index)))
            .map(|(barcode, _)| barcode.clone())
            .collect()
    }

    fn set_fault(&mut self, index: u16, fault: Option<String>) {
        if let Some(slot) = self.faults.get_mut(usize::from(index)) {
            *slot = fault;
        }
    }

    /// A fault belongs to a tape in a drive element: without the tape it is gone.
    fn clear_idle_faults(&mut self) {
        let occupied: BTreeSet<Place> = self.map.tapes.values().map(|entry| entry.place).collect();
        for (index, fault) in (0..).zip(&mut self.faults) {
            if !occupied.contains(&Place::Drive(index)) {
                *fault = None;
            }
        }
    }
}

fn tapes_in_drives(map: &SlotMap) -> BTreeSet<Barcode> {
    let tapes = map.tapes.iter();
    tapes
        .filter(|(_, entry)| matches!(entry.place, Place::Drive(_)))
        .map(|(barcode, _)| barcode.clone())
        .collect()
}

/// The data of a poisoned mutex is whole: every change to it is one assignment.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock_directory(directory: &Path) -> Result<Lock, LoaderError> {
    fs::create_dir_all(directory).map_err(io_error("create", directory))?;
    let path = directory.join(LOCK_NAME);
    let lock =
        open_file(File::options().create(true).append(true), &path).map_err(io_error("open", &path))?;
    Lock::take(lock).map_err(|error| match error {
        TryLockError::WouldBlock => LoaderError::InUse { directory: directory.to_owned() },
        TryLockError::Error(error) => io_error("lock", &path)(error),
    })
}

fn read_or_create(directory: &Path) -> Result<SlotMap, LoaderError> {
    if let Some(map) = file::read_and_restore(directory)? {
        return Ok(map);
    }
    let map = SlotMap::new(Uuid::new_v4());
    file::save(directory, &map)?;
    Ok(map)
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LoaderError {
    let path = path.to_owned();
    move |source| LoaderError::Io { action, path, source }
}
