//! Each timer at its edge: nothing one nanosecond before, the step at its time.

use std::rc::Rc;

use super::*;

const NANO: Duration = Duration::from_nanos(1);

/// A connection and what is known about it, at a time of the test's choice.
struct Subject {
    start: Instant,
    limits: Limits,
    lifetime: Lifetime,
    facts: ConnectionFacts,
}

impl Subject {
    /// Just accepted.
    fn new() -> Self {
        let (start, limits) = (Instant::now(), Limits::default());
        Self {
            start,
            limits,
            lifetime: Lifetime::new(start, Rc::new(limits), 0),
            facts: ConnectionFacts {
                preface_received: false,
                calls: 0,
                idle_since: start,
                read_at: start,
                blocked_since: None,
                flooded: false,
                evicted: false,
                drain: None,
            },
        }
    }

    /// Greeted, and with so many calls in flight.
    fn open(calls: usize) -> Self {
        let mut subject = Self::new();
        subject.facts.preface_received = true;
        subject.facts.calls = calls;
        subject
    }

    fn at(&mut self, passed: Duration) -> LifetimeStep {
        self.lifetime.step(self.start + passed, &self.facts)
    }

    /// Nothing happens before `passed`, it is waited for, and then `step` is due.
    fn assert_due(&mut self, passed: Duration, step: LifetimeStep) {
        let wait = LifetimeStep::Wait(Some(self.start + passed));
        assert_eq!(self.at(passed.saturating_sub(NANO)), wait);
        assert_eq!(self.at(passed), step);
    }
}

#[test]
fn who_does_not_greet_is_dropped() {
    let mut subject = Subject::new();
    let timeout = subject.limits.handshake_timeout;
    subject.assert_due(timeout, LifetimeStep::Drop(CloseCause::Handshake));
}

#[test]
fn a_connection_without_calls_leaves_when_it_has_been_idle() {
    let mut subject = Subject::open(0);
    // It reads all the time, so that no PING is due.
    let timeout = subject.limits.idle_timeout;
    subject.facts.read_at = subject.start + timeout;
    subject.assert_due(timeout, LifetimeStep::Leave(CloseCause::Idle));
    let goaway_timeout = timeout + subject.limits.goodbye_timeout;
    subject.assert_due(goaway_timeout, LifetimeStep::Close(CloseCause::Idle));
    let close = goaway_timeout + subject.limits.close_timeout;
    subject.assert_due(close, LifetimeStep::Drop(CloseCause::Idle));
}

#[test]
fn a_call_keeps_a_connection_from_being_idle() {
    let mut subject = Subject::open(1);
    let timeout = subject.limits.idle_timeout;
    subject.facts.read_at = subject.start + timeout * 2;
    let again = LifetimeStep::Wait(Some(subject.start + timeout * 2));
    assert_eq!(subject.at(timeout), again);
    // It ends, and the time counts from then.
    subject.facts.calls = 0;
    subject.facts.idle_since = subject.start + timeout;
    subject.assert_due(timeout * 2, LifetimeStep::Leave(CloseCause::Idle));
}

#[test]
fn a_silent_peer_is_asked_once_and_then_dropped() {
    let mut subject = Subject::open(1);
    let asked = subject.limits.keepalive_interval;
    subject.assert_due(asked, LifetimeStep::Ping);
    let given_up = asked + subject.limits.keepalive_timeout;
    subject.assert_due(given_up, LifetimeStep::Drop(CloseCause::Silent));
}

#[test]
fn a_peer_that_answers_is_asked_again_later() {
    let mut subject = Subject::open(1);
    let asked = subject.limits.keepalive_interval;
    subject.assert_due(asked, LifetimeStep::Ping);
    let answered = asked + NANO;
    subject.facts.read_at = subject.start + answered;
    subject.assert_due(answered + asked, LifetimeStep::Ping);
}

#[test]
fn a_peer_that_does_not_read_is_dropped_in_every_phase() {
    for drained in [false, true] {
        let mut subject = Subject::open(1);
        if drained {
            subject.facts.drain = after(subject.start, Duration::from_secs(3600));
            assert_eq!(
                subject.at(Duration::ZERO),
                LifetimeStep::Leave(CloseCause::Drain)
            );
        }
        let timeout = subject.limits.write_timeout;
        subject.facts.blocked_since = Some(subject.start);
        subject.assert_due(timeout, LifetimeStep::Drop(CloseCause::Blocked));
    }
}

