//! What an operator does to a loader's tapes: make, delete, erase, protect, move by hand and eject.
//!
//! As with the robot's moves there is one change at a time, and it is acknowledged when it is on stable storage. A
//! deletion is done at the instant in which the tape's directory gets a name that no inventory looks at, and a new tape is
//! there when it loses such a name; what stands under one is removed then, by the next inventory, or at the next start. Read on in `moves`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tracing::{info, warn};
use uuid::Uuid;

use super::moves::{MoveError, MovedBy};
use super::{Loader, LoaderError, io_error};
use crate::files::sync_directory;
use crate::vtl::barcode::Barcode;
use crate::vtl::element::Place;
use crate::vtl::inventory::{HeldTape, NewCartridge};
use crate::vtl::slots::{Entry, SlotMap};

/// What the name of a directory begins with that is being deleted. No barcode does.
pub const DELETED_PREFIX: &str = ".deleted-";
/// The same of one in which tapes are being made.
pub const MAKING_PREFIX: &str = ".making-";

/// Where an operator wants a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Exactly there; the shelf is out of the robot, and no inventory takes it back.
    Place(Place),
    /// The slot it came from if that is free, else the lowest free one.
    AnySlot,
    /// The lowest free mail slot; in a loader without any, the shelf.
    Exit,
}

impl Loader {
    /// Makes `count` blank tapes in the lowest free slots: `barcode` (then `count` is 1), or the next ones of the loader's
    /// family.
    ///
    /// # Errors
    /// [`LoaderError::Exists`], [`LoaderError::NoFreeSlot`] and what the file system says; no tape is made then.
    pub fn create_tapes(
        &self,
        barcode: Option<&Barcode>,
        count: u32,
        new: NewCartridge,
    ) -> Result<Vec<Barcode>, LoaderError> {
        let _changing = self.change()?;
        let mut next = SlotMap::clone(&self.state().map);
        let mut barcodes = Vec::new();
        for _ in 0..count {
            let (with_one_more, barcode) = self.admit(&next, barcode.cloned())?;
            next = with_one_more;
            barcodes.push(barcode);
        }
        let workshop = self.settings.directory.join(format!("{MAKING_PREFIX}{}", Uuid::new_v4().simple()));
        let made = self.make_in(&workshop, &barcodes, new);
        // Empty if all went well.
        remove_unseen(&workshop);
        made?;
        self.keep(next)?;
        Ok(barcodes)
    }

    /// Makes the tapes out of every inventory's sight, and gives them their names when all of them are there.
    fn make_in(&self, workshop: &Path, barcodes: &[Barcode], new: NewCartridge) -> Result<(), LoaderError> {
        fs::create_dir(workshop).map_err(io_error("create", workshop))?;
        for barcode in barcodes {
            let made = self.cartridges.create(workshop, barcode, new);
            made.map_err(io_error("create", &self.tape_directory(barcode)))?;
        }
        for barcode in barcodes {
            let directory = self.tape_directory(barcode);
            fs::rename(workshop.join(barcode), &directory).map_err(io_error("create", &directory))?;
        }
        let directory = &self.settings.directory;
        sync_directory(directory).map_err(io_error("synchronise", directory))
    }

    /// Deletes a tape and all that is on it. `force`: also one that is protected, or that cannot be read, or while a
    /// session prevents removal.
    ///
    /// # Errors
    /// [`LoaderError::NoTape`], [`LoaderError::InDrive`], [`LoaderError::Protected`], [`LoaderError::RemovalPrevented`],
    /// and what the file system says.
    pub fn delete_tape(&self, barcode: &Barcode, force: bool) -> Result<(), LoaderError> {
        let _changing = self.change()?;
        let place = self.find_idle(barcode)?.place;
        if !force && place != Place::Shelf {
            self.check_removal()?;
        }
        let directory = self.tape_directory(barcode);
        let held = match self.cartridges.hold(&directory) {
            Ok(HeldTape { protection: Some(why), .. }) if !force => return Err(self.protected(barcode, why)),
            Ok(held) => Some(held),
            Err(_) if force => None,
            Err(error) => return Err(io_error("delete", &directory)(error)),
        };
        let grave = self.bury(barcode).map_err(io_error("delete", &directory))?;
        let mut next = SlotMap::clone(&self.state().map);
        next.tapes.remove(barcode);
        self.keep(next)?;
        self.state().shelved.remove(barcode);
        self.note_access(&[place]);
        drop(held);
        remove_unseen(&grave);
        info!("loader {}: tape {barcode} is deleted", self.settings.name);
        Ok(())
    }

