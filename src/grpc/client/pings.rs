//! PINGs of a client, to check that its peer is alive (RFC 9113, section 6.7).
//!
//! Owns one PING and its acknowledgement. It never decides when to send one, or how long to wait.

use h2::{Ping, PingPong};

/// Sends PINGs on a connection. They make progress only while the connection is polled.
#[derive(Debug)]
pub struct Pings(pub(super) PingPong);

impl Pings {
    /// Sends a PING and waits for its acknowledgement. Dropping the future before its end breaks
    /// the next call.
    ///
    /// # Errors
    ///
    /// [`Http2`](super::GrpcError::Http2) if the connection has ended.
    pub async fn round_trip(&mut self) -> Result<(), super::GrpcError> {
        self.0.ping(Ping::opaque()).await?;
        Ok(())
    }
}
