//! Protocol traces that operators switch on and off: which there are, and what each session does about them.
//!
//! A session asks before every message whether anything is traced: one relaxed load while nothing is. Its lines go to a
//! [`sink`] of their own thread, and are counted as lost rather than waited for. A trace of a user also has what came before
//! the login: a session that has not named a user yet keeps a few lines back. It must not know how a message is
//! shown: that is `ndmp::trace`.

mod sink;
#[cfg(test)]
mod tests;

use super::registry::SessionEntry;
use crate::config::Network;
use crate::ndmp::framing::{Decoder, Frame};
use crate::ndmp::trace::{self, Seen};
use crate::ndmp::wire::{Dialect, Message};
use bytes::{Bytes, BytesMut};
use sink::Sink;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Traces at one time.
const TRACES_MAX: usize = 8;
/// What a session keeps back until it names a user, in bytes.
const HELD_BYTES_MAX: usize = 16 << 10;
/// In `Traces::state`: whether there is any.
const IS_ON: u64 = 1;

/// Whom a trace is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Sessions of this user, and attempts to log in as it.
    User(String),
    /// Sessions from this address or network.
    From(Network),
    /// One session.
    Session(u64),
}

impl Subject {
    /// For people.
    fn words(&self) -> String {
        match self {
            Subject::User(name) => format!("user {name:?}"),
            Subject::From(network) => format!("sessions from {network}"),
            Subject::Session(id) => format!("session {id}"),
        }
    }
}

/// A trace at one moment.
#[derive(Clone, Debug)]
pub struct TraceGlance {
    /// Its number.
    pub id: u64,
    /// Whom it is of.
    pub subject: Subject,
    /// Where it is written to; what was there before the last change of files has `.1` behind its name.
    pub file: PathBuf,
    /// How large both files may become together.
    pub limit_bytes: u64,
    /// Since when.
    pub began: SystemTime,
    /// Bytes written.
    pub written_bytes: u64,
    /// Messages written.
    pub messages: u64,
    /// Messages that could not be written in time, or at all.
    pub lost_messages: u64,
    /// Why nothing is written any more.
    pub problem: Option<String>,
}

/// All traces that are on.
#[derive(Default)]
pub struct Traces {
    /// Changes with every change of `all`; [`IS_ON`] when there is any.
    state: AtomicU64,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    last_id: u64,
    traces: Vec<Arc<Trace>>,
}

struct Trace {
    id: u64,
    subject: Subject,
    limit_bytes: u64,
    began: SystemTime,
    sink: Sink,
}

impl Trace {
    fn glance(&self) -> TraceGlance {
        let (written_bytes, messages, lost_messages) = self.sink.counts();
        TraceGlance {
            id: self.id,
            subject: self.subject.clone(),
            file: self.sink.file().to_owned(),
            limit_bytes: self.limit_bytes,
            began: self.began,
            written_bytes,
            messages,
            lost_messages,
            problem: self.sink.problem(),
        }
    }
}

impl Traces {
    /// Begins one; its file must not be there yet.
    ///
    /// # Errors
    /// When the file cannot be made, or there are too many traces.
    pub fn begin(&self, subject: Subject, file: PathBuf, limit_bytes: u64) -> Result<TraceGlance, String> {
        let mut all = self.lock();
        if all.traces.len() >= TRACES_MAX {
            return Err(format!("there are {TRACES_MAX} traces already: end one with `session trace --off`"));
        }
        let title = format!(
            "# tapesilo {}: {}; passwords, digests, challenges and payloads are not shown",
            env!("CARGO_PKG_VERSION"),
            subject.words()
        );
        let sink = Sink::open(file, limit_bytes, title)?;
        all.last_id += 1;
        let trace = Arc::new(Trace { id: all.last_id, subject, limit_bytes, began: SystemTime::now(), sink });
        let glance = trace.glance();
        all.traces.push(trace);
        self.changed(&all);
        Ok(glance)
    }

    /// Ends one: what was seen until now is in its file. `None` if there is no such.
    pub fn end(&self, id: u64) -> Option<TraceGlance> {
        let trace = {
            let mut all = self.lock();
            let at = all.traces.iter().position(|trace| trace.id == id)?;
            let trace = all.traces.remove(at);
            self.changed(&all);
            trace
        };
        trace.sink.close();
        Some(trace.glance())
    }

    /// Ends all.
    pub fn end_all(&self) {
        for glance in self.glances() {
            self.end(glance.id);
        }
    }

    /// All, the oldest first.
    pub fn glances(&self) -> Vec<TraceGlance> {
        self.lock().traces.iter().map(|trace| trace.glance()).collect()
    }

