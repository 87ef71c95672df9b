//! Inventory: what the loader's directory holds, brought together with what the slot map says.
//!
//! [`reconcile`] is a pure function from (map, found tapes) to (map, what changed). How a directory is recognised as a
//! tape is behind [`Cartridges`]; this module must not know the files of a tape.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::barcode::Barcode;
use super::element::{ElementCounts, Place};
use super::slots::{Entry, SlotMap};

/// The tapes on disk, as the loader needs them.
pub trait Cartridges: Send + Sync {
    /// Every sub-directory of `directory` that is a tape, quickly: this runs on each INITIALIZE ELEMENT STATUS, also
    /// while some of the tapes are being written. Directories that are no tapes are left out. Those of `trusted` are taken
    /// as sound if there is such a directory.
    ///
    /// # Errors
    /// When the directory cannot be listed; the loader then keeps the inventory it has.
    fn scan(&self, directory: &Path, trusted: &BTreeSet<Barcode>) -> io::Result<Vec<FoundTape>>;

    /// As [`Cartridges::scan`] for the one tape in `directory`/`barcode`; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be looked at.
    fn look(&self, directory: &Path, barcode: &Barcode) -> io::Result<Option<FoundTape>>;

    /// Makes a blank tape in `directory`/`barcode`, durably; also over what an interrupted call left there.
    ///
    /// # Errors
    /// When it cannot, or a tape stands there, which is then untouched; nothing that [`Cartridges::scan`] would report as a sound tape is then left behind.
    fn create(&self, directory: &Path, barcode: &Barcode, new: NewCartridge) -> io::Result<()>;

    /// Destroys what is on the tape whose directory is `tape`, durably.
    ///
    /// # Errors
    /// When it is in use, write-protected, or WORM with data on it, which are then untouched; or it cannot.
    fn erase(&self, tape: &Path) -> io::Result<()>;

    /// Sets or clears the write protection of the tape whose directory is `tape`, durably.
    ///
    /// # Errors
    /// When it is in use, or it cannot.
    fn protect(&self, tape: &Path, write_protected: bool) -> io::Result<()>;

    /// Looks whether the tape whose directory is `tape` may be destroyed, and keeps everybody else from it.
    ///
    /// # Errors
    /// When it is in use, or its label cannot be read.
    fn hold(&self, tape: &Path) -> io::Result<HeldTape>;
}

/// A tape that a loader makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewCartridge {
    /// How much it holds.
    pub capacity_bytes: u64,
    /// Whether it can be written only once.
    pub worm: bool,
}

/// A tape that nobody else can open while this is there.
pub struct HeldTape {
    /// Why it is not to be destroyed without being asked for once more, if there is a reason.
    pub protection: Option<&'static str>,
    /// What is let go of with it.
    pub lock: Box<dyn std::any::Any + Send>,
}

/// One tape found in the loader's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTape {
    /// The name of the tape's directory.
    pub barcode: Barcode,
    /// Why a drive could not use it, in one line; none for a sound tape.
    pub problem: Option<String>,
}

/// What an inventory changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryChange {
    /// Tapes that were not known before.
    pub added: Vec<Barcode>,
    /// Tapes whose directory is gone.
    pub removed: Vec<Barcode>,
    /// Tapes that are not in the robot, with the reason: damaged, or no slot was free.
    pub shelved: BTreeMap<Barcode, String>,
}

/// The reason of a tape that an operator has put on the shelf.
pub const EJECTED: &str = "ejected; `tapesilo tape move` brings it back";

/// The reason of a sound tape on the shelf.
pub const NO_FREE_SLOT: &str = "no slot is free; add slots or take a tape out, then inventory again";

