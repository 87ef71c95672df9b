//! What an operator does to the tapes of a loader, and is told of them: every command against a running server and
//! against none, and what is refused changes nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::command::{run, success};
use support::{Site, loader};
use tapesilo::tape::Tape;

/// A loader "vault" of five slots, one mail slot and two tapes, and an "attic"; with or without their server.
fn site(is_served: bool) -> Site {
    let vault =
        loader("vault", "mail_slots = 1\ntape_family = \"VLT\"\ntapes = 2\ntape_capacity = \"100 MiB\"");
    let attic =
        loader("attic", "mail_slots = 0\ntape_family = \"ATT\"\ntapes = 1\ntape_capacity = \"100 MiB\"");
    let mut site = Site::start("", &format!("{vault}{attic}").replace("slots = 10", "slots = 5"));
    if !is_served {
        site.terminate();
    }
    site
}

/// The same against a running server and against none.
fn with_and_without_a_server(check: impl Fn(&Site)) {
    for is_served in [true, false] {
        check(&site(is_served));
    }
}

/// Exit code 1, one line on standard error with `part` in it, nothing on standard output, nothing changed.
#[track_caller]
fn refused(site: &Site, args: &[&str], part: &str) {
    let before = tree(site);
    let output = run(site, args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{args:?}: {error}");
    assert!(error.contains(part), "{args:?}: {error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{args:?}");
    assert!(tree(site) == before, "{args:?}: something changed");
}

/// Every file below the loaders' directories with its content.
fn tree(site: &Site) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for loader in ["vault", "attic"] {
        collect(&site.path(loader), &mut all);
    }
    all
}

fn collect(directory: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, all);
            all.insert(path, Vec::new());
        } else {
            let content = fs::read(&path).unwrap();
            all.insert(path, content);
        }
    }
}

/// `place` of every tape of a loader.
fn places(site: &Site, loader: &str) -> BTreeMap<String, String> {
    let tapes = site.json(&["tape", "list", loader]);
    let text = |tape: &Value, key: &str| tape[key].as_str().unwrap().to_owned();
    tapes.as_array().unwrap().iter().map(|tape| (text(tape, "barcode"), text(tape, "place"))).collect()
}

fn is_at(site: &Site, barcode: &str, place: &str) -> bool {
    places(site, "vault").get(barcode).is_some_and(|at| at == place)
}

fn fill(site: &Site, barcode: &str) {
    let mut tape = Tape::open(&site.path("vault").join(barcode)).unwrap();
    tape.write_record(&[7; 3000]).unwrap();
    tape.write_record(&[8; 3000]).unwrap();
    tape.write_filemarks(1).unwrap();
    tape.close().unwrap();
}

#[test]
fn tapes_are_created() {
    with_and_without_a_server(|site| {
        let text = success(site, &["tape", "create", "vault"]);
        assert_eq!(text, "tape VLT003L8 is in slot 2 of loader vault: blank, 104.8 MB\n");
        let report = site.json(&["tape", "create", "vault", "--count", "2", "--capacity", "50 MiB"]);
        assert_eq!(report["added"], serde_json::json!(["VLT004L8", "VLT005L8"]));
        assert_eq!(
            (&report["tapes"][1]["place"], &report["tapes"][1]["capacity_bytes"]),
            (&"slot 4".into(), &(50 << 20).into())
        );
        refused(site, &["tape", "create", "vault"], "loader vault has no free slot");
        let text = success(site, &["tape", "create", "attic", "--barcode", "OWN1", "--worm"]);
        assert_eq!(text, "tape OWN1 is in slot 1 of loader attic: WORM, 104.8 MB\n");
        let text = success(site, &["tape", "create", "attic", "--count", "2"]);
        assert!(
            text.starts_with("BARCODE") && text.contains("ATT003L8  slot 3     4099  104.8 MB"),
            "{text}"
        );
        refused(site, &["tape", "create", "attic", "--count", "2"], "loader attic has");
        assert_eq!(site.json(&["tape", "info", "attic", "OWN1"])["worm"], true);
    });
}

