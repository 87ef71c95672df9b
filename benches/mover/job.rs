//! A backup and a restore as a DMA drives them, the same for both servers, and what they took.
//!
//! Knows nothing of how often and in which order they are run. Read on in `backup.rs`.

use std::fs::File;
use std::sync::Barrier;
use std::time::Instant;

use tapesilo::ndmp::wire::*;

use crate::machine;
use crate::servers::Server;
use crate::stream::{Pattern, connect};
use crate::support::dma::Dma;

/// What one transfer took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    /// Until the mover had halted, or the receiver had everything.
    pub(crate) seconds: f64,
    /// From there until the data were on stable storage; 0 where the halt means that, and in a restore.
    pub(crate) sync_seconds: f64,
    /// CPU of the server's process, until the mover had halted.
    pub(crate) cpu_seconds: f64,
    /// Between these two are `seconds`.
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
}

impl Took {
    pub(crate) fn durable_seconds(self) -> f64 {
        self.seconds + self.sync_seconds
    }
}

/// What to transfer.
#[derive(Clone)]
pub(crate) struct Transfer {
    pub(crate) drive: usize,
    pub(crate) record_bytes: u32,
    /// A whole number of records.
    pub(crate) total_bytes: u64,
    pub(crate) pattern: Pattern,
}

/// A session with the drive open and the tape rewound; record size and window are set.
pub(crate) fn ready(server: &dyn Server, transfer: &Transfer, mode: TapeOpenMode) -> Dma {
    let mut dma = server.dma();
    assert_eq!(dma.open_tape(&server.device(transfer.drive), mode), Error::NoErr);
    assert_eq!(dma.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
    dma.record_size(transfer.record_bytes);
    dma.window(0, u64::MAX);
    dma
}

/// Backs up to the tape's beginning; the tape then ends with a filemark and the drive is closed.
pub(crate) fn backup(server: &dyn Server, transfer: &Transfer) -> Took {
    backup_with(server, transfer, &Barrier::new(1))
}

/// The same, begun together with others.
pub(crate) fn backup_with(server: &dyn Server, transfer: &Transfer, others: &Barrier) -> Took {
    let mut dma = ready(server, transfer, TapeOpenMode::Rdwr);
    let address = dma.listen(MoverMode::Read).expect("the mover listens");
    others.wait();
    let cpu = server_cpu_seconds(server);
    let begun = Instant::now();
    let sender = {
        let (pattern, total_bytes) = (transfer.pattern.clone(), transfer.total_bytes);
        std::thread::spawn(move || pattern.send(address, total_bytes))
    };
    let halted: NotifyMoverHaltedPost = dma.post(MessageCode::NotifyMoverHalted);
    let ended = Instant::now();
    assert_eq!(halted.reason, MoverHaltReason::ConnectClosed);
    let cpu_seconds = server_cpu_seconds(server) - cpu;
    sender.join().expect("everything was sent");
    let sync_seconds = if server.halts_durably() { 0.0 } else { synced(server, transfer.drive) };
    assert_eq!(dma.mover_state().bytes_moved.0, transfer.total_bytes);
    assert_eq!(dma.steer(MessageCode::MoverStop), Error::NoErr);
    assert_eq!(dma.mtio(TapeMtioOp::Eof, 1).error, Error::NoErr);
    assert_eq!(dma.close_tape(), Error::NoErr);
    Took { seconds: (ended - begun).as_secs_f64(), sync_seconds, cpu_seconds, begun, ended }
}

/// Makes a tape's file durable, for a server that does not.
fn synced(server: &dyn Server, drive: usize) -> f64 {
    let begun = Instant::now();
    let file = File::options().write(true).open(server.tape_file(drive)).expect("the tape's file is there");
    file.sync_data().expect("the disk keeps the data");
    begun.elapsed().as_secs_f64()
}

/// Restores from the tape's beginning, all in one MOVER_READ.
pub(crate) fn restore(server: &dyn Server, transfer: &Transfer) -> Took {
    restore_with(server, transfer, &Barrier::new(1))
}

/// The same, begun together with others.
pub(crate) fn restore_with(server: &dyn Server, transfer: &Transfer, others: &Barrier) -> Took {
    let mut dma = ready(server, transfer, TapeOpenMode::Read);
    let address = dma.listen(MoverMode::Write).expect("the mover listens");
    let socket = connect(address);
    while dma.mover_state().state != MoverState::Active {
        std::thread::yield_now();
    }
    others.wait();
    let cpu = server_cpu_seconds(server);
    let (pattern, total_bytes) = (transfer.pattern.clone(), transfer.total_bytes);
    let begun = Instant::now();
    let receiver = std::thread::spawn(move || pattern.receive(socket, total_bytes));
    assert_eq!(dma.mover_read(0, total_bytes), Error::NoErr);
    let ended = receiver.join().expect("everything came");
    let cpu_seconds = server_cpu_seconds(server) - cpu;
    // The receiver has gone; either server says so in its own time, or is told to end.
    dma.steer(MessageCode::MoverAbort);
    let _: NotifyMoverHaltedPost = dma.post(MessageCode::NotifyMoverHalted);
    assert_eq!(dma.steer(MessageCode::MoverStop), Error::NoErr);
    assert_eq!(dma.close_tape(), Error::NoErr);
    Took { seconds: (ended - begun).as_secs_f64(), sync_seconds: 0.0, cpu_seconds, begun, ended }
}

fn server_cpu_seconds(server: &dyn Server) -> f64 {
    server.processes().into_iter().map(machine::cpu_seconds).sum()
}
