//! SIMH tape images (`.tap`): records between two copies of their length, filemarks as zeros. Pure bytes in and out;
//! knows no tapes. Read on in `image.rs`, which joins the two.
//!
//! An image is a sequence of little-endian 32-bit words and data. A word's upper four bits are its class, the rest a
//! length: class 0 is a record (data, padded to an even length, then the word again), class 8 one whose data was read
//! with errors, 1 to 6 and 14 are records for the simulator's own use, 7 a marker for its own use; 0 is a filemark,
//! `0xFFFFFFFE` a gap, `0xFFFFFFFF` the end. Nothing in an image is believed: a length is bounded before it is used, and
//! must be the same in front of and behind the data. Images without padding, as one emulator writes them, are recognised
//! by their first record of odd length.

use std::io::{self, BufReader, ErrorKind, Read, Seek, Write};

use super::format::RECORD_BYTES_MAX;

const FILEMARK: u32 = 0;
const GAP: u32 = 0xFFFF_FFFE;
const END_OF_MEDIUM: u32 = 0xFFFF_FFFF;
const LENGTH_MASK: u32 = 0x0FFF_FFFF;
const BUFFER_BYTES: usize = 1 << 20;

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TapError {
    /// The system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It ends in the middle of something.
    #[error("at byte {offset}: the image is cut off within a record; get the whole of it")]
    Truncated {
        /// Where the record begins.
        offset: u64,
    },
    /// The two lengths of a record differ.
    #[error(
        "at byte {offset}: the lengths in front of and behind a record of {length} bytes differ; \
         this is no .tap image, or a damaged one"
    )]
    Mismatch {
        /// Where the record begins.
        offset: u64,
        /// The length in front.
        length: u32,
    },
    /// No tape here can hold the record.
    #[error("at byte {offset}: a record of {length} bytes; records have at most {RECORD_BYTES_MAX}")]
    TooLong {
        /// Where the record begins.
        offset: u64,
        /// Its length.
        length: u32,
    },
    /// A word of a class that is reserved.
    #[error("at byte {offset}: the word {word:#010x} means nothing; this is no .tap image, or a damaged one")]
    Class {
        /// Where it stands.
        offset: u64,
        /// The word.
        word: u32,
    },
    /// A record that was read with errors when the image was made.
    #[error(
        "at byte {offset}: block {block} is marked as read with errors; \
         --accept-bad-records imports what the image has of it as if it were good"
    )]
    BadRecord {
        /// Where it begins.
        offset: u64,
        /// Its block on the tape.
        block: u64,
    },
}

/// What an image holds next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapObject {
    /// A record of this length in bytes, 1 to [`RECORD_BYTES_MAX`].
    Record(u32),
    /// A filemark.
    Filemark,
    /// The end.
    End,
}

/// What was passed over or accepted on the way, to be told to the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapNotices {
    /// Records marked as read with errors, and taken as they are.
    pub bad_records: u64,
    /// Records and markers of simulators, left out.
    pub private_objects: u64,
    /// Whether records of odd length have no padding.
    pub is_unpadded: bool,
    /// Whether something stands behind the end of medium, left out.
    pub has_more_behind_end: bool,
}

/// Reads an image.
pub struct TapReader<R: Read> {
    input: BufReader<R>,
    offset: u64,
    /// Blocks read so far.
    block: u64,
    /// A byte that was read too early.
    pushed: Option<u8>,
    /// Whether records of odd length are padded, once one was seen.
    is_padded: Option<bool>,
    accept_bad_records: bool,
    notices: TapNotices,
}

impl<R: Read + Seek> TapReader<R> {
    /// Reads `input` from where it stands. Records that are marked as bad are errors unless they are accepted.
    pub fn new(input: R, accept_bad_records: bool) -> TapReader<R> {
        TapReader {
            input: BufReader::with_capacity(BUFFER_BYTES, input),
            offset: 0,
            block: 0,
            pushed: None,
            is_padded: None,
            accept_bad_records,
            notices: TapNotices::default(),
        }
    }

    /// What there is to be told so far.
    pub fn notices(&self) -> TapNotices {
        self.notices
    }

