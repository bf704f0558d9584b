//! The options of a round's wrapper: signals, deadlines, rules, readiness.
//!
//! Owns the odds, and which signals the process may get by an option. It starts nothing.

use std::collections::BTreeSet;
use std::path::Path;

use nix::sys::signal::Signal;

/// Random options about the end of the process.
#[derive(Debug)]
pub(crate) struct Choices {
    pub(crate) options: Vec<String>,
    /// The signals that the process may get by its deadlines.
    pub(crate) sent: BTreeSet<i32>,
    /// The first rule, if there is one; it is enough.
    pub(crate) rewrite: Option<(Signal, Option<Signal>)>,
    /// The signal of the abort, if it has one.
    pub(crate) forceful: Option<Signal>,
    /// The value of `--exit-when-gone`.
    pub(crate) leaves: &'static str,
}

impl Choices {
    pub(crate) fn any(rng: &mut fastrand::Rng) -> Self {
        let mut options = Vec::new();
        let mut sent = BTreeSet::new();
        let leaves = ["never", "never", "unrequested", "always"][rng.usize(..4)];
        options.push(format!("--exit-when-gone={leaves}"));
        let forceful = match rng.u8(..8) {
            0 => None,
            1 => Some(Signal::SIGINT),
            2 => Some(Signal::SIGUSR2),
            _ => Some(Signal::SIGTERM),
        };
        if forceful != Some(Signal::SIGTERM) {
            let name = forceful.map_or("none", Signal::as_str);
            options.push(format!("--forceful-signal={name}"));
        }
        if rng.u8(..4) == 0 {
            options.push(format!("--force-after={}ms", rng.u16(..500)));
            sent.extend(forceful.map(|signal| signal as i32));
        }
        if rng.u8(..4) == 0 {
            options.push(format!("--kill-after={}ms", rng.u16(..500)));
            sent.insert(nix::libc::SIGKILL);
        }
        let rewrite = match rng.u8(..6) {
            0 => Some((Signal::SIGTERM, Some(Signal::SIGQUIT))),
            1 => Some((Signal::SIGHUP, None)),
            2 => Some((Signal::SIGUSR1, Some(Signal::SIGTERM))),
            _ => None,
        };
        if let Some((from, to)) = rewrite {
            options.push(format!(
                "--rewrite-signal={from}:{}",
                to.map_or("0", Signal::as_str)
            ));
        }
        Self {
            options,
            sent,
            rewrite,
            forceful,
            leaves,
        }
    }
}

/// Sometimes holds the graceful signal back: for a while, until the wrapper's own socket accepts,
/// or for an address where no process answers.
pub(crate) fn readiness(rng: &mut fastrand::Rng, folder: &Path) -> Vec<String> {
    let within = format!("--ready-within={}ms", rng.u16(..700));
    match rng.u8(..8) {
        0 => vec![format!("--ready-after={}ms", rng.u16(..700))],
        1 => {
            let socket = folder.join("control.sock");
            vec![format!("--ready-after=unix:{}", socket.display()), within]
        }
        2 => vec!["--ready-after=http://localhost:1/health".to_owned(), within],
        _ => Vec::new(),
    }
}