/// Brings the map in line with what was found. A tape in `mounted` is in a working drive and is left alone: its files
/// are in use, and what a scan says of them proves nothing.
#[must_use]
pub fn reconcile(
    map: &SlotMap,
    counts: ElementCounts,
    found: &[FoundTape],
    mounted: &BTreeSet<Barcode>,
) -> (SlotMap, InventoryChange) {
    let found: BTreeMap<&Barcode, Option<&str>> =
        found.iter().map(|tape| (&tape.barcode, tape.problem.as_deref())).collect();
    let mut next = map.clone();
    let mut change = InventoryChange::default();
    next.tapes.retain(|barcode, _| {
        let stays = found.contains_key(barcode) || mounted.contains(barcode);
        if !stays {
            change.removed.push(barcode.clone());
        }
        stays
    });
    let mut waiting = Vec::new();
    for (barcode, problem) in found {
        if mounted.contains(barcode) {
            continue;
        }
        let entry = next.tapes.entry(barcode.clone()).or_insert_with(|| {
            change.added.push(barcode.clone());
            Entry::at(Place::Shelf)
        });
        match problem {
            Some(problem) => {
                shelve(entry);
                change.shelved.insert(barcode.clone(), problem.to_owned());
            }
            None if entry.ejected => {
                change.shelved.insert(barcode.clone(), EJECTED.to_owned());
            }
            None if entry.place == Place::Shelf => waiting.push(barcode.clone()),
            None => {}
        }
    }
    for barcode in next.give_slots(counts, waiting) {
        change.shelved.insert(barcode, NO_FREE_SLOT.to_owned());
    }
    (next, change)
}

/// Takes a tape out of the robot, remembering its slot.
fn shelve(entry: &mut Entry) {
    if matches!(entry.place, Place::Slot(_)) {
        entry.source = Some(entry.place);
    }
    entry.place = Place::Shelf;
    entry.by_operator = false;
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const COUNTS: ElementCounts = ElementCounts { mail_slots: 1, drives: 1, slots: 3 };

    fn code(text: &str) -> Barcode {
        Barcode::new(text).unwrap()
    }

    fn found(tapes: &[(&str, Option<&str>)]) -> Vec<FoundTape> {
        tapes
            .iter()
            .map(|(barcode, problem)| FoundTape {
                barcode: code(barcode),
                problem: problem.map(str::to_owned),
            })
            .collect()
    }

    #[test]
    fn new_tapes_get_the_lowest_free_slots_and_the_rest_waits_on_the_shelf() {
        let mut map = SlotMap::new(Uuid::nil());
        map.tapes.insert(code("M"), Entry::at(Place::Slot(1)));
        let all = found(&[("M", None), ("A", None), ("Z", None), ("B", None)]);
        let (map, change) = reconcile(&map, COUNTS, &all, &BTreeSet::new());
        assert_eq!(change.added, [code("A"), code("B"), code("Z")]);
        assert_eq!(map.tapes[&code("A")].place, Place::Slot(0));
        assert_eq!(map.tapes[&code("B")].place, Place::Slot(2));
        assert_eq!(map.tapes[&code("Z")].place, Place::Shelf);
        assert_eq!(change.shelved[&code("Z")], NO_FREE_SLOT);
        let fewer = found(&[("M", None), ("A", None), ("Z", None)]);
        let (map, change) = reconcile(&map, COUNTS, &fewer, &BTreeSet::new());
        assert_eq!((change.removed, map.tapes[&code("Z")].place), (vec![code("B")], Place::Slot(2)));
    }

    #[test]
    fn a_damaged_tape_leaves_the_robot_and_comes_back_to_its_slot() {
        let mut map = SlotMap::new(Uuid::nil());
        map.tapes.insert(code("A"), Entry::at(Place::Slot(2)));
        let none = BTreeSet::new();
        let (damaged, change) = reconcile(&map, COUNTS, &found(&[("A", Some("torn label"))]), &none);
        assert_eq!(damaged.tape_at(Place::Slot(2)), None);
        assert_eq!(change.shelved[&code("A")], "torn label");
        let (whole, _) = reconcile(&damaged, COUNTS, &found(&[("A", None), ("B", None)]), &none);
        assert_eq!(whole.tape_at(Place::Slot(2)), Some(&code("A")));
        assert_eq!(whole.tape_at(Place::Slot(0)), Some(&code("B")));
    }

    #[test]
    fn a_mounted_tape_is_left_alone_whatever_the_scan_says() {
        let mut map = SlotMap::new(Uuid::nil());
        let entry = Entry { source: Some(Place::Slot(0)), ..Entry::at(Place::Drive(0)) };
        map.tapes.insert(code("A"), entry);
        let mounted = BTreeSet::from([code("A")]);
        for scan in [found(&[]), found(&[("A", Some("open"))]), found(&[("A", None)])] {
            assert_eq!(reconcile(&map, COUNTS, &scan, &mounted), (map.clone(), InventoryChange::default()));
        }
        let (map, change) = reconcile(&map, COUNTS, &[], &BTreeSet::new());
        assert_eq!((map.tapes.len(), change.removed), (0, vec![code("A")]));
    }
}
