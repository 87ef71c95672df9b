//! The loader as a whole: restarts, refusals, and a model that no tape is ever lost or doubled.

mod changes;
mod exchange;

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;

use super::fake::{FakeBay, FakeCartridges, NEW, Site, UNFINISHED};
use super::*;
use crate::vtl::bay::BayError;
use crate::vtl::inventory::NO_FREE_SLOT;

fn code(text: &str) -> Barcode {
    Barcode::new(text).unwrap()
}

#[test]
fn a_new_loader_gets_its_tapes_once() {
    let site = Site::new(4, 0, 3);
    let (loader, _) = site.open(1);
    let uuid = loader.uuid();
    assert_eq!(loader.place_of(&code("VLT003L8")), Some(Place::Slot(2)));
    drop(loader);
    for number in 1..=3 {
        site.remove_tape(&format!("VLT00{number}L8"));
    }
    let (loader, _) = site.open(1);
    assert_eq!(
        (loader.uuid(), loader.state().map.tapes.len()),
        (uuid, 0),
        "an emptied loader is not filled again"
    );
}

#[test]
fn the_making_of_first_tapes_is_finished_but_foreign_tapes_prevent_it() {
    let site = Site::new(4, 0, 3);
    Loader::identity_of(&site.settings.directory).unwrap();
    site.make_tape("VLT001L8");
    site.damage_tape("VLT001L8", "torn");
    site.make_tape("VLT002L8");
    site.damage_tape("VLT002L8", UNFINISHED);
    let (loader, _) = site.open(1);
    assert_eq!(loader.place_of(&code("VLT001L8")), Some(Place::Shelf), "a damaged tape is not made anew");
    assert_eq!(loader.place_of(&code("VLT002L8")), Some(Place::Slot(0)));
    assert_eq!(loader.state().map.tapes.len(), 3);
    drop(loader);
    let site = Site::new(4, 0, 3);
    Loader::identity_of(&site.settings.directory).unwrap();
    site.make_tape("OLD001L8");
    assert_eq!(site.open(1).0.state().map.tapes.len(), 1);
}

#[test]
fn a_second_opener_is_told_who_is_in_the_way() {
    // The lock is the kernel's and belongs to the open file, so a second open here stands for a second process.
    let site = Site::new(4, 0, 1);
    let (loader, _) = site.open(1);
    let error = site.try_open(1).err().unwrap();
    assert!(matches!(error, LoaderError::InUse { .. }) && error.to_string().contains("loader"), "{error}");
    let elements =
        Loader::peek(&site.settings.directory, ElementLayout::default(), loader.counts(), &FakeCartridges)
            .unwrap();
    assert_eq!(elements, loader.elements(), "a report needs no lock");
    drop(loader);
    site.open(1);
}

#[test]
fn tapes_in_drives_are_mounted_again_and_failures_are_kept_apart() {
    let site = Site::new(4, 0, 3);
    let (loader, _) = site.open(3);
    for index in 0..3 {
        loader.move_medium(Place::Slot(index), Place::Drive(index), MovedBy::Robot).unwrap();
    }
    drop(loader);
    site.damage_tape("VLT002L8", "torn");
    site.remove_tape("VLT003L8");
    let (loader, bays) = site.open(3);
    let elements = loader.elements();
    let fault = |index| elements.at(Place::Drive(index)).unwrap().fault.clone();
    assert_eq!(bays[0].state().holds, Some(code("VLT001L8")));
    assert!(fault(0).is_none() && fault(1).is_some() && fault(2).is_none());
    assert_eq!(loader.place_of(&code("VLT002L8")), Some(Place::Drive(1)));
    assert_eq!(loader.place_of(&code("VLT003L8")), None);
    loader.move_medium(Place::Drive(1), Place::Slot(1), MovedBy::Robot).unwrap();
    assert_eq!(loader.elements().at(Place::Drive(1)).unwrap().fault, None);
    assert_eq!(loader.rescan().unwrap().shelved[&code("VLT002L8")], "torn");
}

