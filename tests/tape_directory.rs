//! The tape as its users see it: a directory, its lock, its label, its files after a crash.

use std::fs;
use std::path::PathBuf;

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
