//! The public items of the library, read from its sources.
//!
//! Owns the reading: the exports of `src/client/mod.rs`, the definitions behind them, their public
//! methods and traits. It relies on unique type names, which `tests/style` asserts, and it never
//! judges what it reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{Attribute, Fields, Ident, ImplItem, Item, Type, UseTree, Visibility};

use crate::examples::examples;

/// The file whose public items are the API.
const FACE: &str = "src/client/mod.rs";

/// The public items, by the name of their type or constant.
#[derive(Debug, Default)]
pub(crate) struct Surface {
    exported: BTreeSet<String>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    head: String,
    traits: BTreeSet<String>,
    members: BTreeSet<String>,
    /// The code of the examples in the documentation of the type.
    examples: String,
    /// Functions and constants that occur in no example of their own or of their type.
    unshown: BTreeSet<String>,
    /// Types that the entry names, each with the place.
    mentions: BTreeSet<(String, String)>,
}

impl Surface {
    /// Reads the sources, by path.
    pub(crate) fn of(files: &BTreeMap<String, String>) -> Self {
        let parsed: Vec<(&str, &str, syn::File)> = files
            .iter()
            .filter(|(path, _)| !path.contains("/tests"))
            .map(|(path, text)| (&**path, &**text, syn::parse_file(text).unwrap()))
            .collect();
        let mut surface = Self::default();
        for (_, _, file) in parsed.iter().filter(|(path, ..)| *path == FACE) {
            for item in &file.items {
                surface.export(item);
            }
        }
        for (path, text, file) in &parsed {
            for item in &file.items {
                if is_gated(attributes(item)) {
                    continue;
                }
                surface.define(*path == FACE, item, text);
            }
        }
        for (_, text, file) in &parsed {
            for item in &file.items {
                if let Item::Impl(item) = item
                    && !is_gated(&item.attrs)
                {
                    surface.implement(item, text);
                }
            }
        }
        for name in &surface.exported {
            assert!(surface.entries.contains_key(name), "{name} is not found");
        }
        surface
    }

