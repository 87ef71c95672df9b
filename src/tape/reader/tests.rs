//! Looking at a tape that is being written: nothing but what one of its lives held is ever given out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::tape::{NewTape, RECORD_BYTES_MAX, Tape, create};

fn blank() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("VLT001L8");
    let spec = NewTape { barcode: "VLT001L8".to_owned(), capacity_bytes: 1 << 30, worm: false };
    create(&directory, &spec).unwrap();
    (root, directory)
}

/// All files of a tape with their bytes.
fn picture(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// What a record of a life says at a block; its length differs from block to block.
fn record(life: u64, block: u64) -> Vec<u8> {
    let words = 4 + (life * 7 + block * 13) % 200;
    let mut bytes = Vec::new();
    for word in 0..words {
        bytes.extend(if word % 2 == 0 { life.to_le_bytes() } else { block.to_le_bytes() });
    }
    bytes
}

#[test]
fn it_reads_what_is_there_and_changes_nothing() {
    let (_root, directory) = blank();
    let mut tape = Tape::open(&directory).unwrap();
    for block in 0..50 {
        tape.write_record(&record(1, block)).unwrap();
    }
    tape.write_filemarks(1).unwrap();
    tape.write_record(b"second file").unwrap();
    tape.close().unwrap();
    for torn in [&b""[..], b"TREChalf a record"] {
        let mut log = fs::read(directory.join("data")).unwrap();
        log.extend(torn);
        fs::write(directory.join("data"), log).unwrap();
        for index in [true, false] {
            if !index {
                fs::remove_file(directory.join("index")).unwrap();
            }
            let before = picture(&directory);
            let mut reader = TapeReader::open(&directory).unwrap();
            assert_eq!((reader.end_of_data().block, reader.tail().is_some()), (52, !torn.is_empty()));
            let mut buffer = vec![0; 4096];
            assert_eq!(reader.locate_file(1).unwrap(), Stop::Complete);
            assert_eq!(reader.read_record(&mut buffer).unwrap(), ReadOutcome::Record { length: 11 });
            assert_eq!(&buffer[..11], b"second file");
            assert_eq!(reader.read_record(&mut buffer).unwrap(), ReadOutcome::EndOfData);
            assert_eq!(reader.locate_file(2).unwrap(), Stop::EndOfData);
            reader.locate_block(49).unwrap();
            let ReadOutcome::Record { length } = reader.read_record(&mut buffer).unwrap() else { panic!() };
            assert_eq!(&buffer[..length], record(1, 49));
            let files = reader.files(&mut |_, _| {}).unwrap();
            assert_eq!(files.iter().map(|file| file.records).collect::<Vec<_>>(), [50, 1]);
            assert_eq!(
                (files[0].has_filemark, files[1].has_filemark, files[1].first_block),
                (true, false, 51)
            );
            assert_eq!(files[1].content.detail.as_deref(), Some("second file"));
            drop(reader);
            assert_eq!(picture(&directory), before);
        }
        Tape::open(&directory).unwrap().close().unwrap();
    }
}

#[test]
fn a_loaded_tape_is_read_and_an_overwrite_is_told() {
    let (_root, directory) = blank();
    let mut tape = Tape::open(&directory).unwrap();
    for block in 0..20 {
        tape.write_record(&record(1, block)).unwrap();
    }
    tape.sync().unwrap();
    let mut reader = TapeReader::open(&directory).unwrap();
    assert_eq!(reader.end_of_data().block, 20);
    tape.write_record(b"later").unwrap();
    tape.sync().unwrap();
    let mut buffer = vec![0; 4096];
    for _ in 0..2 {
        reader.read_record(&mut buffer).unwrap();
    }
    tape.rewind().unwrap();
    tape.write_record(b"over").unwrap();
    tape.sync().unwrap();
    let told = (0..30).any(|_| matches!(reader.read_record(&mut buffer), Err(TapeError::Overwritten { .. })));
    assert!(told, "the end was reached as if nothing had happened");
    assert_eq!(TapeReader::open(&directory).unwrap().end_of_data().block, 1);
}

#[test]
fn what_is_given_out_is_always_of_one_life() {
    let (_root, directory) = blank();
    let stop = AtomicBool::new(false);
    let (mut passes, mut overwritten) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut tape = Tape::open(&directory).unwrap();
            for life in 1.. {
                tape.rewind().unwrap();
                for block in 0..100 {
                    tape.write_record(&record(life, block)).unwrap();
                    if block % 30 == 0 {
                        tape.sync().unwrap();
                    }
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let begun = Instant::now();
        let mut buffer = vec![0; RECORD_BYTES_MAX];
        while begun.elapsed() < Duration::from_secs(20) && (passes < 5 || overwritten < 5) {
            let mut reader = match TapeReader::open(&directory) {
                Ok(reader) => reader,
                Err(TapeError::Overwritten { .. }) => continue,
                Err(error) => panic!("{error}"),
            };
            let mut life = None;
            loop {
                let block = reader.position().block;
                match reader.read_record(&mut buffer) {
                    Ok(ReadOutcome::Record { length }) => {
                        let found = u64::from_le_bytes(buffer[..8].try_into().unwrap());
                        assert_eq!(*life.get_or_insert(found), found, "two lives in one pass");
                        assert_eq!(&buffer[..length], record(found, block));
                    }
                    Ok(ReadOutcome::EndOfData) => {
                        passes += 1;
                        break;
                    }
                    Err(TapeError::Overwritten { .. }) => {
                        overwritten += 1;
                        break;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(passes > 0 && overwritten > 0, "{passes} passes, {overwritten} overwritten");
}

#[test]
fn a_tape_without_a_label_is_called_by_its_directory() {
    let (_root, directory) = blank();
    fs::write(directory.join("label.toml"), "?").unwrap();
    let reader = TapeReader::open(&directory).unwrap();
    assert_eq!((reader.name(), reader.label()), ("VLT001L8", None));
    fs::remove_file(directory.join("data")).unwrap();
    assert!(matches!(TapeReader::open(&directory), Err(TapeError::NotATape { .. })));
    std::os::unix::fs::symlink("label.toml", directory.join("data")).unwrap();
    assert!(TapeReader::open(&directory).err().unwrap().to_string().contains("symbolic link"));
}
