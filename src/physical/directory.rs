//! A library that is a directory: its places are directories, its cartridges are tapes of this program in them.
//!
//! ```text
//! library.toml           serial number, how many slots, mail slots and drives
//! slot0/TST001L8/        a tape, as in a loader: data, label.toml, index
//! drive0/  mail0/        empty, or with a tape; drive0/.source says where it came from
//! ```
//!
//! A move is a rename, so a crash leaves each tape in one place. Tapes of this program, and not .tap images, because they
//! carry checksums, find the end after a crash and any record without reading all; they can be imported into a loader as they
//! are, and exported as .tap. An operator puts a tape in by moving its directory into an empty place. It must not know
//! loaders. Calls wait for the file system as long as it takes; [`Cancel`] is looked at before each. The drive is in `drive`.

mod drive;
#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::drive::DirectoryDrive;
use super::drive::PhysicalDrive;
use super::fault::{Fault, FaultKind};
use super::library::{Element, Identity, Inventory, Library};
use super::limit::Cancel;
use crate::files::{Lock, open_file, remove_if_there, sync_directory, write_anew};
use crate::tape::{self, NewTape};
use crate::vtl::element::{ElementCounts, ElementLayout, Place};

const FILE: &str = "library.toml";
const SOURCE: &str = ".source";
const FILE_BYTES_MAX: u64 = 64 << 10;
/// ASC and ASCQ of a place whose cartridge cannot be used.
const UNUSABLE: (u8, u8) = (0x53, 0x00);

/// What `library.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The library's serial number, 1 to 32 letters, digits and dashes; its drives' are made from it.
    pub serial: String,
    /// How many slots it has.
    pub slots: u16,
    /// How many mail slots.
    #[serde(default)]
    pub mail_slots: u16,
    /// How many drives.
    pub drives: u16,
}

impl Description {
    fn counts(&self) -> ElementCounts {
        ElementCounts { mail_slots: self.mail_slots, drives: self.drives, slots: self.slots }
    }

    fn check(&self) -> Result<(), String> {
        let is_serial = |character: char| character.is_ascii_alphanumeric() || character == '-';
        if !(1..=32).contains(&self.serial.len()) || !self.serial.chars().all(is_serial) {
            return Err("serial must be 1 to 32 letters, digits and dashes".to_owned());
        }
        ElementLayout::default().check(self.counts()).map_err(|error| error.to_string())
    }

    fn drive_serial(&self, index: u16) -> String {
        format!("{}-D{index}", self.serial)
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        let mail_slots = (0..self.mail_slots).map(Place::MailSlot);
        mail_slots.chain((0..self.drives).map(Place::Drive)).chain((0..self.slots).map(Place::Slot))
    }
}

/// A library that is a directory.
pub struct DirectoryLibrary {
    name: String,
    root: PathBuf,
    description: Description,
    identity: Identity,
}

/// Makes a library in the directory `root`, which must exist.
///
/// # Errors
/// [`FaultKind::Files`], also if one is there.
pub fn create(root: &Path, description: &Description) -> Result<(), Fault> {
    let fault =
        |detail: String| Fault::new(FaultKind::Files, &root.display().to_string(), "make a library", detail);
    description.check().map_err(fault)?;
    let path = root.join(FILE);
    if path.exists() {
        return Err(fault(format!("{FILE} is there already")));
    }
    let text = toml::to_string(description).map_err(|error| fault(error.to_string()))?;
    let write = || -> io::Result<()> {
        for place in description.places() {
            fs::create_dir_all(root.join(place.to_string()))?;
        }
        write_anew(&path, text.as_bytes())?;
        sync_directory(root)
    };
    write().map_err(|error| fault(error.to_string()))
}

impl DirectoryLibrary {
    /// Opens the library in the directory `root`. `name` is the operator's name for it.
    ///
    /// # Errors
    /// [`FaultKind::Files`]: no library is there (is its file system mounted?), or its description is wrong.
    pub fn open(name: &str, root: &Path) -> Result<Self, Fault> {
        let name = format!("library {name}");
        let description = describe(root).map_err(|reason| {
            let detail = format!("{}: {reason}; is its file system mounted?", root.join(FILE).display());
            Fault::new(FaultKind::Files, &name, "open", detail)
        })?;
        let identity = Identity {
            vendor: "TAPESILO".to_owned(),
            product: "DIRECTORY".to_owned(),
            revision: env!("CARGO_PKG_VERSION").to_owned(),
            serial: description.serial.clone(),
            world_wide_name: None,
        };
        Ok(Self { name, root: root.to_owned(), description, identity })
    }

