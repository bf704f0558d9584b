//! Each refused system call of a start names its own cause and what to do.

use std::io::Read;

use super::support::{peers, setup};
use super::{injected, traced};

/// An injection, the exit code, and words of the line; a word after `!` must be absent.
const REFUSED: [(&str, i32, &[&str]); 12] = [
    (
        "clone3,clone:error=EPERM",
        1,
        &["no thread", "seccomp", "!ulimit -u"],
    ),
    (
        "clone3,clone:error=EAGAIN",
        1,
        &["no thread", "pids.max", "!seccomp"],
    ),
    ("pidfd_open:error=EMFILE", 1, &["ulimit -n", "!seccomp"]),
    ("pidfd_open:error=EPERM", 1, &["seccomp", "!ulimit"]),
    (
        "epoll_create1:error=EMFILE",
        1,
        &["Too many open files", "ulimit -n", "!Os {"],
    ),
    (
        "clone3,clone:error=EAGAIN:when=1",
        1,
        &["event loop", "unavailable", "pids.max", "!Os {"],
    ),
    (
        "flock:error=EACCES",
        2,
        &["cannot lock", "may not", "!another process-wrapper"],
    ),
    ("flock:error=ENOLCK", 1, &["no locks left"]),
    (
        "flock:error=EAGAIN",
        1,
        &["another process-wrapper holds its lock"],
    ),
    (
        "setpgid:error=EACCES",
        126,
        &["setpgid", "seccomp", "!chmod"],
    ),
    ("bind:error=ENOSPC", 1, &["free space there"]),
    ("socketpair:error=EMFILE", 1, &["ulimit -n"]),
];

#[test]
fn each_refused_call_of_a_start_names_its_own_cause() {
    if peers::find("strace").is_none() {
        return;
    }
    for (fault, code, words) in REFUSED {
        let mut wrapper = injected(&[fault], &[], &["true"]).start();
        assert_eq!(wrapper.code(), code, "{fault}: {}", wrapper.stderr.text());
        let printed = wrapper.stderr.all();
        let line = printed
            .lines()
            .find(|line| line.starts_with("process-wrapper: "))
            .unwrap_or_else(|| panic!("{fault}: {printed}"));
        for word in words {
            let absent = word.strip_prefix('!');
            let found = line.contains(absent.unwrap_or(word));
            assert_eq!(found, absent.is_none(), "{fault}: {word:?} in {line}");
        }
    }
}

#[test]
fn a_shortage_at_the_directory_or_its_lock_is_neither_missing_nor_held() {
    if peers::find("strace").is_none() {
        return;
    }
    // The injection counts only calls on the socket's directory: 1 opens it, 2 opens the lock.
    for (fault, code, words) in [
        ("openat,open:error=EMFILE:when=1", 1, "ulimit -n"),
        ("openat,open:error=EMFILE:when=2", 1, "ulimit -n"),
        ("openat,open:error=EACCES:when=2", 2, "may not"),
        ("newfstatat:error=EACCES:when=1", 2, "may not"),
    ] {
        let setup = setup(&["--exit-when-gone=always"], &["true"]);
        let folder = setup.folder().to_str().unwrap().to_owned();
        let mut wrapper = setup
            .replace(|wrapper| traced(&[fault], &["-o", "/dev/null", "-P", &folder], wrapper))
            .start();
        let code_ = wrapper.code();
        let printed = wrapper.stderr.all();
        assert_eq!(code_, code, "{fault}: {printed}");
        assert!(printed.contains(words), "{fault}: {printed}");
        for wrong in ["create it", "another process-wrapper"] {
            assert!(!printed.contains(wrong), "{fault}: {printed}");
        }
    }
}

#[test]
fn refused_peer_credentials_are_logged_once() {
    if peers::find("strace").is_none() {
        return;
    }
    // With -D the wrapper itself is our child.
    let options = ["-D", "-o", "/dev/null"];
    let wrapper = setup(&[], &["sh", "-c", "echo ready; exec sleep 600"])
        .replace(|wrapper| traced(&["getsockopt:error=EPERM"], &options, wrapper))
        .start();
    wrapper.stdout.wait_for("ready");
    for _ in 0..3 {
        let mut stream = std::os::unix::net::UnixStream::connect(wrapper.socket()).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    }
    let line = wrapper.stderr.wait_for("SO_PEERCRED");
    assert!(line.contains("seccomp"), "{line}");
    let printed = wrapper.stderr.text();
    assert_eq!(printed.matches("SO_PEERCRED").count(), 1, "{printed}");
}
