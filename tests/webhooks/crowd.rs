//! Many webhooks that earlier wrappers left: how many attempts are made for them at a time.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::state_dir::{Place, end, kill_wrapper};
use super::wrapper::draining;
use crate::support::webhook_receiver::read_request;
use crate::support::{self, eventually};

/// Webhooks of one wrapper.
const EACH: usize = 16;
/// Attempts at a time for those of earlier wrappers.
const AT_A_TIME: usize = 16;

fn answer(mut wire: TcpStream) {
    wire.set_nonblocking(false).unwrap();
    wire.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    read_request(&mut wire).unwrap();
    wire.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
}

#[test]
fn attempts_for_webhooks_of_earlier_wrappers_are_bounded() {
    let place = Place::new();
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let address = receiver.local_addr().unwrap();
    for life in 0..2 {
        let mut options = vec![place.option()];
        options.extend((0..EACH).map(|nth| format!("--webhook=http://{address}/{life}/{nth}")));
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let wrapper = support::start_ready(&options, "echo ready; exec sleep 600");
        end(kill_wrapper(wrapper), Signal::SIGKILL);
    }
    // Those that the second wrapper attempted. They are closed, because it is gone.
    while receiver.accept().is_ok() {}
    let (_wrapper, client) = draining(&[&place.option()]);
    let mut held = Vec::new();
    eventually("the first attempts are made", || {
        held.extend(receiver.accept().map(|(wire, _)| wire));
        held.len() == AT_A_TIME
    });
    // The wrapper has nothing left to do before it answers.
    assert_eq!(client.get_state().webhooks.len(), 2 * EACH);
    assert!(receiver.accept().is_err(), "more attempts than {AT_A_TIME}");
    held.into_iter().for_each(answer);
    let mut rest = 0;
    eventually("the other attempts are made", || {
        if let Ok((wire, _)) = receiver.accept() {
            answer(wire);
            rest += 1;
        }
        rest == EACH
    });
    eventually("the files are removed", || place.files().is_empty());
}
