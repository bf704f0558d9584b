//! Fails when the public API of the library changes, or names a type that is not part of it.
//!
//! `docs/public-api.txt` holds the API as it was reviewed. After a wanted change: `UPDATE_GOLDEN=1
//! cargo test --test public_api`. `surface` reads the sources; this file owns the verdicts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of syn are not ours, and most items are of no interest"
)]

mod examples;
mod surface;

use std::collections::BTreeMap;
use std::path::Path;

use surface::Surface;

/// The most types, functions and constants: more would be a second product.
const MAX_ITEMS: usize = 100;

/// Types of the language and its library that the API may name.
const STD: &[&str] = &[
    "BTreeMap",
    "Box",
    "Duration",
    "Instant",
    "Into",
    "IpAddr",
    "Option",
    "Path",
    "PathBuf",
    "Result",
    "Self",
    "String",
    "SystemTime",
    "Vec",
    "bool",
    "i32",
    "str",
    "u16",
    "u32",
    "u8",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy();
            let text = std::fs::read_to_string(&path).unwrap();
            files.insert(name.into_owned(), text);
        }
    }
}

fn surface() -> Surface {
    let mut files = BTreeMap::new();
    sources(&root().join("src"), &mut files);
    Surface::of(&files)
}

#[test]
fn the_public_api_is_as_it_was_reviewed() {
    let surface = surface();
    let text = surface.to_string();
    let file = root().join("docs/public-api.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let reviewed = std::fs::read_to_string(&file).unwrap_or_default();
    let gone = reviewed.lines().filter(|line| !text.contains(*line));
    let new = text.lines().filter(|line| !reviewed.contains(*line));
    let changes: Vec<String> = gone
        .map(|line| format!("-{line}"))
        .chain(new.map(|line| format!("+{line}")))
        .collect();
    assert!(
        reviewed == text,
        "the public API is not that of docs/public-api.txt:\n{}\nA line that goes or changes breaks \
         users: say so in CHANGELOG.md. If the change is wanted, run UPDATE_GOLDEN=1 cargo test --test \
         public_api",
        changes.join("\n")
    );
    let items = surface.items();
    assert!(
        items <= MAX_ITEMS,
        "{items} public types, functions and constants"
    );
}

#[test]
fn the_public_api_names_types_of_std_and_its_own_alone() {
    let surface = surface();
    let foreign: Vec<String> = surface
        .mentions()
        .filter(|(_, name)| !STD.contains(name) && !surface.has(name))
        .map(|(place, name)| format!("{place}: {name}"))
        .collect();
    assert!(foreign.is_empty(), "{}", foreign.join("\n"));
}

#[test]
fn each_public_type_has_an_example() {
    let surface = surface();
    let missing: Vec<&str> = surface.without_example().collect();
    assert!(missing.is_empty(), "no example: {}", missing.join(", "));
    assert_eq!(example("").without_example().count(), 3);
}

/// An example on a builder shows all its setters at once, and one on a type its getters: a copy on
/// each would teach nothing.
#[test]
fn each_public_method_occurs_in_an_example_of_its_own_or_of_its_type() {
    let missing: Vec<String> = surface().unshown().collect();
    assert!(
        missing.is_empty(),
        "write an example that uses it, on the method or on its type: {}",
        missing.join(", ")
    );
}

#[test]
fn a_method_without_an_example_is_found() {
    let unshown = |docs: &str| {
        let extra = format!("{docs}\npub fn extra(&self) {{}}");
        example(&extra).unshown().collect::<Vec<_>>()
    };
    assert_eq!(unshown(""), ["Thing::extra", "Thing::kind"]);
    assert_eq!(
        unshown("/// ```\n/// thing.extra();\n/// ```"),
        ["Thing::kind"]
    );
    assert_eq!(
        unshown("/// ```no_run\n/// Thing::extra(&thing);\n/// ```"),
        ["Thing::kind"]
    );
    // Text and other methods are no example of it, and cargo does not compile a block of text.
    for docs in [
        "/// thing.extra()",
        "/// ```\n/// thing.extraneous();\n/// ```",
        "/// ```text\n/// thing.extra();\n/// ```",
        "/// ```ignore\n/// thing.extra();\n/// ```",
    ] {
        assert_eq!(unshown(docs).len(), 2, "{docs}");
    }
}

/// A crate of two files: an exported type with everything that the reader tells apart.
fn example(extra: &str) -> Surface {
    let client = format!(
        "pub use crate::kinds::Kind;\npub(crate) mod inner;\npub const LIMIT: u8 = 1;\n\
         pub struct Thing {{ pub name: String, secret: hidden::Type }}\n\
         impl Thing {{ pub fn kind(&self) -> Kind {{ self.kind }} pub(crate) fn inner(&self) {{}} {extra} }}"
    );
    let kinds = "#[derive(Debug, Clone)]\n#[non_exhaustive]\npub enum Kind { One, Two(u8), Three { x: bool } }\n\
                 impl std::fmt::Display for Kind { fn fmt(&self) {} }\npub struct Unlisted;";
    Surface::of(&BTreeMap::from([
        ("src/client/mod.rs".to_owned(), client),
        ("src/kinds.rs".to_owned(), kinds.to_owned()),
    ]))
}

#[test]
fn each_public_item_is_listed_and_no_other() {
    let surface = example("");
    assert_eq!(
        surface.to_string(),
        "#[non_exhaustive] enum Kind: Clone, Debug, Display\n    One\n    Three { x: bool }\n    Two(u8)\n\n\
         const LIMIT: u8\n\n\
         struct Thing\n    fn kind(&self) -> Kind\n    pub name: String\n"
    );
    assert_eq!(surface.items(), 4);
}

#[test]
fn a_foreign_type_in_a_signature_is_found() {
    let foreign = |extra: &str| {
        let surface = example(extra);
        let names = surface.mentions().map(|(_, name)| name.to_owned());
        names
            .filter(|name| !STD.contains(&&**name) && !surface.has(name))
            .collect::<Vec<_>>()
    };
    assert_eq!(foreign(""), [""; 0]);
    assert_eq!(
        foreign("pub fn headers(&self) -> http::HeaderMap { todo!() }"),
        ["HeaderMap"]
    );
    assert_eq!(
        foreign("pub fn of(stream: Option<Unlisted>) {}"),
        ["Unlisted"]
    );
    assert_eq!(foreign("pub fn of(f: impl Into<Foreign>) {}"), ["Foreign"]);
    assert_eq!(foreign("pub fn of<T: Foreign>(value: T) {}"), ["Foreign"]);
}
