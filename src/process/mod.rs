//! Processes and signals at the level of the kernel.
//!
//! Owns spawning, signalling and waiting, the wrapper's own signal handlers, and the reaping of
//! orphans. It never decides anything: `lifecycle` does.

pub mod child;
pub mod exec_stub;
mod fd_channel;
pub mod pidfd;
mod program;
pub mod reactor;
pub mod reaper;
pub mod remedy;
pub mod self_process;
pub mod sentinel;
pub mod signals;
mod spawn_error;
pub mod streams;
pub mod terminal;
mod unregistered;
