//! The names in a descriptor: a part of `google/protobuf/descriptor.proto`.
//!
//! Owns the messages to decode. It has no field that the index does not use: `prost-types` decodes
//! every option too, and would be the largest part of reflection in the binary.

use bytes::Bytes;
use prost::Message;

/// Files in their encoded form.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct FileDescriptorSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) file: Vec<Bytes>,
}

/// One `.proto` file.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct FileDescriptorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) package: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) dependency: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(super) message_type: Vec<DescriptorProto>,
    #[prost(message, repeated, tag = "5")]
    pub(super) enum_type: Vec<EnumDescriptorProto>,
    #[prost(message, repeated, tag = "6")]
    pub(super) service: Vec<ServiceDescriptorProto>,
}

/// A message with its nested messages.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DescriptorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) field: Vec<NamedProto>,
    #[prost(message, repeated, tag = "3")]
    pub(super) nested_type: Vec<DescriptorProto>,
    #[prost(message, repeated, tag = "4")]
    pub(super) enum_type: Vec<EnumDescriptorProto>,
    #[prost(message, repeated, tag = "8")]
    pub(super) oneof_decl: Vec<NamedProto>,
}

/// An enum.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct EnumDescriptorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) value: Vec<NamedProto>,
}

/// A service.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ServiceDescriptorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) method: Vec<NamedProto>,
}

/// A field, a oneof, the value of an enum, or a method.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct NamedProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}
