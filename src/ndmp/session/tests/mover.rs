//! MOVER: the wire's side of the machine: refusals in their order, replies before notices before work, state replies.

use super::bench::{Bench, Deeds, Did, facts};
use crate::access::peers::DataPeers;
use crate::mover::{End, Ended, Progress, ReadRange, Start};
use crate::ndmp::session::*;
use crate::ndmp::wire::*;
use crate::ndmp::xdr::Quad;
use crate::vtl::drive::HostRead;
use MessageCode as C;

fn set_record_size(bench: &mut Bench, len: u32) -> Error {
    bench.error(C::MoverSetRecordSize, &MoverSetRecordSizeRequest { len })
}

fn set_window(bench: &mut Bench, offset: u64, length: u64) -> Error {
    let request = MoverSetWindowRequest { offset: Quad(offset), length: Quad(length) };
    bench.error(C::MoverSetWindow, &request)
}

fn listen_as(bench: &mut Bench, mode: u32, addr_type: u32) -> Error {
    let request = MoverListenRequest { mode: mode.into(), addr_type: addr_type.into() };
    bench.error(C::MoverListen, &request)
}

fn connect_request(mode: MoverMode, addresses: &[(u32, u16)]) -> MoverConnectRequest {
    let address = |&(ip_addr, port): &(u32, u16)| TcpAddr { ip_addr, port, addr_env: Default::default() };
    MoverConnectRequest { mode, addr: Addr::Tcp(addresses.iter().map(address).collect()) }
}

fn state(bench: &mut Bench) -> MoverGetStateReply {
    bench.ask(C::MoverGetState, &())
}

fn ended(end: End) -> Event {
    let progress = Progress { record_number: 4, moved_bytes: 2000, left_to_read_bytes: 0 };
    Event::PumpEnded(Ended { end, progress, window_left_bytes: 0, read: None })
}

/// Record size 512, the window without end, the tape open for writing.
fn prepared() -> Bench {
    let mut bench = Bench::with_tape(TapeOpenMode::Rdwr);
    assert_eq!(set_record_size(&mut bench, 512), Error::NoErr);
    assert_eq!(set_window(&mut bench, 0, u64::MAX), Error::NoErr);
    bench
}

fn listening(mode: MoverMode) -> Bench {
    let mut bench = prepared();
    assert_eq!(listen_as(&mut bench, mode.code(), 1), Error::NoErr);
    bench
}

fn active(mode: MoverMode) -> Bench {
    let mut bench = listening(mode);
    let deeds = bench.event(Event::PeerConnected("192.0.2.7:4000".parse().unwrap()));
    let expected: &[&str] = if mode == MoverMode::Read { &["pump"] } else { &[] };
    assert_eq!(deeds.order(), expected, "no notice: the data server tells the DMA");
    bench
}

fn paused() -> Bench {
    let mut bench = active(MoverMode::Read);
    let deeds = bench.event(ended(End::EndOfMedium));
    assert_eq!(deeds.order(), ["paused"]);
    let post: NotifyMoverPausedPost = deeds.post(C::NotifyMoverPaused).unwrap();
    assert_eq!((post.reason, post.seek_position.0), (MoverPauseReason::Eom, 0));
    bench
}

fn halted() -> Bench {
    let mut bench = active(MoverMode::Read);
    assert_eq!(bench.event(ended(End::PeerClosed)).order(), ["halted", "disconnect"]);
    bench
}

#[test]
fn listen_checks_arguments_state_tape_and_preconditions_in_this_order() {
    let mut bench = Bench::new();
    for (mode, addr_type) in [(123, 1), (2, 1), (0, 123), (0, 0), (1, 3)] {
        assert_eq!(listen_as(&mut bench, mode, addr_type), Error::IllegalArgs, "{mode} {addr_type}");
    }
    assert_eq!(listen_as(&mut bench, 0, 1), Error::DevNotOpen);
    let mut bench = Bench::with_tape(TapeOpenMode::Read);
    assert_eq!(listen_as(&mut bench, 0, 1), Error::Permission);
    assert_eq!(listen_as(&mut bench, 1, 1), Error::Precondition, "no record size");
    assert_eq!(set_record_size(&mut bench, 512), Error::NoErr);
    assert_eq!(listen_as(&mut bench, 1, 1), Error::Precondition, "no window");
    assert_eq!(set_window(&mut bench, 0, u64::MAX), Error::NoErr);
    assert_eq!(listen_as(&mut bench, 1, 1), Error::NoErr);
    assert_eq!(listen_as(&mut bench, 0, 1), Error::IllegalState, "the state before the tape");
    assert_eq!(listen_as(&mut bench, 123, 1), Error::IllegalArgs, "the arguments before the state");
}