    /// Makes a blank tape in the first free slot, and tells its address.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn add_tape(&mut self, spec: &NewTape) -> Result<u16, Fault> {
        const ACTION: &str = "make a cartridge";
        let _lock = self.lock(ACTION)?;
        for place in (0..self.description.slots).map(Place::Slot) {
            let directory = self.directory(place);
            if tapes_in(&directory).map_err(|error| self.files(ACTION, &error))?.is_empty() {
                fs::create_dir_all(&directory).map_err(|error| self.files(ACTION, &error))?;
                tape::create(&directory.join(&spec.barcode), spec)
                    .map_err(|error| self.fault(FaultKind::Files, ACTION, error.to_string()))?;
                return Ok(address(place));
            }
        }
        Err(self.fault(FaultKind::DestinationFull, ACTION, "no slot is free"))
    }

    fn fault(&self, kind: FaultKind, action: &str, detail: impl Into<String>) -> Fault {
        Fault::new(kind, &self.name, action, detail)
    }

    fn files(&self, action: &str, error: &io::Error) -> Fault {
        self.fault(FaultKind::Files, action, error.to_string())
    }

    fn begin(&self, action: &str, cancel: &Cancel) -> Result<(), Fault> {
        if cancel.is_raised() {
            return Err(self.fault(FaultKind::Cancelled, action, ""));
        }
        // Its file system may be gone since: all places would seem empty.
        match describe(&self.root) {
            Ok(description) if description == self.description => Ok(()),
            Ok(_) => {
                Err(self.fault(FaultKind::Files, action, "another library is there now; restart the server"))
            }
            Err(reason) => {
                let path = self.root.join(FILE);
                let detail = format!("{}: {reason}; is its file system mounted?", path.display());
                Err(self.fault(FaultKind::Files, action, detail))
            }
        }
    }

    fn directory(&self, place: Place) -> PathBuf {
        self.root.join(place.to_string())
    }

    fn place(&self, address: u16, action: &str) -> Result<Place, Fault> {
        let place = ElementLayout::default().place(self.description.counts(), address);
        place.ok_or_else(|| self.fault(FaultKind::NoSuchElement, action, format!("{address:04X}h")))
    }

    /// One change at a time, also by other processes. Who holds it is done in a moment.
    fn lock(&self, action: &str) -> Result<Lock, Fault> {
        let open = || -> io::Result<Lock> {
            let file = open_file(OpenOptions::new().read(true), &self.root.join(FILE))?;
            Ok(Lock::take(file)?)
        };
        open().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                self.fault(FaultKind::Busy, action, "another program is changing it")
            }
            _ => self.files(action, &error),
        })
    }

    fn element(&self, place: Place) -> Result<Element, Fault> {
        let directory = self.directory(place);
        let tapes = tapes_in(&directory).map_err(|error| self.files("look at its places", &error))?;
        let seen = match tapes.as_slice() {
            [] => None,
            [name] => Some(
                tape::inspect(&directory.join(name)).map(|summary| summary.label.barcode).map_err(|error| {
                    tracing::warn!(library = %self.name, %place, %error, "a cartridge that cannot be used");
                    name.clone()
                }),
            ),
            names => {
                tracing::warn!(library = %self.name, %place, ?names, "several cartridges in one place; leave one");
                Some(Err(names.join("+")))
            }
        };
        Ok(Element {
            address: address(place),
            kind: place.kind().unwrap_or(crate::vtl::element::ElementKind::Storage),
            is_full: seen.is_some(),
            exception: matches!(seen, Some(Err(_))).then_some(UNUSABLE),
            barcode: seen.map(|seen| seen.unwrap_or_else(|name| name)),
            source: if tapes.is_empty() { None } else { self.source(place) },
            is_accessible: true,
            drive_serial: match place {
                Place::Drive(index) => Some(self.description.drive_serial(index)),
                _ => None,
            },
        })
    }

    /// Where the cartridge in a place came from, if that is written there and still makes sense.
    fn source(&self, place: Place) -> Option<u16> {
        let text = read_short(&self.directory(place).join(SOURCE)).ok()?;
        let source = text.trim().parse::<Place>().ok()?;
        self.description.counts().contains(source).then(|| address(source)).filter(|_| source != Place::Shelf)
    }

    fn rename(&self, from: Place, to: Place, name: &str) -> io::Result<()> {
        let (source, target) = (self.directory(from), self.directory(to));
        fs::create_dir_all(&target)?;
        // The source first: a crash then leaves a note about a cartridge that did not come, which nobody reads.
        write_anew(&target.join(SOURCE), format!("{from}\n").as_bytes())?;
        fs::rename(source.join(name), target.join(name))?;
        sync_directory(&target)?;
        sync_directory(&source)?;
        remove_if_there(&source.join(SOURCE))
    }
}

