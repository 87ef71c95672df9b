//! Compression: the same answers as without it or without its threads, whatever the data, the room and the disk, and
//! nothing but a clear error when its threads die.

use std::io;

use proptest::prelude::*;

use super::memory::MemoryStorage;
use super::model::{Block, Real, contents, noise};
use super::{LIMITS, blank, open_limited};
use crate::tape::codec::Compression;
use crate::tape::error::TapeError;
use crate::tape::format::{DATA_START_BYTES, Kind, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, RecordHeader};
use crate::tape::medium::{FILEMARK_RESERVE_BYTES, Limits, Medium, ReadOutcome};
use crate::tape::position::Position;

const BOTH: [Compression; 2] = [Compression::Zstd, Compression::Lz4];

fn text(length: usize) -> Vec<u8> {
    b"a backup of a backup of a ".iter().copied().cycle().take(length).collect()
}

fn compressing(
    log: &MemoryStorage,
    limits: Limits,
    compression: Compression,
) -> Medium<MemoryStorage, MemoryStorage> {
    let mut medium = open_limited(log, &MemoryStorage::new(Vec::new()), limits).unwrap();
    medium.set_compression(compression).unwrap();
    medium
}

/// The codec bytes of a tape's records, in order.
fn codecs(log: &MemoryStorage) -> Vec<u8> {
    let medium = open_limited(log, &MemoryStorage::new(Vec::new()), LIMITS).unwrap();
    let (bytes, seed) = (log.bytes(), medium.log.seed());
    let mut at = usize::try_from(DATA_START_BYTES).unwrap();
    let mut codecs = Vec::new();
    while let Some(header) = bytes.get(at..at + RECORD_HEADER_BYTES) {
        let header = RecordHeader::decode(seed, header.try_into().unwrap()).unwrap();
        if header.kind == Kind::Data {
            codecs.push(header.codec);
        }
        at += usize::try_from(header.total_bytes()).unwrap();
    }
    codecs
}

#[test]
fn what_does_not_pay_is_stored_raw_and_takes_no_more_room() {
    for (codec, compression) in [(1, Compression::Zstd), (2, Compression::Lz4)] {
        let (log, _) = blank();
        let mut medium = compressing(&log, LIMITS, compression);
        for _ in 0..20 {
            medium.write_record(&noise(936, 5)).unwrap();
        }
        medium.sync().unwrap();
        assert_eq!(medium.used_bytes(), 20_000);
        medium.write_record(&[7]).unwrap();
        medium.write_record(&text(936)).unwrap();
        medium.close().unwrap();
        assert!(medium.used_bytes() < 20_500, "{}", medium.used_bytes());
        let mut expected = vec![0; 21];
        expected.push(codec);
        assert_eq!(codecs(&log), expected);
    }
}

#[test]
fn one_tape_may_hold_records_of_every_kind() {
    let (log, index) = blank();
    let mut expected = Vec::new();
    for round in 0..3 {
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
            let mut real = Real::open_with(log.clone(), index.clone(), compression).unwrap();
            real.medium.locate_end().unwrap();
            for length in [1, 100, 700, 3000, 9000, 20_000] {
                let record = if length == 700 { noise(length, round) } else { text(length) };
                real.medium.write_record(&record).unwrap();
                expected.push(Some(Block::Record(record)));
            }
            real.medium.write_filemarks(1).unwrap();
            expected.push(Some(Block::Mark));
            real.medium.close().unwrap();
        }
    }
    let mut found = codecs(&log);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, [0, 1, 2]);
    let mut real = Real::open(log, index).unwrap();
    assert_eq!(contents(&mut real.medium), expected);
}

