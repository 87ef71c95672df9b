//! Tape directories taken into loaders: from a shelf, a mail slot, anywhere, another file system; what is refused, and
//! what a crash leaves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use support::command::{failure, run, success};
use support::{Site, loader};
use tapesilo::tape::{NewTape, Tape, create, set_barcode, verify};

fn site(is_served: bool) -> Site {
    let more = |family: &str| {
        format!("mail_slots = 1\ntape_family = \"{family}\"\ntapes = 1\ntape_capacity = \"100 MiB\"")
    };
    let loaders = format!("{}{}", loader("vault", &more("VLT")), loader("attic", &more("ATT")));
    let mut site = Site::start("", &loaders.replace("slots = 10", "slots = 3"));
    if !is_served {
        site.terminate();
    }
    site
}

fn with_and_without_a_server(check: impl Fn(&Site)) {
    for is_served in [true, false] {
        check(&site(is_served));
    }
}

/// A directory on another file system than that of the sites, and a way to skip where there is none.
fn elsewhere(site: &Site) -> Option<tempfile::TempDir> {
    let other = tempfile::tempdir_in("/dev/shm").ok()?;
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    (device(other.path()) != device(&site.path("vault"))).then_some(other)
}

#[track_caller]
fn refused(site: &Site, args: &[&str], part: &str) {
    let error = failure(site, args);
    assert!(error.contains(part), "{args:?}: {error}");
    assert_eq!(leftovers(site), [""; 0], "{args:?}");
}

/// A tape with this many records of 64 KiB of something like noise, and two files.
fn make(directory: &Path, barcode: &str, records: u32) -> PathBuf {
    let path = directory.join(barcode);
    create(&path, &NewTape { barcode: barcode.into(), capacity_bytes: 1 << 30, worm: false }).unwrap();
    let mut tape = Tape::open(&path).unwrap();
    for number in 0..records {
        let mut state = number;
        let record: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(65_536)
        .collect();
        tape.write_record(&record).unwrap();
    }
    tape.write_filemarks(2).unwrap();
    tape.close().unwrap();
    path
}

