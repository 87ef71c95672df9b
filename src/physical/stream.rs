//! A TCP connection with a time limit on each wait, for the transports that go over a network.
//!
//! Must not know what is said over it.

use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use super::limit::{Limit, TICK, Watch};
use super::transport::TransportError;

/// A connection.
#[derive(Debug)]
pub(super) struct Stream(TcpStream);

pub(super) fn protocol(reason: impl Into<String>) -> TransportError {
    TransportError::Protocol { reason: reason.into() }
}

pub(super) fn lost(reason: impl Into<String>) -> TransportError {
    TransportError::Lost { reason: reason.into() }
}

impl Stream {
    /// Connects to `host:port` or `[address]:port`, by whichever of its addresses answers.
    pub(super) fn connect(peer: &str, limit: &Limit) -> Result<Self, TransportError> {
        let refused = |error: io::Error| TransportError::Refused {
            reason: format!("cannot connect to {peer}: {error}"),
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
        for address in peer.to_socket_addrs().map_err(refused)? {
            let over = |over| TransportError::Over { over, was_sent: false };
            limit.begin().map_err(over)?;
            match TcpStream::connect_timeout(&address, limit.time_left().map_err(over)?) {
                Ok(stream) => return Self::new(stream).map_err(refused),
                Err(error) => last = error,
            }
        }
        Err(refused(last))
    }

    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        Ok(Self(stream))
    }

    /// Whether something has come that nobody asked for. A closed connection is something, too.
    pub(super) fn has_something(&self) -> bool {
        let peek = || -> io::Result<usize> {
            self.0.set_nonblocking(true)?;
            let peeked = self.0.peek(&mut [0]);
            self.0.set_nonblocking(false)?;
            peeked
        };
        !peek().is_err_and(|error| is_wait(&error))
    }

    /// Sends all of it.
    pub(super) fn send(
        &mut self,
        mut parts: &mut [IoSlice<'_>],
        watch: &mut Watch<'_>,
    ) -> Result<(), TransportError> {
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match self.0.write_vectored(parts) {
                Ok(0) => return Err(lost("the connection takes no more")),
                Ok(count) => IoSlice::advance_slices(&mut parts, count),
                Err(error) => may_go_on(&error, watch)?,
            }
        }
        Ok(())
    }

    /// Waits until some of the buffer is filled, and says how much.
    pub(super) fn receive_some(
        &mut self,
        buffer: &mut [u8],
        watch: &mut Watch<'_>,
    ) -> Result<usize, TransportError> {
        loop {
            match self.0.read(buffer) {
                Ok(0) => return Err(lost("closed by the other side")),
                Ok(count) => return Ok(count),
                Err(error) => may_go_on(&error, watch)?,
            }
        }
    }

    /// Waits until all of the buffer is filled.
    pub(super) fn receive(
        &mut self,
        mut buffer: &mut [u8],
        watch: &mut Watch<'_>,
    ) -> Result<(), TransportError> {
        while !buffer.is_empty() {
            let count = self.receive_some(buffer, watch)?;
            buffer = &mut buffer[count..];
        }
        Ok(())
    }
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn may_go_on(error: &io::Error, watch: &mut Watch<'_>) -> Result<(), TransportError> {
    if !is_wait(error) {
        return Err(lost(error.to_string()));
    }
    watch.go_on().map_err(|over| TransportError::Over { over, was_sent: true })
}
