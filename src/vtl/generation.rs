//! Generations of LTO: which media a drive takes, and what barcodes end with.
//!
//! Must not know densities or any other encoding; those are `scsi::density`'s.

use super::barcode::Barcode;

/// A generation of LTO drives and media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Generation {
    /// LTO-5.
    Lto5 = 5,
    /// LTO-6.
    Lto6 = 6,
    /// LTO-7.
    Lto7 = 7,
    /// LTO-8, the one of loaders whose configuration names none.
    #[default]
    Lto8 = 8,
    /// LTO-9.
    Lto9 = 9,
}

/// What a drive can do with a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compatibility {
    /// Read and write it.
    Full,
    /// Read it.
    ReadOnly,
    /// Nothing.
    None,
}

/// Characters of a media identifier, with which the barcodes of LTO cartridges end.
pub const MEDIA_IDENTIFIER_CHARACTERS: usize = 2;

impl Generation {
    /// Every generation, the oldest first.
    pub const ALL: [Self; 5] = [Self::Lto5, Self::Lto6, Self::Lto7, Self::Lto8, Self::Lto9];

    /// The generation of this number, 5 to 9.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|generation| generation.number() == number)
    }

    /// Its number, 5 to 9.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What barcodes of its data cartridges end with.
    #[must_use]
    pub fn media_identifier(self) -> &'static str {
        match self {
            Self::Lto5 => "L5",
            Self::Lto6 => "L6",
            Self::Lto7 => "L7",
            Self::Lto8 => "L8",
            Self::Lto9 => "L9",
        }
    }

    /// What barcodes of its WORM cartridges end with.
    #[must_use]
    pub fn worm_identifier(self) -> &'static str {
        match self {
            Self::Lto5 => "LV",
            Self::Lto6 => "LW",
            Self::Lto7 => "LX",
            Self::Lto8 => "LY",
            Self::Lto9 => "LZ",
        }
    }

    /// The generation that a barcode's media identifier names; none where it names none of these. Such a cartridge is
    /// taken to be of its drive's generation.
    #[must_use]
    pub fn of_barcode(barcode: &Barcode) -> Option<Self> {
        let text = barcode.as_str();
        Self::ALL.into_iter().find(|generation| {
            text.ends_with(generation.media_identifier()) || text.ends_with(generation.worm_identifier())
        })
    }

    /// What a drive of this generation can do with a cartridge of `medium`: up to LTO-7 it writes the generation before
    /// its own and reads the two before; from LTO-8 on it reads and writes one.
    #[must_use]
    pub fn takes(self, medium: Self) -> Compatibility {
        match (self.number().checked_sub(medium.number()), self) {
            (Some(0 | 1), _) => Compatibility::Full,
            (Some(2), Self::Lto5 | Self::Lto6 | Self::Lto7) => Compatibility::ReadOnly,
            _ => Compatibility::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_name_their_generation() {
        for generation in Generation::ALL {
            for identifier in [generation.media_identifier(), generation.worm_identifier()] {
                let barcode = Barcode::new(&format!("VLT001{identifier}")).unwrap();
                assert_eq!(Generation::of_barcode(&barcode), Some(generation));
            }
            assert_eq!(Generation::new(generation.number()), Some(generation));
        }
        for none in ["VLT001", "CLN001L1", "VLT001M8"] {
            assert_eq!(Generation::of_barcode(&Barcode::new(none).unwrap()), None, "{none}");
        }
        assert_eq!((Generation::new(4), Generation::new(10)), (None, None));
    }

    /// The field's table, drive by drive: media of LTO-5 to LTO-9.
    #[test]
    fn drives_take_what_real_ones_take() {
        use Compatibility::{Full, None, ReadOnly};
        let table = [
            (Generation::Lto5, [Full, None, None, None, None]),
            (Generation::Lto6, [Full, Full, None, None, None]),
            (Generation::Lto7, [ReadOnly, Full, Full, None, None]),
            (Generation::Lto8, [None, None, Full, Full, None]),
            (Generation::Lto9, [None, None, None, Full, Full]),
        ];
        for (drive, row) in table {
            assert_eq!(Generation::ALL.map(|medium| drive.takes(medium)), row, "{drive:?}");
        }
    }
}
