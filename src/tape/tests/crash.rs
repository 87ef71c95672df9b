//! The power fails at every instant of a tape's life: after every operation on the file, in the middle of every
//! write, and with any of the writes that no sync had covered missing. Whatever a durability point acknowledged
//! must then read back, and nothing may read that was not written.

use std::io;

use proptest::prelude::*;

use super::memory::{Event, MemoryStorage, replay};
use super::model::{Block, Model, Operation, Real, compressions, contents, operations, payload};
use crate::tape::codec::Compression;
use crate::tape::error::TapeError;

const ALL: [Compression; 3] = [Compression::None, Compression::Zstd, Compression::Lz4];

/// The model after one operation, and what the files had gone through by then.
struct Moment {
    blocks: Vec<Block>,
    events: usize,
    index: Vec<u8>,
    /// Whether the operation was a durability point.
    is_durable: bool,
    /// How many blocks the operation left alone: it may have destroyed the rest before it wrote its own.
    kept: usize,
}

/// A tape's life as seen from outside.
struct Life {
    blank: Vec<u8>,
    events: Vec<Event>,
    moments: Vec<Moment>,
}

/// Whether what stands on the tape is durable behind it.
pub(super) fn is_durability_point(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Marks(_)
            | Operation::Rewind
            | Operation::Erase
            | Operation::Sync
            | Operation::Reopen
            | Operation::LoseIndex
    )
}

/// What is on disk of a write that was half done.
fn half(event: &Event) -> Event {
    match event {
        Event::Write { offset, bytes } => {
            Event::Write { offset: *offset, bytes: bytes[..bytes.len() / 2].to_vec() }
        }
        other => other.clone(),
    }
}

fn blocks_left_alone(operation: &Operation, model: &Model) -> usize {
    match operation {
        Operation::Write(_) | Operation::Marks(1..) | Operation::Erase => model.at,
        _ => model.blocks.len(),
    }
}

/// How many blocks must survive a crash anywhere in `window`, whose first moment is a durability point.
fn kept_blocks(window: &[Moment]) -> usize {
    let left_alone = window[1..].iter().map(|moment| moment.kept).min().unwrap_or(usize::MAX);
    left_alone.min(window[0].blocks.len())
}

fn live(operations: &[Operation], compression: Compression) -> Life {
    let (log, index) = super::blank();
    let blank = log.bytes();
    let mut real = Real::open_with(log.clone(), index, compression).unwrap();
    let mut model = Model::default();
    let first = Moment {
        blocks: Vec::new(),
        events: log.event_count(),
        index: real.index.bytes(),
        is_durable: true,
        kept: 0,
    };
    let mut moments = vec![first];
    for (number, operation) in operations.iter().enumerate() {
        let payload = payload(operation, number);
        let kept = blocks_left_alone(operation, &model);
        model.apply(operation, &payload);
        real.apply(operation, &payload).unwrap();
        moments.push(Moment {
            blocks: model.blocks.clone(),
            events: log.event_count(),
            index: real.index.bytes(),
            is_durable: is_durability_point(operation),
            kept,
        });
    }
    Life { blank, events: log.events(), moments }
}

impl Life {
    /// The moments between which a crash after `events` operations lies: the last durability point, and the one
    /// that was being reached.
    fn window(&self, events: usize) -> (usize, usize) {
        let reached = self.moments.iter().position(|moment| moment.events > events);
        let reached = reached.unwrap_or(self.moments.len() - 1);
        let durable = self.moments.iter().rposition(|moment| moment.is_durable && moment.events <= events);
        (durable.unwrap_or(0), reached)
    }

