//! Compiles the protocol definitions, and finds linker arguments for a smaller release binary.
//!
//! `protox` parses the definitions, so the build needs no `protoc`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: &[&str] = &[
    "proto/process_wrapper/v1/process_wrapper.proto",
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
    for (name, value) in facts() {
        println!("cargo:rustc-env=BUILD_{name}={value}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        for argument in size_arguments(&out)? {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
    // Reflection serves the descriptors from which the messages are generated.
    std::fs::write(
        out.join("descriptors.bin"),
        prost::Message::encode_to_vec(&descriptors),
    )?;
    prost_build::Config::new()
        .include_file("protocol.rs")
        // The same messages under another name share one set of types.
        .extern_path(
            ".grpc.reflection.v1alpha",
            "crate::pb::grpc::reflection::v1",
        )
        // `Bytes`, because each answer shares the descriptors.
        .bytes([".grpc.reflection.v1.FileDescriptorResponse"])
        .compile_fds(descriptors)?;
    Ok(())
}

/// What `--version` tells about the build.
fn facts() -> [(&'static str, String); 5] {
    let variable = |name| env::var(name).unwrap_or_default();
    let libc = match (variable("CARGO_CFG_TARGET_ENV").as_str(), is_static()) {
        ("gnu", true) => "glibc, static".to_owned(),
        ("gnu", false) => "glibc".to_owned(),
        (name, true) => format!("{name}, static"),
        (name, false) => name.to_owned(),
    };
    let features = ["monitor", "tls", "webhooks"]
        .into_iter()
        .filter(|name| env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase())).is_some());
    [
        ("COMMIT", commit().unwrap_or_default()),
        ("TARGET", variable("TARGET")),
        ("LIBC", libc),
        ("PROFILE", variable("PROFILE")),
        ("FEATURES", features.collect::<Vec<_>>().join(" ")),
    ]
}

/// The commit of a release build: of the checkout, or the variable's value where there is none. A
/// debug build has none, so that a commit rebuilds nothing.
fn commit() -> Option<String> {
    const VARIABLE: &str = "PROCESS_WRAPPER_COMMIT";
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    if let Ok(commit) = env::var(VARIABLE) {
        return Some(commit);
    }
    // The folder of an unpacked release may lie in another project's repository.
    if env::var("PROFILE").is_ok_and(|profile| profile != "release") || !Path::new(".git").exists()
    {
        return None;
    }
    // In a linked worktree `.git` is a file; cargo takes a path that does not exist for changed.
    if Path::new(".git/logs/HEAD").exists() {
        println!("cargo:rerun-if-changed=.git/logs/HEAD");
    }
    let arguments = ["rev-parse", "--short=12", "HEAD"];
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The arguments that work here: with this linker, this C library, and these flags.
fn size_arguments(out: &Path) -> std::io::Result<Vec<&'static str>> {
    // lld, Rust's default on x86_64 since 1.90, merges identical functions.
    let mut arguments = vec!["-Wl,--icf=all"];
    // A static binary relocates itself. A dynamic one would need glibc 2.36 of 2022 or later at run
    // time.
    if is_static() {
        arguments.push("-Wl,-z,pack-relative-relocs");
    }
    let probe = out.join("probe.rs");
    std::fs::write(&probe, "fn main() { println!(\"it runs\"); }\n")?;
    arguments.retain(|argument| runs(&probe, argument));
    Ok(arguments)
}

/// Whether the C library is linked statically. Cargo does not report it where it is the default, as
/// with musl.
fn is_static() -> bool {
    let variable = |name| env::var(name).unwrap_or_default();
    let features = variable("CARGO_CFG_TARGET_FEATURE");
    let disabled = variable("CARGO_ENCODED_RUSTFLAGS").contains("-crt-static");
    features.split(',').any(|feature| feature == "crt-static")
        || (variable("CARGO_CFG_TARGET_ENV") == "musl" && !disabled)
}

/// Whether a program links with `argument` and runs. Never in a cross build.
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
