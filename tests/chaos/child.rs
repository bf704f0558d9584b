//! The children that the wrappers get: well-behaved ones, stubborn ones, short-lived ones.
//!
//! Owns the scripts and the possible outcomes of each. A script that ends by itself writes its code
//! down first, so that the test does not rely on the wrapper's report alone.

use std::path::Path;

/// A shell script and its reaction to each signal.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    /// A signal by which it may end without a sender.
    pub(crate) crashes_by: Option<i32>,
}

/// Where a script writes its code before it exits.
pub(crate) const CODE: &str = "code";

/// Exits with a code that it writes to a file first; an empty file means no code.
const FINISH: &str = "finish() { echo \"$1\" > \"$CHAOS_FOLDER/code\"; exit \"$1\"; }; ";

/// Waits in steps that a trap can interrupt.
const FOREVER: &str = "while :; do sleep 0.2 & wait $!; done";

pub(crate) fn any(rng: &mut fastrand::Rng) -> Script {
    let code = rng.u8(..);
    let other = rng.u8(..);
    let delay = f64::from(rng.u16(..400)) / 1000.0;
    let number = rng.usize(..9);
    let (name, body) = [
        ("quick", format!("sleep {delay}; finish {code}")),
        (
            "drains",
            format!("trap 'sleep {delay}; finish {code}' QUIT; trap 'finish {other}' TERM; {FOREVER}"),
        ),
        ("stubborn", format!("trap '' QUIT TERM INT HUP USR1; {FOREVER}")),
        ("polite", format!("trap 'finish {code}' TERM INT QUIT; trap : HUP USR1; {FOREVER}")),
        ("crashes", format!("sleep {delay}; kill -SEGV $$")),
        // Children that outlive their parent, again and again: the wrapper inherits and reaps them.
        (
            "brood",
            format!(
                "trap 'finish {code}' QUIT TERM INT; while :; do \
                 (env -u CHAOS_ROUND sleep 0.0{} &); sleep 0.05 & wait $!; done",
                other % 10
            ),
        ),
        ("stops itself", format!("trap 'finish {code}' QUIT TERM INT; kill -STOP $$; {FOREVER}")),
        ("plain", "exec sleep 600".to_owned()),
        ("talks", format!("trap 'finish {code}' QUIT TERM; while :; do echo line >&2; sleep 0.01 & wait $!; done")),
    ][number]
        .clone();
    Script {
        name,
        text: format!("{FINISH}{body}"),
        crashes_by: match name {
            "crashes" => Some(nix::libc::SIGSEGV),
            // SIGPIPE, once the reader of stderr is closed, as for any program.
            "talks" => Some(nix::libc::SIGPIPE),
            _ => None,
        },
    }
}

/// The exit code that the script in this directory wrote, if it did.
pub(crate) fn written_code(folder: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(folder.join(CODE)).ok()?;
    text.trim().parse().ok()
}
