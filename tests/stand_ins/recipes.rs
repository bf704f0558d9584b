//! The recipes of docs/supervision.md, each run as the page has it, around a stand-in.
//!
//! Owns the commands: it takes them from the page, and puts the stand-in on PATH under the name
//! that the page uses. Requests bring the deadlines nearer: no test waits for hours.

use std::path::Path;

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::process::Outcome;
use process_wrapper::pb::process_wrapper::v1::sent_signal::Cause;
use process_wrapper::pb::process_wrapper::v1::{InitiateGracefulShutdownRequest, State};

use crate::support::client::Client;
use crate::support::{Wrapper, binary, setup_with, write_program};
use crate::{agent, force_after, milliseconds, received, runner, signals};

/// The page with the recipes.
pub(crate) fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/supervision.md");
    std::fs::read_to_string(path).unwrap()
}

/// One recipe, and what its stand-in does in each stage.
struct Recipe {
    heading: &'static str,
    /// The name of the program in the command.
    program: &'static str,
    /// The command of the stand-in, and the arguments with which it does not abort.
    stand_in: Vec<String>,
    stubborn: &'static [&'static str],
    /// The graceful signal, and the line that the stand-in prints for it.
    drain: (&'static str, &'static str),
    /// The forceful signal, and the exit code of an abort.
    abort: Option<(&'static str, i32)>,
}

impl Recipe {
    /// The command on the page.
    fn command(&self) -> String {
        let page = page();
        let heading = format!("\n### {}\n", self.heading);
        let (_, section) = page.split_once(&heading).unwrap();
        let (_, block) = section.split_once("```sh\n").unwrap();
        let command = block.split("\n```").next().unwrap();
        assert!(command.starts_with("process-wrapper run "), "{command}");
        assert!(!command.contains('\n'), "{command}");
        command.to_owned()
    }

    fn start(&self, arguments: &[&str]) -> Wrapper {
        let wrapper = setup_with(|wrapper, folder| {
            let stand_in = self.stand_in.iter().map(String::as_str);
            let words = shell_words::join(stand_in.chain(arguments.iter().copied()));
            let script = format!("#!/bin/sh\nexec {words} \"$@\"\n");
            write_program(&folder.join(self.program), &script);
            std::os::unix::fs::symlink(binary(), folder.join("process-wrapper")).unwrap();
            let path = std::env::var("PATH").unwrap();
            *wrapper = std::process::Command::new("sh");
            wrapper
                .args(["-c", &format!("exec {}", self.command())])
                .env("PATH", format!("{}:{path}", folder.display()))
                .env(
                    "PROCESS_WRAPPER_ADDRESS",
                    format!("unix:{}", folder.join("control.sock").display()),
                )
                .current_dir(folder);
        })
        .start();
        wrapper.stdout.wait_for("ready");
        wrapper
    }

    /// Plays all stages, each with a wrapper of its own.
    fn play(&self) {
        self.drain_over_the_api();
        self.drain_by_the_platforms_stop();
        self.abort_a_drain();
        self.kill_a_process_that_hangs();
    }

