//! The wrapped process and the signals around it, as the kernel has them.
//!
//! Owns spawning, signalling and waiting, the wrapper's own signal handlers, and orphans. It never
//! decides anything: that is the work of `lifecycle`.

pub mod child;
pub mod exec_stub;
mod fd_channel;
pub mod pidfd;
pub mod reactor;
pub mod reaper;
pub mod self_process;
pub mod sentinel;
pub mod signals;
mod unregistered;
