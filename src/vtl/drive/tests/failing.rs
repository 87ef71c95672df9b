//! A disk that fails below the drive: whoever asks for durability is told, every time, until the tape is loaded anew.
//!
//! The failure here is one that a test can make without privileges: a log that was deleted while it was open cannot be
//! made durable, and `tape` treats that as it treats EIO.

use super::{Bench, ROOMY, blank};
use crate::vtl::drive::{HostError, MarkRule, Motion, RecordPort, WriteStop};
use crate::vtl::tape_drive::{DriveError, TapeDrive};

/// A drive whose tape was written, acknowledged, and then lost its disk.
fn failing() -> Bench {
    let mut bench = Bench::new(ROOMY);
    bench.drive.host_write(b"first").unwrap();
    bench.drive.host_filemarks(1).unwrap();
    bench.drive.host_write(b"second").unwrap();
    std::fs::remove_file(bench.tape.join("data")).unwrap();
    bench
}

fn assert_failed<T: std::fmt::Debug>(result: Result<T, HostError>) {
    assert!(matches!(&result, Err(HostError::Failed(reason)) if reason.contains("TEST01L8")), "{result:?}");
}

#[test]
fn an_io_error_at_filemarks_is_told_and_sticks() {
    let mut bench = failing();
    for _ in 0..3 {
        assert_failed(bench.drive.host_filemarks(1));
        assert_failed(bench.drive.host_filemarks(0));
        assert_failed(bench.drive.host_write(b"third"));
        assert!(matches!(bench.drive.write_filemarks(1), Err(DriveError::Failed { .. })), "the CDB's way");
        let status = bench.status.get();
        assert!(status.has_medium_error);
    }
    assert_failed(bench.drive.host_motion(Motion::Rewind, 1, MarkRule::StopBefore));
    assert_failed(bench.drive.host_terminate());
}

#[test]
fn a_mover_over_a_failing_tape_does_not_call_its_bytes_safe() {
    let mut bench = failing();
    assert!(RecordPort::sync(&mut bench.drive).is_err());
    assert!(matches!(RecordPort::write_record(&mut bench.drive, b"third"), Err(WriteStop::Failed(_))));
    assert!(RecordPort::sync(&mut bench.drive).is_err());
}

#[test]
fn a_tape_that_failed_can_be_taken_out_and_the_drive_goes_on() {
    let mut bench = failing();
    assert_failed(bench.drive.host_filemarks(1));
    bench.drive.remove().unwrap();
    let other = tempfile::tempdir().unwrap();
    let tape = blank(other.path(), ROOMY);
    bench.drive.insert(&tape, &super::barcode()).unwrap();
    bench.drive.host_write(b"fresh").unwrap();
    bench.drive.host_filemarks(1).unwrap();
    bench.drive.remove().unwrap();
    assert_eq!(super::contents(&tape), [5, 0]);
}
