//! A personality's file: TOML to [`Personality`], every field held against what it can be.
//!
//! The built-in files and an operator's own are read alike. `{generation}` in a drive's strings stands for its number,
//! `{version}` for this program's version. Must not open files.

use serde::Deserialize;
use thiserror::Error;

use super::{ChangerPersonality, DriveIdentifier, DrivePersonality, Personality};
use crate::scsi::identity::{DeviceProfile, DeviceType, Page, Product, VENDOR_SPECIFIC_BYTES_MAX};
use crate::vtl::element::ElementLayout;
use crate::vtl::generation::Generation;

/// Bytes that a page of the file's own may have: what one length byte can say.
const PAGE_BYTES_MAX: usize = 255;
const PAGES_MAX: usize = 64;

/// What is wrong with a personality.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct PersonalityError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPersonality {
    name: String,
    #[serde(default)]
    description: String,
    changer: RawChanger,
    drive: RawDrive,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChanger {
    vendor: String,
    product: String,
    revision: String,
    #[serde(default = "yes")]
    removable: bool,
    #[serde(default)]
    vendor_specific: String,
    elements: RawElements,
    #[serde(default = "default_identifier")]
    drive_identifier: String,
    serial_characters: Option<u8>,
    #[serde(default = "yes")]
    exchange: bool,
    #[serde(default)]
    vital_product_data: Vec<RawPage>,
    #[serde(default)]
    mode_page: Vec<RawPage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawElements {
    transport: u16,
    mail_slots: u16,
    drives: u16,
    slots: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDrive {
    vendor: String,
    product: String,
    revision: String,
    generation: u8,
    #[serde(default)]
    vendor_specific: String,
    #[serde(default)]
    vital_product_data: Vec<RawPage>,
    #[serde(default)]
    mode_page: Vec<RawPage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPage {
    page: u8,
    text: Option<String>,
    hex: Option<String>,
}

fn yes() -> bool {
    true
}

fn default_identifier() -> String {
    VENDOR_PRODUCT_SERIAL.to_owned()
}

const VENDOR_PRODUCT_SERIAL: &str = "vendor-product-serial";
const SERIAL: &str = "serial";

/// Vital product data pages that every device makes itself: a file's own would contradict the devices' numbers.
const OWN_VITAL_PRODUCT_DATA: [u8; 5] = [0x00, 0x80, 0x83, 0xb0, 0xb1];
/// Mode pages that the changer and the drives make themselves.
const OWN_CHANGER_MODE_PAGES: [u8; 4] = [0x1c, 0x1d, 0x1e, 0x1f];
const OWN_DRIVE_MODE_PAGES: [u8; 6] = [0x01, 0x02, 0x0f, 0x10, 0x11, 0x1c];
/// Codes of mode pages have six bits, of which 00h and 3Fh mean none and all.
const MODE_PAGE_CODES: std::ops::Range<u8> = 0x01..0x3f;

/// Reads a personality; drives of `generation` where that is given, else of the file's.
pub(super) fn parse(text: &str, generation: Option<Generation>) -> Result<Personality, PersonalityError> {
    let raw: RawPersonality = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        PersonalityError(format!("line {line}: {}", error.message()))
    })?;
    let bad = |key: &str, why: &str| PersonalityError(format!("{key}: {why}"));
    if raw.name.is_empty() || raw.name.len() > 64 || !raw.name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("name", "use 1 to 64 printable ASCII characters without blanks"));
    }
    let own = Generation::new(raw.drive.generation)
        .ok_or_else(|| bad("drive.generation", "set 5, 6, 7, 8 or 9, the generation of LTO"))?;
    Ok(Personality {
        changer: changer(&raw.changer)?,
        drive: drive(&raw.drive, generation.unwrap_or(own))?,
        name: raw.name,
        description: raw.description,
    })
}

fn changer(raw: &RawChanger) -> Result<ChangerPersonality, PersonalityError> {
    let section = "changer";
    let fill = |text: &str| text.replace("{version}", env!("CARGO_PKG_VERSION"));
    let device = DeviceProfile {
        product: Product {
            device_type: DeviceType::Changer,
            vendor: field(section, "vendor", &fill(&raw.vendor))?,
            product: field(section, "product", &fill(&raw.product))?,
            revision: revision(section, &fill(&raw.revision))?,
        },
        is_removable: raw.removable,
        vendor_specific: vendor_specific(section, &raw.vendor_specific)?,
        vital_product_data: pages(section, "vital_product_data", &raw.vital_product_data, is_foreign_page)?,
        mode_pages: pages(section, "mode_page", &raw.mode_page, |code| {
            MODE_PAGE_CODES.contains(&code) && !OWN_CHANGER_MODE_PAGES.contains(&code)
        })?,
    };
    let RawElements { transport, mail_slots, drives, slots } = raw.elements;
    let bad = |key: &str, why: &str| PersonalityError(format!("{section}.{key}: {why}"));
    if [transport, mail_slots, drives, slots].contains(&0) {
        return Err(bad(
            "elements",
            "0 is no address: in MOVE MEDIUM it means the default transport; use 1 or more",
        ));
    }
    let layout = ElementLayout { transport, mail_slots, drives, slots };
    let mut starts = [transport, mail_slots, drives, slots];
    starts.sort_unstable();
    if starts.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(bad("elements", "two kinds begin at one address; give each its own"));
    }
    let drive_identifier = match (raw.drive_identifier.as_str(), raw.serial_characters) {
        (VENDOR_PRODUCT_SERIAL, None) => DriveIdentifier::VendorProductSerial,
        (SERIAL, characters) if (10..=32).contains(&characters.unwrap_or(10)) => {
            DriveIdentifier::Serial { characters: characters.unwrap_or(10) }
        }
        (VENDOR_PRODUCT_SERIAL | SERIAL, _) => {
            return Err(bad(
                "serial_characters",
                "set 10 to 32, and only with drive_identifier = \"serial\"",
            ));
        }
        _ => return Err(bad("drive_identifier", "set \"vendor-product-serial\" or \"serial\"")),
    };
    Ok(ChangerPersonality { device, layout, drive_identifier, has_exchange: raw.exchange })
}

