//! The loop that waits for the next event.
//!
//! Owns the order in which simultaneous events are taken: the exit first. It never decides what
//! they mean.

use smol::future::{self, FutureExt};

use crate::clock::{Clock, MonotonicClock};
use crate::lifecycle::{Exit, Input};
use crate::process::signals::Signals;
use crate::process::streams::{self, Inherited};
use crate::process::terminal::Terminal;
use crate::signal::Signal;
use crate::supervisor::{AfterExitFacts, Handle};

/// An event that the loop waits for.
enum Occurrence {
    Exited(std::io::Result<Exit>),
    Signal(Signal),
    ChildrenChanged,
    TimePassed,
    Changed,
}

/// Drives the process to its end and beyond, until the lifecycle says that the wrapper leaves.
/// `inherited` are the descriptors to close once the command after the exit has its copies.
///
/// Returns how the process ended.
pub async fn drive(handle: &Handle, signals: Signals, inherited: Option<Inherited>) -> Exit {
    // Leaked: the handlers live as long as the wrapper, and removing a dozen of them would only
    // delay its exit.
    let (stop, other, children) = Box::leak(Box::new(signals.split()));
    let mut exited = Some(Box::pin(handle.core.supervised.borrow_mut().child.exit()));
    let terminal = Terminal::controlling(handle.core.supervised.borrow().facts.pid);
    handle.core.terminal.replace(terminal);
    let mut more_orphans = false;
    let mut shared = Some(inherited);
    loop {
        if let Some(inherited) = shared.take_if(|_| handle.needs_no_streams()) {
            streams::release(handle.core.supervised.borrow().child.pidfd());
            inherited.into_iter().for_each(Inherited::close);
        }
        if let Some(exit) = handle.leaving() {
            return exit;
        }
        let changed = handle.core.changed.listen();
        let timeout = handle.next_timeout();
        let event = async {
            match &mut exited {
                Some(exited) => Occurrence::Exited(exited.await),
                None => future::pending().await,
            }
        }
        .or(async {
            match timeout {
                Some(at) => MonotonicClock.sleep_until(at).await,
                None => future::pending().await,
            }
            Occurrence::TimePassed
        })
        .or(async { Occurrence::Signal(stop.next().await) })
        .or(async {
            if !more_orphans {
                changed.await;
            }
            Occurrence::Changed
        })
        .or(async {
            children.next().await;
            Occurrence::ChildrenChanged
        })
        .or(async { Occurrence::Signal(other.next().await) })
        .await;
        match event {
            Occurrence::Exited(result) => {
                exited = None;
                let exit = result.unwrap_or_else(|error| {
                    // Another thread of this process reaped it. A stale `running` would be worse.
                    tracing::error!(%error, "the exit status of the process is lost");
                    Exit::Code(u8::MAX)
                });
                handle.exited(exit);
                more_orphans = handle.reap();
            }
            Occurrence::Signal(signal) => {
                if signal.is_stop() {
                    tracing::info!("received {signal}");
                } else {
                    tracing::debug!("received {signal}");
                }
                handle.observe_exit();
                if signal == Signal::HUP {
                    handle.core.supervised.borrow_mut().hangups += 1;
                }
                handle.apply_or_log(Input::Signal(signal));
                if let Some(terminal) = &*handle.core.terminal.borrow()
                    && signal == Signal::TSTP
                    && handle.core.supervised.borrow().lifecycle.keeps(signal)
                {
                    terminal.stop_wrapper();
                }
            }
            Occurrence::TimePassed => {
                handle.observe_exit();
                handle.apply_or_log(Input::TimePassed);
            }
            // Also after a child of ours was reaped: until then it hides the orphans behind it.
            Occurrence::ChildrenChanged | Occurrence::Changed => {
                if let Some(terminal) = &mut *handle.core.terminal.borrow_mut()
                    && exited.is_some()
                {
                    terminal.follow_process();
                }
                more_orphans = handle.reap();
            }
        }
        // A flood of signals must not starve the other tasks.
        future::yield_now().await;
    }
}

impl Handle {
    /// Whether the process is gone and no command after it is still to be started.
    fn needs_no_streams(&self) -> bool {
        let facts = &self.core.supervised.borrow().facts;
        facts.exit.is_some() && facts.after_exit != Some(AfterExitFacts::Pending)
    }
}
