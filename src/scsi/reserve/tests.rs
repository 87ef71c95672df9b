//! Reservations as tables of steps: who sends what, what becomes of it, and who may use the device then.

use super::*;
use crate::scsi::sense::SenseKey;

const CONFLICT: u8 = 0x18;

/// A device that is nothing but its reservations.
#[derive(Default)]
struct Device(Reservations);

impl Device {
    fn call(&mut self, session: u64, cdb: &[u8], list: &[u8], action: Action) -> Outcome {
        // Two sessions an initiator: 10 and 11 are 1's.
        let nexus = Nexus { initiator: session / 10, session, ..Nexus::default() };
        let cdb = Cdb::new(cdb, 1000).unwrap();
        let mut call = Call { reservations: &mut self.0, nexus: &nexus, cdb: &cdb, data_out: list };
        action(&mut call).unwrap_or_else(|sense| Err(sense).into())
    }

    fn out(&mut self, session: u64, action: Action, kind: u8, own: u64, other: u64) -> Outcome {
        let list = [&own.to_be_bytes()[..], &other.to_be_bytes(), &[0; 8]].concat();
        self.call(session, &[0x5f, 0, kind, 0, 0, 0, 0, 0, 24, 0], &list, action)
    }

    fn read(&mut self, action: Action) -> Vec<u8> {
        let outcome = self.call(90, &[0x5e, 0, 0, 0, 0, 0, 0, 3, 0, 0], &[], action);
        assert_eq!(outcome.status, 0);
        outcome.data_in
    }

    fn plain(&mut self, session: u64, action: Action) -> u8 {
        self.call(session, &[0x16, 0, 0, 0, 0, 0], &[], action).status
    }

    /// Which of initiators 1 to 3 a command of this class is refused.
    fn kept_away(&self, conflict: Conflict) -> Vec<u64> {
        (1..=3).filter(|who| is_conflict(&self.0, *who, conflict)).collect()
    }

    fn news(&mut self, initiator: u64) -> Option<(u8, u8)> {
        let sense = news(&mut self.0, initiator)?;
        assert_eq!(sense.key, SenseKey::UnitAttention);
        Some((sense.asc, sense.ascq))
    }

    /// 1, 2 and 3 are registered under 11h, 22h and 33h, and 1 holds a reservation.
    fn held(kind: u8) -> Self {
        let mut device = Self::default();
        for who in 1..=3 {
            assert_eq!(device.out(who * 10, register, 0, 0, who * 0x11).status, 0);
        }
        assert_eq!(device.out(10, reserve, kind, 0x11, 0).status, 0);
        device
    }
}

#[test]
fn each_type_keeps_away_whom_it_should() {
    use Conflict::{Any, Exclusive, Never, Plain};
    /// Type; whom it keeps from `Exclusive` and from `Any` when 1 holds it and only 1 and 2 are registered.
    const TABLE: [(u8, &[u64], &[u64]); 6] = [
        (WRITE_EXCLUSIVE, &[], &[2, 3]),
        (EXCLUSIVE_ACCESS, &[2, 3], &[2, 3]),
        (WRITE_EXCLUSIVE_REGISTRANTS, &[], &[3]),
        (EXCLUSIVE_ACCESS_REGISTRANTS, &[3], &[3]),
        (WRITE_EXCLUSIVE_ALL, &[], &[3]),
        (EXCLUSIVE_ACCESS_ALL, &[3], &[3]),
    ];
    for (kind, exclusive, any) in TABLE {
        let mut device = Device::held(kind);
        assert_eq!(device.out(30, register, 0, 0x33, 0).status, 0);
        assert_eq!(device.kept_away(Exclusive), exclusive, "type {kind}");
        assert_eq!(device.kept_away(Any), any, "type {kind}");
        assert_eq!((device.kept_away(Never), device.kept_away(Plain)), (vec![], vec![]));
    }
    let mut device = Device::default();
    assert_eq!(device.plain(10, reserve_unit), 0);
    for conflict in [Plain, Exclusive, Any] {
        assert_eq!(device.kept_away(conflict), [2, 3]);
    }
    assert!(device.kept_away(Never).is_empty());
    assert_eq!([1, 2].map(|who| other_holder(&device.0, who)), [None, Some(1)]);
    assert_eq!([1, 2].map(|who| other_holder(&Device::held(3).0, who)), [None, Some(1)]);
}

