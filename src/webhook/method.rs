//! The request methods that a webhook may use.
//!
//! Owns their names and which of them carry a body. It never chooses one.

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

    /// The token on the wire; case-sensitive.
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// Whether a request with this method carries the body.
    pub fn has_body(self) -> bool {
        match self {
            Self::Post | Self::Put | Self::Patch => true,
            Self::Get | Self::Head | Self::Delete | Self::Options => false,
        }
    }
}

impl FromStr for Method {
    type Err = InvalidMethod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == text)
            .ok_or(InvalidMethod)
    }
}

/// Not a method that a webhook may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the method of the webhook must be one of POST, PUT, PATCH, GET, HEAD, DELETE, OPTIONS")]
pub struct InvalidMethod;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_written_as_on_the_wire() {
        for method in Method::ALL {
            assert_eq!(method.name().parse(), Ok(method));
        }
        for text in ["", "post", "CONNECT", "TRACE", "GET ", "A\r\nB"] {
            assert_eq!(text.parse::<Method>(), Err(InvalidMethod), "{text:?}");
        }
    }
}
