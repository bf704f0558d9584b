//! One wrapper with a random child, and everything that happens to it.
//!
//! Owns the order of a round: start, faults at random moments, an end, and what must hold at the
//! end. Each choice comes from the round's seed, so that the same seed meets the same faults; when
//! exactly they hit is up to the machine.

use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::net::UnixStream;
use std::process::{ChildStderr, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::pb::process_wrapper::v1::State;

use crate::child::{self, Script};
use crate::options::{Choices, readiness};
use crate::receiver::Receiver;
use crate::support::{self, Lines, Wrapper, binary, eventually, setup_with};
use crate::watch::{IoStats, Question, watch};
use crate::webhooks::ExpectedWebhook;
use crate::{processes, stderr};

/// The totals of a round or of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: usize,
    pub(crate) faults: usize,
    pub(crate) answers: usize,
    pub(crate) killed: usize,
    pub(crate) webhooks: usize,
    /// Of webhooks, failed ones included.
    pub(crate) attempts: usize,
}

/// State shared by the rounds.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) receiver: Receiver,
    /// Whether names are looked up at the name server that stalls.
    pub(crate) names: bool,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.rounds += other.rounds;
        self.faults += other.faults;
        self.answers += other.answers;
        self.killed += other.killed;
        self.webhooks += other.webhooks;
        self.attempts += other.attempts;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rounds,
            faults,
            answers,
            killed,
            webhooks,
            attempts,
        } = self;
        write!(
            f,
            "chaos: {rounds} rounds, {faults} faults, {answers} answers to clients, {killed} wrappers killed, \
             {webhooks} webhooks delivered in {attempts} attempts"
        )
    }
}

/// A wrapper, its child, and the faults applied to them.
pub(super) struct Round<'a> {
    pub(super) world: &'a World,
    pub(super) rng: fastrand::Rng,
    pub(super) mark: String,
    pub(super) script: Script,
    /// The first rule, if there is one; it is enough.
    pub(super) rewrite: Option<(Signal, Option<Signal>)>,
    /// The signal of the abort, if it has one.
    pub(super) forceful: Option<Signal>,
    pub(super) may_leave_by_itself: bool,
    pub(super) wrapper: Wrapper,
    /// Held so that it is not closed.
    pub(super) _stderr: Option<ChildStderr>,
    pub(super) main: Option<i32>,
    /// The signals that the main process may have got, from us or from the wrapper.
    pub(super) sent: BTreeSet<i32>,
    /// The number of stop signals to the wrapper.
    pub(super) stops: usize,
    pub(super) after_exit: bool,
    /// Whether its descriptor limit was lowered: then it cannot start a process, and reports that.
    pub(super) starved: bool,
    /// Connections that say nothing.
    pub(super) silent: Vec<UnixStream>,
    pub(super) faults: usize,
    /// All requests to the wrapper.
    pub(super) webhooks: Vec<ExpectedWebhook>,
}

/// Runs the round of a seed. It panics if anything does not hold.
pub(crate) fn run(seed: u64, world: &World) -> Tally {
    processes::reap_orphans();
    let mut round = Round::start(seed, world);
    round.wait_for_main();
    let seen = IoStats::of(round.main);
    let address = round.wrapper.address();
    let killed = std::thread::scope(|scope| {
        // The watchers must end, however the round ends.
        let over = Over(&seen);
        for _ in 0..2 {
            let seed = round.rng.u64(..);
            let (address, seen) = (&address, &seen);
            scope.spawn(move || watch(address, seen, seed));
        }
        let killed = round.break_things(&seen);
        if !killed {
            round.end();
        }
        drop(over);
        killed
    });
    let (webhooks, attempts) = if killed {
        round.start_again();
        (0, 0)
    } else {
        round.judge(&seen)
    };
    Tally {
        rounds: 1,
        faults: round.faults,
        answers: seen.answers.load(Ordering::Relaxed),
        killed: usize::from(killed),
        webhooks,
        attempts,
    }
}

/// Ends the watchers, also when a fault has panicked.
struct Over<'a>(&'a IoStats);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

