//! A tonic client: a gRPC implementation that shares nothing with ours but the messages.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use process_wrapper::pb::process_wrapper::v1::{
    GetStateRequest, GetStateResponse, InitiateGracefulShutdownRequest,
    InitiateGracefulShutdownResponse, Process, State,
};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// A connection and the runtime that drives it.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    channel: Channel,
}

pub const SHUTDOWN: &str = "/process_wrapper.v1.ProcessWrapper/InitiateGracefulShutdown";
pub const GET_STATE: &str = "/process_wrapper.v1.ProcessWrapper/GetState";

impl Client {
    /// Connects, trying again until the wrapper listens.
    pub fn connect(address: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let deadline = std::time::Instant::now() + super::DEADLINE;
        let channel = loop {
            match runtime.block_on(open(address)) {
                Ok(channel) => break channel,
                Err(error) => assert!(
                    std::time::Instant::now() < deadline,
                    "no connection to {address}: {error:?}"
                ),
            }
            std::thread::yield_now();
        };
        Self { runtime, channel }
    }

    /// One unary call.
    pub fn call<Q, A>(
        &self,
        path: &'static str,
        request: Q,
        timeout: Option<Duration>,
    ) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let call = unary(self.channel.clone(), path, request, timeout);
        self.runtime.block_on(async {
            tokio::time::timeout(super::DEADLINE, call)
                .await
                .expect("the call was not answered")
        })
    }

    /// Runs several futures of the caller on this client's runtime.
    pub fn run<F: std::future::Future>(&self, work: impl FnOnce(Channel) -> F) -> F::Output {
        let channel = self.channel.clone();
        self.runtime.block_on(async move { work(channel).await })
    }

    pub fn get_state(&self) -> Process {
        let answer: GetStateResponse = self
            .call(GET_STATE, GetStateRequest::default(), None)
            .unwrap();
        answer.process.unwrap()
    }

    pub fn state(&self) -> State {
        self.get_state().state()
    }

    pub fn wait_until(&self, state: State, timeout: Option<Duration>) -> Result<Process, Status> {
        let request = GetStateRequest {
            wait_until: state.into(),
        };
        let answer: GetStateResponse = self.call(GET_STATE, request, timeout)?;
        Ok(answer.process.unwrap())
    }

    pub fn shut_down(&self) -> Process {
        self.shut_down_with(InitiateGracefulShutdownRequest::default())
            .unwrap()
    }

    pub fn shut_down_with(
        &self,
        request: InitiateGracefulShutdownRequest,
    ) -> Result<Process, Status> {
        let answer: InitiateGracefulShutdownResponse = self.call(SHUTDOWN, request, None)?;
        Ok(answer.process.unwrap())
    }
}

/// A duration of the API.
pub fn milliseconds(millis: i32) -> Option<prost_types::Duration> {
    Some(prost_types::Duration {
        seconds: i64::from(millis / 1000),
        nanos: millis % 1000 * 1_000_000,
    })
}

/// A request to abort after this many milliseconds.
pub fn force_after(millis: i32) -> InitiateGracefulShutdownRequest {
    InitiateGracefulShutdownRequest {
        force_after: milliseconds(millis),
        ..InitiateGracefulShutdownRequest::default()
    }
}

/// One unary call on a channel, for tests that make many at once.
pub async fn unary<Q, A>(
    channel: Channel,
    path: &'static str,
    request: Q,
    timeout: Option<Duration>,
) -> Result<A, Status>
where
    Q: prost::Message + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(format!("{error:?}")))?;
    let mut request = tonic::Request::new(request);
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let codec = ProstCodec::<Q, A>::default();
    let answer = grpc
        .unary(request, PathAndQuery::from_static(path), codec)
        .await?;
    Ok(answer.into_inner())
}

/// A channel to `unix:PATH` or `tcp://HOST:PORT`.
pub async fn open(address: &str) -> Result<Channel, tonic::transport::Error> {
    match address.strip_prefix("unix:") {
        Some(path) => {
            let path = PathBuf::from(path);
            Endpoint::from_static("http://localhost")
                .connect_with_connector(tower::service_fn(move |_| {
                    let path = path.clone();
                    async move {
                        Ok::<_, std::io::Error>(TokioIo::new(
                            tokio::net::UnixStream::connect(path).await?,
                        ))
                    }
                }))
                .await
        }
        None => {
            let uri = address.replace("tcp://", "http://");
            Endpoint::from_shared(uri)?.connect().await
        }
    }
}
