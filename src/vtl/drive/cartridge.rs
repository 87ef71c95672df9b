//! Cartridges in and out of the drive: which can be threaded, which only read, which clean.
//!
//! A cartridge that cannot be threaded stays in the drive all the same, as in real ones, and whoever asks is told why; the
//! robot can take it out again. It must not know what is done with a threaded tape: that is `unit`'s.

use super::status::MediumStatus;
use super::unit::Drive;
use crate::tape::{Tape, TapeError};
use crate::vtl::barcode::Barcode;
use crate::vtl::generation::{Compatibility, Generation};
use crate::vtl::tape_drive::{DriveError, Medium, TapeDrive, alert};
use std::path::{Path, PathBuf};

/// How often a cleaning cartridge cleans.
const CLEANINGS_MAX: u64 = 50;

/// What the drive holds.
pub(super) enum Held {
    Empty,
    Unloaded(Cartridge),
    /// A cartridge that is not for reading.
    Unusable(Cartridge, Unusable),
    Ready(Cartridge, Box<Tape>),
}

impl Held {
    pub(super) fn cartridge(&self) -> Option<&Cartridge> {
        match self {
            Held::Empty => None,
            Held::Unloaded(cartridge) | Held::Unusable(cartridge, _) | Held::Ready(cartridge, _) => {
                Some(cartridge)
            }
        }
    }
}

/// A cartridge: what is on it is in its directory.
#[derive(Clone)]
pub(super) struct Cartridge {
    pub(super) directory: PathBuf,
    pub(super) barcode: Barcode,
}

/// Why a cartridge cannot be threaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Cleaning,
    Incompatible,
}

impl Unusable {
    pub(super) fn error(self) -> DriveError {
        match self {
            Unusable::Cleaning => DriveError::Cleaning,
            Unusable::Incompatible => DriveError::Incompatible,
        }
    }

    pub(super) fn medium(self) -> Medium {
        match self {
            Unusable::Cleaning => Medium::Cleaning,
            Unusable::Incompatible => Medium::Incompatible,
        }
    }

    pub(super) fn status(self) -> MediumStatus {
        match self {
            Unusable::Cleaning => MediumStatus::Cleaning,
            Unusable::Incompatible => MediumStatus::Incompatible,
        }
    }
}

impl Drive {
    /// Takes a cartridge and threads it at the beginning of the tape, or keeps it without, if it cannot be threaded here. On
    /// error the drive is empty as before.
    pub(super) fn insert(&mut self, directory: &Path, barcode: &Barcode) -> Result<(), DriveError> {
        if !matches!(self.held, Held::Empty) {
            return Err(DriveError::Failed { reason: "the drive holds a cartridge already".into() });
        }
        let cartridge = Cartridge { directory: directory.to_owned(), barcode: barcode.clone() };
        if barcode.is_cleaning() {
            self.clean(&cartridge).map_err(|error| self.fault(&error))?;
            self.keep(cartridge, Unusable::Cleaning);
            return Ok(());
        }
        if self.compatibility(&cartridge) == Compatibility::None {
            tracing::warn!(
                serial = self.serial(), %barcode,
                "the drive cannot read tapes of this generation; take it out and use another drive"
            );
            self.settings.raise(alert::UNSUPPORTED_FORMAT);
            self.keep(cartridge, Unusable::Incompatible);
            return Ok(());
        }
        self.thread(cartridge)
    }

    /// Gives the cartridge back; everything is on stable storage then. On error it stays.
    pub(super) fn remove(&mut self) -> Result<(), DriveError> {
        if self.removal_prevented {
            return Err(DriveError::Prevented);
        }
        self.unload()?;
        self.held = Held::Empty;
        self.publish_all();
        Ok(())
    }

    /// Opens the tape and stands at its beginning. On error the drive holds what it held.
    pub(super) fn thread(&mut self, cartridge: Cartridge) -> Result<(), DriveError> {
        let opened = Tape::open_with(&cartridge.directory, self.compression);
        let mut tape = opened.map_err(|error| self.fault(&error))?;
        if self.compatibility(&cartridge) == Compatibility::ReadOnly {
            tape.refuse_writes();
        }
        if tape.has_lost_attributes() {
            self.settings.raise(alert::MEMORY_FAILURE);
        }
        self.loads = self.loads.wrapping_add(1);
        self.tally.threaded(tape.label());
        self.held = Held::Ready(cartridge, Box::new(tape));
        self.forget_host_state();
        self.publish_all();
        Ok(())
    }

    /// Whether the tape in the drive is of a generation that it can read and not write.
    pub(super) fn is_read_only_format(&self) -> bool {
        let compatibility = self.held.cartridge().map(|cartridge| self.compatibility(cartridge));
        compatibility == Some(Compatibility::ReadOnly)
    }

    /// A barcode that names no generation is taken to be of the drive's.
    fn compatibility(&self, cartridge: &Cartridge) -> Compatibility {
        Generation::of_barcode(&cartridge.barcode)
            .map_or(Compatibility::Full, |generation| self.generation.takes(generation))
    }

    fn keep(&mut self, cartridge: Cartridge, why: Unusable) {
        self.loads = self.loads.wrapping_add(1);
        self.held = Held::Unusable(cartridge, why);
        self.forget_host_state();
        self.publish_all();
    }

    /// Cleans, if that is a cleaning cartridge that is not used up. It counts its uses as a tape counts its loads.
    fn clean(&mut self, cartridge: &Cartridge) -> Result<(), TapeError> {
        let tape = Tape::open(&cartridge.directory)?;
        let (uses, is_blank) = (tape.label().counters.loads, tape.end_of_data().block == 0);
        tape.close()?;
        self.settings.raise(alert::CLEANING_MEDIUM);
        if !is_blank {
            self.settings.raise(alert::INVALID_CLEANING_MEDIUM);
        } else if uses > CLEANINGS_MAX {
            self.settings.raise(alert::EXPIRED_CLEANING_MEDIUM);
        } else {
            self.settings.lower(alert::CLEAN_NOW);
            self.settings.lower(alert::CLEAN_PERIODIC);
            self.tally.cleaned();
        }
        Ok(())
    }
}
