//! Addresses of the control API.

use process_wrapper::access::Listen;
use process_wrapper::address::{Address, Host, MAX_SOCKET_PATH, is_beyond_loopback};

/// What is read can be written and read again, and holds what the kernel and the resolver can take.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(listen) = text.parse::<Listen>() {
        assert_eq!(listen.to_string().parse(), Ok(listen));
    }
    let address: Address = match text.parse() {
        Ok(address) => address,
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "one line: {error}");
            return;
        }
    };
    assert_eq!(
        address.to_string().parse().as_ref(),
        Ok(&address),
        "{address}"
    );
    let is_local = match &address {
        Address::Unix(_) => true,
        Address::Tcp { host, .. } => {
            let text = host.to_string();
            let is_address = text.starts_with('[') || text.parse::<std::net::Ipv4Addr>().is_ok();
            text == "localhost"
                || is_address
                    && ["127.", "[::1]", "[::ffff:127."]
                        .iter()
                        .any(|start| text.starts_with(start))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(is_beyond_loopback(&address), !is_local, "{address}");
    match &address {
        Address::Unix(path) => {
            let path = path.to_str().unwrap();
            assert!((1..=MAX_SOCKET_PATH).contains(&path.len()) && !path.contains('\0'));
            assert!(text.ends_with(path), "a path is taken as written");
        }
        Address::Tcp { host, port } => {
            assert!(text.ends_with(&port.to_string()) || text.contains(":0"));
            if let Host::Name(name) = host {
                assert!(name.parse::<std::net::IpAddr>().is_err());
                assert!(
                    name.bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                );
            }
        }
        other => panic!("{other:?}"),
    }
}
