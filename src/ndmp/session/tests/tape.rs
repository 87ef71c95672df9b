//! TAPE: what a session makes of a drive's answers, and what it refuses before the drive is asked.

use super::bench::{Bench, Did, loaded};
use crate::ndmp::session::*;
use crate::ndmp::wire::*;
use crate::vtl::drive::{DriveStatus, HostError, HostRead, MediumStatus, Motion};

fn mtio(bench: &mut Bench, tape_op: TapeMtioOp, count: u32) -> TapeMtioReply {
    bench.ask(MessageCode::TapeMtio, &TapeMtioRequest { tape_op, count })
}

fn write(bench: &mut Bench, data: &[u8]) -> TapeWriteReply {
    bench.ask(MessageCode::TapeWrite, &TapeWriteRequest { data_out: data.into() })
}

fn read(bench: &mut Bench, count: u32) -> TapeReadReply {
    bench.ask(MessageCode::TapeRead, &TapeReadRequest { count })
}

fn state(bench: &mut Bench) -> TapeGetStateReply {
    bench.ask(MessageCode::TapeGetState, &())
}

fn failed(bench: &mut Bench, error: HostError) {
    bench.world.next.push_back(Completion::Done(Err(error)));
}

#[test]
fn opening_looks_at_the_medium_as_the_mode_says() {
    use TapeOpenMode::{Raw, Rdwr, Read};
    let empty = DriveStatus { medium: MediumStatus::Empty, ..DriveStatus::default() };
    let unloaded = DriveStatus { medium: MediumStatus::Unloaded, ..loaded() };
    let protected = DriveStatus { is_write_protected: true, ..loaded() };
    let table = [
        (&empty, Read, Error::NoTapeLoaded),
        (&empty, Rdwr, Error::NoTapeLoaded),
        (&empty, Raw, Error::NoErr),
        (&unloaded, Read, Error::NoTapeLoaded),
        (&unloaded, Raw, Error::NoErr),
        (&protected, Read, Error::NoErr),
        (&protected, Rdwr, Error::WriteProtect),
        (&protected, Raw, Error::NoErr),
    ];
    for (drive, mode, expected) in table {
        let mut bench = Bench::new();
        bench.world.drive = drive.clone();
        let request = TapeOpenRequest { device: "vault_drive0".into(), mode };
        let deeds = bench.send(MessageCode::TapeOpen, &request);
        assert_eq!(deeds.error(), expected, "{mode:?}");
        let order =
            if expected == Error::NoErr { vec!["work", "reply"] } else { vec!["work", "close", "reply"] };
        assert_eq!(deeds.order(), order, "a drive that does not fit is let go: {mode:?}");
        let is_open = bench.error(MessageCode::TapeClose, &()) == Error::NoErr;
        assert_eq!(is_open, expected == Error::NoErr);
    }
}

#[test]
fn a_mode_that_does_not_exist_is_refused_before_the_drive_is_asked() {
    let mut bench = Bench::new();
    for (device, mode, expected) in [
        ("vault_drive0", 123, Error::IllegalArgs),
        ("vault_drive0", 0x7fff_ffff, Error::IllegalArgs),
        ("bogus", 123, Error::NoDevice),
    ] {
        let request = TapeOpenRequest { device: device.into(), mode: mode.into() };
        let deeds = bench.send(MessageCode::TapeOpen, &request);
        assert_eq!((deeds.error(), deeds.order()), (expected, vec!["reply"]));
    }
}

#[test]
fn what_is_not_open_answers_so() {
    let mut bench = Bench::new();
    assert_eq!(state(&mut bench).error, Error::DevNotOpen);
    assert_eq!(write(&mut bench, b"x").error, Error::DevNotOpen);
    assert_eq!(read(&mut bench, 1).error, Error::DevNotOpen);
    assert_eq!(mtio(&mut bench, TapeMtioOp::Rew, 1).error, Error::DevNotOpen);
    assert_eq!(bench.error(MessageCode::TapeClose, &()), Error::DevNotOpen);
}

