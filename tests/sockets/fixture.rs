//! Shared by the socket tests: a directory, listeners in it, and an exchange over a connection.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process_wrapper::address::Address;
use process_wrapper::net::connect::connect;
use process_wrapper::net::listen::{BindError, Holder, Listener, SocketOptions, bind};
use process_wrapper::net::peer::Peer;
use process_wrapper::net::stream::Stream;
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use tempfile::TempDir;

/// A directory for one test, and its socket.
pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("s")
    }

    pub(crate) fn bind(&self) -> Result<Listener, BindError> {
        bind_path(&self.socket(), 0o600)
    }

    /// The names of all files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }
}

pub(crate) fn bind_path(path: &Path, mode: u32) -> Result<Listener, BindError> {
    let address = Address::Unix(path.to_owned());
    let listeners = smol::block_on(bind(&address, &SocketOptions { mode, group: None }))?;
    let [listener] = <[Listener; 1]>::try_from(listeners).unwrap();
    Ok(listener)
}

pub(crate) fn bind_tcp(text: &str) -> Result<Vec<Listener>, BindError> {
    smol::block_on(bind(&text.parse().unwrap(), &SocketOptions::default()))
}

pub(crate) fn port_of(listener: &Listener) -> u16 {
    let address = listener.local_address();
    let Address::Tcp { port, .. } = address else {
        panic!("{address:?}");
    };
    port
}

/// A deadline for each step: a hang fails.
pub(crate) fn within<T>(future: impl Future<Output = T>) -> T {
    smol::block_on(future.or(async {
        smol::Timer::after(Duration::from_secs(20)).await;
        panic!("nothing happened for 20 seconds")
    }))
}

/// Connects and accepts, and shows that bytes go both ways and that the end is seen.
pub(crate) fn talk(listener: &Listener, address: &Address) -> (Stream, Peer) {
    within(async {
        let (client, accepted) = smol::future::zip(connect(address), listener.accept()).await;
        let (mut client, (mut server, peer)) = (client.unwrap(), accepted.unwrap());
        client.write_all(b"ask").await.unwrap();
        client.close().await.unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "ask");
        server.write_all(b"answer").await.unwrap();
        server.close().await.unwrap();
        heard.clear();
        client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "answer");
        (server, peer)
    })
}

pub(crate) fn in_use(error: &BindError) -> Option<Holder> {
    match error {
        BindError::InUse { holder, .. } if !error.is_usage() => Some(*holder),
        BindError::InUse { .. }
        | BindError::Path(_)
        | BindError::TooLong { .. }
        | BindError::Directory { .. }
        | BindError::NotASocket(_)
        | BindError::NotALock(_)
        | BindError::Step { .. }
        | BindError::Resolve { .. }
        | BindError::NoAddress(_)
        | BindError::Tcp { .. } => None,
    }
}
