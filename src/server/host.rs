//! What machine this is, for CONFIG_GET_HOST_INFO and CONFIG_GET_SERVER_INFO.

use crate::config::IdentityConfig;
use crate::ndmp::session::Identity;
use std::fs;

/// The machine and this program, where the operator has not said otherwise. The host id is the machine id's beginning:
/// stable over restarts.
pub(super) fn identity(configured: &IdentityConfig) -> Identity {
    let host = of_host();
    let or = |configured: &Option<String>, host| configured.clone().unwrap_or(host);
    Identity {
        hostname: or(&configured.host_name, host.hostname),
        os_type: or(&configured.os_type, host.os_type),
        os_version: or(&configured.os_version, host.os_version),
        host_id: or(&configured.host_id, host.host_id),
        vendor: or(&configured.vendor, host.vendor),
        product: or(&configured.product, host.product),
        revision: or(&configured.revision, host.revision),
    }
}

fn of_host() -> Identity {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let machine_id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let host_id: String = machine_id.trim().chars().take(8).collect();
    Identity {
        hostname: text(system.nodename()),
        os_type: text(system.sysname()),
        os_version: text(system.release()),
        host_id: if host_id.is_empty() { "00000000".into() } else { host_id },
        vendor: "Tapesilo".into(),
        product: "Tapesilo".into(),
        revision: env!("CARGO_PKG_VERSION").into(),
    }
}
