//! The role that each method requires of its listener.
//!
//! Owns that table. It never looks at the caller.

use crate::access::Role;

/// Whole services; the slash ends the name.
const SERVICES: &[(&str, Role)] = &[
    ("/grpc.health.v1.Health/", Role::Health),
    ("/grpc.reflection.v1.ServerReflection/", Role::Read),
    ("/grpc.reflection.v1alpha.ServerReflection/", Role::Read),
];

/// Methods that change nothing, of services with others.
const READ_METHODS: &[&str] = &[
    "/process_wrapper.v1.ProcessWrapper/GetState",
    "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/CheckStatus",
];

/// The role that the method at this path requires: control unless the table says less, so that a
/// new method is closed rather than open.
pub(super) fn required(path: &str) -> Role {
    if READ_METHODS.contains(&path) {
        return Role::Read;
    }
    let service = SERVICES.iter().find(|(name, _)| path.starts_with(name));
    service.map_or(Role::Control, |(_, role)| *role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_without_an_entry_requires_control() {
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
            assert_eq!(required(path), Role::Control, "{path}");
        }
    }

    #[test]
    fn a_method_that_changes_nothing_requires_less() {
        for method in READ_METHODS {
            assert_eq!(required(method), Role::Read);
        }
        for (method, role) in [
            ("/grpc.health.v1.Health/Watch", Role::Health),
            (
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                Role::Read,
            ),
        ] {
            assert_eq!(required(method), role);
        }
    }
}
