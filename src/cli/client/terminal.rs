//! Properties of stdout and stderr, and writes to them.
//!
//! Owns the output of the client commands. It never decides the text.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::termios::tcgetwinsize;
use smol::Async;

use crate::cli::options::Color;

/// The size of a terminal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// Whether stdout gets colours.
pub(super) fn stdout_has_colors(color: Color) -> bool {
    has_colors(color, stdout_is_screen(), |name| std::env::var_os(name))
}

/// By no-color.org and bixense.com/clicolors: the option wins, then NO_COLOR, then CLICOLOR_FORCE.
fn has_colors(color: Color, screen: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_set = |name| variable(name).filter(|value| !value.is_empty());
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if is_set("NO_COLOR").is_some() => false,
        Color::Auto => screen || is_set("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
    }
}

/// Whether stdout is a terminal on which text can be replaced.
pub(super) fn stdout_is_screen() -> bool {
    io::stdout().is_terminal() && supports_escapes()
}

/// The same of stderr.
pub(super) fn stderr_is_screen() -> bool {
    io::stderr().is_terminal() && supports_escapes()
}

fn supports_escapes() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The size of the terminal on stdout; `None` if it is something else.
pub(super) fn stdout_size() -> Option<Size> {
    io::stdout().is_terminal().then(|| size(io::stdout()))
}

/// The size of the terminal on stderr.
pub(super) fn stderr_size() -> Size {
    size(io::stderr())
}

/// A terminal that reports no size has that of COLUMNS and LINES, else 80 by 24.
fn size(terminal: impl AsFd) -> Size {
    let (columns, rows) = tcgetwinsize(terminal).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    let or = |reported: u16, name, default| match reported {
        0 => std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
            .filter(|size| *size > 0)
            .unwrap_or(default),
        reported => usize::from(reported),
    };
    Size {
        columns: or(columns, "COLUMNS", 80),
        rows: or(rows, "LINES", 24),
    }
}

/// Writes the answer.
///
/// # Errors
/// Those of `write(2)`, such as a full disk or a closed pipe.
pub(super) fn write_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.flush()?;
    write_all(&stdout, text.as_bytes())
}

/// Also to a descriptor that another program made non-blocking.
fn write_all(file: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&file, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes to the terminal. No other channel could report a failure.
pub(super) fn write_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// Completes when the reader of the pipe on stdout has closed it, without a write. Never completes
/// for another kind of file.
pub(super) async fn stdout_closed() {
    let stdout = io::stdout();
    let is_pipe = fstat(&stdout).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_fifo());
    if is_pipe
        && let Ok(descriptor) = stdout.as_fd().try_clone_to_owned()
        // The mode of the shared open file stays: only readiness is of interest.
        && let Ok(pipe) = Async::new_nonblocking(descriptor)
        // The end to write to becomes readable by an error alone, poll(2): POLLERR.
        && pipe.readable().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[test]
    fn a_full_pipe_that_does_not_block_loses_nothing() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        // More than a pipe holds, pipe(7).
        let text = vec![b'x'; 1 << 20];
        let written = text.len();
        let writing = std::thread::spawn(move || write_all(writer, &text));
        let mut reader = smol::Async::new(std::fs::File::from(reader)).unwrap();
        let mut read = Vec::new();
        smol::block_on(smol::io::AsyncReadExt::read_to_end(&mut reader, &mut read)).unwrap();
        writing.join().unwrap().unwrap();
        assert_eq!(read.len(), written);
    }

    #[test]
    fn the_option_wins_over_the_environment_and_that_over_the_terminal() {
        let with = |color, screen, set: &[(&str, &str)]| {
            has_colors(color, screen, |name| {
                let value = set.iter().find(|(known, _)| *known == name);
                value.map(|(_, value)| OsString::from(value))
            })
        };
        let (no, force) = (("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1"));
        for (color, screen, set, expected) in [
            (Color::Auto, true, &[][..], true),
            (Color::Auto, false, &[], false),
            (Color::Auto, true, &[no], false),
            (Color::Auto, true, &[("NO_COLOR", "")], true),
            (Color::Auto, false, &[force], true),
            (Color::Auto, false, &[("CLICOLOR_FORCE", "0")], false),
            (Color::Auto, true, &[("CLICOLOR_FORCE", "0")], true),
            (Color::Auto, false, &[("CLICOLOR_FORCE", "")], false),
            (Color::Auto, true, &[no, force], false),
            (Color::Always, false, &[no], true),
            (Color::Never, true, &[force], false),
        ] {
            assert_eq!(with(color, screen, set), expected, "{color:?} {set:?}");
        }
    }
}
