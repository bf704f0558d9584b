//! `process-wrapper wrapper`: the command line of GitLab Runner's own wrapper.
//!
//! Owns GitLab's options and their translation to the options of `run`. It never starts anything.

use std::ffi::OsString;
use std::str::FromStr;

use argh::{ArgsInfo, FromArgs};

use super::gitlab_log::GitlabLog;
use super::stages::{self, RunRefusal};
use super::{Run, run};
use crate::access::Listen;
use crate::address::{Address, Host, InvalidAddress, is_beyond_loopback};
use crate::gitlab::GoDuration;
use crate::lifecycle::Rewrite;
use crate::log;

/// The default address of GitLab's wrapper. PROCESS_WRAPPER_ADDRESS does not override it, because
/// GitLab's tools do not read that variable.
const DEFAULT_ADDRESS: Address = Address::Tcp {
    host: Host::Localhost,
    port: 7777,
};

/// Start gitlab-runner ARGS like `gitlab-runner wrapper`; serve GitLab's and our control API.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "wrapper",
    help_triggers("-h", "--help"),
    example = "process-wrapper wrapper --grpc-listen tcp://localhost:7777 -- run --config /etc/config.toml",
    note = "ARGS follow the first `--` and reach gitlab-runner unchanged (default: run).\n\
            Durations are written as in Go: 300ms, 1m30s, 1.5h. `run` has more options.",
    error_code(
        1,
        "the wrapper itself failed, for example because an address is in use"
    ),
    error_code(2, "wrong usage or a bad address; nothing was started"),
    error_code(126, "gitlab-runner is not executable"),
    error_code(127, "gitlab-runner was not found"),
    error_code(
        128,
        "plus n: signal n ended gitlab-runner; otherwise its own exit code"
    )
)]
pub(super) struct WrapperArguments {
    /// address to serve on: tcp://host:port, tcp://:port (every IPv4 interface), unix:///abs or
    /// unix:rel (default: tcp://localhost:7777)
    #[argh(option, arg_name = "address")]
    grpc_listen: Option<GrpcListen>,

    /// send KILL this long after the abort has begun: after a TERM or INT that reaches the runner,
    /// or after InitForcefulShutdown (default: never)
    #[argh(option, arg_name = "duration")]
    process_termination_timeout: Option<GoDuration>,

    /// gitlab-runner to start: a path, or a name on PATH (default: gitlab-runner)
    #[argh(option, default = "\"gitlab-runner\".to_owned()", arg_name = "path")]
    runner_path: String,

    /// refuse to serve where strangers could call, instead of logging a warning
    #[argh(switch)]
    strict: bool,

    /// forward signal FROM as signal TO, written FROM:TO; FROM:0 drops it; repeatable
    #[argh(option, arg_name = "from:to")]
    rewrite_signal: Vec<Rewrite>,

    /// callbacks may only reach this host, HOST:PORT, *.suffix or ADDRESS/BITS; repeatable
    /// (default: all but link-local and cloud metadata addresses, and loopback for requests over
    /// tcp)
    #[cfg(feature = "webhooks")]
    #[argh(option, arg_name = "rule")]
    webhook_allow: Vec<crate::webhook::policy::Rule>,

    /// format of log lines on stderr: text or json (default: $LOG_FORMAT, or text)
    #[argh(option, arg_name = "text|json")]
    log_format: Option<log::LogFormat>,

    /// least severe level to log: off, error, warn, info, debug or trace (default: debug with
    /// RUNNER_DEBUG=true, $LOG_LEVEL, or info)
    #[argh(option, arg_name = "off|error|warn|info|debug|trace")]
    log_level: Option<log::Level>,

    /// arguments of gitlab-runner, placed before ARGS
    #[argh(positional)]
    args: Vec<String>,
}

/// The value of `--grpc-listen`. An empty host is every IPv4 interface.
#[derive(Debug, Clone)]
struct GrpcListen(Address);

impl FromStr for GrpcListen {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = match text.strip_prefix("tcp://:") {
            Some(port) => format!("tcp://0.0.0.0:{port}").parse(),
            None => text.parse(),
        };
        address.map(Self)
    }
}

