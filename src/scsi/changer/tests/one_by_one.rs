//! The robot's commands one by one: exchange, searches, pages, logs, who is kept away; and what other emulations get wrong.

use super::*;
use crate::scsi::cdb::Cdb;
use crate::scsi::commands::Conflict;
use crate::vtl::loader::MovedBy;

fn illegal(asc: u8, ascq: u8) -> (SenseKey, u8, u8) {
    (SenseKey::IllegalRequest, asc, ascq)
}

fn send(loader: &Loader, nexus: &mut Nexus, cdb: &[u8], list: &[u8]) -> Outcome {
    execute(loader, nexus, cdb, list, 1 << 16)
}

fn where_is(loader: &Loader, barcode: &str) -> String {
    loader.place_of(&barcode.parse().unwrap()).unwrap().to_string()
}

fn exchange_cdb(transport: u16, source: u16, first: u16, second: u16, invert: u8) -> Vec<u8> {
    let addresses = [transport, source, first, second].into_iter().flat_map(u16::to_be_bytes);
    [0xa6, 0].into_iter().chain(addresses).chain([invert, 0]).collect()
}

#[test]
fn media_are_exchanged_or_refused_with_the_sense_clients_know() {
    /// Transport, source, both destinations, invert; the sense, and where its pointer is.
    type Case = (u16, u16, u16, u16, u8, Option<((SenseKey, u8, u8), Option<u16>)>);
    let (_site, loader) = small();
    let cases: &[Case] = &[
        (0, 0x1000, 0x100, 0x1000, 0, Some((illegal(0x3b, 0x0e), None))), // nothing comes
        (0, 0x1001, 0x101, 0x1001, 0, Some((illegal(0x3b, 0x0e), None))), // nothing goes
        (0, 0x1001, 0x100, 0x100, 0, Some((illegal(0x3b, 0x0d), None))),
        (0, 0x1001, 0x1001, 0x1000, 0, Some((illegal(0x3b, 0x0d), None))),
        (2, 0x1001, 0x100, 0x1001, 0, Some((illegal(0x21, 0x01), Some(2)))),
        (0, 0x1003, 0x100, 0x1000, 0, Some((illegal(0x21, 0x01), Some(4)))),
        (0, 0x1001, 0x001, 0x1000, 0, Some((illegal(0x21, 0x01), Some(6)))), // the hand
        (0, 0x1001, 0x100, 0x102, 0, Some((illegal(0x21, 0x01), Some(8)))),
        (0, 0x1001, 0x100, 0x1001, 1, Some((illegal(0x24, 0x00), Some(10)))), // turned over
        (0, 0x1001, 0x100, 0x1001, 2, Some((illegal(0x24, 0x00), Some(10)))),
        (1, 0x1001, 0x100, 0x1001, 0, None),
    ];
    for (transport, source, first, second, invert, expected) in cases {
        let outcome = run(&loader, &exchange_cdb(*transport, *source, *first, *second, *invert));
        let got =
            outcome.sense.map(|sense| ((sense.key, sense.asc, sense.ascq), sense.field.map(|at| at.byte)));
        assert_eq!(got, *expected, "{source:#x} {first:#x} {second:#x}");
    }
    assert_eq!(
        (where_is(&loader, "VLT001L8"), where_is(&loader, "VLT002L8")),
        ("slot1".into(), "drive0".into())
    );
    let mut nexus = Nexus::default();
    assert_eq!(send(&loader, &mut nexus, &exchange_cdb(0, 0x1001, 0x100, 0x10, 0), &[]).status, 0);
    assert_eq!(
        (where_is(&loader, "VLT001L8"), where_is(&loader, "VLT002L8")),
        ("drive0".into(), "mail0".into())
    );
    assert_eq!(nexus.loaded, [0], "for whoever keeps this session's nexus to the drive");
}

