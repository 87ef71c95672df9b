//! The `ndmp` driver of physical libraries against this program's own server: Tapesilo to Tapesilo, by CDBs and by tape messages.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::time::Duration;

use support::command::success;
use support::robot::{DRIVE, SLOT};
use support::{Site, loader, wait_for};
use tapesilo::ndmp::wire::{Error, TapeOpenMode};
use tapesilo::physical::ndmp::{Access, Credentials, NdmpLibrary, Server, Settings};
use tapesilo::physical::scsi::Timeouts;
use tapesilo::physical::{Cancel, DriveState, Fault, FaultKind, Library, PhysicalDrive, Place, Room};
use tapesilo::tape::Tape;
use tapesilo::vtl::element::ElementKind;
use tapesilo::vtl::tape_drive::{ReadRecord, SpaceEnd};

const BOTH: [Access; 2] = [Access::Commands, Access::Messages];

fn site(capacity: &str) -> Site {
    let more = format!("tapes = 2\ntape_capacity = \"{capacity}\"\ntape_family = \"VLT\"\nmail_slots = 1");
    Site::start("", &loader("vault", &more))
}

fn settings(site: &Site, access: Access) -> Settings {
    Settings {
        server: Server {
            address: site.address().to_string(),
            credentials: Credentials::new("backup", b"hunter2"),
        },
        robot_device: "vault_robot".to_owned(),
        drive_devices: vec!["vault_drive0".to_owned(), "vault_drive1".to_owned()],
        access,
        timeouts: Timeouts { arrival: Duration::from_secs(1), ..Timeouts::default() },
    }
}

fn open(site: &Site, access: Access) -> NdmpLibrary {
    NdmpLibrary::open("attic", settings(site, access), &Cancel::new()).unwrap()
}

/// The library with a cartridge from a slot in its first drive, threaded.
fn loaded(site: &Site, access: Access, slot: u16) -> (NdmpLibrary, Box<dyn PhysicalDrive>) {
    let (mut library, cancel) = (open(site, access), Cancel::new());
    library.move_medium(SLOT + slot, DRIVE, &cancel).unwrap();
    let mut drive = library.open_drive(DRIVE, &cancel).unwrap();
    drive.load().unwrap();
    (library, drive)
}

fn kind<T>(result: Result<T, Fault>) -> FaultKind {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(fault) => {
            assert!(!fault.to_string().contains("hunter2"), "{fault}");
            fault.kind
        }
    }
}

/// Lengths of records, 0 for filemarks.
const OBJECTS: &[usize] =
    &[80, 80, 0, 1, 512, 8191, 65_537, 0, 0, 0, 262_145, 1_048_576, 0, 3_000_001, 0, 32_768, 0, 0];

fn content(number: usize, bytes: usize) -> Vec<u8> {
    let mut state = u32::try_from(number).unwrap().wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

fn write(drive: &mut dyn PhysicalDrive, objects: &[usize]) {
    for (number, bytes) in objects.iter().enumerate() {
        let room = match bytes {
            0 => drive.write_filemarks(1).unwrap(),
            bytes => drive.write_record(&content(number, *bytes)).unwrap(),
        };
        assert_eq!(room, Room::Enough);
    }
    assert_eq!(drive.synchronise(), Ok(Room::Enough));
}

fn read(drive: &mut dyn PhysicalDrive, objects: &[usize]) {
    let mut buffer = vec![0; 4 << 20];
    drive.rewind().unwrap();
    for (number, bytes) in objects.iter().enumerate() {
        match (bytes, drive.read_record(&mut buffer).unwrap()) {
            (0, ReadRecord::Filemark) => {}
            (bytes, ReadRecord::Record { bytes: came }) if came == *bytes => {
                assert!(buffer[..came] == content(number, came), "object {number}: other bytes");
            }
            (bytes, other) => panic!("object {number} of {bytes} bytes: {other:?}"),
        }
    }
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::EndOfData));
}

/// Where object `number` stands.
fn place(objects: &[usize], number: usize) -> Place {
    let before = &objects[..number];
    let records = before.iter().rev().take_while(|bytes| **bytes > 0).count();
    let count = |number: usize| Some(u64::try_from(number).unwrap());
    let marks = before.iter().filter(|bytes| **bytes == 0).count();
    Place { object: count(number), file: count(marks), record: count(records) }
}

