//! The initiator against a scripted target on 127.0.0.1: what it bounds, refuses and never sends twice.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::pdu::{DATA_IN, FINAL, Header, LOGIN_RESPONSE, NO_TAG, NOP_IN, READY_TO_TRANSFER, RESPONSE};
use super::*;
use crate::physical::limit::Over;

/// The target's end of a connection.
struct Peer(TcpStream);

impl Peer {
    fn receive(&mut self) -> (Header, Vec<u8>) {
        let mut header = Header([0; 48]);
        self.0.read_exact(&mut header.0).unwrap();
        let mut data = vec![0; header.data_bytes().next_multiple_of(4)];
        self.0.read_exact(&mut data).unwrap();
        data.truncate(header.data_bytes());
        (header, data)
    }

    fn send(&mut self, mut header: Header, data: &[u8]) {
        header.set_data_bytes(data.len());
        header.set::<32>(1000);
        let padding = vec![0; data.len().next_multiple_of(4) - data.len()];
        self.0.write_all(&[&header.0[..], data, &padding].concat()).unwrap();
    }

    /// Admits whoever logs in, with these keys in the operational stage.
    fn admit(&mut self, keys: &str) {
        for (flags, text) in [(0x81, ""), (0x87, keys)] {
            let (asked, _) = self.receive();
            assert_eq!(asked.opcode(), super::pdu::LOGIN);
            let mut answer = Header::new(LOGIN_RESPONSE, flags);
            answer.set::<16>(asked.tag());
            self.send(answer, text.as_bytes());
        }
    }

    /// The next command's tag and what came with it.
    fn command(&mut self) -> (u32, Vec<u8>) {
        loop {
            let (header, data) = self.receive();
            if header.opcode() == super::pdu::COMMAND {
                return (header.tag(), data);
            }
        }
    }

    fn respond(&mut self, tag: u32, status: u8, sense: &[u8]) {
        let mut header = Header::new(RESPONSE, FINAL);
        header.0[3] = status;
        header.set::<16>(tag);
        let length = u16::try_from(sense.len()).unwrap().to_be_bytes();
        let data = if sense.is_empty() { Vec::new() } else { [&length[..], sense].concat() };
        self.send(header, &data);
    }
}

/// A target that does as `play` says on its one connection.
fn target(play: impl FnOnce(&mut Peer) + Send + 'static) -> (Target, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target {
        portal: listener.local_addr().unwrap().to_string(),
        name: "iqn.test:it".into(),
        initiator: "iqn.test:me".into(),
        chap: None,
        digests: false,
    };
    let thread = std::thread::spawn(move || {
        let mut peer = Peer(listener.accept().unwrap().0);
        play(&mut peer);
        // Until the initiator goes.
        let _ = peer.0.read_to_end(&mut Vec::new());
    });
    (target, thread)
}

fn limit() -> Limit {
    Limit::new(&Cancel::new(), Duration::from_secs(10))
}

fn connect(target: &Target) -> IscsiTransport {
    IscsiTransport::connect(target, [0, 1, 0, 0, 0, 0, 0, 0], &limit()).unwrap()
}

const READY: [u8; 6] = [0; 6];
const KEYS: &str = "MaxRecvDataSegmentLength=1000\0ImmediateData=Yes\0FirstBurstLength=1500\0";

#[test]
fn data_go_out_as_the_target_asks_for_them() {
    let (target, thread) = target(|peer| {
        peer.admit(KEYS);
        let (tag, mut came) = peer.command();
        assert_eq!(came.len(), 1000);
        // A ping in the middle is answered.
        let mut ping = Header::new(NOP_IN, FINAL);
        ping.set::<16>(NO_TAG);
        ping.set::<20>(77);
        peer.send(ping, &[]);
        for (start, length) in [(1000u32, 2200u32), (3200, 800)] {
            let mut ready = Header::new(READY_TO_TRANSFER, FINAL);
            ready.set::<16>(tag);
            ready.set::<20>(5);
            ready.set::<40>(start);
            ready.set::<44>(length);
            peer.send(ready, &[]);
            while came.len() < usize::try_from(start + length).unwrap() {
                let (header, data) = peer.receive();
                if header.opcode() == super::pdu::NOP_OUT {
                    assert_eq!(header.get::<20>(), 77);
                    continue;
                }
                assert_eq!(usize::try_from(header.get::<40>()).unwrap(), came.len());
                assert!(data.len() <= 1000);
                came.extend(data);
            }
        }
        assert!(came.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251));
        peer.respond(tag, 2, &[0x70, 0, 5]);
    });
    let mut transport = connect(&target);
    let data: Vec<u8> = (0..4000usize).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let answer = transport.execute(&READY, Data::Out(&data), &limit()).unwrap();
    assert_eq!(
        (answer.status, answer.transferred_bytes, answer.sense.as_slice()),
        (2, 4000, &[0x70, 0, 5][..])
    );
    drop(transport);
    thread.join().unwrap();
}

#[test]
fn pings_are_answered_while_there_is_no_command() {
    let (target, thread) = target(|peer| {
        peer.admit("");
        let mut ping = Header::new(NOP_IN, FINAL);
        ping.set::<16>(NO_TAG);
        ping.set::<20>(5);
        peer.send(ping, &[]);
        let (pong, _) = peer.receive();
        assert_eq!((pong.opcode(), pong.get::<20>()), (super::pdu::NOP_OUT, 5));
        let (tag, _) = peer.command();
        peer.respond(tag, 0, &[]);
    });
    let mut transport = connect(&target);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(transport.execute(&READY, Data::None, &limit()).unwrap().status, 0);
    drop(transport);
    thread.join().unwrap();
}

