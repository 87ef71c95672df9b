//! The virtual drive: one thread that owns a tape's bytes, and the handle others reach it by.
//!
//! `unit` is the drive itself, owned by its thread, with `cartridge` (what is put in) and `tally` (what is counted); `host` its operations as an operating system's tape driver
//! offers them; `handle` the thread, its queue and the leases; `status` what anyone may look at while it works;
//! `keeper` who looks after it and its disk; `retire` how a drive leaves, `port` how a pump sees it, `loan` how it writes many records. It must not know NDMP, SCSI bytes, or other drives.

mod cartridge;
mod handle;
mod host;
mod keeper;
mod loan;
mod port;
mod retire;
mod status;
mod tally;
mod unit;

pub use handle::{DriveGone, DriveHandle, DriveLease, Holder, Occupied, WeakDrive};
pub use host::{HostError, HostRead, MarkRule, Motion};
pub use keeper::{Alert, Condition, DriveKeeper, Notice, Unkept};
pub use loan::Loan;
pub use port::{ReadStop, RecordLoan, RecordPort, SpaceStop, WriteStop};
pub use retire::NotAcquired;
pub use status::{DriveStatus, MediumStatus};
pub use unit::Drive;

#[cfg(test)]
mod tests;
