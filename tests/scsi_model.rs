//! Random sequences of CDBs, and of NDMP's tape operations between them, against a tape that is a plain list: after each
//! step the outcome, READ POSITION and the drive's published position agree with it.
#![allow(clippy::unwrap_used, reason = "a test bench fails where it stands")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use tapesilo::scsi::Nexus;
use tapesilo::scsi::drive;
use tapesilo::scsi::outcome::Outcome;
use tapesilo::scsi::personality::Personality;
use tapesilo::scsi::sense::Sense;
use tapesilo::tape::{Compression, NewTape, create};
use tapesilo::vtl::barcode::Barcode;
use tapesilo::vtl::bay::Bay;
use tapesilo::vtl::drive::{Drive, DriveHandle, DriveLease, Holder, HostRead, MarkRule, Motion};

const CAPACITY_BYTES: u64 = 64 << 20;

/// What stands on the tape.
#[derive(Clone, Debug, PartialEq)]
enum Object {
    Record(Vec<u8>),
    Mark,
}

#[derive(Clone, Debug)]
enum Step {
    Write(u8, u16),
    Marks(u8),
    Read { bytes_max: u16, suppress_length: bool },
    SpaceRecords(i8),
    SpaceMarks(i8),
    SpaceToEnd,
    LocateObject(u8),
    LocateFile(u8),
    Rewind,
    Erase,
    Verify(u16),
    Format,
    SetCapacity(u16),
    WriteAttribute(u8, u8),
    Reload,
    HostWrite(u8, u16),
    HostRead(u16),
    HostMotion(Motion, u8),
    HostTerminate,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![Just(0_u16), 1..5_u16, 1..3000_u16];
    let motion = prop::sample::select(vec![
        Motion::ForwardFiles,
        Motion::BackwardFiles,
        Motion::ForwardRecords,
        Motion::BackwardRecords,
        Motion::Rewind,
    ]);
    let step = prop_oneof![
        6 => (any::<u8>(), length.clone()).prop_map(|(byte, length)| Step::Write(byte, length)),
        2 => (0..3_u8).prop_map(Step::Marks),
        4 => (length.clone(), any::<bool>())
            .prop_map(|(bytes_max, suppress_length)| Step::Read { bytes_max, suppress_length }),
        2 => (-5..5_i8).prop_map(Step::SpaceRecords),
        2 => (-3..3_i8).prop_map(Step::SpaceMarks),
        1 => Just(Step::SpaceToEnd),
        1 => (0..30_u8).prop_map(Step::LocateObject),
        1 => (0..6_u8).prop_map(Step::LocateFile),
        1 => Just(Step::Rewind),
        1 => Just(Step::Erase),
        1 => length.prop_map(Step::Verify),
        1 => Just(Step::Format),
        1 => prop_oneof![Just(u16::MAX), 0x2000..0xffff_u16].prop_map(Step::SetCapacity),
        1 => (0..4_u8, 0..9_u8).prop_map(|(id, length)| Step::WriteAttribute(id, length)),
        1 => Just(Step::Reload),
        2 => (any::<u8>(), 1..3000_u16).prop_map(|(byte, length)| Step::HostWrite(byte, length)),
        1 => (1..3000_u16).prop_map(Step::HostRead),
        2 => (motion, 1..4_u8).prop_map(|(motion, count)| Step::HostMotion(motion, count)),
        1 => Just(Step::HostTerminate),
    ];
    prop::collection::vec(step, 1..60)
}

/// The tape as it should be.
#[derive(Default)]
struct Model {
    objects: Vec<Object>,
    at: usize,
    /// NDMP has written data and no filemark has followed.
    is_unterminated: bool,
    /// What initiators have noted.
    noted: BTreeMap<u16, Vec<u8>>,
    /// Of 65535 parts.
    capacity: Option<u16>,
}

impl Model {
    fn file(&self) -> usize {
        self.objects[..self.at].iter().filter(|object| **object == Object::Mark).count()
    }

