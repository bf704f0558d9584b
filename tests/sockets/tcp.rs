//! TCP listeners, and the errors that clients get.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use process_wrapper::address::{Address, Host};
use process_wrapper::net::connect::{ConnectError, connect};
use process_wrapper::net::listen::{Holder, Listener, SocketOptions, bind};
use process_wrapper::net::peer::Peer;
use process_wrapper::net::stream::Stream;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::fixture::{Fixture, bind_tcp, in_use, port_of, talk, within};

fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

#[test]
fn localhost_is_both_families_on_one_port() {
    let listeners = bind_tcp("tcp://localhost:0").unwrap();
    let addresses: Vec<_> = listeners.iter().map(Listener::local_address).collect();
    let port = port_of(&listeners[0]);
    assert_ne!(port, 0);
    let mut expected = vec![format!("tcp://127.0.0.1:{port}")];
    if has_ipv6() {
        expected.push(format!("tcp://[::1]:{port}"));
    }
    let written: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    assert_eq!(written, expected);
    for (listener, address) in listeners.iter().zip(&addresses) {
        let (server, peer) = talk(listener, address);
        assert!(
            matches!(peer, Peer::Tcp(from) if from.ip().is_loopback()),
            "{peer}"
        );
        let Stream::Tcp(socket) = &server else {
            panic!("{server:?}");
        };
        assert!(socket.get_ref().nodelay().unwrap());
    }
}

/// Takes a port without listening on it: no other process can, and connections are refused. `None`:
/// the port is taken.
fn reserve(address: &str, port: u16) -> Option<(OwnedFd, u16)> {
    let address = SocketAddr::new(address.parse().unwrap(), port);
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None).unwrap();
    match rustix::net::bind(&socket, &address) {
        Ok(()) => {
            let bound = rustix::net::getsockname(&socket).unwrap();
            Some((socket, SocketAddr::try_from(bound).unwrap().port()))
        }
        Err(Errno::ADDRINUSE) => None,
        Err(error) => panic!("{address}: {error}"),
    }
}

/// Retries until both steps succeed on one port, which another process may take between them.
fn try_ports<T>(attempt: impl FnMut(u32) -> Option<T>) -> T {
    (0..50).find_map(attempt).unwrap()
}

#[test]
fn a_client_of_localhost_finds_either_family() {
    if !has_ipv6() {
        return;
    }
    let (listeners, _refuses) = try_ports(|_| {
        let listeners = bind_tcp("tcp://[::1]:0").unwrap();
        let refuses = reserve("127.0.0.1", port_of(&listeners[0]))?;
        Some((listeners, refuses))
    });
    let host = Host::Localhost;
    let port = port_of(&listeners[0]);
    talk(&listeners[0], &Address::Tcp { host, port });
}

#[test]
fn the_wildcard_of_one_family_leaves_the_other_alone() {
    if !has_ipv6() {
        return;
    }
    // Were it for both families, no port could be had twice.
    let (_listeners, (_refuses, port)) = try_ports(|_| {
        let listeners = bind_tcp("tcp://[::]:0").unwrap();
        let refuses = reserve("0.0.0.0", port_of(&listeners[0]))?;
        Some((listeners, refuses))
    });
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    std::net::TcpStream::connect(("::1", port)).unwrap();
}

#[test]
fn a_taken_port_is_in_use_and_a_foreign_address_a_usage_error() {
    let first = bind_tcp("tcp://127.0.0.1:0").unwrap();
    let port = port_of(&first[0]);
    for host in ["127.0.0.1", "localhost"] {
        let error = bind_tcp(&format!("tcp://{host}:{port}")).unwrap_err();
        assert_eq!(in_use(&error), Some(Holder::Port), "{error}");
    }
    // From the block for documentation, RFC 5737: no machine has it.
    let error = bind_tcp("tcp://192.0.2.1:0").unwrap_err();
    assert!(error.is_usage(), "{error}");
}

#[test]
fn a_name_is_resolved_to_serve_and_to_connect() {
    let host = Host::Name("localhost".into());
    let address = Address::Tcp {
        host: host.clone(),
        port: 0,
    };
    let listeners = within(bind(&address, &SocketOptions::default())).unwrap();
    let port = port_of(&listeners[0]);
    talk(&listeners[0], &Address::Tcp { host, port });
}

#[test]
fn a_failed_connection_reports_each_address_that_was_tried() {
    let fixture = Fixture::new();
    let error = within(connect(&Address::Unix(fixture.socket()))).unwrap_err();
    assert!(
        error.to_string().contains("is the wrapper running"),
        "{error}"
    );
    drop(UnixListener::bind(fixture.socket()).unwrap());
    let error = within(connect(&Address::Unix(fixture.socket()))).unwrap_err();
    let ConnectError::Unix { source, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), ErrorKind::ConnectionRefused);

    let (_refuse, port) = try_ports(|_| {
        let (four, port) = reserve("127.0.0.1", 0)?;
        let six = if has_ipv6() {
            Some(reserve("::1", port)?)
        } else {
            None
        };
        Some(((four, six), port))
    });
    let host = Host::Localhost;
    let error = within(connect(&Address::Tcp { host, port })).unwrap_err();
    for tried in ["tcp://localhost", "127.0.0.1", "[::1]"] {
        let tried = format!("{tried}:{port}");
        assert!(error.to_string().contains(&tried), "{error}");
    }
}

#[test]
fn streams_may_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Stream>();
    is_send::<Listener>();
}