/// What the initiator makes of a target that answers a read of 100 bytes like this.
fn read_from(play: impl FnOnce(&mut Peer, u32) + Send + 'static) -> Result<Answer, TransportError> {
    let (target, thread) = target(|peer| {
        peer.admit("");
        let (tag, _) = peer.command();
        play(peer, tag);
    });
    let mut transport = connect(&target);
    let result = transport.execute(&READY, Data::In(&mut [0; 100]), &limit());
    if result.is_err() {
        let again = transport.execute(&READY, Data::None, &limit());
        assert!(matches!(again, Err(TransportError::Lost { .. })), "used after {result:?}");
    }
    drop(transport);
    thread.join().unwrap();
    result
}

fn data_in(tag: u32, offset: u32, flags: u8) -> Header {
    let mut header = Header::new(DATA_IN, flags);
    header.set::<16>(tag);
    header.set::<40>(offset);
    header
}

#[test]
fn data_come_in_where_there_is_room_for_them_and_nowhere_else() {
    let fine = read_from(|peer, tag| {
        peer.send(data_in(tag, 0, 0), &[1; 61]);
        let mut last = data_in(tag, 61, FINAL | 0x03);
        last.set::<44>(20);
        peer.send(last, &[2; 19]);
    });
    let fine = fine.unwrap();
    assert_eq!((fine.transferred_bytes, fine.residual_bytes, fine.status), (80, 20, 0));
    for (offset, length) in [(0, 101), (100, 1), (u32::MAX, 8), (8, 8)] {
        let result = read_from(move |peer, tag| peer.send(data_in(tag, offset, FINAL), &vec![1; length]));
        assert!(matches!(result, Err(TransportError::Protocol { .. })), "{offset} {length}: {result:?}");
    }
}

#[test]
fn a_target_that_breaks_the_protocol_is_left() {
    let plays: [fn(&mut Peer, u32); 5] = [
        |peer, tag| {
            // A data segment of 16 MiB is announced; nobody waits for it or makes room.
            let mut header = data_in(tag, 0, 0);
            header.0[5..8].fill(0xff);
            peer.0.write_all(&header.0).unwrap();
        },
        |peer, tag| {
            let mut ready = Header::new(READY_TO_TRANSFER, FINAL);
            ready.set::<16>(tag);
            ready.set::<44>(8);
            peer.send(ready, &[]);
        },
        |peer, tag| peer.respond(tag.wrapping_add(1), 0, &[]),
        |peer, _| peer.send(Header::new(super::pdu::REJECT, FINAL), &[0; 48]),
        |peer, tag| {
            let mut header = Header::new(RESPONSE, FINAL | 2);
            header.set::<16>(tag);
            header.set::<44>(101);
            peer.send(header, &[]);
        },
    ];
    for (number, play) in plays.into_iter().enumerate() {
        let result = read_from(play);
        assert!(matches!(result, Err(TransportError::Protocol { .. })), "{number}: {result:?}");
    }
    let closed = read_from(|peer, _| peer.0.shutdown(std::net::Shutdown::Both).unwrap());
    assert!(matches!(closed, Err(TransportError::Lost { .. })), "{closed:?}");
}

#[test]
fn who_does_not_answer_is_not_waited_for() {
    let (target, thread) = target(|peer| {
        peer.admit("");
        peer.command();
    });
    let mut transport = connect(&target);
    let (started, cancel) = (Instant::now(), Cancel::new());
    let short = Limit::new(&cancel, Duration::from_millis(500));
    let over = |over, was_sent| Err(TransportError::Over { over, was_sent });
    assert_eq!(transport.execute(&READY, Data::None, &short), over(Over::TimedOut, true));
    assert!(started.elapsed() < Duration::from_secs(3));
    cancel.raise();
    let called_off = Limit::new(&cancel, Duration::from_secs(9));
    assert_eq!(transport.execute(&READY, Data::None, &called_off), over(Over::Cancelled, false));
    drop(transport);
    thread.join().unwrap();
}

#[test]
fn a_login_that_is_refused_says_why() {
    for (class, detail, words) in [(1, 1, "moved"), (2, 1, "CHAP"), (2, 3, "no target"), (3, 1, "0301h")] {
        let (target, thread) = target(move |peer| {
            peer.receive();
            let mut answer = Header::new(LOGIN_RESPONSE, 0);
            (answer.0[36], answer.0[37]) = (class, detail);
            peer.send(answer, &[]);
        });
        let Err(TransportError::Refused { reason }) = IscsiTransport::connect(&target, [0; 8], &limit())
        else {
            panic!("admitted")
        };
        assert!(reason.contains(words), "{reason}");
        thread.join().unwrap();
    }
}

#[test]
fn a_login_comes_to_an_end_whatever_the_target_says() {
    let (target, thread) = target(|peer| {
        for _ in 0..12 {
            peer.receive();
            // Never on to the next stage; and always more text to come.
            peer.send(Header::new(LOGIN_RESPONSE, 0x40), b"X-a=b\0");
        }
    });
    let result = IscsiTransport::connect(&target, [0; 8], &limit());
    assert!(matches!(result, Err(TransportError::Protocol { .. })), "{result:?}");
    thread.join().unwrap();
}

#[test]
fn the_list_of_logical_units_is_no_longer_than_it_is() {
    let mut data = vec![0, 0, 0, 16, 0, 0, 0, 0];
    data.extend([0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0]);
    assert_eq!(luns(&data), [[0, 1, 0, 0, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0, 0, 0]]);
    data[..4].fill(0xff);
    assert_eq!(luns(&data).len(), 2);
    assert!(luns(&data[..7]).is_empty());
}
