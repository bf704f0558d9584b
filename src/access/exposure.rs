//! Who can reach a TCP port.
//!
//! Owns the judgement by address and protection, not the consequence: `run` refuses
//! [`Exposure::Network`] unless `--insecure` allows it.

use std::net::IpAddr;

use super::role::Role;

/// The protection of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection {
    /// Connections are encrypted, and the server shows a certificate.
    pub tls: bool,
    /// Callers show a certificate.
    pub client_certificates: bool,
    /// Callers present a token.
    pub token: bool,
}

/// Who can call on a port without authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Authorized callers only, or it serves health alone.
    Guarded,
    /// Every user and process in this network namespace.
    LocalUsers,
    /// Every host that reaches this one.
    Network(MissingProtection),
}

/// The protection that a port lacks though other machines can reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MissingProtection {
    /// Connections are not encrypted.
    #[error(
        "calls and tokens would cross the network in plaintext; use --tls-cert and --tls-key, a unix \
         socket or a loopback address"
    )]
    Encryption,
    /// Callers need no certificate and no token.
    #[error("every host that reaches it could call; use --tls-client-ca or --token-file")]
    Authentication,
}

/// Judges a port on this address. Health listeners are open on purpose.
#[must_use]
pub fn exposure(ip: IpAddr, role: Role, protection: Protection) -> Exposure {
    let authenticates = protection.token || (protection.tls && protection.client_certificates);
    match role {
        Role::Health => Exposure::Guarded,
        Role::Read | Role::Control if ip.to_canonical().is_loopback() => {
            if authenticates {
                Exposure::Guarded
            } else {
                Exposure::LocalUsers
            }
        }
        Role::Read | Role::Control if !protection.tls => {
            Exposure::Network(MissingProtection::Encryption)
        }
        Role::Read | Role::Control if !authenticates => {
            Exposure::Network(MissingProtection::Authentication)
        }
        Role::Read | Role::Control => Exposure::Guarded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protection(tls: bool, client_certificates: bool, token: bool) -> Protection {
        Protection {
            tls,
            client_certificates,
            token,
        }
    }

    #[test]
    fn exposure_depends_on_address_and_protection() {
        let bare = protection(false, false, false);
        let token = protection(false, false, true);
        let tls = protection(true, false, false);
        for (protection, loopback, network) in [
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
                protection(true, true, false),
                Exposure::Guarded,
                Exposure::Guarded,
            ),
            (
                protection(true, false, true),
                Exposure::Guarded,
                Exposure::Guarded,
            ),
        ] {
            for role in [Role::Control, Role::Read] {
                for ip in ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"] {
                    let ip = ip.parse().unwrap();
                    assert_eq!(
                        exposure(ip, role, protection),
                        loopback,
                        "{ip} {protection:?}"
                    );
                }
                for ip in ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1"] {
                    let ip = ip.parse().unwrap();
                    assert_eq!(
                        exposure(ip, role, protection),
                        network,
                        "{ip} {protection:?}"
                    );
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
