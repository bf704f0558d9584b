//! Tables of the pages that have to hold everything: options, metrics, messages, links, recipes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::{paths, root, support};

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

const OPERATIONS: &str = "docs/operations.md";

/// The first cell of each row of the tables below a heading, up to the next one of its rank or
/// above.
fn first_cells(page: &str, heading: &str) -> Vec<String> {
    let after = page.split_once(&format!("\n{heading}\n"));
    let (_, after) = after.unwrap_or_else(|| panic!("no heading {heading:?}"));
    let rank = heading.chars().take_while(|c| *c == '#').count();
    let ends = |line: &&str| {
        let sharps = line.chars().take_while(|c| *c == '#').count();
        sharps == 0 || sharps > rank
    };
    let rows = after.lines().take_while(ends);
    rows.filter_map(|line| line.strip_prefix("| `"))
        .map(|row| row.split("` |").next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_option_of_run_is_on_the_operations_page_with_its_value() {
    let help = Command::new(support::binary())
        .args(["run", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let options: BTreeSet<&str> = help
        .lines()
        .filter(|line| line.starts_with("  --"))
        .map(str::trim)
        .collect();
    let page = text(OPERATIONS);
    let rows = first_cells(&page, "## Options of `run`");
    // A bar would end the cell.
    let rows: Vec<_> = rows.iter().map(|row| row.replace("\\|", "|")).collect();
    let shown: BTreeSet<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(options, shown);
    assert_eq!(rows.len(), shown.len(), "an option is there twice");
}

#[test]
fn every_metric_is_on_the_operations_page() {
    let wrapper = support::start_ready(
        &["--http-listen", "tcp://127.0.0.1:0"],
        "trap 'exit 3' QUIT; echo ready; while :; do sleep 1 & wait $!; done",
    );
    let client = support::client::Client::connect(&wrapper.address());
    let mut served = metrics(&wrapper);
    client.shut_down();
    client
        .wait_until(process_wrapper::pb::process_wrapper::v1::State::Gone, None)
        .unwrap();
    // Each is there only while it is known: before and after the end.
    served.extend(metrics(&wrapper));
    let page = text(OPERATIONS);
    let rows = first_cells(&page, "### Metrics");
    let shown: BTreeSet<String> = rows
        .iter()
        .map(|row| row.split('{').next().unwrap().to_owned())
        .collect();
    // A process that exits has no signal that ended it.
    served.insert("process_wrapper_process_exit_signal".to_owned());
    assert_eq!(served, shown);
}

/// The names of all metrics.
fn metrics(wrapper: &support::Wrapper) -> BTreeSet<String> {
    let answer = support::http1::metrics(wrapper);
    let named = answer.lines().filter_map(|line| {
        let mut words = line.strip_prefix("# TYPE ")?.split_whitespace();
        words.next()
    });
    let names: BTreeSet<String> = named.map(str::to_owned).collect();
    assert!(!names.is_empty(), "{answer}");
    names
}

#[test]
fn every_message_on_the_operations_page_is_one_of_ours() {
    let page = text(OPERATIONS);
    let messages = first_cells(&page, "## Log lines");
    assert!(messages.len() > 20, "the table is not found");
    let mut sources = String::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    for message in messages {
        // As it is written, or the beginning of it up to what it advises.
        let written = ['"', ';'].map(|end| format!("\"{message}{end}"));
        assert!(
            written.iter().any(|text| sources.contains(text)),
            "{OPERATIONS}: nothing logs {message:?}"
        );
    }
}

#[test]
fn links_lead_to_files_and_headings() {
    let own = [
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ];
    let mut count = 0;
    for page in paths().iter().map(String::as_str).chain(own) {
        let words = text(page);
        let folder = Path::new(page).parent().unwrap();
        for link in links(&words) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.into()
            } else {
                folder.join(file)
            };
            let found = root().join(&target);
            assert!(found.exists(), "{page}: {link} leads nowhere");
            if !heading.is_empty() {
                let target = std::fs::read_to_string(found).unwrap();
                let anchors: BTreeSet<String> = target
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(anchor)
                    .collect();
                assert!(anchors.contains(heading), "{page}: no heading {link}");
            }
            count += 1;
        }
    }
    assert!(count > 10, "links are not found");
}

/// The targets of the links to files of the tree.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap())
        .filter(|link| !link.contains("://"))
}

#[test]
fn the_index_links_every_page() {
    const INDEX: &str = "docs/README.md";
    let index = text(INDEX);
    let linked: BTreeSet<&str> = links(&index).collect();
    let pages: Vec<String> = paths()
        .iter()
        .filter(|path| *path != INDEX)
        .filter_map(|path| path.strip_prefix("docs/").map(str::to_owned))
        .collect();
    assert!(pages.len() > 5, "the pages are not found: {pages:?}");
    for page in pages {
        assert!(linked.contains(page.as_str()), "{INDEX}: no link to {page}");
    }
}

/// The fragment of a link to this heading.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    words
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}

#[test]
fn everyday_recipes_are_what_ci_runs() {
    let triple = "x86_64-unknown-linux-gnu";
    let ci = text(".ci/run").replace("$triple", triple).replace('"', "");
    let image = text("tests/packaging/main.rs");
    let mut recipes = 0;
    for line in text("justfile").lines() {
        let Some(command) = line.strip_prefix("    ").map(str::trim) else {
            continue;
        };
        recipes += 1;
        // The test of the scratch image runs the script; the list of recipes and CI itself are no
        // check.
        let by_a_test = command.starts_with("packaging/container/scratch-image")
            && image.contains("packaging/container/scratch-image");
        let known = ["@just --list", "bash .ci/run"].contains(&command) || by_a_test;
        assert!(known || ci.contains(command), "CI does not run: {command}");
    }
    assert!(recipes > 5, "the recipes are not found");
}

#[test]
fn sizes_and_test_commands_on_the_pages_are_those_of_ci() {
    let ci = text(".ci/run");
    let page = text(OPERATIONS);
    let limits = ci.lines().filter_map(|line| line.strip_prefix("max_"));
    let mut count = 0;
    for limit in limits {
        let (_, bytes) = limit.split_once('=').unwrap();
        // In MB, as on the page, and without zeros at the end.
        let megabytes = bytes.parse::<f64>().unwrap() / 1e6;
        let words = format!("CI fails beyond {megabytes} MB");
        assert!(page.contains(&words), "{OPERATIONS}: no {words:?}");
        count += 1;
    }
    assert_eq!((count, page.matches("CI fails beyond").count()), (4, 4));
    // What the README tells a newcomer to run.
    assert!(text("README.md").contains("\n```sh\ncargo test\n```\n"));
    assert!(
        ci.contains("cargo test --locked\n"),
        "CI does not run the tests"
    );
}
