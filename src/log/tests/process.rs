//! `init`, descriptor 2 and panics, in a process of their own.

use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use super::super::{Level, LogFormat, init};
use super::{fill_pipe, pipe, promptly, read_available};

const ROLE: &str = "PROCESS_WRAPPER_LOG_TEST";

/// Runs `test` again in a process whose stderr is a pipe, full if `is_full`, and returns what it
/// logged.
fn again(test: &str, is_full: bool) -> String {
    let (reader, writer) = pipe();
    let filled = if is_full {
        fill_pipe(writer.as_fd())
    } else {
        0
    };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test])
        .env(ROLE, "child")
        .stdout(Stdio::null())
        .stderr(writer);
    let status = promptly(move || command.status().unwrap());
    assert!(status.success(), "{status}");
    read_available(reader)[filled..].to_owned()
}

fn is_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

#[test]
fn a_panic_is_one_line() {
    if is_child() {
        init(LogFormat::Text, Level::Info).unwrap();
        std::thread::spawn(|| panic!("a\nb")).join().unwrap_err();
        std::process::exit(0);
    }
    let logged = again("log::tests::process::a_panic_is_one_line", false);
    assert_eq!(logged.lines().count(), 1, "{logged}");
    let (_, line) = logged.split_once(' ').unwrap();
    let expected =
        r#"ERROR process_wrapper: panic: please report this as a bug reason="a\nb" location="#;
    assert!(line.starts_with(expected), "{line}");
}

#[test]
fn a_stderr_without_a_reader_blocks_nothing() {
    if is_child() {
        init(LogFormat::Json, Level::Info).unwrap();
        for number in 0..1000 {
            tracing::info!(number, "unread");
        }
        std::thread::spawn(|| panic!("unread")).join().unwrap_err();
        std::process::exit(0);
    }
    let logged = again(
        "log::tests::process::a_stderr_without_a_reader_blocks_nothing",
        true,
    );
    assert_eq!(logged, "");
}

#[test]
fn logging_is_installed_once() {
    if is_child() {
        init(LogFormat::Text, Level::Info).unwrap();
        let error = init(LogFormat::Json, Level::Info).unwrap_err();
        tracing::info!("{error}");
        std::process::exit(0);
    }
    let logged = again("log::tests::process::logging_is_installed_once", false);
    assert!(
        logged.ends_with(
            "INFO process_wrapper: logging is installed already: install it once per process\n"
        ),
        "{logged}"
    );
}