#[test]
fn the_longest_records_are_compressed_cut_and_read() {
    for compression in BOTH {
        let (log, _) = blank();
        let mut medium = compressing(&log, LIMITS, compression);
        let records = [text(RECORD_BYTES_MAX), noise(RECORD_BYTES_MAX, 3)];
        for record in &records {
            medium.write_record(record).unwrap();
        }
        medium.rewind().unwrap();
        assert!(medium.used_bytes() < 20 << 20);
        let mut buffer = vec![0; RECORD_BYTES_MAX];
        for record in &records {
            let outcome = medium.read_record(&mut buffer).unwrap();
            assert_eq!(outcome, ReadOutcome::Record { length: RECORD_BYTES_MAX });
            assert!(buffer == *record);
        }
        medium.rewind().unwrap();
        for record in &records {
            let outcome = medium.read_record(&mut buffer[..5]).unwrap();
            assert_eq!(outcome, ReadOutcome::Record { length: RECORD_BYTES_MAX });
            assert_eq!(buffer[..5], record[..5]);
        }
    }
}

/// Writes `records` until the tape takes no more (a few times), and tells of each how it went, whether the warning had
/// come then, and where the tape stood.
fn told(
    medium: &mut Medium<MemoryStorage, MemoryStorage>,
    records: &[Vec<u8>],
    write: impl Fn(&mut Medium<MemoryStorage, MemoryStorage>, &[u8]) -> Result<(), TapeError>,
) -> Vec<(&'static str, bool, Position)> {
    let mut told = Vec::new();
    for record in records {
        let result = match write(medium, record) {
            Ok(()) => "written",
            Err(TapeError::EndOfMedium { .. }) => "end of medium",
            Err(TapeError::DiskFull { .. }) => "disk full",
            Err(other) => panic!("{other}"),
        };
        told.push((result, medium.is_early_warning(medium.cursor), medium.position()));
    }
    medium.write_filemarks(2).unwrap();
    told.push(("", medium.is_early_warning(medium.cursor), medium.position()));
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// The warning, the end of the tape and that of the disk come at the same record as where every record is
    /// compressed and counted before it is accepted.
    #[test]
    fn the_ends_are_where_they_would_be_without_threads(
        lengths in prop::collection::vec((1..6000_usize, any::<bool>()), 20..300),
        capacity_bytes in 10_000..600_000_u64,
        disk in prop_oneof![Just(None), (10_000..600_000_u64).prop_map(Some)],
        is_zstd in any::<bool>(),
    ) {
        let compression = if is_zstd { Compression::Zstd } else { Compression::Lz4 };
        let record = |(number, (length, is_text)): (usize, &(usize, bool))| {
            if *is_text { text(*length) } else { noise(*length, number as u64) }
        };
        let records: Vec<_> = lengths.iter().enumerate().map(record).collect();
        let limits = Limits { capacity_bytes, ..LIMITS };
        let full_at = disk.map(|bytes| DATA_START_BYTES + FILEMARK_RESERVE_BYTES + bytes);
        let run = |alone: bool| {
            let (log, _) = blank();
            log.fill_up_at(full_at, true);
            let mut medium = compressing(&log, limits, compression);
            let told = told(&mut medium, &records, |medium, record| match alone {
                true => medium.write_alone(record, u32::try_from(record.len()).unwrap()),
                false => medium.write_record(record),
            });
            medium.close().unwrap();
            (told, log.bytes())
        };
        let (reference, reference_bytes) = run(true);
        let (told, bytes) = run(false);
        prop_assert_eq!(told, reference);
        prop_assert!(bytes == reference_bytes, "the logs differ");
    }

    /// Any bytes behind a right checksum: an answer, and never more than the record says.
    #[test]
    fn hostile_frames_are_damage_and_nothing_else(
        is_zstd in any::<bool>(),
        (length, claimed) in (1..3000_usize, prop_oneof![1..4000_u32, Just(0xff_ffff_u32)]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop_oneof![4 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
        garbage in prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 1..200)),
    ) {
        let (codec, compression) = if is_zstd { (1, Compression::Zstd) } else { (2, Compression::Lz4) };
        let record = text(length + 200);
        let (log, _) = blank();
        let mut medium = compressing(&log, LIMITS, compression);
        medium.write_record(&record).unwrap();
        medium.close().unwrap();
        let (bytes, seed) = (log.bytes(), medium.log.seed());
        let start = usize::try_from(DATA_START_BYTES).unwrap();
        let header = bytes[start..start + RECORD_HEADER_BYTES].try_into().unwrap();
        let mut header = RecordHeader::decode(seed, header).unwrap();
        prop_assert_eq!(header.codec, codec);
        let stored = start + RECORD_HEADER_BYTES..start + RECORD_HEADER_BYTES + header.stored_bytes as usize;
        let mut payload = bytes[stored].to_vec();
        let is_whole = changes.is_empty() && cut.is_none() && garbage.is_none() && claimed == header.logical_bytes;
        for (at, value) in &changes {
            *at.get_mut(&mut payload) = *value;
        }
        if let Some(cut) = cut {
            payload.truncate(cut.index(payload.len()).max(1));
        }
        payload.extend(garbage.into_iter().flatten());
        header.logical_bytes = claimed;
        header.stored_bytes = u32::try_from(payload.len()).unwrap();
        header.payload_sum = crc32c::crc32c(&payload);
        let mut forged = bytes[..start].to_vec();
        header.encode_onto(seed, &payload, &mut forged);
        let mut real = Real::open(MemoryStorage::new(forged), MemoryStorage::new(Vec::new())).unwrap();
        for room in [0, 100, 5000] {
            real.medium.rewind().unwrap();
            let mut buffer = vec![0; room];
            match real.medium.read_record(&mut buffer) {
                Ok(outcome) => {
                    // The checksum of the logical bytes makes sure that they are what was written.
                    prop_assert_eq!(outcome, ReadOutcome::Record { length: record.len() });
                    let copied = room.min(record.len());
                    prop_assert_eq!(&buffer[..copied], &record[..copied]);
                }
                Err(TapeError::Medium { .. }) => prop_assert!(!is_whole),
                Err(other) => panic!("{other}"),
            }
            prop_assert_eq!(real.medium.position().block, 1, "it is passed");
        }
    }
}

