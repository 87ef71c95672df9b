//! Elements: the places of a loader, and the addresses SCSI gives them.
//!
//! A [`Place`] is what the slot map keeps: a kind and an index, which stay true when the addresses change. An
//! [`ElementLayout`] turns places into element addresses; a personality is another layout. Must not know which tape
//! is where; that is `slots`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The element types of SMC-3, with their codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ElementKind {
    /// Medium transport element: the robot's hand.
    Transport = 1,
    /// Storage element: a slot.
    Storage = 2,
    /// Import/export element: a mail slot.
    ImportExport = 3,
    /// Data transfer element: a drive.
    DataTransfer = 4,
}

/// Where a tape can be. Indexes count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// In a mail slot.
    MailSlot(u16),
    /// In a drive.
    Drive(u16),
    /// In a slot.
    Slot(u16),
    /// Known to the loader but out of the robot's reach: no slot is free, or the tape is damaged.
    Shelf,
}

/// How many elements of each kind a loader has; there is always one transport element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementCounts {
    /// Import/export elements.
    pub mail_slots: u16,
    /// Data transfer elements.
    pub drives: u16,
    /// Storage elements.
    pub slots: u16,
}

/// The first element address of each kind.
///
/// Drives and mail slots come before slots: clients that ask for a fixed number of elements (80 in ndmjob) then
/// always see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementLayout {
    /// Of the one transport element. Never 0, which in MOVE MEDIUM means "the default one".
    pub transport: u16,
    /// Of the import/export elements.
    pub mail_slots: u16,
    /// Of the data transfer elements.
    pub drives: u16,
    /// Of the storage elements.
    pub slots: u16,
}

impl Default for ElementLayout {
    /// The addresses that several vendors' libraries share (transport 1, I/E 10h, drives 100h, storage 1000h).
    fn default() -> Self {
        Self { transport: 0x0001, mail_slots: 0x0010, drives: 0x0100, slots: 0x1000 }
    }
}

/// Why a number of elements does not fit into a layout.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{count} {kind} are too many; this element layout has addresses for {maximum}")]
pub struct LayoutError {
    /// "drives", "slots" …
    pub kind: &'static str,
    /// How many were asked for.
    pub count: u16,
    /// How many fit.
    pub maximum: u32,
}

impl ElementLayout {
    /// Checks that every element has an address of its own.
    ///
    /// # Errors
    /// [`LayoutError`] names the first kind that has more elements than addresses.
    pub fn check(&self, counts: ElementCounts) -> Result<(), LayoutError> {
        let starts = [self.transport, self.mail_slots, self.drives, self.slots];
        let ranges = [
            ("transport elements", self.transport, 1),
            ("mail slots", self.mail_slots, counts.mail_slots),
            ("drives", self.drives, counts.drives),
            ("slots", self.slots, counts.slots),
        ];
        for (kind, first, count) in ranges {
            let next =
                starts.iter().filter(|start| **start > first).min().map_or(0x1_0000, |s| u32::from(*s));
            let maximum = next - u32::from(first);
            if u32::from(count) > maximum {
                return Err(LayoutError { kind, count, maximum });
            }
        }
        Ok(())
    }

    /// The element address of a place; none for the shelf or an index without an address.
    #[must_use]
    pub fn address(&self, place: Place) -> Option<u16> {
        match place {
            Place::MailSlot(index) => self.mail_slots.checked_add(index),
            Place::Drive(index) => self.drives.checked_add(index),
            Place::Slot(index) => self.slots.checked_add(index),
            Place::Shelf => None,
        }
    }

    /// The place at an element address, if a loader with `counts` elements has one there.
    #[must_use]
    pub fn place(&self, counts: ElementCounts, address: u16) -> Option<Place> {
        let within = |first: u16, count: u16| address.checked_sub(first).filter(|index| *index < count);
        None.or_else(|| within(self.mail_slots, counts.mail_slots).map(Place::MailSlot))
            .or_else(|| within(self.drives, counts.drives).map(Place::Drive))
            .or_else(|| within(self.slots, counts.slots).map(Place::Slot))
    }
}

