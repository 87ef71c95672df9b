//! What a valid configuration means: addresses parsed, paths resolved, units in bytes, defaults filled in.
//!
//! Plain data for the server, the loaders and the command line. Nothing here reads a file; `check` builds these
//! values from the file as written and is the only place that knows how keys are spelled.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use super::library::{CopyConfig, LibraryConfig};
use super::network::Network;
use super::secret::Secret;
use crate::scsi::personality::Personality;

/// A whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[identity]`
    pub identity: IdentityConfig,
    /// `[[user]]`, in the order of the file; names are unique.
    pub users: Vec<User>,
    /// `[space]`
    pub space: Space,
    /// `[[loader]]`, in the order of the file; names are unique and no loader lies in another's directory.
    pub loaders: Vec<LoaderConfig>,
    /// `[[library]]`, in the order of the file; names are unique.
    pub libraries: Vec<LibraryConfig>,
    /// `[[copy]]`, in the order of the file; loaders and libraries are the file's.
    pub copies: Vec<CopyConfig>,
}

/// `[server]`: addresses, state and limits of the process.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where NDMP control connections are accepted; at least one.
    pub listen: Vec<SocketAddr>,
    /// Whether the command line says where to listen, and not the file.
    pub is_listen_overridden: bool,
    /// Jobs and locks; never tape data.
    pub state_dir: PathBuf,
    /// The Unix socket that `tapesilo`'s other commands talk to.
    pub control_socket: PathBuf,
    /// Ports for data connections; any port if none.
    pub data_ports: Option<RangeInclusive<u16>>,
    /// What MOVER_LISTEN offers instead of the control connection's own address; empty for that address.
    pub data_addresses: Vec<IpAddr>,
    /// Where metrics are served over HTTP; nowhere if `None`.
    pub metrics: Option<SocketAddr>,
    /// Networks in which data servers are; `None` if none are named.
    pub data_peers: Option<Vec<Network>>,
    /// Sessions at one time.
    pub max_sessions: usize,
    /// Of these, from one address; no limit of its own if `None`.
    pub max_sessions_per_address: Option<usize>,
    /// After so many failed logins in a row an address is locked out.
    pub failed_logins_max: u32,
    /// For how long.
    pub lockout_seconds: u32,
    /// After how long a peer that does not answer any more is found out.
    pub keepalive_seconds: u32,
    /// Whether NDMP requests that the standard forbids and DMAs send all the same are refused.
    pub ndmp_strict: bool,
}

/// `[identity]`: who the server tells DMAs it is, where that is not what the host says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityConfig {
    /// Host name.
    pub host_name: Option<String>,
    /// Host id.
    pub host_id: Option<String>,
    /// Operating system.
    pub os_type: Option<String>,
    /// Its release.
    pub os_version: Option<String>,
    /// Vendor of the server.
    pub vendor: Option<String>,
    /// Product.
    pub product: Option<String>,
    /// Its revision.
    pub revision: Option<String>,
}

/// `[[user]]`: who may log in, how, from where, and what they see.
#[derive(Debug, Clone)]
pub struct User {
    /// The NDMP authentication id.
    pub name: String,
    /// The password, read from `password_file`, or from systemd's `password_credential`: `None` where that cannot be had,
    /// outside of the service. Without one nobody can log in.
    pub password: Option<Secret>,
    /// Login methods this user may use.
    pub auth: AuthKinds,
    /// Networks the user may come from; empty for anywhere (an empty list in the file is refused).
    pub allow: Vec<Network>,
    /// Loaders the user sees; `None` for all.
    pub loaders: Option<Vec<String>>,
}

/// Login methods (NDMPv4 3.2.4); at least one is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthKinds {
    /// Challenge and MD5 digest.
    pub md5: bool,
    /// The password in clear text.
    pub text: bool,
}

/// `[space]`: free space of the loaders' file systems. Not acted upon by this version yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Warn below this share of free space, in percent.
    pub alert_percent: u8,
    /// Below this share writing tapes reach end of medium, in percent; not above `alert_percent`.
    pub stop_percent: u8,
}

/// `compression`: how records are stored, each by itself, and raw where that saves nothing worth the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// Zstandard at its fastest level.
    Zstd,
    /// LZ4.
    Lz4,
}

/// `[[loader]]`: one directory that acts as a tape library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoaderConfig {
    /// The loader's name, `[A-Za-z0-9_-]{1,32}`.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// Storage elements, 1 to 60000.
    pub slots: u32,
    /// Data transfer elements, 1 to 64.
    pub drives: u32,
    /// Import/export elements, 0 to 64.
    pub mail_slots: u32,
    /// Capacity of a new tape in bytes, 1 MiB to 1000 PB.
    pub tape_capacity_bytes: u64,
    /// First letters of new barcodes, `[A-Z0-9]{1,6}`; three or more digits and `L8` follow (of LTO-8).
    pub tape_family: String,
    /// Tapes made when the directory is new; not more than `slots`.
    pub tapes: u32,
    /// Who its robot and drives say they are, where its elements' addresses begin, and its drives' generation.
    pub personality: Arc<Personality>,
    /// How the loader's drives store records from now on.
    pub compression: Compression,
    /// A blank tape appears when one fills up. Not done by this version yet.
    pub new_tape_at_end_of_medium: bool,
    /// Additional names of devices: alias by device name (`vault_drive0` to `nrst0a`).
    pub aliases: BTreeMap<String, String>,
}