#[test]
fn a_full_disk_that_reserves_nothing_loses_no_accepted_record() {
    for compression in BOTH {
        let (log, _) = blank();
        log.fill_up_at(Some(DATA_START_BYTES + 50_000), false);
        let mut medium = compressing(&log, LIMITS, compression);
        let mut accepted = Vec::new();
        let mut refused = 0;
        for number in 0..200 {
            let record = noise(900, number);
            match medium.write_record(&record) {
                Ok(()) => accepted.push(Some(Block::Record(record))),
                Err(TapeError::DiskFull { .. }) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(refused > 100 && accepted.len() < 80, "{refused} refused");
        assert!(matches!(medium.write_filemarks(1), Err(TapeError::DiskFull { .. })));
        log.fill_up_at(None, false);
        medium.sync().unwrap();
        drop(medium);
        let mut real = Real::open(log, MemoryStorage::new(Vec::new())).unwrap();
        assert_eq!(contents(&mut real.medium), accepted);
    }
}

#[test]
fn positions_count_what_is_on_its_way_and_threads_end_when_the_tape_rests() {
    let (log, _) = blank();
    let mut medium = compressing(&log, LIMITS, Compression::Zstd);
    for number in 1..=40 {
        medium.write_record(&text(500)).unwrap();
        assert_eq!((medium.position().block, medium.end_position().block), (number, number));
        assert!(medium.is_at_end_of_data());
    }
    assert!(medium.packer.is_busy() && medium.packer.threads() > 0);
    assert!(medium.end().position.block < 40, "the pipeline is not waited for");
    assert!(medium.used_bytes() <= 40 * 568);
    medium.sync().unwrap();
    assert!(!medium.packer.is_busy() && medium.packer.threads() > 0);
    assert_eq!(medium.end().position.block, 40);
    assert!(medium.used_bytes() < 40 * 200);
    medium.rewind().unwrap();
    assert_eq!(medium.packer.threads(), 0);
    assert_eq!(medium.read_record(&mut [0; 500]).unwrap(), ReadOutcome::Record { length: 500 });
    // Single records and their filemarks need none.
    medium.write_record(&text(500)).unwrap();
    medium.write_filemarks(1).unwrap();
    assert_eq!((medium.packer.threads(), medium.end().position.block), (0, 3));
}

#[test]
fn a_thread_that_dies_is_an_error_that_stays_and_no_hang() {
    for is_read_first in [false, true] {
        let (log, index) = blank();
        let mut real = Real::open_with(log.clone(), index.clone(), Compression::Lz4).unwrap();
        real.medium.write_record(&text(300)).unwrap();
        real.medium.sync().unwrap();
        real.medium.packer.sabotage();
        let mut refused = false;
        for _ in 0..15 {
            refused |= real.medium.write_record(&text(900)).is_err();
        }
        if is_read_first && !refused {
            assert!(matches!(real.medium.read_record(&mut []), Err(TapeError::Io { .. })));
        }
        assert!(real.medium.write_filemarks(1).is_err());
        assert!(matches!(real.medium.write_filemarks(1), Err(TapeError::Failed { .. })));
        assert!(matches!(real.medium.write_record(&[1]), Err(TapeError::Failed { .. })));
        assert_eq!(real.medium.position().block, 1);
        // What was durable is still there to be read, now and later.
        assert!(real.medium.rewind().is_err());
        assert_eq!(real.medium.read_record(&mut []).unwrap(), ReadOutcome::Record { length: 300 });
        drop(real);
        let mut real = Real::open(log, index).unwrap();
        assert_eq!(contents(&mut real.medium), [Some(Block::Record(text(300)))]);
    }
}

#[test]
fn dropped_with_records_on_their_way_it_neither_hangs_nor_harms() {
    let (log, index) = blank();
    let mut real = Real::open_with(log.clone(), index.clone(), Compression::Zstd).unwrap();
    real.medium.write_record(&text(300)).unwrap();
    real.medium.write_filemarks(1).unwrap();
    for _ in 0..30 {
        real.medium.write_record(&text(700)).unwrap();
    }
    assert!(real.medium.packer.is_busy());
    drop(real);
    let mut real = Real::open(log, index).unwrap();
    let found = contents(&mut real.medium);
    assert_eq!(found[..2], [Some(Block::Record(text(300))), Some(Block::Mark)]);
    assert!(found[2..].iter().all(|block| *block == Some(Block::Record(text(700)))));
}

#[test]
fn a_failing_disk_under_the_pipeline_sticks() {
    let (log, _) = blank();
    let mut medium = compressing(&log, LIMITS, Compression::Zstd);
    medium.write_record(&noise(300, 1)).unwrap();
    medium.sync().unwrap();
    log.fail_after(Some((0, io::ErrorKind::Other)));
    let mut result = Ok(());
    for number in 0..60 {
        result = result.and_then(|()| medium.write_record(&noise(900, number)));
    }
    assert!(matches!(result, Err(TapeError::Io { .. })));
    log.fail_after(None);
    assert!(matches!(medium.write_record(&[1]), Err(TapeError::Failed { .. })));
    assert!(matches!(medium.sync(), Err(TapeError::Failed { .. })));
    assert!(!medium.packer.is_busy());
}

#[test]
fn a_refused_overwrite_destroys_nothing_and_a_small_one_fits() {
    let (log, _) = blank();
    let mut medium = compressing(&log, Limits { capacity_bytes: 10_000, ..LIMITS }, Compression::Zstd);
    medium.write_record(&noise(500, 1)).unwrap();
    medium.rewind().unwrap();
    assert!(matches!(medium.write_record(&noise(20_000, 2)), Err(TapeError::EndOfMedium { .. })));
    assert_eq!((medium.end().position.block, medium.header().generation), (1, 1));
    // Stored bytes count: this is twice the tape and still fits.
    medium.write_record(&text(20_000)).unwrap();
    assert_eq!((medium.end().position.block, medium.header().generation), (1, 2));
    medium.rewind().unwrap();
    let mut buffer = vec![0; 20_000];
    assert_eq!(medium.read_record(&mut buffer).unwrap(), ReadOutcome::Record { length: 20_000 });
    assert_eq!(buffer, text(20_000));
}
