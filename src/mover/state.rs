//! The mover's state machine (NDMPv4 3.6): pure functions from (state, request or event) to (state, outcome).
//!
//! ```text
//!            listening()                connected()
//!   IDLE ────────────────▶ LISTEN ───────────────────▶ ACTIVE ◀──────────┐
//!    ▲ │                     │ abort, accept fails      │   │  │           │ continue
//!    │ └── connected() ──────┼──────────────────────────┼──▶│  │ ended()   │
//!    │      (MOVER_CONNECT)  ▼                          │   │  └────────▶ PAUSED
//!    │                     HALTED ◀─────────────────────┘   │              │
//!    └──────── stop ─────────┴ ◀── abort, ended(), closed ──┴──────────────┘ abort, close, peer gone
//! ```
//!
//! It must not know sockets, drives, threads or the wire. What a state needs it owns: there is no reason without
//! a pause, no transfer without a connection. What is legal where says `table`; what the pump is told and what it says
//! is in `transfer`. Next: `pump`, which does what [`Start`] says.

use super::progress::Progress;
use super::table::{Phase, Refusal, Request, Rules, TapeAccess, WantsWindow, check_tape, edge, legal};
use super::transfer::{End, Ended, Mode, ReadRange, Start, Window};

/// Why the mover pauses (NDMPv4 3.6.1.1, pause_reason).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// The tape is full (backup) or recorded data ended on a full tape (recover).
    EndOfMedium,
    /// A filemark, or the end of data of a tape that is not full. The tape stands on the mark's BOT side.
    EndOfFile,
    /// The wanted byte is outside the window; the stream offset is in the notice.
    Seek,
    /// Backup: the window is full and there is a further byte.
    EndOfWindow,
}

impl PauseReason {
    /// The standard's name.
    pub fn name(self) -> &'static str {
        match self {
            PauseReason::EndOfMedium => "eom",
            PauseReason::EndOfFile => "eof",
            PauseReason::Seek => "seek",
            PauseReason::EndOfWindow => "eow",
        }
    }
}

/// Why the mover halted (NDMPv4 3.6.1.1, halt_reason).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltReason {
    /// The data connection was closed in order, by either side.
    ConnectClosed,
    /// The DMA asked for it.
    Aborted,
    /// A fault of our own.
    InternalError,
    /// The data connection broke.
    ConnectError,
    /// The tape could not be read or written.
    MediaError,
}

impl HaltReason {
    /// The standard's name.
    pub fn name(self) -> &'static str {
        match self {
            HaltReason::ConnectClosed => "connect_closed",
            HaltReason::Aborted => "aborted",
            HaltReason::InternalError => "internal_error",
            HaltReason::ConnectError => "connect_error",
            HaltReason::MediaError => "media_error",
        }
    }
}

/// A running or paused transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// Which way.
    pub mode: Mode,
    /// The counters as last seen.
    pub progress: Progress,
    /// Bytes of the window not yet used by a backup.
    pub window_left_bytes: u64,
    /// The MOVER_READ in progress (recover only).
    pub read: Option<ReadRange>,
    /// Offset of the last MOVER_READ.
    pub seek_bytes: u64,
}

/// The machine's state; each owns what exists only in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No connection.
    Idle,
    /// Waiting for the data connection.
    Listen {
        /// What the connection will be used for.
        mode: Mode,
    },
    /// Connected; the pump runs, or (recover) waits for a MOVER_READ.
    Active(Active),
    /// Waiting for the DMA.
    Paused(Active, PauseReason),
    /// Over; the counters stay readable until MOVER_STOP.
    Halted {
        /// What the transfer was; `None` = it never connected.
        transfer: Option<Active>,
        /// Mode asked for.
        mode: Mode,
        /// Why.
        reason: HaltReason,
    },
}

/// What the DMA is told by a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// NOTIFY_MOVER_PAUSED with the seek position (0 unless the reason is Seek).
    Paused(PauseReason, u64),
    /// NOTIFY_MOVER_HALTED.
    Halted(HaltReason),
}

/// What follows from a request or an event, in this order: after the reply, first the notice, then the work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Notification to post.
    pub notice: Option<Notice>,
    /// The data connection (or listener, or running pump) ends.
    pub disconnect: bool,
    /// Work to start.
    pub start: Option<Start>,
}

impl Outcome {
    fn start(start: Option<Start>) -> Outcome {
        Outcome { start, ..Outcome::default() }
    }
}

/// The mover of one session.
#[derive(Clone, Debug)]
pub struct Mover {
    rules: Rules,
    record_bytes: u32,
    window: Option<Window>,
    window_was_ever_set: bool,
    /// A window was set and no transfer has gone on with it yet.
    window_is_fresh: bool,
    /// SET_WINDOW's record number, until the transfer takes it over.
    record_number: u64,
    state: State,
}

