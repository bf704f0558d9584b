//! The memory budget of the calls of a server.
//!
//! Owns an estimate of the memory that calls pin, and two budgets: one of each connection, and one
//! that all connections share beyond their own. The limits of a connection bound one peer; without
//! a shared budget a thousand connections could each pin as much. It never ends a call.

use std::cell::Cell;
use std::rc::Rc;

use http::Request;

/// Bytes of a call without its headers and messages: task, stream, handler.
const CALL: usize = 5 * 1024;

/// Bytes of the read buffer that a head may keep alive.
const HEAD_BUFFER: usize = 16 * 1024;

/// Bytes of a header field besides its name and value.
const FIELD_OVERHEAD: usize = 200;

/// The budget that all connections of a server share.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    limit: usize,
    used: Cell<usize>,
}

impl MemoryBudget {
    /// A budget of `limit` bytes.
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            used: Cell::new(0),
        }
    }

    /// Bytes in use.
    #[cfg(test)]
    pub(super) const fn used(&self) -> usize {
        self.used.get()
    }

    /// A connection with a budget of `own` bytes before it uses the shared one.
    pub(super) const fn connection(self: Rc<Self>, own: usize) -> ConnectionMemory {
        ConnectionMemory {
            shared: self,
            own,
            used: Cell::new(0),
        }
    }
}

/// The memory of a connection. Only bytes beyond its own budget count in the shared one.
#[derive(Debug)]
pub(super) struct ConnectionMemory {
    shared: Rc<MemoryBudget>,
    own: usize,
    used: Cell<usize>,
}

impl ConnectionMemory {
    /// Sets the bytes in use. False, without effect, if they exceed the budgets; fewer bytes never
    /// do.
    fn resize(&self, bytes: usize) -> bool {
        let beyond_own = |bytes: usize| bytes.saturating_sub(self.own);
        let before = beyond_own(self.used.get());
        let others = self.shared.used.get().saturating_sub(before);
        let shared = others.saturating_add(beyond_own(bytes));
        let fits = shared <= self.shared.limit || bytes <= self.used.get();
        if fits {
            self.used.set(bytes);
            self.shared.used.set(shared);
        }
        fits
    }
}

/// The memory of a call; released on drop.
#[derive(Debug)]
pub(super) struct CallMemory {
    connection: Rc<ConnectionMemory>,
    /// Bytes of the head, until it is released.
    head: usize,
    bytes: usize,
}

impl CallMemory {
    /// Reserves the memory of a call at its start; `None` if it exceeds the budgets.
    pub(super) fn reserve<T>(
        connection: &Rc<ConnectionMemory>,
        request: &Request<T>,
    ) -> Option<Self> {
        let mut memory = Self {
            connection: Rc::clone(connection),
            head: head_bytes(request),
            bytes: 0,
        };
        memory.set_messages(0).then_some(memory)
    }

    /// Sets the bytes of messages that the call holds. False, without effect, if they exceed the
    /// budgets.
    pub(super) fn set_messages(&mut self, messages: usize) -> bool {
        self.resize(CALL.saturating_add(self.head).saturating_add(messages))
    }

    /// Stops to count the head, from the next [`set_messages`](Self::set_messages) on.
    pub(super) const fn release_head(&mut self) {
        self.head = 0;
    }

    fn resize(&mut self, bytes: usize) -> bool {
        let others = self.connection.used.get().saturating_sub(self.bytes);
        let fits = self.connection.resize(others.saturating_add(bytes));
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

impl Drop for CallMemory {
    fn drop(&mut self) {
        self.resize(0);
    }
}

/// The bytes that the head of a call pins, rounded up.
fn head_bytes<T>(request: &Request<T>) -> usize {
    let uri = request.uri();
    let target = uri.path().len() + uri.authority().map_or(0, |name| name.as_str().len());
    let fields = request.headers().iter();
    fields.fold(HEAD_BUFFER.saturating_add(target), |sum, (name, value)| {
        sum.saturating_add(FIELD_OVERHEAD + name.as_str().len())
            .saturating_add(value.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two connections of one server.
    fn connections(shared: usize, own: usize) -> [Rc<ConnectionMemory>; 2] {
        let shared = Rc::new(MemoryBudget::new(shared));
        [(), ()].map(|()| Rc::new(Rc::clone(&shared).connection(own)))
    }

    #[test]
    fn released_memory_is_available_again() {
        let [one, other] = connections(100, 0);
        assert!(one.resize(60));
        assert!(!other.resize(41));
        assert!(other.resize(40), "a refusal reserves nothing");
        assert!(!one.resize(61));
        assert!(one.resize(0));
        assert!(other.resize(100));
    }

    #[test]
    fn the_budget_of_a_connection_is_independent_of_others() {
        let [one, other] = connections(100, 10);
        assert!(one.resize(110));
        assert!(!one.resize(111));
        assert!(other.resize(10));
        assert!(!other.resize(11));
        assert!(one.resize(10));
        assert!(other.resize(110));
        assert!(one.resize(9));
    }

    #[test]
    fn a_call_releases_its_head_and_at_its_end_the_rest() {
        let request = Request::builder().uri("/a.B/C").body(()).unwrap();
        let [one, _] = connections(0, CALL + head_bytes(&request));
        let mut call = CallMemory::reserve(&one, &request).unwrap();
        assert!(CallMemory::reserve(&one, &request).is_none());
        assert!(!call.set_messages(1));
        call.release_head();
        assert!(call.set_messages(HEAD_BUFFER) && call.set_messages(0));
        assert!(CallMemory::reserve(&one, &request).is_none());
        drop(call);
        assert_eq!(one.used.get(), 0);
        assert!(CallMemory::reserve(&one, &request).is_some());
    }

    #[test]
    fn long_headers_cost_more_than_their_bytes() {
        let plain = Request::builder().uri("/a.B/C").body(()).unwrap();
        let mut long = Request::builder().uri("/a.B/C");
        for number in 0..100 {
            long = long.header(format!("x-{number}"), "yyyy");
        }
        let long = long.body(()).unwrap();
        assert!(head_bytes(&long) - head_bytes(&plain) > 100 * FIELD_OVERHEAD);
    }
}
