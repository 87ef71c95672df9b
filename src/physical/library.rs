//! A library as its users see it: who it is, what is where, and the robot's one movement.
//!
//! Must not know how a library is reached. The drive's side is `drive`.

use super::drive::PhysicalDrive;
use super::fault::Fault;
use super::limit::Cancel;
use crate::vtl::element::ElementKind;

/// Who a library is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who made it.
    pub vendor: String,
    /// What it is called.
    pub product: String,
    /// The version of its firmware.
    pub revision: String,
    /// What it is known by, whatever it is connected to.
    pub serial: String,
    /// Its name in VPD page 83h, in hexadecimal digits, if it has one.
    pub world_wide_name: Option<String>,
}

/// One place of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its address, which [`Library::move_medium`] takes.
    pub address: u16,
    /// What it is.
    pub kind: ElementKind,
    /// Whether there is a cartridge.
    pub is_full: bool,
    /// What the reader saw on the cartridge, blanks cut off; none if there is none or it cannot be read. A robot may tell
    /// a barcode for an empty place: look at `is_full`.
    pub barcode: Option<String>,
    /// The address that the cartridge came from, if the library knows.
    pub source: Option<u16>,
    /// Whether the robot says that it can reach it. Robots err in this for full drives: it is for information.
    pub is_accessible: bool,
    /// Additional sense code and qualifier, if something is wrong here.
    pub exception: Option<(u8, u8)>,
    /// Of a drive: its serial number, if the library tells it.
    pub drive_serial: Option<String>,
}

/// What is where, at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// All elements, in ascending order of address.
    pub elements: Vec<Element>,
}

impl Inventory {
    /// The elements of one kind.
    pub fn of_kind(&self, kind: ElementKind) -> impl Iterator<Item = &Element> {
        self.elements.iter().filter(move |element| element.kind == kind)
    }

    /// The element at an address.
    #[must_use]
    pub fn at(&self, address: u16) -> Option<&Element> {
        let index = self.elements.binary_search_by_key(&address, |element| element.address).ok()?;
        self.elements.get(index)
    }

    /// The places of cartridges with this barcode. More than one is a mistake of the operator's, and no ground to choose.
    pub fn with_barcode(&self, barcode: &str) -> impl Iterator<Item = &Element> {
        self.elements
            .iter()
            .filter(move |element| element.is_full && element.barcode.as_deref() == Some(barcode))
    }
}

/// A tape library. Calls block, each no longer than the driver's time limit for it; a job has a thread of its own.
pub trait Library: Send {
    /// Who it is.
    fn identity(&self) -> &Identity;

    /// What is where, as the library knows it.
    ///
    /// # Errors
    /// [`Fault`].
    fn inventory(&mut self, cancel: &Cancel) -> Result<Inventory, Fault>;

    /// Has the library look at all its places again. May take an hour.
    ///
    /// # Errors
    /// [`Fault`].
    fn look_again(&mut self, cancel: &Cancel) -> Result<(), Fault>;

    /// Moves a cartridge. A drive must have been unloaded before; it takes the cartridge, but threads it in
    /// [`PhysicalDrive::load`].
    ///
    /// # Errors
    /// [`Fault`]; after [`super::FaultKind::ConnectionLost`] or [`super::FaultKind::TimedOut`] the inventory tells whether it
    /// was moved; after [`super::FaultKind::Reset`] or [`super::FaultKind::MediumChanged`] it was not, and something else may be there now.
    fn move_medium(&mut self, from: u16, to: u16, cancel: &Cancel) -> Result<(), Fault>;

    /// Connects to the drive at an element address, which is found by its serial number. All its calls can be called off
    /// through `cancel`. Nothing is done to the cartridge in it.
    ///
    /// # Errors
    /// [`Fault`].
    fn open_drive(&mut self, address: u16, cancel: &Cancel) -> Result<Box<dyn PhysicalDrive>, Fault>;

    /// Locks or unlocks the library's doors and mail slots for an operator's hands.
    ///
    /// # Errors
    /// [`Fault`]; [`super::FaultKind::Unsupported`] where there is nothing to lock.
    fn prevent_removal(&mut self, prevent: bool, cancel: &Cancel) -> Result<(), Fault>;
}
