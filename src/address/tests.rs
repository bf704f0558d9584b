//! Unit tests of the parser of addresses.

use super::*;

fn fault(text: &str) -> AddressFault {
    text.parse::<Address>().unwrap_err().why
}

#[test]
fn every_form_of_a_socket_path_parses() {
    for (text, path) in [
        ("unix:///run/a.sock", "/run/a.sock"),
        ("unix:/run/a.sock", "/run/a.sock"),
        ("unix:a.sock", "a.sock"),
        ("unix:./@a", "./@a"),
        ("unix:dir/a%20b", "dir/a%20b"),
        ("unix:////a", "//a"),
    ] {
        assert_eq!(text.parse(), Ok(Address::Unix(path.into())), "{text}");
    }
}

#[test]
fn hosts_are_classified() {
    let ip = |text: &str| Host::Ip(text.parse().unwrap());
    for (text, host, port) in [
        ("tcp://127.0.0.1:80", ip("127.0.0.1"), 80),
        ("tcp://[::1]:0", ip("::1"), 0),
        ("tcp://localhost:7777", Host::Localhost, 7777),
        ("tcp://LocalHost.:65535", Host::Localhost, 65535),
        (
            "tcp://a_b.example-1.org.:1",
            Host::Name("a_b.example-1.org.".into()),
            1,
        ),
        ("tcp://1host:1", Host::Name("1host".into()), 1),
    ] {
        assert_eq!(text.parse(), Ok(Address::Tcp { host, port }), "{text}");
    }
}

#[test]
fn a_printed_address_parses_back() {
    for text in [
        "unix:///run/a.sock",
        "unix:////a",
        "unix:a/b.sock",
        "unix:./@a",
        "tcp://localhost:7777",
        "tcp://0.0.0.0:0",
        "tcp://[::ffff:1.2.3.4]:1",
        "tcp://example.org:65535",
    ] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
    let short: Address = "unix:/run/a.sock".parse().unwrap();
    assert_eq!(short.to_string().parse(), Ok(short));
}

#[test]
fn a_path_that_no_socket_can_have_is_refused() {
    assert_eq!(fault("unix:"), AddressFault::EmptyPath);
    assert_eq!(fault("unix://"), AddressFault::EmptyPath);
    assert_eq!(
        fault("unix://host/x"),
        AddressFault::Authority("host".into())
    );
    assert_eq!(fault("unix://run"), AddressFault::Authority("run".into()));
    assert_eq!(fault("unix:/a\0b"), AddressFault::Nul);
    assert_eq!(fault("unix:@a"), AddressFault::Abstract);
    assert_eq!(fault("unix-abstract:a"), AddressFault::Abstract);
    for text in ["unix:///", "unix:/run/", "unix:/run/.", "unix:..", "unix:."] {
        assert_eq!(fault(text), AddressFault::Directory, "{text}");
    }
}

#[test]
fn the_longest_path_passes_and_one_byte_more_does_not() {
    let longest = format!("unix:/{}", "a".repeat(106));
    assert!(longest.parse::<Address>().is_ok());
    assert_eq!(fault(&format!("{longest}a")), AddressFault::TooLong(108));
    // Bytes count, not characters.
    assert_eq!(
        fault(&format!("unix:/{}", "é".repeat(54))),
        AddressFault::TooLong(109)
    );
}

#[test]
fn a_port_is_digits_up_to_65535() {
    assert_eq!(fault("tcp://localhost"), AddressFault::NoPort);
    assert_eq!(fault("tcp://localhost:"), AddressFault::NoPort);
    assert_eq!(fault("tcp://[::1]"), AddressFault::NoPort);
    assert_eq!(fault("tcp://[::1]80"), AddressFault::NoPort);
    for port in [
        "+80",
        "-1",
        "65536",
        "80/",
        "http",
        " 80",
        "99999999999999999999",
    ] {
        assert_eq!(
            fault(&format!("tcp://a:{port}")),
            AddressFault::Port(port.into())
        );
    }
}