fn data(tape: &Path) -> Vec<u8> {
    fs::read(tape.join("data")).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What no import may leave below a site.
fn leftovers(site: &Site) -> Vec<String> {
    let mut all = Vec::new();
    for directory in ["", "vault", "attic"] {
        for entry in fs::read_dir(site.path(directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.starts_with(".import-") || name.starts_with(".deleted-") {
                all.push(name);
            }
        }
    }
    all
}

fn place(site: &Site, loader: &str, barcode: &str) -> Option<String> {
    let tapes = site.json(&["tape", "list", loader]);
    let tape = tapes.as_array().unwrap().iter().find(|tape| tape["barcode"] == barcode)?.clone();
    Some(tape["place"].as_str().unwrap().to_owned())
}

#[test]
fn a_directory_on_the_same_file_system_is_moved() {
    with_and_without_a_server(|site| {
        let source = make(&site.path(""), "OLD001L8", 3);
        let before = data(&source);
        let report = site.json(&["tape", "import", "vault", "OLD001L8"]);
        for (key, value) in [
            ("barcode", Value::from("OLD001L8")),
            ("place", "slot 1".into()),
            ("kind", "directory".into()),
            ("source", "OLD001L8".into()),
            ("source_removed", true.into()),
            ("records", 3.into()),
            ("filemarks", 2.into()),
            ("record_bytes", Value::Null),
            ("capacity_bytes", (1_u64 << 30).into()),
        ] {
            assert_eq!(report[key], value, "{key}");
        }
        assert!(!source.exists() && data(&site.path("vault/OLD001L8")) == before);
        assert!(verify(&site.path("vault/OLD001L8"), &mut |_, _| {}).unwrap().findings.is_empty());
        assert_eq!(leftovers(site), [""; 0]);
    });
}

#[test]
fn a_directory_of_another_file_system_is_copied_checked_and_let_go() {
    with_and_without_a_server(|site| {
        let Some(other) = elsewhere(site) else { return };
        let source = make(other.path(), "FAR001L8", 40);
        // Sparse, as a file can be that was carried about: the copy is no larger.
        let hole = File::options().write(true).create_new(true).open(source.join("torn-1-0")).unwrap();
        hole.set_len(50 << 20).unwrap();
        let before = data(&source);
        let text = success(site, &["tape", "import", "vault", text(&source), "--barcode", "NEAR1"]);
        assert_eq!(
            text,
            "tape NEAR1 is in slot 1 of loader vault: 40 records, 2 filemarks, capacity 1.0 GB\n"
        );
        let copy = site.path("vault/NEAR1");
        assert!(data(&copy) == before);
        let torn = fs::metadata(copy.join("torn-1-0")).unwrap();
        assert!(torn.len() == 50 << 20 && torn.blocks() < 1000, "{} blocks", torn.blocks());
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0, "the source is let go");
        let verified = verify(&copy, &mut |_, _| {}).unwrap();
        assert!(verified.findings.is_empty() && verified.barcode == "NEAR1", "{:?}", verified.findings);
        assert_eq!(place(site, "vault", "NEAR1").as_deref(), Some("slot 1"));
        assert_eq!(leftovers(site), [""; 0]);
    });
}

#[test]
fn from_another_loader_only_what_its_robot_cannot_reach() {
    with_and_without_a_server(|site| {
        refused(
            site,
            &["tape", "import", "vault", "attic/ATT001L8"],
            "it is in slot 0 of loader attic; eject it first: tapesilo tape eject attic ATT001L8",
        );
        success(site, &["tape", "eject", "attic", "ATT001L8"]);
        success(site, &["tape", "import", "vault", "attic/ATT001L8"]);
        assert_eq!(place(site, "vault", "ATT001L8").as_deref(), Some("slot 1"));
        assert_eq!(place(site, "attic", "ATT001L8"), None, "its loader has noticed");
        // Back again, from the shelf.
        success(site, &["tape", "eject", "vault", "ATT001L8", "--shelf"]);
        refused(
            site,
            &["tape", "import", "vault", "vault/ATT001L8"],
            "it is in the directory of loader vault already",
        );
        success(site, &["tape", "import", "attic", "vault/ATT001L8"]);
        assert_eq!(place(site, "attic", "ATT001L8").as_deref(), Some("slot 0"));
        assert_eq!(leftovers(site), [""; 0]);
    });
}

#[test]
fn each_path_is_for_itself() {
    let site = site(true);
    make(&site.path(""), "ONE1", 1);
    make(&site.path(""), "TWO2", 1);
    let output = run(&site, &["tape", "import", "vault", "ONE1", "missing", "TWO2", "pw"]);
    let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(
        (output.status.code(), out.lines().count(), error.lines().count()),
        (Some(1), 2, 3),
        "{out}{error}"
    );
    assert!(
        error.starts_with("tapesilo: missing: ") && error.ends_with("tapesilo: 2 of 4 not imported\n"),
        "{error}"
    );
    make(&site.path(""), "FOUR4", 1);
    let output = run(&site, &["tape", "import", "vault", "FOUR4", "attic", "--json"]);
    let outcomes: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        outcomes[0]["report"].is_null() && outcomes[0]["error"].as_str().unwrap().contains("no free slot")
    );
    assert!(outcomes[1]["error"].as_str().unwrap().contains("attic: there is no tape in this directory"));
    assert!(site.path("FOUR4/label.toml").exists());
}

#[test]
fn what_is_refused_stays_as_it_is() {
    with_and_without_a_server(|site| {
        let source = make(&site.path(""), "OLD001L8", 2);
        let before = data(&source);
        refused(
            site,
            &["tape", "import", "vault", "OLD001L8", "--barcode", "VLT001L8"],
            "OLD001L8: loader vault has a tape VLT001L8 already",
        );
        refused(
            site,
            &["tape", "import", "vault", "OLD001L8", "--barcode", "no good"],
            "use capital letters",
        );
        refused(site, &["tape", "import", "vault", "OLD001L8", "--keep"], "export");
        refused(site, &["tape", "import", "vault", "OLD001L8", "--capacity", "1 GB"], "for images");
        let open = Tape::open(&source).unwrap();
        refused(site, &["tape", "import", "vault", "OLD001L8"], "tape OLD001L8 is in use");
        open.close().unwrap();
        fs::create_dir(source.join("more")).unwrap();
        refused(site, &["tape", "import", "vault", "OLD001L8"], "\"more\" in it is no file of a tape");
        fs::remove_dir(source.join("more")).unwrap();
        let label = fs::read_to_string(source.join("label.toml")).unwrap();
        fs::remove_file(source.join("label.toml.bak")).unwrap();
        fs::write(source.join("label.toml"), "torn").unwrap();
        refused(site, &["tape", "import", "vault", "OLD001L8"], "label.toml");
        fs::write(source.join("label.toml"), &label).unwrap();
        success(site, &["tape", "create", "vault", "--count", "2"]);
        refused(site, &["tape", "import", "vault", "OLD001L8"], "OLD001L8: loader vault has no free slot");
        assert!(data(&source) == before);
        set_barcode(&source, "OLD001L8").unwrap();
        assert!(verify(&source, &mut |_, _| {}).unwrap().is_sound());
    });
}

