//! Records received where they will be written from: room in the pending bytes for a run of records of one length,
//! each with its header before it and its trailer behind.
//!
//! The bytes of many records come with one system call, are checked once while they are in the processor's cache,
//! and are not copied. Knows nothing of capacity or of hosts (`medium`), nor of where the bytes come from.

use std::io::{self, IoSliceMut, Read};

use super::super::buffer::BLOCK_BYTES;
use super::super::error::TapeError;
use super::super::format::{Kind, RECORD_HEADER_BYTES, RecordHeader, stored_bytes};
use super::super::position::Cursor;
use super::super::storage::Storage;
use super::Log;
use super::pending::PENDING_BYTES;

/// Pieces of memory in one system call.
const PIECES_MAX: usize = 256;
/// Bytes in one system call: less costs more in calls than it saves in the processor's cache.
const RECEIVE_BYTES: usize = 2 << 20;

/// Room for records of one length at the log's end: that many, one stride after the other, behind what is pending.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Slots {
    record_bytes: usize,
    /// From the start of one record to that of the next.
    stride_bytes: usize,
    /// Records that there is still room for.
    records: usize,
    /// Payload bytes received for them.
    received_bytes: usize,
}

impl Slots {
    /// The length of each record.
    pub(in super::super) fn record_bytes(&self) -> usize {
        self.record_bytes
    }

    /// Whether there is no room left.
    pub(in super::super) fn are_full(&self) -> bool {
        self.received_bytes == self.records * self.record_bytes
    }
}

impl<S: Storage> Log<S> {
    /// Room for up to `records_max` (1 or more) records of `record_bytes`; `None` if they are too long for that, or
    /// the disk has no room.
    pub(in super::super) fn slots(
        &mut self,
        record_bytes: u32,
        records_max: u64,
    ) -> Result<Option<Slots>, TapeError> {
        self.writable()?;
        let total = stored_bytes(record_bytes);
        if total > PENDING_BYTES as u64 / 2 {
            return Ok(None);
        }
        if (self.pending.room_bytes() as u64) < total {
            match self.hand_over_blocks() {
                Err(TapeError::DiskFull { .. }) => return Ok(None),
                result => result?,
            }
        }
        let records = (self.pending.room_bytes() as u64 / total).min(records_max);
        if records == 0 || self.make_room(Kind::Data, records * total).is_err() || self.disk_is_low {
            return Ok(None);
        }
        let whole = |bytes: u64| usize::try_from(bytes).ok();
        Ok(whole(total).zip(whole(records)).map(|(stride_bytes, records)| Slots {
            record_bytes: record_bytes as usize,
            stride_bytes,
            records,
            received_bytes: 0,
        }))
    }

    /// Hands the whole blocks of a nearly full buffer over and goes on in another one.
    fn hand_over_blocks(&mut self) -> Result<(), TapeError> {
        let mut rest = [0; BLOCK_BYTES];
        let pending = self.pending.bytes();
        let behind = self.pending.range().end % BLOCK_BYTES;
        let length = behind.min(pending.len());
        rest[..length].copy_from_slice(&pending[pending.len() - length..]);
        self.pending.truncate(self.pending.len() - length);
        let result = if self.pending.is_empty() { Ok(()) } else { self.hand_over() };
        if result.is_ok() {
            self.pending.restart(self.flushed);
        }
        // After an error it is as it was: these bytes are accepted.
        self.pending.push(&rest[..length]);
        result
    }

    /// One read from `stream` into the slots; returns how many bytes came.
    pub(in super::super) fn receive(
        &mut self,
        slots: &mut Slots,
        stream: &mut impl Read,
    ) -> io::Result<usize> {
        let mut pieces: [IoSliceMut<'_>; PIECES_MAX] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
        let (mut count, mut bytes, mut skip) = (0, 0, slots.received_bytes);
        let records = self.pending.free().chunks_exact_mut(slots.stride_bytes).take(slots.records);
        for (piece, record) in pieces.iter_mut().zip(records) {
            let payload = &mut record[RECORD_HEADER_BYTES..RECORD_HEADER_BYTES + slots.record_bytes][skip..];
            let length = payload.len().min(RECEIVE_BYTES - bytes);
            *piece = IoSliceMut::new(&mut payload[..length]);
            (count, bytes, skip) = (count + 1, bytes + length, 0);
            if bytes == RECEIVE_BYTES {
                break;
            }
        }
        let received = stream.read_vectored(&mut pieces[..count])?;
        slots.received_bytes += received.min(bytes);
        Ok(received)
    }

    /// Appends the first record of the slots if all of it has come, and returns where it stands. On an error nothing
    /// was appended.
    pub(in super::super) fn append_received(&mut self, slots: &mut Slots) -> Option<Cursor> {
        if slots.received_bytes < slots.record_bytes || slots.records == 0 {
            return None;
        }
        let record = &mut self.pending.free()[..slots.stride_bytes];
        let (front, rest) = record.split_at_mut(RECORD_HEADER_BYTES);
        let (payload, back) = rest.split_at_mut(slots.record_bytes);
        let header = RecordHeader::raw(Kind::Data, self.header.generation, self.end.position, payload)?;
        let (head, tail) = header.frame(self.seed);
        front.copy_from_slice(&head);
        back.copy_from_slice(&tail);
        self.pending.grow(slots.stride_bytes);
        slots.records -= 1;
        slots.received_bytes -= slots.record_bytes;
        let at = self.end;
        self.end = header.behind(at.offset);
        Some(at)
    }

    /// The bytes received for a record that is not whole.
    pub(in super::super) fn rest_received(&mut self, slots: &Slots) -> &[u8] {
        let length = slots.received_bytes.min(slots.record_bytes);
        if length == 0 {
            return &[];
        }
        &self.pending.free()[RECORD_HEADER_BYTES..RECORD_HEADER_BYTES + length]
    }
}