#[test]
fn a_legacy_or_invalid_host_is_refused() {
    assert_eq!(fault("tcp://:80"), AddressFault::EmptyHost);
    for host in [
        "a b",
        "u@h",
        "-a",
        "a-",
        "a..b",
        ".",
        "127.1",
        "256.0.0.1",
        "0x7f.0x1",
        "1",
        "0x",
    ] {
        assert_eq!(
            fault(&format!("tcp://{host}:80")),
            AddressFault::Host(host.into())
        );
    }
    let label = "a".repeat(64);
    assert_eq!(
        fault(&format!("tcp://{label}:80")),
        AddressFault::Host(label)
    );
}

#[test]
fn ipv6_needs_brackets_and_takes_no_zone() {
    assert_eq!(fault("tcp://::1:80"), AddressFault::Brackets);
    assert_eq!(fault("tcp://[::1:80"), AddressFault::Brackets);
    assert_eq!(
        fault("tcp://[127.0.0.1]:80"),
        AddressFault::Ipv6("127.0.0.1".into())
    );
    assert_eq!(
        fault("tcp://[fe80::1%eth0]:80"),
        AddressFault::Zone("%eth0".into())
    );
}

#[test]
fn a_text_without_a_form_is_refused_with_an_example() {
    for text in ["", "a", "a b", "ftp://a:1", "5s", "\n/a.sock"] {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert!(error.contains("unix:///run/control.sock"), "{error}");
    }
    assert_eq!(fault("tcp:/"), AddressFault::Slashes);
}

#[test]
fn the_form_of_another_program_is_answered_with_ours() {
    for (text, form) in [
        ("localhost", "tcp://localhost:PORT"),
        ("localhost:80", "tcp://localhost:80"),
        ("a.example", "tcp://a.example:PORT"),
        ("a.example:80", "tcp://a.example:80"),
        ("0.0.0.0:80", "tcp://0.0.0.0:80"),
        ("[::1]:80", "tcp://[::1]:80"),
        ("::1", "tcp://[::1]:PORT"),
        ("fe80::1", "tcp://[fe80::1]:PORT"),
        ("tcp://http://h:1", "tcp://h:1"),
        ("tcp://http://h", "tcp://h:PORT"),
        ("tcp://tcp://h:1", "tcp://h:1"),
        ("tcp://unix:///run/a.sock", "unix:///run/a.sock"),
        (":8080", "tcp://localhost:8080"),
        ("7777", "tcp://localhost:7777"),
        ("tcp:localhost:80", "tcp://localhost:80"),
        ("tcp:/localhost:80", "tcp://localhost:80"),
        ("TCP://a:1", "tcp://a:1"),
        (" tcp://a:1", "tcp://a:1"),
        ("\"unix:a\"", "unix:a"),
        ("/run/a.sock", "unix:///run/a.sock"),
        ("./a", "unix:./a"),
        ("a.sock", "unix:a.sock"),
        ("~/a.sock", "unix:\"$HOME\"/a.sock"),
        ("unix:~/a.sock", "unix:\"$HOME\"/a.sock"),
        ("UNIX:/a", "unix:/a"),
        ("file:///run/a", "unix:///run/a"),
        ("http://a:1", "tcp://a:1"),
        ("http://a:1/metrics?x", "tcp://a:1"),
        ("https://a", "tcp://a:PORT"),
        ("grpc://a:1", "tcp://a:1"),
        ("dns:///a:1", "tcp://a:1"),
        ("read=unix:a", "unix:a"),
        ("read:unix:a", "read=unix:a"),
        (
            "tcp://*:1",
            "0.0.0.0 for all IPv4 interfaces, or [::] for IPv6",
        ),
    ] {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert!(error.ends_with(&format!("; write {form}")), "{error}");
    }
}

#[test]
fn two_addresses_in_one_text_are_refused() {
    for text in ["unix:a,unix:b", "unix:a tcp://b:1", "tcp://a:1;unix:b"] {
        assert_eq!(fault(text), AddressFault::Several, "{text}");
    }
    assert!("unix:a,b".parse::<Address>().is_ok());
}
