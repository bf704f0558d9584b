//! The gRPC services of the wrapper, one in each file.
//!
//! Owns the table of methods. It never decides: a service turns messages into calls of the
//! supervisor's handle, and facts into messages.

mod accept;
mod admission;
mod audit;
mod control;
pub mod convert;
mod gitlab;
mod health;
mod reflection;
mod roles;
mod webhook;

pub use accept::accept;
pub use admission::{ListenerPolicy, ListenerRules};

use crate::grpc::server::router::Router;
use crate::supervisor::Handle;

/// The methods of every listener.
pub fn router(handle: &Handle) -> Router {
    let mut router = Router::new();
    control::add(&mut router, handle);
    gitlab::add(&mut router, handle);
    // Last: these two list all services, including themselves.
    let mut services = router.services();
    services.insert(health::SERVICE);
    services.extend(reflection::SERVICES);
    health::add(&mut router, handle, services.clone());
    reflection::add(&mut router, handle, services);
    router
}
