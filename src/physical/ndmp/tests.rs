//! The client against a scripted server: what it says at each step, what it makes of each answer, and what it never does.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::BytesMut;

use super::cdb::{CdbTransport, Device, OpenError};
use super::login::log_in;
use super::tape::MessageDrive;
use super::*;
use crate::ndmp::digest::md5_digest;
use crate::ndmp::framing::{self, Decoder};
use crate::ndmp::wire::*;
use crate::ndmp::xdr::Wire;
use crate::physical::drive::{PhysicalDrive, Room};
use crate::physical::fault::FaultKind;
use crate::physical::limit::{Cancel, Limit};
use crate::physical::transport::{Data, Transport, TransportError};
use crate::vtl::tape_drive::ReadRecord;

/// One connection, from the server's end.
struct Peer {
    socket: TcpStream,
    input: BytesMut,
    decoder: Decoder,
    sequence: u32,
}

impl Peer {
    fn accept(listener: &TcpListener) -> Peer {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Peer { socket, input: BytesMut::new(), decoder: Decoder::new(1 << 25), sequence: 0 }
    }

    /// The next request; none when the client has hung up.
    fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(record) = self.decoder.decode(&mut self.input).unwrap() {
                return Some(Message::split(record).unwrap());
            }
            let mut bytes = [0; 4096];
            let count = self.socket.read(&mut bytes).unwrap_or(0);
            if count == 0 {
                return None;
            }
            self.input.extend_from_slice(&bytes[..count]);
        }
    }

    fn send(&mut self, header: Header, body: &impl Wire) {
        self.sequence += 1;
        let header = Header { sequence: self.sequence, ..header };
        let _ = self.socket.write_all(&framing::encode(&header, body).unwrap().to_bytes());
    }

    fn post(&mut self, message_code: MessageCode, body: &impl Wire) {
        self.send(Header { message_code, ..Header::default() }, body);
    }

    fn reply(&mut self, to: &Message, body: &impl Wire) {
        self.send(reply_header(to), body);
    }

    fn greet(&mut self, protocol_version: u16) {
        let reason = ConnectionStatusReason::Connected;
        let post = NotifyConnectionStatusPost { reason, protocol_version, text_reason: "".into() };
        self.post(MessageCode::NotifyConnectionStatus, &post);
    }

    /// Takes the next request, which must be this one.
    #[track_caller]
    fn expect(&mut self, code: MessageCode) -> Message {
        let message = self.next().expect("a request, not the end");
        assert_eq!(message.header.message_code, code);
        message
    }

    /// As a server of version 4 that offers MD5, up to the login's end.
    fn log_in(&mut self) {
        self.greet(4);
        let open = self.expect(MessageCode::ConnectOpen);
        self.reply(&open, &ConnectOpenReply { error: Error::NoErr });
        let info = self.expect(MessageCode::ConfigGetServerInfo);
        self.reply(&info, &offers(&[AuthType::Text, AuthType::Md5]));
        let challenge = self.expect(MessageCode::ConfigGetAuthAttr);
        let server_attr = AuthAttr::Md5([7; 64]);
        self.reply(&challenge, &ConfigGetAuthAttrReply { error: Error::NoErr, server_attr });
        let proof = self.expect(MessageCode::ConnectClientAuth);
        let AuthData::Md5(proof_md5) = proof.decode::<ConnectClientAuthRequest>().unwrap().auth_data else {
            panic!("MD5 was offered")
        };
        assert_eq!(proof_md5.auth_digest, md5_digest(b"secret", &[7; 64]));
        self.reply(&proof, &ConnectClientAuthReply { error: Error::NoErr });
    }

    /// As a server without CDBs for drives, up to a tape at its beginning, with records of at most 64 KiB.
    fn load(&mut self) {
        self.log_in();
        let open = self.expect(MessageCode::TapeOpen);
        self.reply(&open, &TapeOpenReply { error: Error::NoErr });
        self.rewind();
        loop {
            let read = self.expect(MessageCode::TapeRead);
            let count = read.decode::<TapeReadRequest>().unwrap().count;
            let error = if count > 65_536 { Error::IllegalArgs } else { Error::Eom };
            self.reply(&read, &TapeReadReply { error, ..TapeReadReply::default() });
            if error == Error::Eom {
                break;
            }
        }
        self.rewind();
    }

    fn rewind(&mut self) {
        self.moves(TapeMtioOp::Rew, 1, Error::NoErr, 0);
        self.tells(0, 0);
    }

    #[track_caller]
    fn moves(&mut self, tape_op: TapeMtioOp, count: u32, error: Error, resid_count: u32) {
        let motion = self.expect(MessageCode::TapeMtio);
        assert_eq!(motion.decode::<TapeMtioRequest>().unwrap(), TapeMtioRequest { tape_op, count });
        self.reply(&motion, &TapeMtioReply { error, resid_count });
    }

    #[track_caller]
    fn tells(&mut self, file_num: u32, blockno: u32) {
        let question = self.expect(MessageCode::TapeGetState);
        self.reply(&question, &TapeGetStateReply { file_num, blockno, ..TapeGetStateReply::default() });
    }

    #[track_caller]
    fn reads(&mut self, error: Error, data_in: &[u8]) {
        let read = self.expect(MessageCode::TapeRead);
        self.reply(&read, &TapeReadReply { error, data_in: data_in.into() });
    }

    #[track_caller]
    fn writes(&mut self, error: Error, count: u32) {
        let write = self.expect(MessageCode::TapeWrite);
        self.reply(&write, &TapeWriteReply { error, count });
    }

    /// What comes until the client hangs up.
    fn rest(&mut self) -> Vec<MessageCode> {
        std::iter::from_fn(|| self.next()).map(|message| message.header.message_code).collect()
    }
}

