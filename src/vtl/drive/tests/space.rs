//! A file system that runs short below a drive: what is being written ends, what is begun is refused.

use super::Bench;
use crate::space::Level;
use crate::vtl::drive::{Condition, DriveKeeper, HostError, MarkRule, Motion, Notice, RecordPort, WriteStop};
use crate::vtl::tape_drive::{DriveError, TapeDrive};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

const ROOMY: u64 = 1 << 30;

/// What the test says, and what the drive says.
#[derive(Default)]
struct Keeper {
    level: Mutex<Level>,
    ends: Mutex<Vec<String>>,
}

impl Keeper {
    fn set(&self, level: Level) {
        *self.level.lock().unwrap() = level;
    }
}

impl DriveKeeper for Keeper {
    fn space(&self) -> Level {
        *self.level.lock().unwrap()
    }

    fn shortage(&self) -> String {
        "short".into()
    }

    fn end_of_medium(&self, barcode: &str) {
        self.ends.lock().unwrap().push(barcode.into());
    }

    fn notices(&self) -> watch::Receiver<Notice> {
        watch::channel(None).1
    }

    fn condition(&self) -> Condition {
        Condition::default()
    }
}

fn bench(capacity_bytes: u64) -> (Bench, Arc<Keeper>) {
    let keeper = Arc::new(Keeper::default());
    (Bench::kept(capacity_bytes, keeper.clone()), keeper)
}

fn warned() -> Result<(), HostError> {
    Err(HostError::SpaceWarning("short".into()))
}

fn refused() -> Result<(), HostError> {
    Err(HostError::NoSpace("short".into()))
}

#[test]
fn a_tape_that_is_written_is_warned_once_ended_properly_and_then_refused() {
    let (mut bench, keeper) = bench(ROOMY);
    bench.drive.host_write(b"data").unwrap();
    keeper.set(Level::Low);
    bench.drive.host_write(b"data").unwrap();
    keeper.set(Level::Stop);
    assert_eq!(bench.drive.host_write(b"late"), warned());
    bench.drive.host_write(&[1; 80]).unwrap();
    bench.drive.host_filemarks(1).unwrap();
    let trailers = (0..100).take_while(|_| bench.drive.host_write(&vec![2; 1 << 20]).is_ok()).count();
    assert_eq!(trailers, 7, "8 MiB in all");
    for _ in 0..3 {
        assert_eq!(bench.drive.host_write(&vec![2; 1 << 20]), refused(), "EOM again would never end");
    }
    bench.drive.host_filemarks(2).unwrap();
    assert!(keeper.ends.lock().unwrap().is_empty(), "the tape itself is not full");
    bench.drive.shut_down();
    assert_eq!(bench.contents()[..4], [4, 4, 80, 0]);
    assert_eq!(bench.contents().len(), 4 + 7 + 2);
}

#[test]
fn a_host_that_begins_without_space_is_refused_at_once() {
    let (mut bench, keeper) = bench(ROOMY);
    keeper.set(Level::Stop);
    for _ in 0..2 {
        assert_eq!(bench.drive.host_write(b"data"), refused());
        assert_eq!(
            RecordPort::write_record(&mut bench.drive, b"data"),
            Err(WriteStop::NoSpace("short".into()))
        );
        assert_eq!(bench.drive.host_filemarks(1), refused(), "nor a mark on a tape that nobody has written");
    }
    let sense = bench.drive.write_filemarks(1);
    assert_eq!(sense, Err(DriveError::NoSpace { reason: "short".into() }));
    bench.drive.host_filemarks(0).unwrap();
    assert!(RecordPort::lend_room(&mut bench.drive, 512, 10).unwrap().is_none());
    keeper.set(Level::Low);
    bench.drive.host_write(b"data").unwrap();
    bench.drive.shut_down();
    assert_eq!(bench.contents(), [4, 0]);
}

/// After a motion something new begins, but for the end of what was stopped.
#[test]
fn motions_begin_anew() {
    for motion in [Motion::Rewind, Motion::BackwardRecords] {
        let (mut bench, keeper) = bench(ROOMY);
        bench.drive.host_write(b"data").unwrap();
        bench.drive.host_motion(motion, 1, MarkRule::StopBefore).unwrap();
        keeper.set(Level::Stop);
        assert_eq!(bench.drive.host_write(b"new"), refused(), "{motion:?}");
        bench.drive.host_filemarks(1).unwrap();
    }
    let (mut bench, keeper) = bench(ROOMY);
    bench.drive.host_write(b"data").unwrap();
    keeper.set(Level::Stop);
    assert_eq!(bench.drive.host_write(b"late"), warned());
    bench.drive.host_motion(Motion::BackwardRecords, 1, MarkRule::StopBefore).unwrap();
    bench.drive.host_motion(Motion::ForwardRecords, 1, MarkRule::StopBefore).unwrap();
    bench.drive.host_write(b"trailer").unwrap();
    bench.drive.host_motion(Motion::Rewind, 1, MarkRule::StopBefore).unwrap();
    assert_eq!(bench.drive.host_write(b"new"), refused());
}

#[test]
fn space_that_comes_back_is_used_and_its_next_end_is_told_again() {
    let (mut bench, keeper) = bench(ROOMY);
    for _ in 0..3 {
        keeper.set(Level::Low);
        bench.drive.host_write(&[1; 1000]).unwrap();
        bench.drive.host_write(&[1; 1000]).unwrap();
        keeper.set(Level::Stop);
        assert_eq!(bench.drive.host_write(b"late"), warned());
    }
    bench.drive.shut_down();
    assert_eq!(bench.contents(), [1000, 1000, 1000, 1000, 1000, 1000, 0]);
}

#[test]
fn a_pump_is_told_the_same() {
    let (mut bench, keeper) = bench(ROOMY);
    RecordPort::write_record(&mut bench.drive, b"data").unwrap();
    keeper.set(Level::Stop);
    assert!(RecordPort::lend_room(&mut bench.drive, 512, 10).unwrap().is_none());
    let stop = RecordPort::write_record(&mut bench.drive, b"late");
    assert_eq!(stop, Err(WriteStop::SpaceWarning("short".into())));
    bench.drive.host_write(b"trailer").unwrap();
}

/// The keeper hears of a full tape once in a load, however it became full.
#[test]
fn a_full_tape_is_told_to_the_keeper_once_in_a_load() {
    let (mut bench, keeper) = bench(64 << 10);
    let fill = |bench: &mut Bench| while bench.drive.host_write(&[7; 1000]).is_ok() {};
    let ends = || keeper.ends.lock().unwrap().len();
    assert_eq!(ends(), 0);
    for _ in 0..2 {
        fill(&mut bench);
        bench.drive.host_motion(Motion::Rewind, 1, MarkRule::StopBefore).unwrap();
        assert_eq!(*keeper.ends.lock().unwrap(), ["TEST01L8"]);
    }
    bench.drive.host_motion(Motion::Unload, 1, MarkRule::StopBefore).unwrap();
    bench.drive.load().unwrap();
    // The pump's way, and without a zone: one record larger than it.
    RecordPort::write_record(&mut bench.drive, &[1; 40_000]).unwrap();
    assert_eq!(RecordPort::write_record(&mut bench.drive, &[1; 40_000]), Err(WriteStop::EndOfMedium));
    assert_eq!(ends(), 2);
}
