//! The known defects of GitLab's own wrapper, one test each, in the order of our list.

use std::os::unix::net::UnixListener;

use http::uri::PathAndQuery;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::pb::grpc::health::v1::health_check_response::ServingStatus;
use process_wrapper::pb::grpc::health::v1::{HealthCheckRequest, HealthCheckResponse};
use process_wrapper::pb::grpc::reflection::v1::server_reflection_request::MessageRequest;
use process_wrapper::pb::grpc::reflection::v1::server_reflection_response::MessageResponse;
use process_wrapper::pb::grpc::reflection::v1::{
    ServerReflectionRequest, ServerReflectionResponse,
};
use process_wrapper::pb::process_wrapper::v1::{GetStateRequest, GetStateResponse, State};
use tonic::Code;
use tonic_prost::ProstCodec;

use super::support::client::{Client, GET_STATE, unary};
use super::*;

/// There, every stop signal became SIGTERM, and jobs that a plain runner would have finished were
/// aborted.
#[test]
fn defect_01_a_stop_signal_reaches_the_runner_as_it_came() {
    for (signal, word, code) in [
        (Signal::SIGQUIT, "quit", 0),
        (Signal::SIGTERM, "term", 1),
        (Signal::SIGINT, "int", 2),
    ] {
        let mut wrapper = start(&[], RUNNER);
        wrapper.signal(signal);
        assert_eq!(wrapper.code(), code, "{signal}");
        assert_eq!(wrapper.stdout.all(), format!("ready\n{word}"));
    }
}

/// There, the wrapper left without a SIGKILL: the runner was orphaned and the socket file stayed
/// behind.
#[test]
fn defect_02_a_runner_that_does_not_end_in_time_is_killed_and_nothing_is_left_behind() {
    let script = format!("trap '' TERM; {LOOP}");
    let mut wrapper = start(&["--process-termination-timeout", "200ms"], &script);
    let runner = wrapper.child_pid();
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 9);
    assert_eq!(
        kill(Pid::from_raw(runner), None),
        Err(nix::errno::Errno::ESRCH),
        "the runner is still there"
    );
    assert!(!wrapper.socket().exists(), "the socket file is still there");
}

/// There, `stopped` was overwritten by "in shutdown", for ever.
#[test]
fn defect_03_a_runner_that_exits_at_once_is_stopped_and_stays_stopped() {
    for _ in 0..30 {
        let wrapper = start(&[], "echo ready; exec sleep 600");
        let client = Client::connect(&wrapper.address());
        assert_ne!(graceful(&client).unwrap().0, pb::Status::Running);
        assert!(wait_terminated(&client).starts_with("signal: "));
        assert_eq!(graceful(&client).unwrap().0, pb::Status::Stopped);
        assert_eq!(check(&client).0, pb::Status::Stopped);
    }
}

/// There, a signal that met a runner that had just been reaped was answered with UNKNOWN.
#[test]
fn defect_06_a_request_concurrent_with_the_exit_is_answered_ok() {
    for round in 0..30 {
        let wrapper = start(&[], "echo ready; exec sleep 600");
        let client = Client::connect(&wrapper.address());
        kill(Pid::from_raw(wrapper.child_pid()), Signal::SIGKILL).unwrap();
        let answer = if round % 2 == 0 {
            graceful(&client)
        } else {
            forceful(&client)
        };
        let (status, _) = answer.unwrap();
        assert_ne!(status, pb::Status::Running);
        assert_eq!(wait_terminated(&client), "signal: killed");
    }
}

/// There, SIGHUP killed the wrapper.
#[test]
fn defect_08_hangup_reloads_the_runner_and_the_wrapper_lives() {
    let wrapper = start(&[], RUNNER);
    let client = Client::connect(&wrapper.address());
    for nth in 1..=3 {
        wrapper.signal(Signal::SIGHUP);
        wrapper.stdout.wait_for_nth("hup", nth);
    }
    assert_eq!(check(&client), (pb::Status::Running, String::new()));
}

