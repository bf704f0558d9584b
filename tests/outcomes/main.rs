//! How the process ended: each outcome with a real process, on every surface that tells it.

#![cfg(all(feature = "monitor", feature = "webhooks"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::pb::process_wrapper::v1::State;
use support::client::Client;
use support::http1::metrics;
use support::unprivileged::{SWITCH, start_without_kill};
use support::webhook_receiver::{Receiver, ok};
use support::{Wrapper, start_ready};

/// Exits with code 0 on SIGQUIT.
const SUCCEEDS: &str = "trap 'exit 0' QUIT; echo ready; while :; do sleep 1 & wait $!; done";

/// Exits with code 3 on SIGQUIT.
const FAILS: &str = support::DRAINS;

/// Works on after SIGQUIT; gives its work up on SIGTERM and exits with code 0, as GitLab Runner
/// does.
const GIVES_UP: &str =
    "trap '' QUIT; trap 'exit 0' TERM; echo ready; while :; do sleep 1 & wait $!; done";

/// Only SIGKILL ends it.
const STAYS: &str = "trap '' QUIT TERM; echo ready; while :; do sleep 1 & wait $!; done";

/// Prints the variables of the after-exit command.
const TELLS: &str = "sh -c 'env | grep ^PROCESS_WRAPPER_; echo told'";

/// One way to end.
struct Case {
    script: &'static str,
    /// The options of `shutdown`, or `None` where the process ends unasked.
    request: Option<&'static [&'static str]>,
    outcome: &'static str,
    /// The text of the client commands after the exit status; `#` is a time.
    text: &'static str,
    /// The exit codes of `wait`, without and with `--propagate-exit`.
    codes: [i32; 2],
    /// Signal and cause, in the order in which they are sent.
    signals: &'static [(&'static str, &'static str)],
}

const CASES: [Case; 5] = [
    Case {
        script: SUCCEEDS,
        request: Some(&[]),
        outcome: "drained",
        text: "exited with code 0 # ago, drained after #",
        codes: [0, 0],
        signals: &[("SIGQUIT", "request")],
    },
    Case {
        script: FAILS,
        request: Some(&[]),
        outcome: "failed",
        text: "exited with code 3 # ago, drain failed after #",
        codes: [5, 3],
        signals: &[("SIGQUIT", "request")],
    },
    Case {
        script: GIVES_UP,
        request: Some(&["--force-after=300ms"]),
        outcome: "aborted",
        text: "exited with code 0 # ago, aborted by SIGTERM after # (--force-after)",
        codes: [6, 6],
        signals: &[("SIGQUIT", "request"), ("SIGTERM", "deadline")],
    },
    Case {
        script: STAYS,
        request: Some(&["--force-after=0s", "--kill-after=50ms"]),
        outcome: "killed",
        text: "ended by SIGKILL # ago, killed by SIGKILL after # (--kill-after)",
        codes: [6, 137],
        signals: &[("SIGTERM", "request"), ("SIGKILL", "deadline")],
    },
    Case {
        script: "trap 'exit 0' USR1; echo ready; while :; do sleep 1 & wait $!; done",
        request: None,
        outcome: "unasked",
        text: "exited with code 0 # ago, unasked",
        codes: [0, 0],
        signals: &[],
    },
];

/// A process that has ended, and what reports its end.
struct Ended {
    case: &'static Case,
    wrapper: Wrapper,
    receiver: Receiver,
    metrics: String,
}

fn end(case: &'static Case) -> Ended {
    let receiver = Receiver::start([ok()]);
    let url = receiver.url("/gone");
    let options = [
        "--http-listen=tcp://127.0.0.1:0",
        "--after-exit",
        TELLS,
        "--webhook",
        &url,
    ];
    let wrapper = start_ready(&options, case.script);
    match case.request {
        Some(options) => {
            let said = call(&[&["shutdown"], options].concat(), &wrapper);
            assert_eq!(said.0, 0, "{said:?}");
        }
        None => kill(Pid::from_raw(wrapper.child_pid()), Signal::SIGUSR1).unwrap(),
    }
    wrapper.stdout.wait_for("told");
    let metrics = metrics(&wrapper);
    Ended {
        case,
        wrapper,
        receiver,
        metrics,
    }
}

