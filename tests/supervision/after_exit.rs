//! The command that runs once the process is gone.

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::after_exit::Phase;
use process_wrapper::pb::process_wrapper::v1::{Process, State};

use crate::support::client::Client;
use crate::support::{DRAINS, Wrapper, eventually, setup, start_ready};

/// Prints the variables that are meant for the command, and its process group.
const TELLS: &str = "sh -c 'env | grep ^PROCESS_WRAPPER_ | sort; echo told'";

/// The state, once the command has ended.
fn settled(client: &Client) -> Process {
    let mut process = client.get_state();
    eventually("the command after the exit ends", || {
        process = client.get_state();
        process.after_exit.as_ref().is_some_and(|after_exit| {
            !matches!(after_exit.phase(), Phase::Pending | Phase::Running)
        })
    });
    process
}

fn phase(client: &Client) -> Phase {
    client.get_state().after_exit.unwrap().phase()
}

/// The value that the command printed for a variable.
fn told<'a>(printed: &'a str, name: &str) -> Option<&'a str> {
    printed.lines().find_map(|line| {
        line.strip_prefix("PROCESS_WRAPPER_")?
            .strip_prefix(name)?
            .strip_prefix('=')
    })
}

#[test]
fn after_exit_gets_the_outcome_of_a_drain() {
    let mut wrapper = start_ready(&["--after-exit", TELLS], DRAINS);
    let client = Client::connect(&wrapper.address());
    assert_eq!(phase(&client), Phase::Pending);
    client.shut_down();
    wrapper.stdout.wait_for("told");
    let process = settled(&client);
    let after_exit = process.after_exit.unwrap();
    assert_eq!(
        (
            after_exit.phase(),
            after_exit.exit_code,
            after_exit.exit_signal
        ),
        (Phase::Ended, Some(0), None)
    );
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
    let printed = wrapper.stdout.all();
    assert_eq!(told(&printed, "EXIT_CODE"), Some("3"), "{printed}");
    assert_eq!(told(&printed, "EXIT_SIGNAL"), None, "{printed}");
    assert_eq!(told(&printed, "REQUESTED"), Some("true"), "{printed}");
    let times: Vec<_> = ["STARTED_AT", "SHUTDOWN_REQUESTED_AT", "EXITED_AT"]
        .into_iter()
        .map(|name| humantime::parse_rfc3339(told(&printed, name).unwrap()).unwrap())
        .collect();
    assert!(times.is_sorted(), "{printed}");
}

#[test]
fn after_exit_gets_the_signal_that_ended_the_process() {
    let options = ["--exit-when-gone=always", "--after-exit", TELLS];
    let mut wrapper = setup(&options, &["sh", "-c", "kill -KILL $$"]).start();
    assert_eq!(wrapper.code(), 128 + 9);
    let printed = wrapper.stdout.all();
    assert_eq!(told(&printed, "EXIT_CODE"), None, "{printed}");
    assert_eq!(told(&printed, "EXIT_SIGNAL"), Some("9"), "{printed}");
    assert_eq!(told(&printed, "REQUESTED"), Some("false"), "{printed}");
    assert_eq!(told(&printed, "SHUTDOWN_REQUESTED_AT"), None, "{printed}");
}

#[test]
fn after_exit_is_split_like_a_shell_would_but_by_no_shell() {
    let options = [
        "--exit-when-gone=always",
        "--after-exit",
        r#"printf '%s|' "a b" c\ d '$HOME' '*' ; "" "#,
    ];
    let mut wrapper = setup(&options, &["true"]).start();
    assert_eq!(wrapper.code(), 0);
    assert_eq!(wrapper.stdout.all(), "a b|c d|$HOME|*|;||");
}

#[test]
fn a_failing_after_exit_is_reported_and_changes_no_exit_code() {
    for (command, phase, code) in [
        ("sh -c 'exit 9'", Phase::Ended, Some(9)),
        ("/no/such/program", Phase::FailedToStart, None),
    ] {
        let mut wrapper = start_ready(&["--after-exit", command], DRAINS);
        let client = Client::connect(&wrapper.address());
        client.shut_down();
        let after_exit = settled(&client).after_exit.unwrap();
        assert_eq!((after_exit.phase(), after_exit.exit_code), (phase, code));
        assert_eq!(
            after_exit.error.contains("/no/such/program"),
            phase == Phase::FailedToStart
        );
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), 3);
        wrapper.stderr.wait_for("the command after the exit");
    }
}

#[test]
fn an_after_exit_that_runs_out_of_time_is_ended() {
    let options = ["--after-exit-timeout=20ms", "--after-exit", "sleep 600"];
    let wrapper = start_ready(&options, DRAINS);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let after_exit = settled(&client).after_exit.unwrap();
    assert_eq!(
        (after_exit.phase(), after_exit.exit_signal),
        (Phase::TimedOut, Some(15))
    );
}

