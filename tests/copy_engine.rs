//! The copy engine in the program itself: tapes of a served loader go to a library that is a directory, and nothing else than
//! what is on them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use support::command::{failure, run, success};
use support::{Site, loader, wait_for};
use tapesilo::ndmp::wire::{Error, TapeOpenMode};
use tapesilo::physical::directory::{self, Description, DirectoryLibrary};
use tapesilo::tape::{NewTape, ReadOutcome, Tape, TapeReader};

/// What stands on a tape: a record of so many bytes, or a filemark.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    Record(usize),
    Mark,
}

use Item::{Mark, Record};

const MIB: usize = 1 << 20;
/// Record lengths of every kind, empty files, marks at the beginning and the end.
const MIXED: &[Item] = &[
    Mark,
    Record(1),
    Record(512),
    Mark,
    Mark,
    Record(65_536),
    Record(3),
    Record(MIB),
    Mark,
    Record(10_240),
    Record(777_777),
    Mark,
    Mark,
];
const LIBRARY: &str = "[[library]]\nname = \"attic\"\ndriver = \"directory\"\npath = \"attic\"\n";
const COPY: &str = "[[copy]]\nloader = \"vault\"\nlibrary = \"attic\"\n";

fn bytes_of(index: usize, length: usize) -> Vec<u8> {
    let mut state = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    // Long ones repeat: what matters is that no two records are alike.
    let head: Vec<u8> = (0..length.min(4096)).map(next).collect();
    head.iter().copied().cycle().take(length).collect()
}

/// A server with loader "vault" (VLT001L8 …) and library "attic" with cartridges of these capacities by the same names.
struct Bench {
    site: Site,
}

impl Bench {
    fn new(tapes: u32, copy: &str) -> Bench {
        let more =
            format!("tapes = {tapes}\ntape_capacity = \"2 GiB\"\ntape_family = \"VLT\"\n{LIBRARY}{copy}");
        let bench = Bench { site: Site::start("", &loader("vault", &more)) };
        bench.make_library(tapes);
        bench
    }

    fn make_library(&self, tapes: u32) {
        let root = self.site.path("attic");
        fs::create_dir(&root).unwrap();
        let description = Description { serial: "LIB-1".into(), slots: 8, mail_slots: 1, drives: 2 };
        directory::create(&root, &description).unwrap();
        let mut library = DirectoryLibrary::open("attic", &root).unwrap();
        for number in 1..=tapes {
            let spec = NewTape { barcode: barcode(number), capacity_bytes: 2 << 30, worm: false };
            // A process that another test is starting holds the lock until it begins.
            wait_for("cartridge", || library.add_tape(&spec).ok());
        }
    }

    fn tape(&self, number: u32) -> PathBuf {
        self.site.path("vault").join(barcode(number))
    }

    /// Where the cartridge is, wherever in the library that may be.
    fn cartridge(&self, number: u32) -> PathBuf {
        let places = fs::read_dir(self.site.path("attic")).unwrap().flatten();
        let mut found = places.map(|place| place.path().join(barcode(number))).filter(|path| path.is_dir());
        found.next().unwrap()
    }

    fn write(&self, number: u32, items: &[Item]) {
        write(&self.tape(number), items);
    }

    fn copy(&self, number: u32) -> Value {
        self.site.json(&["copy", "show", &format!("attic/{}", barcode(number))])
    }

    fn state(&self, number: u32) -> String {
        let output = run(&self.site, &["copy", "show", &format!("attic/{}", barcode(number)), "--json"]);
        if !output.status.success() {
            return "unknown".to_owned();
        }
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["state"].as_str().unwrap().to_owned()
    }

    /// The library answers.
    fn ready(&self) {
        wait_for("library that is ready", || {
            (self.site.json(&["library", "list"])[0]["state"] == "ready").then_some(())
        });
    }
}

fn barcode(number: u32) -> String {
    format!("VLT{number:03}L8")
}

