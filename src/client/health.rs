//! `grpc.health.v1.Health`, as a client asks for it.
//!
//! Owns the question and its answers. It never watches: probes ask again.

use std::time::{Duration, Instant};

use super::Client;
use super::error::Error;
use super::process::Malformed;
use crate::pb::grpc::health::v1::health_check_response::ServingStatus;
use crate::pb::grpc::health::v1::{HealthCheckRequest, HealthCheckResponse};

const CHECK: &str = "/grpc.health.v1.Health/Check";

/// The health of a service, as `grpc.health.v1` reports it.
///
/// ```no_run
/// # use process_wrapper::client::{Client, Error, Health};
/// # async fn example(client: Client) -> Result<(), Error> {
/// let is_running = client.health("process", None).await? == Health::Serving;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Health {
    /// It serves.
    Serving,
    /// It does not: for `process`, it is shutting down or gone; for the server, the wrapper is
    /// leaving.
    NotServing,
    /// The server does not know.
    Unknown,
}

impl Client {
    /// Whether `service` serves: empty for the wrapper itself, `process` for the process, or the
    /// full name of a gRPC service. `timeout` limits the whole of it.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use process_wrapper::client::{Client, Error, Health};
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let second = Duration::from_secs(1);
    /// let is_alive = client.health("", Some(second)).await? == Health::Serving;
    /// let takes_jobs = client.health("process", Some(second)).await? == Health::Serving;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND` for a name that the wrapper does not know;
    /// [`Error::TimedOut`] if a connection is established and the answer does not come in time;
    /// [`Error::Unreachable`] and [`Error::Malformed`].
    pub async fn health(&self, service: &str, timeout: Option<Duration>) -> Result<Health, Error> {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let answer: HealthCheckResponse = self.calls.call(CHECK, &request, deadline).await?;
        match ServingStatus::try_from(answer.status) {
            Ok(ServingStatus::Serving) => Ok(Health::Serving),
            Ok(ServingStatus::NotServing) => Ok(Health::NotServing),
            Ok(ServingStatus::Unknown | ServingStatus::ServiceUnknown) => Ok(Health::Unknown),
            Err(_) => {
                let text = format!("its health is {}", answer.status);
                Err(Error::Malformed(Malformed(text)))
            }
        }
    }
}
