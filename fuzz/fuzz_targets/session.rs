//! Whole sessions without I/O: any records, any completions (also such as fit no work) and any events. Each request gets one
//! reply, every frame is whole and numbered, replies decode to their last byte as the version in force has them, work is asked
//! for one at a time. The first byte says whether somebody has logged in, which version was chosen, and how strict the server is.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tapesilo::config::{AuthKinds, Secret, User};
use tapesilo::mover::{End, Ended, Progress};
use tapesilo::ndmp::framing::{Decoder, Frame};
use tapesilo::ndmp::session::*;
use tapesilo::ndmp::wire::*;
use tapesilo::ndmp::xdr;
use tapesilo::scsi::outcome::Outcome;
use tapesilo::scsi::sense::Sense;
use tapesilo::vtl::drive::{DriveStatus, HostError, HostRead, MediumStatus};
use tapesilo_fuzz::Input;

const STEPS_MAX: usize = 128;
/// More than any reply: the largest record and what stands around it.
const REPLY_MAX_BYTES: usize = 1 << 17;
const EFFECTS_MAX: usize = 16;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let setting = input.byte();
    let mut dialogue = Dialogue::begin(setting);
    if let Some(version) = [None, Some(2), Some(3), Some(4)][usize::from(setting >> 2 & 3)] {
        dialogue.open(version);
    }
    if setting & 1 != 0 {
        dialogue.login();
    }
    for _ in 0..STEPS_MAX {
        if input.is_empty() || dialogue.is_over {
            break;
        }
        dialogue.step(&mut input);
    }
});

struct Dialogue {
    session: Session,
    live: Live,
    sequence: u32,
    their_sequence: u32,
    is_over: bool,
}

/// What came of a step.
#[derive(Default)]
struct Came {
    replies: Vec<Message>,
    works: Vec<Work>,
}

fn device(name: &str, loader: &str) -> Device {
    let model = "TAPESILO LTO 0001".into();
    let world_wide_name = Some("5000000000000005".into());
    Device {
        name: name.into(),
        alias: None,
        loader: loader.into(),
        model,
        serial: "S".into(),
        world_wide_name,
    }
}

fn facts(is_strict: bool) -> Facts {
    let user = User {
        name: "backup".into(),
        password: Secret::from_file_content(b"hunter2").ok(),
        auth: AuthKinds { md5: true, text: true },
        allow: Vec::new(),
        loaders: None,
    };
    Facts {
        is_strict,
        dma: "127.0.0.1".parse().ok(),
        tapes: vec![device("d0", "vault"), device("d1", "vault")],
        robots: vec![device("r", "vault")],
        users: vec![Arc::new(user)],
        ..Facts::default()
    }
}

impl Dialogue {
    fn begin(setting: u8) -> Self {
        let (session, effects) =
            Session::new(Arc::new(facts(setting & 0x10 != 0)), Box::new(|| [7; CHALLENGE_BYTES]), 1000);
        let medium = if setting & 2 != 0 { MediumStatus::default() } else { MediumStatus::Ready };
        let drive =
            DriveStatus { medium, capacity_bytes: 1000, remaining_bytes: 400, ..DriveStatus::default() };
        let live = Live { now_unix_seconds: 1000, drive: Some(drive), ..Live::default() };
        let mut dialogue = Self { session, live, sequence: 0, their_sequence: 0, is_over: false };
        let came = dialogue.perform(effects);
        assert!(came.replies.is_empty() && came.works.is_empty());
        dialogue
    }

    fn open(&mut self, protocol_version: u16) {
        let body = xdr::encode(&ConnectOpenRequest { protocol_version }).expect("a body").into_bytes();
        self.request(MessageCode::ConnectOpen.code(), &body);
    }

    fn login(&mut self) {
        let auth_attr = ConfigGetAuthAttrRequest { auth_type: AuthType::Md5 };
        self.request(
            MessageCode::ConfigGetAuthAttr.code(),
            &xdr::encode(&auth_attr).expect("a body").into_bytes(),
        );
        let auth_digest = md5_digest(b"hunter2", &[7; CHALLENGE_BYTES]);
        let auth_data = AuthData::Md5(AuthMd5 { auth_id: "backup".into(), auth_digest });
        let body = xdr::encode(&ConnectClientAuthRequest { auth_data }).expect("a body").into_bytes();
        self.request(MessageCode::ConnectClientAuth.code(), &body);
        assert!(self.session.is_authenticated());
    }

