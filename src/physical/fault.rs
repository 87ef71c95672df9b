//! What went wrong with a library or a drive: the kind, which says what to do next, the sense data, and one line for
//! the operator.
//!
//! Must not know of jobs; which remedy is tried how often is theirs.

use std::fmt;

use super::limit::Over;
use super::sense_data::{SenseData, key};
use super::transport::TransportError;

/// The kinds of faults, one for each thing that a job or an operator would do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// It did not get ready in time.
    NotReady,
    /// No cartridge is in the drive.
    Empty,
    /// The cartridge in the drive is not threaded.
    Unloaded,
    /// The cartridge must not be written.
    WriteProtected,
    /// A write-once cartridge would be overwritten.
    WriteOnce,
    /// The cartridge is damaged, here at least.
    Medium,
    /// The drive or the robot is damaged.
    Hardware,
    /// The drive asks to be cleaned, and does nothing else before.
    NeedsCleaning,
    /// A cleaning cartridge is in the drive.
    CleaningCartridge,
    /// The drive cannot use this kind of cartridge, or not write it.
    WrongMedium,
    /// No room is left on the cartridge; the record was not written.
    EndOfMedium,
    /// Nothing is recorded where the tape should have gone.
    EndOfData,
    /// The device was reset, by whomever: the position is lost, and what was not synchronised may be.
    Reset,
    /// Another cartridge may be in the drive, or in the robot's places.
    MediumChanged,
    /// The tape does not stand where it must; nothing more is written or read before it is positioned anew.
    PositionLost,
    /// Another host has reserved the device.
    Reserved,
    /// The device had no time for the command.
    Busy,
    /// The device gave a command up.
    Aborted,
    /// The device does not know the command.
    Unsupported,
    /// The device finds the command wrong.
    IllegalRequest,
    /// The cartridge may not be taken out of the drive.
    RemovalPrevented,
    /// There is no cartridge to be moved.
    SourceEmpty,
    /// There is one already where it should go.
    DestinationFull,
    /// The library has no such element, or none for this.
    NoSuchElement,
    /// A door is open, or a magazine out.
    DoorOpen,
    /// The device that answers is not the one it should be, or none is there.
    WrongDevice,
    /// The connection is lost. What was on its way may have been done or not.
    ConnectionLost,
    /// The device is not to be reached, or refuses to talk to us.
    Refused,
    /// No answer in time.
    TimedOut,
    /// The job was called off.
    Cancelled,
    /// What the device says contradicts itself or the standard.
    Nonsense,
    /// A file or directory of a library of images cannot be used.
    Files,
}

/// What may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// The same again, after a while.
    Retry,
    /// Connect, position anew behind what is known to be on the cartridge, go on.
    Resume,
    /// Another drive.
    OtherDrive,
    /// Another cartridge.
    OtherCartridge,
    /// Clean the drive, then the same again.
    Clean,
    /// A person has to do something.
    Operator,
    /// Nothing: it was asked for the impossible, or called off.
    None,
}

impl FaultKind {
    /// What may help.
    #[must_use]
    pub fn remedy(self) -> Remedy {
        match self {
            Self::NotReady | Self::Busy | Self::Aborted => Remedy::Retry,
            Self::Reset | Self::PositionLost | Self::ConnectionLost | Self::TimedOut => Remedy::Resume,
            Self::Hardware | Self::Nonsense | Self::Unsupported => Remedy::OtherDrive,
            Self::Medium | Self::WriteOnce | Self::WrongMedium | Self::EndOfMedium => Remedy::OtherCartridge,
            Self::NeedsCleaning => Remedy::Clean,
            Self::WriteProtected
            | Self::CleaningCartridge
            | Self::MediumChanged
            | Self::Reserved
            | Self::RemovalPrevented
            | Self::DoorOpen
            | Self::WrongDevice
            | Self::Refused
            | Self::Files => Remedy::Operator,
            Self::Empty
            | Self::Unloaded
            | Self::EndOfData
            | Self::IllegalRequest
            | Self::SourceEmpty
            | Self::DestinationFull
            | Self::NoSuchElement
            | Self::Cancelled => Remedy::None,
        }
    }

