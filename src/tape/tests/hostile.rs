//! Files that somebody forged: checksums are right, everything else may lie. Nothing may panic or loop, and an index
//! that lies must not change what the log says.

use proptest::prelude::*;

use super::blank;
use super::memory::MemoryStorage;
use super::model::{Block, Real, contents};
use crate::tape::format::{DATA_START_BYTES, Kind, RecordHeader, TAPE_HEADER_BYTES, TapeHeader};
use crate::tape::index::Index;
use crate::tape::position::{Cursor, Position};

/// Twelve records and filemarks; every third is a mark.
fn sample() -> Vec<u8> {
    let (log, index) = blank();
    let mut real = Real::open(log.clone(), index).unwrap();
    for number in 1..=12_u8 {
        match number % 3 {
            0 => real.medium.write_filemarks(1).unwrap(),
            _ => real.medium.write_record(&[number; 336]).unwrap(),
        }
    }
    real.medium.close().unwrap();
    log.bytes()
}

fn header(log: &[u8]) -> TapeHeader {
    TapeHeader::decode(log[..TAPE_HEADER_BYTES].try_into().unwrap()).unwrap()
}

/// An index that covers what `end` says, and names `entries`.
fn forged_index(header: &TapeHeader, end: Cursor, entries: &[Cursor]) -> MemoryStorage {
    let storage = MemoryStorage::new(Vec::new());
    let mut index = Index::new(Some(storage.clone()), header.uuid);
    entries.iter().for_each(|entry| index.note(*entry));
    index.save(header.generation, end).unwrap();
    storage
}

fn expected() -> Vec<Option<Block>> {
    let block =
        |number: u8| if number.is_multiple_of(3) { Block::Mark } else { Block::Record(vec![number; 336]) };
    (1..=12).map(|number| Some(block(number))).collect()
}

#[test]
fn an_index_whose_end_lies_does_not_move_the_end() {
    let log = sample();
    let length = log.len() as u64;
    let position = |block, file, block_in_file| Position { block, file, block_in_file };
    for end in [
        Cursor::new(length, position(5, 1, 2)),
        Cursor::new(length, position(12, 3, 0)),
        Cursor::new(length, position(12, 4, 1)),
        Cursor::new(length, position(u64::MAX, u64::MAX, u64::MAX)),
        Cursor::new(length, position(1 << 60, 0, 1 << 60)),
        Cursor::new(length - 8, position(12, 4, 0)),
        Cursor::new(DATA_START_BYTES + 400, position(2, 0, 2)),
        Cursor::new(DATA_START_BYTES + 200, position(1, 0, 1)),
        Cursor::new(DATA_START_BYTES, position(7, 2, 1)),
    ] {
        let index = forged_index(&header(&log), end, &[Cursor::BEGINNING]);
        let mut real = Real::open(MemoryStorage::new(log.clone()), index).unwrap();
        assert_eq!(real.medium.end().position, position(12, 4, 0), "{end:?}");
        assert_eq!(contents(&mut real.medium), expected(), "{end:?}");
    }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..14_u64, (0..14_u64).prop_map(|below| u64::MAX - below), Just(1 << 40), any::<u64>()]
}

fn any_position() -> impl Strategy<Value = Position> {
    (number(), number(), number()).prop_map(|(block, file, block_in_file)| Position {
        block,
        file,
        block_in_file,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A record that lies about itself with a right checksum, under an index that vouches for it.
    #[test]
    fn forged_positions_panic_nowhere(
        at in 0..9_usize,
        told in any_position(),
        end in any_position(),
        entry in any_position(),
        entry_offset in prop_oneof![0..12_000_u64, any::<u64>()],
        (generation, generation_start) in (number(), prop_oneof![0..12_000_u64, any::<u64>()]),
        is_mark in any::<bool>(),
    ) {
        let mut log = sample();
        let mut forged_header = header(&log);
        if generation % 3 == 0 {
            (forged_header.generation, forged_header.generation_start) = (generation, generation_start);
            log[..TAPE_HEADER_BYTES].copy_from_slice(&forged_header.encode());
        }
        let (kind, bytes) = if is_mark { (Kind::Filemark, 0) } else { (Kind::Data, 336) };
        let forged = RecordHeader {
            kind, codec: 0, generation: 1, position: told, logical_bytes: bytes, stored_bytes: bytes, payload_sum: 0,
        };
        // Inside the padding of the header, on records, and inside records.
        let offset = if at == 8 { 512 } else { usize::try_from(DATA_START_BYTES).unwrap() + at * 200 };
        let encoded = forged.encode(forged_header.checksum_seed());
        log[offset..offset + encoded.len()].copy_from_slice(&encoded);
        if at == 8 {
            let sum = crc32c::crc32c(&log[..TAPE_HEADER_BYTES - 4]);
            log[TAPE_HEADER_BYTES - 4..TAPE_HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
        }
        let end = Cursor::new(log.len() as u64, end);
        let entries = [Cursor::new(offset as u64, told), Cursor::new(entry_offset, entry)];
        let index = forged_index(&forged_header, end, &entries);
        let Ok(mut real) = Real::open(MemoryStorage::new(log), index) else { return Ok(()) };
        let medium = &mut real.medium;
        for count in [1, -1, 3, -3, i64::MAX, i64::MIN] {
            let _ = medium.space_records(count);
            let _ = medium.space_filemarks(count);
            let _ = medium.read_record(&mut [0; 100]);
            let _ = medium.locate_block(count.unsigned_abs());
            let _ = medium.space_records(-count.saturating_abs());
            let _ = medium.locate_file(count.unsigned_abs());
            let _ = medium.is_early_warning(medium.cursor);
        }
        let _ = medium.write_record(&[1; 10]);
        let _ = medium.close();
    }
}
