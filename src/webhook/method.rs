//! The request methods that a webhook may use.
//!
//! Owns their names and which of them carry a body. It never chooses one.

use std::fmt;
use std::str::FromStr;

/// A request method, RFC 9110 section 9 and RFC 5789, without CONNECT and TRACE.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// The default; carries the body, as PUT and PATCH do.
    #[default]
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// Carries no body, and neither do the methods below.
    Get,
    /// HEAD.
    Head,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// Another one, which only a callback of GitLab's contract may have.
    Other(Token),
}

impl Method {
    const ALL: [Self; 7] = [
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Get,
        Self::Head,
        Self::Delete,
        Self::Options,
    ];

    /// The method of a callback of GitLab's contract, whose wrapper calls any: a standard method in
    /// any case, or another token as it is.
    ///
    /// # Errors
    /// [`InvalidMethod::Callback`], also for CONNECT, which has no path.
    pub fn of_callback(text: &str) -> Result<Self, InvalidMethod> {
        let upper = text.to_ascii_uppercase();
        match &*upper {
            "CONNECT" => Err(InvalidMethod::Callback),
            "TRACE" => Token::new(&upper).map(Self::Other),
            _ => upper.parse().or_else(|_| Token::new(text).map(Self::Other)),
        }
    }

    /// The token on the wire; case-sensitive.
    pub fn name(&self) -> &str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other(token) => token.as_str(),
        }
    }

    /// Whether a request with this method carries the body.
    pub fn has_body(self) -> bool {
        match self {
            Self::Post | Self::Put | Self::Patch => true,
            Self::Get | Self::Head | Self::Delete | Self::Options | Self::Other(_) => false,
        }
    }
}

impl FromStr for Method {
    type Err = InvalidMethod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == text)
            .ok_or(InvalidMethod::Unknown)
    }
}

/// A method of at most [`Token::MAX`] bytes (RFC 9110, section 5.6.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl Token {
    /// Maximum length in bytes.
    pub const MAX: usize = 32;

    fn new(text: &str) -> Result<Self, InvalidMethod> {
        let mut bytes = [0; Self::MAX];
        let length = text.len();
        match bytes.get_mut(..length) {
            Some(start) if http::Method::from_bytes(text.as_bytes()).is_ok() => {
                start.copy_from_slice(text.as_bytes());
                Ok(Self { bytes, length })
            }
            Some(_) | None => Err(InvalidMethod::Callback),
        }
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not a method that a webhook may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMethod {
    /// Of a webhook.
    #[error(
        "the method of the webhook must be one of POST, PUT, PATCH, GET, HEAD, DELETE, OPTIONS"
    )]
    Unknown,
    /// Of a callback of GitLab's contract.
    #[error(
        "the method of the callback must be a token of at most 32 bytes, such as POST, and not CONNECT"
    )]
    Callback,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_written_as_on_the_wire() {
        for method in Method::ALL {
            assert_eq!(method.name().parse(), Ok(method));
        }
        for text in ["", "post", "CONNECT", "TRACE", "GET ", "A\r\nB"] {
            assert_eq!(
                text.parse::<Method>(),
                Err(InvalidMethod::Unknown),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_callback_has_a_standard_method_in_any_case_or_another_as_it_is() {
        let longest = "x".repeat(Token::MAX);
        for (text, name, has_body) in [
            ("POST", "POST", true),
            ("post", "POST", true),
            ("pAtch", "PATCH", true),
            ("get", "GET", false),
            ("trace", "TRACE", false),
            ("purge", "purge", false),
            ("M-SEARCH", "M-SEARCH", false),
            (&longest, &longest, false),
        ] {
            let method = Method::of_callback(text).unwrap();
            assert_eq!((method.name(), method.has_body()), (name, has_body));
        }
        let too_long = "x".repeat(Token::MAX + 1);
        for text in ["", "a b", "connect", "A\r\nB", "G\u{e9}T", "a:b", &too_long] {
            assert_eq!(
                Method::of_callback(text),
                Err(InvalidMethod::Callback),
                "{text:?}"
            );
        }
    }
}
