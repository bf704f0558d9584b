//! `process-wrapper wrapper`: the command line of GitLab Runner's own wrapper.
//!
//! Owns its options, as GitLab writes them, and what they mean in ours. It never runs anything: the
//! result is the same as that of `run`.

use std::ffi::OsString;

use argh::FromArgs;

use super::{Run, run};
use crate::access::Listen;
use crate::address::{Address, Host};
use crate::gitlab::GoDuration;
use crate::lifecycle::Rewrite;
use crate::log;

/// The name of the command.
pub(super) const NAME: &str = "wrapper";

/// GitLab's options, which Go's flag package also takes with a single dash.
const WITH_ONE_DASH: [&str; 2] = ["-grpc-listen", "-process-termination-timeout"];

/// Where GitLab's wrapper listens by default. PROCESS_WRAPPER_ADDRESS does not change it: the tools that
/// drive it would not know.
const DEFAULT_ADDRESS: Address = Address::Tcp {
    host: Host::Localhost,
    port: 7777,
};

/// Start gitlab-runner ARGS, as `gitlab-runner wrapper` does, and serve GitLab's and our control API.
#[derive(Debug, FromArgs)]
#[argh(
    subcommand,
    name = "wrapper",
    help_triggers("-h", "--help"),
    usage = "[OPTIONS] [-- ARGS...]",
    example = "process-wrapper wrapper --grpc-listen tcp://localhost:7777 -- run --config /etc/config.toml",
    note = "ARGS follow the first `--` and are given to gitlab-runner untouched (default: run).\n\
            Durations are written as in Go: 300ms, 1m30s, 1.5h. `run` has more options.",
    error_code(
        1,
        "the wrapper itself failed, for instance because an address is in use"
    ),
    error_code(2, "wrong usage or a bad address; nothing was started"),
    error_code(126, "gitlab-runner is not executable"),
    error_code(127, "gitlab-runner was not found"),
    error_code(
        128,
        "plus n: gitlab-runner was ended by signal n; otherwise its own exit code"
    )
)]
pub(super) struct WrapperArguments {
    /// address to serve on: tcp://host:port, unix:///abs or unix:rel (default:
    /// tcp://localhost:7777)
    #[argh(option, arg_name = "address")]
    grpc_listen: Option<Address>,

    /// send KILL this long after the first TERM (default: never)
    #[argh(option, arg_name = "duration")]
    process_termination_timeout: Option<GoDuration>,

    /// the gitlab-runner to start: a path, or a name that is on PATH (default: gitlab-runner)
    #[argh(option, default = "\"gitlab-runner\".to_owned()", arg_name = "path")]
    runner_path: String,

    /// refuse to serve where strangers could call, where a warning is logged otherwise
    #[argh(switch)]
    strict: bool,

    /// forward another signal than the one received, as FROM:TO; FROM:0 ignores it; repeatable
    #[argh(option, arg_name = "from:to")]
    rewrite_signal: Vec<Rewrite>,

    /// the form of log lines on stderr: text or json (default: text)
    #[argh(option, default = "log::LogFormat::Text", arg_name = "format")]
    log_format: log::LogFormat,

    /// the least severe lines to log: off, error, warn, info, debug or trace (default: info)
    #[argh(option, default = "log::Level::Info", arg_name = "level")]
    log_level: log::Level,

    /// for gitlab-runner as well, before what follows `--`
    #[argh(positional)]
    args: Vec<String>,
}

/// Why the arguments make no command.
#[derive(Debug, thiserror::Error)]
pub(super) enum WrapperRefusal {
    #[error(
        "--strict refuses {0}: whoever reaches it could stop the runner; \
         listen on a unix socket or tcp://localhost:7777"
    )]
    Exposed(Address),
    #[error("the options of `run` have no defaults: {0}")]
    Defaults(String),
}

/// Writes GitLab's options the way our parser knows them.
pub(super) fn with_two_dashes(own: Vec<String>) -> Vec<String> {
    if own.first().is_none_or(|command| command != NAME) {
        return own;
    }
    let mut words = Vec::new();
    for word in own {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), None),
        };
        if WITH_ONE_DASH.contains(&name) {
            words.push(format!("-{name}"));
            words.extend(value.map(str::to_owned));
        } else {
            words.push(word);
        }
    }
    words
}

impl WrapperArguments {
    /// What `run` would have been told.
    pub(super) fn validate(self, behind: Option<Vec<OsString>>) -> Result<Run, WrapperRefusal> {
        let address = self.grpc_listen.unwrap_or(DEFAULT_ADDRESS);
        let exposed = address.is_beyond_loopback();
        if exposed && self.strict {
            return Err(WrapperRefusal::Exposed(address));
        }
        let warning = exposed.then(|| format!(
                "WHOEVER REACHES {address} CAN STOP THE RUNNER: it is served beyond loopback, without \
                 encryption and without asking who calls; listen on tcp://localhost:7777 or a unix socket, \
                 and let --strict refuse anything else"
            ));
        let mut command = vec![OsString::from(self.runner_path)];
        command.extend(self.args.into_iter().map(OsString::from));
        command.extend(behind.unwrap_or_default());
        if command.len() == 1 {
            command.push("run".into());
        }
        // What GitLab's command line has no words for is as `run` has it without options.
        let mut run = run::RunArguments::from_args(&["run"], &[])
            .map_err(|exit| WrapperRefusal::Defaults(exit.output))?
            .validate(Some(command));
        run.listen = vec![Listen::control(address)];
        // GitLab's listens anywhere; so a warning is all there is, unless more was asked for.
        run.access.insecure = !self.strict;
        run.accept_insecure = "without --strict";
        run.lifecycle.kill_after = self.process_termination_timeout.map(|span| span.0);
        run.lifecycle.rewrites = self.rewrite_signal.into_iter().collect();
        run.log_format = self.log_format;
        run.log_level = self.log_level;
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

    fn parse(own: &str, behind: &str) -> Result<Run, WrapperRefusal> {
        let own = with_two_dashes(words(&format!("wrapper {own}")));
        let own: Vec<_> = own.iter().skip(1).map(String::as_str).collect();
        let arguments = WrapperArguments::from_args(&["wrapper"], &own).unwrap();
        arguments.validate(Some(words(behind).into_iter().map(Into::into).collect()))
    }

    #[test]
    fn gitlabs_own_command_line_means_what_it_says() {
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
    fn without_options_it_listens_on_port_7777_of_this_machine_and_never_kills() {
        let run = parse("", "").unwrap();
        assert_eq!(run.listen[0].address.to_string(), "tcp://localhost:7777");
        assert_eq!(run.lifecycle.kill_after, None);
        assert_eq!(run.lifecycle.force_after, None);
        assert_eq!(run.program.arguments, ["run"]);
        assert_eq!(run.warnings, [""; 0]);
    }

    #[test]
    fn one_dash_is_as_good_as_two() {
        let run = parse(
            "-grpc-listen=unix:a=b -process-termination-timeout 1.5h",
            "run",
        )
        .unwrap();
        assert_eq!(run.listen[0].address.to_string(), "unix:a=b");
        assert_eq!(run.lifecycle.kill_after, Some(Duration::from_secs(5400)));
    }

    #[test]
    fn words_before_the_double_dash_are_for_the_runner_too() {
        let run = parse("run", "--config x").unwrap();
        assert_eq!(run.program.arguments, ["run", "--config", "x"]);
    }

    #[test]
    fn strict_refuses_what_is_only_warned_of_otherwise() {
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
