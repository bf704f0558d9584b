//! What may be called on a listener.
//!
//! Owns the order of the roles. It never knows a method: the table of methods is in `service`.

use std::fmt;
use std::str::FromStr;

/// What may be called on a listener, and what a method asks of one. A greater role holds the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Health only. It is open to everybody, so that a kubelet can probe it.
    Health,
    /// Health, and whatever changes nothing.
    Read,
    /// Everything.
    Control,
}

/// Why a text is not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role; write control, read or health")]
pub struct InvalidRole(String);

impl Role {
    /// Whether a method that asks for `wanted` may be called here.
    #[must_use]
    pub fn permits(self, wanted: Self) -> bool {
        self >= wanted
    }
}

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "control" => Ok(Self::Control),
            "read" => Ok(Self::Read),
            "health" => Ok(Self::Health),
            _ => Err(InvalidRole(text.to_owned())),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "control",
            Self::Read => "read",
            Self::Health => "health",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_permits_itself_and_what_is_less() {
        let roles = [Role::Health, Role::Read, Role::Control];
        for (has, role) in roles.iter().enumerate() {
            for (wants, wanted) in roles.iter().enumerate() {
                assert_eq!(role.permits(*wanted), has >= wants, "{role} {wanted}");
            }
        }
    }

    #[test]
    fn roles_are_read_as_they_are_written() {
        for role in [Role::Health, Role::Read, Role::Control] {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        for text in ["", "Control", "admin"] {
            assert!(text.parse::<Role>().is_err());
        }
    }
}
