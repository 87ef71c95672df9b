//! One bit that is wrong, anywhere in the log, is found; and a tape that is sound is called so.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::tape::format::{RECORD_HEADER_BYTES, TRAILER_BYTES};
use crate::tape::{NewTape, Tape, create};

struct Sample {
    _root: tempfile::TempDir,
    directory: PathBuf,
    log: Vec<u8>,
}

/// A closed tape with records of these lengths, and filemarks for 0.
fn sample(lengths: &[usize]) -> Sample {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("VLT001L8");
    create(&directory, &NewTape { barcode: "VLT001L8".to_owned(), capacity_bytes: 1 << 30, worm: false })
        .unwrap();
    let mut tape = Tape::open(&directory).unwrap();
    for (number, length) in lengths.iter().enumerate() {
        if *length == 0 {
            tape.write_filemarks(1).unwrap();
        } else {
            let fill = u8::try_from(number % 250).unwrap();
            tape.write_record(&vec![fill; *length]).unwrap();
        }
    }
    tape.close().unwrap();
    let log = fs::read(directory.join(DATA)).unwrap();
    Sample { _root: root, directory, log }
}

impl Sample {
    fn verify(&self) -> Verification {
        verify(&self.directory, &mut |_, _| {}).unwrap()
    }

    fn kinds(&self) -> Vec<FindingKind> {
        self.verify().findings.iter().map(|finding| finding.kind).collect()
    }

    /// What is found with one bit of the log turned over.
    fn with_flip(&self, offset: usize, bit: u32) -> Verification {
        let mut log = self.log.clone();
        log[offset] ^= 1 << bit;
        fs::write(self.directory.join(DATA), log).unwrap();
        let found = self.verify();
        fs::write(self.directory.join(DATA), &self.log).unwrap();
        found
    }
}

const DATA_START: usize = 2 * TAPE_HEADER_BYTES;

