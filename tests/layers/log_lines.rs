//! Each log call at `info` or above: throttled, or with the reason why no peer can repeat it.
//!
//! Owns the table of them. Lines at `debug` and `trace` are exempt: they are off by default, an
//! operator who wants each read gets a line for it, and audit lines have room of their own in the
//! log.

use std::collections::BTreeMap;
use std::str::FromStr;

use proc_macro2::{TokenStream, TokenTree};

/// The mark of calls that take a `HeldBack`.
const THROTTLED: &str = "";

/// Each call: its file; why no peer can cause any number of its lines, or [`THROTTLED`]; its
/// message. A message is here once for each call.
const CALLS: &[(&str, &str, &[&str])] = &[
    (
        "src/cli/default_socket.rs",
        "the user's logout and login cause it",
        &[
            "the socket was removed; waiting for its directory",
            "listening again",
        ],
    ),
    (
        "src/cli/listeners.rs",
        "once per listener, at the start",
        &[
            "listening",
            "insecure: other users can replace the socket",
            "every user of this machine can call here; use a unix socket, or `run` with --token-file",
            "insecure: strangers can call here",
        ],
    ),
    (
        "src/cli/monitoring.rs",
        "once per listener, at the start",
        &["listening for HTTP"],
    ),
    (
        "src/cli/run.rs",
        "once, at the start or the end",
        &["{warning}", "started", "leaving"],
    ),
    (
        "src/cli/state_dir.rs",
        "once per file, at the start",
        &[
            "an earlier wrapper has left webhooks",
            "another user could move the state directory away; its webhooks would then be lost",
            "a file of the state directory was set aside as .bad",
            "a file of the state directory is left unread",
            "orders about webhooks wait for the next start",
            "an operator has left an order",
            "the order of an operator waits for the next start",
        ],
    ),
    (
        "src/cli/secrets.rs",
        "the owner of the file causes it, at most every 2 s",
        &[
            "every user of this machine can read this secret; chmod 600 it",
            "every user of this machine can change this file; chmod o-w it",
            "files reloaded",
            "reload failed; the previous contents stay in force",
        ],
    ),
    (
        "src/grpc/server/call.rs",
        THROTTLED,
        &["a task panicked; it was ended"],
    ),
    (
        "src/grpc/server/connection.rs",
        THROTTLED,
        &["connection closed: too many frames without progress"],
    ),
    (
        "src/log/mod.rs",
        THROTTLED,
        &["panic: please report this as a bug"],
    ),
    (
        "src/monitor/http.rs",
        THROTTLED,
        &[
            "the HTTP listener is full: for each new connection the oldest is closed",
            "HTTP connections are not accepted for now; retrying in 100 ms",
        ],
    ),
    (
        "src/net/listen.rs",
        "once per listener: `failure_logged`",
        &["a connection was closed because its socket options failed; {hint}"],
    ),
    (
        "src/net/lost_file.rs",
        "once per loss, which the wrapper's own user or root causes",
        &[
            "the socket is not back; waiting for a change beside it",
            "the socket's directory is only looked at once a minute",
        ],
    ),
    (
        "src/net/tls/server.rs",
        "the owner of the file causes it, at most every 2 s",
        &["clients may refuse this certificate"],
    ),
    ("src/net/wrong_protocol.rs", THROTTLED, &["wrong protocol"]),
    (
        "src/process/child.rs",
        "about the start or the end of the process",
        &[
            "the process will not be signalled if the wrapper dies",
            "waiting for the process failed and is tried again",
        ],
    ),
    (
        "src/process/reaper.rs",
        "about the start or the end of the process",
        &["orphans of the process will not be reaped here"],
    ),
    (
        "src/process/self_process.rs",
        "about the start or the end of the process",
        &["memory stays readable for processes of the same user"],
    ),
    (
        "src/process/sentinel.rs",
        "about the start or the end of the process",
        &["--on-wrapper-death does nothing as PID 1: the kernel ends everything then"],
    ),
    (
        "src/process/signals.rs",
        "the wrapper's own user or root sends the signal",
        &[
            "the kernel refused to queue {signal}, probably for lack of memory; it is handled nevertheless",
            "reading a signal failed and is tried again",
        ],
    ),
    (
        "src/process/streams.rs",
        "about the start or the end of the process",
        &["stdin and stdout stay open until the wrapper leaves"],
    ),
    (
        "src/process/terminal.rs",
        "the user of the terminal causes it",
        &[
            "the process stopped: it uses the terminal from the background (start it with < /dev/null)",
        ],
    ),
    (
        "src/process/unregistered.rs",
        "about the start or the end of the process",
        &[
            "a process could not be killed after a failed start",
            "a process could not be reaped after a failed start",
        ],
    ),
    (
        "src/readiness/mod.rs",
        "once: the readiness is decided",
        &[
            "the process was not ready in time; a graceful signal no longer waits",
            "the process is ready",
        ],
    ),
    (
        "src/service/accept.rs",
        THROTTLED,
        &["connections are not accepted for now"],
    ),
    (
        "src/service/admission.rs",
        THROTTLED,
        &["the listener is full: for each new connection one is closed"],
    ),
    (
        "src/service/audit.rs",
        THROTTLED,
        &["audit: call refused", "audit: connection refused"],
    ),
    (
        "src/service/audit.rs",
        "one per call that may have changed something; its caller has the role control",
        &["audit: called", "audit: called"],
    ),
    (
        "src/supervisor/apply.rs",
        "once per stage; `repeat_signal` needs the role control and waits 1 s",
        &[
            "sent {signal} to the process (cause: {cause})",
            "{error} (cause: {cause})",
        ],
    ),
    (
        "src/supervisor/apply.rs",
        "once, in the life of the process",
        &[
            "the process cannot be waited for",
            "{key} from the terminal ended the process and stops the wrapper",
            "the graceful signal waits until the process is ready",
            "the command after the exit was not signalled",
            "the sentinel has died: the process will not be signalled if the wrapper dies",
            "the sentinel cannot be waited for",
            "the process is gone",
        ],
    ),
    (
        "src/supervisor/deliveries.rs",
        "once per webhook, at the end",
        &["webhook not delivered"],
    ),
    (
        "src/supervisor/drive.rs",
        "once, in the life of the process",
        &["the exit status of the process is lost"],
    ),
    (
        "src/supervisor/drive.rs",
        "the wrapper's own user or root sends the signal",
        &["received {signal}"],
    ),
    (
        "src/supervisor/post_exit_command.rs",
        "about the one command after the exit",
        &[
            "the command after the exit could not be started in time",
            "the command after the exit has started",
            "the command after the exit is tried again",
            "the command after the exit could not be started",
            "the command after the exit has run out of time",
            "the command after the exit was ended",
            "the command after the exit has ended",
            "the command after the exit has failed",
            "the exit status of the command after the exit is lost",
        ],
    ),
    (
        "src/systemd/socket.rs",
        "once per change of the state",
        &["the service manager was not notified"],
    ),
    (
        "src/webhook/deliver.rs",
        "once per attempt: webhooks are few, and attempts back off to 60 s",
        &[
            "webhook delivered",
            "webhook failed permanently",
            "webhook failed: out of time",
            "webhook attempt failed; it is retried",
        ],
    ),
    (
        "src/spool/writer.rs",
        "twice per attempt: webhooks are few, and attempts back off to 60 s",
        &["a change of a webhook is not in the state directory"],
    ),
    (
        "src/webhook/active_delivery.rs",
        "once per attempt: webhooks are few, and attempts back off to 60 s",
        &["the facts of the exit are not on disk; the next wrapper would not know them"],
    ),
    (
        "src/supervisor/recovered.rs",
        "the wrapper's own user or root causes it",
        &["an operator has left an order"],
    ),
    (
        "src/webhook/journal.rs",
        "once per request of a caller, which is logged as well; once at the end",
        &[
            "webhook accepted, but not on disk",
            "the order of an operator waits for the next start",
            "the state directory has not taken its last changes in time",
            "orders about webhooks wait for the next start",
        ],
    ),
    (
        "src/webhook/recovered.rs",
        "once per webhook",
        &["the process of an earlier wrapper is still alive; its webhook waits for its end"],
    ),
    (
        "src/webhook/dispatcher.rs",
        "once per webhook",
        &["webhook delivery panicked; this is a bug in process-wrapper, please report it"],
    ),
];

