//! What a text that is no address was probably meant to be.
//!
//! Owns the guesses about forms of other programs. It never accepts one of them.

use std::net::Ipv6Addr;

use super::{AddressFault, parse};

/// The roles that may precede an address of `--listen`.
const ROLES: [&str; 3] = ["control", "read", "health"];

/// The fault of a text without a scheme of ours, if its form tells the meaning.
pub(super) fn meant(text: &str) -> Option<AddressFault> {
    // The guess becomes part of an error of one line.
    if text.chars().any(char::is_control) {
        return None;
    }
    let (why, form) = guess(text)?;
    Some(AddressFault::Meant(why, form))
}

fn guess(text: &str) -> Option<(&'static str, String)> {
    let known = |form: String| parse(&form).is_ok().then_some(form);
    let inside = text.trim_matches(|c: char| c.is_whitespace() || "\"'`".contains(c));
    if inside != text
        && let Some(form) = known(inside.to_owned())
    {
        return Some(("quotation marks or spaces surround it", form));
    }
    if let Some((role, rest)) = text.split_once(['=', ':'])
        && ROLES.contains(&role)
    {
        let form = known(rest.to_owned())?;
        return Some(match text.contains(&format!("{role}=")) {
            true => ("only --listen takes a role", form),
            false => ("a role ends in an equals sign", format!("{role}={form}")),
        });
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        let form = of_host(&format!("[{text}]"))?;
        return Some(("an IPv6 address needs brackets, a scheme and a port", form));
    }
    if let Some((scheme, rest)) = text.split_once(':') {
        let small = scheme.to_ascii_lowercase();
        match small.as_str() {
            "unix" | "tcp" if small != scheme => {
                let form = known(format!("{small}:{rest}"))?;
                return Some(("the scheme is written in small letters", form));
            }
            "http" | "grpc" | "h2c" | "dns" | "ipv4" => {
                return Some(("the API has no URL", of_host(authority(rest))?));
            }
            "https" | "grpcs" => {
                let why = "the API has no URL, and TLS has options of its own";
                return Some((why, of_host(authority(rest))?));
            }
            "tcp" if rest.starts_with("//") => {
                let inner = rest.trim_start_matches('/');
                return match known(inner.to_owned()) {
                    Some(form) => Some(("it has two schemes", form)),
                    None if inner.contains("://") => guess(inner),
                    None => None,
                };
            }
            "tcp" => {
                let form = of_host(rest.trim_start_matches('/'))?;
                return Some(("two slashes follow tcp:", form));
            }
            "file" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                return Some(("the API has no URL", known(format!("unix://{path}"))?));
            }
            _ => {}
        }
    }
    if let Some(path) = text.strip_prefix("~/") {
        return Some((TILDE, format!("unix:\"$HOME\"/{path}")));
    }
    if text.starts_with(['/', '.']) || text.ends_with(".sock") || text.ends_with(".socket") {
        let address = parse(&format!("unix:{text}")).ok()?;
        return Some(("it has no scheme", address.to_string()));
    }
    if let Some(form) = known(format!("tcp://localhost:{text}")) {
        return Some(("it has neither scheme nor host", form));
    }
    if text.starts_with(':') {
        let form = known(format!("tcp://localhost{text}"))?;
        return Some(("it has neither scheme nor host", form));
    }
    let named = text.contains([':', '.']) || text.eq_ignore_ascii_case("localhost");
    let form = named.then(|| of_host(text))??;
    Some(match form.ends_with("PORT") {
        true => ("it has neither scheme nor port", form),
        false => ("it has no scheme", form),
    })
}

/// Why a path must not begin with `~/`.
pub(super) const TILDE: &str = "a shell expands ~ only at the start of a word";

/// The host and port of what follows the scheme of a URL.
fn authority(rest: &str) -> &str {
    let rest = rest.trim_start_matches('/');
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// The tcp address of a host, with a placeholder for a missing port.
fn of_host(host: &str) -> Option<String> {
    let form = format!("tcp://{host}");
    if parse(&form).is_ok() {
        return Some(form);
    }
    let form = format!("tcp://{}", host.trim_end_matches(':'));
    parse(&format!("{form}:1"))
        .ok()
        .map(|_| format!("{form}:PORT"))
}
