//! The TAPE interface (NDMPv4 3.4): one drive, opened, moved, read and written by the DMA.
//!
//! What a filemark and the end of data do is `version`'s to say. It must not know what is on a tape. The drive's own
//! side is `crate::vtl::drive`.

use super::effect::{Completion, Effect, Live, TapeWork, Work};
use super::scsi::{envelope, mismatch, open_fault};
use super::version::UnknownBlock;
use super::{Answer, Fault, OpenDevice, PendingKind, RequestHead, Session};
use crate::mover::TapeAccess;
use crate::ndmp::wire::{
    Error, ExecuteCdbReply, ExecuteCdbRequest, TAPE_STATE_BLOCKNO_UNS, TAPE_STATE_ERROR, TAPE_STATE_NOREWIND,
    TAPE_STATE_SOFT_ERRORS_UNS, TAPE_STATE_WR_PROT, TapeCloseReply, TapeGetStateReply, TapeMtioOp,
    TapeMtioReply, TapeMtioRequest, TapeOpenMode, TapeOpenReply, TapeOpenRequest, TapeReadReply,
    TapeReadRequest, TapeWriteReply, TapeWriteRequest,
};
use crate::ndmp::xdr::Quad;
use crate::vtl::drive::{DriveStatus, HostError, HostRead, MediumStatus, Motion};

/// More filemarks in one request are refused: no DMA writes so many, and the drive would be deaf meanwhile.
const FILEMARKS_MAX: u32 = 65_536;

/// Operation codes that change what is on a tape (SSC-3 table 13): ERASE, FORMAT MEDIUM, SET CAPACITY, WRITE,
/// WRITE ATTRIBUTE and WRITE FILEMARKS in all their lengths. A drive open for reading is not given them, as an
/// operating system's driver does not, whether or not it would serve them.
const WRITING_COMMANDS: [u8; 9] = [0x04, 0x0a, 0x0b, 0x10, 0x19, 0x80, 0x8a, 0x8d, 0x93];

/// What a drive is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    ReadWrite,
    /// Whatever is in it.
    Raw,
}

/// The drive a session has open.
pub(super) struct OpenTape {
    pub(super) name: String,
    access: Access,
    /// `blockno` is all ones, by [`UnknownBlock`].
    is_block_unknown: bool,
    /// TAPE_CLOSE has failed, and nothing was done since: the next one closes without I/O (3.4.2.2).
    close_failed: bool,
}

impl OpenTape {
    fn may_write(&self) -> bool {
        self.access != Access::Read
    }
}

impl Session {
    /// TAPE_OPEN (3.4.2.1).
    pub(super) fn tape_open(&mut self, request: TapeOpenRequest) -> Result<Answer<TapeOpenReply>, Fault> {
        self.check_nothing_open()?;
        let index = self.find_device(&self.facts.tapes, &request.device.to_lossy())?;
        let access = match request.mode {
            TapeOpenMode::Read => Access::Read,
            TapeOpenMode::Rdwr => Access::ReadWrite,
            raw if raw.code() == self.version.raw_mode => Access::Raw,
            other => {
                let text = format!("there is no tape mode {}", other.code());
                return Err(Fault::new(Error::IllegalArgs, text));
            }
        };
        let name = self.facts.tapes[index].name.clone();
        Ok(Answer::Later(PendingKind::TapeOpen { name, access }, Work::OpenTape(index)))
    }

    pub(super) fn tape_opened(
        &mut self,
        head: RequestHead,
        name: String,
        access: Access,
        completion: Completion,
    ) {
        let result = match completion {
            Completion::TapeOpened(Ok(status)) => check_medium(&name, access, &status).inspect_err(|_| {
                self.effects.push(Effect::CloseDevice);
            }),
            Completion::TapeOpened(Err(fault)) => Err(open_fault(&name, fault)),
            _ => Err(mismatch()),
        };
        match result {
            Ok(()) => {
                let tape = OpenTape { name, access, is_block_unknown: false, close_failed: false };
                self.device = OpenDevice::Tape(tape);
                self.reply(head, &TapeOpenReply { error: Error::NoErr });
            }
            Err(fault) => self.fail::<TapeOpenReply>(head, &fault),
        }
    }

