//! The methods of a server.
//!
//! Owns the table from `/package.Service/Method` to handlers, and the context of a handler's call.
//! It never touches a connection.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Instant;

use http::HeaderMap;
use prost::Message;

use crate::grpc::rules::status::Status;
use crate::grpc::server::exchange::Exchange;
use crate::grpc::server::waits::Waits;
use crate::net::peer::Peer;

/// A call without its messages, for its handler.
#[derive(Debug, Clone)]
pub struct Context {
    /// The caller.
    pub peer: Rc<Peer>,
    /// The method, as `/package.Service/Method`.
    pub method: &'static str,
    /// The headers of the request, including those of the protocol. The memory budget counts them
    /// up to the first message, so a handler that waits drops them first.
    #[cfg_attr(not(any(test, feature = "unstable-internals")), allow(dead_code))]
    pub metadata: HeaderMap,
    /// The deadline of the call. The server drops the handler then.
    #[cfg_attr(not(any(test, feature = "unstable-internals")), allow(dead_code))]
    pub deadline: Option<Instant>,
    /// The calls of the connection that wait: a handler that waits for an event counts its call.
    pub waits: Waits,
}

type HandlerFuture = Pin<Box<dyn Future<Output = Result<(), Status>>>>;
type Handler = Rc<dyn Fn(Context, Exchange) -> HandlerFuture>;

/// The methods of a server.
#[derive(Default)]
pub struct Router {
    methods: HashMap<&'static str, Handler>,
    #[cfg(feature = "unstable-internals")]
    pub(super) pages: HashMap<&'static str, &'static str>,
}

impl Router {
    /// A router without methods.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a method that takes one message and answers with one. `path` is
    /// `/package.Service/Method`; a second handler for it replaces the first.
    ///
    /// The server drops the handler's future when the call is cancelled or its deadline passes. A
    /// panic in it ends that call only, with `INTERNAL`.
    pub fn unary<Req, Resp, F, Fut>(&mut self, path: &'static str, handler: F)
    where
        Req: Message + Default + 'static,
        Resp: Message + 'static,
        F: Fn(Context, Req) -> Fut + 'static,
        Fut: Future<Output = Result<Resp, Status>> + 'static,
    {
        let handler = Rc::new(handler);
        self.streaming(path, move |context, mut exchange| {
            let handler = Rc::clone(&handler);
            async move {
                let request = exchange.receive_only().await?;
                let response = handler(context, request).await?;
                exchange.send_owned(response).await
            }
        });
    }

    /// Adds a method that takes and answers with any number of messages; otherwise like
    /// [`unary`](Self::unary).
    pub fn streaming<F, Fut>(&mut self, path: &'static str, handler: F)
    where
        F: Fn(Context, Exchange) -> Fut + 'static,
        Fut: Future<Output = Result<(), Status>> + 'static,
    {
        let handler: Handler =
            Rc::new(move |context, exchange| Box::pin(handler(context, exchange)));
        self.methods.insert(path, handler);
    }

    /// The full names of the services.
    #[must_use]
    pub fn services(&self) -> BTreeSet<&'static str> {
        self.methods
            .keys()
            .filter_map(|path| path.strip_prefix('/')?.split('/').next())
            .collect()
    }

    /// The method of exactly this path.
    pub(super) fn find(&self, path: &str) -> Option<(&'static str, Handler)> {
        self.methods
            .get_key_value(path)
            .map(|(path, handler)| (*path, Rc::clone(handler)))
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.methods.keys()).finish()
    }
}