/// There, nothing guarded against a second SIGTERM, at which a runner exits without cleaning up;
/// and nothing ever escalated.
#[test]
fn defect_09_no_second_term_is_sent_and_a_deadline_escalates() {
    let script = format!("trap 'echo term' TERM; {LOOP}");
    let wrapper = start(&["--process-termination-timeout", "500ms"], &script);
    let client = Client::connect(&wrapper.address());
    for _ in 0..5 {
        forceful(&client).unwrap();
        graceful(&client).unwrap();
    }
    assert!(client.get_state().kill_at.is_some());
    wrapper.stdout.wait_for("term");
    assert_eq!(wait_terminated(&client), "signal: killed");
    assert_eq!(wrapper.stdout.text(), "ready\nterm");
}

/// There, a crash and a later stop ended in exit code 0, and no fact about the exit was to be had.
#[test]
fn defect_10_the_exit_code_and_the_facts_of_the_exit_are_kept() {
    let mut wrapper = gitlab_wrapper(&[], "exit 7").start();
    let client = Client::connect(&wrapper.address());
    assert_eq!(wait_terminated(&client), "exit status 7");
    let facts = client.get_state();
    assert_eq!((facts.exit_code, facts.exit_signal), (Some(7), None));
    assert!(!facts.requested && facts.pid > 0);
    let (started, exited) = (facts.started_at.unwrap(), facts.exited_at.unwrap());
    assert!((started.seconds, started.nanos) <= (exited.seconds, exited.nanos));
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 7);
}

/// There, any peer that reaches the socket can do everything, and no option changes that.
#[test]
fn defect_11_the_socket_is_its_owners_and_a_listener_can_be_for_reading_only() {
    let wrapper = start(&[], RUNNER);
    let mode = wrapper.socket().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("read.sock").display());
    let wrapper = support::start_ready(&["--listen", &format!("read={address}")], RUNNER);
    let reader = Client::connect(&address);
    assert_eq!(check(&reader).0, pb::Status::Running);
    for refused in [graceful(&reader), forceful(&reader)] {
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    }
    assert_eq!(check(&reader), (pb::Status::Running, String::new()));
    assert_eq!(wrapper.stdout.text(), "ready");
}

/// There, no caller is authenticated.
#[test]
fn defect_11_a_caller_without_the_token_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "a-token-of-good-length\n").unwrap();
    std::fs::set_permissions(&tokens, PermissionsExt::from_mode(0o600)).unwrap();
    let option = format!("--token-file={}", tokens.display());
    let wrapper = support::start_ready(&[&option], RUNNER);
    let client = Client::connect(&wrapper.address());
    for refused in [graceful(&client), forceful(&client)] {
        assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    }
    wrapper.signal(Signal::SIGHUP);
    wrapper.stdout.wait_for("hup");
    assert_eq!(wrapper.stdout.text(), "ready\nhup");
}

/// There, a stale socket file made the next start fail.
#[test]
fn defect_12_a_stale_socket_file_does_not_stop_the_start() {
    let wrapper = support::setup_with(|command, folder| {
        let socket = folder.join("control.sock");
        drop(UnixListener::bind(&socket).unwrap());
        assert!(socket.exists(), "the stale file is there");
        let listen = format!("unix://{}", socket.display());
        command.args(["wrapper", "--grpc-listen", &listen]);
        command.arg("--runner-path").arg(runner(folder, RUNNER));
    })
    .start();
    wrapper.stdout.wait_for("ready");
    let client = Client::connect(&wrapper.address());
    assert_eq!(check(&client).0, pb::Status::Running);
}

