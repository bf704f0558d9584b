//! The options of `run`.
//!
//! Owns their names, help texts and validation. It never acts on them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};

use crate::access::{
    self, AllowedName, Callers, Group, Listen, SocketMode, TlsOptions, TlsVersion,
};
use crate::address::Address;
use crate::cli::connections::Connections;
use crate::human_duration::HumanDuration;
use crate::lifecycle::{AfterExitLimits, Config, ExitWhenGone, Rewrite, Spacing};
use crate::log;
use crate::process::child::Program;
use crate::readiness::condition::{ReadinessProbe, ReadyAfter};
use crate::signal::Signal;
#[cfg(feature = "webhooks")]
use crate::webhook::{WebhookRequest, policy::Rule, request::InvalidWebhook};

use super::environment::Sources;
use super::gitlab_log::GitlabLog;
use super::stages::{self, RunRefusal};
#[cfg(feature = "webhooks")]
use super::state::{self, StateOptions};
#[cfg(feature = "webhooks")]
use super::values::WebhookUrl;
use super::values::{AfterExitCommand, ExitChoice, HttpHost, Id, SignalOrNone, WholeNumber};

/// Start COMMAND (default: gitlab-runner run) and serve the control API, also after its exit.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "run",
    help_triggers("-h", "--help"),
    example = "process-wrapper run -- gitlab-runner run --config /etc/gitlab-runner/config.toml",
    example = "process-wrapper run --listen tcp://127.0.0.1:7777 --rewrite-signal TERM:QUIT -- sleep 3600",
    note = "The command and its arguments follow the first `--` and reach it unchanged.\n\
            Durations are written 300ms, 30s, 1h30m. Signals are written TERM, SIGTERM or 15.",
    error_code(
        1,
        "the wrapper itself failed, for example because an address is in use"
    ),
    error_code(2, "wrong usage or a bad address; nothing was started"),
    error_code(126, "the command is not executable"),
    error_code(127, "the command was not found"),
    error_code(128, "plus n: signal n ended the command; otherwise its own exit code")
)]
pub(super) struct RunArguments {
    /// signal that asks the process to drain (default: QUIT)
    #[argh(option, default = "Signal::QUIT", arg_name = "signal")]
    graceful_signal: Signal,

