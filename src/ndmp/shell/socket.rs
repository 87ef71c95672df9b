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
/// A peer that acknowledges nothing for so long is gone: as long as keepalive takes to find it when nothing is sent.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(120);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 6;

/// A control connection: replies leave at once, and a peer that is gone is noticed within two minutes.
pub(super) fn prepare_control(socket: &TcpStream) -> io::Result<()> {
    prepare_data(socket)?;
    SockRef::from(socket).set_tcp_user_timeout(Some(ACKNOWLEDGE_TIMEOUT))
}

/// A data connection. No limit on acknowledgements: a data server may take nothing for as long as its disk wants.
pub(super) fn prepare_data(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
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
