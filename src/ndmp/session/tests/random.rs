//! Any sequence of requests and events: no panic, one reply a request, every frame whole.

use super::bench::{Bench, Deeds, Did, facts};
use super::catalogue::{UNSERVED, requests};
use crate::mover::{End, Ended, Progress};
use crate::ndmp::session::*;
use crate::ndmp::wire::*;
use crate::ndmp::xdr::{self, Quad, Wire};
use crate::vtl::drive::{HostError, HostRead};
use proptest::prelude::*;

/// What may happen to a session.
#[derive(Clone, Debug)]
enum Step {
    /// A catalogued request, its body cut or changed.
    Request {
        index: usize,
        cut: Option<usize>,
        flip: Option<(usize, u8)>,
    },
    Window(u64, u64),
    Listen(u32),
    Unserved(usize),
    Event(u8),
    /// The next work fails.
    Fail(u8),
    Login,
}

fn step() -> impl Strategy<Value = Step> {
    let plain = (0_usize..64).prop_map(|index| Step::Request { index, cut: None, flip: None });
    let broken = (0_usize..64, any::<Option<usize>>(), any::<Option<(usize, u8)>>())
        .prop_map(|(index, cut, flip)| Step::Request { index, cut, flip });
    prop_oneof![
        8 => plain,
        3 => broken,
        1 => (prop_oneof![0_u64..5000, Just(u64::MAX)], prop_oneof![0_u64..5000, Just(u64::MAX)])
            .prop_map(|(offset, length)| Step::Window(offset, length)),
        2 => (0_u32..3).prop_map(Step::Listen),
        1 => (0_usize..64).prop_map(Step::Unserved),
        4 => (0_u8..16).prop_map(Step::Event),
        2 => (0_u8..5).prop_map(Step::Fail),
        1 => Just(Step::Login),
    ]
}

fn event(number: u8) -> Event {
    let end = match number {
        0 => return Event::PeerConnected("192.0.2.7:4000".parse().unwrap()),
        1 => return Event::AcceptFailed("no".into()),
        2 => return Event::PeerGone,
        3 => End::Satisfied,
        4 => End::WindowFull,
        5 => End::EndOfMedium,
        6 => End::EndOfFile,
        7 => End::OutsideWindow(99),
        8 => End::PeerClosed,
        9 => End::ConnectionBroken("reset".into()),
        12 => return Event::Notice("vault is low".into()),
        13 => End::OutOfSpace("full".into()),
        14 => End::NoSpace("full".into()),
        10 => End::Media("scratched".into()),
        _ => End::Aborted,
    };
    Event::PumpEnded(Ended { end, progress: Progress::default(), window_left_bytes: 0, read: None })
}

/// Errors that are answers and need no words: states that programs ask for again and again, and what a read goes up to.
fn is_an_answer(code: MessageCode, body: &[u8], error: Error) -> bool {
    use MessageCode as C;
    match (code, error) {
        (C::TapeGetState, Error::DevNotOpen | Error::NoTapeLoaded) | (C::TapeRead, Error::Eof) => true,
        // Versions 2 and 3 have another name for the end of data.
        (C::TapeRead, Error::Eom) => true,
        (C::TapeMtio, Error::NoTapeLoaded) => body.starts_with(&[0, 0, 0, 7]),
        _ => false,
    }
}

/// A request that fails is explained by one LOG post right behind its reply; one that does not, by none.
#[track_caller]
fn check_explained(was_logged_in: bool, code: MessageCode, body: &[u8], deeds: &Deeds) {
    let names: Vec<_> =
        deeds.0.iter().map(Did::name).filter(|name| ["reply", "log"].contains(name)).collect();
    let error = deeds.error();
    let is_explained = was_logged_in && error != Error::NoErr && !is_an_answer(code, body, error);
    let expected: &[&str] = if is_explained { &["reply", "log"] } else { &["reply"] };
    assert_eq!(names, expected, "{code:?} {error:?} {body:02x?} {deeds:?}");
    // The older versions' posts do not say which request they are about.
    if is_explained && deeds.dialect() == Dialect::V4 {
        let (text, about) = deeds.log();
        assert!(!text.is_empty());
        assert_eq!(about, Some(deeds.reply().header.reply_sequence));
    }
}

