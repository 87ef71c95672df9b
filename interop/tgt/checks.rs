//! Drives the physical library's `scsi` driver against a target that others wrote (tgt), and against this program's own
//! emulation (`interop/linux/target.rs`). `run` calls it; README.md says what is proved.
//!
//! Nothing here is a client of its own: it calls the crate's `physical` module alone. What tgt's `tgtimg` says about a
//! cartridge is the verdict.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: it reports, and fails loudly"
)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tapesilo::physical::iscsi::{Chap, Credentials, IscsiBus, IscsiTransport, Target};
use tapesilo::physical::scsi::{ScsiLibrary, Settings, Timeouts};
use tapesilo::physical::transport::{Data, Transport};
use tapesilo::physical::{Cancel, DriveState, Fault, FaultKind, Library, Limit, PhysicalDrive, Place, Room};
use tapesilo::vtl::element::ElementKind;
use tapesilo::vtl::tape_drive::{ReadRecord, SpaceEnd};

const INITIATOR: &str = "iqn.2026-01.test.tapesilo:initiator";
const DRIVE: u16 = 256;
const SLOT: u16 = 1024;
/// The longest record that tgt says its drives take.
const RECORD_BYTES_MAX: usize = 1 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [script, own, scratch, port] = arguments.as_slice() else {
        panic!("usage: checks LIBRARY_SCRIPT OWN_TARGET DIRECTORY FIRST_PORT");
    };
    let mut bench = Bench {
        script: script.into(),
        own: own.into(),
        scratch: scratch.into(),
        port: port.parse().unwrap(),
    };
    for (name, check) in CHECKS {
        let started = Instant::now();
        bench.port += 1;
        check(&bench);
        println!("ok      {name} ({:.1} s)", started.elapsed().as_secs_f64());
    }
}

type Check = fn(&Bench);

const CHECKS: &[(&str, Check)] = &[
    ("CHAP in one and both directions; wrong secrets and names are refused", chap),
    ("inventory, identity, drives by serial number", inventory),
    ("moves, and moves that cannot be", moves),
    ("records of 4 bytes to 1 MiB and filemarks, as tgtimg sees them, and read back", records),
    ("the same with CRC32C digests", digests),
    ("spacing and locating on a drive without LOCATE and READ POSITION", positions),
    ("a write-protected cartridge", write_protected),
    ("a cartridge that is smaller than the data", small),
    ("tgtd stopped in the middle: no answer in time, called off", stopped),
    ("tgtd killed in the middle: an error, no hang; what was synchronised is there", killed),
    ("throughput: the driver beside a plain loop of WRITE commands", throughput),
    ("our own emulation: records, LOCATE, READ POSITION, the end of the tape to the record", own_emulation),
    ("our own emulation: WORM, write protection, cartridges' memory, alerts", own_cartridges),
];

struct Bench {
    script: PathBuf,
    own: PathBuf,
    scratch: PathBuf,
    port: u16,
}

/// tgtd and its cartridges; ended when dropped.
struct Tgt<'a> {
    bench: &'a Bench,
    directory: PathBuf,
    pid: String,
}

impl Bench {
    fn tgt(&self, tapes: u32, mebibytes: u32, chap: &str) -> Tgt<'_> {
        let directory = self.scratch.join(format!("{}", self.port));
        self.start(directory, tapes, mebibytes, chap)
    }

    fn start(&self, directory: PathBuf, tapes: u32, mebibytes: u32, chap: &str) -> Tgt<'_> {
        let mut command = Command::new(&self.script);
        command.arg("start").arg(&directory).arg(self.port.to_string());
        command.args([tapes.to_string(), mebibytes.to_string()]).env("CHAP", chap);
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "tgtd did not start");
        let pid = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Tgt { bench: self, directory, pid }
    }

    fn target(&self, name: &str) -> Target {
        Target {
            portal: format!("127.0.0.1:{}", self.port),
            name: name.to_owned(),
            initiator: INITIATOR.to_owned(),
            chap: None,
            digests: false,
        }
    }
}

