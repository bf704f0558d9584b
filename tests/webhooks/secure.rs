//! https and signatures: the certificates that the wrapper trusts, and how a receiver verifies it.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use process_wrapper::webhook::DispatcherSettings;
use process_wrapper::webhook::delivery::DeliveryState;
use process_wrapper::webhook::roots::Roots;
use process_wrapper::webhook::schedule::RetryPolicy;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::attempts::{QUICK, deliver, settings};
use crate::support::client::Client;
use crate::support::webhook_receiver::{Receiver, Request, Wire, Wrap, ok, status};
use crate::support::{self, DRAINS};
use crate::wrapper::{ended, with_webhook};

pub(crate) const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A receiver whose certificate is for `name`.
fn receiver(
    authority: &Authority,
    name: &str,
    answers: Vec<crate::support::webhook_receiver::Answer>,
) -> Receiver {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let wrap: Wrap = Arc::new(move |mut socket: TcpStream| {
        let mut tls = ServerConnection::new(config.clone()).unwrap();
        // A peer that does not like the certificate says so and leaves.
        tls.complete_io(&mut socket).ok()?;
        Some(Box::new(StreamOwned::new(tls, socket)) as Box<dyn Wire>)
    });
    Receiver::start_with(answers, wrap)
}

fn trusting(authority: &Authority) -> DispatcherSettings {
    DispatcherSettings {
        roots: Roots::from_pem(authority.pem().as_bytes()).unwrap(),
        ..failing()
    }
}

/// For what fails, and is to say why: time enough for one attempt on a busy machine.
fn failing() -> DispatcherSettings {
    DispatcherSettings {
        deadline: Duration::from_secs(2),
        retry: RetryPolicy {
            attempt_timeout: support::DEADLINE,
            ..QUICK
        },
        ..settings()
    }
}

/// By the library of the Standard Dispatcher project.
fn verify(request: &Request, secret: &str) -> bool {
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let webhook = standardwebhooks::Webhook::new(secret).unwrap();
    webhook.verify(request.body.as_bytes(), &headers).is_ok()
}