fn write(directory: &std::path::Path, items: &[Item]) {
    let mut tape = Tape::open(directory).unwrap();
    tape.locate_end_of_data().unwrap();
    let begin = usize::try_from(tape.position().block).unwrap();
    for (index, item) in (begin..).zip(items) {
        match item {
            Record(length) => tape.write_record(&bytes_of(index, *length)).unwrap(),
            Mark => tape.write_filemarks(1).unwrap(),
        }
    }
    tape.close().unwrap();
}

/// What is on a tape, each record with its content.
fn read(directory: &std::path::Path) -> Vec<Option<Vec<u8>>> {
    let mut reader = TapeReader::open(directory).unwrap();
    let mut buffer = vec![0; 2 * MIB];
    let mut items = Vec::new();
    loop {
        match reader.read_record(&mut buffer).unwrap() {
            ReadOutcome::Record { length } => items.push(Some(buffer[..length].to_vec())),
            ReadOutcome::Filemark => items.push(None),
            ReadOutcome::EndOfData => return items,
        }
    }
}

/// So many mebibytes in records of one, and a filemark.
fn long(mebibytes: usize) -> Vec<Item> {
    let mut items = vec![Record(MIB); mebibytes];
    items.push(Mark);
    items
}

#[test]
fn a_tape_is_copied_record_for_record_and_the_cartridge_is_home_again() {
    let bench = Bench::new(3, COPY);
    bench.write(1, MIXED);
    bench.write(2, &[Record(5)]);
    bench.ready();
    let home = bench.cartridge(1);
    let plan = bench.site.json(&["copy", "plan", "vault", "--to", "attic"]);
    let words = |line: &Value| [line["barcode"].clone(), line["verdict"].clone(), line["reason"].clone()];
    let expected = [
        ["VLT001L8", "wait", "not_triggered"],
        ["VLT002L8", "wait", "not_triggered"],
        ["VLT003L8", "skip", "empty"],
    ];
    assert_eq!(plan.as_array().unwrap().iter().map(words).collect::<Vec<_>>(), expected, "{plan}");
    let copies = bench.site.json(&["copy", "run", "vault", "VLT001L8", "--to", "attic"]);
    assert_eq!((&copies[0]["state"], &copies[0]["verification"]), (&"verified".into(), &"read-back".into()));
    assert_eq!(copies[0]["secured_blocks"], MIXED.len());
    assert_eq!(bench.cartridge(1), home);
    let (tape, cartridge) = (read(&bench.tape(1)), read(&home));
    assert!(tape == cartridge && tape.len() == MIXED.len());
    for (index, (item, read)) in MIXED.iter().zip(&cartridge).enumerate() {
        let expected = match item {
            Record(length) => Some(bytes_of(index, *length)),
            Mark => None,
        };
        assert!(expected == *read, "object {index}");
    }
    // Asked for all: one is there, one is written, one is blank.
    let text = success(&bench.site, &["copy", "run", "vault", "--to", "attic"]);
    assert!(text.contains("is copied already") && text.contains("nothing is on it"), "{text}");
    assert_eq!(bench.state(2), "verified");
    let info = bench.site.json(&["tape", "info", "vault", "VLT001L8"]);
    assert_eq!(
        (&info["copies"][0]["library"], &info["copies"][0]["state"]),
        (&"attic".into(), &"verified".into())
    );
    // What is appended is gone on with.
    bench.write(1, &[Record(9), Mark]);
    let copies = bench.site.json(&["copy", "run", "vault", "VLT001L8", "--to", "attic"]);
    assert_eq!(copies[0]["state"], "verified");
    assert!(read(&bench.tape(1)) == read(&home));
    bench.site.wait_for_log(&["VLT001L8", "the copy on cartridge VLT001L8 is complete"]);
}

