//! Pages of the documentation, read for the commands that they show.
//!
//! Owns what a block is and how a page says that one is not run. It never runs anything.

use std::path::{Path, PathBuf};

/// Before a block that no test can run, with the reason.
const NOT_RUN: &str = "<!-- not run: ";

/// Before a block whose command serves until it is stopped, as a supervisor does.
const UNTIL_STOPPED: &str = "<!-- runs until stopped -->";

/// Blocks of these languages hold commands.
const COMMANDS: [&str; 2] = ["sh", "console"];

/// Blocks of these hold something else; a language that is in neither list is a mistake.
const OTHERS: [&str; 7] = ["dockerfile", "http", "ini", "json", "text", "toml", "yaml"];

/// What is done with the commands of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Use {
    Run,
    /// Run until it serves, then stopped.
    UntilStopped,
    NotRun(String),
}

/// One command of a block.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The line of the page, from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
    /// What the page says is printed; None where it does not show it.
    pub(crate) printed: Option<String>,
    pub(crate) done: Use,
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) commands: Vec<Shown>,
    /// What is wrong with it, each with its line.
    pub(crate) mistakes: Vec<String>,
}

impl Page {
    pub(crate) fn read(root: &Path, path: &str) -> Self {
        let text = std::fs::read_to_string(root.join(path)).unwrap();
        Self::parse(PathBuf::from(path), &text)
    }

    pub(crate) fn parse(path: PathBuf, text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let mut page = Self {
            path,
            commands: Vec::new(),
            mistakes: Vec::new(),
        };
        let mut n = 0;
        while n < lines.len() {
            let line = lines[n].trim_start();
            let indent = lines[n].len() - line.len();
            if let Some(language) = line.strip_prefix("```") {
                let body: Vec<&str> = lines[n + 1..]
                    .iter()
                    .take_while(|line| line.trim_start() != "```")
                    .map(|line| line.get(indent..).unwrap_or_default())
                    .collect();
                page.block(language, marker(&lines[..n]), n + 2, &body);
                n += body.len() + 2;
            } else {
                if indented_code(&lines, n) {
                    page.wrong(n + 1, "code without a fence: its language is not said");
                }
                n += 1;
            }
        }
        page
    }

    fn wrong(&mut self, line: usize, what: &str) {
        let place = self.path.display();
        self.mistakes.push(format!("{place}:{line}: {what}"));
    }

    fn block(&mut self, language: &str, marker: &str, first: usize, body: &[&str]) {
        if OTHERS.contains(&language) {
            return;
        }
        if !COMMANDS.contains(&language) {
            self.wrong(
                first - 1,
                "a block of no known language (see tests/docs/page.rs)",
            );
            return;
        }
        let done = match marker.strip_prefix(NOT_RUN) {
            Some(reason) => Use::NotRun(reason.trim_end_matches("-->").trim().to_owned()),
            None if marker == UNTIL_STOPPED => Use::UntilStopped,
            None => Use::Run,
        };
        let transcript = language == "console";
        let before = self.commands.len();
        let mut lines = body.iter().enumerate().peekable();
        while let Some((n, line)) = lines.next() {
            let text = match (transcript, line.strip_prefix("$ ")) {
                (true, Some(text)) => text,
                (false, _) if line.trim().is_empty() || line.starts_with('#') => continue,
                (false, _) => line,
                (true, None) => {
                    match self.commands[before..].last_mut() {
                        Some(Shown {
                            printed: Some(printed),
                            ..
                        }) => {
                            printed.push_str(line);
                            printed.push('\n');
                        }
                        Some(_) | None => self.wrong(first + n, "printed by no command"),
                    }
                    continue;
                }
            };
            let mut text = text.to_owned();
            while text.ends_with('\\') {
                let Some((_, next)) = lines.next() else { break };
                text.push('\n');
                text.push_str(next);
            }
            self.commands.push(Shown {
                line: first + n,
                text,
                printed: transcript.then(String::new),
                done: done.clone(),
            });
        }
        if self.commands.len() == before {
            self.wrong(first, "a block of commands without one");
        }
    }
}

/// The comment before a block, with or without an empty line between.
fn marker<'l>(before: &[&'l str]) -> &'l str {
    let said = before.iter().rev().find(|line| !line.trim().is_empty());
    said.map_or("", |line| line.trim())
}

/// Whether a code block begins here that is one by its indentation only.
fn indented_code(lines: &[&str], n: usize) -> bool {
    let blank = |line: &str| line.trim().is_empty();
    if !lines[n].starts_with("    ") || blank(lines[n]) || n == 0 || !blank(lines[n - 1]) {
        return false;
    }
    // Below a list item it is a paragraph of the item.
    let before = lines[..n].iter().rev().find(|line| !blank(line));
    before.is_some_and(|line| !line.starts_with([' ', '-', '*']) && !line.starts_with("1."))
}