#[test]
fn reserve_is_shared_by_sessions_of_an_initiator_and_ends_with_the_one_that_gave_it_last() {
    let end = |device: &mut Device, session: u64| {
        end_session(&mut device.0, &Nexus { initiator: session / 10, session, ..Nexus::default() });
    };
    let mut device = Device::default();
    assert_eq!(device.plain(10, reserve_unit), 0);
    assert_eq!(device.plain(20, release_unit), 0, "changes nothing");
    end(&mut device, 11);
    end(&mut device, 20);
    assert_eq!(device.kept_away(Conflict::Plain), [2, 3]);
    assert_eq!(device.plain(11, reserve_unit), 0, "it is one's own");
    end(&mut device, 10);
    assert_eq!(device.kept_away(Conflict::Plain), [2, 3], "the other session has taken it over");
    end(&mut device, 11);
    assert_eq!(device.0, Reservations::default());
    assert_eq!(device.plain(10, reserve_unit), 0);
    assert_eq!(device.plain(11, release_unit), 0, "any session of the initiator may");
    assert_eq!(device.0, Reservations::default());
}

#[test]
fn reserve_and_registrations_exclude_each_other() {
    let mut device = Device::default();
    assert_eq!(device.plain(10, reserve_unit), 0);
    for action in [register, register_and_ignore, reserve, clear, preempt] as [Action; 5] {
        assert_eq!(device.out(10, action, 1, 0, 0x11).status, CONFLICT, "also for who has it");
    }
    assert_eq!(device.call(10, &[0x5e, 0, 0, 0, 0, 0, 0, 0, 9, 0], &[], read_keys).status, CONFLICT);
    assert_eq!(device.plain(10, release_unit), 0);
    assert_eq!(device.out(20, register, 0, 0, 0x22).status, 0);
    assert_eq!(device.plain(20, reserve_unit), CONFLICT);
}

#[test]
fn keys_are_registered_changed_and_dropped() {
    let mut device = Device::default();
    assert_eq!(device.read(read_keys), [0; 8]);
    assert_eq!(device.out(10, reserve, 3, 0x11, 0).status, CONFLICT, "not registered");
    assert_eq!(device.out(10, register, 0, 0x99, 0x11).status, CONFLICT, "has no key yet");
    assert_eq!(device.out(10, register, 0, 0, 0x11).status, 0);
    assert_eq!(device.out(20, register_and_ignore, 0, 0x99, 0x22).status, 0);
    assert_eq!(device.read(read_keys)[..8], [0, 0, 0, 2, 0, 0, 0, 16]);
    assert_eq!(device.out(11, register, 0, 0x11, 0x12).status, 0, "another session of the same initiator");
    assert_eq!(device.read(read_keys)[8..], [0, 0, 0, 0, 0, 0, 0, 0x22, 0, 0, 0, 0, 0, 0, 0, 0x12]);
    assert_eq!(device.out(10, reserve, 3, 0x12, 0).status, 0);
    assert_eq!(device.out(10, reserve, 3, 0x12, 0).status, 0, "again the same");
    assert_eq!(device.out(10, reserve, 1, 0x12, 0).status, CONFLICT, "another type");
    let held = [0, 0, 0, 3, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0x12, 0, 0, 0, 0, 0, 3, 0, 0];
    assert_eq!(device.read(read_reservation), held);
    assert_eq!(device.out(10, release, 1, 0x12, 0).sense, Some(Sense::INVALID_RELEASE));
    assert_eq!(device.out(20, release, 3, 0x22, 0).status, 0, "changes nothing");
    assert_eq!(device.out(10, register, 0, 0x12, 0).status, 0, "unregisters, and so releases");
    assert_eq!(device.read(read_reservation)[4..], [0; 4]);
    assert_eq!(device.news(2), None, "exclusive access was not 2's to miss");
    for who in 100..100 + REGISTERED_MAX as u64 - 1 {
        assert_eq!(device.out(who * 10, register, 0, 0, who).status, 0);
    }
    let full = device.out(30, register, 0, 0, 1).sense;
    assert_eq!(full, Some(Sense::INSUFFICIENT_REGISTRATION_RESOURCES));
}

