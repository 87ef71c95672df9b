//! The simplest tape there is, a list of records and marks, and the real one beside it: every operation is done to
//! both and must give the same answer, position included.

use proptest::prelude::*;

use super::memory::MemoryStorage;
use super::open_medium;
use crate::tape::codec::Compression;
use crate::tape::error::TapeError;
use crate::tape::medium::{Medium, ReadOutcome};
use crate::tape::position::Position;
use crate::tape::seek::{Spaced, Stop};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Record(Vec<u8>),
    Mark,
}

/// A tape as a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) blocks: Vec<Block>,
    pub(super) at: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Write(usize),
    Marks(u32),
    Read(usize),
    SpaceRecords(i64),
    SpaceMarks(i64),
    LocateBlock(u64),
    LocateFile(u64),
    LocateEnd,
    Rewind,
    Erase,
    Sync,
    Reopen,
    LoseIndex,
}

/// What an operation answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Spaced(Spaced),
    Stopped(Stop),
    Read(ReadOutcome, Vec<u8>),
}

impl Model {
    pub(super) fn position(&self) -> Position {
        let before = &self.blocks[..self.at];
        let file = before.iter().filter(|block| **block == Block::Mark).count();
        let in_file = before.iter().rev().take_while(|block| **block != Block::Mark).count();
        Position { block: self.at as u64, file: file as u64, block_in_file: in_file as u64 }
    }

    pub(super) fn apply(&mut self, operation: &Operation, payload: &[u8]) -> Answer {
        match *operation {
            Operation::Write(_) => self.push(Block::Record(payload.to_vec())),
            Operation::Marks(count) => (0..count).for_each(|_| self.push(Block::Mark)),
            Operation::Read(length) => return self.read(length),
            Operation::SpaceRecords(count) => return Answer::Spaced(self.space_records(count)),
            Operation::SpaceMarks(count) => return Answer::Spaced(self.space_marks(count)),
            Operation::LocateBlock(block) => {
                let end = self.blocks.len() as u64;
                self.at = usize::try_from(block.min(end)).unwrap();
                return Answer::Stopped(if block > end { Stop::EndOfData } else { Stop::Complete });
            }
            Operation::LocateFile(file) => {
                self.at = 0;
                let spaced = self.space_marks(i64::try_from(file).unwrap_or(i64::MAX));
                return Answer::Stopped(spaced.stop);
            }
            Operation::LocateEnd => self.at = self.blocks.len(),
            Operation::Rewind | Operation::Reopen | Operation::LoseIndex => self.at = 0,
            Operation::Erase => self.blocks.truncate(self.at),
            Operation::Sync => {}
        }
        Answer::Done
    }

    fn push(&mut self, block: Block) {
        self.blocks.truncate(self.at);
        self.blocks.push(block);
        self.at += 1;
    }

    fn read(&mut self, length: usize) -> Answer {
        let Some(block) = self.blocks.get(self.at) else {
            return Answer::Read(ReadOutcome::EndOfData, Vec::new());
        };
        self.at += 1;
        match block {
            Block::Mark => Answer::Read(ReadOutcome::Filemark, Vec::new()),
            Block::Record(bytes) => {
                let copied = bytes[..length.min(bytes.len())].to_vec();
                Answer::Read(ReadOutcome::Record { length: bytes.len() }, copied)
            }
        }
    }

    fn space_records(&mut self, count: i64) -> Spaced {
        let mut moved = 0;
        while moved < count.unsigned_abs() {
            let next = if count > 0 { Some(self.at) } else { self.at.checked_sub(1) };
            let Some(next) = next else { return Spaced { moved, stop: Stop::BeginningOfTape } };
            let Some(block) = self.blocks.get(next) else { return Spaced { moved, stop: Stop::EndOfData } };
            self.at = if count > 0 { next + 1 } else { next };
            if *block == Block::Mark {
                return Spaced { moved, stop: Stop::Filemark };
            }
            moved += 1;
        }
        Spaced { moved, stop: Stop::Complete }
    }

    fn space_marks(&mut self, count: i64) -> Spaced {
        let mut moved = 0;
        while moved < count.unsigned_abs() {
            let next = if count > 0 { Some(self.at) } else { self.at.checked_sub(1) };
            let Some(next) = next else { return Spaced { moved, stop: Stop::BeginningOfTape } };
            let Some(block) = self.blocks.get(next) else { return Spaced { moved, stop: Stop::EndOfData } };
            self.at = if count > 0 { next + 1 } else { next };
            moved += u64::from(*block == Block::Mark);
        }
        Spaced { moved, stop: Stop::Complete }
    }
}

/// The real tape, on storage that tests can look into.
pub(super) struct Real {
    pub(super) log: MemoryStorage,
    pub(super) index: MemoryStorage,
    pub(super) medium: Medium<MemoryStorage, MemoryStorage>,
    compression: Compression,
}

impl Real {
    pub(super) fn open(log: MemoryStorage, index: MemoryStorage) -> Result<Real, TapeError> {
        Real::open_with(log, index, Compression::None)
    }

    pub(super) fn open_with(
        log: MemoryStorage,
        index: MemoryStorage,
        compression: Compression,
    ) -> Result<Real, TapeError> {
        let mut medium = open_medium(&log, &index)?;
        medium.set_compression(compression)?;
        Ok(Real { log, index, medium, compression })
    }

