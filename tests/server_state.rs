//! What the live server keeps: over restarts, kills and directories that appear; and what it tells operators of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::process::Command;

use support::robot::{DRIVE, Robot, SLOT};
use support::{Site, loader, wait_for};
use tapesilo::ndmp::wire::*;

fn vault() -> Site {
    Site::start("", &loader("vault", "tapes = 3\ntape_capacity = \"8 MiB\"\ntape_family = \"VLT\""))
}

/// Moves two tapes, writes one file on the one in the drive, and ends the server in the given way.
fn survives(end: fn(&mut Site)) {
    let mut site = vault();
    let mut robot = Robot::open(site.dma(), "vault_robot");
    robot.load(SLOT, DRIVE);
    robot.load(SLOT + 1, SLOT + 7);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(dma.write(b"written and closed"), Error::NoErr);
    assert_eq!(dma.close_tape(), Error::NoErr);
    let before = robot.tapes();
    end(&mut site);
    site.start_again();

    let mut robot = Robot::open(site.dma(), "vault_robot");
    assert_eq!(robot.tapes(), before, "every tape is where it was");
    assert_eq!(before[&DRIVE], "VLT001L8");
    assert_eq!(before[&(SLOT + 7)], "VLT002L8");
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Read), Error::NoErr, "mounted again");
    let state = dma.tape_state();
    assert_eq!((state.file_num, state.blockno), (0, 0), "and rewound");
    assert_eq!(dma.read(100).unwrap(), b"written and closed");
    assert_eq!(dma.read(100), Err(Error::Eof));
    assert_eq!(dma.mtio(TapeMtioOp::Fsf, 1).resid_count, 0);
    assert_eq!(dma.read(100), Err(Error::Eom));
    assert_eq!(dma.close_tape(), Error::NoErr);
    robot.load(DRIVE, SLOT);
    assert_eq!(robot.tapes()[&SLOT], "VLT001L8");
}

#[test]
fn everything_is_there_after_sigterm() {
    survives(Site::terminate);
}

#[test]
fn everything_is_there_after_sigkill() {
    survives(Site::kill);
}

#[test]
fn a_filemark_makes_durable_what_a_kill_must_not_take() {
    let mut site = vault();
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    for n in 0..20_u8 {
        assert_eq!(dma.write(&[n; 5000]), Error::NoErr);
        assert_eq!(dma.mtio(TapeMtioOp::Eof, 1).error, Error::NoErr);
    }
    site.kill();
    site.start_again();
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Read), Error::NoErr);
    for n in 0..20_u8 {
        assert_eq!(dma.read(5000).unwrap(), [n; 5000]);
        assert_eq!(dma.mtio(TapeMtioOp::Fsf, 1).resid_count, 0);
    }
    assert_eq!(dma.read(5000), Err(Error::Eom));
}

