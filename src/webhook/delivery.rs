//! How the delivery of one webhook stands.
//!
//! Owns what everyone may read. It holds no secret: no path, no header.

use std::time::SystemTime;

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Not delivered yet: waiting for the exit, or for the next attempt.
    Pending,
    /// Answered with 2xx.
    Delivered,
    /// Given up: a final answer, or out of time.
    Failed,
}

/// A snapshot of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The `webhook-id` of every attempt.
    pub id: String,
    /// Scheme and host.
    pub target: String,
    /// How far it has come.
    pub phase: DeliveryState,
    /// Attempts begun so far.
    pub attempts: u32,
    /// When the next attempt will be made, if one is planned.
    pub next_attempt_at: Option<SystemTime>,
    /// What became of the last attempt that failed; empty if none has.
    pub last_error: String,
}

/// What keeps a webhook from being taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// There are as many as there may be.
    Limit,
    /// Its host may not be called.
    Policy,
}
