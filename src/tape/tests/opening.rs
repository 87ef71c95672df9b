//! What opening a tape does to its files, and in which order: a process may have been killed before us, and the power
//! may fail under us.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::memory::{Event, MemoryStorage};
use super::model::{Block, Real, contents};
use super::{LIMITS, blank, open_medium};
use crate::tape::error::TapeError;
use crate::tape::format::{DATA_START_BYTES, TAPE_HEADER_BYTES, TapeHeader};
use crate::tape::log::Log;
use crate::tape::medium::Medium;
use crate::tape::storage::Storage;

fn record(byte: u8) -> Vec<u8> {
    vec![byte; 6000]
}

/// A log with two whole records, and half of a third.
fn torn() -> Vec<u8> {
    let (log, index) = blank();
    let mut real = Real::open(log.clone(), index).unwrap();
    for byte in 1..=3 {
        real.medium.write_record(&record(byte)).unwrap();
    }
    let bytes = log.bytes();
    bytes[..bytes.len() - 100].to_vec()
}

fn whole_blocks() -> [Option<Block>; 2] {
    [1, 2].map(|byte| Some(Block::Record(record(byte))))
}

#[test]
fn what_a_killed_process_left_is_durable_before_anyone_is_told_of_it() {
    let (log, index) = blank();
    let mut real = Real::open(log.clone(), index.clone()).unwrap();
    real.medium.write_record(&record(1)).unwrap();
    real.medium.log.flush().unwrap();
    // The process is killed: the record is with the operating system, but no sync has covered it.
    drop(real);
    let is_durable = || {
        let events = log.events();
        let last = |wanted: fn(&Event) -> bool| events.iter().rposition(wanted);
        last(|event| matches!(event, Event::Sync)) > last(|event| matches!(event, Event::Write { .. }))
    };
    assert!(!is_durable());
    let mut real = Real::open(log.clone(), index).unwrap();
    assert_eq!(real.medium.end().position.block, 1);
    assert!(is_durable(), "an index or a filemark request now vouches for the record");
    real.medium.write_filemarks(0).unwrap();
}

#[test]
fn the_good_copy_of_the_header_is_never_written_to_mend_the_other() {
    let header = TapeHeader::decode(blank().0.bytes()[..TAPE_HEADER_BYTES].try_into().unwrap()).unwrap();
    let newer = TapeHeader { generation: 2, ..header }.encode().to_vec();
    let (good, bad) = (header.encode().to_vec(), vec![0; TAPE_HEADER_BYTES]);
    let second = TAPE_HEADER_BYTES as u64;
    for (copies, mended) in [
        ([&bad, &good], Some(0)),
        ([&good, &bad], Some(second)),
        ([&newer, &good], Some(second)),
        ([&good, &newer], Some(0)),
        ([&good, &good], None),
    ] {
        let log = MemoryStorage::new([copies[0].as_slice(), copies[1]].concat());
        open_medium(&log, &MemoryStorage::new(Vec::new())).unwrap();
        let events = log.events();
        assert!(matches!(events[0], Event::Sync), "the good copy may not be durable yet");
        let written: Vec<u64> = events
            .iter()
            .filter_map(|event| match event {
                Event::Write { offset, .. } => Some(*offset),
                _ => None,
            })
            .collect();
        assert_eq!(written, Vec::from_iter(mended));
        assert!(matches!(events.last(), Some(Event::Sync)));
        let bytes = log.bytes();
        assert_eq!(bytes[..TAPE_HEADER_BYTES], bytes[TAPE_HEADER_BYTES..]);
    }
}

/// Reads are right, writes are refused, closing works, and the file is as it was.
fn check_read_only(log: &MemoryStorage, medium: &mut Medium<MemoryStorage, MemoryStorage>, before: &[u8]) {
    assert_eq!(contents(medium), whole_blocks());
    medium.cursor = medium.end();
    for result in [medium.write_record(&[1]), medium.write_filemarks(1)] {
        assert!(matches!(result, Err(TapeError::Failed { .. })));
    }
    medium.rewind().unwrap();
    assert!(matches!(medium.erase(), Err(TapeError::Failed { .. })));
    medium.write_filemarks(0).unwrap();
    medium.close().unwrap();
    assert_eq!(log.bytes(), before);
}

#[test]
fn a_torn_tail_that_cannot_be_kept_is_not_cut_and_the_tape_is_readable() {
    let (log, index) = (MemoryStorage::new(torn()), MemoryStorage::new(Vec::new()));
    let open = Log::open("TEST01L8".into(), Path::new("data"), log.clone(), u64::MAX).unwrap();
    let mut medium = Medium::open(open, Some(index.clone()), LIMITS, |_, _| {
        Err(TapeError::DiskFull { tape: "TEST01L8".into(), source: io::ErrorKind::StorageFull.into() })
    })
    .unwrap();
    check_read_only(&log, &mut medium, &torn());
    assert_eq!(index.bytes(), [0_u8; 0], "no index vouches for a tape that is not in order");
    // There is room again.
    let mut real = Real::open(log, index).unwrap();
    real.medium.cursor = real.medium.end();
    real.medium.write_record(&record(4)).unwrap();
    real.medium.close().unwrap();
    assert_eq!(contents(&mut real.medium).len(), 3);
}

#[test]
fn a_disk_that_takes_no_write_still_gives_its_tapes_for_reading() {
    // The first operation is the sync, then the cut and its sync.
    for operations in 0..2 {
        let log = MemoryStorage::new(torn());
        log.fail_after(Some((operations, io::ErrorKind::Other)));
        let mut medium = open_medium(&log, &MemoryStorage::new(Vec::new())).unwrap();
        check_read_only(&log, &mut medium, &torn());
    }
}

#[test]
fn an_overwrite_that_a_crash_interrupted_is_told_and_not_kept_aside() {
    let (log, index) = blank();
    let mut real = Real::open(log.clone(), index).unwrap();
    for byte in 1..=3 {
        real.medium.write_record(&record(byte)).unwrap();
    }
    real.medium.close().unwrap();
    let mut bytes = log.bytes();
    let header = TapeHeader::decode(bytes[..TAPE_HEADER_BYTES].try_into().unwrap()).unwrap();
    let generation_start = DATA_START_BYTES + (bytes.len() as u64 - DATA_START_BYTES) / 3 * 2;
    let newer = TapeHeader { generation: 2, generation_start, ..header };
    bytes[..TAPE_HEADER_BYTES].copy_from_slice(&newer.encode());
    let log = MemoryStorage::new(bytes);
    let kept = Cell::new(false);
    let mut blocks = Vec::new();
    let told = logged(|| {
        let open = Log::open("TEST01L8".into(), Path::new("data"), log.clone(), u64::MAX).unwrap();
        let keep = |_: &MemoryStorage, _: &_| {
            kept.set(true);
            Ok(())
        };
        let mut medium = Medium::open(open, None::<MemoryStorage>, LIMITS, keep).unwrap();
        medium.rewind().unwrap();
        let mut buffer = record(0);
        for _ in 0..2 {
            medium.read_record(&mut buffer).unwrap();
            blocks.push(Some(Block::Record(buffer.clone())));
        }
        assert!(medium.is_at_end_of_data());
    });
    assert_eq!(blocks, whole_blocks());
    assert!(!kept.get() && told.contains("interrupted an overwrite") && told.contains("TEST01L8"), "{told}");
    assert_eq!(log.len().unwrap(), generation_start);
}

/// What `run` logs.
fn logged(run: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, run);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}
