//! REPORT DENSITY SUPPORT (SSC-3 7.8): the formats and the kinds of cartridges that the drive takes, or those of the one in it.
//!
//! The figures are in `scsi::density`. Must not know where a cartridge's generation is kept.

use super::{Request, ready};
use crate::scsi::commands::Handled;
use crate::scsi::density::{ASSIGNING_ORGANIZATION, Density, MEDIUM_WIDTH_TENTH_MILLIMETRES};
use crate::scsi::personality::DrivePersonality;
use crate::vtl::generation::Compatibility;
use crate::vtl::tape_drive::TapeDrive;

const MEGABYTE: u64 = 1_000_000;

/// The format of the cartridge in the drive; of the drive's own generation without one, or where its barcode names none.
pub(super) fn current(drive: &dyn TapeDrive, personality: &DrivePersonality) -> Density {
    Density::of(drive.medium_generation().unwrap_or(personality.generation))
}

/// REPORT DENSITY SUPPORT: formats or, with MEDIUM TYPE, kinds of cartridges; of the drive or, with MEDIA, of the cartridge.
pub(super) fn report(request: &mut Request<'_>) -> Handled {
    let cdb = request.cdb;
    let (of_medium, are_media) = (cdb.bit::<1>(0), cdb.bit::<1>(1));
    let (drive, personality) = (&mut *request.drive, request.personality);
    let own = personality.generation;
    let body = if of_medium {
        ready(drive)?;
        let density = current(drive, personality);
        let is_worm = drive.cartridge_memory().is_ok_and(|memory| memory.is_worm);
        if are_media {
            medium_descriptor(&density, is_worm)
        } else {
            let capacity = u32::try_from(drive.capacity_bytes() / MEGABYTE).unwrap_or(u32::MAX);
            let writes = own.takes(density.generation) == Compatibility::Full;
            density_descriptor(&Density { capacity_megabytes: capacity, ..density }, writes, true)
        }
    } else if are_media {
        let kinds = || Density::supported_by(own).map(|(density, _)| density);
        let data = kinds().map(|density| medium_descriptor(&density, false));
        data.chain(kinds().map(|density| medium_descriptor(&density, true))).flatten().collect()
    } else {
        Density::supported_by(own)
            .flat_map(|(density, writes)| density_descriptor(&density, writes, density.generation == own))
            .collect()
    };
    let available = u16::try_from(body.len() + 2).unwrap_or(u16::MAX);
    let mut data = available.to_be_bytes().to_vec();
    data.extend([0, 0]);
    data.extend(body);
    Ok(Ok(cdb.cut(data, cdb.u16::<7>())).into())
}

/// SSC-3 table 43: 52 bytes. Every density has one code.
fn density_descriptor(density: &Density, writes: bool, is_default: bool) -> Vec<u8> {
    const WRITES: u8 = 0x80;
    const IS_DEFAULT: u8 = 0x20;
    let flags = if writes { WRITES } else { 0 } | if is_default { IS_DEFAULT } else { 0 };
    let mut data = vec![density.code, density.code, flags, 0, 0];
    data.extend(&density.bits_per_millimetre.to_be_bytes()[1..]);
    data.extend(MEDIUM_WIDTH_TENTH_MILLIMETRES.to_be_bytes());
    data.extend(density.tracks.to_be_bytes());
    data.extend(density.capacity_megabytes.to_be_bytes());
    data.extend(text::<8>(ASSIGNING_ORGANIZATION));
    data.extend(text::<8>(density.name));
    data.extend(text::<20>(density.description));
    data
}

/// SSC-3 table 44: 56 bytes. A cartridge is of one density.
fn medium_descriptor(density: &Density, is_worm: bool) -> Vec<u8> {
    const LENGTH_OF_REST: u8 = 52;
    const DENSITY_CODES: usize = 9;
    let kind = if is_worm { "WORM" } else { "Data" };
    let number = density.generation.number();
    let mut data = vec![density.medium_type(is_worm), 0, 0, LENGTH_OF_REST, 1, density.code];
    data.extend([0; DENSITY_CODES - 1]);
    data.extend(MEDIUM_WIDTH_TENTH_MILLIMETRES.to_be_bytes());
    data.extend(density.medium_metres.to_be_bytes());
    data.extend([0, 0]);
    data.extend(text::<8>(ASSIGNING_ORGANIZATION));
    data.extend(text::<8>(&format!("LTO{number}{kind}")));
    data.extend(text::<20>(&format!("Ultrium {number} {kind} Tape")));
    data
}

/// Left-aligned, blanks behind it.
pub(super) fn text<const BYTES: usize>(text: &str) -> [u8; BYTES] {
    let mut field = [b' '; BYTES];
    field.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    field
}

/// Whether MODE SELECT may name this density: the one that is, 00h for the default one, 7Fh for no change.
pub(super) fn may_name(code: u8, current: &Density) -> bool {
    const DEFAULT: u8 = 0x00;
    const UNCHANGED: u8 = 0x7f;
    code == current.code || matches!(code, DEFAULT | UNCHANGED)
}
