//! The event loop (async-io's reactor) and the executor on top of it.
//!
//! Owns the start, where async-io panics if threads or descriptors are short and this module
//! returns an error, and the time that tasks get between two polls for events. It never knows what
//! tasks do.

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
use rustix::io::Errno;
use smol::future::{or, yield_now};
use smol::{Async, LocalExecutor};

use crate::process::remedy::{remedy, remedy_of_clone};
use crate::process::self_process;

/// The event loop could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ReactorError {
    /// Too few descriptors are free.
    #[error("too few descriptors are free ({0}){hint}", hint = remedy(.0))]
    Descriptors(#[source] io::Error),
    /// Its wait for events fails.
    #[error(
        "the event loop reports no events: a seccomp profile may forbid epoll_ctl, epoll_pwait or \
         timerfd_settime; allow them"
    )]
    Silent,
    /// No thread could be started.
    #[error("no thread could be started ({0}){hint}", hint = remedy_of_clone(.0))]
    Thread(#[source] io::Error),
    /// async-io panicked for another reason.
    #[error("the event loop could not be started: {0}")]
    Start(String),
}

impl ReactorError {
    /// Of `eventfd(2)` and `epoll_ctl(2)`.
    fn of_descriptor(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::MFILE | Errno::NFILE) => Self::Descriptors(error),
            Some(_) | None => Self::Start(format!("{error}{}", remedy(&error))),
        }
    }
}

/// Descriptors that a start with one address opens at most: the event loop, one per signal and
/// queue, the stop signals' second wake-up, the sentinel, the listener with its lock, the process,
/// and the terminal.
const DESCRIPTORS: usize = 41;

/// Descriptors of one more address: a listener per family, and a lock.
const DESCRIPTORS_PER_ADDRESS: usize = 4;

/// Timer slack of async-io's own thread, in nanoseconds.
const TIMER_SLACK: c_ulong = 10_000_000;

/// Time until an event that is there already must be reported.
const FIRST_EVENT: Duration = Duration::from_secs(2);

/// Time that tasks may run before the event loop is polled. The poll costs five system calls, some
/// 3 microseconds. A task that exceeds the budget ends the turn.
const TURN_BUDGET: Duration = Duration::from_micros(200);

/// Starts the event loop and checks that descriptors for this many addresses are free, because
/// libraries panic if they are short later. Call it before any process is spawned.
///
/// # Errors
/// EMFILE, ENFILE and EAGAIN of `eventfd(2)` and `pthread_create(3)`.
pub fn start(addresses: usize) -> Result<(), ReactorError> {
    let needed = addresses
        .saturating_mul(DESCRIPTORS_PER_ADDRESS)
        .saturating_add(DESCRIPTORS);
    // Opening and closing each of them would cost more than the rest of the start.
    if self_process::free_descriptors().is_none_or(|free| free < needed as u64) {
        drop(open_descriptors(needed).map_err(ReactorError::of_descriptor)?);
    }
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let started = with_slack(|| {
        panic::catch_unwind(|| {
            // The first timer starts the reactor and its thread. Polled by hand: smol's block_on
            // would panic again while unwinding.
            let timer = pin!(smol::Timer::after(Duration::from_secs(1)));
            let polled = timer.poll(&mut Context::from_waker(Waker::noop()));
            polled.is_pending()
        })
    });
    // On failure async-io's thread may still panic; the silent hook stays for it.
    if let Err(cause) = started {
        probe_thread()?;
        return Err(ReactorError::Start(readable(panic_message(cause.as_ref()))));
    }
    panic::set_hook(hook);
    Ok(())
}

/// Moves the event loop to this thread and waits for a first event; call it inside smol's
/// `block_on`.
///
/// async-io's own thread polls first and would wake this one for each event. A new timer ends its
/// poll, and then it leaves the event loop to the thread inside `block_on`. async-io ignores an
/// error of the wait for events, and would then never report a signal or an exit.
///
/// # Errors
/// EMFILE and ENFILE, `eventfd(2)`; [`ReactorError::Silent`].
pub async fn take_over_event_loop() -> Result<(), ReactorError> {
    let event = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(io::Error::from)
        .and_then(Async::new_nonblocking)
        .map_err(ReactorError::of_descriptor)?;
    let reported = async { event.readable().await.map_err(ReactorError::of_descriptor) };
    // Timers need no event. The event is polled first, so a machine that stands still is no error.
    let passed = async {
        smol::Timer::after(FIRST_EVENT).await;
        Err(ReactorError::Silent)
    };
    or(reported, passed).await
}

