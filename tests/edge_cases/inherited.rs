//! What the process inherits: each row of the table in docs/supervision.md.
//!
//! A launcher puts itself into a state and executes a probe, directly and through the wrapper. The
//! test compares what the probe prints. It does so for the glibc build under test and for the musl
//! build that PROCESS_WRAPPER_MUSL_BINARY names, each with and without `--on-wrapper-death`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{binary, peers, wait_for_exit};
use crate::{bit, mask, may_unshare};

/// The environment of every launcher; PATH is the first entry of more than one test.
const PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// One way from the launcher to the probe.
struct Variant {
    binary: PathBuf,
    is_musl: bool,
    options: &'static [&'static str],
}

fn variants() -> Vec<Variant> {
    let musl = std::env::var_os("PROCESS_WRAPPER_MUSL_BINARY").map(PathBuf::from);
    if musl.is_none() {
        peers::absent("PROCESS_WRAPPER_MUSL_BINARY, the path of a musl build,");
    }
    let builds = [(Some(binary().to_owned()), false), (musl, true)];
    let mut variants = Vec::new();
    for (binary, is_musl) in builds {
        for options in [&[][..], &["--on-wrapper-death=TERM"]] {
            variants.extend(binary.clone().map(|binary| Variant {
                binary,
                is_musl,
                options,
            }));
        }
    }
    variants
}

/// What the probe prints when a launcher in this state executes it; through a wrapper if one is
/// named.
fn printed(state: &str, through: Option<&Variant>, probe: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command: Vec<OsString> = Vec::new();
    if let Some(variant) = through {
        let listen = format!("unix:{}/control.sock", folder.path().display());
        command.push(variant.binary.clone().into());
        let words = ["run", "--exit-when-gone=always", "--log-level=warn"];
        command.extend(words.map(OsString::from));
        command.extend(["--listen".into(), listen.into()]);
        command.extend(variant.options.iter().map(OsString::from));
        command.push("--".into());
    }
    command.extend(probe.iter().map(OsString::from));
    let mut launcher = Command::new("python3")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/edge_cases/launcher.py"
        ))
        .arg(state)
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Both fit into a pipe, so that the launcher need not be read meanwhile.
    let status = wait_for_exit(&mut launcher);
    let read = |stream: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let stderr = read(&mut launcher.stderr.take().unwrap());
    assert!(status.success(), "{status}: {stderr}");
    assert_eq!(stderr, "");
    read(&mut launcher.stdout.take().unwrap())
}

/// A launcher's state, with `more` keys.
fn state(ignored: &str, more: &str) -> String {
    format!("{{\"ignored\": {ignored}, \"environment\": [\"{PATH}\"]{more}}}")
}

fn no_python() -> bool {
    peers::find("python3").is_none()
}

/// Every signal that can be ignored, as a JSON list.
fn every_signal() -> String {
    let numbers: Vec<_> = (1..=64).filter(|n| ![9, 19].contains(n)).collect();
    format!("{numbers:?}")
}

/// The C library's own signals, which glibc's posix_spawn(3) leaves ignored.
const OWN_OF_GLIBC: u64 = 1 << 31 | 1 << 32;

fn ignored(state: &str, through: Option<&Variant>) -> u64 {
    // Not grep, which handles SEGV.
    let text = printed(state, through, &["/bin/cat", "/proc/self/status"]);
    mask(&text, "SigIgn:")
}

#[test]
fn a_signal_ignored_by_the_launcher_stays_ignored_except_five() {
    use nix::sys::signal::Signal::{SIGCHLD, SIGINT, SIGPIPE, SIGQUIT, SIGTERM};
    if no_python() {
        return;
    }
    let state = state(&every_signal(), "");
    let direct = ignored(&state, None);
    assert_eq!(direct, !(1 << 8 | 1 << 18), "{direct:x}");
    let reset = [SIGCHLD, SIGINT, SIGPIPE, SIGQUIT, SIGTERM];
    let expected = reset.into_iter().fold(direct, |all, one| all & !bit(one));
    for variant in variants() {
        let found = ignored(&state, Some(&variant));
        assert_eq!(found, expected, "{found:x} {:?}", variant.options);
    }
}

