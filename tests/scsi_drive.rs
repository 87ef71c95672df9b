//! The drive's commands on a real tape: what a DMA that sends CDBs gets, beside what NDMP's tape interface sees of the same
//! drive. The other half, to the byte and without a tape, is in `src/scsi/drive/tests.rs`.
#![allow(clippy::unwrap_used, reason = "a test bench fails where it stands")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tapesilo::scsi::Nexus;
use tapesilo::scsi::drive;
use tapesilo::scsi::outcome::Outcome;
use tapesilo::scsi::personality::Personality;
use tapesilo::scsi::sense::Sense;
use tapesilo::space::Level;
use tapesilo::tape::{Compression, NewTape, RECORD_BYTES_MAX, Tape, create, inspect};
use tapesilo::vtl::barcode::Barcode;
use tapesilo::vtl::bay::Bay;
use tapesilo::vtl::drive::{
    Condition, Drive, DriveHandle, DriveKeeper, DriveLease, Holder, HostError, HostRead, MarkRule,
    MediumStatus, Motion, Notice, Unkept,
};
use tapesilo::vtl::generation::Generation;
use tapesilo::vtl::tape_drive::TapeDrive;

const MIB: u64 = 1 << 20;
const MIB_USIZE: usize = 1 << 20;

/// A drive with a tape in it, and the session that has it open.
struct Bench {
    lease: DriveLease,
    runtime: tokio::runtime::Runtime,
    tape: PathBuf,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(64 * MIB, false, |_| {})
    }

    fn with(capacity_bytes: u64, worm: bool, prepare: impl FnOnce(&Path)) -> Self {
        let new = NewTape { barcode: "TS0001L8".into(), capacity_bytes, worm };
        Self::of(&new, Generation::Lto8, Arc::new(Unkept), prepare)
    }

    /// A drive of some generation with some cartridge.
    fn of_generation(generation: Generation, barcode: &str, prepare: impl FnOnce(&Path)) -> Self {
        let new = NewTape { barcode: barcode.into(), capacity_bytes: 64 * MIB, worm: false };
        Self::of(&new, generation, Arc::new(Unkept), prepare)
    }

    fn of(
        new: &NewTape,
        generation: Generation,
        keeper: Arc<dyn DriveKeeper>,
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tape = directory.path().join(&new.barcode);
        create(&tape, new).unwrap();
        prepare(&tape);
        let handle = DriveHandle::start_kept("drive0", "SERIAL0001", 1, Compression::None, keeper).unwrap();
        handle.set_generation(generation);
        handle.insert(&tape, &Barcode::new(&new.barcode).unwrap()).unwrap();
        let lease = handle.acquire(&Holder { session: 1, peer: "here".into() }).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { lease, runtime, tape, _directory: directory }
    }

    /// Out of the drive and in again.
    fn reinsert(&self) {
        assert_eq!(self.sense(&[0x1b, 0, 0, 0, 0, 0]), None);
        self.lease.drive().remove().unwrap();
        let barcode = self.tape.file_name().unwrap().to_str().unwrap();
        self.lease.drive().insert(&self.tape, &Barcode::new(barcode).unwrap()).unwrap();
    }

    /// Whether a TapeAlert flag is raised; all are lowered then.
    fn alerts(&self) -> Vec<u8> {
        let page = self.execute(&[0x4d, 0, 0x6e, 0, 0, 0, 0, 2, 0, 0], &[], 512).data_in;
        let flags = page[4..].chunks(5).filter(|flag| flag[4] == 1);
        flags.map(|flag| flag[1]).collect()
    }

    fn write_attributes(&self, attributes: &[u8]) -> Option<Sense> {
        let list = [&[0; 4], attributes].concat();
        let length = u8::try_from(list.len()).unwrap();
        self.execute(&[0x8d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, length, 0, 0], &list, 0).sense
    }

    /// The value of an attribute.
    fn attribute(&self, id: u16) -> Option<Vec<u8>> {
        let [high, low] = id.to_be_bytes();
        let cdb = [0x8c, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0, 4, 0, 0, 0];
        let data = self.execute(&cdb, &[], 1024).data_in;
        let there = data.get(4..6) == Some(&id.to_be_bytes());
        there.then(|| data[9..9 + usize::from(data[8])].to_vec())
    }

    /// The capacity as the cartridge's memory, the drive and the label say it, in MiB.
    fn capacity_mebibytes(&self) -> u64 {
        let told = u64::from_be_bytes(self.attribute(1).unwrap().try_into().unwrap());
        assert_eq!(self.lease.drive().status().capacity_bytes / MIB, told);
        assert_eq!(inspect(&self.tape).unwrap().capacity_bytes / MIB, told);
        told
    }

    fn run<R: Send + 'static>(&self, job: impl FnOnce(&mut Drive) -> R + Send + 'static) -> R {
        self.runtime.block_on(self.lease.run(job)).unwrap()
    }

    fn execute(&self, cdb: &[u8], data: &[u8], room: u32) -> Outcome {
        let (cdb, data) = (cdb.to_vec(), data.to_vec());
        self.run(move |unit| {
            drive::execute(unit, &Personality::honest().drive, &mut Nexus::default(), &cdb, &data, room)
        })
    }

    /// A command without data.
    fn sense(&self, cdb: &[u8]) -> Option<Sense> {
        self.execute(cdb, &[], 0).sense
    }

    fn write(&self, data: &[u8]) -> Option<Sense> {
        let outcome = self.execute(&six(0x0a, 0, data.len()), data, 0);
        let taken = if outcome.sense.is_none_or(|sense| sense.key as u8 == 0) { data.len() } else { 0 };
        assert_eq!(outcome.data_out_consumed as usize, taken);
        outcome.sense
    }

    fn write_all(&self, records: &[&[u8]]) {
        for record in records {
            assert_eq!(self.write(record), None);
        }
    }

    fn marks(&self, count: usize) -> Option<Sense> {
        self.sense(&six(0x10, 0, count))
    }

    fn read(&self, flags: u8, length: usize) -> (Vec<u8>, Option<Sense>) {
        let outcome = self.execute(&six(0x08, flags, length), &[], 16 << 20);
        (outcome.data_in, outcome.sense)
    }

    fn rewind(&self) {
        assert_eq!(self.sense(&[1, 0, 0, 0, 0, 0]), None);
    }

    fn fixed(&self, block_bytes: u32) {
        let list = [&[0, 0, 0x10, 8, 0, 0, 0, 0][..], &block_bytes.to_be_bytes()].concat();
        assert_eq!(self.execute(&[0x15, 0x10, 0, 0, 12, 0], &list, 0).sense, None);
    }

    /// READ POSITION's long form: object and file; held to what NDMP's side says.
    fn at(&self) -> (u64, u64) {
        let data = self.execute(&[0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], &[], 32).data_in;
        let number = |at: usize| u64::from_be_bytes(data[at..at + 8].try_into().unwrap());
        let published = self.lease.drive().status().position;
        assert_eq!((number(8), number(16)), (published.block, published.file));
        (number(8), number(16))
    }
}

