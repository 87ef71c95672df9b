//! How fast tapes are on the disk at hand. Ignored: run it by hand, in release, and read what it prints:
//! `cargo test --release --test tape_speed -- --ignored --nocapture --test-threads 1`.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::fs;
use std::path::Path;
use std::time::Instant;

use tapesilo::tape::{Compression, NewTape, ReadOutcome, Stop, Tape, create};

fn filled(directory: &Path, record_bytes: usize, records: usize, records_a_file: usize) -> Tape {
    create(directory, &NewTape { barcode: "SPEED1L8".to_owned(), capacity_bytes: 1 << 40, worm: false })
        .unwrap();
    let mut tape = Tape::open(directory).unwrap();
    let record: Vec<u8> = (0..record_bytes).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let start = Instant::now();
    for number in 1..=records {
        tape.write_record(&record).unwrap();
        if number % records_a_file == 0 {
            tape.write_filemarks(1).unwrap();
        }
    }
    tape.write_filemarks(1).unwrap();
    rate("written", record_bytes * records, start);
    tape
}

fn rate(what: &str, bytes: usize, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    let mebibytes = u32::try_from(bytes >> 20).unwrap();
    println!("{what}: {mebibytes} MiB in {seconds:.2} s, {:.0} MiB/s", f64::from(mebibytes) / seconds);
}

fn index_share(directory: &Path) {
    let length = |name| fs::metadata(directory.join(name)).unwrap().len();
    let (index, data) = (u32::try_from(length("index")).unwrap(), length("data"));
    let share = f64::from(index) * 100.0 / f64::from(u32::try_from(data >> 10).unwrap()) / 1024.0;
    println!("index: {index} bytes, {share:.4} % of {data}");
    assert!(share < 0.05);
}

#[test]
#[ignore = "takes gigabytes and is about time"]
fn large_records_stream() {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = root.path().join("tape");
    let mut tape = filled(&directory, 64 << 10, 16 << 10, 4 << 10);
    tape.rewind().unwrap();
    let (mut buffer, start) = (vec![0; 64 << 10], Instant::now());
    let mut bytes = 0;
    loop {
        match tape.read_record(&mut buffer).unwrap() {
            ReadOutcome::Record { length } => bytes += length,
            ReadOutcome::Filemark => {}
            ReadOutcome::EndOfData => break,
        }
    }
    rate("read", bytes, start);
    tape.close().unwrap();
    index_share(&directory);
}

#[test]
#[ignore = "takes gigabytes and is about time"]
fn small_records_are_found() {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = root.path().join("tape");
    filled(&directory, 512, 1_000_000, 100_000).close().unwrap();
    index_share(&directory);
    let start = Instant::now();
    let mut tape = Tape::open(&directory).unwrap();
    println!("opened with its index: {:?}", start.elapsed());
    let (start, mut worst) = (Instant::now(), std::time::Duration::ZERO);
    for number in 0..1000u64 {
        let one = Instant::now();
        assert_eq!(tape.locate_block(number * 7919 * 131 % 1_000_000).unwrap(), Stop::Complete);
        worst = worst.max(one.elapsed());
    }
    println!("locate block: {:?} on average, {worst:?} at worst", start.elapsed() / 1000);
    let start = Instant::now();
    for number in 0..1000u64 {
        assert_eq!(tape.locate_file(number * 7 % 11).unwrap(), Stop::Complete);
    }
    println!("locate file: {:?} on average", start.elapsed() / 1000);
    tape.close().unwrap();
    fs::remove_file(directory.join("index")).unwrap();
    let start = Instant::now();
    let tape = Tape::open(&directory).unwrap();
    println!("opened without an index: {:?}", start.elapsed());
    assert_eq!(tape.end_of_data().block, 1_000_011);
}

/// Numbers that look random and are the same in every run.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Words of a language of 4096, the first ones most often.
fn text(length: usize) -> Vec<u8> {
    let mut state = 42;
    let words: Vec<Vec<u8>> = (0..4096)
        .map(|_| {
            let letters = 2 + random(&mut state) % 9;
            (0..letters).map(|_| b"etaoinshrdlucmfw"[(random(&mut state) >> 20) as usize % 16]).collect()
        })
        .collect();
    let mut text = Vec::with_capacity(length + 16);
    while text.len() < length {
        let (one, other) = ((random(&mut state) >> 11) & 0xfff, (random(&mut state) >> 11) & 0xfff);
        text.extend_from_slice(&words[((one * other) >> 12) as usize]);
        text.push(b' ');
    }
    text.truncate(length);
    text
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 7;
    (0..length.div_ceil(8)).flat_map(|_| random(&mut state).to_le_bytes()).take(length).collect()
}

/// Processor seconds of this process so far, all threads.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u32 = fields[11..13].iter().map(|field| field.parse::<u32>().unwrap()).sum();
    f64::from(ticks) / 100.0
}

fn timed(what: &str, bytes: usize, act: impl FnOnce()) {
    let (start, processor) = (Instant::now(), processor_seconds());
    act();
    let gigabytes = f64::from(u32::try_from(bytes >> 10).unwrap()) * 1024e-9;
    let processor = (processor_seconds() - processor) / gigabytes;
    rate(&format!("{what}, {processor:.2} processor seconds/GB"), bytes, start);
}

#[test]
#[ignore = "takes gigabytes and is about time"]
fn compressed_records_stream() {
    const RECORD_BYTES: usize = 64 << 10;
    const ROUNDS: usize = 32;
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (kind, data) in [("text", text(32 << 20)), ("noise", noise(32 << 20))] {
        for compression in [Compression::None, Compression::Zstd, Compression::Lz4] {
            let directory = root.path().join("tape");
            let new = NewTape { barcode: "SPEED1L8".to_owned(), capacity_bytes: 1 << 40, worm: false };
            create(&directory, &new).unwrap();
            let mut tape = Tape::open_with(&directory, compression).unwrap();
            timed(&format!("{kind} {compression:?} written"), data.len() * ROUNDS, || {
                for _ in 0..ROUNDS {
                    data.chunks(RECORD_BYTES).for_each(|record| tape.write_record(record).unwrap());
                }
                tape.write_filemarks(1).unwrap();
            });
            tape.rewind().unwrap();
            let mut buffer = vec![0; RECORD_BYTES];
            timed(&format!("{kind} {compression:?} read"), data.len() * ROUNDS, || {
                while tape.read_record(&mut buffer).unwrap() != ReadOutcome::Filemark {}
            });
            println!("stored: {} MiB", tape.used_bytes() >> 20);
            tape.close().unwrap();
            fs::remove_dir_all(&directory).unwrap();
        }
    }
}
