//! A strict server refuses what the standard forbids and a lenient one takes; everything else is the same.

use super::bench::{Bench, facts};
use crate::mover::{End, Ended, Progress};
use crate::ndmp::session::*;
use crate::ndmp::wire::*;
use crate::ndmp::xdr::Quad;
use MessageCode as C;

/// Strict or lenient, logged in, a record size of 512 set.
fn bench(is_strict: bool) -> Bench {
    let mut bench = Bench::stranger(Facts { is_strict, ..facts() });
    assert_eq!(bench.login("backup", "hunter2"), Error::NoErr);
    assert_eq!(bench.error(C::MoverSetRecordSize, &MoverSetRecordSizeRequest { len: 512 }), Error::NoErr);
    bench
}

fn window(bench: &mut Bench, offset: u64, length: u64) -> Error {
    let request = MoverSetWindowRequest { offset: Quad(offset), length: Quad(length) };
    bench.error(C::MoverSetWindow, &request)
}

fn listen(bench: &mut Bench, mode: MoverMode) -> Error {
    bench.error(C::MoverListen, &MoverListenRequest { mode, addr_type: AddrType::Tcp })
}

fn connected(bench: &mut Bench, mode: MoverMode) {
    bench.open_tape(TapeOpenMode::Rdwr);
    assert_eq!(window(bench, 0, u64::MAX), Error::NoErr);
    assert_eq!(listen(bench, mode), Error::NoErr);
    bench.event(Event::PeerConnected("192.0.2.7:4000".parse().unwrap()));
}

#[test]
fn the_version_is_asked_for_once() {
    for (is_strict, expected) in [(true, Error::IllegalState), (false, Error::NoErr)] {
        for version in [2, 3, 4] {
            let mut bench = Bench::stranger(Facts { is_strict, ..facts() });
            bench.open_as(version);
            let again = ConnectOpenRequest { protocol_version: version };
            assert_eq!(bench.error(C::ConnectOpen, &again), expected);
            assert_eq!(bench.login("backup", "hunter2"), Error::NoErr);
        }
    }
}

#[test]
fn windows_are_as_the_standard_has_them() {
    for (is_strict, refused) in [(true, Error::IllegalArgs), (false, Error::NoErr)] {
        let mut bench = bench(is_strict);
        assert_eq!(window(&mut bench, 0, 0), refused);
        assert_eq!(window(&mut bench, 512, u64::MAX), refused);
        assert_eq!(window(&mut bench, 512, u64::MAX - 512), Error::NoErr);
        assert_eq!(window(&mut bench, 0, 513), Error::NoErr, "which way it will be used is not known yet");
        bench.open_tape(TapeOpenMode::Rdwr);
        let expected = if is_strict { Error::Precondition } else { Error::NoErr };
        assert_eq!(listen(&mut bench, MoverMode::Read), expected, "no whole records");
    }
}

#[test]
fn a_recovery_may_end_anywhere_in_a_record() {
    let mut bench = bench(true);
    assert_eq!(window(&mut bench, 512, 513), Error::NoErr);
    bench.open_tape(TapeOpenMode::Rdwr);
    assert_eq!(listen(&mut bench, MoverMode::Write), Error::NoErr);
}

#[test]
fn going_on_wants_a_new_window_whatever_the_pause() {
    for (is_strict, expected) in [(true, Error::Precondition), (false, Error::NoErr)] {
        let mut bench = bench(is_strict);
        connected(&mut bench, MoverMode::Read);
        let end = End::EndOfMedium;
        bench.event(Event::PumpEnded(Ended {
            end,
            progress: Progress::default(),
            window_left_bytes: 0,
            read: None,
        }));
        assert_eq!(bench.error(C::MoverContinue, &()), expected);
        if is_strict {
            assert_eq!(window(&mut bench, 0, 1024), Error::NoErr);
            assert_eq!(bench.error(C::MoverContinue, &()), Error::NoErr);
        }
    }
}

#[test]
fn a_recovery_that_is_active_is_aborted_not_closed() {
    for (is_strict, expected) in [(true, Error::IllegalState), (false, Error::NoErr)] {
        let mut bench = bench(is_strict);
        connected(&mut bench, MoverMode::Write);
        assert_eq!(bench.error(C::MoverClose, &()), expected);
    }
}
