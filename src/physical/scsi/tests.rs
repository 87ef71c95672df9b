//! Drivers against a scripted device: what they send, what they make of each end, and what they never do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::device::Device;
use super::drive;
use super::*;
use crate::physical::drive::{PhysicalDrive, Place, Room};
use crate::physical::fault::FaultKind;
use crate::physical::library::Library;
use crate::physical::limit::{Cancel, Limit};
use crate::physical::transport::{Answer, Bus, Data, Transport, TransportError, Unit};
use crate::scsi::cdb;
use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::{ReadRecord, SpaceEnd};

/// What the device does with one command.
#[derive(Clone, Debug)]
enum Step {
    /// GOOD, with data.
    Good(Vec<u8>),
    /// CHECK CONDITION with this sense, and this much data.
    Check(Vec<u8>, Vec<u8>),
    /// Another status.
    Status(u8),
    /// The connection breaks.
    Lost,
}

fn sense(sense: Sense) -> Step {
    Step::Check(sense.to_bytes().to_vec(), Vec::new())
}

/// What was sent, and what is answered to which operation code.
#[derive(Debug, Default)]
struct Script {
    sent: Vec<Vec<u8>>,
    steps: Vec<(u8, VecDeque<Step>)>,
    serial: String,
    reconnects: u32,
}

#[derive(Clone, Debug, Default)]
struct Fake(Arc<Mutex<Script>>);

impl Fake {
    fn drive(serial: &str) -> Self {
        let fake = Self::default();
        fake.0.lock().unwrap().serial = serial.to_owned();
        fake
    }

    /// The next commands with this operation code end so; others end GOOD.
    fn then(&self, opcode: u8, steps: impl IntoIterator<Item = Step>) {
        self.0.lock().unwrap().steps.push((opcode, steps.into_iter().collect()));
    }

    fn sent(&self, opcode: u8) -> usize {
        self.0.lock().unwrap().sent.iter().filter(|cdb| cdb[0] == opcode).count()
    }

    fn last(&self) -> Vec<u8> {
        self.0.lock().unwrap().sent.last().unwrap().clone()
    }
}

impl Script {
    fn step(&mut self, cdb: &[u8]) -> Step {
        let scripted = self.steps.iter_mut().filter(|(opcode, _)| *opcode == cdb[0]);
        if let Some(step) = scripted.filter_map(|(_, steps)| steps.pop_front()).next() {
            return step;
        }
        match (cdb[0], cdb[1], cdb[2]) {
            (cdb::INQUIRY, 1, 0x80) => {
                let mut page = vec![1, 0x80, 0, u8::try_from(self.serial.len()).unwrap()];
                page.extend(self.serial.bytes());
                Step::Good(page)
            }
            (cdb::INQUIRY, 0, _) => {
                let mut data = vec![1, 0x80, 5, 2, 31, 0, 0, 0];
                data.extend(b"ACME    Drive           1.0 ");
                Step::Good(data)
            }
            (cdb::MODE_SENSE_6, ..) => Step::Good(vec![11, 0, 0x10, 8, 0x58, 0, 0, 0, 0, 0, 0, 0]),
            (cdb::READ_POSITION, ..) => sense(Sense::INVALID_FIELD),
            _ => Step::Good(Vec::new()),
        }
    }
}

impl Transport for Fake {
    fn execute(&mut self, cdb: &[u8], data: Data<'_>, limit: &Limit) -> Result<Answer, TransportError> {
        limit.begin().map_err(|over| TransportError::Over { over, was_sent: false })?;
        let mut script = self.0.lock().unwrap();
        script.sent.push(cdb.to_vec());
        let (status, sense, bytes) = match script.step(cdb) {
            Step::Good(bytes) => (0, Vec::new(), bytes),
            Step::Check(sense, bytes) => (2, sense, bytes),
            Step::Status(status) => (status, Vec::new(), Vec::new()),
            Step::Lost => return Err(TransportError::Lost { reason: "scripted".into() }),
        };
        let mut answer = Answer { status, sense, ..Answer::default() };
        match data {
            Data::None => {}
            Data::In(room) => {
                // A READ that ends GOOD fills what it was asked for.
                let bytes = if cdb[0] == cdb::READ_6 && status == 0 { vec![7; room.len()] } else { bytes };
                let length = bytes.len().min(room.len());
                room[..length].copy_from_slice(&bytes[..length]);
                answer.transferred_bytes = length;
                answer.residual_bytes = room.len() - length;
            }
            Data::Out(bytes) => answer.transferred_bytes = bytes.len(),
        }
        Ok(answer)
    }

