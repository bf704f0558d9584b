//! The allow-list for webhook destinations.
//!
//! Owns the rules of `--webhook-allow`; `network` the addresses denied by default. It never
//! resolves a name. It checks the host of a URL at registration and each resolved address right
//! before the connect, so DNS rebinding cannot bypass it.

mod network;

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use url::Host;

pub use network::Network;
use network::{is_denied_by_default, is_own_host, max_bits, nat64};

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

/// Not a rule of `--webhook-allow`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a webhook rule; write HOST, HOST:PORT, *.suffix or ADDRESS/BITS, \
     for example hooks.example.com:443, *.example.com or 10.0.0.0/8"
)]
pub struct InvalidRule {
    text: String,
}

/// Where a webhook was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    /// The command line, a webhook file, or a caller over a unix socket: on the wrapper's host.
    #[default]
    Local,
    /// A caller over TCP, which may not be able to reach what listens on the wrapper's host.
    Network,
}

/// Where a webhook goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The host of the URL.
    pub host: Host<&'a str>,
    /// The port of the URL.
    pub port: u16,
    /// Where the webhook was asked for.
    pub origin: Origin,
}

/// How far an attempt got before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Perhaps no further than the lookup of the name.
    Lookup,
    /// An address that the policy denies.
    DeniedAddress,
    /// An address that the policy allows.
    AllowedAddress,
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
    /// The wrapper's own host, for a caller over TCP.
    #[error(
        "{0} is the wrapper's own host, which a request over TCP may not reach; \
         a --webhook-allow with the host of the URL or with a network, such as {0}/{bits}, allows it",
        bits = max_bits(.0)
    )]
    OwnHost(IpAddr),
    /// There are rules, and none of them allows it.
    #[error("no --webhook-allow covers {0}")]
    NotAllowed(String),
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
    pub fn check_host(&self, to: &Destination<'_>) -> Result<(), PolicyRefusal> {
        match to.host {
            Host::Ipv4(address) => self.check_address(to, address.into()),
            Host::Ipv6(address) => self.check_address(to, address.into()),
            Host::Domain(name) if is_localhost(name) => {
                let loopback = [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()];
                let checked = loopback.map(|address| self.check_address(to, address));
                let [four, six] = checked;
                four.or(six)
            }
            Host::Domain(name) => {
                let by_network = self
                    .rules
                    .iter()
                    .any(|rule| matches!(rule, Rule::Network(_)));
                if by_network || self.allows_by_name(to) {
                    Ok(())
                } else {
                    Err(PolicyRefusal::NotAllowed(format!("{name}:{}", to.port)))
                }
            }
        }
    }

    /// Checks an address that the host resolves to, or is.
    ///
    /// # Errors
    /// The policy denies the address.
    pub fn check_address(
        &self,
        to: &Destination<'_>,
        address: IpAddr,
    ) -> Result<(), PolicyRefusal> {
        let address = address.to_canonical();
        if self.allows_by_network(address) {
            return Ok(());
        }
        if is_denied_by_default(address) {
            return Err(PolicyRefusal::DeniedByDefault(address));
        }
        if to.origin == Origin::Network && is_own_host(address) && !self.names_host(to) {
            return Err(PolicyRefusal::OwnHost(address));
        }
        if self.allows_by_name(to) {
            Ok(())
        } else {
            Err(PolicyRefusal::NotAllowed(format!(
                "{address} for {}:{}",
                to.host, to.port
            )))
        }
    }

    /// Whether a caller may know how a request to this destination failed. An error tells whether a
    /// port is open, or what a name resolves to. So a caller over TCP reads only those of a name or
    /// an address that a rule allows.
    pub fn may_explain(&self, to: &Destination<'_>, reached: Reached) -> bool {
        match (to.origin, reached) {
            (Origin::Local, _) => true,
            (Origin::Network, Reached::Lookup) => !self.rules.is_empty() && self.allows_by_name(to),
            (Origin::Network, Reached::DeniedAddress) => false,
            (Origin::Network, Reached::AllowedAddress) => !self.rules.is_empty(),
        }
    }

    /// Whether a rule names exactly this host.
    fn names_host(&self, to: &Destination<'_>) -> bool {
        self.rules.iter().any(|rule| match rule {
            Rule::Host { .. } => rule.covers_name(to),
            Rule::Subdomains { .. } | Rule::Network(_) => false,
        })
    }

    /// Whether a host or suffix rule covers this host. Without rules, every host is covered.
    fn allows_by_name(&self, to: &Destination<'_>) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|rule| rule.covers_name(to))
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

/// Whether a name always means loopback addresses: RFC 6761, section 6.3. It is never looked up.
pub(super) fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

impl Rule {
    /// Whether this is a host or suffix rule that covers the host and port.
    fn covers_name(&self, to: &Destination<'_>) -> bool {
        let host = match to.host {
            Host::Domain(name) => Host::Domain(name.trim_end_matches('.')),
            Host::Ipv4(address) => Host::Ipv4(address),
            Host::Ipv6(address) => Host::Ipv6(address),
        };
        let has_port = |port: &Option<u16>| port.is_none_or(|port| port == to.port);
        match self {
            Self::Host {
                host: allowed,
                port,
            } => has_port(port) && *allowed == host,
            Self::Subdomains { suffix, port } => {
                let below = |name: &str| name.len() > suffix.len() && name.ends_with(suffix);
                has_port(port) && matches!(host, Host::Domain(name) if below(name))
            }
            Self::Network(_) => false,
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
        return Network::new(address, bits).map(Rule::Network);
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
