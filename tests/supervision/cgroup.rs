//! A control group of its own for one test, cgroups(7): frozen, or with a limit on memory. Needs
//! root.
//!
//! Both versions work: version 2 where it has the controller, else version 1.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::support::{Setup, eventually, peers};

/// A group below the root of its hierarchy. It must be empty when it is dropped.
pub(crate) struct Cgroup {
    directory: PathBuf,
    version_2: bool,
}

impl Cgroup {
    /// One that can be frozen; `None`, loudly, where none can be created.
    pub(crate) fn freezer() -> Option<Self> {
        Self::create("freezer", "cgroup.freeze", "freezer.state")
    }

    /// One that can limit memory; `None`, loudly, where none can be created.
    pub(crate) fn memory() -> Option<Self> {
        Self::create("memory", "memory.max", "memory.limit_in_bytes")
    }

    fn create(controller: &str, file: &str, file_1: &str) -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("process-wrapper-test-{}-{number}", id());
        for (version_2, file) in [(true, file), (false, file_1)] {
            for root in roots(version_2, controller) {
                let directory = root.join(&name);
                if fs::create_dir(&directory).is_err() {
                    continue;
                }
                let group = Self {
                    directory,
                    version_2,
                };
                if fs::OpenOptions::new()
                    .write(true)
                    .open(group.file(file))
                    .is_ok()
                {
                    return Some(group);
                }
            }
        }
        peers::absent(&format!(
            "a cgroup that this user may create, with the controller {controller},"
        ));
        None
    }

    /// The wrapper starts in it, and so does all that it starts.
    pub(crate) fn holds(&self, setup: Setup) -> Setup {
        setup.replace(|wrapper| {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", "echo $$ >\"$0\" && exec \"$@\""])
                .arg(self.file("cgroup.procs"))
                .arg(wrapper.get_program())
                .args(wrapper.get_args())
                .env_remove("PROCESS_WRAPPER_ADDRESS");
            shell
        })
    }

    /// Moves one process into it.
    pub(crate) fn take(&self, pid: i32) {
        self.write("cgroup.procs", &pid.to_string());
    }

    pub(crate) fn freeze(&self) {
        if self.version_2 {
            self.write("cgroup.freeze", "1");
        } else {
            self.write("freezer.state", "FROZEN");
        }
        eventually("the group is frozen", || {
            if self.version_2 {
                self.read("cgroup.events").contains("frozen 1")
            } else {
                self.read("freezer.state").trim() == "FROZEN"
            }
        });
    }

    pub(crate) fn thaw(&self) {
        if self.version_2 {
            self.write("cgroup.freeze", "0");
        } else {
            self.write("freezer.state", "THAWED");
        }
    }

    /// Whether the OOM killer can be told to kill the whole group.
    pub(crate) fn has_group_kill(&self) -> bool {
        self.version_2
    }

    /// The OOM killer kills the whole group at once.
    pub(crate) fn kill_as_one(&self) {
        self.write("memory.oom.group", "1");
    }

    /// Limits its memory to what it uses now and this many bytes more.
    pub(crate) fn limit_to_usage_and(&self, more: u64) {
        let file = match self.version_2 {
            true => "memory.current",
            false => "memory.usage_in_bytes",
        };
        let usage: u64 = self.read(file).trim().parse().unwrap();
        self.limit(usage + more);
    }

    /// Limits its memory, in bytes; nothing is swapped out instead.
    pub(crate) fn limit(&self, bytes: u64) {
        let (limit, swap) = match self.version_2 {
            true => ("memory.max", "memory.swap.max"),
            false => ("memory.limit_in_bytes", "memory.swappiness"),
        };
        self.write(limit, &bytes.to_string());
        // Absent where the kernel does not count swap.
        let _ = fs::write(self.file(swap), "0");
    }

    /// How many of its processes the OOM killer has killed.
    pub(crate) fn killed(&self) -> u32 {
        let file = match self.version_2 {
            true => "memory.events",
            false => "memory.oom_control",
        };
        let text = self.read(file);
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.unwrap().parse().unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A failed test may have left it frozen, with its processes.
        if std::thread::panicking() {
            for file in ["cgroup.freeze", "freezer.state"] {
                let thawed = if file == "cgroup.freeze" {
                    "0"
                } else {
                    "THAWED"
                };
                let _ = fs::write(self.file(file), thawed);
            }
            let pids = fs::read_to_string(self.file("cgroup.procs")).unwrap_or_default();
            for pid in pids.lines().filter_map(|pid| pid.parse().ok()) {
                let pid = nix::unistd::Pid::from_raw(pid);
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
        }
        // The last of its processes may still be exiting.
        for _ in 0..1000 {
            match fs::remove_dir(&self.directory) {
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                Ok(()) | Err(_) => break,
            }
        }
    }
}

/// The mount points of the hierarchies that may have the controller, proc_pid_mountinfo(5).
fn roots(version_2: bool, controller: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let root = |line: &str| {
        let (mount, source) = line.split_once(" - ")?;
        let kind = if version_2 { "cgroup2" } else { "cgroup" };
        let mut words = source.split(' ');
        let matches = words.next() == Some(kind)
            && (version_2 || words.nth(1)?.split(',').any(|word| word == controller));
        let directory = mount.split(' ').nth(4)?;
        matches.then(|| Path::new(directory).to_owned())
    };
    mounts.lines().filter_map(root).collect()
}
