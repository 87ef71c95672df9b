//! Dialogues with the live server as backup applications hold them that cannot be had for a test, and what has broken
//! a backup with other servers. Those with ndmjob and Amanda are in `interop/`, those without a server in
//! `src/ndmp/session/tests/clients.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use support::dma::Dma;
use support::robot::{DRIVE, Robot, SLOT};
use support::{Site, loader, wait_for};
use tapesilo::ndmp::wire::*;

const INQUIRY_BYTES: u8 = 96;

fn vault() -> Site {
    Site::start("", &loader("vault", "tapes = 2\ntape_capacity = \"8 MiB\"\ntape_family = \"VLT\""))
}

/// A CDB to the open drive that brings data.
fn ask_drive(dma: &mut Dma, cdb: &[u8], datain_len: u32) -> ExecuteCdbReply {
    let request = ExecuteCdbRequest {
        flags: SCSI_DATA_IN,
        timeout: 60_000,
        datain_len,
        cdb: cdb.into(),
        dataout: Default::default(),
    };
    let reply: ExecuteCdbReply = dma.ask(MessageCode::TapeExecuteCdb, &request);
    assert_eq!((reply.error, reply.status), (Error::NoErr, 0), "{:02x?}", reply.ext_sense.as_bytes());
    reply
}

/// The serial number on the page 80h of vital product data.
fn unit_serial(page: &ExecuteCdbReply) -> String {
    let bytes = page.datain.as_bytes();
    assert_eq!((bytes[1], bytes.len()), (0x80, 4 + usize::from(bytes[3])));
    String::from_utf8(bytes[4..].to_vec()).unwrap().trim().to_owned()
}

fn capability(info: &DeviceInfo, name: &str) -> String {
    let capability = &info.caplist[0];
    let pair = capability.capability.iter().find(|pair| pair.name.to_lossy() == name);
    pair.unwrap_or_else(|| panic!("{name} in {info:?}")).value.to_lossy()
}

/// One data transfer element as READ ELEMENT STATUS with volume tags and device identifiers tells it.
#[derive(Debug)]
struct DriveElement {
    address: u16,
    is_full: bool,
    source: Option<u16>,
    identifier: String,
}

fn drive_elements(robot: &mut Robot) -> Vec<DriveElement> {
    // Of type 4, with VolTag and DVCID: what is asked for when drives are to be told apart.
    let reply = robot.execute(&[0xb8, 0x14, 0, 0, 0, 80, 0x01, 0, 0x20, 0, 0, 0], 0x2000);
    assert_eq!(reply.status, 0, "{:02x?}", reply.ext_sense.as_bytes());
    let page = &reply.datain.as_bytes()[8..];
    let step = usize::from(u16::from_be_bytes([page[2], page[3]]));
    let element = |bytes: &[u8]| {
        let identifier = &bytes[48..];
        let length = usize::from(identifier[3]);
        DriveElement {
            address: u16::from_be_bytes([bytes[0], bytes[1]]),
            is_full: bytes[2] & 1 != 0,
            source: (bytes[9] & 0x80 != 0).then(|| u16::from_be_bytes([bytes[10], bytes[11]])),
            identifier: String::from_utf8(identifier[4..4 + length].to_vec()).unwrap(),
        }
    };
    page[8..].chunks_exact(step).map(element).collect()
}

