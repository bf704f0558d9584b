//! What one peer may take of us.
//!
//! Owns the numbers and the reason for each. It never enforces them.

use std::time::Duration;

/// Maximum connections where descriptors are no obstacle. The other limits bound each of them.
pub const MAX_CONNECTIONS: usize = 1000;

/// Descriptors that connections leave to the log, the child, its pidfd and webhooks.
pub const RESERVED_DESCRIPTORS: u64 = 64;

/// Connections that are taken however few descriptors there are; `accept` reports a shortage.
pub const MIN_CONNECTIONS: usize = 8;

/// Connections beyond the maximum, while as many evicted ones close.
pub const MAX_EVICTING: usize = 16;

/// Those of them that a listener with [`Limits::evict_calls`] keeps for peers without a connection:
/// one peer that connects in a loop cannot take them from a probe.
pub const KEPT_FOR_NEW_PEERS: usize = 8;

/// The limits of a server and its connections. The defaults fit a control API: few small messages.
///
/// h2's own defaults fit a web server: with them, 4.8 MB from a peer pinned 336 MiB on one
/// connection; with these, 2.4 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum connections. When full, an idle one is evicted, first one that never made a call;
    /// if none is idle, the new one is closed, unless [`evict_calls`](Self::evict_calls) is set.
    pub max_connections: usize,
    /// Whether the oldest connection is evicted with its calls if the server is full: on health
    /// listeners, where a call only watches.
    pub evict_calls: bool,
    /// Maximum calls in flight on a connection. More are refused before they run, so that clients
    /// may retry (RFC 9113, section 8.7).
    ///
    /// RFC 9113, section 6.5.2, recommends at least 100.
    pub max_concurrent_streams: u32,
    /// Maximum calls of a connection that wait for an event. Below `max_concurrent_streams`, so
    /// that a shutdown always finds a stream. More are refused with `RESOURCE_EXHAUSTED`.
    pub max_waits: usize,
    /// Bytes of a header list, counted as in RFC 9113, section 6.5.2. Together with the number of
    /// streams it bounds what an HPACK bomb or a CONTINUATION flood can pin. A longer list ends its
    /// call with `RESOURCE_EXHAUSTED`.
    pub max_header_list: u32,
    /// The same for h2, which announces it as `SETTINGS_MAX_HEADER_LIST_SIZE` and answers a longer
    /// list with HTTP status 431: above `max_header_list`, so that clients get a gRPC status. An
    /// unfinished list of this size is beside the memory budget.
    pub max_announced_header_list: u32,
    /// Memory budget of each connection, in bytes: twenty calls, or one with the longest headers.
    /// A high estimate of each call, its headers, and its messages in flight.
    pub connection_memory: usize,
    /// Memory budget that all connections share beyond their own, in bytes: 10,000 calls that wait
    /// for a state. A call beyond it is refused with `RESOURCE_EXHAUSTED`.
    pub shared_memory: usize,
    /// Bytes of a message, sent or received, without its prefix. Ours are far smaller.
    pub max_message: usize,
    /// Bytes that a peer may send on a stream before its call has read them.
    pub stream_window: u32,
    /// Bytes that a peer may send on a connection before its calls have read them: the most that
    /// unread bodies pin. The least that HTTP/2 allows (RFC 9113, section 6.9.2).
    pub connection_window: u32,
    /// Bytes of answers that wait in a stream for the socket. Then the handler waits, so a slow
    /// reader costs no more than this beyond its memory budget.
    pub max_send_buffer: usize,
    /// Overhead of unread DATA frames in bytes: h2 counts 256 for each, less its length. Enough for
    /// all single-byte frames of one `read_budget`, so that any split of a message passes.
    pub data_frame_budget: usize,
    /// Streams that a peer may reset before we have seen them; beyond it the connection ends
    /// (CVE-2023-44487, rapid reset). At least `max_concurrent_streams`: on a busy machine a client
    /// may give up all of its calls before we read them.
    pub max_pending_accept_resets: usize,
    /// Streams that we may have to reset for a peer's mistakes; beyond it the connection ends
    /// (CVE-2025-8671, `MadeYouReset`). Above 100: refused streams count too, and some clients open
    /// 100 before they have read our settings.
    pub max_local_error_resets: usize,
    /// Frames without progress that a peer may send at once: the
    /// [token bucket](crate::grpc::rules::token_bucket)'s capacity.
    pub flood_burst: u32,
    /// Frames without progress that a peer may send per second, forever. A thousand cost about a
    /// millisecond of a processor.
    pub flood_rate: u32,
    /// From the acceptance of a connection to the end of the client's SETTINGS.
    pub handshake_timeout: Duration,
    /// How long a connection may stay without a call. Pings do not count.
    pub idle_timeout: Duration,
    /// How long a peer may leave no room for a write: in the socket, which ends the connection, or
    /// in a stream's window, which ends the call.
    pub write_timeout: Duration,
    /// Time without a byte from the peer after which we send a PING: a client that waits for hours
    /// may have vanished.
    pub keepalive_interval: Duration,
    /// How long the peer has to send any byte after that PING.
    pub keepalive_timeout: Duration,
    /// The age at which a connection gets GOAWAY, less a jitter of up to an eighth, so that
    /// connections that came together do not reconnect together.
    pub max_age: Duration,
    /// How long calls in flight have after that GOAWAY before they end with `UNAVAILABLE`.
    pub age_grace: Duration,
    /// How long an idle connection has to acknowledge our GOAWAY. A wrapper that leaves does not
    /// wait longer.
    pub goaway_timeout: Duration,
    /// How long a connection has to write its last frames.
    pub close_timeout: Duration,
    /// Bytes that a connection may read before other tasks run. Without it a peer that keeps the
    /// socket full would starve every timer and every other connection.
    pub read_budget: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: MAX_CONNECTIONS,
            evict_calls: false,
            max_concurrent_streams: 128,
            max_waits: 100,
            max_header_list: 16 * 1024,
            max_announced_header_list: 32 * 1024,
            connection_memory: 128 * 1024,
            shared_memory: 64 * 1024 * 1024,
            max_message: 64 * 1024,
            stream_window: 64 * 1024 - 1,
            connection_window: 64 * 1024 - 1,
            max_send_buffer: 2 * 1024,
            data_frame_budget: 2 * 1024 * 1024,
            max_pending_accept_resets: 128,
            max_local_error_resets: 128,
            flood_burst: 2000,
            flood_rate: 1000,
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5 * 60),
            write_timeout: Duration::from_secs(20),
            keepalive_interval: Duration::from_secs(2 * 60),
            keepalive_timeout: Duration::from_secs(20),
            max_age: Duration::from_secs(12 * 60 * 60),
            age_grace: Duration::from_secs(30),
            goaway_timeout: Duration::from_millis(200),
            close_timeout: Duration::from_secs(1),
            read_budget: 16 * 1024,
        }
    }
}

