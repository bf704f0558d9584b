//! The allow-list for webhook destinations.
//!
//! Owns the rules of `--webhook-allow` and the addresses denied by default. It never resolves a
//! name. It checks the host of a URL at registration and each resolved address right before the
//! connect, so DNS rebinding cannot bypass it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::Host;

/// Link-local networks (RFC 3927, RFC 4291) and cloud metadata services, which give credentials to
/// any local caller: Amazon, Google, Alibaba, Azure, Oracle.
const DENIED_BY_DEFAULT: [Network; 7] = [
    Network::v4([169, 254, 0, 0], 16),
    Network::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    Network::v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
    Network::v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
    Network::v4([100, 100, 100, 200], 32),
    Network::v4([168, 63, 129, 16], 32),
    Network::v4([192, 0, 0, 192], 32),
];

/// The destinations that webhooks may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
}

/// One `--webhook-allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `HOST[:PORT]`: the host as the URL names it.
    Host {
        /// Name or address literal.
        host: Host,
        /// Any port if unset.
        port: Option<u16>,
    },
    /// `*.suffix`: every subdomain, not the name itself.
    Subdomains {
        /// The name with a leading dot.
        suffix: String,
        /// Any port if unset.
        port: Option<u16>,
    },
    /// `ADDRESS/BITS`: any host, at an address in this network.
    Network(Network),
}

/// A network in CIDR notation, RFC 4632.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Not a rule of `--webhook-allow`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a webhook rule; write HOST, HOST:PORT, *.suffix or ADDRESS/BITS, \
     for example hooks.example.com:443, *.example.com or 10.0.0.0/8"
)]
pub struct InvalidRule {
    text: String,
}

/// Why the policy denies a destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// A link-local or cloud metadata address.
    #[error(
        "{0} is a link-local or cloud metadata address; \
         only a --webhook-allow with a network, such as {0}/{bits}, allows it", bits = max_bits(.0)
    )]
    DeniedByDefault(IpAddr),
    /// There are rules, and none of them allows it.
    #[error("no --webhook-allow covers {0}")]
    NotAllowed(String),
}

fn max_bits(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Policy {
    /// The policy of these rules. Without rules, it allows all but the addresses denied by default.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// Checks the host of a URL before it is resolved. A name passes if a network rule may still
    /// allow its address.
    ///
    /// # Errors
    /// A denied address literal, or a name that no rule can allow.
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

    /// Checks an address that `host` resolves to, or is.
    ///
    /// # Errors
    /// The policy denies the address.
    pub fn check_address(
        &self,
        host: &Host<&str>,
        port: u16,
        address: IpAddr,
    ) -> Result<(), PolicyRefusal> {
        let address = address.to_canonical();
        if self.allows_by_network(address) {
            return Ok(());
        }
        let denied = std::iter::once(address)
            .chain(embedded(address).into_iter().map(IpAddr::V4))
            .any(|address| {
                DENIED_BY_DEFAULT
                    .iter()
                    .any(|network| network.contains(address))
            });
        if denied {
            return Err(PolicyRefusal::DeniedByDefault(address));
        }
        if self.allows_by_name(host, port) {
            Ok(())
        } else {
            Err(PolicyRefusal::NotAllowed(format!(
                "{address} for {host}:{port}"
            )))
        }
    }

    /// Whether a host or suffix rule covers this host. Without rules, every host is covered.
    fn allows_by_name(&self, host: &Host<&str>, port: u16) -> bool {
        let host = match *host {
            Host::Domain(name) => Host::Domain(name.trim_end_matches('.')),
            Host::Ipv4(address) => Host::Ipv4(address),
            Host::Ipv6(address) => Host::Ipv6(address),
        };
        let has_port = |rule_port: &Option<u16>| rule_port.is_none_or(|rule| rule == port);
        self.rules.is_empty()
            || self.rules.iter().any(|rule| match rule {
                Rule::Host {
                    host: allowed,
                    port,
                } => has_port(port) && *allowed == host,
                Rule::Subdomains { suffix, port } => {
                    let below = |name: &str| name.len() > suffix.len() && name.ends_with(suffix);
                    has_port(port) && matches!(host, Host::Domain(name) if below(name))
                }
                Rule::Network(_) => false,
            })
    }

    fn allows_by_network(&self, address: IpAddr) -> bool {
        let translated = nat64(address);
        self.rules.iter().any(|rule| match rule {
            Rule::Network(network) => {
                network.contains(address)
                    || translated.is_some_and(|address| network.contains(address.into()))
            }
            Rule::Host { .. } | Rule::Subdomains { .. } => false,
        })
    }
}

/// The IPv4 address behind NAT64's well-known prefix, RFC 6052 section 2.1.
fn nat64(address: IpAddr) -> Option<Ipv4Addr> {
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
        return (bits <= max_bits(&address)).then_some(Rule::Network(network.canonical()));
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
            Host::Domain(name) => Some(Rule::Subdomains {
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

#[cfg(test)]
mod tests;