fn reply_header(to: &Message) -> Header {
    Header {
        message_type: HeaderMessageType::Reply,
        message_code: to.header.message_code,
        reply_sequence: to.header.sequence,
        ..Header::default()
    }
}

fn offers(kinds: &[AuthType]) -> ConfigGetServerInfoReply {
    ConfigGetServerInfoReply { auth_type: kinds.to_vec().into(), ..ConfigGetServerInfoReply::default() }
}

/// A server that plays this role, and what the role comes to.
fn server<T: Send + 'static>(role: impl FnOnce(TcpListener) -> T + Send + 'static) -> (Server, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(role(listener)));
    (Server { address, credentials: Credentials::new("me", b"secret") }, receiver)
}

/// A server whose one connection goes so.
fn peer<T: Send + 'static>(role: impl FnOnce(&mut Peer) -> T + Send + 'static) -> (Server, Receiver<T>) {
    server(|listener| role(&mut Peer::accept(&listener)))
}

fn limit() -> Limit {
    Limit::new(&Cancel::new(), Duration::from_secs(20))
}

fn drive(server: &Server) -> MessageDrive {
    let timeouts = Timeouts { transfer: Duration::from_secs(2), ..Timeouts::default() };
    MessageDrive::new(server, "tape0", "HU1".to_owned(), timeouts, &Cancel::new())
}

/// A drive whose server goes on so after it was loaded.
fn loaded<T: Send + 'static>(
    role: impl FnOnce(&mut Peer) -> T + Send + 'static,
) -> (MessageDrive, Receiver<T>) {
    let (server, end) = peer(|peer| {
        peer.load();
        role(peer)
    });
    let mut drive = drive(&server);
    drive.load().unwrap();
    (drive, end)
}

fn wait<T>(end: &Receiver<T>) -> T {
    end.recv_timeout(Duration::from_secs(20)).expect("the server's part went as it should")
}

