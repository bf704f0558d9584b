//! A second machine, made of history alone, that predicts what the first one does.
//!
//! Owns a list of events, each with its time, and derives every answer from the whole list anew, by
//! the words of the semantics. It never shares code with the machine it checks, and it never
//! forgets. The fuzzer runs this file too, on its own choices: everything it names comes through
//! `super`.

// By its path, because the fuzzer includes this file by its own.
#[path = "model/choices.rs"]
mod choices;
#[path = "model/history.rs"]
mod history;
#[path = "model/promises.rs"]
mod promises;

use std::time::Duration;

use super::{Action, Config, DrainRequest, Exit, Input, Lifecycle, Rng, Signal, SignalCause, Slot};
use choices::{config, input, pick};
use promises::keeps_its_promises;

/// How many webhooks there are.
const WEBHOOKS: usize = 3;

/// The stages in their order, and the meanings of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Drain,
    Abort,
    Kill,
}

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fact {
    /// A caller asked for a drain while the process lived.
    Requested(DrainRequest),
    /// A caller asked for the abort stage while the process lived.
    Forced,
    /// The wrapper received a stop signal and did not ignore it.
    Stopped,
    /// The wrapper received a signal that belongs to a stage while the process lived.
    Meant,
    /// The process became ready.
    Ready,
    /// This stage began.
    Began(Rank),
    /// A signal with this meaning went to the process.
    Sent(Rank),
    /// The kernel refused one.
    Refused(Rank),
    Exited(Exit),
    /// The command after the exit was started.
    Started,
    /// It got this signal.
    SentAfterwards(Signal),
    Ended,
    /// A webhook was accepted.
    Accepted(Slot),
    /// Its delivery began.
    Begun(Slot),
    /// Its delivery ended, and whether the receiver has it.
    Closed(Slot, bool),
    /// Deliveries for an earlier wrapper are under way, or none is.
    Recovering(bool),
    Left,
}

#[derive(Debug)]
struct Model {
    config: Config,
    facts: Vec<(Duration, Fact)>,
    /// Whether the kernel refuses signals of a stage in this step.
    refuses: bool,
}

impl Model {
    /// One step. If the kernel refuses the signal of a request, it has not happened.
    fn step(&mut self, now: Duration, input: &Input) -> Vec<Action> {
        let before = self.facts.len();
        let actions = self.happens(now, input);
        let is_request = matches!(input, Input::DrainRequest(_) | Input::AbortRequest);
        let refused = self.facts[before..]
            .iter()
            .any(|(_, fact)| matches!(fact, Fact::Refused(_)));
        if is_request && refused {
            self.facts.truncate(before);
        }
        actions
    }

