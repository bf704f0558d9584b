//! The client commands `status`, `shutdown`, `wait`, `events` and `probe`.
//!
//! Owns the shared parts: parallel calls, output and exit code. It never speaks the protocol:
//! `crate::client` does.

mod durations;
mod endings;
mod frame;
mod hints;
mod json;
mod live;
mod paint;
mod phrases;
mod probe;
mod progress;
mod refresh;
mod row;
mod shutdown;
mod table;
mod terminal;
mod text;
mod wait;
mod webhook_file;

pub(super) use probe::probe;
pub(super) use shutdown::shutdown;
pub(super) use wait::{events, status, wait};

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::LocalExecutor;
use smol::future::or;

use self::live::{Live, Surface};
use self::paint::Canvas;
use self::row::{Row, RowAnswer, RowOutcome};
use crate::cli::options::{Output, Target, Waiting};
use crate::cli::secrets::options_naming;
use crate::cli::{FAILED, USAGE, complain};
use crate::client::{Client, Error, Identity, InvalidIdentity, Process, State};
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

/// What a command shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    /// An answer.
    Answer,
    /// A progress line, then an answer.
    Progress,
    /// The answer of `status`, which is a block on a terminal.
    Status,
    /// The same from the beginning, on a terminal; elsewhere each change.
    Watch,
    /// Each change.
    Events,
}

impl Show {
    /// What is shown before the answer.
    fn surface(self, output: Output, color: bool) -> Surface {
        match (self, output) {
            (Self::Answer | Self::Status, _) => Surface::Hidden,
            (Self::Progress, _) if terminal::stderr_is_screen() => Surface::Line,
            (Self::Progress, _) => Surface::Hidden,
            (Self::Watch, Output::Text) if terminal::stdout_is_screen() => Surface::Table { color },
            (Self::Watch | Self::Events, _) => Surface::Events { output, color },
        }
    }
}

/// Calls all wrappers in parallel, prints the answer and returns the exit code. `work` gets the
/// index of its wrapper for `Live`.
fn call_all<W, F>(target: &Target, show: Show, waiting: Option<Waiting>, work: W) -> u8
where
    W: Fn(usize, Client, Live, Option<Instant>) -> F,
    F: Future<Output = Row> + 'static,
{
    // Boxed, so that the binary holds one copy of `call_each` for all commands.
    call_each(target, show, waiting, &|n, client, live, deadline| {
        Box::pin(work(n, client, live, deadline))
    })
}

type Work = Pin<Box<dyn Future<Output = Row>>>;

fn call_each(
    target: &Target,
    show: Show,
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
    let color = terminal::stdout_has_colors(target.color);
    let surface = show.surface(target.output, color);
    let addresses = clients.iter().map(|client| client.address().to_string());
    let live = Live::new(surface, addresses, deadline);
    let executor = LocalExecutor::new();
    let tasks: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(n, client)| {
            let again = client.clone();
            let row = work(n, client, live.clone(), deadline);
            let live = live.clone();
            executor.spawn(async move {
                let fresh = async { match refresh::keep_fresh(n, &again, &live).await {} };
                let row = or(row, fresh).await;
                live.ended(n, &row);
                row
            })
        })
        .collect();
    let all = async {
        let mut rows = Vec::new();
        for task in tasks {
            rows.push(task.await);
        }
        Ok(rows)
    };
    let ticking = async { Err(live.tick().await) };
    let result = smol::block_on(executor.run(or(all, ticking)));
    let written = live.last_failure().map_or(Ok(()), Err);
    live.erase();
    let rows = match result.and_then(|rows| written.map(|()| rows)) {
        Ok(rows) => rows,
        Err(error) => return unwritten(&error),
    };
    let propagate = waiting.is_some_and(|waiting| waiting.propagate_exit);
    let exit_code = row::exit_code(&rows, propagate);
    match surface {
        Surface::Events { .. } => exit_code,
        Surface::Hidden | Surface::Line | Surface::Table { .. } => {
            let in_full = matches!(show, Show::Status | Show::Watch);
            answer(&rows, target.output, color, in_full, exit_code)
        }
    }
}

/// Says why stdout cannot be written to. A reader that has gone has what it wanted.
fn unwritten(error: &io::Error) -> u8 {
    if error.kind() != io::ErrorKind::BrokenPipe {
        complain(&format!("cannot write the answer to stdout: {error}"));
    }
    FAILED
}

/// Follows the process of every wrapper until it reaches a state.
fn follow(
    target: &Target,
    show: Show,
    waiting: Option<Waiting>,
    until: State,
    counts_failure: bool,
) -> u8 {
    call_all(
        target,
        show,
        waiting,
        move |n, client, live, deadline| async move {
            let mut watch = client.watch().until(deadline);
            let result = loop {
                match watch.next().await {
                    Ok(process) if process.state < until => live.update(n, &process),
                    last => break last,
                }
            };
            row(&client, result, counts_failure)
        },
    )
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
fn answer(rows: &[Row], output: Output, color: bool, in_full: bool, exit_code: u8) -> u8 {
    let canvas = Canvas {
        columns: terminal::stdout_size().map(|size| size.columns.saturating_sub(1)),
        ..Canvas::now(color)
    };
    let is_table = output == Output::Text && rows.len() > 1;
    let text = match (output, rows) {
        (Output::Json, rows) => match json::document(rows, exit_code) {
            Ok(document) => document + "\n",
            Err(error) => {
                complain(&format!("cannot write the answer as JSON: {error}"));
                return FAILED;
            }
        },
        // Only a watched block has facts beside an error.
        (Output::Text, [row]) if row.error.is_some() && (!in_full || row.process().is_none()) => {
            String::new()
        }
        // Scripts read the line.
        (Output::Text, [row]) if !in_full || canvas.columns.is_none() => {
            text::line(row, &canvas).unwrap_or_default()
        }
        (Output::Text, rows) => text::display(rows, &canvas),
    };
    let written = terminal::write_stdout(&text);
    if !is_table {
        rows.iter().for_each(complain_of);
    }
    match written {
        Ok(()) => exit_code,
        Err(error) => {
            complain(&format!("cannot write the answer to stdout: {error}"));
            FAILED
        }
    }
}

/// Writes the error of a row to stderr.
fn complain_of(row: &Row) {
    if let Some(error) = &row.error {
        complain(&crate::log::escaped(&format!("{}: {error}", row.address)));
    }
}

/// Raises the soft limit, which is often 1024: each wrapper takes up to three descriptors. Client
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
