//! The calls of one connection that wait for an event.
//!
//! Owns their limit, which is below that of streams: however many calls of a connection wait, a
//! stream is left for a call that does not, such as a shutdown. It never ends a call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use smol::future::poll_once;

use crate::grpc::rules::status::{Code, Status};
use crate::grpc::server::in_flight::InFlight;

/// Where the calls of a connection register before they wait.
#[derive(Clone)]
pub struct Waits {
    in_flight: Rc<InFlight>,
    max: usize,
}

impl Waits {
    pub(super) const fn new(in_flight: Rc<InFlight>, max: usize) -> Self {
        Self { in_flight, max }
    }

    /// Counts a call among those that wait, for as long as the guard lives.
    ///
    /// # Errors
    ///
    /// `RESOURCE_EXHAUSTED` with [`Limits::max_waits`](super::Limits) such calls on the connection.
    pub fn begin(&self) -> Result<WaitGuard, Status> {
        if self.in_flight.start_wait(self.max) {
            Ok(WaitGuard(Rc::clone(&self.in_flight)))
        } else {
            Err(Status::new(
                Code::ResourceExhausted,
                format!(
                    "{} calls wait on this connection already, which is the limit; share a wait, \
                     or open another connection",
                    self.max
                ),
            ))
        }
    }

    /// The output of `event`. An event that has already happened needs no place.
    ///
    /// # Errors
    ///
    /// Those of [`begin`](Self::begin).
    pub async fn until<T>(
        &self,
        mut event: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Status> {
        if let Some(happened) = poll_once(event.as_mut()).await {
            return Ok(happened);
        }
        let _waiting = self.begin()?;
        Ok(event.await)
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Waits")
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

/// Counts a call that waits.
pub struct WaitGuard(Rc<InFlight>);

impl Drop for WaitGuard {
    fn drop(&mut self) {
        self.0.end_wait();
    }
}
