//! What moves data or makes it: READ, WRITE, VERIFY, WRITE FILEMARKS, ERASE, with exact residuals (SSC-3 6 and 7).
//!
//! With FIXED a transfer counts blocks of the length that MODE SELECT has set, without it bytes of one record. Must not
//! know how records are kept.

use super::{Handled, Request, done, fault, motion, ready, warning};
use crate::scsi::outcome::Outcome;
use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::{DriveError, ReadRecord, TapeDrive};

/// What a CDB asks to be transferred.
struct Transfer {
    /// Blocks of this many bytes; none: one record.
    block_bytes: Option<usize>,
    /// The length of the blocks that FIXED would mean, 0 for none.
    block_bytes_set: u32,
    /// A record of another length than asked for is no matter.
    suppress_length: bool,
    /// Blocks, or the bytes of the one record.
    count: u32,
    /// Where in the CDB `count` stands.
    count_at: u8,
}

impl Transfer {
    fn of_6(request: &mut Request<'_>) -> Result<Self, Sense> {
        let (count, suppress_length) = (request.cdb.u24::<2>(), request.cdb.bit::<1>(1));
        Self::of(request, count, suppress_length, 2)
    }

    fn of_16(request: &mut Request<'_>, suppress_length: bool) -> Result<Self, Sense> {
        let count = request.cdb.u24::<12>();
        Self::of(request, count, suppress_length, 12)
    }

    fn of(request: &mut Request<'_>, count: u32, suppress_length: bool, at: u8) -> Result<Self, Sense> {
        let block_bytes_set = request.drive.settings().block_bytes;
        let is_fixed = request.cdb.bit::<1>(0);
        if is_fixed && block_bytes_set == 0 {
            return Err(Sense::invalid_bit(1, 0));
        }
        if is_fixed && suppress_length {
            return Err(Sense::invalid_bit(1, 1));
        }
        let block_bytes = is_fixed.then(|| usize::try_from(block_bytes_set).unwrap_or(usize::MAX));
        Ok(Self { block_bytes, block_bytes_set, suppress_length, count, count_at: at })
    }

    /// The bytes of all of it.
    fn bytes(&self) -> usize {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        self.block_bytes.map_or(count, |block| block.saturating_mul(count))
    }

    /// What to say of a record of `bytes` where one of `self.count` was asked for.
    fn judge_record(&self, bytes: usize) -> Option<Sense> {
        let on_tape = u32::try_from(bytes).unwrap_or(u32::MAX);
        let is_too_long = on_tape > self.count;
        let is_suppressed = self.suppress_length && !(is_too_long && self.block_bytes_set != 0);
        // A difference in two's complement: negative for a record that is too long.
        let difference = self.count.wrapping_sub(on_tape);
        (difference != 0 && !is_suppressed).then(|| Sense::INCORRECT_LENGTH.with_information(difference))
    }
}

/// READ(6) (SSC-3 7.4).
pub(super) fn read_6(request: &mut Request<'_>) -> Handled {
    let transfer = Transfer::of_6(request)?;
    read(request, &transfer)
}

/// READ(16) (SSC-3 6.4): from a logical object that is named.
pub(super) fn read_16(request: &mut Request<'_>) -> Handled {
    let transfer = Transfer::of_16(request, request.cdb.bit::<1>(1))?;
    go_to_object(request)?;
    read(request, &transfer)
}

/// VERIFY(6) (SSC-3 7.15): a read whose data stay here. Every record is checked against its checksum.
pub(super) fn verify_6(request: &mut Request<'_>) -> Handled {
    if request.cdb.bit::<1>(1) {
        return Err(Sense::invalid_bit(1, 1)); // BYTCMP: there are no data to compare with
    }
    let transfer = Transfer { suppress_length: false, ..Transfer::of_6(request)? };
    ready(request.drive)?;
    let Some(block_bytes) = transfer.block_bytes else {
        if transfer.count > 0 {
            read_one(request.drive, &transfer, &mut []).map_err(|(_, sense)| sense)?;
        }
        return done();
    };
    for left in (1..=transfer.count).rev() {
        read_block(request.drive, &mut [], block_bytes, left)?;
    }
    done()
}

