//! Addresses of the control API: `unix:///run/control.sock`, `tcp://localhost:7777`.
//!
//! Owns the parsing and printing of addresses. It resolves no name and touches no file: only `net`
//! finds out whether an address is usable.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

mod meant;
mod overlap;

pub use overlap::overlap;

/// Maximum length of a socket path in bytes: `sun_path` holds 108 with the final NUL, `unix(7)`.
pub const MAX_SOCKET_PATH: usize = 107;

/// The address at which the control API listens and a client connects.
///
/// ```
/// use process_wrapper::client::Address;
///
/// let socket: Address = "unix:/run/control.sock".parse().unwrap();
/// assert_eq!(socket.to_string(), "unix:///run/control.sock");
/// let error = "localhost:7777".parse::<Address>().unwrap_err();
/// assert!(error.to_string().contains("tcp://localhost:7777"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A socket file. The path is taken as written: nothing is percent-decoded.
    Unix(PathBuf),
    /// A TCP port; 0 lets the kernel choose one.
    Tcp {
        /// The interface to listen on, or the machine to connect to.
        host: Host,
        /// The port.
        port: u16,
    },
}

/// The host of a TCP address.
///
/// ```
/// use process_wrapper::client::{Address, Host};
///
/// let address = "tcp://LocalHost:7777".parse().unwrap();
/// assert!(matches!(address, Address::Tcp { host: Host::Localhost, .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Host {
    /// An IP address.
    Ip(IpAddr),
    /// `localhost`, which is never resolved: 127.0.0.1, and `::1` if the machine has it.
    Localhost,
    /// A name for the resolver.
    Name(String),
}

/// Why a text is not an address.
///
/// ```
/// use process_wrapper::client::Address;
///
/// let error = "tcp://localhost".parse::<Address>().unwrap_err();
/// assert!(error.to_string().contains("the port is missing"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address: {why}")]
pub struct InvalidAddress {
    text: String,
    why: AddressFault,
}

impl InvalidAddress {
    pub(crate) const fn why(&self) -> &AddressFault {
        &self.why
    }
}

/// The fault of an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// It starts with neither `unix:` nor `tcp://`.
    #[error("it has no scheme; write unix:///run/control.sock or tcp://localhost:7777")]
    Scheme,
    /// It is empty.
    #[error("it is empty; write unix:///run/control.sock or tcp://localhost:7777")]
    Empty,
    /// The form of another program; holds the fault, and our form.
    #[error("{0}; write {1}")]
    Meant(&'static str, String),
    /// `unix:a,unix:b`.
    #[error("it holds more than one address; write each as a value of its own")]
    Several,
    /// `tcp:` without the slashes.
    #[error("two slashes are missing; write tcp://HOST:PORT")]
    Slashes,
    /// Nothing after `unix:`.
    #[error("the path is empty; write unix:///run/control.sock")]
    EmptyPath,
    /// `unix://host/path`.
    #[error(
        "{0:?} is in the place of a host; write unix:///PATH with three slashes, or unix:PATH for a \
         path below the working directory"
    )]
    Authority(String),
    /// The path ends in a slash, a dot or two dots.
    #[error("the path names a directory; add the name of the socket file")]
    Directory,
    /// The path holds a NUL byte.
    #[error("the path holds a NUL byte, which no path can")]
    Nul,
    /// The path exceeds [`MAX_SOCKET_PATH`].
    #[error("the path has {0} bytes, but a socket path has at most {MAX_SOCKET_PATH}")]
    TooLong(usize),
    /// `unix:@name`.
    #[error("abstract sockets have no permissions; write a path (for a file so named: unix:./@…)")]
    Abstract,
    /// No host before the port.
    #[error("the host is empty; write 0.0.0.0 or [::] to listen on all interfaces")]
    EmptyHost,
    /// Not a host name.
    #[error("{0:?} is neither an IP address nor a host name")]
    Host(String),
    /// An IPv6 address without brackets.
    #[error("an IPv6 address needs brackets; write tcp://[::1]:7777")]
    Brackets,
    /// Brackets around something else.
    #[error("{0:?} in brackets is not an IPv6 address")]
    Ipv6(String),
    /// `[fe80::1%eth0]`.
    #[error("zone ids are not supported; remove {0:?}")]
    Zone(String),
    /// No port.
    #[error("the port is missing; write tcp://HOST:PORT, for example tcp://localhost:7777")]
    NoPort,
    /// Not a port.
    #[error("{0:?} is not a port; write a number from 0 to 65535")]
    Port(String),
}

impl FromStr for Address {
    type Err = InvalidAddress;

    /// Reads `unix:///abs`, `unix:/abs`, `unix:relative` and `tcp://host:port`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = parse(text).map_err(|why| {
            let foreign = matches!(
                why,
                AddressFault::Scheme
                    | AddressFault::Slashes
                    | AddressFault::Brackets
                    | AddressFault::Port(_)
            );
            foreign.then(|| meant::meant(text)).flatten().unwrap_or(why)
        });
        parsed.map_err(|why| InvalidAddress {
            text: text.to_owned(),
            why,
        })
    }
}

