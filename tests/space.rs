//! The live server at the end of a tape and under the eyes of Prometheus. A disk that runs short for real:
//! `endurance/space`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use support::dma::Dma;
use support::robot::{DRIVE, Robot, SLOT};
use support::{PATIENCE, Site, loader, wait_for};
use tapesilo::ndmp::wire::*;

const RECORD: u32 = 65_536;

fn site(server: &str, more: &str) -> Site {
    let more = format!("tapes = 1\ntape_capacity = \"8 MiB\"\ntape_family = \"VLT\"\n{more}");
    let site = Site::start(server, &loader("vault", &more));
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    site
}

fn open(site: &Site) -> Dma {
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    dma
}

/// A backup that is larger than the only tape: at the end of the medium READ ELEMENT STATUS has another one.
#[test]
fn a_backup_goes_on_with_the_blank_tape_that_follows_a_full_one() {
    let site = site("", "new_tape_at_end_of_medium = true");
    let mut dma = open(&site);
    dma.record_size(RECORD);
    dma.window(0, u64::MAX);
    let records: u8 = 180;
    let address = dma.listen(MoverMode::Read).unwrap();
    let sender = std::thread::spawn(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        for number in 0..records {
            socket.write_all(&[number; RECORD as usize]).unwrap();
        }
    });
    let post: NotifyMoverPausedPost = dma.post(MessageCode::NotifyMoverPaused);
    assert_eq!(post.reason, MoverPauseReason::Eom);
    let on_first = dma.mover_state().record_num;
    assert_eq!(dma.close_tape(), Error::NoErr);
    let mut robot = Robot::open(site.dma(), "vault_robot");
    let tapes = robot.tapes();
    let blank = *tapes.iter().find(|(address, _)| **address >= SLOT).expect("a second tape").0;
    assert_eq!((tapes.len(), tapes[&DRIVE].as_str(), tapes[&blank].as_str()), (2, "VLT001L8", "VLT002L8"));
    robot.load(DRIVE, SLOT + 5);
    robot.load(blank, DRIVE);
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(dma.steer(MessageCode::MoverContinue), Error::NoErr);
    let post: NotifyMoverHaltedPost = dma.post(MessageCode::NotifyMoverHalted);
    assert_eq!(post.reason, MoverHaltReason::ConnectClosed);
    sender.join().unwrap();
    assert_eq!(dma.mover_state().record_num, u32::from(records));
    assert_eq!(dma.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
    for number in on_first..u32::from(records) {
        let record = dma.read(RECORD).unwrap();
        assert!(record.iter().all(|byte| u32::from(*byte) == number), "record {number}");
    }
    assert_eq!(robot.tapes().len(), 2, "one for one");
    site.wait_for_log(&["VLT001L8 is full", "VLT002L8 is new"]);
}

#[test]
fn without_a_free_slot_there_is_an_alert_and_no_tape() {
    let site = site("", "new_tape_at_end_of_medium = true");
    let mut robot = Robot::open(site.dma(), "vault_robot");
    // The ten slots are filled by tapes that fill up one after the other.
    let fill = |dma: &mut Dma| while dma.write(&[1; RECORD as usize]) == Error::NoErr {};
    for slot in 0..=10 {
        let mut dma = open(&site);
        fill(&mut dma);
        assert_eq!(dma.close_tape(), Error::NoErr);
        drop(dma);
        if slot == 10 {
            break;
        }
        let next = format!("VLT{:03}L8", slot + 2);
        let blank = *robot.tapes().iter().find(|(_, barcode)| **barcode == next).unwrap().0;
        robot.load(DRIVE, DRIVE + 1);
        robot.load(blank, DRIVE);
        robot.load(DRIVE + 1, blank);
    }
    assert_eq!(robot.tapes().len(), 11);
    let status = site.json(&["status"]);
    let alerts = status["alerts"].as_array().unwrap();
    let is_told = alerts.iter().any(|alert| {
        alert["subject"] == "loader vault"
            && alert["message"].as_str().unwrap().contains("VLT011L8 is full and no new tape could be made")
    });
    assert!(is_told, "{alerts:?}");
}

fn get(port: u16, path: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_are_served_and_slow_clients_hold_nobody_up() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site = site(&format!("metrics = \"127.0.0.1:{port}\""), "");
    assert!(get(port, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(port, "/else").starts_with("HTTP/1.1 404"));
    let mut dma = open(&site);
    dma.record_size(RECORD);
    dma.window(0, u64::MAX);
    let address = dma.listen(MoverMode::Read).unwrap();
    TcpStream::connect(address).unwrap().write_all(&[1; 3 * RECORD as usize]).unwrap();
    let post: NotifyMoverHaltedPost = dma.post(MessageCode::NotifyMoverHalted);
    assert_eq!(post.reason, MoverHaltReason::ConnectClosed);
    let page = wait_for("page with the backup", || {
        Some(get(port, "/metrics")).filter(|page| page.contains("tapesilo_moved_bytes_total 196608\n"))
    });
    for line in [
        "tapesilo_loader_slots{loader=\"vault\"} 10",
        "tapesilo_loader_tapes{loader=\"vault\"} 1",
        "tapesilo_loader_space_level{loader=\"vault\",level=\"ample\"} ",
        "tapesilo_drive_state{loader=\"vault\",drive=\"vault_drive0\",state=\"loaded\"} 1",
        "tapesilo_sessions{mover=\"halted\"} 1",
        "# TYPE tapesilo_loader_free_bytes gauge",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
    let mut post = TcpStream::connect(("127.0.0.1", port)).unwrap();
    post.write_all(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    post.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    // All places are taken by clients that say nothing: they lose them, and NDMP never notices.
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    assert_eq!(dma.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
    drop(silent);
    let begun = Instant::now();
    assert!(get(port, "/metrics").starts_with("HTTP/1.1 200"));
    assert!(begun.elapsed() < PATIENCE);
}