#[test]
fn a_sound_tape_is_sound() {
    for lengths in [&[][..], &[0], &[0, 0], &[1, 7, 8, 9, 0, 5000, 100, 0, 0, 30_000]] {
        let sample = sample(lengths);
        let mut told = Vec::new();
        let found = verify(&sample.directory, &mut |done, total| told.push((done, total))).unwrap();
        assert_eq!(found.findings, [], "{lengths:?}");
        assert!(found.is_sound());
        let records = lengths.iter().filter(|length| **length > 0).count() as u64;
        assert_eq!((found.records, found.filemarks), (records, lengths.len() as u64 - records));
        assert_eq!(found.record_bytes, lengths.iter().sum::<usize>() as u64);
        assert_eq!(found.checked_bytes, sample.log.len() as u64);
        assert_eq!(told.last(), Some(&(sample.log.len() as u64, sample.log.len() as u64)));
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let sample = sample(&[13, 0, 200, 8, 0, 1, 1500, 3]);
    let headers = (0..DATA_START).step_by(61);
    for offset in headers.chain([8, 12, 15, 56, 4091, 4095]).chain(DATA_START..sample.log.len()) {
        let bit = u32::try_from(offset * 5 % 8).unwrap();
        let found = sample.with_flip(offset, bit);
        assert!(!found.is_sound(), "byte {offset}, bit {bit}");
        let first = &found.findings[0];
        let (from, bytes) = (first.offset.unwrap(), first.bytes.unwrap());
        assert!((from..from + bytes).contains(&(offset as u64)), "byte {offset}: {first}");
    }
    assert!(sample.verify().is_sound());
}

#[test]
fn each_field_has_its_finding() {
    let sample = sample(&[13, 0, 300, 4, 0]);
    let payload = DATA_START + RECORD_HEADER_BYTES;
    for (offset, kind) in [
        (100, FindingKind::TapeHeader),
        (4096 + 3000, FindingKind::TapeHeader),
        (DATA_START, FindingKind::RecordHeader),
        (DATA_START + 20, FindingKind::RecordHeader),
        (payload + 12, FindingKind::RecordPayload),
        (payload + 13, FindingKind::RecordPadding),
        (payload + 16, FindingKind::RecordTrailer),
        (payload + 16 + TRAILER_BYTES - 1, FindingKind::RecordTrailer),
        (sample.log.len() - 1, FindingKind::RecordTrailer),
        (sample.log.len() - TRAILER_BYTES - 1, FindingKind::RecordHeader),
    ] {
        let found = sample.with_flip(offset, 3);
        assert_eq!(found.findings.len(), 1, "{offset}: {:?}", found.findings);
        assert_eq!(found.findings[0].kind, kind, "{offset}");
        assert_eq!(found.records + found.filemarks, if kind == FindingKind::TapeHeader { 5 } else { 4 });
        let line = found.findings[0].to_string();
        assert!(line.starts_with("damage: data at byte ") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn without_an_index_a_damaged_end_is_a_torn_tail() {
    let sample = sample(&[100, 200]);
    fs::remove_file(sample.directory.join(INDEX_NAME)).unwrap();
    assert_eq!(sample.kinds(), []);
    let found = sample.with_flip(sample.log.len() - 20, 0);
    assert_eq!(found.findings[0].kind, FindingKind::TornTail);
    assert!(!found.is_sound());
    for (tail, kind) in [(&[0; 1000][..], FindingKind::ZeroTail), (&[1; 10], FindingKind::TornTail)] {
        fs::write(sample.directory.join(DATA), [&sample.log, tail].concat()).unwrap();
        let found = sample.verify();
        assert_eq!((found.findings.len(), found.findings[0].kind), (1, kind));
        assert_eq!(found.findings[0].bytes, Some(tail.len() as u64));
    }
}

const INDEX_NAME: &str = "index";

#[test]
fn an_index_is_held_against_the_log() {
    let sample = sample(&[700; 400]);
    let path = sample.directory.join(INDEX_NAME);
    let index = fs::read(&path).unwrap();
    assert!(index.len() >= 3 * 4096, "it has a full page");
    for offset in (0..index.len()).step_by(97) {
        let mut bytes = index.clone();
        bytes[offset] ^= 1 << (offset % 8);
        fs::write(&path, bytes).unwrap();
        let found = sample.verify();
        assert_eq!(found.findings.len(), 1, "byte {offset}");
        assert_eq!(found.findings[0].kind, FindingKind::IndexDamaged);
        assert!(found.is_sound(), "nothing is lost");
    }
    fs::write(&path, b"").unwrap();
    assert_eq!(sample.kinds(), []);
}

#[test]
fn an_index_that_lies_with_good_checksums_is_found() {
    let (sample, other) = (sample(&[700; 40]), sample(&[900; 30]));
    let path = sample.directory.join(INDEX_NAME);
    let foreign = fs::read(other.directory.join(INDEX_NAME)).unwrap();
    fs::write(&path, &foreign).unwrap();
    assert_eq!(sample.kinds(), [FindingKind::IndexMismatch], "another tape's");
    let mut own = foreign;
    own[16..32].copy_from_slice(sample.verify().uuid.as_bytes());
    let sum = crc32c::crc32c(&own[..4092]);
    own[4092..4096].copy_from_slice(&sum.to_le_bytes());
    fs::write(&path, &own).unwrap();
    let found = sample.verify();
    assert_eq!((found.findings.len(), found.findings[0].kind), (1, FindingKind::IndexMismatch));
    assert!(found.findings[0].reason.as_ref().unwrap().contains("more"), "{}", found.findings[0]);
}

#[test]
fn a_log_that_lost_its_end_at_a_record_is_found() {
    let sample = sample(&[100, 200, 300]);
    let cut = DATA_START + (104 + 64) + (200 + 64);
    fs::write(sample.directory.join(DATA), &sample.log[..cut]).unwrap();
    let found = sample.verify();
    assert_eq!((found.findings.len(), found.findings[0].kind), (1, FindingKind::LogCut));
    assert!(!found.is_sound());
    assert_eq!(found.findings[0].bytes, Some((sample.log.len() - cut) as u64));
}

#[test]
fn labels_are_read() {
    let sample = sample(&[100]);
    let at = |name: &str| sample.directory.join(name);
    Tape::open(&sample.directory).unwrap().close().unwrap();
    let label = fs::read_to_string(at("label.toml")).unwrap();
    fs::write(at("label.toml.bak"), "x = ").unwrap();
    assert_eq!(sample.kinds(), [FindingKind::LabelBackup]);
    assert!(sample.verify().is_sound());
    fs::remove_file(at("label.toml.bak")).unwrap();
    fs::write(at("label.toml"), "x = ").unwrap();
    assert_eq!(sample.kinds(), [FindingKind::Label]);
    assert!(!sample.verify().is_sound());
    let uuid = sample.verify().uuid.to_string();
    fs::write(at("label.toml"), label.replace(&uuid, &Uuid::nil().to_string())).unwrap();
    assert_eq!(sample.kinds(), [FindingKind::LabelUuid]);
    fs::write(at("label.toml"), label.replace("VLT001L8", "VLT002L8")).unwrap();
    assert_eq!(sample.kinds(), [FindingKind::Barcode]);
    fs::write(at("label.toml"), label).unwrap();
    fs::write(at("attributes.toml"), "x = ").unwrap();
    assert_eq!(sample.kinds(), [FindingKind::Attributes]);
    assert!(sample.verify().is_sound(), "no data is concerned");
}

#[test]
fn a_loaded_tape_is_verified_while_it_is_written() {
    let sample = sample(&[5000; 10]);
    let mut tape = Tape::open(&sample.directory).unwrap();
    tape.locate_end_of_data().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                tape.write_record(&[7; 3000]).unwrap();
                tape.sync().unwrap();
            }
        });
        for _ in 0..20 {
            let found = sample.verify();
            assert_eq!(found.findings, []);
            assert!(found.records >= 10);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn more_damage_than_can_be_told_is_counted() {
    let sample = sample(&[8; 1200]);
    let mut log = sample.log.clone();
    for number in 0..1200 {
        log[DATA_START + number * 72 + RECORD_HEADER_BYTES] ^= 1;
    }
    fs::write(sample.directory.join(DATA), log).unwrap();
    let found = sample.verify();
    assert_eq!((found.findings.len(), found.findings_omitted, found.records), (1000, 200, 0));
    assert!(!found.is_sound());
}
