//! Shell completion and the manual pages, made from the same definitions as
//! `--help`.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::app::Cli;
use crate::failure::Failure;
use crate::output::print;

/// Options of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell; its own start file says `source <(sapwood completion SHELL)`
    shell: Shell,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Directory to write the pages to
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Prints the completion script.
pub fn completion(args: &CompletionArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sapwood", &mut script);
    let text = String::from_utf8(script)
        .map_err(|e| Failure::new(format!("the completion script isn't text: {e}")))?;
    print(&text)
}

/// Writes `sapwood.1`, `sapwood-run.1` and so on.
pub fn man(args: &ManArgs) -> Result<(), Failure> {
    let failed = |e: io::Error| {
        Failure::new(format!("can't write manual pages to {}: {e}", args.dir.display()))
    };
    fs::create_dir_all(&args.dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.dir).map_err(failed)
}
