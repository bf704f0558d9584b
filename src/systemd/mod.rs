//! Keeps a service manager informed, where there is one: sd_notify(3).
//!
//! Owns the task that watches the supervisor and tells. It never changes the course of anything.

pub mod socket;
pub mod state;

use std::time::{Duration, SystemTime};

use smol::future::{self, FutureExt};

use crate::clock::Clock;
use crate::supervisor::Handle;
use socket::ServiceManager;
use state::{Notifier, NotifyState, Situation, TICK};

/// How long the first word may take: a manager that hangs must not hold up the start.
const FIRST: Duration = Duration::from_secs(1);

/// What the manager knows.
#[derive(Debug)]
pub struct Told {
    teller: Notifier,
    situation: Situation,
}

/// Tells that the process has been started.
pub async fn ready<C: Clock>(manager: ServiceManager, handle: &Handle, clock: &C) -> Told {
    let mut teller = Notifier::default();
    let situation = situation(handle);
    let words = teller.words(&situation);
    manager.tell(words).or(clock.sleep(FIRST)).await;
    Told { teller, situation }
}

/// Tells what happens from then on, for as long as the task lives.
pub async fn report<C: Clock>(manager: ServiceManager, told: Told, handle: Handle, clock: C) {
    // From what was told, not from what is: something may have happened since.
    let Told {
        mut teller,
        situation: mut last,
    } = told;
    loop {
        let changed = async {
            handle
                .when(|handle| differs(&situation(handle), &last).then_some(()))
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
        last = situation(&handle);
        let mut words = teller.words(&last);
        words.extend(due);
        if manager.watchdog_interval().is_some() && !words.contains(&NotifyState::Watchdog) {
            // Each datagram starts the interval anew, so each is a sign of life.
            words.push(NotifyState::Watchdog);
        }
        if !words.is_empty() {
            manager.tell(words).await;
        }
    }
}

/// Whether something has happened, time aside.
fn differs(now: &Situation, before: &Situation) -> bool {
    (now.state, now.told_to_stop) != (before.state, before.told_to_stop)
}

fn situation(handle: &Handle) -> Situation {
    let facts = handle.facts();
    let since = facts.shutdown_requested_at;
    Situation {
        state: facts.state,
        exit: facts.exit,
        // The wall clock may have been put back meanwhile.
        asked_for: since.map(|since| SystemTime::now().duration_since(since).unwrap_or_default()),
        told_to_stop: handle.is_told_to_stop(),
    }
}
