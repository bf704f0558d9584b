//! Authorization: which callers may call which methods.
//!
//! Owns the roles of listeners and the rules about callers. It performs no I/O: `net` identifies
//! the peer, `service` asks these rules and acts.

mod allowed_name;
mod callers;
mod exposure;
mod group;
mod listen;
mod options;
mod peer_group;
pub mod refusals;
mod role;
mod socket_path;
pub mod throttle;
mod token;

pub use allowed_name::AllowedName;
pub use callers::Callers;
#[cfg(feature = "unstable-internals")]
pub use callers::UNMAPPED;
pub use exposure::{Exposure, MissingProtection, Protection, exposure};
pub use group::{Group, gid_of};
pub use listen::Listen;
pub use options::{AccessOptions, OptionConflict, OwnIds, SocketMode, TlsOptions, TlsVersion};
pub use peer_group::PeerGroup;
pub use role::Role;
pub use socket_path::{PathRisk, link_risk, owned_risk, path_risk, private_risk};
pub use token::Tokens;
