//! INQUIRY data: who a device says it is (SPC-4 6.6 and 7.8).
//!
//! The strings are data in [`Product`], so that a personality is another value. The default is honest: our own names and
//! no other vendor's. Must not know of loaders or drives.

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

/// The robot of a virtual loader.
pub const CHANGER: Product = Product {
    device_type: DeviceType::Changer,
    vendor: *b"TAPESILO",
    product: *b"VIRTUAL LIBRARY ",
    revision: revision(),
};

/// A virtual drive.
pub const DRIVE: Product = Product {
    device_type: DeviceType::Tape,
    vendor: *b"TAPESILO",
    product: *b"VIRTUAL LTO-8   ",
    revision: revision(),
};

/// A device as the vital product data pages identify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// Its product.
    pub product: Product,
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

    /// Standard INQUIRY data (SPC-4 6.6.2).
    #[must_use]
    pub fn inquiry(&self) -> Vec<u8> {
        // SAM-5, SPC-4, then SSC-3 or SMC-3, each "no version claimed".
        let command_set: u16 = match self.device_type {
            DeviceType::Tape => 0x0400,
            DeviceType::Changer => 0x0480,
        };
        let mut data = vec![0; usize::from(INQUIRY_BYTES)];
        data[0] = self.peripheral();
        data[1] = 0x80; // RMB
        data[2] = 0x06; // VERSION: SPC-4
        data[3] = 0x02; // RESPONSE DATA FORMAT
        data[4] = INQUIRY_BYTES - 5;
        data[8..16].copy_from_slice(&self.vendor);
        data[16..32].copy_from_slice(&self.product);
        data[32..36].copy_from_slice(&self.revision);
        for (at, version) in [(58, 0x00a0_u16), (60, 0x0460), (62, command_set)] {
            data[at..at + 2].copy_from_slice(&version.to_be_bytes());
        }
        data
    }
}

impl DeviceIdentity {
    /// A vital product data page (SPC-4 7.8); none if it is not supported.
    #[must_use]
    pub fn vpd(&self, page: u8) -> Option<Vec<u8>> {
        let body = match page {
            VPD_SUPPORTED_PAGES => vec![VPD_SUPPORTED_PAGES, VPD_SERIAL_NUMBER, VPD_DEVICE_IDENTIFICATION],
            VPD_SERIAL_NUMBER => self.serial.clone().into_bytes(),
            VPD_DEVICE_IDENTIFICATION => self.designators(),
            _ => return None,
        };
        let length = u16::try_from(body.len()).ok()?;
        let mut data = vec![self.product.peripheral(), page];
        data.extend(length.to_be_bytes());
        data.extend(body);
        Some(data)
    }

    /// Two designators of the logical unit: vendor, product and serial, and the NAA identifier.
    fn designators(&self) -> Vec<u8> {
        let named = t10_designator(&self.product, &self.serial);
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

/// The crate's version in four characters: `0.1.0` becomes `0.1 `, `12.34.5` becomes `12.3`.
const fn revision() -> [u8; 4] {
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    let (mut out, mut at, mut dots) = ([b' '; 4], 0, 0);
    while at < 4 && at < version.len() {
        if version[at] == b'.' {
            dots += 1;
        }
        if dots == 2 {
            break;
        }
        out[at] = version[at];
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_inquiry_to_the_byte() {
        let data = CHANGER.inquiry();
        assert_eq!(data[..8], [0x08, 0x80, 0x06, 0x02, 69, 0, 0, 0]);
        assert_eq!(&data[8..36], b"TAPESILOVIRTUAL LIBRARY 0.1 ");
        assert_eq!(data[36..58], [0; 22]);
        assert_eq!(data[58..64], [0x00, 0xa0, 0x04, 0x60, 0x04, 0x80]);
        assert_eq!((data[64..].to_vec(), data.len()), (vec![0; 10], 74));
        let drive = DRIVE.inquiry();
        assert_eq!((drive[0], drive[1], &drive[16..32]), (0x01, 0x80, &b"VIRTUAL LTO-8   "[..]));
        assert_eq!(drive[62..64], [0x04, 0x00]);
    }

    #[test]
    fn vital_product_data_to_the_byte() {
        let device = DeviceIdentity {
            product: DRIVE,
            serial: "0123456789".into(),
            world_wide_name: 0x3123_4567_89ab_cdef,
        };
        assert_eq!(device.vpd(0x00).unwrap(), [0x01, 0x00, 0, 3, 0x00, 0x80, 0x83]);
        assert_eq!(device.vpd(0x80).unwrap(), *b"\x01\x80\x00\x0a0123456789");
        let mut expected = b"\x01\x83\x00\x32".to_vec();
        expected.extend(b"\x02\x01\x00\x22TAPESILOVIRTUAL LTO-8   0123456789");
        expected.extend(b"\x01\x03\x00\x08\x31\x23\x45\x67\x89\xab\xcd\xef");
        assert_eq!(device.vpd(0x83).unwrap(), expected);
        assert_eq!(device.vpd(0xb0), None);
    }
}
