//! The tape as its users see it: a directory, its lock, its label, its files after a crash.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::fs;
use std::path::{Path, PathBuf};

use tapesilo::tape::{
    NewTape, Position, RECORD_BYTES_MAX, ReadOutcome, Spaced, Stop, Tape, TapeError, create, inspect,
};

struct Fixture {
    _root: tempfile::TempDir,
    directory: PathBuf,
}

fn tape_of(capacity_bytes: u64, worm: bool) -> Fixture {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("VLT001L8");
    create(&directory, &NewTape { barcode: "VLT001L8".to_owned(), capacity_bytes, worm }).unwrap();
    Fixture { _root: root, directory }
}

fn read(tape: &mut Tape) -> Option<Vec<u8>> {
    let mut buffer = vec![0; RECORD_BYTES_MAX];
    match tape.read_record(&mut buffer).unwrap() {
        ReadOutcome::Record { length } => Some(buffer[..length].to_vec()),
        ReadOutcome::Filemark | ReadOutcome::EndOfData => None,
    }
}

#[test]
fn what_is_written_is_read_after_reopening() {
    let fixture = tape_of(1 << 30, false);
    let mut tape = Tape::open(&fixture.directory).unwrap();
    tape.write_record(b"one").unwrap();
    tape.write_record(&vec![7; 100_000]).unwrap();
    tape.write_filemarks(1).unwrap();
    tape.write_record(&vec![9; RECORD_BYTES_MAX]).unwrap();
    assert_eq!(tape.position(), Position { block: 4, file: 1, block_in_file: 1 });
    tape.close().unwrap();

    let mut tape = Tape::open(&fixture.directory).unwrap();
    assert_eq!(tape.position(), Position::BEGINNING);
    assert_eq!(read(&mut tape).unwrap(), b"one");
    assert_eq!(read(&mut tape).unwrap(), vec![7; 100_000]);
    assert_eq!(tape.read_record(&mut []).unwrap(), ReadOutcome::Filemark);
    assert_eq!(tape.read_record(&mut []).unwrap(), ReadOutcome::Record { length: RECORD_BYTES_MAX });
    assert_eq!(tape.read_record(&mut []).unwrap(), ReadOutcome::EndOfData);
    assert!(tape.is_at_end_of_data());
    assert_eq!(tape.space_filemarks(-1).unwrap(), Spaced { moved: 1, stop: Stop::Complete });
    assert_eq!(tape.position(), Position { block: 2, file: 0, block_in_file: 2 });
    assert_eq!(tape.label().counters.loads, 2);
}

#[test]
fn a_second_opener_is_refused_and_inspect_is_not() {
    let fixture = tape_of(1 << 20, false);
    let tape = Tape::open(&fixture.directory).unwrap();
    assert!(matches!(Tape::open(&fixture.directory), Err(TapeError::Locked { .. })));
    assert_eq!(inspect(&fixture.directory).unwrap().label.barcode, "VLT001L8");
    drop(tape);
    Tape::open(&fixture.directory).unwrap().close().unwrap();
    fs::remove_dir_all(&fixture.directory).unwrap();
    assert!(matches!(Tape::open(&fixture.directory), Err(TapeError::Label { .. })));
}

fn torn_files(directory: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let torn = entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("torn-"));
    torn.map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn a_torn_tail_is_cut_off_and_kept_aside() {
    let fixture = tape_of(1 << 20, false);
    let mut tape = Tape::open(&fixture.directory).unwrap();
    tape.write_record(b"whole").unwrap();
    tape.write_filemarks(1).unwrap();
    let whole_bytes = tape.used_bytes();
    tape.write_record(&[5; 5000]).unwrap();
    tape.close().unwrap();
    let log = fixture.directory.join("data");
    let bytes = fs::read(&log).unwrap();
    // The index covers what was closed; a crash would have left none that does.
    fs::remove_file(fixture.directory.join("index")).unwrap();
    let torn = &bytes[..bytes.len() - 9];
    fs::write(&log, torn).unwrap();
    let tape = Tape::open(&fixture.directory).unwrap();
    assert_eq!(tape.end_of_data(), Position { block: 2, file: 1, block_in_file: 0 });
    assert_eq!(tape.used_bytes(), whole_bytes);
    let end = 8192 + usize::try_from(whole_bytes).unwrap();
    assert_eq!(torn_files(&fixture.directory), [&torn[end..]]);
    tape.close().unwrap();
    Tape::open(&fixture.directory).unwrap().close().unwrap();
    assert_eq!(torn_files(&fixture.directory).len(), 1, "once");
}

