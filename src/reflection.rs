//! An index of our contracts: the file that defines a name, and the files that it imports.
//!
//! Owns the lookup in descriptors. It never makes an answer that is larger than the contracts.

mod descriptor;

use std::collections::HashMap;

use bytes::Bytes;
use prost::{DecodeError, Message};

use self::descriptor::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet,
};

/// The files of a descriptor set, by name and by each symbol that they define.
#[derive(Debug, Default)]
pub struct Index {
    files: Vec<File>,
    by_name: HashMap<String, usize>,
    by_symbol: HashMap<String, usize>,
}

#[derive(Debug)]
struct File {
    encoded: Bytes,
    /// The transitive imports, each once.
    imports: Vec<usize>,
}

impl Index {
    /// Indexes a serialized `google.protobuf.FileDescriptorSet`.
    ///
    /// # Errors
    ///
    /// The bytes are not a descriptor set.
    pub fn new(descriptors: &[u8]) -> Result<Self, DecodeError> {
        let encoded = FileDescriptorSet::decode(descriptors)?.file;
        let files = encoded.iter().cloned().map(FileDescriptorProto::decode);
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let mut index = Self::default();
        for (at, file) in files.iter().enumerate() {
            index.by_name.insert(file.name.clone(), at);
            index.add_symbols(at, file);
        }
        index.files = files
            .iter()
            .zip(encoded)
            .map(|(file, encoded)| File {
                encoded,
                imports: imports(file, &files, &index.by_name),
            })
            .collect();
        Ok(index)
    }

    /// The serialized file of this name, then its imports.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<Vec<Bytes>> {
        self.with_imports(*self.by_name.get(name)?)
    }

    /// The serialized file that defines the symbol of this full name, then its imports.
    #[must_use]
    pub fn file_of_symbol(&self, name: &str) -> Option<Vec<Bytes>> {
        self.with_imports(*self.by_symbol.get(name)?)
    }

    fn with_imports(&self, at: usize) -> Option<Vec<Bytes>> {
        let file = self.files.get(at)?;
        let imported = file.imports.iter().filter_map(|at| self.files.get(*at));
        let files = std::iter::once(file).chain(imported);
        Some(files.map(|file| file.encoded.clone()).collect())
    }

    fn add_symbols(&mut self, at: usize, file: &FileDescriptorProto) {
        let package = &file.package;
        for service in &file.service {
            let service_name = join(package, &service.name);
            for method in &service.method {
                self.add(at, join(&service_name, &method.name));
            }
            self.add(at, service_name);
        }
        for message in &file.message_type {
            self.add_message(at, package, message);
        }
        for item in &file.enum_type {
            self.add_enum(at, package, item);
        }
    }

    fn add_message(&mut self, at: usize, scope: &str, message: &DescriptorProto) {
        let name = join(scope, &message.name);
        for field in &message.field {
            self.add(at, join(&name, &field.name));
        }
        for oneof in &message.oneof_decl {
            self.add(at, join(&name, &oneof.name));
        }
        for nested in &message.nested_type {
            self.add_message(at, &name, nested);
        }
        for item in &message.enum_type {
            self.add_enum(at, &name, item);
        }
        self.add(at, name);
    }

    fn add_enum(&mut self, at: usize, scope: &str, item: &EnumDescriptorProto) {
        // The values of an enum are in the enum's own scope, as in C++.
        for value in &item.value {
            self.add(at, join(scope, &value.name));
        }
        self.add(at, join(scope, &item.name));
    }

    fn add(&mut self, at: usize, name: String) {
        self.by_symbol.insert(name, at);
    }
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        return name.to_owned();
    }
    format!("{scope}.{name}")
}