    /// Whether the API exports this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.exported.contains(name)
    }

    /// The number of types, functions and constants.
    pub(crate) fn items(&self) -> usize {
        let functions = |entry: &Entry| {
            let members = entry.members.iter();
            members
                .filter(|member| member.contains("fn ") || member.starts_with("const "))
                .count()
        };
        self.entries
            .values()
            .map(|entry| 1 + functions(entry))
            .sum()
    }

    /// The types and constants whose documentation has no example.
    pub(crate) fn without_example(&self) -> impl Iterator<Item = &str> {
        let entries = self.entries.iter();
        entries.filter_map(|(name, entry)| entry.examples.is_empty().then_some(&**name))
    }

    /// The functions and constants of types that occur in no example, neither in the documentation
    /// of their own nor in that of their type.
    pub(crate) fn unshown(&self) -> impl Iterator<Item = String> {
        let entries = self.entries.iter();
        entries.flat_map(|(of, entry)| {
            entry
                .unshown
                .iter()
                .map(move |name| format!("{of}::{name}"))
        })
    }

    /// The types that public items name, each with the place.
    pub(crate) fn mentions(&self) -> impl Iterator<Item = (&str, &str)> {
        let mentions = self.entries.values().flat_map(|entry| &entry.mentions);
        mentions.map(|(place, name)| (&**place, &**name))
    }

    fn export(&mut self, item: &Item) {
        match item {
            Item::Use(item) if is_public(&item.vis) => leaves(&item.tree, &mut self.exported),
            Item::Struct(item) if is_public(&item.vis) => {
                self.exported.insert(item.ident.to_string());
            }
            Item::Enum(item) if is_public(&item.vis) => {
                self.exported.insert(item.ident.to_string());
            }
            Item::Const(item) if is_public(&item.vis) => {
                self.exported.insert(item.ident.to_string());
            }
            Item::Fn(item) if is_public(&item.vis) => panic!("{}: a free function", item.sig.ident),
            Item::Mod(item) if is_public(&item.vis) => panic!("{}: a public module", item.ident),
            _ => {}
        }
    }

    fn define(&mut self, is_face: bool, item: &Item, text: &str) {
        let (name, head, attributes) = match item {
            Item::Struct(item) => (item.ident.to_string(), "struct", &item.attrs),
            Item::Enum(item) => (item.ident.to_string(), "enum", &item.attrs),
            Item::Const(item) if is_face => (item.ident.to_string(), "const", &item.attrs),
            _ => return,
        };
        if !self.exported.contains(&name) {
            return;
        }
        let mut entry = Entry {
            head: format!("{}{head} {name}", non_exhaustive(attributes)),
            traits: derives(attributes),
            examples: examples(attributes),
            ..Entry::default()
        };
        match item {
            Item::Struct(item) => entry.fields(&name, &item.fields, text, false),
            Item::Enum(item) => {
                for variant in &item.variants {
                    let place = format!("{name}::{}", variant.ident);
                    let mut inner = Entry::default();
                    inner.fields(&place, &variant.fields, text, true);
                    entry.mentions.append(&mut inner.mentions);
                    entry.traits.append(&mut inner.traits);
                    let list: Vec<&str> = inner.members.iter().map(String::as_str).collect();
                    let fields = match &variant.fields {
                        Fields::Unit => String::new(),
                        Fields::Unnamed(_) => format!("({})", list.join(", ")),
                        Fields::Named(_) => format!(" {{ {} }}", list.join(", ")),
                    };
                    let head = non_exhaustive(&variant.attrs);
                    entry
                        .members
                        .insert(format!("{head}{}{fields}", variant.ident));
                }
            }
            Item::Const(item) => {
                entry.mention(&name, &item.ty);
                let range =
                    item.ident.span().byte_range().start..item.eq_token.span.byte_range().start;
                entry.head = format!("const {}", one_line(&text[range]));
            }
            _ => {}
        }
        let earlier = self.entries.insert(name.clone(), entry);
        assert!(earlier.is_none(), "{name} is defined twice");
    }

    fn implement(&mut self, item: &syn::ItemImpl, text: &str) {
        let Some(name) = last_name(&item.self_ty).filter(|name| self.exported.contains(name))
        else {
            return;
        };
        let exported = self.exported.clone();
        let entry = self.entries.get_mut(&name).unwrap();
        if let Some((_, path, _)) = &item.trait_ {
            let last = path.segments.last().unwrap();
            let mut names = Names::default();
            names.visit_path_arguments(&last.arguments);
            // A conversion from or to an internal type cannot be called from outside.
            if !names.1
                && names
                    .0
                    .iter()
                    .all(|name| exported.contains(name) || crate::STD.contains(&&**name))
            {
                let arguments: Vec<String> = names.0.into_iter().collect();
                let arguments = match arguments.is_empty() {
                    true => String::new(),
                    false => format!("<{}>", arguments.join(", ")),
                };
                entry.traits.insert(format!("{}{arguments}", last.ident));
            }
            return;
        }
        for item in &item.items {
            match item {
                ImplItem::Fn(item) if is_public(&item.vis) && !is_gated(&item.attrs) => {
                    let place = format!("{name}::{}", item.sig.ident);
                    let mut names = Names::default();
                    names.visit_signature(&item.sig);
                    let generics = item.sig.generics.type_params();
                    let generics: BTreeSet<String> =
                        generics.map(|g| g.ident.to_string()).collect();
                    let mentions = names.0.difference(&generics);
                    entry
                        .mentions
                        .extend(mentions.map(|name| (place.clone(), name.clone())));
                    let start = public_end(&item.vis);
                    let end = item.block.brace_token.span.open().byte_range().start;
                    entry.members.insert(one_line(&text[start..end]));
                    entry.show(&item.attrs, &item.sig.ident, "(");
                }
                ImplItem::Const(item) if is_public(&item.vis) && !is_gated(&item.attrs) => {
                    entry.mention(&format!("{name}::{}", item.ident), &item.ty);
                    let range = public_end(&item.vis)..item.eq_token.span.byte_range().start;
                    entry.members.insert(one_line(&text[range]));
                    entry.show(&item.attrs, &item.ident, "");
                }
                _ => {}
            }
        }
    }
}

