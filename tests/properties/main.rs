//! Formatting and parsing are inverse: `parse(display(x)) == x`.
//!
//! Owns the values; proptest makes them up and shrinks what fails. Malformed texts are what the
//! fuzz targets are for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderMap;
use process_wrapper::access::{Group, Listen, Role, SocketMode};
use process_wrapper::address::{Address, Host, MAX_SOCKET_PATH};
use process_wrapper::gitlab::GoDuration;
use process_wrapper::grpc::rules::status::{
    MAX_MESSAGE, code_from_digits, decode_message, digits, encode_message,
};
use process_wrapper::grpc::{Code, Status, rules::timeout};
use process_wrapper::human_duration::HumanDuration;
use process_wrapper::lifecycle::{Rewrite, Rewrites};
use process_wrapper::log;
use process_wrapper::signal::Signal;
use proptest::prelude::*;
use proptest::sample::select;

fn signals() -> impl Strategy<Value = Signal> {
    select(Signal::all().collect::<Vec<_>>())
}

fn hosts() -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<IpAddr>().prop_map(Host::Ip),
        Just(Host::Localhost),
        // A name that is no address; the last label of one begins with a letter.
        "([a-z0-9_]([a-z0-9_-]{0,9}[a-z0-9_])?\\.){0,4}[a-z]([a-z0-9_-]{0,9}[a-z0-9_])?"
            .prop_filter("is a word of its own", |name| name != "localhost")
            .prop_map(Host::Name),
    ]
}

fn addresses() -> impl Strategy<Value = Address> {
    // As long as the kernel takes, and neither a directory nor something with a NUL in it.
    let absolute = "/[^\0]{0,24}[^\0/.]".prop_map(PathBuf::from);
    let relative = "[a-z][^\0]{0,24}[^\0/.]".prop_map(PathBuf::from);
    let paths = prop_oneof![absolute, relative].prop_filter("is short enough", |path| {
        path.as_os_str().len() <= MAX_SOCKET_PATH
    });
    prop_oneof![
        paths.prop_map(Address::Unix),
        (hosts(), any::<u16>()).prop_map(|(host, port)| Address::Tcp { host, port }),
    ]
}