impl Tgt<'_> {
    fn target(&self) -> Target {
        self.bench.target("iqn.2026-01.test.tapesilo:library")
    }

    fn open(&self) -> ScsiLibrary {
        open(self.target(), Timeouts::default()).unwrap()
    }

    fn admin(&self, arguments: &str) {
        let mut command = Command::new(&self.bench.script);
        command.arg("admin").arg(&self.directory).args(arguments.split(' '));
        assert!(command.status().unwrap().success(), "tgtadm {arguments}");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid]).status().unwrap().success());
    }

    /// Waits until nobody listens any more. The kernel closes what a killed process has open one by one, in an order of its
    /// own: who comes between the end of its connection and that of the port is taken into the queue of the port and thrown
    /// out of it, which is a lost connection and no refused one.
    fn wait_refused(&self) {
        let started = Instant::now();
        let is_refused = || {
            let connected = TcpStream::connect(("127.0.0.1", self.bench.port));
            connected.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        };
        while !is_refused() {
            assert!(started.elapsed() < Duration::from_secs(10), "the port of a killed tgtd still listens");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What stands on a cartridge, as tgt's own tool tells it: lengths of records, 0 for a filemark.
    fn landed(&self, barcode: &str) -> Vec<usize> {
        let file = self.directory.join("media").join(barcode);
        let mut command = Command::new("tgtimg");
        command.args(["--op", "show", "--device-type", "tape"]).arg(format!("--file={}", file.display()));
        let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let objects = output.lines().filter_map(|line| {
            if line.contains("Filemark") {
                return Some(0);
            }
            let (_, bytes) = line.split_once("sz ").filter(|_| line.contains("data("))?;
            bytes.trim().parse().ok()
        });
        objects.collect()
    }
}

impl Drop for Tgt<'_> {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-CONT", &self.pid]).stderr(Stdio::null()).status();
        let _ = Command::new(&self.bench.script).arg("stop").arg(&self.directory).status();
    }
}

fn open(target: Target, timeouts: Timeouts) -> Result<ScsiLibrary, Fault> {
    let settings = Settings { timeouts, ..Settings::default() };
    ScsiLibrary::open("test", Box::new(IscsiBus::new(vec![target])), settings, &Cancel::new())
}

fn kind<T>(result: Result<T, Fault>) -> FaultKind {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(fault) => {
            println!("        {fault}");
            fault.kind
        }
    }
}

/// A cartridge in a drive, threaded.
fn loaded(library: &mut ScsiLibrary, from: u16, drive: u16, cancel: &Cancel) -> Box<dyn PhysicalDrive> {
    library.move_medium(from, drive, cancel).unwrap();
    let mut unit = library.open_drive(drive, cancel).unwrap();
    unit.load().unwrap();
    unit
}

/// The content of a record: unlike any other's, and not to be compressed.
fn content(number: usize, bytes: usize) -> Vec<u8> {
    let mut state = u64::try_from(number).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut data: Vec<u8> = std::iter::repeat_with(&mut next).take(bytes / 8 + 1).flatten().collect();
    data.truncate(bytes);
    data
}

/// Lengths of records, 0 for filemarks: small and large, around what goes with a command, and in one segment and burst;
/// filemarks alone, in a row, and at the end.
const OBJECTS: &[usize] = &[
    80,
    80,
    0,
    4,
    512,
    8191,
    8192,
    8193,
    0,
    0,
    0,
    10_240,
    65_535,
    65_536,
    65_537,
    262_143,
    262_144,
    262_145,
    0,
    524_288,
    600_000,
    RECORD_BYTES_MAX,
    0,
    32_768,
    0,
    0,
];

fn write(drive: &mut dyn PhysicalDrive, objects: &[usize]) {
    for (number, bytes) in objects.iter().enumerate() {
        let room = match bytes {
            0 => drive.write_filemarks(1).unwrap(),
            bytes => drive.write_record(&content(number, *bytes)).unwrap(),
        };
        assert_eq!(room, Room::Enough);
    }
    drive.synchronise().unwrap();
}

