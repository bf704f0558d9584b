//! Many wrappers at once.

use super::{FAILS, SUCCEEDS, call};
use crate::support::{self, DEADLINE, Wrapper, setup};
use std::time::Instant;

/// Of the size: a fleet of runner managers.
const WRAPPERS: usize = 100;

fn addresses(wrappers: &[Wrapper]) -> Vec<String> {
    wrappers
        .iter()
        .flat_map(|wrapper| ["--address".to_owned(), wrapper.address()])
        .collect()
}

fn call_all(arguments: &[&str], wrappers: &[Wrapper]) -> super::Said {
    let addresses = addresses(wrappers);
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    call(&[arguments, &addresses].concat())
}

#[test]
fn a_hundred_wrappers_drain_together_despite_a_dead_one() {
    let mut wrappers: Vec<Wrapper> = (0..WRAPPERS)
        .map(|_| setup(&["--log-level=warn"], &["sh", "-c", SUCCEEDS]).start())
        .collect();
    for wrapper in &wrappers {
        wrapper.stdout.wait_for("ready");
    }
    let said = call_all(&["status", "--output=json"], &wrappers);
    assert_eq!(said.code, 0, "{said:?}");
    let states = |json: &serde_json::Value, state: &str| {
        let all = json["wrappers"].as_array().unwrap();
        assert_eq!(all.len(), WRAPPERS);
        all.iter()
            .filter(|one| one["process"]["state"] == state)
            .count()
    };
    assert_eq!(states(&said.json(), "running"), WRAPPERS);

    // The same way as the kernel would end it for want of memory: no chance to say anything.
    let dead = wrappers.swap_remove(7);
    wrappers.push(dead);
    let last = wrappers.last_mut().unwrap();
    let orphan = children(last);
    last.process.kill().unwrap();
    last.process.wait().unwrap();
    for pid in orphan {
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }

    let began = Instant::now();
    let said = call_all(
        &[
            "shutdown",
            "--wait",
            "--connect-timeout=3s",
            "--timeout=30s",
            "--output=json",
        ],
        &wrappers,
    );
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    assert_eq!(said.code, 4, "{said:?}");
    let json = said.json();
    assert_eq!(states(&json, "gone"), WRAPPERS - 1);
    // The rows stand in the order of the addresses.
    assert_eq!(json["wrappers"][WRAPPERS - 1]["outcome"], "unreachable");

    let said = call_all(&["status", "--connect-timeout=3s"], &wrappers);
    let expected = format!("{WRAPPERS} wrappers: {} gone, 1 unreachable", WRAPPERS - 1);
    assert_eq!(said.stdout.lines().last(), Some(expected.as_str()));
    assert_eq!(said.stdout.lines().count(), WRAPPERS + 2, "{said:?}");
}

fn children(wrapper: &Wrapper) -> Vec<nix::unistd::Pid> {
    let file = format!("/proc/{0}/task/{0}/children", wrapper.pid());
    let text = std::fs::read_to_string(file).unwrap();
    let pids = text.split_whitespace().map(|pid| pid.parse().unwrap());
    pids.map(nix::unistd::Pid::from_raw).collect()
}

#[test]
fn of_several_outcomes_the_worst_is_the_exit_code() {
    let fails = support::start_ready(&[], FAILS);
    let succeeds = support::start_ready(&[], SUCCEEDS);
    let stays = support::start_ready(&[], super::STAYS);
    let (fails, succeeds, stays) = (fails.address(), succeeds.address(), stays.address());
    let shutdown = |addresses: &[&str]| {
        let mut arguments = vec!["shutdown", "--wait", "--timeout=4s", "--connect-timeout=2s"];
        for address in addresses {
            arguments.extend(["--address", address]);
        }
        call(&arguments)
    };
    let said = shutdown(&[&succeeds, &fails]);
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.stdout.contains("(1 of them failed)"), "{said:?}");
    assert_eq!(shutdown(&[&fails, &stays, &succeeds]).code, 3);
    assert_eq!(
        shutdown(&[&succeeds, "unix:/no/such/socket", &fails]).code,
        4
    );
    let table = shutdown(&[&succeeds, "unix:/no/such/socket"]);
    assert_eq!(table.stderr, "", "errors stand in the table");
    assert!(table.stdout.starts_with("ADDRESS "), "{table:?}");
}