#[test]
fn a_tape_open_for_reading_is_not_written() {
    let mut bench = Bench::with_tape(TapeOpenMode::Read);
    assert_eq!(write(&mut bench, b"x").error, Error::Permission);
    assert_eq!(write(&mut bench, b"").error, Error::Permission, "also when there is nothing to write");
    assert_eq!(mtio(&mut bench, TapeMtioOp::Eof, 1).error, Error::Permission);
    assert_eq!(mtio(&mut bench, TapeMtioOp::Rew, 1).error, Error::NoErr);
    assert_eq!(read(&mut bench, 0).error, Error::NoErr);
}

#[test]
fn nor_by_a_cdb() {
    let cdb = |opcode: u8, length: usize| {
        let mut cdb = vec![0; length];
        cdb[0] = opcode;
        ExecuteCdbRequest { cdb: cdb.into(), ..Default::default() }
    };
    let writing = [(0x0a, 6), (0x10, 6), (0x19, 6), (0x80, 16), (0x8a, 16), (0x93, 16)];
    let reading = [(0x00, 6), (0x01, 6), (0x08, 6), (0x11, 6), (0x12, 6), (0x1b, 6), (0x34, 10)];
    for (opcode, length) in writing.into_iter().chain(reading) {
        let mut bench = Bench::with_tape(TapeOpenMode::Read);
        let deeds = bench.send(MessageCode::TapeExecuteCdb, &cdb(opcode, length));
        let is_refused = deeds.error() == Error::Permission && deeds.order() == ["reply"];
        assert_eq!(is_refused, writing.contains(&(opcode, length)), "{opcode:#x}");
        let mut bench = Bench::with_tape(TapeOpenMode::Rdwr);
        assert_eq!(bench.error(MessageCode::TapeExecuteCdb, &cdb(opcode, length)), Error::NoErr);
    }
}

#[test]
fn a_write_tells_how_much_and_what_stopped_it() {
    let mut bench = Bench::with_tape(TapeOpenMode::Raw);
    assert_eq!((write(&mut bench, b"12345").count, write(&mut bench, b"").count), (5, 0));
    for (error, expected) in [
        (HostError::WriteProtected, Error::WriteProtect),
        (HostError::EarlyWarning, Error::Eom),
        (HostError::SpaceWarning("disk full".into()), Error::Eom),
        (HostError::NoSpace("disk full".into()), Error::Io),
        (HostError::NotReady, Error::NoTapeLoaded),
        (HostError::Failed("scratched".into()), Error::Io),
    ] {
        failed(&mut bench, error);
        let reply = write(&mut bench, b"12345");
        assert_eq!((reply.error, reply.count), (expected, 0));
        assert_eq!(write(&mut bench, b"12345").error, Error::NoErr, "told once");
    }
    let deeds = bench.send(MessageCode::TapeWrite, &TapeWriteRequest { data_out: b"".as_slice().into() });
    assert_eq!(deeds.order(), ["reply"], "no bytes, no record");
}

#[test]
fn a_read_tells_records_marks_and_the_end() {
    let mut bench = Bench::with_tape(TapeOpenMode::Read);
    let mut expect = |outcome: Result<HostRead, HostError>, error, bytes: &[u8]| {
        bench.world.next.push_back(Completion::Read(outcome));
        let reply = read(&mut bench, 100);
        assert_eq!((reply.error, reply.data_in.as_bytes()), (error, bytes));
    };
    expect(Ok(HostRead::Record(Bytes::from_static(b"abc"))), Error::NoErr, b"abc");
    expect(Ok(HostRead::Filemark), Error::Eof, b"");
    expect(Ok(HostRead::EndOfData), Error::Eom, b"");
    expect(Err(HostError::NotReady), Error::NoTapeLoaded, b"");
    expect(Err(HostError::Failed("scratched".into())), Error::Io, b"");
    for (count, expected) in
        [(0, Error::NoErr), (0x8000_0000, Error::IllegalArgs), (u32::MAX, Error::IllegalArgs)]
    {
        let deeds = bench.send(MessageCode::TapeRead, &TapeReadRequest { count });
        assert_eq!((deeds.error(), deeds.order()), (expected, vec!["reply"]), "{count:#x}");
    }
    assert_eq!(read(&mut bench, 0x7fff_ffff).error, Error::Eom, "large is not absurd");
}

