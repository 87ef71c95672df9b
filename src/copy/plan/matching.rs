//! Which cartridge is a tape's: barcodes as libraries show them, and patterns of barcodes.
//!
//! Robots pad barcodes with blanks or NULs, and some leave out the media identifier (`L8`), so both forms count; but
//! never a guess: if two cartridges could be meant, none is.

use std::fmt;
use std::str::FromStr;

use super::{CartridgeFacts, Facts, Match, Skip, TapeFacts, TapePlace};
use crate::vtl::barcode::Barcode;
use crate::vtl::generation::Generation;

/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 64;

/// A pattern of barcodes: `*` for any characters, `?` for any one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a pattern of barcodes; use 1 to {PATTERN_BYTES_MAX} of A-Z, 0-9, * and ?")]
pub struct PatternError(String);

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Pattern, PatternError> {
        let is_pattern = (1..=PATTERN_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| {
                byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'*' | b'?')
            });
        if is_pattern {
            Ok(Pattern(text.to_owned()))
        } else {
            Err(PatternError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern {
    /// Whether it matches all of `text`. Takes time in proportion to both lengths, whatever the pattern.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        // Where the last `*` stands, and how much of the text it has taken.
        let mut star: Option<(usize, usize)> = None;
        while let Some(byte) = text.get(t) {
            match (pattern.get(p), star) {
                (Some(b'*'), _) => {
                    star = Some((p, t));
                    p += 1;
                }
                (Some(wanted), _) if *wanted == b'?' || wanted == byte => {
                    p += 1;
                    t += 1;
                }
                (_, Some((at, taken))) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                (_, None) => return false,
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

/// A barcode without what robots put behind it.
pub(super) fn trimmed(barcode: &str) -> &str {
    barcode.trim_matches([' ', '\0'])
}

/// The generation that a barcode names.
pub(super) fn generation(barcode: &str) -> Option<Generation> {
    Generation::of_barcode(&Barcode::new(trimmed(barcode)).ok()?)
}

/// The cartridge for this tape, as an index into the library's.
pub(super) fn cartridge(facts: &Facts<'_>, tape: &TapeFacts) -> Result<usize, Skip> {
    let cartridges = &facts.library.cartridges;
    let only = |is_meant: &dyn Fn(&CartridgeFacts) -> bool| {
        let mut meant = cartridges.iter().enumerate().filter(|(_, cartridge)| is_meant(cartridge));
        match (meant.next(), meant.next()) {
            (None, _) => Err(Skip::NoCartridge),
            (Some((index, _)), None) => Ok(index),
            _ => Err(Skip::Ambiguous),
        }
    };
    match (facts.policy.matching, tape.place) {
        (Match::Slot, TapePlace::Slot(slot)) => only(&|cartridge| cartridge.slot == Some(slot)),
        (Match::Slot, _) => Err(Skip::NoSlot),
        (Match::Barcode, _) => {
            let reads = |cartridge: &CartridgeFacts, text: &str| {
                cartridge.barcode.as_deref().is_some_and(|barcode| trimmed(barcode) == text)
            };
            match only(&|cartridge| reads(cartridge, &tape.barcode)) {
                Err(Skip::NoCartridge) => {
                    let barcode = Barcode::new(&tape.barcode).ok();
                    let Some(short) = barcode.as_ref().and_then(Barcode::volume_name) else {
                        return Err(Skip::NoCartridge);
                    };
                    only(&|cartridge| reads(cartridge, short))
                }
                found => found,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text, is_match) in [
            ("*", "VLT001L8", true),
            ("VLT*", "VLT001L8", true),
            ("VLT*", "VLX001L8", false),
            ("VLT00?L8", "VLT001L8", true),
            ("VLT00?L8", "VLT0010L8", false),
            ("*1*8", "VLT001L8", true),
            ("*L8*", "VLT001L8", true),
            ("VLT001L8", "VLT001L8", true),
            ("VLT001L8", "VLT001L", false),
            ("?", "", false),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(text), is_match, "{pattern} {text}");
        }
        for text in ["", "vlt*", "A B", "[A]", &"A".repeat(65)] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }

    /// The plain way, which may take for ever.
    fn plain(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some((b'*', rest)), None) => plain(rest, text),
            (Some((b'*', rest)), Some((_, more))) => plain(rest, text) || plain(pattern, more),
            (Some((wanted, rest)), Some((byte, more))) => {
                (*wanted == b'?' || wanted == byte) && plain(rest, more)
            }
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_the_plain_way(pattern in "[AB*?]{1,8}", text in "[AB]{0,10}") {
            let found = pattern.parse::<Pattern>().unwrap().matches(&text);
            prop_assert_eq!(found, plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
