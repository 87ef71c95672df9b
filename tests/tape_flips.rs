//! One flipped bit anywhere in the log of a tape of 64 MiB is found by `verify`, at its place, and no record is ever
//! returned with it: reading gives an error or the bytes that were written, and the neighbours are readable.
//!
//! On every run: 1,000 flips, 100 at a time in records that are no neighbours, and 10 alone. On demand: 10,000 alone, as
//! `endurance/README.md` says. The seed is printed; `FLIPS_SEED` sets it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail anywhere")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tapesilo::tape::{
    DATA_START_BYTES, NewTape, RECORD_OVERHEAD_BYTES, ReadOutcome, Stop, Tape, TapeError, TapeReader, create,
    verify,
};

const TAPE_BYTES: u64 = 64 << 20;
const PAYLOAD_AT: usize = 56;

/// xorshift64*: flips and contents that the seed alone decides.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(8)).flat_map(|_| self.below(u64::MAX).to_le_bytes()).take(length).collect()
    }
}

fn seed() -> u64 {
    let seed = std::env::var("FLIPS_SEED").ok().map(|text| text.parse().unwrap());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let seed = seed.unwrap_or_else(|| u64::try_from(now() % 1_000_000_007).unwrap() + 1);
    println!("FLIPS_SEED={seed}");
    seed
}

/// A record or filemark as it was written.
struct Block {
    offset: u64,
    /// Of the record's bytes; 0 for a filemark.
    length: usize,
}

impl Block {
    fn end(&self) -> u64 {
        self.offset + RECORD_OVERHEAD_BYTES + self.length.next_multiple_of(8) as u64
    }
}

/// A tape that is closed and sound.
struct Sound {
    directory: PathBuf,
    data: File,
    /// All of the log.
    bytes: Vec<u8>,
    blocks: Vec<Block>,
    _root: tempfile::TempDir,
}

impl Sound {
    /// Records of 1 byte to 1 MiB, filemarks between them, the last third an overwrite: two generations.
    fn new(chance: &mut Chance) -> Sound {
        let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let directory = root.path().join("FLIPS1L8");
        create(&directory, &NewTape { barcode: "FLIPS1L8".into(), capacity_bytes: 1 << 30, worm: false })
            .unwrap();
        let mut tape = Tape::open(&directory).unwrap();
        let mut blocks = Vec::new();
        write_until(&mut tape, TAPE_BYTES * 3 / 4, &mut blocks, chance);
        let kept = blocks.len() * 2 / 3;
        assert_eq!(tape.locate_block(kept as u64).unwrap(), Stop::Complete);
        blocks.truncate(kept);
        write_until(&mut tape, TAPE_BYTES, &mut blocks, chance);
        assert_eq!(tape.generation(), 2);
        tape.close().unwrap();
        let data = File::options().read(true).write(true).open(directory.join("data")).unwrap();
        let bytes = fs::read(directory.join("data")).unwrap();
        assert!(bytes.len() as u64 >= TAPE_BYTES);
        let sound = Sound { directory, data, bytes, blocks, _root: root };
        assert!(verify(&sound.directory, &mut |_, _| ()).unwrap().findings.is_empty());
        sound
    }

    fn flip(&self, bit: u64) {
        let byte = [self.bytes[usize::try_from(bit / 8).unwrap()] ^ (1 << (bit % 8))];
        self.data.write_all_at(&byte, bit / 8).unwrap();
    }

    fn mend(&self, bit: u64) {
        let at = usize::try_from(bit / 8).unwrap();
        self.data.write_all_at(&self.bytes[at..=at], bit / 8).unwrap();
    }

    /// In which block a bit stands; `None`: in the tape's headers.
    fn block_of(&self, bit: u64) -> Option<usize> {
        self.blocks.partition_point(|block| block.offset <= bit / 8).checked_sub(1)
    }

