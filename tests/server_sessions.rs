//! Sessions as an operator sees them: the list, and an end to one of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::io::Write;
use std::net::TcpStream;

use support::robot::{DRIVE, Robot, SLOT};
use support::{Site, loader, wait_for};
use tapesilo::ndmp::wire::*;

/// The session that has the device open and has moved so many records.
fn listed(site: &Site, device: &str, records: u64) -> serde_json::Value {
    wait_for("the session in the list", || {
        let sessions = site.json(&["session", "list"]);
        let mut sessions = sessions.as_array().unwrap().iter();
        sessions.find(|it| it["device"] == device && it["record_num"] == records).cloned()
    })
}

#[test]
fn a_session_in_the_middle_of_a_backup_is_killed_and_its_drive_is_free() {
    let site =
        Site::start("", &loader("vault", "tapes = 1\ntape_capacity = \"8 MiB\"\ntape_family = \"VLT\""));
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    dma.record_size(1024);
    dma.window(0, u64::MAX);
    // Half a record: the pump waits for the rest, which never comes.
    let mut data = TcpStream::connect(dma.listen(MoverMode::Read).unwrap()).unwrap();
    data.write_all(&[1; 1536]).unwrap();

    let session = listed(&site, "vault_drive0", 1);
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
    assert_eq!(other.open_tape("vault_drive0", TapeOpenMode::Read), Error::NoErr, "the drive is free");
    assert_eq!(other.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
    assert_eq!(other.read(2048).unwrap(), [1; 1024], "the whole record is kept");
    let refused = site.command(&["session", "kill", &id]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("no session {id};")), "{said}");
}
