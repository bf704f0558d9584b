//! Deliveries in this process, on the real clock but with short delays: which failures are retried
//! and which are final.

use std::future::Future;
use std::time::{Duration, Instant, SystemTime};

use process_wrapper::clock::MonotonicClock;
use process_wrapper::lifecycle::{Exit, Outcome};
use process_wrapper::webhook::delivery::{Delivery, DeliveryState};
use process_wrapper::webhook::exit_report::ExitReport;
use process_wrapper::webhook::method::Method;
use process_wrapper::webhook::schedule::RetryPolicy;
use process_wrapper::webhook::{Dispatcher, DispatcherSettings, WebhookRequest};

use crate::support::DEADLINE;
use crate::support::webhook_receiver::{Answer, Receiver, Wire, ok, status};

/// A hundred times as quick as the wrapper.
pub const QUICK: RetryPolicy = RetryPolicy {
    base_delay: Duration::from_millis(10),
    max_delay: Duration::from_millis(100),
    attempt_timeout: Duration::from_millis(500),
};

pub fn settings() -> DispatcherSettings {
    DispatcherSettings {
        retry: QUICK,
        deadline: DEADLINE,
        ..DispatcherSettings::default()
    }
}

pub fn webhook(url: &str) -> WebhookRequest {
    WebhookRequest::new(url, Method::Post, []).unwrap()
}

pub fn gone() -> ExitReport {
    ExitReport {
        program: "sh".to_owned(),
        pid: 1,
        hostname: "host".to_owned(),
        started_at: SystemTime::UNIX_EPOCH,
        shutdown_requested_at: None,
        exited_at: Some(SystemTime::UNIX_EPOCH),
        exit: Some(Exit::Code(0)),
        requested: false,
        outcome: Outcome::Unasked,
        signals: Vec::new(),
        after_exit: None,
    }
}

/// Runs a future to its end, which only a failure keeps beyond the deadline.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    smol::block_on(smol::future::or(async { Some(future.await) }, async {
        smol::Timer::after(DEADLINE).await;
        None
    }))
    .expect("it does not end")
}

/// Delivers one webhook to its end.
pub fn deliver(settings: DispatcherSettings, url: &str) -> Delivery {
    let webhooks = Dispatcher::new(settings).unwrap();
    let slot = webhooks.register(webhook(url)).unwrap();
    let delivered = run(webhooks.deliver(slot, gone(), MonotonicClock));
    let delivery = webhooks.deliveries().remove(0);
    assert_eq!(delivered, delivery.state == DeliveryState::Delivered);
    delivery
}

#[test]
fn a_503_is_retried_with_the_same_id_until_it_is_accepted() {
    let receiver = Receiver::start([
        status("503 Service Unavailable"),
        status("429 Too Many Requests"),
        status("408 Request Timeout"),
        status("425 Too Early"),
        status("500 Internal Server Error"),
        status("204 No Content"),
    ]);
    let delivery = deliver(settings(), &receiver.url("/x?y=z"));
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 6)
    );
    assert_eq!(delivery.last_error, "answered 500");
    let requests = receiver.more();
    assert_eq!(requests.len(), 6);
    for (request, attempt) in requests.iter().zip(1..) {
        assert_eq!(request.id(), delivery.id);
        assert_eq!(request.json()["attempt"], attempt);
        assert_eq!(request.json()["id"], delivery.id);
        assert_eq!((&*request.method, &*request.target), ("POST", "/x?y=z"));
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.headers["host"], receiver.address.to_string());
        assert!(!request.headers.contains_key("webhook-signature"));
    }
}

#[test]
fn final_answers_are_not_tried_again() {
    for line in [
        "400 Bad Request",
        "401 Unauthorized",
        "404 Not Found",
        "410 Gone",
        "304 Not Modified",
    ] {
        let receiver = Receiver::start([status(line)]);
        let delivery = deliver(settings(), &receiver.url("/"));
        assert_eq!(
            (delivery.state, delivery.attempts),
            (DeliveryState::Failed, 1),
            "{line}"
        );
        assert!(delivery.last_error.starts_with("answered"), "{delivery:?}");
        assert_eq!(receiver.more().len(), 1);
    }
}

