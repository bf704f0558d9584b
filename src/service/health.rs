//! `grpc.health.v1.Health`: whether the wrapper serves, and whether the process runs.
//!
//! Owns the service names and their status. It never changes anything.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::grpc::rules::status::{Code, Status};
use crate::grpc::server::exchange::Exchange;
use crate::grpc::server::router::Router;
use crate::grpc::server::waits::Waits;
use crate::lifecycle::State;
use crate::pb::grpc::health::v1::health_check_response::ServingStatus;
use crate::pb::grpc::health::v1::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use crate::supervisor::Handle;

/// The name of the service.
pub(super) const SERVICE: &str = "grpc.health.v1.Health";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const LIST: &str = "/grpc.health.v1.Health/List";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The server as a whole.
const SERVER: &str = "";
/// The wrapped process.
const PROCESS: &str = "process";

/// Adds the three methods. Each of `services` has the status of the server as a whole.
pub(super) fn add(router: &mut Router, handle: &Handle, services: BTreeSet<&'static str>) {
    let health = HealthService {
        handle: handle.clone(),
        services: Rc::new(services),
    };
    let this = health.clone();
    router.unary(CHECK, move |_, request: HealthCheckRequest| {
        let answer = this.check(&request.service);
        async move { answer }
    });
    let this = health.clone();
    router.unary(LIST, move |_, _: HealthListRequest| {
        let answer = this.list();
        async move { Ok(answer) }
    });
    router.streaming(WATCH, move |context, exchange| {
        health.clone().watch(context.waits, exchange)
    });
}

#[derive(Debug, Clone)]
struct HealthService {
    handle: Handle,
    services: Rc<BTreeSet<&'static str>>,
}

impl HealthService {
    /// The status of a name now; `None` for an unknown one.
    fn status(&self, name: &str) -> Option<ServingStatus> {
        self.known(name).map(|name| self.status_of_known(name))
    }

    /// The static copy of a known name.
    fn known(&self, name: &str) -> Option<&'static str> {
        let mut names = [SERVER, PROCESS].into_iter();
        names
            .find(|known| *known == name)
            .or_else(|| self.services.get(name).copied())
    }

    fn status_of_known(&self, name: &str) -> ServingStatus {
        status(name, self.handle.state(), self.handle.is_leaving())
    }

    fn check(&self, name: &str) -> Result<HealthCheckResponse, Status> {
        let status = self.status(name).ok_or_else(|| {
            Status::new(
                Code::NotFound,
                "there is no such service; `process` is the wrapped process, an empty name the server",
            )
        })?;
        Ok(response(status))
    }

    fn list(&self) -> HealthListResponse {
        let names = [SERVER, PROCESS];
        let statuses = names
            .iter()
            .chain(self.services.iter())
            .filter_map(|name| Some(((*name).to_owned(), response(self.status(name)?))))
            .collect();
        HealthListResponse { statuses }
    }

    /// Sends the status at once and after each change. A slow client misses those in between.
    async fn watch(self, waits: Waits, mut exchange: Exchange) -> Result<(), Status> {
        // A watch may last for days, and an unknown name can be as long as a message: keep neither.
        let name = {
            let request: HealthCheckRequest = exchange.receive_only().await?;
            self.known(&request.service)
        };
        let _waiting = waits.begin()?;
        let mut sent = None;
        loop {
            // Read before the answer is sent, so that a change meanwhile counts as a new one.
            let seen = self.handle.last_milestone();
            let status = name.map_or(ServingStatus::ServiceUnknown, |name| {
                self.status_of_known(name)
            });
            let leaving = self.handle.is_leaving();
            if sent != Some(status) {
                exchange.send(&response(status)).await?;
                sent = Some(status);
            }
            if leaving {
                // A watch never ends by itself, so it would delay the wrapper's end.
                return Err(Status::new(Code::Unavailable, "the wrapper is leaving"));
            }
            self.handle.reach_more(seen).await;
        }
    }
}

/// The status of a known name.
fn status(name: &str, state: State, leaving: bool) -> ServingStatus {
    let serves = match state {
        State::Running => true,
        State::ShuttingDown | State::Gone => name != PROCESS,
    };
    if serves && !leaving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_healthy_while_it_runs_and_the_server_until_it_leaves() {
        for (state, process) in [
            (State::Running, ServingStatus::Serving),
            (State::ShuttingDown, ServingStatus::NotServing),
            (State::Gone, ServingStatus::NotServing),
        ] {
            assert_eq!(status(PROCESS, state, false), process);
            for name in [SERVER, SERVICE] {
                assert_eq!(status(name, state, false), ServingStatus::Serving);
            }
            for name in [SERVER, SERVICE, PROCESS] {
                assert_eq!(status(name, state, true), ServingStatus::NotServing);
            }
        }
    }
}
