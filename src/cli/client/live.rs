//! What a command shows while it waits.
//!
//! Owns one line on stderr or a table on stdout, which it redraws and finally erases, or the events
//! on stdout. It never decides their text.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use async_channel::{Receiver, Sender};
use smol::future::or;

use super::frame::Frame;
use super::paint::Canvas;
use super::progress::{self, WrapperProgress};
use super::row::{Row, RowAnswer};
use super::{json, terminal, text};
use crate::cli::complain;
use crate::cli::options::Output;
use crate::client::Process;
use crate::clock::{Clock, MonotonicClock};
use crate::log::escaped;
use crate::process::signals::SignalQueue;
use crate::signal::Signal;

/// The redraw interval without updates; times count in seconds.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// Where and how the progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    Hidden,
    /// One line on stderr.
    Line,
    /// A block or a table on stdout.
    Table {
        color: bool,
    },
    /// A line on stdout for each change.
    Events {
        output: Output,
        color: bool,
    },
}

/// The display. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Live {
    surface: Surface,
    progress: Rc<RefCell<Vec<WrapperProgress>>>,
    frame: Rc<RefCell<Frame>>,
    since: Instant,
    /// The end of the wait.
    deadline: Option<Instant>,
    failed: (Sender<io::Error>, Receiver<io::Error>),
}

impl Live {
    pub(super) fn new(
        surface: Surface,
        addresses: impl Iterator<Item = String>,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            surface,
            progress: Rc::new(RefCell::new(addresses.map(WrapperProgress::new).collect())),
            frame: Rc::default(),
            since: Instant::now(),
            deadline,
            // The first failure ends the command.
            failed: async_channel::bounded(1),
        }
    }

    /// Shows an update of wrapper `n`.
    pub(super) fn update(&self, n: usize, process: &Process) {
        self.change(n, |one| {
            one.row.answer = RowAnswer::Process(Box::new(process.clone()));
        });
    }

    /// The process of wrapper `n` as it is drawn now. `None` where nothing is drawn.
    pub(super) fn drawn(&self, n: usize) -> Option<Process> {
        match self.surface {
            Surface::Hidden | Surface::Events { .. } => None,
            Surface::Line | Surface::Table { .. } => {
                let progress = self.progress.borrow();
                progress.get(n)?.row.process().cloned()
            }
        }
    }

    /// Shows the final row of wrapper `n`.
    pub(super) fn ended(&self, n: usize, row: &Row) {
        self.change(n, |one| {
            one.row = row.clone();
            one.ended = true;
        });
    }

    fn change(&self, n: usize, change: impl FnOnce(&mut WrapperProgress)) {
        if let Some(one) = self.progress.borrow_mut().get_mut(n) {
            change(one);
            if let Surface::Events { output, color } = self.surface
                && let Err(error) = event(&one.row, output, color)
            {
                let _ = self.failed.0.try_send(error);
            }
        }
        self.draw();
    }

    /// Redraws each second, and when the window changes. Completes with the failure of a write, or
    /// when the reader of the events is gone.
    pub(super) async fn tick(&self) -> io::Error {
        match self.surface {
            Surface::Hidden => return std::future::pending().await,
            Surface::Events { .. } => {
                let closed = async {
                    terminal::stdout_closed().await;
                    io::ErrorKind::BrokenPipe.into()
                };
                return or(self.failure(), closed).await;
            }
            Surface::Line | Surface::Table { .. } => {}
        }
        // Without handlers the next second redraws.
        let mut signals = SignalQueue::of_screen().ok();
        loop {
            self.draw();
            let period = async {
                MonotonicClock.sleep(PERIOD).await;
                None
            };
            let signal = async {
                match &mut signals {
                    Some(signals) => Some(signals.next().await),
                    None => std::future::pending().await,
                }
            };
            if or(signal, period).await == Some(Signal::CONT) {
                // The shell has written since, below the last text.
                self.frame.borrow_mut().release();
            }
        }
    }

    async fn failure(&self) -> io::Error {
        match self.failed.1.recv().await {
            Ok(error) => error,
            Err(_) => std::future::pending().await,
        }
    }

    /// The failure of the last write.
    pub(super) fn last_failure(&self) -> Option<io::Error> {
        self.failed.1.try_recv().ok()
    }

    fn draw(&self) {
        let progress = self.progress.borrow();
        let mut frame = self.frame.borrow_mut();
        match self.surface {
            Surface::Hidden | Surface::Events { .. } => {}
            Surface::Line => {
                let left = self
                    .deadline
                    .map(|deadline| deadline.saturating_duration_since(Instant::now()));
                let text =
                    progress::render(&progress, self.since.elapsed(), left, SystemTime::now());
                let size = terminal::stderr_size();
                // One column stays free: some terminals wrap once the last column is written.
                let text: String = text.chars().take(size.columns.saturating_sub(1)).collect();
                terminal::write_stderr(&frame.replace(&text, size));
            }
            Surface::Table { color } => {
                let rows: Vec<Row> = progress.iter().map(|one| one.row.clone()).collect();
                let Some(size) = terminal::stdout_size() else {
                    return;
                };
                let canvas = Canvas {
                    columns: Some(size.columns.saturating_sub(1)),
                    ..Canvas::now(color)
                };
                let text = text::display(&rows, &canvas);
                // A terminal that is gone sends SIGHUP.
                let _ = terminal::write_stdout(&frame.replace(&text, size));
            }
        }
    }

    /// Writes a warning above the display.
    pub(super) fn warn(&self, text: &str) {
        self.clear();
        complain(&escaped(text));
        self.draw();
    }

    /// Erases the display, so that later output starts there.
    pub(super) fn erase(mut self) {
        self.clear();
        self.surface = Surface::Hidden;
    }

    fn clear(&self) {
        let mut frame = self.frame.borrow_mut();
        match self.surface {
            Surface::Hidden | Surface::Events { .. } => {}
            Surface::Line => terminal::write_stderr(&frame.erase(terminal::stderr_size())),
            Surface::Table { .. } => {
                if let Some(size) = terminal::stdout_size() {
                    let _ = terminal::write_stdout(&frame.erase(size));
                }
            }
        }
    }
}

/// Writes one change, or the error that ended a wait.
fn event(row: &Row, output: Output, color: bool) -> io::Result<()> {
    let canvas = Canvas::now(color);
    let line = match output {
        Output::Json => Some(json::event(row, canvas.now)? + "\n"),
        Output::Text if row.error.is_some() => {
            super::complain_of(row);
            None
        }
        Output::Text => text::event(row, &canvas),
    };
    line.map_or(Ok(()), |line| terminal::write_stdout(&line))
}
