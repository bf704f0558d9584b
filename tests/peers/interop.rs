//! `grpc.testing.TestService`, as gRPC's interoperability test descriptions ask for it, on our
//! layer.
//!
//! The messages are written by hand, with the fields that the test cases use: they are no part of
//! the product, so its build does not generate them.

use std::time::Duration;

use http::HeaderMap;
use process_wrapper::grpc::rules::status::code_from_digits;
use process_wrapper::grpc::{Code, Context, Exchange, Router, Status};

#[derive(Clone, PartialEq, prost::Message)]
struct Empty {}

#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(bytes = "vec", tag = "2")]
    body: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EchoStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SimpleRequest {
    #[prost(int32, tag = "2")]
    response_size: i32,
    #[prost(message, tag = "7")]
    response_status: Option<EchoStatus>,
}

/// Of `SimpleResponse` and `StreamingOutputCallResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Output {
    #[prost(message, tag = "1")]
    payload: Option<Payload>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StreamingInputCallRequest {
    #[prost(message, tag = "1")]
    payload: Option<Payload>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StreamingInputCallResponse {
    #[prost(int32, tag = "1")]
    aggregated_payload_size: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseParameters {
    #[prost(int32, tag = "1")]
    size: i32,
    #[prost(int32, tag = "2")]
    interval_us: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StreamingOutputCallRequest {
    #[prost(message, repeated, tag = "2")]
    response_parameters: Vec<ResponseParameters>,
    #[prost(message, tag = "7")]
    response_status: Option<EchoStatus>,
}

const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";
const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";

/// The service, and the plain page that h2spec wants.
pub(crate) fn router() -> Router {
    let mut router = Router::new();
    router.page("/", "a gRPC server\n");
    router.streaming("/grpc.testing.TestService/EmptyCall", empty_call);
    router.streaming("/grpc.testing.TestService/UnaryCall", unary_call);
    router.streaming(
        "/grpc.testing.TestService/StreamingInputCall",
        streaming_input,
    );
    router.streaming(
        "/grpc.testing.TestService/StreamingOutputCall",
        streaming_output,
    );
    router.streaming("/grpc.testing.TestService/FullDuplexCall", full_duplex);
    router
}

async fn empty_call(context: Context, mut exchange: Exchange) -> Result<(), Status> {
    echo_metadata(&context, &mut exchange);
    exchange.receive_only::<Empty>().await?;
    exchange.send(&Empty {}).await
}

async fn unary_call(context: Context, mut exchange: Exchange) -> Result<(), Status> {
    echo_metadata(&context, &mut exchange);
    let request: SimpleRequest = exchange.receive_only().await?;
    echo_status(request.response_status)?;
    exchange.send(&output(request.response_size)?).await
}

async fn streaming_input(context: Context, mut exchange: Exchange) -> Result<(), Status> {
    echo_metadata(&context, &mut exchange);
    let mut sum = 0;
    while let Some(request) = exchange.receive::<StreamingInputCallRequest>().await? {
        sum += request.payload.map_or(0, |payload| payload.body.len());
    }
    let aggregated_payload_size = i32::try_from(sum).unwrap();
    exchange
        .send(&StreamingInputCallResponse {
            aggregated_payload_size,
        })
        .await
}

async fn streaming_output(context: Context, mut exchange: Exchange) -> Result<(), Status> {
    echo_metadata(&context, &mut exchange);
    let request = exchange.receive_only().await?;
    answer(&mut exchange, request).await
}

async fn full_duplex(context: Context, mut exchange: Exchange) -> Result<(), Status> {
    echo_metadata(&context, &mut exchange);
    while let Some(request) = exchange.receive().await? {
        answer(&mut exchange, request).await?;
    }
    Ok(())
}

async fn answer(
    exchange: &mut Exchange,
    request: StreamingOutputCallRequest,
) -> Result<(), Status> {
    echo_status(request.response_status)?;
    for parameters in request.response_parameters {
        let micros = u64::try_from(parameters.interval_us).unwrap_or(0);
        smol::Timer::after(Duration::from_micros(micros)).await;
        exchange.send(&output(parameters.size)?).await?;
    }
    Ok(())
}

fn output(size: i32) -> Result<Output, Status> {
    let size = usize::try_from(size)
        .map_err(|_| Status::new(Code::InvalidArgument, "the size is negative"))?;
    let payload = Payload {
        kind: 0,
        body: vec![0; size],
    };
    Ok(Output {
        payload: Some(payload),
    })
}

fn echo_status(status: Option<EchoStatus>) -> Result<(), Status> {
    match status {
        Some(EchoStatus { code, message }) if code != 0 => {
            let code = code_from_digits(code.to_string().as_bytes());
            Err(Status::new(code, message))
        }
        Some(_) | None => Ok(()),
    }
}

fn echo_metadata(context: &Context, exchange: &mut Exchange) {
    let only = |name: &'static str| {
        let values = context.metadata.get_all(name).iter().cloned();
        values
            .map(|value| (http::HeaderName::from_static(name), value))
            .collect::<HeaderMap>()
    };
    exchange.set_initial_metadata(only(ECHO_INITIAL));
    exchange.set_trailing_metadata(only(ECHO_TRAILING));
}
