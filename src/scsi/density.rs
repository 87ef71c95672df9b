//! What SCSI has to say of each generation of LTO: density code, medium types, the figures of REPORT DENSITY SUPPORT.
//!
//! One table. The figures are those that drives of these generations report. Which generation takes which is
//! `vtl::generation`'s; must not know of commands.

use crate::vtl::generation::{Compatibility, Generation};

/// A generation's format on tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Density {
    /// Whose it is.
    pub generation: Generation,
    /// The density code of mode parameters, of REPORT DENSITY SUPPORT and of the cartridge's memory.
    pub code: u8,
    /// Bits per millimetre of track.
    pub bits_per_millimetre: u32,
    /// Tracks across the tape.
    pub tracks: u16,
    /// Native capacity in units of 10^6 bytes.
    pub capacity_megabytes: u32,
    /// The length of the tape in metres.
    pub medium_metres: u16,
    /// The format's name.
    pub name: &'static str,
    /// A longer one.
    pub description: &'static str,
}

/// The width of every LTO tape, in tenths of a millimetre.
pub const MEDIUM_WIDTH_TENTH_MILLIMETRES: u16 = 127;
/// Who gives the formats their names.
pub const ASSIGNING_ORGANIZATION: &str = "LTO-CVE";

/// The formats, the oldest first.
const DENSITIES: [Density; Generation::ALL.len()] = [
    Density {
        generation: Generation::Lto5,
        code: 0x58,
        bits_per_millimetre: 15_142,
        tracks: 1280,
        capacity_megabytes: 1_500_000,
        medium_metres: 846,
        name: "U-516",
        description: "Ultrium 5/16T",
    },
    Density {
        generation: Generation::Lto6,
        code: 0x5a,
        bits_per_millimetre: 15_142,
        tracks: 2176,
        capacity_megabytes: 2_500_000,
        medium_metres: 846,
        name: "U-616",
        description: "Ultrium 6/16T",
    },
    Density {
        generation: Generation::Lto7,
        code: 0x5c,
        bits_per_millimetre: 19_107,
        tracks: 3584,
        capacity_megabytes: 6_000_000,
        medium_metres: 960,
        name: "U-732",
        description: "Ultrium 7/32T",
    },
    Density {
        generation: Generation::Lto8,
        code: 0x5e,
        bits_per_millimetre: 20_669,
        tracks: 6656,
        capacity_megabytes: 12_000_000,
        medium_metres: 960,
        name: "U-832",
        description: "Ultrium 8/32T",
    },
    Density {
        generation: Generation::Lto9,
        code: 0x60,
        bits_per_millimetre: 21_456,
        tracks: 8960,
        capacity_megabytes: 18_000_000,
        medium_metres: 1035,
        name: "U-932",
        description: "Ultrium 9/32T",
    },
];

impl Density {
    /// The format of a generation.
    #[must_use]
    pub fn of(generation: Generation) -> Density {
        let [lto5, lto6, lto7, lto8, lto9] = DENSITIES;
        match generation {
            Generation::Lto5 => lto5,
            Generation::Lto6 => lto6,
            Generation::Lto7 => lto7,
            Generation::Lto8 => lto8,
            Generation::Lto9 => lto9,
        }
    }

    /// The formats that a drive of `generation` reads, the oldest first, and whether it writes them.
    pub fn supported_by(generation: Generation) -> impl Iterator<Item = (Density, bool)> {
        DENSITIES.into_iter().filter_map(move |density| match generation.takes(density.generation) {
            Compatibility::Full => Some((density, true)),
            Compatibility::ReadOnly => Some((density, false)),
            Compatibility::None => None,
        })
    }

    /// The medium type of mode parameters: x8h for data cartridges of generation x, xCh for WORM ones.
    #[must_use]
    pub fn medium_type(&self, is_worm: bool) -> u8 {
        self.generation.number() << 4 | if is_worm { 0x0c } else { 0x08 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_generation_has_its_codes() {
        let codes = Generation::ALL.map(|generation| {
            let density = Density::of(generation);
            assert_eq!(density.generation, generation);
            assert!(density.name.len() <= 8 && density.description.len() <= 20);
            (density.code, density.medium_type(false), density.medium_type(true))
        });
        let expected = [
            (0x58, 0x58, 0x5c),
            (0x5a, 0x68, 0x6c),
            (0x5c, 0x78, 0x7c),
            (0x5e, 0x88, 0x8c),
            (0x60, 0x98, 0x9c),
        ];
        assert_eq!(codes, expected);
    }

    #[test]
    fn drives_support_what_they_can_read() {
        let supported = |generation| -> Vec<_> {
            Density::supported_by(generation).map(|(density, writes)| (density.code, writes)).collect()
        };
        assert_eq!(supported(Generation::Lto5), [(0x58, true)]);
        assert_eq!(supported(Generation::Lto7), [(0x58, false), (0x5a, true), (0x5c, true)]);
        assert_eq!(supported(Generation::Lto8), [(0x5c, true), (0x5e, true)]);
        assert_eq!(supported(Generation::Lto9), [(0x5e, true), (0x60, true)]);
    }
}
