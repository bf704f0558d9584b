//! The value of `--listen`: `[control|read|health=]ADDRESS`.
//!
//! Owns its parsing and printing. It never decides whether the address may be served.

use std::fmt;
use std::str::FromStr;

use super::role::{InvalidRole, Role};
use crate::address::{Address, InvalidAddress};

/// An address to listen on, and the role of the listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Which methods it serves.
    pub role: Role,
    /// Where it listens.
    pub address: Address,
}

/// Why a text is no value of `--listen`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidListen {
    /// The text before the equals sign is no role.
    #[error(transparent)]
    Role(#[from] InvalidRole),
    /// The rest is no address.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
}

impl Listen {
    /// A listener that serves every method.
    #[must_use]
    pub const fn control(address: Address) -> Self {
        let role = Role::Control;
        Self { role, address }
    }
}

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            // After a colon the equals sign is part of a path.
            Some((role, address)) if !role.contains(':') => Ok(Self {
                role: role.parse()?,
                address: address.parse()?,
            }),
            Some(_) | None => Ok(Self::control(text.parse()?)),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.role, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_defaults_to_control() {
        for (text, role) in [
            ("unix:///run/a.sock", Role::Control),
            ("control=unix:///run/a.sock", Role::Control),
            ("read=unix:///run/a.sock", Role::Read),
            ("health=unix:///run/a.sock", Role::Health),
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.role, role);
            assert_eq!(listen.address, Address::Unix("/run/a.sock".into()));
            assert_eq!(listen.to_string().parse(), Ok(listen));
        }
    }

    #[test]
    fn an_equals_sign_in_a_path_is_no_role() {
        let listen: Listen = "unix:read=a".parse().unwrap();
        assert_eq!(listen, Listen::control(Address::Unix("read=a".into())));
    }

    #[test]
    fn an_error_names_the_invalid_part() {
        let error = |text: &str| text.parse::<Listen>().unwrap_err().to_string();
        assert!(error("admin=unix:/a").contains("control, read or health"));
        assert!(error("read=").contains("unix:///"));
        assert!(error("=unix:/a").contains("not a role"));
        assert!(error("tcp://a").contains("port"));
    }
}
