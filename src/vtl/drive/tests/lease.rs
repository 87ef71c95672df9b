//! The drive's thread and its queue: who has the drive, in which order things happen, and how it all ends.

use super::{ROOMY, barcode, blank, contents};
use crate::tape::{Compression, Tape, TapeError};
use crate::vtl::bay::{Bay, BayError};
use crate::vtl::drive::{
    Drive, DriveGone, DriveHandle, DriveLease, Holder, HostError, HostRead, MarkRule, MediumStatus, Motion,
    NotAcquired, Occupied,
};
use crate::vtl::tape_drive::TapeDrive;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes, shorter than any wait that would be a bug.
const SOON: Duration = Duration::from_secs(20);

/// A drive with its thread, and a tape in it.
struct Station {
    drive: DriveHandle,
    tape: PathBuf,
    directory: tempfile::TempDir,
}

impl Station {
    fn new() -> Station {
        let directory = tempfile::tempdir().unwrap();
        let tape = blank(directory.path(), ROOMY);
        let drive = DriveHandle::start("test_drive0", "SERIAL", 1, Compression::None).unwrap();
        drive.insert(&tape, &barcode()).unwrap();
        Station { drive, tape, directory }
    }
}

fn holder(session: u64) -> Holder {
    Holder { session, peer: "192.0.2.1".into() }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn run<R: Send + 'static>(
    lease: &DriveLease,
    job: impl FnOnce(&mut Drive) -> R + Send + 'static,
) -> Result<R, DriveGone> {
    wait(lease.run(job))
}

/// Queues a job that works until the sender is used or dropped.
fn keep_busy(lease: &DriveLease) -> Sender<()> {
    let (sender, receiver) = channel();
    drop(lease.run(move |_| {
        let _ = receiver.recv();
    }));
    sender
}

fn until<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(start.elapsed() < SOON, "it never happens");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn acquire_soon(drive: &DriveHandle, session: u64) -> DriveLease {
    until(|| drive.acquire(&holder(session)).ok())
}

#[test]
fn one_holder_at_a_time_and_the_next_hears_who() {
    let Station { drive, directory: _kept, .. } = Station::new();
    assert_eq!(drive.holder(), None);
    let lease = drive.acquire(&holder(1)).unwrap();
    assert_eq!(drive.holder(), Some(holder(1)));
    let refused = drive.acquire(&holder(2)).err();
    assert_eq!(refused, Some(NotAcquired::Occupied(Occupied { by: holder(1), is_releasing: false })));
    drop(lease);
    assert_eq!(acquire_soon(&drive, 2).drive().holder(), Some(holder(2)));
}

#[test]
fn jobs_run_in_order_and_their_answers_may_be_left() {
    let Station { drive, directory: _kept, .. } = Station::new();
    let lease = drive.acquire(&holder(1)).unwrap();
    for number in 1..=50 {
        drop(lease.run(move |drive| drive.host_write(&vec![1; number])));
    }
    let block = run(&lease, |drive| drive.position().unwrap().block);
    assert_eq!(block, Ok(50));
    assert_eq!(drive.status().position.block, 50);
    run(&lease, |drive| drive.host_motion(Motion::Rewind, 1, MarkRule::StopBefore)).unwrap().unwrap();
    for number in 1..=50 {
        let Ok(Ok(HostRead::Record(record))) =
            run(&lease, |drive| drive.host_read(100, MarkRule::StopBefore))
        else {
            panic!("record {number}");
        };
        assert_eq!(record.len(), number);
    }
}

/// A session that dies while its pump runs: the close comes behind that work, and the next holder behind the close.
#[test]
fn dropped_lease_is_closed_behind_its_work() {
    let Station { drive, directory: _kept, .. } = Station::new();
    let lease = drive.acquire(&holder(1)).unwrap();
    let busy = keep_busy(&lease);
    drop(lease.run(|drive| {
        drive.host_write(b"late").unwrap();
        drive.prevent_removal(true);
    }));
    drop(lease);
    assert_eq!(
        drive.acquire(&holder(2)).err(),
        Some(NotAcquired::Occupied(Occupied { by: holder(1), is_releasing: true }))
    );
    drop(busy);
    let lease = acquire_soon(&drive, 2);
    let position = run(&lease, |drive| drive.position().unwrap()).unwrap();
    assert_eq!((position.file, position.block), (1, 2), "the record and its filemark");
    // What forbade removal ended with the session.
    run(&lease, |drive| drive.host_motion(Motion::Unload, 1, MarkRule::StopBefore)).unwrap().unwrap();
    drive.remove().unwrap();
}

#[test]
fn robot_takes_a_tape_that_nobody_works_with() {
    let Station { drive, tape, directory: _kept } = Station::new();
    assert!(!drive.picker_access());
    drive.remove().unwrap();
    assert!(drive.picker_access());
    assert_eq!((drive.status().medium, drive.status().barcode), (MediumStatus::Empty, None));
    assert!(Tape::open(&tape).is_ok(), "it is free for others");
    drive.insert(&tape, &barcode()).unwrap();
    assert_eq!(drive.status().barcode, Some("TEST01L8".into()));
    assert_eq!(Bay::serial(&drive), "SERIAL");
}