#[test]
fn motions_are_asked_of_the_drive_and_bring_their_residual() {
    let motions = [
        (TapeMtioOp::Fsf, Motion::ForwardFiles),
        (TapeMtioOp::Bsf, Motion::BackwardFiles),
        (TapeMtioOp::Fsr, Motion::ForwardRecords),
        (TapeMtioOp::Bsr, Motion::BackwardRecords),
        (TapeMtioOp::Rew, Motion::Rewind),
        (TapeMtioOp::Off, Motion::Unload),
    ];
    let mut bench = Bench::with_tape(TapeOpenMode::Read);
    for (tape_op, expected) in motions {
        bench.world.next.push_back(Completion::Moved(Ok(3)));
        let deeds = bench.send(MessageCode::TapeMtio, &TapeMtioRequest { tape_op, count: 9 });
        assert!(
            matches!(deeds.0[0], Did::Worked(Work::Tape(TapeWork::Motion { motion, count: 9, .. })) if motion == expected)
        );
        let reply: TapeMtioReply = deeds.reply().decode().unwrap();
        // Any residual of OFF is taken for a failure by DMAs.
        assert_eq!(reply.resid_count, if tape_op == TapeMtioOp::Off { 0 } else { 3 }, "{tape_op:?}");
    }
    assert_eq!(mtio(&mut bench, TapeMtioOp::Other(10), 1).error, Error::IllegalArgs);
}

#[test]
fn filemarks_have_a_bound_and_no_residual() {
    let mut bench = Bench::with_tape(TapeOpenMode::Rdwr);
    for count in [0, 1, 65_536] {
        let reply = mtio(&mut bench, TapeMtioOp::Eof, count);
        assert_eq!((reply.error, reply.resid_count), (Error::NoErr, 0));
    }
    assert_eq!(mtio(&mut bench, TapeMtioOp::Eof, 65_537).error, Error::IllegalArgs);
    failed(&mut bench, HostError::WriteProtected);
    assert_eq!(mtio(&mut bench, TapeMtioOp::Eof, 1).error, Error::WriteProtect);
}

#[test]
fn an_unloaded_drive_says_so() {
    let mut bench = Bench::with_tape(TapeOpenMode::Rdwr);
    assert_eq!(mtio(&mut bench, TapeMtioOp::Tur, 0).error, Error::NoErr);
    bench.world.drive.medium = MediumStatus::Unloaded;
    assert_eq!(mtio(&mut bench, TapeMtioOp::Tur, 0).error, Error::NoTapeLoaded);
    assert_eq!(state(&mut bench).error, Error::NoTapeLoaded);
    assert_eq!(bench.error(MessageCode::TapeClose, &()), Error::NoErr);
}

#[test]
fn the_state_is_the_drives() {
    let mut bench = Bench::with_tape(TapeOpenMode::Rdwr);
    let reply = state(&mut bench);
    assert_eq!((reply.file_num, reply.blockno, reply.block_size), (2, 3, 0));
    assert_eq!((reply.total_space.0, reply.space_remain.0), (1000, 400));
    assert_eq!((reply.unsupported, reply.flags), (TAPE_STATE_SOFT_ERRORS_UNS, TAPE_STATE_NOREWIND));
    bench.world.drive.is_write_protected = true;
    bench.world.drive.has_medium_error = true;
    bench.world.drive.position.file = u64::MAX;
    let reply = state(&mut bench);
    assert_eq!(reply.flags, TAPE_STATE_NOREWIND | TAPE_STATE_WR_PROT | TAPE_STATE_ERROR);
    assert_eq!(reply.file_num, u32::MAX - 1, "the highest value means unknown");
}

#[test]
fn blockno_is_unknown_only_after_a_read_that_met_a_mark() {
    let is_unknown = |bench: &mut Bench| {
        let reply = state(bench);
        let by_mask = reply.unsupported & TAPE_STATE_BLOCKNO_UNS != 0;
        assert_eq!(by_mask, reply.blockno == u32::MAX);
        by_mask
    };
    let meet_mark = |bench: &mut Bench| {
        bench.world.next.push_back(Completion::Read(Ok(HostRead::Filemark)));
        assert_eq!(read(bench, 1).error, Error::Eof);
        assert!(is_unknown(bench));
        assert_eq!(read(bench, 0).error, Error::NoErr);
        assert_eq!(mtio(bench, TapeMtioOp::Tur, 0).error, Error::NoErr);
        assert_eq!(mtio(bench, TapeMtioOp::Eof, 0).error, Error::NoErr);
        assert!(is_unknown(bench), "nothing has moved");
    };
    let mut bench = Bench::with_tape(TapeOpenMode::Rdwr);
    assert!(!is_unknown(&mut bench));
    meet_mark(&mut bench);
    read(&mut bench, 1);
    assert!(!is_unknown(&mut bench), "the end of data");
    for tape_op in [TapeMtioOp::Fsf, TapeMtioOp::Bsr, TapeMtioOp::Rew, TapeMtioOp::Eof] {
        meet_mark(&mut bench);
        mtio(&mut bench, tape_op, 1);
        assert!(!is_unknown(&mut bench), "{tape_op:?}");
    }
    meet_mark(&mut bench);
    write(&mut bench, b"x");
    assert!(!is_unknown(&mut bench));
}