#[test]
fn libraries_and_copies_are_shown_to_people() {
    let bench = Bench::new(1, COPY);
    bench.write(1, &[Record(100_000), Mark]);
    bench.ready();
    success(&bench.site, &["copy", "run", "vault", "--to", "attic"]);
    let list = success(&bench.site, &["library", "list"]);
    assert!(list.contains("attic") && list.contains("TAPESILO DIRECTORY") && list.contains("1/8"), "{list}");
    let inventory = success(&bench.site, &["library", "inventory", "attic"]);
    assert!(inventory.contains("slot 0") && inventory.contains("LIB-1-D1"), "{inventory}");
    assert!(!inventory.contains("slot 1"), "empty ones only with --all: {inventory}");
    assert!(success(&bench.site, &["library", "inventory", "attic", "--all"]).contains("slot 7"));
    assert!(success(&bench.site, &["copy", "list"]).contains("attic/VLT001L8"));
    let show = success(&bench.site, &["copy", "show", "attic/VLT001L8"]);
    assert!(show.contains("2 blocks, 100.0 kB") && show.contains("read-back"), "{show}");
    assert!(failure(&bench.site, &["copy", "show", "attic/VLT009L8"]).contains("there is no copy"));
    let error = failure(&bench.site, &["copy", "run", "vault", "VLT009L8", "--to", "attic"]);
    assert!(error.contains("loader vault has no tape \"VLT009L8\"; did you mean VLT001L8?"), "{error}");
    let error = failure(&bench.site, &["copy", "plan", "vault", "--to", "atic"]);
    assert!(error.contains("there is no library \"atic\"; did you mean \"attic\"?"), "{error}");
    assert!(
        failure(&bench.site, &["copy", "plan", "vaul", "--to", "attic"]).contains("did you mean \"vault\"?")
    );
    let error = failure(&bench.site, &["copy", "cancel", "attic/VLT001L8"]);
    assert!(error.contains("there is nothing to cancel"), "{error}");
    let check = success(&bench.site, &["check"]);
    assert!(
        check.contains("library         attic: directory")
            && check.contains("copy            vault to attic")
    );
}

#[test]
fn what_others_wrote_and_what_is_protected_or_too_small_is_not_touched() {
    let bench = Bench::new(4, COPY);
    for number in 1..=4 {
        bench.write(number, &[Record(3 * MIB / 2), Mark]);
    }
    write(&bench.cartridge(1), &[Record(77), Mark]);
    tapesilo::tape::protect(&bench.cartridge(2), true).unwrap();
    let label = bench.cartridge(3).join("label.toml");
    let text = fs::read_to_string(&label)
        .unwrap()
        .replace("capacity_bytes = 2147483648", "capacity_bytes = 1048576");
    fs::write(&label, text).unwrap();
    let before: Vec<_> = (1..=3).map(|number| read(&bench.cartridge(number))).collect();
    bench.ready();
    let error = failure(&bench.site, &["copy", "run", "vault", "--to", "attic"]);
    assert!(error.contains("(and 2 more"), "{error}");
    for (number, part) in [
        (1, "holds data that was not written for this tape"),
        (2, "is write-protected"),
        (3, "holds 1048576 bytes"),
    ] {
        let copy = bench.copy(number);
        assert_eq!(copy["state"], "failed", "{copy}");
        assert!(copy["message"].as_str().unwrap().contains(part), "{copy}");
        assert!(read(&bench.cartridge(number)) == before[number as usize - 1], "cartridge {number}");
    }
    assert_eq!(bench.state(4), "verified");
    // The tab is moved, and it is asked for once more.
    tapesilo::tape::protect(&bench.cartridge(2), false).unwrap();
    success(&bench.site, &["copy", "run", "vault", "VLT002L8", "--to", "attic"]);
    assert!(read(&bench.cartridge(2)) == read(&bench.tape(2)));
}

