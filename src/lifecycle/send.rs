//! Signals to the living process: which one is sent, and when.
//!
//! Owns the choice for each request, received signal and deadline. It never decides what a signal
//! does to the stage; `stage` does.

use std::time::Duration;

use crate::lifecycle::phase::Phase;
use crate::lifecycle::stage::{Graceful, Meaning, ShutdownProgress, Stage};
use crate::lifecycle::{Action, DrainRequest, Input, Lifecycle, SignalCause, Transition};
use crate::signal::Signal;

/// The signal of the kill stage.
const KILL: (Signal, Meaning) = (Signal::KILL, Meaning::Kill);

impl Lifecycle {
    /// A shutdown in its first instant, before any signal. A graceful signal that has to wait is
    /// noted with its cause.
    pub(super) fn begin(&self, now: Duration, ready: bool, cause: SignalCause) -> ShutdownProgress {
        let within = self.config.ready_within;
        let waits = !ready && within.is_some_and(|within| now < within);
        ShutdownProgress {
            stage: Stage::Drain {
                graceful: match waits {
                    true => Graceful::AwaitsReady(cause),
                    false => Graceful::Unsent,
                },
                force_at: earliest(now, None, self.config.force_after),
            },
            kill_after: self.config.kill_after,
            told_to_stop: false,
        }
    }

    /// A caller asks for a drain: the signal of the present stage is sent if it was not yet, or is
    /// to be repeated.
    pub(super) fn drain(
        &mut self,
        now: Duration,
        shutdown: ShutdownProgress,
        request: DrainRequest,
    ) -> Transition {
        let shutdown = tightened(now, shutdown, request);
        let repeats =
            |last: Duration| request.repeat_signal && self.config.spacing.allow_repeat(now, last);
        match shutdown.stage {
            Stage::Drain { .. } if self.is_forced(now, shutdown) => self.begin_abort(now, shutdown),
            Stage::Drain { graceful, .. } => match graceful {
                Graceful::Sent(last) if !repeats(last) => self.record(shutdown),
                Graceful::AwaitsReady(_) => self.record(shutdown),
                Graceful::Sent(_) | Graceful::Unsent => {
                    self.send_for_caller(now, shutdown, Some(self.config.graceful()))
                }
            },
            Stage::Abort { last_sent, .. } if last_sent.is_none_or(repeats) => {
                self.send_for_caller(now, shutdown, self.config.forceful())
            }
            Stage::Kill { last_sent, .. } if last_sent.is_none_or(repeats) => {
                self.send_for_caller(now, shutdown, Some(KILL))
            }
            Stage::Abort { .. } | Stage::Kill { .. } => self.record(shutdown),
        }
    }

    /// A caller asks for the abort stage. As GitLab's wrapper does, it sends the forceful signal
    /// again if the last one is old enough.
    pub(super) fn abort(&mut self, now: Duration, shutdown: ShutdownProgress) -> Transition {
        match shutdown.stage {
            Stage::Drain { .. } => {
                let at_once = DrainRequest {
                    force_after: Some(Duration::ZERO),
                    ..DrainRequest::default()
                };
                let shutdown = tightened(now, shutdown, at_once);
                match self.is_forced(now, shutdown) {
                    true => self.begin_abort(now, shutdown),
                    false => self.record(shutdown),
                }
            }
            Stage::Abort { last_sent, .. } => {
                let repeats = |last| self.config.spacing.allow_repeat(now, last);
                match last_sent.is_none_or(repeats) {
                    true => self.send_for_caller(now, shutdown, self.config.forceful()),
                    false => self.record(shutdown),
                }
            }
            Stage::Kill {
                last_sent: None, ..
            } => self.send_for_caller(now, shutdown, Some(KILL)),
            Stage::Kill { .. } => self.record(shutdown),
        }
    }

    fn begin_abort(&mut self, now: Duration, shutdown: ShutdownProgress) -> Transition {
        match self.config.forceful() {
            Some(forceful) => self.send_for_caller(now, shutdown, Some(forceful)),
            None => self.record(ShutdownProgress {
                stage: Stage::begin_abort(now),
                ..shutdown
            }),
        }
    }

