//! The model again, on a file that lets calls of every sort fail: with an I/O error, with a full disk or quota, after
//! half a write; once or from then on.
//!
//! Until the first failure every answer is the model's. After it: an answer that is given is right; what a durability
//! point acknowledged is there when the tape is opened again; a full disk loses nothing that was accepted, and an I/O
//! error of a write or sync ends all acknowledging.

use std::io::ErrorKind;

use proptest::prelude::*;

use super::crash::is_durability_point;
use super::memory::{Call, Fault, MemoryStorage};
use super::model::{Block, Model, Operation, Real, contents, operations, payload};
use crate::tape::error::TapeError;
use crate::tape::medium::ReadOutcome;

/// What the model and the tape went through.
struct Trial {
    log: MemoryStorage,
    real: Real,
    model: Model,
    /// What the last durability point acknowledged, and how much of it no request has put at risk since.
    durable: Vec<Block>,
    kept: usize,
}

/// How a life ended.
enum Ending {
    NoFailure,
    /// This operation failed so.
    Failed(Operation, TapeError),
}

impl Trial {
    fn new() -> Trial {
        let (log, index) = super::blank();
        let real = Real::open(log.clone(), index).unwrap();
        Trial { log, real, model: Model::default(), durable: Vec::new(), kept: 0 }
    }

    /// Applies `operations` until one fails, all answers being right until then.
    fn live(&mut self, operations: &[Operation], from: usize) -> Result<Ending, TestCaseError> {
        for (number, operation) in operations.iter().enumerate() {
            let payload = payload(operation, from + number);
            let mut next = self.model.clone();
            let expected = next.apply(operation, &payload);
            match self.real.apply(operation, &payload) {
                Ok(answer) => {
                    prop_assert_eq!(answer, expected, "{:?}", operation);
                    prop_assert_eq!(self.real.medium.position(), next.position(), "after {:?}", operation);
                }
                Err(error) => {
                    if destroys(operation) {
                        self.kept = self.kept.min(self.model.at);
                    }
                    return Ok(Ending::Failed(operation.clone(), error));
                }
            }
            if destroys(operation) {
                self.kept = self.kept.min(self.model.at);
            }
            self.model = next;
            if is_durability_point(operation) {
                (self.durable, self.kept) = (self.model.blocks.clone(), self.model.blocks.len());
            }
        }
        Ok(Ending::NoFailure)
    }

    /// Opens the files anew, without faults, and looks for what was acknowledged.
    fn check_reopened(self) -> Result<(), TestCaseError> {
        self.log.inject(None);
        let Trial { log, real, durable, kept, .. } = self;
        drop(real);
        let mut real = Real::open(log, MemoryStorage::new(Vec::new())).unwrap();
        let found = contents(&mut real.medium);
        prop_assert!(found.len() >= kept, "{} of {kept} acknowledged blocks", found.len());
        for (block, acknowledged) in found.iter().zip(&durable[..kept]) {
            prop_assert_eq!(block.as_ref(), Some(acknowledged));
        }
        prop_assert!(found.iter().all(Option::is_some), "a damaged block");
        real.medium.cursor = real.medium.end();
        prop_assert!(
            real.medium.write_record(b"and on").and_then(|()| real.medium.write_filemarks(1)).is_ok()
        );
        Ok(())
    }

    /// What the tape holds now, read through the medium that has failed. (`contents` would begin with a rewind, which
    /// is a durability point and may fail.)
    fn read_through(&mut self) -> Vec<Block> {
        let _ = self.real.medium.rewind();
        let mut buffer = vec![0; 1 << 20];
        let mut blocks = Vec::new();
        loop {
            match self.real.medium.read_record(&mut buffer).unwrap() {
                ReadOutcome::Record { length } => blocks.push(Block::Record(buffer[..length].to_vec())),
                ReadOutcome::Filemark => blocks.push(Block::Mark),
                ReadOutcome::EndOfData => return blocks,
            }
        }
    }
}

/// Whether an operation removes what stands behind the position, even if it fails later.
fn destroys(operation: &Operation) -> bool {
    matches!(operation, Operation::Write(_) | Operation::Marks(1..) | Operation::Erase)
}

fn is_opening(operation: &Operation) -> bool {
    matches!(operation, Operation::Reopen | Operation::LoseIndex)
}

fn small_operations(count: usize) -> impl Strategy<Value = Vec<Operation>> {
    operations(count).prop_map(|operations| {
        let small = |operation| match operation {
            Operation::Write(length) => Operation::Write(length % 6000 + 1),
            other => other,
        };
        operations.into_iter().map(small).collect()
    })
}

