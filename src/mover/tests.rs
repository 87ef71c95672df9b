//! Tests of the state machine: the table of requests, every edge, and the rule of every request.
//!
//! The table stands here a second time, by hand, so that a slip in `legal` cannot hide. The pump's tests are in
//! `pump/tests`; random histories in `history`.

mod history;

use super::*;

const RECORD: u32 = 100;
const WINDOW: Window = Window { offset_bytes: 0, length_bytes: 1000 };

/// The states of the table below, in its order of columns.
const COLUMNS: [(Phase, Option<Mode>); 9] = [
    (Phase::Idle, None),
    (Phase::Listen, Some(Mode::Read)),
    (Phase::Listen, Some(Mode::Write)),
    (Phase::Active, Some(Mode::Read)),
    (Phase::Active, Some(Mode::Write)),
    (Phase::Paused, Some(Mode::Read)),
    (Phase::Paused, Some(Mode::Write)),
    (Phase::Halted, Some(Mode::Read)),
    (Phase::Halted, Some(Mode::Write)),
];

/// NDMPv4 3.6.2.1 to 3.6.2.10 by hand; `y` = taken. I = IDLE, then LISTEN, ACTIVE, PAUSED, HALTED, each first for a
/// backup, then for a recovery. Two cells are not the draft's:
/// CLOSE in ACTIVE while recovering (`ndmjob` and Bareos send it), and ABORT in HALTED is refused (as the reference
/// server does; the draft excludes only IDLE, yet has no such transition).
const TABLE: [(Request, &str); 9] = [
    //                       I LL AA PP HH
    (Request::SetRecordSize, "y........"),
    (Request::SetWindow, "y....yy.."),
    (Request::Connect, "y........"),
    (Request::Listen, "y........"),
    (Request::Read, "....y...."),
    (Request::Continue, ".....yy.."),
    (Request::Close, "....yyy.."),
    (Request::Abort, ".yyyyyy.."),
    (Request::Stop, ".......yy"),
];

/// The only transitions there are.
const EDGES: [(Phase, Phase); 9] = [
    (Phase::Idle, Phase::Listen),
    (Phase::Idle, Phase::Active),
    (Phase::Listen, Phase::Active),
    (Phase::Listen, Phase::Halted),
    (Phase::Active, Phase::Paused),
    (Phase::Active, Phase::Halted),
    (Phase::Paused, Phase::Active),
    (Phase::Paused, Phase::Halted),
    (Phase::Halted, Phase::Idle),
];

fn cells() -> impl Iterator<Item = (Request, Phase, Option<Mode>, bool)> {
    TABLE.into_iter().flat_map(|(request, row)| {
        assert_eq!(row.len(), COLUMNS.len());
        COLUMNS
            .into_iter()
            .zip(row.chars())
            .map(move |((phase, mode), cell)| (request, phase, mode, cell == 'y'))
    })
}

fn ended(end: End) -> Ended {
    let progress = Progress { record_number: 3, moved_bytes: 300, left_to_read_bytes: 0 };
    Ended { end, progress, window_left_bytes: 700, read: None }
}

fn window(offset_bytes: u64, length_bytes: u64) -> Window {
    Window { offset_bytes, length_bytes }
}

fn range(offset_bytes: u64, length_bytes: u64) -> ReadRange {
    ReadRange { offset_bytes, length_bytes }
}

fn ready() -> Mover {
    let mut mover = Mover::default();
    mover.set_record_size(RECORD).unwrap();
    mover.set_window(WINDOW).unwrap();
    mover
}

fn active(mode: Mode) -> Mover {
    let mut mover = ready();
    mover.connected(mode);
    mover
}

/// A mover paused for `reason`, in the middle of a MOVER_READ if it recovers.
fn paused(mode: Mode, end: End) -> Mover {
    let mut mover = active(mode);
    let mut ended = ended(end);
    if mode == Mode::Write {
        mover.read(range(0, 900)).unwrap();
        ended.read = Some(range(300, 600));
        ended.progress.left_to_read_bytes = 600;
    }
    mover.ended(&ended);
    assert_eq!(mover.phase(), Phase::Paused);
    mover
}

