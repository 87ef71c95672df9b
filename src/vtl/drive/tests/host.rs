//! Host operations against a model: a list of records and marks, the rules of NDMPv4 3.4 and 3.5 (MTIO), and of the
//! implicit filemark.

use super::{Bench, ROOMY, read_all};
use crate::tape::Position;
use crate::vtl::drive::{HostError, HostRead, MarkRule, MediumStatus, Motion};
use crate::vtl::tape_drive::TapeDrive;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Operation {
    Write(usize),
    Marks(u32),
    Read(u32),
    Move(Motion, u32),
    /// TAPE_CLOSE.
    Close,
    /// MTIO OFF, then the robot or an operator loads it again.
    Reload,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Done,
    Residual(u32),
    Read(HostRead),
}

/// A mark is `None`.
#[derive(Default)]
struct Model {
    blocks: Vec<Option<Vec<u8>>>,
    at: usize,
    is_unterminated: bool,
}

impl Model {
    fn position(&self) -> Position {
        let before = &self.blocks[..self.at];
        let file = before.iter().filter(|block| block.is_none()).count();
        let in_file = before.iter().rev().take_while(|block| block.is_some()).count();
        Position { block: self.at as u64, file: file as u64, block_in_file: in_file as u64 }
    }

    fn push(&mut self, block: Option<Vec<u8>>) {
        self.blocks.truncate(self.at);
        self.blocks.push(block);
        self.at += 1;
    }

    fn terminate(&mut self) {
        if std::mem::take(&mut self.is_unterminated) && self.at == self.blocks.len() {
            self.push(None);
        }
    }

    fn apply(&mut self, operation: &Operation, marks: MarkRule, data: &[u8]) -> Answer {
        match *operation {
            Operation::Write(length) => {
                self.push(Some(data[..length].to_vec()));
                self.is_unterminated = true;
            }
            Operation::Marks(count) => {
                (0..count).for_each(|_| self.push(None));
                self.is_unterminated &= count == 0;
            }
            Operation::Read(bytes_max) => return Answer::Read(self.read(bytes_max, marks)),
            Operation::Move(Motion::Rewind, _) => {
                self.terminate();
                self.at = 0;
                return Answer::Residual(0);
            }
            Operation::Move(_, 0) => return Answer::Residual(0),
            Operation::Move(motion, count) => return Answer::Residual(self.space(motion, count, marks)),
            Operation::Close => self.terminate(),
            Operation::Reload => {
                self.terminate();
                self.at = 0;
            }
        }
        Answer::Done
    }

    fn read(&mut self, bytes_max: u32, marks: MarkRule) -> HostRead {
        match self.blocks.get(self.at) {
            None => HostRead::EndOfData,
            Some(None) => {
                self.at += usize::from(marks == MarkRule::Cross);
                HostRead::Filemark
            }
            Some(Some(record)) => {
                self.at += 1;
                let length = record.len().min(usize::try_from(bytes_max).unwrap());
                HostRead::Record(record[..length].to_vec().into())
            }
        }
    }

    /// One block at a time; returns how many were not passed.
    fn space(&mut self, motion: Motion, mut left: u32, marks: MarkRule) -> u32 {
        let forward = matches!(motion, Motion::ForwardFiles | Motion::ForwardRecords);
        let over_files = matches!(motion, Motion::ForwardFiles | Motion::BackwardFiles);
        if over_files {
            self.terminate();
        }
        while left > 0 {
            let next = if forward { Some(self.at) } else { self.at.checked_sub(1) };
            let Some(is_mark) = next.and_then(|next| self.blocks.get(next)).map(Option::is_none) else {
                break;
            };
            if is_mark && !over_files && marks == MarkRule::StopBefore {
                break;
            }
            self.at = if forward { self.at + 1 } else { self.at - 1 };
            if is_mark && !over_files {
                break;
            }
            left -= u32::from(is_mark == over_files);
        }
        left
    }
}

