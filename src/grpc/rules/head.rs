//! Request and response heads of gRPC.
//!
//! Owns the checks on method, content type, `te`, encoding and timeout, and the answer to a failed
//! one. It never knows which methods exist; that is `router`.

use std::time::Duration;

use http::header::{CONTENT_TYPE, TE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use crate::grpc::rules::metadata::{
    APPLICATION_GRPC, GRPC_ACCEPT_ENCODING, GRPC_ENCODING, is_grpc,
};
use crate::grpc::rules::status::{Code, Status};
use crate::grpc::rules::timeout::{self, GRPC_TIMEOUT, TimeoutError};

/// The head of a valid request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// `:path` with its query: only an exact `/package.Service/Method` is a method.
    pub path: &'a str,
    /// How long the caller waits; `None`: without limit.
    pub timeout: Option<Duration>,
}

/// Why a request does not start a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Not POST.
    #[error("the HTTP method must be POST")]
    Method,
    /// Missing, repeated, or another one.
    #[error("the content-type must be application/grpc")]
    ContentType,
    /// Present, and not `trailers`.
    #[error("te must be `trailers`")]
    Te,
    /// Malformed.
    #[error("{0}")]
    Timeout(#[from] TimeoutError),
    /// A header that may occur once occurs more often.
    #[error("{0} was given more than once")]
    Repeated(HeaderName),
    /// A compression other than `identity`.
    #[error("the grpc-encoding is not supported: send identity")]
    Encoding,
}

impl Rejection {
    /// The HTTP status of the answer: 200 where the request is gRPC and only the call is wrong.
    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Te | Self::Timeout(_) | Self::Repeated(_) => StatusCode::BAD_REQUEST,
            Self::Encoding => StatusCode::OK,
        }
    }

    /// The gRPC status of the answer.
    #[must_use]
    pub fn status(&self) -> Status {
        let code = match self {
            Self::Method | Self::Te | Self::Timeout(_) | Self::Repeated(_) => Code::Internal,
            Self::ContentType => Code::InvalidArgument,
            Self::Encoding => Code::Unimplemented,
        };
        Status::new(code, self.to_string())
    }

    /// The answer, which ends the stream.
    #[must_use]
    pub fn to_response(&self) -> Response<()> {
        let mut response = trailers_only(&self.status(), HeaderMap::new());
        *response.status_mut() = self.http_status();
        if *self == Self::Encoding {
            let identity = HeaderValue::from_static("identity");
            response
                .headers_mut()
                .insert(GRPC_ACCEPT_ENCODING, identity);
        }
        response
    }
}

/// The one HEADERS frame of a call that ends without an answer (PROTOCOL-HTTP2, "Trailers-Only").
#[must_use]
pub fn trailers_only(status: &Status, mut metadata: HeaderMap) -> Response<()> {
    reserve(&mut metadata, 3);
    let mut response = response_head(metadata);
    status.write_to(response.headers_mut());
    response
}

/// The HEADERS frame before the messages of an answer.
#[must_use]
pub fn response_head(mut metadata: HeaderMap) -> Response<()> {
    reserve(&mut metadata, 2);
    let mut response = Response::new(());
    *response.headers_mut() = metadata;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, APPLICATION_GRPC);
    response
}

/// Allocates an empty map for `headers` headers. By itself it would allocate six of 104 bytes.
pub(crate) fn reserve(metadata: &mut HeaderMap, headers: usize) {
    if metadata.capacity() == 0 {
        *metadata = HeaderMap::with_capacity(headers);
    }
}

/// The first 128 characters of a path, for a log line: a peer's path may fill the header list.
pub(crate) fn truncate_path(path: &str) -> &str {
    let end = path.char_indices().nth(128).map(|(end, _)| end);
    end.and_then(|end| path.get(..end)).unwrap_or(path)
}

/// The status of a request whose header list is longer than `limit` bytes, as RFC 9113, section
/// 6.5.2, counts them: each field with 32 bytes beside its name and value.
#[must_use]
pub fn check_list_size<T>(request: &Request<T>, limit: u32) -> Option<Status> {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let pseudo = [
        (":method", request.method().as_str()),
        (":scheme", uri.scheme_str().unwrap_or("http")),
        (
            ":authority",
            uri.authority().map_or("", |name| name.as_str()),
        ),
        (":path", path),
    ];
    let pseudo = pseudo.iter().map(|(name, value)| name.len() + value.len());
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len());
    let bytes: usize = pseudo.chain(fields).map(|bytes| bytes + 32).sum();
    (u32::try_from(bytes).unwrap_or(u32::MAX) > limit).then(|| {
        let text =
            format!("the metadata has {bytes} bytes with 32 for each field; the limit is {limit}");
        Status::new(Code::ResourceExhausted, text)
    })
}

