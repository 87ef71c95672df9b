//! The SCSI interface (NDMPv4 3.3): the robot, by CDBs. Also what SCSI_EXECUTE_CDB and TAPE_EXECUTE_CDB share.
//!
//! It must not know any CDB: it checks the envelope, `crate::scsi` the contents. CHECK CONDITION is a success here,
//! with the status and the sense in the reply (3.3.2.6).

use super::effect::{Cdb, CdbFault, Completion, Effect, OpenFault, Work};
use super::{Answer, Fault, OpenDevice, PendingKind, RequestHead, Session};
use crate::ndmp::wire::limits::CDB_DATA_MAX_BYTES;
use crate::ndmp::wire::{
    Error, ExecuteCdbReply, ExecuteCdbRequest, SCSI_DATA_IN, SCSI_DATA_OUT, ScsiCloseReply,
    ScsiGetStateReply, ScsiOpenReply, ScsiOpenRequest, ScsiResetDeviceReply, v3,
};
use crate::scsi::outcome::Executed;

impl Session {
    /// SCSI_OPEN (3.3.2.1). Several sessions may have a robot open: DMAs hold it through a job.
    pub(super) fn scsi_open(&mut self, request: ScsiOpenRequest) -> Result<Answer<ScsiOpenReply>, Fault> {
        self.check_nothing_open()?;
        let name = request.device.to_lossy();
        let index = self.find_device(&self.facts.robots, &name)?;
        let name = self.facts.robots[index].name.clone();
        Ok(Answer::Later(PendingKind::ScsiOpen { name }, Work::OpenRobot(index)))
    }

    pub(super) fn scsi_opened(&mut self, head: RequestHead, name: String, completion: Completion) {
        match completion {
            Completion::RobotOpened(Ok(())) => {
                self.device = OpenDevice::Robot { name };
                self.reply(head, &ScsiOpenReply { error: Error::NoErr });
            }
            Completion::RobotOpened(Err(fault)) => {
                self.fail::<ScsiOpenReply>(head, &open_fault(&name, fault));
            }
            _ => self.fail::<ScsiOpenReply>(head, &mismatch()),
        }
    }

    /// SCSI_CLOSE (3.3.2.2).
    pub(super) fn scsi_close(&mut self, (): ()) -> Result<Answer<ScsiCloseReply>, Fault> {
        self.check_robot_open()?;
        self.device = OpenDevice::None;
        self.effects.push(Effect::CloseDevice);
        Ok(Answer::Now(ScsiCloseReply { error: Error::NoErr }))
    }

    /// SCSI_GET_STATE (3.3.2.3): a device without a bus has no numbers: -1.
    pub(super) fn scsi_get_state(&mut self, (): ()) -> Result<Answer<ScsiGetStateReply>, Fault> {
        self.check_robot_open()?;
        Ok(Answer::Now(ScsiGetStateReply {
            error: Error::NoErr,
            target_controller: -1,
            target_id: -1,
            target_lun: -1,
        }))
    }

    /// SCSI_RESET_DEVICE (3.3.2.4): resets what this session told the robot, never other sessions' business.
    pub(super) fn scsi_reset_device(&mut self, (): ()) -> Result<Answer<ScsiResetDeviceReply>, Fault> {
        self.check_robot_open()?;
        self.effects.push(Effect::ResetRobot);
        Ok(Answer::Now(ScsiResetDeviceReply { error: Error::NoErr }))
    }

    /// SCSI_SET_TARGET (NDMPv3): every device has its own name here, so the only target on its bus is the device itself,
    /// whatever the numbers.
    pub(super) fn scsi_set_target(
        &mut self,
        request: v3::ScsiSetTargetRequest,
    ) -> Result<Answer<v3::ScsiSetTargetReply>, Fault> {
        self.check_robot_open()?;
        let OpenDevice::Robot { name } = &self.device else { return Err(mismatch()) };
        let asked = request.device.to_lossy();
        let index = self.find_device(&self.facts.robots, &asked)?;
        if self.facts.robots[index].name != *name {
            let text = format!("{asked} is not on the bus of {name}: open it by its own name");
            return Err(Fault::new(Error::NoDevice, text));
        }
        Ok(Answer::Now(v3::ScsiSetTargetReply { error: Error::NoErr }))
    }

    /// SCSI_RESET_BUS (NDMPv3): as far as this session's device, and no further.
    pub(super) fn scsi_reset_bus(&mut self, (): ()) -> Result<Answer<v3::ScsiResetBusReply>, Fault> {
        self.check_robot_open()?;
        self.effects.push(Effect::ResetRobot);
        Ok(Answer::Now(v3::ScsiResetBusReply { error: Error::NoErr }))
    }

