//! Bytes rot, and files are written by others than us: what is damaged is reported where it stands, the rest stays
//! readable, and no length in a file is believed.

use proptest::prelude::*;

use super::memory::MemoryStorage;
use super::model::{Block, Operation, Real, contents, payload};
use crate::tape::error::TapeError;
use crate::tape::format::{DATA_START_BYTES, Kind, RECORD_HEADER_BYTES, RecordHeader, TapeHeader};
use crate::tape::medium::ReadOutcome;
use crate::tape::position::Position;
use crate::tape::seek::{Spaced, Stop};

/// A closed tape: its files and what stands on it.
struct Sample {
    log: Vec<u8>,
    index: Vec<u8>,
    blocks: Vec<Block>,
    /// Where each block starts in the log, and where the last one ends.
    offsets: Vec<usize>,
}

fn sample(lengths: &[usize]) -> Sample {
    let (log, index) = super::blank();
    let mut real = Real::open(log.clone(), index.clone()).unwrap();
    let (mut blocks, mut offsets) = (Vec::new(), Vec::new());
    for (number, length) in lengths.iter().enumerate() {
        offsets.push(usize::try_from(real.medium.end().offset).unwrap());
        if *length == 0 {
            real.medium.write_filemarks(1).unwrap();
            blocks.push(Block::Mark);
        } else {
            let bytes = payload(&Operation::Write(*length), number);
            real.medium.write_record(&bytes).unwrap();
            blocks.push(Block::Record(bytes));
        }
    }
    real.medium.close().unwrap();
    offsets.push(usize::try_from(real.medium.end().offset).unwrap());
    Sample { log: log.bytes(), index: index.bytes(), blocks, offsets }
}

fn open(log: Vec<u8>, index: Vec<u8>) -> Real {
    Real::open(MemoryStorage::new(log), MemoryStorage::new(index)).unwrap()
}

impl Sample {
    /// Whether the block stands in bytes that `damaged` touches.
    fn is_hit(&self, number: usize, damaged: &std::ops::Range<usize>) -> bool {
        self.offsets[number] < damaged.end && damaged.start < self.offsets[number + 1]
    }

    /// Every block outside `damaged` is there, at its place, however one gets to it; inside it is right or refused.
    fn check(&self, real: &mut Real, damaged: &std::ops::Range<usize>) {
        let found = contents(&mut real.medium);
        for (number, block) in self.blocks.iter().enumerate() {
            match found.get(number) {
                Some(Some(found)) => assert_eq!(found, block, "block {number}"),
                _ => assert!(self.is_hit(number, damaged), "block {number} is lost, {damaged:?} was damaged"),
            }
        }
        assert!(found.len() <= self.blocks.len());
        let mut buffer = vec![0; 8192];
        for number in (0..self.blocks.len()).rev().filter(|number| !self.is_hit(*number, damaged)) {
            assert_eq!(real.medium.locate_block(number as u64).unwrap(), Stop::Complete);
            assert_eq!(real.medium.position().block, number as u64);
            let expected = match &self.blocks[number] {
                Block::Record(bytes) => ReadOutcome::Record { length: bytes.len() },
                Block::Mark => ReadOutcome::Filemark,
            };
            assert_eq!(real.medium.read_record(&mut buffer).unwrap(), expected);
        }
    }
}

#[test]
fn a_flipped_bit_costs_at_most_the_record_it_is_in() {
    let sample = sample(&[80, 0, 5, 130, 0, 0, 64, 3]);
    for at in 0..sample.log.len() {
        // In the headers' padding one bit a byte tells as much as eight.
        let bits = if at < sample.offsets[0] { 1 } else { 8 };
        for bit in 0..bits {
            let mut log = sample.log.clone();
            log[at] ^= 1 << bit;
            let mut real = open(log.clone(), sample.index.clone());
            sample.check(&mut real, &(at..at + 1));
            assert_eq!(real.medium.end().position.block, 8, "the index knows where the end was");
            sample.check(&mut open(log, Vec::new()), &(at..at + 1));
        }
    }
}

