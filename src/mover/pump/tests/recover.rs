//! Recover: exactly the bytes asked for arrive, or the pump stops where it must, the tape where it should be.

use super::fake::{Block, FakeTape, Receiver};
use super::{stream, stream_byte};
use crate::mover::pump::{PumpControl, RecoverCarry, RecoverJob, run_recover};
use crate::mover::{End, Ended, Progress, ReadRange, Window};
use proptest::prelude::*;

const RECORD: usize = 10;

fn range(offset_bytes: u64, length_bytes: u64) -> ReadRange {
    ReadRange { offset_bytes, length_bytes }
}

fn window(offset_bytes: u64, length_bytes: u64) -> Window {
    Window { offset_bytes, length_bytes }
}

const ALL: ReadRange = ReadRange { offset_bytes: 0, length_bytes: u64::MAX };

/// A tape whose records have these lengths and hold the stream; 0 = a mark.
fn tape(lengths: &[usize]) -> FakeTape {
    let mut offset = 0;
    let block = |length: &usize| match length {
        0 => Block::Mark,
        length => {
            offset += length;
            Block::Record(stream(offset - length..offset))
        }
    };
    FakeTape::new(lengths.iter().map(block).collect())
}

/// One recovery, step by step: the tape, the connection, and what the mover would keep.
struct Recovery {
    tape: FakeTape,
    receiver: Receiver,
    carry: RecoverCarry,
    progress: Progress,
    window: Window,
    control: PumpControl,
}

impl Recovery {
    fn new(tape: FakeTape) -> Recovery {
        Recovery::with(tape, Receiver::default(), RECORD)
    }

    fn with(tape: FakeTape, receiver: Receiver, record: usize) -> Recovery {
        Recovery {
            tape,
            receiver,
            carry: RecoverCarry::new(u32::try_from(record).unwrap()),
            progress: Progress::default(),
            window: Window::MAX,
            control: PumpControl::default(),
        }
    }

    /// MOVER_READ.
    fn read(&mut self, range: ReadRange) -> Ended {
        self.progress.left_to_read_bytes = range.length_bytes;
        self.go_on(range)
    }

    /// MOVER_CONTINUE.
    fn go_on(&mut self, range: ReadRange) -> Ended {
        let (progress, window, control) = (self.progress, self.window, self.control.clone());
        let job = RecoverJob { window, range, progress, control };
        let ended = run_recover(&mut self.tape, &mut self.receiver, &mut self.carry, job);
        self.progress = ended.progress;
        assert_eq!(self.control.progress.get(), ended.progress);
        assert_eq!(self.tape.published, Some(self.tape.at));
        assert_eq!(ended.read.is_none(), ended.end == End::Satisfied);
        ended
    }
}

#[test]
fn range_inside_a_record_is_delivered_from_it_alone() {
    let mut recovery = Recovery::new(tape(&[10; 5]));
    assert_eq!(recovery.read(range(23, 4)).end, End::Satisfied);
    assert_eq!(recovery.receiver.received, stream(23..27));
    let expected = Progress { record_number: 3, moved_bytes: 4, left_to_read_bytes: 0 };
    assert_eq!((recovery.progress, recovery.tape.at), (expected, 3));
    // What follows in the same record needs no tape.
    assert_eq!(recovery.read(range(27, 3)).end, End::Satisfied);
    assert_eq!((recovery.receiver.received.len(), recovery.tape.at), (7, 3));
}

#[test]
fn backwards_and_forwards_inside_the_window() {
    let mut recovery = Recovery::new(tape(&[10; 9]));
    let mut expected = Vec::new();
    for (from, until, at) in [(55, 75, 8), (0, 10, 1), (88, 90, 9), (12, 13, 2), (12, 31, 4)] {
        assert_eq!(recovery.read(range(from, until - from)).end, End::Satisfied);
        expected.extend(stream(usize::try_from(from).unwrap()..usize::try_from(until).unwrap()));
        assert_eq!((recovery.tape.at, recovery.progress.record_number), (at, at as u64));
    }
    assert_eq!(recovery.receiver.received, expected);
}