fn operate(
    bench: &mut Bench,
    operation: &Operation,
    marks: MarkRule,
    data: &[u8],
) -> Result<Answer, HostError> {
    let drive = &mut bench.drive;
    Ok(match *operation {
        Operation::Write(length) => {
            drive.host_write(&data[..length])?;
            Answer::Done
        }
        Operation::Marks(count) => {
            drive.host_filemarks(count)?;
            Answer::Done
        }
        Operation::Read(bytes_max) => Answer::Read(drive.host_read(bytes_max, marks)?),
        Operation::Move(motion, count) => Answer::Residual(drive.host_motion(motion, count, marks)?),
        Operation::Close => {
            drive.host_terminate()?;
            Answer::Done
        }
        Operation::Reload => {
            assert_eq!(drive.host_motion(Motion::Unload, 1, marks)?, 0);
            assert_eq!(bench.status.get().medium, MediumStatus::Unloaded);
            assert_eq!(drive.host_read(1, marks), Err(HostError::NotReady));
            assert_eq!(drive.host_motion(Motion::Rewind, 1, marks), Err(HostError::NotReady));
            assert_eq!(drive.host_write(b"x"), Err(HostError::NotReady));
            drive.host_terminate()?;
            drive.load()?;
            Answer::Done
        }
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let motion = prop_oneof![
        3 => Just(Motion::ForwardFiles),
        3 => Just(Motion::BackwardFiles),
        4 => Just(Motion::ForwardRecords),
        5 => Just(Motion::BackwardRecords),
        1 => Just(Motion::Rewind),
    ];
    let count = prop_oneof![4 => 0..4_u32, 1 => 0..200_u32, 1 => Just(u32::MAX)];
    prop_oneof![
        8 => (1..600_usize).prop_map(Operation::Write),
        3 => (0..3_u32).prop_map(Operation::Marks),
        5 => (0..700_u32).prop_map(Operation::Read),
        9 => (motion, count).prop_map(|(motion, count)| Operation::Move(motion, count)),
        2 => Just(Operation::Close),
        1 => Just(Operation::Reload),
    ]
}

fn play(operations: &[Operation], marks: MarkRule) {
    let mut bench = Bench::new(ROOMY);
    let mut model = Model::default();
    for (number, operation) in operations.iter().enumerate() {
        let data: Vec<u8> = (0..600_usize).map(|at| (at * 7 + number * 31).to_le_bytes()[0]).collect();
        let expected = model.apply(operation, marks, &data);
        let answer = operate(&mut bench, operation, marks, &data);
        assert_eq!(answer, Ok(expected), "{number}: {operation:?}");
        let (status, position) = (bench.status.get(), bench.drive.tape().unwrap().position());
        assert_eq!(position, model.position(), "{number}: {operation:?}");
        assert_eq!(status.position, position, "{number}: {operation:?}");
        assert_eq!(status.remaining_bytes, bench.drive.remaining_bytes(), "{number}: {operation:?}");
        assert_eq!(status.medium, MediumStatus::Ready);
        assert!(!status.has_medium_error);
    }
    model.terminate();
    bench.drive.host_terminate().unwrap();
    bench.drive.shut_down();
    assert_eq!(read_all(&bench.tape), model.blocks);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn operations_stop_in_front_of_marks(operations in prop::collection::vec(operation(), 0..40)) {
        play(&operations, MarkRule::StopBefore);
    }

    #[test]
    fn operations_cross_marks(operations in prop::collection::vec(operation(), 0..40)) {
        play(&operations, MarkRule::Cross);
    }
}

/// `ndmjob -o test-tape`, phase T-MTIO, by hand: two files of 3 and 2 records.
#[test]
fn residuals_and_positions_of_the_conformance_test() {
    use Motion::{BackwardFiles, BackwardRecords, ForwardFiles, ForwardRecords, Rewind};
    let table = [
        // motion, count, then residual and (file, record) for StopBefore and for Cross
        (Rewind, 1, (0, (0, 0)), (0, (0, 0))),
        (ForwardRecords, 1000, (997, (0, 3)), (997, (1, 0))),
        (ForwardRecords, 1000, (1000, (0, 3)), (998, (2, 0))),
        (Rewind, 0, (0, (0, 0)), (0, (0, 0))),
        (ForwardFiles, 1, (0, (1, 0)), (0, (1, 0))),
        (BackwardRecords, 1000, (1000, (1, 0)), (1000, (0, 3))),
        (ForwardFiles, 7, (6, (2, 0)), (5, (2, 0))),
        (BackwardFiles, 1, (0, (1, 2)), (0, (1, 2))),
        (BackwardFiles, 1, (0, (0, 3)), (0, (0, 3))),
        (BackwardFiles, 5, (5, (0, 0)), (5, (0, 0))),
        (BackwardRecords, 1, (1, (0, 0)), (1, (0, 0))),
        (ForwardRecords, 0, (0, (0, 0)), (0, (0, 0))),
    ];
    for (marks, pick) in [(MarkRule::StopBefore, 0), (MarkRule::Cross, 1)] {
        let mut bench = Bench::new(ROOMY);
        for records in [3, 2] {
            (0..records).for_each(|_| bench.drive.host_write(b"record").unwrap());
            bench.drive.host_filemarks(1).unwrap();
        }
        for (motion, count, stops, crosses) in table {
            let (residual, (file, record)) = if pick == 0 { stops } else { crosses };
            let answer = bench.drive.host_motion(motion, count, marks);
            assert_eq!(answer, Ok(residual), "{motion:?} {count} {marks:?}");
            let position = bench.status.get().position;
            assert_eq!(
                (position.file, position.block_in_file),
                (file, record),
                "{motion:?} {count} {marks:?}"
            );
        }
    }
}

/// A damaged record is told and passed; the flag lasts until the next operation goes well.
#[test]
fn damage_is_told_once_and_passed() {
    let mut bench = Bench::new(ROOMY);
    for record in [[b'a'; 4000], [b'b'; 4000], [b'c'; 4000]] {
        bench.drive.host_write(&record).unwrap();
    }
    bench.drive.host_filemarks(1).unwrap();
    bench.drive.host_motion(Motion::Unload, 1, MarkRule::StopBefore).unwrap();
    let log = bench.tape.join("data");
    let mut bytes = std::fs::read(&log).unwrap();
    let place = bytes.windows(16).position(|window| window == [b'b'; 16]).unwrap();
    bytes[place + 100] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    bench.drive.load().unwrap();
    let mut read = || bench.drive.host_read(1 << 16, MarkRule::StopBefore);
    assert_eq!(read(), Ok(HostRead::Record(vec![b'a'; 4000].into())));
    assert!(matches!(read(), Err(HostError::Failed(_))));
    assert!(bench.status.get().has_medium_error);
    assert_eq!(bench.status.get().position.block, 2);
    let read = bench.drive.host_read(1 << 16, MarkRule::StopBefore);
    assert_eq!(read, Ok(HostRead::Record(vec![b'c'; 4000].into())));
    assert!(!bench.status.get().has_medium_error);
}
