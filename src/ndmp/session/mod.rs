//! One control connection's logic, without I/O: (state, request, now) to (state, reply, posts, effects).
//!
//! A session takes whole records and events, and returns [`Effect`]s in the order in which they must happen: a
//! reply always stands before the posts and the work it causes. Requests are answered strictly in order; a request
//! whose work takes time stays *pending* and the next one waits, but events are taken at any time.
//!
//! It must not know sockets, threads, files or clocks: time and randomness come in as arguments, so whole dialogues
//! run in a test at once. One file an interface: `connect`, `config`, `scsi`, `tape`, `mover`, `post` (NOTIFY and LOG);
//! `version` has what differs between the protocol's versions, `extensions` what is beyond them.
//! The shell that performs the effects is `ndmp::shell`.

mod auth;
mod config;
mod connect;
mod effect;
mod extensions;
mod facts;
mod failed;
mod mover;
mod post;
mod scsi;
mod tape;
mod version;

pub use auth::{CHALLENGE_BYTES, md5_digest};
pub use connect::locked_out as locked_out_text;
pub use effect::{Cdb, CdbFault, Completion, Effect, Event, Family, Live, OpenFault, TapeWork, Work};
pub use facts::{Device, Facts, Identity};

use crate::mover::{Mode, Mover, Phase, ReadRange};
use crate::ndmp::framing;
use crate::ndmp::wire::{
    Dialect, Error, Header, HeaderMessageType, Incoming, Message, MessageCode, Outgoing, WireError, v3,
};
use crate::vtl::drive::Motion;
use bytes::Bytes;
use connect::Login;
use extensions::Extensions;
use failed::Failed;
use std::net::SocketAddr;
use std::sync::Arc;
use tape::Access;
use version::Version;

#[cfg(test)]
mod tests;

/// Gives the next 64 random bytes.
pub type ChallengeSource = Box<dyn FnMut() -> [u8; CHALLENGE_BYTES] + Send>;

/// Messages of versions 2 and 3 alone.
const SET_TARGET: u32 = v3::MessageCode::ScsiSetTarget.code();
const RESET_BUS: u32 = v3::MessageCode::ScsiResetBus.code();

/// So many records without a whole header end a connection.
const HEADLESS_RECORDS_MAX: u32 = 8;

/// One control connection.
pub struct Session {
    facts: Arc<Facts>,
    challenges: ChallengeSource,
    /// The version in force.
    version: &'static Version,
    opening: connect::Opening,
    login: Login,
    /// Number of the last message sent.
    sequence: u32,
    now_unix_seconds: u32,
    extensions: Extensions,
    device: OpenDevice,
    mover: Mover,
    /// The data connection's other end, from ACTIVE until MOVER_STOP.
    data_peer: Option<SocketAddr>,
    pending: Option<Pending>,
    headless_records: u32,
    /// Hang up when what is to be sent has been sent.
    is_ending: bool,
    effects: Vec<Effect>,
}

/// The one device a session may have open (NDMPv4 2.11.4).
enum OpenDevice {
    None,
    Tape(tape::OpenTape),
    Robot { name: String },
}

/// What a reply needs to know of its request.
#[derive(Clone, Copy, Debug)]
struct RequestHead {
    sequence: u32,
    code: MessageCode,
}

/// A request whose work is being done.
struct Pending {
    head: RequestHead,
    kind: PendingKind,
}

enum PendingKind {
    TapeOpen { name: String, access: Access },
    TapeClose,
    TapeMotion { motion: Motion, count: u32 },
    TapeFilemarks { count: u32 },
    TapeWrite { length: u32 },
    TapeRead,
    TapeCdb,
    ScsiOpen { name: String },
    ScsiCdb,
    MoverListen { mode: Mode },
    MoverConnect { mode: Mode },
    MoverRead { range: ReadRange },
}

/// Why a request failed: the error for the DMA's program, the text for its operator.
#[derive(Debug)]
struct Fault {
    error: Error,
    text: String,
}

