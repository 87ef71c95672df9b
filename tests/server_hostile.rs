//! The live server against peers that lie, dawdle, vanish or come in crowds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use support::dma::Dma;
use support::robot::{DRIVE, Robot, SLOT};
use support::{Site, loader, wait_for};
use tapesilo::ndmp::wire::*;

fn vault() -> Site {
    Site::start("", &loader("vault", "tapes = 2\ntape_capacity = \"8 MiB\"\ntape_family = \"VLT\""))
}

/// With the first tape in the first drive.
fn vault_with_loaded_drive() -> Site {
    let site = vault();
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    site
}

fn peer_of(dma: &Dma) -> String {
    dma.socket.local_addr().unwrap().to_string()
}

#[test]
fn streams_that_are_no_ndmp_are_hung_up_on_and_logged() {
    let site = vault_with_loaded_drive();
    let mut bystander = site.dma();
    assert_eq!(bystander.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    let streams: [(&[u8], bool); 5] = [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", false),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", false),
        (b"\xff\xff\xff\xff", false),
        (b"\xff\xff\xff\xff", true),
        (b"\x81\x00\x00\x00 16 MiB and more before login", false),
    ];
    for (bytes, after_login) in streams {
        let mut dma = if after_login { site.dma() } else { Dma::connect(site.address()) };
        dma.socket.write_all(bytes).unwrap();
        dma.expect_hangup();
        site.wait_for_log(&[&peer_of(&dma), "a record of at least"]);
        assert_eq!(bystander.write(bytes), Error::NoErr, "another session goes on");
    }
    assert_eq!(bystander.tape_state().blockno, 5);
}

#[test]
fn wrong_requests_are_answered_and_the_session_goes_on() {
    let site = vault();
    let mut dma = Dma::connect(site.address());
    assert_eq!(dma.try_login("backup", "wrong"), Error::NotAuthorized);
    site.wait_for_log(&[&peer_of(&dma), "login failed", "backup"]);
    dma.login("backup", "hunter2");
    for code in [0x0fff, 0x2070_0001, MessageCode::DataGetState.code()] {
        let sequence = dma.send(code.into(), &());
        assert_eq!(dma.reply_to(sequence).header.error_code, Error::NotSupported);
    }
    let sequence = dma.send(MessageCode::TapeOpen, &7_u32);
    assert_eq!(dma.reply_to(sequence).header.error_code, Error::XdrDecode);
    assert_eq!(dma.open_tape("bogus", TapeOpenMode::Read), Error::NoDevice);
    for _ in 0..3 {
        let log: LogMessagePost = dma.post(MessageCode::LogMessage);
        assert_eq!(log.log_type, LogType::Warning);
        assert!(log.entry.to_lossy().contains("is not served here"), "{}", log.entry);
    }
    let log: LogMessagePost = dma.post(MessageCode::LogMessage);
    assert!(log.entry.to_lossy().contains("TapeOpen"), "the undecodable one: {}", log.entry);
    let log: LogMessagePost = dma.post(MessageCode::LogMessage);
    assert!(log.entry.to_lossy().contains("vault_drive0, vault_drive1"), "{}", log.entry);
    assert!(!site.log().contains("hunter2") && !site.log().contains("wrong\""));
}

#[test]
fn a_message_cut_short_ends_its_session_only() {
    let site = vault();
    let mut dma = site.dma();
    let (bytes, _) =
        dma.request(MessageCode::TapeWrite, &TapeWriteRequest { data_out: vec![7; 4000].into() });
    dma.socket.write_all(&bytes[..1000]).unwrap();
    dma.socket.shutdown(Shutdown::Write).unwrap();
    dma.expect_hangup();
    site.wait_for_log(&[&peer_of(&dma), "ended within a message"]);
    site.dma();
}

#[test]
fn too_many_sessions_are_refused_with_a_reason() {
    let site = Site::start("max_sessions = 2", &loader("vault", ""));
    let first = site.dma();
    let _second = site.dma();
    let mut third = Dma::bare(site.address());
    let post: NotifyConnectionStatusPost = third.post(MessageCode::NotifyConnectionStatus);
    assert_eq!(post.reason, ConnectionStatusReason::Refused);
    assert!(post.text_reason.to_lossy().contains("server.max_sessions"));
    assert!(third.next().is_none(), "and then the end");
    drop(first);
    wait_for("free session", || {
        let mut dma = Dma::bare(site.address());
        let post: NotifyConnectionStatusPost = dma.post(MessageCode::NotifyConnectionStatus);
        (post.reason == ConnectionStatusReason::Connected).then_some(())
    });
}