    fn reopen(&mut self) -> Result<(), TapeError> {
        self.medium.close()?;
        let (log, index) = (self.log.clone(), self.index.clone());
        *self = Real::open_with(log, index, self.compression)?;
        Ok(())
    }

    pub(super) fn apply(&mut self, operation: &Operation, payload: &[u8]) -> Result<Answer, TapeError> {
        let medium = &mut self.medium;
        match *operation {
            Operation::Write(_) => medium.write_record(payload)?,
            Operation::Marks(count) => medium.write_filemarks(count)?,
            Operation::Read(length) => {
                let mut buffer = vec![0xEE; length];
                let outcome = medium.read_record(&mut buffer)?;
                let copied = if let ReadOutcome::Record { length } = outcome { length } else { 0 };
                assert!(buffer.iter().skip(copied).all(|byte| *byte == 0xEE), "bytes behind the record");
                buffer.truncate(copied);
                return Ok(Answer::Read(outcome, buffer));
            }
            Operation::SpaceRecords(count) => return medium.space_records(count).map(Answer::Spaced),
            Operation::SpaceMarks(count) => return medium.space_filemarks(count).map(Answer::Spaced),
            Operation::LocateBlock(block) => return medium.locate_block(block).map(Answer::Stopped),
            Operation::LocateFile(file) => return medium.locate_file(file).map(Answer::Stopped),
            Operation::LocateEnd => medium.locate_end()?,
            Operation::Rewind => medium.rewind()?,
            Operation::Erase => medium.erase()?,
            Operation::Sync => medium.sync()?,
            Operation::Reopen => self.reopen()?,
            Operation::LoseIndex => {
                medium.close()?;
                self.index = MemoryStorage::new(Vec::new());
                self.reopen()?;
            }
        }
        Ok(Answer::Done)
    }
}

/// The payload of the `number`th operation: different for each, so that no record passes for another. Every third one
/// is noise, which no compression makes shorter.
pub(super) fn payload(operation: &Operation, number: usize) -> Vec<u8> {
    let Operation::Write(length) = *operation else { return Vec::new() };
    if number % 3 == 2 {
        return noise(length, number as u64);
    }
    (0..length).map(|at| u8::try_from((at * 7 + number * 31 + length) % 251).unwrap()).collect()
}

pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

pub(super) fn compressions() -> impl Strategy<Value = Compression> {
    prop_oneof![Just(Compression::None), Just(Compression::Zstd), Just(Compression::Lz4)]
}

pub(super) fn operations(count: usize) -> impl Strategy<Value = Vec<Operation>> {
    let length = prop_oneof![8 => 1..100usize, 3 => 100..5000usize, 1 => 100_000..600_000usize];
    let one = prop_oneof![
        12 => length.prop_map(Operation::Write),
        4 => (0..4u32).prop_map(Operation::Marks),
        8 => (0..200usize).prop_map(Operation::Read),
        4 => (-6..7i64).prop_map(Operation::SpaceRecords),
        4 => (-4..5i64).prop_map(Operation::SpaceMarks),
        3 => (0..40u64).prop_map(Operation::LocateBlock),
        3 => (0..8u64).prop_map(Operation::LocateFile),
        4 => Just(Operation::LocateEnd),
        1 => Just(Operation::LocateBlock(u64::MAX)),
        1 => Just(Operation::SpaceRecords(i64::MIN)),
        1 => Just(Operation::SpaceMarks(i64::MAX)),
        2 => Just(Operation::Rewind),
        1 => Just(Operation::Erase),
        1 => Just(Operation::Sync),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::LoseIndex),
    ];
    proptest::collection::vec(one, 1..count)
}

/// Reads a whole tape; `None` stands for a damaged block.
pub(super) fn contents(medium: &mut Medium<MemoryStorage, MemoryStorage>) -> Vec<Option<Block>> {
    medium.rewind().unwrap();
    let mut blocks = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        assert_eq!(medium.position().block, blocks.len() as u64);
        match medium.read_record(&mut buffer) {
            Ok(ReadOutcome::Record { length }) => blocks.push(Some(Block::Record(buffer[..length].to_vec()))),
            Ok(ReadOutcome::Filemark) => blocks.push(Some(Block::Mark)),
            Ok(ReadOutcome::EndOfData) => return blocks,
            Err(TapeError::Medium { .. }) => blocks.push(None),
            Err(other) => panic!("{other}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_operation_answers_as_the_list_does(operations in operations(60), compression in compressions()) {
        let (log, index) = super::blank();
        let mut real = Real::open_with(log, index, compression).unwrap();
        let mut model = Model::default();
        for (number, operation) in operations.iter().enumerate() {
            let payload = payload(operation, number);
            let expected = model.apply(operation, &payload);
            prop_assert_eq!(real.apply(operation, &payload).unwrap(), expected, "{:?}", operation);
            prop_assert_eq!(real.medium.position(), model.position(), "after {:?}", operation);
            prop_assert_eq!(real.medium.is_at_end_of_data(), model.at == model.blocks.len());
        }
        let blocks: Vec<_> = model.blocks.into_iter().map(Some).collect();
        prop_assert_eq!(contents(&mut real.medium), blocks);
    }
}