#[test]
fn preempting_takes_over_and_tells() {
    let mut device = Device::held(EXCLUSIVE_ACCESS);
    assert_eq!(device.out(20, preempt, WRITE_EXCLUSIVE_REGISTRANTS, 0x22, 0x11).status, 0);
    assert_eq!(device.read(read_reservation)[15..22], [0x22, 0, 0, 0, 0, 0, 5]);
    assert_eq!((device.news(1), device.news(1)), (Some((0x2a, 0x05)), None));
    assert_eq!((device.news(2), device.news(3)), (None, Some((0x2a, 0x04))), "the type is another");
    assert_eq!(device.kept_away(Conflict::Any), [1]);
    assert_eq!(device.out(20, preempt, 5, 0x22, 0x99).status, CONFLICT, "nobody has this key");
    assert_eq!(device.out(20, preempt, 5, 0x22, 0).sense, Some(Sense::invalid_parameter(8)));
    assert_eq!(device.out(20, preempt, 5, 0x22, 0x33).status, 0, "a registration without the reservation");
    assert_eq!(device.news(3), Some((0x2a, 0x05)));
    assert_eq!(device.read(read_reservation)[15], 0x22);

    let mut device = Device::held(EXCLUSIVE_ACCESS_ALL);
    assert_eq!(device.read(read_reservation)[8..16], [0; 8], "one that all hold is nobody's");
    assert_eq!(device.out(20, preempt, 8, 0x22, 0x11).status, 0);
    assert_eq!(device.read(read_reservation)[21], 8, "passed on, not taken");
    assert_eq!(device.out(30, preempt, 1, 0x33, 0).status, 0, "0 means all others");
    assert_eq!(device.read(read_keys)[4..], [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0x33]);
    assert_eq!(device.read(read_reservation)[21], 1);
}

#[test]
fn releasing_and_clearing_tell_those_who_shared() {
    for (kind, told) in [(1, None), (3, None), (5, Some((0x2a, 0x04))), (8, Some((0x2a, 0x04)))] {
        let mut device = Device::held(kind);
        assert_eq!(device.out(10, release, kind, 0x11, 0).status, 0);
        assert_eq!((device.news(1), device.news(2), device.news(3)), (None, told, told), "type {kind}");
        assert_eq!(device.read(read_reservation)[4..], [0; 4]);
    }
    let mut device = Device::held(WRITE_EXCLUSIVE_REGISTRANTS);
    assert_eq!(device.out(10, register, 0, 0x11, 0).status, 0, "unregistering the holder releases");
    assert_eq!((device.news(2), device.news(3)), (Some((0x2a, 0x04)), Some((0x2a, 0x04))));
    let mut device = Device::held(WRITE_EXCLUSIVE);
    assert_eq!(device.out(20, clear, 0, 0x22, 0).status, 0);
    assert_eq!((device.news(1), device.news(2), device.news(3)), (Some((0x2a, 3)), None, Some((0x2a, 3))));
    assert_eq!(device.read(read_keys)[4..], [0; 4]);
}

/// READ FULL STATUS to the byte, by the tables of SPC-4 6.15.5 and 7.6.4.2.
#[test]
fn full_status_to_the_byte() {
    let mut device = Device::default();
    assert_eq!(device.out(10, register, 0, 0, 0x1122_3344_5566_7788).status, 0);
    assert_eq!(device.out(20, register, 0, 0, 2).status, 0);
    assert_eq!(device.out(20, reserve, 3, 2, 0).status, 0);
    let transport_id = |who| [[0; 8], [0, 0, 0, 0, 0, 0, 0, who], [0; 8]].concat();
    let expected = [
        &[0, 0, 0, 2, 0, 0, 0, 96][..],
        &[0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 24],
        &transport_id(1),
        &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0x01, 0x03, 0, 0, 0, 0, 0, 1, 0, 0, 0, 24],
        &transport_id(2),
    ]
    .concat();
    assert_eq!(device.read(read_full_status), expected);
    assert_eq!(device.read(report_capabilities), [0, 8, 0x04, 0x80, 0xea, 1, 0, 0]);
}

fn moving_list(own: u64, other: u64, to: u64) -> Vec<u8> {
    let head = [0, 0, 0, 1, 0, 0, 0, 24];
    [&own.to_be_bytes()[..], &other.to_be_bytes(), &head, &[0; 8], &to.to_be_bytes(), &[0; 8]].concat()
}