#[test]
fn the_robot_is_no_tape_for_the_mover() {
    let mut bench = Bench::new();
    let request = ScsiOpenRequest { device: "vault_robot".into() };
    assert_eq!(bench.error(C::ScsiOpen, &request), Error::NoErr);
    assert_eq!(listen_as(&mut bench, 0, 1), Error::DevNotOpen);
}

#[test]
fn a_listener_is_offered_with_its_addresses_in_order() {
    let mut bench = prepared();
    let offered = vec!["192.0.2.1:5000".parse().unwrap(), "192.0.2.2:5000".parse().unwrap()];
    bench.world.next.push_back(Completion::Listening(Ok(offered)));
    let request = MoverListenRequest { mode: MoverMode::Read, addr_type: AddrType::Tcp };
    let reply: MoverListenReply = bench.ask(C::MoverListen, &request);
    let Addr::Tcp(list) = reply.connect_addr else { panic!("TCP was asked for") };
    let pairs: Vec<_> = list.iter().map(|addr| (addr.ip_addr, addr.port)).collect();
    assert_eq!(pairs, [(0xc000_0201, 5000), (0xc000_0202, 5000)]);
    let state = state(&mut bench);
    assert_eq!((state.state, state.mode), (MoverState::Listen, MoverMode::Read));
    assert_eq!(state.data_connection_addr, Addr::Local, "nobody is connected");
}

#[test]
fn a_listener_that_cannot_be_opened_leaves_the_mover_idle() {
    let mut bench = prepared();
    bench.world.next.push_back(Completion::Listening(Err("all ports are in use".into())));
    let request = MoverListenRequest { mode: MoverMode::Read, addr_type: AddrType::Tcp };
    let deeds = bench.send(C::MoverListen, &request);
    assert_eq!(deeds.error(), Error::Connect);
    assert!(deeds.log().0.contains("all ports are in use"));
    assert_eq!(state(&mut bench).state, MoverState::Idle);
    assert_eq!(listen_as(&mut bench, 0, 1), Error::NoErr);
}

#[test]
fn the_server_connects_only_where_it_may() {
    let networks = Some(vec!["192.0.2.0/24".parse().unwrap()]);
    let facts =
        Facts { dma: Some("198.51.100.1".parse().unwrap()), data_peers: DataPeers { networks }, ..facts() };
    let mut bench = Bench::stranger(facts);
    assert_eq!(bench.login("backup", "hunter2"), Error::NoErr);
    bench.open_tape(TapeOpenMode::Rdwr);
    assert_eq!(set_record_size(&mut bench, 512), Error::NoErr);
    assert_eq!(set_window(&mut bench, 0, u64::MAX), Error::NoErr);
    let (allowed, other, system, dma) =
        ((0xc000_0201, 7000), (0xc000_0301, 7000), (0xc000_0201, 22), (0xc633_6401, 7000));
    for (addresses, why) in [
        (&[other][..], "192.0.3.1:7000: no data connections outside of server.data_peers"),
        (&[system], "192.0.2.1:22: no data connections to ports below 1024"),
        (&[other, system], "192.0.2.1:22"),
    ] {
        let deeds = bench.send(C::MoverConnect, &connect_request(MoverMode::Read, addresses));
        assert_eq!((deeds.error(), deeds.order()), (Error::Permission, vec!["reply"]), "{addresses:?}");
        assert!(deeds.log().0.contains(why), "{:?}", deeds.log());
        assert_eq!(state(&mut bench).state, MoverState::Idle);
    }
    let request = connect_request(MoverMode::Read, &[other, allowed, system, dma]);
    let deeds = bench.send(C::MoverConnect, &request);
    let Did::Worked(Work::Connect(addresses)) = &deeds.0[0] else { panic!("{deeds:?}") };
    assert_eq!(addresses[..], ["192.0.2.1:7000".parse().unwrap(), "198.51.100.1:7000".parse().unwrap()]);
}

