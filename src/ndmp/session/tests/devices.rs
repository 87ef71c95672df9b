//! SCSI, and what opening a device means: names, aliases, users' loaders, one device a session.

use super::bench::{Bench, Did, facts};
use crate::ndmp::session::*;
use crate::ndmp::wire::*;
use crate::scsi::outcome::{Outcome, STATUS_CHECK_CONDITION};
use crate::scsi::sense::Sense;

fn open_robot(bench: &mut Bench, name: &str) -> Error {
    bench.error(MessageCode::ScsiOpen, &ScsiOpenRequest { device: name.into() })
}

fn open_tape(bench: &mut Bench, name: &str) -> Error {
    let request = TapeOpenRequest { device: name.into(), mode: TapeOpenMode::Rdwr };
    bench.error(MessageCode::TapeOpen, &request)
}

fn shown(bench: &mut Bench) -> Vec<String> {
    let tapes: ConfigGetTapeInfoReply = bench.ask(MessageCode::ConfigGetTapeInfo, &());
    let robots: ConfigGetScsiInfoReply = bench.ask(MessageCode::ConfigGetScsiInfo, &());
    let infos = tapes.tape_info.iter().chain(robots.scsi_info.iter());
    infos
        .map(|info| {
            assert_eq!(info.caplist.len(), 1, "DMAs read the first entry only");
            info.caplist[0].device.to_lossy()
        })
        .collect()
}