    /// Forwards `signal` for `received`. The graceful signal is forwarded only as the first of its
    /// kind.
    pub(super) fn forward(
        &mut self,
        now: Duration,
        signal: Signal,
        received: Signal,
    ) -> Transition {
        let Some(meaning) = self.config.meaning(signal, Some(received)) else {
            return Transition::of(vec![Action::ForwardSignal(signal)]);
        };
        let before = match self.phase {
            Phase::Running { ready } => self.begin(now, ready, SignalCause::Forwarded),
            Phase::ShuttingDown(shutdown) => shutdown,
            Phase::Finishing(_) | Phase::Gone(_) | Phase::Left(_) => return Transition::nothing(),
        };
        let shutdown = ShutdownProgress {
            told_to_stop: before.told_to_stop || received.is_stop(),
            ..before
        };
        match (meaning, shutdown.stage) {
            (
                Meaning::Drain,
                Stage::Drain {
                    graceful: Graceful::Unsent,
                    ..
                },
            )
            | (Meaning::Abort | Meaning::Kill, _) => {
                self.send(now, shutdown, signal, meaning, SignalCause::Forwarded)
            }
            (Meaning::Drain, Stage::Drain { .. } | Stage::Abort { .. } | Stage::Kill { .. }) => {
                self.record(shutdown)
            }
        }
    }

    /// The process handles signals: a graceful signal that waited for that is sent.
    pub(super) fn become_ready(&mut self, now: Duration, shutdown: ShutdownProgress) -> Transition {
        match shutdown.stage {
            Stage::Drain {
                graceful: Graceful::AwaitsReady(cause),
                ..
            } => self.send_own(now, shutdown, Some(self.config.graceful()), cause),
            Stage::Drain { .. } | Stage::Abort { .. } | Stage::Kill { .. } => Transition::nothing(),
        }
    }

    /// Begins the stages whose time has come. A step sends one signal: where two are due, the
    /// second follows with the next [`Input::TimePassed`], which is wanted at once.
    pub(super) fn expire(&mut self, now: Duration, shutdown: ShutdownProgress) -> Transition {
        if self.is_forced(now, shutdown) {
            let forceful = self.config.forceful();
            if forceful.is_some() {
                return self.send_own(now, shutdown, forceful, SignalCause::Deadline);
            }
            let begun = ShutdownProgress {
                stage: Stage::begin_abort(now),
                ..shutdown
            };
            self.phase = Phase::ShuttingDown(begun);
            return self.expire(now, begun);
        }
        if shutdown.kill_at().is_some_and(|at| at <= now) {
            return self.send_own(now, shutdown, Some(KILL), SignalCause::Deadline);
        }
        let within = self.config.ready_within;
        match shutdown.stage {
            Stage::Drain {
                graceful: Graceful::AwaitsReady(cause),
                ..
            } if within.is_some_and(|within| within <= now) => {
                self.send_own(now, shutdown, Some(self.config.graceful()), cause)
            }
            Stage::Drain { .. } | Stage::Abort { .. } | Stage::Kill { .. } => Transition::nothing(),
        }
    }

    /// Whether a request asks for an abort stage that would never end the process: the stage has no
    /// signal, and neither an option nor a request has named the time from it to KILL. The driver
    /// refuses such a request.
    pub fn is_ineffective(&self, input: &Input) -> bool {
        let request = match input {
            Input::AbortRequest => DrainRequest::default(),
            Input::DrainRequest(request) if request.force_after.is_some() => *request,
            Input::DrainRequest(_)
            | Input::Signal(_)
            | Input::Ready
            | Input::Exited(_)
            | Input::AfterExitEnded
            | Input::WebhookAccepted(_)
            | Input::WebhookEnded { .. }
            | Input::RecoveredDeliveries { .. }
            | Input::TimePassed => return false,
        };
        let shutdown = match self.phase {
            Phase::Running { ready } => self.begin(Duration::ZERO, ready, SignalCause::Request),
            Phase::ShuttingDown(shutdown) => shutdown,
            Phase::Finishing(_) | Phase::Gone(_) | Phase::Left(_) => return false,
        };
        let shutdown = tightened(Duration::ZERO, shutdown, request);
        match shutdown.stage {
            Stage::Drain { .. } => !shutdown.can_end_a_drain(&self.config),
            Stage::Abort { .. } | Stage::Kill { .. } => false,
        }
    }

