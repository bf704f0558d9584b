//! What the options of `run` about the stages of a shutdown mean together.
//!
//! Owns their contradictions: refusals and warnings. It never decides about a signal.

use std::path::Path;
use std::time::Duration;

use crate::access::{Listen, Role};
use crate::address::{Address, overlap};
use crate::human_duration::HumanDuration;
use crate::lifecycle::{Config, Rewrite, contradiction};
use crate::readiness::condition::{ReadinessProbe, ReadyAfter};
use crate::signal::Signal;

/// The default of `--ready-within`.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Why the options are refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunRefusal {
    #[error(
        "--ready-within bounds the probes of --ready-after; add --ready-after with the address \
         that the process serves on"
    )]
    NothingToBound,
    #[error(
        "--forceful-signal KILL leaves the process no time to clean up, which the abort is for; \
         write --forceful-signal none --kill-after 0"
    )]
    ForcefulKill,
    #[error(
        "--after-exit-timeout limits the command of --after-exit; add --after-exit, or omit it"
    )]
    NothingToLimit,
    #[error("--http-host names a host of --http-listen; add --http-listen, or omit it")]
    HostAlone,
    #[error("--rewrite-signal {0} contradicts --rewrite-signal {1}; keep one of them")]
    Contradiction(Rewrite, Rewrite),
    #[error("{option} {address} is given twice; give each address once")]
    Twice {
        option: &'static str,
        address: String,
    },
    #[error("{option} {address} has the address of {other}; choose another one")]
    Overlap {
        option: &'static str,
        address: String,
        other: String,
    },
    #[cfg(feature = "webhooks")]
    #[error("{0} is about the files of --state-dir; add --state-dir DIR")]
    NoStateDir(&'static str),
}

/// Refuses two rules for one signal.
pub(super) fn check_rules(rules: &[Rewrite]) -> Result<(), RunRefusal> {
    match contradiction(rules) {
        Some((one, other)) => Err(RunRefusal::Contradiction(other, one)),
        None => Ok(()),
    }
}

/// Refuses a listener that would find its address in use by another one of this command line.
pub(super) fn check_addresses(api: &[Listen], http: &[Address]) -> Result<(), RunRefusal> {
    let api = api.iter().map(|listen| {
        let text = match listen.role {
            Role::Control => listen.address.to_string(),
            Role::Read | Role::Health => listen.to_string(),
        };
        ("--listen", text, &listen.address)
    });
    let http = http
        .iter()
        .map(|address| ("--http-listen", address.to_string(), address));
    let all = api.chain(http);
    let all = all.map(|(option, text, one)| (option, text, resolved(one)));
    let all: Vec<_> = all.collect();
    for (at, (option, text, address)) in all.iter().enumerate() {
        let mut earlier = all.iter().take(at);
        let Some((other, same, _)) = earlier.find(|(_, _, one)| overlap(one, address)) else {
            continue;
        };
        let address = text.clone();
        return Err(match (option, text) == (other, same) {
            true => RunRefusal::Twice { option, address },
            false => RunRefusal::Overlap {
                option,
                address,
                other: format!("{other} {same}"),
            },
        });
    }
    Ok(())
}

/// The address with the real directory of its socket, if that exists.
fn resolved(address: &Address) -> Address {
    let Address::Unix(path) = address else {
        return address.clone();
    };
    let real = || {
        // The parent of a bare name is empty.
        let directory = Path::new(".").join(path.parent()?);
        Some(directory.canonicalize().ok()?.join(path.file_name()?))
    };
    Address::Unix(real().unwrap_or_else(|| path.clone()))
}

/// How long a graceful signal may wait, and the probes that end the wait earlier.
pub(super) fn readiness(
    after: Option<ReadyAfter>,
    within: Option<HumanDuration>,
) -> Result<(Option<Duration>, Option<ReadinessProbe>), RunRefusal> {
    match (after, within) {
        (Some(ReadyAfter::Answer(probe)), within) => {
            let within = within.map_or(READY_WITHIN, |span| span.0);
            Ok((Some(within), Some(probe)))
        }
        (Some(ReadyAfter::Delay(_)) | None, Some(_)) => Err(RunRefusal::NothingToBound),
        (Some(ReadyAfter::Delay(Duration::ZERO)) | None, None) => Ok((None, None)),
        (Some(ReadyAfter::Delay(delay)), None) => Ok((Some(delay), None)),
    }
}

