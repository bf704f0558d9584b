//! Turns the connection options into the limits of the server.
//!
//! Owns their validation, also against the descriptor limit. It never enforces a limit.

use std::time::Duration;

use crate::grpc::rules::limits::{Limits, connections_for, descriptors_for, max_connections_for};

/// A shorter limit closes a connection before its client has sent the first call.
const MIN_DURATION: Duration = Duration::from_secs(1);

/// The options as given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Connections {
    /// `--max-connections`.
    pub(super) max_connections: Option<usize>,
    /// `--idle-timeout`.
    pub(super) idle_timeout: Option<Duration>,
    /// `--max-connection-age`.
    pub(super) max_age: Option<Duration>,
}

/// Why the options are refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConnectionsError {
    #[error("--max-connections must be at least 1; write for example 100")]
    None,
    #[error(
        "--max-connections {wanted} on {listeners} listener(s) needs {needed} descriptors, but \
         {available} are available; raise the limit (ulimit -n, LimitNOFILE=), or set at most {max}"
    )]
    Descriptors {
        wanted: usize,
        listeners: usize,
        needed: u64,
        available: u64,
        max: usize,
    },
    #[error("{option} must be at least 1s; write for example {option} 10m")]
    Short { option: &'static str },
}

impl Connections {
    /// The limits of each listener. All `listeners` share `descriptors`; `None` is unlimited.
    pub(super) fn limits(
        &self,
        descriptors: Option<u64>,
        listeners: usize,
    ) -> Result<Limits, ConnectionsError> {
        let defaults = Limits::default();
        Ok(Limits {
            max_connections: match self.max_connections {
                None => connections_for(descriptors, listeners),
                Some(0) => return Err(ConnectionsError::None),
                Some(wanted) => check_descriptors(wanted, descriptors, listeners)?,
            },
            idle_timeout: check_duration(self.idle_timeout, "--idle-timeout")?
                .unwrap_or(defaults.idle_timeout),
            max_age: check_duration(self.max_age, "--max-connection-age")?
                .unwrap_or(defaults.max_age),
            shared_memory: defaults.shared_memory / listeners.max(1),
            ..defaults
        })
    }
}

/// Returns `wanted` if the descriptors suffice.
fn check_descriptors(
    wanted: usize,
    descriptors: Option<u64>,
    listeners: usize,
) -> Result<usize, ConnectionsError> {
    let needed = descriptors_for(wanted, listeners);
    match descriptors {
        Some(available) if available < needed => Err(ConnectionsError::Descriptors {
            wanted,
            listeners,
            needed,
            available,
            max: max_connections_for(available, listeners),
        }),
        Some(_) | None => Ok(wanted),
    }
}

fn check_duration(
    time: Option<Duration>,
    option: &'static str,
) -> Result<Option<Duration>, ConnectionsError> {
    match time {
        Some(time) if time < MIN_DURATION => Err(ConnectionsError::Short { option }),
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_limits_follow_the_descriptors() {
        let limits = Connections::default().limits(Some(1024), 2).unwrap();
        let expected = Limits {
            max_connections: connections_for(Some(1024), 2),
            shared_memory: Limits::default().shared_memory / 2,
            ..Limits::default()
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn options_override_the_defaults() {
        let options = Connections {
            max_connections: Some(5000),
            idle_timeout: Some(Duration::from_secs(1)),
            max_age: Some(Duration::from_secs(60)),
        };
        let limits = options.limits(Some(1 << 20), 1).unwrap();
        assert_eq!(limits.max_connections, 5000);
        assert_eq!(limits.idle_timeout, Duration::from_secs(1));
        assert_eq!(limits.max_age, Duration::from_secs(60));
        assert_eq!(options.limits(None, 3).unwrap().max_connections, 5000);
    }

    #[test]
    fn more_connections_than_descriptors_are_refused_with_the_maximum() {
        for listeners in 1..5 {
            let wanted = |max| Connections {
                max_connections: Some(max),
                ..Connections::default()
            };
            let error = wanted(1000).limits(Some(1000), listeners).unwrap_err();
            let ConnectionsError::Descriptors { max, available, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(available, 1000);
            let fits = wanted(max).limits(Some(1000), listeners).unwrap();
            assert_eq!(fits.max_connections, max);
            assert!(wanted(max + 1).limits(Some(1000), listeners).is_err());
        }
    }

    #[test]
    fn zero_connections_and_short_durations_are_refused() {
        let none = Connections {
            max_connections: Some(0),
            ..Connections::default()
        };
        assert_eq!(none.limits(None, 1), Err(ConnectionsError::None));
        let short = Some(Duration::from_millis(999));
        let idle = Connections {
            idle_timeout: short,
            ..Connections::default()
        };
        let error = idle.limits(None, 1).unwrap_err().to_string();
        assert!(error.contains("--idle-timeout"), "{error}");
        let age = Connections {
            max_age: short,
            ..Connections::default()
        };
        let error = age.limits(None, 1).unwrap_err().to_string();
        assert!(error.contains("--max-connection-age"), "{error}");
    }
}
