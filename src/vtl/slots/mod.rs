//! The slot map: which tape is in which element, where each came from, and the loader's uuid.
//!
//! Pure data: no files (that is `file`), no drives, no SCSI addresses. The map is keyed by barcode, so a tape cannot be
//! at two places; that no two tapes are at one place is checked when a map is read ([`SlotMap::repair`]) and kept by
//! every change. Changes are made on a copy which replaces the old map once it is on stable storage.

pub mod file;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::barcode::Barcode;
use super::element::{ElementCounts, Place};

/// Where one tape is and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub place: Place,
    /// The slot (or mail slot) it last stood in: of a tape in a drive, where it should go back to.
    pub source: Option<Place>,
    /// In a mail slot: an operator put it there, not the robot.
    pub by_operator: bool,
    /// On the shelf because an operator wants it there: no inventory takes it back into the robot.
    pub ejected: bool,
}

impl Entry {
    /// A tape in a slot, put there by nobody in particular.
    #[must_use]
    pub fn at(place: Place) -> Self {
        Self { place, source: None, by_operator: false, ejected: false }
    }
}

/// The state of a loader that outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotMap {
    /// Made once with the loader; serial numbers derive from it.
    pub uuid: Uuid,
    /// Whether the tapes that a new loader is given were made.
    pub first_tapes_made: bool,
    /// The slot that a tape was put into or taken out of last.
    pub last_slot: Option<u16>,
    /// Every tape the loader knows.
    pub tapes: BTreeMap<Barcode, Entry>,
}

impl SlotMap {
    /// The map of a new loader.
    #[must_use]
    pub fn new(uuid: Uuid) -> Self {
        Self { uuid, first_tapes_made: false, last_slot: None, tapes: BTreeMap::new() }
    }

    /// The tape at an element; none for the shelf, which is no element.
    #[must_use]
    pub fn tape_at(&self, place: Place) -> Option<&Barcode> {
        if place == Place::Shelf {
            return None;
        }
        self.tapes.iter().find(|(_, entry)| entry.place == place).map(|(barcode, _)| barcode)
    }

    /// The slots, lowest first, that hold no tape and are not the home of a tape in a drive: a tape put into such a home
    /// would make the client's unload fail.
    #[must_use]
    pub fn free_slots(&self, counts: ElementCounts) -> Vec<u16> {
        let taken: BTreeSet<Place> = self
            .tapes
            .values()
            .flat_map(|entry| {
                let home = entry.source.filter(|_| matches!(entry.place, Place::Drive(_)));
                [Some(entry.place), home]
            })
            .flatten()
            .collect();
        (0..counts.slots).filter(|index| !taken.contains(&Place::Slot(*index))).collect()
    }

    /// Moves a known tape. The caller has checked that the destination is empty.
    pub fn relocate(&mut self, barcode: &Barcode, destination: Place, by_operator: bool) {
        if let Some(entry) = self.tapes.get_mut(barcode) {
            if matches!(entry.place, Place::Slot(_) | Place::MailSlot(_)) {
                entry.source = Some(entry.place);
            }
            for place in [entry.place, destination] {
                if let Place::Slot(index) = place {
                    self.last_slot = Some(index);
                }
            }
            entry.place = destination;
            entry.by_operator = by_operator && matches!(destination, Place::MailSlot(_));
            // Only an operator can: the robot does not reach the shelf.
            entry.ejected = destination == Place::Shelf;
        }
    }

    /// Makes the map one that a loader with `counts` elements can have: every tape at a place that exists, no two at
    /// the same one. Which tape stays is decided by the order of barcodes, so that the same map is always repaired
    /// alike. Gives one line for each change, for the log.
    pub fn repair(&mut self, counts: ElementCounts) -> Vec<String> {
        let mut occupied = BTreeSet::new();
        let mut homeless = Vec::new();
        let mut report = Vec::new();
        for (barcode, entry) in &mut self.tapes {
            if entry.source.is_some_and(|source| {
                !counts.contains(source) || matches!(source, Place::Drive(_) | Place::Shelf)
            }) {
                entry.source = None;
            }
            let why = if !counts.contains(entry.place) {
                "which the loader does not have"
            } else if entry.place != Place::Shelf && !occupied.insert(entry.place) {
                "which holds another tape"
            } else {
                continue;
            };
            homeless.push((barcode.clone(), entry.place, why));
            entry.place = Place::Shelf;
        }
        self.give_homes(counts);
        self.give_slots(counts, homeless.iter().map(|(barcode, ..)| barcode.clone()).collect());
        for (barcode, place, why) in homeless {
            let to = self.tapes.get(&barcode).map_or(Place::Shelf, |entry| entry.place);
            report.push(format!("tape {barcode} was in {place}, {why}; it is now in {to}"));
        }
        report
    }

