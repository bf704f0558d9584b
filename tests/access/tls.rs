//! TLS on tcp listeners: encryption, client certificates, and reload of changed files.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use process_wrapper::address::Address;
use process_wrapper::grpc::client::CallOptions;
use process_wrapper::net::connect::connect;
use process_wrapper::net::tls::ClientTls;
use rustls::version::{TLS12, TLS13};

use crate::call::{GET_STATE, INITIATE, Outcome, probe, probe_on};
use crate::certificates::{Authority, Pair, SERVER, options};
use crate::support::{DEADLINE, DRAINS, Wrapper, eventually, start_ready};

/// A wrapper on a tcp port with these options, and the port's address.
pub(crate) fn start(options: &[String]) -> (Wrapper, String) {
    let mut all = vec!["--listen=tcp://127.0.0.1:0"];
    all.extend(options.iter().map(String::as_str));
    let wrapper = start_ready(&all, DRAINS);
    let line = wrapper.stderr.wait_for("address=tcp://127.0.0.1:");
    let address = line.split("address=").nth(1).unwrap().trim().to_owned();
    (wrapper, address)
}

/// Asks over TLS.
pub(crate) fn ask_with(
    tls: &ClientTls,
    address: &str,
    path: &str,
    call: CallOptions,
    expected: Outcome,
) -> Outcome {
    let address: Address = address.parse().unwrap();
    let secured = smol::block_on(async {
        let stream = connect(&address).await.unwrap();
        tls.connect(stream, SERVER).await
    });
    match secured {
        Ok(stream) => probe_on(stream, path, call, expected),
        Err(_) => Outcome::Closed,
    }
}

fn is_let_in(tls: &ClientTls, address: &str) -> bool {
    let call = CallOptions::default();
    ask_with(tls, address, GET_STATE, call, Outcome::Admitted) == Outcome::Admitted
}

/// An authority with a server's certificate, and the options of that server that asks for
/// certificates.
fn mutual() -> (Authority, Vec<String>) {
    let authority = Authority::new();
    let mut options = options(&authority.sign("server", &[SERVER]));
    options.push(format!("--tls-client-ca={}", authority.path().display()));
    (authority, options)
}

