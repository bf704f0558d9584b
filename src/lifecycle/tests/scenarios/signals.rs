//! Signals that the wrapper receives while the process lives: what is forwarded, and what it means.

use super::super::super::State;
use super::super::rewrites;
use super::{Story, but, forwards, leaves, nothing, passes_on};
use crate::signal::Signal;

#[test]
fn every_other_signal_is_forwarded_as_it_came_and_means_nothing() {
    for signal in Signal::all() {
        let ends = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::KILL];
        if ends.contains(&signal) {
            continue;
        }
        let mut story = Story::with_defaults();
        for _ in 0..2 {
            assert_eq!(story.receives(signal.name()), passes_on(signal.name()));
            assert_eq!(story.machine.state(), State::Running, "{signal}");
        }
        assert_eq!(
            story.exits(),
            nothing(),
            "{signal} is not a reason to leave"
        );
        assert!(!story.machine.requested(), "{signal}");
    }
}

#[test]
fn the_first_stop_signal_is_forwarded_and_asks_for_the_exit() {
    for name in ["TERM", "INT", "QUIT"] {
        let mut story = Story::with_defaults();
        assert_eq!(story.receives(name), forwards(name));
        assert_eq!(story.machine.state(), State::ShuttingDown, "{name}");
        assert!(story.machine.requested(), "{name}");
    }
}

#[test]
fn stop_signals_that_are_not_the_graceful_one_are_forwarded_each_time() {
    let mut story = Story::with_defaults();
    for name in ["TERM", "TERM", "INT", "TERM"] {
        assert_eq!(story.receives(name), forwards(name));
    }
}

#[test]
fn the_graceful_signal_is_forwarded_once() {
    let mut story = Story::with_defaults();
    assert_eq!(story.receives("QUIT"), forwards("QUIT"));
    assert_eq!(story.at(60).receives("QUIT"), nothing());
    assert_eq!(story.exits(), leaves());
}

#[test]
fn the_graceful_signal_is_not_forwarded_during_an_abort() {
    // GitLab Runner would leave without cleaning up.
    let mut story = Story::of(but(|config| config.rewrites = rewrites("TERM:QUIT")));
    story.is_asked_within(Some(0), None);
    assert_eq!(story.at(1).receives("TERM"), nothing());
    assert_eq!(story.receives("QUIT"), nothing());
    assert_eq!(
        story.exits(),
        leaves(),
        "they still tell the wrapper to leave"
    );
}

#[test]
fn a_living_process_is_never_left() {
    let mut story = Story::with_defaults();
    for _ in 0..10 {
        assert_eq!(story.receives("TERM"), forwards("TERM"));
    }
    assert_eq!(story.exits(), leaves());
}

#[test]
fn after_a_request_only_another_stop_signal_is_forwarded() {
    let mut story = Story::with_defaults();
    story.is_asked();
    assert_eq!(story.receives("QUIT"), nothing(), "the process has it");
    assert_eq!(story.receives("TERM"), forwards("TERM"));
    assert_eq!(story.exits(), leaves());
}

#[test]
fn a_stop_signal_after_a_forwarded_kill_is_still_forwarded() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("HUP:KILL")));
    assert_eq!(story.receives("HUP"), forwards("KILL"));
    assert_eq!(story.receives("TERM"), forwards("TERM"));
    assert_eq!(story.exits(), leaves());
}

#[test]
fn a_rewritten_term_drains() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("TERM:QUIT")));
    assert_eq!(story.receives("TERM"), forwards("QUIT"));
    assert_eq!(story.receives("TERM"), nothing());
    assert_eq!(story.machine.state(), State::ShuttingDown);
    assert_eq!(
        story.exits(),
        leaves(),
        "TERM was received, whatever was forwarded"
    );
}

#[test]
fn an_ignored_signal_is_ignored_entirely() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("TERM:0")));
    let before = story.machine.clone();
    assert_eq!(story.receives("TERM"), nothing());
    assert_eq!(story.machine, before);
    story.exits();
    assert_eq!(story.receives("TERM"), nothing(), "not even to leave");
    assert_eq!(story.receives("INT"), leaves());
}

#[test]
fn a_stop_signal_rewritten_to_another_still_stops_the_wrapper() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("TERM:USR1")));
    assert_eq!(story.receives("TERM"), forwards("USR1"));
    assert_eq!(story.machine.state(), State::ShuttingDown);
    assert_eq!(story.exits(), leaves());
}

#[test]
fn another_signal_rewritten_to_a_stop_signal_does_not_stop_the_wrapper() {
    for (rules, sent) in [
        ("HUP:TERM", "TERM"),
        ("HUP:INT", "INT"),
        ("HUP:QUIT", "QUIT"),
    ] {
        let mut story = Story::of(but(|config| config.rewrites = rewrites(rules)));
        assert_eq!(story.receives("HUP"), forwards(sent));
        assert_eq!(story.machine.state(), State::ShuttingDown, "{rules}");
        assert_eq!(story.exits(), nothing(), "HUP was received, not {sent}");
        assert!(story.machine.requested(), "{rules}");
    }
}

#[test]
fn the_graceful_signal_asks_for_the_exit_however_it_came() {
    let usr1 = |rules: &str| {
        let rules = rewrites(rules);
        Story::of(but(|config| {
            config.graceful_signal = super::super::signal("USR1");
            config.rewrites = rules;
        }))
    };
    for (rules, received) in [("", "USR1"), ("HUP:USR1", "HUP")] {
        let mut story = usr1(rules);
        assert_eq!(story.receives(received), forwards("USR1"));
        assert_eq!(story.machine.state(), State::ShuttingDown);
        assert_eq!(story.is_asked(), nothing(), "it has been asked already");
        assert_eq!(story.exits(), nothing(), "USR1 is no stop signal");
    }
}

#[test]
fn a_forwarded_kill_asks_for_the_exit_and_needs_no_cont() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("TERM:KILL")));
    assert_eq!(story.receives("TERM"), forwards("KILL"));
    assert_eq!(story.machine.state(), State::ShuttingDown);
    assert_eq!(story.exits(), leaves());
}

#[test]
fn a_signal_sent_to_the_process_directly_is_not_a_request() {
    let mut story = Story::with_defaults();
    // All that we see of it is the exit.
    assert_eq!(story.exits(), nothing());
    assert_eq!(story.machine.state(), State::Gone);
    assert!(!story.machine.requested());
}