/// The exit code and stdout of a client command.
fn call(arguments: &[&str], wrapper: &Wrapper) -> (i32, String) {
    let output = std::process::Command::new(support::binary())
        .args(arguments)
        .args(["--address", &wrapper.address()])
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), stdout)
}

#[test]
fn every_surface_tells_the_same_outcome() {
    for case in &CASES {
        let ended = end(case);
        the_api_tells(&ended);
        the_webhook_tells(&ended);
        the_command_after_the_exit_is_told(&ended);
        the_metrics_tell(&ended);
        the_client_tells(&ended);
        let line = ended.wrapper.stderr.wait_for("the process is gone");
        let expected = format!("outcome={}", case.outcome);
        assert!(line.contains(&expected), "{expected}: {line}");
    }
}

fn the_api_tells(ended: &Ended) {
    let client = Client::connect(&ended.wrapper.address());
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.outcome().as_str_name(), ended.case.outcome);
    let signals: Vec<_> = gone
        .signals
        .iter()
        .map(|sent| (&*sent.name, sent.cause().as_str_name()))
        .collect();
    assert_eq!(signals, ended.case.signals);
}

fn the_client_tells(ended: &Ended) {
    let Case { outcome, codes, .. } = ended.case;
    for command in [&["wait"][..], &["shutdown", "--wait"]] {
        let propagate = [command, &["--propagate-exit"]].concat();
        let (code, text) = call(command, &ended.wrapper);
        let (propagated, _) = call(&propagate, &ended.wrapper);
        assert_eq!([code, propagated], *codes, "{command:?}: {text}");
        assert!(
            blurred(&text).contains(&format!(") {};", ended.case.text)),
            "{}: {text}",
            ended.case.text
        );
    }
    assert_eq!(call(&["status"], &ended.wrapper).0, 0);
    let (code, json) = call(&["wait", "--output=json"], &ended.wrapper);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    support::schema::assert_valid("answer.json", &json);
    assert_eq!((code, &json["exit_code"]), (codes[0], &codes[0].into()));
    let row = match codes[0] {
        0 => "ok",
        5 => "process_failed",
        _ => "process_aborted",
    };
    let wrapper = &json["wrappers"][0];
    assert_eq!(wrapper["outcome"], row);
    assert_eq!(wrapper["process"]["outcome"], *outcome);
    let sent = signals(&wrapper["process"]["signals"]);
    assert_eq!(sent, ended.case.signals);
}

/// The text with `#` for each word that begins with a digit and ends with `s`, a time.
fn blurred(text: &str) -> String {
    let is_time =
        |word: &str| word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with('s');
    let blur = |word: &str| match is_time(word.trim_end_matches(';')) {
        true => word.replace(word.trim_end_matches(';'), "#"),
        false => word.to_owned(),
    };
    text.split(' ').map(blur).collect::<Vec<_>>().join(" ")
}

fn the_webhook_tells(ended: &Ended) {
    let body = ended.receiver.request().json();
    assert_eq!(body["outcome"], ended.case.outcome);
    assert_eq!(signals(&body["signals"]), ended.case.signals, "{body}");
    assert_eq!(body["requested"], ended.case.request.is_some());
}

/// Signal and cause of each entry, whose other fields are checked.
fn signals(list: &serde_json::Value) -> Vec<(&str, &str)> {
    let entry = |sent: &'_ serde_json::Value| {
        let signal: process_wrapper::signal::Signal =
            sent["name"].as_str().unwrap().parse().unwrap();
        assert_eq!(sent["number"], signal.number());
        humantime::parse_rfc3339(sent["sent_at"].as_str().unwrap()).unwrap();
    };
    let list = list.as_array().unwrap();
    list.iter().for_each(entry);
    list.iter()
        .map(|sent| {
            (
                sent["name"].as_str().unwrap(),
                sent["cause"].as_str().unwrap(),
            )
        })
        .collect()
}