#[test]
fn what_is_where_and_who_it_is() {
    let site = site("64 MiB");
    let (mut library, cancel) = (open(&site, Access::Choose), Cancel::new());
    assert!(!library.identity().serial.is_empty() && library.identity().world_wide_name.is_some());
    let inventory = library.inventory(&cancel).unwrap();
    let count = |kind| inventory.of_kind(kind).count();
    assert_eq!((count(ElementKind::Storage), count(ElementKind::ImportExport)), (10, 1));
    let full: Vec<_> = inventory.elements.iter().filter(|element| element.is_full).collect();
    assert_eq!(full.iter().map(|element| element.address).collect::<Vec<_>>(), [SLOT, SLOT + 1]);
    let drives: Vec<_> = inventory.of_kind(ElementKind::DataTransfer).collect();
    assert_eq!(drives.len(), 2);
    for drive in drives {
        // By CDBs, as it is the drive's own serial number.
        let mut opened = library.open_drive(drive.address, &cancel).unwrap();
        assert_eq!(Some(opened.serial()), drive.drive_serial.as_deref());
        assert_eq!(opened.state(), Ok(DriveState::Empty));
        assert!(opened.alerts().unwrap().is_some(), "tape messages tell no alerts");
    }
    library.look_again(&cancel).unwrap();
    library.move_medium(SLOT, SLOT + 5, &cancel).unwrap();
    assert_eq!(kind(library.move_medium(SLOT, SLOT + 6, &cancel)), FaultKind::SourceEmpty);
    assert_eq!(kind(library.move_medium(SLOT + 1, SLOT + 5, &cancel)), FaultKind::DestinationFull);
    let inventory = library.inventory(&cancel).unwrap();
    assert_eq!(inventory.at(SLOT + 5).unwrap().source, Some(SLOT));
    library.prevent_removal(true, &cancel).unwrap();
    library.inventory(&cancel).unwrap();
    library.prevent_removal(false, &cancel).unwrap();
    cancel.raise();
    assert_eq!(kind(library.inventory(&cancel)), FaultKind::Cancelled);
}

#[test]
fn what_is_not_there_is_told_by_its_name() {
    let site = site("64 MiB");
    let cancel = Cancel::new();
    let open = |settings| NdmpLibrary::open("attic", settings, &cancel);
    let mut wrong = settings(&site, Access::Choose);
    wrong.server.credentials = Credentials::new("backup", b"hunter22");
    assert_eq!(kind(open(wrong)), FaultKind::Refused);
    let mut wrong = settings(&site, Access::Choose);
    wrong.server.address = "127.0.0.1:1".to_owned();
    assert_eq!(kind(open(wrong)), FaultKind::Refused);
    let mut wrong = settings(&site, Access::Choose);
    wrong.robot_device = "vault_robut".to_owned();
    let Err(fault) = open(wrong) else { panic!("there is no such robot") };
    assert!(fault.kind == FaultKind::WrongDevice && fault.to_string().contains("vault_robot"), "{fault}");
    let mut wrong = settings(&site, Access::Choose);
    wrong.drive_devices = vec!["vault_drive1".to_owned(), "vault_drive7".to_owned()];
    let mut library = open(wrong).unwrap();
    let Err(fault) = library.open_drive(DRIVE, &cancel) else { panic!("the drives are in the wrong order") };
    assert!(fault.kind == FaultKind::WrongDevice && fault.to_string().contains("order"), "{fault}");
    let Err(fault) = library.open_drive(DRIVE + 1, &cancel) else { panic!("there is no such drive") };
    assert!(fault.kind == FaultKind::WrongDevice && fault.to_string().contains("vault_drive0"), "{fault}");
    assert_eq!(kind(library.open_drive(SLOT, &cancel)), FaultKind::NoSuchElement);
}

#[test]
fn records_of_any_length_and_filemarks_exactly() {
    for access in BOTH {
        let site = site("64 MiB");
        let (mut library, mut drive) = loaded(&site, access, 0);
        assert!(drive.record_limits().unwrap().maximum_bytes >= 3_000_001, "{access:?}");
        let cartridge = drive.cartridge().unwrap();
        assert!(!cartridge.is_write_protected && cartridge.capacity_bytes.is_some(), "{cartridge:?}");
        write(&mut *drive, OBJECTS);
        assert_eq!(drive.place(), Ok(place(OBJECTS, OBJECTS.len())), "{access:?}");
        read(&mut *drive, OBJECTS);
        let mut buffer = vec![0; 4 << 20];
        for number in (0..OBJECTS.len()).rev().filter(|number| number % 3 == 0) {
            drive.locate(&place(OBJECTS, number)).unwrap();
            let expected = match OBJECTS[number] {
                0 => ReadRecord::Filemark,
                bytes => ReadRecord::Record { bytes },
            };
            assert_eq!(drive.read_record(&mut buffer), Ok(expected), "{access:?} object {number}");
            assert_eq!(drive.place(), Ok(place(OBJECTS, number + 1)), "{access:?} object {number}");
        }
        assert_eq!(
            kind(drive.locate(&Place { object: Some(99), file: Some(7), record: Some(9) })),
            FaultKind::EndOfData
        );
        // A record that is longer than the buffer: its length is told.
        drive.rewind().unwrap();
        assert_eq!(drive.read_record(&mut [0; 10]), Ok(ReadRecord::Record { bytes: 80 }), "{access:?}");
        // The cartridge goes home, and is read again by the other way and the other drive.
        drive.unload().unwrap();
        drop(drive);
        let cancel = Cancel::new();
        library.move_medium(DRIVE, DRIVE + 1, &cancel).unwrap();
        let other = if access == Access::Commands { Access::Messages } else { Access::Commands };
        let mut library = open(&site, other);
        let mut drive = library.open_drive(DRIVE + 1, &cancel).unwrap();
        drive.load().unwrap();
        read(&mut *drive, OBJECTS);
    }
}