    fn put(&mut self, object: Object) {
        self.objects.truncate(self.at);
        self.objects.push(object);
        self.at += 1;
    }

    fn marks(&mut self, count: u8) {
        (0..count).for_each(|_| self.put(Object::Mark));
        self.is_unterminated &= count == 0;
    }

    fn terminate(&mut self) {
        if self.is_unterminated && self.at == self.objects.len() {
            self.put(Object::Mark);
        }
        self.is_unterminated = false;
    }

    /// Passes `count` objects of the kind; the sense that ends it early.
    fn space(&mut self, over_marks: bool, count: i64) -> Option<Sense> {
        let mut left = count.unsigned_abs();
        while left > 0 {
            let next = if count > 0 { Some(self.at) } else { self.at.checked_sub(1) };
            let information = u32::try_from(left).unwrap();
            let Some(object) = next.and_then(|next| self.objects.get(next)) else {
                let end = if count > 0 { Sense::END_OF_DATA } else { Sense::BEGINNING_OF_TAPE };
                return Some(end.with_information(information));
            };
            let is_mark = *object == Object::Mark;
            self.at = if count > 0 { self.at + 1 } else { self.at - 1 };
            if is_mark && !over_marks {
                return Some(Sense::FILEMARK.with_information(information));
            }
            left -= u64::from(is_mark == over_marks);
        }
        None
    }

    fn read(&mut self, bytes_max: usize, suppress_length: bool) -> (Vec<u8>, Option<Sense>) {
        let wanted = u32::try_from(bytes_max).unwrap();
        if bytes_max == 0 {
            return (Vec::new(), None);
        }
        let object = self.objects.get(self.at).cloned();
        self.at += usize::from(object.is_some());
        match object {
            None => (Vec::new(), Some(Sense::END_OF_DATA.with_information(wanted))),
            Some(Object::Mark) => (Vec::new(), Some(Sense::FILEMARK.with_information(wanted))),
            Some(Object::Record(mut record)) => {
                let difference = wanted.wrapping_sub(u32::try_from(record.len()).unwrap());
                record.truncate(bytes_max);
                let told = difference != 0 && !suppress_length;
                (record, told.then(|| Sense::INCORRECT_LENGTH.with_information(difference)))
            }
        }
    }

    /// NDMP's motion: the residual count. Motions over records stop before a mark, on the side they come from.
    fn host_motion(&mut self, motion: Motion, count: u8) -> u32 {
        let signed = i64::from(count);
        let (over_marks, count) = match motion {
            Motion::Rewind | Motion::Unload => {
                self.terminate();
                self.at = 0;
                return 0;
            }
            Motion::ForwardFiles => (true, signed),
            Motion::BackwardFiles => (true, -signed),
            Motion::ForwardRecords => (false, signed),
            Motion::BackwardRecords => (false, -signed),
        };
        if over_marks {
            self.terminate();
        }
        let stop = self.space(over_marks, count);
        if stop.is_some_and(|sense| sense.filemark) {
            self.at = if count > 0 { self.at - 1 } else { self.at + 1 };
        }
        stop.and_then(|sense| sense.information).unwrap_or(0)
    }
}

