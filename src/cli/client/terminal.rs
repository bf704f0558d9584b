//! Properties of stdout and stderr, and writes to them.
//!
//! Owns the output of the client commands. It never decides the text.

use std::io::{self, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

/// The width of a terminal that reports none.
const COLUMNS: u16 = 80;

/// Whether to use colours; a non-empty NO_COLOR turns them off (no-color.org).
pub(super) fn stdout_has_colors() -> bool {
    io::stdout().is_terminal() && supports_escapes() && !is_set("NO_COLOR")
}

/// Whether a line on stderr can be redrawn.
pub(super) fn stderr_can_redraw() -> bool {
    io::stderr().is_terminal() && supports_escapes()
}

fn supports_escapes() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// The width of the terminal on stderr.
pub(super) fn stderr_columns() -> usize {
    let columns = tcgetwinsize(io::stderr()).map_or(COLUMNS, |size| size.ws_col);
    usize::from(if columns == 0 { COLUMNS } else { columns })
}

/// Writes the answer.
///
/// # Errors
/// Those of `write(2)`, such as a full disk or a closed pipe.
pub(super) fn write_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes to the terminal. No other channel could report a failure.
pub(super) fn write_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}
