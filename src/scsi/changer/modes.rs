//! The robot's mode pages (SMC-3 7.3), MODE SENSE and MODE SELECT: element addresses, transport geometry, device
//! capabilities, informational exceptions.
//!
//! Nothing can be changed: a page that would change something is refused, so that nobody believes a setting that is not one.

use super::Request;
use crate::scsi::cdb::MODE_SELECT_6;
use crate::scsi::commands::Handled;
use crate::scsi::mode::{self, Header, Page};
use crate::scsi::outcome::Outcome;
use crate::scsi::personality::ChangerPersonality;
use crate::scsi::sense::Sense;
use crate::vtl::loader::Loader;

const INFORMATIONAL_EXCEPTIONS: u8 = 0x1c;
const ELEMENT_ADDRESS_ASSIGNMENT: u8 = 0x1d;
const TRANSPORT_GEOMETRY: u8 = 0x1e;
const DEVICE_CAPABILITIES: u8 = 0x1f;

/// Bits of the device capabilities: storage, import/export and data transfer elements.
const STORAGE: u8 = 0x02;
const IMPORT_EXPORT: u8 = 0x04;
const DATA_TRANSFER: u8 = 0x08;

/// MODE SENSE(6) and (10). A changer has no block descriptor.
pub(super) fn mode_sense(request: &mut Request<'_>) -> Handled {
    let header = Header { medium_type: 0, device_specific: 0, block_descriptor: &[] };
    Ok(mode::sense(request.cdb, &header, &pages(request.loader, &request.personality.changer)).into())
}

fn pages(loader: &Loader, personality: &ChangerPersonality) -> Vec<Page> {
    let own = [
        informational_exceptions(),
        addresses(loader),
        geometry(),
        capabilities(loader, personality.has_exchange),
    ];
    mode::with_further(own, &personality.device.mode_pages)
}

/// MODE SELECT(6) and (10) (SPC-4 6.11, 6.12): what MODE SENSE gave is taken back, and nothing else.
pub(super) fn mode_select(request: &mut Request<'_>) -> Handled {
    let cdb = request.cdb;
    let is_short = cdb.opcode() == MODE_SELECT_6;
    let length = if is_short { u16::from(cdb.byte::<4>()) } else { cdb.u16::<7>() };
    if length == 0 {
        return Ok(Outcome::taken(0));
    }
    let list = request.data_out.get(..usize::from(length)).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    // Medium type, device-specific parameter and the length of block descriptors: all 0. The data length before them
    // is of no account in a list that is sent.
    let (header_bytes, fields) = if is_short { (4, 1..4) } else { (8, 2..8) };
    let header = list.get(..header_bytes).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    if let Some(at) = fields.into_iter().find(|at| header.get(*at).is_some_and(|byte| *byte != 0)) {
        return Err(Sense::invalid_parameter(u16::try_from(at).unwrap_or(u16::MAX)));
    }
    mode::check_unchanged(&pages(request.loader, &request.personality.changer), list, header_bytes)?;
    Ok(Outcome::taken(length.into()))
}

/// No command ends otherwise because of an alert: they are in the TapeAlert log page.
fn informational_exceptions() -> Page {
    let mut parameters = vec![0; 10];
    parameters[0] = 0x08; // DEXCPT
    Page { code: INFORMATIONAL_EXCEPTIONS, parameters }
}

fn addresses(loader: &Loader) -> Page {
    let (layout, counts) = (loader.settings().layout, loader.counts());
    let fields = [
        layout.transport,
        1,
        layout.slots,
        counts.slots,
        layout.mail_slots,
        counts.mail_slots,
        layout.drives,
        counts.drives,
        0,
    ];
    Page {
        code: ELEMENT_ADDRESS_ASSIGNMENT,
        parameters: fields.iter().flat_map(|field| field.to_be_bytes()).collect(),
    }
}

/// One transport element that cannot turn a tape over.
fn geometry() -> Page {
    Page { code: TRANSPORT_GEOMETRY, parameters: vec![0, 0] }
}

/// Tapes stay, move and are exchanged everywhere but in the hand.
fn capabilities(loader: &Loader, has_exchange: bool) -> Page {
    let mut places = STORAGE;
    if loader.counts().mail_slots > 0 {
        places |= IMPORT_EXPORT;
    }
    if loader.counts().drives > 0 {
        places |= DATA_TRANSFER;
    }
    let from = |kind: u8| if places & kind == 0 { 0 } else { places };
    let each = [0, from(STORAGE), from(IMPORT_EXPORT), from(DATA_TRANSFER)];
    let mut parameters = vec![0; 18];
    parameters[0] = places;
    parameters[2..6].copy_from_slice(&each);
    if has_exchange {
        parameters[10..14].copy_from_slice(&each);
    }
    Page { code: DEVICE_CAPABILITIES, parameters }
}