#[test]
fn an_old_connection_leaves_and_then_ends_its_calls() {
    let mut subject = Subject::open(1);
    let limits = subject.limits;
    subject.facts.read_at = subject.start + limits.max_age;
    // The wait for idleness comes sooner, so only the step is looked at.
    assert_eq!(
        subject.at(limits.max_age),
        LifetimeStep::Leave(CloseCause::Age)
    );
    let hard = limits.max_age + limits.age_grace;
    subject.assert_due(hard, LifetimeStep::EndCalls(CloseCause::Age));
    subject.facts.calls = 0;
    subject.facts.idle_since = subject.start + hard;
    let close = hard + limits.goodbye_timeout;
    subject.assert_due(close, LifetimeStep::Close(CloseCause::Age));
}

#[test]
fn connections_of_one_moment_grow_old_at_different_times() {
    let limits = Limits::default();
    let spreads: std::collections::BTreeSet<_> =
        (0..16).map(|serial| jitter(&limits, serial)).collect();
    assert_eq!(spreads.len(), 16);
    assert!(spreads.last().unwrap() <= &(limits.max_age / 8));
}

#[test]
fn a_drain_lets_calls_end_and_then_ends_them() {
    let mut subject = Subject::open(1);
    let bound = Duration::from_secs(2);
    subject.facts.drain = Some(subject.start + bound);
    assert_eq!(
        subject.at(Duration::ZERO),
        LifetimeStep::Leave(CloseCause::Drain)
    );
    subject.assert_due(bound, LifetimeStep::EndCalls(CloseCause::Drain));
    // A call that does not end, or a peer that does not read, is not waited for.
    let drop = bound + subject.limits.close_timeout;
    subject.assert_due(drop, LifetimeStep::Drop(CloseCause::Drain));
}

#[test]
fn a_drain_closes_a_connection_soon_after_its_last_call() {
    for ends in [0, 500] {
        let mut subject = Subject::open(1);
        subject.facts.drain = Some(subject.start + Duration::from_secs(2));
        assert_eq!(
            subject.at(Duration::ZERO),
            LifetimeStep::Leave(CloseCause::Drain)
        );
        let ends = Duration::from_millis(ends);
        subject.facts.calls = 0;
        subject.facts.idle_since = subject.start + ends;
        let close = ends + subject.limits.goodbye_timeout;
        subject.assert_due(close, LifetimeStep::Close(CloseCause::Drain));
    }
}

#[test]
fn a_drain_shortens_the_grace_of_an_old_connection() {
    let mut subject = Subject::open(1);
    let old = subject.limits.max_age;
    subject.facts.read_at = subject.start + old;
    assert_eq!(subject.at(old), LifetimeStep::Leave(CloseCause::Age));
    let sooner = old + Duration::from_secs(2);
    subject.facts.drain = Some(subject.start + sooner);
    subject.assert_due(sooner, LifetimeStep::EndCalls(CloseCause::Age));
}

#[test]
fn a_flood_closes_at_once_and_what_is_left_is_bounded() {
    let mut subject = Subject::open(5);
    subject.facts.flooded = true;
    assert_eq!(subject.at(NANO), LifetimeStep::Close(CloseCause::Flood));
    let drop = NANO + subject.limits.close_timeout;
    subject.assert_due(drop, LifetimeStep::Drop(CloseCause::Flood));
}

#[test]
fn only_a_connection_without_calls_gives_its_place_away() {
    let mut subject = Subject::open(1);
    subject.facts.evicted = true;
    assert!(matches!(subject.at(NANO), LifetimeStep::Wait(_)));
    subject.facts.calls = 0;
    assert_eq!(subject.at(NANO), LifetimeStep::Close(CloseCause::Evicted));
}

#[test]
fn limits_beyond_the_clock_are_never_reached() {
    let limits = Limits {
        handshake_timeout: Duration::MAX,
        idle_timeout: Duration::MAX,
        keepalive_interval: Duration::MAX,
        max_age: Duration::MAX,
        ..Limits::default()
    };
    let mut subject = Subject::open(0);
    subject.lifetime = Lifetime::new(subject.start, Rc::new(limits), 0);
    subject.facts.preface_received = false;
    assert_eq!(subject.at(NANO), LifetimeStep::Wait(None));
    subject.facts.preface_received = true;
    assert_eq!(subject.at(NANO), LifetimeStep::Wait(None));
}
