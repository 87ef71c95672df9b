//! The robot's log pages (SMC-3 7.2, SPC-4 7.3): the alerts.
//!
//! Must not know what raises an alert.

use super::{Request, done};
use crate::scsi::commands::Handled;
use crate::scsi::sense::Sense;

const SUPPORTED_PAGES: u8 = 0x00;
const TAPE_ALERT: u8 = 0x2e;
/// TapeAlert flags, numbered from 1.
const TAPE_ALERT_FLAGS: u16 = 64;

/// LOG SENSE (SPC-4 6.8). Whichever values are asked for (PC), these are the current ones. Whoever has been shown the alerts
/// need not be shown them again.
pub(super) fn log_sense(request: &mut Request<'_>) -> Handled {
    /// Parameter control byte of a binary list.
    const LIST: u8 = 0x03;
    let cdb = request.cdb;
    let (page, first) = (cdb.byte::<2>() & 0x3f, cdb.u16::<5>());
    let mut body = Vec::new();
    match page {
        SUPPORTED_PAGES => body.extend([SUPPORTED_PAGES, TAPE_ALERT]),
        TAPE_ALERT if first <= TAPE_ALERT_FLAGS => {
            let alerts = std::mem::take(&mut request.loader.robot().alerts);
            for flag in first.max(1)..=TAPE_ALERT_FLAGS {
                body.extend(flag.to_be_bytes());
                body.extend([LIST, 1, u8::from(alerts >> (flag - 1) & 1 == 1)]);
            }
        }
        TAPE_ALERT => return Err(Sense::invalid_byte(5)),
        _ => return Err(Sense::invalid_bit(2, 5)),
    }
    let mut data = vec![page, 0];
    data.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
    data.extend(body);
    Ok(Ok(cdb.cut(data, cdb.u16::<7>())).into())
}

/// LOG SELECT (SPC-4 6.7): PCR clears the alerts.
pub(super) fn log_select(request: &mut Request<'_>) -> Handled {
    let cdb = request.cdb;
    if cdb.u16::<7>() != 0 {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    }
    if cdb.bit::<1>(1) && matches!(cdb.byte::<2>() & 0x3f, SUPPORTED_PAGES | TAPE_ALERT) {
        request.loader.robot().alerts = 0;
    }
    done()
}
