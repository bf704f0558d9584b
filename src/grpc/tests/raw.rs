//! Requests that our client does not send: heads and bodies over h2 directly.

use h2::Reason;
use http::Request;

use super::*;

/// The answer on a stream.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    http: u16,
    /// The status was in the head.
    trailers_only: bool,
    code: Option<Code>,
    reset: Option<Reason>,
}

/// Sends one request and reads its answer. Without `body` the head half-closes the stream; with
/// `open` the body does not.
fn send(
    world: &World,
    request: http::request::Builder,
    body: Option<Vec<u8>>,
    open: bool,
) -> Outcome {
    let io = crate::net::budget::Budgeted::new(world.connect_raw(), 1 << 20);
    let request = request.body(()).unwrap();
    let (mut client, connection) =
        world.run(async move { h2::client::handshake(io).await.unwrap() });
    let driver = world.start(async move {
        let _ = connection.await;
    });
    let outcome = world.run(async move {
        let (response, mut stream) = client.send_request(request, body.is_none()).unwrap();
        if let Some(body) = body {
            stream.send_data(body.into(), !open).unwrap();
        }
        let (head, mut body) = match response.await {
            Ok(response) => response.into_parts(),
            Err(error) => {
                let reset = error.reason();
                return Outcome {
                    http: 0,
                    trailers_only: false,
                    code: None,
                    reset,
                };
            }
        };
        let mut reset = None;
        let mut status = Status::read_from(&head.headers);
        let trailers_only = status.is_some();
        while let Some(chunk) = body.data().await {
            match chunk {
                Ok(chunk) => body.flow_control().release_capacity(chunk.len()).unwrap(),
                Err(error) => {
                    reset = error.reason();
                    break;
                }
            }
        }
        if let Ok(Some(trailers)) = body.trailers().await {
            status = Status::read_from(&trailers);
        }
        if open {
            reset = std::future::poll_fn(|cx| stream.poll_reset(cx)).await.ok();
        }
        Outcome {
            http: head.status.as_u16(),
            trailers_only,
            code: status.map(|status| status.code),
            reset,
        }
    });
    drop(driver);
    outcome
}

fn grpc(path: &str) -> http::request::Builder {
    Request::post(format!("http://localhost{path}")).header("content-type", "application/grpc")
}

fn message(flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[flags][..], &length, payload].concat()
}

fn world() -> World {
    let mut router = Router::new();
    echo(&mut router);
    World::new(router)
}

fn refused(http: u16, code: Code) -> Outcome {
    Outcome {
        http,
        trailers_only: true,
        code: Some(code),
        reset: None,
    }
}

#[test]
fn a_request_that_is_no_call_is_refused_in_one_frame() {
    let world = world();
    let post = || Request::post("http://localhost/t.T/Echo");
    let echo = || grpc("/t.T/Echo");
    for (request, outcome) in [
        (
            Request::get("http://localhost/t.T/Echo"),
            refused(405, Code::Internal),
        ),
        (post(), refused(415, Code::InvalidArgument)),
        (
            post().header("content-type", "application/grpc-web"),
            refused(415, Code::InvalidArgument),
        ),
        (
            echo().header("grpc-timeout", "+5S"),
            refused(400, Code::Internal),
        ),
        (
            echo().header("grpc-timeout", "0S"),
            refused(200, Code::DeadlineExceeded),
        ),
        (
            echo().header("grpc-encoding", "gzip"),
            refused(200, Code::Unimplemented),
        ),
        (grpc("/t.T/Echo?x"), refused(200, Code::Unimplemented)),
        (grpc("/t.T/Echo/"), refused(200, Code::Unimplemented)),
        (grpc("/t.T/echo"), refused(200, Code::Unimplemented)),
        (grpc("/"), refused(200, Code::Unimplemented)),
        (
            Request::connect("localhost:1").header("content-type", "application/grpc"),
            refused(405, Code::Internal),
        ),
    ] {
        let text = format!("{request:?}");
        assert_eq!(send(&world, request, None, false), outcome, "{text}");
    }
}

#[test]
fn malformed_bodies_are_refused() {
    let world = world();
    let one = message(0, &[10, 1, b'a']);
    let declared = [&[0][..], &u32::MAX.to_be_bytes()].concat();
    for (body, code) in [
        (vec![], Code::Unimplemented),
        ([one.clone(), one.clone()].concat(), Code::Unimplemented),
        (message(0, &[0xff]), Code::Internal),
        (message(1, &[10, 1, b'a']), Code::Internal),
        (message(2, b""), Code::Internal),
        (one[..3].to_vec(), Code::Internal),
        (one[..6].to_vec(), Code::Internal),
        (declared, Code::ResourceExhausted),
    ] {
        let outcome = send(&world, grpc("/t.T/Echo"), Some(body.clone()), false);
        assert_eq!(outcome, refused(200, code), "{body:?}");
    }
}

#[test]
fn identity_te_and_content_type_parameters_are_accepted() {
    let world = world();
    let request = Request::post("http://localhost/t.T/Echo")
        .header("content-type", "application/grpc+proto; x=y")
        .header("te", "trailers")
        .header("grpc-encoding", "identity");
    let answered = Outcome {
        http: 200,
        trailers_only: false,
        code: Some(Code::Ok),
        reset: None,
    };
    assert_eq!(
        send(&world, request, Some(message(0, b"")), false),
        answered
    );
}

#[test]
fn a_reset_with_no_error_follows_an_answer_before_the_half_close() {
    let world = world();
    let early = Outcome {
        reset: Some(Reason::NO_ERROR),
        ..refused(200, Code::ResourceExhausted)
    };
    let declared = [&[0][..], &u32::MAX.to_be_bytes()].concat();
    assert_eq!(send(&world, grpc("/t.T/Echo"), Some(declared), true), early);

    let early = Outcome {
        reset: Some(Reason::NO_ERROR),
        ..refused(200, Code::Unimplemented)
    };
    assert_eq!(send(&world, grpc("/t.T/None"), Some(vec![]), true), early);
}

#[test]
fn one_refused_request_leaves_the_connection_usable() {
    let world = world();
    let (channel, _driver) = world.connect();
    world.run(async move {
        let result = channel
            .unary::<(), ()>("/t.T/None", &(), CallOptions::default())
            .await;
        assert_eq!(result.unwrap_err().code, Code::Unimplemented);
        assert_eq!(
            echo_once(&channel, "still here").await.unwrap(),
            "still here"
        );
    });
}
