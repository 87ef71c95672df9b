//! The shell around sessions: sockets, time, and the threads that do what a session's effects ask for.
//!
//! `connection` runs one control connection, `data` its data connection, `device` has what it has open, `work` what is done on the drive's thread,
//! `registry` who is connected (`meter`: how fast it moves data), `trace` writes down what
//! is said, `listener` takes new ones, `socket` how they are set up and written to. It must not decide anything of the protocol: that is
//! `ndmp::session`.

mod connection;
mod data;
mod device;
mod listener;
mod meter;
mod nexus;
mod registry;
mod socket;
mod trace;
mod work;

pub use listener::{Listeners, bind};
pub use registry::{Glance, Registry, SessionEntry};
pub use trace::{Subject, TraceGlance, Traces};

use super::session::Facts;
use crate::access::logins::{FailedLogins, LoginRules};
use crate::access::peers::DataPeers;
use crate::scsi::personality::Personality;
use crate::vtl::drive::DriveHandle;
use crate::vtl::loader::Loader;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// What is served at one moment. It is replaced as a whole when the configuration changes; a session keeps the one it
/// began with.
pub struct World {
    /// What sessions are told; its devices have the same indices as `drives` and `robots`.
    pub facts: Facts,
    /// The drives.
    pub drives: Vec<DriveUnit>,
    /// The robots.
    pub robots: Vec<RobotUnit>,
    /// How data connections are offered.
    pub data: DataSettings,
    /// What sessions are held to.
    pub rules: SessionRules,
}

/// What sessions are held to.
#[derive(Clone, Copy, Debug)]
pub struct SessionRules {
    /// At one time.
    pub sessions_max: usize,
    /// Of these, from one address; no limit of its own if `None`.
    pub of_address_max: Option<usize>,
    /// When an address is locked out.
    pub logins: LoginRules,
    /// After how long a peer that does not answer any more is found out.
    pub keepalive: Duration,
}

/// A drive, and who it says it is.
#[derive(Clone)]
pub struct DriveUnit {
    /// The drive.
    pub drive: DriveHandle,
    /// Its loader's.
    pub personality: Arc<Personality>,
}

/// A loader's robot, and who it says it is.
#[derive(Clone)]
pub struct RobotUnit {
    /// The loader.
    pub loader: Arc<Loader>,
    /// The loader's.
    pub personality: Arc<Personality>,
}

impl World {
    /// The drives alone.
    pub fn handles(&self) -> impl Iterator<Item = &DriveHandle> {
        self.drives.iter().map(|unit| &unit.drive)
    }
}

/// Everything that sessions share.
pub struct Shared {
    world: RwLock<Arc<World>>,
    /// Who is connected.
    pub registry: Registry,
    /// What is traced.
    pub traces: Arc<Traces>,
    /// Whose logins have failed.
    pub failed_logins: FailedLogins,
}

impl Shared {
    /// Nobody is connected yet.
    pub fn new(world: World) -> Shared {
        Shared {
            world: RwLock::new(Arc::new(world)),
            registry: Registry::default(),
            traces: Arc::default(),
            failed_logins: FailedLogins::default(),
        }
    }

    /// What is served now.
    pub fn world(&self) -> Arc<World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on `world` is served; sessions that are connected go on with what they began with.
    pub fn replace(&self, world: World) {
        *self.world.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(world);
    }
}

/// How data connections are offered.
#[derive(Clone, Debug, Default)]
pub struct DataSettings {
    /// Ports to listen on; any port if none.
    pub ports: Option<RangeInclusive<u16>>,
    /// Addresses offered instead of the control connection's own, as far as they are of the family asked for.
    pub addresses: Vec<IpAddr>,
    /// Who may connect to what is offered.
    pub peers: DataPeers,
}

/// Ends when the server is being stopped.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // An error means that whoever could stop us is gone, which is the same.
    let _ = stop.wait_for(|stop| *stop).await;
}
