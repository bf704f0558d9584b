//! Walks every reachable state of a configuration with every input, breadth first, and asserts the
//! invariants at each step.
//!
//! Owns the walk: which configurations, inputs and instants there are, and which states were seen.
//! It never says what must hold; that is `invariants`. There is no limit to its depth: it goes on
//! until no step leads to a state that was not seen, so every order of inputs of any length is in
//! it. Time is cut into seconds from 0 to [`HORIZON`], with one instant beyond all others,
//! [`Duration::MAX`], so that arithmetic at the clock's end is walked too.

mod history;
mod invariants;

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::super::phase::Phase;
use super::super::webhooks::Webhooks;
use super::super::{
    AfterExitLimits, Config, DrainRequest, Exit, ExitWhenGone, Input, Lifecycle, Slot, Spacing,
};
use super::{EXIT, request, rewrites, secs, signal};
use crate::signal::Signal;
use history::History;

/// The last whole second that is walked; deadlines of up to two seconds fall due before it.
const HORIZON: u64 = 3;

/// A state of the walk: the machine, what has happened to it, and the time.
#[derive(Clone)]
struct Node {
    now: Duration,
    machine: Lifecycle,
    history: History,
    /// How many steps it takes at least to come here.
    depth: usize,
}

/// What a walk came to.
#[derive(Debug, Clone, Copy, Default)]
struct Walked {
    states: usize,
    steps: usize,
    /// Of the state that takes most steps.
    depth: usize,
}

impl Walked {
    fn and(self, other: Self) -> Self {
        Self {
            states: self.states + other.states,
            steps: self.steps + other.steps,
            depth: self.depth.max(other.depth),
        }
    }
}

/// Every way to go on after the exit.
fn turns() -> Vec<(ExitWhenGone, Option<AfterExitLimits>)> {
    let limits = |timeout, grace| Some(AfterExitLimits { timeout, grace });
    let mut turns = Vec::new();
    for exit_when_gone in [
        ExitWhenGone::Never,
        ExitWhenGone::Unrequested,
        ExitWhenGone::Always,
    ] {
        for after_exit in [
            None,
            limits(secs(1), secs(1)),
            limits(secs(0), Duration::MAX),
        ] {
            turns.push((exit_when_gone, after_exit));
        }
    }
    turns
}

/// Every forceful signal, with and without a wait for readiness. Their number shares no factor with
/// that of the other turns.
fn starts() -> Vec<(Option<&'static str>, Option<Duration>)> {
    let forceful = [Some("TERM"), None, Some("USR1"), Some("KILL")];
    let mut starts: Vec<_> = forceful.map(|signal| (signal, None)).into();
    starts.extend([Some("TERM"), None].map(|signal| (signal, Some(secs(1)))));
    starts.push((Some("QUIT"), Some(Duration::MAX)));
    starts
}

/// Every pair of a graceful signal and a rewrite rule, with every pair of deadlines. The other
/// options take turns over them instead of multiplying them; each of their values still meets every
/// graceful signal, every rule and every deadline.
fn configs() -> Vec<Config> {
    let mut configs = Vec::new();
    let turns = turns();
    let starts = starts();
    for graceful in ["QUIT", "TERM", "INT", "USR1"] {
        for rules in [
            "",
            "TERM:QUIT",
            "TERM:0",
            "TERM:USR1",
            "HUP:TERM",
            "TERM:KILL",
            "QUIT:TERM INT:0",
        ] {
            for force_after in [None, Some(secs(0)), Some(secs(2))] {
                for kill_after in [None, Some(secs(0)), Some(secs(2))] {
                    let nth = configs.len() + configs.len() / 9;
                    let (exit_when_gone, after_exit) = turns[nth % turns.len()];
                    let (forceful_signal, ready_within) = starts[nth % starts.len()];
                    configs.push(Config {
                        graceful_signal: signal(graceful),
                        forceful_signal: forceful_signal.map(signal),
                        force_after,
                        kill_after,
                        ready_within,
                        spacing: Spacing {
                            forceful: secs(1),
                            repeat: secs(1),
                        },
                        exit_when_gone,
                        rewrites: rewrites(rules),
                        after_exit,
                    });
                }
            }
        }
    }
    configs
}

