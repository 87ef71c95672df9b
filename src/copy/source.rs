//! A tape on disk as what is copied: looked at without lock or change.
//!
//! Only tapes that are in no drive are copied (`plan` sees to it), so what is read was durable when the copy began: a crash
//! cannot take back what a cartridge already has.

use super::fault::{Fault, FaultKind};
use super::state::Extent;
use super::transfer::{Object, Place, Source};
use crate::tape::{ReadOutcome, Stop, TapeError, TapeReader};

/// A tape that is being copied.
pub struct TapeSource {
    reader: TapeReader,
}

impl TapeSource {
    /// What `reader` shows.
    #[must_use]
    pub fn new(reader: TapeReader) -> TapeSource {
        TapeSource { reader }
    }
}

impl Source for TapeSource {
    fn extent(&self) -> Extent {
        Extent { generation: self.reader.generation(), blocks: self.reader.end_of_data().block }
    }

    fn locate(&mut self, block: u64) -> Result<Place, Fault> {
        if self.reader.locate_block(block).map_err(fault)? != Stop::Complete
            && self.reader.position().block != block
        {
            let name = self.reader.name();
            let reason = format!("tape {name}: ends before block {block}; run `tapesilo tape verify`");
            return Err(Fault::new(FaultKind::Source, reason));
        }
        let position = self.reader.position();
        Ok(Place { block: position.block, file: position.file, block_in_file: position.block_in_file })
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Object, Fault> {
        Ok(match self.reader.read_record(buffer).map_err(fault)? {
            ReadOutcome::Record { length } => Object::Record { bytes: length },
            ReadOutcome::Filemark => Object::Filemark,
            ReadOutcome::EndOfData => Object::EndOfData,
        })
    }
}

fn fault(error: TapeError) -> Fault {
    let kind = match error {
        TapeError::Overwritten { .. } => FaultKind::SourceChanged,
        _ => FaultKind::Source,
    };
    Fault::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{NewTape, Tape, create};

    /// A tape of two files: records of 3 and 70,000 bytes, a mark, one of 1 byte, a mark.
    fn tape() -> (tempfile::TempDir, std::path::PathBuf) {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("VLT001L8");
        let new = NewTape { barcode: "VLT001L8".to_owned(), capacity_bytes: 1 << 30, worm: false };
        create(&directory, &new).unwrap();
        let mut tape = Tape::open(&directory).unwrap();
        tape.write_record(b"abc").unwrap();
        tape.write_record(&[7; 70_000]).unwrap();
        tape.write_filemarks(1).unwrap();
        tape.write_record(b"x").unwrap();
        tape.write_filemarks(1).unwrap();
        tape.close().unwrap();
        (scratch, directory)
    }

    #[test]
    fn a_tape_is_read_object_for_object_from_any_place() {
        let (_scratch, directory) = tape();
        let mut source = TapeSource::new(TapeReader::open(&directory).unwrap());
        assert_eq!(source.extent(), Extent { generation: 1, blocks: 5 });
        let mut buffer = vec![0; 100_000];
        let expected = [
            Object::Record { bytes: 3 },
            Object::Record { bytes: 70_000 },
            Object::Filemark,
            Object::Record { bytes: 1 },
            Object::Filemark,
            Object::EndOfData,
        ];
        for begin in 0..=5_usize {
            let place = source.locate(begin as u64).unwrap();
            assert_eq!((place.block, place.file), (begin as u64, [0, 0, 0, 1, 1, 2][begin]));
            for object in &expected[begin..] {
                assert_eq!(source.read(&mut buffer).unwrap(), *object);
            }
        }
        assert_eq!(source.locate(6).unwrap_err().kind, FaultKind::Source);
    }

    #[test]
    fn a_tape_that_is_overwritten_meanwhile_says_so() {
        let (_scratch, directory) = tape();
        let mut source = TapeSource::new(TapeReader::open(&directory).unwrap());
        source.locate(0).unwrap();
        let mut tape = Tape::open(&directory).unwrap();
        tape.write_record(b"new").unwrap();
        tape.write_filemarks(0).unwrap();
        let mut buffer = vec![0; 100_000];
        let mut read = || (0..6).try_for_each(|_| source.read(&mut buffer).map(drop));
        assert_eq!(read().unwrap_err().kind, FaultKind::SourceChanged);
    }
}