#[test]
fn connecting_takes_usable_addresses_in_order() {
    let mut bench = prepared();
    for addresses in [&[][..], &[(0, 5001)], &[(0x7f00_0001, 0)]] {
        let request = connect_request(MoverMode::Read, addresses);
        assert_eq!(bench.error(C::MoverConnect, &request), Error::IllegalArgs, "{addresses:?}");
    }
    let local = MoverConnectRequest { mode: MoverMode::Read, addr: Addr::Local };
    assert_eq!(bench.error(C::MoverConnect, &local), Error::IllegalArgs);
    let request = connect_request(MoverMode::Read, &[(0, 9), (0xc000_0201, 7000), (0xc000_0202, 8000)]);
    bench.world.next.push_back(Completion::Connected(Err("refused".into())));
    let deeds = bench.send(C::MoverConnect, &request);
    assert_eq!(deeds.error(), Error::Connect);
    assert_eq!(state(&mut bench).state, MoverState::Idle);
    let deeds = bench.send(C::MoverConnect, &request);
    assert_eq!((deeds.error(), deeds.order()), (Error::NoErr, vec!["work", "reply", "pump"]));
    let Did::Worked(Work::Connect(addresses)) = &deeds.0[0] else { panic!("{deeds:?}") };
    assert_eq!(addresses[..], ["192.0.2.1:7000".parse().unwrap(), "192.0.2.2:8000".parse().unwrap()]);
    let reply = state(&mut bench);
    assert_eq!(reply.state, MoverState::Active);
    let Addr::Tcp(list) = reply.data_connection_addr else { panic!("the peer's address") };
    assert_eq!(list.len(), 1, "exactly one pair");
    assert!(list[0].addr_env.is_empty());
}

#[test]
fn the_reply_comes_first_then_the_notice_then_the_work() {
    let stop = |end, order: &[&str]| assert_eq!(active(MoverMode::Read).event(ended(end)).order(), order);
    stop(End::EndOfMedium, &["paused"]);
    stop(End::WindowFull, &["paused"]);
    stop(End::PeerClosed, &["halted", "disconnect"]);
    stop(End::ConnectionBroken("reset".into()), &["halted", "disconnect"]);
    stop(End::Media("scratched".into()), &["halted", "disconnect"]);
    stop(End::Internal("bug".into()), &["halted", "disconnect"]);
    stop(End::Satisfied, &[]);
    assert_eq!(paused().send(C::MoverContinue, &()).order(), ["reply", "pump"]);
    assert_eq!(paused().send(C::MoverClose, &()).order(), ["reply", "halted", "disconnect"]);
    for mut bench in [listening(MoverMode::Write), active(MoverMode::Read), paused()] {
        assert_eq!(bench.send(C::MoverAbort, &()).order(), ["reply", "halted", "disconnect"]);
        let reply = state(&mut bench);
        assert_eq!((reply.state, reply.halt_reason), (MoverState::Halted, MoverHaltReason::Aborted));
    }
    let read = MoverReadRequest { offset: Quad(0), length: Quad(10) };
    assert_eq!(active(MoverMode::Write).send(C::MoverRead, &read).order(), ["reply", "pump"]);
    assert_eq!(halted().send(C::MoverStop, &()).order(), ["reply"]);
}

#[test]
fn every_end_of_a_pump_has_its_reason() {
    let table = [
        (End::PeerClosed, MoverHaltReason::ConnectClosed, None),
        (End::ConnectionBroken("reset".into()), MoverHaltReason::ConnectError, Some("reset")),
        (End::Media("scratched".into()), MoverHaltReason::MediaError, Some("scratched")),
        (End::NoSpace("vault is full".into()), MoverHaltReason::MediaError, Some("vault is full")),
        (End::Internal("a bug".into()), MoverHaltReason::InternalError, Some("a bug")),
    ];
    for (end, reason, text) in table {
        let mut bench = active(MoverMode::Read);
        let deeds = bench.event(ended(end));
        let post: NotifyMoverHaltedPost = deeds.post(C::NotifyMoverHalted).unwrap();
        assert_eq!(post.reason, reason);
        if let Some(text) = text {
            assert!(deeds.log().0.contains(text) && deeds.log().1.is_none());
        }
        let reply = state(&mut bench);
        assert_eq!((reply.state, reply.halt_reason), (MoverState::Halted, reason), "as the notice said");
        assert_eq!((reply.record_num, reply.bytes_moved.0), (4, 2000), "readable until STOP");
    }
}