#[test]
fn robot_leaves_a_loaded_tape_to_its_holder_but_takes_an_unloaded_one() {
    let Station { drive, tape, directory: _kept } = Station::new();
    let lease = drive.acquire(&holder(1)).unwrap();
    run(&lease, |drive| drive.host_write(b"data")).unwrap().unwrap();
    let by = "session 1 from 192.0.2.1".to_string();
    assert_eq!(drive.remove(), Err(BayError::InUse { by }));
    assert_eq!(drive.status().medium, MediumStatus::Ready);
    run(&lease, |drive| drive.host_motion(Motion::Unload, 1, MarkRule::StopBefore)).unwrap().unwrap();
    assert!(drive.picker_access());
    drive.remove().unwrap();
    assert_eq!(contents(&tape), [4, 0]);
    // The session's tape operations say so, its end does no harm.
    assert_eq!(run(&lease, |drive| drive.host_write(b"x")), Ok(Err(HostError::NotReady)));
    drop(lease);
    drop(acquire_soon(&drive, 2));
}

#[test]
fn removal_can_be_forbidden_by_the_holder() {
    let Station { drive, directory: _kept, .. } = Station::new();
    let lease = drive.acquire(&holder(1)).unwrap();
    run(&lease, |drive| drive.prevent_removal(true)).unwrap();
    let unload = run(&lease, |drive| drive.host_motion(Motion::Unload, 1, MarkRule::StopBefore));
    assert!(matches!(unload, Ok(Err(HostError::Failed(_)))), "{unload:?}");
    assert_eq!(drive.status().medium, MediumStatus::Ready);
    run(&lease, |drive| {
        drive.prevent_removal(false);
        drive.unload().unwrap();
        drive.prevent_removal(true);
    })
    .unwrap();
    assert_eq!(drive.remove(), Err(BayError::Prevented));
    drop(lease);
    drop(acquire_soon(&drive, 2));
    drive.remove().unwrap();
}

/// The robot waits for a close that is being flushed, rather than call the drive busy.
#[test]
fn robot_waits_for_a_session_that_is_leaving() {
    let Station { drive, tape, directory: _kept } = Station::new();
    let lease = drive.acquire(&holder(1)).unwrap();
    let busy = keep_busy(&lease);
    drop(lease.run(|drive| drive.host_write(b"data")));
    drop(lease);
    let removal = std::thread::spawn(move || drive.remove());
    std::thread::sleep(Duration::from_millis(50));
    assert!(!removal.is_finished());
    drop(busy);
    assert_eq!(removal.join().unwrap(), Ok(()));
    assert_eq!(contents(&tape), [4, 0]);
}

/// A session that comes between the robot's look and its grip keeps its tape, also when it leaves again at once:
/// its close, which may owe the tape a filemark, is still in the queue.
#[test]
fn robot_does_not_take_the_tape_of_a_session_that_was_faster() {
    for leaves in [false, true] {
        let Station { drive, directory: _kept, .. } = Station::new();
        let (busy, receiver) = channel::<()>();
        drop(drive.call(move |_| receiver.recv()));
        let robot = drive.clone();
        let removal = std::thread::spawn(move || robot.remove());
        // Long enough for the robot to have queued its job; if it has not, the answer is the same.
        std::thread::sleep(Duration::from_millis(50));
        let mut lease = Some(drive.acquire(&holder(1)).unwrap());
        if leaves {
            lease = None;
        }
        drop(busy);
        assert!(matches!(removal.join().unwrap(), Err(BayError::InUse { .. })), "leaves: {leaves}");
        drop(lease);
        assert_eq!(drive.status().medium, MediumStatus::Ready);
    }
}

/// Sessions come and go while the robot tries: whatever it gets is terminated and whole.
#[test]
fn robot_and_sessions_race_without_losing_a_filemark() {
    let Station { drive, tape, directory: _kept } = Station::new();
    let robot = drive.clone();
    let (stop, stopped) = channel::<()>();
    let removals = std::thread::spawn(move || {
        let mut removals = 0;
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            if robot.remove().is_ok() {
                let contents = contents(&tape);
                assert!(contents.last().is_none_or(|last| *last == 0), "{contents:?}");
                robot.insert(&tape, &barcode()).unwrap();
                removals += 1;
            }
        }
        removals
    });
    for session in 0..200 {
        let lease = acquire_soon(&drive, session);
        drop(lease.run(|drive| {
            let _ = drive.host_write(b"data");
        }));
        drop(lease);
    }
    drop(stop);
    assert!(removals.join().unwrap() > 0);
}

