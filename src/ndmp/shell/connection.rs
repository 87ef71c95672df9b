//! One control connection: records in, effects performed in order, records out.
//!
//! One task owns everything of a session: its socket, its device, its data connection. Each turn takes one event
//! (bytes, a completion, the pump's end …), hands it to the session, and performs what comes back. When the task
//! ends, however it ends, dropping its fields closes the device and frees it.

use super::data::{DataConnection, Task, connect};
use super::device::{Device, OpenRobot, OpenTape};
use super::meter;
use super::nexus::Nexuses;
use super::registry::SessionEntry;
use super::socket::{WRITE_TIMEOUT, prepare_control, receive, send};
use super::trace::Tracer;
use super::{RobotUnit, Shared, World, told_to_stop};
use crate::ndmp::framing::{Decoder, Frame};
use crate::ndmp::session::{
    CHALLENGE_BYTES, CdbFault, Completion, Effect, Event, Live, OpenFault, Session, Work, locked_out_text,
};
use crate::ndmp::wire::limits::{MESSAGE_BEFORE_LOGIN_MAX_BYTES, MESSAGE_MAX_BYTES};
use crate::vtl::drive::{DriveStatus, Holder, Notice};
use bytes::BytesMut;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// A peer that has not logged in after so long is hung up on.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(60);
/// So many requests before login are answered at once (a login takes fewer than ten), the others one in so long.
const RECORDS_AT_ONCE_BEFORE_LOGIN: u32 = 32;
const RECORD_INTERVAL_BEFORE_LOGIN: Duration = Duration::from_millis(10);
/// A record that has begun must be whole after so long without a byte.
const RECORD_TIMEOUT: Duration = Duration::from_secs(120);
/// Once the server is being stopped, such a peer is waited for no longer than this.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a MOVER_READ waits for the end of the one before.
const PUMP_WAIT: Duration = Duration::from_millis(50);
/// How much is read from the socket at once at least.
const READ_BYTES: usize = 16 * 1024;

/// What a piece of work brings: the session's part, and what the shell takes over before.
enum Done {
    Completed(Completion),
    Opened(Device, Completion),
    Connected(TcpStream),
}

impl From<Completion> for Done {
    fn from(completion: Completion) -> Done {
        Done::Completed(completion)
    }
}

/// What a turn of the loop takes.
enum Turn {
    Read(io::Result<usize>),
    Done(Done),
    Accepted(io::Result<(TcpStream, SocketAddr)>),
    Pumped(super::data::Pumped),
    Notice(Arc<str>),
    PeerGone,
    Sample,
    Stop,
    TimedOut,
}

/// A control connection and everything it owns. The data connection stands before the device, so that its pump is
/// told to stop before the device is closed behind it.
pub(super) struct Connection {
    session: Session,
    data: DataConnection,
    /// None when the session has ended. Before the device: what ends with the session is over when the next one opens it.
    nexuses: Option<Nexuses>,
    device: Device,
    /// What whoever looks after the open tape's loader has to say.
    notices: Option<watch::Receiver<Notice>>,
    work: Option<Task<Done>>,
    socket: TcpStream,
    local: SocketAddr,
    decoder: Decoder,
    input: BytesMut,
    deadline: Instant,
    /// When to look next how far the transfer is.
    sample_at: Instant,
    /// How many requests before login are still answered at once.
    unpaced_records: u32,
    is_over: bool,
    world: Arc<World>,
    shared: Arc<Shared>,
    entry: Arc<SessionEntry>,
    tracer: Tracer,
    stop: watch::Receiver<bool>,
    greeting: Vec<Effect>,
}

impl Connection {
    pub(super) fn new(
        socket: TcpStream,
        world: Arc<World>,
        entry: Arc<SessionEntry>,
        shared: Arc<Shared>,
        stop: watch::Receiver<bool>,
    ) -> io::Result<Connection> {
        prepare_control(&socket, world.rules.keepalive)?;
        let peer = entry.peer.ip().to_canonical();
        let mut facts = world.facts.clone();
        facts.users.retain(|user| user.allows(peer));
        facts.dma = Some(peer);
        let (session, greeting) = Session::new(Arc::new(facts), Box::new(challenge), now_unix_seconds());
        tracing::info!("session began");
        let local = socket.local_addr()?;
        let nexuses = Some(Nexuses::new(peer, &holder(&entry)));
        Ok(Connection {
            session,
            data: DataConnection::default(),
            nexuses,
            device: Device::None,
            notices: None,
            work: None,
            local,
            socket,
            decoder: Decoder::new(MESSAGE_BEFORE_LOGIN_MAX_BYTES),
            input: BytesMut::new(),
            deadline: Instant::now() + LOGIN_TIMEOUT,
            sample_at: Instant::now(),
            unpaced_records: RECORDS_AT_ONCE_BEFORE_LOGIN,
            is_over: false,
            world,
            tracer: Tracer::new(shared.traces.clone(), entry.clone(), local),
            shared,
            entry,
            stop,
            greeting,
        })
    }

