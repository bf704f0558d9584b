//! PINGs of a client, to learn whether its peer is still there (RFC 9113, section 6.7).
//!
//! Owns one PING and its answer. It never decides when to send one or what silence means.

use h2::{Ping, PingPong};

/// Sends PINGs on a connection. They make progress only while the connection is polled.
#[derive(Debug)]
pub struct Pings(pub(super) PingPong);

impl Pings {
    /// Sends a PING and waits for its answer. One at a time: dropping the future before its end spoils
    /// the next.
    ///
    /// # Errors
    ///
    /// [`Http2`](super::GrpcError::Http2) if the connection has ended.
    pub async fn round_trip(&mut self) -> Result<(), super::GrpcError> {
        self.0.ping(Ping::opaque()).await?;
        Ok(())
    }
}
