//! Graceful and forceful requests: what they send, once, and what they never add.

use super::super::super::State;
use super::super::{EXIT, rewrites, signal};
use super::{Story, but, nothing, sends};

#[test]
fn a_request_sends_the_graceful_signal_and_is_recorded_with_it() {
    for name in ["QUIT", "TERM", "INT", "USR1", "HUP"] {
        let mut story = Story::of(but(|config| config.graceful_signal = signal(name)));
        assert_eq!(story.machine.state(), State::Running);
        assert_eq!(story.is_asked(), sends(&format!("{name} CONT")));
        // The actions have not been performed yet, and whoever reads sees the new state.
        assert_eq!(story.machine.state(), State::ShuttingDown);
        assert!(story.machine.requested());
    }
}

#[test]
fn second_request_sends_no_second_quit() {
    let mut story = Story::with_defaults();
    assert_eq!(story.is_asked(), sends("QUIT CONT"));
    for _ in 0..3 {
        assert_eq!(story.is_asked(), nothing());
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
fn a_request_after_a_stop_signal_rewritten_to_another_sends_the_first_quit() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("TERM:USR1")));
    story.receives("TERM");
    assert_eq!(story.is_asked(), sends("QUIT CONT"));
    assert_eq!(story.is_asked(), nothing());
}

#[test]
fn a_quit_is_remembered_across_other_stop_signals() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("TERM:USR1")));
    story.receives("QUIT");
    story.receives("TERM");
    assert_eq!(story.is_asked(), nothing());
}

#[test]
fn a_request_after_term_sends_nothing() {
    for name in ["TERM", "INT"] {
        let mut story = Story::with_defaults();
        story.receives(name);
        assert_eq!(
            story.is_asked(),
            nothing(),
            "{name} asks for more than a drain"
        );
    }
}

#[test]
fn a_drain_by_term_adds_no_term_to_a_forwarded_term_or_int() {
    for name in ["TERM", "INT"] {
        let mut story = Story::of(but(|config| config.graceful_signal = signal("TERM")));
        story.receives(name);
        assert_eq!(story.is_asked(), nothing(), "after {name}");
    }
}

#[test]
fn forceful_request_sends_one_term() {
    let mut story = Story::with_defaults();
    assert_eq!(story.is_forced(), sends("TERM CONT"));
    assert_eq!(story.machine.state(), State::ShuttingDown);
    assert!(story.machine.requested());
    assert_eq!(story.is_forced(), nothing());
}

#[test]
fn a_forceful_request_goes_beyond_a_drain() {
    let mut story = Story::with_defaults();
    story.is_asked();
    assert_eq!(story.is_forced(), sends("TERM CONT"));
    assert_eq!(story.is_asked(), nothing());
}

#[test]
fn a_forceful_request_adds_no_term_to_a_forwarded_term_or_int() {
    for name in ["TERM", "INT"] {
        let mut story = Story::with_defaults();
        story.receives(name);
        assert_eq!(story.is_forced(), nothing(), "after {name}");
    }
}

#[test]
fn a_forceful_request_adds_no_term_to_a_forwarded_kill() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("HUP:KILL")));
    story.receives("HUP");
    assert_eq!(story.is_forced(), nothing());
    assert_eq!(story.is_asked(), nothing());
}

#[test]
fn a_term_that_is_ignored_does_not_keep_a_forceful_request_from_sending_one() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("TERM:0")));
    story.receives("TERM");
    assert_eq!(story.is_forced(), sends("TERM CONT"));
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
    assert_eq!(story.is_asked(), sends("QUIT CONT"));
    assert_eq!(story.exits(), nothing());
    assert_eq!(story.is_asked(), nothing());
    assert_eq!(
        story.machine.state(),
        State::Gone,
        "never shutting_down again"
    );
}
