//! GetState on tonic, as a peer for the benchmarks: `tonic_server current|multi PORT`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic_prost::ProstCodec;

// The fields of the contract that this server sends. The wrapper's crate has them too, but its
// dependencies would then be in this lock file.
#[derive(Clone, PartialEq, prost::Message)]
struct GetStateRequest {
    #[prost(int32, tag = "1")]
    wait_until: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GetStateResponse {
    #[prost(message, optional, tag = "1")]
    process: Option<Process>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Process {
    #[prost(int32, tag = "1")]
    state: i32,
    #[prost(int32, tag = "2")]
    pid: i32,
    #[prost(string, tag = "3")]
    program: String,
    #[prost(message, optional, tag = "4")]
    started_at: Option<prost_types::Timestamp>,
}

/// Answers as the wrapper does: state, pid, program, time.
struct GetState;

impl UnaryService<GetStateRequest> for GetState {
    type Response = GetStateResponse;
    type Future = Pin<
        Box<dyn Future<Output = Result<tonic::Response<Self::Response>, tonic::Status>> + Send>,
    >;

    fn call(&mut self, _: tonic::Request<GetStateRequest>) -> Self::Future {
        Box::pin(async {
            Ok(tonic::Response::new(GetStateResponse {
                process: Some(Process {
                    state: 1,
                    pid: 4242,
                    program: "sleep".to_owned(),
                    started_at: Some(std::time::SystemTime::now().into()),
                }),
            }))
        })
    }
}

#[derive(Clone)]
struct ProcessWrapper;

impl NamedService for ProcessWrapper {
    const NAME: &'static str = "process_wrapper.v1.ProcessWrapper";
}

impl tower_service::Service<http::Request<Body>> for ProcessWrapper {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = ProstCodec::<GetStateResponse, GetStateRequest>::default();
            Ok(Grpc::new(codec).unary(GetState, request).await)
        })
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let mut builder = match arguments[1].as_str() {
        "current" => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let address = format!("127.0.0.1:{}", arguments[2]).parse().unwrap();
    let server = tonic::transport::Server::builder().add_service(ProcessWrapper);
    let runtime = builder.enable_all().build().unwrap();
    runtime.block_on(server.serve(address)).unwrap();
}
