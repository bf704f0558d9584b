//! Health listeners, which every peer may use: no peer can keep a probe out.

use process_wrapper::address::Address;

use crate::call::{HEALTH, Outcome, probe};
use crate::roles::watch;
use crate::support::{DRAINS, start_ready};

#[test]
fn watchers_on_every_connection_do_not_keep_a_probe_out() {
    let options = ["--listen=health=tcp://127.0.0.1:0", "--max-connections=50"];
    let wrapper = start_ready(&options, DRAINS);
    let line = wrapper.stderr.wait_for("role=health address=tcp");
    let health = line.split("address=").nth(1).unwrap().trim();
    let address: Address = health.parse().unwrap();
    let mut watchers = Vec::new();
    for _ in 0..50 {
        watchers.push(smol::block_on(watch(&address)).expect("a place is free"));
    }
    // A kubelet's probe is a new connection each time.
    for _ in 0..5 {
        let admitted = Outcome::Admitted;
        assert_eq!(probe(health, HEALTH, admitted), admitted);
    }
    wrapper.stderr.wait_for("the listener is full");
    // As many watchers again are served: they cost others of the same peer their places.
    for _ in 0..50 {
        watchers.push(smol::block_on(watch(&address)).expect("an older one makes way"));
    }
    let lines = wrapper
        .stderr
        .text()
        .matches("the listener is full")
        .count();
    assert_eq!(lines, 1);
}
