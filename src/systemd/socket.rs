//! The service manager's notification socket.
//!
//! Owns the only use of sd-notify. It never decides what is sent.

use std::time::Duration;

use crate::systemd::state::NotifyState;

/// A service manager that listens for notifications.
#[derive(Debug, Clone, Copy)]
pub struct ServiceManager {
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The manager of NOTIFY_SOCKET, with the watchdog of WATCHDOG_USEC.
    pub fn from_environment() -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET")?;
        Some(Self {
            watchdog: sd_notify::watchdog_enabled(),
        })
    }

    /// Interval of WATCHDOG=1: half the watchdog timeout, as sd_watchdog_enabled(3) advises.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// Sends the assignments in one datagram. The send may block, so it runs on a thread of its
    /// own. A failure is logged.
    pub async fn notify(&self, assignments: Vec<NotifyState>) {
        let sent = crate::thread::run(move || {
            let states: Vec<_> = assignments.iter().map(datagram).collect();
            sd_notify::notify(&states)
        });
        if let Err(error) = sent.await.and_then(|sent| sent) {
            tracing::warn!(%error, "the service manager was not notified");
        }
    }
}

fn datagram(state: &NotifyState) -> sd_notify::NotifyState<'_> {
    match state {
        NotifyState::Ready => sd_notify::NotifyState::Ready,
        NotifyState::Status(text) => sd_notify::NotifyState::Status(text),
        NotifyState::Stopping => sd_notify::NotifyState::Stopping,
        NotifyState::ExtendTimeout(duration) => sd_notify::NotifyState::ExtendTimeoutUsec(
            u32::try_from(duration.as_micros()).unwrap_or(u32::MAX),
        ),
        NotifyState::Watchdog => sd_notify::NotifyState::Watchdog,
    }
}
