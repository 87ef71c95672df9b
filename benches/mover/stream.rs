//! The other end of a data connection: a sender, a receiver, a process that only takes, and a file that is only written.
//!
//! The same sender serves every side of a comparison. It is cheap on purpose (large writes from one small buffer):
//! it shares the machine with what is measured. Knows nothing of NDMP. Read on in `job.rs`.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use memmap2::{Advice, MmapMut};

use crate::PATIENCE;

/// The pattern's length: small enough to stay in the processor's cache, prime to no record size that matters.
const PATTERN_BYTES: usize = 1 << 20;
/// What one system call of the sender takes.
const WRITE_BYTES: usize = 256 << 10;
/// Blocks of the raw sequential write, their alignment in memory (a huge page), and that of a short one's length.
const RAW_BLOCK_BYTES: usize = 4 << 20;
const BUFFER_ALIGNMENT_BYTES: usize = 2 << 20;
const ALIGNMENT_BYTES: usize = 4096;
/// Of each piece that a receiver gets, so much is compared: all of it would cost it more than the transfer.
const COMPARED_BYTES: usize = 64;

/// What is sent over and over: bytes that no compression makes smaller, but for a share of zeros.
#[derive(Clone)]
pub(crate) struct Pattern(Arc<Vec<u8>>);

impl Pattern {
    /// A pattern of which `zeros_percent` are zeros, at the start of each 4 KiB.
    pub(crate) fn new(zeros_percent: usize) -> Pattern {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes = Vec::with_capacity(PATTERN_BYTES);
        while bytes.len() < PATTERN_BYTES {
            // xorshift64: no period or structure within reach of a compressor.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        for page in bytes.chunks_exact_mut(4096) {
            page[..4096 * zeros_percent / 100].fill(0);
        }
        Pattern(Arc::new(bytes))
    }

    /// The stream's byte at `offset` and those that follow, to the pattern's end.
    fn at(&self, offset: u64) -> &[u8] {
        let start = usize::try_from(offset % PATTERN_BYTES as u64).expect("below the pattern's length");
        &self.0[start..]
    }

    /// Sends `total_bytes` and ends; returns when the peer has ended, too.
    pub(crate) fn send(&self, address: SocketAddr, total_bytes: u64) {
        let mut socket = connect(address);
        let mut sent = 0;
        while sent < total_bytes {
            let left = usize::try_from(total_bytes - sent).unwrap_or(usize::MAX);
            let piece = self.at(sent);
            let piece = &piece[..piece.len().min(WRITE_BYTES).min(left)];
            socket.write_all(piece).expect("the peer takes the data");
            sent += piece.len() as u64;
        }
        socket.shutdown(Shutdown::Write).expect("the connection is whole");
        assert_eq!(socket.read(&mut [0]).expect("the peer ends"), 0, "the peer says nothing in a backup");
    }

    /// Takes `total_bytes`, looks at a part of them, and goes. Returns when the last one had come.
    pub(crate) fn receive(&self, mut socket: TcpStream, total_bytes: u64) -> Instant {
        let mut buffer = vec![0; 1 << 20];
        let mut received = 0;
        while received < total_bytes {
            let left = usize::try_from(total_bytes - received).unwrap_or(usize::MAX);
            let room = buffer.len().min(left);
            let count = socket.read(&mut buffer[..room]).expect("the peer sends");
            assert!(count > 0, "the peer ended after {received} of {total_bytes} bytes");
            let expected = self.at(received);
            let compared = count.min(COMPARED_BYTES).min(expected.len());
            assert!(buffer[..compared] == expected[..compared], "other bytes than were sent, at {received}");
            received += count as u64;
        }
        Instant::now()
    }
}

/// Connects as every data server here does.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the peer listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    socket.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
    socket
}

/// A process of its own that reads one connection into a buffer of 1 MiB and throws everything away.
pub(crate) struct Sink {
    child: Child,
    address: SocketAddr,
}

impl Sink {
    /// The argument with which this program is a sink.
    pub(crate) const ARGUMENT: &str = "--sink";

    pub(crate) fn start() -> Sink {
        let program = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .arg(Sink::ARGUMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("the sink says where it listens");
        let address = line.trim().parse().expect("an address");
        Sink { child, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the sink's process does.
    pub(crate) fn run() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        println!("{}", listener.local_addr().expect("it is bound"));
        let (mut socket, _) = listener.accept().expect("somebody connects");
        let mut buffer = vec![0; 1 << 20];
        while socket.read(&mut buffer).expect("the sender sends") > 0 {}
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes `total_bytes` to a new file, past the page cache where the file system can, and makes them durable.
pub(crate) fn write_raw(path: &Path, total_bytes: u64, pattern: &Pattern) -> Duration {
    let mut buffer =
        MmapMut::map_anon(RAW_BLOCK_BYTES + BUFFER_ALIGNMENT_BYTES).expect("there is memory for a buffer");
    // As the server's: with small pages the kernel is what is measured, not the disk.
    let _ = buffer.advise(Advice::HugePage);
    let start = buffer.as_ptr().align_offset(BUFFER_ALIGNMENT_BYTES);
    let block = &mut buffer[start..start + RAW_BLOCK_BYTES];
    for piece in block.chunks_exact_mut(PATTERN_BYTES) {
        piece.copy_from_slice(pattern.at(0));
    }
    let begun = Instant::now();
    let mut file = create_direct(path);
    let mut left = total_bytes;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(RAW_BLOCK_BYTES);
        // The last block may be short: to the next multiple of what the device takes.
        let length = length.next_multiple_of(ALIGNMENT_BYTES);
        file.write_all(&block[..length]).expect("the disk takes the data");
        left = left.saturating_sub(length as u64);
    }
    file.sync_data().expect("the disk keeps the data");
    begun.elapsed()
}

fn create_direct(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).expect("a flag of open(2)");
    match options.clone().custom_flags(direct).open(path) {
        Ok(file) => file,
        // tmpfs of old and others have no direct writes.
        Err(_) => options.open(path).expect("a file can be made"),
    }
}
