//! Races between requests, signals and exits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::lifecycle::{self, Config, DrainRequest};
use process_wrapper::pb::process_wrapper::v1::{
    GetStateRequest, GetStateResponse, InitiateGracefulShutdownRequest,
    InitiateGracefulShutdownResponse, State,
};
use process_wrapper::process::child::{Child, Program};
use process_wrapper::supervisor::{Handle, ProcessFacts, Wrapped};
use process_wrapper::webhook::Dispatcher;
use support::client::{Client, GET_STATE, SHUTDOWN, unary};
use support::{DRAINS, eventually, setup, start_ready, sweep};

#[test]
fn a_trigger_concurrent_with_the_exit_never_reverts_the_state() {
    sweep(200, |round| {
        // The child exits on its own at about the time of the trigger, by a line on its input.
        let mut wrapper = setup(
            &[],
            &["sh", "-c", "trap 'exit 3' QUIT; echo ready; read -r _"],
        )
        .configure(|command| {
            command.stdin(std::process::Stdio::piped());
        })
        .start();
        wrapper.stdout.wait_for("ready");
        let client = Client::connect(&wrapper.address());
        let stdin = wrapper.process.stdin.take();
        let closing = std::thread::spawn(move || drop(stdin));
        let mut seen = client.shut_down().state();
        assert!(seen >= State::ShuttingDown, "round {round}: {seen:?}");
        closing.join().unwrap();
        let gone = client.wait_until(State::Gone, None).unwrap();
        assert!(gone.exit_code.is_some(), "round {round}: {gone:?}");
        for _ in 0..3 {
            let now = client.shut_down().state();
            assert!(now >= seen, "round {round}: {now:?} after {seen:?}");
            seen = now;
        }
        assert_eq!(seen, State::Gone);
    });
}

#[test]
fn a_repeated_trigger_sends_no_second_signal() {
    let script = "trap 'echo quit' QUIT; trap 'echo term; exit 0' TERM; echo ready; \
        while :; do sleep 1 & wait $!; done";
    let mut wrapper = start_ready(&[], script);
    let client = Client::connect(&wrapper.address());
    client.run(|channel| async move {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let request = InitiateGracefulShutdownRequest::default();
            calls.spawn(unary::<_, InitiateGracefulShutdownResponse>(
                channel.clone(),
                SHUTDOWN,
                request,
                None,
            ));
        }
        for answer in calls.join_all().await {
            assert_eq!(
                answer.unwrap().process.unwrap().state(),
                State::ShuttingDown
            );
        }
    });
    wrapper.stdout.wait_for("quit");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 0);
    assert_eq!(wrapper.stdout.all(), "ready\nquit\nterm");
}

#[test]
fn a_trigger_before_the_child_has_its_handler_reports_the_state_at_once() {
    sweep(200, |_| {
        let wrapper = setup(&[], &["sh", "-c", DRAINS]).start();
        let client = Client::connect(&wrapper.address());
        assert!(client.shut_down().state() >= State::ShuttingDown);
        let gone = client.wait_until(State::Gone, None).unwrap();
        // Ended by SIGQUIT without the handler, by the handler with it.
        assert!(
            gone.exit_signal == Some(3) || gone.exit_code == Some(3),
            "{gone:?}"
        );
        assert!(gone.requested);
        // A process with the handler, or without one, ends at once. A wrapper that gave the process
        // time to install one would be seen here.
        let time = |at: Option<prost_types::Timestamp>| SystemTime::try_from(at.unwrap()).unwrap();
        let asked = time(gone.shutdown_requested_at);
        let took = time(gone.exited_at).duration_since(asked).unwrap();
        assert!(took < Duration::from_secs(1), "{took:?}");
    });
}

#[test]
fn many_waiters_are_all_answered_at_the_exit() {
    let wrapper = start_ready(&[], DRAINS);
    let client = Client::connect(&wrapper.address());
    let address = wrapper.address();
    client.run(|channel| async move {
        let mut waiters = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let connection = support::client::open(&address).await.unwrap();
            for _ in 0..20 {
                let request = GetStateRequest {
                    wait_until: State::Gone.into(),
                };
                let call =
                    unary::<_, GetStateResponse>(connection.clone(), GET_STATE, request, None);
                waiters.spawn(call);
            }
        }
        let request = InitiateGracefulShutdownRequest::default();
        unary::<_, InitiateGracefulShutdownResponse>(channel, SHUTDOWN, request, None)
            .await
            .unwrap();
        let answers = tokio::time::timeout(support::DEADLINE, waiters.join_all())
            .await
            .expect("every waiter is answered");
        assert_eq!(answers.len(), 200);
        for answer in answers {
            let process = answer.unwrap().process.unwrap();
            assert_eq!((process.state(), process.exit_code), (State::Gone, Some(3)));
        }
    });
}