fn the_command_after_the_exit_is_told(ended: &Ended) {
    let printed = ended.wrapper.stdout.text();
    let variable = |name: &str| {
        let prefix = format!("PROCESS_WRAPPER_{name}=");
        printed.lines().find_map(|line| line.strip_prefix(&prefix))
    };
    assert_eq!(variable("OUTCOME"), Some(ended.case.outcome), "{printed}");
    let words = |(signal, cause): &(&str, &str)| format!("{signal}:{cause}");
    let expected: Vec<_> = ended.case.signals.iter().map(words).collect();
    let expected = (!expected.is_empty()).then(|| expected.join(" "));
    assert_eq!(variable("SIGNALS"), expected.as_deref(), "{printed}");
}

fn the_metrics_tell(ended: &Ended) {
    let series = |prefix: &str| -> Vec<&str> {
        let lines = ended.metrics.lines();
        lines.filter(|line| line.starts_with(prefix)).collect()
    };
    let outcome = format!(
        "process_wrapper_process_outcome{{outcome=\"{}\"}} 1",
        ended.case.outcome
    );
    assert_eq!(series("process_wrapper_process_outcome"), [outcome]);
    let mut sent = series("process_wrapper_signals_sent_total");
    sent.sort_unstable();
    let mut expected: Vec<_> = ended
        .case
        .signals
        .iter()
        .map(|(signal, cause)| {
            format!("process_wrapper_signals_sent_total{{signal=\"{signal}\",cause=\"{cause}\"}} 1")
        })
        .collect();
    expected.sort_unstable();
    assert_eq!(sent, expected);
    let refused = series("process_wrapper_signals_refused_total");
    assert_eq!(refused.len(), 1, "{}", ended.metrics);
    assert!(refused[0].ends_with(" 0"), "{refused:?}");
}

/// A deployment that goes over many wrappers sees the worst of them.
#[test]
fn an_abort_outweighs_a_failure_and_a_drain() {
    let wrappers = [SUCCEEDS, FAILS, GIVES_UP].map(|script| start_ready(&[], script));
    let addresses = wrappers.each_ref().map(Wrapper::address);
    let all = |command: &[&str]| {
        let mut client = std::process::Command::new(support::binary());
        client.args(command);
        for address in &addresses {
            client.args(["--address", address]);
        }
        let output = client.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    };
    let (code, text) = all(&["shutdown", "--wait", "--force-after=300ms"]);
    assert_eq!(code, 6, "{text}");
    let summary = "3 wrappers: 3 gone (1 of them aborted, 1 of them failed)";
    assert!(text.lines().any(|line| line == summary), "{text}");
    // The aborted process exited with 0, which never hides the abort.
    assert_eq!(all(&["wait", "--propagate-exit"]).0, 6);
}

/// Ignores SIGQUIT until it gets SIGUSR1, as a program whose handler does not stand yet, or a Go
/// program that drops a signal.
const LOSES: &str = "trap '' QUIT; trap \"trap 'exit 0' QUIT; echo armed\" USR1; echo ready; \
    while :; do sleep 1 & wait $!; done";

