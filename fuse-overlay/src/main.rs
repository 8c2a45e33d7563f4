//! The program `fuse-overlay`: mounts a union of directories.

use std::io::Write as _;
use std::process::ExitCode;

use fuse_overlay::options::{self, Request};
use fuse_overlay::process;

fn main() -> ExitCode {
    match options::parse(std::env::args_os().skip(1)) {
        Ok(Request::Mount(options)) => process::run(&options, fuse_overlay::mount),
        Ok(Request::Help) => print(&options::help()),
        Ok(Request::Version) => print(&options::version()),
        Err(error) => {
            process::say(&error.to_string());
            ExitCode::from(process::USAGE)
        }
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(process::DONE),
        Err(error) => {
            process::say(&format!("can't write to standard output: {error}"));
            ExitCode::from(process::FAILED)
        }
    }
}
