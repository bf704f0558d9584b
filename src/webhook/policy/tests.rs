//! Allowed and denied destinations, and the many spellings of a denied address.

use super::*;

fn policy(rules: &[&str]) -> Policy {
    Policy::new(rules.iter().map(|rule| rule.parse().unwrap()).collect())
}

/// Checks the host of a URL as registration does.
fn check(policy: &Policy, url: &str) -> Result<(), PolicyRefusal> {
    check_from(Origin::Local, policy, url)
}

fn check_from(origin: Origin, policy: &Policy, url: &str) -> Result<(), PolicyRefusal> {
    let url = url::Url::parse(url).unwrap();
    let port = url.port_or_known_default().unwrap_or_default();
    policy.check_host(&to(origin, url.host().unwrap(), port))
}

fn to(origin: Origin, host: Host<&str>, port: u16) -> Destination<'_> {
    Destination { host, port, origin }
}

fn named(host: &str, port: u16) -> Destination<'_> {
    to(Origin::Local, Host::Domain(host), port)
}

const METADATA: &[&str] = &[
    "http://169.254.169.254/",
    "http://169.254.0.1/",
    "http://169.254.255.255/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://[fe80::1]/",
    "http://[febf:ffff::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd00:ec2::23]/",
    "http://[fd00:c1::a9fe:a9fe]/",
    "http://[fd00:a9fe:a9fe::1]/",
    "http://[fd00:42::42]/",
    "http://[fd00:100::100:200]/",
    "http://[fd20:ce::254]/",
    // The same address as one number, hexadecimal, octal, two parts.
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.16689662/",
    "http://169。254。169。254/",
    // v4-mapped, v4-compatible, translated.
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::169.254.169.254]/",
    "http://[::ffff:0:169.254.169.254]/",
    // NAT64 by the well-known prefix.
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b::a83f:8110]/",
    "http://[64:ff9b::6464:64c8]/",
    // NAT64 inside one network, its prefix 48, 56, 64 and 96 bits long.
    "http://[64:ff9b:1:a9fe:a9:fe00::]/",
    "http://[64:ff9b:1:a9:fe:a9fe::]/",
    "http://[64:ff9b:1:0:a9:fea9:fe00:0]/",
    "http://[64:ff9b:1::169.254.169.254]/",
    // 6to4.
    "http://[2002:a9fe:a9fe::1]/",
    // Teredo, as the server and as the client.
    "http://[2001:0:a9fe:a9fe::]/",
    "http://[2001::5601:5601]/",
    // ISATAP, with the universal bit and without.
    "http://[2001:db8::5efe:a9fe:a9fe]/",
    "http://[2001:db8::200:5efe:169.254.169.254]/",
];

#[test]
fn metadata_and_link_local_addresses_are_refused_in_every_spelling() {
    for url in METADATA {
        let refused = check(&Policy::default(), url);
        assert!(
            matches!(refused, Err(PolicyRefusal::DeniedByDefault(_))),
            "{url}: {refused:?}"
        );
    }
}

#[test]
fn a_host_rule_does_not_allow_an_address_denied_by_default() {
    let by_name = policy(&["169.254.169.254", "[fe80::1]:80", "metadata.example"]);
    for url in ["http://169.254.169.254/", "http://[fe80::1]/"] {
        assert!(
            matches!(check(&by_name, url), Err(PolicyRefusal::DeniedByDefault(_))),
            "{url}"
        );
    }
    let address = "169.254.169.254".parse().unwrap();
    assert!(
        by_name
            .check_address(&named("metadata.example", 80), address)
            .is_err()
    );
}

#[test]
fn a_network_rule_allows_an_address_denied_by_default_in_every_form() {
    let open = policy(&["169.254.0.0/16", "fe80::/10"]);
    for url in [
        "http://169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://[fe80::1]/",
    ] {
        assert_eq!(check(&open, url), Ok(()), "{url}");
    }
    assert!(check(&open, "http://100.100.100.200/").is_err());
}

#[test]
fn an_address_that_embeds_an_allowed_one_stays_denied() {
    // A router may send these forms elsewhere, so they count for denying only.
    let open = policy(&["169.254.0.0/16"]);
    for url in ["http://[2002:a9fe:a9fe::1]/", "http://[::169.254.169.254]/"] {
        assert!(check(&open, url).is_err(), "{url}");
    }
}

#[test]
fn without_rules_all_other_addresses_are_allowed() {
    for url in [
        "http://127.0.0.1/",
        "http://10.1.2.3:8080/",
        "https://[::1]/",
        "http://169.253.1.1/",
        "http://169.255.1.1/",
        "http://[fec0::1]/",
        "https://hooks.example.com/",
    ] {
        assert_eq!(check(&Policy::default(), url), Ok(()), "{url}");
    }
}

#[test]
fn a_host_rule_allows_its_host_and_port_only() {
    let rules = policy(&["hooks.example.com:8443", "192.0.2.7"]);
    for (url, allowed) in [
        ("https://hooks.example.com:8443/", true),
        ("https://HOOKS.example.com:8443/", true),
        ("https://hooks.example.com.:8443/", true),
        ("https://hooks.example.com/", false),
        ("https://evil.hooks.example.com:8443/", false),
        ("https://hooks.example.com.evil.test:8443/", false),
        ("http://192.0.2.7:99/", true),
        ("http://192.0.2.8/", false),
        ("http://0xc0000207/", true),
    ] {
        assert_eq!(check(&rules, url).is_ok(), allowed, "{url}");
    }
    // A host rule allows any address that is not denied by default.
    let host = "hooks.example.com";
    let address = "10.0.0.1".parse().unwrap();
    assert_eq!(rules.check_address(&named(host, 8443), address), Ok(()));
    assert!(rules.check_address(&named(host, 443), address).is_err());
}

