//! How open a TCP port is.
//!
//! Owns the judgement, which looks at the address and at what guards it. It never decides what follows:
//! `run` refuses what [`Exposure::Network`] is unless it was told otherwise, and others may only warn.

use std::net::IpAddr;

use super::role::Role;

/// What guards a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection {
    /// Connections are encrypted, and the server proves who it is.
    pub tls: bool,
    /// Callers prove who they are by a certificate.
    pub client_certificates: bool,
    /// Callers prove that they know a token.
    pub token: bool,
}

/// Who can call on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Those who are meant to.
    Guarded,
    /// Every user of this machine, with whatever runs in its network namespace.
    LocalUsers,
    /// Whoever reaches this machine.
    Network(MissingProtection),
}

/// What a port lacks that can be reached from other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MissingProtection {
    /// It is not encrypted.
    #[error(
        "calls and tokens would cross the network in plaintext; use --tls-cert and --tls-key, a unix \
         socket or a loopback address"
    )]
    Encryption,
    /// It is encrypted, and lets everybody in.
    #[error("everybody who reaches it could call; use --tls-client-ca or --token-file")]
    Authentication,
}

/// Judges a port on this address. `health` listeners are open on purpose.
#[must_use]
pub fn exposure(ip: IpAddr, role: Role, protection: Protection) -> Exposure {
    let identified = protection.token || (protection.tls && protection.client_certificates);
    match role {
        Role::Health => Exposure::Guarded,
        Role::Read | Role::Control if ip.to_canonical().is_loopback() => {
            if identified {
                Exposure::Guarded
            } else {
                Exposure::LocalUsers
            }
        }
        Role::Read | Role::Control if !protection.tls => {
            Exposure::Network(MissingProtection::Encryption)
        }
        Role::Read | Role::Control if !identified => {
            Exposure::Network(MissingProtection::Authentication)
        }
        Role::Read | Role::Control => Exposure::Guarded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(tls: bool, client_certificates: bool, token: bool) -> Protection {
        Protection {
            tls,
            client_certificates,
            token,
        }
    }

    #[test]
    fn what_is_open_depends_on_the_address_and_its_guard() {
        let bare = guard(false, false, false);
        let token = guard(false, false, true);
        let tls = guard(true, false, false);
        for (guard, loopback, beyond) in [
            (
                bare,
                Exposure::LocalUsers,
                Exposure::Network(MissingProtection::Encryption),
            ),
            (
                token,
                Exposure::Guarded,
                Exposure::Network(MissingProtection::Encryption),
            ),
            (
                tls,
                Exposure::LocalUsers,
                Exposure::Network(MissingProtection::Authentication),
            ),
            (
                guard(true, true, false),
                Exposure::Guarded,
                Exposure::Guarded,
            ),
            (
                guard(true, false, true),
                Exposure::Guarded,
                Exposure::Guarded,
            ),
        ] {
            for role in [Role::Control, Role::Read] {
                for ip in ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"] {
                    let ip = ip.parse().unwrap();
                    assert_eq!(exposure(ip, role, guard), loopback, "{ip} {guard:?}");
                }
                for ip in ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1"] {
                    let ip = ip.parse().unwrap();
                    assert_eq!(exposure(ip, role, guard), beyond, "{ip} {guard:?}");
                }
            }
        }
    }

    #[test]
    fn a_health_listener_is_open_on_purpose() {
        let bare = Protection::default();
        for ip in ["127.0.0.1", "0.0.0.0", "::"] {
            let judged = exposure(ip.parse().unwrap(), Role::Health, bare);
            assert_eq!(judged, Exposure::Guarded);
        }
    }
}