#[test]
fn version_3_where_there_is_no_4_and_a_password_in_clear_only_where_nothing_else_is_offered() {
    let (server, end) = peer(|peer| {
        peer.greet(4);
        let four = peer.expect(MessageCode::ConnectOpen);
        peer.reply(&four, &ConnectOpenReply { error: Error::IllegalArgs });
        let three = peer.expect(MessageCode::ConnectOpen);
        assert_eq!(three.decode::<ConnectOpenRequest>().unwrap().protocol_version, 3);
        peer.reply(&three, &ConnectOpenReply { error: Error::NoErr });
        let info = peer.expect(MessageCode::ConfigGetServerInfo);
        peer.reply(&info, &offers(&[AuthType::None, AuthType::Text]));
        let proof = peer.expect(MessageCode::ConnectClientAuth);
        let proof_data = proof.decode::<ConnectClientAuthRequest>().unwrap().auth_data;
        assert!(matches!(proof_data, AuthData::Text(text) if text.auth_password.as_bytes() == b"secret"));
        peer.reply(&proof, &ConnectClientAuthReply { error: Error::NoErr });
        peer.rest()
    });
    let client = log_in(&server, &limit()).ok().unwrap();
    assert_eq!(client.dialect(), Dialect::V3);
    client.close();
    assert_eq!(wait(&end), [MessageCode::ConnectClose]);
}

#[test]
fn no_password_goes_to_a_server_that_does_not_say_what_it_offers() {
    let (server, end) = peer(|peer| {
        peer.greet(4);
        let open = peer.expect(MessageCode::ConnectOpen);
        peer.reply(&open, &ConnectOpenReply { error: Error::NoErr });
        let info = peer.expect(MessageCode::ConfigGetServerInfo);
        let header = Header { error_code: Error::NotSupported, ..reply_header(&info) };
        peer.send(header, &());
        let challenge = peer.expect(MessageCode::ConfigGetAuthAttr);
        peer.reply(&challenge, &ConfigGetAuthAttrReply::default());
        peer.rest()
    });
    let error = log_in(&server, &limit()).err().unwrap();
    assert!(matches!(&error, TransportError::Refused { .. }) && !error.to_string().contains("secret"));
    assert_eq!(wait(&end), []);
    assert!(!format!("{server:?}").contains("secret"));
}

#[test]
fn a_server_that_refuses_or_is_none_is_told_apart() {
    let (server, _end) = peer(|peer| {
        let reason = ConnectionStatusReason::Refused;
        let text_reason = "too many sessions".into();
        let post = NotifyConnectionStatusPost { reason, protocol_version: 0, text_reason };
        peer.post(MessageCode::NotifyConnectionStatus, &post);
    });
    let error = log_in(&server, &limit()).err().unwrap();
    assert!(error.to_string().contains("too many sessions"), "{error}");
    let (server, _end) = peer(|peer| peer.socket.write_all(b"SSH-2.0-OpenSSH\r\n").unwrap());
    let error = log_in(&server, &limit()).err().unwrap();
    assert!(matches!(error, TransportError::Protocol { .. }), "{error}");
    let (server, _end) = peer(|peer| {
        peer.greet(2);
        peer.rest()
    });
    let error = log_in(&server, &limit()).err().unwrap();
    assert!(error.to_string().contains("neither version 4 nor 3"), "{error}");
}

#[test]
fn before_login_no_long_message_is_taken() {
    let (server, _end) = peer(|peer| {
        peer.socket.write_all(&(1u32 << 31 | 1 << 24).to_be_bytes()).unwrap();
        peer.rest()
    });
    let error = log_in(&server, &limit()).err().unwrap();
    assert!(matches!(error, TransportError::Protocol { .. }), "{error}");
}

#[test]
fn posts_come_between_and_the_end_of_the_session_is_a_lost_connection() {
    let (mut drive, end) = loaded(|peer| {
        let write = peer.expect(MessageCode::TapeWrite);
        let entry = "mind the gap".into();
        let log = LogMessagePost { log_type: LogType::Warning, entry, ..LogMessagePost::default() };
        peer.post(MessageCode::LogMessage, &log);
        peer.post(MessageCode::NotifyMoverHalted, &NotifyMoverHaltedPost::default());
        peer.reply(&write, &TapeWriteReply { error: Error::NoErr, count: 3 });
        peer.expect(MessageCode::TapeWrite);
        let reason = ConnectionStatusReason::Shutdown;
        let text_reason = "going down".into();
        let post = NotifyConnectionStatusPost { reason, protocol_version: 4, text_reason };
        peer.post(MessageCode::NotifyConnectionStatus, &post);
        peer.rest()
    });
    assert_eq!(drive.write_record(b"abc"), Ok(Room::Enough));
    let fault = drive.write_record(b"abc").unwrap_err();
    assert!(fault.kind == FaultKind::ConnectionLost && fault.to_string().contains("going down"), "{fault}");
    // It is not sent again, whatever is asked.
    assert_eq!(drive.write_record(b"abc").unwrap_err().kind, FaultKind::PositionLost);
    assert_eq!(wait(&end), []);
}

