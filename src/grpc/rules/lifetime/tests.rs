//! Each timer at its edge: no step one nanosecond early, the step at its time.

use std::rc::Rc;

use super::*;

const NANO: Duration = Duration::from_nanos(1);

/// A connection and its facts, at a time that the test chooses.
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
                eviction: Eviction::None,
                distrusted: false,
                drain: None,
            },
        }
    }

    /// After the preface, with `calls` in flight.
    fn open(calls: usize) -> Self {
        let mut subject = Self::new();
        subject.facts.preface_received = true;
        subject.facts.calls = calls;
        subject
    }

    fn at(&mut self, passed: Duration) -> LifetimeStep {
        self.lifetime.step(self.start + passed, &self.facts)
    }

    /// Before `passed` the step is to wait for it; at `passed` it is `step`.
    fn assert_due(&mut self, passed: Duration, step: LifetimeStep) {
        let wait = LifetimeStep::Wait(Some(self.start + passed));
        assert_eq!(self.at(passed.saturating_sub(NANO)), wait);
        assert_eq!(self.at(passed), step);
    }
}

#[test]
fn a_peer_without_a_preface_is_dropped() {
    let mut subject = Subject::new();
    let timeout = subject.limits.handshake_timeout;
    subject.assert_due(timeout, LifetimeStep::Drop(CloseCause::Handshake));
}

#[test]
fn an_idle_connection_goes_away() {
    let mut subject = Subject::open(0);
    // The peer has just sent something, so no PING is due.
    let timeout = subject.limits.idle_timeout;
    subject.facts.read_at = subject.start + timeout;
    subject.assert_due(timeout, LifetimeStep::GoAway(CloseCause::Idle));
    let goaway_timeout = timeout + subject.limits.goaway_timeout;
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
    // The timeout runs from the end of the call.
    subject.facts.calls = 0;
    subject.facts.idle_since = subject.start + timeout;
    subject.assert_due(timeout * 2, LifetimeStep::GoAway(CloseCause::Idle));
}

#[test]
fn a_peer_that_does_not_answer_a_ping_is_dropped() {
    let mut subject = Subject::open(1);
    let pinged = subject.limits.keepalive_interval;
    subject.assert_due(pinged, LifetimeStep::Ping);
    let timeout = pinged + subject.limits.keepalive_timeout;
    subject.assert_due(timeout, LifetimeStep::Drop(CloseCause::KeepaliveTimeout));
}

#[test]
fn a_peer_that_answers_a_ping_is_pinged_again_later() {
    let mut subject = Subject::open(1);
    let pinged = subject.limits.keepalive_interval;
    subject.assert_due(pinged, LifetimeStep::Ping);
    let answered = pinged + NANO;
    subject.facts.read_at = subject.start + answered;
    subject.assert_due(answered + pinged, LifetimeStep::Ping);
}

#[test]
fn a_peer_that_does_not_read_is_dropped_in_every_phase() {
    for drained in [false, true] {
        let mut subject = Subject::open(1);
        if drained {
            subject.facts.drain = after(subject.start, Duration::from_secs(3600));
            assert_eq!(
                subject.at(Duration::ZERO),
                LifetimeStep::GoAway(CloseCause::Drain)
            );
        }
        let timeout = subject.limits.write_timeout;
        subject.facts.blocked_since = Some(subject.start);
        subject.assert_due(timeout, LifetimeStep::Drop(CloseCause::WriteTimeout));
    }
}

#[test]
fn an_old_connection_goes_away_and_then_terminates_its_calls() {
    let mut subject = Subject::open(1);
    let limits = subject.limits;
    subject.facts.read_at = subject.start + limits.max_age;
    // The idle timeout comes sooner, so only the step at its time is checked.
    assert_eq!(
        subject.at(limits.max_age),
        LifetimeStep::GoAway(CloseCause::MaxAge)
    );
    let terminated = limits.max_age + limits.age_grace;
    subject.assert_due(terminated, LifetimeStep::TerminateCalls(CloseCause::MaxAge));
    subject.facts.calls = 0;
    subject.facts.idle_since = subject.start + terminated;
    let close = terminated + limits.goaway_timeout;
    subject.assert_due(close, LifetimeStep::Close(CloseCause::MaxAge));
}

