//! Sessions as an operator sees them: the list, and an end to one of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::io::Write;
use std::net::TcpStream;

use support::dma::Dma;
use support::robot::{DRIVE, Robot, SLOT};
use support::{Site, loader, wait_for};
use tapesilo::ndmp::wire::*;

const DEVICE: &str = "vault_drive0";

/// A server with a tape in its drive.
fn site() -> Site {
    let site =
        Site::start("", &loader("vault", "tapes = 1\ntape_capacity = \"8 MiB\"\ntape_family = \"VLT\""));
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    site
}

/// A session that backs up to the tape in records of 1024 bytes, and its data connection.
fn backing_up(site: &Site, window_bytes: u64) -> (Dma, TcpStream) {
    let mut dma = site.dma();
    assert_eq!(dma.open_tape(DEVICE, TapeOpenMode::Rdwr), Error::NoErr);
    dma.record_size(1024);
    dma.window(0, window_bytes);
    let data = TcpStream::connect(dma.listen(MoverMode::Read).unwrap()).unwrap();
    (dma, data)
}

/// The session that has the drive open, as the list tells it.
fn listed(site: &Site) -> Option<serde_json::Value> {
    let sessions = site.json(&["session", "list"]);
    sessions.as_array().unwrap().iter().find(|it| it["device"] == DEVICE).cloned()
}

#[test]
fn a_session_in_the_middle_of_a_backup_is_killed_and_its_drive_is_free() {
    let site = site();
    let (mut dma, mut data) = backing_up(&site, u64::MAX);
    // Half a record: the pump waits for the rest, which never comes.
    data.write_all(&[1; 1536]).unwrap();

    let session =
        wait_for("the session in the list", || listed(&site).filter(|session| session["record_num"] == 1));
    assert_eq!(session["version"], 4, "{session}");
    let id = session["id"].to_string();
    let killed = site.json(&["session", "kill", &id]);
    assert_eq!((&killed["id"], &killed["device"]), (&session["id"], &session["device"]));
    dma.expect_hangup();
    wait_for("the session out of the list", || {
        let sessions = site.json(&["session", "list"]);
        sessions.as_array().unwrap().iter().all(|left| left["id"] != session["id"]).then_some(())
    });

    let mut other = site.dma();
    assert_eq!(other.open_tape(DEVICE, TapeOpenMode::Read), Error::NoErr, "the drive is free");
    assert_eq!(other.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
    assert_eq!(other.read(2048).unwrap(), [1; 1024], "the whole record is kept");
    let refused = site.command(&["session", "kill", &id]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("no session {id};")), "{said}");
}

/// Everything the list tells of a mover, while it moves, pauses and ends; `status` tells the same.
#[test]
fn a_movers_figures_are_live_and_complete() {
    let site = site();
    let (mut dma, mut data) = backing_up(&site, 1 << 20);
    let session = || listed(&site).unwrap();
    // The DMA asks nothing meanwhile: what is told comes from the pump.
    let active = wait_for("a rate", || {
        data.write_all(&[1; 4096]).unwrap();
        Some(session()).filter(|it| it["rate_bytes_per_second"].as_u64().is_some_and(|rate| rate > 0))
    });
    assert_eq!(active["mover_state"], "active");
    assert_eq!((&active["mover_mode"], &active["mover_reason"]), (&"read".into(), &serde_json::Value::Null));
    assert_eq!(
        (&active["window_offset_bytes"], &active["window_length_bytes"]),
        (&0.into(), &(1 << 20).into())
    );
    assert_eq!((&active["record_size_bytes"], &active["idle_seconds"]), (&1024.into(), &0.into()));
    assert_eq!(active["data_peer"], data.local_addr().unwrap().to_string());
    assert!(active["bytes_moved"].as_u64().unwrap() >= 4096, "{active}");
    assert!(active["connected_unix_seconds"].as_u64().unwrap() > 1_700_000_000, "{active}");
    let status = site.json(&["status"]);
    let told = status["sessions"].as_array().unwrap().iter().find(|it| it["id"] == active["id"]).unwrap();
    for key in ["mover_state", "record_size_bytes", "data_peer", "window_length_bytes"] {
        assert_eq!(told[key], active[key], "{key}");
    }
    let moved = active["bytes_moved"].as_u64().unwrap();
    data.write_all(&vec![1; (1 << 20) + 1 - usize::try_from(moved).unwrap()]).unwrap();
    let paused = wait_for("the pause", || Some(session()).filter(|it| it["mover_state"] == "paused"));
    assert_eq!((&paused["mover_reason"], &paused["bytes_moved"]), (&"eow".into(), &(1 << 20).into()));
    assert_eq!(
        (&paused["record_num"], &paused["rate_bytes_per_second"]),
        (&1024.into(), &serde_json::Value::Null)
    );
    let table = support::command::success(&site, &["session", "list"]);
    assert!(table.contains("paused: eow") && table.contains("0 B + 1.0 MB"), "{table}");
    assert_eq!(dma.steer(MessageCode::MoverAbort), Error::NoErr);
    let halted = session();
    assert_eq!((&halted["mover_state"], &halted["mover_reason"]), (&"halted".into(), &"aborted".into()));
    assert_eq!(dma.steer(MessageCode::MoverStop), Error::NoErr);
    let idle = session();
    for key in ["mover_reason", "mover_mode", "window_offset_bytes", "data_peer", "rate_bytes_per_second"] {
        assert!(idle[key].is_null(), "{key}: {idle}");
    }
    assert_eq!(idle["mover_state"], "idle");
}
