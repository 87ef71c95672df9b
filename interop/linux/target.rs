//! A small iSCSI target (RFC 7143) for tests: one loader of the library crate behind real initiators, its robot as LUN 0 and
//! its drives as LUN 1 and up. `run` puts Linux's own tape driver in front of it.
//!
//! It listens on 127.0.0.1, asks for no login, knows no digests and no error recovery; it is no product. It must not know
//! what a CDB means, but for those that iSCSI itself answers (REPORT LUNS, unknown LUNs), and that a MOVE MEDIUM needs the
//! drives' leases.
#![allow(clippy::print_stdout, reason = "it says when it listens")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tapesilo::scsi::outcome::Outcome;
use tapesilo::scsi::personality::Personality;
use tapesilo::scsi::{Nexus, changer, drive};
use tapesilo::server::DiskCartridges;
use tapesilo::tape::{self, Compression, NewTape, Tape};
use tapesilo::vtl::bay::Bay;
use tapesilo::vtl::drive::{DriveHandle, DriveLease, Holder};
use tapesilo::vtl::element::ElementLayout;
use tapesilo::vtl::generation::Generation;
use tapesilo::vtl::loader::{Loader, LoaderSettings};

/// The longest data segment taken, and the longest burst.
const SEGMENT_BYTES_MAX: usize = 256 << 10;
/// The most data of one command: a record, and what surrounds it in the initiator's mind.
const TRANSFER_BYTES_MAX: usize = 16 << 20;
/// How many commands the initiator may send ahead.
const COMMAND_WINDOW: u32 = 32;
/// Commands that may wait while one gets its data.
const QUEUED_MAX: usize = 64;
const HEADER_BYTES: usize = 48;

type Header = [u8; HEADER_BYTES];

const USAGE: &str = "usage: target DIRECTORY PORT DRIVES SLOTS TAPES CAPACITY_BYTES";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, port, drives, slots, tapes, capacity_bytes] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let library = Library::open(
        Path::new(directory),
        drives.parse()?,
        slots.parse()?,
        tapes.parse()?,
        capacity_bytes.parse()?,
    )?;
    let library = Arc::new(library);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?))?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, library) = (stream?, library.clone());
        std::thread::spawn(move || {
            if let Err(error) = Session::new(stream, library).and_then(Session::serve) {
                eprintln!("session ended: {error}");
            }
        });
    }
    Ok(())
}

fn create(directory: &Path, barcode: &str, capacity_bytes: u64, worm: bool) -> io::Result<PathBuf> {
    let spec = NewTape { barcode: barcode.to_owned(), capacity_bytes, worm };
    let path = directory.join(barcode);
    tape::create(&path, &spec).map_err(io::Error::other)?;
    Ok(path)
}

/// The loader and who has its drives: this program, but for the time of a move.
struct Library {
    loader: Loader,
    drives: Vec<DriveHandle>,
    leases: Mutex<Vec<Option<DriveLease>>>,
}

impl Library {
    /// A new loader, with one WORM tape (`WRM001L8`), one write-protected one (`WPR001L8`), one that the drives cannot read
    /// (`OLD001L6`) and a cleaning cartridge (`CLN001L1`) more than asked for.
    fn open(
        directory: &Path,
        drive_count: u16,
        slots: u16,
        first_tapes: u32,
        tape_capacity_bytes: u64,
    ) -> Result<Library, Box<dyn Error>> {
        std::fs::create_dir_all(directory)?;
        let identity = Loader::identity_of(directory)?;
        let mut drives = Vec::new();
        for index in 0..drive_count {
            let (name, serial) = (format!("drive{index}"), identity.drive_serial(index));
            let wwn = identity.drive_world_wide_name(index);
            drives.push(DriveHandle::start(&name, &serial, wwn, Compression::None)?);
        }
        let settings = LoaderSettings {
            name: "linux".into(),
            directory: directory.to_owned(),
            slots,
            mail_slots: 1,
            layout: ElementLayout::default(),
            generation: Generation::Lto8,
            tape_capacity_bytes,
            tape_family: "TS".into(),
            first_tapes,
            trusts_map: false,
        };
        let bays = drives.iter().map(|drive| Arc::new(drive.clone()) as Arc<dyn Bay>).collect();
        let loader = Loader::open(settings, bays, Arc::new(DiskCartridges))?;
        create(directory, "WRM001L8", tape_capacity_bytes, true)?;
        let protected = create(directory, "WPR001L8", tape_capacity_bytes, false)?;
        Tape::open(&protected)?.set_write_protected(true)?;
        create(directory, "OLD001L6", tape_capacity_bytes, false)?;
        create(directory, "CLN001L1", tape_capacity_bytes, false)?;
        loader.rescan()?;
        let leases = Mutex::new(drives.iter().map(|_| None).collect());
        Ok(Library { loader, drives, leases })
    }

