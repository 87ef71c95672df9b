//! What the tape files on a tape are: how many records of which lengths each has, and what its first bytes look like.
//!
//! Only headers are read, and each file's first record. The guesses are for an operator's eyes; nothing depends on them.

use super::error::TapeError;
use super::format::{Kind, RecordHeader};
use super::log::{Found, PayloadError};
use super::position::{Cursor, Position};
use super::reader::TapeReader;

/// How much of a file's first record is looked at.
const SAMPLE_BYTES: usize = 4 << 10;
/// The longest description of a file's content, in characters.
const DETAIL_CHARACTERS_MAX: usize = 64;

/// One tape file: the records between two filemarks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeFile {
    /// Its number from 0, as NDMP's `file_num`.
    pub number: u64,
    /// The block at which it begins.
    pub first_block: u64,
    /// How many records are in it, without damaged ones.
    pub records: u64,
    /// Length of its shortest record in bytes; 0 without records.
    pub smallest_record_bytes: u32,
    /// Length of its longest record in bytes; 0 without records.
    pub largest_record_bytes: u32,
    /// Sum of its records' lengths in bytes.
    pub bytes: u64,
    /// How many blocks of it are lost, because their headers are damaged.
    pub damaged_blocks: u64,
    /// Whether a filemark ends it; the last file of a tape may lack it.
    pub has_filemark: bool,
    /// What its first record looks like.
    pub content: Content,
}

/// What a file's first bytes look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// A fixed name: `empty`, `tar`, `cpio`, `dump`, `ndmjob_label`, `amanda_header`, `bareos_block`, `ansi_label`, `mtf`,
    /// `gzip`, `bzip2`, `xz`, `zstd`, `lz4`, `text`, `zeros`, `binary`, `damaged`, `unknown_codec`.
    pub kind: &'static str,
    /// What a label says, in one line.
    pub detail: Option<String>,
}

impl TapeReader {
    /// Lists the tape's files. `progress` is told how many of how many bytes of log are behind.
    ///
    /// # Errors
    /// [`TapeError::Overwritten`] and [`TapeError::Io`]. Damage is no error but counted in the file it is in.
    pub fn files(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<TapeFile>, TapeError> {
        let mut files = Vec::new();
        let mut current = TapeFile::at(Position::BEGINNING);
        let mut at = Cursor::BEGINNING;
        loop {
            let found = self.log().look(at)?;
            self.confirm()?;
            at = match found {
                Found::End => break,
                Found::Record { header, next } if header.kind == Kind::Filemark => {
                    current.has_filemark = true;
                    files.push(std::mem::replace(&mut current, TapeFile::at(next.position)));
                    next
                }
                Found::Record { header, next } => {
                    if current.records == 0 && current.damaged_blocks == 0 {
                        current.content = self.content_of(at, &header)?;
                    }
                    current.count(&header);
                    next
                }
                Found::Damaged { resume, .. } => {
                    lose(&mut files, &mut current, at, resume);
                    resume
                }
            };
            progress(at.offset, self.log().end().offset);
        }
        if current.records > 0 || current.damaged_blocks > 0 {
            files.push(current);
        }
        Ok(files)
    }

    fn content_of(&mut self, at: Cursor, header: &RecordHeader) -> Result<Content, TapeError> {
        let mut sample = [0; SAMPLE_BYTES];
        let content = match self.log().payload(at.offset, header, &mut sample) {
            Ok(length) => guess(&sample[..length.min(SAMPLE_BYTES)]),
            Err(PayloadError::Damaged(_)) => Content::of("damaged"),
            Err(PayloadError::Codec(_)) => Content::of("unknown_codec"),
        };
        self.confirm()?;
        Ok(content)
    }
}

impl TapeFile {
    fn at(position: Position) -> TapeFile {
        TapeFile {
            number: position.file,
            first_block: position.block.saturating_sub(position.block_in_file),
            records: 0,
            smallest_record_bytes: 0,
            largest_record_bytes: 0,
            bytes: 0,
            damaged_blocks: 0,
            has_filemark: false,
            content: Content::of("empty"),
        }
    }

    fn count(&mut self, header: &RecordHeader) {
        let length = header.logical_bytes;
        let is_first = self.records == 0;
        self.smallest_record_bytes = if is_first { length } else { self.smallest_record_bytes.min(length) };
        self.largest_record_bytes = self.largest_record_bytes.max(length);
        self.records = self.records.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::from(length));
    }
}

/// Blocks from `at` to `resume` are lost, perhaps filemarks among them. Which of them stood in which file is known only
/// where one file is concerned, or by what the record behind says of its place in its own.
fn lose(files: &mut Vec<TapeFile>, current: &mut TapeFile, at: Cursor, resume: Cursor) {
    let (from, to) = (at.position, resume.position);
    let is_first = current.records == 0 && current.damaged_blocks == 0;
    if to.file == from.file || to.file == u64::MAX {
        current.damaged_blocks += to.block.saturating_sub(from.block).min(1 << 32);
    } else {
        let mut next = TapeFile::at(to);
        next.damaged_blocks = to.block_in_file;
        let before = to.block.saturating_sub(to.block_in_file).saturating_sub(from.block);
        current.damaged_blocks += before;
        if next.damaged_blocks > 0 {
            next.content = Content::of("damaged");
        }
        if is_first {
            current.content = Content::of("damaged");
        }
        files.push(std::mem::replace(current, next));
        return;
    }
    if is_first {
        current.content = Content::of("damaged");
    }
}

