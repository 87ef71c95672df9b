//! What a session is told about the server when it begins: identity, devices, users. All of it plain data.
//!
//! It must not know where the facts come from; the server's assembly fills them in. Next: `connect` and `config`, which
//! use them.

use crate::access::peers::DataPeers;
use crate::config::User;
use std::net::IpAddr;
use std::sync::Arc;

/// Who the server says it is (CONFIG_GET_HOST_INFO, CONFIG_GET_SERVER_INFO).
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Host name.
    pub hostname: String,
    /// Operating system, as DMAs match it.
    pub os_type: String,
    /// Its release.
    pub os_version: String,
    /// Stable over restarts.
    pub host_id: String,
    /// Vendor of the server.
    pub vendor: String,
    /// Product.
    pub product: String,
    /// Revision.
    pub revision: String,
}

/// A tape or SCSI device as CONFIG_GET_TAPE_INFO and CONFIG_GET_SCSI_INFO show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The NDMP device name.
    pub name: String,
    /// A second name under which it can be opened; shown instead of `name`.
    pub alias: Option<String>,
    /// The loader it belongs to.
    pub loader: String,
    /// Vendor, product and revision as INQUIRY gives them.
    pub model: String,
    /// The serial number of VPD page 80h.
    pub serial: String,
    /// The NAA identifier of VPD page 83h in hexadecimal digits, if it has one.
    pub world_wide_name: Option<String>,
}

impl Device {
    /// The name that DMAs are shown.
    pub fn shown_name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }

    /// Whether a DMA's `name` means this device.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.alias.as_deref() == Some(name)
    }
}

/// Everything a session is told.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Whether what the standard forbids and DMAs do is refused.
    pub is_strict: bool,
    /// The server.
    pub identity: Identity,
    /// All drives, a loader's in the order of its data transfer elements.
    pub tapes: Vec<Device>,
    /// All robots.
    pub robots: Vec<Device>,
    /// The accounts that may come from this DMA's address.
    pub users: Vec<Arc<User>>,
    /// This DMA's address, if it is known.
    pub dma: Option<IpAddr>,
    /// Where data connections may be made to.
    pub data_peers: DataPeers,
}

impl Facts {
    /// Whether any account may log in with MD5.
    pub fn offers_md5(&self) -> bool {
        self.users.iter().any(|user| user.auth.md5)
    }

    /// Whether any account may log in with its password in clear.
    pub fn offers_text(&self) -> bool {
        self.users.iter().any(|user| user.auth.text)
    }
}
