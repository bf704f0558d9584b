//! The wrapped process and the signals around it, as the kernel has them.
//!
//! Owns spawning, signalling and waiting, the wrapper's own signal handlers, and orphans. It never
//! decides anything: that is the work of `lifecycle`.

pub mod child;
pub mod gate;
mod line;
pub mod own;
pub mod reactor;
pub mod reaper;
pub mod sentinel;
pub mod signals;
