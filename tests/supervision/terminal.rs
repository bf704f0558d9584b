//! The wrapper and its process on a terminal: the log, the keyboard, and job control.

use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::pb::process_wrapper::v1::State;

use super::console::{Console, console, state};
use super::held::kill_and_hold;
use super::support::client::Client;
use super::support::{eventually, wait_for_exit};

/// Waits until the wrapper, a job of the shell, has ended; the screen then says so.
fn ended(console: &mut Console, text: &str) {
    console.keys("echo code=$?\n");
    console.screen.wait_for(text);
}

#[test]
fn a_log_line_in_the_background_under_tostop_neither_stops_nor_spins_the_wrapper() {
    let Some(mut console) = console() else { return };
    console.keys("stty tostop\n");
    console.run("sleep 1000", "& echo job-$((1))=$!");
    let wrapper = console.pid("job-1");
    console.screen.wait_for("started pid=");
    console.keys(&format!("kill {wrapper}; wait {wrapper}\n"));
    console.screen.wait_for("received SIGTERM");
    ended(&mut console, "code=143");
    console.end();
}

#[test]
fn a_process_that_reads_the_terminal_gets_it_and_returns_it() {
    let Some(mut console) = console() else { return };
    console.run(
        "sh -c 'stty -echo; read line; echo got-$line; stty echo'",
        "",
    );
    console.screen.wait_for("started pid=");
    console.keys("words\n");
    console.screen.wait_for("got-words");
    console.screen.wait_for("the process is gone");
    // The keyboard is the wrapper's again: Ctrl-C stops it.
    console.keys("\x03");
    console.screen.wait_for("received SIGINT");
    ended(&mut console, "code=0");
    console.end();
}

#[test]
fn ctrl_c_ends_a_process_that_has_the_terminal_and_then_the_wrapper() {
    let Some(mut console) = console() else { return };
    console.run("sh -c 'stty -echo; echo has-$((1)); exec sleep 1000'", "");
    console.screen.wait_for("has-1");
    console.keys("\x03");
    console
        .screen
        .wait_for("SIGINT from the terminal ended the process");
    ended(&mut console, "code=130");
    console.end();
}

#[test]
fn ctrl_c_reaches_a_process_without_the_terminal_through_the_wrapper() {
    let Some(mut console) = console() else { return };
    console.run("sleep 1000", "");
    console.screen.wait_for("started pid=");
    console.keys("\x03");
    console.screen.wait_for("received SIGINT");
    ended(&mut console, "code=130");
    console.end();
}

#[test]
fn ctrl_z_stops_wrapper_and_process_and_fg_continues_both() {
    // Without the terminal, and with it.
    for command in [
        "sleep 1000",
        "sh -c 'stty -echo; stty echo; exec sleep 1000'",
    ] {
        let Some(mut console) = console() else { return };
        console.run(command, "");
        let pid = console.pid("started pid");
        let wrapper = parent(pid);
        let name = || std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        eventually("it sleeps", || {
            name().trim() == "sleep" && state(pid) == Some('S')
        });
        console.keys("\x1a");
        eventually("both are stopped", || {
            state(pid) == Some('T') && state(wrapper) == Some('T')
        });
        // The shell has the terminal again.
        console.keys("echo shell-$((40 + 2))\n");
        console.screen.wait_for("shell-42");
        console.keys("fg\n");
        eventually("both continue", || {
            state(pid) == Some('S') && state(wrapper) != Some('T')
        });
        console.keys("\x03");
        console.screen.wait_for("leaving");
        ended(&mut console, "code=130");
        console.end();
    }
}

#[test]
fn a_background_process_that_reads_the_terminal_stops_the_job_and_fg_continues_it() {
    let Some(mut console) = console() else { return };
    console.run("sh -c 'read line; echo got-$line'", "& echo job-$((1))=$!");
    let wrapper = console.pid("job-1");
    eventually("the job stops", || state(wrapper) == Some('T'));
    console.keys("fg\n");
    eventually("the job continues", || state(wrapper) != Some('T'));
    console.keys("words\n");
    console.screen.wait_for("got-words");
    console.screen.wait_for("the process is gone");
    console.keys("\x03");
    console.screen.wait_for("received SIGINT");
    ended(&mut console, "code=0");
    console.end();
}

#[test]
fn a_drain_of_a_process_that_had_the_terminal_keeps_the_wrapper() {
    let Some(mut console) = console() else { return };
    console.run("sh -c 'read line; echo got-$line; exec sleep 1000'", "");
    console.screen.wait_for("started pid=");
    console.keys("words\n");
    console.screen.wait_for("got-words");
    let socket = console.folder.path().join("control.sock");
    let client = Client::connect(&format!("unix:{}", socket.display()));
    // The process dies of QUIT, which is no key here.
    client.shut_down();
    client.wait_until(State::Gone, None).unwrap();
    let log = console.screen.wait_for("sent SIGQUIT");
    assert!(log.contains("cause: request"), "{log}");
    console.keys("\x03");
    console.screen.wait_for("received SIGINT");
    assert!(!console.screen.text().contains("from the terminal ended"));
    ended(&mut console, "code=131");
    console.end();
}

