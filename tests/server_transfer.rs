//! Data through the live server: large records, the mover's connections, a stream over two tapes and back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::dma::Dma;
use support::robot::{DRIVE, Robot, SLOT};
use support::{PATIENCE, Site, loader, wait_for};
use tapesilo::ndmp::wire::*;

const RECORD: u32 = 65_536;

fn site(server: &str, capacity: &str) -> Site {
    let more = format!("tapes = 2\ntape_capacity = \"{capacity}\"\ntape_family = \"VLT\"");
    let site = Site::start(server, &loader("vault", &more));
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    site
}

/// A DMA with the drive open, record size and window set.
fn ready(site: &Site) -> Dma {
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    dma.record_size(RECORD);
    dma.window(0, u64::MAX);
    dma
}

/// Bytes that are nowhere alike.
fn stream(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

fn data_connection(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A data server that sends the bytes and ends.
fn sender(address: SocketAddr, bytes: &[u8]) -> JoinHandle<()> {
    let (mut socket, bytes) = (data_connection(address), bytes.to_vec());
    std::thread::spawn(move || {
        socket.write_all(&bytes).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(socket.read(&mut [0]).unwrap(), 0, "the mover says nothing in a backup");
    })
}

/// A data server that takes so many bytes.
fn receiver(address: SocketAddr, length: usize) -> JoinHandle<Vec<u8>> {
    let mut socket = data_connection(address);
    std::thread::spawn(move || {
        let mut bytes = vec![0; length];
        socket.read_exact(&mut bytes).unwrap();
        assert_eq!(socket.read(&mut [0]).unwrap(), 0, "and no byte more");
        bytes
    })
}

fn paused(dma: &mut Dma) -> MoverPauseReason {
    dma.post::<NotifyMoverPausedPost>(MessageCode::NotifyMoverPaused).reason
}

fn halted(dma: &mut Dma) -> MoverHaltReason {
    dma.post::<NotifyMoverHaltedPost>(MessageCode::NotifyMoverHalted).reason
}

#[test]
fn large_records_go_out_and_come_back() {
    let site = site("", "64 MiB");
    let mut dma = ready(&site);
    let records = [stream(1 << 20), stream((1 << 24) - 1), vec![5]];
    for record in &records {
        assert_eq!(dma.write(record), Error::NoErr);
    }
    dma.mtio(TapeMtioOp::Rew, 1);
    for record in &records {
        assert!(dma.read(0xff_ffff).unwrap() == *record, "{} bytes", record.len());
    }
    assert_eq!(dma.mtio(TapeMtioOp::Bsr, 2).resid_count, 0);
    dma.send(MessageCode::TapeRead, &TapeReadRequest { count: 0xff_ffff });
    let mut total = 0;
    loop {
        let mut mark = [0; 4];
        dma.socket.read_exact(&mut mark).unwrap();
        let mark = u32::from_be_bytes(mark);
        let length = mark & 0x7fff_ffff;
        assert!(length < 1 << 24, "the reference masks lengths to 24 bits");
        dma.socket.read_exact(&mut vec![0; usize::try_from(length).unwrap()]).unwrap();
        total += length;
        if mark != length {
            break;
        }
    }
    assert!(total > (1 << 24) - 1);
}

#[test]
fn a_stream_goes_over_two_tapes_and_comes_back() {
    let site = site("", "1 MiB");
    let bytes = stream(1_200_001);
    let mut robot = Robot::open(site.dma(), "vault_robot");
    let mut dma = ready(&site);

    let address = dma.listen(MoverMode::Read).unwrap();
    let sent = sender(address, &bytes);
    assert_eq!(paused(&mut dma), MoverPauseReason::Eom);
    let on_first = u64::from(dma.mover_state().record_num);
    assert!((8..16).contains(&on_first), "{on_first} records on the first tape");
    let second_begins = on_first * u64::from(RECORD);
    change(&mut dma, &mut robot, TapeOpenMode::Rdwr, second_begins);
    assert_eq!(dma.steer(MessageCode::MoverContinue), Error::NoErr);
    assert_eq!(halted(&mut dma), MoverHaltReason::ConnectClosed);
    let state = dma.mover_state();
    let records = u64::try_from(bytes.len()).unwrap().div_ceil(u64::from(RECORD));
    assert_eq!(usize::try_from(state.bytes_moved.0).unwrap(), bytes.len(), "without padding");
    assert_eq!(u64::from(state.record_num), records, "over both tapes");
    assert_eq!(dma.steer(MessageCode::MoverStop), Error::NoErr);
    assert_eq!(dma.close_tape(), Error::NoErr);
    sent.join().unwrap();
    robot.load(DRIVE, SLOT + 1);
    robot.load(SLOT, DRIVE);

    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Read), Error::NoErr);
    dma.window(0, u64::MAX);
    let address = dma.listen(MoverMode::Write).unwrap();
    let received = receiver(address, bytes.len());
    wait_for("data connection", || (dma.mover_state().state == MoverState::Active).then_some(()));
    assert_eq!(dma.mover_read(0, bytes.len() as u64), Error::NoErr);
    assert_eq!(paused(&mut dma), MoverPauseReason::Eof, "the mark that the close wrote");
    change(&mut dma, &mut robot, TapeOpenMode::Read, second_begins);
    assert_eq!(dma.steer(MessageCode::MoverContinue), Error::NoErr);
    wait_for("all bytes delivered", || (dma.mover_state().bytes_left_to_read.0 == 0).then_some(()));
    assert_eq!(dma.steer(MessageCode::MoverClose), Error::NoErr);
    assert_eq!(halted(&mut dma), MoverHaltReason::ConnectClosed);
    assert!(received.join().unwrap() == bytes, "byte for byte");
}

