//! What one peer may take of us.
//!
//! Owns the numbers, and with each one the reason for it. It never enforces them.

use std::time::Duration;

/// The limits of a connection. The defaults fit a control API: small messages, few of them at once.
///
/// h2's own defaults fit a web server: with them, 4.8 MB sent by a peer pinned 336 MiB on one
/// connection; with these, 2.4 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once on a connection. More are refused, and nothing ran for them, so that clients may
    /// try again (RFC 9113, section 8.7).
    pub max_concurrent_streams: u32,
    /// Bytes of a header list, counted as in RFC 9113, section 6.5.2. Together with the number of
    /// streams it bounds what an HPACK bomb or a CONTINUATION flood can pin.
    pub max_header_list: u32,
    /// Bytes of a message, sent or received, without its prefix. Ours are far smaller.
    pub max_message: usize,
    /// Bytes that a peer may send on a stream before its call has read them.
    pub stream_window: u32,
    /// Bytes that a peer may send on a connection before its calls have read them; the most that unread
    /// bodies can pin.
    pub connection_window: u32,
    /// Bytes of answers that wait in a stream for the socket. A handler that streams is held back when
    /// they are reached, so a slow reader costs no more than this.
    pub max_send_buffer: usize,
    /// Streams that a peer may reset before we have seen them; the connection ends beyond it
    /// (CVE-2023-44487, rapid reset).
    pub max_pending_accept_resets: usize,
    /// Streams that we may have to reset for a peer's mistakes; the connection ends beyond it
    /// (CVE-2025-8671, `MadeYouReset`). Refused streams count too, and clients exist that open 100 before
    /// they have read our settings: it must stay above that.
    pub max_local_error_resets: usize,
    /// The time from the start of a connection to the start of the client's SETTINGS. Silent sockets
    /// would stay forever.
    pub handshake_timeout: Duration,
    /// The time that a connection has left, after it was told to close at once, to write its last
    /// frames.
    pub close_timeout: Duration,
    /// Bytes that a connection may read before other tasks run. Without it a peer that keeps the socket
    /// full with frames keeps the executor, and with it every other timer and connection.
    pub read_budget: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 64,
            max_header_list: 16 * 1024,
            max_message: 64 * 1024,
            stream_window: 64 * 1024,
            connection_window: 1024 * 1024,
            max_send_buffer: 64 * 1024,
            max_pending_accept_resets: 20,
            max_local_error_resets: 128,
            handshake_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(1),
            read_budget: 64 * 1024,
        }
    }
}
