//! How long SPACE and LOCATE take on a tape of ten million records, beside one of ten thousand.
//!
//! Both tapes are in drives of the same server and take turns, command by command, to random places. The first file
//! of each holds nine tenths of the records; the rest stand in a hundred short files. Every record says which block it
//! is, and some of them are read to see that the tape stands where it should.

use std::path::Path;
use std::time::Instant;

use tapesilo::ndmp::wire::*;
use tapesilo::tape::{Stop, Tape};

use crate::Plan;
use crate::job::{self, Transfer};
use crate::machine;
use crate::measure::{Series, Table, Target};
use crate::servers::{Ndmjob, Ours, Server};
use crate::support::dma::Dma;

/// Records of the two tapes.
const RECORDS: [u64; 2] = [10_000_000, 10_000];
/// Short files behind the first one.
const FILES: u64 = 100;
const RECORD_BYTES: usize = 512;
/// Moves of each tape in a round.
const MOVES: u64 = 1000;
/// One move in so many is looked at.
const LOOKED_AT: u64 = 50;
/// How far the peer is sent.
const PEER_RECORDS: u64 = 90_000;

/// What a round of moves gives: the median of each tape, in microseconds.
type Round = [f64; 2];

pub(crate) fn run(plan: &Plan) -> Table {
    let mut by_library = [Series::default(), Series::default()];
    let ours = Ours::start_unloaded(2, plan.compression()).restart(|ours| {
        let directories = [0, 1].map(|drive| ours.tape_directory(drive));
        for (directory, records) in directories.iter().zip(RECORDS) {
            fill(directory, records);
            // Written past the page cache, it is not in there.
            machine::make_warm(&directory.join("data"));
        }
        let mut tapes = directories.map(|directory| Tape::open(&directory).expect("the tape is sound"));
        for _ in 0..plan.pairs {
            let round = moves(|tape, _, random| {
                let block = random % RECORDS[tape];
                let begun = Instant::now();
                let stop = tapes[tape].locate_block(block).expect("the tape is sound");
                let took = begun.elapsed();
                assert_eq!(stop, Stop::Complete);
                took.as_secs_f64() * 1e6
            });
            add(&mut by_library, round);
        }
    });
    ours.load(2);
    let mut drives = [0, 1].map(|drive| Drive::open(&ours, drive));
    let (mut records, mut files, mut blocks) = <([Series; 2], [Series; 2], [Series; 2])>::default();
    let mut cold = Series::default();
    for pair in 0..plan.pairs {
        machine::make_cold(&ours.tape_file(0));
        cold.push(median_of(200, |random| drives[0].locate(random, false)));
        for drive in [0, 1] {
            machine::make_warm(&ours.tape_file(drive));
        }
        plan.rest();
        add(&mut blocks, moves(|tape, number, random| drives[tape].locate(random, is_looked_at(number))));
        drives.iter_mut().for_each(Drive::rewind);
        add(
            &mut records,
            moves(|tape, number, random| drives[tape].space_records(random, is_looked_at(number))),
        );
        drives.iter_mut().for_each(Drive::rewind);
        add(&mut files, moves(|tape, number, random| drives[tape].space_files(random, is_looked_at(number))));
        plan.progress(pair, &[("SPACE µs", &records[0]), ("LOCATE µs", &blocks[0]), ("cold µs", &cold)]);
    }
    let (mine, peer) = beside_peer(plan, &mut drives[0]);
    let mut table = Table::new();
    for (what, [large, small]) in [
        ("LOCATE", &blocks),
        ("SPACE records (FSR, BSR)", &records),
        ("SPACE filemarks (FSF, BSF)", &files),
        ("`Tape::locate_block`, no server", &by_library),
    ] {
        table.figure(&format!("{what}, 10 million records, warm cache"), "µs", large, Target::AtMost(1000.0));
        table.ratio(what, "µs", large, ("10 thousand records", small), Target::AtMost(2.0));
    }
    table.figure("LOCATE, 10 million records, cold cache", "µs", &cold, Target::AtMost(1000.0));
    table.ratio("FSR over 90 thousand records", "µs", &mine, ("ndmjob", &peer), Target::None);
    table
}

fn add(series: &mut [Series; 2], round: Round) {
    series.iter_mut().zip(round).for_each(|(series, value)| series.push(value));
}

fn is_looked_at(number: u64) -> bool {
    number.is_multiple_of(LOOKED_AT)
}

/// A round: the tapes take turns. `one` gets the tape, the move's number and a random number; it returns microseconds.
fn moves(mut one: impl FnMut(usize, u64, u64) -> f64) -> Round {
    let mut random = Random::new();
    let mut took = [Series::default(), Series::default()];
    for number in 0..MOVES {
        let random = random.next();
        for (tape, took) in took.iter_mut().enumerate() {
            took.push(one(tape, number, random));
        }
    }
    took.map(|series| series.median())
}

fn median_of(count: u64, mut one: impl FnMut(u64) -> f64) -> f64 {
    let mut random = Random::new();
    (0..count).map(|_| one(random.next())).collect::<Series>().median()
}

/// xorshift64, from the clock.
struct Random(u64);

