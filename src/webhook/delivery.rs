//! The public state of one delivery.
//!
//! Owns the snapshot that callers may read. It never holds a path or a header: both can be secrets.

use std::time::SystemTime;

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Waits for the exit of the process, or for the next attempt.
    Pending,
    /// The receiver answered 2xx.
    Delivered,
    /// Gave up: a permanent error, or the deadline passed.
    Failed,
}

/// A snapshot of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The `webhook-id` of each attempt.
    pub id: String,
    /// Scheme, host, and any non-default port.
    pub target: String,
    /// The state.
    pub state: DeliveryState,
    /// Attempts started.
    pub attempts: u32,
    /// When the next attempt starts, if one is scheduled.
    pub next_attempt_at: Option<SystemTime>,
    /// The error of the last failed attempt, at most 300 characters; empty if none failed.
    pub last_error: String,
    /// Whether an earlier wrapper accepted it.
    pub recovered: bool,
}

/// Why a webhook was not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// The maximum number of webhooks is registered.
    Limit,
    /// The policy denies its host.
    Policy,
    /// It could not be written to the state directory.
    NotDurable,
}
