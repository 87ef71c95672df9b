//! Versions 2, 3 and 4: how one is chosen, what each has, and what each makes of the same tape and the same mover.

use super::bench::{Bench, Did, facts, loaded};
use super::catalogue::{UNSERVED, requests};
use crate::mover::{End, Ended, Progress, Start};
use crate::ndmp::session::version::Version;
use crate::ndmp::session::*;
use crate::ndmp::wire::*;
use crate::ndmp::xdr::{self, Quad};
use crate::tape::Position;
use crate::vtl::drive::{HostRead, MarkRule, Motion};
use MessageCode as C;

const ALL: [u16; 3] = [2, 3, 4];

fn open(bench: &mut Bench, version: u16) -> Error {
    bench.error(C::ConnectOpen, &ConnectOpenRequest { protocol_version: version })
}

fn mtio(bench: &mut Bench, tape_op: TapeMtioOp, count: u32) -> TapeMtioReply {
    bench.ask(C::TapeMtio, &TapeMtioRequest { tape_op, count })
}

fn with_tape(version: u16) -> Bench {
    let mut bench = Bench::speaking(version);
    bench.open_tape(TapeOpenMode::Rdwr);
    bench
}

fn listen(bench: &mut Bench, mode: MoverMode) -> Error {
    bench.error(C::MoverListen, &MoverListenRequest { mode, addr_type: AddrType::Tcp })
}

fn window(bench: &mut Bench, offset: u64, length: u64) -> Error {
    let request = MoverSetWindowRequest { offset: Quad(offset), length: Quad(length) };
    bench.error(C::MoverSetWindow, &request)
}

fn connected(version: u16, mode: MoverMode) -> Bench {
    let mut bench = with_tape(version);
    if version == 4 {
        assert_eq!(bench.error(C::MoverSetRecordSize, &MoverSetRecordSizeRequest { len: 512 }), Error::NoErr);
        assert_eq!(window(&mut bench, 0, u64::MAX), Error::NoErr);
    }
    assert_eq!(listen(&mut bench, mode), Error::NoErr);
    bench.event(Event::PeerConnected("192.0.2.7:4000".parse().unwrap()));
    bench
}

fn ended(end: End) -> Event {
    let progress = Progress { record_number: 4, moved_bytes: 2000, left_to_read_bytes: 0 };
    Event::PumpEnded(Ended { end, progress, window_left_bytes: 0, read: None })
}

#[test]
fn versions_2_3_and_4_are_served_and_no_others() {
    for version in ALL {
        assert_eq!(open(&mut Bench::stranger(facts()), version), Error::NoErr, "{version}");
    }
    let mut bench = Bench::stranger(facts());
    for version in [0, 1, 5, 65535] {
        assert_eq!(open(&mut bench, version), Error::IllegalArgs, "{version}");
    }
    assert_eq!(bench.error(C::ConnectOpen, &u32::MAX), Error::IllegalArgs, "beyond 16 bits");
    assert_eq!(open(&mut bench, 3), Error::NoErr, "a refused version ends nothing");
    assert_eq!(bench.login("backup", "hunter2"), Error::NoErr);
}

#[test]
fn a_version_is_chosen_once_and_before_anything_else() {
    let mut bench = Bench::stranger(facts());
    assert_eq!((open(&mut bench, 3), open(&mut bench, 3)), (Error::NoErr, Error::NoErr));
    assert_eq!(open(&mut bench, 4), Error::IllegalArgs, "another one");
    assert_eq!(bench.login("backup", "hunter2"), Error::NoErr);
    assert_eq!(open(&mut bench, 3), Error::IllegalState);
    let mut bench = Bench::new();
    assert_eq!(open(&mut bench, 4), Error::IllegalState, "what was announced is taken by going on");
    let mut bench = Bench::stranger(facts());
    assert_eq!(bench.error(C::ConfigGetServerInfo, &()), Error::NoErr);
    assert_eq!(open(&mut bench, 2), Error::IllegalState);
}

