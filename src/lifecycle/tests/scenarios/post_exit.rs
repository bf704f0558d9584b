//! The command after the exit, and how it keeps the wrapper.

use super::super::super::{Action, AfterExitLimits, ExitWhenGone, State};
use super::super::{EXIT, secs};
use super::{Story, but, leaves, nothing};
use crate::signal::Signal;

/// A wrapper with a command that may take ten seconds, and two more after TERM.
fn with_command(exit_when_gone: ExitWhenGone) -> Story {
    Story::of(but(|config| {
        config.exit_when_gone = exit_when_gone;
        config.after_exit = Some(AfterExitLimits {
            timeout: secs(10),
            grace: secs(2),
        });
    }))
}

fn runs() -> Vec<Action> {
    vec![Action::RunAfterExit]
}

fn kills_and_leaves() -> Vec<Action> {
    vec![Action::SignalAfterExit(Signal::KILL), Action::Leave(EXIT)]
}

#[test]
fn the_command_runs_when_the_process_is_gone_and_the_wrapper_stays() {
    let mut story = with_command(ExitWhenGone::Never);
    assert_eq!(story.exits(), runs());
    assert_eq!(story.machine.state(), State::Gone);
    assert_eq!(story.command_ends(), nothing());
    assert_eq!(story.receives("TERM"), leaves(), "no work is left");
}

#[test]
fn without_a_command_no_work_follows_the_exit() {
    let mut story = Story::with_defaults();
    assert_eq!(story.exits(), nothing());
    assert_eq!(story.machine.next_timeout(), None);
}

#[test]
fn the_command_runs_once() {
    let mut story = with_command(ExitWhenGone::Never);
    assert_eq!(story.exits(), runs());
    assert_eq!(story.exits(), nothing());
    story.command_ends();
    assert_eq!(story.exits(), nothing());
    assert_eq!(story.command_ends(), nothing());
}

#[test]
fn first_stop_signal_after_the_exit_waits_for_the_command() {
    for name in ["TERM", "INT", "QUIT"] {
        let mut story = with_command(ExitWhenGone::Never);
        story.exits();
        assert_eq!(story.receives(name), nothing(), "{name}");
        assert_eq!(story.command_ends(), leaves(), "{name}");
    }
}

#[test]
fn stop_signal_while_alive_leaves_after_the_command() {
    let mut story = with_command(ExitWhenGone::Never);
    story.receives("TERM");
    assert_eq!(story.exits(), runs());
    assert_eq!(story.command_ends(), leaves());
}

#[test]
fn later_stop_signal_kills_the_command_and_leaves_now() {
    let mut story = with_command(ExitWhenGone::Never);
    story.exits();
    story.receives("TERM");
    assert_eq!(story.receives("INT"), kills_and_leaves());
    let mut stopped_before = with_command(ExitWhenGone::Never);
    stopped_before.receives("TERM");
    stopped_before.exits();
    assert_eq!(stopped_before.receives("TERM"), kills_and_leaves());
    assert_eq!(stopped_before.command_ends(), nothing(), "it has left");
}

#[test]
fn a_stop_signal_that_is_ignored_does_not_count() {
    let mut story = Story::of(but(|config| {
        config.after_exit = Some(AfterExitLimits {
            timeout: secs(10),
            grace: secs(2),
        });
        config.rewrites = super::super::rewrites("TERM:0");
    }));
    story.exits();
    assert_eq!(story.receives("TERM"), nothing());
    assert_eq!(story.receives("TERM"), nothing());
    assert_eq!(story.command_ends(), nothing());
}

#[test]
fn other_signals_and_requests_do_not_reach_the_command() {
    let mut story = with_command(ExitWhenGone::Never);
    story.exits();
    for name in ["HUP", "USR1", "WINCH", "CONT"] {
        assert_eq!(story.receives(name), nothing(), "{name}");
    }
    assert_eq!(story.is_asked(), nothing());
    assert_eq!(story.is_forced(), nothing());
}

#[test]
fn exit_when_gone_waits_for_the_command() {
    for value in [ExitWhenGone::Unrequested, ExitWhenGone::Always] {
        let mut story = with_command(value);
        assert_eq!(story.exits(), runs(), "{value:?}");
        assert_eq!(story.command_ends(), leaves(), "{value:?}");
    }
    let mut drained = with_command(ExitWhenGone::Unrequested);
    drained.is_asked();
    assert_eq!(drained.exits(), runs());
    assert_eq!(drained.command_ends(), nothing(), "it was asked for");
}

#[test]
fn the_first_stop_signal_does_not_cut_short_what_exit_when_gone_waits_for() {
    let mut story = with_command(ExitWhenGone::Always);
    story.exits();
    assert_eq!(story.receives("TERM"), nothing());
    assert_eq!(story.receives("TERM"), kills_and_leaves());
}

#[test]
fn a_command_that_runs_out_of_time_gets_term_then_kill() {
    let mut story = with_command(ExitWhenGone::Always);
    story.at(1).exits();
    assert_eq!(story.machine.next_timeout(), Some(secs(11)));
    assert_eq!(story.at(10).time_passes(), nothing());
    assert_eq!(
        story.at(11).time_passes(),
        [
            Action::SignalAfterExit(Signal::TERM),
            Action::SignalAfterExit(Signal::CONT),
        ]
    );
    assert_eq!(story.machine.next_timeout(), Some(secs(13)));
    assert_eq!(
        story.at(13).time_passes(),
        [Action::SignalAfterExit(Signal::KILL)]
    );
    assert_eq!(story.machine.next_timeout(), None);
    assert_eq!(story.time_passes(), nothing());
    assert_eq!(story.command_ends(), leaves(), "only once it has ended");
}

#[test]
fn deadlines_of_the_process_end_with_it() {
    let mut story = with_command(ExitWhenGone::Never);
    story.is_asked_within(Some(3), Some(1));
    story.at(1).exits();
    assert_eq!(story.machine.next_timeout(), Some(secs(11)));
    assert_eq!(story.at(5).time_passes(), nothing());
}
