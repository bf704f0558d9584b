//! Options with and without conflicts.

use super::*;

const OWN: OwnIds = OwnIds { uid: 999, gid: 998 };

fn listens(texts: &[&str]) -> Vec<Listen> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn socket() -> Vec<Listen> {
    listens(&["unix:/a"])
}

fn allowing(uids: &[u32], gids: &[u32], mode: u32) -> AccessOptions {
    AccessOptions {
        socket_mode: Some(SocketMode(mode)),
        allowed: Callers {
            uids: uids.to_vec(),
            gids: gids.to_vec(),
        },
        ..AccessOptions::default()
    }
}

#[test]
fn an_id_that_the_socket_mode_denies_is_a_conflict() {
    for (uids, gids, mode, group, fits) in [
        (&[1000][..], &[][..], 0o600, None, false),
        (&[1000], &[], 0o620, None, true),
        (&[1000], &[], 0o666, None, true),
        (&[1000], &[], 0o644, None, false),
        (&[999], &[], 0o600, None, true),
        (&[0], &[], 0o600, None, true),
        (&[], &[50], 0o600, None, false),
        (&[], &[50], 0o660, Some(50), true),
        (&[], &[50], 0o660, None, true),
        (&[], &[50], 0o606, Some(50), false),
        (&[], &[998], 0o606, None, false),
        (&[], &[50], 0o606, None, true),
    ] {
        let checked = allowing(uids, gids, mode).check(&socket(), OWN, group);
        assert_eq!(
            checked.is_ok(),
            fits,
            "{uids:?} {gids:?} {mode:o}: {checked:?}"
        );
        if let Err(error) = checked {
            assert!(
                matches!(error, OptionConflict::SocketUnreachable { .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn root_is_admitted_unless_it_is_denied() {
    let deny_root = || AccessOptions {
        deny_root: true,
        ..AccessOptions::default()
    };
    assert!(AccessOptions::default().callers(OWN).admit(0, 0));
    assert!(!deny_root().callers(OWN).admit(0, 998));
    assert!(deny_root().callers(OWN).admit(999, 998));
    assert_eq!(deny_root().check(&socket(), OWN, None), Ok(()));
    let as_root = OwnIds { uid: 0, gid: 0 };
    let also_allowed = AccessOptions {
        deny_root: true,
        ..allowing(&[0], &[], 0o600)
    };
    let group_allowed = AccessOptions {
        deny_root: true,
        ..allowing(&[], &[0], 0o600)
    };
    for (options, own) in [
        (deny_root(), as_root),
        (also_allowed, OWN),
        (group_allowed, OWN),
    ] {
        let error = options.check(&socket(), own, None).unwrap_err();
        assert!(matches!(error, OptionConflict::RootAllowed(_)), "{error}");
    }
}

#[test]
fn the_unmapped_user_is_never_allowed() {
    let unmapped = |uids: &[u32], gids: &[u32]| allowing(uids, gids, 0o666);
    for options in [unmapped(&[UNMAPPED], &[]), unmapped(&[], &[UNMAPPED])] {
        let error = options.check(&socket(), OWN, None).unwrap_err();
        assert!(matches!(error, OptionConflict::Unmapped(_)), "{error}");
    }
    let own = OwnIds {
        uid: UNMAPPED,
        gid: 1,
    };
    let checked = AccessOptions::default().check(&socket(), own, None);
    assert_eq!(checked, Err(OptionConflict::OwnUserUnmapped));
    assert_eq!(
        allowing(&[0], &[], 0o600).check(&socket(), own, None),
        Ok(())
    );
    let tcp = listens(&["tcp://localhost:0"]);
    assert_eq!(AccessOptions::default().check(&tcp, own, None), Ok(()));
}

#[test]
fn options_for_sockets_require_one() {
    let tcp = listens(&["tcp://localhost:0"]);
    let group = AccessOptions {
        socket_group: Some(Group::Number(1)),
        ..AccessOptions::default()
    };
    let deny_root = AccessOptions {
        deny_root: true,
        ..AccessOptions::default()
    };
    for options in [allowing(&[], &[], 0o666), group, deny_root] {
        let error = options.check(&tcp, OWN, None).unwrap_err();
        assert!(matches!(error, OptionConflict::NoSocket(_)), "{error}");
        assert_eq!(options.check(&socket(), OWN, None), Ok(()));
    }
}

fn token(tcp_only: bool) -> AccessOptions {
    AccessOptions {
        token_file: Some("t".into()),
        token_tcp_only: tcp_only,
        ..AccessOptions::default()
    }
}

#[test]
fn a_token_file_requires_a_listener_with_tokens() {
    for (texts, tcp_only, fits) in [
        (&["unix:/a"][..], false, true),
        (&["unix:/a"], true, false),
        (&["unix:/a", "read=tcp://localhost:0"], true, true),
        (&["unix:/a", "health=tcp://localhost:0"], true, false),
        (&["health=unix:/a"], false, false),
    ] {
        let checked = token(tcp_only).check(&listens(texts), OWN, None);
        assert_eq!(checked.is_ok(), fits, "{texts:?} {tcp_only}");
    }
    let needed = |text: &str| token(true).needs_token(&text.parse().unwrap());
    assert!(needed("tcp://[::1]:0") && !needed("unix:/a") && !needed("health=tcp://[::1]:0"));
    assert!(token(false).needs_token(&"read=unix:/a".parse().unwrap()));
}

#[test]
fn tls_applies_to_tcp_and_never_to_health() {
    let options = AccessOptions {
        tls: TlsOptions {
            certificate: Some("c".into()),
            key: Some("k".into()),
            ..TlsOptions::default()
        },
        ..AccessOptions::default()
    };
    for (text, fits) in [
        ("tcp://localhost:0", true),
        ("read=tcp://localhost:0", true),
        ("health=tcp://localhost:0", false),
        ("unix:/a", false),
    ] {
        assert_eq!(options.needs_tls(&text.parse().unwrap()), fits, "{text}");
        let checked = options.check(&listens(&[text]), OWN, None);
        assert_eq!(checked.is_ok(), fits, "{text}");
    }
}

#[test]
fn an_id_that_the_directory_denies_is_a_conflict() {
    for (uids, gids, mode, fits) in [
        (&[1000][..], &[][..], 0o700, false),
        (&[], &[1000], 0o700, false),
        (&[0, 999], &[], 0o700, true),
        (&[1000], &[], 0o710, true),
        (&[1000], &[], 0o755, true),
    ] {
        let options = allowing(uids, gids, 0o666);
        let checked = options.check_directory(Path::new("/run/x"), mode, OWN);
        assert_eq!(checked.is_ok(), fits, "{uids:?} {gids:?} {mode:o}");
    }
}

#[test]
fn modes_are_octal() {
    for (text, mode) in [("600", 0o600), ("0660", 0o660), ("777", 0o777), ("0", 0)] {
        assert_eq!(text.parse(), Ok(SocketMode(mode)));
    }
    for text in ["", "0o600", "+600", "-1", "1777", "888", "rw"] {
        assert!(text.parse::<SocketMode>().is_err(), "{text}");
    }
}

#[test]
fn an_option_that_requires_another_names_it() {
    let alone = |change: fn(&mut AccessOptions)| {
        let mut options = AccessOptions::default();
        change(&mut options);
        let listens = listens(&["tcp://localhost:0"]);
        options.check(&listens, OWN, None).unwrap_err().to_string()
    };
    for (said, needs) in [
        (alone(|o| o.token_tcp_only = true), "--token-file"),
        (alone(|o| o.tls.certificate = Some("c".into())), "--tls-key"),
        (alone(|o| o.tls.key = Some("k".into())), "--tls-cert"),
        (alone(|o| o.tls.client_ca = Some("a".into())), "--tls-cert"),
        (
            alone(|o| o.tls.min_version = Some(TlsVersion::V1_2)),
            "--tls-cert",
        ),
        (
            alone(|o| o.tls.allow_sans.push("a".parse().unwrap())),
            "--tls-client-ca",
        ),
    ] {
        assert!(
            said.contains(&format!("without {needs}; add {needs}, or")),
            "{said}"
        );
    }
}
