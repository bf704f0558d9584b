//! Answers that curl and Go's client accept although RFC 9112 does not: they count.

use process_wrapper::webhook::delivery::DeliveryState;

use crate::attempts::{deliver, settings};
use crate::support::webhook_receiver::{Answer, Receiver};

#[test]
fn answers_that_other_clients_accept_are_delivered_in_one_attempt() {
    let many: String = (0..900).map(|n| format!("x-{n}: y\r\n")).collect();
    for (what, fields) in [
        (
            "obs-fold (RFC 9112, section 5.2)",
            "x-long: a\r\n b\r\n\tc\r\n",
        ),
        ("900 header lines", &*many),
        ("a space before the colon", "server : x\r\n"),
        ("a space in a name", "x y: z\r\n"),
        ("a name that is no token", "x(y): z\r\nx\u{e9}: z\r\n"),
        ("a value that is no ASCII", "x: \u{e9}\r\n"),
        ("no reason phrase", ""),
    ] {
        let reason = if fields.is_empty() { "" } else { " OK" };
        let text = format!("HTTP/1.1 200{reason}\r\n{fields}content-length: 0\r\n\r\n");
        let receiver = Receiver::start([Answer::Says(text)]);
        let delivery = deliver(settings(), &receiver.url("/"));
        assert_eq!(
            (delivery.state, delivery.attempts),
            (DeliveryState::Delivered, 1),
            "{what}: {delivery:?}"
        );
    }
}

#[test]
fn retry_after_is_read_from_a_folded_line() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after :\r\n 3600\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start([Answer::Says(busy.to_owned())]);
    let delivery = deliver(settings(), &receiver.url("/"));
    assert_eq!(delivery.last_error, "answered 503; out of time");
}

#[test]
fn answers_beyond_the_bounds_are_no_answers() {
    let many: String = (0..1100).map(|n| format!("x-{n}: y\r\n")).collect();
    let text = format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n");
    let receiver = Receiver::start([
        Answer::Says(text),
        Answer::Says("nonsense\r\n\r\n".to_owned()),
    ]);
    let quick = process_wrapper::webhook::DispatcherSettings {
        deadline: std::time::Duration::from_secs(2),
        ..settings()
    };
    let delivery = deliver(quick, &receiver.url("/"));
    assert_eq!(delivery.state, DeliveryState::Failed, "{delivery:?}");
    assert!(delivery.attempts >= 2, "{delivery:?}");
}