    /// Opens `image`, which a crash after `events` operations left, with every index that may be beside it.
    fn check(&self, image: &[u8], events: usize, may_have_holes: bool) {
        let (durable, reached) = self.window(events);
        let window = &self.moments[durable..=reached];
        let kept = kept_blocks(window);
        let before = self.moments.iter().rposition(|moment| moment.events <= events).unwrap_or(0);
        for index in [Vec::new(), self.moments[before].index.clone(), self.moments[durable].index.clone()] {
            let mut real = Real::open(MemoryStorage::new(image.to_vec()), MemoryStorage::new(index)).unwrap();
            let found = contents(&mut real.medium);
            assert!(found.len() >= kept, "{} of {kept} acknowledged blocks", found.len());
            for (number, block) in found.iter().enumerate() {
                match block {
                    None => assert!(may_have_holes && number >= kept, "block {number} is damaged"),
                    Some(block) if number < kept => assert_eq!(*block, window[0].blocks[number]),
                    Some(block) => assert!(
                        window.iter().any(|moment| moment.blocks.get(number) == Some(block)),
                        "block {number} was never there"
                    ),
                }
            }
            // The recovered tape is a tape: it can be written on, and keeps what it had.
            real.medium.cursor = real.medium.end();
            real.medium.write_record(b"after the crash").unwrap();
            real.medium.write_filemarks(1).unwrap();
            let (log, index) = (real.log.clone(), real.index.clone());
            drop(real);
            let mut real = Real::open(log, index).unwrap();
            let again = contents(&mut real.medium);
            assert_eq!(again[..found.len()], found);
            assert_eq!(again[found.len()..].len(), 2);
        }
    }

    /// Every image that a crash may leave.
    fn check_all(&self) {
        for events in 0..=self.events.len() {
            self.check(&replay(self.blank.clone(), &self.events[..events]), events, false);
            let Some(Event::Write { offset, bytes }) = self.events.get(events) else { continue };
            for length in [1, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
                let torn = Event::Write { offset: *offset, bytes: bytes[..length].to_vec() };
                let image = replay(replay(self.blank.clone(), &self.events[..events]), &[torn]);
                self.check(&image, events, false);
            }
        }
        self.check_reordered();
    }

    /// Between two syncs the disk may have done any of what it was told, in any order.
    fn check_reordered(&self) {
        let mut from = 0;
        while from < self.events.len() {
            let length = self.events[from..].iter().take_while(|event| !matches!(event, Event::Sync)).count();
            let unsynced = &self.events[from..from + length.min(5)];
            for subset in 0..1u32 << unsynced.len() {
                let done: Vec<_> = unsynced
                    .iter()
                    .enumerate()
                    .filter(|(number, _)| subset >> number & 1 == 1)
                    .map(|(_, event)| event.clone())
                    .collect();
                let image = replay(replay(self.blank.clone(), &self.events[..from]), &done);
                // Judged from the last sync on: nothing behind it was acknowledged yet.
                self.check_between(&image, from, from + unsynced.len());
                let torn: Vec<_> = done.iter().map(half).collect();
                let image = replay(replay(self.blank.clone(), &self.events[..from]), &torn);
                self.check_between(&image, from, from + unsynced.len());
            }
            from += length + 1;
        }
    }

    fn check_between(&self, image: &[u8], synced: usize, events: usize) {
        let (durable, _) = self.window(synced);
        let (_, reached) = self.window(events);
        let window = &self.moments[durable..=reached];
        let kept = kept_blocks(window);
        for index in [Vec::new(), self.moments[durable].index.clone()] {
            let mut real = Real::open(MemoryStorage::new(image.to_vec()), MemoryStorage::new(index)).unwrap();
            let found = contents(&mut real.medium);
            assert!(found.len() >= kept, "{} of {kept} acknowledged blocks", found.len());
            for (number, block) in found.iter().enumerate() {
                match block {
                    None => assert!(number >= kept, "block {number} is damaged"),
                    Some(block) => assert!(
                        window.iter().any(|moment| moment.blocks.get(number) == Some(block)),
                        "block {number} was never there"
                    ),
                }
            }
        }
    }
}

#[test]
fn a_backup_with_an_overwrite_survives_every_crash() {
    let mut operations = vec![Operation::Write(80), Operation::Marks(1)];
    operations.extend([700, 3000, 64, 1].map(Operation::Write));
    operations.extend([Operation::Marks(2), Operation::Write(5000), Operation::Write(300), Operation::Sync]);
    operations.extend([
        Operation::LocateBlock(3),
        Operation::Write(64),
        Operation::Write(64),
        Operation::Marks(1),
    ]);
    operations.extend([Operation::Reopen, Operation::LocateFile(1), Operation::Marks(0), Operation::Erase]);
    operations.extend([Operation::Write(700), Operation::Write(4096), Operation::Reopen]);
    for compression in ALL {
        live(&operations, compression).check_all();
    }
}