struct Bench {
    lease: DriveLease,
    runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new(compression: Compression) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("TS0001L8");
        create(&path, &NewTape { barcode: "TS0001L8".into(), capacity_bytes: CAPACITY_BYTES, worm: false })
            .unwrap();
        let handle = DriveHandle::start("drive0", "SERIAL0001", 1, compression).unwrap();
        handle.insert(&path, &Barcode::new("TS0001L8").unwrap()).unwrap();
        let lease = handle.acquire(&Holder { session: 1, peer: "here".into() }).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { lease, runtime, _directory: directory }
    }

    fn run<R: Send + 'static>(&self, job: impl FnOnce(&mut Drive) -> R + Send + 'static) -> R {
        self.runtime.block_on(self.lease.run(job)).unwrap()
    }

    fn execute(&self, cdb: &[u8], data: &[u8]) -> Outcome {
        let (cdb, data) = (cdb.to_vec(), data.to_vec());
        self.run(move |unit| {
            drive::execute(unit, &Personality::honest().drive, &mut Nexus::default(), &cdb, &data, 1 << 20)
        })
    }

    fn sense(&self, cdb: &[u8]) -> Option<Sense> {
        self.execute(cdb, &[]).sense
    }

    /// Does a step on both, and holds what comes back against what should.
    fn step(&self, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Write(byte, length) => {
                let record = vec![byte; length.into()];
                prop_assert_eq!(self.execute(&six(0x0a, 0, length.into()), &record).sense, None);
                if length > 0 {
                    model.is_unterminated &= model.at == model.objects.len();
                    model.put(Object::Record(record));
                }
            }
            Step::Marks(count) => {
                prop_assert_eq!(self.sense(&six(0x10, 0, count.into())), None);
                model.marks(count);
            }
            Step::Read { bytes_max, suppress_length } => {
                let read = self.execute(&six(0x08, u8::from(suppress_length) << 1, bytes_max.into()), &[]);
                prop_assert_eq!((read.data_in, read.sense), model.read(bytes_max.into(), suppress_length));
            }
            Step::Verify(length) => {
                let verified = self.sense(&six(0x13, 0, length.into()));
                prop_assert_eq!(verified, model.read(length.into(), false).1);
            }
            Step::SpaceRecords(count) => {
                prop_assert_eq!(self.sense(&six(0x11, 0, count.into())), model.space(false, count.into()));
            }
            Step::SpaceMarks(count) => {
                prop_assert_eq!(self.sense(&six(0x11, 1, count.into())), model.space(true, count.into()));
            }
            Step::SpaceToEnd => {
                prop_assert_eq!(self.sense(&six(0x11, 3, 0)), None);
                model.at = model.objects.len();
            }
            Step::LocateObject(object) => {
                let end = model.objects.len();
                let beyond = (usize::from(object) > end).then_some(Sense::END_OF_DATA);
                prop_assert_eq!(self.sense(&[0x2b, 0, 0, 0, 0, 0, object, 0, 0, 0]), beyond);
                model.at = end.min(object.into());
            }
            Step::LocateFile(file) => {
                model.at = 0;
                let beyond = model.space(true, file.into()).map(|_| Sense::END_OF_DATA);
                let located = self.sense(&[0x92, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, file, 0, 0, 0, 0]);
                prop_assert_eq!(located, beyond);
            }
            Step::Rewind => {
                prop_assert_eq!(self.sense(&six(0x01, 0, 0)), None);
                model.at = 0;
            }
            Step::Erase => {
                prop_assert_eq!(self.sense(&six(0x19, 0, 0)), None);
                model.is_unterminated &= model.at == model.objects.len();
                model.objects.truncate(model.at);
            }
            Step::Format | Step::SetCapacity(_) => {
                let cdb = match *step {
                    Step::SetCapacity(parts) => {
                        [0x0b, 0, 0, parts.to_be_bytes()[0], parts.to_be_bytes()[1], 0]
                    }
                    _ => [0x04, 0, 0, 0, 0, 0],
                };
                let refused = (model.at > 0).then_some(Sense::PAST_BEGINNING);
                prop_assert_eq!(self.sense(&cdb), refused);
                if refused.is_none() {
                    model.objects.clear();
                    model.is_unterminated = false;
                    if let Step::SetCapacity(parts) = *step {
                        model.capacity = Some(parts);
                    }
                }
            }
            Step::WriteAttribute(id, length) => {
                let (id, value) = (0x1400 + u16::from(id), vec![id; length.into()]);
                let attribute = [&id.to_be_bytes()[..], &[0, 0, length], &value].concat();
                let list = [&[0; 4][..], &attribute].concat();
                let cdb = [0x8d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9 + length, 0, 0];
                prop_assert_eq!(self.execute(&cdb, &list).sense, None);
                if length > 0 {
                    model.noted.insert(id, value);
                } else {
                    model.noted.remove(&id);
                }
            }
            Step::Reload => {
                prop_assert_eq!(self.sense(&[0x1b, 0, 0, 0, 0, 0]), None);
                prop_assert_eq!(self.sense(&[0x1b, 0, 0, 0, 1, 0]), None);
                (model.at, model.is_unterminated) = (0, false);
            }
            Step::HostWrite(byte, length) => {
                let record = vec![byte; length.into()];
                model.put(Object::Record(record.clone()));
                model.is_unterminated = true;
                prop_assert_eq!(self.run(move |unit| unit.host_write(&record)), Ok(()));
            }
            Step::HostRead(bytes_max) => self.host_read(model, bytes_max)?,
            Step::HostMotion(motion, count) => {
                let left = model.host_motion(motion, count);
                let moved =
                    self.run(move |unit| unit.host_motion(motion, count.into(), MarkRule::StopBefore));
                prop_assert_eq!(moved, Ok(left));
            }
            Step::HostTerminate => {
                model.terminate();
                prop_assert_eq!(self.run(Drive::host_terminate), Ok(()));
            }
        }
        self.agree(model)
    }

    fn host_read(&self, model: &mut Model, bytes_max: u16) -> Result<(), TestCaseError> {
        let (data, sense) = model.read(bytes_max.into(), true);
        let expected = match sense {
            None => HostRead::Record(data.into()),
            Some(sense) if sense.filemark => {
                model.at -= 1;
                HostRead::Filemark
            }
            Some(_) => HostRead::EndOfData,
        };
        prop_assert_eq!(
            self.run(move |unit| unit.host_read(bytes_max.into(), MarkRule::StopBefore)),
            Ok(expected)
        );
        Ok(())
    }

    /// READ POSITION, what TAPE_GET_STATE is told, and the model.
    fn agree(&self, model: &Model) -> Result<(), TestCaseError> {
        let data = self.execute(&[0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], &[]).data_in;
        let number = |at: usize| u64::from_be_bytes(data[at..at + 8].try_into().unwrap());
        let published = self.lease.drive().status().position;
        let expected = (model.at as u64, model.file() as u64);
        prop_assert_eq!((number(8), number(16)), expected);
        prop_assert_eq!((published.block, published.file), expected);
        prop_assert_eq!(data[0] & 0x80 != 0, model.at == 0, "BOP");
        let noted = self.execute(&[0x8c, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 4, 0, 0, 0], &[]).data_in;
        let of = |(id, value): (&u16, &Vec<u8>)| {
            [&id.to_be_bytes()[..], &[0, 0, u8::try_from(value.len()).unwrap()], value].concat()
        };
        let expected: Vec<u8> = model.noted.iter().flat_map(of).collect();
        prop_assert_eq!(noted.get(4..).unwrap_or_default(), expected);
        let capacity = CAPACITY_BYTES * u64::from(model.capacity.unwrap_or(u16::MAX)) / u64::from(u16::MAX);
        prop_assert_eq!(self.lease.drive().status().capacity_bytes, capacity);
        Ok(())
    }
}

/// A CDB of six bytes whose 24-bit field may be negative.
fn six(opcode: u8, flags: u8, field: i32) -> [u8; 6] {
    let [_, high, middle, low] = field.to_be_bytes();
    [opcode, flags, high, middle, low, 0]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_commands_do_what_a_plain_tape_would_do(
        steps in steps(),
        compression in prop::sample::select(vec![Compression::None, Compression::Lz4]),
    ) {
        let (bench, mut model) = (Bench::new(compression), Model::default());
        for (at, step) in steps.iter().enumerate() {
            if let Err(error) = bench.step(&mut model, step) {
                return Err(TestCaseError::fail(format!("step {at}, {step:?}: {error}")));
            }
        }
    }
}
