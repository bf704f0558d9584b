//! Each error has words of its own, and none shows a Debug form.

use std::sync::Arc;

use rustls::pki_types::{AlgorithmIdentifier, ServerName, alg_id};

use super::*;

const TIME: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_600_000_000));

fn faults() -> Vec<CertificateError> {
    use CertificateError as Fault;
    let expected = ServerName::try_from("b.example").unwrap();
    let purpose = |required| Fault::InvalidPurposeContext {
        required,
        presented: vec![ExtendedKeyPurpose::Other(vec![1, 2])],
    };
    vec![
        Fault::BadEncoding,
        Fault::Expired,
        Fault::ExpiredContext {
            time: TIME,
            not_after: TIME,
        },
        Fault::NotValidYet,
        Fault::NotValidYetContext {
            time: TIME,
            not_before: TIME,
        },
        Fault::Revoked,
        Fault::UnhandledCriticalExtension,
        Fault::UnknownIssuer,
        Fault::UnknownRevocationStatus,
        Fault::ExpiredRevocationList,
        Fault::ExpiredRevocationListContext {
            time: TIME,
            next_update: TIME,
        },
        Fault::BadSignature,
        #[expect(deprecated, reason = "a verifier may still return it")]
        Fault::UnsupportedSignatureAlgorithm,
        Fault::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: vec![1],
            supported_algorithms: vec![AlgorithmIdentifier::clone(&alg_id::ED25519)],
        },
        Fault::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: vec![1],
            public_key_algorithm_id: vec![2],
        },
        Fault::NotValidForName,
        Fault::NotValidForNameContext {
            expected,
            presented: vec!["DnsName(\"a.example\")".to_owned()],
        },
        Fault::InvalidPurpose,
        purpose(ExtendedKeyPurpose::ClientAuth),
        purpose(ExtendedKeyPurpose::ServerAuth),
        purpose(ExtendedKeyPurpose::Other(vec![1])),
        Fault::InvalidOcspResponse,
        Fault::ApplicationVerificationFailure,
        Fault::Other(OtherError(Arc::new(std::fmt::Error))),
    ]
}

fn faults_of_webpki() -> Vec<webpki::Error> {
    use webpki::Error as Fault;
    vec![
        Fault::BadDerTime,
        Fault::CaUsedAsEndEntity,
        Fault::CertDistrusted,
        Fault::EmptyEkuExtension,
        Fault::EndEntityUsedAsCa,
        Fault::ExtensionValueInvalid,
        Fault::InvalidCertValidity,
        Fault::InvalidCrlNumber,
        Fault::InvalidNetworkMaskConstraint,
        Fault::InvalidSerialNumber,
        Fault::MalformedDnsIdentifier,
        Fault::MalformedExtensions,
        Fault::MalformedNameConstraint,
        Fault::MaximumPathDepthExceeded,
        Fault::NameConstraintViolation,
        Fault::PathLenConstraintViolated,
        Fault::SignatureAlgorithmMismatch,
        Fault::UnsupportedCertVersion,
        Fault::UnsupportedCriticalExtension,
        Fault::UnsupportedDeltaCrl,
        Fault::UnsupportedNameType,
    ]
}

/// Whether a word is an identifier such as `CaUsedAsEndEntity`, or a brace begins a struct.
fn shows_debug(text: &str) -> bool {
    // Extensions have such names in RFC 5280.
    let known = [
        "subjectAltName",
        "basicConstraints=critical,CA:FALSE",
        "basicConstraints=CA:FALSE",
        "extendedKeyUsage",
        "serverAuth",
        "clientAuth",
    ];
    text.contains(['{', '}', '['])
        || text.split_whitespace().any(|word| {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            let mut pairs = word.chars().zip(word.chars().skip(1));
            let camel = pairs.any(|(a, b)| a.is_lowercase() && b.is_uppercase());
            camel && !known.contains(&word)
        })
}

#[test]
fn every_fault_of_a_certificate_has_words() {
    assert!(shows_debug("Other(OtherError(CaUsedAsEndEntity))"));
    assert!(shows_debug("ExpiredContext { time: 1 }"));
    for fault in faults() {
        let words = explain(&Error::InvalidCertificate(fault.clone()));
        assert!(!shows_debug(&words), "{fault:?}: {words}");
        assert!(
            words.contains("certificate") || words.contains("OCSP"),
            "{words}"
        );
    }
    for fault in faults_of_webpki() {
        let other = CertificateError::Other(OtherError(Arc::new(fault.clone())));
        let words = explain(&other.into());
        assert!(!shows_debug(&words), "{fault:?}: {words}");
    }
}

#[test]
fn an_alert_says_what_the_peer_refuses() {
    for number in 0..=u8::MAX {
        let words = explain(&Error::AlertReceived(number.into()));
        assert!(words.starts_with("the peer refuses"), "{words}");
        assert!(!shows_debug(&words), "{words}");
    }
    let io = io::Error::other(Error::AlertReceived(AlertDescription::UnknownCA));
    assert!(explain_io(&io).contains("does not trust the authority"));
    assert_eq!(explain_io(&io::Error::other("x")), "x");
}

#[test]
fn dates_and_names_are_shown_as_people_write_them() {
    let words = explain(&Error::InvalidCertificate(
        CertificateError::ExpiredContext {
            time: TIME,
            not_after: TIME,
        },
    ));
    assert!(words.contains("2020-09-13T12:26:40Z"), "{words}");
    let late = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    assert_eq!(date(late), "9999-12-31T23:59:59Z");
    for (presented, expected) in [
        (&[][..], "holds no name (subjectAltName), so not \"b\""),
        (&["DirectoryName"], "holds no name"),
        (
            &["DnsName(\"a\")", "IpAddress(10.0.0.7)"],
            "is for \"a\", \"10.0.0.7\", not for \"b\"",
        ),
        (&["DnsName(\"\x1b[2J\")"], "\\u{1b}[2J"),
        (
            &["DnsName(\"a\")"; 7],
            "\"a\", \"a\", \"a\", \"a\", \"a\" and 2 others, not for",
        ),
    ] {
        let presented: Vec<String> = presented.iter().map(ToString::to_string).collect();
        let words = names("b", &presented);
        assert!(words.contains(expected), "{words}");
    }
}
