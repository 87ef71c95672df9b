//! Physical libraries behind drivers: what the copy engine moves cartridges with, and writes and reads them through.
//!
//! Read in this order: [`library`] and [`drive`] (what a driver offers), [`fault`] (what can go wrong, and what to do about it),
//! [`limit`] (how long, and how to call it off). Then the drivers: [`scsi`] is SMC and SSC commands over a [`transport`]: [`iscsi`],
//! or [`sg`] for this host's own busses; [`ndmp`] is a remote NDMP server's robot and drives; [`directory`] is a library of tapes on a file system.
//! [`sense_data`] takes apart what devices say.
//!
//! Nothing here knows loaders, the server or jobs. Calls block and have time limits. What a device sends sizes no
//! allocation, and can cause no panic.

pub mod directory;
pub mod drive;
pub mod fault;
pub mod iscsi;
pub mod library;
pub mod limit;
pub mod ndmp;
pub mod scsi;
pub mod sense_data;
pub mod sg;
mod stream;
pub mod transport;

pub use drive::{Alerts, Cartridge, DriveState, PhysicalDrive, Place, Room, Spaced};
pub use fault::{Fault, FaultKind, Remedy};
pub use library::{Element, Identity, Inventory, Library};
pub use limit::{Cancel, Limit};