#[test]
fn tapes_are_deleted_and_erased() {
    with_and_without_a_server(|site| {
        fill(site, "VLT001L8");
        let text = success(site, &["tape", "erase", "vault", "VLT001L8"]);
        assert!(text.starts_with("tape VLT001L8 of loader vault is erased: blank, generation "), "{text}");
        assert_eq!(site.json(&["tape", "info", "vault", "VLT001L8"])["used_bytes"], 0);
        fill(site, "VLT001L8");
        let text = success(site, &["tape", "delete", "vault", "VLT001L8"]);
        assert_eq!(text, "tape VLT001L8 of loader vault is deleted\n");
        assert!(!site.path("vault/VLT001L8").exists());
        assert_eq!(places(site, "vault").len(), 1);
        let report = site.json(&["tape", "delete", "vault", "VLT002L8"]);
        assert_eq!(
            (&report["removed"], &report["tapes"]),
            (&serde_json::json!(["VLT002L8"]), &serde_json::json!([]))
        );
        assert!(places(site, "vault").is_empty());
    });
}

#[test]
fn what_is_protected_stays() {
    with_and_without_a_server(|site| {
        fill(site, "VLT001L8");
        let text = success(site, &["tape", "protect", "vault", "VLT001L8"]);
        assert_eq!(text, "tape VLT001L8 of loader vault is write-protected\n");
        assert_eq!(site.json(&["tape", "info", "vault", "VLT001L8"])["write_protected"], true);
        refused(site, &["tape", "delete", "vault", "VLT001L8"], "write-protected");
        refused(site, &["tape", "erase", "vault", "VLT001L8"], "write-protected");
        let text = success(site, &["tape", "protect", "vault", "VLT001L8", "--off"]);
        assert_eq!(text, "tape VLT001L8 of loader vault can be written\n");
        success(site, &["tape", "erase", "vault", "VLT001L8"]);
        success(site, &["tape", "create", "vault", "--barcode", "WORM1", "--worm"]);
        fill(site, "WORM1");
        refused(site, &["tape", "erase", "vault", "WORM1"], "WORM");
        refused(site, &["tape", "delete", "vault", "WORM1"], "WORM");
        success(site, &["tape", "delete", "vault", "WORM1", "--force"]);
        assert!(!site.path("vault/WORM1").exists());
    });
}

#[test]
fn tapes_are_moved_and_ejected() {
    with_and_without_a_server(|site| {
        let moved = |destination: &[&str]| {
            success(site, &[&["tape", "move", "vault", "VLT001L8"], destination].concat())
        };
        assert_eq!(moved(&["4099"]), "tape VLT001L8 is in slot 3 of loader vault\n");
        assert_eq!(moved(&["slot", "4"]), "tape VLT001L8 is in slot 4 of loader vault\n");
        assert_eq!(moved(&["drive1"]), "tape VLT001L8 is in drive 1 of loader vault\n");
        let info = site.json(&["tape", "info", "vault", "VLT001L8"]);
        assert_eq!((&info["home"], &info["home_element"]), (&"slot 4".into(), &4100.into()));
        for command in ["delete", "erase", "eject", "protect"] {
            refused(
                site,
                &["tape", command, "vault", "VLT001L8"],
                "is in drive 1 of loader vault; unload it first",
            );
        }
        assert_eq!(moved(&["slot"]), "tape VLT001L8 is in slot 4 of loader vault\n");
        let text = success(site, &["tape", "eject", "vault", "VLT001L8"]);
        assert_eq!(text, "tape VLT001L8 is in mail slot 0 of loader vault\n");
        refused(site, &["tape", "eject", "vault", "VLT002L8"], "--shelf");
        let text = success(site, &["tape", "eject", "vault", "VLT002L8", "--shelf"]);
        assert_eq!(text, "tape VLT002L8 is on the shelf of loader vault\n");
        // No inventory brings back what was ejected.
        let text = success(site, &["loader", "inventory", "vault"]);
        assert!(text.contains("out of the robot's sight: tape VLT002L8: "), "{text}");
        assert!(is_at(site, "VLT002L8", "shelf"));
        success(site, &["tape", "move", "vault", "VLT002L8", "slot", "0"]);
        assert!(is_at(site, "VLT002L8", "slot 0"));
        // A loader without mail slots ejects to the shelf.
        let text = success(site, &["tape", "eject", "attic", "ATT001L8"]);
        assert_eq!(text, "tape ATT001L8 is on the shelf of loader attic\n");
    });
}

