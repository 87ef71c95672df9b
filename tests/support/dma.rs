//! A small blocking DMA on the crate's own wire types.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use socket2::{Domain, Socket, Type};
use tapesilo::ndmp::framing::{self, Decoder};
use tapesilo::ndmp::session::md5_digest;
use tapesilo::ndmp::wire::*;
use tapesilo::ndmp::xdr::{Quad, Wire};

use super::PATIENCE;

pub(crate) struct Dma {
    pub(crate) socket: TcpStream,
    input: BytesMut,
    decoder: Decoder,
    sequence: u32,
    received: u32,
    posts: VecDeque<Message>,
}

impl Dma {
    /// Connects and takes the greeting.
    pub(crate) fn connect(address: SocketAddr) -> Dma {
        let mut dma = Dma::bare(address);
        let post: NotifyConnectionStatusPost = dma.post(MessageCode::NotifyConnectionStatus);
        assert_eq!(post.reason, ConnectionStatusReason::Connected, "{post:?}");
        dma
    }

    /// Connects from another of this host's addresses, as another host would, and takes the greeting.
    pub(crate) fn connect_from(from: Ipv4Addr, address: SocketAddr) -> Dma {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        let mut dma = Dma::over(socket.into());
        let _: NotifyConnectionStatusPost = dma.post(MessageCode::NotifyConnectionStatus);
        dma
    }

    /// Connects, and reads nothing yet.
    pub(crate) fn bare(address: SocketAddr) -> Dma {
        Dma::over(TcpStream::connect(address).unwrap())
    }

    fn over(socket: TcpStream) -> Dma {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let decoder = Decoder::new(1 << 25);
        let input = BytesMut::new();
        Dma { socket, input, decoder, sequence: 0, received: 0, posts: VecDeque::new() }
    }

    pub(crate) fn login(&mut self, user: &str, password: &str) {
        assert_eq!(self.try_login(user, password), Error::NoErr);
    }

    pub(crate) fn try_login(&mut self, user: &str, password: &str) -> Error {
        let request = ConfigGetAuthAttrRequest { auth_type: AuthType::Md5 };
        let reply: ConfigGetAuthAttrReply = self.ask(MessageCode::ConfigGetAuthAttr, &request);
        let AuthAttr::Md5(challenge) = reply.server_attr else { panic!("{reply:?}") };
        let auth_digest = md5_digest(password.as_bytes(), &challenge);
        let auth_data = AuthData::Md5(AuthMd5 { auth_id: user.into(), auth_digest });
        let request = ConnectClientAuthRequest { auth_data };
        self.ask::<ConnectClientAuthReply>(MessageCode::ConnectClientAuth, &request).error
    }

    /// A request's bytes, marks included, and its sequence number.
    pub(crate) fn request(&mut self, code: MessageCode, request: &impl Wire) -> (Vec<u8>, u32) {
        self.sequence += 1;
        let header = Header { sequence: self.sequence, message_code: code, ..Header::default() };
        (framing::encode(&header, request).unwrap().to_bytes().to_vec(), self.sequence)
    }

    /// Sends a request; returns its sequence number.
    pub(crate) fn send(&mut self, code: MessageCode, request: &impl Wire) -> u32 {
        let (bytes, sequence) = self.request(code, request);
        self.socket.write_all(&bytes).unwrap();
        sequence
    }

    /// Asks and waits for the reply's body.
    #[track_caller]
    pub(crate) fn ask<R: Wire>(&mut self, code: MessageCode, request: &impl Wire) -> R {
        let sequence = self.send(code, request);
        let reply = self.reply_to(sequence);
        assert_eq!(reply.header.error_code, Error::NoErr, "{code:?}");
        reply.decode().unwrap()
    }

    /// The reply to a request; posts that come before it are kept.
    #[track_caller]
    pub(crate) fn reply_to(&mut self, sequence: u32) -> Message {
        loop {
            let message = self.next().expect("a reply, not the end");
            if message.header.message_type == HeaderMessageType::Reply {
                assert_eq!(message.header.reply_sequence, sequence, "replies come in order");
                return message;
            }
            self.posts.push_back(message);
        }
    }

