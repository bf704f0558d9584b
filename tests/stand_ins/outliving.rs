//! What outlives the process: the wrapper signals the main process alone, so its jobs go on.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{peers, setup};

/// Starts a job in a session of its own, and ends without it.
const LEAVES_A_JOB: &str = "trap 'exit 0' QUIT; setsid sleep 1000 & echo job $!; \
    while :; do sleep 0.05 >&2; done";

#[test]
fn a_job_outlives_the_process_and_the_wrapper() {
    let mut wrapper = setup(&[], &["sh", "-c", LEAVES_A_JOB]).start();
    let line = wrapper.stdout.wait_for("job ");
    let job = Pid::from_raw(line.split(' ').nth(1).unwrap().parse().unwrap());
    wrapper.signal(Signal::SIGQUIT);
    assert_eq!(wrapper.code(), 0);
    // It is alive, and ours to end.
    kill(job, Signal::SIGKILL).unwrap();
}

#[test]
fn a_pid_namespace_ends_the_jobs_with_the_wrapper() {
    if !rustix::process::geteuid().is_root() {
        peers::missing("the right to make a pid namespace (root)");
        return;
    }
    let wrapper = setup(&[], &["sh", "-c", LEAVES_A_JOB]).replace(|command| {
        let mut launched = std::process::Command::new("unshare");
        launched.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        launched.arg(command.get_program()).args(command.get_args());
        launched.env_remove("PROCESS_WRAPPER_ADDRESS");
        launched
    });
    let mut unshare = wrapper.start();
    unshare.stdout.wait_for("job ");
    // unshare passes no signal on.
    let children = format!("/proc/{0}/task/{0}/children", unshare.pid());
    let child = std::fs::read_to_string(children).unwrap();
    let child = Pid::from_raw(child.trim().parse().unwrap());
    kill(child, Signal::SIGQUIT).unwrap();
    assert_eq!(unshare.code(), 0);
    // The job held the stream open.
    assert!(unshare.stdout.all().starts_with("job "));
}
