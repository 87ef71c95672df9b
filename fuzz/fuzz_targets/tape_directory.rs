//! A tape's directory with arbitrary bytes in its files, or a sound one changed here and there: opened, looked at, verified, read, written
//! on. Each ends in an answer; positions only grow; no record is longer than records can be; what was read without a
//! complaint from an unchanged log is what was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::Path;
use tapesilo::tape::{
    Compression, NewTape, RECORD_BYTES_MAX, ReadOutcome, Tape, TapeReader, create, inspect, verify,
};
use tapesilo_fuzz::{Input, directory};

const FILES: [&str; 3] = ["data", "index", "label.toml"];
/// Objects that are read back; more than a tape of an input can hold, unless something loops.
const OBJECTS_MAX: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let setting = input.byte();
    let folder = directory();
    let path = folder.path().join("TS0001L8");
    let tape = NewTape { barcode: "TS0001L8".into(), capacity_bytes: 4 << 20, worm: setting & 2 != 0 };
    create(&path, &tape).expect("a tape");
    let records = if setting & 1 != 0 { write(&path, &mut input, setting) } else { Vec::new() };
    let is_changed = change(&path, &mut input);
    look(&path);
    let read = read_all(&path);
    if let (false, Some(read)) = (is_changed, read) {
        assert!(read == records, "what was written is not what is read");
    }
    open_and_go_on(&path);
});

/// Writes what the input says: one byte a record or filemark.
fn write(path: &Path, input: &mut Input<'_>, setting: u8) -> Vec<Option<Vec<u8>>> {
    let compression =
        [Compression::None, Compression::Lz4, Compression::Zstd][usize::from(setting >> 2 & 3) % 3];
    let mut tape = Tape::open_with(path, compression).expect("a new tape");
    let mut written = Vec::new();
    for size in input.take(usize::from(setting >> 4)) {
        if size % 5 == 0 {
            tape.write_filemarks(1).expect("room");
            written.push(None);
        } else {
            let record = vec![*size; 1 + usize::from(*size) * usize::from(*size)];
            tape.write_record(&record).expect("room");
            written.push(Some(record));
        }
    }
    tape.close().expect("a sound tape");
    written
}

/// Patches: which file, where, how many bytes; a file may be replaced, cut or removed too. Whether anything was done.
fn change(path: &Path, input: &mut Input<'_>) -> bool {
    let mut is_changed = false;
    for _ in 0..16 {
        if input.is_empty() {
            break;
        }
        let what = input.byte();
        let file = path.join(FILES[usize::from(what) % FILES.len()]);
        let mut bytes = fs::read(&file).unwrap_or_default();
        let at = input.short() as usize % (bytes.len() + 1);
        match what >> 2 & 7 {
            0 => bytes.truncate(at),
            1 => bytes = input.take(1024).to_vec(),
            2 => {
                let _ = fs::remove_file(&file);
                is_changed = true;
                continue;
            }
            3 => bytes.extend_from_slice(input.take(at % 512)),
            _ => {
                let length = usize::from(input.byte() % 32);
                for (byte, new) in bytes.iter_mut().skip(at).zip(input.take(length)) {
                    *byte = *new;
                }
            }
        }
        fs::write(&file, bytes).expect("a file");
        is_changed = true;
    }
    is_changed
}

/// All that looks without changing.
fn look(path: &Path) {
    let _ = inspect(path);
    let mut last = 0;
    if let Ok(verification) = verify(path, &mut |done, whole| {
        assert!(done >= last && done <= whole, "progress of {done} of {whole} bytes after {last}");
        last = done;
    }) {
        assert!(verification.findings.len() <= 4096, "findings are kept without bound");
    }
    if let Ok(mut reader) = TapeReader::open(path)
        && let Ok(files) = reader.files(&mut |_, _| {})
    {
        assert!(
            files.iter().zip(0..).all(|(file, number)| file.number == number),
            "files are numbered in order"
        );
    }
}

/// All objects, without a lock; `None` if there was an error on the way.
fn read_all(path: &Path) -> Option<Vec<Option<Vec<u8>>>> {
    let mut reader = TapeReader::open(path).ok()?;
    let mut buffer = buffer();
    let mut found = Vec::new();
    loop {
        let before = reader.position().block;
        match reader.read_record(&mut buffer).ok()? {
            ReadOutcome::Record { length } => {
                assert!(length <= RECORD_BYTES_MAX);
                found.push(Some(buffer[..length].to_vec()));
            }
            ReadOutcome::Filemark => found.push(None),
            ReadOutcome::EndOfData => return Some(found),
        }
        assert_eq!(reader.position().block, before + 1, "an object is one step");
        assert!(found.len() < OBJECTS_MAX, "a tape without end");
        assert!(reader.position().block <= reader.end_of_data().block);
    }
}

/// Opens it as a drive does, which may repair it; what is then written is read back.
fn open_and_go_on(path: &Path) {
    const RECORD: &[u8] = b"one more";
    let Ok(mut tape) = Tape::open(path) else { return };
    if tape.locate_end_of_data().is_err() || tape.write_record(RECORD).is_err() {
        return;
    }
    let end = tape.position();
    assert!(tape.close().is_ok(), "a tape that was written on closes");
    let mut reader = TapeReader::open(path).expect("a tape that was closed well");
    assert_eq!(reader.end_of_data(), end);
    if reader.locate_block(end.block - 1).is_ok() {
        let mut buffer = buffer();
        let outcome = reader.read_record(&mut buffer).expect("what was just written");
        assert_eq!(outcome, ReadOutcome::Record { length: RECORD.len() });
        assert_eq!(&buffer[..RECORD.len()], RECORD);
    }
}

/// Room for the largest record, made once: to zero it for every input would be most of the work.
fn buffer() -> std::sync::MutexGuard<'static, Vec<u8>> {
    static BUFFER: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::new(Vec::new());
    let mut buffer = BUFFER.lock().expect("one thread");
    buffer.resize(RECORD_BYTES_MAX, 0);
    buffer
}