    /// SCSI_EXECUTE_CDB (3.3.2.5).
    pub(super) fn scsi_execute_cdb(
        &mut self,
        request: ExecuteCdbRequest,
    ) -> Result<Answer<ExecuteCdbReply>, Fault> {
        self.check_robot_open()?;
        Ok(Answer::Later(PendingKind::ScsiCdb, Work::RobotCdb(envelope(request)?)))
    }

    pub(super) fn cdb_executed(&mut self, head: RequestHead, completion: Completion) {
        match completion {
            Completion::Cdb(Ok(mut executed)) => {
                let remark = executed.remark.take();
                self.reply(head, &reply(executed));
                if let Some(remark) = remark {
                    self.log_warning(&remark, head);
                }
            }
            Completion::Cdb(Err(CdbFault::TimedOut(text))) => {
                self.fail::<ExecuteCdbReply>(head, &Fault::new(Error::Timeout, text));
            }
            Completion::Cdb(Err(CdbFault::Failed(text))) => {
                self.fail::<ExecuteCdbReply>(head, &Fault::new(Error::Io, text));
            }
            _ => self.fail::<ExecuteCdbReply>(head, &mismatch()),
        }
    }

    /// One device a session (2.11.4).
    pub(super) fn check_nothing_open(&self) -> Result<(), Fault> {
        let open = match &self.device {
            OpenDevice::None => return Ok(()),
            OpenDevice::Tape(tape) => &tape.name,
            OpenDevice::Robot { name } => name,
        };
        Err(Fault::new(Error::DeviceOpened, format!("this session has {open} open already: close it first")))
    }

    fn check_robot_open(&self) -> Result<(), Fault> {
        match self.device {
            OpenDevice::Robot { .. } => Ok(()),
            OpenDevice::None | OpenDevice::Tape(_) => {
                Err(Fault::new(Error::DevNotOpen, "this session has no robot open: open one first"))
            }
        }
    }

    /// The index of the device that `name` means, among those this user may see.
    pub(super) fn find_device(&self, devices: &[super::Device], name: &str) -> Result<usize, Fault> {
        let device = self.visible(devices).find(|device| device.is_called(name));
        let index = device.and_then(|device| devices.iter().position(|other| other == device));
        index.ok_or_else(|| {
            let mut shown: Vec<_> = self.visible(devices).map(|device| device.shown_name()).collect();
            shown.truncate(8);
            let text = format!("there is no device {name:?}; this user sees: {}", shown.join(", "));
            Fault::new(Error::NoDevice, text)
        })
    }
}

/// Checks what surrounds a CDB (3.3.2.5). A direction flag without data is taken: some DMAs send it.
pub(super) fn envelope(request: ExecuteCdbRequest) -> Result<Cdb, Fault> {
    let illegal = |text: &str| Err(Fault::new(Error::IllegalArgs, text));
    if !matches!(request.cdb.len(), 6 | 10 | 12 | 16) {
        return illegal("a CDB has 6, 10, 12 or 16 bytes");
    }
    let reads = request.flags & SCSI_DATA_IN != 0;
    let writes = request.flags & SCSI_DATA_OUT != 0;
    if reads && writes {
        return illegal("a CDB cannot move data both ways");
    }
    if !writes && !request.dataout.is_empty() {
        return illegal("the request brings data but no DATA_OUT flag");
    }
    let allocation_bytes = if reads { request.datain_len } else { 0 };
    let allocation_max = u32::try_from(CDB_DATA_MAX_BYTES).unwrap_or(u32::MAX);
    Ok(Cdb {
        bytes: request.cdb.into_bytes(),
        data_out: request.dataout.into_bytes(),
        allocation_bytes: allocation_bytes.min(allocation_max),
    })
}

fn reply(executed: Executed) -> ExecuteCdbReply {
    ExecuteCdbReply {
        error: Error::NoErr,
        status: executed.status,
        dataout_len: executed.data_out_consumed,
        datain: executed.data_in.into(),
        ext_sense: executed.sense.into(),
    }
}

pub(super) fn open_fault(name: &str, fault: OpenFault) -> Fault {
    match fault {
        OpenFault::Busy(by) => Fault::new(Error::DeviceBusy, format!("{name} is in use by {by}")),
        OpenFault::Failed(text) => Fault::new(Error::Io, format!("{name}: {text}")),
    }
}

/// The shell answered another question than the one asked: a fault of ours.
pub(super) fn mismatch() -> Fault {
    Fault::new(Error::Undefined, "internal fault: the work's result does not fit the request")
}
