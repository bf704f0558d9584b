//! Guessing tokens: each wrong one costs its peer time, and good ones never wait.

#![allow(clippy::print_stdout, reason = "a measurement, read with --nocapture")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use process_wrapper::address::Address;
use process_wrapper::net::connect::connect;

use crate::call::{GET_STATE, Outcome, probe_on};
use crate::tokens::{ADMITTED, TOKEN, bearer, start};

/// Clients that guess at once, each on a new connection for each guess.
const GUESSERS: usize = 60;

/// The time in which they do.
const TIME: Duration = Duration::from_secs(4);

fn ask(address: &Address, token: &str, expected: Outcome) -> Outcome {
    match smol::block_on(connect(address)) {
        Ok(stream) => probe_on(stream, GET_STATE, bearer(token), expected),
        Err(_) => Outcome::Closed,
    }
}

#[test]
fn guesses_from_one_address_are_few_and_a_good_token_never_waits() {
    let (_wrapper, _folder, tcp) = start(&[]);
    let address: Address = tcp.parse().unwrap();
    let (guesses, good) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for guesser in 0..GUESSERS {
            let (address, guesses, over) = (&address, &guesses, &over);
            scope.spawn(move || {
                for number in 0.. {
                    let token = format!("guess-{guesser}-{number:016}");
                    let found = ask(address, &token, crate::tokens::UNKNOWN);
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    assert_ne!(found, ADMITTED);
                    guesses.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                assert_eq!(ask(&address, TOKEN, ADMITTED), ADMITTED);
                good.fetch_add(1, Ordering::Relaxed);
            }
        });
        thread::sleep(TIME);
        over.store(true, Ordering::Relaxed);
    });
    let (guesses, good) = (guesses.into_inner(), good.into_inner());
    // Five without a delay, some more until all wait for 3 s, and then one each.
    let most = GUESSERS + 40;
    assert!(
        (5..=most).contains(&guesses),
        "{guesses} guesses in {TIME:?}"
    );
    // Had it to wait as they do, it would not get an answer in this time.
    assert!(good >= 3, "{good} good calls, {guesses} guesses");
    println!("{guesses} guesses, {good} good calls in {TIME:?}");
}
