//! Loaders made, deleted and reloaded by the program itself: against a running server and against none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::dma::Dma;
use support::robot::{DRIVE, Robot, SLOT};
use support::{Site, loader, wait_for};
use tapesilo::ndmp::wire::*;

const MORE: &str = "# what a has\ntapes = 3   # three\ntape_capacity = \"8 MiB\"\ntape_family = \"AAA\"\n";

/// Whether a server runs while the test does its work.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Server,
    None,
}

const MODES: [Mode; 2] = [Mode::Server, Mode::None];

/// One loader "a" that a server has made.
fn site(mode: Mode) -> Site {
    let mut site = Site::start("", &loader("a", MORE));
    if mode == Mode::None {
        site.terminate();
    }
    site
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: &Output) -> Ran {
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    #[track_caller]
    fn good(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// Exit 1, nothing printed, and one line on stderr.
    #[track_caller]
    fn refused(self) -> String {
        assert_eq!((self.code, self.out.as_str(), self.err.lines().count()), (1, "", 1), "{}", self.err);
        self.err
    }
}

fn run(site: &Site, args: &[&str]) -> Ran {
    Ran::of(&site.command(args).output().unwrap())
}

fn text(site: &Site) -> String {
    fs::read_to_string(site.path("t.toml")).unwrap()
}

fn rewrite(site: &Site, from: &str, to: &str) {
    let before = text(site);
    assert!(before.contains(from), "{from}: {before}");
    fs::write(site.path("t.toml"), before.replace(from, to)).unwrap();
}

/// Every name below a directory but the server's own, with each file's content.
fn tree(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if ["log", "c.sock", "state"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            found.insert(path.clone(), Vec::new());
            found.extend(tree(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

fn loaders(site: &Site) -> Vec<String> {
    let all = site.json(&["loader", "list"]);
    all.as_array().unwrap().iter().map(|loader| loader["name"].as_str().unwrap().to_owned()).collect()
}

/// Barcode to place.
fn tapes(site: &Site, loader: &str) -> BTreeMap<String, String> {
    let all = site.json(&["tape", "list", loader]);
    let word = |tape: &Value, key: &str| tape[key].as_str().unwrap().to_owned();
    all.as_array().unwrap().iter().map(|tape| (word(tape, "barcode"), word(tape, "place"))).collect()
}

#[test]
fn a_loader_is_made_used_deleted_and_made_again_with_all_its_tapes() {
    for mode in MODES {
        let mut site = site(mode);
        let before = text(&site);
        let said = run(
            &site,
            &[
                "loader",
                "create",
                "b",
                "--slots",
                "20",
                "--drives",
                "1",
                "--mail-slots",
                "2",
                "--tape-capacity",
                "8 MiB",
                "--tape-family",
                "BBB",
            ],
        )
        .good();
        assert!(said.contains("loader b created in") && said.contains("b_robot, b_drive0"), "{said}");
        let table = "\n[[loader]]\nname = \"b\"\npath = \"b\"\nslots = 20\ndrives = 1\nmail_slots = 2\n\
                     tape_capacity = \"8 MiB\"\ntape_family = \"BBB\"\n";
        assert_eq!(text(&site), format!("{before}{table}"), "{mode:?}: comments and all");
        assert_eq!(fs::read_to_string(site.path("t.toml.bak")).unwrap(), before);
        assert_eq!(loaders(&site), ["a", "b"]);
        assert_eq!(tapes(&site, "b")["BBB001L8"], "slot 0");

        if mode == Mode::None {
            site.start_again();
        }
        let mut robot = Robot::open(site.dma(), "b_robot");
        robot.load(SLOT, DRIVE);
        let mut dma = site.dma();
        assert_eq!(dma.open_tape("b_drive0", TapeOpenMode::Rdwr), Error::NoErr);
        assert_eq!(dma.write(b"kept"), Error::NoErr);
        assert_eq!(dma.close_tape(), Error::NoErr);
        robot.load(DRIVE, SLOT + 13);
        robot.load(SLOT + 13, DRIVE);
        drop((robot, dma));
        if mode == Mode::None {
            site.terminate();
        }

        let said = wait_for("sessions to be gone", || {
            let ran = run(&site, &["loader", "delete", "b"]);
            (ran.code == 0).then_some(ran.out)
        });
        assert!(said.contains("b stays as it is, with 1 tapes"), "{said}");
        assert_eq!(text(&site), before, "{mode:?}");
        assert_eq!(loaders(&site), ["a"]);
        assert!(site.path("b/BBB001L8/data").exists());
        assert!(!fs::read_to_string(site.path("state/loaders.toml")).unwrap().contains("\"b\""));

        let path = site.path("b");
        run(&site, &["loader", "create", "c", "--path", path.to_str().unwrap()]).good();
        assert_eq!(tapes(&site, "c"), [("BBB001L8".to_owned(), "slot 13".to_owned())].into());
        assert!(
            text(&site).contains("tape_family = \"BBB\""),
            "as the tapes that are there: {}",
            text(&site)
        );
        if mode == Mode::None {
            site.start_again();
        }
        Robot::open(site.dma(), "c_robot").load(SLOT + 13, DRIVE);
        let mut dma = site.dma();
        assert_eq!(dma.open_tape("c_drive0", TapeOpenMode::Read), Error::NoErr);
        assert_eq!(dma.read(100).unwrap(), b"kept");
    }
}

#[test]
fn defaults_are_good_and_a_full_volume_can_be_put_away_and_come_back() {
    for mode in MODES {
        let mut site = site(mode);
        // What nobody has made before.
        let made = site.json(&["loader", "create", "archive"]);
        assert_eq!((made["slots"].as_u64(), made["mail_slots"].as_u64()), (Some(1000), Some(4)), "{made}");
        assert_eq!(made["drives"].as_array().unwrap().len(), 2);
        assert_eq!(made["tapes"], 1);
        assert_eq!(tapes(&site, "archive"), [("ARC001L8".to_owned(), "slot 0".to_owned())].into());
        site.json(&["loader", "create", "arctic"]);
        assert!(tapes(&site, "arctic").contains_key("ARCT001L8"), "not another loader's barcodes");

        // Its directory goes elsewhere, as with a file system that is dismounted, and comes back.
        site.json(&["loader", "delete", "archive"]);
        fs::rename(site.path("archive"), site.path("shelf")).unwrap();
        fs::create_dir(site.path("archive")).unwrap();
        fs::remove_dir(site.path("archive")).unwrap();
        fs::rename(site.path("shelf"), site.path("archive")).unwrap();
        site.json(&["loader", "create", "archive"]);
        assert_eq!(tapes(&site, "archive"), [("ARC001L8".to_owned(), "slot 0".to_owned())].into());
        if mode == Mode::Server {
            site.terminate();
        }
        site.start_again();
        assert_eq!(loaders(&site), ["a", "arctic", "archive"]);
    }
}

#[test]
fn a_directory_of_tapes_is_taken_with_all_that_is_in_it() {
    for mode in MODES {
        let site = site(mode);
        fs::create_dir(site.path("dump")).unwrap();
        for tape in ["AAA002L8", "AAA003L8"] {
            let status =
                Command::new("cp").arg("-r").args([site.path("a").join(tape), site.path("dump")]).status();
            assert!(status.unwrap().success());
        }
        fs::write(site.path("dump/README"), "carried here").unwrap();
        let path = site.path("dump");
        let made = site.json(&["loader", "create", "dump", "--path", path.to_str().unwrap()]);
        assert_eq!(made["tapes"], 2, "and no new one: {made}");
        assert_eq!(tapes(&site, "dump").into_keys().collect::<Vec<_>>(), ["AAA002L8", "AAA003L8"]);
    }
}

#[test]
fn a_purge_removes_what_is_the_loaders_and_names_the_rest() {
    for mode in MODES {
        let site = site(mode);
        fs::write(site.path("a/notes"), "mine").unwrap();
        let report = site.json(&["loader", "delete", "a", "--purge"]);
        assert_eq!(
            (&report["purged"], &report["tapes"], &report["left"][0]),
            (&true.into(), &0.into(), &"notes".into())
        );
        let left: Vec<_> =
            fs::read_dir(site.path("a")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["notes"], "{mode:?}");
        assert!(!text(&site).contains("[[loader]]"));
        // The same path again: a new loader, not one that has vanished.
        site.json(&["loader", "create", "a", "--path", site.path("a").to_str().unwrap()]);
        assert_eq!(site.json(&["loader", "delete", "a", "--purge"])["left"][0], "notes");
        fs::remove_file(site.path("a/notes")).unwrap();
        site.json(&["loader", "create", "a", "--path", site.path("a").to_str().unwrap()]);
        let said = run(&site, &["loader", "delete", "a", "--purge"]).good();
        assert!(said.contains("deleted with its tapes"), "{said}");
        assert!(!site.path("a").exists());
    }
}

#[test]
fn a_protected_tape_stops_a_purge() {
    for mode in MODES {
        let mut site = site(mode);
        if mode == Mode::Server {
            site.terminate();
        }
        let label = site.path("a/AAA002L8/label.toml");
        let protected =
            fs::read_to_string(&label).unwrap().replace("write_protected = false", "write_protected = true");
        fs::write(&label, protected).unwrap();
        if mode == Mode::Server {
            site.start_again();
        }
        let before = text(&site);
        let said = run(&site, &["loader", "delete", "a", "--purge"]).refused();
        assert!(said.contains("AAA002L8") && said.contains("write-protected"), "{said}");
        assert_eq!(text(&site), before);
        assert_eq!(tapes(&site, "a").len(), 3);
        run(&site, &["loader", "delete", "a"]).good();
    }
}

#[test]
fn what_cannot_be_is_one_line_and_changes_nothing() {
    for mode in MODES {
        let site = site(mode);
        fs::write(site.path("file"), "").unwrap();
        // Another server's loader.
        let other = Site::start("", &loader("x", "tape_capacity = \"8 MiB\""));
        let (inside, around) = (site.path("a/sub"), site.path(""));
        let (file, taken, same) = (site.path("file"), other.path("x"), site.path("a"));
        let below_file = site.path("file/sub");
        let before = tree(&site.path(""));
        for (args, parts) in [
            (vec!["create", "a"], vec!["there is a loader \"a\" already"]),
            (vec!["create", "bad name"], vec!["bad name", "name: use 1 to 32"]),
            (vec!["create", ""], vec!["name: use 1 to 32"]),
            (vec!["create", "b/../c"], vec!["name: use 1 to 32"]),
            (vec!["create", "b", "--slots", "70000"], vec!["slots: 70000 is out of range (1..=60000)"]),
            (vec!["create", "b", "--drives", "65"], vec!["drives: 65 is out of range (1..=64)"]),
            (vec!["create", "b", "--drives", "0"], vec!["drives: 0 is out of range"]),
            (vec!["create", "b", "--mail-slots", "99"], vec!["mail_slots: 99 is out of range"]),
            (
                vec!["create", "b", "--personality", "hp-msl", "--slots", "417"],
                vec!["417 slots are too many", "416, which personality \"hp-msl\" has"],
            ),
            (vec!["create", "b", "--personality", "acme"], vec!["\"acme\" is not known; set \"tapesilo\""]),
            (vec!["create", "b", "--drive-generation", "10"], vec!["drive_generation: 10 is out of range"]),
            (vec!["create", "b", "--tape-capacity", "huge"], vec!["tape_capacity", "huge"]),
            (vec!["create", "b", "--tape-capacity", "3"], vec!["too small for a tape"]),
            (vec!["create", "b", "--tape-family", "b!"], vec!["cannot begin a barcode"]),
            (
                vec!["create", "b", "--path", inside.to_str().unwrap()],
                vec!["lies within loader \"a\"'s directory"],
            ),
            (vec!["create", "b", "--path", same.to_str().unwrap()], vec!["is loader \"a\"'s directory too"]),
            (vec!["create", "b", "--path", around.to_str().unwrap()], vec!["loader \"b\"", "give"]),
            (vec!["create", "b", "--path", file.to_str().unwrap()], vec!["is a file"]),
            (
                vec!["create", "b", "--path", below_file.to_str().unwrap()],
                vec!["file/sub", "choose a directory"],
            ),
            (vec!["create", "b", "--path", taken.to_str().unwrap()], vec!["in use by another process"]),
            (vec!["create", "b", "--path", "/proc/nowhere/b"], vec!["/proc/nowhere", "choose a directory"]),
            (vec!["delete", "aa"], vec!["no loader \"aa\"; did you mean \"a\"?"]),
            (vec!["delete", "cellar"], vec!["no loader \"cellar\"; known: a"]),
        ] {
            let args: Vec<&str> = ["loader"].into_iter().chain(args).collect();
            let said = run(&site, &args).refused();
            for part in parts {
                assert!(said.contains(part), "{mode:?} {args:?}: {said}");
            }
            assert!(tree(&site.path("")) == before, "{mode:?} {args:?}: something was changed");
        }
        assert_eq!(loaders(&site), ["a"]);
    }
}

#[test]
fn a_configuration_that_is_wrong_or_not_there_is_not_edited() {
    let mut site = site(Mode::Server);
    rewrite(&site, "slots = 10", "slots = 0");
    let before = tree(&site.path("a"));
    for args in [&["loader", "create", "b"][..], &["loader", "delete", "a"], &["reload"]] {
        let said = run(&site, args).refused();
        assert!(said.contains("t.toml:") && said.contains("slots: 0 is out of range"), "{said}");
    }
    assert!(!site.path("b").exists() && tree(&site.path("a")) == before);
    site.terminate();

    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapesilo"));
    let ran = Ran::of(&command.args(["loader", "create", "b"]).current_dir(scratch.path()).output().unwrap());
    let said = ran.refused();
    assert!(
        said.contains("embedded default") && said.contains("write /etc/tapesilo/tapesilo.toml"),
        "{said}"
    );
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

/// As a user who may do less than root, if this is root.
fn as_nobody(site: &Site, args: &[&str]) -> Ran {
    let mut command = site.command(args);
    if rustix::process::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    Ran::of(&command.output().unwrap())
}

#[test]
fn what_may_not_be_written_to_is_named_and_left_alone() {
    let site = site(Mode::None);
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mode =
        |name: &str, mode| fs::set_permissions(site.path(name), fs::Permissions::from_mode(mode)).unwrap();
    mode("", 0o755);
    mode("pw", 0o640);
    std::os::unix::fs::chown(site.path("pw"), None, Some(65_534)).unwrap();
    let before = tree(&site.path(""));
    let said = as_nobody(&site, &["loader", "create", "b"]).refused();
    assert!(said.contains("cannot write to") && said.contains("t.toml") && said.contains("denied"), "{said}");
    // A file that may be written to, in a directory that may not.
    mode("t.toml", 0o666);
    let said = as_nobody(&site, &["loader", "create", "b"]).refused();
    assert!(said.contains("t.toml.new") && said.contains("stays as it was"), "{said}");
    // A directory that may, with a file of somebody else: its owner could not be kept.
    mode("", 0o777);
    let said = as_nobody(&site, &["loader", "create", "b"]).refused();
    assert!(said.contains("owner cannot be kept"), "{said}");
    chown(site.path("t.toml"), Some(65_534), Some(65_534)).unwrap();
    let said = as_nobody(&site, &["loader", "create", "b", "--path", "/tapesilo-test-nobody/b"]).refused();
    assert!(
        said.contains("cannot create /tapesilo-test-nobody/b") && said.contains("may write to"),
        "{said}"
    );
    assert!(tree(&site.path("")) == before);

    // Root edits what is another's, and it stays that one's; so do the tapes of a server that runs as that one.
    chown(site.path(""), Some(65_534), Some(65_534)).unwrap();
    run(&site, &["loader", "create", "b"]).good();
    let owners: Vec<(u32, u32)> = tree(&site.path("b"))
        .keys()
        .chain([&site.path("b")])
        .map(|path| fs::metadata(path).unwrap())
        .map(|metadata| (metadata.uid(), metadata.gid()))
        .collect();
    assert!(owners.len() > 5 && owners.iter().all(|owner| *owner == (65_534, 65_534)), "{owners:?}");
    for name in ["t.toml", "t.toml.bak"] {
        let metadata = fs::metadata(site.path(name)).unwrap();
        assert_eq!(
            (metadata.uid(), metadata.gid(), metadata.mode() & 0o777),
            (65_534, 65_534, 0o666),
            "{name}"
        );
    }
}

#[test]
fn a_link_to_the_configuration_stays_a_link() {
    for mode in MODES {
        let site = site(mode);
        fs::rename(site.path("t.toml"), site.path("real.toml")).unwrap();
        symlink("real.toml", site.path("t.toml")).unwrap();
        run(&site, &["loader", "create", "b"]).good();
        assert!(fs::symlink_metadata(site.path("t.toml")).unwrap().is_symlink());
        assert!(fs::read_to_string(site.path("real.toml")).unwrap().contains("name = \"b\""));
        assert!(site.path("t.toml.bak").exists());
    }
}

#[test]
fn a_loader_in_use_is_not_deleted_and_its_drives_are_unloaded_first() {
    let site = site(Mode::Server);
    let mut robot = Robot::open(site.dma(), "a_robot");
    robot.load(SLOT + 2, DRIVE + 1);
    let peer = robot.0.socket.local_addr().unwrap().to_string();
    let said = run(&site, &["loader", "delete", "a"]).refused();
    assert!(said.contains("a_robot is open in session") && said.contains(&peer), "{said}");
    drop(robot);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("a_drive1", TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(dma.write(b"still here"), Error::NoErr);
    let peer = dma.socket.local_addr().unwrap().to_string();
    let said = run(&site, &["loader", "delete", "a"]).refused();
    assert!(said.contains("a_drive1 is open in session") && said.contains(&peer), "{said}");
    assert_eq!(dma.write(b"and goes on"), Error::NoErr);
    assert_eq!(dma.close_tape(), Error::NoErr);

    // The session stays connected, and what it knew is gone.
    run(&site, &["loader", "delete", "a"]).good();
    assert_eq!(dma.open_tape("a_drive1", TapeOpenMode::Read), Error::Io);
    let reply: ScsiOpenReply = dma.ask(MessageCode::ScsiOpen, &ScsiOpenRequest { device: "a_robot".into() });
    assert_eq!(reply.error, Error::Io);
    let map = fs::read_to_string(site.path("a/slots.toml")).unwrap();
    assert!(!map.contains("= \"drive") && map.contains("slot2"), "{map}");
    let mut new = site.dma();
    assert_eq!(new.open_tape("a_drive1", TapeOpenMode::Read), Error::NoDevice);

    // It comes back for those who connect then, and its directory was let go of.
    run(&site, &["loader", "create", "a"]).good();
    Robot::open(site.dma(), "a_robot").load(SLOT + 2, DRIVE);
    let mut new = site.dma();
    assert_eq!(new.open_tape("a_drive0", TapeOpenMode::Read), Error::NoErr);
    assert_eq!(new.read(100).unwrap(), b"still here");
    assert_eq!(dma.open_tape("a_drive0", TapeOpenMode::Read), Error::Io, "of the old one");
}

/// A backup through the mover, half done.
struct Backup {
    dma: Dma,
    data: TcpStream,
}

const RECORD: usize = 65_536;

impl Backup {
    fn begin(site: &Site) -> Backup {
        Robot::open(site.dma(), "a_robot").load(SLOT, DRIVE);
        let mut dma = site.dma();
        assert_eq!(dma.open_tape("a_drive0", TapeOpenMode::Rdwr), Error::NoErr);
        dma.record_size(u32::try_from(RECORD).unwrap());
        dma.window(0, u64::MAX);
        let address = dma.listen(MoverMode::Read).unwrap();
        let mut data = TcpStream::connect(address).unwrap();
        data.write_all(&[7; 4 * RECORD]).unwrap();
        wait_for("the mover to move", || (dma.mover_state().bytes_moved.0 > 0).then_some(()));
        Backup { dma, data }
    }

    /// The rest of it, and all of it back.
    fn end(mut self) {
        self.data.write_all(&[9; 4 * RECORD]).unwrap();
        self.data.shutdown(Shutdown::Write).unwrap();
        assert_eq!(self.data.read(&mut [0]).unwrap(), 0);
        let dma = &mut self.dma;
        let halted: NotifyMoverHaltedPost = dma.post(MessageCode::NotifyMoverHalted);
        assert_eq!(halted.reason, MoverHaltReason::ConnectClosed);
        assert_eq!(dma.steer(MessageCode::MoverStop), Error::NoErr);
        dma.mtio(TapeMtioOp::Rew, 1);
        for n in 0..8 {
            let record = dma.read(u32::try_from(RECORD).unwrap()).unwrap();
            assert!(record.len() == RECORD && record.iter().all(|byte| *byte == if n < 4 { 7 } else { 9 }));
        }
        assert_eq!(dma.close_tape(), Error::NoErr);
    }
}

#[test]
fn a_backup_goes_on_while_loaders_come_and_go_and_the_file_is_read_anew() {
    let site = Site::start(
        "",
        &(loader("a", MORE) + &loader("b", "tape_capacity = \"8 MiB\"\ntape_family = \"BBB\"")),
    );
    let backup = Backup::begin(&site);
    run(&site, &["loader", "create", "c", "--tape-capacity", "8 MiB"]).good();
    run(&site, &["loader", "delete", "b"]).good();
    // Everything of the loader in use, and its removal.
    rewrite(&site, "slots = 10\n", "slots = 12\n");
    rewrite(&site, "tape_family = \"AAA\"", "tape_family = \"ZZZ\"\ncompression = \"lz4\"");
    let report = site.json(&["reload"]);
    let lines = |key: &str| -> Vec<String> {
        report[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        lines("applied"),
        [
            "loader a: tape_family: ZZZ for new tapes",
            "loader a: compression: from the next load of a tape on"
        ]
    );
    assert_eq!(lines("deferred").len(), 1, "{report}");
    assert!(lines("deferred")[0].contains("loader a: a_drive0 is open in session"), "{report}");
    assert!(lines("deferred")[0].contains("slots"), "{report}");
    assert_eq!(site.json(&["loader", "info", "a"])["slots"], 10);
    let said = run(&site, &["loader", "delete", "a"]).refused();
    assert!(said.contains("a_drive0 is open"), "{said}");
    let mut other = site.dma();
    let reply: ScsiOpenReply =
        other.ask(MessageCode::ScsiOpen, &ScsiOpenRequest { device: "c_robot".into() });
    assert_eq!(reply.error, Error::NoErr, "new sessions have the new loader");
    backup.end();

    let report = wait_for("the session's close", || {
        let report = site.json(&["reload"]);
        report["deferred"].as_array().unwrap().is_empty().then_some(report)
    });
    assert_eq!(report["applied"][0], "loader a: slots: opened anew");
    assert_eq!(site.json(&["loader", "info", "a"])["slots"], 12);
    assert_eq!(tapes(&site, "a")["AAA001L8"], "drive 0", "tapes stay in their drives");
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("a_drive0", TapeOpenMode::Read), Error::NoErr);
    assert_eq!(dma.read(1 << 16).unwrap().len(), RECORD);
    assert_eq!(run(&site, &["reload"]).good(), "nothing has changed\n");
}

fn hang_up(site: &Site) {
    let pid = site.json(&["status"])["pid"].as_i64().unwrap();
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::HUP).unwrap();
}

#[test]
fn what_the_file_says_anew_applies_to_new_sessions() {
    let site = Site::start("", &loader("a", MORE));
    let mut old = site.dma();
    fs::write(site.path("pw2"), "second\n").unwrap();
    fs::set_permissions(site.path("pw2"), fs::Permissions::from_mode(0o600)).unwrap();
    rewrite(
        &site,
        "[[user]]",
        "[[user]]\nname = \"new\"\npassword_file = \"pw2\"\nloaders = [\"b\"]\n[[user]]",
    );
    let b = loader("b", "tape_capacity = \"8 MiB\"\ntape_family = \"BBB\"\naliases = { b_robot = \"mc0\" }");
    fs::write(site.path("t.toml"), text(&site) + &b).unwrap();
    hang_up(&site);
    site.wait_for_log(&["reload", "user \"new\": may log in"]);
    site.wait_for_log(&["reload", "loader b: served"]);
    let mut dma = wait_for("the new user", || {
        let mut dma = Dma::connect(site.address());
        (dma.try_login("new", "second") == Error::NoErr).then_some(dma)
    });
    let mut robot = |device: &str| -> Error {
        let reply: ScsiOpenReply = dma.ask(MessageCode::ScsiOpen, &ScsiOpenRequest { device: device.into() });
        reply.error
    };
    assert_ne!(robot("a_robot"), Error::NoErr, "not this user's");
    assert_eq!(robot("mc0"), Error::NoErr);
    let reply: ScsiOpenReply = old.ask(MessageCode::ScsiOpen, &ScsiOpenRequest { device: "a_robot".into() });
    assert_eq!(reply.error, Error::NoErr, "who was connected goes on");

    // A user less, another password, fewer sessions, and what needs a restart.
    drop(old);
    let new = "[[user]]\nname = \"new\"\npassword_file = \"pw2\"\nloaders = [\"b\"]\n";
    rewrite(&site, new, "");
    fs::write(site.path("pw"), "changed\n").unwrap();
    rewrite(
        &site,
        "state_dir = \"state\"",
        "state_dir = \"other\"\nmax_sessions = 3\nmetrics = \"127.0.0.1:1\"",
    );
    rewrite(&site, "listen = [\"127.0.0.1:0\"]", "listen = [\"127.0.0.1:1\"]");
    let said = run(&site, &["reload"]).good();
    for line in [
        "applied   user \"new\": cannot log in any more",
        "applied   user \"backup\": password: for new sessions",
        "applied   server: max_sessions: 3 for new sessions",
        "deferred  server: listen: needs a restart",
        "deferred  server: state_dir: needs a restart",
        "deferred  server: metrics: needs a restart",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    let mut dma = Dma::connect(site.address());
    assert_ne!(dma.try_login("new", "second"), Error::NoErr);
    let mut dma = Dma::connect(site.address());
    assert_eq!(dma.try_login("backup", "changed"), Error::NoErr);
    let again = site.json(&["reload"]);
    assert_eq!(
        (again["applied"].as_array().unwrap().len(), again["deferred"].as_array().unwrap().len()),
        (0, 3)
    );
}

#[test]
fn loaders_that_are_taken_out_renamed_or_moved_in_the_file_follow_when_nobody_has_them() {
    let mut site = Site::start(
        "",
        &(loader("a", MORE) + &loader("b", "tape_capacity = \"8 MiB\"\ntape_family = \"BBB\"")),
    );
    Robot::open(site.dma(), "a_robot").load(SLOT, DRIVE + 1);
    // Renamed, with its directory.
    rewrite(&site, "name = \"a\"", "name = \"z\"");
    let report = wait_for("the robot's session to end", || {
        let report = site.json(&["reload"]);
        report["deferred"].as_array().unwrap().is_empty().then_some(report)
    });
    assert!(report["applied"].to_string().contains("loader z: served"), "{report}");
    assert_eq!(tapes(&site, "z")["AAA001L8"], "drive 1");
    assert_eq!(loaders(&site), ["z", "b"], "in the order of the file");

    // Taken out while a session has a drive, then when it has not.
    let (before, mut dma) = (text(&site), site.dma());
    assert_eq!(dma.open_tape("b_drive0", TapeOpenMode::Raw), Error::NoErr);
    let (kept, _) = before.split_once("[[loader]]\nname = \"b\"").unwrap();
    fs::write(site.path("t.toml"), kept).unwrap();
    let report = site.json(&["reload"]);
    assert!(
        report["deferred"][0].as_str().unwrap().contains("loader b: b_drive0 is open in session"),
        "{report}"
    );
    assert_eq!(loaders(&site), ["z", "b"]);
    assert_eq!(dma.close_tape(), Error::NoErr);
    let report = site.json(&["reload"]);
    assert!(report["applied"][0].as_str().unwrap().contains("loader b: not served any more"), "{report}");
    assert_eq!(loaders(&site), ["z"]);

    // A directory that is no good leaves the loader as it is.
    fs::write(site.path("file"), "").unwrap();
    rewrite(&site, "path = \"a\"", "path = \"file\"");
    let report = site.json(&["reload"]);
    assert!(report["deferred"][0].as_str().unwrap().contains("it is served as it was"), "{report}");
    assert_eq!(tapes(&site, "z")["AAA001L8"], "drive 1");
    rewrite(&site, "path = \"file\"", "path = \"a\"");
    site.terminate();
    site.start_again();
    assert_eq!(tapes(&site, "z")["AAA001L8"], "drive 1", "drives keep their tapes over a stop");
}

#[test]
fn a_broken_file_changes_nothing_and_the_log_says_why() {
    let site = Site::start("", &loader("a", MORE));
    let good = text(&site);
    fs::write(site.path("t.toml.bak"), good.replace("slots = 10", "slots = 5")).unwrap();
    for (broken, why) in [
        (good.replace("slots = 10", "slots = 0"), "slots: 0 is out of range"),
        (good.replace("[[loader]]", "[[loader"), "not valid TOML"),
        (String::new(), "it is empty"),
    ] {
        fs::write(site.path("t.toml"), broken).unwrap();
        hang_up_by_pid(&site);
        site.wait_for_log(&["reload: nothing was changed", why]);
    }
    fs::write(site.path("t.toml"), good).unwrap();
    assert_eq!(site.json(&["loader", "info", "a"])["slots"], 10, "nor is the backup used");
    assert_eq!(run(&site, &["reload"]).good(), "nothing has changed\n");
}

/// When the file cannot be read the socket's path is not known to the command line.
fn hang_up_by_pid(site: &Site) {
    let status = tapesilo::control::ControlClient::new(&site.path("c.sock")).status().unwrap();
    kill_process(Pid::from_raw(i32::try_from(status.pid).unwrap()).unwrap(), Signal::HUP).unwrap();
}

#[test]
fn many_changes_at_once_are_all_made() {
    let site = Site::start("", &loader("a", MORE));
    let names: Vec<String> = (0..6).map(|n| format!("many{n}")).collect();
    let running: Vec<_> = names
        .iter()
        .map(|name| {
            site.command(&["loader", "create", name, "--tape-capacity", "1 MiB", "--drives", "1"])
                .spawn()
                .unwrap()
        })
        .chain((0..3).map(|_| site.command(&["reload"]).stdout(std::process::Stdio::null()).spawn().unwrap()))
        .collect();
    for mut child in running {
        assert!(child.wait().unwrap().success());
    }
    let mut all = loaders(&site);
    all.sort();
    assert_eq!(all[1..], names);
    let families: std::collections::BTreeSet<String> =
        names.iter().flat_map(|name| tapes(&site, name).into_keys()).collect();
    assert_eq!(families.len(), 6, "no two barcodes are alike: {families:?}");
    assert!(run(&site, &["check"]).good().contains("the configuration"));
    assert_eq!(run(&site, &["reload"]).good(), "nothing has changed\n");
}

#[test]
fn a_stop_flushes_tapes_in_drives_and_a_start_has_them_in_their_drives() {
    let mut site = site(Mode::Server);
    Robot::open(site.dma(), "a_robot").load(SLOT, DRIVE);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("a_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(dma.write(&[3; 100_000]), Error::NoErr);
    // Still open: the stop is what closes it.
    site.terminate();
    let verified = site.json(&["tape", "verify", "a", "AAA001L8"]);
    assert_eq!(
        (&verified["sound"], &verified["records"], &verified["filemarks"]),
        (&true.into(), &1.into(), &1.into())
    );
    assert_eq!(tapes(&site, "a")["AAA001L8"], "drive 0");
    site.start_again();
    let drive = &site.json(&["loader", "info", "a"])["drives"][0];
    assert_eq!(
        (&drive["state"], &drive["barcode"], &drive["block"]),
        (&"loaded".into(), &"AAA001L8".into(), &0.into())
    );
}

#[test]
fn an_unreadable_configuration_gives_way_to_its_backup_loudly() {
    let mut site = site(Mode::None);
    run(&site, &["loader", "create", "b"]).good();
    fs::write(site.path("t.toml"), "[[[").unwrap();
    site.start_again();
    site.wait_for_log(&["WARN", "t.toml", "THE BACKUP", "t.toml.bak IS USED INSTEAD"]);
    site.wait_for_log(&["ERROR", "t.toml:1", "not valid TOML"]);
    assert_eq!(Robot::open(site.dma(), "a_robot").tapes().len(), 3);
    let out = site.command(&["loader", "create", "c"]).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(said.lines().last().unwrap().contains("put the file right first"), "{said}");
    let backup = fs::read_to_string(site.path("t.toml.bak")).unwrap();
    assert!(backup.contains("name = \"a\""), "an unreadable file never becomes the backup: {backup}");
    site.terminate();

    fs::write(site.path("t.toml.bak"), "]]]").unwrap();
    let said = run(&site, &["serve"]).refused();
    assert!(said.contains("t.toml:1") && said.contains("not valid TOML"), "{said}");
}

#[test]
fn an_unreadable_slot_map_gives_way_to_its_backup_and_without_one_the_server_says_so() {
    let mut site = site(Mode::Server);
    Robot::open(site.dma(), "a_robot").load(SLOT, SLOT + 5);
    site.terminate();
    fs::write(site.path("a/slots.toml"), "torn").unwrap();
    site.start_again();
    site.wait_for_log(&["WARN", "a/slots.toml", "its backup slots.toml.bak is used"]);
    assert_eq!(tapes(&site, "a").len(), 3);
    assert!(site.path("a/slots.toml.damaged").exists());
    site.terminate();

    for name in ["slots.toml", "slots.toml.bak"] {
        fs::write(site.path("a").join(name), "torn").unwrap();
    }
    let said = run(&site, &["serve"]).refused();
    assert!(
        said.contains("loader \"a\"")
            && said.contains("slots.toml cannot be used")
            && said.contains("nor its backup"),
        "{said}"
    );
    assert!(site.path("a/AAA001L8/data").exists());
}

#[test]
fn a_loader_whose_file_system_is_not_mounted_can_be_taken_out_and_not_made_anew_by_that() {
    let mut site = Site::start(
        "",
        &(loader("a", MORE) + &loader("b", "tape_capacity = \"8 MiB\"\ntape_family = \"BBB\"")),
    );
    site.terminate();
    fs::rename(site.path("b"), site.path("away")).unwrap();
    run(&site, &["loader", "delete", "b"]).good();
    assert!(!site.path("b").exists(), "it was not made to be deleted");
    site.start_again();
    assert_eq!(loaders(&site), ["a"]);
    fs::rename(site.path("away"), site.path("b")).unwrap();
    run(&site, &["loader", "create", "b"]).good();
    assert!(tapes(&site, "b").contains_key("BBB001L8"));
}

#[test]
fn a_kill_at_any_moment_leaves_a_whole_file_and_loses_no_tape() {
    let site = site(Mode::None);
    let create = ["loader", "create", "b", "--tape-capacity", "1 MiB", "--tape-family", "BBB"];
    let begun = Instant::now();
    run(&site, &create).good();
    let whole = begun.elapsed();
    let mut ends = [0; 2];
    for n in 0..40_u32 {
        let is_there = loaders(&site).len() == 2;
        let args: &[&str] = if is_there { &["loader", "delete", "b"] } else { &create };
        let mut child = site
            .command(args)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * (n % 20) / 10);
        child.kill().unwrap();
        child.wait().unwrap();
        ends[usize::from(loaders(&site).len() == 2)] += 1;
        assert!(run(&site, &["check"]).good().contains("the configuration"), "{}", text(&site));
        if site.path("t.toml.bak").exists() {
            let backup = ["check", "--config", "t.toml.bak"];
            let mut command = Command::new(env!("CARGO_BIN_EXE_tapesilo"));
            let checked = command.args(backup).current_dir(site.path("")).output().unwrap();
            assert_eq!(Ran::of(&checked).code, 0, "the backup can be served");
        }
        assert_eq!(tapes(&site, "a").len(), 3);
    }
    assert!(ends.iter().all(|count| *count > 0), "both ends were seen: {ends:?}");
    // Whatever was left half made is taken in, with one tape and no other.
    if loaders(&site).len() == 1 {
        run(&site, &create).good();
    }
    assert_eq!(tapes(&site, "b"), [("BBB001L8".to_owned(), "slot 0".to_owned())].into());
}

#[test]
fn compression_changes_with_the_next_load_of_a_tape() {
    let site = Site::start("", &loader("a", MORE));
    let mut robot = Robot::open(site.dma(), "a_robot");
    robot.load(SLOT, DRIVE);
    rewrite(&site, "path = \"a\"", "path = \"a\"\ncompression = \"lz4\"");
    assert!(run(&site, &["reload"]).good().contains("compression: from the next load of a tape on"));
    let mut write = |slot: u16, name: &str| {
        let mut dma = site.dma();
        assert_eq!(dma.open_tape("a_drive0", TapeOpenMode::Rdwr), Error::NoErr);
        for _ in 0..48 {
            assert_eq!(dma.write(&[0; 1 << 16]), Error::NoErr);
        }
        assert_eq!(dma.close_tape(), Error::NoErr);
        robot.load(DRIVE, slot);
        let tapes = site.json(&["tape", "list", "a"]);
        let used = tapes.as_array().unwrap().iter().find(|tape| tape["barcode"] == name).unwrap();
        let used = used["used_bytes"].as_u64().unwrap();
        robot.load(SLOT + 1, DRIVE);
        used
    };
    let loaded_before = write(SLOT, "AAA001L8");
    assert!(loaded_before > 48 << 16, "{loaded_before}");
    let loaded_after = write(SLOT + 1, "AAA002L8");
    assert!(loaded_after < 24 << 16, "{loaded_after}");
}
