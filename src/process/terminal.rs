//! The controlling terminal, and job control as a shell does it.
//!
//! Owns lending the terminal to the process and stopping the wrapper with the process. It never
//! acquires a controlling terminal and never takes one that another group has.
//!
//! The process has its own group, so the terminal driver stops it when it reads or changes the
//! settings (TTIN, TTOU). It then gets the terminal and continues. A process that never does so
//! leaves the terminal to the wrapper, which sees Ctrl-C and Ctrl-\ and forwards them.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::{Signal, killpg, raise};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{self, Pid};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use crate::lifecycle::Exit;
use crate::process::signals::without_ttou;

/// The controlling terminal of the wrapper's session.
#[derive(Debug)]
pub struct Terminal {
    fd: OwnedFd,
    wrapper: Pid,
    process: Pid,
    /// Whether the process has got the terminal and not returned it.
    lent: bool,
}

/// The group that the terminal belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Foreground {
    Wrapper,
    Process,
    Other,
}

/// What follows from a stop of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reaction {
    Nothing,
    /// The process gets the terminal and continues.
    Lend,
    /// The process continues.
    Continue,
    /// The wrapper gets the terminal, so that Ctrl-C reaches a running process.
    TakeBack,
    /// The wrapper stops as well, and continues the process when the shell continues the wrapper.
    Suspend,
    /// The process stays stopped; a person has to continue it.
    Warn,
}

impl Terminal {
    /// The terminal, if there is one. `pid` is the process, which leads its own group.
    pub fn controlling(pid: i32) -> Option<Self> {
        Some(Self {
            fd: open()?,
            wrapper: unistd::getpgrp(),
            process: Pid::from_raw(pid),
            lent: false,
        })
    }

    /// Reacts to a stop of the process, if it has stopped since the last call. May stop the wrapper
    /// and return once it continues. Call it on SIGCHLD while the process has not been reaped.
    pub fn follow_process(&mut self) {
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
        let Ok(WaitStatus::Stopped(_, signal)) = waitid(Id::Pid(self.process), flags) else {
            return;
        };
        match reaction(signal, self.foreground(), has_job_control()) {
            Reaction::Nothing => {}
            Reaction::Lend => {
                // Without the terminal it would stop again at once.
                if self.lend() {
                    self.continue_process();
                }
            }
            Reaction::Continue => self.continue_process(),
            Reaction::TakeBack => self.take_back(),
            Reaction::Suspend => {
                self.take_back();
                // The whole job, as the terminal driver does: the shell waits for all of it.
                let _ = killpg(self.wrapper, Signal::SIGSTOP);
                if self.foreground() == Foreground::Wrapper {
                    self.lend();
                }
                self.continue_process();
            }
            Reaction::Warn => tracing::warn!(
                "the process stopped: it uses the terminal from the background (start it with < /dev/null)"
            ),
        }
    }

    /// Stops the wrapper after a TSTP that the terminal sent it (Ctrl-Z), as the default action
    /// does, and returns once it continues.
    pub fn stop_wrapper(&self) {
        if self.foreground() == Foreground::Wrapper && has_job_control() {
            let _ = raise(Signal::SIGSTOP);
        }
    }

    /// Takes the terminal back once the process is gone. Returns INT or QUIT if the process died of
    /// it while it had the terminal: the key meant the wrapper as well, as it does for a shell.
    pub fn process_gone(&mut self, exit: Exit) -> Option<crate::signal::Signal> {
        let had_terminal = self.lent;
        self.take_back();
        match exit {
            Exit::Signal { number, .. } if had_terminal => {
                crate::signal::Signal::from_number(number.into()).filter(|signal| {
                    matches!(
                        *signal,
                        crate::signal::Signal::INT | crate::signal::Signal::QUIT
                    )
                })
            }
            Exit::Signal { .. } | Exit::Code(_) => None,
        }
    }

    /// Whether the process has the terminal now.
    fn lend(&mut self) -> bool {
        self.lent = self.give_to(self.process);
        self.lent
    }

    /// Continues its whole group, because the terminal driver stops the whole group.
    fn continue_process(&self) {
        let _ = killpg(self.process, Signal::SIGCONT);
    }

    fn take_back(&mut self) {
        if std::mem::take(&mut self.lent) && self.is_returned() {
            self.give_to(self.wrapper);
        }
    }

    /// Whether the terminal is the process's, or that of a group which exists no more.
    fn is_returned(&self) -> bool {
        self.foreground() == Foreground::Process
            || tcgetpgrp(&self.fd).is_ok_and(|group| {
                killpg(Pid::from_raw(group.as_raw_pid()), None) == Err(nix::errno::Errno::ESRCH)
            })
    }

