//! A second machine, made of history alone, that predicts what the first one does.
//!
//! Owns a list of what happened, each with its time, and derives every answer from the whole list anew,
//! by the words of the semantics. It never shares code with the machine it checks, and it never forgets.
//! The fuzzer runs this file too, on its own choices: everything it names comes through `super`.

use std::time::Duration;

use super::{
    Action, AfterExit, Config, Deadlines, Exit, ExitWhenGone, Input, Lifecycle, Rng, Signal, State,
};
use super::{deadlines, rewrites, signal};

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
                    if self.owes() && self.happened(|fact| fact == Fact::Stopped) {
                        if !self.happened(|fact| fact == Fact::SentAfterwards(Signal::KILL)) {
                            self.send_afterwards(now, Signal::KILL, &mut actions);
                        }
                        self.facts.push((now, Fact::Ended));
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
            | Input::AfterExitEnded => {}
        }
        if let Some(exit) = self.exited()
            && !self.owes()
            && self.may_leave()
            && !self.happened(|fact| fact == Fact::Left)
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
        self.when(Fact::Started).is_some() && self.when(Fact::Ended).is_none()
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

fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

/// Durations that collide often, and those at the end of the clock.
fn duration(rng: &mut Rng) -> Option<Duration> {
    match rng.u8(..10) {
        0..4 => None,
        4 => Some(Duration::ZERO),
        5 => Some(Duration::MAX),
        6 => Some(Duration::MAX - Duration::from_millis(rng.u64(..50))),
        _ => Some(Duration::from_millis(rng.u64(..50))),
    }
}

fn any_signal(rng: &mut Rng) -> Signal {
    if rng.bool() {
        // The signals that the semantics name.
        signal(pick(rng, &["TERM", "INT", "QUIT", "HUP", "USR1", "KILL"]))
    } else {
        Signal::from_number(rng.i32(1..=31)).unwrap()
    }
}

fn config(rng: &mut Rng) -> Config {
    let rule = |rng: &mut Rng| {
        let from = pick(rng, &["TERM", "INT", "QUIT", "HUP", "USR1"]);
        let to = pick(rng, &["0", "TERM", "INT", "QUIT", "USR1", "KILL", "WINCH"]);
        format!("{from}:{to} ")
    };
    let rules: String = (0..rng.usize(..4)).map(|_| rule(rng)).collect();
    Config {
        graceful_signal: signal(pick(rng, &["QUIT", "QUIT", "TERM", "INT", "USR1", "KILL"])),
        force_after: duration(rng),
        kill_after: duration(rng),
        exit_when_gone: pick(
            rng,
            &[
                ExitWhenGone::Never,
                ExitWhenGone::Unrequested,
                ExitWhenGone::Always,
            ],
        ),
        rewrites: rewrites(&rules),
        after_exit: rng.bool().then(|| AfterExit {
            timeout: duration(rng).unwrap_or(Duration::from_millis(9)),
            grace: duration(rng).unwrap_or(Duration::from_millis(9)),
        }),
    }
}

fn input(rng: &mut Rng) -> Input {
    match rng.u8(..20) {
        0..5 => Input::GracefulRequest(deadlines(duration(rng), duration(rng))),
        5..7 => Input::ForcefulRequest,
        7..12 => Input::Signal(any_signal(rng)),
        12 => Input::AfterExitEnded,
        13 => Input::Exited(match rng.bool() {
            true => Exit::Code(rng.u8(..)),
            false => Exit::Signal {
                number: rng.u8(1..65),
                core_dumped: rng.bool(),
            },
        }),
        _ => Input::TimePassed,
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
        );
        assert_eq!(
            (actions, got),
            (expected, wanted),
            "{origin}, {input:?} at {now:?}, {model:#?}"
        );
    }
    count
}

/// What needs no history to be wrong.
fn keeps_its_promises(before: &Lifecycle, after: &Lifecycle, actions: &[Action]) {
    assert!(
        before.state() <= after.state(),
        "the state only moves forward"
    );
    assert!(
        before.exit().is_none() || before.exit() == after.exit(),
        "a process exits once"
    );
    for action in actions {
        match action {
            Action::SignalProcess(_) => assert!(
                after.exit().is_none(),
                "no signal is sent after the exit: {before:?}"
            ),
            Action::Leave(exit) => assert_eq!(
                Some(*exit),
                after.exit(),
                "the wrapper leaves after the exit only: {before:?}"
            ),
            Action::RunAfterExit | Action::SignalAfterExit(_) => assert!(
                after.exit().is_some(),
                "nothing runs after the exit before it: {before:?}"
            ),
        }
    }
    for (before, after) in [
        (before.force_at(), after.force_at()),
        (before.kill_at(), after.kill_at()),
    ] {
        if let (Some(before), Some(after)) = (before, after) {
            assert!(after <= before, "a deadline is never extended");
        }
    }
}
