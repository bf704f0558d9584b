//! Admission to a listener: which peer may connect, and which calls it may make.
//!
//! Owns the checks of a connection before its first byte and of a call before its message. It
//! applies the rules of `access`, and never reads a message.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::access::refusals::Refusals;
use crate::access::{Callers, Role, Tokens};
use crate::clock::Clock;
use crate::grpc::rules::status::{Code, Status};
use crate::grpc::server::call_policy::{CallPolicy, CallRefusal, PendingCall};
use crate::log::LineThrottle;
use crate::net::first_bytes::Served;
use crate::net::peer::Peer;
use crate::net::reload::Reloadable;
use crate::net::stream::Stream;
use crate::net::tls::{ServerTls, TlsError};
use crate::net::wrong_protocol;
use crate::service::{audit, roles};

/// Wrong tokens on one connection, after which it takes no more calls once the last is answered.
const MAX_WRONG_TOKENS: u32 = 5;

/// Delayed answers on all connections of a listener, with about 5 KiB each. Beyond it an answer is
/// sent at once, and its connection closes.
const MAX_HELD_ANSWERS: usize = 1024;

/// The rules of one listener.
#[derive(Debug)]
pub struct ListenerRules {
    /// The role of every caller.
    pub role: Role,
    /// The address, for the audit log.
    pub listener: String,
    /// The users and groups that may connect to a socket file.
    pub callers: Callers,
    /// The bearer tokens, one of which each call must present.
    pub tokens: Option<Rc<Reloadable<Tokens>>>,
    /// The TLS configuration of a TCP listener.
    pub tls: Option<Rc<Reloadable<ServerTls>>>,
}

/// Applies the rules of one listener, with limits that its connections share.
pub struct ListenerPolicy<C> {
    rules: ListenerRules,
    lines: RefusalLines,
    refusals: RefCell<Refusals>,
    /// Each delayed answer has a clone.
    held_answers: Rc<()>,
    clock: C,
}

/// The log lines about refusals, by kind: those of peers without a token must not displace those of
/// callers that have one.
struct RefusalLines {
    connections: LineThrottle,
    tokens: LineThrottle,
    roles: LineThrottle,
    full: LineThrottle,
    protocols: LineThrottle,
}

impl RefusalLines {
    const fn new() -> Self {
        Self {
            connections: LineThrottle::for_events(),
            tokens: LineThrottle::for_events(),
            roles: LineThrottle::for_events(),
            full: LineThrottle::for_conditions(),
            protocols: LineThrottle::for_events(),
        }
    }
}

/// Authorizes the calls of one connection.
pub(super) struct ConnectionAuth<C> {
    listener: Rc<ListenerPolicy<C>>,
    wrong_tokens: Cell<u32>,
}

impl<C: Clock> ListenerPolicy<C> {
    /// A policy of these rules.
    pub fn new(rules: ListenerRules, clock: C) -> Self {
        Self {
            rules,
            lines: RefusalLines::new(),
            refusals: RefCell::default(),
            held_answers: Rc::default(),
            clock,
        }
    }

