//! A loader's identity: the serial numbers and world wide names that clients know its robot and drives by.
//!
//! All derive from the uuid in `slots.toml` and the drive's index, so they are the same after every restart, rename
//! and move of the directory. Clients link drives to robots by them and by nothing else.

use uuid::Uuid;

/// Crockford's base 32: no I, L, O, U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The NAA field of a locally assigned identifier (SPC-4 7.8.6.6.4).
const NAA_LOCALLY_ASSIGNED: u64 = 0x3 << 60;

/// What serial numbers derive from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    uuid: Uuid,
}

impl Identity {
    /// The identity of the loader with this uuid.
    #[must_use]
    pub fn new(uuid: Uuid) -> Self {
        Self { uuid }
    }

    /// The loader's uuid.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The robot's serial number: 10 characters of ASCII.
    #[must_use]
    pub fn serial(&self) -> String {
        self.numbered(0)
    }

    /// The serial number of drive `index`: 10 characters of ASCII, the robot's own but for the last three.
    #[must_use]
    pub fn drive_serial(&self, index: u16) -> String {
        self.numbered(u64::from(index) + 1)
    }

    /// The robot's world wide name, a locally assigned NAA identifier.
    #[must_use]
    pub fn world_wide_name(&self) -> u64 {
        self.named(0)
    }

    /// The world wide name of drive `index`, a locally assigned NAA identifier.
    #[must_use]
    pub fn drive_world_wide_name(&self, index: u16) -> u64 {
        self.named(u64::from(index) + 1)
    }

    /// 35 random bits of the uuid and 15 bits of number. A drive index has at most 12 bits (`ElementLayout`).
    fn numbered(&self, number: u64) -> String {
        let bits = (self.random() << 15) | (number & 0x7fff);
        (0..10)
            .rev()
            .map(|digit| char::from(DIGITS[usize::from((bits >> (5 * digit)).to_le_bytes()[0] & 31)]))
            .collect()
    }

    /// 44 random bits of the uuid and 16 bits of number.
    fn named(&self, number: u64) -> u64 {
        NAA_LOCALLY_ASSIGNED | ((self.random() & 0xfff_ffff_ffff) << 16) | (number & 0xffff)
    }

    /// The last 62 bits of a version 4 uuid are random.
    fn random(&self) -> u64 {
        self.uuid.as_u64_pair().1 & (u64::MAX >> 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn serials_are_stable_unique_and_ten_characters_of_ascii() {
        let identity = Identity::new(Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));
        assert_eq!(identity.serial(), "Y4TQKFF000");
        assert_eq!(identity.drive_serial(0), "Y4TQKFF001");
        assert_eq!(identity.world_wide_name(), 0x3567_89ab_cdef_0000);
        let mut seen: BTreeSet<_> = (0..3840).map(|index| identity.drive_serial(index)).collect();
        seen.insert(identity.serial());
        assert_eq!(seen.len(), 3841);
        assert!(seen.iter().all(|serial| serial.len() == 10 && serial.is_ascii()));
        let names: BTreeSet<_> = (0..3840).map(|index| identity.drive_world_wide_name(index)).collect();
        assert_eq!(names.len(), 3840);
    }
}
