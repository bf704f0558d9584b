//! Small trees that break one rule each, and some that break none.
//!
//! Owns the proof that the check can fail, and that it fails for the reason that it names.

use std::collections::BTreeMap;

use crate::check;

/// Judges a tree, given as paths and texts; each file gets an opening comment on its first line.
fn breaks(files: &[(&str, &str)]) -> Vec<String> {
    let files: BTreeMap<String, String> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), format!("//! A file.\n{text}")))
        .collect();
    check::breaks(&files)
}

#[track_caller]
fn assert_breaks(files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(breaks(files), expected);
}

#[test]
fn imports_that_point_downward_or_sideways_pass() {
    assert_breaks(
        &[
            (
                "src/lib.rs",
                "pub mod cli; pub mod supervisor; pub mod signal; pub mod human_duration;",
            ),
            (
                "src/cli/mod.rs",
                "mod run;\nuse run::Run;\nuse argh::FromArgs;",
            ),
            (
                "src/cli/run.rs",
                "use super::Shared;\nuse crate::{signal::Signal, supervisor};",
            ),
            ("src/supervisor.rs", "use crate::signal::{self, Signal};"),
            (
                "src/signal.rs",
                "use std::time::{Duration, Instant};\nuse std::net::SocketAddr;",
            ),
            ("src/human_duration.rs", "use super::signal::Signal;"),
            ("src/main.rs", "fn main() { process_wrapper::cli::main(); }"),
        ],
        &[],
    );
}

#[test]
fn an_import_that_points_upward_breaks() {
    assert_breaks(
        &[
            ("src/net/mod.rs", "mod tcp;"),
            (
                "src/net/tcp.rs",
                "use crate::{signal, service::{control, health::Health}};",
            ),
            ("src/signal.rs", ""),
            ("src/service/mod.rs", ""),
        ],
        &[
            "src/net/tcp.rs:2: crate::service::control: points upward, from layer 1 to service",
            "src/net/tcp.rs:2: crate::service::health::Health: points upward, from layer 1 to service",
        ],
    );
}

#[test]
fn a_path_without_an_import_breaks_too() {
    let tree = |text| {
        breaks(&[
            ("src/clock.rs", text),
            ("src/supervisor.rs", "pub struct Handle;"),
        ])
    };
    for text in [
        "fn f() { crate::supervisor::f(); }",
        "fn f(handle: super::supervisor::Handle) {}",
        "fn f() -> Vec<crate::supervisor::Handle> { todo() }",
        "fn f() { println!(\"{}\", crate::supervisor::NAME); }",
        "#[derive(crate::supervisor::Derive)] struct S;",
        "mod inner { use super::super::supervisor::Handle; }",
        "mod inner { fn f() { use crate::supervisor as s; s::f(); } }",
    ] {
        let found = tree(text);
        assert!(!found.is_empty(), "{text}");
        assert!(found[0].contains("points upward"), "{text}: {found:?}");
    }
}

#[test]
fn the_rules_of_grpc_are_below_its_server() {
    assert_breaks(
        &[
            ("src/grpc/mod.rs", "pub mod rules;\npub mod server;"),
            ("src/grpc/rules/mod.rs", "pub mod status;"),
            (
                "src/grpc/server.rs",
                "use super::rules::status::Status;\nuse h2::server;",
            ),
            (
                "src/grpc/rules/status.rs",
                "use crate::grpc::server::Server;",
            ),
        ],
        &[
            "src/grpc/rules/status.rs:2: crate::grpc::server::Server: points upward, from layer 0 to grpc::server",
            "imports form a cycle: grpc::rules::status -> grpc::server -> grpc::rules::status",
        ],
    );
}

#[test]
fn a_reexport_resolves_to_the_definition() {
    let tree = |reexport| {
        breaks(&[
            ("src/grpc/mod.rs", reexport),
            ("src/grpc/rules/status.rs", "pub struct Status;"),
            ("src/grpc/server.rs", "pub struct Status;"),
            ("src/grpc/rules/message.rs", "use crate::grpc::Status;"),
        ])
    };
    assert_eq!(tree("pub use rules::status::Status;"), [""; 0]);
    assert_eq!(
        tree("pub use server::Status;"),
        [
            "src/grpc/rules/message.rs:2: crate::grpc::Status: points upward, from layer 0 to grpc::server"
        ]
    );
}

#[test]
fn a_cycle_of_imports_breaks() {
    assert_breaks(
        &[
            ("src/net/mod.rs", ""),
            ("src/net/a.rs", "use super::b::B;"),
            ("src/net/b.rs", "use crate::net::c::{self, C};"),
            ("src/net/c.rs", "fn f() { super::a::f(); }"),
        ],
        &["imports form a cycle: net::a -> net::b -> net::c -> net::a"],
    );
}

#[test]
fn a_parent_and_its_children_are_no_cycle() {
    assert_breaks(
        &[
            ("src/net/mod.rs", "mod a;\nuse a::A;\npub struct Shared;"),
            ("src/net/a.rs", "use super::Shared;\npub struct A;"),
        ],
        &[],
    );
}