/// A mover in `phase` to which every request that the table allows is acceptable.
fn mover_in(phase: Phase, mode: Option<Mode>) -> Mover {
    let mode = mode.unwrap_or(Mode::Read);
    match phase {
        Phase::Idle => ready(),
        Phase::Listen => {
            let mut mover = ready();
            mover.listening(mode);
            mover
        }
        Phase::Active => active(mode),
        Phase::Paused => {
            let mut mover = paused(mode, End::EndOfMedium);
            mover.set_window(WINDOW).unwrap();
            mover
        }
        Phase::Halted => {
            let mut mover = active(mode);
            mover.abort().unwrap();
            mover
        }
    }
}

/// Sends `request` with arguments that are right.
fn ask(mover: &mut Mover, request: Request) -> Result<(), Refusal> {
    match request {
        Request::Listen | Request::Connect => mover.check_start(request, Mode::Read, TapeAccess::ReadWrite),
        Request::Continue => mover.continue_transfer().map(drop),
        Request::Abort => mover.abort().map(drop),
        Request::Stop => mover.stop(),
        Request::SetWindow => mover.set_window(WINDOW),
        Request::Read => mover.read(range(0, 100)).map(drop),
        Request::Close => mover.close().map(drop),
        Request::SetRecordSize => mover.set_record_size(RECORD),
    }
}

#[test]
fn table_says_what_the_standard_says() {
    let mut count = 0;
    for (request, phase, mode, taken) in cells() {
        assert_eq!(legal(request, phase, mode, &Rules::LENIENT), taken, "{request:?} in {phase:?} {mode:?}");
        count += 1;
    }
    assert_eq!(count, Request::ALL.len() * COLUMNS.len());
}

#[test]
fn every_request_in_every_state_is_taken_or_refused_as_the_table_says() {
    for (request, phase, mode, taken) in cells() {
        let mut mover = mover_in(phase, mode);
        assert_eq!((mover.phase(), mover.mode()), (phase, mode));
        let before = format!("{mover:?}");
        let answer = ask(&mut mover, request);
        if taken {
            assert_eq!(answer, Ok(()), "{request:?} in {phase:?} {mode:?}");
        } else {
            assert_eq!(answer, Err(Refusal::IllegalState(phase)), "{request:?} in {phase:?} {mode:?}");
            assert_eq!(format!("{mover:?}"), before, "{request:?} was refused and changed something");
        }
    }
}

#[test]
fn drive_belongs_to_the_mover_in_listen_and_active_only() {
    for (phase, mode) in COLUMNS {
        let holds = matches!(phase, Phase::Listen | Phase::Active);
        assert_eq!(mover_in(phase, mode).holds_tape(), holds, "{phase:?}");
    }
}

/// Every way a pump ends, and what follows (NDMPv4 3.6.1.1, pause_reason and halt_reason).
#[test]
fn ends_become_states_and_one_notice_each() {
    let text = || String::from("x");
    let table = [
        (End::WindowFull, Phase::Paused, Some(Notice::Paused(PauseReason::EndOfWindow, 0))),
        (End::EndOfMedium, Phase::Paused, Some(Notice::Paused(PauseReason::EndOfMedium, 0))),
        (End::OutOfSpace(text()), Phase::Paused, Some(Notice::Paused(PauseReason::EndOfMedium, 0))),
        (End::NoSpace(text()), Phase::Halted, Some(Notice::Halted(HaltReason::MediaError))),
        (End::EndOfFile, Phase::Paused, Some(Notice::Paused(PauseReason::EndOfFile, 0))),
        (End::OutsideWindow(77), Phase::Paused, Some(Notice::Paused(PauseReason::Seek, 77))),
        (End::Satisfied, Phase::Active, None),
        (End::PeerClosed, Phase::Halted, Some(Notice::Halted(HaltReason::ConnectClosed))),
        (End::ConnectionBroken(text()), Phase::Halted, Some(Notice::Halted(HaltReason::ConnectError))),
        (End::Media(text()), Phase::Halted, Some(Notice::Halted(HaltReason::MediaError))),
        (End::Internal(text()), Phase::Halted, Some(Notice::Halted(HaltReason::InternalError))),
        (End::Aborted, Phase::Halted, Some(Notice::Halted(HaltReason::Aborted))),
    ];
    for (end, phase, notice) in table {
        let mut mover = active(Mode::Write);
        mover.read(range(0, 300)).unwrap();
        let outcome = mover.ended(&ended(end.clone()));
        assert_eq!((mover.phase(), outcome.notice), (phase, notice), "{end:?}");
        assert_eq!(outcome.disconnect, phase == Phase::Halted, "{end:?}");
        assert_eq!(outcome.start, None, "{end:?}");
        assert_eq!(mover.progress(), ended(End::Satisfied).progress, "{end:?}");
    }
}

