//! Where a socket file is safe from others.
//!
//! Owns the judgement on one directory of its path. Whoever may rename what lies in one of them may put
//! a socket of his own in the place of ours, and be asked and told what was meant for us.

use super::callers::UNMAPPED;

/// The bit that keeps others from renaming what is not theirs, `inode(7)`.
const STICKY: u32 = 0o1000;

/// Why others could put another socket in the place of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathRisk {
    /// The directory belongs to this user, neither root nor us.
    #[error("belongs to user {0}")]
    Owner(u32),
    /// Everybody may rename what lies in it.
    #[error(
        "is open to everybody (its mode is {0:o}, without the sticky bit that `chmod +t` sets)"
    )]
    Mode(u32),
    /// On the way is a link of this user, neither root nor us.
    #[error("is a symbolic link that belongs to user {0}")]
    Link(u32),
}

/// What is wrong with a directory of this owner and mode (permission bits and the three above them).
/// An owner whom our user namespace does not map cannot be judged and passes: `/` in a container may
/// be like that.
#[must_use]
pub fn path_risk(owner: u32, mode: u32, own: u32) -> Option<PathRisk> {
    if is_foreign(owner, own) {
        return Some(PathRisk::Owner(owner));
    }
    let open = mode & 0o002 != 0 && mode & STICKY == 0;
    open.then_some(PathRisk::Mode(mode))
}

/// What is wrong with a symbolic link of this owner on the way: where the sticky bit keeps others from
/// turning a link elsewhere, its owner still may.
#[must_use]
pub fn link_risk(owner: u32, own: u32) -> Option<PathRisk> {
    is_foreign(owner, own).then_some(PathRisk::Link(owner))
}

fn is_foreign(owner: u32, own: u32) -> bool {
    ![own, 0, UNMAPPED].contains(&owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_safe_when_only_we_and_root_can_rename_in_it() {
        for (owner, mode, doubted) in [
            (1000, 0o700, None),
            (0, 0o755, None),
            (0, 0o1777, None),
            (0, 0o775, None),
            (UNMAPPED, 0o755, None),
            (0, 0o777, Some(PathRisk::Mode(0o777))),
            (UNMAPPED, 0o777, Some(PathRisk::Mode(0o777))),
            (1001, 0o700, Some(PathRisk::Owner(1001))),
            (1001, 0o1777, Some(PathRisk::Owner(1001))),
        ] {
            assert_eq!(path_risk(owner, mode, 1000), doubted, "{owner} {mode:o}");
        }
    }

    #[test]
    fn a_link_is_safe_when_only_we_and_root_can_turn_it() {
        for owner in [0, 1000, UNMAPPED] {
            assert_eq!(link_risk(owner, 1000), None);
        }
        assert_eq!(link_risk(1001, 1000), Some(PathRisk::Link(1001)));
    }
}
