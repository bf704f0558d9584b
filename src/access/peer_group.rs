//! The peers that share a budget.
//!
//! Owns their grouping: by address, or by user. It is no identity, and decides nothing about
//! access.

use std::net::{IpAddr, Ipv4Addr};

/// Peers that one party may control together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerGroup {
    /// An IPv4 address, also if it is mapped into IPv6.
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address: a host chooses the rest at will (RFC 4291, section
    /// 2.5.4).
    V6([u16; 4]),
    /// The user of a unix socket's peer.
    User(u32),
}

impl From<IpAddr> for PeerGroup {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(address: &str) -> PeerGroup {
        PeerGroup::from(address.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn the_addresses_of_a_host_are_one_group() {
        assert_eq!(group("2001:db8:0:1::1"), group("2001:db8:0:1:ffff::2"));
        assert_ne!(group("2001:db8:0:1::1"), group("2001:db8:0:2::1"));
        assert_eq!(group("::ffff:10.0.0.1"), group("10.0.0.1"));
        assert_ne!(group("10.0.0.1"), group("10.0.0.2"));
    }
}