    fn happens(&mut self, now: Duration, input: &Input) -> Vec<Action> {
        let mut actions = Vec::new();
        let alive = self.exited().is_none();
        match *input {
            Input::Signal(received) => {
                let Some(signal) = self.config.rewrites.apply(received) else {
                    return actions;
                };
                if received.is_stop() {
                    // The second stop signal does not wait.
                    if let Some(exit) = self.exited()
                        && (self.runs_command() || self.delivers())
                        && self.happened(|fact| fact == Fact::Stopped)
                    {
                        if self.runs_command()
                            && !self.happened(|fact| fact == Fact::SentAfterwards(Signal::KILL))
                        {
                            self.send_afterwards(now, Signal::KILL, &mut actions);
                        }
                        self.facts.push((now, Fact::Left));
                        actions.push(Action::Leave(exit));
                        return actions;
                    }
                    self.facts.push((now, Fact::Stopped));
                }
                if alive {
                    self.forward(now, signal, received, &mut actions);
                }
            }
            Input::DrainRequest(request) if alive => {
                self.facts.push((now, Fact::Requested(request)));
                self.requested(now, request, &mut actions);
            }
            Input::AbortRequest if alive => {
                self.facts.push((now, Fact::Forced));
                match self.stage() {
                    Rank::Drain if self.force_at().is_some_and(|at| at <= now) => {
                        self.force(now, SignalCause::Request, &mut actions);
                    }
                    Rank::Abort if self.may_send_again(now, Rank::Abort) => {
                        self.send_forceful(now, SignalCause::Request, &mut actions);
                    }
                    Rank::Kill if self.last_sent(Rank::Kill).is_none() => {
                        self.send(
                            now,
                            Rank::Kill,
                            Signal::KILL,
                            SignalCause::Request,
                            &mut actions,
                        );
                    }
                    Rank::Drain | Rank::Abort | Rank::Kill => {}
                }
            }
            Input::Ready if alive => {
                let waited = self.waiting_cause();
                self.facts.push((now, Fact::Ready));
                if let Some(cause) = waited {
                    self.send_graceful(now, cause, &mut actions);
                }
            }
            Input::Exited(exit) if alive => {
                self.facts.push((now, Fact::Exited(exit)));
                if self.config.after_exit.is_some() {
                    self.facts.push((now, Fact::Started));
                    actions.push(Action::RunAfterExit);
                }
            }
            Input::WebhookAccepted(slot) => self.facts.push((now, Fact::Accepted(slot))),
            Input::WebhookEnded { slot, delivered } if self.under_way(slot) => {
                self.facts.push((now, Fact::Closed(slot, delivered)));
            }
            Input::RecoveredDeliveries { under_way } => {
                self.facts.push((now, Fact::Recovering(under_way)));
            }
            Input::AfterExitEnded if self.runs_command() => self.facts.push((now, Fact::Ended)),
            Input::TimePassed => {
                let due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
                if due(self.force_at()) {
                    self.force(now, SignalCause::Deadline, &mut actions);
                }
                if actions.is_empty() && due(self.kill_at()) {
                    self.send(
                        now,
                        Rank::Kill,
                        Signal::KILL,
                        SignalCause::Deadline,
                        &mut actions,
                    );
                }
                if let Some(cause) = self.waiting_cause()
                    && due(self.config.ready_within)
                {
                    self.send_graceful(now, cause, &mut actions);
                }
                if due(self.end_at()) {
                    self.send_afterwards(now, Signal::TERM, &mut actions);
                    self.send_afterwards(now, Signal::CONT, &mut actions);
                }
                if due(self.kill_afterwards_at()) {
                    self.send_afterwards(now, Signal::KILL, &mut actions);
                }
            }
            // The process is gone, and nothing else runs.
            Input::DrainRequest(_)
            | Input::AbortRequest
            | Input::Ready
            | Input::Exited(_)
            | Input::AfterExitEnded
            | Input::WebhookEnded { .. } => {}
        }
        for slot in Slot::all().take(WEBHOOKS) {
            if self.is_due(slot) {
                self.facts.push((now, Fact::Begun(slot)));
                actions.push(Action::Deliver(slot));
            }
        }
        if let Some(exit) = self.exited()
            && !self.runs_command()
            && !self.delivers()
            && self.may_leave()
            && !self.left()
        {
            self.facts.push((now, Fact::Left));
            actions.push(Action::Leave(exit));
        }
        actions
    }

    fn forward(
        &mut self,
        now: Duration,
        signal: Signal,
        received: Signal,
        actions: &mut Vec<Action>,
    ) {
        let is_stop = signal.is_stop() || received.is_stop();
        let rank = if signal == Signal::KILL {
            Rank::Kill
        } else if signal == self.config.graceful_signal {
            Rank::Drain
        } else if is_stop || Some(signal) == self.config.forceful_signal {
            Rank::Abort
        } else {
            return actions.push(Action::ForwardSignal(signal));
        };
        self.facts.push((now, Fact::Meant));
        let has_it = self.stage() > Rank::Drain || self.last_sent(Rank::Drain).is_some();
        if rank > Rank::Drain || !has_it && self.waiting_cause().is_none() {
            self.send(now, rank, signal, SignalCause::Forwarded, actions);
        }
    }

    fn requested(&mut self, now: Duration, request: DrainRequest, actions: &mut Vec<Action>) {
        let cause = SignalCause::Request;
        if self.force_at().is_some_and(|at| at <= now) {
            return self.force(now, cause, actions);
        }
        let stage = self.stage();
        let again = request.repeat_signal && self.may_send_again(now, stage);
        if self.waiting_cause().is_some() || self.last_sent(stage).is_some() && !again {
            return;
        }
        match stage {
            Rank::Drain => self.send_graceful(now, cause, actions),
            Rank::Abort => self.send_forceful(now, cause, actions),
            Rank::Kill => self.send(now, Rank::Kill, Signal::KILL, cause, actions),
        }
    }

    /// The abort stage begins, with its signal if it has one.
    fn force(&mut self, now: Duration, cause: SignalCause, actions: &mut Vec<Action>) {
        if self.config.forceful_signal.is_none() {
            self.facts.push((now, Fact::Began(Rank::Abort)));
        }
        self.send_forceful(now, cause, actions);
    }

