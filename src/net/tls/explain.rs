//! Words for the errors of TLS.
//!
//! Owns what each fault of a certificate means and what mends it. It shows no Debug form, and no
//! option: the server, the client and webhooks share the words.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of rustls and webpki are open"
)]

use std::fmt::Write as _;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::{UnixTime, pem};
use rustls::{AlertDescription, CertificateError, Error, ExtendedKeyPurpose, OtherError};

/// Maximum names of a certificate that an error lists.
const MAX_NAMES: usize = 5;

/// The keys that the crypto provider supports.
const KEYS: &str = "use RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384, or Ed25519";

/// The words for an I/O error of a TLS stream.
pub fn explain_io(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|cause| cause.downcast_ref());
    tls.map_or_else(|| error.to_string(), explain)
}

/// Whether the peer said with an alert why it ends the connection.
pub fn is_alert(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(tls, Some(Error::AlertReceived(_)))
}

/// The words for an error of rustls.
pub fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(description) => alert(*description),
        Error::NoCertificatesPresented => "the peer presented no certificate".to_owned(),
        Error::InconsistentKeys(_) => {
            "the private key does not belong to the certificate".to_owned()
        }
        // `any_supported_type` of the crypto provider has no error of its own.
        Error::General(text) if text.starts_with("failed to parse private key") => {
            format!("the kind of the private key is not supported; {KEYS}")
        }
        // Deviations from the protocol, for a report to the developers of the peer.
        other => other.to_string(),
    }
}

fn certificate(error: &CertificateError) -> String {
    use CertificateError as Fault;
    let words = match error {
        Fault::BadEncoding => BROKEN,
        Fault::Expired => "the certificate has expired; issue a new one",
        Fault::ExpiredContext { not_after, .. } => {
            let end = date(*not_after);
            return format!("the certificate expired at {end}; issue a new one");
        }
        Fault::NotValidYet => "the certificate is not valid yet; are the clocks right?",
        Fault::NotValidYetContext { not_before, .. } => {
            let start = date(*not_before);
            return format!("the certificate is not valid before {start}; are the clocks right?");
        }
        Fault::Revoked => "the certificate is revoked; issue a new one",
        Fault::UnhandledCriticalExtension => CRITICAL,
        Fault::UnknownIssuer => {
            "the certificate is signed by no trusted authority; trust the one that signed it, and \
             let the peer present its intermediate certificates"
        }
        Fault::UnknownRevocationStatus => "it is unknown whether the certificate is revoked",
        Fault::ExpiredRevocationList | Fault::ExpiredRevocationListContext { .. } => {
            "the certificate revocation list has expired"
        }
        Fault::BadSignature => {
            "the signature of the certificate is not by its authority; an authority of the same \
             name may have a new key"
        }
        #[expect(deprecated, reason = "a verifier may still return it")]
        Fault::UnsupportedSignatureAlgorithm => return algorithm(),
        Fault::UnsupportedSignatureAlgorithmContext { .. }
        | Fault::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => return algorithm(),
        Fault::NotValidForName => "the certificate is for another name",
        Fault::NotValidForNameContext {
            expected,
            presented,
        } => return names(&expected.to_str(), presented),
        Fault::InvalidPurpose => "the extended key usage of the certificate is another one",
        Fault::InvalidPurposeContext { required, .. } => match required {
            ExtendedKeyPurpose::ClientAuth => {
                "the certificate is not for clients; add clientAuth to its extendedKeyUsage"
            }
            ExtendedKeyPurpose::ServerAuth => {
                "the certificate is not for servers; add serverAuth to its extendedKeyUsage"
            }
            ExtendedKeyPurpose::Other(_) => {
                "the extended key usage of the certificate is another one"
            }
        },
        Fault::InvalidOcspResponse => "the OCSP response with the certificate is invalid",
        Fault::ApplicationVerificationFailure => "the certificate is refused",
        Fault::Other(OtherError(cause)) => match cause.downcast_ref() {
            Some(error) => path(error),
            None => UNSUITABLE,
        },
        // The enum is open: a later version may name more.
        _ => UNSUITABLE,
    };
    words.to_owned()
}

const BROKEN: &str = "the certificate is not encoded as RFC 5280 requires; issue a new one";
const CRITICAL: &str = "the certificate has a critical extension that is not supported; issue one \
    without it, or with the extension not marked as critical";
const UNSUITABLE: &str = "the certificate does not follow RFC 5280; issue a new one";
const TOO_LONG: &str = "the chain of certificates is too long or too complex";
const CONSTRAINTS: &str = "the name constraints of an authority in the chain are invalid";

