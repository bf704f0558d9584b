//! Listening and connecting, on real sockets and files.

#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
mod authority;
#[cfg(test)]
mod files;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tcp;