fn drive(raw: &RawDrive, generation: Generation) -> Result<DrivePersonality, PersonalityError> {
    let section = "drive";
    let fill = |text: &str| {
        text.replace("{generation}", &generation.number().to_string())
            .replace("{version}", env!("CARGO_PKG_VERSION"))
    };
    let device = DeviceProfile {
        product: Product {
            device_type: DeviceType::Tape,
            vendor: field(section, "vendor", &fill(&raw.vendor))?,
            product: field(section, "product", &fill(&raw.product))?,
            revision: revision(section, &fill(&raw.revision))?,
        },
        is_removable: true,
        vendor_specific: vendor_specific(section, &fill(&raw.vendor_specific))?,
        vital_product_data: pages(section, "vital_product_data", &raw.vital_product_data, is_foreign_page)?,
        mode_pages: pages(section, "mode_page", &raw.mode_page, |code| {
            MODE_PAGE_CODES.contains(&code) && !OWN_DRIVE_MODE_PAGES.contains(&code)
        })?,
    };
    Ok(DrivePersonality { device, generation })
}

/// A string of INQUIRY: ASCII from 20h to 7Eh, blanks behind it (SPC-4 4.4.1).
fn field<const LENGTH: usize>(
    section: &str,
    key: &str,
    text: &str,
) -> Result<[u8; LENGTH], PersonalityError> {
    let is_printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if text.is_empty() || text.len() > LENGTH || !is_printable {
        let why =
            format!("{section}.{key}: {text:?} does not fit; use 1 to {LENGTH} printable ASCII characters");
        return Err(PersonalityError(why));
    }
    let mut bytes = [b' '; LENGTH];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    Ok(bytes)
}

/// The first four characters: a version such as 0.1.0 is longer, and its last number says least.
fn revision(section: &str, text: &str) -> Result<[u8; 4], PersonalityError> {
    let is_version = text == env!("CARGO_PKG_VERSION");
    let cut = text.get(..4).filter(|_| is_version && text.len() > 4).unwrap_or(text);
    field(section, "revision", cut.trim_end_matches('.'))
}

fn vendor_specific(section: &str, text: &str) -> Result<Vec<u8>, PersonalityError> {
    if text.len() > VENDOR_SPECIFIC_BYTES_MAX || !text.is_ascii() {
        let most = VENDOR_SPECIFIC_BYTES_MAX;
        return Err(PersonalityError(format!(
            "{section}.vendor_specific: use at most {most} ASCII characters"
        )));
    }
    Ok(text.as_bytes().to_vec())
}

fn is_foreign_page(code: u8) -> bool {
    !OWN_VITAL_PRODUCT_DATA.contains(&code)
}

/// The pages of a device, in ascending order of code.
fn pages(
    section: &str,
    key: &str,
    raw: &[RawPage],
    is_free: impl Fn(u8) -> bool,
) -> Result<Vec<Page>, PersonalityError> {
    let bad = |page: u8, why: &str| PersonalityError(format!("{section}.{key} {page:02X}h: {why}"));
    let mut pages: Vec<Page> = Vec::new();
    for RawPage { page: code, text, hex } in raw.iter().take(PAGES_MAX) {
        if !is_free(*code) {
            return Err(bad(
                *code,
                "the device makes this page itself, or there is none of this code; leave it out",
            ));
        }
        let bytes = match (text, hex) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(hex)) => {
                from_hex(hex).ok_or_else(|| bad(*code, "hex is not pairs of hexadecimal digits"))?
            }
            _ => return Err(bad(*code, "give either text or hex")),
        };
        if bytes.len() > PAGE_BYTES_MAX {
            return Err(bad(*code, "is longer than 255 bytes"));
        }
        if pages.iter().any(|page| page.code == *code) {
            return Err(bad(*code, "is given twice"));
        }
        pages.push(Page { code: *code, bytes });
    }
    pages.sort_by_key(|page| page.code);
    Ok(pages)
}

/// Pairs of digits, blanks between them where one likes.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
}
