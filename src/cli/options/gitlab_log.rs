//! The logging of `wrapper`, by its options and by the variables that GitLab Runner reads.
//!
//! Owns which of them wins. It reads no variable itself.

use super::gitlab_words;
use crate::log;

/// The logging of `wrapper`, before its environment is read.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct GitlabLog {
    pub(super) format: Option<log::LogFormat>,
    pub(super) level: Option<log::Level>,
}

impl GitlabLog {
    /// Format and level by the options, or else by the variables that GitLab Runner reads; the last
    /// are warnings about the latter.
    pub(super) fn resolve(
        self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> (log::LogFormat, log::Level, Vec<String>) {
        let mut warnings = Vec::new();
        let format = self.format.or_else(|| {
            let value = variable("LOG_FORMAT").filter(|value| !value.is_empty())?;
            let parsed = gitlab_words::format_name(&value).parse();
            parsed
                .map_err(|error| warnings.push(format!("LOG_FORMAT is ignored: {error}")))
                .ok()
        });
        // As Go's strconv.ParseBool reads it. In GitLab's wrapper it wins over a level, too.
        let debug = variable("RUNNER_DEBUG");
        let is_debug = matches!(
            debug.as_deref(),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True")
        );
        let level = is_debug
            .then_some(log::Level::Debug)
            .or(self.level)
            .or_else(|| {
                let value = variable("LOG_LEVEL").filter(|value| !value.is_empty())?;
                let parsed = gitlab_words::level_name(&value).parse();
                parsed
                    .map_err(|error| warnings.push(format!("LOG_LEVEL is ignored: {error}")))
                    .ok()
            });
        let format = format.unwrap_or(log::LogFormat::Text);
        (format, level.unwrap_or(log::Level::Info), warnings)
    }
}