/// The faults that rustls passes on from webpki.
const fn path(error: &webpki::Error) -> &'static str {
    use webpki::Error as Fault;
    match error {
        Fault::CaUsedAsEndEntity => {
            "the certificate is that of an authority (CA:TRUE), which must not be used by a server \
             or client; issue one with basicConstraints=CA:FALSE (openssl req -x509 \
             -addext basicConstraints=critical,CA:FALSE …)"
        }
        Fault::EndEntityUsedAsCa => {
            "a certificate in the chain is signed by one that is no authority (CA:FALSE)"
        }
        Fault::UnsupportedCertVersion => {
            "the certificate is not of version 3 (X.509); issue one with extensions, such as \
             subjectAltName"
        }
        Fault::UnsupportedCriticalExtension => CRITICAL,
        Fault::BadDer | Fault::BadDerTime | Fault::TrailingData(_) => BROKEN,
        Fault::EmptyEkuExtension => "the extended key usage of the certificate is empty",
        Fault::ExtensionValueInvalid | Fault::MalformedExtensions => {
            "an extension of the certificate is malformed; issue a new one"
        }
        Fault::InvalidSerialNumber => {
            "the serial number of the certificate is negative or too long (20 bytes); issue a new \
             one"
        }
        Fault::InvalidCertValidity => "the certificate ends before it begins; issue a new one",
        Fault::MalformedDnsIdentifier => "a DNS name of the certificate is malformed",
        Fault::NameConstraintViolation => {
            "an authority in the chain may not sign for a name of the certificate (name constraints)"
        }
        Fault::MalformedNameConstraint | Fault::InvalidNetworkMaskConstraint => CONSTRAINTS,
        Fault::PathLenConstraintViolated => {
            "an authority in the chain may not sign for so many others (pathlen)"
        }
        Fault::MaximumNameConstraintComparisonsExceeded
        | Fault::MaximumPathBuildCallsExceeded
        | Fault::MaximumPathDepthExceeded
        | Fault::MaximumSignatureChecksExceeded => TOO_LONG,
        Fault::SignatureAlgorithmMismatch => {
            "the certificate names two signature algorithms; issue a new one"
        }
        Fault::CertDistrusted => "the key of the certificate is distrusted",
        // The others are about names and revocation lists, or have a variant in rustls. The enum is
        // open.
        _ => UNSUITABLE,
    }
}

fn algorithm() -> String {
    format!("the certificate or its authority has a key or signature that is not supported; {KEYS}")
}

fn names(expected: &str, presented: &[String]) -> String {
    // webpki's form of a name is `DnsName("a.example")` or `IpAddress(10.0.0.7)`.
    let inner = |name: &str| {
        let (_, rest) = name.split_once('(')?;
        Some(rest.strip_suffix(')')?.trim_matches('"').to_owned())
    };
    let found: Vec<String> = presented.iter().filter_map(|name| inner(name)).collect();
    let mut words = match found.as_slice() {
        [] => {
            return format!("the certificate holds no name (subjectAltName), so not {expected:?}");
        }
        [first, ..] => format!("the certificate is for {first:?}"),
    };
    for name in found.iter().take(MAX_NAMES).skip(1) {
        let _ = write!(words, ", {name:?}");
    }
    if found.len() > MAX_NAMES {
        let _ = write!(words, " and {} others", found.len() - MAX_NAMES);
    }
    words + &format!(", not for {expected:?}")
}

fn date(time: UnixTime) -> String {
    // humantime has no digits for a later year.
    let since = Duration::from_secs(time.as_secs().min(253_402_300_799));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

fn alert(alert: AlertDescription) -> String {
    let reason = match alert {
        AlertDescription::BadCertificate => "our certificate is broken or unsuitable",
        AlertDescription::UnsupportedCertificate => "our certificate is of an unsupported kind",
        AlertDescription::CertificateRevoked => "our certificate is revoked",
        AlertDescription::CertificateExpired => "our certificate has expired",
        AlertDescription::CertificateUnknown => "our certificate is not acceptable",
        AlertDescription::UnknownCA => "it does not trust the authority of our certificate",
        AlertDescription::CertificateRequired => "it requires a certificate of ours",
        AlertDescription::AccessDenied => "our certificate gives no access",
        AlertDescription::HandshakeFailure => {
            "no protocol version, cipher or kind of key is supported by both (P-521 is not)"
        }
        AlertDescription::ProtocolVersion => "no TLS version is supported by both",
        AlertDescription::InsufficientSecurity => "it requires stronger ciphers",
        AlertDescription::NoApplicationProtocol => "it does not speak HTTP/2 (ALPN)",
        AlertDescription::UnrecognisedName => "it has no certificate for this server name",
        AlertDescription::DecryptError => "a signature of ours is wrong",
        AlertDescription::InternalError => "it has failed itself",
        other => return format!("the peer refuses (TLS alert {})", u8::from(other)),
    };
    format!("the peer refuses: {reason}")
}

/// The words for a certificate of our own that webpki refuses.
#[cfg(all(feature = "tls", feature = "wrapper"))]
pub(super) fn explain_path(error: webpki::Error) -> String {
    match error {
        webpki::Error::CertExpired { time, not_after } => {
            certificate(&CertificateError::ExpiredContext { time, not_after })
        }
        webpki::Error::CertNotValidYet { time, not_before } => {
            certificate(&CertificateError::NotValidYetContext { time, not_before })
        }
        webpki::Error::RequiredEkuNotFoundContext(_) => {
            certificate(&CertificateError::InvalidPurposeContext {
                required: ExtendedKeyPurpose::ServerAuth,
                presented: Vec::new(),
            })
        }
        other => path(&other).to_owned(),
    }
}

/// The words for a text that is not PEM (RFC 7468).
pub fn explain_pem(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a PEM block has no line -----END …-----",
        pem::Error::IllegalSectionStart { .. } => "a line -----BEGIN …----- is malformed",
        pem::Error::Base64Decode(_) => "a PEM block is not base64",
        // The enum is open, and the text is in memory.
        _ => "it is not PEM",
    }
}

#[cfg(test)]
mod tests;
