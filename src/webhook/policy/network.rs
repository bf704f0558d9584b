//! Networks, and the addresses that webhooks may not reach by default.
//!
//! Owns the table of those addresses and the forms in which IPv6 holds an IPv4 address. It knows no
//! rule of the user.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network in CIDR notation, RFC 4632.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Link-local networks and cloud metadata services, which give credentials to any local caller.
/// Other unique-local addresses stay allowed: clusters over IPv6 use them.
const DENIED_BY_DEFAULT: [Network; 11] = [
    // IPv4 link-local, RFC 3927; most clouds have their metadata at 169.254.169.254.
    Network::v4([169, 254, 0, 0], 16),
    // IPv6 link-local, RFC 4291 section 2.5.6.
    Network::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    // Amazon: instance metadata is fd00:ec2::254, EKS Pod Identity fd00:ec2::23.
    Network::v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32),
    // Google Compute Engine.
    Network::v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
    // Oracle Cloud Infrastructure, over IPv6 and IPv4.
    Network::v6([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128),
    Network::v4([192, 0, 0, 192], 32),
    // Akamai (Linode).
    Network::v6([0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1], 128),
    // Scaleway.
    Network::v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128),
    // Alibaba Cloud, over IPv6 and IPv4.
    Network::v6([0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200], 128),
    Network::v4([100, 100, 100, 200], 32),
    // Azure: the host's wire server.
    Network::v4([168, 63, 129, 16], 32),
];

/// Addresses of the wrapper's own host: loopback (RFC 1122 section 3.2.1.3, RFC 4291 section
/// 2.5.3) and the unspecified address, which the kernel connects to loopback.
const OWN_HOST: [Network; 4] = [
    Network::v4([127, 0, 0, 0], 8),
    Network::v4([0, 0, 0, 0], 8),
    Network::v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
    Network::v6([0, 0, 0, 0, 0, 0, 0, 0], 128),
];

/// Whether a canonical address is denied by default, or holds one that is.
pub(super) fn is_denied_by_default(address: IpAddr) -> bool {
    is_in(&DENIED_BY_DEFAULT, address)
}

/// Whether a canonical address is the wrapper's own host, or holds such an address.
pub(super) fn is_own_host(address: IpAddr) -> bool {
    is_in(&OWN_HOST, address)
}

fn is_in(networks: &[Network], address: IpAddr) -> bool {
    std::iter::once(address)
        .chain(embedded(address).into_iter().map(IpAddr::V4))
        .any(|address| networks.iter().any(|network| network.contains(address)))
}

pub(super) fn max_bits(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The IPv4 address behind NAT64's well-known prefix, RFC 6052 section 2.1.
pub(super) fn nat64(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V6(address) => match address.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(ipv4_from(high, low)),
            _ => None,
        },
        IpAddr::V4(_) => None,
    }
}

/// Every IPv4 address that a router or translator may extract from an IPv6 address.
fn embedded(address: IpAddr) -> Vec<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return Vec::new();
    };
    let octets = address.octets();
    let pick = |positions: [usize; 4]| {
        Ipv4Addr::from(positions.map(|position| octets.get(position).copied().unwrap_or_default()))
    };
    match address.segments() {
        // IPv4-compatible (RFC 4291 section 2.5.5.1), translated (RFC 2765) and NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => vec![ipv4_from(high, low)],
        // NAT64 inside one network, RFC 8215. The prefix has 48, 56, 64 or 96 bits; octet 8 is
        // never part of the address.
        [0x64, 0xff9b, 1, ..] => vec![
            pick([6, 7, 9, 10]),
            pick([7, 9, 10, 11]),
            pick([9, 10, 11, 12]),
            pick([12, 13, 14, 15]),
        ],
        // 6to4, RFC 3056.
        [0x2002, high, low, ..] => vec![ipv4_from(high, low)],
        // Teredo, RFC 4380 section 4: the server, and the client with its bits inverted.
        [0x2001, 0, server, server_low, _, _, high, low] => {
            vec![ipv4_from(server, server_low), ipv4_from(!high, !low)]
        }
        // ISATAP, RFC 5214 section 6.1, in any prefix.
        [.., 0 | 0x0200, 0x5efe, high, low] => vec![ipv4_from(high, low)],
        _ => Vec::new(),
    }
}

fn ipv4_from(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

impl Network {
    const fn v4(octets: [u8; 4], bits: u8) -> Self {
        let [a, b, c, d] = octets;
        Self {
            address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            bits,
        }
    }

    const fn v6(segments: [u16; 8], bits: u8) -> Self {
        let [a, b, c, d, e, f, g, h] = segments;
        Self {
            address: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)),
            bits,
        }
    }

    /// A network, if it has so many bits.
    pub(super) fn new(address: IpAddr, bits: u8) -> Option<Self> {
        (bits <= max_bits(&address)).then_some(Self { address, bits }.canonical())
    }

    /// Turns a network of IPv4-mapped addresses into the IPv4 network, as `check_address` does.
    fn canonical(self) -> Self {
        match (self.address, self.address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(address)) if self.bits >= 96 => Self {
                address: address.into(),
                bits: self.bits - 96,
            },
            _ => self,
        }
    }

    /// Whether the address is in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = u32::from(own) ^ u32::from(other);
                u32::from(self.bits) <= differ.leading_zeros()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = u128::from(own) ^ u128::from(other);
                u32::from(self.bits) <= differ.leading_zeros()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}