impl Random {
    fn new() -> Random {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Random(u64::from(now.map_or(1, |since| since.subsec_nanos())) << 20 | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The lowest bits are its weakest.
        self.0 >> 11
    }
}

/// Writes a tape by the library: nine tenths of the records, then a hundred files.
fn fill(directory: &Path, records: u64) {
    let mut tape = Tape::open(directory).expect("the tape is sound");
    let mut record = [0x5a; RECORD_BYTES];
    let mut write = |tape: &mut Tape, count: u64| {
        for _ in 0..count {
            record[..8].copy_from_slice(&tape.position().block.to_be_bytes());
            tape.write_record(&record).expect("the disk takes the data");
        }
        tape.write_filemarks(1).expect("the disk takes the data");
    };
    write(&mut tape, first_file(records));
    for _ in 0..FILES {
        write(&mut tape, (records - first_file(records)) / FILES);
    }
    tape.close().expect("the disk takes the data");
}

/// Records of the first file of a tape of so many.
fn first_file(records: u64) -> u64 {
    records / 10 * 9
}

/// A drive with one of the two tapes, and where that stands.
struct Drive {
    dma: Dma,
    records: u64,
    /// The record or the file, as it is the one or the other that is gone to.
    at: u64,
}

impl Drive {
    fn open(ours: &Ours, drive: usize) -> Drive {
        let mut dma = ours.dma();
        assert_eq!(dma.open_tape(&ours.device(drive), TapeOpenMode::Read), Error::NoErr);
        Drive { dma, records: RECORDS[drive], at: 0 }
    }

    fn rewind(&mut self) {
        assert_eq!(self.dma.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
        self.at = 0;
    }

    /// LOCATE(10) to any block; the microseconds that it took.
    fn locate(&mut self, random: u64, is_looked_at: bool) -> f64 {
        let block = random % self.records;
        let address = u32::try_from(block).expect("below four thousand million").to_be_bytes();
        let cdb = [0x2b, 0, 0, address[0], address[1], address[2], address[3], 0, 0, 0];
        let request = ExecuteCdbRequest {
            flags: 0,
            timeout: 0,
            datain_len: 0,
            cdb: cdb[..].into(),
            dataout: Default::default(),
        };
        let begun = Instant::now();
        let reply: ExecuteCdbReply = self.dma.ask(MessageCode::TapeExecuteCdb, &request);
        let took = begun.elapsed();
        assert_eq!((reply.error, reply.status), (Error::NoErr, 0));
        if is_looked_at {
            self.look(block);
        }
        took.as_secs_f64() * 1e6
    }

    /// FSR or BSR to any record of the first file.
    fn space_records(&mut self, random: u64, is_looked_at: bool) -> f64 {
        let took = self.space(random % first_file(self.records), [TapeMtioOp::Fsr, TapeMtioOp::Bsr]);
        if is_looked_at {
            self.look(self.at);
            self.at += 1;
        }
        took
    }

    /// FSF or BSF to any file: forwards to its beginning, backwards to its end.
    fn space_files(&mut self, random: u64, is_looked_at: bool) -> f64 {
        let took = self.space(random % FILES, [TapeMtioOp::Fsf, TapeMtioOp::Bsf]);
        if is_looked_at {
            assert_eq!(u64::from(self.dma.tape_state().file_num), self.at);
        }
        took
    }

    fn space(&mut self, target: u64, [forward, backward]: [TapeMtioOp; 2]) -> f64 {
        let operation = if target >= self.at { forward } else { backward };
        let count = u32::try_from(target.abs_diff(self.at)).expect("below four thousand million");
        let begun = Instant::now();
        let reply = self.dma.mtio(operation, count);
        let took = begun.elapsed();
        assert_eq!((reply.error, reply.resid_count), (Error::NoErr, 0));
        self.at = target;
        took.as_secs_f64() * 1e6
    }

    /// Reads the record in front of which the tape should stand.
    fn look(&mut self, block: u64) {
        match self.dma.read(u32::try_from(RECORD_BYTES).expect("a small number")) {
            Ok(record) => assert_eq!(record[..8], block.to_be_bytes()),
            Err(error) => assert_eq!(error, Error::Eof, "a filemark"),
        }
    }
}

/// One long FSR on the large tape, and on a tape of the peer's; microseconds.
fn beside_peer(plan: &Plan, drive: &mut Drive) -> (Series, Series) {
    let ndmjob = Ndmjob::start();
    let record_bytes = u32::try_from(RECORD_BYTES).expect("a small number");
    let total_bytes = (PEER_RECORDS + 10) * u64::from(record_bytes);
    let transfer = Transfer { drive: 0, record_bytes, total_bytes, pattern: plan.pattern.clone() };
    job::backup(&ndmjob, &transfer);
    let mut theirs = Drive { dma: ndmjob.dma(), records: PEER_RECORDS, at: 0 };
    assert_eq!(theirs.dma.open_tape(&ndmjob.device(0), TapeOpenMode::Read), Error::NoErr);
    let one = |drive: &mut Drive| {
        drive.rewind();
        drive.space(PEER_RECORDS, [TapeMtioOp::Fsr, TapeMtioOp::Bsr])
    };
    (0..plan.pairs).map(|_| (one(drive), one(&mut theirs))).collect::<Vec<_>>().into_iter().fold(
        Default::default(),
        |(mut mine, mut peer): (Series, Series), (one, two)| {
            mine.push(one);
            peer.push(two);
            (mine, peer)
        },
    )
}