fn six(opcode: u8, flags: u8, length: usize) -> [u8; 6] {
    let [.., high, middle, low] = length.to_be_bytes();
    [opcode, flags, high, middle, low, 0]
}

fn sixteen(opcode: u8, flags: u8, block: u64, count: u32) -> Vec<u8> {
    let mut cdb = vec![opcode, flags, 0, 0];
    cdb.extend(block.to_be_bytes());
    cdb.extend(&count.to_be_bytes()[1..]);
    cdb.push(0);
    cdb
}

fn some(sense: Sense, information: u32) -> Option<Sense> {
    Some(sense.with_information(information))
}

const FIXED: u8 = 0x01;
const SILI: u8 = 0x02;

#[test]
fn records_of_any_length_come_back_as_they_were() {
    let bench = Bench::new();
    let largest: Vec<u8> =
        (0..RECORD_BYTES_MAX).map(|at| at.to_le_bytes()[1] ^ at.to_le_bytes()[0]).collect();
    bench.write_all(&[b"a", b"four", &largest, &[7; 12_345]]);
    assert_eq!(bench.marks(1), None);
    assert_eq!(bench.at(), (5, 1));
    bench.rewind();
    assert_eq!(bench.read(0, 1), (b"a".to_vec(), None));
    assert_eq!(bench.read(0, 4), (b"four".to_vec(), None));
    assert_eq!(bench.read(0, largest.len()), (largest, None));
    assert_eq!(bench.read(0, 12_345), (vec![7; 12_345], None));
    assert_eq!(bench.read(0, 100), (vec![], some(Sense::FILEMARK, 100)));
    assert_eq!(bench.at(), (5, 1));
    assert_eq!(bench.read(0, 100), (vec![], some(Sense::END_OF_DATA, 100)));
    assert_eq!(bench.at(), (5, 1), "the end of data is not passed");
}

#[test]
fn a_read_of_nothing_and_a_write_of_nothing_do_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.write(b""), None);
    assert_eq!((bench.read(0, 0), bench.at()), ((vec![], None), (0, 0)));
    bench.write_all(&[b"abc"]);
    bench.rewind();
    assert_eq!((bench.read(0, 0), bench.at()), ((vec![], None), (0, 0)));
    assert_eq!(bench.write(b""), None, "nor does it destroy what stands there");
    assert_eq!(bench.read(0, 3).0, b"abc");
}

#[test]
fn a_record_of_another_length_is_told_by_its_difference() {
    let bench = Bench::new();
    bench.write_all(&[&b"0123456789"[..]; 5]);
    bench.rewind();
    assert_eq!(bench.read(0, 16), (b"0123456789".to_vec(), some(Sense::INCORRECT_LENGTH, 6)));
    assert_eq!(bench.read(0, 4), (b"0123".to_vec(), some(Sense::INCORRECT_LENGTH, 0xffff_fffa)));
    assert_eq!(bench.at(), (2, 0), "the rest of a long record is passed");
    assert_eq!(bench.read(SILI, 16), (b"0123456789".to_vec(), None));
    assert_eq!(bench.read(SILI, 4), (b"0123".to_vec(), None));
    bench.fixed(4);
    let overlength = bench.read(SILI, 4);
    assert_eq!(overlength, (b"0123".to_vec(), some(Sense::INCORRECT_LENGTH, 0xffff_fffa)));
}

#[test]
fn a_record_that_the_caller_has_no_room_for_is_not_lost() {
    let bench = Bench::new();
    bench.write_all(&[&[1; 1000]]);
    bench.rewind();
    let cramped = bench.execute(&six(0x08, 0, 1000), &[], 10);
    assert_eq!((cramped.sense, cramped.data_in.len()), (Some(Sense::INVALID_FIELD.at_byte(2)), 0));
    assert_eq!(bench.at(), (0, 0));
    assert_eq!(bench.execute(&six(0x08, SILI, 10), &[], 10).data_in, [1; 10]);
}

