//! The time between the graceful and the forceful signal: a Go program drops the second of a pair.

use std::time::Duration;

use super::super::super::{DrainRequest, Input};
use super::super::rewrites;
use super::{Story, but, escalates, forwards, nothing, requests};

#[test]
fn an_immediate_abort_of_a_running_process_sends_the_forceful_signal_alone() {
    let mut story = Story::with_defaults();
    assert_eq!(story.is_asked_within(Some(0), None), requests("TERM"));
    assert_eq!(story.machine.next_timeout(), None);
    let mut option = Story::of(but(|config| config.force_after = Some(Duration::ZERO)));
    assert_eq!(option.is_asked(), requests("TERM"));
}

#[test]
fn a_deadline_right_after_the_graceful_signal_waits() {
    let mut story = Story::with_defaults();
    story.input(Input::DrainRequest(DrainRequest {
        force_after: Some(Duration::from_millis(1)),
        ..DrainRequest::default()
    }));
    let due = Duration::from_millis(250);
    assert_eq!(story.machine.force_at(), Some(due));
    assert_eq!(story.at_ms(249).time_passes(), nothing());
    assert_eq!(story.at_ms(250).time_passes(), escalates("TERM"));
}

#[test]
fn a_deadline_right_after_a_forwarded_quit_waits_too() {
    let mut story = Story::of(but(|config| config.force_after = Some(Duration::ZERO)));
    assert_eq!(story.receives("QUIT"), forwards("QUIT"));
    assert_eq!(story.time_passes(), nothing());
    assert_eq!(story.at_ms(250).time_passes(), escalates("TERM"));
}

#[test]
fn a_request_to_abort_right_after_the_graceful_signal_is_held() {
    let immediate = Input::DrainRequest(DrainRequest {
        force_after: Some(Duration::ZERO),
        ..DrainRequest::default()
    });
    for input in [Input::AbortRequest, immediate] {
        let mut story = Story::with_defaults();
        assert_eq!(story.machine.held_until(story.now, &input), None);
        story.at(1).is_asked();
        let until = Some(Duration::from_millis(1250));
        assert_eq!(story.machine.held_until(story.now, &input), until);
        story.at_ms(1249);
        assert_eq!(story.machine.held_until(story.now, &input), until);
        story.at_ms(1250);
        assert_eq!(story.machine.held_until(story.now, &input), None);
        assert_eq!(story.input(input), requests("TERM"));
    }
}

#[test]
fn other_requests_are_not_held() {
    let mut story = Story::with_defaults();
    story.is_asked();
    let plain = Input::DrainRequest(DrainRequest::default());
    assert_eq!(story.machine.held_until(story.now, &plain), None);
    story.exits();
    assert_eq!(
        story.machine.held_until(story.now, &Input::AbortRequest),
        None
    );
    let mut silent = Story::of(but(|config| config.forceful_signal = None));
    silent.is_asked();
    assert_eq!(
        silent.machine.held_until(silent.now, &Input::AbortRequest),
        None,
        "no signal can be lost"
    );
}

#[test]
fn a_signal_that_is_sent_late_delays_the_next_one() {
    let config = but(|config| {
        config.force_after = Some(Duration::from_millis(100));
        config.kill_after = Some(Duration::from_secs(1));
    });
    let mut story = Story::of(config);
    // The wrapper stands still between the step and the system call, as with SIGSTOP.
    story.is_sent_late(Input::DrainRequest(DrainRequest::default()), 400);
    let due = Duration::from_millis(650);
    assert_eq!(story.machine.force_at(), Some(due));
    assert_eq!(story.at_ms(649).time_passes(), nothing());
    story.at_ms(650).is_sent_late(Input::TimePassed, 900);
    assert_eq!(story.machine.kill_at(), Some(Duration::from_millis(1900)));
    assert_eq!(story.at_ms(1900).time_passes(), escalates("KILL"));
}

#[test]
fn forwarded_signals_are_not_spaced() {
    let mut story = Story::of(but(|config| config.rewrites = rewrites("USR1:KILL")));
    assert_eq!(story.receives("QUIT"), forwards("QUIT"));
    assert_eq!(story.receives("TERM"), forwards("TERM"));
    assert_eq!(story.receives("USR1"), forwards("KILL"));
}