    /// The cause, and what to do, for people.
    fn words(self) -> &'static str {
        match self {
            Self::NotReady => "it does not become ready; look at its front panel",
            Self::Empty => "no cartridge is in it; move one there",
            Self::Unloaded => "its cartridge is not threaded; load it",
            Self::WriteProtected => "its cartridge is write protected; slide its tab or use another one",
            Self::WriteOnce => "its cartridge is write-once and holds data; use another one",
            Self::Medium => "its cartridge is damaged; use another one and keep this one aside",
            Self::Hardware => "it is damaged; use another one and call for service",
            Self::NeedsCleaning => "it must be cleaned; move a cleaning cartridge into it",
            Self::CleaningCartridge => "a cleaning cartridge is in it; move it back",
            Self::WrongMedium => "it cannot use this kind of cartridge; use another one",
            Self::EndOfMedium => "its cartridge is full; use another one",
            Self::EndOfData => "nothing is recorded there",
            Self::Reset => "it was reset or switched on; look again where everything stands",
            Self::MediumChanged => "its cartridges may have been changed; look again which are there",
            Self::PositionLost => "its tape does not stand where it must; position it anew",
            Self::Reserved => "another host has reserved it; release it there",
            Self::Busy => "it is busy; try again later",
            Self::Aborted => "it gave the command up; try again",
            Self::Unsupported => "it does not know the command",
            Self::IllegalRequest => "it finds the command wrong",
            Self::RemovalPrevented => "its cartridge is locked in; unload it or allow its removal",
            Self::SourceEmpty => "no cartridge is there to be moved; look at the inventory",
            Self::DestinationFull => "a cartridge is already there; look at the inventory",
            Self::NoSuchElement => "it has no such element; look at the inventory",
            Self::DoorOpen => "its door is open or a magazine is out; close it",
            Self::WrongDevice => "it is not the device that it should be; look at the serial numbers",
            Self::ConnectionLost => "the connection is lost; what was on its way may have been done or not",
            Self::Refused => "it refuses to talk to us",
            Self::TimedOut => "no answer in time; what was on its way may have been done or not",
            Self::Cancelled => "called off",
            Self::Nonsense => "its answer makes no sense",
            Self::Files => "its files cannot be used",
        }
    }

    /// What sense data means (SPC-4 annex F; deferred or not). Keys 0 and 1 are no faults by themselves.
    #[must_use]
    pub fn of_sense(sense: &SenseData) -> Self {
        match (sense.key, sense.asc, sense.ascq) {
            // Whatever the key: cartridges and drives that do not fit, doors, cleaning.
            (_, 0x30, 0x03 | 0x07) => Self::CleaningCartridge,
            (_, 0x30, 0x0c) => Self::WriteOnce,
            (key::NOT_READY | key::MEDIUM_ERROR | key::ILLEGAL_REQUEST | key::DATA_PROTECT, 0x30, _) => {
                Self::WrongMedium
            }
            (_, 0x3a, _) => Self::Empty,
            (_, 0x53, 0x02) => Self::RemovalPrevented,
            (_, 0x00, 0x17) => Self::NeedsCleaning,
            (_, 0x04, 0x12) | (_, 0x3b, 0x11 | 0x12) => Self::DoorOpen,
            (_, 0x3b, 0x0e) => Self::SourceEmpty,
            (_, 0x3b, 0x0d) => Self::DestinationFull,
            (key::ILLEGAL_REQUEST, 0x21, 0x01) => Self::NoSuchElement,
            (key::ILLEGAL_REQUEST, 0x20, _) => Self::Unsupported,
            (key::ILLEGAL_REQUEST, ..) => Self::IllegalRequest,
            (key::NOT_READY, 0x04, 0x02) => Self::Unloaded,
            (key::NOT_READY, ..) => Self::NotReady,
            (key::MEDIUM_ERROR, ..) => Self::Medium,
            (key::HARDWARE_ERROR, ..) => Self::Hardware,
            (key::UNIT_ATTENTION, 0x28, _) => Self::MediumChanged,
            (key::UNIT_ATTENTION, ..) => Self::Reset,
            (key::DATA_PROTECT, ..) => Self::WriteProtected,
            (key::BLANK_CHECK, ..) => Self::EndOfData,
            (key::ABORTED_COMMAND, ..) => Self::Aborted,
            (key::VOLUME_OVERFLOW, ..) => Self::EndOfMedium,
            _ => Self::Nonsense,
        }
    }
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it is about.
    pub kind: FaultKind,
    /// Which device: "drive HU1234", "library attic".
    pub device: String,
    /// What was being done: "WRITE", "MOVE MEDIUM from 1000h to 100h".
    pub action: String,
    /// More about the cause, or nothing.
    pub detail: String,
    /// The sense data, if the device sent some.
    pub sense: Option<Box<SenseData>>,
}