/// Short of space: the pause of a full tape, with the reason before it.
#[test]
fn a_backup_without_space_pauses_as_on_a_full_tape_and_says_why() {
    let mut bench = active(MoverMode::Read);
    let deeds = bench.event(ended(End::OutOfSpace("vault is full".into())));
    assert_eq!(deeds.0.iter().map(Did::name).collect::<Vec<_>>(), ["log", "paused"]);
    let post: LogMessagePost = deeds.post(C::LogMessage).unwrap();
    assert_eq!((post.log_type, &*post.entry.to_lossy()), (LogType::Error, "vault is full"));
    let post: NotifyMoverPausedPost = deeds.post(C::NotifyMoverPaused).unwrap();
    assert_eq!(post.reason, MoverPauseReason::Eom);
    assert_eq!(state(&mut bench).pause_reason, MoverPauseReason::Eom);
}

/// The data server has the last byte, and tells the DMA, before the pump has told the session.
#[test]
fn a_read_right_behind_the_last_byte_of_another_waits_for_its_pump() {
    let read = MoverReadRequest { offset: Quad(10), length: Quad(10) };
    let names = |deeds: &Deeds| deeds.0.iter().map(Did::name).collect::<Vec<_>>();
    for (end, error) in [(End::Satisfied, Error::NoErr), (End::EndOfFile, Error::IllegalState)] {
        let mut bench = active(MoverMode::Write);
        assert_eq!(bench.error(C::MoverRead, &read), Error::NoErr);
        bench.world.meanwhile = Some(ended(end));
        let deeds = bench.send(C::MoverRead, &read);
        assert_eq!(deeds.error(), error, "{:?}", names(&deeds));
        // Nothing is left of the wait: its own end comes late and says nothing.
        let deeds = bench.completion(Completion::Waited);
        assert_eq!(names(&deeds), [""; 0]);
    }
}

#[test]
fn an_outside_read_pauses_with_the_wanted_byte() {
    let mut bench = active(MoverMode::Write);
    let read = MoverReadRequest { offset: Quad(1 << 33), length: Quad(10) };
    assert_eq!(bench.error(C::MoverRead, &read), Error::NoErr);
    assert_eq!(bench.error(C::MoverRead, &read), Error::ReadInProgress);
    let left = Some(ReadRange { offset_bytes: 1 << 33, length_bytes: 10 });
    let end = Ended {
        end: End::OutsideWindow(1 << 33),
        progress: Progress::default(),
        window_left_bytes: 0,
        read: left,
    };
    let deeds = bench.event(Event::PumpEnded(end));
    let post: NotifyMoverPausedPost = deeds.post(C::NotifyMoverPaused).unwrap();
    assert_eq!((post.reason, post.seek_position.0), (MoverPauseReason::Seek, 1 << 33));
    assert_eq!(state(&mut bench).pause_reason, MoverPauseReason::Seek);
    assert_eq!(bench.error(C::MoverContinue, &()), Error::Precondition);
    assert_eq!(set_window(&mut bench, 1 << 33, 512), Error::NoErr);
    let deeds = bench.send(C::MoverContinue, &());
    assert!(matches!(&deeds.0[1], Did::Pumped(Start::Recover { range, .. }) if Some(*range) == left));
}