#[test]
fn a_reservation_is_registered_and_moved() {
    let cdb = |length: usize| [0x5f, 7, 0, 0, 0, 0, 0, 0, u8::try_from(length).unwrap(), 0];
    let send = |device: &mut Device, session, list: &[u8]| {
        device.call(session, &cdb(list.len()), list, register_and_move)
    };
    let with = |at: usize, byte| {
        let mut list = moving_list(0x11, 0x77, 3);
        list[at] = byte;
        list
    };
    let mut device = Device::held(EXCLUSIVE_ACCESS);
    for (at, byte, pointer) in [(17, 1, 17), (16, 0, 0), (19, 2, 18), (24, 5, 24), (15, 0, 8), (39, 1, 24)] {
        let expected = if pointer == 0 { None } else { Some(Sense::invalid_parameter(pointer)) };
        let mut copy = Device(device.0.clone());
        assert_eq!(send(&mut copy, 10, &with(at, byte)).sense, expected, "byte {at}");
    }
    assert_eq!(send(&mut device, 10, &with(23, 23)).sense, Some(Sense::PARAMETER_LIST_LENGTH));
    assert_eq!(
        send(&mut device, 10, &moving_list(0x11, 1, 3)[..47]).sense,
        Some(Sense::PARAMETER_LIST_LENGTH)
    );
    assert_eq!(send(&mut device, 10, &moving_list(0x99, 1, 3)).status, CONFLICT, "not one's key");
    assert_eq!(send(&mut device, 20, &moving_list(0x22, 1, 3)).status, CONFLICT, "not the holder");
    let moved = send(&mut device, 10, &with(17, 2));
    assert_eq!((moved.status, moved.data_out_consumed), (0, 48));
    assert_eq!(device.read(read_reservation)[15..22], [0x77, 0, 0, 0, 0, 0, 3]);
    assert_eq!(device.kept_away(Conflict::Any), [1, 2]);
    assert_eq!(device.read(read_keys)[4..8], [0, 0, 0, 16], "1 has unregistered with it");
    assert_eq!(send(&mut device, 10, &moving_list(0x11, 1, 3)).status, CONFLICT);
    assert_eq!(send(&mut device, 30, &moving_list(0x77, 5, 4)).status, 0, "to one that was not registered");
    assert_eq!(device.kept_away(Conflict::Any), [1, 2, 3]);
    let mut device = Device::held(WRITE_EXCLUSIVE_ALL);
    assert_eq!(send(&mut device, 10, &moving_list(0x11, 1, 3)).status, CONFLICT, "all hold it");
    assert_eq!(device.out(10, release, 7, 0x11, 0).status, 0);
    assert_eq!(send(&mut device, 10, &moving_list(0x11, 1, 3)).sense, Some(Sense::invalid_bit(1, 4)));
}

#[test]
fn parameter_lists_that_are_wrong_are_refused_and_change_nothing() {
    let mut device = Device::held(WRITE_EXCLUSIVE);
    let before = device.0.clone();
    for (length, given) in [(23, 24), (25, 25), (24, 23), (24, 0), (0, 24)] {
        let cdb = [0x5f, 0, 0, 0, 0, 0, 0, 0, length, 0];
        let sense = device.call(10, &cdb, &vec![0; given], register).sense;
        assert_eq!(sense, Some(Sense::PARAMETER_LIST_LENGTH), "{length} of {given}");
    }
    for (byte, is_refused) in [(0x01, true), (0x08, true), (0x04, false)] {
        let mut list = [0; 24];
        (list[7], list[15], list[20]) = (0x11, 0x11, byte);
        let sense = device.call(10, &[0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0], &list, register).sense;
        assert_eq!(sense, is_refused.then(|| Sense::invalid_parameter(20)));
    }
    for (kind, bit) in [(0, 3), (2, 3), (4, 3), (9, 3), (0x13, 7), (0xf3, 7)] {
        assert_eq!(device.out(10, reserve, kind, 0x11, 0).sense, Some(Sense::invalid_bit(2, bit)));
    }
    device.0.registered.sort_unstable();
    device.0.generation = before.generation;
    assert_eq!(device.0, before);
}

#[test]
fn who_never_comes_back_is_forgotten_in_the_end() {
    let mut device = Device::default();
    for who in 0..1000 {
        tell(&mut device.0, who, ReservationNews::RegistrationPreempted);
    }
    assert_eq!(device.0.news.len(), REGISTERED_MAX);
    assert_eq!((device.news(0), device.news(999)), (None, Some((0x2a, 5))));
}
