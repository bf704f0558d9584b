//! The client as a library, on an executor that is not ours.

use std::time::Duration;

use process_wrapper::client::{Client, Error, Exit, Health, Outcome, Shutdown, SignalCause, State};

use super::{FAILS, STAYS, SUCCEEDS};
use crate::support::{self, start_ready};

fn on_tokio<F: Future>(work: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(support::DEADLINE, work).await.unwrap() })
}

#[test]
fn a_process_is_drained_from_any_executor() {
    let wrapper = start_ready(&[], FAILS);
    let client = Client::new(wrapper.address().parse().unwrap());
    on_tokio(async {
        let running = client.state().await.unwrap();
        assert_eq!(
            (running.state, running.pid),
            (State::Running, wrapper.child_pid())
        );
        assert_eq!(
            client.health("process", None).await.unwrap(),
            Health::Serving
        );

        let waiting = client.wait_until(State::Gone, None);
        let request = Shutdown::default().kill_after(Duration::MAX);
        let asked = client.shut_down(&request);
        let (gone, asked) = tokio::join!(waiting, asked);
        assert!(asked.unwrap().requested);
        let gone = gone.unwrap();
        assert_eq!(gone.exit, Some(Exit::Code(3)));
        assert!(gone.failed() && gone.exited_at.is_some());
        assert_eq!(
            client.health("process", None).await.unwrap(),
            Health::NotServing
        );
    });
}

#[test]
fn a_drain_tells_its_outcome_and_the_signals_that_led_to_it() {
    let end = |script, shutdown: Shutdown| {
        let wrapper = start_ready(&[], script);
        let client = Client::new(wrapper.address().parse().unwrap());
        let gone = on_tokio(client.drain(&shutdown, None)).unwrap();
        let signals: Vec<_> = gone
            .signals
            .iter()
            .map(|sent| (sent.name.clone(), sent.number, sent.cause.unwrap()))
            .collect();
        let times: Vec<_> = gone.signals.iter().map(|sent| sent.sent_at).collect();
        assert!(
            times.is_sorted() && times[0] >= gone.started_at,
            "{times:?}"
        );
        (gone.outcome.unwrap(), gone.failed(), signals)
    };
    let sent = |name: &str, number, cause| (name.to_owned(), number, cause);
    assert_eq!(
        end(SUCCEEDS, Shutdown::default()),
        (
            Outcome::Drained,
            false,
            vec![sent("SIGQUIT", 3, SignalCause::Request)]
        )
    );
    let killed = Shutdown::default()
        .force_after(Duration::ZERO)
        .kill_after(Duration::ZERO)
        .repeat_signal(true);
    assert_eq!(
        end(STAYS, killed),
        (
            Outcome::Killed,
            true,
            vec![
                sent("SIGTERM", 15, SignalCause::Request),
                sent("SIGKILL", 9, SignalCause::Deadline),
            ]
        )
    );
}

#[test]
fn a_timeout_reports_the_last_state() {
    let wrapper = start_ready(&[], STAYS);
    let client = Client::new(wrapper.address().parse().unwrap());
    let timeout = Some(Duration::from_secs(1));
    let error = on_tokio(client.wait_until(State::Gone, timeout)).unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert_eq!(error.last().unwrap().state, State::Running);
}

#[test]
fn a_watch_yields_each_state_once_and_stays_at_the_last() {
    let wrapper = start_ready(&[], FAILS);
    let client = Client::new(wrapper.address().parse().unwrap());
    on_tokio(async {
        let mut watch = client.watch();
        assert_eq!(watch.next().await.unwrap().state, State::Running);
        client.shut_down(&Shutdown::default()).await.unwrap();
        assert!(watch.next().await.unwrap().state > State::Running);
        for _ in 0..3 {
            let gone = watch.reach(State::Gone).await.unwrap();
            assert_eq!(gone.exit, Some(Exit::Code(3)));
        }
    });
}