#[test]
fn without_a_choice_version_4_is_in_force() {
    let mut bench = Bench::new();
    let _: MoverGetStateReply = bench.ask(C::MoverGetState, &());
}

/// The body of a request as the version has it.
fn body(version: u16, code: MessageCode, body: &Bytes) -> Bytes {
    if code == C::MoverConnect && version == 3 {
        let addr = v3::Addr::Tcp(v3::TcpAddr { ip_addr: 0x7f00_0001, port: 5001 });
        let request = v3::MoverConnectRequest { mode: MoverMode::Read, addr };
        return xdr::encode(&request).unwrap().into_bytes();
    }
    body.clone()
}

#[test]
fn every_request_gets_one_whole_reply_in_every_version() {
    let lacks = |version, code| match version {
        2 => matches!(
            code,
            C::ConfigGetButypeInfo
                | C::ConfigGetFsInfo
                | C::ConfigGetTapeInfo
                | C::ConfigGetScsiInfo
                | C::ConfigGetServerInfo
                | C::ConfigSetExtList
                | C::ConfigGetExtList
                | C::MoverConnect
        ),
        3 => matches!(code, C::ConfigSetExtList | C::ConfigGetExtList),
        _ => false,
    };
    for version in ALL {
        for request in requests() {
            let mut bench = with_tape(version);
            let deeds = bench.send_bytes(request.code, &body(version, request.code, &request.body));
            // `error` decodes the body to its last byte.
            let is_refused = deeds.error() == Error::NotSupported;
            assert_eq!(is_refused, lacks(version, request.code), "{version} {:?}", request.code);
            assert_ne!(deeds.error(), Error::XdrDecode, "{version} {:?}", request.code);
        }
        for code in UNSERVED {
            if !matches!((version, code), (2 | 3, 0x203 | 0x205)) {
                let deeds = Bench::speaking(version).send_bytes(code.into(), &[1, 2, 3, 4]);
                assert_eq!(deeds.reply().header.error_code, Error::NotSupported, "{version} {code:#x}");
            }
        }
        let deeds = Bench::speaking(version).send_bytes(C::TestEcho, &[]);
        let expected = if version == 4 { Error::ClassNotSupported } else { Error::NotSupported };
        assert_eq!(deeds.error(), expected);
    }
}

#[test]
fn no_version_sees_an_error_that_it_does_not_know() {
    for (version, last) in [(2, 22), (3, 23), (4, 30)] {
        let version = Version::numbered(version, false).unwrap();
        for code in 0..=30 {
            for request in [C::MoverSetWindow, C::MoverListen, C::ConfigSetExtList] {
                let error = version.error(request, code.into());
                assert!(error.code() <= last, "{code} becomes {error:?}");
                assert!(code > last || error.code() == code, "{code} is known");
                assert!(code == 0 || error != Error::NoErr);
            }
        }
    }
    let v2 = Version::numbered(2, false).unwrap();
    assert_eq!(v2.error(C::MoverListen, Error::Connect), Error::Io);
    assert_eq!(v2.error(C::MoverSetWindow, Error::Precondition), Error::IllegalArgs);
    assert_eq!(v2.error(C::MoverContinue, Error::Precondition), Error::IllegalState);
    assert_eq!(v2.error(C::MoverRead, Error::ReadInProgress), Error::IllegalState);
    assert_eq!(v2.error(C::ConfigSetExtList, Error::ExtDandnIllegal), Error::NotSupported);
}

#[test]
fn faults_reach_the_dma_as_its_version_has_them() {
    for (version, expected) in [(2, Error::Io), (3, Error::Connect), (4, Error::Connect)] {
        let mut bench = connected(version, MoverMode::Read);
        assert_eq!(bench.error(C::MoverAbort, &()), Error::NoErr);
        assert_eq!(bench.error(C::MoverStop, &()), Error::NoErr);
        bench.world.next.push_back(Completion::Listening(Err("all ports are in use".into())));
        assert_eq!(listen(&mut bench, MoverMode::Read), expected, "{version}");
    }
    for (version, expected) in
        [(2, Error::IllegalState), (3, Error::IllegalState), (4, Error::ReadInProgress)]
    {
        let mut bench = connected(version, MoverMode::Write);
        let read = MoverReadRequest { offset: Quad(0), length: Quad(10) };
        assert_eq!(bench.error(C::MoverRead, &read), Error::NoErr);
        assert_eq!(bench.error(C::MoverRead, &read), expected, "{version}");
    }
}

