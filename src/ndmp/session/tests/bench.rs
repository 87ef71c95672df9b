//! The bench: a session, a DMA that encodes requests and decodes frames, a world that answers work, a clock.
//!
//! Every frame that a session sends is checked here once for all tests: its numbering, its time, its header. What
//! happened is kept in order as [`Did`]s. It knows nothing of what is right in a dialogue: the tests do.

use crate::config::{AuthKinds, Secret, User};
use crate::mover::Start;
use crate::ndmp::framing::{Decoder, Frame};
use crate::ndmp::session::*;
use crate::ndmp::wire::*;
use crate::ndmp::xdr::{self, Wire};
use crate::scsi::outcome::Executed;
use crate::tape::Position;
use crate::vtl::drive::{DriveStatus, HostRead, MediumStatus};
use bytes::BytesMut;
use std::collections::VecDeque;

/// What a session did, in order.
#[derive(Debug)]
pub(super) enum Did {
    Replied(Message),
    Posted(Message),
    Worked(Work),
    Pumped(Start),
    Disconnected,
    ClosedDevice,
    ResetRobot,
    Authenticated,
    LoginFailed,
    HungUp,
}

impl Did {
    /// Its name, for the order of things.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Did::Replied(_) => "reply",
            Did::Posted(message) => match message.header.message_code {
                MessageCode::NotifyMoverHalted => "halted",
                MessageCode::NotifyMoverPaused => "paused",
                MessageCode::NotifyConnectionStatus => "status",
                MessageCode::LogMessage | MessageCode::Other(0x600) => "log",
                _ => "post",
            },
            Did::Worked(_) => "work",
            Did::Pumped(_) => "pump",
            Did::Disconnected => "disconnect",
            Did::ClosedDevice => "close",
            Did::ResetRobot => "reset",
            Did::Authenticated => "authenticated",
            Did::LoginFailed => "login failed",
            Did::HungUp => "hangup",
        }
    }
}

/// Everything that followed from one request or event.
#[derive(Debug)]
pub(super) struct Deeds(pub(super) Vec<Did>, Dialect);

impl Deeds {
    /// The names in order, without what only people read.
    pub(super) fn order(&self) -> Vec<&'static str> {
        self.0.iter().map(Did::name).filter(|name| *name != "log").collect()
    }

    /// The one reply.
    #[track_caller]
    pub(super) fn reply(&self) -> &Message {
        let mut replies = self.0.iter().filter_map(|did| match did {
            Did::Replied(message) => Some(message),
            _ => None,
        });
        let reply = replies.next().expect("a reply");
        assert!(replies.next().is_none(), "one reply, not more: {self:?}");
        reply
    }

    /// The first post with that code, decoded to its last byte.
    pub(super) fn post<P: Wire>(&self, code: MessageCode) -> Option<P> {
        self.0.iter().find_map(|did| match did {
            Did::Posted(message) if message.header.message_code == code => Some(message.decode().unwrap()),
            _ => None,
        })
    }

    /// What its bytes are in.
    pub(super) fn dialect(&self) -> Dialect {
        self.1
    }

    /// The text of the LOG_MESSAGE, and the request it explains.
    #[track_caller]
    pub(super) fn log(&self) -> (String, Option<u32>) {
        let post: LogMessagePost = self.post(MessageCode::LogMessage).expect("a LOG_MESSAGE");
        let about = post.associated_message_valid == HasAssociatedMessage::HasAssociatedMessage;
        (post.entry.to_lossy(), about.then_some(post.associated_message_sequence))
    }
}

/// The world behind the session: what work comes to.
pub(super) struct World {
    /// The open drive.
    pub(super) drive: DriveStatus,
    /// The counters of the running pump.
    pub(super) progress: Option<crate::mover::Progress>,
    /// What the next work comes to, instead of plain success.
    pub(super) next: VecDeque<Completion>,
    /// What happens before the next work is done.
    pub(super) meanwhile: Option<Event>,
    /// For how long nobody may log in.
    pub(super) locked_out_seconds: Option<u64>,
}

