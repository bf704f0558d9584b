//! TCP listeners, and what clients are told.

use std::io::ErrorKind;
use std::os::unix::net::UnixListener;

use process_wrapper::address::{Address, Host};
use process_wrapper::net::connect::{ConnectError, connect};
use process_wrapper::net::listen::{Holder, Listener, SocketOptions, bind};
use process_wrapper::net::peer::Peer;
use process_wrapper::net::stream::Stream;

use super::place::{Place, bind_tcp, in_use, port_of, talk, within};

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

#[test]
fn a_client_of_localhost_finds_either_family() {
    let text = if has_ipv6() {
        "tcp://[::1]:0"
    } else {
        "tcp://127.0.0.1:0"
    };
    let listeners = bind_tcp(text).unwrap();
    let port = port_of(&listeners[0]);
    let host = Host::Localhost;
    talk(&listeners[0], &Address::Tcp { host, port });
}

#[test]
fn the_wildcard_of_one_family_leaves_the_other_free() {
    if !has_ipv6() {
        return;
    }
    let six = bind_tcp("tcp://[::]:0").unwrap();
    let port = port_of(&six[0]);
    // Somebody else may have the port in the other family; then it is not ours to show.
    match bind_tcp(&format!("tcp://0.0.0.0:{port}")) {
        Ok(four) => assert_eq!(port_of(&four[0]), port),
        Err(error) => assert_eq!(in_use(&error), Some(Holder::Port)),
    }
    let refused = std::net::TcpStream::connect(("::ffff:127.0.0.1", port));
    assert!(refused.is_err());
}

#[test]
fn a_taken_port_is_in_use_and_a_foreign_address_a_mistake() {
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
fn a_failed_connection_says_what_was_tried() {
    let place = Place::new();
    let error = within(connect(&Address::Unix(place.socket()))).unwrap_err();
    assert!(error.to_string().contains("--listen"), "{error}");
    drop(UnixListener::bind(place.socket()).unwrap());
    let error = within(connect(&Address::Unix(place.socket()))).unwrap_err();
    let ConnectError::Unix { source, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), ErrorKind::ConnectionRefused);

    // A port that was just given back to the kernel.
    let port = port_of(&bind_tcp("tcp://localhost:0").unwrap()[0]);
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
