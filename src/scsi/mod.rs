//! SCSI: command descriptor blocks in, status, data and sense out.
//!
//! [`changer`] is the medium changer (SMC-3) on a loader, [`drive`] the sequential-access device (SSC-3) on a tape drive;
//! what every device answers alike (SPC-4) is in [`common`], who they say they are in [`personality`]. Must not know of NDMP, which carries these bytes, nor of how
//! tapes are kept. Nothing here panics, loops or allocates by what a CDB says: data is never longer than the allocation
//! length of the CDB and of the caller.

pub mod cdb;
pub mod changer;
mod commands;
pub mod common;
pub mod density;
pub mod drive;
pub mod identity;
mod mode;
pub mod outcome;
pub mod personality;
pub mod sense;

/// What one session (an initiator's nexus) has set on one device. It ends with the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nexus {
    /// PREVENT ALLOW MEDIUM REMOVAL is in force for this session. A drive keeps its tape while it is. On a changer it is
    /// about operators' hands (mail slots and door), never about MOVE MEDIUM; it is answered and kept here,
    /// and whatever lets an operator take a tape out of a mail slot has to ask for it.
    pub prevent_removal: bool,
    /// Tells initiators apart for reservations. Sessions that share a number share reservations.
    pub initiator: u64,
    /// The drive's count of loads when this session last looked; a session that is new has missed nothing.
    pub loads_seen: Option<u64>,
}