#[test]
fn version_2_tells_with_the_host_how_to_log_in() {
    let mut bench = Bench::stranger(facts());
    bench.open_as(2);
    let info: v2::ConfigGetHostInfoReply = bench.ask(C::ConfigGetHostInfo, &());
    assert_eq!(info.auth_type.to_vec(), [AuthType::Md5]);
    assert!(info.hostname.is_empty(), "not to strangers");
    let info: v2::ConfigGetHostInfoReply = Bench::speaking(2).ask(C::ConfigGetHostInfo, &());
    assert_eq!((info.hostname.to_str(), info.auth_type.len()), (Some("silo"), 1));
    let _: ConfigGetHostInfoReply = Bench::speaking(3).ask(C::ConfigGetHostInfo, &());
}

#[test]
fn attributes_that_a_version_does_not_know_are_not_told() {
    for (version, attr) in [(3, 0), (4, TAPE_ATTR_RAW)] {
        let tapes: ConfigGetTapeInfoReply = Bench::speaking(version).ask(C::ConfigGetTapeInfo, &());
        assert_eq!(tapes.tape_info[0].caplist[0].attr, attr);
    }
}

#[test]
fn each_version_has_its_own_number_for_the_raw_mode() {
    let raw = |number: u32| TapeOpenRequest { device: "vault_drive0".into(), mode: number.into() };
    for (version, right, wrong) in [(2, 0x7fff_ffff, 2), (3, 0x7fff_ffff, 2), (4, 2, 0x7fff_ffff)] {
        let mut bench = Bench::speaking(version);
        bench.world.drive = Default::default();
        assert_eq!(bench.error(C::TapeOpen, &raw(wrong)), Error::IllegalArgs, "{version}");
        assert_eq!(bench.error(C::TapeOpen, &raw(1)), Error::NoTapeLoaded, "{version}");
        assert_eq!(bench.error(C::TapeOpen, &raw(right)), Error::NoErr, "{version}: an empty drive");
    }
}

#[test]
fn filemarks_are_crossed_before_version_4_and_stop_it() {
    for (version, expected) in [(2, MarkRule::Cross), (3, MarkRule::Cross), (4, MarkRule::StopBefore)] {
        let mut bench = with_tape(version);
        let deeds = bench.send(C::TapeRead, &TapeReadRequest { count: 9 });
        let Did::Worked(Work::Tape(TapeWork::Read { bytes_max: 9, marks })) = deeds.0[0] else {
            panic!("{deeds:?}")
        };
        assert_eq!(marks, expected);
        for (tape_op, motion) in
            [(TapeMtioOp::Fsr, Motion::ForwardRecords), (TapeMtioOp::Bsr, Motion::BackwardRecords)]
        {
            let deeds = bench.send(C::TapeMtio, &TapeMtioRequest { tape_op, count: 3 });
            let Did::Worked(Work::Tape(TapeWork::Motion { motion: asked, count: 3, marks })) = deeds.0[0]
            else {
                panic!("{deeds:?}")
            };
            assert_eq!((asked, marks), (motion, expected), "{version}");
        }
    }
}

#[test]
fn the_end_of_data_is_the_end_of_a_file_before_version_4() {
    for (version, expected) in [(2, Error::Eof), (3, Error::Eof), (4, Error::Eom)] {
        let mut bench = with_tape(version);
        let reply: TapeReadReply = bench.ask(C::TapeRead, &TapeReadRequest { count: 9 });
        assert_eq!(reply.error, expected, "{version}");
        bench.world.next.push_back(Completion::Read(Ok(HostRead::Filemark)));
        let reply: TapeReadReply = bench.ask(C::TapeRead, &TapeReadRequest { count: 9 });
        assert_eq!(reply.error, Error::Eof, "{version}: a mark");
    }
}

