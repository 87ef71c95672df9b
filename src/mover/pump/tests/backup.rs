//! Backup: every byte of the stream is on tape once, in full records, whatever the chunks, windows and tapes are.

use super::fake::{Block, FakeTape, Sender, Step};
use super::stream;
use crate::mover::pump::{BackupCarry, BackupJob, PumpControl, run_backup};
use crate::mover::{End, Ended, Progress};
use proptest::prelude::*;

fn job(window_left_bytes: u64) -> BackupJob {
    BackupJob { window_left_bytes, progress: Progress::default(), control: PumpControl::default() }
}

/// What continues `ended` in a window of `window_left_bytes`.
fn next_job(ended: &Ended, window_left_bytes: u64) -> BackupJob {
    BackupJob { window_left_bytes, progress: ended.progress, control: PumpControl::default() }
}

/// Backs `sender` up onto `tape` in one go, records of 10 bytes.
fn run(tape: &mut FakeTape, mut sender: Sender, window_left_bytes: u64) -> Ended {
    run_backup(tape, &mut sender, &mut BackupCarry::new(10), job(window_left_bytes))
}

fn roomy() -> FakeTape {
    FakeTape::blank(usize::MAX, usize::MAX)
}

/// What the tape holds when `length` bytes were written in records of `record`: the last one ends in zeros.
fn padded(length: usize, record: usize) -> Vec<u8> {
    let mut bytes = stream(0..length);
    bytes.resize(length.next_multiple_of(record), 0);
    bytes
}

#[test]
fn last_record_is_padded_with_zeros_and_not_counted() {
    let mut tape = roomy();
    let ended = run(&mut tape, Sender::chunks(&stream(0..34), &[34]), u64::MAX);
    assert_eq!(ended.end, End::PeerClosed);
    assert_eq!(ended.progress, Progress { record_number: 4, moved_bytes: 34, left_to_read_bytes: 0 });
    assert_eq!(tape.lengths(), [10, 10, 10, 10]);
    assert_eq!(tape.bytes(), padded(34, 10));
    assert_eq!((tape.durable, tape.published), (4, Some(4)));
}

/// The place of the pad held the bytes of an earlier record.
#[test]
fn pad_holds_nothing_of_earlier_records() {
    let mut tape = roomy();
    let steps = [Step::Bytes(stream(0..10)), Step::Bytes(stream(10..11))];
    assert_eq!(run(&mut tape, Sender::new(steps), u64::MAX).end, End::PeerClosed);
    assert_eq!(tape.bytes(), padded(11, 10));
}

#[test]
fn empty_stream_writes_nothing() {
    let mut tape = roomy();
    let ended = run(&mut tape, Sender::new([]), u64::MAX);
    assert_eq!((ended.end, ended.progress), (End::PeerClosed, Progress::default()));
    assert_eq!(tape.blocks, []);
}

#[test]
fn stream_of_whole_records_gets_no_further_one() {
    let mut tape = roomy();
    run(&mut tape, Sender::chunks(&stream(0..20), &[20]), u64::MAX);
    assert_eq!(tape.lengths(), [10, 10]);
}

#[test]
fn interrupted_reads_are_repeated() {
    let mut tape = roomy();
    let steps = [Step::Interrupted, Step::Bytes(stream(0..20)), Step::Interrupted, Step::Interrupted];
    assert_eq!(run(&mut tape, Sender::new(steps), u64::MAX).end, End::PeerClosed);
    assert_eq!(tape.bytes(), stream(0..20));
}

/// NDMPv4 3.6.1.1, EOW: only when there is a further byte, and then at once.
#[test]
fn window_is_full_exactly_with_one_byte_more() {
    for (length, end) in [(29, End::PeerClosed), (30, End::PeerClosed), (31, End::WindowFull)] {
        let mut tape = roomy();
        let ended = run(&mut tape, Sender::chunks(&stream(0..length), &[7]), 30);
        assert_eq!(ended.end, end, "{length}");
        assert_eq!(ended.progress.moved_bytes, length.min(30) as u64);
        assert_eq!(tape.lengths(), [10, 10, 10]);
        assert_eq!((tape.durable, ended.window_left_bytes), (3, 0));
    }
}

