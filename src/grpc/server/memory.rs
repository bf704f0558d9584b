//! The memory that calls pin, over all connections of a server.
//!
//! Owns the estimate of it and two sums: that of a connection, which has something of its own, and what all
//! of them together have taken beyond that. The limits of a connection bound what one peer can pin; without
//! a bound for all, a thousand connections could each pin as much. It never ends a call.

use std::cell::Cell;
use std::rc::Rc;

use http::Request;

/// A call without its headers and messages: its task, its stream, its handler.
const CALL: usize = 5 * 1024;

/// What a head can keep of the buffer that it was read into, whatever else came with it.
const BUFFER: usize = 16 * 1024;

/// A header field besides its bytes.
const FIELD: usize = 200;

/// Takes what a call pins at its start; None if there is not so much left.
pub(super) fn take<T>(account: &Rc<Account>, request: &Request<T>) -> Option<Share> {
    let head = head(request);
    let mut share = Share {
        account: Rc::clone(account),
        head,
        bytes: 0,
    };
    share.hold(0).then_some(share)
}

/// What the head of a call pins, in bytes, rounded up rather than down.
fn head<T>(request: &Request<T>) -> usize {
    let uri = request.uri();
    let target = uri.path().len() + uri.authority().map_or(0, |name| name.as_str().len());
    let fields = request.headers().iter();
    fields.fold(BUFFER.saturating_add(target), |sum, (name, value)| {
        sum.saturating_add(FIELD + name.as_str().len())
            .saturating_add(value.len())
    })
}

/// What all connections of a server share.
#[derive(Debug)]
pub(super) struct Memory {
    most: usize,
    taken: Cell<usize>,
}

impl Memory {
    /// So many bytes for all.
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            taken: Cell::new(0),
        }
    }

    /// How much of it is taken.
    #[cfg(test)]
    pub(super) const fn taken(&self) -> usize {
        self.taken.get()
    }

    /// An account for a connection that has `own` bytes whatever the others take.
    pub(super) const fn account(self: Rc<Self>, own: usize) -> Account {
        Account {
            memory: self,
            own,
            held: Cell::new(0),
        }
    }
}

/// What a connection holds. Only what is beyond its own is taken from the others.
#[derive(Debug)]
pub(super) struct Account {
    memory: Rc<Memory>,
    own: usize,
    held: Cell<usize>,
}

impl Account {
    /// Whether the connection may hold this much from now on; less is always possible.
    fn hold(&self, held: usize) -> bool {
        let beyond = |held: usize| held.saturating_sub(self.own);
        let before = beyond(self.held.get());
        let others = self.memory.taken.get().saturating_sub(before);
        let taken = others.saturating_add(beyond(held));
        let fits = taken <= self.memory.most || held <= self.held.get();
        if fits {
            self.held.set(held);
            self.memory.taken.set(taken);
        }
        fits
    }
}

/// The share of a call; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    account: Rc<Account>,
    /// What of it is the head's, until that is let go of.
    head: usize,
    bytes: usize,
}

impl Share {
    /// Notes how many bytes of messages the call holds. False, and nothing has changed, if there is not so
    /// much left.
    pub(super) fn hold(&mut self, messages: usize) -> bool {
        self.resize(CALL.saturating_add(self.head).saturating_add(messages))
    }

    /// Notes that the head is not needed any more.
    pub(super) const fn let_go_of_head(&mut self) {
        self.head = 0;
    }

    fn resize(&mut self, bytes: usize) -> bool {
        let others = self.account.held.get().saturating_sub(self.bytes);
        let fits = self.account.hold(others.saturating_add(bytes));
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two connections, each with so much of its own.
    fn accounts(shared: usize, own: usize) -> [Rc<Account>; 2] {
        let memory = Rc::new(Memory::new(shared));
        [(), ()].map(|()| Rc::new(Rc::clone(&memory).account(own)))
    }

    #[test]
    fn what_was_given_back_can_be_taken_again() {
        let [one, other] = accounts(100, 0);
        assert!(one.hold(60));
        assert!(!other.hold(41));
        assert!(other.hold(40), "a refusal takes nothing");
        assert!(!one.hold(61));
        assert!(one.hold(0));
        assert!(other.hold(100));
    }

    #[test]
    fn a_connection_has_its_own_whatever_others_take() {
        let [one, other] = accounts(100, 10);
        assert!(one.hold(110));
        assert!(!one.hold(111));
        assert!(other.hold(10));
        assert!(!other.hold(11));
        assert!(one.hold(10));
        assert!(other.hold(110));
        assert!(one.hold(9));
    }

    #[test]
    fn a_call_gives_back_its_head_and_in_the_end_the_rest() {
        let request = Request::builder().uri("/a.B/C").body(()).unwrap();
        let [one, _] = accounts(0, CALL + head(&request));
        let mut share = take(&one, &request).unwrap();
        assert!(take(&one, &request).is_none());
        assert!(!share.hold(1));
        share.let_go_of_head();
        assert!(share.hold(BUFFER) && share.hold(0));
        assert!(take(&one, &request).is_none());
        drop(share);
        assert_eq!(one.held.get(), 0);
        assert!(take(&one, &request).is_some());
    }

    #[test]
    fn long_headers_cost_more_than_their_bytes() {
        let plain = Request::builder().uri("/a.B/C").body(()).unwrap();
        let mut long = Request::builder().uri("/a.B/C");
        for number in 0..100 {
            long = long.header(format!("x-{number}"), "yyyy");
        }
        let long = long.body(()).unwrap();
        assert!(head(&long) - head(&plain) > 100 * FIELD);
    }
}
