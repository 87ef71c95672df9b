//! The commands that look into tapes, as an operator runs them: on a loader with and without its server, and on a
//! directory anywhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use support::command::{failure, run, success};
use support::{Site, loader};
use tapesilo::tape::{TapWriter, Tape, TapeReader};

/// A site whose server is not running, with a loader "vault" of three slots and two tapes.
fn stopped() -> Site {
    let mut site = Site::start("", &small_loader());
    site.terminate();
    site
}

fn small_loader() -> String {
    loader("vault", "tape_family = \"VLT\"\ntapes = 2\ntape_capacity = \"100 MiB\"")
        .replace("slots = 10", "slots = 3")
}

fn tape(site: &Site, barcode: &str) -> PathBuf {
    site.path("vault").join(barcode)
}

/// Three files on a tape: a text, records of odd and even lengths, and one without a filemark behind a double one.
fn fill(directory: &Path) {
    let mut tape = Tape::open(directory).unwrap();
    tape.write_record(b"AMANDA: TAPESTART DATE X TAPE VLT001\n").unwrap();
    tape.write_filemarks(1).unwrap();
    tape.write_record(&[1; 1001]).unwrap();
    tape.write_record(&[2; 70_000]).unwrap();
    tape.write_filemarks(2).unwrap();
    tape.write_record(b"last\n").unwrap();
    tape.close().unwrap();
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[test]
fn verify_tells_what_is_wrong_and_ends_with_1() {
    let site = stopped();
    let directory = tape(&site, "VLT001L8");
    fill(&directory);
    let text = success(&site, &["tape", "verify", "vault", "VLT001L8"]);
    assert!(text.starts_with("tape VLT001L8: sound; checked ") && text.lines().count() == 1, "{text}");
    let report = site.json(&["tape", "verify", "vault", "VLT001L8"]);
    assert_eq!(
        (&report["records"], &report["filemarks"], &report["sound"]),
        (&4.into(), &3.into(), &true.into())
    );
    assert_eq!(report["findings"], Value::Array(Vec::new()));
    flip(&directory.join("data"), 8192 + 60);
    let path = directory.to_str().unwrap();
    for place in [&["vault", "VLT001L8"][..], &["--directory", path]] {
        let args = [&["tape", "verify"], place].concat();
        assert_eq!(
            failure(&site, &args),
            "tapesilo: tape VLT001L8: damaged, 1 findings; each says what to do\n"
        );
        let text = String::from_utf8(run(&site, &args).stdout).unwrap();
        assert!(
            text.starts_with("damage: data at byte 8192, 104 bytes, block 0 (file 0, block 0 in it): "),
            "{text}"
        );
        let json = run(&site, &[&args[..], &["--json"]].concat());
        let report: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json.status.code(), Some(1));
        let finding = &report["findings"][0];
        assert_eq!((&finding["kind"], &finding["severity"]), (&"record_payload".into(), &"damage".into()));
        assert_eq!((&finding["offset_bytes"], &finding["block"]), (&8192.into(), &0.into()));
    }
}

#[test]
fn files_lists_what_is_there() {
    let site = stopped();
    fill(&tape(&site, "VLT001L8"));
    let text = success(&site, &["tape", "files", "vault", "VLT001L8"]);
    let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0][..4], ["FILE", "FIRST", "BLOCK", "RECORDS"]);
    assert_eq!(words[1][..6], ["0", "0", "1", "37", "37", "37"]);
    assert!(text.contains("amanda header: TAPESTART DATE X TAPE VLT001"), "{text}");
    assert_eq!(words[2][..7], ["1", "2", "2", "1001", "70000", "71001", "binary"]);
    assert_eq!(words[3][..7], ["2", "5", "0", "-", "-", "0", "empty"]);
    assert_eq!(words[4][..7], ["3", "6", "1", "5", "5", "5", "text:"]);
    assert!(text.lines().last().unwrap().ends_with("no filemark at its end"), "{text}");
    let files = site.json(&["tape", "files", "vault", "VLT001L8"]);
    assert_eq!(files.as_array().unwrap().len(), 4);
    assert_eq!((&files[1]["largest_record_bytes"], &files[2]["content"]), (&70_000.into(), &"empty".into()));
    assert_eq!(success(&site, &["tape", "files", "vault", "VLT002L8"]), "the tape is blank\n");
}