/// As Go's `Duration.String` writes it.
fn in_go(duration: Duration) -> String {
    let fraction = |nanos: u32, width: usize| {
        let digits = format!("{nanos:0width$}");
        match digits.trim_end_matches('0') {
            "" => String::new(),
            digits => format!(".{digits}"),
        }
    };
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match (seconds, nanos) {
        (0, 0) => "0s".to_owned(),
        (0, 1..1_000) => format!("{nanos}ns"),
        (0, 1_000..1_000_000) => format!("{}{}µs", nanos / 1_000, fraction(nanos % 1_000, 3)),
        (0, _) => format!("{}{}ms", nanos / 1_000_000, fraction(nanos % 1_000_000, 6)),
        (1.., _) => {
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let rest = format!("{}{}s", seconds % 60, fraction(nanos, 9));
            match (hours, minutes) {
                (0, 0) => rest,
                (0, minutes) => format!("{minutes}m{rest}"),
                (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_address_is_read_as_it_was_written(address in addresses()) {
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn a_listener_is_read_as_it_was_written(
        role in select(vec![Role::Health, Role::Read, Role::Control]),
        address in addresses(),
    ) {
        let listen = Listen { role, address };
        prop_assert_eq!(listen.to_string().parse(), Ok(listen));
        prop_assert_eq!(role.to_string().parse(), Ok(role));
    }

    #[test]
    fn a_span_is_read_as_it_was_written(seconds in 0..=u64::from(u32::MAX), nanos in 0..1_000_000_000_u32) {
        let span = HumanDuration(Duration::new(seconds, nanos));
        prop_assert_eq!(span.to_string().parse::<HumanDuration>(), Ok(span));
    }

    #[test]
    fn a_duration_of_go_is_read_as_go_wrote_it(nanos in 0..i64::MAX.unsigned_abs()) {
        // Of every magnitude: most numbers are large.
        for nanos in (0..64).map(|shift| nanos >> shift) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(in_go(duration).parse(), Ok(GoDuration(duration)));
        }
    }

    #[test]
    fn a_timeout_is_read_as_it_was_written_or_a_little_longer(nanos in any::<u64>()) {
        for nanos in (0..64).map(|shift| nanos >> shift) {
            let meant = Duration::from_nanos(nanos);
            let read = timeout::parse(timeout::format(meant).as_bytes()).unwrap();
            prop_assert!(read >= meant);
            // A unit is a thousand times the last one at most, so five digits are left of eight.
            prop_assert!(read - meant <= meant / 99_999, "{:?} became {:?}", meant, read);
            prop_assert_eq!(timeout::parse(timeout::format(read).as_bytes()), Ok(read));
        }
    }

    #[test]
    fn a_message_of_a_status_is_read_as_it_was_written(
        code in select(Code::ALL.to_vec()),
        message in "\\PC{0,80}|[\0-\u{10ffff}]{0,80}",
    ) {
        prop_assume!(message.len() * 3 <= MAX_MESSAGE);
        prop_assert_eq!(decode_message(encode_message(&message).as_bytes()), message.clone());
        let mut trailers = HeaderMap::new();
        let status = Status::new(code, message);
        status.write_to(&mut trailers);
        prop_assert_eq!(Status::read_from(&trailers), Some(status));
        prop_assert_eq!(code_from_digits(digits(code).as_bytes()), code);
    }

    #[test]
    fn a_signal_and_its_rewriting_are_read_as_they_were_written(
        from in signals(),
        to in proptest::option::of(signals()),
        received in signals(),
    ) {
        prop_assert_eq!(from.to_string().parse(), Ok(from));
        prop_assert_eq!(from.number().to_string().parse(), Ok(from));
        prop_assert_eq!(Signal::from_number(from.number()), Some(from));
        let written = format!("{from}:{}", to.map_or("0".to_owned(), |to| to.to_string()));
        if !from.is_forwarded() {
            prop_assert!(written.parse::<Rewrite>().is_err());
            return Ok(());
        }
        let rule: Rewrite = written.parse().unwrap();
        prop_assert_eq!((rule.from, rule.to), (from, to));
        let expected = if received == from { to } else { Some(received) };
        let rewrites: Rewrites = [rule].into_iter().collect();
        prop_assert_eq!(rewrites.apply(received), expected);
    }

    #[test]
    fn modes_and_groups_are_read_as_they_were_written(
        mode in 0..=0o777_u32,
        number in any::<u32>(),
        name in "[a-z_][a-z0-9_-]{0,30}",
    ) {
        let mode = SocketMode(mode);
        prop_assert_eq!(mode.to_string().parse(), Ok(mode));
        for group in [Group::Number(number), Group::Name(name)] {
            prop_assert_eq!(group.to_string().parse(), Ok(group));
        }
    }
}

#[test]
fn levels_and_formats_are_read_as_they_were_written() {
    use log::{Level, LogFormat};
    for level in ["off", "error", "warn", "info", "debug", "trace"] {
        assert_eq!(level.parse::<Level>().unwrap().to_string(), level);
    }
    for format in ["text", "json"] {
        assert_eq!(format.parse::<LogFormat>().unwrap().to_string(), format);
    }
}

#[cfg(feature = "webhooks")]
mod webhooks {
    use std::time::{Duration, SystemTime};

    use process_wrapper::webhook::WebhookRequest;
    use process_wrapper::webhook::file;
    use process_wrapper::webhook::method::Method;
    use process_wrapper::webhook::policy::{Destination, Origin, Policy, Rule};
    use process_wrapper::webhook::schedule::retry_after;
    use proptest::prelude::*;
    use proptest::sample::select;
    use url::Host;

    const METHODS: [&str; 7] = ["POST", "PUT", "PATCH", "GET", "HEAD", "DELETE", "OPTIONS"];

    proptest! {
        #[test]
        fn a_file_is_read_as_it_was_written(
            method in select(METHODS.to_vec()),
            host in "[a-z]{1,10}(\\.[a-z]{1,10}){0,3}",
            path in "[!-~]{0,40}",
            headers in proptest::collection::btree_map("x-[a-z]{1,8}", "([!-~]([ -~]{0,20}[!-~])?)?", 0..5),
        ) {
            let url = format!("https://{host}/{path}");
            let given = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let method: Method = method.parse().unwrap();
            let webhook = WebhookRequest::new(&url, method, given.clone()).unwrap();
            let mut text = format!("{} {}\n", method.name(), webhook.url());
            for (name, value) in given {
                text += &format!("{name}: {value}\n");
            }
            prop_assert_eq!(file::parse(&text), Ok(vec![webhook]));
        }

        #[test]
        fn seconds_and_dates_are_waited_for(now in 0..4_000_000_000_u64, wait in 0..4_000_000_000_u64) {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
            let wait = Duration::from_secs(wait);
            prop_assert_eq!(retry_after(&wait.as_secs().to_string(), now), Some(wait));
            prop_assert_eq!(retry_after(&httpdate::fmt_http_date(now + wait), now), Some(wait));
        }

        #[test]
        fn a_network_covers_its_own_addresses_and_no_others(
            address in any::<[u8; 4]>(),
            other in any::<[u8; 4]>(),
            bits in 0..=32_u32,
        ) {
            let text = format!("{}/{bits}", std::net::Ipv4Addr::from(address));
            let policy = Policy::new(vec![text.parse::<Rule>().unwrap()]);
            let same = |a: [u8; 4], b: [u8; 4]| {
                let bits_of = |octets: [u8; 4]| format!("{:032b}", u32::from_be_bytes(octets));
                bits_of(a).chars().zip(bits_of(b).chars()).take(bits as usize).all(|(a, b)| a == b)
            };
            let to = Destination { host: Host::Domain("a"), port: 80, origin: Origin::Local };
            let verdict = policy.check_address(&to, other.into());
            prop_assert_eq!(verdict.is_ok(), same(address, other));
        }
    }
}