fn read(drive: &mut dyn PhysicalDrive, objects: &[usize]) {
    let mut buffer = vec![0; RECORD_BYTES_MAX];
    drive.rewind().unwrap();
    for (number, bytes) in objects.iter().enumerate() {
        match (bytes, drive.read_record(&mut buffer).unwrap()) {
            (0, ReadRecord::Filemark) => {}
            (bytes, ReadRecord::Record { bytes: came }) if came == *bytes => {
                assert!(buffer[..came] == content(number, came), "object {number}: other bytes");
            }
            (bytes, other) => panic!("object {number} of {bytes} bytes: {other:?}"),
        }
    }
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::EndOfData));
}

fn chap(bench: &Bench) {
    let mine = |secret: &str| Credentials::new("initiator", secret.as_bytes()).unwrap();
    let its = |name: &str, secret: &str| Some(Credentials::new(name, secret.as_bytes()).unwrap());
    let tgt = bench.tgt(1, 8, "both");
    let with = |initiator, target| Target { chap: Some(Chap { initiator, target }), ..tgt.target() };
    let right = mine("secret of initiator");
    for (target, expected) in [
        (tgt.target(), Some(FaultKind::Refused)),
        (with(mine("another secret"), None), Some(FaultKind::Refused)),
        (with(right.clone(), None), None),
        (with(right.clone(), its("target", "secret of target")), None),
        (with(right.clone(), its("target", "another secret")), Some(FaultKind::Refused)),
        (with(right, its("impostor", "secret of target")), Some(FaultKind::Refused)),
        (Target { name: "iqn.2026-01.test.tapesilo:none".into(), ..tgt.target() }, Some(FaultKind::Refused)),
        (Target { portal: "127.0.0.1:1".into(), ..tgt.target() }, Some(FaultKind::Refused)),
    ] {
        match expected {
            None => assert_eq!(open(target, Timeouts::default()).unwrap().identity().serial, "LIB00001"),
            Some(expected) => assert_eq!(kind(open(target, Timeouts::default())), expected),
        }
    }
}

fn inventory(bench: &Bench) {
    let tgt = bench.tgt(5, 8, "");
    let mut library = tgt.open();
    let identity = library.identity();
    assert_eq!((identity.vendor.as_str(), identity.product.as_str()), ("TGT", "VCHANGER"));
    let inventory = library.inventory(&Cancel::new()).unwrap();
    let count = |kind| inventory.of_kind(kind).count();
    assert_eq!(count(ElementKind::Storage), 8);
    assert_eq!((count(ElementKind::ImportExport), count(ElementKind::DataTransfer)), (2, 2));
    let full: Vec<_> = inventory.elements.iter().filter(|element| element.is_full).collect();
    let barcodes: Vec<_> = full.iter().map(|element| element.barcode.clone().unwrap()).collect();
    assert_eq!(barcodes, ["TST001L6", "TST002L6", "TST003L6", "TST004L6", "TST005L6"]);
    let serials: Vec<_> =
        inventory.of_kind(ElementKind::DataTransfer).map(|drive| drive.drive_serial.clone()).collect();
    assert_eq!(serials, [Some("DRV00001".into()), Some("DRV00002".into())]);
    library.look_again(&Cancel::new()).unwrap();
    for (address, serial) in [(DRIVE, "DRV00001"), (DRIVE + 1, "DRV00002")] {
        let mut drive = library.open_drive(address, &Cancel::new()).unwrap();
        assert_eq!(drive.serial(), serial);
        assert_eq!(drive.state(), Ok(DriveState::Empty));
    }
    assert_eq!(kind(library.open_drive(SLOT, &Cancel::new())), FaultKind::WrongDevice);
    let settings = Settings { serial: Some("LIB00002".into()), ..Settings::default() };
    let bus = Box::new(IscsiBus::new(vec![tgt.target()]));
    assert_eq!(kind(ScsiLibrary::open("test", bus, settings, &Cancel::new())), FaultKind::WrongDevice);
}