#[test]
fn a_damaged_label_is_replaced_by_its_backup_and_two_are_an_error() {
    let fixture = tape_of(1 << 20, false);
    Tape::open(&fixture.directory).unwrap().close().unwrap();
    let (label, backup) = (fixture.directory.join("label.toml"), fixture.directory.join("label.toml.bak"));
    let good = fs::read_to_string(&label).unwrap();
    fs::write(&label, "barcode = ").unwrap();
    Tape::open(&fixture.directory).unwrap().close().unwrap();
    assert!(fs::read_to_string(&label).unwrap().contains("VLT001L8"), "written anew");
    fs::write(&label, good.replacen("worm", "wormm", 1)).unwrap();
    fs::write(&backup, [0xFF; 10]).unwrap();
    let error = Tape::open(&fixture.directory).map(|_| ()).unwrap_err().to_string();
    for part in ["label.toml", "line 4", "wormm"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    fs::remove_file(&label).unwrap();
    fs::write(&backup, good).unwrap();
    assert_eq!(inspect(&fixture.directory).unwrap().label.barcode, "VLT001L8");
}

#[test]
fn creation_takes_an_empty_or_unfinished_directory_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("A00001");
    let spec = NewTape { barcode: "A00001".to_owned(), capacity_bytes: 1, worm: false };
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("data"), [0; 100]).unwrap();
    fs::write(directory.join("label.toml.tmp"), "half").unwrap();
    create(&directory, &spec).unwrap();
    assert!(matches!(create(&directory, &spec), Err(TapeError::Exists { .. })));
    Tape::open(&directory).unwrap().close().unwrap();
    for (name, length) in [("notes.txt", 1), ("data", 8193)] {
        let directory = root.path().join(name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join(name), vec![0; length]).unwrap();
        assert!(matches!(create(&directory, &spec), Err(TapeError::Exists { .. })), "{name}");
    }
    for barcode in ["", "a/b", "a b", "\u{e9}", &"x".repeat(33)] {
        let spec = NewTape { barcode: barcode.to_owned(), ..spec.clone() };
        assert!(matches!(create(&root.path().join("x"), &spec), Err(TapeError::Specification { .. })));
    }
    assert!(!root.path().join("x").exists());
    // What is made can be opened, to the largest number that a specification can hold.
    let huge = NewTape { capacity_bytes: u64::MAX, ..spec };
    create(&root.path().join("x"), &huge).unwrap();
    let mut tape = Tape::open(&root.path().join("x")).unwrap();
    tape.write_record(b"one").unwrap();
    tape.write_filemarks(1).unwrap();
    tape.close().unwrap();
}

#[test]
fn a_log_of_another_tape_is_refused() {
    let (one, other) = (tape_of(1 << 20, false), tape_of(1 << 20, false));
    fs::copy(other.directory.join("data"), one.directory.join("data")).unwrap();
    assert!(matches!(Tape::open(&one.directory), Err(TapeError::NotATape { .. })));
    fs::remove_file(one.directory.join("data")).unwrap();
    assert!(matches!(Tape::open(&one.directory), Err(TapeError::NotATape { .. })));
}

#[test]
fn the_label_counts_and_protects() {
    let fixture = tape_of(1 << 20, true);
    let mut tape = Tape::open(&fixture.directory).unwrap();
    tape.write_record(b"12345").unwrap();
    tape.write_filemarks(2).unwrap();
    tape.rewind().unwrap();
    assert!(matches!(tape.write_record(b"x"), Err(TapeError::WormOverwrite { .. })));
    assert_eq!(read(&mut tape).unwrap(), b"12345");
    tape.set_write_protected(true).unwrap();
    drop(tape);
    let mut tape = Tape::open(&fixture.directory).unwrap();
    assert!(tape.is_write_protected());
    assert!(matches!(tape.erase(), Err(TapeError::WriteProtected { .. })));
    let counters = tape.label().counters;
    assert_eq!((counters.loads, counters.records_written, counters.bytes_written), (2, 1, 5));
    assert_eq!((counters.filemarks_written, counters.records_read, counters.bytes_read), (2, 1, 5));
    let summary = inspect(&fixture.directory).unwrap();
    assert_eq!((summary.records, summary.filemarks, summary.used_bytes), (Some(1), Some(2), 200));
}