#[test]
fn an_unregistered_status_is_judged_by_its_class() {
    // nginx and Cloudflare answer with such; by RFC 9110 section 15 they mean the x00 of their
    // class.
    for (line, phase) in [
        ("299 Taken", DeliveryState::Delivered),
        ("499 Client Closed Request", DeliveryState::Failed),
        ("399 Elsewhere", DeliveryState::Failed),
        ("999 Whatever", DeliveryState::Failed),
    ] {
        let receiver = Receiver::start([status(line)]);
        let delivery = deliver(settings(), &receiver.url("/"));
        assert_eq!((delivery.state, delivery.attempts), (phase, 1), "{line}");
    }
    let receiver = Receiver::start([status("520 Unknown Error"), status("599 Oops"), ok()]);
    let delivery = deliver(settings(), &receiver.url("/"));
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 3)
    );
    assert_eq!(delivery.last_error, "answered 599");
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Receiver::start([ok()]);
    for line in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = elsewhere.url("/");
        let receiver = Receiver::start([Answer::Says(format!(
            "HTTP/1.1 {line}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        ))]);
        let delivery = deliver(settings(), &receiver.url("/"));
        assert_eq!(
            (delivery.state, delivery.attempts),
            (DeliveryState::Failed, 1),
            "{line}"
        );
        assert!(delivery.last_error.contains("redirects are not followed"));
    }
    assert_eq!(elsewhere.more().len(), 0);
}

#[test]
fn resets_and_stalls_are_retried() {
    let garbage = Answer::Says("SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned());
    let receiver = Receiver::start([Answer::Resets, Answer::Stalls, garbage, ok()]);
    let delivery = deliver(settings(), &receiver.url("/"));
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 4),
        "{delivery:?}"
    );
    assert_eq!(receiver.more().len(), 4);
}

#[test]
fn a_port_without_a_listener_is_retried_until_the_deadline() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let started = Instant::now();
    let settings = DispatcherSettings {
        deadline: Duration::from_millis(300),
        ..settings()
    };
    let delivery = deliver(settings, &format!("http://{free}/s3cret"));
    assert_eq!(delivery.state, DeliveryState::Failed);
    assert!(delivery.attempts > 1, "{delivery:?}");
    assert!(delivery.last_error.contains("refused"), "{delivery:?}");
    assert!(delivery.last_error.ends_with("out of time"), "{delivery:?}");
    assert!(!delivery.last_error.contains("s3cret"));
    assert!(started.elapsed() < DEADLINE / 2);
}

#[test]
fn an_attempt_is_cut_when_the_deadline_comes() {
    let receiver = Receiver::start([Answer::Stalls]);
    let started = Instant::now();
    let settings = DispatcherSettings {
        deadline: Duration::from_millis(200),
        retry: RetryPolicy {
            attempt_timeout: DEADLINE,
            ..QUICK
        },
        ..settings()
    };
    let delivery = deliver(settings, &receiver.url("/"));
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Failed, 1)
    );
    assert!(
        delivery.last_error.starts_with("no answer within"),
        "{delivery:?}"
    );
    assert!(started.elapsed() < DEADLINE / 2);
}

#[test]
fn a_slow_answer_counts_if_it_comes_in_time() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned();
    let receiver = Receiver::start([Answer::Slowly(text, Duration::from_millis(2))]);
    let settings = DispatcherSettings {
        retry: RetryPolicy {
            attempt_timeout: DEADLINE,
            ..QUICK
        },
        ..settings()
    };
    let delivery = deliver(settings, &receiver.url("/"));
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 1)
    );
}

#[test]
fn an_endless_body_is_cut_and_its_status_counts() {
    let receiver = Receiver::start([Answer::Endless]);
    let delivery = deliver(settings(), &receiver.url("/"));
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 1)
    );
}

#[test]
fn a_body_that_never_comes_does_not_hold_a_delivery() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx".to_owned();
    // Also if the attempt would time out soon: the status has arrived.
    for attempt_timeout in [QUICK.attempt_timeout, DEADLINE] {
        let receiver = Receiver::start([Answer::SaysAndStalls(head.clone())]);
        let settings = DispatcherSettings {
            retry: RetryPolicy {
                attempt_timeout,
                ..QUICK
            },
            ..settings()
        };
        let started = Instant::now();
        let delivery = deliver(settings, &receiver.url("/"));
        assert_eq!(
            (delivery.state, delivery.attempts),
            (DeliveryState::Delivered, 1)
        );
        assert!(started.elapsed() < DEADLINE / 2, "{:?}", started.elapsed());
    }
}

#[test]
fn an_endless_head_is_cut_and_tried_again() {
    let receiver = Receiver::start([Answer::EndlessHead, ok()]);
    let settings = DispatcherSettings {
        retry: RetryPolicy {
            attempt_timeout: DEADLINE,
            ..QUICK
        },
        ..settings()
    };
    let delivery = deliver(settings, &receiver.url("/"));
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 2),
        "{delivery:?}"
    );
}

