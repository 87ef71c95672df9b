//! Dialogues of DMAs that cannot be had for a test, as their sources and documents tell them.

use super::bench::{Bench, Did};
use crate::mover::{End, Ended, Progress, Start};
use crate::ndmp::session::*;
use crate::ndmp::wire::*;
use crate::ndmp::xdr::Quad;
use MessageCode as C;

fn mtio(bench: &mut Bench, tape_op: TapeMtioOp, count: u32) -> Error {
    bench.error(C::TapeMtio, &TapeMtioRequest { tape_op, count })
}

fn window(bench: &mut Bench, offset: u64, length: u64) -> Error {
    let request = MoverSetWindowRequest { offset: Quad(offset), length: Quad(length) };
    bench.error(C::MoverSetWindow, &request)
}

fn listen(bench: &mut Bench, mode: MoverMode) {
    let request = MoverListenRequest { mode, addr_type: AddrType::Tcp };
    assert_eq!(bench.error(C::MoverListen, &request), Error::NoErr);
}

fn ended(end: End, record_number: u64) -> Event {
    let progress = Progress { record_number, moved_bytes: 0, left_to_read_bytes: 0 };
    Event::PumpEnded(Ended { end, progress, window_left_bytes: u64::MAX, read: None })
}

fn connect(bench: &mut Bench) -> super::bench::Deeds {
    bench.event(Event::PeerConnected("192.0.2.7:4000".parse().unwrap()))
}

/// ABIO Master, version 3: no window for a backup, CONTINUE without one on the next tape, and at the end everything that
/// could end a transfer, whatever it answers.
#[test]
fn abio_backs_up_without_a_window() {
    let mut bench = Bench::speaking(3);
    bench.open_tape(TapeOpenMode::Rdwr);
    let size = MoverSetRecordSizeRequest { len: 65_536 };
    assert_eq!(bench.error(C::MoverSetRecordSize, &size), Error::NoErr);
    listen(&mut bench, MoverMode::Read);
    let deeds = connect(&mut bench);
    assert!(matches!(deeds.0[0], Did::Pumped(Start::Backup { record_bytes: 65_536, .. })), "{deeds:?}");
    let state: v3::TapeGetStateReply = bench.ask(C::TapeGetState, &());
    assert!(state.blockno.cast_signed() >= 0, "a negative number fails its job");

    assert_eq!(bench.event(ended(End::EndOfMedium, 40)).order(), ["paused"]);
    assert_eq!(mtio(&mut bench, TapeMtioOp::Eof, 1), Error::NoErr);
    assert_eq!(mtio(&mut bench, TapeMtioOp::Off, 1), Error::NoErr);
    assert_eq!(bench.error(C::TapeClose, &()), Error::NoErr);
    bench.open_tape(TapeOpenMode::Rdwr);
    assert_eq!(bench.send(C::MoverContinue, &()).order(), ["reply", "pump"]);
    let state: v3::MoverGetStateReply = bench.ask(C::MoverGetState, &());
    assert_eq!(state.record_num, 40, "over all tapes");

    assert_eq!(bench.event(ended(End::PeerClosed, 60)).order(), ["halted", "disconnect"]);
    assert_eq!(bench.error(C::MoverAbort, &()), Error::IllegalState);
    assert_eq!(bench.send(C::DataAbort, &()).reply().header.error_code, Error::NotSupported);
    assert_eq!(bench.error(C::MoverStop, &()), Error::NoErr);
    assert_eq!(bench.send(C::DataStop, &()).reply().header.error_code, Error::NotSupported);
    assert_eq!(bench.error(C::TapeClose, &()), Error::NoErr);
}

/// Its restore sets the window behind LISTEN, and takes EOF for success.
#[test]
fn abio_restores_with_a_window_set_late() {
    let mut bench = Bench::speaking(3);
    bench.open_tape(TapeOpenMode::Rdwr);
    listen(&mut bench, MoverMode::Write);
    assert_eq!(window(&mut bench, 0, u64::MAX), Error::NoErr);
    assert!(connect(&mut bench).0.is_empty(), "it waits for the read");
    let read = MoverReadRequest { offset: Quad(0), length: Quad(1 << 20) };
    assert_eq!(bench.send(C::MoverRead, &read).order(), ["reply", "pump"]);
    let deeds = bench.event(ended(End::EndOfFile, 3));
    let post: v3::NotifyMoverPausedPost = deeds.post(C::NotifyMoverPaused).unwrap();
    assert_eq!(post.reason, v3::MoverPauseReason::Eof);
}

/// NetBackup 4.5 and NetWorker 6 set the window in IDLE, in version 3.
#[test]
fn netbackup_and_networker_set_the_window_in_idle() {
    let mut bench = Bench::speaking(3);
    let size = MoverSetRecordSizeRequest { len: 64_512 };
    assert_eq!(bench.error(C::MoverSetRecordSize, &size), Error::NoErr);
    assert_eq!(window(&mut bench, 0, 64_512 * 10), Error::NoErr);
    bench.open_tape(TapeOpenMode::Rdwr);
    listen(&mut bench, MoverMode::Read);
    let deeds = connect(&mut bench);
    let Did::Pumped(Start::Backup { window_left_bytes, .. }) = deeds.0[0] else { panic!("{deeds:?}") };
    assert_eq!(window_left_bytes, 645_120);
    let deeds = bench.event(ended(End::WindowFull, 10));
    let post: v3::NotifyMoverPausedPost = deeds.post(C::NotifyMoverPaused).unwrap();
    assert_eq!(post.reason, v3::MoverPauseReason::Eow);
}

/// Amanda, version 4: the raw mode; an empty window, so that the mover pauses at the first byte; then the real one.
#[test]
fn amanda_lets_the_mover_pause_at_the_first_byte() {
    let mut bench = Bench::speaking(4);
    bench.open_tape(TapeOpenMode::Raw);
    let state: TapeGetStateReply = bench.ask(C::TapeGetState, &());
    assert_eq!(state.block_size, 0, "any other fails its job");
    let size = MoverSetRecordSizeRequest { len: 32_768 };
    assert_eq!(bench.error(C::MoverSetRecordSize, &size), Error::NoErr);
    assert_eq!(window(&mut bench, 0, 0), Error::NoErr);
    listen(&mut bench, MoverMode::Read);
    let deeds = connect(&mut bench);
    assert!(matches!(deeds.0[0], Did::Pumped(Start::Backup { window_left_bytes: 0, .. })), "{deeds:?}");
    let deeds = bench.event(ended(End::WindowFull, 0));
    let post: NotifyMoverPausedPost = deeds.post(C::NotifyMoverPaused).unwrap();
    assert_eq!(post.reason, MoverPauseReason::Eow);
    assert_eq!(window(&mut bench, 0, u64::MAX), Error::NoErr);
    assert_eq!(bench.send(C::MoverContinue, &()).order(), ["reply", "pump"]);
}
