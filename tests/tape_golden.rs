//! A small tape with its bytes written out: what this version writes is what it wrote when the format was fixed, and
//! what was written then can be read.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::fs;

use tapesilo::tape::{Position, ReadOutcome, Tape, inspect};

/// The log, 16 bytes a line, without the lines that are all zero. Made from `FORMAT.md` by a program of its own (a
/// Python script with a bitwise CRC), not by the code under test.
const GOLDEN: &str = "\
0000: 54 41 50 45 53 49 4c 4f 01 00 00 00 00 00 00 00
0010: 6f 1d 3c 9a 52 b8 4e 70 a1 c4 d5 8f 0b 2e 7d 96
0020: 00 f1 53 65 00 00 00 00 02 00 00 00 00 00 00 00
0030: 88 20 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0ff0: 00 00 00 00 00 00 00 00 00 00 00 00 6f 38 76 03
1000: 54 41 50 45 53 49 4c 4f 01 00 00 00 00 00 00 00
1010: 6f 1d 3c 9a 52 b8 4e 70 a1 c4 d5 8f 0b 2e 7d 96
1020: 00 f1 53 65 00 00 00 00 02 00 00 00 00 00 00 00
1030: 88 20 00 00 00 00 00 00 00 00 00 00 00 00 00 00
1ff0: 00 00 00 00 00 00 00 00 00 00 00 00 6f 38 76 03
2000: 54 52 45 43 01 00 00 00 01 00 00 00 00 00 00 00
2020: 00 00 00 00 00 00 00 00 04 00 00 00 04 00 00 00
2030: c8 c3 25 ab de 1b 05 24 56 4f 4c 31 00 00 00 00
2040: 48 00 00 00 e1 42 34 2f 54 52 45 43 02 00 00 00
2050: 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00
2060: 00 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00
2070: 00 00 00 00 00 00 00 00 00 00 00 00 9d 64 64 50
2080: 40 00 00 00 51 d5 ea 2f 54 52 45 43 01 00 00 00
2090: 02 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00
20a0: 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
20b0: 0a 00 00 00 0a 00 00 00 9e 06 0c 28 ec 95 a3 08
20c0: 30 31 32 33 34 35 36 37 38 39 00 00 00 00 00 00
20d0: 50 00 00 00 5b a0 8c 53 54 52 45 43 02 00 00 00
20e0: 02 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00
20f0: 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00
2100: 00 00 00 00 00 00 00 00 00 00 00 00 90 f4 1b 35
2110: 40 00 00 00 31 7e 5b 88 54 52 45 43 02 00 00 00
2120: 02 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00
2130: 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
2140: 00 00 00 00 00 00 00 00 00 00 00 00 b4 ca ed 7a
2150: 40 00 00 00 d1 4b 67 6e
";
/// The golden tape erased and written once more: the same records, two generations on.
const REWRITTEN: &str = "\
0000: 54 41 50 45 53 49 4c 4f 01 00 00 00 00 00 00 00
0010: 6f 1d 3c 9a 52 b8 4e 70 a1 c4 d5 8f 0b 2e 7d 96
0020: 00 f1 53 65 00 00 00 00 04 00 00 00 00 00 00 00
0030: 88 20 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0ff0: 00 00 00 00 00 00 00 00 00 00 00 00 d5 58 f7 91
1000: 54 41 50 45 53 49 4c 4f 01 00 00 00 00 00 00 00
1010: 6f 1d 3c 9a 52 b8 4e 70 a1 c4 d5 8f 0b 2e 7d 96
1020: 00 f1 53 65 00 00 00 00 04 00 00 00 00 00 00 00
1030: 88 20 00 00 00 00 00 00 00 00 00 00 00 00 00 00
1ff0: 00 00 00 00 00 00 00 00 00 00 00 00 d5 58 f7 91
2000: 54 52 45 43 01 00 00 00 03 00 00 00 00 00 00 00
2020: 00 00 00 00 00 00 00 00 04 00 00 00 04 00 00 00
2030: c8 c3 25 ab a0 53 a7 e4 56 4f 4c 31 00 00 00 00
2040: 48 00 00 00 e9 78 66 17 54 52 45 43 02 00 00 00
2050: 03 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00
2060: 00 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00
2070: 00 00 00 00 00 00 00 00 00 00 00 00 e3 2c c6 90
2080: 40 00 00 00 59 ef b8 17 54 52 45 43 01 00 00 00
2090: 04 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00
20a0: 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
20b0: 0a 00 00 00 0a 00 00 00 9e 06 0c 28 9f 3b a9 4c
20c0: 30 31 32 33 34 35 36 37 38 39 00 00 00 00 00 00
20d0: 50 00 00 00 43 ee 7a 1b 54 52 45 43 02 00 00 00
20e0: 04 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00
20f0: 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00
2100: 00 00 00 00 00 00 00 00 00 00 00 00 e3 5a 11 71
2110: 40 00 00 00 29 30 ad c0 54 52 45 43 02 00 00 00
2120: 04 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00
2130: 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
2140: 00 00 00 00 00 00 00 00 00 00 00 00 c7 64 e7 3e
2150: 40 00 00 00 c9 05 91 26
";
/// A tape with compressed records: Zstandard's command (1.5.4, level 19), LZ4's (1.9.4, level 9), a Zstandard frame made
/// by hand (one block of 100 `z`), a raw record and a filemark. Only decoding is fixed: encoders may get better.
const COMPRESSED: &str = "\
0000: 54 41 50 45 53 49 4c 4f 01 00 00 00 00 00 00 00
0010: 6f 1d 3c 9a 52 b8 4e 70 a1 c4 d5 8f 0b 2e 7d 96
0020: 00 f1 53 65 00 00 00 00 01 00 00 00 00 00 00 00
0030: 00 20 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0ff0: 00 00 00 00 00 00 00 00 00 00 00 00 69 5d a2 53
1000: 54 41 50 45 53 49 4c 4f 01 00 00 00 00 00 00 00
1010: 6f 1d 3c 9a 52 b8 4e 70 a1 c4 d5 8f 0b 2e 7d 96
1020: 00 f1 53 65 00 00 00 00 01 00 00 00 00 00 00 00
1030: 00 20 00 00 00 00 00 00 00 00 00 00 00 00 00 00
1ff0: 00 00 00 00 00 00 00 00 00 00 00 00 69 5d a2 53
2000: 54 52 45 43 01 01 00 00 01 00 00 00 00 00 00 00
2020: 00 00 00 00 00 00 00 00 f0 01 00 00 7a 00 00 00
2030: 62 e0 68 07 51 88 ef ca a1 38 e3 1b 28 b5 2f fd
2040: 60 f0 00 65 03 00 b2 86 12 11 a0 ed 00 fd c9 64
2050: a9 ea 8c bd b4 5a 29 56 dc 2a 04 fe 9e 5b c5 30
2060: f7 31 e5 5e b2 37 11 82 dc 7b f4 3e 3b 6e 55 71
2070: 5f dc 21 fc be 39 d6 35 3e 5a bc 63 4d 04 f1 5e
2080: 7d 86 55 f8 77 00 13 3e 89 14 64 09 38 06 a2 6a
2090: 6c 81 10 13 a8 10 34 cb ad 7f 06 80 a3 d5 01 10
20a0: fe af f6 30 5f 7b 76 d7 3c 06 e7 ce ad 87 bf 50
20b0: 65 53 00 00 00 00 00 00 c0 00 00 00 05 0b d9 a9
20c0: 54 52 45 43 01 02 00 00 01 00 00 00 00 00 00 00
20d0: 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
20e0: 01 00 00 00 00 00 00 00 f0 01 00 00 b6 00 00 00
20f0: c7 1d c1 5f 27 e9 d5 7e a1 38 e3 1b ff 09 30 20
2100: 66 69 6c 65 73 20 69 6e 20 64 69 72 65 63 74 6f
2110: 72 79 20 30 0a 31 17 00 01 3f 31 0a 32 17 00 01
2120: 3f 34 0a 33 17 00 01 3f 39 0a 34 45 00 02 3f 36
2130: 0a 35 18 00 01 4f 32 35 0a 36 18 00 01 4f 33 36
2140: 0a 37 76 00 02 3f 39 0a 38 18 00 01 4f 36 34 0a
2150: 39 18 00 01 4f 38 31 0a 31 ed 00 02 5f 31 30 30
2160: 0a 31 f0 00 03 4f 32 31 0a 31 f3 00 02 6f 31 34
2170: 34 0a 31 33 df 00 03 3f 39 0a 31 f9 00 03 4f 39
2180: 36 0a 31 fb 00 03 5f 32 35 0a 31 36 15 01 03 3f
2190: 36 0a 31 ff 00 02 5f 32 38 39 0a 31 01 01 02 5f
21a0: 33 32 34 0a 31 03 01 01 50 20 33 36 31 0a 00 00
21b0: f8 00 00 00 c6 c8 8e 3c 54 52 45 43 01 01 00 00
21c0: 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00
21d0: 00 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00
21e0: 64 00 00 00 0e 00 00 00 f2 79 37 e4 4d 32 d1 f9
21f0: 1c 1c 16 15 28 b5 2f fd 20 64 23 03 00 7a 00 00
2200: 50 00 00 00 76 37 c6 8c 54 52 45 43 01 00 00 00
2210: 01 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00
2220: 00 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00
2230: 04 00 00 00 04 00 00 00 c8 c3 25 ab dd cf 94 29
2240: 56 4f 4c 31 00 00 00 00 48 00 00 00 0e 3a a4 87
2250: 54 52 45 43 02 00 00 00 01 00 00 00 00 00 00 00
2260: 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
2270: 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
2280: 00 00 00 00 98 18 d6 46 40 00 00 00 91 2a b6 d3
";
const LABEL: &str = "\
barcode = \"VLT001L8\"
uuid = \"6f1d3c9a-52b8-4e70-a1c4-d58f0b2e7d96\"
capacity_bytes = 1048576
created_unix_s = 1700000000
";

