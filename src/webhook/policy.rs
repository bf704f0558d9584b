//! Which hosts and addresses may be called.
//!
//! Owns the rules of `--webhook-allow` and the list of addresses that nobody may reach by accident. It never
//! resolves a name: it judges the host of a URL when it is accepted, and each resolved address right before
//! it is connected to, so that a name cannot change its meaning in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::Host;

/// Link-local addresses and the metadata services of clouds, which hand credentials to whoever asks.
/// RFC 3927 and RFC 4291 for the first two; the others are documented by Amazon, Google, Alibaba, Azure and
/// Oracle.
const GUARDED: [Network; 7] = [
    Network::v4([169, 254, 0, 0], 16),
    Network::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    Network::v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
    Network::v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
    Network::v4([100, 100, 100, 200], 32),
    Network::v4([168, 63, 129, 16], 32),
    Network::v4([192, 0, 0, 192], 32),
];

/// What may be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
}

/// One `--webhook-allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `HOST[:PORT]`: this host by the name, or address, that the URL has.
    Host {
        /// The host, as URLs write it.
        host: Host,
        /// Any port if unset.
        port: Option<u16>,
    },
    /// `*.suffix`: every host below this name.
    Below {
        /// With its leading dot.
        suffix: String,
        /// Any port if unset.
        port: Option<u16>,
    },
    /// `ADDRESS/BITS`: every host that resolves to an address in this network.
    Network(Network),
}

/// A network in CIDR notation, RFC 4632.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no rule for webhooks: write HOST, HOST:PORT, *.suffix or ADDRESS/BITS, \
     for example hooks.example.com:443, *.example.com or 10.0.0.0/8"
)]
pub struct InvalidRule {
    text: String,
}

/// Why something may not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// It is link-local, or the metadata service of a cloud.
    #[error(
        "{0} is a link-local or cloud metadata address; \
         only a --webhook-allow with a network, such as {0}/{bits}, opens it", bits = full(.0)
    )]
    PolicedListener(IpAddr),
    /// There are rules, and none allows it.
    #[error("no --webhook-allow covers {0}")]
    NotAllowed(String),
}

fn full(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Policy {
    /// The policy of these rules. Without any, everything but the guarded addresses may be called.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// Judges the host of a URL before anything is resolved. A name that only its address can allow passes.
    ///
    /// # Errors
    /// A literal address that may not be called, or a name that no address can make callable.
    pub fn check_host(&self, host: &Host<&str>, port: u16) -> Result<(), PolicyRefusal> {
        match *host {
            Host::Ipv4(address) => self.check_address(host, port, address.into()),
            Host::Ipv6(address) => self.check_address(host, port, address.into()),
            Host::Domain(name) => {
                let by_network = self
                    .rules
                    .iter()
                    .any(|rule| matches!(rule, Rule::Network(_)));
                if by_network || self.allows_by_name(host, port) {
                    Ok(())
                } else {
                    Err(PolicyRefusal::NotAllowed(format!("{name}:{port}")))
                }
            }
        }
    }

    /// Judges an address that `host` resolved to, or is.
    ///
    /// # Errors
    /// This address may not be called.
    pub fn check_address(
        &self,
        host: &Host<&str>,
        port: u16,
        address: IpAddr,
    ) -> Result<(), PolicyRefusal> {
        let address = address.to_canonical();
        if self.allows_network_of(address) {
            return Ok(());
        }
        let guarded = std::iter::once(address)
            .chain(embedded(address).into_iter().map(IpAddr::V4))
            .any(|address| GUARDED.iter().any(|network| network.contains(address)));
        if guarded {
            return Err(PolicyRefusal::PolicedListener(address));
        }
        if self.allows_by_name(host, port) {
            Ok(())
        } else {
            Err(PolicyRefusal::NotAllowed(format!(
                "{address} for {host}:{port}"
            )))
        }
    }

    /// Whether a rule that speaks of hosts covers this one; without any rule everything is covered.
    fn allows_by_name(&self, host: &Host<&str>, port: u16) -> bool {
        let at = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        self.rules.is_empty()
            || self.rules.iter().any(|rule| match rule {
                Rule::Host { host: own, port } => at(port) && same_host(own, host),
                Rule::Below { suffix, port } => match host {
                    Host::Domain(name) => {
                        let name = name.trim_end_matches('.');
                        at(port) && name.len() > suffix.len() && name.ends_with(suffix.as_str())
                    }
                    Host::Ipv4(_) | Host::Ipv6(_) => false,
                },
                Rule::Network(_) => false,
            })
    }

    fn allows_network_of(&self, address: IpAddr) -> bool {
        let translated = nat64(address);
        self.rules.iter().any(|rule| match rule {
            Rule::Network(network) => {
                network.contains(address)
                    || translated.is_some_and(|address| network.contains(address.into()))
            }
            Rule::Host { .. } | Rule::Below { .. } => false,
        })
    }
}

fn same_host(own: &Host, other: &Host<&str>) -> bool {
    match (own, other) {
        (Host::Domain(own), Host::Domain(other)) => own == other.trim_end_matches('.'),
        (Host::Ipv4(own), Host::Ipv4(other)) => own == other,
        (Host::Ipv6(own), Host::Ipv6(other)) => own == other,
        (Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_), _) => false,
    }
}

/// The IPv4 address behind NAT64's well-known prefix, RFC 6052 section 2.1.
fn nat64(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V6(address) => match address.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(joined(high, low)),
            _ => None,
        },
        IpAddr::V4(_) => None,
    }
}

/// Every IPv4 address that a router or translator may find in an IPv6 address.
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
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => vec![joined(high, low)],
        // NAT64 inside one network, RFC 8215: its prefix may be 48, 56, 64 or 96 bits long, and octet 8 is
        // never part of the address.
        [0x64, 0xff9b, 1, ..] => vec![
            pick([6, 7, 9, 10]),
            pick([7, 9, 10, 11]),
            pick([9, 10, 11, 12]),
            pick([12, 13, 14, 15]),
        ],
        // 6to4, RFC 3056.
        [0x2002, high, low, ..] => vec![joined(high, low)],
        _ => Vec::new(),
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
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

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        rule(text).ok_or_else(|| InvalidRule {
            text: text.to_owned(),
        })
    }
}

fn rule(text: &str) -> Option<Rule> {
    if let Some((address, bits)) = text.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        let network = Network { address, bits };
        return (bits <= full(&address)).then_some(Rule::Network(network.canonical()));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        let host = match address {
            IpAddr::V4(address) => Host::Ipv4(address),
            IpAddr::V6(address) => Host::Ipv6(address),
        };
        return Some(Rule::Host { host, port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        // The colons of an IPv6 address are inside its brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
        Some(_) | None => (text, None),
    };
    if let Some(suffix) = host.strip_prefix("*.") {
        return match Host::parse(suffix.trim_end_matches('.')).ok()? {
            Host::Domain(name) if name.contains('*') => None,
            Host::Domain(name) => Some(Rule::Below {
                suffix: format!(".{name}"),
                port,
            }),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        };
    }
    let host = Host::parse(host.trim_end_matches('.')).ok()?;
    if matches!(&host, Host::Domain(name) if name.contains('*')) {
        return None;
    }
    Some(Rule::Host { host, port })
}

impl Network {
    /// A network of v4-mapped addresses is one of IPv4: that is how addresses are compared.
    fn canonical(self) -> Self {
        match (self.address, self.address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(address)) if self.bits >= 96 => Self {
                address: address.into(),
                bits: self.bits - 96,
            },
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests;
