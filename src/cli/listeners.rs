//! From `--listen` and the options about callers to listeners with their doors.
//!
//! Owns the order: what contradicts itself is refused before anything is bound, and what would be open
//! to everybody before anybody is let in. The judgements are in `access`.

use std::rc::Rc;

use smol::LocalExecutor;

use crate::access::{
    AccessOptions, Exposure, Group, Listen, MissingProtection, OptionConflict, OwnIds, Protection,
    exposure, gid_of,
};
use crate::address::{Address, Host};
use crate::cli::secrets;
use crate::clock::MonotonicClock;
use crate::net::directory::{self, UnsafeDirectory};
use crate::net::listen::{self, BindError, Listener, SocketOptions};
use crate::net::reload::ReloadError;
use crate::service::{ListenerPolicy, ListenerRules};

/// Where groups are looked up, `group(5)`.
const GROUP_FILE: &str = "/etc/group";

/// Why there are no listeners.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListenerError {
    #[error(transparent)]
    OptionConflict(#[from] OptionConflict),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    ReloadError(#[from] ReloadError),
    #[error("--socket-group {name:?} is not in {GROUP_FILE}{why}; write its number")]
    Group { name: String, why: String },
    #[error("{listen} is refused: {why}; or accept it {how}")]
    Exposed {
        listen: Listen,
        why: MissingProtection,
        how: &'static str,
    },
    #[error("{listen} is refused: {why}; use another one, or accept it {how}")]
    Directory {
        listen: Listen,
        why: UnsafeDirectory,
        how: &'static str,
    },
}

impl ListenerError {
    /// Whether the same command would fail again.
    pub(super) fn is_usage(&self) -> bool {
        match self {
            Self::Bind(error) => error.is_usage(),
            Self::OptionConflict(_)
            | Self::ReloadError(_)
            | Self::Group { .. }
            | Self::Exposed { .. }
            | Self::Directory { .. } => true,
        }
    }
}

/// A listener and what is asked of those who come to it.
pub(super) type PolicedListener = (Listener, Rc<ListenerPolicy<MonotonicClock>>);

/// Listens on all of them. Where `options` say `insecure`, what others could reach is a warning; `how` is
/// what the command line calls that.
pub(super) async fn open(
    listens: &[Listen],
    options: &AccessOptions,
    how: &'static str,
    executor: &LocalExecutor<'static>,
) -> Result<Vec<PolicedListener>, ListenerError> {
    let own = OwnIds {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    };
    let group = options.socket_group.as_ref().map(number_of).transpose()?;
    options.check(listens, own, group)?;
    let socket_options = SocketOptions {
        mode: options.mode().0,
        group,
    };
    let tokens = options
        .token_file
        .as_deref()
        .map(|file| secrets::tokens(file, executor))
        .transpose()?;
    let tls = secrets::tls(&options.tls, executor)?;
    let mut guarded = Vec::new();
    let mut warned = false;
    for listen in listens {
        check_place(listen, options, own, how)?;
        // Before it is bound, if the address says it all; a name says it once it has been resolved.
        judge(listen, &listen.address, options, how)?;
        for listener in listen::bind(&listen.address, &socket_options).await? {
            let address = listener.local_address();
            let judged = judge(listen, &address, options, how)?;
            tracing::info!(role = %listen.role, %address, "listening");
            warn(&address, judged, &mut warned);
            let rules = ListenerRules {
                role: listen.role,
                listener: address.to_string(),
                callers: options.callers(own),
                tokens: tokens.clone().filter(|_| options.needs_token(listen)),
                tls: tls.clone().filter(|_| options.needs_tls(listen)),
            };
            guarded.push((
                listener,
                Rc::new(ListenerPolicy::new(rules, MonotonicClock)),
            ));
        }
    }
    Ok(guarded)
}

fn number_of(group: &Group) -> Result<u32, ListenerError> {
    match group {
        Group::Number(number) => Ok(*number),
        Group::Name(name) => {
            let unknown = |why: String| ListenerError::Group {
                name: name.clone(),
                why,
            };
            let file = std::fs::read(GROUP_FILE).map_err(|error| unknown(format!(": {error}")))?;
            gid_of(name, &String::from_utf8_lossy(&file)).ok_or_else(|| unknown(String::new()))
        }
    }
}

/// Refuses a socket file that others could replace by their own.
fn check_place(
    listen: &Listen,
    options: &AccessOptions,
    own: OwnIds,
    how: &'static str,
) -> Result<(), ListenerError> {
    let Address::Unix(path) = &listen.address else {
        return Ok(());
    };
    if let Some((directory, mode)) = directory::parent_mode(path) {
        options.check_directory(&directory, mode, own)?;
    }
    match directory::find_unsafe(path, own.uid) {
        // `bind` says it better.
        Err(_) | Ok(None) => Ok(()),
        Ok(Some(why)) if options.insecure => {
            tracing::warn!(%why, "insecure: another socket could be put in the place of ours");
            Ok(())
        }
        Ok(Some(why)) => {
            let listen = listen.clone();
            Err(ListenerError::Directory { listen, why, how })
        }
    }
}

/// Refuses a port that strangers could call on, unless that was accepted.
fn judge(
    listen: &Listen,
    address: &Address,
    options: &AccessOptions,
    how: &'static str,
) -> Result<Exposure, ListenerError> {
    let protection = Protection {
        tls: options.needs_tls(listen),
        client_certificates: options.tls.client_ca.is_some(),
        token: options.needs_token(listen),
    };
    let judged = match address {
        Address::Tcp {
            host: Host::Ip(ip), ..
        } => exposure(*ip, listen.role, protection),
        // Judged when they have been resolved.
        Address::Tcp {
            host: Host::Localhost | Host::Name(_),
            ..
        }
        | Address::Unix(_) => Exposure::Guarded,
    };
    match judged {
        Exposure::Network(why) if !options.insecure => Err(ListenerError::Exposed {
            listen: listen.clone(),
            why,
            how,
        }),
        Exposure::Guarded | Exposure::LocalUsers | Exposure::Network(_) => Ok(judged),
    }
}

/// Says what was not refused. That local users can call is said once.
fn warn(address: &Address, judged: Exposure, warned: &mut bool) {
    match judged {
        Exposure::Guarded => {}
        Exposure::LocalUsers => {
            if !std::mem::replace(warned, true) {
                tracing::warn!(
                    %address,
                    "every user of this machine can call here; use a unix socket, or `run` with --token-file"
                );
            }
        }
        Exposure::Network(why) => {
            tracing::warn!(%address, %why, "insecure: strangers can call here")
        }
    }
}
