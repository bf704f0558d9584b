//! `ready_within`: a graceful signal waits until the process can handle it.

use super::super::super::{Config, DrainRequest, Input, Outcome, State};
use super::super::{rewrites, secs};
use super::{Story, but, escalates, forwards, leaves, nothing, passes_on, requests};

fn starting() -> Config {
    but(|config| {
        config.ready_within = Some(secs(60));
        config.rewrites = rewrites("TERM:QUIT");
    })
}

#[test]
fn a_request_moves_the_state_at_once_and_its_signal_waits() {
    let mut story = Story::of(starting());
    assert!(story.machine.wants_ready());
    assert_eq!(story.at(1).is_asked(), nothing());
    assert_eq!(story.machine.state(), State::ShuttingDown);
    assert!(story.machine.wants_ready());
    assert_eq!(story.at(2).is_asked(), nothing());
    assert_eq!(story.is_asked_again(), nothing());
    assert_eq!(story.at(5).input(Input::Ready), requests("QUIT"));
    assert!(!story.machine.wants_ready());
    assert_eq!(story.input(Input::Ready), nothing());
}

#[test]
fn a_ready_process_is_asked_at_once() {
    let mut story = Story::of(starting());
    assert_eq!(story.at(1).input(Input::Ready), nothing());
    assert!(!story.machine.wants_ready());
    assert_eq!(story.is_asked(), requests("QUIT"));
    let never_waits = Story::with_defaults();
    assert!(!never_waits.machine.wants_ready());
}

#[test]
fn the_wait_is_bounded() {
    let mut story = Story::of(starting());
    story.is_asked();
    assert_eq!(story.machine.next_timeout(), Some(secs(60)));
    assert_eq!(story.at(59).time_passes(), nothing());
    assert_eq!(story.at(60).time_passes(), requests("QUIT"));
    let mut late = Story::of(starting());
    assert_eq!(late.at(60).is_asked(), requests("QUIT"));
}

#[test]
fn a_stop_signal_that_drains_waits_too() {
    let mut story = Story::of(starting());
    assert_eq!(story.receives("TERM"), nothing());
    assert!(story.machine.is_told_to_stop());
    assert_eq!(story.receives("QUIT"), nothing());
    assert_eq!(story.receives("HUP"), passes_on("HUP"));
    assert_eq!(story.at(3).input(Input::Ready), forwards("QUIT"));
    assert_eq!(story.exits(), leaves());
}

#[test]
fn abort_and_kill_never_wait() {
    let mut story = Story::of(starting());
    story.is_asked();
    assert_eq!(story.is_forced(), requests("TERM"));
    assert_eq!(story.input(Input::Ready), nothing(), "the drain is over");
    let mut forwarded = Story::of(starting());
    assert_eq!(forwarded.receives("INT"), forwards("INT"));
    let mut deadline = Story::of(starting());
    deadline.is_asked_within(Some(5), Some(5));
    assert_eq!(deadline.at(5).time_passes(), escalates("TERM"));
    assert_eq!(deadline.at(10).time_passes(), escalates("KILL"));
}

#[test]
fn a_process_that_ends_before_it_is_ready_was_still_asked() {
    let mut story = Story::of(starting());
    story.is_asked();
    story.exits();
    assert_eq!(story.machine.outcome(), Some(Outcome::Failed));
    assert_eq!(story.input(Input::Ready), nothing());
}

#[test]
fn a_signal_that_is_refused_after_the_wait_is_tried_by_the_next_request() {
    let mut story = Story::of(starting());
    story.is_asked();
    story.is_refused(Input::Ready);
    assert_eq!(story.machine.state(), State::ShuttingDown);
    assert_eq!(story.is_asked(), requests("QUIT"));
}

#[test]
fn an_immediate_abort_drops_the_waiting_signal() {
    let mut story = Story::of(starting());
    story.is_asked();
    let immediate = Input::DrainRequest(DrainRequest {
        force_after: Some(secs(0)),
        ..DrainRequest::default()
    });
    assert_eq!(story.machine.held_until(story.now, &immediate), None);
    assert_eq!(story.input(immediate), requests("TERM"));
    assert_eq!(story.at(60).time_passes(), nothing());
}
