//! A wait for the process that fails although the process lives.

use super::injected;
use super::support::peers;

#[test]
fn only_echild_says_that_the_process_is_gone() {
    if peers::find("strace").is_none() {
        return;
    }
    let mut wrapper = injected(
        &["wait4:error=EIO:when=1..3"],
        &["--exit-when-gone=always"],
        &["sh", "-c", "sleep 0.5; exit 7"],
    )
    .start();
    wrapper
        .stderr
        .wait_for("waiting for the process failed and is tried again");
    assert_eq!(wrapper.code(), 7, "{}", wrapper.stderr.text());
}