#[test]
fn devices_are_shown_by_their_aliases_in_order() {
    let mut bench = Bench::new();
    assert_eq!(
        shown(&mut bench),
        ["vault_drive0", "nrst1a", "attic_drive0", "vault_robot", "mc0"],
        "a loader's drives in the order of its elements"
    );
    let tapes: ConfigGetTapeInfoReply = bench.ask(MessageCode::ConfigGetTapeInfo, &());
    let entry = &tapes.tape_info[0].caplist[0];
    let pairs: Vec<_> =
        entry.capability.iter().map(|pair| (pair.name.to_lossy(), pair.value.to_lossy())).collect();
    assert_eq!(entry.attr, TAPE_ATTR_RAW);
    assert_eq!(
        pairs,
        [("EXECUTE_CDB", "t"), ("SERIAL_NUMBER", "S-vault_drive0"), ("WORLD_WIDE_NAME", "356789abcdef0001")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn a_device_is_opened_by_its_name_or_its_alias() {
    for (name, index) in [("vault_drive1", 1), ("nrst1a", 1), ("attic_drive0", 2)] {
        let mut bench = Bench::new();
        let request = TapeOpenRequest { device: name.into(), mode: TapeOpenMode::Read };
        let deeds = bench.send(MessageCode::TapeOpen, &request);
        assert_eq!(deeds.error(), Error::NoErr, "{name}");
        assert!(matches!(deeds.0[0], Did::Worked(Work::OpenTape(at)) if at == index), "{name}: {deeds:?}");
    }
    assert_eq!(open_robot(&mut Bench::new(), "mc0"), Error::NoErr);
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let mut bench = Bench::new();
    for name in ["bogus", "", "VAULT_ROBOT", "vault_robot\0", "vault_drive0"] {
        let deeds = bench.send(MessageCode::ScsiOpen, &ScsiOpenRequest { device: name.into() });
        assert_eq!(deeds.error(), Error::NoDevice, "{name:?}");
        assert!(deeds.log().0.contains("vault_robot, mc0"), "{}", deeds.log().0);
    }
    assert_eq!(open_tape(&mut bench, "vault_robot"), Error::NoDevice, "a robot is no tape");
}

#[test]
fn a_user_with_loaders_sees_and_opens_only_theirs() {
    let mut bench = Bench::stranger(facts());
    assert_eq!(bench.login("guest", "guest"), Error::NoErr);
    assert_eq!(shown(&mut bench), ["attic_drive0", "mc0"]);
    for name in ["vault_drive0", "nrst1a"] {
        assert_eq!(open_tape(&mut bench, name), Error::NoDevice);
    }
    let deeds = bench.send(MessageCode::ScsiOpen, &ScsiOpenRequest { device: "vault_robot".into() });
    assert_eq!(deeds.error(), Error::NoDevice);
    assert!(!deeds.log().0.contains("vault_drive"), "other loaders' names are not told: {}", deeds.log().0);
    assert_eq!(open_tape(&mut bench, "attic_drive0"), Error::NoErr);
}

#[test]
fn a_session_has_one_device() {
    let mut bench = Bench::new();
    assert_eq!(open_robot(&mut bench, "vault_robot"), Error::NoErr);
    assert_eq!(open_robot(&mut bench, "vault_robot"), Error::DeviceOpened);
    assert_eq!(open_tape(&mut bench, "bogus"), Error::DeviceOpened, "whatever the name");
    assert_eq!(bench.error(MessageCode::TapeClose, &()), Error::DevNotOpen);
    let deeds = bench.send(MessageCode::ScsiClose, &());
    assert_eq!((deeds.error(), deeds.order()), (Error::NoErr, vec!["close", "reply"]));
    assert_eq!(open_tape(&mut bench, "vault_drive0"), Error::NoErr);
    assert_eq!(open_robot(&mut bench, "vault_robot"), Error::DeviceOpened);
    assert_eq!(bench.error(MessageCode::ScsiClose, &()), Error::DevNotOpen);
}

#[test]
fn what_is_not_open_answers_so() {
    use MessageCode as C;
    let mut bench = Bench::new();
    let cdb = ExecuteCdbRequest { cdb: vec![0; 6].into(), ..Default::default() };
    for code in [C::ScsiClose, C::ScsiGetState, C::ScsiResetDevice] {
        assert_eq!(bench.error(code, &()), Error::DevNotOpen, "{code:?}");
    }
    assert_eq!(bench.error(C::ScsiExecuteCdb, &cdb), Error::DevNotOpen);
    let state: ScsiGetStateReply = bench.ask(C::ScsiGetState, &());
    assert_eq!(state.error, Error::DevNotOpen);
}

#[test]
fn a_busy_or_failing_device_is_named_with_its_holder() {
    let mut bench = Bench::new();
    let busy = OpenFault::Busy("session 4 from 192.0.2.9:700".into());
    bench.world.next.push_back(Completion::TapeOpened(Err(busy)));
    let request = TapeOpenRequest { device: "nrst1a".into(), mode: TapeOpenMode::Rdwr };
    let deeds = bench.send(MessageCode::TapeOpen, &request);
    assert_eq!(deeds.error(), Error::DeviceBusy);
    assert_eq!(deeds.log().0, "vault_drive1 is in use by session 4 from 192.0.2.9:700");
    bench.world.next.push_back(Completion::RobotOpened(Err(OpenFault::Failed("jammed".into()))));
    assert_eq!(open_robot(&mut bench, "vault_robot"), Error::Io);
    assert_eq!(open_robot(&mut bench, "vault_robot"), Error::NoErr);
}

#[test]
fn a_robot_without_a_bus_has_no_numbers_and_resets_for_this_session_only() {
    let mut bench = Bench::new();
    assert_eq!(open_robot(&mut bench, "vault_robot"), Error::NoErr);
    let state: ScsiGetStateReply = bench.ask(MessageCode::ScsiGetState, &());
    assert_eq!((state.target_controller, state.target_id, state.target_lun), (-1, -1, -1));
    assert_eq!(bench.send(MessageCode::ScsiResetDevice, &()).order(), ["reset", "reply"]);
}

#[test]
fn the_envelope_of_a_cdb_is_checked_and_the_cdb_left_alone() {
    let request = |flags, cdb: usize, out: usize, datain_len| ExecuteCdbRequest {
        flags,
        datain_len,
        timeout: 0,
        cdb: vec![0xee; cdb].into(),
        dataout: vec![1; out].into(),
    };
    let table = [
        (request(0, 6, 0, 0), Error::NoErr),
        (request(1, 10, 0, 36), Error::NoErr),
        (request(1, 12, 0, 0), Error::NoErr),
        (request(2, 16, 0, 0), Error::NoErr),
        (request(2, 6, 4, 0), Error::NoErr),
        (request(3, 6, 0, 0), Error::IllegalArgs),
        (request(0, 6, 4, 0), Error::IllegalArgs),
        (request(1, 6, 4, 8), Error::IllegalArgs),
        (request(0, 0, 0, 0), Error::IllegalArgs),
        (request(0, 5, 0, 0), Error::IllegalArgs),
        (request(0, 7, 0, 0), Error::IllegalArgs),
        (request(0, 260, 0, 0), Error::IllegalArgs),
    ];
    let mut robot = Bench::new();
    assert_eq!(open_robot(&mut robot, "vault_robot"), Error::NoErr);
    let mut tape = Bench::with_tape(TapeOpenMode::Raw);
    for (request, expected) in table {
        let deeds = robot.send(MessageCode::ScsiExecuteCdb, &request);
        assert_eq!(deeds.error(), expected, "{request:?}");
        assert_eq!(tape.error(MessageCode::TapeExecuteCdb, &request), expected, "{request:?}");
        if let Did::Worked(Work::RobotCdb(cdb)) = &deeds.0[0] {
            assert_eq!(&cdb.bytes[..], request.cdb.as_bytes());
            assert_eq!(cdb.allocation_bytes, if request.flags == 1 { request.datain_len } else { 0 });
        }
    }
    let huge = request(1, 6, 0, u32::MAX);
    let deeds = robot.send(MessageCode::ScsiExecuteCdb, &huge);
    assert!(matches!(&deeds.0[0], Did::Worked(Work::RobotCdb(cdb)) if cdb.allocation_bytes == 0xff_ffff));
}

#[test]
fn check_condition_is_a_success_with_sense() {
    let mut bench = Bench::new();
    assert_eq!(open_robot(&mut bench, "vault_robot"), Error::NoErr);
    let request = ExecuteCdbRequest { cdb: vec![0; 6].into(), ..Default::default() };
    let outcome = Outcome::from(Err::<Vec<u8>, _>(Sense::FILEMARK));
    bench.world.next.push_back(Completion::Cdb(Ok(outcome.into())));
    let reply: ExecuteCdbReply = bench.ask(MessageCode::ScsiExecuteCdb, &request);
    assert_eq!((reply.error, reply.status), (Error::NoErr, STATUS_CHECK_CONDITION));
    assert_eq!((reply.ext_sense.len(), reply.ext_sense[0] & 0x7f), (18, 0x70), "fixed format");
    bench.world.next.push_back(Completion::Cdb(Err(CdbFault::Failed("the thread is gone".into()))));
    let deeds = bench.send(MessageCode::ScsiExecuteCdb, &request);
    assert_eq!((deeds.error(), deeds.log().0), (Error::Io, "the thread is gone".into()));
}
