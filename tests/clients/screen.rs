//! A terminal with what a person sees on it. It breaks lines anew when its width changes, as tmux
//! and most terminals do.
//!
//! Owns the few control sequences that the client uses, and refuses every other one: so the client
//! changes no mode that would have to be restored.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::support::{self, DEADLINE};

/// What is on the screen.
#[derive(Debug, Default)]
struct Picture {
    /// Up to their line ends.
    lines: Vec<Vec<char>>,
    /// The line of the cursor, and its place there.
    cursor: (usize, usize),
    columns: usize,
    /// A control sequence that has begun.
    sequence: Option<String>,
    fault: Option<String>,
    /// How often text was erased for another one.
    drawings: usize,
    ended: bool,
}

impl Picture {
    fn take(&mut self, character: char) {
        self.apply(character);
        let lines = self.lines.len().max(self.cursor.0 + 1);
        self.lines.resize(lines, Vec::new());
    }

    fn apply(&mut self, character: char) {
        if let Some(sequence) = &mut self.sequence {
            sequence.push(character);
            if character.is_ascii_alphabetic() {
                let sequence = self.sequence.take().unwrap();
                self.perform(&sequence);
            }
            return;
        }
        let (line, place) = self.cursor;
        match character {
            '\x1b' => self.sequence = Some(String::new()),
            '\r' => self.cursor.1 = place - place % self.columns,
            '\n' => self.cursor = (line + 1, 0),
            character if character.is_control() => self.fault = Some(format!("{character:?}")),
            character => {
                self.lines[line].truncate(place);
                self.lines[line].push(character);
                self.cursor.1 += 1;
            }
        }
    }

    fn perform(&mut self, sequence: &str) {
        match sequence {
            "[J" => {
                self.drawings += 1;
                self.lines.truncate(self.cursor.0 + 1);
                self.lines[self.cursor.0].truncate(self.cursor.1);
            }
            "[0m" | "[31m" | "[32m" | "[33m" => {}
            up if up.ends_with('A') => {
                let rows: usize = up[1..up.len() - 1].parse().unwrap();
                for _ in 0..rows {
                    self.up();
                }
            }
            other => self.fault = Some(format!("the sequence {other:?}")),
        }
    }

    /// One row up, which may be in the same line.
    fn up(&mut self) {
        let (line, place) = self.cursor;
        self.cursor = match (place.checked_sub(self.columns), line.checked_sub(1)) {
            (Some(place), _) => (line, place),
            (None, Some(line)) => {
                let length = self.lines[line].len();
                let begin = length.saturating_sub(1) / self.columns * self.columns;
                (line, begin + place)
            }
            (None, None) => (0, place),
        };
    }

    fn text(&self) -> String {
        let lines = self
            .lines
            .iter()
            .map(|line| line.iter().collect::<String>());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The terminal, and the program on it.
pub(crate) struct Screen {
    ours: File,
    theirs: OwnedFd,
    picture: Arc<(Mutex<Picture>, Condvar)>,
}

impl Screen {
    pub(crate) fn new(columns: u16, rows: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = rustix::fs::open(
            name.as_c_str(),
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        let screen = Self {
            ours: File::from(ours),
            theirs,
            picture: Arc::default(),
        };
        screen.picture.0.lock().unwrap().lines.push(Vec::new());
        screen.resize(columns, rows);
        let mut reader = screen.ours.try_clone().unwrap();
        let shared = Arc::clone(&screen.picture);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                // A terminal whose other side is closed says EIO.
                let count = reader.read(&mut bytes).unwrap_or(0);
                let mut picture = shared.0.lock().unwrap();
                picture.ended = count == 0;
                // The programs of these tests write ASCII.
                for byte in &bytes[..count] {
                    picture.take(char::from(*byte));
                }
                shared.1.notify_all();
                if count == 0 {
                    break;
                }
            }
        });
        screen
    }

    /// Changes the size right after a drawing that `is_whole`. A program that draws each second is
    /// idle then; a drawing for the old size on a terminal of the new one would leave parts behind.
    pub(crate) fn resize_at_rest(&self, columns: u16, rows: u16, is_whole: impl Fn(&str) -> bool) {
        let before = self.picture.0.lock().unwrap().drawings;
        self.wait_until("a drawing", |picture| {
            picture.drawings > before && is_whole(&picture.text())
        });
        self.resize(columns, rows);
    }

    /// The kernel tells the program with SIGWINCH.
    fn resize(&self, columns: u16, rows: u16) {
        let mut picture = self.picture.0.lock().unwrap();
        picture.columns = usize::from(columns);
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.ours, size).unwrap();
    }

    /// Starts the client in a session of its own, with all its streams on this terminal.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new("setsid");
        // A script that runs tests in the background makes them and their children ignore SIGINT.
        command
            .args(["--ctty", "env", "--default-signal=INT"])
            .arg(support::binary())
            .args(arguments)
            .env("TERM", "xterm")
            .env_remove("PROCESS_WRAPPER_ADDRESS")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .stdin(self.theirs.try_clone().unwrap())
            .stdout(self.theirs.try_clone().unwrap())
            .stderr(self.theirs.try_clone().unwrap());
        command.spawn().unwrap()
    }

    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    /// The modes of the terminal, termios(3).
    pub(crate) fn modes(&self) -> String {
        format!("{:?}", tcgetattr(&self.theirs).unwrap())
    }

    /// What is on the screen once the condition holds.
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        self.wait_until(what, |picture| condition(&picture.text()))
    }

    fn wait_until(&self, what: &str, condition: impl Fn(&Picture) -> bool) -> String {
        let (picture, changed) = &*self.picture;
        let deadline = Instant::now() + DEADLINE;
        let mut picture = picture.lock().unwrap();
        loop {
            let text = picture.text();
            assert_eq!(picture.fault, None, "{text}");
            if condition(&picture) {
                return text;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !picture.ended,
                "not seen: {what}; the screen:\n{text}"
            );
            picture = changed.wait_timeout(picture, left).unwrap().0;
        }
    }
}
