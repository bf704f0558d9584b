//! What happens at the same time as something else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod support;

use std::time::Duration;

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::{
    GetStateRequest, GetStateResponse, InitiateGracefulShutdownRequest,
    InitiateGracefulShutdownResponse, State,
};
use support::client::{Client, GET_STATE, SHUTDOWN, unary};
use support::{DRAINS, setup, start_ready};

#[test]
fn a_trigger_that_meets_the_exit_never_takes_the_state_back() {
    for round in 0..50 {
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
    }
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
fn a_trigger_before_the_child_has_its_handler_tells_the_truth() {
    for _ in 0..20 {
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
    }
}

#[test]
fn a_stop_signal_during_the_start_is_never_lost() {
    for micros in (0..3000).step_by(60) {
        let mut wrapper = setup(&[], &["sleep", "600"]).start();
        // A sweep over the start, not a wait for anything: each moment must do.
        std::thread::sleep(Duration::from_micros(micros));
        if !main_has_begun(wrapper.pid()) {
            // Before main nobody can hold a signal; that is the kernel's and the loader's time.
            support::eventually("main begins", || main_has_begun(wrapper.pid()));
        }
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), 128 + 15, "after {micros} µs");
    }
}

/// Whether SIGTERM is blocked or handled in the process: main's first line is behind it.
fn main_has_begun(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| {
        let mask = line
            .strip_prefix("SigBlk:")
            .or(line.strip_prefix("SigCgt:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & (1 << 14) != 0)
    })
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
fn a_client_that_goes_away_while_waiting_disturbs_nobody() {
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
