//! The service manager's notification socket.
//!
//! Owns the only use of sd-notify. It never decides what is sent.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
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
        let sent = crate::thread::run(move || send(&assignments));
        if let Err(error) = sent.await.and_then(|sent| sent) {
            tracing::warn!(%error, "the service manager was not notified");
        }
    }
}

/// Sends one datagram. sd-notify would take an abstract address (`@…`) for a path.
fn send(assignments: &[NotifyState]) -> io::Result<()> {
    let name = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    let mut datagram = String::new();
    for assignment in assignments {
        datagram.push_str(&assignment_lines(assignment)?);
    }
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // A datagram is sent whole or not at all.
    socket.send(datagram.as_bytes()).map(drop)
}

fn assignment_lines(state: &NotifyState) -> io::Result<String> {
    let assignment = match state {
        NotifyState::Ready => sd_notify::NotifyState::Ready,
        NotifyState::Reloading => {
            let now = sd_notify::NotifyState::monotonic_usec_now()?;
            return Ok(format!("{}\n{now}\n", sd_notify::NotifyState::Reloading));
        }
        NotifyState::Status(text) => sd_notify::NotifyState::Status(text),
        NotifyState::Stopping => sd_notify::NotifyState::Stopping,
        NotifyState::ExtendTimeout(duration) => sd_notify::NotifyState::ExtendTimeoutUsec(
            u32::try_from(duration.as_micros()).unwrap_or(u32::MAX),
        ),
        NotifyState::Watchdog => sd_notify::NotifyState::Watchdog,
    };
    Ok(format!("{assignment}\n"))
}
