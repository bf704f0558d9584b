//! Bearer tokens, RFC 6750.
//!
//! Owns their syntax, in a file and in a header, and their comparison in constant time. It never
//! prints one.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};

/// Minimum length in characters: shorter tokens could be guessed.
const MIN_LENGTH: usize = 16;
/// Maximum length: all are compared at this length, so that timing does not tell theirs.
const MAX_LENGTH: usize = 512;
/// Maximum number of tokens, enough for an overlapping rotation.
const MAX_TOKENS: usize = 16;

/// The tokens that authorize a call.
#[derive(Clone)]
pub struct Tokens(Vec<Padded>);

#[derive(Clone)]
struct Padded {
    bytes: [u8; MAX_LENGTH],
    length: u64,
}

/// Why a file is no list of tokens. It never shows one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokens {
    /// The file has none.
    #[error("it holds no token; write one per line")]
    Empty,
    /// The file has more than [`MAX_TOKENS`].
    #[error("it holds more than {MAX_TOKENS} tokens")]
    TooMany,
    /// The token in this line has a length outside the limits.
    #[error("the token in line {0} must have {MIN_LENGTH} to {MAX_LENGTH} characters")]
    Length(usize),
    /// The token in this line has a character outside RFC 6750's set.
    #[error("the token in line {0} may hold letters, digits and -._~+/ only, and = at its end")]
    Character(usize),
}

impl Tokens {
    /// Parses the text of a file: one token per line; empty lines are skipped.
    ///
    /// # Errors
    ///
    /// [`InvalidTokens`], which names the line.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidTokens> {
        let mut tokens = Vec::new();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let token = line.trim_ascii();
            if token.is_empty() {
                continue;
            }
            if !is_token(token) {
                return Err(InvalidTokens::Character(index + 1));
            }
            let padded = Padded::of(token).filter(|_| token.len() >= MIN_LENGTH);
            tokens.push(padded.ok_or(InvalidTokens::Length(index + 1))?);
        }
        match tokens.len() {
            0 => Err(InvalidTokens::Empty),
            1..=MAX_TOKENS => Ok(Self(tokens)),
            _ => Err(InvalidTokens::TooMany),
        }
    }

    /// Whether the value of an `authorization` header holds one of the tokens. The time is the same
    /// for each token and for none.
    #[must_use]
    pub fn admit(&self, authorization: &[u8]) -> bool {
        let presented = bearer(authorization).and_then(Padded::of);
        // An invalid header takes the time of a wrong token.
        let empty = Padded {
            bytes: [0; MAX_LENGTH],
            length: 0,
        };
        let presented = presented.as_ref().unwrap_or(&empty);
        let found = self.0.iter().fold(Choice::from(0), |found, token| {
            found | (token.length.ct_eq(&presented.length) & token.bytes.ct_eq(&presented.bytes))
        });
        found.into()
    }

    /// The value of a caller's `authorization` header: the first token of the file.
    #[must_use]
    pub fn authorization(&self) -> Option<String> {
        let first = self.0.first()?;
        let length = usize::try_from(first.length).ok()?;
        let token = std::str::from_utf8(first.bytes.get(..length)?).ok()?;
        Some(format!("Bearer {token}"))
    }
}

impl Padded {
    fn of(token: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_LENGTH];
        bytes.get_mut(..token.len())?.copy_from_slice(token);
        let length = token.len() as u64;
        Some(Self { bytes, length })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

/// `b64token`, RFC 6750 section 2.1.
fn is_token(text: &[u8]) -> bool {
    let body = text.trim_ascii_end();
    let padding = body.iter().rev().take_while(|byte| **byte == b'=').count();
    body.get(..body.len() - padding).is_some_and(|body| {
        !body.is_empty()
            && body
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte))
    })
}

/// The token in `Bearer TOKEN`; the scheme is case-insensitive, RFC 9110 section 11.1.
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "abcdefghijklmnop";
    const TWO: &str = "ABC-._~+/0123456789==";

    fn tokens() -> Tokens {
        Tokens::parse(format!("{ONE}\r\n\n  {TWO} \n").as_bytes()).unwrap()
    }

    #[test]
    fn each_token_of_the_file_authorizes() {
        for value in [
            format!("Bearer {ONE}"),
            format!("bearer {TWO}"),
            format!("BEARER   {ONE}"),
        ] {
            assert!(tokens().admit(value.as_bytes()), "{value}");
        }
        let first = tokens().authorization().unwrap();
        assert_eq!(first, format!("Bearer {ONE}"));
    }

    #[test]
    fn no_other_header_authorizes() {
        for value in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            ONE.to_owned(),
            format!("Basic {ONE}"),
            format!("Bearer{ONE}"),
            format!("Bearer {}", &ONE[1..]),
            format!("Bearer {}", &ONE[..15]),
            format!("Bearer {ONE}p"),
            format!("Bearer {ONE}\0"),
            format!("Bearer {}", ONE.to_uppercase()),
            format!("Bearer {ONE}, Bearer {TWO}"),
            format!("Bearer {ONE}\n{TWO}"),
            format!("Bearer {}", "a".repeat(10_000)),
            format!("Bearer {}", "\0".repeat(512)),
        ] {
            assert!(!tokens().admit(value.as_bytes()), "{value:?}");
        }
    }

    #[test]
    fn an_invalid_file_is_refused_with_its_line() {
        let long = "a".repeat(513);
        let many = format!("{ONE}\n").repeat(17);
        for (text, error) in [
            ("", InvalidTokens::Empty),
            ("\n \n", InvalidTokens::Empty),
            ("secret", InvalidTokens::Length(1)),
            (&*long, InvalidTokens::Length(1)),
            (
                "abcdefghijklmnop\nabcdefgh ijklmnop",
                InvalidTokens::Character(2),
            ),
            ("\n================", InvalidTokens::Character(2)),
            ("abcdefgh=ijklmnop", InvalidTokens::Character(1)),
            ("abcdefgh\u{e9}ijklmnop", InvalidTokens::Character(1)),
            (&*many, InvalidTokens::TooMany),
        ] {
            assert_eq!(Tokens::parse(text.as_bytes()).unwrap_err(), error);
        }
        assert!(Tokens::parse("a".repeat(512).as_bytes()).is_ok());
    }

    #[test]
    fn random_files_and_headers_never_panic() {
        let tokens = tokens();
        let mut random = fastrand::Rng::with_seed(8);
        for _ in 0..20_000 {
            let length = random.usize(..40);
            let mut bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            if random.bool() {
                bytes.splice(0..0, *b"Bearer ");
            }
            assert!(!tokens.admit(&bytes), "{bytes:?}");
            if let Ok(parsed) = Tokens::parse(&bytes) {
                assert!(parsed.admit(parsed.authorization().unwrap().as_bytes()));
            }
        }
    }

    #[test]
    fn debug_output_shows_no_token() {
        assert_eq!(format!("{:?}", tokens()), "2 tokens");
    }
}
