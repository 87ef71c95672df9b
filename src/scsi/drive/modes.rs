//! The drive's mode pages (SSC-3 8.3, SPC-4 7.5), MODE SENSE and MODE SELECT.
//!
//! An initiator can set the length of fixed blocks, whether writes are buffered and where the programmable early warning is.
//! Everything else is as it is: a page that would change it is refused, so that nobody believes a setting that is not one.
//! Must not know what follows from a setting.

use super::{Handled, Request, densities};
use crate::scsi::cdb::MODE_SELECT_6;
use crate::scsi::density::Density;
use crate::scsi::mode::{self, Given, Header, Page};
use crate::scsi::outcome::Outcome;
use crate::scsi::personality::DrivePersonality;
use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::{DriveSettings, Medium, TapeDrive};

const WRITE_PROTECTED: u8 = 0x80;
const BUFFERED_MODE: u8 = 0x10;
const BUFFERED_MODE_MASK: u8 = 0x70;
const SPEED_MASK: u8 = 0x0f;

const ERROR_RECOVERY: u8 = 0x01;
const DISCONNECT_RECONNECT: u8 = 0x02;
const DATA_COMPRESSION: u8 = 0x0f;
const UNREGISTERED_ALGORITHM: u8 = 0xff;
const DEVICE_CONFIGURATION: u8 = 0x10;
const DEVICE_CONFIGURATION_EXTENSION: u8 = 0x01;
/// Where in that page's parameters the size of the programmable early warning zone stands.
const WARNING_AT: usize = 2;
const MEDIUM_PARTITION: u8 = 0x11;
const INFORMATIONAL_EXCEPTIONS: u8 = 0x1c;

const BLOCK_DESCRIPTOR_BYTES: usize = 8;

/// MODE SENSE(6) and (10).
pub(super) fn mode_sense(request: &mut Request<'_>) -> Handled {
    let drive = &mut *request.drive;
    let pages = pages(drive, request.personality);
    let density = densities::current(drive, request.personality);
    let descriptor = block_descriptor(drive, &density);
    let header = Header {
        medium_type: medium_type(drive, &density),
        device_specific: device_specific(drive),
        block_descriptor: &descriptor,
    };
    Ok(mode::sense(request.cdb, &header, &pages).into())
}

fn medium_type(drive: &mut dyn TapeDrive, density: &Density) -> u8 {
    drive.cartridge_memory().map_or(0, |memory| density.medium_type(memory.is_worm))
}

fn device_specific(drive: &mut dyn TapeDrive) -> u8 {
    let buffered = if drive.settings().is_buffered { BUFFERED_MODE } else { 0 };
    buffered | if drive.medium() == Medium::Ready && drive.write_protected() { WRITE_PROTECTED } else { 0 }
}

/// Density, and the length of the blocks that FIXED means.
fn block_descriptor(drive: &mut dyn TapeDrive, density: &Density) -> [u8; BLOCK_DESCRIPTOR_BYTES] {
    let [_, high, middle, low] = drive.settings().block_bytes.to_be_bytes();
    [density.code, 0, 0, 0, 0, high, middle, low]
}

fn pages(drive: &mut dyn TapeDrive, personality: &DrivePersonality) -> Vec<Page> {
    let own = [
        Page::fixed(ERROR_RECOVERY, vec![0; 10]),
        Page::fixed(DISCONNECT_RECONNECT, vec![0; 14]),
        data_compression(drive.compresses()),
        device_configuration(drive.compresses()),
        device_configuration_extension(drive.settings()),
        medium_partition(drive.capacity_bytes()),
        informational_exceptions(),
    ];
    mode::with_further(own, &personality.device.mode_pages)
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
    Page::fixed(DATA_COMPRESSION, parameters)
}

fn device_configuration(compresses: bool) -> Page {
    let mut parameters = vec![0; 14];
    parameters[6] = 0x40; // BIS: block identifiers, for LOCATE and READ POSITION
    parameters[8] = 0x18; // EEG and SEW: end of data is kept, early warning synchronises
    parameters[12] = u8::from(compresses); // SELECT DATA COMPRESSION ALGORITHM: the default one
    Page::fixed(DEVICE_CONFIGURATION, parameters)
}

/// Only the size of the zone before early warning (PEWS) can be set; there is none at first.
fn device_configuration_extension(settings: &DriveSettings) -> Page {
    let mut parameters = vec![0; 28];
    let (mut changeable, defaults) = (parameters.clone(), parameters.clone());
    parameters[WARNING_AT..WARNING_AT + 2]
        .copy_from_slice(&settings.programmable_warning_megabytes.to_be_bytes());
    changeable[WARNING_AT..WARNING_AT + 2].fill(0xff);
    Page {
        code: DEVICE_CONFIGURATION,
        subpage: DEVICE_CONFIGURATION_EXTENSION,
        parameters,
        changeable,
        defaults,
    }
}

