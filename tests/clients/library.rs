//! The client as a library, on an executor that is not ours.

use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use process_wrapper::client::{Client, Error, Exit, Health, Outcome, Shutdown, SignalCause, State};

use super::waits::pass;
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

/// Relays a connection to the wrapper; the thread ends with the connection.
fn forward(near: UnixStream, wrapper: &support::Wrapper) -> std::thread::JoinHandle<()> {
    let far = UnixStream::connect(wrapper.socket()).unwrap();
    let (near_, far_) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    std::thread::spawn(move || pass(far_, near_));
    std::thread::spawn(move || pass(near, far))
}

/// A relay sends the request to the wrapper of a successor.
#[test]
fn a_drain_never_asks_a_successor_of_the_process() {
    let (wrapper, successor) = (start_ready(&[], STAYS), start_ready(&[], FAILS));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay");
    let address = format!("unix:{}", path.display());
    let listener = UnixListener::bind(&path).unwrap();
    let successor_address = successor.address();
    let relay = std::thread::spawn(move || {
        // The state before, the wait, and the request, in that order.
        for wrapper in [&wrapper, &wrapper, &successor] {
            forward(listener.accept().unwrap().0, wrapper);
        }
        (wrapper, successor)
    });
    let client = Client::new(address.parse().unwrap());
    let error = on_tokio(client.drain(&Shutdown::default(), None)).unwrap_err();
    let (wrapper, successor) = relay.join().unwrap();
    let Error::Replaced { before, now, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(before.pid, wrapper.child_pid());
    assert_eq!(now.pid, successor.child_pid());
    let client = Client::new(successor_address.parse().unwrap());
    let state = on_tokio(client.state()).unwrap();
    assert!(!state.requested && state.state == State::Running);
}

/// A relay loses the connection of the request after the end of the process was seen, and nothing
/// listens from then on.
#[test]
fn a_drain_keeps_the_end_that_it_saw_before_the_wrapper_was_lost() {
    let wrapper = start_ready(&["--exit-when-gone=always", "--log-level=debug"], FAILS);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay");
    let address = format!("unix:{}", path.display());
    let listener = UnixListener::bind(&path).unwrap();
    let relay = std::thread::spawn(move || {
        let next = || listener.accept().unwrap().0;
        let forward = |near: UnixStream| forward(near, &wrapper);
        // The state before, the wait, and the request, in that order.
        forward(next());
        let wait = forward(next());
        let request = next();
        wrapper.stderr.wait_for_nth("state read", 2);
        let child = nix::unistd::Pid::from_raw(wrapper.child_pid());
        nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGQUIT).unwrap();
        // It ends once the answer has passed.
        wait.join().unwrap();
        drop(request);
    });
    let client = Client::new(address.parse().unwrap()).connect_timeout(Duration::from_secs(3));
    let gone = on_tokio(client.drain(&Shutdown::default(), None)).unwrap();
    relay.join().unwrap();
    assert_eq!(
        (gone.state, gone.exit, gone.outcome),
        (State::Gone, Some(Exit::Code(3)), Some(Outcome::Unasked))
    );
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
