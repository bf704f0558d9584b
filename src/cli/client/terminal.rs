//! What stdout and stderr are, and how something gets onto them.
//!
//! Owns the writing of the client commands. It never decides what to write.

use std::io::{self, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

/// The width of a terminal that does not say.
const COLUMNS: u16 = 80;

/// Whether the answer may have colours: NO_COLOR counts if it is set and not empty (no-color.org).
pub(super) fn stdout_has_colors() -> bool {
    io::stdout().is_terminal() && can_move_its_cursor() && !is_set("NO_COLOR")
}

/// Whether a line on stderr can be written over.
pub(super) fn stderr_can_redraw() -> bool {
    io::stderr().is_terminal() && can_move_its_cursor()
}

fn can_move_its_cursor() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// The columns of the terminal behind stderr.
pub(super) fn stderr_columns() -> usize {
    let columns = tcgetwinsize(io::stderr()).map_or(COLUMNS, |size| size.ws_col);
    usize::from(if columns == 0 { COLUMNS } else { columns })
}

/// Writes the answer.
///
/// # Errors
/// Those of `write(2)`: a full disk, or a reader who has gone.
pub(super) fn write_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes to the terminal; if that fails there is nobody to tell.
pub(super) fn write_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}