#[test]
fn insert_takes_only_a_tape_and_only_one() {
    let Station { drive, directory, tape } = Station::new();
    let other = DriveHandle::start("test_drive1", "OTHER", 2, Compression::None).unwrap();
    let failed = |result: Result<(), BayError>, part: &str| match result {
        Err(BayError::Failed { reason }) => assert!(reason.contains(part), "{reason}"),
        other => panic!("{other:?}"),
    };
    failed(other.insert(&tape, &barcode()), "already open");
    failed(other.insert(&directory.path().join("nothing"), &barcode()), "nothing");
    assert_eq!(other.status().medium, MediumStatus::Empty);
    failed(drive.insert(&tape, &barcode()), "holds a cartridge already");
    assert_eq!(drive.status().medium, MediumStatus::Ready);
    assert_eq!(other.remove(), Ok(()), "an empty drive gives nothing, and that is no error of its own");
}

fn opened(tape: &Path) -> Option<Tape> {
    match Tape::open(tape) {
        Ok(tape) => Some(tape),
        Err(TapeError::Locked { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn last_handle_ends_the_thread_and_closes_the_tape() {
    let Station { drive, tape, directory } = Station::new();
    let lease = drive.acquire(&holder(1)).unwrap();
    drop(lease.run(|drive| drive.host_write(b"data")));
    drop(drive);
    drop(lease);
    drop(until(|| opened(&tape)));
    assert_eq!(contents(&tape), [4, 0]);
    drop(directory);
}

#[test]
fn shut_down_closes_behind_all_work_and_under_a_lease() {
    let Station { drive, tape, directory: _kept } = Station::new();
    let lease = drive.acquire(&holder(1)).unwrap();
    let busy = keep_busy(&lease);
    drop(lease.run(|drive| drive.host_write(b"data")));
    let down = drive.shut_down();
    drop(busy);
    assert_eq!(wait(down), Ok(()));
    assert_eq!(drive.status().medium, MediumStatus::Unloaded);
    assert_eq!(drive.status().barcode, Some("TEST01L8".into()));
    assert_eq!(contents(&tape), [4, 0]);
    assert_eq!(run(&lease, |drive| drive.host_write(b"x")), Ok(Err(HostError::NotReady)));
    drop(lease);
    drop(acquire_soon(&drive, 2));
    assert_eq!(contents(&tape), [4, 0]);
}

/// A fault of ours must be told to everybody who asks, at once, and keep nobody waiting.
#[test]
fn panicking_job_is_told_to_all_and_nobody_waits() {
    let Station { drive, tape, directory: _kept } = Station::new();
    let lease = drive.acquire(&holder(1)).unwrap();
    run(&lease, |drive| drive.host_write(b"data")).unwrap().unwrap();
    let busy = keep_busy(&lease);
    let faulty = lease.run(|_| panic!("a test's fault"));
    let behind = lease.run(|drive| drive.position().is_ok());
    drop(busy);
    assert_eq!(wait(faulty), Err::<(), _>(DriveGone));
    assert_eq!(wait(behind), Err(DriveGone));
    assert_eq!(run(&lease, |_| ()), Err(DriveGone));
    let start = Instant::now();
    drop(lease);
    assert_eq!(drive.holder(), None);
    let lease = drive.acquire(&holder(2)).unwrap();
    assert_eq!(run(&lease, |_| ()), Err(DriveGone));
    drop(lease);
    let gone = BayError::Failed { reason: DriveGone.to_string() };
    assert_eq!(drive.remove(), Err(gone.clone()));
    assert_eq!(drive.insert(&tape, &barcode()), Err(gone));
    assert_eq!(wait(drive.shut_down()), Err(DriveGone));
    assert!(start.elapsed() < SOON);
    drop(until(|| opened(&tape)));
    assert_eq!(contents(&tape), [4], "what was written is there");
}

/// The lease was dropped, and its close is lost with the thread.
#[test]
fn panic_in_front_of_a_close_frees_the_drive_all_the_same() {
    let Station { drive, directory: _kept, .. } = Station::new();
    let lease = drive.acquire(&holder(1)).unwrap();
    let busy = keep_busy(&lease);
    drop(lease.run(|_| panic!("a test's fault")));
    drop(lease);
    drop(busy);
    assert_eq!(run(&acquire_soon(&drive, 2), |_| ()), Err(DriveGone));
}

#[test]
fn a_retired_drive_is_given_to_nobody_and_one_in_use_is_not_retired() {
    let station = Station::new();
    let drive = &station.drive;
    let lease = drive.acquire(&holder(1)).unwrap();
    assert_eq!(drive.retire(), Err(holder(1)));
    drop(lease);
    drive.retire().unwrap();
    drive.retire().unwrap();
    assert_eq!(drive.acquire(&holder(2)).err(), Some(NotAcquired::Retired));
    assert_eq!(drive.holder(), None);
    drive.reinstate();
    let lease = drive.acquire(&holder(2)).unwrap();
    drive.reinstate();
    assert_eq!(drive.holder(), Some(holder(2)), "it takes no drive away");
    drop(lease);
}