    /// TAPE_CLOSE (3.4.2.2): unterminated data gets its filemark and is durable before the reply.
    pub(super) fn tape_close(&mut self, (): ()) -> Result<Answer<TapeCloseReply>, Fault> {
        let tape = self.idle_tape()?;
        if tape.close_failed {
            self.device = OpenDevice::None;
            self.effects.push(Effect::CloseDevice);
            return Ok(Answer::Now(TapeCloseReply { error: Error::NoErr }));
        }
        Ok(Answer::Later(PendingKind::TapeClose, Work::Tape(TapeWork::Terminate)))
    }

    pub(super) fn tape_closed(&mut self, head: RequestHead, completion: Completion) {
        match completion {
            Completion::Done(Ok(())) => {
                self.device = OpenDevice::None;
                self.effects.push(Effect::CloseDevice);
                self.reply(head, &TapeCloseReply { error: Error::NoErr });
            }
            Completion::Done(Err(error)) => {
                if let OpenDevice::Tape(tape) = &mut self.device {
                    tape.close_failed = true;
                }
                self.fail::<TapeCloseReply>(head, &fault(&error));
            }
            _ => self.fail::<TapeCloseReply>(head, &mismatch()),
        }
    }

    /// TAPE_GET_STATE (3.4.2.3): the only tape request that is answered while the mover has the drive.
    pub(super) fn tape_get_state(&mut self, live: &Live) -> Result<Answer<TapeGetStateReply>, Fault> {
        let OpenDevice::Tape(tape) = &self.device else { return Err(Fault::silent(Error::DevNotOpen)) };
        let Some(status) = &live.drive else { return Err(mismatch()) };
        if status.medium != MediumStatus::Ready {
            return Err(Fault::silent(Error::NoTapeLoaded));
        }
        Ok(Answer::Now(state_reply(status, tape.is_block_unknown)))
    }

    /// TAPE_MTIO (3.4.2.4).
    pub(super) fn tape_mtio(
        &mut self,
        request: &TapeMtioRequest,
        live: &Live,
    ) -> Result<Answer<TapeMtioReply>, Fault> {
        let tape = self.idle_tape()?;
        let motion = match request.tape_op {
            TapeMtioOp::Fsf => Motion::ForwardFiles,
            TapeMtioOp::Bsf => Motion::BackwardFiles,
            TapeMtioOp::Fsr => Motion::ForwardRecords,
            TapeMtioOp::Bsr => Motion::BackwardRecords,
            TapeMtioOp::Rew => Motion::Rewind,
            TapeMtioOp::Off => Motion::Unload,
            TapeMtioOp::Eof => return tape_filemarks(tape, request.count),
            TapeMtioOp::Tur if self.version.has_test_unit_ready => return test_unit_ready(live),
            other => {
                let text = format!("there is no tape motion {}", other.code());
                return Err(Fault::new(Error::IllegalArgs, text));
            }
        };
        let count = request.count;
        let work = Work::Tape(TapeWork::Motion { motion, count, marks: self.version.marks });
        Ok(Answer::Later(PendingKind::TapeMotion { motion, count }, work))
    }

    pub(super) fn tape_moved(
        &mut self,
        head: RequestHead,
        motion: Motion,
        count: u32,
        completion: Completion,
    ) {
        self.block_is_known_behind(motion, count, &completion);
        match completion {
            Completion::Moved(Ok(resid_count)) => {
                // Any residual of an unload is taken for its failure.
                let resid_count = if motion == Motion::Unload { 0 } else { resid_count };
                self.reply(head, &TapeMtioReply { error: Error::NoErr, resid_count });
            }
            Completion::Moved(Err(error)) => self.fail::<TapeMtioReply>(head, &fault(&error)),
            _ => self.fail::<TapeMtioReply>(head, &mismatch()),
        }
    }

    /// Whether the block number is told after this motion, as the version's rule has it.
    fn block_is_known_behind(&mut self, motion: Motion, count: u32, completion: &Completion) {
        let rule = self.version.unknown_block;
        let OpenDevice::Tape(tape) = &mut self.device else { return };
        let Completion::Moved(Ok(resid_count)) = *completion else { return };
        tape.is_block_unknown = match (rule, motion) {
            (_, Motion::Rewind | Motion::Unload) => false,
            _ if count == 0 => tape.is_block_unknown,
            (UnknownBlock::BehindMark, Motion::BackwardFiles) => true,
            (UnknownBlock::BehindMark, Motion::BackwardRecords) => tape.is_block_unknown || resid_count > 0,
            _ => false,
        };
    }

