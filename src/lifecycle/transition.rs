//! The result of one step of the state machine.
//!
//! Owns the way back if the kernel refuses the signal. It never takes a step.

use crate::lifecycle::Action;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::stage::{Meaning, ShutdownProgress};

/// What one input leads to.
#[derive(Debug)]
pub struct Transition {
    /// What the driver does, in this order.
    pub actions: Vec<Action>,
    /// The state of the machine if the kernel refuses the signal of the stage.
    pub(super) if_refused: Option<Phase>,
    /// What the signal of the stage means, and the shutdown before it.
    pub(super) sends: Option<(ShutdownProgress, Meaning)>,
}

impl Transition {
    pub(super) fn of(actions: Vec<Action>) -> Self {
        Self {
            actions,
            if_refused: None,
            sends: None,
        }
    }

    pub(super) fn nothing() -> Self {
        Self::of(Vec::new())
    }
}
