//! Every system call of the wrapper, failing with every error that it can really return, at its
//! first occurrences and for ever, by strace's injection.
//!
//! The suite runs a sample on the build under test, and on the one that PROCESS_WRAPPER_MUSL_BINARY
//! names. `PROCESS_WRAPPER_SWEEP=all` runs the whole, and `=CALL` the cases of one call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by them, and prints its counts"
)]

mod life;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;

use table::{CALLS, Case, Course, NOT_INJECTED};

/// Of so many cases the suite runs one.
const SAMPLE: usize = 7;

fn builds() -> Vec<PathBuf> {
    let musl = std::env::var_os("PROCESS_WRAPPER_MUSL_BINARY").map(PathBuf::from);
    if musl.is_none() {
        support::peers::absent("PROCESS_WRAPPER_MUSL_BINARY, the path of a musl build,");
    }
    std::iter::once(support::binary().to_owned())
        .chain(musl)
        .collect()
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
    for build in builds() {
        for course in [Course::Plain, Course::Sentinel] {
            let made = life::trace(&build, course);
            assert!(made.contains("pidfd_open"), "{made:?}");
            let unknown: Vec<_> = made
                .iter()
                .filter(|call| !known.contains(call.as_str()))
                .collect();
            assert!(unknown.is_empty(), "not in the table: {unknown:?}");
        }
    }
}

/// The cases that PROCESS_WRAPPER_SWEEP selects.
fn selected() -> Vec<Case> {
    let chosen = std::env::var("PROCESS_WRAPPER_SWEEP").unwrap_or_default();
    let all = table::cases().into_iter().enumerate();
    all.filter(|(index, case)| match &*chosen {
        "" => index % SAMPLE == 0,
        "all" => true,
        call => case.call == call,
    })
    .map(|(_, case)| case)
    .collect()
}

#[test]
fn no_injected_error_hangs_spins_panics_leaks_or_lies() {
    if lacks_strace() {
        return;
    }
    let cases = selected();
    assert!(!cases.is_empty(), "PROCESS_WRAPPER_SWEEP selects nothing");
    let mut wrong = Vec::new();
    for build in builds() {
        let found = Mutex::new(Vec::new());
        support::sweep(cases.len(), |index| {
            if let Err(text) = life::verdict(&build, &cases[index]) {
                found.lock().unwrap().push(text);
            }
        });
        let found = found.into_inner().unwrap();
        let (all, build) = (cases.len(), build.display());
        println!("{build}: {all} cases, {} wrong", found.len());
        wrong.extend(found);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