#[test]
fn fixed_blocks_are_counted_and_residuals_are_blocks() {
    let bench = Bench::new();
    assert_eq!(bench.read(FIXED, 1).1, Some(Sense::invalid_bit(1, 0)), "no block length is set");
    bench.fixed(512);
    let blocks: Vec<u8> = (0..5_u8).flat_map(|block| [block; 512]).collect();
    let wrote = bench.execute(&six(0x0a, FIXED, 5), &blocks, 0);
    assert_eq!((wrote.sense, wrote.data_out_consumed), (None, 2560));
    assert_eq!(bench.marks(1), None);
    bench.write_all(&[&[9; 512], &[9; 100]]);
    assert_eq!(bench.at(), (8, 1));
    bench.rewind();
    assert_eq!(bench.read(FIXED, 2), (blocks[..1024].to_vec(), None));
    assert_eq!(bench.read(FIXED, 10), (blocks[1024..].to_vec(), some(Sense::FILEMARK, 7)));
    assert_eq!(bench.at(), (6, 1), "behind the mark");
    assert_eq!(bench.read(FIXED, 3), (vec![9; 512], some(Sense::INCORRECT_LENGTH, 2)));
    assert_eq!(bench.at(), (8, 1), "behind the record of another length");
    assert_eq!(bench.read(FIXED, 3), (vec![], some(Sense::END_OF_DATA, 3)));
    assert_eq!(bench.read(FIXED | SILI, 1).1, Some(Sense::invalid_bit(1, 1)));
    let too_many = bench.execute(&six(0x08, FIXED, 0xff_ffff), &[], 16 << 20);
    assert_eq!(too_many.sense, Some(Sense::INVALID_FIELD.at_byte(2)), "more than the caller has room for");
    let short = bench.execute(&six(0x0a, FIXED, 5), &blocks[1..], 0);
    assert_eq!(short.sense, Some(Sense::INVALID_FIELD.at_byte(2)), "less data than announced");
    assert_eq!(bench.at(), (8, 1));
}

#[test]
fn a_block_length_outlasts_cartridges_and_leaves_ndmp_alone() {
    let bench = Bench::new();
    bench.fixed(512);
    bench.run(|unit| unit.host_write(&[5; 700])).unwrap();
    assert_eq!(bench.sense(&[0x1b, 0, 0, 0, 0, 0]), None);
    assert_eq!(bench.sense(&[0x1b, 0, 0, 0, 1, 0]), None);
    assert_eq!(bench.at(), (0, 0), "a load stands at the beginning");
    let read = bench.run(|unit| unit.host_read(1000, MarkRule::StopBefore)).unwrap();
    assert_eq!(read, HostRead::Record(vec![5; 700].into()));
    assert_eq!(bench.execute(&[0x1a, 0, 0, 0, 12, 0], &[], 12).data_in[9..], [0, 2, 0]);
}

#[test]
fn objects_have_the_same_numbers_in_either_mode() {
    let bench = Bench::new();
    bench.write_all(&[&[1; 5000]]);
    bench.fixed(100);
    assert_eq!(bench.execute(&six(0x0a, FIXED, 3), &[2; 300], 0).sense, None);
    assert_eq!((bench.marks(1), bench.at()), (None, (5, 1)));
    bench.fixed(0);
    assert_eq!(bench.at(), (5, 1));
    assert_eq!(bench.sense(&[0x2b, 0, 0, 0, 0, 0, 1, 0, 0, 0]), None);
    assert_eq!(bench.read(0, 100), (vec![2; 100], None));
    bench.fixed(5000);
    bench.rewind();
    assert_eq!((bench.read(FIXED, 1), bench.at()), ((vec![1; 5000], None), (1, 0)));
}

#[test]
fn unbuffered_writes_and_damage_are_told_as_they_happen() {
    let bench = Bench::with(64 * MIB, false, |path| {
        let mut tape = Tape::open(path).unwrap();
        tape.write_record(&[1; 3000]).unwrap();
        tape.write_record(&[2; 3000]).unwrap();
        tape.close().unwrap();
        let log = path.join("data");
        let mut bytes = std::fs::read(&log).unwrap();
        let at = bytes.windows(3000).position(|window| window == [1; 3000]).unwrap();
        bytes[at + 100] ^= 1;
        std::fs::write(&log, bytes).unwrap();
    });
    assert_eq!(bench.read(0, 3000), (vec![], some(Sense::MEDIUM_DAMAGED, 3000)));
    assert_eq!(bench.at(), (1, 0), "behind the damaged record");
    assert_eq!(bench.read(0, 3000), (vec![2; 3000], None));
    let alert = bench.execute(&[0x4d, 0, 0x6e, 0, 0, 0, 3, 0, 9, 0], &[], 9).data_in;
    assert_eq!(alert[8], 1, "TapeAlert 3");
    bench.rewind();
    assert_eq!(bench.sense(&six(0x13, 0, 3000)), some(Sense::MEDIUM_DAMAGED, 3000));
    assert_eq!(bench.execute(&[0x15, 0x10, 0, 0, 4, 0], &[0; 4], 0).sense, None);
    bench.write_all(&[&[3; 50]]);
    assert_eq!(bench.at(), (2, 0));
}