    /// Destroys what is on a tape.
    ///
    /// # Errors
    /// [`LoaderError::NoTape`], [`LoaderError::InDrive`], [`LoaderError::Protected`], and what the file system says.
    pub fn erase_tape(&self, barcode: &Barcode) -> Result<(), LoaderError> {
        let _changing = self.change()?;
        self.find_idle(barcode)?;
        let directory = self.tape_directory(barcode);
        let held = self.cartridges.hold(&directory).map_err(io_error("erase", &directory))?;
        if let Some(why) = held.protection {
            return Err(self.protected(barcode, why));
        }
        drop(held);
        self.cartridges.erase(&directory).map_err(io_error("erase", &directory))?;
        info!("loader {}: tape {barcode} is erased", self.settings.name);
        Ok(())
    }

    /// Sets or clears the write protection of a tape.
    ///
    /// # Errors
    /// [`LoaderError::NoTape`], [`LoaderError::InDrive`], and what the file system says.
    pub fn protect_tape(&self, barcode: &Barcode, write_protected: bool) -> Result<(), LoaderError> {
        let _changing = self.change()?;
        self.find_idle(barcode)?;
        let directory = self.tape_directory(barcode);
        self.cartridges.protect(&directory, write_protected).map_err(io_error("protect", &directory))
    }

    /// Moves a tape by hand, also out of the robot or into it again. Gives its new place.
    ///
    /// # Errors
    /// [`MoveError`].
    pub fn move_tape(&self, barcode: &Barcode, destination: Destination) -> Result<Place, MoveError> {
        let _changing = self.change()?;
        let entry = self.entry(barcode)?;
        if entry.place == Place::Shelf {
            self.check_sound(barcode)?;
        }
        // A tape in a mail slot is an import if an operator has put it there to stay, else on its way out.
        let by = if destination == Destination::Exit { MovedBy::Robot } else { MovedBy::Operator };
        let destination = self.resolve(barcode, entry, destination)?;
        if destination == entry.place && (destination != Place::Shelf || entry.ejected) {
            return Ok(destination);
        }
        self.check_carrying(entry.place, destination)?;
        self.carry_by_hand(barcode, entry, destination, by)?;
        self.note_access(&[entry.place, destination]);
        self.forget_shelf_reason(barcode, destination);
        Ok(destination)
    }

    /// Takes a tape that is in no drive out of the robot: to a mail slot, or to the shelf.
    ///
    /// # Errors
    /// [`MoveError`].
    pub fn eject_tape(&self, barcode: &Barcode, to_shelf: bool) -> Result<Place, MoveError> {
        let place = {
            let _changing = self.change()?;
            self.find_idle(barcode)?.place
        };
        if matches!(place, Place::MailSlot(_)) && !to_shelf {
            return Ok(place);
        }
        let to_shelf = to_shelf || place == Place::Shelf;
        self.move_tape(barcode, if to_shelf { Destination::Place(Place::Shelf) } else { Destination::Exit })
    }

    /// Where an operator's move leads to.
    fn resolve(&self, barcode: &Barcode, entry: Entry, destination: Destination) -> Result<Place, MoveError> {
        let name = || self.settings.name.clone();
        match destination {
            Destination::Place(place) => Ok(place),
            Destination::AnySlot if matches!(entry.place, Place::Slot(_)) => Ok(entry.place),
            Destination::AnySlot => {
                let mut map = SlotMap::clone(&self.state().map);
                let is_home_free = |home: &Place| {
                    matches!(home, Place::Slot(_))
                        && self.counts.contains(*home)
                        && map.tape_at(*home).is_none()
                };
                if let Some(home) = entry.source.filter(is_home_free) {
                    return Ok(home);
                }
                map.tapes.remove(barcode);
                let lowest = map.free_slots(self.counts).into_iter().next();
                Ok(lowest.map(Place::Slot).ok_or_else(|| LoaderError::NoFreeSlot { name: name() })?)
            }
            Destination::Exit if self.counts.mail_slots == 0 => Ok(Place::Shelf),
            Destination::Exit => {
                let map = Arc::clone(&self.state().map);
                let free =
                    (0..self.counts.mail_slots).map(Place::MailSlot).find(|at| map.tape_at(*at).is_none());
                Ok(free.ok_or_else(|| LoaderError::NoFreeMailSlot { name: name() })?)
            }
        }
    }

