//! The state of a process as text for people.
//!
//! Owns the phrases. The time is an argument. It never prints.

use std::fmt::Write;
use std::time::SystemTime;

use super::durations::rounded;
use super::endings;
use crate::client::{
    AfterExit, AfterExitPhase, Health, Process, State, WebhookDelivery, WebhookPhase,
};
use crate::log::escaped;

/// The state of a wrapper that has not answered yet.
pub(super) const CONNECTING: &str = "connecting";

/// The name in grpc.health.v1.
pub(super) const fn health(health: Health) -> &'static str {
    match health {
        Health::Serving => "SERVING",
        Health::NotServing => "NOT_SERVING",
        Health::Unknown => "UNKNOWN",
    }
}

/// The display name of a health service.
pub(super) fn service_name(service: &str) -> String {
    if service.is_empty() {
        "the wrapper".to_owned()
    } else {
        escaped(service)
    }
}

/// `gitlab-runner (pid 42) …`: the text after the state.
pub(super) fn sentence(process: &Process, now: SystemTime) -> String {
    format!("{} {}", name(process), detail(process, now))
}

/// `gitlab-runner (pid 42)`.
pub(super) fn name(process: &Process) -> String {
    format!("{} (pid {})", escaped(&process.program), process.pid)
}

/// `2h5m ago`.
fn ago(time: SystemTime, now: SystemTime) -> String {
    format!(
        "{} ago",
        rounded(now.duration_since(time).unwrap_or_default())
    )
}

/// `in 1m`.
fn left(time: SystemTime, now: SystemTime) -> String {
    format!(
        "in {}",
        rounded(time.duration_since(now).unwrap_or_default())
    )
}

/// `exited with code 3`.
fn exit(process: &Process) -> String {
    match process.exit {
        Some(exit) => exit.to_string(),
        None => "ended with an unknown status".to_owned(),
    }
}

/// The deadlines of a process that is alive. The wrapper has sent an overdue signal already.
fn deadlines(
    process: &Process,
    now: SystemTime,
) -> impl Iterator<Item = (&'static str, SystemTime)> {
    let alive = process.state != State::Gone;
    let all = [("abort", process.force_at), ("SIGKILL", process.kill_at)];
    all.into_iter()
        .filter_map(move |(what, at)| Some((what, at.filter(|at| alive && *at >= now)?)))
}

/// What is known, as labels with values.
pub(super) fn fields(process: &Process, now: SystemTime) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    for (label, at) in [
        ("started", process.started_at),
        ("stop asked", process.shutdown_requested_at),
    ] {
        fields.extend(at.map(|at| (label, ago(at, now))));
    }
    fields.extend(endings::sent(process, now).map(|sent| ("last signal", sent)));
    fields.extend(deadlines(process, now).map(|(what, at)| (what, left(at, now))));
    if process.state == State::Gone {
        let mut text = exit(process);
        if let Some(at) = process.exited_at {
            let _ = write!(text, " {}", ago(at, now));
        }
        fields.push(("exit", text));
        fields.push(("outcome", endings::ending(process)));
    }
    let after_exit = process.after_exit.as_ref();
    fields.extend(after_exit.map(|command| ("after-exit", after_exit_phase(command))));
    fields.extend(process.webhooks.iter().map(|one| ("webhook", webhook(one))));
    fields
}

/// `started 2h ago`, `exited with code 1 5s ago, drain failed after 2m` and the like.
pub(super) fn detail(process: &Process, now: SystemTime) -> String {
    let ago = |time: Option<SystemTime>| {
        time.map(|time| format!(" {}", ago(time, now)))
            .unwrap_or_default()
    };
    let mut text = match process.state {
        State::Running => format!("started{}", ago(process.started_at)),
        State::ShuttingDown => format!(
            "was asked to stop{}{}",
            ago(process.shutdown_requested_at),
            endings::sent(process, now)
                .map(|sent| format!(", {sent}"))
                .unwrap_or_default()
        ),
        State::Gone => {
            let ending = endings::ending(process);
            format!("{}{}, {ending}", exit(process), ago(process.exited_at))
        }
    };
    for (what, at) in deadlines(process, now) {
        let _ = write!(text, ", {what} {}", left(at, now));
    }
    if let Some(after_exit) = &process.after_exit {
        let _ = write!(
            text,
            "; after-exit command {}",
            after_exit_phase(after_exit)
        );
    }
    for delivery in &process.webhooks {
        let _ = write!(text, "; webhook to {}", webhook(delivery));
    }
    text
}

