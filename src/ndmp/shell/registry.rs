//! Who is connected: for `tapesilo status`, and to end a session from outside.
//!
//! It must not know what sessions do.

use crate::mover::{Progress, ProgressCell};
use crate::ndmp::session::Summary;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One connected session.
pub struct SessionEntry {
    /// Its number; never used twice.
    pub id: u64,
    /// The other end.
    pub peer: SocketAddr,
    /// Since when.
    pub connected: Instant,
    state: Mutex<(Option<Summary>, Option<Arc<ProgressCell>>)>,
}

impl SessionEntry {
    /// What the session said of itself last, with its pump's counters of this moment.
    pub fn summary(&self) -> Option<(Summary, Progress)> {
        let state = self.lock();
        let summary = state.0.clone()?;
        let progress = state.1.as_ref().map_or(summary.progress, |cell| cell.get());
        Some((summary, progress))
    }

    pub(super) fn publish(&self, summary: Summary, running: Option<Arc<ProgressCell>>) {
        *self.lock() = (Some(summary), running);
    }

    fn lock(&self) -> MutexGuard<'_, (Option<Summary>, Option<Arc<ProgressCell>>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All connected sessions.
#[derive(Default)]
pub struct Registry(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    last_id: u64,
    sessions: BTreeMap<u64, Arc<SessionEntry>>,
}

impl Registry {
    /// All sessions, oldest first.
    pub fn sessions(&self) -> Vec<Arc<SessionEntry>> {
        self.lock().sessions.values().cloned().collect()
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
            state: Mutex::default(),
        });
        entries.sessions.insert(entry.id, entry.clone());
        Some(entry)
    }

    pub(super) fn remove(&self, id: u64) {
        self.lock().sessions.remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
