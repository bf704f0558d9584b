//! The binary: runs the command line and exits with its code. Nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(process_wrapper::main(std::env::args_os().skip(1)))
}
