//! Compression of single records: what a stored payload looks like (`FORMAT.md`, "Codecs"), both ways.
//!
//! Every record stands for itself, so any of them can be read alone and damage stays where it is. Pure computing on
//! bytes: knows no log, no threads (`packer.rs`) and no positions.

use super::format::{CODEC_RAW, RecordHeader, stored_bytes};

pub(super) const CODEC_ZSTD: u8 = 1;
pub(super) const CODEC_LZ4: u8 = 2;

/// Level 1 is the one that keeps up with a network: the next ones cost more time than they save room.
const ZSTD_LEVEL: i32 = 1;
/// A compressed record must save at least this part of the log that the raw one takes, or it is stored raw: reading
/// it back costs time, which little gain is not worth.
const WORTHWHILE_PART: u64 = 16;
/// The checksum of the logical bytes, which stands before the compressed ones.
const SUM_BYTES: usize = 4;
/// A buffer that a rare large record has made longer than this is given back.
const KEPT_BYTES: usize = 4 << 20;

/// How a tape's new records are stored. What is on it already stays as it is; all of it can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// Zstandard, level 1.
    Zstd,
    /// LZ4.
    Lz4,
}

impl Compression {
    fn codec(self) -> u8 {
        match self {
            Compression::None => CODEC_RAW,
            Compression::Zstd => CODEC_ZSTD,
            Compression::Lz4 => CODEC_LZ4,
        }
    }
}

/// Whether records with this codec byte can be decoded.
pub(super) fn is_known(codec: u8) -> bool {
    matches!(codec, CODEC_RAW | CODEC_ZSTD | CODEC_LZ4)
}

enum Engine {
    None,
    Zstd(zstd::bulk::Compressor<'static>),
    Lz4(lz4_flex::block::CompressTable),
}

/// Makes stored payloads, one after the other; keeps its tables and its buffer between them.
pub(super) struct Encoder {
    compression: Compression,
    engine: Engine,
    scratch: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(compression: Compression) -> Encoder {
        let engine = match compression {
            Compression::None => Engine::None,
            // Level 1 exists, so that this fails is not to be expected; all is then stored raw.
            Compression::Zstd => zstd::bulk::Compressor::new(ZSTD_LEVEL).map_or(Engine::None, Engine::Zstd),
            Compression::Lz4 => Engine::Lz4(lz4_flex::block::CompressTable::default()),
        };
        Encoder { compression, engine, scratch: Vec::new() }
    }

    /// Appends the whole record with the logical bytes `data` to `out`: compressed where that pays, else raw.
    /// Codec, stored length and checksum of `header` are set accordingly; returns it so.
    pub(super) fn encode_onto(
        &mut self,
        mut header: RecordHeader,
        seed: u32,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> RecordHeader {
        let packed = self.pack(data, header.logical_bytes);
        let (codec, payload) = match packed.and_then(|length| self.scratch.get(..length)) {
            Some(payload) => (self.compression.codec(), payload),
            None => (CODEC_RAW, data),
        };
        header.codec = codec;
        // At most the logical length, which is bounded.
        header.stored_bytes = u32::try_from(payload.len()).unwrap_or(header.logical_bytes);
        header.payload_sum = crc32c::crc32c(payload);
        header.encode_onto(seed, payload, out);
        if self.scratch.len() > KEPT_BYTES {
            self.scratch = Vec::new();
        }
        header
    }

    /// Puts the stored payload for `data` at the start of the scratch buffer; its length, if it is worth storing.
    fn pack(&mut self, data: &[u8], logical_bytes: u32) -> Option<usize> {
        let room = worthwhile_bytes(logical_bytes).filter(|room| *room > SUM_BYTES)?;
        let needed = match self.engine {
            Engine::None => return None,
            Engine::Zstd(_) => room,
            Engine::Lz4(_) => SUM_BYTES + lz4_flex::block::get_maximum_output_size(data.len()),
        };
        if self.scratch.len() < needed {
            self.scratch.resize(needed, 0);
        }
        let (sum, output) = self.scratch[..needed].split_at_mut(SUM_BYTES);
        let length = match &mut self.engine {
            Engine::None => return None,
            // No room for the result is an error here: that is data that does not compress.
            Engine::Zstd(compressor) => compressor.compress_to_buffer(data, output).ok()?,
            Engine::Lz4(table) => lz4_flex::block::compress_into_with_table(data, output, table).ok()?,
        };
        sum.copy_from_slice(&crc32c::crc32c(data).to_le_bytes());
        Some(SUM_BYTES + length).filter(|length| *length <= room)
    }
}

/// The most bytes that the stored payload of a compressed record may have to be worth it.
fn worthwhile_bytes(logical_bytes: u32) -> Option<usize> {
    let raw = stored_bytes(logical_bytes);
    let most = (raw - raw / WORTHWHILE_PART) / 8 * 8;
    usize::try_from(most.checked_sub(stored_bytes(0))?).ok()
}

/// Takes stored payloads apart; keeps its tables and its buffer between them.
#[derive(Default)]
pub(super) struct Decoder {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    scratch: Vec<u8>,
}

impl Decoder {
    /// Copies the start of the logical bytes of a record into `buffer`, as much as fits, after checking all of them;
    /// returns how long they are. `stored` is the stored payload, whose own checksum holds, and the codec is known.
    ///
    /// # Errors
    /// What is wrong with them; `buffer` may then hold anything. No more memory is taken than `header` says that
    /// the record has logical bytes, at most 16 MiB.
    pub(super) fn decode(
        &mut self,
        header: &RecordHeader,
        stored: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, &'static str> {
        let length = header.logical_bytes as usize;
        let copied = length.min(buffer.len());
        if header.codec == CODEC_RAW {
            buffer[..copied].copy_from_slice(&stored[..copied]);
            return Ok(length);
        }
        if let Some(buffer) = buffer.get_mut(..length) {
            self.unpack(header.codec, stored, buffer)?;
            return Ok(length);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        if scratch.len() < length {
            scratch.resize(length, 0);
        }
        let unpacked = self.unpack(header.codec, stored, &mut scratch[..length]);
        if unpacked.is_ok() {
            buffer.copy_from_slice(&scratch[..copied]);
        }
        if scratch.len() <= KEPT_BYTES {
            self.scratch = scratch;
        }
        unpacked.map(|()| length)
    }

    /// Fills `output`, neither more nor less.
    fn unpack(&mut self, codec: u8, stored: &[u8], output: &mut [u8]) -> Result<(), &'static str> {
        let (sum, packed) =
            stored.split_first_chunk::<SUM_BYTES>().ok_or("its compressed bytes are too short")?;
        let length = match codec {
            CODEC_ZSTD => self.unzstd(packed, output),
            _ => lz4_flex::block::decompress_into(packed, output).ok(),
        };
        if length != Some(output.len()) {
            return Err("its bytes cannot be decompressed");
        }
        if crc32c::crc32c(output) != u32::from_le_bytes(*sum) {
            return Err("the checksum of its decompressed bytes is wrong");
        }
        Ok(())
    }

    /// Decodes exactly one frame. A whole frame is decoded straight into `output`: its window, whatever size the
    /// frame claims for it, is never allocated.
    fn unzstd(&mut self, frame: &[u8], output: &mut [u8]) -> Option<usize> {
        let length = zstd::zstd_safe::find_frame_compressed_size(frame).ok()?;
        if length != frame.len() {
            return None;
        }
        if self.zstd.is_none() {
            self.zstd = zstd::bulk::Decompressor::new().ok();
        }
        self.zstd.as_mut()?.decompress_to_buffer(frame, output).ok()
    }
}
