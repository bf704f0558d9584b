//! The listener of the default address after its directory was removed.
//!
//! Owns when it is created again: logind removes `XDG_RUNTIME_DIR` with the user's last session,
//! and makes an empty one at the next login. It never touches an address that was chosen.

use std::future::Future;
use std::io;

use smol::future::or;

use crate::address::Address;
use crate::clock::Clock;
use crate::net::default_address::{DefaultAddressError, Environment, prepare_default_address};
use crate::net::directory::{self, UnsafeDirectory};
use crate::net::listen::{self, BindError, Listener, SocketOptions};
use crate::net::lost_file::{lost, once_back};

/// Why the socket is not back.
#[derive(Debug, thiserror::Error)]
enum RebindError {
    #[error(transparent)]
    Address(#[from] DefaultAddressError),
    #[error(transparent)]
    Unsafe(#[from] UnsafeDirectory),
    #[error("cannot inspect the directories of the socket: {0}")]
    Inspect(#[from] io::Error),
    #[error(transparent)]
    Bind(#[from] BindError),
}

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
            listener = once_back(place.path(), &clock, async || self.bind().await).await;
            tracing::info!(%socket, "listening again");
            settling = true;
        }
    }

    async fn bind(&self) -> Result<Listener, RebindError> {
        let address = prepare_default_address(&self.environment)?;
        if let Address::Unix(path) = &address
            && !self.insecure
            && let Some(risk) = directory::find_unsafe(path, self.environment.uid)?
        {
            return Err(risk.into());
        }
        let mut listeners = listen::bind(&address, &self.options).await?;
        Ok(listeners.pop().ok_or(BindError::NoAddress(address))?)
    }
}
