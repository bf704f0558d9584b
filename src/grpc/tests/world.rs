//! An executor, a clock and streams that make progress only when the test runs them.
//!
//! The fuzz targets include this file too: it imports our types through `super`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use event_listener::Event;
use smol::io::{AsyncRead, AsyncWrite};
use smol::{LocalExecutor, Task};

use super::{Channel, Clock, Limits, Peer, Router, Server, handshake};

/// A clock that only [`World::advance`] moves.
#[derive(Clone)]
pub(super) struct VirtualClock {
    start: Instant,
    passed: Rc<Cell<Duration>>,
    moved: Rc<Event>,
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        self.start + self.passed.get()
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static {
        let clock = self.clone();
        async move {
            loop {
                let moved = clock.moved.listen();
                if clock.now() >= at {
                    return;
                }
                moved.await;
            }
        }
    }
}

/// A server with its executor and clock.
pub(super) struct World {
    pub(super) executor: Rc<LocalExecutor<'static>>,
    pub(super) clock: VirtualClock,
    pub(super) server: Server<VirtualClock>,
    pub(super) limits: Limits,
}

impl World {
    pub(super) fn new(router: Router) -> Self {
        Self::with_limits(router, Limits::default())
    }

    pub(super) fn with_limits(router: Router, limits: Limits) -> Self {
        let executor = Rc::new(LocalExecutor::new());
        let clock = VirtualClock {
            start: Instant::now(),
            passed: Rc::default(),
            moved: Rc::default(),
        };
        let server = Server::new(router, limits, clock.clone(), Rc::clone(&executor), None);
        Self {
            executor,
            clock,
            server,
            limits,
        }
    }

    /// Runs until no task can make progress.
    pub(super) fn settle(&self) {
        while self.executor.try_tick() {}
    }

    /// Moves the clock, and runs.
    pub(super) fn advance(&self, by: Duration) {
        self.settle();
        self.clock.passed.set(self.clock.passed.get() + by);
        self.clock.moved.notify(usize::MAX);
        self.settle();
    }

    /// Starts a task, and runs until no task can make progress.
    pub(super) fn start<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> Task<T> {
        let task = self.executor.spawn(task);
        self.settle();
        task
    }

    /// Runs a task to its end, which must not need the clock.
    pub(super) fn run<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> T {
        let task = self.start(task);
        self.finish(task)
    }

    /// The result of a task that must have ended.
    pub(super) fn finish<T>(&self, task: Task<T>) -> T {
        self.settle();
        assert!(task.is_finished(), "the task waits forever");
        smol::block_on(task)
    }

    /// The client's end of a stream that the server serves.
    pub(super) fn connect_raw(&self) -> Pipe {
        let (ours, theirs) = pipe(256 * 1024);
        self.serve(theirs);
        ours
    }

    /// Lets the server serve a stream.
    pub(super) fn serve<IO: AsyncRead + AsyncWrite + Unpin + 'static>(&self, io: IO) {
        let server = self.server.clone();
        let peer = Peer::Tcp(([127, 0, 0, 1], 1).into());
        let serve = async move { server.serve(io, peer).await };
        self.executor.spawn(serve).detach();
    }

    /// A client on a connection of its own. Dropping the task closes the connection under it.
    pub(super) fn connect(&self) -> (Channel, Task<()>) {
        let io = self.connect_raw();
        let limits = self.limits;
        let (channel, connection) =
            self.run(async move { handshake(io, "localhost", &limits).await.unwrap() });
        let driver = self.start(async move {
            // Some tests break the connection.
            let _ = connection.await;
        });
        (channel, driver)
    }
}

/// One end of a stream in memory. Dropping it closes both directions.
pub(super) struct Pipe {
    incoming: Rc<RefCell<Queue>>,
    outgoing: Rc<RefCell<Queue>>,
}

#[derive(Default)]
struct Queue {
    bytes: VecDeque<u8>,
    room: usize,
    closed: bool,
    waiting: Vec<Waker>,
}

impl Queue {
    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// A stream in memory with a buffer of `room` bytes in each direction.
pub(super) fn pipe(room: usize) -> (Pipe, Pipe) {
    let queue = || {
        Rc::new(RefCell::new(Queue {
            room,
            ..Queue::default()
        }))
    };
    let (a, b) = (queue(), queue());
    let one = Pipe {
        incoming: Rc::clone(&a),
        outgoing: Rc::clone(&b),
    };
    let other = Pipe {
        incoming: b,
        outgoing: a,
    };
    (one, other)
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut queue = self.incoming.borrow_mut();
        if queue.bytes.is_empty() && !queue.closed {
            queue.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        let length = buffer.len().min(queue.bytes.len());
        for (to, from) in buffer.iter_mut().zip(queue.bytes.drain(..length)) {
            *to = from;
        }
        queue.wake();
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut queue = self.outgoing.borrow_mut();
        if queue.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let length = bytes.len().min(queue.room - queue.bytes.len());
        if length == 0 && !bytes.is_empty() {
            queue.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        queue.bytes.extend(&bytes[..length]);
        queue.wake();
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut queue = self.outgoing.borrow_mut();
        queue.closed = true;
        queue.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        for queue in [&self.incoming, &self.outgoing] {
            let mut queue = queue.borrow_mut();
            queue.closed = true;
            queue.wake();
        }
    }
}
