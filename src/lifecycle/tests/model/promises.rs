//! What is wrong after any history.
//!
//! Owns assertions about a single step. It keeps no history.

use super::super::{Action, Lifecycle};

/// What needs no history to be wrong.
pub(super) fn keeps_its_promises(before: &Lifecycle, after: &Lifecycle, actions: &[Action]) {
    assert!(
        before.state() <= after.state(),
        "the state only moves forward"
    );
    assert!(
        before.exit().is_none() || before.exit() == after.exit(),
        "a process exits once"
    );
    for action in actions {
        match action {
            Action::SendStageSignal { .. } | Action::ContinueProcess | Action::ForwardSignal(_) => {
                assert!(
                    after.exit().is_none(),
                    "no signal is sent after the exit: {before:?}"
                );
            }
            Action::Leave(exit) => assert_eq!(
                Some(*exit),
                after.exit(),
                "the wrapper leaves after the exit only: {before:?}"
            ),
            Action::RunAfterExit | Action::SignalAfterExit(_) | Action::Deliver(_) => assert!(
                after.exit().is_some(),
                "nothing runs after the exit before it: {before:?}"
            ),
        }
    }
    let stage_signals = actions
        .iter()
        .skip(1)
        .filter(|action| matches!(action, Action::SendStageSignal { .. }));
    assert_eq!(
        stage_signals.count(),
        0,
        "a step has one signal of a stage at most, and it is the first action: {before:?}"
    );
    if let (Some(before), Some(after)) = (before.kill_at(), after.kill_at()) {
        assert!(after <= before, "a deadline is never extended");
    }
}
