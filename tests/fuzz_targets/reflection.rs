//! Reflection: names that anybody may ask for.

use std::cell::OnceCell;

use bytes::Bytes;
use process_wrapper::pb::DESCRIPTORS;
use process_wrapper::reflection::Index;
use prost::Message;
use prost_types::FileDescriptorProto;

/// An answer begins with the file that was asked for, holds each file once, and is closed: whatever
/// a file imports is in it. Descriptors that are damaged are refused or answered from, and nothing
/// panics.
pub fn run(data: &[u8]) {
    thread_local! {
        static INDEX: OnceCell<Index> = const { OnceCell::new() };
    }
    let name = String::from_utf8_lossy(data);
    INDEX.with(|index| {
        let index = index.get_or_init(|| Index::new(DESCRIPTORS).unwrap());
        if let Some(files) = index.file(&name) {
            assert_eq!(closed(&files)[0], name);
        }
        if let Some(files) = index.file_of_symbol(&name) {
            closed(&files);
        }
        assert!(index.file("").is_none() && index.file_of_symbol("").is_none());
    });
    if let Ok(index) = Index::new(data) {
        for name in ["", "a", "a.b"] {
            let _ = (index.file(name), index.file_of_symbol(name));
        }
    }
}

/// The names of the files, none twice, with all that they import.
fn closed(files: &[Bytes]) -> Vec<String> {
    let files: Vec<FileDescriptorProto> = files
        .iter()
        .map(|file| FileDescriptorProto::decode(file.clone()).unwrap())
        .collect();
    let names: Vec<String> = files.iter().map(|file| file.name().to_owned()).collect();
    for (at, file) in files.iter().enumerate() {
        assert!(!names[..at].contains(&names[at]));
        assert!(file.dependency.iter().all(|import| names.contains(import)));
    }
    names
}
