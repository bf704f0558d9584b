//! A wrapper that is killed, and the sentinel that tells the process.

use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid};
use process_wrapper::pb::process_wrapper::v1::State;

use crate::support::client::Client;
use crate::support::{DRAINS, Wrapper, eventually, setup, start_ready};
use crate::{children, launched_by, may_unshare, program_file, sweep};

/// A shell that says when it is ready and what it got, and then ends.
const TELLS: &str = "trap 'echo quit; exit 0' QUIT; trap 'echo term; exit 0' TERM; echo ready; \
    while :; do sleep 1 >/dev/null 2>&1 & wait $!; done";

/// The sentinel's process id, and the process's.
fn sentinel_and_process(wrapper: &Wrapper) -> (i32, i32) {
    let process = wrapper.child_pid();
    let others: Vec<_> = children(wrapper.pid())
        .into_iter()
        .map(|(pid, _)| pid)
        .filter(|pid| *pid != process)
        .collect();
    assert_eq!(others.len(), 1);
    (others[0], process)
}

/// Whether no process has the id, or only a zombie that its parent does not reap.
fn has_ended(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map(|stat| stat.contains(") Z ")).unwrap_or(true)
}

#[test]
fn on_wrapper_death_signals_the_process_of_a_killed_wrapper() {
    sweep(200, |run| {
        let (name, word) = [("QUIT", "quit"), ("TERM", "term")][run % 2];
        let mut wrapper = start_ready(&["--on-wrapper-death", name], TELLS);
        // Since this line the sentinel watches.
        wrapper.stderr.wait_for("started");
        wrapper.process.kill().unwrap();
        wrapper.process.wait().unwrap();
        wrapper.stdout.wait_for(word);
        assert_eq!(wrapper.stdout.all(), format!("ready\n{word}"));
    });
}

#[test]
fn a_wrapper_that_is_killed_as_soon_as_it_has_started_the_process_leaves_none() {
    sweep(200, |_| {
        let options = ["--on-wrapper-death=KILL"];
        let mut wrapper = setup(&options, &["sleep", "600"]).start();
        wrapper.stderr.wait_for("started");
        wrapper.process.kill().unwrap();
        wrapper.process.wait().unwrap();
        // A surviving process would hold the stream.
        wrapper.stdout.all();
    });
}

#[test]
fn a_wrapper_that_is_killed_at_any_moment_of_its_start_leaves_no_process_without_its_signal() {
    let options = ["--on-wrapper-death=KILL"];
    let program = ["sh", "-c", "echo ran; exec sleep 600"];
    // How long a start takes differs from machine to machine, and with what else runs there: the
    // sweep goes beyond the longest of some that run side by side as those of the sweep do.
    let longest = Mutex::new(Duration::from_millis(4));
    sweep(16, |_| {
        let begin = Instant::now();
        setup(&options, &program).start().stdout.wait_for("ran");
        let mut longest = longest.lock().unwrap();
        *longest = begin.elapsed().max(*longest);
    });
    let longest = longest.into_inner().unwrap();
    let ran = AtomicUsize::new(0);
    sweep(400, |run| {
        let mut wrapper = setup(&options, &program).start();
        let delay = longest.mul_f64(f64::from(u32::try_from(run).unwrap()) / 300.0);
        std::thread::sleep(delay);
        wrapper.process.kill().unwrap();
        wrapper.process.wait().unwrap();
        // A surviving process would hold the stream.
        let said = wrapper.stdout.all();
        ran.fetch_add(usize::from(said == "ran"), Ordering::Relaxed);
    });
    let ran = ran.into_inner();
    // Both sides of the start were met.
    assert!((1..400).contains(&ran), "{ran} of 400 ran");
}

#[test]
fn on_wrapper_death_does_not_change_the_start_of_the_process() {
    // Its arguments, its environment, its descriptors, its mask and dispositions, its group.
    let script = "printf '<%s>' \"$0\" \"$@\"; echo; env | sort; ls /proc/self/fd; readlink /proc/self/fd/0; \
        grep -E '^(Sig(Blk|Ign|Cgt)|NSpid|Seccomp|Threads)' /proc/$$/status | grep -v NSpid; \
        cat; set -- $(cat /proc/$$/stat); echo group $(($5 - $1))";
    let input = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(input.path(), "from its standard input\n").unwrap();
    let said = |options: &[&str]| {
        let options = [options, &["--exit-when-gone=always"]].concat();
        let mut wrapper = setup(&options, &["sh", "-c", script, "zero", "", "a b", "--gate"])
            .configure(|command| {
                command.stdin(std::fs::File::open(input.path()).unwrap());
                command.env("ODD", "a=b\u{e9}").env("WATCHDOG_USEC", "1");
            })
            .start();
        assert_eq!(wrapper.code(), 0, "{}", wrapper.stderr.all());
        wrapper.stdout.all()
    };
    let with = said(&["--on-wrapper-death=TERM"]);
    assert_eq!(with, said(&[]));
    for expected in [
        "<zero><><a b><--gate>",
        "from its standard input",
        "ODD=a=b",
        "group 0",
    ] {
        assert!(with.contains(expected), "{with}");
    }
    assert!(!with.contains("WATCHDOG_USEC"), "{with}");
}

