//! What sessions are to the robot and the drives, against the live server: who keeps whom away and until when, who is told of
//! what, and that an operator's hands are kept out while a session wants that.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::net::Ipv4Addr;

use support::command::{failure, run, success};
use support::dma::Dma;
use support::robot::{DRIVE, Robot, SLOT};
use support::{Site, loader, wait_for};
use tapesilo::ndmp::wire::*;

const CONFLICT: u8 = 0x18;
const CHECK: u8 = 0x02;
const TEST_UNIT_READY: [u8; 6] = [0; 6];
const RESERVE: [u8; 6] = [0x16, 0, 0, 0, 0, 0];
const RELEASE: [u8; 6] = [0x17, 0, 0, 0, 0, 0];

fn site() -> Site {
    let settings = "tapes = 4\nmail_slots = 2\ntape_capacity = \"64 MiB\"\ntape_family = \"VLT\"";
    Site::start("", &loader("vault", settings))
}

/// A DMA on another host.
fn other_host(site: &Site) -> Dma {
    let mut dma = Dma::connect_from(Ipv4Addr::new(127, 0, 0, 2), site.address());
    dma.login("backup", "hunter2");
    dma
}

fn robot(dma: Dma) -> Robot {
    Robot::open(dma, "vault_robot")
}

/// Status, and key, ASC and ASCQ of the sense.
fn judge(reply: &ExecuteCdbReply) -> (u8, Option<[u8; 3]>) {
    let sense = reply.ext_sense.as_bytes();
    (reply.status, (!sense.is_empty()).then(|| [sense[2] & 0x0f, sense[12], sense[13]]))
}

fn on_robot(robot: &mut Robot, cdb: &[u8]) -> (u8, Option<[u8; 3]>) {
    judge(&robot.execute(cdb, 255))
}

/// A CDB to the open drive, with data or without.
fn on_drive(dma: &mut Dma, cdb: &[u8], data_out: &[u8]) -> (u8, Option<[u8; 3]>) {
    let flags = if data_out.is_empty() { SCSI_DATA_IN } else { SCSI_DATA_OUT };
    let request = ExecuteCdbRequest {
        flags,
        timeout: 0,
        datain_len: if data_out.is_empty() { 255 } else { 0 },
        cdb: cdb.into(),
        dataout: data_out.to_vec().into(),
    };
    let reply: ExecuteCdbReply = dma.ask(MessageCode::TapeExecuteCdb, &request);
    assert_eq!(reply.error, Error::NoErr);
    judge(&reply)
}

fn open_drive(dma: &mut Dma) -> Error {
    dma.open_tape("vault_drive0", TapeOpenMode::Rdwr)
}

/// PERSISTENT RESERVE OUT with the keys 0 and 77h, or 77h and 0.
fn persistent(dma: &mut Dma, action: u8, kind: u8) -> u8 {
    let mut list = [0; 24];
    list[if action == 0 { 15 } else { 7 }] = 0x77;
    on_drive(dma, &[0x5f, action, kind, 0, 0, 0, 0, 0, 24, 0], &list).0
}

#[test]
fn a_robot_is_reserved_from_other_hosts_until_the_session_ends() {
    let site = site();
    let mut mine = robot(site.dma());
    let mut second = robot(site.dma());
    let mut other = robot(other_host(&site));
    assert_eq!(on_robot(&mut mine, &RESERVE), (0, None));
    assert_eq!(on_robot(&mut second, &TEST_UNIT_READY), (0, None), "sessions of one host are one initiator");
    assert_eq!(on_robot(&mut other, &TEST_UNIT_READY), (CONFLICT, None));
    assert_eq!(other.try_move(SLOT, DRIVE).status, CONFLICT);
    assert_eq!(on_robot(&mut other, &RESERVE), (CONFLICT, None));
    assert_eq!(on_robot(&mut other, &RELEASE), (0, None), "which changes nothing");
    let status = |options| [0xb8, 0x10, 0, 0, 0xff, 0xff, options, 0, 1, 0, 0, 0];
    assert_eq!(on_robot(&mut other, &status(0)).0, CONFLICT);
    assert_eq!(on_robot(&mut other, &status(2)).0, 0, "CURDATA looks only");
    let _: ScsiCloseReply = mine.0.ask(MessageCode::ScsiClose, &());
    assert_eq!(on_robot(&mut other, &TEST_UNIT_READY).0, CONFLICT, "it is the session's, not the open's");
    drop(mine);
    wait_for("robot released by its session's end", || {
        (on_robot(&mut other, &TEST_UNIT_READY).0 == 0).then_some(())
    });
    other.load(SLOT, DRIVE);
}

