//! Breaks things on purpose around the real binary, for a bounded time, and asserts what must hold
//! anyway.
//!
//! Owns the clock and the seeds: rounds are started side by side until the time is over, each from
//! a seed of its own, which is printed if the round fails. `CHAOS_SEED` runs that round alone,
//! `CHAOS_SECONDS` says for how long to go on. What one round does is in `chaos/round.rs`. The
//! delays are random on purpose; nothing here waits for a delay to be right.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by them"
)]

mod child;
mod faults;
mod names;
mod options;
mod outcomes;
mod processes;
mod receiver;
mod round;
mod stderr;
mod watch;
mod webhooks;

#[path = "../support/mod.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use receiver::Receiver;
use round::{Tally, World};

/// How many rounds run at the same time: more than one, so that they interfere with each other.
const SIDE_BY_SIDE: usize = 3;

/// Without `CHAOS_SECONDS`.
const A_WHILE: u64 = 10;

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {value:?}")),
    )
}

#[test]
fn faults_around_the_wrapper_break_no_invariant() {
    processes::adopt();
    let world = World {
        receiver: Receiver::start(),
        names: names::stall(),
    };
    if !world.names {
        println!("without name look-ups: a name server and a mount namespace are root's");
    }
    if let Some(seed) = variable("CHAOS_SEED") {
        println!("{}", round::run(seed, &world));
        return;
    }
    let seconds = variable("CHAOS_SECONDS").unwrap_or(A_WHILE);
    let until = Instant::now() + Duration::from_secs(seconds);
    let seeds = Mutex::new(fastrand::Rng::new());
    let failed = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while Instant::now() < until && !failed.load(Ordering::Relaxed) {
                    let seed = seeds.lock().unwrap().u64(..);
                    match catch_unwind(AssertUnwindSafe(|| round::run(seed, &world))) {
                        Ok(of_round) => tally.lock().unwrap().add(&of_round),
                        Err(_) => {
                            // The panic itself has been printed already.
                            println!("the round of CHAOS_SEED={seed} failed");
                            failed.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let stalled = names::STALLED.load(Ordering::Relaxed);
    println!(
        "{}, {stalled} name look-ups stalled or failed",
        tally.lock().unwrap()
    );
    assert!(
        !failed.load(Ordering::Relaxed),
        "a round failed; its seed is above"
    );
    assert!(tally.lock().unwrap().rounds > 0);
}