impl Fault {
    fn new(error: Error, text: impl Into<String>) -> Fault {
        Fault { error, text: text.into() }
    }

    /// An error that is an answer and needs no words: what a program asks again and again (a state, whether there is a
    /// tape), or what it reads up to (a mark, the end). Any other has its text.
    fn silent(error: Error) -> Fault {
        Fault { error, text: String::new() }
    }
}

/// What a handler gives: the reply's body now, or work whose completion gives it.
enum Answer<R> {
    Now(R),
    Later(PendingKind, Work),
}

/// What an operator may know of a session.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Who is logged in.
    pub user: Option<String>,
    /// NDMP's version in force.
    pub version: u32,
    /// The open device.
    pub device: Option<String>,
    /// The mover's state.
    pub mover: Phase,
    /// Why it pauses or has halted.
    pub reason: Option<&'static str>,
    /// What the data connection is for.
    pub mode: Option<crate::mover::Mode>,
    /// The part of the stream that the mover may touch; `None`: not set.
    pub window: Option<crate::mover::Window>,
    /// The mover's record size; 0: never set.
    pub record_bytes: u32,
    /// The data connection's other end.
    pub data_peer: Option<SocketAddr>,
    /// The mover's counters as last seen.
    pub progress: crate::mover::Progress,
}

impl Session {
    /// A new connection; the first effects post NOTIFY_CONNECTION_STATUS.
    pub fn new(
        facts: Arc<Facts>,
        challenges: ChallengeSource,
        now_unix_seconds: u32,
    ) -> (Session, Vec<Effect>) {
        let version = Version::announced(facts.is_strict);
        let mut session = Session {
            facts,
            challenges,
            version,
            opening: connect::Opening::default(),
            login: Login::default(),
            sequence: 0,
            now_unix_seconds,
            extensions: Extensions::default(),
            device: OpenDevice::None,
            mover: Mover::new(version.mover),
            data_peer: None,
            pending: None,
            headless_records: 0,
            is_ending: false,
            effects: Vec::new(),
        };
        session.post_connected();
        let effects = session.take_effects();
        (session, effects)
    }

    /// What to send instead of a session, to a DMA that is not wanted: the reason, then the end.
    pub fn refuse(text: &str, now_unix_seconds: u32) -> Vec<Effect> {
        let (mut session, _) =
            Session::new(Arc::new(Facts::default()), Box::new(|| [0; CHALLENGE_BYTES]), now_unix_seconds);
        session.sequence = 0;
        session.post_refused(text);
        session.is_ending = true;
        session.take_effects()
    }

    /// Whether the next request may come: false while one is pending.
    pub fn is_ready(&self) -> bool {
        self.pending.is_none()
    }

    /// Whether a DMA has proved who it is.
    pub fn is_authenticated(&self) -> bool {
        self.login.user().is_some()
    }

    /// What an operator may know of it.
    pub fn summary(&self) -> Summary {
        let device = match &self.device {
            OpenDevice::None => None,
            OpenDevice::Tape(tape) => Some(tape.name.clone()),
            OpenDevice::Robot { name } => Some(name.clone()),
        };
        Summary {
            user: self.login.user().map(|user| user.name.clone()),
            version: self.version.number,
            device,
            mover: self.mover.phase(),
            reason: self.mover.reason(),
            mode: self.mover.mode(),
            window: self.mover.window(),
            record_bytes: self.mover.record_bytes(),
            data_peer: self.data_peer,
            progress: self.mover.progress(),
        }
    }

    /// How bodies are written in the version in force.
    pub fn dialect(&self) -> Dialect {
        self.version.dialect
    }