    fn reconnect(&mut self, _limit: &Limit) -> Result<(), TransportError> {
        self.0.lock().unwrap().reconnects += 1;
        Ok(())
    }

    fn describe(&self) -> String {
        "a script".to_owned()
    }
}

fn timeouts() -> Timeouts {
    Timeouts { arrival: Duration::ZERO, load: Duration::from_secs(2), ..Timeouts::default() }
}

/// A drive with a tape at its beginning, and its script.
fn ready() -> (Box<dyn PhysicalDrive>, Fake, Cancel) {
    let (fake, cancel) = (Fake::drive("HU1"), Cancel::new());
    let mut drive = drive::open(Box::new(fake.clone()), Some("HU1"), timeouts(), &cancel).unwrap();
    drive.load().unwrap();
    (drive, fake, cancel)
}

const RESET: [u8; 14] = [0x70, 0, 6, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0x29, 0];
const MODE_CHANGED: [u8; 14] = [0x70, 0, 6, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0x2a, 1];

fn check(bytes: &[u8]) -> Step {
    Step::Check(bytes.to_vec(), Vec::new())
}

#[test]
fn a_device_with_another_serial_number_is_not_used() {
    let fake = Fake::drive("HU2");
    let result = drive::open(Box::new(fake.clone()), Some("HU1"), timeouts(), &Cancel::new());
    assert_eq!(result.err().unwrap().kind, FaultKind::WrongDevice);
    assert_eq!(fake.sent(cdb::REWIND) + fake.sent(cdb::WRITE_6), 0);
}

#[test]
fn unit_attentions_are_passed_over_where_nothing_depends_on_them() {
    let fake = Fake::drive("HU1");
    fake.then(cdb::TEST_UNIT_READY, vec![check(&RESET), check(&MODE_CHANGED), sense(Sense::MEDIUM_CHANGED)]);
    let mut drive = drive::open(Box::new(fake.clone()), Some("HU1"), timeouts(), &Cancel::new()).unwrap();
    drive.load().unwrap();
    assert_eq!((fake.sent(cdb::TEST_UNIT_READY), drive.place()), (5, Ok(Place::BEGINNING)));
    // One that never ends is no endless loop.
    fake.then(cdb::TEST_UNIT_READY, vec![check(&RESET); 100]);
    let fault = drive.state().unwrap_err();
    assert_eq!((fault.kind, fake.sent(cdb::TEST_UNIT_READY)), (FaultKind::Reset, 17));
}

#[test]
fn after_a_reset_nothing_is_written_until_the_tape_is_positioned() {
    let (mut drive, fake, _) = ready();
    drive.write_record(&[1; 10]).unwrap();
    fake.then(cdb::WRITE_6, vec![check(&MODE_CHANGED), check(&RESET)]);
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::Reset);
    assert_eq!(fake.sent(cdb::WRITE_6), 3);
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::PositionLost);
    assert_eq!(drive.write_filemarks(1).unwrap_err().kind, FaultKind::PositionLost);
    assert_eq!((fake.sent(cdb::WRITE_6), fake.sent(cdb::WRITE_FILEMARKS_6)), (3, 0));
    drive.rewind().unwrap();
    drive.write_record(&[1; 10]).unwrap();
    // A question that meets the reset is answered; but who writes next is told.
    fake.then(cdb::READ_BLOCK_LIMITS, vec![check(&RESET), Step::Good(vec![0, 0, 1, 0, 0, 1])]);
    assert_eq!(drive.record_limits().unwrap().maximum_bytes, 256);
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::Reset);
    assert_eq!(fake.sent(cdb::WRITE_6), 4);
}

#[test]
fn a_rewind_is_no_way_around_a_changed_cartridge() {
    let (mut drive, fake, _) = ready();
    fake.then(cdb::REWIND, [check(&RESET), sense(Sense::MEDIUM_CHANGED)]);
    assert_eq!(drive.rewind().unwrap_err().kind, FaultKind::MediumChanged);
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::PositionLost);
    fake.then(cdb::LOCATE_10, [check(&RESET)]);
    drive.rewind().unwrap();
    assert_eq!(drive.locate(&Place::BEGINNING.after_records(1)).unwrap_err().kind, FaultKind::Reset);
    assert_eq!(fake.sent(cdb::WRITE_6), 0);
}