/// NDMPv4 3.6.2.5: "the tape is left positioned on the BOT side of the file mark that caused the pause".
#[test]
fn filemark_stops_every_time_and_is_never_crossed() {
    let mut recovery = Recovery::new(tape(&[10, 10, 0, 10]));
    let ended = recovery.read(ALL);
    assert_eq!((&ended.end, ended.read), (&End::EndOfFile, Some(range(20, u64::MAX))));
    assert_eq!(recovery.receiver.received, stream(0..20));
    for _ in 0..3 {
        assert_eq!(recovery.go_on(range(20, u64::MAX)).end, End::EndOfFile);
        assert_eq!((recovery.tape.at, recovery.progress.record_number), (2, 2));
    }
    // Not by a seek to what lies behind it either.
    assert_eq!(recovery.go_on(range(25, 1)).end, End::EndOfFile);
    assert_eq!((recovery.tape.at, recovery.progress.record_number), (2, 2));
    // The DMA spaces over it and goes on in the same window.
    recovery.tape.at = 3;
    assert_eq!(recovery.go_on(range(20, 10)).end, End::Satisfied);
    assert_eq!(recovery.receiver.received, stream(0..30));
}

/// A mark behind a record that is not full: where the stream stands cannot be computed, only remembered.
#[test]
fn filemark_behind_a_short_record_stops_every_time() {
    let mut recovery = Recovery::new(tape(&[10, 4, 0]));
    let ended = recovery.read(ALL);
    assert_eq!((ended.end, ended.read), (End::EndOfFile, Some(range(14, u64::MAX))));
    for _ in 0..2 {
        let again = recovery.go_on(range(14, u64::MAX));
        assert_eq!((again.end, again.read), (End::EndOfFile, Some(range(14, u64::MAX))));
        assert_eq!((recovery.tape.at, recovery.progress.record_number), (2, 2));
    }
    assert_eq!(recovery.receiver.received, stream(0..14));
}

/// EOM only if the tape was filled: what DMAs do at the last tape depends on it.
#[test]
fn end_of_data_is_told_from_the_end_of_the_medium() {
    for (warns_at, end) in [(usize::MAX, End::EndOfFile), (3, End::EndOfFile), (2, End::EndOfMedium)] {
        let full = || FakeTape { warns_at, ..tape(&[10, 10]) };
        let mut recovery = Recovery::new(full());
        assert_eq!(recovery.read(ALL).end, end, "read into it");
        assert_eq!(recovery.receiver.received, stream(0..20));
        let mut recovery = Recovery::new(full());
        assert_eq!(recovery.read(range(77, 1)).end, end, "spaced into it");
        assert_eq!((recovery.tape.at, recovery.progress.record_number), (2, 2));
    }
    assert_eq!(Recovery::new(tape(&[])).read(ALL).end, End::EndOfFile, "a blank tape");
}

/// NDMPv4 3.6.1.1, SEEK: what lies in the window is delivered first.
#[test]
fn window_ends_inside_a_record() {
    let mut recovery = Recovery { window: window(0, 25), ..Recovery::new(tape(&[10; 5])) };
    let ended = recovery.read(range(5, 40));
    assert_eq!((ended.end, ended.read), (End::OutsideWindow(25), Some(range(25, 20))));
    assert_eq!(recovery.receiver.received, stream(5..25));
    assert_eq!(recovery.progress.left_to_read_bytes, 20);
    assert_eq!((recovery.tape.at, recovery.progress.record_number), (3, 3));
}