fn moves(bench: &Bench) {
    let tgt = bench.tgt(2, 8, "");
    let (mut library, cancel) = (tgt.open(), Cancel::new());
    library.move_medium(SLOT + 1, DRIVE + 1, &cancel).unwrap();
    let inventory = library.inventory(&cancel).unwrap();
    let drive = inventory.at(DRIVE + 1).unwrap();
    assert_eq!(
        (drive.is_full, drive.barcode.as_deref(), drive.source),
        (true, Some("TST002L6"), Some(SLOT + 1))
    );
    assert_eq!(kind(library.move_medium(SLOT + 1, DRIVE, &cancel)), FaultKind::SourceEmpty);
    assert_eq!(kind(library.move_medium(SLOT, DRIVE + 1, &cancel)), FaultKind::DestinationFull);
    library.move_medium(DRIVE + 1, 16, &cancel).unwrap();
    assert!(library.inventory(&cancel).unwrap().at(16).unwrap().is_full);
    library.move_medium(16, SLOT + 7, &cancel).unwrap();
    let inventory = library.inventory(&cancel).unwrap();
    let found: Vec<_> = inventory.with_barcode("TST002L6").map(|element| element.address).collect();
    assert_eq!(found, [SLOT + 7]);
    cancel.raise();
    assert_eq!(kind(library.move_medium(SLOT + 7, SLOT + 1, &cancel)), FaultKind::Cancelled);
}

fn records(bench: &Bench) {
    let tgt = bench.tgt(2, 64, "");
    write_and_read(&tgt, tgt.open());
}

fn digests(bench: &Bench) {
    let tgt = bench.tgt(2, 64, "");
    for digest in ["HeaderDigest", "DataDigest"] {
        tgt.admin(&format!("--mode target --op update --tid 1 -n {digest} -v CRC32C"));
    }
    let target = Target { digests: true, ..tgt.target() };
    let limit = Limit::new(&Cancel::new(), Duration::from_secs(10));
    let transport = IscsiTransport::connect(&target, [0; 8], &limit).unwrap();
    assert_eq!(transport.digests(), Some((true, true)));
    write_and_read(&tgt, open(target, Timeouts::default()).unwrap());
}

fn write_and_read(tgt: &Tgt<'_>, mut library: ScsiLibrary) {
    let cancel = Cancel::new();
    let mut drive = loaded(&mut library, SLOT, DRIVE, &cancel);
    let limits = drive.record_limits().unwrap();
    assert_eq!((limits.minimum_bytes, limits.maximum_bytes), (4, 1 << 20));
    write(&mut *drive, OBJECTS);
    drive.unload().unwrap();
    library.move_medium(DRIVE, SLOT, &cancel).unwrap();
    assert_eq!(tgt.landed("TST001L6"), OBJECTS);
    assert!(tgt.landed("TST002L6").is_empty());
    // With a buffer of 1 MiB tgt sends only a part of each record that is longer than half of it, and says it was all.
    let mut drive = loaded(&mut library, SLOT, DRIVE + 1, &cancel);
    read(&mut *drive, OBJECTS);
    let mut short = [0; 4];
    drive.rewind().unwrap();
    assert_eq!(drive.read_record(&mut short), Ok(ReadRecord::Record { bytes: 80 }));
}

fn positions(bench: &Bench) {
    let tgt = bench.tgt(1, 64, "");
    let (mut library, cancel) = (tgt.open(), Cancel::new());
    let mut drive = loaded(&mut library, SLOT, DRIVE, &cancel);
    let places = write_places(&mut *drive);
    go_to_places(&mut *drive, &places);
    // Overwriting from a place on: what stood behind it is gone, what stood before it is not.
    drive.locate(&places[12]).unwrap();
    write(&mut *drive, &[100, 0]);
    drive.unload().unwrap();
    assert_eq!(tgt.landed("TST001L6"), [&OBJECTS[..12], &[100, 0]].concat());
}

/// Writes the objects; gives the place before each, and the last one behind them.
fn write_places(drive: &mut dyn PhysicalDrive) -> Vec<Place> {
    let mut places = vec![drive.place().unwrap()];
    for (number, bytes) in OBJECTS.iter().enumerate() {
        match bytes {
            0 => drive.write_filemarks(1).map(|_| ()).unwrap(),
            bytes => drive.write_record(&content(number, *bytes)).map(|_| ()).unwrap(),
        }
        places.push(drive.place().unwrap());
    }
    assert_eq!(places[0], Place::BEGINNING);
    assert_eq!(places.last().unwrap().object, Some(u64::try_from(OBJECTS.len()).unwrap()));
    places
}

