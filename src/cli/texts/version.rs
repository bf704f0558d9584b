//! The version, and how the program was built.
//!
//! Owns both forms. The build script finds the facts.

use serde::{Serialize, Serializer};

use super::PROGRAM;

/// The facts of a build.
#[derive(Serialize)]
struct Build {
    version: &'static str,
    /// Empty in a debug build, and in one without a git checkout.
    #[serde(serialize_with = "or_null")]
    commit: &'static str,
    target: &'static str,
    libc: &'static str,
    profile: &'static str,
    /// Separated by spaces.
    #[serde(serialize_with = "as_array")]
    features: &'static str,
}

const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("BUILD_COMMIT"),
    target: env!("BUILD_TARGET"),
    libc: env!("BUILD_LIBC"),
    profile: env!("BUILD_PROFILE"),
    features: env!("BUILD_FEATURES"),
};

/// One line.
pub(super) fn short() -> String {
    format!("{PROGRAM} {}", BUILD.version)
}

/// The line, and one for each fact.
pub(super) fn long() -> String {
    let commit = match BUILD.commit {
        "" => "unknown",
        commit => commit,
    };
    format!(
        "{}\ncommit: {commit}\ntarget: {}\nlibc: {}\nprofile: {}\nfeatures: {}",
        short(),
        BUILD.target,
        BUILD.libc,
        BUILD.profile,
        BUILD.features,
    )
}

/// One JSON object.
pub(super) fn json() -> String {
    // Strings always have a JSON form.
    serde_json::to_string(&BUILD).unwrap_or_default()
}

fn or_null<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    (!text.is_empty()).then_some(text).serialize(serializer)
}

fn as_array<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(text.split_whitespace())
}
