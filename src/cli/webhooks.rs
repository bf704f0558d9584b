//! Creates the webhook dispatcher from the command line.
//!
//! Owns reading the webhook files before the process starts. Its errors name options, files and
//! lines, and never show file contents.

use std::path::{Path, PathBuf};

use crate::cli::options::WebhookOptions;
use crate::cli::secrets::{warn_if_changeable, warn_if_open};
use crate::cli::state_dir::{self, StateDirError};
use crate::net::file::{FileError, Pipes, read, read_text};
use crate::webhook::policy::Policy;
use crate::webhook::request::InvalidWebhook;
use crate::webhook::roots::{Roots, RootsError};
use crate::webhook::signature::{InvalidSecret, Secrets};
use crate::webhook::{Dispatcher, DispatcherSettings, RegisterError, file};

/// Why the webhook options are refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebhookError {
    #[error("--webhook: {0}")]
    Url(#[from] InvalidWebhook),
    #[error("{option} {path:?} cannot be read: {source}{}", if_url(option, path))]
    Read {
        option: &'static str,
        path: PathBuf,
        source: FileError,
    },
    #[error("--webhook-file {0:?}: {1}")]
    File(PathBuf, file::InvalidWebhookFile),
    #[error("--webhook-secret-file {0:?}: {1}")]
    Secret(PathBuf, InvalidSecret),
    #[error("--webhook-ca-file {0:?}: {1}")]
    Authorities(PathBuf, RootsError),
    #[error("--webhook-deadline must be longer than 0; write for example 10m")]
    Deadline,
    #[error("--webhook or --webhook-file: {0}")]
    Register(#[from] RegisterError),
    #[error(transparent)]
    StateDir(#[from] StateDirError),
}

fn if_url(option: &str, path: &Path) -> &'static str {
    match option {
        "--webhook-file" if path.starts_with("http:") || path.starts_with("https:") => {
            "; --webhook takes a URL"
        }
        _ => "",
    }
}

impl WebhookError {
    /// Whether the command line is wrong, rather than the machine.
    pub(super) fn is_usage(&self) -> bool {
        match self {
            Self::StateDir(error) => error.is_usage(),
            Self::Url(_)
            | Self::Read { .. }
            | Self::File(..)
            | Self::Secret(..)
            | Self::Authorities(..)
            | Self::Deadline
            | Self::Register(_) => true,
        }
    }
}

pub(super) async fn open(options: &WebhookOptions) -> Result<Dispatcher, WebhookError> {
    let mut initial = options
        .urls
        .iter()
        .cloned()
        .collect::<Result<Vec<_>, _>>()?;
    for path in &options.files {
        let text = text("--webhook-file", path)?;
        warn_if_open(path);
        let webhooks = file::parse(&text);
        initial.extend(webhooks.map_err(|why| WebhookError::File(path.clone(), why))?);
    }
    let secrets = match &options.secret_file {
        Some(path) => {
            let text = text("--webhook-secret-file", path)?;
            warn_if_open(path);
            Secrets::parse(&text).map_err(|why| WebhookError::Secret(path.clone(), why))?
        }
        None => Secrets::default(),
    };
    let roots = match &options.ca_file {
        Some(path) => {
            let pem = read(path, Pipes::Accepted).map_err(unread("--webhook-ca-file", path))?;
            warn_if_changeable(path);
            Roots::from_pem(&pem).map_err(|why| WebhookError::Authorities(path.clone(), why))?
        }
        None => Roots::system(),
    };
    if options.deadline.is_zero() {
        return Err(WebhookError::Deadline);
    }
    let (journal, recovered) = match &options.state {
        Some(state) => {
            let (journal, recovered) = state_dir::open(state).await?;
            (Some(journal), recovered)
        }
        None => (None, Vec::new()),
    };
    Ok(Dispatcher::new(DispatcherSettings {
        policy: Policy::new(options.allow.clone()),
        secrets,
        roots,
        deadline: options.deadline,
        initial,
        journal,
        recovered,
        ..DispatcherSettings::default()
    })?)
}

fn text(option: &'static str, path: &Path) -> Result<String, WebhookError> {
    read_text(path).map_err(unread(option, path))
}

fn unread(option: &'static str, path: &Path) -> impl FnOnce(FileError) -> WebhookError {
    let path = path.to_owned();
    move |source| WebhookError::Read {
        option,
        path,
        source,
    }
}
