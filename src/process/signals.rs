//! The signals that the wrapper itself receives.
//!
//! Owns the signal mask, the handlers (through async-signal) and the list of handled signals. It
//! never decides what a signal means and never sends one.
//!
//! A signal before its handler is installed would kill the wrapper. So main blocks all signals
//! first and unblocks them once the handlers are installed. Every other thread starts with the full
//! mask ([`masked`]), so every handler runs on the main thread.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::signal::{self, SigSet, SigmaskHow};
use rustix::io::retry_on_intr;
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts;
use smol::Async;
use smol::stream::StreamExt;

use crate::signal::Signal;

/// Blocks every signal. Call it before anything else.
///
/// # Errors
/// `sigprocmask(2)` names none for a valid set.
pub fn block() -> io::Result<()> {
    Ok(SigSet::all().thread_block()?)
}

/// Unblocks every signal, also those that the launcher had blocked. The wrapped process inherits
/// the mask, and a process that never sees SIGTERM cannot be stopped.
///
/// # Errors
/// `sigprocmask(2)` names none for a valid set.
pub fn unblock() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Runs `work` while no signal is handled on this thread. A thread that it starts inherits the full
/// mask.
pub fn masked<T>(work: impl FnOnce() -> T) -> T {
    with_blocked(SigSet::all(), work)
}

/// Runs `work`, which may use a terminal from the background: the terminal driver stops no process
/// that blocks TTOU. A handler is not enough, because the driver restarts the call after it, for
/// ever (`tostop` of termios(3), tcsetpgrp(3)).
pub fn without_ttou<T>(work: impl FnOnce() -> T) -> T {
    with_blocked(SigSet::from(signal::Signal::SIGTTOU), work)
}

fn with_blocked<T>(signals: SigSet, work: impl FnOnce() -> T) -> T {
    // sigprocmask(2) fails only for an invalid argument.
    let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let result = work();
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
    }
    result
}

/// Pause before the next attempt after a read that failed. The flags are read at each wake-up
/// meanwhile.
const READ_RETRY: Duration = Duration::from_millis(100);

/// Forwarded besides [`STOP`]; both together are [`Signal::forwarded`].
const FORWARDED: [async_signal::Signal; 8] = [
    // A terminal that closes; administrators and `systemctl reload`.
    async_signal::Signal::Hup,
    // Scripts and administrators, with a meaning that the process defines.
    async_signal::Signal::Usr1,
    async_signal::Signal::Usr2,
    // A shell's `fg` and `bg`; systemd after a stop signal.
    async_signal::Signal::Cont,
    // The terminal on Ctrl-Z.
    async_signal::Signal::Tstp,
    // The terminal driver, when a background process reads from it or writes to it.
    async_signal::Signal::Ttin,
    async_signal::Signal::Ttou,
    // The terminal driver, when the window size changes.
    async_signal::Signal::Winch,
];

/// The stop signals, [`Signal::is_stop`].
const STOP: [async_signal::Signal; 3] = [
    // systemd, Docker, Kubernetes and `kill` by default.
    async_signal::Signal::Term,
    // The terminal on Ctrl-C.
    async_signal::Signal::Int,
    // The terminal on Ctrl-\; images with STOPSIGNAL SIGQUIT, as gitlab-runner's.
    async_signal::Signal::Quit,
];

/// The handlers. Each group has a queue of its own, so a flood in one loses no signal of another.
#[derive(Debug)]
pub struct Signals {
    stop: SignalQueue,
    other: SignalQueue,
    /// CHLD, which the kernel sends when a child stops or exits.
    children: SignalQueue,
}

impl Signals {
    /// Installs the handlers. Stop signals and SIGCHLD are handled even if the launcher ignored
    /// them, and the wrapped process starts with their default. Any other signal that was ignored
    /// at the start (HUP under nohup) stays ignored, for the process as well.
    ///
    /// # Errors
    /// EMFILE and ENFILE: each signal costs a descriptor.
    pub fn install(ignored_at_start: &[Signal]) -> io::Result<Self> {
        let other = FORWARDED.into_iter().filter(|signal| {
            !ignored_at_start
                .iter()
                .any(|s| s.number() == *signal as i32)
        });
        survive_limits(ignored_at_start)?;
        Ok(Self {
            stop: SignalQueue::new(STOP)?.with_wake_up()?,
            other: SignalQueue::new(other)?,
            children: SignalQueue::new([async_signal::Signal::Child])?,
        })
    }

    /// The stop signals, the other forwarded ones, and CHLD.
    pub fn split(self) -> (SignalQueue, SignalQueue, SignalQueue) {
        (self.stop, self.other, self.children)
    }
}

/// Catches the signals of resource limits, getrlimit(2): the kernel sends XFSZ for a log line
/// beyond RLIMIT_FSIZE (the write then fails with EFBIG) and XCPU beyond the soft RLIMIT_CPU. Both
/// would kill the wrapper and orphan the process. Exec makes a caught signal the default again.
fn survive_limits(ignored_at_start: &[Signal]) -> io::Result<()> {
    let seen = Arc::new(AtomicBool::new(false));
    for number in [consts::SIGXFSZ, consts::SIGXCPU] {
        if !ignored_at_start.iter().any(|s| s.number() == number) {
            signal_hook::flag::register(number, Arc::clone(&seen))?;
        }
    }
    Ok(())
}