    /// Takes one record from the DMA. Must not be called while a request is pending.
    pub fn on_record(&mut self, record: Bytes, live: &Live) -> Vec<Effect> {
        assert!(self.is_ready(), "a request came while another is pending");
        self.observe(live);
        match Message::split(record) {
            Ok(message) if message.header.message_type == HeaderMessageType::Request => {
                self.on_request(&message, live);
            }
            // Some DMAs answer our posts.
            Ok(message) => {
                tracing::debug!(code = ?message.header.message_code, "a reply from the DMA, ignored");
            }
            Err(error) => self.on_headless_record(&error),
        }
        self.take_effects()
    }

    /// A record shorter than a header cannot be answered: it is passed over, but a peer that sends nothing else is no
    /// NDMP peer.
    fn on_headless_record(&mut self, error: &WireError) {
        self.headless_records += 1;
        self.is_ending = self.headless_records >= HEADLESS_RECORDS_MAX;
        tracing::warn!(%error, hanging_up = self.is_ending, "a record shorter than an NDMP header");
    }

    /// Takes what came of the pending request's work.
    pub fn on_completion(&mut self, completion: Completion, live: &Live) -> Vec<Effect> {
        self.observe(live);
        if let Some(Pending { head, kind }) = self.pending.take() {
            self.complete(head, kind, completion);
        }
        self.take_effects()
    }

    /// Takes something that happened without the DMA asking.
    pub fn on_event(&mut self, event: Event, live: &Live) -> Vec<Effect> {
        self.observe(live);
        match event {
            Event::PeerConnected(peer) => self.data_peer_connected(peer),
            Event::AcceptFailed(text) => self.data_peer_failed(&text),
            Event::PumpEnded(ended) => {
                self.pump_ended(&ended);
                self.take_up_read();
            }
            Event::PeerGone => {
                let outcome = self.mover.peer_gone();
                self.apply(outcome);
            }
            Event::Notice(text) => self.post_tape_notice(&text),
            Event::Shutdown => {
                self.post_shutdown();
                self.is_ending = true;
            }
        }
        self.take_effects()
    }

    /// What the data connection is for.
    pub fn data_mode(&self) -> Option<crate::mover::Mode> {
        self.mover.mode()
    }

    /// Takes over the time and the counters of the pump.
    pub fn observe(&mut self, live: &Live) {
        self.now_unix_seconds = live.now_unix_seconds;
        if let Some(progress) = live.progress {
            self.mover.observe(progress);
        }
    }

    fn take_effects(&mut self) -> Vec<Effect> {
        if self.is_ending {
            self.effects.push(Effect::Hangup);
        }
        std::mem::take(&mut self.effects)
    }

    fn on_request(&mut self, message: &Message, live: &Live) {
        let head = RequestHead { sequence: message.header.sequence, code: message.header.message_code };
        if head.code != MessageCode::ConnectOpen {
            self.opening = connect::Opening::Over;
        }
        if !self.login.allows(head.code) {
            self.refuse_unauthorized(head);
            return;
        }
        if !self.version.has(head.code) {
            self.refuse_unserved(head);
            return;
        }
        if let Err(error) = self.dispatch(head, message, live) {
            tracing::warn!(code = ?head.code, %error, "a request that cannot be decoded");
            self.reply_header(head, Error::XdrDecode);
            if self.is_authenticated() {
                self.log_error(
                    &format!("request {:#x} cannot be decoded: {error}", head.code.code()),
                    Some(head),
                );
            }
        }
    }