#[test]
fn a_failed_load_leaves_the_tape_where_it_was() {
    let site = Site::new(4, 1, 1);
    let (loader, bays) = site.open(2);
    bays[1].state().refuse_insert = true;
    let refused = |source| {
        let error = loader.move_medium(source, Place::Drive(1), MovedBy::Robot).unwrap_err();
        assert!(matches!(error, MoveError::Load { .. }), "{error}");
        assert_eq!(loader.place_of(&code("VLT001L8")), Some(source));
    };
    refused(Place::Slot(0));
    loader.move_medium(Place::Slot(0), Place::Drive(0), MovedBy::Robot).unwrap();
    refused(Place::Drive(0));
    assert_eq!(bays[0].state().holds, Some(code("VLT001L8")), "it is mounted again");
    bays[0].state().refuse_remove = Some(BayError::Prevented);
    assert!(loader.move_medium(Place::Drive(0), Place::Slot(0), MovedBy::Robot).is_err());
    assert_eq!(loader.place_of(&code("VLT001L8")), Some(Place::Drive(0)));
}

#[test]
fn a_move_that_cannot_be_kept_is_undone() {
    let site = Site::new(4, 0, 1);
    let (loader, bays) = site.open(1);
    // A directory in the way of the new version makes every save fail.
    let obstacle = site.path("slots.toml.tmp");
    fs::remove_file(&obstacle).unwrap();
    fs::create_dir(&obstacle).unwrap();
    let to_drive = || loader.move_medium(Place::Slot(0), Place::Drive(0), MovedBy::Robot);
    assert!(matches!(to_drive(), Err(MoveError::State(_))));
    assert_eq!(
        (loader.place_of(&code("VLT001L8")), bays[0].state().holds.clone()),
        (Some(Place::Slot(0)), None)
    );
    fs::remove_dir(&obstacle).unwrap();
    to_drive().unwrap();
    fs::remove_file(&obstacle).unwrap();
    fs::create_dir(&obstacle).unwrap();
    assert!(loader.move_medium(Place::Drive(0), Place::Slot(0), MovedBy::Robot).is_err());
    assert_eq!(loader.place_of(&code("VLT001L8")), Some(Place::Drive(0)));
    assert_eq!(bays[0].state().holds, Some(code("VLT001L8")), "it is mounted again");
}

#[test]
fn a_loaded_tape_keeps_its_home() {
    let site = Site::new(3, 1, 2);
    let (loader, _) = site.open(1);
    loader.move_medium(Place::Slot(0), Place::Drive(0), MovedBy::Robot).unwrap();
    let source = || loader.elements().at(Place::Drive(0)).unwrap().source;
    assert_eq!(source(), Some(0x1000));
    site.make_tape("NEW001L8");
    site.make_tape("NEW002L8");
    loader.rescan().unwrap();
    assert_eq!(
        loader.place_of(&code("NEW001L8")),
        Some(Place::Slot(2)),
        "not in the home of the loaded tape"
    );
    assert_eq!(loader.elements().shelf[0].reason, NO_FREE_SLOT);
    loader.move_medium(Place::Slot(1), Place::Slot(0), MovedBy::Robot).unwrap();
    assert_eq!(source(), None, "a home that a client filled is not offered");
    loader.move_medium(Place::Slot(2), Place::MailSlot(0), MovedBy::Operator).unwrap();
    assert!(loader.elements().at(Place::MailSlot(0)).unwrap().by_operator);
}

#[test]
fn fewer_slots_put_tapes_on_the_shelf_and_more_bring_them_back() {
    let mut site = Site::new(5, 1, 5);
    let (loader, _) = site.open(2);
    loader.move_medium(Place::Slot(4), Place::Drive(1), MovedBy::Robot).unwrap();
    drop(loader);
    site.settings.slots = 3;
    let (loader, _) = site.open(1);
    let elements = loader.elements();
    assert_eq!((elements.shelf.len(), elements.elements.iter().filter(|e| e.tape.is_some()).count()), (2, 3));
    drop(loader);
    site.settings.slots = 9;
    assert_eq!(site.open(1).0.elements().shelf, []);
}