    /// Gives each tape in a drive that has no home a free slot as one: clients send it back there.
    fn give_homes(&mut self, counts: ElementCounts) {
        let mut free = self.free_slots(counts).into_iter();
        for entry in self.tapes.values_mut() {
            if matches!(entry.place, Place::Drive(_)) && entry.source.is_none() {
                entry.source = free.next().map(Place::Slot);
            }
        }
    }

    /// Takes tapes from the shelf: each into the slot it last stood in if that is free, then the others into the
    /// lowest free ones. Gives back those for which none was left.
    pub fn give_slots(&mut self, counts: ElementCounts, tapes: Vec<Barcode>) -> Vec<Barcode> {
        let mut free: BTreeSet<u16> = self.free_slots(counts).into_iter().collect();
        let mut rest = Vec::new();
        for barcode in tapes {
            match self.tapes.get_mut(&barcode) {
                Some(Entry { place, source: Some(Place::Slot(home)), .. }) if free.remove(home) => {
                    *place = Place::Slot(*home);
                }
                _ => rest.push(barcode),
            }
        }
        rest.retain(|barcode| match (self.tapes.get_mut(barcode), free.pop_first()) {
            (Some(entry), Some(index)) => {
                *entry = Entry::at(Place::Slot(index));
                false
            }
            _ => true,
        });
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: ElementCounts = ElementCounts { mail_slots: 1, drives: 1, slots: 3 };

    fn map(tapes: &[(&str, Place, Option<Place>)]) -> SlotMap {
        let mut map = SlotMap::new(Uuid::nil());
        for (barcode, place, source) in tapes {
            let entry = Entry { source: *source, ..Entry::at(*place) };
            map.tapes.insert(Barcode::new(barcode).unwrap(), entry);
        }
        map
    }

    #[test]
    fn a_map_that_fits_is_left_alone() {
        let mut sound = map(&[
            ("A", Place::Slot(0), None),
            ("B", Place::Drive(0), Some(Place::Slot(1))),
            ("C", Place::Shelf, None),
            ("D", Place::Shelf, None),
        ]);
        let before = sound.clone();
        assert_eq!(sound.repair(COUNTS), Vec::<String>::new());
        assert_eq!(sound, before);
        assert_eq!(sound.free_slots(COUNTS), [2], "slot 1 is the home of the tape in the drive");
    }

    #[test]
    fn a_tape_in_a_drive_gets_a_new_home_when_its_own_is_gone() {
        let mut map = map(&[("A", Place::Slot(0), None), ("B", Place::Drive(0), Some(Place::Slot(8)))]);
        assert_eq!(map.repair(COUNTS), Vec::<String>::new());
        assert_eq!(map.tapes[&Barcode::new("B").unwrap()].source, Some(Place::Slot(1)));
    }

    #[test]
    fn doubled_and_out_of_range_places_are_repaired_without_losing_a_tape() {
        let mut broken = map(&[
            ("A", Place::Slot(1), None),
            ("B", Place::Slot(1), None),
            ("C", Place::Drive(7), Some(Place::Slot(2))),
            ("D", Place::Slot(9), None),
            ("E", Place::MailSlot(1), Some(Place::Drive(0))),
        ]);
        let mut again = broken.clone();
        assert_eq!(broken.repair(COUNTS).len(), 4);
        again.repair(COUNTS);
        assert_eq!(broken, again);
        let places: Vec<_> = broken.tapes.values().map(|entry| entry.place).collect();
        assert_eq!(places, [Place::Slot(1), Place::Slot(0), Place::Slot(2), Place::Shelf, Place::Shelf]);
    }
}