/// Data that the caller has no room for are not read past: it is told, and the tape stays where it was.
fn read(request: &mut Request<'_>, transfer: &Transfer) -> Handled {
    ready(request.drive)?;
    let record_bytes_max = usize::try_from(request.drive.record_limits().maximum_bytes).unwrap_or(usize::MAX);
    let room = request.cdb.room(u32::MAX).min(record_bytes_max);
    if transfer.count == 0 {
        return done();
    }
    let Some(block_bytes) = transfer.block_bytes else {
        let mut data = vec![0; transfer.bytes().min(room)];
        let read = read_one(request.drive, transfer, &mut data);
        return match read {
            Ok(bytes) | Err((Some(bytes), _)) if bytes.min(transfer.bytes()) > data.len() => {
                back(request.drive)?;
                Err(Sense::INVALID_FIELD.at_byte(transfer.count_at))
            }
            Ok(bytes) => Ok(with_data(data, bytes)),
            Err((bytes, sense)) => Ok(with_data(data, bytes.unwrap_or(0)).saying(sense)),
        };
    };
    if transfer.bytes() > room {
        return Err(Sense::INVALID_FIELD.at_byte(transfer.count_at));
    }
    let mut data = vec![0; transfer.bytes()];
    let (mut left, mut bytes) = (transfer.count, 0);
    for block in data.chunks_exact_mut(block_bytes) {
        if let Err(sense) = read_block(request.drive, block, block_bytes, left) {
            return Ok(with_data(data, bytes).saying(sense));
        }
        left -= 1;
        bytes += block_bytes;
    }
    Ok(with_data(data, bytes))
}

fn with_data(mut data: Vec<u8>, bytes: usize) -> Outcome {
    data.truncate(bytes);
    Ok(data).into()
}

/// Stands before the record just read again.
fn back(drive: &mut dyn TapeDrive) -> Result<(), Sense> {
    drive.space_records(-1).map(drop).map_err(|error| fault::sense(drive, &error))
}

/// Reads one block of FIXED; `left` are still wanted with it.
fn read_block(
    drive: &mut dyn TapeDrive,
    room: &mut [u8],
    block_bytes: usize,
    left: u32,
) -> Result<(), Sense> {
    let sense = match drive.read_record(room) {
        Ok(ReadRecord::Record { bytes }) if bytes == block_bytes => return Ok(()),
        Ok(ReadRecord::Record { .. }) => Sense::INCORRECT_LENGTH,
        Ok(ReadRecord::Filemark) => Sense::FILEMARK,
        Ok(ReadRecord::EndOfData) => Sense::END_OF_DATA,
        Err(error) => fault::sense(drive, &error),
    };
    Err(sense.with_information(left))
}

/// Reads one record; its length on the tape, also with sense if there was a record.
fn read_one(
    drive: &mut dyn TapeDrive,
    transfer: &Transfer,
    room: &mut [u8],
) -> Result<usize, (Option<usize>, Sense)> {
    let sense = match drive.read_record(room) {
        Ok(ReadRecord::Record { bytes }) => {
            return transfer.judge_record(bytes).map_or(Ok(bytes), |sense| Err((Some(bytes), sense)));
        }
        Ok(ReadRecord::Filemark) => Sense::FILEMARK,
        Ok(ReadRecord::EndOfData) => Sense::END_OF_DATA,
        Err(error) => fault::sense(drive, &error),
    };
    Err((None, sense.with_information(transfer.count)))
}

/// WRITE(6) (SSC-3 7.16).
pub(super) fn write_6(request: &mut Request<'_>) -> Handled {
    let transfer =
        Transfer { suppress_length: false, ..Transfer::of(request, request.cdb.u24::<2>(), false, 2)? };
    write(request, &transfer)
}

/// WRITE(16) (SSC-3 6.9): at a logical object that is named.
pub(super) fn write_16(request: &mut Request<'_>) -> Handled {
    let transfer = Transfer::of_16(request, false)?;
    go_to_object(request)?;
    write(request, &transfer)
}

