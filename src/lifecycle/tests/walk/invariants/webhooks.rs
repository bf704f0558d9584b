//! What must hold of webhooks: each is delivered once, after the exit, and keeps the wrapper
//! meanwhile.
//!
//! Owns these invariants. It never looks at signals.

use super::super::super::super::{Action, Input, Slot};
use super::Step;

impl Step<'_> {
    pub(super) fn is_about_a_webhook(&self) -> bool {
        match self.input {
            Input::WebhookAccepted(_)
            | Input::WebhookEnded { .. }
            | Input::RecoveredDeliveries { .. } => true,
            Input::DrainRequest(_)
            | Input::AbortRequest
            | Input::Ready
            | Input::Signal(_)
            | Input::Exited(_)
            | Input::AfterExitEnded
            | Input::TimePassed => false,
        }
    }

    pub(super) fn webhooks_are_delivered_once_each_and_after_all_else(&self) {
        let begun: Vec<Slot> = self
            .actions
            .iter()
            .filter_map(|action| match action {
                Action::Deliver(slot) => Some(*slot),
                Action::SendStageSignal { .. }
                | Action::ContinueProcess
                | Action::ForwardSignal(_)
                | Action::RunAfterExit
                | Action::SignalAfterExit(_)
                | Action::Leave(_) => None,
            })
            .collect();
        let others: Vec<Action> = self
            .actions
            .iter()
            .filter(|action| !matches!(action, Action::Deliver(_)))
            .copied()
            .collect();
        let mut history = self.history.clone();
        history.record(self.config, self.now, self.input, &others, self.refused);
        let due = history.exit.is_some() && history.runs_since.is_none() && !history.left;
        let expected: Vec<Slot> = history.waiting.iter().copied().filter(|_| due).collect();
        assert_eq!(
            begun, expected,
            "every accepted webhook that is neither under way nor delivered begins at once when the process \
             is gone and the command has ended, and none begins before or again: {self:#?}"
        );
        if self.is_about_a_webhook() && (self.alive() || self.history.runs_since.is_some()) {
            assert_eq!(
                self.actions,
                [],
                "a webhook that is not due changes nothing else: {self:#?}"
            );
        }
        let history = self.history_after();
        let delivers = history.recovering || !history.under_way.is_empty();
        let only_delivers = history.exit.is_some() && history.runs_since.is_none() && delivers;
        let closing = history.told_to_stop && only_delivers;
        assert_eq!(
            self.after.accepts_webhooks(),
            !history.left && !closing,
            "a wrapper that is told to stop and waits for deliveries takes no more of them: {self:#?}"
        );
    }
}
