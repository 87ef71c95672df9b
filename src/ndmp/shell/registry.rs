//! Who is connected: for `tapesilo status`, and to end a session from outside.
//!
//! It must not know what sessions do.

use super::SessionRules;
use super::meter::Meter;
use crate::mover::{Phase, Progress, ProgressCell};
use crate::ndmp::session::Summary;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;

/// Who has not logged in after so long may have to make room.
const STRANGER_GRACE: Duration = Duration::from_secs(2);

/// One connected session.
pub struct SessionEntry {
    /// Its number; never used twice.
    pub id: u64,
    /// The other end.
    pub peer: SocketAddr,
    /// Since when.
    pub connected: Instant,
    /// The same by the wall clock.
    pub connected_at: SystemTime,
    /// When a message last came or went, in milliseconds since then.
    spoke_milliseconds: AtomicU64,
    state: Mutex<EntryState>,
    ended_from_outside: Notify,
    /// Why; said before `ended_from_outside`.
    why_ended: OnceLock<&'static str>,
}

/// What a session said of itself last.
#[derive(Default)]
struct EntryState {
    summary: Option<Summary>,
    running: Option<Arc<ProgressCell>>,
    /// Bytes of the transfers before the one that `summary` tells of, and of that one as it was when it was told.
    moved_bytes: u64,
    /// Of the transfer that runs.
    meter: Meter,
    /// Since when the mover is in its state; `None`: since the beginning.
    phase_since: Option<Instant>,
}

/// A session at one moment.
#[derive(Clone, Debug)]
pub struct Glance {
    /// What it said of itself last.
    pub summary: Summary,
    /// Its mover's counters, up to date while it moves.
    pub progress: Progress,
    /// Bytes per second of the last seconds; `None` when nothing is being transferred, or that cannot be told yet.
    pub per_second: Option<u64>,
    /// How long the mover has been in its state.
    pub in_phase: Duration,
    /// For how long no message has come or gone and no byte was moved.
    pub idle: Duration,
}

impl EntryState {
    fn progress(&self) -> Progress {
        let told = self.summary.as_ref().map(|summary| summary.progress).unwrap_or_default();
        self.running.as_ref().map_or(told, |cell| cell.get())
    }

    fn told_bytes(&self) -> u64 {
        self.summary.as_ref().map_or(0, |summary| summary.progress.moved_bytes)
    }

    /// All that was moved until now. Counters that have gone back are a new transfer's.
    fn moved_bytes(&self, now: u64) -> u64 {
        let told = self.told_bytes();
        self.moved_bytes + if now >= told { now - told } else { now }
    }
}

impl SessionEntry {
    /// How the session stands now; `None` before it has begun.
    pub fn glance(&self) -> Option<Glance> {
        let now = Instant::now();
        let state = self.lock();
        let summary = state.summary.clone()?;
        let progress = state.progress();
        let spoke = self.connected + Duration::from_millis(self.spoke_milliseconds.load(Ordering::Relaxed));
        let grew = state.meter.grew(now, progress.moved_bytes);
        let stirred = grew.map_or(spoke, |grew| grew.max(spoke));
        Some(Glance {
            per_second: match summary.mover {
                Phase::Active => state.meter.per_second(now, progress.moved_bytes),
                _ => None,
            },
            in_phase: now.saturating_duration_since(state.phase_since.unwrap_or(self.connected)),
            idle: now.saturating_duration_since(stirred),
            summary,
            progress,
        })
    }

    /// A message has come or is going.
    pub(super) fn spoke(&self) {
        let since = u64::try_from(self.connected.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.spoke_milliseconds.store(since, Ordering::Relaxed);
    }

    pub(super) fn publish(&self, summary: Summary, running: Option<Arc<ProgressCell>>) {
        let now = Instant::now();
        let mut state = self.lock();
        let before = state.summary.as_ref().map(|summary| summary.mover);
        if before.is_some_and(|before| before != summary.mover) {
            state.phase_since = Some(now);
        }
        state.moved_bytes = state.moved_bytes(summary.progress.moved_bytes);
        if summary.mover == Phase::Active {
            state.meter.sample(now, summary.progress.moved_bytes);
        } else {
            state.meter.stop();
        }
        state.summary = Some(summary);
        state.running = running;
    }

    /// Bytes that its movers have moved until now.
    fn moved_bytes(&self) -> u64 {
        let state = self.lock();
        state.moved_bytes(state.progress().moved_bytes)
    }

    /// Ends when the session is to end, for whatever it does; why.
    pub(super) async fn killed(&self) -> &'static str {
        self.ended_from_outside.notified().await;
        self.why_ended.get().copied().unwrap_or_default()
    }

