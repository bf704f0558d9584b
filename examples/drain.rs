//! Drains the process of one wrapper and prints how it ended.
//!
//!     cargo run --example drain -- unix:///run/process-wrapper/control.sock

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::error::Error;
use std::time::Duration;

use process_wrapper::client::{Client, Shutdown};

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: drain ADDRESS")?;
    // The wrapper may still be starting: the client retries the connection for a minute.
    let client = Client::new(address.parse()?).connect_timeout(Duration::from_secs(60));
    // Jobs may take an hour. Without a deadline the wrapper kills nothing.
    let request = Shutdown::default()
        .force_after(Duration::from_secs(3600))
        .kill_after(Duration::from_secs(60));
    // Any executor works, because the client spawns no task.
    let process = smol::block_on(client.drain(&request, None))?;
    match process.exit {
        Some(exit) => println!("pid {}: {exit}", process.pid),
        None => println!("pid {}: {}", process.pid, process.state),
    }
    Ok(())
}
