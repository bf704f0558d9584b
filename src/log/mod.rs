//! The wrapper's log: one line per event on stderr, as text or JSON.
//!
//! Owns format, level and their installation for the process. It never blocks the logging thread,
//! which also answers calls and handles signals: `writer` drops and counts the lines that stderr
//! does not take, or keeps them if they are audit lines.

mod dropped;
mod escape;
mod fields;
mod journal;
mod json;
mod shared;
mod sink;
mod text;
mod throttle;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::str::FromStr;
use std::time::Instant;

use thiserror::Error;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;

pub use self::dropped::{DroppedLines, dropped_lines};
pub(crate) use self::escape::escaped;
pub use self::shared::KeptLines;
use self::shared::SharedWriter;
use self::sink::Sink;
use self::text::TextHead;
pub use self::throttle::{HeldBack, LineThrottle};
use self::writer::LineWriter;

/// The target of our own events; those of modules begin with it.
const OWN_TARGET: &str = "process_wrapper";

/// Maximum length of a line in bytes with its newline: up to `PIPE_BUF` a write to a pipe is
/// atomic, so it never mixes with the child's output (`pipe(7)`). Longer lines are truncated and
/// marked.
const MAX_LINE: usize = rustix::pipe::PIPE_BUF;

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `2026-11-23T10:00:00.123Z INFO process_wrapper: listening address=unix:/run/x.sock`; on
    /// journald `<6>INFO process_wrapper: listening address=unix:/run/x.sock`.
    #[default]
    Text,
    /// One JSON object: `timestamp`, `level`, `message`, the event's fields, `target`.
    Json,
}

/// The format of a line for the file behind stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineFormat {
    Text(TextHead),
    Json,
}

impl LineFormat {
    /// `journal_stream` is the value of JOURNAL_STREAM.
    fn new(format: LogFormat, fd: impl AsFd, journal_stream: Option<&str>) -> Self {
        match format {
            LogFormat::Text if journal::is_journal(fd, journal_stream) => {
                Self::Text(TextHead::Priority)
            }
            LogFormat::Text => Self::Text(TextHead::Time),
            // Other programs parse it, so it is the same everywhere.
            LogFormat::Json => Self::Json,
        }
    }
}

/// The least severe level of our own events to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// No events of any crate.
    Off,
    /// A requested operation failed.
    Error,
    /// A problem that the wrapper survives.
    Warn,
    /// State changes and their callers.
    #[default]
    Info,
    /// Reads and connections.
    Debug,
    /// All events.
    Trace,
}

/// Why a text is no log format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown log format {0:?}: use text or json")]
pub struct ParseFormatError(String);

/// Why a text is no log level.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown log level {0:?}: use off, error, warn, info, debug or trace")]
pub struct ParseLevelError(String);

/// Why logging could not be installed.
#[derive(Debug, Error)]
pub enum InitError {
    /// The process has a subscriber already.
    #[error("logging is installed already: install it once per process")]
    Installed(#[from] tracing::subscriber::SetGlobalDefaultError),
}

impl FromStr for LogFormat {
    type Err = ParseFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(ParseFormatError(other.to_owned())),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl FromStr for Level {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use Level::{Debug, Error, Info, Off, Trace, Warn};
        [Off, Error, Warn, Info, Debug, Trace]
            .into_iter()
            .find(|level| level.to_string() == text)
            .ok_or_else(|| ParseLevelError(text.to_owned()))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.filter().fmt(f)
    }
}

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// Where h2 says at debug what was malformed in a request.
const H2_REASONS: [&str; 4] = [
    "h2::server",
    H2_FRAMES,
    "h2::proto::streams::recv",
    "h2::proto::streams::streams",
];

/// Beside a reason it logs each frame.
const H2_FRAMES: &str = "h2::codec::framed_read";

/// h2's level for malformed requests: as debug as our own.
fn h2_reasons(level: Level) -> LevelFilter {
    match level.filter() {
        LevelFilter::DEBUG | LevelFilter::TRACE => LevelFilter::DEBUG,
        filter => filter.min(LevelFilter::ERROR),
    }
}

/// Installs logging to stderr for the whole process, panics included.
///
/// `level` applies to our own events; other crates log at `warn` and above, or less if `level` is
/// lower. Call it once, early in `main`, and run [`KeptLines::write`] as a task.
///
/// # Errors
/// [`InitError::Installed`] if a subscriber is installed already.
pub fn init(format: LogFormat, level: Level) -> Result<KeptLines, InitError> {
    let format = LineFormat::new(format, std::io::stderr(), journal_stream().as_deref());
    let (subscriber, kept) = subscriber(format, level, std::io::stderr());
    tracing::subscriber::set_global_default(subscriber)?;
    // The default hook blocks on a full pipe.
    std::panic::set_hook(Box::new(log_panic));
    Ok(kept)
}

/// What systemd says of the stream to its journal.
fn journal_stream() -> Option<String> {
    std::env::var("JOURNAL_STREAM").ok()
}

/// The prefix for a line to stderr outside the log: its priority if stderr is the journal.
pub(crate) fn prefix(level: tracing::Level) -> &'static str {
    match journal::is_journal(std::io::stderr(), journal_stream().as_deref()) {
        true => journal::priority(level),
        false => "",
    }
}

/// The subscriber that `init` installs, over any descriptor.
fn subscriber<Fd>(
    format: LineFormat,
    level: Level,
    fd: Fd,
) -> (Box<dyn Subscriber + Send + Sync>, KeptLines<Fd>)
where
    Fd: AsFd + Send + 'static,
{
    let filter = Targets::new()
        .with_default(level.filter().min(LevelFilter::WARN))
        // A peer can cause h2's warnings at any rate.
        .with_target("h2", level.filter().min(LevelFilter::ERROR))
        .with_targets(H2_REASONS.map(|target| (target, h2_reasons(level))))
        .with_target(OWN_TARGET, level.filter());
    let writer = SharedWriter::new(LineWriter::new(Sink::new(fd), format));
    let kept = writer.kept_lines();
    // The layer would report an internal error through `eprintln!`, which blocks.
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false)
        .log_internal_errors(false);
    let layer = match format {
        LineFormat::Text(head) => layer
            .fmt_fields(text::TextFields)
            .event_format(text::TextLines(head))
            .boxed(),
        LineFormat::Json => layer
            .fmt_fields(JsonFields::new())
            .event_format(json::JsonLines::new())
            .boxed(),
    };
    let no_frames =
        filter_fn(|event| event.target() != H2_FRAMES || event.fields().field("frame").is_none());
    let registry = tracing_subscriber::registry().with(layer);
    (Box::new(registry.with(filter).with(no_frames)), kept)
}

/// Logs a panic as an event: escaped, truncated and never blocking.
fn log_panic(info: &PanicHookInfo<'_>) {
    // A peer that finds a bug can repeat its request.
    static PANICS: LineThrottle = LineThrottle::for_events();
    let Some(held_back) = PANICS.try_acquire(Instant::now()) else {
        return;
    };
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(
        reason = message,
        location = info.location().map(tracing::field::display),
        held_back = held_back.count(),
        "panic: please report this as a bug"
    );
}
