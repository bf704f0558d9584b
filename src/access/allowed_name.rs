//! A subject alternative name that a client certificate may hold.
//!
//! Owns which kind of name a value of `--allow-san` means, and how names compare. It never reads a
//! certificate.

use std::net::IpAddr;
use std::str::FromStr;

/// One `--allow-san`. A name of one kind never matches a name of another: an authority whose
/// certificate is constrained to some DNS names (RFC 5280, section 4.2.1.10) may sign any URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedName {
    /// A `dNSName`; case is ignored (RFC 4343).
    Dns(String),
    /// A `uniformResourceIdentifier`; case counts (RFC 3986, section 6.2.2.1).
    Uri(String),
    /// An `iPAddress`.
    Ip(IpAddr),
}

impl AllowedName {
    /// Whether the certificate's DNS name is this one.
    pub fn is_dns(&self, name: &str) -> bool {
        matches!(self, Self::Dns(allowed) if allowed.eq_ignore_ascii_case(name))
    }

    /// Whether the certificate's URI is this one.
    pub fn is_uri(&self, name: &str) -> bool {
        matches!(self, Self::Uri(allowed) if allowed == name)
    }
}

/// The value is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name is empty; write a DNS name, a URI with its scheme, or an IP address")]
pub struct EmptyName;

impl FromStr for AllowedName {
    type Err = EmptyName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(EmptyName);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let text = text.to_owned();
        Ok(if text.contains(':') {
            Self::Uri(text)
        } else {
            Self::Dns(text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str) -> AllowedName {
        text.parse().unwrap()
    }

    #[test]
    fn a_value_matches_names_of_its_kind_only() {
        let dns = allowed("drain.example");
        assert!(dns.is_dns("Drain.EXAMPLE") && !dns.is_dns("a.drain.example"));
        assert!(!dns.is_uri("drain.example"), "a URI without a scheme");
        let uri = allowed("spiffe://example/drain");
        assert!(uri.is_uri("spiffe://example/drain") && !uri.is_uri("spiffe://example/Drain"));
        assert!(!uri.is_dns("spiffe://example/drain"));
        for address in ["10.0.0.7", "2001:db8::7"] {
            let ip = allowed(address);
            assert_eq!(ip, AllowedName::Ip(address.parse().unwrap()));
            assert!(!ip.is_dns(address) && !ip.is_uri(address));
        }
    }

    #[test]
    fn an_empty_value_is_refused() {
        assert_eq!("".parse::<AllowedName>(), Err(EmptyName));
    }
}