/// Why the arguments are refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum WrapperRefusal {
    #[error(
        "--strict refuses --grpc-listen {0}: every peer that reaches it could stop the runner; \
         listen on a unix socket or tcp://localhost:7777"
    )]
    Exposed(Address),
    #[error("the options of `run` have no defaults: {0}")]
    Defaults(String),
    #[error(transparent)]
    Run(#[from] RunRefusal),
}

impl WrapperArguments {
    /// Translates to the options of `run`; `after_dashes` holds the arguments after `--`.
    pub(super) fn validate(
        self,
        after_dashes: Option<Vec<OsString>>,
    ) -> Result<Run, WrapperRefusal> {
        stages::check_rules(&self.rewrite_signal).map_err(WrapperRefusal::from)?;
        let address = self.grpc_listen.map_or(DEFAULT_ADDRESS, |listen| listen.0);
        let exposed = is_beyond_loopback(&address);
        if exposed && self.strict {
            return Err(WrapperRefusal::Exposed(address));
        }
        let warning = exposed.then(|| format!(
                "EVERY PEER THAT REACHES {address} CAN STOP THE RUNNER: the address is beyond loopback, \
                 without encryption and authentication; listen on tcp://localhost:7777 or a unix socket, \
                 and add --strict to refuse other addresses"
            ));
        let mut command = vec![OsString::from(self.runner_path)];
        command.extend(self.args.into_iter().map(OsString::from));
        command.extend(after_dashes.unwrap_or_default());
        if command.len() == 1 {
            command.push("run".into());
        }
        // GitLab's command line lacks the other options of `run`, which keep their defaults.
        let mut run = run::RunArguments::from_args(&["run"], &[])
            .map_err(|exit| WrapperRefusal::Defaults(exit.output))?
            .validate(Some(command))?;
        run.listen = vec![Listen::control(address)];
        // GitLab's wrapper listens on any address, so an exposed one only warns without --strict.
        run.access.insecure = !self.strict;
        run.accept_insecure = "without --strict";
        run.listen_option = "--grpc-listen";
        run.lifecycle.kill_after = self.process_termination_timeout.map(|duration| duration.0);
        run.lifecycle.rewrites = self.rewrite_signal.into_iter().collect();
        if run.lifecycle.needs_caller_to_kill() {
            run.warnings.push(
                "--process-termination-timeout does not run during a drain: TERM begins no abort \
                 here; use `run` with --force-after to limit the drain"
                    .to_owned(),
            );
        }
        run.gitlab_log = Some(GitlabLog {
            format: self.log_format,
            level: self.log_level,
        });
        #[cfg(feature = "webhooks")]
        {
            run.webhooks.allow = self.webhook_allow;
        }
        run.warnings.extend(warning);
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn parse(own: &str, after_dashes: &str) -> Result<Run, WrapperRefusal> {
        let own = super::super::gitlab_words::translate(words(&format!("wrapper {own}")));
        let own: Vec<_> = own.iter().skip(1).map(String::as_str).collect();
        let arguments = WrapperArguments::from_args(&["wrapper"], &own).unwrap();
        arguments.validate(Some(
            words(after_dashes).into_iter().map(Into::into).collect(),
        ))
    }

    #[test]
    fn gitlab_options_translate_to_run_options() {
        let run = parse(
            "--grpc-listen tcp://0.0.0.0:7777 --process-termination-timeout 3h",
            "run --config /etc/config.toml",
        )
        .unwrap();
        assert_eq!(run.listen[0].address.to_string(), "tcp://0.0.0.0:7777");
        assert_eq!(run.lifecycle.kill_after, Some(Duration::from_secs(10_800)));
        assert_eq!(run.program.name, "gitlab-runner");
        assert_eq!(
            run.program.arguments,
            ["run", "--config", "/etc/config.toml"]
        );
        assert!(run.warnings[0].contains("tcp://0.0.0.0:7777"));
    }

    #[test]
    fn a_timeout_that_no_stop_begins_is_warned_of() {
        let warned = |own: &str| parse(own, "").unwrap().warnings.concat();
        let timeout = "--process-termination-timeout 3h";
        assert_eq!(warned(timeout), "");
        let warning = warned(&format!("{timeout} --rewrite-signal TERM:QUIT"));
        assert!(warning.contains("--force-after"), "{warning}");
    }

    #[test]
    fn defaults_listen_on_localhost_7777_and_never_kill() {
        let run = parse("", "").unwrap();
        assert_eq!(run.listen[0].address.to_string(), "tcp://localhost:7777");
        assert_eq!(run.lifecycle.kill_after, None);
        assert_eq!(run.lifecycle.force_after, None);
        assert_eq!(run.program.arguments, ["run"]);
        assert_eq!(run.warnings, [""; 0]);
    }

    #[test]
    fn options_with_one_dash_are_accepted() {
        let run = parse(
            "-grpc-listen=unix:a=b -process-termination-timeout 1.5h",
            "run",
        )
        .unwrap();
        assert_eq!(run.listen[0].address.to_string(), "unix:a=b");
        assert_eq!(run.lifecycle.kill_after, Some(Duration::from_secs(5400)));
    }

    #[test]
    fn an_empty_host_is_every_ipv4_interface() {
        let run = parse("--grpc-listen tcp://:7777", "").unwrap();
        assert_eq!(run.listen[0].address.to_string(), "tcp://0.0.0.0:7777");
        assert_eq!(run.warnings.len(), 1);
    }

    #[test]
    fn options_win_over_the_variables_of_gitlab_runner() {
        use log::Level::{Debug, Error, Info, Warn};
        use log::LogFormat::{Json, Text};
        for (own, variables, format, level, warnings) in [
            ("", &[][..], Text, Info, 0),
            (
                "",
                &[("LOG_LEVEL", "warning"), ("LOG_FORMAT", "json")],
                Json,
                Warn,
                0,
            ),
            (
                "",
                &[("LOG_LEVEL", ""), ("LOG_FORMAT", "runner")],
                Text,
                Info,
                0,
            ),
            (
                "",
                &[("LOG_LEVEL", "loud"), ("LOG_FORMAT", "x")],
                Text,
                Info,
                2,
            ),
            (
                "--log-level error",
                &[("LOG_LEVEL", "warn")],
                Text,
                Error,
                0,
            ),
            (
                "--log-format text",
                &[("LOG_FORMAT", "json")],
                Text,
                Info,
                0,
            ),
            (
                "--log-level error",
                &[("RUNNER_DEBUG", "true")],
                Text,
                Debug,
                0,
            ),
            ("", &[("RUNNER_DEBUG", "false")], Text, Info, 0),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let resolved = parse(own, "")
                .unwrap()
                .gitlab_log
                .unwrap()
                .resolve(variable);
            let case = format!("{own} {variables:?}");
            assert_eq!((resolved.0, resolved.1), (format, level), "{case}");
            assert_eq!(resolved.2.len(), warnings, "{case}: {:?}", resolved.2);
        }
    }

    #[test]
    fn positional_arguments_reach_the_runner() {
        let run = parse("run", "--config x").unwrap();
        assert_eq!(run.program.arguments, ["run", "--config", "x"]);
    }

    #[test]
    fn strict_refuses_exposed_addresses_that_otherwise_warn() {
        for address in [
            "tcp://0.0.0.0:1",
            "tcp://[::]:1",
            "tcp://10.0.0.1:1",
            "tcp://name:1",
        ] {
            let listen = format!("--grpc-listen {address}");
            assert_eq!(parse(&listen, "").unwrap().warnings.len(), 1, "{address}");
            let error = parse(&format!("{listen} --strict"), "").unwrap_err();
            assert!(error.to_string().contains(address), "{error}");
        }
        for address in [
            "tcp://localhost:1",
            "tcp://127.1.2.3:1",
            "tcp://[::1]:1",
            "unix:/a",
        ] {
            let run = parse(&format!("--strict --grpc-listen {address}"), "").unwrap();
            assert_eq!(run.warnings, [""; 0], "{address}");
        }
    }
}
