//! What a write that succeeded has to tell: early warning, and the programmable one before it (SSC-3 4.2.5).
//!
//! Early warning is told with every write in its zone; the programmable one by the write that enters its zone, and not again
//! before the tape has been written anew from before that place. Must not know how much a tape holds.

use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::{Position, TapeDrive};

const MEGABYTE: u64 = 1_000_000;

/// Where the tape stood before a write.
pub(super) struct Before {
    block: u64,
    is_in_zone: bool,
}

/// Whether the tape stands in the programmable early warning zone, or behind it.
pub(super) fn is_in_zone(drive: &mut dyn TapeDrive, position: &Position) -> bool {
    let zone_bytes = u64::from(drive.settings().programmable_warning_megabytes) * MEGABYTE;
    zone_bytes > 0 && position.before_early_warning_bytes <= zone_bytes
}

impl Before {
    /// Notes where the tape stands.
    pub(super) fn of(drive: &mut dyn TapeDrive) -> Self {
        let position = drive.position().unwrap_or_default();
        Self { block: position.block, is_in_zone: is_in_zone(drive, &position) }
    }

    /// What is to be told behind the write; `is_warned` if it is in the early warning zone.
    pub(super) fn told(&self, drive: &mut dyn TapeDrive, is_warned: bool) -> Option<Sense> {
        if is_warned {
            return Some(Sense::END_OF_MEDIUM);
        }
        let loads = drive.loads();
        let position = drive.position().unwrap_or_default();
        let given = drive.settings().programmable_warning_given;
        // What is being compressed may turn out smaller, and the zone be left again by itself.
        let is_given = given.is_some_and(|(load, block)| load == loads && self.block > block);
        if is_given || self.is_in_zone || !is_in_zone(drive, &position) {
            return None;
        }
        drive.settings().programmable_warning_given = Some((loads, self.block));
        Some(Sense::PROGRAMMABLE_EARLY_WARNING)
    }
}