#[test]
fn a_personality_without_exchange_does_not_know_it() {
    let (_site, loader) = small();
    let personality = Personality::built_in("stk-l700", None).unwrap();
    let run = |cdb: &[u8]| super::super::execute(&loader, &personality, &mut Nexus::default(), cdb, &[], 255);
    assert_eq!(run(&exchange_cdb(0, 0x1001, 0x100, 0x1001, 0)).sense, Some(Sense::INVALID_OPERATION_CODE));
    assert_eq!(run(&[0xa3, 0x0c, 1, 0xa6, 0, 0, 0, 0, 1, 0, 0, 0]).data_in, [0, 1, 0, 0]);
    assert_eq!(run(&[0x1a, 8, 0x1f, 0, 255, 0]).data_in[16..20], [0; 4]);
    let all = data(&loader, &[0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0]).len();
    assert_eq!(all, 4 + 8 * commands::COMMANDS.len());
    let one = data(&loader, &[0xa3, 0x0c, 1, 0xb8, 0, 0, 0, 0, 16, 0, 0, 0]);
    assert_eq!(one, hex("0003 000C B8 1F FFFF FFFF 03 FFFFFF 00 00"));
    assert_eq!(
        data(&loader, &[0xa3, 0x0c, 0x80, 0, 0, 0, 0, 0, 16, 0, 0, 0]).len(),
        4 + 20 * commands::COMMANDS.len()
    );
}

/// A template in the parameter list of SEND VOLUME TAG, with the sequence numbers wanted.
fn list(template: &str, minimum: u16, maximum: u16) -> Vec<u8> {
    let mut list = template.as_bytes().to_vec();
    list.resize(34, 0);
    list.extend(minimum.to_be_bytes());
    list.extend([0, 0]);
    list.extend(maximum.to_be_bytes());
    list
}

fn send_tag(kind: u8, start: u16, action: u8) -> [u8; 12] {
    let [high, low] = start.to_be_bytes();
    [0xb6, kind, high, low, 0, action, 0, 0, 0, 40, 0, 0]
}

fn request_tag(flags: u8, start: u16, count: u16, allocation: u16) -> [u8; 12] {
    let ([s, t], [c, d], [x, y]) = (start.to_be_bytes(), count.to_be_bytes(), allocation.to_be_bytes());
    [0xb5, flags, s, t, c, d, 0, 0, x, y, 0, 0]
}

/// By SMC-3 6.13: the header's fifth byte is the action, and the rest as READ ELEMENT STATUS has it.
#[test]
fn tapes_are_found_by_their_labels_to_the_byte() {
    let (_site, loader) = small();
    let mut nexus = Nexus::default();
    let everything = request_tag(0x10, 0, 0xffff, 0xffff);
    assert_eq!(send(&loader, &mut nexus, &everything, &[]).sense, Some(Sense::COMMAND_SEQUENCE));
    let sent = send(&loader, &mut nexus, &send_tag(0, 0, 5), &list("VLT00?L*", 0, 0));
    assert_eq!((sent.status, sent.data_out_consumed), (0, 40));
    let probe = send(&loader, &mut nexus, &request_tag(0x10, 0, 0xffff, 8), &[]);
    assert_eq!(probe.data_in, hex("0100 0002 05 000078"), "what there is, and nothing of it sent");
    let expected = hex(&format!(
        "0100 0002 05 000078
         04 80 0034 00 000034
         0100 01 00 0000 000000 81 1000 'VLT001L8' {REST_OF_TAG} 00000000
         02 80 0034 00 000034
         1001 09 00 0000 000000 01 0000 'VLT002L8' {REST_OF_TAG} 00000000"
    ));
    assert_eq!(send(&loader, &mut nexus, &everything, &[]).data_in, expected);
    assert_eq!(
        send(&loader, &mut nexus, &everything, &[]).data_in,
        hex("0000 0000 05 000000"),
        "all were sent"
    );
    send(&loader, &mut nexus, &send_tag(0, 0, 5), &list("*", 0, 0));
    let first = send(&loader, &mut nexus, &request_tag(0, 0, 1, 0xffff), &[]).data_in;
    assert_eq!(
        first,
        hex("0100 0001 05 000018  04 00 0010 00 000010  0100 01 00 0000 000000 81 1000 00000000")
    );
    let second = send(&loader, &mut nexus, &request_tag(0, 0, 9, 0xffff), &[]).data_in;
    assert_eq!((second[..4].to_vec(), second.len()), (vec![0x10, 1, 0, 1], 32));
}