    /// One step: an event, an arbitrary record, or a request with the work that it asks for.
    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() {
            0..24 => {
                let event = event(input);
                let effects = self.session.on_event(event, &self.live);
                let came = self.perform(effects);
                assert!(came.replies.is_empty() || !came.works.is_empty() || self.session.is_ready());
            }
            24..32 => {
                let length = input.byte().into();
                let record = Bytes::copy_from_slice(input.take(length));
                let headless = record.len() < HEADER_BYTES;
                let effects = self.session.on_record(record, &self.live);
                let came = self.perform(effects);
                assert!(!headless || came.replies.is_empty(), "a reply to no request");
                self.finish(came, input);
            }
            _ => {
                let code = CODES[usize::from(input.byte()) % CODES.len()];
                let length = input.byte().into();
                let body = input.take(length);
                let came = self.request(code, body);
                self.finish(came, input);
            }
        }
        self.live.now_unix_seconds += 1;
        self.live.locked_out_seconds = (input.0.first() == Some(&0xff)).then_some(7);
    }

    /// Answers works until no request is pending; a reply comes in the end, and only one.
    fn finish(&mut self, mut came: Came, input: &mut Input<'_>) {
        let mut rounds = 0;
        while !self.session.is_ready() && !self.is_over {
            rounds += 1;
            assert!(rounds < 16, "a request that never ends");
            assert!(came.replies.is_empty(), "a reply before the work");
            let kind = input.byte();
            if kind & 0x40 != 0 {
                let event = event(input);
                let is_awaited =
                    matches!((&event, came.works.first()), (Event::PumpEnded(_), Some(Work::AwaitPump)));
                let effects = self.session.on_event(event, &self.live);
                let replies = self.perform(effects).replies.len();
                if is_awaited && self.session.is_ready() {
                    assert_eq!(replies, 1, "the end of the pump answers what waits for it");
                    break;
                }
                assert_eq!(replies, 0, "an event does not answer a request");
            }
            let completion = completion(kind, came.works.first());
            let effects = self.session.on_completion(completion, &self.live);
            came = self.perform(effects);
        }
    }

    fn request(&mut self, code: u32, body: &[u8]) -> Came {
        self.sequence += 1;
        let header =
            Header { sequence: self.sequence, message_code: code.into(), time_stamp: 5, ..Header::default() };
        let mut record = BytesMut::from(&xdr::encode(&header).expect("a header").into_bytes()[..]);
        record.extend_from_slice(body);
        let effects = self.session.on_record(record.freeze(), &self.live);
        let came = self.perform(effects);
        if code != MessageCode::ConnectClose.code() {
            let answered = came.replies.len() + usize::from(!self.session.is_ready());
            assert_eq!(answered, 1, "request {code:#x}: {} replies", came.replies.len());
        }
        if let Some(reply) = came.replies.first() {
            assert_eq!(reply.header.reply_sequence, self.sequence);
            assert_eq!(reply.header.message_code.code(), code);
        }
        came
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Came {
        assert!(effects.len() <= EFFECTS_MAX, "{} effects of one step", effects.len());
        let mut came = Came::default();
        for effect in effects {
            match effect {
                Effect::Send(frame) => came.replies.extend(self.received(&frame)),
                Effect::Work(work) => {
                    assert!(!self.session.is_ready(), "work is what a pending request waits for");
                    came.works.push(work);
                }
                Effect::Hangup => self.is_over = true,
                _ => {}
            }
        }
        assert!(came.works.len() <= 1, "one work at a time");
        assert!(came.replies.len() <= 1, "more than one reply");
        came
    }

    /// What holds for every frame; the message if it is a reply.
    fn received(&mut self, frame: &Frame) -> Option<Message> {
        assert!(frame.len() <= REPLY_MAX_BYTES, "a frame of {} bytes", frame.len());
        let mut bytes = BytesMut::from(&frame.to_bytes()[..]);
        let record =
            Decoder::new(REPLY_MAX_BYTES).decode(&mut bytes).expect("a frame").expect("a whole record");
        assert!(bytes.is_empty(), "one record a frame");
        let message = Message::split(record).expect("a header");
        self.their_sequence += 1;
        assert_eq!(message.header.sequence, self.their_sequence, "each message has the next number");
        assert!(
            message.header.error_code == Error::NoErr || message.body.is_empty(),
            "a header's error has no body"
        );
        let is_reply = message.header.message_type == HeaderMessageType::Reply;
        decodes(&message, if is_reply { "reply" } else { "post" }, self.session.dialect());
        is_reply.then_some(message)
    }
}

/// The body is what its message says, to the last byte. The type's name is made of the code's; what a version does not have
/// otherwise is as in the next one.
fn decodes(message: &Message, kind: &str, dialect: Dialect) {
    let code = message.header.message_code;
    if message.body.is_empty() {
        return;
    }
    let name = match code {
        MessageCode::ScsiExecuteCdb | MessageCode::TapeExecuteCdb => "_execute_cdb_reply".to_owned(),
        MessageCode::Other(0x600) => "_log_log_post".to_owned(),
        _ => format!("{}_{kind}", snake(&format!("{code:?}"))),
    };
    let versions = match dialect {
        Dialect::V2 => 2..=4,
        Dialect::V3 => 3..=4,
        Dialect::V4 => 4..=4,
    };
    let named = |version: u16| schemas().find(|schema| schema.name == format!("ndmp{version}{name}"));
    if let Some(schema) = versions.into_iter().find_map(named) {
        assert_eq!((schema.recode)(message.body.clone()), Ok(message.body.clone()), "{name}");
    }
}

