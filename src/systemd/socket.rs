//! The service manager's notification socket.
//!
//! Owns the only use of sd-notify. It never decides what is told.

use std::time::Duration;

use crate::systemd::state::NotifyState;

/// A service manager that wants to hear from us.
#[derive(Debug, Clone, Copy)]
pub struct ServiceManager {
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that NOTIFY_SOCKET names, if there is one; WATCHDOG_USEC says whether it keeps a watchdog.
    pub fn of_this_process() -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET")?;
        Some(Self {
            watchdog: sd_notify::watchdog_enabled(),
        })
    }

    /// How often WATCHDOG=1 is due: half the time after which systemd acts, as sd_watchdog_enabled(3) advises.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// Sends the words in one datagram. A manager that does not listen must not stop us: the send blocks on
    /// a thread of its own, and a failure is logged.
    pub async fn tell(&self, words: Vec<NotifyState>) {
        let sent = crate::thread::run(move || {
            let states: Vec<_> = words.iter().map(datagram).collect();
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
