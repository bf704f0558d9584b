//! Stand-ins for the orders of operators in a build without the feature `webhooks`.
//!
//! Owns the same names. There is no order, so nothing is ever obeyed.

use std::rc::Rc;

use super::absent::{Dispatcher, Recovered};
use crate::lifecycle::Slot;

/// Uninhabited.
#[derive(Debug, Clone, Copy)]
pub enum Order {}

impl Order {
    /// Unreachable.
    pub fn as_str(self) -> &'static str {
        match self {}
    }
}

/// What is left to do after an order.
#[derive(Debug)]
pub enum Obeyed {
    /// Nothing.
    Done,
    /// Never.
    Accepted(Slot),
    /// Never.
    Due(Rc<Recovered>),
}

impl Dispatcher {
    /// Never completes.
    pub async fn orders(&self) -> Vec<(String, Order)> {
        std::future::pending().await
    }

    /// Unreachable.
    pub fn obey(&self, _id: &str, order: Order) -> Obeyed {
        match order {}
    }

    /// Removes nothing.
    pub fn obeyed(&self, _orders: Vec<(String, Order)>) {}
}
