//! Lending records instead of reading them: the same records, the same refusals, the same positions.

use proptest::prelude::*;

use super::memory::MemoryStorage;
use super::model::{Block, Operation, Real, contents, payload};
use crate::tape::error::TapeError;
use crate::tape::medium::{Medium, ReadOutcome};
use crate::tape::seek::Stop;

type Tape = Medium<MemoryStorage, MemoryStorage>;

/// A tape with records of these lengths, 0 for a mark, not yet flushed.
fn written(lengths: &[usize]) -> Real {
    let (log, index) = super::blank();
    let mut real = Real::open(log, index).unwrap();
    for (number, length) in lengths.iter().enumerate() {
        if *length == 0 {
            real.medium.write_filemarks(1).unwrap();
        } else {
            real.medium.write_record(&payload(&Operation::Write(*length), number)).unwrap();
        }
    }
    real
}

fn lent(tape: &Tape) -> Vec<Vec<u8>> {
    tape.log.lent().records().map(<[u8]>::to_vec).collect()
}

/// Reads the whole tape as a pump does: what is lent, as many at a time as `passes` says, else one record.
fn contents_lent(
    tape: &mut Tape,
    limit: usize,
    bytes_max: u64,
    passes: &[prop::sample::Index],
) -> Vec<Option<Block>> {
    tape.rewind().unwrap();
    let mut passes = passes.iter().cycle();
    let mut buffer = vec![0; 1 << 20];
    let mut blocks = Vec::new();
    loop {
        assert_eq!(tape.position().block, blocks.len() as u64);
        let count = tape.lend_records(limit, bytes_max);
        let records = lent(tape);
        assert_eq!(records.len(), count);
        if count > 0 {
            assert!(records.iter().map(Vec::len).sum::<usize>() as u64 <= bytes_max);
            assert!(records.iter().all(|record| record.len() <= limit));
            let passed = passes.next().unwrap().index(count) + 1;
            let bytes: usize = records[..passed].iter().map(Vec::len).sum();
            assert_eq!(tape.pass_lent(passed), bytes as u64);
            assert!(lent(tape).is_empty());
            blocks.extend(records.into_iter().take(passed).map(|record| Some(Block::Record(record))));
            continue;
        }
        match tape.read_record(&mut buffer) {
            Ok(ReadOutcome::Record { length }) => blocks.push(Some(Block::Record(buffer[..length].to_vec()))),
            Ok(ReadOutcome::Filemark) => blocks.push(Some(Block::Mark)),
            Ok(ReadOutcome::EndOfData) => return blocks,
            Err(TapeError::Medium { .. }) => blocks.push(None),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_run_ends_in_front_of_what_is_not_usual() {
    let mut real = written(&[100, 100, 0, 100, 300, 100]);
    real.medium.rewind().unwrap();
    let tape = &mut real.medium;
    assert_eq!(tape.lend_records(200, u64::MAX), 2, "a filemark is next");
    assert_eq!(tape.pass_lent(2), 200);
    assert_eq!(tape.lend_records(200, u64::MAX), 0);
    assert_eq!(tape.read_record(&mut []).unwrap(), ReadOutcome::Filemark);
    assert_eq!(tape.lend_records(200, u64::MAX), 1, "a longer record is next");
    tape.pass_lent(1);
    assert_eq!(tape.lend_records(200, u64::MAX), 0);
    assert_eq!((tape.lend_records(300, u64::MAX), tape.position().block), (2, 4));
    assert_eq!(tape.lend_records(300, 399), 1, "the second would be too much");
    assert_eq!(tape.lend_records(300, 299), 0);
    assert_eq!(tape.lend_records(300, 400), 2);
    tape.pass_lent(2);
    assert_eq!((tape.lend_records(300, 400), tape.is_at_end_of_data()), (0, true));
}

#[test]
fn records_that_are_not_in_the_file_yet_are_read_not_lent() {
    let mut real = written(&[100, 100]);
    assert_eq!(real.medium.locate_block(0).unwrap(), Stop::Complete);
    assert_eq!(real.medium.lend_records(100, u64::MAX), 0);
    assert_eq!(real.medium.read_record(&mut [0; 100]).unwrap(), ReadOutcome::Record { length: 100 });
    real.medium.rewind().unwrap();
    assert_eq!(real.medium.lend_records(100, u64::MAX), 2);
}

#[test]
fn what_is_lent_is_forgotten_when_the_tape_is_used_otherwise() {
    let mut real = written(&[3000, 3000, 3000]);
    real.medium.rewind().unwrap();
    assert_eq!(real.medium.lend_records(3000, u64::MAX), 1, "the second one is not whole in the window");
    real.medium.locate_block(2).unwrap();
    real.medium.read_record(&mut []).unwrap();
    assert!(lent(&real.medium).is_empty());
    assert_eq!((real.medium.pass_lent(1), real.medium.position().block), (0, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn lent_records_are_those_that_are_read(
        lengths in prop::collection::vec(
            prop_oneof![1 => Just(0_usize), 4 => Just(500), 4 => 1..700_usize, 1 => 3000..9000_usize], 1..40),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u32), 0..4),
        limit in prop_oneof![Just(500_usize), 1..9000_usize],
        bytes_max in prop_oneof![Just(u64::MAX), 1..9000_u64],
        passes in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
    ) {
        let mut real = written(&lengths);
        real.medium.close().unwrap();
        let (mut log, index) = (real.log.bytes(), real.index.bytes());
        let first = 8192;
        for (place, bit) in &flips {
            let at = first + place.index(log.len() - first);
            log[at] ^= 1 << bit;
        }
        let open = || Real::open(MemoryStorage::new(log.clone()), MemoryStorage::new(index.clone())).unwrap();
        let expected = contents(&mut open().medium);
        prop_assert_eq!(contents_lent(&mut open().medium, limit, bytes_max, &passes), expected);
    }
}
