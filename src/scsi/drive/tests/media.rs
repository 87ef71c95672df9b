//! Cartridges: their formats, their memory, their capacity, what is told near their end, and those that cannot be read.

use super::*;
use crate::scsi::personality::DrivePersonality;
use crate::vtl::tape_drive::{AttributeFormat, alert};

/// As a drive of some generation.
fn of_generation(drive: &mut FakeDrive, generation: Generation, cdb: &[u8]) -> Outcome {
    let personality = DrivePersonality { generation, ..Personality::honest().drive.clone() };
    super::super::execute(drive, &personality, &mut Nexus::default(), cdb, &[], 4096)
}

const fn densities(bits: u8) -> [u8; 10] {
    [0x44, bits, 0, 0, 0, 0, 0, 4, 0, 0]
}

#[test]
fn formats_to_the_byte() {
    let mut drive = FakeDrive::with("");
    let all = data(&mut drive, &densities(0));
    let mut expected = vec![0, 106, 0, 0];
    expected.extend([0x5c, 0x5c, 0x80, 0, 0, 0, 0x4a, 0xa3, 0, 127, 0x0e, 0, 0, 0x5b, 0x8d, 0x80]);
    expected.extend(b"LTO-CVE U-732   Ultrium 7/32T       ");
    expected.extend([0x5e, 0x5e, 0xa0, 0, 0, 0, 0x50, 0xbd, 0, 127, 0x1a, 0, 0, 0xb7, 0x1b, 0]);
    expected.extend(b"LTO-CVE U-832   Ultrium 8/32T       ");
    assert_eq!(all, expected);
    let loaded = data(&mut drive, &densities(1));
    assert_eq!((&loaded[..2], &loaded[4..7]), (&[0, 54][..], &[0x5e, 0x5e, 0xa0][..]));
    assert_eq!(loaded[16..20], (1_u32 << 30).wrapping_div(1_000_000).to_be_bytes(), "the cartridge's own");
    assert_eq!(data(&mut drive, &[0x44, 0, 0, 0, 0, 0, 0, 0, 3, 0]), [0, 106, 0]);
    drive.change(|state| state.medium = Medium::Empty);
    assert_eq!(data(&mut drive, &densities(0)), expected);
    assert_eq!(sense(&mut drive, &densities(1)), Sense::NO_MEDIUM);
}

#[test]
fn kinds_of_cartridges_to_the_byte() {
    let mut drive = FakeDrive::with("");
    let all = data(&mut drive, &densities(2));
    assert_eq!((all.len(), &all[..4]), (4 + 4 * 56, &[0, 226, 0, 0][..]));
    let kinds: Vec<_> = all[4..].chunks(56).map(|kind| (kind[0], kind[5])).collect();
    assert_eq!(kinds, [(0x78, 0x5c), (0x88, 0x5e), (0x7c, 0x5c), (0x8c, 0x5e)]);
    drive.change(|state| state.is_worm = true);
    let mut expected = vec![0, 58, 0, 0, 0x8c, 0, 0, 52, 1, 0x5e, 0, 0, 0, 0, 0, 0, 0, 0];
    expected.extend([0, 127, 0x03, 0xc0, 0, 0]);
    expected.extend(b"LTO-CVE LTO8WORMUltrium 8 WORM Tape ");
    assert_eq!(data(&mut drive, &densities(3)), expected);
}