    /// How many bytes of the image are behind.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record (its bytes replace those in `data`, unless it is `None`), filemark or the end.
    ///
    /// # Errors
    /// [`TapError`]; the image is then of no further use.
    pub fn next_object(&mut self, mut data: Option<&mut Vec<u8>>) -> Result<TapObject, TapError> {
        loop {
            let offset = self.offset;
            let Some(word) = self.word(offset)? else { return Ok(TapObject::End) };
            let length = word & LENGTH_MASK;
            match (word, word >> 28) {
                (FILEMARK, _) => {
                    self.block += 1;
                    return Ok(TapObject::Filemark);
                }
                (END_OF_MEDIUM, _) => {
                    self.notices.has_more_behind_end = self.byte()?.is_some();
                    return Ok(TapObject::End);
                }
                (GAP, _) => {}
                (_, 0) => {
                    self.record(offset, word, data.as_deref_mut())?;
                    return Ok(TapObject::Record(length));
                }
                (_, 8) if length > 0 => {
                    if !self.accept_bad_records {
                        return Err(TapError::BadRecord { offset, block: self.block });
                    }
                    self.notices.bad_records += 1;
                    self.record(offset, word, data.as_deref_mut())?;
                    return Ok(TapObject::Record(length));
                }
                (_, 1..=6 | 14) => {
                    self.notices.private_objects += 1;
                    self.skip(length)?;
                    self.trailer(offset, word)?;
                }
                (_, 7) => self.notices.private_objects += 1,
                _ => return Err(TapError::Class { offset, word }),
            }
        }
    }

    fn record(&mut self, offset: u64, word: u32, data: Option<&mut Vec<u8>>) -> Result<(), TapError> {
        let length = word & LENGTH_MASK;
        if length as usize > RECORD_BYTES_MAX {
            return Err(TapError::TooLong { offset, length });
        }
        match data {
            None => self.skip(length)?,
            Some(data) => {
                data.clear();
                // Grows with what is really there, not with what the length says.
                let read = (&mut self.input).take(u64::from(length)).read_to_end(data)?;
                self.offset += read as u64;
                if read < length as usize {
                    return Err(TapError::Truncated { offset });
                }
            }
        }
        self.trailer(offset, word)?;
        self.block += 1;
        Ok(())
    }

    /// The padding and the second copy of the word in front.
    fn trailer(&mut self, offset: u64, word: u32) -> Result<(), TapError> {
        let length = word & LENGTH_MASK;
        let expected = word.to_le_bytes();
        let is_odd = length % 2 == 1;
        let mut found = [0; 5];
        for byte in &mut found[..4] {
            *byte = self.byte()?.ok_or(TapError::Truncated { offset })?;
        }
        if !is_odd || self.is_padded == Some(false) {
            return if found[..4] == expected { Ok(()) } else { Err(TapError::Mismatch { offset, length }) };
        }
        let last = self.byte()?;
        found[4] = last.unwrap_or_default();
        if last.is_some() && found[1..] == expected {
            self.is_padded = Some(true);
            return Ok(());
        }
        if self.is_padded.is_none() && found[..4] == expected {
            self.is_padded = Some(false);
            self.notices.is_unpadded = true;
            self.pushed = last;
            self.offset -= u64::from(last.is_some());
            return Ok(());
        }
        Err(if last.is_none() {
            TapError::Truncated { offset }
        } else {
            TapError::Mismatch { offset, length }
        })
    }

    /// The next word; `None` at the end of the file, which may stand where a word would.
    fn word(&mut self, offset: u64) -> Result<Option<u32>, TapError> {
        let Some(first) = self.byte()? else { return Ok(None) };
        let mut bytes = [first, 0, 0, 0];
        for byte in &mut bytes[1..] {
            *byte = self.byte()?.ok_or(TapError::Truncated { offset })?;
        }
        Ok(Some(u32::from_le_bytes(bytes)))
    }

    fn byte(&mut self) -> Result<Option<u8>, TapError> {
        if let Some(byte) = self.pushed.take() {
            self.offset += 1;
            return Ok(Some(byte));
        }
        let mut byte = [0];
        loop {
            match self.input.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    self.offset += 1;
                    return Ok(Some(byte[0]));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Passes over bytes; that they are there shows when what is behind them is read.
    fn skip(&mut self, length: u32) -> Result<(), TapError> {
        self.input.seek_relative(i64::from(length))?;
        self.offset += u64::from(length);
        Ok(())
    }
}

/// Writes an image.
pub struct TapWriter<W> {
    output: W,
}

impl<W: Write> TapWriter<W> {
    /// Writes to `output`, which should buffer.
    pub fn new(output: W) -> TapWriter<W> {
        TapWriter { output }
    }

    /// Writes a record of 1 to [`RECORD_BYTES_MAX`] bytes.
    pub fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = u32::try_from(data.len())
            .ok()
            .filter(|_| (1..=RECORD_BYTES_MAX).contains(&data.len()))
            .ok_or(ErrorKind::InvalidInput)?
            .to_le_bytes();
        self.output.write_all(&length)?;
        self.output.write_all(data)?;
        self.output.write_all(&[0][..data.len() % 2])?;
        self.output.write_all(&length)
    }

    /// Writes a filemark.
    pub fn filemark(&mut self) -> io::Result<()> {
        self.output.write_all(&FILEMARK.to_le_bytes())
    }

    /// Writes the end of the medium and hands out what is buffered.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.write_all(&END_OF_MEDIUM.to_le_bytes())?;
        self.output.flush()?;
        Ok(self.output)
    }
}

#[cfg(test)]
mod tests;