fn address(place: Place) -> u16 {
    ElementLayout::default().address(place).unwrap_or(0)
}

fn describe(root: &Path) -> Result<Description, String> {
    let text = read_short(&root.join(FILE)).map_err(|error| error.to_string())?;
    let description: Description =
        toml::from_str(&text).map_err(|error| error.message().replace('\n', " "))?;
    description.check()?;
    Ok(description)
}

fn read_short(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_file(OpenOptions::new().read(true), path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// The names of the tapes in a place. A place that is not there is empty.
fn tapes_in(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        if entry.file_type()?.is_dir() && tape::is_tape(&entry.path()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

impl Library for DirectoryLibrary {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn inventory(&mut self, cancel: &Cancel) -> Result<Inventory, Fault> {
        self.begin("inventory", cancel)?;
        let elements: Result<Vec<Element>, Fault> =
            self.description.places().map(|place| self.element(place)).collect();
        let mut elements = elements?;
        elements.sort_by_key(|element| element.address);
        Ok(Inventory { elements })
    }

    fn look_again(&mut self, cancel: &Cancel) -> Result<(), Fault> {
        // Each inventory looks.
        self.begin("look again", cancel)
    }

    fn move_medium(&mut self, from: u16, to: u16, cancel: &Cancel) -> Result<(), Fault> {
        let action = format!("move from {from:04X}h to {to:04X}h");
        self.begin(&action, cancel)?;
        let (from, to) = (self.place(from, &action)?, self.place(to, &action)?);
        let _lock = self.lock(&action)?;
        let tapes = |place| tapes_in(&self.directory(place)).map_err(|error| self.files(&action, &error));
        let names = tapes(from)?;
        let [name] = names.as_slice() else {
            let kind = if names.is_empty() { FaultKind::SourceEmpty } else { FaultKind::Files };
            return Err(self.fault(kind, &action, format!("{from} holds {} cartridges", names.len())));
        };
        if !tapes(to)?.is_empty() {
            return Err(self.fault(FaultKind::DestinationFull, &action, to.to_string()));
        }
        // Held while it is moved, so that no drive opens it meanwhile. A damaged one cannot be held, and may be moved.
        let held = tape::hold(&self.directory(from).join(name));
        if let Err(error @ tape::TapeError::Locked { .. }) = held {
            return Err(self.fault(FaultKind::RemovalPrevented, &action, error.to_string()));
        }
        self.rename(from, to, name).map_err(|error| self.files(&action, &error))
    }

    fn open_drive(&mut self, address: u16, cancel: &Cancel) -> Result<Box<dyn PhysicalDrive>, Fault> {
        const ACTION: &str = "open a drive";
        self.begin(ACTION, cancel)?;
        let Place::Drive(index) = self.place(address, ACTION)? else {
            return Err(self.fault(FaultKind::NoSuchElement, ACTION, format!("{address:04X}h is no drive")));
        };
        let serial = self.description.drive_serial(index);
        Ok(Box::new(DirectoryDrive::new(serial, self.directory(Place::Drive(index)), cancel.clone())))
    }

    fn prevent_removal(&mut self, _prevent: bool, _cancel: &Cancel) -> Result<(), Fault> {
        Err(self.fault(FaultKind::Unsupported, "lock the doors", "a directory has none"))
    }
}
