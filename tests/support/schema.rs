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
    let mut location = None;
    for (name, text) in FILES {
        let schema: Value = serde_json::from_str(text).unwrap();
        let id = schema["$id"].as_str().unwrap().to_owned();
        assert!(id.ends_with(name), "{name} is {id}");
        if name == file {
            location = Some(id.clone());
        }
        compiler.add_resource(&id, schema).unwrap();
    }
    let mut schemas = Schemas::new();
    let index = compiler.compile(&location.unwrap(), &mut schemas).unwrap();
    let result = schemas.validate(document, index);
    result.map_err(|error| format!("{error:#}"))
}
