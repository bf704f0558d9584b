//! The state machine of one wrapped process: from `running` to `gone`, and until the wrapper leaves.
//!
//! Owns every decision about signals, deadlines and leaving. It never performs one: [`Lifecycle::handle`]
//! answers with actions, and time is an argument, the duration since the wrapper's start on a clock that
//! does not jump. The invariants, each asserted by the tests beside this file:
//!
//! - The state only moves forward: running, shutting down, gone.
//! - No signal is sent after the exit.
//! - What we originate (requests, deadlines) never adds a TERM once any TERM or INT was sent or forwarded.
//! - A repeated request sends no second graceful signal; deadlines are never extended.
//! - The command after the exit runs once, after the exit, and ends or is ended.
//! - An accepted webhook is due once for each place, after the exit and the command, also when it comes later;
//!   it is due again only if it is accepted again after it failed.
//! - The wrapper leaves only after the exit, and only when it was told to or `exit_when_gone` says so; it
//!   leaves while something is owed only when it was told to stop again.

mod config;
mod exit;
mod owed;
mod phase;
mod rewrite;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod webhooks;

use std::time::Duration;

pub use config::{AfterExit, Config, ExitWhenGone};
pub use exit::Exit;
pub use rewrite::{InvalidRewrite, Rewrite, Rewrites};
pub use state::UnknownState;
pub use step::{Action, Deadlines, Input};
pub use webhooks::{MAX_WEBHOOKS, Slot};

use crate::signal::Signal;
use owed::Debt;
use phase::{Departure, Owing, Phase, Shutdown, Stage};
use webhooks::Webhooks;

/// How far the process has come; the order is that in which the states are passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It is alive and nobody has asked it to stop.
    Running,
    /// It is alive and has been asked to stop.
    ShuttingDown,
    /// It has exited and has been reaped.
    Gone,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    config: Config,
    phase: Phase,
    webhooks: Webhooks,
}