#[test]
fn damage_is_not_carried_along_unasked() {
    let site = site(true);
    let Some(other) = elsewhere(&site) else { return };
    let source = make(other.path(), "BAD001L8", 4);
    let mut bytes = data(&source);
    bytes[8192 + 5000] ^= 1;
    fs::write(source.join("data"), &bytes).unwrap();
    refused(&site, &["tape", "import", "vault", text(&source)], "--accept-damage");
    assert!(data(&source) == bytes);
    let report = site.json(&["tape", "import", "vault", text(&source), "--accept-damage"]);
    assert!(report["notices"][0].as_str().unwrap().contains("block 0"), "{report}");
    assert!(!source.exists() && data(&site.path("vault/BAD001L8")) == bytes);
}

/// Behind the adoption and before the source is gone there are two: the next import of the source ends it.
#[test]
fn an_import_that_was_interrupted_behind_the_adoption_is_finished() {
    with_and_without_a_server(|site| {
        let source = make(&site.path(""), "OLD001L8", 2);
        let kept = site.path("kept");
        copy_directory(&source, &kept);
        success(site, &["tape", "import", "vault", "OLD001L8", "--barcode", "RENAMED1"]);
        copy_directory(&kept, &source);
        let report = site.json(&["tape", "import", "vault", "OLD001L8"]);
        assert_eq!((&report["barcode"], &report["source_removed"]), (&"RENAMED1".into(), &true.into()));
        assert!(!source.exists());
        // The loader's tape may have been appended to since; but what is only in the source is never thrown away.
        append(&site.path("vault/RENAMED1"));
        copy_directory(&kept, &source);
        success(site, &["tape", "import", "vault", "OLD001L8"]);
        assert!(!source.exists());
        append(&kept);
        append(&kept);
        refused(
            site,
            &["tape", "import", "vault", "kept"],
            "the same tape is RENAMED1 of loader vault already, and has not all that is here",
        );
        refused(
            site,
            &["tape", "import", "attic", "kept", "--barcode", "RENAMED1"],
            "the same tape is RENAMED1 of loader vault already; remove one of the two",
        );
    });
}

fn append(tape: &Path) {
    let mut tape = Tape::open(tape).unwrap();
    tape.locate_end_of_data().unwrap();
    tape.write_record(b"more").unwrap();
    tape.write_filemarks(1).unwrap();
    tape.close().unwrap();
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Killed at any time, the tape is whole at the one place or at the other, and the next import brings it in.
#[test]
fn a_killed_import_loses_nothing() {
    let site = site(true);
    let Some(other) = elsewhere(&site) else { return };
    let original = make(&site.path(""), "FAR001L8", 160);
    let (source, before) = (other.path().join("FAR001L8"), data(&original));
    let mut seen = [0; 3];
    for round in 0..24_u64 {
        copy_directory(&original, &source);
        let args = ["tape", "import", "vault", text(&source)];
        let mut child = site.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 8));
        child.kill().unwrap();
        child.wait().unwrap();
        let there = site.path("vault/FAR001L8");
        let (is_here, is_there) = (source.join("label.toml").exists(), there.join("data").exists());
        seen[usize::from(is_here) + 2 * usize::from(is_there) - 1] += 1;
        for path in
            [(is_here, &source), (is_there, &there)].iter().filter(|(is, _)| *is).map(|(_, path)| path)
        {
            assert!(data(path) == before, "round {round}: {}", path.display());
        }
        if is_here {
            success(&site, &args);
        }
        assert!(!source.exists() && data(&there) == before, "round {round}");
        assert_eq!(place(&site, "vault", "FAR001L8").as_deref(), Some("slot 1"), "round {round}");
        success(&site, &["tape", "delete", "vault", "FAR001L8"]);
    }
    assert_eq!(leftovers(&site), [""; 0]);
    eprintln!("only the source, only the copy, both: {seen:?}");
}
