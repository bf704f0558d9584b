//! `force_after` and `kill_after`: when they count from, which of several counts, and the ends of
//! the clock.

use std::time::Duration;

use super::super::super::{Config, Input};
use super::super::{request, rewrites, secs, signal};
use super::{Story, but, escalates, forwards, nothing, requests};

fn limits(force_after: Option<u64>, kill_after: Option<u64>) -> Config {
    but(|config| {
        config.force_after = force_after.map(secs);
        config.kill_after = kill_after.map(secs);
    })
}

#[test]
fn without_limits_nothing_is_ever_forced_or_killed() {
    let mut story = Story::with_defaults();
    story.is_asked();
    assert_eq!(story.machine.next_timeout(), None);
    story.now = Duration::MAX;
    assert_eq!(story.time_passes(), nothing());
    story.is_forced();
    assert_eq!(story.machine.next_timeout(), None);
    assert_eq!(story.time_passes(), nothing());
}

#[test]
fn limits_do_not_run_before_a_request() {
    let mut story = Story::of(limits(Some(1), Some(1)));
    assert_eq!(story.machine.next_timeout(), None);
    assert_eq!(story.at(100).time_passes(), nothing());
    story.at(100).receives("HUP");
    assert_eq!(story.machine.next_timeout(), None);
}

#[test]
fn a_drain_is_forced_then_killed() {
    let mut story = Story::of(limits(Some(30), Some(5)));
    story.at(100).is_asked();
    assert_eq!(story.machine.force_at(), Some(secs(130)));
    assert_eq!(
        story.machine.kill_at(),
        None,
        "not known before the abort stage"
    );
    assert_eq!(story.at(129).time_passes(), nothing());
    assert_eq!(story.at(130).time_passes(), escalates("TERM"));
    assert_eq!(story.machine.force_at(), None);
    assert_eq!(story.machine.next_timeout(), Some(secs(135)));
    assert_eq!(story.at(134).time_passes(), nothing());
    assert_eq!(story.at(135).time_passes(), escalates("KILL"));
    assert_eq!(story.machine.next_timeout(), None);
    assert_eq!(story.at(999).time_passes(), nothing(), "one KILL is enough");
}

#[test]
fn forwarded_quit_starts_the_clock_of_force_after() {
    let mut story = Story::of(limits(Some(30), None));
    story.at(10).receives("QUIT");
    assert_eq!(story.machine.next_timeout(), Some(secs(40)));
    story.at(20).receives("QUIT");
    assert_eq!(
        story.machine.next_timeout(),
        Some(secs(40)),
        "it is never extended"
    );
}

#[test]
fn a_forwarded_stop_signal_begins_the_abort_and_ends_force_after() {
    for (rules, name) in [("", "TERM"), ("", "INT"), ("TERM:USR1", "TERM")] {
        let mut story = Story::of(but(|config| {
            config.force_after = Some(secs(30));
            config.kill_after = Some(secs(5));
            config.rewrites = rewrites(rules);
        }));
        story.at(10).receives(name);
        assert_eq!(story.machine.force_at(), None, "{rules} {name}");
        assert_eq!(story.machine.kill_at(), Some(secs(15)), "{rules} {name}");
    }
}

#[test]
fn forwarded_term_then_deadline_adds_no_term() {
    for name in ["TERM", "INT"] {
        let mut story = Story::of(limits(Some(30), None));
        story.is_asked();
        assert_eq!(story.at(10).receives(name), forwards(name));
        assert_eq!(story.machine.force_at(), None, "after {name}");
        assert_eq!(story.at(30).time_passes(), nothing(), "after {name}");
        assert_eq!(
            story.is_asked_within(Some(0), None),
            nothing(),
            "after {name}"
        );
        assert_eq!(story.at(31).time_passes(), nothing(), "after {name}");
    }
}

#[test]
fn kill_after_counts_from_the_beginning_of_the_abort() {
    for name in ["TERM", "INT"] {
        let mut story = Story::of(limits(None, Some(5)));
        story.at(10).receives(name);
        assert_eq!(story.machine.kill_at(), Some(secs(15)), "{name}");
        story.at(12).receives("TERM");
        story.at(13).is_forced();
        assert_eq!(
            story.machine.kill_at(),
            Some(secs(15)),
            "it is never extended"
        );
        assert_eq!(story.at(15).time_passes(), escalates("KILL"));
    }
}

#[test]
fn kill_after_counts_from_the_late_beginning_of_the_abort_not_from_its_deadline() {
    let mut story = Story::of(limits(Some(10), Some(5)));
    story.is_asked();
    // The machine was suspended, or busy.
    assert_eq!(story.at(100).time_passes(), escalates("TERM"));
    assert_eq!(
        story.machine.next_timeout(),
        Some(secs(105)),
        "it gets its five seconds"
    );
}

#[test]
fn kill_after_alone_kills_no_draining_process() {
    let mut story = Story::of(limits(None, Some(0)));
    story.is_asked();
    assert_eq!(story.at(1000).time_passes(), nothing());
}

