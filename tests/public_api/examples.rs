//! The examples in the documentation of an item.
//!
//! Owns which code counts as one. It never judges what the code shows.

use syn::Attribute;

/// The code in the documentation that `cargo test` compiles.
pub(crate) fn examples(attributes: &[Attribute]) -> String {
    let mut code = String::new();
    // The info string of the open block.
    let mut block: Option<String> = None;
    for attribute in attributes {
        let syn::Meta::NameValue(doc) = &attribute.meta else {
            continue;
        };
        let syn::Expr::Lit(text) = &doc.value else {
            continue;
        };
        let syn::Lit::Str(text) = &text.lit else {
            continue;
        };
        let line = text.value();
        block = match (line.trim().strip_prefix("```"), block) {
            (Some(info), None) => Some(info.to_owned()),
            (Some(_), Some(_)) => None,
            (None, Some(info)) => {
                if matches!(&*info, "" | "no_run") {
                    code.push_str(&line);
                    code.push('\n');
                }
                Some(info)
            }
            (None, None) => None,
        };
    }
    code
}