    /// The next post with that code.
    #[track_caller]
    pub(crate) fn post<P: Wire>(&mut self, code: MessageCode) -> P {
        loop {
            let message = match self.posts.pop_front() {
                Some(message) => message,
                None => self.next().expect("a post, not the end"),
            };
            assert_eq!(message.header.message_type, HeaderMessageType::Request, "no reply is due");
            if message.header.message_code == code {
                return message.decode().unwrap();
            }
        }
    }

    /// The next message; `None` when the server has hung up.
    pub(crate) fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(record) = self.decoder.decode(&mut self.input).unwrap() {
                let message = Message::split(record).unwrap();
                self.received += 1;
                assert_eq!(message.header.sequence, self.received, "each message has the next number");
                return Some(message);
            }
            let mut bytes = vec![0; 1 << 16];
            match self.socket.read(&mut bytes) {
                Ok(0) => return None,
                Ok(length) => self.input.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }

    /// The server hangs up; what it says before is passed over.
    pub(crate) fn expect_hangup(&mut self) {
        while self.next().is_some() {}
    }

    pub(crate) fn open_tape(&mut self, device: &str, mode: TapeOpenMode) -> Error {
        let request = TapeOpenRequest { device: device.into(), mode };
        self.ask::<TapeOpenReply>(MessageCode::TapeOpen, &request).error
    }

    pub(crate) fn close_tape(&mut self) -> Error {
        self.ask::<TapeCloseReply>(MessageCode::TapeClose, &()).error
    }

    pub(crate) fn mtio(&mut self, tape_op: TapeMtioOp, count: u32) -> TapeMtioReply {
        self.ask(MessageCode::TapeMtio, &TapeMtioRequest { tape_op, count })
    }

    pub(crate) fn write(&mut self, data: &[u8]) -> Error {
        self.ask::<TapeWriteReply>(MessageCode::TapeWrite, &TapeWriteRequest { data_out: data.into() }).error
    }

    pub(crate) fn read(&mut self, count: u32) -> Result<Vec<u8>, Error> {
        let reply: TapeReadReply = self.ask(MessageCode::TapeRead, &TapeReadRequest { count });
        if reply.error == Error::NoErr { Ok(reply.data_in.to_vec()) } else { Err(reply.error) }
    }

    pub(crate) fn tape_state(&mut self) -> TapeGetStateReply {
        self.ask(MessageCode::TapeGetState, &())
    }

    pub(crate) fn mover_state(&mut self) -> MoverGetStateReply {
        self.ask(MessageCode::MoverGetState, &())
    }

    pub(crate) fn record_size(&mut self, len: u32) {
        let request = MoverSetRecordSizeRequest { len };
        let reply: MoverSetRecordSizeReply = self.ask(MessageCode::MoverSetRecordSize, &request);
        assert_eq!(reply.error, Error::NoErr);
    }

    pub(crate) fn window(&mut self, offset: u64, length: u64) {
        let request = MoverSetWindowRequest { offset: Quad(offset), length: Quad(length) };
        let reply: MoverSetWindowReply = self.ask(MessageCode::MoverSetWindow, &request);
        assert_eq!(reply.error, Error::NoErr);
    }

    pub(crate) fn listen(&mut self, mode: MoverMode) -> Result<SocketAddr, Error> {
        let request = MoverListenRequest { mode, addr_type: AddrType::Tcp };
        let reply: MoverListenReply = self.ask(MessageCode::MoverListen, &request);
        match (reply.error, reply.connect_addr) {
            (Error::NoErr, Addr::Tcp(list)) => {
                Ok(SocketAddr::from((list[0].ip_addr.to_be_bytes(), list[0].port)))
            }
            (error, _) => Err(error),
        }
    }

    /// MOVER_CONTINUE, MOVER_ABORT, MOVER_STOP, MOVER_CLOSE.
    pub(crate) fn steer(&mut self, code: MessageCode) -> Error {
        self.ask::<MoverContinueReply>(code, &()).error
    }

    pub(crate) fn mover_read(&mut self, offset: u64, length: u64) -> Error {
        let request = MoverReadRequest { offset: Quad(offset), length: Quad(length) };
        self.ask::<MoverReadReply>(MessageCode::MoverRead, &request).error
    }

    /// Goes without a word, by a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).unwrap();
    }
}
