//! `sapwood-vm`: runs a program in a virtual machine and ends as it ended.
//!
//! The same program is what the machine starts as its init, and what watches
//! over the machine from outside.

mod cli;

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    // The two inner roles come first: as init, there's nobody to read a usage message.
    let status = match arguments.split_first() {
        Some((role, [run_directory, ..])) if role == "guest" => guest(run_directory),
        Some((role, rest)) if role == "supervise" => sapwood_vm::supervise_main(rest),
        _ => cli::main(),
    };
    ExitCode::from(status)
}

fn guest(run_directory: &OsStr) -> u8 {
    if std::process::id() == 1 { sapwood_vm::guest_main(run_directory) } else { cli::main() }
}