fn go_to_places(drive: &mut dyn PhysicalDrive, places: &[Place]) {
    let mut buffer = vec![0; 2 * RECORD_BYTES_MAX];
    for number in (0..OBJECTS.len()).rev().step_by(3) {
        drive.locate(&places[number]).unwrap();
        match (OBJECTS[number], drive.read_record(&mut buffer).unwrap()) {
            (0, ReadRecord::Filemark) => {}
            (bytes, ReadRecord::Record { bytes: came }) if came == bytes => {
                assert!(buffer[..came] == content(number, came), "object {number}");
            }
            (bytes, other) => panic!("object {number} of {bytes} bytes: {other:?}"),
        }
        assert_eq!(drive.place().unwrap(), places[number + 1]);
    }
    let end = places.last().unwrap();
    drive.locate(end).unwrap();
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::EndOfData));
    assert_eq!(kind(drive.locate(&end.after_filemarks(3).after_records(1))), FaultKind::EndOfData);
    drive.rewind().unwrap();
    let spaced = drive.space_filemarks(2).unwrap();
    assert_eq!((spaced.moved, spaced.end), (Some(2), SpaceEnd::Done));
    assert_eq!((drive.place().unwrap().file, drive.place().unwrap().record), (Some(2), Some(0)));
}

fn write_protected(bench: &Bench) {
    let tgt = bench.tgt(1, 8, "");
    let (mut library, cancel) = (tgt.open(), Cancel::new());
    let mut drive = loaded(&mut library, SLOT, DRIVE, &cancel);
    write(&mut *drive, &[80, 0]);
    tgt.admin("--mode logicalunit --op update --tid 1 --lun 1 --params readonly=1");
    drive.rewind().unwrap();
    assert!(drive.cartridge().unwrap().is_write_protected);
    assert_eq!(kind(drive.write_record(&[1; 80])), FaultKind::WriteProtected);
    assert_eq!(kind(drive.write_filemarks(1)), FaultKind::WriteProtected);
    read(&mut *drive, &[80, 0]);
    tgt.admin("--mode logicalunit --op update --tid 1 --lun 1 --params readonly=0");
    assert_eq!(tgt.landed("TST001L6"), [80, 0]);
}

fn small(bench: &Bench) {
    let tgt = bench.tgt(1, 4, "");
    let (mut library, cancel) = (tgt.open(), Cancel::new());
    let mut drive = loaded(&mut library, SLOT, DRIVE, &cancel);
    let record = content(1, 60_000);
    let mut written = 0;
    while drive.write_record(&record).unwrap() == Room::Enough {
        written += 1;
        assert!(written < 100, "no early warning");
    }
    // tgt knows no end after the warning; the one who writes has to stop. What was warned about is on the tape.
    assert_eq!(drive.write_filemarks(1), Ok(Room::Enough), "tgt warns of records only");
    drive.unload().unwrap();
    let landed = tgt.landed("TST001L6");
    assert_eq!(landed, [vec![60_000; written + 1], vec![0]].concat());
    println!("        warned at record {} of 60000 bytes on a cartridge of 4 MiB", written + 1);
    assert!((60..=70).contains(&written), "{written}");
}

