//! Who may call, and what: the decisions.
//!
//! Owns the roles of listeners and every rule about callers that needs no I/O. It never opens, reads or
//! asks anything: `net` finds out who calls, `service` asks here and acts.

mod listen;
mod role;

pub use listen::{InvalidListen, Listen};
pub use role::{InvalidRole, Role};