#[test]
fn every_edge_is_walked() {
    let mut walked = Vec::new();
    let mut walk = |mut mover: Mover, step: &dyn Fn(&mut Mover)| {
        let before = mover.phase();
        step(&mut mover);
        walked.push((before, mover.phase()));
    };
    for mode in [Mode::Read, Mode::Write] {
        let there = |phase| mover_in(phase, Some(mode));
        walk(there(Phase::Idle), &|mover| mover.listening(mode));
        walk(there(Phase::Idle), &|mover| {
            mover.connected(mode);
        });
        walk(there(Phase::Listen), &|mover| {
            mover.connected(mode);
        });
        walk(there(Phase::Listen), &|mover| {
            mover.accept_failed();
        });
        walk(there(Phase::Listen), &|mover| {
            mover.abort().unwrap();
        });
        walk(there(Phase::Active), &|mover| {
            mover.ended(&ended(End::EndOfMedium));
        });
        walk(there(Phase::Active), &|mover| {
            mover.abort().unwrap();
        });
        walk(there(Phase::Paused), &|mover| {
            mover.continue_transfer().unwrap();
        });
        walk(there(Phase::Paused), &|mover| {
            mover.close().unwrap();
        });
        walk(there(Phase::Paused), &|mover| {
            mover.abort().unwrap();
        });
        walk(there(Phase::Halted), &|mover| mover.stop().unwrap());
    }
    assert!(walked.iter().all(|edge| EDGES.contains(edge)), "{walked:?}");
    assert!(EDGES.iter().all(|edge| walked.contains(edge)), "{walked:?}");
}

#[test]
fn halting_by_request_says_so_and_disconnects() {
    let aborted = mover_in(Phase::Listen, Some(Mode::Read)).abort().unwrap();
    assert_eq!(aborted.notice, Some(Notice::Halted(HaltReason::Aborted)));
    assert!(aborted.disconnect);
    let closed = paused(Mode::Write, End::EndOfFile).close().unwrap();
    assert_eq!(closed.notice, Some(Notice::Halted(HaltReason::ConnectClosed)));
    assert!(closed.disconnect);
    let mut failed = mover_in(Phase::Listen, Some(Mode::Read));
    assert_eq!(failed.accept_failed().notice, Some(Notice::Halted(HaltReason::ConnectError)));
    assert_eq!(failed.transfer(), None);
}

/// News that crosses the DMA's own request must not halt twice, nor wake what is over.
#[test]
fn late_news_changes_nothing() {
    for (phase, mode) in COLUMNS {
        if phase != Phase::Active {
            let mut mover = mover_in(phase, mode);
            let before = format!("{mover:?}");
            assert_eq!(mover.ended(&ended(End::PeerClosed)), Outcome::default(), "{phase:?}");
            assert_eq!(format!("{mover:?}"), before);
        }
        if phase != Phase::Listen {
            let mut mover = mover_in(phase, mode);
            let before = format!("{mover:?}");
            assert_eq!(mover.accept_failed(), Outcome::default(), "{phase:?}");
            assert_eq!(format!("{mover:?}"), before);
        }
        let recovers = matches!(phase, Phase::Active | Phase::Paused) && mode == Some(Mode::Write);
        let mut mover = mover_in(phase, mode);
        let outcome = mover.peer_gone();
        if recovers {
            assert_eq!(outcome.notice, Some(Notice::Halted(HaltReason::ConnectClosed)), "{phase:?}");
        } else {
            // A paused backup may still hold bytes that are due to the tape.
            assert_eq!(outcome, Outcome::default(), "{phase:?} {mode:?}");
        }
    }
}

mod set_record_size {
    use super::*;

    /// 3.6.2.1, ILLEGAL_ARGS; the greatest size is what the tape takes (SSC's 24 bits).
    #[test]
    fn takes_1_to_16777215_bytes_and_keeps_the_old_one_otherwise() {
        assert_eq!(usize::try_from(Mover::RECORD_BYTES_MAX).unwrap(), crate::tape::RECORD_BYTES_MAX);
        let mut mover = Mover::default();
        for wrong in [0, Mover::RECORD_BYTES_MAX + 1, u32::MAX] {
            assert!(matches!(mover.set_record_size(wrong), Err(Refusal::IllegalArgs(_))), "{wrong}");
            assert_eq!(mover.record_bytes(), 0);
        }
        for right in [1, 10_240, Mover::RECORD_BYTES_MAX] {
            mover.set_record_size(right).unwrap();
            assert_eq!(mover.record_bytes(), right);
        }
    }

