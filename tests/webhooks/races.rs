//! Webhooks while something else happens at the same time: the exit, and stop signals.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::State;
use process_wrapper::pb::process_wrapper::v1::webhook_delivery::Phase;

use crate::support::client::Client;
use crate::support::webhook_receiver::{Answer, Receiver, ok, status};
use crate::support::{DEADLINE, DRAINS, setup, start_ready, sweep};
use crate::wrapper::{ended, with_webhook};

/// Leaves with 3 when it gets QUIT, and with 1 when its input ends.
const ENDS_EITHER_WAY: &str = "trap 'exit 3' QUIT; echo ready; read -r _";

#[test]
fn an_exit_concurrent_with_the_trigger_is_reported_once() {
    // How often the process ended by itself, by its code, and was asked nevertheless.
    let by_itself = AtomicUsize::new(0);
    sweep(240, |run| {
        let receiver = Receiver::start([ok()]);
        let mut wrapper = setup(&[], &["sh", "-c", ENDS_EITHER_WAY])
            .configure(|command| {
                command.stdin(Stdio::piped());
            })
            .start();
        wrapper.stdout.wait_for("ready");
        let client = Client::connect(&wrapper.address());
        let watcher = Client::connect(&wrapper.address());
        assert_eq!(client.state(), State::Running);
        let stdin = wrapper.process.stdin.take();
        let over = AtomicBool::new(false);
        let request = || with_webhook(&receiver.url("/"), &[]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // A call takes some hundred microseconds; the exit comes before, in and after it.
                let at = Instant::now() + Duration::from_micros(run as u64 * 5);
                while Instant::now() < at {}
                drop(stdin);
            });
            scope.spawn(|| {
                let mut seen = State::Running;
                while !over.load(Ordering::Relaxed) {
                    let now = watcher.state();
                    assert!(now >= seen, "{now:?} after {seen:?}");
                    seen = now;
                }
            });
            let answered = client.shut_down_with(request()).unwrap();
            assert!(answered.state() >= State::ShuttingDown);
            let gone = client.wait_until(State::Gone, None).unwrap();
            assert!(matches!(gone.exit_code, Some(1 | 3)), "{gone:?}");
            if gone.exit_code == Some(1) {
                by_itself.fetch_add(1, Ordering::Relaxed);
            }
            let body = receiver.request().json();
            assert_eq!(body["exit_code"], gone.exit_code.unwrap());
            assert_eq!(body["requested"], gone.requested);
            assert_eq!(ended(&client).phase(), Phase::Delivered);
            // A repeated request sends no second signal.
            let again = client.shut_down_with(request()).unwrap();
            assert_eq!((again.state(), again.webhooks.len()), (State::Gone, 1));
            assert_eq!(again.webhooks[0].attempts, 1);
            over.store(true, Ordering::Relaxed);
        });
        drop((client, watcher));
        wrapper.signal(Signal::SIGTERM);
        assert!(matches!(wrapper.code(), 1 | 3));
        assert_eq!(receiver.more().len(), 0, "told once");
    });
    let by_itself = by_itself.into_inner();
    assert!((10..230).contains(&by_itself), "{by_itself} of 240");
}

#[test]
fn a_stopping_wrapper_answers_and_exits_in_time_however_a_receiver_fails() {
    for answer in [
        Some(Answer::Stalls),
        Some(Answer::Resets),
        Some(Answer::EndlessHead),
        Some(status("500 Internal Server Error")),
        Some(status("503 Service Unavailable")),
        // A port without a listener.
        None,
    ] {
        let receiver = answer.clone().map(|answer| Receiver::start([answer]));
        let url = match &receiver {
            Some(receiver) => receiver.url("/"),
            None => format!("http://127.0.0.1:{}/", free_port()),
        };
        let options = ["--webhook", &url, "--webhook-deadline", "900ms"];
        let mut wrapper = start_ready(&options, DRAINS);
        let client = Client::connect(&wrapper.address());
        client.shut_down();
        let gone = client.wait_until(State::Gone, None).unwrap();
        assert_eq!(gone.exit_code, Some(3));
        crate::support::eventually("an attempt begins", || {
            let delivery = client.get_state().webhooks.remove(0);
            delivery.attempts >= 1 || receiver.as_ref().is_some_and(|r| !r.more().is_empty())
        });
        let stopped = Instant::now();
        wrapper.signal(Signal::SIGTERM);
        wrapper.stderr.wait_for("received SIGTERM");
        // It answers for as long as it stays.
        let asked = Instant::now();
        let process = client.get_state();
        assert!(asked.elapsed() < Duration::from_millis(500), "{answer:?}");
        assert_eq!(process.state(), State::Gone);
        assert_eq!(wrapper.code(), 3, "{answer:?}");
        let stayed = stopped.elapsed();
        assert!(stayed < DEADLINE / 3, "{answer:?}: {stayed:?}");
        let log = wrapper.stderr.all();
        assert_eq!(log.matches("webhook not delivered").count(), 1, "{log}");
    }
}

/// A port without a listener.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