impl<'a> Round<'a> {
    fn start(seed: u64, world: &'a World) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let script = child::any(&mut rng);
        let Choices {
            mut options,
            sent,
            rewrite,
            forceful,
            leaves,
        } = Choices::any(&mut rng);
        let after_exit = rng.bool();
        if after_exit {
            options.push("--after-exit=sh -c 'echo ran >> $CHAOS_FOLDER/after'".to_owned());
        }
        let level = ["info", "debug", "trace"][rng.usize(..3)];
        options.push(format!("--log-level={level}"));

        let mark = seed.to_string();
        let asked = if cfg!(feature = "webhooks") {
            [0, 0, 1, 2][rng.usize(..4)]
        } else {
            0
        };
        let mut webhooks = Vec::new();
        for number in 0..asked {
            let mut webhook = ExpectedWebhook::any(&mut rng, world, &mark, number);
            webhook.accepted = true;
            options.push(format!("--webhook={}", webhook.url()));
            webhooks.push(webhook);
        }
        let text = script.text.clone();
        let setup = setup_with(|command, folder| {
            let socket = folder.join("control.sock");
            command
                .arg("run")
                .arg(format!("--listen=unix:{}", socket.display()));
            command.args(readiness(&mut rng, folder));
            command.args(&options).args(["--", "sh", "-c", &text]);
            command
                .env(processes::MARK, &mark)
                .env("CHAOS_FOLDER", folder);
        });
        let (wrapper, stderr) = stderr::start(setup, &mut rng);
        Self {
            world,
            rng,
            mark,
            script,
            rewrite,
            forceful,
            may_leave_by_itself: leaves != "never",
            wrapper,
            _stderr: stderr,
            main: None,
            sent,
            stops: 0,
            after_exit,
            starved: false,
            silent: Vec::new(),
            faults: 0,
            webhooks,
        }
    }

    /// Before the main process is there a signal could meet the wrapper before its first line.
    fn wait_for_main(&mut self) {
        let wrapper = self.wrapper.pid();
        let (seen, address) = (IoStats::default(), self.wrapper.address());
        let now = Question::State {
            wait_until: State::Unknown,
            deadline: None,
        };
        let mut main = None;
        eventually("the main process is there", || {
            // The wrapper knows. A look at its children may find a copy of it that is not executed
            // yet, or an orphan that has outlived a short main process.
            let answer = seen.ask(&address, now.clone(), Duration::from_secs(1));
            main = answer.map(|process| process.pid);
            main.is_some() || processes::state(wrapper) == Some('Z')
        });
        self.main = main;
    }

    pub(super) fn has_left(&mut self) -> bool {
        self.wrapper.process.try_wait().unwrap().is_some()
    }

    /// Whether the wrapper was killed.
    fn break_things(&mut self, seen: &IoStats) -> bool {
        for _ in 0..self.rng.usize(2..25) {
            std::thread::sleep(Duration::from_micros(self.rng.u64(..50_000)));
            if self.has_left() {
                break;
            }
            self.faults += 1;
            match self.rng.u8(..40) {
                0..5 => self.signal_wrapper(),
                5..9 => self.signal_main(),
                9..15 => self.ask_to_shut_down(seen),
                15..20 => self.cut_connections(),
                20..24 => self.hold_connections(),
                24..28 => self.starve_of_descriptors(seen),
                28..32 => self.pause_wrapper(),
                32..34 => self.start_another(),
                34 => {
                    self.wrapper.process.kill().unwrap();
                    self.wrapper.process.wait().unwrap();
                    return true;
                }
                _ => self.flood_with_signals(),
            }
        }
        false
    }