    /// 3.6.2.1: "MUST set the mover window_offset and window_length variables to zero".
    #[test]
    fn makes_the_window_invalid_but_not_when_refused() {
        let mut mover = Mover::default();
        mover.set_record_size(RECORD).unwrap();
        mover.set_window(window(500, 100)).unwrap();
        assert!(mover.set_record_size(0).is_err());
        assert_eq!((mover.window(), mover.progress().record_number), (Some(window(500, 100)), 5));
        mover.set_record_size(50).unwrap();
        assert_eq!((mover.window(), mover.progress().record_number), (None, 0));
    }
}

mod set_window {
    use super::*;

    fn sized(record_bytes: u32) -> Mover {
        let mut mover = Mover::default();
        mover.set_record_size(record_bytes).unwrap();
        mover
    }

    /// 3.6.2.2, PRECONDITION: "prior to establishing a valid mover record_size".
    #[test]
    fn needs_a_record_size() {
        assert!(matches!(Mover::default().set_window(window(0, 100)), Err(Refusal::Precondition(_))));
        assert!(matches!(Mover::default().set_window(Window::MAX), Err(Refusal::Precondition(_))));
    }

    /// DEVIATION from 3.6.2.2: the empty window in IDLE (Amanda, `ndmjob -o test-mover`).
    #[test]
    fn empty_is_taken_in_idle_only() {
        Mover::default().set_window(window(0, 0)).unwrap();
        let mut mover = sized(RECORD);
        mover.set_window(window(0, 0)).unwrap();
        let Some(Start::Backup { window_left_bytes: 0, .. }) = mover.connected(Mode::Read).start else {
            panic!("a backup with an empty window has no room at all");
        };
        for mode in [Mode::Read, Mode::Write] {
            let mut mover = paused(mode, End::EndOfMedium);
            assert!(matches!(mover.set_window(window(0, 0)), Err(Refusal::IllegalArgs(_))));
        }
    }

    /// 3.6.2.2, ILLEGAL_ARGS: "length was specified as zero".
    #[test]
    fn zero_length_with_an_offset_is_refused() {
        assert!(matches!(sized(RECORD).set_window(window(100, 0)), Err(Refusal::IllegalArgs(_))));
    }

    /// 3.6.2.2, ILLEGAL_ARGS: "offset plus the window length resulted in an overflow condition". DEVIATION: all
    /// ones as a length never overflow (`ndmjob`, Bareos: on every tape after the first).
    #[test]
    fn overflow_is_refused_except_for_all_ones() {
        for (offset, length) in [(100, u64::MAX - 99), (u64::MAX, 1), (u64::MAX - 100, u64::MAX - 1)] {
            let mut mover = sized(RECORD);
            let answer = mover.set_window(window(offset, length));
            assert!(matches!(answer, Err(Refusal::IllegalArgs(_))), "({offset}, {length}): {answer:?}");
            assert_eq!(mover.window(), None);
        }
        for (offset, length) in [(0, u64::MAX), (100, u64::MAX), (100, u64::MAX - 100), (300, 700)] {
            let mut mover = sized(RECORD);
            mover.set_window(window(offset, length)).unwrap();
            assert_eq!(mover.window(), Some(window(offset, length)));
            assert_eq!(mover.window().is_some_and(|window| window.is_max()), length > 700);
        }
    }

    /// 3.6.2.2: "the mover record_number to be updated to the specified window offset divided by the mover record
    /// size", in IDLE and in PAUSED.
    #[test]
    fn numbers_the_records() {
        let mut mover = sized(RECORD);
        mover.set_window(window(700, 100)).unwrap();
        assert_eq!(mover.progress().record_number, 7);
        mover.connected(Mode::Write);
        assert_eq!(mover.progress().record_number, 7);
        let mut mover = paused(Mode::Write, End::EndOfMedium);
        mover.set_window(window(1200, 100)).unwrap();
        assert_eq!(mover.progress().record_number, 12);
        assert_eq!(mover.progress().moved_bytes, 300, "the other counters stay");
    }

