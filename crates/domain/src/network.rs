//! A network of addresses, as `10.0.0.0/8`: from where somebody may call, or do so without a login; and what counts as one address.
//!
//! For the listeners, for `config`, which reads it, and for what counts by address. It must never let an address in by the way it is
//! written: an IPv4 address in the clothes of IPv6 is that IPv4 address.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;

/// Why a text is no network.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// No address before the slash, or none at all.
    #[error("it does not begin with an IP address")]
    NoAddress,
    /// The number behind the slash is none, or greater than the address has bits.
    #[error("behind the slash must stand how many bits are fixed, at most {0}")]
    NoPrefix(u8),
    /// Bits are set that are not fixed.
    #[error("the address has bits behind the fixed ones; the network is {0}")]
    HostBits(Network),
    /// IPv4 in the clothes of IPv6: such an address counts as the IPv4 address that it is, so this network would hold none.
    #[error("it is IPv4 written as IPv6")]
    Mapped,
}

/// A network of addresses.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or one address.
    ///
    /// # Errors
    /// [`NetworkError`].
    ///
    /// # Standard
    /// RFC 4632 section 3.1; RFC 4291 section 2.3.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.trim().parse().map_err(|_| NetworkError::NoAddress)?;
        if address.to_canonical() != address {
            return Err(NetworkError::Mapped);
        }
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.trim().parse().ok().filter(|prefix| *prefix <= bits),
            None => Some(bits),
        };
        let prefix = prefix.ok_or(NetworkError::NoPrefix(bits))?;
        let network = Self { address: masked(address, prefix), prefix };
        if network.address == address { Ok(network) } else { Err(NetworkError::HostBits(network)) }
    }

    /// Tells whether the address belongs to the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }

    /// Tells whether there is an address that belongs to both.
    pub fn meets(&self, other: &Self) -> bool {
        let (wide, narrow) = if self.prefix <= other.prefix { (self, other) } else { (other, self) };
        wide.contains(narrow.address)
    }

    /// Tells whether every address belongs to it.
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }
}

/// The address with everything behind its first `prefix` bits cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

/// One household is one address: an IPv6 network of 64 bits, or an IPv4 address however it is written.
pub fn household(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        canonical => canonical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(network: &str, inside: &[&str], outside: &[&str]) {
        let parsed = Network::parse(network).unwrap();
        for (addresses, expected) in [(inside, true), (outside, false)] {
            for address in addresses {
                assert_eq!(parsed.contains(address.parse().unwrap()), expected, "{address} in {network}");
            }
        }
    }

    #[test]
    fn an_address_is_inside_when_its_fixed_bits_are_the_networks() {
        check("127.0.0.0/8", &["127.0.0.1", "127.255.255.255"], &["126.255.255.255", "128.0.0.0", "::1"]);
        check("192.168.1.128/25", &["192.168.1.128", "192.168.1.255"], &["192.168.1.127"]);
        check("10.1.2.3", &["10.1.2.3"], &["10.1.2.2"]);
        check("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::", "2001:db8::1"]);
        check("fd00::/8", &["fd12:3456::1"], &["fe80::1", "127.0.0.1"]);
        check("::1", &["::1"], &["::2", "127.0.0.1"]);
        check("::/0", &["::", "2001:db8::1"], &["10.0.0.1"]);
    }

    #[test]
    fn an_ipv4_address_that_came_by_ipv6_is_that_address() {
        check("127.0.0.0/8", &["::ffff:127.0.0.1"], &["::ffff:10.0.0.1", "::127.0.0.1"]);
        check("::/0", &[], &["::ffff:10.0.0.1"]);
    }

    #[test]
    fn two_networks_meet_when_one_lies_within_the_other() {
        let network = |text: &str| Network::parse(text).unwrap();
        for (one, other, expected) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.0.0.0/8", false),
            ("0.0.0.0/0", "192.168.0.0/16", true),
            ("0.0.0.0/0", "::/0", false),
            ("2001:db8::/32", "2001:db8:1::/48", true),
        ] {
            assert_eq!(network(one).meets(&network(other)), expected, "{one} and {other}");
            assert_eq!(network(other).meets(&network(one)), expected, "{other} and {one}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_its_reason() {
        for (text, error) in [
            ("", NetworkError::NoAddress),
            ("localhost", NetworkError::NoAddress),
            ("127.0.0/8", NetworkError::NoAddress),
            ("127.0.0.0/33", NetworkError::NoPrefix(32)),
            ("127.0.0.0/", NetworkError::NoPrefix(32)),
            ("127.0.0.0/-1", NetworkError::NoPrefix(32)),
            ("::/129", NetworkError::NoPrefix(128)),
            ("::ffff:10.0.0.0/104", NetworkError::Mapped),
            ("10.0.0.1/8", NetworkError::HostBits(Network::parse("10.0.0.0/8").unwrap())),
            ("fd00::1/8", NetworkError::HostBits(Network::parse("fd00::/8").unwrap())),
        ] {
            assert_eq!(Network::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(
            Network::parse("10.0.0.1/8").unwrap_err().to_string(),
            "the address has bits behind the fixed ones; the network is 10.0.0.0/8"
        );
    }
}