/// The DMA may have changed the tape in a pause: what was read before it is no longer what stands there.
#[test]
fn record_read_before_a_pause_is_not_used_behind_it() {
    let mut recovery = Recovery { window: window(0, 25), ..Recovery::new(tape(&[10; 5])) };
    assert_eq!(recovery.read(range(5, 25)).end, End::OutsideWindow(25));
    recovery.tape = FakeTape::new(vec![Block::Record(vec![0xaa; 10])]);
    (recovery.window, recovery.progress.record_number) = (window(20, u64::MAX), 2);
    assert_eq!(recovery.go_on(range(25, 5)).end, End::Satisfied);
    assert_eq!(recovery.receiver.received[20..], [0xaa; 5]);
}

#[test]
fn outside_the_window_nothing_moves() {
    for (wanted, inside) in [(19, false), (20, true), (39, true), (40, false)] {
        let mut recovery = Recovery { window: window(20, 20), ..Recovery::new(tape(&[10; 5])) };
        (recovery.tape.at, recovery.progress.record_number) = (2, 2);
        let end = recovery.read(range(wanted, 1)).end;
        assert_eq!(end, if inside { End::Satisfied } else { End::OutsideWindow(wanted) });
        assert!(inside || recovery.tape.at == 2);
    }
    let mut recovery = Recovery { window: window(0, 0), ..Recovery::new(tape(&[10])) };
    assert_eq!(recovery.read(ALL).end, End::OutsideWindow(0), "an empty window holds nothing");
}

/// The window says that more lies before, the tape says no.
#[test]
fn backwards_to_what_the_tape_does_not_have() {
    for (lengths, stands_at) in [(&[10, 10, 10, 10][..], 0), (&[10, 0, 10, 10][..], 2)] {
        let mut recovery = Recovery::new(tape(lengths));
        (recovery.tape.at, recovery.progress.record_number) = (stands_at + 2, 7);
        assert_eq!(recovery.read(range(30, 10)).end, End::OutsideWindow(30));
        assert_eq!((recovery.tape.at, recovery.progress.record_number), (stands_at, 5));
        assert!(recovery.receiver.received.is_empty());
    }
}

#[test]
fn longer_record_is_never_cut() {
    let mut recovery = Recovery::new(tape(&[10, 11, 10]));
    let ended = recovery.read(ALL);
    let End::Media(reason) = ended.end else { panic!("{:?}", ended.end) };
    assert!(reason.contains("record 1 is 11 bytes long"), "{reason}");
    assert_eq!(recovery.receiver.received, stream(0..10));
}

#[test]
fn damaged_record_is_never_delivered() {
    let mut recovery = Recovery::new(FakeTape { fails_at: Some(2), ..tape(&[10; 4]) });
    assert_eq!(recovery.read(ALL).end, End::Media("the record is damaged".into()));
    assert_eq!(recovery.receiver.received, stream(0..20));
}

#[test]
fn short_records_are_delivered_as_they_are() {
    let mut recovery = Recovery::new(tape(&[10, 3, 10, 1, 1, 10, 0]));
    assert_eq!(recovery.read(range(0, 5)).end, End::Satisfied);
    assert_eq!(recovery.read(range(5, 9)).end, End::Satisfied);
    assert_eq!(recovery.read(range(14, 100)).end, End::EndOfFile);
    assert_eq!(recovery.receiver.received, stream(0..35));
    assert_eq!(recovery.progress.record_number, 6);
}

/// Spacing counts records; where they are short, an offset found so is wrong, and that must be said.
#[test]
fn seek_into_the_missing_part_of_a_short_record_fails() {
    let mut recovery = Recovery::new(tape(&[10, 3, 10]));
    let ended = recovery.read(range(15, 5));
    let End::Media(reason) = ended.end else { panic!("{:?}", ended.end) };
    assert!(reason.contains("record 1 is shorter than the record size of 10"), "{reason}");
    assert!(recovery.receiver.received.is_empty());
}