fn snake(camel: &str) -> String {
    let mut snake = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

fn event(input: &mut Input<'_>) -> Event {
    let kind = input.byte();
    let end = match kind % 16 {
        0 => return Event::PeerConnected("192.0.2.7:4000".parse().expect("an address")),
        1 => return Event::AcceptFailed("no".into()),
        2 => return Event::PeerGone,
        3 => End::Satisfied,
        4 => End::WindowFull,
        5 => End::EndOfMedium,
        6 => End::EndOfFile,
        7 => End::OutsideWindow(input.word().into()),
        8 => End::PeerClosed,
        9 => End::ConnectionBroken("reset".into()),
        10 => End::Media("scratched".into()),
        11 => End::Internal("lost".into()),
        12 => return Event::Notice("vault is low".into()),
        13 => End::OutOfSpace("full".into()),
        14 => End::NoSpace("full".into()),
        _ if kind == 0xff => return Event::Shutdown,
        _ => End::Aborted,
    };
    let moved_bytes = if kind & 0x80 != 0 { u64::from(input.word()) << 32 } else { 0 };
    let progress = Progress { moved_bytes, ..Progress::default() };
    Event::PumpEnded(Ended { end, progress, window_left_bytes: moved_bytes, read: None })
}

/// What a work comes to: what it should, a failure, or, with the highest bit, something that fits no work.
fn completion(kind: u8, work: Option<&Work>) -> Completion {
    let fails = kind & 1 != 0;
    let error = match kind >> 1 & 7 {
        0 => HostError::NotReady,
        1 => HostError::WriteProtected,
        2 => HostError::EarlyWarning,
        3 => HostError::SpaceWarning("low".into()),
        4 => HostError::NoSpace("full".into()),
        _ => HostError::Failed("broken".into()),
    };
    let host = |fails: bool| if fails { Err(error.clone()) } else { Ok(()) };
    if kind & 0x80 != 0 {
        return match kind >> 1 & 3 {
            0 => Completion::Done(host(fails)),
            1 => Completion::Read(host(fails).map(|()| HostRead::Filemark)),
            2 => Completion::Listening(Ok(Vec::new())),
            _ => Completion::Waited,
        };
    }
    let outcome = Outcome::from(if kind & 2 != 0 { Err(Sense::NO_MEDIUM) } else { Ok(vec![kind; 8]) });
    let open = |fails: bool| if fails { Err(OpenFault::Busy("session 1".into())) } else { Ok(()) };
    let address = "192.0.2.1:5000".parse().expect("an address");
    match work {
        Some(Work::OpenTape(_)) => Completion::TapeOpened(open(fails).map(|()| DriveStatus::default())),
        Some(Work::OpenRobot(_)) => Completion::RobotOpened(open(fails)),
        Some(Work::Tape(TapeWork::Read { bytes_max, .. })) => {
            let record = HostRead::Record(vec![kind; (*bytes_max).min(512) as usize].into());
            let read =
                [HostRead::Filemark, HostRead::EndOfData, record].into_iter().nth(usize::from(kind >> 1) % 3);
            Completion::Read(host(fails).map(|()| read.expect("one of three")))
        }
        Some(Work::Tape(TapeWork::Motion { count, .. })) => {
            Completion::Moved(host(fails).map(|()| *count / 2))
        }
        Some(Work::Tape(TapeWork::Cdb(_)) | Work::RobotCdb(_)) if fails => {
            let text = "gone".into();
            Completion::Cdb(Err(if kind & 4 != 0 {
                CdbFault::TimedOut(text)
            } else {
                CdbFault::Failed(text)
            }))
        }
        Some(Work::Tape(TapeWork::Cdb(_)) | Work::RobotCdb(_)) => Completion::Cdb(Ok(outcome.into())),
        Some(Work::Tape(_)) => Completion::Done(host(fails)),
        Some(Work::Listen(_)) if fails => Completion::Listening(Err("no port".into())),
        Some(Work::Listen(_)) => Completion::Listening(Ok(vec![address])),
        Some(Work::Connect(_)) if fails => Completion::Connected(Err("refused".into())),
        Some(Work::Connect(_)) => Completion::Connected(Ok(address)),
        Some(Work::AwaitPump) | None => Completion::Waited,
    }
}

/// What is served, and some that is not.
const CODES: [u32; 44] = [
    0x900,
    0x901,
    0x902,
    0x903,
    0x100,
    0x101,
    0x102,
    0x103,
    0x104,
    0x105,
    0x106,
    0x107,
    0x108,
    0x109,
    0x10a,
    0x200,
    0x201,
    0x202,
    0x203,
    0x204,
    0x205,
    0x206,
    0x300,
    0x301,
    0x302,
    0x303,
    0x304,
    0x305,
    0x306,
    0x307,
    0xa00,
    0xa01,
    0xa02,
    0xa03,
    0xa04,
    0xa05,
    0xa06,
    0xa07,
    0xa08,
    0xa09,
    0x7ff0_0000,
    0x400,
    0x502,
    0xffff_ffff,
];
