//! Every message of every contract. Those of reflection v1alpha are, by `build.rs`, those of v1.

use std::fmt::Debug;

use process_wrapper::pb::gitlab_com::gitlab_runner::runner_wrapper as gitlab;
use process_wrapper::pb::grpc::{health::v1 as health, reflection::v1 as reflection};
use process_wrapper::pb::process_wrapper::v1 as own;
use prost::Message;

/// What is decoded can be encoded, is then as long as it said, and decodes to the same message.
pub fn run(data: &[u8]) {
    survives::<own::InitiateGracefulShutdownRequest>(data);
    survives::<own::InitiateGracefulShutdownResponse>(data);
    survives::<own::GetStateRequest>(data);
    survives::<own::GetStateResponse>(data);
    survives::<own::Webhook>(data);
    survives::<own::Process>(data);
    survives::<own::AfterExit>(data);
    survives::<own::WebhookDelivery>(data);
    survives::<health::HealthCheckRequest>(data);
    survives::<health::HealthCheckResponse>(data);
    survives::<health::HealthListRequest>(data);
    survives::<health::HealthListResponse>(data);
    survives::<reflection::ServerReflectionRequest>(data);
    survives::<reflection::ServerReflectionResponse>(data);
    survives::<gitlab::CheckStatusRequest>(data);
    survives::<gitlab::CheckStatusResponse>(data);
    survives::<gitlab::InitGracefulShutdownRequest>(data);
    survives::<gitlab::InitGracefulShutdownResponse>(data);
    survives::<gitlab::ShutdownCallback>(data);
    survives::<gitlab::InitForcefulShutdownRequest>(data);
    survives::<gitlab::InitForcefulShutdownResponse>(data);
    survives::<reflection::ExtensionRequest>(data);
    survives::<reflection::FileDescriptorResponse>(data);
    survives::<reflection::ExtensionNumberResponse>(data);
    survives::<reflection::ListServiceResponse>(data);
    survives::<reflection::ErrorResponse>(data);
    survives::<prost_types::FileDescriptorSet>(data);
}

fn survives<M: Message + Default + PartialEq + Debug>(data: &[u8]) {
    let Ok(message) = M::decode(data) else {
        return;
    };
    let encoded = message.encode_to_vec();
    assert_eq!(encoded.len(), message.encoded_len());
    assert!(
        encoded.len() <= 2 * data.len() + 16,
        "nothing grows on the way"
    );
    assert_eq!(M::decode(&*encoded).unwrap(), message);
}