#[test]
fn explicit_addresses_are_gone_to_first() {
    let bench = Bench::new();
    for (block, record) in [(0, b"aaa"), (1, b"bbb"), (2, b"ccc")] {
        assert_eq!(bench.execute(&sixteen(0x8a, 0, block, 3), record, 0).sense, None);
    }
    assert_eq!(bench.sense(&sixteen(0x80, 0, 3, 2)), None);
    assert_eq!(bench.at(), (5, 2));
    assert_eq!(bench.execute(&sixteen(0x88, 0, 1, 3), &[], 3).data_in, b"bbb");
    assert_eq!(bench.sense(&sixteen(0x88, 0, 6, 3)), Some(Sense::END_OF_DATA));
    let mut other_partition = sixteen(0x88, 0, 1, 3);
    other_partition[3] = 1;
    assert_eq!(bench.sense(&other_partition), Some(Sense::invalid_byte(3)));
    assert_eq!(bench.execute(&sixteen(0x8a, 0, 1, 3), b"BBB", 0).sense, None);
    assert_eq!(bench.sense(&[0x11, 3, 0, 0, 0, 0]), None);
    assert_eq!(bench.at(), (2, 0), "what stood behind a record written in the middle is gone");
}

#[test]
fn spaces_with_64_bits() {
    let bench = Bench::new();
    bench.write_all(&[b"a", b"b"]);
    assert_eq!(bench.marks(2), None);
    let space = |code: u8, count: i64| {
        let mut cdb = vec![0x91, code, 0, 0];
        cdb.extend(count.to_be_bytes());
        cdb.extend([0; 4]);
        cdb
    };
    assert_eq!(bench.sense(&space(1, -1)), None);
    assert_eq!(bench.at(), (3, 1), "before the mark");
    assert_eq!(bench.sense(&space(0, -1)), some(Sense::FILEMARK, 1));
    assert_eq!(bench.at(), (2, 0));
    assert_eq!(bench.sense(&space(0, -9)), some(Sense::BEGINNING_OF_TAPE, 7));
    assert_eq!(
        bench.sense(&space(0, i64::MAX)),
        some(Sense::FILEMARK, 0).map(|s| Sense { information: None, ..s })
    );
    assert_eq!(bench.sense(&space(1, i64::MIN)).unwrap().information, None);
    assert_eq!(bench.at(), (0, 0), "never wraps to the end of data");
    assert_eq!(bench.sense(&space(3, 0)), None);
    assert_eq!(bench.at(), (4, 2));
    assert_eq!(bench.sense(&space(2, 1)), Some(Sense::invalid_bit(1, 3)));
    let mut with_list = space(0, 1);
    with_list[13] = 1;
    assert_eq!(bench.sense(&with_list), Some(Sense::invalid_byte(12)));
}

#[test]
fn filemarks_in_the_middle_and_erase_anywhere_end_the_data_there() {
    let bench = Bench::new();
    bench.write_all(&[b"a", b"b", b"c"]);
    let go_to = |block: u8| assert_eq!(bench.sense(&[0x2b, 0, 0, 0, 0, 0, block, 0, 0, 0]), None);
    go_to(2);
    assert_eq!(bench.marks(1), None);
    assert_eq!(bench.read(0, 1).1, some(Sense::END_OF_DATA, 1));
    go_to(1);
    assert_eq!(bench.marks(0), None, "a flush destroys nothing");
    assert_eq!(bench.read(0, 1).0, b"b");
    go_to(1);
    assert_eq!(bench.sense(&[0x19, 1, 0, 0, 0, 0]), None, "not only at the beginning");
    assert_eq!(bench.read(0, 1).1, some(Sense::END_OF_DATA, 1));
    assert_eq!(bench.at(), (1, 0));
    bench.rewind();
    assert_eq!(bench.sense(&[0x19, 0, 0, 0, 0, 0]), None);
    assert_eq!(bench.read(0, 1).1, some(Sense::END_OF_DATA, 1));
}

#[test]
fn verify_reads_and_says_the_same() {
    let bench = Bench::new();
    bench.write_all(&[&[1; 512], &[2; 512], &[3; 100]]);
    assert_eq!(bench.marks(1), None);
    bench.rewind();
    assert_eq!(bench.sense(&six(0x13, 0, 512)), None);
    assert_eq!(bench.sense(&six(0x13, 0, 600)), some(Sense::INCORRECT_LENGTH, 88));
    bench.rewind();
    bench.fixed(512);
    assert_eq!(bench.sense(&six(0x13, FIXED, 2)), None);
    assert_eq!(bench.sense(&six(0x13, FIXED, 2)), some(Sense::INCORRECT_LENGTH, 2));
    assert_eq!(bench.sense(&six(0x13, FIXED, 2)), some(Sense::FILEMARK, 2));
    assert_eq!(bench.sense(&six(0x13, 0x02, 2)), Some(Sense::invalid_bit(1, 1)));
}

