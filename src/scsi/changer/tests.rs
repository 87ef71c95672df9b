//! The changer's answers held to golden bytes, and read back with a parser written like those of real clients.

mod one_by_one;
mod report;

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::scsi::commands::tests as table;
use crate::scsi::sense::SenseKey;
use crate::vtl::bay::BayError;
use crate::vtl::element::Place;
use crate::vtl::loader::fake::Site;

/// As our own robot.
fn execute(
    loader: &Loader,
    nexus: &mut Nexus,
    cdb: &[u8],
    data_out: &[u8],
    allocation_bytes: u32,
) -> Outcome {
    super::execute(loader, &Personality::honest(), nexus, cdb, data_out, allocation_bytes)
}

/// Two drives, one mail slot, three slots. VLT001L8 is in drive 0 and came from slot 0; VLT002L8 is in slot 1.
fn small() -> (Site, Loader) {
    let site = Site::new(3, 1, 0);
    fs::create_dir_all(&site.settings.directory).unwrap();
    let state = "version = 1\nuuid = \"01234567-89ab-4def-8123-456789abcdef\"\nfirst_tapes_made = true\n\
        [[tape]]\nbarcode = \"VLT001L8\"\nplace = \"drive0\"\nsource = \"slot0\"\n\
        [[tape]]\nbarcode = \"VLT002L8\"\nplace = \"slot1\"\n";
    fs::write(site.path("slots.toml"), state).unwrap();
    site.make_tape("VLT001L8");
    site.make_tape("VLT002L8");
    let (loader, _) = site.open(2);
    (site, loader)
}

fn run(loader: &Loader, cdb: &[u8]) -> Outcome {
    execute(loader, &mut Nexus::default(), cdb, &[], 1 << 20)
}

fn data(loader: &Loader, cdb: &[u8]) -> Vec<u8> {
    let outcome = run(loader, cdb);
    assert_eq!((outcome.status, outcome.sense), (0, None), "{cdb:02x?}");
    outcome.data_in
}

fn sense(loader: &Loader, cdb: &[u8]) -> (SenseKey, u8, u8) {
    let outcome = run(loader, cdb);
    assert_eq!((outcome.status, outcome.data_in.len()), (2, 0), "{cdb:02x?}");
    let sense = outcome.sense.unwrap();
    (sense.key, sense.asc, sense.ascq)
}

/// Bytes from hexadecimal text; what follows `#` in a line is a comment, `'…'` is ASCII without blanks.
fn hex(text: &str) -> Vec<u8> {
    let words = text.lines().flat_map(|line| line.split('#').next().unwrap_or("").split_whitespace());
    words
        .flat_map(|word| match word.strip_prefix('\'') {
            Some(ascii) => ascii.trim_end_matches('\'').replace('_', " ").into_bytes(),
            None => (0..word.len() / 2)
                .map(|i| u8::from_str_radix(&word[2 * i..2 * i + 2], 16).unwrap())
                .collect(),
        })
        .collect()
}

fn status_cdb(flags: u8, start: u16, count: u16, options: u8, allocation: u32) -> [u8; 12] {
    let [s, t] = start.to_be_bytes();
    let [c, d] = count.to_be_bytes();
    let [_, x, y, z] = allocation.to_be_bytes();
    [0xb8, flags, s, t, c, d, options, x, y, z, 0, 0xff]
}

const BLANK_TAG: &str = "00000000000000000000000000000000 00000000000000000000000000000000 00000000";
const REST_OF_TAG: &str = "202020202020202020202020202020202020202020202020 0000 0000";

#[test]
fn element_status_with_volume_tags_and_identifiers_to_the_byte() {
    let (_site, loader) = small();
    let answer = data(&loader, &status_cdb(0x10, 0, 0xffff, 0x01, 0xff_ffff));
    assert_eq!(answer, golden_status());
}

