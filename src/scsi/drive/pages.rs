//! The drive's mode pages (SSC-3 8.3) and log pages (SSC-3 8.2): a variable block length, the compression that the
//! drive is set to, all well.

use crate::scsi::cdb::Cdb;
use crate::scsi::mode::{self, Header, Page};
use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::{Medium, TapeDrive};

/// Density code and medium type of LTO-8.
const DENSITY_LTO8: u8 = 0x5e;
const MEDIUM_TYPE_LTO8: u8 = 0x88;
const WRITE_PROTECTED: u8 = 0x80;
const BUFFERED_MODE: u8 = 0x10;

const DATA_COMPRESSION: u8 = 0x0f;
const UNREGISTERED_ALGORITHM: u8 = 0xff;
const DEVICE_CONFIGURATION: u8 = 0x10;

const LOG_SUPPORTED_PAGES: u8 = 0x00;
const LOG_TAPE_ALERT: u8 = 0x2e;
/// TapeAlert flags, numbered from 1.
const TAPE_ALERT_FLAGS: u8 = 64;
/// Parameter control byte: a binary list parameter.
const BINARY_LIST: u8 = 0x03;

/// MODE SENSE(6) and (10). Block length 0 in the descriptor: records have any length.
pub(super) fn mode_sense(drive: &mut dyn TapeDrive, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    let loaded = drive.medium() == Medium::Ready;
    let header = Header {
        medium_type: if loaded { MEDIUM_TYPE_LTO8 } else { 0 },
        device_specific: BUFFERED_MODE | if drive.write_protected() { WRITE_PROTECTED } else { 0 },
        block_descriptor: &[DENSITY_LTO8, 0, 0, 0, 0, 0, 0, 0],
    };
    mode::sense(cdb, &header, &[data_compression(drive.compresses()), device_configuration()])
}

/// Whether data is compressed is the configuration's to say; then both ways, by an algorithm that SCSI has no number of.
fn data_compression(compresses: bool) -> Page {
    let mut parameters = vec![0; 14];
    if compresses {
        parameters[0] = 0xc0; // DCE and DCC: enabled and capable
        parameters[1] = 0x80; // DDE: what is read is decompressed
        parameters[5] = UNREGISTERED_ALGORITHM; // the last byte of the compression algorithm
        parameters[9] = UNREGISTERED_ALGORITHM; // and of the decompression algorithm
    }
    Page { code: DATA_COMPRESSION, parameters }
}

fn device_configuration() -> Page {
    let mut parameters = vec![0; 14];
    parameters[6] = 0x40; // BIS: block identifiers, for LOCATE and READ POSITION
    parameters[8] = 0x18; // EEG and SEW: end of data is kept, early warning synchronises
    Page { code: DEVICE_CONFIGURATION, parameters }
}

/// LOG SENSE (SPC-4 6.8): the list of pages, and TapeAlert with all flags clear.
pub(super) fn log_sense(cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    if cdb.bit::<1>(0) {
        return Err(Sense::invalid_bit(1, 0)); // SP: nothing is saved
    }
    if cdb.bit::<1>(1) {
        return Err(Sense::invalid_bit(1, 1)); // PPC, obsolete
    }
    if cdb.byte::<3>() != 0 {
        return Err(Sense::invalid_byte(3));
    }
    let page = cdb.byte::<2>() & 0x3f;
    let body: Vec<u8> = match page {
        LOG_SUPPORTED_PAGES => vec![LOG_SUPPORTED_PAGES, LOG_TAPE_ALERT],
        LOG_TAPE_ALERT => tape_alert(cdb.u16::<5>())?,
        _ => return Err(Sense::invalid_bit(2, 5)),
    };
    let mut data = vec![page, 0];
    data.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
    data.extend(body);
    Ok(cdb.cut(data, cdb.u16::<7>()))
}

/// The flags from number `first` on.
fn tape_alert(first: u16) -> Result<Vec<u8>, Sense> {
    if first > TAPE_ALERT_FLAGS.into() {
        return Err(Sense::invalid_byte(5));
    }
    let flags = (1..=TAPE_ALERT_FLAGS).filter(|flag| u16::from(*flag) >= first);
    Ok(flags.flat_map(|flag| [0, flag, BINARY_LIST, 1, 0]).collect())
}