    pub(super) fn tape_marked(&mut self, head: RequestHead, count: u32, completion: Completion) {
        if let OpenDevice::Tape(tape) = &mut self.device
            && count > 0
        {
            tape.is_block_unknown = false;
        }
        match completion {
            Completion::Done(Ok(())) => {
                self.reply(head, &TapeMtioReply { error: Error::NoErr, resid_count: 0 });
            }
            Completion::Done(Err(error)) => self.fail::<TapeMtioReply>(head, &fault(&error)),
            _ => self.fail::<TapeMtioReply>(head, &mismatch()),
        }
    }

    /// TAPE_WRITE (3.4.2.5): one record. No bytes, no record.
    pub(super) fn tape_write(&mut self, request: TapeWriteRequest) -> Result<Answer<TapeWriteReply>, Fault> {
        let tape = self.idle_tape()?;
        check_may_write(tape)?;
        if request.data_out.is_empty() {
            return Ok(Answer::Now(TapeWriteReply { error: Error::NoErr, count: 0 }));
        }
        let length = u32::try_from(request.data_out.len()).unwrap_or(u32::MAX);
        let work = Work::Tape(TapeWork::Write(request.data_out.into_bytes()));
        Ok(Answer::Later(PendingKind::TapeWrite { length }, work))
    }

    pub(super) fn tape_written(&mut self, head: RequestHead, length: u32, completion: Completion) {
        match completion {
            Completion::Done(Ok(())) => {
                if let OpenDevice::Tape(tape) = &mut self.device {
                    tape.is_block_unknown = false;
                }
                self.reply(head, &TapeWriteReply { error: Error::NoErr, count: length });
            }
            Completion::Done(Err(error)) => self.fail::<TapeWriteReply>(head, &fault(&error)),
            _ => self.fail::<TapeWriteReply>(head, &mismatch()),
        }
    }

    /// TAPE_READ (3.4.2.6): the next record's first bytes; the rest of it is passed over.
    pub(super) fn tape_read(&mut self, request: TapeReadRequest) -> Result<Answer<TapeReadReply>, Fault> {
        self.idle_tape()?;
        if request.count > i32::MAX.unsigned_abs() {
            return Err(Fault::new(Error::IllegalArgs, "the count to read is absurd"));
        }
        if request.count == 0 {
            return Ok(Answer::Now(TapeReadReply { error: Error::NoErr, data_in: Default::default() }));
        }
        let work = Work::Tape(TapeWork::Read { bytes_max: request.count, marks: self.version.marks });
        Ok(Answer::Later(PendingKind::TapeRead, work))
    }

    pub(super) fn tape_has_read(&mut self, head: RequestHead, completion: Completion) {
        if let OpenDevice::Tape(tape) = &mut self.device {
            let is_mark = matches!(completion, Completion::Read(Ok(HostRead::Filemark)));
            tape.is_block_unknown = is_mark && self.version.unknown_block == UnknownBlock::AtMark;
        }
        let fault = match completion {
            Completion::Read(Ok(HostRead::Record(data))) => {
                self.reply(head, &TapeReadReply { error: Error::NoErr, data_in: data.into() });
                return;
            }
            Completion::Read(Ok(HostRead::Filemark)) => Fault::silent(Error::Eof),
            Completion::Read(Ok(HostRead::EndOfData)) => Fault::silent(self.version.end_of_data),
            Completion::Read(Err(error)) => fault(&error),
            _ => mismatch(),
        };
        self.fail::<TapeReadReply>(head, &fault);
    }

    /// TAPE_EXECUTE_CDB (3.4.2.7): a CDB for the open drive.
    pub(super) fn tape_execute_cdb(
        &mut self,
        request: ExecuteCdbRequest,
    ) -> Result<Answer<ExecuteCdbReply>, Fault> {
        let tape = self.idle_tape()?;
        let cdb = envelope(request)?;
        if cdb.bytes.first().is_some_and(|opcode| WRITING_COMMANDS.contains(opcode)) {
            check_may_write(tape)?;
        }
        if let OpenDevice::Tape(tape) = &mut self.device {
            tape.is_block_unknown = false;
        }
        Ok(Answer::Later(PendingKind::TapeCdb, Work::Tape(TapeWork::Cdb(cdb))))
    }

    /// The drive is given something to do: a close after it is no repetition of one that failed before.
    pub(super) fn tape_is_used(&mut self) {
        if let OpenDevice::Tape(tape) = &mut self.device {
            tape.close_failed = false;
        }
    }

