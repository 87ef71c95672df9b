//! A tape that is looked at while records stream onto it, past the page cache and without a sync between: whoever
//! looks sees a sound tape that ends somewhere, never a gap and never a byte that was not written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail anywhere")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use tapesilo::tape::{Compression, NewTape, ReadOutcome, Tape, TapeReader, create, verify};

const RECORDS: u64 = 3_000;

/// The record at `block`: its length and its bytes say which one it is.
fn record(block: u64) -> Vec<u8> {
    let length = 1 + usize::try_from(block * 7919 % 60_000).unwrap();
    let word = block.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    word.repeat(length.div_ceil(8))[..length].to_vec()
}

/// Writes in both ways that there are: one by one, and received into a loan.
fn write(tape: &mut Tape) {
    let mut block = 0;
    while block < RECORDS {
        if block % 500 < 250 {
            tape.write_record(&record(block)).unwrap();
            block += 1;
            continue;
        }
        let bytes = record(block);
        let mut stream = &bytes[..];
        match tape.lend_room(u32::try_from(bytes.len()).unwrap(), 1).unwrap() {
            Some(mut loan) => {
                while loan.receive(&mut stream).unwrap() > 0 {
                    if loan.write() > 0 {
                        break;
                    }
                }
            }
            None => tape.write_record(&bytes).unwrap(),
        }
        block += 1;
        assert_eq!(tape.position().block, block);
    }
}

/// Reads what there is and returns how much that was.
fn look(directory: &Path) -> u64 {
    let mut reader = TapeReader::open(directory).unwrap();
    let mut buffer = vec![0; 1 << 20];
    for block in 0.. {
        match reader.read_record(&mut buffer).unwrap() {
            ReadOutcome::Record { length } => assert!(buffer[..length] == record(block), "block {block}"),
            ReadOutcome::Filemark => panic!("no mark was written"),
            ReadOutcome::EndOfData => {
                assert_eq!(block, reader.end_of_data().block);
                return block;
            }
        }
    }
    unreachable!()
}

fn write_while_looking(compression: Compression) {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = root.path().join("LIVE01L8");
    let spec = NewTape { barcode: "LIVE01L8".to_owned(), capacity_bytes: 1 << 40, worm: false };
    create(&directory, &spec).unwrap();
    let (is_written, looks) = (AtomicBool::new(false), 3);
    let seen = std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut seen = Vec::new();
            while !is_written.load(Ordering::Relaxed) || seen.len() < looks {
                seen.push(look(&directory));
                let found = verify(&directory, &mut |_, _| {}).unwrap();
                assert!(found.is_sound(), "{:?}", found.findings);
            }
            seen
        });
        let mut tape = Tape::open_with(&directory, compression).unwrap();
        write(&mut tape);
        is_written.store(true, Ordering::Relaxed);
        let seen = looker.join().unwrap();
        tape.close().unwrap();
        seen
    });
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(look(&directory), RECORDS);
    let found = verify(&directory, &mut |_, _| {}).unwrap();
    assert!(found.findings.is_empty(), "{:?}", found.findings);
}

#[test]
fn a_tape_is_sound_whenever_it_is_looked_at() {
    write_while_looking(Compression::None);
}

#[test]
fn a_tape_with_compression_is_sound_whenever_it_is_looked_at() {
    write_while_looking(Compression::Lz4);
}
