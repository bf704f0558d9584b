//! A dead process that cannot be reaped yet, and signals whose handler cannot report them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::{Lines, peers, setup, start_ready, wait_for_exit};

/// Seizes the process, kills it, and holds it unreaped until stdin ends.
const TRACER: &str = r#"
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
if libc.ptrace(0x4206, pid, 0, 0) != 0:  # PTRACE_SEIZE
    print("refused", os.strerror(ctypes.get_errno()), flush=True)
    sys.exit()
os.kill(pid, signal.SIGKILL)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print("held", flush=True)
sys.stdin.read()
"#;

/// Kills the process, which cannot be reaped until stdin of the tracer ends; `None`, loudly,
/// without a tracer.
pub(crate) fn kill_and_hold(pid: i32) -> Option<Child> {
    let python = peers::find("python3")?;
    let mut tracer = Command::new(python)
        .args(["-c", TRACER])
        .arg(pid.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = Lines::read(tracer.stdout.take().unwrap()).first_line();
    if said.as_deref() != Some("held") {
        tracer.wait().unwrap();
        peers::missing(&format!("ptrace ({said:?})"));
        return None;
    }
    Some(tracer)
}

#[test]
fn a_debugger_that_holds_the_dead_process_costs_no_processor_time() {
    const HELD: Duration = Duration::from_secs(2);
    let mut wrapper = setup(&["--exit-when-gone=always"], &["sleep", "1000"]).start();
    let Some(mut tracer) = kill_and_hold(wrapper.child_pid()) else {
        return;
    };
    let before = processor_time(wrapper.pid());
    let began = Instant::now();
    while began.elapsed() < HELD {
        std::thread::sleep(HELD / 20);
    }
    let used = processor_time(wrapper.pid()) - before;
    assert!(used < HELD / 10, "{used:?} of processor time in {HELD:?}");
    assert!(!wrapper.stderr.text().contains("is gone"));
    drop(tracer.stdin.take());
    wait_for_exit(&mut tracer);
    assert_eq!(wrapper.code(), 137);
}

/// User and system time, proc_pid_stat(5), in units of 10 ms.
fn processor_time(pid: i32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u32 = [11, 12]
        .map(|i| fields[i].parse::<u32>().unwrap())
        .iter()
        .sum();
    Duration::from_millis(10) * ticks
}

#[test]
fn a_signal_that_its_handler_cannot_queue_is_handled_nevertheless() {
    let Some(strace) = peers::find("strace") else {
        return;
    };
    let script = "trap 'echo hup' HUP; trap 'echo quit' QUIT; trap 'exit 3' TERM; echo ready; \
        while :; do sleep 1 >/dev/null 2>&1 & wait $!; done";
    let mut wrapper = start_ready(&[], script);
    wrapper.stderr.wait_for("started");
    let mut tracer = Command::new(strace)
        .args(["-f", "-o", "/dev/null", "-p", &wrapper.pid().to_string()])
        .args(["-e", "trace=write,sendto"])
        .args(["-e", "inject=write,sendto:error=ENOBUFS"])
        .args(
            sockets(wrapper.pid())
                .iter()
                .flat_map(|socket| ["-P", socket]),
        )
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = Lines::read(tracer.stderr.take().unwrap());
    if !said
        .first_line()
        .is_some_and(|line| line.contains("attached"))
    {
        tracer.wait().unwrap();
        return peers::missing(&format!("strace -p ({})", said.text()));
    }
    // HUP has no second wake-up and is handled with QUIT, which has one.
    wrapper.signal(Signal::SIGHUP);
    wrapper.signal(Signal::SIGQUIT);
    wrapper
        .stderr
        .wait_for("the kernel refused to queue SIGQUIT");
    wrapper.stdout.wait_for("quit");
    wrapper.stdout.wait_for("hup");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
    let log = wrapper.stderr.all();
    for signal in ["received SIGQUIT", "received SIGTERM", "sent SIGHUP"] {
        assert_eq!(log.matches(signal).count(), 1, "{log}");
    }
    wait_for_exit(&mut tracer);
}

/// The names of the wrapper's sockets, as strace(1) takes them.
fn sockets(pid: i32) -> Vec<String> {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            std::fs::read_link(entry.path())
                .ok()?
                .into_os_string()
                .into_string()
                .ok()
        })
        .filter(|name| name.starts_with("socket:"))
        .collect()
}

#[test]
fn a_flood_of_stop_signals_is_forwarded_no_more_often_than_it_was_sent() {
    const SENT: usize = 300;
    let script = "trap 'echo term' TERM; trap 'exit 0' USR2; echo ready; \
        while :; do sleep 1 >/dev/null 2>&1 & wait $!; done";
    let mut wrapper = start_ready(&[], script);
    let pid = Pid::from_raw(wrapper.pid());
    for _ in 0..SENT {
        kill(pid, Signal::SIGTERM).unwrap();
    }
    wrapper.stdout.wait_for("term");
    wrapper.signal(Signal::SIGUSR2);
    assert_eq!(wrapper.code(), 0);
    let log = wrapper.stderr.all();
    let received = log.matches("received SIGTERM").count();
    assert!((1..=SENT).contains(&received), "{received} of {SENT}");
    assert!(!log.contains("refused to queue"), "{log}");
}