/// Commvault's detection: devices by CONFIG, who they are by INQUIRY and page 80h, which drive stands where by the serial
/// numbers in the robot's element status; then, as its exhaustive detection does, by mounting a tape in each.
#[test]
fn commvault_finds_which_drive_stands_where() {
    let site = vault();
    let mut dma = site.dma();
    let changers: ConfigGetScsiInfoReply = dma.ask(MessageCode::ConfigGetScsiInfo, &());
    let tapes: ConfigGetTapeInfoReply = dma.ask(MessageCode::ConfigGetTapeInfo, &());
    let device = changers.scsi_info[0].caplist[0].device.to_lossy();
    let mut robot = Robot::open(dma, &device);
    assert_eq!(robot.execute(&[0; 6], 0).status, 0, "ready at the first question");
    let inquiry = robot.execute(&[0x12, 0, 0, 0, INQUIRY_BYTES, 0], INQUIRY_BYTES.into());
    assert_eq!(inquiry.datain.as_bytes()[0] & 0x1f, 8, "a changer");
    let serial = unit_serial(&robot.execute(&[0x12, 1, 0x80, 0, 255, 0], 255));
    assert_eq!(serial, capability(&changers.scsi_info[0], "SERIAL_NUMBER"));

    let elements = drive_elements(&mut robot);
    assert_eq!(elements.len(), tapes.tape_info.len());
    for (number, (element, info)) in elements.iter().zip(&tapes.tape_info).enumerate() {
        let serial = capability(info, "SERIAL_NUMBER");
        assert!(element.identifier.contains(&serial), "{element:?} has {serial}");
        let slot = SLOT + u16::try_from(number).unwrap();
        robot.load(slot, element.address);
        let loaded = drive_elements(&mut robot).swap_remove(number);
        assert!(loaded.is_full);
        assert_eq!(loaded.source, Some(slot), "where it came from, which is empty now");
        assert!(!robot.tapes().contains_key(&slot));

        let mut drive = site.dma();
        let device = info.caplist[0].device.to_lossy();
        assert_eq!(drive.open_tape(&device, TapeOpenMode::Raw), Error::NoErr);
        assert_eq!(unit_serial(&ask_drive(&mut drive, &[0x12, 1, 0x80, 0, 255, 0], 255)), serial);
        assert_eq!(drive.mtio(TapeMtioOp::Tur, 1).error, Error::NoErr, "the tape is in this one");
        // TapeAlert, before each job; no flag is set.
        let alerts = ask_drive(&mut drive, &[0x4d, 0, 0x6e, 0, 0, 0, 0, 0x10, 0, 0], 0x1000);
        let alerts = alerts.datain.as_bytes();
        assert_eq!((alerts[0] & 0x3f, alerts.len()), (0x2e, 4 + 64 * 5));
        assert!(alerts[4..].chunks_exact(5).all(|flag| flag[4] == 0), "{alerts:02x?}");
        assert_eq!(drive.mtio(TapeMtioOp::Off, 1).resid_count, 0, "any residual is taken for a failure");
        assert_eq!(drive.close_tape(), Error::NoErr);
        robot.load(element.address, slot);
    }
}

/// A label is closed with two filemarks; the first job goes behind the first of them, and what was behind it is gone.
#[test]
fn the_second_filemark_behind_a_label_gives_way_to_the_first_job() {
    let site = vault();
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(dma.write(b"label"), Error::NoErr);
    assert_eq!(dma.mtio(TapeMtioOp::Eof, 2).error, Error::NoErr);
    assert_eq!(dma.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
    assert_eq!(dma.read(100).unwrap(), b"label");
    assert_eq!(dma.mtio(TapeMtioOp::Fsf, 1).error, Error::NoErr);
    assert_eq!(dma.write(b"job"), Error::NoErr);
    assert_eq!(dma.mtio(TapeMtioOp::Eof, 1).error, Error::NoErr);
    assert_eq!(dma.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
    assert_eq!(dma.mtio(TapeMtioOp::Fsf, 9).resid_count, 7, "two files and no more");
    assert_eq!(dma.mtio(TapeMtioOp::Bsf, 2).resid_count, 0);
    assert_eq!(dma.mtio(TapeMtioOp::Fsf, 1).error, Error::NoErr);
    assert_eq!(dma.read(100).unwrap(), b"job");
}

/// A director holds the robot through a whole job and opens it again for the next: nobody is refused, and nobody's first
/// command is met by what another's moves have changed.
#[test]
fn a_robot_is_open_in_several_sessions_and_ready_in_each() {
    let site = vault();
    let mut first = Robot::open(site.dma(), "vault_robot");
    first.initialize();
    let mut second = Robot::open(site.dma(), "vault_robot");
    first.load(SLOT, DRIVE);
    let mut third = Robot::open(site.dma(), "vault_robot");
    for robot in [&mut second, &mut third] {
        assert_eq!(robot.execute(&[0; 6], 0).status, 0, "TEST UNIT READY");
        assert_eq!(robot.tapes().len(), 2);
        robot.initialize();
    }
}

/// As a check of the service or a scanner of ports does: no session is left, no login counted, nothing said but that.
#[test]
fn to_connect_and_close_costs_nothing() {
    let site = vault();
    let mut operator = site.dma();
    let before = site.descriptors();
    for _ in 0..100 {
        drop(Dma::connect(site.address()));
        drop(Dma::bare(site.address()));
    }
    wait_for("the end of all", || {
        (site.json(&["session", "list"]).as_array().unwrap().len() == 1).then_some(())
    });
    wait_for("no descriptor more", || (site.descriptors() <= before).then_some(()));
    assert!(!site.log().contains("login failed"), "{}", site.log());
    let state = operator.mover_state();
    assert_eq!(state.error, Error::NoErr);
    site.dma();
}

#[test]
fn challenges_of_connections_at_the_same_time_differ() {
    let site = vault();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let request = ConfigGetAuthAttrRequest { auth_type: AuthType::Md5 };
        let mut dma = Dma::connect(site.address());
        let reply: ConfigGetAuthAttrReply = dma.ask(MessageCode::ConfigGetAuthAttr, &request);
        let AuthAttr::Md5(challenge) = reply.server_attr else { panic!("{reply:?}") };
        assert!(seen.insert(challenge), "again {challenge:02x?}");
    }
}