impl Default for Mover {
    fn default() -> Self {
        Mover::new(Rules::LENIENT)
    }
}

impl Mover {
    /// Greatest record: SCSI's 24-bit transfer length of a variable-length record (SSC-3 6.9), in bytes.
    pub const RECORD_BYTES_MAX: u32 = (1 << 24) - 1;

    /// A mover in IDLE, record size and window never set.
    pub fn new(rules: Rules) -> Mover {
        Mover {
            rules,
            record_bytes: rules.record_bytes_default,
            window: None,
            window_was_ever_set: false,
            window_is_fresh: false,
            record_number: 0,
            state: State::Idle,
        }
    }

    /// The state with its data.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state's name.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Idle => Phase::Idle,
            State::Listen { .. } => Phase::Listen,
            State::Active(_) => Phase::Active,
            State::Paused(..) => Phase::Paused,
            State::Halted { .. } => Phase::Halted,
        }
    }

    /// Why it pauses or has halted; `None` in all other states.
    pub fn reason(&self) -> Option<&'static str> {
        match &self.state {
            State::Paused(_, reason) => Some(reason.name()),
            State::Halted { reason, .. } => Some(reason.name()),
            State::Idle | State::Listen { .. } | State::Active(_) => None,
        }
    }

    /// Mode asked for; `None` in IDLE.
    pub fn mode(&self) -> Option<Mode> {
        match &self.state {
            State::Idle => None,
            State::Listen { mode } | State::Halted { mode, .. } => Some(*mode),
            State::Active(active) | State::Paused(active, _) => Some(active.mode),
        }
    }

    /// Record size in bytes; 0 = never set. It outlives MOVER_STOP (NDMPv4 3.6.1.1).
    pub fn record_bytes(&self) -> u32 {
        self.record_bytes
    }

    /// The window; `None` = not valid.
    pub fn window(&self) -> Option<Window> {
        self.window
    }

    /// The transfer's data, also when it is over.
    pub fn transfer(&self) -> Option<&Active> {
        match &self.state {
            State::Active(active) | State::Paused(active, _) => Some(active),
            State::Halted { transfer, .. } => transfer.as_ref(),
            State::Idle | State::Listen { .. } => None,
        }
    }

    /// The counters: those of the transfer, or what SET_WINDOW prepared.
    pub fn progress(&self) -> Progress {
        let prepared = Progress { record_number: self.record_number, ..Progress::default() };
        self.transfer().map_or(prepared, |transfer| transfer.progress)
    }

    /// Whether the drive belongs to the mover, so that tape requests are answered DEVICE_BUSY (NDMPv4 3.4).
    pub fn holds_tape(&self) -> bool {
        matches!(self.phase(), Phase::Listen | Phase::Active)
    }

    /// Takes over the counters that the running pump has published.
    pub fn observe(&mut self, progress: Progress) {
        if let State::Active(active) = &mut self.state {
            active.progress = progress;
        }
    }

    /// MOVER_SET_RECORD_SIZE (3.6.2.1): 1 to [`Mover::RECORD_BYTES_MAX`] bytes. Makes the window invalid.
    pub fn set_record_size(&mut self, record_bytes: u32) -> Result<(), Refusal> {
        self.check(Request::SetRecordSize)?;
        if record_bytes == 0 || record_bytes > Mover::RECORD_BYTES_MAX {
            return Err(Refusal::IllegalArgs("the record size must be 1 to 16777215 bytes"));
        }
        self.record_bytes = record_bytes;
        self.window = None;
        self.window_is_fresh = false;
        self.record_number = 0;
        Ok(())
    }

    /// MOVER_SET_WINDOW (3.6.2.2).
    ///
    /// DEVIATION: (0, 0) is taken in IDLE also before a record size: an empty window, with which a backup pauses
    /// at its first byte (Amanda counts on it, `ndmjob -o test-mover` asks for it). A length of all ones with an
    /// offset is clamped instead of refused (`ndmjob` and Bareos send it on every tape after the first). A backup's
    /// length need not be a multiple of the record size: the window is full with its last whole record. All three
    /// only by [`Rules::odd_windows`].
    pub fn set_window(&mut self, window: Window) -> Result<(), Refusal> {
        self.check(Request::SetWindow)?;
        let odd = self.rules.odd_windows;
        let empty = window.offset_bytes == 0 && window.length_bytes == 0;
        if !(empty && odd && matches!(self.phase(), Phase::Idle | Phase::Listen)) {
            if window.length_bytes == 0 {
                return Err(Refusal::IllegalArgs("the window's length is zero"));
            }
            if self.record_bytes == 0 {
                return Err(Refusal::Precondition("set the record size before the window"));
            }
        }
        let overflows = window.offset_bytes.checked_add(window.length_bytes).is_none();
        if overflows && !(odd && window.length_bytes == u64::MAX) {
            return Err(Refusal::IllegalArgs("the window's offset plus its length overflows"));
        }
        if let Some(mode) = self.mode() {
            self.check_alignment(window, mode).map_err(Refusal::IllegalArgs)?;
        }
        let record_number = window.offset_bytes.checked_div(u64::from(self.record_bytes)).unwrap_or(0);
        if let State::Paused(active, _) = &mut self.state {
            active.window_left_bytes = window.length_bytes;
            active.progress.record_number = record_number;
        }
        self.record_number = record_number;
        self.window = Some(window);
        self.window_was_ever_set = true;
        self.window_is_fresh = true;
        Ok(())
    }

    /// What MOVER_LISTEN and MOVER_CONNECT need (3.6.2.3, 3.6.2.4), checked before anything is opened.
    pub fn check_start(&self, request: Request, mode: Mode, tape: TapeAccess) -> Result<(), Refusal> {
        self.check(request)?;
        check_tape(tape, mode)?;
        if self.record_bytes == 0 {
            return Err(Refusal::Precondition("set the record size first"));
        }
        if self.rules.window_is_required && !self.window_was_ever_set {
            return Err(Refusal::Precondition("set the window first"));
        }
        self.check_alignment(self.start_window(), mode).map_err(Refusal::Precondition)
    }

    /// A listener is open: IDLE to LISTEN.
    pub fn listening(&mut self, mode: Mode) {
        self.enter(State::Listen { mode });
    }

    /// The data connection stands: IDLE or LISTEN to ACTIVE. A backup starts at once, a recovery waits for
    /// MOVER_READ.
    pub fn connected(&mut self, mode: Mode) -> Outcome {
        let window = self.start_window();
        self.window = Some(window);
        self.window_is_fresh = false;
        let progress = Progress { record_number: self.record_number, ..Progress::default() };
        let active =
            Active { mode, progress, window_left_bytes: window.length_bytes, read: None, seek_bytes: 0 };
        self.enter(State::Active(active));
        Outcome::start(self.pending_start())
    }

    /// Nobody can connect any more: LISTEN to HALTED. News of a listener that is closed already changes nothing.
    pub fn accept_failed(&mut self) -> Outcome {
        if self.phase() == Phase::Listen { self.halt(HaltReason::ConnectError) } else { Outcome::default() }
    }

    /// MOVER_READ (3.6.2.5). The range may end beyond the window: the mover pauses there.
    pub fn read(&mut self, range: ReadRange) -> Result<Outcome, Refusal> {
        self.check(Request::Read)?;
        let until_end = range == ReadRange { offset_bytes: 0, length_bytes: u64::MAX };
        let State::Active(active) = &mut self.state else { return Err(Refusal::IllegalState(self.phase())) };
        if active.read.is_some() {
            return Err(Refusal::ReadInProgress);
        }
        if range.length_bytes == 0 {
            return Err(Refusal::IllegalArgs("the length to read is zero"));
        }
        if !until_end && range.offset_bytes.checked_add(range.length_bytes).is_none() {
            return Err(Refusal::IllegalArgs(
                "offset plus length overflows; only (0, all ones) reads without end",
            ));
        }
        active.read = Some(range);
        active.seek_bytes = range.offset_bytes;
        active.progress.left_to_read_bytes = range.length_bytes;
        Ok(Outcome::start(self.pending_start()))
    }

    /// MOVER_CONTINUE (3.6.2.7); whether without a new window, [`Rules::continue_wants_window`] says.
    pub fn continue_transfer(&mut self) -> Result<Outcome, Refusal> {
        self.check(Request::Continue)?;
        let State::Paused(active, reason) = &self.state else {
            return Err(Refusal::IllegalState(self.phase()));
        };
        let wants_window = match self.rules.continue_wants_window {
            WantsWindow::Never => false,
            WantsWindow::AfterItsEnd => matches!(reason, PauseReason::Seek | PauseReason::EndOfWindow),
            WantsWindow::Always => true,
        };
        if wants_window && !self.window_is_fresh {
            return Err(Refusal::Precondition("set a new window before continuing"));
        }
        let active = active.clone();
        self.window_is_fresh = false;
        self.enter(State::Active(active));
        Ok(Outcome::start(self.pending_start()))
    }

    /// MOVER_ABORT (3.6.2.9).
    pub fn abort(&mut self) -> Result<Outcome, Refusal> {
        self.check(Request::Abort)?;
        Ok(self.halt(HaltReason::Aborted))
    }

    /// MOVER_CLOSE (3.6.2.8).
    pub fn close(&mut self) -> Result<Outcome, Refusal> {
        self.check(Request::Close)?;
        Ok(self.halt(HaltReason::ConnectClosed))
    }

    /// MOVER_STOP (3.6.2.10): everything but the record size goes back to its start.
    pub fn stop(&mut self) -> Result<(), Refusal> {
        self.check(Request::Stop)?;
        self.window = None;
        self.window_is_fresh = false;
        self.record_number = 0;
        self.enter(State::Idle);
        Ok(())
    }

    /// The pump has ended. News of a pump whose transfer is over already changes nothing.
    pub fn ended(&mut self, ended: &Ended) -> Outcome {
        let State::Active(active) = &mut self.state else { return Outcome::default() };
        active.window_left_bytes = ended.window_left_bytes;
        active.progress = ended.progress;
        active.read = ended.read;
        match ended.end {
            End::Satisfied => Outcome::default(),
            End::WindowFull => self.pause(PauseReason::EndOfWindow, 0),
            End::EndOfMedium | End::OutOfSpace(_) => self.pause(PauseReason::EndOfMedium, 0),
            End::EndOfFile => self.pause(PauseReason::EndOfFile, 0),
            End::OutsideWindow(offset_bytes) => self.pause(PauseReason::Seek, offset_bytes),
            End::PeerClosed => self.halt(HaltReason::ConnectClosed),
            End::ConnectionBroken(_) => self.halt(HaltReason::ConnectError),
            End::Media(_) | End::NoSpace(_) => self.halt(HaltReason::MediaError),
            End::Internal(_) => self.halt(HaltReason::InternalError),
            End::Aborted => self.halt(HaltReason::Aborted),
        }
    }

    /// The peer closed the data connection while no pump ran (recover: waiting for MOVER_READ, or paused).
    /// A paused backup is not ended by it: bytes the peer sent before are still to be written.
    pub fn peer_gone(&mut self) -> Outcome {
        match (self.phase(), self.mode()) {
            (Phase::Active | Phase::Paused, Some(Mode::Write)) => self.halt(HaltReason::ConnectClosed),
            _ => Outcome::default(),
        }
    }

    fn check(&self, request: Request) -> Result<(), Refusal> {
        let phase = self.phase();
        let is_legal = legal(request, phase, self.mode(), &self.rules);
        if is_legal { Ok(()) } else { Err(Refusal::IllegalState(phase)) }
    }

    /// The offset must be a record's first byte when recovering, or the mover could not know where the tape stands. A
    /// backup's length is whole records, by the standard.
    fn check_alignment(&self, window: Window, mode: Mode) -> Result<(), &'static str> {
        let aligned = window.offset_bytes.checked_rem(u64::from(self.record_bytes)).unwrap_or(0) == 0;
        if mode == Mode::Write && !aligned {
            return Err("to recover, the window must begin at a multiple of the record size");
        }
        let whole = window.length_bytes.checked_rem(u64::from(self.record_bytes)).unwrap_or(0) == 0;
        if mode == Mode::Read && !self.rules.odd_windows && !whole && !window.is_max() {
            return Err("to back up, the window's length must be a multiple of the record size");
        }
        Ok(())
    }

    /// The window a transfer starts with. After MOVER_STOP there is none; `ndmjob -o test-mover` then listens
    /// again at once, so a session that has set one before gets the window without end.
    fn start_window(&self) -> Window {
        self.window.unwrap_or(Window::MAX)
    }

    fn pending_start(&self) -> Option<Start> {
        let State::Active(active) = &self.state else { return None };
        let record_bytes = self.record_bytes;
        match active.mode {
            Mode::Read => Some(Start::Backup { record_bytes, window_left_bytes: active.window_left_bytes }),
            Mode::Write => {
                active.read.map(|range| Start::Recover { record_bytes, window: self.start_window(), range })
            }
        }
    }

    fn pause(&mut self, reason: PauseReason, seek_bytes: u64) -> Outcome {
        let State::Active(active) = &self.state else { return Outcome::default() };
        let active = active.clone();
        self.enter(State::Paused(active, reason));
        Outcome { notice: Some(Notice::Paused(reason, seek_bytes)), ..Outcome::default() }
    }

    fn halt(&mut self, reason: HaltReason) -> Outcome {
        let Some(mode) = self.mode() else { return Outcome::default() };
        let transfer = self.transfer().cloned();
        self.enter(State::Halted { transfer, mode, reason });
        Outcome { notice: Some(Notice::Halted(reason)), disconnect: true, start: None }
    }

    /// The only place where the state changes.
    fn enter(&mut self, next: State) {
        let before = self.phase();
        self.state = next;
        let after = self.phase();
        assert!(edge(before, after), "the mover must not go from {} to {}", before.name(), after.name());
    }
}
