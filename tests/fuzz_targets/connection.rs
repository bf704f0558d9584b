//! The life of a connection, told in any facts at any times; and the client's way of coming back.

use std::rc::Rc;
use std::time::{Duration, Instant};

use process_wrapper::grpc::rules::lifetime::{
    CloseCause, ConnectionFacts, Eviction, Lifetime, LifetimeStep,
};
use process_wrapper::grpc::rules::limits::{Limits, connections_for};
use process_wrapper::grpc::rules::token_bucket::TokenBucket;

use super::cursor::Cursor;

#[allow(dead_code, reason = "the client uses the rest of it")]
#[path = "../../src/client/retry.rs"]
mod retry;

/// The order of the steps, each at most once: nothing is taken back.
fn rank(step: LifetimeStep) -> u8 {
    match step {
        LifetimeStep::Wait(_) | LifetimeStep::Ping => 0,
        LifetimeStep::GoAway(_) => 1,
        LifetimeStep::TerminateCalls(_) => 2,
        LifetimeStep::Close(_) => 3,
        LifetimeStep::Drop(_) => 4,
    }
}

/// A connection goes forward only and keeps its cause, is asked to wait only for what is to come,
/// and ends within its limits once the server drains. Places are never more than there are
/// descriptors.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let limits = Limits::default();
    let start = Instant::now();
    let mut now = start;
    let mut lifetime = Lifetime::new(now, Rc::new(limits), cursor.u64(..));
    let mut facts = ConnectionFacts {
        preface_received: false,
        calls: 0,
        idle_since: now,
        read_at: now,
        blocked_since: None,
        flooded: false,
        eviction: Eviction::None,
        distrusted: false,
        drain: None,
    };
    let mut last = 0;
    'life: while !cursor.is_empty() {
        change(&mut cursor, &mut facts, now);
        now += match cursor.u8(..5) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(cursor.u64(..1000)),
            2 => Duration::from_secs(cursor.u64(..400)),
            3 => Duration::from_secs(cursor.u64(..50_000)),
            _ => limits.goaway_timeout,
        };
        for steps in 0.. {
            assert!(steps < 8, "it does not come to rest");
            let step = lifetime.step(now, &facts);
            match step {
                LifetimeStep::Wait(until) => {
                    assert!(until.is_none_or(|until| until > now), "a wait for the past");
                    assert!(facts.drain.is_none() || until.is_some(), "a drain ends");
                    break;
                }
                LifetimeStep::Ping => assert_eq!(last, 0, "who leaves is not asked"),
                LifetimeStep::GoAway(_)
                | LifetimeStep::TerminateCalls(_)
                | LifetimeStep::Close(_)
                | LifetimeStep::Drop(_) => {
                    assert!(rank(step) > last, "{step:?} after {last}");
                    last = rank(step);
                }
            }
            if last == rank(LifetimeStep::TerminateCalls(CloseCause::MaxAge)) {
                facts.calls = 0;
                facts.idle_since = now;
            }
            if last == 4 {
                break 'life;
            }
        }
    }
    if last < 4 {
        drain(&mut lifetime, &mut facts, now);
    }
    coming_back(&mut Cursor::new(data));
    places(&mut Cursor::new(data));
    bucket(&mut Cursor::new(data), start);
}

fn change(cursor: &mut Cursor<'_>, facts: &mut ConnectionFacts, now: Instant) {
    match cursor.u8(..12) {
        0..3 => facts.preface_received = true,
        3 | 4 => facts.calls += 1,
        5 => {
            facts.calls = facts.calls.saturating_sub(1);
            facts.idle_since = now;
        }
        6 | 7 => facts.read_at = now,
        8 => {
            facts.blocked_since = match facts.blocked_since {
                None => Some(now),
                Some(_) => None,
            }
        }
        9 => {
            facts.flooded = cursor.bool();
            facts.distrusted = cursor.bool();
        }
        10 => {
            facts.eviction = match cursor.u8(..3) {
                0 => Eviction::None,
                1 => Eviction::WhenIdle,
                _ => Eviction::WithCalls,
            }
        }
        _ => {
            if cursor.bool() {
                facts.drain = Some(now + Duration::from_secs(cursor.u64(..60)));
            }
        }
    }
}

/// Whatever came before: a server that drains closes every connection.
fn drain(lifetime: &mut Lifetime, facts: &mut ConnectionFacts, mut now: Instant) {
    facts.drain.get_or_insert(now);
    for _ in 0..20 {
        match lifetime.step(now, facts) {
            LifetimeStep::Wait(until) => now = until.unwrap(),
            LifetimeStep::TerminateCalls(_) => facts.calls = 0,
            LifetimeStep::Drop(_) => return,
            LifetimeStep::Ping | LifetimeStep::GoAway(_) | LifetimeStep::Close(_) => {}
        }
    }
    panic!("a connection outlives the drain");
}

/// An operation is tried until its window is over, never beyond it, and ever more slowly.
fn coming_back(cursor: &mut Cursor<'_>) {
    let window = Duration::from_millis(cursor.u64(..60_000));
    let mut retry = retry::Retry::new(window);
    let mut now = Duration::ZERO;
    for attempts in 1..10_000 {
        now += Duration::from_millis(cursor.u64(..100));
        let held = cursor
            .bool()
            .then(|| Duration::from_millis(cursor.u64(..3000)));
        let before = retry.since();
        let refused = cursor.bool();
        let Some(pause) = retry.failed(now, held, refused) else {
            assert!(refused || now >= retry.until());
            return;
        };
        assert!(retry.since() == before || retry.since() == now);
        let longest = if refused { 2_000 } else { 500 };
        assert!((1..=longest).contains(&pause.as_millis()), "{pause:?}");
        assert!((1..=attempts).contains(&retry.attempts()));
        assert!(now < retry.until());
        now += pause;
    }
    panic!("it never gives up");
}

fn places(cursor: &mut Cursor<'_>) {
    let descriptors = cursor.bool().then(|| cursor.u64(..));
    let servers = cursor.usize(..20);
    let each = connections_for(descriptors, servers);
    assert!((1..=Limits::default().max_connections).contains(&each));
    let more = descriptors.map(|all| all.saturating_add(64));
    assert!(connections_for(more, servers) >= each);
    assert!(connections_for(descriptors, servers + 1) <= each);
}

/// Never more is forgiven than the burst and what has grown since.
fn bucket(cursor: &mut Cursor<'_>, start: Instant) {
    let (burst, rate) = (u32::from(cursor.u16()), 1 + u32::from(cursor.byte()));
    let mut bucket = TokenBucket::new(start, burst, rate);
    let (mut now, mut paid) = (start, 0_u128);
    for _ in 0..cursor.byte() {
        now += Duration::from_millis(cursor.u64(..3000));
        let cost = u64::from(cursor.u16() >> 6);
        if !bucket.consume(now, 0, cost) {
            return;
        }
        paid += u128::from(cost);
        let grown = (now - start).as_nanos() * u128::from(rate) / 1_000_000_000;
        assert!(
            paid <= u128::from(burst) + grown + 1,
            "{paid} for {burst} and {grown}"
        );
    }
}