    fn payload(&self, block: &Block) -> &[u8] {
        let at = usize::try_from(block.offset).unwrap() + PAYLOAD_AT;
        &self.bytes[at..at + block.length]
    }

    /// `verify` must name the place of every flip, and nothing else.
    fn check_verify(&self, bits: &[u64]) {
        let found = verify(&self.directory, &mut |_, _| ()).unwrap();
        assert!(!found.is_sound() && found.findings_omitted == 0);
        let holds = |bit: u64, offset: Option<u64>, bytes: Option<u64>| {
            let (offset, bytes) = (offset.unwrap(), bytes.unwrap());
            (offset..offset + bytes).contains(&(bit / 8))
        };
        for bit in bits {
            let is_found = found
                .findings
                .iter()
                .any(|finding| finding.file == "data" && holds(*bit, finding.offset, finding.bytes));
            assert!(is_found, "bit {bit} is not among {:?}", found.findings);
        }
        for finding in found.findings.iter().filter(|finding| finding.file == "data") {
            assert!(
                bits.iter().any(|bit| holds(*bit, finding.offset, finding.bytes)),
                "too much: {finding:?}"
            );
        }
    }

    /// Reads the block with the flip and its neighbours, as a restore that is positioned there would.
    fn check_read_around(&self, bit: u64, buffer: &mut [u8]) {
        let Some(flipped) = self.block_of(bit) else { return };
        let first = flipped.saturating_sub(1);
        let mut reader = TapeReader::open(&self.directory).unwrap();
        match reader.locate_block(first as u64) {
            Ok(stop) => assert_eq!(stop, Stop::Complete),
            Err(error) => {
                assert!(first == flipped && matches!(error, TapeError::Medium { .. }), "bit {bit}: {error}");
                return;
            }
        }
        for number in first..(flipped + 2).min(self.blocks.len()) {
            self.check_read(reader.read_record(buffer), number, number == flipped, buffer);
        }
    }

    /// Reads all of the tape, as a drive would; the flips are in `flipped` blocks. Opens it to be written, too: that
    /// mends what can be mended.
    fn check_read_all(&self, flipped: &[usize], buffer: &mut [u8]) {
        let mut tape = Tape::open(&self.directory).unwrap();
        for number in 0..self.blocks.len() {
            self.check_read(tape.read_record(buffer), number, flipped.contains(&number), buffer);
        }
        assert_eq!(tape.read_record(buffer).unwrap(), ReadOutcome::EndOfData);
        tape.close().unwrap();
    }

    fn check_read(
        &self,
        result: Result<ReadOutcome, TapeError>,
        number: usize,
        is_flipped: bool,
        buffer: &[u8],
    ) {
        let block = &self.blocks[number];
        match result {
            Ok(ReadOutcome::Record { length }) => {
                let is_same = buffer[..length] == *self.payload(block);
                assert!(
                    is_same,
                    "block {number} of {} bytes (flipped: {is_flipped}) is returned as {length} others",
                    block.length
                );
            }
            Ok(ReadOutcome::Filemark) => assert_eq!(block.length, 0, "block {number} became a filemark"),
            Err(TapeError::Medium { .. }) if is_flipped => {}
            other => panic!("block {number} (flipped: {is_flipped}): {other:?}"),
        }
    }

    fn any_bit(&self, chance: &mut Chance) -> u64 {
        // Half of the bits among headers, padding and trailers, which are a small part of the tape.
        let bits = self.bytes.len() as u64 * 8;
        match chance.below(20) {
            0 => chance.below(DATA_START_BYTES * 8),
            1..=10 => {
                let block = &self.blocks[usize::try_from(chance.below(self.blocks.len() as u64)).unwrap()];
                let at = chance.below((PAYLOAD_AT + 16) as u64 * 8);
                if at < PAYLOAD_AT as u64 * 8 {
                    block.offset * 8 + at
                } else {
                    block.end() * 8 - 1 - (at - PAYLOAD_AT as u64 * 8)
                }
            }
            _ => chance.below(bits),
        }
    }
}