/// A call of a macro of tracing.
#[derive(Debug, PartialEq, Eq)]
struct LogCall {
    line: usize,
    level: String,
    message: String,
    /// It has the field `held_back`, and its value is that of a `HeldBack`.
    is_throttled: bool,
}

/// One line for each log call that is not as the table says, and for each entry without a call.
pub(crate) fn breaks(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut breaks = Vec::new();
    let mut left: Vec<(&str, &str, bool)> = CALLS
        .iter()
        .flat_map(|(file, reason, messages)| {
            messages
                .iter()
                .map(move |message| (*file, *message, *reason == THROTTLED))
        })
        .collect();
    for (path, text) in files {
        if !path.starts_with("src/") || path.contains("/tests") {
            continue;
        }
        for call in log_calls(text) {
            if matches!(&*call.level, "debug" | "trace") {
                continue;
            }
            let LogCall { line, message, .. } = call;
            let found = (&**path, &*message, call.is_throttled);
            if let Some(at) = left.iter().position(|entry| *entry == found) {
                left.remove(at);
            } else {
                breaks.push(format!(
                    "{path}:{line}: {message:?} is not in the table of log_lines.rs: take a \
                     `HeldBack` of a `LineThrottle`, or say there why no peer can repeat it"
                ));
            }
        }
    }
    let unused = left.iter().map(|(file, message, _)| {
        format!("{file}: {message:?} is in the table of log_lines.rs, but not logged so")
    });
    breaks.extend(unused);
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

    /// The breaks of one file, without those of unused entries.
    fn breaks_of(path: &str, text: &str) -> Vec<String> {
        let files = BTreeMap::from([(path.to_owned(), text.to_owned())]);
        let mut breaks = breaks(&files);
        breaks.retain(|line| !line.contains("but not logged so"));
        breaks
    }

    #[test]
    fn a_call_that_is_not_in_the_table_breaks() {
        let new = "fn f() { m!({ tracing::warn!(%peer, \"hello\") }) }";
        let breaks = breaks_of("src/service/accept.rs", new);
        assert_eq!(breaks.len(), 1);
        assert!(breaks[0].starts_with("src/service/accept.rs:1: \"hello\" is not in"));
        let debug = "fn f() { tracing::debug!(%peer, \"hello\"); }";
        assert!(breaks_of("src/service/accept.rs", debug).is_empty());
    }

    #[test]
    fn a_throttled_call_takes_its_number_from_a_throttle() {
        let call = |field: &str| {
            let text = format!("fn f() {{ tracing::warn!({field} \"audit: call refused\"); }}");
            breaks_of("src/service/audit.rs", &text).len()
        };
        assert_eq!(call("held_back = held_back.count(),"), 0);
        assert_eq!(call("held_back = 0,"), 1);
        assert_eq!(call(""), 1);
    }

    #[test]
    fn a_second_call_with_the_same_message_breaks() {
        let twice = "fn f() { tracing::info!(\"leaving\"); tracing::info!(\"leaving\"); }";
        assert_eq!(breaks_of("src/cli/run.rs", twice).len(), 1);
    }

    #[test]
    fn an_entry_without_a_call_breaks() {
        let breaks = breaks(&BTreeMap::new());
        assert!(
            breaks
                .iter()
                .any(|line| line.starts_with("src/cli/run.rs: \"leaving\" is in"))
        );
    }
}
