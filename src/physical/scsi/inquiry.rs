//! Who a device says it is: INQUIRY and the pages of vital product data (SPC-4 6.6, 7.8).
//!
//! Must not know how it was asked.

/// Peripheral device type of a tape drive.
pub(super) const TYPE_DRIVE: u8 = 0x01;
/// Peripheral device type of a medium changer.
pub(super) const TYPE_CHANGER: u8 = 0x08;

/// Standard INQUIRY data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inquiry {
    /// The peripheral device type; none if no device is there.
    pub(super) device_type: Option<u8>,
    pub(super) vendor: String,
    pub(super) product: String,
    pub(super) revision: String,
}

impl Inquiry {
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let fields = data.first_chunk::<36>()?;
        let is_there = fields[0] >> 5 == 0;
        Some(Self {
            device_type: is_there.then_some(fields[0] & 0x1f),
            vendor: text(&fields[8..16]),
            product: text(&fields[16..32]),
            revision: text(&fields[32..36]),
        })
    }
}

/// What a device says in ASCII: printable characters, blanks and zeros around them cut off.
pub(super) fn text(bytes: &[u8]) -> String {
    let is_blank = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    let start = bytes.iter().position(|byte| !is_blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    let character =
        |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' };
    bytes[start..end].iter().map(character).collect()
}

/// The content of a page of vital product data, as long as it says, if it came.
pub(super) fn product_data(page: u8, data: &[u8]) -> Option<&[u8]> {
    let (header, content) = data.split_first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    (header[1] == page).then(|| &content[..content.len().min(length)])
}

/// The first NAA designator of VPD page 83h that belongs to the logical unit, in hexadecimal digits.
pub(super) fn world_wide_name(page: &[u8]) -> Option<String> {
    const NAA: u8 = 3;
    let mut rest = page;
    while let Some((header, behind)) = rest.split_first_chunk::<4>() {
        let (designator, behind) = behind.split_at(behind.len().min(usize::from(header[3])));
        let of_unit = header[1] >> 4 & 3 == 0;
        if of_unit && header[1] & 0x0f == NAA && matches!(designator.len(), 8 | 16) {
            return Some(designator.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        rest = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_device_says_who_it_is() {
        let mut data = vec![0x08, 0x80, 5, 2, 31, 0, 0, 0];
        data.extend(b"ACME    Big Library     1.0 ");
        let inquiry = Inquiry::parse(&data).unwrap();
        assert_eq!((inquiry.device_type, inquiry.product.as_str()), (Some(TYPE_CHANGER), "Big Library"));
        data[0] = 0x7f;
        assert_eq!(Inquiry::parse(&data).unwrap().device_type, None);
        assert_eq!(Inquiry::parse(&data[..35]), None);
        assert_eq!(text(b"  \x00HU 12\xff34 \x00"), "HU 12?34");
    }

    #[test]
    fn the_name_of_the_unit_is_taken_and_not_that_of_its_port() {
        let port = [0x01, 0x13, 0, 8, 9, 9, 9, 9, 9, 9, 9, 9];
        let unit = [0x01, 0x03, 0, 8, 0x50, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(world_wide_name(&[port, unit].concat()), Some("5001020304050607".to_owned()));
        assert_eq!(world_wide_name(&unit[..9]), None);
        assert_eq!(product_data(0x80, &[1, 0x80, 0, 3, 65, 66, 67, 68]), Some(&b"ABC"[..]));
        assert_eq!(product_data(0x83, &[1, 0x80, 0, 1, 65]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_can_hurt(data in prop::collection::vec(any::<u8>(), 0..300)) {
            Inquiry::parse(&data);
            world_wide_name(&data);
            product_data(0x80, &data);
            prop_assert!(text(&data).len() <= data.len());
        }
    }
}
