//! Clients that work as fast as they can, and must never be taken for attackers.

use std::process::Command;

use crate::measure::Target;
use crate::support::peers;

#[test]
fn a_load_generator_at_full_speed_is_never_throttled() {
    let Some(h2load) = peers::find("h2load") else {
        return;
    };
    let target = Target::start();
    let body = target.wrapper.folder.path().join("request");
    std::fs::write(&body, [0; 5]).unwrap();
    target.survives("h2load, 8 x 32, an honest client", 16 << 20, |wrapper| {
        let output = Command::new(&h2load)
            .args([
                "--requests=20000",
                "--clients=8",
                "--max-concurrent-streams=32",
            ])
            .args([
                "--header=content-type: application/grpc",
                "--header=te: trailers",
            ])
            .arg("--data")
            .arg(&body)
            .arg(format!("--base-uri=unix:{}", wrapper.socket().display()))
            .arg(format!(
                "http://localhost{}",
                crate::support::client::GET_STATE
            ))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let all = "20000 succeeded, 0 failed, 0 errored, 0 timeout";
        assert!(text.contains(all), "{text}");
    });
}