#[test]
fn an_interactive_shell_works_under_the_wrapper() {
    let Some(mut console) = console() else { return };
    console.run("sh -i", "");
    console.screen.wait_for("started pid=");
    console.keys("sh -c 'echo job-$((1)); exec sleep 1000'\n");
    console.screen.wait_for("job-1");
    console.keys("\x1a");
    console.keys("echo inner-$((40 + 2)); jobs; kill -9 %1; exec sh -c 'exit 4'\n");
    console.screen.wait_for("inner-42");
    console.screen.wait_for("the process is gone");
    console.keys("\x03");
    ended(&mut console, "code=4");
    console.end();
}

#[test]
fn ctrl_z_is_discarded_where_no_shell_could_continue_the_wrapper() {
    let Some(mut console) = console() else { return };
    // The wrapper leads the session, as under `docker run -it`.
    console.keys("exec ");
    let script = "trap \"echo continued-$((1))\" CONT; echo up-$((1)); while :; do sleep 0.1; done";
    console.run(&format!("sh -c '{script}'"), "");
    console.screen.wait_for("up-1");
    console.keys("\x1a");
    console.screen.wait_for("continued-1");
    console.keys("\x03");
    console.screen.wait_for("leaving");
    console.ends();
}

#[test]
fn a_session_leader_lends_its_terminal_as_well() {
    let Some(mut console) = console() else { return };
    console.keys("exec ");
    console.run("sh -i", "");
    console.screen.wait_for("started pid=");
    console.keys("echo inner-$((40 + 2)); exit 4\n");
    console.screen.wait_for("inner-42");
    console.screen.wait_for("the process is gone");
    console.keys("\x03");
    console.screen.wait_for("leaving");
    console.ends();
}

#[test]
fn ctrl_z_stops_a_wrapper_whose_process_is_gone_and_none_that_ignores_it() {
    let Some(mut console) = console() else { return };
    console.run("true", "");
    console.screen.wait_for("the process is gone");
    console.keys("\x1a");
    console.screen.wait_for("Stopped");
    console.keys("fg\n");
    console.screen.wait_for("received SIGCONT");
    console.keys("\x03");
    console.screen.wait_for("leaving");
    console.run_with("--rewrite-signal=TSTP:0", "sleep 1000", "");
    console.screen.wait_for_nth("started pid=", 2);
    console.keys("\x1a");
    console.screen.wait_for("received SIGTSTP");
    console.keys("\x03");
    ended(&mut console, "code=130");
    assert_eq!(console.screen.text().matches("Stopped").count(), 1);
    console.end();
}

/// Kills the process, which has the terminal, and holds it unreaped. Once it is released, a signal
/// or a call finds the exit before the wrapper does by itself: it looks again after longer and
/// longer pauses. Answers with the tracer and the wrapper's process id.
fn dead_with_the_terminal(console: &Console) -> Option<(Child, i32)> {
    console.screen.wait_for("has-1");
    let pid = console.pid("started pid");
    let wrapper = parent(pid);
    let tracer = kill_and_hold(pid)?;
    std::thread::sleep(Duration::from_millis(700));
    Some((tracer, wrapper))
}

fn release(mut tracer: Child) {
    drop(tracer.stdin.take());
    wait_for_exit(&mut tracer);
}

#[test]
fn an_exit_that_a_stop_signal_finds_returns_the_terminal() {
    let Some(mut console) = console() else { return };
    // The script has no job control, so nothing but the wrapper returns the terminal to it.
    console.keys("exec sh -c '");
    let command = "sh -c \"stty -echo; stty echo; echo has-\\$((1)); exec sleep 1000\"";
    console.run(command, "; read line; echo back-$line'");
    let Some((tracer, wrapper)) = dead_with_the_terminal(&console) else {
        return;
    };
    release(tracer);
    kill(Pid::from_raw(wrapper), Signal::SIGTERM).unwrap();
    console.screen.wait_for("leaving");
    console.keys("words\n");
    console.screen.wait_for("back-words");
    console.ends();
}

#[test]
fn an_exit_that_a_call_finds_returns_the_terminal_before_the_answer() {
    let Some(mut console) = console() else { return };
    console.run(
        "sh -c 'stty -echo; stty echo; echo has-$((1)); exec sleep 1000'",
        "",
    );
    let Some((tracer, _)) = dead_with_the_terminal(&console) else {
        return;
    };
    let socket = console.folder.path().join("control.sock");
    let client = Client::connect(&format!("unix:{}", socket.display()));
    release(tracer);
    assert_eq!(client.shut_down().state(), State::Gone);
    console.keys("\x03");
    console.screen.wait_for("received SIGINT");
    ended(&mut console, "code=137");
    console.end();
}

fn parent(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1;
    fields.split(' ').nth(1).unwrap().parse().unwrap()
}
