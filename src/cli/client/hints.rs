//! Error messages of the client commands, each with a next step.
//!
//! Owns their text. It never decides the exit code.

use rustix::io::Errno;

use super::durations;
use crate::client::{Address, Error, Trouble};
use crate::grpc::Code;
use crate::net::connect::ConnectError;

/// The message for an error of the wrapper at `address`.
pub(super) fn explain(address: &Address, error: &Error) -> String {
    if let Error::Refused(status) = error
        && status.code == Code::Unauthenticated
    {
        return format!("{error}; present a token with --token-file");
    }
    let Error::Unreachable {
        trouble,
        attempts,
        tried_for,
        last,
        ..
    } = error
    else {
        return error.to_string();
    };
    let tries = if *attempts == 1 { "try" } else { "tries" };
    let tried = format!("{attempts} {tries} in {}", durations::tenths(*tried_for));
    if !nothing_listens(trouble) {
        return format!("{trouble} ({tried})");
    }
    match last {
        Some(process) => format!(
            "the connection was lost, and nothing listens there any more ({tried}); the process was last \
             seen {}; has the wrapper been stopped or killed?",
            process.state.as_str()
        ),
        None => format!(
            "nothing listens there ({tried}); is the wrapper running? start it with `process-wrapper run \
             --listen {address} -- COMMAND`, or say with --address where it listens"
        ),
    }
}

/// Whether the system reports that no process listens, as opposed to silence.
fn nothing_listens(trouble: &Trouble) -> bool {
    let is_reported = |error: &std::io::Error| {
        matches!(
            Errno::from_io_error(error),
            Some(Errno::NOENT | Errno::CONNREFUSED)
        )
    };
    match trouble {
        Trouble::Connect(ConnectError::Unix { source, .. }) => is_reported(source),
        Trouble::Connect(ConnectError::Tcp { attempts, .. }) => {
            !attempts.0.is_empty() && attempts.0.iter().all(|(_, error)| is_reported(error))
        }
        Trouble::Connect(ConnectError::Busy { .. } | ConnectError::Resolve { .. })
        | Trouble::Identity(_)
        | Trouble::Tls(_)
        | Trouble::Http2(_)
        | Trouble::Plaintext(_)
        | Trouble::Unwelcome(_)
        | Trouble::Closed
        | Trouble::Silent
        | Trouble::Unavailable(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    fn unreachable(errno: Errno) -> Error {
        Error::Unreachable {
            address: "unix:/a".parse().unwrap(),
            trouble: Trouble::Connect(ConnectError::Unix {
                path: PathBuf::from("/a"),
                source: errno.into(),
            }),
            attempts: 9,
            tried_for: Duration::from_secs(5),
            last: None,
        }
    }

    #[test]
    fn the_message_names_attempts_and_next_step() {
        let address = "unix:/a".parse().unwrap();
        for errno in [Errno::NOENT, Errno::CONNREFUSED] {
            let text = explain(&address, &unreachable(errno));
            for words in ["nothing listens", "9 tries in 5s", "run --listen unix:///a"] {
                assert!(text.contains(words), "{words:?} is not in {text:?}");
            }
        }
        let text = explain(&address, &unreachable(Errno::ACCESS));
        assert!(text.contains("mode"), "{text:?}");
    }
}
