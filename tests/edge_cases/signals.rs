//! Signals that come at once, in floods, and to stopped processes.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::pb::process_wrapper::v1::State;

use crate::support::client::Client;
use crate::support::{DRAINS, eventually, start_ready};
use crate::sweep;

/// Counts the signals it gets, and leaves no process that holds its streams; USR2 ends it.
const COUNTS: &str = "trap 'echo quit' QUIT; trap 'echo term' TERM; trap 'echo int' INT; \
    trap 'echo usr1' USR1; trap 'exit 0' USR2; echo ready; while :; do sleep 1 >/dev/null 2>&1 & wait $!; done";

/// How often the log says that the process was signalled with this.
fn sent(log: &str, signal: Signal) -> usize {
    let signal = format!("sent {signal} to the process");
    log.matches(&signal).count()
}

#[test]
fn a_trigger_and_term_at_once_send_one_quit_at_most_and_one_term() {
    sweep(200, |run| {
        let options = ["--force-after=0", "--kill-after=1h"];
        // With a deadline of zero the wrapper wants to send a TERM of its own as well.
        let options = &options[..if run % 2 == 0 { 0 } else { 2 }];
        let mut wrapper = start_ready(options, COUNTS);
        let client = Client::connect(&wrapper.address());
        let pid = Pid::from_raw(wrapper.pid());
        let term = std::thread::spawn(move || kill(pid, Signal::SIGTERM).unwrap());
        client.shut_down();
        term.join().unwrap();
        client.shut_down();
        wrapper.stderr.wait_for("sent SIGTERM to the process");
        wrapper.stderr.wait_for("received SIGTERM");
        drop(client);
        wrapper.signal(Signal::SIGUSR2);
        assert_eq!(wrapper.code(), 0);
        let log = wrapper.stderr.all();
        assert!(sent(&log, Signal::SIGQUIT) <= 1, "{log}");
        // One is forwarded; ours is added only if it was due before that.
        let own = usize::from(log.contains("sent SIGTERM to the process") && !options.is_empty());
        assert!(
            (1..=1 + own).contains(&sent(&log, Signal::SIGTERM)),
            "{log}"
        );
        if let Some(forwarded) = log.find("received SIGTERM") {
            assert_eq!(sent(&log[forwarded..], Signal::SIGTERM), 1, "{log}");
        }
    });
}

#[test]
fn term_received_twice_is_forwarded_twice_and_never_more() {
    let mut wrapper = start_ready(&["--force-after=0"], COUNTS);
    let client = Client::connect(&wrapper.address());
    for nth in 1..=2 {
        wrapper.signal(Signal::SIGTERM);
        wrapper.stdout.wait_for_nth("term", nth);
        client.shut_down();
    }
    wrapper.signal(Signal::SIGUSR2);
    assert_eq!(wrapper.code(), 0);
    assert_eq!(sent(&wrapper.stderr.all(), Signal::SIGTERM), 2);
}

#[test]
fn a_flood_of_one_signal_loses_no_other() {
    sweep(200, |run| {
        let flood = [Signal::SIGWINCH, Signal::SIGUSR1, Signal::SIGCONT][run % 3];
        let wrapper = &mut start_ready(&[], "trap '' USR1; echo ready; exec sleep 600");
        let pid = Pid::from_raw(wrapper.pid());
        let stopped = std::sync::atomic::AtomicBool::new(false);
        let code = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                    // The wrapper may be gone, but its process id is still held by us.
                    let _ = kill(pid, flood);
                }
            });
            wrapper.signal(Signal::SIGTERM);
            let code = wrapper.code();
            stopped.store(true, std::sync::atomic::Ordering::Relaxed);
            code
        });
        assert_eq!(code, 128 + 15, "TERM is lost in a flood of {flood}");
    });
}

#[test]
fn a_stopped_process_is_continued_after_each_signal_of_ours() {
    for rpc in [true, false] {
        let mut wrapper = start_ready(&[], DRAINS);
        let process = Pid::from_raw(wrapper.child_pid());
        kill(process, Signal::SIGSTOP).unwrap();
        eventually("it is stopped", || {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
            stat.contains(") T ")
        });
        if rpc {
            let client = Client::connect(&wrapper.address());
            client.shut_down();
            let gone = client.wait_until(State::Gone, None).unwrap();
            assert_eq!(gone.exit_code, Some(3));
        } else {
            wrapper.signal(Signal::SIGQUIT);
            assert_eq!(wrapper.code(), 3);
        }
    }
}

#[test]
fn a_process_that_stops_itself_is_continued_by_the_deadline() {
    let script = "trap 'kill -STOP $$' QUIT; trap 'exit 5' TERM; echo ready; \
        while :; do sleep 1 >/dev/null 2>&1 & wait $!; done";
    let wrapper = start_ready(&["--force-after=200ms"], script);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.exit_code, Some(5));
}