fn stopped(bench: &Bench) {
    let tgt = bench.tgt(1, 64, "");
    let timeouts = Timeouts { transfer: Duration::from_secs(2), ..Timeouts::default() };
    let mut library = open(tgt.target(), timeouts).unwrap();
    let cancel = Cancel::new();
    let mut drive = loaded(&mut library, SLOT, DRIVE, &cancel);
    write(&mut *drive, &[1000, 0]);
    tgt.signal("-STOP");
    let started = Instant::now();
    assert_eq!(kind(drive.write_record(&content(2, 500_000))), FaultKind::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(kind(drive.write_record(&[2; 80])), FaultKind::PositionLost);
    tgt.signal("-CONT");
    // The connection was given up; another one sees what landed of the record that nobody answered for.
    drive.rewind().unwrap();
    assert_eq!(drive.space_records(1).unwrap().moved, Some(1));
    drive.locate(&Place::BEGINNING.after_records(1).after_filemarks(1)).unwrap();
    tgt.signal("-STOP");
    let raiser = std::thread::spawn({
        let cancel = cancel.clone();
        move || {
            std::thread::sleep(Duration::from_millis(300));
            cancel.raise();
        }
    });
    let started = Instant::now();
    assert_eq!(kind(drive.space_filemarks(-1)), FaultKind::Cancelled);
    println!("        {:.1} s after the beginning", started.elapsed().as_secs_f64());
    assert!((1..8).contains(&started.elapsed().as_secs()), "it had a moment to end by itself");
    raiser.join().unwrap();
    let started = Instant::now();
    assert_eq!(kind(drive.rewind()), FaultKind::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(1), "nothing new is begun");
}

fn killed(bench: &Bench) {
    let tgt = bench.tgt(1, 64, "");
    let (mut library, cancel) = (tgt.open(), Cancel::new());
    let mut drive = loaded(&mut library, SLOT, DRIVE, &cancel);
    write(&mut *drive, OBJECTS);
    let end = drive.place().unwrap();
    let killer = std::thread::spawn({
        let pid = tgt.pid.clone();
        move || {
            std::thread::sleep(Duration::from_millis(100));
            assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        }
    });
    let record = content(7, 200_000);
    let mut acknowledged = 0;
    let fault = loop {
        match drive.write_record(&record) {
            Ok(_) => acknowledged += 1,
            Err(fault) => break fault,
        }
    };
    killer.join().unwrap();
    println!("        {fault}, after {acknowledged} records");
    assert_eq!(fault.kind, FaultKind::ConnectionLost);
    assert_eq!(kind(drive.write_record(&record)), FaultKind::PositionLost);
    tgt.wait_refused();
    assert_eq!(kind(drive.rewind()), FaultKind::Refused);
    assert_eq!(kind(library.inventory(&cancel)), FaultKind::ConnectionLost);
    let again = bench.start(tgt.directory.clone(), 1, 64, "");
    // The new tgtd has the cartridge in its slot: after a reset one has to look.
    assert!(library.inventory(&cancel).unwrap().at(SLOT).unwrap().is_full);
    library.move_medium(SLOT, DRIVE, &cancel).unwrap();
    drive.load().unwrap();
    drive.locate(&end).unwrap();
    drive.write_filemarks(1).unwrap();
    drive.unload().unwrap();
    assert_eq!(again.landed("TST001L6"), [OBJECTS, &[0]].concat());
}

/// The driver must not take much of what the transport gives: each second round by WRITE commands alone.
fn throughput(bench: &Bench) {
    const RECORDS: u32 = 256;
    let tgt = bench.tgt(1, 1024, "");
    let (mut library, cancel) = (tgt.open(), Cancel::new());
    let mut drive = loaded(&mut library, SLOT, DRIVE, &cancel);
    let record = content(1, 256 << 10);
    let limit = Limit::new(&cancel, Duration::from_secs(60));
    let mut plain = IscsiTransport::connect(&tgt.target(), [0, 1, 0, 0, 0, 0, 0, 0], &limit).unwrap();
    let mut send = |cdb: [u8; 6], data: Data<'_>| plain.execute(&cdb, data, &limit).unwrap().status;
    assert_eq!(send([0; 6], Data::None), 2, "a unit attention");
    let mebibytes_a_second = |since: Instant| f64::from(RECORDS / 4) / since.elapsed().as_secs_f64();
    let (mut by_driver, mut by_loop, mut by_reading) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        drive.rewind().unwrap();
        let started = Instant::now();
        for _ in 0..RECORDS {
            drive.write_record(&record).unwrap();
        }
        by_driver.push(mebibytes_a_second(started));
        drive.rewind().unwrap();
        let started = Instant::now();
        for _ in 0..RECORDS {
            assert_eq!(send([0x0a, 0, 4, 0, 0, 0], Data::Out(&record)), 0);
        }
        by_loop.push(mebibytes_a_second(started));
        drive.rewind().unwrap();
        let mut buffer = vec![0; 256 << 10];
        let started = Instant::now();
        for _ in 0..RECORDS {
            assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Record { bytes: buffer.len() }));
        }
        by_reading.push(mebibytes_a_second(started));
    }
    let middle = |mut rounds: Vec<f64>| {
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    };
    let (by_driver, by_loop, by_reading) = (middle(by_driver), middle(by_loop), middle(by_reading));
    println!(
        "        {by_driver:.0} MiB/s written, by a plain loop {by_loop:.0}; {by_reading:.0} MiB/s read"
    );
    assert!(by_driver > 0.7 * by_loop, "the driver takes more than what noise explains");
}

