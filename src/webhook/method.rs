//! The methods that a webhook may have.
//!
//! Owns their names and which have a body. It never chooses one.

use std::str::FromStr;

/// The method of a request, RFC 9110 section 9 and RFC 5789. CONNECT and TRACE are none that a webhook has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// With a body.
    #[default]
    Post,
    /// With a body.
    Put,
    /// With a body.
    Patch,
    /// Without a body, which has no meaning there; likewise the following.
    Get,
    /// Without a body.
    Head,
    /// Without a body.
    Delete,
    /// Without a body.
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

    /// The token on the wire.
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

    /// Whether the body is sent with it.
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

/// It is none of them.
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
