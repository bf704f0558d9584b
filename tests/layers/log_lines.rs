//! Each log call at `info` or above: throttled, or listed with the reason why no peer can repeat
//! it.
//!
//! Owns that list. Lines at `debug` and `trace` are exempt: they are off by default, an operator
//! who wants each read gets a line for it, and audit lines have room of their own in the log.

use std::collections::BTreeMap;
use std::str::FromStr;

use proc_macro2::{TokenStream, TokenTree};

/// Why a peer cannot cause any number of these lines: the files, and the reason.
const NOT_THROTTLED: &[(&[&str], &str)] = &[
    (
        &[
            "src/cli/listeners.rs",
            "src/cli/monitoring.rs",
            "src/cli/run.rs",
        ],
        "once per option or listener, at the start and at the end",
    ),
    (
        &["src/cli/secrets.rs"],
        "only the owner of the files causes it, at most every 2 s",
    ),
    (
        &["src/net/listen.rs"],
        "once per listener: `failure_logged`",
    ),
    (
        &[
            "src/process/child.rs",
            "src/process/reaper.rs",
            "src/process/self_process.rs",
            "src/process/sentinel.rs",
            "src/process/streams.rs",
            "src/process/unregistered.rs",
        ],
        "about the start or the end of the process",
    ),
    (
        &["src/process/signals.rs", "src/process/terminal.rs"],
        "root, the wrapper's own user or its terminal sends the signal",
    ),
    (
        &["src/readiness/mod.rs"],
        "once, when the readiness is decided",
    ),
    (
        &["src/supervisor/drive.rs"],
        "root, the wrapper's own user or its terminal sends the signal; the rest once",
    ),
    (
        &["src/supervisor/apply.rs"],
        "once per stage of the shutdown; `repeat_signal` needs the role control, and waits 1 s",
    ),
    (
        &["src/supervisor/post_exit_command.rs"],
        "about the one command after the exit",
    ),
    (
        &["src/supervisor/deliveries.rs"],
        "once per webhook, at the end",
    ),
    (
        &["src/systemd/socket.rs"],
        "once per change of the state; no peer takes part",
    ),
    (
        &["src/webhook/deliver.rs", "src/webhook/dispatcher.rs"],
        "once per attempt: the number of webhooks is limited, and attempts back off to 60 s",
    ),
];

/// Audit lines that must not be held back: one for each call that may have changed something. Its
/// caller has the role `control`.
const AUDIT: (&str, &str) = ("src/service/audit.rs", "audit: called");

/// A call of a macro of tracing.
#[derive(Debug, PartialEq, Eq)]
struct LogCall {
    line: usize,
    level: String,
    message: String,
    /// It has the field `held_back`, and its value is that of a `HeldBack`.
    is_throttled: bool,
}

/// One line for each log call that is neither throttled nor listed, and for each useless entry of
/// the list.
pub(crate) fn breaks(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut breaks = Vec::new();
    let mut used = BTreeMap::new();
    for (path, text) in files {
        if !path.starts_with("src/") || path.contains("/tests") {
            continue;
        }
        for call in log_calls(text) {
            let reason = NOT_THROTTLED
                .iter()
                .find(|(files, _)| files.contains(&&**path));
            let is_exempt = match &*call.level {
                "debug" | "trace" => true,
                "info" | "warn" | "error" => (&**path, &*call.message) == AUDIT,
                _ => false,
            };
            if reason.is_some() {
                used.insert(path.clone(), ());
            }
            if !call.is_throttled && !is_exempt && reason.is_none() {
                let LogCall { line, message, .. } = call;
                breaks.push(format!(
                    "{path}:{line}: {message:?} is not throttled: take a `HeldBack` of a \
                     `LineThrottle`, or list in log_lines.rs why no peer can repeat it"
                ));
            }
        }
    }
    for file in NOT_THROTTLED.iter().flat_map(|(files, _)| files.iter()) {
        if !used.contains_key(*file) {
            breaks.push(format!(
                "{file}: listed in log_lines.rs, but has no log call"
            ));
        }
    }
    breaks
}

fn log_calls(text: &str) -> Vec<LogCall> {
    let tokens = TokenStream::from_str(text).unwrap();
    let mut calls = Vec::new();
    collect(tokens, &mut calls);
    calls
}

/// Finds `error!(…)` and its siblings wherever they are, also inside other macros.
fn collect(tokens: TokenStream, calls: &mut Vec<LogCall>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else {
            continue;
        };
        let name = match &tokens[..index] {
            [.., TokenTree::Ident(name), TokenTree::Punct(mark)] if mark.as_char() == '!' => {
                name.to_string()
            }
            _ => String::new(),
        };
        if ["error", "warn", "info", "debug", "trace", "event"].contains(&&*name) {
            let arguments: Vec<_> = group.stream().into_iter().collect();
            calls.push(LogCall {
                line: group.span_open().start().line,
                level: name,
                message: message(&arguments),
                is_throttled: is_throttled(&arguments),
            });
        } else {
            collect(group.stream(), calls);
        }
    }
}

/// The first text that is no value of a field.
fn message(arguments: &[TokenTree]) -> String {
    let mut before = None;
    for token in arguments {
        if let TokenTree::Literal(literal) = token
            && before != Some('=')
        {
            return literal.to_string().trim_matches('"').to_owned();
        }
        before = match token {
            TokenTree::Punct(punct) => Some(punct.as_char()),
            TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Literal(_) => None,
        };
    }
    String::new()
}

/// Whether the arguments hold `held_back = held_back.count()`.
fn is_throttled(arguments: &[TokenTree]) -> bool {
    let texts: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    texts
        .windows(6)
        .any(|window| window == ["held_back", "=", "held_back", ".", "count", "()"])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The breaks of one file, without those of the list.
    fn breaks_of(path: &str, text: &str) -> Vec<String> {
        let files = BTreeMap::from([(path.to_owned(), text.to_owned())]);
        let mut breaks = breaks(&files);
        breaks.retain(|line| !line.contains("has no log call"));
        breaks
    }

    #[test]
    fn a_new_line_that_is_not_throttled_breaks() {
        let path = "src/service/new.rs";
        let breaks = breaks_of(path, "fn f() { m!({ tracing::warn!(%peer, \"hello\") }) }");
        assert_eq!(breaks.len(), 1);
        assert!(breaks[0].starts_with("src/service/new.rs:1: \"hello\" is not throttled"));
        // A number of its own is no throttle.
        let forged = "fn f() { tracing::info!(held_back = 0, \"hello\"); }";
        assert_eq!(breaks_of(path, forged).len(), 1);
        // Only `audit: called` is exempt, not its file.
        let refused = "fn f() { tracing::warn!(\"audit: call refused\"); }";
        assert_eq!(breaks_of("src/service/audit.rs", refused).len(), 1);
    }

    #[test]
    fn throttled_debug_and_listed_lines_pass() {
        let throttled = "fn f() { tracing::warn!(held_back = held_back.count(), \"hello\"); }";
        let debug = "fn f() { tracing::debug!(%peer, \"hello\"); }";
        for text in [throttled, debug] {
            assert!(breaks_of("src/service/new.rs", text).is_empty());
        }
        let listed = "fn f() { tracing::info!(\"started\"); }";
        assert!(breaks_of("src/cli/run.rs", listed).is_empty());
    }

    #[test]
    fn a_listed_file_without_a_log_call_breaks() {
        let breaks = breaks(&BTreeMap::new());
        assert!(
            breaks
                .iter()
                .any(|line| line.starts_with("src/cli/run.rs: listed"))
        );
    }
}