#[test]
fn an_address_without_an_account_is_refused_with_a_reason() {
    let site = Site::start("", "allow = [\"192.0.2.0/24\"]\n[[loader]]\nname = \"vault\"\npath = \"v\"\n");
    let mut dma = Dma::bare(site.address());
    let post: NotifyConnectionStatusPost = dma.post(MessageCode::NotifyConnectionStatus);
    assert_eq!(post.reason, ConnectionStatusReason::Refused);
    assert!(post.text_reason.to_lossy().contains("no account"), "{}", post.text_reason);
    assert!(dma.next().is_none());
    site.wait_for_log(&[&peer_of(&dma), "refused"]);
}

#[test]
fn any_segmentation_and_fragmentation_is_one_request() {
    let site = vault();
    let mut dma = site.dma();
    let (bytes, sequence) = dma.request(MessageCode::MoverGetState, &());
    for byte in &bytes {
        dma.socket.write_all(&[*byte]).unwrap();
    }
    dma.reply_to(sequence);
    let (bytes, sequence) =
        dma.request(MessageCode::MoverSetRecordSize, &MoverSetRecordSizeRequest { len: 77 });
    let mut fragments = Vec::new();
    for byte in &bytes[4..] {
        fragments.extend([0, 0, 0, 1, *byte]);
    }
    fragments.extend([0x80, 0, 0, 0]);
    dma.socket.write_all(&fragments).unwrap();
    dma.reply_to(sequence);
    assert_eq!(dma.mover_state().record_size, 77);
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let site = vault_with_loaded_drive();
    let mut dma = site.dma();
    let mut bytes = Vec::new();
    let mut sequences = Vec::new();
    let mut add = |(request, sequence): (Vec<u8>, u32)| {
        bytes.extend(request);
        sequences.push(sequence);
    };
    let device = "vault_drive0";
    add(dma.request(
        MessageCode::TapeOpen,
        &TapeOpenRequest { device: device.into(), mode: TapeOpenMode::Rdwr },
    ));
    for n in 0..50_u8 {
        add(dma.request(MessageCode::TapeWrite, &TapeWriteRequest { data_out: vec![n; 3000].into() }));
        add(dma.request(MessageCode::MoverGetState, &()));
    }
    add(dma.request(MessageCode::TapeClose, &()));
    let mut socket = dma.socket.try_clone().unwrap();
    let sender = std::thread::spawn(move || socket.write_all(&bytes).unwrap());
    for sequence in sequences {
        assert_eq!(dma.reply_to(sequence).header.error_code, Error::NoErr);
    }
    sender.join().unwrap();
}

/// A login takes fewer than ten requests: who sends more without one is not served at its own speed.
#[test]
fn strangers_are_answered_slowly() {
    let site = vault();
    let mut dma = Dma::connect(site.address());
    let begun = Instant::now();
    let last = (0..100).map(|_| dma.send(MessageCode::MoverGetState, &())).last().unwrap();
    while dma.next().expect("an answer to each").header.reply_sequence != last {}
    assert!(begun.elapsed() >= Duration::from_millis(10 * (100 - 32)), "{:?}", begun.elapsed());
}

#[test]
fn round_trips_are_quick() {
    let site = vault();
    let mut dma = site.dma();
    let begun = Instant::now();
    for _ in 0..100 {
        dma.mover_state();
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(40 * 100 / 2), "Nagle's algorithm costs 40 ms a round: {took:?}");
}

/// How a DMA may leave.
fn leave(dma: Dma, way: usize) {
    match way {
        0 => drop(dma),
        1 => dma.reset(),
        _ => {
            let mut dma = dma;
            dma.send(MessageCode::ConnectClose, &());
            dma.expect_hangup();
        }
    }
}

#[test]
fn whoever_vanishes_frees_drive_and_robot_at_once() {
    let site = vault_with_loaded_drive();
    for way in 0..3 {
        for point in 0..5 {
            let mut dma = site.dma();
            assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr, "{way} {point}");
            assert_eq!(dma.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
            assert_eq!(dma.write(b"unterminated"), Error::NoErr);
            dma.record_size(512);
            dma.window(0, u64::MAX);
            let data = match point {
                0 => None,
                1 => {
                    let (bytes, _) = dma
                        .request(MessageCode::TapeWrite, &TapeWriteRequest { data_out: vec![7; 900].into() });
                    dma.socket.write_all(&bytes[..500]).unwrap();
                    None
                }
                2 => dma.listen(MoverMode::Read).ok().map(|_| None).unwrap(),
                3 => Some(TcpStream::connect(dma.listen(MoverMode::Read).unwrap()).unwrap()),
                _ => Some(TcpStream::connect(dma.listen(MoverMode::Write).unwrap()).unwrap()),
            };
            leave(dma, if point == 1 { way.min(1) } else { way });
            let mut next = site.dma();
            let opened = next.open_tape("vault_drive0", TapeOpenMode::Rdwr);
            assert_eq!(opened, Error::NoErr, "left in way {way} at point {point}");
            assert_eq!(next.tape_state().file_num, 1, "its data got a filemark");
            if let Some(mut data) = data {
                data.set_read_timeout(Some(support::PATIENCE)).unwrap();
                assert!(matches!(data.read(&mut [0]), Ok(0) | Err(_)), "the data connection ends with it");
            }
            assert_eq!(next.close_tape(), Error::NoErr);
        }
    }
    let mut robot = Robot::open(site.dma(), "vault_robot");
    assert_eq!(robot.execute(&[0x1e, 0, 0, 0, 1, 0], 0).status, 0, "PREVENT");
    robot.0.reset();
    Robot::open(site.dma(), "vault_robot").load(DRIVE, SLOT);
}