#[test]
fn a_reply_to_something_else_ends_the_connection() {
    let (mut drive, end) = loaded(|peer| {
        let write = peer.expect(MessageCode::TapeWrite);
        let header = Header { reply_sequence: 1, ..reply_header(&write) };
        peer.send(header, &TapeWriteReply { error: Error::NoErr, count: 3 });
        peer.rest()
    });
    assert_eq!(drive.write_record(b"abc").unwrap_err().kind, FaultKind::Nonsense);
    assert_eq!(drive.read_record(&mut [0; 10]).unwrap_err().kind, FaultKind::PositionLost);
    assert_eq!(wait(&end), []);
}

#[test]
fn a_server_that_does_not_answer_is_given_up_in_time() {
    let (mut drive, end) = loaded(Peer::rest);
    let fault = drive.write_record(b"abc").unwrap_err();
    assert_eq!(fault.kind, FaultKind::TimedOut);
    assert_eq!(drive.write_filemarks(1).unwrap_err().kind, FaultKind::PositionLost);
    assert_eq!(wait(&end), [MessageCode::TapeWrite]);
}

#[test]
fn what_a_write_came_to_is_taken_from_the_reply() {
    let (mut drive, end) = loaded(|peer| {
        peer.writes(Error::NoErr, 3);
        peer.writes(Error::Eom, 3);
        peer.writes(Error::Eom, 0);
        peer.rest()
    });
    assert_eq!(drive.write_record(b"abc"), Ok(Room::Enough));
    assert_eq!(drive.write_record(b"abc"), Ok(Room::EarlyWarning));
    assert_eq!(drive.write_record(b"abc").unwrap_err().kind, FaultKind::EndOfMedium);
    assert_eq!(drive.write_record(b"abc").unwrap_err().kind, FaultKind::PositionLost);
    drop(drive);
    assert_eq!(wait(&end), [MessageCode::TapeClose]);
    let (mut drive, _end) = loaded(|peer| peer.writes(Error::NoErr, 2));
    assert_eq!(drive.write_record(b"abc").unwrap_err().kind, FaultKind::Nonsense);
    let (mut drive, _end) = loaded(|_| ());
    assert_eq!(drive.write_record(&[0; 65_537]).unwrap_err().kind, FaultKind::IllegalRequest);
    assert_eq!(drive.record_limits().unwrap().maximum_bytes, 65_536);
}

#[test]
fn a_mark_is_passed_once_whether_the_server_has_passed_it_or_not() {
    let (mut drive, _end) = loaded(|peer| {
        peer.reads(Error::NoErr, b"abc");
        // Stands before the mark, as version 4 has it.
        peer.reads(Error::Eof, b"");
        peer.tells(0, u32::MAX);
        peer.moves(TapeMtioOp::Fsf, 1, Error::NoErr, 0);
        // Stands behind it, as version 3 has it.
        peer.reads(Error::Eof, b"");
        peer.tells(2, 0);
        // There is none: EOF at the end of data.
        peer.reads(Error::Eof, b"");
        peer.tells(2, 0);
        peer.moves(TapeMtioOp::Fsf, 1, Error::NoErr, 1);
        peer.tells(2, 0);
        // The server has lost its way.
        peer.reads(Error::Eof, b"");
        peer.tells(7, 0);
    });
    let mut buffer = [0; 16];
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Record { bytes: 3 }));
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Filemark));
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::Filemark));
    assert_eq!(drive.read_record(&mut buffer), Ok(ReadRecord::EndOfData));
    assert_eq!(drive.place().unwrap().file, Some(2));
    assert_eq!(drive.read_record(&mut buffer).unwrap_err().kind, FaultKind::PositionLost);
}

