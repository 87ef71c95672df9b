//! A library's inventory as the plan needs it, and the way back from a plan's numbers to element addresses.

use std::collections::BTreeMap;

use crate::copy::plan::{CartridgeFacts, DriveFacts, LibraryFacts};
use crate::physical::{Element, Inventory};
use crate::vtl::element::ElementKind;

/// An inventory in the plan's numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct LibraryMap {
    /// What the plan is made of.
    pub(super) facts: LibraryFacts,
    /// Where each of its cartridges is.
    pub(super) cartridges: Vec<u16>,
    /// Where each of its drives is, by number.
    pub(super) drives: BTreeMap<u16, u16>,
}

/// What is known beyond the inventory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beyond<'a> {
    /// Serial numbers of the drives that are used, in this order; all if empty.
    pub(super) drive_serials: &'a [String],
    /// What cartridges hold, where nothing else is known.
    pub(super) capacity_bytes: Option<u64>,
    /// What single ones hold, by barcode, as a drive has told.
    pub(super) capacities: &'a BTreeMap<String, u64>,
}

impl LibraryMap {
    pub(super) fn of(inventory: &Inventory, beyond: Beyond<'_>) -> LibraryMap {
        let addresses =
            |kind| -> Vec<u16> { inventory.of_kind(kind).map(|element| element.address).collect() };
        let (slots, drives) =
            (addresses(ElementKind::Storage), usable_drives(inventory, beyond.drive_serials));
        let number = |among: &[u16], address: u16| {
            among.iter().position(|known| *known == address).and_then(|index| u16::try_from(index).ok())
        };
        let mut map = LibraryMap::default();
        for element in inventory.elements.iter().filter(|element| element.is_full) {
            let home =
                if element.kind == ElementKind::Storage { Some(element.address) } else { element.source };
            let is_in_drive = element.kind == ElementKind::DataTransfer;
            let drive = is_in_drive.then(|| number(&drives, element.address)).flatten();
            let barcode = element.barcode.as_deref().map(str::trim).filter(|barcode| !barcode.is_empty());
            map.cartridges.push(element.address);
            map.facts.cartridges.push(CartridgeFacts {
                barcode: barcode.map(str::to_owned),
                slot: home.and_then(|home| number(&slots, home)),
                drive,
                is_reachable: is_reachable(element) && (!is_in_drive || drive.is_some()),
                capacity_bytes: barcode
                    .and_then(|barcode| beyond.capacities.get(barcode).copied())
                    .or(beyond.capacity_bytes),
                is_write_protected: false,
            });
        }
        for (index, address) in (0..).zip(drives) {
            map.drives.insert(index, address);
            map.facts.drives.push(DriveFacts { index, generation: None, problem: None });
        }
        map
    }
}

/// Addresses of the drives that may be used, in the order of their numbers.
fn usable_drives(inventory: &Inventory, serials: &[String]) -> Vec<u16> {
    let drives = || inventory.of_kind(ElementKind::DataTransfer);
    if serials.is_empty() {
        return drives().map(|element| element.address).collect();
    }
    let with_serial = |serial: &String| {
        drives().find(|element| element.drive_serial.as_ref() == Some(serial)).map(|element| element.address)
    };
    serials.iter().filter_map(with_serial).collect()
}

fn is_reachable(element: &Element) -> bool {
    let is_in_order = element.exception.is_none();
    match element.kind {
        // Robots tell of full drives that they cannot reach in, until the drive lets go of the cartridge.
        ElementKind::DataTransfer => is_in_order,
        ElementKind::Storage | ElementKind::ImportExport => is_in_order && element.is_accessible,
        ElementKind::Transport => false,
    }
}

/// An element in words, counted from 0 within its kind.
pub(super) fn words(inventory: &Inventory, element: &Element) -> String {
    let index = inventory.of_kind(element.kind).position(|other| other.address == element.address);
    let kind = match element.kind {
        ElementKind::Transport => "robot",
        ElementKind::Storage => "slot",
        ElementKind::ImportExport => "mail slot",
        ElementKind::DataTransfer => "drive",
    };
    format!("{kind} {}", index.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(address: u16, kind: ElementKind, barcode: Option<&str>) -> Element {
        Element {
            address,
            kind,
            is_full: barcode.is_some(),
            barcode: barcode.map(str::to_owned),
            source: None,
            is_accessible: true,
            exception: None,
            drive_serial: (kind == ElementKind::DataTransfer).then(|| format!("D{address}")),
        }
    }

    fn inventory() -> Inventory {
        let mut in_drive = element(257, ElementKind::DataTransfer, Some("B  "));
        in_drive.source = Some(1025);
        let mut broken = element(1026, ElementKind::Storage, Some("C"));
        broken.exception = Some((0x53, 0));
        let elements = vec![
            element(1, ElementKind::Transport, None),
            element(256, ElementKind::DataTransfer, None),
            in_drive,
            element(1024, ElementKind::Storage, Some("A")),
            element(1025, ElementKind::Storage, None),
            broken,
        ];
        Inventory { elements }
    }

    fn map(serials: &[String]) -> LibraryMap {
        let capacities = BTreeMap::from([("A".to_owned(), 7)]);
        let beyond = Beyond { drive_serials: serials, capacity_bytes: Some(9), capacities: &capacities };
        LibraryMap::of(&inventory(), beyond)
    }

    #[test]
    fn cartridges_have_their_slots_drives_and_capacities() {
        let map = map(&[]);
        let told: Vec<_> = map
            .facts
            .cartridges
            .iter()
            .map(|cartridge| {
                let barcode = cartridge.barcode.as_deref().unwrap();
                (barcode, cartridge.slot, cartridge.drive, cartridge.is_reachable, cartridge.capacity_bytes)
            })
            .collect();
        let expected = [
            ("B", Some(1), Some(1), true, Some(9)),
            ("A", Some(0), None, true, Some(7)),
            ("C", Some(2), None, false, Some(9)),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            (map.cartridges, map.drives),
            (vec![257, 1024, 1026], BTreeMap::from([(0, 256), (1, 257)]))
        );
        assert_eq!(words(&inventory(), &inventory().elements[2]), "drive 1");
    }

    #[test]
    fn only_named_drives_are_used_in_their_order_and_what_is_in_others_is_out_of_reach() {
        let map = map(&["D256".to_owned(), "D999".to_owned()]);
        assert_eq!(map.drives, BTreeMap::from([(0, 256)]));
        assert!(!map.facts.cartridges[0].is_reachable);
    }
}
