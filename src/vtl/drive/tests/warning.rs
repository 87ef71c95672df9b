//! The early warning and the implicit filemark, case by case.

use super::{Bench, ROOMY, contents};
use crate::tape::Tape;
use crate::vtl::drive::{HostError, HostRead, MarkRule, Motion, ReadStop, RecordPort, WriteStop};
use crate::vtl::tape_drive::TapeDrive;

/// Its zone is the last 16 KiB.
const SMALL: u64 = 64 << 10;
const RULE: MarkRule = MarkRule::StopBefore;

fn fill_to_warning(bench: &mut Bench, record: &[u8]) -> usize {
    for written in 0..1000 {
        match bench.drive.host_write(record) {
            Ok(()) => {}
            Err(HostError::EarlyWarning) => return written,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the tape has no end");
}

#[test]
fn warning_is_told_once_then_the_rest_is_filled_and_marks_still_fit() {
    let mut bench = Bench::new(SMALL);
    let before = fill_to_warning(&mut bench, &[7; 1000]);
    // The record that crosses is written: one more would begin inside the zone.
    assert!(bench.status.get().remaining_bytes <= 16 << 10, "{}", bench.status.get().remaining_bytes);
    assert!(bench.status.get().remaining_bytes > (16 << 10) - 1100);
    assert_eq!(bench.status.get().position.block, before as u64, "nothing of the refused record");
    let mut after = 0;
    let full = loop {
        match bench.drive.host_write(&[8; 1000]) {
            Ok(()) => after += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, HostError::Failed(_)), "{full:?}");
    assert!(after >= 14, "{after} records fit behind the warning");
    for _ in 0..3 {
        assert_eq!(bench.drive.host_write(&[8; 1000]), Err(full.clone()), "EOM again would never end");
    }
    bench.drive.host_filemarks(2).unwrap();
    let position = bench.status.get().position;
    assert_eq!((position.file, position.block), (2, (before + after + 2) as u64));
    bench.drive.shut_down();
    assert_eq!(contents(&bench.tape).len(), before + after + 2);
}

/// No room although the zone was never reached: told once all the same. Amanda repeats the write for ever otherwise.
#[test]
fn record_larger_than_the_zone_is_refused_with_one_warning() {
    let mut bench = Bench::new(SMALL);
    bench.drive.host_write(&[1; 40_000]).unwrap();
    assert_eq!(bench.drive.host_write(&[1; 40_000]), Err(HostError::EarlyWarning));
    for _ in 0..2 {
        assert!(matches!(bench.drive.host_write(&[1; 40_000]), Err(HostError::Failed(_))));
    }
    bench.drive.host_write(&[1; 1000]).unwrap();
}

#[test]
fn pump_is_warned_once_and_the_dma_not_again() {
    let mut bench = Bench::new(SMALL);
    let stop = |bench: &mut Bench| {
        (0..1000).find_map(|_| RecordPort::write_record(&mut bench.drive, &[7; 1000]).err())
    };
    assert_eq!(stop(&mut bench), Some(WriteStop::EndOfMedium));
    bench.drive.host_write(b"trailer").unwrap();
    bench.drive.host_write(b"trailer").unwrap();
    // CONTINUE on the same tape goes on until it is full.
    RecordPort::write_record(&mut bench.drive, &[7; 1000]).unwrap();
    assert_eq!(stop(&mut bench), Some(WriteStop::EndOfMedium));
    bench.drive.host_filemarks(1).unwrap();
}

/// The same when the pump's record does not fit before the zone.
#[test]
fn pump_without_room_counts_as_the_warning() {
    let mut bench = Bench::new(SMALL);
    RecordPort::write_record(&mut bench.drive, &[1; 40_000]).unwrap();
    assert_eq!(RecordPort::write_record(&mut bench.drive, &[1; 40_000]), Err(WriteStop::EndOfMedium));
    assert!(matches!(bench.drive.host_write(&[1; 40_000]), Err(HostError::Failed(_))), "told already");
}

#[test]
fn warning_is_told_anew_on_the_way_back() {
    let mut bench = Bench::new(SMALL);
    fill_to_warning(&mut bench, &[7; 1000]);
    bench.drive.host_motion(Motion::Rewind, 1, RULE).unwrap();
    assert!(fill_to_warning(&mut bench, &[7; 1000]) > 40);
}

/// What a recovery is told at the end of data (research of the DMAs: EOM only on a tape that was filled).
#[test]
fn port_tells_a_full_tape_from_one_with_room() {
    let mut bench = Bench::new(SMALL);
    bench.drive.host_write(&[7; 1000]).unwrap();
    let mut buffer = [0; 1000];
    let end = |bench: &mut Bench, buffer: &mut [u8]| RecordPort::read_record(&mut bench.drive, buffer);
    assert_eq!(end(&mut bench, &mut buffer), Ok(ReadStop::EndOfData { medium_full: false }));
    fill_to_warning(&mut bench, &[7; 1000]);
    assert_eq!(end(&mut bench, &mut buffer), Ok(ReadStop::EndOfData { medium_full: true }));
    // A mark is met first, from either side, and stays in front.
    bench.drive.host_filemarks(1).unwrap();
    RecordPort::space_records(&mut bench.drive, -1).unwrap();
    assert_eq!(bench.drive.host_motion(Motion::BackwardFiles, 1, RULE), Ok(0));
    let block = bench.drive.tape().unwrap().position().block;
    for _ in 0..2 {
        assert_eq!(end(&mut bench, &mut buffer), Ok(ReadStop::Filemark));
        assert_eq!(bench.drive.tape().unwrap().position().block, block);
    }
}

/// What a session does with the tape.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// TAPE_WRITE of 3 bytes.
    Write,
    /// A record of 3 bytes by the mover.
    Pump,
    /// MTIO EOF.
    Marks(u32),
    /// Any other MTIO.
    Move(Motion, u32),
}

impl Step {
    fn run(self, bench: &mut Bench) {
        match self {
            Step::Write => bench.drive.host_write(b"new").unwrap(),
            Step::Pump => RecordPort::write_record(&mut bench.drive, b"new").unwrap(),
            Step::Marks(count) => bench.drive.host_filemarks(count).unwrap(),
            Step::Move(motion, count) => {
                bench.drive.host_motion(motion, count, RULE).unwrap();
            }
        }
    }
}

/// The steps, then what the tape holds after the close (0 = a mark).
#[test]
fn implicit_filemark_where_it_is_due_and_nowhere_else() {
    use Motion::{BackwardFiles, BackwardRecords, ForwardFiles, ForwardRecords, Rewind, Unload};
    use Step::{Marks, Move, Pump, Write};
    let table: [(&[Step], &[usize]); 18] = [
        (&[Write], &[3, 0]),
        (&[Pump], &[3, 0]),
        (&[Write, Move(Rewind, 1)], &[3, 0]),
        (&[Write, Move(Unload, 1)], &[3, 0]),
        (&[Write, Move(ForwardFiles, 1)], &[3, 0]),
        (&[Write, Move(BackwardFiles, 1)], &[3, 0]),
        // The mark is there, and is written over knowingly.
        (&[Write, Move(BackwardFiles, 1), Write], &[3, 3, 0]),
        (&[Write, Move(ForwardFiles, 1), Write], &[3, 0, 3, 0]),
        // Motions over records write none; the close does if the tape stands behind the data.
        (&[Write, Move(ForwardRecords, 9)], &[3, 0]),
        (&[Write, Move(ForwardRecords, 9), Write], &[3, 3, 0]),
        (&[Write, Move(BackwardRecords, 1), Move(ForwardRecords, 1)], &[3, 0]),
        // Inside data it would destroy what follows.
        (&[Write, Write, Move(BackwardRecords, 1)], &[3, 3]),
        (&[Write, Write, Move(BackwardRecords, 1), Move(Rewind, 1)], &[3, 3]),
        (&[Write, Write, Move(BackwardRecords, 2), Move(ForwardFiles, 1)], &[3, 3]),
        // No motion, no mark.
        (&[Write, Move(ForwardFiles, 0), Write], &[3, 3, 0]),
        // The host's own mark is enough; none of them is none.
        (&[Write, Marks(1)], &[3, 0]),
        (&[Write, Marks(0)], &[3, 0]),
        (&[Move(Rewind, 1), Move(ForwardFiles, 5), Move(BackwardFiles, 1)], &[]),
    ];
    for (steps, expected) in table {
        let mut bench = Bench::new(ROOMY);
        steps.iter().for_each(|step| step.run(&mut bench));
        // Twice: it is never written twice.
        bench.drive.host_terminate().unwrap();
        bench.drive.host_terminate().unwrap();
        bench.drive.shut_down();
        assert_eq!(bench.contents(), expected, "{steps:?}");
    }
}

#[test]
fn reading_leaves_the_tape_as_it_is() {
    let mut bench = Bench::new(ROOMY);
    bench.drive.host_write(b"kept").unwrap();
    bench.drive.host_write(b"kept").unwrap();
    bench.drive.shut_down();
    let log = std::fs::read(bench.tape.join("data")).unwrap();
    bench.drive.load().unwrap();
    assert!(matches!(bench.drive.host_read(100, RULE), Ok(HostRead::Record(_))));
    bench.drive.host_motion(Motion::ForwardRecords, 9, RULE).unwrap();
    bench.drive.host_motion(Motion::ForwardFiles, 1, RULE).unwrap();
    bench.drive.host_terminate().unwrap();
    bench.drive.shut_down();
    assert!(std::fs::read(bench.tape.join("data")).unwrap() == log);
}

#[test]
fn protected_tape_is_read_and_closed_but_not_written() {
    let mut bench = Bench::new(ROOMY);
    bench.drive.host_write(b"kept").unwrap();
    bench.drive.host_filemarks(1).unwrap();
    bench.drive.shut_down();
    let mut tape = Tape::open(&bench.tape).unwrap();
    tape.set_write_protected(true).unwrap();
    tape.close().unwrap();
    bench.drive.load().unwrap();
    assert!(bench.status.get().is_write_protected);
    assert_eq!(bench.drive.host_write(b"new"), Err(HostError::WriteProtected));
    assert_eq!(bench.drive.host_filemarks(1), Err(HostError::WriteProtected));
    assert!(matches!(RecordPort::write_record(&mut bench.drive, b"new"), Err(WriteStop::Failed(_))));
    assert!(matches!(bench.drive.host_read(100, RULE), Ok(HostRead::Record(_))));
    for motion in [Motion::ForwardFiles, Motion::BackwardFiles, Motion::Rewind] {
        bench.drive.host_motion(motion, 1, RULE).unwrap();
    }
    bench.drive.host_terminate().unwrap();
    bench.drive.host_motion(Motion::Unload, 1, RULE).unwrap();
    assert_eq!(bench.contents(), [4, 0]);
}

/// The server goes down while a session has unterminated data: that is its connection's loss, an implicit close.
#[test]
fn shut_down_terminates_what_a_session_wrote() {
    let mut bench = Bench::new(ROOMY);
    bench.drive.host_write(b"new").unwrap();
    bench.drive.shut_down();
    assert_eq!(bench.contents(), [3, 0]);
    bench.drive.shut_down();
    bench.drive.host_terminate().unwrap();
    assert_eq!(bench.contents(), [3, 0]);
}
