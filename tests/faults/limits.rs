//! Signals that a resource limit raises against the wrapper itself.

use std::process::{Command, Stdio};

use super::support::{binary, wait_for_exit};

#[test]
fn a_log_beyond_the_file_size_limit_does_not_kill_the_wrapper() {
    let folder = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let listen = format!("unix:{}/control.sock", folder.path().display());
    let mut wrapper = Command::new("sh")
        .args(["-c", "ulimit -f 0; exec \"$@\"", "sh"])
        .arg(binary())
        .args([
            "run",
            "--exit-when-gone",
            "always",
            "--listen",
            &listen,
            "--",
        ])
        // The process has the default disposition: bit 24 of SigIgn is clear.
        .args(["sh", "-c", "grep SigIgn: /proc/$$/status; exit 9"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    assert_eq!(wait_for_exit(&mut wrapper).code(), Some(9));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut wrapper.stdout.take().unwrap(), &mut text).unwrap();
    let mask = u64::from_str_radix(text.trim_start_matches("SigIgn:").trim(), 16).unwrap();
    assert_eq!(mask & 1 << 24, 0, "{text}");
}
