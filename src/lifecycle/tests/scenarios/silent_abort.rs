//! `forceful_signal` none: the abort stage has no signal, and only KILL ends a drain.

use super::super::super::{Config, DrainRequest, Input, Outcome, State};
use super::super::{request, rewrites, secs};
use super::{Story, but, escalates, forwards, nothing, requests};

fn silent(force_after: Option<u64>, kill_after: Option<u64>) -> Config {
    but(|config| {
        config.forceful_signal = None;
        config.force_after = force_after.map(secs);
        config.kill_after = kill_after.map(secs);
    })
}

#[test]
fn a_drain_is_followed_by_kill_alone() {
    let mut story = Story::of(silent(Some(10), Some(5)));
    assert_eq!(story.is_asked(), requests("QUIT"));
    assert_eq!(story.machine.force_at(), Some(secs(10)));
    assert_eq!(story.at(10).time_passes(), nothing());
    assert_eq!(story.machine.kill_at(), Some(secs(15)));
    assert_eq!(story.at(14).time_passes(), nothing());
    assert_eq!(story.at(15).time_passes(), escalates("KILL"));
    story.exits();
    assert_eq!(story.machine.outcome(), Some(Outcome::Killed));
}

#[test]
fn an_abort_without_a_time_to_kill_never_begins() {
    let mut story = Story::of(silent(Some(0), None));
    assert_eq!(
        story.is_asked(),
        requests("QUIT"),
        "the drain is not skipped"
    );
    assert_eq!(story.machine.next_timeout(), None);
    assert_eq!(story.at(9).time_passes(), nothing());
    assert_eq!(story.machine.kill_at(), None);
    // The option counts as soon as a request says what comes of it.
    assert_eq!(story.is_asked_within(None, Some(1)), nothing());
    assert_eq!(story.machine.kill_at(), Some(secs(10)));
    assert_eq!(story.at(10).time_passes(), escalates("KILL"));
}

#[test]
fn a_request_for_an_abort_that_ends_nothing_is_ineffective() {
    let forced = |kill_after| Input::DrainRequest(request(Some(secs(3)), kill_after));
    let mut story = Story::of(silent(None, None));
    for _running_then_draining in 0..2 {
        assert!(story.machine.is_ineffective(&Input::AbortRequest));
        assert!(story.machine.is_ineffective(&forced(None)));
        assert!(!story.machine.is_ineffective(&forced(Some(secs(1)))));
        let plain = Input::DrainRequest(DrainRequest::default());
        assert!(!story.machine.is_ineffective(&plain));
        story.is_asked();
    }
    story.is_asked_within(None, Some(1));
    assert!(!story.machine.is_ineffective(&Input::AbortRequest));
    story.exits();
    assert_eq!(story.machine.state(), State::Gone);
    assert!(!story.machine.is_ineffective(&forced(None)));
    let with_signal = Story::with_defaults();
    assert!(!with_signal.machine.is_ineffective(&Input::AbortRequest));
    let with_option = Story::of(silent(None, Some(1)));
    assert!(!with_option.machine.is_ineffective(&Input::AbortRequest));
}

#[test]
fn a_forwarded_stop_signal_still_begins_the_abort() {
    let mut story = Story::of(silent(None, Some(5)));
    assert_eq!(story.at(1).receives("TERM"), forwards("TERM"));
    assert_eq!(story.machine.kill_at(), Some(secs(6)));
}

#[test]
fn an_agent_that_drains_on_term_is_killed_after_its_drain() {
    let mut story = Story::of(but(|config| {
        *config = silent(Some(30), Some(0));
        config.rewrites = rewrites("INT:TERM QUIT:TERM");
        config.graceful_signal = super::super::signal("TERM");
    }));
    assert_eq!(story.receives("TERM"), forwards("TERM"));
    assert_eq!(story.receives("INT"), nothing());
    assert_eq!(story.at(30).time_passes(), escalates("KILL"));
}
