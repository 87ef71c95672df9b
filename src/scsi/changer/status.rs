//! READ ELEMENT STATUS (SMC-3 6.11): the inventory of the robot, to the byte.
//!
//! Clients trip over every byte of this answer, so: pages in ascending order of address, none for a type without
//! elements; counts and byte totals describe the whole request and are not reduced when the allocation length is too
//! small; only whole descriptors are sent, and a page header only with a descriptor behind it.

use super::Request;
use crate::scsi::cdb::Cdb;
use crate::scsi::commands::Handled;
use crate::scsi::identity::{
    CODE_SET_ASCII, DESIGNATOR_T10_VENDOR, DESIGNATOR_VENDOR_SPECIFIC, t10_designator,
};
use crate::scsi::personality::{DriveIdentifier, Personality};
use crate::scsi::sense::Sense;
use crate::vtl::barcode::Barcode;
use crate::vtl::element::ElementKind;
use crate::vtl::generation::Generation;
use crate::vtl::loader::Element;

const HEADER_BYTES: usize = 8;
const PAGE_HEADER_BYTES: usize = 8;
/// Up to and with the source address.
const DESCRIPTOR_BYTES: usize = 12;
const VOLUME_TAG_BYTES: usize = 36;
/// Code set, type and length of the device identifier: there even when no identifier is.
const IDENTIFIER_HEADER_BYTES: usize = 4;
/// Vendor, product and serial number.
const T10_IDENTIFIER_BYTES: usize = 34;

const FULL: u8 = 0x01;
const BY_OPERATOR: u8 = 0x02;
const EXCEPTION: u8 = 0x04;
const ACCESS: u8 = 0x08;
const EXPORT_ENABLED: u8 = 0x10;
const IMPORT_ENABLED: u8 = 0x20;
const SOURCE_VALID: u8 = 0x80;
/// Medium types (SMC-3 table 29); 0 where there is no tape.
const DATA: u8 = 0x01;
const CLEANING: u8 = 0x02;
const WORM: u8 = 0x04;

/// What the CDB asks for.
pub(super) struct Wanted<'a> {
    personality: &'a Personality,
    kind: Option<ElementKind>,
    pub(super) start: u16,
    count: u16,
    volume_tags: bool,
    identifiers: bool,
}

/// What answers it.
pub(super) struct Report {
    pub(super) data: Vec<u8>,
    /// How many descriptors are in it.
    pub(super) descriptors: usize,
}

/// READ ELEMENT STATUS. CURDATA asks for an answer without motion, which every answer is.
pub(super) fn read_element_status(request: &mut Request<'_>) -> Handled {
    let (loader, cdb) = (request.loader, request.cdb);
    let wanted = Wanted::new(request.personality, cdb)?;
    let elements = loader.elements().elements;
    if elements.last().is_none_or(|last| wanted.start > last.address) {
        return Err(Sense::INVALID_ELEMENT.at_byte(2));
    }
    let chosen = wanted.choose(&elements);
    Ok(Ok(encode(&wanted, &chosen, cdb.room(cdb.u24::<7>())).data).into())
}

/// ELEMENT TYPE CODE of byte 1; none for all types.
pub(super) fn element_kind(cdb: &Cdb) -> Result<Option<ElementKind>, Sense> {
    match cdb.byte::<1>() & 0x0f {
        0 => Ok(None),
        1 => Ok(Some(ElementKind::Transport)),
        2 => Ok(Some(ElementKind::Storage)),
        3 => Ok(Some(ElementKind::ImportExport)),
        4 => Ok(Some(ElementKind::DataTransfer)),
        _ => Err(Sense::invalid_bit(1, 3)),
    }
}

impl<'a> Wanted<'a> {
    fn new(personality: &'a Personality, cdb: &Cdb) -> Result<Self, Sense> {
        Ok(Self {
            personality,
            kind: element_kind(cdb)?,
            start: cdb.u16::<2>(),
            count: cdb.u16::<4>(),
            volume_tags: cdb.bit::<1>(4),
            identifiers: cdb.bit::<6>(0),
        })
    }

    /// As REQUEST VOLUME ELEMENT ADDRESS asks, which has no DVCID.
    pub(super) fn of_volume_elements(personality: &'a Personality, cdb: &Cdb) -> Result<Self, Sense> {
        Ok(Self { identifiers: false, ..Self::new(personality, cdb)? })
    }

    /// Of elements in ascending order of address, those that are asked for.
    pub(super) fn choose<'e>(&self, elements: impl IntoIterator<Item = &'e Element>) -> Vec<&'e Element> {
        elements
            .into_iter()
            .filter(|element| {
                self.kind.is_none_or(|kind| kind == element.kind) && element.address >= self.start
            })
            .take(self.count.into())
            .collect()
    }

    fn identifier_bytes(&self) -> usize {
        match self.personality.changer.drive_identifier {
            DriveIdentifier::VendorProductSerial => T10_IDENTIFIER_BYTES,
            DriveIdentifier::Serial { characters } => characters.into(),
        }
    }

    /// The identifier of the drive with this serial number, and its header.
    fn identifier(&self, serial: &str) -> Vec<u8> {
        let (designator, mut identifier) = match self.personality.changer.drive_identifier {
            DriveIdentifier::VendorProductSerial => {
                let product = &self.personality.drive.device.product;
                (DESIGNATOR_T10_VENDOR, t10_designator(product, serial).to_vec())
            }
            DriveIdentifier::Serial { .. } => (DESIGNATOR_VENDOR_SPECIFIC, serial.as_bytes().to_vec()),
        };
        let length = self.identifier_bytes();
        identifier.resize(length, b' ');
        let mut data = vec![CODE_SET_ASCII, designator, 0, u8::try_from(length).unwrap_or(u8::MAX)];
        data.extend(identifier);
        data
    }

    fn descriptor_bytes(&self, kind: ElementKind) -> usize {
        DESCRIPTOR_BYTES
            + if self.volume_tags { VOLUME_TAG_BYTES } else { 0 }
            + IDENTIFIER_HEADER_BYTES
            + if self.identifiers && kind == ElementKind::DataTransfer { self.identifier_bytes() } else { 0 }
    }
}