#[test]
fn a_caller_needs_a_certificate_of_the_right_authority_and_name() {
    let (authority, mut options) = mutual();
    options.push("--allow-san=drain.example".to_owned());
    options.push("--allow-san=spiffe://example/drain".to_owned());
    options.push("--allow-san=192.0.2.7".to_owned());
    let (wrapper, address) = start(&options);
    let client = |names: &[&str]| authority.client(Some(&authority.sign("client", names)));
    for (names, let_in) in [
        (&["drain.example"][..], true),
        (&["other.example", "DRAIN.example"], true),
        (&["spiffe://example/drain"], true),
        // Two URIs that differ in case are two identities.
        (&["spiffe://example/DRAIN"], false),
        // A URI that reads as a DNS name evades constraints on DNS names.
        (&["uri:drain.example"], false),
        (&["192.0.2.7"], true),
        (&["uri:192.0.2.7"], false),
        (&["other.example"], false),
        (&["*.example"], false),
        (&["192.0.2.1"], false),
        (&["drain.example.org"], false),
        (&[], false),
    ] {
        assert_eq!(is_let_in(&client(names), &address), let_in, "{names:?}");
    }
    assert!(!is_let_in(&authority.client(None), &address));
    let folder = authority.folder.path();
    let expired = authority.sign_until(folder, "expired", &["drain.example"], 2020);
    assert!(!is_let_in(&authority.client(Some(&expired)), &address));
    wrapper.stderr.wait_for("certificate expired");
    let stranger = Authority::new();
    let theirs = stranger.sign("client", &["drain.example"]);
    assert!(!is_let_in(&authority.client(Some(&theirs)), &address));
    // The client sends nothing to an untrusted server.
    let ours = authority.sign("client", &["drain.example"]);
    assert!(!is_let_in(&stranger.client(Some(&ours)), &address));
    assert_eq!(probe(&address, INITIATE, Outcome::Closed), Outcome::Closed);
    wrapper.stderr.wait_for("no DNS name and no URI");
    let line = wrapper
        .stderr
        .wait_for(r#"certificate of \"other.example\""#);
    assert!(line.contains("is none of --allow-san"), "{line}");
    wrapper.stderr.wait_for("peer=\"tcp 127.0.0.1:");
}

#[test]
fn a_port_scan_is_not_logged() {
    let (authority, options) = mutual();
    let (mut wrapper, address) = start(&options);
    for _ in 0..5 {
        drop(TcpStream::connect(address.trim_start_matches("tcp://")).unwrap());
    }
    let own = authority.sign("client", &["a"]);
    assert!(is_let_in(&authority.client(Some(&own)), &address));
    wrapper.signal(nix::sys::signal::Signal::SIGTERM);
    wrapper.wait();
    let said = wrapper.stderr.all();
    assert!(!said.contains("refused"), "{said}");
}

#[test]
fn plaintext_on_a_tls_port_is_answered_in_plaintext() {
    let (_authority, options) = mutual();
    let (wrapper, address) = start(&options);
    for (request, came, answer) in [
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1", "HTTP/1.1 505 "),
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "HTTP/2 without TLS",
            "connect with TLS",
        ),
        (
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "the PROXY protocol",
            "",
        ),
    ] {
        let mut socket = TcpStream::connect(address.trim_start_matches("tcp://")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
        let mut read = Vec::new();
        socket.read_to_end(&mut read).unwrap();
        let read = String::from_utf8_lossy(&read);
        assert!(read.contains(answer), "{came}: {read}");
        let line = wrapper.stderr.wait_for(came);
        assert!(line.contains("wrong protocol"), "{line}");
    }
}

#[test]
fn the_names_of_a_caller_are_in_the_audit_log() {
    let Some(grpcurl) = crate::support::peers::find("grpcurl") else {
        return;
    };
    let (authority, options) = mutual();
    let (wrapper, address) = start(&options);
    let own = authority.sign("client", &["drain.example", "spiffe://example/drain"]);
    let call = |certificate: bool| {
        let mut command = Command::new(&grpcurl);
        command.args(["-authority", SERVER, "-max-time", "10", "-cacert"]);
        command.arg(authority.path());
        if certificate {
            command.arg("-cert").arg(&own.certificate);
            command.arg("-key").arg(&own.key);
        }
        command.arg(address.trim_start_matches("tcp://"));
        command.arg("process_wrapper.v1.ProcessWrapper/InitiateGracefulShutdown");
        let output = command.output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let refused = call(false);
    assert!(!refused.contains("state"), "{refused}");
    let done = call(true);
    assert!(done.contains("\"state\": \"shutting_down\""), "{done}");
    let line = wrapper.stderr.wait_for("outcome=done");
    assert!(
        line.contains("tls 127.0.0.1:")
            && line.contains(r#"as \"drain.example\",\"spiffe://example/drain\""#),
        "{line}"
    );
}

/// A handshake with another TLS configuration; whether the server accepted it.
fn shakes(config: rustls::ClientConfig, address: &str) -> bool {
    let mut socket = TcpStream::connect(address.trim_start_matches("tcp://")).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let name = SERVER.try_into().unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::Stream::new(&mut session, &mut socket);
    // A server that accepts the handshake sends SETTINGS first.
    let mut first = [0; 1];
    stream.read_exact(&mut first).is_ok()
}

#[test]
fn only_http2_and_tls_1_3_are_spoken_unless_1_2_was_allowed() {
    let authority = Authority::new();
    let mut options = options(&authority.sign("server", &[SERVER]));
    for old in [false, true] {
        if old {
            options.push("--tls-min-version=1.2".to_owned());
        }
        let (_wrapper, address) = start(&options);
        for (versions, alpn, goes_along) in [
            (&[&TLS13][..], &[&b"h2"[..]][..], true),
            (&[&TLS13, &TLS12], &[b"http/1.1", b"h2"], true),
            (&[&TLS12], &[b"h2"], old),
            (&[&TLS13], &[b"http/1.1"], false),
            (&[&TLS13], &[], false),
            (&[&TLS12], &[], false),
        ] {
            let config = authority.odd_client(versions, alpn);
            assert_eq!(
                shakes(config, &address),
                goes_along,
                "{versions:?} {alpn:?}"
            );
        }
    }
}

#[test]
fn a_silent_handshake_times_out_and_blocks_no_other_connection() {
    let (authority, options) = mutual();
    let (_wrapper, address) = start(&options);
    let port = address.trim_start_matches("tcp://");
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(port).unwrap()).collect();
    let started = Instant::now();
    let own = authority.sign("client", &["a"]);
    assert!(is_let_in(&authority.client(Some(&own)), &address));
    let others_waited = started.elapsed();
    // Nothing was sent, so nothing is answered; the server closes when its patience ends.
    for mut socket in silent {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut seen = Vec::new();
        socket.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, b"");
    }
    let deadline = started.elapsed();
    assert!(
        others_waited < deadline / 2,
        "{others_waited:?} {deadline:?}"
    );
}

/// Kubernetes publishes files through a link to a directory, which it replaces by a link to
/// another.
fn publish(mount: &Path, folder: &str) {
    symlink(folder, mount.join("..data_tmp")).unwrap();
    std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
}

#[test]
fn rotated_files_are_picked_up_and_broken_ones_are_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let mount = tempfile::tempdir().unwrap();
    for (folder, authority) in [("..1", &old), ("..2", &new), ("..3", &old), ("..4", &old)] {
        let folder = mount.path().join(folder);
        std::fs::create_dir(&folder).unwrap();
        authority.sign_into(&folder, "tls", &[SERVER]);
        std::fs::copy(authority.path(), folder.join("ca.pem")).unwrap();
    }
    // The third has a key that is another certificate's.
    let wrong = mount.path().join("..3");
    std::fs::copy(mount.path().join("..4/tls.key"), wrong.join("tls.key")).unwrap();
    publish(mount.path(), "..1");
    for file in ["tls.pem", "tls.key", "ca.pem"] {
        symlink(format!("..data/{file}"), mount.path().join(file)).unwrap();
    }
    let pair = Pair {
        certificate: mount.path().join("tls.pem"),
        key: mount.path().join("tls.key"),
    };
    let mut options = options(&pair);
    options.push(format!("--tls-client-ca={}/ca.pem", mount.path().display()));
    let (wrapper, address) = start(&options);
    let client = |authority: &Authority| authority.client(Some(&authority.sign("client", &["a"])));
    let (old, new) = (client(&old), client(&new));
    assert!(is_let_in(&old, &address) && !is_let_in(&new, &address));
    publish(mount.path(), "..2");
    eventually("the new files are in force", || is_let_in(&new, &address));
    assert!(!is_let_in(&old, &address));
    publish(mount.path(), "..3");
    let line = wrapper
        .stderr
        .wait_for("reload failed; the previous contents stay in force");
    assert!(line.contains("tls.key"), "{line}");
    assert!(is_let_in(&new, &address) && !is_let_in(&old, &address));
    publish(mount.path(), "..4");
    eventually("the good files are in force", || is_let_in(&old, &address));
}

#[test]
fn unusable_files_are_refused_at_the_start() {
    let authority = Authority::new();
    let (one, two) = (
        authority.sign("1", &[SERVER]),
        authority.sign("2", &[SERVER]),
    );
    let mixed = Pair {
        certificate: one.certificate.clone(),
        key: two.key,
    };
    let swapped = Pair {
        certificate: one.key.clone(),
        key: one.certificate.clone(),
    };
    let missing = Pair {
        certificate: one.certificate.with_extension("gone"),
        key: one.key,
    };
    for (pair, word) in [(mixed, "2.key"), (swapped, "1.key"), (missing, "1.gone")] {
        let output = Command::new(crate::support::binary())
            .args(["run", "--listen=tcp://127.0.0.1:0"])
            .args(options(&pair))
            .args(["--", "true"])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
    }
}
