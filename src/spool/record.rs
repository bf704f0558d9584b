//! What the state directory keeps of one webhook.
//!
//! Owns the record. It never knows how it is written: `frame` and `message` do.

use std::time::{Duration, SystemTime};

use crate::webhook::exit_report::ExitReport;
use crate::webhook::request::WebhookRequest;

/// An accepted webhook, and all that the next wrapper needs to deliver it. Times are of the wall
/// clock, which survives a reboot; the file keeps their microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The `webhook-id` of every attempt.
    pub id: String,
    /// URL, method, headers, and who asked for it.
    pub webhook: WebhookRequest,
    /// When the wrapper accepted it.
    pub accepted_at: SystemTime,
    /// The time limit of its delivery, from `due_at`.
    pub deadline: Duration,
    /// When its delivery began; `None` before the end of the process was seen.
    pub due_at: Option<SystemTime>,
    /// Attempts started.
    pub attempts: u32,
    /// The error of the last failed attempt; empty if none failed.
    pub last_error: String,
    /// When its delivery was given up.
    pub failed_at: Option<SystemTime>,
    /// The process whose end it reports; `None` if it was never known.
    pub process: Option<ProcessIdentity>,
    /// The content. Until the end of the process is seen, the outcome is `lost`, and the next
    /// wrapper sends it as it is.
    pub report: ExitReport,
}

/// Identifies a process beyond the life of its pid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// `/proc/sys/kernel/random/boot_id`, random(4); empty if it could not be read.
    pub boot_id: String,
    /// Inode of the pid namespace, pid_namespaces(7); 0 if it could not be read.
    pub pid_namespace: u64,
    /// The pid in that namespace.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`, proc_pid_stat(5): clock ticks from boot to the start; 0 if it
    /// could not be read.
    pub start_time: u64,
}

impl Record {
    /// What is left of the time for its delivery at `now`. A clock that was set back gives no more
    /// than the whole time.
    pub fn time_left(&self, now: SystemTime) -> Duration {
        let since_due = self
            .due_at
            .and_then(|due| now.duration_since(due).ok())
            .unwrap_or_default();
        self.deadline.saturating_sub(since_due)
    }
}

/// Whether a webhook of this id can be a file: the letters of our ids, and no path.
pub fn is_id(id: &str) -> bool {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    id.strip_prefix("msg_")
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(hex))
}