fn after_exit_phase(command: &AfterExit) -> String {
    let word = match command.phase {
        AfterExitPhase::Pending => "pending",
        AfterExitPhase::Running => "running",
        AfterExitPhase::TimedOut => "ran out of time",
        AfterExitPhase::FailedToStart => {
            return format!("could not be started: {}", escaped(&command.error));
        }
        AfterExitPhase::Ended => {
            return match command.exit {
                Some(exit) => exit.to_string(),
                None => "ended".to_owned(),
            };
        }
    };
    word.to_owned()
}

fn webhook(delivery: &WebhookDelivery) -> String {
    let phase = match delivery.phase {
        WebhookPhase::Pending => "pending",
        WebhookPhase::Delivered => "delivered",
        WebhookPhase::Failed => "failed",
    };
    let whose = if delivery.recovered {
        " of an earlier wrapper"
    } else {
        ""
    };
    let mut text = format!("{}{whose} {phase}", escaped(&delivery.target));
    if delivery.phase != WebhookPhase::Delivered && !delivery.last_error.is_empty() {
        let _ = write!(
            text,
            " (attempts: {}, last error: {})",
            delivery.attempts,
            escaped(&delivery.last_error)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::client::row::tests::process;
    use crate::client::Exit;

    const NOW: Duration = Duration::from_secs(1_795_428_000);

    fn at(seconds: i64) -> Option<SystemTime> {
        let now = SystemTime::UNIX_EPOCH + NOW;
        let shift = Duration::from_secs(seconds.unsigned_abs());
        Some(if seconds < 0 {
            now - shift
        } else {
            now + shift
        })
    }

    fn text(process: &Process) -> String {
        sentence(process, SystemTime::UNIX_EPOCH + NOW)
    }

    #[test]
    fn each_state_has_its_phrase() {
        let mut running = process(State::Running, None);
        running.started_at = at(-7_510);
        assert_eq!(text(&running), "gitlab-runner (pid 42) started 2h5m ago");

        let mut shutting_down = process(State::ShuttingDown, None);
        shutting_down.shutdown_requested_at = at(-20);
        shutting_down.force_at = at(60);
        shutting_down.kill_at = at(-1);
        assert_eq!(
            text(&shutting_down),
            "gitlab-runner (pid 42) was asked to stop 20s ago, abort in 1m"
        );

        let mut gone = process(State::Gone, Some(Exit::Code(3)));
        gone.exited_at = at(0);
        gone.requested = true;
        gone.kill_at = at(60);
        assert_eq!(
            text(&gone),
            "gitlab-runner (pid 42) exited with code 3 0s ago, as asked"
        );
    }

    #[test]
    fn unfinished_post_exit_work_is_shown() {
        let mut gone = process(State::Gone, None);
        gone.after_exit = Some(AfterExit {
            phase: AfterExitPhase::Ended,
            exit: Some(Exit::Code(1)),
            error: String::new(),
        });
        gone.webhooks.push(WebhookDelivery {
            id: "1".to_owned(),
            target: "https://a.example".to_owned(),
            phase: WebhookPhase::Pending,
            attempts: 2,
            next_attempt_at: None,
            last_error: "timed out".to_owned(),
            recovered: false,
        });
        assert_eq!(
            text(&gone),
            "gitlab-runner (pid 42) ended with an unknown status, unasked; after-exit command exited with \
             code 1; webhook to https://a.example pending (attempts: 2, last error: timed out)"
        );
    }

    #[test]
    fn server_text_cannot_control_the_terminal() {
        let mut hostile = process(State::Running, None);
        hostile.program = "\x1b]0;owned\x07\r\n".to_owned();
        assert!(!text(&hostile).chars().any(char::is_control));
    }

    #[test]
    fn a_clock_that_is_behind_shows_zero() {
        let mut early = process(State::Running, None);
        early.started_at = at(300);
        assert_eq!(text(&early), "gitlab-runner (pid 42) started 0s ago");
    }
}
