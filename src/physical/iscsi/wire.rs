//! The connection: PDUs out and in, with digests where agreed, each wait watched over.
//!
//! Must not know what a PDU means. No data segment is taken that is longer than what we announced.

use std::io::IoSlice;

use super::pdu::{HEADER_BYTES, Header};
use crate::physical::limit::{Limit, Watch};
use crate::physical::stream::Stream;
pub(super) use crate::physical::stream::{lost, protocol};
use crate::physical::transport::TransportError;

/// The longest data segment that we take (MaxRecvDataSegmentLength).
pub(super) const SEGMENT_BYTES_MAX: usize = 256 << 10;
const DIGEST_BYTES: usize = 4;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    pub(super) header_digest: bool,
    pub(super) data_digest: bool,
}

impl Wire {
    /// Connects to `host:port` or `[address]:port`, by whichever of its addresses answers.
    pub(super) fn connect(portal: &str, limit: &Limit) -> Result<Self, TransportError> {
        let stream = Stream::connect(portal, limit)?;
        Ok(Self { stream, header_digest: false, data_digest: false })
    }

    /// Whether something has come that nobody asked for. A closed connection is something, too.
    pub(super) fn has_something(&self) -> bool {
        self.stream.has_something()
    }

    /// Sends a PDU; sets the length of its data segment.
    pub(super) fn send(
        &mut self,
        mut header: Header,
        data: &[u8],
        watch: &mut Watch<'_>,
    ) -> Result<(), TransportError> {
        header.set_data_bytes(data.len());
        let header_digest = crc32c::crc32c(&header.0).to_le_bytes();
        let mut tail = [0; 3 + DIGEST_BYTES];
        let padding = data.len().next_multiple_of(4) - data.len();
        let digest = crc32c::crc32c_append(crc32c::crc32c(data), &tail[..padding]);
        let mut tail_bytes = padding;
        if self.data_digest && !data.is_empty() {
            tail[padding..padding + DIGEST_BYTES].copy_from_slice(&digest.to_le_bytes());
            tail_bytes += DIGEST_BYTES;
        }
        let header_digest = if self.header_digest { &header_digest[..] } else { &[] };
        let mut parts = [&header.0, header_digest, data, &tail[..tail_bytes]].map(IoSlice::new);
        self.stream.send(&mut parts, watch)
    }

    /// Waits for the header of a PDU. Its data segment must be taken next.
    pub(super) fn receive(&mut self, watch: &mut Watch<'_>) -> Result<Header, TransportError> {
        let mut header = Header([0; HEADER_BYTES]);
        self.stream.receive(&mut header.0, watch)?;
        let mut additional = [0; 4 * 255];
        let additional = &mut additional[..header.additional_bytes()];
        self.stream.receive(additional, watch)?;
        if self.header_digest {
            self.check(crc32c::crc32c_append(crc32c::crc32c(&header.0), additional), "header", watch)?;
        }
        if header.data_bytes() > SEGMENT_BYTES_MAX {
            return Err(protocol(format!(
                "a data segment of {} bytes, more than agreed",
                header.data_bytes()
            )));
        }
        Ok(header)
    }

    /// Takes the data segment of the PDU whose header was received last, into `data`, which has its length.
    pub(super) fn receive_data(
        &mut self,
        data: &mut [u8],
        watch: &mut Watch<'_>,
    ) -> Result<(), TransportError> {
        if data.is_empty() {
            return Ok(());
        }
        self.stream.receive(data, watch)?;
        let mut padding = [0; 3];
        let padding = &mut padding[..data.len().next_multiple_of(4) - data.len()];
        self.stream.receive(padding, watch)?;
        if self.data_digest {
            self.check(crc32c::crc32c_append(crc32c::crc32c(data), padding), "data", watch)?;
        }
        Ok(())
    }

    /// As [`Wire::receive_data`] for a short one.
    pub(super) fn receive_short(
        &mut self,
        header: &Header,
        bytes_max: usize,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<u8>, TransportError> {
        if header.data_bytes() > bytes_max {
            return Err(protocol(format!("{} bytes where at most {bytes_max} belong", header.data_bytes())));
        }
        let mut data = vec![0; header.data_bytes()];
        self.receive_data(&mut data, watch)?;
        Ok(data)
    }

    fn check(&mut self, expected: u32, what: &str, watch: &mut Watch<'_>) -> Result<(), TransportError> {
        let mut digest = [0; DIGEST_BYTES];
        self.stream.receive(&mut digest, watch)?;
        if u32::from_le_bytes(digest) == expected {
            Ok(())
        } else {
            Err(protocol(format!("a wrong {what} digest")))
        }
    }
}
