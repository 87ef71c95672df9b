//! What `[[library]]` and `[[copy]]` mean: a physical library and how it is reached, and what is copied to it when.
//!
//! Plain data, as in `model`. The words of schedules, patterns and policies are `copy`'s own types; `engine` does what they
//! say.

use std::path::PathBuf;

use super::secret::Secret;
use crate::copy::fault::RetryPolicy;
use crate::copy::plan::Policy;
use crate::copy::schedule::{Release, Schedule};

/// `[[library]]`: a physical library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryConfig {
    /// Its name, `[A-Za-z0-9_-]{1,32}`; also that of its ledger's directory.
    pub name: String,
    /// How it is reached.
    pub driver: Driver,
    /// What its cartridges hold, where neither it nor its drives can tell.
    pub tape_capacity_bytes: Option<u64>,
}

/// How a library is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driver {
    /// `scsi`: the robot and the drives are commanded by SCSI.
    Scsi(ScsiLibrary),
    /// `ndmp`: a remote NDMP server has them.
    Ndmp(NdmpLibrary),
    /// `directory`: tape images in a directory.
    Directory {
        /// Which.
        path: PathBuf,
    },
}

/// A library on this host's SCSI busses, or behind iSCSI. Devices are told by serial number, never by their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScsiLibrary {
    /// Where its iSCSI target is; on this host's own busses if `None`.
    pub iscsi: Option<IscsiTarget>,
    /// The robot's serial number; over iSCSI the only robot of the target if `None`.
    pub changer_serial: Option<String>,
    /// The drives' serial numbers, in the order in which they are used; all that the robot names if empty.
    pub drive_serials: Vec<String>,
}

/// An iSCSI target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IscsiTarget {
    /// `host:port`; the port is 3260 where none was written.
    pub portal: String,
    /// The target's name.
    pub target: String,
    /// Who logs in by CHAP, if anybody must.
    pub chap: Option<Login>,
}

/// A library behind a remote NDMP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NdmpLibrary {
    /// `host:port`; the port is 10000 where none was written.
    pub address: String,
    /// Who logs in.
    pub login: Login,
    /// The robot's device name.
    pub robot_device: String,
    /// The drives' device names, in the order of the robot's data transfer elements; at least one.
    pub drive_devices: Vec<String>,
}

/// A name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password, read from a file.
    pub password: Secret,
}

/// `[[copy]]`: what is copied from a loader to a library, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyConfig {
    /// The loader's name.
    pub loader: String,
    /// The library's name.
    pub library: String,
    /// Which tapes, to which cartridges, verified how, on how many drives.
    pub policy: Policy,
    /// When.
    pub schedule: Schedule,
    /// 1 (first) to 9 (last), among what is copied to one library.
    pub priority: u8,
    /// How fast at most, in bytes a second; as fast as it goes if `None`.
    pub bandwidth_bytes_per_second: Option<u64>,
    /// How many bytes lie between two places at which a copy can be gone on with.
    pub checkpoint_bytes: u64,
    /// How often it is tried by itself.
    pub retries: RetryPolicy,
    /// When a verified tape leaves the disk.
    pub release: Release,
}
