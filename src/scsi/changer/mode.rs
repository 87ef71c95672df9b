//! The changer's mode pages (SMC-3 7.3): element addresses, transport geometry, device capabilities.

use crate::scsi::cdb::Cdb;
use crate::scsi::mode::{self, Header, Page};
use crate::scsi::personality::ChangerPersonality;
use crate::scsi::sense::Sense;
use crate::vtl::loader::Loader;

const ELEMENT_ADDRESS_ASSIGNMENT: u8 = 0x1d;
const TRANSPORT_GEOMETRY: u8 = 0x1e;
const DEVICE_CAPABILITIES: u8 = 0x1f;

/// Bits of the device capabilities: storage, import/export and data transfer elements.
const STORAGE: u8 = 0x02;
const IMPORT_EXPORT: u8 = 0x04;
const DATA_TRANSFER: u8 = 0x08;

/// MODE SENSE(6) and (10). A changer has no block descriptor.
pub(super) fn sense(loader: &Loader, personality: &ChangerPersonality, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    let header = Header { medium_type: 0, device_specific: 0, block_descriptor: &[] };
    let own = [addresses(loader), geometry(), capabilities(loader)];
    mode::sense(cdb, &header, &mode::with_further(own, &personality.device.mode_pages))
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
    let parameters = fields.iter().flat_map(|field| field.to_be_bytes()).collect();
    Page::fixed(ELEMENT_ADDRESS_ASSIGNMENT, parameters)
}

/// One transport element that cannot turn a tape over.
fn geometry() -> Page {
    Page::fixed(TRANSPORT_GEOMETRY, vec![0, 0])
}

/// Tapes stay and move everywhere but in the hand; there is no EXCHANGE MEDIUM.
fn capabilities(loader: &Loader) -> Page {
    let mut places = STORAGE;
    if loader.counts().mail_slots > 0 {
        places |= IMPORT_EXPORT;
    }
    if loader.counts().drives > 0 {
        places |= DATA_TRANSFER;
    }
    let from = |kind: u8| if places & kind == 0 { 0 } else { places };
    let mut parameters = vec![0; 18];
    parameters[0] = places;
    parameters[3] = from(STORAGE);
    parameters[4] = from(IMPORT_EXPORT);
    parameters[5] = from(DATA_TRANSFER);
    Page::fixed(DEVICE_CAPABILITIES, parameters)
}
