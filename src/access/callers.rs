//! Who may connect to a socket file.
//!
//! Owns the comparison of a peer's credentials with those that are allowed. The file's mode has been
//! passed by then: this is the second door, and it does not open by an accident with a mode.

/// The user and group that the kernel shows for those whom our user namespace does not map
/// (`user_namespaces(7)`): it stands for many, so it is never an identity.
pub const UNMAPPED: u32 = 65534;

/// Who may connect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Callers {
    /// Users.
    pub uids: Vec<u32>,
    /// Primary groups.
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
    fn a_peer_is_known_by_its_user_or_its_primary_group() {
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
    fn the_unmapped_user_is_nobody_whoever_was_allowed() {
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