impl Fault {
    /// A fault without sense data.
    #[must_use]
    pub fn new(kind: FaultKind, device: &str, action: &str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            device: device.to_owned(),
            action: action.to_owned(),
            detail: detail.into(),
            sense: None,
        }
    }

    /// The fault that this sense data tells.
    #[must_use]
    pub fn of_sense(device: &str, action: &str, sense: SenseData) -> Self {
        let kind = FaultKind::of_sense(&sense);
        Self { sense: Some(Box::new(sense)), ..Self::new(kind, device, action, "") }
    }

    /// The fault that a command without an answer is.
    #[must_use]
    pub fn of_transport(device: &str, action: &str, error: &TransportError) -> Self {
        let kind = match error {
            TransportError::Lost { .. } => FaultKind::ConnectionLost,
            TransportError::Protocol { .. } => FaultKind::Nonsense,
            TransportError::Refused { .. } => FaultKind::Refused,
            TransportError::Unsupported { .. } => FaultKind::Unsupported,
            TransportError::Busy { .. } => FaultKind::Busy,
            TransportError::Over { over: Over::TimedOut, .. } => FaultKind::TimedOut,
            TransportError::Over { over: Over::Cancelled, .. } => FaultKind::Cancelled,
        };
        let detail = match error {
            TransportError::Over { .. } => String::new(),
            other => other.to_string(),
        };
        Self::new(kind, device, action, detail)
    }

    /// The fault that the end of waiting is.
    #[must_use]
    pub fn of_over(device: &str, action: &str, over: Over) -> Self {
        Self::of_transport(device, action, &TransportError::Over { over, was_sent: false })
    }

    /// Whether it is about an earlier command: what was written since the last synchronisation may not be there.
    #[must_use]
    pub fn is_deferred(&self) -> bool {
        self.sense.as_ref().is_some_and(|sense| sense.is_deferred)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.device, self.action, self.kind.words())?;
        match (&self.sense, self.detail.as_str()) {
            (Some(sense), "") => write!(f, " ({sense})"),
            (Some(sense), detail) => write!(f, " ({detail}; {sense})"),
            (None, "") => Ok(()),
            (None, detail) => write!(f, " ({detail})"),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scsi::sense::Sense;

    fn kind(sense: Sense) -> FaultKind {
        FaultKind::of_sense(&SenseData::parse(&sense.to_bytes()).unwrap())
    }

    #[test]
    fn every_sense_of_our_own_emulation_is_classified() {
        for (sense, expected) in [
            (Sense::LOAD_REQUIRED, FaultKind::Unloaded),
            (Sense::NO_MEDIUM, FaultKind::Empty),
            (Sense::DOOR_OPEN, FaultKind::DoorOpen),
            (Sense::CLEANING, FaultKind::CleaningCartridge),
            (Sense::MEDIUM_DAMAGED, FaultKind::Medium),
            (Sense::INCOMPATIBLE_MEDIUM, FaultKind::WrongMedium),
            (Sense::INTERNAL_FAILURE, FaultKind::Hardware),
            (Sense::LOAD_OR_EJECT_FAILED, FaultKind::Hardware),
            (Sense::INVALID_OPERATION_CODE, FaultKind::Unsupported),
            (Sense::INVALID_ELEMENT, FaultKind::NoSuchElement),
            (Sense::INVALID_FIELD, FaultKind::IllegalRequest),
            (Sense::DESTINATION_FULL, FaultKind::DestinationFull),
            (Sense::SOURCE_EMPTY, FaultKind::SourceEmpty),
            (Sense::REMOVAL_PREVENTED, FaultKind::RemovalPrevented),
            (Sense::WRITE_PROTECTED, FaultKind::WriteProtected),
            (Sense::WORM_OVERWRITE, FaultKind::WriteOnce),
            (Sense::MEDIUM_CHANGED, FaultKind::MediumChanged),
            (Sense::VOLUME_OVERFLOW, FaultKind::EndOfMedium),
        ] {
            assert_eq!(kind(sense), expected, "{sense:?}");
        }
    }

    #[test]
    fn the_line_for_the_operator_names_object_cause_and_remedy() {
        let sense = SenseData::parse(&Sense::WRITE_PROTECTED.to_bytes()).unwrap();
        let fault = Fault::of_sense("drive HU1", "WRITE", sense);
        let text = "drive HU1: WRITE: its cartridge is write protected; slide its tab or use another one \
                    (sense 7h/27h/00h)";
        assert_eq!(fault.to_string(), text);
        assert_eq!((fault.kind.remedy(), fault.is_deferred()), (Remedy::Operator, false));
        let lost = TransportError::Lost { reason: "reset by peer".into() };
        let fault = Fault::of_transport("drive HU1", "WRITE", &lost);
        assert_eq!((fault.kind, fault.kind.remedy()), (FaultKind::ConnectionLost, Remedy::Resume));
        assert!(fault.to_string().ends_with("(the connection is lost: reset by peer)"), "{fault}");
    }
}
