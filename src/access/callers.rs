//! Who may connect to a socket file.
//!
//! Owns the comparison of a peer's credentials with the allowed ids. The kernel has checked the
//! file's mode before: this check still holds if the mode is too open by accident.

/// The id that the kernel shows for users and groups outside our user namespace
/// (`user_namespaces(7)`). Many users share it, so it is never an identity.
pub const UNMAPPED: u32 = 65534;

/// The superuser of our user namespace. That of another one is unmapped.
pub(super) const ROOT: u32 = 0;

/// The primary group of root.
pub(super) const ROOT_GROUP: u32 = 0;

/// The ids that may connect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Callers {
    /// User ids.
    pub uids: Vec<u32>,
    /// Primary group ids.
    pub gids: Vec<u32>,
}

impl Callers {
    /// Whether a peer with these effective ids may connect.
    #[must_use]
    pub fn admit(&self, uid: u32, gid: u32) -> bool {
        uid != UNMAPPED
            && (self.uids.contains(&uid) || (gid != UNMAPPED && self.gids.contains(&gid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_admitted_by_its_user_or_primary_group() {
        let callers = Callers {
            uids: vec![0, 1000],
            gids: vec![50],
        };
        for (uid, gid, admitted) in [
            (0, 0, true),
            (1000, 7, true),
            (1001, 50, true),
            (1001, 1000, false),
            (50, 0, false),
        ] {
            assert_eq!(callers.admit(uid, gid), admitted, "{uid} {gid}");
        }
        assert!(!Callers::default().admit(0, 0));
    }

    #[test]
    fn the_unmapped_user_is_never_admitted() {
        let callers = Callers {
            uids: vec![0, UNMAPPED],
            gids: vec![0, UNMAPPED],
        };
        assert!(!callers.admit(UNMAPPED, 0));
        assert!(!callers.admit(UNMAPPED, UNMAPPED));
        assert!(!callers.admit(1000, UNMAPPED));
        assert!(callers.admit(0, UNMAPPED));
    }
}
