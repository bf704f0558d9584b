//! The generated messages of the wire contracts.
//!
//! Owns the modules that `build.rs` generates and the descriptors they came from. It never decides
//! what a message means; that is done where the message is received.

#![allow(missing_docs, clippy::all)]

include!(concat!(env!("OUT_DIR"), "/protocol.rs"));

/// The serialized `google.protobuf.FileDescriptorSet` of every contract we serve, imports included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