fn write_until(tape: &mut Tape, end_bytes: u64, blocks: &mut Vec<Block>, chance: &mut Chance) {
    // The first record may be an overwrite: the tape is longer than what will stand before it.
    let mut offset = blocks.last().map_or(DATA_START_BYTES, Block::end);
    while offset < DATA_START_BYTES + end_bytes {
        if chance.below(12) == 0 {
            tape.write_filemarks(1).unwrap();
            blocks.push(Block { offset, length: 0 });
        } else {
            // 1 byte to 1 MiB, all orders of magnitude alike.
            let length = usize::try_from((1u64 << chance.below(21)).max(1)).unwrap();
            let length = length + usize::try_from(chance.below(length as u64)).unwrap();
            tape.write_record(&chance.bytes(length.min(1 << 20))).unwrap();
            blocks.push(Block { offset, length: length.min(1 << 20) });
        }
        offset = blocks.last().map_or(offset, Block::end);
        assert_eq!(offset, DATA_START_BYTES + tape.used_bytes());
    }
    tape.write_filemarks(0).unwrap();
}

#[test]
fn a_thousand_flips_are_found_and_none_is_read() {
    let mut chance = Chance(seed());
    let sound = Sound::new(&mut chance);
    let mut buffer = vec![0; 1 << 20];
    for batch in 0..10 {
        // Far enough apart that no damage hides another's neighbour.
        let mut bits: Vec<u64> = Vec::new();
        while bits.len() < 100 {
            let bit = sound.any_bit(&mut chance);
            let place = |bit| sound.block_of(bit).map_or(-3, |number| i64::try_from(number).unwrap());
            if bits.iter().all(|other| (place(*other) - place(bit)).abs() > 2) {
                bits.push(bit);
            }
        }
        bits.iter().for_each(|bit| sound.flip(*bit));
        sound.check_verify(&bits);
        bits.iter().for_each(|bit| sound.check_read_around(*bit, &mut buffer));
        if batch % 4 == 0 {
            let flipped: Vec<usize> = bits.iter().filter_map(|bit| sound.block_of(*bit)).collect();
            sound.check_read_all(&flipped, &mut buffer);
        }
        bits.iter().for_each(|bit| sound.mend(*bit));
    }
    for _ in 0..10 {
        alone(&sound, sound.any_bit(&mut chance), &mut buffer);
    }
    assert!(verify(&sound.directory, &mut |_, _| ()).unwrap().findings.is_empty());
}

#[test]
#[ignore = "10,000 times a whole tape: for a release build, by hand"]
fn ten_thousand_flips_alone() {
    let seed = seed();
    let start = Instant::now();
    let workers = 2;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            scope.spawn(move || {
                let mut chance = Chance(seed + worker);
                let sound = Sound::new(&mut chance);
                let mut buffer = vec![0; 1 << 20];
                for _ in 0..10_000 / workers {
                    // Anywhere, alike.
                    let bit = chance.below(sound.bytes.len() as u64 * 8);
                    alone(&sound, bit, &mut buffer);
                }
            });
        }
    });
    println!("10000 single flips found, none read as good, in {:.0?}", start.elapsed());
}

fn alone(sound: &Sound, bit: u64, buffer: &mut [u8]) {
    sound.flip(bit);
    sound.check_verify(&[bit]);
    sound.check_read_around(bit, buffer);
    sound.mend(bit);
}

/// The file's own length is no bit of it, but losing the end is as silent: verify compares it with the index.
#[test]
fn a_log_that_lost_its_end_is_found() {
    let sound = Sound::new(&mut Chance(7));
    sound.data.set_len(sound.blocks.last().unwrap().offset).unwrap();
    assert!(!verify(Path::new(&sound.directory), &mut |_, _| ()).unwrap().is_sound());
}
