//! The mistakes of `tests/golden/mistakes.txt`: each answer is as it was reviewed.
//!
//! Owns the directory in which they are made, and the comparison. It never judges a sentence.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::certificates::Authority;
use crate::support::{DRAINS, binary, setup};

/// The shortest token that the wrapper accepts is 16 bytes long.
const TOKEN: &str = "correct-horse-battery-staple";

/// A refusal takes milliseconds. A mistake that is accepted would run until its process ends.
const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn each_mistake_is_answered_as_it_was_reviewed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mistakes.txt");
    let golden = std::fs::read_to_string(&file).unwrap();
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), TOKEN).unwrap();
    let token_file = token.path().display().to_string();
    let wrapper = setup(&["--token-file", &token_file], &["sh", "-c", DRAINS]).start();
    wrapper.stdout.wait_for("ready");
    let folder = fill(&wrapper.socket());
    let answered = answered(&golden, folder.path());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &answered).unwrap();
        return;
    }
    let mut mistake = "";
    for (at, (was, is)) in golden.lines().zip(answered.lines()).enumerate() {
        if is.starts_with("$ ") {
            mistake = is;
        }
        assert!(
            was == is,
            "{}:{}: the answer to a mistake differs.\n{mistake}\n- {was}\n+ {is}\nIf that is \
             wanted: UPDATE_GOLDEN=1 cargo test --test command_line mistake, and look at the \
             difference before you commit it.",
            file.display(),
            at + 1
        );
    }
    assert_eq!(golden.lines().count(), answered.lines().count());
}

/// The directory in which the mistakes are made.
fn fill(live: &Path) -> tempfile::TempDir {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("dir")).unwrap();
    for (name, text) in [
        ("empty", ""),
        ("words", "no PEM, and no token\n"),
        ("short", "abcde\n"),
        ("token", TOKEN),
        ("other-token", "a-token-of-another-wrapper"),
        ("hook", "POST https://receiver.example/\n"),
        (
            "bad-hook",
            "POST https://receiver.example/\nx-header value\n",
        ),
    ] {
        std::fs::write(path(name), text).unwrap();
    }
    authority.sign_into(folder.path(), "server", &["wrapper.example"]);
    authority.sign_into(folder.path(), "other", &["wrapper.example"]);
    std::fs::copy(authority.path(), path("ca.pem")).unwrap();
    // With the mode of a secret: a warning about it is another test's.
    for name in [
        "token",
        "other-token",
        "hook",
        "bad-hook",
        "server.key",
        "other.key",
    ] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path(name), mode).unwrap();
    }
    std::os::unix::fs::symlink(live, path("live")).unwrap();
    folder
}

/// The file with the present answers below the command lines.
fn answered(golden: &str, folder: &Path) -> String {
    let mut text = String::new();
    for line in golden.lines() {
        if let Some(mistake) = line.strip_prefix("$ ") {
            text.push_str(&format!("{line}\n{}", answer(mistake, folder)));
        } else if line.is_empty() || line.starts_with('#') {
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

/// What the program says, and its exit code.
fn answer(mistake: &str, folder: &Path) -> String {
    let mut paths = vec![binary().parent().unwrap().to_owned()];
    let path = std::env::var_os("PATH").unwrap_or_default();
    paths.extend(std::env::split_paths(&path).collect::<Vec<PathBuf>>());
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {mistake}")])
        .env_clear()
        .env("PATH", std::env::join_paths(paths).unwrap())
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > DEADLINE {
            let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
            nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).unwrap();
            child.wait().unwrap();
            panic!("accepted, and still running: {mistake}");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let mut text = String::new();
    for line in reader.join().unwrap().unwrap().lines() {
        text.push_str(&format!("{}\n", steady(line)));
    }
    match status.code().unwrap() {
        0 => text,
        code => format!("{text}[{code}]\n"),
    }
}

/// The line without what differs between two runs: times, process ids, ports, numbers of tries.
fn steady(line: &str) -> String {
    let line = match line.split_once("Z ") {
        Some((time, rest)) if time.len() > 20 && time.starts_with("20") => rest.trim_start(),
        _ => line,
    };
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        if word.starts_with("pid=") {
            *word = "pid=…".to_owned();
        }
        if let Some((host, port)) = word.rsplit_once("127.0.0.1:")
            && port.len() == 5
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            *word = format!("{host}127.0.0.1:…");
        }
    }
    let line = words.join(" ");
    match (line.rfind('('), line.rfind(" in ")) {
        (Some(from), Some(at)) if from < at && line[from..at].ends_with(['y', 's']) => {
            let rest = line[at..].find(')').map_or("", |end| &line[at + end..]);
            format!("{}(… tries{rest}", &line[..from])
        }
        _ => line,
    }
}