#[test]
fn searches_choose_and_refuse() {
    let (_site, loader) = small();
    let found = |cdb: &[u8], list: &[u8]| {
        let mut nexus = Nexus::default();
        let sent = send(&loader, &mut nexus, cdb, list);
        assert_eq!(sent.sense, None);
        let data = send(&loader, &mut nexus, &request_tag(0, 0, 0xffff, 0xffff), &[]).data_in;
        u16::from_be_bytes([data[2], data[3]])
    };
    assert_eq!(found(&send_tag(2, 0, 5), &list("VLT*", 0, 0)), 1, "of slots");
    assert_eq!(found(&send_tag(0, 0x101, 5), &list("VLT*", 0, 0)), 1, "from here on");
    assert_eq!(
        found(&send_tag(0, 0, 4), &list("VLT001L8   ", 9, 0)),
        1,
        "blanks behind, no sequence numbers"
    );
    assert_eq!(found(&send_tag(0, 0, 0), &list("VLT*", 0, 7)), 2, "0 is every label's number");
    assert_eq!(found(&send_tag(0, 0, 1), &list("VLT*", 1, 7)), 0);
    assert_eq!(found(&send_tag(0, 0, 6), &list("VLT*", 0, 0)), 0, "there are no alternate labels");
    assert_eq!(found(&send_tag(0, 0, 5), &list("", 0, 0)), 0);
    let mut nexus = Nexus::default();
    let mut refused = |cdb: &[u8], list: &[u8]| send(&loader, &mut nexus, cdb, list).sense;
    for action in (0..0x20).filter(|action| ![0, 1, 2, 4, 5, 6].contains(action)) {
        assert_eq!(refused(&send_tag(0, 0, action), &list("A", 0, 0)), Some(Sense::invalid_bit(5, 4)));
    }
    assert_eq!(refused(&send_tag(5, 0, 5), &list("A", 0, 0)), Some(Sense::invalid_bit(1, 3)));
    assert_eq!(refused(&send_tag(0, 0x1003, 5), &list("A", 0, 0)), Some(Sense::INVALID_ELEMENT.at_byte(2)));
    assert_eq!(refused(&send_tag(0, 0, 5), &list("AB\u{1}", 0, 0)), Some(Sense::invalid_parameter(2)));
    assert_eq!(refused(&send_tag(0, 0, 0), &list("A", 2, 1)), Some(Sense::invalid_parameter(38)));
    assert_eq!(refused(&send_tag(0, 0, 5), &list("A", 0, 0)[..39]), Some(Sense::PARAMETER_LIST_LENGTH));
    let mut short = send_tag(0, 0, 5);
    short[9] = 39;
    assert_eq!(refused(&short, &list("A", 0, 0)), Some(Sense::PARAMETER_LIST_LENGTH));
    short[9] = 0;
    assert_eq!(refused(&short, &[]), None, "no data is no error, and no search");
    assert_eq!(refused(&request_tag(0, 0, 1, 99), &[]), Some(Sense::COMMAND_SEQUENCE));
    assert_eq!(refused(&request_tag(0, 0x1003, 1, 99), &[]), Some(Sense::INVALID_ELEMENT.at_byte(2)));
}

#[test]
fn mode_select_takes_back_what_mode_sense_gave_and_nothing_else() {
    let (_site, loader) = small();
    let select = |list: &[u8]| {
        let cdb = [0x15, 0x10, 0, 0, u8::try_from(list.len()).unwrap(), 0];
        let outcome = send(&loader, &mut Nexus::default(), &cdb, list);
        assert!(outcome.sense.is_some() || usize::try_from(outcome.data_out_consumed).unwrap() == list.len());
        outcome.sense
    };
    let six = data(&loader, &[0x1a, 8, 0x3f, 0, 255, 0]);
    assert_eq!(select(&six), None);
    assert_eq!(select(&[]), None);
    let ten = data(&loader, &[0x5a, 8, 0x3f, 0, 0, 0, 0, 1, 0, 0]);
    let cdb = [0x55, 0x10, 0, 0, 0, 0, 0, 0, u8::try_from(ten.len()).unwrap(), 0];
    assert_eq!(send(&loader, &mut Nexus::default(), &cdb, &ten).sense, None);
    assert_eq!(
        send(&loader, &mut Nexus::default(), &cdb, &ten[1..]).sense,
        Some(Sense::PARAMETER_LIST_LENGTH)
    );
    for at in 1..six.len() {
        let mut wrong = six.clone();
        wrong[at] ^= 0x40;
        let expected = Sense::invalid_parameter(u16::try_from(at).unwrap());
        assert_eq!(select(&wrong), Some(expected), "byte {at}");
        if at > 3 && !six_ends_page(&six, at) {
            assert_eq!(select(&six[..at]), Some(Sense::PARAMETER_LIST_LENGTH), "cut at {at}");
        }
    }
    let saving = send(&loader, &mut Nexus::default(), &[0x15, 0x11, 0, 0, 4, 0], &[0; 4]).sense;
    assert_eq!(saving, Some(Sense::invalid_bit(1, 0)));
}