/// An address at which connecting hangs: a listener whose queue is full. Keep what is returned.
fn unanswering() -> (socket2::Socket, Vec<socket2::Socket>, u16) {
    let stream = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let listener = stream();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let fillers = (0..3).map(|_| {
        let filler = stream();
        filler.set_nonblocking(true).unwrap();
        let _ = filler.connect(&address);
        filler
    });
    let fillers = fillers.collect();
    (listener, fillers, address.as_socket().unwrap().port())
}

#[test]
fn whoever_vanishes_while_a_request_is_served_frees_the_drive_at_once() {
    let site = vault_with_loaded_drive();
    let (_listener, _fillers, port) = unanswering();
    for way in 0..2 {
        let mut dma = site.dma();
        assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
        dma.record_size(512);
        dma.window(0, u64::MAX);
        let address = TcpAddr { ip_addr: 0x7f00_0001, port, ..TcpAddr::default() };
        let request = MoverConnectRequest { mode: MoverMode::Read, addr: Addr::Tcp(vec![address].into()) };
        dma.send(MessageCode::MoverConnect, &request);
        // Time for the server to take the request, which cannot end for seconds.
        wait_for("the open drive", || {
            (site.json(&["status"])["loaders"][0]["drives"][0]["in_use_by"].is_u64()).then_some(())
        });
        leave(dma, way);
        let mut next = site.dma();
        assert_eq!(next.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr, "{way}");
        assert_eq!(next.close_tape(), Error::NoErr);
    }
}

#[test]
fn sessions_that_never_close_anything_leave_nothing_behind() {
    let site = vault_with_loaded_drive();
    let before = site.descriptors();
    for _ in 0..100 {
        // A probe that says nothing, a robot never closed, a mover left listening.
        drop(Dma::bare(site.address()));
        drop(Robot::open(site.dma(), "vault_robot"));
        let mut dma = site.dma();
        assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
        dma.record_size(512);
        dma.window(0, u64::MAX);
        assert!(dma.listen(MoverMode::Read).is_ok());
    }
    wait_for("the old number of descriptors", || (site.descriptors() <= before).then_some(()));
}

#[test]
fn a_drive_in_use_is_told_with_its_holder_and_cannot_be_emptied() {
    let site = vault_with_loaded_drive();
    let mut holder = site.dma();
    assert_eq!(holder.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    let mut other = site.dma();
    assert_eq!(other.open_tape("vault_drive0", TapeOpenMode::Read), Error::DeviceBusy);
    let log: LogMessagePost = other.post(MessageCode::LogMessage);
    assert!(log.entry.to_lossy().contains(&peer_of(&holder)), "{}", log.entry);
    let mut robot = Robot::open(site.dma(), "vault_robot");
    assert_eq!(robot.try_move(DRIVE, SLOT).status, 2, "CHECK CONDITION");
    assert_eq!(holder.write(b"still there"), Error::NoErr);
}

#[test]
fn a_peer_that_reads_nothing_does_not_delay_the_end() {
    let mut site = vault();
    let mut deaf = Dma::connect(site.address());
    let (request, _) = deaf.request(MessageCode::ConfigGetServerInfo, &());
    deaf.socket.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let requests = request.repeat(1000);
    while deaf.socket.write_all(&requests).is_ok() {}
    let begun = Instant::now();
    site.terminate();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn the_end_is_announced_and_frees_everything() {
    let mut site = vault_with_loaded_drive();
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(dma.write(b"not closed"), Error::NoErr);
    site.terminate();
    let post: NotifyConnectionStatusPost = dma.post(MessageCode::NotifyConnectionStatus);
    assert_eq!(post.reason, ConnectionStatusReason::Shutdown);
    assert!(dma.next().is_none());
    site.start_again();
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Read), Error::NoErr);
    assert_eq!(dma.read(100).unwrap(), b"not closed");
    assert_eq!(dma.read(100), Err(Error::Eof), "the implicit filemark");
}