#[test]
fn a_close_that_fails_leaves_the_device_open_and_the_next_one_closes() {
    let mut bench = Bench::with_tape(TapeOpenMode::Rdwr);
    failed(&mut bench, HostError::Failed("no space".into()));
    let deeds = bench.send(MessageCode::TapeClose, &());
    assert_eq!((deeds.error(), deeds.log().0.as_str()), (Error::Io, "no space"));
    assert!(!deeds.order().contains(&"close"));
    assert_eq!(state(&mut bench).error, Error::NoErr, "still open");
    assert_eq!(bench.send(MessageCode::TapeClose, &()).order(), ["close", "reply"], "without I/O");
    assert_eq!(bench.error(MessageCode::TapeClose, &()), Error::DevNotOpen);
}

#[test]
fn a_close_after_further_work_makes_that_work_durable_first() {
    for further in [TapeMtioOp::Eof, TapeMtioOp::Rew] {
        let mut bench = Bench::with_tape(TapeOpenMode::Rdwr);
        failed(&mut bench, HostError::Failed("no space".into()));
        assert_eq!(bench.error(MessageCode::TapeClose, &()), Error::Io);
        write(&mut bench, b"written after the failed close");
        mtio(&mut bench, further, 1);
        let deeds = bench.send(MessageCode::TapeClose, &());
        assert_eq!(deeds.order(), ["work", "close", "reply"], "not the immediate repetition");
    }
}

/// A disk that runs short is told as such, on top of the error that programs act upon.
#[test]
fn a_shortage_of_space_is_recognisable() {
    for (error, expected) in [
        (HostError::SpaceWarning("vault is full".into()), Error::Eom),
        (HostError::NoSpace("vault is full".into()), Error::Io),
    ] {
        let mut bench = Bench::with_tape(TapeOpenMode::Rdwr);
        failed(&mut bench, error);
        let deeds =
            bench.send(MessageCode::TapeWrite, &TapeWriteRequest { data_out: b"x".as_slice().into() });
        assert_eq!(
            (deeds.error(), deeds.0[1].name(), deeds.0[2].name()),
            (expected, "reply", "log"),
            "{deeds:?}"
        );
        let post: LogMessagePost = deeds.post(MessageCode::LogMessage).unwrap();
        assert_eq!((post.log_type, &*post.entry.to_lossy()), (LogType::Error, "vault is full"));
    }
}

/// Whoever looks after the disk is heard by those who have a tape of it, and by nobody else.
#[test]
fn a_notice_is_a_warning_to_whoever_has_a_tape_open() {
    let notice = || Event::Notice("vault is low".into());
    let mut stranger = Bench::stranger(super::bench::facts());
    assert!(stranger.event(notice()).0.is_empty(), "never before the login");
    let mut bench = Bench::new();
    assert!(bench.event(notice()).0.is_empty());
    let mut bench = Bench::with_tape(TapeOpenMode::Read);
    let deeds = bench.event(notice());
    assert_eq!(deeds.0.len(), 1);
    let post: LogMessagePost = deeds.post(MessageCode::LogMessage).unwrap();
    assert_eq!((post.log_type, &*post.entry.to_lossy()), (LogType::Warning, "vault is low"));
    assert_eq!(post.associated_message_valid, HasAssociatedMessage::NoAssociatedMessage);
    assert_eq!(bench.error(MessageCode::TapeClose, &()), Error::NoErr);
    assert!(bench.event(notice()).0.is_empty(), "no news for one who has closed it");
}