    /// 3.6.2.2: in PAUSED a recovery's offset must be a multiple of the record size; "window offset has no meaning
    /// for backup". DEVIATION: a backup's length need not be a multiple: it ends at the last whole record.
    #[test]
    fn alignment_is_checked_when_paused() {
        let mut recovers = paused(Mode::Write, End::EndOfMedium);
        let before = format!("{recovers:?}");
        assert!(matches!(recovers.set_window(window(150, 100)), Err(Refusal::IllegalArgs(_))));
        assert_eq!(format!("{recovers:?}"), before);
        recovers.set_window(window(200, 150)).unwrap();
        let mut backup = paused(Mode::Read, End::EndOfMedium);
        backup.set_window(window(150, 250)).unwrap();
        assert_eq!(backup.transfer().map(|transfer| transfer.window_left_bytes), Some(250));
    }
}

mod start {
    use super::*;
    use TapeAccess::{NotOpen, ReadOnly, ReadWrite};

    fn start(mover: &Mover, mode: Mode, tape: TapeAccess) -> Result<(), Refusal> {
        let listen = mover.check_start(Request::Listen, mode, tape);
        assert_eq!(
            mover.check_start(Request::Connect, mode, tape),
            listen,
            "LISTEN and CONNECT ask the same"
        );
        listen
    }

    /// 3.6.2.3 and 3.6.2.4: DEV_NOT_OPEN and PERMISSION, which come before the preconditions (`test-mover`).
    #[test]
    fn needs_a_tape_open_for_what_it_does() {
        for mover in [Mover::default(), ready()] {
            assert_eq!(start(&mover, Mode::Read, NotOpen), Err(Refusal::TapeNotOpen));
            assert_eq!(start(&mover, Mode::Write, NotOpen), Err(Refusal::TapeNotOpen));
            assert_eq!(start(&mover, Mode::Read, ReadOnly), Err(Refusal::TapeReadOnly));
        }
        for (mode, tape) in [(Mode::Read, ReadWrite), (Mode::Write, ReadWrite), (Mode::Write, ReadOnly)] {
            assert_eq!(start(&ready(), mode, tape), Ok(()));
        }
    }

    /// 3.6.2.3 and 3.6.2.4, PRECONDITION.
    #[test]
    fn needs_record_size_and_window() {
        let mut mover = Mover::default();
        mover.set_window(window(0, 0)).unwrap();
        assert!(matches!(start(&mover, Mode::Read, ReadWrite), Err(Refusal::Precondition(_))));
        let mut mover = Mover::default();
        mover.set_record_size(RECORD).unwrap();
        assert!(matches!(start(&mover, Mode::Read, ReadWrite), Err(Refusal::Precondition(_))));
        mover.set_window(window(0, 1)).unwrap();
        assert_eq!(start(&mover, Mode::Read, ReadWrite), Ok(()));
    }

    /// 3.6.2.3: the mode is known only now, so a recovery's offset is checked only now.
    #[test]
    fn needs_an_aligned_window_to_recover() {
        let mut mover = Mover::default();
        mover.set_record_size(RECORD).unwrap();
        mover.set_window(window(150, 1000)).unwrap();
        assert!(matches!(start(&mover, Mode::Write, ReadWrite), Err(Refusal::Precondition(_))));
        assert_eq!(start(&mover, Mode::Read, ReadWrite), Ok(()));
    }

    /// DEVIATION from 3.6.2.2 ("there is no default mover window"): `test-mover` listens again after STOP without
    /// a new one.
    #[test]
    fn after_stop_the_window_is_without_end() {
        let mut mover = mover_in(Phase::Halted, Some(Mode::Read));
        mover.stop().unwrap();
        assert_eq!((mover.window(), mover.record_bytes()), (None, RECORD));
        assert_eq!(start(&mover, Mode::Read, ReadWrite), Ok(()));
        let expected = Start::Backup { record_bytes: RECORD, window_left_bytes: u64::MAX };
        assert_eq!(mover.connected(Mode::Read).start, Some(expected));
        assert_eq!(mover.window(), Some(Window::MAX));
    }