#[test]
fn a_suffix_rule_allows_subdomains_and_not_the_name_itself() {
    let rules = policy(&["*.example.com"]);
    for (url, allowed) in [
        ("https://a.example.com/", true),
        ("https://a.b.example.com/", true),
        ("https://a.example.com./", true),
        ("https://example.com/", false),
        ("https://aexample.com/", false),
        ("https://a.example.com.evil.test/", false),
    ] {
        assert_eq!(check(&rules, url).is_ok(), allowed, "{url}");
    }
}

#[test]
fn a_network_rule_accepts_a_name_until_its_address_is_known() {
    let rules = policy(&["10.0.0.0/8"]);
    assert_eq!(check(&rules, "http://any.example/"), Ok(()));
    let host = "any.example";
    for (address, allowed) in [
        ("10.255.0.1", true),
        ("::ffff:10.0.0.1", true),
        ("11.0.0.1", false),
        ("127.0.0.1", false),
        ("::1", false),
    ] {
        let judged = rules.check_address(&named(host, 80), address.parse().unwrap());
        assert_eq!(judged.is_ok(), allowed, "{address}");
    }
}

#[test]
fn a_network_covers_exactly_its_prefix() {
    for (rule, inside, outside) in [
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
        ("192.0.2.1/32", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"),
        ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"),
    ] {
        let rules = policy(&[rule]);
        let host = "x";
        assert!(
            rules
                .check_address(&named(host, 80), inside.parse().unwrap())
                .is_ok(),
            "{rule} {inside}"
        );
        assert!(
            rules
                .check_address(&named(host, 80), outside.parse().unwrap())
                .is_err(),
            "{rule} {outside}"
        );
    }
    let all = policy(&["0.0.0.0/0", "::/0"]);
    for address in ["169.254.169.254", "fe80::1", "8.8.8.8"] {
        assert!(
            all.check_address(&named("x", 80), address.parse().unwrap())
                .is_ok()
        );
    }
}

#[test]
fn an_invalid_rule_is_refused_with_examples() {
    for text in [
        "",
        "*",
        "*.",
        "*.*.example.com",
        "hooks.*",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "/8",
        "host:0x50",
        "host:99999",
        "a b",
        "https://example.com",
        "example.com/24",
        "*.10.0.0.1",
    ] {
        let parsed = text.parse::<Rule>();
        assert!(parsed.is_err(), "{text:?}: {parsed:?}");
        assert!(parsed.unwrap_err().to_string().contains("10.0.0.0/8"));
    }
}

#[test]
fn a_request_over_tcp_may_not_reach_the_wrappers_own_host() {
    let own = [
        "http://127.0.0.1:2375/",
        "http://127.255.0.9/",
        "http://0.0.0.0/",
        "http://0/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[2002:7f00:1::]/",
    ];
    for url in own {
        let check = |origin| check_from(origin, &Policy::default(), url);
        assert_eq!(check(Origin::Local), Ok(()), "{url}");
        let refused = check(Origin::Network);
        assert!(matches!(refused, Err(PolicyRefusal::OwnHost(_))), "{url}");
    }
    // These names always mean loopback.
    for name in ["localhost", "LOCALHOST.", "a.localhost"] {
        let url = format!("http://{name}/");
        let refused = check_from(Origin::Network, &Policy::default(), &url);
        assert!(matches!(refused, Err(PolicyRefusal::OwnHost(_))), "{url}");
        assert_eq!(check(&Policy::default(), &url), Ok(()));
        for network in ["127.0.0.0/8", "::1/128"] {
            let allowed = check_from(Origin::Network, &policy(&[network]), &url);
            assert_eq!(allowed, Ok(()), "{url}");
        }
    }
    // Another name passes until its address is known.
    let any = to(Origin::Network, Host::Domain("any.example"), 80);
    assert_eq!(Policy::default().check_host(&any), Ok(()));
    let address = "127.0.0.1".parse().unwrap();
    assert!(Policy::default().check_address(&any, address).is_err());
    let other = check_from(Origin::Network, &Policy::default(), "http://10.0.0.1/");
    assert_eq!(other, Ok(()));
}

#[test]
fn a_rule_opens_the_wrappers_own_host_to_requests_over_tcp() {
    let address = "127.0.0.1".parse().unwrap();
    for (rule, host, allowed) in [
        ("127.0.0.0/8", "any.example", true),
        ("localhost:80", "localhost", true),
        ("localhost:81", "localhost", false),
        ("*.example.com", "a.example.com", false),
        ("a.example.com", "a.example.com", true),
    ] {
        let rules = policy(&[rule]);
        let verdict = rules.check_address(&to(Origin::Network, Host::Domain(host), 80), address);
        assert_eq!(verdict.is_ok(), allowed, "{rule} {host}");
    }
}

#[test]
fn errors_are_explained_over_tcp_only_under_a_rule() {
    use Reached::{AllowedAddress, DeniedAddress, Lookup};
    let over_tcp = to(Origin::Network, Host::Domain("x"), 80);
    for (rules, explained) in [
        (&[][..], &[][..]),
        (&["x"], &[Lookup, AllowedAddress]),
        // The name is not allowed as such: its lookup is none of the caller's business.
        (&["10.0.0.0/8"], &[AllowedAddress]),
        (&["y", "10.0.0.0/8"], &[AllowedAddress]),
    ] {
        let policy = policy(rules);
        for reached in [Lookup, DeniedAddress, AllowedAddress] {
            let expected = explained.contains(&reached);
            assert_eq!(
                policy.may_explain(&over_tcp, reached),
                expected,
                "{rules:?} {reached:?}"
            );
            assert!(policy.may_explain(&named("x", 80), reached));
        }
    }
}