    fn send_forceful(&mut self, now: Duration, cause: SignalCause, actions: &mut Vec<Action>) {
        match self.config.forceful_signal {
            Some(Signal::KILL) => self.send(now, Rank::Kill, Signal::KILL, cause, actions),
            Some(signal) => self.send(now, Rank::Abort, signal, cause, actions),
            None => {}
        }
    }

    fn send_graceful(&mut self, now: Duration, cause: SignalCause, actions: &mut Vec<Action>) {
        let signal = self.config.graceful_signal;
        let kills = signal == Signal::KILL;
        let rank = if kills { Rank::Kill } else { Rank::Drain };
        self.send(now, rank, signal, cause, actions);
    }

    /// A signal goes to the process, unless the kernel refuses it; its stage begins in any case.
    fn send(
        &mut self,
        now: Duration,
        rank: Rank,
        signal: Signal,
        cause: SignalCause,
        actions: &mut Vec<Action>,
    ) {
        if rank > self.stage() {
            self.facts.push((now, Fact::Began(rank)));
        }
        let went = if self.refuses {
            Fact::Refused(rank)
        } else {
            Fact::Sent(rank)
        };
        self.facts.push((now, went));
        actions.push(Action::SendStageSignal { signal, cause });
        // A stopped process has to be continued to see the signal; KILL needs no help.
        if signal != Signal::KILL {
            actions.push(Action::ContinueProcess);
        }
    }

    /// The signal of the step that added the facts after `known` was sent at this time.
    fn is_late(&mut self, known: usize, at: Duration) {
        let mut new = self.facts.iter_mut().skip(known).rev();
        if let Some((time, Fact::Sent(_))) = new.next() {
            *time = at;
            if let Some((time, Fact::Began(_))) = new.next() {
                *time = at;
            }
        }
    }

    fn send_afterwards(&mut self, now: Duration, signal: Signal, actions: &mut Vec<Action>) {
        self.facts.push((now, Fact::SentAfterwards(signal)));
        actions.push(Action::SignalAfterExit(signal));
    }
}

/// Runs one list of inputs against both machines; returns how many actions they agreed on.
/// `origin` says where the choices come from, should they not agree.
pub(super) fn compare(rng: &mut Rng, origin: &str) -> usize {
    let config = config(rng);
    let mut machine = Lifecycle::new(config.clone());
    let mut model = Model {
        config,
        facts: Vec::new(),
        refuses: false,
    };
    let mut now = Duration::from_millis(rng.u64(..5));
    let mut count = 0;
    for _ in 0..rng.usize(5..40) {
        now = match (rng.u8(..12), machine.next_timeout()) {
            (0..4, Some(timeout)) => now.max(timeout),
            (0..4, None) => now,
            (4, _) => now.saturating_add(pick(rng, &[Duration::from_secs(9), Duration::MAX])),
            (5.., _) => now.saturating_add(Duration::from_millis(rng.u64(..10))),
        };
        let input = input(rng);
        model.refuses = rng.u8(..6) == 0;
        let known = model.facts.len();
        let expected = model.step(now, &input);
        let before = machine.clone();
        let step = machine.handle(now, input.clone());
        if model.refuses {
            machine.refused(&step);
        } else if rng.u8(..4) == 0 {
            // The driver stands still before it sends the signal.
            now = now.saturating_add(Duration::from_millis(rng.u64(..10)));
            machine.sent(&step, now);
            model.is_late(known, now);
        }
        count += step.actions.len();
        keeps_its_promises(&before, &machine, &step.actions);
        let got = (
            machine.state(),
            machine.requested(),
            (machine.exit(), machine.outcome()),
            machine.force_at(),
            machine.kill_at(),
            machine.next_timeout(),
            machine.accepts_webhooks(),
            machine.wants_ready(),
        );
        let timeouts = [
            model.force_at(),
            model.kill_at(),
            model.waiting_cause().and(model.config.ready_within),
            model.end_at(),
            model.kill_afterwards_at(),
        ];
        let wanted = (
            model.state(),
            model.asked().is_some(),
            (model.exited(), model.outcome()),
            model.force_at(),
            model.kill_at(),
            timeouts.into_iter().flatten().min(),
            model.accepts_webhooks(),
            model.wants_ready(),
        );
        assert_eq!(
            (step.actions, got),
            (expected, wanted),
            "{origin}, {input:?} at {now:?}, {model:#?}"
        );
    }
    count
}
