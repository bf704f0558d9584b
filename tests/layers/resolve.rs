//! Where a path leads: to one of our modules, or out of the crate.
//!
//! Owns the rules of names across files, re-exports included. It never judges where a path may
//! lead.

use std::collections::{BTreeSet, HashMap};

use crate::source::{Module, Source};

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Something that this module of ours defines.
    Ours(Module),
    /// Something of another crate, by its full path.
    Foreign(Vec<String>),
}

/// The names of the whole crate.
#[derive(Debug)]
pub(crate) struct Names {
    modules: BTreeSet<Module>,
    imports: HashMap<Module, HashMap<String, Vec<String>>>,
}

/// A longer chain of imports is a cycle.
const MAX_STEPS: u8 = 16;

impl Names {
    pub(crate) fn of(sources: &[Source]) -> Self {
        let mut names = Self {
            modules: BTreeSet::new(),
            imports: HashMap::new(),
        };
        for source in sources {
            names.modules.insert(source.module.clone());
            names.modules.extend(source.inline.iter().cloned());
            for (module, imports) in &source.imports {
                let known = names.imports.entry(module.clone()).or_default();
                known.extend(imports.clone());
            }
        }
        names
    }

    /// Where a path leads that is written in a module; `None` for what the module has of itself.
    pub(crate) fn target(&self, from: &[String], segments: &[String]) -> Option<Target> {
        self.resolve(from, segments, MAX_STEPS)
    }

    fn resolve(&self, from: &[String], segments: &[String], steps: u8) -> Option<Target> {
        let steps = steps.checked_sub(1)?;
        let (first, rest) = segments.split_first()?;
        match first.as_str() {
            "crate" | "process_wrapper" => return self.walk(Module::new(), rest, steps),
            "self" | "super" => return self.walk(from.to_vec(), segments, steps),
            "Self" => return None,
            _ => {}
        }
        if self.modules.contains(&child(from, first)) {
            return self.walk(from.to_vec(), segments, steps);
        }
        match self.import(from, first) {
            // `use smol;` calls a crate by its own name.
            Some(path) if path.first() != Some(first) => {
                self.resolve(from, &[path, rest].concat(), steps)
            }
            Some(_) => Some(Target::Foreign(segments.to_vec())),
            // Crates are written in lower case; what is not is a type or variant from near by.
            None => first
                .starts_with(|letter: char| letter.is_ascii_lowercase())
                .then(|| Target::Foreign(segments.to_vec())),
        }
    }

    /// Follows a path that begins in a module of ours, through re-exports to where it ends.
    fn walk(&self, mut module: Module, segments: &[String], steps: u8) -> Option<Target> {
        for (index, segment) in segments.iter().enumerate() {
            match segment.as_str() {
                "self" => continue,
                "super" => {
                    module.pop();
                    continue;
                }
                _ => {}
            }
            let below = child(&module, segment);
            if self.modules.contains(&below) {
                module = below;
                continue;
            }
            return match self.import(&module, segment) {
                Some(path) => {
                    self.resolve(&module, &[path, &segments[index + 1..]].concat(), steps)
                }
                None => Some(Target::Ours(module)),
            };
        }
        Some(Target::Ours(module))
    }

    fn import(&self, module: &[String], name: &str) -> Option<&[String]> {
        Some(self.imports.get(module)?.get(name)?)
    }
}

fn child(module: &[String], name: &str) -> Module {
    let mut path = module.to_vec();
    path.push(name.to_owned());
    path
}
