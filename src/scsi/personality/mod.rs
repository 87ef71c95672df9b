//! Personalities: who a library and its drives say they are, and what of their answers depends on it.
//!
//! Backup applications know devices by strings, by where element addresses begin and by how drives are named in READ
//! ELEMENT STATUS. All of that is data in a TOML file; the built-in ones stand beside this one and are read by the same
//! parser as an operator's own (`file`). The default is honest: our own names and no other vendor's. Nothing here says
//! what a command does. Must not know of loaders or read files.

mod file;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use super::identity::DeviceProfile;
use crate::vtl::element::{ElementCounts, ElementLayout, LayoutError};

pub use self::file::PersonalityError;
pub use crate::vtl::generation::Generation;

/// A library and its drives as initiators see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Personality {
    /// What the configuration calls it.
    pub name: String,
    /// One line about it, for people.
    pub description: String,
    /// The robot.
    pub changer: ChangerPersonality,
    /// Every drive.
    pub drive: DrivePersonality,
}

/// The robot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangerPersonality {
    /// Who it is.
    pub device: DeviceProfile,
    /// The first element address of each kind.
    pub layout: ElementLayout,
    /// How READ ELEMENT STATUS names drives.
    pub drive_identifier: DriveIdentifier,
    /// Whether there is EXCHANGE MEDIUM.
    pub has_exchange: bool,
}

/// How READ ELEMENT STATUS names a drive when it is asked to (DVCID).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveIdentifier {
    /// Vendor, product and serial number in 34 characters (designator type 1): what most libraries do.
    VendorProductSerial,
    /// The serial number alone (designator type 0), padded with blanks to so many characters, 10 to 32.
    Serial {
        /// The width.
        characters: u8,
    },
}

/// A drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrivePersonality {
    /// Who it is.
    pub device: DeviceProfile,
    /// Its generation, which decides what media it takes.
    pub generation: Generation,
}

/// The built-in personalities' texts. The first is the default.
const BUILT_IN: [&str; 5] = [
    include_str!("tapesilo.toml"),
    include_str!("ibm-3584.toml"),
    include_str!("stk-l700.toml"),
    include_str!("quantum-i500.toml"),
    include_str!("hp-msl.toml"),
];

/// The built-in personalities, of the generation that their files say.
static PERSONALITIES: LazyLock<Vec<Arc<Personality>>> = LazyLock::new(|| {
    let read = |text: &&str| file::parse(text, None).expect("the built-in personalities are read by a test");
    BUILT_IN.iter().map(read).map(Arc::new).collect()
});

impl Personality {
    /// The name of our own.
    pub const HONEST: &str = "tapesilo";

    /// Our own.
    #[must_use]
    pub fn honest() -> Arc<Personality> {
        PERSONALITIES[0].clone()
    }

    /// The names of the built-in ones.
    #[must_use]
    pub fn built_in_names() -> Vec<&'static str> {
        PERSONALITIES.iter().map(|personality| personality.name.as_str()).collect()
    }

    /// The built-in one of this name, with drives of `generation` where that is given; none if there is none.
    #[must_use]
    pub fn built_in(name: &str, generation: Option<Generation>) -> Option<Arc<Personality>> {
        let at = PERSONALITIES.iter().position(|personality| personality.name == name)?;
        match generation {
            None => PERSONALITIES.get(at).cloned(),
            Some(_) => file::parse(BUILT_IN.get(at)?, generation).ok().map(Arc::new),
        }
    }

    /// Reads an operator's own, with drives of `generation` where that is given.
    ///
    /// # Errors
    /// [`PersonalityError`] names the key and what is wrong with it.
    pub fn parse(text: &str, generation: Option<Generation>) -> Result<Personality, PersonalityError> {
        file::parse(text, generation)
    }

    /// How many slots there are addresses for.
    #[must_use]
    pub fn slots_max(&self) -> u32 {
        self.check_counts(0, 0, u16::MAX).map_or_else(|error| error.maximum, |()| u16::MAX.into())
    }

    /// Whether there are addresses for so many elements.
    ///
    /// # Errors
    /// [`LayoutError`] names the first kind that has more elements than addresses.
    pub fn check_counts(&self, mail_slots: u16, drives: u16, slots: u16) -> Result<(), LayoutError> {
        self.changer.layout.check(ElementCounts { mail_slots, drives, slots })
    }
}
