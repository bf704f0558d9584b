//! The JSON schemas of `docs/schema`, and what they say about a document.

use boon::{Compiler, Schemas};
use serde_json::Value;

const FILES: [(&str, &str); 3] = [
    ("answer.json", include_str!("../../docs/schema/answer.json")),
    ("event.json", include_str!("../../docs/schema/event.json")),
    (
        "version.json",
        include_str!("../../docs/schema/version.json"),
    ),
];

/// Panics unless the document is as the schema of this file says.
pub fn assert_valid(file: &str, document: &Value) {
    if let Err(error) = validate(file, document) {
        panic!("{error}\nof {document:#}");
    }
}

/// Why the document is not as the schema of this file says.
pub fn validate(file: &str, document: &Value) -> Result<(), String> {
    let mut compiler = Compiler::new();
    compiler.enable_format_assertions();
    for (name, text) in FILES {
        let schema: Value = serde_json::from_str(text).unwrap();
        compiler.add_resource(&location(name), schema).unwrap();
    }
    let mut schemas = Schemas::new();
    let index = compiler.compile(&location(file), &mut schemas).unwrap();
    let result = schemas.validate(document, index);
    result.map_err(|error| format!("{error:#}"))
}

/// The files refer to each other by their names, so any folder is as good.
fn location(file: &str) -> String {
    format!("file:///schema/{file}")
}