#[test]
fn cat_gives_the_bytes_of_one_file() {
    let site = stopped();
    let directory = tape(&site, "VLT001L8");
    fill(&directory);
    assert_eq!(success(&site, &["tape", "cat", "vault", "VLT001L8", "--file", "3"]), "last\n");
    let expected = [vec![1; 1001], vec![2; 70_000]].concat();
    assert!(run(&site, &["tape", "cat", "vault", "VLT001L8", "--file", "1"]).stdout == expected);
    assert_eq!(success(&site, &["tape", "cat", "vault", "VLT001L8", "--file", "2"]), "");
    let refusal = failure(&site, &["tape", "cat", "vault", "VLT001L8", "--file", "4"]);
    assert!(refusal.contains("there is no file 4; it has 4, counted from 0"), "{refusal}");
    let to_file = ["tape", "cat", "vault", "VLT001L8", "--file", "1", "--output", "out"];
    assert_eq!(success(&site, &to_file), "");
    assert!(fs::read(site.path("out")).unwrap() == expected);
    assert!(failure(&site, &to_file).contains("out: exists already"));
    success(&site, &[&to_file[..], &["--force"]].concat());
    // Damage in the second record: the first comes whole, the second not at all.
    flip(&directory.join("data"), 8192 + 104 + 64 + 1072 + 5000);
    let output = run(&site, &["tape", "cat", "vault", "VLT001L8", "--file", "1"]);
    assert_eq!((output.status.code(), output.stdout), (Some(1), vec![1; 1001]));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("damaged at block 3 (file 1, block 1 in it)"), "{error}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let site = stopped();
    let directory = tape(&site, "VLT001L8");
    let mut tape = Tape::open(&directory).unwrap();
    for _ in 0..40 {
        tape.write_record(&[b'x'; 100_000]).unwrap();
    }
    tape.close().unwrap();
    for args in [
        &["tape", "cat", "vault", "VLT001L8", "--file", "0"][..],
        &["tape", "export", "vault", "VLT001L8", "-"],
    ] {
        let mut child = site.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 10]).unwrap();
        drop(out);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{args:?}");
    }
}

#[test]
fn exported_imported_and_exported_again_it_is_the_same() {
    let site = stopped();
    fill(&tape(&site, "VLT001L8"));
    let text = success(&site, &["tape", "export", "vault", "VLT001L8", "NEW007.tap"]);
    assert_eq!(text, "tape VLT001L8 is in NEW007.tap: 4 records of 71.0 kB, 3 filemarks\n");
    assert!(
        failure(&site, &["tape", "export", "vault", "VLT001L8", "NEW007.tap"]).contains("exists already")
    );
    let report = site.json(&["tape", "export", "vault", "VLT001L8", "NEW007.tap", "--force"]);
    assert_eq!(report["file"], "NEW007.tap");
    let text = success(&site, &["tape", "import", "vault", "NEW007.tap"]);
    assert!(
        text.starts_with("tape NEW007 is in slot 2 of loader vault: 4 records of 71.0 kB, 3 filemarks"),
        "{text}"
    );
    let directory = tape(&site, "NEW007");
    let again = run(&site, &["tape", "export", "--directory", directory.to_str().unwrap(), "-"]).stdout;
    assert!(again == fs::read(site.path("NEW007.tap")).unwrap());
    success(&site, &["tape", "verify", "vault", "NEW007"]);
    // Now the loader is full: refused before the work, even before the image is looked at.
    fs::write(site.path("broken.tap"), "x").unwrap();
    let refusal = failure(&site, &["tape", "import", "vault", "broken.tap"]);
    assert!(refusal.contains("no free slot"), "{refusal}");
    let tapes = site.json(&["tape", "list", "vault"]);
    assert_eq!((&tapes[0]["barcode"], &tapes[0]["place"]), (&"NEW007".into(), &"slot 2".into()));
    assert_eq!(leftovers(&site), [""; 0]);
}

