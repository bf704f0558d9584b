//! What one peer may take of us.
//!
//! Owns the numbers, and with each one the reason for it. It never enforces them.

use std::time::Duration;

/// Connections at once where descriptors are no obstacle. What each can pin is bounded by the other limits.
pub const MAX_CONNECTIONS: usize = 1000;

/// Descriptors that connections leave to everything else: the log, the child, its pidfd, webhooks.
pub const RESERVED_DESCRIPTORS: u64 = 64;

/// Connections that are taken however few descriptors there are; whoever is out of them is told by
/// `accept`.
pub const MIN_CONNECTIONS: usize = 8;

/// Connections beyond the limit, while as many others are on their way out to make place for them.
pub const MAX_LEAVING: usize = 16;

/// The limits of a server and its connections. The defaults fit a control API: small messages, few of
/// them at once.
///
/// h2's own defaults fit a web server: with them, 4.8 MB sent by a peer pinned 336 MiB on one
/// connection; with these, 2.4 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. For one more, one without calls goes, those first that never made any; if none
    /// is idle, the new one is closed.
    pub max_connections: usize,
    /// Calls at once on a connection. More are refused, and nothing ran for them, so that clients may
    /// try again (RFC 9113, section 8.7).
    pub max_concurrent_streams: u32,
    /// Bytes of a header list, counted as in RFC 9113, section 6.5.2. Together with the number of
    /// streams it bounds what an HPACK bomb or a CONTINUATION flood can pin.
    pub max_header_list: u32,
    /// Bytes that the calls of a connection may pin whatever others do: twenty of them, or one with the
    /// longest headers. An estimate that is high rather than low: of headers and messages that are not
    /// through yet, and of each call.
    pub own_memory: usize,
    /// Bytes that the calls of all connections may pin together beyond that; 10,000 that wait for a state
    /// fit in. A call for which there is no room is refused with `RESOURCE_EXHAUSTED`.
    pub shared_memory: usize,
    /// Bytes of a message, sent or received, without its prefix. Ours are far smaller.
    pub max_message: usize,
    /// Bytes that a peer may send on a stream before its call has read them.
    pub stream_window: u32,
    /// Bytes that a peer may send on a connection before its calls have read them; the most that unread
    /// bodies can pin. It is the least that HTTP/2 allows (RFC 9113, section 6.9.2).
    pub connection_window: u32,
    /// Bytes of answers that wait in a stream for the socket. A handler that streams is held back when
    /// they are reached, so a slow reader costs no more than this beyond what is counted as memory.
    pub max_send_buffer: usize,
    /// What unread DATA frames may cost beyond their bytes: h2 counts 256 for each, less its length.
    /// It holds all single-byte frames of one `read_budget`, so that no way to cut a message is punished.
    pub data_frame_budget: usize,
    /// Streams that a peer may reset before we have seen them; the connection ends beyond it
    /// (CVE-2023-44487, rapid reset). On a busy machine a client may give up all of its calls before they
    /// were read, so it is no less than `max_concurrent_streams`.
    pub max_pending_accept_resets: usize,
    /// Streams that we may have to reset for a peer's mistakes; the connection ends beyond it
    /// (CVE-2025-8671, `MadeYouReset`). Refused streams count too, and clients exist that open 100 before
    /// they have read our settings: it must stay above that.
    pub max_local_error_resets: usize,
    /// Frames without progress that a peer may send at once; see [`flood`](crate::grpc::rules::token_bucket).
    pub flood_burst: u32,
    /// Frames without progress that a peer may send in a second, for as long as it likes. A thousand
    /// cost about a millisecond of a processor.
    pub flood_rate: u32,
    /// The time from the acceptance of a connection to the end of the client's SETTINGS. Silent sockets
    /// would stay forever.
    pub handshake_timeout: Duration,
    /// The time that a connection may stay without a call. Pings do not count, or hoarding would be cheap.
    pub idle_timeout: Duration,
    /// The time that a peer may leave us with something to write and no room for it: in the socket,
    /// which ends the connection, or in a stream's window, which ends the call.
    pub write_timeout: Duration,
    /// The time without a byte from the peer after which it is asked for one by a PING. A client that waits
    /// for hours may have vanished without a word.
    pub keepalive_interval: Duration,
    /// The time that the peer has for any byte after that PING.
    pub keepalive_timeout: Duration,
    /// The age at which a connection is told to leave. It may be up to an eighth less, so that
    /// connections that came together do not come back together.
    pub max_age: Duration,
    /// The time that calls have after that before they end with `UNAVAILABLE`. Clients open a new
    /// connection and call again.
    pub age_grace: Duration,
    /// The time that an idle connection has from our GOAWAY to the peer's acknowledgement of it. A wrapper
    /// that leaves must not wait longer for peers that nothing is owed to.
    pub goodbye_timeout: Duration,
    /// The time that a connection has left, after its calls were ended or it was told to close at once,
    /// to write its last frames.
    pub close_timeout: Duration,
    /// Bytes that a connection may read before other tasks run. Without it a peer that keeps the socket
    /// full with frames keeps the executor, and with it every other timer and connection.
    pub read_budget: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: MAX_CONNECTIONS,
            max_concurrent_streams: 64,
            max_header_list: 16 * 1024,
            own_memory: 128 * 1024,
            shared_memory: 64 * 1024 * 1024,
            max_message: 64 * 1024,
            stream_window: 64 * 1024 - 1,
            connection_window: 64 * 1024 - 1,
            max_send_buffer: 4 * 1024,
            data_frame_budget: 2 * 1024 * 1024,
            max_pending_accept_resets: 64,
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
            goodbye_timeout: Duration::from_millis(200),
            close_timeout: Duration::from_secs(1),
            read_budget: 16 * 1024,
        }
    }
}

/// How many connections each of some servers may have, so that all fit into this many descriptors (the
/// soft `RLIMIT_NOFILE`; None: unlimited).
#[must_use]
pub fn connections_for(descriptors: Option<u64>, servers: usize) -> usize {
    let free = descriptors.map_or(u64::MAX, |all| all.saturating_sub(RESERVED_DESCRIPTORS));
    let free = usize::try_from(free).unwrap_or(usize::MAX);
    // The reserve covers one server's newcomers.
    let others = servers.saturating_sub(1).saturating_mul(MAX_LEAVING);
    (free.min(MAX_CONNECTIONS).saturating_sub(others) / servers.max(1))
        .clamp(MIN_CONNECTIONS, MAX_CONNECTIONS)
}

/// How many descriptors servers need that have so many connections each.
#[must_use]
pub fn descriptors_for(connections: usize, servers: usize) -> u64 {
    let each = connections.saturating_mul(servers);
    let newcomers = servers.saturating_sub(1).saturating_mul(MAX_LEAVING);
    let all = u64::try_from(each.saturating_add(newcomers)).unwrap_or(u64::MAX);
    all.saturating_add(RESERVED_DESCRIPTORS)
}

/// How many connections each of some servers may be given with this many descriptors.
#[must_use]
pub fn most_connections(descriptors: u64, servers: usize) -> usize {
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
    fn no_way_to_cut_a_message_into_data_frames_is_punished() {
        let limits = Limits::default();
        // A frame of one byte is ten bytes on the wire and costs 255.
        assert!(limits.read_budget / 10 * 255 <= limits.data_frame_budget);
    }
}
