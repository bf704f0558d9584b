//! Wrappers with a state directory that are killed at random moments.
//!
//! Owns the promise: a webhook whose request was answered, and each of the command line whose
//! process has run, is delivered at least once, under one id, and no file is left unreadable.
//! `STATE_DIR_KILLS` is the number of random kills (`.ci/long kills` makes ten thousand).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::support::webhook_receiver::read_request;
use crate::support::{self, Wrapper};

/// One attempt that the receiver took: the id and the outcome.
type Taken = Vec<(String, String)>;

/// Takes every attempt, after it has failed the first one of every other webhook.
#[derive(Clone)]
struct Inbox {
    port: u16,
    taken: Arc<Mutex<BTreeMap<String, Taken>>>,
    refused: Arc<Mutex<BTreeSet<String>>>,
}

impl Inbox {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inbox = Self {
            port: listener.local_addr().unwrap().port(),
            taken: Arc::default(),
            refused: Arc::default(),
        };
        let serving = inbox.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let inbox = serving.clone();
                // A connection that breaks off is no failure of the receiver.
                std::thread::spawn(move || inbox.serve(socket));
            }
        });
        inbox
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn taken(&self, path: &str) -> Taken {
        let taken = self.taken.lock().unwrap();
        taken.get(&format!("/{path}")).cloned().unwrap_or_default()
    }

    fn serve(&self, mut socket: TcpStream) -> Option<()> {
        let request = read_request(&mut socket)?;
        let path = request.target.clone();
        let is_odd = path.bytes().map(usize::from).sum::<usize>() % 2 == 1;
        // The backoff of a webhook with many attempts would take longer than the test.
        let is_new = ["-0/", "last/"].iter().any(|part| path.contains(part));
        if is_odd && is_new && self.refused.lock().unwrap().insert(path.clone()) {
            return socket.write_all(b"HTTP/1.1 503 Busy\r\n\r\n").ok();
        }
        let body = request.json();
        let outcome = body["outcome"].as_str()?.to_owned();
        let id = request.id().to_owned();
        let mut taken = self.taken.lock().unwrap();
        taken.entry(path).or_default().push((id, outcome));
        drop(taken);
        let _ = socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        socket.read(&mut [0; 1]).ok().map(|_| ())
    }
}

/// A process that says where it is, drains on QUIT, and is ended by the test if need be.
const SCRIPT: &str = "trap 'exit 3' QUIT; : >\"$0\"; while :; do sleep 0.1 & wait $!; done";

/// What was promised in one directory, by the path of the webhook.
struct Promises {
    inbox: Inbox,
    folder: tempfile::TempDir,
    paths: Vec<String>,
    processes: Vec<i32>,
}