#[test]
fn the_earliest_of_option_and_requests_counts() {
    let mut story = Story::of(limits(Some(60), Some(60)));
    story.is_asked_within(Some(40), Some(40));
    assert_eq!(
        story.machine.force_at(),
        Some(secs(40)),
        "a request may be stricter"
    );
    story.at(10).is_asked_within(Some(20), Some(20));
    assert_eq!(
        story.machine.force_at(),
        Some(secs(30)),
        "and a later one stricter still"
    );
    story.at(11).is_asked_within(Some(50), Some(50));
    assert_eq!(
        story.machine.force_at(),
        Some(secs(30)),
        "but none is laxer"
    );
    story.at(12).is_asked();
    assert_eq!(
        story.machine.force_at(),
        Some(secs(30)),
        "nor takes it back"
    );
    assert_eq!(story.at(30).time_passes(), escalates("TERM"));
    assert_eq!(story.machine.kill_at(), Some(secs(50)));
    story.at(31).is_asked_within(None, Some(10));
    assert_eq!(
        story.machine.kill_at(),
        Some(secs(40)),
        "from the beginning of the abort, not from the request"
    );
}

#[test]
fn an_option_is_not_undone_by_a_laxer_request() {
    let mut story = Story::of(limits(Some(30), Some(5)));
    story.is_asked_within(Some(3600), Some(3600));
    assert_eq!(story.machine.force_at(), Some(secs(30)));
    story.at(30).time_passes();
    assert_eq!(story.machine.kill_at(), Some(secs(35)));
}

#[test]
fn a_later_request_sets_the_first_deadline() {
    let mut story = Story::with_defaults();
    story.is_asked();
    assert_eq!(story.machine.next_timeout(), None);
    story.at(100).is_asked_within(Some(5), None);
    assert_eq!(story.machine.next_timeout(), Some(secs(105)));
}

#[test]
fn a_kill_after_that_has_passed_when_it_is_asked_for_is_due_at_once() {
    let mut story = Story::with_defaults();
    story.at(10).receives("TERM");
    assert_eq!(story.at(60).is_asked_within(None, Some(5)), nothing());
    assert_eq!(story.machine.next_timeout(), Some(secs(15)));
    assert_eq!(story.time_passes(), escalates("KILL"));
}

#[test]
fn zero_is_at_once() {
    let mut story = Story::with_defaults();
    assert_eq!(
        story.at(10).is_asked_within(Some(0), Some(0)),
        requests("TERM")
    );
    assert_eq!(story.machine.next_timeout(), Some(secs(10)));
    assert_eq!(story.time_passes(), escalates("KILL"));
    assert_eq!(story.machine.next_timeout(), None);
}

#[test]
fn a_late_timer_begins_one_stage_at_a_time() {
    let mut story = Story::of(limits(Some(1), Some(0)));
    story.is_asked();
    assert_eq!(story.at(100).time_passes(), escalates("TERM"));
    assert_eq!(story.machine.next_timeout(), Some(secs(100)), "at once");
    assert_eq!(story.time_passes(), escalates("KILL"));
}

#[test]
fn a_drain_by_term_is_killed_only_after_the_abort() {
    let mut story = Story::of(but(|config| {
        config.graceful_signal = signal("TERM");
        config.force_after = Some(secs(10));
        config.kill_after = Some(secs(1));
    }));
    assert_eq!(story.is_asked(), requests("TERM"));
    assert_eq!(
        story.at(1).time_passes(),
        nothing(),
        "the drain has its 10 s"
    );
    assert_eq!(story.at(10).time_passes(), escalates("TERM"));
    assert_eq!(story.at(11).time_passes(), escalates("KILL"));
}

#[test]
fn without_a_forceful_signal_a_drain_is_followed_by_kill() {
    let mut story = Story::of(but(|config| {
        config.forceful_signal = None;
        config.force_after = Some(secs(30));
        config.kill_after = Some(secs(0));
    }));
    story.is_asked();
    assert_eq!(story.at(30).time_passes(), escalates("KILL"));
    assert_eq!(story.machine.next_timeout(), None);
}

#[test]
fn another_forceful_signal_takes_the_place_of_term() {
    let mut story = Story::of(but(|config| {
        config.forceful_signal = Some(signal("USR2"));
        config.force_after = Some(secs(30));
    }));
    story.is_asked();
    assert_eq!(story.at(30).time_passes(), escalates("USR2"));
    let mut forwarded = Story::of(but(|config| config.forceful_signal = Some(signal("USR2"))));
    assert_eq!(forwarded.receives("USR2"), forwards("USR2"));
    assert_eq!(forwarded.is_forced(), nothing());
}

#[test]
fn deadlines_end_with_the_exit() {
    let mut story = Story::of(limits(Some(1), Some(1)));
    story.is_asked();
    story.exits();
    assert_eq!(story.machine.next_timeout(), None);
    assert_eq!(story.at(100).time_passes(), nothing());
}

#[test]
fn a_forwarded_kill_ends_the_deadlines() {
    let mut story = Story::of(but(|config| {
        config.force_after = Some(secs(1));
        config.kill_after = Some(secs(1));
        config.rewrites = rewrites("HUP:KILL");
    }));
    story.is_asked();
    assert_eq!(story.receives("HUP"), forwards("KILL"));
    assert_eq!(story.machine.next_timeout(), None);
    assert_eq!(story.at(100).time_passes(), nothing());
}

#[test]
fn a_duration_beyond_the_clock_is_never() {
    let mut story = Story::of(but(|config| {
        config.force_after = Some(Duration::MAX);
        config.kill_after = Some(Duration::MAX);
    }));
    story.at(1).input(Input::DrainRequest(request(
        Some(Duration::MAX),
        Some(Duration::MAX),
    )));
    assert_eq!(story.machine.next_timeout(), None);
    story.at(2).receives("TERM");
    assert_eq!(story.machine.next_timeout(), None);
    assert_eq!(story.at(u64::MAX).time_passes(), nothing());
}