#[test]
fn on_wrapper_death_keeps_the_path_search_and_the_exec_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode| program_file(folder.path(), name, text, mode);
    let programs = [
        file("none", "", 0o644) + ".not",
        "no-such-name-on-the-path".to_owned(),
        file("plain", "#!/bin/sh\n", 0o644),
        folder.path().to_str().unwrap().to_owned(),
        file("interpreter", "#!/no/such/interpreter\n", 0o755),
        // /bin/sh executes the first two, and not the third.
        file("shebang", "echo no shebang\n", 0o755),
        file("empty", "", 0o755),
        file("foreign", "\x7fELF of another machine\n", 0o755),
        // Found on PATH, behind one of that name that may not be executed.
        "only-here".to_owned(),
        String::new(),
    ];
    for name in ["denied", "found"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    file("denied/only-here", "#!/bin/sh\n", 0o644);
    file("found/only-here", "#!/bin/sh\necho found\nexit 9\n", 0o755);
    let path = format!(
        "/no/such:{0}/denied:{0}/found:/usr/bin:/bin",
        folder.path().display()
    );
    for program in &programs {
        let said = |options: &[&str]| {
            let options = [options, &["--exit-when-gone=always", "--log-level=error"]].concat();
            let mut wrapper = setup(&options, &[program]).env("PATH", &path).start();
            (wrapper.code(), wrapper.stdout.all(), wrapper.stderr.all())
        };
        let with = said(&["--on-wrapper-death=TERM"]);
        assert_eq!(with, said(&[]), "{program}");
        let printed = match program.rsplit('/').next() {
            Some("only-here") => "found",
            Some("shebang") => "no shebang",
            _ => "",
        };
        assert_eq!(with.1, printed);
    }
}

#[test]
fn a_stopped_process_is_continued_by_the_sentinel_too() {
    // The kernel sends SIGHUP to a stopped group that becomes orphaned.
    let script = format!("trap '' HUP; {TELLS}");
    let mut wrapper = start_ready(&["--on-wrapper-death=QUIT"], &script);
    kill(Pid::from_raw(wrapper.child_pid()), Signal::SIGSTOP).unwrap();
    wrapper.process.kill().unwrap();
    wrapper.process.wait().unwrap();
    assert_eq!(wrapper.stdout.all(), "ready\nquit");
}

#[test]
fn the_sentinel_holds_no_stream_of_the_process_and_ignores_signals() {
    let wrapper = start_ready(&["--on-wrapper-death=QUIT"], DRAINS);
    let (sentinel, process) = sentinel_and_process(&wrapper);
    let pid = Pid::from_raw(sentinel);
    assert_eq!(getpgid(Some(pid)).unwrap(), pid);
    assert_ne!(getpgid(Some(Pid::from_raw(process))).unwrap(), pid);
    // Its streams are the lifeline, all three.
    eventually("the sentinel watches", || {
        std::fs::read_link(format!("/proc/{sentinel}/cwd")).is_ok_and(|cwd| cwd.as_os_str() == "/")
    });
    for fd in 0..3 {
        let link = std::fs::read_link(format!("/proc/{sentinel}/fd/{fd}")).unwrap();
        assert!(link.to_str().unwrap().starts_with("socket:"), "{link:?}");
    }
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGQUIT,
        Signal::SIGHUP,
    ] {
        kill(pid, signal).unwrap();
    }
    let client = Client::connect(&wrapper.address());
    assert_eq!(client.state(), State::Running);
    assert!(!has_ended(sentinel));
}

#[test]
fn the_sentinel_ends_with_the_process_and_is_reaped() {
    let mut wrapper = start_ready(&["--on-wrapper-death=TERM"], DRAINS);
    let (sentinel, _) = sentinel_and_process(&wrapper);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    client.wait_until(State::Gone, None).unwrap();
    eventually("the sentinel is reaped", || {
        children(wrapper.pid()).is_empty()
    });
    assert!(has_ended(sentinel));
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
    assert!(!wrapper.stderr.all().contains("sentinel"));
}

#[test]
fn a_killed_sentinel_is_reported_and_reaped() {
    let wrapper = start_ready(&["--on-wrapper-death=TERM"], DRAINS);
    let (sentinel, process) = sentinel_and_process(&wrapper);
    kill(Pid::from_raw(sentinel), Signal::SIGKILL).unwrap();
    wrapper.stderr.wait_for("the sentinel has died");
    assert_eq!(children(wrapper.pid()).len(), 1);
    let client = Client::connect(&wrapper.address());
    assert_eq!(
        (client.state(), client.get_state().pid),
        (State::Running, process)
    );
}