    /// signal that asks the process to abort; none: only KILL follows a drain (default: TERM)
    #[argh(
        option,
        default = "SignalOrNone(Some(Signal::TERM))",
        arg_name = "signal"
    )]
    forceful_signal: SignalOrNone,

    /// begin the abort this long after the request to drain: send the forceful signal (default:
    /// never)
    #[argh(option, arg_name = "duration")]
    force_after: Option<HumanDuration>,

    /// send KILL this long after the abort has begun (default: never)
    #[argh(option, arg_name = "duration")]
    kill_after: Option<HumanDuration>,

    /// hold the graceful signal back until the process is ready: a duration since its start,
    /// unix:PATH or tcp://localhost:PORT (it accepts a connection), or http://localhost:PORT/PATH
    /// (it answers a GET with 2xx) (default: hold nothing back)
    #[argh(option, arg_name = "condition")]
    ready_after: Option<ReadyAfter>,

    /// send a graceful signal that was held back this long after the start, ready or not (default:
    /// 1m)
    #[argh(option, arg_name = "duration")]
    ready_within: Option<HumanDuration>,

    /// when the wrapper exits by itself after the process is gone: never, unrequested (the process
    /// ended without a shutdown request) or always (default: never)
    #[argh(
        option,
        default = "ExitChoice(ExitWhenGone::Never)",
        arg_name = "never|unrequested|always"
    )]
    exit_when_gone: ExitChoice,

    /// forward signal FROM as signal TO, written FROM:TO; FROM:0 drops it; repeatable
    #[argh(option, arg_name = "from:to")]
    rewrite_signal: Vec<Rewrite>,

    /// signal to send to the process if the wrapper is killed or crashes; a second process watches
    /// for that; no effect as PID 1, where the kernel kills every process (default: none)
    #[argh(option, default = "SignalOrNone(None)", arg_name = "signal")]
    on_wrapper_death: SignalOrNone,

    /// program and arguments to run once the process is gone; quoted as for a shell, but no shell
    /// runs. Its environment has PROCESS_WRAPPER_OUTCOME (drained, failed, aborted, killed or
    /// unasked), _SIGNALS, _EXIT_CODE or _EXIT_SIGNAL, _REQUESTED (true or false), _STARTED_AT,
    /// _SHUTDOWN_REQUESTED_AT and _EXITED_AT (default: none)
    #[argh(option, arg_name = "command")]
    after_exit: Option<AfterExitCommand>,

    /// send TERM to the --after-exit program after this long, and KILL 5s later (default: 60s)
    #[argh(option, arg_name = "duration")]
    after_exit_timeout: Option<HumanDuration>,

    /// address to serve the API on: unix:///abs, unix:rel or tcp://host:port, with an optional
    /// role before it: control= (every method, the default), read= or health=; repeatable
    /// (default: a unix socket for the own user and root: /run/process-wrapper/control.sock as
    /// root, else in $XDG_RUNTIME_DIR, a directory of the systemd service, or /tmp;
    /// PROCESS_WRAPPER_ADDRESS overrides it)
    #[argh(option, arg_name = "[role=]address")]
    listen: Vec<Listen>,

    /// mode of unix sockets, octal; write permission allows to connect (default: 0600)
    #[argh(option, arg_name = "mode")]
    socket_mode: Option<SocketMode>,

    /// group of unix sockets, name or number (default: the wrapper's own)
    #[argh(option, arg_name = "group")]
    socket_group: Option<Group>,

    /// user that may call over unix sockets, besides the wrapper's own and root; repeatable
    #[argh(option, arg_name = "uid")]
    allow_uid: Vec<Id>,

    /// primary group whose members may call over unix sockets; repeatable
    #[argh(option, arg_name = "gid")]
    allow_gid: Vec<Id>,

    /// refuse root on unix sockets, for example a container that shares the socket's volume
    #[argh(switch)]
    deny_root: bool,

    /// file of bearer tokens, one per line; every call except on health listeners must present
    /// one; reloaded when it changes (default: none)
    #[argh(option, arg_name = "file")]
    token_file: Option<PathBuf>,

    /// require tokens on tcp listeners only
    #[argh(switch)]
    token_tcp_only: bool,

    /// serve even where strangers could call: in plaintext beyond loopback, or on a unix socket in
    /// a directory that other users can write to
    #[argh(switch)]
    insecure: bool,

    /// maximum connections per listener; when full, an idle one is closed (default: as many as the
    /// descriptor limit allows, up to 1000 over all listeners)
    #[argh(option, arg_name = "number")]
    max_connections: Option<WholeNumber>,

    /// close a connection after this long without a call (default: 5m)
    #[argh(option, arg_name = "duration")]
    idle_timeout: Option<HumanDuration>,

    /// close a connection at this age, or up to an eighth earlier; calls in flight get another 30s
    /// (default: 12h)
    #[argh(option, arg_name = "duration")]
    max_connection_age: Option<HumanDuration>,

    /// server certificate (chain), PEM; makes tcp listeners use TLS; reloaded when it changes
    /// (default: none)
    #[argh(option, arg_name = "file")]
    tls_cert: Option<PathBuf>,

    /// private key of --tls-cert, PEM (default: none)
    #[argh(option, arg_name = "file")]
    tls_key: Option<PathBuf>,

    /// CA certificates for client certificates, PEM; callers must present one (default: none)
    #[argh(option, arg_name = "file")]
    tls_client_ca: Option<PathBuf>,

    /// oldest TLS version to accept: 1.2 or 1.3 (default: 1.3)
    #[argh(option, arg_name = "1.2|1.3")]
    tls_min_version: Option<TlsVersion>,

    /// DNS name, URI with its scheme, or IP address that a client certificate must contain; one
    /// match suffices; repeatable (default: any)
    #[argh(option, arg_name = "name")]
    allow_san: Vec<AllowedName>,

    /// URL to POST to once the process is gone; repeatable. Other users can read command lines;
    /// put a secret URL into --webhook-file (default: none)
    #[cfg(feature = "webhooks")]
    #[argh(option, arg_name = "url")]
    webhook: Vec<WebhookUrl>,

    /// file of webhooks; each is a line `[METHOD] URL`, then header lines `Name: value`; an empty
    /// line separates two webhooks; repeatable
    #[cfg(feature = "webhooks")]
    #[argh(option, arg_name = "file")]
    webhook_file: Vec<PathBuf>,

    /// file of secrets that sign webhooks (Standard Webhooks), one per line: `whsec_` and base64
    /// (default: not signed)
    #[cfg(feature = "webhooks")]
    #[argh(option, arg_name = "file")]
    webhook_secret_file: Option<PathBuf>,

    /// CA certificates that verify https receivers, PEM (default: the system's, or bundled ones
    /// where it has none)
    #[cfg(feature = "webhooks")]
    #[argh(option, arg_name = "file")]
    webhook_ca_file: Option<PathBuf>,

    /// destination that webhooks may call: HOST, HOST:PORT, *.suffix or ADDRESS/BITS; repeatable
    /// (default: all but link-local and cloud metadata addresses, which only ADDRESS/BITS allows,
    /// and loopback for requests over tcp)
    #[cfg(feature = "webhooks")]
    #[argh(option, arg_name = "rule")]
    webhook_allow: Vec<Rule>,

    /// stop retrying a webhook this long after the exit of the process (default: 10m)
    #[cfg(feature = "webhooks")]
    #[argh(
        option,
        default = "HumanDuration(WEBHOOK_DEADLINE)",
        arg_name = "duration"
    )]
    webhook_deadline: HumanDuration,

    /// directory that keeps each accepted webhook, with its secrets, until it is delivered, also
    /// if the wrapper is killed; created with mode 0700; one per wrapper (default: none)
    #[cfg(feature = "webhooks")]
    #[argh(option, arg_name = "dir")]
    state_dir: Option<PathBuf>,

    /// accept a webhook even if --state-dir cannot take it, instead of refusing the request
    #[cfg(feature = "webhooks")]
    #[argh(switch)]
    state_best_effort: bool,

    /// keep a webhook that was given up in --state-dir this long (default: 7days)
    #[cfg(feature = "webhooks")]
    #[argh(option, arg_name = "duration")]
    keep_failed: Option<HumanDuration>,

    /// address to serve /metrics, /livez and /readyz on over plain HTTP, without a role;
    /// repeatable (default: none)
    #[argh(option, arg_name = "address")]
    http_listen: Vec<Address>,

    /// name by which browsers may open --http-listen, beside IP addresses and localhost; repeatable
    #[argh(option, arg_name = "name")]
    http_host: Vec<HttpHost>,

    /// format of log lines on stderr: text or json (default: text)
    #[argh(option, default = "log::LogFormat::Text", arg_name = "text|json")]
    log_format: log::LogFormat,

    /// least severe level to log: off, error, warn, info, debug or trace (default: info)
    #[argh(
        option,
        default = "log::Level::Info",
        arg_name = "off|error|warn|info|debug|trace"
    )]
    log_level: log::Level,
}