/// It pauses on the byte itself, not on the record it will be in, and not before it comes.
#[test]
fn window_full_does_not_wait_for_a_whole_record() {
    let mut tape = roomy();
    let steps = [Step::Bytes(stream(0..30)), Step::Bytes(stream(30..31)), Step::Silence];
    assert_eq!(run(&mut tape, Sender::new(steps), 30).end, End::WindowFull);
}

#[test]
fn empty_window_pauses_on_the_first_byte_and_keeps_it() {
    let mut tape = roomy();
    let mut carry = BackupCarry::new(10);
    let mut sender = Sender::new([Step::Bytes(stream(0..1)), Step::Bytes(stream(1..25))]);
    let ended = run_backup(&mut tape, &mut sender, &mut carry, job(0));
    assert_eq!((&ended.end, tape.blocks.len()), (&End::WindowFull, 0));
    // A window smaller than a record has no room either.
    let ended = run_backup(&mut tape, &mut sender, &mut carry, next_job(&ended, 9));
    assert_eq!((&ended.end, tape.blocks.len()), (&End::WindowFull, 0));
    let ended = run_backup(&mut tape, &mut sender, &mut carry, next_job(&ended, u64::MAX));
    assert_eq!((&ended.end, ended.window_left_bytes), (&End::PeerClosed, u64::MAX));
    assert_eq!(tape.bytes(), padded(25, 10));
    let mut nothing = roomy();
    assert_eq!(run(&mut nothing, Sender::new([]), 0).end, End::PeerClosed);
}

/// DEVIATION (see `Mover::set_window`): the window need not be a multiple of the record size.
#[test]
fn odd_window_ends_with_its_last_whole_record() {
    let mut tape = roomy();
    let ended = run(&mut tape, Sender::chunks(&stream(0..40), &[40]), 25);
    assert_eq!((ended.end, ended.window_left_bytes), (End::WindowFull, 5));
    assert_eq!(tape.lengths(), [10, 10]);
}

#[test]
fn peer_that_closes_while_paused_loses_nothing() {
    let mut tape = roomy();
    let mut carry = BackupCarry::new(10);
    let mut sender = Sender::new([Step::Bytes(stream(0..24))]);
    let ended = run_backup(&mut tape, &mut sender, &mut carry, job(20));
    assert_eq!((&ended.end, tape.blocks.len()), (&End::WindowFull, 2));
    let ended = run_backup(&mut tape, &mut sender, &mut carry, next_job(&ended, 20));
    assert_eq!((&ended.end, ended.window_left_bytes), (&End::PeerClosed, 10));
    assert_eq!(ended.progress.moved_bytes, 24);
    assert_eq!(tape.bytes(), padded(24, 10));
}

#[test]
fn record_at_the_end_of_the_medium_is_the_first_on_the_next_tape() {
    let mut carry = BackupCarry::new(10);
    let mut sender = Sender::chunks(&stream(0..47), &[47]);
    let mut first = FakeTape::blank(2, 4);
    let ended = run_backup(&mut first, &mut sender, &mut carry, job(u64::MAX));
    assert_eq!((&ended.end, ended.progress.record_number), (&End::EndOfMedium, 2));
    assert_eq!((first.bytes(), first.durable), (stream(0..20), 2));
    let mut second = roomy();
    let ended = run_backup(&mut second, &mut sender, &mut carry, next_job(&ended, u64::MAX));
    assert_eq!((&ended.end, ended.progress.record_number), (&End::PeerClosed, 5));
    assert_eq!(second.bytes(), padded(47, 10)[20..]);
}

/// CONTINUE on the same tape: the warning is told once, then it is filled until no room is left.
#[test]
fn same_tape_is_filled_after_the_warning() {
    let mut carry = BackupCarry::new(10);
    let mut sender = Sender::chunks(&stream(0..60), &[60]);
    let mut tape = FakeTape::blank(2, 4);
    let warned = run_backup(&mut tape, &mut sender, &mut carry, job(u64::MAX));
    let full = run_backup(&mut tape, &mut sender, &mut carry, next_job(&warned, u64::MAX));
    assert_eq!((full.end, full.progress.record_number), (End::EndOfMedium, 4));
    assert_eq!(tape.bytes(), stream(0..40));
}

