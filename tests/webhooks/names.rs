//! Names: the policy judges the resolved address at connect time, also if it changes in between.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use process_wrapper::clock::MonotonicClock;
use process_wrapper::pb::process_wrapper::v1::webhook_delivery;
use process_wrapper::webhook::delivery::{Delivery, DeliveryState};
use process_wrapper::webhook::dial::{Resolve, Resolved};
use process_wrapper::webhook::policy::{Origin, Policy};
use process_wrapper::webhook::{Dispatcher, DispatcherSettings};

use crate::attempts::{deliver, gone, run, settings, webhook};
use crate::support::client::Client;
use crate::support::webhook_receiver::{Receiver, ok, status};
use crate::support::{self, peers};
use crate::wrapper::ended;

/// Each lookup takes the next answer; the last one stays.
#[derive(Debug, Clone)]
struct Fickle {
    answers: Arc<Mutex<Vec<Vec<SocketAddr>>>>,
    lookups: Arc<AtomicUsize>,
}

impl Fickle {
    fn new(answers: &[&[SocketAddr]]) -> Self {
        Self {
            answers: Arc::new(Mutex::new(
                answers.iter().rev().map(|a| a.to_vec()).collect(),
            )),
            lookups: Arc::default(),
        }
    }
}

impl Resolve for Fickle {
    fn resolve(&self, host: String, _port: u16) -> Resolved {
        assert_eq!(host, "rebinding.example");
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop().unwrap()
        } else {
            answers[0].clone()
        };
        let empty = io::Error::new(io::ErrorKind::NotFound, "no such name");
        let answer = if answer.is_empty() {
            Err(empty)
        } else {
            Ok(answer)
        };
        Box::pin(std::future::ready(answer))
    }
}

fn deliver_by(resolver: &Fickle, policy: Policy, port: u16) -> Delivery {
    let settings = DispatcherSettings {
        resolver: Box::new(resolver.clone()),
        policy,
        ..settings()
    };
    deliver(settings, &format!("http://rebinding.example:{port}/"))
}

fn metadata(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(169, 254, 169, 254).into(), port)
}

#[test]
fn a_name_that_resolves_to_a_metadata_address_is_denied() {
    let receiver = Receiver::start([status("503 Busy")]);
    let address = receiver.address;
    let resolver = Fickle::new(&[&[address], &[metadata(address.port())]]);
    let delivery = deliver_by(&resolver, Policy::default(), address.port());
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Failed, 2)
    );
    assert!(
        delivery.last_error.contains("169.254.169.254"),
        "{delivery:?}"
    );
    // One lookup for each attempt: the judged address is the connected address.
    assert_eq!(resolver.lookups.load(Ordering::SeqCst), 2);
    assert_eq!(receiver.more().len(), 1);
}

#[test]
fn a_denied_address_is_skipped_for_an_allowed_one() {
    let receiver = Receiver::start([ok()]);
    let address = receiver.address;
    let resolver = Fickle::new(&[&[metadata(address.port()), address]]);
    let delivery = deliver_by(&resolver, Policy::default(), address.port());
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 1)
    );
}

#[test]
fn a_name_outside_the_allowed_networks_fails_for_good() {
    let receiver = Receiver::start([ok()]);
    let resolver = Fickle::new(&[&[receiver.address]]);
    let policy = Policy::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let delivery = deliver_by(&resolver, policy, receiver.address.port());
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Failed, 1)
    );
    let policy = Policy::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let delivery = deliver_by(&resolver, policy, receiver.address.port());
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert_eq!(receiver.more().len(), 1);
}

#[test]
fn a_caller_over_tcp_cannot_resolve_names_through_a_network_rule() {
    let receiver = Receiver::start([status("404 Not Found")]);
    let port = receiver.address.port();
    let denied = SocketAddr::new(Ipv4Addr::new(192, 168, 7, 7).into(), port);
    let over_tcp = |addresses: &[SocketAddr]| {
        let settings = DispatcherSettings {
            resolver: Box::new(Fickle::new(&[addresses])),
            policy: Policy::new(vec!["127.0.0.0/8".parse().unwrap()]),
            deadline: Duration::from_millis(300),
            ..settings()
        };
        let webhooks = Dispatcher::new(settings).unwrap();
        let asked = webhook(&format!("http://rebinding.example:{port}/"));
        let slot = webhooks
            .register(asked.with_origin(Origin::Network))
            .unwrap();
        run(webhooks.deliver(slot, gone(), MonotonicClock));
        webhooks.deliveries().remove(0)
    };
    let (unknown, denied) = (over_tcp(&[]), over_tcp(&[denied]));
    // Neither the address nor whether there is one: both are tried again until the deadline.
    assert_eq!(unknown.last_error, denied.last_error);
    assert!(
        unknown.last_error.contains("the log of the wrapper"),
        "{unknown:?}"
    );
    assert!(
        unknown.attempts > 1 && denied.attempts > 1,
        "{unknown:?} {denied:?}"
    );
    // What the rule allows is explained.
    let allowed = over_tcp(&[receiver.address]);
    assert_eq!(
        (&*allowed.last_error, allowed.attempts),
        ("answered 404", 1)
    );
}

