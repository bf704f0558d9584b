//! A second machine, made of history alone, that predicts what the first one does.
//!
//! Owns a list of what happened, each with its time, and derives every answer from the whole list anew,
//! by the words of the semantics. It never shares code with the machine it checks, and it never forgets.
//! The fuzzer runs this file too, on its own choices: everything it names comes through `super`.

// By its path, because the fuzzer includes this file by its own.
#[path = "model/choices.rs"]
mod choices;
#[path = "model/promises.rs"]
mod promises;

use std::time::Duration;

use super::{
    Action, Config, Deadlines, Exit, ExitWhenGone, Input, Lifecycle, Rng, Signal, Slot, State,
};
use choices::{config, input, pick};
use promises::keeps_its_promises;

/// How many webhooks there are.
const WEBHOOKS: usize = 3;

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fact {
    /// Somebody asked for a drain while the process lived.
    Requested(Deadlines),
    /// Somebody asked for TERM while the process lived.
    Forced,
    /// The wrapper received a stop signal and did not ignore it.
    Stopped,
    /// A signal went to the process, from whomever.
    Sent(Signal),
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
    Left,
}

#[derive(Debug)]
struct Model {
    config: Config,
    facts: Vec<(Duration, Fact)>,
}

impl Model {
    fn step(&mut self, now: Duration, input: &Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match *input {
            Input::Signal(received) => {
                let Some(signal) = self.config.rewrites.apply(received) else {
                    return actions;
                };
                let alive = self.exited().is_none();
                if received.is_stop() {
                    // Whoever says it twice does not want to wait.
                    if let Some(exit) = self.exited()
                        && (self.owes() || self.delivers())
                        && self.happened(|fact| fact == Fact::Stopped)
                    {
                        if self.owes()
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
                    self.send(now, signal, received.is_stop(), &mut actions);
                }
            }
            Input::GracefulRequest(deadlines) if self.exited().is_none() => {
                self.facts.push((now, Fact::Requested(deadlines)));
                let graceful = self.config.graceful_signal;
                if !self.is_ending() && self.first_sent(&[graceful]).is_none() {
                    self.send(now, graceful, true, &mut actions);
                }
            }
            Input::ForcefulRequest if self.exited().is_none() => {
                self.facts.push((now, Fact::Forced));
                if !self.is_ending() {
                    self.send(now, Signal::TERM, true, &mut actions);
                }
            }
            Input::Exited(exit) if self.exited().is_none() => {
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
            Input::AfterExitEnded if self.owes() => self.facts.push((now, Fact::Ended)),
            Input::TimePassed => {
                if self.force_at().is_some_and(|at| at <= now) {
                    self.send(now, Signal::TERM, true, &mut actions);
                }
                if self.kill_at().is_some_and(|at| at <= now) {
                    self.send(now, Signal::KILL, true, &mut actions);
                }
                if self.end_at().is_some_and(|at| at <= now) {
                    self.send_afterwards(now, Signal::TERM, &mut actions);
                    self.send_afterwards(now, Signal::CONT, &mut actions);
                }
                if self.kill_afterwards_at().is_some_and(|at| at <= now) {
                    self.send_afterwards(now, Signal::KILL, &mut actions);
                }
            }
            // Nobody is left to ask, it exits once, and nothing else runs.
            Input::GracefulRequest(_)
            | Input::ForcefulRequest
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
            && !self.owes()
            && !self.delivers()
            && self.may_leave()
            && !self.left()
        {
            self.facts.push((now, Fact::Left));
            actions.push(Action::Leave(exit));
        }
        actions
    }

    fn send(&mut self, now: Duration, signal: Signal, asks: bool, actions: &mut Vec<Action>) {
        self.facts.push((now, Fact::Sent(signal)));
        actions.push(Action::SignalProcess(signal));
        // A stopped process has to be continued to see what it is asked; KILL needs no help.
        let asks =
            asks || [Signal::TERM, Signal::INT, self.config.graceful_signal].contains(&signal);
        if asks && signal != Signal::KILL {
            actions.push(Action::SignalProcess(Signal::CONT));
        }
    }

    fn send_afterwards(&mut self, now: Duration, signal: Signal, actions: &mut Vec<Action>) {
        self.facts.push((now, Fact::SentAfterwards(signal)));
        actions.push(Action::SignalAfterExit(signal));
    }

    fn when(&self, what: Fact) -> Option<Duration> {
        let found = self.facts.iter().find(|(_, fact)| *fact == what);
        found.map(|(at, _)| *at)
    }

    /// The command after the exit was started and has not ended.
    fn owes(&self) -> bool {
        self.when(Fact::Started).is_some() && self.when(Fact::Ended).is_none() && !self.left()
    }

    fn left(&self) -> bool {
        self.happened(|fact| fact == Fact::Left)
    }

    /// How often something happened to a webhook.
    fn count(&self, what: impl Fn(Fact) -> bool) -> usize {
        self.facts.iter().filter(|(_, fact)| what(*fact)).count()
    }

    /// A delivery was begun and has not ended.
    fn under_way(&self, slot: Slot) -> bool {
        let begun = self.count(|fact| fact == Fact::Begun(slot));
        let closed = self.count(|fact| matches!(fact, Fact::Closed(closed, _) if closed == slot));
        begun > closed && !self.left()
    }

    fn delivers(&self) -> bool {
        Slot::all().any(|slot| self.under_way(slot))
    }

    /// A webhook was accepted since its last delivery ended, never delivered, and its time has come.
    fn is_due(&self, slot: Slot) -> bool {
        let since = self.facts.iter().rposition(|(_, fact)| {
            *fact == Fact::Begun(slot) || matches!(fact, Fact::Closed(closed, _) if *closed == slot)
        });
        let news = self.facts.get(since.map_or(0, |index| index + 1)..);
        let accepted =
            news.is_some_and(|news| news.iter().any(|(_, fact)| *fact == Fact::Accepted(slot)));
        let delivered = self.happened(|fact| fact == Fact::Closed(slot, true));
        let closed = !self.under_way(slot) && !delivered;
        accepted && closed && self.exited().is_some() && !self.owes() && !self.left()
    }

    fn accepts_webhooks(&self) -> bool {
        let stopped = self.happened(|fact| fact == Fact::Stopped);
        !(self.left() || stopped && self.delivers())
    }

    /// When the command is told to end.
    fn end_at(&self) -> Option<Duration> {
        let term = self.when(Fact::SentAfterwards(Signal::TERM));
        let limits = self
            .config
            .after_exit
            .filter(|_| self.owes() && term.is_none())?;
        self.when(Fact::Started)?.checked_add(limits.timeout)
    }

    /// When the command is killed.
    fn kill_afterwards_at(&self) -> Option<Duration> {
        let kill = self.when(Fact::SentAfterwards(Signal::KILL));
        let limits = self
            .config
            .after_exit
            .filter(|_| self.owes() && kill.is_none())?;
        let term = self.when(Fact::SentAfterwards(Signal::TERM))?;
        term.checked_add(limits.grace)
    }

    fn happened(&self, what: impl Fn(Fact) -> bool) -> bool {
        self.facts.iter().any(|(_, fact)| what(*fact))
    }

    fn first_sent(&self, signals: &[Signal]) -> Option<Duration> {
        self.facts.iter().find_map(|(at, fact)| match fact {
            Fact::Sent(signal) if signals.contains(signal) => Some(*at),
            Fact::Requested(_)
            | Fact::Forced
            | Fact::Stopped
            | Fact::Sent(_)
            | Fact::Exited(_)
            | Fact::Started
            | Fact::SentAfterwards(_)
            | Fact::Ended
            | Fact::Accepted(_)
            | Fact::Begun(_)
            | Fact::Closed(..)
            | Fact::Left => None,
        })
    }

    fn exited(&self) -> Option<Exit> {
        self.facts.iter().find_map(|(_, fact)| match fact {
            Fact::Exited(exit) => Some(*exit),
            Fact::Requested(_)
            | Fact::Forced
            | Fact::Stopped
            | Fact::Sent(_)
            | Fact::Started
            | Fact::SentAfterwards(_)
            | Fact::Ended
            | Fact::Accepted(_)
            | Fact::Begun(_)
            | Fact::Closed(..)
            | Fact::Left => None,
        })
    }

    /// TERM or INT is on its way, or nothing more can be sent at all.
    fn is_ending(&self) -> bool {
        self.first_sent(&[Signal::TERM, Signal::INT, Signal::KILL])
            .is_some()
    }

    /// When somebody first asked the living process to stop.
    fn asked_at(&self) -> Option<Duration> {
        let asking = [
            self.config.graceful_signal,
            Signal::TERM,
            Signal::INT,
            Signal::KILL,
        ];
        self.facts
            .iter()
            .take_while(|(_, fact)| !matches!(fact, Fact::Exited(_)))
            .find(|(_, fact)| match fact {
                Fact::Requested(_) | Fact::Forced | Fact::Stopped => true,
                Fact::Sent(signal) => asking.contains(signal),
                Fact::Exited(_)
                | Fact::Started
                | Fact::SentAfterwards(_)
                | Fact::Ended
                | Fact::Accepted(_)
                | Fact::Begun(_)
                | Fact::Closed(..)
                | Fact::Left => false,
            })
            .map(|(at, _)| *at)
    }

    fn state(&self) -> State {
        if self.exited().is_some() {
            State::Gone
        } else if self.asked_at().is_some() {
            State::ShuttingDown
        } else {
            State::Running
        }
    }

    fn requests(&self) -> impl Iterator<Item = (Duration, Deadlines)> {
        self.facts.iter().filter_map(|(at, fact)| match fact {
            Fact::Requested(deadlines) => Some((*at, *deadlines)),
            Fact::Forced
            | Fact::Stopped
            | Fact::Sent(_)
            | Fact::Exited(_)
            | Fact::Started
            | Fact::SentAfterwards(_)
            | Fact::Ended
            | Fact::Accepted(_)
            | Fact::Begun(_)
            | Fact::Closed(..)
            | Fact::Left => None,
        })
    }

    /// The earliest of the option, counted from when it was first asked, and every request.
    fn force_at(&self) -> Option<Duration> {
        if self.is_ending() || self.exited().is_some() {
            return None;
        }
        let option = self.asked_at().zip(self.config.force_after);
        let requests = self
            .requests()
            .filter_map(|(at, deadlines)| Some((at, deadlines.force_after?)));
        option
            .into_iter()
            .chain(requests)
            .filter_map(|(at, after)| at.checked_add(after))
            .min()
    }

    /// The shortest of the option and every request, counted from the first TERM or INT.
    fn kill_at(&self) -> Option<Duration> {
        if self.first_sent(&[Signal::KILL]).is_some() || self.exited().is_some() {
            return None;
        }
        let since = self.first_sent(&[Signal::TERM, Signal::INT])?;
        let after = self
            .requests()
            .filter_map(|(_, deadlines)| deadlines.kill_after)
            .chain(self.config.kill_after)
            .min()?;
        since.checked_add(after)
    }

    fn may_leave(&self) -> bool {
        let by_itself = match self.config.exit_when_gone {
            ExitWhenGone::Never => false,
            ExitWhenGone::Unrequested => self.asked_at().is_none(),
            ExitWhenGone::Always => true,
        };
        by_itself || self.happened(|fact| fact == Fact::Stopped)
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
        let expected = model.step(now, &input);
        let before = machine.clone();
        let actions = machine.handle(now, input.clone());
        count += actions.len();
        keeps_its_promises(&before, &machine, &actions);
        let got = (
            machine.state(),
            machine.requested(),
            machine.exit(),
            machine.force_at(),
            machine.kill_at(),
            machine.next_timeout(),
            machine.accepts_webhooks(),
        );
        let wanted = (
            model.state(),
            model.asked_at().is_some(),
            model.exited(),
            model.force_at(),
            model.kill_at(),
            [
                model.force_at(),
                model.kill_at(),
                model.end_at(),
                model.kill_afterwards_at(),
            ]
            .into_iter()
            .flatten()
            .min(),
            model.accepts_webhooks(),
        );
        assert_eq!(
            (actions, got),
            (expected, wanted),
            "{origin}, {input:?} at {now:?}, {model:#?}"
        );
    }
    count
}