fn golden_status() -> Vec<u8> {
    hex(&format!(
        "0001 0007 00 0001D0               # first element; 7 elements; 4 page headers, 5 x 52 and 2 x 86 bytes
         01 80 0034 00 000034              # transport page: PVolTag, 52 a descriptor, 1 of them
         0001 00 00 0000 000000 00 0000 {BLANK_TAG} 00000000
         03 80 0034 00 000034              # import/export page
         0010 38 00 0000 000000 00 0000 {BLANK_TAG} 00000000   # InEnab ExEnab Access
         04 80 0056 00 0000AC              # data transfer page: 86 a descriptor
         0100 01 00 0000 000000 81 1000 'VLT001L8' {REST_OF_TAG}   # full; loaded: no access; source 1000h
         02 01 00 22 'TAPESILO' 'VIRTUAL_LTO-8___' 'Y4TQKFF001'
         0101 08 00 0000 000000 00 0000 {BLANK_TAG}
         02 01 00 22 'TAPESILO' 'VIRTUAL_LTO-8___' 'Y4TQKFF002'
         02 80 0034 00 00009C              # storage page
         1000 08 00 0000 000000 00 0000 {BLANK_TAG} 00000000
         1001 09 00 0000 000000 01 0000 'VLT002L8' {REST_OF_TAG} 00000000
         1002 08 00 0000 000000 00 0000 {BLANK_TAG} 00000000"
    ))
}

