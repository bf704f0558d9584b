//! `--ready-after`: asks the process whether it handles signals yet.
//!
//! Owns the probes and their pace. It never signals: the supervisor learns that the process is
//! ready, and sends a graceful signal that waited for it.

pub mod condition;
pub mod response;

use std::io;
use std::time::{Duration, Instant};

use smol::future;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::clock::Clock;
use crate::human_duration::HumanDuration;
use crate::net::connect::{self, ConnectError};
use crate::supervisor::Handle;

use condition::ReadinessProbe;
use response::{DECIDING_BYTES, is_success};

/// The pause between two probes.
const PAUSE: Duration = Duration::from_millis(100);

/// How long one probe may take. A process that hangs is asked again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Probes until the process is ready, readiness no longer matters, or `within` has passed. The
/// supervisor itself ends the wait of a signal then.
pub async fn report<C: Clock>(handle: Handle, probe: ReadinessProbe, within: Duration, clock: C) {
    let began = clock.now();
    let ends_at = began.checked_add(within);
    let mut last = "no probe has ended".to_owned();
    while handle.wants_ready() {
        let now = clock.now();
        if ends_at.is_some_and(|at| at <= now) {
            tracing::warn!(
                probe = %probe,
                last_probe = last,
                "the process was not ready in time; a graceful signal no longer waits"
            );
            return;
        }
        match attempt(&probe, now, &clock).await {
            Ok(()) => {
                let after = HumanDuration(whole_millis(clock.now().duration_since(began)));
                tracing::info!(%probe, %after, "the process is ready");
                handle.report_ready();
                return;
            }
            Err(error) => {
                last = error.to_string();
                tracing::debug!(%probe, error = last, "the process is not ready yet");
            }
        }
        clock.sleep(PAUSE).await;
    }
}

/// One probe, with its time limit.
async fn attempt<C: Clock>(probe: &ReadinessProbe, now: Instant, clock: &C) -> io::Result<()> {
    let timeout = clock.sleep_until(now + ANSWER_TIMEOUT);
    let timed_out = async {
        timeout.await;
        Err(io::ErrorKind::TimedOut.into())
    };
    future::or(ask(probe), timed_out).await
}

async fn ask(probe: &ReadinessProbe) -> io::Result<()> {
    let (address, target) = match probe {
        ReadinessProbe::Connect(address) => (address, None),
        ReadinessProbe::Get { address, target } => (address, Some(target)),
    };
    let mut stream = connect::connect(address).await.map_err(refusal)?;
    let Some(target) = target else {
        return Ok(());
    };
    let host = condition::authority(address);
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: process-wrapper\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut received = [0; DECIDING_BYTES];
    let mut length = 0;
    loop {
        let rest = received.get_mut(length..).unwrap_or_default();
        let count = stream.read(rest).await?;
        length += count;
        let success = is_success(received.get(..length).unwrap_or_default());
        match success {
            Some(true) => return Ok(()),
            None if count > 0 => {}
            None | Some(false) => {
                return Err(io::Error::other("the response is not a success (2xx)"));
            }
        }
    }
}

/// The reason without the advice for clients of a wrapper, which this address does not belong to.
fn refusal(error: ConnectError) -> io::Error {
    match error {
        ConnectError::Unix { source, .. } => source,
        ConnectError::Tcp { attempts, .. } => io::Error::other(attempts.to_string()),
        ConnectError::NotASocket { .. }
        | ConnectError::Busy { .. }
        | ConnectError::Resolve { .. } => io::Error::other(error),
    }
}

fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
