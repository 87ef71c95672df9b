//! How much fits, what a full disk does, and what write protection and WORM refuse.

use std::io;

use super::memory::MemoryStorage;
use super::model::{Block, Real, contents};
use super::{LIMITS, blank, open_limited};
use crate::tape::error::TapeError;
use crate::tape::format::{DATA_START_BYTES, RECORD_BYTES_MAX};
use crate::tape::medium::{FILEMARK_RESERVE_BYTES, Limits, Medium, early_warning_bytes};
use crate::tape::position::Position;
use crate::tape::seek::Stop;

fn limited(limits: Limits) -> Medium<MemoryStorage, MemoryStorage> {
    let (log, index) = blank();
    open_limited(&log, &index, limits).unwrap()
}

#[test]
fn early_warning_begins_a_fiftieth_before_the_end_within_bounds() {
    for (capacity, expected) in [
        (0, 0),
        (1000, 250),
        (1 << 20, 1 << 18),
        (8 << 20, 1 << 20),
        (100 << 20, 2 << 20),
        (1 << 40, 512 << 20),
        (u64::MAX, 512 << 20),
    ] {
        assert_eq!(early_warning_bytes(capacity), expected, "of {capacity}");
    }
}

#[test]
fn a_full_tape_takes_no_record_but_still_filemarks() {
    // Ten records of 936 + 64 bytes, and not one byte more.
    let mut medium = limited(Limits { capacity_bytes: 10_000, ..LIMITS });
    let mut warned = Vec::new();
    for _ in 0..10 {
        medium.write_record(&[1; 936]).unwrap();
        warned.push(medium.is_early_warning(medium.cursor));
    }
    assert_eq!(warned.iter().filter(|warned| !**warned).count(), 7);
    assert_eq!(medium.used_bytes(), 10_000);
    assert!(matches!(medium.write_record(&[1]), Err(TapeError::EndOfMedium { capacity_bytes: 10_000, .. })));
    assert_eq!(medium.end().position.block, 10);
    let marks = u32::try_from(FILEMARK_RESERVE_BYTES / 64).unwrap();
    assert!(matches!(medium.write_filemarks(marks + 1), Err(TapeError::EndOfMedium { .. })));
    medium.write_filemarks(marks).unwrap();
    assert!(matches!(medium.write_filemarks(1), Err(TapeError::EndOfMedium { .. })));
    medium.write_filemarks(0).unwrap();
    // Overwriting makes room; a refused overwrite destroys nothing.
    medium.rewind().unwrap();
    assert!(matches!(medium.write_record(&[1; 9937]), Err(TapeError::EndOfMedium { .. })));
    assert_eq!(medium.end().position.file, u64::from(marks));
    medium.write_record(&[1; 9936]).unwrap();
    assert_eq!(medium.end().position, Position { block: 1, file: 0, block_in_file: 1 });
    assert_eq!(medium.header().generation, 2);
}

#[test]
fn records_have_1_to_16777215_bytes() {
    let mut medium = limited(LIMITS);
    for length in [0, RECORD_BYTES_MAX + 1] {
        let result = medium.write_record(&vec![0; length]);
        assert!(matches!(result, Err(TapeError::RecordLength { length: refused, .. }) if refused == length));
    }
    medium.write_record(&vec![0; RECORD_BYTES_MAX]).unwrap();
    medium.write_record(&[0]).unwrap();
    assert_eq!(medium.end().position.block, 2);
}

#[test]
fn write_protection_refuses_all_that_changes_data() {
    let mut medium = limited(Limits { write_protected: true, ..LIMITS });
    assert!(matches!(medium.write_record(&[1]), Err(TapeError::WriteProtected { .. })));
    assert!(matches!(medium.write_filemarks(1), Err(TapeError::WriteProtected { .. })));
    assert!(matches!(medium.erase(), Err(TapeError::WriteProtected { .. })));
    medium.write_filemarks(0).unwrap();
}

#[test]
fn worm_appends_and_nothing_else() {
    let mut medium = limited(Limits { worm: true, ..LIMITS });
    medium.write_record(&[1]).unwrap();
    medium.write_filemarks(1).unwrap();
    medium.rewind().unwrap();
    assert!(matches!(medium.write_record(&[2]), Err(TapeError::WormOverwrite { .. })));
    assert!(matches!(medium.write_filemarks(1), Err(TapeError::WormOverwrite { .. })));
    assert!(matches!(medium.erase(), Err(TapeError::WormOverwrite { .. })));
    assert_eq!(medium.locate_block(u64::MAX).unwrap(), Stop::EndOfData);
    medium.write_record(&[3]).unwrap();
    assert_eq!((medium.end().position.block, medium.header().generation), (3, 1));
}

#[test]
fn a_write_of_no_filemarks_destroys_nothing() {
    let mut medium = limited(LIMITS);
    medium.write_record(&[1]).unwrap();
    medium.rewind().unwrap();
    medium.write_filemarks(0).unwrap();
    assert_eq!((medium.end().position.block, medium.header().generation), (1, 1));
}