#[test]
fn only_version_4_can_ask_whether_a_tape_is_loaded() {
    for (version, expected) in [(2, Error::IllegalArgs), (3, Error::IllegalArgs), (4, Error::NoErr)] {
        assert_eq!(mtio(&mut with_tape(version), TapeMtioOp::Tur, 1).error, expected, "{version}");
        assert_eq!(mtio(&mut with_tape(version), TapeMtioOp::Other(10), 1).error, Error::IllegalArgs);
    }
}

#[test]
fn the_tapes_state_has_each_versions_fields() {
    let drive = loaded();
    let reply: v3::TapeGetStateReply = with_tape(3).ask(C::TapeGetState, &());
    assert_eq!((reply.invalid, reply.flags, reply.partition), (TAPE_STATE_SOFT_ERRORS_UNS, 8, 0));
    assert_eq!((reply.file_num, reply.blockno, reply.block_size), (2, 3, 0));
    assert_eq!((reply.total_space.0, reply.space_remain.0), (drive.capacity_bytes, drive.remaining_bytes));
    let reply: v2::TapeGetStateReply = with_tape(2).ask(C::TapeGetState, &());
    assert_eq!((reply.error, reply.flags, reply.file_num, reply.blockno), (Error::NoErr, 8, 2, 3));
    assert_eq!((reply.total_space.0, reply.space_remain.0), (drive.capacity_bytes, drive.remaining_bytes));
    let closed: v3::TapeGetStateReply = Bench::speaking(3).ask(C::TapeGetState, &());
    assert_eq!(closed, v3::TapeGetStateReply { error: Error::DevNotOpen, ..Default::default() });
    let closed: v2::TapeGetStateReply = Bench::speaking(2).ask(C::TapeGetState, &());
    assert_eq!(closed, v2::TapeGetStateReply { error: Error::DevNotOpen, ..Default::default() });
}

/// As the reference's conformance test demands: unknown behind BSF and a BSR over a mark, and nowhere else.
#[test]
fn before_version_4_blockno_is_unknown_only_behind_a_mark() {
    let is_unknown = |bench: &mut Bench| {
        let reply: v3::TapeGetStateReply = bench.ask(C::TapeGetState, &());
        let by_mask = reply.invalid & TAPE_STATE_BLOCKNO_UNS != 0;
        assert_eq!(by_mask, reply.blockno == u32::MAX);
        by_mask
    };
    let mut bench = with_tape(3);
    bench.world.next.push_back(Completion::Read(Ok(HostRead::Filemark)));
    let _: TapeReadReply = bench.ask(C::TapeRead, &TapeReadRequest { count: 9 });
    assert!(!is_unknown(&mut bench), "the read has crossed the mark");
    mtio(&mut bench, TapeMtioOp::Bsr, 2);
    assert!(!is_unknown(&mut bench), "no mark was crossed");
    mtio(&mut bench, TapeMtioOp::Bsf, 0);
    assert!(!is_unknown(&mut bench), "nothing has moved");
    let back = |bench: &mut Bench, tape_op, residual| {
        bench.world.next.push_back(Completion::Moved(Ok(residual)));
        mtio(bench, tape_op, 9);
    };
    for known_again in [TapeMtioOp::Fsf, TapeMtioOp::Fsr, TapeMtioOp::Rew, TapeMtioOp::Eof] {
        back(&mut bench, TapeMtioOp::Bsf, 0);
        assert!(is_unknown(&mut bench));
        mtio(&mut bench, TapeMtioOp::Bsr, 1);
        assert!(is_unknown(&mut bench), "within the file nothing is learnt");
        mtio(&mut bench, known_again, 1);
        assert!(!is_unknown(&mut bench), "{known_again:?}");
    }
    back(&mut bench, TapeMtioOp::Bsr, 4);
    assert!(is_unknown(&mut bench));
    let _: TapeReadReply = bench.ask(C::TapeRead, &TapeReadRequest { count: 9 });
    assert!(!is_unknown(&mut bench), "a read");
    back(&mut bench, TapeMtioOp::Bsf, 3);
    bench.world.drive.position = Position::default();
    assert!(!is_unknown(&mut bench), "at the beginning of the tape");
    let mut bench = with_tape(2);
    back(&mut bench, TapeMtioOp::Bsf, 0);
    let reply: v2::TapeGetStateReply = bench.ask(C::TapeGetState, &());
    assert_eq!(reply.blockno, u32::MAX, "version 2 has no mask");
}