fn golden_bytes() -> Vec<u8> {
    bytes_of(GOLDEN)
}

fn bytes_of(golden: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in golden.lines() {
        let (offset, hex) = line.split_once(": ").unwrap();
        let offset = usize::from_str_radix(offset, 16).unwrap();
        bytes.resize(offset, 0);
        bytes.extend(hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    let rows = bytes.chunks(16).enumerate().filter(|(_, row)| row.iter().any(|byte| *byte != 0));
    rows.map(|(number, row)| {
        let bytes: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:04x}: {}\n", number * 16, bytes.join(" "))
    })
    .collect()
}

/// Puts the golden tape into a fresh directory, as it was before its records were written.
fn golden_tape(bytes: &[u8]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("data"), bytes).unwrap();
    fs::write(directory.path().join("label.toml"), LABEL).unwrap();
    directory
}

fn write_sample(tape: &mut Tape) {
    tape.write_record(b"VOL1").unwrap();
    tape.write_filemarks(1).unwrap();
    tape.write_record(b"overwritten").unwrap();
    tape.write_filemarks(0).unwrap();
    tape.locate_block(2).unwrap();
    tape.write_record(b"0123456789").unwrap();
    tape.write_filemarks(2).unwrap();
}

#[test]
fn the_golden_tape_reads() {
    let directory = golden_tape(&golden_bytes());
    let mut tape = Tape::open(directory.path()).unwrap();
    let mut buffer = [0; 64];
    assert_eq!(tape.generation(), 2);
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::Record { length: 4 });
    assert_eq!(&buffer[..4], b"VOL1");
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::Filemark);
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::Record { length: 10 });
    assert_eq!(&buffer[..10], b"0123456789");
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::Filemark);
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::Filemark);
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::EndOfData);
    assert_eq!(tape.position(), Position { block: 5, file: 3, block_in_file: 0 });
    tape.close().unwrap();
    assert_eq!(fs::read(directory.path().join("data")).unwrap(), golden_bytes(), "reading changes nothing");
    let summary = inspect(directory.path()).unwrap();
    assert_eq!((summary.records, summary.filemarks), (Some(2), Some(3)));
}

