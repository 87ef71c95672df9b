//! What an operator does to a loader's tapes: each change, each refusal, and that a refusal changes nothing.

use std::fs;

use super::super::fake::{FakeCartridges, NEW, Site};
use super::super::*;
use super::code;
use crate::vtl::inventory::EJECTED;

fn names(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(&site.settings.directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn several_tapes_are_made_or_none() {
    let site = Site::new(4, 0, 1);
    let (loader, _) = site.open(1);
    let before = names(&site);
    assert!(matches!(loader.create_tapes(None, 4, NEW), Err(LoaderError::NoFreeSlot { .. })));
    // The second of three stands there already, in no map: what was made before it is taken back.
    fs::create_dir(site.path("VLT003L8")).unwrap();
    assert!(loader.create_tapes(None, 3, NEW).is_err());
    fs::remove_dir(site.path("VLT003L8")).unwrap();
    assert_eq!(names(&site), before);
    assert_eq!(loader.create_tapes(None, 2, NEW).unwrap(), [code("VLT002L8"), code("VLT003L8")]);
    assert_eq!(loader.place_of(&code("VLT003L8")), Some(Place::Slot(2)));
    assert_eq!(loader.create_tapes(Some(&code("MINE")), 1, NEW).unwrap(), [code("MINE")]);
}

#[test]
fn a_deleted_tape_is_gone_at_once_and_what_a_crash_left_of_it_at_the_next_start() {
    let site = Site::new(4, 0, 3);
    let (loader, _) = site.open(1);
    loader.delete_tape(&code("VLT002L8"), false).unwrap();
    assert_eq!(loader.place_of(&code("VLT002L8")), None);
    assert!(!names(&site).iter().any(|name| name.starts_with(".deleted-") || name == "VLT002L8"));
    drop(loader);
    // The crash: buried, and no more.
    fs::rename(site.path("VLT003L8"), site.path(".deleted-1")).unwrap();
    let (loader, _) = site.open(1);
    assert_eq!(loader.place_of(&code("VLT003L8")), None);
    assert!(!site.path(".deleted-1").exists());
}

#[test]
fn what_must_not_be_destroyed_is_kept_and_says_why() {
    let site = Site::new(4, 0, 3);
    let (loader, _) = site.open(1);
    let (first, second) = (code("VLT001L8"), code("VLT002L8"));
    loader.protect_tape(&first, true).unwrap();
    loader.move_medium(Place::Slot(1), Place::Drive(0), MovedBy::Robot).unwrap();
    let before = (names(&site), loader.elements());
    let refusals = [
        loader.delete_tape(&first, false).unwrap_err(),
        loader.erase_tape(&first).unwrap_err(),
        loader.delete_tape(&second, true).unwrap_err(),
        loader.erase_tape(&second).unwrap_err(),
        loader.protect_tape(&second, true).unwrap_err(),
        loader.delete_tape(&code("VLT004L8"), true).unwrap_err(),
    ];
    let said: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    for (text, part) in said.iter().zip([
        "write-protected",
        "write-protected",
        "in drive 0 of loader test; unload it first: tapesilo tape move test VLT002L8 slot",
        "in drive 0",
        "in drive 0",
        "no tape VLT004L8; did you mean VLT001L8?",
    ]) {
        assert!(text.contains(part) && !text.contains('\n'), "{text}");
    }
    assert_eq!((names(&site), loader.elements()), before);
    loader.protect_tape(&first, false).unwrap();
    loader.erase_tape(&first).unwrap();
    assert!(site.path("VLT001L8/erased").exists());
    loader.protect_tape(&first, true).unwrap();
    loader.delete_tape(&first, true).unwrap();
    assert!(!site.path("VLT001L8").exists());
}

#[test]
fn a_tape_is_moved_by_hand_to_any_place_and_home_again() {
    let site = Site::new(4, 1, 2);
    let (loader, bays) = site.open(1);
    let tape = code("VLT002L8");
    let to = |destination| loader.move_tape(&tape, destination);
    assert_eq!(to(Destination::Place(Place::Drive(0))).unwrap(), Place::Drive(0));
    assert_eq!(bays[0].state().holds.as_ref(), Some(&tape));
    assert_eq!(to(Destination::AnySlot).unwrap(), Place::Slot(1), "its home");
    assert_eq!(to(Destination::Place(Place::Slot(3))).unwrap(), Place::Slot(3));
    assert_eq!(loader.elements().last_slot, Some(3));
    assert_eq!(to(Destination::Place(Place::MailSlot(0))).unwrap(), Place::MailSlot(0));
    assert!(loader.elements().at(Place::MailSlot(0)).unwrap().by_operator, "an import");
    assert_eq!(to(Destination::Place(Place::Slot(0))).unwrap_err().to_string().lines().count(), 1);
    assert!(to(Destination::Place(Place::Slot(4))).is_err());
    assert_eq!(loader.place_of(&tape), Some(Place::MailSlot(0)));
    bays[0].state().refuse_insert = true;
    assert!(to(Destination::Place(Place::Drive(0))).is_err());
    assert_eq!(loader.place_of(&tape), Some(Place::MailSlot(0)), "back where it was");
}

#[test]
fn an_ejected_tape_stays_out_until_it_is_brought_back() {
    let site = Site::new(2, 1, 2);
    let (loader, _) = site.open(1);
    let (first, second) = (code("VLT001L8"), code("VLT002L8"));
    assert_eq!(loader.eject_tape(&first, false).unwrap(), Place::MailSlot(0));
    assert!(!loader.elements().at(Place::MailSlot(0)).unwrap().by_operator, "on its way out");
    assert!(matches!(
        loader.eject_tape(&second, false),
        Err(MoveError::State(LoaderError::NoFreeMailSlot { .. }))
    ));
    assert_eq!(loader.eject_tape(&second, true).unwrap(), Place::Shelf);
    loader.rescan().unwrap();
    drop(loader);
    let (loader, _) = site.open(1);
    loader.rescan().unwrap();
    assert_eq!(loader.place_of(&second), Some(Place::Shelf));
    assert_eq!(loader.elements().shelf[0].reason, EJECTED);
    // Out of the robot it may be damaged, and then it does not come back.
    site.damage_tape("VLT002L8", "torn");
    let refusal = loader.move_tape(&second, Destination::AnySlot).unwrap_err().to_string();
    assert!(refusal.contains("torn"), "{refusal}");
    site.damage_tape("VLT002L8", "");
    assert_eq!(loader.move_tape(&second, Destination::Place(Place::Drive(0))).unwrap(), Place::Drive(0));
    assert!(loader.elements().shelf.is_empty());
    drop(loader);
    assert_eq!(site.open(1).0.place_of(&second), Some(Place::Drive(0)));
    let without = Site::new(2, 0, 1);
    assert_eq!(without.open(1).0.eject_tape(&first, false).unwrap(), Place::Shelf, "no mail slots at all");
}

#[test]
fn without_a_server_the_drives_keep_what_they_hold() {
    let site = Site::new(3, 0, 2);
    let (loader, _) = site.open(2);
    loader.move_medium(Place::Slot(0), Place::Drive(1), MovedBy::Robot).unwrap();
    drop(loader);
    let parked = Loader::open_parked(site.settings.clone(), 2, Arc::new(FakeCartridges)).unwrap();
    parked.move_tape(&code("VLT002L8"), Destination::Place(Place::Drive(0))).unwrap();
    assert!(parked.delete_tape(&code("VLT001L8"), true).is_err());
    drop(parked);
    let (loader, bays) = site.open(2);
    assert_eq!(loader.place_of(&code("VLT001L8")), Some(Place::Drive(1)));
    assert_eq!(bays[0].state().holds, Some(code("VLT002L8")));
    drop((loader, bays));
    let parked = Loader::open_parked(site.settings, 2, Arc::new(FakeCartridges)).unwrap();
    assert_eq!(parked.move_tape(&code("VLT001L8"), Destination::AnySlot).unwrap(), Place::Slot(0));
}
