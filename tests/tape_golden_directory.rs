//! The format as it was frozen, as files: `golden/GOLD01L8`, made by `golden/make.py` from `FORMAT.md` alone. Today's code
//! must read it, find nothing wrong with it, and make the same bytes again, log, index and label, from the same operations.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::fs;
use std::path::{Path, PathBuf};

use tapesilo::tape::{ReadOutcome, Stop, Tape, TapeReader, inspect, verify};

const FILES: [&str; 3] = ["data", "index", "label.toml"];
const CHANGED: &str = "the format has changed: that needs a new format version";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/GOLD01L8")
}

/// A copy that may be opened to be written.
fn copy() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("GOLD01L8");
    fs::create_dir(&directory).unwrap();
    for name in FILES {
        fs::copy(golden().join(name), directory.join(name)).unwrap();
    }
    (root, directory)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// The records, `None` for a filemark.
fn content() -> [Option<Vec<u8>>; 7] {
    [Some(b"VOL1".to_vec()), None, Some(pattern((1 << 20) + 1)), None, Some(pattern(100)), None, None]
}

#[test]
fn the_golden_directory_reads_and_nothing_is_wrong_with_it() {
    let found = verify(&golden(), &mut |_, _| ()).unwrap();
    assert!(found.findings.is_empty(), "{:?}", found.findings);
    assert_eq!((found.records, found.filemarks, found.generation), (3, 4, 2));
    let summary = inspect(&golden()).unwrap();
    assert_eq!((summary.records, summary.filemarks), (Some(3), Some(4)), "by its index");
    let (_root, directory) = copy();
    let mut reader = TapeReader::open(&golden()).unwrap();
    let mut tape = Tape::open(&directory).unwrap();
    let mut buffer = vec![0; 2 << 20];
    for expected in content() {
        for outcome in [reader.read_record(&mut buffer).unwrap(), tape.read_record(&mut buffer).unwrap()] {
            match &expected {
                Some(bytes) => {
                    assert_eq!(outcome, ReadOutcome::Record { length: bytes.len() });
                    assert!(buffer[..bytes.len()] == **bytes);
                }
                None => assert_eq!(outcome, ReadOutcome::Filemark),
            }
        }
    }
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::EndOfData);
    tape.close().unwrap();
    for name in ["data", "index"] {
        let same = fs::read(directory.join(name)).unwrap() == fs::read(golden().join(name)).unwrap();
        assert!(same, "{name}: opening and reading changes nothing");
    }
}

#[test]
fn the_same_operations_make_the_golden_directory() {
    let (_root, directory) = copy();
    fs::remove_file(directory.join("index")).unwrap();
    fs::write(directory.join("data"), blank_log()).unwrap();
    let label = fs::read_to_string(golden().join("label.toml")).unwrap();
    fs::write(directory.join("label.toml"), label.split("\n[counters]").next().unwrap()).unwrap();
    let mut tape = Tape::open(&directory).unwrap();
    for record in &content()[..4] {
        match record {
            Some(bytes) => tape.write_record(bytes).unwrap(),
            None => tape.write_filemarks(1).unwrap(),
        }
    }
    tape.write_record(b"0123456789").unwrap();
    tape.write_filemarks(0).unwrap();
    assert_eq!(tape.locate_block(4).unwrap(), Stop::Complete);
    tape.write_record(&pattern(100)).unwrap();
    tape.write_filemarks(2).unwrap();
    tape.close().unwrap();
    for name in FILES {
        let same = fs::read(directory.join(name)).unwrap() == fs::read(golden().join(name)).unwrap();
        assert!(same, "{name}: {CHANGED}");
    }
}

/// The log of the golden tape before anything was written: two headers of generation 1.
fn blank_log() -> Vec<u8> {
    let mut header = fs::read(golden().join("data")).unwrap()[..4092].to_vec();
    header[40..48].copy_from_slice(&1_u64.to_le_bytes());
    header[48..56].copy_from_slice(&8192_u64.to_le_bytes());
    let sum = crc32c::crc32c(&header);
    header.extend(sum.to_le_bytes());
    header.repeat(2)
}
