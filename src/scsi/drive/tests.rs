//! The SSC commands held to the byte over a drive whose tape is a list in memory.

use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::vtl::tape_drive::{Position, RecordLimits};

/// A tape as a string: `r` a record, `m` a filemark.
struct FakeDrive {
    state: Mutex<State>,
}

struct State {
    medium: Medium,
    tape: Vec<char>,
    at: usize,
    protected: bool,
    prevented: bool,
    early_warning: usize,
    compresses: bool,
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
        };
        Self { state: Mutex::new(state) }
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
    assert_eq!(sense(&mut drive, &[0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0]), Sense::invalid_bit(1, 4));
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
    let mut all = vec![43, 0x88, 0x10, 8, 0x5e, 0, 0, 0, 0, 0, 0, 0];
    all.extend(compression);
    all.extend(configuration);
    assert_eq!(data(&mut drive, &[0x1a, 0, 0x3f, 0, 255, 0]), all);
    drive.change(|state| state.compresses = true);
    let capable = [0x0f, 14, 0xc0, 0x80, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0];
    assert_eq!(data(&mut drive, &[0x1a, 8, 0x0f, 0, 255, 0])[4..], capable);
    assert_eq!(data(&mut drive, &[0x1a, 0, 0x00, 0, 255, 0]), [11, 0x88, 0x10, 8, 0x5e, 0, 0, 0, 0, 0, 0, 0]);
    let mut ten = vec![0, 22, 0x88, 0x10, 0, 0, 0, 0];
    ten.extend(configuration);
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
    assert_eq!(data(&mut drive, &[0x4d, 0, 0x40, 0, 0, 0, 0, 1, 0, 0]), [0, 0, 0, 2, 0x00, 0x2e]);
    let alert = data(&mut drive, &[0x4d, 0, 0x6e, 0, 0, 0, 0, 2, 0, 0]);
    assert_eq!((alert.len(), &alert[..9]), (324, &[0x2e, 0, 1, 0x40, 0, 1, 3, 1, 0][..]));
    assert_eq!(data(&mut drive, &[0x4d, 0, 0x6e, 0, 0, 0, 64, 2, 0, 0]), [0x2e, 0, 0, 5, 0, 64, 3, 1, 0]);
    assert_eq!(sense(&mut drive, &[0x4d, 0, 0x71, 0, 0, 0, 0, 2, 0, 0]), Sense::invalid_bit(2, 5));
    for unknown in [[0x08, 0, 0, 0, 1, 0], [0x0a, 0, 0, 0, 1, 0], [0x16, 0, 0, 0, 0, 0]] {
        assert_eq!(sense(&mut drive, &unknown), Sense::INVALID_OPERATION_CODE);
    }
}

proptest! {
    #[test]
    fn any_bytes_give_an_outcome_within_the_allocation(
        opcode in prop_oneof![any::<u8>(), prop::sample::select(vec![0x03_u8, 0x11, 0x12, 0x1a, 0x34, 0x4d, 0x5a, 0xa0])],
        rest in prop::collection::vec(any::<u8>(), 0..20),
        allocation in prop_oneof![0..400_u32, Just(u32::MAX)],
    ) {
        let cdb: Vec<u8> = [opcode].into_iter().chain(rest).collect();
        let outcome = execute(&mut FakeDrive::with("rrmrm"), &mut Nexus::default(), &cdb, &[], allocation);
        prop_assert!(outcome.data_in.len() <= allocation as usize);
        prop_assert_eq!(outcome.status == 2, outcome.sense.is_some());
    }
}
