//! What webhooks may call.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use process_wrapper::webhook::policy::{Destination, Network, Origin, Policy, PolicyRefusal, Rule};
use url::Host;

use super::cursor::Cursor;

/// Only a network rule allows an address denied by default, in each of its forms. A form changes no
/// verdict, one more rule denies nothing that the others allow, and a literal host is checked as
/// its address.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let address = address(&mut cursor);
    let port = cursor.u16();
    let name = cursor.text().to_ascii_lowercase();
    let rules = rules(&cursor.text());
    let host: Host<&str> = match address {
        _ if cursor.bool() => Host::Domain(&name),
        IpAddr::V4(address) => Host::Ipv4(address),
        IpAddr::V6(address) => Host::Ipv6(address),
    };
    let to = Destination {
        host,
        port,
        origin: Origin::Local,
    };

    let open = Policy::new(Vec::new()).check_address(&to, address);
    assert_eq!(
        open.is_err(),
        is_denied_by_default(address),
        "{address}: {open:?} without rules"
    );
    let policy = Policy::new(rules.clone());
    let verdict = policy.check_address(&to, address);
    let by_network = rules
        .iter()
        .any(|rule| matches!(rule, Rule::Network(network) if covers(network, address)));
    if by_network {
        assert_eq!(verdict, Ok(()));
    } else if is_denied_by_default(address) {
        assert!(
            matches!(verdict, Err(PolicyRefusal::DeniedByDefault(_))),
            "{verdict:?}"
        );
    } else if !rules.is_empty() && rules.iter().all(|rule| matches!(rule, Rule::Network(_))) {
        assert!(
            matches!(verdict, Err(PolicyRefusal::NotAllowed(_))),
            "{verdict:?}"
        );
    }
    if let IpAddr::V4(plain) = address {
        let mapped = IpAddr::V6(plain.to_ipv6_mapped());
        assert_eq!(policy.check_address(&to, mapped), verdict);
    }
    if !matches!(to.host, Host::Domain(_)) {
        assert_eq!(policy.check_host(&to), verdict, "as in the URL");
    } else if verdict.is_ok() {
        // What an address may make callable is not refused by its name.
        assert_eq!(policy.check_host(&to), Ok(()));
    }

    let mut more = rules.clone();
    more.extend(self::rules("*.example.com:443 10.0.0.0/8 [::1]:1"));
    if verdict.is_ok() && !rules.is_empty() {
        assert_eq!(Policy::new(more).check_address(&to, address), Ok(()));
    }
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let own = self::rules(&format!("{address}/{bits}"));
    assert_eq!(Policy::new(own).check_address(&to, address), Ok(()));
    // Over TCP, no more is allowed.
    let over_tcp = Destination {
        origin: Origin::Network,
        ..to.clone()
    };
    if let Ok(()) = policy.check_address(&over_tcp, address) {
        assert_eq!(verdict, Ok(()));
    } else if verdict.is_ok() {
        assert!(!by_network && is_own_host(address));
    }
    if let Err(refused) = verdict {
        assert!(!refused.to_string().contains('\n') || name.contains('\n'));
    }
}

/// Those words that are rules; the others are refused in one line.
fn rules(text: &str) -> Vec<Rule> {
    let parsed = text.split_ascii_whitespace().map(str::parse::<Rule>);
    parsed
        .filter_map(|rule| match rule {
            Ok(rule) => Some(rule),
            Err(error) => {
                assert!(!error.to_string().contains('\n'));
                None
            }
        })
        .collect()
}

/// Any address; more often than by chance, one in a denied network.
fn address(cursor: &mut Cursor<'_>) -> IpAddr {
    const SPECIAL: [[u8; 4]; 6] = [
        [169, 254, 169, 254],
        [100, 100, 100, 200],
        [168, 63, 129, 16],
        [192, 0, 0, 192],
        [127, 0, 0, 1],
        [10, 0, 0, 1],
    ];
    let four = match cursor.u8(..12) {
        special @ ..6 => SPECIAL[usize::from(special)],
        _ => cursor.u32().to_be_bytes(),
    };
    let [a, b, c, d] = four;
    let mut six = [0; 16];
    for part in &mut six {
        *part = cursor.byte();
    }
    match cursor.u8(..9) {
        0..3 => return Ipv4Addr::from(four).into(),
        3 => six = Ipv4Addr::from(four).to_ipv6_mapped().octets(),
        4 => six = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d],
        5 => six[..6].copy_from_slice(&[0x20, 0x02, a, b, c, d]),
        6 => six = [0, 0x64, 0xff, 0x9b, 0, 1, a, b, 0, c, d, 0, 0, 0, 0, 0],
        7 => [six[0], six[1]] = [0xfe, 0x80 | (six[1] & 0x3f)],
        _ => {}
    }
    Ipv6Addr::from(six).into()
}

/// The same as the policy's, told the long way: from the text of addresses, and bit by bit.
fn is_denied_by_default(address: IpAddr) -> bool {
    let four = |address: Ipv4Addr| {
        let text = address.to_string();
        text.starts_with("169.254.")
            || ["100.100.100.200", "168.63.129.16", "192.0.0.192"].contains(&text.as_str())
    };
    match address {
        IpAddr::V4(address) => four(address),
        IpAddr::V6(address) => {
            let o = address.octets();
            let at = |positions: [usize; 4]| four(Ipv4Addr::from(positions.map(|at| o[at])));
            let starts = |text: &str| hex(&o).starts_with(text);
            (starts("00000000000000000000")
                && at([12, 13, 14, 15])
                && ["0000", "ffff"].contains(&&hex(&o)[20..24]))
                || (starts("0000000000000000ffff0000") && at([12, 13, 14, 15]))
                || (starts("0064ff9b0000000000000000") && at([12, 13, 14, 15]))
                || (starts("0064ff9b0001")
                    && (at([6, 7, 9, 10])
                        || at([7, 9, 10, 11])
                        || at([9, 10, 11, 12])
                        || at([12, 13, 14, 15])))
                || (starts("2002") && at([2, 3, 4, 5]))
                || (starts("20010000")
                    && (at([4, 5, 6, 7])
                        || four(Ipv4Addr::from([12, 13, 14, 15].map(|at| !o[at])))))
                || (["00005efe", "02005efe"].contains(&&hex(&o)[16..24]) && at([12, 13, 14, 15]))
                || starts("fd000ec2")
                || (o[0] == 0xfe && o[1] >> 6 == 2)
                || [
                    "fd2000ce000000000000000000000254",
                    "fd0000c10000000000000000a9fea9fe",
                    "fd00a9fea9fe00000000000000000001",
                    "fd000042000000000000000000000042",
                    "fd000100000000000000000001000200",
                ]
                .contains(&hex(&o).as_str())
        }
    }
}

/// Whether the address may be one of the wrapper's own host: each of its forms holds these bytes.
fn is_own_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => [0, 127].contains(&address.octets()[0]),
        IpAddr::V6(address) => {
            let octets = address.octets();
            address.is_loopback()
                || octets
                    .iter()
                    .any(|octet| [0, 127, 128, 255].contains(octet))
        }
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Whether a network covers an address, or the IPv4 address that it stands for.
fn covers(network: &Network, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let behind = match address {
        IpAddr::V6(address) if hex(&address.octets()).starts_with("0064ff9b0000000000000000") => {
            let [.., a, b, c, d] = address.octets();
            Some(IpAddr::from([a, b, c, d]))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    };
    network.contains(address) || behind.is_some_and(|behind| network.contains(behind))
}