    /// Runs until either side ends the connection.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let greeting = std::mem::take(&mut self.greeting);
        self.perform(greeting).await?;
        while !self.is_over {
            let turn = self.next_turn().await;
            let effects = self.take(turn)?;
            self.perform(effects).await?;
            self.take_records().await?;
            self.entry
                .publish(self.session.summary(), self.data.control().map(|control| control.progress.clone()));
        }
        // The device is free before the peer sees the end.
        self.data.disconnect();
        self.nexuses = None;
        self.device = Device::None;
        self.socket.shutdown().await
    }

    /// Waits for the next thing to happen. While a request is pending, of the input only its end is taken.
    async fn next_turn(&mut self) -> Turn {
        let wants_input = self.session.is_ready();
        tokio::select! {
            done = optional(&mut self.work) => Turn::Done(done),
            accepted = optional(&mut self.data.accept) => Turn::Accepted(accepted),
            pumped = optional(&mut self.data.pump) => Turn::Pumped(pumped),
            () = optional(&mut self.data.peer_gone) => Turn::PeerGone,
            read = receive(&mut self.socket, &mut self.input, wants_input) => Turn::Read(read),
            text = noticed(&mut self.notices) => Turn::Notice(text),
            () = told_to_stop(&mut self.stop) => Turn::Stop,
            () = sleep_until(self.sample_at), if self.data.control().is_some() => Turn::Sample,
            () = sleep_until(self.deadline), if wants_input && self.has_deadline() => Turn::TimedOut,
        }
    }

    /// Hands the turn to the session.
    fn take(&mut self, turn: Turn) -> io::Result<Vec<Effect>> {
        Ok(match turn {
            Turn::Read(read) => {
                if read? == 0 {
                    self.is_over = true;
                    if self.decoder.mid_record(&self.input) {
                        return Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            "the connection ended within a message",
                        ));
                    }
                } else {
                    self.postpone_deadline();
                }
                Vec::new()
            }
            Turn::Done(done) => {
                self.work = None;
                // Nothing was read meanwhile: the rest of the next record was not late.
                self.postpone_deadline();
                self.finish(done)
            }
            Turn::Accepted(accepted) => {
                self.data.accept = None;
                let event = match accepted
                    .and_then(|(socket, _)| self.data.adopt(socket, self.world.rules.keepalive))
                {
                    Ok(peer) => {
                        tracing::info!(%peer, "data connection accepted");
                        Event::PeerConnected(peer)
                    }
                    Err(error) => Event::AcceptFailed(error.to_string()),
                };
                let effects = self.raise(event);
                self.watch_if_idle(&effects);
                effects
            }
            Turn::Pumped(pumped) => {
                let ended = self.data.park(pumped);
                let effects = self.raise(Event::PumpEnded(ended));
                // A MOVER_READ that waited for this end is answered: nothing is left to wait for.
                if self.session.is_ready() {
                    self.work = None;
                }
                self.watch_if_idle(&effects);
                effects
            }
            Turn::PeerGone => {
                self.data.peer_gone = None;
                self.raise(Event::PeerGone)
            }
            // What is published behind every turn is all.
            Turn::Sample => {
                self.sample_at = Instant::now() + meter::INTERVAL;
                let live = self.live();
                self.session.observe(&live);
                Vec::new()
            }
            Turn::Notice(text) => self.raise(Event::Notice(text)),
            Turn::Stop => self.raise(Event::Shutdown),
            Turn::TimedOut => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer fell silent"));
            }
        })
    }

    fn raise(&mut self, event: Event) -> Vec<Effect> {
        let live = self.live();
        self.session.on_event(event, &live)
    }

    fn finish(&mut self, done: Done) -> Vec<Effect> {
        let completion = match done {
            Done::Completed(completion) => completion,
            Done::Opened(device, completion) => {
                if let Device::Tape(tape) = &device {
                    self.notices = Some(tape.notices());
                }
                self.device = device;
                completion
            }
            Done::Connected(socket) => {
                let adopted = self.data.adopt(socket, self.world.rules.keepalive);
                Completion::Connected(adopted.map_err(|error| error.to_string()))
            }
        };
        let is_connected = matches!(completion, Completion::Connected(Ok(_)));
        let live = self.live();
        let effects = self.session.on_completion(completion, &live);
        if is_connected {
            self.watch_if_idle(&effects);
        }
        effects
    }

    /// A recovery that waits for the DMA must notice when the data server goes.
    fn watch_if_idle(&mut self, effects: &[Effect]) {
        let is_recovery = matches!(self.session.data_mode(), Some(crate::mover::Mode::Write));
        let goes_on = effects.iter().any(|effect| matches!(effect, Effect::Pump { .. } | Effect::Disconnect));
        if is_recovery && !goes_on {
            self.data.watch();
        }
    }

    /// Hands whole records to the session, as long as none is pending.
    async fn take_records(&mut self) -> io::Result<()> {
        while !self.is_over && self.session.is_ready() {
            let Some(record) = self.decoder.decode(&mut self.input).map_err(io::Error::other)? else { break };
            self.pace_stranger().await;
            self.entry.spoke();
            self.tracer.received(&record, self.session.dialect());
            let effects = self.session.on_record(record, &self.live());
            self.perform(effects).await?;
        }
        self.input.reserve(READ_BYTES);
        Ok(())
    }

    /// Before login a few requests are answered at once and the rest so slowly that no number of them takes processor time
    /// from sessions that work.
    async fn pace_stranger(&mut self) {
        if self.session.is_authenticated() {
            return;
        }
        match self.unpaced_records.checked_sub(1) {
            Some(left) => self.unpaced_records = left,
            None => tokio::select! {
                () = sleep(RECORD_INTERVAL_BEFORE_LOGIN) => {}
                () = told_to_stop(&mut self.stop) => {}
            },
        }
    }

    async fn perform(&mut self, effects: Vec<Effect>) -> io::Result<()> {
        for effect in effects {
            match effect {
                Effect::Send(frame) => self.send(frame).await?,
                Effect::Work(work) => self.begin(work).await,
                Effect::Pump { start, progress } => match &self.device {
                    Device::Tape(tape) => self.data.start(tape, start, progress),
                    Device::None | Device::Robot(_) => {
                        tracing::error!("a pump was asked for without an open drive");
                    }
                },
                Effect::Disconnect => self.data.disconnect(),
                Effect::CloseDevice => {
                    self.device = Device::None;
                    self.notices = None;
                }
                Effect::ResetRobot => {
                    if let Device::Robot(robot) = &self.device {
                        robot.reset();
                    }
                }
                Effect::Authenticated => {
                    self.decoder.set_max_record_bytes(MESSAGE_MAX_BYTES);
                    self.shared.failed_logins.succeeded(self.peer());
                    self.tracer.logged_in(self.session.summary().user);
                }
                Effect::LoginFailed => self.hold_back().await,
                Effect::Hangup => self.is_over = true,
            }
        }
        Ok(())
    }

    async fn send(&mut self, frame: Frame) -> io::Result<()> {
        self.entry.spoke();
        self.tracer.sent(&frame, self.session.dialect());
        let too_long = async {
            told_to_stop(&mut self.stop).await;
            sleep(STOP_TIMEOUT).await;
        };
        tokio::select! {
            written = send(&mut self.socket, frame) => written,
            () = too_long => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no replies")),
        }
    }

    async fn begin(&mut self, work: Work) {
        let Some(nexuses) = &self.nexuses else { return };
        let task: Task<Done> = match (work, &self.device) {
            (Work::OpenTape(index), _) => {
                let unit = self.world.drives[index].clone();
                let nexus = nexuses.drive(index, &unit.drive);
                let holder = holder(&self.entry);
                Box::pin(async { opened(OpenTape::open(unit, holder, nexus).await) })
            }
            (Work::OpenRobot(index), _) => {
                let RobotUnit { loader, personality } = &self.world.robots[index];
                let done = match loader.open_robot(&holder(&self.entry)) {
                    Ok(lease) => {
                        let nexus = nexuses.robot(index, loader);
                        let robot = OpenRobot { lease, personality: personality.clone(), nexus };
                        Done::Opened(Device::Robot(robot), Completion::RobotOpened(Ok(())))
                    }
                    Err(error) => Completion::RobotOpened(Err(OpenFault::Failed(error.to_string()))).into(),
                };
                Box::pin(async { done })
            }
            (Work::Tape(work), Device::Tape(tape)) => completed(tape.perform(work)),
            (Work::RobotCdb(cdb), Device::Robot(robot)) => completed(robot.execute(nexuses.at_work(), cdb)),
            (Work::Listen(family), _) => {
                let addresses = self.data.listen(&self.world.data, self.local, self.peer(), family).await;
                let completion = Completion::Listening(addresses);
                Box::pin(async { completion.into() })
            }
            (Work::Connect(addresses), _) => Box::pin(async move {
                match connect(&addresses).await {
                    Ok(socket) => Done::Connected(socket),
                    Err(text) => Completion::Connected(Err(text)).into(),
                }
            }),
            (Work::AwaitPump, _) => Box::pin(async {
                sleep(PUMP_WAIT).await;
                Completion::Waited.into()
            }),
            (Work::Tape(_) | Work::RobotCdb(_), _) => {
                let text = "internal fault: the device is not open".to_owned();
                Box::pin(async { Completion::Cdb(Err(CdbFault::Failed(text))).into() })
            }
        };
        self.work = Some(task);
    }

    fn live(&self) -> Live {
        Live {
            now_unix_seconds: now_unix_seconds(),
            drive: self.drive_status(),
            progress: self.data.control().map(|control| control.progress.get()),
            locked_out_seconds: self.locked_out_seconds(),
        }
    }

    fn locked_out_seconds(&self) -> Option<u64> {
        let left = self.shared.failed_logins.locked_out(self.peer(), std::time::Instant::now())?;
        Some(whole_seconds(left))
    }

    fn peer(&self) -> IpAddr {
        self.entry.peer.ip().to_canonical()
    }

    /// Behind a failed login: its answer waits the longer the more have failed from there, and the last one is the end.
    async fn hold_back(&mut self) {
        let rules = self.world.rules.logins;
        let failure = self.shared.failed_logins.failed(self.peer(), rules, std::time::Instant::now());
        if failure.is_locked_out {
            let (failed, seconds) = (failure.failed, rules.lockout.as_secs());
            tracing::warn!(failed, seconds, "too many failed logins: the address is locked out");
            self.is_over = true;
        }
        tokio::select! {
            () = sleep(failure.delay) => {}
            () = told_to_stop(&mut self.stop) => {}
        }
    }

    fn drive_status(&self) -> Option<DriveStatus> {
        match &self.device {
            Device::Tape(tape) => Some(tape.status()),
            Device::None | Device::Robot(_) => None,
        }
    }

    /// Something has come: a record that has begun has its time again. A login has its time once.
    fn postpone_deadline(&mut self) {
        if self.session.is_authenticated() {
            self.deadline = Instant::now() + RECORD_TIMEOUT;
        }
    }

    /// Whether silence ends the session: before the login, and within a record.
    fn has_deadline(&self) -> bool {
        !self.session.is_authenticated() || self.decoder.mid_record(&self.input)
    }
}

