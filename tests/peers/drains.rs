//! Clients on gRPC libraries of other languages: each drains a wrapper over every transport, and
//! sets no option of its channel.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::peers::{self, Peer};
use crate::support::{DRAINS_UNTIL_TOLD, Wrapper, setup_with};

/// A wrapper, and how a client reaches it.
struct Server {
    wrapper: Wrapper,
    /// The process drains until this file exists.
    told: PathBuf,
    /// The target of a client. For mutual TLS the files of the authority, the client's certificate
    /// and its key follow.
    arguments: Vec<String>,
}

impl Server {
    fn start(options: &[String]) -> Self {
        let mut told = PathBuf::new();
        let setup = setup_with(|command, folder| {
            told = folder.join("told");
            command.arg("run").args(options);
            command.arg("--listen");
            command.arg(format!("unix:{}/control.sock", folder.display()));
            command.args(["--", "sh", "-c", DRAINS_UNTIL_TOLD, "sh"]);
            command.arg(&told);
        });
        let wrapper = setup.start();
        wrapper.stdout.wait_for("ready");
        Self {
            wrapper,
            told,
            arguments: Vec::new(),
        }
    }

    fn unix(scheme: &str) -> Self {
        let mut server = Self::start(&[]);
        let target = format!("{scheme}{}", server.wrapper.socket().display());
        server.arguments.push(target);
        server
    }

    fn tcp(options: &[String]) -> Self {
        let listen = "--listen=tcp://127.0.0.1:0".to_owned();
        let mut server = Self::start(&[options, &[listen]].concat());
        let line = server.wrapper.stderr.wait_for("address=tcp://127.0.0.1:");
        let target = line.split("tcp://").nth(1).unwrap().trim().to_owned();
        server.arguments.push(target);
        server
    }
}

/// Lets this client drain a wrapper over each transport. The scheme is that of unix sockets.
fn drives_a_drain(scheme: &str, client: &dyn Fn() -> Option<Command>) {
    if client().is_none() {
        return;
    }
    check(&Server::unix(scheme), client);
    check(&Server::tcp(&[]), client);
    #[cfg(feature = "tls")]
    {
        use crate::support::certificates::{Authority, options};
        let authority = Authority::new();
        let mut all = options(&authority.sign("server", &["127.0.0.1"]));
        all.push(format!("--tls-client-ca={}", authority.path().display()));
        let mut server = Server::tcp(&all);
        let own = authority.sign("client", &["drain.example"]);
        for file in [authority.path(), own.certificate, own.key] {
            server.arguments.push(file.display().to_string());
        }
        check(&server, client);
    }
}

fn check(server: &Server, client: &dyn Fn() -> Option<Command>) {
    let mut command = client().unwrap();
    command.args(&server.arguments);
    let mut client = Peer::start(command);
    client.lines.wait_for("draining");
    server.wrapper.stdout.wait_for("draining");
    std::fs::write(&server.told, "").unwrap();
    let status = client.wait();
    let said = client.lines.all();
    assert!(status.success(), "{:?}: {said}", server.arguments);
    assert!(said.contains("all is well"), "{said}");
}

#[test]
fn grpc_js_drives_a_drain_over_each_transport() {
    drives_a_drain("unix:", &|| {
        let mut command = peers::node("client.js")?;
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/proto"));
        Some(command)
    });
}

/// Over a unix socket grpc-java sends the path as `:authority`.
#[test]
fn grpc_java_drives_a_drain_over_each_transport() {
    drives_a_drain("unix://", &|| peers::java("Client.java"));
}

#[test]
fn grpc_aio_drives_a_drain_over_each_transport() {
    drives_a_drain("unix:", &|| {
        let mut command = Command::new(peers::python("grpc")?);
        command.arg(peers::source("python/aio.py"));
        Some(command)
    });
}

#[test]
#[ignore = "needs ghz; `.ci/long peers` builds it, and runs this"]
fn ghz_drives_a_drain_over_each_transport() {
    drives_a_drain("unix:", &|| shell("ghz"));
}

#[test]
fn buf_curl_drives_a_drain_over_each_transport() {
    drives_a_drain("unix:", &|| shell("buf"));
}

/// The script that uses this program.
fn shell(program: &str) -> Option<Command> {
    let found = peers::find(program)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = found.parent().map(Path::to_path_buf).into_iter();
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&path)));
    let mut command = Command::new(peers::source(&format!("shell/{program}")));
    command.env("PATH", path.unwrap());
    Some(command)
}
