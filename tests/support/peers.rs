//! External programs that tests use as peers. If one is missing, the test prints a SKIPPED line and
//! ends; in CI, which sets PROCESS_WRAPPER_REQUIRE_PEERS, it fails.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::Lines;

/// The program's path, or `None` with a SKIPPED line on stderr.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join("go/bin"));
    let found = std::env::split_paths(&path)
        .chain(home)
        // Debian's home of servers, which is not on every user's PATH.
        .chain([PathBuf::from("/usr/sbin"), tools().join("bin")])
        .chain([tools().join("python/bin")])
        .chain([tools().join("js/node_modules/@bufbuild/buf-linux-x64/bin")])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    if found.is_none() {
        missing(program);
    }
    found
}

/// A Python that has this module.
pub fn python(module: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let imports = |python: &PathBuf| {
        let mut command = Command::new(python);
        command.args(["-c", &format!("import {module}")]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = std::env::split_paths(&path)
        .chain([tools().join("python/bin")])
        .map(|folder| folder.join("python3"))
        .filter(|file| file.is_file())
        .find(imports);
    if found.is_none() {
        missing(&format!("a python3 with {module}"));
    }
    found
}

/// Node.js with the packages of `tests/peers/js`, for one of its files.
pub fn node(file: &str) -> Option<Command> {
    let (node, libraries) = (find("node")?, libraries("js")?);
    let mut command = Command::new(node);
    command.env("NODE_PATH", libraries.join("node_modules"));
    command.arg(source(&format!("js/{file}")));
    Some(command)
}

/// A JVM with the libraries of `tests/peers/java`, for one of its files, which it compiles.
pub fn java(file: &str) -> Option<Command> {
    // `java FILE` needs the compiler, which a JRE lacks.
    find("javac")?;
    let (java, libraries) = (find("java")?, libraries("java")?);
    let mut command = Command::new(java);
    command.arg("-cp").arg(libraries.join("*"));
    command.arg(source(&format!("java/{file}")));
    Some(command)
}

/// A file of a peer.
pub fn source(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/peers", file]
        .iter()
        .collect()
}

/// The directory into which `.ci/run` installs peers.
pub fn tools() -> PathBuf {
    std::env::var_os("PROCESS_WRAPPER_TOOLS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools")),
        PathBuf::from,
    )
}

/// The directory into which `.ci/run` has installed the libraries for a language.
fn libraries(language: &str) -> Option<PathBuf> {
    let folder = tools().join(language);
    if folder.join("installed").is_file() {
        return Some(folder);
    }
    missing(&format!(
        "{}, with the peers in {language},",
        folder.display()
    ));
    None
}

/// A peer that runs beside the test, and is killed with it.
pub struct Peer {
    process: Child,
    /// What it prints, on stdout and stderr.
    pub lines: Lines,
}

impl Peer {
    pub fn start(mut command: Command) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        command.stdin(Stdio::null());
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let process = command.spawn().unwrap();
        Self {
            process,
            lines: Lines::read(reader),
        }
    }

    /// Waits for its end, with the deadline.
    pub fn wait(&mut self) -> ExitStatus {
        super::wait_for_exit(&mut self.process)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
