//! INQUIRY data: who a device says it is (SPC-4 6.6 and 7.8).
//!
//! The strings and all that differs between devices of a kind are data in [`DeviceProfile`], which a personality brings
//! (`personality`). Must not know of loaders or drives, or which personalities there are.

/// What kind of device a logical unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceType {
    /// Sequential-access device, removable medium.
    Tape,
    /// Medium changer.
    Changer,
}

/// The strings of INQUIRY data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// The type of the device.
    pub device_type: DeviceType,
    /// T10 vendor identification.
    pub vendor: [u8; 8],
    /// Product identification.
    pub product: [u8; 16],
    /// Product revision level.
    pub revision: [u8; 4],
}

/// What all devices of a kind have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceProfile {
    /// The strings of INQUIRY.
    pub product: Product,
    /// RMB of INQUIRY: real changers differ in it.
    pub is_removable: bool,
    /// What stands at byte 36 of INQUIRY data, at most [`VENDOR_SPECIFIC_BYTES_MAX`].
    pub vendor_specific: Vec<u8>,
    /// Vital product data pages beside those that every device has, in ascending order of code.
    pub vital_product_data: Vec<Page>,
    /// Mode pages beside those that every device has, in ascending order of code. They cannot be changed.
    pub mode_pages: Vec<Page>,
}

/// A page whose bytes are data: of vital product data, or a mode page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its code.
    pub code: u8,
    /// What stands behind its header.
    pub bytes: Vec<u8>,
}

/// Bytes 36 to 55 of INQUIRY data.
pub const VENDOR_SPECIFIC_BYTES_MAX: usize = 20;

/// A device as the vital product data pages identify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceIdentity<'a> {
    /// What it has in common with others of its kind.
    pub profile: &'a DeviceProfile,
    /// Its serial number, ASCII.
    pub serial: String,
    /// Its NAA identifier.
    pub world_wide_name: u64,
}

/// Supported VPD pages.
pub const VPD_SUPPORTED_PAGES: u8 = 0x00;
/// Unit serial number.
pub const VPD_SERIAL_NUMBER: u8 = 0x80;
/// Device identification.
pub const VPD_DEVICE_IDENTIFICATION: u8 = 0x83;

/// Code set ASCII, in designators and device identifiers.
pub const CODE_SET_ASCII: u8 = 0x2;
/// A designator of the vendor's own making: here a serial number.
pub const DESIGNATOR_VENDOR_SPECIFIC: u8 = 0x0;
/// A designator that begins with the T10 vendor identification.
pub const DESIGNATOR_T10_VENDOR: u8 = 0x1;

const CODE_SET_BINARY: u8 = 0x1;
const DESIGNATOR_NAA: u8 = 0x3;
/// Width of the serial number in a T10 vendor designator: what IBM's drives use and clients compare with.
const SERIAL_FIELD_BYTES: usize = 10;

/// Length of standard INQUIRY data in bytes: up to the last version descriptor.
const INQUIRY_BYTES: u8 = 74;

impl Product {
    /// The peripheral qualifier and device type, byte 0 of every INQUIRY answer.
    #[must_use]
    pub fn peripheral(&self) -> u8 {
        match self.device_type {
            DeviceType::Tape => 0x01,
            DeviceType::Changer => 0x08,
        }
    }

    /// Vendor, product and revision in one line, as people and DMAs read it.
    #[must_use]
    pub fn model(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        format!("{} {} {}", text(&self.vendor), text(&self.product), text(&self.revision))
    }
}

impl DeviceProfile {
    /// Standard INQUIRY data (SPC-4 6.6.2).
    #[must_use]
    pub fn inquiry(&self) -> Vec<u8> {
        let product = &self.product;
        // SAM-5, SPC-4, then SSC-3 or SMC-3, each "no version claimed".
        let command_set: u16 = match product.device_type {
            DeviceType::Tape => 0x0400,
            DeviceType::Changer => 0x0480,
        };
        let mut data = vec![0; usize::from(INQUIRY_BYTES)];
        data[0] = product.peripheral();
        data[1] = if self.is_removable { 0x80 } else { 0 }; // RMB
        data[2] = 0x06; // VERSION: SPC-4
        data[3] = 0x02; // RESPONSE DATA FORMAT
        data[4] = INQUIRY_BYTES - 5;
        data[8..16].copy_from_slice(&product.vendor);
        data[16..32].copy_from_slice(&product.product);
        data[32..36].copy_from_slice(&product.revision);
        for (byte, given) in data[36..36 + VENDOR_SPECIFIC_BYTES_MAX].iter_mut().zip(&self.vendor_specific) {
            *byte = *given;
        }
        for (at, version) in [(58, 0x00a0_u16), (60, 0x0460), (62, command_set)] {
            data[at..at + 2].copy_from_slice(&version.to_be_bytes());
        }
        data
    }
}