impl Lifecycle {
    /// The machine of a process that has just been spawned.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            phase: Phase::Running,
            webhooks: Webhooks::default(),
        }
    }

    /// Takes one input at one time and answers with what is to be done.
    pub fn handle(&mut self, now: Duration, input: Input) -> Vec<Action> {
        match (self.phase.clone(), input) {
            (Phase::Running, Input::GracefulRequest(deadlines)) => {
                let actions = self.send(now, self.config.graceful_signal, None);
                self.tighten(now, deadlines);
                actions
            }
            (Phase::ShuttingDown(shutdown), Input::GracefulRequest(deadlines)) => {
                let actions = match shutdown.stage {
                    Stage::Draining { asked: false, .. } => {
                        self.send(now, self.config.graceful_signal, None)
                    }
                    Stage::Draining { asked: true, .. }
                    | Stage::Terminating { .. }
                    | Stage::Killed => Vec::new(),
                };
                self.tighten(now, deadlines);
                actions
            }
            (Phase::Running, Input::ForcefulRequest) => self.send(now, Signal::TERM, None),
            (Phase::ShuttingDown(shutdown), Input::ForcefulRequest) => match shutdown.stage {
                Stage::Draining { .. } => self.send(now, Signal::TERM, None),
                Stage::Terminating { .. } | Stage::Killed => Vec::new(),
            },
            (Phase::Running | Phase::ShuttingDown(_), Input::Signal(received)) => {
                match self.config.rewrites.apply(received) {
                    Some(signal) => self.send(now, signal, Some(received)),
                    None => Vec::new(),
                }
            }
            (Phase::Running, Input::Exited(exit)) => self.depart(now, exit, None),
            (Phase::ShuttingDown(shutdown), Input::Exited(exit)) => {
                self.depart(now, exit, Some(shutdown))
            }
            (Phase::ShuttingDown(_), Input::TimePassed) => self.expire(now),
            (Phase::Owing(owing), Input::Signal(received)) if self.stops(received) => {
                if owing.told_to_stop {
                    let mut actions = owing.debt.abandon();
                    actions.extend(self.leave(owing.departure));
                    actions
                } else {
                    self.phase = Phase::Owing(Owing {
                        told_to_stop: true,
                        ..owing
                    });
                    Vec::new()
                }
            }
            (Phase::Owing(mut owing), Input::TimePassed) => {
                let actions = owing.debt.expire(now, self.config.after_exit);
                self.phase = Phase::Owing(owing);
                actions
            }
            (Phase::Owing(owing), Input::AfterExitEnded) => match owing.debt {
                Debt::AfterExit(_) => self.owe_webhooks(owing.departure, owing.told_to_stop),
                Debt::Webhooks => Vec::new(),
            },
            (Phase::Running | Phase::ShuttingDown(_), Input::WebhookAccepted(slot)) => {
                self.webhooks.wait(slot);
                Vec::new()
            }
            (Phase::Owing(owing), Input::WebhookAccepted(slot)) => {
                self.webhooks.wait(slot);
                match owing.debt {
                    Debt::AfterExit(_) => Vec::new(),
                    Debt::Webhooks => self.arm_webhooks(),
                }
            }
            (Phase::Gone(departure), Input::WebhookAccepted(slot)) => {
                self.webhooks.wait(slot);
                let actions = self.arm_webhooks();
                if !actions.is_empty() {
                    self.owe(departure, Debt::Webhooks, false);
                }
                actions
            }
            (Phase::Owing(owing), Input::WebhookEnded { slot, delivered }) => {
                self.webhooks.end(slot, delivered);
                match owing.debt {
                    Debt::Webhooks if !self.webhooks.are_armed() => {
                        self.settle(owing.departure, owing.told_to_stop)
                    }
                    Debt::Webhooks | Debt::AfterExit(_) => Vec::new(),
                }
            }
            (Phase::Gone(departure), Input::Signal(received)) if self.stops(received) => {
                self.leave(departure)
            }
            // The process has no deadlines before somebody asks it to stop; after the exit there is
            // nothing left to ask of it; it exits once; nothing that is owed ends before the exit or twice;
            // and whoever is leaving takes no webhook, as `accepts_webhooks` says.
            (
                Phase::Running,
                Input::TimePassed | Input::AfterExitEnded | Input::WebhookEnded { .. },
            )
            | (Phase::ShuttingDown(_), Input::AfterExitEnded | Input::WebhookEnded { .. })
            | (
                Phase::Owing(_),
                Input::GracefulRequest(_)
                | Input::ForcefulRequest
                | Input::Signal(_)
                | Input::Exited(_),
            )
            | (
                Phase::Gone(_) | Phase::Left(_),
                Input::GracefulRequest(_)
                | Input::ForcefulRequest
                | Input::Signal(_)
                | Input::Exited(_)
                | Input::AfterExitEnded
                | Input::WebhookEnded { .. }
                | Input::TimePassed,
            )
            | (Phase::Left(_), Input::WebhookAccepted(_)) => Vec::new(),
        }
    }

    /// When [`Input::TimePassed`] is wanted next, if ever.
    pub fn next_timeout(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Owing(owing) => owing.debt.next_timeout(),
            Phase::Running | Phase::ShuttingDown(_) | Phase::Gone(_) | Phase::Left(_) => {
                self.force_at().or(self.kill_at())
            }
        }
    }

    /// How far the process has come.
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Running => State::Running,
            Phase::ShuttingDown(_) => State::ShuttingDown,
            Phase::Owing(_) | Phase::Gone(_) | Phase::Left(_) => State::Gone,
        }
    }

    /// Whether the exit was asked for, or is being asked for.
    pub fn requested(&self) -> bool {
        match &self.phase {
            Phase::Running => false,
            Phase::ShuttingDown(_) => true,
            Phase::Owing(Owing { departure, .. })
            | Phase::Gone(departure)
            | Phase::Left(departure) => departure.requested,
        }
    }

    /// Whether the wrapper itself was told to stop, and leaves as soon as nothing holds it.
    pub fn is_told_to_stop(&self) -> bool {
        match &self.phase {
            Phase::Running | Phase::Gone(_) => false,
            Phase::ShuttingDown(shutdown) => shutdown.told_to_stop,
            Phase::Owing(owing) => owing.told_to_stop,
            Phase::Left(_) => true,
        }
    }

    /// Whether a webhook that is not known yet may still be accepted: not once the wrapper, told to stop,
    /// only waits for deliveries, or nobody could say when it leaves.
    pub fn accepts_webhooks(&self) -> bool {
        match &self.phase {
            Phase::Running | Phase::ShuttingDown(_) | Phase::Gone(_) => true,
            Phase::Owing(owing) => match owing.debt {
                Debt::AfterExit(_) => true,
                Debt::Webhooks => !owing.told_to_stop,
            },
            Phase::Left(_) => false,
        }
    }

    /// How the process ended, once it has.
    pub fn exit(&self) -> Option<Exit> {
        match &self.phase {
            Phase::Running | Phase::ShuttingDown(_) => None,
            Phase::Owing(Owing { departure, .. })
            | Phase::Gone(departure)
            | Phase::Left(departure) => Some(departure.exit),
        }
    }

    /// When TERM will be sent, if it will.
    pub fn force_at(&self) -> Option<Duration> {
        match &self.phase {
            Phase::ShuttingDown(Shutdown {
                stage: Stage::Draining { force_at, .. },
                ..
            }) => *force_at,
            Phase::Running
            | Phase::ShuttingDown(_)
            | Phase::Owing(_)
            | Phase::Gone(_)
            | Phase::Left(_) => None,
        }
    }

    /// When KILL will be sent, if it will; not known before TERM was.
    pub fn kill_at(&self) -> Option<Duration> {
        match &self.phase {
            Phase::ShuttingDown(Shutdown {
                stage: Stage::Terminating { since },
                kill_after: Some(kill_after),
                ..
            }) => since.checked_add(*kill_after),
            Phase::Running
            | Phase::ShuttingDown(_)
            | Phase::Owing(_)
            | Phase::Gone(_)
            | Phase::Left(_) => None,
        }
    }

    /// Records that a signal goes to the living process, then says so. `received` is the signal that
    /// the wrapper got, if this one is forwarded for it.
    fn send(&mut self, now: Duration, signal: Signal, received: Option<Signal>) -> Vec<Action> {
        let is_graceful = signal == self.config.graceful_signal;
        let told_to_stop = received.is_some_and(Signal::is_stop);
        let ends = matches!(signal, Signal::TERM | Signal::INT | Signal::KILL);
        if !(is_graceful || told_to_stop || ends) {
            return vec![Action::SignalProcess(signal)];
        }
        let before = match self.phase {
            Phase::ShuttingDown(shutdown) => shutdown,
            Phase::Running | Phase::Owing(_) | Phase::Gone(_) | Phase::Left(_) => Shutdown {
                stage: Stage::Draining {
                    asked: false,
                    force_at: earliest(now, None, self.config.force_after),
                },
                kill_after: self.config.kill_after,
                told_to_stop: false,
            },
        };
        let stage = match (before.stage, signal) {
            (_, Signal::KILL) | (Stage::Killed, _) => Stage::Killed,
            (Stage::Terminating { since }, _) => Stage::Terminating { since },
            (Stage::Draining { .. }, Signal::TERM | Signal::INT) => {
                Stage::Terminating { since: now }
            }
            (Stage::Draining { asked, force_at }, _) => Stage::Draining {
                asked: asked || is_graceful,
                force_at,
            },
        };
        self.phase = Phase::ShuttingDown(Shutdown {
            stage,
            told_to_stop: before.told_to_stop || told_to_stop,
            ..before
        });
        if signal == Signal::KILL {
            vec![Action::SignalProcess(signal)]
        } else {
            // A stopped process would not see the signal until somebody continues it.
            vec![
                Action::SignalProcess(signal),
                Action::SignalProcess(Signal::CONT),
            ]
        }
    }

    /// Brings the deadlines of a shutdown nearer, never further away.
    fn tighten(&mut self, now: Duration, deadlines: Deadlines) {
        if let Phase::ShuttingDown(shutdown) = &mut self.phase {
            if let Stage::Draining { force_at, .. } = &mut shutdown.stage {
                *force_at = earliest(now, *force_at, deadlines.force_after);
            }
            shutdown.kill_after = [shutdown.kill_after, deadlines.kill_after]
                .into_iter()
                .flatten()
                .min();
        }
    }

    /// Escalates as far as the deadlines that have passed say.
    fn expire(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.force_at().is_some_and(|at| at <= now) {
            actions.extend(self.send(now, Signal::TERM, None));
        }
        if self.kill_at().is_some_and(|at| at <= now) {
            actions.extend(self.send(now, Signal::KILL, None));
        }
        actions
    }

    fn depart(&mut self, now: Duration, exit: Exit, shutdown: Option<Shutdown>) -> Vec<Action> {
        let departure = Departure {
            exit,
            requested: shutdown.is_some(),
        };
        let told_to_stop = shutdown.is_some_and(|shutdown| shutdown.told_to_stop);
        match self.config.after_exit {
            Some(limits) => {
                self.owe(departure, Debt::after_exit(now, limits), told_to_stop);
                vec![Action::RunAfterExit]
            }
            None => self.owe_webhooks(departure, told_to_stop),
        }
    }

    fn owe(&mut self, departure: Departure, debt: Debt, told_to_stop: bool) {
        self.phase = Phase::Owing(Owing {
            departure,
            debt,
            told_to_stop,
        });
    }

    fn arm_webhooks(&mut self) -> Vec<Action> {
        self.webhooks
            .arm()
            .into_iter()
            .map(Action::Deliver)
            .collect()
    }

    /// Every webhook that waits for the exit is due.
    fn owe_webhooks(&mut self, departure: Departure, told_to_stop: bool) -> Vec<Action> {
        let actions = self.arm_webhooks();
        if actions.is_empty() {
            self.settle(departure, told_to_stop)
        } else {
            self.owe(departure, Debt::Webhooks, told_to_stop);
            actions
        }
    }

    /// Nothing is owed any longer: the wrapper leaves, or stays until it is told to.
    fn settle(&mut self, departure: Departure, told_to_stop: bool) -> Vec<Action> {
        let by_itself = match self.config.exit_when_gone {
            ExitWhenGone::Never => false,
            ExitWhenGone::Unrequested => !departure.requested,
            ExitWhenGone::Always => true,
        };
        if by_itself || told_to_stop {
            self.leave(departure)
        } else {
            self.phase = Phase::Gone(departure);
            Vec::new()
        }
    }

    /// Whether the wrapper is told to stop by this signal, which `X:0` prevents.
    fn stops(&self, received: Signal) -> bool {
        received.is_stop() && self.config.rewrites.apply(received).is_some()
    }

    fn leave(&mut self, departure: Departure) -> Vec<Action> {
        self.phase = Phase::Left(departure);
        vec![Action::Leave(departure.exit)]
    }
}

/// The earlier of an instant and a duration from now; a duration beyond the clock's range is never.
fn earliest(now: Duration, at: Option<Duration>, after: Option<Duration>) -> Option<Duration> {
    let other = after.and_then(|after| now.checked_add(after));
    [at, other].into_iter().flatten().min()
}
