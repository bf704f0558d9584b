//! The rules, applied to a tree of sources.
//!
//! Owns the verdicts. It knows files by path and text only, so that a tree of examples can be
//! judged too.

use std::collections::{BTreeMap, BTreeSet};

use crate::resolve::{Names, Target};
use crate::source::{self, Module, Source};
use crate::{HOMES, LAYERS, MAX_LINES, UNKNOWN_TO_LAYER_0};

/// Everything that is wrong with these files, each with its file and line.
pub(crate) fn breaks(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut breaks = Vec::new();
    let mut read = Vec::new();
    for (path, text) in files {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            breaks.push(format!(
                "{path}: {lines} lines, more than {MAX_LINES}: split it"
            ));
        }
        if !text.starts_with("//!") {
            breaks.push(format!(
                "{path}:1: does not open with `//!`: say what it owns"
            ));
        }
        if path.starts_with("src/") {
            match source::read(path, text) {
                Ok(source) => read.push((path.as_str(), source)),
                Err(error) => breaks.push(format!("{path}: cannot be read: {error}")),
            }
        }
    }
    let for_tests: Vec<Module> = read
        .iter()
        .flat_map(|(_, source)| source.for_tests.clone())
        .collect();
    read.retain(|(_, source)| {
        let is_below = |module: &Module| source.module.starts_with(module);
        !for_tests.iter().any(is_below)
    });
    let (paths, sources): (Vec<&str>, Vec<Source>) = read.into_iter().unzip();
    let names = Names::of(&sources);
    let mut edges = Edges::new();
    for (path, source) in paths.iter().zip(&sources) {
        judge(path, source, &names, &mut edges, &mut breaks);
    }
    breaks.extend(cycle(&edges));
    breaks.dedup();
    breaks
}

/// The imports between modules.
type Edges = BTreeMap<Module, BTreeSet<Module>>;

fn judge(path: &str, source: &Source, names: &Names, edges: &mut Edges, breaks: &mut Vec<String>) {
    let layer = match layer(&source.module) {
        Some(layer) => layer,
        // The root only lists the modules.
        None if source.module.is_empty() => u8::MAX,
        None => {
            breaks.push(format!("{path}: not in the table of layers"));
            return;
        }
    };
    if layer == 0 {
        for line in &source.asynchronous {
            breaks.push(format!("{path}:{line}: layer 0 knows no async"));
        }
    }
    for mention in &source.mentions {
        let line = mention.line;
        let written = mention.segments.join("::");
        match names.target(&mention.module, &mention.segments) {
            None => {}
            Some(Target::Foreign(full)) => {
                let strange = UNKNOWN_TO_LAYER_0.iter().find(|name| fits(name, &full));
                if let Some(name) = strange.filter(|_| layer == 0) {
                    breaks.push(format!(
                        "{path}:{line}: {written}: layer 0 may not know {name}"
                    ));
                }
                for (name, home) in HOMES {
                    let at_home = match home.strip_suffix('/') {
                        Some(_) => path.starts_with(home),
                        None => path == *home,
                    };
                    if fits(name, &full) && !at_home {
                        breaks.push(format!("{path}:{line}: {written}: {name} lives in {home}"));
                    }
                }
            }
            Some(Target::Ours(target)) => {
                // The root of the crate is above everything that it lists.
                let other = self::layer(&target).unwrap_or(u8::MAX);
                // A parent names its children, whatever their layer; so may a module's inner ones.
                if target.starts_with(&source.module) {
                    continue;
                }
                if other > layer {
                    breaks.push(format!(
                        "{path}:{line}: {written}: points upward, from layer {layer} to {}",
                        name(&target)
                    ));
                }
                edges
                    .entry(source.module.clone())
                    .or_default()
                    .insert(target);
            }
        }
    }
}

/// The layer of a module, by the longest name in the table that fits.
fn layer(module: &[String]) -> Option<u8> {
    LAYERS
        .iter()
        .filter(|(name, _)| fits(name, module))
        .max_by_key(|(name, _)| name.len())
        .map(|(_, layer)| *layer)
}

/// Whether a path is what a pattern names, or below it. An import of everything (`*`) fits whatever
/// it may bring in.
fn fits(pattern: &str, path: &[String]) -> bool {
    let mut segments = path.iter();
    for wanted in pattern.split("::") {
        let Some(segment) = segments.next() else {
            return false;
        };
        let same = match wanted.strip_suffix('*') {
            Some(start) => segment.starts_with(start),
            None => segment == wanted,
        };
        if segment == "*" {
            return true;
        }
        if !same {
            return false;
        }
    }
    true
}

fn name(module: &[String]) -> String {
    if module.is_empty() {
        "the root of the crate".to_owned()
    } else {
        module.join("::")
    }
}

/// One cycle of imports, if there is any.
fn cycle(edges: &Edges) -> Option<String> {
    let mut done = BTreeSet::new();
    edges
        .keys()
        .find_map(|start| search(start, edges, &mut Vec::new(), &mut done))
        .map(|cycle| {
            let names: Vec<String> = cycle.iter().map(|module| name(module)).collect();
            format!("imports form a cycle: {}", names.join(" -> "))
        })
}

fn search<'a>(
    module: &'a Module,
    edges: &'a Edges,
    path: &mut Vec<&'a Module>,
    done: &mut BTreeSet<&'a Module>,
) -> Option<Vec<&'a Module>> {
    if let Some(start) = path.iter().position(|other| *other == module) {
        let mut cycle = path[start..].to_vec();
        cycle.push(module);
        return Some(cycle);
    }
    if !done.insert(module) {
        return None;
    }
    path.push(module);
    let found = edges
        .get(module)
        .into_iter()
        .flatten()
        .find_map(|next| search(next, edges, path, done));
    path.pop();
    found
}
