//! The door of a listener: who may connect, and what those who have may call.
//!
//! Owns what is asked of a connection before its first byte and of a call before its message. The rules
//! are in `access`; here they meet connections and calls. It never reads a message.

use std::cell::RefCell;
use std::fmt::Debug;
use std::time::Duration;

use crate::access::throttle::Throttle;
use crate::access::{Callers, Role};
use crate::clock::Clock;
use crate::grpc::gate::{Asked, Gate, Refusal};
use crate::grpc::status::{Code, Status};
use crate::net::peer::Peer;
use crate::service::{audit, roles};

/// Lines in the log about refusals: so many at once, then one for each interval.
const LINES: u32 = 20;
const LINE_EVERY: Duration = Duration::from_secs(1);

/// What is asked of those who come through one listener.
#[derive(Debug)]
pub struct Door<C> {
    role: Role,
    /// Where it is, for the audit log.
    listener: String,
    callers: Callers,
    lines: RefCell<Throttle>,
    clock: C,
}

impl<C: Clock> Door<C> {
    /// A door of this role. `listener` is what the audit log calls it; `callers` are those who may
    /// connect, if it is that of a socket file.
    pub fn new(role: Role, listener: String, callers: Callers, clock: C) -> Self {
        Self {
            role,
            listener,
            callers,
            lines: RefCell::new(Throttle::new(LINES, LINE_EVERY)),
            clock,
        }
    }

    /// Whether a peer may have a connection at all. To one who may not, nothing is ever sent.
    pub(super) fn lets_in(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Tcp(_) => true,
            Peer::Unix { uid, gid, .. } => {
                let admitted = self.callers.admit(*uid, *gid);
                if !admitted && let Some(held_back) = self.may_log() {
                    audit::turned_away(peer, &self.listener, "user and group", held_back);
                }
                admitted
            }
        }
    }

    fn refuse(&self, asked: &Asked<'_>, status: Status) -> Refusal {
        if let Some(held_back) = self.may_log() {
            audit::refused(asked, &self.listener, &status, held_back);
        }
        status.into()
    }

    /// Whether one more refusal may be logged, and how many were not.
    fn may_log(&self) -> Option<u64> {
        self.lines.borrow_mut().pass(self.clock.now())
    }
}

impl<C: Clock + Debug> Gate for Door<C> {
    fn admit(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let wanted = roles::wanted(asked.path);
        if self.role.permits(wanted) {
            return Ok(());
        }
        let role = self.role;
        let message = format!("this listener is for {role}; the call needs {wanted}");
        let status = Status::new(Code::PermissionDenied, message);
        Err(self.refuse(asked, status))
    }
}