#[test]
fn connections_of_one_moment_reach_their_maximum_age_at_different_times() {
    let limits = Limits::default();
    let jitters: std::collections::BTreeSet<_> =
        (0..16).map(|serial| jitter(&limits, serial)).collect();
    assert_eq!(jitters.len(), 16);
    assert!(jitters.last().unwrap() <= &(limits.max_age / 8));
}

#[test]
fn a_drain_waits_for_calls_and_then_terminates_them() {
    let mut subject = Subject::open(1);
    let deadline = Duration::from_secs(2);
    subject.facts.drain = Some(subject.start + deadline);
    assert_eq!(
        subject.at(Duration::ZERO),
        LifetimeStep::GoAway(CloseCause::Drain)
    );
    subject.assert_due(deadline, LifetimeStep::TerminateCalls(CloseCause::Drain));
    // The drain does not wait for a call that does not end or a peer that does not read.
    let drop = deadline + subject.limits.close_timeout;
    subject.assert_due(drop, LifetimeStep::Drop(CloseCause::Drain));
}

#[test]
fn a_drain_closes_a_connection_soon_after_its_last_call() {
    for ends in [0, 500] {
        let mut subject = Subject::open(1);
        subject.facts.drain = Some(subject.start + Duration::from_secs(2));
        assert_eq!(
            subject.at(Duration::ZERO),
            LifetimeStep::GoAway(CloseCause::Drain)
        );
        let ends = Duration::from_millis(ends);
        subject.facts.calls = 0;
        subject.facts.idle_since = subject.start + ends;
        let close = ends + subject.limits.goaway_timeout;
        subject.assert_due(close, LifetimeStep::Close(CloseCause::Drain));
    }
}

#[test]
fn a_drain_shortens_the_grace_of_an_old_connection() {
    let mut subject = Subject::open(1);
    let old = subject.limits.max_age;
    subject.facts.read_at = subject.start + old;
    assert_eq!(subject.at(old), LifetimeStep::GoAway(CloseCause::MaxAge));
    let sooner = old + Duration::from_secs(2);
    subject.facts.drain = Some(subject.start + sooner);
    subject.assert_due(sooner, LifetimeStep::TerminateCalls(CloseCause::MaxAge));
}

#[test]
fn a_flood_closes_at_once_and_drops_at_the_close_timeout() {
    let mut subject = Subject::open(5);
    subject.facts.flooded = true;
    assert_eq!(subject.at(NANO), LifetimeStep::Close(CloseCause::Flood));
    let drop = NANO + subject.limits.close_timeout;
    subject.assert_due(drop, LifetimeStep::Drop(CloseCause::Flood));
}

#[test]
fn only_a_connection_without_calls_is_evicted() {
    let mut subject = Subject::open(1);
    subject.facts.eviction = Eviction::WhenIdle;
    assert!(matches!(subject.at(NANO), LifetimeStep::Wait(_)));
    subject.facts.calls = 0;
    assert_eq!(subject.at(NANO), LifetimeStep::Close(CloseCause::Evicted));
}

#[test]
fn a_peer_with_wrong_tokens_gets_a_goaway_and_its_calls_may_end() {
    let mut subject = Subject::open(1);
    subject.facts.distrusted = true;
    assert_eq!(
        subject.at(NANO),
        LifetimeStep::GoAway(CloseCause::WrongTokens)
    );
    assert!(matches!(subject.at(NANO), LifetimeStep::Wait(Some(_))));
    subject.facts.calls = 0;
    let close = NANO + subject.limits.goaway_timeout;
    subject.assert_due(close, LifetimeStep::Close(CloseCause::WrongTokens));
}

#[test]
fn an_eviction_with_calls_ends_them_and_then_the_connection() {
    let mut subject = Subject::open(2);
    subject.facts.eviction = Eviction::WithCalls;
    assert_eq!(
        subject.at(NANO),
        LifetimeStep::TerminateCalls(CloseCause::Evicted)
    );
    assert!(matches!(subject.at(NANO), LifetimeStep::Wait(Some(_))));
    // No acknowledgement is awaited.
    subject.facts.calls = 0;
    assert_eq!(subject.at(NANO), LifetimeStep::Close(CloseCause::Evicted));
    // Calls that do not end do not keep the place.
    let mut stuck = Subject::open(1);
    stuck.facts.eviction = Eviction::WithCalls;
    stuck.at(NANO);
    let drop = NANO + stuck.limits.close_timeout;
    stuck.assert_due(drop, LifetimeStep::Drop(CloseCause::Evicted));
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