#[test]
fn a_reserved_drive_is_busy_for_other_hosts() {
    let site = site();
    robot(site.dma()).load(SLOT, DRIVE);
    let (mut mine, mut other) = (site.dma(), other_host(&site));
    assert_eq!(open_drive(&mut mine), Error::NoErr);
    assert_eq!(on_drive(&mut mine, &RESERVE, &[]).0, 0);
    assert_eq!(mine.close_tape(), Error::NoErr);
    assert_eq!(open_drive(&mut other), Error::DeviceBusy);
    let log: LogMessagePost = other.post(MessageCode::LogMessage);
    let said = log.entry.to_lossy();
    assert!(said.contains("127.0.0.1") && said.contains("reserved"), "{said}");
    let mut second = site.dma();
    assert_eq!(open_drive(&mut second), Error::NoErr, "not for the same host");
    assert_eq!(second.close_tape(), Error::NoErr);
    drop(mine);
    wait_for("drive released by its session's end", || {
        (open_drive(&mut other) == Error::NoErr).then_some(())
    });
}

#[test]
fn a_persistent_reservation_outlasts_its_session() {
    let site = site();
    robot(site.dma()).load(SLOT, DRIVE);
    let mut mine = site.dma();
    assert_eq!(open_drive(&mut mine), Error::NoErr);
    assert_eq!((persistent(&mut mine, 0, 0), persistent(&mut mine, 1, 3)), (0, 0));
    drop(mine);
    let mut other = other_host(&site);
    assert_eq!(open_drive(&mut other), Error::DeviceBusy);
    let mut again = site.dma();
    wait_for("drive closed", || (open_drive(&mut again) == Error::NoErr).then_some(()));
    assert_eq!(persistent(&mut again, 2, 3), 0);
    assert_eq!(again.close_tape(), Error::NoErr);
    assert_eq!(open_drive(&mut other), Error::NoErr);
}

#[test]
fn a_drive_that_is_opened_tells_of_no_load_before() {
    let site = site();
    let mut mine = robot(site.dma());
    mine.load(SLOT, DRIVE);
    let tell = |robot: &mut Robot| {
        let _: ScsiCloseReply = robot.0.ask(MessageCode::ScsiClose, &());
        assert_eq!(open_drive(&mut robot.0), Error::NoErr);
        let said = [0; 2].map(|_| on_drive(&mut robot.0, &TEST_UNIT_READY, &[]));
        assert_eq!(robot.0.close_tape(), Error::NoErr);
        let request = ScsiOpenRequest { device: "vault_robot".into() };
        let _: ScsiOpenReply = robot.0.ask(MessageCode::ScsiOpen, &request);
        said
    };
    assert_eq!(tell(&mut mine), [(0, None); 2], "a session that is new has missed nothing");
    mine.load(DRIVE, SLOT);
    mine.load(SLOT + 1, DRIVE);
    assert_eq!(tell(&mut mine), [(0, None); 2], "it has put the tape there itself");
    let exchange = [0xa6, 0, 0, 0, 0x10, 2, 1, 0, 0x10, 1, 0, 0];
    assert_eq!(on_robot(&mut mine, &exchange), (0, None));
    assert_eq!(tell(&mut mine), [(0, None); 2], "and exchanged it");
    let mut other = robot(site.dma());
    other.load(DRIVE, SLOT + 2);
    other.load(SLOT, DRIVE);
    assert_eq!(tell(&mut mine), [(0, None); 2], "another session has; opening the drive is looking into it");
    assert_eq!(tell(&mut other), [(0, None); 2]);
}

