//! The SSC commands held to the byte over a drive whose tape is a list in memory.

use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::scsi::commands::tests as table;
use crate::scsi::personality::Personality;
use crate::vtl::tape_drive::{
    CartridgeMemory, DriveError, DriveSettings, Position, ReadRecord, RecordLimits, SpaceEnd, Spaced,
};

/// As our own drive.
fn execute(
    drive: &mut dyn TapeDrive,
    nexus: &mut Nexus,
    cdb: &[u8],
    data_out: &[u8],
    allocation_bytes: u32,
) -> Outcome {
    super::execute(drive, &Personality::honest().drive, nexus, cdb, data_out, allocation_bytes)
}

/// A tape as a string: `r` a record of four bytes, `m` a filemark. What records hold is tested on real tapes
/// (`tests/scsi_drive.rs`).
struct FakeDrive {
    state: Mutex<State>,
    settings: DriveSettings,
}

struct State {
    medium: Medium,
    tape: Vec<char>,
    at: usize,
    protected: bool,
    prevented: bool,
    early_warning: usize,
    compresses: bool,
    is_worm: bool,
    loads: u64,
}

impl FakeDrive {
    fn with(tape: &str) -> Self {
        let tape = tape.chars().collect();
        let (medium, early_warning) = (Medium::Ready, 1000);
        let state = State {
            medium,
            tape,
            at: 0,
            protected: false,
            prevented: false,
            early_warning,
            compresses: false,
            is_worm: false,
            loads: 1,
        };
        Self { state: Mutex::new(state), settings: DriveSettings::default() }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// Steps over objects until `count` of `wanted` are passed or something ends it.
    fn space(&self, wanted: char, count: i64) -> Spaced {
        let mut state = self.state.lock().unwrap();
        let mut moved = 0;
        while moved < count.unsigned_abs() {
            let (next, end) = if count > 0 {
                (state.tape.get(state.at).copied(), SpaceEnd::EndOfData)
            } else {
                (state.at.checked_sub(1).map(|at| state.tape[at]), SpaceEnd::BeginningOfTape)
            };
            let Some(object) = next else { return Spaced { moved, end } };
            state.at = if count > 0 { state.at + 1 } else { state.at - 1 };
            if object == wanted {
                moved += 1;
            } else if object == 'm' {
                return Spaced { moved, end: SpaceEnd::Filemark };
            }
        }
        Spaced { moved, end: SpaceEnd::Done }
    }
}

impl TapeDrive for FakeDrive {
    fn serial(&self) -> String {
        "0123456789".into()
    }
    fn world_wide_name(&self) -> u64 {
        0x3000_0000_0000_0001
    }
    fn medium(&self) -> Medium {
        self.state.lock().unwrap().medium
    }
    fn write_protected(&self) -> bool {
        self.state.lock().unwrap().protected
    }
    fn capacity_bytes(&self) -> u64 {
        1 << 30
    }
    fn remaining_bytes(&self) -> u64 {
        1 << 20
    }
    fn compresses(&self) -> bool {
        self.state.lock().unwrap().compresses
    }
    fn record_limits(&self) -> RecordLimits {
        RecordLimits { minimum_bytes: 1, maximum_bytes: 0xff_ffff }
    }
    fn loads(&self) -> u64 {
        self.state.lock().unwrap().loads
    }
    fn settings(&mut self) -> &mut DriveSettings {
        &mut self.settings
    }
    fn cartridge_memory(&mut self) -> Result<CartridgeMemory, DriveError> {
        match self.medium() {
            Medium::Ready => Ok(CartridgeMemory {
                is_worm: self.state.lock().unwrap().is_worm,
                ..CartridgeMemory::default()
            }),
            _ => Err(DriveError::Empty),
        }
    }
    fn read_record(&mut self, buffer: &mut [u8]) -> Result<ReadRecord, DriveError> {
        let mut state = self.state.lock().unwrap();
        let next = state.tape.get(state.at).copied();
        state.at += usize::from(next.is_some());
        buffer.fill(0xaa);
        Ok(match next {
            Some('r') => ReadRecord::Record { bytes: 4 },
            Some(_) => ReadRecord::Filemark,
            None => ReadRecord::EndOfData,
        })
    }
    fn write_record(&mut self, _: &[u8]) -> Result<bool, DriveError> {
        let mut state = self.state.lock().unwrap();
        if state.protected || state.is_worm && state.at < state.tape.len() {
            return Err(DriveError::WriteProtected);
        }
        let at = state.at;
        state.tape.truncate(at);
        state.tape.push('r');
        state.at += 1;
        Ok(state.at >= state.early_warning)
    }
    fn erase(&mut self) -> Result<(), DriveError> {
        let mut state = self.state.lock().unwrap();
        let at = state.at;
        state.tape.truncate(at);
        Ok(())
    }
    fn locate_file(&mut self, file: u64) -> Result<(), DriveError> {
        self.rewind()?;
        match self.space_filemarks(i64::try_from(file).unwrap_or(i64::MAX))?.end {
            SpaceEnd::Done => Ok(()),
            _ => Err(DriveError::EndOfData),
        }
    }
    fn position(&mut self) -> Result<Position, DriveError> {
        let state = self.state.lock().unwrap();
        Ok(Position {
            block: state.at as u64,
            file: state.tape[..state.at].iter().filter(|object| **object == 'm').count() as u64,
            at_beginning: state.at == 0,
            past_early_warning: state.at >= state.early_warning,
        })
    }
    fn write_filemarks(&mut self, count: u32) -> Result<(), DriveError> {
        let mut state = self.state.lock().unwrap();
        if state.protected {
            return Err(DriveError::WriteProtected);
        }
        let at = state.at;
        if count > 0 {
            state.tape.truncate(at);
        }
        state.tape.extend(std::iter::repeat_n('m', (count as usize).min(5000)));
        state.at = if count > 0 { state.tape.len() } else { at };
        Ok(())
    }
    fn space_records(&mut self, count: i64) -> Result<Spaced, DriveError> {
        Ok(self.space('r', count))
    }
    fn space_filemarks(&mut self, count: i64) -> Result<Spaced, DriveError> {
        Ok(self.space('m', count))
    }
    fn space_to_end_of_data(&mut self) -> Result<(), DriveError> {
        self.change(|state| state.at = state.tape.len());
        Ok(())
    }
    fn locate_block(&mut self, block: u64) -> Result<(), DriveError> {
        let mut state = self.state.lock().unwrap();
        let end = state.tape.len();
        state.at = usize::try_from(block).unwrap_or(usize::MAX).min(end);
        if block > end as u64 { Err(DriveError::EndOfData) } else { Ok(()) }
    }
    fn rewind(&mut self) -> Result<(), DriveError> {
        self.change(|state| state.at = 0);
        Ok(())
    }
    fn load(&mut self) -> Result<(), DriveError> {
        if self.medium() == Medium::Empty {
            return Err(DriveError::Empty);
        }
        self.change(|state| (state.medium, state.at) = (Medium::Ready, 0));
        Ok(())
    }
    fn unload(&mut self) -> Result<(), DriveError> {
        let mut state = self.state.lock().unwrap();
        if state.prevented {
            return Err(DriveError::Prevented);
        }
        if state.medium == Medium::Ready {
            state.medium = Medium::Unloaded;
        }
        Ok(())
    }
    fn prevent_removal(&mut self, prevent: bool) {
        self.change(|state| state.prevented = prevent);
    }
}

fn run(drive: &mut FakeDrive, cdb: &[u8]) -> Outcome {
    execute(drive, &mut Nexus::default(), cdb, &[], 4096)
}

fn data(drive: &mut FakeDrive, cdb: &[u8]) -> Vec<u8> {
    let outcome = run(drive, cdb);
    assert_eq!((outcome.status, outcome.sense), (0, None), "{cdb:02x?}");
    outcome.data_in
}

fn sense(drive: &mut FakeDrive, cdb: &[u8]) -> Sense {
    let outcome = run(drive, cdb);
    assert_eq!((outcome.status, outcome.data_in.len()), (2, 0), "{cdb:02x?}");
    outcome.sense.unwrap()
}

#[test]
fn space_stops_where_it_should_and_says_what_is_left() {
    /// Tape, from, code and count; position after, sense with residual.
    type Case = (&'static str, usize, [u8; 4], usize, Option<(Sense, u32)>);
    let cases: &[Case] = &[
        ("rrrr", 0, [0, 0, 0, 3], 3, None),
        ("rrmr", 0, [0, 0, 0, 4], 3, Some((Sense::FILEMARK, 2))),
        ("rrmr", 4, [0, 0xff, 0xff, 0xfd], 2, Some((Sense::FILEMARK, 2))),
        ("rr", 1, [0, 0, 0, 5], 2, Some((Sense::END_OF_DATA, 4))),
        ("rr", 1, [0, 0xff, 0xff, 0xfb], 0, Some((Sense::BEGINNING_OF_TAPE, 4))),
        ("rmrm", 0, [1, 0, 0, 2], 4, None),
        ("rmrm", 0, [1, 0, 0, 9], 4, Some((Sense::END_OF_DATA, 7))),
        ("rmrm", 4, [1, 0xff, 0xff, 0xff], 3, None),
        ("rmrm", 4, [1, 0x80, 0, 0], 0, Some((Sense::BEGINNING_OF_TAPE, 0x80_0000 - 2))),
        ("rmrm", 0, [3, 0, 0, 0], 4, None),
        ("rm", 1, [0, 0, 0, 0], 1, None),
    ];
    for (tape, from, command, to, expected) in cases {
        let mut drive = FakeDrive::with(tape);
        drive.change(|state| state.at = *from);
        let outcome = run(&mut drive, &[0x11, command[0], command[1], command[2], command[3], 0]);
        let expected = expected.map(|(sense, residual)| sense.with_information(residual));
        assert_eq!((outcome.sense, drive.state.lock().unwrap().at), (expected, *to), "{tape} {command:?}");
    }
    assert_eq!(sense(&mut FakeDrive::with(""), &[0x11, 4, 0, 0, 1, 0]), Sense::invalid_bit(1, 2));
}

#[test]
fn positions_agree_with_the_tape() {
    let mut drive = FakeDrive::with("rrmr");
    assert_eq!(
        data(&mut drive, &[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0])[..12],
        [0xb0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    assert!(data(&mut drive, &[0x2b, 0, 0, 0, 0, 0, 3, 0, 0, 0]).is_empty());
    let position = data(&mut drive, &[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(position, [0x30, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(sense(&mut drive, &[0x2b, 0, 0, 0, 0, 0, 9, 0, 0, 0]), Sense::END_OF_DATA);
    assert_eq!(sense(&mut drive, &[0x2b, 2, 0, 0, 0, 0, 0, 0, 1, 0]), Sense::invalid_byte(8));
    assert_eq!(
        data(&mut drive, &[0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0]).len(),
        20,
        "Linux's st asks for this form"
    );
    assert!(data(&mut drive, &[0x2b, 4, 0, 0, 0, 0, 4, 0, 0, 0]).is_empty(), "and locates by such addresses");
    assert_eq!(sense(&mut drive, &[0x34, 7, 0, 0, 0, 0, 0, 0, 0, 0]), Sense::invalid_bit(1, 4));
    let file = |file| [0x92, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, file, 0, 0, 0, 0];
    assert!(data(&mut drive, &file(1)).is_empty());
    assert_eq!(
        data(&mut drive, &[0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0]),
        [[0; 8], [0, 0, 0, 0, 0, 0, 0, 3], [0, 0, 0, 0, 0, 0, 0, 1], [0; 8]].concat()
    );
    let extended = [[0x30, 0, 0, 28, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 3], [0, 0, 0, 0, 0, 0, 0, 3], [0; 8]];
    assert_eq!(data(&mut drive, &[0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0]), extended.concat());
    assert_eq!(data(&mut drive, &[0x34, 8, 0, 0, 0, 0, 0, 0, 8, 0]), extended[0]);
    assert_eq!(sense(&mut drive, &file(2)), Sense::END_OF_DATA);
    assert!(data(&mut drive, &[0x92, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]).is_empty());
    assert_eq!(drive.state.lock().unwrap().at, 1);
    assert!(data(&mut drive, &[0x92, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_empty());
    assert_eq!(drive.state.lock().unwrap().at, 4);
    assert_eq!(
        sense(&mut drive, &[0x92, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        Sense::invalid_bit(1, 5)
    );
    assert!(data(&mut drive, &[0x01, 0, 0, 0, 0, 0]).is_empty());
    assert_eq!(drive.state.lock().unwrap().at, 0);
}

#[test]
fn a_drive_is_empty_unloaded_or_ready() {
    let mut drive = FakeDrive::with("rrm");
    let tur = [0; 6];
    assert!(data(&mut drive, &tur).is_empty(), "no unit attention meets the first command");
    assert!(data(&mut drive, &[0x1b, 0, 0, 0, 0, 0]).is_empty());
    assert_eq!(sense(&mut drive, &tur), Sense::LOAD_REQUIRED);
    assert_eq!(sense(&mut drive, &[0x11, 0, 0, 0, 1, 0]), Sense::LOAD_REQUIRED);
    assert_eq!(data(&mut drive, &[0x03, 0, 0, 0, 255, 0]), Sense::LOAD_REQUIRED.to_bytes());
    assert!(data(&mut drive, &[0x1b, 0, 0, 0, 1, 0]).is_empty());
    assert!(data(&mut drive, &tur).is_empty());
    drive.change(|state| state.medium = Medium::Empty);
    for cdb in [&tur[..], &[0x1b, 0, 0, 0, 1, 0], &[0x10, 0, 0, 0, 1, 0], &[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
    {
        assert_eq!(sense(&mut drive, cdb), Sense::NO_MEDIUM);
    }
    assert_eq!(data(&mut drive, &[0x12, 0, 0, 0, 36, 0]).len(), 36);
}

#[test]
fn removal_is_prevented_and_allowed() {
    let mut drive = FakeDrive::with("");
    assert!(data(&mut drive, &[0x1e, 0, 0, 0, 1, 0]).is_empty());
    assert_eq!(sense(&mut drive, &[0x1b, 0, 0, 0, 0, 0]), Sense::REMOVAL_PREVENTED);
    assert_eq!(sense(&mut drive, &[0x1e, 0, 0, 0, 3, 0]), Sense::invalid_bit(4, 1));
    assert!(data(&mut drive, &[0x1e, 0, 0, 0, 0, 0]).is_empty());
    assert!(data(&mut drive, &[0x1b, 0, 0, 0, 0, 0]).is_empty());
}

#[test]
fn filemarks_are_written_flushed_and_refused() {
    let mut drive = FakeDrive::with("rrr");
    drive.change(|state| state.at = 2);
    assert!(data(&mut drive, &[0x10, 0, 0, 0, 0, 0]).is_empty());
    assert_eq!(drive.state.lock().unwrap().tape.len(), 3, "a flush writes nothing");
    assert!(data(&mut drive, &[0x10, 1, 0, 0, 2, 0]).is_empty());
    assert_eq!(drive.state.lock().unwrap().tape, ['r', 'r', 'm', 'm']);
    assert_eq!(sense(&mut drive, &[0x10, 2, 0, 0, 1, 0]), Sense::invalid_bit(1, 1));
    drive.change(|state| state.early_warning = 5);
    assert_eq!(sense(&mut drive, &[0x10, 0, 0, 0, 1, 0]), Sense::END_OF_MEDIUM.with_information(0));
    drive.change(|state| state.protected = true);
    assert_eq!(sense(&mut drive, &[0x10, 0, 0, 0, 1, 0]), Sense::WRITE_PROTECTED);
}

#[test]
fn mode_sense_to_the_byte() {
    let mut drive = FakeDrive::with("");
    let compression = [0x0f, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let configuration = [0x10, 14, 0, 0, 0, 0, 0, 0, 0x40, 0, 0x18, 0, 0, 0, 0, 0];
    let mut all = vec![93, 0x88, 0x10, 8, 0x5e, 0, 0, 0, 0, 0, 0, 0];
    all.extend([0x01, 10].into_iter().chain([0; 10]));
    all.extend([0x02, 14].into_iter().chain([0; 14]));
    all.extend(compression);
    all.extend(configuration);
    all.extend([0x11, 8, 0, 0, 0x18, 3, 9, 0, 0, 1]);
    all.extend([0x1c, 10, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(data(&mut drive, &[0x1a, 0, 0x3f, 0, 255, 0]), all);
    drive.change(|state| state.compresses = true);
    let capable = [0x0f, 14, 0xc0, 0x80, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0];
    assert_eq!(data(&mut drive, &[0x1a, 8, 0x0f, 0, 255, 0])[4..], capable);
    assert_eq!(data(&mut drive, &[0x1a, 0, 0x00, 0, 255, 0]), [11, 0x88, 0x10, 8, 0x5e, 0, 0, 0, 0, 0, 0, 0]);
    let mut ten = vec![0, 22, 0x88, 0x10, 0, 0, 0, 0];
    ten.extend(&configuration[..14]);
    ten.extend([1, 0]);
    assert_eq!(data(&mut drive, &[0x5a, 8, 0x10, 0, 0, 0, 0, 0, 255, 0]), ten);
    assert_eq!(data(&mut drive, &[0x5a, 8, 0x50, 0, 0, 0, 0, 0, 255, 0])[10..], [0; 14]);
    drive.change(|state| state.protected = true);
    assert_eq!(data(&mut drive, &[0x1a, 0, 0, 0, 3, 0]), [11, 0x88, 0x90]);
    assert_eq!(sense(&mut drive, &[0x1a, 0, 0xcf, 0, 255, 0]), Sense::SAVING_NOT_SUPPORTED);
    assert_eq!(sense(&mut drive, &[0x1a, 0, 0x1d, 0, 255, 0]), Sense::invalid_bit(2, 5));
    assert_eq!(sense(&mut drive, &[0x1a, 0, 0x0f, 1, 255, 0]), Sense::invalid_byte(3));
}

#[test]
fn limits_and_logs_to_the_byte() {
    let mut drive = FakeDrive::with("");
    assert_eq!(data(&mut drive, &[0x05, 0, 0, 0, 0, 0]), [0, 0xff, 0xff, 0xff, 0, 1]);
    let pages = data(&mut drive, &[0x4d, 0, 0x40, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(pages, [0, 0, 0, 9, 0x00, 0x02, 0x03, 0x0c, 0x11, 0x12, 0x17, 0x2e, 0x31]);
    for page in &pages[5..] {
        let body = data(&mut drive, &[0x4d, 0, 0x40 | page, 0, 0, 0, 0, 4, 0, 0]);
        assert_eq!((body[0], usize::from(u16::from_be_bytes([body[2], body[3]]))), (*page, body.len() - 4));
    }
    let alert = data(&mut drive, &[0x4d, 0, 0x6e, 0, 0, 0, 0, 2, 0, 0]);
    assert_eq!((alert.len(), &alert[..9]), (324, &[0x2e, 0, 1, 0x40, 0, 1, 3, 1, 0][..]));
    assert_eq!(data(&mut drive, &[0x4d, 0, 0x6e, 0, 0, 0, 64, 2, 0, 0]), [0x2e, 0, 0, 5, 0, 64, 3, 1, 0]);
    assert_eq!(sense(&mut drive, &[0x4d, 0, 0x6e, 0, 0, 0, 65, 2, 0, 0]), Sense::invalid_byte(5));
    assert_eq!(sense(&mut drive, &[0x4d, 0, 0x7e, 0, 0, 0, 0, 2, 0, 0]), Sense::invalid_bit(2, 5));
    for unknown in [0x0f, 0x14, 0x18, 0x0b, 0x04] {
        assert_eq!(sense(&mut drive, &[unknown, 0, 0, 0, 0, 0]), Sense::INVALID_OPERATION_CODE);
    }
}

#[test]
fn alerts_are_raised_shown_once_and_cleared() {
    let mut drive = FakeDrive::with("");
    drive.change(|state| state.protected = true);
    let refused =
        |drive: &mut FakeDrive| assert_eq!(sense(drive, &[0x10, 0, 0, 0, 1, 0]), Sense::WRITE_PROTECTED);
    let flag_9 = |drive: &mut FakeDrive| data(drive, &[0x4d, 0, 0x6e, 0, 0, 0, 9, 2, 0, 0])[8];
    refused(&mut drive);
    assert_eq!(data(&mut drive, &[0x4d, 0, 0x52, 0, 0, 0, 0, 2, 0, 0])[8..], [0, 0x80, 0, 0, 0, 0, 0, 0]);
    assert_eq!((flag_9(&mut drive), flag_9(&mut drive)), (1, 0));
    refused(&mut drive);
    assert!(data(&mut drive, &[0x4c, 2, 0x40, 0, 0, 0, 0, 0, 0, 0]).is_empty());
    assert_eq!(flag_9(&mut drive), 0);
    assert_eq!(sense(&mut drive, &[0x4c, 0, 0x40, 0, 0, 0, 0, 0, 4, 0]), Sense::PARAMETER_LIST_LENGTH);
}

#[test]
fn the_pages_of_tape_drives() {
    let mut drive = FakeDrive::with("");
    assert_eq!(data(&mut drive, &[0x12, 1, 0, 0, 255, 0]), [1, 0, 0, 5, 0x00, 0x80, 0x83, 0xb0, 0xb1]);
    assert_eq!(data(&mut drive, &[0x12, 1, 0xb0, 0, 255, 0]), [1, 0xb0, 0, 2, 1, 0]);
    assert_eq!(data(&mut drive, &[0x12, 1, 0xb1, 0, 255, 0]), *b"\x01\xb1\x00\x0a0123456789");
    assert_eq!(sense(&mut drive, &[0x12, 1, 0xb5, 0, 255, 0]), Sense::invalid_byte(2));
    assert_eq!(sense(&mut drive, &[0x12, 0, 0xb0, 0, 255, 0]), Sense::invalid_byte(2));
}

/// MODE SELECT's parameter list: no medium type, buffered, a descriptor with this block length.
fn select(block_bytes: u32) -> Vec<u8> {
    let mut list = vec![0, 0, 0x10, 8, 0x5e, 0, 0, 0];
    list.extend(block_bytes.to_be_bytes());
    list
}

fn send(drive: &mut FakeDrive, cdb: &[u8], list: &[u8]) -> Outcome {
    execute(drive, &mut Nexus::default(), cdb, list, 0)
}

#[test]
fn mode_select_sets_what_can_be_set_and_refuses_the_rest() {
    let mut drive = FakeDrive::with("");
    let sent = send(&mut drive, &[0x15, 0x10, 0, 0, 12, 0], &select(512));
    assert_eq!((sent.status, sent.data_out_consumed), (0, 12));
    assert_eq!(data(&mut drive, &[0x1a, 0, 0, 0, 255, 0])[4..], [0x5e, 0, 0, 0, 0, 0, 2, 0]);
    let unbuffered = [0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(send(&mut drive, &[0x55, 0x10, 0, 0, 0, 0, 0, 0, 8, 0], &unbuffered).status, 0);
    assert_eq!(data(&mut drive, &[0x1a, 8, 0, 0, 255, 0]), [3, 0x88, 0, 0]);
    let refused = |drive: &mut FakeDrive, list: &[u8]| {
        let cdb = [0x15, 0x10, 0, 0, u8::try_from(list.len()).unwrap(), 0];
        send(drive, &cdb, list).sense
    };
    let with = |at: usize, byte: u8| {
        let mut list = select(512);
        list[at] = byte;
        list
    };
    for (at, byte, pointer) in [(2, 0x20, 2), (2, 0x11, 2), (3, 9, 3), (4, 0x58, 4), (5, 1, 5)] {
        assert_eq!(refused(&mut drive, &with(at, byte)), Some(Sense::invalid_parameter(pointer)));
    }
    let as_it_is = data(&mut drive, &[0x1a, 0, 0x3f, 0, 255, 0]);
    assert_eq!(refused(&mut drive, &[&[0, 0, 0x10, 8][..], &as_it_is[4..]].concat()), None);
    let compressing = [0, 0, 0x10, 0, 0x0f, 14, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(refused(&mut drive, &compressing), Some(Sense::invalid_parameter(6)));
    assert_eq!(refused(&mut drive, &[0, 0, 0x10, 0, 0x1d, 0]), Some(Sense::invalid_parameter(4)));
    assert_eq!(refused(&mut drive, &[0, 0, 0x10, 0, 0x0f, 13]), Some(Sense::invalid_parameter(5)));
    assert_eq!(refused(&mut drive, &compressing[..12]), Some(Sense::PARAMETER_LIST_LENGTH));
    assert_eq!(refused(&mut drive, &[0, 0]), Some(Sense::PARAMETER_LIST_LENGTH));
    assert_eq!(send(&mut drive, &[0x15, 0x10, 0, 0, 12, 0], &[]).sense, Some(Sense::PARAMETER_LIST_LENGTH));
    assert_eq!(
        send(&mut drive, &[0x15, 0x11, 0, 0, 12, 0], &select(0)).sense,
        Some(Sense::invalid_bit(1, 0))
    );
    assert_eq!(
        data(&mut drive, &[0x1a, 0, 0, 0, 255, 0])[9..12],
        [0, 2, 0],
        "what is refused changes nothing"
    );
}

#[test]
fn another_session_is_told_once_of_another_tape() {
    let mut drive = FakeDrive::with("rr");
    let (mut mine, mut other) = (Nexus::default(), Nexus { initiator: 1, ..Nexus::default() });
    let tur = |drive: &mut FakeDrive, nexus: &mut Nexus| execute(drive, nexus, &[0; 6], &[], 0).sense;
    assert_eq!((tur(&mut drive, &mut mine), tur(&mut drive, &mut other)), (None, None));
    drive.change(|state| state.loads += 1);
    let inquiry = execute(&mut drive, &mut mine, &[0x12, 0, 0, 0, 36, 0], &[], 36);
    assert_eq!(inquiry.sense, None, "INQUIRY neither tells nor takes it");
    assert_eq!(tur(&mut drive, &mut mine), Some(Sense::MEDIUM_CHANGED));
    assert_eq!(tur(&mut drive, &mut mine), None);
    let sense = execute(&mut drive, &mut other, &[3, 0, 0, 0, 18, 0], &[], 18).data_in;
    assert_eq!(sense, Sense::MEDIUM_CHANGED.to_bytes(), "REQUEST SENSE tells it as data");
    assert_eq!(tur(&mut drive, &mut other), None);
}

/// One initiator's view of reservations.
fn by(drive: &mut FakeDrive, initiator: u64, cdb: &[u8], list: &[u8]) -> Outcome {
    execute(drive, &mut Nexus { initiator, ..Nexus::default() }, cdb, list, 255)
}

const CONFLICT: u8 = 0x18;

#[test]
fn reserve_keeps_others_away_until_release() {
    let mut drive = FakeDrive::with("rr");
    assert_eq!(by(&mut drive, 1, &[0x16, 0, 0, 0, 0, 0], &[]).status, 0);
    assert_eq!(by(&mut drive, 2, &[0; 6], &[]).status, CONFLICT);
    assert_eq!(by(&mut drive, 2, &[0x16, 0, 0, 0, 0, 0], &[]).status, CONFLICT);
    assert_eq!(by(&mut drive, 2, &[0x12, 0, 0, 0, 36, 0], &[]).status, 0);
    assert_eq!(by(&mut drive, 2, &[0x17, 0, 0, 0, 0, 0], &[]).status, 0, "changes nothing");
    assert_eq!(by(&mut drive, 2, &[0; 6], &[]).status, CONFLICT);
    assert_eq!(by(&mut drive, 1, &[0x17, 0, 0, 0, 0, 0], &[]).status, 0);
    assert_eq!(by(&mut drive, 2, &[0; 6], &[]).status, 0);
}

/// The rules are tested in `scsi::reserve`; that this drive keeps to them, here.
#[test]
fn persistent_reservations_keep_others_away_and_are_told() {
    let mut drive = FakeDrive::with("rr");
    let persistent = |drive: &mut FakeDrive, initiator, action, kind, own: u8, other: u8| {
        let list = [[0, 0, 0, 0, 0, 0, 0, own], [0, 0, 0, 0, 0, 0, 0, other], [0; 8]].concat();
        by(drive, initiator, &[0x5f, action, kind, 0, 0, 0, 0, 0, 24, 0], &list).status
    };
    let write = |drive: &mut FakeDrive, who| by(drive, who, &[0x0a, 0, 0, 0, 1, 0], &[7]).status;
    assert_eq!(persistent(&mut drive, 1, 0, 0, 0, 0x11), 0);
    assert_eq!(persistent(&mut drive, 2, 6, 0, 0, 0x22), 0);
    assert_eq!(persistent(&mut drive, 1, 1, 3, 0x11, 0), 0);
    assert_eq!((write(&mut drive, 1), write(&mut drive, 2)), (0, CONFLICT));
    assert_eq!(by(&mut drive, 2, &[0; 6], &[]).status, 0);
    assert_eq!(by(&mut drive, 1, &[0x16, 0, 0, 0, 0, 0], &[]).status, CONFLICT);
    assert_eq!(persistent(&mut drive, 2, 4, 5, 0x22, 0x11), 0);
    assert_eq!(by(&mut drive, 1, &[0; 6], &[]).sense, Some(Sense::REGISTRATIONS_PREEMPTED));
    assert_eq!((write(&mut drive, 1), write(&mut drive, 2)), (CONFLICT, 0));
    assert_eq!(
        by(&mut drive, 2, &[0x5e, 3, 0, 0, 0, 0, 0, 0, 255, 0], &[]).data_in[8..16],
        [0, 0, 0, 0, 0, 0, 0, 0x22]
    );
}

#[test]
fn supported_operation_codes_are_those_of_the_table() {
    let mut drive = FakeDrive::with("");
    let all = data(&mut drive, &[0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0]);
    assert_eq!(all.len(), 4 + 8 * commands::COMMANDS.len());
    assert_eq!(usize::from(u16::from_be_bytes([all[2], all[3]])), all.len() - 4);
    assert_eq!(all[4..12], [0, 0, 0, 0, 0, 0, 0, 6]);
    let one = |option, opcode, action| [0xa3, 0x0c, option, opcode, 0, action, 0, 0, 1, 0, 0, 0];
    assert_eq!(data(&mut drive, &one(1, 0x08, 0)), [0, 3, 0, 6, 0x08, 3, 255, 255, 255, 0]);
    assert_eq!(data(&mut drive, &one(1, 0x0f, 0)), [0, 1, 0, 0]);
    assert_eq!(data(&mut drive, &one(2, 0x5e, 1))[..6], [0, 3, 0, 10, 0x5e, 1]);
    assert_eq!(data(&mut drive, &one(3, 0x5e, 9)), [0, 1, 0, 0]);
    assert_eq!(sense(&mut drive, &one(1, 0x5e, 0)), Sense::invalid_bit(2, 2));
    assert_eq!(data(&mut drive, &one(0x81, 0, 0)).len(), 10 + 12);
    assert_eq!(sense(&mut drive, &[0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0]), Sense::invalid_bit(1, 4));
}

#[test]
fn the_document_says_what_the_table_says() {
    table::check_order(commands::COMMANDS);
    table::check("drive", "drive", commands::COMMANDS);
}

#[test]
fn every_malformed_cdb_is_refused_with_a_pointer() {
    let mut drive = FakeDrive::with("");
    table::check_refusals(commands::COMMANDS, |cdb| run(&mut drive, cdb));
}

proptest! {
    #[test]
    fn any_bytes_give_an_outcome_within_the_allocation(
        opcode in prop_oneof![any::<u8>(), prop::sample::select(commands::COMMANDS).prop_map(|command| command.opcode)],
        rest in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::sample::select(vec![5_usize, 9, 11, 15])
                .prop_flat_map(|length| prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], length)),
        ],
        data_out in prop::collection::vec(any::<u8>(), 0..64),
        allocation in prop_oneof![0..400_u32, Just(u32::MAX)],
        block_bytes in 0..6_u32,
    ) {
        let cdb: Vec<u8> = [opcode].into_iter().chain(rest).collect();
        let mut drive = FakeDrive::with("rrmrm");
        drive.settings.block_bytes = block_bytes;
        let outcome = execute(&mut drive, &mut Nexus::default(), &cdb, &data_out, allocation);
        prop_assert!(outcome.data_out_consumed as usize <= data_out.len());
        prop_assert!(outcome.data_in.len() <= allocation as usize);
        prop_assert_eq!(outcome.status == 2, outcome.sense.is_some());
        prop_assert!(outcome.status == 0 || outcome.status == 2, "nobody else is there");
    }
}