#[test]
fn a_damaged_index_changes_nothing() {
    let sample = sample(&[900, 900, 0, 900, 900, 900, 0, 900]);
    for at in 0..sample.index.len() {
        let mut index = sample.index.clone();
        index[at] ^= 1 << (at % 8);
        sample.check(&mut open(sample.log.clone(), index), &(0..0));
    }
    for length in (0..sample.index.len()).step_by(97) {
        sample.check(&mut open(sample.log.clone(), sample.index[..length].to_vec()), &(0..0));
    }
}

#[test]
fn an_index_of_another_time_changes_nothing() {
    let early = sample(&[900, 900, 0, 900]);
    let late = sample(&[900, 900, 0, 900, 900, 900, 0, 900]);
    late.check(&mut open(late.log.clone(), early.index.clone()), &(0..0));
    early.check(&mut open(early.log.clone(), late.index), &(0..0));
}

#[test]
fn entries_that_lie_are_found_out() {
    let sample = sample(&[700; 400]);
    let other = self::sample(&[500; 560]);
    // Sound pages, but about another log: only the header page is right.
    let mut index = sample.index.clone();
    let length = index.len().min(other.index.len());
    index[4096..length].copy_from_slice(&other.index[4096..length]);
    sample.check(&mut open(sample.log.clone(), index), &(0..0));
}

#[test]
fn spacing_goes_past_damage() {
    let sample = sample(&[100, 100, 0, 100, 100, 0, 100]);
    let mut log = sample.log.clone();
    log[sample.offsets[2] + 9] ^= 4; // the first filemark's header
    log[sample.offsets[4] + RECORD_HEADER_BYTES] ^= 1; // a record's payload
    let medium = &mut open(log, sample.index).medium;
    let complete = |moved| Spaced { moved, stop: Stop::Complete };
    assert_eq!(medium.space_filemarks(1).unwrap(), complete(1));
    assert_eq!(medium.position(), Position { block: 3, file: 1, block_in_file: 0 });
    assert_eq!(medium.space_records(2).unwrap(), complete(2));
    assert_eq!(medium.space_records(-1).unwrap(), complete(1));
    let error = medium.read_record(&mut [0; 100]).unwrap_err();
    let expected = Position { block: 4, file: 1, block_in_file: 1 };
    assert!(matches!(error, TapeError::Medium { position, .. } if position == expected), "{error}");
    assert_eq!(medium.position(), Position { block: 5, file: 1, block_in_file: 2 });
    assert_eq!(medium.locate_file(2).unwrap(), Stop::Complete);
    assert_eq!(medium.position().block, 6);
    assert_eq!(medium.space_filemarks(-2).unwrap(), complete(2));
    assert_eq!(medium.position(), Position { block: 2, file: 0, block_in_file: 2 });
    assert!(matches!(medium.read_record(&mut []), Err(TapeError::Medium { .. })));
    assert_eq!(medium.position(), Position { block: 3, file: 1, block_in_file: 0 });
}

#[test]
fn a_write_on_a_damaged_record_heals_the_tape() {
    let sample = sample(&[100, 100, 100, 100]);
    let mut log = sample.log.clone();
    log[sample.offsets[1]..sample.offsets[3]].fill(0);
    let real = &mut open(log, sample.index.clone());
    assert_eq!(real.medium.locate_block(2).unwrap(), Stop::Complete);
    real.medium.write_record(b"new").unwrap();
    // Two records were lost in one run of damage; where the second began, nobody knows any more.
    assert_eq!(real.medium.position(), Position { block: 2, file: 0, block_in_file: 2 });
    let expected = [sample.blocks[0].clone(), Block::Record(b"new".to_vec())].map(Some);
    assert_eq!(contents(&mut real.medium), expected);
}