    /// Only a tape that a drive could use comes into the robot.
    fn check_sound(&self, barcode: &Barcode) -> Result<(), LoaderError> {
        let directory = &self.settings.directory;
        let path = self.tape_directory(barcode);
        let found = self.cartridges.look(directory, barcode).map_err(io_error("look at", &path))?;
        match found.map(|tape| tape.problem) {
            Some(None) => Ok(()),
            Some(Some(reason)) => Err(self.unusable(barcode, reason)),
            None => Err(self.no_tape(barcode)),
        }
    }

    fn forget_shelf_reason(&self, barcode: &Barcode, place: Place) {
        let mut state = self.state();
        if place == Place::Shelf {
            state.shelved.insert(barcode.clone(), crate::vtl::inventory::EJECTED.to_owned());
        } else {
            state.shelved.remove(barcode);
        }
    }

    /// What the map says of a tape.
    pub(super) fn entry(&self, barcode: &Barcode) -> Result<Entry, LoaderError> {
        let entry = self.state().map.tapes.get(barcode).copied();
        entry.ok_or_else(|| self.no_tape(barcode))
    }

    /// As [`Loader::entry`] for a tape that must not be in a drive.
    fn find_idle(&self, barcode: &Barcode) -> Result<Entry, LoaderError> {
        let entry = self.entry(barcode)?;
        match entry.place {
            Place::Drive(_) => Err(LoaderError::InDrive {
                name: self.settings.name.clone(),
                barcode: barcode.clone(),
                place: entry.place,
            }),
            _ => Ok(entry),
        }
    }

    fn no_tape(&self, barcode: &Barcode) -> LoaderError {
        let state = self.state();
        let near = crate::names::nearest(barcode.as_str(), state.map.tapes.keys().map(Barcode::as_str));
        LoaderError::NoTape {
            name: self.settings.name.clone(),
            barcode: barcode.clone(),
            hint: near.map(|near| format!("; did you mean {near}?")).unwrap_or_default(),
        }
    }

    fn protected(&self, barcode: &Barcode, why: &'static str) -> LoaderError {
        LoaderError::Protected { name: self.settings.name.clone(), barcode: barcode.clone(), why }
    }

    fn unusable(&self, barcode: &Barcode, reason: String) -> LoaderError {
        LoaderError::Unusable { name: self.settings.name.clone(), barcode: barcode.clone(), reason }
    }

    /// Gives a tape's directory a name that no inventory looks at, durably.
    fn bury(&self, barcode: &Barcode) -> std::io::Result<std::path::PathBuf> {
        let directory = &self.settings.directory;
        let grave = directory.join(format!("{DELETED_PREFIX}{}", Uuid::new_v4().simple()));
        fs::rename(self.tape_directory(barcode), &grave)?;
        sync_directory(directory)?;
        Ok(grave)
    }

    /// Removes what a crash left of making and deleting tapes.
    pub(super) fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.settings.directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_unseen = |name: &str| name.starts_with(DELETED_PREFIX) || name.starts_with(MAKING_PREFIX);
            if name.to_str().is_some_and(is_unseen) {
                remove_unseen(&entry.path());
            }
        }
    }
}

/// What is in it is no tape any more, or never became one: what cannot be removed now is removed by the next inventory.
fn remove_unseen(directory: &Path) {
    if let Err(error) = fs::remove_dir_all(directory) {
        warn!("{} cannot be removed yet: {error}", directory.display());
    }
}