    /// The jobs finish, the wrapper stays, and the platform's stop then changes nothing.
    fn drain_over_the_api(&self) {
        let mut wrapper = self.start(&[]);
        let client = Client::connect(&wrapper.address());
        client.shut_down();
        wrapper.stdout.wait_for(self.drain.1);
        wrapper.signal(Signal::SIGUSR1);
        let gone = client.wait_until(State::Gone, None).unwrap();
        assert_eq!(gone.outcome(), Outcome::Drained, "{gone:?}");
        assert_eq!(signals(&gone), [(self.drain.0, Cause::Request)]);
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), 0);
    }

    /// TERM to the wrapper, as from the kubelet or systemd, and once more: one drain.
    fn drain_by_the_platforms_stop(&self) {
        let mut wrapper = self.start(&[]);
        for nth in 1..=2 {
            wrapper.signal(Signal::SIGTERM);
            wrapper.stderr.wait_for_nth("received SIGTERM", nth);
        }
        wrapper.stdout.wait_for(self.drain.1);
        wrapper.signal(Signal::SIGUSR1);
        assert_eq!(wrapper.code(), 0);
        assert_eq!(received(&wrapper), [self.drain.1]);
        let log = wrapper.stderr.all();
        assert!(log.contains("outcome=drained"), "{log}");
    }

    fn abort_a_drain(&self) {
        let Some((forceful, code)) = self.abort else {
            return;
        };
        let mut wrapper = self.start(&[]);
        let client = Client::connect(&wrapper.address());
        client.shut_down();
        client.shut_down_with(force_after(0)).unwrap();
        let gone = client.wait_until(State::Gone, None).unwrap();
        assert_eq!(gone.outcome(), Outcome::Aborted, "{gone:?}");
        assert_eq!(gone.exit_code, Some(code), "{gone:?}");
        let sent = [(self.drain.0, Cause::Request), (forceful, Cause::Request)];
        assert_eq!(signals(&gone), sent);
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), code);
    }

    fn kill_a_process_that_hangs(&self) {
        let mut wrapper = self.start(self.stubborn);
        let client = Client::connect(&wrapper.address());
        let request = InitiateGracefulShutdownRequest {
            kill_after: milliseconds(100),
            ..force_after(300)
        };
        client.shut_down_with(request).unwrap();
        let gone = client.wait_until(State::Gone, None).unwrap();
        assert_eq!(gone.outcome(), Outcome::Killed, "{gone:?}");
        let forceful = self.abort.map(|(name, _)| (name, Cause::Deadline));
        let mut sent = vec![(self.drain.0, Cause::Request)];
        sent.extend(forceful);
        sent.push(("SIGKILL", Cause::Deadline));
        assert_eq!(signals(&gone), sent);
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), 128 + 9);
    }
}

/// The stand-in for an agent with these arguments, if there is one.
fn agent_with(arguments: &[&str]) -> Option<Vec<String>> {
    let mut words = agent()?.to_vec();
    words.extend(arguments.iter().map(|&word| word.to_owned()));
    Some(words)
}

#[test]
fn gitlab_runner() {
    let Some(runner) = runner() else { return };
    Recipe {
        heading: "GitLab Runner",
        program: "gitlab-runner",
        stand_in: vec![runner.to_owned()],
        stubborn: &["-clean-up=1h"],
        drain: ("SIGQUIT", "received quit"),
        abort: Some(("SIGTERM", 0)),
    }
    .play();
}

#[test]
fn buildkites_agent() {
    let Some(stand_in) = agent_with(&["--drain-on=TERM,INT", "--abort-on=QUIT"]) else {
        return;
    };
    let recipe = Recipe {
        heading: "Buildkite's agent",
        program: "buildkite-agent",
        stand_in,
        stubborn: &["--stubborn"],
        drain: ("SIGTERM", "SIGTERM #1"),
        abort: Some(("SIGQUIT", 9)),
    };
    recipe.play();
    // One signal aborts it, also without a drain before.
    let wrapper = recipe.start(&[]);
    let client = Client::connect(&wrapper.address());
    client.shut_down_with(force_after(0)).unwrap();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(
        (gone.exit_code, gone.outcome()),
        (Some(9), Outcome::Aborted)
    );
    assert_eq!(signals(&gone), [("SIGQUIT", Cause::Request)]);
}

#[test]
fn githubs_runner() {
    let Some(stand_in) = agent_with(&["--drain-on=INT,TERM", "--abort-on="]) else {
        return;
    };
    Recipe {
        heading: "GitHub's runner",
        program: "run.sh",
        stand_in,
        stubborn: &["--stubborn"],
        drain: ("SIGINT", "SIGINT #1"),
        abort: Some(("SIGTERM", 9)),
    }
    .play();
}

#[test]
fn a_worker_without_an_abort() {
    let Some(stand_in) = agent_with(&["--drain-on=TERM", "--abort-on="]) else {
        return;
    };
    Recipe {
        heading: "A worker without an abort",
        program: "worker",
        stand_in,
        stubborn: &["--stubborn"],
        drain: ("SIGTERM", "SIGTERM #1"),
        abort: None,
    }
    .play();
}