#[test]
fn spacing_ends_where_a_drive_would_end() {
    let objects = [10, 10, 10, 0, 20, 20, 0];
    for access in BOTH {
        let site = site("64 MiB");
        let (_library, mut drive) = loaded(&site, access, 0);
        write(&mut *drive, &objects);
        drive.rewind().unwrap();
        let spaced = drive.space_records(2).unwrap();
        assert_eq!((spaced.moved, spaced.end), (Some(2), SpaceEnd::Done), "{access:?}");
        let spaced = drive.space_records(5).unwrap();
        assert_eq!((spaced.moved, spaced.end), (Some(1), SpaceEnd::Filemark), "{access:?}");
        assert_eq!(drive.place(), Ok(place(&objects, 4)), "{access:?}: the mark is passed");
        let spaced = drive.space_records(-3).unwrap();
        assert_eq!((spaced.moved, spaced.end), (Some(0), SpaceEnd::Filemark), "{access:?}");
        let mut buffer = [0; 64];
        assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Filemark), "{access:?}");
        drive.rewind().unwrap();
        let spaced = drive.space_filemarks(5).unwrap();
        assert_eq!((spaced.moved, spaced.end), (Some(2), SpaceEnd::EndOfData), "{access:?}");
        drive.rewind().unwrap();
        assert_eq!(drive.space_records(-1).unwrap().end, SpaceEnd::BeginningOfTape, "{access:?}");
        drive.space_to_end_of_data().unwrap();
        assert_eq!(drive.place().unwrap().file, Some(2), "{access:?}");
        assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::EndOfData), "{access:?}");
    }
}

#[test]
fn a_tape_that_does_not_end_with_a_filemark() {
    let site = site("64 MiB");
    let (mut library, mut drive) = loaded(&site, Access::Commands, 0);
    write(&mut *drive, &[10, 0, 10]);
    read(&mut *drive, &[10, 0, 10]);
    drive.unload().unwrap();
    drop(drive);
    library.move_medium(DRIVE, SLOT, &Cancel::new()).unwrap();
    let (_library, mut drive) = loaded(&site, Access::Messages, 1);
    write(&mut *drive, &[10, 0, 10]);
    // The server would put a mark there, which the tape does not have.
    assert_eq!(kind(drive.rewind()), FaultKind::Unsupported);
    assert_eq!(kind(drive.read_record(&mut [0; 64])), FaultKind::Unsupported);
    drive.write_filemarks(1).unwrap();
    read(&mut *drive, &[10, 0, 10, 0]);
}

#[test]
fn the_end_of_the_tape_is_told_and_all_before_it_is_there() {
    for access in BOTH {
        let site = site("8 MiB");
        let (_library, mut drive) = loaded(&site, access, 0);
        let mut written = 0;
        let end = loop {
            assert!(written < 64, "the tape has no end");
            match drive.write_record(&content(written, 1 << 18)) {
                Ok(Room::Enough) => written += 1,
                Ok(Room::EarlyWarning) => {
                    written += 1;
                    break None;
                }
                Err(fault) => break Some(fault.kind),
            }
        };
        assert!(written > 20, "{access:?}: only {written} records");
        match access {
            Access::Messages => assert_eq!(end, Some(FaultKind::EndOfMedium)),
            _ => assert_eq!(end, None),
        }
        // Nothing is written blindly behind an end.
        drive.load().unwrap();
        let mut buffer = vec![0; 1 << 18];
        for number in 0..written {
            assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Record { bytes: 1 << 18 }));
            assert!(buffer == content(number, 1 << 18), "{access:?}: record {number}");
        }
        assert!(!matches!(drive.read_record(&mut buffer).unwrap(), ReadRecord::Record { .. }), "{access:?}");
    }
}

