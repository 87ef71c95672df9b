//! One SCSI device: commands with a time limit, and what their ends mean.
//!
//! A unit attention says that the command was not executed, so whoever asks a question or positions absolutely may ask again.
//! Who reads, writes or spaces must not, if the position may be gone: that is the one difference between [`Repeat`]s.

use std::time::Duration;

use super::Timeouts;
use super::inquiry::{self, Inquiry};
use crate::physical::fault::{Fault, FaultKind};
use crate::physical::limit::{Cancel, Limit};
use crate::physical::sense_data::{SenseData, key};
use crate::physical::transport::{Answer, Data, Transport};
use crate::scsi::cdb;
use crate::scsi::outcome::{STATUS_CHECK_CONDITION, STATUS_GOOD, STATUS_RESERVATION_CONFLICT};

const STATUS_CONDITION_MET: u8 = 0x04;
const STATUS_BUSY: u8 = 0x08;
const STATUS_TASK_SET_FULL: u8 = 0x28;
const STATUS_TASK_ABORTED: u8 = 0x40;
/// Unit attentions and aborts that one command may meet: devices keep a handful in their queues.
const ATTEMPTS_MAX: u32 = 12;
/// How long to wait for a device that is busy before asking again.
const BUSY_WAIT: Duration = Duration::from_millis(250);

/// What a command may be sent again for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// For any unit attention, and once or twice when it was aborted: it is a question, or does not depend on the position.
    Freely,
    /// Only for unit attentions that leave cartridge and position alone.
    InPlace,
    /// For no unit attention: whatever happened, the caller has to look again. For moves of the robot.
    Never,
}

/// A command to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command<'a> {
    pub(super) cdb: &'a [u8],
    /// Its name, for messages.
    pub(super) action: &'a str,
    pub(super) time: Duration,
    pub(super) repeat: Repeat,
    /// BLANK CHECK is an answer, and no fault.
    pub(super) may_meet_end: bool,
}

impl<'a> Command<'a> {
    /// One that may be sent again.
    pub(super) fn freely(cdb: &'a [u8], action: &'a str, time: Duration) -> Self {
        Self { cdb, action, time, repeat: Repeat::Freely, may_meet_end: false }
    }

    /// One that depends on the position.
    pub(super) fn in_place(cdb: &'a [u8], action: &'a str, time: Duration) -> Self {
        Self { repeat: Repeat::InPlace, ..Self::freely(cdb, action, time) }
    }
}

/// A command that was executed.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    /// Data that went over.
    pub(super) transferred_bytes: usize,
    /// What the device did not transfer, by its own account.
    pub(super) residual_bytes: usize,
    /// What the device says about it, with key NO SENSE or RECOVERED ERROR.
    pub(super) sense: Option<SenseData>,
}

/// A device.
pub(super) struct Device {
    /// "drive HU1234": for messages.
    pub(super) name: String,
    transport: Box<dyn Transport>,
    cancel: Cancel,
    timeouts: Timeouts,
    /// What happened to the device that its user has not been told: a reset, another cartridge.
    event: Option<FaultKind>,
    is_lost: bool,
}