    /// A second wrapper on the same socket: refused as long as the first one is there.
    fn start_another(&mut self) {
        let mut other = std::process::Command::new(binary())
            .arg("run")
            .arg(format!("--listen={}", self.wrapper.address()))
            .args(["--exit-when-gone=always", "--", "true"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let code = support::wait_for_exit(&mut other).code();
        let first_may_have_left = self.stops > 0 || self.may_leave_by_itself;
        assert!(
            code == Some(1) || (code == Some(0) && first_may_have_left),
            "a second wrapper on the same socket ended with {code:?}"
        );
    }

    /// Brings the wrapper to its end.
    fn end(&mut self) {
        self.silent.clear();
        if self.has_left() {
            return;
        }
        let wrapper = self.wrapper.pid();
        eventually("every zombie is reaped", || {
            processes::zombies_of(wrapper).is_empty()
        });
        self.send(Signal::SIGTERM);
        let patience = Instant::now() + Duration::from_millis(self.rng.u64(..800));
        while !self.has_left() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        let main = self
            .main
            .filter(|main| processes::children_of(wrapper).contains(main));
        if let Some(main) = main {
            // One that does not listen. The wrapper would wait for it for as long as it takes.
            self.sent.insert(nix::libc::SIGKILL);
            let _ = kill(Pid::from_raw(main), Signal::SIGKILL);
        }
        self.wait();
    }

    fn wait(&mut self) -> ExitStatus {
        match self.wrapper.process.try_wait().unwrap() {
            Some(status) => status,
            None => self.wrapper.wait(),
        }
    }

    /// The context of a failed assertion.
    fn context(&self) -> String {
        let log = self.wrapper.stderr.text();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("WINCH")).collect();
        let end = &lines[lines.len().saturating_sub(60)..];
        format!(
            "{} with {:?} sent, {} stop signals: {}\n{}",
            self.script.name,
            self.sent,
            self.stops,
            self.script.text,
            end.join("\n")
        )
    }

    /// How many webhooks were delivered, in how many attempts.
    fn judge(&mut self, seen: &IoStats) -> (usize, usize) {
        let context = self.context();
        let status = self.wait();
        let code = status
            .code()
            .unwrap_or_else(|| panic!("the wrapper {status}: {context}"));
        let folder = self.wrapper.folder.path();

        let written = child::written_code(folder);
        let by_signal = code - 128;
        let may_be_ended_by =
            self.sent.contains(&by_signal) || self.script.crashes_by == Some(by_signal);
        assert!(
            written == Some(code) || may_be_ended_by,
            "the wrapper left with {code}, but {written:?} was written: {context}"
        );
        if let Some(gone) = seen.gone() {
            let told = gone
                .exit_code
                .or(gone.exit_signal.map(|signal| 128 + signal));
            assert_eq!(
                told,
                Some(code),
                "what clients were told is the wrapper's code: {context}"
            );
            assert!(
                gone.signals
                    .iter()
                    .all(|sent| self.sent.contains(&sent.number)),
                "no fault made the wrapper send one of {:?}: {context}",
                gone.signals
            );
        }

        let left = processes::marked(&self.mark);
        assert!(
            self.main.is_none_or(|main| !left.contains(&main)),
            "the main process outlived the wrapper: {context}"
        );
        let socket = self.wrapper.socket();
        assert!(
            !socket.exists(),
            "the socket file is still there: {context}"
        );
        if self.after_exit {
            let ran = std::fs::read_to_string(folder.join("after")).unwrap_or_default();
            let times = ran.lines().count();
            assert!(
                times == 1 || (times == 0 && (self.stops > 1 || self.starved)),
                "--after-exit ran {times} times: {context}"
            );
        }
        self.nothing_is_left();
        self.judge_webhooks(code, &context)
    }

    /// A process that the script started last ends by itself, soon.
    fn nothing_is_left(&self) {
        eventually("every process of the round has ended", || {
            processes::reap_orphans();
            processes::marked(&self.mark).is_empty()
        });
    }

    /// After a SIGKILL: the next wrapper takes the socket over and serves.
    fn start_again(&mut self) {
        let mut next = std::process::Command::new(binary())
            .arg("run")
            .arg(format!("--listen={}", self.wrapper.address()))
            .args(["--", "sleep", "600"])
            .env(processes::MARK, &self.mark)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = next.stderr.take().map(Lines::read).unwrap();
        let pid = Pid::from_raw(i32::try_from(next.id()).unwrap());
        let seen = IoStats::default();
        let address = self.wrapper.address();
        let now = Question::State {
            wait_until: State::Unknown,
            deadline: None,
        };
        eventually("the next wrapper answers", || {
            let answer = seen.ask(&address, now.clone(), Duration::from_secs(5));
            if let Some(status) = next.try_wait().unwrap() {
                panic!("the next wrapper {status}: {}", log.text());
            }
            answer.is_some_and(|process| process.state() == State::Running)
        });
        kill(pid, Signal::SIGTERM).unwrap();
        assert_eq!(
            support::wait_for_exit(&mut next).code(),
            Some(128 + nix::libc::SIGTERM)
        );
        // The child of the killed wrapper may live: no process was left to end it.
        for pid in processes::marked(&self.mark) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        self.nothing_is_left();
    }
}