#[test]
fn a_signal_with_its_default_disposition_keeps_it_except_two_of_glibc() {
    if no_python() {
        return;
    }
    let state = state("[]", "");
    assert_eq!(ignored(&state, None), 0);
    for variant in variants() {
        let found = ignored(&state, Some(&variant));
        let expected = if variant.is_musl { 0 } else { OWN_OF_GLIBC };
        assert_eq!(found, expected, "{found:x} {:?}", variant.options);
    }
}

#[test]
fn the_signal_mask_is_empty_whatever_the_launcher_blocked() {
    if no_python() {
        return;
    }
    let state = state("[]", &format!(", \"blocked\": {}", u64::MAX));
    let probe = ["/bin/grep", "^SigBlk:", "/proc/self/status"];
    let blocked = printed(&state, None, &probe);
    assert_eq!(blocked, "SigBlk:\tfffffffffffbfeff\n");
    for variant in variants() {
        let found = printed(&state, Some(&variant), &probe);
        assert_eq!(found, "SigBlk:\t0000000000000000\n");
    }
}

/// The descriptors of a process and their files; pipes and sockets without their numbers.
fn descriptors(state: &str, through: Option<&Variant>) -> Vec<String> {
    let probe = ["/usr/bin/find", "/proc/self/fd", "-printf", "%f %l\\n"];
    let text = printed(state, through, &probe);
    let mut lines: Vec<_> = text
        .lines()
        .map(|line| line.split([':', '(']).next().unwrap().to_owned())
        // The directory that find itself reads.
        .filter(|line| !line.contains("/proc/"))
        .collect();
    lines.sort();
    lines
}

#[test]
fn descriptors_that_the_launcher_left_open_are_passed_on_and_no_other() {
    if no_python() {
        return;
    }
    let state = state("[]", ", \"open\": [5, 77]");
    let direct = descriptors(&state, None);
    assert!(direct.contains(&"77 /dev/null".to_owned()), "{direct:?}");
    for variant in variants() {
        let found = descriptors(&state, Some(&variant));
        assert_eq!(found, direct, "{:?}", variant.options);
    }
}

/// A launcher whose environment has an order, a duplicate and an entry without `=`.
fn odd_environment(first: &str) -> String {
    format!(
        "{{\"ignored\": [], \"environment\": [\"{first}\", \"Z=1\", \"{PATH}\", \"A=1\", \"A=2\", \"bare\", \"=x\"]}}"
    )
}

#[test]
fn the_environment_is_passed_on_byte_by_byte() {
    if no_python() {
        return;
    }
    let state = odd_environment("Y=1");
    let probe = ["/bin/cat", "/proc/self/environ"];
    let direct = printed(&state, None, &probe);
    assert_eq!(direct, format!("Y=1\0Z=1\0{PATH}\0A=1\0A=2\0bare\0=x\0"));
    for variant in variants() {
        let found = printed(&state, Some(&variant), &probe);
        assert_eq!(found, direct, "{:?}", variant.options);
    }
}

#[test]
fn an_environment_with_a_variable_of_the_wrapper_is_rebuilt_without_it() {
    if no_python() {
        return;
    }
    let state = odd_environment("WATCHDOG_PID=1");
    let probe = ["/bin/cat", "/proc/self/environ"];
    for variant in variants() {
        let found = printed(&state, Some(&variant), &probe);
        // Sorted; the first of two counts, as for getenv(3); entries without a name are dropped.
        assert_eq!(
            found,
            format!("A=1\0{PATH}\0Z=1\0"),
            "{:?}",
            variant.options
        );
    }
}