#[test]
fn a_robot_tells_of_an_operators_hand_in_the_mail_slots() {
    const ACCESSED: (u8, Option<[u8; 3]>) = (CHECK, Some([6, 0x28, 0x01]));
    let site = site();
    let mut mine = robot(site.dma());
    assert_eq!(on_robot(&mut mine, &TEST_UNIT_READY), (0, None));
    success(&site, &["tape", "eject", "vault", "VLT001L8"]);
    let inquiry = [0x12, 0, 0, 0, 36, 0];
    assert_eq!(on_robot(&mut mine, &inquiry), (0, None), "INQUIRY neither tells nor takes it");
    let current = [0xb8, 0x10, 0, 0, 0xff, 0xff, 2, 0, 1, 0, 0, 0];
    assert_eq!(on_robot(&mut mine, &current), (0, None), "nor does READ ELEMENT STATUS of current data");
    assert_eq!(on_robot(&mut mine, &TEST_UNIT_READY), ACCESSED);
    assert_eq!(on_robot(&mut mine, &TEST_UNIT_READY), (0, None));
    assert_eq!(on_robot(&mut robot(site.dma()), &TEST_UNIT_READY), (0, None), "a new session missed nothing");
    mine.load(SLOT + 1, 0x11);
    assert_eq!(on_robot(&mut mine, &TEST_UNIT_READY), (0, None), "that was no operator");
    success(&site, &["tape", "move", "vault", "VLT001L8", "slot"]);
    assert_eq!(on_robot(&mut mine, &TEST_UNIT_READY), ACCESSED);
}

#[test]
fn an_operator_takes_nothing_out_while_a_session_prevents_it() {
    let site = site();
    let mut mine = robot(site.dma());
    mine.load(SLOT + 1, 0x10);
    let refused = |args: &[&str]| {
        let said = failure(&site, args);
        assert!(said.contains("PREVENT") && said.contains("session 1 from 127.0.0.1"), "{said}");
    };
    assert_eq!(on_robot(&mut mine, &[0x1e, 0, 0, 0, 1, 0]), (0, None));
    refused(&["tape", "eject", "vault", "VLT001L8"]);
    refused(&["tape", "eject", "vault", "VLT001L8", "--shelf"]);
    refused(&["tape", "move", "vault", "VLT001L8", "mail1"]);
    refused(&["tape", "move", "vault", "VLT002L8", "slot"]);
    success(&site, &["tape", "move", "vault", "VLT001L8", "slot9"]);
    mine.load(0x10, 0x11);
    assert_eq!(on_robot(&mut mine, &[0x1e, 0, 0, 0, 0, 0]), (0, None));
    success(&site, &["tape", "eject", "vault", "VLT001L8"]);
    assert_eq!(on_robot(&mut mine, &TEST_UNIT_READY).1, Some([6, 0x28, 0x01]));
    assert_eq!(on_robot(&mut mine, &[0x1e, 0, 0, 0, 1, 0]), (0, None));
    refused(&["tape", "move", "vault", "VLT001L8", "slot"]);
    let _: ScsiResetDeviceReply = mine.0.ask(MessageCode::ScsiResetDevice, &());
    success(&site, &["tape", "move", "vault", "VLT001L8", "slot"]);
    mine.execute(&[0x1e, 0, 0, 0, 1, 0], 0);
    let _: ScsiCloseReply = mine.0.ask(MessageCode::ScsiClose, &());
    refused(&["tape", "eject", "vault", "VLT001L8", "--shelf"]);
    drop(mine);
    wait_for("end of the session", || {
        run(&site, &["tape", "eject", "vault", "VLT001L8", "--shelf"]).status.success().then_some(())
    });
}

/// A tape that comes while the drive is open: it was unloaded, so another session's robot could take it out.
#[test]
fn an_open_drive_tells_of_another_tape_once() {
    let site = site();
    let mut other = robot(site.dma());
    other.load(SLOT, DRIVE);
    let mut mine = site.dma();
    assert_eq!(open_drive(&mut mine), Error::NoErr);
    assert_eq!(on_drive(&mut mine, &TEST_UNIT_READY, &[]), (0, None));
    assert_eq!(on_drive(&mut mine, &[0x1b, 0, 0, 0, 0, 0], &[]), (0, None));
    other.load(DRIVE, SLOT);
    other.load(SLOT + 1, DRIVE);
    assert_eq!(on_drive(&mut mine, &TEST_UNIT_READY, &[]), (CHECK, Some([6, 0x28, 0])));
    assert_eq!(on_drive(&mut mine, &TEST_UNIT_READY, &[]), (0, None));
}
