//! Whether two listeners can have their addresses at the same time.
//!
//! Owns the comparison of addresses as the kernel sees them. It resolves no name and no link.

use std::net::IpAddr;
use std::path::Path;

use super::{Address, Host};

/// Whether the second of two listeners would find its address in use. The kernel chooses another
/// port for each port 0.
pub fn overlap(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Unix(one), Address::Unix(other)) => normal(one) == normal(other),
        (
            Address::Tcp { host, port },
            Address::Tcp {
                host: other,
                port: same,
            },
        ) => port == same && *port != 0 && hosts_overlap(host, other),
        (Address::Unix(_), Address::Tcp { .. }) | (Address::Tcp { .. }, Address::Unix(_)) => false,
    }
}

fn normal(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}

fn hosts_overlap(one: &Host, other: &Host) -> bool {
    match (one, other) {
        (Host::Ip(one), Host::Ip(other)) => ips_overlap(*one, *other),
        (Host::Localhost, Host::Localhost) => true,
        (Host::Localhost, Host::Ip(ip)) | (Host::Ip(ip), Host::Localhost) => [
            IpAddr::from([127, 0, 0, 1]),
            IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ]
        .into_iter()
        .any(|own| ips_overlap(own, *ip)),
        (Host::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
        (Host::Name(_), Host::Ip(_) | Host::Localhost)
        | (Host::Ip(_) | Host::Localhost, Host::Name(_)) => false,
    }
}

/// A listener on all interfaces of a family has every address of it.
fn ips_overlap(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
        && (one == other || one.is_unspecified() || other.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_as_the_kernel_sees_them() {
        for (one, other, expected) in [
            ("unix:a", "unix:a", true),
            ("unix:a", "unix:./a", true),
            ("unix:/run/a", "unix:///run//a", true),
            ("unix:a", "unix:b", false),
            ("unix:/a", "unix:a", false),
            ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1", true),
            ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", false),
            ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", false),
            ("tcp://127.0.0.1:1", "tcp://127.0.0.2:1", false),
            ("tcp://0.0.0.0:1", "tcp://127.0.0.2:1", true),
            ("tcp://0.0.0.0:1", "tcp://[::]:1", false),
            ("tcp://localhost:1", "tcp://127.0.0.1:1", true),
            ("tcp://localhost:1", "tcp://[::]:1", true),
            ("tcp://localhost:1", "tcp://127.0.0.2:1", false),
            ("tcp://A.example:1", "tcp://a.example:1", true),
            ("tcp://a.example:1", "tcp://127.0.0.1:1", false),
            ("tcp://127.0.0.1:1", "unix:a", false),
        ] {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(overlap(&one, &other), expected, "{one} {other}");
            assert_eq!(overlap(&other, &one), expected, "{other} {one}");
        }
    }
}