#[test]
fn a_lost_connection_is_told_and_the_record_not_sent_again() {
    let (mut drive, fake, _) = ready();
    fake.then(cdb::WRITE_6, [Step::Lost]);
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::ConnectionLost);
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::PositionLost);
    assert_eq!((fake.sent(cdb::WRITE_6), fake.0.lock().unwrap().reconnects), (1, 0));
    drive.rewind().unwrap();
    assert_eq!(fake.0.lock().unwrap().reconnects, 1);
    fake.then(cdb::WRITE_6, [Step::Lost]);
    drive.write_record(&[1; 10]).unwrap_err();
    // Another drive answers now.
    fake.0.lock().unwrap().serial = "HU9".into();
    assert_eq!(drive.rewind().unwrap_err().kind, FaultKind::WrongDevice);
    assert_eq!(drive.rewind().unwrap_err().kind, FaultKind::WrongDevice);
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::PositionLost);
    assert_eq!(fake.sent(cdb::WRITE_6), 2);
}

#[test]
fn the_ends_of_writes_are_told_apart() {
    let (mut drive, fake, cancel) = ready();
    let early = Sense { end_of_medium: true, ..Sense::FILEMARK };
    let early = Sense { filemark: false, ascq: 0x02, ..early };
    fake.then(cdb::WRITE_6, [sense(early), sense(early.with_information(10)), sense(Sense::VOLUME_OVERFLOW)]);
    assert_eq!(drive.write_record(&[1; 10]), Ok(Room::EarlyWarning));
    assert_eq!(drive.place().unwrap().object, Some(1));
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::EndOfMedium);
    drive.rewind().unwrap();
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::EndOfMedium);
    drive.rewind().unwrap();
    fake.then(cdb::WRITE_6, [sense(Sense::WRITE_PROTECTED), Step::Status(0x08), Step::Status(0x18)]);
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::WriteProtected);
    // Not begun, so the tape stands where it stood; busy is asked again; a reservation is told.
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::Reserved);
    assert_eq!(drive.write_record(&[1; 10]), Ok(Room::Enough));
    cancel.raise();
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::Cancelled);
    let zero = drive.write_record(&[]).unwrap_err();
    assert_eq!(zero.kind, FaultKind::IllegalRequest);
}

#[test]
fn a_deferred_error_is_about_what_came_before() {
    let (mut drive, fake, _) = ready();
    drive.write_record(&[1; 10]).unwrap();
    fake.then(cdb::WRITE_FILEMARKS_6, [check(&[0x71, 0, 3, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0x0c, 0])]);
    let fault = drive.synchronise().unwrap_err();
    assert_eq!((fault.kind, fault.is_deferred()), (FaultKind::Medium, true));
    // Even one that calls itself recovered: the command it came with was not executed.
    drive.rewind().unwrap();
    fake.then(cdb::WRITE_6, [check(&[0x71, 0, 1, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0x18, 0])]);
    assert!(drive.write_record(&[1; 10]).unwrap_err().is_deferred());
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::PositionLost);
}

#[test]
fn the_ends_of_reads_are_told_apart() {
    let (mut drive, fake, _) = ready();
    let short = |left: u32, bytes: usize| {
        Step::Check(Sense::INCORRECT_LENGTH.with_information(left).to_bytes().to_vec(), vec![9; bytes])
    };
    fake.then(
        cdb::READ_6,
        [
            Step::Good(Vec::new()),
            short(60, 40),
            short(0u32.wrapping_sub(28), 100),
            sense(Sense::FILEMARK.with_information(100)),
            sense(Sense::NO_MEDIUM),
        ],
    );
    let mut buffer = [0; 100];
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Record { bytes: 100 }));
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Record { bytes: 40 }));
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Record { bytes: 128 }));
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Filemark));
    assert_eq!(drive.place().unwrap(), Place { object: Some(4), file: Some(1), record: Some(0) });
    assert_eq!(drive.read_record(&mut buffer).unwrap_err().kind, FaultKind::Empty);
    for end in [[0x70, 0, 8, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 5], [0x70, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 5]]
    {
        drive.rewind().unwrap();
        fake.then(cdb::READ_6, [check(&end)]);
        assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::EndOfData));
        assert_eq!(drive.place(), Ok(Place::BEGINNING));
    }
}