impl Promises {
    fn new(inbox: &Inbox) -> Self {
        Self {
            inbox: inbox.clone(),
            folder: tempfile::tempdir().unwrap(),
            paths: Vec::new(),
            processes: Vec::new(),
        }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A wrapper around the script, with a webhook of the command line, and the file that says that
    /// the process has run.
    fn start(&self, name: &str) -> (Wrapper, PathBuf) {
        let ran = self.folder.path().join(format!("{name}.ran"));
        let state = format!("--state-dir={}", self.state().display());
        let url = self.inbox.url(&format!("{name}/operator"));
        let options = [&*state, "--webhook", &url, "--log-level=warn"];
        let command = ["sh", "-c", SCRIPT, ran.to_str().unwrap()];
        (support::setup(&options, &command).start(), ran)
    }

    /// Requests a drain with a webhook; keeps the promise if there is an answer.
    fn request(&mut self, address: &str, name: &str) {
        let path = format!("{name}/caller");
        let output = Command::new(support::binary())
            .args(["shutdown", "--connect-timeout=300ms", "--address", address])
            .args(["--webhook", &self.inbox.url(&path)])
            .output()
            .unwrap();
        if output.status.success() {
            self.paths.push(path);
        }
    }

    /// The last wrapper, which is not killed, keeps every promise.
    fn settle(mut self, name: &str, seed: &str) {
        for process in std::mem::take(&mut self.processes) {
            let _ = killpg(Pid::from_raw(process), Signal::SIGKILL);
        }
        let (mut last, ran) = self.start(name);
        poll("the last process runs", || ran.exists());
        self.request(&last.address(), name);
        let missing = || {
            let paths = self.paths.iter();
            paths
                .filter(|path| self.inbox.taken(path).is_empty())
                .collect::<Vec<_>>()
        };
        poll(&format!("{seed}: no promise is lost"), || {
            missing().is_empty()
        });
        for path in &self.paths {
            let ids: BTreeSet<_> = self.inbox.taken(path).into_iter().map(|it| it.0).collect();
            assert_eq!(ids.len(), 1, "{seed}: {path} has several ids");
        }
        last.signal(Signal::SIGTERM);
        assert_eq!(last.code(), 3, "{seed}: {}", last.stderr.text());
        let left = files(&self.state());
        assert_eq!(left, [""; 0], "{seed}: {}", last.stderr.text());
    }

    /// What is known of a wrapper that was killed.
    fn killed(&mut self, name: &str, ran: &Path, process: Option<i32>) {
        if ran.exists() {
            self.paths.push(format!("{name}/operator"));
        }
        self.processes.extend(process);
    }
}

impl Drop for Promises {
    /// An assertion leaves no process behind.
    fn drop(&mut self) {
        for process in &self.processes {
            let _ = killpg(Pid::from_raw(*process), Signal::SIGKILL);
        }
    }
}

/// Waits for what gives no event, without taking the processor from the wrappers.
fn poll(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + support::DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "did not happen: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn files(state: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(state).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != ".lock").collect()
}

/// The only child of a process, if it has one.
fn child_of(pid: i32) -> Option<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

#[test]
fn no_promise_is_lost_over_random_kills() {
    let kills: usize = std::env::var("STATE_DIR_KILLS").map_or(60, |text| {
        text.parse().expect("STATE_DIR_KILLS is a number")
    });
    let inbox = Inbox::start();
    let rounds = kills.div_ceil(KILLS_PER_ROUND);
    let promised = std::sync::atomic::AtomicUsize::new(0);
    support::sweep(rounds, |round| {
        let seed: u64 = match std::env::var("STATE_DIR_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => fastrand::u64(..),
        };
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut promises = Promises::new(&inbox);
        for generation in 0..KILLS_PER_ROUND {
            let name = format!("{round}-{generation}");
            let (mut wrapper, ran) = promises.start(&name);
            let (pid, address) = (wrapper.pid(), wrapper.address());
            // From the first call of the start to the delivery.
            let after = Duration::from_micros(rng.u64(..400_000));
            let process = std::thread::scope(|scope| {
                let killing = scope.spawn(|| {
                    std::thread::sleep(after);
                    // Afterwards it is no child of the wrapper.
                    let process = child_of(pid);
                    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
                    process
                });
                if rng.u8(..8) > 0 {
                    promises.request(&address, &name);
                }
                killing.join().unwrap()
            });
            wrapper.wait();
            // A process that was not seen in time has not become ours.
            let process = process.or_else(|| orphan(&ran));
            promises.killed(&name, &ran, process);
            if let Some(process) = process.filter(|_| rng.bool()) {
                let _ = killpg(Pid::from_raw(process), Signal::SIGKILL);
            }
        }
        promised.fetch_add(promises.paths.len(), std::sync::atomic::Ordering::Relaxed);
        promises.settle(&format!("{round}-last"), &format!("STATE_DIR_SEED={seed}"));
    });
    let promised = promised.into_inner();
    println!(
        "{} kills, {promised} promises, none lost",
        rounds * KILLS_PER_ROUND
    );
    assert!(
        promised >= rounds,
        "hardly anything was promised: {promised}"
    );
}

/// How many wrappers of one directory are killed, one after the other.
const KILLS_PER_ROUND: usize = 10;

/// The process that runs the script with this file, found by its arguments.
fn orphan(ran: &Path) -> Option<i32> {
    let wanted = ran.to_str().unwrap().as_bytes();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.into_iter().find(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        line.starts_with(b"sh\0") && words.any(|word| word == wanted)
    })
}
