//! What a receiver of webhooks answers: any bytes.

use std::cell::RefCell;
use std::future::Future;
use std::net::{Shutdown, TcpListener};
use std::rc::Rc;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime};

use process_wrapper::clock::Clock;
use process_wrapper::lifecycle::{Exit, Outcome, SignalCause, StageSignal};
use process_wrapper::signal::Signal;
use process_wrapper::webhook::delivery::DeliveryState;
use process_wrapper::webhook::exit_report::{AfterExitReport, ExitReport};
use process_wrapper::webhook::method::Method;
use process_wrapper::webhook::schedule::{RetryPolicy, RetryVerdict};
use process_wrapper::webhook::{Dispatcher, DispatcherSettings, WebhookRequest};
use smol::Async;
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::cursor::Cursor;

/// What is answered to the second attempt.
const OK: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// The time of an attempt is one that no pause before one ever has.
const RETRY: RetryPolicy = RetryPolicy {
    base_delay: Duration::from_secs(1),
    max_delay: Duration::from_secs(60),
    attempt_timeout: Duration::new(7, 777_777_777),
};

/// A first pause is longer only by the receiver's wish.
const LONGEST_DELAY: Duration = RETRY.base_delay;

/// Whatever comes back, the delivery ends: delivered by the status of the answer, failed for good
/// by it, or tried again, which then succeeds. A delivery that is over is not begun again by asking
/// again.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let gone = gone(&mut cursor);
    let answer = cursor.rest();
    let webhooks = Dispatcher::new(DispatcherSettings {
        deadline: Duration::MAX,
        retry: RETRY,
        ..DispatcherSettings::default()
    });
    let webhooks = webhooks.unwrap();
    let (listener, pauses) = (listener(), Rc::<RefCell<Vec<Duration>>>::default());
    let address = listener.get_ref().local_addr().unwrap();
    let webhook = WebhookRequest::new(&format!("http://{address}/x"), Method::Post, []).unwrap();
    let slot = webhooks.register(webhook.clone()).unwrap();
    let delivered = smol::block_on(async {
        let receive = async {
            for (answer, attempt) in [answer, OK].into_iter().zip(1..) {
                let body = exchange(&listener, answer).await;
                assert_eq!(body["attempt"], attempt);
                assert_eq!(body["exit_code"].is_null(), body["exit_signal"].is_number());
                assert!(Outcome::from_str(body["outcome"].as_str().unwrap()).is_ok());
                for sent in body["signals"].as_array().unwrap() {
                    let signal: Signal = sent["name"].as_str().unwrap().parse().unwrap();
                    assert_eq!(sent["number"], signal.number());
                }
            }
            std::future::pending().await
        };
        let clock = Instantly(Rc::clone(&pauses));
        webhooks.deliver(slot, gone, clock).or(receive).await
    });

    let delivery = webhooks.deliveries().remove(0);
    assert_eq!(delivered, delivery.state == DeliveryState::Delivered);
    let pauses = pauses.borrow();
    match (delivery.state, delivery.attempts) {
        (DeliveryState::Delivered, 1) => assert!(has(answer, RetryVerdict::Delivered)),
        (DeliveryState::Failed, 1) => {
            assert!(has(answer, RetryVerdict::Permanent), "{delivery:?}");
            assert!(delivery.last_error.starts_with("answered "), "{delivery:?}");
        }
        (DeliveryState::Delivered, 2) => {
            assert!(!delivery.last_error.is_empty() && !delivery.last_error.contains('\n'));
            let wish = answer.to_ascii_lowercase();
            let wished = wish.windows(11).any(|name| name == b"retry-after");
            assert!(wished || pauses[0] <= LONGEST_DELAY, "{pauses:?}");
        }
        (phase, attempts) => panic!("{phase:?} after {attempts} attempts: {delivery:?}"),
    }
    assert_eq!(webhooks.register(webhook.clone()), Ok(slot));
    assert_eq!(webhooks.is_pending_or_delivered(&webhook), delivered);
}

/// Whether somewhere in an answer there is a status line with such a status.
fn has(answer: &[u8], verdict: RetryVerdict) -> bool {
    answer.windows(12).any(|line| {
        let status = std::str::from_utf8(&line[9..]).ok().map(str::parse);
        line.starts_with(b"HTTP/1.")
            && matches!(status, Some(Ok(status)) if RetryVerdict::of(status) == verdict)
    })
}

/// Takes one request whole and answers it.
async fn exchange(listener: &Async<TcpListener>, answer: &[u8]) -> serde_json::Value {
    let (mut socket, _) = listener.accept().await.unwrap();
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let body = loop {
        let read = socket.read(&mut chunk).await.unwrap();
        assert!(read > 0, "a request is sent whole");
        bytes.extend(&chunk[..read]);
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let body = head.map(|end| serde_json::from_slice(&bytes[end + 4..]));
        if let Some(Ok(body)) = body {
            break body;
        }
    };
    // A client that has read enough of an answer closes, and need not read the rest.
    let _ = socket.write_all(answer).await;
    let _ = socket.get_ref().shutdown(Shutdown::Write);
    let _ = socket.read(&mut chunk).await;
    body
}

/// How it ended, in every way that there is.
fn gone(cursor: &mut Cursor<'_>) -> ExitReport {
    let exit = |cursor: &mut Cursor<'_>| match cursor.bool() {
        true => Exit::Code(cursor.byte()),
        false => Exit::Signal {
            number: cursor.u8(1..=64),
            core_dumped: cursor.bool(),
        },
    };
    let time =
        |cursor: &mut Cursor<'_>| SystemTime::UNIX_EPOCH + Duration::from_secs(cursor.u64(..) >> 2);
    ExitReport {
        exit: Some(exit(cursor)),
        after_exit: match cursor.u8(..4) {
            0 => None,
            1 => Some(AfterExitReport::Ended(exit(cursor))),
            2 => Some(AfterExitReport::TimedOut(exit(cursor))),
            _ => Some(AfterExitReport::FailedToStart(cursor.text())),
        },
        program: cursor.text(),
        pid: 1,
        hostname: "host".to_owned(),
        started_at: time(cursor),
        shutdown_requested_at: None,
        exited_at: Some(time(cursor)),
        requested: cursor.bool(),
        outcome: Outcome::ALL[usize::from(cursor.u8(..6))],
        signals: (0..cursor.u8(..3))
            .map(|_| StageSignal {
                signal: Signal::from_number(cursor.u8(1..32).into()).unwrap(),
                sent_at: time(cursor),
                cause: SignalCause::Deadline,
            })
            .collect(),
    }
}

thread_local! {
    /// One port for all inputs: each new one would stay in TIME-WAIT.
    static LISTENER: TcpListener = TcpListener::bind("127.0.0.1:0").unwrap();
}

fn listener() -> Async<TcpListener> {
    let listener = LISTENER.with(|listener| listener.try_clone().unwrap());
    Async::new(listener).unwrap()
}

/// Time passes at once, except for the time that an attempt has.
#[derive(Debug, Clone)]
struct Instantly(Rc<RefCell<Vec<Duration>>>);

impl Clock for Instantly {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, _: Instant) -> impl Future<Output = ()> + 'static {
        std::future::ready(())
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        let over = duration != RETRY.attempt_timeout;
        if over {
            self.0.borrow_mut().push(duration);
        }
        async move {
            if !over {
                std::future::pending().await
            }
        }
    }
}
