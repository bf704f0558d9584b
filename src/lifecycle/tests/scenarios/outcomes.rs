//! How the shutdown went: drained, failed, aborted, killed or unasked.

use super::super::super::{Config, Exit, Input, Outcome};
use super::super::{rewrites, secs, signal};
use super::{Story, but};

const DONE: Exit = Exit::Code(0);

const KILLED: Exit = Exit::Signal {
    number: 9,
    core_dumped: false,
};

fn outcome(mut story: Story, exit: Exit) -> Outcome {
    assert_eq!(story.machine.outcome(), None, "it has not ended");
    story.input(Input::Exited(exit));
    story.machine.outcome().unwrap()
}

fn limits(config: &mut Config) {
    config.force_after = Some(secs(1));
    config.kill_after = Some(secs(1));
}

#[test]
fn a_drain_that_exits_with_0_is_drained_and_any_other_end_is_failed() {
    for (exit, expected) in [
        (DONE, Outcome::Drained),
        (Exit::Code(2), Outcome::Failed),
        (KILLED, Outcome::Failed),
    ] {
        let mut story = Story::with_defaults();
        story.is_asked();
        assert_eq!(outcome(story, exit), expected, "{exit}");
        let mut forwarded = Story::with_defaults();
        forwarded.receives("QUIT");
        assert_eq!(outcome(forwarded, exit), expected, "{exit}");
    }
}

#[test]
fn a_drain_by_term_is_a_drain() {
    let mut story = Story::of(but(|config| config.graceful_signal = signal("TERM")));
    story.is_asked();
    story.receives("TERM");
    assert_eq!(outcome(story, DONE), Outcome::Drained);
}

#[test]
fn an_end_without_a_request_is_unasked() {
    for exit in [DONE, Exit::Code(1), KILLED] {
        let mut story = Story::with_defaults();
        story.receives("HUP");
        assert_eq!(outcome(story, exit), Outcome::Unasked);
    }
}

#[test]
fn exit_code_0_after_a_forceful_or_stop_signal_is_aborted() {
    let mut requested = Story::with_defaults();
    requested.is_forced();
    assert_eq!(outcome(requested, DONE), Outcome::Aborted);
    let mut deadline = Story::of(but(limits));
    deadline.is_asked();
    deadline.at(1).time_passes();
    assert_eq!(outcome(deadline, DONE), Outcome::Aborted);
    for (rules, name) in [
        ("", "INT"),
        ("", "TERM"),
        ("TERM:USR1", "TERM"),
        ("HUP:INT", "HUP"),
    ] {
        let mut forwarded = Story::of(but(|config| config.rewrites = rewrites(rules)));
        forwarded.receives(name);
        assert_eq!(outcome(forwarded, DONE), Outcome::Aborted, "{rules} {name}");
    }
}

#[test]
fn a_kill_by_the_wrapper_is_killed_however_the_process_ends() {
    let mut deadline = Story::of(but(limits));
    deadline.is_asked();
    deadline.at(1).time_passes();
    deadline.at(2).time_passes();
    assert_eq!(outcome(deadline, DONE), Outcome::Killed);
    let mut forwarded = Story::of(but(|config| config.rewrites = rewrites("TERM:KILL")));
    forwarded.receives("TERM");
    assert_eq!(outcome(forwarded, KILLED), Outcome::Killed);
}

#[test]
fn an_abort_stage_without_a_signal_is_not_an_abort() {
    let silent = || {
        Story::of(but(|config| {
            limits(config);
            config.forceful_signal = None;
        }))
    };
    let mut drained = silent();
    drained.is_asked();
    drained.at(1).time_passes();
    assert_eq!(outcome(drained, DONE), Outcome::Drained);
    let mut killed = silent();
    killed.is_asked();
    killed.at(1).time_passes();
    killed.at(2).time_passes();
    assert_eq!(outcome(killed, KILLED), Outcome::Killed);
}