/// Runs `work` and fails, instead of hanging, when it blocks.
fn within_10_s<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(std::time::Duration::from_secs(10)).unwrap()
}

const FILES: [&str; 4] = ["data", "index", "label.toml", "label.toml.bak"];

fn put_fifo(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn a_name_that_is_no_file_is_refused_and_never_waited_for() {
    for name in FILES {
        for put in [put_fifo, |path: &Path| fs::create_dir(path).unwrap()] {
            let fixture = tape_of(1 << 20, false);
            Tape::open(&fixture.directory).unwrap().close().unwrap();
            let path = fixture.directory.join(name);
            fs::remove_file(&path).unwrap();
            put(&path);
            let directory = fixture.directory.clone();
            let opened = within_10_s(move || {
                let inspected = inspect(&directory).map(drop);
                let opened = Tape::open(&directory).and_then(Tape::close);
                (inspected, opened)
            });
            if name == "data" {
                let told = opened.1.unwrap_err().to_string();
                assert!(opened.0.is_err() && told.contains("open its log"), "{told}");
            } else {
                // The label has its backup, and a backup or an index is nothing that a tape needs.
                opened.0.unwrap();
            }
        }
    }
}

#[test]
fn a_symbolic_link_in_a_tape_is_never_written_through() {
    for name in ["data", "index", "label.toml", "label.toml.tmp", "label.toml.bak", "label.toml.bak.tmp"] {
        let fixture = tape_of(1 << 20, false);
        let mut tape = Tape::open(&fixture.directory).unwrap();
        tape.write_record(b"one").unwrap();
        tape.close().unwrap();
        let path = fixture.directory.join(name);
        let victim = fixture.directory.parent().unwrap().join("victim");
        if path.exists() {
            fs::rename(&path, &victim).unwrap();
        } else {
            fs::write(&victim, "mine").unwrap();
        }
        let before = fs::read(&victim).unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        if let Ok(mut tape) = Tape::open(&fixture.directory) {
            assert_ne!(name, "data");
            tape.write_filemarks(1).unwrap();
            let _ = tape.close();
        }
        let _ = create(&fixture.directory, &NewTape { barcode: "A".into(), capacity_bytes: 1, worm: false });
        assert_eq!(fs::read(&victim).unwrap(), before, "{name}");
    }
}

#[test]
fn nothing_is_acknowledged_into_a_log_that_was_deleted() {
    let fixture = tape_of(1 << 20, false);
    let mut tape = Tape::open(&fixture.directory).unwrap();
    tape.write_record(b"one").unwrap();
    tape.write_filemarks(1).unwrap();
    fs::remove_dir_all(&fixture.directory).unwrap();
    tape.write_record(b"two").unwrap();
    let told = tape.write_filemarks(1).unwrap_err().to_string();
    assert!(told.contains("deleted"), "{told}");
    assert!(tape.sync().is_err() && tape.close().is_err());
}

#[test]
fn a_renamed_tape_takes_its_data_with_it() {
    let fixture = tape_of(1 << 20, false);
    let mut tape = Tape::open(&fixture.directory).unwrap();
    let elsewhere = fixture.directory.with_file_name("ELSEWHERE");
    fs::rename(&fixture.directory, &elsewhere).unwrap();
    tape.write_record(b"one").unwrap();
    tape.write_filemarks(1).unwrap();
    assert!(matches!(tape.close(), Err(TapeError::Label { .. })), "its counters are lost, and it says so");
    assert_eq!(read(&mut Tape::open(&elsewhere).unwrap()).unwrap(), b"one");
}

#[test]
fn every_torn_tail_is_kept_beside_the_earlier_ones() {
    let fixture = tape_of(1 << 20, false);
    let log = fixture.directory.join("data");
    for crash in 1..=20_u8 {
        let mut bytes = fs::read(&log).unwrap();
        bytes.extend(vec![crash; usize::from(crash)]);
        fs::write(&log, bytes).unwrap();
        Tape::open(&fixture.directory).unwrap().close().unwrap();
        let mut torn = torn_files(&fixture.directory);
        torn.sort();
        let expected: Vec<Vec<u8>> = (1..=crash).map(|crash| vec![crash; usize::from(crash)]).collect();
        assert_eq!(torn, expected);
    }
}

#[test]
fn a_label_with_an_impossible_barcode_is_refused() {
    for barcode in ["", "../A", "A B", "A\\nWARN forged", "\\u001b[2J", &"A".repeat(33)] {
        let fixture = tape_of(1 << 20, false);
        let label = fixture.directory.join("label.toml");
        let text = fs::read_to_string(&label).unwrap();
        fs::write(&label, text.replace("VLT001L8", barcode)).unwrap();
        let _ = fs::remove_file(fixture.directory.join("label.toml.bak"));
        assert!(matches!(inspect(&fixture.directory), Err(TapeError::Label { .. })), "{barcode}");
    }
}

#[test]
fn a_log_that_may_not_be_written_is_read() {
    use std::os::unix::fs::PermissionsExt;
    if rustix::process::geteuid().is_root() {
        return; // to whom every file may be written
    }
    let fixture = tape_of(1 << 20, false);
    let mut tape = Tape::open(&fixture.directory).unwrap();
    tape.write_record(b"one").unwrap();
    tape.close().unwrap();
    fs::set_permissions(fixture.directory.join("data"), fs::Permissions::from_mode(0o400)).unwrap();
    let mut tape = Tape::open(&fixture.directory).unwrap();
    assert_eq!(read(&mut tape).unwrap(), b"one");
    assert!(tape.is_write_protected());
    assert!(matches!(tape.write_record(b"two"), Err(TapeError::Failed { .. })));
    tape.close().unwrap();
}

#[test]
fn a_creation_that_fails_leaves_nothing_in_the_way_of_the_next() {
    // A path so long that the name of the log still fits behind it, and that of the label does not.
    let root = tempfile::tempdir().unwrap();
    let mut parent = root.path().to_owned();
    while parent.as_os_str().len() < 3900 {
        parent.push("p".repeat(100));
    }
    fs::create_dir_all(&parent).unwrap();
    let directory = parent.join("t".repeat(4085 - parent.as_os_str().len() - 1));
    let spec = NewTape { barcode: "A".to_owned(), capacity_bytes: 1, worm: false };
    let error = create(&directory, &spec).unwrap_err();
    assert!(matches!(error, TapeError::Label { .. }) && !directory.exists(), "{error}");
}

/// The label is beside the log, not in front of it: where it cannot be written, data is taken and kept all the same.
#[test]
fn a_label_that_cannot_be_written_costs_no_data() {
    let fixture = tape_of(1 << 20, false);
    let before = fs::read(fixture.directory.join("label.toml")).unwrap();
    // A directory in the way of the new version, which is what a full disk amounts to.
    fs::create_dir_all(fixture.directory.join("label.toml.tmp/full")).unwrap();
    let mut tape = Tape::open(&fixture.directory).unwrap();
    tape.write_record(b"kept").unwrap();
    tape.write_filemarks(1).unwrap();
    assert!(
        tape.set_write_protected(true).is_err() && !tape.is_write_protected(),
        "refused, and not half done"
    );
    tape.write_record(b"kept, too").unwrap();
    let told = tape.close().unwrap_err().to_string();
    assert!(told.contains("label.toml"), "{told}");
    assert_eq!(fs::read(fixture.directory.join("label.toml")).unwrap(), before);
    let mut tape = Tape::open(&fixture.directory).unwrap();
    let mut buffer = [0; 64];
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::Record { length: 4 });
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::Filemark);
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::Record { length: 9 });
    assert_eq!(&buffer[..9], b"kept, too");
}
