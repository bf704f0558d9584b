//! Which role a method asks of its listener.
//!
//! Owns that table. It never asks who calls.

use crate::access::Role;

/// Whole services; the name of a service ends with a slash.
const SERVICES: &[(&str, Role)] = &[
    ("/grpc.health.v1.Health/", Role::Health),
    ("/grpc.reflection.v1.ServerReflection/", Role::Read),
    ("/grpc.reflection.v1alpha.ServerReflection/", Role::Read),
];

/// Methods that change nothing, of services that have others.
const READING: &[&str] = &[
    "/process_wrapper.v1.ProcessWrapper/GetState",
    "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/CheckStatus",
];

/// What the method at this path asks for. What is not in the table asks for control, so that a method
/// that somebody forgot is closed rather than open.
pub(super) fn wanted(path: &str) -> Role {
    if READING.contains(&path) {
        return Role::Read;
    }
    let service = SERVICES.iter().find(|(name, _)| path.starts_with(name));
    service.map_or(Role::Control, |(_, role)| *role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_table_asks_for_control() {
        for path in [
            "/process_wrapper.v1.ProcessWrapper/InitiateGracefulShutdown",
            "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/InitGracefulShutdown",
            "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/InitForcefulShutdown",
            "/process_wrapper.v1.ProcessWrapper/GetStateX",
            "/grpc.health.v1.HealthX/Check",
            "/x/grpc.health.v1.Health/Check",
            "",
            "*",
        ] {
            assert_eq!(wanted(path), Role::Control, "{path}");
        }
    }

    #[test]
    fn what_changes_nothing_asks_for_less() {
        for method in READING {
            assert_eq!(wanted(method), Role::Read);
        }
        for (method, role) in [
            ("/grpc.health.v1.Health/Watch", Role::Health),
            (
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                Role::Read,
            ),
        ] {
            assert_eq!(wanted(method), role);
        }
    }
}