#[test]
fn a_signed_webhook_over_https_is_delivered_and_verifies() {
    let authority = authority();
    let receiver = receiver(&authority, "127.0.0.1", vec![status("503 Busy"), ok()]);
    let folder = tempfile::tempdir().unwrap();
    let (pem, secret) = (folder.path().join("ca.pem"), folder.path().join("secret"));
    std::fs::write(&pem, authority.pem()).unwrap();
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let options = [
        "--webhook-ca-file",
        pem.to_str().unwrap(),
        "--webhook-secret-file",
        secret.to_str().unwrap(),
    ];
    let wrapper = support::start_ready(&options, DRAINS);
    let client = Client::connect(&wrapper.address());
    let url = format!("https://{}/x", receiver.address);
    client.shut_down_with(with_webhook(&url, &[])).unwrap();
    let (first, second) = (receiver.request(), receiver.request());
    for request in [&first, &second] {
        assert!(verify(request, SECRET), "{request:?}");
        assert!(!verify(request, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    }
    assert_eq!(first.id(), second.id());
    let delivery = ended(&client);
    assert_eq!(delivery.target, format!("https://{}", receiver.address));
    assert!(!wrapper.stderr.text().contains(&SECRET[6..]));
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = authority();
    let receiver = receiver(&authority, "other.example", vec![ok()]);
    let url = format!("https://{}/s3cret", receiver.address);
    let delivery = deliver(trusting(&authority), &url);
    assert_eq!(delivery.state, DeliveryState::Failed);
    let words = "is for \"other.example\", not for \"127.0.0.1\"";
    assert!(delivery.last_error.contains(words), "{delivery:?}");
    assert!(!delivery.last_error.contains("s3cret"));
    assert_eq!(receiver.more().len(), 0, "nothing is sent to a stranger");
}

#[test]
fn a_name_needs_a_certificate_for_that_name_and_not_for_its_address() {
    let authority = authority();
    for (certified, phase) in [
        ("localhost", DeliveryState::Delivered),
        ("127.0.0.1", DeliveryState::Failed),
    ] {
        let receiver = receiver(&authority, certified, vec![ok()]);
        let url = format!("https://localhost:{}/", receiver.address.port());
        let settings = DispatcherSettings {
            deadline: match phase {
                DeliveryState::Failed => failing().deadline,
                DeliveryState::Pending | DeliveryState::Delivered => support::DEADLINE,
            },
            ..trusting(&authority)
        };
        let delivery = deliver(settings, &url);
        assert_eq!(delivery.state, phase, "{certified}: {delivery:?}");
        let came = usize::from(phase == DeliveryState::Delivered);
        assert_eq!(receiver.more().len(), came, "{certified}");
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let receiver = receiver(&authority(), "127.0.0.1", vec![ok()]);
    let url = format!("https://{}/", receiver.address);
    // All authorities of these tests have one name.
    for (settings, words) in [
        (
            trusting(&authority()),
            "the signature of the certificate is not by its authority",
        ),
        (failing(), "signed by no trusted authority"),
    ] {
        let delivery = deliver(settings, &url);
        assert_eq!(delivery.state, DeliveryState::Failed);
        assert!(delivery.last_error.contains(words), "{delivery:?}");
    }
    assert_eq!(receiver.more().len(), 0);
}

#[test]
fn a_receiver_with_an_unsuitable_certificate_is_explained() {
    let Some(openssl) = support::peers::find("openssl") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (curve, kind, words) in [
        ("P-256", "TRUE", "CA:TRUE"),
        ("P-521", "FALSE", "P-521 is not"),
    ] {
        let run = |arguments: &str| {
            let mut command = Command::new(&openssl);
            command.args(arguments.split_whitespace());
            command.current_dir(folder.path());
            command
        };
        let made = run(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:{curve} -nodes -subj /CN=x -keyout k \
             -out c -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:{kind}"
        ));
        let made = { made }.output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut server = run("s_server -accept 127.0.0.1:0 -cert c -key k")
            // It ends with its input.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = support::Lines::read(server.stdout.take().unwrap());
        let line = lines.wait_for("ACCEPT ");
        let address = line.trim_start_matches("ACCEPT ").to_owned();
        let settings = DispatcherSettings {
            roots: Roots::from_pem(&std::fs::read(folder.path().join("c")).unwrap()).unwrap(),
            ..failing()
        };
        let delivery = deliver(settings, &format!("https://{address}/"));
        server.kill().unwrap();
        server.wait().unwrap();
        assert_eq!(delivery.state, DeliveryState::Failed);
        assert!(delivery.last_error.contains(words), "{delivery:?}");
    }
}

#[test]
fn bundled_authorities_are_used_if_the_system_has_none() {
    let receiver = receiver(&authority(), "127.0.0.1", vec![ok()]);
    let url = format!("https://{}/", receiver.address);
    for (variables, expected) in [
        (
            ["/nonexistent", "/nonexistent"],
            "using bundled certificate authorities",
        ),
        (["", ""], "using the certificate authorities"),
    ] {
        let options = ["--log-level", "debug", "--webhook", &url];
        let setup = support::setup(&options, &["sh", "-c", "exit 0"]);
        let names = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
        let setup = setup.configure(|command| {
            for (name, value) in names.into_iter().zip(variables) {
                if value.is_empty() {
                    command.env_remove(name);
                } else {
                    command.env(name, value);
                }
            }
        });
        let wrapper = setup.start();
        if wrapper
            .stderr
            .wait_for("certificate authorities")
            .contains(expected)
        {
            // Neither knows the receiver's.
            wrapper.stderr.wait_for("signed by no trusted authority");
        } else {
            assert!(!std::path::Path::new("/etc/ssl/certs").exists());
        }
    }
    assert_eq!(receiver.more().len(), 0);
}

#[test]
fn a_receiver_that_speaks_no_tls_is_refused() {
    let receiver = Receiver::start([ok()]);
    let delivery = deliver(failing(), &format!("https://{}/", receiver.address));
    assert_eq!(delivery.state, DeliveryState::Failed);
    assert!(!delivery.last_error.is_empty());
}