#[test]
fn an_unresolved_name_is_retried() {
    let receiver = Receiver::start([ok()]);
    let resolver = Fickle::new(&[&[], &[receiver.address]]);
    let delivery = deliver_by(&resolver, Policy::default(), receiver.address.port());
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 2)
    );
    assert!(
        delivery.last_error.contains("rebinding.example"),
        "{delivery:?}"
    );
}

/// A panic in our own code.
#[derive(Debug)]
struct Panics;

impl Resolve for Panics {
    fn resolve(&self, host: String, _port: u16) -> Resolved {
        panic!("cannot resolve {host}: this is what the test is about");
    }
}

#[test]
fn a_panicking_delivery_fails_alone() {
    let settings = DispatcherSettings {
        resolver: Box::new(Panics),
        ..settings()
    };
    let delivery = deliver(settings, "http://panics.example/");
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Failed, 1)
    );
    assert_eq!(delivery.last_error, "the delivery panicked");
}

#[test]
fn the_next_address_is_tried_when_one_does_not_answer() {
    let receiver = Receiver::start([ok()]);
    let port = receiver.address.port();
    // RFC 5737 reserves this network: a connection to it is refused or stays silent.
    let unreachable = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), port);
    let resolver = Fickle::new(&[&[unreachable, receiver.address]]);
    let delivery = deliver_by(&resolver, Policy::default(), port);
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 1),
        "{delivery:?}"
    );
}

#[test]
fn localhost_is_never_looked_up() {
    let receiver = Receiver::start([ok()]);
    let webhooks = Dispatcher::new(settings()).unwrap();
    for name in ["localhost", "a.LOCALHOST", "localhost."] {
        let url = format!("http://{name}:{}/", receiver.address.port());
        let slot = webhooks.register(webhook(&url)).unwrap();
        assert!(
            run(webhooks.deliver(slot, gone(), MonotonicClock)),
            "{name}"
        );
    }
}

/// A name server that knows one name: the first question is answered with loopback, later ones with
/// the metadata address.
fn name_server(socket: UdpSocket, questions: Arc<AtomicUsize>) {
    std::thread::spawn(move || {
        let mut packet = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut packet) {
            let question = &packet[12..length];
            let name_end = question.iter().position(|byte| *byte == 0).unwrap() + 1;
            let kind = u16::from_be_bytes([question[name_end], question[name_end + 1]]);
            let address: &[[u8; 4]] = match kind {
                1 if questions.fetch_add(1, Ordering::SeqCst) == 0 => &[[127, 0, 0, 1]],
                1 => &[[169, 254, 169, 254]],
                _ => &[],
            };
            // The same id; a response, recursion available; one question; the answers.
            let mut answer = packet[..2].to_vec();
            answer.extend([
                0x81,
                0x80,
                0,
                1,
                0,
                u8::try_from(address.len()).unwrap(),
                0,
                0,
                0,
                0,
            ]);
            answer.extend(&question[..name_end + 4]);
            for address in address {
                // The name of the question, A, IN, for no time at all.
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                answer.extend(address);
            }
            socket.send_to(&answer, peer).unwrap();
        }
    });
}

#[test]
fn rebinding_by_a_real_name_server_does_not_reach_the_metadata_address() {
    // A name server has port 53, and resolv.conf is bound over in a mount namespace: both are
    // root's. Another run of this test may have the first address.
    let mut candidates = (1..=20).map(|n| UdpSocket::bind((Ipv4Addr::new(127, 53, 53, n), 53)));
    let Some(socket) = candidates.find_map(Result::ok) else {
        return peers::missing("the right to be a name server (root)");
    };
    let address = socket.local_addr().unwrap().ip();
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("resolv.conf");
    let text = format!("nameserver {address}\noptions timeout:5 attempts:1\n");
    std::fs::write(&conf, text).unwrap();
    let mount = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
    let unshare = |command: &mut Command| {
        command.args(["-m", "sh", "-c", mount]).arg(&conf);
    };
    let mut probe = Command::new("unshare");
    unshare(&mut probe);
    if !probe
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        return peers::missing("the right to make a mount namespace (root and CAP_SYS_ADMIN)");
    }
    let questions = Arc::new(AtomicUsize::new(0));
    name_server(socket, questions.clone());
    let receiver = Receiver::start([status("503 Busy")]);
    let url = format!("http://rebinding.example:{}/", receiver.address.port());
    let setup = support::setup(&["--webhook", &url], &["sh", "-c", "echo ready"]);
    let wrapper = setup
        .replace(|plain| {
            let mut command = Command::new("unshare");
            unshare(&mut command);
            command.arg(plain.get_program()).args(plain.get_args());
            command.env_remove("PROCESS_WRAPPER_ADDRESS");
            command
        })
        .start();
    wrapper.stdout.wait_for("ready");
    assert_eq!(
        receiver.request().headers["host"],
        format!("rebinding.example:{}", receiver.address.port())
    );
    let client = Client::connect(&wrapper.address());
    let delivery = ended(&client);
    assert_eq!(delivery.phase(), webhook_delivery::Phase::Failed);
    assert_eq!(delivery.attempts, 2, "{delivery:?}");
    assert!(
        delivery.last_error.contains("169.254.169.254"),
        "{delivery:?}"
    );
    assert_eq!(
        questions.load(Ordering::SeqCst),
        2,
        "one lookup for each attempt"
    );
    assert_eq!(receiver.more().len(), 0);
}
