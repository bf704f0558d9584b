//! The client commands `status`, `shutdown`, `wait` and `probe`, one file each.
//!
//! Owns the shared parts: parallel calls, output and exit code. It never speaks the protocol:
//! `crate::client` does.

mod durations;
mod endings;
mod hints;
mod json;
mod live;
mod phrases;
mod probe;
mod row;
mod shutdown;
mod status;
mod terminal;
mod text;
mod wait;
mod webhook_file;

pub(super) use probe::probe;
pub(super) use shutdown::shutdown;
pub(super) use status::status;
pub(super) use wait::wait;

use std::future::Future;
use std::pin::Pin;
use std::time::{Instant, SystemTime};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::LocalExecutor;
use smol::future::or;

use self::live::Live;
use self::row::{Row, RowAnswer, RowOutcome};
use crate::cli::options::{Output, Target, Waiting};
use crate::cli::secrets::options_naming;
use crate::cli::{FAILED, USAGE, complain};
use crate::client::{Client, Error, Identity, InvalidIdentity, Process};
use crate::net::default_address::{self, Environment};
use crate::process::signals;

/// Unblocks the signals that `main` blocked for `run`.
fn unblock_signals() {
    if let Err(error) = signals::unblock() {
        complain(&format!("signals stay blocked: {error}"));
    }
}

/// Why no client can be created.
#[derive(Debug, thiserror::Error)]
enum NoClient {
    #[error(transparent)]
    Address(#[from] default_address::DefaultAddressError),
    #[error("{option} {error}")]
    Identity {
        option: String,
        error: InvalidIdentity,
    },
}

/// Names the options of a file that cannot be used.
fn invalid_identity(identity: &Identity, error: InvalidIdentity) -> NoClient {
    let named = [
        ("--tls-ca", &identity.authorities),
        ("--tls-cert", &identity.certificate),
        ("--tls-key", &identity.key),
        ("--token-file", &identity.token),
    ];
    NoClient::Identity {
        option: options_naming(error.path(), &named),
        error,
    }
}

/// One client per address.
fn clients(target: &Target) -> Result<Vec<Client>, NoClient> {
    let checked = target.identity.check();
    checked.map_err(|error| invalid_identity(&target.identity, error))?;
    let addresses = if target.addresses.is_empty() {
        let environment = Environment::of_this_process();
        vec![default_address::default_address(&environment)?]
    } else {
        target.addresses.clone()
    };
    let client = |address| {
        Client::new(address)
            .connect_timeout(target.connect_timeout)
            .identity(target.identity.clone())
    };
    Ok(addresses.into_iter().map(client).collect())
}

/// Calls all wrappers in parallel, prints the answer and returns the exit code. `work` gets the
/// index of its wrapper for `Live`.
fn call_all<W, F>(target: &Target, waiting: Option<Waiting>, work: W) -> u8
where
    W: Fn(usize, Client, Live, Option<Instant>) -> F,
    F: Future<Output = Row> + 'static,
{
    // Boxed, so that the binary holds one copy of `call_each` for all commands.
    call_each(target, waiting, &|n, client, live, deadline| {
        Box::pin(work(n, client, live, deadline))
    })
}

type Work = Pin<Box<dyn Future<Output = Row>>>;

fn call_each(
    target: &Target,
    waiting: Option<Waiting>,
    work: &dyn Fn(usize, Client, Live, Option<Instant>) -> Work,
) -> u8 {
    let clients = match clients(target) {
        Ok(clients) => clients,
        Err(error) => {
            complain(&target.sources.explain(error.to_string()));
            return USAGE;
        }
    };
    raise_descriptor_limit();
    let timeout = waiting.and_then(|waiting| waiting.timeout);
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let live = Live::new(clients.len(), waiting.is_some(), deadline);
    let executor = LocalExecutor::new();
    let tasks: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(n, client)| {
            let row = work(n, client, live.clone(), deadline);
            let live = live.clone();
            executor.spawn(async move {
                let row = row.await;
                live.ended(n, row.outcome);
                row
            })
        })
        .collect();
    let all = async {
        let mut rows = Vec::new();
        for task in tasks {
            rows.push(task.await);
        }
        rows
    };
    let ticking = async {
        live.tick().await;
        Vec::new()
    };
    let rows = smol::block_on(executor.run(or(all, ticking)));
    live.erase();
    let propagate = waiting.is_some_and(|waiting| waiting.propagate_exit);
    answer(&rows, target.output, row::exit_code(&rows, propagate))
}

/// The row of one wrapper. With `counts_failure`, a failed process is a failed row.
fn row(client: &Client, result: Result<Process, Error>, counts_failure: bool) -> Row {
    let address = client.address().to_string();
    match result {
        Ok(process) => Row {
            address,
            outcome: match counts_failure {
                true => RowOutcome::of(&process),
                false => RowOutcome::Done,
            },
            answer: RowAnswer::Process(Box::new(process)),
            error: None,
        },
        Err(error) => Row {
            address,
            outcome: RowOutcome::from(&error),
            answer: match error.last() {
                Some(process) => RowAnswer::Process(Box::new(process.clone())),
                None => RowAnswer::Nothing,
            },
            error: Some(explain(client, &error)),
        },
    }
}

fn explain(client: &Client, error: &Error) -> String {
    let environment = Environment::of_this_process();
    let elsewhere = default_address::other_places(&environment, client.address());
    hints::explain(client, &elsewhere, error)
}

/// Writes the answer to stdout, and errors to stderr unless the table shows them.
fn answer(rows: &[Row], output: Output, exit_code: u8) -> u8 {
    let now = SystemTime::now();
    let color = terminal::stdout_has_colors();
    let is_table = output == Output::Text && rows.len() > 1;
    let text = match (output, rows) {
        (Output::Json, rows) => match json::document(rows, exit_code) {
            Ok(document) => document + "\n",
            Err(error) => {
                complain(&format!("cannot write the answer as JSON: {error}"));
                return FAILED;
            }
        },
        (Output::Text, [row]) if row.error.is_some() => String::new(),
        (Output::Text, [row]) => text::line(row, now, color).unwrap_or_default(),
        (Output::Text, rows) => text::table(rows, now, color),
    };
    let written = terminal::write_stdout(&text);
    for row in rows.iter().filter(|_| !is_table) {
        if let Some(error) = &row.error {
            complain(&crate::log::escaped(&format!("{}: {error}", row.address)));
        }
    }
    match written {
        Ok(()) => exit_code,
        Err(error) => {
            complain(&format!("cannot write the answer to stdout: {error}"));
            FAILED
        }
    }
}

/// Raises the soft limit, which is often 1024: each wrapper takes up to two descriptors. Client
/// commands start no process that would inherit it. On failure the calls report the missing
/// descriptor.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}