#[test]
fn broken_connection_never_writes_a_partial_record() {
    let mut tape = roomy();
    let ended = run(&mut tape, Sender::new([Step::Bytes(stream(0..25)), Step::Reset]), u64::MAX);
    assert!(matches!(ended.end, End::ConnectionBroken(_)), "{ended:?}");
    assert_eq!((tape.bytes(), tape.durable), (stream(0..20), 2));
    assert_eq!(ended.progress.moved_bytes, 20);
}

/// The abort shuts the socket down, which must not be taken for the stream's end.
#[test]
fn abort_never_writes_a_partial_record() {
    for received in [25, 20] {
        let (mut tape, job) = (roomy(), job(u64::MAX));
        let mut sender = Sender::new([Step::Bytes(stream(0..received)), Step::Abort(job.control.clone())]);
        let ended = run_backup(&mut tape, &mut sender, &mut BackupCarry::new(10), job);
        assert_eq!(ended.end, End::Aborted);
        assert_eq!((tape.bytes(), tape.durable), (stream(0..20), 2));
    }
}

#[test]
fn abort_stops_at_the_next_record() {
    let mut carry = BackupCarry::new(10);
    let mut sender = Sender::chunks(&stream(0..50), &[50]);
    let mut tape = FakeTape::blank(1, 9);
    let ended = run_backup(&mut tape, &mut sender, &mut carry, job(u64::MAX));
    let next = next_job(&ended, u64::MAX);
    next.control.abort();
    assert_eq!(run_backup(&mut tape, &mut sender, &mut carry, next).end, End::Aborted);
    assert_eq!(tape.blocks.len(), 1);
}

#[test]
fn failing_write_says_what_was_written() {
    let mut tape = FakeTape { fails_at: Some(2), ..roomy() };
    let ended = run(&mut tape, Sender::chunks(&stream(0..50), &[50]), u64::MAX);
    assert_eq!(ended.end, End::Media("the head has crashed".into()));
    assert_eq!((ended.progress.record_number, ended.progress.moved_bytes), (2, 20));
}

/// "Everything counted is on stable storage when it returns, or the end says that it is not."
#[test]
fn nothing_ends_well_that_is_not_durable() {
    let ends: [(&[usize], u64, FakeTape); 3] = [
        (&[25], u64::MAX, roomy()),           // the peer closes
        (&[25], 20, roomy()),                 // the window is full
        (&[25], 20, FakeTape::blank(1, 100)), // early warning
    ];
    for (chunks, window, tape) in ends {
        let mut tape = FakeTape { sync_fails: true, ..tape };
        let ended = run(&mut tape, Sender::chunks(&stream(0..25), chunks), window);
        assert_eq!(ended.end, End::Media("the disk is gone".into()));
    }
    let steps = || Sender::new([Step::Bytes(stream(0..25)), Step::Reset]);
    let mut tape = FakeTape { sync_fails: true, ..roomy() };
    assert_eq!(run(&mut tape, steps(), u64::MAX).end, End::Media("the disk is gone".into()));
    // The first cause is the one that is told.
    let mut tape = FakeTape { sync_fails: true, fails_at: Some(0), ..roomy() };
    assert_eq!(run(&mut tape, steps(), u64::MAX).end, End::Media("the head has crashed".into()));
}

#[test]
fn counters_are_live() {
    let (mut tape, job) = (roomy(), job(10));
    let progress = job.control.progress.clone();
    let ended =
        run_backup(&mut tape, &mut Sender::chunks(&stream(0..25), &[25]), &mut BackupCarry::new(10), job);
    assert_eq!(progress.get(), ended.progress);
}

/// The record number comes from SET_WINDOW's offset and must not break the drive's thread.
#[test]
fn greatest_record_number_does_no_harm() {
    let (mut tape, mut job) = (roomy(), job(u64::MAX));
    job.progress.record_number = u64::MAX;
    let mut sender = Sender::chunks(&stream(0..20), &[20]);
    let ended = run_backup(&mut tape, &mut sender, &mut BackupCarry::new(10), job);
    assert_eq!((ended.end, ended.progress.moved_bytes), (End::PeerClosed, 20));
}

/// What the DMA gives the mover for one backup.
#[derive(Clone, Debug)]
struct Plan {
    record: usize,
    length: usize,
    chunks: Vec<usize>,
    /// Windows in records, over and over; `None` = without end.
    windows: Vec<Option<usize>>,
    /// (early warning, room) of the tapes in records, over and over.
    tapes: Vec<(usize, usize)>,
    /// Whether the first pause for the end of the medium goes on with the same tape.
    fills: bool,
    /// The most records that the tapes lend room for at once.
    lends: usize,
}