/// One partition, its size in units of 10^9 bytes.
fn medium_partition(capacity_bytes: u64) -> Page {
    let mut parameters = vec![0; 8];
    parameters[2] = 0x18; // PSUM: sizes in units of 10^n bytes
    parameters[3] = 0x03; // format and partitions are recognised
    parameters[4] = 9; // n
    let size = u16::try_from(capacity_bytes / 1_000_000_000).unwrap_or(u16::MAX);
    parameters[6..8].copy_from_slice(&size.to_be_bytes());
    Page::fixed(MEDIUM_PARTITION, parameters)
}

/// No command ends otherwise because of an alert: they are in the TapeAlert log page.
fn informational_exceptions() -> Page {
    let mut parameters = vec![0; 10];
    parameters[0] = 0x08; // DEXCPT
    Page::fixed(INFORMATIONAL_EXCEPTIONS, parameters)
}

/// What a MODE SELECT may set.
struct Wanted {
    block_bytes: Option<u32>,
    is_buffered: bool,
    programmable_warning_megabytes: Option<u16>,
}

/// MODE SELECT(6) and (10) (SPC-4 6.11, 6.12). All of it is checked before anything is set.
pub(super) fn mode_select(request: &mut Request<'_>) -> Handled {
    let cdb = request.cdb;
    if cdb.bit::<1>(0) {
        return Err(Sense::invalid_bit(1, 0)); // SP: nothing is saved
    }
    let is_short = cdb.opcode() == MODE_SELECT_6;
    let length = if is_short { u16::from(cdb.byte::<4>()) } else { cdb.u16::<7>() };
    if length == 0 {
        return Ok(Outcome::taken(0));
    }
    let wrong_length = Sense::PARAMETER_LIST_LENGTH.at_byte(if is_short { 4 } else { 7 });
    let list = request.data_out.get(..usize::from(length)).ok_or(wrong_length)?;
    let wanted = check_list(request, list, is_short)?.ok_or(wrong_length)?;
    let settings = request.drive.settings();
    settings.is_buffered = wanted.is_buffered;
    settings.block_bytes = wanted.block_bytes.unwrap_or(settings.block_bytes);
    if let Some(megabytes) = wanted.programmable_warning_megabytes {
        settings.programmable_warning_megabytes = megabytes;
        settings.programmable_warning_given = None;
    }
    Ok(Outcome::taken(u32::from(length)))
}

/// The mode parameter header, then at most one block descriptor, then pages. None if the list ends within one of these.
fn check_list(request: &mut Request<'_>, list: &[u8], is_short: bool) -> Result<Option<Wanted>, Sense> {
    let header_bytes = if is_short { 4 } else { 8 };
    let Some(header) = list.get(..header_bytes) else { return Ok(None) };
    let (device_specific, device_specific_at) = if is_short { (header[2], 2) } else { (header[3], 3) };
    let descriptor_bytes = if is_short {
        usize::from(header[3])
    } else {
        usize::from(u16::from_be_bytes([header[6], header[7]]))
    };
    if device_specific & SPEED_MASK != 0 || device_specific & BUFFERED_MODE_MASK > BUFFERED_MODE {
        return Err(Sense::invalid_parameter(device_specific_at));
    }
    if !matches!(descriptor_bytes, 0 | BLOCK_DESCRIPTOR_BYTES) {
        return Err(Sense::invalid_parameter(if is_short { 3 } else { 6 }));
    }
    let pages_at = header_bytes + descriptor_bytes;
    let Some(descriptor) = list.get(header_bytes..pages_at) else { return Ok(None) };
    let density = densities::current(request.drive, request.personality);
    let block_bytes = check_descriptor(request.drive, &density, descriptor, header_bytes)?;
    let known = pages(request.drive, request.personality);
    let is_buffered = device_specific & BUFFERED_MODE_MASK != 0;
    let given = mode::given(&known, list, pages_at)?;
    Ok(given.map(|given| Wanted {
        block_bytes,
        is_buffered,
        programmable_warning_megabytes: given.iter().find_map(programmable_warning),
    }))
}

/// The density can only be what it is; the length of blocks anything that a record can have, or 0.
fn check_descriptor(
    drive: &mut dyn TapeDrive,
    current: &Density,
    descriptor: &[u8],
    at: usize,
) -> Result<Option<u32>, Sense> {
    let &[density, count_high, count_middle, count_low, _, high, middle, low] = descriptor else {
        return Ok(None);
    };
    if !densities::may_name(density, current) {
        return Err(invalid_at(at));
    }
    if [count_high, count_middle, count_low] != [0; 3] {
        return Err(invalid_at(at + 1)); // NUMBER OF BLOCKS: all of them
    }
    let block_bytes = u32::from_be_bytes([0, high, middle, low]);
    if block_bytes > drive.record_limits().maximum_bytes {
        return Err(invalid_at(at + 5));
    }
    Ok(Some(block_bytes))
}

/// The size of the programmable early warning zone, if this page has it.
fn programmable_warning(page: &Given<'_>) -> Option<u16> {
    let is_this = (page.code, page.subpage) == (DEVICE_CONFIGURATION, DEVICE_CONFIGURATION_EXTENSION);
    match page.parameters.get(WARNING_AT..WARNING_AT + 2) {
        Some(&[high, low]) if is_this => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

fn invalid_at(at: usize) -> Sense {
    Sense::invalid_parameter(u16::try_from(at).unwrap_or(u16::MAX))
}
