//! What is wrong whatever happened before.
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
            Action::SignalProcess(_) => assert!(
                after.exit().is_none(),
                "no signal is sent after the exit: {before:?}"
            ),
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
    for (before, after) in [
        (before.force_at(), after.force_at()),
        (before.kill_at(), after.kill_at()),
    ] {
        if let (Some(before), Some(after)) = (before, after) {
            assert!(after <= before, "a deadline is never extended");
        }
    }
}