#[test]
fn peer_that_goes_away_ends_it_with_exact_counts() {
    for closes_after in [0, 1, 13, 20] {
        let receiver = Receiver { closes_after: Some(closes_after), takes: vec![3], ..Receiver::default() };
        let mut recovery = Recovery::with(tape(&[10; 4]), receiver, RECORD);
        let ended = recovery.read(range(2, 30));
        assert_eq!(ended.end, End::PeerClosed);
        let sent = closes_after as u64;
        assert_eq!(ended.read, Some(range(2 + sent, 30 - sent)));
        assert_eq!((ended.progress.moved_bytes, ended.progress.left_to_read_bytes), (sent, 30 - sent));
        assert_eq!(recovery.receiver.received, stream(2..2 + closes_after));
    }
}

#[test]
fn abort_is_not_taken_for_the_peer() {
    let mut recovery = Recovery::new(tape(&[10; 4]));
    recovery.receiver.aborts_after = Some((15, recovery.control.clone()));
    assert_eq!(recovery.read(ALL).end, End::Aborted);
    assert_eq!(recovery.progress.moved_bytes, 15);
    assert_eq!(recovery.go_on(range(15, 5)).end, End::Aborted);
    assert_eq!(recovery.receiver.received, stream(0..15));
}

/// Offsets at the end of all numbers come from the network and must not break the drive's thread.
#[test]
fn greatest_offsets_do_no_harm() {
    let last = u64::MAX - u64::MAX % 10;
    let mut recovery = Recovery { window: window(last, u64::MAX), ..Recovery::new(tape(&[10, 10])) };
    recovery.progress.record_number = last / 10;
    assert_eq!(recovery.read(range(last, 5)).end, End::Satisfied);
    assert_eq!(recovery.receiver.received, stream(0..5));

    let mut recovery = Recovery::with(tape(&[1, 1]), Receiver::default(), 1);
    assert_eq!(recovery.read(range(u64::MAX - 1, 1)).end, End::OutsideWindow(u64::MAX - 1));

    let mut recovery = Recovery::with(tape(&[1]), Receiver::default(), 1);
    recovery.progress.record_number = u64::MAX;
    assert_eq!(recovery.read(range(0, 1)).end, End::OutsideWindow(0));
}

/// As `ndmjob` and Bareos recover: on every tape a window from where the last one ended, without end.
#[test]
fn several_tapes_in_windows_without_end() {
    let shelf = [(0..3, true), (3..5, true), (5..9, false)];
    let mut recovery = Recovery::new(tape(&[]));
    let mut wanted = ALL;
    for (records, is_full) in shelf {
        let blocks = records.clone().map(|number| Block::Record(stream(number * 10..number * 10 + 10)));
        recovery.tape = FakeTape::new(blocks.collect());
        if is_full {
            recovery.tape.warns_at = records.len();
        }
        recovery.window = window(records.start as u64 * 10, u64::MAX);
        recovery.progress.record_number = records.start as u64;
        let ended = recovery.go_on(wanted);
        assert_eq!(ended.end, if is_full { End::EndOfMedium } else { End::EndOfFile });
        assert_eq!(ended.progress.record_number, records.end as u64);
        wanted = ended.read.unwrap();
    }
    assert_eq!(recovery.receiver.received, stream(0..90));
}

/// Wherever the connection breaks, the counters say what went and the tape stands behind the last record begun.
#[test]
fn peer_that_goes_away_amid_lent_records_leaves_exact_counts() {
    let lengths = [10, 7, 10, 10, 3, 10, 10, 10];
    let total: usize = lengths.iter().sum();
    for closes_after in 0..total {
        for takes in [vec![], vec![1], vec![0, 4, 9]] {
            let receiver = Receiver { closes_after: Some(closes_after), takes, ..Receiver::default() };
            let tape = FakeTape { lends: 8, ..tape(&lengths) };
            let mut recovery = Recovery::with(tape, receiver, RECORD);
            let ended = recovery.read(ALL);
            assert_eq!(ended.end, End::PeerClosed);
            assert_eq!(recovery.receiver.received, stream(0..closes_after));
            assert_eq!(ended.progress.moved_bytes, closes_after as u64);
            assert_eq!(ended.read, Some(range(closes_after as u64, u64::MAX)));
            let begun = lengths.iter().scan(0, |end, length| {
                *end += length;
                Some(*end - length < closes_after)
            });
            // The first record is read ahead of those that are lent.
            let stands_at = begun.filter(|begun| *begun).count().max(1);
            assert_eq!((recovery.tape.at, ended.progress.record_number), (stands_at, stands_at as u64));
        }
    }
}

