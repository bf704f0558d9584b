//! Notifies a service manager, if there is one: sd_notify(3).
//!
//! Owns the task that watches the supervisor. It never changes any state.

pub mod socket;
pub mod state;

use std::time::{Duration, SystemTime};

use smol::future::{self, FutureExt};

use crate::clock::Clock;
use crate::supervisor::Handle;
use socket::ServiceManager;
use state::{Notifier, NotifyState, ServiceStatus, TICK};

/// Limit for READY=1: a manager that hangs must not delay the start.
const READY_TIMEOUT: Duration = Duration::from_secs(1);

/// The state after the first notification.
#[derive(Debug)]
pub struct Announced {
    notifier: Notifier,
    status: ServiceStatus,
}

/// Sends READY=1.
pub async fn ready<C: Clock>(manager: ServiceManager, handle: &Handle, clock: &C) -> Announced {
    let mut notifier = Notifier::default();
    let status = status(handle);
    let states = notifier.due(&status);
    manager.notify(states).or(clock.sleep(READY_TIMEOUT)).await;
    Announced { notifier, status }
}

/// Notifies each change from then on; never completes.
pub async fn report<C: Clock>(
    manager: ServiceManager,
    announced: Announced,
    handle: Handle,
    clock: C,
) {
    // The state may have changed since the first notification, so compare with that one.
    let Announced {
        mut notifier,
        status: mut last,
    } = announced;
    loop {
        let changed = async {
            handle
                .when(|handle| differs(&status(handle), &last).then_some(()))
                .await;
            None
        };
        let again = async {
            match last.is_under_way() {
                true => clock.sleep(TICK).await,
                false => future::pending().await,
            }
            None
        };
        let alive = async {
            match manager.watchdog_interval() {
                Some(interval) => clock.sleep(interval).await,
                None => future::pending().await,
            }
            Some(NotifyState::Watchdog)
        };
        let due = changed.or(alive).or(again).await;
        last = status(&handle);
        if notifier.reloads(&last) {
            manager.notify(vec![NotifyState::Reloading]).await;
        }
        let mut states = notifier.due(&last);
        states.extend(due);
        if manager.watchdog_interval().is_some() && !states.contains(&NotifyState::Watchdog) {
            // Each datagram restarts the interval, so each must carry WATCHDOG=1.
            states.push(NotifyState::Watchdog);
        }
        if !states.is_empty() {
            manager.notify(states).await;
        }
    }
}

/// Whether anything but time has changed.
fn differs(now: &ServiceStatus, before: &ServiceStatus) -> bool {
    (now.state, now.hangups, now.told_to_stop)
        != (before.state, before.hangups, before.told_to_stop)
}

fn status(handle: &Handle) -> ServiceStatus {
    let facts = handle.facts();
    let since = facts.shutdown_requested_at;
    ServiceStatus {
        state: facts.state,
        exit: facts.exit,
        outcome: facts.outcome,
        // The wall clock may have been set back.
        shutdown_elapsed: since
            .map(|since| SystemTime::now().duration_since(since).unwrap_or_default()),
        hangups: handle.hangups(),
        told_to_stop: handle.is_told_to_stop(),
    }
}