/// Checks the head of a request.
///
/// # Errors
///
/// The first [`Rejection`] in this order: method, content type, `te`, timeout, encoding. So a
/// request that is not gRPC gets an HTTP status.
pub fn validate(request: &Parts) -> Result<Head<'_>, Rejection> {
    if request.method != Method::POST {
        return Err(Rejection::Method);
    }
    match single(&request.headers, &CONTENT_TYPE) {
        Ok(Some(value)) if is_grpc(value) => {}
        Ok(_) | Err(_) => return Err(Rejection::ContentType),
    }
    if request
        .headers
        .get_all(TE)
        .iter()
        .any(|te| te != "trailers")
    {
        return Err(Rejection::Te);
    }
    let timeout = single(&request.headers, &GRPC_TIMEOUT)?
        .map(|value| timeout::parse(value.as_bytes()))
        .transpose()?;
    match single(&request.headers, &GRPC_ENCODING)? {
        None => {}
        Some(value) if value == "identity" => {}
        Some(_) => return Err(Rejection::Encoding),
    }
    let path = request
        .uri
        .path_and_query()
        .map_or("", |path| path.as_str());
    Ok(Head { path, timeout })
}

fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    match values.next() {
        None => Ok(first),
        Some(_) => Err(Rejection::Repeated(name.clone())),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut builder = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    const GRPC: (&str, &str) = ("content-type", "application/grpc");

    #[test]
    fn a_valid_head_is_parsed() {
        let parts = request(
            "POST",
            "http://localhost/a.B/C",
            &[
                GRPC,
                ("te", "trailers"),
                ("grpc-timeout", "5S"),
                ("grpc-encoding", "identity"),
            ],
        );
        let head = Head {
            path: "/a.B/C",
            timeout: Some(Duration::from_secs(5)),
        };
        assert_eq!(validate(&parts), Ok(head));
    }

    #[test]
    fn te_timeout_and_encoding_are_optional() {
        let parts = request("POST", "/a.B/C", &[GRPC]);
        assert_eq!(validate(&parts).unwrap().timeout, None);
    }

    #[test]
    fn the_path_keeps_its_query_so_that_it_matches_no_method() {
        for (uri, path) in [
            ("/a.B/C?x", "/a.B/C?x"),
            ("/a.B/C/", "/a.B/C/"),
            ("*", "*"),
            ("http://localhost", "/"),
        ] {
            let parts = request("POST", uri, &[GRPC]);
            assert_eq!(validate(&parts).unwrap().path, path);
        }
    }

    #[test]
    fn rejections_come_in_the_order_of_the_checks() {
        let timeout = Rejection::Timeout(TimeoutError::Digits);
        let twice = Rejection::Repeated(GRPC_TIMEOUT);
        for (method, headers, rejection, http, code) in [
            ("GET", &[][..], Rejection::Method, 405, Code::Internal),
            ("CONNECT", &[GRPC], Rejection::Method, 405, Code::Internal),
            (
                "POST",
                &[],
                Rejection::ContentType,
                415,
                Code::InvalidArgument,
            ),
            (
                "POST",
                &[
                    ("content-type", "application/grpc-web"),
                    ("grpc-timeout", "x"),
                ],
                Rejection::ContentType,
                415,
                Code::InvalidArgument,
            ),
            (
                "POST",
                &[GRPC, GRPC],
                Rejection::ContentType,
                415,
                Code::InvalidArgument,
            ),
            (
                "POST",
                &[GRPC, ("te", "gzip")],
                Rejection::Te,
                400,
                Code::Internal,
            ),
            (
                "POST",
                &[GRPC, ("grpc-timeout", "+5S")],
                timeout,
                400,
                Code::Internal,
            ),
            (
                "POST",
                &[GRPC, ("grpc-timeout", "5S"), ("grpc-timeout", "5S")],
                twice,
                400,
                Code::Internal,
            ),
            (
                "POST",
                &[GRPC, ("grpc-encoding", "gzip")],
                Rejection::Encoding,
                200,
                Code::Unimplemented,
            ),
        ] {
            let mut parts = request("POST", "/a.B/C", &[]);
            parts.method = method.parse().unwrap();
            for (name, value) in headers {
                parts.headers.append(
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                );
            }
            assert_eq!(validate(&parts), Err(rejection.clone()));
            let response = rejection.to_response();
            assert_eq!(response.status(), http, "{rejection}");
            assert_eq!(
                Status::read_from(response.headers()).unwrap().code,
                code,
                "{rejection}"
            );
            assert_eq!(
                response.headers().contains_key(GRPC_ACCEPT_ENCODING),
                rejection == Rejection::Encoding
            );
        }
    }
}
