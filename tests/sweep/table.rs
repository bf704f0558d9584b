//! The system calls of the wrapper, and the errors that a kernel or a seccomp profile can really
//! return for each.
//!
//! Owns the table and the list of cases. It never runs anything.

/// When an injected error occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// At this occurrence in each thread, from 1.
    Nth(u32),
    /// At every one.
    Always,
}

/// One injected error.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) call: &'static str,
    pub(crate) error: &'static str,
    pub(crate) when: When,
    pub(crate) course: Course,
}

/// How the wrapper runs, and in which processes the error occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// In the wrapper, without `--on-wrapper-death`.
    Plain,
    /// In the wrapper, with it.
    Sentinel,
    /// With it, also in the exec stub and the sentinel.
    Helpers,
}

impl Case {
    /// The argument of strace's `--inject`.
    pub(crate) fn injection(&self) -> String {
        let when = match self.when {
            When::Nth(n) => format!(":when={n}"),
            When::Always => String::new(),
        };
        format!("{}:error={}{when}", self.call, self.error)
    }
}

/// Each call with its errors.
pub(crate) const CALLS: &[(&str, &[&str])] = &[
    (
        "accept4",
        &[
            "EAGAIN",
            "EINTR",
            "ECONNABORTED",
            "EMFILE",
            "ENFILE",
            "ENOMEM",
            "EPERM",
        ],
    ),
    (
        "bind",
        &["EACCES", "EADDRINUSE", "EIO", "ENOMEM", "ENOSPC", "EROFS"],
    ),
    ("clone", &["EAGAIN", "ENOMEM", "EPERM"]),
    ("clone3", &["EAGAIN", "ENOMEM", "EPERM", "ENOSYS"]),
    ("dup2", &["EBUSY", "EINTR"]),
    ("epoll_create1", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("epoll_ctl", &["ENOMEM", "ENOSPC"]),
    ("epoll_pwait", &["EINTR"]),
    ("eventfd2", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("fchmod", &["EINVAL", "EIO", "ENOSYS", "EPERM"]),
    ("fcntl", &["EMFILE"]),
    ("flock", &["EACCES", "EAGAIN", "EINTR", "EIO", "ENOLCK"]),
    ("fstat", &["EACCES", "EIO", "ENOMEM"]),
    ("getrandom", &["EINTR", "ENOSYS"]),
    ("getsockopt", &["ENOBUFS", "ENOMEM", "EPERM"]),
    ("ioctl", &["EIO", "ENOTTY"]),
    ("listen", &["EADDRINUSE", "EPERM"]),
    ("lseek", &["EIO", "ESPIPE"]),
    ("lstat", &["EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("newfstatat", &["EACCES", "EIO", "ENOENT", "ENOMEM"]),
    (
        "open",
        &[
            "EACCES", "EINTR", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ENOSPC",
        ],
    ),
    (
        "openat",
        &[
            "EACCES", "EINTR", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ENOSPC",
        ],
    ),
    (
        "pidfd_open",
        &["EMFILE", "ENFILE", "ENOMEM", "ENOSYS", "EPERM"],
    ),
    ("pidfd_send_signal", &["ENOSYS", "EPERM"]),
    ("pipe2", &["EMFILE", "ENFILE"]),
    ("poll", &["EINTR", "ENOMEM"]),
    ("ppoll", &["EINTR", "ENOMEM"]),
    ("prctl", &["EINVAL", "EPERM"]),
    (
        "pwritev2",
        &["EAGAIN", "EINTR", "EIO", "ENOSPC", "EOPNOTSUPP", "EPIPE"],
    ),
    ("read", &["EAGAIN", "EINTR", "EIO"]),
    ("readlink", &["EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("recvfrom", &["EAGAIN", "ECONNRESET", "EINTR", "ENOMEM"]),
    ("recvmsg", &["EINTR", "ENOMEM"]),
    (
        "renameat2",
        &["EACCES", "EINVAL", "EIO", "ENOSPC", "ENOSYS"],
    ),
    ("sched_getaffinity", &["ENOSYS", "EPERM"]),
    ("sendmsg", &["EINTR", "ENOBUFS", "ENOMEM", "EPIPE"]),
    (
        "sendto",
        &[
            "EAGAIN",
            "ECONNRESET",
            "EINTR",
            "ENOBUFS",
            "ENOMEM",
            "EPIPE",
        ],
    ),
    ("setpgid", &["EACCES", "EPERM"]),
    ("shutdown", &["ENOTCONN"]),
    (
        "socket",
        &["EACCES", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"],
    ),
    ("socketpair", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("stat", &["EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("statx", &["EACCES", "EIO", "ENOENT", "ENOMEM", "ENOSYS"]),
    ("timerfd_create", &["EMFILE", "ENFILE", "ENOMEM", "ENOSYS"]),
    ("unlinkat", &["EACCES", "EBUSY", "EIO", "EROFS"]),
    ("wait4", &["EINTR"]),
    ("waitid", &["EINTR"]),
    ("write", &["EAGAIN", "EINTR", "EIO", "ENOSPC", "EPIPE"]),
];

/// Calls of the exec stub and the sentinel that neither the process nor its commands make.
const HELPER_CALLS: &[(&str, &[&str])] = &[
    ("poll", &["EINTR", "ENOMEM"]),
    ("prctl", &["EINVAL", "EPERM"]),
    ("recvmsg", &["EINTR", "ENOMEM"]),
];

/// Calls of the wrapper that no case injects, with the reason.
pub(crate) const NOT_INJECTED: &[(&str, &str)] = &[
    ("access", "the dynamic loader's, before main"),
    ("arch_prctl", "the C library's start, before main"),
    ("brk", "memory: an allocation that fails aborts"),
    (
        "close",
        "the kernel closes the descriptor also with an error; the injection does not",
    ),
    (
        "execve",
        "strace leaves the process there; tests/edge_cases has its errors",
    ),
    ("exit", "does not return"),
    ("exit_group", "does not return"),
    (
        "futex",
        "an injection loses the wake-up, which the kernel never does",
    ),
    ("getdents64", "only after a failed start"),
    ("getegid", "has no error"),
    ("geteuid", "has no error"),
    ("getpid", "has no error"),
    ("gettid", "has no error"),
    ("getuid", "has no error"),
    ("madvise", "memory: advice only"),
    ("mmap", "memory: an allocation that fails aborts"),
    ("mprotect", "memory: an allocation that fails aborts"),
    ("munmap", "memory: an allocation that fails aborts"),
    ("pread64", "the dynamic loader's, before main"),
    (
        "prlimit64",
        "rustix then calls getrlimit; its debug build asserts",
    ),
    ("restart_syscall", "the kernel's own"),
    ("rseq", "the C library's start, before main"),
    ("rt_sigaction", "has no error for a valid signal"),
    ("rt_sigprocmask", "has no error for a valid set"),
    ("rt_sigreturn", "does not return"),
    ("sched_yield", "has no error"),
    ("set_robust_list", "has no error for a valid size"),
    ("set_tid_address", "has no error"),
    ("sigaltstack", "std panics before main"),
    ("timerfd_settime", "has no error for a valid time"),
    ("uname", "has no error for valid memory"),
];

/// Whether a kernel returns the error again and again. After EINTR and EAGAIN a program tries
/// again, for ever if the kernel insists: only a limit on processes and a held lock stay so.
fn persists(call: &str, error: &str) -> bool {
    match error {
        "EINTR" => false,
        "EAGAIN" => ["clone", "clone3", "flock"].contains(&call),
        // Another thread is about to open that descriptor, dup(2).
        "EBUSY" => call != "dup2",
        // Of the connection that the call takes away.
        "ECONNABORTED" => false,
        _ => true,
    }
}

/// Every case, in a fixed order.
pub(crate) fn cases() -> Vec<Case> {
    let whens = [
        When::Nth(1),
        When::Nth(2),
        When::Nth(3),
        When::Nth(5),
        When::Always,
    ];
    let mut cases = Vec::new();
    for (course, calls) in [
        (Course::Plain, CALLS),
        (Course::Sentinel, CALLS),
        (Course::Helpers, HELPER_CALLS),
    ] {
        for (call, errors) in calls {
            for error in *errors {
                for when in whens {
                    if when != When::Always || persists(call, error) {
                        cases.push(Case {
                            call,
                            error,
                            when,
                            course,
                        });
                    }
                }
            }
        }
    }
    cases
}
