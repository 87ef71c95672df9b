//! What a robot says is where: READ ELEMENT STATUS and mode page 1Dh (SMC-3 6.11, 7.3.4), taken apart.
//!
//! Robots differ: pages that end too early, descriptors of any length, barcodes with blanks or zeros behind them. What came is
//! taken as far as it goes; nothing is allocated but for what came. Must not know how it was asked.

use std::ops::RangeInclusive;

use super::inquiry::text;
use crate::vtl::element::ElementKind;

const HEADER_BYTES: usize = 8;
const PAGE_HEADER_BYTES: usize = 8;
/// Up to and with the source address.
const DESCRIPTOR_BYTES: usize = 12;
const VOLUME_TAG_BYTES: usize = 36;
/// Of which the text is so long; the rest is a sequence number.
const BARCODE_BYTES: usize = 32;

/// What a range of addresses is for, from mode page 1Dh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) kind: ElementKind,
    pub(super) first: u16,
    pub(super) count: u16,
}

impl Range {
    pub(super) fn addresses(&self) -> RangeInclusive<u16> {
        self.first..=self.first.saturating_add(self.count.saturating_sub(1))
    }
}

/// The elements that a library has, by mode page 1Dh in the answer to MODE SENSE(6); those of which it has none left out.
pub(super) fn parse_assignment(data: &[u8]) -> Option<Vec<Range>> {
    const PAGE: u8 = 0x1d;
    let descriptors = usize::from(*data.get(3)?);
    let mut rest = data.get(4 + descriptors..)?;
    while let [page, length, ..] = *rest {
        let content = rest.get(2..)?;
        if page & 0x3f == PAGE {
            return Some(ranges(content.first_chunk()?));
        }
        rest = content.get(usize::from(length)..)?;
    }
    None
}

fn ranges(page: &[u8; 16]) -> Vec<Range> {
    let field = |at: usize| u16::from_be_bytes([page[at], page[at + 1]]);
    let kinds =
        [ElementKind::Transport, ElementKind::Storage, ElementKind::ImportExport, ElementKind::DataTransfer];
    let all = kinds.into_iter().zip([0, 4, 8, 12]);
    all.map(|(kind, at)| Range { kind, first: field(at), count: field(at + 2) })
        .filter(|range| range.count > 0)
        .collect()
}

/// One element as the robot reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::physical) struct Report {
    pub(in crate::physical) address: u16,
    pub(super) is_full: bool,
    pub(super) is_accessible: bool,
    pub(super) exception: Option<(u8, u8)>,
    pub(super) source: Option<u16>,
    pub(super) barcode: Option<String>,
    /// The device identifier, if there is one.
    pub(in crate::physical) identifier: Option<Identifier>,
}

/// The device identifier of a drive in a robot's report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::physical) struct Identifier {
    text: String,
    /// What stands behind vendor and product, if it is made of these three.
    tail: Option<String>,
    /// The report ended within it: the end of the text is missing.
    is_cut: bool,
}

impl Identifier {
    /// Whether it is the drive with this serial number: the text is the number, or ends with it (behind vendor and product).
    pub(in crate::physical) fn is_of(&self, serial: &str) -> bool {
        let is_it = |text: &str| text == serial || text.rsplit(' ').next() == Some(serial);
        !self.is_cut && (is_it(&self.text) || self.tail.as_deref() == Some(serial))
    }

    /// Whether it may be, as far as it came.
    pub(in crate::physical) fn may_be_of(&self, serial: &str) -> bool {
        let begins = |text: &str| !text.is_empty() && serial.starts_with(text);
        self.is_of(serial) || (self.is_cut && begins(self.tail.as_ref().unwrap_or(&self.text)))
    }
}

/// Takes apart a report about elements of one kind. None if it is none.
pub(super) fn parse_reports(data: &[u8], kind: ElementKind) -> Option<Vec<Report>> {
    let (header, rest) = data.split_first_chunk::<HEADER_BYTES>()?;
    let mut pages = &rest[..rest.len().min(three_bytes(&header[5..8]))];
    let mut reports = Vec::new();
    while let Some((page, behind)) = pages.split_first_chunk::<PAGE_HEADER_BYTES>() {
        let descriptor_bytes = usize::from(u16::from_be_bytes([page[2], page[3]]));
        let (content, behind) = behind.split_at(behind.len().min(three_bytes(&page[5..8])));
        if page[0] & 0x0f == kind as u8 {
            if descriptor_bytes < DESCRIPTOR_BYTES {
                return None;
            }
            let descriptors = content.chunks(descriptor_bytes);
            reports.extend(descriptors.filter_map(|bytes| parse_report(bytes, descriptor_bytes, page[1])));
        }
        pages = behind;
    }
    Some(reports)
}

/// One descriptor, which should have `length` bytes. What is missing at its end is nothing.
fn parse_report(bytes: &[u8], length: usize, volume_tags: u8) -> Option<Report> {
    let fixed = bytes.first_chunk::<DESCRIPTOR_BYTES>()?;
    let flags = fixed[2];
    let mut report = Report {
        address: u16::from_be_bytes([fixed[0], fixed[1]]),
        is_full: flags & 0x01 != 0,
        is_accessible: flags & 0x08 != 0,
        exception: (flags & 0x04 != 0).then_some((fixed[4], fixed[5])),
        source: (fixed[9] & 0x80 != 0).then(|| u16::from_be_bytes([fixed[10], fixed[11]])),
        ..Report::default()
    };
    let mut at = DESCRIPTOR_BYTES;
    if volume_tags & 0x80 != 0 {
        let tag = bytes.get(at..(at + BARCODE_BYTES).min(bytes.len()));
        report.barcode = tag.map(text).filter(|text| !text.is_empty());
        at += VOLUME_TAG_BYTES;
    }
    if volume_tags & 0x40 != 0 {
        at += VOLUME_TAG_BYTES;
    }
    report.identifier = bytes.get(at..).and_then(|bytes| parse_identifier(bytes, length.saturating_sub(at)));
    Some(report)
}