fn parse(text: &str) -> Result<Address, AddressFault> {
    if text.is_empty() {
        return Err(AddressFault::Empty);
    }
    let another = [
        " unix:", ",unix:", ";unix:", " tcp://", ",tcp://", ";tcp://",
    ];
    if another
        .iter()
        .any(|start| text.find(start).is_some_and(|at| at > 0))
    {
        return Err(AddressFault::Several);
    }
    if let Some(rest) = text.strip_prefix("unix:") {
        unix(rest)
    } else if let Some(rest) = text.strip_prefix("tcp://") {
        tcp(rest)
    } else if text.starts_with("tcp:") {
        Err(AddressFault::Slashes)
    } else if text.starts_with("unix-abstract:") {
        Err(AddressFault::Abstract)
    } else {
        Err(AddressFault::Scheme)
    }
}

fn unix(rest: &str) -> Result<Address, AddressFault> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.is_empty() || path.starts_with('/') => path,
        Some(host) => {
            let host = host.split('/').next().unwrap_or(host);
            return Err(AddressFault::Authority(host.to_owned()));
        }
        None => rest,
    };
    if path.is_empty() {
        return Err(AddressFault::EmptyPath);
    }
    if path.contains('\0') {
        return Err(AddressFault::Nul);
    }
    if path.starts_with('@') {
        return Err(AddressFault::Abstract);
    }
    if let Some(rest) = path.strip_prefix("~/") {
        return Err(match rest.chars().any(char::is_control) {
            true => AddressFault::Directory,
            false => AddressFault::Meant(meant::TILDE, format!("unix:\"$HOME\"/{rest}")),
        });
    }
    if matches!(path.rsplit('/').next(), Some("" | "." | "..")) {
        return Err(AddressFault::Directory);
    }
    if path.len() > MAX_SOCKET_PATH {
        return Err(AddressFault::TooLong(path.len()));
    }
    Ok(Address::Unix(PathBuf::from(path)))
}

fn tcp(rest: &str) -> Result<Address, AddressFault> {
    if let Some(rest) = rest.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or(AddressFault::Brackets)?;
        let ip = ipv6(inside)?;
        let port = port(after.strip_prefix(':').ok_or(AddressFault::NoPort)?)?;
        let host = Host::Ip(IpAddr::V6(ip));
        return Ok(Address::Tcp { host, port });
    }
    if rest.bytes().filter(|byte| *byte == b':').count() > 1 {
        return Err(AddressFault::Brackets);
    }
    let (name, digits) = rest.split_once(':').ok_or(AddressFault::NoPort)?;
    let host = host(name)?;
    let port = port(digits)?;
    Ok(Address::Tcp { host, port })
}

fn ipv6(text: &str) -> Result<Ipv6Addr, AddressFault> {
    if let Some((_, zone)) = text.split_once('%') {
        return Err(AddressFault::Zone(format!("%{zone}")));
    }
    text.parse()
        .map_err(|_| AddressFault::Ipv6(text.to_owned()))
}

fn port(text: &str) -> Result<u16, AddressFault> {
    if text.is_empty() {
        return Err(AddressFault::NoPort);
    }
    // The integer parser accepts a plus sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AddressFault::Port(text.to_owned()));
    }
    text.parse()
        .map_err(|_| AddressFault::Port(text.to_owned()))
}

fn host(text: &str) -> Result<Host, AddressFault> {
    if text == "*" {
        let form = "0.0.0.0 for all IPv4 interfaces, or [::] for IPv6".to_owned();
        return Err(AddressFault::Meant("* is no host", form));
    }
    if text.is_empty() {
        return Err(AddressFault::EmptyHost);
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(IpAddr::V4(ip)));
    }
    if text.eq_ignore_ascii_case("localhost") || text.eq_ignore_ascii_case("localhost.") {
        return Ok(Host::Localhost);
    }
    if is_host_name(text) {
        Ok(Host::Name(text.to_owned()))
    } else {
        Err(AddressFault::Host(text.to_owned()))
    }
}

/// RFC 1123 section 2.1, and underscores, which container networks use in names.
fn is_host_name(text: &str) -> bool {
    let labels = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // The resolver would read `127.1`, `256.0.0.1` and `0x7f.1` as legacy notations of an address.
    let last = labels.rsplit('.').next().unwrap_or(labels);
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .to_ascii_lowercase()
            .strip_prefix("0x")
            .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    labels.len() <= 253 && labels.split('.').all(is_label) && !is_number
}

/// Whether other machines might reach an address. A name may resolve to any address, so it counts.
pub fn is_beyond_loopback(address: &Address) -> bool {
    match address {
        Address::Unix(_)
        | Address::Tcp {
            host: Host::Localhost,
            ..
        } => false,
        Address::Tcp {
            host: Host::Ip(ip), ..
        } => !ip.to_canonical().is_loopback(),
        Address::Tcp {
            host: Host::Name(_),
            ..
        } => true,
    }
}

impl fmt::Display for Address {
    /// Prints the address in a form that parses back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) if path.is_absolute() => write!(f, "unix://{}", path.display()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Localhost => f.write_str("localhost"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests;