/// The signal of the abort, which the process can react to.
pub(super) fn forceful(signal: Option<Signal>) -> Result<Option<Signal>, RunRefusal> {
    match signal {
        Some(Signal::KILL) => Err(RunRefusal::ForcefulKill),
        signal => Ok(signal),
    }
}

/// Warns of deadlines that never end the process by themselves.
pub(super) fn warnings(lifecycle: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if lifecycle.graceful_signal == Signal::KILL {
        warnings.push(
            "--graceful-signal KILL lets nothing drain: a request kills the process at once; name \
             the signal on which it finishes its work"
                .to_owned(),
        );
    }
    if lifecycle.forces_in_vain() {
        warnings.push(
            "--force-after has no effect: with --forceful-signal none the abort has no signal, and \
             no --kill-after ends it; add --kill-after"
                .to_owned(),
        );
    }
    if lifecycle.needs_caller_to_kill() {
        warnings.push(
            "--kill-after does not run during a drain: without --force-after, and with TERM not \
             beginning an abort, KILL comes only if a caller asks for the abort; add --force-after"
                .to_owned(),
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use argh::FromArgs;

    use super::super::run::{Run, RunArguments};
    use super::*;

    fn parse(options: &str) -> Result<Run, RunRefusal> {
        let options: Vec<&str> = options.split_whitespace().collect();
        let arguments = RunArguments::from_args(&["run"], &options);
        arguments.unwrap().validate(None)
    }

    #[test]
    fn a_condition_bounds_the_wait_of_a_graceful_signal() {
        for (options, within) in [
            ("", None),
            ("--ready-after 0", None),
            ("--ready-after 5s", Some(5)),
            ("--ready-after unix:/run/a.sock", Some(60)),
            ("--ready-after tcp://localhost:1 --ready-within 3s", Some(3)),
        ] {
            let run = parse(options).unwrap();
            let within = within.map(Duration::from_secs);
            assert_eq!(run.lifecycle.ready_within, within, "{options}");
            let probes = options.contains(":/");
            assert_eq!(run.readiness.is_some(), probes, "{options}");
        }
    }

    #[test]
    fn a_bound_without_probes_is_refused() {
        for options in ["--ready-within 1s", "--ready-after 1s --ready-within 2s"] {
            let error = parse(options).unwrap_err().to_string();
            assert!(error.contains("add --ready-after"), "{error}");
        }
    }

    #[test]
    fn the_forceful_signal_has_a_default_and_can_be_none() {
        for (options, signal) in [
            ("", Some(Signal::TERM)),
            ("--forceful-signal SIGINT", Some(Signal::INT)),
            ("--forceful-signal none", None),
        ] {
            let run = parse(options).unwrap();
            assert_eq!(run.lifecycle.forceful_signal, signal, "{options}");
        }
        let error = parse("--forceful-signal KILL").unwrap_err().to_string();
        assert!(error.contains("--kill-after 0"), "{error}");
    }

    #[test]
    fn deadlines_that_never_end_the_process_are_warned_of() {
        for (options, word) in [
            ("", ""),
            ("--kill-after 1s", ""),
            ("--force-after 1s --kill-after 1s", ""),
            ("--kill-after 1s --rewrite-signal TERM:QUIT", "--kill-after"),
            ("--kill-after 1s --rewrite-signal TERM:0", "--kill-after"),
            ("--kill-after 1s --graceful-signal TERM", "--kill-after"),
            (
                "--kill-after 1s --graceful-signal TERM --rewrite-signal TERM:INT",
                "",
            ),
            ("--kill-after 1s --rewrite-signal TERM:KILL", ""),
            (
                "--force-after 1s --kill-after 1s --rewrite-signal TERM:QUIT",
                "",
            ),
            ("--forceful-signal none --force-after 1s", "--force-after"),
            (
                "--forceful-signal none --force-after 1s --kill-after 1s",
                "",
            ),
        ] {
            let warnings = parse(options).unwrap().warnings;
            match word {
                "" => assert_eq!(warnings, [""; 0], "{options}"),
                word => assert!(
                    warnings.len() == 1 && warnings[0].starts_with(word),
                    "{options}: {warnings:?}"
                ),
            }
        }
    }
}