/// All inputs but the passing of time, with this many webhooks.
fn inputs(webhooks: usize) -> Vec<Input> {
    // The stop signals, one that rules rewrite, one that is a graceful signal, one that only passes
    // through, and two that the kernel never delivers but that must do no harm if they came.
    let mut inputs: Vec<Input> = ["TERM", "INT", "QUIT", "HUP", "USR1", "WINCH", "KILL"]
        .into_iter()
        .map(|name| Input::Signal(signal(name)))
        .collect();
    let (zero, one, never) = (Some(secs(0)), Some(secs(1)), Some(Duration::MAX));
    for (force_after, kill_after) in [
        (None, None),
        (zero, None),
        (one, None),
        (None, zero),
        (None, one),
        (zero, zero),
        (never, never),
    ] {
        inputs.push(Input::DrainRequest(request(force_after, kill_after)));
    }
    for force_after in [None, zero] {
        inputs.push(Input::DrainRequest(DrainRequest {
            force_after,
            kill_after: None,
            repeat_signal: true,
        }));
    }
    for slot in Slot::all().take(webhooks) {
        inputs.push(Input::WebhookAccepted(slot));
        for delivered in [false, true] {
            inputs.push(Input::WebhookEnded { slot, delivered });
        }
    }
    if webhooks > 0 {
        for under_way in [false, true] {
            inputs.push(Input::RecoveredDeliveries { under_way });
        }
    }
    inputs.push(Input::AbortRequest);
    inputs.push(Input::Ready);
    inputs.push(Input::AfterExitEnded);
    inputs.push(Input::Exited(EXIT));
    inputs.push(Input::Exited(Exit::Signal {
        number: 9,
        core_dumped: true,
    }));
    inputs
}

/// The instants at which time may be told to pass: now, a second later, at and just beyond the next
/// timeout, and at the end of the clock.
fn instants(node: &Node) -> Vec<Duration> {
    let mut instants = vec![node.now, node.now.saturating_add(secs(1)), Duration::MAX];
    if let Some(timeout) = node.machine.next_timeout() {
        instants.push(timeout.max(node.now));
        instants.push(timeout.max(node.now).saturating_add(secs(1)));
    }
    instants.retain(|instant| *instant <= secs(HORIZON) || *instant == Duration::MAX);
    instants.sort_unstable();
    instants.dedup();
    instants
}

/// Walks one configuration until there is nothing new.
fn walk(config: &Config, inputs: &[Input]) -> Walked {
    let start = Node {
        now: Duration::ZERO,
        machine: Lifecycle::new(config.clone()),
        history: History::default(),
        depth: 0,
    };
    let mut seen: HashSet<(Duration, Phase, Webhooks, History)> = HashSet::new();
    let mut queue = VecDeque::from([start]);
    let (mut steps, mut deepest) = (0, 0);
    while let Some(node) = queue.pop_front() {
        let depth = node.depth;
        deepest = deepest.max(depth);
        let at_once = inputs.iter().map(|input| (node.now, input.clone()));
        let later = instants(&node)
            .into_iter()
            .map(|instant| (instant, Input::TimePassed));
        for (now, input) in at_once.chain(later) {
            let mut machine = node.machine.clone();
            let transition = machine.handle(now, input.clone());
            let mut ends = vec![(machine.clone(), false)];
            if transition
                .actions
                .iter()
                .any(|action| history::sent(action).is_some())
            {
                machine.refused(&transition);
                ends.push((machine, true));
            }
            for (machine, refused) in ends {
                steps += 1;
                let step = invariants::Step {
                    config,
                    now,
                    input: &input,
                    before: &node.machine,
                    after: &machine,
                    actions: &transition.actions,
                    refused,
                    history: &node.history,
                };
                step.assert_all();
                let mut history = node.history.clone();
                history.record(config, now, &input, step.actions, refused);
                let Lifecycle {
                    phase, webhooks, ..
                } = machine.clone();
                if seen.insert((now, phase, webhooks, history.clone())) {
                    queue.push_back(Node {
                        now,
                        machine,
                        history,
                        depth: depth + 1,
                    });
                }
            }
        }
    }
    Walked {
        states: seen.len(),
        steps,
        depth: deepest,
    }
}

