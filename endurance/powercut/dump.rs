//! Opens tapes and slot maps that replay.py made, with the real code, and says what is on them: a directory a line on
//! standard input, a line of JSON for each on standard output. Knows nothing of what should be there.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;

use md5::{Digest, Md5};
use serde_json::{Value, json};
use tapesilo::tape::{ReadOutcome, Tape, TapeError};
use tapesilo::vtl::element::Place;
use tapesilo::vtl::slots;

const BUFFER_BYTES: usize = 2 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut buffer = vec![0; BUFFER_BYTES];
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.split_once(' ') {
            Some(("tape", directory)) => tape(Path::new(directory), &mut buffer),
            Some(("slots", directory)) => slot_map(Path::new(directory)),
            _ => Err(format!("what is {line:?}?").into()),
        };
        let answer = answer.unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}

/// What is on the tape; then that it can be written on, and keeps both.
fn tape(directory: &Path, buffer: &mut [u8]) -> Result<Value, Box<dyn Error>> {
    let mut tape = Tape::open(directory)?;
    let blocks = contents(&mut tape, buffer)?;
    tape.locate_end_of_data()?;
    tape.write_record(b"after the crash")?;
    tape.write_filemarks(1)?;
    tape.close()?;
    let mut tape = Tape::open(directory)?;
    let again = contents(&mut tape, buffer)?;
    tape.close()?;
    if again.len() != blocks.len() + 2 || again[..blocks.len()] != blocks {
        return Err(format!("{} blocks became {} by writing on", blocks.len(), again.len()).into());
    }
    Ok(json!({ "blocks": blocks }))
}

/// Length and digest of a record, null for a filemark, "damaged".
fn contents(tape: &mut Tape, buffer: &mut [u8]) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut blocks = Vec::new();
    loop {
        if tape.position().block != blocks.len() as u64 {
            return Err(format!("at {} behind {} blocks", tape.position(), blocks.len()).into());
        }
        blocks.push(match tape.read_record(buffer) {
            Ok(ReadOutcome::Record { length }) => {
                let digest = Md5::digest(&buffer[..length]);
                json!([length, digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()])
            }
            Ok(ReadOutcome::Filemark) => Value::Null,
            Ok(ReadOutcome::EndOfData) => return Ok(blocks),
            Err(TapeError::Medium { .. }) => json!("damaged"),
            Err(error) => return Err(error.into()),
        });
    }
}

/// Barcodes and where they are, by SCSI address as configured by writer.py.
fn slot_map(directory: &Path) -> Result<Value, Box<dyn Error>> {
    let map = slots::file::read(directory)?;
    let tapes = map.iter().flat_map(|map| &map.tapes).map(|(barcode, entry)| {
        let address = match entry.place {
            Place::Slot(number) => json!(0x1000 + u32::from(number)),
            Place::Drive(number) => json!(0x100 + u32::from(number)),
            other => json!(other.to_string()),
        };
        (barcode.to_string(), address)
    });
    Ok(json!({ "exists": map.is_some(), "tapes": tapes.collect::<serde_json::Map<_, _>>() }))
}