#[test]
fn a_lost_signal_is_sent_again_only_with_again_and_at_most_once_a_second() {
    let wrapper = start_ready(&[], LOSES);
    let client = Client::connect(&wrapper.address());
    let signals = || client.get_state().signals;
    assert_eq!(call(&["shutdown", "--again"], &wrapper).0, 0);
    assert_eq!(signals().len(), 1, "the first request sends it once");
    kill(Pid::from_raw(wrapper.child_pid()), Signal::SIGUSR1).unwrap();
    wrapper.stdout.wait_for("armed");
    support::eventually("the signal is sent again", || {
        assert_eq!(call(&["shutdown"], &wrapper).0, 0);
        assert!(call(&["shutdown", "--again"], &wrapper).0 == 0);
        client.state() == State::Gone || signals().len() > 1
    });
    let (code, text) = call(&["wait"], &wrapper);
    assert_eq!(code, 0, "{text}");
    let sent: Vec<_> = signals()
        .into_iter()
        .map(|sent| {
            let at = std::time::SystemTime::try_from(sent.sent_at.unwrap()).unwrap();
            (sent.name, at)
        })
        .collect();
    let [(first, at), (second, later)] = sent.try_into().unwrap();
    assert_eq!([&*first, &*second], ["SIGQUIT", "SIGQUIT"]);
    let apart = later.duration_since(at).unwrap();
    // The wall clock may be set meanwhile; the spacing is measured on another one.
    assert!(apart.as_millis() >= 990, "{apart:?}");
}

/// A worker that exits with 0 on the platform's TERM has nevertheless given up its work.
#[test]
fn a_forwarded_stop_signal_is_an_abort() {
    let receiver = Receiver::start([ok()]);
    let url = receiver.url("/gone");
    let options = ["--after-exit", TELLS, "--webhook", &url];
    let mut wrapper = start_ready(&options, GIVES_UP);
    wrapper.signal(Signal::SIGTERM);
    let body = receiver.request().json();
    assert_eq!(wrapper.code(), 0);
    assert_eq!(body["outcome"], "aborted");
    assert_eq!(signals(&body["signals"]), [("SIGTERM", "forwarded")]);
    let printed = wrapper.stdout.all();
    for line in [
        "PROCESS_WRAPPER_OUTCOME=aborted",
        "PROCESS_WRAPPER_SIGNALS=SIGTERM:forwarded",
    ] {
        assert!(
            printed.lines().any(|told| told == line),
            "{line}: {printed}"
        );
    }
}

/// A process of another user, and a wrapper without CAP_KILL, kill(2).
#[test]
fn a_refused_signal_fails_each_request_alike_and_is_counted() {
    let script = format!("{SWITCH} 'echo ready; exec sleep 600'");
    let options = ["--http-listen=tcp://127.0.0.1:0"];
    let Some(wrapper) = start_without_kill(&options, &script) else {
        return;
    };
    for _ in 0..2 {
        assert_eq!(call(&["shutdown"], &wrapper).0, 1);
        let (code, text) = call(&["status"], &wrapper);
        assert!(code == 0 && text.starts_with("running: "), "{text}");
    }
    let metrics = metrics(&wrapper);
    let refused = "process_wrapper_signals_refused_total 2";
    assert!(metrics.lines().any(|line| line == refused), "{metrics}");
    assert!(!metrics.contains("process_wrapper_signals_sent_total{"));
    kill(Pid::from_raw(wrapper.child_pid()), Signal::SIGKILL).unwrap();
    assert!(call(&["wait"], &wrapper).1.ends_with("ago, unasked\n"));
}

/// Every signal counts, not only those of a stage: a reload by HUP is visible.
#[test]
fn forwarded_signals_of_no_stage_are_counted() {
    let script = "trap 'echo reloaded' HUP; echo ready; while :; do sleep 1 & wait $!; done";
    let wrapper = start_ready(&["--http-listen=tcp://127.0.0.1:0"], script);
    for nth in 1..=2 {
        wrapper.signal(Signal::SIGHUP);
        wrapper.stdout.wait_for_nth("reloaded", nth);
    }
    let metrics = metrics(&wrapper);
    let series = "process_wrapper_signals_sent_total{signal=\"SIGHUP\",cause=\"forwarded\"} 2";
    assert!(metrics.lines().any(|line| line == series), "{metrics}");
    let client = Client::connect(&wrapper.address());
    assert_eq!(client.get_state().signals, []);
}