#[test]
fn a_record_of_which_only_a_part_came_is_read_again_or_refused() {
    let (mut drive, fake, _) = ready();
    // 60 bytes in a buffer of 100, of which 40 came: as tgt does.
    let partly =
        || Step::Check(Sense::INCORRECT_LENGTH.with_information(40).to_bytes().to_vec(), vec![1; 40]);
    fake.then(cdb::READ_6, [partly(), Step::Good(Vec::new())]);
    let mut buffer = [0; 100];
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Record { bytes: 60 }));
    assert_eq!((buffer[59], fake.last()), (7, vec![cdb::READ_6, 0, 0, 0, 60, 0]));
    assert_eq!(drive.place().unwrap().object, Some(1));
    fake.then(cdb::READ_6, [partly(), partly()]);
    assert_eq!(drive.read_record(&mut buffer).unwrap_err().kind, FaultKind::Nonsense);
}

#[test]
fn a_drive_that_says_to_stand_elsewhere_stops_the_copy() {
    let (fake, cancel) = (Fake::drive("HU1"), Cancel::new());
    let told = |object: u8, flags: u8| {
        let mut data = vec![0; 32];
        (data[0], data[15]) = (flags, object);
        Step::Good(data)
    };
    fake.then(cdb::READ_POSITION, [told(0, 0x80), told(2, 0), told(9, 0)]);
    let mut drive = drive::open(Box::new(fake), Some("HU1"), timeouts(), &cancel).unwrap();
    drive.load().unwrap();
    drive.write_record(&[1; 10]).unwrap();
    drive.write_record(&[1; 10]).unwrap();
    assert_eq!(drive.place().unwrap().object, Some(2));
    assert_eq!(drive.place().unwrap_err().kind, FaultKind::PositionLost);
    assert_eq!(drive.write_record(&[1; 10]).unwrap_err().kind, FaultKind::PositionLost);
}

#[test]
fn a_drive_without_locate_is_led_by_counting() {
    let (mut drive, fake, _) = ready();
    fake.then(cdb::LOCATE_10, [sense(Sense::INVALID_OPERATION_CODE)]);
    let target = Place { object: Some(9), file: Some(2), record: Some(3) };
    drive.locate(&target).unwrap();
    assert_eq!(drive.place(), Ok(target));
    drive.locate(&target).unwrap();
    assert_eq!((fake.sent(cdb::LOCATE_10), fake.sent(cdb::SPACE_6)), (1, 4));
    let nowhere = Place { object: Some(9), ..Place::UNKNOWN };
    assert_eq!(drive.locate(&nowhere).unwrap_err().kind, FaultKind::PositionLost);
    fake.then(cdb::SPACE_6, [sense(Sense::FILEMARK.with_information(1))]);
    assert_eq!(drive.space_records(3).unwrap().end, SpaceEnd::Filemark);
}

#[test]
fn a_cartridge_is_waited_for_and_threaded() {
    let fake = Fake::drive("HU1");
    let becoming = [0x70, 0, 2, 0, 0, 0, 0, 6, 0, 0, 0, 0, 4, 1];
    let mut drive = drive::open(Box::new(fake.clone()), Some("HU1"), timeouts(), &Cancel::new()).unwrap();
    fake.then(cdb::TEST_UNIT_READY, vec![sense(Sense::LOAD_REQUIRED), check(&becoming)]);
    drive.load().unwrap();
    assert_eq!((fake.sent(cdb::LOAD_UNLOAD), fake.sent(cdb::TEST_UNIT_READY)), (1, 4));
    for (step, kind) in [
        (sense(Sense::NO_MEDIUM), FaultKind::Empty),
        (sense(Sense::CLEANING), FaultKind::CleaningCartridge),
        (sense(Sense::INCOMPATIBLE_MEDIUM), FaultKind::WrongMedium),
        (sense(Sense::INTERNAL_FAILURE), FaultKind::Hardware),
    ] {
        fake.then(cdb::TEST_UNIT_READY, [step]);
        assert_eq!(drive.load().unwrap_err().kind, kind);
    }
    fake.then(cdb::TEST_UNIT_READY, vec![check(&becoming); 100]);
    assert_eq!(drive.load().unwrap_err().kind, FaultKind::NotReady);
}

