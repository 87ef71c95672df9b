//! What a driver's fault means for a copy.

use crate::copy::fault::{Fault, FaultKind};
use crate::physical::fault::{Fault as DriverFault, FaultKind as DriverKind};

/// The fault as the copy's own.
pub(super) fn of_driver(fault: &DriverFault) -> Fault {
    Fault::new(kind(fault), fault.to_string())
}

fn kind(fault: &DriverFault) -> FaultKind {
    use DriverKind as D;
    match fault.kind {
        // Told late, it is about what was written before: the place that is sure is the last checkpoint.
        _ if fault.is_deferred() => FaultKind::Medium,
        D::NotReady | D::Empty | D::Unloaded => FaultKind::NotReady,
        D::WriteProtected | D::WriteOnce => FaultKind::WriteProtected,
        D::Medium | D::WrongMedium => FaultKind::Medium,
        D::Hardware | D::Unsupported | D::IllegalRequest | D::Nonsense | D::WrongDevice => {
            FaultKind::Hardware
        }
        D::NeedsCleaning => FaultKind::Cleaning,
        D::CleaningCartridge => FaultKind::WrongCartridge,
        D::EndOfMedium => FaultKind::Full,
        D::EndOfData => FaultKind::Mismatch,
        D::Reset | D::MediumChanged | D::PositionLost | D::Aborted => FaultKind::Reset,
        D::Reserved | D::Busy | D::RemovalPrevented | D::DestinationFull | D::DoorOpen => FaultKind::Busy,
        D::SourceEmpty | D::NoSuchElement => FaultKind::Missing,
        D::ConnectionLost | D::Refused | D::TimedOut | D::Files => FaultKind::Connection,
        D::Cancelled => FaultKind::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physical::sense_data::SenseData;
    use crate::scsi::sense::Sense;

    #[test]
    fn what_a_driver_says_keeps_its_words_and_what_helps_is_known() {
        for (kind, expected) in [
            (DriverKind::ConnectionLost, FaultKind::Connection),
            (DriverKind::WriteProtected, FaultKind::WriteProtected),
            (DriverKind::EndOfMedium, FaultKind::Full),
            (DriverKind::NeedsCleaning, FaultKind::Cleaning),
            (DriverKind::MediumChanged, FaultKind::Reset),
        ] {
            let fault = of_driver(&DriverFault::new(kind, "drive HU1", "WRITE", "so it is"));
            assert_eq!(fault.kind, expected, "{kind:?}");
            assert!(fault.reason.starts_with("drive HU1: WRITE: ") && fault.reason.ends_with("(so it is)"));
        }
    }

    #[test]
    fn a_late_error_is_one_of_the_medium_whatever_it_says() {
        let mut sense = SenseData::parse(&Sense::WRITE_PROTECTED.to_bytes()).unwrap();
        sense.is_deferred = true;
        let fault = of_driver(&DriverFault::of_sense("drive HU1", "WRITE", sense));
        assert_eq!(fault.kind, FaultKind::Medium);
    }
}
