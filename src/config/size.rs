//! Sizes as an operator writes them: `"1 TB"` is 10^12 bytes, `"20 MiB"` is 20 · 2^20, a plain number is bytes.
//!
//! Knows text and numbers only. Whole bytes are exact in both directions: what `Display` writes parses to the same
//! number. `human` is for tables and may round. The limits of a particular key stand in `model::limits`.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A number of bytes, 0 to [`ByteSize::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Why a text is not a size. The message says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// No digits at the front.
    #[error("{0:?} is not a size; write a number and a unit, such as \"20 MiB\" or \"1 TB\"")]
    NotASize(String),
    /// The number is fine, the unit is unknown (or ambiguous, such as "G").
    #[error(
        "{0:?} is not a unit; use B, kB, MB, GB, TB, PB (powers of 1000) or KiB, MiB, GiB, TiB, PiB (powers of 1024)"
    )]
    Unit(String),
    /// The fraction does not come to whole bytes.
    #[error("{0:?} is not a whole number of bytes; use a smaller unit")]
    Fraction(String),
    /// Larger than [`ByteSize::MAX`], or negative.
    #[error("{0} is out of range; the largest size is 1000 PB")]
    Range(String),
}

/// Unit names and their bytes, largest first. The spelling is matched without regard to case.
const UNITS: [(&str, u64); 11] = [
    ("PiB", 1 << 50),
    ("PB", 1_000_000_000_000_000),
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

impl ByteSize {
    /// The largest size accepted: 10^18 bytes (1000 PB).
    pub const MAX: Self = Self(1_000_000_000_000_000_000);

    /// A size of that many bytes, or `None` above [`ByteSize::MAX`].
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Option<Self> {
        if bytes <= Self::MAX.0 { Some(Self(bytes)) } else { None }
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// A rounded decimal text for tables: `999 B`, `1.5 MB`, `12.0 TB`.
    #[must_use]
    pub fn human(bytes: u64) -> String {
        let Some((unit, factor)) =
            UNITS.iter().find(|(name, factor)| !name.contains('i') && bytes >= *factor && *factor > 1)
        else {
            return format!("{bytes} B");
        };
        let tenths = u128::from(bytes) * 10 / u128::from(*factor);
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

impl fmt::Display for ByteSize {
    /// The exact size in the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or(&("B", 1));
        write!(f, "{} {unit}", self.0 / factor)
    }
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let text = text.trim();
        let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(number_end);
        let factor = factor_of(unit.trim())?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
            return Err(SizeError::NotASize(text.to_owned()));
        }
        let out_of_range = || SizeError::Range(text.to_owned());
        let whole: u64 = whole.parse().map_err(|_| out_of_range())?;
        let bytes = whole.checked_mul(factor).ok_or_else(out_of_range)?;
        let bytes = bytes.checked_add(fraction_bytes(fraction, factor, text)?).ok_or_else(out_of_range)?;
        Self::from_bytes(bytes).ok_or_else(out_of_range)
    }
}

/// Bytes in one unit; no unit means bytes.
fn factor_of(unit: &str) -> Result<u64, SizeError> {
    if unit.is_empty() {
        return Ok(1);
    }
    if unit.starts_with('-') || unit.starts_with('+') {
        return Err(SizeError::Range(unit.to_owned()));
    }
    let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    known.map(|(_, factor)| *factor).ok_or_else(|| SizeError::Unit(unit.to_owned()))
}

/// The bytes that the digits behind the decimal point stand for; they must come to whole bytes.
fn fraction_bytes(digits: &str, factor: u64, text: &str) -> Result<u64, SizeError> {
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    let not_whole = || SizeError::Fraction(text.to_owned());
    // 15 digits times 2^50 stays below 2^128; more digits than that cannot come to whole bytes of any sane size.
    let places = u32::try_from(digits.len()).ok().filter(|places| *places <= 15).ok_or_else(not_whole)?;
    let numerator: u64 = digits.parse().map_err(|_| not_whole())?;
    let scaled = u128::from(numerator) * u128::from(factor);
    let divisor = 10_u128.pow(places);
    if !scaled.is_multiple_of(divisor) {
        return Err(not_whole());
    }
    u64::try_from(scaled / divisor).map_err(|_| not_whole())
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"20 MiB\", or a number of bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
        let size = u64::try_from(bytes).ok().and_then(ByteSize::from_bytes);
        size.ok_or_else(|| E::custom(SizeError::Range(bytes.to_string())))
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
        ByteSize::from_bytes(bytes).ok_or_else(|| E::custom(SizeError::Range(bytes.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_mean_what_they_say() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("17 B", 17),
            ("1 kB", 1000),
            ("1KB", 1000),
            ("1 KiB", 1024),
            ("20 MiB", 20 << 20),
            ("1 TB", 1_000_000_000_000),
            ("1.5 TB", 1_500_000_000_000),
            ("2.5 GiB", 5 << 29),
            ("12.000 GB", 12_000_000_000),
            ("  18 tb ", 18_000_000_000_000),
            ("1000 PB", 1_000_000_000_000_000_000),
        ] {
            assert_eq!(text.parse::<ByteSize>().map(ByteSize::bytes), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_says_why() {
        for (text, part) in [
            ("", "not a size"),
            ("TB", "not a size"),
            ("one TB", "not a unit"),
            ("1 G", "powers of 1024"),
            ("1 XB", "not a unit"),
            ("1..5 GB", "not a size"),
            (".5 GB", "not a size"),
            ("5. GB", "not a size"),
            ("-1 GB", "out of range"),
            ("1.5 B", "whole number of bytes"),
            ("0.0000000000000000000000001 PB", "whole number of bytes"),
            ("1001 PB", "out of range"),
            ("99999999999999999999999 B", "out of range"),
            ("1 GB 1", "not a unit"),
        ] {
            let message = text.parse::<ByteSize>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn human_sizes_round_down() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_999_999, "1.9 MB"),
            (12_000_000_000_000, "12.0 TB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(ByteSize::human(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn display_parses_to_the_same_size(bytes in 0..=ByteSize::MAX.bytes()) {
            let size = ByteSize::from_bytes(bytes).expect("in range");
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
        }

        #[test]
        fn round_sizes_survive_too(count in 0_u64..1000, unit in 0..UNITS.len()) {
            let size = ByteSize::from_bytes(count * UNITS[unit].1);
            prop_assume!(size.is_some());
            let size = size.expect("checked");
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text in ".{0,40}") {
            let _ = text.parse::<ByteSize>();
        }

        #[test]
        fn any_number_like_text_is_answered(text in "[0-9.]{0,30} ?[kKMGTPiB]{0,4}") {
            if let Ok(size) = text.parse::<ByteSize>() {
                prop_assert!(size <= ByteSize::MAX);
            }
        }
    }
}