#[test]
fn a_write_protected_cartridge_is_told_and_not_written() {
    let mut site = site("64 MiB");
    site.terminate();
    let label =
        fs::read_dir(site.path("vault")).unwrap().map(|entry| entry.unwrap().path().join("label.toml"));
    for label in label.filter(|label| label.exists()) {
        let text = fs::read_to_string(&label).unwrap();
        assert!(text.contains("write_protected = false"), "{text}");
        fs::write(&label, text.replace("write_protected = false", "write_protected = true")).unwrap();
    }
    site.start_again();
    for (slot, access) in BOTH.into_iter().enumerate() {
        let (mut library, mut drive) = loaded(&site, access, u16::try_from(slot).unwrap());
        assert!(drive.cartridge().unwrap().is_write_protected, "{access:?}");
        assert_eq!(kind(drive.write_record(&[1; 512])), FaultKind::WriteProtected, "{access:?}");
        assert_eq!(kind(drive.write_filemarks(1)), FaultKind::WriteProtected, "{access:?}");
        assert_eq!(drive.read_record(&mut [0; 64]), Ok(ReadRecord::EndOfData), "{access:?}");
        drive.unload().unwrap();
        drop(drive);
        library.move_medium(DRIVE, SLOT + 7 + u16::try_from(slot).unwrap(), &Cancel::new()).unwrap();
    }
}

#[test]
fn a_server_that_dies_leaves_the_position_unknown_and_what_was_synchronised() {
    for access in BOTH {
        let mut site = site("64 MiB");
        let (_library, mut drive) = loaded(&site, access, 0);
        write(&mut *drive, &[1000, 0, 2000, 0]);
        site.kill();
        let fault = drive.write_record(&[7; 4096]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::ConnectionLost, "{fault}");
        for _ in 0..2 {
            let fault = drive.write_record(&[7; 4096]).unwrap_err();
            assert_eq!(fault.kind, FaultKind::PositionLost, "{fault}");
        }
        site.start_again();
        // On another port: an address that is configured does not change.
        let mut library = open(&site, access);
        let mut drive = library.open_drive(DRIVE, &Cancel::new()).unwrap();
        assert_eq!(kind(drive.write_record(&[7; 4096])), FaultKind::PositionLost);
        drive.load().unwrap();
        read(&mut *drive, &[1000, 0, 2000, 0]);
    }
}

#[test]
fn a_drive_that_another_has_is_busy() {
    let site = site("64 MiB");
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Raw), Error::NoErr);
    let mut library = open(&site, Access::Choose);
    assert_eq!(kind(library.open_drive(DRIVE, &Cancel::new())), FaultKind::Busy);
    assert_eq!(dma.close_tape(), Error::NoErr);
    let drive = library.open_drive(DRIVE, &Cancel::new()).unwrap();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Raw), Error::DeviceBusy);
    drop(drive);
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Raw), Error::NoErr);
}

/// Two servers: tapes of the one are copied to the other's cartridges by the copy engine.
#[test]
fn tapes_are_copied_from_one_server_to_another() {
    let far = site("64 MiB");
    let library = format!(
        "[[library]]\nname = \"far\"\ndriver = \"ndmp\"\naddress = \"{}\"\nuser = \"backup\"\npassword_file = \"pw\"\n\
         robot_device = \"vault_robot\"\ndrive_devices = [\"vault_drive0\"]\n\
         [[copy]]\nloader = \"near\"\nlibrary = \"far\"\n",
        far.address()
    );
    let more = format!("tapes = 1\ntape_capacity = \"64 MiB\"\ntape_family = \"VLT\"\n{library}");
    let near = Site::start("", &loader("near", &more));
    let path = near.path("near").join("VLT001L8");
    wait_for("tape that nobody holds", || Tape::open(&path).ok()).close().unwrap();
    let mut tape = Tape::open(&path).unwrap();
    for (number, bytes) in OBJECTS.iter().enumerate() {
        match bytes {
            0 => tape.write_filemarks(1).unwrap(),
            bytes => tape.write_record(&content(number, *bytes)).unwrap(),
        }
    }
    tape.close().unwrap();
    wait_for("library that is ready", || {
        (near.json(&["library", "list"])[0]["state"] == "ready").then_some(())
    });
    success(&near, &["copy", "run", "near", "VLT001L8", "--to", "far"]);
    let copy = near.json(&["copy", "show", "far/VLT001L8"]);
    assert_eq!((&copy["state"], &copy["verification"]), (&"verified".into(), &"read-back".into()), "{copy}");
    let (_library, mut drive) = loaded(&far, Access::Commands, 0);
    read(&mut *drive, OBJECTS);
    assert!(!near.log().contains("hunter2") && !far.log().contains("hunter2"));
}