#[test]
fn a_copy_goes_on_where_it_was_sure_after_the_server_was_killed_and_after_it_was_stopped() {
    let mut bench = Bench::new(1, &format!("{COPY}checkpoint = \"64 MiB\"\nbandwidth = \"60 MB\"\n"));
    bench.write(1, &long(200));
    bench.ready();
    success(&bench.site, &["copy", "run", "vault", "--to", "attic", "--no-wait"]);
    let secured = |bench: &Bench, least: u64| {
        wait_for("checkpoint", || {
            let copy = bench.copy(1);
            (copy["secured_blocks"].as_u64().unwrap() >= least && copy["state"] == "copying").then_some(())
        });
    };
    secured(&bench, 64);
    bench.site.kill();
    bench.site.start_again();
    secured(&bench, 128);
    bench.site.terminate();
    let home = bench.cartridge(1);
    assert!(home.parent().unwrap().ends_with("slot0"), "{}", home.display());
    bench.site.start_again();
    wait_for("verified copy", || (bench.state(1) == "verified").then_some(()));
    assert!(read(&bench.tape(1)) == read(&bench.cartridge(1)));
    let log = bench.site.log();
    assert!(log.contains("goes on where it is sure"), "{log}");
    wait_for("cartridge at home", || bench.cartridge(1).parent().unwrap().ends_with("slot0").then_some(()));
}

#[test]
fn a_copy_is_called_off_and_gone_on_with() {
    let bench = Bench::new(2, &format!("{COPY}checkpoint = \"64 MiB\"\nbandwidth = \"40 MB\"\ndrives = 1\n"));
    bench.write(1, &long(100));
    bench.write(2, &[Record(1)]);
    bench.ready();
    success(&bench.site, &["copy", "run", "vault", "--to", "attic", "--no-wait"]);
    wait_for("writing", || {
        let copy = bench.copy(1);
        let is_writing =
            copy["progress"]["activity"] == "writing" && copy["progress"]["blocks"].as_u64()? > 30;
        is_writing.then_some(())
    });
    let waiting = bench.copy(2);
    assert_eq!((&waiting["state"], &waiting["progress"]), (&"queued".into(), &Value::Null), "{waiting}");
    success(&bench.site, &["copy", "cancel", "attic/VLT002L8"]);
    assert_eq!(bench.state(2), "failed");
    success(&bench.site, &["copy", "cancel", "attic/VLT001L8"]);
    let copy = wait_for("end", || Some(bench.copy(1)).filter(|copy| copy["pending"] == false));
    assert_eq!(copy["state"], "failed", "{copy}");
    assert!(copy["message"].as_str().unwrap().contains("an operator has called the copy off"), "{copy}");
    assert!(bench.cartridge(1).parent().unwrap().ends_with("slot0"));
    success(&bench.site, &["copy", "run", "vault", "VLT001L8", "--to", "attic"]);
    assert!(read(&bench.tape(1)) == read(&bench.cartridge(1)));
}

#[test]
fn a_library_that_is_not_there_is_offline_until_it_is() {
    let bench = Bench::new(1, COPY);
    bench.write(1, &[Record(5)]);
    bench.ready();
    fs::rename(bench.site.path("attic"), bench.site.path("away")).unwrap();
    let error = failure(&bench.site, &["library", "inventory", "attic"]);
    assert!(error.contains("library attic"), "{error}");
    let list = bench.site.json(&["library", "list"]);
    assert_eq!(list[0]["state"], "offline", "{list}");
    fs::rename(bench.site.path("away"), bench.site.path("attic")).unwrap();
    wait_for("library that answers", || {
        run(&bench.site, &["library", "inventory", "attic"]).status.success().then_some(())
    });
    success(&bench.site, &["copy", "run", "vault", "--to", "attic"]);
}

#[test]
fn a_library_that_is_not_on_the_hosts_busses_says_so_and_backups_are_served() {
    let library = "[[library]]\nname = \"near\"\ndriver = \"scsi\"\nchanger_serial = \"NOBODYS\"\n";
    let site = Site::start("", &loader("vault", library));
    let list = wait_for("problem", || {
        Some(site.json(&["library", "list"])).filter(|list| list[0]["state"] == "offline")
    });
    let problem = list[0]["problem"].as_str().unwrap();
    assert!(
        problem.contains("library near: find the robot") && problem.contains("wanted: NOBODYS"),
        "{list}"
    );
    site.dma();
    success(&site, &["check"]);
}