/// Staging directories and unfinished files.
fn leftovers(site: &Site) -> Vec<String> {
    let names = |path: &Path| -> Vec<String> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let mut all = names(&site.path("vault"));
    all.extend(names(&site.path("")));
    all.retain(|name| name.starts_with(".import-") || name.ends_with(".partial"));
    all
}

fn image(records: &[usize]) -> Vec<u8> {
    let mut writer = TapWriter::new(Vec::new());
    for length in records {
        writer.record(&vec![5; *length]).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn an_import_while_the_server_runs_is_in_a_slot_at_once() {
    let mut site = Site::start("", &small_loader());
    fs::write(site.path("small name.tap"), image(&[100, 201])).unwrap();
    let report = site.json(&["tape", "import", "vault", "small name.tap"]);
    assert_eq!((&report["barcode"], &report["place"]), (&"VLT003L8".into(), &"slot 2".into()));
    assert!(report["notices"][0].as_str().unwrap().contains("the tape is called VLT003L8"));
    let tapes = site.json(&["tape", "list", "vault"]);
    assert_eq!((&tapes[2]["barcode"], &tapes[2]["place"]), (&"VLT003L8".into(), &"slot 2".into()));
    let refusal = failure(&site, &["tape", "import", "vault", "small name.tap", "--barcode", "MORE"]);
    assert!(refusal.contains("no free slot"), "{refusal}");
    // Killed, not ended: what was acknowledged is there.
    site.kill();
    site.start_again();
    let tapes = site.json(&["tape", "list", "vault"]);
    assert_eq!((&tapes[2]["barcode"], &tapes[2]["place"]), (&"VLT003L8".into(), &"slot 2".into()));
    let exported = run(&site, &["tape", "export", "vault", "VLT003L8", "-"]).stdout;
    assert!(exported == fs::read(site.path("small name.tap")).unwrap());
    assert_eq!(leftovers(&site), [""; 0]);
}

#[test]
fn what_is_no_image_leaves_no_tape() {
    let site = stopped();
    let good = image(&[100, 201]);
    let bad_record =
        [&8_u32.to_le_bytes()[..3], &[0x80], &[1; 8], &8_u32.to_le_bytes()[..3], &[0x80]].concat();
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("cut.tap", good[..150].to_vec(), "at byte 108: the image is cut off"),
        ("text.tap", b"An image is something else".to_vec(), "at byte 0: "),
        ("bad.tap", bad_record, "at byte 0: block 0 is marked as read with errors"),
    ];
    for (name, bytes, expected) in cases {
        fs::File::create(site.path(name)).unwrap().write_all(bytes).unwrap();
        let refusal = failure(&site, &["tape", "import", "vault", name, "--barcode", "NEW"]);
        assert!(refusal.contains(expected) && refusal.contains(name), "{refusal}");
    }
    fs::write(site.path("good.tap"), &good).unwrap();
    for (args, expected) in [
        (&["nowhere", "good.tap"][..], "there is no loader \"nowhere\"; known: vault"),
        (&["vault", "missing.tap"], "missing.tap: "),
        (&["vault", "vault"], "vault: there is no tape in this directory"),
        (&["vault", "good.tap", "--barcode", "VLT001L8"], "has a tape VLT001L8 already"),
        (&["vault", "good.tap", "--barcode", "../x"], "contains '.'"),
        (
            &["vault", "good.tap", "--capacity", "300"],
            "its content takes 440 bytes on a tape, --capacity gives 300",
        ),
    ] {
        let refusal = failure(&site, &[&["tape", "import"], args].concat());
        assert!(refusal.contains(expected), "{args:?}: {refusal}");
    }
    assert_eq!(site.json(&["tape", "list", "vault"]).as_array().unwrap().len(), 2);
    assert_eq!(leftovers(&site), [""; 0]);
    let text = success(
        &site,
        &["tape", "import", "vault", "bad.tap", "--accept-bad-records", "--capacity", "1 MiB"],
    );
    assert!(text.contains("as if they were good: 1"), "{text}");
}

#[test]
fn an_image_larger_than_the_loaders_tapes_makes_a_larger_tape() {
    let site = stopped();
    fs::write(site.path("BIG.tap"), image(&[16 << 20 >> 1; 14])).unwrap();
    let report = site.json(&["tape", "import", "vault", "BIG.tap"]);
    assert_eq!(report["capacity_bytes"], 113 << 20);
    assert!(report["notices"][0].as_str().unwrap().contains("made larger"));
}

#[test]
fn what_a_crash_left_of_an_import_is_removed_by_the_next() {
    let site = stopped();
    let half = site.path("vault").join(".import-0123456789abcdef");
    fs::create_dir_all(half.join("HALF")).unwrap();
    fs::write(half.join("HALF/data"), "x").unwrap();
    assert_eq!(site.json(&["tape", "list", "vault"]).as_array().unwrap().len(), 2);
    fs::write(site.path("NEW.tap"), image(&[10])).unwrap();
    success(&site, &["tape", "import", "vault", "NEW.tap"]);
    assert_eq!(leftovers(&site), [""; 0]);
}

#[test]
fn a_tape_in_a_drive_is_looked_at_without_disturbing_it() {
    let site = stopped();
    let directory = tape(&site, "VLT001L8");
    fill(&directory);
    let mut tape = Tape::open(&directory).unwrap();
    tape.locate_end_of_data().unwrap();
    tape.write_record(b"not flushed yet").unwrap();
    success(&site, &["tape", "verify", "vault", "VLT001L8"]);
    assert_eq!(success(&site, &["tape", "cat", "vault", "VLT001L8", "--file", "0"]).len(), 37);
    tape.write_filemarks(1).unwrap();
    tape.close().unwrap();
    let mut reader = TapeReader::open(&directory).unwrap();
    reader.locate_file(3).unwrap();
    assert_eq!(reader.end_of_data().block, 9);
}

#[test]
fn wrong_usage_is_2() {
    let site = stopped();
    for args in [
        &["tape", "verify"][..],
        &["tape", "verify", "vault"],
        &["tape", "verify", "vault", "VLT001L8", "--directory", "x"],
        &["tape", "cat", "vault", "VLT001L8"],
        &["tape", "cat", "vault", "VLT001L8", "--file", "-1"],
        &["tape", "export", "vault", "VLT001L8"],
        &["tape", "export", "--directory", "x"],
        &["tape", "export", "a", "b", "--directory", "x"],
        &["tape", "import", "vault"],
        &["tape", "import", "vault", "f", "--capacity", "many"],
    ] {
        assert_eq!(run(&site, args).status.code(), Some(2), "{args:?}");
    }
    for (args, expected) in [
        (&["tape", "verify", "vault", "NONE"][..], "loader vault has no tape \"NONE\""),
        (&["tape", "verify", "vault", "../vault/VLT001L8"], "has no tape"),
        (&["tape", "verify", "nowhere", "VLT001L8"], "there is no loader \"nowhere\"; known: vault"),
        (&["tape", "files", "--directory", "none"], "none: there is no such directory"),
        (&["tape", "files", "--directory", "vault"], "not a tape"),
    ] {
        let refusal = failure(&site, args);
        assert!(refusal.contains(expected), "{args:?}: {refusal}");
    }
}