#[test]
fn a_cycle_through_a_parent_breaks() {
    assert_breaks(
        &[
            ("src/net/mod.rs", "use crate::clock::Clock;"),
            ("src/net/a.rs", "use super::Shared;"),
            ("src/clock.rs", "use crate::net::a::A;"),
        ],
        &["imports form a cycle: clock -> net::a -> net -> clock"],
    );
}

#[test]
fn a_crate_outside_its_home_breaks() {
    for (name, home, text) in [
        ("argh", "src/cli/", "use argh::FromArgs;"),
        ("argh", "src/cli/", "#[derive(argh::FromArgs)] struct S;"),
        ("argh", "src/cli/", "extern crate argh;"),
        (
            "async_process",
            "src/process/child.rs",
            "use async_process::Command;",
        ),
        (
            "smol::process",
            "src/process/child.rs",
            "use smol::{io, process::Command};",
        ),
        (
            "smol::process",
            "src/process/child.rs",
            "use smol; fn f() { smol::process::f(); }",
        ),
        (
            "async_signal",
            "src/process/signals.rs",
            "use ::async_signal::Signals;",
        ),
        (
            "h2",
            "src/grpc/",
            "use h2 as http2; fn f() { http2::server::f(); }",
        ),
    ] {
        let found = breaks(&[("src/process/orphans.rs", text)]);
        assert!(
            found
                .iter()
                .any(|found| found.ends_with(&format!("{name} lives in {home}"))),
            "{text}: {found:?}"
        );
    }
    assert_breaks(
        &[
            (
                "src/process/child.rs",
                "use async_process::Command;\nuse smol::process::Child;",
            ),
            ("src/process/signals.rs", "use async_signal::Signals;"),
            ("src/cli/run.rs", "use argh::FromArgs;"),
            ("src/grpc/server.rs", "use h2::server;"),
        ],
        &[],
    );
}

#[test]
fn layer_0_knows_neither_io_nor_async_nor_clocks() {
    for text in [
        "use smol::Timer;",
        "use async_process::Command;",
        "use tracing::info;",
        "fn f() { tracing::info!(\"x\"); }",
        "fn f() { std::time::Instant::now(); }",
        "use std::time::Instant; fn f() { Instant::now(); }",
        "use std::time; fn f() { time::SystemTime::now(); }",
        "use std::{env, fmt};",
        "use std::fs::{self, File};",
        "use std::net::{IpAddr, TcpStream};",
        "use std::time::*;",
        "fn f() { assert!(std::env::var(\"X\").is_ok()); }",
        "fn f() -> String { format!(\"{:?}\", std::fs::read(\"x\")) }",
        "use h2::server;",
        "async fn f() {}",
        "fn f() { let _ = async {}; }",
        "trait T { async fn f(); }",
    ] {
        for file in [
            "src/human_duration.rs",
            "src/lifecycle/exit.rs",
            "src/grpc/rules/timeout.rs",
        ] {
            let found = breaks(&[(file, text)]);
            assert!(
                found.iter().any(|found| found.contains("layer 0")),
                "{text}: {found:?}"
            );
        }
        let above = breaks(&[("src/net/tcp.rs", text)]);
        assert!(
            !above.iter().any(|found| found.contains("layer 0")),
            "{text}: {above:?}"
        );
    }
}

#[test]
fn unit_tests_may_use_any_module() {
    assert_breaks(
        &[
            (
                "src/human_duration.rs",
                "#[cfg(test)]\nmod tests { use std::fs; use crate::cli::Args; }\n\
                 #[cfg(test)]\nuse smol::block_on;",
            ),
            ("src/lifecycle/mod.rs", "#[cfg(test)]\nmod tests;"),
            ("src/lifecycle/tests.rs", "mod walk;\nuse std::fs;"),
            ("src/lifecycle/tests/walk.rs", "use std::thread;"),
        ],
        &[],
    );
    let found = breaks(&[("src/human_duration.rs", "#[cfg(not(test))]\nuse std::fs;")]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_module_that_is_not_in_the_table_breaks() {
    assert_breaks(
        &[("src/attic/mod.rs", "")],
        &["src/attic/mod.rs: not in the table of layers"],
    );
    assert_breaks(
        &[("src/networks.rs", "")],
        &["src/networks.rs: not in the table of layers"],
    );
}

#[test]
fn a_long_file_breaks_and_one_without_an_opening_comment_too() {
    let files = |text: String| BTreeMap::from([("tests/some.rs".to_owned(), text)]);
    let lines = |count: usize| format!("//! A file.\n{}", "//\n".repeat(count - 1));
    assert_eq!(check::breaks(&files(lines(450))), [""; 0]);
    assert_eq!(
        check::breaks(&files(lines(451))),
        ["tests/some.rs: 451 lines, more than 450: split it"]
    );
    assert_eq!(
        check::breaks(&files("use std::fs;\n//! Late.".to_owned())),
        ["tests/some.rs:1: does not open with `//!`: say what it owns"]
    );
}

#[test]
fn invalid_rust_breaks() {
    let found = breaks(&[("src/human_duration.rs", "fn {")]);
    assert!(
        found[0].starts_with("src/human_duration.rs: cannot be read"),
        "{found:?}"
    );
}
