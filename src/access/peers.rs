//! Where a data connection may come from and go to, so that the server is no port scanner for whoever has a password.
//!
//! A DMA says in MOVER_CONNECT which address the server is to connect to, and after MOVER_LISTEN whoever comes first is taken.
//! The DMA's own host is always allowed: it is nobody that the DMA could not reach itself. Knows no sockets.

use crate::config::Network;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Ports below this are those of system services; no data server listens there.
const FIRST_PORT: u16 = 1024;

/// `[server] data_peers`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataPeers {
    /// Networks in which data servers are; `None` if the operator named none.
    pub networks: Option<Vec<Network>>,
}

/// Why a data connection is not made or taken: one line, behind the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A port of system services.
    Port,
    /// An address of the server's own, of its link, or of nobody.
    Address,
    /// Outside of what the operator named.
    Network,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Port => {
                write!(f, "no data connections to ports below {FIRST_PORT}, which are system services'")
            }
            Refusal::Address => f.write_str(
                "no data connections to loopback, link-local, multicast and broadcast addresses; name the network in server.data_peers to allow it",
            ),
            Refusal::Network => f.write_str("no data connections outside of server.data_peers"),
        }
    }
}

impl DataPeers {
    /// Whether the server may connect to `target` for a DMA at `dma`.
    ///
    /// # Errors
    /// Why not.
    pub fn check_target(&self, dma: Option<IpAddr>, target: SocketAddr) -> Result<(), Refusal> {
        if target.port() < FIRST_PORT {
            return Err(Refusal::Port);
        }
        self.check(dma, target.ip())
    }

    /// Whether somebody at `peer` may take part in a data connection that a DMA at `dma` has asked for. Where no networks
    /// are named anybody may who comes by himself.
    pub fn allows_peer(&self, dma: Option<IpAddr>, peer: IpAddr) -> bool {
        self.networks.is_none() || self.check(dma, peer).is_ok()
    }

    fn check(&self, dma: Option<IpAddr>, peer: IpAddr) -> Result<(), Refusal> {
        let peer = peer.to_canonical();
        if dma.map(|dma| dma.to_canonical()) == Some(peer) {
            return Ok(());
        }
        match &self.networks {
            Some(networks) if networks.iter().any(|network| network.contains(peer)) => Ok(()),
            Some(_) => Err(Refusal::Network),
            None if is_special(peer) => Err(Refusal::Address),
            None => Ok(()),
        }
    }
}

/// Addresses that no data server of another host has.
fn is_special(address: IpAddr) -> bool {
    let of_family = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    of_family || address.is_loopback() || address.is_multicast() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(networks: Option<&[&str]>) -> DataPeers {
        let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        DataPeers { networks: networks.map(parse) }
    }

    #[test]
    fn targets() {
        use Refusal::{Address, Network, Port};
        let open = peers(None);
        let named = peers(Some(&["192.0.2.0/24", "127.0.0.0/8", "2001:db8::/32"]));
        for (policy, dma, target, expected) in [
            (&open, "198.51.100.1", "192.0.2.7:20000", Ok(())),
            (&open, "198.51.100.1", "[2001:db8::1]:20000", Ok(())),
            (&open, "198.51.100.1", "192.0.2.7:22", Err(Port)),
            (&open, "198.51.100.1", "198.51.100.1:1023", Err(Port)),
            (&open, "198.51.100.1", "127.0.0.1:9464", Err(Address)),
            (&open, "198.51.100.1", "127.9.9.9:9464", Err(Address)),
            (&open, "198.51.100.1", "[::1]:9464", Err(Address)),
            (&open, "198.51.100.1", "[::ffff:127.0.0.1]:9464", Err(Address)),
            (&open, "198.51.100.1", "169.254.169.254:8080", Err(Address)),
            (&open, "198.51.100.1", "224.0.0.1:8080", Err(Address)),
            (&open, "198.51.100.1", "255.255.255.255:8080", Err(Address)),
            (&open, "198.51.100.1", "0.0.0.0:8080", Err(Address)),
            (&open, "198.51.100.1", "[fe80::1]:8080", Err(Address)),
            (&open, "127.0.0.1", "127.0.0.1:8080", Ok(())),
            (&open, "::ffff:127.0.0.1", "127.0.0.1:8080", Ok(())),
            (&open, "127.0.0.1", "127.0.0.2:8080", Err(Address)),
            (&named, "198.51.100.1", "192.0.2.7:20000", Ok(())),
            (&named, "198.51.100.1", "127.0.0.1:20000", Ok(())),
            (&named, "198.51.100.1", "192.0.3.7:20000", Err(Network)),
            (&named, "198.51.100.1", "198.51.100.1:20000", Ok(())),
            (&named, "198.51.100.1", "[2001:db9::1]:20000", Err(Network)),
            (&named, "198.51.100.1", "192.0.2.7:80", Err(Port)),
        ] {
            let found = policy.check_target(Some(dma.parse().unwrap()), target.parse().unwrap());
            assert_eq!(found, expected, "{dma} {target}");
        }
    }

    #[test]
    fn who_comes_by_himself_is_asked_for_his_network_only_where_some_are_named() {
        let dma = Some("198.51.100.1".parse().unwrap());
        let named = peers(Some(&["192.0.2.0/24"]));
        for (policy, peer, expected) in [
            (&peers(None), "203.0.113.1", true),
            (&peers(None), "127.0.0.1", true),
            (&named, "192.0.2.7", true),
            (&named, "::ffff:192.0.2.7", true),
            (&named, "198.51.100.1", true),
            (&named, "203.0.113.1", false),
        ] {
            assert_eq!(policy.allows_peer(dma, peer.parse().unwrap()), expected, "{peer}");
        }
    }
}