impl DeviceIdentity<'_> {
    /// A vital product data page (SPC-4 7.8); none if it is not supported.
    #[must_use]
    pub fn vpd(&self, page: u8) -> Option<Vec<u8>> {
        self.vpd_with(page, &[])
    }

    /// The same for a device that has `own` pages, too, in ascending order of code.
    #[must_use]
    pub fn vpd_with(&self, code: u8, own: &[Page]) -> Option<Vec<u8>> {
        let further = || own.iter().chain(&self.profile.vital_product_data);
        let body = match code {
            VPD_SUPPORTED_PAGES => {
                let mut codes = vec![VPD_SUPPORTED_PAGES, VPD_SERIAL_NUMBER, VPD_DEVICE_IDENTIFICATION];
                codes.extend(further().map(|page| page.code));
                codes.sort_unstable();
                codes
            }
            VPD_SERIAL_NUMBER => self.serial.clone().into_bytes(),
            VPD_DEVICE_IDENTIFICATION => self.designators(),
            _ => further().find(|page| page.code == code)?.bytes.clone(),
        };
        let length = u16::try_from(body.len()).ok()?;
        let mut data = vec![self.profile.product.peripheral(), code];
        data.extend(length.to_be_bytes());
        data.extend(body);
        Some(data)
    }

    /// Two designators of the logical unit: vendor, product and serial, and the NAA identifier.
    fn designators(&self) -> Vec<u8> {
        let named = t10_designator(&self.profile.product, &self.serial);
        let mut body =
            vec![CODE_SET_ASCII, DESIGNATOR_T10_VENDOR, 0, u8::try_from(named.len()).unwrap_or(u8::MAX)];
        body.extend(named);
        body.extend([CODE_SET_BINARY, DESIGNATOR_NAA, 0, 8]);
        body.extend(self.world_wide_name.to_be_bytes());
        body
    }
}

/// Vendor, product and serial number in 34 bytes: the identifier of VPD page 83h and of a drive in READ ELEMENT STATUS.
#[must_use]
pub fn t10_designator(product: &Product, serial: &str) -> [u8; 34] {
    let mut identifier = [b' '; 34];
    identifier[..8].copy_from_slice(&product.vendor);
    identifier[8..24].copy_from_slice(&product.product);
    let serial = serial.as_bytes();
    let length = serial.len().min(SERIAL_FIELD_BYTES);
    identifier[24..24 + length].copy_from_slice(&serial[..length]);
    identifier
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(device_type: DeviceType) -> DeviceProfile {
        let page = |code, bytes: &[u8]| Page { code, bytes: bytes.to_vec() };
        DeviceProfile {
            product: Product {
                device_type,
                vendor: *b"ACME    ",
                product: *b"BOX             ",
                revision: *b"1.2 ",
            },
            is_removable: device_type == DeviceType::Tape,
            vendor_specific: b"SPECIFIC".to_vec(),
            vital_product_data: vec![page(0x82, b"below"), page(0xc0, b"above")],
            mode_pages: Vec::new(),
        }
    }

    #[test]
    fn standard_inquiry_to_the_byte() {
        let data = profile(DeviceType::Changer).inquiry();
        assert_eq!(data[..8], [0x08, 0x00, 0x06, 0x02, 69, 0, 0, 0]);
        assert_eq!(&data[8..44], b"ACME    BOX             1.2 SPECIFIC");
        assert_eq!(data[44..58], [0; 14]);
        assert_eq!(data[58..64], [0x00, 0xa0, 0x04, 0x60, 0x04, 0x80]);
        assert_eq!((data[64..].to_vec(), data.len()), (vec![0; 10], 74));
        let drive = profile(DeviceType::Tape).inquiry();
        assert_eq!((drive[0], drive[1]), (0x01, 0x80));
        assert_eq!(drive[62..64], [0x04, 0x00]);
    }

    #[test]
    fn vital_product_data_to_the_byte() {
        let profile = profile(DeviceType::Tape);
        let device = DeviceIdentity {
            profile: &profile,
            serial: "0123456789".into(),
            world_wide_name: 0x3123_4567_89ab_cdef,
        };
        assert_eq!(device.vpd(0x00).unwrap(), [0x01, 0x00, 0, 5, 0x00, 0x80, 0x82, 0x83, 0xc0]);
        assert_eq!(device.vpd(0x80).unwrap(), *b"\x01\x80\x00\x0a0123456789");
        let mut expected = b"\x01\x83\x00\x32".to_vec();
        expected.extend(b"\x02\x01\x00\x22ACME    BOX             0123456789");
        expected.extend(b"\x01\x03\x00\x08\x31\x23\x45\x67\x89\xab\xcd\xef");
        assert_eq!(device.vpd(0x83).unwrap(), expected);
        assert_eq!(device.vpd(0xc0).unwrap(), *b"\x01\xc0\x00\x05above");
        assert_eq!(device.vpd(0xb0), None);
        let own = [Page { code: 0xb0, bytes: vec![1, 0] }];
        assert_eq!(device.vpd_with(0xb0, &own).unwrap(), *b"\x01\xb0\x00\x02\x01\x00");
        assert_eq!(device.vpd_with(0, &own).unwrap()[4..], [0x00, 0x80, 0x82, 0x83, 0xb0, 0xc0]);
    }
}