/// `chosen` in ascending order of address, in at most `room` bytes.
pub(super) fn encode(request: &Wanted<'_>, chosen: &[&Element], room: usize) -> Report {
    let mut descriptors = 0;
    let pages: Vec<&[&Element]> = chosen.chunk_by(|a, b| a.kind == b.kind).collect();
    let total = pages.iter().map(|page| PAGE_HEADER_BYTES + page_bytes(request, page)).sum::<usize>();
    let mut data = Vec::with_capacity(room.min(HEADER_BYTES + total));
    data.extend(chosen.first().map_or(0, |first| first.address).to_be_bytes());
    data.extend(u16::try_from(chosen.len()).unwrap_or(u16::MAX).to_be_bytes());
    data.push(0);
    data.extend(three_bytes(total));
    data.truncate(room);
    for page in pages {
        let appended = append_page(request, page, room, &mut data);
        descriptors += appended;
        if appended < page.len() {
            break;
        }
    }
    Report { data, descriptors }
}

/// Appends a page as far as whole descriptors fit, and gives their number.
fn append_page(request: &Wanted<'_>, page: &[&Element], room: usize, data: &mut Vec<u8>) -> usize {
    let Some(kind) = page.first().map(|first| first.kind) else { return 0 };
    let descriptor_bytes = request.descriptor_bytes(kind);
    let fitting = room.saturating_sub(data.len() + PAGE_HEADER_BYTES) / descriptor_bytes;
    if fitting == 0 {
        return 0;
    }
    data.extend([kind as u8, if request.volume_tags { 0x80 } else { 0 }]);
    data.extend(u16::try_from(descriptor_bytes).unwrap_or(u16::MAX).to_be_bytes());
    data.push(0);
    data.extend(three_bytes(page_bytes(request, page)));
    for element in page.iter().take(fitting) {
        append_descriptor(request, element, data);
    }
    fitting.min(page.len())
}

fn append_descriptor(request: &Wanted<'_>, element: &Element, data: &mut Vec<u8>) {
    let full = element.tape.is_some();
    let end = data.len() + request.descriptor_bytes(element.kind);
    data.extend(element.address.to_be_bytes());
    data.extend([flags(element), 0]);
    // A tape that the drive did not take: MEDIA LOAD OR EJECT FAILED.
    data.extend(if element.fault.is_some() { [0x53, 0x00] } else { [0, 0] });
    data.extend([0, 0, 0]);
    let source = element.source.filter(|_| full);
    let medium = element.tape.as_ref().map_or(0, medium_type);
    data.push(medium | if source.is_some() { SOURCE_VALID } else { 0 });
    data.extend(source.unwrap_or(0).to_be_bytes());
    if request.volume_tags {
        data.extend(volume_tag(element));
    }
    if let Some(serial) = element.drive_serial.as_ref().filter(|_| request.identifiers) {
        data.extend(request.identifier(serial));
    }
    // Zeros where there is no identifier: every descriptor of a page has the length that the page states.
    data.resize(end, 0);
}

/// What a robot knows of a cartridge is its label: cleaning cartridges begin with CLN, WORM ones end with the identifier of
/// their generation.
fn medium_type(barcode: &Barcode) -> u8 {
    let text = barcode.as_str();
    let is_worm =
        || Generation::ALL.into_iter().any(|generation| text.ends_with(generation.worm_identifier()));
    match text {
        _ if text.starts_with("CLN") => CLEANING,
        _ if is_worm() => WORM,
        _ => DATA,
    }
}

fn flags(element: &Element) -> u8 {
    let of_any =
        if element.tape.is_some() { FULL } else { 0 } | if element.fault.is_some() { EXCEPTION } else { 0 };
    let access = if element.access { ACCESS } else { 0 };
    let of_kind = match element.kind {
        ElementKind::Transport => 0,
        ElementKind::Storage | ElementKind::DataTransfer => access,
        ElementKind::ImportExport => {
            access | EXPORT_ENABLED | IMPORT_ENABLED | if element.by_operator { BY_OPERATOR } else { 0 }
        }
    };
    of_any | of_kind
}

/// The barcode in 32 characters, blanks behind it; all zero when there is no tape.
fn volume_tag(element: &Element) -> [u8; VOLUME_TAG_BYTES] {
    let mut tag = [0; VOLUME_TAG_BYTES];
    if let Some(barcode) = &element.tape {
        tag[..32].fill(b' ');
        for (field, character) in tag[..32].iter_mut().zip(barcode.as_str().bytes()) {
            *field = character;
        }
    }
    tag
}

fn page_bytes(request: &Wanted<'_>, page: &[&Element]) -> usize {
    page.first().map_or(0, |first| request.descriptor_bytes(first.kind) * page.len())
}

fn three_bytes(length: usize) -> [u8; 3] {
    let [_, high, middle, low] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [high, middle, low]
}
