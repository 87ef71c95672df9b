//! Records received into a loan make the very same log as records written one by one, whatever their sizes, the
//! chunks that they come in, the tape's end and what is done between.

use std::io::Read;

use proptest::prelude::*;

use super::memory::MemoryStorage;
use super::model::{Real, contents};
use crate::tape::error::TapeError;

/// A connection that gives so many bytes a read.
struct Chunked<'a> {
    bytes: &'a [u8],
    chunk: usize,
}

impl Read for Chunked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(self.chunk);
        self.bytes.read(&mut buffer[..length])
    }

    fn read_vectored(&mut self, buffers: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
        let mut given = 0;
        for buffer in buffers {
            let length = buffer.len().min(self.chunk - given);
            given += self.bytes.read(&mut buffer[..length])?;
        }
        Ok(given)
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// So many records of a length, coming in chunks; at most so many are asked for at once.
    Records {
        count: usize,
        record_bytes: usize,
        chunk: usize,
        asked: u64,
    },
    Marks(u32),
    BackRecords(u8),
    EndOfData,
    Rest,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let records = (1..40_usize, 1..700_usize, 1..9000_usize, 1..20_u64);
    let step = prop_oneof![
        6 => records.prop_map(|(count, record_bytes, chunk, asked)| Step::Records { count, record_bytes, chunk, asked }),
        1 => (1..20_usize, 1500..6000_usize, 1..9000_usize).prop_map(|(count, record_bytes, chunk)| Step::Records {
            count, record_bytes, chunk, asked: 100
        }),
        2 => (0..3_u32).prop_map(Step::Marks),
        1 => (0..5_u8).prop_map(Step::BackRecords),
        2 => Just(Step::EndOfData),
        1 => Just(Step::Rest),
    ];
    prop::collection::vec(step, 1..12)
}

fn bytes(step: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + step * 31 + at / 251).to_le_bytes()[0]).collect()
}

/// Whether the record was written; the tape's end is no failure.
fn write(real: &mut Real, record: &[u8]) -> bool {
    match real.medium.write_record(record) {
        Ok(()) => true,
        Err(TapeError::EndOfMedium { .. } | TapeError::DiskFull { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Writes as the pump does: what is lent is received into, what is not is written record by record.
fn receive(real: &mut Real, data: &[u8], record_bytes: usize, chunk: usize, asked: u64) -> u64 {
    let length = u32::try_from(record_bytes).unwrap();
    let (mut done, mut in_loans) = (0, 0);
    while done < data.len() {
        let Some(mut slots) = real.medium.slots(length, asked).unwrap() else {
            if !write(real, &data[done..done + record_bytes]) {
                break;
            }
            done += record_bytes;
            continue;
        };
        let mut stream = Chunked { bytes: &data[done..], chunk };
        while !slots.are_full() && real.medium.log.receive(&mut slots, &mut stream).unwrap() > 0 {
            let before = real.medium.end();
            let records = real.medium.append_received(&mut slots);
            assert_eq!(real.medium.end().position.block, before.position.block + records);
            assert!(
                !real.medium.is_early_warning(real.medium.end()),
                "a loan must not reach the early warning"
            );
            done += usize::try_from(records).unwrap() * record_bytes;
            in_loans += records;
        }
        assert!(real.medium.log.rest_received(&slots).len() < record_bytes);
    }
    in_loans
}

fn apply(real: &mut Real, number: usize, step: &Step, lends: bool) -> u64 {
    match step {
        Step::Records { count, record_bytes, chunk, asked } => {
            let data = bytes(number, count * record_bytes);
            if lends {
                return receive(real, &data, *record_bytes, *chunk, *asked);
            }
            for record in data.chunks(*record_bytes) {
                if !write(real, record) {
                    break;
                }
            }
        }
        Step::Marks(count) => match real.medium.write_filemarks(*count) {
            Ok(()) | Err(TapeError::EndOfMedium { .. } | TapeError::DiskFull { .. }) => {}
            Err(error) => panic!("{error}"),
        },
        Step::BackRecords(count) => drop(real.medium.space_records(-i64::from(*count)).unwrap()),
        Step::EndOfData => real.medium.cursor = real.medium.end(),
        Step::Rest => real.medium.release_memory(),
    }
    0
}

proptest! {
    #[test]
    fn a_loan_writes_what_single_records_write(steps in steps(), capacity in 3_000..80_000_u64, full_at in prop::option::of(9_000..60_000_u64)) {
        let open = || {
            let (log, index) = super::blank();
            log.fill_up_at(full_at, true);
            let mut real = Real::open(log, index).unwrap();
            real.medium.limits.capacity_bytes = capacity;
            real
        };
        let (mut lent, mut single) = (open(), open());
        for (number, step) in steps.iter().enumerate() {
            apply(&mut lent, number, step, true);
            apply(&mut single, number, step, false);
            prop_assert_eq!(lent.medium.position(), single.medium.position());
            prop_assert_eq!(lent.medium.end(), single.medium.end());
        }
        prop_assert_eq!(contents(&mut lent.medium), contents(&mut single.medium));
        lent.medium.close().unwrap();
        single.medium.close().unwrap();
        prop_assert!(lent.log.bytes() == single.log.bytes(), "the logs differ");
        prop_assert!(lent.index.bytes() == single.index.bytes(), "the indexes differ");
    }
}

#[test]
fn records_that_fit_are_lent_for_and_others_are_not() {
    let (log, index) = super::blank();
    let mut real = Real::open(log, index).unwrap();
    assert!(receive(&mut real, &bytes(1, 50 * 300), 300, 5000, 100) >= 25);
    assert!(real.medium.slots(4000, 1).unwrap().is_none(), "longer than half of the buffer");
    real.medium.limits.write_protected = true;
    assert!(real.medium.slots(300, 1).unwrap().is_none());
    real.medium.limits.write_protected = false;
    real.medium.space_records(-1).unwrap();
    assert!(real.medium.slots(300, 1).unwrap().is_none(), "an overwrite");
}

/// Found by kill -9 runs: after a rest in the middle of a buffer there is a place to go on at, but no buffer.
#[test]
fn a_rest_anywhere_in_the_buffer_is_only_a_rest() {
    for before in (0..4000).step_by(8) {
        let (log, index) = super::blank();
        let mut real = Real::open(log, index).unwrap();
        real.medium.write_record(&bytes(1, before + 1)).unwrap();
        real.medium.write_filemarks(1).unwrap();
        real.medium.release_memory();
        assert_eq!(contents(&mut real.medium).len(), 2);
        real.medium.cursor = real.medium.end();
        receive(&mut real, &bytes(2, 10 * 1000), 1000, 5000, 10);
        real.medium.write_filemarks(1).unwrap();
        assert_eq!(contents(&mut real.medium).len(), 13, "{before} bytes before");
    }
}

#[test]
fn what_did_not_come_whole_is_not_on_the_tape() {
    let (log, index) = super::blank();
    let mut real = Real::open(log.clone(), MemoryStorage::new(Vec::new())).unwrap();
    let mut slots = real.medium.slots(100, 10).unwrap().unwrap();
    let data = bytes(3, 150);
    let mut stream = Chunked { bytes: &data, chunk: 1000 };
    assert_eq!(real.medium.log.receive(&mut slots, &mut stream).unwrap(), 150);
    assert_eq!(real.medium.append_received(&mut slots), 1);
    assert_eq!(real.medium.log.rest_received(&slots), &data[100..]);
    real.medium.close().unwrap();
    drop(real);
    assert_eq!(contents(&mut Real::open(log, index).unwrap().medium).len(), 1);
}