/// One group of signals, in the order of arrival.
///
/// The handler of async-signal writes each signal to a socket, and the kernel refuses the write
/// with ENOBUFS when it is short of memory. So the handler also sets a flag per signal. A flag
/// without a message is a signal whose write failed; several of one kind then count as one.
#[derive(Debug)]
pub struct SignalQueue {
    messages: async_signal::Signals,
    flags: Vec<(Signal, Arc<AtomicBool>)>,
    /// The second wake-up, a pipe that the handlers write to as well.
    wake_up: Option<Async<OwnedFd>>,
    /// Taken from the handlers, not yet from this queue.
    taken: VecDeque<Signal>,
    /// Ends the pause after a read that failed.
    retry: Option<smol::Timer>,
    /// The last read failed and was logged.
    has_failed: bool,
}

impl SignalQueue {
    /// What a program that draws on a terminal has to know.
    ///
    /// # Errors
    /// EMFILE and ENFILE: each signal costs a descriptor.
    pub fn of_screen() -> io::Result<Self> {
        Self::new([
            // The terminal driver, when the window size changes.
            async_signal::Signal::Winch,
            // A shell's `fg`, after which the cursor is elsewhere.
            async_signal::Signal::Cont,
        ])
    }

    fn new(signals: impl IntoIterator<Item = async_signal::Signal>) -> io::Result<Self> {
        let mut messages = async_signal::Signals::new([] as [async_signal::Signal; 0])?;
        let mut flags = Vec::new();
        for signal in signals {
            // The message before the flag: see `take`.
            messages.add_signals([signal])?;
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal as i32, Arc::clone(&flag))?;
            flags.extend(Signal::from_number(signal as i32).map(|signal| (signal, flag)));
        }
        Ok(Self {
            messages,
            flags,
            wake_up: None,
            taken: VecDeque::new(),
            retry: None,
            has_failed: false,
        })
    }

    /// Adds the second wake-up, one descriptor per signal. A write to a pipe needs a page of
    /// memory, which the pipe keeps from its first write on; so this write needs none.
    fn with_wake_up(mut self) -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        rustix::io::write(&write, b"X")?;
        rustix::io::read(&read, &mut [0; 1])?;
        for (signal, _) in &self.flags {
            signal_hook::low_level::pipe::register(signal.number(), write.try_clone()?)?;
        }
        self.wake_up = Some(Async::new_nonblocking(read)?);
        Ok(self)
    }

    /// The next signal. Dropping the future loses none.
    pub async fn next(&mut self) -> Signal {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Signal> {
        loop {
            if let Some(signal) = self.taken.pop_front() {
                return Poll::Ready(signal);
            }
            if self
                .flags
                .iter()
                .any(|(_, flag)| flag.load(Ordering::SeqCst))
            {
                self.take(context);
                continue;
            }
            // Registers for the next message. One that is already there has its flag set.
            if let Some(signal) = self.message(context) {
                self.taken.push_back(signal);
                self.take(context);
                continue;
            }
            match self.poll_wake_up(context) {
                Poll::Ready(()) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Takes all signals handled so far. No handler runs meanwhile, so a flag that is set belongs
    /// to one of the messages, or to a write that failed.
    fn take(&mut self, context: &mut Context<'_>) {
        masked(|| {
            while let Some(signal) = self.message(context) {
                self.taken.push_back(signal);
            }
            for (signal, flag) in &self.flags {
                if flag.swap(false, Ordering::SeqCst) && !self.taken.contains(signal) {
                    self.taken.push_back(*signal);
                    tracing::warn!(
                        "the kernel refused to queue {signal}, probably for lack of memory; it is handled nevertheless"
                    );
                }
            }
        });
    }

    /// The next message, or `None` and a registration with the event loop.
    fn message(&mut self, context: &mut Context<'_>) -> Option<Signal> {
        if let Some(retry) = &mut self.retry {
            if Pin::new(retry).poll(context).is_pending() {
                return None;
            }
            self.retry = None;
        }
        loop {
            match self.messages.poll_next(context) {
                Poll::Ready(Some(Ok(signal))) => {
                    self.has_failed = false;
                    if let Some(signal) = Signal::from_number(signal as i32) {
                        return Some(signal);
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    if !std::mem::replace(&mut self.has_failed, true) {
                        tracing::error!(%error, "reading a signal failed and is tried again");
                    }
                    let retry = self.retry.insert(smol::Timer::after(READ_RETRY));
                    if Pin::new(retry).poll(context).is_pending() {
                        return None;
                    }
                    self.retry = None;
                }
                // The queue owns its write side, so it never ends.
                Poll::Ready(None) | Poll::Pending => return None,
            }
        }
    }

    /// Empties the pipe if it is readable, else registers with the event loop.
    fn poll_wake_up(&self, context: &mut Context<'_>) -> Poll<()> {
        let Some(wake_up) = &self.wake_up else {
            return Poll::Pending;
        };
        let ready = wake_up.poll_readable(context);
        ready.map(|_| {
            let mut bytes = [0; 64];
            while retry_on_intr(|| rustix::io::read(wake_up, &mut bytes)) == Ok(bytes.len()) {}
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handled_signals_are_the_forwarded_ones() {
        let mut handled: Vec<_> = STOP.iter().chain(&FORWARDED).map(|s| *s as i32).collect();
        handled.sort_unstable();
        let forwarded: Vec<_> = Signal::forwarded().map(Signal::number).collect();
        assert_eq!(handled, forwarded);
        assert!(
            STOP.iter()
                .all(|stop| Signal::from_number(*stop as i32).is_some_and(Signal::is_stop))
        );
    }
}