/// Fills a disk of `room` bytes with records; returns how many were accepted.
fn fill(room: u64, can_reserve: bool) -> (Real, MemoryStorage, usize) {
    let (log, index) = blank();
    log.fill_up_at(Some(DATA_START_BYTES + room), can_reserve);
    let mut real = Real::open(log.clone(), index).unwrap();
    let mut accepted = 0;
    loop {
        match real.medium.write_record(&[7; 936]) {
            Ok(()) => accepted += 1,
            Err(TapeError::DiskFull { .. }) => return (real, log, accepted),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_full_disk_is_an_early_end_with_room_for_filemarks() {
    let (mut real, log, accepted) = fill(100_000 + FILEMARK_RESERVE_BYTES, true);
    assert_eq!(accepted, 100);
    assert!(
        real.medium.is_early_warning(real.medium.cursor),
        "a nearly full disk warns as a tape's end does"
    );
    assert!(matches!(real.medium.write_record(&[7; 936]), Err(TapeError::DiskFull { .. })));
    real.medium.write_filemarks(2).unwrap();
    real.medium.close().unwrap();
    let mut real = Real::open(log, MemoryStorage::new(Vec::new())).unwrap();
    let found = contents(&mut real.medium);
    assert_eq!(found.len(), 102);
    assert!(found[..100].iter().all(|block| *block == Some(Block::Record(vec![7; 936]))));
}

#[test]
fn where_space_cannot_be_reserved_a_full_disk_still_loses_no_accepted_record() {
    let (mut real, log, accepted) = fill(100_300, false);
    assert!((95..=104).contains(&accepted), "{accepted}");
    assert!(matches!(real.medium.write_filemarks(2), Err(TapeError::DiskFull { .. })), "and says so");
    assert_eq!(real.medium.end().position.file, 0, "the refused filemarks are not on the tape");
    // Space appears: what was accepted is still there to be written.
    log.fill_up_at(None, false);
    real.medium.write_filemarks(0).unwrap();
    drop(real);
    let mut real = Real::open(log, MemoryStorage::new(Vec::new())).unwrap();
    assert_eq!(contents(&mut real.medium), vec![Some(Block::Record(vec![7; 936])); accepted]);
}

/// Not one of the marks of a refused request stays behind, whether the space ran out while it was reserved, or while
/// marks and what was buffered before them were written.
#[test]
fn filemarks_that_a_full_disk_refuses_leave_nothing_of_themselves() {
    // How many marks there is room for, and how many are asked for: the last case fails when some are in the file.
    for (can_reserve, already_flushed, room, asked) in
        [(true, 0, 3, 40), (false, 0, 3, 40), (false, 3, 3, 40), (false, 3, 70, 100)]
    {
        let (log, index) = blank();
        let mut real = Real::open(log.clone(), index).unwrap();
        // Buffered until 4 KiB have come together; the marks are written along with them.
        for _ in 0..already_flushed {
            real.medium.write_record(&[1; 1280]).unwrap();
        }
        real.medium.write_record(&[2; 800]).unwrap();
        let before = real.medium.end();
        log.fill_up_at(Some(before.offset + room * 64), can_reserve);
        if can_reserve {
            // What the record reserved is given back, so that the marks have to ask.
            real.medium.sync().unwrap();
            real.medium.log.release_reserve().unwrap();
        }
        for _ in 0..2 {
            assert!(matches!(real.medium.write_filemarks(asked), Err(TapeError::DiskFull { .. })));
            assert_eq!((real.medium.end(), real.medium.cursor), (before, before));
        }
        real.medium.write_filemarks(2).unwrap();
        real.medium.close().unwrap();
        let mut real = Real::open(log, MemoryStorage::new(Vec::new())).unwrap();
        let found = contents(&mut real.medium);
        assert_eq!(found.len(), already_flushed + 3);
        assert_eq!(found[already_flushed], Some(Block::Record(vec![2; 800])));
        assert_eq!(found[already_flushed + 1..], [Some(Block::Mark), Some(Block::Mark)]);
    }
}

#[test]
fn an_error_of_the_disk_sticks_until_the_tape_is_opened_again() {
    let (log, index) = blank();
    let mut real = Real::open(log.clone(), index.clone()).unwrap();
    real.medium.write_record(&[1; 100]).unwrap();
    real.medium.sync().unwrap();
    real.medium.write_record(&[2; 100]).unwrap();
    log.fail_after(Some((0, io::ErrorKind::Other)));
    assert!(matches!(real.medium.write_filemarks(0), Err(TapeError::Io { .. })));
    log.fail_after(None);
    for _ in 0..2 {
        assert!(matches!(real.medium.sync(), Err(TapeError::Failed { .. })));
        assert!(matches!(real.medium.write_record(&[3]), Err(TapeError::Failed { .. })));
        assert!(matches!(real.medium.erase(), Err(TapeError::Failed { .. })));
    }
    assert!(matches!(real.medium.rewind(), Err(TapeError::Failed { .. })));
    assert_eq!(real.medium.position(), Position::BEGINNING);
    drop(real);
    let mut real = Real::open(log, index).unwrap();
    real.medium.write_record(&[3; 10]).unwrap();
    assert_eq!(contents(&mut real.medium), [Some(Block::Record(vec![3; 10]))]);
}