#[test]
fn no_sentinel_is_left_where_the_program_cannot_be_started() {
    // A signal that no other test asks for, so that the sentinel is found by it.
    let mut wrapper = setup(&["--on-wrapper-death=PROF"], &["/no/such/program"]).start();
    assert_eq!(wrapper.code(), 127);
    eventually("the sentinel ends", || {
        !std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            words.ends_with(b"--sentinel\0PROF\0")
        })
    });
}

#[test]
fn without_on_wrapper_death_there_is_no_sentinel() {
    let wrapper = start_ready(&[], DRAINS);
    assert_eq!(children(wrapper.pid()).len(), 1);
    let explicit = start_ready(&["--on-wrapper-death=none"], DRAINS);
    assert_eq!(children(explicit.pid()).len(), 1);
}

#[test]
fn as_pid_1_there_is_no_sentinel_and_a_line_says_why() {
    if !may_unshare() {
        return;
    }
    let mut wrapper = setup(&["--on-wrapper-death=QUIT"], &["sh", "-c", DRAINS])
        .configure(launched_by(&["unshare", "--pid", "--fork", "--kill-child"]))
        .start();
    wrapper.stdout.wait_for("ready");
    wrapper.stderr.wait_for("does nothing as PID 1");
    let init = children(wrapper.pid())[0].0;
    assert_eq!(children(init).len(), 1);
    kill(Pid::from_raw(init), Signal::SIGKILL).unwrap();
    wrapper.process.wait().unwrap();
    assert_eq!(wrapper.stdout.all(), "ready", "the kernel has killed it");
}

#[test]
fn a_restart_meets_a_stale_socket_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("again.sock").display());
    let options = ["--listen", &address, "--on-wrapper-death=QUIT"];
    for _ in 0..5 {
        let mut wrapper = start_ready(&options, TELLS);
        let client = Client::connect(&address);
        assert_eq!(client.get_state().pid, wrapper.child_pid());
        wrapper.process.kill().unwrap();
        wrapper.process.wait().unwrap();
        assert!(folder.path().join("again.sock").exists(), "it is stale");
        assert_eq!(wrapper.stdout.all(), "ready\nquit");
    }
}

#[test]
fn a_wrapper_killed_at_any_moment_of_its_start_keeps_no_successor_from_the_socket() {
    let died_early = AtomicUsize::new(0);
    sweep(240, |run| {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("unix:{}", folder.path().join("again.sock").display());
        let options = ["--listen", &address];
        // A process that is left behind ends with its input.
        let mut first = setup(&options, &["cat"])
            .configure(|command| {
                command.stdin(Stdio::piped());
            })
            .start();
        // Over the whole start. Between the fork and the exec of a program the child shares the
        // lock.
        std::thread::sleep(Duration::from_micros(u64::try_from(run).unwrap() * 50));
        first.process.kill().unwrap();
        first.process.wait().unwrap();
        let mut second = start_ready(&options, DRAINS);
        let client = Client::connect(&address);
        assert_eq!(client.get_state().pid, second.child_pid());
        client.shut_down();
        client.wait_until(State::Gone, None).unwrap();
        second.signal(Signal::SIGTERM);
        assert_eq!(second.code(), 3);
        assert!(!folder.path().join("again.sock").exists());
        drop(first.process.stdin.take());
        first.stdout.all();
        let log = first.stderr.all();
        died_early.fetch_add(usize::from(!log.contains("started")), Ordering::Relaxed);
    });
    let died_early = died_early.into_inner();
    assert!((20..220).contains(&died_early), "{died_early} of 240");
}

#[test]
fn a_briefly_held_lock_is_waited_for_and_a_lasting_one_is_an_error() {
    for stays in [false, true] {
        let setup = setup(&["--exit-when-gone=always"], &["sh", "-c", "exit 7"]);
        // What a child of a killed wrapper holds until it executes its program.
        let path = setup.folder().join("control.sock.lock");
        let lock = std::fs::File::create(path).unwrap();
        lock.lock().unwrap();
        let begin = Instant::now();
        let mut wrapper = setup.start();
        if stays {
            assert_eq!(wrapper.code(), 1);
            assert!(begin.elapsed() >= Duration::from_millis(200));
            let said = wrapper.stderr.all();
            assert!(said.contains("in use"), "{said}");
        } else {
            // It has been refused once by now, unless the machine is very slow.
            std::thread::sleep(Duration::from_millis(100));
            drop(lock);
            assert_eq!(wrapper.code(), 7, "{}", wrapper.stderr.all());
        }
    }
}