fn parse_identifier(bytes: &[u8], length: usize) -> Option<Identifier> {
    const ASCII: u8 = 2;
    const UTF_8: u8 = 3;
    const T10_VENDOR: u8 = 1;
    /// Of vendor and product.
    const HEAD_BYTES: usize = 24;
    let (header, identifier) = bytes.split_first_chunk::<4>()?;
    let stated = usize::from(header[3]).min(length.saturating_sub(4));
    if stated == 0 || !matches!(header[0] & 0x0f, 0 | ASCII | UTF_8) {
        return None;
    }
    let came = &identifier[..identifier.len().min(stated)];
    let has_head = header[1] & 0x0f == T10_VENDOR && stated > HEAD_BYTES;
    let tail = has_head.then(|| text(came.get(HEAD_BYTES..).unwrap_or_default()));
    Some(Identifier { text: text(came), tail, is_cut: came.len() < stated })
}

fn three_bytes(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ASSIGNMENT: [u8; 24] =
        [23, 0, 0, 0, 0x1d, 18, 0, 1, 0, 1, 4, 0, 0, 8, 0, 16, 0, 0, 1, 0, 0, 2, 0, 0];

    /// A report of drives 256 and 257 with barcode and serial number, as a robot sends it.
    fn report() -> Vec<u8> {
        let mut data = vec![1, 0, 0, 2, 0, 0, 0, 8 + 2 * 62, 4, 0x80, 0, 62, 0, 0, 0, 2 * 62];
        for (address, barcode, serial) in [(0u8, "TST001L6", "DRV00001"), (1, "", "DRV00002")] {
            let full = !barcode.is_empty();
            data.extend([
                1,
                address,
                0x08 | u8::from(full),
                0,
                0,
                0,
                0,
                0,
                0,
                if full { 0x80 } else { 0 },
                4,
                3,
            ]);
            data.extend(format!("{barcode:\0<36}").bytes());
            data.extend([2, 0, 0, 10]);
            data.extend(format!("{serial:<10}").bytes());
        }
        data
    }

    #[test]
    fn what_a_robot_has_and_where() {
        let ranges = parse_assignment(&ASSIGNMENT).unwrap();
        let kinds: Vec<_> = ranges.iter().map(|range| (range.kind, range.addresses())).collect();
        let expected = [
            (ElementKind::Transport, 1..=1),
            (ElementKind::Storage, 1024..=1031),
            (ElementKind::DataTransfer, 256..=257),
        ];
        assert_eq!(kinds, expected);
        assert_eq!(parse_assignment(&ASSIGNMENT[..20]), None);
    }

    #[test]
    fn a_report_is_taken_as_far_as_it_goes() {
        let data = report();
        let reports = parse_reports(&data, ElementKind::DataTransfer).unwrap();
        assert_eq!(
            (reports[0].barcode.as_deref(), reports[0].source, reports[0].is_full),
            (Some("TST001L6"), Some(1027), true)
        );
        assert_eq!(
            (reports[1].barcode.as_deref(), reports[1].source, reports[1].is_full),
            (None, None, false)
        );
        let identifier = reports[1].identifier.clone().unwrap();
        assert!(identifier.is_of("DRV00002") && !identifier.is_of("DRV0000"));
        assert_eq!(parse_reports(&data, ElementKind::Storage), Some(Vec::new()));
        // tgt leaves away the last eight bytes.
        let cut = parse_reports(&data[..data.len() - 8], ElementKind::DataTransfer).unwrap();
        let identifier = cut[1].identifier.clone().unwrap();
        assert!(identifier.may_be_of("DRV00002") && !identifier.is_of("DRV00002") && !identifier.is_of("DR"));
    }

    #[test]
    fn a_serial_number_may_stand_behind_vendor_and_product() {
        let mut bytes = vec![2, 1, 0, 34];
        bytes.extend(b"HP      Ultrium 5-SCSI  HU1234    ");
        let identifier = parse_identifier(&bytes, bytes.len()).unwrap();
        assert!(identifier.is_of("HU1234") && !identifier.is_of("1234") && !identifier.may_be_of("HP"));
        // As tgt sends that of its last drive.
        let cut = parse_identifier(&bytes[..30], bytes.len()).unwrap();
        assert!(
            cut.may_be_of("HU1234")
                && !cut.is_of("HU1234")
                && !cut.may_be_of("XX1234")
                && !cut.may_be_of("HP1")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_can_hurt(mut data in prop::collection::vec(any::<u8>(), 0..400), cut in 0usize..200, at in 0usize..200, byte: u8) {
            parse_assignment(&data);
            parse_reports(&data, ElementKind::DataTransfer);
            data = report();
            data.truncate(cut.max(1));
            if let Some(place) = data.get_mut(at) { *place = byte; }
            for kind in [ElementKind::Storage, ElementKind::DataTransfer] {
                if let Some(reports) = parse_reports(&data, kind) { prop_assert!(reports.len() <= 200 / DESCRIPTOR_BYTES); }
            }
        }
    }
}
