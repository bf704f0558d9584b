//! The listener of the default address after its directory was removed.
//!
//! Owns when it is created again: logind removes `XDG_RUNTIME_DIR` with the user's last session,
//! and makes an empty one at the next login. It never touches an address that was chosen.

use std::future::Future;

use smol::future::or;

use crate::address::Address;
use crate::clock::Clock;
use crate::net::default_address::{Environment, prepare_default_address};
use crate::net::directory;
use crate::net::listen::{self, Listener, SocketOptions};
use crate::net::lost_file::{lost, once_back};

/// What it takes to create the socket again.
#[derive(Debug, Clone)]
pub(super) struct DefaultSocket {
    pub(super) environment: Environment,
    pub(super) options: SocketOptions,
    /// Also in a directory that is unsafe.
    pub(super) insecure: bool,
}

impl DefaultSocket {
    /// Accepts for as long as the task lives, from one listener after the other.
    pub(super) async fn accept<C: Clock, F: Future<Output = ()>>(
        self,
        mut listener: Listener,
        clock: C,
        accept: impl Fn(Listener) -> F,
    ) {
        let mut settling = false;
        loop {
            let Some(place) = listener.place() else {
                return accept(listener).await;
            };
            // The listener is dropped with the future: it closes before another one opens.
            or(accept(listener), lost(&place, settling, &clock)).await;
            let socket = place.path().display();
            tracing::warn!(%socket, "the socket was removed; waiting for its directory");
            let directory = place.path().parent().unwrap_or(place.path());
            listener = once_back(directory, &clock, async || self.bind().await).await;
            tracing::info!(%socket, "listening again");
            settling = true;
        }
    }

    async fn bind(&self) -> Option<Listener> {
        let address = prepare_default_address(&self.environment).ok()?;
        let Address::Unix(path) = &address else {
            return None;
        };
        let risk = directory::find_unsafe(path, self.environment.uid).ok()?;
        if risk.is_some() && !self.insecure {
            return None;
        }
        listen::bind(&address, &self.options).await.ok()?.pop()
    }
}
