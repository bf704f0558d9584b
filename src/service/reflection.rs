//! `grpc.reflection.v1.ServerReflection` and the same as `v1alpha`: our contracts, for clients
//! without them.
//!
//! Owns the answer to each kind of request. It never parses a contract: `crate::reflection` does.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;
use smol::future::{or, yield_now};

use crate::grpc::rules::status::{Code, Status};
use crate::grpc::server::exchange::Exchange;
use crate::grpc::server::router::Router;
use crate::grpc::server::waits::Waits;
use crate::pb::DESCRIPTORS;
use crate::pb::grpc::reflection::v1::server_reflection_request::MessageRequest;
use crate::pb::grpc::reflection::v1::server_reflection_response::MessageResponse;
use crate::pb::grpc::reflection::v1::{
    ErrorResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};
use crate::reflection::Index;
use crate::supervisor::{Handle, Milestone};

/// The names of the service.
pub(super) const SERVICES: [&str; 2] = [
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];
/// Beside their names the two do not differ.
const METHODS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Adds the method under both names. `services` are the names to list.
pub(super) fn add(router: &mut Router, handle: &Handle, services: BTreeSet<&'static str>) {
    let reflection = Rc::new(ReflectionService {
        services,
        index: OnceCell::new(),
    });
    for method in METHODS {
        let (reflection, handle) = (Rc::clone(&reflection), handle.clone());
        router.streaming(method, move |context, exchange| {
            serve(
                Rc::clone(&reflection),
                handle.clone(),
                context.waits,
                exchange,
            )
        });
    }
}

struct ReflectionService {
    services: BTreeSet<&'static str>,
    /// Built at the first request, which may never come.
    index: OnceCell<Index>,
}

/// Answers request after request until the client has no more.
async fn serve(
    reflection: Rc<ReflectionService>,
    handle: Handle,
    waits: Waits,
    mut exchange: Exchange,
) -> Result<(), Status> {
    // A client that keeps its stream open must not delay the wrapper's end.
    let leaving = async {
        handle.reach(Milestone::Leaving).await;
        Err(Status::new(Code::Unavailable, "the wrapper is leaving"))
    };
    let answers = async {
        // A client may keep its stream open between requests.
        let _waiting = waits.begin()?;
        while let Some(request) = exchange.receive().await? {
            exchange.send_owned(reflection.answer(request)).await?;
            // Requests that have come already must not starve the other tasks.
            yield_now().await;
        }
        Ok(())
    };
    or(answers, leaving).await
}

impl ReflectionService {
    fn answer(&self, request: ServerReflectionRequest) -> ServerReflectionResponse {
        let answer = match &request.message_request {
            Some(MessageRequest::ListServices(_)) => Ok(self.list()),
            Some(MessageRequest::FileByFilename(name)) => files(self.index().file(name)),
            Some(MessageRequest::FileContainingSymbol(name)) => {
                files(self.index().file_of_symbol(name))
            }
            Some(
                MessageRequest::FileContainingExtension(_)
                | MessageRequest::AllExtensionNumbersOfType(_),
            ) => Err((Code::NotFound, "no message here has extensions")),
            None => Err((Code::Unimplemented, "this kind of request is not supported")),
        };
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(answer.unwrap_or_else(error)),
        }
    }

    fn list(&self) -> MessageResponse {
        let service = self
            .services
            .iter()
            .map(|name| ServiceResponse {
                name: (*name).to_owned(),
            })
            .collect();
        MessageResponse::ListServicesResponse(ListServiceResponse { service })
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            // Never the default: the build wrote the descriptors, and a test parses them.
            Index::new(DESCRIPTORS).unwrap_or_default()
        })
    }
}

fn files(found: Option<Vec<Bytes>>) -> Result<MessageResponse, (Code, &'static str)> {
    let file_descriptor_proto =
        found.ok_or((Code::NotFound, "no file has or defines this name"))?;
    Ok(MessageResponse::FileDescriptorResponse(
        FileDescriptorResponse {
            file_descriptor_proto,
        },
    ))
}

fn error((code, message): (Code, &str)) -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse {
        error_code: code as i32,
        error_message: message.to_owned(),
    })
}
