//! The server as the clients of others see it: health, reflection, real programs, and the suites of gRPC
//! and HTTP/2.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "peers/health.rs"]
mod health;
#[path = "peers/reflection.rs"]
mod reflection;
mod support;