#[test]
fn tapes_are_made_in_free_slots_only() {
    let site = Site::new(2, 0, 1);
    let (loader, _) = site.open(1);
    assert!(matches!(loader.create_tapes(Some(&code("VLT001L8")), 1, NEW), Err(LoaderError::Exists { .. })));
    assert_eq!(loader.create_tapes(None, 1, NEW).unwrap(), [code("VLT002L8")]);
    assert!(matches!(loader.create_tapes(None, 1, NEW), Err(LoaderError::NoFreeSlot { .. })));
    assert!(!site.path("VLT003L8").exists());
}

#[test]
fn a_lock_that_is_no_file_is_an_error_and_not_a_wait() {
    let site = Site::new(2, 0, 1);
    fs::create_dir(&site.settings.directory).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, site.path(LOCK_NAME), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(matches!(site.try_open(1), Err(LoaderError::Io { action: "open", .. })));
}

#[test]
fn a_directory_that_cannot_be_listed_changes_nothing() {
    let site = Site::new(2, 0, 2);
    let (loader, _) = site.open(1);
    let elsewhere = site.directory.path().join("elsewhere");
    fs::rename(&site.settings.directory, &elsewhere).unwrap();
    assert!(loader.rescan().is_err());
    fs::rename(&elsewhere, &site.settings.directory).unwrap();
    assert_eq!(loader.rescan().unwrap(), InventoryChange::default());
}

#[test]
fn a_loader_never_starts_from_nothing_over_a_state_it_cannot_read() {
    let site = Site::new(4, 0, 2);
    let (loader, _) = site.open(1);
    let uuid = loader.uuid();
    loader.move_medium(Place::Slot(1), Place::Slot(3), MovedBy::Robot).unwrap();
    loader.move_medium(Place::Slot(0), Place::Slot(2), MovedBy::Robot).unwrap();
    drop(loader);
    fs::write(site.path("slots.toml"), "\0\0\0").unwrap();
    let (loader, _) = site.open(1);
    assert_eq!((loader.uuid(), loader.place_of(&code("VLT002L8"))), (uuid, Some(Place::Slot(3))));
    drop(loader);
    fs::write(site.path("slots.toml"), "").unwrap();
    fs::write(site.path("slots.toml.bak"), "version = 1").unwrap();
    let error = site.try_open(1).err().unwrap().to_string();
    assert!(error.contains(site.path("slots.toml").to_str().unwrap()), "{error}");
    assert_eq!(fs::read_to_string(site.path("slots.toml")).unwrap(), "", "nothing is overwritten");
}

#[derive(Clone, Debug)]
enum Step {
    Move(Place, Place),
    Exchange(Place, Place, Place),
    /// An operator's.
    MoveByHand(u8, Destination),
    Eject(u8, bool),
    Create(u32),
    Delete(u8),
    Protect(u8, bool),
    Rescan,
    Appear(u8),
    Vanish(u8),
    Damage(u8),
    Heal(u8),
    RefuseInsert(usize, bool),
    InUse(usize, bool),
    /// The process dies; the files are as after the last acknowledged change.
    Crash,
    /// It dies between the two renames of the last save.
    CrashInSave,
    /// The last save is torn by a disk that lies.
    CrashTorn(u8),
    Resize(u16),
    Adopt(u8),
    /// It dies with a tape staged that was not yet renamed into place.
    CrashInAdopt(u8),
    /// It dies between the burial of a tape and the saving of the map.
    CrashInDelete(u8),
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        3 => (0..5_u16).prop_map(Place::Slot),
        3 => (0..2_u16).prop_map(Place::Drive),
        1 => (0..2_u16).prop_map(Place::MailSlot),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (place(), place()).prop_map(|(from, to)| Step::Move(from, to)),
        8 => (place(), place(), prop::option::of(place()))
            .prop_map(|(from, to, then)| Step::Exchange(from, to, then.unwrap_or(from))),
        4 => (0..7_u8, destination()).prop_map(|(tape, to)| Step::MoveByHand(tape, to)),
        2 => (0..7_u8, any::<bool>()).prop_map(|(tape, shelf)| Step::Eject(tape, shelf)),
        1 => (1..3_u32).prop_map(Step::Create),
        1 => (0..7_u8).prop_map(Step::Delete),
        1 => (0..7_u8, any::<bool>()).prop_map(|(tape, on)| Step::Protect(tape, on)),
        2 => Just(Step::Rescan),
        2 => (0..7_u8).prop_map(Step::Appear),
        1 => (0..7_u8).prop_map(Step::Vanish),
        1 => (0..7_u8).prop_map(Step::Damage),
        1 => (0..7_u8).prop_map(Step::Heal),
        1 => (0..2_usize, any::<bool>()).prop_map(|(bay, on)| Step::RefuseInsert(bay, on)),
        1 => (0..2_usize, any::<bool>()).prop_map(|(bay, on)| Step::InUse(bay, on)),
        1 => Just(Step::Crash),
        1 => Just(Step::CrashInSave),
        1 => any::<u8>().prop_map(Step::CrashTorn),
        1 => (0..6_u16).prop_map(Step::Resize),
        1 => (0..7_u8).prop_map(Step::Adopt),
        1 => (0..7_u8).prop_map(Step::CrashInAdopt),
        1 => (0..7_u8).prop_map(Step::CrashInDelete),
    ]
}