#[test]
fn a_tape_directory_that_is_copied_in_is_found_by_an_inventory() {
    let loaders = loader("vault", "tapes = 1\ntape_family = \"VLT\"\ntape_capacity = \"8 MiB\"")
        + &loader("attic", "tapes = 1\ntape_family = \"ATT\"\ntape_capacity = \"8 MiB\"");
    let site = Site::start("", &loaders);
    let mut attic = Robot::open(site.dma(), "attic_robot");
    attic.load(SLOT, DRIVE);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("attic_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(dma.write(b"from the attic"), Error::NoErr);
    assert_eq!(dma.close_tape(), Error::NoErr);
    attic.load(DRIVE, SLOT);

    let copied = Command::new("cp")
        .arg("-r")
        .args([site.path("attic/ATT001L8"), site.path("vault/ATT001L8")])
        .status()
        .unwrap();
    assert!(copied.success());
    let mut robot = Robot::open(site.dma(), "vault_robot");
    robot.initialize();
    assert_eq!(robot.tapes()[&(SLOT + 1)], "ATT001L8");
    robot.load(SLOT + 1, DRIVE + 1);
    assert_eq!(dma.open_tape("vault_drive1", TapeOpenMode::Read), Error::NoErr);
    assert_eq!(dma.read(100).unwrap(), b"from the attic");
    assert_eq!(attic.tapes()[&SLOT], "ATT001L8", "the other loader has its own");
}

#[test]
fn the_commands_tell_what_the_running_server_does() {
    let mut site = vault();
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(dma.write(&[7; 100_000]), Error::NoErr);
    let peer = dma.socket.local_addr().unwrap().to_string();
    // What a session does is published behind the reply.
    let status = wait_for("the session in the status", || {
        let status = site.json(&["status"]);
        let sessions = status["sessions"].as_array().unwrap();
        let session = sessions.iter().find(|session| session["peer"] == peer.as_str())?;
        (session["device"] == "vault_drive0").then(|| status.clone())
    });
    let session = status["sessions"].as_array().unwrap().iter().find(|s| s["peer"] == peer.as_str()).unwrap();
    assert_eq!(session["user"], "backup");
    assert_eq!(session["mover_state"], "idle");
    let drive = &status["loaders"][0]["drives"][0];
    assert_eq!(drive["barcode"], "VLT001L8");
    assert_eq!(drive["state"], "loaded");
    assert_eq!(drive["in_use_by"], session["id"]);
    assert_eq!(drive["block"], 1);

    let tapes = site.json(&["tape", "list", "vault"]);
    assert_eq!(tapes.as_array().unwrap().len(), 3);
    let used = tapes[0]["used_bytes"].as_u64().unwrap();
    assert!((100_000..200_000).contains(&used), "also what is not flushed: {used}");
    let info = site.json(&["loader", "info", "vault"]);
    assert_eq!(info["drives"][0]["barcode"], "VLT001L8");
    let sum: u64 = tapes.as_array().unwrap().iter().map(|tape| tape["used_bytes"].as_u64().unwrap()).sum();
    assert_eq!(info["used_bytes"], sum, "the loader's sum is that of its tapes");

    drop(dma);
    site.terminate();
    let tapes = site.json(&["tape", "list", "vault"]);
    assert!(tapes[0]["used_bytes"].as_u64().unwrap() >= 100_000, "from the disk: {tapes}");
}

#[test]
fn loaders_with_equal_barcodes_are_told_apart() {
    let more = "tapes = 1\ntape_family = \"VLT\"\ntape_capacity = \"8 MiB\"";
    let site = Site::start("", &(loader("vault", more) + &loader("attic", more)));
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    Robot::open(site.dma(), "attic_robot").load(SLOT, DRIVE);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(dma.write(&[7; 100_000]), Error::NoErr);
    let used = |loader| site.json(&["tape", "list", loader])[0]["used_bytes"].as_u64().unwrap();
    assert!(used("vault") >= 100_000);
    assert!(used("attic") < 100_000, "{} bytes of another loader's tape", used("attic"));
    assert_eq!(dma.close_tape(), Error::NoErr);
    assert_eq!(dma.open_tape("attic_drive0", TapeOpenMode::Read), Error::NoErr);
    assert_eq!(dma.read(1), Err(Error::Eom));
}

#[test]
fn a_file_system_that_is_not_mounted_makes_no_new_loader() {
    let mut site = vault();
    site.terminate();
    std::fs::rename(site.path("vault"), site.path("elsewhere")).unwrap();
    std::fs::create_dir(site.path("vault")).unwrap();
    let refused = site.command(&["serve"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("vault") && said.contains("mount its file system"), "{said}");
    assert_eq!(std::fs::read_dir(site.path("vault")).unwrap().count(), 0, "nothing was made");
    std::fs::remove_dir(site.path("vault")).unwrap();
    std::fs::rename(site.path("elsewhere"), site.path("vault")).unwrap();
    site.start_again();
    assert_eq!(Robot::open(site.dma(), "vault_robot").tapes()[&SLOT], "VLT001L8");
}