#[test]
fn abort_amid_lent_records_is_not_taken_for_the_peer() {
    for aborts_after in 10..80 {
        let mut recovery = Recovery::new(FakeTape { lends: 8, ..tape(&[10; 9]) });
        recovery.receiver.aborts_after = Some((aborts_after, recovery.control.clone()));
        assert_eq!(recovery.read(ALL).end, End::Aborted);
        assert_eq!(recovery.progress.moved_bytes, aborts_after as u64);
        assert_eq!(recovery.receiver.received, stream(0..aborts_after));
        assert_eq!(recovery.tape.at as u64, recovery.progress.record_number);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Lending is an economy: whatever stands on the tape, the same comes of it as without.
    #[test]
    fn lending_changes_nothing(
        lengths in prop::collection::vec(prop_oneof![6 => Just(10_usize), 3 => 1..12_usize, 1 => Just(0)], 1..20),
        reads in prop::collection::vec((0..150_u64, prop_oneof![1..200_u64, Just(u64::MAX)]), 1..5),
        bounds in prop_oneof![Just((0, u64::MAX)), (0..40_u64, 0..200_u64)],
        takes in prop::collection::vec(prop_oneof![Just(0_usize), 1..40_usize], 0..4),
        fails_at in prop::option::weighted(0.3, 0..20_usize),
        closes_after in prop::option::weighted(0.3, 0..150_usize),
        lends in 1..9_usize,
    ) {
        let takes = if takes.iter().all(|take| *take == 0) { vec![] } else { takes };
        let fails_at = fails_at.filter(|at| *at < lengths.len());
        let play = |lends| {
            let receiver = Receiver { takes: takes.clone(), closes_after, ..Receiver::default() };
            let tape = FakeTape { fails_at, lends, ..tape(&lengths) };
            let mut recovery = Recovery::with(tape, receiver, RECORD);
            recovery.window = window(bounds.0, bounds.1);
            let mut ends = Vec::new();
            for (offset, length) in &reads {
                let ended = recovery.read(range(*offset, *length));
                let is_over = ended.end == End::PeerClosed;
                ends.push((ended, recovery.tape.at));
                if is_over {
                    break;
                }
            }
            (ends, recovery.receiver.received)
        };
        let ((mut without, expected), (mut with, received)) = (play(0), play(lends));
        prop_assert_eq!(received, expected);
        for (ended, at) in without.iter_mut().chain(&mut with) {
            if ended.end == End::PeerClosed {
                // How much was read ahead of the break is nobody's business; but it is what the tape says.
                prop_assert!(ended.progress.record_number <= *at as u64);
                (ended.progress.record_number, *at) = (0, 0);
            }
        }
        prop_assert_eq!(with, without);
    }
}

mod model {
    use super::*;

    /// One tape's part of the stream, behind a label of its own.
    #[derive(Clone, Debug)]
    struct Segment {
        label_records: usize,
        records: usize,
        ends: Ends,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Ends {
        Mark,
        Data,
        FullTape,
    }

    #[derive(Clone, Debug)]
    struct Plan {
        record: usize,
        segments: Vec<Segment>,
        /// Offset and length in thousandths of the whole stream; no length = until the end.
        reads: Vec<(usize, Option<usize>)>,
        /// What the DMA does at each pause, over and over.
        moves: Vec<Move>,
        takes: Vec<usize>,
        /// How many records the drive lends at once.
        lends: usize,
    }

    #[derive(Clone, Copy, Debug)]
    enum Length {
        WithoutEnd,
        Whole,
        /// Some part of the segment, in bytes: it may end inside a record.
        Part(prop::sample::Index),
    }

    #[derive(Clone, Copy, Debug)]
    enum Move {
        /// The tape that holds the wanted byte, and the window's length.
        Right(Length),
        /// Some tape.
        Any(prop::sample::Index, Length),
        /// MOVER_CONTINUE with everything as it is.
        Nothing,
    }

    fn plan(record: impl Strategy<Value = usize>) -> impl Strategy<Value = Plan> {
        let ends = prop_oneof![Just(Ends::Mark), Just(Ends::Data), Just(Ends::FullTape)];
        let segment = (0..3_usize, 1..8_usize, ends).prop_map(|(label_records, records, ends)| Segment {
            label_records,
            records,
            ends,
        });
        let length = prop_oneof![
            Just(Length::WithoutEnd),
            Just(Length::Whole),
            any::<prop::sample::Index>().prop_map(Length::Part),
        ];
        let one_move = prop_oneof![
            4 => length.clone().prop_map(Move::Right),
            1 => (any::<prop::sample::Index>(), length).prop_map(|(at, length)| Move::Any(at, length)),
            1 => Just(Move::Nothing),
        ];
        (
            record,
            prop::collection::vec(segment, 1..5),
            prop::collection::vec((0..1001_usize, prop::option::weighted(0.8, 1..1001_usize)), 1..8),
            prop::collection::vec(one_move, 0..6),
            prop::collection::vec(prop_oneof![Just(0_usize), 1..30_usize, 1..3_000_000_usize], 1..5),
            0..9_usize,
        )
            .prop_map(|(record, segments, reads, mut moves, mut takes, lends)| {
                // So that it comes to an end.
                moves.push(Move::Right(Length::WithoutEnd));
                takes.push(3_000_000);
                Plan { record, segments, reads, moves, takes, lends }
            })
    }

    /// Segment `index` of the plan on its tape, and the numbers of its records.
    fn load(plan: &Plan, index: usize) -> (FakeTape, std::ops::Range<usize>) {
        let segment = &plan.segments[index];
        let first: usize = plan.segments[..index].iter().map(|segment| segment.records).sum();
        let records = first..first + segment.records;
        let mut blocks = vec![Block::Record(b"label".to_vec()); segment.label_records];
        blocks.push(Block::Mark);
        let start = blocks.len();
        let length = plan.record;
        blocks.extend(
            records.clone().map(|number| Block::Record(stream(number * length..(number + 1) * length))),
        );
        if segment.ends == Ends::Mark {
            blocks.extend([Block::Mark, Block::Record(b"trailer".to_vec()), Block::Mark]);
        }
        let warns_at = if segment.ends == Ends::FullTape { blocks.len() } else { usize::MAX };
        (FakeTape { at: start, warns_at, lends: plan.lends, ..FakeTape::new(blocks) }, records)
    }

    /// What must come of one run.
    struct Expected {
        end: End,
        until: usize,
        /// Number of the record in front of which the tape stands.
        stands_at: usize,
    }

    /// Record by record, as NDMPv4 3.6.2.5 says it. `held` is the record that needs no tape any more.
    fn expect(
        plan: &Plan,
        here: &std::ops::Range<usize>,
        ends: Ends,
        window: Window,
        wanted: std::ops::Range<usize>,
        (mut stands_at, held): (usize, &mut Option<usize>),
    ) -> Expected {
        let mut at = wanted.start;
        let end = loop {
            let record = at / plan.record;
            if at == wanted.end {
                return Expected { end: End::Satisfied, until: at, stands_at };
            }
            if (at as u64) < window.offset_bytes || at as u64 >= window.end_bytes() {
                break End::OutsideWindow(at as u64);
            }
            if *held == Some(record) {
                let window_end = usize::try_from(window.end_bytes()).unwrap_or(usize::MAX);
                at = ((record + 1) * plan.record).min(wanted.end).min(window_end);
                continue;
            }
            if record >= here.end {
                stands_at = here.end;
                break if ends == Ends::FullTape { End::EndOfMedium } else { End::EndOfFile };
            }
            *held = Some(record);
            stands_at = record + 1;
        };
        *held = None;
        Expected { end, until: at, stands_at }
    }

    fn play(plan: &Plan) {
        let total: usize = plan.segments.iter().map(|segment| segment.records).sum::<usize>() * plan.record;
        let receiver = Receiver { takes: plan.takes.clone(), ..Receiver::default() };
        let mut index = 0;
        let (first, mut here) = load(plan, 0);
        let mut recovery = Recovery::with(first, receiver, plan.record);
        let (mut stands_at, mut held) = (0, None);
        let mut moves = plan.moves.iter().cycle();
        let mut expected = Vec::new();
        for (offset, length) in &plan.reads {
            // Some ranges end, a few begin behind the stream.
            let start = offset * total / 970;
            let end = length.map_or(usize::MAX, |length| start + length * total / 1000 + 1);
            let (start, mut left) =
                if end == usize::MAX { (0, ALL) } else { (start, range(start as u64, (end - start) as u64)) };
            recovery.progress.left_to_read_bytes = left.length_bytes;
            let mut at = start;
            loop {
                let ends = plan.segments[index].ends;
                let model = expect(plan, &here, ends, recovery.window, at..end, (stands_at, &mut held));
                let before = recovery.progress;
                let ended = recovery.go_on(left);
                expected.extend((at..model.until).map(stream_byte));
                assert_eq!(ended.end, model.end);
                assert!(recovery.receiver.received == expected, "other bytes than those asked for");
                let moved = (model.until - at) as u64;
                assert_eq!(ended.progress.moved_bytes, before.moved_bytes + moved);
                assert_eq!(ended.progress.left_to_read_bytes, before.left_to_read_bytes - moved);
                assert_eq!(ended.progress.record_number, model.stands_at as u64);
                let start_block = plan.segments[index].label_records + 1;
                assert_eq!(recovery.tape.at, start_block + model.stands_at - here.start);
                (at, stands_at) = (model.until, model.stands_at);
                let Some(rest) = ended.read else { break };
                let length = if left.length_bytes == u64::MAX { u64::MAX } else { left.length_bytes - moved };
                assert_eq!(rest, range(at as u64, length));
                left = rest;
                if at >= total {
                    return; // The DMA has no such tape: MOVER_CLOSE.
                }
                let (next, length) = match moves.next().unwrap() {
                    Move::Nothing => continue,
                    Move::Any(any, length) => (any.index(plan.segments.len()), *length),
                    Move::Right(length) => {
                        let holds = |index: &usize| load(plan, *index).1.contains(&(at / plan.record));
                        ((0..plan.segments.len()).find(holds).unwrap(), *length)
                    }
                };
                index = next;
                (recovery.tape, here) = load(plan, index);
                let bytes = here.len() * plan.record;
                let length = match length {
                    Length::WithoutEnd => u64::MAX,
                    Length::Whole => bytes as u64,
                    Length::Part(part) => part.index(bytes) as u64 + 1,
                };
                recovery.window = window((here.start * plan.record) as u64, length);
                recovery.progress.record_number = here.start as u64;
                (stands_at, held) = (here.start, None);
            }
        }
    }

    proptest! {
        #[test]
        fn bytes_wanted_arrive_whatever_the_tapes_are(plan in plan(1..20_usize)) {
            play(&plan);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn bytes_wanted_arrive_from_large_records(
            plan in plan(prop_oneof![Just(400_000), Just(1 << 20), Just((1 << 20) + 1)])
        ) {
            play(&plan);
        }
    }
}