#[test]
fn an_inventory_finds_what_was_put_there_and_what_was_taken() {
    with_and_without_a_server(|site| {
        fs::rename(site.path("vault/VLT001L8"), site.path("away")).unwrap();
        tapesilo::tape::create(
            &site.path("vault/HAND1"),
            &tapesilo::tape::NewTape { barcode: "HAND1".into(), capacity_bytes: 1 << 20, worm: false },
        )
        .unwrap();
        fs::create_dir(site.path("vault/BAD1")).unwrap();
        fs::write(site.path("vault/BAD1/label.toml"), "torn").unwrap();
        let text = success(site, &["loader", "inventory", "vault"]);
        for part in [
            "new: tape HAND1, in slot ",
            "gone: tape VLT001L8",
            "out of the robot's sight: tape BAD1: ",
            "loader vault: 2 new, 1 gone, 1 out of the robot's sight",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let report = site.json(&["loader", "inventory", "vault"]);
        assert_eq!(
            (&report["added"], &report["shelved"][0]["barcode"]),
            (&serde_json::json!([]), &"BAD1".into())
        );
        let info = site.json(&["tape", "info", "vault", "BAD1"]);
        assert_eq!((&info["place"], &info["counters"]), (&"shelf".into(), &Value::Null));
        assert!(info["problem"].as_str().unwrap().contains("label.toml"), "{info}");
    });
}

#[test]
fn everything_is_told_of_a_tape_and_a_loader() {
    with_and_without_a_server(|site| {
        fill(site, "VLT001L8");
        let info = site.json(&["tape", "info", "vault", "VLT001L8"]);
        for (key, value) in [
            ("type", Value::from("virtual")),
            ("barcode", "VLT001L8".into()),
            ("place", "slot 0".into()),
            ("home", "slot 0".into()),
            ("element", 4096.into()),
            ("capacity_bytes", (100 << 20).into()),
            ("files", 1.into()),
            ("records", 2.into()),
            ("generation", 1.into()),
            ("write_protected", false.into()),
            ("worm", false.into()),
            ("compression", "none".into()),
            ("copies", serde_json::json!([])),
            ("problem", Value::Null),
        ] {
            assert_eq!(info[key], value, "{key}");
        }
        let used = info["used_bytes"].as_u64().unwrap();
        assert!(used > 6000 && info["free_bytes"].as_u64() == Some((100 << 20) - used), "{info}");
        assert!(info["uuid"].as_str().unwrap().len() == 36 && info["used_percent"].is_f64());
        assert!(info["created_unix_seconds"].as_u64() > Some(1_700_000_000), "{info}");
        assert_eq!(
            (&info["counters"]["records_written"], &info["counters"]["loads"]),
            (&2.into(), &1.into())
        );
        assert!(info["directory"].as_str().unwrap().ends_with("vault/VLT001L8"));
        let text = success(site, &["tape", "info", "vault", "VLT001L8"]);
        for part in [
            "type               virtual",
            "records            2\n",
            "place              slot 0 (element 4096)",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let info = site.json(&["loader", "info", "vault"]);
        for (key, value) in [
            ("type", Value::from("virtual")),
            ("slots_free", 3.into()),
            ("last_used_slot", 1.into()),
            ("robot_element", 1.into()),
            ("first_mail_slot_element", 16.into()),
            ("first_drive_element", 256.into()),
            ("first_slot_element", 4096.into()),
            ("tape_capacity_bytes", (100 << 20).into()),
            ("tape_family", "VLT".into()),
            ("compression", "none".into()),
            ("new_tape_at_end_of_medium", false.into()),
        ] {
            assert_eq!(info[key], value, "{key}");
        }
        let states = &info["tapes_by_state"];
        assert_eq!(
            (&states["in_slots"], &states["blank"], &states["on_shelf"]),
            (&2.into(), &1.into(), &0.into())
        );
        assert_eq!(info["robot_serial"].as_str().unwrap().len(), 10);
        let text = success(site, &["loader", "info", "vault"]);
        assert!(text.contains("5, 3 free, last used 1, from element 4096"), "{text}");
    });
}

#[test]
fn what_cannot_be_done_is_one_clear_line_and_changes_nothing() {
    with_and_without_a_server(|site| {
        for (args, part) in [
            (&["tape", "create", "valt"][..], "there is no loader \"valt\"; did you mean \"vault\"?"),
            (&["loader", "inventory", "attik"], "did you mean \"attic\"?"),
            (&["loader", "info", "attik"], "did you mean \"attic\"?"),
            (&["tape", "list", "xyz"], "there is no loader \"xyz\"; known: vault, attic"),
            (&["tape", "verify", "valt", "VLT001L8"], "did you mean \"vault\"?"),
            (&["tape", "import", "valt", "x"], "did you mean \"vault\"?"),
            (&["tape", "info", "vault", "VLT01L8"], "did you mean VLT001L8?"),
            (&["tape", "verify", "vault", "VLT01L8"], "did you mean VLT001L8?"),
            (&["tape", "delete", "vault", "VLT01L8"], "VLT001L8"),
            (&["tape", "erase", "vault", "VLT01L8"], "VLT001L8"),
            (&["tape", "move", "vault", "VLT01L8", "slot"], "VLT001L8"),
            (&["tape", "create", "vault", "--barcode", "VLT001L8"], "has a tape VLT001L8 already"),
            (
                &["tape", "create", "vault", "--barcode", "vlt-1"],
                "use capital letters A-Z and digits 0-9 only",
            ),
            (&["tape", "create", "vault", "--barcode", "../X"], "contains '.'"),
            (&["tape", "create", "vault", "--barcode", ""], "has 0 characters"),
            (&["tape", "create", "vault", "--count", "4"], "loader vault has"),
            (&["tape", "move", "vault", "VLT001L8", "slot", "9"], "slot 9"),
            (&["tape", "move", "vault", "VLT001L8", "77"], "77"),
            (&["tape", "move", "vault", "VLT001L8", "somewhere"], "somewhere"),
            (&["tape", "move", "vault", "VLT001L8", "slot", "1"], "holds a tape already"),
        ] {
            refused(site, args, part);
        }
    });
}

#[test]
fn wrong_usage_is_2() {
    let site = site(false);
    for args in [
        &["tape", "create"][..],
        &["tape", "create", "vault", "--count", "0"],
        &["tape", "create", "vault", "--count", "2", "--barcode", "X"],
        &["tape", "create", "vault", "--capacity", "many"],
        &["tape", "delete", "vault"],
        &["tape", "move", "vault", "VLT001L8"],
        &["loader", "inventory"],
        &["tape", "info", "vault"],
    ] {
        assert_eq!(run(&site, args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn an_unwritable_loader_is_told_and_left_alone() {
    // Root writes everywhere but into a directory that is immutable or of a read-only file system.
    let site = site(false);
    fs::remove_file(site.path("vault/lock")).unwrap();
    fs::create_dir(site.path("vault/lock")).unwrap();
    refused(&site, &["tape", "create", "vault"], "vault");
    fs::remove_dir(site.path("vault/lock")).unwrap();
    success(&site, &["tape", "create", "vault"]);
}
