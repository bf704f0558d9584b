//! The webhooks of an earlier wrapper, beside those of our own process.
//!
//! Owns their tasks, and tells the lifecycle while a delivery keeps the wrapper. It never decides
//! whether it does.

use std::future::Future;
use std::rc::Rc;

use crate::clock::MonotonicClock;
use crate::lifecycle::Input;
use crate::supervisor::Handle;
use crate::webhook::{Dispatcher, Obeyed, Recovered};

impl Handle {
    /// Goes on where an earlier wrapper was killed: each webhook that it has not delivered is
    /// delivered once its process is gone.
    pub fn take_up_recovered(&self) {
        let recovered = self.core.supervised.borrow().deliveries.recovered();
        for one in recovered.into_iter().filter(|one| one.is_pending()) {
            let handle = self.clone();
            self.keep_task(async move {
                one.until_gone().await;
                handle.deliver_recovered(one).await;
            });
        }
        let durable = self.core.supervised.borrow().deliveries.durable();
        if let Some(dispatcher) = durable {
            let handle = self.clone();
            let obeying = async move { handle.obey_orders(&dispatcher).await };
            self.core.executor.spawn(obeying).detach();
        }
    }

    /// Obeys operators until the wrapper leaves.
    async fn obey_orders(&self, dispatcher: &Dispatcher) {
        loop {
            let orders = dispatcher.orders().await;
            for (id, order) in &orders {
                let word = order.as_str();
                tracing::info!(id, order = word, "an operator has left an order");
                match dispatcher.obey(id, *order) {
                    Obeyed::Done => {}
                    Obeyed::Accepted(slot) => self.apply_or_log(Input::WebhookAccepted(slot)),
                    Obeyed::Due(one) => {
                        let handle = self.clone();
                        self.keep_task(async move { handle.deliver_recovered(one).await });
                    }
                }
            }
            dispatcher.obeyed(orders);
            self.core.changed.notify(usize::MAX);
        }
    }

    fn keep_task(&self, work: impl Future<Output = ()> + 'static) {
        let task = self.core.executor.spawn(work);
        self.core.supervised.borrow_mut().deliveries.add(task);
    }

    async fn deliver_recovered(&self, one: Rc<Recovered>) {
        self.count_recovered(1);
        let delivery = {
            let supervised = self.core.supervised.borrow();
            supervised.deliveries.deliver_recovered(one, MonotonicClock)
        };
        delivery.await;
        self.count_recovered(-1);
    }

    /// Counts the deliveries under way; the lifecycle learns of the first and of the last one.
    fn count_recovered(&self, change: isize) {
        let mut supervised = self.core.supervised.borrow_mut();
        let before = supervised.recovered_under_way;
        let after = before.saturating_add_signed(change);
        supervised.recovered_under_way = after;
        drop(supervised);
        if (before == 0) != (after == 0) {
            let under_way = after > 0;
            self.apply_or_log(Input::RecoveredDeliveries { under_way });
        }
    }
}