    /// How long a request has to wait until the signal that it asks for may be sent: a driver that
    /// hands it in then can tell the caller whether the kernel took the signal.
    pub fn held_until(&self, now: Duration, input: &Input) -> Option<Duration> {
        let is_forceful = match input {
            Input::AbortRequest => true,
            Input::DrainRequest(request) => request.force_after == Some(Duration::ZERO),
            Input::Signal(_)
            | Input::Ready
            | Input::Exited(_)
            | Input::AfterExitEnded
            | Input::WebhookAccepted(_)
            | Input::WebhookEnded { .. }
            | Input::RecoveredDeliveries { .. }
            | Input::TimePassed => false,
        };
        let Phase::ShuttingDown(ShutdownProgress {
            stage:
                Stage::Drain {
                    graceful: Graceful::Sent(last),
                    ..
                },
            ..
        }) = self.phase
        else {
            return None;
        };
        self.config.forceful_signal.filter(|_| is_forceful)?;
        let until = last.checked_add(self.config.spacing.forceful)?;
        (now < until).then_some(until)
    }

    fn is_forced(&self, now: Duration, shutdown: ShutdownProgress) -> bool {
        let at = shutdown.force_at(&self.config);
        at.is_some_and(|at| at <= now)
    }

    /// Sends a signal whose refusal is the error of a request.
    fn send_for_caller(
        &mut self,
        now: Duration,
        shutdown: ShutdownProgress,
        wanted: Option<(Signal, Meaning)>,
    ) -> Transition {
        let before = self.phase;
        let step = self.send_own(now, shutdown, wanted, SignalCause::Request);
        Transition {
            if_refused: step.if_refused.map(|_| before),
            ..step
        }
    }

    fn send_own(
        &mut self,
        now: Duration,
        shutdown: ShutdownProgress,
        wanted: Option<(Signal, Meaning)>,
        cause: SignalCause,
    ) -> Transition {
        match wanted {
            Some((signal, meaning)) => self.send(now, shutdown, signal, meaning, cause),
            None => self.record(shutdown),
        }
    }

    fn send(
        &mut self,
        now: Duration,
        shutdown: ShutdownProgress,
        signal: Signal,
        meaning: Meaning,
        cause: SignalCause,
    ) -> Transition {
        let with = |stage| Phase::ShuttingDown(ShutdownProgress { stage, ..shutdown });
        self.phase = with(shutdown.stage.sent(now, meaning));
        let mut actions = vec![Action::SendStageSignal { signal, cause }];
        if signal != Signal::KILL {
            actions.push(Action::ContinueProcess);
        }
        Transition {
            actions,
            if_refused: Some(with(shutdown.stage.refused(now, meaning))),
            sends: Some((shutdown, meaning)),
        }
    }

    fn record(&mut self, shutdown: ShutdownProgress) -> Transition {
        self.phase = Phase::ShuttingDown(shutdown);
        Transition::nothing()
    }
}

/// Brings the deadlines of a shutdown nearer, never further away.
fn tightened(now: Duration, shutdown: ShutdownProgress, request: DrainRequest) -> ShutdownProgress {
    let stage = match shutdown.stage {
        Stage::Drain { graceful, force_at } => Stage::Drain {
            graceful,
            force_at: earliest(now, force_at, request.force_after),
        },
        Stage::Abort { .. } | Stage::Kill { .. } => shutdown.stage,
    };
    let kill_after = [shutdown.kill_after, request.kill_after];
    ShutdownProgress {
        stage,
        kill_after: kill_after.into_iter().flatten().min(),
        ..shutdown
    }
}

/// The earlier of an instant and a duration from now; a duration beyond the clock's range is never.
fn earliest(now: Duration, at: Option<Duration>, after: Option<Duration>) -> Option<Duration> {
    let other = after.and_then(|after| now.checked_add(after));
    [at, other].into_iter().flatten().min()
}