#[test]
fn element_status_without_volume_tags_to_the_byte() {
    let (_site, loader) = small();
    let expected = hex("0100 0003 00 000040   # from drive 0 on, at most 3
         04 00 0010 00 000020
         0100 01 00 0000 000000 81 1000 00000000
         0101 08 00 0000 000000 00 0000 00000000
         02 00 0010 00 000010
         1000 08 00 0000 000000 00 0000 00000000");
    assert_eq!(data(&loader, &status_cdb(0, 0x11, 3, 0x02, 0xffff)), expected);
}

#[test]
fn every_allocation_gives_whole_descriptors_and_true_totals() {
    let (_site, loader) = small();
    let full = golden_status();
    // Where a whole header or descriptor ends, and a page header never stands alone.
    let mut ends: Vec<usize> = (0..=8).collect();
    let mut at = 8;
    for (descriptors, bytes) in [(1, 52), (1, 52), (2, 86), (3, 52)] {
        at += 8;
        for _ in 0..descriptors {
            at += bytes;
            ends.push(at);
        }
    }
    assert_eq!(at, full.len());
    for allocation in 0..=full.len() + 10 {
        let end = *ends.iter().rfind(|end| **end <= allocation).unwrap();
        let in_cdb = status_cdb(0x10, 0, 0xffff, 1, u32::try_from(allocation).unwrap());
        assert_eq!(data(&loader, &in_cdb), full[..end], "allocation {allocation} in the CDB");
        let wide = status_cdb(0x10, 0, 0xffff, 1, 0xff_ffff);
        let by_caller =
            execute(&loader, &mut Nexus::default(), &wide, &[], u32::try_from(allocation).unwrap());
        assert_eq!(by_caller.data_in, full[..end], "allocation {allocation} of the caller");
    }
}

/// One descriptor as a client understands it.
#[derive(Debug, PartialEq)]
struct Parsed {
    kind: u8,
    address: u16,
    tag: String,
}

/// Reads a report as clients do, and insists on what makes them die: byte counts that are a multiple of the descriptor
/// length, no page without elements. Gives the header's element count and the descriptors that are there.
fn parse(report: &[u8]) -> (u16, Vec<Parsed>) {
    let u16_at = |at: usize| u16::from_be_bytes([report[at], report[at + 1]]);
    let u24_at = |at: usize| usize::from(report[at]) << 16 | usize::from(u16_at(at + 1));
    assert!(report.len() <= 8 + u24_at(5));
    let (mut at, mut parsed) = (8, Vec::new());
    while at < report.len() {
        let (kind, tags, length) = (report[at], report[at + 1] & 0x80 != 0, usize::from(u16_at(at + 2)));
        let bytes = u24_at(at + 5);
        assert!(bytes > 0 && bytes % length == 0, "page of {bytes} bytes, descriptors of {length}");
        let end = (at + 8 + bytes).min(report.len());
        at += 8;
        assert_eq!((end - at) % length, 0, "a descriptor is cut");
        while at < end {
            let tag = if tags { report[at + 12..at + 44].to_vec() } else { Vec::new() };
            let tag = String::from_utf8(tag).unwrap().trim_end_matches([' ', '\0']).to_owned();
            parsed.push(Parsed { kind, address: u16_at(at), tag });
            at += length;
        }
    }
    (u16_at(2), parsed)
}

#[test]
fn a_large_library_in_a_small_buffer_shows_its_drives_first() {
    let site = Site::new(200, 0, 0);
    fs::create_dir_all(&site.settings.directory).unwrap();
    for number in 1..=150 {
        site.make_tape(&format!("VLT{number:03}L8"));
    }
    let (loader, _) = site.open(4);
    let (count, shown) = parse(&data(&loader, &status_cdb(0x10, 0, 0xffff, 0, 8192)));
    assert_eq!(count, 205);
    assert_eq!(shown.len(), 5 + (8192 - 8 - 8 - 52 - 8 - 4 * 52 - 8) / 52);
    assert!(shown.windows(2).all(|pair| pair[0].address < pair[1].address));
    assert_eq!(shown.iter().map(|element| element.kind).collect::<Vec<_>>()[..6], [1, 4, 4, 4, 4, 2]);
    assert_eq!((shown[5].address, shown[5].tag.as_str()), (0x1000, "VLT001L8"));
    let (count, shown) = parse(&data(&loader, &status_cdb(0x10, 0, 80, 0, 8192)));
    assert_eq!((count, shown.len()), (80, 80));
    let (count, shown) = parse(&data(&loader, &status_cdb(0x10, 0, 0xffff, 0, 8)));
    assert_eq!((count, shown.len()), (205, 0));
}

#[test]
fn types_starts_and_counts_choose_the_elements() {
    let (_site, loader) = small();
    let addresses = |kind: u8, start, count| -> Vec<u16> {
        let report = data(&loader, &status_cdb(kind, start, count, 0, 0xffff));
        let (total, parsed) = parse(&report);
        assert_eq!(usize::from(total), parsed.len());
        parsed.into_iter().map(|element| element.address).collect()
    };
    assert_eq!(addresses(1, 0, 9), [1]);
    assert_eq!(addresses(2, 0, 9), [0x1000, 0x1001, 0x1002]);
    assert_eq!(addresses(3, 0, 9), [0x10]);
    assert_eq!(addresses(4, 0, 9), [0x100, 0x101]);
    assert_eq!(addresses(0, 0x102, 2), [0x1000, 0x1001], "a start in a gap");
    assert!(addresses(4, 0x1000, 9).is_empty());
    assert!(addresses(0, 0, 0).is_empty());
    assert_eq!(sense(&loader, &status_cdb(0, 0x1003, 1, 0, 99)), (SenseKey::IllegalRequest, 0x21, 0x01));
    assert_eq!(sense(&loader, &status_cdb(5, 0, 1, 0, 99)), (SenseKey::IllegalRequest, 0x24, 0x00));
}

#[test]
fn mode_sense_to_the_byte() {
    let (_site, loader) = small();
    let addresses = hex("1D 12 0001 0001 1000 0003 0010 0001 0100 0002 0000");
    let capabilities = hex("1F 12 0E 00 00 0E 0E 0E 00000000 00 0E 0E 0E 00000000");
    let exceptions = hex("1C 0A 08 00 00 00 00000000 0000");
    let six = [hex("17 00 00 00"), addresses.clone()].concat();
    assert_eq!(data(&loader, &[0x1a, 8, 0x1d, 0, 255, 0]), six);
    assert_eq!(data(&loader, &[0x1a, 0, 0x1d, 0, 255, 0]), six, "no block descriptor without DBD either");
    assert_eq!(data(&loader, &[0x1a, 8, 0x1d, 0, 4, 0]), six[..4]);
    let all = [hex("003E 0000 0000 0000"), exceptions, addresses, hex("1E 02 00 00"), capabilities].concat();
    assert_eq!(data(&loader, &[0x5a, 8, 0x3f, 0, 0, 0, 0, 1, 0, 0]), all);
    assert_eq!(data(&loader, &[0x1a, 8, 0x5d, 0, 255, 0])[6..], [0; 18], "nothing is changeable");
    assert_eq!(sense(&loader, &[0x1a, 8, 0xdd, 0, 255, 0]), (SenseKey::IllegalRequest, 0x39, 0x00));
    assert_eq!(sense(&loader, &[0x1a, 8, 0x0f, 0, 255, 0]), (SenseKey::IllegalRequest, 0x24, 0x00));
}

#[test]
fn inquiry_to_the_byte_at_every_allocation() {
    let (_site, loader) = small();
    let full = data(&loader, &[0x12, 0, 0, 0, 255, 0]);
    assert_eq!(&full[..36], b"\x08\x80\x06\x02\x45\x00\x00\x00TAPESILOVIRTUAL LIBRARY 0.1 ");
    for allocation in [0_u8, 5, 36, 56, 74, 96, 128] {
        let shown = data(&loader, &[0x12, 0, 0, 0, allocation, 0]);
        assert_eq!(shown, full[..full.len().min(allocation.into())]);
    }
    assert_eq!(data(&loader, &[0x12, 1, 0, 1, 0, 0]), [8, 0, 0, 3, 0, 0x80, 0x83]);
    assert_eq!(data(&loader, &[0x12, 1, 0x80, 0, 255, 0]), b"\x08\x80\x00\x0aY4TQKFF000");
    let expected = [
        hex("08 83 0032 02 01 00 22 'TAPESILO' 'VIRTUAL_LIBRARY_' 'Y4TQKFF000'"),
        hex("01 03 00 08 356789ABCDEF0000"),
    ]
    .concat();
    assert_eq!(data(&loader, &[0x12, 1, 0x83, 0, 255, 0]), expected);
    for bad in [[0x12, 1, 0xb0, 0, 255, 0], [0x12, 0, 0x80, 0, 255, 0], [0x12, 2, 0, 0, 255, 0]] {
        assert_eq!(sense(&loader, &bad), (SenseKey::IllegalRequest, 0x24, 0x00));
    }
}

#[test]
fn moves_are_done_or_refused_with_the_sense_clients_know() {
    /// Transport, source, destination, invert; the sense.
    type Case = (u16, u16, u16, u8, Option<(SenseKey, u8, u8)>);
    let (site, loader) = small();
    let illegal = |asc, ascq| Some((SenseKey::IllegalRequest, asc, ascq));
    let cases: &[Case] = &[
        (0, 0x1000, 0x101, 0, illegal(0x3b, 0x0e)), // empty source
        (0, 0x1001, 0x100, 0, illegal(0x3b, 0x0d)), // full destination
        (0, 0x1001, 0x1001, 0, illegal(0x3b, 0x0d)),
        (0, 0x1003, 0x101, 0, illegal(0x21, 0x01)),
        (0, 0x1001, 0x102, 0, illegal(0x21, 0x01)),
        (0, 0x1001, 0x0001, 0, illegal(0x21, 0x01)), // the hand is no place to leave a tape
        (0, 0, 0x101, 0, illegal(0x21, 0x01)),
        (2, 0x1001, 0x101, 0, illegal(0x21, 0x01)), // no such transport element
        (0, 0x1001, 0x101, 1, illegal(0x24, 0x00)), // turned over
        (1, 0x1001, 0x101, 0, None),
        (0, 0x101, 0x10, 0, None), // a loaded drive is unloaded by the robot
        (0, 0x100, 0x101, 0, None),
        (0, 0x10, 0x1002, 0, None),
        (0, 0x101, 0x1000, 0, None),
    ];
    for (transport, source, destination, invert, expected) in cases {
        let mut cdb = vec![0xa5, 0];
        for address in [transport, source, destination] {
            cdb.extend(address.to_be_bytes());
        }
        cdb.extend([0, 0, *invert, 0]);
        let outcome = run(&loader, &cdb);
        let got = outcome.sense.map(|sense| (sense.key, sense.asc, sense.ascq));
        assert_eq!(got, *expected, "{source:#x} to {destination:#x}");
    }
    drop(loader);
    let (loader, _) = site.open(2);
    let at = |place| loader.elements().at(place).unwrap().tape.as_ref().map(ToString::to_string);
    assert_eq!(at(Place::Slot(2)).unwrap(), "VLT002L8");
    assert_eq!(at(Place::Slot(0)).unwrap(), "VLT001L8");
}

#[test]
fn drives_that_do_not_let_go_or_take_are_told_apart() {
    let site = Site::new(3, 0, 2);
    let (loader, bays) = site.open(2);
    let load = [0xa5, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0, 0];
    let unload = [0xa5, 0, 0, 0, 1, 0, 0x10, 0, 0, 0, 0, 0];
    bays[0].state().refuse_insert = true;
    assert_eq!(sense(&loader, &load), (SenseKey::HardwareError, 0x53, 0x00));
    bays[0].state().refuse_insert = false;
    assert!(data(&loader, &load).is_empty());
    for error in [BayError::Prevented, BayError::InUse { by: "a session".into() }] {
        bays[0].state().refuse_remove = Some(error);
        assert_eq!(sense(&loader, &unload), (SenseKey::IllegalRequest, 0x53, 0x02));
    }
    bays[0].state().refuse_remove = Some(BayError::Failed { reason: "disk".into() });
    assert_eq!(sense(&loader, &unload), (SenseKey::HardwareError, 0x53, 0x00));
    bays[0].state().refuse_remove = None;
    assert!(data(&loader, &unload).is_empty());
}

#[test]
fn the_small_commands() {
    let (site, loader) = small();
    assert!(data(&loader, &[0; 6]).is_empty(), "no unit attention meets the first command");
    assert!(data(&loader, &[0x01, 0, 0, 0, 0, 0]).is_empty());
    assert_eq!(data(&loader, &[0x03, 0, 0, 0, 255, 0]), Sense::NONE.to_bytes());
    assert!(data(&loader, &[0x2b, 0, 0, 1, 0x10, 1, 0, 0, 0, 0]).is_empty());
    assert_eq!(sense(&loader, &[0x2b, 0, 0, 1, 0x20, 1, 0, 0, 0, 0]), (SenseKey::IllegalRequest, 0x21, 0x01));
    assert_eq!(
        data(&loader, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 99, 0, 0]),
        hex("00000008 00000000 0000000000000000")
    );
    let mut nexus = Nexus::default();
    let prevent =
        |nexus: &mut Nexus, value| execute(&loader, nexus, &[0x1e, 0, 0, 0, value, 0], &[], 0).status;
    assert_eq!((prevent(&mut nexus, 1), nexus.prevent_removal), (0, true));
    assert_eq!((prevent(&mut nexus, 2), nexus.prevent_removal), (2, true));
    assert_eq!((prevent(&mut nexus, 0), nexus.prevent_removal), (0, false));
    let range = |code| [code, 1, 0x10, 0, 0, 0, 0, 9, 0, 0xff];
    for (cdb, tape) in [(&[0x07_u8, 0, 0, 0, 0, 0][..], "A"), (&range(0x37), "B"), (&range(0xe7), "C")] {
        site.make_tape(tape);
        assert!(data(&loader, cdb).is_empty());
        assert!(loader.place_of(&tape.parse().unwrap()).is_some(), "{tape} is found");
    }
    assert_eq!(sense(&loader, &[0x37, 1, 0x10, 3, 0, 0, 0, 9, 0, 0]), (SenseKey::IllegalRequest, 0x21, 0x01));
    for unknown in [&[0x18_u8, 0, 0, 0, 0, 0][..], &[0x3c; 10], &[0xa7; 12], &[0x08, 0, 0, 0, 1, 0]] {
        assert_eq!(sense(&loader, unknown), (SenseKey::IllegalRequest, 0x20, 0x00));
    }
}

