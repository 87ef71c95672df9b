//! What every socket here is set to, and how records are read and written.
//!
//! Sessions are quiet for hours while a mover runs, so a dead peer is found by keepalive, never by silence. It must not
//! know what the records say.

use crate::ndmp::framing::Frame;
use bytes::{Buf, Bytes, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A peer that takes no replies for so long is gone.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a silent peer is asked before it is gone.
const KEEPALIVE_PROBES: u32 = 4;

/// A control connection: replies leave at once, and a peer that is gone is noticed after `keepalive` (whole seconds, at
/// least 8), whether something was sent to it or not.
pub(super) fn prepare_control(socket: &TcpStream, keepalive: Duration) -> io::Result<()> {
    prepare_data(socket, keepalive)?;
    SockRef::from(socket).set_tcp_user_timeout(Some(keepalive))
}

/// A data connection. No limit on acknowledgements: a data server may take nothing for as long as its disk wants.
pub(super) fn prepare_data(socket: &TcpStream, keepalive: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    // Half of the time in silence, the other half in questions.
    let interval = keepalive / (2 * KEEPALIVE_PROBES);
    let keepalive = TcpKeepalive::new()
        .with_time(keepalive - KEEPALIVE_PROBES * interval)
        .with_interval(interval)
        .with_retries(KEEPALIVE_PROBES);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

/// Reads what comes, or waits for the end (0 bytes) alone: a DMA that is gone must not hold its drive until a request
/// that takes long is served. The end is not seen behind a further request, which waits unread.
pub(super) async fn receive(
    socket: &mut TcpStream,
    input: &mut BytesMut,
    wants_input: bool,
) -> io::Result<usize> {
    if wants_input {
        return socket.read_buf(input).await;
    }
    match socket.peek(&mut [0]).await? {
        0 => Ok(0),
        _ => std::future::pending().await,
    }
}

/// Sends the whole record, in as few system calls as the kernel takes.
pub(super) async fn send(socket: &mut TcpStream, frame: Frame) -> io::Result<()> {
    let mut unsent = Unsent(frame.into_parts().into());
    match timeout(WRITE_TIMEOUT, socket.write_all_buf(&mut unsent)).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no replies")),
    }
}

/// The parts of a record that are still to be sent, for one `writev`.
struct Unsent(VecDeque<Bytes>);

impl Buf for Unsent {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |part| part)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [io::IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.0).map(|(slice, part)| *slice = io::IoSlice::new(part));
        filled.count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(part) = self.0.front_mut() {
            if count < part.len() {
                part.advance(count);
                return;
            }
            count -= part.len();
            self.0.pop_front();
        }
    }
}
