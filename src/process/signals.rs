//! The signals that the wrapper itself receives.
//!
//! Owns the signal mask at the start, the handlers (through async-signal) and the list of handled
//! signals. It never decides what a signal means and never sends one.
//!
//! A signal before its handler is installed would kill the wrapper. So main blocks all signals
//! first and unblocks them once the handlers are installed. Threads started in between inherit the
//! full mask, so every handler runs on the main thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::SigSet;
use signal_hook::consts;
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
    stop: async_signal::Signals,
    other: async_signal::Signals,
    /// CHLD, which the kernel sends when a child stops or exits.
    children: async_signal::Signals,
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
            stop: async_signal::Signals::new(STOP)?,
            other: async_signal::Signals::new(other)?,
            children: async_signal::Signals::new([async_signal::Signal::Child])?,
        })
    }

    /// The stop signals, the other forwarded ones, and CHLD.
    pub fn split(self) -> (SignalQueue, SignalQueue, SignalQueue) {
        (
            SignalQueue(self.stop),
            SignalQueue(self.other),
            SignalQueue(self.children),
        )
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
#[derive(Debug)]
pub struct SignalQueue(async_signal::Signals);

impl SignalQueue {
    /// The next signal. Dropping the future loses none.
    pub async fn next(&mut self) -> Signal {
        loop {
            match self.0.next().await {
                Some(Ok(signal)) => {
                    if let Some(signal) = Signal::from_number(signal as i32) {
                        return signal;
                    }
                }
                Some(Err(error)) => tracing::error!(%error, "reading a signal failed"),
                // The queue owns its write side, so it never ends.
                None => std::future::pending().await,
            }
        }
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
