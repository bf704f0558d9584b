//! The generated messages of the wire contracts.
//!
//! Owns the modules that `build.rs` generates, and their descriptors. It never interprets a
//! message.

#![allow(missing_docs, clippy::all)]

include!(concat!(env!("OUT_DIR"), "/protocol.rs"));

/// The serialized `google.protobuf.FileDescriptorSet` of every contract and its imports.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
