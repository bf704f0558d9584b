//! `grpc.health.v1.Health`, through tonic.

use http::uri::PathAndQuery;
use nix::sys::signal::Signal;
use process_wrapper::pb::grpc::health::v1::health_check_response::ServingStatus;
use process_wrapper::pb::grpc::health::v1::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use process_wrapper::pb::process_wrapper::v1::State;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::support::client::Client;
use crate::support::{DEADLINE, start_ready};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const LIST: &str = "/grpc.health.v1.Health/List";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// Every name that is answered like the server's own.
const SERVES: [&str; 5] = [
    "",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "process_wrapper.v1.ProcessWrapper",
];

/// A child that drains until it gets SIGUSR1.
const DRAINS_UNTIL_USR1: &str =
    "trap ':' QUIT; trap 'exit 0' USR1; echo ready; while :; do sleep 1 & wait $!; done";

fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

fn check(client: &Client, service: &str) -> Result<ServingStatus, Status> {
    let answer: HealthCheckResponse = client.call(CHECK, request(service), None)?;
    Ok(answer.status())
}

type Watch = Streaming<HealthCheckResponse>;

async fn watch(channel: Channel, service: &str) -> Watch {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let request = tonic::Request::new(request(service));
    let answer = grpc
        .server_streaming(request, PathAndQuery::from_static(WATCH), codec)
        .await;
    answer.unwrap().into_inner()
}

/// The next status; `None` would be an end without an error.
async fn next(watch: &mut Watch) -> Result<Option<ServingStatus>, Status> {
    let message = tokio::time::timeout(DEADLINE, watch.message()).await;
    let message = message.expect("nothing came")?;
    Ok(message.map(|answer| answer.status()))
}

#[test]
fn the_process_is_serving_only_while_it_runs_and_the_server_all_the_time() {
    let wrapper = start_ready(&[], DRAINS_UNTIL_USR1);
    let client = Client::connect(&wrapper.address());
    let look = |process: ServingStatus| {
        for name in SERVES {
            assert_eq!(check(&client, name).unwrap(), ServingStatus::Serving);
        }
        assert_eq!(check(&client, "process").unwrap(), process);
        let list: HealthListResponse = client.call(LIST, HealthListRequest {}, None).unwrap();
        for (name, answer) in &list.statuses {
            assert_eq!(check(&client, name).unwrap(), answer.status(), "{name}");
        }
        for name in SERVES.iter().chain(&["process"]) {
            assert!(list.statuses.contains_key(*name), "{name} is not listed");
        }
    };
    look(ServingStatus::Serving);
    assert_eq!(client.shut_down().state(), State::ShuttingDown);
    look(ServingStatus::NotServing);
    wrapper.signal(Signal::SIGUSR1);
    client.wait_until(State::Gone, None).unwrap();
    look(ServingStatus::NotServing);
}

#[test]
fn an_unknown_name_is_not_found() {
    let wrapper = start_ready(&[], DRAINS_UNTIL_USR1);
    let client = Client::connect(&wrapper.address());
    for name in [
        "nothing",
        "Process",
        "process_wrapper.v1",
        "grpc.health.v1.Health/Check",
    ] {
        let status = check(&client, name).unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{name}");
    }
}

#[test]
fn a_health_watch_reports_each_change_and_ends_with_the_wrapper() {
    let mut wrapper = start_ready(&[], DRAINS_UNTIL_USR1);
    let client = Client::connect(&wrapper.address());
    let (mut server, mut process, mut unknown) = client.run(async |channel| {
        let mut server = watch(channel.clone(), "").await;
        let mut process = watch(channel.clone(), "process").await;
        let mut unknown = watch(channel, "nothing").await;
        let serving = Ok(Some(ServingStatus::Serving));
        assert_eq!(next(&mut server).await.map_err(|e| e.code()), serving);
        assert_eq!(next(&mut process).await.map_err(|e| e.code()), serving);
        let status = next(&mut unknown).await.unwrap();
        assert_eq!(status, Some(ServingStatus::ServiceUnknown));
        (server, process, unknown)
    });
    assert_eq!(client.shut_down().state(), State::ShuttingDown);
    client.run(async |_| {
        let status = next(&mut process).await.unwrap();
        assert_eq!(status, Some(ServingStatus::NotServing));
    });
    wrapper.signal(Signal::SIGUSR1);
    client.wait_until(State::Gone, None).unwrap();
    wrapper.signal(Signal::SIGTERM);
    client.run(async |_| {
        // The others get no further status, only the end.
        let status = next(&mut server).await.unwrap();
        assert_eq!(status, Some(ServingStatus::NotServing));
        for watch in [&mut server, &mut process, &mut unknown] {
            let end = next(watch).await.unwrap_err();
            assert_eq!(end.code(), Code::Unavailable, "{end:?}");
            assert_eq!(end.message(), "the wrapper is leaving");
        }
    });
    assert_eq!(wrapper.code(), 0);
}
