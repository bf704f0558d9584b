//! The binary: blocks signals, runs the command line, exits with its code. Nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: a signal that comes before its handler stands would kill us and leave no trace.
    let blocked = process_wrapper::process::signals::block();
    debug_assert!(blocked.is_ok(), "the set of all signals is valid");
    ExitCode::from(process_wrapper::cli::main(std::env::args_os().skip(1)))
}
