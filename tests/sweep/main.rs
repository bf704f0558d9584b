//! Every system call of the wrapper, failing with every error that it can really return, at its
//! first occurrences and for ever, by strace's injection.
//!
//! The suite runs a sample. `PROCESS_WRAPPER_SWEEP=all` runs the whole, `=PART/PARTS` a part of it,
//! and `=CALL` the cases of one call. PROCESS_WRAPPER_SWEEP_BINARY names another build.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod life;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;

use table::{CALLS, Case, NOT_INJECTED};

/// Of so many cases the suite runs one.
const SAMPLE: usize = 17;

fn build() -> PathBuf {
    let other = std::env::var_os("PROCESS_WRAPPER_SWEEP_BINARY").map(PathBuf::from);
    other.unwrap_or_else(|| support::binary().to_owned())
}

fn lacks_strace() -> bool {
    support::peers::find("strace").is_none() || support::peers::find("setsid").is_none()
}

#[test]
fn every_system_call_of_a_life_is_in_the_table() {
    if lacks_strace() {
        return;
    }
    let known: BTreeSet<&str> = CALLS
        .iter()
        .map(|(call, _)| *call)
        .chain(NOT_INJECTED.iter().map(|(call, _)| *call))
        .collect();
    for has_sentinel in [false, true] {
        let made = life::trace(&build(), has_sentinel);
        assert!(made.contains("pidfd_open"), "{made:?}");
        let unknown: Vec<_> = made
            .iter()
            .filter(|c| !known.contains(c.as_str()))
            .collect();
        assert!(unknown.is_empty(), "not in the table: {unknown:?}");
    }
}

/// The cases that PROCESS_WRAPPER_SWEEP selects.
fn selected() -> Vec<Case> {
    let all = table::cases().into_iter().enumerate();
    let chosen = std::env::var("PROCESS_WRAPPER_SWEEP").unwrap_or_default();
    let parts = chosen.split_once('/').map(|(part, parts)| {
        let number = |text: &str| text.parse::<usize>().unwrap();
        (number(part), number(parts))
    });
    all.filter(|(index, case)| match (&*chosen, parts) {
        ("", _) => index % SAMPLE == 0,
        ("all", _) => true,
        (_, Some((part, parts))) => index % parts == part,
        (call, None) => case.call == call,
    })
    .map(|(_, case)| case)
    .collect()
}

#[test]
fn no_injected_error_hangs_spins_panics_leaks_or_lies() {
    if lacks_strace() {
        return;
    }
    let (build, cases) = (build(), selected());
    assert!(!cases.is_empty(), "PROCESS_WRAPPER_SWEEP selects nothing");
    let wrong = Mutex::new(Vec::new());
    support::sweep(cases.len(), |index| {
        if let Err(text) = life::verdict(&build, &cases[index]) {
            eprintln!("{text}");
            wrong.lock().unwrap().push(text);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!("{} cases, {} wrong", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
