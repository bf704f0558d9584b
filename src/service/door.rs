//! The gate of a listener.
//!
//! Owns what is asked of a call before its message is read. The rules are in `access`; here they meet
//! the call. It never reads a message.

use crate::access::Role;
use crate::grpc::gate::{Asked, Gate, Refusal};
use crate::grpc::status::{Code, Status};
use crate::service::{audit, roles};

/// What is asked of those who come through one listener.
#[derive(Debug, Clone)]
pub struct Door {
    /// What may be called.
    pub role: Role,
    /// Where it is, for the audit log.
    pub listener: String,
}

impl Gate for Door {
    fn admit(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let wanted = roles::wanted(asked.path);
        if self.role.permits(wanted) {
            return Ok(());
        }
        let status = Status::new(
            Code::PermissionDenied,
            format!(
                "this listener is for {}; the call needs {wanted}",
                self.role
            ),
        );
        audit::refused(asked.peer, &self.listener, asked.path, &status);
        Err(status.into())
    }
}
