//! Barcodes: the name of a tape, on its label, in its element and as its directory.
//!
//! Must not know of elements or directories' contents. A value of this type is safe as a path component and as the
//! volume identification of READ ELEMENT STATUS (SMC-3 6.11), so nothing behind it checks again.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::generation::{Generation, MEDIA_IDENTIFIER_CHARACTERS};

/// Longest barcode in characters: the width of the volume identification field of SMC-3.
pub const BARCODE_MAX_CHARACTERS: usize = 32;

/// A validated barcode: 1 to 32 of `A`-`Z` and `0`-`9`, which is also all that an LTO label may carry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Barcode(Arc<str>);

/// Why a text is no barcode.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BarcodeError {
    /// Empty, or longer than [`BARCODE_MAX_CHARACTERS`].
    #[error("barcode {text:?} has {characters} characters; give it 1 to {BARCODE_MAX_CHARACTERS}")]
    Length {
        /// The refused text, cut to a printable length.
        text: String,
        /// How many characters it has.
        characters: usize,
    },
    /// A character other than `A`-`Z` and `0`-`9`.
    #[error("barcode {text:?} contains {character:?}; use capital letters A-Z and digits 0-9 only")]
    Character {
        /// The refused text.
        text: String,
        /// The first character that is not allowed.
        character: char,
    },
}

impl Barcode {
    /// Checks `text` and keeps it.
    ///
    /// # Errors
    /// [`BarcodeError`] when the length or a character is not allowed.
    pub fn new(text: &str) -> Result<Self, BarcodeError> {
        let characters = text.chars().count();
        if characters == 0 || characters > BARCODE_MAX_CHARACTERS {
            let text = text.chars().take(2 * BARCODE_MAX_CHARACTERS).collect();
            return Err(BarcodeError::Length { text, characters });
        }
        match text.chars().find(|c| !c.is_ascii_uppercase() && !c.is_ascii_digit()) {
            Some(character) => Err(BarcodeError::Character { text: text.to_owned(), character }),
            None => Ok(Self(text.into())),
        }
    }

    /// The barcode of tape `number` of a family: `VLT` and 7 give `VLT007L8` in LTO-8; three digits, more when it needs
    /// more.
    ///
    /// # Errors
    /// [`BarcodeError`] when the family's name is not made of barcode characters or is too long.
    pub fn in_family(family: &str, number: u32, generation: Generation) -> Result<Self, BarcodeError> {
        Self::new(&format!("{family}{number:03}{}", generation.media_identifier()))
    }

    /// The first barcode of a family above all numbers that `taken` uses. Numbers of deleted tapes below the highest
    /// are not given out again: a backup application's catalogue may still name them.
    ///
    /// # Errors
    /// As [`Barcode::in_family`].
    pub fn next_in_family<'a>(
        family: &str,
        generation: Generation,
        taken: impl IntoIterator<Item = &'a Barcode>,
    ) -> Result<Self, BarcodeError> {
        let highest = taken.into_iter().filter_map(|barcode| barcode.number_in(family)).max().unwrap_or(0);
        Self::in_family(family, highest.saturating_add(1), generation)
    }

    /// The barcode's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a cleaning cartridge's: all begin with `CLN`.
    #[must_use]
    pub fn is_cleaning(&self) -> bool {
        self.0.starts_with("CLN")
    }

    /// The barcode without its media identifier, if it ends with one: what backup applications compare, most of them its
    /// first six characters.
    #[must_use]
    pub fn volume_name(&self) -> Option<&str> {
        Generation::of_barcode(self)?;
        self.0.get(..self.0.len().checked_sub(MEDIA_IDENTIFIER_CHARACTERS)?)
    }

    fn number_in(&self, family: &str) -> Option<u32> {
        let digits = self.volume_name()?.strip_prefix(family)?;
        if digits.len() < 3 { None } else { digits.parse().ok() }
    }
}

impl fmt::Display for Barcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Barcode {
    type Err = BarcodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for Barcode {
    type Error = BarcodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<Barcode> for String {
    fn from(barcode: Barcode) -> Self {
        barcode.0.as_ref().to_owned()
    }
}

impl AsRef<str> for Barcode {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<Path> for Barcode {
    fn as_ref(&self) -> &Path {
        Path::new(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LTO8: Generation = Generation::Lto8;

    #[test]
    fn only_names_that_are_safe_as_a_directory_are_barcodes() {
        for good in ["A", "VLT001L8", "0", "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"] {
            assert_eq!(Barcode::new(good).unwrap().as_str(), good);
        }
        for bad in
            ["", ".", "..", "A/B", "a", "VLT 01", "VLT-01", "Ä", "A\0", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456"]
        {
            assert!(Barcode::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn cleaning_cartridges_are_told_by_how_they_begin() {
        let is_cleaning = |text: &str| Barcode::new(text).unwrap().is_cleaning();
        assert!(is_cleaning("CLN001L1") && is_cleaning("CLNU01CU") && is_cleaning("CLN"));
        assert!(!is_cleaning("CL0001L8") && !is_cleaning("ACLN01L8"));
    }

    #[test]
    fn families_count_on_and_never_reuse_a_lower_number() {
        assert_eq!(Barcode::in_family("VLT", 1, LTO8).unwrap().as_str(), "VLT001L8");
        assert_eq!(Barcode::in_family("VLT", 1000, LTO8).unwrap().as_str(), "VLT1000L8");
        let taken: Vec<_> = ["VLT001L8", "VLT007L8", "ABC900L8", "VLT9L8", "VLT99999999999L8", "VLT009L7"]
            .map(|text| Barcode::new(text).unwrap())
            .into();
        assert_eq!(
            Barcode::next_in_family("VLT", LTO8, &taken).unwrap().as_str(),
            "VLT010L8",
            "009 is used, in LTO-7"
        );
        assert_eq!(Barcode::next_in_family("NEW", LTO8, &taken).unwrap().as_str(), "NEW001L8");
        assert!(Barcode::in_family("no", 1, LTO8).is_err());
    }
}