/// There, the runner ran on without control when the listener failed.
#[test]
fn defect_13_a_listener_that_fails_fails_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", taken.local_addr().unwrap());
    let mut wrapper = support::setup_with(|command, folder| {
        command.args(["wrapper", "--grpc-listen", &address]);
        command.arg("--runner-path").arg(runner(folder, RUNNER));
    })
    .start();
    assert_eq!(wrapper.code(), 1);
    assert!(wrapper.stderr.all().contains("in use"));
    assert_eq!(wrapper.stdout.all(), "", "the runner was started");
}

/// There, stopping cut the calls in flight.
#[test]
fn defect_13_a_call_in_flight_is_answered_when_the_wrapper_stops() {
    let mut wrapper = start(&[], RUNNER);
    let client = Client::connect(&wrapper.address());
    let pid = Pid::from_raw(wrapper.pid());
    let gone = client.run(|channel| async move {
        let request = GetStateRequest {
            wait_until: State::Gone.into(),
        };
        let waiting = unary::<_, GetStateResponse>(channel.clone(), GET_STATE, request, None);
        // On the same connection and behind the first: once it is answered, the first is in flight.
        let stop = async {
            let request = GetStateRequest::default();
            unary::<_, GetStateResponse>(channel, GET_STATE, request, None)
                .await
                .unwrap();
            kill(pid, Signal::SIGQUIT).unwrap();
        };
        let (waited, ()) = tokio::join!(waiting, stop);
        waited.unwrap().process.unwrap()
    });
    assert_eq!((gone.state(), gone.exit_code), (State::Gone, Some(0)));
    assert_eq!(wrapper.code(), 0);
}

/// There, neither was served.
#[test]
fn defect_14_health_and_reflection_know_the_service() {
    const SERVICE: &str = "gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper";
    let wrapper = start(&[], RUNNER);
    let client = Client::connect(&wrapper.address());
    for name in [SERVICE, "process"] {
        let request = HealthCheckRequest {
            service: name.to_owned(),
        };
        let answer: HealthCheckResponse = client
            .call("/grpc.health.v1.Health/Check", request, None)
            .unwrap();
        assert_eq!(answer.status(), ServingStatus::Serving, "{name}");
    }
    let listed = client.run(|channel| async move {
        let request = ServerReflectionRequest {
            message_request: Some(MessageRequest::ListServices(String::new())),
            ..Default::default()
        };
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.unwrap();
        let codec = ProstCodec::<ServerReflectionRequest, ServerReflectionResponse>::default();
        let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        let answers = grpc
            .streaming(
                tonic::Request::new(smol::stream::once(request)),
                PathAndQuery::from_static(path),
                codec,
            )
            .await
            .unwrap();
        let answer = answers.into_inner().message().await.unwrap().unwrap();
        answer.message_response.unwrap()
    });
    let MessageResponse::ListServicesResponse(listed) = listed else {
        panic!("no list: {listed:?}");
    };
    assert!(listed.service.iter().any(|service| service.name == SERVICE));
}

/// There, zombies were left to pile up.
#[test]
fn defect_15_orphans_of_the_runner_are_reaped() {
    let script = format!("for i in 1 2 3 4 5 6 7 8 9 10; do (true & ); done; {LOOP}");
    let wrapper = start(&[], &script);
    let children = format!("/proc/{0}/task/{0}/children", wrapper.pid());
    let runner = wrapper.child_pid().to_string();
    support::eventually("only the runner is left", || {
        let children = std::fs::read_to_string(&children).unwrap();
        children.split_whitespace().eq([runner.as_str()])
    });
}

/// There, nothing tied the runner's life to the wrapper's.
#[test]
fn defect_15_a_runner_whose_wrapper_is_killed_gets_a_signal() {
    let mut wrapper = support::start_ready(&["--on-wrapper-death", "QUIT"], RUNNER);
    // From here on a caller watches.
    wrapper.stderr.wait_for("started");
    wrapper.process.kill().unwrap();
    wrapper.wait();
    wrapper.stdout.wait_for("quit");
}