/// ABIO sets neither a record size nor a window.
#[test]
fn before_version_4_nothing_has_to_be_set_before_a_connection() {
    for version in [2, 3] {
        let mut bench = with_tape(version);
        let deeds = bench
            .send(C::MoverListen, &MoverListenRequest { mode: MoverMode::Read, addr_type: AddrType::Tcp });
        assert_eq!(deeds.error(), Error::NoErr);
        let deeds = bench.event(Event::PeerConnected("192.0.2.7:4000".parse().unwrap()));
        let Did::Pumped(Start::Backup { record_bytes, window_left_bytes }) = deeds.0[0] else {
            panic!("{deeds:?}")
        };
        assert_eq!((record_bytes, window_left_bytes), (10_240, u64::MAX), "the reference's record size");
    }
    assert_eq!(listen(&mut with_tape(4), MoverMode::Read), Error::Precondition);
}

#[test]
fn before_version_4_the_window_is_set_until_the_peer_comes() {
    for (version, expected) in [(2, Error::NoErr), (3, Error::NoErr), (4, Error::IllegalState)] {
        let mut bench = with_tape(version);
        let size = MoverSetRecordSizeRequest { len: 512 };
        assert_eq!(bench.error(C::MoverSetRecordSize, &size), Error::NoErr);
        assert_eq!(
            window(&mut bench, 0, u64::MAX),
            Error::NoErr,
            "also in IDLE, as NetBackup and NetWorker do"
        );
        assert_eq!(listen(&mut bench, MoverMode::Read), Error::NoErr);
        assert_eq!(window(&mut bench, 0, 0), expected, "{version}");
        assert_eq!(window(&mut bench, 1024, 2048), expected, "{version}");
        let deeds = bench.event(Event::PeerConnected("192.0.2.7:4000".parse().unwrap()));
        let Did::Pumped(Start::Backup { window_left_bytes, .. }) = deeds.0[0] else { panic!("{deeds:?}") };
        assert_eq!(window_left_bytes, if version == 4 { u64::MAX } else { 2048 });
        assert_eq!(window(&mut bench, 0, 512), Error::IllegalState, "not any more");
    }
    let mut bench = with_tape(3);
    assert_eq!(listen(&mut bench, MoverMode::Write), Error::NoErr);
    assert_eq!(window(&mut bench, 100, 10_240), Error::IllegalArgs, "a recovery begins with a record");
}

#[test]
fn before_version_4_going_on_needs_no_new_window() {
    let pauses = [End::EndOfMedium, End::EndOfFile, End::WindowFull, End::OutsideWindow(99)];
    for (version, end) in ALL.into_iter().flat_map(|version| pauses.clone().map(|end| (version, end))) {
        let by_window = matches!(end, End::WindowFull | End::OutsideWindow(_));
        let mode = if matches!(end, End::OutsideWindow(_)) { MoverMode::Write } else { MoverMode::Read };
        let mut bench = connected(version, mode);
        bench.event(ended(end.clone()));
        let expected = if version == 4 && by_window { Error::Precondition } else { Error::NoErr };
        assert_eq!(bench.error(C::MoverContinue, &()), expected, "{version} {end:?}");
    }
}