impl ElementCounts {
    /// Whether a loader with these counts has this place. The shelf is always there.
    #[must_use]
    pub fn contains(&self, place: Place) -> bool {
        match place {
            Place::MailSlot(index) => index < self.mail_slots,
            Place::Drive(index) => index < self.drives,
            Place::Slot(index) => index < self.slots,
            Place::Shelf => true,
        }
    }
}

impl Place {
    /// The SMC element type of this place; none for the shelf.
    #[must_use]
    pub fn kind(self) -> Option<ElementKind> {
        match self {
            Place::MailSlot(_) => Some(ElementKind::ImportExport),
            Place::Drive(_) => Some(ElementKind::DataTransfer),
            Place::Slot(_) => Some(ElementKind::Storage),
            Place::Shelf => None,
        }
    }

    /// The place for a person to read: "slot 0", "drive 1", "mail slot 0", "shelf", counted from 0 like the drives'
    /// device names. What commands and files take is [`Place`]'s `Display`.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Place::MailSlot(index) => format!("mail slot {index}"),
            Place::Drive(index) => format!("drive {index}"),
            Place::Slot(index) => format!("slot {index}"),
            Place::Shelf => "shelf".to_owned(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::MailSlot(index) => write!(f, "mail{index}"),
            Place::Drive(index) => write!(f, "drive{index}"),
            Place::Slot(index) => write!(f, "slot{index}"),
            Place::Shelf => f.write_str("shelf"),
        }
    }
}

/// A text that names no place.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no place; write slot0, drive0, mail0 (counted from 0) or shelf")]
pub struct PlaceError(String);

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let indexed = |prefix: &str| {
            let digits = text.strip_prefix(prefix)?;
            let canonical =
                digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
            if canonical { digits.parse::<u16>().ok() } else { None }
        };
        None.or_else(|| (text == "shelf").then_some(Place::Shelf))
            .or_else(|| indexed("slot").map(Place::Slot))
            .or_else(|| indexed("drive").map(Place::Drive))
            .or_else(|| indexed("mail").map(Place::MailSlot))
            .ok_or_else(|| PlaceError(text.chars().take(40).collect()))
    }
}

impl TryFrom<String> for Place {
    type Error = PlaceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: ElementCounts = ElementCounts { mail_slots: 2, drives: 2, slots: 3 };

    #[test]
    fn every_place_has_one_address_and_gaps_have_none() {
        let layout = ElementLayout::default();
        for place in [Place::MailSlot(1), Place::Drive(0), Place::Slot(2)] {
            assert_eq!(layout.place(SMALL, layout.address(place).unwrap()), Some(place));
        }
        for gap in [0, 1, 0x0f, 0x12, 0x102, 0xfff, 0x1003, 0xffff] {
            assert_eq!(layout.place(SMALL, gap), None, "{gap:#x}");
        }
        assert_eq!(layout.address(Place::Shelf), None);
        assert_eq!(layout.address(Place::Slot(0xffff)), None);
    }

    #[test]
    fn counts_that_would_overlap_are_refused() {
        let layout = ElementLayout::default();
        assert_eq!(layout.check(ElementCounts { mail_slots: 240, drives: 3840, slots: 61440 }), Ok(()));
        for (counts, maximum) in [
            (ElementCounts { mail_slots: 241, ..SMALL }, 240),
            (ElementCounts { drives: 3841, ..SMALL }, 3840),
            (ElementCounts { slots: 61441, ..SMALL }, 61440),
        ] {
            assert_eq!(layout.check(counts).unwrap_err().maximum, maximum);
        }
    }

    #[test]
    fn places_are_written_as_they_are_read() {
        for place in [Place::MailSlot(0), Place::Drive(12), Place::Slot(65535), Place::Shelf] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        let words = [Place::MailSlot(0), Place::Drive(12), Place::Slot(0), Place::Shelf].map(Place::words);
        assert_eq!(words, ["mail slot 0", "drive 12", "slot 0", "shelf"]);
        for bad in ["", "slot", "slot-1", "slot+1", "slot01", "slot65536", "Slot1", "mail 1", "drive0x1"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
