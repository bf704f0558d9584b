//! The imports, paths and modules that one source file mentions.
//!
//! Owns the reading of Rust. It never judges what it reads, and it leaves out whatever is
//! `#[cfg(test)]`.

use std::collections::HashMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A module's path from the crate's root, which is empty.
pub(crate) type Module = Vec<String>;

/// A path as it is written somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Mention {
    /// The module in which it is written.
    pub(crate) module: Module,
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// The contents of a file.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// The file's module.
    pub(crate) module: Module,
    /// Inline modules.
    pub(crate) inline: Vec<Module>,
    /// Modules that exist for tests only.
    pub(crate) for_tests: Vec<Module>,
    pub(crate) mentions: Vec<Mention>,
    /// For each module, the names of its imports and their paths.
    pub(crate) imports: HashMap<Module, HashMap<String, Vec<String>>>,
    /// Lines with `async` or `.await`.
    pub(crate) asynchronous: Vec<usize>,
}

/// The module of a file, from its path.
pub(crate) fn module_of(path: &str) -> Module {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}

/// Reads one file.
pub(crate) fn read(path: &str, text: &str) -> syn::Result<Source> {
    let file = syn::parse_file(text)?;
    let module = module_of(path);
    let mut reader = Reader {
        source: Source {
            module: module.clone(),
            ..Source::default()
        },
        module,
    };
    reader.visit_file(&file);
    Ok(reader.source)
}

struct Reader {
    source: Source,
    module: Module,
}

impl Reader {
    fn mention(&mut self, segments: Vec<String>, line: usize) {
        self.source.mentions.push(Mention {
            module: self.module.clone(),
            segments,
            line,
        });
    }

    /// Takes a tree of `use` apart: `a::{b, c::d as e}` is `a::b` and `a::c::d`, called `e`.
    fn flatten(&mut self, prefix: &[String], tree: &syn::UseTree, line: usize) {
        let with = |name: &syn::Ident| {
            let mut path = prefix.to_vec();
            path.push(name.to_string());
            path
        };
        let (path, alias) = match tree {
            syn::UseTree::Path(path) => {
                return self.flatten(&with(&path.ident), &path.tree, line);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.flatten(prefix, tree, line);
                }
                return;
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                (prefix.to_vec(), prefix.last().cloned())
            }
            syn::UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string())),
            syn::UseTree::Rename(rename) if rename.ident == "self" => {
                (prefix.to_vec(), Some(rename.rename.to_string()))
            }
            syn::UseTree::Rename(rename) => (with(&rename.ident), Some(rename.rename.to_string())),
            syn::UseTree::Glob(_) => {
                let mut path = prefix.to_vec();
                path.push("*".to_owned());
                (path, None)
            }
        };
        if let Some(alias) = alias {
            self.source
                .imports
                .entry(self.module.clone())
                .or_default()
                .insert(alias, path.clone());
        }
        self.mention(path, line);
    }

    /// Finds paths where no grammar is known: in the arguments of macros and attributes.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut line = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.finish(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.finish(&mut path, line);
                    colons = 0;
                    self.scan(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.finish(&mut path, line);
                    colons = 0;
                }
            }
        }
        self.finish(&mut path, line);
    }

    fn finish(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.mention(path, line);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        } else if let syn::Item::Mod(item) = item {
            let mut module = self.module.clone();
            module.push(item.ident.to_string());
            self.source.for_tests.push(module);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        if item.content.is_some() {
            self.source.inline.push(self.module.clone());
        }
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.flatten(&[], &item.tree, item.use_token.span.start().line);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.mention(vec![item.ident.to_string()], item.ident.span().start().line);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter();
            self.mention(
                segments.map(|segment| segment.ident.to_string()).collect(),
                path.segments[0].ident.span().start().line,
            );
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.scan(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.scan(list.tokens.clone());
        }
        visit::visit_attribute(self, attribute);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if let Some(word) = &signature.asyncness {
            self.source.asynchronous.push(word.span.start().line);
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, expression: &'ast syn::ExprAsync) {
        let line = expression.async_token.span.start().line;
        self.source.asynchronous.push(line);
        visit::visit_expr_async(self, expression);
    }

    fn visit_expr_await(&mut self, expression: &'ast syn::ExprAwait) {
        let line = expression.await_token.span.start().line;
        self.source.asynchronous.push(line);
        visit::visit_expr_await(self, expression);
    }
}

/// Whether something is compiled for tests only: `#[cfg(test)]` or `#[cfg(all(test, ...))]`.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition: String = list.tokens.to_string().split_whitespace().collect();
            condition == "test" || condition.starts_with("all(test,")
        }
        syn::Meta::Path(_) | syn::Meta::List(_) | syn::Meta::NameValue(_) => false,
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::TraitAlias(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        // Not seeing attributes only makes the check stricter.
        syn::Item::Verbatim(_) | _ => &[],
    }
}