impl World {
    fn answer(&mut self, work: &Work) -> Completion {
        if let Some(completion) = self.next.pop_front() {
            return completion;
        }
        let good = Executed::default();
        match work {
            Work::OpenTape(_) => Completion::TapeOpened(Ok(self.drive.clone())),
            Work::OpenRobot(_) => Completion::RobotOpened(Ok(())),
            Work::Tape(TapeWork::Read { .. }) => Completion::Read(Ok(HostRead::EndOfData)),
            Work::Tape(TapeWork::Motion { .. }) => Completion::Moved(Ok(0)),
            Work::Tape(TapeWork::Cdb(_)) | Work::RobotCdb(_) => Completion::Cdb(Ok(good)),
            Work::Tape(_) => Completion::Done(Ok(())),
            Work::Listen(_) => Completion::Listening(Ok(vec!["192.0.2.1:5000".parse().unwrap()])),
            Work::Connect(addresses) => Completion::Connected(Ok(addresses[0])),
            Work::AwaitPump => Completion::Waited,
        }
    }
}

/// A loaded drive.
pub(super) fn loaded() -> DriveStatus {
    DriveStatus {
        medium: MediumStatus::Ready,
        barcode: Some("VLT001L8".into()),
        position: Position { block: 7, file: 2, block_in_file: 3 },
        capacity_bytes: 1000,
        remaining_bytes: 400,
        ..DriveStatus::default()
    }
}

/// A user with a password of 1 to 32 bytes.
pub(super) fn user(name: &str, password: &str, md5: bool, text: bool, loaders: Option<&[&str]>) -> Arc<User> {
    Arc::new(User {
        name: name.into(),
        password: Secret::from_file_content(password.as_bytes()).ok(),
        auth: AuthKinds { md5, text },
        allow: Vec::new(),
        loaders: loaders.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
    })
}

fn device(name: &str, alias: Option<&str>, loader: &str) -> Device {
    Device {
        name: name.into(),
        alias: alias.map(Into::into),
        loader: loader.into(),
        model: "TAPESILO LTO 0001".into(),
        serial: format!("S-{name}"),
        world_wide_name: Some("356789abcdef0001".to_owned()),
    }
}

/// Two loaders; "backup" sees both, "guest" only the attic.
pub(super) fn facts() -> Facts {
    Facts {
        is_strict: false,
        identity: Identity { hostname: "silo".into(), os_type: "Linux".into(), ..Identity::default() },
        tapes: vec![
            device("vault_drive0", None, "vault"),
            device("vault_drive1", Some("nrst1a"), "vault"),
            device("attic_drive0", None, "attic"),
        ],
        robots: vec![device("vault_robot", None, "vault"), device("attic_robot", Some("mc0"), "attic")],
        users: vec![
            user("backup", "hunter2", true, false, None),
            user("guest", "guest", true, false, Some(&["attic"])),
        ],
        ..Facts::default()
    }
}

pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) world: World,
    /// Seconds since 1970, moved by the tests.
    pub(super) now: u32,
    /// The DMA's last sequence number.
    pub(super) sequence: u32,
    their_sequence: u32,
    pub(super) greeting: Deeds,
    /// The version that the DMA speaks.
    dialect: Dialect,
}

impl Bench {
    /// A connection on which nobody has logged in.
    pub(super) fn stranger(facts: Facts) -> Bench {
        let mut count = 0_u8;
        let challenges = Box::new(move || {
            count += 1;
            [count; CHALLENGE_BYTES]
        });
        let (session, effects) = Session::new(Arc::new(facts), challenges, 1000);
        let world = World {
            drive: loaded(),
            progress: None,
            next: VecDeque::new(),
            meanwhile: None,
            locked_out_seconds: None,
        };
        let dialect = Dialect::V4;
        let greeting = Deeds(Vec::new(), dialect);
        let mut bench =
            Bench { session, world, now: 1000, sequence: 0, their_sequence: 0, greeting, dialect };
        bench.greeting = bench.perform(effects);
        bench
    }