/// A completion that may not fit the work at all: a fault of the shell's must not panic either.
fn failure(number: u8) -> Completion {
    match number {
        0 => Completion::Done(Err(HostError::EarlyWarning)),
        1 => Completion::Read(Ok(HostRead::Filemark)),
        2 => Completion::Cdb(Err(CdbFault::Failed("gone".into()))),
        3 => Completion::Listening(Err("no port".into())),
        _ => Completion::TapeOpened(Err(OpenFault::Busy("session 1".into()))),
    }
}

/// One reply for a request, or for CONNECT_CLOSE none; nothing but posts and work for an event.
fn replies(deeds: &[Did]) -> usize {
    deeds.iter().filter(|did| matches!(did, Did::Replied(_))).count()
}

fn encoded(request: &impl Wire) -> Vec<u8> {
    xdr::encode(request).unwrap().into_bytes().to_vec()
}

/// One whole reply, and words beside an error.
#[track_caller]
fn send(bench: &mut Bench, code: MessageCode, body: &[u8]) {
    let was_logged_in = bench.session.is_authenticated();
    let deeds = bench.send_bytes(code, body);
    assert_eq!(replies(&deeds.0), 1, "{code:?}");
    check_explained(was_logged_in, code, body, &deeds);
}

fn play(bench: &mut Bench, step: &Step) {
    let all = requests();
    match step {
        Step::Request { index, cut, flip } => {
            let request = &all[index % all.len()];
            let mut body = request.body.to_vec();
            if let (Some((at, bits)), false) = (flip, body.is_empty()) {
                let at = at % body.len();
                body[at] ^= bits;
            }
            let length = cut.map_or(body.len(), |cut| cut % (body.len() + 1));
            send(bench, request.code, &body[..length]);
        }
        Step::Window(offset, length) => {
            let request = MoverSetWindowRequest { offset: Quad(*offset), length: Quad(*length) };
            send(bench, MessageCode::MoverSetWindow, &encoded(&request));
        }
        Step::Listen(mode) => {
            let request = MoverListenRequest { mode: (*mode).into(), addr_type: AddrType::Tcp };
            send(bench, MessageCode::MoverListen, &encoded(&request));
        }
        Step::Unserved(index) => {
            let code = UNSERVED[index % UNSERVED.len()];
            send(bench, code.into(), &[1, 2, 3]);
        }
        Step::Event(number) => assert_eq!(replies(&bench.event(event(*number)).0), 0),
        Step::Fail(number) => bench.world.next.push_back(failure(*number)),
        Step::Login => drop(bench.login("backup", "hunter2")),
    }
}

/// A pump runs when, and only when, the mover is ACTIVE and has something to do; and it has a tape.
fn check(bench: &mut Bench) {
    let summary = bench.session.summary();
    if summary.mover == Phase::Active {
        assert!(
            summary.device.is_some_and(|name| name.contains("drive")),
            "the mover is active without a tape"
        );
    }
    if bench.session.is_authenticated() {
        assert_eq!(bench.error(MessageCode::MoverGetState, &()), Error::NoErr);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_dialogue_is_answered_request_by_request(
        logs_in in prop::bool::weighted(0.9),
        version in 2_u16..5,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut bench = if logs_in { Bench::speaking(version) } else { Bench::stranger(facts()) };
        for step in &steps {
            play(&mut bench, step);
            check(&mut bench);
        }
        // A scripted answer may be left over for work that was never asked for.
        bench.world.next.clear();
        prop_assert_eq!(bench.send(MessageCode::ConnectClose, &()).order(), ["hangup"]);
    }
}
