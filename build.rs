//! Compiles the protocol definitions. `protox` parses them, so no `protoc` is needed to build.

use std::path::PathBuf;

const SOURCES: &[&str] = &[
    "proto/process_wrapper.proto",
    "proto/gitlab_runner_wrapper.proto",
    "proto/grpc/health/v1/health.proto",
    "proto/grpc/reflection/v1/reflection.proto",
    "proto/grpc/reflection/v1alpha/reflection.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    let descriptors = protox::compile(SOURCES, ["proto"])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    // Reflection serves exactly what the messages were generated from.
    std::fs::write(
        out.join("descriptors.bin"),
        prost::Message::encode_to_vec(&descriptors),
    )?;
    prost_build::Config::new()
        .include_file("protocol.rs")
        // The same messages under another name: one set of types does for both.
        .extern_path(
            ".grpc.reflection.v1alpha",
            "crate::pb::grpc::reflection::v1",
        )
        // Descriptors are handed out again and again.
        .bytes([".grpc.reflection.v1.FileDescriptorResponse"])
        .compile_fds(descriptors)?;
    Ok(())
}
