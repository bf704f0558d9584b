//! Who may call: options, callers, places, ports, and how often something is said.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use process_wrapper::access::refusals::{LONGEST_DELAY, MAX_PEERS, Refusals};
use process_wrapper::access::throttle::Throttle;
use process_wrapper::access::{
    AccessOptions, Callers, Exposure, Listen, OwnIds, PeerGroup, Protection, Role, SocketMode,
    TlsOptions, TlsVersion, UNMAPPED, exposure, gid_of, path_risk,
};
use process_wrapper::address::Address;

use super::cursor::Cursor;

const ROLES: [Role; 3] = [Role::Health, Role::Read, Role::Control];

/// Accepted options are consistent: each allowed caller is admitted, and each guard has an effect.
/// A user outside the user namespace's map is never admitted, and a burst never passes a throttle
/// twice.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    options(&mut cursor);
    ports(&mut cursor);
    throttle(&mut cursor);
    let (owner, mode, own) = (
        id(&mut cursor),
        u32::from(cursor.u16() & 0o7777),
        id(&mut cursor),
    );
    if path_risk(owner, mode, own).is_none() {
        assert!([own, 0, UNMAPPED].contains(&owner));
        assert!(mode & 0o002 == 0 || mode & 0o1000 != 0);
    }
    let name = cursor.text();
    let file = cursor.text();
    if let Some(gid) = gid_of(&name, &file) {
        let line =
            |line: &str| line.starts_with(&format!("{name}:")) && line.contains(&gid.to_string());
        assert!(
            file.lines().any(line) || file.contains('+'),
            "{gid} of {name:?}"
        );
    }
    let text = cursor.text();
    if text.parse::<TlsVersion>().is_ok() {
        assert!(["1.2", "1.3"].contains(&&*text));
    }
    refusals(&mut cursor);
}

/// Few numbers, so that they meet.
fn id(cursor: &mut Cursor<'_>) -> u32 {
    [0, 1, 1000, UNMAPPED][usize::from(cursor.u8(..4))]
}

fn options(cursor: &mut Cursor<'_>) {
    let mut ids = || -> Vec<u32> { (0..cursor.u8(..3)).map(|_| id(cursor)).collect() };
    let allowed = Callers {
        uids: ids(),
        gids: ids(),
    };
    let mut file = || cursor.bool().then(|| "file".into());
    let mut options = AccessOptions {
        token_file: file(),
        tls: TlsOptions {
            certificate: file(),
            key: file(),
            client_ca: file(),
            allow_sans: if cursor.bool() {
                vec!["a".parse().unwrap()]
            } else {
                Vec::new()
            },
            min_version: cursor.bool().then_some(TlsVersion::V1_2),
        },
        socket_mode: cursor
            .bool()
            .then(|| SocketMode(u32::from(cursor.u16() & 0o777))),
        socket_group: None,
        allowed,
        deny_root: false,
        token_tcp_only: cursor.bool(),
        insecure: false,
    };
    let addresses = ["unix:/s", "tcp://127.0.0.1:1"].map(|text| text.parse::<Address>().unwrap());
    let listens: Vec<Listen> = (0..cursor.u8(..3))
        .map(|_| Listen {
            role: ROLES[usize::from(cursor.u8(..3))],
            address: addresses[usize::from(cursor.u8(..2))].clone(),
        })
        .collect();
    let own = OwnIds {
        uid: id(cursor),
        gid: id(cursor),
    };
    let group = cursor.bool().then(|| id(cursor));
    let (uid, gid) = (id(cursor), id(cursor));
    let directory = u32::from(cursor.u16() & 0o777);
    // The last byte, so that older inputs keep their meaning.
    options.deny_root = cursor.bool();
    let callers = options.callers(own);
    let admitted = callers.admit(uid, gid);
    assert!(!admitted || uid != UNMAPPED);
    assert_eq!(
        admitted,
        uid != UNMAPPED
            && (uid == own.uid
                || uid == 0 && !options.deny_root
                || options.allowed.uids.contains(&uid)
                || gid != UNMAPPED && options.allowed.gids.contains(&gid))
    );
    let entered = options.check_directory(Path::new("/d"), directory, own);
    assert!(entered.is_ok() || directory & 0o011 == 0);
    match options.check(&listens, own, group) {
        Ok(()) => {
            let tls = &options.tls;
            assert_eq!(tls.certificate.is_some(), tls.key.is_some());
            assert_eq!(
                options.token_file.is_some(),
                listens.iter().any(|listen| options.needs_token(listen))
            );
            assert_eq!(
                tls.certificate.is_some(),
                listens.iter().any(|listen| options.needs_tls(listen))
            );
            let allowed = options.allowed.uids.iter().chain(&options.allowed.gids);
            assert!(allowed.clone().all(|id| *id != UNMAPPED));
            let others = options
                .allowed
                .uids
                .iter()
                .any(|id| ![0, own.uid].contains(id));
            assert!(!others || options.mode().0 & 0o022 != 0, "they can open it");
            assert!(!options.deny_root || !callers.admit(0, UNMAPPED));
        }
        Err(contradiction) => assert!(!contradiction.to_string().contains('\n')),
    }
}