    fn leases(&self) -> MutexGuard<'_, Vec<Option<DriveLease>>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Executes a command on the robot. A move takes tapes out of drives that nobody has locked.
    fn robot(&self, sessions: &Nexuses, nexus: &mut Nexus, cdb: &[u8], data: &[u8], room: u32) -> Outcome {
        const MOVE_MEDIUM: u8 = 0xa5;
        const EXCHANGE_MEDIUM: u8 = 0xa6;
        if matches!(cdb.first(), Some(&(MOVE_MEDIUM | EXCHANGE_MEDIUM))) {
            for (at, lease) in self.leases().iter_mut().enumerate() {
                let lun = u8::try_from(at + 1).unwrap_or(u8::MAX);
                if !sessions.get(&lun).is_some_and(|nexus| nexus.prevent_removal) {
                    *lease = None;
                }
            }
        }
        changer::execute(&self.loader, &Personality::honest(), nexus, cdb, data, room)
    }

    /// Executes a command on a drive, on its thread.
    fn drive(
        &self,
        index: usize,
        nexus: &mut Nexus,
        cdb: &[u8],
        data: Vec<u8>,
        room: u32,
    ) -> io::Result<Outcome> {
        let mut leases = self.leases();
        let lease = match &mut leases[index] {
            Some(lease) => lease,
            none => none.insert(self.lease(index)),
        };
        let (mut at_work, cdb) = (nexus.clone(), cdb.to_vec());
        let done = lease.run(move |unit| {
            let outcome = drive::execute(unit, &Personality::honest().drive, &mut at_work, &cdb, &data, room);
            (outcome, at_work)
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (outcome, after) = runtime.block_on(done).map_err(io::Error::other)?;
        *nexus = after;
        Ok(outcome)
    }

    /// Waits until a lease that was given back is closed.
    fn lease(&self, index: usize) -> DriveLease {
        let holder = Holder { session: 1, peer: "iSCSI".into() };
        loop {
            match self.drives[index].acquire(&holder) {
                Ok(lease) => return lease,
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(1)),
            }
        }
    }
}

static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// What a session has set on each LUN.
type Nexuses = BTreeMap<u8, Nexus>;

/// A connection, which is a session.
struct Session {
    stream: TcpStream,
    library: Arc<Library>,
    nexuses: Nexuses,
    number: u64,
    initiator: u64,
    /// What the initiator takes in one data segment, and in one burst.
    segment_bytes: usize,
    burst_bytes: usize,
    expected_command: u32,
    status_number: u32,
    queued: VecDeque<(Header, Vec<u8>)>,
}

fn field(header: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

fn set(header: &mut Header, at: usize, value: u32) {
    header[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn to_usize(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

const ANSWER: u8 = 0x20;
const NOP_OUT: u8 = 0x00;
const COMMAND: u8 = 0x01;
const TASK: u8 = 0x02;
const LOGIN: u8 = 0x03;
const TEXT: u8 = 0x04;
const DATA_OUT: u8 = 0x05;
const LOGOUT: u8 = 0x06;
const DATA_IN: u8 = 0x25;
const READY_TO_TRANSFER: u8 = 0x31;
const FINAL: u8 = 0x80;
const NO_TAG: u32 = u32::MAX;

impl Drop for Session {
    fn drop(&mut self) {
        for (lun, nexus) in std::mem::take(&mut self.nexuses) {
            match usize::from(lun).checked_sub(1) {
                None => changer::end_session(&self.library.loader, &nexus),
                Some(index) => {
                    self.library.drives[index].behind_all(move |unit| drive::end_session(unit, &nexus));
                }
            }
        }
    }
}

impl Session {
    fn new(stream: TcpStream, library: Arc<Library>) -> io::Result<Session> {
        stream.set_nodelay(true)?;
        Ok(Session {
            stream,
            library,
            nexuses: Nexuses::new(),
            number: SESSIONS.fetch_add(1, Ordering::Relaxed),
            initiator: 0,
            segment_bytes: 8192,
            burst_bytes: SEGMENT_BYTES_MAX,
            expected_command: 0,
            status_number: 1,
            queued: VecDeque::new(),
        })
    }

    /// One PDU: its header and its data segment. What is too long ends the session.
    fn receive(&mut self) -> io::Result<(Header, Vec<u8>)> {
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header)?;
        let mut more = vec![0; usize::from(header[4]) * 4];
        self.stream.read_exact(&mut more)?;
        let length = to_usize(field(&header, 4) & 0xff_ffff);
        if length > SEGMENT_BYTES_MAX {
            return Err(wrong("a data segment longer than agreed"));
        }
        let mut data = vec![0; length.next_multiple_of(4)];
        self.stream.read_exact(&mut data)?;
        data.truncate(length);
        // Neither Data-Out nor an immediate PDU has a number of its own.
        if header[0] & 0x3f != DATA_OUT {
            let number = field(&header, 24);
            self.expected_command = if header[0] & 0x40 == 0 { number.wrapping_add(1) } else { number };
        }
        Ok((header, data))
    }

    /// Sends a PDU; one that carries a status takes a number.
    fn send(&mut self, mut header: Header, data: &[u8], has_status: bool) -> io::Result<()> {
        let [_, length @ ..] = to_u32(data.len()).to_be_bytes();
        header[5..8].copy_from_slice(&length);
        set(&mut header, 24, self.status_number);
        set(&mut header, 28, self.expected_command);
        set(&mut header, 32, self.expected_command.wrapping_add(COMMAND_WINDOW - 1));
        if has_status {
            self.status_number = self.status_number.wrapping_add(1);
        }
        let mut bytes = header.to_vec();
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        self.stream.write_all(&bytes)
    }

    fn serve(mut self) -> io::Result<()> {
        self.log_in()?;
        loop {
            let (header, data) = match self.queued.pop_front() {
                Some(queued) => queued,
                None => self.receive()?,
            };
            let mut answer = [0; HEADER_BYTES];
            answer[0] = header[0] & 0x1f | ANSWER;
            answer[1] = FINAL;
            answer[16..20].copy_from_slice(&header[16..20]);
            match header[0] & 0x3f {
                COMMAND => self.command(&header, data)?,
                NOP_OUT if field(&header, 16) == NO_TAG => {}
                NOP_OUT => {
                    answer[8..16].copy_from_slice(&header[8..16]);
                    set(&mut answer, 20, NO_TAG);
                    self.send(answer, &data, true)?;
                }
                TASK => self.send(answer, &[], true)?,
                TEXT => {
                    set(&mut answer, 20, NO_TAG);
                    self.send(answer, &[], true)?;
                }
                LOGOUT => return self.send(answer, &[], true),
                _ => return Err(wrong("a PDU that does not belong here")),
            }
        }
    }

    /// Agrees on everything the initiator offers that is simple.
    fn log_in(&mut self) -> io::Result<()> {
        loop {
            let (header, data) = self.receive()?;
            if header[0] & 0x3f != LOGIN {
                return Err(wrong("no login"));
            }
            self.initiator = header[8..14].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            let is_last = header[1] & FINAL != 0;
            let next_stage = header[1] & 0x03;
            let mut answer = [0; HEADER_BYTES];
            answer[0] = LOGIN | ANSWER;
            answer[1] = header[1] & if is_last { 0x8f } else { 0x0c };
            answer[8..16].copy_from_slice(&header[8..16]);
            if is_last && next_stage == 3 {
                answer[15] = 1; // TSIH
            }
            answer[16..20].copy_from_slice(&header[16..20]);
            let text = self.agree(&data);
            self.send(answer, text.as_bytes(), true)?;
            if is_last && next_stage == 3 {
                return Ok(());
            }
        }
    }

    fn agree(&mut self, offered: &[u8]) -> String {
        let offered = String::from_utf8_lossy(offered);
        let offered: HashMap<&str, &str> =
            offered.split('\0').filter_map(|pair| pair.split_once('=')).collect();
        let mut answer = vec!["TargetPortalGroupTag=1".to_owned()];
        for (key, value) in offered {
            let number = value.parse::<usize>().unwrap_or(0);
            let bounded = number.clamp(512, SEGMENT_BYTES_MAX);
            let agreed = match key {
                "InitiatorName" | "InitiatorAlias" | "TargetName" | "SessionType" => continue,
                "MaxRecvDataSegmentLength" => {
                    self.segment_bytes = bounded;
                    SEGMENT_BYTES_MAX.to_string()
                }
                "MaxBurstLength" => {
                    self.burst_bytes = bounded;
                    bounded.to_string()
                }
                "FirstBurstLength" => bounded.to_string(),
                "AuthMethod" | "HeaderDigest" | "DataDigest" => "None".into(),
                "InitialR2T" | "ImmediateData" | "DataPDUInOrder" | "DataSequenceInOrder" => "Yes".into(),
                "MaxConnections" | "MaxOutstandingR2T" => "1".into(),
                "DefaultTime2Wait" | "DefaultTime2Retain" | "ErrorRecoveryLevel" => "0".into(),
                "IFMarker" | "OFMarker" => "No".into(),
                _ => "NotUnderstood".into(),
            };
            answer.push(format!("{key}={agreed}"));
        }
        answer.iter().map(|pair| format!("{pair}\0")).collect()
    }

    fn command(&mut self, header: &Header, immediate: Vec<u8>) -> io::Result<()> {
        const READ: u8 = 0x40;
        const WRITE: u8 = 0x20;
        let expected = to_usize(field(header, 20));
        if expected > TRANSFER_BYTES_MAX {
            return Err(wrong("more data than a record"));
        }
        let data =
            if header[1] & WRITE != 0 { self.collect(header, immediate, expected)? } else { Vec::new() };
        let room = if header[1] & READ != 0 { to_u32(expected) } else { 0 };
        let cdb = &header[32..32 + cdb_bytes(header[32])];
        let outcome = self.execute(header[9], cdb, data, room)?;
        self.send_data(header, &outcome.data_in)?;
        let done =
            if header[1] & WRITE != 0 { to_usize(outcome.data_out_consumed) } else { outcome.data_in.len() };
        self.respond(header, &outcome, expected - done.min(expected))
    }

    /// The rest of the initiator's data, burst by burst; commands that come meanwhile wait.
    fn collect(&mut self, header: &Header, mut data: Vec<u8>, expected: usize) -> io::Result<Vec<u8>> {
        let mut number = 0;
        while data.len() < expected {
            let wanted = (expected - data.len()).min(self.burst_bytes);
            let mut ask = [0; HEADER_BYTES];
            (ask[0], ask[1]) = (READY_TO_TRANSFER, FINAL);
            ask[8..20].copy_from_slice(&header[8..20]);
            set(&mut ask, 20, number);
            set(&mut ask, 36, number);
            set(&mut ask, 40, to_u32(data.len()));
            set(&mut ask, 44, to_u32(wanted));
            self.send(ask, &[], false)?;
            let end = data.len() + wanted;
            while data.len() < end {
                let (part, bytes) = self.receive()?;
                if part[0] & 0x3f != DATA_OUT {
                    if self.queued.len() >= QUEUED_MAX {
                        return Err(wrong("more commands ahead than agreed"));
                    }
                    self.queued.push_back((part, bytes));
                    continue;
                }
                if part[16..20] != header[16..20] || to_usize(field(&part, 40)) != data.len() {
                    return Err(wrong("data of another command, or out of order"));
                }
                data.extend(bytes);
            }
            number += 1;
        }
        data.truncate(expected);
        Ok(data)
    }

    fn execute(&mut self, lun: u8, cdb: &[u8], data: Vec<u8>, room: u32) -> io::Result<Outcome> {
        const INQUIRY: u8 = 0x12;
        const REPORT_LUNS: u8 = 0xa0;
        let drives = self.library.drives.len();
        if cdb[0] == REPORT_LUNS {
            let mut luns = (to_u32(drives + 1) * 8).to_be_bytes().to_vec();
            luns.extend([0; 4]);
            (0..=drives).for_each(|lun| luns.extend([0, u8::try_from(lun).unwrap_or(0), 0, 0, 0, 0, 0, 0]));
            luns.truncate(to_usize(room));
            return Ok(Ok(luns).into());
        }
        if usize::from(lun) > drives {
            let mut nothing = vec![0; 36];
            nothing[0] = 0x7f; // no device can be here
            nothing.truncate(if cdb[0] == INQUIRY { to_usize(room) } else { 0 });
            return Ok(Ok(nothing).into());
        }
        let initiator = self.initiator;
        let mut nexus = self.nexuses.remove(&lun).unwrap_or_else(|| Nexus {
            initiator,
            session: self.number,
            name: format!("iSCSI session {}", self.number),
            ..Nexus::default()
        });
        let outcome = match usize::from(lun).checked_sub(1) {
            None => Ok(self.library.robot(&self.nexuses, &mut nexus, cdb, &data, room)),
            Some(index) => self.library.drive(index, &mut nexus, cdb, data, room),
        };
        // Also who moves a tape is told by the drive: Linux's driver relies on it.
        nexus.loaded.clear();
        self.nexuses.insert(lun, nexus);
        outcome
    }

    fn send_data(&mut self, header: &Header, data: &[u8]) -> io::Result<()> {
        let mut number = 0;
        for (burst, bytes) in data.chunks(self.burst_bytes).enumerate() {
            let segments = bytes.chunks(self.segment_bytes);
            let last = segments.len() - 1;
            for (segment, part) in segments.enumerate() {
                let mut answer = [0; HEADER_BYTES];
                answer[0] = DATA_IN;
                answer[1] = if segment == last { FINAL } else { 0 };
                answer[8..20].copy_from_slice(&header[8..20]);
                set(&mut answer, 20, NO_TAG);
                set(&mut answer, 36, number);
                set(&mut answer, 40, to_u32(burst * self.burst_bytes + segment * self.segment_bytes));
                self.send(answer, part, false)?;
                number += 1;
            }
        }
        Ok(())
    }

    /// The SCSI response, with what is missing of the data that was expected.
    fn respond(&mut self, header: &Header, outcome: &Outcome, missing: usize) -> io::Result<()> {
        const RESPONSE: u8 = 0x21;
        const UNDERFLOW: u8 = 0x02;
        let mut answer = [0; HEADER_BYTES];
        (answer[0], answer[1], answer[3]) = (RESPONSE, FINAL, outcome.status);
        if missing > 0 {
            answer[1] |= UNDERFLOW;
            set(&mut answer, 44, to_u32(missing));
        }
        answer[16..20].copy_from_slice(&header[16..20]);
        let sense = outcome.sense.map_or(Vec::new(), |sense| {
            let bytes = sense.to_bytes();
            [&[0, u8::try_from(bytes.len()).unwrap_or(0)], &bytes[..]].concat()
        });
        self.send(answer, &sense, true)
    }
}

/// The length of a CDB by its operation code; it stands in 16 bytes.
fn cdb_bytes(opcode: u8) -> usize {
    const INITIALIZE_ELEMENT_STATUS_WITH_RANGE: u8 = 0xe7;
    match opcode >> 5 {
        _ if opcode == INITIALIZE_ELEMENT_STATUS_WITH_RANGE => 10,
        0 => 6,
        1 | 2 => 10,
        5 => 12,
        _ => 16,
    }
}