#[test]
fn the_state_is_told_in_every_state() {
    let mut bench = Bench::new();
    let idle = state(&mut bench);
    assert_eq!((idle.state, idle.mode, idle.record_size), (MoverState::Idle, MoverMode::Noaction, 0));
    let mut bench = active(MoverMode::Write);
    bench.world.progress = Some(Progress { record_number: 9, moved_bytes: 4608, left_to_read_bytes: 77 });
    let reply = state(&mut bench);
    assert_eq!((reply.state, reply.mode), (MoverState::Active, MoverMode::Write));
    assert_eq!((reply.record_num, reply.bytes_moved.0, reply.bytes_left_to_read.0), (9, 4608, 77));
    assert_eq!((reply.window_offset.0, reply.window_length.0), (0, u64::MAX));
    let mut bench = paused();
    let reply = state(&mut bench);
    assert_eq!((reply.state, reply.pause_reason), (MoverState::Paused, MoverPauseReason::Eom));
    assert_eq!(reply.halt_reason, MoverHaltReason::Na);
    let mut bench = halted();
    let reply = state(&mut bench);
    assert_eq!((reply.pause_reason, reply.mode), (MoverPauseReason::Na, MoverMode::Read));
    assert_eq!(bench.error(C::MoverStop, &()), Error::NoErr);
    let reply = state(&mut bench);
    let expected =
        MoverGetStateReply { mode: MoverMode::Noaction, record_size: 512, ..MoverGetStateReply::default() };
    assert_eq!(reply, expected, "after STOP only the record size is left");
}

#[test]
fn requests_in_the_wrong_state_are_refused() {
    let refused = |bench: &mut Bench, codes: &[C]| {
        for code in codes {
            assert_eq!(bench.error(*code, &()), Error::IllegalState, "{code:?}");
        }
    };
    refused(&mut Bench::new(), &[C::MoverContinue, C::MoverAbort, C::MoverStop, C::MoverClose]);
    refused(&mut listening(MoverMode::Read), &[C::MoverContinue, C::MoverStop, C::MoverClose]);
    refused(&mut active(MoverMode::Read), &[C::MoverContinue, C::MoverStop, C::MoverClose]);
    refused(&mut paused(), &[C::MoverStop]);
    refused(&mut halted(), &[C::MoverContinue, C::MoverAbort, C::MoverClose]);
    for mut bench in [listening(MoverMode::Read), active(MoverMode::Read), halted()] {
        assert_eq!(set_window(&mut bench, 0, 512), Error::IllegalState);
        assert_eq!(set_record_size(&mut bench, 512), Error::IllegalState);
        let read = MoverReadRequest { offset: Quad(0), length: Quad(1) };
        assert_eq!(bench.error(C::MoverRead, &read), Error::IllegalState);
        let request = connect_request(MoverMode::Read, &[(1, 1)]);
        assert_eq!(bench.error(C::MoverConnect, &request), Error::IllegalState);
        assert_eq!(bench.login("backup", "hunter2"), Error::IllegalState);
    }
}

#[test]
fn sizes_and_windows_that_cannot_be_are_refused() {
    let mut bench = Bench::new();
    assert_eq!(set_window(&mut bench, 0, 512), Error::Precondition, "before a record size");
    assert_eq!(set_window(&mut bench, 0, 0), Error::NoErr, "the conformance test asks for it");
    for len in [0, 1 << 24, u32::MAX] {
        assert_eq!(set_record_size(&mut bench, len), Error::IllegalArgs, "{len}");
    }
    assert_eq!(set_window(&mut bench, 0, 512), Error::Precondition, "a refused size is none");
    assert_eq!(set_record_size(&mut bench, (1 << 24) - 1), Error::NoErr);
    assert_eq!(set_record_size(&mut bench, 512), Error::NoErr);
    assert_eq!(set_window(&mut bench, 512, 0), Error::IllegalArgs);
    assert_eq!(set_window(&mut bench, 1024, u64::MAX), Error::NoErr, "ndmjob's habit");
    assert_eq!(state(&mut bench).record_num, 2);
    let mut bench = active(MoverMode::Write);
    for (offset, length) in [(0, 0), (u64::MAX, u64::MAX), (1, u64::MAX)] {
        let read = MoverReadRequest { offset: Quad(offset), length: Quad(length) };
        assert_eq!(bench.error(C::MoverRead, &read), Error::IllegalArgs, "{offset} {length}");
    }
}