    /// Whether it worked.
    fn give_to(&self, group: Pid) -> bool {
        let Some(group) = rustix::process::Pid::from_raw(group.as_raw()) else {
            return false;
        };
        without_ttou(|| tcsetpgrp(&self.fd, group)).is_ok()
    }

    fn foreground(&self) -> Foreground {
        match tcgetpgrp(&self.fd).map(|group| Pid::from_raw(group.as_raw_pid())) {
            Ok(group) if group == self.wrapper => Foreground::Wrapper,
            Ok(group) if group == self.process => Foreground::Process,
            Ok(_) | Err(_) => Foreground::Other,
        }
    }
}

fn reaction(stopped_by: Signal, foreground: Foreground, job_control: bool) -> Reaction {
    let wants_terminal = matches!(stopped_by, Signal::SIGTTIN | Signal::SIGTTOU);
    let keyboard = stopped_by == Signal::SIGTSTP;
    match foreground {
        Foreground::Wrapper if wants_terminal => Reaction::Lend,
        // It stopped before it got the terminal.
        Foreground::Process if wants_terminal => Reaction::Continue,
        Foreground::Other if wants_terminal && job_control => Reaction::Suspend,
        Foreground::Other if wants_terminal => Reaction::Warn,
        // The kernel discards TSTP for a group that no shell could continue. The process's group
        // is not such a group, because the wrapper is its parent.
        Foreground::Wrapper | Foreground::Process | Foreground::Other
            if keyboard && !job_control =>
        {
            Reaction::Continue
        }
        Foreground::Process if keyboard => Reaction::Suspend,
        Foreground::Process => Reaction::TakeBack,
        Foreground::Wrapper | Foreground::Other => Reaction::Nothing,
    }
}

/// Whether a shell can continue the wrapper: some process of its group has its parent in another
/// group of the session. The opposite is an orphaned group, setpgid(2).
fn has_job_control() -> bool {
    let (group, session) = (unistd::getpgrp(), unistd::getsid(None));
    let mut parent = unistd::getppid();
    // PID 0 is a parent outside of the pid namespace.
    while parent.as_raw() > 0 && unistd::getpgid(Some(parent)) == Ok(group) {
        match parent_of(parent) {
            Some(next) => parent = next,
            None => return false,
        }
    }
    parent.as_raw() > 0 && unistd::getsid(Some(parent)) == session
}

/// The parent, from proc_pid_stat(5).
fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may contain parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let parent = fields.split_ascii_whitespace().nth(1)?;
    Some(Pid::from_raw(parent.parse().ok()?))
}

/// `/dev/tty`, or a standard stream where that does not exist.
fn open() -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    if let Ok(tty) = rustix::fs::open("/dev/tty", flags, Mode::empty()) {
        return Some(tty);
    }
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let terminal = streams.into_iter().find(|fd| tcgetpgrp(fd).is_ok())?;
    terminal.try_clone_to_owned().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_followed_as_a_shell_follows_it() {
        use Foreground::{Other, Process, Wrapper};
        for (signal, foreground, job_control, expected) in [
            (Signal::SIGTTIN, Wrapper, true, Reaction::Lend),
            (Signal::SIGTTOU, Wrapper, false, Reaction::Lend),
            (Signal::SIGTTIN, Process, true, Reaction::Continue),
            (Signal::SIGTTIN, Other, true, Reaction::Suspend),
            (Signal::SIGTTOU, Other, false, Reaction::Warn),
            (Signal::SIGTSTP, Process, true, Reaction::Suspend),
            (Signal::SIGTSTP, Process, false, Reaction::Continue),
            (Signal::SIGTSTP, Wrapper, false, Reaction::Continue),
            (Signal::SIGTSTP, Wrapper, true, Reaction::Nothing),
            (Signal::SIGTSTP, Other, true, Reaction::Nothing),
            (Signal::SIGSTOP, Process, true, Reaction::TakeBack),
            (Signal::SIGSTOP, Wrapper, true, Reaction::Nothing),
            (Signal::SIGSTOP, Other, false, Reaction::Nothing),
        ] {
            let found = reaction(signal, foreground, job_control);
            assert_eq!(found, expected, "{signal} {foreground:?} {job_control}");
        }
    }

    #[test]
    fn the_parent_is_found_whatever_the_name_of_a_process() {
        let own = Pid::from_raw(i32::try_from(std::process::id()).unwrap());
        assert_eq!(parent_of(own), Some(unistd::getppid()));
        assert_eq!(parent_of(Pid::from_raw(i32::MAX)), None);
    }
}
