//! `grpc.reflection.v1` and `v1alpha`, through tonic.

use http::uri::PathAndQuery;
use nix::sys::signal::Signal;
use process_wrapper::pb::grpc::reflection::v1::server_reflection_request::MessageRequest;
use process_wrapper::pb::grpc::reflection::v1::server_reflection_response::MessageResponse;
use process_wrapper::pb::grpc::reflection::v1::{
    ExtensionRequest, ServerReflectionRequest, ServerReflectionResponse,
};
use prost::Message;
use prost_types::FileDescriptorProto;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::support::client::Client;
use crate::support::{DEADLINE, DRAINS, Wrapper, start_ready};

const METHODS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// One stream, on which requests are answered one by one.
struct Conversation<'a> {
    client: &'a Client,
    requests: smol::channel::Sender<ServerReflectionRequest>,
    responses: Streaming<ServerReflectionResponse>,
}

impl<'a> Conversation<'a> {
    fn start(client: &'a Client, method: &'static str) -> Self {
        let (requests, receiver) = smol::channel::unbounded();
        let responses = client.run(async |channel| {
            let mut grpc = tonic::client::Grpc::new(channel);
            grpc.ready().await.unwrap();
            let codec = ProstCodec::<ServerReflectionRequest, ServerReflectionResponse>::default();
            // tonic answers when the headers come, and they come with the first answer.
            requests.try_send(list()).unwrap();
            let request = tonic::Request::new(receiver);
            let path = PathAndQuery::from_static(method);
            grpc.streaming(request, path, codec).await.unwrap()
        });
        let mut conversation = Self {
            client,
            requests,
            responses: responses.into_inner(),
        };
        conversation.next().unwrap();
        conversation
    }

    fn next(&mut self) -> Result<Option<ServerReflectionResponse>, Status> {
        let message = self.responses.message();
        let answer = self
            .client
            .run(async |_| tokio::time::timeout(DEADLINE, message).await);
        answer.expect("no answer")
    }

    fn ask(&mut self, kind: MessageRequest) -> MessageResponse {
        self.ask_for(Some(kind))
    }

    fn ask_for(&mut self, kind: Option<MessageRequest>) -> MessageResponse {
        let request = ServerReflectionRequest {
            host: "somewhere".to_owned(),
            message_request: kind,
        };
        self.requests.try_send(request.clone()).unwrap();
        let answer = self.next().unwrap().unwrap();
        assert_eq!(answer.original_request, Some(request));
        assert_eq!(answer.valid_host, "somewhere");
        answer.message_response.unwrap()
    }

    /// The names of the files in the answer, and the first of them.
    fn files(&mut self, kind: MessageRequest) -> (Vec<String>, FileDescriptorProto) {
        let MessageResponse::FileDescriptorResponse(answer) = self.ask(kind) else {
            panic!("no files");
        };
        let files: Vec<_> = answer
            .file_descriptor_proto
            .into_iter()
            .map(|bytes| FileDescriptorProto::decode(bytes).unwrap())
            .collect();
        let names = files.iter().map(|file| file.name().to_owned()).collect();
        (names, files.into_iter().next().unwrap())
    }

    fn error(&mut self, kind: Option<MessageRequest>) -> i32 {
        let answer = self.ask_for(kind);
        let MessageResponse::ErrorResponse(error) = answer else {
            panic!("{answer:?}");
        };
        error.error_code
    }
}

fn list() -> ServerReflectionRequest {
    ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    }
}

fn symbol(name: &str) -> MessageRequest {
    MessageRequest::FileContainingSymbol(name.to_owned())
}

fn start() -> (Wrapper, Client) {
    let wrapper = start_ready(&[], DRAINS);
    let client = Client::connect(&wrapper.address());
    (wrapper, client)
}

#[test]
fn every_service_is_listed_and_described_with_all_that_it_needs() {
    let (_wrapper, client) = start();
    for method in METHODS {
        let mut conversation = Conversation::start(&client, method);
        let MessageResponse::ListServicesResponse(list) =
            conversation.ask(MessageRequest::ListServices("*".to_owned()))
        else {
            panic!("no list");
        };
        let services: Vec<_> = list.service.into_iter().map(|item| item.name).collect();
        for service in [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "process_wrapper.v1.ProcessWrapper",
        ] {
            assert!(services.iter().any(|name| name == service), "{services:?}");
        }
        for service in services {
            let (names, file) = conversation.files(symbol(&service));
            let found = file
                .service
                .iter()
                .find(|item| format!("{}.{}", file.package(), item.name()) == service);
            let found = found.expect("the first file defines the service");
            assert!(file.dependency.iter().all(|name| names.contains(name)));
            for method in &found.method {
                for name in [
                    format!("{service}.{}", method.name()),
                    method.input_type()[1..].to_owned(),
                    method.output_type()[1..].to_owned(),
                ] {
                    let (symbol_names, _) = conversation.files(symbol(&name));
                    assert_eq!(symbol_names, names, "{name}");
                }
            }
            let by_name = MessageRequest::FileByFilename(names[0].clone());
            assert_eq!(conversation.files(by_name), (names, file));
        }
    }
}

#[test]
fn an_unknown_symbol_is_an_error_and_the_stream_stays_open() {
    let (_wrapper, client) = start();
    for method in METHODS {
        let mut conversation = Conversation::start(&client, method);
        let not_found = Code::NotFound as i32;
        let extension = ExtensionRequest {
            containing_type: "process_wrapper.v1.Process".to_owned(),
            extension_number: 100,
        };
        for kind in [
            symbol("no.such.Thing"),
            symbol(""),
            symbol(&"x".repeat(20_000)),
            MessageRequest::FileByFilename(
                "../process_wrapper/v1/process_wrapper.proto".to_owned(),
            ),
            MessageRequest::FileContainingExtension(extension),
            MessageRequest::AllExtensionNumbersOfType("process_wrapper.v1.Process".to_owned()),
        ] {
            assert_eq!(
                conversation.error(Some(kind.clone())),
                not_found,
                "{kind:?}"
            );
        }
        assert_eq!(conversation.error(None), Code::Unimplemented as i32);
        let (names, _) = conversation.files(symbol("process_wrapper.v1.State"));
        assert_eq!(names[0], "process_wrapper/v1/process_wrapper.proto");
        conversation.requests.close();
        assert!(conversation.next().unwrap().is_none(), "no end");
    }
}

#[test]
fn an_open_stream_does_not_hold_up_the_end() {
    let (mut wrapper, client) = start();
    let mut conversation = Conversation::start(&client, METHODS[0]);
    wrapper.signal(Signal::SIGQUIT);
    let end = conversation.next().unwrap_err();
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert_eq!(end.message(), "the wrapper is leaving");
    assert_eq!(wrapper.code(), 3);
}
