//! The command `sapwood`: runs containers, and looks after their storage.

use std::process::ExitCode;

fn main() -> ExitCode {
    sapwood_cli::main()
}