/// The default of `--after-exit-timeout`.
const AFTER_EXIT_TIMEOUT: Duration = Duration::from_secs(60);

/// The time of the `--after-exit` program from TERM to KILL.
const AFTER_EXIT_GRACE: Duration = Duration::from_secs(5);

/// The default of `--webhook-deadline`.
#[cfg(feature = "webhooks")]
const WEBHOOK_DEADLINE: Duration = Duration::from_secs(600);

impl RunArguments {
    /// Combines the options with `command`, the arguments after `--`.
    pub(super) fn validate(self, command: Option<Vec<OsString>>) -> Result<Run, RunRefusal> {
        let mut command = command.unwrap_or_default().into_iter();
        let program = match command.next() {
            Some(name) => Program {
                name,
                arguments: command.collect(),
            },
            None => Program {
                name: "gitlab-runner".into(),
                arguments: vec!["run".into()],
            },
        };
        if self.after_exit.is_none() && self.after_exit_timeout.is_some() {
            return Err(RunRefusal::NothingToLimit);
        }
        if self.http_listen.is_empty() && !self.http_host.is_empty() {
            return Err(RunRefusal::HostAlone);
        }
        stages::check_rules(&self.rewrite_signal)?;
        stages::check_addresses(&self.listen, &self.http_listen)?;
        let (ready_within, readiness) = stages::readiness(self.ready_after, self.ready_within)?;
        let lifecycle = Config {
            graceful_signal: self.graceful_signal,
            forceful_signal: stages::forceful(self.forceful_signal.0)?,
            ready_within,
            spacing: Spacing::default(),
            force_after: self.force_after.map(|span| span.0),
            kill_after: self.kill_after.map(|span| span.0),
            exit_when_gone: self.exit_when_gone.0,
            rewrites: self.rewrite_signal.into_iter().collect(),
            after_exit: self.after_exit.as_ref().map(|_| AfterExitLimits {
                timeout: self
                    .after_exit_timeout
                    .map_or(AFTER_EXIT_TIMEOUT, |span| span.0),
                grace: AFTER_EXIT_GRACE,
            }),
        };
        #[cfg(feature = "webhooks")]
        let state = state::options(self.state_dir, self.state_best_effort, self.keep_failed)?;
        Ok(Run {
            listen: self.listen,
            http_listen: self.http_listen,
            http_hosts: self.http_host.into_iter().map(|host| host.0).collect(),
            access: access::AccessOptions {
                socket_mode: self.socket_mode,
                socket_group: self.socket_group,
                allowed: Callers {
                    uids: self.allow_uid.into_iter().map(|id| id.0).collect(),
                    gids: self.allow_gid.into_iter().map(|id| id.0).collect(),
                },
                deny_root: self.deny_root,
                token_file: self.token_file,
                token_tcp_only: self.token_tcp_only,
                tls: TlsOptions {
                    certificate: self.tls_cert,
                    key: self.tls_key,
                    client_ca: self.tls_client_ca,
                    allow_sans: self.allow_san,
                    min_version: self.tls_min_version,
                },
                insecure: self.insecure,
            },
            connections: Connections {
                max_connections: self.max_connections.map(|count| count.0),
                idle_timeout: self.idle_timeout.map(|span| span.0),
                max_age: self.max_connection_age.map(|span| span.0),
            },
            warnings: stages::warnings(&lifecycle),
            lifecycle,
            readiness,
            on_wrapper_death: self.on_wrapper_death.0,
            after_exit: self.after_exit.map(|command| command.0),
            #[cfg(feature = "webhooks")]
            webhooks: WebhookOptions {
                urls: self.webhook.into_iter().map(|url| url.0).collect(),
                files: self.webhook_file,
                secret_file: self.webhook_secret_file,
                ca_file: self.webhook_ca_file,
                allow: self.webhook_allow,
                deadline: self.webhook_deadline.0,
                state,
            },
            log_format: self.log_format,
            log_level: self.log_level,
            gitlab_log: None,
            program,
            accept_insecure: "with --insecure",
            listen_option: "--listen",
            sources: Sources::default(),
        })
    }
}