/// Whether a list may end before byte `at`.
fn six_ends_page(list: &[u8], at: usize) -> bool {
    let mut end = 4;
    while end < at {
        end += 2 + usize::from(list[end + 1]);
    }
    end == at
}

#[test]
fn alerts_are_raised_shown_once_and_cleared() {
    let site = Site::new(3, 0, 2);
    let (loader, bays) = site.open(2);
    assert_eq!(data(&loader, &[0x4d, 0, 0x40, 0, 0, 0, 0, 1, 0, 0]), [0, 0, 0, 2, 0x00, 0x2e]);
    let page = |first: u8| data(&loader, &[0x4d, 0, 0x6e, 0, 0, 0, first, 2, 0, 0]);
    let all = page(0);
    assert_eq!((all.len(), &all[..9]), (324, &[0x2e, 0, 1, 0x40, 0, 1, 3, 1, 0][..]));
    assert!(all[4..].chunks(5).zip(1..).all(|(flag, number)| flag == [0, number, 3, 1, 0]));
    assert_eq!(page(64), [0x2e, 0, 0, 5, 0, 64, 3, 1, 0]);
    let fail = || {
        bays[0].state().refuse_insert = true;
        assert_eq!(sense(&loader, &[0xa5, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0, 0]).1, 0x53);
    };
    fail();
    assert_eq!((page(0)[8], page(0)[8]), (1, 0), "flag 1, once");
    fail();
    assert!(data(&loader, &[0x4c, 2, 0x40, 0, 0, 0, 0, 0, 0, 0]).is_empty());
    assert_eq!(page(0)[8], 0);
    for (cdb, expected) in [
        ([0x4d, 0, 0x6e, 0, 0, 0, 65, 2, 0, 0], Sense::invalid_byte(5)),
        ([0x4d, 0, 0x4d, 0, 0, 0, 0, 2, 0, 0], Sense::invalid_bit(2, 5)),
        ([0x4d, 2, 0x6e, 0, 0, 0, 0, 2, 0, 0], Sense::invalid_bit(1, 1)),
        ([0x4d, 0, 0x6e, 1, 0, 0, 0, 2, 0, 0], Sense::invalid_bit(3, 0)),
        ([0x4c, 1, 0x40, 0, 0, 0, 0, 0, 0, 0], Sense::invalid_bit(1, 0)),
        ([0x4c, 0, 0x40, 0, 0, 0, 0, 0, 4, 0], Sense::PARAMETER_LIST_LENGTH),
    ] {
        assert_eq!(run(&loader, &cdb).sense, Some(expected));
    }
}