    /// Whether a peer may connect. A refused one never gets a byte.
    pub(super) fn admit(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Tcp(_) | Peer::Tls { .. } => true,
            Peer::Unix { uid, gid, .. } => {
                let admitted = self.rules.callers.admit(*uid, *gid);
                if !admitted {
                    self.log_refusal(peer, "neither the user nor the primary group is allowed");
                }
                admitted
            }
        }
    }

    /// Turns away a peer of another protocol, and does the TLS handshake on listeners with TLS.
    /// `None`: the connection is to be closed.
    pub(super) async fn handshake(&self, mut stream: Stream, peer: Peer) -> Option<(Stream, Peer)> {
        let served = match self.rules.tls {
            Some(_) => Served::GrpcOverTls,
            None => Served::Grpc,
        };
        let listener = &self.rules.listener;
        let (lines, clock) = (&self.lines.protocols, &self.clock);
        let checked = wrong_protocol::check(&mut stream, served, &peer, listener, lines, clock);
        match checked.await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                tracing::debug!(%peer, %error, "the connection broke before its first byte");
                return None;
            }
        }
        let (address, tls) = match (&peer, &self.rules.tls) {
            (Peer::Tcp(address), Some(tls)) => (*address, tls.get()),
            (Peer::Tcp(_) | Peer::Tls { .. } | Peer::Unix { .. }, _) => {
                return Some((stream, peer));
            }
        };
        match tls.accept(stream).await {
            Ok((stream, names)) => Some((stream, Peer::Tls { address, names })),
            // A port scan is not a refusal.
            Err(TlsError::Handshake(error)) if peer_closed(&error) => {
                tracing::debug!(%peer, %error, "the peer closed during the TLS handshake");
                None
            }
            Err(error) => {
                self.log_refusal(&peer, &error.to_string());
                None
            }
        }
    }

    /// The policy for the calls of one connection.
    pub(super) fn connection_auth(self: &Rc<Self>) -> ConnectionAuth<C> {
        ConnectionAuth {
            listener: Rc::clone(self),
            wrong_tokens: Cell::new(0),
        }
    }

    /// Whether calls may end for a new connection when the listener is full.
    pub fn evicts_calls(&self) -> bool {
        self.rules.role == Role::Health
    }

    /// Logs that a connection of `peer` displaces another, or is closed.
    pub(super) fn log_full(&self, peer: &Peer) {
        if let Some(held_back) = self.lines.full.try_acquire(self.clock.now()) {
            tracing::warn!(
                listener = self.rules.listener,
                %peer,
                held_back = held_back.count(),
                "the listener is full: for each new connection one is closed"
            );
        }
    }

    fn log_refusal(&self, peer: &Peer, reason: &str) {
        if let Some(held_back) = self.lines.connections.try_acquire(self.clock.now()) {
            audit::connection_refused(peer, &self.rules.listener, reason, &held_back);
        }
    }

    fn log_refused_call(&self, lines: &LineThrottle, call: &PendingCall<'_>, status: &Status) {
        if let Some(held_back) = lines.try_acquire(self.clock.now()) {
            audit::call_refused(call, &self.rules.listener, status, &held_back);
        }
    }
}

impl<C: Clock> ConnectionAuth<C> {
    fn check_token(&self, call: &PendingCall<'_>) -> Result<(), CallRefusal> {
        let listener = &*self.listener;
        let Some(tokens) = &listener.rules.tokens else {
            return Ok(());
        };
        // Also while a refusal waits: a proxy calls for all of its clients on one connection.
        let message = match authorization(call.metadata) {
            Some(token) if tokens.get().admit(token) => return Ok(()),
            Some(_) => "the token is not one of the server's",
            None => "a token is needed: send one header `authorization: Bearer TOKEN`",
        };
        let status = Status::new(Code::Unauthenticated, message);
        listener.log_refused_call(&listener.lines.tokens, call, &status);
        Err(self.penalize(call.peer, status))
    }

    /// Delays the refusal by the number of wrong tokens of its peer.
    fn penalize(&self, peer: &Peer, status: Status) -> CallRefusal {
        let listener = &*self.listener;
        let now = listener.clock.now();
        let penalty = listener.refusals.borrow_mut().record(peer.group(), now);
        let wrong_tokens = self.wrong_tokens.get().saturating_add(1);
        self.wrong_tokens.set(wrong_tokens);
        let held = Rc::strong_count(&listener.held_answers) - 1;
        let may_hold = held < MAX_HELD_ANSWERS;
        let closes = penalty.is_guessing || wrong_tokens >= MAX_WRONG_TOKENS || !may_hold;
        let refusal = CallRefusal::from(status);
        CallRefusal {
            delay: if may_hold {
                penalty.delay
            } else {
                Duration::ZERO
            },
            hold: may_hold.then(|| Rc::clone(&listener.held_answers)),
            closes,
            ..refusal
        }
    }
}

impl<C: Clock> CallPolicy for ConnectionAuth<C> {
    fn admit(&self, call: &PendingCall<'_>) -> Result<(), CallRefusal> {
        // First the token: an unauthenticated caller learns nothing about the methods.
        self.check_token(call)?;
        let role = self.listener.rules.role;
        let required = roles::required(call.path);
        if role.permits(required) {
            return Ok(());
        }
        let message = format!("this listener is for {role}; the call needs {required}");
        let status = Status::new(Code::PermissionDenied, message);
        let lines = &self.listener.lines.roles;
        self.listener.log_refused_call(lines, call, &status);
        Err(status.into())
    }
}

impl<C> Debug for ListenerPolicy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerPolicy")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl<C> Debug for ConnectionAuth<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listener.fmt(f)
    }
}

/// Whether the peer ended a handshake.
fn peer_closed(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    kinds.contains(&error.kind())
}

/// The `authorization` of a call; of several, none counts.
fn authorization(metadata: &HeaderMap) -> Option<&[u8]> {
    let mut values = metadata.get_all(AUTHORIZATION).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}
