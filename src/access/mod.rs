//! Who may call, and what: the decisions.
//!
//! Owns the roles of listeners and every rule about callers that needs no I/O. It never opens, reads or
//! asks anything: `net` finds out who calls, `service` asks here and acts.

mod callers;
mod exposure;
mod group;
mod listen;
mod options;
mod role;
mod socket_path;
pub mod throttle;
mod token;

pub use callers::{Callers, UNMAPPED};
pub use exposure::{Exposure, MissingProtection, Protection, exposure};
pub use group::{Group, gid_of};
pub use listen::{InvalidListen, Listen};
pub use options::{
    AccessOptions, InvalidMode, InvalidVersion, OptionConflict, OwnIds, SocketMode, TlsOptions,
    TlsVersion,
};
pub use role::{InvalidRole, Role};
pub use socket_path::{PathRisk, link_risk, path_risk, private_risk};
pub use token::{InvalidTokens, Tokens};