#[test]
fn an_after_exit_that_ignores_term_is_killed() {
    let ignores = "sh -c 'trap \"\" TERM; exec sleep 600'";
    let options = [
        "--exit-when-gone=always",
        "--after-exit-timeout=300ms",
        "--after-exit",
        ignores,
    ];
    let mut wrapper = setup(&options, &["true"]).start();
    assert_eq!(wrapper.code(), 0);
    wrapper.stderr.wait_for("has run out of time");
    assert!(wrapper.stderr.all().contains("ended by SIGKILL"));
}

/// A wrapper whose command runs until a signal ends it, and the command's process id.
fn with_endless_command(options: &[&str]) -> (Wrapper, Client, i32) {
    let endless = "sh -c 'echo command $$; exec sleep 600'";
    let options = [options, &["--after-exit", endless]].concat();
    let wrapper = start_ready(&options, DRAINS);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let line = wrapper.stdout.wait_for("command ");
    let pid = line.split(' ').nth(1).unwrap().parse().unwrap();
    (wrapper, client, pid)
}

#[test]
fn gone_is_reported_while_after_exit_runs() {
    let (mut wrapper, client, pid) = with_endless_command(&[]);
    let process = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(process.exit_code, Some(3));
    assert_eq!(phase(&client), Phase::Running);
    // It leads a group of its own, so that a Ctrl-C does not reach it.
    let group = nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(pid))).unwrap();
    assert_eq!(group.as_raw(), pid);
    // The first stop signal waits for it.
    wrapper.signal(Signal::SIGTERM);
    wrapper.stderr.wait_for("received");
    assert_eq!(phase(&client), Phase::Running);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGUSR1).unwrap();
    assert_eq!(wrapper.code(), 3);
    assert!(wrapper.stderr.all().contains("ended by SIGUSR1"));
}

#[test]
fn a_later_stop_signal_kills_after_exit_and_ends_the_wrapper() {
    let (mut wrapper, _client, pid) = with_endless_command(&[]);
    wrapper.signal(Signal::SIGTERM);
    wrapper.stderr.wait_for("received");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
    eventually("the command is gone", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        // Where no process reaps our orphans, a zombie stays.
        stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
    });
}

#[test]
fn an_after_exit_without_a_program_is_a_usage_error() {
    for command in ["", "  ", "''", "sh -c 'unclosed"] {
        let mut wrapper = setup(&["--after-exit", command], &["true"]).start();
        assert_eq!(wrapper.code(), 2, "{command:?}");
        assert!(wrapper.stderr.all().contains("--after-exit"), "{command:?}");
    }
}

/// Sets how many descriptors the wrapper may have open from now on.
fn limit_descriptors(wrapper: &Wrapper, limit: u64) {
    let pid = rustix::process::Pid::from_child(&wrapper.process);
    let mut limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limits.current = Some(limit);
    rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, limits).unwrap();
}

#[test]
fn after_exit_waits_for_descriptors_until_its_timeout() {
    let wrapper = start_ready(&["--after-exit", "echo it ran"], DRAINS);
    let client = Client::connect(&wrapper.address());
    assert_eq!(phase(&client), Phase::Pending);
    // Fewer than are open: it gets no more.
    limit_descriptors(&wrapper, 4);
    client.shut_down();
    wrapper.stderr.wait_for("is tried again");
    assert_eq!(client.state(), State::Gone);
    assert_eq!(phase(&client), Phase::Pending);
    limit_descriptors(&wrapper, 256);
    wrapper.stdout.wait_for("it ran");
    let after_exit = settled(&client).after_exit.unwrap();
    assert_eq!(
        (after_exit.phase(), after_exit.exit_code),
        (Phase::Ended, Some(0))
    );
    let log = wrapper.stderr.text();
    assert_eq!(log.matches("is tried again").count(), 1, "{log}");
    assert_eq!(wrapper.stdout.text().matches("it ran").count(), 1);
}

#[test]
fn an_after_exit_without_descriptors_fails_at_its_timeout() {
    let options = ["--after-exit-timeout=300ms", "--after-exit", "echo it ran"];
    let mut wrapper = start_ready(&options, DRAINS);
    let client = Client::connect(&wrapper.address());
    client.state();
    limit_descriptors(&wrapper, 4);
    let asked = std::time::Instant::now();
    client.shut_down();
    let after_exit = settled(&client).after_exit.unwrap();
    assert!(asked.elapsed() >= std::time::Duration::from_millis(300));
    assert_eq!(after_exit.phase(), Phase::FailedToStart);
    assert!(
        after_exit.error.contains("Too many open files"),
        "{}",
        after_exit.error
    );
    // It holds up nothing.
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
    assert!(!wrapper.stdout.all().contains("it ran"));
}

#[test]
fn a_later_stop_signal_does_not_wait_for_an_after_exit_that_cannot_start() {
    let mut wrapper = start_ready(&["--after-exit", "echo it ran"], DRAINS);
    let client = Client::connect(&wrapper.address());
    client.state();
    limit_descriptors(&wrapper, 4);
    client.shut_down();
    wrapper.stderr.wait_for("is tried again");
    wrapper.signal(Signal::SIGTERM);
    wrapper.stderr.wait_for("received");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
    assert!(!wrapper.stdout.all().contains("it ran"));
}