#[test]
fn pauses_have_each_versions_reasons_and_the_state_agrees() {
    for (end, v2_reason, v3_reason) in [
        (End::EndOfMedium, 1, 1),
        (End::EndOfFile, 2, 2),
        (End::OutsideWindow(1 << 33), 3, 3),
        // Version 2 has no word for the end of the window.
        (End::WindowFull, 2, 5),
    ] {
        let mut bench = connected(2, MoverMode::Read);
        let post: v2::NotifyMoverPausedPost =
            bench.event(ended(end.clone())).post(C::NotifyMoverPaused).unwrap();
        assert_eq!(post.reason.code(), v2_reason, "{end:?}");
        let state: v2::MoverGetStateReply = bench.ask(C::MoverGetState, &());
        assert_eq!((state.state, state.pause_reason), (MoverState::Paused, post.reason));
        let mut bench = connected(3, MoverMode::Read);
        let post: v3::NotifyMoverPausedPost =
            bench.event(ended(end.clone())).post(C::NotifyMoverPaused).unwrap();
        assert_eq!(post.reason.code(), v3_reason, "{end:?}");
        let seek = if matches!(end, End::OutsideWindow(_)) { 1 << 33 } else { 0 };
        assert_eq!(post.seek_position.0, seek);
        let state: v3::MoverGetStateReply = bench.ask(C::MoverGetState, &());
        assert_eq!((state.state, state.pause_reason), (MoverState::Paused, post.reason));
    }
}

#[test]
fn halts_carry_a_text_before_version_4_and_no_reason_that_is_not_known() {
    for (end, v4_reason, older_reason) in [
        (End::PeerClosed, 1, 1),
        (End::Internal("a bug".into()), 3, 3),
        (End::ConnectionBroken("reset".into()), 4, 4),
        (End::Media("scratched".into()), 5, 3),
    ] {
        for version in [2, 3] {
            let mut bench = connected(version, MoverMode::Read);
            let deeds = bench.event(ended(end.clone()));
            let post: v3::NotifyMoverHaltedPost = deeds.post(C::NotifyMoverHalted).unwrap();
            assert_eq!(post.reason.code(), older_reason, "{version} {end:?}");
            assert!(!post.text_reason.is_empty());
            let halt_reason = if version == 2 {
                bench.ask::<v2::MoverGetStateReply>(C::MoverGetState, &()).halt_reason
            } else {
                bench.ask::<v3::MoverGetStateReply>(C::MoverGetState, &()).halt_reason
            };
            assert_eq!(halt_reason, post.reason, "as the notice said");
        }
        let mut bench = connected(4, MoverMode::Read);
        let post: NotifyMoverHaltedPost = bench.event(ended(end.clone())).post(C::NotifyMoverHalted).unwrap();
        assert_eq!(post.reason.code(), v4_reason);
    }
}

#[test]
fn log_lines_go_where_the_version_has_them() {
    let bogus = ScsiOpenRequest { device: "bogus".into() };
    let mut bench = Bench::speaking(3);
    let post: v3::LogMessagePost = bench.send(C::ScsiOpen, &bogus).post(C::LogMessage).unwrap();
    assert_eq!(post.log_type, LogType::Error);
    assert!(post.entry.to_lossy().contains("bogus"));
    let mut bench = Bench::speaking(2);
    let post: v2::LogLogPost = bench.send(C::ScsiOpen, &bogus).post(C::Other(0x600)).unwrap();
    assert!(post.entry.to_lossy().contains("bogus"));
    bench.open_tape(TapeOpenMode::Read);
    let deeds = bench.event(Event::Notice("vault is low".into()));
    let post: v2::LogLogPost = deeds.post(C::Other(0x600)).unwrap();
    assert_eq!(&*post.entry.to_lossy(), "vault is low");
}

