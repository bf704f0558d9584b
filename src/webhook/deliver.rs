//! The attempt loop of one delivery.
//!
//! Owns the loop, its timers and its log lines. It never decides what a status means or how long a
//! delay is: `schedule` does.

use std::time::{Duration, SystemTime};

use smol::future::FutureExt;
use url::Host;

use super::active_delivery::{ActiveDelivery, FailedAttempt};
use super::dial::DialError;
use super::policy::{Origin, Reached};
use super::schedule::{RetryPolicy, RetryVerdict, retry_after};
use super::transport::{OutboundRequest, OutboundResponse, Transport, TransportError};
use crate::clock::Clock;

/// The result of one attempt.
enum AttemptResult {
    Delivered,
    /// Retry after at least this delay.
    Retry(FailedAttempt, Duration),
    Permanent(FailedAttempt),
    TimedOut,
}

/// Makes attempts until the receiver accepts the webhook, a permanent error, or the end of
/// `budget`.
pub(super) async fn deliver<C: Clock>(
    clock: &C,
    transport: &Transport,
    retry: RetryPolicy,
    budget: Duration,
    active: &ActiveDelivery<'_>,
) {
    // The budget is one of attempts: the wait for the first turn is no part of it.
    let mut turn = active.turn().await;
    // `None`, beyond the range of the clock, is never.
    let deadline = clock.now().checked_add(budget);
    let remaining = |clock: &C| {
        deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(clock.now())
        })
    };
    let (id, target) = active.name();
    let mut attempts = active.earlier_attempts;
    let mut last_error = None;
    while let Some((number, request)) = active.begin() {
        active.keep_report().await;
        attempts = attempts.saturating_add(1);
        let timeout = retry.attempt_timeout.min(remaining(clock));
        let result = attempt(clock, transport, timeout, &request).await;
        drop(turn.take());
        let (error, min_delay) = match result {
            AttemptResult::Delivered => {
                tracing::info!(id, target, attempt = number, "webhook delivered");
                return active.deliver();
            }
            AttemptResult::Permanent(error) => {
                tracing::warn!(
                    id,
                    target,
                    attempt = number,
                    error = error.text,
                    "webhook failed permanently"
                );
                return active.fail(&error);
            }
            AttemptResult::Retry(error, min_delay) => (error, min_delay),
            AttemptResult::TimedOut => {
                // After an attempt cut short by the deadline, the previous error says more.
                let cut_short = timeout != retry.attempt_timeout;
                let error = last_error
                    .filter(|_| cut_short)
                    .unwrap_or_else(|| FailedAttempt {
                        text: format!("no answer within {} ms", timeout.as_millis()),
                        reached: Reached::Lookup,
                    });
                (error, Duration::ZERO)
            }
        };
        let delay = retry.delay(attempts, fastrand::u32(..)).max(min_delay);
        if delay >= remaining(clock) {
            tracing::warn!(
                id,
                target,
                attempt = number,
                error = error.text,
                "webhook failed: out of time"
            );
            return active.fail(&FailedAttempt {
                text: format!("{}; out of time", error.text),
                ..error
            });
        }
        tracing::warn!(
            id,
            target,
            attempt = number,
            error = error.text,
            ?delay,
            "webhook attempt failed; it is retried"
        );
        active.retry(&error, SystemTime::now().checked_add(delay));
        clock.sleep(delay).await;
        last_error = Some(error);
        turn = active.turn().await;
    }
}

async fn attempt<C: Clock>(
    clock: &C,
    transport: &Transport,
    timeout: Duration,
    request: &OutboundRequest,
) -> AttemptResult {
    let sent = async { Some(transport.send(request, timeout).await) };
    let answered = sent.or(async {
        clock.sleep(timeout).await;
        None
    });
    match answered.await {
        Some(Ok(response)) => classify(&response),
        Some(Err(error)) => {
            let error = FailedAttempt {
                text: error.to_string(),
                reached: reached(&error),
            };
            if error.reached == Reached::DeniedAddress && !hides_names(request) {
                return AttemptResult::Permanent(error);
            }
            AttemptResult::Retry(error, Duration::ZERO)
        }
        None => AttemptResult::TimedOut,
    }
}

/// How far the attempt of this error got.
fn reached(error: &TransportError) -> Reached {
    match error {
        TransportError::Dial(DialError::Resolve { .. }) => Reached::Lookup,
        TransportError::Dial(DialError::Refused(_)) => Reached::DeniedAddress,
        TransportError::Dial(
            DialError::Connect { .. }
            | DialError::Tls(_)
            | DialError::Roots(_)
            | DialError::Name(_),
        )
        | TransportError::Exchange(_)
        | TransportError::Request(_)
        | TransportError::Other => Reached::AllowedAddress,
    }
}

/// Whether a denied address must look like a failed lookup: to its caller over TCP a delivery that
/// fails at once would tell that the name exists.
fn hides_names(request: &OutboundRequest) -> bool {
    let is_name = matches!(request.url.host(), Some(Host::Domain(_)));
    is_name && request.origin == Origin::Network
}

fn classify(response: &OutboundResponse) -> AttemptResult {
    let status = response.status;
    let reached = Reached::AllowedAddress;
    match RetryVerdict::of(status) {
        RetryVerdict::Delivered => AttemptResult::Delivered,
        RetryVerdict::Permanent if (300..400).contains(&status) => {
            let text = format!("answered {status}; redirects are not followed");
            AttemptResult::Permanent(FailedAttempt { text, reached })
        }
        RetryVerdict::Permanent => {
            let text = format!("answered {status}");
            AttemptResult::Permanent(FailedAttempt { text, reached })
        }
        RetryVerdict::Retry => {
            let value = response.retry_after.as_deref();
            let min_delay = value.and_then(|value| retry_after(value, SystemTime::now()));
            let text = format!("answered {status}");
            let error = FailedAttempt { text, reached };
            AttemptResult::Retry(error, min_delay.unwrap_or_default())
        }
    }
}