    fn end(&self, why: &'static str) {
        // The first reason is the one.
        let _ = self.why_ended.set(why);
        self.ended_from_outside.notify_one();
    }

    /// Whether nobody has logged in, though there was time to.
    fn is_stranger(&self, now: Instant) -> bool {
        let is_nobody = self.lock().summary.as_ref().is_none_or(|summary| summary.user.is_none());
        is_nobody && now.saturating_duration_since(self.connected) >= STRANGER_GRACE
    }

    fn lock(&self) -> MutexGuard<'_, EntryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All connected sessions.
#[derive(Default)]
pub struct Registry(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    last_id: u64,
    /// Bytes that the movers of sessions that have ended have moved.
    moved_bytes: u64,
    sessions: BTreeMap<u64, Arc<SessionEntry>>,
}

impl Entries {
    /// Sees that there are fewer than `max` of these: whoever of them has been there the longest without logging in makes
    /// room, for strangers must not keep out those who work. `None` if there is nobody to go.
    fn make_room(&mut self, max: usize, is_one: impl Fn(&SessionEntry) -> bool) -> Option<()> {
        let mut these = self.sessions.values().filter(|entry| is_one(entry));
        if these.clone().count() < max {
            return Some(());
        }
        let now = Instant::now();
        let stranger = these.find(|entry| entry.is_stranger(now))?.clone();
        stranger.end("it made room for another before it had logged in");
        self.forget(stranger.id);
        Some(())
    }

    fn forget(&mut self, id: u64) {
        if let Some(entry) = self.sessions.remove(&id) {
            self.moved_bytes += entry.moved_bytes();
        }
    }
}

/// Why a session was refused; what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooManySessions {
    /// There are `max_sessions`.
    #[error("too many sessions: end one, or raise server.max_sessions")]
    InAll,
    /// There are `max_sessions_per_address` from its address.
    #[error("too many sessions from this address: end one, or raise server.max_sessions_per_address")]
    OfAddress,
}

impl Registry {
    /// All sessions, oldest first.
    pub fn sessions(&self) -> Vec<Arc<SessionEntry>> {
        self.lock().sessions.values().cloned().collect()
    }

    /// Ends a session: it is hung up on at once, and its device is free. `None` if there is no such session.
    pub fn kill(&self, id: u64) -> Option<Arc<SessionEntry>> {
        let entry = self.lock().sessions.get(&id).cloned()?;
        entry.end("an operator ended it");
        Some(entry)
    }

    /// Bytes that all movers have moved since the start.
    pub fn moved_bytes(&self) -> u64 {
        let entries = self.lock();
        entries.moved_bytes + entries.sessions.values().map(|entry| entry.moved_bytes()).sum::<u64>()
    }

    /// Adds a session, unless there are as many as `rules` allow.
    pub(super) fn add(
        &self,
        peer: SocketAddr,
        rules: &SessionRules,
    ) -> Result<Arc<SessionEntry>, TooManySessions> {
        let mut entries = self.lock();
        let address = peer.ip().to_canonical();
        let from_there = |entry: &SessionEntry| entry.peer.ip().to_canonical() == address;
        let of_address_max = rules.of_address_max.unwrap_or(usize::MAX);
        entries.make_room(of_address_max, from_there).ok_or(TooManySessions::OfAddress)?;
        entries.make_room(rules.sessions_max, |_| true).ok_or(TooManySessions::InAll)?;
        entries.last_id += 1;
        let entry = Arc::new(SessionEntry {
            id: entries.last_id,
            peer,
            connected: Instant::now(),
            connected_at: SystemTime::now(),
            spoke_milliseconds: AtomicU64::new(0),
            state: Mutex::default(),
            ended_from_outside: Notify::new(),
            why_ended: OnceLock::new(),
        });
        entries.sessions.insert(entry.id, entry.clone());
        Ok(entry)
    }

    pub(super) fn remove(&self, id: u64) {
        self.lock().forget(id);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