#[test]
fn a_client_that_disconnects_while_waiting_disturbs_no_other() {
    let wrapper = start_ready(&[], DRAINS);
    let steady = Client::connect(&wrapper.address());
    let address = wrapper.address();
    steady.run(|channel| async move {
        for _ in 0..50 {
            let leaving = support::client::open(&address).await.unwrap();
            let request = GetStateRequest {
                wait_until: State::Gone.into(),
            };
            let waiting = unary::<_, GetStateResponse>(leaving, GET_STATE, request, None);
            let request = GetStateRequest::default();
            let reading = unary::<_, GetStateResponse>(channel.clone(), GET_STATE, request, None);
            // The wait is dropped, with its connection, as soon as the other call is answered.
            tokio::select! {
                answer = waiting => panic!("answered too early: {answer:?}"),
                answer = reading => assert_eq!(answer.unwrap().process.unwrap().state(), State::Running),
            }
        }
    });
    steady.shut_down();
    assert_eq!(
        steady.wait_until(State::Gone, None).unwrap().exit_code,
        Some(3)
    );
}

/// A process under a supervisor that is not polled, in this process: the exit has not been seen.
fn undriven(graceful_signal: process_wrapper::signal::Signal) -> (Handle, i32) {
    let program = Program {
        name: "sleep".into(),
        arguments: vec!["600".into()],
    };
    let child = Child::spawn(&program, &[]).unwrap();
    let pid = child.pid();
    let config = Config {
        graceful_signal,
        ..Config::default()
    };
    let wrapped = Wrapped {
        child,
        program: "sleep".to_owned(),
        after_exit: None,
        sentinel: None,
        webhooks: Dispatcher::default(),
    };
    (Handle::new(config, wrapped, Rc::default()), pid)
}

fn kill_unseen(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    eventually("the process is dead", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    });
}

#[test]
fn a_request_after_an_unreaped_exit_is_not_its_cause() {
    let graceful = |handle: &Handle| {
        let asked = smol::block_on(handle.shut_down(DrainRequest::default(), None));
        asked.unwrap()
    };
    let forceful = |handle: &Handle| smol::block_on(handle.abort()).unwrap();
    let ways: [&dyn Fn(&Handle) -> ProcessFacts; 2] = [&graceful, &forceful];
    for ask in ways {
        let (handle, pid) = undriven(process_wrapper::signal::Signal::QUIT);
        kill_unseen(pid);
        assert_eq!(handle.state(), lifecycle::State::Running);
        let facts = ask(&handle);
        assert_eq!(facts.state, lifecycle::State::Gone);
        assert!(!facts.requested, "{facts:?}");
        assert_eq!(facts.shutdown_requested_at, None);
    }
}

/// Without this, each repeated request would poll ten thousand waiting calls.
#[test]
fn a_request_wakes_no_call_that_waits_for_another_state() {
    #[derive(Default)]
    struct Wakes(AtomicUsize);
    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    // A signal that does nothing to the process.
    let (handle, pid) = undriven(process_wrapper::signal::Signal::CONT);
    let woken: [Arc<Wakes>; 2] = Default::default();
    let count = || {
        woken
            .each_ref()
            .map(|wakes| wakes.0.load(Ordering::Relaxed))
    };
    let [for_the_end, for_anything] = woken.clone().map(Waker::from);
    let mut end = pin!(handle.wait_until(lifecycle::State::Gone));
    let mut anything = pin!(handle.reach_more(handle.last_milestone()));
    assert!(
        end.as_mut()
            .poll(&mut Context::from_waker(&for_the_end))
            .is_pending()
    );
    assert!(
        anything
            .as_mut()
            .poll(&mut Context::from_waker(&for_anything))
            .is_pending()
    );

    let ask = |seconds| {
        let request = DrainRequest {
            kill_after: Some(Duration::from_secs(seconds)),
            ..DrainRequest::default()
        };
        let asked = smol::block_on(handle.shut_down(request, None));
        asked.unwrap().state
    };
    assert_eq!(ask(900), lifecycle::State::ShuttingDown);
    assert_eq!(count(), [0, 1]);
    let mut next = pin!(handle.reach_more(handle.last_milestone()));
    assert!(
        anything
            .as_mut()
            .poll(&mut Context::from_waker(&for_anything))
            .is_ready()
    );
    assert!(
        next.as_mut()
            .poll(&mut Context::from_waker(&for_anything))
            .is_pending()
    );
    for seconds in [900, 800, 700] {
        assert_eq!(ask(seconds), lifecycle::State::ShuttingDown);
    }
    assert_eq!(count(), [0, 1]);
    kill_unseen(pid);
    assert_eq!(ask(700), lifecycle::State::Gone);
    assert_eq!(count(), [1, 2]);
    assert!(
        end.as_mut()
            .poll(&mut Context::from_waker(&for_the_end))
            .is_ready()
    );
    assert!(
        next.as_mut()
            .poll(&mut Context::from_waker(&for_anything))
            .is_ready()
    );
}