/// The write that reaches the early warning is done in full, and said so; so is every one behind it, until there is no
/// room.
fn write(request: &mut Request<'_>, transfer: &Transfer) -> Handled {
    ready(request.drive)?;
    let maximum_bytes = usize::try_from(request.drive.record_limits().maximum_bytes).unwrap_or(usize::MAX);
    let block_bytes = transfer.block_bytes.unwrap_or_else(|| transfer.bytes());
    // Less than was announced, or a record that is too long.
    let Some(data) = request.data_out.get(..transfer.bytes()).filter(|_| block_bytes <= maximum_bytes) else {
        return Err(Sense::INVALID_FIELD.at_byte(transfer.count_at));
    };
    if data.is_empty() {
        return done();
    }
    let before = warning::Before::of(request.drive);
    let (mut written, mut is_warned) = (0, false);
    for block in data.chunks_exact(block_bytes) {
        match request.drive.write_record(block) {
            Ok(in_zone) => is_warned = in_zone,
            Err(error) => {
                let blocks = if transfer.block_bytes.is_some() { written / block_bytes } else { 0 };
                let left = transfer.count.saturating_sub(u32::try_from(blocks).unwrap_or(u32::MAX));
                return Ok(taken(written).saying(fault::sense(request.drive, &error).with_information(left)));
            }
        }
        written += block_bytes;
    }
    if !request.drive.settings().is_buffered {
        request.drive.write_filemarks(0).map_err(|error| fault::sense(request.drive, &error))?;
    }
    let outcome = taken(written);
    Ok(match before.told(request.drive, is_warned) {
        Some(sense) => outcome.saying(sense.with_information(0)),
        None => outcome,
    })
}

fn taken(bytes: usize) -> Outcome {
    Outcome::taken(u32::try_from(bytes).unwrap_or(u32::MAX))
}

/// WRITE FILEMARKS(6) (SSC-3 7.17). A count of 0 makes everything written durable; so does every other. IMMEDIATE
/// changes nothing: there is no answer before that.
pub(super) fn write_filemarks_6(request: &mut Request<'_>) -> Handled {
    let count = request.cdb.u24::<2>();
    write_filemarks(request, count)
}

/// WRITE FILEMARKS(16) (SSC-3 6.10).
pub(super) fn write_filemarks_16(request: &mut Request<'_>) -> Handled {
    let count = request.cdb.u24::<12>();
    go_to_object(request)?;
    write_filemarks(request, count)
}

fn write_filemarks(request: &mut Request<'_>, count: u32) -> Handled {
    if request.cdb.bit::<1>(1) {
        return Err(Sense::invalid_bit(1, 1)); // WSMK: there are no setmarks
    }
    let drive = &mut *request.drive;
    ready(drive)?;
    let before = warning::Before::of(drive);
    match drive.write_filemarks(count) {
        Ok(()) if count == 0 => return done(),
        Ok(()) => {}
        // There is nothing to make durable on a tape that takes nothing.
        Err(DriveError::WriteProtected | DriveError::ReadOnlyFormat) if count == 0 => return done(),
        Err(error @ DriveError::EndOfMedium) => {
            return Err(fault::sense(drive, &error).with_information(count));
        }
        Err(error) => return Err(fault::sense(drive, &error)),
    }
    let is_warned = drive.position().is_ok_and(|position| position.past_early_warning);
    match before.told(drive, is_warned) {
        Some(sense) => Err(sense.with_information(0)),
        None => done(),
    }
}

/// ERASE(6) (SSC-3 7.1): everything from the position on, wherever that is, whether LONG or not.
pub(super) fn erase_6(request: &mut Request<'_>) -> Handled {
    ready(request.drive)?;
    request.drive.erase().map_err(|error| fault::sense(request.drive, &error))?;
    done()
}

/// The explicit address commands (SSC-3 6) name the partition and the logical object to begin at.
fn go_to_object(request: &mut Request<'_>) -> Result<(), Sense> {
    ready(request.drive)?;
    if request.cdb.byte::<3>() != 0 {
        return Err(Sense::invalid_byte(3)); // there is one partition
    }
    motion::go_to_block(request.drive, request.cdb.u64::<4>())
}