    fn changed(&self, all: &All) {
        let is_on = if all.traces.is_empty() { 0 } else { IS_ON };
        let next = (self.state.load(Ordering::Relaxed) | IS_ON).wrapping_add(1) | is_on;
        self.state.store(next, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One session's part.
pub(super) struct Tracer {
    traces: Arc<Traces>,
    entry: Arc<SessionEntry>,
    local: SocketAddr,
    /// `Traces::state` when `on` was found.
    state: u64,
    /// Those that this session is in.
    on: Vec<Arc<Trace>>,
    /// Whether some may still turn out to be of this session's user.
    may_be_of_user: bool,
    /// The user, once it has logged in; before, the one it last tried to log in as.
    user: Option<String>,
    is_logged_in: bool,
    held: VecDeque<String>,
    held_bytes: usize,
}

impl Tracer {
    pub(super) fn new(traces: Arc<Traces>, entry: Arc<SessionEntry>, local: SocketAddr) -> Tracer {
        Tracer {
            traces,
            entry,
            local,
            state: 0,
            on: Vec::new(),
            may_be_of_user: false,
            user: None,
            is_logged_in: false,
            held: VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// A record from the DMA.
    pub(super) fn received(&mut self, record: &Bytes, dialect: Dialect) {
        if self.is_wanted() {
            self.record(record.clone(), dialect, true);
        }
    }

    /// A record to the DMA.
    pub(super) fn sent(&mut self, frame: &Frame, dialect: Dialect) {
        if !self.is_wanted() {
            return;
        }
        let mut bytes = BytesMut::from(frame.to_bytes());
        if let Ok(Some(record)) = Decoder::new(usize::MAX).decode(&mut bytes) {
            self.record(record, dialect, false);
        }
    }

    /// The session has logged in.
    pub(super) fn logged_in(&mut self, user: Option<String>) {
        self.user = user;
        self.is_logged_in = true;
        self.find();
    }

    /// While nothing is traced, this is all.
    fn is_wanted(&mut self) -> bool {
        let state = self.traces.state.load(Ordering::Relaxed);
        if state & IS_ON == 0 {
            return false;
        }
        if state != self.state {
            self.find();
        }
        !self.on.is_empty() || self.may_be_of_user
    }

    /// Finds the traces that this session is in; lines that were kept back go to those that have become its own.
    fn find(&mut self) {
        let all = self.traces.lock();
        self.state = self.traces.state.load(Ordering::Acquire);
        let peer = self.entry.peer.ip();
        let is_of_this = |trace: &&Arc<Trace>| match &trace.subject {
            Subject::User(name) => self.user.as_ref() == Some(name),
            Subject::From(network) => network.contains(peer),
            Subject::Session(id) => *id == self.entry.id,
        };
        let on: Vec<_> = all.traces.iter().filter(is_of_this).cloned().collect();
        let is_by_user = |trace: &Arc<Trace>| matches!(trace.subject, Subject::User(_));
        self.may_be_of_user = !self.is_logged_in && all.traces.iter().any(is_by_user);
        drop(all);
        let has = |trace: &Arc<Trace>| self.on.iter().any(|known| known.id == trace.id);
        for trace in on.iter().filter(|trace| is_by_user(trace) && !has(trace)) {
            self.held.iter().for_each(|line| trace.sink.put(line.clone()));
        }
        self.on = on;
        if !self.may_be_of_user {
            self.held.clear();
            self.held_bytes = 0;
        }
    }

    fn record(&mut self, record: Bytes, dialect: Dialect, is_from_dma: bool) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_microseconds = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        let (peer, session) = (self.entry.peer, self.entry.id);
        let (from, to) = if is_from_dma { (peer, self.local) } else { (self.local, peer) };
        let bytes = record.len();
        let line = match Message::split(record) {
            Ok(message) => {
                let claimed = trace::claimed_user(&message).filter(|_| is_from_dma && !self.is_logged_in);
                if claimed.is_some() {
                    self.user = claimed;
                    self.find();
                }
                trace::line(&Seen { unix_microseconds, session, from, to, dialect, message: &message })
            }
            Err(_) => trace::headless(unix_microseconds, session, from, to, bytes),
        };
        self.on.iter().for_each(|trace| trace.sink.put(line.clone()));
        if self.may_be_of_user {
            self.hold(line);
        }
    }

    fn hold(&mut self, line: String) {
        self.held_bytes += line.len();
        self.held.push_back(line);
        while self.held_bytes > HELD_BYTES_MAX {
            let Some(oldest) = self.held.pop_front() else { break };
            self.held_bytes -= oldest.len();
        }
    }
}
