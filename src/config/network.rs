//! Networks in CIDR notation, for the `allow` lists: `192.0.2.0/24`, `2001:db8::/32`, a plain address for one host.
//!
//! Written here because it is forty lines: the standard library parses the addresses. Knows nothing of users. An
//! IPv4 peer seen through an IPv6 socket (`::ffff:192.0.2.1`) counts as its IPv4 address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses that share their first `prefix_bits` bits. The remaining bits of `address` are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// Why a text is not a network. The message says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an IPv4 nor an IPv6 address in front of the slash.
    #[error("{0:?} is not a network; write an address and a prefix length, such as \"192.0.2.0/24\"")]
    NotANetwork(String),
    /// The prefix length is no number or too large for the family.
    #[error("{text:?}: the prefix length must be 0 to {max_bits}")]
    Prefix {
        /// The text as written.
        text: String,
        /// 32 for IPv4, 128 for IPv6.
        max_bits: u8,
    },
    /// Bits are set behind the prefix: a host's address where a network was meant, or the other way round.
    #[error(
        "{text:?} has bits set behind the prefix; write \"{network}\" for the network or \"{host}\" for the host"
    )]
    HostBits {
        /// The text as written.
        text: String,
        /// The network that the prefix names.
        network: Network,
        /// The one host.
        host: IpAddr,
    },
}

impl Network {
    /// True if `peer` lies in this network.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        same_family(peer, self.address) && masked(peer, self.prefix_bits) == self.address
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let host: IpAddr = address.parse().map_err(|_| NetworkError::NotANetwork(text.to_owned()))?;
        let max_bits = if host.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => max_bits,
            Some(digits) => prefix_of(digits, max_bits)
                .ok_or_else(|| NetworkError::Prefix { text: text.to_owned(), max_bits })?,
        };
        let network = Self { address: masked(host, prefix_bits), prefix_bits };
        if network.address != host {
            return Err(NetworkError::HostBits { text: text.to_owned(), network, host });
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// A prefix length in plain digits (no sign, which `u8::from_str` would take).
fn prefix_of(digits: &str, max_bits: u8) -> Option<u8> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|bits| plain && *bits <= max_bits)
}

fn same_family(a: IpAddr, b: IpAddr) -> bool {
    a.is_ipv4() == b.is_ipv4()
}

/// The address with everything behind the first `bits` bits cleared.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn membership() {
        for (network, peer, expected) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("192.0.2.0/24", "::ffff:192.0.2.1", true),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("::1", "::1", true),
            ("10.128.0.0/9", "10.127.255.255", false),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(peer.parse().unwrap()), expected, "{network} {peer}");
        }
    }

    #[test]
    fn what_is_no_network_says_why() {
        for (text, part) in [
            ("", "not a network"),
            ("nas", "not a network"),
            ("192.0.2.0/33", "0 to 32"),
            ("192.0.2.0/", "0 to 32"),
            ("192.0.2.0/+8", "0 to 32"),
            ("192.0.2.0/255.255.255.0", "0 to 32"),
            ("::/129", "0 to 128"),
            ("192.0.2.10/24", "\"192.0.2.0/24\" for the network or \"192.0.2.10\""),
            ("192.0.2.256", "not a network"),
            ("192.0.2.0 /24", "not a network"),
        ] {
            let message = text.parse::<Network>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    /// The model: two addresses share a prefix if their first `bits` binary digits are the same text.
    fn first_bits(address: u128, width: usize, bits: u8) -> String {
        format!("{address:0width$b}").chars().take(usize::from(bits)).collect()
    }

    proptest! {
        #[test]
        fn ipv4_agrees_with_binary_digits(a: u32, b: u32, bits in 0_u8..=32, near: bool) {
            let b = if near { a ^ (b >> (b % 32)) } else { b };
            let network = Network { address: masked(Ipv4Addr::from_bits(a).into(), bits), prefix_bits: bits };
            let expected = first_bits(a.into(), 32, bits) == first_bits(b.into(), 32, bits);
            prop_assert_eq!(network.contains(Ipv4Addr::from_bits(b).into()), expected);
            prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
        }

        #[test]
        fn ipv6_agrees_with_binary_digits(a: u128, b: u128, bits in 0_u8..=128, near: bool) {
            let b = if near { a ^ (b >> (b % 128)) } else { b };
            let peer = Ipv6Addr::from_bits(b);
            prop_assume!(peer.to_ipv4_mapped().is_none());
            let network = Network { address: masked(Ipv6Addr::from_bits(a).into(), bits), prefix_bits: bits };
            let expected = first_bits(a, 128, bits) == first_bits(b, 128, bits);
            prop_assert_eq!(network.contains(peer.into()), expected);
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text in "[0-9a-f:./ ]{0,50}") {
            let _ = text.parse::<Network>();
        }
    }
}
