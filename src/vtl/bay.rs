//! The bay: a drive as the robot sees it, a place that takes and gives a cartridge.
//!
//! Must not know of positions, records or sessions. The drive implements it; `loader` calls it.

use std::path::Path;

use thiserror::Error;

use super::barcode::Barcode;

/// A drive's cartridge opening.
///
/// Calls may block while the drive finishes what it does, but never for ever. They come from the loader, one at a
/// time; an implementation must not call back into the loader from a thread that one of these calls waits for.
pub trait Bay: Send + Sync {
    /// The drive's serial number, exactly as in its VPD page 80h.
    fn serial(&self) -> String;

    /// Takes the cartridge whose directory is `cartridge`, loads it and threads it at the beginning of the tape.
    ///
    /// # Errors
    /// The bay is then as empty as it was before.
    fn insert(&self, cartridge: &Path, barcode: &Barcode) -> Result<(), BayError>;

    /// Gives the cartridge back, unloading it first when it is loaded: everything written is then on stable storage.
    ///
    /// # Errors
    /// The cartridge is then still in the bay. [`BayError::InUse`] when a session works with the loaded tape,
    /// [`BayError::Prevented`] while PREVENT MEDIUM REMOVAL holds.
    fn remove(&self) -> Result<(), BayError>;

    /// The Access bit of the data transfer element: true when the picker can reach in, the bay being empty or its
    /// cartridge unloaded. Must answer at once.
    fn picker_access(&self) -> bool;
}

/// Why a bay did not take or give a cartridge.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum BayError {
    /// A session has the drive open with the tape loaded.
    #[error("the tape is in use by {by}; end that session or unload the tape")]
    InUse {
        /// Who, as the operator knows it.
        by: String,
    },
    /// PREVENT MEDIUM REMOVAL is in force.
    #[error("the drive's user has forbidden medium removal; allow it or end that session")]
    Prevented,
    /// The cartridge could not be loaded or unloaded.
    #[error("{reason}")]
    Failed {
        /// One line: what failed and why.
        reason: String,
    },
}