/// The second tape instead of the first, as DMAs do it in a pause.
fn change(dma: &mut Dma, robot: &mut Robot, mode: TapeOpenMode, offset: u64) {
    assert_eq!(dma.close_tape(), Error::NoErr);
    assert_eq!(dma.steer(MessageCode::MoverContinue), Error::DevNotOpen, "not without a tape");
    robot.load(DRIVE, SLOT);
    robot.load(SLOT + 1, DRIVE);
    assert_eq!(dma.open_tape("vault_drive0", mode), Error::NoErr);
    assert_eq!(dma.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
    dma.window(offset, u64::MAX);
}

#[test]
fn any_range_is_delivered_forwards_and_backwards() {
    let site = site("", "8 MiB");
    let bytes = stream(500_000);
    let mut dma = ready(&site);
    let sent = sender(dma.listen(MoverMode::Read).unwrap(), &bytes);
    assert_eq!(halted(&mut dma), MoverHaltReason::ConnectClosed);
    sent.join().unwrap();
    assert_eq!(dma.steer(MessageCode::MoverStop), Error::NoErr);
    assert_eq!(dma.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
    dma.window(0, u64::MAX);
    let mut data = data_connection(dma.listen(MoverMode::Write).unwrap());
    wait_for("data connection", || (dma.mover_state().state == MoverState::Active).then_some(()));
    for (offset, length) in [(400_000, 1000), (0, 10), (10, 200_000), (65_535, 2), (1, 1), (499_999, 1)] {
        // The one before is over when its bytes are there and the mover has said so.
        wait_for("end of the range before", || (dma.mover_state().bytes_left_to_read.0 == 0).then_some(()));
        let asked = wait_for("a free mover", || match dma.mover_read(offset as u64, length as u64) {
            Error::ReadInProgress => None,
            error => Some(error),
        });
        assert_eq!(asked, Error::NoErr);
        let mut range = vec![0; length];
        data.read_exact(&mut range).unwrap();
        assert!(range == bytes[offset..offset + length], "{length} bytes at {offset}");
    }
    let begun = Instant::now();
    drop(data);
    assert_eq!(halted(&mut dma), MoverHaltReason::ConnectClosed, "although nothing is being read");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_busy_mover_answers_and_is_aborted() {
    let site = site("", "8 MiB");
    let mut dma = ready(&site);
    let mut data = data_connection(dma.listen(MoverMode::Read).unwrap());
    data.write_all(&stream(200_000)).unwrap();
    let state = wait_for("three records", || {
        let state = dma.mover_state();
        (state.record_num == 3).then_some(state)
    });
    assert_eq!(state.state, MoverState::Active);
    assert_eq!(dma.write(b"x"), Error::DeviceBusy);
    assert_eq!(dma.close_tape(), Error::DeviceBusy);
    assert_eq!(dma.tape_state().blockno, 3, "live");
    assert_eq!(dma.steer(MessageCode::MoverAbort), Error::NoErr);
    assert_eq!(halted(&mut dma), MoverHaltReason::Aborted);
    assert!(matches!(data.read(&mut [0]), Ok(0) | Err(_)), "the connection has ended");
    assert_eq!(dma.close_tape(), Error::NoErr, "the drive is the DMA's again");
}

#[test]
fn a_data_server_that_takes_nothing_does_not_hold_the_drive() {
    let site = site("", "64 MiB");
    let mut dma = ready(&site);
    let block = stream(1 << 20);
    for _ in 0..20 {
        assert_eq!(dma.write(&block), Error::NoErr);
    }
    assert_eq!(dma.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
    dma.record_size(1 << 20);
    dma.window(0, u64::MAX);
    let _deaf = data_connection(dma.listen(MoverMode::Write).unwrap());
    wait_for("data connection", || (dma.mover_state().state == MoverState::Active).then_some(()));
    assert_eq!(dma.mover_read(0, u64::MAX), Error::NoErr);
    wait_for("a first record", || (dma.mover_state().bytes_moved.0 > 0).then_some(()));
    assert_eq!(dma.steer(MessageCode::MoverAbort), Error::NoErr);
    assert_eq!(halted(&mut dma), MoverHaltReason::Aborted);
    assert_eq!(dma.close_tape(), Error::NoErr);
}

#[test]
fn a_data_connection_that_breaks_is_told_as_such() {
    let site = site("", "8 MiB");
    let mut dma = ready(&site);
    let mut data = data_connection(dma.listen(MoverMode::Read).unwrap());
    data.write_all(&[7; 100]).unwrap();
    wait_for("data connection", || (dma.mover_state().state == MoverState::Active).then_some(()));
    socket2::SockRef::from(&data).set_linger(Some(Duration::ZERO)).unwrap();
    drop(data);
    assert_eq!(halted(&mut dma), MoverHaltReason::ConnectError);
    assert_eq!(dma.mover_state().halt_reason, MoverHaltReason::ConnectError);
}

fn connect(dma: &mut Dma, mode: MoverMode, ports: &[u16]) -> Error {
    let address = |&port: &u16| TcpAddr { ip_addr: 0x7f00_0001, port, ..TcpAddr::default() };
    let request = MoverConnectRequest { mode, addr: Addr::Tcp(ports.iter().map(address).collect()) };
    dma.ask::<MoverConnectReply>(MessageCode::MoverConnect, &request).error
}

#[test]
fn the_mover_connects_to_the_first_address_that_answers() {
    let site = site("", "8 MiB");
    let mut dma = ready(&site);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(connect(&mut dma, MoverMode::Read, &[closed]), Error::Connect);
    assert_eq!(dma.mover_state().state, MoverState::Idle);
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = open.local_addr().unwrap().port();
    assert_eq!(connect(&mut dma, MoverMode::Read, &[closed, port]), Error::NoErr);
    let (mut data, _) = open.accept().unwrap();
    let Addr::Tcp(list) = dma.mover_state().data_connection_addr else { panic!("an address") };
    assert_eq!((list.len(), list[0].port), (1, port));
    data.write_all(b"a short stream").unwrap();
    drop(data);
    assert_eq!(halted(&mut dma), MoverHaltReason::ConnectClosed);
    assert_eq!(dma.mover_state().bytes_moved.0, 14);
    assert_eq!(dma.tape_state().blockno, 1, "one padded record");
}

#[test]
fn data_connections_use_the_configured_ports_and_say_when_there_is_none() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let site = site(&format!("data_ports = \"{port}-{port}\""), "8 MiB");
    let mut dma = ready(&site);
    assert_eq!(dma.listen(MoverMode::Read), Err(Error::Connect));
    let log: LogMessagePost = dma.post(MessageCode::LogMessage);
    assert!(log.entry.to_lossy().contains("widen server.data_ports"), "{}", log.entry);
    assert_eq!(dma.mover_state().state, MoverState::Idle);
    drop(taken);
    for _ in 0..3 {
        let address = wait_for("free port", || dma.listen(MoverMode::Read).ok());
        assert_eq!(address, SocketAddr::from(([127, 0, 0, 1], port)));
        let data = data_connection(address);
        wait_for("data connection", || (dma.mover_state().state == MoverState::Active).then_some(()));
        assert!(TcpStream::connect(address).is_err(), "one peer, then the door is shut");
        drop(data);
        assert_eq!(halted(&mut dma), MoverHaltReason::ConnectClosed);
        assert_eq!(dma.steer(MessageCode::MoverStop), Error::NoErr);
    }
}

/// Control and data connection over IPv6, as ONTAP and Bareos ask for it. A host without IPv6 cannot show it.
#[test]
fn a_backup_goes_over_ipv6() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("not shown: this host has no IPv6");
        return;
    }
    let more = "tapes = 1\ntape_capacity = \"2 MiB\"\ntape_family = \"VLT\"";
    let mut site = Site::start("", &loader("vault", more));
    site.terminate();
    let config = std::fs::read_to_string(site.path("t.toml")).unwrap();
    std::fs::write(site.path("t.toml"), config.replace("127.0.0.1:0", "[::1]:0")).unwrap();
    site.start_again();
    assert!(site.address().is_ipv6());
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    let mut dma = ready(&site);
    assert_eq!(dma.listen(MoverMode::Read), Err(Error::Connect), "no IPv4 address is configured");

    let offered: ConfigGetExtListReply = dma.ask(MessageCode::ConfigGetExtList, &());
    assert!(offered.class_list.iter().any(|class| class.class_id == 0x2051));
    let chosen = vec![ClassVersion { class_id: 0x2051, class_version: 1 }].into();
    let reply: ConfigSetExtListReply =
        dma.ask(MessageCode::ConfigSetExtList, &ConfigSetExtListRequest { selected_ext: chosen });
    assert_eq!(reply.error, Error::NoErr);
    let request = MoverListenRequest { mode: MoverMode::Read, addr_type: AddrType::TcpIpv6 };
    let reply: MoverListenReply = dma.ask(MessageCode::MoverListen, &request);
    let Addr::TcpIpv6(list) = &reply.connect_addr else { panic!("{reply:?}") };
    let address = SocketAddr::from((list[0].ip_addr, list[0].port));
    assert_eq!(address.ip(), site.address().ip(), "the control connection's own");
    let bytes = stream(300_000);
    let sent = sender(address, &bytes);
    assert_eq!(halted(&mut dma), MoverHaltReason::ConnectClosed);
    sent.join().unwrap();
    let state = dma.mover_state();
    assert_eq!(usize::try_from(state.bytes_moved.0).unwrap(), bytes.len());
    let Addr::TcpIpv6(peer) = &state.data_connection_addr else { panic!("{state:?}") };
    assert_eq!(peer[0].ip_addr, list[0].ip_addr);
}