fn ports(cursor: &mut Cursor<'_>) {
    let ip: IpAddr = match cursor.u8(..4) {
        0 => [127, 0, 0, cursor.byte()].into(),
        1 => cursor.u32().to_be_bytes().into(),
        2 => [0, 0, 0, 0, 0, 0xffff, cursor.u16(), cursor.u16()].into(),
        _ => [0, 0, 0, 0, 0, 0, 0, cursor.u16()].into(),
    };
    let role = ROLES[usize::from(cursor.u8(..3))];
    let protection = Protection {
        tls: cursor.bool(),
        client_certificates: cursor.bool(),
        token: cursor.bool(),
    };
    let judged = exposure(ip, role, protection);
    for wanted in ROLES {
        assert_eq!(role.permits(wanted), role >= wanted);
    }
    let all = Protection {
        tls: true,
        client_certificates: true,
        token: true,
    };
    assert_eq!(exposure(ip, role, all), Exposure::Guarded);
    if judged == Exposure::Guarded && role > Role::Health {
        assert!(protection.token || protection.tls && protection.client_certificates);
        assert!(protection.tls || ip.to_canonical().is_loopback());
    }
    if let Exposure::Network(lack) = judged {
        assert!(!ip.to_canonical().is_loopback() && !lack.to_string().is_empty());
    }
}

/// A delay is bounded, and that of a peer never falls while it goes on. The table is bounded.
fn refusals(cursor: &mut Cursor<'_>) {
    let mut refusals = Refusals::new();
    let start = Instant::now();
    let mut now = start;
    let mut last = Duration::ZERO;
    for _ in 0..cursor.u8(..64) {
        let other = PeerGroup::from(IpAddr::from(cursor.u32().to_be_bytes()));
        for _ in 0..cursor.u8(..8) {
            assert!(refusals.record(other, now).delay <= LONGEST_DELAY);
        }
        now += Duration::from_millis(cursor.u64(..300));
        let penalty = refusals.record(PeerGroup::User(0), now);
        assert!(penalty.delay <= LONGEST_DELAY);
        if penalty.delay > Duration::from_secs(1) {
            assert!(penalty.is_guessing && penalty.delay >= last);
            last = penalty.delay;
        }
        assert!(refusals.peers() <= MAX_PEERS);
    }
}

fn throttle(cursor: &mut Cursor<'_>) {
    let burst = cursor.u8(1..);
    let interval = Duration::from_millis(cursor.u64(1..5000));
    let mut throttle = Throttle::new(burst.into(), interval);
    let start = Instant::now();
    let (mut now, mut passed, mut held) = (start, 0_u32, 0_u64);
    for _ in 0..cursor.u8(..64) {
        now += Duration::from_millis(cursor.u64(..2000));
        if cursor.u8(..4) == 0 {
            let longest = Duration::from_millis(cursor.u64(..1000));
            let wait = throttle.reserve(now, longest);
            assert!(wait <= longest);
            // A delay that was cut short does not count in full.
            passed += u32::from(wait < longest);
            continue;
        }
        let told = throttle.try_acquire(now);
        match told {
            Some(suppressed) => {
                assert_eq!(suppressed, held, "those that were held back are told once");
                held = 0;
                passed += 1;
                let most = u128::from(burst) + (now - start).as_nanos() / interval.as_nanos();
                assert!(u128::from(passed) <= most, "{passed} of {most}");
            }
            None => held += 1,
        }
    }
}
