//! The role of a listener.
//!
//! Owns the order of the roles. The table of methods and the roles that they require is in
//! `service`.

use std::fmt;
use std::str::FromStr;

/// The role that a listener has and that a method requires. A greater role includes the lesser
/// ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Health only. It needs no authorization, so that a kubelet can probe it.
    Health,
    /// Health and the methods that change nothing.
    Read,
    /// Every method.
    Control,
}

/// Why a text is not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role; write control, read or health")]
pub struct InvalidRole(String);

impl Role {
    /// Whether a listener of this role serves a method that requires `required`.
    #[must_use]
    pub fn permits(self, required: Self) -> bool {
        self >= required
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
    fn a_role_permits_itself_and_lesser_roles() {
        let roles = [Role::Health, Role::Read, Role::Control];
        for (own, role) in roles.iter().enumerate() {
            for (other, required) in roles.iter().enumerate() {
                assert_eq!(role.permits(*required), own >= other, "{role} {required}");
            }
        }
    }

    #[test]
    fn roles_parse_as_they_print() {
        for role in [Role::Health, Role::Read, Role::Control] {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        for text in ["", "Control", "admin"] {
            assert!(text.parse::<Role>().is_err());
        }
    }
}
