//! The program: all of it is in the library, so that tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    claribi::cli::main(std::env::args_os())
}