impl Device {
    pub(super) fn new(transport: Box<dyn Transport>, timeouts: Timeouts, cancel: &Cancel) -> Self {
        let name = transport.describe();
        Self { name, transport, cancel: cancel.clone(), timeouts, event: None, is_lost: false }
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(super) fn set_cancel(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
    }

    pub(super) fn limit(&self, time: Duration) -> Limit {
        Limit::new(&self.cancel, time)
    }

    pub(super) fn fault(&self, kind: FaultKind, action: &str, detail: impl Into<String>) -> Fault {
        Fault::new(kind, &self.name, action, detail)
    }

    /// What happened to the device unasked since this was last called.
    pub(super) fn take_event(&mut self) -> Option<FaultKind> {
        self.event.take()
    }

    /// A question whose answer is data.
    pub(super) fn ask(&mut self, cdb: &[u8], action: &str, room: &mut [u8]) -> Result<usize, Fault> {
        let command = Command::freely(cdb, action, self.timeouts.question);
        let length = room.len();
        Ok(self.execute(&command, Data::In(room))?.transferred_bytes.min(length))
    }

    /// Sends a command and waits for its end.
    pub(super) fn execute(&mut self, command: &Command<'_>, mut data: Data<'_>) -> Result<Done, Fault> {
        let limit = self.limit(command.time);
        let mut attempts = 0;
        loop {
            let again = match &mut data {
                Data::None => Data::None,
                Data::In(room) => Data::In(room),
                Data::Out(bytes) => Data::Out(bytes),
            };
            let answer = match self.transport.execute(command.cdb, again, &limit) {
                Ok(answer) => answer,
                Err(error) => {
                    let fault = Fault::of_transport(&self.name, command.action, &error);
                    // What was not even sent leaves the connection as it was.
                    self.is_lost |= !error.was_not_begun();
                    return Err(fault);
                }
            };
            attempts += 1;
            let is_last = attempts >= ATTEMPTS_MAX;
            match self.end(command, answer, is_last)? {
                Some(done) => return Ok(done),
                None => limit
                    .sleep(BUSY_WAIT * u32::from(attempts > 3))
                    .map_err(|over| Fault::of_over(&self.name, command.action, over))?,
            }
        }
    }

    /// What the end of a command means; none: to be sent again.
    fn end(&mut self, command: &Command<'_>, answer: Answer, is_last: bool) -> Result<Option<Done>, Fault> {
        let done = |sense| Done {
            transferred_bytes: answer.transferred_bytes,
            residual_bytes: answer.residual_bytes,
            sense,
        };
        let kind = match answer.status {
            STATUS_GOOD | STATUS_CONDITION_MET => return Ok(Some(done(None))),
            STATUS_BUSY | STATUS_TASK_SET_FULL if !is_last => return Ok(None),
            STATUS_BUSY | STATUS_TASK_SET_FULL => FaultKind::Busy,
            STATUS_RESERVATION_CONFLICT => FaultKind::Reserved,
            STATUS_TASK_ABORTED => FaultKind::Aborted,
            STATUS_CHECK_CONDITION => {
                let Some(sense) = SenseData::parse(&answer.sense) else {
                    return Err(self.fault(
                        FaultKind::Nonsense,
                        command.action,
                        "CHECK CONDITION without sense data",
                    ));
                };
                return self.check(command, sense, is_last).map(|sense| sense.map(|sense| done(Some(sense))));
            }
            _ => FaultKind::Nonsense,
        };
        Err(self.fault(kind, command.action, format!("status {:02x}h", answer.status)))
    }

    fn check(
        &mut self,
        command: &Command<'_>,
        sense: SenseData,
        is_last: bool,
    ) -> Result<Option<SenseData>, Fault> {
        // A deferred error is about what was acknowledged before: never to be passed over, whatever its key.
        if sense.is_deferred {
            return Err(Fault::of_sense(&self.name, command.action, sense));
        }
        match sense.key {
            key::NO_SENSE | key::RECOVERED_ERROR => return Ok(Some(sense)),
            key::BLANK_CHECK if command.may_meet_end => return Ok(Some(sense)),
            key::UNIT_ATTENTION => {
                let harm = harm(&sense);
                self.event = match (self.event, harm) {
                    // The graver one stays.
                    (Some(FaultKind::MediumChanged), _) | (_, None) => self.event,
                    (_, harm) => harm,
                };
                let may_repeat = match command.repeat {
                    Repeat::Freely => true,
                    Repeat::InPlace => harm.is_none(),
                    Repeat::Never => false,
                };
                if may_repeat && !is_last {
                    tracing::debug!(device = %self.name, %sense, "unit attention");
                    return Ok(None);
                }
            }
            key::ABORTED_COMMAND if command.repeat == Repeat::Freely && !is_last => return Ok(None),
            _ => {}
        }
        Err(Fault::of_sense(&self.name, command.action, sense))
    }

    /// TEST UNIT READY; `Ok(Some)` says why it is not ready.
    pub(super) fn test_ready(&mut self) -> Result<Option<SenseData>, Fault> {
        let command = Command::freely(
            &[cdb::TEST_UNIT_READY, 0, 0, 0, 0, 0],
            "TEST UNIT READY",
            self.timeouts.question,
        );
        match self.execute(&command, Data::None) {
            Ok(_) => Ok(None),
            Err(Fault { sense: Some(sense), .. }) if !sense.is_deferred => Ok(Some(*sense)),
            Err(fault) => Err(fault),
        }
    }

    /// Whether the last connection was lost or given up.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Gives the connection back until it is needed again.
    pub(super) fn release(&mut self) {
        self.transport.release();
        self.is_lost = true;
    }

    /// Connects anew, and looks whether it is still the device with this serial number, if it has one.
    pub(super) fn reconnect(&mut self, serial: Option<&str>) -> Result<(), Fault> {
        const ACTION: &str = "connect again";
        let limit = self.limit(self.timeouts.question);
        self.transport.reconnect(&limit).map_err(|error| Fault::of_transport(&self.name, ACTION, &error))?;
        self.is_lost = false;
        if let Some(serial) = serial
            && let Err(fault) = self.expect(serial, ACTION)
        {
            // Another device: it must not be used by whoever asks next.
            self.is_lost = true;
            return Err(fault);
        }
        // What every new session is told first.
        self.test_ready().map(|_| ())
    }

    /// Looks whether it is the device with this serial number.
    pub(super) fn expect(&mut self, serial: &str, action: &str) -> Result<(), Fault> {
        let found = self.serial()?;
        if found == serial {
            return Ok(());
        }
        Err(self.fault(
            FaultKind::WrongDevice,
            action,
            format!("serial number {found:?} instead of {serial:?}"),
        ))
    }

    /// Standard INQUIRY.
    pub(super) fn inquiry(&mut self) -> Result<Inquiry, Fault> {
        let mut data = [0; 96];
        let length = self.ask(&[cdb::INQUIRY, 0, 0, 0, 96, 0], "INQUIRY", &mut data)?;
        Inquiry::parse(&data[..length])
            .ok_or_else(|| self.fault(FaultKind::Nonsense, "INQUIRY", format!("{length} bytes")))
    }

    /// A page of vital product data without its header.
    pub(super) fn product_data(&mut self, page: u8) -> Result<Vec<u8>, Fault> {
        let mut data = [0; 255];
        let length = self.ask(&[cdb::INQUIRY, 1, page, 0, 255, 0], "INQUIRY", &mut data)?;
        inquiry::product_data(page, &data[..length])
            .map(<[u8]>::to_vec)
            .ok_or_else(|| self.fault(FaultKind::Nonsense, "INQUIRY", format!("page {page:02X}h")))
    }

    /// The unit serial number, VPD page 80h.
    pub(super) fn serial(&mut self) -> Result<String, Fault> {
        let page = self.product_data(0x80)?;
        Ok(inquiry::text(&page))
    }
}

/// What a unit attention does to whoever depends on position and cartridge.
fn harm(sense: &SenseData) -> Option<FaultKind> {
    match (sense.asc, sense.ascq) {
        (0x28, 0x00) => Some(FaultKind::MediumChanged),
        // A mail slot was used; mode and log parameters, reservations, capacity, microcode and inventory of LUNs changed.
        (0x28, 0x01 | 0x02) | (0x2a | 0x3f | 0x5a, _) => None,
        // Power on, reset, commands cleared by another initiator, and what we do not know.
        _ => Some(FaultKind::Reset),
    }
}
