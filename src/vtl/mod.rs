//! The virtual loader: which tape is in which element, who may move it, and how that survives a crash.
//!
//! Knows nothing of SCSI encodings or NDMP (those stand above, in `scsi` and `ndmp`), nothing of how a tape is laid
//! out on disk (that is `tape`, reached through [`inventory::Cartridges`]) and nothing of how a drive works inside
//! (reached through [`bay::Bay`] by the robot and [`tape_drive::TapeDrive`] by the SCSI commands). Read on in
//! `loader`, which holds the rest together.

pub mod barcode;
pub mod bay;
pub mod drive;
pub mod element;
pub mod generation;
pub mod inventory;
pub mod loader;
pub mod reservations;
pub mod slots;
pub mod tape_drive;
