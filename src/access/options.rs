//! The options about callers, and the conflicts between them.
//!
//! Owns the conflicts: an option without effect would make an operator rely on a protection, or on
//! an access, that does not exist.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::allowed_name::AllowedName;
use super::callers::{Callers, ROOT, ROOT_GROUP, UNMAPPED};
use super::group::Group;
use super::listen::Listen;
use super::role::Role;
use crate::address::Address;

/// The permission bits of a socket file: connecting takes write permission, `unix(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketMode(pub u32);

/// Why a text is not the mode of a socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the mode of a socket; write it in octal, for example 0600 or 0660")]
pub struct InvalidMode(String);

impl FromStr for SocketMode {
    type Err = InvalidMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The integer parser accepts a plus sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match u32::from_str_radix(text, 8) {
            Ok(mode) if digits && mode <= 0o777 => Ok(Self(mode)),
            Ok(_) | Err(_) => Err(InvalidMode(text.to_owned())),
        }
    }
}

impl fmt::Display for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// The minimum version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// Why a text is not a version of TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a supported version of TLS; write 1.3 or 1.2")]
pub struct InvalidVersion(String);

impl FromStr for TlsVersion {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "1.2" => Ok(Self::V1_2),
            "1.3" => Ok(Self::V1_3),
            _ => Err(InvalidVersion(text.to_owned())),
        }
    }
}

/// The options of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Our certificate and its chain, PEM. It turns TLS on.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// The authorities of callers' certificates, PEM. It makes a certificate mandatory.
    pub client_ca: Option<PathBuf>,
    /// A caller's certificate must hold one of these names; empty: any name.
    pub allow_sans: Vec<AllowedName>,
    /// 1.3 if unset.
    pub min_version: Option<TlsVersion>,
}

/// The options about callers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessOptions {
    /// `--socket-mode`; 0600 if unset.
    pub socket_mode: Option<SocketMode>,
    /// `--socket-group`.
    pub socket_group: Option<Group>,
    /// `--allow-uid` and `--allow-gid`.
    pub allowed: Callers,
    /// `--deny-root`: root (uid 0) may not connect to socket files because it is root.
    pub deny_root: bool,
    /// `--token-file`: one token per line.
    pub token_file: Option<PathBuf>,
    /// `--token-tcp-only`: callers on socket files need no token.
    pub token_tcp_only: bool,
    /// The options of TLS.
    pub tls: TlsOptions,
    /// `--insecure`: serve even where every host can call.
    pub insecure: bool,
}

/// The wrapper's own effective ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnIds {
    /// User.
    pub uid: u32,
    /// Group, and the group of socket files without `--socket-group`.
    pub gid: u32,
}

/// A conflict between options, or between options and listeners.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionConflict {
    /// The option is about socket files, but no listener has one.
    #[error("{0} applies to unix sockets, but no --listen has one; add one, or omit {0}")]
    NoSocket(&'static str),
    /// The option allows the unmapped id 65534.
    #[error("{0} {UNMAPPED} would admit every user outside the user namespace; allow other ids")]
    Unmapped(&'static str),
    /// The socket's mode denies access to an allowed id.
    #[error(
        "{option} {id} has no effect: the socket's mode {mode} denies access; use --socket-mode \
         0660 with --socket-group, or 0666"
    )]
    SocketUnreachable {
        /// The option.
        option: &'static str,
        /// Its value.
        id: u32,
        /// The mode in force.
        mode: SocketMode,
    },
    /// The directory's mode denies access to an allowed id.
    #[error(
        "{option} {id} has no effect: only the wrapper's user may enter the socket's directory \
         {directory:?}; choose another directory with --listen"
    )]
    DirectoryUnreachable {
        /// The option.
        option: &'static str,
        /// Its value.
        id: u32,
        /// The directory.
        directory: PathBuf,
    },
    /// Root is admitted for another reason.
    #[error("--deny-root has no effect: {0}")]
    RootAllowed(&'static str),
    /// The wrapper runs as the unmapped user.
    #[error(
        "the wrapper runs as user {UNMAPPED}, the id of every unmapped user, so its own user would \
         not be admitted on a unix socket; run it as another user, or use --allow-uid"
    )]
    OwnUserUnmapped,
    /// The option has no effect without another.
    #[error("{option} has no effect without {needs}; add {needs}, or omit {option}")]
    Requires {
        /// The option.
        option: &'static str,
        /// The option that it requires.
        needs: &'static str,
    },
    /// No listener requires a token.
    #[error("--token-file applies to no listener{0}")]
    NoListenerForToken(&'static str),
    /// No listener speaks TLS.
    #[error(
        "--tls-cert applies to tcp listeners with the role control or read, but no --listen is one; \
         add --listen tcp://HOST:PORT, or omit --tls-cert"
    )]
    NoListenerForTls,
}

impl AccessOptions {
    /// The mode of socket files.
    #[must_use]
    pub fn mode(&self) -> SocketMode {
        self.socket_mode.unwrap_or(SocketMode(0o600))
    }

    /// Whether callers of this listener need a token.
    #[must_use]
    pub fn needs_token(&self, listen: &Listen) -> bool {
        self.token_file.is_some()
            && match (listen.role, &listen.address) {
                (Role::Health, _) => false,
                (Role::Read | Role::Control, Address::Unix(_)) => !self.token_tcp_only,
                (Role::Read | Role::Control, Address::Tcp { .. }) => true,
            }
    }

    /// Whether this listener speaks TLS.
    #[must_use]
    pub fn needs_tls(&self, listen: &Listen) -> bool {
        let is_tcp = match &listen.address {
            Address::Unix(_) => false,
            Address::Tcp { .. } => true,
        };
        self.tls.certificate.is_some() && is_tcp && listen.role > Role::Health
    }