/// Every command against every kind of reservation of another initiator, by the class that its row states.
#[test]
fn reservations_keep_away_what_the_table_says() {
    let (_site, loader) = small();
    let by = |initiator, cdb: &[u8], list: &[u8]| {
        let mut nexus = Nexus { initiator, session: initiator, ..Nexus::default() };
        send(&loader, &mut nexus, cdb, list).status
    };
    let persistent = |action, kind, own: u8, other: u8| {
        let list = [[0, 0, 0, 0, 0, 0, 0, own], [0, 0, 0, 0, 0, 0, 0, other], [0; 8]].concat();
        assert_eq!(by(1, &[0x5f, action, kind, 0, 0, 0, 0, 0, 24, 0], &list), 0);
    };
    let check = |what: &str, keeps_away: &dyn Fn(Conflict) -> bool| {
        for row in commands::COMMANDS {
            let mut cdb = vec![0; row.usage.len()];
            (cdb[0], cdb[1]) = (row.opcode, row.service_action.unwrap_or(0));
            let expected = keeps_away(row.conflict_of(&Cdb::new(&cdb, 0).unwrap()));
            // What is about reservations themselves has rules of its own, tested with them.
            if ![0x16, 0x17, 0x56, 0x57, 0x5e, 0x5f].contains(&row.opcode) {
                assert_eq!(by(2, &cdb, &[]) == 0x18, expected, "{} and {what}", row.name);
                assert_ne!(by(1, &cdb, &[]), 0x18, "{} is the holder's", row.name);
            }
        }
        let current = status_cdb(0, 0, 9, 2, 99);
        assert_eq!((by(2, &current, &[]), by(2, &[0x1e, 0, 0, 0, 0, 0], &[])), (0, 0), "exempt from {what}");
    };
    check("nothing", &|_| false);
    for (reserve, release) in [(0x16, 0x17), (0x56, 0x57)] {
        let cdb = |opcode| [opcode, 0, 0, 0, 0, 0, 0, 0, 0, 0][..if opcode < 0x20 { 6 } else { 10 }].to_vec();
        assert_eq!(by(1, &cdb(reserve), &[]), 0);
        check("RESERVE", &|conflict| conflict != Conflict::Never);
        assert_eq!((by(2, &cdb(reserve), &[]), by(2, &cdb(release), &[])), (0x18, 0));
        assert_eq!(by(1, &cdb(release), &[]), 0);
    }
    persistent(0, 0, 0, 0x11);
    persistent(1, 1, 0x11, 0);
    check("write exclusive", &|conflict| conflict == Conflict::Any);
    persistent(2, 1, 0x11, 0);
    persistent(1, 3, 0x11, 0);
    check("exclusive access", &|conflict| matches!(conflict, Conflict::Any | Conflict::Exclusive));
}

#[test]
fn elements_and_third_parties_cannot_be_reserved() {
    let (_site, loader) = small();
    for (cdb, expected) in [
        (&[0x16_u8, 0x01, 0, 0, 0, 0][..], Sense::invalid_bit(1, 0)), // ELEMENT
        (&[0x16, 0x10, 0, 0, 0, 0], Sense::invalid_bit(1, 4)),        // 3RDPTY
        (&[0x16, 0x00, 7, 0, 0, 0], Sense::invalid_bit(2, 2)),        // RESERVATION IDENTIFICATION
        (&[0x16, 0x00, 0, 0, 8, 0], Sense::invalid_bit(4, 3)),        // ELEMENT LIST LENGTH
        (&[0x17, 0x01, 0, 0, 0, 0], Sense::invalid_bit(1, 0)),
        (&[0x56, 0x01, 0, 0, 0, 0, 0, 0, 0, 0], Sense::invalid_bit(1, 0)),
        (&[0x56, 0x02, 0, 0, 0, 0, 0, 0, 0, 0], Sense::invalid_bit(1, 1)), // LONGID
        (&[0x57, 0x00, 0, 0, 0, 0, 0, 0, 6, 0], Sense::invalid_bit(8, 2)),
    ] {
        assert_eq!(run(&loader, cdb).sense, Some(expected), "{cdb:02x?}");
    }
}

#[test]
fn an_operator_at_the_mail_slots_is_told_of_once() {
    let site = Site::new(3, 2, 2);
    let (loader, _) = site.open(1);
    let (mut mine, mut other) = (Nexus::default(), Nexus { session: 2, ..Nexus::default() });
    let tur = |nexus: &mut Nexus| send(&loader, nexus, &[0; 6], &[]).sense;
    assert_eq!(tur(&mut mine), None, "who is new has missed nothing");
    let barcode = "VLT001L8".parse().unwrap();
    loader.eject_tape(&barcode, false).unwrap();
    assert_eq!(tur(&mut other), None, "nor has this one");
    let sense = send(&loader, &mut mine, &[3, 0, 0, 0, 18, 0], &[]).data_in;
    assert_eq!(sense, Sense::MAIL_SLOT_ACCESSED.to_bytes(), "REQUEST SENSE tells it as data");
    assert_eq!(tur(&mut mine), None);
    loader.move_medium(Place::MailSlot(0), Place::MailSlot(1), MovedBy::Robot).unwrap();
    assert_eq!((tur(&mut mine), tur(&mut other)), (None, None), "that was the robot");
    loader.delete_tape(&barcode, false).unwrap();
    assert_eq!(
        (tur(&mut mine), tur(&mut other)),
        (Some(Sense::MAIL_SLOT_ACCESSED), Some(Sense::MAIL_SLOT_ACCESSED))
    );
    loader.eject_tape(&"VLT002L8".parse().unwrap(), true).unwrap();
    assert_eq!((tur(&mut mine), tur(&mut other)), (None, None), "not through a mail slot");
}

