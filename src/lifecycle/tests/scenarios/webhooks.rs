//! Webhooks: when each is due, and how deliveries keep the wrapper.

use super::super::super::{Action, AfterExitLimits, ExitWhenGone, State};
use super::super::secs;
use super::{Story, but, delivers, leaves, nothing};
use crate::signal::Signal;

fn story(exit_when_gone: ExitWhenGone, after_exit: bool) -> Story {
    Story::of(but(|config| {
        config.exit_when_gone = exit_when_gone;
        config.after_exit = after_exit.then_some(AfterExitLimits {
            timeout: secs(10),
            grace: secs(2),
        });
    }))
}

#[test]
fn a_webhook_is_due_at_the_exit_and_not_before() {
    let mut story = Story::with_defaults();
    assert_eq!(story.accepts(0), nothing());
    assert_eq!(story.machine.state(), State::Running);
    story.is_asked();
    assert_eq!(story.accepts(1), nothing());
    assert_eq!(story.exits(), delivers(&[0, 1]));
    assert_eq!(story.exits(), nothing());
}

#[test]
fn a_crash_makes_webhooks_due_as_well() {
    let mut story = Story::with_defaults();
    story.accepts(0);
    assert_eq!(story.exits(), delivers(&[0]));
}

#[test]
fn a_webhook_accepted_after_the_exit_is_due_at_once() {
    let mut story = Story::with_defaults();
    story.exits();
    assert_eq!(story.accepts(0), delivers(&[0]));
    assert_eq!(story.accepts(1), delivers(&[1]), "beside another one");
}

#[test]
fn the_command_after_the_exit_comes_first() {
    let mut story = story(ExitWhenGone::Never, true);
    story.accepts(0);
    assert_eq!(story.exits(), [Action::RunAfterExit]);
    assert_eq!(story.accepts(1), nothing(), "it waits for the command");
    assert_eq!(story.command_ends(), delivers(&[0, 1]));
}

#[test]
fn accepted_again_while_pending_it_is_due_once() {
    let mut story = Story::with_defaults();
    story.accepts(0);
    story.accepts(0);
    assert_eq!(story.exits(), delivers(&[0]));
    assert_eq!(story.accepts(0), nothing(), "it is under way");
    assert_eq!(story.webhook_ends(0, false), nothing());
    assert_eq!(story.machine.next_timeout(), None);
}

#[test]
fn delivered_it_is_not_due_again_and_failed_it_is() {
    let mut story = Story::with_defaults();
    story.accepts(0);
    story.accepts(1);
    story.exits();
    story.webhook_ends(0, true);
    story.webhook_ends(1, false);
    assert_eq!(story.accepts(0), nothing());
    assert_eq!(story.accepts(1), delivers(&[1]));
}

#[test]
fn a_wrapper_told_to_stop_waits_for_every_delivery() {
    for told_first in [true, false] {
        let mut story = Story::with_defaults();
        story.accepts(0);
        story.accepts(1);
        if told_first {
            story.receives("TERM");
        }
        assert_eq!(story.exits(), delivers(&[0, 1]));
        if !told_first {
            assert_eq!(story.receives("TERM"), nothing());
        }
        assert_eq!(story.webhook_ends(1, false), nothing());
        assert_eq!(story.webhook_ends(0, true), leaves(), "{told_first}");
    }
}

#[test]
fn a_second_stop_signal_leaves_at_once() {
    let mut story = Story::with_defaults();
    story.accepts(0);
    story.exits();
    assert_eq!(story.receives("TERM"), nothing());
    assert_eq!(story.receives("INT"), leaves());
    assert_eq!(story.webhook_ends(0, true), nothing());
    assert_eq!(story.accepts(1), nothing());
}

#[test]
fn a_second_stop_signal_during_the_command_delivers_nothing() {
    let mut story = story(ExitWhenGone::Never, true);
    story.accepts(0);
    story.receives("TERM");
    story.exits();
    assert_eq!(
        story.receives("TERM"),
        [
            [Action::SignalAfterExit(Signal::KILL)].as_slice(),
            &leaves()
        ]
        .concat()
    );
    assert_eq!(story.command_ends(), nothing());
}

#[test]
fn exit_when_gone_waits_for_deliveries() {
    let mut story = story(ExitWhenGone::Always, false);
    story.accepts(0);
    assert_eq!(story.exits(), delivers(&[0]));
    assert_eq!(story.webhook_ends(0, false), leaves());
}

#[test]
fn a_wrapper_that_only_waits_for_deliveries_to_leave_takes_no_more() {
    let mut story = Story::with_defaults();
    story.accepts(0);
    assert!(story.machine.accepts_webhooks());
    story.exits();
    assert!(story.machine.accepts_webhooks());
    story.receives("TERM");
    assert!(!story.machine.accepts_webhooks());
    assert_eq!(story.webhook_ends(0, true), leaves());
    assert!(!story.machine.accepts_webhooks());
    let mut draining = Story::with_defaults();
    draining.receives("TERM");
    assert!(
        draining.machine.accepts_webhooks(),
        "the process still lives"
    );
}
