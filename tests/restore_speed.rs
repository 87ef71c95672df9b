//! How fast a restore is on the disk at hand: tape to memory, and tape to a loopback socket through the mover's pump,
//! from a cold page cache and a warm one. Ignored: run it by hand, in release, and read what it prints:
//! `cargo test --release --test restore_speed -- --ignored --nocapture --test-threads 1`.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::fs::{self, File};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tapesilo::mover::pump::{PumpControl, RecoverCarry, RecoverJob, run_recover};
use tapesilo::mover::{End, Progress, ReadRange, Window};
use tapesilo::tape::{NewTape, ReadOutcome, Stop, Tape, create};
use tapesilo::vtl::barcode::Barcode;
use tapesilo::vtl::bay::Bay;
use tapesilo::vtl::drive::DriveHandle;

const TAPE_BYTES: usize = 4 << 30;
const ROUNDS: usize = 3;

/// A tape of `records` records of `record_bytes`.
fn filled(directory: &Path, record_bytes: usize, records: usize) {
    create(directory, &NewTape { barcode: "SPEED1L8".to_owned(), capacity_bytes: 1 << 40, worm: false })
        .unwrap();
    let mut tape = Tape::open(directory).unwrap();
    let record: Vec<u8> = (0..record_bytes).map(|at| u8::try_from(at % 251).unwrap()).collect();
    for _ in 0..records {
        tape.write_record(&record).unwrap();
    }
    tape.write_filemarks(1).unwrap();
    tape.close().unwrap();
}

/// Drops what memory holds of the tape, or fetches all of it.
fn make(cold: bool, directory: &Path) {
    let mut file = File::open(directory.join("data")).unwrap();
    file.sync_all().unwrap();
    if cold {
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    } else {
        let mut buffer = vec![0; 1 << 20];
        while file.read(&mut buffer).unwrap() > 0 {}
    }
}

/// The processor time that this thread has used.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn report(what: &str, bytes: u64, elapsed: Duration, cpu: Duration) {
    let megabytes = f64::from(u32::try_from(bytes / 1_000_000).unwrap());
    let rate = megabytes / elapsed.as_secs_f64();
    println!("{what}: {rate:.0} MB/s, {:.3} CPU s/GB", cpu.as_secs_f64() * 1000.0 / megabytes);
}

fn read_tape(directory: &Path, what: &str, record_bytes: usize) {
    let mut tape = Tape::open(directory).unwrap();
    let mut buffer = vec![0; record_bytes];
    let (start, used, mut bytes) = (Instant::now(), cpu(), 0);
    while let ReadOutcome::Record { length } = tape.read_record(&mut buffer).unwrap() {
        bytes += length as u64;
    }
    report(what, bytes, start.elapsed(), cpu() - used);
    tape.close().unwrap();
}

fn restore(directory: &Path, what: &str, record_bytes: usize) {
    let drive = DriveHandle::start("speed_drive0", "SPEED", 1, tapesilo::tape::Compression::None).unwrap();
    drive.insert(directory, &Barcode::new("SPEED1L8").unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut out = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut sink, _) = listener.accept().unwrap();
    let receiver = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        while sink.read(&mut buffer).unwrap() > 0 {}
    });
    let holder = tapesilo::vtl::drive::Holder { session: 1, peer: "127.0.0.1:1".to_owned() };
    let lease = drive.acquire(&holder).unwrap();
    let done = lease.run(move |drive| {
        let mut carry = RecoverCarry::new(u32::try_from(record_bytes).unwrap());
        let range = ReadRange { offset_bytes: 0, length_bytes: u64::MAX };
        let (progress, control) = (Progress::default(), PumpControl::default());
        let job = RecoverJob { window: Window::MAX, range, progress, control };
        let (start, used) = (Instant::now(), cpu());
        let ended = run_recover(drive, &mut out, &mut carry, job);
        (ended, start.elapsed(), cpu() - used)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (ended, elapsed, used) = runtime.block_on(done).unwrap();
    receiver.join().unwrap();
    assert_eq!(ended.end, End::EndOfFile);
    report(what, ended.progress.moved_bytes, elapsed, used);
    drop(lease);
    runtime.block_on(drive.shut_down()).unwrap();
}

fn rounds(directory: &Path, record_bytes: usize) {
    for _ in 0..ROUNDS {
        for (cold, cache) in [(true, "cold"), (false, "warm")] {
            make(cold, directory);
            read_tape(directory, &format!("{record_bytes} B records, {cache}, read"), record_bytes);
            make(cold, directory);
            restore(directory, &format!("{record_bytes} B records, {cache}, restored"), record_bytes);
        }
    }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = root.path().join("tape");
    (root, directory)
}

#[test]
#[ignore = "takes gigabytes and is about time"]
fn large_records() {
    let (_root, directory) = place();
    filled(&directory, 64 << 10, TAPE_BYTES >> 16);
    rounds(&directory, 64 << 10);
}

#[test]
#[ignore = "takes gigabytes and is about time"]
fn small_records() {
    let (_root, directory) = place();
    filled(&directory, 10 << 10, TAPE_BYTES / 4 / (10 << 10));
    rounds(&directory, 10 << 10);
}

/// The median of locating random blocks among ten thousand records and among ten million.
#[test]
#[ignore = "takes gigabytes and is about time"]
fn blocks_are_found() {
    for (records, cold) in [(10_000_u64, false), (10_000_000, false), (10_000_000, true)] {
        let (_root, directory) = place();
        filled(&directory, 512, usize::try_from(records).unwrap());
        let mut tape = Tape::open(&directory).unwrap();
        make(cold, &directory);
        let mut times: Vec<Duration> = (0..2000_u64)
            .map(|number| {
                let block = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % records;
                let start = Instant::now();
                assert_eq!(tape.locate_block(block).unwrap(), Stop::Complete);
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{records} records, cold: {cold}, locate: median {median:?}, worst {worst:?}");
    }
}