#[test]
fn what_a_session_prevents_ends_with_it() {
    let site = Site::new(3, 1, 2);
    let (loader, _) = site.open(1);
    let (mut mine, mut other) = (Nexus::default(), Nexus { session: 2, ..Nexus::default() });
    let prevent = |nexus: &mut Nexus, value| send(&loader, nexus, &[0x1e, 0, 0, 0, value, 0], &[]).status;
    assert_eq!((prevent(&mut mine, 1), prevent(&mut other, 1)), (0, 0));
    let eject = || loader.eject_tape(&"VLT001L8".parse().unwrap(), true).map_err(|error| error.to_string());
    assert!(eject().unwrap_err().contains("PREVENT"));
    assert_eq!(prevent(&mut mine, 0), 0);
    assert!(eject().is_err(), "the other still does");
    let delete = |force| loader.delete_tape(&"VLT001L8".parse().unwrap(), force);
    assert!(delete(false).is_err());
    end_session(&loader, &other);
    assert!(eject().is_ok());
    assert_eq!(prevent(&mut mine, 1), 0);
    assert!(delete(false).is_ok(), "what is on the shelf is out already");
    let second = "VLT002L8".parse().unwrap();
    assert!(loader.delete_tape(&second, false).is_err());
    assert!(loader.delete_tape(&second, true).is_ok(), "--force");
}

/// What other emulations got wrong of a robot, a line each.
#[test]
fn known_errors_of_other_emulations() {
    let (site, loader) = small();
    let mut nexus = Nexus::default();
    let move_cdb = |from: u16, to: u16| {
        let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
        [0xa5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0]
    };
    assert_eq!(send(&loader, &mut nexus, &[0; 6], &[]).sense, None, "an attention on the first command");
    assert_eq!(send(&loader, &mut nexus, &move_cdb(0x1001, 0x10), &[]).status, 0);
    assert_eq!(send(&loader, &mut nexus, &[0; 6], &[]).sense, None, "one's own move as an attention");
    let kept = fs::read_to_string(site.path("slots.toml")).unwrap();
    assert!(kept.contains("mail0"), "a map that is saved at a clean end only");
    let mail = data(&loader, &status_cdb(0x13, 0, 1, 0, 255));
    assert_eq!(mail[18] & 0x01, 1, "an exported tape that is gone at once");
    assert_eq!(mail[18] & 0x02, 0, "an export that looks like an import");
    let report = data(&loader, &status_cdb(0x10, 0, 0xffff, 1, 0xffff));
    assert_eq!(report[9] & 0x40, 0, "AVolTag without the field");
    assert_eq!(
        sense(&loader, &[0x12, 1, 0xc0, 0, 255, 0]),
        illegal(0x24, 0),
        "an unknown page that is another's"
    );
    assert_eq!(data(&loader, &[0x1a, 8, 0x1d, 0, 255, 0])[0], 23, "page 1Dh in 24 bytes");
    assert_eq!(sense(&loader, &move_cdb(0x1001, 0x10)), illegal(0x3b, 0x0e), "twice the same move");
    assert_eq!(data(&loader, &[0x12, 0, 0, 0, 5, 0]).len(), 5, "INQUIRY of a few bytes refused");
    assert_eq!(
        data(&loader, &[0x00, 0xe0, 0, 0, 0, 0xc0]),
        [0_u8; 0],
        "a logical unit number and a control byte"
    );
}