#[test]
fn the_same_operations_write_the_golden_tape() {
    // An erased golden tape writes the same again, two generations on.
    let directory = golden_tape(&golden_bytes());
    let mut tape = Tape::open(directory.path()).unwrap();
    tape.erase().unwrap();
    write_sample(&mut tape);
    assert_eq!(tape.generation(), 4);
    tape.close().unwrap();
    let written = fs::read(directory.path().join("data")).unwrap();
    assert_eq!(hex(&written), REWRITTEN, "the format has changed: that needs a new format version");
    assert_eq!(written.len(), golden_bytes().len());
}

#[test]
fn compressed_records_of_other_encoders_read() {
    let directory = golden_tape(&bytes_of(COMPRESSED));
    let text: String =
        (0..20).map(|number| format!("{number} files in directory {}\n", number * number)).collect();
    let mut tape = Tape::open(directory.path()).unwrap();
    let mut buffer = [0; 1024];
    for expected in [text.as_bytes(), text.as_bytes(), &[b'z'; 100], b"VOL1"] {
        let length = expected.len();
        assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::Record { length });
        assert_eq!(&buffer[..length], expected);
    }
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::Filemark);
    assert_eq!(tape.read_record(&mut buffer).unwrap(), ReadOutcome::EndOfData);
    tape.close().unwrap();
    assert_eq!(
        fs::read(directory.path().join("data")).unwrap(),
        bytes_of(COMPRESSED),
        "reading changes nothing"
    );
}
