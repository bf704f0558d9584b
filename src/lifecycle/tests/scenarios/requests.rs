//! Requests to drain and to abort: what they send, once, and what they never add.

use super::super::super::State;
use super::super::{EXIT, rewrites, secs, signal};
use super::{Story, but, forwards, nothing, requests};

#[test]
fn a_request_sends_the_graceful_signal_and_is_recorded_with_it() {
    for name in ["QUIT", "TERM", "INT", "USR1", "HUP"] {
        let mut story = Story::of(but(|config| config.graceful_signal = signal(name)));
        assert_eq!(story.machine.state(), State::Running);
        assert_eq!(story.is_asked(), requests(name));
        // The actions have not been performed yet, and a reader sees the new state.
        assert_eq!(story.machine.state(), State::ShuttingDown);
        assert!(story.machine.requested());
    }
}

#[test]
fn a_second_request_sends_no_second_quit() {
    let mut story = Story::with_defaults();
    assert_eq!(story.is_asked(), requests("QUIT"));
    for second in 1..4 {
        assert_eq!(story.at(second).is_asked(), nothing());
        assert_eq!(story.is_asked_within(Some(60), Some(60)), nothing());
    }
}

#[test]
fn a_request_after_a_forwarded_quit_sends_no_second_quit() {
    let mut story = Story::with_defaults();
    story.receives("QUIT");
    assert_eq!(story.is_asked(), nothing());
}

#[test]
fn a_request_after_a_term_rewritten_to_quit_sends_no_second_quit() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("TERM:QUIT")));
    story.receives("TERM");
    assert_eq!(story.is_asked(), nothing());
}

#[test]
fn a_request_during_an_abort_sends_nothing() {
    for (rules, name) in [("", "TERM"), ("", "INT"), ("TERM:USR1", "TERM")] {
        let mut story = Story::of(but(|config| config.rewrites = rewrites(rules)));
        story.receives(name);
        assert_eq!(
            story.is_asked(),
            nothing(),
            "{name} asks for more than a drain"
        );
        assert_eq!(story.at(9).is_asked_within(Some(0), None), nothing());
    }
}

#[test]
fn a_request_to_abort_sends_the_forceful_signal_alone() {
    let mut story = Story::with_defaults();
    assert_eq!(story.is_forced(), requests("TERM"));
    assert_eq!(story.machine.state(), State::ShuttingDown);
    assert!(story.machine.requested());
    assert_eq!(story.is_forced(), nothing());
    assert_eq!(story.is_asked(), nothing(), "an abort is no drain any more");
}

#[test]
fn a_request_to_abort_goes_beyond_a_drain() {
    let mut story = Story::with_defaults();
    story.is_asked();
    assert_eq!(story.at(1).is_forced(), requests("TERM"));
    assert_eq!(story.is_asked(), nothing());
}

#[test]
fn a_request_to_abort_adds_no_term_to_a_term_or_int_that_was_just_forwarded() {
    for name in ["TERM", "INT"] {
        let mut story = Story::with_defaults();
        story.receives(name);
        assert_eq!(story.is_forced(), nothing(), "after {name}");
    }
}

#[test]
fn a_request_to_abort_repeats_a_term_that_is_a_second_old() {
    let mut story = Story::with_defaults();
    assert_eq!(story.at(10).is_forced(), requests("TERM"));
    assert_eq!(story.at_ms(10_999).is_forced(), nothing());
    assert_eq!(story.at(11).is_forced(), requests("TERM"));
    assert_eq!(
        story.is_forced(),
        nothing(),
        "the repetition is young again"
    );
}

#[test]
fn a_request_adds_no_signal_to_a_forwarded_kill() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("HUP:KILL")));
    story.receives("HUP");
    assert_eq!(story.at(9).is_forced(), nothing());
    assert_eq!(story.is_asked(), nothing());
}

#[test]
fn a_term_that_is_ignored_does_not_keep_a_request_to_abort_from_sending_one() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("TERM:0")));
    story.receives("TERM");
    assert_eq!(story.is_forced(), requests("TERM"));
}

#[test]
fn an_agent_that_drains_on_term_is_aborted_by_a_second_one() {
    let mut story = Story::of(but(|config| config.graceful_signal = signal("TERM")));
    assert_eq!(story.is_asked(), requests("TERM"));
    assert_eq!(story.at(1).receives("TERM"), nothing(), "the platform's");
    assert_eq!(story.at(2).is_forced(), requests("TERM"));
    assert_eq!(story.at(3).receives("INT"), forwards("INT"));
}

#[test]
fn without_a_forceful_signal_a_request_to_abort_sends_nothing() {
    let mut story = Story::of(but(|config| {
        config.forceful_signal = None;
        config.kill_after = Some(secs(60));
    }));
    assert_eq!(story.is_forced(), nothing());
    assert_eq!(story.machine.state(), State::ShuttingDown);
    assert_eq!(story.is_asked(), nothing(), "the drain stage is over");
}

#[test]
fn a_request_after_the_exit_changes_nothing() {
    let mut story = Story::with_defaults();
    story.exits();
    let before = story.machine.clone();
    assert_eq!(story.is_asked_within(Some(0), Some(0)), nothing());
    assert_eq!(story.is_forced(), nothing());
    assert_eq!(story.time_passes(), nothing());
    assert_eq!(story.machine, before);
    assert_eq!(story.machine.exit(), Some(EXIT));
    assert!(
        !story.machine.requested(),
        "it came too late to have caused the exit"
    );
}

#[test]
fn a_request_is_no_reason_for_the_wrapper_to_leave() {
    let mut story = Story::with_defaults();
    story.is_asked();
    story.is_forced();
    assert_eq!(story.exits(), nothing());
    assert_eq!(story.machine.state(), State::Gone);
}

#[test]
fn the_exit_wins_over_a_request_at_the_same_instant() {
    let mut story = Story::with_defaults();
    assert_eq!(story.is_asked(), requests("QUIT"));
    assert_eq!(story.exits(), nothing());
    assert_eq!(story.is_asked(), nothing());
    assert_eq!(
        story.machine.state(),
        State::Gone,
        "never shutting_down again"
    );
}
