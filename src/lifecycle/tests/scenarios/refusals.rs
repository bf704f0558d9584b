//! The kernel refuses a signal, as it does with EPERM for a process of another user.

use super::super::super::{Config, DrainRequest, Input, Outcome, State};
use super::super::{request, rewrites, secs, signal};
use super::{Story, but, escalates, forwards, leaves, nothing, requests};

fn limits(force_after: u64, kill_after: u64) -> Config {
    but(|config| {
        config.force_after = Some(secs(force_after));
        config.kill_after = Some(secs(kill_after));
    })
}

#[test]
fn a_refused_request_leaves_nothing_behind_and_the_next_one_tries_again() {
    let deadlines = request(Some(secs(5)), Some(secs(5)));
    for input in [Input::DrainRequest(deadlines), Input::AbortRequest] {
        let mut story = Story::with_defaults();
        let before = story.machine.clone();
        story.is_refused(input);
        assert_eq!(story.machine, before);
        assert_eq!(story.machine.state(), State::Running);
        assert_eq!(story.is_asked(), requests("QUIT"));
    }
}

#[test]
fn a_refused_abort_leaves_the_drain_as_it_was() {
    let mut story = Story::with_defaults();
    story.is_asked_within(Some(60), None);
    let before = story.machine.clone();
    story.at(1);
    story.is_refused(Input::AbortRequest);
    assert_eq!(story.machine, before);
    story.is_refused(Input::DrainRequest(request(Some(secs(0)), Some(secs(0)))));
    assert_eq!(story.machine, before, "its deadlines are gone with it");
}

#[test]
fn a_refused_repetition_leaves_the_stage_as_it_was() {
    let mut story = Story::with_defaults();
    story.is_asked();
    let before = story.machine.clone();
    story.at(1);
    story.is_refused(Input::DrainRequest(DrainRequest {
        repeat_signal: true,
        ..DrainRequest::default()
    }));
    assert_eq!(story.machine, before);
}

#[test]
fn after_a_refused_deadline_the_next_stage_still_comes() {
    let mut story = Story::of(limits(5, 5));
    story.is_asked();
    story.at(5).is_refused(Input::TimePassed);
    assert_eq!(story.machine.kill_at(), Some(secs(10)));
    assert_eq!(
        story.at(6).time_passes(),
        nothing(),
        "it is not tried again"
    );
    assert_eq!(story.at(10).time_passes(), escalates("KILL"));
}

#[test]
fn a_request_tries_what_a_deadline_could_not_send() {
    let mut story = Story::of(limits(5, 5));
    story.is_asked();
    story.at(5).is_refused(Input::TimePassed);
    assert_eq!(story.is_asked(), requests("TERM"));
    assert_eq!(story.is_asked(), nothing());
    story.at(10).is_refused(Input::TimePassed);
    assert_eq!(story.machine.next_timeout(), None);
    assert_eq!(story.is_forced(), requests("KILL"));
    assert_eq!(story.is_asked(), nothing());
}

#[test]
fn a_refused_stop_signal_still_tells_the_wrapper_to_leave() {
    let mut story = Story::of(but(|config| {
        config.rewrites = rewrites("TERM:QUIT");
        config.force_after = Some(secs(5));
    }));
    story.is_refused(Input::Signal(signal("TERM")));
    assert_eq!(story.machine.state(), State::ShuttingDown);
    assert!(story.machine.is_told_to_stop());
    assert_eq!(story.machine.force_at(), Some(secs(5)));
    assert_eq!(
        story.receives("TERM"),
        forwards("QUIT"),
        "none has reached the process"
    );
    assert_eq!(story.exits(), leaves());
}

#[test]
fn a_refused_signal_does_not_count_as_sent() {
    let mut aborted = Story::with_defaults();
    aborted.is_refused(Input::Signal(signal("INT")));
    aborted.exits();
    assert_eq!(aborted.machine.outcome(), Some(Outcome::Failed));
    let mut killed = Story::of(limits(1, 1));
    killed.is_asked();
    killed.at(1).time_passes();
    killed.at(2).is_refused(Input::TimePassed);
    killed.exits();
    assert_eq!(killed.machine.outcome(), Some(Outcome::Aborted));
}