    /// 3.6.1.1: a backup begins with the connection, a recovery with MOVER_READ.
    #[test]
    fn backup_starts_when_connected_and_recovery_waits() {
        let expected = Start::Backup { record_bytes: RECORD, window_left_bytes: 1000 };
        assert_eq!(ready().connected(Mode::Read), Outcome { start: Some(expected), ..Outcome::default() });
        assert_eq!(ready().connected(Mode::Write), Outcome::default());
    }
}

mod read {
    use super::*;

    /// 3.6.2.5, ILLEGAL_ARGS; only (0, all ones) reads without end.
    #[test]
    fn ranges_are_checked() {
        for wrong in [range(0, 0), range(5, 0), range(1, u64::MAX), range(u64::MAX, 1), range(u64::MAX, 0)] {
            let mut mover = active(Mode::Write);
            let before = format!("{mover:?}");
            assert!(matches!(mover.read(wrong), Err(Refusal::IllegalArgs(_))), "{wrong:?}");
            assert_eq!(format!("{mover:?}"), before);
        }
        for right in [range(0, 1), range(0, u64::MAX), range(5, u64::MAX - 5), range(5000, 100)] {
            let mut mover = active(Mode::Write);
            let expected = Start::Recover { record_bytes: RECORD, window: WINDOW, range: right };
            assert_eq!(mover.read(right).unwrap().start, Some(expected));
            let transfer = mover.transfer().unwrap();
            assert_eq!(transfer.seek_bytes, right.offset_bytes);
            assert_eq!(transfer.progress.left_to_read_bytes, right.length_bytes);
        }
    }

    /// 3.6.2.5, READ_IN_PROGRESS, until the range is delivered; across a pause as well.
    #[test]
    fn one_at_a_time() {
        let mut mover = active(Mode::Write);
        mover.read(range(0, 300)).unwrap();
        assert_eq!(mover.read(range(0, 300)), Err(Refusal::ReadInProgress));
        mover.ended(&ended(End::Satisfied));
        mover.read(range(0, 300)).unwrap();
        let mut mover = paused(Mode::Write, End::EndOfFile);
        mover.continue_transfer().unwrap();
        assert_eq!(mover.read(range(0, 300)), Err(Refusal::ReadInProgress));
    }
}

mod continue_transfer {
    use super::*;

    /// 3.6.2.7, PRECONDITION after a pause that the window caused. DEVIATION: not after EOM and EOF.
    #[test]
    fn needs_a_new_window_where_the_old_one_is_used_up() {
        let table = [
            (Mode::Read, End::WindowFull, false),
            (Mode::Write, End::OutsideWindow(5000), false),
            (Mode::Read, End::EndOfMedium, true),
            (Mode::Write, End::EndOfMedium, true),
            (Mode::Write, End::EndOfFile, true),
        ];
        for (mode, end, goes_on) in table {
            let mut mover = paused(mode, end.clone());
            let before = format!("{mover:?}");
            match mover.continue_transfer() {
                Ok(_) => assert!(goes_on, "{end:?}"),
                Err(refusal) => {
                    assert!(matches!(refusal, Refusal::Precondition(_)) && !goes_on, "{end:?} {refusal:?}");
                    assert_eq!(format!("{mover:?}"), before);
                    mover.set_window(window(300, 500)).unwrap();
                    mover.continue_transfer().unwrap();
                }
            }
            assert_eq!(mover.phase(), Phase::Active);
        }
    }

    /// A window set before the pause is not a new one; one window is good for one CONTINUE.
    #[test]
    fn window_is_used_up_by_each_pause() {
        let mut mover = paused(Mode::Read, End::WindowFull);
        mover.set_window(window(0, 200)).unwrap();
        mover.continue_transfer().unwrap();
        mover.ended(&ended(End::WindowFull));
        assert!(matches!(mover.continue_transfer(), Err(Refusal::Precondition(_))));
    }

    #[test]
    fn goes_on_with_what_is_left() {
        let start = paused(Mode::Read, End::EndOfMedium).continue_transfer().unwrap().start;
        assert_eq!(start, Some(Start::Backup { record_bytes: RECORD, window_left_bytes: 700 }));
        let mut mover = paused(Mode::Write, End::OutsideWindow(300));
        mover.set_window(window(300, u64::MAX)).unwrap();
        let expected =
            Start::Recover { record_bytes: RECORD, window: window(300, u64::MAX), range: range(300, 600) };
        assert_eq!(mover.continue_transfer().unwrap().start, Some(expected));
    }
}