/// Walking all configurations takes minutes: `.ci/long walk` does it. The suite walks a sample,
/// spaced by a number that shares no factor with the numbers of options.
fn stride() -> usize {
    match std::env::var_os("PROCESS_WRAPPER_WALK_ALL") {
        Some(_) => 1,
        None => 23,
    }
}

#[test]
fn every_reachable_state_and_input_keeps_the_invariants() {
    let configs = configs();
    assert_eq!(configs.len(), 4 * 7 * 9);
    let configs: Vec<Config> = configs.into_iter().step_by(stride()).collect();
    // Each configuration stands alone, so they are walked side by side.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let chunk = configs.len().div_ceil(threads);
    let walked = std::thread::scope(|scope| {
        let walkers: Vec<_> = configs
            .chunks(chunk)
            .map(|chunk| {
                scope.spawn(move || {
                    // What happens to webhooks depends on few options: a part of all meets them.
                    let (without, with) = (inputs(0), inputs(1));
                    let turns = [&with, &without, &without, &without].into_iter().cycle();
                    let walked = chunk.iter().zip(turns);
                    let walked = walked.map(|(config, inputs)| walk(config, inputs));
                    walked.collect::<Vec<_>>()
                })
            })
            .collect();
        walkers
            .into_iter()
            .flat_map(|walker| walker.join().unwrap())
            .fold(Walked::default(), |all, walked| {
                // A walk that ends at once would assert next to nothing.
                assert!(walked.states > 100, "a configuration has only {walked:?}");
                all.and(walked)
            })
    });
    // For docs/reliability.md, with `--nocapture`.
    #[allow(clippy::print_stdout, reason = "the result of the walk")]
    {
        println!("{} configurations: {walked:?}", configs.len());
    }
    assert!(
        walked.states > 1_000 && walked.steps > 30_000 && walked.depth >= 9,
        "{walked:?}"
    );
}

#[test]
fn several_webhooks_do_not_hinder_each_other() {
    let configs = turns()
        .into_iter()
        .map(|(exit_when_gone, after_exit)| Config {
            exit_when_gone,
            after_exit,
            ..Config::default()
        });
    // The other inputs have met a single webhook already.
    let mut inputs = inputs(2);
    inputs.retain(|input| match input {
        Input::DrainRequest(other) => *other == request(None, None),
        Input::Signal(other) => *other == signal("TERM"),
        Input::AbortRequest | Input::Ready => false,
        Input::WebhookAccepted(_)
        | Input::WebhookEnded { .. }
        | Input::RecoveredDeliveries { .. }
        | Input::Exited(_)
        | Input::AfterExitEnded
        | Input::TimePassed => true,
    });
    let walked = configs
        .map(|config| walk(&config, &inputs))
        .fold(Walked::default(), Walked::and);
    assert!(walked.states > 1_000 && walked.steps > 30_000, "{walked:?}");
}

#[test]
fn every_way_to_go_on_after_the_exit_meets_every_other_option() {
    let configs = configs();
    for turn in turns() {
        let of_turn: Vec<&Config> = configs
            .iter()
            .filter(|config| (config.exit_when_gone, config.after_exit) == turn)
            .collect();
        for other in &configs {
            assert!(of_turn.iter().any(|config| {
                config.graceful_signal == other.graceful_signal && config.rewrites == other.rewrites
            }));
            assert!(of_turn.iter().any(|config| {
                config.force_after == other.force_after && config.kill_after == other.kill_after
            }));
        }
    }
    assert!(
        configs
            .iter()
            .any(|config| config.graceful_signal == Signal::INT)
    );
}
