//! The names of the states on the wire, in options and in metrics.
//!
//! Owns the names and their parser. It never decides when a state changes.

use std::fmt;
use std::str::FromStr;

use super::State;

/// The text is no name of a [`State`].
///
/// ```
/// let error = "stopped".parse::<process_wrapper::client::State>().unwrap_err();
/// assert_eq!(error.to_string(), "write running, shutting_down or gone");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write running, shutting_down or gone")]
#[non_exhaustive]
pub struct UnknownState;

impl State {
    /// All states, in the order in which a process passes them.
    ///
    /// ```
    /// use process_wrapper::client::State;
    ///
    /// assert!(State::ALL.is_sorted());
    /// assert_eq!(State::ALL.last(), Some(&State::Gone));
    /// ```
    pub const ALL: [Self; 3] = [Self::Running, Self::ShuttingDown, Self::Gone];

    /// The name in the control API, as [`Display`](fmt::Display) writes it.
    ///
    /// ```
    /// # use process_wrapper::client::State;
    /// assert_eq!(State::ShuttingDown.as_str(), "shutting_down");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::ShuttingDown => "shutting_down",
            Self::Gone => "gone",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |state: &Self| state.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or(UnknownState)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_to_its_state() {
        for state in State::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert_eq!("Running".parse::<State>(), Err(UnknownState));
    }
}