fn destination() -> impl Strategy<Value = Destination> {
    prop_oneof![
        3 => place().prop_map(Destination::Place),
        1 => Just(Destination::Place(Place::Shelf)),
        2 => Just(Destination::AnySlot),
        1 => Just(Destination::Exit),
    ]
}

/// A loader and what must be true of it.
struct Model {
    site: Site,
    open: Option<(Loader, Vec<Arc<FakeBay>>)>,
    on_disk: BTreeSet<Barcode>,
}

impl Model {
    fn new() -> Self {
        let site = Site::new(5, 1, 3);
        let open = Some(site.open(2));
        let on_disk =
            (1..=3).map(|number| Barcode::in_family("VLT", number, Generation::Lto8).unwrap()).collect();
        Self { site, open, on_disk }
    }

    fn reopen(&mut self) {
        self.open = None;
        self.open = Some(self.site.open(2));
        let (loader, _) = self.open.as_ref().unwrap();
        let known: BTreeSet<_> = loader.state().map.tapes.keys().cloned().collect();
        assert_eq!(
            known, self.on_disk,
            "after a start the loader knows what is on disk, no more and no less"
        );
    }

    fn run(&mut self, step: &Step) {
        let tape = |number: &u8| format!("P{number}");
        let file = |name: &str| self.site.path(name);
        let (loader, bays) = self.open.as_ref().unwrap();
        match step {
            Step::Move(from, to) => {
                let tape = loader.state().map.tape_at(*from).cloned();
                match loader.move_medium(*from, *to, MovedBy::Robot) {
                    Ok(moved) => {
                        assert_eq!((Some(&moved), loader.place_of(&moved)), (tape.as_ref(), Some(*to)));
                    }
                    Err(_) => assert_eq!(loader.state().map.tape_at(*from), tape.as_ref()),
                }
            }
            Step::Exchange(from, first, second) => {
                let at = |place: &Place| loader.state().map.tape_at(*place).cloned();
                let before = [at(from), at(first), at(second)];
                match loader.exchange_media(*from, *first, *second, MovedBy::Robot) {
                    Ok((comes, goes)) => {
                        assert_eq!([Some(&comes), Some(&goes)], [before[0].as_ref(), before[1].as_ref()]);
                        let places = [&comes, &goes].map(|tape| loader.place_of(tape));
                        assert_eq!(places, [Some(*first), Some(*second)]);
                        assert!(second == from || at(from).is_none());
                    }
                    Err(_) => assert_eq!([at(from), at(first), at(second)], before),
                }
            }
            Step::MoveByHand(number, to) => {
                let (barcode, before) = (code(&tape(number)), loader.place_of(&code(&tape(number))));
                match loader.move_tape(&barcode, *to) {
                    Ok(place) => assert_eq!(loader.place_of(&barcode), Some(place)),
                    Err(_) => assert_eq!(loader.place_of(&barcode), before),
                }
            }
            Step::Eject(number, to_shelf) => {
                if let Ok(place) = loader.eject_tape(&code(&tape(number)), *to_shelf) {
                    assert!(matches!(place, Place::Shelf | Place::MailSlot(_)));
                }
            }
            Step::Create(count) => {
                if let Ok(made) = loader.create_tapes(None, *count, NEW) {
                    assert_eq!(made.len(), *count as usize);
                    self.on_disk.extend(made);
                }
            }
            Step::Delete(number) => {
                if loader.delete_tape(&code(&tape(number)), false).is_ok() {
                    assert!(self.on_disk.remove(&code(&tape(number))));
                }
            }
            Step::Protect(number, on) => drop(loader.protect_tape(&code(&tape(number)), *on)),
            Step::Rescan => drop(loader.rescan().unwrap()),
            Step::Appear(number) => {
                if self.on_disk.insert(code(&tape(number))) {
                    self.site.make_tape(&tape(number));
                }
            }
            Step::Vanish(number) => {
                if self.on_disk.remove(&code(&tape(number))) {
                    self.site.remove_tape(&tape(number));
                }
            }
            Step::Damage(number) | Step::Heal(number) => {
                if self.on_disk.contains(&code(&tape(number))) {
                    let problem = if matches!(step, Step::Damage(_)) { "damaged" } else { "" };
                    self.site.damage_tape(&tape(number), problem);
                }
            }
            Step::RefuseInsert(bay, on) => bays[*bay].state().refuse_insert = *on,
            Step::InUse(bay, on) => {
                bays[*bay].state().refuse_remove = on.then(|| BayError::InUse { by: "a session".into() });
            }
            Step::Crash => self.reopen(),
            Step::CrashInSave => {
                if file("slots.toml.bak").exists() {
                    fs::rename(file("slots.toml"), file("slots.toml.tmp")).unwrap();
                }
                self.reopen();
            }
            Step::CrashTorn(part) => {
                if file("slots.toml.bak").exists() {
                    let text = fs::read(file("slots.toml")).unwrap();
                    fs::write(file("slots.toml"), &text[..text.len() * usize::from(*part) / 256]).unwrap();
                }
                self.reopen();
            }
            Step::Resize(slots) => {
                self.site.settings.slots = *slots;
                self.reopen();
            }
            Step::Adopt(number) | Step::CrashInAdopt(number) => {
                let (staging, barcode) = (file(".import-1"), code(&tape(number)));
                fs::create_dir(&staging).unwrap();
                FakeCartridges.create(&staging, &barcode, NEW).unwrap();
                if matches!(step, Step::CrashInAdopt(_)) {
                    self.reopen();
                } else if loader.adopt(".import-1", &barcode).is_ok() {
                    assert!(self.on_disk.insert(barcode), "a tape is adopted over another");
                }
                fs::remove_dir_all(&staging).unwrap();
            }
            Step::CrashInDelete(number) => {
                if self.on_disk.remove(&code(&tape(number))) {
                    let grave = file(".deleted-1");
                    fs::rename(file(&tape(number)), &grave).unwrap();
                    self.reopen();
                    assert!(!grave.exists());
                }
            }
        }
    }

    fn check(&self) {
        let (loader, bays) = self.open.as_ref().unwrap();
        let elements = loader.elements();
        let mut seen: Vec<_> = elements.elements.iter().filter_map(|element| element.tape.clone()).collect();
        seen.extend(elements.shelf.iter().map(|tape| tape.barcode.clone()));
        let once: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(once.len(), seen.len(), "a tape is doubled: {seen:?}");
        let state = loader.state();
        assert_eq!(once, state.map.tapes.keys().cloned().collect(), "a tape of the map is not shown");
        for (index, bay) in (0..).zip(bays) {
            let drive = elements.at(Place::Drive(index)).unwrap();
            let mounted = drive.tape.clone().filter(|_| drive.fault.is_none());
            assert_eq!(bay.state().holds, mounted, "drive{index} and its element differ");
        }
        let kept = file::read(&self.site.settings.directory).unwrap().unwrap();
        assert_eq!(kept, *state.map, "what is acknowledged is on disk");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_tape_is_ever_lost_or_doubled(steps in prop::collection::vec(step(), 1..40)) {
        let mut model = Model::new();
        for step in &steps {
            model.run(step);
            model.check();
        }
        model.reopen();
        model.check();
    }
}
