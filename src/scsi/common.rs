//! Commands that every device answers alike (SPC-4): INQUIRY, REQUEST SENSE, REPORT LUNS, and what PREVENT ALLOW means.

use super::cdb::Cdb;
use super::identity::{DeviceIdentity, Page};
use super::sense::Sense;

/// INQUIRY (SPC-4 6.6), of a device that has these pages of vital product data beside the usual ones.
pub(super) fn inquiry(cdb: &Cdb, device: &DeviceIdentity<'_>, pages: &[Page]) -> Result<Vec<u8>, Sense> {
    if cdb.bit::<1>(1) {
        return Err(Sense::invalid_bit(1, 1)); // CMDDT, obsolete
    }
    let page = cdb.byte::<2>();
    let data = match (cdb.bit::<1>(0), page) {
        (true, page) => device.vpd_with(page, pages).ok_or(Sense::invalid_byte(2))?,
        (false, 0) => device.profile.inquiry(),
        (false, _) => return Err(Sense::invalid_byte(2)),
    };
    Ok(cdb.cut(data, cdb.u16::<3>()))
}

/// REQUEST SENSE (SPC-4 6.38). Sense goes back with the command it belongs to, so `current` is only the state the device
/// is in.
pub(super) fn request_sense(cdb: &Cdb, current: Sense) -> Result<Vec<u8>, Sense> {
    if cdb.bit::<1>(0) {
        return Err(Sense::invalid_bit(1, 0)); // DESC: only the fixed format
    }
    Ok(cdb.cut(current.to_bytes().to_vec(), cdb.byte::<4>()))
}

/// REPORT LUNS (SPC-4 6.33): logical unit 0 and no other.
pub(super) fn report_luns(cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    let luns: u32 = match cdb.byte::<2>() {
        0 | 2 => 1,
        1 => 0, // only well known logical units
        _ => return Err(Sense::invalid_byte(2)),
    };
    let mut data = (8 * luns).to_be_bytes().to_vec();
    data.extend(std::iter::repeat_n(0, if luns == 0 { 4 } else { 12 }));
    Ok(cdb.cut(data, cdb.u32::<6>()))
}

/// PREVENT ALLOW MEDIUM REMOVAL (SPC-4 6.17): whether removal is to be prevented.
pub(super) fn prevent(cdb: &Cdb) -> Result<bool, Sense> {
    match cdb.byte::<4>() & 0x03 {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Sense::invalid_bit(4, 1)),
    }
}