#[test]
fn the_tape_is_the_movers_while_it_listens_or_moves() {
    let tape_requests = |bench: &mut Bench| {
        let mtio = TapeMtioRequest { tape_op: TapeMtioOp::Rew, count: 1 };
        let cdb = ExecuteCdbRequest { cdb: vec![0; 6].into(), ..Default::default() };
        [
            bench.error(C::TapeWrite, &TapeWriteRequest { data_out: vec![1].into() }),
            bench.error(C::TapeRead, &TapeReadRequest { count: 1 }),
            bench.error(C::TapeMtio, &mtio),
            bench.error(C::TapeExecuteCdb, &cdb),
            bench.error(C::TapeClose, &()),
        ]
    };
    for mut bench in [listening(MoverMode::Write), active(MoverMode::Write)] {
        assert_eq!(tape_requests(&mut bench), [Error::DeviceBusy; 5]);
        assert_eq!(bench.error(C::TapeGetState, &()), Error::NoErr);
    }
    for mut bench in [paused(), halted()] {
        assert_eq!(
            tape_requests(&mut bench),
            [Error::NoErr, Error::Eom, Error::NoErr, Error::NoErr, Error::NoErr]
        );
    }
}

#[test]
fn events_that_come_too_late_change_nothing() {
    let peer = || Event::PeerConnected("192.0.2.7:1".parse().unwrap());
    let failed = || Event::AcceptFailed("reset".into());
    let mut bench = halted();
    for event in [peer(), failed(), Event::PeerGone, ended(End::EndOfMedium), ended(End::Aborted)] {
        assert!(bench.event(event).0.is_empty());
    }
    assert!(paused().event(failed()).0.is_empty());
    let mut bench = prepared();
    for event in [peer(), failed(), Event::PeerGone, ended(End::PeerClosed)] {
        assert!(bench.event(event).0.is_empty());
    }
    assert_eq!(state(&mut bench).data_connection_addr, Addr::Local);
}

#[test]
fn who_waits_for_a_peer_learns_when_none_can_come_or_it_goes() {
    let mut bench = listening(MoverMode::Read);
    let deeds = bench.event(Event::AcceptFailed("out of descriptors".into()));
    assert_eq!(deeds.order(), ["halted", "disconnect"]);
    let post: NotifyMoverHaltedPost = deeds.post(C::NotifyMoverHalted).unwrap();
    assert_eq!(post.reason, MoverHaltReason::ConnectError);
    assert!(deeds.log().0.contains("out of descriptors"));
    let deeds = active(MoverMode::Write).event(Event::PeerGone);
    let post: NotifyMoverHaltedPost = deeds.post(C::NotifyMoverHalted).unwrap();
    assert_eq!(post.reason, MoverHaltReason::ConnectClosed);
    assert!(paused().event(Event::PeerGone).0.is_empty(), "a paused backup still has bytes to write");
}

#[test]
fn a_backup_does_not_go_on_without_a_tape_it_may_write() {
    let mut bench = paused();
    assert_eq!(bench.error(C::TapeClose, &()), Error::NoErr);
    assert_eq!(bench.error(C::MoverContinue, &()), Error::DevNotOpen);
    assert_eq!(state(&mut bench).state, MoverState::Paused);
    let robot = ScsiOpenRequest { device: "vault_robot".into() };
    assert_eq!(bench.error(C::ScsiOpen, &robot), Error::NoErr);
    assert_eq!(bench.error(C::MoverContinue, &()), Error::DevNotOpen);
    assert_eq!(bench.error(C::ScsiClose, &()), Error::NoErr);
    let open = |bench: &mut Bench, mode| {
        bench.error(C::TapeOpen, &TapeOpenRequest { device: "vault_drive1".into(), mode })
    };
    assert_eq!(open(&mut bench, TapeOpenMode::Read), Error::NoErr);
    assert_eq!(bench.error(C::MoverContinue, &()), Error::Permission, "the tape is open for reading");
    assert_eq!(bench.error(C::TapeClose, &()), Error::NoErr);
    assert_eq!(open(&mut bench, TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(bench.send(C::MoverContinue, &()).order(), ["reply", "pump"]);
}

#[test]
fn blockno_is_known_again_while_the_mover_moves() {
    let mut bench = paused();
    bench.world.next.push_back(Completion::Read(Ok(HostRead::Filemark)));
    assert_eq!(bench.error(C::TapeRead, &TapeReadRequest { count: 1 }), Error::Eof);
    assert_eq!(bench.error(C::MoverContinue, &()), Error::NoErr);
    let reply: TapeGetStateReply = bench.ask(C::TapeGetState, &());
    assert_eq!((reply.blockno, reply.unsupported & TAPE_STATE_BLOCKNO_UNS), (3, 0));
}
