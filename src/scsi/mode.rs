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
/// In the first byte of a page: the page has a subpage and a long length; and its code.
const HAS_SUBPAGE: u8 = 0x40;
const CODE: u8 = 0x3f;
/// All subpages.
const ALL_SUBPAGES: u8 = 0xff;

/// A mode page as it is.
pub(super) struct Page {
    pub(super) code: u8,
    /// 0 for a page without subpages.
    pub(super) subpage: u8,
    /// What stands behind code and length.
    pub(super) parameters: Vec<u8>,
    /// The bits of it that MODE SELECT may change; missing ones are not.
    pub(super) changeable: Vec<u8>,
    /// What it is when nobody has changed it; missing bytes are what they are.
    pub(super) defaults: Vec<u8>,
}

impl Page {
    /// A page that nobody can change.
    pub(super) fn fixed(code: u8, parameters: Vec<u8>) -> Self {
        Self { code, subpage: 0, parameters, changeable: Vec::new(), defaults: Vec::new() }
    }

    /// How many bytes its code and length take.
    fn header_bytes(&self) -> usize {
        if self.subpage == 0 { 2 } else { 4 }
    }

    /// The bits of parameter byte `at` that can be changed.
    fn mask(&self, at: usize) -> u8 {
        self.changeable.get(at).copied().unwrap_or(0)
    }

    /// The page as the page control field of MODE SENSE asks for it.
    fn encode(&self, control: u8) -> Vec<u8> {
        const CHANGEABLE: u8 = 1;
        const DEFAULT: u8 = 2;
        let length = self.parameters.len();
        let mut bytes = if self.subpage == 0 {
            vec![self.code, u8::try_from(length).unwrap_or(u8::MAX)]
        } else {
            let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
            vec![HAS_SUBPAGE | self.code, self.subpage, high, low]
        };
        bytes.extend((0..).zip(&self.parameters).map(|(at, current)| match control {
            CHANGEABLE => self.mask(at),
            DEFAULT => self.defaults.get(at).copied().unwrap_or(*current),
            _ => *current,
        }));
        bytes
    }
}

/// A device's own pages, and those of its profile, in ascending order of code.
pub(super) fn with_further(own: impl IntoIterator<Item = Page>, further: &[identity::Page]) -> Vec<Page> {
    let further = further.iter().map(|page| Page::fixed(page.code, page.bytes.clone()));
    let mut pages: Vec<Page> = own.into_iter().chain(further).collect();
    pages.sort_by_key(|page| (page.code, page.subpage));
    pages
}

/// What precedes the pages.
pub(super) struct Header<'a> {
    pub(super) medium_type: u8,
    pub(super) device_specific: u8,
    /// Left out when the CDB says DBD.
    pub(super) block_descriptor: &'a [u8],
}

/// Answers MODE SENSE from the device's pages, which are in ascending order of code and subpage.
pub(super) fn sense(cdb: &Cdb, header: &Header<'_>, pages: &[Page]) -> Result<Vec<u8>, Sense> {
    const SAVED: u8 = 3;
    let control = cdb.byte::<2>() >> 6;
    if control == SAVED {
        return Err(Sense::SAVING_NOT_SUPPORTED.at_byte(2));
    }
    let wanted = wanted(cdb.byte::<2>() & 0x3f, cdb.byte::<3>(), pages)?;
    let mut body = if cdb.bit::<1>(3) { Vec::new() } else { header.block_descriptor.to_vec() };
    let descriptor_bytes = body.len();
    body.extend(wanted.iter().flat_map(|page| page.encode(control)));
    Ok(with_header(cdb, header, descriptor_bytes, &body))
}

fn wanted(code: u8, subpage: u8, pages: &[Page]) -> Result<Vec<&Page>, Sense> {
    let is_code = |page: &Page| code == ALL_PAGES || code == page.code;
    if code == ALL_PAGES && !matches!(subpage, 0 | ALL_SUBPAGES) || code == NO_PAGE && subpage != 0 {
        return Err(Sense::invalid_byte(3));
    }
    if code != NO_PAGE && !pages.iter().any(is_code) {
        return Err(Sense::invalid_bit(2, 5));
    }
    let is_subpage = |page: &Page| subpage == ALL_SUBPAGES || subpage == page.subpage;
    let wanted: Vec<&Page> = pages.iter().filter(|page| is_code(page) && is_subpage(page)).collect();
    if wanted.is_empty() && code != NO_PAGE { Err(Sense::invalid_byte(3)) } else { Ok(wanted) }
}

/// A page in the parameter list of a MODE SELECT.
pub(super) struct Given<'a> {
    pub(super) code: u8,
    pub(super) subpage: u8,
    pub(super) parameters: &'a [u8],
}

/// The pages of a MODE SELECT's parameter list, which begin at `at`. Each must be one of `known`, and say what that says wherever
/// it cannot be changed. None if the list ends within a page.
pub(super) fn given<'a>(
    known: &[Page],
    list: &'a [u8],
    mut at: usize,
) -> Result<Option<Vec<Given<'a>>>, Sense> {
    let invalid_at = |at: usize| Sense::invalid_parameter(u16::try_from(at).unwrap_or(u16::MAX));
    let mut pages = Vec::new();
    while let Some(&code) = list.get(at) {
        let (subpage, length, length_at) = if code & HAS_SUBPAGE == 0 {
            let Some(length) = list.get(at + 1) else { return Ok(None) };
            (0, usize::from(*length), at + 1)
        } else {
            let Some(&[subpage, high, low]) = list.get(at + 1..at + 4) else { return Ok(None) };
            (subpage, usize::from(u16::from_be_bytes([high, low])), at + 2)
        };
        let (has_subpage, code) = (code & HAS_SUBPAGE != 0, code & CODE);
        if !known.iter().any(|page| page.code == code && (page.subpage != 0) == has_subpage) {
            return Err(invalid_at(at));
        }
        let is_this = |page: &&Page| page.code == code && page.subpage == subpage;
        let page = known.iter().find(is_this).ok_or_else(|| invalid_at(at + 1))?;
        if length != page.parameters.len() {
            return Err(invalid_at(length_at));
        }
        let begin = at + page.header_bytes();
        at = begin + length;
        let Some(parameters) = list.get(begin..at) else { return Ok(None) };
        let is_wrong = |(place, (given, kept)): (usize, (&u8, &u8))| (given ^ kept) & !page.mask(place) != 0;
        if let Some(changed) = parameters.iter().zip(&page.parameters).enumerate().position(is_wrong) {
            return Err(invalid_at(begin + changed));
        }
        pages.push(Given { code, subpage, parameters });
    }
    Ok(Some(pages))
}

/// Holds the pages of a MODE SELECT's parameter list to what they say already, for a device of which nothing can be changed.
pub(super) fn check_unchanged(pages: &[Page], list: &[u8], at: usize) -> Result<(), Sense> {
    given(pages, list, at)?.map(drop).ok_or(Sense::PARAMETER_LIST_LENGTH)
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