    /// A connection on which "backup" has logged in.
    pub(super) fn new() -> Bench {
        let mut bench = Bench::stranger(facts());
        assert_eq!(bench.login("backup", "hunter2"), Error::NoErr);
        bench
    }

    /// As [`Bench::new`], in that version.
    pub(super) fn speaking(version: u16) -> Bench {
        let mut bench = Bench::stranger(facts());
        bench.open_as(version);
        assert_eq!(bench.login("backup", "hunter2"), Error::NoErr);
        bench
    }

    /// Chooses the version.
    pub(super) fn open_as(&mut self, version: u16) {
        let request = ConnectOpenRequest { protocol_version: version };
        assert_eq!(self.error(MessageCode::ConnectOpen, &request), Error::NoErr);
        self.dialect = match version {
            2 => Dialect::V2,
            3 => Dialect::V3,
            _ => Dialect::V4,
        };
    }

    /// Opens the first drive.
    pub(super) fn open_tape(&mut self, mode: TapeOpenMode) {
        let request = TapeOpenRequest { device: "vault_drive0".into(), mode };
        assert_eq!(self.error(MessageCode::TapeOpen, &request), Error::NoErr);
    }

    /// As [`Bench::new`], with the first drive open in that mode.
    pub(super) fn with_tape(mode: TapeOpenMode) -> Bench {
        let mut bench = Bench::new();
        bench.open_tape(mode);
        bench
    }

    /// Logs in with MD5.
    pub(super) fn login(&mut self, name: &str, password: &str) -> Error {
        let challenge = self.challenge();
        self.md5(name, md5_digest(password.as_bytes(), &challenge))
    }

    pub(super) fn challenge(&mut self) -> [u8; CHALLENGE_BYTES] {
        let request = ConfigGetAuthAttrRequest { auth_type: AuthType::Md5 };
        let reply: ConfigGetAuthAttrReply = self.ask(MessageCode::ConfigGetAuthAttr, &request);
        match reply.server_attr {
            AuthAttr::Md5(challenge) => challenge,
            other => panic!("a challenge, not {other:?}"),
        }
    }

    pub(super) fn md5(&mut self, name: &str, auth_digest: [u8; 16]) -> Error {
        let auth_data = AuthData::Md5(AuthMd5 { auth_id: name.into(), auth_digest });
        self.error(MessageCode::ConnectClientAuth, &ConnectClientAuthRequest { auth_data })
    }

    pub(super) fn text(&mut self, name: &str, password: &str) -> Error {
        let auth_data = AuthData::Text(AuthText { auth_id: name.into(), auth_password: password.into() });
        self.error(MessageCode::ConnectClientAuth, &ConnectClientAuthRequest { auth_data })
    }

    /// Asks, and decodes the reply's body to its last byte.
    #[track_caller]
    pub(super) fn ask<R: Wire>(&mut self, code: MessageCode, request: &impl Wire) -> R {
        let deeds = self.send(code, request);
        let reply = deeds.reply();
        assert_eq!(reply.header.error_code, Error::NoErr, "{code:?}");
        reply.decode().unwrap()
    }

    /// Asks, and tells the error, in whichever place it is.
    #[track_caller]
    pub(super) fn error(&mut self, code: MessageCode, request: &impl Wire) -> Error {
        self.send(code, request).error()
    }

    pub(super) fn send(&mut self, code: MessageCode, request: &impl Wire) -> Deeds {
        self.send_bytes(code, &xdr::encode(request).unwrap().into_bytes())
    }

