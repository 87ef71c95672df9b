//! What the state machine and a pump tell each other: what to carry, and how it ended. Plain data.
//!
//! It must not know who carries. `state` makes [`Start`]s and takes [`Ended`]s, `pump` the other way round.

use super::progress::Progress;

/// Which way the stream flows, named as NDMP does: from the mover's view of the *data connection*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Backup: read from the connection, write to tape.
    Read,
    /// Recover: read from tape, write to the connection.
    Write,
}

impl Mode {
    /// NDMP's name.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Read => "read",
            Mode::Write => "write",
        }
    }
}

/// The part of the stream the mover may touch without the DMA moving tapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Stream offset of its first byte, in bytes.
    pub offset_bytes: u64,
    /// Its length in bytes; the end never overflows: it is clamped to `u64::MAX`.
    pub length_bytes: u64,
}

impl Window {
    /// The window without end.
    pub const MAX: Window = Window { offset_bytes: 0, length_bytes: u64::MAX };

    /// The stream offset behind its last byte.
    pub fn end_bytes(&self) -> u64 {
        self.offset_bytes.saturating_add(self.length_bytes)
    }

    /// Whether it reaches to the end of all streams.
    pub fn is_max(&self) -> bool {
        self.end_bytes() == u64::MAX
    }
}

/// What a MOVER_READ still has to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRange {
    /// Stream offset of the next byte to deliver.
    pub offset_bytes: u64,
    /// Bytes to deliver; `u64::MAX` = until something ends it.
    pub length_bytes: u64,
}

/// What the shell has to set going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Pump from the connection to tape.
    Backup {
        /// Length of every record, in bytes.
        record_bytes: u32,
        /// Stream bytes until the window is full.
        window_left_bytes: u64,
    },
    /// Pump `range` from tape to the connection.
    Recover {
        /// Greatest length of a record, in bytes.
        record_bytes: u32,
        /// What may be delivered without the DMA's help.
        window: Window,
        /// What to deliver.
        range: ReadRange,
    },
}

/// How a pump ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Backup: the peer closed in order and everything is on stable storage. Recover: the peer went away.
    PeerClosed,
    /// The connection broke.
    ConnectionBroken(String),
    /// Backup: the window is full and there is a further byte.
    WindowFull,
    /// The tape is full (backup), or its data ended at the medium's end (recover).
    EndOfMedium,
    /// Backup: the file system below the tape is short of space; the tape ends here and may be ended properly.
    OutOfSpace(String),
    /// Backup: the file system below the tape has no room to begin or go on with.
    NoSpace(String),
    /// Recover: a filemark, or the end of data of a tape that is not full.
    EndOfFile,
    /// Recover: the byte at this stream offset is outside the window.
    OutsideWindow(u64),
    /// Recover: the whole range is delivered.
    Satisfied,
    /// The tape could not be read or written.
    Media(String),
    /// A fault of our own.
    Internal(String),
    /// It was told to stop; the state has moved on already.
    Aborted,
}

/// What a pump hands back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub end: End,
    /// The counters at the end.
    pub progress: Progress,
    /// Backup: bytes of the window still unused.
    pub window_left_bytes: u64,
    /// Recover: what is left of the MOVER_READ; `None` when it is satisfied.
    pub read: Option<ReadRange>,
}
