//! Compiles the protocol definitions, and asks the linker for a smaller release binary where it can
//! make one.
//!
//! `protox` parses the definitions, so no `protoc` is needed to build.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

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
    println!("cargo:rerun-if-env-changed=RUSTFLAGS");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        for argument in smaller(&out)? {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
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

/// What makes the binary smaller and works here: with this linker, this C library, these flags.
fn smaller(out: &Path) -> std::io::Result<Vec<&'static str>> {
    // lld, which is Rust's default on x86_64 from 1.90 on, keeps one of functions that are the
    // same.
    let mut wanted = vec!["-Wl,--icf=all"];
    // A static binary relocates itself; a dynamic one would then need a C library from 2022 on
    // (glibc 2.36) wherever it is run.
    if is_static() {
        wanted.push("-Wl,-z,pack-relative-relocs");
    }
    let probe = out.join("probe.rs");
    std::fs::write(&probe, "fn main() { println!(\"it runs\"); }\n")?;
    wanted.retain(|argument| runs(&probe, argument));
    Ok(wanted)
}

/// Whether the C library is linked statically. Where that is the default, as with musl, Cargo does
/// not say so.
fn is_static() -> bool {
    let variable = |name| env::var(name).unwrap_or_default();
    let asked = variable("CARGO_CFG_TARGET_FEATURE");
    let refused = variable("CARGO_ENCODED_RUSTFLAGS").contains("-crt-static");
    asked.split(',').any(|feature| feature == "crt-static")
        || (variable("CARGO_CFG_TARGET_ENV") == "musl" && !refused)
}

/// Whether a program that is linked with `argument` can be linked, and runs. Never in a cross
/// build.
fn runs(probe: &Path, argument: &str) -> bool {
    let variable = |name| env::var(name).unwrap_or_default();
    let program = probe.with_extension("bin");
    let mut compile = Command::new(variable("RUSTC"));
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    compile.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        compile.arg(format!("-Clinker={linker}"));
    }
    compile.args(["--edition=2024", "--target", &variable("TARGET"), "-o"]);
    compile.arg(&program).arg(probe);
    compile.arg(format!("-Clink-arg={argument}"));
    let succeeds =
        |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    succeeds(&mut compile) && succeeds(&mut Command::new(&program))
}
