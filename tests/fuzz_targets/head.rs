//! The head of a request.

use http::{HeaderName, HeaderValue, Method, Request};
use process_wrapper::grpc::rules::head::{Rejection, validate};
use process_wrapper::grpc::rules::status::{Code, Status};
use process_wrapper::grpc::rules::timeout;

use super::cursor::Cursor;

const NAMES: [&str; 6] = [
    "content-type",
    "te",
    "grpc-timeout",
    "grpc-encoding",
    "x-a",
    "x-b-bin",
];
const VALUES: [&str; 8] = [
    "application/grpc",
    "application/grpc+proto",
    "trailers",
    "identity",
    "gzip",
    "5S",
    "0n",
    "",
];

/// What passes is a gRPC request by every rule; what does not pass is answered with the rule it
/// breaks.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let method = match cursor.byte() {
        0..200 => Method::POST,
        200..220 => Method::GET,
        220..230 => Method::CONNECT,
        _ => Method::from_bytes(cursor.short()).unwrap_or(Method::OPTIONS),
    };
    let uri = cursor.text();
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri.parse().unwrap_or_default();
    while !cursor.is_empty() && request.headers().len() < 40 {
        let choice = cursor.byte();
        let name = match NAMES.get(usize::from(choice % 8)) {
            Some(name) => HeaderName::from_static(name),
            None => match HeaderName::from_bytes(cursor.short()) {
                Ok(name) => name,
                Err(_) => continue,
            },
        };
        let value = match VALUES.get(usize::from(choice / 8 % 16)) {
            Some(value) => HeaderValue::from_static(value),
            None => match HeaderValue::from_bytes(cursor.short()) {
                Ok(value) => value,
                Err(_) => continue,
            },
        };
        request.headers_mut().append(name, value);
    }

    let (parts, ()) = request.into_parts();
    let all = |name| {
        parts
            .headers
            .get_all(name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect::<Vec<_>>()
    };
    match validate(&parts) {
        Ok(head) => {
            assert_eq!(parts.method, Method::POST);
            assert_eq!(all("content-type").len(), 1);
            assert!(all("te").iter().all(|te| *te == b"trailers"));
            let given = all("grpc-timeout");
            assert!(given.len() <= 1);
            let understood = given.first().map(|value| timeout::parse(value).unwrap());
            assert_eq!(head.timeout, understood);
            assert!(matches!(all("grpc-encoding")[..], [] | [b"identity"]));
            assert!(parts.uri.to_string().contains(head.path));
        }
        Err(rejection) => {
            match &rejection {
                Rejection::Method => assert_ne!(parts.method, Method::POST),
                Rejection::ContentType => assert_ne!(all("content-type"), [b"application/grpc"]),
                Rejection::Te => assert!(all("te").iter().any(|te| *te != b"trailers")),
                Rejection::Timeout(_) => assert!(timeout::parse(all("grpc-timeout")[0]).is_err()),
                Rejection::Repeated(name) => assert!(all(name.as_str()).len() > 1),
                Rejection::Encoding => assert_ne!(all("grpc-encoding"), [b"identity"]),
            }
            let response = rejection.to_response();
            let status = Status::read_from(response.headers()).unwrap();
            assert_eq!(status, rejection.status(), "told in one frame");
            assert_ne!(status.code, Code::Ok);
        }
    }
}
