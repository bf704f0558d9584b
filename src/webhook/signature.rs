//! Signatures by the Standard Webhooks scheme.
//!
//! Owns the secrets and what is computed with them. They leave this file in no form: not by `Debug`, not in
//! an error.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// How long a secret may be, in bytes, after the specification: enough to be no password, and no more than
/// a block of the hash.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// The secrets that sign: usually one, two while it is being replaced.
#[derive(Clone, Default)]
pub struct Secrets {
    keys: Vec<hmac::Key>,
}

/// Why a text holds no secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// There is not one line in it.
    #[error("there is no secret in it; write one `whsec_` and base64 on a line")]
    Missing,
    /// This line, counted from 1, is not base64.
    #[error("line {0} is no secret: write `whsec_` and base64")]
    NotBase64(usize),
    /// This line, counted from 1, is too short or too long.
    #[error(
        "line {0} is a secret of {1} bytes; it must have 24 to 64 (try: openssl rand -base64 32)"
    )]
    Length(usize, usize),
}

impl Secrets {
    /// Reads one secret from each line that is not empty: base64, with or without `whsec_` before it.
    ///
    /// # Errors
    /// [`InvalidSecret`] names the line, never what is on it.
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
                if LENGTH.contains(&key.len()) {
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

    /// The value of `webhook-signature`: one signature for each secret. `None` without any secret.
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
    fn the_example_of_the_specification_is_signed_as_it_says() {
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
    fn signatures_verify_and_only_for_what_was_signed() {
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
    fn each_of_several_secrets_verifies_while_one_is_replaced() {
        let secrets = Secrets::parse(&format!("{OTHER}\n\n  {SECRET}  \n")).unwrap();
        let at = now();
        let signature = secrets.sign("msg_1", at, "").unwrap();
        for secret in [SECRET, OTHER] {
            assert!(verifies(secret, "msg_1", at, "", &signature));
        }
    }

    #[test]
    fn bad_secrets_are_refused_by_line_and_never_shown() {
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
