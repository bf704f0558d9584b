//! Which signals the wrapper handles, and what it forwards for each to which process.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::pb::process_wrapper::v1::State;

use crate::support::client::Client;
use crate::support::{Wrapper, eventually, start_ready};

/// Prints the name of each signal it gets, as does a process of its group that must get none.
/// KILL alone ends them.
const NAMES_SIGNALS: &str = r#"
    listen() {
        for name in HUP INT QUIT USR1 USR2 TERM CONT TSTP TTIN TTOU WINCH; do
            trap "echo $1 $name" $name
        done
    }
    (listen bystander; echo bystander stands; while :; do sleep 1 & wait $!; done) &
    listen process
    echo ready
    while :; do sleep 1 & wait $!; done
"#;

const FORWARDED: [Signal; 11] = [
    Signal::SIGWINCH,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGHUP,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGCONT,
    Signal::SIGQUIT,
    Signal::SIGINT,
    Signal::SIGTERM,
];

fn bit(number: i32) -> u64 {
    1 << (number - 1)
}

fn mask(wrapper: &Wrapper, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", wrapper.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
}

/// Ends what no other signal ends, group and all.
fn kill_process(wrapper: &Wrapper) {
    nix::sys::signal::killpg(Pid::from_raw(wrapper.child_pid()), Signal::SIGKILL).unwrap();
}

#[test]
fn every_forwarded_signal_reaches_only_the_main_process_and_unchanged() {
    let mut wrapper = start_ready(&[], NAMES_SIGNALS);
    wrapper.stdout.wait_for("bystander stands");
    for signal in FORWARDED {
        wrapper.signal(signal);
        let name = signal.as_str().trim_start_matches("SIG");
        wrapper.stdout.wait_for(&format!("process {name}"));
    }
    kill_process(&wrapper);
    assert_eq!(wrapper.code(), 128 + 9);
    let printed = wrapper.stdout.all();
    for signal in FORWARDED {
        let line = format!("process {}", signal.as_str().trim_start_matches("SIG"));
        let times = printed.lines().filter(|printed| **printed == line).count();
        if signal == Signal::SIGCONT {
            // Ours come after each signal that asks it to end.
            assert!(times >= 1, "{printed}");
        } else {
            assert_eq!(times, 1, "{line}: {printed}");
        }
    }
    let others: Vec<_> = printed
        .lines()
        .filter(|line| line.starts_with("bystander"))
        .collect();
    assert_eq!(others, ["bystander stands"]);
}

#[test]
fn no_other_signal_is_handled() {
    let wrapper = start_ready(&[], "echo ready; exec sleep 600");
    let _client = Client::connect(&wrapper.address());
    let mut taken: u64 = FORWARDED.iter().map(|signal| bit(*signal as i32)).sum();
    taken |= bit(Signal::SIGCHLD as i32);
    // Caught only to survive resource limits, and never forwarded.
    taken |= bit(Signal::SIGXFSZ as i32) | bit(Signal::SIGXCPU as i32);
    // The C library has real-time signals of its own, and Rust's runtime says more about a stack
    // that overflows.
    let standard = 0x7fff_ffff;
    let of_the_runtime = bit(Signal::SIGSEGV as i32) | bit(Signal::SIGBUS as i32);
    let caught = mask(&wrapper, "SigCgt:") & standard;
    assert_eq!(caught & !of_the_runtime, taken, "{caught:x}");
    // A log line to a closed stderr is no signal to anybody.
    let ignored = mask(&wrapper, "SigIgn:") & standard;
    assert_eq!(ignored, bit(Signal::SIGPIPE as i32), "{ignored:x}");
    // The C library blocks all of them for the moment in which it starts a thread.
    eventually("no signal is blocked", || mask(&wrapper, "SigBlk:") == 0);
}

#[test]
fn each_signal_follows_its_own_rule_and_0_ignores_it_entirely() {
    let options = [
        "--rewrite-signal=HUP:0",
        "--rewrite-signal=USR2:INT",
        "--rewrite-signal=WINCH:USR2",
        "--rewrite-signal=TERM:USR1",
    ];
    let mut wrapper = start_ready(&options, NAMES_SIGNALS);
    let client = Client::connect(&wrapper.address());
    for (signal, seen) in [
        (Signal::SIGHUP, None),
        (Signal::SIGWINCH, Some("process USR2")),
    ] {
        wrapper.signal(signal);
        if let Some(seen) = seen {
            wrapper.stdout.wait_for(seen);
        }
    }
    assert_eq!(client.state(), State::Running);
    // A rule's result is not taken for a signal that the wrapper got, but it asks for the exit.
    wrapper.signal(Signal::SIGUSR2);
    wrapper.stdout.wait_for("process INT");
    assert_eq!(client.state(), State::ShuttingDown);
    wrapper.signal(Signal::SIGTERM);
    wrapper.stdout.wait_for("process USR1");
    kill_process(&wrapper);
    // It was told to stop, by the TERM that it got.
    assert_eq!(wrapper.code(), 128 + 9);
    let printed = wrapper.stdout.all();
    for absent in ["process HUP", "process TERM", "process WINCH"] {
        assert!(!printed.contains(absent), "{printed}");
    }
}

#[test]
fn an_ignored_stop_signal_stops_no_process() {
    let mut wrapper = start_ready(&["--rewrite-signal=TERM:0"], NAMES_SIGNALS);
    let client = Client::connect(&wrapper.address());
    for nth in 1..=5 {
        wrapper.signal(Signal::SIGTERM);
        wrapper.stderr.wait_for_nth("received SIGTERM", nth);
    }
    assert_eq!(client.state(), State::Running);
    kill(Pid::from_raw(wrapper.child_pid()), Signal::SIGKILL).unwrap();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert!(!gone.requested);
    wrapper.signal(Signal::SIGTERM);
    wrapper.stderr.wait_for_nth("received SIGTERM", 6);
    assert_eq!(client.state(), State::Gone, "it stays");
    // The bystander is left alone by all of this, and holds the stream.
    nix::sys::signal::killpg(Pid::from_raw(gone.pid), Signal::SIGKILL).unwrap();
    wrapper.signal(Signal::SIGINT);
    assert_eq!(wrapper.code(), 128 + 9);
    assert!(!wrapper.stdout.all().contains("TERM"));
}

#[test]
fn a_rule_for_a_signal_that_is_never_forwarded_is_a_usage_error() {
    let mut wrapper = crate::support::setup(&["--rewrite-signal=PWR:QUIT"], &["true"]).start();
    assert_eq!(wrapper.code(), 2);
    let said = wrapper.stderr.all();
    assert!(said.contains("SIGPWR is not forwarded"), "{said}");
}
