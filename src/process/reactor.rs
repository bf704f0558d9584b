//! The event loop under everything asynchronous, and what the machine must have for it.
//!
//! Owns its start, which fails by a panic inside async-io where threads or descriptors are short: here it
//! becomes an error; and for how long tasks may keep it waiting. It
//! never knows what they do.

use std::any::Any;
use std::ffi::c_ulong;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::panic;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use nix::sys::prctl;
use rustix::event::{EventfdFlags, eventfd};
use smol::LocalExecutor;
use smol::future::{or, yield_now};

use crate::process::self_process;

/// Why nothing asynchronous can run.
#[derive(Debug, thiserror::Error)]
pub enum ReactorError {
    /// There are too few descriptors.
    #[error("too few descriptors are free ({0}); raise the limit on open files (ulimit -n)")]
    Descriptors(#[source] io::Error),
    /// There is no room for a thread.
    #[error("no thread could be started ({0}); raise the limit on processes (ulimit -u)")]
    Thread(#[source] io::Error),
    /// async-io gave up for another reason.
    #[error("the event loop could not be started: {0}")]
    Start(String),
}

/// What the wrapper opens until it serves on one address: the event loop, a descriptor for each signal and
/// the queues, the sentinel, the listener with its lock, and the process. One that runs has fewer.
const DESCRIPTORS: usize = 36;

/// A listener more, with its lock and its neighbour for the other family.
const DESCRIPTORS_OF_AN_ADDRESS: usize = 4;

/// How late async-io's own thread may look after the event loop, besides the pauses that it makes anyway.
const SLACK: c_ulong = 10_000_000;

/// How long tasks may go on before the event loop is asked what has come. To ask takes it five system calls, some 3
/// microseconds, and a turn ends with the poll that exceeds it.
const TURN: Duration = Duration::from_micros(200);

/// Starts the event loop, before there is any process that could be left behind. That there is room for
/// serving on so many addresses is found out now, because libraries panic where it is missing later.
///
/// # Errors
/// EMFILE, ENFILE and EAGAIN of `eventfd(2)` and `pthread_create(3)`, in words.
pub fn start(addresses: usize) -> Result<(), ReactorError> {
    let needed = addresses
        .saturating_mul(DESCRIPTORS_OF_AN_ADDRESS)
        .saturating_add(DESCRIPTORS);
    // To open and close each of them costs more than the rest of the start.
    if self_process::free_descriptors().is_none_or(|free| free < needed as u64) {
        drop(hold(needed).map_err(ReactorError::Descriptors)?);
    }
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let started = with_slack(|| {
        panic::catch_unwind(|| {
            // A timer is the first thing that needs the reactor and its thread. It is polled by hand: smol's
            // block_on would panic once more while it is left by a panic.
            let timer = pin!(smol::Timer::after(Duration::from_secs(1)));
            let polled = timer.poll(&mut Context::from_waker(Waker::noop()));
            polled.is_pending()
        })
    });
    // After a failure async-io's own thread may still be about to panic: it is to do so in silence.
    if let Err(cause) = started {
        probe_thread()?;
        return Err(ReactorError::Start(words(cause.as_ref())));
    }
    panic::set_hook(hook);
    Ok(())
}

/// Lets this thread wait for events, to be called inside smol's `block_on`.
///
/// The first to wait is async-io's own thread, and whatever it met it would have to wake this one for. A
/// timer ends its wait, and then it leaves the event loop to whoever is inside `block_on`.
pub async fn wait_here() {
    let timer = pin!(smol::Timer::after(Duration::from_secs(1)));
    // Dropped at once: that it was set is what ends the wait.
    let _ = smol::future::poll_once(timer).await;
}

/// Runs `future` to its end, and the tasks of `executor` as long as that takes, on this thread.
///
/// While tasks are always ready, the event loop has its turn after 200 microseconds all the same: a few connections at
/// full speed wake each other for ever, and the executor's own `run` would look elsewhere only once in 200 polls.
/// Everybody else's bytes, signals and timers would wait for that, and a poll can take 100 microseconds.
pub fn run<T>(executor: &LocalExecutor<'static>, future: impl Future<Output = T>) -> T {
    let tasks = async {
        loop {
            // May wait for long, in the event loop; what follows it is work.
            executor.tick().await;
            let began = Instant::now();
            while executor.try_tick() {
                if began.elapsed() >= TURN {
                    yield_now().await;
                    break;
                }
            }
        }
    };
    smol::block_on(or(future, tasks))
}

/// Starts a thread with a timer slack, which it inherits, prctl(2). While this thread works for a
/// moment, async-io's would take the event loop over after 50 microseconds, and hand all that comes to this
/// one; with the slack it is hardly ever so fast.
fn with_slack<T>(start: impl FnOnce() -> T) -> T {
    let before = prctl::get_timerslack()
        .ok()
        .and_then(|slack| c_ulong::try_from(slack).ok());
    // Without it, everything works as well and costs a little more.
    let _ = prctl::set_timerslack(SLACK);
    let started = start();
    // Zero is the thread's own default.
    let _ = prctl::set_timerslack(before.unwrap_or_default());
    started
}

/// Shows that one more thread can be started, and leaves its place to it. To be asked before blocking work
/// that the start depends on: it would wait for ever for a thread that cannot start.
///
/// # Errors
/// EAGAIN of `pthread_create(3)`, in words.
pub fn probe_thread() -> Result<(), ReactorError> {
    let probe = std::thread::Builder::new().spawn(|| {});
    match probe.map(std::thread::JoinHandle::join) {
        Ok(_) => Ok(()),
        Err(error) => Err(ReactorError::Thread(error)),
    }
}

/// Descriptors that are held for a moment, to show that so many can be had.
///
/// # Errors
/// EMFILE and ENFILE, `eventfd(2)`.
pub fn hold(count: usize) -> io::Result<Vec<OwnedFd>> {
    (0..count)
        .map(|_| Ok(eventfd(0, EventfdFlags::CLOEXEC)?))
        .collect()
}

fn words(cause: &(dyn Any + Send)) -> String {
    cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or(cause.downcast_ref::<&str>().copied())
        .unwrap_or("for an unknown reason")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::Poll;

    use super::*;

    #[test]
    fn tasks_that_are_always_ready_leave_turns_to_the_event_loop() {
        const POLLS: u32 = 400;
        let executor = LocalExecutor::new();
        let polls = Rc::new(Cell::new(0));
        for _ in 0..2 {
            let polls = Rc::clone(&polls);
            let busy = async move {
                loop {
                    let began = Instant::now();
                    while began.elapsed() < TURN / 2 {}
                    polls.set(polls.get() + 1);
                    yield_now().await;
                }
            };
            executor.spawn(busy).detach();
        }
        // Whatever is beside the tasks is polled once for each look at the event loop.
        let mut looks = 0;
        let watching = poll_fn(|_| {
            looks += 1;
            match polls.get() < POLLS {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        });
        run(&executor, watching);
        assert!(looks > POLLS / 10, "{looks} looks in {POLLS} polls");
    }
}