/// What a DMA at an address that is locked out is told.
pub(super) fn locked_out(left: Duration) -> String {
    locked_out_text(whole_seconds(left))
}

/// Rounded up: who comes back after so long is not too early.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Tells a DMA that is not wanted why, and hangs up.
pub(super) async fn refuse(mut socket: TcpStream, text: &str) {
    for effect in Session::refuse(text, now_unix_seconds()) {
        if let Effect::Send(frame) = effect
            && send(&mut socket, frame).await.is_err()
        {
            return;
        }
    }
    let _ = timeout(WRITE_TIMEOUT, socket.shutdown()).await;
}

/// How this session appears to whoever finds a device busy.
fn holder(entry: &SessionEntry) -> Holder {
    Holder { session: entry.id, peer: entry.peer.to_string() }
}

/// What came of opening a drive.
fn opened(opened: Result<OpenTape, OpenFault>) -> Done {
    match opened {
        Ok(tape) => {
            let completion = Completion::TapeOpened(Ok(tape.status()));
            Done::Opened(Device::Tape(tape), completion)
        }
        Err(fault) => Completion::TapeOpened(Err(fault)).into(),
    }
}

fn completed(work: Task<Completion>) -> Task<Done> {
    Box::pin(async { work.await.into() })
}

async fn optional<T>(task: &mut Option<Task<T>>) -> T {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

/// The next thing that is to be said.
async fn noticed(notices: &mut Option<watch::Receiver<Notice>>) -> Arc<str> {
    while let Some(receiver) = notices {
        if receiver.changed().await.is_err() {
            *notices = None;
        } else if let Some(text) = receiver.borrow_and_update().clone() {
            return text;
        }
    }
    std::future::pending().await
}

fn now_unix_seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

fn challenge() -> [u8; CHALLENGE_BYTES] {
    let mut bytes = [0; CHALLENGE_BYTES];
    // Without randomness there is no authentication; the kernel gives it unless it is broken beyond use.
    getrandom::fill(&mut bytes).expect("the kernel's random generator works");
    bytes
}
