//! Random histories of requests and events: whatever comes, the mover keeps to its edges and tells each pause and
//! halt once.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    Ask(Request, u64, u64),
    Listening(Mode),
    Connected(Mode),
    AcceptFailed,
    PeerGone,
    Ended(End),
    Observe(u64),
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(100), Just(u64::MAX), 0..2000_u64, any::<u64>()]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::PeerClosed),
        Just(End::ConnectionBroken(String::new())),
        Just(End::WindowFull),
        Just(End::EndOfMedium),
        Just(End::OutOfSpace(String::new())),
        Just(End::NoSpace(String::new())),
        Just(End::EndOfFile),
        number().prop_map(End::OutsideWindow),
        Just(End::Satisfied),
        Just(End::Media(String::new())),
        Just(End::Aborted),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let mode = prop_oneof![Just(Mode::Read), Just(Mode::Write)];
    prop_oneof![
        6 => (proptest::sample::select(&Request::ALL[..]), number(), number())
            .prop_map(|(request, first, second)| Event::Ask(request, first, second)),
        2 => mode.clone().prop_map(Event::Listening),
        2 => mode.prop_map(Event::Connected),
        1 => Just(Event::AcceptFailed),
        1 => Just(Event::PeerGone),
        3 => end().prop_map(Event::Ended),
        1 => number().prop_map(Event::Observe),
    ]
}

/// Does what the session does with `event`; `None` = refused.
fn apply(mover: &mut Mover, event: &Event) -> Option<Outcome> {
    let done = |result: Result<(), Refusal>| result.ok().map(|()| Outcome::default());
    match event.clone() {
        Event::Ask(request, first, second) => match request {
            Request::SetRecordSize => done(mover.set_record_size(u32::try_from(first).unwrap_or(u32::MAX))),
            Request::SetWindow => done(mover.set_window(window(first, second))),
            Request::Read => mover.read(range(first, second)).ok(),
            Request::Continue => mover.continue_transfer().ok(),
            Request::Abort => mover.abort().ok(),
            Request::Close => mover.close().ok(),
            Request::Stop => done(mover.stop()),
            Request::Listen | Request::Connect => None,
        },
        Event::Listening(mode) => {
            mover.check_start(Request::Listen, mode, TapeAccess::ReadWrite).ok()?;
            mover.listening(mode);
            Some(Outcome::default())
        }
        Event::Connected(mode) => match *mover.state() {
            State::Listen { mode } => Some(mover.connected(mode)),
            _ => {
                mover.check_start(Request::Connect, mode, TapeAccess::ReadWrite).ok()?;
                Some(mover.connected(mode))
            }
        },
        Event::AcceptFailed => Some(mover.accept_failed()),
        Event::PeerGone => Some(mover.peer_gone()),
        Event::Ended(end) => Some(mover.ended(&ended(end))),
        Event::Observe(record_number) => {
            mover.observe(Progress { record_number, ..Progress::default() });
            Some(Outcome::default())
        }
    }
}

fn check_step(before: &Mover, after: &Mover, event: &Event, outcome: Option<&Outcome>) {
    let (from, to) = (before.phase(), after.phase());
    assert!(from == to || EDGES.contains(&(from, to)), "{event:?}: {from:?} to {to:?}");
    let Some(outcome) = outcome else {
        assert_eq!(format!("{before:?}"), format!("{after:?}"), "{event:?} was refused");
        return;
    };
    let expected = match after.state() {
        _ if from == to => None,
        State::Paused(_, PauseReason::Seek) => match event {
            Event::Ended(End::OutsideWindow(wanted)) => Some(Notice::Paused(PauseReason::Seek, *wanted)),
            _ => panic!("{event:?} caused a seek"),
        },
        State::Paused(_, reason) => Some(Notice::Paused(*reason, 0)),
        State::Halted { reason, .. } => Some(Notice::Halted(*reason)),
        _ => None,
    };
    assert_eq!(outcome.notice, expected, "{event:?}");
    assert_eq!(outcome.disconnect, from != to && to == Phase::Halted, "{event:?}");
    assert!(outcome.start.is_none() || to == Phase::Active, "{event:?}");
    if from != to && to == Phase::Idle {
        assert_eq!((after.progress(), after.window(), after.mode()), (Progress::default(), None, None));
        assert_eq!(after.transfer(), None);
    }
    let resizes = matches!(event, Event::Ask(Request::SetRecordSize, ..));
    assert!(resizes || before.record_bytes() == after.record_bytes(), "{event:?}");
}

proptest! {
    #[test]
    fn any_history_keeps_to_the_edges(events in prop::collection::vec(event(), 0..80)) {
        let mut mover = ready();
        for event in &events {
            let before = mover.clone();
            let outcome = apply(&mut mover, event);
            check_step(&before, &mover, event, outcome.as_ref());
        }
    }
}