/// A second and more ahead of the engine's next round.
fn uncopied(bench: &Bench) -> u64 {
    bench.site.json(&["library", "list"])[0]["uncopied"][0]["tapes"].as_u64().unwrap_or(99)
}

#[test]
fn what_is_out_of_the_drives_full_ejected_or_late_is_copied_by_itself() {
    let bench = Bench::new(4, &format!("{COPY}when = [\"eject\", \"full\"]\n"));
    bench.write(1, &[Record(1), Mark]);
    bench.write(2, &[Record(2), Mark]);
    bench.ready();
    wait_for("count", || (uncopied(&bench) == 2).then_some(()));
    success(&bench.site, &["tape", "eject", "vault", "VLT002L8"]);
    wait_for("copy of the ejected one", || (bench.state(2) == "verified").then_some(()));
    assert_eq!(bench.state(1), "unknown", "nothing has happened to it");
    // The rule is changed while the server runs.
    let config = bench.site.path("t.toml");
    let text = fs::read_to_string(&config).unwrap().replace("\"eject\", \"full\"", "\"unload\"");
    fs::write(&config, text).unwrap();
    let reload = bench.site.json(&["reload"]);
    assert_eq!(reload["applied"][0], "library attic: what is copied to it, from now on", "{reload}");
    wait_for("copy of the other", || (bench.state(1) == "verified").then_some(()));
    // In a drive it is not copied, and what was appended is when it is out.
    success(&bench.site, &["tape", "move", "vault", "VLT003L8", "drive 0"]);
    let mut dma = bench.site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(dma.write(b"from a DMA"), Error::NoErr);
    assert_eq!(dma.close_tape(), Error::NoErr);
    let plan = bench.site.json(&["copy", "plan", "vault", "--to", "attic"]);
    assert_eq!(plan[0]["reason"], "in_drive", "{plan}");
    success(&bench.site, &["tape", "move", "vault", "VLT003L8", "slot"]);
    wait_for("copy of what came out", || (bench.state(3) == "verified").then_some(()));
    assert!(read(&bench.tape(3)) == read(&bench.cartridge(3)));
    wait_for("nothing left", || (uncopied(&bench) == 0).then_some(()));
}

#[test]
fn what_failed_is_an_alert_and_is_tried_again_only_when_that_may_help() {
    let bench = Bench::new(2, &format!("{COPY}when = [\"unload\"]\nhours = \"00:00-24:00\"\n"));
    bench.write(1, &[Record(MIB), Mark]);
    write(&bench.cartridge(1), &[Record(77), Mark]);
    bench.ready();
    wait_for("failure", || (bench.state(1) == "failed").then_some(()));
    let copy = bench.copy(1);
    assert_eq!(
        (&copy["pending"], &copy["retry_unix_seconds"], &copy["attempts"]),
        (&false.into(), &Value::Null, &1.into())
    );
    let status = bench.site.json(&["status"]);
    let alerts = status["alerts"].as_array().unwrap();
    let is_told = alerts.iter().any(|alert| alert["subject"] == "copy attic/VLT001L8");
    assert!(is_told && status["copies"][0]["state"] == "failed", "{status}");
    let picture = success(&bench.site, &["status"]);
    assert!(picture.contains("LIBRARY") && picture.contains("attic/VLT001L8"), "{picture}");
}

#[test]
fn each_tape_is_looked_at_as_its_own_table_says() {
    let copies =
        "[[copy]]\nloader = \"vault\"\nlibrary = \"attic\"\nbarcodes = [\"VLT001*\"]\nverify = \"none\"\n";
    let bench = Bench::new(2, &format!("{copies}{COPY}"));
    bench.write(1, MIXED);
    bench.write(2, MIXED);
    bench.ready();
    for (number, state) in [(1, "copied"), (2, "verified")] {
        // It ends: what is not to be verified is not waited for.
        let copies = bench.site.json(&["copy", "run", "vault", &barcode(number), "--to", "attic"]);
        assert_eq!((&copies[0]["state"], &copies[0]["pending"]), (&state.into(), &false.into()));
    }
}
