//! The host names under which browsers may call.
//!
//! Owns the defence against DNS rebinding: a page of a stranger whose name suddenly resolves to our
//! address is of the same origin as ours, and may read it. It never resolves a name.
//!
//! Only browsers run such a page. Scrapers and probes call by names that this process cannot know,
//! such as those of a Kubernetes service, so their `Host` is not checked. A script can leave out no
//! header that marks a browser: the Fetch standard adds `Accept-Language` to every request without
//! one, and a script cannot remove it. `Sec-Fetch-Site` and `Origin` are missing from such a
//! request: the first goes to secure origins only, the second is left out of a GET to the own
//! origin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::{ACCEPT_LANGUAGE, COOKIE, HOST, ORIGIN, REFERER, USER_AGENT};
use http::{HeaderMap, Uri};

use crate::address::{Address, Host};

/// The names under which browsers may call, beside IP addresses and `localhost`.
#[derive(Debug, Default)]
pub struct HostNames(Vec<String>);

impl HostNames {
    /// The names of `--http-host`, and those in the addresses of the listeners. Case and a final
    /// dot do not count.
    pub fn new(names: &[String], listeners: &[Address]) -> Self {
        let own = listeners.iter().filter_map(|address| match address {
            Address::Tcp {
                host: Host::Name(name),
                ..
            } => Some(name),
            Address::Tcp { .. } | Address::Unix(_) => None,
        });
        let names = names.iter().chain(own);
        Self(names.map(|name| without_dot(name).to_owned()).collect())
    }

    /// Whether a request may be answered.
    pub(super) fn allow(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let fields = headers.get_all(HOST).iter();
        let fields = fields.map(|value| value.to_str().unwrap_or_default());
        // RFC 9112 section 3.2.2: a target in absolute form replaces the field.
        let target = uri.authority().map(|authority| authority.as_str());
        !is_browser(headers) || fields.chain(target).all(|host| self.holds(host))
    }

    fn holds(&self, authority: &str) -> bool {
        let (host, _) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
            Some(_) | None => (authority, ""),
        };
        let name = without_dot(host);
        let ipv6 = name.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
        let ip = match ipv6 {
            Some(ip) => ip.parse::<Ipv6Addr>().map(IpAddr::from),
            None => name.parse::<Ipv4Addr>().map(IpAddr::from),
        };
        ip.is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.0.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Whether a browser may have sent these headers.
fn is_browser(headers: &HeaderMap) -> bool {
    let mark = [ACCEPT_LANGUAGE, COOKIE, ORIGIN, REFERER]
        .iter()
        .any(|name| headers.contains_key(name));
    let agent = headers.get(USER_AGENT).map(http::HeaderValue::as_bytes);
    mark || agent.is_some_and(|agent| agent.starts_with(b"Mozilla/"))
        || headers.keys().any(|name| name.as_str().starts_with("sec-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    /// A request of a browser with this `Host`.
    fn is_answered(host: &str) -> bool {
        let listener = "tcp://Own.example:1".parse().unwrap();
        let names = HostNames::new(&["added.example.".to_owned()], &[listener]);
        let headers = headers(&[("host", host), ("accept-language", "en")]);
        names.allow(&Uri::from_static("/metrics"), &headers)
    }

    #[test]
    fn a_browser_calls_by_address_localhost_or_a_known_name() {
        for host in [
            "127.0.0.1",
            "10.0.0.7:9090",
            "[::1]",
            "[fd00::1]:9090",
            "localhost:9090",
            "LocalHost.",
            "added.example",
            "Added.Example.:9090",
            "own.example:1",
        ] {
            assert!(is_answered(host), "{host}");
        }
        for host in [
            "",
            ":9090",
            "evil.example",
            "evil.example:9090",
            "127.0.0.1.evil.example",
            "127.1",
            "0x7f000001",
            "2130706433",
            "[127.0.0.1]",
            "::1",
            "[::1",
            "localhost.evil.example",
            "localhost@evil.example",
            "added.example:x",
            "not-added.example",
            "127.0.0.1, evil.example",
        ] {
            assert!(!is_answered(host), "{host}");
        }
    }

    #[test]
    fn each_mark_of_a_browser_is_seen_and_other_clients_use_any_name() {
        let names = HostNames::default();
        let uri = Uri::from_static("/metrics");
        for mark in [
            ("accept-language", ""),
            ("cookie", "a=b"),
            ("origin", "http://evil.example"),
            ("referer", "http://evil.example/"),
            ("sec-fetch-site", "same-origin"),
            ("sec-gpc", "1"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
        ] {
            let headers = headers(&[("host", "evil.example"), mark]);
            assert!(!names.allow(&uri, &headers), "{mark:?}");
        }
        for agent in ["Prometheus/3.5.0", "kube-probe/1.33", "curl/8.5.0"] {
            let fields = [
                ("host", "wrapper.ci.svc:9090"),
                ("user-agent", agent),
                ("accept", "*/*"),
                ("accept-encoding", "gzip"),
            ];
            assert!(names.allow(&uri, &headers(&fields)), "{agent}");
        }
    }

    #[test]
    fn every_host_that_a_request_names_counts() {
        let names = HostNames::default();
        let browser = ("accept-language", "en");
        let absolute = Uri::from_static("http://evil.example/metrics");
        let own = headers(&[("host", "127.0.0.1"), browser]);
        assert!(!names.allow(&absolute, &own));
        let two = headers(&[("host", "127.0.0.1"), ("host", "evil.example"), browser]);
        assert!(!names.allow(&Uri::from_static("/metrics"), &two));
        // HTTP/1.0: a browser always names a host.
        assert!(names.allow(&Uri::from_static("/metrics"), &headers(&[browser])));
    }
}
