//! Error messages of the client commands, each with a next step.
//!
//! Owns their text. It never decides the exit code.

use std::path::PathBuf;

use super::durations;
use crate::client::{AttemptErrorKind, Client, Code, Error};

/// The message for an error of the wrapper that a client calls. `elsewhere` are the sockets of
/// other environments, if its address is the default of this one.
pub(super) fn explain(client: &Client, elsewhere: &[PathBuf], error: &Error) -> String {
    if let Error::Refused {
        code: Code::Unauthenticated,
        ..
    } = error
    {
        return match client.has_token() {
            true => format!("{error}; write one of them into the file of --token-file"),
            false => format!("{error}; name a file with one: --token-file FILE"),
        };
    }
    let Error::Unreachable {
        cause,
        attempts,
        tried_for,
        last,
        ..
    } = error
    else {
        return error.to_string();
    };
    let address = client.address();
    let tries = if *attempts == 1 { "try" } else { "tries" };
    let tried = format!("{attempts} {tries} in {}", durations::tenths(*tried_for));
    if cause.kind() != AttemptErrorKind::NotListening {
        return format!("{cause}{} ({tried})", option_hint(cause.kind()));
    }
    match last {
        Some(process) => format!(
            "the connection was lost, and nothing listens there any more ({tried}); the process was last \
             seen {}; has the wrapper been stopped or killed?",
            process.state.as_str()
        ),
        None => format!(
            "nothing listens there ({tried}); is the wrapper running? start it with `process-wrapper run \
             --listen {address} -- COMMAND`, or say with --address where it listens{}",
            also(elsewhere)
        ),
    }
}

/// Where a wrapper listens if its environment differs from the client's.
fn also(elsewhere: &[PathBuf]) -> String {
    let places: Vec<_> = elsewhere
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    match places.is_empty() {
        true => String::new(),
        false => format!(
            "; without --listen, a wrapper with another user, XDG_RUNTIME_DIR or RUNTIME_DIRECTORY than here \
             listens for example at {}",
            places.join(" or ")
        ),
    }
}

/// The option that may help.
const fn option_hint(kind: AttemptErrorKind) -> &'static str {
    match kind {
        AttemptErrorKind::Plaintext => "; if it asks for TLS, use --tls-ca",
        AttemptErrorKind::ClosedAfterTls => "; present a certificate with --tls-cert",
        AttemptErrorKind::TlsUnsupported => "; leave out --tls-ca, or use another port",
        AttemptErrorKind::ServerName => "; use --server-name",
        AttemptErrorKind::NotListening
        | AttemptErrorKind::Connect
        | AttemptErrorKind::Identity
        | AttemptErrorKind::Tls
        | AttemptErrorKind::Http2
        | AttemptErrorKind::Closed
        | AttemptErrorKind::NoAnswer
        | AttemptErrorKind::Unavailable => "",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::io::Errno;

    use super::*;
    use crate::client::attempt_error::{AttemptCause, AttemptError};
    use crate::net::connect::ConnectError;

    fn unreachable(errno: Errno) -> Error {
        Error::Unreachable {
            address: "unix:/a".parse().unwrap(),
            cause: AttemptError::new(AttemptCause::Connect(ConnectError::Unix {
                path: PathBuf::from("/a"),
                source: errno.into(),
            })),
            attempts: 9,
            tried_for: Duration::from_secs(5),
            last: None,
        }
    }

    #[test]
    fn the_message_names_attempts_and_next_step() {
        let client = Client::new("unix:/a".parse().unwrap());
        for errno in [Errno::NOENT, Errno::CONNREFUSED] {
            let text = explain(&client, &[], &unreachable(errno));
            for words in ["nothing listens", "9 tries in 5s", "run --listen unix:///a"] {
                assert!(text.contains(words), "{words:?} is not in {text:?}");
            }
        }
        let text = explain(&client, &[], &unreachable(Errno::ACCESS));
        assert!(text.contains("mode"), "{text:?}");
    }
}
