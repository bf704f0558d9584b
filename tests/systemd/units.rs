//! The units that the tests run: ours as shipped, and changed copies of it.
//!
//! Owns the names and texts. It starts nothing.

use std::path::Path;

pub(crate) const SHIPPED: &str = "process-wrapper-runner.service";

pub(crate) const TEMPLATE: &str = "process-wrapper@.service";

/// A second unit with a socket of its own, to compare the shipped one with.
pub(crate) const OTHER: &str = "other.service";

pub(crate) fn packaged(unit: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd");
    std::fs::read_to_string(folder.join(unit)).unwrap()
}

/// The shipped unit with each stop limit shortened to 5 s: what a test then shows of 5 s holds for
/// any limit.
pub(crate) fn shipped() -> String {
    shortened(&packaged(SHIPPED))
}

/// A copy of the shipped unit with this limit, shortened in the same way.
pub(crate) fn limited(limit: &str) -> String {
    let text = packaged(SHIPPED);
    let limited = text.replace(
        "TimeoutStopSec=infinity",
        &format!("TimeoutStopSec={limit}"),
    );
    assert_ne!(limited, text, "the unit sets no TimeoutStopSec=infinity");
    let limited = shortened(&limited);
    limited
        .replace("/run/process-wrapper/", "/run/other/")
        .replace("RuntimeDirectory=process-wrapper", "RuntimeDirectory=other")
        .replace(" run --config", " run --name other --config")
}

fn shortened(unit: &str) -> String {
    let lines = unit.lines().map(|line| match line.split_once('=') {
        Some(("TimeoutStopSec" | "TimeoutSec", limit)) if limit != "infinity" => {
            "TimeoutStopSec=5s"
        }
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// The shipped unit and these lines as a drop-in, which a user would write.
pub(crate) fn short_restart() -> &'static str {
    "[Service]\nRestartSec=100ms\n"
}

/// The block of a page that follows this text.
pub(crate) fn block(page: &str, after: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(file).unwrap();
    let (_, rest) = text.split_once(after).expect(after);
    let (_, rest) = rest.split_once("```ini\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}
