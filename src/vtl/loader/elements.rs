//! A picture of a loader at one moment: every element in ascending address order, and the tapes out of the robot's
//! reach. READ ELEMENT STATUS and the reports for operators are both made from it.

use std::collections::BTreeMap;

use super::{ElementCounts, ElementKind, ElementLayout, Place};
use crate::vtl::barcode::Barcode;
use crate::vtl::inventory::NO_FREE_SLOT;
use crate::vtl::slots::{Entry, SlotMap};

/// All elements of a loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elements {
    /// How many there are of each kind.
    pub counts: ElementCounts,
    /// Their first addresses.
    pub layout: ElementLayout,
    /// Every element, the transport element too, in ascending order of address.
    pub elements: Vec<Element>,
    /// The slot that a tape was put into or taken out of last.
    pub last_slot: Option<u16>,
    /// Tapes that are known but not in the robot.
    pub shelf: Vec<ShelvedTape>,
}

/// One element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its type.
    pub kind: ElementKind,
    /// Its address.
    pub address: u16,
    /// Its place; none for the transport element.
    pub place: Option<Place>,
    /// The tape in it.
    pub tape: Option<Barcode>,
    /// The address of the slot or mail slot where the tape last stood.
    pub source: Option<u16>,
    /// In a mail slot: the tape was put there by an operator.
    pub by_operator: bool,
    /// Whether the robot can take a tape from it or put one there.
    pub access: bool,
    /// Why the element is not in order.
    pub fault: Option<String>,
    /// The serial number of the drive at this element.
    pub drive_serial: Option<String>,
}

/// A tape that is not in the robot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShelvedTape {
    /// Which.
    pub barcode: Barcode,
    /// Why, and what to do about it.
    pub reason: String,
}

/// What the map does not know of a drive.
#[derive(Clone, Debug)]
pub(super) struct DriveView {
    pub(super) serial: String,
    pub(super) access: bool,
    pub(super) fault: Option<String>,
}

impl Elements {
    pub(super) fn new(
        layout: ElementLayout,
        counts: ElementCounts,
        map: &SlotMap,
        drives: &[DriveView],
        shelved: &BTreeMap<Barcode, String>,
    ) -> Self {
        let tapes: BTreeMap<Place, (&Barcode, &Entry)> =
            map.tapes.iter().map(|(barcode, entry)| (entry.place, (barcode, entry))).collect();
        let places = (0..counts.mail_slots)
            .map(Place::MailSlot)
            .chain((0..counts.drives).map(Place::Drive))
            .chain((0..counts.slots).map(Place::Slot));
        let mut elements: Vec<Element> = places
            .filter_map(|place| {
                let mut element = Element::empty(place.kind()?, layout.address(place)?, Some(place));
                if let Some((barcode, entry)) = tapes.get(&place) {
                    element.tape = Some((*barcode).clone());
                    element.by_operator = entry.by_operator;
                    element.source = source(entry, &tapes).and_then(|source| layout.address(source));
                }
                Some(element)
            })
            .chain([Element::empty(ElementKind::Transport, layout.transport, None)])
            .collect();
        for element in &mut elements {
            let Some(Place::Drive(index)) = element.place else { continue };
            if let Some(view) = drives.get(usize::from(index)) {
                element.access = view.access;
                element.fault.clone_from(&view.fault);
                element.drive_serial = Some(view.serial.clone());
            }
        }
        elements.sort_by_key(|element| element.address);
        let shelf = map
            .tapes
            .iter()
            .filter(|(_, entry)| entry.place == Place::Shelf)
            .map(|(barcode, _)| ShelvedTape {
                barcode: barcode.clone(),
                reason: shelved.get(barcode).map_or(NO_FREE_SLOT, String::as_str).to_owned(),
            })
            .collect();
        Self { counts, layout, elements, last_slot: map.last_slot, shelf }
    }

    /// The element at a place.
    #[must_use]
    pub fn at(&self, place: Place) -> Option<&Element> {
        self.elements.iter().find(|element| element.place == Some(place))
    }
}

impl Element {
    fn empty(kind: ElementKind, address: u16, place: Option<Place>) -> Self {
        Self {
            kind,
            address,
            place,
            tape: None,
            source: None,
            by_operator: false,
            access: true,
            fault: None,
            drive_serial: None,
        }
    }
}

/// The source to report. Clients send a tape in a drive back to it, so it is left out when another tape has been put
/// there in the meantime.
fn source(entry: &Entry, tapes: &BTreeMap<Place, (&Barcode, &Entry)>) -> Option<Place> {
    let source = entry.source?;
    let stale = matches!(entry.place, Place::Drive(_)) && tapes.contains_key(&source);
    if stale { None } else { Some(source) }
}
