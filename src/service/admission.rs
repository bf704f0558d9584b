//! The door of a listener: who may connect, and what those who have may call.
//!
//! Owns what is asked of a connection before its first byte and of a call before its message. The rules
//! are in `access`; here they meet connections and calls. It never reads a message.

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::access::throttle::Throttle;
use crate::access::{Callers, Role, Tokens};
use crate::clock::Clock;
use crate::grpc::rules::status::{Code, Status};
use crate::grpc::server::call_policy::{CallPolicy, CallRefusal, PendingCall};
use crate::net::peer::Peer;
use crate::net::reload::Reloadable;
use crate::net::stream::Stream;
use crate::net::tls::{ServerTls, TlsError};
use crate::service::{audit, roles};

/// Lines in the log about refusals: so many at once, then one for each interval.
const LINES: u32 = 20;
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Wrong tokens on one connection: so many at once, then one for each interval. In between its calls
/// are refused without a look at their tokens.
const GUESSES: u32 = 5;
const GUESS_EVERY: Duration = Duration::from_secs(10);

/// Wrong tokens on all connections of a listener: so many are answered at once, then one for each
/// interval; the rest waits, but not longer than this. Good tokens are never held up.
const ANSWERS: u32 = 10;
const ANSWER_EVERY: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What a listener asks of those who come.
#[derive(Debug)]
pub struct ListenerRules {
    /// What may be called.
    pub role: Role,
    /// Where it is, for the audit log.
    pub listener: String,
    /// Who may connect, if it is that of a socket file.
    pub callers: Callers,
    /// The tokens, one of which a call needs.
    pub tokens: Option<Rc<Reloadable<Tokens>>>,
    /// What TLS is spoken with, if it is.
    pub tls: Option<Rc<Reloadable<ServerTls>>>,
}

/// What is asked of those who come through one listener, and what those before them have used up.
pub struct ListenerPolicy<C> {
    rules: ListenerRules,
    lines: RefCell<Throttle>,
    answers: RefCell<Throttle>,
    clock: C,
}

/// One connection through a door.
pub(super) struct ConnectionAuth<C> {
    door: Rc<ListenerPolicy<C>>,
    guesses: RefCell<Throttle>,
}

impl<C: Clock> ListenerPolicy<C> {
    /// A door with these rules.
    pub fn new(rules: ListenerRules, clock: C) -> Self {
        Self {
            rules,
            lines: RefCell::new(Throttle::new(LINES, LINE_EVERY)),
            answers: RefCell::new(Throttle::new(ANSWERS, ANSWER_EVERY)),
            clock,
        }
    }

    /// Whether a peer may have a connection at all. To one who may not, nothing is ever sent.
    pub(super) fn admit(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Tcp(_) | Peer::Tls { .. } => true,
            Peer::Unix { uid, gid, .. } => {
                let admitted = self.rules.callers.admit(*uid, *gid);
                if !admitted {
                    self.reject(peer, "neither the user nor the primary group is allowed");
                }
                admitted
            }
        }
    }

    /// Does what has to come before HTTP/2: TLS, where it is spoken. `None` if the connection is to be
    /// closed.
    pub(super) async fn secure(&self, stream: Stream, peer: Peer) -> Option<(Stream, Peer)> {
        let (address, tls) = match (&peer, &self.rules.tls) {
            (Peer::Tcp(address), Some(tls)) => (*address, tls.get()),
            (Peer::Tcp(_) | Peer::Tls { .. } | Peer::Unix { .. }, _) => {
                return Some((stream, peer));
            }
        };
        match tls.accept(stream).await {
            Ok((stream, names)) => Some((stream, Peer::Tls { address, names })),
            // Whoever only looks whether the port is open is not refused anything.
            Err(TlsError::Handshake(error)) if has_left(&error) => {
                tracing::debug!(%peer, %error, "left during the TLS handshake");
                None
            }
            Err(error) => {
                self.reject(&peer, &error.to_string());
                None
            }
        }
    }

    /// Writes down that a connection may not begin.
    pub(super) fn reject(&self, peer: &Peer, reason: &str) {
        if let Some(held_back) = self.may_log() {
            audit::turned_away(peer, &self.rules.listener, reason, held_back);
        }
    }

    /// What is asked of the calls of a connection.
    pub(super) fn visit(self: &Rc<Self>) -> ConnectionAuth<C> {
        ConnectionAuth {
            door: Rc::clone(self),
            guesses: RefCell::new(Throttle::new(GUESSES, GUESS_EVERY)),
        }
    }

    fn refuse(&self, asked: &PendingCall<'_>, code: Code, message: &str) -> CallRefusal {
        let status = Status::new(code, message);
        if let Some(held_back) = self.may_log() {
            audit::refused(asked, &self.rules.listener, &status, held_back);
        }
        status.into()
    }

    /// Whether one more refusal may be logged, and how many were not.
    fn may_log(&self) -> Option<u64> {
        self.lines.borrow_mut().try_acquire(self.clock.now())
    }
}

impl<C: Clock> ConnectionAuth<C> {
    fn check_token(&self, asked: &PendingCall<'_>) -> Result<(), CallRefusal> {
        let door = &*self.door;
        let Some(tokens) = &door.rules.tokens else {
            return Ok(());
        };
        let now = door.clock.now();
        let exhausted = !self.guesses.borrow().has_capacity(now);
        let message = if exhausted {
            "too many wrong tokens on this connection; wait, or connect again"
        } else {
            match authorization(asked.metadata) {
                Some(given) if tokens.get().admit(given) => return Ok(()),
                Some(_) => "the token is not one of the server's",
                None => "a token is needed: send one header `authorization: Bearer TOKEN`",
            }
        };
        if !exhausted {
            self.guesses.borrow_mut().try_acquire(now);
        }
        let mut refusal = door.refuse(asked, Code::Unauthenticated, message);
        refusal.after = door.answers.borrow_mut().reserve(now, LONGEST_WAIT);
        Err(refusal)
    }
}

impl<C: Clock> CallPolicy for ConnectionAuth<C> {
    fn admit(&self, asked: &PendingCall<'_>) -> Result<(), CallRefusal> {
        // Who is not known is told nothing about what he could call.
        self.check_token(asked)?;
        let role = self.door.rules.role;
        let wanted = roles::wanted(asked.path);
        if role.permits(wanted) {
            return Ok(());
        }
        let message = format!("this listener is for {role}; the call needs {wanted}");
        Err(self.door.refuse(asked, Code::PermissionDenied, &message))
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
        self.door.fmt(f)
    }
}

/// Whether a handshake failed because the other end ended it.
fn has_left(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    kinds.contains(&error.kind())
}

/// The one `authorization` of a call: of several, nobody could say which one counts.
fn authorization(metadata: &HeaderMap) -> Option<&[u8]> {
    let mut values = metadata.get_all(AUTHORIZATION).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}
