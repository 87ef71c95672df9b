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
pub mod drive;
pub mod identity;
mod mode;
pub mod outcome;
pub mod personality;
pub mod reserve;
pub mod sense;

/// What one session (an initiator's nexus) has set on one logical unit, and what it has seen of it. It is kept for as long as
/// the session lasts; then [`drive::end_session`] or [`changer::end_session`] is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nexus {
    /// Tells initiators apart for reservations. Sessions that share a number share reservations.
    pub initiator: u64,
    /// Tells sessions apart.
    pub session: u64,
    /// The session as the operator knows it.
    pub name: String,
    /// PREVENT ALLOW MEDIUM REMOVAL is in force for this session. A drive keeps its tape while it is. On a changer it is
    /// about operators' hands (mail slots and door), never about MOVE MEDIUM: the loader refuses them.
    pub prevent_removal: bool,
    /// The drive's count of loads when this session last looked; a session that is new has missed nothing.
    pub loads_seen: Option<u64>,
    /// The robot's count of operators' accesses to mail slots, likewise.
    pub mail_accesses_seen: Option<u64>,
    /// The drives, by index, into which the robot has put tapes for this session; whoever keeps the nexuses to those drives
    /// takes note and empties it.
    pub loaded: Vec<u16>,
    /// What SEND VOLUME TAG has asked the robot for.
    pub search: Option<changer::VolumeSearch>,
}
