//! Certificates and keys of every unsuitable kind, as OpenSSL makes them: the start and the clients
//! say in words what is wrong and what mends it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::certificates::{Authority, SERVER};
use crate::support::{DRAINS, binary, peers, setup, start_ready};

/// A directory in which OpenSSL makes files.
struct Maker {
    openssl: PathBuf,
    folder: tempfile::TempDir,
}

const P256: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
const P521: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-521 -nodes";
const LEAF: &str =
    "-addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost";

impl Maker {
    fn new() -> Option<Self> {
        let openssl = peers::find("openssl")?;
        let folder = tempfile::tempdir().unwrap();
        Some(Self { openssl, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &str) {
        let mut command = Command::new(&self.openssl);
        command.args(arguments.split_whitespace());
        let output = command.current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {output:?}");
    }

    /// Makes `c.pem` and `c.key`.
    fn certificate(&self, options: &str) {
        self.run(&format!(
            "req -x509 -subj /CN=test -days 30 -keyout c.key -out c.pem {options}"
        ));
    }

    fn options(&self) -> [String; 3] {
        [
            "--listen=tcp://127.0.0.1:0".to_owned(),
            format!("--tls-cert={}", self.path("c.pem").display()),
            format!("--tls-key={}", self.path("c.key").display()),
        ]
    }

    /// What `run` says as it refuses the files.
    fn refusal(&self) -> String {
        let options = self.options();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let mut wrapper = setup(&options, &["true"]).start();
        assert_eq!(wrapper.code(), 2, "{}", wrapper.stderr.all());
        wrapper.stderr.all()
    }

    /// What `run` logs as it starts, and what our client prints.
    fn call(&self, trusted: &Path) -> (String, Output) {
        let mut options = self.options().to_vec();
        options.push("--insecure".to_owned());
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let wrapper = start_ready(&options, DRAINS);
        let line = wrapper.stderr.wait_for("address=tcp://127.0.0.1:");
        let port = line.trim().rsplit(':').next().unwrap().to_owned();
        let output = Command::new(binary())
            .args(["status", "--connect-timeout=2s"])
            .arg(format!("--address=tcp://localhost:{port}"))
            .arg("--tls-ca")
            .arg(trusted)
            .output()
            .unwrap();
        (wrapper.stderr.text(), output)
    }
}

#[track_caller]
fn assert_words(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    for debug in ["Other", "Error(", "{ "] {
        assert!(!text.contains(debug), "{debug:?} is in: {text}");
    }
}

#[test]
fn a_certificate_that_clients_refuse_is_warned_of_and_explained() {
    let Some(maker) = Maker::new() else { return };
    let eku = format!("{P256} {LEAF} -addext extendedKeyUsage=clientAuth");
    let nameless = format!("{P256} -addext basicConstraints=critical,CA:FALSE");
    for (options, words) in [
        // What the command makes by default.
        (P256, &["CA:TRUE", "basicConstraints=critical,CA:FALSE"][..]),
        (&eku, &["not for servers", "serverAuth"]),
        (&nameless, &["holds no name", "subjectAltName"]),
    ] {
        maker.certificate(options);
        let (log, output) = maker.call(&maker.path("c.pem"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{options}: {stderr}");
        assert_words(&stderr, words);
        assert_words(&log, words);
        assert!(log.contains("clients may refuse this certificate"), "{log}");
    }
    // A good one, in files with a byte order mark.
    maker.certificate(&format!("{P256} {LEAF}"));
    for name in ["c.pem", "c.key"] {
        let text = std::fs::read(maker.path(name)).unwrap();
        std::fs::write(maker.path(name), [b"\xef\xbb\xbf", &*text].concat()).unwrap();
    }
    let (log, output) = maker.call(&maker.path("c.pem"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!log.contains("may refuse"), "{log}");
}

#[test]
fn a_server_that_the_client_does_not_trust_is_explained() {
    let Some(maker) = Maker::new() else { return };
    maker.certificate(&format!("{P256} {LEAF}"));
    let stranger = Authority::new();
    let (_, output) = maker.call(&stranger.path());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_words(&stderr, &["signed by no trusted authority"]);
    maker.certificate(&format!(
        "{P256} -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:{SERVER}"
    ));
    let (_, output) = maker.call(&maker.path("c.pem"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_words(
        &stderr,
        &[&format!("is for {SERVER:?}, not for \"localhost\"")],
    );
    // The key of the authority is not supported.
    maker.run(&format!(
        "req -x509 -subj /CN=authority -days 30 {P521} -keyout ca.key -out ca.pem"
    ));
    maker.certificate(&format!("{P256} {LEAF} -CA ca.pem -CAkey ca.key"));
    let (_, output) = maker.call(&maker.path("ca.pem"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_words(&stderr, &["not supported", "ECDSA on P-256 or P-384"]);
}

#[test]
fn unusable_certificates_and_keys_are_refused_in_words() {
    let Some(maker) = Maker::new() else { return };
    let good = format!("{P256} {LEAF}");
    let move_to = |from: &str, to: &str| {
        std::fs::rename(maker.path(from), maker.path(to)).unwrap();
    };
    maker.certificate(&good);
    maker.run("pkey -in c.key -aes256 -passout pass:secret -out encrypted");
    move_to("encrypted", "c.key");
    assert_words(
        &maker.refusal(),
        &["--tls-key", "encrypted", "openssl pkey -in"],
    );
    // The traditional form of OpenSSL.
    maker.certificate(&good);
    maker.run("ec -in c.key -aes256 -passout pass:secret -out encrypted");
    move_to("encrypted", "c.key");
    assert_words(
        &maker.refusal(),
        &["--tls-key", "encrypted", "openssl pkey -in"],
    );
    maker.certificate(&good);
    maker.run("x509 -in c.pem -outform DER -out der");
    move_to("der", "c.pem");
    assert_words(
        &maker.refusal(),
        &["--tls-cert", "openssl x509 -inform DER"],
    );
    maker.certificate(&good);
    maker.run("pkey -in c.key -outform DER -out der");
    move_to("der", "c.key");
    assert_words(&maker.refusal(), &["--tls-key", "openssl pkey -inform DER"]);
    maker.certificate(&good);
    std::fs::copy(maker.path("c.pem"), maker.path("c.key")).unwrap();
    assert_words(
        &maker.refusal(),
        &["--tls-key", "a certificate, but no private key"],
    );
    maker.certificate(&good);
    move_to("c.key", "first.key");
    maker.certificate(&good);
    move_to("first.key", "c.key");
    assert_words(
        &maker.refusal(),
        &["--tls-key", "does not belong to the certificate"],
    );
    for kind in [
        P521,
        "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1 -nodes",
        "-newkey ed448 -nodes",
    ] {
        maker.certificate(&format!("{kind} {LEAF}"));
        assert_words(
            &maker.refusal(),
            &["--tls-key", "kind of the private key", "P-256"],
        );
    }
    maker.certificate(&format!(
        "{good} -addext 1.2.3.4=critical,ASN1:UTF8String:x"
    ));
    assert_words(&maker.refusal(), &["--tls-cert", "critical extension"]);
    // Version 1 has no extensions.
    maker.run(&format!(
        "req -new -subj /CN=test {P256} -keyout c.key -out request"
    ));
    maker.run("x509 -req -in request -signkey c.key -days 30 -out c.pem");
    assert_words(&maker.refusal(), &["--tls-cert", "not of version 3"]);
    maker.certificate(&good);
    std::fs::write(maker.path("c.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    assert_words(&maker.refusal(), &["--tls-cert", "no line -----END"]);
}