#[test]
fn priority_limits_umask_directory_session_and_the_rest_are_unchanged() {
    if no_python() || !may_unshare() {
        return;
    }
    let state = state("[]", ", \"nice\": 5");
    let script = "pwd; umask; cat /proc/self/limits /proc/self/oom_score_adj \
        /proc/$$/timerslack_ns; \
        grep -vE '^(Sig|Vm|Rss|Pid|PPid|Tgid|Ngid|NSp|NStgid|NSsid|Threads|Speculation|Hugetlb|\
        voluntary|nonvoluntary|untag|x86|Shd|Core|THP|Mems)' /proc/self/status; \
        read -r _ _ _ _ group session tty _ </proc/$$/stat; echo session $session tty $tty; \
        [ $group = $$ ] && echo leads; cut -d' ' -f18,19,39,40,41 /proc/self/stat";
    let probe = ["/bin/sh", "-c", script];
    let direct = printed(&state, None, &probe);
    assert!(direct.starts_with("/usr\n0027\n"), "{direct}");
    assert!(direct.contains("\n123456\n"), "{direct}");
    for variant in variants() {
        let found = printed(&state, Some(&variant), &probe);
        // The process leads a group of its own; the launcher does not.
        let found = found.replace("leads\n", "");
        assert_eq!(
            found,
            direct.replace("leads\n", ""),
            "{:?}",
            variant.options
        );
    }
}

#[test]
fn the_process_leads_its_own_group_in_the_launchers_session_and_terminal() {
    if peers::find("script").is_none() {
        return;
    }
    for variant in variants() {
        let folder = tempfile::tempdir().unwrap();
        let shows = "read -r pid _ _ _ group session tty _ </proc/$$/stat; \
            [ $group = $$ ] && echo leads; echo session $session tty $tty";
        let inner = format!(
            "sh -c '{shows}'; {} run --exit-when-gone=always --log-level=error \
             --listen unix:{}/control.sock {} -- sh -c '{shows}'",
            variant.binary.display(),
            folder.path().display(),
            variant.options.join(" ")
        );
        // script(1) gives its command a session and a terminal.
        let mut run = Command::new("script")
            .args([
                "-qec",
                &format!("sh -c \"{}\"", inner.replace('$', "\\$")),
                "/dev/null",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        assert!(wait_for_exit(&mut run).success());
        let mut text = String::new();
        let mut stdout = run.stdout.take().unwrap();
        std::io::Read::read_to_string(&mut stdout, &mut text).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let places: Vec<_> = lines.iter().filter(|l| l.starts_with("session")).collect();
        assert_eq!(places.len(), 2, "{text}");
        assert_eq!(places[0], places[1], "{text}");
        assert!(!places[0].ends_with("tty 0"), "{text}");
        assert_eq!(lines[lines.len() - 2], "leads", "{text}");
    }
}

#[test]
fn without_proc_an_ignored_hup_becomes_the_default() {
    if no_python() || !may_unshare() {
        return;
    }
    let probe = ["/bin/sh", "-c", "kill -HUP $$; echo survived"];
    let state = state("[1]", "");
    let hidden = |variant: &Variant| {
        let folder = tempfile::tempdir().unwrap();
        let inner = format!(
            "mount -t tmpfs none /proc && exec {} run --exit-when-gone=always --log-level=error \
             --listen unix:{}/control.sock -- /bin/sh -c '{}'",
            variant.binary.display(),
            folder.path().display(),
            "exec 2>/dev/null; sh -c \"kill -HUP \\$\\$; echo survived\"; echo $?"
        );
        printed(
            &state,
            None,
            &["/usr/bin/unshare", "--mount", "/bin/sh", "-c", &inner],
        )
    };
    assert!(printed(&state, None, &probe).contains("survived"));
    for variant in variants().iter().filter(|v| v.options.is_empty()) {
        assert!(printed(&state, Some(variant), &probe).contains("survived"));
        assert_eq!(hidden(variant), "129\n");
    }
}