fn small_plan() -> impl Strategy<Value = Plan> {
    (1..24_usize).prop_flat_map(|record| plan(Just(record), 0..400, 1..60))
}

/// Records near the pump's batch of 1 MiB, so that its buffer holds one or two and has an odd end.
fn large_plan() -> impl Strategy<Value = Plan> {
    let record = prop_oneof![Just(400_000), Just((1 << 20) - 1), Just(1 << 20), Just((1 << 20) + 1)];
    plan(record, 0..5_000_000, 1..1_500_000)
}

fn plan(
    record: impl Strategy<Value = usize>,
    length: std::ops::Range<usize>,
    chunk: std::ops::Range<usize>,
) -> impl Strategy<Value = Plan> {
    (
        record,
        length,
        prop::collection::vec(chunk, 1..8),
        prop::collection::vec(prop::option::weighted(0.7, 1..9_usize), 1..5),
        prop::collection::vec((1..12_usize, 0..4_usize), 1..4),
        any::<bool>(),
        0..5_usize,
    )
        .prop_map(|(record, length, chunks, windows, tapes, fills, lends)| {
            let tapes = tapes.into_iter().map(|(warning, spare)| (warning, warning + spare)).collect();
            Plan { record, length, chunks, windows, tapes, fills, lends }
        })
}

/// Plays the DMA: a mark between windows, a new tape when one is full.
fn play(plan: &Plan) {
    let record = plan.record as u64;
    let mut sender = Sender::chunks(&stream(0..plan.length), &plan.chunks);
    let mut carry = BackupCarry::new(u32::try_from(plan.record).unwrap());
    let mut windows =
        plan.windows.iter().cycle().map(|records| records.map(|records| records as u64 * record));
    let mut tapes = plan
        .tapes
        .iter()
        .cycle()
        .map(|(warning, room)| FakeTape { lends: plan.lends, ..FakeTape::blank(*warning, *room) });
    let (mut tape, mut shelf) = (tapes.next().unwrap(), Vec::new());
    let mut window = windows.next().unwrap();
    let mut job = job(window.unwrap_or(u64::MAX));
    let mut fills = plan.fills;
    loop {
        let before = job.progress;
        let ended = run_backup(&mut tape, &mut sender, &mut carry, job);
        let written = ended.progress.record_number - before.record_number;
        let expected = (ended.progress.record_number * record).min(plan.length as u64);
        assert_eq!(ended.progress.moved_bytes, expected);
        assert_eq!((tape.durable, tape.published), (tape.blocks.len(), Some(tape.at)));
        let left = window.map(|window| window - written * record);
        assert_eq!(ended.window_left_bytes, left.unwrap_or(u64::MAX));
        match ended.end {
            End::PeerClosed => {
                assert_eq!(ended.progress.record_number, (plan.length as u64).div_ceil(record));
                break;
            }
            End::WindowFull => {
                assert_eq!(left, Some(0));
                assert!(plan.length as u64 > ended.progress.moved_bytes, "no byte has caused this");
                window = windows.next().unwrap();
            }
            End::EndOfMedium => {
                window = left;
                if !std::mem::take(&mut fills) {
                    shelf.push(std::mem::replace(&mut tape, tapes.next().unwrap()));
                }
            }
            ref other => panic!("{other:?}"),
        }
        job = next_job(&ended, window.unwrap_or(u64::MAX));
    }
    shelf.push(tape);
    assert!(shelf.iter().all(|tape| tape.lengths().iter().all(|length| *length == plan.record)));
    let bytes = shelf.iter().map(FakeTape::bytes).collect::<Vec<_>>().concat();
    assert!(bytes == padded(plan.length, plan.record), "the tapes hold something else than the stream");
    assert!(!shelf.iter().any(|tape| tape.blocks.contains(&Block::Mark)), "marks are the DMA's");
}

proptest! {
    #[test]
    fn tapes_hold_the_stream_whatever_the_sizes(plan in small_plan()) {
        play(&plan);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn tapes_hold_the_stream_of_large_records(plan in large_plan()) {
        play(&plan);
    }
}