fn no_room() -> impl Strategy<Value = ErrorKind> {
    prop_oneof![Just(ErrorKind::StorageFull), Just(ErrorKind::QuotaExceeded)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// EIO out of a write (half of it done), a cut or a sync: nothing is acknowledged any more, whatever is asked and
    /// although the disk works again, until the tape is opened anew.
    #[test]
    fn after_an_io_error_nothing_is_acknowledged(
        operations in small_operations(40),
        call in prop_oneof![Just(Call::Write), Just(Call::Truncate), Just(Call::Sync)],
        after in 0u32..12,
    ) {
        let mut trial = Trial::new();
        trial.log.inject(Some(Fault { call, after, times: 1, kind: ErrorKind::Other }));
        if let Ending::Failed(operation, error) = trial.live(&operations, 0)? {
            prop_assert!(matches!(error, TapeError::Io { .. } | TapeError::Failed { .. }), "{error}");
            prop_assert_eq!(trial.log.failures(), 1);
            // A tape that could not be closed has been given back; one that could only be opened for reading owes
            // nobody a write.
            if !is_opening(&operation) && !trial.real.medium.log.is_read_only() {
                for _ in 0..2 {
                    for result in [
                        trial.real.medium.write_filemarks(0),
                        trial.real.medium.write_filemarks(2),
                        trial.real.medium.write_record(&[1; 100]),
                        trial.real.medium.sync(),
                        trial.real.medium.erase(),
                        trial.real.medium.rewind(),
                    ] {
                        prop_assert!(matches!(result, Err(TapeError::Failed { .. })), "{:?}", result);
                    }
                }
            }
        }
        trial.check_reopened()?;
    }

    /// No room for a write (half of it done) or a reservation: nothing that was accepted is lost, all is readable
    /// through the same handle, nothing of the refused request is there, and once there is room the rest follows.
    #[test]
    fn a_full_disk_loses_nothing_accepted(
        first in small_operations(30),
        second in small_operations(10),
        call in prop_oneof![Just(Call::Write), Just(Call::Reserve)],
        after in 0u32..10,
        times in prop_oneof![Just(1), Just(3), Just(u32::MAX)],
        kind in no_room(),
    ) {
        let mut trial = Trial::new();
        trial.log.inject(Some(Fault { call, after, times, kind }));
        let ending = trial.live(&first, 0)?;
        trial.log.inject(None);
        match ending {
            Ending::Failed(operation, TapeError::DiskFull { .. }) if !is_opening(&operation) => {
                let accepted = if destroys(&operation) {
                    // An overwrite may have destroyed what stood there before the disk was full.
                    &trial.model.blocks[..trial.model.at]
                } else {
                    &trial.model.blocks[..]
                };
                let accepted = accepted.to_vec();
                let found = trial.read_through();
                prop_assert!(
                    found == accepted || found == trial.model.blocks,
                    "{} blocks, not {} or {}", found.len(), accepted.len(), trial.model.blocks.len()
                );
                trial.model = Model { at: 0, blocks: found };
                prop_assert!(trial.real.medium.rewind().is_ok(), "there is room again");
                (trial.durable, trial.kept) = (trial.model.blocks.clone(), trial.model.blocks.len());
                prop_assert!(matches!(trial.live(&second, first.len())?, Ending::NoFailure));
            }
            // The header of a new generation could not be written: a full disk cannot do that, a failing one can.
            Ending::Failed(operation, error) => {
                let sticks = matches!(error, TapeError::Io { .. } | TapeError::Failed { .. });
                prop_assert!(sticks || is_opening(&operation), "{operation:?}: {error}");
            }
            Ending::NoFailure => {}
        }
        trial.check_reopened()?;
    }

    /// The disk says that it is full, or fails, when it is to reserve room: refused, not stuck.
    #[test]
    fn a_refused_reservation_changes_nothing(operations in small_operations(30), after in 0u32..6, is_full: bool) {
        let mut trial = Trial::new();
        let kind = if is_full { ErrorKind::StorageFull } else { ErrorKind::Other };
        trial.log.inject(Some(Fault { call: Call::Reserve, after, times: 3, kind }));
        if let Ending::Failed(operation, _) = trial.live(&operations, 0)? {
            prop_assert!(matches!(operation, Operation::Write(_) | Operation::Marks(_)), "{:?}", operation);
            trial.log.inject(None);
            prop_assert!(trial.real.medium.write_filemarks(0).is_ok());
            let accepted = trial.model.blocks[..trial.model.at].to_vec();
            let found = trial.read_through();
            prop_assert!(found == accepted || found == trial.model.blocks);
        }
        trial.check_reopened()?;
    }

    /// A read that fails is an error and no data, harms nothing, and works when it is tried again.
    #[test]
    fn a_failing_read_is_an_error_and_harms_nothing(
        operations in small_operations(40),
        after in 0u32..40,
        times in 1u32..4,
    ) {
        let mut trial = Trial::new();
        trial.log.inject(Some(Fault { call: Call::Read, after, times, kind: ErrorKind::Other }));
        if let Ending::Failed(operation, error) = trial.live(&operations, 0)? {
            prop_assert!(matches!(error, TapeError::Io { .. } | TapeError::Medium { .. }), "{error}");
            trial.log.inject(None);
            if !is_opening(&operation) {
                prop_assert!(trial.real.medium.write_filemarks(0).is_ok());
                prop_assert_eq!(trial.read_through(), trial.model.blocks.clone());
            }
        }
        trial.check_reopened()?;
    }
}

/// Every call of a short life fails once, with every error: opening, an overwrite, filemarks, closing, opening again.
#[test]
fn every_single_call_may_fail() {
    let operations = [
        Operation::Write(3000),
        Operation::Write(3000),
        Operation::Marks(1),
        Operation::Write(500),
        Operation::Marks(2),
        Operation::LocateBlock(1),
        Operation::Write(700),
        Operation::Marks(1),
        Operation::Read(1),
        Operation::Reopen,
        Operation::Read(4096),
        Operation::LocateEnd,
        Operation::Write(4096),
        Operation::LoseIndex,
        Operation::Erase,
        Operation::Write(9000),
        Operation::Rewind,
    ];
    for call in [Call::Length, Call::Read, Call::Write, Call::Truncate, Call::Sync, Call::Reserve] {
        for kind in [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            let mut failed = 0;
            for after in 0.. {
                let mut trial = Trial::new();
                trial.log.inject(Some(Fault { call, after, times: 1, kind }));
                trial.live(&operations, 0).unwrap();
                if trial.log.failures() == 0 {
                    break;
                }
                failed += 1;
                trial.check_reopened().unwrap();
            }
            assert!(failed > 0, "{call:?} is never called");
        }
    }
}
