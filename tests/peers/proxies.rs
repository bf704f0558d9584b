//! HTTP/2 proxies before the wrapper: a drain may last longer than their timeouts, and a wrapper
//! that dies behind one is a lost connection.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::peers::{self, Peer};
use crate::support::{DRAINS_UNTIL_TOLD, Wrapper, binary, eventually, setup};

/// A proxy program: the command that listens on `FOLDER/proxy.sock` and gives up on a backend that
/// is silent for this many seconds.
struct Proxy {
    program: &'static str,
    command: fn(program: &Path, folder: &Path, backend: &str, seconds: u32) -> Command,
    /// The log holds this text as often once the client has resumed its wait twice.
    resumed_twice: (&'static str, usize),
}

const PROXIES: [Proxy; 3] = [
    Proxy {
        program: "nginx",
        command: nginx,
        resumed_twice: ("upstream timed out", 2),
    },
    Proxy {
        program: "haproxy",
        command: haproxy,
        resumed_twice: (" 504 ", 2),
    },
    Proxy {
        program: "nghttpx",
        command: nghttpx,
        // It resets the stream and logs nothing. The client then asks for the state again.
        resumed_twice: ("/GetState ", 3),
    },
];

/// The settings on the page that begin so, with the test's addresses and timeout.
fn settings(
    begin: &str,
    [front, listen]: [&str; 2],
    [back, backend]: [&str; 2],
    seconds: u32,
) -> String {
    let page = include_str!("../../docs/grpc.md");
    let mut blocks = page.split("```").skip(1).step_by(2);
    let block = blocks.find_map(|block| {
        block
            .split_once('\n')
            .filter(|(_, text)| text.starts_with(begin))
    });
    let (_, text) = block.unwrap_or_else(|| panic!("{begin:?} is on no page"));
    for shown in [front, back, "24h"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    text.replace(front, listen)
        .replace(back, backend)
        .replace("24h", &format!("{seconds}s"))
}

fn nginx(program: &Path, folder: &Path, backend: &str, seconds: u32) -> Command {
    let listen = format!("unix:{}/proxy.sock", folder.display());
    let server = settings(
        "server {",
        ["127.0.0.1:7780", &listen],
        ["127.0.0.1:7777", backend],
        seconds,
    );
    let text = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr info;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            {server}
        }}"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command.args(["-e", "stderr", "-p"]).arg(folder);
    command.arg("-c").arg(file);
    command
}

fn haproxy(program: &Path, folder: &Path, backend: &str, seconds: u32) -> Command {
    let listen = format!("unix@{}/proxy.sock", folder.display());
    let sections = settings(
        "defaults\n",
        ["127.0.0.1:7780", &listen],
        ["127.0.0.1:7777", backend],
        seconds,
    );
    // A line for each request, on stdout.
    let logging = "global\n    log stdout format raw local0\n";
    let sections = sections.replace(
        "mode http\n",
        "mode http\n    log global\n    option httplog\n",
    );
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, [logging, &sections].concat()).unwrap();
    let mut command = Command::new(program);
    command.args(["-db", "-f"]).arg(file);
    command
}

fn nghttpx(program: &Path, folder: &Path, backend: &str, seconds: u32) -> Command {
    let listen = format!("unix:{}/proxy.sock", folder.display());
    let backend = backend.replace(':', ",");
    let line = settings(
        "nghttpx ",
        ["127.0.0.1,7780", &listen],
        ["127.0.0.1,7777", &backend],
        seconds,
    );
    let logging = "--conf=/dev/null --accesslog-file=/dev/stdout --errorlog-file=/dev/stderr";
    let line = line.replacen(
        "nghttpx",
        &format!("exec {} --single-process {logging}", program.display()),
        1,
    );
    let mut command = Command::new("sh");
    command.args(["-c", &line]);
    command
}

/// A wrapper behind a proxy, and a client that has requested the drain and waits for its end.
struct Drain {
    wrapper: Wrapper,
    proxy: Peer,
    client: Peer,
    /// The socket of the proxy is in it.
    _folder: TempDir,
    /// The process drains until this file exists.
    told: PathBuf,
}

impl Drain {
    fn start(proxy: &Proxy, seconds: u32, reconnect_for: &str) -> Option<Self> {
        let program = peers::find(proxy.program)?;
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let script = ["sh", "-c", DRAINS_UNTIL_TOLD, "sh", told.to_str().unwrap()];
        let wrapper = setup(&["--listen=tcp://127.0.0.1:0"], &script).start();
        wrapper.stdout.wait_for("ready");
        let line = wrapper.stderr.wait_for("address=tcp://127.0.0.1:");
        let backend = line.split("tcp://").nth(1).unwrap().trim();

        let command = (proxy.command)(&program, folder.path(), backend, seconds);
        let proxy = Peer::start(command);
        let socket = folder.path().join("proxy.sock");
        eventually("the proxy listens", || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        let mut command = Command::new(binary());
        command.args(["shutdown", "--wait", "--connect-timeout", reconnect_for]);
        command.arg("--address");
        command.arg(format!("unix:{}", socket.display()));
        let client = Peer::start(command);
        // The client waits before it requests.
        wrapper.stdout.wait_for("draining");
        Some(Self {
            wrapper,
            proxy,
            client,
            _folder: folder,
            told,
        })
    }
}

#[test]
fn a_wait_outlives_the_timeout_of_each_proxy() {
    for proxy in &PROXIES {
        let Some(mut drain) = Drain::start(proxy, 1, "30s") else {
            continue;
        };
        let (text, times) = proxy.resumed_twice;
        drain.proxy.lines.wait_for_nth(text, times);
        std::fs::write(&drain.told, "").unwrap();
        let status = drain.client.wait();
        let said = drain.client.lines.all();
        assert_eq!(status.code(), Some(0), "{}: {said}", proxy.program);
        assert!(said.starts_with("gone: "), "{}: {said}", proxy.program);
    }
}

#[test]
fn a_wrapper_that_dies_behind_a_proxy_is_a_lost_connection() {
    for proxy in &PROXIES {
        let Some(mut drain) = Drain::start(proxy, 3600, "1s") else {
            continue;
        };
        let group = Pid::from_raw(drain.wrapper.child_pid());
        drain.wrapper.signal(Signal::SIGKILL);
        drain.wrapper.wait();
        killpg(group, Signal::SIGKILL).unwrap();
        let status = drain.client.wait();
        let said = drain.client.lines.all();
        assert_eq!(status.code(), Some(4), "{}: {said}", proxy.program);
        assert!(!said.contains("refused"), "{}: {said}", proxy.program);
    }
}