/// Our own emulation behind iSCSI; ended when dropped.
struct Own(Child);

impl Own {
    fn start(bench: &Bench, capacity_bytes: u64) -> (Own, Target) {
        let directory = bench.scratch.join(format!("own{}", bench.port));
        let mut command = Command::new(&bench.own);
        command.arg(directory).args([&bench.port.to_string(), "2", "8", "2", &capacity_bytes.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("listening"), "{line}");
        (Own(child), bench.target("iqn.2026-01.test.tapesilo:own"))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn slot_of(library: &mut ScsiLibrary, barcode: &str) -> u16 {
    let inventory = library.inventory(&Cancel::new()).unwrap();
    let found = inventory.with_barcode(barcode).next().map(|element| element.address);
    found.unwrap_or_else(|| panic!("no {barcode} in {inventory:?}"))
}

fn own_emulation(bench: &Bench) {
    let (_own, target) = Own::start(bench, 32 << 20);
    let (mut library, cancel) = (open(target, Timeouts::default()).unwrap(), Cancel::new());
    let first = library.inventory(&cancel).unwrap().elements.iter().find(|e| e.is_full).unwrap().address;
    let mut drive = loaded(&mut library, first, DRIVE, &cancel);
    let places = write_places(&mut *drive);
    go_to_places(&mut *drive, &places);
    read(&mut *drive, OBJECTS);
    drive.rewind().unwrap();
    let record = content(1, 1 << 20);
    let (mut written, mut warned) = (0, 0);
    let fault = loop {
        match drive.write_record(&record) {
            Ok(Room::Enough) => written += 1,
            Ok(Room::EarlyWarning) => warned += 1,
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.kind, FaultKind::EndOfMedium);
    println!("        {fault}, after {written} records and {warned} with a warning");
    assert!(written > 16 && warned > 0 && written + warned <= 32);
    drive.rewind().unwrap();
    drive.space_to_end_of_data().unwrap();
    assert_eq!(drive.place().unwrap().object, Some(written + warned));
    drive.unload().unwrap();
    library.move_medium(DRIVE, first, &cancel).unwrap();
}

fn own_cartridges(bench: &Bench) {
    let (_own, target) = Own::start(bench, 32 << 20);
    let (mut library, cancel) = (open(target, Timeouts::default()).unwrap(), Cancel::new());
    let worm = slot_of(&mut library, "WRM001L8");
    let mut drive = loaded(&mut library, worm, DRIVE, &cancel);
    let cartridge = drive.cartridge().unwrap();
    assert_eq!((cartridge.is_write_once, cartridge.barcode.as_deref()), (Some(true), Some("WRM001L8")));
    assert_eq!(cartridge.capacity_bytes, Some(32 << 20));
    write(&mut *drive, &[80, 0]);
    drive.rewind().unwrap();
    assert_eq!(kind(drive.write_record(&[1; 80])), FaultKind::WriteOnce);
    assert!(drive.alerts().unwrap().is_some());
    drive.unload().unwrap();
    assert_eq!(drive.state(), Ok(DriveState::Unloaded));
    library.move_medium(DRIVE, worm, &cancel).unwrap();
    let protected = slot_of(&mut library, "WPR001L8");
    let mut drive = loaded(&mut library, protected, DRIVE + 1, &cancel);
    assert!(drive.cartridge().unwrap().is_write_protected);
    assert_eq!(kind(drive.write_record(&[1; 80])), FaultKind::WriteProtected);
}
