//! Listening and connecting, on real sockets and files.

#[cfg(test)]
#[path = "sockets/authority.rs"]
mod authority;
#[cfg(test)]
#[path = "sockets/files.rs"]
mod files;
#[cfg(test)]
#[path = "sockets/place.rs"]
mod place;
#[cfg(test)]
#[path = "sockets/tcp.rs"]
mod tcp;
