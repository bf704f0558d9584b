//! Completion webhooks: HTTP requests that report the exit of the process.
//!
//! Owns registration, the allow-list, and every attempt. It never decides when a delivery begins or
//! whether the wrapper stays for it: `lifecycle` does. Without the feature `webhooks`, `absent`
//! stands in for the types that other modules name.

pub mod delivery;
pub mod exit_report;
pub mod file_syntax;
pub mod method;

#[cfg(feature = "webhooks")]
mod accept;
#[cfg(feature = "webhooks")]
mod active_delivery;
#[cfg(feature = "webhooks")]
mod body;
#[cfg(feature = "webhooks")]
mod deliver;
#[cfg(feature = "webhooks")]
pub mod dial;
#[cfg(feature = "webhooks")]
mod dispatcher;
#[cfg(feature = "webhooks")]
mod entry;
#[cfg(feature = "webhooks")]
pub mod file;
#[cfg(feature = "webhooks")]
pub mod journal;
#[cfg(feature = "webhooks")]
pub mod orders;
#[cfg(feature = "webhooks")]
pub mod policy;
#[cfg(feature = "webhooks")]
mod prepared;
#[cfg(feature = "webhooks")]
pub mod recovered;
#[cfg(feature = "webhooks")]
mod registry;
#[cfg(feature = "webhooks")]
pub mod request;
#[cfg(feature = "webhooks")]
pub mod roots;
#[cfg(feature = "webhooks")]
pub mod schedule;
#[cfg(feature = "webhooks")]
pub mod signature;
#[cfg(feature = "webhooks")]
mod transport;

#[cfg(feature = "webhooks")]
pub use dispatcher::{Dispatcher, DispatcherSettings, RegisterError};
#[cfg(feature = "webhooks")]
pub use orders::Obeyed;
#[cfg(feature = "webhooks")]
pub use prepared::Prepared;
#[cfg(feature = "webhooks")]
pub use recovered::Recovered;
#[cfg(feature = "webhooks")]
pub use request::WebhookRequest;

#[cfg(not(feature = "webhooks"))]
mod absent;
#[cfg(not(feature = "webhooks"))]
pub use absent::{Dispatcher, Obeyed, Prepared, Recovered, RegisterError, WebhookRequest};
