//! MODE SENSE(6) and (10) (SPC-4 6.13, 6.14): which pages were asked for, and the answer around them. And MODE SELECT of pages
//! that cannot be changed.
//!
//! Must not know what a page holds.

use super::cdb::{Cdb, MODE_SENSE_6};
use super::identity;
use super::sense::Sense;

/// All pages.
const ALL_PAGES: u8 = 0x3f;
/// No page: header and block descriptor alone.
const NO_PAGE: u8 = 0x00;

/// A mode page as it is: code, length and parameters. All are unchangeable.
pub(super) struct Page {
    pub(super) code: u8,
    pub(super) parameters: Vec<u8>,
}

/// A device's own pages, and those of its profile, in ascending order of code.
pub(super) fn with_further(own: impl IntoIterator<Item = Page>, further: &[identity::Page]) -> Vec<Page> {
    let further = further.iter().map(|page| Page { code: page.code, parameters: page.bytes.clone() });
    let mut pages: Vec<Page> = own.into_iter().chain(further).collect();
    pages.sort_by_key(|page| page.code);
    pages
}

/// What precedes the pages.
pub(super) struct Header<'a> {
    pub(super) medium_type: u8,
    pub(super) device_specific: u8,
    /// Left out when the CDB says DBD.
    pub(super) block_descriptor: &'a [u8],
}

/// Answers MODE SENSE from the device's pages, which are in ascending order of code.
pub(super) fn sense(cdb: &Cdb, header: &Header<'_>, pages: &[Page]) -> Result<Vec<u8>, Sense> {
    let control = cdb.byte::<2>() >> 6;
    if control == 3 {
        return Err(Sense::SAVING_NOT_SUPPORTED);
    }
    let (code, subpage) = (cdb.byte::<2>() & 0x3f, cdb.byte::<3>());
    let wanted: Vec<&Page> = pages.iter().filter(|page| code == ALL_PAGES || code == page.code).collect();
    if wanted.is_empty() && code != NO_PAGE {
        return Err(Sense::invalid_bit(2, 5));
    }
    if subpage != 0 && !(code == ALL_PAGES && subpage == 0xff) {
        return Err(Sense::invalid_byte(3));
    }
    let mut body = if cdb.bit::<1>(3) { Vec::new() } else { header.block_descriptor.to_vec() };
    let descriptor_bytes = body.len();
    for page in wanted {
        body.extend([page.code, u8::try_from(page.parameters.len()).unwrap_or(u8::MAX)]);
        match control {
            1 => body.extend(std::iter::repeat_n(0, page.parameters.len())),
            _ => body.extend(&page.parameters),
        }
    }
    Ok(with_header(cdb, header, descriptor_bytes, &body))
}

/// Holds the pages of a MODE SELECT's parameter list, which begin at `at`, to what they say already: nothing can be changed.
pub(super) fn check_unchanged(pages: &[Page], list: &[u8], mut at: usize) -> Result<(), Sense> {
    const PAGES_SAVEABLE: u8 = 0x80;
    let invalid_at = |at: usize| Sense::invalid_parameter(u16::try_from(at).unwrap_or(u16::MAX));
    while let Some(&code) = list.get(at) {
        let page =
            pages.iter().find(|page| page.code == code & !PAGES_SAVEABLE).ok_or_else(|| invalid_at(at))?;
        let length = *list.get(at + 1).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
        if usize::from(length) != page.parameters.len() {
            return Err(invalid_at(at + 1));
        }
        let begin = at + 2;
        at = begin + page.parameters.len();
        let given = list.get(begin..at).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
        if let Some(changed) = given.iter().zip(&page.parameters).position(|(given, kept)| given != kept) {
            return Err(invalid_at(begin + changed));
        }
    }
    Ok(())
}

fn with_header(cdb: &Cdb, header: &Header<'_>, descriptor_bytes: usize, body: &[u8]) -> Vec<u8> {
    let short = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let long = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    let (medium_type, device_specific) = (header.medium_type, header.device_specific);
    let mut data = Vec::new();
    if cdb.opcode() == MODE_SENSE_6 {
        data.extend([short(3 + body.len()), medium_type, device_specific, short(descriptor_bytes)]);
        data.extend(body);
        return cdb.cut(data, cdb.byte::<4>());
    }
    data.extend(long(6 + body.len()));
    data.extend([medium_type, device_specific, 0, 0]);
    data.extend(long(descriptor_bytes));
    data.extend(body);
    cdb.cut(data, cdb.u16::<7>())
}