/// A robot with 300 slots and two drives, whose numbers on the bus are in the other order.
struct FakeBus {
    robot: Fake,
    drives: Vec<Fake>,
}

impl Bus for FakeBus {
    fn units(&mut self, _limit: &Limit) -> Result<Vec<Unit>, TransportError> {
        let lun =
            |number: usize| Unit { target: 0, lun: [0, u8::try_from(number).unwrap(), 0, 0, 0, 0, 0, 0] };
        Ok((0..=self.drives.len()).map(lun).collect())
    }

    fn connect(&mut self, unit: Unit, _limit: &Limit) -> Result<Box<dyn Transport>, TransportError> {
        let number = usize::from(unit.lun[1]);
        let fake = if number == 0 { &self.robot } else { &self.drives[number - 1] };
        Ok(Box::new(fake.clone()))
    }
}

/// Descriptors of elements of a kind, in a report.
fn report(kind: u8, flags: u8, descriptors: &[Vec<u8>]) -> Step {
    let bytes = descriptors.concat();
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    let each = u16::try_from(descriptors.first().map_or(16, Vec::len)).unwrap().to_be_bytes();
    let total = u32::try_from(bytes.len() + 8).unwrap().to_be_bytes();
    let mut data = vec![0, 0, 0, 0, 0, total[1], total[2], total[3]];
    data.extend([kind, flags, each[0], each[1], 0, length[1], length[2], length[3]]);
    data.extend(bytes);
    Step::Good(data)
}