impl Content {
    fn of(kind: &'static str) -> Content {
        Content { kind, detail: None }
    }

    fn with(kind: &'static str, line: &[u8]) -> Content {
        let text = String::from_utf8_lossy(line);
        let line = text.split(['\n', '\0', '\x0c']).next().unwrap_or_default().trim();
        let detail: String = line.chars().filter(|c| !c.is_control()).take(DETAIL_CHARACTERS_MAX).collect();
        Content { kind, detail: (!detail.is_empty()).then_some(detail) }
    }
}

/// What a record that begins with `bytes` probably is.
fn guess(bytes: &[u8]) -> Content {
    const MAGICS: &[(&[u8], &str)] = &[
        (b"070707", "cpio"),
        (b"070701", "cpio"),
        (b"070702", "cpio"),
        (b"\xc7\x71", "cpio"),
        (b"\x71\xc7", "cpio"),
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x04\x22\x4d\x18", "lz4"),
    ];
    if let Some(label) = bytes.strip_prefix(b"AMANDA: ") {
        return Content::with("amanda_header", label);
    }
    if bytes.starts_with(b"##ndm") {
        return Content::with("ndmjob_label", bytes);
    }
    if bytes.get(12..14) == Some(b"BB") && bytes.get(14..16).is_some_and(|v| v.iter().all(u8::is_ascii_digit))
    {
        return Content::with("bareos_block", &bytes[12..16]);
    }
    if [&b"VOL1"[..], b"HDR1", b"EOF1", b"EOV1"].iter().any(|label| bytes.starts_with(label)) {
        return Content::with("ansi_label", &bytes[..bytes.len().min(80)]);
    }
    if bytes.starts_with(b"TAPE\0") || bytes.starts_with(b"SSET") {
        return Content::of("mtf");
    }
    if is_tar(bytes) {
        return Content::of("tar");
    }
    if is_dump(bytes) {
        return Content::of("dump");
    }
    if let Some((_, kind)) = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Content::of(kind);
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return Content::of("zeros");
    }
    if is_text(bytes) { Content::with("text", bytes) } else { Content::of("binary") }
}

/// POSIX and GNU tar by their magic, the oldest kind by its header's checksum.
fn is_tar(bytes: &[u8]) -> bool {
    let Some(header) = bytes.get(..512) else { return false };
    if &header[257..262] == b"ustar" {
        return true;
    }
    let field = header[148..156].split(|byte| matches!(byte, 0 | b' ')).find(|digits| !digits.is_empty());
    let stated = field
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u32::from_str_radix(digits, 8).ok());
    let around = header[..148].iter().chain(&header[156..]).map(|byte| u32::from(*byte)).sum::<u32>();
    header[0] != 0 && stated == Some(around + 8 * u32::from(b' '))
}

/// BSD's dump and what descends from it, as NDMP filers write it: the magic of the header, in either byte order.
fn is_dump(bytes: &[u8]) -> bool {
    const OLD: u32 = 60_011;
    const NEW: u32 = 60_012;
    const UFS2: u32 = 0x1954_0119;
    let magic = bytes.get(24..28).and_then(|word| word.first_chunk::<4>());
    magic.is_some_and(|word| {
        [u32::from_le_bytes(*word), u32::from_be_bytes(*word)]
            .iter()
            .any(|magic| matches!(*magic, OLD | NEW | UFS2))
    })
}

fn is_text(bytes: &[u8]) -> bool {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The sample may end within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty()
        && valid.trim_end_matches('\0').chars().all(|c| !c.is_control() || "\n\r\t\x0c".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: usize, bytes: &[u8], length: usize) -> Vec<u8> {
        let mut record = vec![1; length];
        record[offset..offset + bytes.len()].copy_from_slice(bytes);
        record
    }

    #[test]
    fn what_records_look_like() {
        let mut old_tar = vec![0; 512];
        old_tar[..4].copy_from_slice(b"name");
        let sum: u32 = b"name".iter().map(|byte| u32::from(*byte)).sum::<u32>() + 256;
        old_tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        for (kind, record) in [
            ("tar", at(257, b"ustar\0", 512)),
            ("tar", old_tar),
            ("cpio", b"070707...".to_vec()),
            ("dump", at(24, &60_012_u32.to_be_bytes(), 1024)),
            ("dump", at(24, &0x1954_0119_u32.to_le_bytes(), 1024)),
            ("ndmjob_label", b"##ndmjob -m T1".to_vec()),
            ("amanda_header", b"AMANDA: TAPESTART DATE X TAPE T1\n\x0c\n\0\0".to_vec()),
            ("bareos_block", at(12, b"BB02", 64)),
            ("ansi_label", b"VOL1ABCDEF".to_vec()),
            ("gzip", b"\x1f\x8b\x08".to_vec()),
            ("zstd", b"\x28\xb5\x2f\xfd\x01".to_vec()),
            ("text", "hällo\n".as_bytes().to_vec()),
            ("zeros", vec![0; 10]),
            ("binary", vec![1, 200, 3]),
            ("text", vec![b'B'; 14]),
        ] {
            assert_eq!(guess(&record).kind, kind, "{record:?}");
        }
        assert_eq!(guess(b"AMANDA: TAPESTART X\nmore").detail.unwrap(), "TAPESTART X");
    }

    #[test]
    fn short_records_are_no_reason_to_fail() {
        for length in 0..600 {
            guess(&vec![b'B'; length]);
            guess(&vec![0xff; length]);
        }
    }
}