    /// The mover moves the tape: away from a mark that a read has met.
    pub(super) fn tape_is_moved(&mut self) {
        self.tape_is_used();
        if let OpenDevice::Tape(tape) = &mut self.device {
            tape.is_block_unknown = false;
        }
    }

    /// How the mover may use the tape.
    pub(super) fn tape_access(&self) -> TapeAccess {
        match &self.device {
            OpenDevice::Tape(tape) if tape.may_write() => TapeAccess::ReadWrite,
            OpenDevice::Tape(_) => TapeAccess::ReadOnly,
            OpenDevice::None | OpenDevice::Robot { .. } => TapeAccess::NotOpen,
        }
    }

    /// The open tape, when the mover does not have it (3.4.1).
    fn idle_tape(&self) -> Result<&OpenTape, Fault> {
        let OpenDevice::Tape(tape) = &self.device else {
            return Err(Fault::new(Error::DevNotOpen, "this session has no drive open: open one first"));
        };
        if self.mover.holds_tape() {
            return Err(Fault::new(
                Error::DeviceBusy,
                "the mover is using the tape: pause or abort it first",
            ));
        }
        Ok(tape)
    }
}

fn tape_filemarks(tape: &OpenTape, count: u32) -> Result<Answer<TapeMtioReply>, Fault> {
    check_may_write(tape)?;
    if count > FILEMARKS_MAX {
        let text = format!("{count} filemarks in one request; at most {FILEMARKS_MAX} are written");
        return Err(Fault::new(Error::IllegalArgs, text));
    }
    Ok(Answer::Later(PendingKind::TapeFilemarks { count }, Work::Tape(TapeWork::Filemarks(count))))
}

fn test_unit_ready(live: &Live) -> Result<Answer<TapeMtioReply>, Fault> {
    match &live.drive {
        Some(status) if status.medium == MediumStatus::Ready => {
            Ok(Answer::Now(TapeMtioReply { error: Error::NoErr, resid_count: 0 }))
        }
        _ => Err(Fault::silent(Error::NoTapeLoaded)),
    }
}

fn check_may_write(tape: &OpenTape) -> Result<(), Fault> {
    if tape.may_write() {
        return Ok(());
    }
    Err(Fault::new(Error::Permission, format!("{} is open for reading only", tape.name)))
}

/// RAW opens any drive; READ needs a tape in it, RDWR one that can be written (3.4.2.1).
fn check_medium(name: &str, access: Access, status: &DriveStatus) -> Result<(), Fault> {
    if access == Access::Raw {
        return Ok(());
    }
    if status.medium != MediumStatus::Ready {
        return Err(Fault::new(Error::NoTapeLoaded, format!("no tape is loaded in {name}")));
    }
    if access == Access::ReadWrite && status.is_write_protected {
        let barcode = status.barcode.as_deref().unwrap_or("?");
        let text = format!("the tape {barcode} in {name} is write protected: open it for reading");
        return Err(Fault::new(Error::WriteProtect, text));
    }
    Ok(())
}

fn state_reply(status: &DriveStatus, is_block_unknown: bool) -> TapeGetStateReply {
    // The highest value means "unknown" on the wire: numbers stop short of it.
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).min(u32::MAX - 1);
    let mut unsupported = TAPE_STATE_SOFT_ERRORS_UNS;
    let mut flags = TAPE_STATE_NOREWIND;
    let mut blockno = number(status.position.block_in_file);
    // At the beginning of the tape there is nothing to be unsure of.
    if is_block_unknown && status.position.block > 0 {
        unsupported |= TAPE_STATE_BLOCKNO_UNS;
        blockno = u32::MAX;
    }
    if status.is_write_protected {
        flags |= TAPE_STATE_WR_PROT;
    }
    if status.has_medium_error {
        flags |= TAPE_STATE_ERROR;
    }
    TapeGetStateReply {
        unsupported,
        error: Error::NoErr,
        flags,
        file_num: number(status.position.file),
        soft_errors: 0,
        block_size: 0,
        blockno,
        total_space: Quad(status.capacity_bytes),
        space_remain: Quad(status.remaining_bytes),
    }
}

fn fault(error: &HostError) -> Fault {
    let code = match error {
        HostError::NotReady => Error::NoTapeLoaded,
        HostError::WriteProtected => Error::WriteProtect,
        HostError::EarlyWarning | HostError::SpaceWarning(_) => Error::Eom,
        HostError::NoSpace(_) | HostError::Failed(_) => Error::Io,
    };
    Fault::new(code, error.to_string())
}
