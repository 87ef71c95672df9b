//! Who looks after the drives of a loader: what the drive must be told of the world, and what it tells in return.
//!
//! The drive asks the level with every loan and every record, so that must cost nothing. It must not know who keeps it:
//! the server's watch on the loader's file system does. Read `super::host` for what follows from it.

use crate::space::{Figures, Level};
use std::sync::Arc;
use tokio::sync::watch;

/// News for whoever works with a tape, in one line; `None` when there is nothing to say any more.
pub type Notice = Option<Arc<str>>;

/// Keeps the drives of one loader.
pub trait DriveKeeper: Send + Sync {
    /// What the loader's file system has room for. One relaxed load: it is asked with every record.
    fn space(&self) -> Level;

    /// One line for the operator and the DMA: whose file system has how little left, and what to do.
    fn shortage(&self) -> String;

    /// The tape is full, and its host is about to be told so. Waits at most a few seconds for what should be there before,
    /// such as a blank tape. Told once for each load of a tape.
    fn end_of_medium(&self, barcode: &str);

    /// What sessions with a tape of the loader are to be told.
    fn notices(&self) -> watch::Receiver<Notice>;

    /// How the loader stands.
    fn condition(&self) -> Condition;
}

/// How a loader stands that somebody keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// What its file system has room for.
    pub level: Level,
    /// What was seen there last.
    pub figures: Option<Figures>,
    /// What an operator should look into.
    pub alerts: Vec<Alert>,
}

/// Something that an operator should look into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Work stands still because of it.
    pub is_critical: bool,
    /// Cause and remedy in one line.
    pub message: String,
}

/// Nobody looks: there is always room. For a drive outside of a loader.
#[derive(Clone, Copy, Debug)]
pub struct Unkept;

impl DriveKeeper for Unkept {
    fn space(&self) -> Level {
        Level::Ample
    }

    fn shortage(&self) -> String {
        String::from("no space is left on the file system of the tape: free some")
    }

    fn end_of_medium(&self, _: &str) {}

    fn notices(&self) -> watch::Receiver<Notice> {
        watch::channel(None).1
    }

    fn condition(&self) -> Condition {
        Condition::default()
    }
}
