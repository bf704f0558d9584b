//! Tests the documentation: every command on its pages runs and prints the shown output, and its
//! tables are complete.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]
// The documentation is of the default build.
#![cfg(all(feature = "webhooks", feature = "monitor"))]

mod complete;
mod names;
mod page;
mod sandbox;
#[path = "../support/mod.rs"]
mod support;
mod transcript;

use std::path::{Path, PathBuf};

use page::{Page, Shown, Use};
use sandbox::Outcome;

/// The maximum number of commands that no test runs.
const FEW: usize = 12;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README and every page below `docs`, `packaging` and `fuzz`, by their paths in the tree.
fn paths() -> Vec<String> {
    let mut files = vec!["README.md".to_owned()];
    let mut folders: Vec<PathBuf> = ["docs", "packaging", "fuzz"].map(PathBuf::from).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                // Inputs of the fuzzers, by the thousand.
                folders.extend((!path.ends_with("corpus")).then_some(path));
            } else if path.extension().is_some_and(|end| end == "md") {
                files.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

fn pages() -> Vec<Page> {
    let read = |path: String| Page::read(root(), &path);
    paths().into_iter().map(read).collect()
}

#[test]
fn every_command_runs_and_prints_what_the_page_shows() {
    let runs = |page: &Page| {
        let mut commands = page.commands.iter();
        commands.any(|command| !matches!(command.done, Use::NotRun(_)))
    };
    let pages: Vec<Page> = pages().into_iter().filter(runs).collect();
    assert!(pages.len() > 3, "the pages are not found: {pages:?}");
    // A page mostly waits: all of them at once.
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads = pages.iter().map(|page| {
            let name = format!("the commands of {}", page.path.display());
            let thread = std::thread::Builder::new().name(name);
            thread.spawn_scoped(scope, || run(page)).unwrap()
        });
        let threads: Vec<_> = threads.collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.flatten().collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The failures of the page's commands.
fn run(page: &Page) -> Vec<String> {
    let Some(outcomes) = sandbox::run(page) else {
        return Vec::new();
    };
    let mut wrong = Vec::new();
    let mut commands = page.commands.iter().zip(outcomes).peekable();
    while let Some((command, outcome)) = commands.next() {
        // The page shows the code of what fails.
        let code_shown = commands
            .peek()
            .is_some_and(|(next, _)| next.text == "echo $?");
        let Some(outcome) = outcome else { continue };
        if let Err(what) = judge(command, &outcome, code_shown) {
            let (path, line) = (page.path.display(), command.line);
            wrong.push(format!("{path}:{line}: {what}\n$ {}", command.text));
        }
    }
    wrong
}

fn judge(command: &Shown, outcome: &Outcome, code_shown: bool) -> Result<(), String> {
    let Outcome { printed, code } = outcome;
    let stopped = command.done == Use::UntilStopped;
    if stopped && !printed.contains(" started pid=") {
        return Err(format!("did not come to serve, but printed:\n{printed}"));
    }
    // 128 + TERM, where the process did not drain by it.
    let well = *code == 0 || code_shown || (stopped && *code == 143);
    if !well {
        return Err(format!("exited with code {code} and printed:\n{printed}"));
    }
    let Some(shown) = &command.printed else {
        return Ok(());
    };
    if transcript::matches(shown, printed, command.text.ends_with(" &")) {
        return Ok(());
    }
    Err(format!("shows:\n{shown}\nbut this was printed:\n{printed}"))
}

#[test]
fn every_block_can_be_run_or_says_why_not() {
    let pages = pages();
    let mistakes: Vec<&str> = pages
        .iter()
        .flat_map(|page| page.mistakes.iter().map(String::as_str))
        .collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    let mut count = 0;
    for (page, command) in pages
        .iter()
        .flat_map(|page| page.commands.iter().map(move |command| (page, command)))
    {
        let Use::NotRun(reason) = &command.done else {
            continue;
        };
        count += 1;
        let (path, line) = (page.path.display(), command.line);
        assert!(reason.len() > 10, "{path}:{line}: say why it is not run");
    }
    assert!(
        count <= FEW,
        "{count} commands are not run, more than {FEW}"
    );
}

#[test]
fn a_wrong_page_fails() {
    let text = "$ false\n$ echo $?\n1\n$ echo a; echo b\na\n$ echo c\nc\n$ false\n";
    let page = Page::parse("page".into(), &format!("```console\n{text}```\n"));
    assert!(page.mistakes.is_empty(), "{page:?}");
    if support::peers::find("bwrap").is_none() {
        return;
    }
    let wrong = run(&page);
    let places: Vec<&str> = wrong
        .iter()
        .map(|wrong| wrong.split(": ").next().unwrap())
        .collect();
    assert_eq!(places, ["page:5", "page:9"], "{wrong:?}");
}

#[test]
fn code_blocks_are_parsed_by_language_and_marker() {
    let text = "```sh\n# why\na \\\n  b\n\nc\n```\n<!-- not run: it takes a year -->\n```sh\nd\n```\n\
                <!-- runs until stopped -->\n\n```console\n$ e\nf\n```\n\nx\n\n    g\n\n- y\n\n    z\n```\nh\n```\n";
    let page = Page::parse("page".into(), text);
    let commands: Vec<_> = page
        .commands
        .iter()
        .map(|c| (c.line, c.text.as_str(), c.printed.as_deref(), &c.done))
        .collect();
    let not_run = Use::NotRun("it takes a year".to_owned());
    assert_eq!(
        commands,
        [
            (3, "a \\\n  b", None, &Use::Run),
            (6, "c", None, &Use::Run),
            (10, "d", None, &not_run),
            (15, "e", Some("f\n"), &Use::UntilStopped),
        ]
    );
    let places: Vec<&str> = page
        .mistakes
        .iter()
        .map(|mistake| mistake.split(": ").next().unwrap())
        .collect();
    assert_eq!(places, ["page:21", "page:26"]);
}

#[test]
fn only_values_that_differ_between_runs_are_ignored() {
    let shown = "2026-11-24T02:12:46.617Z INFO x: started pid=16103\ngone: sh (pid 7) 1m3s ago";
    let later = "2027-01-01T00:00:00.1Z INFO x: started pid=4\ngone: sh (pid 99) 0s ago\n";
    assert!(transcript::matches(shown, later, false));
    assert!(transcript::matches("a … c\n…\nf", "a b  c\nd\ne\nf", false));
    assert!(transcript::matches("a", "a\nb", true));
    for (shown, printed) in [
        ("exit 3", "exit 4"),
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("a … c", "a b d"),
        ("pid=1 x", "pid=2 y"),
        ("", "a"),
    ] {
        assert!(!transcript::matches(shown, printed, false), "{shown:?}");
    }
    assert!(!transcript::matches("a", "ab", true));
}

#[test]
fn every_test_that_a_page_names_exists() {
    let mut functions = std::collections::BTreeSet::new();
    for folder in ["src", "tests", "fuzz/fuzz_targets"] {
        names::functions(&root().join(folder), &mut functions);
    }
    let own = "`every_test_that_a_page_names_exists`, `no_test_has_this_name`";
    assert_eq!(names::unknown(own, &functions), ["no_test_has_this_name"]);
    for path in paths() {
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        let unknown = names::unknown(&text, &functions);
        assert!(unknown.is_empty(), "{path} names no test: {unknown:?}");
    }
}