    /// Sends a body as it is.
    pub(super) fn send_bytes(&mut self, code: MessageCode, body: &[u8]) -> Deeds {
        self.sequence += 1;
        let header =
            Header { sequence: self.sequence, message_code: code, time_stamp: 5, ..Header::default() };
        let mut record = BytesMut::from(&xdr::encode(&header).unwrap().into_bytes()[..]);
        record.extend_from_slice(body);
        let effects = self.session.on_record(record.freeze(), &self.live());
        let deeds = self.perform(effects);
        for did in &deeds.0 {
            if let Did::Replied(message) = did {
                assert_eq!(message.header.reply_sequence, self.sequence, "{code:?}");
                assert_eq!(message.header.message_code, code);
            }
        }
        deeds
    }

    pub(super) fn record(&mut self, record: Bytes) -> Deeds {
        let effects = self.session.on_record(record, &self.live());
        self.perform(effects)
    }

    /// A completion that nothing waits for.
    pub(super) fn completion(&mut self, completion: Completion) -> Deeds {
        let effects = self.session.on_completion(completion, &self.live());
        self.perform(effects)
    }

    pub(super) fn event(&mut self, event: Event) -> Deeds {
        let effects = self.session.on_event(event, &self.live());
        self.perform(effects)
    }

    fn live(&self) -> Live {
        Live {
            now_unix_seconds: self.now,
            drive: Some(self.world.drive.clone()),
            progress: self.world.progress,
            locked_out_seconds: self.world.locked_out_seconds,
        }
    }

    /// Does what a shell does; work is answered when everything before it is done.
    fn perform(&mut self, effects: Vec<Effect>) -> Deeds {
        let mut deeds = Vec::new();
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            deeds.push(match effect {
                Effect::Send(frame) => self.received(&frame),
                Effect::Work(work) => {
                    assert!(!self.session.is_ready(), "work is what a pending request waits for");
                    let live = self.live();
                    queue.extend(match self.world.meanwhile.take() {
                        Some(event) => self.session.on_event(event, &live),
                        None => {
                            let completion = self.world.answer(&work);
                            self.session.on_completion(completion, &live)
                        }
                    });
                    Did::Worked(work)
                }
                Effect::Pump { start, .. } => Did::Pumped(start),
                Effect::Disconnect => Did::Disconnected,
                Effect::CloseDevice => Did::ClosedDevice,
                Effect::ResetRobot => Did::ResetRobot,
                Effect::Authenticated => Did::Authenticated,
                Effect::LoginFailed => Did::LoginFailed,
                Effect::Hangup => Did::HungUp,
            });
        }
        assert!(self.session.is_ready(), "nothing is left pending");
        Deeds(deeds, self.dialect)
    }

    /// What holds for every frame.
    fn received(&mut self, frame: &Frame) -> Did {
        let mut bytes = BytesMut::from(&frame.to_bytes()[..]);
        let record = Decoder::new(1 << 25).decode(&mut bytes).unwrap().expect("a whole record");
        assert!(bytes.is_empty(), "one record a frame");
        let message = Message::split(record).unwrap();
        let header = &message.header;
        self.their_sequence += 1;
        assert_eq!(header.sequence, self.their_sequence, "each message has the next number");
        assert_eq!(header.time_stamp, self.now);
        assert!(header.error_code == Error::NoErr || message.body.is_empty(), "a header's error has no body");
        if header.message_type == HeaderMessageType::Reply {
            return Did::Replied(message);
        }
        assert_eq!((header.reply_sequence, header.error_code), (0, Error::NoErr), "a post");
        Did::Posted(message)
    }
}

impl Deeds {
    /// The reply's error, in whichever place it is. The body must be whole.
    #[track_caller]
    pub(super) fn error(&self) -> Error {
        let reply = self.reply();
        if reply.header.error_code != Error::NoErr {
            return reply.header.error_code;
        }
        super::catalogue::error_of(reply, self.1)
    }
}
