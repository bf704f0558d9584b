//! Signatures by the Standard Webhooks scheme.
//!
//! Owns the secrets and the signatures. A secret never leaves this file, not even by `Debug` or in
//! an error.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// The length of a secret in bytes, by the specification: longer than a password, and at most a
/// block of SHA-256.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The signing secrets: usually one, two during a rotation.
#[derive(Clone, Default)]
pub struct Secrets {
    keys: Vec<hmac::Key>,
}

/// Why a secret file is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// The file has no secret.
    #[error("the file has no secret; write `whsec_` and base64, one secret per line")]
    Missing,
    /// This line, counted from 1, is not base64.
    #[error("line {0} is not a secret; write `whsec_` and base64")]
    NotBase64(usize),
    /// The secret in this line, counted from 1, has this many bytes, too few or too many.
    #[error("line {0} has a secret of {1} bytes; use 24 to 64 (openssl rand -base64 32 makes one)")]
    Length(usize, usize),
}

impl Secrets {
    /// Parses one secret per non-empty line: base64, with or without the prefix `whsec_`.
    ///
    /// # Errors
    /// [`InvalidSecret`] holds the line number, never the text.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let lines = text.lines().map(str::trim).enumerate();
        let keys = lines
            .filter(|(_, line)| !line.is_empty())
            .map(|(index, line)| {
                let line_number = index + 1;
                let encoded = line.strip_prefix("whsec_").unwrap_or(line);
                let key = STANDARD
                    .decode(encoded)
                    .map_err(|_| InvalidSecret::NotBase64(line_number))?;
                if SECRET_BYTES.contains(&key.len()) {
                    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
                } else {
                    Err(InvalidSecret::Length(line_number, key.len()))
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(InvalidSecret::Missing);
        }
        Ok(Self { keys })
    }

    /// The value of `webhook-signature`, one signature per secret. `None` without secrets.
    pub fn sign(&self, id: &str, timestamp: u64, body: &str) -> Option<String> {
        let signed = format!("{id}.{timestamp}.{body}");
        let signatures: Vec<String> = self
            .keys
            .iter()
            .map(|key| {
                let tag = hmac::sign(key, signed.as_bytes());
                format!("v1,{}", STANDARD.encode(tag.as_ref()))
            })
            .collect();
        (!signatures.is_empty()).then(|| signatures.join(" "))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    /// The receiver's side, by the library of the Standard Webhooks project.
    fn verifies(secret: &str, id: &str, timestamp: u64, body: &str, signature: &str) -> bool {
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", id.parse().unwrap());
        headers.insert("webhook-timestamp", timestamp.to_string().parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        standardwebhooks::Webhook::new(secret)
            .unwrap()
            .verify(body.as_bytes(), &headers)
            .is_ok()
    }

    fn now() -> u64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    }

    #[test]
    fn the_specifications_example_has_its_signature() {
        let secrets = Secrets::parse(SECRET).unwrap();
        let body = r#"{"test": 2432232314}"#;
        assert_eq!(
            secrets
                .sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
                .as_deref(),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
    }

    #[test]
    fn a_signature_verifies_only_for_its_id_time_and_body() {
        let secrets = Secrets::parse(SECRET).unwrap();
        let at = now();
        let signature = secrets.sign("msg_1", at, "{}").unwrap();
        assert!(verifies(SECRET, "msg_1", at, "{}", &signature));
        assert!(!verifies(SECRET, "msg_2", at, "{}", &signature));
        assert!(!verifies(SECRET, "msg_1", at - 1, "{}", &signature));
        assert!(!verifies(SECRET, "msg_1", at, "{ }", &signature));
        assert!(!verifies(OTHER, "msg_1", at, "{}", &signature));
    }

    #[test]
    fn both_secrets_verify_during_a_rotation() {
        let secrets = Secrets::parse(&format!("{OTHER}\n\n  {SECRET}  \n")).unwrap();
        let at = now();
        let signature = secrets.sign("msg_1", at, "").unwrap();
        for secret in [SECRET, OTHER] {
            assert!(verifies(secret, "msg_1", at, "", &signature));
        }
    }

    #[test]
    fn an_invalid_secret_is_reported_by_its_line_and_never_shown() {
        for (text, expected) in [
            ("", InvalidSecret::Missing),
            ("\n \n", InvalidSecret::Missing),
            ("whsec_hunter2!", InvalidSecret::NotBase64(1)),
            ("whsec_c2hvcnQ=", InvalidSecret::Length(1, 5)),
        ] {
            assert_eq!(Secrets::parse(text).unwrap_err(), expected, "{text:?}");
        }
        let second = format!("{SECRET}\nwhsec_hunter2!");
        let error = Secrets::parse(&second).unwrap_err();
        assert_eq!(error, InvalidSecret::NotBase64(2));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let secrets = Secrets::parse(SECRET).unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets(1)");
        assert_eq!(Secrets::default().sign("msg_1", 1, ""), None);
    }
}