#[test]
fn addresses_have_each_versions_form() {
    let offered = || {
        Completion::Listening(Ok(vec!["192.0.2.1:5000".parse().unwrap(), "192.0.2.2:5000".parse().unwrap()]))
    };
    let request = MoverListenRequest { mode: MoverMode::Read, addr_type: AddrType::Tcp };
    let mut bench = with_tape(3);
    bench.world.next.push_back(offered());
    let reply: v3::MoverListenReply = bench.ask(C::MoverListen, &request);
    let first = v3::TcpAddr { ip_addr: 0xc000_0201, port: 5000 };
    assert_eq!(reply.data_connection_addr, v3::Addr::Tcp(first.clone()), "the preferred one");
    let state: v3::MoverGetStateReply = bench.ask(C::MoverGetState, &());
    assert_eq!(state.data_connection_addr, v3::Addr::Local, "nobody is connected");
    bench.event(Event::PeerConnected("192.0.2.7:4000".parse().unwrap()));
    let state: v3::MoverGetStateReply = bench.ask(C::MoverGetState, &());
    let peer = v3::TcpAddr { ip_addr: 0xc000_0207, port: 4000 };
    assert_eq!(state.data_connection_addr, v3::Addr::Tcp(peer));
    let mut bench = with_tape(2);
    bench.world.next.push_back(offered());
    let reply: v2::MoverListenReply = bench.ask(C::MoverListen, &request);
    assert_eq!(reply.mover, v2::MoverAddr::Tcp(first));
    for version in ALL {
        for addr_type in [0, 2, 3, 123, 0x2051_0004] {
            let request = MoverListenRequest { mode: MoverMode::Read, addr_type: addr_type.into() };
            assert_eq!(with_tape(version).error(C::MoverListen, &request), Error::IllegalArgs, "{addr_type}");
        }
    }
}

#[test]
fn version_3_connects_to_one_address() {
    let request = |addr| v3::MoverConnectRequest { mode: MoverMode::Write, addr };
    let mut bench = with_tape(3);
    for refused in [
        v3::Addr::Local,
        v3::Addr::Fc(v3::FcAddr { loop_id: 1 }),
        v3::Addr::Ipc(IpcAddr::default()),
        v3::Addr::Tcp(v3::TcpAddr { ip_addr: 0, port: 0 }),
    ] {
        assert_eq!(bench.error(C::MoverConnect, &request(refused)), Error::IllegalArgs);
    }
    let addr = v3::Addr::Tcp(v3::TcpAddr { ip_addr: 0xc000_0201, port: 7000 });
    let deeds = bench.send(C::MoverConnect, &request(addr));
    let Did::Worked(Work::Connect(addresses)) = &deeds.0[0] else { panic!("{deeds:?}") };
    assert_eq!(addresses[..], ["192.0.2.1:7000".parse().unwrap()]);
    assert_eq!(deeds.error(), Error::NoErr);
}

/// Old DMAs open a bus and choose a target on it; here every device has its own name.
#[test]
fn a_target_is_the_device_itself() {
    let target = |device: &str, target_lun| v3::ScsiSetTargetRequest {
        device: device.into(),
        target_lun,
        ..Default::default()
    };
    let (set_target, reset_bus) = (C::Other(0x203), C::Other(0x205));
    for version in [2, 3] {
        let mut bench = Bench::speaking(version);
        assert_eq!(bench.error(set_target, &target("attic_robot", 0)), Error::DevNotOpen);
        assert_eq!(bench.error(reset_bus, &()), Error::DevNotOpen);
        let open = ScsiOpenRequest { device: "attic_robot".into() };
        assert_eq!(bench.error(C::ScsiOpen, &open), Error::NoErr);
        for (device, lun) in [("attic_robot", 0), ("attic_robot", 3), ("mc0", 0xffff)] {
            assert_eq!(bench.error(set_target, &target(device, lun)), Error::NoErr, "{device}");
        }
        for device in ["vault_robot", "bogus"] {
            let deeds = bench.send(set_target, &target(device, 0));
            assert_eq!(deeds.error(), Error::NoDevice, "{device}");
        }
        assert_eq!(bench.send(reset_bus, &()).order(), ["reset", "reply"], "its own nexus, no further");
        let mut stranger = Bench::stranger(facts());
        stranger.open_as(version);
        assert_eq!(stranger.error(set_target, &target("attic_robot", 0)), Error::NotAuthorized);
    }
}
