//! `repeat_signal`: the one way to send the signal of a stage again.

use super::super::super::{DrainRequest, Input};
use super::super::{rewrites, secs};
use super::{Story, but, escalates, nothing, requests};

#[test]
fn a_running_process_is_asked_as_by_any_request() {
    let mut story = Story::with_defaults();
    assert_eq!(story.is_asked_again(), requests("QUIT"));
}

#[test]
fn a_drain_gets_the_graceful_signal_again_after_a_second() {
    let mut story = Story::with_defaults();
    story.at(10).is_asked();
    assert_eq!(story.at_ms(10_999).is_asked_again(), nothing());
    assert_eq!(story.at(11).is_asked_again(), requests("QUIT"));
    assert_eq!(story.is_asked_again(), nothing(), "it is young again");
    assert_eq!(
        story.is_asked(),
        nothing(),
        "a plain request repeats nothing"
    );
    assert_eq!(story.at(12).is_asked_again(), requests("QUIT"));
}

#[test]
fn an_abort_gets_the_forceful_signal_again() {
    for begun_by in ["TERM", "INT"] {
        let mut story = Story::with_defaults();
        story.receives(begun_by);
        assert_eq!(story.is_asked_again(), nothing());
        assert_eq!(story.at(1).is_asked_again(), requests("TERM"));
    }
}

#[test]
fn a_kill_is_repeated_too() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("HUP:KILL")));
    story.receives("HUP");
    assert_eq!(story.at(1).is_asked_again(), requests("KILL"));
}

#[test]
fn a_repetition_that_begins_the_abort_sends_the_forceful_signal_once() {
    let mut story = Story::with_defaults();
    story.is_asked();
    let forced_again = Input::DrainRequest(DrainRequest {
        force_after: Some(secs(0)),
        kill_after: None,
        repeat_signal: true,
    });
    assert_eq!(story.at(5).input(forced_again.clone()), requests("TERM"));
    assert_eq!(story.input(forced_again.clone()), nothing());
    assert_eq!(story.at(6).input(forced_again), requests("TERM"));
}

#[test]
fn a_repetition_extends_no_deadline_beyond_the_spacing() {
    let mut story = Story::with_defaults();
    story.is_asked_within(Some(5), None);
    assert_eq!(story.at_ms(4_990).is_asked_again(), requests("QUIT"));
    assert_eq!(story.at(5).time_passes(), nothing());
    assert_eq!(story.at_ms(5_240).time_passes(), escalates("TERM"));
    story.at(9).is_asked_within(None, Some(10));
    let kill_at = story.machine.kill_at();
    assert_eq!(story.is_asked_again(), requests("TERM"));
    assert_eq!(story.machine.kill_at(), kill_at);
}

#[test]
fn without_a_forceful_signal_an_abort_has_nothing_to_repeat() {
    let mut story = Story::of(but(|config| {
        config.forceful_signal = None;
        config.kill_after = Some(secs(60));
    }));
    story.is_forced();
    assert_eq!(story.at(9).is_asked_again(), nothing());
}
