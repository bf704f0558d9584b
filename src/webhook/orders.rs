//! What operators want done with webhooks: `webhooks retry` and `webhooks drop`.
//!
//! Owns the change of the registry for each order. It never begins a delivery: the supervisor does.

use std::rc::Rc;

use super::dispatcher::Dispatcher;
use super::recovered::Recovered;
use crate::lifecycle::Slot;
use crate::spool::markers::Order;

/// What is left to do after an order.
#[derive(Debug)]
pub enum Obeyed {
    /// Nothing.
    Done,
    /// This webhook of our own process is accepted again.
    Accepted(Slot),
    /// This webhook of an earlier wrapper is due.
    Due(Rc<Recovered>),
}

impl Dispatcher {
    /// Completes with the orders that operators have left. Never without a state directory, or if
    /// it cannot be watched.
    pub async fn orders(&self) -> Vec<(String, Order)> {
        match &self.shared.journal {
            Some(journal) => journal.orders().await,
            None => std::future::pending().await,
        }
    }

    /// Does what an operator wants. An order about a webhook that is delivered changes nothing.
    pub fn obey(&self, id: &str, order: Order) -> Obeyed {
        let mut own = self.shared.registry.borrow_mut();
        let recovered = self.shared.recovered.iter();
        let mut recovered = recovered.filter(|one| one.delivery().is_some_and(|it| it.id == id));
        let due = match (own.find_id(id), order) {
            (Some(slot), Order::Retry) => {
                let retried = own.retry_failed(slot);
                retried.then_some(Obeyed::Accepted(slot))
            }
            (Some(slot), Order::Drop) => {
                own.forget(slot);
                None
            }
            (None, Order::Retry) => recovered.next().and_then(|one| {
                let retried = one.registry.borrow_mut().retry_failed(one.slot);
                retried.then(|| Obeyed::Due(Rc::clone(one)))
            }),
            (None, Order::Drop) => {
                if let Some(one) = recovered.next() {
                    let mut registry = one.registry.borrow_mut();
                    registry.forget(one.slot);
                }
                None
            }
        };
        let retried = match &due {
            Some(Obeyed::Accepted(slot)) => own.record(*slot),
            Some(Obeyed::Due(one)) => one.registry.borrow().record(one.slot),
            Some(Obeyed::Done) | None => None,
        };
        drop(own);
        // Before the marker is removed.
        if let Some((journal, record)) = self.shared.journal.as_ref().zip(retried) {
            journal.put_later(&record);
        }
        if let Some(journal) = self
            .shared
            .journal
            .as_ref()
            .filter(|_| order == Order::Drop)
        {
            journal.remove(id);
            self.shared.dropped.notify(usize::MAX);
        }
        due.unwrap_or(Obeyed::Done)
    }

    /// Removes the markers of these orders, once the changes before are on disk. That of a webhook
    /// whose file was not read stays for the next start.
    pub fn obeyed(&self, orders: Vec<(String, Order)>) {
        let Some(journal) = &self.shared.journal else {
            return;
        };
        let is_known = |id: &str| {
            let mut recovered = self.shared.recovered.iter();
            self.shared.registry.borrow().find_id(id).is_some()
                || recovered.any(|one| one.delivery().is_some_and(|it| it.id == id))
        };
        let (done, unknown) = orders
            .into_iter()
            .partition(|(id, order)| *order == Order::Drop || is_known(id));
        journal.obeyed(done, unknown);
    }
}
