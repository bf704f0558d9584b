//! What the operator says about connections, turned into the limits of the server.
//!
//! Owns their validation, that against the descriptors of this process included. It never enforces one.

use std::time::Duration;

use crate::grpc::rules::limits::{Limits, connections_for, descriptors_for, max_connections_for};

/// A connection that goes sooner than this would go before its client has said what it wants.
const SHORTEST: Duration = Duration::from_secs(1);

/// The options, as they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Connections {
    /// `--max-connections`.
    pub(super) most: Option<usize>,
    /// `--idle-timeout`.
    pub(super) idle_timeout: Option<Duration>,
    /// `--max-connection-age`.
    pub(super) max_age: Option<Duration>,
}

/// Why the options cannot be kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConnectionsError {
    #[error("--max-connections must be at least 1; a wrapper that nobody can call is of no use")]
    None,
    #[error(
        "--max-connections {wanted} on {listeners} listener(s) takes {needed} descriptors and there are \
         {there}: raise the limit (ulimit -n, LimitNOFILE=), or ask for at most {most}"
    )]
    Descriptors {
        wanted: usize,
        listeners: usize,
        needed: u64,
        there: u64,
        most: usize,
    },
    #[error("{option} must be at least 1s; write for example {option} 10m")]
    Short { option: &'static str },
}

impl Connections {
    /// The limits of each of so many listeners, with so many descriptors for all of them (None: as many as
    /// they like).
    pub(super) fn limits(
        &self,
        descriptors: Option<u64>,
        listeners: usize,
    ) -> Result<Limits, ConnectionsError> {
        let defaults = Limits::default();
        Ok(Limits {
            max_connections: match self.most {
                None => connections_for(descriptors, listeners),
                Some(0) => return Err(ConnectionsError::None),
                Some(wanted) => enough(wanted, descriptors, listeners)?,
            },
            idle_timeout: long(self.idle_timeout, "--idle-timeout")?
                .unwrap_or(defaults.idle_timeout),
            max_age: long(self.max_age, "--max-connection-age")?.unwrap_or(defaults.max_age),
            shared_memory: defaults.shared_memory / listeners.max(1),
            ..defaults
        })
    }
}

/// As many connections as were asked for, if they fit.
fn enough(
    wanted: usize,
    descriptors: Option<u64>,
    listeners: usize,
) -> Result<usize, ConnectionsError> {
    let needed = descriptors_for(wanted, listeners);
    match descriptors {
        Some(there) if there < needed => Err(ConnectionsError::Descriptors {
            wanted,
            listeners,
            needed,
            there,
            most: max_connections_for(there, listeners),
        }),
        Some(_) | None => Ok(wanted),
    }
}

fn long(
    time: Option<Duration>,
    option: &'static str,
) -> Result<Option<Duration>, ConnectionsError> {
    match time {
        Some(time) if time < SHORTEST => Err(ConnectionsError::Short { option }),
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_options_the_limits_follow_the_descriptors() {
        let limits = Connections::default().limits(Some(1024), 2).unwrap();
        let expected = Limits {
            max_connections: connections_for(Some(1024), 2),
            shared_memory: Limits::default().shared_memory / 2,
            ..Limits::default()
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn what_was_asked_for_is_what_there_is() {
        let options = Connections {
            most: Some(5000),
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
    fn more_connections_than_descriptors_are_refused_with_the_number_that_fits() {
        for listeners in 1..5 {
            let wanted = |most| Connections {
                most: Some(most),
                ..Connections::default()
            };
            let error = wanted(1000).limits(Some(1000), listeners).unwrap_err();
            let ConnectionsError::Descriptors { most, there, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(there, 1000);
            let fits = wanted(most).limits(Some(1000), listeners).unwrap();
            assert_eq!(fits.max_connections, most);
            assert!(wanted(most + 1).limits(Some(1000), listeners).is_err());
        }
    }

    #[test]
    fn nothing_and_no_time_are_refused() {
        let none = Connections {
            most: Some(0),
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
