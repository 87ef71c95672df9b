//! Who is connected: for `tapesilo status`, and to end a session from outside.
//!
//! It must not know what sessions do.

use super::meter::Meter;
use crate::mover::{Phase, Progress, ProgressCell};
use crate::ndmp::session::Summary;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;

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

    /// Ends when an operator wants the session to end.
    pub(super) async fn killed(&self) {
        self.ended_from_outside.notified().await;
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

impl Registry {
    /// All sessions, oldest first.
    pub fn sessions(&self) -> Vec<Arc<SessionEntry>> {
        self.lock().sessions.values().cloned().collect()
    }

    /// Ends a session: it is hung up on at once, and its device is free. `None` if there is no such session.
    pub fn kill(&self, id: u64) -> Option<Arc<SessionEntry>> {
        let entry = self.lock().sessions.get(&id).cloned()?;
        entry.ended_from_outside.notify_one();
        Some(entry)
    }

    /// Bytes that all movers have moved since the start.
    pub fn moved_bytes(&self) -> u64 {
        let entries = self.lock();
        entries.moved_bytes + entries.sessions.values().map(|entry| entry.moved_bytes()).sum::<u64>()
    }

    /// Adds a session, unless there are `sessions_max` already.
    pub(super) fn add(self: &Registry, peer: SocketAddr, sessions_max: usize) -> Option<Arc<SessionEntry>> {
        let mut entries = self.lock();
        if entries.sessions.len() >= sessions_max {
            return None;
        }
        entries.last_id += 1;
        let entry = Arc::new(SessionEntry {
            id: entries.last_id,
            peer,
            connected: Instant::now(),
            connected_at: SystemTime::now(),
            spoke_milliseconds: AtomicU64::new(0),
            state: Mutex::default(),
            ended_from_outside: Notify::new(),
        });
        entries.sessions.insert(entry.id, entry.clone());
        Some(entry)
    }

    pub(super) fn remove(&self, id: u64) {
        let mut entries = self.lock();
        if let Some(entry) = entries.sessions.remove(&id) {
            entries.moved_bytes += entry.moved_bytes();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
