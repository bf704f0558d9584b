//! Which handler answers which method.
//!
//! Owns the table from `/package.Service/Method` to handlers, and what a handler is told about its
//! call. It never touches a connection.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Instant;

use http::HeaderMap;
use prost::Message;

use crate::grpc::rules::head::Rejection;
use crate::grpc::rules::status::Status;
use crate::grpc::server::exchange::Exchange;
use crate::net::peer::Peer;

/// What a handler knows about its call besides the messages.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who calls.
    pub peer: Rc<Peer>,
    /// Which method, as `/package.Service/Method`.
    pub method: &'static str,
    /// The headers of the request, those of the protocol included. They are not counted as memory of the
    /// call once its first message has come, so a handler that waits after that drops them first.
    pub metadata: HeaderMap,
    /// When the caller stops waiting. The handler is dropped then; it need not look.
    pub deadline: Option<Instant>,
}

type HandlerFuture = Pin<Box<dyn Future<Output = Result<(), Status>>>>;
type Handler = Rc<dyn Fn(Context, Exchange) -> HandlerFuture>;

/// The methods that a server knows.
#[derive(Default)]
pub struct Router {
    methods: HashMap<&'static str, Handler>,
    pages: HashMap<&'static str, &'static str>,
}

impl Router {
    /// A router that knows no method.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a method that takes one message and answers with one. `path` is
    /// `/package.Service/Method`; a second handler for it replaces the first.
    ///
    /// The handler's future is dropped when the call is cancelled or its deadline passes. A panic in it
    /// ends that call with `INTERNAL` and nothing else.
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

    /// Adds a method that takes and answers with any number of messages. As for the rest it is like
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

    /// Answers requests that are not gRPC with this text, at this path, where they would be refused
    /// otherwise. No gate is asked: everybody who may connect can read it.
    pub fn page(&mut self, path: &'static str, text: &'static str) {
        self.pages.insert(path, text);
    }

    /// The full names of the services that have methods here.
    #[must_use]
    pub fn services(&self) -> BTreeSet<&'static str> {
        self.methods
            .keys()
            .filter_map(|path| path.strip_prefix('/')?.split('/').next())
            .collect()
    }

    /// The method at exactly this path.
    pub(super) fn find(&self, path: &str) -> Option<(&'static str, Handler)> {
        self.methods
            .get_key_value(path)
            .map(|(path, handler)| (*path, Rc::clone(handler)))
    }

    /// The text for a request that was refused like this.
    pub(super) fn find_page(&self, rejection: &Rejection, path: &str) -> Option<&'static str> {
        match rejection {
            Rejection::Method | Rejection::ContentType => self.pages.get(path).copied(),
            Rejection::Te
            | Rejection::Timeout(_)
            | Rejection::Repeated(_)
            | Rejection::Encoding => None,
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.methods.keys()).finish()
    }
}