impl Config {
    /// A user whose password this process cannot have.
    #[must_use]
    pub fn user_without_password(&self) -> Option<&User> {
        self.users.iter().find(|user| user.password.is_none())
    }
}

impl User {
    /// True if the user may log in from `peer`.
    #[must_use]
    pub fn allows(&self, peer: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(peer))
    }

    /// True if the user may see that loader.
    #[must_use]
    pub fn sees(&self, loader: &str) -> bool {
        self.loaders.as_ref().is_none_or(|names| names.iter().any(|name| name == loader))
    }
}

impl LoaderConfig {
    /// The robot's NDMP device name: `vault_robot`.
    #[must_use]
    pub fn robot_device(&self) -> String {
        format!("{}_robot", self.name)
    }

    /// A drive's NDMP device name, counted from 0: `vault_drive0`.
    #[must_use]
    pub fn drive_device(&self, drive: u32) -> String {
        format!("{}_drive{drive}", self.name)
    }

    /// The robot's and all drives' device names, without aliases.
    #[must_use]
    pub fn device_names(&self) -> Vec<String> {
        std::iter::once(self.robot_device()).chain((0..self.drives).map(|n| self.drive_device(n))).collect()
    }

    /// The device that `name` means: the device name itself, or what an alias stands for.
    #[must_use]
    pub fn resolve_device(&self, name: &str) -> Option<String> {
        let of_alias =
            || self.aliases.iter().find(|(_, alias)| *alias == name).map(|(device, _)| device.clone());
        self.device_names().into_iter().find(|device| device == name).or_else(of_alias)
    }
}

/// What each key may be. The messages of `check` quote these.
pub mod limits {
    use std::ops::RangeInclusive;

    /// `slots`; with drives, mail slots and the robot below the 65536 element addresses of SMC.
    pub const SLOTS: RangeInclusive<u32> = 1..=60_000;
    /// `drives`
    pub const DRIVES: RangeInclusive<u32> = 1..=64;
    /// `mail_slots`
    pub const MAIL_SLOTS: RangeInclusive<u32> = 0..=64;
    /// `drive_generation`
    pub const GENERATION: RangeInclusive<u32> = 5..=9;
    /// `max_sessions`
    pub const SESSIONS: RangeInclusive<u32> = 1..=10_000;
    /// `failed_logins_max`
    pub const FAILED_LOGINS: RangeInclusive<u32> = 3..=1000;
    /// `lockout_seconds`, at most a day.
    pub const LOCKOUT_SECONDS: RangeInclusive<u32> = 1..=86_400;
    /// `keepalive_seconds`, at most a day.
    pub const KEEPALIVE_SECONDS: RangeInclusive<u32> = 8..=86_400;
    /// Longest text of `[identity]`.
    pub const IDENTITY_BYTES_MAX: usize = 128;
    /// `alert_percent` and `stop_percent`
    pub const PERCENT: RangeInclusive<u32> = 0..=99;
    /// `tape_capacity`, at least: 1 MiB.
    pub const TAPE_CAPACITY_BYTES_MIN: u64 = 1 << 20;
    /// `priority` of a copy, 1 being the first.
    pub const PRIORITY: RangeInclusive<u32> = 1..=9;
    /// `attempts` of a copy.
    pub const ATTEMPTS: RangeInclusive<u32> = 1..=100;
    /// `checkpoint`, at least: 64 MiB. Each one makes the drive stop and write out.
    pub const CHECKPOINT_BYTES_MIN: u64 = 64 << 20;
    /// `bandwidth`, at least: 1 MB a second.
    pub const BANDWIDTH_BYTES_MIN: u64 = 1_000_000;
    /// Longest iSCSI name (RFC 7143 4.2.7.1).
    pub const ISCSI_NAME_BYTES_MAX: usize = 223;
    /// Longest device name of another server, and serial number.
    pub const DEVICE_BYTES_MAX: usize = 255;
    /// Longest loader name: device names must fit what DMAs show.
    pub const NAME_BYTES_MAX: usize = 32;
    /// Longest user name and device alias.
    pub const WORD_BYTES_MAX: usize = 64;
    /// Longest `tape_family`.
    pub const FAMILY_BYTES_MAX: usize = 6;
    /// Longest path of a Unix socket, with room for the suffix under which it is made.
    pub const SOCKET_PATH_BYTES_MAX: usize = 103;
}