#[test]
fn a_drive_of_another_generation_says_so_everywhere() {
    let mut drive = FakeDrive::with("");
    let seven = |drive: &mut FakeDrive, cdb: &[u8]| of_generation(drive, Generation::Lto7, cdb).data_in;
    let flags: Vec<_> =
        seven(&mut drive, &densities(0))[4..].chunks(52).map(|density| (density[0], density[2])).collect();
    assert_eq!(flags, [(0x58, 0x00), (0x5a, 0x80), (0x5c, 0xa0)]);
    assert_eq!(seven(&mut drive, &[0x1a, 0, 0, 0, 255, 0]), [11, 0x78, 0x10, 8, 0x5c, 0, 0, 0, 0, 0, 0, 0]);
    drive.change(|state| state.generation = Some(Generation::Lto5));
    assert_eq!(seven(&mut drive, &[0x1a, 0, 0, 0, 255, 0])[..5], [11, 0x58, 0x10, 8, 0x58]);
    assert_eq!(seven(&mut drive, &densities(1))[4..7], [0x58, 0x58, 0x20], "to be read, and its default");
    let code = seven(&mut drive, &[0x8c, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 10, 0, 0]);
    assert_eq!(code[4..], [0, 6, 0x80, 0, 1, 0x58]);
}

#[test]
fn a_density_can_be_named_that_is_there() {
    let mut drive = FakeDrive::with("");
    drive.change(|state| state.generation = Some(Generation::Lto7));
    let named = |drive: &mut FakeDrive, code: u8| {
        let list = [0, 0, 0x10, 8, code, 0, 0, 0, 0, 0, 0, 0];
        send(drive, &[0x15, 0x10, 0, 0, 12, 0], &list).sense
    };
    for good in [0x00, 0x7f, 0x5c] {
        assert_eq!(named(&mut drive, good), None);
    }
    for bad in [0x5e, 0x5a, 0x44, 0x01] {
        assert_eq!(named(&mut drive, bad), Some(Sense::invalid_parameter(4)));
    }
}

/// READ ATTRIBUTE's values from `first` on.
fn values(drive: &mut FakeDrive, first: u16) -> Vec<u8> {
    let [high, low] = first.to_be_bytes();
    data(drive, &[0x8c, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0, 0x10, 0, 0, 0])[4..].to_vec()
}

fn write_attributes(drive: &mut FakeDrive, attributes: &[u8]) -> Outcome {
    let list = [&[0; 4], attributes].concat();
    let [high, low] = u16::try_from(list.len()).unwrap().to_be_bytes();
    send(drive, &[0x8d, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0], &list)
}

/// An attribute as it goes over the wire.
fn attribute(id: u16, format: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [&id.to_be_bytes()[..], &[format], &length.to_be_bytes(), value].concat()
}