    /// The one table of what is served. An error means that the body could not be decoded.
    fn dispatch(&mut self, head: RequestHead, message: &Message, live: &Live) -> Result<(), WireError> {
        use MessageCode as C;
        match head.code {
            C::ConnectOpen => self.answer(head, message, Session::connect_open)?,
            C::ConnectClientAuth => {
                self.answer(head, message, |session, request| session.connect_client_auth(&request, live))?;
            }
            C::ConnectClose => self.is_ending = true,
            C::ConfigGetHostInfo => self.inform(head, Session::config_get_host_info),
            C::ConfigGetConnectionType => self.inform(head, Session::config_get_connection_type),
            C::ConfigGetAuthAttr => self.answer(head, message, Session::config_get_auth_attr)?,
            C::ConfigGetButypeInfo => self.inform(head, Session::config_get_butype_info),
            C::ConfigGetFsInfo => self.inform(head, Session::config_get_fs_info),
            C::ConfigGetTapeInfo => self.inform(head, Session::config_get_tape_info),
            C::ConfigGetScsiInfo => self.inform(head, Session::config_get_scsi_info),
            C::ConfigGetServerInfo => self.inform(head, Session::config_get_server_info),
            C::ConfigSetExtList => {
                let request = crate::ndmp::wire::ConfigSetExtListRequest::decode_either(&message.body)?;
                let result = self.config_set_ext_list(&request).map(Answer::Now);
                self.finish(head, result);
            }
            C::ConfigGetExtList => self.inform(head, Session::config_get_ext_list),
            C::TestEcho => self.test_echo(head, message)?,
            C::ScsiOpen => self.answer(head, message, Session::scsi_open)?,
            C::ScsiClose => self.answer(head, message, Session::scsi_close)?,
            C::ScsiGetState => self.answer(head, message, Session::scsi_get_state)?,
            C::ScsiResetDevice => self.answer(head, message, Session::scsi_reset_device)?,
            C::Other(SET_TARGET) => self.answer(head, message, Session::scsi_set_target)?,
            C::Other(RESET_BUS) => self.answer(head, message, Session::scsi_reset_bus)?,
            C::ScsiExecuteCdb => self.answer(head, message, Session::scsi_execute_cdb)?,
            C::TapeOpen => self.answer(head, message, Session::tape_open)?,
            C::TapeClose => self.answer(head, message, Session::tape_close)?,
            C::TapeGetState => self.answer(head, message, |session, ()| session.tape_get_state(live))?,
            C::TapeMtio => {
                self.answer(head, message, |session, request| session.tape_mtio(&request, live))?;
            }
            C::TapeWrite => self.answer(head, message, Session::tape_write)?,
            C::TapeRead => self.answer(head, message, Session::tape_read)?,
            C::TapeExecuteCdb => self.answer(head, message, Session::tape_execute_cdb)?,
            C::MoverGetState => self.inform(head, Session::mover_get_state),
            C::MoverListen => self.answer(head, message, Session::mover_listen)?,
            C::MoverConnect => self.answer(head, message, Session::mover_connect)?,
            C::MoverSetRecordSize => self.answer(head, message, Session::mover_set_record_size)?,
            C::MoverSetWindow => self.answer(head, message, Session::mover_set_window)?,
            C::MoverContinue => self.mover_continue(head, message, live)?,
            C::MoverAbort => self.steer(head, message, |mover, ()| mover.abort())?,
            C::MoverStop => self.answer(head, message, Session::mover_stop)?,
            C::MoverRead => self.mover_read(head, message)?,
            C::MoverClose => self.steer(head, message, |mover, ()| mover.close())?,
            _ => self.refuse_unserved(head),
        }
        Ok(())
    }

    /// A tape and robot server has no DATA interface; an unknown code is answered, never a broken session. Some DMAs ask for
    /// what may not be there, so the text is no more than a warning.
    fn refuse_unserved(&mut self, head: RequestHead) {
        self.reply_header(head, Error::NotSupported);
        if self.is_authenticated() {
            self.log_warning(&format!("request {:#x} is not served here", head.code.code()), head);
        }
    }

    /// Decodes, handles, replies or keeps pending.
    fn answer<Q: Incoming, R: Failed>(
        &mut self,
        head: RequestHead,
        message: &Message,
        handle: impl FnOnce(&mut Session, Q) -> Result<Answer<R>, Fault>,
    ) -> Result<(), WireError> {
        let request = self.decode(message)?;
        let result = handle(self, request);
        self.finish(head, result);
        Ok(())
    }

    /// Replies to a question that has no arguments and always an answer.
    fn inform<R: Outgoing>(&mut self, head: RequestHead, tell: impl FnOnce(&mut Session) -> R) {
        let body = tell(self);
        self.reply(head, &body);
    }

