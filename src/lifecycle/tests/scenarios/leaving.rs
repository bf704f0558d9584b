//! When the wrapper leaves, and with what.

use super::super::super::{Action, Exit, ExitWhenGone, Input, State};
use super::super::EXIT;
use super::{Story, but, leaves, nothing};

fn exit_when_gone(value: ExitWhenGone) -> Story {
    Story::of(but(|config| config.exit_when_gone = value))
}

#[test]
fn stop_signal_while_alive_leaves_after_the_exit() {
    for name in ["TERM", "INT", "QUIT"] {
        let mut story = Story::with_defaults();
        assert!(
            !story.receives(name).contains(&Action::Leave(EXIT)),
            "{name}"
        );
        assert_eq!(story.exits(), leaves(), "{name}");
        assert_eq!(story.machine.state(), State::Gone);
    }
}

#[test]
fn stop_signal_during_a_drain_leaves_after_the_exit() {
    let mut story = Story::with_defaults();
    story.is_asked();
    story.receives("TERM");
    story.receives("HUP");
    assert_eq!(story.exits(), leaves());
}

#[test]
fn what_comes_after_the_stop_signal_does_not_keep_the_wrapper() {
    let mut story = Story::with_defaults();
    story.receives("QUIT");
    story.is_asked();
    story.is_forced();
    story.time_passes();
    assert_eq!(story.exits(), leaves());
}

#[test]
fn stop_signal_after_the_exit_leaves_now() {
    for name in ["TERM", "INT", "QUIT"] {
        let mut story = Story::with_defaults();
        assert_eq!(
            story.exits(),
            nothing(),
            "it stays until it is told to stop"
        );
        assert_eq!(story.receives(name), leaves(), "{name}");
    }
}

#[test]
fn other_signals_after_the_exit_go_nowhere() {
    let mut story = Story::with_defaults();
    story.exits();
    for name in ["HUP", "USR1", "USR2", "WINCH", "CONT"] {
        assert_eq!(story.receives(name), nothing(), "{name}");
    }
}

#[test]
fn the_wrapper_leaves_once() {
    let mut story = Story::with_defaults();
    story.receives("TERM");
    assert_eq!(story.exits(), leaves());
    let before = story.machine.clone();
    assert_eq!(story.receives("TERM"), nothing());
    assert_eq!(story.is_asked(), nothing());
    assert_eq!(story.exits(), nothing());
    assert_eq!(story.time_passes(), nothing());
    assert_eq!(story.machine, before);
}

#[test]
fn it_leaves_with_the_exit_of_the_process() {
    let exits = [
        Exit::Code(0),
        Exit::Code(255),
        Exit::Signal {
            number: 6,
            core_dumped: true,
        },
    ];
    for exit in exits {
        let mut story = Story::with_defaults();
        story.receives("TERM");
        assert_eq!(story.input(Input::Exited(exit)), [Action::Leave(exit)]);
        assert_eq!(story.machine.exit(), Some(exit));
    }
}

#[test]
fn the_first_exit_that_is_told_is_the_exit() {
    let mut story = Story::with_defaults();
    story.exits();
    assert_eq!(story.input(Input::Exited(Exit::Code(1))), nothing());
    assert_eq!(story.machine.exit(), Some(EXIT));
    assert_eq!(story.receives("TERM"), leaves());
}

#[test]
fn exit_when_gone_never_stays_after_any_exit() {
    assert_eq!(exit_when_gone(ExitWhenGone::Never).exits(), nothing());
    let mut asked = exit_when_gone(ExitWhenGone::Never);
    asked.is_asked();
    assert_eq!(asked.exits(), nothing());
}

#[test]
fn exit_when_gone_unrequested_leaves_after_a_crash_and_stays_after_a_drain() {
    let mut crashed = exit_when_gone(ExitWhenGone::Unrequested);
    crashed.receives("HUP");
    assert_eq!(crashed.exits(), leaves());
    let mut drained = exit_when_gone(ExitWhenGone::Unrequested);
    drained.is_asked();
    assert_eq!(drained.exits(), nothing());
    let mut forced = exit_when_gone(ExitWhenGone::Unrequested);
    forced.is_forced();
    assert_eq!(forced.exits(), nothing());
    let mut stopped = exit_when_gone(ExitWhenGone::Unrequested);
    stopped.receives("TERM");
    assert_eq!(stopped.exits(), leaves(), "because it was told to stop");
}

#[test]
fn exit_when_gone_always_leaves_after_any_exit() {
    assert_eq!(exit_when_gone(ExitWhenGone::Always).exits(), leaves());
    let mut asked = exit_when_gone(ExitWhenGone::Always);
    asked.is_asked();
    assert_eq!(asked.exits(), leaves());
}

#[test]
fn a_living_process_keeps_the_wrapper_whatever_exit_when_gone_says() {
    let mut story = exit_when_gone(ExitWhenGone::Always);
    for actions in [
        story.receives("TERM"),
        story.is_asked(),
        story.time_passes(),
    ] {
        assert!(
            !actions
                .iter()
                .any(|action| matches!(action, Action::Leave(_)))
        );
    }
}
