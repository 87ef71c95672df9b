//! The library that is a directory: what is where, moves that survive, and a drive that is as exact as any.

use super::*;
use crate::physical::drive::{DriveState, Room};
use crate::vtl::element::ElementKind;
use crate::vtl::tape_drive::{ReadRecord, SpaceEnd};

const DRIVE: u16 = 0x100;
const SLOT: u16 = 0x1000;

fn library() -> (tempfile::TempDir, DirectoryLibrary) {
    let root = tempfile::tempdir().unwrap();
    let description = Description { serial: "LIB-1".into(), slots: 3, mail_slots: 1, drives: 1 };
    create(root.path(), &description).unwrap();
    assert_eq!(create(root.path(), &description).unwrap_err().kind, FaultKind::Files);
    let mut library = DirectoryLibrary::open("attic", root.path()).unwrap();
    for barcode in ["TST001L8", "TST002L8"] {
        let spec = NewTape { barcode: barcode.into(), capacity_bytes: 2 << 20, worm: false };
        library.add_tape(&spec).unwrap();
    }
    (root, library)
}

fn where_is(library: &mut DirectoryLibrary, barcode: &str) -> Vec<u16> {
    let inventory = library.inventory(&Cancel::new()).unwrap();
    inventory.with_barcode(barcode).map(|element| element.address).collect()
}

#[test]
fn cartridges_are_moved_and_know_where_they_came_from() {
    let (root, mut library) = library();
    let cancel = Cancel::new();
    assert_eq!(where_is(&mut library, "TST002L8"), [SLOT + 1]);
    library.move_medium(SLOT + 1, DRIVE, &cancel).unwrap();
    let mut library = DirectoryLibrary::open("attic", root.path()).unwrap();
    let inventory = library.inventory(&cancel).unwrap();
    let drive = inventory.at(DRIVE).unwrap();
    assert_eq!((drive.barcode.as_deref(), drive.source), (Some("TST002L8"), Some(SLOT + 1)));
    assert_eq!(drive.drive_serial.as_deref(), Some("LIB-1-D0"));
    assert_eq!(inventory.of_kind(ElementKind::Storage).filter(|slot| slot.is_full).count(), 1);
    for (from, to, kind) in [
        (SLOT + 1, SLOT + 2, FaultKind::SourceEmpty),
        (SLOT, DRIVE, FaultKind::DestinationFull),
        (SLOT, 0x999, FaultKind::NoSuchElement),
    ] {
        assert_eq!(library.move_medium(from, to, &cancel).unwrap_err().kind, kind);
    }
    cancel.raise();
    assert_eq!(library.move_medium(DRIVE, SLOT + 1, &cancel).unwrap_err().kind, FaultKind::Cancelled);
}

#[test]
fn what_is_written_is_read_and_a_loaded_cartridge_stays() {
    let (_root, mut library) = library();
    let cancel = Cancel::new();
    library.move_medium(SLOT, DRIVE, &cancel).unwrap();
    let mut drive = library.open_drive(DRIVE, &cancel).unwrap();
    assert_eq!(drive.state(), Ok(DriveState::Unloaded));
    assert_eq!(drive.rewind().unwrap_err().kind, FaultKind::Unloaded);
    drive.load().unwrap();
    assert_eq!(library.move_medium(DRIVE, SLOT, &cancel).unwrap_err().kind, FaultKind::RemovalPrevented);
    assert_eq!(drive.write_record(&[7; 1000]), Ok(Room::Enough));
    drive.write_filemarks(2).unwrap();
    drive.write_record(&[8; 10]).unwrap();
    let behind = drive.place().unwrap();
    drive.rewind().unwrap();
    let mut buffer = [0; 100];
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Record { bytes: 1000 }));
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Filemark));
    assert_eq!(drive.space_records(-5).unwrap().end, SpaceEnd::Filemark);
    drive.locate(&behind).unwrap();
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::EndOfData));
    let beyond = behind.after_records(1);
    assert_eq!(drive.locate(&beyond).unwrap_err().kind, FaultKind::EndOfData);
    let full = loop {
        if let Err(fault) = drive.write_record(&[9; 60_000]) {
            break fault;
        }
    };
    assert_eq!(full.kind, FaultKind::EndOfMedium);
    drive.unload().unwrap();
    library.move_medium(DRIVE, SLOT, &cancel).unwrap();
    assert_eq!(drive.load().unwrap_err().kind, FaultKind::Empty);
}

#[test]
fn write_protection_and_damage_are_told_apart() {
    let (root, mut library) = library();
    let cancel = Cancel::new();
    tape::protect(&root.path().join("slot0/TST001L8"), true).unwrap();
    library.move_medium(SLOT, DRIVE, &cancel).unwrap();
    let mut drive = library.open_drive(DRIVE, &cancel).unwrap();
    drive.load().unwrap();
    assert!(drive.cartridge().unwrap().is_write_protected);
    assert_eq!(drive.write_record(&[1]).unwrap_err().kind, FaultKind::WriteProtected);
    fs::write(root.path().join("slot1/TST002L8/data"), b"nonsense").unwrap();
    let inventory = library.inventory(&cancel).unwrap();
    let damaged = inventory.at(SLOT + 1).unwrap();
    assert_eq!((damaged.is_full, damaged.exception), (true, Some(UNUSABLE)));
}

#[test]
fn a_directory_that_is_no_library_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let Err(fault) = DirectoryLibrary::open("attic", root.path()) else { panic!("opened") };
    assert!(fault.to_string().contains("is its file system mounted?"), "{fault}");
    fs::write(root.path().join(FILE), "serial = \"a b\"\nslots = 1\ndrives = 1\n").unwrap();
    assert!(DirectoryLibrary::open("attic", root.path()).is_err());
}