fn slot(address: u16) -> Vec<u8> {
    let mut descriptor = address.to_be_bytes().to_vec();
    descriptor.extend([0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    descriptor.extend(format!("{:<36}", format!("A{address:05}L8")).bytes());
    descriptor
}

fn drive_named(address: u16, serial: &str) -> Vec<u8> {
    let mut descriptor = address.to_be_bytes().to_vec();
    descriptor.extend([0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 10]);
    descriptor.extend(format!("{serial:<10}").bytes());
    descriptor
}

fn robot() -> Fake {
    let robot = Fake::drive("LIB1");
    let mut inquiry = vec![8, 0x80, 5, 2, 31, 0, 0, 0];
    inquiry.extend(b"ACME    Library         1.0 ");
    let mut serial = vec![8, 0x80, 0, 4];
    serial.extend(b"LIB1");
    robot.then(
        cdb::INQUIRY,
        [Step::Good(inquiry.clone()), Step::Good(serial), Step::Good(inquiry), sense(Sense::INVALID_FIELD)],
    );
    let mut page = vec![23, 0, 0, 0, 0x1d, 18, 0, 1, 0, 0];
    page.extend([3, 232, 1, 44, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0]);
    robot.then(cdb::MODE_SENSE_6, [Step::Good(page)]);
    robot
}

#[test]
fn drives_are_matched_by_serial_number_and_slots_come_in_pieces() {
    let robot = robot();
    let drives = vec![Fake::drive("HU2"), Fake::drive("HU1")];
    let bus = Box::new(FakeBus { robot: robot.clone(), drives: drives.clone() });
    let cancel = Cancel::new();
    let settings = Settings { timeouts: timeouts(), ..Settings::default() };
    let mut library = ScsiLibrary::open("attic", bus, settings, &cancel).unwrap();
    let identifiers = || report(4, 0, &[drive_named(256, "HU1"), drive_named(257, "HU2")]);
    let slots = |range: std::ops::Range<u16>| report(2, 0x80, &range.map(slot).collect::<Vec<_>>());
    robot.then(
        cdb::READ_ELEMENT_STATUS,
        // The second piece repeats an element, the third one everything: both come to an end.
        [
            identifiers(),
            slots(1000..1256),
            slots(1255..1299),
            slots(1000..1010),
            report(4, 0x80, &[slot(256), slot(257)]),
        ],
    );
    let inventory = library.inventory(&cancel).unwrap();
    assert_eq!(inventory.elements.len(), 299 + 2);
    assert_eq!(inventory.at(1298).unwrap().barcode.as_deref(), Some("A01298L8"));
    assert_eq!(inventory.at(257).unwrap().drive_serial.as_deref(), Some("HU2"));
    robot.then(cdb::READ_ELEMENT_STATUS, [identifiers()]);
    let drive = library.open_drive(257, &cancel).unwrap();
    assert_eq!(drive.serial(), "HU2");
    assert_eq!((drives[0].sent(cdb::INQUIRY), drives[1].sent(cdb::INQUIRY)), (4, 2));
    robot.then(cdb::READ_ELEMENT_STATUS, [sense(Sense::INVALID_FIELD), sense(Sense::INVALID_FIELD)]);
    let Err(fault) = library.open_drive(257, &cancel) else { panic!("a drive that nobody named") };
    assert_eq!(fault.kind, FaultKind::WrongDevice);
}

#[test]
fn a_move_that_meets_a_unit_attention_is_not_made() {
    let robot = robot();
    let bus = Box::new(FakeBus { robot: robot.clone(), drives: Vec::new() });
    let cancel = Cancel::new();
    let mut library = ScsiLibrary::open("attic", bus, Settings::default(), &cancel).unwrap();
    robot.then(cdb::MOVE_MEDIUM, [sense(Sense::MAIL_SLOT_ACCESSED), Step::Lost]);
    assert_eq!(library.move_medium(1000, 256, &cancel).unwrap_err().kind, FaultKind::MediumChanged);
    let fault = library.move_medium(1000, 256, &cancel).unwrap_err();
    assert_eq!((fault.kind, robot.sent(cdb::MOVE_MEDIUM)), (FaultKind::ConnectionLost, 2));
    assert!(fault.to_string().starts_with("library attic: MOVE MEDIUM from 03E8h to 0100h: "), "{fault}");
    library.move_medium(1000, 256, &cancel).unwrap();
    let moved = robot.0.lock().unwrap().sent.iter().rfind(|cdb| cdb[0] == cdb::MOVE_MEDIUM).cloned();
    assert_eq!(moved.unwrap(), [0xa5, 0, 0, 0, 3, 0xe8, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn two_robots_are_told_apart_by_their_serial_numbers_only() {
    let bus = Box::new(FakeBus { robot: Fake::drive("HU1"), drives: vec![Fake::drive("HU2")] });
    let Err(fault) = ScsiLibrary::open("attic", bus, Settings::default(), &Cancel::new()) else {
        panic!("no robot is there")
    };
    assert_eq!(fault.kind, FaultKind::WrongDevice);
    let twice = Box::new(FakeBus { robot: Fake::drive("HU1"), drives: vec![Fake::drive("HU1")] });
    let Err(fault) = ScsiLibrary::open("attic", twice, Settings::default(), &Cancel::new()) else {
        panic!("two paths to one drive")
    };
    assert!(fault.to_string().contains("two drives have the serial number"), "{fault}");
    let mut device = Device::new(Box::new(Fake::drive("X")), timeouts(), &Cancel::new());
    assert_eq!(device.expect("X", "look"), Ok(()));
}

#[test]
fn a_device_that_says_nothing_is_passed_over() {
    let (robot, silent) = (robot(), Fake::drive("HU1"));
    silent.then(cdb::INQUIRY, [Step::Lost, Step::Lost]);
    let bus = Box::new(FakeBus { robot: robot.clone(), drives: vec![silent, Fake::drive("HU2")] });
    let cancel = Cancel::new();
    let mut library = ScsiLibrary::open("attic", bus, Settings::default(), &cancel).unwrap();
    let identifiers = || report(4, 0, &[drive_named(256, "HU1"), drive_named(257, "HU2")]);
    robot.then(cdb::READ_ELEMENT_STATUS, [identifiers(), identifiers()]);
    let Err(fault) = library.open_drive(256, &cancel) else { panic!("a drive that is silent still") };
    assert!(fault.to_string().contains("no drive that answers has it"), "{fault}");
    // Now it answers: it is looked for again.
    robot.then(cdb::READ_ELEMENT_STATUS, [identifiers(), identifiers()]);
    assert_eq!(library.open_drive(256, &cancel).unwrap().serial(), "HU1");
}

#[test]
fn where_the_robot_is_silent_the_operator_hears_why_it_is_not_there() {
    let robot = robot();
    robot.0.lock().unwrap().steps.clear();
    robot.then(cdb::INQUIRY, [Step::Lost]);
    let bus = Box::new(FakeBus { robot, drives: Vec::new() });
    let Err(fault) = ScsiLibrary::open("attic", bus, Settings::default(), &Cancel::new()) else {
        panic!("no robot has answered")
    };
    assert!(fault.to_string().contains("robots there: none; wanted: any; a script: INQUIRY"), "{fault}");
}
