//! The attempts of one delivery, from the first to the one that counts.
//!
//! Owns the loop, its timers and its log lines. It never decides what an answer means or how long to wait:
//! `schedule` does.

use std::time::{Duration, SystemTime};

use smol::future::FutureExt;

use super::dial::DialError;
use super::schedule::{RetryPace, RetryVerdict, retry_after};
use super::transport::{CallError, OutboundRequest, OutboundResponse, Transport};
use crate::clock::Clock;

/// What the loop reads and writes: one webhook's place in the registry.
pub(super) trait Ledger {
    /// Counts an attempt and answers with its number, from 1, and what it sends: what is registered now.
    fn begin(&self) -> Option<(u32, OutboundRequest)>;
    /// There will be another attempt at this time.
    fn retry(&self, error: &str, at: Option<SystemTime>);
    /// There will be none.
    fn fail(&self, error: &str);
    /// The receiver has it.
    fn deliver(&self);
    /// How log lines call it: its id and target.
    fn name(&self) -> (String, String);
}

/// How one attempt ended.
enum Attempt {
    Delivered,
    /// Try again, not before this long.
    Later(String, Duration),
    Final(String),
    /// No answer within its time.
    Unanswered,
}

/// Tries until the receiver has it, will never have it, or `budget` has passed from now.
pub(super) async fn deliver<C: Clock>(
    clock: &C,
    transport: &Transport,
    pace: RetryPace,
    budget: Duration,
    ledger: &impl Ledger,
) {
    // Beyond the clock's range is never.
    let end = clock.now().checked_add(budget);
    let left = |clock: &C| {
        end.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(clock.now())
        })
    };
    let (id, target) = ledger.name();
    let mut tried = 0;
    let mut last = None;
    while let Some((number, call)) = ledger.begin() {
        tried += 1;
        let limit = pace.attempt.min(left(clock));
        let (error, wish) = match attempt(clock, transport, limit, &call).await {
            Attempt::Delivered => {
                tracing::info!(id, target, attempt = number, "webhook delivered");
                return ledger.deliver();
            }
            Attempt::Final(error) => {
                tracing::warn!(
                    id,
                    target,
                    attempt = number,
                    error,
                    "webhook failed for good"
                );
                return ledger.fail(&error);
            }
            Attempt::Later(error, wish) => (error, wish),
            Attempt::Unanswered => {
                let whole = limit == pace.attempt;
                // An attempt that the deadline has cut short says less than the one before.
                let error = last
                    .filter(|_| !whole)
                    .unwrap_or_else(|| format!("no answer within {} ms", limit.as_millis()));
                (error, Duration::ZERO)
            }
        };
        let delay = pace.delay(tried, fastrand::u32(..)).max(wish);
        if delay >= left(clock) {
            tracing::warn!(
                id,
                target,
                attempt = number,
                error,
                "webhook failed: out of time"
            );
            return ledger.fail(&format!("{error}; out of time"));
        }
        tracing::warn!(
            id,
            target,
            attempt = number,
            error,
            ?delay,
            "webhook is tried again"
        );
        ledger.retry(&error, SystemTime::now().checked_add(delay));
        clock.sleep(delay).await;
        last = Some(error);
    }
}

async fn attempt<C: Clock>(
    clock: &C,
    transport: &Transport,
    limit: Duration,
    call: &OutboundRequest,
) -> Attempt {
    let called = async { Some(transport.call(call, limit).await) };
    let answered = called.or(async {
        clock.sleep(limit).await;
        None
    });
    match answered.await {
        Some(Ok(answer)) => judge(&answer),
        Some(Err(CallError::Dial(error @ DialError::Refused(_)))) => {
            Attempt::Final(error.to_string())
        }
        Some(Err(error)) => Attempt::Later(error.to_string(), Duration::ZERO),
        None => Attempt::Unanswered,
    }
}

fn judge(answer: &OutboundResponse) -> Attempt {
    let status = answer.status;
    match RetryVerdict::of(status) {
        RetryVerdict::Delivered => Attempt::Delivered,
        RetryVerdict::Final if (300..400).contains(&status) => {
            Attempt::Final(format!("answered {status}; redirects are not followed"))
        }
        RetryVerdict::Final => Attempt::Final(format!("answered {status}")),
        RetryVerdict::Later => {
            let wish = answer.retry_after.as_deref();
            let wish = wish.and_then(|value| retry_after(value, SystemTime::now()));
            Attempt::Later(format!("answered {status}"), wish.unwrap_or_default())
        }
    }
}