/// The transitive imports of a file, each once.
fn imports(
    file: &FileDescriptorProto,
    files: &[FileDescriptorProto],
    by_name: &HashMap<String, usize>,
) -> Vec<usize> {
    let find = |file: &FileDescriptorProto| -> Vec<usize> {
        let names = file.dependency.iter();
        names
            .filter_map(|name| by_name.get(name).copied())
            .collect()
    };
    let mut found = find(file);
    let mut visited = 0;
    while let Some(at) = found.get(visited).copied() {
        visited += 1;
        for next in files.get(at).map(find).unwrap_or_default() {
            if !found.contains(&next) {
                found.push(next);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use prost_types::{
        DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    };

    use super::{Bytes, Index, Message};

    /// `a.proto` imports b and c, b imports c and d.
    fn example() -> Index {
        let file = |name: &str, dependencies: &[&str]| FileDescriptorProto {
            name: Some(name.to_owned()),
            package: Some(name.trim_end_matches(".proto").to_owned()),
            dependency: dependencies.iter().map(ToString::to_string).collect(),
            ..FileDescriptorProto::default()
        };
        let mut nested = DescriptorProto {
            name: Some("Inner".to_owned()),
            ..DescriptorProto::default()
        };
        nested.enum_type.push(EnumDescriptorProto {
            name: Some("Phase".to_owned()),
            value: vec![prost_types::EnumValueDescriptorProto {
                name: Some("PENDING".to_owned()),
                ..Default::default()
            }],
            ..EnumDescriptorProto::default()
        });
        let mut message = DescriptorProto {
            name: Some("Outer".to_owned()),
            nested_type: vec![nested],
            ..DescriptorProto::default()
        };
        message.field.push(prost_types::FieldDescriptorProto {
            name: Some("count".to_owned()),
            ..Default::default()
        });
        message.oneof_decl.push(prost_types::OneofDescriptorProto {
            name: Some("choice".to_owned()),
            ..Default::default()
        });
        let mut d = file("d.proto", &[]);
        d.message_type.push(message);
        d.service.push(prost_types::ServiceDescriptorProto {
            name: Some("Server".to_owned()),
            method: vec![prost_types::MethodDescriptorProto {
                name: Some("Serve".to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        });
        let set = FileDescriptorSet {
            file: vec![
                d,
                file("c.proto", &[]),
                file("b.proto", &["c.proto", "d.proto"]),
                file("a.proto", &["b.proto", "c.proto"]),
            ],
        };
        Index::new(&set.encode_to_vec()).unwrap()
    }

    fn names(files: Option<Vec<Bytes>>) -> Vec<String> {
        let decode = |bytes: Bytes| FileDescriptorProto::decode(bytes).unwrap();
        files
            .unwrap()
            .into_iter()
            .map(|bytes| decode(bytes).name().to_owned())
            .collect()
    }

    #[test]
    fn the_file_comes_first_and_each_import_once() {
        let index = example();
        assert_eq!(
            names(index.file("a.proto")),
            ["a.proto", "b.proto", "c.proto", "d.proto"]
        );
        assert_eq!(names(index.file("d.proto")), ["d.proto"]);
        for unknown in ["", "a", "/a.proto", "A.proto"] {
            assert_eq!(index.file(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn every_kind_of_symbol_is_found() {
        let index = example();
        for symbol in [
            "d.Server",
            "d.Server.Serve",
            "d.Outer",
            "d.Outer.count",
            "d.Outer.choice",
            "d.Outer.Inner",
            "d.Outer.Inner.Phase",
            "d.Outer.Inner.PENDING",
        ] {
            assert_eq!(names(index.file_of_symbol(symbol)), ["d.proto"], "{symbol}");
        }
        for unknown in [
            "",
            "d",
            ".d.Outer",
            "d.Outer.",
            "Outer",
            "a.Outer",
            "d.Outer.Inner.Phase.PENDING",
        ] {
            assert_eq!(index.file_of_symbol(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn our_contracts_are_indexed() {
        let index = Index::new(crate::pb::DESCRIPTORS).unwrap();
        assert_eq!(
            names(index.file_of_symbol("process_wrapper.v1.State")),
            [
                "process_wrapper/v1/process_wrapper.proto",
                "google/protobuf/duration.proto",
                "google/protobuf/timestamp.proto"
            ]
        );
    }
}