#[test]
fn the_document_says_what_the_table_says() {
    table::check_order(commands::COMMANDS);
    table::check("changer", "robot", commands::COMMANDS);
}

#[test]
fn every_malformed_cdb_is_refused_with_a_pointer() {
    let (_site, loader) = small();
    table::check_refusals(commands::COMMANDS, |cdb| run(&loader, cdb));
}

#[test]
fn any_bytes_give_an_outcome_within_the_allocation() {
    let (_site, loader) = small();
    let opcodes = vec![0x03_u8, 0x12, 0x1a, 0x2b, 0x5a, 0xa0, 0xb8];
    let opcode = prop_oneof![any::<u8>(), prop::sample::select(opcodes)];
    // MOVE MEDIUM and the inventory write to disk: they have their own tests.
    let opcode = opcode.prop_filter("writes", |opcode| ![0x07, 0x37, 0xe7, 0xa5, 0xa6].contains(opcode));
    let bytes = prop::collection::vec(any::<u8>(), 0..20);
    let allocation = prop_oneof![0..600_u32, Just(u32::MAX)];
    proptest!(|(opcode in opcode, bytes in bytes, allocation in allocation)| {
        let cdb: Vec<u8> = [opcode].into_iter().chain(bytes).collect();
        let outcome = execute(&loader, &mut Nexus::default(), &cdb, &[], allocation);
        prop_assert!(outcome.data_in.len() <= allocation as usize);
        prop_assert_eq!(outcome.status == 2, outcome.sense.is_some());
        prop_assert!(outcome.data_out_consumed == 0);
        if opcode == 0xb8 && cdb.len() == 12 && outcome.data_in.len() >= 8 {
            parse(&outcome.data_in);
        }
    });
}
