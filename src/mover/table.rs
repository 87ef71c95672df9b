//! What a mover may be asked where, and why it refuses (NDMPv4 3.6.2): tables, and nothing that changes.
//!
//! It must not know what a state holds; `state` has that and asks here before it changes.

use super::transfer::Mode;

/// A state without its data: for tables, logs and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Phase {
    Idle,
    Listen,
    Active,
    Paused,
    Halted,
}

impl Phase {
    /// All of them, for exhaustive tests.
    pub const ALL: [Phase; 5] = [Phase::Idle, Phase::Listen, Phase::Active, Phase::Paused, Phase::Halted];

    /// Its name in reports and messages.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::Listen => "listen",
            Phase::Active => "active",
            Phase::Paused => "paused",
            Phase::Halted => "halted",
        }
    }
}

/// What a DMA may ask of a mover. MOVER_GET_STATE is legal everywhere and not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Request {
    Listen,
    Connect,
    Continue,
    Abort,
    Stop,
    SetWindow,
    Read,
    Close,
    SetRecordSize,
}

impl Request {
    /// All of them, for exhaustive tests.
    pub const ALL: [Request; 9] = [
        Request::Listen,
        Request::Connect,
        Request::Continue,
        Request::Abort,
        Request::Stop,
        Request::SetWindow,
        Request::Read,
        Request::Close,
        Request::SetRecordSize,
    ];
}

/// After which pauses MOVER_CONTINUE wants a new window first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantsWindow {
    /// After none: the old one stays in force.
    Never,
    /// After those that the old window caused: SEEK and EOW.
    AfterItsEnd,
    /// After all.
    Always,
}

/// In what the protocol's versions, and strict and lenient servers, differ as to the mover. Plain data: who speaks which
/// version is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The record size of a mover that was never given one, in bytes; 0: it must be given one.
    pub record_bytes_default: u32,
    /// Whether a window must have been set before a connection.
    pub window_is_required: bool,
    /// Whether the window may still be set in LISTEN.
    pub window_while_listening: bool,
    /// Whether SET_WINDOW takes what the standard forbids and DMAs send; what that is says [`super::Mover::set_window`].
    pub odd_windows: bool,
    /// Whether MOVER_CLOSE ends a recovery that is ACTIVE.
    pub close_while_active: bool,
    /// When MOVER_CONTINUE wants a new window.
    pub continue_wants_window: WantsWindow,
}

impl Rules {
    /// Version 4 as real DMAs need it.
    ///
    /// DEVIATION: MOVER_CLOSE is also taken in ACTIVE while *recovering*: `ndmjob` and Bareos send it when the data
    /// server has halted and the mover waits for a MOVER_READ that never comes. A backup's stream is not cut so.
    ///
    /// DEVIATION: MOVER_CONTINUE without a new window is refused only after a pause that the old window caused:
    /// after EOM and EOF the old window still says what is wanted, and DMAs with v3 habits send none.
    pub const LENIENT: Rules = Rules {
        record_bytes_default: 0,
        window_is_required: true,
        window_while_listening: false,
        odd_windows: true,
        close_while_active: true,
        continue_wants_window: WantsWindow::AfterItsEnd,
    };
}

/// The one table of which request is taken in which state (NDMPv4 3.6.2.1 to 3.6.2.10). Anything not listed is
/// refused with ILLEGAL_STATE.
pub fn legal(request: Request, phase: Phase, mode: Option<Mode>, rules: &Rules) -> bool {
    use Phase::{Active, Halted, Idle, Listen, Paused};
    match request {
        Request::Listen | Request::Connect | Request::SetRecordSize => phase == Idle,
        Request::SetWindow => {
            matches!(phase, Idle | Paused) || (phase == Listen && rules.window_while_listening)
        }
        Request::Continue => phase == Paused,
        Request::Read => phase == Active && mode == Some(Mode::Write),
        Request::Close => {
            let is_recovering = phase == Active && mode == Some(Mode::Write);
            phase == Paused || (is_recovering && rules.close_while_active)
        }
        Request::Abort => matches!(phase, Listen | Active | Paused),
        Request::Stop => phase == Halted,
    }
}

/// Whether `to` may follow `from`. Every change of state is checked against it.
pub(super) fn edge(from: Phase, to: Phase) -> bool {
    use Phase::{Active, Halted, Idle, Listen, Paused};
    matches!(
        (from, to),
        (Idle, Listen) | (Idle, Active) // MOVER_LISTEN, MOVER_CONNECT
            | (Listen, Active) | (Listen, Halted) // the peer connects; abort, accept fails
            | (Active, Paused) | (Active, Halted) // the pump ends; abort, close
            | (Paused, Active) | (Paused, Halted) // continue; abort, close, the peer goes
            | (Halted, Idle) // stop
    )
}

/// Whether a transfer in `mode` can work with the tape as this session has it open.
pub fn check_tape(tape: TapeAccess, mode: Mode) -> Result<(), Refusal> {
    match (tape, mode) {
        (TapeAccess::NotOpen, _) => Err(Refusal::TapeNotOpen),
        (TapeAccess::ReadOnly, Mode::Read) => Err(Refusal::TapeReadOnly),
        (TapeAccess::ReadOnly, Mode::Write) | (TapeAccess::ReadWrite, _) => Ok(()),
    }
}

/// Why a request is refused; `ndmp` maps it to an error code and sends the text to the DMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The table [`legal`] says no.
    #[error("the mover is {}: this request is not taken now", .0.name())]
    IllegalState(Phase),
    /// A value that can never be right.
    #[error("{0}")]
    IllegalArgs(&'static str),
    /// Something must be asked for first.
    #[error("{0}")]
    Precondition(&'static str),
    /// No tape is open on this session.
    #[error("no tape device is open on this session: open one before the mover")]
    TapeNotOpen,
    /// The tape was opened for reading only.
    #[error("the tape was opened for reading only: a backup needs it open for writing")]
    TapeReadOnly,
    /// A MOVER_READ is still being served.
    #[error("the previous MOVER_READ is still in progress")]
    ReadInProgress,
}

/// How this session has its tape open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapeAccess {
    /// Not at all.
    NotOpen,
    /// For reading.
    ReadOnly,
    /// For reading and writing.
    ReadWrite,
}
