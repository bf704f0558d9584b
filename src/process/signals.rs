//! The signals that the wrapper itself receives.
//!
//! Owns the mask at the start, the handlers (through async-signal) and the list of what is handled. It
//! never decides what a signal means and never sends one.
//!
//! A signal that comes before its handler stands would kill us, so everything is blocked on main's first
//! line and unblocked once the handlers stand. Threads started in between inherit the full mask, so that
//! every handler runs on the main thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::SigSet;
use signal_hook::consts;
use smol::stream::StreamExt;

use crate::signal::Signal;

/// Blocks every signal. To be called before anything else.
///
/// # Errors
/// None that `sigprocmask(2)` names for a valid set.
pub fn block() -> io::Result<()> {
    Ok(SigSet::all().thread_block()?)
}

/// Lets every signal through, also those that the launcher had blocked: the wrapped process inherits
/// the mask, and one that never sees SIGTERM cannot be stopped.
///
/// # Errors
/// None that `sigprocmask(2)` names for a valid set.
pub fn unblock() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Forwarded besides the stop signals; together they are [`Signal::forwarded`].
const FORWARDED: [async_signal::Signal; 8] = [
    async_signal::Signal::Hup,
    async_signal::Signal::Usr1,
    async_signal::Signal::Usr2,
    async_signal::Signal::Cont,
    async_signal::Signal::Tstp,
    async_signal::Signal::Ttin,
    async_signal::Signal::Ttou,
    async_signal::Signal::Winch,
];

const STOP: [async_signal::Signal; 3] = [
    async_signal::Signal::Term,
    async_signal::Signal::Int,
    async_signal::Signal::Quit,
];

/// The handlers. Each group has a queue of its own: a flood in one loses nothing in another.
#[derive(Debug)]
pub struct Signals {
    stop: async_signal::Signals,
    other: async_signal::Signals,
    children: async_signal::Signals,
}

impl Signals {
    /// Installs the handlers. A handler also puts right what the launcher left odd: ignored stop signals
    /// and SIGCHLD are handled from here on, and the wrapped process starts with their default.
    /// What else was ignored at the start (HUP under nohup, say) stays ignored, for the process as well.
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

    /// Splits the groups, so that each can be waited for in its own place.
    pub fn split(self) -> (SignalQueue, SignalQueue, SignalQueue) {
        (
            SignalQueue(self.stop),
            SignalQueue(self.other),
            SignalQueue(self.children),
        )
    }
}

/// Catches the signals of resource limits, getrlimit(2): the kernel sends XFSZ for a log line beyond
/// RLIMIT_FSIZE (the write then fails with EFBIG) and XCPU beyond the soft RLIMIT_CPU. Both would kill
/// the wrapper and orphan the process. Exec makes a caught signal the default again.
fn survive_limits(ignored_at_start: &[Signal]) -> io::Result<()> {
    let seen = Arc::new(AtomicBool::new(false));
    for number in [consts::SIGXFSZ, consts::SIGXCPU] {
        if !ignored_at_start.iter().any(|s| s.number() == number) {
            signal_hook::flag::register(number, Arc::clone(&seen))?;
        }
    }
    Ok(())
}

/// One group of signals, in the order in which they came.
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
                Some(Err(error)) => tracing::error!(%error, "a signal could not be read"),
                // The queue never ends while its write side lives, which is as long as it does.
                None => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handled_is_what_is_said_to_be_forwarded() {
        let mut handled: Vec<_> = STOP.iter().chain(&FORWARDED).map(|s| *s as i32).collect();
        handled.sort_unstable();
        let said: Vec<_> = Signal::forwarded().map(Signal::number).collect();
        assert_eq!(handled, said);
        assert!(
            STOP.iter()
                .all(|stop| Signal::from_number(*stop as i32).is_some_and(Signal::is_stop))
        );
    }
}