#[test]
fn the_early_warning_is_a_written_record_and_the_end_a_refused_one() {
    let bench = Bench::with(4 * MIB, false, |_| {});
    let record = vec![3; 64 << 10];
    let mut written: u64 = 0;
    while bench.write(&record).is_none() {
        written += 1;
    }
    written += 1;
    assert_eq!(bench.at(), (written, 0), "the record that met the warning is on the tape");
    let position = bench.execute(&[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[], 20).data_in;
    assert_eq!(position[0] & 0x40, 0x40, "EOP");
    bench
        .run(|unit| unit.host_write(b"a label"))
        .expect("the warning was given: NDMP does not give it again");
    written += 1;
    assert_eq!(bench.marks(1), some(Sense::END_OF_MEDIUM, 0));
    written += 1;
    loop {
        match bench.write(&record) {
            Some(sense) if sense == Sense::END_OF_MEDIUM.with_information(0) => written += 1,
            last => {
                assert_eq!(last, some(Sense::VOLUME_OVERFLOW, 64 << 10));
                break;
            }
        }
    }
    assert_eq!(bench.at(), (written, 1), "nothing of the refused record is on the tape");
    bench.fixed(1024);
    let outcome = bench.execute(&six(0x0a, FIXED, 128), &vec![4; 128 << 10], 0);
    let left = 128 - outcome.data_out_consumed / 1024;
    assert!(left > 64, "there was less than a record's room");
    assert_eq!(outcome.sense, some(Sense::VOLUME_OVERFLOW, left));
    assert_eq!(bench.at().0, written + u64::from(128 - left));
}

#[test]
fn a_warning_given_to_ndmp_is_still_seen_by_cdbs() {
    let bench = Bench::with(4 * MIB, false, |_| {});
    let warned = bench.run(|unit| {
        loop {
            if let Err(error) = unit.host_write(&[1; 65_536]) {
                return error;
            }
        }
    });
    assert_eq!(warned, HostError::EarlyWarning);
    assert_eq!(bench.write(&[2; 100]), some(Sense::END_OF_MEDIUM, 0));
}

#[test]
fn protected_tapes_and_worm_tapes_refuse_with_their_own_sense() {
    let protected =
        Bench::with(64 * MIB, false, |path| Tape::open(path).unwrap().set_write_protected(true).unwrap());
    assert_eq!(protected.write(b"a"), some(Sense::WRITE_PROTECTED, 1));
    assert_eq!(protected.marks(1), Some(Sense::WRITE_PROTECTED));
    assert_eq!(protected.marks(0), None);
    assert_eq!(protected.sense(&[0x19, 0, 0, 0, 0, 0]), Some(Sense::WRITE_PROTECTED));
    assert_eq!(protected.execute(&[0x1a, 0, 0, 0, 4, 0], &[], 4).data_in[2], 0x90);
    let worm = Bench::with(64 * MIB, true, |_| {});
    worm.write_all(&[b"a", b"b"]);
    worm.rewind();
    assert_eq!(worm.write(b"x"), some(Sense::WORM_OVERWRITE, 1));
    assert_eq!(worm.marks(1), Some(Sense::WORM_OVERWRITE));
    assert_eq!(worm.sense(&[0x19, 0, 0, 0, 0, 0]), Some(Sense::WORM_OVERWRITE));
    assert_eq!(worm.sense(&[0x11, 3, 0, 0, 0, 0]), None);
    worm.write_all(&[b"c"]);
    assert_eq!(worm.execute(&[0x1a, 0, 0, 0, 4, 0], &[], 4).data_in[1], 0x8c);
}

#[test]
fn the_implicit_filemark_is_for_ndmp_s_data_alone() {
    let bench = Bench::new();
    bench.write_all(&[b"by cdb"]);
    bench.run(Drive::host_terminate).unwrap();
    assert_eq!(bench.at(), (1, 0), "who writes CDBs writes its filemarks");
    bench.run(|unit| unit.host_write(b"by ndmp")).unwrap();
    bench.write_all(&[b"by cdb"]);
    bench.run(|unit| unit.host_motion(Motion::Rewind, 1, MarkRule::StopBefore)).unwrap();
    bench.sense(&[0x11, 3, 0, 0, 0, 0]);
    assert_eq!(bench.at(), (4, 1));
    bench.run(|unit| unit.host_write(b"by ndmp")).unwrap();
    bench.rewind();
    assert_eq!(bench.sense(&[0x19, 0, 0, 0, 0, 0]), None);
    bench.run(Drive::host_terminate).unwrap();
    assert_eq!(bench.at(), (0, 0), "what was erased needs no filemark");
}

#[test]
fn the_cartridge_s_memory_and_the_logs_count_what_was_done() {
    let bench = Bench::new();
    bench.write_all(&[&[1; 1000], &[2; 500]]);
    bench.run(|unit| unit.host_write(&[0; 500])).unwrap();
    bench.rewind();
    bench.read(0, 1000);
    let log = |page: u8, code: u16| {
        let [high, low] = code.to_be_bytes();
        let data = bench.execute(&[0x4d, 0, 0x40 | page, 0, 0, high, low, 1, 0, 0], &[], 256).data_in;
        let length = usize::from(data[7]);
        assert_eq!(data[4..6], code.to_be_bytes());
        data[8..8 + length].to_vec()
    };
    let number = |value: Vec<u8>| value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    assert_eq!((number(log(0x02, 5)), number(log(0x03, 5))), (2000, 1000));
    assert_eq!((number(log(0x0c, 0)), number(log(0x0c, 3))), (2000, 1000));
    assert_eq!((number(log(0x31, 3)), number(log(0x31, 1))), (64, 63));
    assert_eq!(
        (number(log(0x17, 0x02)), number(log(0x17, 0x16))),
        (3, 67),
        "records, and capacity in 10^6 bytes"
    );
    assert_eq!(log(0x17, 0x42), *b"TS0001L8                        ");
    let attribute = |id: u16| {
        let [high, low] = id.to_be_bytes();
        let cdb = [0x8c, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0, 1, 0, 0, 0];
        bench.execute(&cdb, &[], 256).data_in
    };
    assert_eq!(attribute(0x0806)[4..], *b"\x08\x06\x81\x00\x20TS0001L8                        ");
    assert_eq!(attribute(0x0001)[4..17], [0, 1, 0x80, 0, 8, 0, 0, 0, 0, 0, 0, 0, 64]);
    let list = bench.execute(&[0x8c, 1, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0], &[], 256).data_in;
    assert_eq!(list, [0, 0, 0, 2, 8, 6]);
    let beyond = [0x8c, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0];
    assert_eq!(bench.sense(&beyond), Some(Sense::invalid_byte(8)));
    let densities = bench.execute(&[0x44, 0, 0, 0, 0, 0, 0, 1, 0, 0], &[], 256).data_in;
    assert_eq!((densities.len(), &densities[..4]), (108, &[0, 106, 0, 0][..]));
    assert_eq!((&densities[56..59], &densities[72..80]), (&[0x5e, 0x5e, 0xa0][..], &b"LTO-CVE "[..]));
    assert_eq!(bench.run(|unit| unit.loads()), 1);
}

const LABEL: &[u8] = b"\x08\x00\x01\x00\x08ACME    ";

#[test]
fn what_initiators_note_stays_with_the_cartridge() {
    let bench = Bench::new();
    assert_eq!(bench.write_attributes(LABEL), None);
    let coherency = [&[0x08, 0x0c, 0, 0, 70][..], &[7; 70]].concat();
    assert_eq!(bench.write_attributes(&coherency), None);
    bench.reinsert();
    assert_eq!(bench.attribute(0x0800), Some(b"ACME    ".to_vec()));
    assert_eq!(bench.attribute(0x080c), Some(vec![7; 70]));
    assert_eq!(bench.sense(&[0x04, 0, 0, 0, 0, 0]), None);
    assert_eq!(bench.attribute(0x0800), Some(b"ACME    ".to_vec()), "data and memory are two things");
    assert_eq!(bench.alerts(), [0_u8; 0]);
    for name in ["attributes.toml", "attributes.toml.bak"] {
        std::fs::write(bench.tape.join(name), "damaged").unwrap();
    }
    bench.write_all(&[b"data"]);
    bench.reinsert();
    assert_eq!(bench.alerts(), [15], "the cartridge's memory");
    assert_eq!(
        (bench.attribute(0x0800), bench.read(0, 4).0),
        (None, b"data".to_vec()),
        "nothing else is lost"
    );
    assert_eq!(bench.write_attributes(LABEL), None);
    bench.reinsert();
    assert_eq!((bench.attribute(0x0800), bench.alerts()), (Some(b"ACME    ".to_vec()), vec![]));
}

#[test]
fn notes_are_refused_by_protected_tapes_and_taken_by_worm_tapes() {
    let protected =
        Bench::with(64 * MIB, false, |path| Tape::open(path).unwrap().set_write_protected(true).unwrap());
    assert_eq!(protected.write_attributes(LABEL), Some(Sense::WRITE_PROTECTED));
    assert!(!protected.tape.join("attributes.toml").exists());
    let worm = Bench::with(64 * MIB, true, |_| {});
    worm.write_all(&[b"a"]);
    assert_eq!(worm.write_attributes(LABEL), None);
}

#[test]
fn capacity_is_taken_and_given_back() {
    let bench = Bench::new();
    let set = |proportion: u16| {
        let [high, low] = proportion.to_be_bytes();
        bench.sense(&[0x0b, 0, 0, high, low, 0])
    };
    bench.write_all(&[b"a"]);
    assert_eq!(set(0x4000), Some(Sense::PAST_BEGINNING));
    bench.rewind();
    assert_eq!(set(0x4001), None);
    assert_eq!((bench.capacity_mebibytes(), bench.at()), (16, (0, 0)));
    assert_eq!(bench.read(0, 1).1, some(Sense::END_OF_DATA, 1), "what was on it is gone");
    let mut written = 0;
    let end = loop {
        match bench.write(&vec![1; MIB_USIZE]) {
            Some(sense) if sense.key as u8 == 0xd => break sense,
            _ => written += 1,
        }
    };
    assert_eq!((written, end.asc), (16, 0));
    bench.reinsert();
    assert_eq!(bench.capacity_mebibytes(), 16, "it is the cartridge's");
    assert_eq!(set(0), None);
    assert_eq!(bench.capacity_mebibytes(), 3, "a twentieth at least");
    assert_eq!(set(0xffff), None);
    assert_eq!(bench.capacity_mebibytes(), 64, "all of it");
    let label = std::fs::read_to_string(bench.tape.join("label.toml")).unwrap();
    assert!(!label.contains("full_capacity_bytes"), "{label}");
    for _ in 0..60 {
        assert_ne!(bench.write(&vec![1; MIB_USIZE]).map(|sense| sense.key as u8), Some(0xd));
    }
}

#[test]
fn protected_and_written_worm_tapes_keep_data_and_capacity() {
    let protected =
        Bench::with(64 * MIB, false, |path| Tape::open(path).unwrap().set_write_protected(true).unwrap());
    let worm = Bench::with(64 * MIB, true, |_| {});
    assert_eq!(worm.sense(&[0x0b, 0, 0, 0x80, 0, 0]), None, "nothing is written yet");
    worm.write_all(&[b"a"]);
    worm.rewind();
    for cdb in [[0x04, 0, 0, 0, 0, 0], [0x0b, 0, 0, 0x40, 0, 0]] {
        assert_eq!(protected.sense(&cdb), Some(Sense::WRITE_PROTECTED));
        assert_eq!(worm.sense(&cdb), Some(Sense::WORM_OVERWRITE));
    }
    assert_eq!((worm.read(0, 1).0, worm.alerts()), (b"a".to_vec(), vec![60]));
    assert_eq!((protected.capacity_mebibytes(), worm.capacity_mebibytes()), (64, 32));
}

#[test]
fn formatting_is_durable_and_leaves_one_empty_partition() {
    let bench = Bench::new();
    bench.write_all(&[b"a", b"b"]);
    bench.run(|unit| unit.host_write(b"by ndmp")).unwrap();
    assert_eq!(bench.sense(&[0x04, 0, 0, 0, 0, 0]), Some(Sense::PAST_BEGINNING));
    bench.rewind();
    assert_eq!(bench.sense(&[0x04, 0, 0, 0, 0, 0]), None);
    bench.run(Drive::host_terminate).unwrap();
    assert_eq!(bench.at(), (0, 0), "what is gone needs no filemark");
    let page = bench.execute(&[0x1a, 8, 0x11, 0, 255, 0], &[], 255).data_in;
    assert_eq!(page[4..8], [0x11, 8, 0, 0], "no partition more");
    assert_eq!(inspect(&bench.tape).unwrap().used_bytes, 0);
}

#[test]
fn the_programmable_early_warning_comes_before_the_early_warning() {
    let bench = Bench::with(64 * MIB, false, |_| {});
    let mut list = vec![0, 0, 0x10, 0, 0x50, 0x01, 0, 28, 0, 0, 0, 10];
    list.extend([0; 24]);
    assert_eq!(bench.execute(&[0x15, 0x10, 0, 0, 36, 0], &list, 0).sense, None);
    let told: Vec<_> = (0..64).map(|at| (at, bench.write(&vec![5; MIB_USIZE]))).collect();
    let programmable: Vec<_> =
        told.iter().filter(|(_, sense)| *sense == some(Sense::PROGRAMMABLE_EARLY_WARNING, 0)).collect();
    let early = told.iter().position(|(_, sense)| *sense == some(Sense::END_OF_MEDIUM, 0)).unwrap();
    assert_eq!(programmable.len(), 1, "once");
    let before = early - programmable[0].0;
    assert!((9..=10).contains(&before), "{before} MiB before it, where 10 MB were asked for");
    assert!(told[..programmable[0].0].iter().all(|(_, sense)| sense.is_none()));
}

#[test]
fn a_cleaning_cartridge_cleans_fifty_times() {
    let bench = Bench::of_generation(Generation::Lto8, "CLN001L1", |_| {});
    let status = bench.lease.drive().status();
    assert_eq!((status.medium, status.barcode.as_deref()), (MediumStatus::Cleaning, Some("CLN001L1")));
    assert!(bench.lease.drive().picker_access(), "the robot can take it out");
    assert_eq!(bench.sense(&[0; 6]), Some(Sense::CLEANING));
    assert_eq!(bench.sense(&[0x1b, 0, 0, 0, 1, 0]), Some(Sense::CLEANING), "there is nothing to thread");
    assert_eq!(bench.run(|unit| unit.host_write(b"x")), Err(HostError::NotReady));
    assert_eq!(bench.alerts(), [11]);
    bench.run(|unit| {
        unit.settings().raise(20);
        unit.settings().raise(21);
    });
    for _ in 1..50 {
        bench.reinsert();
    }
    assert_eq!(bench.alerts(), [11], "cleaning ends what asks for it");
    assert_eq!(bench.run(|unit| unit.statistics()).cleanings, 50);
    bench.run(|unit| unit.settings().raise(20));
    bench.reinsert();
    assert_eq!(bench.alerts(), [11, 20, 22], "used up: the drive is as it was");
    assert_eq!(bench.run(|unit| unit.statistics()).cleanings, 50);
}

#[test]
fn a_tape_with_data_is_no_cleaning_cartridge_whatever_its_label_says() {
    let bench = Bench::of_generation(Generation::Lto8, "CLN001L8", |path| {
        let mut tape = Tape::open(path).unwrap();
        tape.write_record(b"data").unwrap();
        tape.close().unwrap();
    });
    assert_eq!(bench.alerts(), [11, 23]);
    assert_eq!(bench.run(|unit| unit.statistics()).cleanings, 0);
}

#[test]
fn a_cartridge_of_another_generation_is_kept_and_not_read() {
    for (drive, barcode) in
        [(Generation::Lto8, "TS0001L9"), (Generation::Lto8, "TS0001L6"), (Generation::Lto9, "TS0001L7")]
    {
        let bench = Bench::of_generation(drive, barcode, |_| {});
        assert_eq!(bench.lease.drive().status().medium, MediumStatus::Incompatible, "{barcode}");
        assert_eq!(bench.sense(&[0; 6]), Some(Sense::CANNOT_READ_FORMAT));
        assert_eq!(bench.sense(&[0x1b, 0, 0, 0, 1, 0]), Some(Sense::CANNOT_READ_FORMAT));
        assert_eq!(bench.run(|unit| unit.host_write(b"x")), Err(HostError::NotReady));
        assert_eq!(bench.alerts(), [12]);
        bench.lease.drive().remove().unwrap();
        assert_eq!(bench.sense(&[0; 6]), Some(Sense::NO_MEDIUM));
    }
}

#[test]
fn a_cartridge_two_generations_older_is_read_and_not_written() {
    let bench = Bench::of_generation(Generation::Lto7, "TS0001L5", |path| {
        let mut tape = Tape::open(path).unwrap();
        tape.write_record(b"old").unwrap();
        tape.close().unwrap();
    });
    assert_eq!(bench.read(0, 3), (b"old".to_vec(), None));
    assert_eq!(bench.write(b"new"), some(Sense::CANNOT_WRITE_FORMAT, 3));
    assert_eq!(bench.marks(1), Some(Sense::CANNOT_WRITE_FORMAT));
    assert_eq!(bench.marks(0), None, "nothing is to be made durable");
    assert_eq!(bench.sense(&[0x19, 0, 0, 0, 0, 0]), Some(Sense::CANNOT_WRITE_FORMAT));
    assert_eq!(bench.write_attributes(LABEL), Some(Sense::CANNOT_WRITE_FORMAT));
    assert_eq!(bench.run(|unit| unit.host_write(b"x")), Err(HostError::WriteProtected));
    bench.run(Drive::host_terminate).unwrap();
    assert!(bench.lease.drive().status().is_write_protected);
    assert_eq!(bench.execute(&[0x1a, 0, 0, 0, 3, 0], &[], 3).data_in[2], 0x90);
    assert_eq!(bench.alerts(), [0_u8; 0]);
    let newer = Bench::of_generation(Generation::Lto7, "TS0001L6", |_| {});
    assert_eq!(newer.write(b"new"), None);
    let unnamed = Bench::of_generation(Generation::Lto5, "TS0001", |_| {});
    assert_eq!(unnamed.write(b"new"), None, "a barcode that names no generation is of the drive's");
}

/// A file system that has run short.
struct Short;

impl DriveKeeper for Short {
    fn space(&self) -> Level {
        Level::Stop
    }
    fn shortage(&self) -> String {
        "short".into()
    }
    fn end_of_medium(&self, _: &str) {}
    fn notices(&self) -> tokio::sync::watch::Receiver<Notice> {
        tokio::sync::watch::channel(None).1
    }
    fn condition(&self) -> Condition {
        Condition::default()
    }
}

#[test]
fn a_disk_without_room_refuses_what_is_begun_as_a_failed_allocation() {
    let new = NewTape { barcode: "TS0001L8".into(), capacity_bytes: 64 * MIB, worm: false };
    let bench = Bench::of(&new, Generation::Lto8, Arc::new(Short), |_| {});
    let refused = bench.write(b"abc").unwrap();
    assert_eq!(refused, Sense::SPACE_ALLOCATION_FAILED.with_information(3));
    assert_eq!((refused.to_bytes()[2], refused.to_bytes()[12], refused.to_bytes()[13]), (7, 0x27, 7));
    assert_eq!(bench.marks(1), Some(Sense::SPACE_ALLOCATION_FAILED));
    assert_eq!((bench.marks(0), bench.at()), (None, (0, 0)));
    assert_eq!(bench.sense(&[0x04, 0, 0, 0, 0, 0]), None, "erasing takes no room");
}

#[test]
fn the_drive_counts_its_own_life_over_cartridges() {
    let bench = Bench::new();
    bench.write_all(&[&[1; 1000]]);
    bench.reinsert();
    bench.read(0, 1000);
    let counted = |bench: &Bench| bench.run(|unit| unit.statistics());
    let statistics = counted(&bench);
    assert_eq!((statistics.usage.loads, statistics.loads_since_reset), (2, 2));
    assert_eq!((statistics.usage.bytes_written, statistics.usage.bytes_read), (1000, 1000));
    let read_bytes = |bench: &Bench| {
        let data = bench.execute(&[0x4d, 0, 0x43, 0, 0, 0, 5, 1, 0, 0], &[], 256).data_in;
        u64::from_be_bytes(data[8..16].try_into().unwrap())
    };
    assert_eq!(read_bytes(&bench), 1000);
    assert_eq!(bench.sense(&[0x4c, 2, 0x43, 0, 0, 0, 0, 0, 0, 0]), None);
    assert_eq!((read_bytes(&bench), counted(&bench).loads_since_reset), (0, 0), "counted anew");
    assert_eq!(counted(&bench).usage.bytes_read, 1000, "but not its life");
}

/// What other emulations get wrong, as far as no test above has it.
#[test]
fn errors_of_other_emulations_are_none_of_ours() {
    let bench = Bench::new();
    bench.write_all(&[b"a", b"b"]);
    assert_eq!(bench.marks(1), None);
    assert_eq!(bench.sense(&six(0x11, 0, 0xff_fff0)), some(Sense::FILEMARK, 16), "backwards stops at a mark");
    assert_eq!(bench.sense(&six(0x11, 0, 0xff_fff0)), some(Sense::BEGINNING_OF_TAPE, 14));
    assert_eq!(bench.at(), (0, 0), "never at the end of data");
    let eod = [0x92, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!((bench.sense(&eod), bench.at()), (None, (3, 1)));
    let extended = bench.execute(&[0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0], &[], 32);
    assert_eq!((extended.sense, extended.data_in.len()), (None, 32));
    bench.fixed(1);
    assert_eq!(bench.at(), (3, 1), "a position is no matter of the block length");
    bench.fixed(0);
    bench.rewind();
    assert_eq!(bench.sense(&six(0x11, 0, 1)), None);
    assert_eq!(bench.marks(1), None);
    assert_eq!(bench.read(0, 1).1, some(Sense::END_OF_DATA, 1), "a mark in the middle ends the data");
    assert_eq!(bench.sense(&[0x19, 0, 0, 0, 0, 0]), None, "ERASE anywhere");
    assert_ne!(bench.execute(&[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[], 20).data_in[4..8], [0; 4]);
}
