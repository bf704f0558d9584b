//! The client as a library, on an executor that is not ours.

use std::time::Duration;

use process_wrapper::client::{Client, Error, Exit, Health, Shutdown, State};

use super::{FAILS, STAYS};
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