    fn finish<R: Failed>(&mut self, head: RequestHead, result: Result<Answer<R>, Fault>) {
        match result {
            Ok(Answer::Now(body)) => self.reply(head, &body),
            Ok(Answer::Later(kind, work)) => {
                if !matches!(kind, PendingKind::TapeClose) {
                    self.tape_is_used();
                }
                self.pending = Some(Pending { head, kind });
                self.effects.push(Effect::Work(work));
            }
            Err(fault) => self.fail::<R>(head, &fault),
        }
    }

    /// Replies with the error; its text goes to the DMA's log (NDMPv4 2.8), behind the reply.
    fn fail<R: Failed>(&mut self, head: RequestHead, fault: &Fault) {
        self.reply(head, &R::failed(self.version.error(head.code, fault.error)));
        tracing::debug!(code = ?head.code, error = ?fault.error, text = fault.text, "a request failed");
        if self.is_authenticated() && !fault.text.is_empty() {
            self.log_error(&fault.text, Some(head));
        }
    }

    fn complete(&mut self, head: RequestHead, kind: PendingKind, completion: Completion) {
        match kind {
            PendingKind::TapeOpen { name, access } => self.tape_opened(head, name, access, completion),
            PendingKind::TapeClose => self.tape_closed(head, completion),
            PendingKind::TapeMotion { motion, count } => self.tape_moved(head, motion, count, completion),
            PendingKind::TapeFilemarks { count } => self.tape_marked(head, count, completion),
            PendingKind::TapeWrite { length } => self.tape_written(head, length, completion),
            PendingKind::TapeRead => self.tape_has_read(head, completion),
            PendingKind::TapeCdb | PendingKind::ScsiCdb => self.cdb_executed(head, completion),
            PendingKind::ScsiOpen { name } => self.scsi_opened(head, name, completion),
            PendingKind::MoverListen { mode } => self.mover_listening(head, mode, completion),
            PendingKind::MoverConnect { mode } => self.mover_connected(head, mode, completion),
            PendingKind::MoverRead { range } => {
                let read = self.mover.read(range);
                self.steered(head, read);
            }
        }
    }

    fn reply<R: Outgoing>(&mut self, head: RequestHead, body: &R) {
        let header = self.next_header(HeaderMessageType::Reply, head.code, head.sequence, Error::NoErr);
        match body.frame(self.version.dialect, &header) {
            Ok(frame) => self.effects.push(Effect::Send(frame)),
            Err(error) => {
                tracing::error!(code = ?head.code, %error, "a reply that cannot be encoded");
                self.reply_header(head, Error::XdrEncode);
            }
        }
    }

    /// A reply without a body: the error is in the header (NDMPv4 2.8).
    fn reply_header(&mut self, head: RequestHead, error: Error) {
        let error = self.version.error(head.code, error);
        let header = self.next_header(HeaderMessageType::Reply, head.code, head.sequence, error);
        let frame = framing::encode(&header, &()).expect("a header has no length that could be too long");
        self.effects.push(Effect::Send(frame));
    }

    fn next_header(
        &mut self,
        message_type: HeaderMessageType,
        message_code: MessageCode,
        reply_sequence: u32,
        error_code: Error,
    ) -> Header {
        self.sequence = self.sequence.wrapping_add(1);
        Header {
            sequence: self.sequence,
            time_stamp: self.now_unix_seconds,
            message_type,
            message_code,
            reply_sequence,
            error_code,
        }
    }

    /// Decodes a body. Bytes behind it are tolerated: old DMAs pad.
    fn decode<T: Incoming>(&self, message: &Message) -> Result<T, WireError> {
        let (value, left) = T::of(self.version.dialect, message)?;
        if left > 0 {
            tracing::debug!(code = ?message.header.message_code, left, "bytes behind a request");
        }
        Ok(value)
    }
}
