//! The faults of a round that hit a running wrapper: signals, requests, connections, descriptors,
//! pauses.
//!
//! Owns each fault, and the record of the signals that the main process may have got. It never
//! judges.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::pb::process_wrapper::v1::{InitiateGracefulShutdownRequest, State, Webhook};
use rustix::process::{Resource, Rlimit, prlimit};

use crate::processes;
use crate::round::Round;
use crate::support::http2::PREFACE_AND_SETTINGS;
use crate::watch::{IoStats, Question};

impl Round<'_> {
    pub(super) fn rewritten(&self, signal: Signal) -> Option<Signal> {
        match self.rewrite {
            Some((from, to)) if from == signal => to,
            Some(_) | None => Some(signal),
        }
    }

    pub(super) fn send(&mut self, signal: Signal) {
        if let Some(forwarded) = self.rewritten(signal) {
            self.sent.insert(forwarded as i32);
            if [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT].contains(&signal) {
                self.stops += 1;
            }
        }
        self.signal(signal);
    }

    /// Only while it is ours to signal: once waited for, its number may be another's.
    pub(super) fn signal(&mut self, signal: Signal) {
        if !self.has_left() {
            self.wrapper.signal(signal);
        }
    }

    pub(super) fn signal_wrapper(&mut self) {
        let signals = [
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGHUP,
            Signal::SIGUSR1,
            Signal::SIGCHLD,
        ];
        let signal = signals[self.rng.usize(..signals.len())];
        self.send(signal);
    }

    /// Signals that change nothing, more than anybody reads.
    pub(super) fn flood_with_signals(&mut self) {
        for _ in 0..self.rng.usize(..500) {
            let signal = [Signal::SIGCHLD, Signal::SIGWINCH][self.rng.usize(..2)];
            self.signal(signal);
        }
    }

    /// Behind the wrapper's back.
    pub(super) fn signal_main(&mut self) {
        let signals = [
            Signal::SIGSTOP,
            Signal::SIGCONT,
            Signal::SIGTERM,
            Signal::SIGKILL,
            Signal::SIGQUIT,
        ];
        let signal = signals[self.rng.usize(..signals.len())];
        let Some(main) = self.main else { return };
        // Only as long as it is the wrapper's child its number means it.
        if processes::children_of(self.wrapper.pid()).contains(&main) {
            self.sent.insert(signal as i32);
            let _ = kill(Pid::from_raw(main), signal);
        }
    }

    pub(super) fn ask_to_shut_down(&mut self, seen: &IoStats) {
        let mut deadline = |signal: Option<Signal>| {
            let milliseconds = (self.rng.u8(..4) == 0).then(|| self.rng.i32(0..300))?;
            self.sent.extend(signal.map(|signal| signal as i32));
            Some(prost_types::Duration {
                seconds: 0,
                nanos: milliseconds * 1_000_000,
            })
        };
        let (force_after, kill_after) = (deadline(self.forceful), deadline(Some(Signal::SIGKILL)));
        let number = self.any_webhook();
        let webhook = number.map(|number| Webhook {
            url: self.webhooks[number].url().to_owned(),
            ..Webhook::default()
        });
        let request = InitiateGracefulShutdownRequest {
            webhook,
            force_after,
            kill_after,
            repeat_signal: self.rng.u8(..4) == 0,
        };
        seen.repeats
            .fetch_or(request.repeat_signal, Ordering::SeqCst);
        self.sent.insert(Signal::SIGQUIT as i32);
        let patience = Duration::from_millis(self.rng.u64(1..1000));
        let address = self.wrapper.address();
        if let Some(process) = seen.ask(&address, Question::ShutDown(request), patience) {
            assert!(process.state() >= State::ShuttingDown, "{process:?}");
            if let Some(number) = number {
                self.webhooks[number].accepted = true;
            }
        }
    }

    /// Connections that say something, or half of it, and go.
    pub(super) fn cut_connections(&mut self) {
        for _ in 0..self.rng.usize(1..20) {
            let Ok(mut stream) = UnixStream::connect(self.wrapper.socket()) else {
                return;
            };
            let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
            let said = self.rng.usize(..PREFACE_AND_SETTINGS.len() + 1);
            let _ = stream.write_all(&PREFACE_AND_SETTINGS[..said]);
            if self.rng.bool() {
                let noise: Vec<u8> = std::iter::repeat_with(|| self.rng.u8(..))
                    .take(100)
                    .collect();
                let _ = stream.write_all(&noise);
            }
        }
    }

    pub(super) fn hold_connections(&mut self) {
        for _ in 0..self.rng.usize(1..60) {
            match UnixStream::connect(self.wrapper.socket()) {
                Ok(stream) => self.silent.push(stream),
                Err(_) => return,
            }
        }
    }

    /// No new descriptors for the wrapper, for a moment.
    pub(super) fn starve_of_descriptors(&mut self, seen: &IoStats) {
        // One that is still starting would rightly give up, and say so.
        if seen.answers.load(Ordering::Relaxed) == 0 {
            return;
        }
        let pid = rustix::process::Pid::from_raw(self.wrapper.pid());
        let open = processes::descriptors(self.wrapper.pid()) as u64;
        // It has inherited ours.
        let before = rustix::process::getrlimit(Resource::Nofile);
        let none_left = Rlimit {
            current: Some(open),
            maximum: before.maximum,
        };
        if prlimit(pid, Resource::Nofile, none_left).is_err() {
            // It has just left.
            return;
        }
        self.starved = true;
        self.hold_connections();
        std::thread::sleep(Duration::from_millis(self.rng.u64(..200)));
        self.silent.clear();
        let _ = prlimit(pid, Resource::Nofile, before);
    }

    pub(super) fn pause_wrapper(&mut self) {
        self.signal(Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(self.rng.u64(..150)));
        self.signal(Signal::SIGCONT);
    }
}
