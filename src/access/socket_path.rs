//! Whether another user could replace a socket file.
//!
//! Owns the judgement on one directory or link of the socket's path. A user who may rename entries
//! there could put their own socket in place of ours and receive our calls. It reads no file.

use super::callers::UNMAPPED;

/// The restricted deletion flag: only owners may rename or remove their entries, `inode(7)`.
const STICKY: u32 = 0o1000;

/// Why another user could replace the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathRisk {
    /// A symbolic link or a file stands in place of a directory that must be private.
    #[error("is not a directory")]
    NotADirectory,
    /// The directory belongs to this user, neither root nor us.
    #[error("belongs to user {0}")]
    Owner(u32),
    /// A directory that must be private has permission bits for group or others.
    #[error("is accessible to other users (mode {0:o}, must be 700)")]
    NotPrivate(u32),
    /// Every user may rename its entries.
    #[error("is writable by every user (mode {0:o}) without the sticky bit, which `chmod +t` sets")]
    WorldWritable(u32),
    /// Users beside its owner may replace its entries.
    #[error("is writable by other users (mode {0:o}, must be at most 755)")]
    Writable(u32),
    /// A link or another file stands in place of the socket, or another user owns it.
    #[error("is not a socket of the directory's owner")]
    NotASocket,
    /// The path has a symbolic link of this user, neither root nor us.
    #[error("is a symbolic link that belongs to user {0}")]
    Link(u32),
}

/// The risk of a directory on the path with this owner and mode (12 bits).
///
/// An owner outside our user namespace cannot be judged and passes: `/` in a container may have
/// one.
#[must_use]
pub fn path_risk(owner: u32, mode: u32, own: u32) -> Option<PathRisk> {
    if is_foreign(owner, own) {
        return Some(PathRisk::Owner(owner));
    }
    let world_writable = mode & 0o002 != 0 && mode & STICKY == 0;
    world_writable.then_some(PathRisk::WorldWritable(mode))
}

/// The risk of a directory that must be private to user `own`, mode 0700.
#[must_use]
pub fn private_risk(owner: u32, mode: u32, own: u32) -> Option<PathRisk> {
    if owner != own {
        return Some(PathRisk::Owner(owner));
    }
    (mode & 0o077 != 0).then_some(PathRisk::NotPrivate(mode))
}

/// The risk of a directory whose owner root trusts for what the socket in it answers: it gave the
/// directory to this user.
#[must_use]
pub fn owned_risk(mode: u32) -> Option<PathRisk> {
    (mode & 0o022 != 0).then_some(PathRisk::Writable(mode))
}

/// The risk of a symbolic link on the path: its owner may replace it even in a sticky directory.
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
    fn a_directory_is_safe_if_only_we_and_root_may_rename_its_entries() {
        for (owner, mode, risk) in [
            (1000, 0o700, None),
            (0, 0o755, None),
            (0, 0o1777, None),
            (0, 0o775, None),
            (UNMAPPED, 0o755, None),
            (0, 0o777, Some(PathRisk::WorldWritable(0o777))),
            (UNMAPPED, 0o777, Some(PathRisk::WorldWritable(0o777))),
            (1001, 0o700, Some(PathRisk::Owner(1001))),
            (1001, 0o1777, Some(PathRisk::Owner(1001))),
        ] {
            assert_eq!(path_risk(owner, mode, 1000), risk, "{owner} {mode:o}");
        }
    }

    #[test]
    fn a_link_is_safe_if_only_we_and_root_may_replace_it() {
        for owner in [0, 1000, UNMAPPED] {
            assert_eq!(link_risk(owner, 1000), None);
        }
        assert_eq!(link_risk(1001, 1000), Some(PathRisk::Link(1001)));
    }
}