/// The default maximum of connections of each of `servers` servers, with this many descriptors
/// (the soft `RLIMIT_NOFILE`; `None`: unlimited).
#[must_use]
pub fn connections_for(descriptors: Option<u64>, servers: usize) -> usize {
    let free = descriptors.map_or(u64::MAX, |all| all.saturating_sub(RESERVED_DESCRIPTORS));
    let free = usize::try_from(free).unwrap_or(usize::MAX);
    // The reserve covers the evicted connections of one server.
    let evicting = servers.saturating_sub(1).saturating_mul(MAX_EVICTING);
    (free.min(MAX_CONNECTIONS).saturating_sub(evicting) / servers.max(1))
        .clamp(MIN_CONNECTIONS, MAX_CONNECTIONS)
}

/// The descriptors that servers of this many connections each need.
#[must_use]
pub fn descriptors_for(connections: usize, servers: usize) -> u64 {
    let serving = connections.saturating_mul(servers);
    let evicting = servers.saturating_sub(1).saturating_mul(MAX_EVICTING);
    let all = u64::try_from(serving.saturating_add(evicting)).unwrap_or(u64::MAX);
    all.saturating_add(RESERVED_DESCRIPTORS)
}

/// The most connections that each server can have with this many descriptors.
#[must_use]
pub fn max_connections_for(descriptors: u64, servers: usize) -> usize {
    let free = descriptors.saturating_sub(descriptors_for(0, servers));
    usize::try_from(free).unwrap_or(usize::MAX) / servers.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_follow_the_descriptors() {
        for (descriptors, servers, connections) in [
            (None, 1, MAX_CONNECTIONS),
            (Some(1_048_576), 1, MAX_CONNECTIONS),
            (Some(1024), 1, 960),
            (Some(1024), 2, 472),
            (Some(1024), 3, 309),
            (None, 4, 238),
            (Some(100), 1, 36),
            (Some(64), 1, MIN_CONNECTIONS),
            (Some(0), 1, MIN_CONNECTIONS),
            (Some(1024), 100, MIN_CONNECTIONS),
            (Some(1024), 0, 960),
        ] {
            let found = connections_for(descriptors, servers);
            assert_eq!(found, connections, "{descriptors:?} {servers}");
        }
    }

    #[test]
    fn any_split_of_a_message_into_data_frames_passes() {
        let limits = Limits::default();
        // A frame of one byte takes ten bytes on the wire and costs 255.
        assert!(limits.read_budget / 10 * 255 <= limits.data_frame_budget);
    }
}