/// Runs `future` on this thread until it completes, and the tasks of `executor` meanwhile.
///
/// Even if tasks are always ready, the event loop is polled every 200 microseconds. A few
/// connections at full speed wake each other for ever, and the executor's own `run` polls for
/// events only once in 200 task polls of up to 100 microseconds each. Signals, timers and other
/// connections would wait so long.
pub fn run<T>(executor: &LocalExecutor<'static>, future: impl Future<Output = T>) -> T {
    let tasks = async {
        loop {
            // Waits in the event loop; the time after it counts as work.
            executor.tick().await;
            let began = Instant::now();
            while executor.try_tick() {
                if began.elapsed() >= TURN_BUDGET {
                    yield_now().await;
                    break;
                }
            }
        }
    };
    smol::block_on(or(future, tasks))
}

/// Runs `start` with a large timer slack, which a thread started inside inherits,
/// PR_SET_TIMERSLACK(2const). Otherwise async-io's thread takes the event loop over whenever this
/// thread is busy for 50 microseconds.
fn with_slack<T>(start: impl FnOnce() -> T) -> T {
    let before = prctl::get_timerslack()
        .ok()
        .and_then(|slack| c_ulong::try_from(slack).ok());
    // A failure only costs some wake-ups.
    let _ = prctl::set_timerslack(TIMER_SLACK);
    let started = start();
    // Zero selects the default.
    let _ = prctl::set_timerslack(before.unwrap_or_default());
    started
}

/// Checks that one more thread can be started. The pool of `blocking` waits for ever if none can,
/// so the start calls this before work that it runs there.
///
/// # Errors
/// EAGAIN of `pthread_create(3)`.
pub fn probe_thread() -> Result<(), ReactorError> {
    let probe = std::thread::Builder::new().spawn(|| {});
    match probe.map(std::thread::JoinHandle::join) {
        Ok(_) => Ok(()),
        Err(error) => Err(ReactorError::Thread(error)),
    }
}

/// Opens this many descriptors, to prove that they are free.
///
/// # Errors
/// EMFILE and ENFILE, `eventfd(2)`.
pub fn open_descriptors(count: usize) -> io::Result<Vec<OwnedFd>> {
    (0..count)
        .map(|_| Ok(eventfd(0, EventfdFlags::CLOEXEC)?))
        .collect()
}

fn panic_message(cause: &(dyn Any + Send)) -> &str {
    cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or(cause.downcast_ref::<&str>().copied())
        .unwrap_or("for an unknown reason")
}

/// The message of a panic by `expect`, with the error as `Display` has it: it ends in the Debug
/// output `Os { code: 11, … }`. async-io names the thread if it could not be started.
fn readable(message: &str) -> String {
    let found = message.split_once(": Os { code: ").and_then(|(what, os)| {
        let code = os.split(',').next()?.parse().ok()?;
        Some((what, io::Error::from_raw_os_error(code)))
    });
    match found {
        Some((what, error)) if what.contains("thread") => {
            format!("{what}: {error}{}", remedy_of_clone(&error))
        }
        Some((what, error)) => format!("{what}: {error}{}", remedy(&error)),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::Poll;

    use super::*;

    #[test]
    fn an_error_in_a_panic_is_readable() {
        let debug = format!("cannot x: {:?}", io::Error::from_raw_os_error(24));
        let text = readable(&debug);
        assert!(text.starts_with("cannot x: Too many open files"), "{text}");
        assert!(text.ends_with("(ulimit -n)"), "{text}");
        assert_eq!(readable("no error in it"), "no error in it");
    }

    #[test]
    fn busy_tasks_do_not_starve_the_event_loop() {
        const POLLS: u32 = 400;
        let executor = LocalExecutor::new();
        let polls = Rc::new(Cell::new(0));
        for _ in 0..2 {
            let polls = Rc::clone(&polls);
            let busy = async move {
                loop {
                    let began = Instant::now();
                    while began.elapsed() < TURN_BUDGET / 2 {}
                    polls.set(polls.get() + 1);
                    yield_now().await;
                }
            };
            executor.spawn(busy).detach();
        }
        // The future beside the tasks is polled once per poll of the event loop.
        let mut turns = 0;
        let watching = poll_fn(|_| {
            turns += 1;
            match polls.get() < POLLS {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        });
        run(&executor, watching);
        assert!(turns > POLLS / 10, "{turns} turns in {POLLS} polls");
    }
}
