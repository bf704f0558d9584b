//! The formats of lines, and that no value forges one.

use std::fmt;

use serde_json::Value;

use super::super::{Level, LineFormat, LogFormat, MAX_LINE, TextHead, subscriber};
use super::{pipe, read_available};

/// The output of `work`.
fn logged(format: LineFormat, level: Level, work: impl FnOnce()) -> String {
    let (reader, writer) = pipe();
    tracing::subscriber::with_default(subscriber(format, level, writer).0, work);
    read_available(reader)
}

fn text(work: impl FnOnce()) -> String {
    let logged = logged(LineFormat::Text(TextHead::Time), Level::Info, work);
    let line = logged.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{line}");
    let (time, rest) = line.split_once(' ').unwrap();
    humantime::parse_rfc3339(time).unwrap();
    assert_eq!(time.len(), "2026-11-23T10:00:00.123Z".len());
    rest.to_owned()
}

fn json(work: impl FnOnce()) -> Value {
    let logged = logged(LineFormat::Json, Level::Info, work);
    let line = logged.strip_suffix('\n').unwrap();
    assert!(!line.chars().any(char::is_control), "{line:?}");
    assert!(logged.len() <= MAX_LINE);
    serde_json::from_str(line).unwrap()
}

const HOSTILE: &str =
    "/x\n2026-01-01T00:00:00.000Z ERROR process_wrapper: forged\r\x1b[2J\u{9b}\u{2028} a=b";

/// A value that writes `HOSTILE` where others would quote it.
struct Raw;

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HOSTILE)
    }
}

/// A value whose formatting fails.
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

#[test]
fn a_text_line_is_terse() {
    let line = text(|| tracing::info!(address = "unix:/run/x.sock", pid = 7, "listening"));
    assert_eq!(
        line,
        "INFO process_wrapper: listening address=unix:/run/x.sock pid=7"
    );
}

#[test]
fn journald_gets_priorities_for_times_exactly_if_it_is_stderr() {
    let (_reader, writer) = pipe();
    let stat = rustix::fs::fstat(&writer).unwrap();
    let stream = format!("{}:{}", stat.st_dev, stat.st_ino);
    let elsewhere = format!("{}:{}", stat.st_dev, stat.st_ino + 1);
    let chosen = |format, stream| LineFormat::new(format, &writer, stream);
    let journal = LineFormat::Text(TextHead::Priority);
    assert_eq!(chosen(LogFormat::Text, Some(&stream)), journal);
    assert_eq!(chosen(LogFormat::Json, Some(&stream)), LineFormat::Json);
    for other in [None, Some(""), Some("7"), Some("x:y"), Some(&elsewhere[..])] {
        let plain = LineFormat::Text(TextHead::Time);
        assert_eq!(chosen(LogFormat::Text, other), plain);
    }
    let lines = logged(journal, Level::Debug, || {
        tracing::error!("a");
        tracing::warn!("b");
        tracing::info!(pid = 7, "c");
        tracing::debug!("d");
    });
    assert_eq!(
        lines,
        "<3>ERROR process_wrapper: a\n<4>WARN process_wrapper: b\n\
         <6>INFO process_wrapper: c pid=7\n<7>DEBUG process_wrapper::log::tests::lines: d\n"
    );
}

#[test]
fn a_debug_line_names_its_module() {
    let line = logged(LineFormat::Text(TextHead::Time), Level::Debug, || {
        tracing::debug!("x")
    });
    assert!(
        line.ends_with("DEBUG process_wrapper::log::tests::lines: x\n"),
        "{line}"
    );
}

#[test]
fn a_json_line_has_its_fields_at_the_top() {
    let line = json(|| tracing::warn!(pid = 7, error = %"no\nreader", "lost"));
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["message"], "lost");
    assert_eq!(line["pid"], 7);
    assert_eq!(line["error"], "no\nreader");
    assert_eq!(line["target"], "process_wrapper::log::tests::lines");
    humantime::parse_rfc3339(line["timestamp"].as_str().unwrap()).unwrap();
}