#[test]
fn records_inside_a_payload_are_not_taken_for_the_tapes_own() {
    // The tape's own file is backed up to the tape, and the header of that record is then damaged.
    let inner = sample(&[40, 0, 56, 8, 0]);
    let (log, index) = super::blank();
    let mut real = Real::open(log.clone(), index).unwrap();
    let image = &inner.log[inner.offsets[0]..];
    for record in [&b"first"[..], image, b"second", b"third"] {
        real.medium.write_record(record).unwrap();
    }
    real.medium.close().unwrap();
    let mut log = log.bytes();
    let second = inner.offsets[0] + 72;
    log[second + 20] ^= 1;
    for index in [real.index.bytes(), Vec::new()] {
        let found = contents(&mut open(log.clone(), index).medium);
        assert_eq!(found[0], Some(Block::Record(b"first".to_vec())));
        assert_eq!(found[1], None);
        assert_eq!(found[2..], [&b"second"[..], b"third"].map(|bytes| Some(Block::Record(bytes.to_vec()))));
    }
}

#[test]
fn lengths_in_a_file_size_nothing() {
    let sample = sample(&[100, 100]);
    let header_bytes = usize::try_from(DATA_START_BYTES).unwrap() / 2;
    let header = TapeHeader::decode(sample.log[..header_bytes].try_into().unwrap()).unwrap();
    for length in [0, 1, 99, 101, 1 << 24, u32::MAX - 56, u32::MAX] {
        for (logical, stored) in [(length, length), (length, 100), (100, length)] {
            let hostile = RecordHeader {
                kind: Kind::Data,
                codec: 0,
                generation: 1,
                position: Position { block: 1, file: 0, block_in_file: 1 },
                logical_bytes: logical,
                stored_bytes: stored,
                payload_sum: 0,
            };
            let mut log = sample.log.clone();
            let at = sample.offsets[1];
            log[at..at + RECORD_HEADER_BYTES].copy_from_slice(&hostile.encode(header.checksum_seed()));
            let mut real = open(log, sample.index.clone());
            sample.check(&mut real, &(at..at + 1));
        }
    }
}

#[test]
fn an_unknown_codec_is_named_and_passed() {
    let sample = sample(&[100, 100]);
    let header = TapeHeader::decode(sample.log[..4096].try_into().unwrap()).unwrap();
    let (seed, at) = (header.checksum_seed(), sample.offsets[0]);
    let mut log = sample.log.clone();
    let record = RecordHeader::decode(seed, log[at..at + RECORD_HEADER_BYTES].try_into().unwrap()).unwrap();
    let newer = RecordHeader { codec: 9, ..record }.encode(seed);
    log[at..at + RECORD_HEADER_BYTES].copy_from_slice(&newer);
    let medium = &mut open(log, sample.index).medium;
    assert!(matches!(medium.read_record(&mut [0; 9]), Err(TapeError::UnknownCodec { codec: 9, .. })));
    assert_eq!(medium.read_record(&mut [0; 9]).unwrap(), ReadOutcome::Record { length: 100 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_stretch_costs_only_what_it_touches(
        lengths in proptest::collection::vec(prop_oneof![Just(0usize), 1..40usize, 1..3000usize], 1..20),
        start in any::<prop::sample::Index>(),
        length in 1usize..4000,
        fill in prop_oneof![Just(None), any::<u8>().prop_map(Some)],
    ) {
        let sample = sample(&lengths);
        let first = sample.offsets[0];
        let start = first + start.index(sample.log.len() - first);
        let damaged = start..(start + length).min(sample.log.len());
        let mut log = sample.log.clone();
        for (number, byte) in log[damaged.clone()].iter_mut().enumerate() {
            *byte = fill.unwrap_or_else(|| byte.wrapping_mul(7).wrapping_add(u8::try_from(number % 256).unwrap()));
        }
        sample.check(&mut open(log.clone(), sample.index.clone()), &damaged);
        // Without an index what is damaged up to the end is a torn tail; before that all stays.
        sample.check(&mut open(log, Vec::new()), &damaged);
    }

    #[test]
    fn bytes_that_are_no_tape_are_refused_or_empty(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
        let log = MemoryStorage::new(bytes);
        prop_assert!(Real::open(log, MemoryStorage::new(Vec::new())).is_err());
    }
}
