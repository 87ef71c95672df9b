//! READ ELEMENT STATUS beyond the usual: kinds of media, faults, other personalities, and that whatever is asked for, the
//! answer is one.

use super::*;
use crate::vtl::loader::{Destination, MovedBy};

/// A cleaning and a WORM cartridge, a drive that cannot load its tape, and an import in the second mail slot.
///
/// By SMC-3 tables 25 to 32: flags in byte 2 of a descriptor (mail slots: InEnab 20h, ExEnab 10h, Access 08h, Except 04h, ImpExp
/// 02h, Full 01h; drives and slots: Access, Except, Full), ASC and ASCQ in bytes 4 and 5, SValid 80h and the medium type in
/// byte 9.
#[test]
fn kinds_of_media_and_faults_to_the_byte() {
    let site = Site::new(3, 2, 0);
    fs::create_dir_all(&site.settings.directory).unwrap();
    for tape in ["CLN001L1", "DAT001L8", "WRM001LY"] {
        site.make_tape(tape);
    }
    let (loader, bays) = site.open(1);
    loader.move_medium(Place::Slot(1), Place::Drive(0), MovedBy::Robot).unwrap();
    loader.move_tape(&"WRM001LY".parse().unwrap(), Destination::Place(Place::MailSlot(1))).unwrap();
    drop((loader, bays));
    site.damage_tape("DAT001L8", "torn");
    let (loader, _bays) = site.open(1);
    let expected = hex(&format!(
        "0001 0007 00 00018C              # 4 page headers and 7 x 52 bytes
         01 80 0034 00 000034
         0001 00 00 0000 000000 00 0000 {BLANK_TAG} 00000000
         03 80 0034 00 000068
         0010 38 00 0000 000000 00 0000 {BLANK_TAG} 00000000
         0011 3B 00 0000 000000 84 1002 'WRM001LY' {REST_OF_TAG} 00000000   # an operator's import; WORM; from slot 2
         04 80 0034 00 000034
         0100 0D 00 5300 000000 81 1001 'DAT001L8' {REST_OF_TAG} 00000000   # full, not loaded: MEDIA LOAD OR EJECT FAILED
         02 80 0034 00 00009C
         1000 09 00 0000 000000 02 0000 'CLN001L1' {REST_OF_TAG} 00000000   # cleaning
         1001 08 00 0000 000000 00 0000 {BLANK_TAG} 00000000
         1002 08 00 0000 000000 00 0000 {BLANK_TAG} 00000000"
    ));
    assert_eq!(data(&loader, &status_cdb(0x10, 0, 0xffff, 0, 0xffff)), expected);
}

/// The serial number alone, as HP's libraries have it: type 0, 10 characters.
#[test]
fn drives_are_named_as_the_personality_does_it() {
    let (_site, loader) = small();
    let personality = Personality::built_in("hp-msl", None).unwrap();
    let cdb = status_cdb(0x04, 0, 1, 1, 0xffff);
    let report = super::super::execute(&loader, &personality, &mut Nexus::default(), &cdb, &[], 255).data_in;
    let expected = hex("0100 0001 00 000022
         04 00 001A 00 00001A
         0100 01 00 0000 000000 81 1000 02 00 00 0A 'Y4TQKFF001'");
    assert_eq!(report, expected);
}

#[derive(Clone, Debug)]
struct Asked {
    kind: u8,
    tags: bool,
    options: u8,
    start: u16,
    count: u16,
    allocation: u32,
    limit: u32,
}

fn asked() -> impl Strategy<Value = Asked> {
    let start = prop_oneof![0..0x30_u16, 0xf0..0x110_u16, 0xff0..0x1010_u16, any::<u16>()];
    let count = prop_oneof![0..12_u16, Just(0xffff), any::<u16>()];
    let allocation = prop_oneof![0..700_u32, Just(0xff_ffff)];
    let limit = prop_oneof![3 => Just(1 << 20), 1 => 0..700_u32];
    (0..5_u8, any::<bool>(), 0..4_u8, start, count, allocation, limit).prop_map(
        |(kind, tags, options, start, count, allocation, limit)| Asked {
            kind,
            tags,
            options,
            start,
            count,
            allocation,
            limit,
        },
    )
}

/// What is promised of an answer, whatever was asked.
fn check(loader: &Loader, personality: &Personality, asked: &Asked) {
    let &Asked { kind, tags, options, start, count, allocation, limit } = asked;
    let answer = |count, allocation, limit| {
        let cdb = status_cdb(kind | u8::from(tags) << 4, start, count, options, allocation);
        super::super::execute(loader, personality, &mut Nexus::default(), &cdb, &[], limit)
    };
    let outcome = answer(count, allocation, limit);
    let all = loader.elements().elements;
    if all.iter().all(|element| element.address < start) {
        assert_eq!(outcome.sense, Some(Sense::INVALID_ELEMENT.at_byte(2)));
        return;
    }
    let wanted: Vec<u16> = all
        .iter()
        .filter(|element| element.address >= start && [0, element.kind as u8].contains(&kind))
        .map(|element| element.address)
        .take(count.into())
        .collect();
    let full = answer(count, 0xff_ffff, 1 << 20).data_in;
    let (said, shown) = parse(&full);
    assert_eq!(usize::from(said), wanted.len());
    assert_eq!(shown.iter().map(|element| element.address).collect::<Vec<_>>(), wanted);
    let bytes = u32::from_be_bytes([0, full[5], full[6], full[7]]) as usize;
    assert_eq!((bytes + 8, full[4]), (full.len(), 0), "BYTE COUNT OF REPORT AVAILABLE");
    let first = u16::from_be_bytes([full[0], full[1]]);
    assert_eq!(first, wanted.first().copied().unwrap_or(0), "FIRST ELEMENT ADDRESS REPORTED");
    // A smaller room shows the beginning of the same answer, in whole descriptors, and as many as fit.
    let room = allocation.min(limit) as usize;
    let part = outcome.data_in;
    assert!(part.len() <= room && full.starts_with(&part), "{part:02x?}");
    if part.len() >= 8 {
        let (_, shown) = parse(&part);
        let more = wanted
            .get(shown.len())
            .map(|_| answer(u16::try_from(shown.len() + 1).unwrap(), 0xff_ffff, 1 << 20));
        assert!(more.is_none_or(|more| more.data_in.len() > room), "one more would have fitted");
    } else {
        assert_eq!(part.len(), room);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_consistent_in_itself(
        asked in prop::collection::vec(asked(), 1..12),
        slots in 1..7_u16,
        mail_slots in 0..3_u16,
        drives in 1..3_u16,
        which in 0..5_usize,
    ) {
        let site = Site::new(slots, mail_slots, 2.min(slots.into()));
        let (loader, _bays) = site.open(drives);
        let personality = Personality::built_in(Personality::built_in_names()[which], None).unwrap();
        for asked in &asked {
            check(&loader, &personality, asked);
        }
    }
}