#[test]
fn a_hostile_value_forges_no_text_line() {
    let escaped = concat!(
        r#""/x\n2026-01-01T00:00:00.000Z ERROR process_wrapper: forged"#,
        r#"\r\u{1b}[2J\u{9b}\u{2028} a=b""#
    );
    let expected = format!("INFO process_wrapper: called path={escaped}");
    assert_eq!(text(|| tracing::info!(path = HOSTILE, "called")), expected);
    assert_eq!(text(|| tracing::info!(path = %HOSTILE, "called")), expected);
    let debug = text(|| tracing::info!(path = ?Raw, "called"));
    assert_eq!(debug, expected);
    let message = text(|| tracing::info!("{HOSTILE}"));
    assert!(
        message.contains(r"/x\n2026") && !message.contains('\x1b'),
        "{message}"
    );
    let error = text(|| {
        let error = std::io::Error::other(HOSTILE);
        tracing::info!(
            path = &error as &(dyn std::error::Error + 'static),
            "called"
        );
    });
    assert_eq!(error, expected);
}

#[test]
fn a_hostile_value_forges_no_json_line() {
    let line = json(|| tracing::info!(path = HOSTILE, header = %HOSTILE, "called {HOSTILE}"));
    assert_eq!(line["path"], HOSTILE);
    assert_eq!(line["header"], HOSTILE);
    assert_eq!(line["message"], format!("called {HOSTILE}"));
}

#[test]
fn spans_are_shown_and_escaped() {
    let work = || {
        let call = tracing::info_span!("call", peer = HOSTILE, path = tracing::field::Empty);
        call.record("path", "/p");
        call.in_scope(|| tracing::info!("ended"));
    };
    let line = text(work);
    assert!(
        line.starts_with(r#"INFO process_wrapper: call{peer="/x\n2026"#),
        "{line}"
    );
    assert!(line.ends_with(r#" a=b" path=/p}: ended"#), "{line}");
    let line = json(work);
    assert_eq!(line["spans"][0]["name"], "call");
    assert_eq!(line["spans"][0]["peer"], HOSTILE);
    assert_eq!(line["spans"][0]["path"], "/p");
}

#[test]
fn a_long_value_is_truncated_and_marked() {
    let long = "ü".repeat(5000);
    let line = text(|| tracing::info!(path = long, code = 5, "called"));
    assert!(line.ends_with("ü...[cut] code=5"), "{line}");
}

#[test]
fn no_line_is_longer_than_an_atomic_write() {
    for size in (1000..5000).step_by(97).chain([1 << 20]) {
        let value = "\u{202e}\"\\x".repeat(size / 4);
        let work = || {
            let (a, b, c, d) = (&*value, &*value, &*value, &*value);
            tracing::info!(a, b, c, d, "called {value}");
        };
        let line = logged(LineFormat::Text(TextHead::Time), Level::Info, work);
        assert!(line.len() <= MAX_LINE && line.ends_with('\n'), "{size}");
        let line = json(work);
        assert!(line["message"].as_str().unwrap().starts_with("called "));
        assert_eq!(
            line.get("truncated").is_some(),
            line.get("a").is_none(),
            "{size}"
        );
    }
}

#[test]
fn a_long_json_line_keeps_its_start() {
    let line = json(|| tracing::error!(path = "\"x\\".repeat(2000), "called"));
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["truncated"], true);
    assert_eq!(line["target"], "process_wrapper::log::tests::lines");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.starts_with(r#"called path="\"x\\\"x\\\"x"#),
        "{message}"
    );
    assert!(message.ends_with("...[cut]\""), "{message}");
}

#[test]
fn a_value_that_fails_to_format_costs_no_event() {
    let line = text(|| tracing::info!(reason = %Broken, "ended"));
    assert_eq!(line, r#"INFO process_wrapper: ended reason="""#);
}

#[test]
fn the_level_applies_to_our_events_and_others_warn() {
    let work = || {
        tracing::debug!("ours at debug");
        tracing::info!("ours at info");
        tracing::info!(target: "polling::epoll", "theirs at info");
        tracing::warn!(target: "polling::epoll", "theirs at warn");
        tracing::error!(target: "polling::epoll", "theirs at error");
        // A peer can cause this at any rate.
        tracing::warn!(target: "h2::proto::ping_pong", "recv PING ack that we never sent");
    };
    let shown = |level| {
        let lines = logged(LineFormat::Text(TextHead::Time), level, work);
        lines
            .lines()
            .map(|line| line.split_once(": ").unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    let theirs = ["theirs at warn", "theirs at error"];
    assert_eq!(
        shown(Level::Debug),
        [&["ours at debug", "ours at info"], &theirs[..]].concat()
    );
    assert_eq!(
        shown(Level::Info),
        [&["ours at info"], &theirs[..]].concat()
    );
    assert_eq!(shown(Level::Warn), theirs);
    assert_eq!(shown(Level::Error), ["theirs at error"]);
    assert_eq!(shown(Level::Off), [""; 0]);
}

#[test]
fn formats_and_levels_parse_as_they_print() {
    for level in ["off", "error", "warn", "info", "debug", "trace"] {
        assert_eq!(level.parse::<Level>().unwrap().to_string(), level);
    }
    for format in ["text", "json"] {
        assert_eq!(format.parse::<LogFormat>().unwrap().to_string(), format);
    }
    let error = "INFO".parse::<Level>().unwrap_err().to_string();
    assert_eq!(
        error,
        r#"unknown log level "INFO": use off, error, warn, info, debug or trace"#
    );
    let error = "yaml".parse::<LogFormat>().unwrap_err().to_string();
    assert_eq!(error, r#"unknown log format "yaml": use text or json"#);
}