#[test]
fn an_overwrite_with_records_of_the_same_size_never_shows_the_old_ones() {
    let mut operations: Vec<_> = (0..8).map(|_| Operation::Write(600)).collect();
    operations.extend([Operation::Sync, Operation::LocateBlock(2), Operation::Write(600), Operation::Sync]);
    operations.extend([
        Operation::LocateBlock(1),
        Operation::Write(600),
        Operation::Write(600),
        Operation::Marks(0),
    ]);
    let life = live(&operations, Compression::None);
    life.check_all();
    // A file system that brings cut-off bytes back: behind the new end stand whole records of an older generation.
    let old = replay(life.blank.clone(), &life.events[..life.moments[9].events]);
    let mut image = replay(life.blank.clone(), &life.events);
    image.extend_from_slice(&old[image.len()..]);
    let mut real = Real::open(MemoryStorage::new(image), MemoryStorage::new(Vec::new())).unwrap();
    let blocks: Vec<_> = life.moments.last().unwrap().blocks.iter().cloned().map(Some).collect();
    assert_eq!(contents(&mut real.medium), blocks);
}

/// The power fails again while the tape is being opened after a crash: any of what opening wrote since its last sync
/// may be missing, half there, or read as zeros.
#[test]
fn a_crash_while_a_crash_is_being_mended_loses_no_more() {
    let mut operations: Vec<_> = (0..4).map(|_| Operation::Write(3000)).collect();
    operations.extend([Operation::Marks(1), Operation::LocateBlock(2)]);
    operations.extend((0..3).map(|_| Operation::Write(2500)));
    operations.extend([Operation::Sync, Operation::LocateBlock(1), Operation::Write(5000)]);
    let life = live(&operations, Compression::None);
    for events in 0..=life.events.len() {
        let mut image = replay(life.blank.clone(), &life.events[..events]);
        if let Some(event @ Event::Write { .. }) = life.events.get(events) {
            image = replay(image, &[half(event)]);
        }
        let log = MemoryStorage::new(image.clone());
        let mut real = Real::open(log.clone(), MemoryStorage::new(Vec::new())).unwrap();
        let opening = log.events();
        let expected = contents(&mut real.medium);
        for done in 0..opening.len() {
            let zeroed = match &opening[done] {
                Event::Write { offset, bytes } => {
                    Event::Write { offset: *offset, bytes: vec![0; bytes.len()] }
                }
                other => other.clone(),
            };
            for last in [half(&opening[done]), zeroed] {
                let image = replay(replay(image.clone(), &opening[..done]), &[last]);
                let mut real = Real::open(MemoryStorage::new(image), MemoryStorage::new(Vec::new())).unwrap();
                assert_eq!(contents(&mut real.medium), expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_life_survives_every_crash(operations in operations(14), compression in compressions()) {
        let small: Vec<_> = operations
            .into_iter()
            .map(|operation| match operation {
                Operation::Write(length) => Operation::Write(length % 6000 + 1),
                other => other,
            })
            .collect();
        live(&small, compression).check_all();
    }

    /// Every operation on the file may fail. Until then all answers are right; after it nothing is written any
    /// more, and the reopened tape holds what was acknowledged.
    #[test]
    fn a_failing_disk_loses_nothing_acknowledged(
        operations in operations(40),
        failing in 0u64..60,
        compression in compressions(),
    ) {
        let (log, index) = super::blank();
        let mut real = Real::open_with(log.clone(), index, compression).unwrap();
        log.fail_after(Some((failing, io::ErrorKind::Other)));
        let (mut durable, mut kept) = (Vec::new(), 0);
        let mut model = Model::default();
        for (number, operation) in operations.iter().enumerate() {
            let payload = payload(operation, number);
            kept = kept.min(blocks_left_alone(operation, &model));
            let expected = model.apply(operation, &payload);
            match real.apply(operation, &payload) {
                Ok(answer) => prop_assert_eq!(answer, expected),
                Err(_) => break,
            }
            if is_durability_point(operation) {
                (durable, kept) = (model.blocks.clone(), model.blocks.len());
            }
        }
        log.fail_after(None);
        // A refused reservation changes nothing on disk, so it alone does not stick.
        let is_consistent = matches!(real.medium.write_filemarks(0), Ok(()) | Err(TapeError::Failed { .. }));
        prop_assert!(is_consistent);
        drop(real);
        let mut real = Real::open(log, MemoryStorage::new(Vec::new())).unwrap();
        let found = contents(&mut real.medium);
        prop_assert!(found.len() >= kept, "{} of {} blocks", found.len(), kept);
        for (number, block) in found[..kept].iter().enumerate() {
            prop_assert_eq!(block.as_ref(), Some(&durable[number]));
        }
    }
}