    /// The ids that may connect to socket files. Root is among them, because it can become any of
    /// these users.
    #[must_use]
    pub fn callers(&self, own: OwnIds) -> Callers {
        let mut callers = self.allowed.clone();
        callers.uids.push(own.uid);
        if !self.deny_root {
            callers.uids.push(ROOT);
        }
        callers
    }

    /// Checks the options against each other and the listeners.
    ///
    /// # Errors
    ///
    /// The first [`OptionConflict`]. `socket_group` is the number of
    /// [`AccessOptions::socket_group`].
    pub fn check(
        &self,
        listens: &[Listen],
        own: OwnIds,
        socket_group: Option<u32>,
    ) -> Result<(), OptionConflict> {
        let has_socket = listens
            .iter()
            .any(|listen| matches!(listen.address, Address::Unix(_)));
        let given = [
            ("--socket-mode", self.socket_mode.is_some()),
            ("--socket-group", self.socket_group.is_some()),
            ("--allow-uid", !self.allowed.uids.is_empty()),
            ("--allow-gid", !self.allowed.gids.is_empty()),
            ("--deny-root", self.deny_root),
        ];
        for (option, is_given) in given {
            if is_given && !has_socket {
                return Err(OptionConflict::NoSocket(option));
            }
        }
        if self.deny_root && own.uid == ROOT {
            return Err(OptionConflict::RootAllowed(
                "the wrapper itself runs as root",
            ));
        }
        if self.deny_root && self.allowed.uids.contains(&ROOT) {
            return Err(OptionConflict::RootAllowed("--allow-uid 0 admits root"));
        }
        if self.deny_root && self.allowed.gids.contains(&ROOT_GROUP) {
            return Err(OptionConflict::RootAllowed("--allow-gid 0 admits root"));
        }
        self.check_allowed_ids(own, socket_group.unwrap_or(own.gid))?;
        let none_allowed = self.allowed.uids.is_empty() && self.allowed.gids.is_empty();
        if has_socket && none_allowed && own.uid == UNMAPPED {
            return Err(OptionConflict::OwnUserUnmapped);
        }
        self.check_dependencies()?;
        let token_needed = listens.iter().any(|listen| self.needs_token(listen));
        if self.token_file.is_some() && !token_needed {
            let why = if self.token_tcp_only {
                ": --token-tcp-only exempts unix sockets, and no tcp listener has the role control or read; omit one of both"
            } else {
                ": health listeners require none; add a listener with another role, or omit --token-file"
            };
            return Err(OptionConflict::NoListenerForToken(why));
        }
        if self.tls.certificate.is_some() && !listens.iter().any(|listen| self.needs_tls(listen)) {
            return Err(OptionConflict::NoListenerForTls);
        }
        Ok(())
    }

    /// Checks the allowed ids against the mode of a socket's directory.
    ///
    /// # Errors
    ///
    /// [`OptionConflict::DirectoryUnreachable`].
    pub fn check_directory(
        &self,
        directory: &Path,
        mode: u32,
        own: OwnIds,
    ) -> Result<(), OptionConflict> {
        if mode & 0o011 != 0 {
            return Ok(());
        }
        let uids = self
            .allowed
            .uids
            .iter()
            .filter(|uid| ![ROOT, own.uid].contains(uid));
        let uid = uids.map(|uid| ("--allow-uid", *uid)).next();
        let gid = self.allowed.gids.first().map(|gid| ("--allow-gid", *gid));
        match uid.or(gid) {
            None => Ok(()),
            Some((option, id)) => Err(OptionConflict::DirectoryUnreachable {
                option,
                id,
                directory: directory.to_owned(),
            }),
        }
    }

    /// Refuses an option that requires another.
    fn check_dependencies(&self) -> Result<(), OptionConflict> {
        let tls = &self.tls;
        let (certificate, key) = (tls.certificate.is_some(), tls.key.is_some());
        let (client_ca, sans) = (tls.client_ca.is_some(), !tls.allow_sans.is_empty());
        let (tcp_only, token_file) = (self.token_tcp_only, self.token_file.is_some());
        for (option, is_given, needs, is_met) in [
            ("--token-tcp-only", tcp_only, "--token-file", token_file),
            ("--tls-cert", certificate, "--tls-key", key),
            ("--tls-key", key, "--tls-cert", certificate),
            ("--tls-client-ca", client_ca, "--tls-cert", certificate),
            (
                "--tls-min-version",
                tls.min_version.is_some(),
                "--tls-cert",
                certificate,
            ),
            ("--allow-san", sans, "--tls-client-ca", client_ca),
        ] {
            if is_given && !is_met {
                return Err(OptionConflict::Requires { option, needs });
            }
        }
        Ok(())
    }

    fn check_allowed_ids(&self, own: OwnIds, socket_group: u32) -> Result<(), OptionConflict> {
        let mode = self.mode();
        // Group memberships of other users are unknown here, so the group's bit is enough.
        let for_others = mode.0 & 0o022 != 0;
        for &id in &self.allowed.uids {
            let option = "--allow-uid";
            if id == UNMAPPED {
                return Err(OptionConflict::Unmapped(option));
            }
            // Root passes every permission check.
            if id != own.uid && id != ROOT && !for_others {
                return Err(OptionConflict::SocketUnreachable { option, id, mode });
            }
        }
        for &id in &self.allowed.gids {
            let option = "--allow-gid";
            if id == UNMAPPED {
                return Err(OptionConflict::Unmapped(option));
            }
            // For the file's group the kernel checks the group's bit alone.
            let reachable = if id == socket_group {
                mode.0 & 0o020 != 0
            } else {
                for_others
            };
            if !reachable {
                return Err(OptionConflict::SocketUnreachable { option, id, mode });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