impl Entry {
    /// Adds the public fields; those of a variant are all public.
    fn fields(&mut self, place: &str, fields: &Fields, text: &str, of_variant: bool) {
        let (fields, close) = match fields {
            Fields::Unit => return,
            Fields::Named(named) => (&named.named, named.brace_token.span.close()),
            Fields::Unnamed(unnamed) => (&unnamed.unnamed, unnamed.paren_token.span.close()),
        };
        for pair in fields.pairs() {
            let end = pair.punct().map_or(close, |comma| comma.spans[0]);
            let field = pair.value();
            if !of_variant && !is_public(&field.vis) {
                continue;
            }
            let start = match &field.ident {
                Some(ident) => ident.span(),
                None => first_span(&field.ty),
            };
            let words = one_line(&text[start.byte_range().start..end.byte_range().start]);
            let words = if of_variant {
                words
            } else {
                format!("pub {words}")
            };
            self.mention(place, &field.ty);
            for attribute in &field.attrs {
                if attribute.path().is_ident("from") {
                    self.traits.insert(format!("From<{words}>"));
                }
            }
            self.members.insert(words);
        }
    }

    /// Notes a function or constant that no example uses as `.name` or `::name`, with `after` next.
    fn show(&mut self, attributes: &[Attribute], name: &Ident, after: &str) {
        let code = format!("{}{}", examples(attributes), self.examples);
        let uses = [format!(".{name}{after}"), format!("::{name}{after}")];
        if !uses.iter().any(|used| code.contains(used)) {
            self.unshown.insert(name.to_string());
        }
    }

    fn mention(&mut self, place: &str, ty: &Type) {
        let mut names = Names::default();
        names.visit_type(ty);
        self.mentions
            .extend(names.0.into_iter().map(|name| (place.to_owned(), name)));
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, entry) in self.entries.values().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            let traits: Vec<&str> = entry.traits.iter().map(String::as_str).collect();
            let colon = if traits.is_empty() { "" } else { ": " };
            writeln!(f, "{}{colon}{}", entry.head, traits.join(", "))?;
            for member in &entry.members {
                writeln!(f, "    {member}")?;
            }
        }
        Ok(())
    }
}

/// The last names of the paths in a type or signature, and whether a path names its module.
#[derive(Debug, Default)]
struct Names(BTreeSet<String>, bool);

impl<'ast> Visit<'ast> for Names {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(last) = path.segments.last() {
            self.0.insert(last.ident.to_string());
        }
        self.1 |= path.segments.len() > 1;
        visit::visit_path(self, path);
    }

    // `pub(super)` and attributes name no type.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

fn leaves(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => leaves(&path.tree, names),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, names)),
        UseTree::Name(name) => {
            names.insert(name.ident.to_string());
        }
        UseTree::Rename(rename) => panic!("{} is exported under another name", rename.ident),
        UseTree::Glob(_) => panic!("the API exports a glob"),
    }
}

fn last_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

fn first_span(ty: &Type) -> Span {
    match ty {
        Type::Path(path) => path.path.segments[0].ident.span(),
        _ => panic!("the type of a public unnamed field is no path"),
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The end of `pub`.
fn public_end(visibility: &Visibility) -> usize {
    match visibility {
        Visibility::Public(word) => word.span.byte_range().end,
        Visibility::Restricted(_) | Visibility::Inherited => panic!("not public"),
    }
}

fn non_exhaustive(attributes: &[Attribute]) -> &'static str {
    let mut attributes = attributes.iter();
    match attributes.any(|attribute| attribute.path().is_ident("non_exhaustive")) {
        true => "#[non_exhaustive] ",
        false => "",
    }
}

fn derives(attributes: &[Attribute]) -> BTreeSet<String> {
    let mut traits = BTreeSet::new();
    for attribute in attributes {
        if attribute.path().is_ident("derive") {
            let read = attribute.parse_nested_meta(|meta| {
                traits.insert(meta.path.segments.last().unwrap().ident.to_string());
                Ok(())
            });
            read.unwrap();
        }
    }
    traits
}

/// Whether an item exists in tests or with unstable features only.
fn is_gated(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition.contains("test") || condition.contains("unstable-internals")
        }
        syn::Meta::Path(_) | syn::Meta::List(_) | syn::Meta::NameValue(_) => false,
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        _ => &[],
    }
}

/// The text with single spaces, and without the comma before a closing parenthesis.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace("( ", "(").replace(", )", ")")
}