#[test]
fn attributes_are_written_read_and_deleted() {
    let mut drive = FakeDrive::with("");
    let space = |drive: &mut FakeDrive| values(drive, 4)[5..13].to_vec();
    assert_eq!(space(&mut drive), 4096_u64.to_be_bytes());
    let vendor = attribute(0x0800, 1, b"ACME    ");
    let coherency = attribute(0x080c, 0, &[9; 50]);
    let written = write_attributes(&mut drive, &[&vendor[..], &coherency].concat());
    assert_eq!((written.sense, written.data_out_consumed), (None, 4 + 13 + 55));
    assert_eq!(values(&mut drive, 0x0800)[..13], vendor);
    assert_eq!(values(&mut drive, 0x0807), coherency, "not read-only");
    assert_eq!(space(&mut drive), (4096_u64 - 13 - 55).to_be_bytes());
    let list = data(&mut drive, &[0x8c, 1, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(list, [0, 0, 0, 6, 8, 0, 8, 6, 8, 12]);
    let supported = data(&mut drive, &[0x8c, 5, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!((supported[..6].to_vec(), supported.len()), (vec![0, 0, 0, 30, 8, 0], 34), "15 of hosts");
    let replaced = attribute(0x0800, 1, b"OTHER   ");
    assert_eq!(write_attributes(&mut drive, &replaced).sense, None);
    assert_eq!(values(&mut drive, 0x0800)[..13], replaced);
    assert_eq!(write_attributes(&mut drive, &attribute(0x0800, 1, b"")).sense, None);
    assert_eq!(write_attributes(&mut drive, &attribute(0x0801, 1, b"")).sense, None, "what is not there");
    assert_eq!(values(&mut drive, 0x0800)[..2], [0x08, 0x06]);
    let own = attribute(0x1400, 2, b"of a vendor");
    assert_eq!(write_attributes(&mut drive, &own).sense, None);
    assert_eq!(values(&mut drive, 0x0900), own);
    assert_eq!(send(&mut drive, &[0x8d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[]).status, 0);
}

#[test]
fn malformed_attributes_are_pointed_at_and_change_nothing() {
    let mut drive = FakeDrive::with("");
    let good = attribute(0x0800, 1, b"ACME    ");
    let after_good = |bad: Vec<u8>| [good.clone(), bad].concat();
    let cases = [
        (attribute(0x0806, 1, &[b' '; 32]), Sense::invalid_parameter(4)), // ours
        (attribute(0x0000, 0, &[0; 8]), Sense::invalid_parameter(4)),     // the drive's
        (attribute(0x0801, 1, b"too short"), Sense::invalid_parameter(7)),
        (attribute(0x0801, 0, &[b' '; 32]), Sense::invalid_parameter_bit(6, 1)),
        (attribute(0x0801, 3, &[b' '; 32]), Sense::invalid_parameter_bit(6, 1)),
        (attribute(0x0801, 0x81, &[b' '; 32]), Sense::invalid_parameter_bit(6, 7)),
        (after_good(attribute(0x0803, 2, &[b' '; 159])), Sense::invalid_parameter(20)),
        (after_good(attribute(0x0800, 1, b"again   ")), Sense::invalid_parameter(17)),
        (after_good(attribute(0x0806, 1, b"")), Sense::invalid_parameter(17)),
        (after_good(vec![8, 1, 1]), Sense::PARAMETER_LIST_LENGTH.at_byte(10)),
        (after_good(vec![8, 1, 1, 0, 32, b' ']), Sense::PARAMETER_LIST_LENGTH.at_byte(10)),
    ];
    for (list, expected) in cases {
        assert_eq!(write_attributes(&mut drive, &list).sense, Some(expected), "{list:02x?}");
    }
    let short = send(&mut drive, &[0x8d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0], &[0; 3]);
    assert_eq!(short.sense, Some(Sense::PARAMETER_LIST_LENGTH.at_byte(10)));
    let missing = send(&mut drive, &[0x8d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0], &[0; 8]);
    assert_eq!(missing.sense, Some(Sense::PARAMETER_LIST_LENGTH.at_byte(10)));
    let elsewhere = |at: usize| {
        let mut cdb = [0x8d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0];
        cdb[at] = 1;
        cdb
    };
    for at in [5, 7] {
        let pointer = Sense::invalid_byte(u8::try_from(at).unwrap());
        assert_eq!(send(&mut drive, &elsewhere(at), &[0; 4]).sense, Some(pointer));
    }
    let much: Vec<u8> = (0x1400..0x1404).flat_map(|id| attribute(id, 0, &[1; 1024])).collect();
    assert_eq!(write_attributes(&mut drive, &much).sense, Some(Sense::MEMORY_FULL));
    drive.change(|state| state.protected = true);
    assert_eq!(write_attributes(&mut drive, &good).sense, Some(Sense::WRITE_PROTECTED));
    assert_eq!(drive.state.lock().unwrap().noted, []);
    drive.change(|state| (state.protected, state.medium) = (false, Medium::Unloaded));
    assert_eq!(write_attributes(&mut drive, &good).sense, Some(Sense::LOAD_REQUIRED));
}

#[test]
fn a_tape_is_formatted_and_shortened_at_its_beginning_alone() {
    let mut drive = FakeDrive::with("rmr");
    let format = [0x04, 0, 0, 0, 0, 0];
    let half = [0x0b, 0, 0, 0x80, 0x00, 0];
    drive.change(|state| state.at = 1);
    assert_eq!(sense(&mut drive, &format), Sense::PAST_BEGINNING);
    assert_eq!(sense(&mut drive, &half), Sense::PAST_BEGINNING);
    drive.change(|state| state.at = 0);
    assert_eq!(sense(&mut drive, &[0x04, 2, 0, 0, 0, 0]), Sense::invalid_bit(1, 1));
    assert_eq!(sense(&mut drive, &[0x04, 0, 1, 0, 0, 0]), Sense::invalid_bit(2, 3));
    assert_eq!(sense(&mut drive, &[0x04, 0, 0, 0, 1, 0]), Sense::invalid_byte(3));
    drive.change(|state| state.protected = true);
    assert_eq!(sense(&mut drive, &format), Sense::WRITE_PROTECTED);
    assert_eq!(sense(&mut drive, &half), Sense::WRITE_PROTECTED);
    drive.change(|state| (state.protected, state.is_worm) = (false, true));
    assert_eq!(sense(&mut drive, &format), Sense::WORM_OVERWRITE);
    assert_eq!(sense(&mut drive, &half), Sense::WORM_OVERWRITE);
    assert_eq!(drive.state.lock().unwrap().tape.len(), 3);
    drive.change(|state| state.is_worm = false);
    assert!(data(&mut drive, &[0x04, 1, 0, 0, 0, 0]).is_empty());
    assert!(drive.state.lock().unwrap().tape.is_empty());
    assert!(data(&mut drive, &half).is_empty());
    assert_eq!(drive.state.lock().unwrap().proportion, Some(0x8000));
    drive.change(|state| state.medium = Medium::Empty);
    assert_eq!(sense(&mut drive, &format), Sense::NO_MEDIUM);
}

/// MODE SELECT of a programmable early warning zone.
fn set_zone(drive: &mut FakeDrive, megabytes: u16) -> Outcome {
    let [high, low] = megabytes.to_be_bytes();
    let mut list = vec![0, 0, 0x10, 0, 0x50, 0x01, 0, 28, 0, 0, high, low];
    list.extend([0; 24]);
    send(drive, &[0x15, 0x10, 0, 0, u8::try_from(list.len()).unwrap(), 0], &list)
}

#[test]
fn the_programmable_early_warning_page_to_the_byte() {
    let mut drive = FakeDrive::with("");
    let page = |drive: &mut FakeDrive, control: u8| {
        data(drive, &[0x1a, 8, control << 6 | 0x10, 0x01, 255, 0])[4..].to_vec()
    };
    let with = |zone: [u8; 2]| [&[0x50, 0x01, 0, 28, 0, 0][..], &zone, &[0; 24]].concat();
    assert_eq!(page(&mut drive, 0), with([0, 0]));
    assert_eq!(page(&mut drive, 1), with([0xff, 0xff]), "what can be changed");
    assert_eq!(set_zone(&mut drive, 0x0102).data_out_consumed, 36);
    assert_eq!(page(&mut drive, 0), with([1, 2]));
    assert_eq!(page(&mut drive, 2), with([0, 0]), "the default");
    assert_eq!(sense(&mut drive, &[0x1a, 8, 0xd0, 0x01, 255, 0]), Sense::SAVING_NOT_SUPPORTED.at_byte(2));
    let both = data(&mut drive, &[0x1a, 8, 0x10, 0xff, 255, 0]);
    assert_eq!((both.len(), both[4], both[20]), (4 + 16 + 32, 0x10, 0x50));
    let all = data(&mut drive, &[0x5a, 8, 0x3f, 0xff, 0, 0, 0, 1, 0, 0]);
    let without = data(&mut drive, &[0x5a, 8, 0x3f, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(all.len(), without.len() + 32);
    assert_eq!(sense(&mut drive, &[0x1a, 8, 0x10, 0x02, 255, 0]), Sense::invalid_byte(3));
    assert_eq!(sense(&mut drive, &[0x1a, 8, 0x3f, 0x01, 255, 0]), Sense::invalid_byte(3));
    assert_eq!(sense(&mut drive, &[0x1a, 8, 0x00, 0x01, 255, 0]), Sense::invalid_byte(3));
    let mut changed = with([0, 0]);
    changed[5] = 0x10;
    let refused = |drive: &mut FakeDrive, page: &[u8]| {
        let list = [&[0, 0, 0x10, 0][..], page].concat();
        send(drive, &[0x15, 0x10, 0, 0, u8::try_from(list.len()).unwrap(), 0], &list).sense
    };
    assert_eq!(refused(&mut drive, &changed), Some(Sense::invalid_parameter(9)));
    assert_eq!(refused(&mut drive, &[0x50, 0x02, 0, 28]), Some(Sense::invalid_parameter(5)));
    assert_eq!(refused(&mut drive, &[0x50, 0x01, 0, 27]), Some(Sense::invalid_parameter(6)));
    let short = Some(Sense::PARAMETER_LIST_LENGTH.at_byte(4));
    assert_eq!(refused(&mut drive, &[0x50, 0x01, 0]), short);
    assert_eq!(refused(&mut drive, &with([0, 0])[..31]), short);
    assert_eq!(page(&mut drive, 0), with([1, 2]), "what is refused changes nothing");
}

#[test]
fn the_programmable_early_warning_is_given_once_by_the_write_that_enters_its_zone() {
    let mut drive = FakeDrive::with("");
    drive.change(|state| state.early_warning = 10);
    assert_eq!(set_zone(&mut drive, 4).status, 0);
    let write = |drive: &mut FakeDrive| send(drive, &[0x0a, 0, 0, 0, 1, 0], &[1]).sense;
    let mark = |drive: &mut FakeDrive| run(drive, &[0x10, 0, 0, 0, 1, 0]).sense;
    let told = Some(Sense::PROGRAMMABLE_EARLY_WARNING.with_information(0));
    assert_eq!(Sense::PROGRAMMABLE_EARLY_WARNING.to_bytes()[..3], [0x70, 0, 0x40]);
    for _ in 0..5 {
        assert_eq!(write(&mut drive), None);
    }
    let bits = |drive: &mut FakeDrive| data(drive, &[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0])[0] & 0x41;
    assert_eq!(bits(&mut drive), 0);
    assert_eq!(write(&mut drive), told, "the sixth leaves four before the early warning");
    assert_eq!(bits(&mut drive), 0x01, "BPEW");
    assert_eq!((mark(&mut drive), write(&mut drive), write(&mut drive)), (None, None, None));
    assert_eq!(write(&mut drive), Some(Sense::END_OF_MEDIUM.with_information(0)), "the early warning");
    assert_eq!(bits(&mut drive), 0x41);
    drive.change(|state| state.at = 5);
    assert_eq!(mark(&mut drive), told, "entered anew");
    drive.change(|state| (state.at, state.loads) = (5, 2));
    assert_eq!(write(&mut drive), told, "another cartridge");
    drive.change(|state| state.loads = 3);
    assert_eq!(write(&mut drive), None, "begun within the zone");
    assert_eq!(run(&mut drive, &[0x10, 0, 0, 0, 0, 0]).sense, None, "a flush writes nothing");
    drive.change(|state| state.at = 0);
    assert_eq!(set_zone(&mut drive, 0).status, 0);
    for _ in 0..9 {
        assert_eq!(write(&mut drive), None, "no zone");
    }
}

#[test]
fn cartridges_that_cannot_be_read_say_why() {
    for (medium, expected) in
        [(Medium::Cleaning, Sense::CLEANING), (Medium::Incompatible, Sense::CANNOT_READ_FORMAT)]
    {
        let mut drive = FakeDrive::with("rr");
        drive.change(|state| state.medium = medium);
        let cdbs: [&[u8]; 7] = [
            &[0; 6],
            &[0x08, 0, 0, 0, 4, 0],
            &[0x10, 0, 0, 0, 1, 0],
            &[0x11, 0, 0, 0, 1, 0],
            &[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x0b, 0, 0, 0, 0, 0],
            &[0x8c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
        ];
        for cdb in cdbs {
            assert_eq!(sense(&mut drive, cdb), expected, "{cdb:02x?}");
        }
        assert_eq!(data(&mut drive, &[0x03, 0, 0, 0, 18, 0]), expected.to_bytes());
        assert_eq!(data(&mut drive, &[0x12, 0, 0, 0, 36, 0]).len(), 36);
        assert_eq!(data(&mut drive, &[0x4d, 0, 0x51, 0, 0, 0, 0, 0, 9, 0])[8], 0x01, "no tape is mounted");
    }
    assert_eq!(Sense::CLEANING.to_bytes()[12..14], [0x30, 0x03]);
    assert_eq!(Sense::CANNOT_READ_FORMAT.to_bytes()[2..14], [3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x30, 0x02]);
}

#[test]
fn a_format_that_can_only_be_read_refuses_writes_with_its_own_sense() {
    let mut drive = FakeDrive::with("rr");
    drive.change(|state| state.is_read_only_format = true);
    let refused = send(&mut drive, &[0x0a, 0, 0, 0, 1, 0], &[1]).sense;
    assert_eq!(refused, Some(Sense::CANNOT_WRITE_FORMAT.with_information(1)));
    assert_eq!(drive.settings.alerts, 0, "nobody need lift a tab");
}

#[test]
fn the_drive_s_own_life_to_the_byte_and_what_is_counted_anew() {
    let mut drive = FakeDrive::with("");
    let mut expected = vec![0x14, 0, 0, 67];
    for (code, value) in [(0, 7), (1, 4), (2, 2), (0x0d, 3), (0x0e, 1), (0x0f, 2)] {
        expected.extend([0, code, 2, 4, 0, 0, 0, value]);
    }
    expected.extend(b"\x00\x41\x03\x0a0123456789\x00\x80\x03\x01\x00");
    assert_eq!(data(&mut drive, &[0x4d, 0, 0x54, 0, 0, 0, 0, 1, 0, 0]), expected);
    let resets = |drive: &mut FakeDrive| drive.state.lock().unwrap().resets;
    for (page, count) in [(0x42, 1), (0x43, 2), (0x4c, 3), (0x54, 4), (0x40, 5), (0x57, 5), (0x6e, 5)] {
        assert!(data(&mut drive, &[0x4c, 2, page, 0, 0, 0, 0, 0, 0, 0]).is_empty());
        assert_eq!(resets(&mut drive), count, "{page:#x}");
    }
    assert!(data(&mut drive, &[0x4c, 0, 0x42, 0, 0, 0, 0, 0, 0, 0]).is_empty());
    assert_eq!(resets(&mut drive), 5, "without PCR");
    assert!(data(&mut drive, &[0x4c, 0, 0xc2, 0, 0, 0, 0, 0, 0, 0]).is_empty());
    assert_eq!(resets(&mut drive), 6, "default cumulative values");
    assert_eq!(sense(&mut drive, &[0x4c, 2, 0x7e, 0, 0, 0, 0, 0, 0, 0]), Sense::invalid_bit(2, 5));
    assert_eq!(sense(&mut drive, &[0x4c, 2, 0x42, 1, 0, 0, 0, 0, 0, 0]), Sense::invalid_byte(3));
}

#[test]
fn alerts_are_raised_where_they_belong() {
    let mut drive = FakeDrive::with("rr");
    let bit = |flag: u8| 1_u64 << (flag - 1);
    let raised = |drive: &mut FakeDrive| std::mem::take(&mut drive.settings.alerts);
    let damaged = DriveError::Damaged { reason: String::new() };
    assert_eq!(super::super::fault::sense(&mut drive, &damaged), Sense::MEDIUM_DAMAGED);
    assert_eq!(raised(&mut drive), bit(alert::HARD_ERROR) | bit(alert::MEDIUM) | bit(alert::READ_FAILURE));
    let failed = DriveError::Failed { reason: String::new() };
    assert_eq!(super::super::fault::sense(&mut drive, &failed), Sense::INTERNAL_FAILURE);
    assert_eq!(raised(&mut drive), bit(alert::HARD_ERROR) | bit(alert::HARDWARE));
    drive.change(|state| state.is_worm = true);
    assert_eq!(sense(&mut drive, &[0x19, 0, 0, 0, 0, 0]), Sense::WORM_OVERWRITE);
    assert_eq!(raised(&mut drive), bit(alert::WORM_OVERWRITE));
    drive.change(|state| state.prevented = true);
    assert_eq!(sense(&mut drive, &[0x1b, 0, 0, 0, 0, 0]), Sense::REMOVAL_PREVENTED);
    assert_eq!(raised(&mut drive), bit(alert::NO_REMOVAL));
    drive.settings.raise(9);
    drive.settings.raise(12);
    assert_eq!(data(&mut drive, &[0x4d, 0, 0x6e, 0, 0, 0, 0, 0, 4, 0]).len(), 4);
    assert_eq!(drive.settings.alerts, bit(9) | bit(12), "the length of the page shows no alert");
    assert_eq!(data(&mut drive, &[0x4d, 0, 0x6e, 0, 0, 0, 8, 0, 14, 0])[13], 1);
    assert_eq!(drive.settings.alerts, bit(12), "what was shown, and nothing more");
    drive.settings.alerts = 0;
    drive.settings.raise(64);
    drive.settings.raise(0);
    assert_eq!(raised(&mut drive), bit(64) | bit(1), "no shift goes over the edge");
    drive.settings.raise(20);
    drive.settings.lower(20);
    assert_eq!(raised(&mut drive), 0);
}

proptest! {
    /// Whatever an initiator sends as attributes or mode parameters: an answer, or a pointer, and nothing half done.
    #[test]
    fn any_parameter_list_is_taken_or_pointed_at(
        ids in prop::collection::vec(
            (prop_oneof![0x07fe..0x0824_u16, any::<u16>()], any::<u8>(), 0..40_usize), 0..4),
        cut in 0..60_usize,
        noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut list: Vec<u8> =
            ids.iter().flat_map(|(id, format, length)| attribute(*id, *format & 3, &vec![1; *length])).collect();
        list.extend(noise);
        list.truncate(list.len().saturating_sub(cut));
        let mut drive = FakeDrive::with("");
        let outcome = write_attributes(&mut drive, &list);
        let noted = drive.state.lock().unwrap().noted.clone();
        match outcome.sense {
            None => prop_assert!(noted.windows(2).all(|pair| pair[0].id < pair[1].id)),
            Some(sense) => {
                prop_assert_eq!(sense.key as u8, 5);
                prop_assert!(sense.field.is_some() || sense == Sense::MEMORY_FULL);
                prop_assert_eq!(noted, []);
            }
        }
        let before = drive.settings.clone();
        let length = u8::try_from(list.len()).unwrap_or(255);
        let selected = send(&mut drive, &[0x15, 0x10, 0, 0, length, 0], &list);
        if let Some(sense) = selected.sense {
            prop_assert!(sense.key as u8 == 5 && sense.field.is_some());
            prop_assert_eq!(&drive.settings, &before);
        }
    }
}

#[test]
fn formats_of_attributes_have_their_numbers() {
    let format = |format| super::super::attributes::format_code(format);
    let all = [AttributeFormat::Binary, AttributeFormat::Ascii, AttributeFormat::Text];
    assert_eq!(all.map(format), [0, 1, 2]);
}
