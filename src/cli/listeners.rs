//! Opens the listeners of `--listen`, each with its policy.
//!
//! Owns the order of checks: contradictions before any bind, exposure before any accept. The rules
//! are in `access`. It never accepts a connection.

use std::rc::Rc;

use smol::LocalExecutor;

use crate::access::{
    AccessOptions, Exposure, Group, Listen, MissingProtection, OptionConflict, OwnIds, Protection,
    exposure, gid_of,
};
use crate::address::{Address, Host};
use crate::cli::secrets::{self, FileOptionError};
use crate::clock::MonotonicClock;
use crate::net::directory::{self, UnsafeDirectory};
use crate::net::listen::{self, BindError, Listener, SocketOptions};
use crate::service::{ListenerPolicy, ListenerRules};

/// `group(5)`.
const GROUP_FILE: &str = "/etc/group";

/// Why the listeners cannot open.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListenerError {
    #[error(transparent)]
    OptionConflict(#[from] OptionConflict),
    #[error("{}{error}", named(option, ": "))]
    Bind {
        option: &'static str,
        error: BindError,
    },
    #[error(transparent)]
    File(#[from] FileOptionError),
    #[error("--socket-group {name:?} is not in {GROUP_FILE}{why}; write its number")]
    Group { name: String, why: String },
    #[error(
        "{}{listen} is refused: {why}; or accept it {accept}",
        named(option, " ")
    )]
    Exposed {
        option: &'static str,
        listen: Listen,
        why: MissingProtection,
        accept: &'static str,
    },
    #[error(
        "{}{listen} is refused: {why}; use another one, or accept it {accept}",
        named(option, " ")
    )]
    Directory {
        option: &'static str,
        listen: Listen,
        why: UnsafeDirectory,
        accept: &'static str,
    },
}

/// The option at the start of an error; nothing for the default address.
fn named(option: &str, end: &str) -> String {
    match option {
        "" => String::new(),
        option => format!("{option}{end}"),
    }
}

/// The words of a command for its errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    /// The option of the addresses; empty for the default address.
    pub(super) option: &'static str,
    /// The way to accept an exposed listener.
    pub(super) accept: &'static str,
}

impl ListenerError {
    /// Whether the command line causes the error.
    pub(super) fn is_usage(&self) -> bool {
        match self {
            Self::Bind { error, .. } => error.is_usage(),
            Self::OptionConflict(_)
            | Self::File(_)
            | Self::Group { .. }
            | Self::Exposed { .. }
            | Self::Directory { .. } => true,
        }
    }
}

/// A listener and its policy.
pub(super) type PolicedListener = (Listener, Rc<ListenerPolicy<MonotonicClock>>);

/// Opens every listener. With `options.insecure` an exposed one warns instead of failing.
pub(super) async fn open(
    listens: &[Listen],
    options: &AccessOptions,
    names: Names,
    executor: &LocalExecutor<'static>,
) -> Result<Vec<PolicedListener>, ListenerError> {
    let own = OwnIds {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    };
    let socket_options = socket_options(options)?;
    options.check(listens, own, socket_options.group)?;
    let tokens = options
        .token_file
        .as_deref()
        .map(|file| secrets::tokens(file, executor))
        .transpose()?;
    let tls = secrets::tls(&options.tls, executor)?;
    let mut policed = Vec::new();
    let mut warned = false;
    for listen in listens {
        check_directory(listen, options, own, names)?;
        // An IP address is checked before the bind, a name once it is resolved.
        check_exposure(listen, &listen.address, options, names)?;
        let bound = listen::bind(&listen.address, &socket_options).await;
        let option = names.option;
        for listener in bound.map_err(|error| ListenerError::Bind { option, error })? {
            let address = listener.local_address();
            let exposure = check_exposure(listen, &address, options, names)?;
            tracing::info!(role = %listen.role, %address, "listening");
            warn(&address, exposure, &mut warned);
            let rules = ListenerRules {
                role: listen.role,
                listener: address.to_string(),
                callers: options.callers(own),
                tokens: tokens.clone().filter(|_| options.needs_token(listen)),
                tls: tls.clone().filter(|_| options.needs_tls(listen)),
            };
            policed.push((
                listener,
                Rc::new(ListenerPolicy::new(rules, MonotonicClock)),
            ));
        }
    }
    Ok(policed)
}

/// The mode and the group of socket files.
pub(super) fn socket_options(options: &AccessOptions) -> Result<SocketOptions, ListenerError> {
    Ok(SocketOptions {
        mode: options.mode().0,
        group: options.socket_group.as_ref().map(group_id).transpose()?,
    })
}

fn group_id(group: &Group) -> Result<u32, ListenerError> {
    match group {
        Group::Number(number) => Ok(*number),
        Group::Name(name) => {
            let group_error = |why: String| ListenerError::Group {
                name: name.clone(),
                why,
            };
            let file =
                std::fs::read(GROUP_FILE).map_err(|error| group_error(format!(": {error}")))?;
            gid_of(name, &String::from_utf8_lossy(&file)).ok_or_else(|| group_error(String::new()))
        }
    }
}

/// Refuses a socket file that other users could replace.
fn check_directory(
    listen: &Listen,
    options: &AccessOptions,
    own: OwnIds,
    names: Names,
) -> Result<(), ListenerError> {
    let Address::Unix(path) = &listen.address else {
        return Ok(());
    };
    if let Some((directory, mode)) = directory::parent_mode(path) {
        options.check_directory(&directory, mode, own)?;
    }
    match directory::find_unsafe(path, own.uid) {
        // `bind` reports the same error with more context.
        Err(_) | Ok(None) => Ok(()),
        Ok(Some(why)) if options.insecure => {
            tracing::warn!(%why, "insecure: other users can replace the socket");
            Ok(())
        }
        Ok(Some(why)) => {
            let (listen, Names { option, accept }) = (listen.clone(), names);
            Err(ListenerError::Directory {
                option,
                listen,
                why,
                accept,
            })
        }
    }
}

/// Refuses a port that strangers could call, unless `--insecure` accepts it.
fn check_exposure(
    listen: &Listen,
    address: &Address,
    options: &AccessOptions,
    names: Names,
) -> Result<Exposure, ListenerError> {
    let protection = Protection {
        tls: options.needs_tls(listen),
        client_certificates: options.tls.client_ca.is_some(),
        token: options.needs_token(listen),
    };
    let exposure = match address {
        Address::Tcp {
            host: Host::Ip(ip), ..
        } => exposure(*ip, listen.role, protection),
        // A name is checked once it is resolved.
        Address::Tcp {
            host: Host::Localhost | Host::Name(_),
            ..
        }
        | Address::Unix(_) => Exposure::Guarded,
    };
    match exposure {
        Exposure::Network(why) if !options.insecure => Err(ListenerError::Exposed {
            option: names.option,
            listen: listen.clone(),
            why,
            accept: names.accept,
        }),
        Exposure::Guarded | Exposure::LocalUsers | Exposure::Network(_) => Ok(exposure),
    }
}

/// Logs an accepted exposure; that of local users once per process.
fn warn(address: &Address, exposure: Exposure, warned: &mut bool) {
    match exposure {
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