#[test]
fn a_mark_that_a_flush_has_written_is_noticed() {
    let (mut drive, _end) = loaded(|peer| {
        peer.writes(Error::NoErr, 3);
        peer.moves(TapeMtioOp::Eof, 0, Error::NoErr, 0);
        peer.tells(1, 0);
    });
    drive.write_record(b"abc").unwrap();
    assert_eq!(drive.synchronise().unwrap_err().kind, FaultKind::PositionLost);
}

#[test]
fn a_server_that_does_not_tell_the_file_is_not_used() {
    let (server, _end) = peer(|peer| {
        peer.log_in();
        let open = peer.expect(MessageCode::TapeOpen);
        peer.reply(&open, &TapeOpenReply { error: Error::NoErr });
        peer.moves(TapeMtioOp::Rew, 1, Error::NoErr, 0);
        peer.tells(u32::MAX, u32::MAX);
        peer.rest()
    });
    assert_eq!(drive(&server).load().unwrap_err().kind, FaultKind::Unsupported);
}

#[test]
fn a_cdb_that_was_not_carried_to_the_drive_breaks_nothing_and_one_without_an_answer_does() {
    let (server, end) = peer(|peer| {
        peer.log_in();
        let open = peer.expect(MessageCode::TapeOpen);
        assert_eq!(open.decode::<TapeOpenRequest>().unwrap().mode, TapeOpenMode::Raw);
        peer.reply(&open, &TapeOpenReply { error: Error::NoErr });
        let cdb = peer.expect(MessageCode::TapeExecuteCdb);
        let header = Header { error_code: Error::NotSupported, ..reply_header(&cdb) };
        peer.send(header, &());
        let cdb = peer.expect(MessageCode::TapeExecuteCdb);
        let request: ExecuteCdbRequest = cdb.decode().unwrap();
        assert_eq!((request.flags, request.datain_len), (SCSI_DATA_IN, 8));
        let datain = [1, 2, 3].as_slice().into();
        peer.reply(&cdb, &ExecuteCdbReply { datain, ..ExecuteCdbReply::default() });
        let cdb = peer.expect(MessageCode::TapeExecuteCdb);
        let datain = [0; 9].as_slice().into();
        peer.reply(&cdb, &ExecuteCdbReply { datain, ..ExecuteCdbReply::default() });
        peer.rest()
    });
    let mut transport =
        CdbTransport::open(&server, Device::Drive("tape0".to_owned()), &limit()).ok().unwrap();
    let error = transport.execute(&[0; 6], Data::Out(&[1; 32]), &limit()).unwrap_err();
    assert!(error.was_not_begun() && error.to_string().contains("32 bytes"), "{error}");
    let mut room = [0xff; 8];
    let answer = transport.execute(&[0; 6], Data::In(&mut room), &limit()).unwrap();
    assert_eq!(
        (answer.transferred_bytes, answer.residual_bytes, room[..4].to_vec()),
        (3, 5, vec![1, 2, 3, 0xff])
    );
    let error = transport.execute(&[0; 6], Data::In(&mut room), &limit()).unwrap_err();
    assert!(matches!(error, TransportError::Protocol { .. }), "{error}");
    let error = transport.execute(&[0; 6], Data::None, &limit()).unwrap_err();
    assert!(matches!(error, TransportError::Lost { .. }), "{error}");
    assert_eq!(wait(&end), []);
}

#[test]
fn what_a_server_says_of_an_open_is_kept() {
    let (server, _end) = peer(|peer| {
        peer.log_in();
        let open = peer.expect(MessageCode::ScsiOpen);
        peer.reply(&open, &ScsiOpenReply { error: Error::NoDevice });
        peer.rest()
    });
    let opened = CdbTransport::open(&server, Device::Robot("mc0".to_owned()), &limit());
    assert!(matches!(opened, Err(OpenError::Said(Error::NoDevice))));
}
