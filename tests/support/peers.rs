//! External programs that tests use as peers. If one is missing, the test prints a SKIPPED line and
//! ends; in CI, which sets PROCESS_WRAPPER_REQUIRE_PEERS, it fails.

use std::path::PathBuf;

/// The program's path, or `None` with a SKIPPED line on stderr.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join("go/bin"));
    let found = std::env::split_paths(&path)
        .chain(home)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    if found.is_none() {
        missing(program);
    }
    found
}

/// Reports that something is missing that the test needs.
pub fn missing(what: &str) {
    assert!(
        std::env::var_os("PROCESS_WRAPPER_REQUIRE_PEERS").is_none(),
        "{what} is missing, and PROCESS_WRAPPER_REQUIRE_PEERS is set"
    );
    absent(what);
}

/// The same for something that CI may lack as well.
pub fn absent(what: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test").to_owned();
    // Not through the captured output of the test harness: a skipped test must not look like a
    // passed one.
    let line = format!("\n*** SKIPPED {test}: {what} is missing ***\n");
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
}