#[test]
fn endless_informational_answers_block_neither_timers_nor_other_clients() {
    let receiver = Receiver::start([Answer::EndlessHints, ok()]);
    let started = Instant::now();
    let delivery = deliver(settings(), &receiver.url("/"));
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert!(delivery.attempts >= 2, "{delivery:?}");
    assert!(started.elapsed() < DEADLINE / 2);
}

#[test]
fn informational_answers_are_not_the_answer() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let answer = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start([Answer::Says(format!("{hints}{answer}"))]);
    let delivery = deliver(settings(), &receiver.url("/"));
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 1)
    );
}

#[test]
fn a_receiver_with_a_literal_ipv6_address_is_called() {
    let wrap = std::sync::Arc::new(|socket| Some(Box::new(socket) as Box<dyn Wire>));
    let receiver = Receiver::start_on("[::1]:0", [ok()], wrap);
    let delivery = deliver(settings(), &receiver.url("/"));
    assert_eq!(delivery.state, DeliveryState::Delivered, "{delivery:?}");
    assert_eq!(
        receiver.request().headers["host"],
        receiver.address.to_string()
    );
}

#[test]
fn retry_after_is_waited_for_even_beyond_the_cap() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n".to_owned();
    let receiver = Receiver::start([Answer::Says(busy), ok()]);
    let started = Instant::now();
    let delivery = deliver(settings(), &receiver.url("/"));
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 2)
    );
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_retry_after_beyond_the_deadline_fails_at_once() {
    let later = SystemTime::now() + Duration::from_secs(3600);
    let later = httpdate::fmt_http_date(later);
    let busy = format!("HTTP/1.1 429 Busy\r\nretry-after: {later}\r\ncontent-length: 0\r\n\r\n");
    let receiver = Receiver::start([Answer::Says(busy)]);
    let delivery = deliver(settings(), &receiver.url("/"));
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Failed, 1)
    );
    assert_eq!(delivery.last_error, "answered 429; out of time");
}

#[test]
fn methods_without_a_body_send_none_and_headers_are_as_requested() {
    for method in [
        Method::Get,
        Method::Head,
        Method::Delete,
        Method::Options,
        Method::Put,
    ] {
        let receiver = Receiver::start([ok()]);
        let headers = [
            ("X-Token", "s3cret"),
            ("Content-Type", "text/x-own"),
            ("user-agent", "me"),
        ];
        let webhook = WebhookRequest::new(&receiver.url("/"), method, headers).unwrap();
        let webhooks = Dispatcher::new(settings()).unwrap();
        let slot = webhooks.register(webhook).unwrap();
        assert!(
            run(webhooks.deliver(slot, gone(), MonotonicClock)),
            "{method:?}"
        );
        let request = receiver.request();
        assert_eq!(request.method, method.name());
        assert_eq!(request.body.is_empty(), !method.has_body());
        assert_eq!(request.headers["x-token"], "s3cret");
        assert_eq!(request.headers["content-type"], "text/x-own");
        assert_eq!(request.headers["user-agent"], "me");
        assert!(request.headers.contains_key("webhook-timestamp"));
        assert!(!format!("{webhooks:?}").contains("s3cret"));
    }
}

#[test]
fn replaced_while_pending_the_next_attempt_sends_the_new_headers() {
    let receiver = Receiver::start([Answer::Resets, Answer::Resets, ok()]);
    let webhooks = Dispatcher::new(settings()).unwrap();
    let url = receiver.url("/");
    let old = WebhookRequest::new(&url, Method::Post, [("x-token", "old")]).unwrap();
    let slot = webhooks.register(old).unwrap();
    let new = WebhookRequest::new(&url, Method::Put, [("x-token", "new")]).unwrap();
    let replaced = async {
        while webhooks.deliveries()[0].attempts == 0 {
            smol::future::yield_now().await;
        }
        assert_eq!(webhooks.register(new), Ok(slot));
        std::future::pending().await
    };
    let delivering = webhooks.deliver(slot, gone(), MonotonicClock);
    assert!(run(smol::future::or(delivering, replaced)));
    let tokens: Vec<_> = receiver
        .more()
        .into_iter()
        .map(|request| (request.headers["x-token"].clone(), request.method))
        .collect();
    let pair = |token: &str, method: &str| (token.to_owned(), method.to_owned());
    assert_eq!(
        tokens,
        [pair("old", "POST"), pair("new", "PUT"), pair("new", "PUT")]
    );
}