/// `run`, validated.
#[derive(Debug)]
pub(in crate::cli) struct Run {
    /// Empty: the default address.
    pub(in crate::cli) listen: Vec<Listen>,
    pub(in crate::cli) http_listen: Vec<Address>,
    pub(in crate::cli) http_hosts: Vec<String>,
    pub(in crate::cli) access: access::AccessOptions,
    pub(in crate::cli) connections: Connections,
    pub(in crate::cli) lifecycle: Config,
    /// Present only if `lifecycle.ready_within` is.
    pub(in crate::cli) readiness: Option<ReadinessProbe>,
    pub(in crate::cli) on_wrapper_death: Option<Signal>,
    /// Present exactly if `lifecycle.after_exit` is.
    pub(in crate::cli) after_exit: Option<Program>,
    #[cfg(feature = "webhooks")]
    pub(in crate::cli) webhooks: WebhookOptions,
    pub(in crate::cli) log_format: log::LogFormat,
    pub(in crate::cli) log_level: log::Level,
    /// What `wrapper` has instead of the last two, until its environment is read.
    pub(in crate::cli) gitlab_log: Option<GitlabLog>,
    pub(in crate::cli) program: Program,
    /// Logged before the listeners open.
    pub(in crate::cli) warnings: Vec<String>,
    /// How this command accepts an exposed listener; ends the error message.
    pub(in crate::cli) accept_insecure: &'static str,
    /// The option of `listen`, for errors.
    pub(in crate::cli) listen_option: &'static str,
    /// For errors after the parser.
    pub(in crate::cli) sources: Sources,
}

impl Run {
    /// Reads the environment of `wrapper`; does nothing for `run`.
    pub(in crate::cli) fn read_environment(&mut self, variable: impl Fn(&str) -> Option<String>) {
        if let Some(log) = self.gitlab_log.take() {
            let (format, level, warnings) = log.resolve(variable);
            (self.log_format, self.log_level) = (format, level);
            self.warnings.extend(warnings);
        }
    }
}

/// The webhook options, validated.
#[cfg(feature = "webhooks")]
#[derive(Debug)]
pub(in crate::cli) struct WebhookOptions {
    pub(in crate::cli) urls: Vec<Result<WebhookRequest, InvalidWebhook>>,
    pub(in crate::cli) files: Vec<PathBuf>,
    pub(in crate::cli) secret_file: Option<PathBuf>,
    pub(in crate::cli) ca_file: Option<PathBuf>,
    pub(in crate::cli) allow: Vec<Rule>,
    pub(in crate::cli) deadline: Duration,
    pub(in crate::cli) state: Option<StateOptions>,
}
